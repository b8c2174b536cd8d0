use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use nl_core::attr::{AttrWriter, Attrs, DecodeError, RawAttrs};
use nl_core::attr_names;
use nl_core::check::Invalid;
use nl_core::error::AttrName;
use nl_core::route::{Encap, EncapWriter};

use crate::srh::Srh;

/// The type of the encapsulation (`LWTUNNEL_ENCAP_SEG6`).
pub const SEG6_KIND: u16 = 5;

/// How segments get into packets (`SEG6_IPTUN_MODE_*`). In kernel order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Seg6Mode {
    /// A header is inserted into the packet itself, whose destination becomes the last segment. For IPv6 routes only.
    Inline,
    /// The packet is put into an IPv6 packet with the list of segments.
    Encap,
    /// The Ethernet frame is put into an IPv6 packet. For forwarded packets only.
    L2Encap,
    /// As [`Encap`](Self::Encap), and the list lacks the first segment, which is the destination; a single segment needs no header
    /// at all. Linux 6.0.
    EncapRed,
    /// As [`L2Encap`](Self::L2Encap), with the list of [`EncapRed`](Self::EncapRed). Linux 6.0.
    L2EncapRed,
    /// A number that this crate has no name for.
    Other(i32),
}

impl From<i32> for Seg6Mode {
    fn from(number: i32) -> Self {
        match number {
            0 => Self::Inline,
            1 => Self::Encap,
            2 => Self::L2Encap,
            3 => Self::EncapRed,
            4 => Self::L2EncapRed,
            other => Self::Other(other),
        }
    }
}

impl From<Seg6Mode> for i32 {
    fn from(mode: Seg6Mode) -> Self {
        match mode {
            Seg6Mode::Inline => 0,
            Seg6Mode::Encap => 1,
            Seg6Mode::L2Encap => 2,
            Seg6Mode::EncapRed => 3,
            Seg6Mode::L2EncapRed => 4,
            Seg6Mode::Other(number) => number,
        }
    }
}

/// The word of `ip route`, or the number.
impl fmt::Display for Seg6Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inline => "inline",
            Self::Encap => "encap",
            Self::L2Encap => "l2encap",
            Self::EncapRed => "encap.red",
            Self::L2EncapRed => "l2encap.red",
            Self::Other(number) => return write!(f, "{number}"),
        })
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Seg6Mode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The encapsulation `seg6` of a route or a nexthop.
///
/// ```
/// use nl_core::route::Route;
/// use nl_srv6::encap::Seg6;
///
/// let seg6 = Seg6::encap(["fcbb:0:b::".parse()?, "fcbb:0:c::".parse()?]);
/// let route = Route::new("2001:db8:2::/48".parse()?).oif(5).with_encap(&seg6);
/// assert_eq!(route.to_string(), "2001:db8:2::/48 encap seg6 mode encap segs fcbb:0:b::,fcbb:0:c:: dev #5");
/// assert_eq!(route.encap::<Seg6>()?, Some(seg6));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Seg6 {
    /// How segments get into packets.
    pub mode: Seg6Mode,
    /// The segments in the order of travel, and what else the header has (`SEG6_IPTUNNEL_SRH`).
    ///
    /// Inline, the destination that the kernel appends is not among them: its slot is written and read by this crate.
    pub srh: Srh,
    /// What stands in the slot that the kernel overwrites with the destination of an inline packet: a segment that is never visited,
    /// because whoever made the route reserved no slot. Only read.
    pub overwritten: Option<Ipv6Addr>,
    /// The source address of the outer header. Linux 7.1; older kernels take it and do nothing with it (`SEG6_IPTUNNEL_SRC`).
    pub source: Option<Ipv6Addr>,
    /// Attributes that this crate has no field for.
    pub unknown: RawAttrs,
}

impl Seg6 {
    /// Of this mode, along these segments in the order of travel.
    #[must_use]
    pub fn new(mode: Seg6Mode, segments: impl IntoIterator<Item = Ipv6Addr>) -> Self {
        Self { mode, srh: Srh::new(segments), overwritten: None, source: None, unknown: RawAttrs::new() }
    }

    /// A header is inserted into the packet itself (`mode inline`). For IPv6 routes only; 1 to 126 segments.
    #[must_use]
    pub fn inline(segments: impl IntoIterator<Item = Ipv6Addr>) -> Self {
        Self::new(Seg6Mode::Inline, segments)
    }

    /// The packet is put into an IPv6 packet (`mode encap`); 1 to 127 segments.
    #[must_use]
    pub fn encap(segments: impl IntoIterator<Item = Ipv6Addr>) -> Self {
        Self::new(Seg6Mode::Encap, segments)
    }

    /// The packet is put into an IPv6 packet whose list lacks the first segment (`mode encap.red`). Linux 6.0.
    #[must_use]
    pub fn encap_red(segments: impl IntoIterator<Item = Ipv6Addr>) -> Self {
        Self::new(Seg6Mode::EncapRed, segments)
    }

    /// The Ethernet frame is put into an IPv6 packet (`mode l2encap`). Forwarded packets only.
    #[must_use]
    pub fn l2encap(segments: impl IntoIterator<Item = Ipv6Addr>) -> Self {
        Self::new(Seg6Mode::L2Encap, segments)
    }

    /// The Ethernet frame is put into an IPv6 packet whose list lacks the first segment (`mode l2encap.red`). Linux 6.0. Forwarded
    /// packets only.
    #[must_use]
    pub fn l2encap_red(segments: impl IntoIterator<Item = Ipv6Addr>) -> Self {
        Self::new(Seg6Mode::L2EncapRed, segments)
    }

    /// With an HMAC by the key of this number (`hmac`); see [`Srh::hmac`].
    #[must_use]
    pub fn hmac(mut self, key: u32) -> Self {
        self.srh = self.srh.hmac(key);
        self
    }

    /// With this source address of the outer header (`tunsrc`), not for inline. Linux 7.1.
    ///
    /// An older kernel takes it and does nothing with it: `Srv6Routes` reads back, `Routes` of nl-core does not.
    #[must_use]
    pub const fn source(mut self, source: Ipv6Addr) -> Self {
        self.source = Some(source);
        self
    }

    /// The segments in the order of travel.
    #[must_use]
    pub fn segments(&self) -> &[Ipv6Addr] {
        &self.srh.segments
    }

    /// Whether packets go the same way: mode, segments, HMAC key, tag and source are the same.
    #[must_use]
    pub fn is_same_path(&self, other: &Self) -> bool {
        let key = |seg6: &Self| seg6.srh.hmac_tlv().map(|hmac| hmac.key);
        self.mode == other.mode
            && self.srh.segments == other.srh.segments
            && self.overwritten == other.overwritten
            && self.srh.tag == other.srh.tag
            && self.source == other.source
            && key(self) == key(other)
    }

    /// Before its attributes are read.
    pub(crate) const fn blank() -> Self {
        Self {
            mode: Seg6Mode::Inline,
            srh: Srh::blank(),
            overwritten: None,
            source: None,
            unknown: RawAttrs::new(),
        }
    }

    /// [`decode`](Encap::decode) in the place of what it was before, whose memory is used again.
    pub(crate) fn read(&mut self, attrs: Attrs<'_>) -> Result<(), DecodeError> {
        (self.overwritten, self.source, self.unknown) = (None, None, RawAttrs::new());
        let mut has_list = false;
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                SEG6_IPTUNNEL_SRH => {
                    let mut f = attr.fields();
                    self.mode = Seg6Mode::from(f.i32()?);
                    self.srh.read(f.rest())?;
                    has_list = true;
                }
                SEG6_IPTUNNEL_SRC => self.source = Some(Ipv6Addr::from(attr.array::<16>()?)),
                _ => self.unknown.push(attr),
            }
        }
        if !has_list {
            return Err(DecodeError::Missing(SEG6_IPTUNNEL_SRH));
        }
        if self.mode == Seg6Mode::Inline {
            self.overwritten = self.srh.take_slot();
        }
        Ok(())
    }

    /// How many segments the header of a packet has.
    fn on_wire(&self) -> usize {
        let count = self.srh.segments.len();
        match self.mode {
            Seg6Mode::Inline => count + 1,
            Seg6Mode::EncapRed | Seg6Mode::L2EncapRed => count.saturating_sub(1),
            _ => count,
        }
    }
}

impl Encap for Seg6 {
    const KIND: u16 = SEG6_KIND;
    const NAMES: &'static [AttrName] = NAMES;

    fn decode(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let mut seg6 = Self::blank();
        seg6.read(attrs)?;
        Ok(seg6)
    }

    fn encode(&self, w: &mut EncapWriter<'_>) {
        let mut tunnel = w.nested_unmarked(SEG6_IPTUNNEL_SRH);
        tunnel.raw(&i32::from(self.mode).to_ne_bytes());
        match self.mode {
            Seg6Mode::Inline => self.srh.with_slot(self.overwritten).write(&mut tunnel),
            _ => self.srh.write(&mut tunnel),
        }
        drop(tunnel);
        w.opt(SEG6_IPTUNNEL_SRC, self.source.map(IpAddr::V6), AttrWriter::ip);
        self.unknown.write(w);
    }

    fn check(&self) -> Result<(), Invalid> {
        let count = self.srh.segments.len();
        let is_inline = self.mode == Seg6Mode::Inline;
        if let Seg6Mode::Other(number) = self.mode {
            return Err(format!("mode {number}; 0 to 4 are possible").into());
        }
        self.srh.check_list(if is_inline { count + 1 } else { count }, self.on_wire())?;
        let Some(source) = self.source else { return Ok(()) };
        Invalid::when(is_inline, "a source address belongs to an outer header, and inline there is none")?;
        if source.is_unspecified() || source.is_multicast() || source.is_loopback() {
            return Err(format!(
                "source address {source} of the outer header cannot be the address of a node"
            )
            .into());
        }
        Ok(())
    }

    fn is_ipv6_only(&self) -> bool {
        self.mode == Seg6Mode::Inline
    }
}

/// The words of `ip route` behind `encap`.
impl fmt::Display for Seg6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seg6 mode {}", self.mode)?;
        if let Some(source) = self.source {
            write!(f, " tunsrc {source}")?;
        }
        write!(f, " {}", self.srh)?;
        match self.overwritten {
            Some(segment) => write!(f, " (never visited: {segment})"),
            None => Ok(()),
        }
    }
}

// `include/uapi/linux/seg6_iptunnel.h`
attr_names! { NAMES {
    SEG6_IPTUNNEL_SRH = 1,
    SEG6_IPTUNNEL_SRC = 2,
} }
