//! Events of traffic control, against what `tc` does.

use std::time::Duration;

use futures_util::TryStreamExt;
use nl_events::stream::Events;
use nl_events::{NetworkEvent, RtnetlinkGroup};
use nl_tc::{TcEvent, TcHandle};
use nl_testkit::{Lab, Node, Result, within};

const DEADLINE: Duration = Duration::from_secs(20);

async fn world(lab: &Lab) -> Result<Node> {
    let node = lab.node("a").await?;
    node.ip("link add d0 type veth peer name p0").await;
    Ok(node)
}

async fn open(node: &Node, groups: &'static [RtnetlinkGroup]) -> nl_core::Result<Events> {
    node.open(|| groups.iter().fold(Events::builder(), |events, group| events.group(*group)).open()).await
}

async fn next(events: &mut Events) -> TcEvent {
    match events.try_next().await.unwrap().expect("the stream ended") {
        NetworkEvent::Tc(event) => *event,
        other => panic!("an event of another source: {other:?}"),
    }
}

/// Does something with `tc` and reads events until one is as wanted.
async fn event(node: &Node, events: &mut Events, tc: &str, wanted: impl Fn(&TcEvent) -> bool) {
    node.tc(tc).await;
    let found = async { while !wanted(&next(events).await) {} };
    within(DEADLINE, found, tc).await;
}

#[nl_testkit::test(needs(link = "veth", qdisc = "htb", tool = "tc", tool = "ip"))]
async fn qdisc_that_is_added_and_deleted_has_events(lab: Lab) -> Result {
    let node = world(&lab).await?;
    let index = node.index_of("d0").await?;
    let mut events = open(&node, &[RtnetlinkGroup::Qdisc]).await?;
    let one = TcHandle::new(1, 0);
    let is = |event: &TcEvent, deleted: bool| match event {
        TcEvent::DeletedQdisc(qdisc) | TcEvent::NewQdisc(qdisc) => {
            matches!(event, TcEvent::DeletedQdisc(_)) == deleted
                && (qdisc.index, qdisc.handle, qdisc.config.kind()) == (index, one, "htb")
        }
        other => panic!("an event of another object: {other:?}"),
    };
    event(&node, &mut events, "qdisc add dev d0 root handle 1: htb default 10", |event| is(event, false))
        .await;
    event(&node, &mut events, "qdisc del dev d0 root", |event| is(event, true)).await;
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", qdisc = "htb", tool = "tc", tool = "ip"))]
async fn class_that_is_added_and_deleted_has_events(lab: Lab) -> Result {
    let node = world(&lab).await?;
    node.tc("qdisc add dev d0 root handle 1: htb").await;
    let mut events = open(&node, &[RtnetlinkGroup::Class]).await?;
    let is = |event: &TcEvent, deleted: bool| match event {
        TcEvent::DeletedClass(class) | TcEvent::NewClass(class) => {
            matches!(event, TcEvent::DeletedClass(_)) == deleted
                && class.handle == TcHandle::new(1, 0x10)
                && class.to_string().contains("rate 10Mbit")
        }
        other => panic!("an event of another object: {other:?}"),
    };
    let add = "class add dev d0 parent 1: classid 1:10 htb rate 10mbit";
    event(&node, &mut events, add, |event| is(event, false)).await;
    event(&node, &mut events, "class del dev d0 classid 1:10", |event| is(event, true)).await;
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", qdisc = "clsact", tool = "tc", tool = "ip"))]
async fn filter_that_is_added_and_deleted_has_events(lab: Lab) -> Result {
    let node = world(&lab).await?;
    node.tc("qdisc add dev d0 clsact").await;
    let mut events = open(&node, &[RtnetlinkGroup::Filter]).await?;
    let is = |event: &TcEvent, deleted: bool| match event {
        TcEvent::DeletedFilter(filter) | TcEvent::NewFilter(filter) => {
            matches!(event, TcEvent::DeletedFilter(_)) == deleted
                && (filter.priority, filter.parent) == (7, TcHandle::CLSACT_EGRESS)
        }
        other => panic!("an event of another object: {other:?}"),
    };
    let add = "filter add dev d0 egress prio 7 protocol all matchall action pass";
    event(&node, &mut events, add, |event| is(event, false)).await;
    event(&node, &mut events, "filter del dev d0 egress prio 7", |event| is(event, true)).await;
    Ok(())
}

/// One datagram has both messages.
#[nl_testkit::test(needs(link = "veth", qdisc = "htb", qdisc = "prio", tool = "tc", tool = "ip"))]
async fn qdisc_that_is_replaced_has_the_event_of_the_old_one_first(lab: Lab) -> Result {
    let node = world(&lab).await?;
    node.tc("qdisc add dev d0 root handle 1: htb").await;
    let mut events = open(&node, &[RtnetlinkGroup::Qdisc]).await?;
    node.tc("qdisc replace dev d0 root handle 2: prio").await;
    let mut found = Vec::new();
    while found.len() < 2 {
        found.push(match within(DEADLINE, next(&mut events), "two events").await {
            TcEvent::DeletedQdisc(qdisc) => (true, qdisc.config.kind().to_owned()),
            TcEvent::NewQdisc(qdisc) => (false, qdisc.config.kind().to_owned()),
            other => panic!("an event of another object: {other:?}"),
        });
    }
    assert_eq!(found, [(true, "htb".to_owned()), (false, "prio".to_owned())]);
    Ok(())
}
