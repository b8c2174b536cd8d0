//! Filters that send packets into classes: all packets, or those with certain header bits.
//!
//! This covers what a class tree needs. Actions and other kinds of filters are not supported: they are read as bytes.

mod codec;
mod config;
mod flags;
mod handle;
mod u32;

pub use codec::{ALL, Filter, IPV4, IPV6, list_request};
pub use config::{FilterConfig, Matchall};
pub use handle::{FilterEntry, Filters};
pub use u32::{U32, U32Key};
