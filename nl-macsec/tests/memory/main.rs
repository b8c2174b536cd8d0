//! No freed memory holds a key.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use nl_macsec::rx_sa::RxSa;
use nl_macsec::tx_sa::TxSa;
use nl_macsec::{CipherSuite, KeyId, SaConfig, Salt, Sci, SecretKey, Verb};
use nl_testkit::alloc::Watching;

#[global_allocator]
static ALLOCATOR: Watching = Watching::new();

/// Not a pattern that other memory has.
const KEY: [u8; 32] = *b"\x9d\x01\xc3\x44\x7a\xfe\x10\x8b\x62\xd5\x3e\x91\x0c\xb7\x28\xf3\x5a\xe0\x17\x86\xcd\x39\xa2\x6f\x74\x0b\xd8\x41\x93\xec\x2f\x55";
const SALT: [u8; 12] = *b"\x31\xf7\x0a\x9c\x58\xe4\x22\xb6\x6d\x85\x13\xca";

fn use_them() {
    let (key, salt) = (SecretKey::new(&KEY).unwrap(), Salt::new(&SALT));
    let sa =
        || SaConfig::new(0).key(&key).key_id(KeyId::new([1; 16])).next_pn(1).ssci(1).salt(&salt).active(true);
    for verb in [Verb::Add, Verb::Update] {
        // One that is refused too.
        for suite in [CipherSuite::GcmAesXpn256, CipherSuite::GcmAes128] {
            let mut tx = TxSa::new(5, sa()).request(28, suite, verb);
            let mut rx = RxSa::new(5, Sci::default(), sa()).request(28, suite, verb);
            let _ = (tx.encoded().map(<[u8]>::len), rx.encoded().map(<[u8]>::len));
            drop((tx.clone(), rx));
            // Moved, which must not leave the old place behind.
            let moved = Box::new((tx, SecretKey::new(&KEY).unwrap()));
            drop(*moved);
        }
    }
    assert!(key == SecretKey::new(&KEY).unwrap());
}

#[test]
fn freed_memory_holds_no_key_and_no_salt() {
    assert_eq!(ALLOCATOR.find(&KEY, || drop(KEY.to_vec())), 1, "the allocator finds nothing");
    assert_eq!(ALLOCATOR.find(&KEY, use_them), 0);
    assert_eq!(ALLOCATOR.find(&SALT, use_them), 0);
}

#[test]
fn text_that_is_read_as_a_key_leaves_nothing_behind() {
    let text: String = KEY.iter().map(|byte| format!("{byte:02x}")).collect();
    let read = || drop(SecretKey::from_hex(&text).unwrap());
    assert_eq!(ALLOCATOR.find(&KEY, read), 0);
}
