use super::Source;

/// A multicast group of `NETLINK_ROUTE`, by name.
/// Each converts to a [`Source`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RtnetlinkGroup {
    /// Forwarding database entries: see [`Source::FDB`].
    #[cfg(feature = "fdb")]
    BridgeFdb,
    /// Multicast databases: see [`Source::MDB`].
    #[cfg(feature = "mdb")]
    BridgeMdb,
    /// Ports of bridges: see [`Source::PORT`].
    #[cfg(feature = "settings")]
    BridgePort,
    /// VLANs of bridges and their ports: see [`Source::VLAN`].
    #[cfg(feature = "vlan_db")]
    BridgeVlan,
    /// Classes of traffic control: see [`Source::CLASS`].
    #[cfg(feature = "tc")]
    Class,
    /// Filters of traffic control: see [`Source::FILTER`].
    #[cfg(feature = "tc")]
    Filter,
    /// IPv4 addresses: see [`Source::IPV4_ADDRESS`].
    #[cfg(feature = "address")]
    Ipv4Address,
    /// Routes of IPv4: see [`Source::IPV4_ROUTE`].
    #[cfg(feature = "route")]
    Ipv4Route,
    /// Routing policy rules of IPv4: see [`Source::IPV4_RULE`].
    #[cfg(feature = "rule")]
    Ipv4Rule,
    /// IPv6 addresses: see [`Source::IPV6_ADDRESS`].
    #[cfg(feature = "address")]
    Ipv6Address,
    /// Routes of IPv6: see [`Source::IPV6_ROUTE`].
    #[cfg(feature = "route")]
    Ipv6Route,
    /// Routing policy rules of IPv6: see [`Source::IPV6_RULE`].
    #[cfg(feature = "rule")]
    Ipv6Rule,
    /// Network devices: see [`Source::LINK`].
    #[cfg(feature = "link")]
    Link,
    /// MACsec devices: see [`Source::MACSEC`].
    #[cfg(feature = "macsec")]
    Macsec,
    /// Ids of namespaces: see [`Source::NAMESPACE`].
    #[cfg(feature = "nsid")]
    Namespace,
    /// Neighbours of IPv4 and IPv6: see [`Source::NEIGHBOUR`].
    #[cfg(feature = "neighbour")]
    Neighbour,
    /// Nexthop objects and groups: see [`Source::NEXTHOP`].
    #[cfg(feature = "nexthop")]
    Nexthop,
    /// Qdiscs: see [`Source::QDISC`].
    #[cfg(feature = "tc")]
    Qdisc,
    /// VNI filters: see [`Source::VNI`].
    #[cfg(feature = "vni")]
    Vni,
}

impl RtnetlinkGroup {
    /// The source of the group's events.
    #[must_use]
    pub const fn source(self) -> Source {
        match self {
            #[cfg(feature = "fdb")]
            Self::BridgeFdb => Source::FDB,
            #[cfg(feature = "tc")]
            Self::Class => Source::CLASS,
            #[cfg(feature = "tc")]
            Self::Filter => Source::FILTER,
            #[cfg(feature = "tc")]
            Self::Qdisc => Source::QDISC,
            #[cfg(feature = "nsid")]
            Self::Namespace => Source::NAMESPACE,
            #[cfg(feature = "address")]
            Self::Ipv4Address => Source::IPV4_ADDRESS,
            #[cfg(feature = "route")]
            Self::Ipv4Route => Source::IPV4_ROUTE,
            #[cfg(feature = "rule")]
            Self::Ipv4Rule => Source::IPV4_RULE,
            #[cfg(feature = "address")]
            Self::Ipv6Address => Source::IPV6_ADDRESS,
            #[cfg(feature = "route")]
            Self::Ipv6Route => Source::IPV6_ROUTE,
            #[cfg(feature = "rule")]
            Self::Ipv6Rule => Source::IPV6_RULE,
            #[cfg(feature = "link")]
            Self::Link => Source::LINK,
            #[cfg(feature = "macsec")]
            Self::Macsec => Source::MACSEC,
            #[cfg(feature = "neighbour")]
            Self::Neighbour => Source::NEIGHBOUR,
            #[cfg(feature = "nexthop")]
            Self::Nexthop => Source::NEXTHOP,
            #[cfg(feature = "mdb")]
            Self::BridgeMdb => Source::MDB,
            #[cfg(feature = "settings")]
            Self::BridgePort => Source::PORT,
            #[cfg(feature = "vlan_db")]
            Self::BridgeVlan => Source::VLAN,
            #[cfg(feature = "vni")]
            Self::Vni => Source::VNI,
        }
    }

    /// The number of the group (`enum rtnetlink_groups` in `include/uapi/linux/rtnetlink.h`).
    #[must_use]
    pub const fn number(self) -> u32 {
        self.source().group()
    }
}

impl From<RtnetlinkGroup> for Source {
    fn from(group: RtnetlinkGroup) -> Self {
        group.source()
    }
}
