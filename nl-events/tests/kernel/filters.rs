//! What streams leave in the kernel, and what they leave undecoded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt;
use nl_bridge::fdb::{FdbEntry, FdbVerb};
use nl_core::neighbour::{NeighbourEvent, NeighbourWatch};
use nl_core::watch::Change;
use nl_core::{Connection, MacAddr, Protocol};
use nl_events::fdb::FdbEvent;
use nl_events::stream::{Events, EventsBuilder};
use nl_events::{NetworkEvent, Source};
use nl_tc::TcEvent;
use nl_testkit::{Lab, Node, Result, within};

const DEADLINE: Duration = Duration::from_secs(20);

async fn open(node: &Node, builder: EventsBuilder) -> nl_core::Result<Events> {
    node.open(move || builder.open()).await
}

/// The next event, which is not an overrun.
async fn next(events: &mut Events) -> NetworkEvent {
    within(DEADLINE, events.try_next(), "an event").await.unwrap().expect("the stream ended")
}

fn mac(number: u16) -> MacAddr {
    let [high, low] = number.to_be_bytes();
    MacAddr::new([2, 0, 0, 2, high, low])
}

/// Thousands of entries, of this port.
async fn many_entries(node: &Node, port: u32) -> Result {
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let requests = (0..2000)
        .map(move |number| FdbEntry::new(mac(number), port).master().static_().request(FdbVerb::Add));
    assert_eq!(conn.batch(requests).summarize(1).await?.failed, 0);
    Ok(())
}

/// Forwarding databases and neighbours share a group; what is filtered takes no room in the smallest of buffers.
#[nl_testkit::test(needs(tool = "ip", tool = "bridge"))]
async fn filtered_stream_of_neighbours_is_not_overrun_by_forwarding_databases(lab: Lab) -> Result {
    lab.quiet();
    let bridge = lab.bridge("br0", 1).await?;
    let node = bridge.node();
    let port = node.index_of("port1").await?;
    let builder = Events::builder().source(Source::NEIGHBOUR).receive_buffer(0).filtered();
    let mut events = open(node, builder).await?;
    many_entries(node, port).await?;
    node.ip("neigh add 192.0.2.9 lladdr 02:00:00:00:aa:09 dev br0 nud permanent").await;
    loop {
        match next(&mut events).await {
            NetworkEvent::Neighbour(NeighbourEvent::New(new)) if new.dst.to_string() == "192.0.2.9" => {
                return Ok(());
            }
            NetworkEvent::Neighbour(_) => {}
            other => panic!("an event of another source: {other:?}"),
        }
    }
}

/// So is a watch, which needs no new list then.
#[nl_testkit::test(needs(tool = "ip", tool = "bridge"))]
async fn watch_of_neighbours_is_not_overrun_by_forwarding_databases(lab: Lab) -> Result {
    lab.quiet();
    let bridge = lab.bridge("br0", 1).await?;
    let node = bridge.node();
    let port = node.index_of("port1").await?;
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let mut watch = NeighbourWatch::builder(&conn).receive_buffer(0).open().await?;
    let synced =
        async { while watch.try_next().await.unwrap().expect("the watch ended") != Change::Synced {} };
    within(DEADLINE, synced, "the watch to be synced").await;
    many_entries(node, port).await?;
    node.ip("neigh add 192.0.2.9 lladdr 02:00:00:00:aa:09 dev br0 nud permanent").await;
    let added = async {
        loop {
            match watch.try_next().await.unwrap().expect("the watch ended") {
                Change::Added(new) if new.dst.to_string() == "192.0.2.9" => return,
                _ => {}
            }
        }
    };
    within(DEADLINE, added, "the neighbour").await;
    assert_eq!(watch.overruns(), 0);
    Ok(())
}

#[nl_testkit::test(needs(tool = "bridge"))]
async fn stream_of_an_interface_is_not_overrun_by_others(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 2).await?;
    let node = bridge.node();
    let [busy, wanted] = [node.index_of("port1").await?, node.index_of("port2").await?];
    let builder = Events::builder().source(Source::FDB).receive_buffer(0).interface(wanted);
    let mut events = open(node, builder).await?;
    many_entries(node, busy).await?;
    node.bridge("fdb add 02:00:00:00:aa:01 dev port2 master static").await;
    loop {
        let NetworkEvent::Fdb(event) = next(&mut events).await else { panic!("an event of another source") };
        assert_eq!(event.entry().index, wanted, "{event}");
        if matches!(&event, FdbEvent::New(new) if new.mac.to_string() == "02:00:00:00:aa:01") {
            return Ok(());
        }
    }
}

/// Rules have no interface in their header, and are not left out.
#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn stream_of_an_interface_has_what_belongs_to_none(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add d0 type veth peer name p0").await;
    let wanted = node.index_of("d0").await?;
    let builder = Events::builder().source(Source::IPV4_ADDRESS).source(Source::IPV4_RULE).interface(wanted);
    let mut events = open(&node, builder).await?;
    node.ip("address add 192.0.2.1/24 dev p0").await;
    node.ip("rule add pref 9 table 9").await;
    assert!(matches!(next(&mut events).await, NetworkEvent::Rule(_)));
    node.ip("address add 192.0.2.2/24 dev d0").await;
    assert!(matches!(next(&mut events).await, NetworkEvent::Address(_)));
    Ok(())
}

/// A replaced qdisc is one datagram with two messages, and both pass.
#[nl_testkit::test(needs(link = "veth", qdisc = "htb", qdisc = "prio", tool = "ip", tool = "tc"))]
async fn filtered_stream_has_both_messages_of_a_replaced_qdisc(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add d0 type veth peer name p0").await;
    node.tc("qdisc add dev d0 root handle 1: htb").await;
    let wanted = node.index_of("d0").await?;
    let mut events = open(&node, Events::builder().source(Source::QDISC).interface(wanted)).await?;
    node.tc("qdisc replace dev d0 root handle 2: prio").await;
    for kind in ["htb", "prio"] {
        let NetworkEvent::Tc(event) = next(&mut events).await else { panic!("an event of another source") };
        let (TcEvent::DeletedQdisc(qdisc) | TcEvent::NewQdisc(qdisc)) = &*event else {
            panic!("no qdisc: {event:?}")
        };
        assert_eq!(qdisc.config.kind(), kind);
    }
    Ok(())
}

#[nl_testkit::test(needs(tool = "ip"))]
async fn message_that_is_not_wanted_is_not_decoded(lab: Lab) -> Result {
    const RTM_DELRULE: u16 = 33;
    let node = lab.node("a").await?;
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let builder = Events::builder().source(Source::IPV4_RULE).decode_if(move |message| {
        counter.fetch_add(1, Ordering::Relaxed);
        message.kind() == RTM_DELRULE
    });
    let mut events = open(&node, builder).await?;
    node.ip("rule add pref 9 table 9").await;
    node.ip("rule del pref 9").await;
    let NetworkEvent::Rule(event) = next(&mut events).await else { panic!("an event of another source") };
    assert!(matches!(event, nl_core::rule::RuleEvent::Deleted(_)), "{event:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    Ok(())
}
