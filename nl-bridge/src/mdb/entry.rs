use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use bitflags::bitflags;
use nl_core::MacAddr;

/// The group of an entry: an IP address, or an Ethernet address for other protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum MdbGroup {
    /// An IPv4 or IPv6 multicast address; on a VXLAN device also the unspecified one, for all other groups.
    Ip(IpAddr),
    /// An Ethernet multicast address; entries are permanent.
    Mac(MacAddr),
}

impl From<IpAddr> for MdbGroup {
    fn from(group: IpAddr) -> Self {
        Self::Ip(group)
    }
}

impl From<MacAddr> for MdbGroup {
    fn from(group: MacAddr) -> Self {
        Self::Mac(group)
    }
}

impl fmt::Display for MdbGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(group) => group.fmt(f),
            Self::Mac(group) => group.fmt(f),
        }
    }
}

/// Whether an entry ages (`MDB_TEMPORARY`, `MDB_PERMANENT`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum MdbState {
    /// It does, as one that was learned (`temp`).
    #[default]
    Temporary,
    /// It does not (`permanent`).
    Permanent,
    /// A number this crate does not know.
    Other(u8),
}

impl From<u8> for MdbState {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::Temporary,
            1 => Self::Permanent,
            other => Self::Other(other),
        }
    }
}

impl From<MdbState> for u8 {
    fn from(state: MdbState) -> Self {
        match state {
            MdbState::Temporary => 0,
            MdbState::Permanent => 1,
            MdbState::Other(number) => number,
        }
    }
}

/// Whether the listed sources are the ones wanted or the ones not wanted (`MCAST_INCLUDE`, `MCAST_EXCLUDE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum MdbMode {
    /// All but the listed ones.
    Exclude,
    /// The listed ones.
    Include,
    /// A number this crate does not know.
    Other(u8),
}

impl From<u8> for MdbMode {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::Exclude,
            1 => Self::Include,
            other => Self::Other(other),
        }
    }
}

impl From<MdbMode> for u8 {
    fn from(mode: MdbMode) -> Self {
        match mode {
            MdbMode::Exclude => 0,
            MdbMode::Include => 1,
            MdbMode::Other(number) => number,
        }
    }
}

impl fmt::Display for MdbMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exclude => f.write_str("exclude"),
            Self::Include => f.write_str("include"),
            Self::Other(number) => number.fmt(f),
        }
    }
}

bitflags! {
    /// What the kernel says of an entry (`MDB_FLAGS_*`). Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct MdbFlags: u8 {
        /// The hardware has it.
        const OFFLOAD = 0x1;
        /// The port forgets listeners that leave at once.
        const FAST_LEAVE = 0x2;
        /// It is there because of an entry for all sources.
        const STAR_EXCL = 0x4;
        /// Nothing goes to the port.
        const BLOCKED = 0x8;
        /// The hardware failed to take it. Linux 6.16.
        const OFFLOAD_FAILED = 0x10;
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for MdbFlags {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.bits())
    }
}

/// A source of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MdbSource {
    /// The address.
    pub addr: IpAddr,
    /// How long it counts; 0 if it is not forwarded to. Only read.
    pub timer: Option<Duration>,
}

impl From<IpAddr> for MdbSource {
    fn from(addr: IpAddr) -> Self {
        Self { addr, timer: None }
    }
}

/// One entry of a multicast database, as it is read and as it is written.
///
/// ```
/// use nl_bridge::mdb::MdbEntry;
///
/// let group: std::net::IpAddr = "239.1.1.1".parse().unwrap();
/// let entry = MdbEntry::new(3, 5, group).permanent().vlan(10);
/// assert_eq!(entry.to_string(), "dev #3 port #5 grp 239.1.1.1 permanent vid 10");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MdbEntry {
    /// The bridge, or the VXLAN device.
    pub dev: u32,
    /// The port; the bridge itself or the VXLAN device for the host's own.
    pub port: u32,
    /// The group.
    pub group: MdbGroup,
    /// The VLAN, 1 to 4094 (`vid`).
    pub vlan: Option<u16>,
    /// The source it is for, one alone (`src`).
    pub source: Option<IpAddr>,
    /// Whether it ages.
    pub state: MdbState,
    /// What the kernel says of it; only read.
    pub flags: MdbFlags,
    /// What the list of sources means (`filter_mode`).
    pub mode: Option<MdbMode>,
    /// The list of sources (`source_list`).
    pub sources: Vec<MdbSource>,
    /// Who put it there, `RTPROT_*` (`proto`).
    pub protocol: Option<u8>,
    /// How long it counts; only read, and 0 for one that does not age.
    pub timer: Option<Duration>,
    /// VXLAN: the endpoint (`dst`).
    pub dst: Option<IpAddr>,
    /// VXLAN: its UDP port, where it is not the device's (`dst_port`).
    pub dst_port: Option<u16>,
    /// VXLAN: the VNI to send with, 0 to 16777215 (`vni`).
    pub vni: Option<u32>,
    /// VXLAN: the VNI the entry belongs to, 0 to 16777215 (`src_vni`).
    pub src_vni: Option<u32>,
    /// VXLAN: the interface to send through (`via`).
    pub via: Option<u32>,
}

macro_rules! mdb_options {
    ($($target:tt)*) => {
        nl_core::setters! { $($target)*
            /// Not ageing (`permanent`). The bridge's own entries cannot be.
            permanent(entry) { entry.state = crate::mdb::MdbState::Permanent; }
            /// Ageing (`temp`); so without being said.
            temp(entry) { entry.state = crate::mdb::MdbState::Temporary; }
            /// In this VLAN, 1 to 4094 (`vid`). Without it, on a bridge that filters VLANs, it is one entry in each VLAN of the port.
            vlan(entry, vlan: u16) { entry.vlan = Some(vlan); }
            /// For this source alone (`src`).
            source(entry, source: std::net::IpAddr) { entry.source = Some(source); }
            /// What the list of sources means (`filter_mode`). Linux 6.2.
            mode(entry, mode: crate::mdb::MdbMode) { entry.mode = Some(mode); }
            /// With these sources (`source_list`), for which a mode is needed. Linux 6.2.
            sources(entry, sources: impl IntoIterator<Item = std::net::IpAddr>) {
                entry.sources = sources.into_iter().map(crate::mdb::MdbSource::from).collect();
            }
            /// Put there by this protocol, `RTPROT_*` (`proto`). Linux 6.2.
            protocol(entry, protocol: u8) { entry.protocol = Some(protocol); }
            /// VXLAN: sent to this endpoint (`dst`).
            dst(entry, dst: std::net::IpAddr) { entry.dst = Some(dst); }
            /// VXLAN: to this UDP port instead of the device's (`dst_port`).
            dst_port(entry, port: u16) { entry.dst_port = Some(port); }
            /// VXLAN: with this VNI, 0 to 16777215 (`vni`).
            vni(entry, vni: u32) { entry.vni = Some(vni); }
            /// VXLAN: for frames of this VNI, 0 to 16777215 (`src_vni`).
            src_vni(entry, vni: u32) { entry.src_vni = Some(vni); }
        }
    };
}
pub(super) use mdb_options;

mdb_options!(MdbEntry []);

impl MdbEntry {
    /// An entry for `group` on the port `port` of the bridge or VXLAN device `dev`. It ages.
    #[must_use]
    pub fn new(dev: u32, port: u32, group: impl Into<MdbGroup>) -> Self {
        Self {
            dev,
            port,
            group: group.into(),
            vlan: None,
            source: None,
            state: MdbState::Temporary,
            flags: MdbFlags::empty(),
            mode: None,
            sources: Vec::new(),
            protocol: None,
            timer: None,
            dst: None,
            dst_port: None,
            vni: None,
            src_vni: None,
            via: None,
        }
    }

    /// Whether it says anything that only a VXLAN device's entry has.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        self.dst.is_some()
            || self.dst_port.is_some()
            || self.vni.is_some()
            || self.src_vni.is_some()
            || self.via.is_some()
    }
}

/// The words of `bridge mdb`, with `#5` for interface 5.
impl fmt::Display for MdbEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dev #{} port #{} grp {}", self.dev, self.port, self.group)?;
        if let Some(source) = self.source {
            write!(f, " src {source}")?;
        }
        match self.state {
            MdbState::Temporary => f.write_str(" temp")?,
            MdbState::Permanent => f.write_str(" permanent")?,
            MdbState::Other(number) => write!(f, " state {number}")?,
        }
        if let Some(vlan) = self.vlan {
            write!(f, " vid {vlan}")?;
        }
        if let Some(mode) = self.mode {
            write!(f, " filter_mode {mode}")?;
        }
        for (i, source) in self.sources.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { " source_list " } else { "," }, source.addr)?;
        }
        if let Some(protocol) = self.protocol {
            write!(f, " proto {protocol}")?;
        }
        if let Some(dst) = self.dst {
            write!(f, " dst {dst}")?;
        }
        if let Some(port) = self.dst_port {
            write!(f, " dst_port {port}")?;
        }
        if let Some(vni) = self.vni {
            write!(f, " vni {vni}")?;
        }
        if let Some(vni) = self.src_vni {
            write!(f, " src_vni {vni}")?;
        }
        match self.via {
            Some(via) => write!(f, " via #{via}"),
            None => Ok(()),
        }
    }
}
