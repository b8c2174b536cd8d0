//! A monitor whose kernel is played.

use futures_util::StreamExt;
use nl_core::error::ErrorKind;
use nl_core::link::Link;
use nl_core::monitor::Monitor;
use nl_core::{Protocol, Result};
use nl_testkit::fault::{Conversation, Fault, Peer};
use nl_testkit::within;

use crate::{DEADLINE, NAMES, faults, link, only};

fn events() -> Conversation {
    Conversation::of(NAMES.map(|name| link(name, &[0; 16])))
}

fn monitor() -> (Monitor<String>, Peer) {
    let (socket, peer) = Peer::pair().unwrap();
    let monitor = Monitor::builder(Protocol::Route)
        .group(1)
        .sockets_from(only(socket))
        .open(|message| Ok(Some(Link::decode(message)?.name.into())))
        .unwrap();
    (monitor, peer)
}

/// All that a monitor yields when this is what arrives and then the connection ends.
async fn yielded(conversation: &Conversation, what: &str) -> Vec<Result<String>> {
    let (monitor, peer) = monitor();
    drop(peer.play(conversation).await.unwrap());
    within(DEADLINE, monitor.collect(), what).await
}

/// What was read of it; the end is the last of all and said once.
fn read(yielded: &[Result<String>]) -> Vec<&Result<String>> {
    let (end, events) = yielded.split_last().unwrap();
    assert!(matches!(end.as_ref().unwrap_err().kind(), ErrorKind::Closed), "{end:?}");
    assert!(!events.iter().any(|event| matches!(event, Err(e) if matches!(e.kind(), ErrorKind::Closed))));
    events.iter().collect()
}

#[tokio::test]
async fn overrun_is_reported_in_its_place_and_the_monitor_goes_on() {
    for delivery in 0..NAMES.len() {
        let conversation = events().with(Fault::Overrun { delivery }).unwrap();
        let what = format!("an overrun at {delivery}");
        let yielded = yielded(&conversation, &what).await;
        for (number, event) in read(&yielded).into_iter().enumerate() {
            match event {
                Ok(name) => assert!(number != delivery && name == NAMES[number], "{what}: {yielded:?}"),
                Err(error) => assert!(number == delivery && error.is_overrun(), "{what}: {error}"),
            }
        }
        assert_eq!(yielded.len(), NAMES.len() + 1, "{what}");
    }
}

#[tokio::test]
async fn what_was_queued_behind_an_overrun_is_thrown_away_when_asked_and_what_comes_later_is_not() {
    for delivery in 0..NAMES.len() {
        let (mut monitor, peer) = monitor();
        let overrun = events().with(Fault::Overrun { delivery }).unwrap();
        let peer = peer.play(&overrun).await.unwrap().unwrap();
        for name in NAMES.iter().take(delivery) {
            assert_eq!(monitor.next().await.unwrap().unwrap(), *name);
        }
        assert!(monitor.next().await.unwrap().unwrap_err().is_overrun());
        assert_eq!(monitor.discard_pending().unwrap(), delivery + 1 < NAMES.len());
        peer.answer(&link("later", &[0; 16])).await.unwrap();
        let later = within(DEADLINE, monitor.next(), "an event after the overrun").await;
        assert_eq!(later.unwrap().unwrap(), "later");
    }
}

#[tokio::test]
async fn other_receive_errors_end_it() {
    for delivery in 0..=NAMES.len() {
        let failing = events().deliveries().iter().take(delivery).cloned().collect::<Conversation>();
        let failing: Conversation = failing
            .deliveries()
            .iter()
            .cloned()
            .chain([nl_testkit::fault::Delivery::Error(libc::EIO)])
            .collect();
        let (monitor, peer) = monitor();
        let _peer = peer.play(&failing).await.unwrap();
        let yielded: Vec<_> = within(DEADLINE, monitor.collect(), "a failing monitor").await;
        let (last, before) = yielded.split_last().unwrap();
        assert_eq!(before.len(), delivery);
        assert_eq!(last.as_ref().unwrap_err().errno(), Some(nl_core::error::Errno::new(libc::EIO)));
    }
}

/// Nothing is made up, and what the fault does not touch is reported in the order in which it came.
#[tokio::test]
async fn any_fault_spoils_no_other_event() {
    let whole = events();
    let all = faults(&whole);
    assert!(all.len() > 100, "{} faults", all.len());
    let mut noticed = 0;
    for fault in all {
        let what = format!("a monitor with {fault:?}");
        let yielded = yielded(&whole.with(fault).unwrap(), &what).await;
        let read = read(&yielded);
        noticed += usize::from(read.iter().any(|event| event.is_err()));
        let names: Vec<&str> = read.iter().filter_map(|event| Some(event.as_ref().ok()?.as_str())).collect();
        let mut expected = NAMES.to_vec();
        match fault {
            Fault::Ended { delivery } => expected.truncate(delivery),
            Fault::Swapped { delivery } => expected.swap(delivery, delivery + 1),
            Fault::Duplicated { delivery } => expected.insert(delivery, NAMES[delivery]),
            Fault::Lost { delivery } | Fault::Overrun { delivery } => {
                expected.remove(delivery);
            }
            // Events are recognised by their contents.
            Fault::Interrupted { .. } | Fault::WrongSequence { .. } => {}
            Fault::Cut { delivery, .. }
            | Fault::MessageLength { delivery, .. }
            | Fault::AttrLength { delivery, .. } => {
                if names.len() == expected.len() {
                    // Read all the same: a name that was cut with its attribute, or only padding was.
                    let name = names[delivery];
                    assert!(NAMES[delivery].starts_with(name), "{what}: {name}");
                    expected[delivery] = name;
                } else {
                    expected.remove(delivery);
                }
            }
            _ => panic!("{what}: a new kind of fault"),
        }
        assert_eq!(names, expected, "{what}");
    }
    assert!(noticed > 50, "only {noticed} faults were noticed");
}

/// Many events are received at once, and one that does not fit is lost alone.
#[tokio::test]
async fn event_that_is_too_large_is_lost_alone_at_every_place_of_a_burst() {
    const EVENTS: usize = 40;
    let names: Vec<String> = (0..EVENTS).map(|number| format!("eth{number}")).collect();
    for at in 0..EVENTS {
        let (mut monitor, peer) = monitor();
        for (number, name) in names.iter().enumerate() {
            let event = link(name, &[0; 16]);
            // Two attributes of a kind that is not known.
            let large =
                [150, 151].into_iter().fold(event.clone(), |event, kind| event.attr(kind, &[0; 65_000]));
            let large = large.attr(152, &[0; 2_000]);
            peer.answer(if number == at { &large } else { &event }).await.unwrap();
        }
        let what = format!("a large event at {at}");
        for (number, name) in names.iter().enumerate() {
            let event = within(DEADLINE, monitor.next(), &what).await.unwrap();
            match number == at {
                true => assert!(event.unwrap_err().is_overrun(), "{what}"),
                false => assert_eq!(event.unwrap(), *name, "{what}"),
            }
        }
        // Its size is known now.
        let large = [150, 151]
            .into_iter()
            .fold(link("large", &[0; 16]), |event, kind| event.attr(kind, &[0; 65_000]));
        peer.answer(&large.attr(152, &[0; 2_000])).await.unwrap();
        drop(peer);
        let rest: Vec<_> = within(DEADLINE, monitor.collect(), &what).await;
        let rest = read(&rest);
        assert!(matches!(rest.as_slice(), [Ok(name)] if name == "large"), "{what}: {rest:?}");
    }
}

#[tokio::test]
async fn events_that_were_received_together_are_discarded_together() {
    for (events, read) in [(1, 1), (3, 1), (3, 2), (40, 1), (40, 2), (40, 20), (40, 40)] {
        let (mut monitor, peer) = monitor();
        for number in 0..events {
            peer.answer(&link(&format!("eth{number}"), &[0; 16])).await.unwrap();
        }
        for number in 0..read {
            let event = within(DEADLINE, monitor.next(), "an event").await.unwrap().unwrap();
            assert_eq!(event, format!("eth{number}"));
        }
        assert_eq!(monitor.discard_pending().unwrap(), read < events, "{read} of {events}");
        assert!(!monitor.discard_pending().unwrap());
        peer.answer(&link("later", &[0; 16])).await.unwrap();
        assert_eq!(within(DEADLINE, monitor.next(), "a later event").await.unwrap().unwrap(), "later");
    }
}
