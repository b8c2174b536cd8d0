//! What the messages of the family have in common.

use std::fmt::{self, Write};
use std::net::IpAddr;

use nl_core::Request;
use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;
use nl_core::message::{GenlHeader, MessageRef};

use crate::endpoint::{EndpointFlags, write_flags};
use crate::{AddressId, Token};

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

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// A request of the family, which has this number in the running kernel.
pub(crate) fn request(family: u16, command: u8) -> Request {
    Request::new(family, &NAMES, describe).with_header(&GenlHeader { command, version: VERSION })
}

/// What stands in an address nest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AddressNest {
    pub(crate) address: Option<IpAddr>,
    pub(crate) id: Option<AddressId>,
    pub(crate) port: Option<u16>,
    pub(crate) flags: Option<u32>,
    pub(crate) index: Option<u32>,
}

impl AddressNest {
    pub(crate) fn read(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let mut nest = Self::default();
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                MPTCP_PM_ADDR_ATTR_ID => nest.id = Some(AddressId::new(attr.u8()?)),
                MPTCP_PM_ADDR_ATTR_ADDR4 => nest.address = Some(attr.array::<4>()?.into()),
                MPTCP_PM_ADDR_ATTR_ADDR6 => nest.address = Some(attr.array::<16>()?.into()),
                MPTCP_PM_ADDR_ATTR_PORT => nest.port = Some(attr.u16()?).filter(|port| *port != 0),
                MPTCP_PM_ADDR_ATTR_FLAGS => nest.flags = Some(attr.u32()?),
                MPTCP_PM_ADDR_ATTR_IF_IDX => nest.index = Some(attr.u32()?).filter(|index| *index != 0),
                // `MPTCP_PM_ADDR_ATTR_FAMILY` too: the address says it.
                _ => {}
            }
        }
        Ok(nest)
    }

    /// The kernel takes the attributes in any order.
    pub(crate) fn write(self, w: &mut AttrWriter<'_>, kind: u16) {
        let mut nest = w.nested(kind);
        if let Some(address) = self.address {
            let (family, kind) = if address.is_ipv4() {
                (AF_INET, MPTCP_PM_ADDR_ATTR_ADDR4)
            } else {
                (AF_INET6, MPTCP_PM_ADDR_ATTR_ADDR6)
            };
            nest.u16(MPTCP_PM_ADDR_ATTR_FAMILY, family);
            nest.ip(kind, address);
        }
        if let Some(id) = self.id {
            nest.u8(MPTCP_PM_ADDR_ATTR_ID, id.get());
        }
        if let Some(port) = self.port {
            nest.u16(MPTCP_PM_ADDR_ATTR_PORT, port);
        }
        if let Some(flags) = self.flags {
            nest.u32(MPTCP_PM_ADDR_ATTR_FLAGS, flags);
        }
        if let Some(index) = self.index {
            nest.u32(MPTCP_PM_ADDR_ATTR_IF_IDX, index);
        }
    }
}

fn describe(message: MessageRef<'_>) -> String {
    let Ok((header, attrs)) = message.header::<GenlHeader>() else {
        return "mptcp request".into();
    };
    let attr = |kind| attrs.find(kind).ok().flatten();
    let token = attr(MPTCP_PM_ATTR_TOKEN).and_then(|attr| attr.u32().ok()).map(Token::new);
    let nest = |kind| attr(kind).and_then(|attr| AddressNest::read(attr.attrs()).ok());
    let (local, remote) = (nest(MPTCP_PM_ATTR_ADDR), nest(MPTCP_PM_ATTR_ADDR_REMOTE));
    let mut text = String::from(match (header.command, token) {
        (CMD_ADD_ADDR, _) => "add mptcp endpoint",
        (CMD_DEL_ADDR, _) => "delete mptcp endpoint",
        (CMD_GET_ADDR, None) => {
            if local.is_some() {
                "get mptcp endpoint"
            } else {
                "list mptcp endpoints"
            }
        }
        (CMD_GET_ADDR, Some(_)) => {
            if local.is_some() {
                "get mptcp address"
            } else {
                "list mptcp addresses"
            }
        }
        (CMD_FLUSH_ADDRS, _) => "flush mptcp endpoints",
        (CMD_SET_LIMITS, _) => "set mptcp limits",
        (CMD_GET_LIMITS, _) => "get mptcp limits",
        (CMD_SET_FLAGS, None) => "change mptcp endpoint",
        (CMD_SET_FLAGS, Some(_)) => "change mptcp subflow",
        (CMD_ANNOUNCE, _) => "announce mptcp address",
        (CMD_REMOVE, _) => "withdraw mptcp address",
        (CMD_SUBFLOW_CREATE, _) => "create mptcp subflow",
        (CMD_SUBFLOW_DESTROY, _) => "destroy mptcp subflow",
        _ => "mptcp request",
    });
    // Writing to a String cannot fail.
    if let Some(nest) = local {
        let _ = write!(text, "{nest}");
    }
    if let Some(nest) = remote {
        let _ = write!(text, " to{nest}");
    }
    for (kind, word) in
        [(MPTCP_PM_ATTR_RCV_ADD_ADDRS, "add_addr_accepted"), (MPTCP_PM_ATTR_SUBFLOWS, "subflows")]
    {
        if let Some(limit) = attr(kind).and_then(|attr| attr.u32().ok()) {
            let _ = write!(text, " {word} {limit}");
        }
    }
    if let Some(id) = attr(MPTCP_PM_ATTR_LOC_ID).and_then(|attr| attr.u8().ok()) {
        let _ = write!(text, " id {id}");
    }
    if let Some(token) = token {
        let _ = write!(text, " token {token}");
    }
    text
}

/// Each part that is there, with a space before it.
impl fmt::Display for AddressNest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(address) = self.address {
            write!(f, " {address}")?;
        }
        if let Some(port) = self.port {
            write!(f, " port {port}")?;
        }
        if let Some(id) = self.id {
            write!(f, " id {id}")?;
        }
        write_flags(f, EndpointFlags::from_bits_retain(self.flags.unwrap_or_default()))?;
        match self.index {
            Some(index) => write!(f, " dev #{index}"),
            None => Ok(()),
        }
    }
}
