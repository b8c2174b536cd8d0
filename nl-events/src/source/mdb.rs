use nl_bridge::mdb::{MdbEvent, RTM_DELMDB, RTM_NEWMDB, RTNLGRP_MDB};
use nl_core::Protocol;

use super::Source;
use crate::event::NetworkEvent;

impl Source {
    /// Entries of multicast databases: `RTNLGRP_MDB`, group 26 of `NETLINK_ROUTE`.
    ///
    /// Needs no privilege. Equivalent: `bridge monitor mdb`.
    pub const MDB: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_MDB,
        kinds: (RTM_NEWMDB, RTM_DELMDB),
        decode: |message| Ok(MdbEvent::decode(message)?.map(NetworkEvent::Mdb)),
    };
}
