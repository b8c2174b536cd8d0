//! Neighbours on a real kernel, checked with iproute2.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::TryStreamExt;
use nl_core::error::Errno;
use nl_core::monitor::Monitor;
use nl_core::neighbour::{
    Neighbour, NeighbourEntries, NeighbourEntry, NeighbourEvent, NeighbourFlags, NeighbourFlagsExt,
    NeighbourState, NeighbourVerb, Neighbours, RTNLGRP_NEIGH,
};
use nl_core::{IpFamily, MacAddr, Protocol};
use nl_testkit::{Lab, Node, Result, scaled, within};
use serde_json::{Value, json};

use crate::support::{SOON, assert_unsupported, kernel, route};

const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
const OTHER: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 2]);

/// A node with the bridge `d0`, up.
async fn world(lab: &Lab) -> Result<(Node, Neighbours)> {
    let node = lab.node("a").await?;
    node.add_link("d0", "bridge").await?;
    node.up("d0").await?;
    let neighbours = Neighbours::new(route(&node).await);
    Ok((node, neighbours))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What `ip -j neighbour` shows for one address.
async fn shown(node: &Node, words: &str, dst: &str) -> Vec<Value> {
    let list = node.json(&format!("ip -j neigh show {words} nud all")).await;
    list.as_array().unwrap().iter().filter(|entry| entry["dst"] == dst).cloned().collect()
}

async fn list(entries: NeighbourEntries) -> Vec<Neighbour> {
    let mut list: Vec<_> = entries.list().await.unwrap().try_collect().await.unwrap();
    // What the kernel made for its own multicast.
    list.retain(|neighbour: &Neighbour| {
        neighbour.is_proxy() || !neighbour.state.contains(NeighbourState::NOARP)
    });
    list.sort_by_key(Neighbour::key);
    list
}

/// One entry in three forms: through the library, in the words of `ip neighbour`, and as `ip -j neighbour` shows it.
struct Case {
    dst: &'static str,
    ours: fn(NeighbourEntry) -> NeighbourEntry,
    words: &'static str,
    shown: Value,
}

impl Case {
    async fn check(&self, node: &Node, neighbours: &Neighbours) {
        let Self { dst, ours, words, shown: expected } = self;
        let entry = || ours(neighbours.entry(ip(dst), "d0"));
        entry().add().await.unwrap();
        let by_us = shown(node, "", dst).await;
        assert_eq!(by_us.len(), 1, "{dst} {words}: {by_us:#?}");
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(by_us[0].get(key), Some(value), "set by us: {dst} {words}: {by_us:#?}");
        }
        let read = entry().get().await.unwrap().without_ages();
        assert!(entry().add().await.unwrap_err().is_exists());

        // What was read, written back, is the same.
        entry().delete().await.unwrap();
        assert_eq!(shown(node, "nud all", dst).await, [] as [Value; 0], "deleted by us: {dst} {words}");
        neighbours.connection().ack(read.request(NeighbourVerb::Add)).await.unwrap();
        assert_eq!(entry().get().await.unwrap().without_ages(), read);
        entry().delete().await.unwrap();

        node.ip(&format!("neigh add {dst} {words} dev d0")).await;
        let by_them = entry().get().await.unwrap().without_ages();
        assert_eq!(by_them, read, "set by iproute2: {dst} {words}");
        node.ip(&format!("neigh del {dst} dev d0")).await;
        assert!(entry().get().await.unwrap_err().is_not_found(), "deleted by iproute2: {dst} {words}");
    }
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn every_attribute_is_set_and_read(lab: Lab) -> Result {
    let (node, neighbours) = world(&lab).await?;
    for case in [
        Case {
            dst: "192.0.2.7",
            ours: |e| e.lladdr(MAC),
            words: "lladdr 02:00:00:00:00:01",
            shown: json!({ "dev": "d0", "lladdr": "02:00:00:00:00:01", "state": ["PERMANENT"] }),
        },
        Case {
            dst: "2001:db8::7",
            ours: |e| e.lladdr(MAC).router(),
            words: "lladdr 02:00:00:00:00:01 router",
            shown: json!({ "lladdr": "02:00:00:00:00:01", "router": null, "state": ["PERMANENT"] }),
        },
        Case {
            dst: "192.0.2.8",
            ours: |e| e.lladdr(MAC).state(NeighbourState::STALE).extern_learn(),
            words: "lladdr 02:00:00:00:00:01 nud stale extern_learn",
            shown: json!({ "extern_learn": null, "state": ["STALE"] }),
        },
        Case {
            dst: "192.0.2.8",
            ours: |e| e.lladdr(MAC).state(NeighbourState::NOARP).protocol(77),
            words: "lladdr 02:00:00:00:00:01 nud noarp protocol 77",
            shown: json!({ "protocol": "77", "state": ["NOARP"] }),
        },
    ] {
        case.check(&node, &neighbours).await;
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn managed_and_validated_neighbours_are_kept_or_unsupported(lab: Lab) -> Result {
    let (node, neighbours) = world(&lab).await?;
    neighbours.entry(ip("192.0.2.7"), "d0").managed().replace().await?;
    assert_eq!(shown(&node, "", "192.0.2.7").await[0].get("managed"), Some(&Value::Null));
    let read = neighbours.entry(ip("192.0.2.7"), "d0").get().await?;
    assert_eq!(read.flags_ext, NeighbourFlagsExt::MANAGED);
    assert_eq!(list(neighbours.entries().managed()).await.len(), 1);

    let entry = || neighbours.entry(ip("192.0.2.8"), "d0").lladdr(MAC).extern_valid();
    let outcome = entry().add().await;
    if kernel() >= (6, 17) {
        outcome?;
        let read = entry().get().await?;
        assert_eq!((read.flags_ext, read.state), (NeighbourFlagsExt::EXT_VALIDATED, NeighbourState::STALE));
        assert_eq!(list(neighbours.entries().extern_valid()).await.len(), 1);
    } else {
        let error = outcome.unwrap_err();
        assert_unsupported(&error);
        assert!(error.to_string().starts_with("add neighbour 192.0.2.8 dev d0 "), "{error}");
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn change_and_replace_alter_what_is_there(lab: Lab) -> Result {
    let (node, neighbours) = world(&lab).await?;
    let entry = || neighbours.entry(ip("192.0.2.7"), "d0");
    let error = entry().lladdr(MAC).change().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    entry().lladdr(MAC).replace().await?;
    entry().lladdr(OTHER).change().await?;
    assert_eq!(shown(&node, "", "192.0.2.7").await[0]["lladdr"], OTHER.to_string());
    entry().lladdr(MAC).state(NeighbourState::REACHABLE).replace().await?;
    let read = entry().get().await?;
    assert_eq!(
        (read.lladdr.and_then(|lladdr| lladdr.mac()), read.state),
        (Some(MAC), NeighbourState::REACHABLE)
    );
    assert!(read.ages.is_some() && read.probes == Some(0));
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn proxy_entries_are_a_table_of_their_own(lab: Lab) -> Result {
    let (node, neighbours) = world(&lab).await?;
    let entry = |dst| neighbours.entry(ip(dst), "d0").proxy();
    entry("192.0.2.50").protocol(77).add().await?;
    entry("2001:db8::50").router().add().await?;
    // As the documentation of the verb says.
    entry("192.0.2.50").protocol(77).add().await?;
    assert_eq!(shown(&node, "proxy", "192.0.2.50").await.len(), 1);
    node.ip("neigh add proxy 192.0.2.51 dev d0").await;
    let proxies = list(neighbours.entries().proxy()).await;
    let words: Vec<_> = proxies.iter().map(|proxy| proxy.dst.to_string()).collect();
    assert_eq!(words, ["192.0.2.50", "192.0.2.51", "2001:db8::50"]);
    assert!(proxies.iter().all(Neighbour::is_proxy));
    assert_eq!(proxies[0].protocol, Some(77));
    assert!(proxies[2].flags.contains(NeighbourFlags::ROUTER));
    assert_eq!(list(neighbours.entries().proxy().dev("d0").family(IpFamily::V6)).await.len(), 1);
    assert_eq!(entry("192.0.2.50").get().await?.key(), proxies[0].key());
    // Neighbours are not among them, nor they among neighbours.
    assert!(list(neighbours.entries().family(IpFamily::V4)).await.is_empty());

    entry("192.0.2.51").delete().await?;
    assert_eq!(shown(&node, "proxy", "192.0.2.51").await.len(), 0);
    let error = entry("192.0.2.51").delete().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(neighbours.entries().proxy().dev("d0").flush().await?, 2);
    assert!(list(neighbours.entries().proxy()).await.is_empty());
    // One for all devices, which `ip` cannot add.
    let mut everywhere = Neighbour::new(ip("192.0.2.60"), 0).proxy();
    everywhere.state = NeighbourState::PERMANENT;
    neighbours.connection().ack(everywhere.request(NeighbourVerb::Add)).await?;
    assert_eq!(list(neighbours.entries().proxy()).await[0].key(), everywhere.key());
    neighbours.connection().ack(everywhere.request(NeighbourVerb::Delete)).await?;
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip"))]
async fn listing_equals_that_of_iproute2_and_filters_select(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 1).await?;
    let node = bridge.node();
    node.add_link("d0", "bridge").await?;
    node.up("d0").await?;
    let neighbours = Neighbours::new(route(node).await);
    for line in [
        "neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 dev d0",
        "neigh add 192.0.2.8 lladdr 02:00:00:00:00:02 dev d0 nud stale extern_learn",
        "neigh add 2001:db8::7 lladdr 02:00:00:00:00:03 dev d0 router protocol 77",
        "neigh add 192.0.2.9 lladdr 02:00:00:00:00:04 dev port1",
    ] {
        node.ip(line).await;
    }
    let key = |dst: &str, dev: &str, lladdr: Option<&str>| format!("{dst} {dev} {lladdr:?}");
    let names = neighbours.connection().link_names().await?;
    let mut ours: Vec<_> = list(neighbours.entries()).await;
    ours.retain(|neighbour| !neighbour.state.is_empty() && neighbour.lladdr.is_some());
    let mut ours: Vec<_> = ours
        .iter()
        .map(|n| key(&n.dst.to_string(), &names[&n.index], n.lladdr.map(|l| l.to_string()).as_deref()))
        .collect();
    let theirs = node.json("ip -j neigh show").await;
    let mut theirs: Vec<_> = theirs
        .as_array()
        .unwrap()
        .iter()
        .filter(|n| n.get("lladdr").is_some())
        .map(|n| key(n["dst"].as_str().unwrap(), n["dev"].as_str().unwrap(), n["lladdr"].as_str()))
        .collect();
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);

    let chosen = async |entries: NeighbourEntries| {
        let made = |n: &Neighbour| {
            n.lladdr.and_then(|lladdr| lladdr.mac()).is_some_and(|m| m.octets()[..5] == [2, 0, 0, 0, 0])
        };
        let list = list(entries).await;
        list.iter().filter(|n| made(n)).map(|n| n.dst.to_string()).collect::<Vec<_>>()
    };
    let entries = || neighbours.entries();
    assert_eq!(chosen(entries().dev("d0")).await, ["192.0.2.7", "192.0.2.8", "2001:db8::7"]);
    assert_eq!(chosen(entries().dev("d0").family(IpFamily::V6)).await, ["2001:db8::7"]);
    assert_eq!(chosen(entries().master("br0")).await, ["192.0.2.9"]);
    assert_eq!(chosen(entries().state(NeighbourState::STALE)).await, ["192.0.2.8"]);
    assert_eq!(chosen(entries().router()).await, ["2001:db8::7"]);
    assert_eq!(chosen(entries().extern_learn()).await, ["192.0.2.8"]);
    assert_eq!(chosen(entries().protocol(77)).await, ["2001:db8::7"]);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn flush_spares_permanent_entries_unless_asked(lab: Lab) -> Result {
    let (node, neighbours) = world(&lab).await?;
    for line in [
        "neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 dev d0",
        "neigh add 192.0.2.8 lladdr 02:00:00:00:00:02 dev d0 nud stale",
        "neigh add 192.0.2.9 lladdr 02:00:00:00:00:02 dev d0 nud reachable",
    ] {
        node.ip(line).await;
    }
    let entries = || neighbours.entries().dev("d0").family(IpFamily::V4);
    assert_eq!(entries().flush().await?, 2);
    assert_eq!(shown(&node, "", "192.0.2.7").await.len(), 1);
    assert_eq!(entries().state(NeighbourState::PERMANENT).flush().await?, 1);
    assert_eq!(entries().state(NeighbourState::PERMANENT).flush().await?, 0);
    let error = neighbours.entries().flush().await.unwrap_err();
    assert!(error.to_string().starts_with("flush neighbours: a flush needs a device, "), "{error}");
    assert!(neighbours.entries().proxy().flush().await.unwrap_err().is_usage());
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn errors_name_the_operation_the_object_and_the_callers_device(lab: Lab) -> Result {
    let (node, neighbours) = world(&lab).await?;
    node.ip("link property add dev d0 altname uplink-of-the-house").await;
    let entry = || neighbours.entry(ip("192.0.2.7"), "uplink-of-the-house");
    let error = entry().delete().await.unwrap_err();
    let text = "delete neighbour 192.0.2.7 dev uplink-of-the-house: No such file or directory (ENOENT)";
    assert!(error.is_not_found() && error.to_string().starts_with(text), "{error}");
    let error = entry().add().await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
    let error = neighbours.entry(ip("192.0.2.7"), "nope").lladdr(MAC).replace().await.unwrap_err();
    let text = "replace neighbour 192.0.2.7 dev nope lladdr 02:00:00:00:00:01 nud permanent: No such device (ENODEV)";
    assert_eq!(error.to_string(), text);
    let error = neighbours.entry(ip("192.0.2.7"), "nope").get().await.unwrap_err();
    assert_eq!(error.to_string(), "get neighbour 192.0.2.7 dev nope: No such device (ENODEV)");
    let error = neighbours.entries().dev("nope").list().await.unwrap_err();
    assert_eq!(error.to_string(), "list neighbours dev nope: No such device (ENODEV)");
    let batch = [(NeighbourVerb::Get, Neighbour::new(ip("192.0.2.7"), 1))];
    let summary = neighbours.batch(batch).summarize(1).await?;
    let (_, error) = &summary.failures[0];
    assert!(
        error.to_string().ends_with("a batch cannot read entries: use Neighbours::entry().get()"),
        "{error}"
    );
    let generic = Neighbours::new(neighbours.connection().sibling(Protocol::Generic)?);
    let error = generic.entry(ip("192.0.2.7"), 1).get().await.unwrap_err();
    assert!(error.to_string().ends_with("neighbours are on NETLINK_ROUTE, not NETLINK_GENERIC"), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn events_tell_what_is_new_and_what_is_gone(lab: Lab) -> Result {
    let (node, neighbours) = world(&lab).await?;
    let builder = neighbours.connection().monitor().group(RTNLGRP_NEIGH);
    let mut events: Monitor<NeighbourEvent> = node.open(move || builder.open(NeighbourEvent::decode)).await?;
    // One of the forwarding database comes in the same group.
    node.bridge("fdb add 02:00:00:00:00:09 dev d0 self").await;
    node.ip("neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 dev d0").await;
    node.ip("neigh del 192.0.2.7 dev d0").await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|word: &String| !word.starts_with("deleted")) {
        let (word, neighbour) = match within(SOON, events.try_next(), "an event").await?.unwrap() {
            NeighbourEvent::New(neighbour) => ("new", neighbour),
            NeighbourEvent::Deleted(neighbour) => ("deleted", neighbour),
            other => panic!("{other:?}"),
        };
        if neighbour.dst == ip("192.0.2.7") {
            seen.push(format!("{word} {}", neighbour.state));
        }
    }
    assert_eq!(
        (seen[0].as_str(), seen[seen.len() - 1].as_str()),
        ("new permanent", "deleted failed"),
        "{seen:?}"
    );
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"), timeout = 240)]
async fn ten_thousand_neighbours_are_added_listed_and_flushed(lab: Lab) -> Result {
    let (node, neighbours) = world(&lab).await?;
    let count = scaled(10_000, 500);
    let index = node.index_of("d0").await?;
    let changes = (0..count).map(move |number| {
        let dst = Ipv4Addr::from(0x0a00_0001 + number);
        (NeighbourVerb::Add, Neighbour::new(dst.into(), index).lladdr(MAC))
    });
    assert_eq!(neighbours.batch(changes).summarize(1).await?.into_result()?, u64::from(count));
    let entries = || neighbours.entries().dev("d0").family(IpFamily::V4).state(NeighbourState::PERMANENT);
    let mut listed = entries().list().await?;
    let mut read = 0;
    while listed.try_next().await?.is_some() {
        read += 1;
    }
    assert_eq!(read, count);
    assert_eq!(entries().flush().await?, u64::from(count));
    assert!(list(entries()).await.is_empty());
    Ok(())
}
