//! Segment lists and the segment routing header (SRH), as pure types.
//!
//! A list is written in the order of travel, as operators and `ip route` write it: the first segment is the first hop. On the wire
//! the order is reversed; [`Srh::encode`] and [`Srh::decode`] turn it around.
//!
//! ```
//! use nl_srv6::srh::Srh;
//!
//! let srh = Srh::new(["fcbb:0:b::".parse()?, "fcbb:0:c::".parse()?]);
//! let bytes = srh.encode();
//! // Length 4 * 8 + 8, segments left 1, last entry 1; the last hop is the first on the wire.
//! assert_eq!(bytes[..8], [0, 4, 4, 1, 1, 0, 0, 0]);
//! assert_eq!(bytes[8..16], [0xfc, 0xbb, 0, 0, 0, 0x0c, 0, 0]);
//! assert_eq!(Srh::decode(&bytes)?, srh);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Header: RFC 8754, `struct ipv6_sr_hdr` of [`include/uapi/linux/seg6.h`], `struct sr6_tlv_hmac` of
//! `include/uapi/linux/seg6_hmac.h`.
//!
//! [`include/uapi/linux/seg6.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/seg6.h?h=v6.14

mod codec;
#[cfg(feature = "serde")]
mod read;
mod tlv;

pub use codec::{MAX_SEGMENTS, MAX_SEGMENTS_HMAC, Srh, SrhFlags};
pub use tlv::{HmacTlv, Tlv};
