use std::fmt;

use nl_core::Request;
use nl_core::attr::{Attr, AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, check_index, within};
use nl_core::message::MessageRef;

use super::names::*;
use super::{VlanInfo, VlanStats};
use crate::header::BrVlanMsg;
use crate::state::{McastRouter, StpState};
use crate::types::{VlanId, VlanRange};

/// A VLAN of a port or of a bridge, or several in a row that are the same, with its options.
///
/// ```
/// use nl_bridge::VlanRange;
/// use nl_bridge::vlan_db::{StpState, VlanDbEntry, VlanDbVerb};
///
/// let entry = VlanDbEntry::new(5, VlanRange::new(10, 19)?).state(StpState::Blocking);
/// assert_eq!(entry.to_string(), "vid 10-19 dev #5 state blocking");
/// let request = entry.request(VlanDbVerb::Set);
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// Kernel: `BRIDGE_VLANDB_ENTRY_*`. An option that is `None` is left as it is by a request, and unknown to the kernel or not meant
/// for this device where it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct VlanDbEntry {
    /// The port or bridge.
    pub index: u32,
    /// The VLANs.
    pub vlans: VlanRange,
    /// The flags of the membership; written by [`VlanDbVerb::Replace`] only.
    pub info: VlanInfo,
    /// The state by the spanning tree; [`Forwarding`](StpState::Forwarding) unless set.
    pub state: Option<StpState>,
    /// The VNI that the first of the VLANs is mapped to, the others to those behind it; only read. The kernel does not check
    /// that it is one. `nl_bridge::tunnel` maps.
    pub tunnel: Option<u32>,
    /// What went through; only read, and only of single VLANs.
    pub stats: Option<VlanStats>,
    /// Whether there is a multicast router.
    pub mcast_router: Option<McastRouter>,
    /// How many multicast groups the port is in; only read. Linux 6.3, with `mcast_vlan_snooping`.
    pub mcast_n_groups: Option<u32>,
    /// How many it may be in, 0 for no limit. Linux 6.3.
    pub mcast_max_groups: Option<u32>,
    /// Whether neighbours are answered for by the bridge. Linux 6.4.
    pub neigh_suppress: Option<bool>,
    /// Whether gratuitous ARP and unsolicited neighbour advertisements are forwarded where they would be suppressed. Linux 7.2.
    pub neigh_forward_grat: Option<bool>,
}

macro_rules! entry_options {
    ($($target:tt)*) => {
        nl_core::setters! { $($target)*
            /// In this state (`state`); on a bridge whose VLANs the kernel's spanning tree or MST governs, it is refused.
            state(entry, state: crate::state::StpState) { entry.state = Some(state); }
            /// With or without a multicast router (`mcast_router`).
            mcast_router(entry, router: crate::state::McastRouter) { entry.mcast_router = Some(router); }
            /// The largest number of multicast groups, 0 for no limit (`mcast_max_groups`). Ports only. Linux 6.3.
            mcast_max_groups(entry, groups: u32) { entry.mcast_max_groups = Some(groups); }
            /// Neighbours are answered for by the bridge, or are not (`neigh_suppress`). Of ports. Linux 6.4.
            neigh_suppress(entry, on: bool) { entry.neigh_suppress = Some(on); }
            /// Gratuitous ARP is forwarded all the same, or is not (`neigh_forward_grat`). Of ports. Linux 7.2.
            neigh_forward_grat(entry, on: bool) { entry.neigh_forward_grat = Some(on); }
            /// The VLAN of frames without a tag (`pvid`). For [`VlanDbVerb::Replace`](crate::vlan_db::VlanDbVerb::Replace).
            pvid(entry) { entry.info |= crate::vlan_db::VlanInfo::PVID; }
            /// Sent without a tag (`untagged`). For [`VlanDbVerb::Replace`](crate::vlan_db::VlanDbVerb::Replace).
            untagged(entry) { entry.info |= crate::vlan_db::VlanInfo::UNTAGGED; }
        }
    };
}
pub(super) use entry_options;

entry_options!(VlanDbEntry []);

impl VlanDbEntry {
    /// VLANs of the port or bridge `index`, without options.
    #[must_use]
    pub fn new(index: u32, vlans: impl Into<VlanRange>) -> Self {
        Self {
            index,
            vlans: vlans.into(),
            info: VlanInfo::empty(),
            state: None,
            tunnel: None,
            stats: None,
            mcast_router: None,
            mcast_n_groups: None,
            mcast_max_groups: None,
            neigh_suppress: None,
            neigh_forward_grat: None,
        }
    }

    /// Whether an option that can be written is given.
    fn has_options(&self) -> bool {
        self.state.is_some()
            || self.mcast_router.is_some()
            || self.mcast_max_groups.is_some()
            || self.neigh_suppress.is_some()
            || self.neigh_forward_grat.is_some()
    }
}

impl VlanDbEntry {
    /// Reads the entries of an `RTM_NEWVLAN` or `RTM_DELVLAN` message, and pushes them. Global options are skipped.
    ///
    /// # Errors
    /// The message is of another type or family, or malformed; or a VLAN is not one.
    pub fn decode(message: MessageRef<'_>, entries: &mut Vec<Self>) -> Result<(), DecodeError> {
        let (header, attrs) = BrVlanMsg::of(message, &[RTM_NEWVLAN, RTM_DELVLAN])?;
        for attr in attrs {
            let attr = attr?;
            if attr.kind() == BRIDGE_VLANDB_ENTRY {
                // Where it stays, as there are thousands. One that cannot be read is not among them.
                let count = entries.len();
                entries.push(Self::new(header.index, VlanId::MIN));
                if let Some(Err(error)) = entries.last_mut().map(|entry| entry.fill(attr.attrs())) {
                    entries.truncate(count);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Reads it into one that is new.
    fn fill(&mut self, attrs: Attrs<'_>) -> Result<(), DecodeError> {
        // One pass: a list has an entry for each VLAN of each port.
        let (mut own, mut last) = (None, None);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                BRIDGE_VLANDB_ENTRY_INFO => own = Some(info(attr)?),
                BRIDGE_VLANDB_ENTRY_RANGE => last = Some(attr.u16()?),
                BRIDGE_VLANDB_ENTRY_STATE => self.state = Some(attr.u8()?.into()),
                BRIDGE_VLANDB_ENTRY_TUNNEL_INFO => {
                    self.tunnel =
                        attr.attrs().find(BRIDGE_VLANDB_TINFO_ID)?.map(|id| id.u32()).transpose()?;
                }
                BRIDGE_VLANDB_ENTRY_STATS => self.stats.insert(VlanStats::default()).fill(attr.attrs())?,
                BRIDGE_VLANDB_ENTRY_MCAST_ROUTER => self.mcast_router = Some(attr.u8()?.into()),
                BRIDGE_VLANDB_ENTRY_MCAST_N_GROUPS => self.mcast_n_groups = Some(attr.u32()?),
                BRIDGE_VLANDB_ENTRY_MCAST_MAX_GROUPS => self.mcast_max_groups = Some(attr.u32()?),
                BRIDGE_VLANDB_ENTRY_NEIGH_SUPPRESS => self.neigh_suppress = Some(attr.u8()? != 0),
                BRIDGE_VLANDB_ENTRY_NEIGH_FORWARD_GRAT => self.neigh_forward_grat = Some(attr.u8()? != 0),
                _ => {}
            }
        }
        let (info, first) = own.ok_or(DecodeError::Missing(BRIDGE_VLANDB_ENTRY_INFO))?;
        self.info = info;
        self.vlans = range(first, last, BRIDGE_VLANDB_ENTRY_INFO)?;
        Ok(())
    }

    /// The request that does this with the VLANs.
    #[must_use]
    pub fn request(&self, verb: VlanDbVerb) -> Request {
        let mut request =
            Request::new(verb.message(), &NAMES, describe).with_header(&BrVlanMsg::new(self.index));
        let mut w = request.attrs();
        let mut entry = w.nested(BRIDGE_VLANDB_ENTRY);
        let written = VlanInfo::PVID | VlanInfo::UNTAGGED;
        let info = match verb {
            VlanDbVerb::Delete => VlanInfo::empty(),
            VlanDbVerb::Replace => self.info & written,
            VlanDbVerb::Set => VlanInfo::ONLY_OPTS,
        };
        write_vlans(&mut entry, info, self.vlans);
        if verb != VlanDbVerb::Delete {
            entry.opt(BRIDGE_VLANDB_ENTRY_STATE, self.state.map(u8::from), AttrWriter::u8);
            entry.opt(BRIDGE_VLANDB_ENTRY_MCAST_ROUTER, self.mcast_router.map(u8::from), AttrWriter::u8);
            entry.opt(BRIDGE_VLANDB_ENTRY_MCAST_MAX_GROUPS, self.mcast_max_groups, AttrWriter::u32);
            entry.opt(BRIDGE_VLANDB_ENTRY_NEIGH_SUPPRESS, self.neigh_suppress.map(u8::from), AttrWriter::u8);
            let grat = self.neigh_forward_grat.map(u8::from);
            entry.opt(BRIDGE_VLANDB_ENTRY_NEIGH_FORWARD_GRAT, grat, AttrWriter::u8);
        }
        drop(entry);
        request.invalid_if(self.check(verb))
    }

    fn check(&self, verb: VlanDbVerb) -> Result<(), Invalid> {
        check_index(self.index)?;
        match verb {
            VlanDbVerb::Delete => return Ok(()),
            VlanDbVerb::Replace if self.info.contains(VlanInfo::PVID) && !self.vlans.is_single() => {
                return Err(format!("pvid for the vlans {}; one VLAN is possible", self.vlans).into());
            }
            VlanDbVerb::Set if !self.has_options() => {
                return Err("nothing to set: give a state or another option".into());
            }
            _ => {}
        }
        if let Some(state) = self.state {
            check_state(state)?;
        }
        if let Some(router) = self.mcast_router {
            within("mcast_router", u8::from(router), 0, 3)?;
        }
        Ok(())
    }
}

/// The one check of a state that is written.
pub(crate) fn check_state(state: StpState) -> Result<(), Invalid> {
    within("state", u8::from(state), 0, 4)
}

/// `struct bridge_vlan_info`, and the end of the range if it is one.
pub(crate) fn write_vlans(entry: &mut AttrWriter<'_>, info: VlanInfo, vlans: VlanRange) {
    let ([a, b], [c, d]) = (info.bits().to_ne_bytes(), vlans.first().get().to_ne_bytes());
    entry.bytes(BRIDGE_VLANDB_ENTRY_INFO, &[a, b, c, d]);
    if !vlans.is_single() {
        entry.u16(BRIDGE_VLANDB_ENTRY_RANGE, vlans.last().get());
    }
}

fn info(attr: Attr<'_>) -> Result<(VlanInfo, u16), DecodeError> {
    let [a, b, c, d] = attr.array()?;
    Ok((VlanInfo::from_bits_retain(u16::from_ne_bytes([a, b])), u16::from_ne_bytes([c, d])))
}

/// The range from `first` to the attribute `range`, or `first` alone.
pub(super) fn read_range(
    attrs: Attrs<'_>,
    first: u16,
    own: u16,
    range: u16,
) -> Result<VlanRange, DecodeError> {
    let last = attrs.find(range)?.map(|last| last.u16()).transpose()?;
    self::range(first, last, own)
}

fn range(first: u16, last: Option<u16>, own: u16) -> Result<VlanRange, DecodeError> {
    VlanRange::checked(first, last.unwrap_or(first))
        .ok_or(DecodeError::Value { kind: own, why: "not a VLAN or a range of them" })
}

impl VlanStats {
    #[inline]
    fn fill(&mut self, mut attrs: Attrs<'_>) -> Result<(), DecodeError> {
        // The kernel sends them in this order.
        for (kind, counter) in [
            (BRIDGE_VLANDB_STATS_RX_BYTES, &mut self.rx_bytes),
            (BRIDGE_VLANDB_STATS_RX_PACKETS, &mut self.rx_packets),
            (BRIDGE_VLANDB_STATS_TX_BYTES, &mut self.tx_bytes),
            (BRIDGE_VLANDB_STATS_TX_PACKETS, &mut self.tx_packets),
        ] {
            if let Some(value) = attrs.next_array(kind) {
                *counter = u64::from_ne_bytes(value);
            }
        }
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                BRIDGE_VLANDB_STATS_RX_BYTES => self.rx_bytes = attr.u64()?,
                BRIDGE_VLANDB_STATS_RX_PACKETS => self.rx_packets = attr.u64()?,
                BRIDGE_VLANDB_STATS_TX_BYTES => self.tx_bytes = attr.u64()?,
                BRIDGE_VLANDB_STATS_TX_PACKETS => self.tx_packets = attr.u64()?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// What to do with VLANs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VlanDbVerb {
    /// Remove the VLANs from the port or bridge; the kernel says success for those it is not in.
    Delete,
    /// Put the port or bridge into the VLANs with just these flags, and set the options.
    Replace,
    /// Set the options of VLANs that are there, and nothing else.
    Set,
}

impl VlanDbVerb {
    const fn message(self) -> u16 {
        match self {
            Self::Delete => RTM_DELVLAN,
            Self::Replace | Self::Set => RTM_NEWVLAN,
        }
    }
}

/// The words of `bridge vlan set`, with `#5` for interface 5, and behind them those of `bridge vlan show` for what is only read.
/// The only rendering.
impl fmt::Display for VlanDbEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vid {} dev #{}", self.vlans, self.index)?;
        let on = |on: bool| if on { "on" } else { "off" };
        if let Some(state) = self.state {
            write!(f, " state {state}")?;
        }
        if let Some(router) = self.mcast_router {
            write!(f, " mcast_router {router}")?;
        }
        if let Some(groups) = self.mcast_max_groups {
            write!(f, " mcast_max_groups {groups}")?;
        }
        if let Some(suppress) = self.neigh_suppress {
            write!(f, " neigh_suppress {}", on(suppress))?;
        }
        if let Some(forward) = self.neigh_forward_grat {
            write!(f, " neigh_forward_grat {}", on(forward))?;
        }
        if let Some(groups) = self.mcast_n_groups {
            write!(f, " mcast_n_groups {groups}")?;
        }
        if let Some(id) = self.tunnel {
            write!(f, " tunnel_info id {id}")?;
        }
        for (flag, word) in [(VlanInfo::PVID, " pvid"), (VlanInfo::UNTAGGED, " untagged")] {
            if self.info.contains(flag) {
                f.write_str(word)?;
            }
        }
        Ok(())
    }
}

fn describe(message: MessageRef<'_>) -> String {
    let mut entries = Vec::new();
    // A description of what can be read; the request is our own.
    let _ = VlanDbEntry::decode(message, &mut entries);
    let verb = match (message.kind(), entries.first()) {
        (RTM_DELVLAN, _) => "delete",
        (_, Some(entry)) if entry.info.contains(VlanInfo::ONLY_OPTS) => "set",
        _ => "replace",
    };
    match entries.first() {
        Some(entry) => format!("{verb} vlan {entry}"),
        None => format!("{verb} vlan"),
    }
}
