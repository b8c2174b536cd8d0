use std::fmt;

use super::{Attr, AttrWriter, Attrs, HEADER_LEN, align};

/// Attributes that a type has no field for, as they were read: so that they survive being written back.
///
/// An empty list takes no heap memory.
///
/// ```
/// use nl_core::attr::{AttrBuf, Attrs, RawAttrs};
///
/// let mut buf = AttrBuf::new();
/// buf.writer().u32(200, 7);
/// let bytes = buf.finish()?;
///
/// let mut unknown = RawAttrs::default();
/// for attr in Attrs::new(&bytes) {
///     unknown.push(attr?);
/// }
/// let mut back = AttrBuf::new();
/// unknown.write(&mut back.writer());
/// assert_eq!(back.finish()?, bytes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct RawAttrs(Option<Box<Encoded>>);

/// Behind a pointer, because there mostly is none, and what it is part of is copied often.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Encoded(Vec<u8>);

impl RawAttrs {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// Appends an attribute as it was read.
    pub fn push(&mut self, attr: Attr<'_>) {
        // What was read has a length that fits its field.
        let Ok(len) = u16::try_from(HEADER_LEN + attr.value().len()) else { return };
        self.append(len, attr.raw_kind(), attr.value());
    }

    fn append(&mut self, len: u16, raw_kind: u16, value: &[u8]) {
        let ([a, b], [c, d]) = (len.to_ne_bytes(), raw_kind.to_ne_bytes());
        let Encoded(bytes) = &mut **self.0.get_or_insert_default();
        bytes.extend_from_slice(&[a, b, c, d]);
        bytes.extend_from_slice(value);
        bytes.resize(align(bytes.len()), 0);
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The attributes, in the order they were read.
    #[must_use]
    pub fn attrs(&self) -> Attrs<'_> {
        Attrs::new(self.0.as_ref().map_or(&[], |encoded| &encoded.0))
    }

    /// Writes them as they were read.
    pub fn write(&self, w: &mut AttrWriter<'_>) {
        for attr in self.attrs().flatten() {
            w.bytes(attr.raw_kind(), attr.value());
        }
    }
}

/// Shows the types and the values.
impl fmt::Debug for RawAttrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.attrs().flatten().map(|attr| (attr.kind(), attr.value()))).finish()
    }
}

/// A list of pairs: the type and the bytes of the value.
#[cfg(feature = "serde")]
impl serde::Serialize for RawAttrs {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.attrs().flatten().map(|attr| (attr.kind(), attr.value())))
    }
}

/// From a list of pairs. The flags of the types are lost on the way, as they are not written.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for RawAttrs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut all = Self::new();
        for (kind, value) in <Vec<(u16, Vec<u8>)> as serde::Deserialize>::deserialize(deserializer)? {
            let bytes = value.len();
            let len = u16::try_from(HEADER_LEN + bytes).map_err(|_| {
                let why = format!("an attribute of {bytes} bytes; 0 to 65531 are possible");
                <D::Error as serde::de::Error>::custom(why)
            })?;
            all.append(len, kind, &value);
        }
        Ok(all)
    }
}
