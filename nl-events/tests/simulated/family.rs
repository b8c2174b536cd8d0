//! A generic netlink family that is registered again has other numbers; its events still arrive.

use std::io;
use std::os::fd::OwnedFd;

use futures_util::StreamExt;
use nl_core::genl::{Family, FamilyEvent};
use nl_events::stream::Events;
use nl_events::{NetworkEvent, Source};
use nl_testkit::fault::{Answer, Peer};
use nl_testkit::within;
use tokio::sync::mpsc;

use crate::support::DEADLINE;

const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_NEWFAMILY: u8 = 1;
const EVENT_CLOSED: u8 = 3;

/// `CTRL_CMD_NEWFAMILY` of this number, with the group of events.
fn registered(number: u16) -> Answer {
    // CTRL_ATTR_MCAST_GRP_ID, CTRL_ATTR_MCAST_GRP_NAME
    let mut group = attr(2, &9_u32.to_ne_bytes());
    group.extend(attr(1, b"mptcp_pm_events\0"));
    let groups = attr(1, &group);
    Answer::new(GENL_ID_CTRL, &[CTRL_CMD_NEWFAMILY, 2, 0, 0])
        .attr(1, &number.to_ne_bytes())
        .attr(2, b"mptcp_pm\0")
        .attr(7, &groups)
}

fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(4 + value.len()).unwrap();
    let mut bytes = [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A connection of this token was closed, as the family of this number says it.
fn closed(number: u16, token: u32) -> Answer {
    Answer::new(number, &[EVENT_CLOSED, 1, 0, 0]).attr(1, &token.to_ne_bytes())
}

#[tokio::test]
async fn events_of_a_family_that_is_registered_again_arrive() {
    for with_families in [false, true] {
        let (sender, mut monitors) = mpsc::unbounded_channel();
        let source = move || -> io::Result<OwnedFd> {
            let (socket, peer) = Peer::pair()?;
            sender.send(peer).map_err(io::Error::other)?;
            Ok(socket)
        };
        let mut family = Family::default();
        (family.id, family.groups) = (28, vec![("mptcp_pm_events".into(), 5)]);
        let mut builder = Events::builder().source(Source::mptcp(&family).unwrap()).sockets_from(source);
        if with_families {
            builder = builder.source(Source::FAMILY);
        }
        let mut events = builder.open().unwrap();
        let monitor = monitors.recv().await.unwrap();
        for answer in [closed(28, 1), registered(40), closed(28, 2), closed(40, 3)] {
            monitor.answer(&answer).await.unwrap();
        }
        let mut next = async || within(DEADLINE, events.next(), "an event").await.unwrap().unwrap();
        let NetworkEvent::Mptcp(first) = next().await else { panic!("no event of the family") };
        assert_eq!(first.to_string(), "CLOSED token=00000001");
        if with_families {
            let NetworkEvent::Family(FamilyEvent::New(new)) = next().await else { panic!("no family") };
            assert_eq!((new.name.as_str(), new.id), ("mptcp_pm", 40));
        }
        // The one of the old number is another family's by now.
        let NetworkEvent::Mptcp(last) = next().await else { panic!("no event of the new number") };
        assert_eq!(last.to_string(), "CLOSED token=00000003");
    }
}
