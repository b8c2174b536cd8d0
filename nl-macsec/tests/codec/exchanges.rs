//! Operations of several requests on two sockets over a simulated kernel: with every fault of every answer, and dropped at every await
//! point.

use std::time::Duration;

use nl_core::message::NLM_F_DUMP;
use nl_core::{Connection, Protocol};
use nl_macsec::device::MacsecDevice;
use nl_macsec::{Macsec, Sci};
use nl_testkit::fault::{
    Answer, Conversation, InWords, Played, each_at_every_await, each_with_every_fault, in_words,
};
use nl_testkit::oracle::unhex;

use crate::FAMILY;
use crate::golden::{DEVICE, SECY};

const NLCTRL: u16 = 0x10;
const RTM_NEWLINK: u16 = 16;
/// That of [`SECY`].
const DEV: u32 = 10;
const DEADLINE: Duration = Duration::from_secs(20);
/// Where there is a fault, an answer may not come.
const PATIENCE: Duration = Duration::from_millis(20);
/// Two connections, each with its own socket and with those of lists that are kept to be used again.
const SOCKETS: usize = 10;

type Operation = fn(Macsec) -> InWords;

/// A kernel with the MACsec device `m0`, which carries out whatever it is asked. The type of a request for devices is 18 and that of one
/// to the controller of generic netlink 16; so is that of a change of a device, whose acknowledgement is all that is read.
fn kernel(request: &[u8]) -> Conversation {
    let short = |at: usize| {
        let bytes = request.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u16::from_ne_bytes(*bytes))
    };
    let is_dump = short(6) & NLM_F_DUMP == NLM_F_DUMP;
    let object = match short(4) {
        NLCTRL => {
            Some(Answer::new(NLCTRL, &[1, 2, 0, 0]).attr(2, b"macsec\0").attr(1, &FAMILY.to_ne_bytes()))
        }
        18 => Some(device()),
        FAMILY if is_dump => Some(Answer::new(FAMILY, &unhex(SECY))),
        _ => None,
    };
    let object = object.map(|object| object.answers(request));
    match is_dump {
        true => {
            let entries = object.into_iter().map(Answer::multi);
            Conversation::of(entries.chain([Answer::done(0).answers(request)]))
        }
        false => Conversation::of(object.into_iter().chain([Answer::ack(request)])),
    }
}

/// `struct ifinfomsg` with an index, IFLA_IFNAME and IFLA_LINKINFO.
fn device() -> Answer {
    let header = [&[0, 0, 1, 0][..], &DEV.to_ne_bytes(), &[0; 8]].concat();
    let info = [attr(1, b"macsec\0"), attr(2, &unhex(DEVICE))].concat();
    Answer::new(RTM_NEWLINK, &header).attr(3, b"m0\0").attr(18, &info)
}

/// A nested attribute, padded.
fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap();
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn peer() -> Sci {
    "1ceddeadbeef04d2".parse().unwrap()
}

const OPERATIONS: &[(&str, Operation)] = &[
    ("read a device", |macsec| in_words(macsec.secy("m0").get())),
    ("list devices", |macsec| in_words(macsec.secys().list())),
    ("encrypt with another association", |macsec| in_words(macsec.secy("m0").set_encoding_sa(1))),
    ("update an association that sends", |macsec| in_words(macsec.tx_sa("m0", 0).active(true).update())),
    ("delete an association that sends", |macsec| in_words(macsec.tx_sa("m0", 0).delete())),
    ("add a channel", |macsec| in_words(macsec.rx_sc("m0", peer()).active(true).add())),
    ("update a channel", |macsec| in_words(macsec.rx_sc("m0", peer()).active(false).update())),
    ("delete a channel", |macsec| in_words(macsec.rx_sc("m0", peer()).delete())),
    ("update an association that receives", |macsec| {
        in_words(macsec.rx_sa("m0", peer(), 0).active(true).update())
    }),
    ("delete an association that receives", |macsec| in_words(macsec.rx_sa("m0", peer(), 0).delete())),
    ("change a device", |macsec| in_words(macsec.device("m0").change(MacsecDevice::new().encrypt(false)))),
    ("delete a device", |macsec| in_words(macsec.device("m0").delete())),
];

fn macsec(kernel: &Played) -> Macsec {
    let patience = if kernel.has_fault() { PATIENCE } else { DEADLINE };
    let sockets = kernel.clone();
    let builder = Connection::builder(Protocol::Generic).sockets_from(move || sockets.socket());
    Macsec::new(builder.timeout(patience).open().unwrap())
}

#[tokio::test]
async fn operation_with_any_fault_ends_and_is_no_false_success() {
    each_with_every_fault(OPERATIONS, kernel, |_| None, DEADLINE, macsec).await;
}

#[tokio::test]
async fn operation_dropped_at_any_await_leaves_the_connections_usable_and_nothing_else() {
    // On both connections.
    let works = async |macsec: &Macsec| assert_eq!(macsec.secy("m0").get().await.unwrap().index, DEV);
    each_at_every_await(OPERATIONS, kernel, SOCKETS, DEADLINE, macsec, works).await;
}
