//! Events with where they happened and who caused them.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use nl_bridge::fdb::{FdbEntry, FdbVerb};
use nl_core::connection::Requester;
use nl_core::link::LinkEvent;
use nl_core::netns::Netns;
use nl_core::rule::{Rule, RuleEvent, RuleVerb, Rules};
use nl_core::{Connection, IpFamily, MacAddr, Protocol};
use nl_events::report::{Place, Report, Reports};
use nl_events::stream::Events;
use nl_events::{NetworkEvent, RtnetlinkGroup, Source};
use nl_testkit::{Lab, Node, Result, within};

const DEADLINE: Duration = Duration::from_secs(20);

async fn next(reports: &mut Reports) -> Report {
    within(DEADLINE, reports.next(), "a report").await.expect("the stream ended")
}

/// Where the device of this name is new.
async fn place_of(reports: &mut Reports, name: &str) -> Place {
    loop {
        let Report { place, outcome, .. } = next(reports).await;
        match outcome.unwrap() {
            NetworkEvent::Link(LinkEvent::New(link)) if link.name == *name => return place,
            NetworkEvent::Link(_) => {}
            other => panic!("an event of another source: {other:?}"),
        }
    }
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn report_of_a_given_namespace_has_its_name(lab: Lab) -> Result {
    let [a, b, c] = [lab.node("a").await?, lab.node("b").await?, lab.node("c").await?];
    let [blue, red] = [Netns::fd(a.netns_fd())?, Netns::fd(b.netns_fd())?];
    let mut reports =
        Reports::builder().source(Source::LINK).namespace("blue", &blue).namespace("red", &red).open()?;
    c.ip("link add d0 type bridge").await;
    b.ip("link add d1 type bridge").await;
    let place = place_of(&mut reports, "d1").await;
    assert_eq!((place.name.as_deref(), place.nsid, place.to_string().as_str()), (Some("red"), None, "[red]"));
    a.ip("link add d2 type bridge").await;
    assert_eq!(place_of(&mut reports, "d2").await.name.as_deref(), Some("blue"));
    Ok(())
}

/// An id of 0 is another namespace, and equal indexes of two namespaces are two devices.
#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn report_of_a_namespace_with_an_id_has_the_id(lab: Lab) -> Result {
    let [a, b, c] = [lab.node("a").await?, lab.node("b").await?, lab.node("c").await?];
    a.ip("netns set b 0").await;
    a.ip("netns set c 9").await;
    let mut reports = a.open(|| Reports::builder().source(Source::LINK).all_namespaces().open()).await?;
    for (node, name, nsid) in [(&b, "d0", Some(0)), (&c, "d1", Some(9)), (&a, "d2", None)] {
        node.ip(&format!("link add {name} index 77 type bridge")).await;
        let place = place_of(&mut reports, name).await;
        assert_eq!((place.name, place.nsid), (None, nsid), "{name}");
    }
    Ok(())
}

/// Two namespaces are changed by turns; each one's events are in order.
#[nl_testkit::test(needs(tool = "ip"))]
async fn order_of_each_namespace_is_kept(lab: Lab) -> Result {
    const RULES: u32 = 200;
    let nodes = [lab.node("a").await?, lab.node("b").await?];
    let mut builder = Reports::builder().source(Source::IPV4_RULE);
    for node in &nodes {
        builder = builder.namespace(node.name(), &Netns::fd(node.netns_fd())?);
    }
    let mut reports = builder.open()?;
    for node in &nodes {
        let conn = node.open(|| Connection::open(Protocol::Route)).await?;
        let requests = (1..=RULES).map(|priority| rule(priority).request(RuleVerb::Add));
        assert_eq!(conn.batch(requests).summarize(1).await?.failed, 0);
    }
    let mut next_priority = [1; 2];
    while next_priority != [RULES + 1; 2] {
        let Report { place, outcome, .. } = next(&mut reports).await;
        let NetworkEvent::Rule(RuleEvent::New(rule)) = outcome.unwrap() else {
            panic!("an event of another source")
        };
        let at = usize::from(place.name.as_deref() == Some("b"));
        assert_eq!(rule.priority, Some(next_priority[at]), "{place}");
        next_priority[at] += 1;
    }
    Ok(())
}

fn rule(priority: u32) -> Rule {
    let mut rule = Rule::new(IpFamily::V4);
    (rule.priority, rule.table) = (Some(priority), Some(1000));
    rule
}

/// What is lost has a place, and ends nothing.
#[nl_testkit::test(needs(tool = "ip"))]
async fn overrun_is_reported_with_its_namespace(lab: Lab) -> Result {
    let [a, b] = [lab.node("a").await?, lab.node("b").await?];
    let [quiet, busy] = [Netns::fd(a.netns_fd())?, Netns::fd(b.netns_fd())?];
    let builder = Reports::builder().source(Source::IPV4_RULE).receive_buffer(0);
    let mut reports = builder.namespace("quiet", &quiet).namespace("busy", &busy).open()?;
    let conn = b.open(|| Connection::open(Protocol::Route)).await?;
    let requests = (1..=2000).map(|priority| rule(priority).request(RuleVerb::Add));
    assert_eq!(conn.batch(requests).summarize(1).await?.failed, 0);
    a.ip("rule add pref 9 table 9").await;
    let (mut lost, mut heard) = (false, false);
    while !(lost && heard) {
        let Report { place, outcome, .. } = next(&mut reports).await;
        match outcome {
            Err(error) => {
                assert!(error.is_overrun(), "{error}");
                assert_eq!(place.to_string(), "[busy]");
                lost = true;
            }
            Ok(_) => heard |= place.name.as_deref() == Some("quiet"),
        }
    }
    Ok(())
}

/// The cause in the next event that is `wanted`.
async fn cause(reports: &mut Reports, wanted: impl Fn(&NetworkEvent) -> bool) -> Option<u32> {
    loop {
        let Report { cause, outcome, .. } = next(reports).await;
        if wanted(&outcome.unwrap()) {
            return cause.map(|cause| cause.port);
        }
    }
}

async fn reports(node: &Node, group: RtnetlinkGroup) -> nl_core::Result<Reports> {
    node.open(move || Reports::builder().source(group).open()).await
}

/// The table in the documentation of the module: what a family says, and what it does not say.
#[nl_testkit::test(needs(link = "veth", qdisc = "htb", tool = "ip", tool = "tc"))]
async fn event_names_its_requester_in_the_families_that_are_listed(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 1).await?;
    let node = bridge.node();
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let own = Requester::from(&conn);
    let index = node.index_of("port1").await?;

    let mut rules = reports(node, RtnetlinkGroup::Ipv4Rule).await?;
    conn.ack(rule(77).request(RuleVerb::Add)).await?;
    let port = cause(&mut rules, |event| matches!(event, NetworkEvent::Rule(_))).await;
    assert!(port.is_some_and(|port| own.has_port(port)), "a rule: {port:?}");

    let mut entries = reports(node, RtnetlinkGroup::BridgeFdb).await?;
    let mac = MacAddr::new([2, 0, 0, 0, 0, 7]);
    conn.ack(FdbEntry::new(mac, index).master().static_().request(FdbVerb::Add)).await?;
    let is = |event: &NetworkEvent| matches!(event, NetworkEvent::Fdb(event) if event.entry().mac == mac);
    assert_eq!(cause(&mut entries, is).await, None, "an entry of the forwarding database");

    // What is known of one program is known of another. The third is a part of what is printed of the event.
    node.ip("netns add gone").await;
    for (group, command, part, known) in [
        (RtnetlinkGroup::Ipv4Address, "address add 192.0.2.1/24 dev lo", "192.0.2.1", true),
        (RtnetlinkGroup::Ipv6Address, "address add 2001:db8::1/64 dev lo nodad", "2001:db8::1", false),
        (RtnetlinkGroup::Ipv4Route, "route add 198.51.100.0/24 dev lo", "198.51.100.0", true),
        (
            RtnetlinkGroup::Neighbour,
            "neigh add 192.0.2.9 lladdr 02:00:00:00:aa:09 dev br0",
            "192.0.2.9",
            true,
        ),
        (RtnetlinkGroup::Nexthop, "nexthop add id 7 dev lo", "id: 7", true),
        (RtnetlinkGroup::Link, "link set port1 mtu 1400", "mtu: 1400", false),
        (RtnetlinkGroup::Namespace, "netns set gone 7", "id: 7", true),
    ] {
        let mut found = reports(node, group).await?;
        node.ip(command).await;
        let port = cause(&mut found, |event| format!("{event:?}").contains(part)).await;
        assert_eq!(port.is_some(), known, "{command}: {port:?}");
        assert!(!port.is_some_and(|port| own.has_port(port)), "{command} is not ours");
    }
    node.ip("netns del gone").await;

    let mut qdiscs = reports(node, RtnetlinkGroup::Qdisc).await?;
    node.tc("qdisc add dev port1 root handle 1: htb").await;
    assert!(cause(&mut qdiscs, |_| true).await.is_some(), "a qdisc");
    Ok(())
}

/// The rest of that table: nobody is named for what bridges report.
#[nl_testkit::test(needs(
    bridge_vlan_filtering,
    link = "veth",
    link = "vxlan",
    tool = "ip",
    iproute2 = "6.8"
))]
async fn event_of_a_bridge_names_nobody(lab: Lab) -> Result {
    lab.quiet();
    let node = lab.node("a").await?;
    node.ip("link add br0 up type bridge vlan_filtering 1").await;
    node.ip("link add d0 type veth peer name p0").await;
    node.ip("link set d0 master br0").await;
    node.ip("link add vf0 type vxlan external vnifilter dstport 4790").await;
    for (group, command, part) in [
        (RtnetlinkGroup::BridgeVlan, "vlan add dev d0 vid 10", "10"),
        (RtnetlinkGroup::BridgePort, "link set dev d0 learning off", "d0"),
        (RtnetlinkGroup::BridgeMdb, "mdb add dev br0 port d0 grp 239.1.1.1 permanent", "239.1.1.1"),
        (RtnetlinkGroup::Vni, "vni add vni 100 dev vf0", "100"),
    ] {
        let mut found = reports(&node, group).await?;
        node.bridge(command).await;
        let port = cause(&mut found, |event| format!("{event:?}").contains(part)).await;
        assert_eq!(port, None, "{command}");
    }
    Ok(())
}

/// One's own changes are left out, those of others are not.
#[nl_testkit::test(needs(tool = "ip"))]
async fn stream_that_is_not_from_a_connection_lacks_its_events(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let own = conn.clone();
    let mut events =
        node.open(move || Events::builder().source(Source::IPV4_RULE).not_from(&own).open()).await?;
    conn.ack(rule(1).request(RuleVerb::Add)).await?;
    // A batch has a socket of its own.
    let requests = (2..=3).map(|priority| rule(priority).request(RuleVerb::Add));
    assert_eq!(conn.batch(requests).summarize(1).await?.failed, 0);
    assert!(Rules::new(conn.clone()).entries().list().await?.collect_all().await?.len() >= 3);
    node.ip("rule add pref 9 table 9").await;
    let event = within(DEADLINE, events.try_next(), "an event").await?.expect("the stream ended");
    let NetworkEvent::Rule(event) = event else { panic!("an event of another source") };
    assert!(format!("{event:?}").contains("priority: Some(9)"), "{event:?}");
    Ok(())
}

/// A connection to another protocol, or in another namespace, can have the same port.
#[nl_testkit::test(needs(tool = "ip"))]
async fn stream_that_is_not_from_a_connection_elsewhere_lacks_nothing(lab: Lab) -> Result {
    let [a, b] = [lab.node("a").await?, lab.node("b").await?];
    let elsewhere = b.open(|| Connection::open(Protocol::Route)).await?;
    let generic = a.open(|| Connection::open(Protocol::Generic)).await?;
    let conn = a.open(|| Connection::open(Protocol::Route)).await?;
    let open =
        move || Events::builder().source(Source::IPV4_RULE).not_from(&elsewhere).not_from(&generic).open();
    let mut events = a.open(open).await?;
    conn.ack(rule(1).request(RuleVerb::Add)).await?;
    let event = within(DEADLINE, events.try_next(), "an event").await?.expect("the stream ended");
    assert!(matches!(event, NetworkEvent::Rule(_)), "{event:?}");
    Ok(())
}
