use std::time::Duration;

use nl_core::{Dev, Error, Pending, Result};

use crate::association::An;
use crate::channel::{Channel, not_found};
use crate::cipher::CipherSuite;
use crate::key::KeyId;
use crate::secy::{Secy, read_one};

/// How often the packet number is read unless said otherwise.
const INTERVAL: Duration = Duration::from_secs(1);

/// Waits until the packet numbers of the encoding association run out. The kernel has no event for it, so it is read every second, or as
/// often as [`every`](Self::every) says.
///
/// ```no_run
/// # async fn example(macsec: nl_macsec::Macsec) -> nl_core::Result<()> {
/// let event = macsec.packet_numbers("macsec0").reached().await?;
/// println!("time for the next key: {event:?}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct PacketNumberWatch {
    channel: Channel,
    dev: Dev,
    threshold: Option<u64>,
    interval: Duration,
}

/// What became of the packet numbers of the encoding association.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum PacketNumberEvent {
    /// All were used, and the kernel has made the association inactive: nothing can be sent.
    Exhausted {
        /// The association.
        an: An,
        /// Its key.
        key_id: KeyId,
    },
    /// The association is inactive for another reason: nothing can be sent.
    Inactive {
        /// The association.
        an: An,
        /// Its key.
        key_id: KeyId,
    },
    /// The next one is at the threshold or above: time for the next key.
    Threshold {
        /// The association.
        an: An,
        /// Its key.
        key_id: KeyId,
        /// The next packet number.
        next_pn: u64,
    },
}

impl PacketNumberWatch {
    pub(crate) fn new(channel: Channel, dev: Dev) -> Self {
        Self { channel, dev, threshold: None, interval: INTERVAL }
    }

    /// The packet number at which it is time for the next key. Unless set, that of IEEE 802.1X: three quarters of all, which is 0xC0000000,
    /// or 0xC000000000000000 with extended packet numbers.
    pub fn threshold(mut self, number: u64) -> Self {
        self.threshold = Some(number);
        self
    }

    /// How often the packet number is read: each time the state of all devices.
    pub fn every(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Reads it once: `None` if it is not time yet.
    ///
    /// Needs no privilege.
    ///
    /// # Errors
    /// No such device, or it has no encoding association ([`is_not_found`](Error::is_not_found)).
    pub fn check(self) -> Pending<Option<PacketNumberEvent>> {
        Pending::new(async move { self.read().await })
    }

    /// Waits until it is time. Dropping it stops the waiting.
    ///
    /// Needs no privilege.
    ///
    /// # Errors
    /// As [`check`](Self::check); an interval of zero.
    pub fn reached(self) -> Pending<PacketNumberEvent> {
        Pending::new(async move {
            if self.interval.is_zero() {
                return Err(
                    self.during(Error::usage("an interval of zero; every(INTERVAL) needs a longer one"))
                );
            }
            loop {
                if let Some(event) = self.read().await? {
                    return Ok(event);
                }
                Pending::pause(self.interval).await?;
            }
        })
    }

    async fn read(&self) -> Result<Option<PacketNumberEvent>> {
        let secy = read_one(&self.channel, &self.dev).await.map_err(|error| self.during(error))?;
        match event_of(&secy, self.threshold.unwrap_or_else(|| threshold_of(secy.cipher))) {
            Ok(event) => Ok(event),
            Err(Missing) => {
                let hint =
                    format!("the device has no association {}, with which it would send", secy.encoding_sa);
                Err(self.during(not_found()).hinted(hint))
            }
        }
    }

    fn during(&self, error: Error) -> Error {
        error.during(|| format!("watch packet numbers of macsec {}", self.dev))
    }
}

/// There is no encoding association.
struct Missing;

fn event_of(secy: &Secy, threshold: u64) -> Result<Option<PacketNumberEvent>, Missing> {
    let sa = secy.encoding().ok_or(Missing)?;
    let (an, key_id, next_pn) = (sa.an, sa.key_id, sa.next_pn);
    Ok(match (sa.active, next_pn) {
        // The counter of the kernel wrapped.
        (false, 0) => Some(PacketNumberEvent::Exhausted { an, key_id }),
        (false, _) => Some(PacketNumberEvent::Inactive { an, key_id }),
        (true, next_pn) if next_pn >= threshold => Some(PacketNumberEvent::Threshold { an, key_id, next_pn }),
        (true, _) => None,
    })
}

fn threshold_of(suite: CipherSuite) -> u64 {
    suite.max_packet_number() / 4 * 3 + 3
}
