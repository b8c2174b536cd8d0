use std::fmt;

use super::{AttrPath, Names};
use crate::attr::{Attrs, DecodeError};

const NLMSGERR_ATTR_MSG: u16 = 1;
const NLMSGERR_ATTR_OFFS: u16 = 2;
const NLMSGERR_ATTR_COOKIE: u16 = 3;
const NLMSGERR_ATTR_POLICY: u16 = 4;
const NLMSGERR_ATTR_MISS_TYPE: u16 = 5;
const NLMSGERR_ATTR_MISS_NEST: u16 = 6;

const NL_POLICY_TYPE_ATTR_MIN_VALUE_S: u16 = 2;
const NL_POLICY_TYPE_ATTR_MAX_VALUE_S: u16 = 3;
const NL_POLICY_TYPE_ATTR_MIN_VALUE_U: u16 = 4;
const NL_POLICY_TYPE_ATTR_MAX_VALUE_U: u16 = 5;
const NL_POLICY_TYPE_ATTR_MIN_LENGTH: u16 = 6;
const NL_POLICY_TYPE_ATTR_MAX_LENGTH: u16 = 7;
const NL_POLICY_TYPE_ATTR_BITFIELD32_MASK: u16 = 10;
const NL_POLICY_TYPE_ATTR_MASK: u16 = 12;

/// What the kernel adds to an error or to an acknowledgement (`enum nlmsgerr_attrs`).
///
/// Kernel: the socket option `NETLINK_EXT_ACK`, which every socket of this crate sets. On 6.1 the end of a dump
/// carries the text only; the rest since 6.12.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtAck {
    /// The kernel's own words. On a success they are a warning.
    pub message: Option<String>,
    /// Where the offending attribute begins, in bytes from the start of the request.
    pub offset: Option<u32>,
    /// Data of the subsystem; rarely used.
    pub cookie: Option<Vec<u8>>,
    /// What the offending attribute should have been.
    pub policy: Option<Policy>,
    /// The type of an attribute that is missing.
    pub missing: Option<u32>,
    /// Where the nest begins that lacks it; absent at the top level.
    pub missing_nest: Option<u32>,
}

impl ExtAck {
    /// Reads the attributes that follow the echoed header in an `NLMSG_ERROR`, or the code in an `NLMSG_DONE`.
    ///
    /// # Errors
    /// A malformed attribute. Attributes this crate does not know are skipped.
    pub fn decode(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let mut out = Self::default();
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                NLMSGERR_ATTR_MSG => {
                    let text = attr.value().split(|b| *b == 0).next().unwrap_or_default();
                    out.message = Some(String::from_utf8_lossy(text).into_owned());
                }
                NLMSGERR_ATTR_OFFS => out.offset = Some(attr.u32()?),
                NLMSGERR_ATTR_COOKIE => out.cookie = Some(attr.value().to_vec()),
                NLMSGERR_ATTR_POLICY => out.policy = Some(Policy::decode(attr.attrs())?),
                NLMSGERR_ATTR_MISS_TYPE => out.missing = Some(attr.u32()?),
                NLMSGERR_ATTR_MISS_NEST => out.missing_nest = Some(attr.u32()?),
                _ => {}
            }
        }
        Ok(out)
    }

    /// The path of the attribute this is about, found by walking `request` (the whole message with its header).
    #[must_use]
    pub fn attribute(&self, names: &Names, request: &[u8]) -> Option<AttrPath> {
        if let Some(missing) = self.missing.and_then(|kind| u16::try_from(kind).ok()) {
            return Some(names.missing(request, self.missing_nest, missing));
        }
        names.path_at(request, self.offset?)
    }
}

/// The limits of an attribute as the kernel states them (`enum netlink_policy_type_attr`).
///
/// Not every member is present: only those that the attribute's policy defines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Policy {
    /// The smallest and largest signed value.
    pub signed: (Option<i64>, Option<i64>),
    /// The smallest and largest unsigned value.
    pub unsigned: (Option<u64>, Option<u64>),
    /// The smallest and largest length in bytes.
    pub length: (Option<u32>, Option<u32>),
    /// The bits that may be set.
    pub mask: Option<u64>,
}

impl Policy {
    fn decode(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let mut out = Self::default();
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                NL_POLICY_TYPE_ATTR_MIN_VALUE_S => out.signed.0 = Some(attr.i64()?),
                NL_POLICY_TYPE_ATTR_MAX_VALUE_S => out.signed.1 = Some(attr.i64()?),
                NL_POLICY_TYPE_ATTR_MIN_VALUE_U => out.unsigned.0 = Some(attr.u64()?),
                NL_POLICY_TYPE_ATTR_MAX_VALUE_U => out.unsigned.1 = Some(attr.u64()?),
                NL_POLICY_TYPE_ATTR_MIN_LENGTH => out.length.0 = Some(attr.u32()?),
                NL_POLICY_TYPE_ATTR_MAX_LENGTH => out.length.1 = Some(attr.u32()?),
                NL_POLICY_TYPE_ATTR_BITFIELD32_MASK => out.mask = Some(attr.u32()?.into()),
                NL_POLICY_TYPE_ATTR_MASK => out.mask = Some(attr.u64()?),
                _ => {}
            }
        }
        Ok(out)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn range<T: fmt::Display>(
            f: &mut fmt::Formatter<'_>,
            sep: &mut &str,
            what: &str,
            (min, max): (Option<T>, Option<T>),
        ) -> fmt::Result {
            match (min, max) {
                (None, None) => return Ok(()),
                (Some(min), Some(max)) => write!(f, "{sep}{what} {min} to {max}")?,
                (Some(min), None) => write!(f, "{sep}{what} at least {min}")?,
                (None, Some(max)) => write!(f, "{sep}{what} at most {max}")?,
            }
            *sep = ", ";
            Ok(())
        }
        let mut sep = "";
        range(f, &mut sep, "value", self.signed)?;
        range(f, &mut sep, "value", self.unsigned)?;
        range(f, &mut sep, "length", self.length)?;
        match self.mask {
            Some(mask) => write!(f, "{sep}bits {mask:#x}"),
            None => Ok(()),
        }
    }
}
