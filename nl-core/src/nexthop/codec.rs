use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;

use super::entry::{Nexthop, NexthopFamily};
use super::group::{GroupKind, GroupMember, MemberStats, Resilient};
use super::message::*;
use crate::attr::{AttrWriter, DecodeError};
use crate::check::{Invalid, check_index};
use crate::error::{AttrName, Names, with_nest};
use crate::message::{FixedHeader, MessageRef, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use crate::request::Request;
use crate::route::{Encap, RawEncap, RouteFlags, encap_of};

/// Counters of packets of each member.
const NHA_OP_FLAG_DUMP_STATS: u32 = 1;
/// Counters of the hardware too.
const NHA_OP_FLAG_DUMP_HW_STATS: u32 = 2;

pub(super) static NAMES: Names = Names::new(NhMsg::LEN, ATTRS);

/// The names with those of an encapsulation's attributes.
struct With<T>(PhantomData<T>);

impl<T: Encap> With<T> {
    const ATTRS: [AttrName; ATTRS.len()] = with_nest(ATTRS, NHA_ENCAP, T::NAMES);
    const NAMES: &'static Names = &Names::new(NhMsg::LEN, &Self::ATTRS);
}

fn describe(message: MessageRef<'_>) -> String {
    words(message, |_| ())
}

fn describe_with<T: Encap>(message: MessageRef<'_>) -> String {
    words(message, |hop| {
        if let Some(encap) = &mut hop.encap {
            encap.in_words_of::<T>();
        }
    })
}

fn words(message: MessageRef<'_>, dress: impl FnOnce(&mut Nexthop)) -> String {
    let verb = match (message.kind(), message.flags()) {
        (RTM_NEWNEXTHOP, flags) if flags & NLM_F_REPLACE != 0 => "replace",
        (RTM_NEWNEXTHOP, _) => "add",
        (RTM_DELNEXTHOP, _) => "delete",
        _ => "get",
    };
    match Nexthop::decode_any(message) {
        Ok(mut hop) => {
            dress(&mut hop);
            format!("{verb} nexthop {hop}")
        }
        Err(_) => format!("{verb} nexthop"),
    }
}

impl Nexthop {
    /// In this encapsulation (`encap`).
    #[must_use]
    pub fn with_encap<T: Encap>(self, encap: &T) -> Self {
        self.with_raw_encap(RawEncap::of(encap).worded(With::<T>::NAMES, describe_with::<T>))
    }

    /// Reads an `RTM_NEWNEXTHOP` or `RTM_DELNEXTHOP` message.
    ///
    /// # Errors
    /// The message is of another type or malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        match message.kind() {
            RTM_NEWNEXTHOP | RTM_DELNEXTHOP => Self::decode_any(message),
            kind => Err(DecodeError::Kind(kind)),
        }
    }

    /// Whether a message is about a nexthop: those about buckets are not.
    #[must_use]
    pub fn is_nexthop(message: MessageRef<'_>) -> bool {
        matches!(message.kind(), RTM_NEWNEXTHOP | RTM_DELNEXTHOP)
    }

    fn decode_any(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        let (header, attrs) = message.header::<NhMsg>()?;
        let mut hop = Self::new(0);
        hop.family = header.family.into();
        hop.scope = header.scope.into();
        hop.protocol = header.protocol.into();
        hop.flags = RouteFlags::from_bits_retain(header.flags);
        let (mut encap_kind, mut encap) = (None, None);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                NHA_ID => hop.id = attr.u32()?,
                NHA_GROUP => hop.group = GroupMember::decode_all(attr)?,
                NHA_GROUP_TYPE => hop.group_kind = Some(attr.u16()?.into()),
                NHA_BLACKHOLE => hop.is_blackhole = true,
                NHA_OIF => hop.oif = Some(attr.u32()?),
                NHA_GATEWAY => hop.gateway = Some(attr.ip()?),
                NHA_ENCAP_TYPE => encap_kind = Some(attr.u16()?),
                NHA_ENCAP => encap = Some(attr),
                NHA_FDB => hop.is_fdb = true,
                NHA_RES_GROUP => hop.resilient = Some(Resilient::decode(attr.attrs())?),
                NHA_GROUP_STATS => hop.stats = MemberStats::decode_all(attr.attrs())?,
                NHA_HW_STATS_ENABLE => hop.hw_stats = Some(attr.u32()?),
                NHA_HW_STATS_USED => hop.hw_stats_used = Some(attr.u32()?),
                // What a request asks with.
                NHA_OP_FLAGS => {}
                _ => hop.unknown.push(attr),
            }
        }
        hop.encap = encap_of(encap_kind, encap, &mut hop.unknown, None);
        Ok(hop)
    }

    /// The request that does this with the nexthop; a deletion is by its number. One that the kernel would refuse is
    /// [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn request(&self, verb: NexthopVerb) -> Request {
        if verb == NexthopVerb::Delete {
            let mut request = Request::new(RTM_DELNEXTHOP, &NAMES, describe).with_header(&NhMsg::default());
            request.attrs().u32(NHA_ID, self.id);
            return request.invalid_if(check_id(self.id));
        }
        let header = NhMsg {
            family: self.wire_family().into(),
            scope: 0,
            protocol: self.protocol.0,
            flags: (self.flags - RouteFlags::ONLY_READ).bits(),
        };
        let (names, describe) =
            self.encap.as_ref().and_then(|encap| encap.wording()).unwrap_or((&NAMES, describe));
        let flags = NLM_F_CREATE | if verb == NexthopVerb::Add { NLM_F_EXCL } else { NLM_F_REPLACE };
        let mut request =
            Request::new(RTM_NEWNEXTHOP, names, describe).with_flags(flags).with_header(&header);
        self.encode(&mut request.attrs());
        request.invalid_if(self.check(verb))
    }

    fn encode(&self, w: &mut AttrWriter<'_>) {
        if self.id != 0 {
            w.u32(NHA_ID, self.id);
        }
        if !self.group.is_empty() {
            w.bytes(NHA_GROUP, &GroupMember::encode_all(&self.group));
        }
        w.opt(NHA_GROUP_TYPE, self.group_kind.map(u16::from), AttrWriter::u16);
        if let Some(resilient) = &self.resilient {
            resilient.encode(&mut w.nested(NHA_RES_GROUP));
        }
        if self.is_blackhole {
            w.flag(NHA_BLACKHOLE);
        }
        if self.is_fdb {
            w.flag(NHA_FDB);
        }
        w.opt(NHA_OIF, self.oif, AttrWriter::u32);
        w.opt(NHA_GATEWAY, self.gateway, AttrWriter::ip);
        if let Some(encap) = &self.encap {
            encap.write(w, NHA_ENCAP_TYPE, NHA_ENCAP);
        }
        w.opt(NHA_HW_STATS_ENABLE, self.hw_stats, AttrWriter::u32);
        self.unknown.write(w);
    }

    /// The request that reads a nexthop; with counters of its members, and those of the hardware, from Linux 6.9 on.
    #[must_use]
    pub fn get_request(id: u32, stats: bool, hw_stats: bool) -> Request {
        let mut request = Request::new(RTM_GETNEXTHOP, &NAMES, describe).with_header(&NhMsg::default());
        let mut w = request.attrs();
        w.u32(NHA_ID, id);
        w.opt(NHA_OP_FLAGS, op_flags(stats, hw_stats), AttrWriter::u32);
        request.invalid_if(check_id(id))
    }

    /// The family: as it is set, or else that of the gateway, or IPv4, the default of `ip nexthop`.
    fn wire_family(&self) -> NexthopFamily {
        match (self.family, self.gateway) {
            (NexthopFamily::Unspec, Some(IpAddr::V6(_))) => NexthopFamily::Ipv6,
            (NexthopFamily::Unspec, Some(IpAddr::V4(_))) => NexthopFamily::Ipv4,
            (NexthopFamily::Unspec, None) if !self.is_group() => NexthopFamily::Ipv4,
            (family, _) => family,
        }
    }

    /// Refuses what the kernel would refuse.
    fn check(&self, verb: NexthopVerb) -> Result<(), Invalid> {
        let is_ipv4 = self.wire_family() == NexthopFamily::Ipv4;
        let has_path = self.gateway.is_some() || self.oif.is_some() || self.encap.is_some();
        let is_group = self.is_group() || self.is_group_empty;
        if verb == NexthopVerb::Replace {
            check_id(self.id)?;
        }
        if let Some(index) = self.oif {
            check_index(index)?;
        }
        if let Some(encap) = &self.encap {
            encap.check(is_ipv4)?;
        }
        if let Some(gateway) = self.gateway.filter(|gateway| gateway.is_ipv4() != is_ipv4) {
            return Err(format!("gateway {gateway} is of another family than the nexthop").into());
        }
        Invalid::when(self.is_group_empty, "no members are given; a group needs at least one")?;
        GroupMember::check_all(&self.group)?;
        Invalid::when(
            is_group && (has_path || self.is_blackhole),
            "a group has no gateway, device or encapsulation, and is not a blackhole: its members are",
        )?;
        Invalid::when(
            is_group && self.family != NexthopFamily::Unspec,
            "a group has no family of its own: its members have",
        )?;
        let only_group = self.group_kind.is_some() || self.resilient.is_some() || self.hw_stats.is_some();
        Invalid::when(!is_group && only_group, "type, buckets, timers and hw_stats are for groups")?;
        self.check_resilient()?;
        if is_group {
            return Ok(());
        }
        Invalid::when(
            self.is_blackhole && (has_path || self.is_fdb),
            "a blackhole has no gateway, device or encapsulation, and is for routes",
        )?;
        Invalid::when(
            self.is_fdb && (self.oif.is_some() || self.encap.is_some()),
            "a nexthop for forwarding databases has a gateway, no device and no encapsulation",
        )?;
        Invalid::when(
            self.is_fdb && self.gateway.is_none(),
            "a nexthop for forwarding databases needs a gateway: the remote endpoint",
        )?;
        Invalid::when(
            self.flags.contains(RouteFlags::ONLINK) && self.gateway.is_none(),
            "onlink is about a gateway, and there is none",
        )?;
        Invalid::when(
            !self.is_blackhole && !self.is_fdb && self.oif.is_none(),
            "a nexthop needs a device, also beside a gateway; or members, blackhole() or fdb()",
        )
    }

    fn check_resilient(&self) -> Result<(), Invalid> {
        let Some(resilient) = &self.resilient else { return Ok(()) };
        Invalid::when(
            self.group_kind != Some(GroupKind::Resilient),
            "buckets and timers are for groups of type resilient",
        )?;
        resilient.check()
    }
}

fn check_id(id: u32) -> Result<(), Invalid> {
    Invalid::when(id == 0, "nexthop id 0; the first one is 1")
}

pub(super) fn op_flags(stats: bool, hw_stats: bool) -> Option<u32> {
    match (stats, hw_stats) {
        (_, true) => Some(NHA_OP_FLAG_DUMP_STATS | NHA_OP_FLAG_DUMP_HW_STATS),
        (true, false) => Some(NHA_OP_FLAG_DUMP_STATS),
        (false, false) => None,
    }
}

/// What to do with a nexthop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NexthopVerb {
    /// Add it; fails if its number is taken.
    Add,
    /// Delete it, also from the groups it is in, and the routes over it.
    Delete,
    /// Add it, or change the one with its number: all routes over it follow at once.
    Replace,
}

/// The word of `ip nexthop` for it, but for `delete`.
impl fmt::Display for NexthopVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Delete => "delete",
            Self::Replace => "replace",
        })
    }
}

/// What happened to a nexthop.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum NexthopEvent {
    /// It was added or changed.
    New(Nexthop),
    /// It was deleted.
    ///
    /// The kernel deletes the nexthops of a device that is deleted or goes down without an event.
    Deleted(Nexthop),
}

impl NexthopEvent {
    /// Reads a message of [`RTNLGRP_NEXTHOP`]. Messages about buckets are in that group too; [`Nexthop::is_nexthop`] distinguishes them.
    ///
    /// # Errors
    /// As [`Nexthop::decode`].
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        let hop = Nexthop::decode(message)?;
        Ok(if message.kind() == RTM_DELNEXTHOP { Self::Deleted(hop) } else { Self::New(hop) })
    }

    /// The nexthop.
    #[must_use]
    pub const fn nexthop(&self) -> &Nexthop {
        match self {
            Self::New(hop) | Self::Deleted(hop) => hop,
        }
    }
}
