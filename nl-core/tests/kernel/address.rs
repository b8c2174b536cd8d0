//! Addresses on a real kernel, checked with iproute2.

use std::time::Duration;

use futures_util::TryStreamExt;
use nl_core::address::{
    Address, AddressEntry, AddressEvent, AddressFlags, AddressScope, AddressVerb, Addresses, Lifetime,
    RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
};
use nl_core::error::Errno;
use nl_core::monitor::Monitor;
use nl_core::{IpFamily, Protocol};
use nl_testkit::{Lab, Node, Result, scaled, within};
use serde_json::{Value, json};

use crate::support::{SOON, route};

/// A node with the bridges `d0` and `d1`, up.
async fn world(lab: &Lab) -> Result<(Node, Addresses)> {
    let node = lab.node("a").await?;
    for name in ["d0", "d1"] {
        node.add_link(name, "bridge").await?;
        node.up(name).await?;
    }
    let addresses = Addresses::new(route(&node).await);
    Ok((node, addresses))
}

/// What `ip -j address` shows of the devices `d0` and `d1`, without link-local addresses.
async fn shown(node: &Node, dev: &str) -> Vec<Value> {
    let links = node.json(&format!("ip -j -d addr show dev {dev}")).await;
    let infos = links
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|link| link["addr_info"].as_array().cloned().unwrap_or_default());
    infos.filter(|info| info["local"].as_str().is_some_and(|local| !local.starts_with("fe80:"))).collect()
}

async fn list(addresses: &Addresses, dev: &str) -> Vec<Address> {
    let entries = addresses.entries().dev(dev).list().await.unwrap().collect_all().await.unwrap();
    entries
        .into_iter()
        .filter(|address| address.scope != AddressScope::Link || address.family() == IpFamily::V4)
        .collect()
}

/// The same without what a moment changes.
fn steady(address: Address) -> Address {
    let mut address = address.without_ages();
    address.flags -= AddressFlags::TENTATIVE;
    address
}

/// One address in three forms: through the library, in the words of `ip address add`, and as `ip -j address` shows it.
struct Case {
    prefix: &'static str,
    ours: fn(AddressEntry) -> AddressEntry,
    words: &'static str,
    shown: Value,
}

impl Case {
    async fn check(&self, node: &Node, addresses: &Addresses) {
        let Self { prefix, ours, words, shown: expected } = self;
        let entry = || ours(addresses.entry(prefix.parse().unwrap(), "d0"));
        entry().add().await.unwrap();
        let by_us = shown(node, "d0").await;
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(by_us[0].get(key), Some(value), "set by us: {prefix} {words}: {by_us:#?}");
        }
        let read = list(addresses, "d0").await;
        assert_eq!(read.len(), 1, "{read:?}");
        assert_eq!(entry().get().await.unwrap().key(), read[0].key());

        // What was read, written back, is the same.
        entry().delete().await.unwrap();
        assert_eq!(shown(node, "d0").await, [] as [Value; 0], "deleted by us: {prefix} {words}");
        addresses.connection().ack(read[0].request(AddressVerb::Add)).await.unwrap();
        let again = list(addresses, "d0").await;
        assert_eq!(steady(again[0].clone()), steady(read[0].clone()));
        entry().delete().await.unwrap();

        node.ip(&format!("addr add {prefix} {words} dev d0")).await;
        let by_them = list(addresses, "d0").await;
        assert_eq!(steady(by_them[0].clone()), steady(read[0].clone()), "set by iproute2: {prefix} {words}");
        node.ip("addr flush dev d0 scope global").await;
        let _ = node.command(["ip", "addr", "flush", "dev", "d0"]).await;
        assert_eq!(list(addresses, "d0").await, [], "deleted by iproute2: {prefix} {words}");
    }
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn every_attribute_of_an_ipv4_address_is_set_and_read(lab: Lab) -> Result {
    let (node, addresses) = world(&lab).await?;
    for case in [
        Case {
            prefix: "192.0.2.1/24",
            ours: |e| e,
            words: "",
            shown: json!({ "family": "inet", "local": "192.0.2.1", "prefixlen": 24, "scope": "global", "label": "d0",
                "valid_life_time": u32::MAX, "preferred_life_time": u32::MAX }),
        },
        Case {
            prefix: "192.0.2.1/24",
            ours: |e| e.default_broadcast().label("d0:one"),
            words: "broadcast + label d0:one",
            shown: json!({ "broadcast": "192.0.2.255", "label": "d0:one" }),
        },
        Case {
            prefix: "192.0.2.1/25",
            ours: |e| {
                e.broadcast("192.0.2.9".parse().unwrap()).scope(AddressScope::Link).metric(77).noprefixroute()
            },
            words: "broadcast 192.0.2.9 scope link metric 77 noprefixroute",
            shown: json!({ "broadcast": "192.0.2.9", "scope": "link", "metric": 77, "noprefixroute": true }),
        },
        Case {
            prefix: "192.0.2.1",
            ours: |e| e.peer("198.51.100.1/31".parse().unwrap()).scope(AddressScope::Other(42)),
            words: "peer 198.51.100.1/31 scope 42",
            shown: json!({ "address": "198.51.100.1", "prefixlen": 31, "local": "192.0.2.1", "scope": "42" }),
        },
        Case {
            prefix: "239.1.1.1/32",
            ours: |e| e.autojoin(),
            words: "autojoin",
            shown: json!({ "autojoin": true }),
        },
    ] {
        case.check(&node, &addresses).await;
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn every_attribute_of_an_ipv6_address_is_set_and_read(lab: Lab) -> Result {
    let (node, addresses) = world(&lab).await?;
    for case in [
        Case {
            prefix: "2001:db8::1/64",
            ours: |e| e.nodad(),
            words: "nodad",
            shown: json!({ "family": "inet6", "local": "2001:db8::1", "prefixlen": 64, "scope": "global", "nodad": true }),
        },
        Case {
            prefix: "2001:db8::1/64",
            ours: |e| e.nodad().home().mngtmpaddr().metric(9).noprefixroute(),
            words: "nodad home mngtmpaddr metric 9 noprefixroute",
            shown: json!({ "nodad": true, "home": true, "mngtmpaddr": true, "noprefixroute": true, "metric": 9 }),
        },
        Case {
            prefix: "2001:db8::1",
            ours: |e| e.nodad().peer("2001:db8::2/128".parse().unwrap()),
            words: "nodad peer 2001:db8::2/128",
            shown: json!({ "local": "2001:db8::1", "address": "2001:db8::2", "prefixlen": 128 }),
        },
    ] {
        case.check(&node, &addresses).await;
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn lifetimes_are_set_changed_and_removed(lab: Lab) -> Result {
    let (node, addresses) = world(&lab).await?;
    for prefix in ["192.0.2.1/24", "2001:db8::1/64"] {
        let entry = || addresses.entry(prefix.parse().unwrap(), "d0");
        let times = async || {
            let info = &shown(&node, "d0").await[0];
            (info["valid_life_time"].as_u64().unwrap(), info["preferred_life_time"].as_u64().unwrap())
        };
        entry().valid_lft(Duration::from_secs(1000)).preferred_lft(Duration::from_secs(500)).add().await?;
        let (valid, preferred) = times().await;
        assert!((990..=1000).contains(&valid) && (490..=500).contains(&preferred), "{valid} {preferred}");
        let read = entry().get().await?;
        let bounds = |seconds| Lifetime::For(Duration::from_secs(seconds));
        assert!(read.valid.is_some_and(|valid| (bounds(990)..=bounds(1000)).contains(&valid)), "{read:?}");
        assert!(!read.flags.contains(AddressFlags::PERMANENT));
        assert!(read.created.is_some() && read.updated >= read.created);

        // One alone says the other.
        entry().valid_lft(Duration::from_secs(2000)).replace().await?;
        let (valid, preferred) = times().await;
        assert!((1990..=2000).contains(&valid) && (1990..=2000).contains(&preferred), "{valid} {preferred}");
        entry().preferred_lft(Duration::ZERO).replace().await?;
        assert_eq!(times().await.0, u64::from(u32::MAX));
        assert_eq!(shown(&node, "d0").await[0]["deprecated"], true);
        let read = entry().get().await?;
        assert!(read.flags.contains(AddressFlags::DEPRECATED));
        assert_eq!(read.preferred, Some(Lifetime::For(Duration::ZERO)));
        // Written back it is deprecated as before.
        addresses.connection().ack(read.request(AddressVerb::Replace)).await?;
        assert_eq!(steady(entry().get().await?), steady(read));
        entry().replace().await?;
        assert_eq!(times().await, (u32::MAX.into(), u32::MAX.into()));
        assert!(entry().get().await?.flags.contains(AddressFlags::PERMANENT));
        entry().delete().await?;
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip", kernel = "5.18"))]
async fn proto_is_kept_by_the_kernel(lab: Lab) -> Result {
    let (_node, addresses) = world(&lab).await?;
    for prefix in ["192.0.2.1/24", "2001:db8::1/64"] {
        addresses.entry(prefix.parse()?, "d0").proto(99).add().await?;
        assert_eq!(addresses.entry(prefix.parse()?, "d0").get().await?.proto, Some(99));
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn listing_equals_that_of_iproute2_and_filters_select(lab: Lab) -> Result {
    let (node, addresses) = world(&lab).await?;
    node.up("lo").await?;
    for line in [
        "addr add 192.0.2.1/24 dev d0 label d0:x",
        "addr add 192.0.2.2/24 dev d0",
        "addr add 192.0.2.3/24 dev d1 scope link",
        "addr add 2001:db8::1/64 dev d0 nodad",
        "addr add 2001:db8::2/64 dev d1 nodad",
        "link set d1 down",
    ] {
        node.ip(line).await;
    }
    let all = addresses.entries().list().await?.collect_all().await?;
    let mut ours: Vec<_> = all.iter().map(|a| format!("{} {}/{}", a.index, a.local, a.prefix_len)).collect();
    let links = node.json("ip -j addr show").await;
    let mut theirs = Vec::new();
    for link in links.as_array().unwrap() {
        for info in link["addr_info"].as_array().unwrap() {
            theirs.push(format!(
                "{} {}/{}",
                link["ifindex"],
                info["local"].as_str().unwrap(),
                info["prefixlen"]
            ));
        }
    }
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);

    let chosen = async |entries: nl_core::address::AddressEntries| {
        let mut list: Vec<_> = entries.list().await.unwrap().try_collect().await.unwrap();
        list.retain(|address: &Address| !address.local.to_string().starts_with("fe80"));
        let mut list: Vec<_> = list.iter().map(|address| address.local.to_string()).collect();
        list.sort();
        list
    };
    let entries = || addresses.entries();
    assert_eq!(chosen(entries().dev("d0")).await, ["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
    assert_eq!(chosen(entries().dev("d0").family(IpFamily::V6)).await, ["2001:db8::1"]);
    assert_eq!(
        chosen(entries().family(IpFamily::V4)).await,
        ["127.0.0.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"]
    );
    assert_eq!(chosen(entries().label("d0:x")).await, ["192.0.2.1"]);
    assert_eq!(chosen(entries().scope(AddressScope::Link)).await, ["192.0.2.3"]);
    assert_eq!(chosen(entries().family(IpFamily::V4).up()).await, ["127.0.0.1", "192.0.2.1", "192.0.2.2"]);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn flush_removes_what_matches_and_counts(lab: Lab) -> Result {
    let (node, addresses) = world(&lab).await?;
    for line in [
        "addr add 192.0.2.1/24 dev d0",
        "addr add 192.0.2.2/24 dev d0",
        "addr add 192.0.2.3/24 dev d0",
        "addr add 2001:db8::1/64 dev d0 nodad",
        "addr add 198.51.100.1/24 dev d1",
    ] {
        node.ip(line).await;
    }
    assert_eq!(addresses.entries().dev("d0").family(IpFamily::V4).flush().await?, 3);
    assert_eq!(shown(&node, "d0").await.len(), 1);
    assert_eq!(shown(&node, "d1").await.len(), 1);
    assert_eq!(addresses.entries().dev("d0").family(IpFamily::V4).flush().await?, 0);
    let error = addresses.entries().flush().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "flush addresses: a flush needs a device, a family, a label, a scope, or up()"
    );
    let error = addresses.entries().dev("nope").flush().await.unwrap_err();
    assert_eq!(error.to_string(), "flush addresses dev nope: No such device (ENODEV)");
    Ok(())
}

/// As the documentation of `flush` and of `delete` says.
#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn secondary_addresses_go_with_the_primary_one(lab: Lab) -> Result {
    let (node, addresses) = world(&lab).await?;
    for host in 1..=3 {
        addresses.entry(format!("192.0.2.{host}/24").parse()?, "d0").add().await?;
    }
    let second = addresses.entry("192.0.2.2/24".parse()?, "d0").get().await?;
    assert!(second.flags.contains(AddressFlags::SECONDARY), "{second}");
    addresses.entry("192.0.2.1/24".parse()?, "d0").delete().await?;
    assert_eq!(shown(&node, "d0").await.len(), 0);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn errors_name_the_operation_the_object_and_the_callers_device(lab: Lab) -> Result {
    let (node, addresses) = world(&lab).await?;
    node.ip("link property add dev d0 altname uplink-of-the-house").await;
    let entry = || addresses.entry("192.0.2.1/24".parse().unwrap(), "uplink-of-the-house");
    entry().add().await?;
    let error = entry().add().await.unwrap_err();
    assert!(error.is_exists(), "{error}");
    let text = error.to_string();
    let start = "add address 192.0.2.1/24 dev uplink-of-the-house scope global: File exists (EEXIST)";
    assert!(text.starts_with(start), "{text}");
    entry().delete().await?;
    let error = entry().delete().await.unwrap_err();
    assert_eq!((error.errno(), error.is_not_found()), (Some(Errno::EADDRNOTAVAIL), true), "{error}");
    let error = entry().get().await.unwrap_err();
    assert_eq!((error.errno(), error.is_not_found()), (Some(Errno::EADDRNOTAVAIL), true), "{error}");
    assert!(error.to_string().contains(" dev uplink-of-the-house "), "{error}");

    let error = addresses.entry("192.0.2.1/24".parse()?, "nope").replace().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "replace address 192.0.2.1/24 dev nope scope global: No such device (ENODEV)"
    );
    let error = addresses.entry("192.0.2.1/24".parse()?, "nope").get().await.unwrap_err();
    assert_eq!(error.to_string(), "get address 192.0.2.1/24 dev nope scope global: No such device (ENODEV)");
    let error = addresses.entries().dev("nope").list().await.unwrap_err();
    assert_eq!(error.to_string(), "list addresses dev nope: No such device (ENODEV)");
    let error = addresses.entries().dev(4711).list().await?.collect_all().await.unwrap_err();
    assert!(error.to_string().starts_with("list addresses dev #4711: No such device (ENODEV)"), "{error}");
    let error =
        addresses.entry("192.0.2.1/24".parse()?, "d0").label("0123456789abcdef").add().await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains(" dev d0 "), "{error}");
    Ok(())
}

#[nl_testkit::test]
async fn addresses_need_a_connection_to_route(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = node.open(|| nl_core::Connection::open(Protocol::Generic)).await?;
    let addresses = Addresses::new(conn);
    let error = addresses.entry("192.0.2.1/24".parse()?, 1).add().await.unwrap_err();
    assert!(error.to_string().ends_with("addresses are on NETLINK_ROUTE, not NETLINK_GENERIC"), "{error}");
    assert!(addresses.entries().list().await.is_err());
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn events_report_new_and_deleted_addresses(lab: Lab) -> Result {
    let (node, addresses) = world(&lab).await?;
    let builder = addresses.connection().monitor().group(RTNLGRP_IPV4_IFADDR).group(RTNLGRP_IPV6_IFADDR);
    let mut events: Monitor<AddressEvent> = node.open(move || builder.open(AddressEvent::decode)).await?;
    node.ip("addr add 192.0.2.1/24 dev d0").await;
    node.ip("addr del 192.0.2.1/24 dev d0").await;
    node.ip("addr add 2001:db8::1/64 dev d1 nodad").await;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let event = within(SOON, events.try_next(), "an event").await?.unwrap();
        let (word, address) = match event {
            AddressEvent::New(address) => ("new", address),
            AddressEvent::Deleted(address) => ("deleted", address),
            other => panic!("{other:?}"),
        };
        if !address.local.to_string().starts_with("fe80") {
            seen.push(format!("{word} {}/{}", address.local, address.prefix_len));
        }
    }
    assert_eq!(seen, ["new 192.0.2.1/24", "deleted 192.0.2.1/24", "new 2001:db8::1/64"]);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"), timeout = 240)]
async fn ten_thousand_addresses_are_added_listed_and_flushed(lab: Lab) -> Result {
    let (node, addresses) = world(&lab).await?;
    let count = scaled(10_000, 500);
    let index = node.index_of("d0").await?;
    let changes = (0..count).map(move |number| {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + number);
        (AddressVerb::Add, Address::new(nl_core::IpPrefix::host(address.into()), index).noprefixroute())
    });
    let added = addresses.batch(changes).summarize(1).await?.into_result()?;
    assert_eq!(added, u64::from(count));
    let mut listed = addresses.entries().dev("d0").family(IpFamily::V4).list().await?;
    let mut read = 0;
    while listed.try_next().await?.is_some() {
        read += 1;
    }
    assert_eq!(read, count);
    assert_eq!(addresses.entries().dev("d0").family(IpFamily::V4).flush().await?, u64::from(count));
    assert_eq!(shown(&node, "d0").await.len(), 0);
    Ok(())
}
