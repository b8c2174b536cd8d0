//! No text the crate makes shows a key or a salt: not as hexadecimal digits, not as numbers, not raw.

use std::fmt::Debug;

use nl_core::error::{Errno, ErrorKind, KernelError};
use nl_core::{Connection, Error, Protocol};
use nl_macsec::rx_sa::RxSa;
use nl_macsec::tx_sa::TxSa;
use nl_macsec::{CipherSuite, KeyId, Macsec, SaConfig, Salt, Sci, SecretKey, Verb};

/// Every byte of the key, and of the salt.
const KEY: u8 = 0xab;
const SALT: u8 = 0x5c;

fn key() -> SecretKey {
    SecretKey::new(&[KEY; 16]).unwrap()
}

fn salt() -> Salt {
    Salt::new(&[SALT; 12])
}

fn sa() -> SaConfig {
    SaConfig::new(1).key(&key()).key_id(KeyId::new([1; 16])).next_pn(1).ssci(7).salt(&salt()).active(true)
}

#[track_caller]
pub(crate) fn assert_silent(text: &str) {
    let dense: String = text.split_whitespace().collect::<String>().to_lowercase();
    for secret in
        ["171,171", "ab,ab", "abab", "\\xab", "171171", "92,92", "5c,5c", "5c5c5c", "\\\\\\\\", "9292"]
    {
        assert!(!dense.contains(secret), "{text} holds {secret}");
    }
}

#[track_caller]
fn debug_is_silent(value: &impl Debug) {
    for text in [format!("{value:?}"), format!("{value:#?}"), format!("{value:x?}"), format!("{value:X?}")] {
        assert_silent(&text);
    }
}

#[test]
fn keys_and_what_holds_them_do_not_show_them() {
    debug_is_silent(&key());
    debug_is_silent(&salt());
    debug_is_silent(&sa());
    debug_is_silent(&TxSa::new(5, sa()));
    debug_is_silent(&RxSa::new(5, Sci::default(), sa()));
    debug_is_silent(&SecretKey::from_hex(&"ab".repeat(16)).unwrap());
}

#[test]
fn requests_and_their_words_do_not_show_keys() {
    for verb in [Verb::Add, Verb::Update, Verb::Delete] {
        for suite in CipherSuite::ALL {
            let requests = [
                TxSa::new(5, sa()).request(28, suite, verb),
                RxSa::new(5, Sci::default(), sa()).request(28, suite, verb),
            ];
            for mut request in requests {
                assert!(request.is_sensitive());
                debug_is_silent(&request);
                assert_silent(&request.describe());
                let kernel = ErrorKind::Kernel(KernelError::new(Errno::EINVAL));
                let error = request.not_sent(Error::from(kernel));
                assert_silent(&error.to_string());
                if let Err(error) = request.encoded() {
                    assert_silent(&error.to_string());
                    debug_is_silent(&error);
                }
            }
        }
    }
}

#[test]
fn errors_about_texts_do_not_show_them() {
    for text in ["ab".repeat(15), "ab".repeat(40), format!("{}x", "ab".repeat(16))] {
        for error in [SecretKey::from_hex(&text).unwrap_err(), Salt::from_hex(&text).unwrap_err()] {
            assert_silent(&error.to_string());
            debug_is_silent(&error);
        }
    }
    assert_silent(&SecretKey::new(&[KEY; 15]).unwrap_err().to_string());
}

/// The handles, and what they say when there is no such device.
#[test]
fn handles_do_not_show_keys() {
    // Nothing is sent. Emulators of other processors have sockets of this protocol, and not of generic netlink.
    let macsec = Macsec::new(Connection::open(Protocol::Route).unwrap());
    let tx = macsec.tx_sa("no-such-dev", 0).key(&key()).key_id(KeyId::new([1; 16])).salt(&salt());
    debug_is_silent(&tx);
    let rx = macsec.rx_sa("no-such-dev", Sci::default(), 0).key(&key()).salt(&salt());
    debug_is_silent(&rx);
    debug_is_silent(&tx.add());
    #[cfg(feature = "rotate")]
    {
        let rotate = macsec.rotate("no-such-dev").key(&key()).key_id(KeyId::new([1; 16])).salt(&salt());
        debug_is_silent(&rotate);
        debug_is_silent(&rotate.run());
    }
}

#[test]
fn keys_are_compared_by_content() {
    assert_eq!(key(), key());
    assert_ne!(key(), SecretKey::new(&[KEY; 32]).unwrap());
    for at in 0..16 {
        let mut bytes = [KEY; 16];
        bytes[at] ^= 1;
        assert_ne!(key(), SecretKey::new(&bytes).unwrap());
    }
    assert_eq!((key().len(), key().expose(), salt().expose()), (16, &[KEY; 16][..], &[SALT; 12][..]));
    assert_eq!(salt(), salt());
}
