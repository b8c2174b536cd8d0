//! Rekeying under traffic: nothing is lost, wherever a rotation is given up.

use std::time::Duration;

use nl_macsec::device::MacsecDevice;
use nl_macsec::rotate::{PacketNumberEvent, RotateEntry};
use nl_macsec::{An, CipherSuite, KeyId};
use nl_testkit::{Lab, Result, eventually, scaled};
use tokio::time::timeout;

use crate::flow::under_traffic;
use crate::support::{End, Pair, SOON, id, key, salt};

/// For frames on their way between two nodes of one machine.
const SHORT: Duration = Duration::from_millis(60);
/// Datagrams and keys for each suite on a native machine.
const DATAGRAMS: u32 = 100_000;
const KEYS: u32 = 20;
/// More than there are association numbers.
const KEYS_AT_LEAST: u32 = 6;

fn rotate(end: &End, suite: CipherSuite, number: u8) -> RotateEntry {
    let mut rotate = end.macsec.rotate("macsec0").key(&key(suite, number)).key_id(id(number));
    if suite.is_xpn() {
        rotate = rotate.salt(&salt());
    }
    rotate.lead(SHORT).grace(SHORT * 2)
}

/// What both ends do in step, as key agents that talk to each other: each of these when the other end has done the one before.
#[derive(Clone, Copy, Debug)]
enum Step {
    Install,
    Switch,
    Retire,
}

impl Step {
    async fn run(self, end: &End, suite: CipherSuite, number: u8) -> Result {
        let rotate = rotate(end, suite, number);
        match self {
            Self::Install => rotate.install().await.map(drop)?,
            Self::Switch => rotate.switch().await?,
            Self::Retire => rotate.retire().await?,
        }
        Ok(())
    }

    /// Given up after ever longer times, and called again, until it comes to its end.
    async fn run_again_and_again(self, end: &End, suite: CipherSuite, number: u8) -> Result {
        let mut time = Duration::from_micros(50);
        loop {
            match timeout(time, self.run(end, suite, number)).await {
                Ok(done) => return done,
                Err(_) => time = time * 5 / 4,
            }
        }
    }
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root), timeout = 180)]
async fn rotation_under_traffic_loses_nothing(lab: Lab) -> Result {
    lose_nothing(&lab, Step::run).await
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root), timeout = 180)]
async fn rotation_given_up_under_traffic_loses_nothing(lab: Lab) -> Result {
    lose_nothing(&lab, Step::run_again_and_again).await
}

/// Both ends rotate through many keys of each suite while datagrams pass both ways.
async fn lose_nothing(lab: &Lab, run: impl AsyncFn(Step, &End, CipherSuite, u8) -> Result) -> Result {
    let keys = u8::try_from(scaled(KEYS, KEYS_AT_LEAST))?;
    let mut pair = None;
    // A key has another number in each suite, because both ends keep their SCI.
    let mut first = 2;
    for suite in CipherSuite::ALL {
        let options = MacsecDevice::new().cipher(suite).encrypt(true).replay(64);
        let pair = match &pair {
            None => pair.insert(Pair::new(lab, &options).await?),
            Some(pair) => {
                pair.again(&options).await?;
                pair
            }
        };
        let mut last = 1;
        let work = async {
            for number in first..first + keys {
                for step in [Step::Install, Step::Switch, Step::Retire] {
                    if let Step::Retire = step {
                        tokio::try_join!(
                            is_through(&pair.far, &pair.near, id(last), id(number)),
                            is_through(&pair.near, &pair.far, id(last), id(number)),
                        )?;
                    }
                    tokio::try_join!(
                        run(step, &pair.near, suite, number),
                        run(step, &pair.far, suite, number)
                    )?;
                }
                last = number;
            }
            Ok(())
        };
        let began = std::time::Instant::now();
        let sent = under_traffic(pair, scaled(DATAGRAMS, 1_000), work).await?;
        println!("{suite}: {sent} datagrams, {keys} keys, {:.1} s", began.elapsed().as_secs_f32());
        for (end, _) in pair.ends() {
            let secy = end.macsec.secy("macsec0").get().await?;
            assert_eq!(secy.tx_sas.iter().map(|sa| sa.key_id).collect::<Vec<_>>(), [id(last)]);
            assert_eq!(secy.rx_scs[0].sas.iter().map(|sa| sa.key_id).collect::<Vec<_>>(), [id(last)]);
            assert_eq!(secy.encoding().map(|sa| sa.ssci.is_some()), Some(suite.is_xpn()));
        }
        first += keys;
    }
    Ok(())
}

/// Waits until the last frame of the last key has arrived at the other end: it has received as far as was sent, and a frame of the new
/// key, before which each flow sent all others. Of each switch the kernel may spoil one frame, which is counted: it reads the number of
/// the encoding association once for the key, and once more for the tag.
async fn is_through(from: &End, to: &End, last: KeyId, new: KeyId) -> Result {
    let through = async || {
        let sender = from.macsec.secy("macsec0").get().await.ok()?;
        let receiver = to.macsec.secy("macsec0").get().await.ok()?;
        let sent = sender.tx_sas.iter().find(|sa| sa.key_id == last)?.next_pn;
        let of = |key| receiver.rx_sc(from.sci)?.sas.iter().find(|sa| sa.key_id == key);
        let spoilt = of(new)?.stats.packets_not_valid;
        (spoilt <= 1 && of(last)?.next_pn + u64::from(spoilt) == sent && of(new)?.next_pn > 1).then_some(())
    };
    eventually(SOON * 3, through, "the last frame of the last key to arrive").await;
    Ok(())
}

/// A rotation with patience keeps the last key until the other end sends with the new one.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ping", tool = "ip", host_root))]
async fn patience_keeps_the_last_key_until_the_other_end_has_switched(lab: Lab) -> Result {
    let suite = CipherSuite::GcmAes128;
    let pair = Pair::new(&lab, &MacsecDevice::new().encrypt(true)).await?;
    let (near, far) = (&pair.near, &pair.far);
    rotate(far, suite, 2).install().await?;
    let run = rotate(near, suite, 2).lead(Duration::ZERO).patience(SOON * 30).grace(Duration::ZERO).run();
    let other = async {
        let switched = async || {
            let secy = near.macsec.secy("macsec0").get().await.ok()?;
            (secy.encoding()?.key_id == id(2)).then_some(())
        };
        eventually(SOON, switched, "the near end to switch").await;
        // The far end still sends with the last key, and is heard.
        near.node.command(["ping", "-c", "3", "-i", "0.2", "-W", "5", far.address]).await.ok();
        let secy = near.macsec.secy("macsec0").get().await?;
        assert_eq!(secy.rx_scs[0].sas.len(), 2, "{secy}");
        far.macsec.rotate("macsec0").key_id(id(2)).switch().await?;
        near.node.command(["ping", "-c", "1", "-W", "5", far.address]).await.ok();
        Result::Ok(())
    };
    let (rotated, other) = tokio::join!(run, other);
    other?;
    assert_eq!(rotated?.replaced, [id(1)]);
    let secy = near.macsec.secy("macsec0").get().await?;
    assert_eq!(secy.rx_scs[0].sas.iter().map(|sa| sa.key_id).collect::<Vec<_>>(), [id(2)], "{secy}");
    Ok(())
}

/// Given up at arbitrary times, at both ends: what is encoded with is active, at most two associations receive, datagrams pass.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root), timeout = 180)]
async fn rotation_given_up_at_any_await_lets_traffic_pass(lab: Lab) -> Result {
    let suite = CipherSuite::GcmAes128;
    let pair = Pair::new(&lab, &MacsecDevice::new().encrypt(true).replay(64)).await?;
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

/// A key that was used must not start again.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root))]
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
        assert_eq!(pair.datagrams(3, SOON).await?, 3);
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

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root))]
async fn packet_numbers_are_watched_until_they_are_used_up(lab: Lab) -> Result {
    let suite = CipherSuite::GcmAes128;
    let pair = Pair::new(&lab, &MacsecDevice::new().encrypt(true)).await?;
    let near = &pair.near;
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
