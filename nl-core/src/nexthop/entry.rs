use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::group::{GroupKind, GroupMember, MemberStats, Resilient};
use crate::attr::{DecodeError, RawAttrs};
use crate::route::{Encap, RawEncap, RouteFlags, RouteProtocol, RouteScope, byte_enum};

byte_enum! {
    /// Which routes a nexthop is for (`nh_family`). In kernel order.
    pub enum NexthopFamily {
        /// Of a group: that of its members. Of a nexthop that is made: that of its gateway, or IPv4.
        Unspec = 0 "unspec",
        /// Routes of IPv4.
        Ipv4 = 2 "inet",
        /// Routes of IPv6 and, except for some encapsulations, of IPv4.
        Ipv6 = 10 "inet6",
    }
}

/// One nexthop object or group, as it is read and as it is written.
///
/// ```
/// use nl_core::nexthop::{Nexthop, NexthopVerb};
///
/// let hop = Nexthop::new(1).via("192.0.2.1".parse().unwrap()).oif(5);
/// assert_eq!(hop.to_string(), "id 1 via 192.0.2.1 dev #5");
/// let group = Nexthop::new(10).group([(1, 3), (2, 1)]);
/// assert_eq!(group.to_string(), "id 10 group 1,3/2");
/// let request = group.request(NexthopVerb::Replace);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Nexthop {
    /// The number that routes refer to. With 0 the kernel chooses one when the nexthop is added (`NHA_ID`).
    pub id: u32,
    /// Which routes it is for (`nh_family`).
    pub family: NexthopFamily,
    /// Who added it (`nh_protocol`).
    pub protocol: RouteProtocol,
    /// How far away the gateway is; only read (`nh_scope`).
    pub scope: RouteScope,
    /// Flags, of which [`RouteFlags::ONLINK`] is set (`nh_flags`).
    #[cfg_attr(feature = "serde", serde(serialize_with = "bits"))]
    pub flags: RouteFlags,
    /// The gateway, or the remote endpoint of one for FDBs (`NHA_GATEWAY`).
    pub gateway: Option<IpAddr>,
    /// The device (`NHA_OIF`).
    pub oif: Option<u32>,
    /// Whether packets are dropped (`NHA_BLACKHOLE`).
    pub is_blackhole: bool,
    /// Whether it is for forwarding databases of VXLAN devices, not for routes. Linux 5.8 (`NHA_FDB`).
    pub is_fdb: bool,
    /// The members of a group; none for a single nexthop (`NHA_GROUP`).
    pub group: Vec<GroupMember>,
    /// How a group chooses among its members; always there when a group is read (`NHA_GROUP_TYPE`).
    pub group_kind: Option<GroupKind>,
    /// What a resilient group has (`NHA_RES_GROUP`).
    pub resilient: Option<Resilient>,
    /// Packets of each member; read where they are asked for. Linux 6.9 (`NHA_GROUP_STATS`).
    pub stats: Vec<MemberStats>,
    /// Whether the hardware is to count: 1 or 0. Linux 6.9 (`NHA_HW_STATS_ENABLE`).
    pub hw_stats: Option<u32>,
    /// Whether the hardware counts; only read (`NHA_HW_STATS_USED`).
    pub hw_stats_used: Option<u32>,
    pub(super) encap: Option<Box<RawEncap>>,
    /// Attributes that this crate has no field for.
    pub unknown: RawAttrs,
    /// A group was asked for, and no member was given.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) is_group_empty: bool,
}

impl Nexthop {
    /// The nexthop with this number.
    #[must_use]
    pub const fn new(id: u32) -> Self {
        Self {
            id,
            family: NexthopFamily::Unspec,
            protocol: RouteProtocol::UNSPEC,
            scope: RouteScope::Universe,
            flags: RouteFlags::empty(),
            gateway: None,
            oif: None,
            is_blackhole: false,
            is_fdb: false,
            group: Vec::new(),
            group_kind: None,
            resilient: None,
            stats: Vec::new(),
            hw_stats: None,
            hw_stats_used: None,
            encap: None,
            unknown: RawAttrs::new(),
            is_group_empty: false,
        }
    }

    /// Through this gateway (`via`). With [`fdb`](Self::fdb): the remote VXLAN endpoint.
    #[must_use]
    pub const fn via(mut self, gateway: IpAddr) -> Self {
        self.gateway = Some(gateway);
        self
    }

    /// Through the device with this index (`dev`).
    #[must_use]
    pub const fn oif(mut self, index: u32) -> Self {
        self.oif = Some(index);
        self
    }

    /// The gateway is on the device's network, whatever the addresses say (`onlink`).
    #[must_use]
    pub fn onlink(mut self) -> Self {
        self.flags |= RouteFlags::ONLINK;
        self
    }

    /// For routes of IPv4, where no gateway says so (`ip -4`).
    #[must_use]
    pub const fn ipv4(mut self) -> Self {
        self.family = NexthopFamily::Ipv4;
        self
    }

    /// For routes of IPv6, and those of IPv4, where no gateway says so (`ip -6`).
    #[must_use]
    pub const fn ipv6(mut self) -> Self {
        self.family = NexthopFamily::Ipv6;
        self
    }

    /// Packets are dropped (`blackhole`).
    #[must_use]
    pub const fn blackhole(mut self) -> Self {
        self.is_blackhole = true;
        self
    }

    /// For forwarding databases of VXLAN devices, not for routes (`fdb`). Linux 5.8.
    #[must_use]
    pub const fn fdb(mut self) -> Self {
        self.is_fdb = true;
        self
    }

    /// Added by this protocol (`proto`).
    #[must_use]
    pub const fn protocol(mut self, protocol: RouteProtocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// A group of these nexthops, each with a weight of 1 to 65535, or without one (`group`). Over 256 since Linux 6.12. No
    /// member at all is refused when it is sent.
    ///
    /// ```
    /// use nl_core::nexthop::Nexthop;
    ///
    /// let equal = Nexthop::new(10).group([1, 2]);
    /// let weighted = Nexthop::new(10).group([(1, 3), (2, 1)]);
    /// ```
    #[must_use]
    pub fn group(mut self, members: impl IntoIterator<Item = impl Into<GroupMember>>) -> Self {
        self.group.extend(members.into_iter().map(Into::into));
        self.is_group_empty = self.group.is_empty();
        self
    }

    /// The group is resilient and has this many buckets, from 1 on: a flow keeps its member as long as that exists
    /// (`type resilient buckets`). Linux 5.13.
    #[must_use]
    pub fn resilient(self, buckets: u16) -> Self {
        self.with_resilient(|resilient| resilient.buckets = Some(buckets))
    }

    /// How long a bucket of a resilient group must be idle before another member gets it; in steps of 10 ms (`idle_timer`).
    #[must_use]
    pub fn idle_timer(self, time: Duration) -> Self {
        self.with_resilient(|resilient| resilient.idle_timer = Some(time))
    }

    /// After how long a resilient group is balanced by force; 0 for never; in steps of 10 ms (`unbalanced_timer`).
    #[must_use]
    pub fn unbalanced_timer(self, time: Duration) -> Self {
        self.with_resilient(|resilient| resilient.unbalanced_timer = Some(time))
    }

    /// Whether the hardware counts packets of the members (`hw_stats`). Linux 6.9.
    #[must_use]
    pub fn hw_stats(mut self, yes: bool) -> Self {
        self.hw_stats = Some(yes.into());
        self
    }

    /// In this encapsulation, given as type and attributes.
    #[must_use]
    pub fn with_raw_encap(mut self, encap: RawEncap) -> Self {
        self.encap = Some(Box::new(encap));
        self
    }

    /// The encapsulation, if it is one of this type.
    ///
    /// # Errors
    /// Its attributes cannot be read.
    pub fn encap<T: Encap>(&self) -> Result<Option<T>, DecodeError> {
        self.encap.as_ref().map_or(Ok(None), |encap| encap.decode())
    }

    /// The encapsulation as type and attributes.
    #[must_use]
    pub fn raw_encap(&self) -> Option<&RawEncap> {
        self.encap.as_deref()
    }

    /// Whether it is a group.
    #[must_use]
    pub fn is_group(&self) -> bool {
        !self.group.is_empty()
    }

    /// What it is found by: its number.
    #[must_use]
    pub const fn key(&self) -> u32 {
        self.id
    }

    /// The same without what changes by itself: counters, and for how long a resilient group has been unbalanced.
    #[must_use]
    pub fn without_ages(mut self) -> Self {
        self.stats.clear();
        if let Some(resilient) = &mut self.resilient {
            resilient.unbalanced_time = None;
        }
        self
    }

    fn with_resilient(mut self, set: impl FnOnce(&mut Resilient)) -> Self {
        self.group_kind = Some(GroupKind::Resilient);
        set(self.resilient.get_or_insert_default());
        self
    }
}

/// A line as `ip nexthop` prints it, with `#5` in place of the name of interface 5.
impl fmt::Display for Nexthop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "id {}", self.id)?;
        let mut sep = " group ";
        for member in &self.group {
            write!(f, "{sep}{member}")?;
            sep = "/";
        }
        match self.group_kind {
            None | Some(GroupKind::HashThreshold) => {}
            Some(kind) => write!(f, " type {kind}")?,
        }
        if let Some(resilient) = &self.resilient {
            write!(f, "{resilient}")?;
        }
        if let Some(encap) = &self.encap {
            write!(f, " encap {encap}")?;
        }
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(index) = self.oif {
            write!(f, " dev #{index}")?;
        }
        if self.scope != RouteScope::Universe {
            write!(f, " scope {}", self.scope)?;
        }
        if self.is_blackhole {
            f.write_str(" blackhole")?;
        }
        if self.protocol != RouteProtocol::UNSPEC {
            write!(f, " proto {}", self.protocol)?;
        }
        self.flags.write(f)?;
        match self.hw_stats {
            Some(0) => f.write_str(" hw_stats off")?,
            Some(_) => f.write_str(" hw_stats on")?,
            None => {}
        }
        if self.is_fdb { f.write_str(" fdb") } else { Ok(()) }
    }
}

#[cfg(feature = "serde")]
fn bits<S: serde::Serializer>(flags: &RouteFlags, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u32(flags.bits())
}
