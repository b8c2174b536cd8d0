//! The codecs of VLANs, tunnels, VNIs and MSTIs without a kernel: golden bytes, arbitrary values and bytes, refusals.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where it fails")]

mod arbitrary;
#[cfg(target_endian = "little")]
mod golden;
mod iproute2;
#[cfg(feature = "tokio")]
mod lists;
mod refusals;

use nl_bridge::{VlanRange, VniRange};

fn vlans(text: &str) -> VlanRange {
    text.parse().unwrap()
}

fn vnis(text: &str) -> VniRange {
    text.parse().unwrap()
}
