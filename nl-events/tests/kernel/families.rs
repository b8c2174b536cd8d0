//! The event of each family, against what iproute2 does.

use std::time::Duration;

use futures_util::TryStreamExt;
use nl_bridge::mdb::MdbEvent;
use nl_bridge::settings::PortEvent;
use nl_bridge::vlan_db::VlanDbEvent;
use nl_bridge::vni::VniEvent;
use nl_core::address::AddressEvent;
use nl_core::link::LinkEvent;
use nl_core::neighbour::NeighbourEvent;
use nl_core::nexthop::NexthopEvent;
use nl_core::route::RouteEvent;
use nl_core::rule::RuleEvent;
use nl_events::stream::Events;
use nl_events::{NetworkEvent, RtnetlinkGroup, Source};
use nl_testkit::{Lab, Node, Result, within};

const DEADLINE: Duration = Duration::from_secs(20);

/// Does something with `ip` and reads events until one is as wanted.
async fn event(node: &Node, events: &mut Events, ip: &str, wanted: impl Fn(&NetworkEvent) -> bool) {
    node.ip(ip).await;
    until(events, ip, wanted).await;
}

/// The same with `bridge`.
async fn bridge_event(
    node: &Node,
    events: &mut Events,
    bridge: &str,
    wanted: impl Fn(&NetworkEvent) -> bool,
) {
    node.bridge(bridge).await;
    until(events, bridge, wanted).await;
}

async fn until(events: &mut Events, what: &str, wanted: impl Fn(&NetworkEvent) -> bool) {
    let found = async { while !wanted(&events.try_next().await.unwrap().expect("the stream ended")) {} };
    within(DEADLINE, found, what).await;
}

async fn world(lab: &Lab) -> Result<Node> {
    let node = lab.node("a").await?;
    node.ip("link add d0 type veth peer name p0").await;
    node.ip("link set p0 up").await;
    node.ip("link set d0 up").await;
    Ok(node)
}

async fn open(node: &Node, groups: &'static [RtnetlinkGroup]) -> nl_core::Result<Events> {
    node.open(|| groups.iter().fold(Events::builder(), |events, group| events.group(*group)).open()).await
}

#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip"))]
async fn link_that_is_made_changed_and_deleted_has_events_and_its_port_none(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mut events = node.open(|| Events::builder().source(Source::LINK).open()).await?;
    let is = |event: &NetworkEvent, deleted: bool| match event {
        NetworkEvent::Link(LinkEvent::New(link)) => !deleted && link.name == *"d0",
        NetworkEvent::Link(LinkEvent::Deleted(link)) => deleted && link.name == *"d0",
        other => panic!("an event of another source: {other:?}"),
    };
    event(&node, &mut events, "link add d0 type veth peer name p0", |event| is(event, false)).await;
    node.ip("link add br0 type bridge").await;
    node.ip("link set d0 master br0").await;
    // The kernel reports the port as deleted, and the device is still there.
    event(&node, &mut events, "link set d0 nomaster mtu 1400", |event| match event {
        NetworkEvent::Link(LinkEvent::New(link)) => link.name == *"d0" && link.mtu == 1400,
        NetworkEvent::Link(LinkEvent::Deleted(link)) => panic!("{} was not deleted", link.name),
        _ => false,
    })
    .await;
    event(&node, &mut events, "link del d0", |event| is(event, true)).await;
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn address_of_ipv4_and_of_ipv6_has_events(lab: Lab) -> Result {
    let node = world(&lab).await?;
    let mut events = open(&node, &[RtnetlinkGroup::Ipv4Address, RtnetlinkGroup::Ipv6Address]).await?;
    for (prefix, ip) in [("192.0.2.1/24", "192.0.2.1"), ("2001:db8::1/64", "2001:db8::1")] {
        event(&node, &mut events, &format!("address add {prefix} dev d0"), |event| {
            matches!(event, NetworkEvent::Address(AddressEvent::New(new)) if new.local.to_string() == ip)
        })
        .await;
        event(&node, &mut events, &format!("address del {prefix} dev d0"), |event| {
            matches!(event, NetworkEvent::Address(AddressEvent::Deleted(old)) if old.local.to_string() == ip)
        })
        .await;
    }
    Ok(())
}

/// Neighbours and the FDB share a group; each is decoded by its family, also where both are asked for.
#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip", tool = "bridge"))]
async fn neighbour_of_ipv4_and_of_ipv6_has_events_beside_the_fdb(lab: Lab) -> Result {
    let node = world(&lab).await?;
    node.ip("link add br0 type bridge").await;
    let mut alone = open(&node, &[RtnetlinkGroup::Neighbour]).await?;
    let mut both = open(&node, &[RtnetlinkGroup::Neighbour, RtnetlinkGroup::BridgeFdb]).await?;
    node.bridge("fdb add 02:00:00:00:aa:01 dev br0 self").await;
    let wanted = |event: &NetworkEvent| match event {
        NetworkEvent::Fdb(event) => event.entry().mac.to_string() == "02:00:00:00:aa:01",
        NetworkEvent::Neighbour(_) => false,
        other => panic!("an event of another source: {other:?}"),
    };
    let found = async { while !wanted(&both.try_next().await.unwrap().expect("the stream ended")) {} };
    within(DEADLINE, found, "the entry").await;
    for ip in ["192.0.2.9", "2001:db8::9"] {
        let words = format!("neigh add {ip} lladdr 02:00:00:00:00:09 dev d0 nud permanent");
        for events in [&mut alone, &mut both] {
            event(&node, events, &words.replace(" add ", " replace "), |event| match event {
                NetworkEvent::Neighbour(NeighbourEvent::New(new)) => new.dst.to_string() == ip,
                NetworkEvent::Neighbour(_) | NetworkEvent::Fdb(_) => false,
                other => panic!("an event of another source: {other:?}"),
            })
            .await;
            event(&node, events, &format!("neigh del {ip} dev d0"), |event| {
                matches!(event, NetworkEvent::Neighbour(NeighbourEvent::Deleted(old)) if old.dst.to_string() == ip)
            })
            .await;
        }
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn route_of_ipv4_and_of_ipv6_has_events(lab: Lab) -> Result {
    let node = world(&lab).await?;
    let mut events = open(&node, &[RtnetlinkGroup::Ipv4Route, RtnetlinkGroup::Ipv6Route]).await?;
    for prefix in ["198.51.100.0/24", "2001:db8:9::/48"] {
        event(&node, &mut events, &format!("route add {prefix} dev d0"), |event| {
            matches!(event, NetworkEvent::Route(RouteEvent::New(new)) if new.prefix.to_string() == prefix)
        })
        .await;
        event(&node, &mut events, &format!("route del {prefix} dev d0"), |event| {
            matches!(event, NetworkEvent::Route(RouteEvent::Deleted(old)) if old.prefix.to_string() == prefix)
        })
        .await;
    }
    Ok(())
}

#[nl_testkit::test(needs(tool = "ip"))]
async fn rule_of_ipv4_and_of_ipv6_has_events(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mut events = open(&node, &[RtnetlinkGroup::Ipv4Rule, RtnetlinkGroup::Ipv6Rule]).await?;
    for (family, number) in [("-4", 2), ("-6", 10)] {
        let rule = "pref 77 fwmark 1 table 1000";
        event(&node, &mut events, &format!("{family} rule add {rule}"), |event| {
            matches!(event, NetworkEvent::Rule(RuleEvent::New(new)) if new.family == number && new.fwmark == Some(1))
        })
        .await;
        event(
            &node,
            &mut events,
            &format!("{family} rule del {rule}"),
            |event| matches!(event, NetworkEvent::Rule(RuleEvent::Deleted(old)) if old.priority == Some(77)),
        )
        .await;
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn nexthop_has_events(lab: Lab) -> Result {
    let node = world(&lab).await?;
    let mut events = open(&node, &[RtnetlinkGroup::Nexthop]).await?;
    event(
        &node,
        &mut events,
        "nexthop add id 7 dev d0",
        |event| matches!(event, NetworkEvent::Nexthop(NexthopEvent::New(new)) if new.id == 7),
    )
    .await;
    event(
        &node,
        &mut events,
        "nexthop del id 7",
        |event| matches!(event, NetworkEvent::Nexthop(NexthopEvent::Deleted(old)) if old.id == 7),
    )
    .await;
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip", tool = "bridge"))]
async fn port_of_a_bridge_has_events_and_other_devices_none(lab: Lab) -> Result {
    let node = world(&lab).await?;
    node.ip("link add br0 type bridge").await;
    let mut events = open(&node, &[RtnetlinkGroup::BridgePort]).await?;
    let is = |event: &NetworkEvent, learning: Option<bool>| match event {
        NetworkEvent::Port(PortEvent::New(port)) => {
            port.name == *"d0" && learning.is_some() && port.options.learning == learning
        }
        NetworkEvent::Port(PortEvent::Deleted(port)) => learning.is_none() && port.name == *"d0",
        other => panic!("an event of another source: {other:?}"),
    };
    event(&node, &mut events, "link set d0 master br0", |event| is(event, Some(true))).await;
    bridge_event(&node, &mut events, "link set dev d0 learning off", |event| is(event, Some(false))).await;
    event(&node, &mut events, "link set d0 nomaster", |event| is(event, None)).await;
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "ip", tool = "bridge"))]
async fn vlan_of_a_port_has_events(lab: Lab) -> Result {
    let node = world(&lab).await?;
    node.ip("link add br0 type bridge vlan_filtering 1 vlan_default_pvid 0").await;
    node.ip("link set d0 master br0").await;
    let mut events = open(&node, &[RtnetlinkGroup::BridgeVlan]).await?;
    let has =
        |entries: &[nl_bridge::vlan_db::VlanDbEntry]| entries.iter().any(|e| e.vlans.to_string() == "10-12");
    bridge_event(
        &node,
        &mut events,
        "vlan add dev d0 vid 10-12",
        |event| matches!(event, NetworkEvent::Vlan(VlanDbEvent::New(new)) if has(new)),
    )
    .await;
    bridge_event(
        &node,
        &mut events,
        "vlan del dev d0 vid 10-12",
        |event| matches!(event, NetworkEvent::Vlan(VlanDbEvent::Deleted(old)) if has(old)),
    )
    .await;
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip", tool = "bridge"))]
async fn multicast_entry_has_events(lab: Lab) -> Result {
    let node = world(&lab).await?;
    node.ip("link add br0 up type bridge").await;
    node.ip("link set d0 master br0").await;
    let mut events = open(&node, &[RtnetlinkGroup::BridgeMdb]).await?;
    let has = |table: &nl_bridge::mdb::MdbTable| {
        table.entries.iter().any(|entry| entry.group.to_string().contains("239.1.1.1"))
    };
    bridge_event(
        &node,
        &mut events,
        "mdb add dev br0 port d0 grp 239.1.1.1 permanent",
        |event| matches!(event, NetworkEvent::Mdb(MdbEvent::New(new)) if has(new)),
    )
    .await;
    bridge_event(
        &node,
        &mut events,
        "mdb del dev br0 port d0 grp 239.1.1.1",
        |event| matches!(event, NetworkEvent::Mdb(MdbEvent::Deleted(old)) if has(old)),
    )
    .await;
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", iproute2 = "7.3"))]
async fn vni_of_a_vxlan_device_has_events(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add vx0 type vxlan dstport 4789 external vnifilter").await;
    let mut events = open(&node, &[RtnetlinkGroup::Vni]).await?;
    let has = |entries: &[nl_bridge::vni::VniEntry]| entries.iter().any(|entry| entry.vnis.contains(100));
    bridge_event(
        &node,
        &mut events,
        "vni add dev vx0 vni 100",
        |event| matches!(event, NetworkEvent::Vni(VniEvent::New(new)) if has(new)),
    )
    .await;
    bridge_event(
        &node,
        &mut events,
        "vni del dev vx0 vni 100",
        |event| matches!(event, NetworkEvent::Vni(VniEvent::Deleted(old)) if has(old)),
    )
    .await;
    Ok(())
}

/// One socket has them all, and the type of a message says what it is about.
#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip"))]
async fn events_of_all_families_come_over_one_stream(lab: Lab) -> Result {
    let node = world(&lab).await?;
    let all = [
        RtnetlinkGroup::BridgeFdb,
        RtnetlinkGroup::Ipv4Address,
        RtnetlinkGroup::Ipv4Route,
        RtnetlinkGroup::Ipv4Rule,
        RtnetlinkGroup::Link,
        RtnetlinkGroup::Nexthop,
    ];
    let mut events =
        node.open(move || all.into_iter().fold(Events::builder(), |e, group| e.group(group)).open()).await?;
    node.ip("link add br0 type bridge").await;
    event(&node, &mut events, "link set d0 master br0", |e| matches!(e, NetworkEvent::Fdb(_))).await;
    node.ip("neigh add 192.0.2.9 lladdr 02:00:00:00:aa:06 dev br0 nud permanent").await;
    event(&node, &mut events, "link set d0 mtu 1400", |e| matches!(e, NetworkEvent::Link(_))).await;
    event(&node, &mut events, "rule add pref 9 table 9", |e| matches!(e, NetworkEvent::Rule(_))).await;
    event(&node, &mut events, "nexthop add id 1 dev d0", |e| matches!(e, NetworkEvent::Nexthop(_))).await;
    event(&node, &mut events, "address add 192.0.2.1/24 dev br0", |e| matches!(e, NetworkEvent::Address(_)))
        .await;
    event(&node, &mut events, "route add 10.0.0.0/8 dev d0", |e| matches!(e, NetworkEvent::Route(_))).await;
    Ok(())
}
