use nl_core::Protocol;
use nl_core::genl::{FamilyEvent, GENL_ID_CTRL, NOTIFY_GROUP};

use super::Source;
use crate::event::NetworkEvent;

impl Source {
    /// Families of generic netlink that appear and vanish with their modules: group `notify` of the family `nlctrl`, group 16 of
    /// `NETLINK_GENERIC`.
    ///
    /// Needs no privilege. Equivalent: `genl ctrl monitor`.
    pub const FAMILY: Self = Self {
        protocol: Protocol::Generic,
        group: NOTIFY_GROUP,
        kinds: (GENL_ID_CTRL, GENL_ID_CTRL),
        family: None,
        families: &[],
        decode: |message| Ok(FamilyEvent::decode(message)?.map(NetworkEvent::Family)),
    };
}
