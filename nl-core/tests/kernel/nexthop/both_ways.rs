//! Every attribute both ways: what we set iproute2 shows as if it had set it, and what iproute2 sets we read as if we had.

use std::time::Duration;

use nl_core::nexthop::{NexthopEntry, NexthopVerb, Nexthops};
use nl_core::route::{RouteProtocol, Routes};
use nl_testkit::{Lab, Node, Result};
use serde_json::{Value, json};

use super::support::{collect, ids, shown, world};
use crate::support::assert_unsupported;

type Ours = fn(NexthopEntry) -> NexthopEntry;

/// Nexthop 7: through the library, and in the words of `ip nexthop add`.
async fn check(
    node: &Node,
    nexthops: &Nexthops,
    words: &str,
    ours: fn(NexthopEntry) -> NexthopEntry,
) -> Value {
    let entry = || ours(nexthops.entry(7));
    let find = |list: Vec<Value>| list.into_iter().find(|hop| hop["id"] == 7);
    entry().add().await.map_err(|error| format!("{words}: {error}")).unwrap();
    let mut by_us = find(shown(node, "show").await).unwrap();
    let read = nexthops.entry(7).get().await.unwrap().without_ages();
    assert!(collect(nexthops.entries()).await.contains(&read), "{read}");
    entry().delete().await.unwrap();
    assert_eq!(find(shown(node, "show").await), None, "deleted by us: {words}");

    let (family, words) = words.split_once("-6 ").map_or(("", words), |(_, words)| ("-6 ", words));
    node.ip(&format!("{family}nexthop add id 7 {words}")).await;
    let mut by_them = find(shown(node, "show").await).unwrap();
    for shown in [&mut by_us, &mut by_them] {
        if let Some(args) = shown["resilient_args"].as_object_mut() {
            args.remove("unbalanced_time");
        }
    }
    assert_eq!(by_them, by_us, "set by iproute2: {words}");
    assert_eq!(nexthops.entry(7).get().await.unwrap().without_ages(), read, "set by iproute2: {words}");
    // What was read is written back.
    nexthops.batch([(NexthopVerb::Replace, read.clone())]).summarize(1).await.unwrap().into_result().unwrap();
    assert_eq!(nexthops.entry(7).get().await.unwrap().without_ages(), read, "written back: {words}");
    nexthops.entry(7).delete().await.unwrap();
    by_us
}

#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip"), timeout = 60)]
async fn nexthop_set_by_either_reads_equally(lab: Lab) -> Result {
    let (node, nexthops) = world(&lab).await?;
    let cases: [(&str, Ours); 9] = [
        ("via 192.0.2.1 dev d0", |e| e.via("192.0.2.1".parse().unwrap()).dev("d0")),
        ("via 203.0.113.1 dev d1 onlink proto bgp", |e| {
            e.via("203.0.113.1".parse().unwrap()).dev("d1").onlink().protocol(RouteProtocol::BGP)
        }),
        ("via 2001:db8::1 dev d0 proto 200", |e| {
            e.via("2001:db8::1".parse().unwrap()).dev("d0").protocol(RouteProtocol(200))
        }),
        ("dev d0", |e| e.dev("d0")),
        ("-6 dev d0", |e| e.ipv6().dev("d0")),
        ("blackhole", NexthopEntry::blackhole),
        ("-6 blackhole", |e| e.ipv6().blackhole()),
        ("via 203.0.113.9 fdb", |e| e.via("203.0.113.9".parse().unwrap()).fdb()),
        ("via 2001:db8:9::9 fdb", |e| e.via("2001:db8:9::9".parse().unwrap()).fdb()),
    ];
    for (words, ours) in cases {
        check(&node, &nexthops, words, ours).await;
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip"), timeout = 60)]
async fn group_set_by_either_reads_equally(lab: Lab) -> Result {
    let (node, nexthops) = world(&lab).await?;
    for line in [
        "nexthop add id 1 via 192.0.2.1 dev d0",
        "nexthop add id 2 via 192.0.3.1 dev d1",
        "nexthop add id 3 via 203.0.113.1 fdb",
        "nexthop add id 4 via 203.0.113.2 fdb",
    ] {
        node.ip(line).await;
    }
    let shown = check(&node, &nexthops, "group 1/2", |e| e.group([1, 2])).await;
    assert_eq!(shown["group"], json!([{ "id": 1 }, { "id": 2 }]));
    let shown = check(&node, &nexthops, "group 1,3/2,256", |e| e.group([(1, 3), (2, 256)])).await;
    assert_eq!(shown["group"], json!([{ "id": 1, "weight": 3 }, { "id": 2, "weight": 256 }]));
    check(&node, &nexthops, "group 3/4 fdb", |e| e.group([3, 4]).fdb()).await;
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip"), timeout = 60)]
async fn resilient_group_set_by_either_reads_equally(lab: Lab) -> Result {
    let (node, nexthops) = world(&lab).await?;
    node.ip("nexthop add id 1 via 192.0.2.1 dev d0").await;
    node.ip("nexthop add id 2 via 192.0.3.1 dev d1").await;
    let words = "group 1/2 type resilient buckets 32 idle_timer 10 unbalanced_timer 20";
    let shown = check(&node, &nexthops, words, |e| {
        e.group([1, 2])
            .resilient(32)
            .idle_timer(Duration::from_secs(10))
            .unbalanced_timer(Duration::from_secs(20))
    })
    .await;
    assert_eq!((&shown["type"], &shown["resilient_args"]["buckets"]), (&"resilient".into(), &32.into()));

    nexthops.entry(12).group([1, 2]).resilient(32).add().await?;
    let buckets = nexthops.buckets().group(12).list().await?.collect_all().await?;
    let listed = node.json("ip -j nexthop bucket show id 12").await;
    assert_eq!((buckets.len(), listed.as_array().unwrap().len()), (32, 32));
    for (ours, theirs) in buckets.iter().zip(listed.as_array().unwrap()) {
        let bucket = &theirs["bucket"];
        assert_eq!(
            (&bucket["index"], &bucket["nhid"]),
            (&ours.index.into(), &ours.nexthop.into()),
            "{theirs}"
        );
        assert_eq!(ours.key(), (12, ours.index));
    }
    let of_first = nexthops.buckets().group(12).member(1).list().await?.collect_all().await?;
    assert!(of_first.len() < 32 && of_first.iter().all(|bucket| bucket.nexthop == 1), "{of_first:?}");
    let of_d1 = nexthops.buckets().dev("d1").list().await?.collect_all().await?;
    assert_eq!(of_first.len() + of_d1.len(), 32);
    Ok(())
}

/// Weights of 16 bits, and counters, are younger than the oldest kernel here.
#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip"), timeout = 60)]
async fn what_is_younger_works_or_names_its_release(lab: Lab) -> Result {
    let (_node, nexthops) = world(&lab).await?;
    nexthops.entry(1).dev("d0").add().await?;
    nexthops.entry(2).dev("d1").add().await?;
    match nexthops.entry(10).group([(1, 257), (2, 65535)]).add().await {
        Ok(_) => {
            let weights: Vec<_> = nexthops.entry(10).get().await?.group.iter().map(|m| m.weight).collect();
            assert_eq!(weights, [257, 65535]);
        }
        Err(error) => assert_unsupported(&error),
    }
    nexthops.entry(10).group([1, 2]).replace().await?;
    for with_counters in [nexthops.entry(10).stats(), nexthops.entry(10).stats_of_hardware()] {
        match with_counters.get().await {
            Ok(group) => assert_eq!(group.stats.iter().map(|stats| stats.id).collect::<Vec<_>>(), [1, 2]),
            Err(error) => assert_unsupported(&error),
        }
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip"), timeout = 60)]
async fn routes_follow_the_nexthop_they_are_over(lab: Lab) -> Result {
    let (node, nexthops) = world(&lab).await?;
    let routes = Routes::new(nexthops.connection().clone());
    nexthops.entry(1).via("192.0.2.1".parse()?).dev("d0").add().await?;
    routes.entry("198.51.100.0/24".parse()?).nhid(1).add().await?;
    nexthops.entry(1).via("192.0.3.1".parse()?).dev("d1").replace().await?;
    let shown = node.json("ip -j route get 198.51.100.7").await;
    assert_eq!((&shown[0]["gateway"], &shown[0]["dev"]), (&"192.0.3.1".into(), &"d1".into()));
    nexthops.entry(1).delete().await?;
    assert!(routes.entry("198.51.100.0/24".parse()?).get().await.unwrap_err().is_not_found());
    assert_eq!(ids(nexthops.entries()).await, [0; 0]);
    Ok(())
}
