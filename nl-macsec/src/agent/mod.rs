//! For key agents (MKA, IEEE 802.1X): what such a program asks of the data plane, as one small trait.
//!
//! [`SecyOps`] is what an agent needs, [`KernelSecy`] does it with a MACsec device of the kernel. An agent that is written against the
//! trait can be tested without a kernel, and its data plane replaced.
//!
//! ```no_run
//! use nl_macsec::agent::{KernelSecy, SecyOps};
//! use nl_macsec::device::MacsecDevice;
//! use nl_macsec::{KeyId, Macsec, SaConfig, Sci, SecretKey};
//!
//! # async fn example(macsec: Macsec, peer: Sci, key: SecretKey) -> nl_core::Result<()> {
//! let secy = KernelSecy::new(macsec, "macsec0", "eth0");
//! secy.create_secy(MacsecDevice::new().encrypt(true).replay(0)).await?;
//! secy.create_rx_sc(peer).await?;
//! let id = KeyId::new(*b"session key 0001");
//! secy.create_rx_sa(peer, SaConfig::new(0).key(&key).key_id(id)).await?;
//! secy.create_tx_sa(SaConfig::new(0).key(&key).key_id(id).next_pn(1)).await?;
//! // When the key server says so:
//! secy.enable_rx_sa(peer, 0.into()).await?;
//! secy.enable_tx_sa(0.into()).await?;
//! secy.set_enabled(true).await?;
//! # Ok(())
//! # }
//! ```

mod features;
mod ops;

pub use ops::{KernelSecy, PacketNumber, SecyOps};
