use std::fmt::{self, Write};
use std::time::Duration;

use nl_core::MacAddr;
use nl_core::Request;
use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;
use nl_core::check::{Invalid, check_index, opt_within};
use nl_core::message::{
    AF_BRIDGE, MessageRef, NLM_F_APPEND, NLM_F_BULK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NdMsg,
};

use super::{FdbAges, FdbEntry, FdbFlags, FdbFlagsExt, FdbNotify, FdbState};

// `include/uapi/linux/rtnetlink.h`

/// An entry that is there; also the request that makes one.
pub const RTM_NEWNEIGH: u16 = 28;
/// An entry that is gone; also the request that removes one.
pub const RTM_DELNEIGH: u16 = 29;
/// The request that reads entries.
pub const RTM_GETNEIGH: u16 = 30;
/// The multicast group of neighbours. FDB events come in it too, with the family `AF_BRIDGE`.
pub const RTNLGRP_NEIGH: u32 = 3;

// `include/uapi/linux/neighbour.h`
attr_names! { NAMES: NdMsg {
    NDA_DST = 1,
    NDA_LLADDR = 2,
    NDA_CACHEINFO = 3,
    NDA_VLAN = 5,
    NDA_PORT = 6,
    NDA_VNI = 7,
    NDA_IFINDEX = 8,
    NDA_MASTER = 9,
    NDA_LINK_NETNSID = 10,
    NDA_SRC_VNI = 11,
    NDA_PROTOCOL = 12,
    NDA_NH_ID = 13,
    NDA_FDB_EXT_ATTRS = 14 { NFEA_ACTIVITY_NOTIFY = 1, NFEA_DONT_REFRESH = 2 },
    NDA_FLAGS_EXT = 15,
    NDA_NDM_STATE_MASK = 16,
    NDA_NDM_FLAGS_MASK = 17,
} }

/// The largest VLAN that can be used; 4095 is reserved.
const VLAN_MAX: u16 = 4094;
/// A VNI has 24 bits. The kernel does not check that.
const VNI_MAX: u32 = 0xff_ffff;
/// `USER_HZ`: the kernel tells ages to user space in hundredths of a second.
const MILLIS_PER_TICK: u64 = 10;

fn describe(message: MessageRef<'_>) -> String {
    let verb = match (message.kind(), message.flags()) {
        (RTM_NEWNEIGH, flags) if flags & NLM_F_APPEND != 0 => "append",
        (RTM_NEWNEIGH, flags) if flags & NLM_F_REPLACE != 0 => "replace",
        (RTM_NEWNEIGH, _) => "add",
        (RTM_DELNEIGH, flags) if flags & NLM_F_BULK != 0 => "flush",
        (RTM_DELNEIGH, _) => "delete",
        _ => "get",
    };
    match FdbEntry::decode_any(message) {
        Ok((entry, true)) => format!("{verb} fdb {entry}"),
        Ok((entry, false)) => {
            let verb = if verb == "get" { "list" } else { verb };
            let mut text = format!("{verb} fdb");
            if entry.index != 0 {
                // Writing to a String cannot fail.
                let _ = write!(text, " dev #{}", entry.index);
            }
            if let Some(master) = entry.master {
                let _ = write!(text, " br #{master}");
            }
            if let Some(vlan) = entry.vlan {
                let _ = write!(text, " vlan {vlan}");
            }
            text
        }
        Err(_) => format!("{verb} fdb"),
    }
}

impl FdbEntry {
    /// Reads an `RTM_NEWNEIGH` or `RTM_DELNEIGH` message of family `AF_BRIDGE`.
    ///
    /// # Errors
    /// The message is of another type or family, malformed, or without an address.
    #[inline]
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        if !matches!(message.kind(), RTM_NEWNEIGH | RTM_DELNEIGH) {
            return Err(DecodeError::Kind(message.kind()));
        }
        match Self::decode_any(message)? {
            (entry, true) => Ok(entry),
            (_, false) => Err(DecodeError::Missing(NDA_LLADDR)),
        }
    }

    /// Whether a message is about the FDB: the neighbour messages of other families are not.
    #[must_use]
    pub fn is_fdb(message: MessageRef<'_>) -> bool {
        matches!(message.kind(), RTM_NEWNEIGH | RTM_DELNEIGH) && message.payload().first() == Some(&AF_BRIDGE)
    }

    /// The entry, and whether it had an address.
    #[inline]
    fn decode_any(message: MessageRef<'_>) -> Result<(Self, bool), DecodeError> {
        let (header, attrs) = message.header::<NdMsg>()?;
        if header.family != AF_BRIDGE {
            return Err(DecodeError::Kind(message.kind()));
        }
        let mut entry = Self::blank(MacAddr::ZERO, header.index);
        entry.state = FdbState::from_bits_retain(header.state);
        entry.flags = FdbFlags::from_bits_retain(header.flags);
        entry.kind = header.kind;
        let mut has_mac = false;
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                NDA_LLADDR => {
                    entry.mac = MacAddr::from_attr(attr)?;
                    has_mac = true;
                }
                NDA_MASTER => entry.master = Some(attr.u32()?),
                NDA_VLAN => entry.vlan = Some(attr.u16()?),
                NDA_FLAGS_EXT => entry.flags_ext = Some(FdbFlagsExt::from_bits_retain(attr.u32()?)),
                NDA_CACHEINFO => entry.ages = Some(ages(attr.array()?)),
                NDA_DST => entry.dst = Some(attr.ip()?),
                NDA_PORT => entry.port = Some(attr.be16()?),
                NDA_VNI => entry.vni = Some(attr.u32()?),
                NDA_SRC_VNI => entry.src_vni = Some(attr.u32()?),
                NDA_IFINDEX => entry.via = Some(attr.u32()?),
                NDA_LINK_NETNSID => entry.link_netnsid = Some(attr.i32()?),
                NDA_NH_ID => entry.nexthop = Some(attr.u32()?),
                NDA_PROTOCOL => entry.protocol = Some(attr.u8()?),
                NDA_FDB_EXT_ATTRS => entry.decode_ext(attr.attrs())?,
                _ => {}
            }
        }
        Ok((entry, has_mac))
    }

    fn decode_ext(&mut self, attrs: Attrs<'_>) -> Result<(), DecodeError> {
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                NFEA_ACTIVITY_NOTIFY => self.notify = Some(FdbNotify::from_bits_retain(attr.u8()?)),
                NFEA_DONT_REFRESH => self.dont_refresh = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// The request that does this with the entry. One that the kernel would refuse, or would take and quietly do
    /// something else, is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn request(&self, verb: FdbVerb) -> Request {
        let mut request =
            Request::new(verb.message(), &NAMES, describe).with_flags(verb.nlm_flags()).with_header(&NdMsg {
                family: AF_BRIDGE,
                index: self.index,
                state: self.wire_state(verb).bits(),
                flags: self.wire_flags(verb).bits(),
                kind: 0,
            });
        let mut w = request.attrs();
        w.bytes(NDA_LLADDR, &self.mac.octets());
        w.opt(NDA_DST, self.dst, AttrWriter::ip);
        w.opt(NDA_VLAN, self.vlan, AttrWriter::u16);
        if let (Some(notify), true) =
            (self.notify.or(self.dont_refresh.then(FdbNotify::empty)), verb.writes())
        {
            let mut ext = w.nested(NDA_FDB_EXT_ATTRS);
            if self.notify.is_some() {
                ext.u8(NFEA_ACTIVITY_NOTIFY, notify.bits());
            }
            if self.dont_refresh {
                ext.flag(NFEA_DONT_REFRESH);
            }
        }
        w.opt(NDA_NH_ID, self.nexthop, AttrWriter::u32);
        w.opt(NDA_PORT, self.port, AttrWriter::be16);
        w.opt(NDA_VNI, self.vni, AttrWriter::u32);
        // A lookup takes it under the other name, and refuses its own.
        w.opt(if verb == FdbVerb::Get { NDA_VNI } else { NDA_SRC_VNI }, self.src_vni, AttrWriter::u32);
        w.opt(NDA_IFINDEX, self.via, AttrWriter::u32);
        // What the kernel knew before 6.2 goes without the attribute, so that it need not know it.
        if let Some(flags) = self.flags_ext.filter(|flags| !flags.is_empty() && verb.writes()) {
            w.u32(NDA_FLAGS_EXT, flags.bits());
        }
        request.invalid_if(self.check(verb))
    }

    /// The state for the wire. A bridge compares it by equality, so one bit is sent where iproute2 sends two, and
    /// an identical change stays without an event. A VXLAN device wants `REACHABLE` beside `NOARP`.
    fn wire_state(&self, verb: FdbVerb) -> FdbState {
        match verb {
            FdbVerb::Get => FdbState::empty(),
            _ if self.targets_self() && self.state == FdbState::NOARP => {
                FdbState::NOARP | FdbState::REACHABLE
            }
            // One that has aged out comes back to life.
            _ if self.state.contains(FdbState::STALE) => {
                self.state.difference(FdbState::STALE) | FdbState::REACHABLE
            }
            _ => self.state,
        }
    }

    fn wire_flags(&self, verb: FdbVerb) -> FdbFlags {
        match verb {
            FdbVerb::Get => self.target(),
            _ => self.flags.difference(FdbFlags::OFFLOADED) | self.target(),
        }
    }

    fn targets_self(&self) -> bool {
        self.target().contains(FdbFlags::SELF)
    }

    /// Refuses what the kernel would refuse, and where it would do something else than the entry says.
    fn check(&self, verb: FdbVerb) -> Result<(), Invalid> {
        let master_only = !self.targets_self();
        let remote = self.dst.is_some()
            || self.nexthop.is_some()
            || self.port.is_some()
            || self.vni.is_some()
            || self.via.is_some();
        let tunnel = remote || self.src_vni.is_some();
        let group = self.mac.is_multicast() || self.mac.is_zero();
        check_index(self.index)?;
        check_vlan(self.vlan)?;
        opt_within("vni", self.vni, 0, VNI_MAX)?;
        opt_within("src_vni", self.src_vni, 0, VNI_MAX)?;
        let why = match verb {
            _ if master_only && self.mac.is_zero() => "a bridge takes no all-zero MAC address",
            _ if master_only && tunnel => {
                "dst, port, vni, src_vni, via and nexthop belong to the device's own table: add self_()"
            }
            // The kernel would refuse all but the VNI, and take that for the source VNI.
            FdbVerb::Get if remote => {
                "get() finds an entry by MAC address, vlan and src_vni: leave dst, port, vni, via and nexthop out"
            }
            FdbVerb::Get | FdbVerb::Delete => return Ok(()),
            _ if self.state.is_empty() => "a state is needed: permanent(), static_() or dynamic()",
            _ if self.flags.contains(FdbFlags::STICKY) && self.is_permanent() => {
                "sticky entries are static_() or dynamic(), never permanent()"
            }
            _ if self.is_locked() => "the locked flag is the kernel's to set",
            _ if self.nexthop.is_some()
                && (self.dst.is_some()
                    || self.port.is_some()
                    || self.vni.is_some()
                    || self.via.is_some()) =>
            {
                "a nexthop replaces dst, port, vni and via: give one or the other"
            }
            _ if self.nexthop == Some(0) => "nexthop id 0; the first one is 1",
            _ if self.via == Some(0) => "via index 0; the first one is 1",
            _ if self.notify.is_some_and(|n| n == FdbNotify::INACTIVE || n.bits() > 3) => {
                "activity notification is ACTIVITY, alone or with INACTIVE"
            }
            _ if (self.notify.is_some() || self.dont_refresh)
                && !self.target().contains(FdbFlags::MASTER)
                && tunnel =>
            {
                "activity tracking is a bridge's: add master()"
            }
            FdbVerb::Replace if tunnel && group => {
                "entries for a group or all-zero MAC address have many remotes: append() and delete()"
            }
            // A bridge does not know the verb: it would change the entry.
            FdbVerb::Append if !group || master_only => {
                "append() adds a remote to a group or all-zero MAC address of a VXLAN device; elsewhere the kernel would \
                 not"
            }
            _ => return Ok(()),
        };
        Err(why.into())
    }
}

fn check_vlan(vlan: Option<u16>) -> Result<(), Invalid> {
    opt_within("vlan", vlan, 1, VLAN_MAX)
}

fn ages(bytes: [u8; 16]) -> FdbAges {
    let mut ticks = bytes.chunks_exact(4).map(|c| c.first_chunk().map_or(0, |c| u32::from_ne_bytes(*c)));
    let mut next = || ticks.next().unwrap_or_default();
    let age = |ticks: u32| Duration::from_millis(u64::from(ticks) * MILLIS_PER_TICK);
    FdbAges { confirmed: age(next()), used: age(next()), updated: age(next()), references: next() }
}

/// What to do with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FdbVerb {
    /// Make it; fails if it is there.
    ///
    /// The kernel does not keep to that for externally learned entries and those with [`FdbFlags::USE`]: there `Add` is
    /// `Replace`.
    Add,
    /// Add a remote to a group or all-zero MAC address of a VXLAN device.
    Append,
    /// Remove it. On a VXLAN device with a remote that the entry does not have, the kernel removes nothing and
    /// says success.
    Delete,
    /// Read it.
    Get,
    /// Make it, or change the one that is there.
    Replace,
}

impl FdbVerb {
    const fn message(self) -> u16 {
        match self {
            Self::Add | Self::Append | Self::Replace => RTM_NEWNEIGH,
            Self::Delete => RTM_DELNEIGH,
            Self::Get => RTM_GETNEIGH,
        }
    }

    const fn nlm_flags(self) -> u16 {
        match self {
            Self::Add => NLM_F_CREATE | NLM_F_EXCL,
            Self::Append => NLM_F_CREATE | NLM_F_APPEND,
            Self::Replace => NLM_F_CREATE | NLM_F_REPLACE,
            Self::Delete | Self::Get => 0,
        }
    }

    const fn writes(self) -> bool {
        matches!(self, Self::Add | Self::Append | Self::Replace)
    }
}

/// The word of `bridge fdb` for it, but for `delete`.
impl fmt::Display for FdbVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Append => "append",
            Self::Delete => "delete",
            Self::Get => "get",
            Self::Replace => "replace",
        })
    }
}

/// Which entries to list or flush.
///
/// `index` and `bridge` are filtered by the kernel; when listing, the rest is filtered while reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FdbFilter {
    /// On this interface.
    pub index: Option<u32>,
    /// In the table of this bridge, and in those of its ports themselves.
    pub bridge: Option<u32>,
    /// In this VLAN, 1 to 4094.
    pub vlan: Option<u16>,
    /// With this address; only when listing.
    pub mac: Option<MacAddr>,
    /// With the state bits in `state.0` set as in `state.1`.
    pub state: Option<(FdbState, FdbState)>,
    /// With the flags in `flags.0` set as in `flags.1`.
    pub flags: Option<(FdbFlags, FdbFlags)>,
}

impl FdbFilter {
    /// The request that lists what the kernel can filter.
    #[must_use]
    pub fn list_request(&self) -> Request {
        let header = NdMsg { family: AF_BRIDGE, index: self.index.unwrap_or(0), ..NdMsg::default() };
        let mut request = Request::new(RTM_GETNEIGH, &NAMES, describe).with_header(&header);
        if let Some(bridge) = self.bridge {
            request.attrs().u32(NDA_MASTER, bridge);
        }
        request.invalid_if(check_vlan(self.vlan))
    }

    /// Whether an entry passes what the kernel does not filter when listing.
    #[must_use]
    pub fn matches(&self, entry: &FdbEntry) -> bool {
        self.vlan.is_none_or(|vlan| entry.vlan == Some(vlan))
            && self.mac.is_none_or(|mac| entry.mac == mac)
            && self.state.is_none_or(|(mask, value)| entry.state & mask == value)
            && self.flags.is_none_or(|(mask, value)| entry.flags & mask == value)
    }

    /// The request that removes all that match in one go.
    ///
    /// Without a [`state`](Self::state) that says otherwise, local entries are spared: those are the bridge's own
    /// addresses, and a bridge without them no longer answers.
    #[must_use]
    pub fn flush_request(&self) -> Request {
        // The masks select; without them the kernel takes the values for nothing and removes everything.
        let (state_mask, state) = self.state.unwrap_or((FdbState::PERMANENT, FdbState::empty()));
        let (flags_mask, flags) = self.flags.unwrap_or_default();
        let (index, target, port) = match (self.bridge, self.index) {
            (Some(bridge), port) => (bridge, FdbFlags::SELF, port),
            (None, Some(index)) => (index, flags_mask & (FdbFlags::SELF | FdbFlags::MASTER) & flags, None),
            (None, None) => (0, FdbFlags::empty(), None),
        };
        let select =
            FdbFlags::USE | FdbFlags::EXT_LEARNED | FdbFlags::STICKY | FdbFlags::OFFLOADED | FdbFlags::ROUTER;
        let mut request =
            Request::new(RTM_DELNEIGH, &NAMES, describe).with_flags(NLM_F_BULK).with_header(&NdMsg {
                family: AF_BRIDGE,
                index,
                state: state.bits(),
                flags: ((flags & select) | target).bits(),
                kind: 0,
            });
        let mut w = request.attrs();
        w.opt(NDA_VLAN, self.vlan, AttrWriter::u16);
        w.opt(NDA_IFINDEX, port, AttrWriter::u32);
        w.u16(NDA_NDM_STATE_MASK, state_mask.bits());
        if !(flags_mask & select).is_empty() {
            w.u8(NDA_NDM_FLAGS_MASK, (flags_mask & select).bits());
        }
        request
            .invalid_if(Invalid::when(index == 0, "a flush needs a bridge or a device"))
            .invalid_if(Invalid::when(
                self.mac.is_some(),
                "a flush cannot select by MAC address: delete the entry",
            ))
            .invalid_if(check_vlan(self.vlan))
    }
}
