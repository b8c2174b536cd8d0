//! Rekeying under traffic: nothing is lost, wherever a rotation is given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use nl_macsec::device::MacsecDevice;
use nl_macsec::rotate::PacketNumberEvent;
use nl_macsec::{An, CipherSuite};
use nl_testkit::{Lab, Result, eventually};
use tokio::time::timeout;

use crate::support::{End, Pair, SOON, id, key, salt};

/// For frames on their way between two nodes of one machine.
const SHORT: Duration = Duration::from_millis(60);
/// For the other end to install a key too, on a machine that is emulated and busy.
const AMPLE: Duration = Duration::from_millis(700);

fn rotate(end: &End, suite: CipherSuite, number: u8) -> nl_macsec::rotate::RotateEntry {
    let mut rotate = end.macsec.rotate("macsec0").key(&key(suite, number)).key_id(id(number));
    if suite.is_xpn() {
        rotate = rotate.salt(&salt());
    }
    rotate.lead(SHORT).grace(SHORT * 2)
}

/// Numbered datagrams from near to far, until they are stopped; how many arrived and were sent.
async fn under_traffic<F: Future<Output = Result>>(pair: &Pair, work: F) -> Result<(u32, u32)> {
    let from = pair.near.node.open(|| std::net::UdpSocket::bind(("192.0.2.1", 4790))).await?;
    let to = pair.far.node.open(|| std::net::UdpSocket::bind(("192.0.2.2", 4790))).await?;
    to.set_read_timeout(Some(SOON))?;
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicU32::new(0));
    let sender = std::thread::spawn({
        let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
        move || {
            // Paced by the receiver, so that no buffer overflows: each datagram that arrives asks for the next.
            let mut lost = 0_u32;
            let mut buffer = [0; 16];
            while !stop.load(Ordering::SeqCst) {
                let number = sent.fetch_add(1, Ordering::SeqCst);
                from.send_to(&number.to_be_bytes(), ("192.0.2.2", 4790)).unwrap();
                to.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
                match to.recv(&mut buffer) {
                    Ok(4) if buffer[..4] == number.to_be_bytes() => {}
                    _ => lost += 1,
                }
            }
            lost
        }
    });
    let worked = work.await;
    stop.store(true, Ordering::SeqCst);
    let lost = tokio::task::spawn_blocking(move || sender.join().unwrap()).await?;
    worked?;
    let sent = sent.load(Ordering::SeqCst);
    Ok((sent - lost, sent))
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ping", host_root), timeout = 180)]
async fn rotation_under_traffic_loses_nothing(lab: Lab) -> Result {
    // More than there are association numbers.
    loses_nothing(&lab, CipherSuite::GcmAes128, 8).await
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ping", host_root), timeout = 180)]
async fn rotation_with_extended_packet_numbers_loses_nothing(lab: Lab) -> Result {
    loses_nothing(&lab, CipherSuite::GcmAesXpn256, 5).await
}

/// Both ends rotate at the same time to the keys below `keys`, while datagrams pass.
async fn loses_nothing(lab: &Lab, suite: CipherSuite, keys: u8) -> Result {
    let pair = Pair::new(lab, &MacsecDevice::new().cipher(suite).encrypt(true).replay(64)).await?;
    pair.near.node.command(["ping", "-c", "1", "-W", "5", pair.far.address]).await.ok();
    let work = async {
        for number in 2..keys {
            let one = |end| rotate(end, suite, number).lead(AMPLE).grace(AMPLE).run();
            let (near, far) = tokio::join!(one(&pair.near), one(&pair.far));
            let (near, far) = (near?, far?);
            assert_eq!((near.an, near.replaced), (far.an, vec![id(number - 1)]));
        }
        Ok(())
    };
    let (arrived, sent) = under_traffic(&pair, work).await?;
    let (near, far) =
        (pair.near.macsec.secy("macsec0").get().await?, pair.far.macsec.secy("macsec0").get().await?);
    assert_eq!(
        arrived, sent,
        "{suite}: sent {:?}, received {:?} {:?}",
        near.tx_stats, far.rx_scs[0].stats, far.stats
    );
    assert!(sent > 50, "{sent} datagrams are no traffic");
    let last = id(keys - 1);
    for secy in [near, far] {
        assert_eq!(secy.tx_sas.iter().map(|sa| sa.key_id).collect::<Vec<_>>(), [last]);
        assert_eq!(secy.rx_scs[0].sas.iter().map(|sa| sa.key_id).collect::<Vec<_>>(), [last]);
        assert_eq!(secy.encoding().map(|sa| sa.ssci.is_some()), Some(suite.is_xpn()));
    }
    Ok(())
}

/// Given up at arbitrary times, at both ends: what is encoded with is active, at most two associations receive, datagrams pass.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ping", host_root), timeout = 180)]
async fn rotation_given_up_at_any_await_lets_traffic_pass(lab: Lab) -> Result {
    let suite = CipherSuite::GcmAes128;
    let pair = Pair::new(&lab, &MacsecDevice::new().encrypt(true).replay(64)).await?;
    pair.near.node.command(["ping", "-c", "1", "-W", "5", pair.far.address]).await.ok();
    let mut number = 2;
    // Each poll of a rotation is a step or more, so the times are spread over the pauses and the requests.
    for micros in
        [0, 200, 500, 1_000, 2_000, 5_000, 20_000, 61_000, 64_000, 70_000, 100_000, 180_000, 182_000, 190_000]
    {
        // The receiver is ready before the sender may switch: as a key agent does it.
        rotate(&pair.far, suite, number).install().await?;
        let given_up = timeout(Duration::from_micros(micros), rotate(&pair.near, suite, number).run()).await;
        let secy = pair.near.macsec.secy("macsec0").get().await?;
        let encoding = secy.encoding().ok_or("no encoding association")?;
        assert!(encoding.active, "{micros} µs: {secy}");
        assert!(secy.rx_scs[0].sas.iter().filter(|sa| sa.active).count() <= 2, "{micros} µs: {secy}");
        assert_eq!(pair.datagrams(3, SOON).await?, 3, "{micros} µs, {given_up:?}: {secy}");
        // The far end follows what is sent, whichever that is.
        let sent_with = encoding.key_id;
        if sent_with == id(number) {
            rotate(&pair.far, suite, number).run().await?;
            number += 1;
        }
    }
    let (near, far) =
        tokio::join!(rotate(&pair.near, suite, number).run(), rotate(&pair.far, suite, number).run());
    near?;
    far?;
    for end in [&pair.near, &pair.far] {
        let secy = end.macsec.secy("macsec0").get().await?;
        let associations: Vec<_> = secy.tx_sas.iter().map(|sa| sa.key_id).collect();
        assert_eq!(associations, [id(number)], "{secy}");
        assert_eq!(secy.rx_scs[0].sas.iter().map(|sa| sa.key_id).collect::<Vec<_>>(), [id(number)], "{secy}");
    }
    assert_eq!(pair.datagrams(3, SOON).await?, 3);
    Ok(())
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", host_root))]
async fn bad_rotations_are_refused_before_anything_changes(lab: Lab) -> Result {
    let suite = CipherSuite::GcmAes128;
    let pair = Pair::new(&lab, &MacsecDevice::new().encrypt(true)).await?;
    let end = &pair.near;
    let before = end.macsec.secy("macsec0").get().await?.to_string();
    let new = || end.macsec.rotate("macsec0");
    let long = key(CipherSuite::GcmAes256, 5);
    let words = "rotate macsec macsec0 to key 05000000000000000000000000000000: ";
    for (outcome, text) in [
        (
            new().run().await,
            "rotate macsec macsec0: a rotation needs the identifier of a key: key_id()".to_owned(),
        ),
        (new().key_id(id(5)).run().await, format!("{words}a rotation needs a key: key()")),
        (
            new().key(&long).key_id(id(5)).run().await,
            format!("{words}a key of 32 bytes; GCM-AES-128 needs 16"),
        ),
        (
            rotate(end, suite, 5).an(0).run().await,
            format!(
                "{words}association 0 is in use, with key 01000000000000000000000000000000: the next one needs another number"
            ),
        ),
        (
            rotate(end, suite, 5).an(4).run().await,
            format!("{words}association number 4; 0 to 3 are possible"),
        ),
        (
            rotate(end, suite, 5).next_pn(0).run().await,
            format!("{words}packet number 0; 1 to 4294967295 are possible"),
        ),
        (
            rotate(end, suite, 5).salt(&salt()).run().await,
            format!("{words}GCM-AES-128 has no short SCI and no salt, which only the XPN suites have"),
        ),
    ] {
        let error = outcome.unwrap_err();
        assert!(error.is_usage(), "{error}");
        assert_eq!(error.to_string(), text);
    }
    assert!(new().key_id(id(5)).switch().await.unwrap_err().is_not_found());
    let error = new().key_id(id(5)).retire().await.unwrap_err();
    assert!(error.is_usage(), "{error}");
    assert_eq!(end.macsec.secy("macsec0").get().await?.to_string(), before);
    Ok(())
}

/// A key that was used must not begin anew.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ping", host_root))]
async fn key_is_not_installed_again_below_its_last_packet_number(lab: Lab) -> Result {
    let suite = CipherSuite::GcmAes128;
    let pair = Pair::new(&lab, &MacsecDevice::new().encrypt(true)).await?;
    for number in [21, 22] {
        for (end, _) in pair.ends() {
            rotate(end, suite, number).install().await?;
        }
        for (end, _) in pair.ends() {
            end.macsec.rotate("macsec0").key_id(id(number)).switch().await?;
        }
        pair.near.node.command(["ping", "-c", "3", "-i", "0.01", "-W", "5", pair.far.address]).await.ok();
        for (end, _) in pair.ends() {
            end.macsec.rotate("macsec0").key_id(id(number)).retire().await?;
        }
    }
    let near = &pair.near;
    let error = rotate(near, suite, 21).install().await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("which this process has used below"), "{error}");
    // Above it, or if it is said to be another key.
    rotate(near, suite, 21).next_pn(1 << 20).install().await?;
    near.macsec.rotate("macsec0").key_id(id(22)).retire().await?;
    rotate(near, suite, 21).allow_reuse().install().await?;
    assert_eq!(
        near.macsec
            .tx_sa("macsec0", near.macsec.secy("macsec0").get().await?.encoding_sa.next())
            .get()
            .await?
            .next_pn,
        1
    );
    Ok(())
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ping", host_root))]
async fn packet_numbers_are_watched_until_they_are_used_up(lab: Lab) -> Result {
    let suite = CipherSuite::GcmAes128;
    let pair = Pair::new(&lab, &MacsecDevice::new().encrypt(true)).await?;
    let near = &pair.near;
    near.node.command(["ping", "-c", "1", "-W", "5", pair.far.address]).await.ok();
    let watch = || near.macsec.packet_numbers("macsec0").every(Duration::from_millis(5));
    assert_eq!(watch().check().await?, None);
    near.macsec.tx_sa("macsec0", 0).next_pn(0xc000_0000).update().await?;
    let reached = timeout(SOON, watch().reached()).await??;
    let an = An::new(0);
    assert_eq!(reached, PacketNumberEvent::Threshold { an, key_id: id(1), next_pn: 0xc000_0000 });
    near.macsec.tx_sa("macsec0", 0).next_pn(suite.max_packet_number()).update().await?;
    let exhausted = watch().threshold(u64::MAX).reached();
    let from = near.node.open(|| std::net::UdpSocket::bind(("192.0.2.1", 4791))).await?;
    // The last one, and one that cannot be sent any more.
    for _ in 0..2 {
        let _ = from.send_to(b"x", ("192.0.2.2", 4791));
    }
    assert_eq!(timeout(SOON, exhausted).await??, PacketNumberEvent::Exhausted { an, key_id: id(1) });
    let down = async || (!near.macsec.secy("macsec0").get().await.ok()?.operational).then_some(());
    eventually(SOON, down, "the device not to be operational").await;
    Ok(())
}
