use std::fmt;

use super::{Family, GENL_ID_CTRL};
use crate::attr::DecodeError;
use crate::message::{GenlHeader, MessageRef};

// `include/uapi/linux/genetlink.h`
const CTRL_CMD_NEWFAMILY: u8 = 1;
const CTRL_CMD_DELFAMILY: u8 = 2;
const CTRL_CMD_NEWMCAST_GRP: u8 = 7;
const CTRL_CMD_DELMCAST_GRP: u8 = 8;

/// What the kernel reports about generic netlink families, in the group [`NOTIFY_GROUP`](super::NOTIFY_GROUP): modules that are
/// loaded and unloaded bring families and take them away.
///
/// A family that is registered again has another number, and so have its groups: whoever listens to them joins again.
/// A family that exists in the initial network namespace alone has events there alone.
///
/// Equivalent: `genl ctrl monitor`. Needs no privilege.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum FamilyEvent {
    /// The family was unregistered (`CTRL_CMD_DELFAMILY`).
    Deleted(Family),
    /// A group of the family was unregistered (`CTRL_CMD_DELMCAST_GRP`); the family has its number, its name and this group alone.
    GroupDeleted(Family),
    /// A group of the family is new (`CTRL_CMD_NEWMCAST_GRP`); the family has its number, its name and this group alone.
    GroupNew(Family),
    /// The family is new (`CTRL_CMD_NEWFAMILY`).
    New(Family),
}

impl FamilyEvent {
    /// Decodes a message of the controller; `None` if it is not about a family.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        if message.kind() != GENL_ID_CTRL {
            return Ok(None);
        }
        let (header, _) = message.header::<GenlHeader>()?;
        let event = match header.command {
            CTRL_CMD_NEWFAMILY => Self::New,
            CTRL_CMD_DELFAMILY => Self::Deleted,
            CTRL_CMD_NEWMCAST_GRP => Self::GroupNew,
            CTRL_CMD_DELMCAST_GRP => Self::GroupDeleted,
            _ => return Ok(None),
        };
        Family::decode(message).map(event).map(Some)
    }

    /// The family it is about.
    #[must_use]
    pub const fn family(&self) -> &Family {
        match self {
            Self::Deleted(family)
            | Self::GroupDeleted(family)
            | Self::GroupNew(family)
            | Self::New(family) => family,
        }
    }
}

/// `family macsec id 0x25`, after `Deleted` if it was unregistered, and with `group NAME` where it is about a group.
impl fmt::Display for FamilyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = self.family();
        if matches!(self, Self::Deleted(_) | Self::GroupDeleted(_)) {
            f.write_str("Deleted ")?;
        }
        write!(f, "family {} id {:#x}", family.name, family.id)?;
        if matches!(self, Self::GroupDeleted(_) | Self::GroupNew(_)) {
            for (name, number) in &family.groups {
                write!(f, " group {name} id {number:#x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::attr::AttrBuf;

    /// `CTRL_ATTR_FAMILY_ID`, `CTRL_ATTR_FAMILY_NAME`, and `CTRL_ATTR_MCAST_GROUPS` with one group.
    fn payload(command: u8) -> Vec<u8> {
        let mut payload = vec![command, 2, 0, 0];
        let mut attrs = AttrBuf::new();
        let mut w = attrs.writer();
        w.u16(1, 0x25).str(2, "strange");
        let mut groups = w.nested(7);
        let mut group = groups.nested(1);
        group.u32(2, 9).str(1, "events");
        drop(group);
        drop(groups);
        payload.extend(attrs.finish().unwrap());
        payload
    }

    fn event(kind: u16, command: u8) -> Option<FamilyEvent> {
        FamilyEvent::decode(MessageRef::from_parts(kind, 0, &payload(command))).unwrap()
    }

    #[test]
    fn event_decodes_by_its_command_and_names_the_group() {
        let words = |command| event(GENL_ID_CTRL, command).map(|event| event.to_string());
        assert_eq!(words(1).as_deref(), Some("family strange id 0x25"));
        assert_eq!(words(2).as_deref(), Some("Deleted family strange id 0x25"));
        assert_eq!(words(7).as_deref(), Some("family strange id 0x25 group events id 0x9"));
        assert_eq!(words(8).as_deref(), Some("Deleted family strange id 0x25 group events id 0x9"));
        assert_eq!(words(3), None);
        assert_eq!(event(GENL_ID_CTRL + 1, 1), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..96)) {
            let _ = FamilyEvent::decode(MessageRef::from_parts(GENL_ID_CTRL, 0, &bytes));
        }
    }
}
