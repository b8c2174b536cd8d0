//! The codec without a kernel: golden bytes, arbitrary values, arbitrary bytes, a second opinion, every refusal.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod arbitrary;
#[path = "../../fuzz/check.rs"]
mod check;
mod corpus;
#[cfg(all(feature = "tokio", feature = "doctor", feature = "mdb"))]
mod exchanges;
#[cfg(all(feature = "tokio", feature = "mdb", feature = "settings", feature = "vlan_db", feature = "vxlan"))]
mod explained;
#[cfg(any(feature = "mdb", feature = "vlan", all(feature = "settings", feature = "vxlan")))]
mod fuzz;
#[cfg(target_endian = "little")]
mod golden;
mod iproute2;
#[cfg(all(target_endian = "little", any(feature = "mdb", all(feature = "settings", feature = "vxlan"))))]
mod listed;
#[cfg(feature = "mdb")]
mod mdb;
mod refusals;
#[cfg(feature = "tokio")]
mod requests;
mod second_opinion;
#[cfg(feature = "serde")]
mod serialize;
#[cfg(all(feature = "settings", feature = "vxlan"))]
mod settings;
#[cfg(feature = "vlan")]
mod vlans;
#[cfg(all(feature = "tokio", feature = "leaf"))]
mod vni_devices;

use nl_bridge::fdb::{FdbEntry, FdbVerb};
use nl_core::MacAddr;
use nl_testkit::oracle::unhex;

const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
const GROUP: MacAddr = MacAddr::new([1, 0, 0x5e, 0, 0, 1]);

/// The bytes of a request that is not refused.
fn bytes(entry: &FdbEntry, verb: FdbVerb) -> Vec<u8> {
    entry.request(verb).encoded().unwrap().to_vec()
}
