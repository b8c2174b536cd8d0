//! All multicast groups of `NETLINK_ROUTE`, and which event covers each.
//!
//! Linux 7.2 has 39 groups. A test compares this list with the kernel's header and with the groups that the running kernel has.
//!
//! | number | group | events |
//! |---|---|---|
//! | 1 | `RTNLGRP_LINK` | `Link`, `Macsec`, `Port` |
//! | 2 | `RTNLGRP_NOTIFY` | none: the kernel sends nothing to it |
//! | 3 | `RTNLGRP_NEIGH` | `Fdb`, `Neighbour`; `Raw` for `RTM_GETNEIGH`, by which the kernel asks: misses of VXLAN devices with `l2miss` or `l3miss`, and neighbours with `app_solicit` |
//! | 4 | `RTNLGRP_TC` | `Tc`; `Raw` for chains and shared actions |
//! | 5 | `RTNLGRP_IPV4_IFADDR` | `Address` |
//! | 6 | `RTNLGRP_IPV4_MROUTE` | `Raw`: routes of multicast routing daemons |
//! | 7 | `RTNLGRP_IPV4_ROUTE` | `Route` |
//! | 8 | `RTNLGRP_IPV4_RULE` | `Rule` |
//! | 9 | `RTNLGRP_IPV6_IFADDR` | `Address` |
//! | 10 | `RTNLGRP_IPV6_MROUTE` | `Raw`: routes of multicast routing daemons |
//! | 11 | `RTNLGRP_IPV6_ROUTE` | `Route` |
//! | 12 | `RTNLGRP_IPV6_IFINFO` | `Raw`: the IPv6 state of devices, `RTM_NEWLINK` of the family `AF_INET6` |
//! | 13 | `RTNLGRP_DECnet_IFADDR` | none: Linux 6.1 removed DECnet |
//! | 14 | `RTNLGRP_NOP2` | none: a gap in the numbers |
//! | 15 | `RTNLGRP_DECnet_ROUTE` | none: Linux 6.1 removed DECnet |
//! | 16 | `RTNLGRP_DECnet_RULE` | none: Linux 6.1 removed DECnet |
//! | 17 | `RTNLGRP_NOP4` | none: a gap in the numbers |
//! | 18 | `RTNLGRP_IPV6_PREFIX` | `Raw`: prefixes in router advertisements |
//! | 19 | `RTNLGRP_IPV6_RULE` | `Rule` |
//! | 20 | `RTNLGRP_ND_USEROPT` | `Raw`: options of neighbour discovery for user space |
//! | 21 | `RTNLGRP_PHONET_IFADDR` | `Raw`: Phonet |
//! | 22 | `RTNLGRP_PHONET_ROUTE` | `Raw`: Phonet |
//! | 23 | `RTNLGRP_DCB` | `Raw`: data centre bridging of network cards |
//! | 24 | `RTNLGRP_IPV4_NETCONF` | `Raw`: some of the `net.ipv4.conf` values of devices |
//! | 25 | `RTNLGRP_IPV6_NETCONF` | `Raw`: some of the `net.ipv6.conf` values of devices |
//! | 26 | `RTNLGRP_MDB` | `Mdb` |
//! | 27 | `RTNLGRP_MPLS_ROUTE` | `Raw`: MPLS |
//! | 28 | `RTNLGRP_NSID` | `Namespace` |
//! | 29 | `RTNLGRP_MPLS_NETCONF` | `Raw`: MPLS |
//! | 30 | `RTNLGRP_IPV4_MROUTE_R` | `Raw`: packets without a multicast route |
//! | 31 | `RTNLGRP_IPV6_MROUTE_R` | `Raw`: packets without a multicast route |
//! | 32 | `RTNLGRP_NEXTHOP` | `Nexthop`; `Raw` for buckets of resilient groups |
//! | 33 | `RTNLGRP_BRVLAN` | `Vlan` |
//! | 34 | `RTNLGRP_MCTP_IFADDR` | `Raw`: MCTP |
//! | 35 | `RTNLGRP_TUNNEL` | `Vni` |
//! | 36 | `RTNLGRP_STATS` | `Raw`: counters of L3 offloading |
//! | 37 | `RTNLGRP_IPV4_MCADDR` | `Raw`: multicast addresses that devices listen to, Linux 6.14 |
//! | 38 | `RTNLGRP_IPV6_MCADDR` | `Raw`: multicast addresses that devices listen to, Linux 6.14 |
//! | 39 | `RTNLGRP_IPV6_ACADDR` | `Raw`: anycast addresses that devices listen to, Linux 6.14 |
//!
//! Of generic netlink, `notify` of `nlctrl` has the event `Family`, and `mptcp_pm_events` of `mptcp_pm` the event `Mptcp`. Other
//! families are followed with [`nl_core::monitor`].
//!
//! Kernel: `enum rtnetlink_groups` of `include/uapi/linux/rtnetlink.h`.

/// A multicast group of `NETLINK_ROUTE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// Its number.
    pub number: u32,
    /// Its name in the kernel's header.
    pub name: &'static str,
    /// The variants of [`NetworkEvent`](crate::NetworkEvent) that are its events, whether their features are on or not. Empty if
    /// the kernel sends nothing to the group.
    pub variants: &'static [&'static str],
}

impl Group {
    /// Whether all that is said in the group has types of its own, or the kernel sends nothing.
    #[must_use]
    pub fn is_typed(&self) -> bool {
        !self.variants.contains(&"Raw")
    }
}

/// The groups, in the order of their numbers.
pub const ALL: &[Group] = &[
    group(1, "RTNLGRP_LINK", &["Link", "Macsec", "Port"]),
    group(2, "RTNLGRP_NOTIFY", &[]),
    group(3, "RTNLGRP_NEIGH", &["Fdb", "Neighbour", "Raw"]),
    group(4, "RTNLGRP_TC", &["Tc", "Raw"]),
    group(5, "RTNLGRP_IPV4_IFADDR", &["Address"]),
    group(6, "RTNLGRP_IPV4_MROUTE", &["Raw"]),
    group(7, "RTNLGRP_IPV4_ROUTE", &["Route"]),
    group(8, "RTNLGRP_IPV4_RULE", &["Rule"]),
    group(9, "RTNLGRP_IPV6_IFADDR", &["Address"]),
    group(10, "RTNLGRP_IPV6_MROUTE", &["Raw"]),
    group(11, "RTNLGRP_IPV6_ROUTE", &["Route"]),
    group(12, "RTNLGRP_IPV6_IFINFO", &["Raw"]),
    group(13, "RTNLGRP_DECnet_IFADDR", &[]),
    group(14, "RTNLGRP_NOP2", &[]),
    group(15, "RTNLGRP_DECnet_ROUTE", &[]),
    group(16, "RTNLGRP_DECnet_RULE", &[]),
    group(17, "RTNLGRP_NOP4", &[]),
    group(18, "RTNLGRP_IPV6_PREFIX", &["Raw"]),
    group(19, "RTNLGRP_IPV6_RULE", &["Rule"]),
    group(20, "RTNLGRP_ND_USEROPT", &["Raw"]),
    group(21, "RTNLGRP_PHONET_IFADDR", &["Raw"]),
    group(22, "RTNLGRP_PHONET_ROUTE", &["Raw"]),
    group(23, "RTNLGRP_DCB", &["Raw"]),
    group(24, "RTNLGRP_IPV4_NETCONF", &["Raw"]),
    group(25, "RTNLGRP_IPV6_NETCONF", &["Raw"]),
    group(26, "RTNLGRP_MDB", &["Mdb"]),
    group(27, "RTNLGRP_MPLS_ROUTE", &["Raw"]),
    group(28, "RTNLGRP_NSID", &["Namespace"]),
    group(29, "RTNLGRP_MPLS_NETCONF", &["Raw"]),
    group(30, "RTNLGRP_IPV4_MROUTE_R", &["Raw"]),
    group(31, "RTNLGRP_IPV6_MROUTE_R", &["Raw"]),
    group(32, "RTNLGRP_NEXTHOP", &["Nexthop", "Raw"]),
    group(33, "RTNLGRP_BRVLAN", &["Vlan"]),
    group(34, "RTNLGRP_MCTP_IFADDR", &["Raw"]),
    group(35, "RTNLGRP_TUNNEL", &["Vni"]),
    group(36, "RTNLGRP_STATS", &["Raw"]),
    group(37, "RTNLGRP_IPV4_MCADDR", &["Raw"]),
    group(38, "RTNLGRP_IPV6_MCADDR", &["Raw"]),
    group(39, "RTNLGRP_IPV6_ACADDR", &["Raw"]),
];

const fn group(number: u32, name: &'static str, variants: &'static [&'static str]) -> Group {
    Group { number, name, variants }
}
