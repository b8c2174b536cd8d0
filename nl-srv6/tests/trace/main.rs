//! With feature `tracing`, nothing that is recorded about a request holds its secret.
#![expect(clippy::unwrap_used, reason = "tests panic with context")]

#[expect(dead_code, reason = "the tests of nl-core look at more of it")]
#[path = "../../../nl-core/tests/trace/recorder.rs"]
mod recorder;

use std::io;
use std::os::fd::OwnedFd;

use nl_core::{Connection, Protocol};
use nl_srv6::hmac::{HmacAlgorithm, HmacKeys, HmacSecret};
use nl_testkit::fault::{Answer, Conversation, Peer};

use recorder::recorded;

const EPERM: i32 = 1;
const EINVAL: i32 = 22;
/// `GENL_ID_CTRL`
const NLCTRL: u16 = 0x10;
const FAMILY: u16 = 0x1e;

/// A kernel that has the family and refuses keys of this errno, 0 for none.
fn kernel(errno: i32) -> Connection {
    let source = move || -> io::Result<OwnedFd> {
        let (socket, peer) = Peer::pair()?;
        tokio::spawn(peer.serve(move |request| match request.get(4..6) {
            Some(kind) if kind == NLCTRL.to_ne_bytes() => {
                let family = Answer::new(NLCTRL, &[1, 2, 0, 0])
                    .attr(2, b"SEG6\0")
                    .attr(1, &FAMILY.to_ne_bytes())
                    .answers(request);
                Conversation::of([family, Answer::ack(request)])
            }
            _ => Conversation::of([Answer::error(errno, request)]),
        }));
        Ok(socket)
    };
    Connection::builder(Protocol::Generic).sockets_from(source).open().unwrap()
}

#[test]
fn nothing_that_is_recorded_holds_a_secret() {
    for errno in [0, EPERM, EINVAL] {
        let (outcomes, recorded) = recorded(async {
            let keys = HmacKeys::new(kernel(errno));
            let secret = HmacSecret::new(b"supersecret0123".to_vec());
            let long = HmacSecret::new(b"supersecret0123".repeat(9));
            let set = keys.key(42).set(HmacAlgorithm::Sha256, &secret).await;
            (set.is_ok(), keys.key(42).set(HmacAlgorithm::Sha256, &long).await.is_ok())
        });
        assert_eq!(outcomes, (errno == 0, false));
        // The family, the key, and the key that is refused before the kernel is asked.
        let operations: Vec<_> = recorded.spans.iter().map(|span| span.field("operation")).collect();
        assert_eq!(operations.len(), 3, "{recorded:#?}");
        assert_eq!(operations[1..], ["set hmac key 42 sha256"; 2]);
        let text = format!("{recorded:?}");
        for secret in ["supersecret", "secret0", "73757065", "73, 75, 70", "115, 117, 112"] {
            assert!(!text.contains(secret), "{text} holds {secret}");
        }
    }
}
