//! Another cipher suite for an existing device. The kernel cannot change it, so the device is created again.
//!
//! ```no_run
//! use nl_macsec::{CipherSuite, KeyId, Macsec, SecretKey};
//!
//! # async fn example(macsec: Macsec, key: SecretKey) -> nl_core::Result<()> {
//! let id: KeyId = "02".parse()?;
//! let recreate = macsec.recreate("macsec0", CipherSuite::GcmAes256).key(&key).key_id(id);
//! println!("nothing passed for {:?}", recreate.run().await?.outage);
//! # Ok(())
//! # }
//! ```
//! # What is restored
//! Name and index, hardware address, MTU, group, alias, alternative names, length of the transmit queue, master, SCI, length of the ICV,
//! every option, channels, IP addresses with their lifetimes, and whether it was up. One association, with the new key, is in each channel and for
//! sending.
//!
//! Not restored, because the kernel forgets it with the device: routes through the device, other than those that come with its
//! addresses; neighbours; qdiscs and filters; counters; devices on top of it, which are deleted with it, so a device that has any is
//! refused.
//!
//! # Packet numbers
//! The device keeps its SCI, so a packet number must not be used again with one key. As module `rotate` does, this one
//! refuses a key that this process has used up to a higher packet number, unless [`allow_reuse`](RecreateEntry::allow_reuse) says that
//! the key is another one.
//!
//! # Outage
//! From the deletion to the last step nothing passes; [`Recreated::outage`] says for how long. The other ends do the same at the same
//! time, as nothing passes between two cipher suites.

mod handle;

pub use handle::{RecreateEntry, Recreated};
