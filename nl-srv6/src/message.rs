//! What the messages of the family share.

use nl_core::attr_names;
use nl_core::message::GenlHeader;
use nl_core::{Connection, Describe, Protocol, Request, Result};

/// The generic netlink family of segment routing (`SEG6_GENL_NAME`), in upper case.
pub const FAMILY: &str = "SEG6";

// `include/uapi/linux/seg6_genl.h`
const VERSION: u8 = 1;

/// A request of the family, which has the number `family` in the running kernel.
pub(crate) fn request(family: u16, command: u8, describe: Describe) -> Request {
    Request::new(family, &NAMES, describe).with_header(&GenlHeader { command, version: VERSION })
}

/// The number of the family.
pub(crate) async fn family(conn: &Connection) -> Result<u16> {
    conn.require(Protocol::Generic, "SRv6 keys and tunnel sources")?;
    Ok(conn.family(FAMILY).await?.id)
}

attr_names! { pub(crate) NAMES: GenlHeader {
    SEG6_ATTR_DST = 1,
    SEG6_ATTR_HMACKEYID = 3,
    SEG6_ATTR_SECRET = 4,
    SEG6_ATTR_SECRETLEN = 5,
    SEG6_ATTR_ALGID = 6,
} }
