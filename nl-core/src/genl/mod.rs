//! Generic netlink: families and their multicast groups by name.
//!
//! ```no_run
//! use nl_core::connection::{Connection, Protocol};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let conn = Connection::open(Protocol::Generic)?;
//! let mptcp = conn.family("mptcp_pm").await?;
//! println!("{} events come in group {}", mptcp.name, mptcp.group("mptcp_pm_events")?);
//! # Ok(())
//! # }
//! ```

mod event;

pub use event::FamilyEvent;

use crate::attr::{Attrs, DecodeError};
use crate::attr_names;
use crate::error::{Error, Result, Since};
use crate::message::{GenlHeader, MessageRef};
use crate::request::Request;

// `include/uapi/linux/genetlink.h`

/// The number of the family `nlctrl`, which knows the others: the only family whose number is fixed.
pub const GENL_ID_CTRL: u16 = 0x10;
/// The number of the controller's group `notify`, which reports families and groups that are registered and unregistered. It is
/// fixed, too.
pub const NOTIFY_GROUP: u32 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
/// `GENL_NAMSIZ - 1`.
const NAME_MAX: usize = 15;

attr_names! { NAMES: GenlHeader {
    CTRL_ATTR_FAMILY_ID = 1,
    CTRL_ATTR_FAMILY_NAME = 2,
    CTRL_ATTR_VERSION = 3,
    CTRL_ATTR_MAXATTR = 5,
    CTRL_ATTR_OPS = 6 { CTRL_ATTR_OP_ID = 1, CTRL_ATTR_OP_FLAGS = 2 },
    CTRL_ATTR_MCAST_GROUPS = 7 { CTRL_ATTR_MCAST_GRP_NAME = 1, CTRL_ATTR_MCAST_GRP_ID = 2 },
} }

fn describe(message: MessageRef<'_>) -> String {
    let name = message
        .header::<GenlHeader>()
        .ok()
        .and_then(|(_, attrs)| attrs.find(CTRL_ATTR_FAMILY_NAME).ok().flatten())
        .and_then(|attr| attr.str().ok())
        .unwrap_or("?");
    format!("resolve generic netlink family \"{name}\"")
}

/// Asks for a family by name.
pub(crate) fn request(name: &str) -> Result<Request> {
    if name.is_empty() || name.len() > NAME_MAX {
        let len = name.len();
        return Err(Error::usage(format!(
            "family name \"{name}\" has {len} bytes; 1 to {NAME_MAX} are possible"
        )));
    }
    let header = GenlHeader { command: CTRL_CMD_GETFAMILY, version: 1 };
    let mut request = Request::new(GENL_ID_CTRL, &NAMES, describe).with_header(&header);
    request.attrs().str(CTRL_ATTR_FAMILY_NAME, name);
    Ok(request)
}

/// A generic netlink family of the running kernel (`CTRL_CMD_GETFAMILY`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Family {
    /// The number that is the message type of its messages; it may differ after the module was loaded again.
    pub id: u16,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// The largest attribute number it knows, where the kernel says so.
    pub max_attr: u32,
    /// Its commands.
    pub operations: Vec<Operation>,
    /// Its multicast groups, names and numbers.
    pub groups: Vec<(String, u32)>,
}

/// A command of a family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Operation {
    /// The command's number.
    pub id: u32,
    /// `GENL_ADMIN_PERM` 0x01, `GENL_CMD_CAP_DO` 0x02, `GENL_CMD_CAP_DUMP` 0x04, `GENL_CMD_CAP_HASPOL` 0x08,
    /// `GENL_UNS_ADMIN_PERM` 0x10.
    pub flags: u32,
}

impl Family {
    /// The number of a multicast group, to be [joined](crate::monitor::MonitorBuilder::group).
    ///
    /// # Errors
    /// This kernel's family has no such group.
    pub fn group(&self, name: &str) -> Result<u32> {
        self.groups.iter().find(|(group, _)| group == name).map(|(_, number)| *number).ok_or_else(|| {
            Error::unsupported(
                format!("group \"{name}\" of generic netlink family \"{}\"", self.name),
                Since::option("a newer kernel"),
            )
        })
    }

    /// Reads a family from a `CTRL_CMD_NEWFAMILY` message.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        let (_, attrs) = message.header::<GenlHeader>()?;
        let mut family = Self::default();
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                CTRL_ATTR_FAMILY_ID => family.id = attr.u16()?,
                CTRL_ATTR_FAMILY_NAME => family.name = attr.str()?.into(),
                CTRL_ATTR_VERSION => family.version = attr.u32()?,
                CTRL_ATTR_MAXATTR => family.max_attr = attr.u32()?,
                CTRL_ATTR_OPS => {
                    for op in attr.attrs() {
                        family.operations.push(Operation::decode(op?.attrs())?);
                    }
                }
                CTRL_ATTR_MCAST_GROUPS => {
                    for group in attr.attrs() {
                        family.groups.push(group_of(group?.attrs())?);
                    }
                }
                _ => {}
            }
        }
        if family.id == 0 {
            return Err(DecodeError::Missing(CTRL_ATTR_FAMILY_ID));
        }
        Ok(family)
    }
}

impl Operation {
    fn decode(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let mut operation = Self::default();
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                CTRL_ATTR_OP_ID => operation.id = attr.u32()?,
                CTRL_ATTR_OP_FLAGS => operation.flags = attr.u32()?,
                _ => {}
            }
        }
        Ok(operation)
    }
}

fn group_of(attrs: Attrs<'_>) -> Result<(String, u32), DecodeError> {
    let mut group = (String::new(), 0);
    for attr in attrs {
        let attr = attr?;
        match attr.kind() {
            CTRL_ATTR_MCAST_GRP_NAME => group.0 = attr.str()?.into(),
            CTRL_ATTR_MCAST_GRP_ID => group.1 = attr.u32()?,
            _ => {}
        }
    }
    Ok(group)
}
