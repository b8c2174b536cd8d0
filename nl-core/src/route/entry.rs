use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::encap::{Encap, RawEncap};
use super::hop::NextHop;
use super::metrics::{Metrics, RouteFeatures};
use super::words::{Realms, RouteFlags, RoutePref, RouteProtocol, RouteScope, RouteType};
use crate::addr::IpPrefix;
use crate::attr::{DecodeError, RawAttrs};

/// `default`: `ip route` uses it only if it is named.
pub const RT_TABLE_DEFAULT: u32 = 253;
/// `main`: the default table of `ip route`.
pub const RT_TABLE_MAIN: u32 = 254;
/// `local`: the addresses of this host, and broadcast addresses.
pub const RT_TABLE_LOCAL: u32 = 255;

/// One route, as it is read and as it is written.
///
/// ```
/// use nl_core::route::{NextHop, Route, RouteVerb};
///
/// let gateway = "192.0.2.1".parse()?;
/// let route = Route::new("198.51.100.0/24".parse()?).via(gateway).oif(5).metric(100).mtu(1400);
/// assert_eq!(route.to_string(), "198.51.100.0/24 via 192.0.2.1 dev #5 metric 100 mtu 1400");
/// let request = route.request(RouteVerb::Add);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Unset fields have the defaults of `ip route`; see [`RouteType::Unspec`], [`RouteScope::Nowhere`], [`RouteProtocol::UNSPEC`] and
/// [`table`](Self#structfield.table). A route with one path and no metrics takes no heap memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Route {
    /// The destination; its address says whether it is a route of IPv4 or IPv6 (`RTA_DST`).
    pub prefix: IpPrefix,
    /// The source that packets must have, for IPv6 (`RTA_SRC`).
    pub source: Option<IpPrefix>,
    /// The table; always set when read. Unset: [`RT_TABLE_MAIN`], or [`RT_TABLE_LOCAL`] for local, broadcast and
    /// anycast routes (`rtm_table`, `RTA_TABLE`).
    pub table: Option<u32>,
    /// Who added it (`rtm_protocol`).
    pub protocol: RouteProtocol,
    /// How far away the destination is, for IPv4 (`rtm_scope`).
    pub scope: RouteScope,
    /// What happens to the packets (`rtm_type`).
    pub kind: RouteType,
    /// The type of service that packets must have, for IPv4 (`rtm_tos`).
    pub tos: u8,
    /// Flags (`rtm_flags`).
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::words::bits::route"))]
    pub flags: RouteFlags,
    /// The gateway (`RTA_GATEWAY`; `RTA_VIA` for IPv4 through an IPv6 router).
    pub gateway: Option<IpAddr>,
    /// The device packets leave through (`RTA_OIF`).
    pub oif: Option<u32>,
    /// The source address that this host prefers (`RTA_PREFSRC`).
    pub prefsrc: Option<IpAddr>,
    /// The metric: of several routes to a destination the lowest counts. IPv6 takes 1024 where it is not set (`RTA_PRIORITY`).
    pub priority: Option<u32>,
    /// What TCP and IP assume about the path (`RTA_METRICS`).
    pub metrics: Option<Box<Metrics>>,
    /// Several paths in place of one (`RTA_MULTIPATH`).
    pub nexthops: Vec<NextHop>,
    /// A nexthop object in place of a path. When read, its paths are there too. Linux 5.3 (`RTA_NH_ID`).
    pub nexthop_id: Option<u32>,
    /// The realms, for IPv4 (`RTA_FLOW`).
    pub realms: Option<Realms>,
    /// What was asked for; only in answers to lookups, and the device of a multicast route.
    pub looked_up: Option<Box<LookedUp>>,
    /// How it was used; only read (`RTA_CACHEINFO`).
    pub cache: Option<RouteCache>,
    /// In how many seconds it expires, for IPv6 (`RTA_EXPIRES`; read from `RTA_CACHEINFO`).
    pub expires: Option<u32>,
    /// How much the router is preferred, for IPv6 (`RTA_PREF`).
    pub pref: Option<RoutePref>,
    /// Whether the TTL goes into the MPLS label (1) or not (0); of MPLS (`RTA_TTL_PROPAGATE`).
    pub ttl_propagate: Option<u8>,
    pub(super) encap: Option<Box<RawEncap>>,
    /// Attributes that this crate has no field for.
    pub unknown: RawAttrs,
    /// The path that was read beside a nexthop object's number is that object's.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) is_path_of_nexthop: bool,
    /// Several paths were requested, and none was added.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) is_multipath_empty: bool,
}

/// How a route was used (`struct rta_cacheinfo`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RouteCache {
    /// References held to it.
    pub references: u32,
    /// How long ago it was last used, in hundredths of a second.
    pub last_used: u32,
    /// When it expires, in hundredths of a second from now; 0 for never.
    pub expires: i32,
    /// The error number that packets are answered with; 0 for none.
    pub error: u32,
    /// How often it was used, as far as the kernel counts.
    pub used: u32,
}

/// What a lookup was asked for, as its answer repeats it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LookedUp {
    /// The device packets come through (`RTA_IIF`).
    pub iif: Option<u32>,
    /// The firewall mark (`RTA_MARK`).
    pub mark: Option<u32>,
    /// The user (`RTA_UID`).
    pub uid: Option<u32>,
    /// The IP protocol (`RTA_IP_PROTO`).
    pub ip_proto: Option<u8>,
    /// The source port (`RTA_SPORT`).
    pub sport: Option<u16>,
    /// The destination port (`RTA_DPORT`).
    pub dport: Option<u16>,
    /// The flow label, for IPv6. Linux 6.14 (`RTA_FLOWLABEL`).
    pub flowlabel: Option<u32>,
}

/// What a route is found by in its table. See [`Route::key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RouteKey {
    /// The table.
    pub table: u32,
    /// The destination.
    pub prefix: IpPrefix,
    /// The source, for IPv6.
    pub source: Option<IpPrefix>,
    /// The type of service, for IPv4.
    pub tos: u8,
    /// The metric.
    pub priority: u32,
    /// The device of an IPv6 route without a gateway: each link has its own `fe80::/64` with the same metric.
    pub oif: Option<u32>,
}

/// Setters of metrics, which make room for them where there was none.
macro_rules! metrics {
    ($($name:ident($arg:ident: $type:ty);)+) => {$(
        #[doc = concat!("See [`Metrics::", stringify!($name), "()`].")]
        #[must_use]
        pub fn $name(mut self, $arg: $type) -> Self {
            let metrics = *self.metrics.take().unwrap_or_default();
            self.metrics = Some(Box::new(metrics.$name($arg)));
            self
        }
    )+};
}

/// Setters of a type.
macro_rules! kinds {
    ($($name:ident $variant:ident;)+) => {$(
        #[doc = concat!("See [`RouteType::", stringify!($variant), "`].")]
        #[must_use]
        pub const fn $name(self) -> Self {
            self.kind(RouteType::$variant)
        }
    )+};
}

impl Route {
    /// A route to this destination.
    #[must_use]
    pub const fn new(prefix: IpPrefix) -> Self {
        Self {
            prefix,
            source: None,
            table: None,
            protocol: RouteProtocol::UNSPEC,
            scope: RouteScope::Nowhere,
            kind: RouteType::Unspec,
            tos: 0,
            flags: RouteFlags::empty(),
            gateway: None,
            oif: None,
            prefsrc: None,
            priority: None,
            metrics: None,
            nexthops: Vec::new(),
            nexthop_id: None,
            realms: None,
            looked_up: None,
            cache: None,
            expires: None,
            pref: None,
            ttl_propagate: None,
            encap: None,
            unknown: RawAttrs::new(),
            is_path_of_nexthop: false,
            is_multipath_empty: false,
        }
    }

    /// Through this gateway (`via`). An IPv4 route may have an IPv6 gateway (Linux 5.2).
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

    /// For packets with this source only, for IPv6 (`from`). Needs `CONFIG_IPV6_SUBTREES`; without it the kernel refuses.
    #[must_use]
    pub const fn source(mut self, source: IpPrefix) -> Self {
        self.source = Some(source);
        self
    }

    /// The metric: of several routes to a destination the lowest counts (`metric`). Not 0 for IPv6.
    #[must_use]
    pub const fn metric(mut self, metric: u32) -> Self {
        self.priority = Some(metric);
        self
    }

    /// In this table, from 1 on (`table`).
    #[must_use]
    pub const fn table(mut self, table: u32) -> Self {
        self.table = Some(table);
        self
    }

    /// Added by this protocol (`proto`).
    #[must_use]
    pub const fn protocol(mut self, protocol: RouteProtocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// With this scope, for IPv4 (`scope`).
    #[must_use]
    pub const fn scope(mut self, scope: RouteScope) -> Self {
        self.scope = scope;
        self
    }

    /// Of this type.
    #[must_use]
    pub const fn kind(mut self, kind: RouteType) -> Self {
        self.kind = kind;
        self
    }

    kinds! {
        unicast Unicast;
        local Local;
        broadcast Broadcast;
        anycast Anycast;
        multicast Multicast;
        blackhole Blackhole;
        unreachable Unreachable;
        prohibit Prohibit;
        throw Throw;
    }

    /// For packets with this type of service only, for IPv4 (`tos`). The two lowest bits must be 0.
    #[must_use]
    pub const fn tos(mut self, tos: u8) -> Self {
        self.tos = tos;
        self
    }

    /// The source address that this host prefers (`src`).
    #[must_use]
    pub const fn src(mut self, source: IpAddr) -> Self {
        self.prefsrc = Some(source);
        self
    }

    /// One more path (`nexthop`).
    #[must_use]
    pub fn nexthop(mut self, hop: NextHop) -> Self {
        self.nexthops.push(hop);
        self
    }

    /// Over these paths. None at all is refused when the route is sent.
    #[must_use]
    pub fn nexthops(mut self, hops: impl IntoIterator<Item = NextHop>) -> Self {
        self.nexthops.extend(hops);
        self.is_multipath_empty = self.nexthops.is_empty();
        self
    }

    /// Over this nexthop object (`nhid`). Linux 5.3.
    #[must_use]
    pub const fn nhid(mut self, id: u32) -> Self {
        self.nexthop_id = Some(id);
        self
    }

    /// The realms, for IPv4 (`realms`).
    #[must_use]
    pub const fn realms(mut self, realms: Realms) -> Self {
        self.realms = Some(realms);
        self
    }

    /// Expires after this many seconds, for IPv6 (`expires`).
    #[must_use]
    pub const fn expires(mut self, seconds: u32) -> Self {
        self.expires = Some(seconds);
        self
    }

    /// How much the router is preferred, for IPv6 (`pref`).
    #[must_use]
    pub const fn pref(mut self, pref: RoutePref) -> Self {
        self.pref = Some(pref);
        self
    }

    metrics! {
        mtu(bytes: u32);
        mtu_locked(bytes: u32);
        window(bytes: u32);
        rtt(time: Duration);
        rttvar(time: Duration);
        ssthresh(segments: u32);
        cwnd(segments: u32);
        advmss(bytes: u32);
        reordering(segments: u32);
        hoplimit(hops: u32);
        initcwnd(segments: u32);
        features(features: RouteFeatures);
        rto_min(time: Duration);
        initrwnd(segments: u32);
        quickack(yes: u32);
        cc_algo(name: &str);
        fastopen_no_cookie(yes: u32);
    }

    /// With these metrics in place of those that were set.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(Box::new(metrics));
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

    /// Whether it is a route of IPv4; otherwise it is one of IPv6.
    #[must_use]
    pub const fn is_ipv4(&self) -> bool {
        self.prefix.addr().is_ipv4()
    }

    /// The table, also if it is unset.
    #[must_use]
    pub const fn in_table(&self) -> u32 {
        match self.table {
            Some(table) => table,
            None if self.kind.is_local() => RT_TABLE_LOCAL,
            None => RT_TABLE_MAIN,
        }
    }

    /// What the route is found by in its table.
    ///
    /// More than one route may have it: IPv4 routes that were appended, and IPv6 routes to a destination by different routers
    /// that the kernel does not join into one.
    #[must_use]
    pub fn key(&self) -> RouteKey {
        let is_direct = self.gateway.is_none() && self.nexthops.is_empty() && self.nexthop_id.is_none();
        RouteKey {
            table: self.in_table(),
            prefix: self.prefix,
            source: self.source,
            tos: self.tos,
            priority: self.priority.unwrap_or(0),
            oif: self.oif.filter(|_| is_direct && !self.is_ipv4()),
        }
    }

    /// The same without what changes by itself: how it was used, and when it expires.
    #[must_use]
    pub fn without_ages(mut self) -> Self {
        self.cache = None;
        self.expires = None;
        self
    }

    /// Whether it has the destination and all that is set in `wanted`.
    pub(super) fn is_like(&self, wanted: &Self) -> bool {
        self.prefix == wanted.prefix
            && self.in_table() == wanted.in_table()
            && self.source == wanted.source
            && self.tos == wanted.tos
            && (wanted.protocol == RouteProtocol::UNSPEC || self.protocol == wanted.protocol)
            && (wanted.scope == RouteScope::Nowhere || self.scope == wanted.scope)
            && (wanted.kind == RouteType::Unspec || self.kind == wanted.kind)
            && wanted.priority.is_none_or(|metric| self.priority.unwrap_or(0) == metric)
            && (wanted.gateway.is_none() || self.gateway == wanted.gateway)
            && (wanted.oif.is_none() || self.oif == wanted.oif)
            && (wanted.prefsrc.is_none() || self.prefsrc == wanted.prefsrc)
            && (wanted.nexthop_id.is_none() || self.nexthop_id == wanted.nexthop_id)
    }

    fn write_path(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(encap) = &self.encap {
            write!(f, " encap {encap}")?;
        }
        if let Some(id) = self.nexthop_id {
            write!(f, " nhid {id}")?;
        }
        match self.gateway {
            Some(gateway) if self.is_ipv4() && gateway.is_ipv6() => write!(f, " via inet6 {gateway}")?,
            Some(gateway) => write!(f, " via {gateway}")?,
            None => {}
        }
        if let Some(index) = self.oif {
            write!(f, " dev #{index}")?;
        }
        Ok(())
    }
}

/// As `ip route` prints it, each with a blank before it, but for the device.
impl fmt::Display for LookedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mark) = self.mark {
            write!(f, " mark {mark:#x}")?;
        }
        if let Some(uid) = self.uid {
            write!(f, " uid {uid}")?;
        }
        if let Some(proto) = self.ip_proto {
            write!(f, " ipproto {proto}")?;
        }
        if let Some(port) = self.sport {
            write!(f, " sport {port}")?;
        }
        if let Some(port) = self.dport {
            write!(f, " dport {port}")?;
        }
        if let Some(label) = self.flowlabel {
            write!(f, " flowlabel {label:#x}")?;
        }
        if let Some(index) = self.iif {
            write!(f, " iif #{index}")?;
        }
        Ok(())
    }
}

/// A destination as `ip route` prints it.
pub(super) struct Destination(pub(super) IpPrefix);

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            prefix if prefix.is_default() && prefix.addr().is_ipv4() => f.write_str("default"),
            prefix if prefix == IpPrefix::host(prefix.addr()) => write!(f, "{}", prefix.addr()),
            prefix => write!(f, "{prefix}"),
        }
    }
}

/// A line as `ip route` prints it, with `#5` in place of the name of interface 5. The default route of IPv6 is `::/0`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(self.kind, RouteType::Unspec | RouteType::Unicast) {
            write!(f, "{} ", self.kind)?;
        }
        write!(f, "{}", Destination(self.prefix))?;
        if let Some(source) = self.source {
            write!(f, " from {}", Destination(source))?;
        }
        if self.tos != 0 {
            write!(f, " tos {:#04x}", self.tos)?;
        }
        self.write_path(f)?;
        match self.table {
            None | Some(RT_TABLE_MAIN) => {}
            Some(RT_TABLE_LOCAL) => f.write_str(" table local")?,
            Some(table) => write!(f, " table {table}")?,
        }
        if self.protocol != RouteProtocol::UNSPEC && !self.flags.contains(RouteFlags::CLONED) {
            write!(f, " proto {}", self.protocol)?;
        }
        if !matches!(self.scope, RouteScope::Universe | RouteScope::Nowhere) {
            write!(f, " scope {}", self.scope)?;
        }
        if let Some(source) = self.prefsrc {
            write!(f, " src {source}")?;
        }
        if let Some(metric) = self.priority {
            write!(f, " metric {metric}")?;
        }
        self.flags.write(f)?;
        if let Some(looked_up) = &self.looked_up {
            write!(f, "{looked_up}")?;
        }
        if let Some(realms) = self.realms {
            write!(f, " realms {realms}")?;
        }
        if let Some(seconds) = self.expires {
            write!(f, " expires {seconds}sec")?;
        }
        if let Some(metrics) = &self.metrics {
            write!(f, "{metrics}")?;
        }
        if let Some(propagate) = self.ttl_propagate {
            write!(f, " ttl-propagate {}", if propagate == 0 { "disabled" } else { "enabled" })?;
        }
        self.nexthops.iter().try_for_each(|hop| write!(f, "{hop}"))?;
        match self.pref {
            Some(pref) => write!(f, " pref {pref}"),
            None => Ok(()),
        }
    }
}
