//! Filters that send packets into classes: all of them, or those whose header has certain bits.
//!
//! As much as a class tree needs. Actions and the other kinds of filter are not here; read, they keep their bytes.

mod codec;
mod handle;

pub(crate) use codec::write_place;
pub use codec::{ALL, Filter, FilterConfig, IPV4, IPV6, Matchall, U32, U32Key, list_request};
pub use handle::{FilterEntry, Filters};
