//! MACsec (IEEE 802.1AE) of Linux through netlink, for key agents.
//!
//! # What it does
//! | | |
//! |---|---|
//! | [`device`] | devices: made, changed, deleted, with every option and all four cipher suites |
//! | [`secy`], [`stats`] | devices with channels, associations and every counter; lists that are never silently short |
//! | [`tx_sa`], [`rx_sc`], [`rx_sa`] | associations that send, channels that are received, associations of these |
//! | `agent` | what a key agent asks of the data plane, as a trait |
//! | `rotate` | the next key without a lost frame, and a watch of packet numbers |
//! | `recreate` | another cipher suite for a device, which is created again |
//! | [`key`] | keys that are zeroed when dropped and shown by nothing |
//!
//! [`manual`] is the guide: encrypt a link, rekey it, and what to check when nothing arrives.
//!
//! # Example
//! ```no_run
//! use nl_core::{Connection, Protocol};
//! use nl_macsec::device::MacsecDevice;
//! use nl_macsec::{CipherSuite, KeyId, Macsec, Sci, SecretKey};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let macsec = Macsec::new(Connection::open(Protocol::Generic)?);
//!     let key = SecretKey::from_hex(&std::fs::read_to_string("/etc/macsec.key")?)?;
//!     let id: KeyId = "01".parse()?;
//!     let peer = Sci::new("02:00:00:00:00:02".parse()?, 1);
//!
//!     // ip link add link eth0 name macsec0 type macsec cipher gcm-aes-256 encrypt on replay on window 64
//!     let options = MacsecDevice::new().cipher(CipherSuite::GcmAes256).encrypt(true).replay(64);
//!     macsec.device("macsec0").on("eth0").up().add(options).await?;
//!     // ip macsec add macsec0 rx port 1 address 02:00:00:00:00:02
//!     macsec.rx_sc("macsec0", peer).add().await?;
//!     // ip macsec add macsec0 rx port 1 address 02:00:00:00:00:02 sa 0 on key 01 …
//!     macsec.rx_sa("macsec0", peer, 0).key(&key).key_id(id).active(true).add().await?;
//!     // ip macsec add macsec0 tx sa 0 pn 1 on key 01 …
//!     macsec.tx_sa("macsec0", 0).key(&key).key_id(id).next_pn(1).active(true).add().await?;
//!
//!     // ip -s macsec show macsec0
//!     println!("{}", macsec.secy("macsec0").get().await?);
//!     Ok(())
//! }
//! ```
//!
//! Without a runtime, under feature `blocking`, `.wait()` takes the place of `.await`.
//!
//! # Permissions and namespaces
//! Reading needs no privilege: every user of the machine sees key identifiers, packet numbers and counters, never keys. Devices are made
//! with `CAP_NET_ADMIN` in the user namespace that owns the network namespace. Channels and associations are changed with
//! `CAP_NET_ADMIN` in the **initial** user namespace, so root of a container with a user namespace of its own cannot. All calls act in
//! the network namespace in which the netlink connection was opened.
//!
//! # Features
//! - `tokio` (on by default): waiting inside a tokio runtime: `.await` on operations.
//! - `blocking`: waiting without a runtime: [`Pending::wait`](nl_core::Pending); needs no tokio.
//! - `agent` (on by default): the module of that name.
//! - `recreate` (on by default): the module of that name.
//! - `rotate` (on by default): the module of that name.
//! - `serde`: `Serialize` on what is read from the kernel, and `Deserialize` on cipher suites, modes and identifiers. Keys are never
//!   serialized.
//! - `tracing`: spans of requests and events about losses; see nl-core. Keys are never recorded.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg(feature = "agent")]
pub mod agent;
mod association;
mod channel;
mod cipher;
pub mod device;
mod hex;
pub mod key;
#[cfg(any(feature = "recreate", feature = "rotate"))]
mod ledger;
mod macsec;
pub mod manual;
mod message;
mod mode;
#[cfg(feature = "recreate")]
pub mod recreate;
#[cfg(feature = "rotate")]
pub mod rotate;
pub mod rx_sa;
pub mod rx_sc;
mod sa;
mod sci;
pub mod secy;
pub mod stats;
#[cfg(feature = "serde")]
mod text;
pub mod tx_sa;
mod verb;

pub use association::An;
pub use cipher::CipherSuite;
pub use key::{KeyId, Salt, SecretKey, Ssci};
pub use macsec::Macsec;
pub use message::FAMILY;
pub use mode::{Offload, Validation};
pub use sa::SaConfig;
pub use sci::Sci;
pub use verb::Verb;
