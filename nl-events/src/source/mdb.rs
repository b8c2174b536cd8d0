use nl_bridge::mdb::{MdbEvent, RTM_DELMDB, RTM_NEWMDB, RTNLGRP_MDB};
use nl_core::Protocol;
use nl_core::message::AF_BRIDGE;

use super::Source;
use crate::event::NetworkEvent;

impl Source {
    /// Entries of multicast databases: `RTNLGRP_MDB`, group 26 of `NETLINK_ROUTE`.
    ///
    /// Some changes have no event here; `nl_bridge::mdb::MdbWatch` lists them, and follows them. Needs no privilege. Equivalent:
    /// `bridge monitor mdb`.
    pub const MDB: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_MDB,
        kinds: (RTM_NEWMDB, RTM_DELMDB),
        family: None,
        families: &[AF_BRIDGE],
        decode: |message| Ok(MdbEvent::decode(message)?.map(NetworkEvent::Mdb)),
    };
}
