//! Several namespaces under one stream, of which one is busy.

use std::io;
use std::os::fd::OwnedFd;

use futures_util::StreamExt;
use nl_core::netns::Netns;
use nl_events::fdb::FdbEvent;
use nl_events::report::Reports;
use nl_events::{NetworkEvent, Source};
use nl_testkit::fault::Peer;
use nl_testkit::within;
use tokio::sync::mpsc;

use crate::support::{DEADLINE, RTM_NEWNEIGH, message};

/// A stream of namespaces with these names, and what sends it the events of each.
fn reports(names: &[&str]) -> (Reports, mpsc::UnboundedReceiver<Peer>) {
    let (sender, monitors) = mpsc::unbounded_channel();
    let source = move || -> io::Result<OwnedFd> {
        let (socket, peer) = Peer::pair()?;
        sender.send(peer).map_err(io::Error::other)?;
        Ok(socket)
    };
    let here = Netns::current().unwrap();
    let builder = Reports::builder().source(Source::FDB).sockets_from(source);
    let builder = names.iter().fold(builder, |builder, name| builder.namespace(name, &here));
    (builder.open().unwrap(), monitors)
}

/// The name of the next report's namespace, and the last byte of its address.
async fn next(reports: &mut Reports) -> (String, u8) {
    let report = within(DEADLINE, reports.next(), "a report").await.unwrap();
    match report.outcome.unwrap() {
        NetworkEvent::Fdb(FdbEvent::New(entry)) => {
            (report.place.name.unwrap().to_string(), entry.mac.octets()[5])
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn busy_namespace_does_not_keep_a_quiet_one_waiting() {
    const EVENTS: u8 = 100;
    let (mut reports, mut monitors) = reports(&["busy", "quiet"]);
    let (busy, quiet) = (monitors.recv().await.unwrap(), monitors.recv().await.unwrap());
    for number in 1..=EVENTS {
        busy.answer(&message(RTM_NEWNEIGH, number, 11)).await.unwrap();
    }
    quiet.answer(&message(RTM_NEWNEIGH, 1, 11)).await.unwrap();
    let mut read = Vec::new();
    for _ in 0..=EVENTS {
        read.push(next(&mut reports).await);
    }
    let at = read.iter().position(|(name, _)| name == "quiet").unwrap();
    assert!(at <= 64, "{at} reports of the busy one came first");
    read.remove(at);
    assert!(read.iter().map(|(_, number)| *number).eq(1..=EVENTS), "{read:?}");
}

#[tokio::test]
async fn namespaces_whose_socket_fails_leave_the_others_alone() {
    let (mut reports, mut monitors) = reports(&["a", "b", "c"]);
    let (a, b, c) =
        (monitors.recv().await.unwrap(), monitors.recv().await.unwrap(), monitors.recv().await.unwrap());
    drop(b);
    let failed = within(DEADLINE, reports.next(), "the end of b").await.unwrap();
    assert_eq!((failed.place.name.as_deref(), failed.outcome.is_err()), (Some("b"), true));
    for (monitor, name) in [(&c, "c"), (&a, "a"), (&c, "c")] {
        monitor.answer(&message(RTM_NEWNEIGH, 7, 11)).await.unwrap();
        assert_eq!(next(&mut reports).await, (name.to_owned(), 7));
    }
    drop((a, c));
    let mut failed = 0;
    while let Some(report) = within(DEADLINE, reports.next(), "the end").await {
        assert!(report.outcome.is_err());
        failed += 1;
    }
    assert_eq!(failed, 2);
}
