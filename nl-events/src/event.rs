#[cfg(feature = "address")]
use nl_core::address::AddressEvent;
#[cfg(feature = "link")]
use nl_core::link::LinkEvent;
#[cfg(feature = "neighbour")]
use nl_core::neighbour::NeighbourEvent;
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
/// Each source is a Cargo feature. Only the events of compiled-in sources are decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum NetworkEvent {
    /// An event of an IP address.
    #[cfg(feature = "address")]
    Address(AddressEvent),
    /// An event of the forwarding database of a bridge or of a VXLAN device.
    #[cfg(feature = "fdb")]
    Fdb(FdbEvent),
    /// An event of a network device.
    #[cfg(feature = "link")]
    Link(LinkEvent),
    /// An event of a Multipath TCP connection.
    #[cfg(feature = "mptcp")]
    Mptcp(MptcpEvent),
    /// An event of a neighbour of IPv4 or IPv6.
    #[cfg(feature = "neighbour")]
    Neighbour(NeighbourEvent),
    /// An event of a nexthop object or group.
    #[cfg(feature = "nexthop")]
    Nexthop(NexthopEvent),
    /// An event of a route.
    #[cfg(feature = "route")]
    Route(RouteEvent),
    /// An event of a routing policy rule.
    #[cfg(feature = "rule")]
    Rule(RuleEvent),
}
