use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::task::Poll;

use super::encap::{Encap, RawEncap};
use super::entry::{Route, RouteCache};
use super::hop::{NextHop, check_gateway, encap_of, via, write_gateway};
use super::message::*;
use super::metrics::Metrics;
use super::words::{RouteFlags, RouteProtocol, RouteScope, RouteType};
use crate::addr::IpPrefix;
use crate::attr::{Attr, AttrWriter, DecodeError};
use crate::check::{Invalid, check_index};
use crate::dump::Slot;
use crate::error::{AttrName, Names, with_nest};
use crate::message::{FixedHeader, MessageRef, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use crate::request::Request;

const ANY: IpPrefix = IpPrefix::host(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
/// A route before its message is read.
const BLANK: Route = Route::new(ANY);

pub(super) static NAMES: Names = Names::new(RtMsg::LEN, ATTRS);

/// The names with those of an encapsulation's attributes.
struct With<T>(PhantomData<T>);

impl<T: Encap> With<T> {
    const ATTRS: [AttrName; ATTRS.len()] = with_nest(ATTRS, RTA_ENCAP, T::NAMES);
    const NAMES: &'static Names = &Names::new(RtMsg::LEN, &Self::ATTRS);
}

fn describe(message: MessageRef<'_>) -> String {
    words(message, |_| ())
}

fn describe_with<T: Encap>(message: MessageRef<'_>) -> String {
    words(message, |route| {
        if let Some(encap) = &mut route.encap {
            encap.in_words_of::<T>();
        }
    })
}

fn words(message: MessageRef<'_>, dress: impl FnOnce(&mut Route)) -> String {
    let verb = RouteVerb::of(message);
    match Route::decode_any(message) {
        Ok(mut route) => {
            dress(&mut route);
            route.forget_defaults(verb);
            format!("{verb} route {route}")
        }
        Err(_) => format!("{verb} route"),
    }
}

/// The route that a request is about, for its description.
pub(super) fn route_in(message: MessageRef<'_>) -> Option<Route> {
    Route::decode_any(message).ok()
}

impl Route {
    /// In this encapsulation (`encap`).
    #[must_use]
    pub fn with_encap<T: Encap>(self, encap: &T) -> Self {
        self.with_raw_encap(RawEncap::of(encap).worded(With::<T>::NAMES, describe_with::<T>))
    }

    /// Prints the encapsulation in the words of this type, if it is one. It is written back as it was read.
    pub fn word_encap<T: Encap>(&mut self) {
        if let Some(encap) = &mut self.encap {
            encap.in_all_words_of::<T>(With::<T>::NAMES, describe_with::<T>);
        }
    }

    /// Reads an `RTM_NEWROUTE` or `RTM_DELROUTE` message of family `AF_INET` or `AF_INET6`.
    ///
    /// # Errors
    /// The message is of another type or family, or malformed.
    #[inline]
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        match message.kind() {
            RTM_NEWROUTE | RTM_DELROUTE => Self::decode_any(message),
            kind => Err(DecodeError::Kind(kind)),
        }
    }

    /// Whether a message is about a route of IPv4 or IPv6: those of multicast routing and MPLS are not.
    #[must_use]
    pub fn is_route(message: MessageRef<'_>) -> bool {
        matches!(message.kind(), RTM_NEWROUTE | RTM_DELROUTE)
            && matches!(message.payload().first(), Some(&(AF_INET | AF_INET6)))
    }

    /// [`decode`](Self::decode) of a message that a list is made of; returns whether `wants` wants it.
    ///
    /// The route is made where it is yielded: moves of it would be most of what a list costs.
    #[inline]
    pub(super) fn decode_into(
        message: MessageRef<'_>,
        slot: &mut Slot<Self>,
        wants: impl FnOnce(&Self) -> bool,
    ) -> Result<bool, DecodeError> {
        if let Poll::Ready(Some(Ok(route))) = slot {
            route.clear();
        } else {
            *slot = Poll::Ready(Some(Ok(BLANK)));
        }
        if let Poll::Ready(Some(Ok(route))) = slot {
            route.fill(message)?;
            return Ok(wants(route));
        }
        Ok(false)
    }

    #[inline]
    fn decode_any(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        let mut decoded = Ok(BLANK);
        if let Ok(route) = &mut decoded
            && let Err(error) = route.fill(message)
        {
            decoded = Err(error);
        }
        decoded
    }

    /// [`decode`](Self::decode) into this route, for lists of routes that are [read in their place](crate::Connection::dump_in_place).
    ///
    /// Nothing of what the route was before is left; its heap memory is used again.
    ///
    /// # Errors
    /// As [`decode`](Self::decode); what the route is then has no meaning.
    #[inline]
    pub fn read(&mut self, message: MessageRef<'_>) -> Result<(), DecodeError> {
        match message.kind() {
            RTM_NEWROUTE | RTM_DELROUTE => {
                self.clear();
                self.fill(message)
            }
            kind => Err(DecodeError::Kind(kind)),
        }
    }

    /// Makes it a route that is new, but for memory that [`fill`](Self::fill) uses again.
    #[inline]
    fn clear(&mut self) {
        let encap = self.encap.take();
        *self = BLANK;
        self.encap = encap;
    }

    /// Reads a message into a route that is new, or [cleared](Self::clear).
    #[inline]
    fn fill(&mut self, message: MessageRef<'_>) -> Result<(), DecodeError> {
        let (header, attrs) = message.header::<RtMsg>()?;
        let is_ipv4 = match header.family {
            AF_INET => true,
            AF_INET6 => false,
            _ => return Err(DecodeError::Kind(message.kind())),
        };
        self.tos = header.tos;
        self.table = Some(header.table.into());
        self.protocol = header.protocol.into();
        self.scope = header.scope.into();
        self.kind = header.kind.into();
        self.flags = RouteFlags::from_bits_retain(header.flags);
        let (mut dst, mut src): (&[u8], &[u8]) = (&[], &[]);
        let spare = self.encap.take();
        let (mut encap_kind, mut encap) = (None, None);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                RTA_DST => dst = attr.value(),
                RTA_SRC => src = attr.value(),
                RTA_IIF => self.looked_up.get_or_insert_default().iif = Some(attr.u32()?),
                RTA_OIF => self.oif = Some(attr.u32()?),
                RTA_GATEWAY => read_ip(&mut self.gateway, attr)?,
                RTA_PRIORITY => self.priority = Some(attr.u32()?),
                RTA_PREFSRC => read_ip(&mut self.prefsrc, attr)?,
                RTA_METRICS => self.metrics = Some(Box::new(Metrics::decode(attr.attrs())?)),
                RTA_MULTIPATH => self.nexthops = NextHop::decode_all(attr)?,
                RTA_FLOW => self.realms = Some(attr.u32()?.into()),
                RTA_CACHEINFO => self.cache = Some(cache(attr)?),
                RTA_TABLE => self.table = Some(attr.u32()?),
                RTA_MARK => self.looked_up.get_or_insert_default().mark = Some(attr.u32()?),
                RTA_VIA => match via(attr)? {
                    Some(gateway) => self.gateway = Some(gateway),
                    None => self.unknown.push(attr),
                },
                RTA_PREF => self.pref = Some(attr.u8()?.into()),
                RTA_ENCAP_TYPE => encap_kind = Some(attr.u16()?),
                RTA_ENCAP => encap = Some(attr),
                RTA_EXPIRES => self.expires = Some(attr.u32()?),
                RTA_UID => self.looked_up.get_or_insert_default().uid = Some(attr.u32()?),
                RTA_TTL_PROPAGATE => self.ttl_propagate = Some(attr.u8()?),
                RTA_IP_PROTO => self.looked_up.get_or_insert_default().ip_proto = Some(attr.u8()?),
                RTA_SPORT => self.looked_up.get_or_insert_default().sport = Some(attr.be16()?),
                RTA_DPORT => self.looked_up.get_or_insert_default().dport = Some(attr.be16()?),
                RTA_NH_ID => self.nexthop_id = Some(attr.u32()?),
                RTA_FLOWLABEL => self.looked_up.get_or_insert_default().flowlabel = Some(attr.be32()?),
                RTA_PAD => {}
                _ => self.unknown.push(attr),
            }
        }
        let malformed = |kind| move |why| DecodeError::Value { kind, why };
        self.prefix.read(is_ipv4, dst, header.dst_len).map_err(malformed(RTA_DST))?;
        if header.src_len != 0 {
            let source = self.source.insert(ANY);
            source.read(is_ipv4, src, header.src_len).map_err(malformed(RTA_SRC))?;
        }
        // No key of a message that was read is 0: the kernel's own table 0 is none.
        self.table = self.table.filter(|table| *table != 0);
        self.encap = encap_of(encap_kind, encap, &mut self.unknown, spare);
        if let (Some(cache), false) = (self.cache, self.is_ipv4()) {
            let ticks = u32::try_from(cache.expires).unwrap_or(0);
            self.expires = self.expires.or((ticks != 0).then_some(ticks.div_ceil(100)));
        }
        self.is_path_of_nexthop = self.nexthop_id.is_some() && self.has_path();
        Ok(())
    }

    /// The request that does this with the route. One that the kernel would refuse, or would take and quietly do something
    /// else, is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn request(&self, verb: RouteVerb) -> Request {
        let is_ipv4 = self.is_ipv4();
        let mut header = RtMsg {
            family: if is_ipv4 { AF_INET } else { AF_INET6 },
            dst_len: self.prefix.len(),
            src_len: self.source.map_or(0, |source| source.len()),
            tos: self.tos,
            table: 0,
            protocol: self.wire_protocol(verb).0,
            scope: self.wire_scope(verb).into(),
            kind: self.wire_kind(verb).into(),
            flags: (self.flags - RouteFlags::ONLY_READ).bits(),
        };
        let table = header.set_table(self.in_table());
        let (names, describe) =
            self.encap.as_ref().and_then(|encap| encap.wording()).unwrap_or((&NAMES, describe));
        let mut request =
            Request::new(verb.message(), names, describe).with_flags(verb.nlm_flags()).with_header(&header);
        let paths = self.encode(&mut request.attrs(), table);
        request.invalid_if(self.check(verb)).invalid_if(paths)
    }

    fn encode(&self, w: &mut AttrWriter<'_>, table: Option<u32>) -> Result<(), Invalid> {
        let is_ipv4 = self.is_ipv4();
        // Without one it is the default route; iproute2 leaves it out for IPv4 alone.
        if !is_ipv4 || self.prefix.len() != 0 {
            w.ip(RTA_DST, self.prefix.addr());
        }
        if let Some(source) = self.source {
            w.ip(RTA_SRC, source.addr());
        }
        w.opt(RTA_TABLE, table, AttrWriter::u32);
        w.opt(RTA_PREFSRC, self.prefsrc, AttrWriter::ip);
        w.opt(RTA_PRIORITY, self.priority, AttrWriter::u32);
        if let Some(metrics) = &self.metrics {
            metrics.encode(&mut w.nested_unmarked(RTA_METRICS));
        }
        w.opt(RTA_FLOW, self.realms.map(u32::from), AttrWriter::u32);
        w.opt(RTA_EXPIRES, self.expires, AttrWriter::u32);
        w.opt(RTA_PREF, self.pref.map(u8::from), AttrWriter::u8);
        w.opt(RTA_TTL_PROPAGATE, self.ttl_propagate, AttrWriter::u8);
        w.opt(RTA_NH_ID, self.nexthop_id, AttrWriter::u32);
        self.unknown.write(w);
        if self.is_path_of_nexthop {
            return Ok(());
        }
        w.opt(RTA_OIF, self.oif, AttrWriter::u32);
        if let Some(gateway) = self.gateway {
            write_gateway(w, gateway, is_ipv4);
        }
        if let Some(encap) = &self.encap {
            encap.write(w, RTA_ENCAP_TYPE, RTA_ENCAP);
        }
        if !self.nexthops.is_empty() {
            w.bytes(RTA_MULTIPATH, &NextHop::encode_all(&self.nexthops, is_ipv4)?);
        }
        Ok(())
    }

    fn wire_protocol(&self, verb: RouteVerb) -> RouteProtocol {
        match self.protocol {
            RouteProtocol::UNSPEC if verb.writes() => RouteProtocol::BOOT,
            protocol => protocol,
        }
    }

    fn wire_kind(&self, verb: RouteVerb) -> RouteType {
        match self.kind {
            RouteType::Unspec if verb.writes() => RouteType::Unicast,
            kind => kind,
        }
    }

    /// The scope, or the default of `ip route` if it is unset.
    fn wire_scope(&self, verb: RouteVerb) -> RouteScope {
        if self.scope != RouteScope::Nowhere {
            return self.scope;
        }
        match self.kind {
            _ if !self.is_ipv4() => RouteScope::Universe,
            RouteType::Local | RouteType::Nat => RouteScope::Host,
            RouteType::Broadcast | RouteType::Multicast | RouteType::Anycast => RouteScope::Link,
            RouteType::Unspec | RouteType::Unicast if !verb.writes() => RouteScope::Nowhere,
            RouteType::Unspec | RouteType::Unicast
                if self.gateway.is_none() && self.nexthops.is_empty() && self.nexthop_id.is_none() =>
            {
                RouteScope::Link
            }
            _ if !verb.writes() => RouteScope::Nowhere,
            _ => RouteScope::Universe,
        }
    }

    /// Leaves the defaults of `ip route` out of a request's words.
    fn forget_defaults(&mut self, verb: RouteVerb) {
        if self.protocol == RouteProtocol::BOOT {
            self.protocol = RouteProtocol::UNSPEC;
        }
        let scope = std::mem::replace(&mut self.scope, RouteScope::Nowhere);
        if self.wire_scope(verb) != scope {
            self.scope = scope;
        }
        if self.table == Some(Self::new(self.prefix).kind(self.kind).in_table()) {
            self.table = None;
        }
    }

    fn has_path(&self) -> bool {
        self.gateway.is_some() || self.oif.is_some() || !self.nexthops.is_empty() || self.encap.is_some()
    }

    /// Refuses what the kernel would refuse, and where it would do something else than the route says.
    fn check(&self, verb: RouteVerb) -> Result<(), Invalid> {
        let is_ipv4 = self.is_ipv4();
        self.prefix.check_network("destination")?;
        Invalid::when(self.table == Some(0), "table 0; the first one is 1")?;
        if let Some(index) = self.oif {
            check_index(index)?;
        }
        check_gateway(self.gateway, is_ipv4)?;
        if let Some(encap) = self.encap.as_ref().filter(|_| !self.is_path_of_nexthop) {
            encap.check(is_ipv4)?;
        }
        if let Some(metrics) = &self.metrics {
            metrics.check()?;
        }
        self.check_paths()?;
        self.check_family()?;
        if let Some(source) = self.prefsrc.filter(|source| source.is_ipv4() != is_ipv4) {
            return Err(format!("source address {source} is of another family than the destination").into());
        }
        if let Some(tos) = Some(self.tos).filter(|tos| tos & 3 != 0) {
            return Err(format!("tos {tos:#04x}; the two lowest bits (ECN) must be 0").into());
        }
        if !verb.writes() {
            return Ok(());
        }
        Invalid::when(
            self.looked_up.is_some(),
            "iif, mark, uid, ip_proto, sport, dport and flowlabel belong to lookups, not to a route of a table",
        )?;
        Invalid::when(
            self.flags.contains(RouteFlags::CLONED),
            "a route of the cache cannot be put into a table",
        )?;
        Invalid::when(
            !is_ipv4 && self.priority == Some(0),
            "metric 0 of an IPv6 route; the kernel would take 1024 for it",
        )
    }

    fn check_paths(&self) -> Result<(), Invalid> {
        let single = self.gateway.is_some() || self.oif.is_some() || self.encap.is_some();
        let has_id = self.nexthop_id.is_some() && !self.is_path_of_nexthop;
        Invalid::when(
            self.is_multipath_empty,
            "no nexthops are given; a route over several needs at least one",
        )?;
        Invalid::when(self.nexthop_id == Some(0), "nexthop id 0; the first one is 1")?;
        Invalid::when(
            has_id && self.has_path(),
            "a nexthop id stands in place of gateway, device, encapsulation and nexthops",
        )?;
        Invalid::when(
            single && !self.nexthops.is_empty(),
            "nexthops stand in place of gateway, device and encapsulation",
        )?;
        // The kernel reads those of IPv6 with the loopback device.
        Invalid::when(
            self.kind.is_reject()
                && (self.gateway.is_some() || !self.nexthops.is_empty() || (self.is_ipv4() && single)),
            "a route that drops packets, or throws them, has no gateway, device, encapsulation or nexthops",
        )?;
        self.nexthops.iter().try_for_each(|hop| hop.check(self.is_ipv4()))
    }

    /// Refuses what only the other family has.
    fn check_family(&self) -> Result<(), Invalid> {
        if !self.is_ipv4() {
            if let Some(source) = &self.source {
                source.check_network("source")?;
                Invalid::when(source.addr().is_ipv4(), "the source of an IPv6 route is an IPv6 prefix")?;
            }
            Invalid::when(self.tos != 0, "tos is for IPv4 routes")?;
            Invalid::when(self.realms.is_some(), "realms are for IPv4 routes")?;
            return Invalid::when(
                !matches!(self.scope, RouteScope::Universe | RouteScope::Nowhere),
                "a scope is for IPv4 routes",
            );
        }
        Invalid::when(self.source.is_some(), "a source prefix is for IPv6 routes")?;
        Invalid::when(self.expires.is_some(), "expires is for IPv6 routes")?;
        Invalid::when(self.pref.is_some(), "a router preference is for IPv6 routes")
    }
}

/// [`Attr::ip`] in place; see [`IpPrefix::read`].
#[inline]
fn read_ip(out: &mut Option<IpAddr>, attr: Attr<'_>) -> Result<(), DecodeError> {
    match attr.array::<4>() {
        Ok(octets) => *out = Some(IpAddr::V4(Ipv4Addr::from(octets))),
        Err(_) => *out = Some(IpAddr::V6(Ipv6Addr::from(attr.array::<16>()?))),
    }
    Ok(())
}

#[inline]
fn cache(attr: Attr<'_>) -> Result<RouteCache, DecodeError> {
    let mut f = attr.fields();
    Ok(RouteCache {
        references: f.u32()?,
        last_used: f.u32()?,
        expires: f.i32()?,
        error: f.u32()?,
        used: f.u32()?,
    })
}

/// What to do with a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RouteVerb {
    /// Add it; fails if a route with its key exists.
    Add,
    /// Add it behind those with its key. For IPv6: one more path of the existing route.
    Append,
    /// Change the one with its key; fails if there is none.
    Change,
    /// Delete the first one that has everything that is set.
    Delete,
    /// Add it before those with its key. For IPv6 the same as [`Append`](Self::Append).
    Prepend,
    /// Add it, or change the one with its key.
    Replace,
}

impl RouteVerb {
    const fn message(self) -> u16 {
        if self.writes() { RTM_NEWROUTE } else { RTM_DELROUTE }
    }

    const fn nlm_flags(self) -> u16 {
        match self {
            Self::Add => NLM_F_CREATE | NLM_F_EXCL,
            Self::Append => NLM_F_CREATE | NLM_F_APPEND,
            Self::Change => NLM_F_REPLACE,
            Self::Delete => 0,
            Self::Prepend => NLM_F_CREATE,
            Self::Replace => NLM_F_CREATE | NLM_F_REPLACE,
        }
    }

    const fn writes(self) -> bool {
        !matches!(self, Self::Delete)
    }

    fn of(message: MessageRef<'_>) -> Self {
        match (message.kind(), message.flags()) {
            (RTM_DELROUTE, _) => Self::Delete,
            (_, flags) if flags & NLM_F_APPEND != 0 => Self::Append,
            (_, flags) if flags & (NLM_F_CREATE | NLM_F_REPLACE) == NLM_F_REPLACE => Self::Change,
            (_, flags) if flags & NLM_F_REPLACE != 0 => Self::Replace,
            (_, flags) if flags & NLM_F_EXCL != 0 => Self::Add,
            _ => Self::Prepend,
        }
    }
}

/// The word of `ip route` for it, but for `delete`.
impl fmt::Display for RouteVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Append => "append",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::Prepend => "prepend",
            Self::Replace => "replace",
        })
    }
}

/// What happened to a route.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum RouteEvent {
    /// It was added or changed.
    New(Route),
    /// It was deleted.
    ///
    /// The kernel deletes the IPv4 routes of a device that is deleted or goes down without an event.
    Deleted(Route),
}

impl RouteEvent {
    /// Reads a message of [`RTNLGRP_IPV4_ROUTE`] or [`RTNLGRP_IPV6_ROUTE`].
    ///
    /// # Errors
    /// As [`Route::decode`].
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        let route = Route::decode(message)?;
        Ok(if message.kind() == RTM_DELROUTE { Self::Deleted(route) } else { Self::New(route) })
    }

    /// The route.
    #[must_use]
    pub const fn route(&self) -> &Route {
        match self {
            Self::New(route) | Self::Deleted(route) => route,
        }
    }
}
