use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{HEADER_LEN, NLA_F_NESTED, NLA_F_NET_BYTEORDER, NLA_TYPE_MASK, align};

/// Why bytes from the kernel could not be read. Small, `Copy`, and made without allocating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A fixed header or a message is shorter than its type says.
    #[error("{what}: {needed} bytes needed, {got} there")]
    Short {
        /// What was being read.
        what: &'static str,
        /// How many bytes it takes.
        needed: usize,
        /// How many there were.
        got: usize,
    },
    /// An attribute's value has the wrong length for its type.
    #[error("attribute {kind}: {expected} bytes expected, {got} there")]
    Length {
        /// The attribute's type.
        kind: u16,
        /// The length its type has.
        expected: usize,
        /// The length it came with.
        got: usize,
    },
    /// An attribute's length field is under 4 or reaches past the end of the list it is in.
    #[error("attribute {kind}: length field says {len}, {left} bytes left")]
    Bounds {
        /// The attribute's type.
        kind: u16,
        /// The length field.
        len: usize,
        /// The bytes left in the list.
        left: usize,
    },
    /// Bytes that are too few to be an attribute follow the last one.
    #[error("{0} stray bytes after the last attribute")]
    Trailing(usize),
    /// An attribute that is always there is missing.
    #[error("attribute {0} is missing")]
    Missing(u16),
    /// A value has the right length and an impossible content.
    #[error("attribute {kind}: {why}")]
    Value {
        /// The attribute's type.
        kind: u16,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A message of another type than the one expected.
    #[error("message type {0} was not expected here")]
    Kind(u16),
    /// Another crate's decoder refused the message.
    #[error("{0}")]
    Unreadable(&'static str),
}

impl DecodeError {
    /// The attribute the error is about, if it is about one.
    #[must_use]
    pub fn attribute(&self) -> Option<u16> {
        match *self {
            Self::Length { kind, .. } | Self::Bounds { kind, .. } | Self::Value { kind, .. } => Some(kind),
            Self::Missing(kind) => Some(kind),
            Self::Short { .. } | Self::Trailing(_) | Self::Kind(_) | Self::Unreadable(_) => None,
        }
    }
}

/// A list of attributes, read in order without copying.
///
/// Iterating gives `Result<Attr, DecodeError>`. The first error ends the iteration: where one length is wrong,
/// nothing that follows can be trusted.
#[derive(Clone, Copy)]
pub struct Attrs<'a> {
    rest: &'a [u8],
}

impl<'a> Attrs<'a> {
    /// Reads attributes from `bytes`, which begin with the first attribute's header.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether no attribute is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes not read yet.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.rest
    }

    /// The value of the next attribute, if that is one of type `kind` with exactly `N` bytes. Any other is left for the iteration.
    ///
    /// Reads what the kernel always sends in one order faster than a `match` on each type; what comes in another order, or with
    /// another length, is still met by the loop behind it:
    ///
    /// ```
    /// use nl_core::attr::{Attrs, DecodeError};
    ///
    /// fn read(mut attrs: Attrs<'_>) -> Result<(u32, u64), DecodeError> {
    ///     let (mut index, mut bytes) = (0, 0);
    ///     if let Some(value) = attrs.next_array(1) {
    ///         index = u32::from_ne_bytes(value);
    ///     }
    ///     for attr in attrs {
    ///         let attr = attr?;
    ///         match attr.kind() {
    ///             1 => index = attr.u32()?,
    ///             2 => bytes = attr.u64()?,
    ///             _ => {}
    ///         }
    ///     }
    ///     Ok((index, bytes))
    /// }
    ///
    /// let index = [&8_u16.to_ne_bytes()[..], &1_u16.to_ne_bytes(), &7_u32.to_ne_bytes()].concat();
    /// let bytes = [&12_u16.to_ne_bytes()[..], &2_u16.to_ne_bytes(), &9_u64.to_ne_bytes()].concat();
    /// assert_eq!(read(Attrs::new(&[&index[..], &bytes].concat()))?, (7, 9));
    /// assert_eq!(read(Attrs::new(&[bytes, index].concat()))?, (7, 9));
    /// # Ok::<(), DecodeError>(())
    /// ```
    #[inline]
    pub fn next_array<const N: usize>(&mut self, kind: u16) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<HEADER_LEN>()?;
        let len = u16::try_from(HEADER_LEN + N).ok()?;
        let ([a, b], [c, d]) = (len.to_ne_bytes(), kind.to_ne_bytes());
        if *head != [a, b, c, d] {
            return None;
        }
        let value = rest.first_chunk()?;
        // The last attribute may come without its padding.
        self.rest = rest.get(align(N)..).unwrap_or_default();
        Some(*value)
    }

    /// The first attribute of type `kind`, or `None`.
    ///
    /// # Errors
    /// The list is malformed before such an attribute is found.
    pub fn find(self, kind: u16) -> Result<Option<Attr<'a>>, DecodeError> {
        for attr in self {
            let attr = attr?;
            if attr.kind() == kind {
                return Ok(Some(attr));
            }
        }
        Ok(None)
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Result<Attr<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let Some((head, _)) = self.rest.split_first_chunk::<HEADER_LEN>() else {
            let stray = std::mem::take(&mut self.rest);
            // Up to three zero bytes are padding; the kernel itself does not look at them.
            return match stray.len() {
                0 => None,
                _ if stray.iter().all(|b| *b == 0) => None,
                n => Some(Err(DecodeError::Trailing(n))),
            };
        };
        let len = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let raw_kind = u16::from_ne_bytes([head[2], head[3]]);
        let Some(value) = self.rest.get(HEADER_LEN..len) else {
            let left = std::mem::take(&mut self.rest).len();
            return Some(Err(DecodeError::Bounds { kind: raw_kind & NLA_TYPE_MASK, len, left }));
        };
        // The last attribute may come without its padding.
        self.rest = self.rest.get(align(len)..).unwrap_or_default();
        Some(Ok(Attr { raw_kind, value }))
    }
}

/// One attribute: its type and its value.
#[derive(Clone, Copy)]
pub struct Attr<'a> {
    raw_kind: u16,
    value: &'a [u8],
}

impl<'a> Attr<'a> {
    /// The attribute's type, without the flag bits.
    #[must_use]
    #[inline]
    pub const fn kind(&self) -> u16 {
        self.raw_kind & NLA_TYPE_MASK
    }

    /// The attribute's type with the flag bits, as it stands in the message.
    #[must_use]
    #[inline]
    pub const fn raw_kind(&self) -> u16 {
        self.raw_kind
    }

    /// Whether the sender marked the value as nested attributes (`NLA_F_NESTED`). Many kernel replies leave the
    /// mark out, so [`attrs`](Self::attrs) does not ask for it.
    #[must_use]
    pub const fn is_nested(&self) -> bool {
        self.raw_kind & NLA_F_NESTED != 0
    }

    /// Whether the sender marked the value as being in network byte order (`NLA_F_NET_BYTEORDER`).
    #[must_use]
    pub const fn is_net_byteorder(&self) -> bool {
        self.raw_kind & NLA_F_NET_BYTEORDER != 0
    }

    /// The value's bytes, without padding.
    #[must_use]
    #[inline]
    pub const fn value(&self) -> &'a [u8] {
        self.value
    }

    /// The value as nested attributes.
    #[must_use]
    #[inline]
    pub const fn attrs(&self) -> Attrs<'a> {
        Attrs::new(self.value)
    }

    /// Exactly `N` bytes.
    ///
    /// # Errors
    /// The value has another length.
    #[inline]
    pub fn array<const N: usize>(&self) -> Result<[u8; N], DecodeError> {
        self.value.try_into().map_err(|_| self.length(N))
    }

    /// An 8-bit number. As with all the numbers here, the value must have exactly this width.
    ///
    /// # Errors
    /// The value has another length.
    #[inline]
    pub fn u8(&self) -> Result<u8, DecodeError> {
        self.array().map(u8::from_ne_bytes)
    }

    /// A 16-bit number in the machine's byte order.
    ///
    /// # Errors
    /// The value has another length.
    #[inline]
    pub fn u16(&self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_ne_bytes)
    }

    /// A 32-bit number in the machine's byte order.
    ///
    /// # Errors
    /// The value has another length.
    #[inline]
    pub fn u32(&self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_ne_bytes)
    }

    /// A 64-bit number in the machine's byte order.
    ///
    /// # Errors
    /// The value has another length.
    #[inline]
    pub fn u64(&self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_ne_bytes)
    }

    /// A signed 32-bit number in the machine's byte order.
    ///
    /// # Errors
    /// The value has another length.
    #[inline]
    pub fn i32(&self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_ne_bytes)
    }

    /// A signed 64-bit number in the machine's byte order.
    ///
    /// # Errors
    /// The value has another length.
    #[inline]
    pub fn i64(&self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_ne_bytes)
    }

    /// A 16-bit number in network byte order.
    ///
    /// # Errors
    /// The value has another length.
    #[inline]
    pub fn be16(&self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// A 32-bit number in network byte order.
    ///
    /// # Errors
    /// The value has another length.
    #[inline]
    pub fn be32(&self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A 64-bit number in network byte order.
    ///
    /// # Errors
    /// The value has another length.
    #[inline]
    pub fn be64(&self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// An IP address: 4 bytes are IPv4, 16 are IPv6.
    ///
    /// # Errors
    /// The value has another length.
    #[inline]
    pub fn ip(&self) -> Result<IpAddr, DecodeError> {
        if let Ok(v4) = <[u8; 4]>::try_from(self.value) {
            return Ok(IpAddr::V4(Ipv4Addr::from(v4)));
        }
        self.array::<16>().map(|v6| IpAddr::V6(Ipv6Addr::from(v6)))
    }

    /// Text up to the first NUL byte, or to the end where there is none.
    ///
    /// # Errors
    /// The text is not UTF-8.
    pub fn str(&self) -> Result<&'a str, DecodeError> {
        let text = self.value.split(|b| *b == 0).next().unwrap_or_default();
        std::str::from_utf8(text).map_err(|_| self.invalid("not UTF-8"))
    }

    /// Text to print, up to the first NUL byte. A byte that is not UTF-8, which the kernel allows in names, becomes `\xNN`.
    #[must_use]
    pub fn text(&self) -> String {
        let bytes = self.value.split(|b| *b == 0).next().unwrap_or_default();
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                text.push_str(&format!("\\x{byte:02x}"));
            }
        }
        text
    }

    /// An error that says what is wrong with this attribute's value.
    #[must_use]
    pub const fn invalid(&self, why: &'static str) -> DecodeError {
        DecodeError::Value { kind: self.kind(), why }
    }

    const fn length(&self, expected: usize) -> DecodeError {
        DecodeError::Length { kind: self.kind(), expected, got: self.value.len() }
    }
}

/// Shows how much is left, not what: it may be key material.
impl fmt::Debug for Attrs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attrs").field("len", &self.rest.len()).finish()
    }
}

/// Shows no value: it may be key material.
impl fmt::Debug for Attr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attr").field("kind", &self.kind()).field("len", &self.value.len()).finish()
    }
}
