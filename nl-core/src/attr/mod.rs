//! Netlink attributes: a reader that copies nothing and a writer that cannot produce a wrong length.
//!
//! An attribute is a 4-byte header (length, type) and a value, padded to 4 bytes (`struct nlattr` in
//! [`include/uapi/linux/netlink.h`]). Numbers are in the byte order of the machine unless the method's name
//! says otherwise: [`Attr::be16`], [`AttrWriter::be16`].
//!
//! ```
//! use nl_core::attr::{AttrBuf, Attrs};
//!
//! let mut buf = AttrBuf::new();
//! let mut w = buf.writer();
//! w.u16(5, 10);
//! let mut nest = w.nested(14);
//! nest.u8(1, 1);
//! nest.flag(2);
//! drop(nest);
//!
//! let bytes = buf.finish()?;
//! let mut attrs = Attrs::new(&bytes);
//! let vlan = attrs.next().unwrap()?;
//! assert_eq!((vlan.kind(), vlan.u16()?), (5, 10));
//! let nest = attrs.next().unwrap()?;
//! assert!(nest.is_nested());
//! assert_eq!(nest.attrs().count(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`include/uapi/linux/netlink.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/netlink.h?h=v6.12

mod fields;
mod raw;
mod raw_attrs;
mod reader;
mod writer;

use zeroize::Zeroize;

pub use fields::Fields;
pub use raw::RawAttr;
pub use raw_attrs::RawAttrs;
pub use reader::{Attr, Attrs, DecodeError};
pub use writer::{AttrBuf, AttrWriter, EncodeError, Nested};

/// Length of an attribute's header.
pub const HEADER_LEN: usize = 4;
/// The longest value one attribute can hold, nests included: its length field has 16 bits and counts the header.
pub const MAX_VALUE_LEN: usize = u16::MAX as usize - HEADER_LEN;

/// `NLA_F_NESTED`: the value is itself a list of attributes.
pub const NLA_F_NESTED: u16 = 0x8000;
/// `NLA_F_NET_BYTEORDER`: the value is in network byte order.
pub const NLA_F_NET_BYTEORDER: u16 = 0x4000;
/// The bits of the type field that hold the type.
pub const NLA_TYPE_MASK: u16 = !(NLA_F_NESTED | NLA_F_NET_BYTEORDER);

/// Makes room for this many more bytes. If the bytes move, the old block is zeroed: it may hold key material.
#[inline]
pub(crate) fn reserve(bytes: &mut Vec<u8>, more: usize) {
    if bytes.capacity() - bytes.len() < more {
        grow(bytes, more);
    }
}

#[cold]
fn grow(bytes: &mut Vec<u8>, more: usize) {
    let mut larger = Vec::with_capacity((bytes.len() + more).max(bytes.capacity() * 2));
    larger.extend_from_slice(bytes);
    bytes.zeroize();
    *bytes = larger;
}

/// Rounds up to the 4-byte alignment of netlink messages and attributes.
#[must_use]
pub const fn align(len: usize) -> usize {
    (len + 3) & !3
}
