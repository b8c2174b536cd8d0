//! Rekeying without loss: the next key is installed, used, and the last one removed, in an order in which traffic always passes.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use nl_macsec::{KeyId, Macsec, SecretKey};
//!
//! # async fn example(macsec: Macsec, key: SecretKey) -> nl_core::Result<()> {
//! let id: KeyId = "02".parse()?;
//! // The other end gets the same key within a second and sends with it within three; what it sent before arrives within one more.
//! let (lead, patience, grace) = (Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(1));
//! let rotate = macsec.rotate("macsec0").key(&key).key_id(id);
//! let rotated = rotate.lead(lead).patience(patience).grace(grace).run().await?;
//! println!("association {} sends", rotated.an);
//! # Ok(())
//! # }
//! ```
//!
//! # Order
//! 1. [`install`](RotateEntry::install): what an earlier rotation left is removed; in every channel that is received the new association
//!    is added, active; then the one that sends, active, but not used.
//! 2. A pause, the *lead*, in which the other ends do the same. What is encrypted with a key that an end has not installed is dropped
//!    there, and this end does not learn of it.
//! 3. [`switch`](RotateEntry::switch): the new association encrypts what is sent. One request.
//! 4. [`patience`](RotateEntry::patience): until a frame of the new key has arrived from every other end, which until then sends with
//!    the last one.
//! 5. A pause, the *grace*, in which frames of the last key still arrive.
//! 6. [`retire`](RotateEntry::retire): associations of other keys are made inactive and deleted.
//!
//! Associations are found by the identifier of their key, never by their number, which is used again after four keys.
//!
//! # The frame that the kernel spoils
//! Linux reads the number of the encoding association twice for each frame: for the key, and for the tag (`macsec_fill_sectag`). A frame
//! that another processor sends at the moment of the switch may be encrypted with the last key and tagged with the next association. The
//! receiver drops it and counts it as [`packets_not_valid`](crate::stats::RxSaStats::packets_not_valid) of the new association: one
//! frame at most for each processor that sends, whatever program switches. It was seen under full load in an emulated machine, where it was
//! one of 2,624 datagrams. To avoid it, send nothing at the moment of the switch.
//!
//! # In step with the other ends
//! Times are guesses, and a guess that is too short loses frames. A key agent that talks to its peers does the steps one by one, and
//! nothing is lost however long each takes: all ends install, then all switch, then all retire, each step when the last end has done the
//! one before. Whether the last frame of the last key is through can be read: the packet number of the association that sent it is that
//! of the association that received it (or larger by what the new association counts as not valid), and a frame of the new key has come.
//!
//! ```no_run
//! # use nl_macsec::{KeyId, Macsec, SecretKey};
//! # trait Peers { async fn all_have(&self, step: &str); }
//! # async fn example(macsec: Macsec, key: SecretKey, peers: impl Peers) -> nl_core::Result<()> {
//! let id: KeyId = "02".parse()?;
//! macsec.rotate("macsec0").key(&key).key_id(id).install().await?;
//! peers.all_have("installed").await;
//! macsec.rotate("macsec0").key_id(id).switch().await?;
//! peers.all_have("switched").await;
//! macsec.rotate("macsec0").key_id(id).retire().await?;
//! # Ok(())
//! # }
//! ```
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
mod packet_numbers;
mod plan;

pub use handle::{RotateEntry, Rotated};
pub use packet_numbers::{PacketNumberEvent, PacketNumberWatch};
