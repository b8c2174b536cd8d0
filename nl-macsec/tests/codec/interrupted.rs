//! A device that does not fit the kernel's buffer on a new socket, listed while devices come and go.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nl_core::message::NLM_F_DUMP;
use nl_core::{Connection, Protocol};
use nl_macsec::Macsec;
use nl_testkit::fault::{Answer, Conversation, Fault, Peer};
use nl_testkit::within;

use crate::FAMILY;
use crate::exchanges::{DEV, kernel};

const DEADLINE: Duration = Duration::from_secs(20);

/// A kernel with one device. To the first list on each socket it has none, because the device does not fit. The others are interrupted if
/// their number, from 0, is below this.
fn macsec(interrupted: u32) -> Macsec {
    let source = move || -> io::Result<OwnedFd> {
        let (socket, peer) = Peer::pair()?;
        let mut lists = 0_u32;
        let script = move |request: &[u8]| {
            if !is_list(request) {
                return kernel(request);
            }
            let number = lists;
            lists += 1;
            match number.checked_sub(1) {
                None => Conversation::of([Answer::done(0).answers(request)]),
                // The end of the list says so.
                Some(number) if number < interrupted => {
                    kernel(request).with(Fault::Interrupted { delivery: 1 }).unwrap()
                }
                Some(_) => kernel(request),
            }
        };
        tokio::spawn(async move { drop(peer.serve(script).await) });
        Ok(socket)
    };
    let builder = Connection::builder(Protocol::Generic).sockets_from(source);
    Macsec::new(builder.timeout(DEADLINE).open().unwrap())
}

/// Whether it is a request for all devices.
fn is_list(request: &[u8]) -> bool {
    let short = |at: usize| {
        let bytes = request.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u16::from_ne_bytes(*bytes))
    };
    short(4) == FAMILY && short(6) & NLM_F_DUMP == NLM_F_DUMP
}

#[tokio::test]
async fn list_that_is_interrupted_is_read_again_on_the_socket_for_which_the_kernel_has_large_buffers() {
    for interrupted in 0..8 {
        let macsec = macsec(interrupted);
        let secys = within(DEADLINE, macsec.secys().list(), "the list").await.unwrap();
        assert_eq!(secys.iter().map(|secy| secy.index).collect::<Vec<_>>(), [DEV], "{interrupted} times");
        assert_eq!(within(DEADLINE, macsec.secy("m0").get(), "the device").await.unwrap().index, DEV);
    }
}

#[tokio::test]
async fn list_that_is_always_interrupted_says_so_and_not_that_a_device_is_too_large() {
    let macsec = macsec(u32::MAX);
    for _ in 0..2 {
        let error = within(DEADLINE, macsec.secys().list(), "the list").await.unwrap_err();
        assert!(error.is_interrupted(), "{error}");
        let error = within(DEADLINE, macsec.secys().list_readable(), "the list").await.unwrap_err();
        assert!(error.is_interrupted(), "{error}");
        let error = within(DEADLINE, macsec.secy("m0").get(), "the device").await.unwrap_err();
        assert!(error.is_interrupted(), "{error}");
    }
}
