use std::fmt;
use std::net::IpAddr;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, check_index};
use nl_core::message::MessageRef;
use nl_core::{Request, attr_names};

use crate::header::TunnelMsg;
use crate::ranges::VniRange;

// `include/uapi/linux/rtnetlink.h`

/// VNIs that are there; also the request that adds them.
pub const RTM_NEWTUNNEL: u16 = 120;
/// VNIs that are gone; also the request that removes them.
pub const RTM_DELTUNNEL: u16 = 121;
/// The request that lists VNIs.
pub const RTM_GETTUNNEL: u16 = 122;
/// The multicast group of VNIs.
pub const RTNLGRP_TUNNEL: u32 = 35;

const TUNNEL_MSG_FLAG_STATS: u8 = 1;

/// A VNI that a VXLAN device receives, or several in a row that are the same.
///
/// ```
/// use nl_bridge::VniRange;
/// use nl_bridge::vni::{VniEntry, VniVerb};
///
/// let entry = VniEntry::new(7, VniRange::new(200, 205)?);
/// assert_eq!(entry.to_string(), "vni 200-205 dev #7");
/// let request = entry.request(VniVerb::Replace);
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// Kernel: `VXLAN_VNIFILTER_ENTRY_*`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct VniEntry {
    /// The VXLAN device.
    pub index: u32,
    /// The VNIs.
    pub vnis: VniRange,
    /// The multicast group or the remote.
    pub group: Option<IpAddr>,
    /// Counters, where they were asked for; only read, and only of single VNIs.
    pub stats: Option<VniStats>,
}

/// What a VXLAN device counted of a VNI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct VniStats {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Packets that were dropped when received.
    pub rx_drops: u64,
    /// Packets with errors when received.
    pub rx_errors: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets that were dropped when sent.
    pub tx_drops: u64,
    /// Packets with errors when sent.
    pub tx_errors: u64,
}

macro_rules! entry_options {
    ($($target:tt)*) => {
        nl_core::setters! { $($target)*
            /// Frames that the forwarding database has no remote for go to this multicast group or remote (`group`, `remote`). A
            /// group needs a device below, such as `ip link add … type vxlan … dev eth0`.
            group(entry, address: std::net::IpAddr) { entry.group = Some(address); }
        }
    };
}
pub(super) use entry_options;

entry_options!(VniEntry []);

impl VniEntry {
    /// VNIs of the device `index`, without a group.
    #[must_use]
    pub fn new(index: u32, vnis: impl Into<VniRange>) -> Self {
        Self { index, vnis: vnis.into(), group: None, stats: None }
    }
}

impl VniEntry {
    /// Reads the entries of an `RTM_NEWTUNNEL` or `RTM_DELTUNNEL` message, and pushes them.
    ///
    /// # Errors
    /// The message is of another type or family, or malformed.
    pub fn decode(message: MessageRef<'_>, entries: &mut Vec<Self>) -> Result<(), DecodeError> {
        let (header, attrs) = TunnelMsg::of(message, &[RTM_NEWTUNNEL, RTM_DELTUNNEL])?;
        for attr in attrs {
            let attr = attr?;
            if attr.kind() == VXLAN_VNIFILTER_ENTRY {
                entries.push(Self::read(header.index, attr.attrs())?);
            }
        }
        Ok(())
    }

    fn read(index: u32, attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let (mut first, mut last, mut group, mut stats) = (None, None, None, None);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                VXLAN_VNIFILTER_ENTRY_START => first = Some(attr.u32()?),
                VXLAN_VNIFILTER_ENTRY_END => last = Some(attr.u32()?),
                VXLAN_VNIFILTER_ENTRY_GROUP | VXLAN_VNIFILTER_ENTRY_GROUP6 => group = Some(attr.ip()?),
                VXLAN_VNIFILTER_ENTRY_STATS => stats = Some(VniStats::read(attr.attrs())?),
                _ => {}
            }
        }
        let kind = VXLAN_VNIFILTER_ENTRY_START;
        let first = first.ok_or(DecodeError::Missing(kind))?;
        let vnis = VniRange::read(first, last.unwrap_or(first));
        let vnis = vnis.ok_or(DecodeError::Value { kind, why: "a reversed range" })?;
        Ok(Self { index, vnis, group, stats })
    }

    /// The request that does this with the VNIs.
    #[must_use]
    pub fn request(&self, verb: VniVerb) -> Request {
        let header = TunnelMsg::new(self.index);
        let mut request = Request::new(verb.message(), &NAMES, describe).with_header(&header);
        let mut w = request.attrs();
        let mut entry = w.nested(VXLAN_VNIFILTER_ENTRY);
        entry.u32(VXLAN_VNIFILTER_ENTRY_START, self.vnis.first());
        if !self.vnis.is_single() {
            entry.u32(VXLAN_VNIFILTER_ENTRY_END, self.vnis.last());
        }
        if verb == VniVerb::Replace {
            let v6 = self.group.is_some_and(|group| group.is_ipv6());
            let kind = if v6 { VXLAN_VNIFILTER_ENTRY_GROUP6 } else { VXLAN_VNIFILTER_ENTRY_GROUP };
            entry.opt(kind, self.group, AttrWriter::ip);
        }
        drop(entry);
        request.invalid_if(self.check(verb))
    }

    fn check(&self, verb: VniVerb) -> Result<(), Invalid> {
        check_index(self.index)?;
        self.vnis.check()?;
        let why = match self.group {
            _ if self.vnis.last() == 0 => "vni 0 alone; the kernel takes 0 only in a range",
            Some(group) if verb == VniVerb::Replace && group.is_unspecified() => {
                "the unspecified address is neither a group nor a remote"
            }
            _ => return Ok(()),
        };
        Err(why.into())
    }
}

impl VniStats {
    fn read(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let mut stats = Self::default();
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                VNIFILTER_ENTRY_STATS_RX_BYTES => stats.rx_bytes = attr.u64()?,
                VNIFILTER_ENTRY_STATS_RX_PKTS => stats.rx_packets = attr.u64()?,
                VNIFILTER_ENTRY_STATS_RX_DROPS => stats.rx_drops = attr.u64()?,
                VNIFILTER_ENTRY_STATS_RX_ERRORS => stats.rx_errors = attr.u64()?,
                VNIFILTER_ENTRY_STATS_TX_BYTES => stats.tx_bytes = attr.u64()?,
                VNIFILTER_ENTRY_STATS_TX_PKTS => stats.tx_packets = attr.u64()?,
                VNIFILTER_ENTRY_STATS_TX_DROPS => stats.tx_drops = attr.u64()?,
                VNIFILTER_ENTRY_STATS_TX_ERRORS => stats.tx_errors = attr.u64()?,
                _ => {}
            }
        }
        Ok(stats)
    }
}

/// What to do with VNIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VniVerb {
    /// Remove them, in order up to the first that is not there.
    Delete,
    /// Add them; those that are there get the group, if one is given. The kernel has no verb that fails for them.
    Replace,
}

impl VniVerb {
    const fn message(self) -> u16 {
        match self {
            Self::Delete => RTM_DELTUNNEL,
            Self::Replace => RTM_NEWTUNNEL,
        }
    }
}

/// Which VNIs to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VniFilter {
    /// Of this VXLAN device; filtered by the kernel.
    pub index: Option<u32>,
    /// With counters, one VNI at a time.
    pub stats: bool,
}

impl VniFilter {
    /// The request that lists VNIs.
    #[must_use]
    pub fn list_request(&self) -> Request {
        let flags = if self.stats { TUNNEL_MSG_FLAG_STATS } else { 0 };
        let header = TunnelMsg { flags, ..TunnelMsg::new(self.index.unwrap_or(0)) };
        Request::new(RTM_GETTUNNEL, &NAMES, describe).with_header(&header)
    }
}

/// What a message of [`RTNLGRP_TUNNEL`] reports.
///
/// ```no_run
/// use nl_bridge::vni::{RTNLGRP_TUNNEL, VniEvent};
///
/// # fn example(conn: nl_core::Connection) -> nl_core::Result<()> {
/// let events = conn.monitor().group(RTNLGRP_TUNNEL).open(VniEvent::decode)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum VniEvent {
    /// These VNIs were removed.
    Deleted(Vec<VniEntry>),
    /// These VNIs are there.
    New(Vec<VniEntry>),
}

impl VniEvent {
    /// Reads a message; `None` for one of another type or family.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        let mut entries = Vec::new();
        match VniEntry::decode(message, &mut entries) {
            Err(DecodeError::Kind(_)) => Ok(None),
            Err(error) => Err(error),
            Ok(()) if message.kind() == RTM_DELTUNNEL => Ok(Some(Self::Deleted(entries))),
            Ok(()) => Ok(Some(Self::New(entries))),
        }
    }
}

/// The words of `bridge vni`, with `#5` for interface 5. The only rendering.
impl fmt::Display for VniEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vni {} dev #{}", self.vnis, self.index)?;
        match self.group {
            Some(group) if group.is_multicast() => write!(f, " group {group}"),
            Some(remote) => write!(f, " remote {remote}"),
            None => Ok(()),
        }
    }
}

fn describe(message: MessageRef<'_>) -> String {
    let mut entries = Vec::new();
    // A description of what can be read; the request is our own.
    let _ = VniEntry::decode(message, &mut entries);
    let verb = match message.kind() {
        RTM_NEWTUNNEL => "replace",
        RTM_DELTUNNEL => "delete",
        _ => "list",
    };
    match (entries.first(), message.header::<TunnelMsg>()) {
        (Some(entry), _) => format!("{verb} {entry}"),
        (None, Ok((header, _))) if header.index != 0 => format!("{verb} vni dev #{}", header.index),
        _ => format!("{verb} vni"),
    }
}

attr_names! { NAMES: TunnelMsg {
    VXLAN_VNIFILTER_ENTRY = 1 {
        VXLAN_VNIFILTER_ENTRY_START = 1,
        VXLAN_VNIFILTER_ENTRY_END = 2,
        VXLAN_VNIFILTER_ENTRY_GROUP = 3,
        VXLAN_VNIFILTER_ENTRY_GROUP6 = 4,
        VXLAN_VNIFILTER_ENTRY_STATS = 5 {
            VNIFILTER_ENTRY_STATS_RX_BYTES = 1,
            VNIFILTER_ENTRY_STATS_RX_PKTS = 2,
            VNIFILTER_ENTRY_STATS_RX_DROPS = 3,
            VNIFILTER_ENTRY_STATS_RX_ERRORS = 4,
            VNIFILTER_ENTRY_STATS_TX_BYTES = 5,
            VNIFILTER_ENTRY_STATS_TX_PKTS = 6,
            VNIFILTER_ENTRY_STATS_TX_DROPS = 7,
            VNIFILTER_ENTRY_STATS_TX_ERRORS = 8
        }
    },
} }
