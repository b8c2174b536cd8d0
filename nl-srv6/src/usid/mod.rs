//! Micro-SIDs: many segments in one IPv6 address (NEXT-C-SID of RFC 9800).
//!
//! The kernel takes a carrier for an ordinary address. Packing segments into carriers is up to the headend, and this module does it:
//!
//! ```
//! use nl_srv6::usid::UsidBlock;
//!
//! let block = UsidBlock::new("fcbb::/32".parse()?, 16)?;
//! // Through the nodes 0xb and 0xc to the function 0xd46 of node 0xd: one address, and no routing header at all.
//! let path = [0xb, 0xc, 0xd, 0xd46].map(|sid| block.sid(sid));
//! let path = path.into_iter().collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(block.pack(&path)?, ["fcbb:0:b:c:d:d46::".parse::<std::net::Ipv6Addr>()?]);
//! // What node 0xb has as its local SID: End with flavour next-csid, block 32, node and function 16.
//! assert_eq!(block.locator(path[0])?.to_string(), "fcbb:0:b::/48");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The rules
//! * 0 ends a carrier, so no micro-SID is 0.
//! * All nodes on the way have the same lengths of block and micro-SID. The kernel wants multiples of 8.
//! * The last micro-SID of the last carrier must decapsulate (`End.DT46`, `End.DX4` and the like): Linux has no USP or USD, and drops
//!   what arrives at a plain `End` as its last segment.
//! * A carrier may end between the micro-SID of a node and one of its functions. The node then looks the next carrier up, so it needs a
//!   route for block and function, beside the one for block, node and function.
//! * Of several carriers each but the last ends at a node that reads the next one from the routing header, so its micro-SID is a plain
//!   `End` with next-csid.

mod block;
mod steps;

pub use block::{MicroSid, UsidBlock};
pub use steps::{Hop, HopKind};
