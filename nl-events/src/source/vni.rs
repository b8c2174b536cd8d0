use nl_bridge::vni::{RTM_DELTUNNEL, RTM_NEWTUNNEL, RTNLGRP_TUNNEL, VniEvent};
use nl_core::Protocol;

use super::Source;
use crate::event::NetworkEvent;

impl Source {
    /// VNI filters of VXLAN devices: `RTNLGRP_TUNNEL`, group 35 of `NETLINK_ROUTE`.
    ///
    /// Needs no privilege. Equivalent: `bridge monitor vni`.
    pub const VNI: Self = Self {
        protocol: Protocol::Route,
        group: RTNLGRP_TUNNEL,
        kinds: (RTM_NEWTUNNEL, RTM_DELTUNNEL),
        decode: |message| Ok(VniEvent::decode(message)?.map(NetworkEvent::Vni)),
    };
}
