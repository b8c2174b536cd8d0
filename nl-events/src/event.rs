#[cfg(feature = "address")]
use nl_core::address::AddressEvent;
#[cfg(feature = "link")]
use nl_core::link::LinkEvent;
#[cfg(feature = "nexthop")]
use nl_core::nexthop::NexthopEvent;
#[cfg(feature = "route")]
use nl_core::route::RouteEvent;
#[cfg(feature = "rule")]
use nl_core::rule::RuleEvent;

#[cfg(feature = "fdb")]
use crate::fdb::FdbEvent;
#[cfg(feature = "mptcp")]
use crate::mptcp::MptcpEvent;

/// An event of the network.
///
/// Each source is a Cargo feature. Events of sources that are not compiled in are not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum NetworkEvent {
    /// Of an IP address.
    #[cfg(feature = "address")]
    Address(AddressEvent),
    /// Of the forwarding database of a bridge or of a VXLAN device.
    #[cfg(feature = "fdb")]
    Fdb(FdbEvent),
    /// Of a network device.
    #[cfg(feature = "link")]
    Link(LinkEvent),
    /// Of a Multipath TCP connection.
    #[cfg(feature = "mptcp")]
    Mptcp(MptcpEvent),
    /// Of a nexthop object or group.
    #[cfg(feature = "nexthop")]
    Nexthop(NexthopEvent),
    /// Of a route.
    #[cfg(feature = "route")]
    Route(RouteEvent),
    /// Of a routing policy rule.
    #[cfg(feature = "rule")]
    Rule(RuleEvent),
}
