//! Frames on the wire, decrypted by an implementation of AES-GCM that is not the kernel's, and frames that come late or twice.

use std::net::UdpSocket;
use std::time::Duration;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use nl_macsec::device::MacsecDevice;
use nl_macsec::stats::RxScStats;
use nl_macsec::{CipherSuite, SecretKey};
use nl_testkit::{EthFrame, Lab, Result, eventually};

use crate::support::{CLEAR, End, Pair, SOON, key, salt};

/// `ETH_P_MACSEC`, `ETH_P_IP`
const MACSEC: u16 = 0x88e5;
const IPV4: u16 = 0x0800;
/// In the first byte behind the ethertype: the SCI is there, what follows is encrypted and changed.
const SCI_ENCRYPTED_CHANGED: u8 = 0x2c;

/// What is in the frame, if it is of this sender and key.
fn decrypt(frame: &EthFrame, from: &End, suite: CipherSuite, key: &SecretKey) -> Option<Vec<u8>> {
    let (tag, sealed) = frame.payload.split_first_chunk::<14>()?;
    // TCI and AN, short length, packet number, SCI.
    let (number, sci) = (&tag[2..6], &tag[6..]);
    assert_eq!((tag[0] & !3, sci), (SCI_ENCRYPTED_CHANGED, &from.sci.bytes()[..]), "{frame:?}");
    let mut nonce = [0; 12];
    if suite.is_xpn() {
        // The upper half of the packet number is not in the frame; here it is 0.
        nonce[..4].copy_from_slice(&from.ssci.to_be_bytes());
        nonce[8..].copy_from_slice(number);
        nonce.iter_mut().zip(salt().expose()).for_each(|(byte, salt)| *byte ^= salt);
    } else {
        nonce[..8].copy_from_slice(sci);
        nonce[8..].copy_from_slice(number);
    }
    // Everything before what is sealed is authenticated.
    let header = frame.to_bytes();
    let (header, _) = header.split_at(header.len() - sealed.len());
    let payload = Payload { msg: sealed, aad: header };
    let opened = match key.len() {
        16 => Aes128Gcm::new_from_slice(key.expose()).unwrap().decrypt((&nonce).into(), payload),
        _ => Aes256Gcm::new_from_slice(key.expose()).unwrap().decrypt((&nonce).into(), payload),
    };
    opened.ok()
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root))]
async fn frames_of_every_suite_are_decrypted_by_another_implementation(lab: Lab) -> Result {
    let mut pair = None;
    let mut capture = None;
    for suite in CipherSuite::ALL {
        let options = MacsecDevice::new().cipher(suite).encrypt(true).replay(64);
        let pair = match &pair {
            None => pair.insert(Pair::new(&lab, &options).await?),
            Some(pair) => {
                pair.again(&options).await?;
                pair
            }
        };
        let capture = match &mut capture {
            Some(capture) => capture,
            none => none.insert(pair.far.node.capture("eth0").await?),
        };
        assert_eq!(pair.datagrams(1, SOON).await?, 1, "{suite}");
        let (right, wrong) = (key(suite, 1), key(suite, 2));
        let (mut opened, mut texts) = (0, 0);
        while let Some(frame) = capture.next(Duration::from_millis(1)).await? {
            assert_eq!(frame.ethertype, MACSEC, "{suite}: {frame:?}");
            let clear = decrypt(&frame, &pair.near, suite, &right);
            let clear = clear.unwrap_or_else(|| panic!("{suite}: {frame:?} cannot be decrypted"));
            opened += 1;
            // Behind the ethertype that the frame had.
            let has_text = clear.windows(CLEAR.len()).any(|window| window == CLEAR);
            texts += u32::from(clear.starts_with(&IPV4.to_be_bytes()) && has_text);
            assert_eq!(decrypt(&frame, &pair.near, suite, &wrong), None, "{suite}");
            let mut forged = frame.clone();
            *forged.payload.last_mut().ok_or("an empty frame")? ^= 1;
            assert_eq!(decrypt(&forged, &pair.near, suite, &right), None, "{suite}");
        }
        assert_eq!((opened, texts), (1, 1), "{suite}");
    }
    Ok(())
}

/// A frame that arrives a second time, after others: replay protection drops it if it is older than the window, and Linux delivers it
/// again within the window, because it keeps no list of numbers. Without replay protection it is delivered and counted as delayed.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root))]
async fn frame_that_comes_again_is_counted_by_the_window(lab: Lab) -> Result {
    let encrypted = || MacsecDevice::new().encrypt(true);
    let counters = |stats: RxScStats| (stats.packets_late, stats.packets_delayed);
    let mut pair = None;
    for (what, options, delivered, counted) in [
        ("older than the window", encrypted().replay(4), false, (1, 0)),
        ("within the window", encrypted().replay(64), true, (0, 0)),
        ("without replay protection", encrypted(), true, (0, 1)),
    ] {
        let pair = match &pair {
            None => pair.insert(Pair::new(&lab, &options).await?),
            Some(pair) => {
                pair.again(&options).await?;
                pair
            }
        };
        let (near, far) = (&pair.near, &pair.far);
        let from = near.node.open(|| UdpSocket::bind(("192.0.2.1", 0))).await?;
        let to = far.node.open(|| UdpSocket::bind(("192.0.2.2", 0))).await?;
        to.set_read_timeout(Some(SOON))?;
        let mut buffer = [0; 64];
        let mut capture = far.node.capture("eth0").await?;
        for number in 0..10_u8 {
            from.send_to(&[number], to.local_addr()?)?;
            assert_eq!((to.recv(&mut buffer)?, buffer[0]), (1, number), "{what}");
        }
        let is_first = |frame: &EthFrame| {
            let clear = decrypt(frame, near, CipherSuite::GcmAes128, &key(CipherSuite::GcmAes128, 1));
            clear.is_some_and(|clear| clear.last() == Some(&0) && clear.starts_with(&IPV4.to_be_bytes()))
        };
        let first = capture.expect(is_first, SOON).await;
        drop(capture);
        near.node.send_frame("eth0", &first.to_bytes()).await?;
        if delivered {
            assert_eq!((to.recv(&mut buffer)?, buffer[0]), (1, 0), "{what}");
        }
        let as_expected = async || {
            let secy = far.macsec.secy("macsec0").get().await.ok()?;
            (counters(secy.rx_sc(near.sci)?.stats) == counted).then_some(())
        };
        eventually(SOON, as_expected, &format!("the counters of a frame {what}")).await;
    }
    Ok(())
}
