use nl_bridge::vni::{RTM_DELTUNNEL, RTM_NEWTUNNEL, RTNLGRP_TUNNEL, VniEvent};
use nl_core::Protocol;
use nl_core::message::AF_BRIDGE;

use super::Source;
use crate::event::NetworkEvent;

impl Source {
    /// VNI filters of VXLAN devices: `RTNLGRP_TUNNEL`, group 35 of `NETLINK_ROUTE`.
    ///
    /// A device that moves to another namespace takes its VNIs along without an event here; `nl_bridge::vni::VniWatch` follows it.
    /// Needs no privilege. Equivalent: `bridge monitor vni`.
    pub const VNI: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_TUNNEL,
        kinds: (RTM_NEWTUNNEL, RTM_DELTUNNEL),
        family: None,
        families: &[AF_BRIDGE],
        decode: |message| Ok(VniEvent::decode(message)?.map(NetworkEvent::Vni)),
    };
}
