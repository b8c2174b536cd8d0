//! With feature `tracing`, nothing that is recorded about a request holds its key or its salt.
#![expect(clippy::unwrap_used, reason = "tests panic with context")]

#[expect(dead_code, reason = "the tests of nl-core look at more of it")]
#[path = "../../../nl-core/tests/trace/recorder.rs"]
mod recorder;

use std::io;
use std::os::fd::OwnedFd;

use nl_core::{Connection, Protocol};
use nl_macsec::rx_sa::RxSa;
use nl_macsec::tx_sa::TxSa;
use nl_macsec::{CipherSuite, KeyId, SaConfig, Salt, Sci, SecretKey, Verb};
use nl_testkit::fault::{Answer, Conversation, Peer};

use recorder::recorded;

const EINVAL: i32 = 22;
const KEY: [u8; 32] = *b"correct horse battery staple 32B";
const SALT: [u8; 12] = *b"salt of 12 B";

/// A kernel that refuses every other request.
fn kernel() -> Connection {
    let source = || -> io::Result<OwnedFd> {
        let (socket, peer) = Peer::pair()?;
        let mut refuse = false;
        tokio::spawn(peer.serve(move |request| {
            refuse = !refuse;
            Conversation::of([Answer::error(if refuse { EINVAL } else { 0 }, request)])
        }));
        Ok(socket)
    };
    Connection::builder(Protocol::Generic).sockets_from(source).open().unwrap()
}

#[test]
fn nothing_that_is_recorded_holds_a_key_or_a_salt() {
    let (key, salt) = (SecretKey::new(&KEY).unwrap(), Salt::new(&SALT));
    let sa =
        || SaConfig::new(1).key(&key).key_id(KeyId::new([1; 16])).next_pn(1).ssci(7).salt(&salt).active(true);
    let requests = || {
        [
            TxSa::new(5, sa()).request(28, CipherSuite::GcmAesXpn256, Verb::Add),
            RxSa::new(5, Sci::default(), sa()).request(28, CipherSuite::GcmAesXpn256, Verb::Add),
            // These are refused before the kernel is asked.
            TxSa::new(5, sa()).request(28, CipherSuite::GcmAes128, Verb::Add),
            TxSa::new(5, sa()).request(28, CipherSuite::GcmAesXpn256, Verb::Update),
        ]
    };
    let (failures, recorded) = recorded(async {
        let conn = kernel();
        let mut failures = 0;
        for request in requests() {
            failures += u64::from(conn.ack(request).await.is_err());
        }
        failures + conn.batch(requests()).summarize(0).await.unwrap().failed
    });
    assert!(failures > 4, "{failures}");
    assert_eq!(recorded.spans.len(), 5, "{recorded:#?}");
    let text = format!("{recorded:?}").to_lowercase();
    assert!(text.contains("macsec"), "{text}");
    for secret in ["correct", "horse", "636f7272", "63, 6f", "99, 111", "salt of", "73616c74", "115, 97"] {
        assert!(!text.contains(secret), "{text} holds {secret}");
    }
}
