//! Rekeying without loss: the next key is installed, used, and the last one removed, in an order in which traffic always passes.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use nl_macsec::{KeyId, Macsec, SecretKey};
//!
//! # async fn example(macsec: Macsec, key: SecretKey) -> nl_core::Result<()> {
//! let id: KeyId = "02".parse()?;
//! // The other end gets the same key within a second; frames of the last key arrive for two seconds more.
//! let (lead, grace) = (Duration::from_secs(1), Duration::from_secs(2));
//! let rotated = macsec.rotate("macsec0").key(&key).key_id(id).lead(lead).grace(grace).run().await?;
//! println!("association {} sends", rotated.an);
//! # Ok(())
//! # }
//! ```
//!
//! # Order
//! 1. [`install`](RotateEntry::install): what an earlier rotation left is removed; in every channel that is received the new association
//!    is added, active; then the one that sends, active, but not used.
//! 2. A pause, the *lead*, in which the other ends do the same. A key agent that learns from its peers that they are ready calls the steps
//!    one by one instead.
//! 3. [`switch`](RotateEntry::switch): the new association encrypts what is sent. One request, which takes effect between two frames.
//! 4. A pause, the *grace*, in which frames of the last key still arrive.
//! 5. [`retire`](RotateEntry::retire): associations of other keys are made inactive and deleted.
//!
//! Associations are found by the identifier of their key, never by their number, which is used again after four keys.
//!
//! # When it is dropped
//! A rotation can be dropped at any `.await`, and the program may end: the encoding association is active, each channel has at most two
//! associations that this module made, of the last and of the next key, and traffic passes. The same call again goes on where it stopped,
//! and one with another key removes the rest.
//!
//! # Packet numbers
//! A packet number must never be used twice with one key, or the encryption is broken. This module remembers, for as long as the process
//! lives, how far each key was used on each channel (the last 4096), and refuses to install one again with a number that is not
//! above, unless [`allow_reuse`](RotateEntry::allow_reuse) says that the key is another one. [`PacketNumberWatch`] tells when it
//! is time for the next key.

mod handle;
mod ledger;
mod packet_numbers;
mod plan;

pub use handle::{RotateEntry, Rotated};
pub use packet_numbers::{PacketNumberEvent, PacketNumberWatch};
