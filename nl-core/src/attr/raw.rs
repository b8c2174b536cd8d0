use std::fmt;

use super::{Attr, AttrWriter, NLA_TYPE_MASK};

/// An attribute that is kept as it was read, so that it can be written back: what a later kernel added.
///
/// ```
/// use nl_core::attr::{AttrBuf, Attrs, RawAttr};
///
/// let mut buf = AttrBuf::new();
/// buf.writer().u32(99, 7);
/// let bytes = buf.finish()?;
/// let kept = RawAttr::from(Attrs::new(&bytes).next().unwrap()?);
///
/// let mut again = AttrBuf::new();
/// kept.write(&mut again.writer());
/// assert_eq!(again.finish()?, bytes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RawAttr {
    raw_kind: u16,
    value: Box<[u8]>,
}

impl RawAttr {
    /// An attribute of this type, flag bits included, with these bytes as its value.
    #[must_use]
    pub fn new(raw_kind: u16, value: &[u8]) -> Self {
        Self { raw_kind, value: value.into() }
    }

    /// The attribute's type, without the flag bits.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        self.raw_kind & NLA_TYPE_MASK
    }

    /// The value's bytes, without padding.
    #[must_use]
    pub const fn value(&self) -> &[u8] {
        &self.value
    }

    /// Writes the attribute as it was read.
    pub fn write(&self, w: &mut AttrWriter<'_>) {
        w.bytes(self.raw_kind, &self.value);
    }
}

impl From<Attr<'_>> for RawAttr {
    fn from(attr: Attr<'_>) -> Self {
        Self::new(attr.raw_kind(), attr.value())
    }
}

/// Shows no value, as [`Attr`] does not.
impl fmt::Debug for RawAttr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawAttr").field("kind", &self.kind()).field("len", &self.value.len()).finish()
    }
}
