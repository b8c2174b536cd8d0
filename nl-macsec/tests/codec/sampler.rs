//! Differences of counters between readings: over rotations, wraps and devices that are made again, none is negative or too large.

use std::time::{Duration, Instant};

use nl_core::message::MessageRef;
use nl_macsec::rx_sa::RxSaState;
use nl_macsec::rx_sc::RxScState;
use nl_macsec::secy::{Secy, SecyRates, SecySampler};
use nl_macsec::tx_sa::TxSaState;
use nl_macsec::{An, CipherSuite, KeyId, Sci};
use proptest::prelude::*;

use crate::FAMILY;

fn id(number: u8) -> KeyId {
    KeyId::new([number; 16])
}

fn tx(an: u8, key: u8, next_pn: u64, encrypted: u32) -> TxSaState {
    let mut sa = TxSaState::default();
    (sa.an, sa.key_id, sa.next_pn) = (An::new(an), id(key), next_pn);
    sa.stats.packets_encrypted = encrypted;
    sa
}

fn rx(an: u8, key: u8, next_pn: u64, ok: u32) -> RxSaState {
    let mut sa = RxSaState::default();
    (sa.an, sa.key_id, sa.next_pn) = (An::new(an), id(key), next_pn);
    sa.stats.packets_ok = ok;
    sa
}

/// A device with these numbers of packets, sent and received, and these associations.
fn secy(sent: u64, tx_sas: Vec<TxSaState>, received: u64, sas: Vec<RxSaState>) -> Secy {
    let mut buf = nl_core::attr::AttrBuf::new();
    let mut w = buf.writer();
    w.u32(1, 5);
    w.nested(4).bytes(1, &[7; 8]);
    let payload = [vec![0, 1, 0, 0], buf.finish().unwrap()].concat();
    let mut secy = Secy::decode(MessageRef::from_parts(FAMILY, 0, &payload)).unwrap();
    secy.tx_stats.packets_encrypted = sent;
    secy.tx_sas = tx_sas;
    let mut channel = RxScState::default();
    channel.sci = Sci::from_bytes([1; 8]);
    channel.stats.packets_ok = received;
    channel.sas = sas;
    secy.rx_scs = vec![channel];
    secy
}

/// Of two readings, two seconds apart.
fn rates(last: &Secy, now: &Secy) -> SecyRates {
    let (mut sampler, start) = (SecySampler::new(), Instant::now());
    assert_eq!(sampler.sample(start, last), None);
    assert_eq!(sampler.clone().sample(start, now), None, "not later");
    sampler.sample(start + Duration::from_secs(2), now).unwrap()
}

#[test]
fn rates_over_a_rotation_are_those_of_the_channel() {
    let last = secy(1_000, vec![tx(0, 1, 1_001, 1_000)], 500, vec![rx(0, 1, 501, 500)]);
    let now = secy(1_300, vec![tx(1, 2, 101, 100)], 900, vec![rx(0, 1, 601, 600), rx(1, 2, 301, 300)]);
    let rates = rates(&last, &now);
    assert_eq!((rates.tx.packets_encrypted, rates.restarted), (300, false));
    assert!((rates.per_second(rates.tx.packets_encrypted) - 150.0).abs() < f64::EPSILON);
    // The new key counted all of its packets since it was added.
    assert_eq!((rates.tx_sas[0].key_id, rates.tx_sas[0].stats.packets_encrypted), (id(2), 100));
    let channel = &rates.rx_scs[0];
    assert_eq!((channel.stats.packets_ok, channel.restarted), (400, false));
    assert_eq!(channel.sas.iter().map(|sa| sa.stats.packets_ok).collect::<Vec<_>>(), [100, 300]);
}

#[test]
fn number_that_is_used_again_by_another_key_is_not_compared() {
    let last = secy(5_000, vec![tx(0, 1, 5_001, 5_000)], 0, vec![]);
    let now = secy(5_010, vec![tx(0, 2, 11, 10)], 0, vec![]);
    let rates = rates(&last, &now);
    let sa = &rates.tx_sas[0];
    assert_eq!((sa.stats.packets_encrypted, sa.restarted), (10, false));
}

#[test]
fn counter_of_32_bits_that_wraps_goes_on_and_one_that_restarts_is_said_to() {
    let past = u64::from(u32::MAX) + 50;
    let last = secy(past - 100, vec![tx(0, 1, past - 100, u32::MAX - 50)], 0, vec![]);
    let now = secy(past, vec![tx(0, 1, past, 49)], 0, vec![]);
    let wrapped = rates(&last, &now);
    assert_eq!((wrapped.tx_sas[0].stats.packets_encrypted, wrapped.tx_sas[0].restarted), (100, false));

    // The same key was installed again: its packet number advanced by less than a wrap takes.
    let now = secy(past, vec![tx(0, 1, past - 90, 9)], 0, vec![]);
    let again = rates(&last, &now);
    assert_eq!((again.tx_sas[0].stats.packets_encrypted, again.tx_sas[0].restarted), (9, true));
    // Or fell, as that of an association that receives does.
    let (last, now) = (secy(0, vec![], 9, vec![rx(0, 1, 10, 9)]), secy(0, vec![], 12, vec![rx(0, 1, 4, 3)]));
    let again = rates(&last, &now);
    let sa = &again.rx_scs[0].sas[0];
    assert_eq!((sa.stats.packets_ok, sa.restarted, again.rx_scs[0].restarted), (3, true, false));

    // The last number was used: the kernel reports 0.
    let end = u64::from(u32::MAX);
    let last = secy(10, vec![tx(0, 1, end - 2, 10)], 0, vec![]);
    let now = secy(13, vec![tx(0, 1, 0, 13)], 0, vec![]);
    let exhausted = rates(&last, &now);
    assert_eq!((exhausted.tx_sas[0].stats.packets_encrypted, exhausted.tx_sas[0].restarted), (3, false));
}

#[test]
fn device_or_channel_that_is_made_again_counts_from_zero() {
    let last = secy(1_000, vec![tx(0, 1, 1_001, 1_000)], 500, vec![rx(0, 1, 501, 500)]);
    let now = secy(3, vec![tx(0, 1, 4, 3)], 600, vec![rx(0, 1, 601, 600)]);
    let fell = rates(&last, &now);
    assert_eq!((fell.tx.packets_encrypted, fell.restarted), (3, true));
    assert_eq!(fell.rx_scs[0].stats.packets_ok, 600);
    // Of another suite, and ahead of the last one.
    let mut now = secy(2_000, vec![], 0, vec![]);
    now.cipher = CipherSuite::GcmAesXpn128;
    let other = rates(&last, &now);
    assert_eq!((other.tx.packets_encrypted, other.restarted), (2_000, true));
    let now = secy(1_000, vec![], 4, vec![rx(0, 1, 5, 4)]);
    let channel = rates(&last, &now);
    assert!(!channel.restarted && channel.rx_scs[0].restarted);
    assert_eq!((channel.rx_scs[0].stats.packets_ok, channel.rx_scs[0].sas[0].stats.packets_ok), (4, 4));
}

#[test]
fn devices_that_are_gone_are_forgotten() {
    let (mut sampler, start) = (SecySampler::new(), Instant::now());
    let one = secy(1, vec![], 0, vec![]);
    let at = |seconds| start + Duration::from_secs(seconds);
    assert_eq!(sampler.sample_all(at(0), [&one]).len(), 0);
    assert_eq!(sampler.sample_all(at(1), [&one]).len(), 1);
    assert_eq!(sampler.sample_all(at(2), []).len(), 0);
    assert_eq!(sampler.sample_all(at(3), [&one]).len(), 0, "as the first");
    sampler.forget(5);
    assert_eq!(sampler.sample(at(4), &one), None);
}

proptest! {
    /// Whatever is read, no difference is larger than what the kernel may have counted, unless it wrapped.
    #[test]
    fn difference_is_at_most_what_was_counted(
        last in (1..4_u8, any::<u64>(), any::<u32>(), any::<u64>()),
        now in (1..4_u8, any::<u64>(), any::<u32>(), any::<u64>()),
    ) {
        let reading = |of: (u8, u64, u32, u64)| secy(of.3, vec![tx(0, of.0, of.1, of.2)], of.3, vec![rx(1, of.0, of.1, of.2)]);
        let rates = rates(&reading(last), &reading(now));
        prop_assert!(rates.tx.packets_encrypted <= now.3);
        prop_assert!(rates.rx_scs[0].stats.packets_ok <= now.3);
        let sent = u64::from(rates.tx_sas[0].stats.packets_encrypted);
        let place = |pn: u64| if pn == 0 { u64::MAX } else { pn };
        let advance = place(now.1).saturating_sub(place(last.1));
        prop_assert!(sent <= u64::from(now.2) || sent <= advance);
    }
}
