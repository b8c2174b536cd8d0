//! Events whose messages netlink-packet-route decodes.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests panic with context")]

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use futures_util::StreamExt;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkAttribute;
use netlink_packet_route::route::RouteAttribute;
use nl_core::Protocol;
use nl_core::interop;
use nl_core::message::MessageRef;
use nl_events::report::Reports;
use nl_events::{NetworkEvent, RawEvent, Source};
use nl_testkit::fault::{Answer, Peer};
use nl_testkit::within;
use tokio::sync::mpsc;

const RTM_NEWNEIGH: u16 = 28;
const DEADLINE: Duration = Duration::from_secs(20);

/// What a kernel sent.
fn stored(name: &str) -> Vec<u8> {
    fs::read(format!("{}/fuzz/corpus/event_decode/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The raw event of a message, as the source without a type makes it.
fn raw(bytes: &[u8]) -> RawEvent {
    match Source::raw(1).decode(MessageRef::parse(bytes).unwrap()).unwrap() {
        Some(NetworkEvent::Raw(event)) => event,
        other => panic!("{other:?}"),
    }
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the files are of a little-endian machine")]
fn raw_event_of_a_device_is_read_by_netlink_packet_route_as_ours_is() {
    let bytes = stored("link");
    let ours = NetworkEvent::decode(Protocol::Route, MessageRef::parse(&bytes).unwrap()).unwrap();
    let Some(NetworkEvent::Link(ours)) = ours else { panic!("{ours:?}") };
    let theirs: RouteNetlinkMessage = interop::decode(raw(&bytes).message()).unwrap();
    let RouteNetlinkMessage::NewLink(theirs) = theirs else { panic!("{theirs:?}") };
    let (ours, theirs) = (ours.link(), (theirs.header.index, theirs.attributes));
    assert_eq!(ours.index, theirs.0);
    assert!(theirs.1.contains(&LinkAttribute::IfName(ours.name.to_string())), "{:?}", theirs.1);
    assert!(theirs.1.contains(&LinkAttribute::Mtu(ours.mtu)), "{:?}", theirs.1);
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the files are of a little-endian machine")]
fn raw_event_of_a_route_is_read_by_netlink_packet_route_as_ours_is() {
    let bytes = stored("route");
    let ours = NetworkEvent::decode(Protocol::Route, MessageRef::parse(&bytes).unwrap()).unwrap();
    let Some(NetworkEvent::Route(ours)) = ours else { panic!("{ours:?}") };
    let theirs: RouteNetlinkMessage = interop::decode(raw(&bytes).message()).unwrap();
    let RouteNetlinkMessage::NewRoute(theirs) = theirs else { panic!("{theirs:?}") };
    assert_eq!(theirs.header.destination_prefix_length, ours.route().prefix.len());
    assert!(theirs.attributes.iter().any(|attr| matches!(attr, RouteAttribute::Destination(_))));
}

/// The types that netlink-packet-route does not have, and what is cut.
#[test]
fn message_that_netlink_packet_route_cannot_read_is_an_error() {
    const RTM_NEWNETCONF: u16 = 80;
    for (kind, payload) in [(RTM_NEWNETCONF, &[2, 0, 0, 0][..]), (16, &[0; 3])] {
        let read: Result<RouteNetlinkMessage, _> = interop::decode(MessageRef::from_parts(kind, 0, payload));
        let error = read.map(drop).unwrap_err();
        assert!(matches!(error, nl_core::attr::DecodeError::Unreadable(_)), "{error}");
    }
}

fn entry(last: u8) -> Answer {
    // struct ndmsg: AF_BRIDGE, padding, index, state (NUD_REACHABLE), flags, type.
    let header = [&[7, 0, 0, 0][..], &5_u32.to_ne_bytes(), &2_u16.to_ne_bytes(), &[0, 0]].concat();
    // NDA_LLADDR, NDA_MASTER
    Answer::new(RTM_NEWNEIGH, &header).attr(2, &[2, 0, 0, 0, 0, last]).attr(9, &3_u32.to_ne_bytes())
}

/// The message is beside a typed event where it was asked for, and nowhere else.
#[tokio::test]
async fn report_has_the_message_of_a_typed_event_on_demand() {
    for wanted in [false, true] {
        let (sender, mut monitors) = mpsc::unbounded_channel();
        let source = move || -> io::Result<OwnedFd> {
            let (socket, peer) = Peer::pair()?;
            sender.send(peer).map_err(io::Error::other)?;
            Ok(socket)
        };
        let mut builder = Reports::builder().source(Source::FDB).sockets_from(source);
        if wanted {
            builder = builder.with_messages();
        }
        let mut reports = builder.open().unwrap();
        let monitor = monitors.recv().await.unwrap();
        monitor.answer(&entry(1)).await.unwrap();
        monitor.deliver(&nl_testkit::fault::Delivery::OVERRUN).await.unwrap();
        let report = within(DEADLINE, reports.next(), "a report").await.unwrap();
        let event = report.outcome.unwrap();
        assert!(matches!(event, NetworkEvent::Fdb(_)), "{event:?}");
        assert_eq!(report.message.is_some(), wanted);
        if let Some(message) = report.message {
            assert_eq!(NetworkEvent::decode(Protocol::Route, message.message()).unwrap(), Some(event));
            let theirs: RouteNetlinkMessage = interop::decode(message.message()).unwrap();
            let RouteNetlinkMessage::NewNeighbour(theirs) = theirs else { panic!("{theirs:?}") };
            assert_eq!(theirs.header.ifindex, 5);
        }
        let report = within(DEADLINE, reports.next(), "a report").await.unwrap();
        assert!(report.outcome.is_err_and(|error| error.is_overrun()) && report.message.is_none());
    }
}
