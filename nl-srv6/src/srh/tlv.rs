use nl_core::attr::{DecodeError, Fields};

pub(super) const PAD1: u8 = 0;
pub(super) const PADN: u8 = 4;
const HMAC: u8 = 5;
/// The value of the HMAC TLV: two reserved bytes, the key's number, 32 bytes of HMAC.
const HMAC_LEN: u8 = 38;

/// One type-length-value of a segment routing header.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Tlv {
    /// The HMAC, type 5. Linux looks for it in the last 40 bytes of the header.
    Hmac(HmacTlv),
    /// One byte of padding, type 0. Linux takes no header with one from a program.
    Pad1,
    /// Any other, padding (`PadN`, type 4) among them, as it is.
    Other {
        /// The type.
        kind: u8,
        /// The value: up to 255 bytes.
        value: Vec<u8>,
    },
}

/// The HMAC of a header (`struct sr6_tlv_hmac`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HmacTlv {
    /// The reserved bits, of which RFC 8754 has the highest for "the destination is not covered".
    pub reserved: u16,
    /// The number of the key.
    pub key: u32,
    /// The HMAC; 20 bytes and zeros for SHA-1. Zeros in a configuration: the kernel computes it for each packet.
    pub hmac: [u8; 32],
}

impl HmacTlv {
    /// With the key of this number, to be computed by the kernel.
    #[must_use]
    pub const fn new(key: u32) -> Self {
        Self { reserved: 0, key, hmac: [0; 32] }
    }
}

impl Tlv {
    /// How many bytes it takes.
    pub(super) fn encoded_len(&self) -> usize {
        match self {
            Self::Pad1 => 1,
            Self::Hmac(_) => usize::from(HMAC_LEN) + 2,
            Self::Other { value, .. } => value.len() + 2,
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Pad1 => out.push(PAD1),
            Self::Hmac(HmacTlv { reserved, key, hmac }) => {
                out.extend_from_slice(&[HMAC, HMAC_LEN]);
                out.extend_from_slice(&reserved.to_be_bytes());
                out.extend_from_slice(&key.to_be_bytes());
                out.extend_from_slice(hmac);
            }
            Self::Other { kind, value } => {
                // Longer ones are refused by the check.
                out.extend_from_slice(&[*kind, u8::try_from(value.len()).unwrap_or(u8::MAX)]);
                out.extend_from_slice(value);
            }
        }
    }

    pub(super) fn decode_all(bytes: &[u8]) -> Result<Vec<Self>, DecodeError> {
        let mut all = Vec::new();
        let mut f = Fields::named("TLV of a segment routing header", bytes);
        while !f.rest().is_empty() {
            let kind = f.u8()?;
            if kind == PAD1 {
                all.push(Self::Pad1);
                continue;
            }
            let len = f.u8()?;
            let value = f.rest().get(..usize::from(len)).unwrap_or_default();
            f.skip(usize::from(len))?;
            all.push(Self::of(kind, value)?);
        }
        Ok(all)
    }

    fn of(kind: u8, value: &[u8]) -> Result<Self, DecodeError> {
        if kind != HMAC || value.len() != usize::from(HMAC_LEN) {
            return Ok(Self::Other { kind, value: value.to_vec() });
        }
        let mut f = Fields::named("HMAC of a segment routing header", value);
        Ok(Self::Hmac(HmacTlv { reserved: f.be16()?, key: f.be32()?, hmac: f.array()? }))
    }
}
