use std::fmt;
use std::net::IpAddr;
use std::ops::{Deref, DerefMut};

use super::{HEADER_LEN, MAX_VALUE_LEN, NLA_F_NESTED, NLA_TYPE_MASK, align, reserve};

/// Why a request could not be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// An attribute's value, or all that is nested in it, is over [`MAX_VALUE_LEN`].
    #[error("attribute {kind}: {len} bytes, the limit is {MAX_VALUE_LEN}")]
    TooLong {
        /// The attribute's type.
        kind: u16,
        /// The length of the value.
        len: usize,
    },
    /// A string holds a NUL byte, which would end it early.
    #[error("attribute {kind}: a NUL byte inside the text")]
    Nul {
        /// The attribute's type.
        kind: u16,
    },
}

/// A growing list of attributes. Remembers the first thing that could not be encoded and refuses to
/// [`finish`](Self::finish) then, so the writing itself needs no error handling.
#[derive(Default)]
pub struct AttrBuf {
    bytes: Vec<u8>,
    fault: Option<Box<EncodeError>>,
}

impl AttrBuf {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), fault: None }
    }

    /// Writes attributes behind those that are there.
    pub fn writer(&mut self) -> AttrWriter<'_> {
        AttrWriter { buf: &mut self.bytes, fault: &mut self.fault }
    }

    /// The encoded bytes.
    ///
    /// # Errors
    /// Something that was written does not fit its attribute.
    pub fn finish(self) -> Result<Vec<u8>, EncodeError> {
        match self.fault {
            None => Ok(self.bytes),
            Some(fault) => Err(*fault),
        }
    }
}

/// Appends attributes to a message.
///
/// Every method writes one attribute: header, value, zeroed padding. What cannot be encoded is remembered and
/// makes the whole message unsendable; it never panics and never truncates.
pub struct AttrWriter<'a> {
    buf: &'a mut Vec<u8>,
    fault: &'a mut Option<Box<EncodeError>>,
}

impl<'a> AttrWriter<'a> {
    pub(crate) fn new(buf: &'a mut Vec<u8>, fault: &'a mut Option<Box<EncodeError>>) -> Self {
        Self { buf, fault }
    }

    /// How many bytes the buffer holds.
    #[cfg(feature = "route")]
    pub(crate) fn position(&self) -> usize {
        self.buf.len()
    }

    /// An attribute with these bytes as its value.
    #[inline]
    pub fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let Ok(len) = u16::try_from(value.len() + HEADER_LEN) else {
            return self.fail(EncodeError::TooLong { kind: kind & NLA_TYPE_MASK, len: value.len() });
        };
        reserve(self.buf, HEADER_LEN + align(value.len()));
        self.head(len, kind);
        self.buf.extend_from_slice(value);
        self.pad();
        self
    }

    /// An attribute with these bytes, one piece behind the other, as its value: a structure with an array behind it, for instance.
    pub fn pieces(&mut self, kind: u16, pieces: &[&[u8]]) -> &mut Self {
        let value = pieces.iter().map(|piece| piece.len()).sum::<usize>();
        let Ok(len) = u16::try_from(value + HEADER_LEN) else {
            return self.fail(EncodeError::TooLong { kind: kind & NLA_TYPE_MASK, len: value });
        };
        reserve(self.buf, HEADER_LEN + align(value));
        self.head(len, kind);
        for piece in pieces {
            self.buf.extend_from_slice(piece);
        }
        self.pad();
        self
    }

    /// Bytes as they are, for a structure in front of the attributes of a nest. Padded to 4 bytes.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        reserve(self.buf, align(bytes.len()));
        self.buf.extend_from_slice(bytes);
        self.pad();
        self
    }

    /// An attribute without a value, whose presence is the message (`NLA_FLAG`).
    pub fn flag(&mut self, kind: u16) -> &mut Self {
        self.bytes(kind, &[])
    }

    /// An 8-bit number.
    pub fn u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.bytes(kind, &[value])
    }

    /// A 16-bit number in the machine's byte order.
    pub fn u16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// A 32-bit number in the machine's byte order.
    pub fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// A 64-bit number in the machine's byte order.
    pub fn u64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// A signed 32-bit number in the machine's byte order.
    pub fn i32(&mut self, kind: u16, value: i32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// A 16-bit number in network byte order.
    pub fn be16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// A 32-bit number in network byte order.
    pub fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// A 64-bit number in network byte order.
    pub fn be64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// An IP address: 4 or 16 bytes.
    pub fn ip(&mut self, kind: u16, value: IpAddr) -> &mut Self {
        match value {
            IpAddr::V4(v4) => self.bytes(kind, &v4.octets()),
            IpAddr::V6(v6) => self.bytes(kind, &v6.octets()),
        }
    }

    /// Text, terminated with a NUL byte as the kernel's string attributes are.
    pub fn str(&mut self, kind: u16, value: &str) -> &mut Self {
        if value.as_bytes().contains(&0) {
            return self.fail(EncodeError::Nul { kind: kind & NLA_TYPE_MASK });
        }
        let Ok(len) = u16::try_from(value.len() + 1 + HEADER_LEN) else {
            return self.fail(EncodeError::TooLong { kind: kind & NLA_TYPE_MASK, len: value.len() + 1 });
        };
        reserve(self.buf, HEADER_LEN + align(value.len() + 1));
        self.head(len, kind);
        self.buf.extend_from_slice(value.as_bytes());
        self.buf.push(0);
        self.pad();
        self
    }

    /// An attribute for a value that may be absent: `w.opt(NDA_VLAN, vlan, AttrWriter::u16)`.
    pub fn opt<T>(
        &mut self,
        kind: u16,
        value: Option<T>,
        write: impl for<'w> FnOnce(&'w mut Self, u16, T) -> &'w mut Self,
    ) -> &mut Self {
        match value {
            Some(value) => write(self, kind, value),
            None => self,
        }
    }

    /// Opens a nest marked with `NLA_F_NESTED`. What is written through the returned scope is inside it; dropping
    /// the scope closes the nest and sets its length.
    pub fn nested(&mut self, kind: u16) -> Nested<'_> {
        self.open(kind | NLA_F_NESTED)
    }

    /// Opens a nest without the mark, as some older parts of the kernel's interface have it.
    pub fn nested_unmarked(&mut self, kind: u16) -> Nested<'_> {
        self.open(kind)
    }

    /// A nest without the mark, which is left out if nothing is written into it.
    pub fn nested_unless_empty(&mut self, kind: u16) -> Nested<'_> {
        let mut nest = self.open(kind);
        nest.omit_if_empty = true;
        nest
    }

    fn open(&mut self, kind: u16) -> Nested<'_> {
        let start = self.buf.len();
        // The placeholder is the largest length: a nest that is never closed reaches past the end of the
        // message and is refused by every reader, instead of being taken for an empty one.
        reserve(self.buf, HEADER_LEN);
        self.head(u16::MAX, kind);
        Nested { start, omit_if_empty: false, writer: AttrWriter { buf: self.buf, fault: self.fault } }
    }

    #[inline]
    fn head(&mut self, len: u16, kind: u16) {
        let ([a, b], [c, d]) = (len.to_ne_bytes(), kind.to_ne_bytes());
        self.buf.extend_from_slice(&[a, b, c, d]);
    }

    #[inline]
    fn pad(&mut self) {
        let len = self.buf.len();
        if len != align(len) {
            self.buf.resize(align(len), 0);
        }
    }

    fn fail(&mut self, error: EncodeError) -> &mut Self {
        self.fault.get_or_insert_with(|| Box::new(error));
        self
    }
}

/// An open nest. Writes like an [`AttrWriter`]; dropping it closes the nest.
pub struct Nested<'a> {
    start: usize,
    omit_if_empty: bool,
    writer: AttrWriter<'a>,
}

impl<'a> Deref for Nested<'a> {
    type Target = AttrWriter<'a>;

    fn deref(&self) -> &Self::Target {
        &self.writer
    }
}

impl DerefMut for Nested<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.writer
    }
}

impl Drop for Nested<'_> {
    fn drop(&mut self) {
        let len = self.writer.buf.len() - self.start;
        if self.omit_if_empty && len == HEADER_LEN {
            self.writer.buf.truncate(self.start);
            return;
        }
        let head =
            self.writer.buf.get_mut(self.start..).and_then(|nest| nest.first_chunk_mut::<HEADER_LEN>());
        match (u16::try_from(len), head) {
            (Ok(len), Some(head)) => {
                let [a, b] = len.to_ne_bytes();
                head[0] = a;
                head[1] = b;
            }
            (_, head) => {
                let kind = head.map_or(0, |h| u16::from_ne_bytes([h[2], h[3]]) & NLA_TYPE_MASK);
                self.writer.fail(EncodeError::TooLong { kind, len: len - HEADER_LEN });
            }
        }
    }
}

/// Shows how much was written, not what: it may be key material.
impl fmt::Debug for AttrBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "AttrBuf", &self.bytes, self.fault.as_deref())
    }
}

/// Shows how much was written, not what: it may be key material.
impl fmt::Debug for AttrWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "AttrWriter", self.buf, self.fault.as_deref())
    }
}

/// Shows how much was written, not what: it may be key material.
impl fmt::Debug for Nested<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nest = self.writer.buf.get(self.start..).unwrap_or_default();
        debug(f, "Nested", nest, self.writer.fault.as_deref())
    }
}

fn debug(f: &mut fmt::Formatter<'_>, name: &str, bytes: &[u8], fault: Option<&EncodeError>) -> fmt::Result {
    f.debug_struct(name).field("len", &bytes.len()).field("fault", &fault).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything the writer can write, into memory that holds other bytes.
    fn written_over(junk: u8) -> Vec<u8> {
        let mut buf = vec![junk; 4096];
        buf.clear();
        let mut fault = None;
        let mut w = AttrWriter::new(&mut buf, &mut fault);
        w.u8(1, 0xff).u16(2, 0xffff).str(3, "ab").bytes(4, &[0xff; 5]).flag(5);
        let mut nest = w.nested(6);
        nest.u8(1, 0xff);
        nest.nested_unmarked(2).bytes(3, &[0xff; 7]);
        drop(nest);
        assert_eq!(fault, None);
        buf
    }

    #[test]
    fn padding_is_zero_whatever_the_memory_held() {
        let bytes = written_over(0xa5);
        assert_eq!(bytes, written_over(0));
        assert!(!bytes.contains(&0xa5), "{bytes:02x?}");
        assert_eq!(bytes.get(4..8), Some(&[0xff, 0, 0, 0][..]));
    }

    #[test]
    fn pieces_are_one_value() {
        let (mut pieces, mut whole) = (AttrBuf::new(), AttrBuf::new());
        pieces.writer().pieces(1, &[&[1, 2, 3], &[], &[4, 5]]);
        whole.writer().bytes(1, &[1, 2, 3, 4, 5]);
        assert_eq!(pieces.finish().unwrap(), whole.finish().unwrap());
        let mut long = AttrBuf::new();
        long.writer().pieces(7, &[&[0; 60_000], &[0; 6_000]]);
        assert_eq!(long.finish().unwrap_err(), EncodeError::TooLong { kind: 7, len: 66_000 });
    }

    #[test]
    fn an_empty_nest_is_left_out_where_it_is_asked_for() {
        let mut buf = AttrBuf::new();
        drop(buf.writer().nested_unless_empty(1));
        buf.writer().nested_unless_empty(2).flag(3);
        assert_eq!(buf.finish().unwrap().len(), 8);
    }

    #[test]
    fn a_nest_has_the_length_of_what_is_in_it() {
        let bytes = written_over(0);
        let nest = bytes.get(40..).unwrap();
        assert_eq!(nest.len(), 28);
        assert_eq!(
            nest.first_chunk::<4>(),
            Some(&[28_u16.to_ne_bytes(), 0x8006_u16.to_ne_bytes()].concat().try_into().unwrap())
        );
    }
}
