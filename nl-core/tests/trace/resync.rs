use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use nl_core::watch::{Change, Watch};
use nl_core::{Connection, Protocol};
use nl_testkit::fault::{Answer, Conversation, Delivery, Peer};
use nl_testkit::within;
use tokio::sync::mpsc;

use crate::DEADLINE;
use crate::addresses::Addresses;
use crate::recorder::recorded;

const OVERRUNS: usize = 40;

/// A kernel without addresses. The first socket is the connection's, the second the monitor's, the others are those of lists.
fn kernel() -> (Connection, mpsc::UnboundedReceiver<Peer>) {
    let (sender, monitors) = mpsc::unbounded_channel();
    let made = AtomicUsize::new(0);
    let source = move || -> io::Result<OwnedFd> {
        let (socket, peer) = Peer::pair()?;
        if made.fetch_add(1, Ordering::Relaxed) == 1 {
            sender.send(peer).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        } else {
            let list = |request: &[u8]| Conversation::of([Answer::done(0).answers(request)]);
            tokio::spawn(async move { drop(peer.serve(list).await) });
        }
        Ok(socket)
    };
    let conn = Connection::builder(Protocol::Route).sockets_from(source).timeout(DEADLINE).open().unwrap();
    (conn, monitors)
}

async fn synced(watch: &mut Watch<Addresses>) {
    let change = within(DEADLINE, watch.next(), "the watch to be synced").await.unwrap().unwrap();
    assert_eq!(change, Change::Synced);
}

#[test]
fn a_watch_that_lists_its_table_again_says_so_a_bounded_number_of_times() {
    let ((), recorded) = recorded(async {
        let (conn, mut monitors) = kernel();
        let mut watch = Watch::open(&conn, Addresses).unwrap();
        let monitor = monitors.recv().await.unwrap();
        synced(&mut watch).await;
        for _ in 0..OVERRUNS {
            monitor.deliver(&Delivery::OVERRUN).await.unwrap();
            synced(&mut watch).await;
        }
    });
    // One span for each list, and the first one is no repetition.
    assert_eq!(recorded.spans.len(), OVERRUNS + 1, "{recorded:#?}");
    assert!(recorded.spans.iter().all(|span| span.name == "list" && span.field("outcome") == "ok"));
    let resyncs: Vec<_> =
        recorded.events.iter().filter(|event| event.field("entries") == "addresses").collect();
    for times in ["1", "2", "4", "8", "16", "32"] {
        let found = resyncs.iter().find(|event| event.field("times") == times);
        assert!(found.is_some_and(|event| event.field("overruns") == times), "{times} in {resyncs:#?}");
    }
    assert!(resyncs.len() < 12, "{resyncs:#?}");
}
