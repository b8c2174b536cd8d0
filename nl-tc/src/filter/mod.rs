//! Filters that send packets into classes or carry out actions: for all packets, or those with certain header bits.
//!
//! Other kinds of filters, and what the types do not hold, are read as bytes.

mod bpf;
mod codec;
mod config;
mod flower;
mod fw;
mod handle;
mod matchall;
mod outcome;
mod shared;
mod u32;
mod u32_table;
mod whole;

pub use bpf::Bpf;
pub use codec::{ALL, BLOCK, Filter, IPV4, IPV6, flush_request, list_request};
pub use config::FilterConfig;
pub use flower::{Flower, FlowerKey};
pub use fw::Fw;
pub use handle::{FilterEntry, Filters};
pub use matchall::Matchall;
pub use shared::Offload;
pub use u32::{U32, U32Key, U32Offset};
pub use u32_table::U32Table;
pub(crate) use whole::read_all;
