use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::codec::Secy;
use crate::association::An;
use crate::cipher::CipherSuite;
use crate::key::KeyId;
use crate::rx_sa::RxSaState;
use crate::rx_sc::RxScState;
use crate::sci::Sci;
use crate::stats::{RxSaStats, RxScStats, SecyStats, TxSaStats, TxScStats};
use crate::tx_sa::TxSaState;

/// Computes what devices counted between two readings, also across rotations of keys.
///
/// ```no_run
/// use std::time::{Duration, Instant};
///
/// use nl_macsec::Macsec;
/// use nl_macsec::secy::SecySampler;
///
/// # async fn example(macsec: Macsec) -> nl_core::Result<()> {
/// let mut sampler = SecySampler::new();
/// loop {
///     for rates in sampler.sample_all(Instant::now(), &macsec.secys().list().await?) {
///         let packets = rates.tx.packets_encrypted + rates.tx.packets_protected;
///         println!("#{}: {:.0} packets/s sent", rates.index, rates.per_second(packets));
///     }
///     tokio::time::sleep(Duration::from_secs(1)).await;
/// }
/// # }
/// ```
///
/// # Which counters restart
/// The counters of devices and channels have 64 bits and do not restart when a key is replaced: use [`SecyRates::tx`] and
/// [`RxScRates::stats`] for rates over rotations. Those of an association have 32 bits, begin at 0 with each key and end with it. So
/// an association is known by its channel, its number and the identifier of its key: one with a new key has counted since it was
/// added, and what the last one counted between the last reading and its end is in the counters of the channel only.
///
/// A counter of an association that fell has wrapped if its packet number advanced by at least as much. Otherwise the same key was
/// installed again, or the channel or device was made again: then only what was counted since is used, and `restarted` is set. No
/// difference is larger than what was counted.
#[derive(Clone, Debug, Default)]
pub struct SecySampler {
    last: HashMap<u32, (Instant, Secy)>,
}

/// What a device counted between two readings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SecyRates {
    /// The device.
    pub index: u32,
    /// The time between the readings.
    pub over: Duration,
    /// What the device counted.
    pub stats: SecyStats,
    /// What was sent, with whichever keys.
    pub tx: TxScStats,
    /// What was sent with each association that is there, by number.
    pub tx_sas: Vec<TxSaRates>,
    /// What was received in each channel that is there.
    pub rx_scs: Vec<RxScRates>,
    /// The device was made again between the readings. Counts from before are missing.
    pub restarted: bool,
}

/// What was sent with an association between two readings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TxSaRates {
    /// The association.
    pub an: An,
    /// Its key.
    pub key_id: KeyId,
    /// What was sent.
    pub stats: TxSaStats,
    /// The same key was installed again between the readings. Counts from before are missing.
    pub restarted: bool,
}

/// What was received in a channel between two readings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RxScRates {
    /// The SCI of the sender.
    pub sci: Sci,
    /// What was received, with whichever keys.
    pub stats: RxScStats,
    /// What was received with each association that is there, by number.
    pub sas: Vec<RxSaRates>,
    /// The channel was made again between the readings. Counts from before are missing.
    pub restarted: bool,
}

/// What was received with an association between two readings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RxSaRates {
    /// The association.
    pub an: An,
    /// Its key.
    pub key_id: KeyId,
    /// What was received.
    pub stats: RxSaStats,
    /// The same key was installed again between the readings. Counts from before are missing.
    pub restarted: bool,
}

impl SecySampler {
    /// A sampler without readings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a reading of a device and returns what it counted since the last one.
    ///
    /// `None` for the first reading, and for a reading that is not later than the last.
    pub fn sample(&mut self, at: Instant, secy: &Secy) -> Option<SecyRates> {
        let (then, last) = self.last.insert(secy.index, (at, secy.clone()))?;
        let over = at.checked_duration_since(then).filter(|over| !over.is_zero())?;
        Some(SecyRates::between(over, secy, &last))
    }

    /// Adds a reading of all devices and forgets those that are missing from it.
    pub fn sample_all<'a>(&mut self, at: Instant, all: impl IntoIterator<Item = &'a Secy>) -> Vec<SecyRates> {
        let mut before = std::mem::take(&mut self.last);
        let mut rates = Vec::new();
        for secy in all {
            if let Some(last) = before.remove(&secy.index) {
                self.last.insert(secy.index, last);
            }
            rates.extend(self.sample(at, secy));
        }
        rates
    }

    /// Forgets a device: its next reading is the first.
    pub fn forget(&mut self, index: u32) {
        self.last.remove(&index);
    }
}

impl SecyRates {
    fn between(over: Duration, now: &Secy, last: &Secy) -> Self {
        let kind = |secy: &Secy| -> (Sci, CipherSuite) { (secy.sci, secy.cipher) };
        let (stats, device_fell) = fallen_or(now.stats, last.stats, |now, last, with| now.zip(last, with));
        let (tx, tx_fell) = fallen_or(now.tx_stats, last.tx_stats, |now, last, with| now.zip(last, with));
        let restarted = kind(now) != kind(last) || device_fell || tx_fell;
        // Of another device with this index nothing is compared.
        let known = |list: &'_ [TxSaState], sa: &TxSaState| {
            let same = |last: &&TxSaState| (last.an, last.key_id) == (sa.an, sa.key_id);
            list.iter().find(same).filter(|_| !restarted).cloned()
        };
        let tx_sas = now.tx_sas.iter().map(|sa| TxSaRates::since(sa, known(&last.tx_sas, sa).as_ref()));
        let rx_scs = now.rx_scs.iter().map(|channel| {
            let last = last.rx_scs.iter().find(|last| last.sci == channel.sci);
            RxScRates::since(channel, last.filter(|_| !restarted))
        });
        Self {
            index: now.index,
            over,
            stats: if restarted { now.stats } else { stats },
            tx: if restarted { now.tx_stats } else { tx },
            tx_sas: tx_sas.collect(),
            rx_scs: rx_scs.collect(),
            restarted,
        }
    }

    /// This many in the time between the readings, per second.
    #[must_use]
    pub fn per_second(&self, count: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "15 digits are enough for a rate")]
        let count = count as f64;
        count / self.over.as_secs_f64()
    }
}

impl TxSaRates {
    fn since(now: &TxSaState, last: Option<&TxSaState>) -> Self {
        let (an, key_id) = (now.an, now.key_id);
        let Some(last) = last else { return Self { an, key_id, stats: now.stats, restarted: false } };
        let mut same = Same::new(now.next_pn, last.next_pn);
        let stats = now.stats.zip(&last.stats, |now, last| same.difference(now, last));
        Self { an, key_id, stats, restarted: same.restarted }
    }
}

impl RxScRates {
    fn since(now: &RxScState, last: Option<&RxScState>) -> Self {
        let last_stats = last.map_or(RxScStats::ZERO, |last| last.stats);
        let (stats, restarted) = fallen_or(now.stats, last_stats, |now, last, with| now.zip(last, with));
        let known = |sa: &RxSaState| {
            let mut sas = last.filter(|_| !restarted)?.sas.iter();
            sas.find(|last| (last.an, last.key_id) == (sa.an, sa.key_id))
        };
        let sas = now.sas.iter().map(|sa| RxSaRates::since(sa, known(sa))).collect();
        Self { sci: now.sci, stats, sas, restarted }
    }
}

impl RxSaRates {
    fn since(now: &RxSaState, last: Option<&RxSaState>) -> Self {
        let (an, key_id) = (now.an, now.key_id);
        let Some(last) = last else { return Self { an, key_id, stats: now.stats, restarted: false } };
        let mut same = Same::new(now.next_pn, last.next_pn);
        let stats = now.stats.zip(&last.stats, |now, last| same.difference(now, last));
        Self { an, key_id, stats, restarted: same.restarted }
    }
}

/// Two readings of an association with one key.
struct Same {
    /// By how much the packet number advanced; `None` if it fell.
    advance: Option<u64>,
    restarted: bool,
}

impl Same {
    fn new(now: u64, last: u64) -> Self {
        // The counter of the kernel is 0 after the last number.
        let place = |next_pn: u64| if next_pn == 0 { u64::MAX } else { next_pn };
        let advance = place(now).checked_sub(place(last));
        Self { advance, restarted: advance.is_none() }
    }

    fn difference(&mut self, now: u32, last: u32) -> u32 {
        let wrapped = now.wrapping_sub(last);
        if now >= last || self.advance.is_some_and(|advance| u64::from(wrapped) <= advance) {
            return wrapped;
        }
        self.restarted = true;
        now
    }
}

/// The difference of counters of 64 bits, and whether one fell: then all of them restarted.
fn fallen_or<T: Copy>(
    now: T,
    last: T,
    zip: impl Fn(&T, &T, &mut dyn FnMut(u64, u64) -> u64) -> T,
) -> (T, bool) {
    let mut fell = false;
    let difference = zip(&now, &last, &mut |now, last| {
        fell |= now < last;
        now.saturating_sub(last)
    });
    if fell { (now, true) } else { (difference, false) }
}
