use std::fmt;
use std::net::Ipv6Addr;

use bitflags::bitflags;
#[cfg(any(feature = "encap", feature = "sid"))]
use nl_core::attr::AttrWriter;
use nl_core::attr::{DecodeError, Fields};
use nl_core::check::Invalid;

use super::tlv::{HmacTlv, PADN, Tlv};

/// The most segments that a header has room for.
pub const MAX_SEGMENTS: usize = 127;
/// The most segments that a header with an HMAC may have on the wire: the kernel drops packets with more (`SEG6_HMAC_RING_SIZE`).
pub const MAX_SEGMENTS_HMAC: usize = 14;

/// The routing type of segment routing.
const ROUTING_TYPE: u8 = 4;
/// The fixed part.
const FIXED: usize = 8;
/// The length field counts 8 bytes and leaves out the first 8.
const MAX_LEN: usize = 2048;

bitflags! {
    /// Flags of a header; bits this crate does not know are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SrhFlags: u8 {
        /// It has an HMAC (`SR6_FLAG1_HMAC`), which only Linux marks so.
        const HMAC = 0x08;
        /// An alert (`SR6_FLAG1_ALERT`); Linux does nothing with it.
        const ALERT = 0x10;
        /// Operations and management (`SR6_FLAG1_OAM`).
        const OAM = 0x20;
        /// Protected (`SR6_FLAG1_PROTECTED`).
        const PROTECTED = 0x40;
        const _ = !0;
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for SrhFlags {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.bits())
    }
}

/// A segment routing header.
///
/// ```
/// use nl_srv6::srh::Srh;
///
/// let srh = Srh::new(["fcbb:0:b::".parse()?, "fcbb:0:c::".parse()?]).hmac(42);
/// assert_eq!(srh.to_string(), "segs fcbb:0:b::,fcbb:0:c:: hmac 42");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Srh {
    /// The segments in the order of travel: the first hop first.
    pub segments: Vec<Ipv6Addr>,
    /// How many segments are to be visited after the current one. In a configuration it is one less than there are segments.
    pub segments_left: u8,
    /// What follows the header. 0 in a configuration: the kernel writes it.
    pub next_header: u8,
    /// Flags.
    pub flags: SrhFlags,
    /// A tag for classes of packets, copied to the wire.
    pub tag: u16,
    /// What follows the segments. An HMAC stands last.
    pub tlvs: Vec<Tlv>,
}

impl Srh {
    /// A header with these segments in the order of travel. 1 to [`MAX_SEGMENTS`] are possible; [`check`](Self::check) says so.
    #[must_use]
    pub fn new(segments: impl IntoIterator<Item = Ipv6Addr>) -> Self {
        let segments: Vec<_> = segments.into_iter().collect();
        // More than fit are refused by the check.
        let segments_left = u8::try_from(segments.len().saturating_sub(1)).unwrap_or(u8::MAX);
        Self { segments, segments_left, ..Self::default() }
    }

    /// With an HMAC by the key of this number, from 1 on, which the kernel computes for each packet (`hmac`).
    ///
    /// At most [`MAX_SEGMENTS_HMAC`] segments are possible then. The kernel takes a header whose key it does not have, and drops every
    /// packet: set the key first.
    #[must_use]
    pub fn hmac(mut self, key: u32) -> Self {
        self.flags |= SrhFlags::HMAC;
        self.tlvs.retain(|tlv| !matches!(tlv, Tlv::Hmac(_)));
        self.tlvs.push(Tlv::Hmac(HmacTlv::new(key)));
        self
    }

    /// With this tag.
    #[must_use]
    pub const fn tag(mut self, tag: u16) -> Self {
        self.tag = tag;
        self
    }

    /// With one more TLV, before the HMAC.
    #[must_use]
    pub fn tlv(mut self, tlv: Tlv) -> Self {
        let at = self.tlvs.iter().position(|tlv| matches!(tlv, Tlv::Hmac(_))).unwrap_or(self.tlvs.len());
        self.tlvs.insert(at, tlv);
        self
    }

    /// The HMAC, if there is one.
    #[must_use]
    pub fn hmac_tlv(&self) -> Option<&HmacTlv> {
        self.tlvs.iter().find_map(|tlv| match tlv {
            Tlv::Hmac(hmac) => Some(hmac),
            _ => None,
        })
    }

    /// Reads a header that is all of `bytes`, as a configuration has it.
    ///
    /// # Errors
    /// It is cut, followed by something, or no segment routing header.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut srh = Self::blank();
        srh.read(bytes)?;
        Ok(srh)
    }

    /// [`decode`](Self::decode) in the place of what it was before, whose memory is used again.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        match self.read_first(bytes)? {
            [] => Ok(()),
            rest => Err(DecodeError::Trailing(rest.len())),
        }
    }

    /// Reads the header at the start of `bytes`, as a packet has it, and returns what follows it.
    ///
    /// A reduced header, whose list lacks the first segment, has as many segments as [`segments_left`](Self#structfield.segments_left)
    /// says, and not one more.
    ///
    /// # Errors
    /// It is cut, of another routing type, or its list is longer than the header.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let mut srh = Self::blank();
        let rest = srh.read_first(bytes)?;
        Ok((srh, rest))
    }

    /// Before its bytes are read.
    pub(crate) const fn blank() -> Self {
        Self {
            segments: Vec::new(),
            segments_left: 0,
            next_header: 0,
            flags: SrhFlags::empty(),
            tag: 0,
            tlvs: Vec::new(),
        }
    }

    /// [`parse`](Self::parse) in the place of what it was before.
    fn read_first<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], DecodeError> {
        const WHAT: &str = "segment routing header";
        let mut f = Fields::named(WHAT, bytes);
        let (next_header, len) = (f.u8()?, (usize::from(f.u8()?) + 1) * 8);
        let (kind, segments_left, last) = (f.u8()?, f.u8()?, f.u8()?);
        let flags = SrhFlags::from_bits_retain(f.u8()?);
        let tag = f.be16()?;
        if kind != ROUTING_TYPE {
            return Err(DecodeError::Unreadable("a routing header of another type than 4 (segment routing)"));
        }
        let short = |needed| DecodeError::Short { what: WHAT, needed, got: bytes.len() };
        let (body, rest) = f.rest().split_at_checked(len - FIXED).ok_or_else(|| short(len))?;
        let list = (usize::from(last) + 1) * 16;
        let (list, tlvs) = body.split_at_checked(list).ok_or(DecodeError::Short {
            what: "segment list",
            needed: list,
            got: body.len(),
        })?;
        let (list, _) = list.as_chunks::<16>();
        if self.segments.capacity() == 0 {
            self.segments = Vec::with_capacity(list.len());
        }
        self.segments.clear();
        self.segments.extend(list.iter().rev().map(|octets| Ipv6Addr::from(*octets)));
        self.tlvs.clear();
        if !tlvs.is_empty() {
            self.tlvs = Tlv::decode_all(tlvs)?;
        }
        (self.segments_left, self.next_header, self.flags, self.tag) =
            (segments_left, next_header, flags, tag);
        Ok(rest)
    }

    /// The bytes of the header. If the TLVs do not fill up 8 bytes, padding (`PadN`) is put before the HMAC.
    ///
    /// A header that does not pass [`check`](Self::check) has no meaningful bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len());
        out.extend_from_slice(&self.fixed());
        for segment in self.segments.iter().rev() {
            out.extend_from_slice(&segment.octets());
        }
        self.encode_tlvs(&mut out);
        out
    }

    /// Writes the bytes of the header into an attribute.
    #[cfg(any(feature = "encap", feature = "sid"))]
    pub(crate) fn write(&self, w: &mut AttrWriter<'_>) {
        w.raw(&self.fixed());
        for segment in self.segments.iter().rev() {
            w.raw(&segment.octets());
        }
        if !self.tlvs.is_empty() {
            let mut tlvs = Vec::new();
            self.encode_tlvs(&mut tlvs);
            w.raw(&tlvs);
        }
    }

    /// Refuses what the kernel would not take, or would take and then drop packets.
    ///
    /// # Errors
    /// No segment or more than [`MAX_SEGMENTS`]; over 2048 bytes; an HMAC that is not last, is missing, not flagged, or by key 0; a
    /// segment that cannot be the address of a node.
    pub fn check(&self) -> Result<(), Invalid> {
        self.check_list(self.segments.len(), self.segments.len())
    }

    /// [`check`](Self::check) for a list that has `in_header` segments when it is configured, and `on_wire` in a packet.
    pub(crate) fn check_list(&self, in_header: usize, on_wire: usize) -> Result<(), Invalid> {
        let count = self.segments.len();
        Invalid::when(count == 0, "no segments; a list has at least one")?;
        if in_header > MAX_SEGMENTS {
            let most = MAX_SEGMENTS - (in_header - count);
            return Err(format!("{count} segments; 1 to {most} are possible").into());
        }
        for segment in &self.segments {
            if segment.is_unspecified() || segment.is_multicast() || segment.is_loopback() {
                return Err(format!("segment {segment} cannot be the address of a node").into());
            }
        }
        if usize::from(self.segments_left) + 1 != count {
            return Err(format!(
                "segments left {}; the kernel sends to the first segment, so it is {}",
                self.segments_left,
                count - 1
            )
            .into());
        }
        self.check_tlvs()?;
        if self.hmac_tlv().is_some() && on_wire > MAX_SEGMENTS_HMAC {
            return Err(format!(
                "{on_wire} segments in a header with an HMAC; the kernel drops packets with more than {MAX_SEGMENTS_HMAC}"
            )
            .into());
        }
        match self.len() + (in_header - count) * 16 {
            len if len > MAX_LEN => {
                Err(format!("a header of {len} bytes; at most {MAX_LEN} are possible").into())
            }
            _ => Ok(()),
        }
    }

    /// The list as the kernel wants it where it appends the packet's destination: with a slot behind the last segment, whose content
    /// it overwrites.
    #[cfg(any(feature = "encap", feature = "sid"))]
    pub(crate) fn with_slot(&self, slot: Option<Ipv6Addr>) -> Self {
        let mut srh = self.clone();
        srh.segments.push(slot.unwrap_or(Ipv6Addr::UNSPECIFIED));
        srh.segments_left = srh.segments_left.saturating_add(u8::from(!self.segments.is_empty()));
        srh
    }

    /// Takes the slot out of a list that was read, and returns what stood in it unless it was reserved.
    #[cfg(any(feature = "encap", feature = "sid"))]
    pub(crate) fn take_slot(&mut self) -> Option<Ipv6Addr> {
        let slot = self.segments.pop()?;
        self.segments_left = self.segments_left.saturating_sub(1);
        (!slot.is_unspecified()).then_some(slot)
    }

    /// What is before the segments.
    fn fixed(&self) -> [u8; FIXED] {
        let unit = |bytes: usize| u8::try_from(bytes).unwrap_or(u8::MAX);
        let [high, low] = self.tag.to_be_bytes();
        [
            self.next_header,
            unit((self.len() / 8).saturating_sub(1)),
            ROUTING_TYPE,
            self.segments_left,
            unit(self.segments.len().saturating_sub(1)),
            self.flags.bits(),
            high,
            low,
        ]
    }

    /// What is behind the segments.
    fn encode_tlvs(&self, out: &mut Vec<u8>) {
        let mut padding = self.padding();
        for tlv in &self.tlvs {
            if let (Tlv::Hmac(_), Some(pad)) = (tlv, padding.clone()) {
                pad.encode(out);
                padding = None;
            }
            tlv.encode(out);
        }
        if let Some(pad) = padding {
            pad.encode(out);
        }
    }

    fn check_tlvs(&self) -> Result<(), Invalid> {
        for tlv in &self.tlvs {
            match tlv {
                Tlv::Pad1 => {
                    return Err("padding of one byte (Pad1); the kernel reads no list with it".into());
                }
                Tlv::Other { kind: 0, .. } => return Err("TLV type 0, which is padding of one byte".into()),
                Tlv::Other { value, .. } if value.len() > 255 => {
                    let len = value.len();
                    return Err(format!("a TLV of {len} bytes; 0 to 255 are possible").into());
                }
                _ => {}
            }
        }
        let hmacs = self.tlvs.iter().filter(|tlv| matches!(tlv, Tlv::Hmac(_))).count();
        Invalid::when(hmacs > 1, "more than one HMAC")?;
        Invalid::when(
            hmacs == 1 && !matches!(self.tlvs.last(), Some(Tlv::Hmac(_))),
            "the HMAC is not the last TLV, where the kernel looks for it",
        )?;
        Invalid::when(
            (hmacs == 1) != self.flags.contains(SrhFlags::HMAC),
            "the flag HMAC and the TLV HMAC go together; with one alone every packet is dropped",
        )?;
        Invalid::when(self.hmac_tlv().is_some_and(|hmac| hmac.key == 0), "HMAC key 0; the first one is 1")
    }

    /// How many bytes it takes with its padding.
    fn len(&self) -> usize {
        let padding = self.padding().map_or(0, |pad| pad.encoded_len());
        FIXED + self.segments.len() * 16 + self.tlvs_len() + padding
    }

    fn tlvs_len(&self) -> usize {
        self.tlvs.iter().map(Tlv::encoded_len).sum()
    }

    /// What is missing at 8 bytes. One byte cannot be filled with a TLV that the kernel reads, so it becomes nine.
    fn padding(&self) -> Option<Tlv> {
        let missing = match self.tlvs_len() % 8 {
            0 => return None,
            7 => 9,
            over => 8 - over,
        };
        Some(Tlv::Other { kind: PADN, value: vec![0; missing - 2] })
    }
}

/// The words of `ip route`: the segments, and the key of an HMAC.
impl fmt::Display for Srh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("segs ")?;
        let mut sep = "";
        for segment in &self.segments {
            write!(f, "{sep}{segment}")?;
            sep = ",";
        }
        match self.hmac_tlv() {
            Some(hmac) => write!(f, " hmac {}", hmac.key),
            None => Ok(()),
        }
    }
}
