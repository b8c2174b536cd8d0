//! `flower`: matches the fields of packets, as many as wanted.

mod codec;
mod key;

pub use codec::Flower;
pub use key::FlowerKey;
pub(super) use key::{NAMES, TCA_FLOWER_FLAGS};
