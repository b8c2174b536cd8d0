//! What the messages of the family share.

use nl_core::attr_names;
use nl_core::message::GenlHeader;

use nl_core::{Describe, Request};

/// The generic netlink family of the path managers (`MPTCP_PM_NAME`).
pub const FAMILY: &str = "mptcp_pm";
/// Its multicast group of events (`MPTCP_PM_EV_GRP_NAME`).
pub const EVENT_GROUP: &str = "mptcp_pm_events";

// `include/uapi/linux/mptcp_pm.h`
const VERSION: u8 = 1;
pub(crate) const CMD_ADD_ADDR: u8 = 1;
pub(crate) const CMD_DEL_ADDR: u8 = 2;
pub(crate) const CMD_GET_ADDR: u8 = 3;
pub(crate) const CMD_FLUSH_ADDRS: u8 = 4;
pub(crate) const CMD_SET_LIMITS: u8 = 5;
pub(crate) const CMD_GET_LIMITS: u8 = 6;
pub(crate) const CMD_SET_FLAGS: u8 = 7;
pub(crate) const CMD_ANNOUNCE: u8 = 8;
pub(crate) const CMD_REMOVE: u8 = 9;
pub(crate) const CMD_SUBFLOW_CREATE: u8 = 10;
pub(crate) const CMD_SUBFLOW_DESTROY: u8 = 11;

/// A request of the family, which has the number `family` in the running kernel.
pub(crate) fn request(family: u16, command: u8, describe: Describe) -> Request {
    Request::new(family, &NAMES, describe).with_header(&GenlHeader { command, version: VERSION })
}

attr_names! { pub(crate) ADDRESS {
    MPTCP_PM_ADDR_ATTR_FAMILY = 1,
    MPTCP_PM_ADDR_ATTR_ID = 2,
    MPTCP_PM_ADDR_ATTR_ADDR4 = 3,
    MPTCP_PM_ADDR_ATTR_ADDR6 = 4,
    MPTCP_PM_ADDR_ATTR_PORT = 5,
    MPTCP_PM_ADDR_ATTR_FLAGS = 6,
    MPTCP_PM_ADDR_ATTR_IF_IDX = 7,
} }

attr_names! { pub(crate) NAMES: GenlHeader {
    MPTCP_PM_ATTR_ADDR = 1 in ADDRESS,
    MPTCP_PM_ATTR_RCV_ADD_ADDRS = 2,
    MPTCP_PM_ATTR_SUBFLOWS = 3,
    MPTCP_PM_ATTR_TOKEN = 4,
    MPTCP_PM_ATTR_LOC_ID = 5,
    MPTCP_PM_ATTR_ADDR_REMOTE = 6 in ADDRESS,
} }
