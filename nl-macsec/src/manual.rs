//! The guide: encrypt a link, and rekey it. What to do in which order, what can be observed, and what to check when nothing arrives.
//!
//! # Encrypt a link, and rekey it
//! MACsec encrypts between the ends of an Ethernet link. Each end has a device on top of the Ethernet device; what is sent over it is
//! encrypted, and what the Ethernet device receives from it is decrypted. Addresses and routes go to the MACsec device.
//!
//! | step | here | iproute2 |
//! |---|---|---|
//! | the device | [`device`](crate::Macsec::device) | `ip link add link eth0 macsec0 type macsec …` |
//! | a channel for each other end | [`rx_sc`](crate::Macsec::rx_sc) | `ip macsec add macsec0 rx …` |
//! | the key for what they send | [`rx_sa`](crate::Macsec::rx_sa) | `ip macsec add macsec0 rx … sa 0 …` |
//! | the key for what is sent | [`tx_sa`](crate::Macsec::tx_sa) | `ip macsec add macsec0 tx sa 0 …` |
//!
//! The key for receiving comes before the key for sending, at both ends: what arrives with a key that is not there is dropped.
//! ```no_run
//! use nl_macsec::device::MacsecDevice;
//! use nl_macsec::{CipherSuite, KeyId, Macsec, Sci, SecretKey};
//!
//! # async fn example(macsec: Macsec, peer: Sci, key: SecretKey) -> nl_core::Result<()> {
//! // Encryption and replay protection are off unless set.
//! let options = MacsecDevice::new().cipher(CipherSuite::GcmAes256).encrypt(true).replay(64);
//! let link = macsec.device("macsec0").on("eth0").up().add(options).await?;
//! println!("{} has an MTU of {}", link.name, link.mtu);
//! let id: KeyId = "01".parse()?;
//! macsec.rx_sc("macsec0", peer).add().await?;
//! macsec.rx_sa("macsec0", peer, 0).key(&key).key_id(id).active(true).add().await?;
//! macsec.tx_sa("macsec0", 0).key(&key).key_id(id).next_pn(1).active(true).add().await?;
//! # Ok(())
//! # }
//! ```
//! `peer` is the SCI of the other end: its MAC address and a port, which is 1 unless its device was made with another one.
//!
//! # The next key
//! A key encrypts 2³² frames, or 2⁶⁴ with extended packet numbers; then the device can send nothing any more. So the next key is installed
//! beside the one in use, before the numbers run out:
#![cfg_attr(feature = "rotate", doc = "```no_run")]
#![cfg_attr(not(feature = "rotate"), doc = "```ignore")]
//! use std::time::Duration;
//!
//! use nl_macsec::{KeyId, Macsec, SecretKey};
//!
//! # async fn example(macsec: Macsec, key: SecretKey) -> nl_core::Result<()> {
//! // Three quarters of the packet numbers are used.
//! macsec.packet_numbers("macsec0").reached().await?;
//! let id: KeyId = "02".parse()?;
//! let second = Duration::from_secs(1);
//! let rotate = macsec.rotate("macsec0").key(&key).key_id(id);
//! rotate.lead(second).patience(second * 10).grace(second).run().await?;
//! # Ok(())
//! # }
//! ```
//! Nothing is lost if three things hold, and module `rotate` has the steps for an agent that asks its peers instead of waiting:
//! 1. The other ends have installed the key before this end sends with it.
//! 2. The last key stays until the other ends send with the new one.
//! 3. Then it stays until their last frame with it has arrived.
//!
//! The identifier of a key says which key it is; both ends use the same one. Everybody on the machine can read it, so it must not be made
//! from the key. **A packet number must never be used twice with one key:** never install a key again from 1 on.
//!
//! # What can be observed
//! | question | answer |
//! |---|---|
//! | does the device send | [`operational`](crate::secy::Secy::operational), after it has tried |
//! | is what is sent encrypted | [`packets_encrypted`](crate::stats::TxScStats::packets_encrypted) grows, [`packets_protected`](crate::stats::TxScStats::packets_protected) does not |
//! | does what the other end sends arrive | [`packets_ok`](crate::stats::RxScStats::packets_ok) of its channel |
//! | does somebody repeat frames | [`packets_late`](crate::stats::RxScStats::packets_late); Linux keeps no list of numbers, so a repeated frame within the window is delivered |
//! | when a device appears, changes or goes | [`MacsecEvent`](crate::device::MacsecEvent), in nl-events with feature `macsec` |
//!
//! # When nothing arrives
//! The counters of the receiving end say why. `ip -s macsec show` has them under the names in the second column.
//!
//! | grows at the receiver | iproute2 | what is wrong |
//! |---|---|---|
//! | [`in_packets_no_sci`](crate::stats::SecyStats::in_packets_no_sci) | `InPktsNoSCI` | no channel has the SCI of the sender, or the sender leaves it out |
//! | [`packets_not_using_sa`](crate::stats::RxScStats::packets_not_using_sa) | `InPktsNotUsingSA` | the association that the sender uses is missing or inactive |
//! | [`packets_not_valid`](crate::stats::RxScStats::packets_not_valid) | `InPktsNotValid` | another key, or with extended packet numbers another salt or short SCI |
//! | [`packets_late`](crate::stats::RxScStats::packets_late) | `InPktsLate` | the sender restarted its packet numbers, or frames overtake each other by more than the window |
//! | [`in_packets_no_tag`](crate::stats::SecyStats::in_packets_no_tag) | `InPktsNoTag` | the sender does not use MACsec |
//! | [`in_packets_bad_tag`](crate::stats::SecyStats::in_packets_bad_tag) | `InPktsBadTag` | the frame was cut or changed |
//! | nothing | | the sender: is its encoding association there and active? Do frames fit the MTU of the Ethernet device? |
//!
//! # Encryption by hardware
//! [`Offload`](crate::Offload) says who encrypts: the kernel, the PHY or the MAC. Hardware that cannot is refused
//! ([`is_unsupported`](nl_core::Error::is_unsupported)), and the kernel never encrypts in its place. It is set when the device is made, or
//! with [`set_offload`](crate::secy::SecyEntry::set_offload) while the device is down and empty.
