use std::fmt::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, check_index, opt_within};
use nl_core::message::{AF_BRIDGE, MessageRef, NLM_F_APPEND, NLM_F_BULK, NLM_F_REPLACE, NdMsg};
use nl_core::{MacAddr, Request, attr_names};

use super::verb::{FdbVerb, RTM_DELNEIGH, RTM_NEWNEIGH};
use super::{FdbAges, FdbFlags, FdbFlagsExt, FdbNotify, FdbState};

// `include/uapi/linux/neighbour.h`
/// The largest VLAN that can be used; 4095 is reserved.
const VLAN_MAX: u16 = 4094;
/// A VNI has 24 bits. The kernel does not check that.
pub(super) const VNI_MAX: u32 = 0xff_ffff;
/// `USER_HZ`: the kernel reports ages to user space in hundredths of a second.
const MILLIS_PER_TICK: u64 = 10;

/// One entry of a forwarding database, as it is read and as it is written.
///
/// ```
/// use nl_bridge::fdb::{FdbEntry, FdbVerb};
///
/// let entry = FdbEntry::new("02:00:00:00:00:01".parse()?, 5).master().static_().vlan(10);
/// assert_eq!(entry.to_string(), "02:00:00:00:00:01 dev #5 vlan 10 master static");
/// let request = entry.request(FdbVerb::Add);
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// It has no heap memory. Unknown bits in [`state`](Self::state), [`flags`](Self::flags) and
/// [`flags_ext`](Self::flags_ext) survive being read and written back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FdbEntry {
    /// The address.
    pub mac: MacAddr,
    /// The interface: the port the address is behind, the bridge for its own addresses, or the VXLAN device.
    pub index: u32,
    /// The bridge whose table the entry is in; only read (`NDA_MASTER`).
    pub master: Option<u32>,
    /// The VLAN, 1 to 4094 (`NDA_VLAN`).
    pub vlan: Option<u16>,
    /// What kind of entry it is (`ndm_state`).
    pub state: FdbState,
    /// Flags (`ndm_flags`).
    pub flags: FdbFlags,
    /// Further flags; `None` before Linux 6.2 (`NDA_FLAGS_EXT`).
    pub flags_ext: Option<FdbFlagsExt>,
    /// VXLAN: the remote endpoint (`NDA_DST`).
    pub dst: Option<IpAddr>,
    /// VXLAN: the remote UDP port, 1 to 65535, where it is not the device's (`NDA_PORT`).
    pub port: Option<u16>,
    /// VXLAN: the VNI to send with, 0 to 16777215, where it is not the device's (`NDA_VNI`).
    pub vni: Option<u32>,
    /// VXLAN in metadata mode: the VNI the entry belongs to, 0 to 16777215 (`NDA_SRC_VNI`).
    pub src_vni: Option<u32>,
    /// VXLAN: the interface to send through (`NDA_IFINDEX`).
    pub via: Option<u32>,
    /// The namespace of that interface, where it is another one; only read (`NDA_LINK_NETNSID`).
    pub link_netnsid: Option<i32>,
    /// VXLAN: an FDB nexthop group in place of a remote, for EVPN multihoming (`NDA_NH_ID`).
    pub nexthop: Option<u32>,
    /// Who put the entry there (`RTPROT_*`); only read, and no kernel up to 7.2 has it on FDB entries. Writing it is refused,
    /// because the kernel would take it and forget it (`NDA_PROTOCOL`).
    pub protocol: Option<u8>,
    /// How old it is; only read (`NDA_CACHEINFO`).
    pub ages: Option<FdbAges>,
    /// Activity tracking; `None` where it is off (`NFEA_ACTIVITY_NOTIFY`). An update without it switches it off.
    pub notify: Option<FdbNotify>,
    /// An update keeps the age; only written (`NFEA_DONT_REFRESH`).
    pub dont_refresh: bool,
    /// `ndm_type`: 1 on VXLAN entries, 0 on a bridge's; only read.
    pub ndm_type: u8,
}

macro_rules! fdb_options {
    ($($target:tt)*) => {
        nl_core::setters! { $($target)*
            /// Meant for the bridge above the device (`master`).
            master(entry) { entry.flags |= crate::fdb::FdbFlags::MASTER; }
            /// Meant for the device's own table (`self`). This is the default, but with [`master()`](Self::master()) it must be set
            /// too: then the entry goes into both tables, the bridge's first, and stays there if the device refuses.
            self_(entry) { entry.flags |= crate::fdb::FdbFlags::SELF; }
            /// An address of the bridge or port itself (`local`, `permanent`); on a VXLAN device, an entry that does not age.
            permanent(entry) { entry.state = crate::fdb::FdbState::PERMANENT; }
            /// Forwarded to and never ageing (`static`).
            static_(entry) { entry.state = crate::fdb::FdbState::NOARP; }
            /// Ageing like a learned entry (`dynamic`). The kernel takes one only while the port is up.
            dynamic(entry) { entry.state = crate::fdb::FdbState::REACHABLE; }
            /// In this VLAN, 1 to 4094; without one see [VLANs](super#vlans).
            vlan(entry, vlan: u16) { entry.vlan = Some(vlan); }
            /// VXLAN: behind this remote endpoint (`dst`).
            dst(entry, dst: std::net::IpAddr) { entry.dst = Some(dst); }
            /// VXLAN: sent to this UDP port, 1 to 65535, instead of the device's (`port`). With [`dst`](Self::dst).
            port(entry, port: u16) { entry.port = Some(port); }
            /// VXLAN: sent with this VNI instead of the device's, 0 to 16777215 (`vni`). With [`dst`](Self::dst).
            vni(entry, vni: u32) { entry.vni = Some(vni); }
            /// VXLAN in metadata mode: belonging to this VNI, 0 to 16777215 (`src_vni`).
            src_vni(entry, vni: u32) { entry.src_vni = Some(vni); }
            /// VXLAN: behind this FDB nexthop group instead of a remote (`nhid`). Groups are made with `nl_core::nexthop`; replacing
            /// one moves all entries behind it at once, and deleting it deletes them.
            nexthop(entry, id: u32) { entry.nexthop = Some(id); }
            /// Not moving to another port when a frame comes from there (`sticky`). Needs [`static_`](Self::static_) or
            /// [`dynamic`](Self::dynamic), without [`extern_learn`](Self::extern_learn), on which a bridge would ignore it.
            sticky(entry) { entry.flags |= crate::fdb::FdbFlags::STICKY; }
            /// Put there by a control plane (`extern_learn`): never ages, may roam. The kernel makes no difference between adding
            /// and replacing such an entry.
            extern_learn(entry) { entry.flags |= crate::fdb::FdbFlags::EXT_LEARNED; }
            /// VXLAN: the remote is a router (`router`).
            router(entry) { entry.flags |= crate::fdb::FdbFlags::ROUTER; }
            /// Inserted or refreshed as if a frame had just been learned from (`use`): dynamic whatever the state says. On a
            /// port that is down or does not learn, the kernel says success and does nothing.
            use_(entry) { entry.flags |= crate::fdb::FdbFlags::USE; }
            /// With events when the address falls silent and when it is seen again (`activity_notify`). Linux 5.14.
            activity_notify(entry) { entry.notify = Some(entry.notify.unwrap_or_default() | crate::fdb::FdbNotify::ACTIVITY); }
            /// Entered as silent already (`inactive`); comes with [`activity_notify`](Self::activity_notify).
            inactive(entry) { entry.notify = Some(crate::fdb::FdbNotify::ACTIVITY | crate::fdb::FdbNotify::INACTIVE); }
            /// Changed without its age being reset (`norefresh`).
            norefresh(entry) { entry.dont_refresh = true; }
        }
    };
}
pub(super) use fdb_options;

fdb_options!(FdbEntry []);

impl FdbEntry {
    /// An entry for `mac` on the interface `index`: permanent, in the device's own table, which are the defaults of `bridge fdb`.
    #[must_use]
    pub fn new(mac: MacAddr, index: u32) -> Self {
        Self { mac, index, state: FdbState::PERMANENT, ..Self::default() }
    }

    /// Which table a change goes to: as flagged; for an entry that was read, where it was; otherwise the device's.
    pub(super) fn target(&self) -> FdbFlags {
        let flagged = self.flags & (FdbFlags::SELF | FdbFlags::MASTER);
        match self.master {
            _ if !flagged.is_empty() => flagged,
            Some(master) if master != self.index => FdbFlags::MASTER,
            _ => FdbFlags::SELF,
        }
    }

    /// Whether it is in a bridge's table.
    #[must_use]
    pub fn is_bridge(&self) -> bool {
        self.master.is_some()
    }

    /// Whether it is a tunnel endpoint of a VXLAN device.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        self.dst.is_some() || self.nexthop.is_some()
    }

    /// Whether it never ages and is the device's own address, or a permanent tunnel endpoint.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.state.contains(FdbState::PERMANENT)
    }

    /// Whether it is forwarded to and never ages.
    #[must_use]
    pub fn is_static(&self) -> bool {
        self.state.contains(FdbState::NOARP) && !self.is_permanent()
    }

    /// Whether it ages: learned from a frame, or added as if it had been.
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        !self.state.intersects(FdbState::NOARP | FdbState::PERMANENT)
    }

    /// Whether a locked port keeps the address out until it is authorised.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.flags_ext.is_some_and(|flags| flags.contains(FdbFlagsExt::LOCKED))
    }
}

impl FdbEntry {
    /// Reads an `RTM_NEWNEIGH` or `RTM_DELNEIGH` message of family `AF_BRIDGE`.
    ///
    /// # Errors
    /// The message is of another type or family, malformed, or without an address.
    #[inline]
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        Self::decode_with::<true>(message)
    }

    /// As [`decode`](Self::decode), without [`ages`](Self::ages): times are a good part of what reading an entry costs.
    #[inline]
    #[cfg(feature = "leaf")]
    pub(crate) fn decode_without_ages(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        Self::decode_with::<false>(message)
    }

    #[inline]
    fn decode_with<const AGES: bool>(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        if !matches!(message.kind(), RTM_NEWNEIGH | RTM_DELNEIGH) {
            return Err(DecodeError::Kind(message.kind()));
        }
        match Self::decode_any::<AGES>(message)? {
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
    fn decode_any<const AGES: bool>(message: MessageRef<'_>) -> Result<(Self, bool), DecodeError> {
        let (header, attrs) = message.header::<NdMsg>()?;
        if header.family != AF_BRIDGE {
            return Err(DecodeError::Kind(message.kind()));
        }
        let mut entry = Self { index: header.index, ..Self::default() };
        entry.state = FdbState::from_bits_retain(header.state);
        entry.flags = FdbFlags::from_bits_retain(header.flags);
        entry.ndm_type = header.kind;
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
                NDA_CACHEINFO if AGES => entry.ages = Some(ages(attr.array()?)),
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
    /// an identical change stays without an event. A VXLAN device keeps the state as it is sent and selects by it when it is
    /// flushed, so there it is iproute2's: `NOARP` beside `PERMANENT`, and beside `REACHABLE`, without which it is refused.
    fn wire_state(&self, verb: FdbVerb) -> FdbState {
        match verb {
            FdbVerb::Get => FdbState::empty(),
            _ if self.targets_self() && self.state == FdbState::NOARP => {
                FdbState::NOARP | FdbState::REACHABLE
            }
            _ if self.targets_self() && self.is_tunnel() && self.state == FdbState::PERMANENT => {
                FdbState::PERMANENT | FdbState::NOARP
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
        let beside_dst = self.port.is_some() || self.vni.is_some() || self.via.is_some();
        let remote = self.is_tunnel() || beside_dst;
        let tunnel = remote || self.src_vni.is_some();
        let group = self.mac.is_multicast() || self.mac.is_zero();
        check_index(self.index)?;
        check_vlan(self.vlan)?;
        opt_within("port", self.port, 1, u16::MAX)?;
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
            FdbVerb::Get => return Ok(()),
            _ if self.nexthop.is_some() && (self.dst.is_some() || beside_dst) => {
                "a nexthop replaces dst, port, vni and via: give one or the other"
            }
            _ if self.nexthop == Some(0) => "nexthop id 0; the first one is 1",
            _ if self.via == Some(0) => "via index 0; the first one is 1",
            // An addition would be refused, and a deletion would remove every remote.
            _ if beside_dst && self.dst.is_none() => {
                "port, vni and via say more about a remote: give its dst"
            }
            FdbVerb::Delete if group && self.dst.is_some_and(|dst| dst.is_unspecified()) => {
                "without an address the kernel would remove every remote: leave dst out to mean that"
            }
            FdbVerb::Delete => return Ok(()),
            _ if self.state.is_empty() => "a state is needed: permanent(), static_() or dynamic()",
            _ if self.flags.contains(FdbFlags::STICKY) && self.is_permanent() => {
                "sticky entries are static_() or dynamic(), never permanent()"
            }
            _ if self.flags.contains(FdbFlags::STICKY | FdbFlags::EXT_LEARNED)
                && self.target().contains(FdbFlags::MASTER) =>
            {
                "a bridge keeps no sticky on an extern_learn entry: use static_() in its place"
            }
            _ if self.is_locked() => "the locked flag is the kernel's to set",
            _ if self.protocol.is_some() => "protocol: the kernel keeps none on FDB entries",
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
                "append() adds a remote to a group or all-zero MAC address of a VXLAN device: add() or replace() this entry"
            }
            _ => return Ok(()),
        };
        Err(why.into())
    }
}

pub(super) fn check_vlan(vlan: Option<u16>) -> Result<(), Invalid> {
    opt_within("vlan", vlan, 1, VLAN_MAX)
}

fn ages(bytes: [u8; 16]) -> FdbAges {
    let mut ticks = bytes.chunks_exact(4).map(|c| c.first_chunk().map_or(0, |c| u32::from_ne_bytes(*c)));
    let mut next = || ticks.next().unwrap_or_default();
    let age = |ticks: u32| Duration::from_millis(u64::from(ticks) * MILLIS_PER_TICK);
    FdbAges { confirmed: age(next()), used: age(next()), updated: age(next()), references: next() }
}

/// A line as `bridge fdb show` prints it, in its order, with `#5` for interface 5. The only rendering of an entry.
impl fmt::Display for FdbEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} dev #{}", self.mac, self.index)?;
        if let Some(dst) = self.dst {
            write!(f, " dst {dst}")?;
        }
        if let Some(vlan) = self.vlan {
            write!(f, " vlan {vlan}")?;
        }
        if let Some(port) = self.port {
            write!(f, " port {port}")?;
        }
        if let Some(vni) = self.vni {
            write!(f, " vni {vni}")?;
        }
        if let Some(vni) = self.src_vni {
            write!(f, " src_vni {vni}")?;
        }
        if let Some(via) = self.via {
            write!(f, " via #{via}")?;
        }
        if let Some(id) = self.nexthop {
            write!(f, " nhid {id}")?;
        }
        if let Some(id) = self.link_netnsid {
            write!(f, " link-netnsid {id}")?;
        }
        const FLAGS: [(FdbFlags, &str); 7] = [
            (FdbFlags::USE, " use"),
            (FdbFlags::SELF, " self"),
            (FdbFlags::ROUTER, " router"),
            (FdbFlags::EXT_LEARNED, " extern_learn"),
            (FdbFlags::OFFLOADED, " offload"),
            (FdbFlags::MASTER, " master"),
            (FdbFlags::STICKY, " sticky"),
        ];
        for (flag, word) in FLAGS {
            if self.flags.contains(flag) {
                f.write_str(word)?;
            }
        }
        if self.is_locked() {
            f.write_str(" locked")?;
        }
        if let Some(notify) = self.notify {
            let inactive = notify.contains(FdbNotify::INACTIVE);
            f.write_str(if inactive { " activity_notify inactive" } else { " activity_notify" })?;
        }
        if let Some(master) = self.master {
            write!(f, " master #{master}")?;
        }
        if self.is_permanent() {
            f.write_str(" permanent")
        } else if self.is_static() {
            f.write_str(" static")
        } else if self.state.contains(FdbState::STALE) {
            f.write_str(" stale")
        } else {
            Ok(())
        }
    }
}

pub(super) fn describe(message: MessageRef<'_>) -> String {
    let verb = match (message.kind(), message.flags()) {
        (RTM_NEWNEIGH, flags) if flags & NLM_F_APPEND != 0 => "append",
        (RTM_NEWNEIGH, flags) if flags & NLM_F_REPLACE != 0 => "replace",
        (RTM_NEWNEIGH, _) => "add",
        (RTM_DELNEIGH, flags) if flags & NLM_F_BULK != 0 => "flush",
        (RTM_DELNEIGH, _) => "delete",
        _ => "get",
    };
    match FdbEntry::decode_any::<true>(message) {
        Ok((mut entry, true)) => {
            // What a look-up or a deletion has in the header was not given by the caller.
            if message.kind() != RTM_NEWNEIGH {
                entry.state = FdbState::empty();
            }
            format!("{verb} fdb {entry}")
        }
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

attr_names! { pub(super) NAMES: NdMsg {
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
