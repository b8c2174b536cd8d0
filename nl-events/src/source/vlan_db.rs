use nl_bridge::vlan_db::{RTM_DELVLAN, RTM_NEWVLAN, RTNLGRP_BRVLAN, VlanDbEvent};
use nl_core::Protocol;
use nl_core::message::AF_BRIDGE;

use super::Source;
use crate::event::NetworkEvent;

impl Source {
    /// VLANs of bridges and their ports: `RTNLGRP_BRVLAN`, group 33 of `NETLINK_ROUTE`.
    ///
    /// Some changes have no event here; `nl_bridge::vlan_db` lists them, and its `VlanWatch` follows them. Needs no privilege.
    /// Equivalent: `bridge monitor vlan`.
    pub const VLAN: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_BRVLAN,
        kinds: (RTM_NEWVLAN, RTM_DELVLAN),
        family: None,
        families: &[AF_BRIDGE],
        decode: |message| Ok(VlanDbEvent::decode(message)?.map(NetworkEvent::Vlan)),
    };
}
