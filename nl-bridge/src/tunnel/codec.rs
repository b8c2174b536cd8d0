use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, check_index};
use nl_core::link::{RTM_DELLINK, RTM_NEWLINK};
use nl_core::message::{AF_BRIDGE, IfInfoMsg, MessageRef};
use nl_core::{Request, attr_names};

use crate::ranges::VniRange;
use crate::types::VlanRange;
use crate::vlan_db::VlanDbEntry;

// `include/uapi/linux/rtnetlink.h`
pub(super) const RTM_SETLINK: u16 = 19;

const RANGE_BEGIN: u16 = 0x08;
const RANGE_END: u16 = 0x10;

/// A VLAN that is mapped to a VNI on a port, or several in a row that are mapped to VNIs in a row.
///
/// ```
/// use nl_bridge::tunnel::{TunnelEntry, TunnelVerb};
/// use nl_bridge::{VlanRange, VniRange};
///
/// let entry = TunnelEntry::new(6, VlanRange::new(20, 29)?, VniRange::new(10020, 10029)?);
/// assert_eq!(entry.to_string(), "vid 20-29 dev #6 tunnel_info id 10020-10029");
/// assert!(entry.request(TunnelVerb::Add).encoded().is_ok());
/// // Ten VLANs cannot be mapped to one VNI.
/// let uneven = TunnelEntry::new(6, VlanRange::new(20, 29)?, VniRange::new(1, 1)?);
/// assert!(uneven.request(TunnelVerb::Add).encoded().is_err());
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// Kernel: `IFLA_BRIDGE_VLAN_TUNNEL_INFO`, `BRIDGE_VLANDB_ENTRY_TUNNEL_INFO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TunnelEntry {
    /// The port.
    pub index: u32,
    /// The VLANs.
    pub vlans: VlanRange,
    /// The VNIs, as many as there are VLANs.
    pub vnis: VniRange,
}

impl TunnelEntry {
    /// These VLANs of the port `index`, mapped to these VNIs.
    #[must_use]
    pub fn new(index: u32, vlans: impl Into<VlanRange>, vnis: impl Into<VniRange>) -> Self {
        Self { index, vlans: vlans.into(), vnis: vnis.into() }
    }

    /// Each VLAN with its VNI.
    pub fn pairs(&self) -> impl Iterator<Item = (u16, u32)> + use<> {
        self.vlans.iter().map(u16::from).zip(self.vnis.iter())
    }

    /// Joins one that continues this one.
    pub(super) fn join(&mut self, next: &Self) -> bool {
        let continues = self.index == next.index
            && self.vlans.last().get() + 1 == next.vlans.first().get()
            && self.vnis.last().checked_add(1) == Some(next.vnis.first());
        let joined = VlanRange::new(self.vlans.first().get(), next.vlans.last().get())
            .ok()
            .zip(VniRange::read(self.vnis.first(), next.vnis.last()))
            .filter(|_| continues);
        if let Some((vlans, vnis)) = joined {
            (self.vlans, self.vnis) = (vlans, vnis);
        }
        joined.is_some()
    }
}

impl TunnelEntry {
    /// Reads the mappings in a message of the VLAN database, and pushes them, those in a row as one.
    ///
    /// # Errors
    /// The message is of another type or family, or malformed.
    pub fn decode(message: MessageRef<'_>, entries: &mut Vec<Self>) -> Result<(), DecodeError> {
        let mut found = Vec::new();
        VlanDbEntry::decode(message, &mut found)?;
        let start = entries.len();
        for entry in found.iter().filter_map(Self::of) {
            let last = entries.get_mut(start..).and_then(<[Self]>::last_mut);
            if !last.is_some_and(|last| last.join(&entry)) {
                entries.push(entry);
            }
        }
        Ok(())
    }

    /// The mapping of VLANs that were read; `None` if they have none.
    #[must_use]
    pub fn of(entry: &VlanDbEntry) -> Option<Self> {
        let first = entry.tunnel?;
        let count = u32::try_from(entry.vlans.len() - 1).ok()?;
        let vnis = VniRange::read(first, first.saturating_add(count))?;
        Some(Self { index: entry.index, vlans: entry.vlans, vnis })
    }

    /// Reads the mappings in a link message of family `AF_BRIDGE`, and pushes them.
    ///
    /// The kernel sends such messages when a port changes, and lists them with `RTEXT_FILTER_BRVLAN_COMPRESSED`. With over 2340
    /// mappings that are not in a row the length of the attribute around them wraps (`nla_len` has 16 bits), so
    /// [`Tunnels::entries`](super::Tunnels::entries) lists the VLAN database instead.
    ///
    /// # Errors
    /// The message is of another type or family, or malformed; or a range in it has no end, no beginning, or unequal lengths.
    pub fn decode_link(message: MessageRef<'_>, entries: &mut Vec<Self>) -> Result<(), DecodeError> {
        let wrong = DecodeError::Kind(message.kind());
        if !matches!(message.kind(), RTM_NEWLINK | RTM_DELLINK | RTM_SETLINK) {
            return Err(wrong);
        }
        let (header, attrs) = message.header::<IfInfoMsg>()?;
        if header.family != AF_BRIDGE {
            return Err(wrong);
        }
        let Some(spec) = attrs.find(IFLA_AF_SPEC)? else { return Ok(()) };
        let mut begin = None;
        let bad = |why| DecodeError::Value { kind: IFLA_BRIDGE_VLAN_TUNNEL_INFO, why };
        for attr in spec.attrs() {
            let attr = attr?;
            if attr.kind() != IFLA_BRIDGE_VLAN_TUNNEL_INFO {
                continue;
            }
            let (vlan, id, flags) = read(attr.attrs())?;
            let (first, last) = match (begin.take(), flags & (RANGE_BEGIN | RANGE_END)) {
                (None, 0) => ((vlan, id), (vlan, id)),
                (None, RANGE_BEGIN) => {
                    begin = Some((vlan, id));
                    continue;
                }
                (Some(first), RANGE_END) => (first, (vlan, id)),
                (None, _) => return Err(bad("the end of a range that did not begin")),
                (Some(_), _) => return Err(bad("a range that does not end")),
            };
            let vlans = VlanRange::checked(first.0, last.0).ok_or(bad("not a VLAN or a range of them"))?;
            let vnis = VniRange::read(first.1, last.1).filter(|vnis| vnis.len() == vlans.len());
            let vnis = vnis.ok_or_else(|| bad("as many VNIs as VLANs are needed"))?;
            entries.push(Self { index: header.index, vlans, vnis });
        }
        if begin.is_some() { Err(bad("a range that does not end")) } else { Ok(()) }
    }

    /// The request that does this with the mappings.
    #[must_use]
    pub fn request(&self, verb: TunnelVerb) -> Request {
        let header = IfInfoMsg { family: AF_BRIDGE, index: self.index, ..IfInfoMsg::default() };
        let mut request = Request::new(verb.message(), &NAMES, describe).with_header(&header);
        let mut w = request.attrs();
        let mut spec = w.nested_unmarked(IFLA_AF_SPEC);
        let (vlans, vnis) = (self.vlans, self.vnis);
        if vlans.is_single() {
            write(&mut spec, vlans.first().get(), vnis.first(), 0);
        } else {
            write(&mut spec, vlans.first().get(), vnis.first(), RANGE_BEGIN);
            write(&mut spec, vlans.last().get(), vnis.last(), RANGE_END);
        }
        drop(spec);
        request.invalid_if(self.check())
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        check_index(self.index)?;
        self.vnis.check()?;
        let (vlans, vnis) = (self.vlans.len(), self.vnis.len());
        if vlans != vnis {
            return Err(format!(
                "{vlans} VLANs ({}) for {vnis} VNIs ({}); as many of each are needed",
                self.vlans, self.vnis
            )
            .into());
        }
        Ok(())
    }
}

/// The request that puts the port into these VLANs, tagged, as [`TunnelEntry`] needs them.
pub(super) fn vlans_request(index: u32, ranges: &[VlanRange]) -> Request {
    let header = IfInfoMsg { family: AF_BRIDGE, index, ..IfInfoMsg::default() };
    let mut request =
        Request::new(RTM_SETLINK, &NAMES, |_| "add the VLANs of a tunnel".into()).with_header(&header);
    let mut w = request.attrs();
    let mut spec = w.nested_unmarked(IFLA_AF_SPEC);
    for range in ranges {
        let mut vlan = |vlan: u16, flags: u16| {
            let ([a, b], [c, d]) = (flags.to_ne_bytes(), vlan.to_ne_bytes());
            spec.bytes(IFLA_BRIDGE_VLAN_INFO, &[a, b, c, d]);
        };
        if range.is_single() {
            vlan(range.first().get(), 0);
        } else {
            vlan(range.first().get(), RANGE_BEGIN);
            vlan(range.last().get(), RANGE_END);
        }
    }
    drop(spec);
    request
}

/// The request that switches `vlan_tunnel` on.
pub(super) fn vlan_tunnel_request(index: u32) -> Request {
    let header = IfInfoMsg { family: AF_BRIDGE, index, ..IfInfoMsg::default() };
    let mut request = Request::new(RTM_SETLINK, &NAMES, |_| "set vlan_tunnel on".into()).with_header(&header);
    // Without the mark the kernel takes it for the state of the port.
    request.attrs().nested(IFLA_PROTINFO).u8(IFLA_BRPORT_VLAN_TUNNEL, 1);
    request
}

fn write(spec: &mut AttrWriter<'_>, vlan: u16, id: u32, flags: u16) {
    let mut info = spec.nested_unmarked(IFLA_BRIDGE_VLAN_TUNNEL_INFO);
    info.u32(IFLA_BRIDGE_VLAN_TUNNEL_ID, id);
    info.u16(IFLA_BRIDGE_VLAN_TUNNEL_VID, vlan);
    info.u16(IFLA_BRIDGE_VLAN_TUNNEL_FLAGS, flags);
}

fn read(attrs: Attrs<'_>) -> Result<(u16, u32, u16), DecodeError> {
    let (mut vlan, mut id, mut flags) = (None, None, 0);
    for attr in attrs {
        let attr = attr?;
        match attr.kind() {
            IFLA_BRIDGE_VLAN_TUNNEL_VID => vlan = Some(attr.u16()?),
            IFLA_BRIDGE_VLAN_TUNNEL_ID => id = Some(attr.u32()?),
            IFLA_BRIDGE_VLAN_TUNNEL_FLAGS => flags = attr.u16()?,
            _ => {}
        }
    }
    let vlan = vlan.ok_or(DecodeError::Missing(IFLA_BRIDGE_VLAN_TUNNEL_VID))?;
    Ok((vlan, id.ok_or(DecodeError::Missing(IFLA_BRIDGE_VLAN_TUNNEL_ID))?, flags))
}

/// What to do with mappings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TunnelVerb {
    /// Map VLANs that are not mapped. In order; what comes before one that is refused stays mapped.
    Add,
    /// Remove the mappings of the VLANs, whatever their VNIs are. The kernel says success where there is none.
    Delete,
}

impl TunnelVerb {
    const fn message(self) -> u16 {
        match self {
            Self::Add => RTM_SETLINK,
            Self::Delete => RTM_DELLINK,
        }
    }
}

/// The words of `bridge vlan`, with `#5` for interface 5. The only rendering.
impl fmt::Display for TunnelEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vid {} dev #{} tunnel_info id {}", self.vlans, self.index, self.vnis)
    }
}

fn describe(message: MessageRef<'_>) -> String {
    let verb = if message.kind() == RTM_DELLINK { "delete" } else { "add" };
    words(verb, message).unwrap_or_else(|| format!("{verb} tunnel"))
}

/// What our own request is about, also where its ranges are unequal.
fn words(verb: &str, message: MessageRef<'_>) -> Option<String> {
    let (header, attrs) = message.header::<IfInfoMsg>().ok()?;
    let spec = attrs.find(IFLA_AF_SPEC).ok()??;
    let ends: Vec<_> = spec.attrs().flatten().filter_map(|attr| read(attr.attrs()).ok()).collect();
    let ((vlan, id, _), (last_vlan, last_id, _)) = (*ends.first()?, *ends.last()?);
    let range = |first: u32, last: u32| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    let (vlans, ids) = (range(vlan.into(), last_vlan.into()), range(id, last_id));
    Some(format!("{verb} tunnel vid {vlans} dev #{} tunnel_info id {ids}", header.index))
}

attr_names! { NAMES: IfInfoMsg {
    IFLA_PROTINFO = 12 { IFLA_BRPORT_VLAN_TUNNEL = 29 },
    IFLA_AF_SPEC = 26 {
        IFLA_BRIDGE_VLAN_INFO = 2,
        IFLA_BRIDGE_VLAN_TUNNEL_INFO = 3 {
            IFLA_BRIDGE_VLAN_TUNNEL_ID = 1,
            IFLA_BRIDGE_VLAN_TUNNEL_VID = 2,
            IFLA_BRIDGE_VLAN_TUNNEL_FLAGS = 3
        }
    },
} }
