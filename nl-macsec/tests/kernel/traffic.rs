//! Frames between two nodes: what is on the wire, what arrives, and where each is counted.

use std::time::Duration;

use nl_macsec::CipherSuite;
use nl_macsec::Validation;
use nl_macsec::device::MacsecDevice;
use nl_testkit::{EthFrame, Lab, Result, eventually, scaled};

use crate::counters::are_as_shown;
use crate::support::{CLEAR, Pair, SOON, id, key};

/// `ETH_P_MACSEC`
const MACSEC: u16 = 0x88e5;
/// So few at once that no queue overflows.
const COUNT: u32 = 20;
/// 10,000 datagrams of each suite and mode on a native machine.
const PORTIONS: u32 = 500;

fn is_macsec(frame: &EthFrame) -> bool {
    frame.ethertype == MACSEC
}

fn shows_clear_text(frame: &EthFrame) -> bool {
    frame.payload.windows(CLEAR.len()).any(|window| window == CLEAR)
}

/// Each suite with each mode of validation: all datagrams arrive encrypted, and both ends count the same.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root), timeout = 300)]
async fn frames_are_encrypted_in_every_suite_and_mode(lab: Lab) -> Result {
    let (mut pair, mut capture): (Option<Pair>, _) = (None, None);
    for suite in CipherSuite::ALL {
        for mode in [Validation::Disabled, Validation::Check, Validation::Strict] {
            let options = MacsecDevice::new().cipher(suite).encrypt(true).validation(mode).replay(64);
            let ends = match &pair {
                None => pair.insert(Pair::new(&lab, &options).await?),
                Some(ends) => {
                    ends.again(&options).await?;
                    ends
                }
            };
            let what = format!("{suite} {mode}");
            // One capture for all suites and modes.
            let capture = match &mut capture {
                Some(capture) => capture,
                none => none.insert(ends.far.node.capture("eth0").await?),
            };
            for _ in 0..scaled(PORTIONS, 1) {
                assert_eq!(ends.datagrams(COUNT, SOON).await?, COUNT, "{what}");
                let mut seen = 0;
                while let Some(frame) = capture.next(Duration::from_millis(1)).await? {
                    assert!(is_macsec(&frame), "{what}: {frame:?}");
                    assert!(!shows_clear_text(&frame), "{what}: clear text in {frame:?}");
                    seen += 1;
                }
                assert!(seen >= COUNT, "{what}: {seen} frames");
            }

            let (near, far) =
                (ends.near.macsec.secy("macsec0").get().await?, ends.far.macsec.secy("macsec0").get().await?);
            let sent = near.tx_stats.packets_encrypted;
            let channel = far.rx_sc(ends.near.sci).ok_or("no channel")?;
            // Encrypted frames are verified in every mode.
            let received = channel.stats.packets_ok;
            assert_eq!(received, sent, "{what}: {channel:?}");
            assert_eq!(near.tx_stats.packets_protected, 0, "{what}");
            let sa = near.encoding().ok_or("no association")?;
            assert_eq!((u64::from(sa.stats.packets_encrypted), sa.next_pn), (sent, sent + 1), "{what}");
            if mode == Validation::Strict {
                assert_eq!(u64::from(channel.sas[0].stats.packets_ok), sent, "{what}");
                assert!(channel.stats.octets_decrypted > u64::from(COUNT) * CLEAR.len() as u64, "{what}");
            }
            are_as_shown(&ends.near, &what).await;
            are_as_shown(&ends.far, &what).await;
        }
    }
    Ok(())
}

/// Without encryption the text is seen, and the frames are still authenticated.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root))]
async fn frames_are_only_authenticated_unless_encrypted(lab: Lab) -> Result {
    let pair = Pair::new(&lab, &MacsecDevice::new()).await?;
    let mut capture = pair.far.node.capture("eth0").await?;
    assert_eq!(pair.datagrams(1, SOON).await?, 1);
    let frame = capture.expect(shows_clear_text, SOON).await;
    assert!(is_macsec(&frame), "{frame:?}");
    let near = pair.near.macsec.secy("macsec0").get().await?;
    assert_eq!(near.tx_stats.packets_encrypted, 0);
    assert!(near.tx_stats.packets_protected > 0 && near.tx_stats.octets_protected > 0);
    let far = pair.far.macsec.secy("macsec0").get().await?;
    assert!(far.rx_sc(pair.near.sci).ok_or("no channel")?.stats.octets_validated > 0);
    are_as_shown(&pair.near, "the sender").await;
    are_as_shown(&pair.far, "the receiver").await;
    Ok(())
}

/// Frames of another key, replayed frames, frames of an unknown sender, frames without a tag: each in its counter.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root))]
async fn refused_frames_are_counted_where_they_belong(lab: Lab) -> Result {
    let options = MacsecDevice::new().encrypt(true).replay(0);
    let pair = Pair::new(&lab, &options).await?;
    let (near, far) = (&pair.near, &pair.far);
    let far_secy = async || far.macsec.secy("macsec0").get().await;

    // Replayed: what went over the wire is sent again.
    let mut capture = far.node.capture("eth0").await?;
    assert_eq!(pair.datagrams(1, SOON).await?, 1);
    let frame = capture.expect(is_macsec, SOON).await;
    near.node.send_frame("eth0", &frame.to_bytes()).await?;
    let late = async || {
        let secy = far_secy().await.ok()?;
        (secy.rx_sc(near.sci)?.stats.packets_late == 1).then_some(())
    };
    eventually(SOON, late, "the replayed frame to be late").await;

    // Forged: one bit of the ICV.
    let mut forged = frame.clone();
    // A packet number that is new.
    forged.payload[2..6].copy_from_slice(&1000_u32.to_be_bytes());
    near.node.send_frame("eth0", &forged.to_bytes()).await?;
    let not_valid = async || {
        let secy = far_secy().await.ok()?;
        let channel = secy.rx_sc(near.sci)?;
        (channel.stats.packets_not_valid == 1 && channel.sas[0].stats.packets_not_valid == 1).then_some(())
    };
    eventually(SOON, not_valid, "the forged frame to be not valid").await;

    // Of an association that is not there, of a sender that is not there, and without a tag.
    let mut other = frame.clone();
    other.payload[0] |= 3;
    near.node.send_frame("eth0", &other.to_bytes()).await?;
    let mut stranger = frame.clone();
    stranger.payload[6] ^= 1;
    near.node.send_frame("eth0", &stranger.to_bytes()).await?;
    let plain = EthFrame::new(frame.source, frame.destination, EthFrame::TEST, &[0; 60]);
    near.node.send_frame("eth0", &plain.to_bytes()).await?;
    let counted = async || {
        let secy = far_secy().await.ok()?;
        let channel = secy.rx_sc(near.sci)?.stats;
        (channel.packets_not_using_sa == 1
            && secy.stats.in_packets_no_sci == 1
            && secy.stats.in_packets_no_tag >= 1)
            .then_some(())
    };
    eventually(SOON, counted, "the other frames to be counted").await;

    are_as_shown(far, "refused frames").await;
    Ok(())
}

/// The receiver has another key under the same association: nothing arrives.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root))]
async fn frames_of_another_key_do_not_arrive(lab: Lab) -> Result {
    let pair = Pair::new(&lab, &MacsecDevice::new().encrypt(true)).await?;
    let suite = CipherSuite::GcmAes128;
    let sa = || pair.far.macsec.rx_sa("macsec0", pair.near.sci, 0);
    sa().remove().await?;
    sa().key(&key(suite, 9)).key_id(id(9)).active(true).add().await?;
    assert_eq!(pair.datagrams(3, Duration::from_millis(300)).await?, 0);
    let secy = pair.far.macsec.secy("macsec0").get().await?;
    let stats = secy.rx_sc(pair.near.sci).ok_or("no channel")?.stats;
    assert_eq!(stats.packets_not_valid, 3, "{stats:?}");
    Ok(())
}
