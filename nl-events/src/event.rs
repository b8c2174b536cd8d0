#![expect(clippy::allow_attributes, reason = "with most features the variants are of similar size")]

#[cfg(feature = "mdb")]
use nl_bridge::mdb::MdbEvent;
#[cfg(feature = "settings")]
use nl_bridge::settings::PortEvent;
#[cfg(feature = "vlan_db")]
use nl_bridge::vlan_db::VlanDbEvent;
#[cfg(feature = "vni")]
use nl_bridge::vni::VniEvent;
#[cfg(feature = "address")]
use nl_core::address::AddressEvent;
#[cfg(feature = "family")]
use nl_core::genl::FamilyEvent;
#[cfg(feature = "link")]
use nl_core::link::LinkEvent;
#[cfg(feature = "neighbour")]
use nl_core::neighbour::NeighbourEvent;
#[cfg(feature = "nexthop")]
use nl_core::nexthop::NexthopEvent;
#[cfg(feature = "nsid")]
use nl_core::nsid::NsidEvent;
#[cfg(feature = "route")]
use nl_core::route::RouteEvent;
#[cfg(feature = "rule")]
use nl_core::rule::RuleEvent;
#[cfg(feature = "tc")]
use nl_tc::TcEvent;

#[cfg(feature = "fdb")]
use crate::fdb::FdbEvent;
#[cfg(feature = "macsec")]
use crate::macsec::MacsecEvent;
#[cfg(feature = "mptcp")]
use crate::mptcp::MptcpEvent;
use crate::raw::RawEvent;

/// An event of the network.
/// Each source is a Cargo feature. Only the events of compiled-in sources are decoded.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "what comes in floods is not boxed; of the others, large objects are boxed in their events"
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum NetworkEvent {
    /// An event of an IP address.
    #[cfg(feature = "address")]
    Address(AddressEvent),
    /// A generic netlink family appeared or vanished.
    #[cfg(feature = "family")]
    Family(FamilyEvent),
    /// An event of the forwarding database of a bridge or of a VXLAN device.
    #[cfg(feature = "fdb")]
    Fdb(FdbEvent),
    /// An event of a network device.
    #[cfg(feature = "link")]
    Link(LinkEvent),
    /// An event of a MACsec device.
    #[cfg(feature = "macsec")]
    Macsec(MacsecEvent),
    /// An event of a multicast database.
    #[cfg(feature = "mdb")]
    Mdb(MdbEvent),
    /// An event of a Multipath TCP connection.
    #[cfg(feature = "mptcp")]
    Mptcp(MptcpEvent),
    /// A namespace has got an id, or one with an id is gone.
    #[cfg(feature = "nsid")]
    Namespace(NsidEvent),
    /// An event of a neighbour of IPv4 or IPv6.
    #[cfg(feature = "neighbour")]
    Neighbour(NeighbourEvent),
    /// An event of a nexthop object or group.
    #[cfg(feature = "nexthop")]
    Nexthop(NexthopEvent),
    /// An event of a bridge's port.
    #[cfg(feature = "settings")]
    Port(PortEvent),
    /// A message of a [raw source](crate::Source::raw).
    Raw(RawEvent),
    /// An event of a route.
    #[cfg(feature = "route")]
    Route(RouteEvent),
    /// An event of a routing policy rule.
    #[cfg(feature = "rule")]
    Rule(RuleEvent),
    /// An event of a qdisc, a class or a filter of traffic control.
    #[cfg(feature = "tc")]
    Tc(Box<TcEvent>),
    /// An event of the VLANs of a bridge and its ports.
    #[cfg(feature = "vlan_db")]
    Vlan(VlanDbEvent),
    /// An event of the VNI filter of a VXLAN device.
    #[cfg(feature = "vni")]
    Vni(VniEvent),
}
