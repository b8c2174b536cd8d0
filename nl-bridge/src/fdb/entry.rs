use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use bitflags::bitflags;
use nl_core::MacAddr;

bitflags! {
    /// The state of an entry (`NUD_*`); bits this crate does not know are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FdbState: u16 {
        /// Dynamic: ages out.
        const REACHABLE = 0x02;
        /// Aged out and not collected yet; only read, never set.
        const STALE = 0x04;
        /// Static: forwarded to, never ages.
        const NOARP = 0x40;
        /// Local: an address of the bridge or the port itself, never forwarded to. On a VXLAN device: never ages.
        const PERMANENT = 0x80;
        const _ = !0;
    }
}

bitflags! {
    /// Flags of an entry (`NTF_*`); bits this crate does not know are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FdbFlags: u8 {
        /// Inserted or refreshed as if learned from a frame.
        const USE = 0x01;
        /// In the device's own table.
        const SELF = 0x02;
        /// In the table of the bridge above the device.
        const MASTER = 0x04;
        /// Put there by a control plane: never ages, may roam.
        const EXT_LEARNED = 0x10;
        /// In hardware; only read, ignored when set.
        const OFFLOADED = 0x20;
        /// Does not move to another port when a frame comes from there.
        const STICKY = 0x40;
        /// VXLAN: the remote is a router.
        const ROUTER = 0x80;
        const _ = !0;
    }
}

bitflags! {
    /// Further flags (`NTF_EXT_*`), on every entry since Linux 6.2; bits this crate does not know are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FdbFlagsExt: u32 {
        /// Kept alive by the kernel.
        const MANAGED = 0x1;
        /// Seen on a locked port and not let through (MAC authentication bypass); only read, refused when set.
        const LOCKED = 0x2;
        /// Validated by a control plane.
        const EXT_VALIDATED = 0x4;
        const _ = !0;
    }
}

bitflags! {
    /// Activity tracking of static and externally learned entries (`FDB_NOTIFY_*`, Linux 5.14).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FdbNotify: u8 {
        /// Events tell when the address falls silent and when it is seen again.
        const ACTIVITY = 0x1;
        /// The address is silent. An update without it does not clear it: only a frame, or switching the tracking off, does.
        const INACTIVE = 0x2;
        const _ = !0;
    }
}

/// How long ago an entry was used and updated, to a hundredth of a second (`struct nda_cacheinfo`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FdbAges {
    /// Since it was confirmed; the bridge does not count this and says 0.
    pub confirmed: Duration,
    /// Since a frame was last forwarded to it.
    pub used: Duration,
    /// Since it was last learned, moved or changed.
    pub updated: Duration,
    /// References held to it; the bridge does not count them and says 0.
    pub references: u32,
}

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
#[derive(Clone, Debug, PartialEq, Eq)]
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
    #[cfg_attr(feature = "serde", serde(serialize_with = "bits::u16"))]
    pub state: FdbState,
    /// Flags (`ndm_flags`).
    #[cfg_attr(feature = "serde", serde(serialize_with = "bits::u8"))]
    pub flags: FdbFlags,
    /// Further flags; `None` before Linux 6.2 (`NDA_FLAGS_EXT`).
    #[cfg_attr(feature = "serde", serde(serialize_with = "bits::u32"))]
    pub flags_ext: Option<FdbFlagsExt>,
    /// VXLAN: the remote endpoint (`NDA_DST`).
    pub dst: Option<IpAddr>,
    /// VXLAN: the remote UDP port, where it is not the device's (`NDA_PORT`).
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
    /// Who put the entry there (`RTPROT_*`); only read, and no driver of the kernel's tells it yet
    /// (`NDA_PROTOCOL`).
    pub protocol: Option<u8>,
    /// How old it is; only read (`NDA_CACHEINFO`).
    pub ages: Option<FdbAges>,
    /// Activity tracking; `None` where it is off (`NFEA_ACTIVITY_NOTIFY`). An update without it switches it off.
    #[cfg_attr(feature = "serde", serde(serialize_with = "bits::notify"))]
    pub notify: Option<FdbNotify>,
    /// An update keeps the age; only written (`NFEA_DONT_REFRESH`).
    pub dont_refresh: bool,
    /// `ndm_type`: 1 on VXLAN entries, 0 on a bridge's; only read.
    pub kind: u8,
}

impl FdbEntry {
    /// An entry for `mac` on the interface `index`: permanent, in the device's own table, as `bridge fdb` has it
    /// where nothing else is said.
    #[must_use]
    pub fn new(mac: MacAddr, index: u32) -> Self {
        Self { state: FdbState::PERMANENT, ..Self::blank(mac, index) }
    }

    pub(super) fn blank(mac: MacAddr, index: u32) -> Self {
        Self {
            mac,
            index,
            master: None,
            vlan: None,
            state: FdbState::empty(),
            flags: FdbFlags::empty(),
            flags_ext: None,
            dst: None,
            port: None,
            vni: None,
            src_vni: None,
            via: None,
            link_netnsid: None,
            nexthop: None,
            protocol: None,
            ages: None,
            notify: None,
            dont_refresh: false,
            kind: 0,
        }
    }

    /// Meant for the bridge above the device (`master`).
    #[must_use]
    pub fn master(self) -> Self {
        self.with_flag(FdbFlags::MASTER)
    }

    /// Meant for the device's own table (`self`). This is so without being said, but with
    /// [`master()`](Self::master()) it must be: then the entry goes into both tables, the bridge's first, and stays
    /// there if the device refuses.
    #[must_use]
    pub fn self_(self) -> Self {
        self.with_flag(FdbFlags::SELF)
    }

    /// An address of the bridge or port itself (`local`, `permanent`); on a VXLAN device, an entry that does not age.
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.state = FdbState::PERMANENT;
        self
    }

    /// Forwarded to and never ageing (`static`).
    #[must_use]
    pub fn static_(mut self) -> Self {
        self.state = FdbState::NOARP;
        self
    }

    /// Ageing like a learned entry (`dynamic`). The kernel takes one only while the port is up.
    #[must_use]
    pub fn dynamic(mut self) -> Self {
        self.state = FdbState::REACHABLE;
        self
    }

    /// In this VLAN, 1 to 4094; without one see [VLANs](super#vlans).
    #[must_use]
    pub fn vlan(mut self, vlan: u16) -> Self {
        self.vlan = Some(vlan);
        self
    }

    /// VXLAN: behind this remote endpoint (`dst`).
    #[must_use]
    pub fn dst(mut self, dst: IpAddr) -> Self {
        self.dst = Some(dst);
        self
    }

    /// VXLAN: sent to this UDP port instead of the device's (`port`).
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// VXLAN: sent with this VNI instead of the device's, 0 to 16777215 (`vni`).
    #[must_use]
    pub fn vni(mut self, vni: u32) -> Self {
        self.vni = Some(vni);
        self
    }

    /// VXLAN in metadata mode: belonging to this VNI, 0 to 16777215 (`src_vni`).
    #[must_use]
    pub fn src_vni(mut self, vni: u32) -> Self {
        self.src_vni = Some(vni);
        self
    }

    /// VXLAN: behind this FDB nexthop group instead of a remote (`nhid`).
    #[must_use]
    pub fn nexthop(mut self, id: u32) -> Self {
        self.nexthop = Some(id);
        self
    }

    /// Not moving to another port when a frame comes from there (`sticky`). Needs [`static_`](Self::static_) or
    /// [`dynamic`](Self::dynamic).
    #[must_use]
    pub fn sticky(self) -> Self {
        self.with_flag(FdbFlags::STICKY)
    }

    /// Put there by a control plane (`extern_learn`): never ages, may roam. The kernel makes no difference between adding
    /// and replacing such an entry.
    #[must_use]
    pub fn extern_learn(self) -> Self {
        self.with_flag(FdbFlags::EXT_LEARNED)
    }

    /// VXLAN: the remote is a router (`router`).
    #[must_use]
    pub fn router(self) -> Self {
        self.with_flag(FdbFlags::ROUTER)
    }

    /// Inserted or refreshed as if a frame had just been learned from (`use`): dynamic whatever the state says. On a
    /// port that is down or does not learn, the kernel says success and does nothing.
    #[must_use]
    pub fn use_(self) -> Self {
        self.with_flag(FdbFlags::USE)
    }

    /// Told about when it falls silent and when it is seen again (`activity_notify`). Linux 5.14.
    #[must_use]
    pub fn activity_notify(mut self) -> Self {
        self.notify = Some(self.notify.unwrap_or_default() | FdbNotify::ACTIVITY);
        self
    }

    /// Entered as silent already (`inactive`); comes with [`activity_notify`](Self::activity_notify).
    #[must_use]
    pub fn inactive(mut self) -> Self {
        self.notify = Some(FdbNotify::ACTIVITY | FdbNotify::INACTIVE);
        self
    }

    /// Changed without its age starting anew (`norefresh`).
    #[must_use]
    pub fn norefresh(mut self) -> Self {
        self.dont_refresh = true;
        self
    }

    fn with_flag(mut self, flag: FdbFlags) -> Self {
        self.flags |= flag;
        self
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

    /// What follows the device in the words of `bridge fdb`, with indexes where that has names.
    pub(super) fn write_details(&self, f: &mut impl fmt::Write) -> fmt::Result {
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
        if let Some(master) = self.master {
            write!(f, " master #{master}")?;
        }
        const FLAGS: [(FdbFlags, &str); 7] = [
            (FdbFlags::USE, " use"),
            (FdbFlags::SELF, " self"),
            (FdbFlags::MASTER, " master"),
            (FdbFlags::EXT_LEARNED, " extern_learn"),
            (FdbFlags::OFFLOADED, " offload"),
            (FdbFlags::STICKY, " sticky"),
            (FdbFlags::ROUTER, " router"),
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

/// A line as `bridge fdb show` prints it, with `#5` in place of the name of interface 5.
impl fmt::Display for FdbEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} dev #{}", self.mac, self.index)?;
        self.write_details(f)
    }
}

#[cfg(feature = "serde")]
mod bits {
    use serde::{Serialize, Serializer};

    use super::{FdbFlags, FdbFlagsExt, FdbNotify, FdbState};

    pub(super) fn u16<S: Serializer>(state: &FdbState, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u16(state.bits())
    }

    pub(super) fn u8<S: Serializer>(flags: &FdbFlags, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u8(flags.bits())
    }

    pub(super) fn u32<S: Serializer>(flags: &Option<FdbFlagsExt>, s: S) -> Result<S::Ok, S::Error> {
        flags.map(|flags| flags.bits()).serialize(s)
    }

    pub(super) fn notify<S: Serializer>(notify: &Option<FdbNotify>, s: S) -> Result<S::Ok, S::Error> {
        notify.map(|notify| notify.bits()).serialize(s)
    }
}
