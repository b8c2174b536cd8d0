use std::fmt;

use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::check::Invalid;
use nl_core::message::{GenlHeader, MessageRef};

use super::secret::HmacSecret;
use crate::message::{SEG6_ATTR_ALGID, SEG6_ATTR_HMACKEYID, SEG6_ATTR_SECRET, SEG6_ATTR_SECRETLEN, request};

const CMD_SETHMAC: u8 = 1;
const CMD_DUMPHMAC: u8 = 2;

/// How an HMAC is computed (`SEG6_HMAC_ALGO_*`). In kernel order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HmacAlgorithm {
    /// HMAC-SHA-1: 20 bytes.
    Sha1,
    /// HMAC-SHA-256: 32 bytes.
    Sha256,
    /// A number that this crate has no name for. Only read.
    Other(u8),
}

impl From<u8> for HmacAlgorithm {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Sha1,
            2 => Self::Sha256,
            other => Self::Other(other),
        }
    }
}

impl From<HmacAlgorithm> for u8 {
    fn from(algorithm: HmacAlgorithm) -> Self {
        match algorithm {
            HmacAlgorithm::Sha1 => 1,
            HmacAlgorithm::Sha256 => 2,
            HmacAlgorithm::Other(number) => number,
        }
    }
}

/// The word of `ip sr`, or the number.
impl fmt::Display for HmacAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha1 => f.write_str("sha1"),
            Self::Sha256 => f.write_str("sha256"),
            Self::Other(number) => write!(f, "{number}"),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for HmacAlgorithm {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One key, as it is listed.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HmacKey {
    /// The number by which headers name it, from 1 on (`SEG6_ATTR_HMACKEYID`).
    pub id: u32,
    /// How the HMAC is computed (`SEG6_ATTR_ALGID`).
    pub algorithm: HmacAlgorithm,
    /// The secret (`SEG6_ATTR_SECRET`).
    #[cfg_attr(feature = "serde", serde(skip))]
    pub secret: HmacSecret,
}

impl HmacKey {
    /// Reads an answer to `SEG6_CMD_DUMPHMAC`.
    ///
    /// # Errors
    /// The message is malformed, or lacks an attribute.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        let (_, attrs) = message.header::<GenlHeader>()?;
        let (mut id, mut algorithm, mut secret, mut len) = (None, None, None, None);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                SEG6_ATTR_HMACKEYID => id = Some(attr.u32()?),
                SEG6_ATTR_ALGID => algorithm = Some(attr.u8()?.into()),
                SEG6_ATTR_SECRET => secret = Some(attr),
                SEG6_ATTR_SECRETLEN => len = Some(usize::from(attr.u8()?)),
                _ => {}
            }
        }
        let attr = secret.ok_or(DecodeError::Missing(SEG6_ATTR_SECRET))?;
        let secret = match len {
            None => attr.value(),
            Some(len) => attr.value().get(..len).ok_or(attr.invalid("shorter than its length says"))?,
        };
        Ok(Self {
            id: id.ok_or(DecodeError::Missing(SEG6_ATTR_HMACKEYID))?,
            algorithm: algorithm.ok_or(DecodeError::Missing(SEG6_ATTR_ALGID))?,
            secret: HmacSecret::new(secret.to_vec()),
        })
    }

    /// The request that sets a key, where the [family](crate::FAMILY) has the number `family`. One that the kernel would refuse, and
    /// perhaps delete the old key before, is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn set_request(family: u16, id: u32, algorithm: HmacAlgorithm, secret: &HmacSecret) -> Request {
        let mut request = request(family, CMD_SETHMAC, describe).sensitive();
        let len = secret.check();
        let mut w = request.attrs();
        w.u32(SEG6_ATTR_HMACKEYID, id);
        w.u8(SEG6_ATTR_SECRETLEN, *len.as_ref().unwrap_or(&u8::MAX));
        w.u8(SEG6_ATTR_ALGID, algorithm.into());
        w.bytes(SEG6_ATTR_SECRET, secret.expose());
        request.invalid_if(check_id(id)).invalid_if(check_algorithm(algorithm)).invalid_if(len.map(drop))
    }

    /// The request that deletes a key.
    #[must_use]
    pub fn delete_request(family: u16, id: u32) -> Request {
        let mut request = request(family, CMD_SETHMAC, describe);
        // Length 0 deletes; the algorithm must be there and is not looked at.
        request
            .attrs()
            .u32(SEG6_ATTR_HMACKEYID, id)
            .u8(SEG6_ATTR_SECRETLEN, 0)
            .u8(SEG6_ATTR_ALGID, HmacAlgorithm::Sha256.into());
        request.invalid_if(check_id(id))
    }

    /// The request that lists all keys.
    #[must_use]
    pub fn list_request(family: u16) -> Request {
        request(family, CMD_DUMPHMAC, describe).sensitive()
    }
}

fn check_id(id: u32) -> Result<(), Invalid> {
    Invalid::when(id == 0, "HMAC key 0; the first one is 1")
}

fn check_algorithm(algorithm: HmacAlgorithm) -> Result<(), Invalid> {
    match algorithm {
        HmacAlgorithm::Other(number) => {
            Err(format!("algorithm {number}; 1 (sha1) and 2 (sha256) are possible").into())
        }
        _ => Ok(()),
    }
}

/// As `ip sr hmac show` prints it, without the secret.
impl fmt::Display for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hmac {} algo {}", self.id, self.algorithm)
    }
}

/// Without the secret.
fn describe(message: MessageRef<'_>) -> String {
    let Ok((header, attrs)) = message.header::<GenlHeader>() else { return "hmac key".into() };
    if header.command == CMD_DUMPHMAC {
        return "list hmac keys".into();
    }
    let number = |kind| attrs.find(kind).ok().flatten();
    let id = number(SEG6_ATTR_HMACKEYID).and_then(|attr| attr.u32().ok()).unwrap_or_default();
    let len = number(SEG6_ATTR_SECRETLEN).and_then(|attr| attr.u8().ok());
    match number(SEG6_ATTR_ALGID).and_then(|attr| attr.u8().ok()) {
        Some(algorithm) if len != Some(0) || number(SEG6_ATTR_SECRET).is_some() => {
            format!("set hmac key {id} {}", HmacAlgorithm::from(algorithm))
        }
        _ => format!("delete hmac key {id}"),
    }
}
