//! How many requests a verb makes of a simulated kernel.

use std::sync::{Arc, Mutex};

use nl_bridge::fdb::{Fdb, RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH};
use nl_core::{Connection, Protocol};
use nl_testkit::fault::{Answer, Conversation, Peer};

use crate::MAC;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const SWP1: u32 = 7;

/// A kernel with the device `swp1` that does what it is asked, and the types of the requests it was sent.
fn simulated() -> (Fdb, Arc<Mutex<Vec<u16>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let source = move || {
        let (socket, peer) = Peer::pair()?;
        let log = Arc::clone(&log);
        tokio::spawn(peer.serve(move |request| {
            let kind = u16::from_ne_bytes([request[4], request[5]]);
            log.lock().unwrap().push(kind);
            answer(kind, request)
        }));
        Ok(socket)
    };
    (Fdb::new(Connection::builder(Protocol::Route).sockets_from(source).open().unwrap()), asked)
}

fn answer(kind: u16, request: &[u8]) -> Conversation {
    let index = SWP1.to_ne_bytes();
    let object = match kind {
        // struct ifinfomsg: family, type, index, flags, change. IFLA_IFNAME, IFLA_MTU.
        RTM_GETLINK => Answer::new(RTM_NEWLINK, &[&[0, 0, 1, 0][..], &index, &[0; 8]].concat())
            .attr(3, b"swp1\0")
            .attr(4, &1500_u32.to_ne_bytes()),
        // struct ndmsg: family, index, state, flags, type. NDA_LLADDR.
        RTM_GETNEIGH => Answer::new(RTM_NEWNEIGH, &[&[7, 0, 0, 0][..], &index, &[0x40, 0, 4, 0]].concat())
            .attr(2, &MAC.octets()),
        _ => return Conversation::of([Answer::ack(request)]),
    };
    Conversation::of([object.answers(request), Answer::ack(request)])
}

#[tokio::test]
async fn a_change_by_index_makes_one_request() {
    let (fdb, asked) = simulated();
    let entry = || fdb.entry(MAC, SWP1).master().static_();
    entry().add().await.unwrap();
    assert_eq!(*asked.lock().unwrap(), [RTM_NEWNEIGH]);
    entry().replace().await.unwrap();
    entry().delete().await.unwrap();
    entry().get().await.unwrap();
    assert_eq!(*asked.lock().unwrap(), [RTM_NEWNEIGH, RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH]);
}

#[tokio::test]
async fn a_change_by_name_makes_one_request_after_the_look_up() {
    let (fdb, asked) = simulated();
    fdb.entry(MAC, "swp1").master().static_().add().await.unwrap();
    assert_eq!(*asked.lock().unwrap(), [RTM_GETLINK, RTM_NEWNEIGH]);
}

#[tokio::test]
async fn a_verb_asks_nothing_before_it_is_polled() {
    let (fdb, asked) = simulated();
    drop(fdb.entry(MAC, "swp1").master().add());
    drop(fdb.entries().bridge("br0").flush());
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_pending_verb_can_be_spawned() {
    let (fdb, asked) = simulated();
    let added = tokio::spawn(fdb.entry(MAC, SWP1).master().static_().add());
    drop(fdb);
    added.await.unwrap().unwrap();
    assert_eq!(*asked.lock().unwrap(), [RTM_NEWNEIGH]);
}
