//! Messages: the netlink header, the headers of the families, messages being read. [`Request`](crate::Request) writes one.
//!
//! ```
//! use nl_core::message::{IfInfoMsg, MessageRef};
//!
//! # fn example(message: MessageRef<'_>) -> Result<(), nl_core::attr::DecodeError> {
//! let (header, attrs) = message.header::<IfInfoMsg>()?;
//! println!("device {}", header.index);
//! # Ok(())
//! # }
//! ```

mod header;
mod raw;

pub use header::{FixedHeader, GenlHeader, IfInfoMsg, NdMsg, TcMsg};
pub use raw::{MessageRef, Messages, RawMessage};

use crate::attr::DecodeError;

/// Reads one entry or event; `None` for a message to be skipped.
pub(crate) type Decode<T> = Box<dyn FnMut(MessageRef<'_>) -> Result<Option<T>, DecodeError> + Send>;

/// Length of `struct nlmsghdr`.
pub const HEADER_LEN: usize = 16;

/// Any address family.
pub const AF_UNSPEC: u8 = 0;
/// Address family of IPv4.
pub const AF_INET: u8 = 2;
/// Address family of IPv6.
pub const AF_INET6: u8 = 10;
/// Address family of bridge messages.
pub const AF_BRIDGE: u8 = 7;

// Message types every family shares: `include/uapi/linux/netlink.h`.

/// Nothing; to be skipped.
pub const NLMSG_NOOP: u16 = 1;
/// An acknowledgement or a refusal.
pub const NLMSG_ERROR: u16 = 2;
/// The end of a multipart answer.
pub const NLMSG_DONE: u16 = 3;
/// Messages were lost. No kernel sends it; a simulated one may.
pub const NLMSG_OVERRUN: u16 = 4;
/// Lower message types are control messages, which the kernel acknowledges without doing anything.
pub const NLMSG_MIN_TYPE: u16 = 16;

// Flags: `include/uapi/linux/netlink.h`.

/// A request; without it the kernel answers success and does nothing.
pub const NLM_F_REQUEST: u16 = 0x001;
/// Part of a multipart answer, ended by [`NLMSG_DONE`].
pub const NLM_F_MULTI: u16 = 0x002;
/// Answer also when all went well.
pub const NLM_F_ACK: u16 = 0x004;
/// Send the resulting event back to the requester too, where the family does that.
pub const NLM_F_ECHO: u16 = 0x008;
/// The table changed while it was dumped.
pub const NLM_F_DUMP_INTR: u16 = 0x010;
/// All objects (`NLM_F_ROOT | NLM_F_MATCH`).
pub const NLM_F_DUMP: u16 = 0x300;
/// New: replace what is there.
pub const NLM_F_REPLACE: u16 = 0x100;
/// New: fail if it is there.
pub const NLM_F_EXCL: u16 = 0x200;
/// New: create it if it is not there.
pub const NLM_F_CREATE: u16 = 0x400;
/// New: add to the end of the list.
pub const NLM_F_APPEND: u16 = 0x800;
/// Delete: all that match. The same bit as [`NLM_F_EXCL`]. Linux 5.19.
pub const NLM_F_BULK: u16 = 0x200;
/// Error: the request was not echoed in full.
pub const NLM_F_CAPPED: u16 = 0x100;
/// Error, done: extended acknowledgement attributes follow.
pub const NLM_F_ACK_TLVS: u16 = 0x200;
