//! Every option of a bridge, alone: made and changed by us and by iproute2.

use std::time::Duration;

use nl_bridge::settings::{Bridge, McastRouter, StpMode};
use nl_core::error::{ErrorKind, KernelVersion};
use nl_core::link::{LinkKind, LinkVerb, Links, VlanProtocol};
use nl_core::{Error, MacAddr};
use nl_testkit::{Lab, Node, Result};
use serde_json::{Value, json};

use crate::kinds::{difference, info, links, same_bytes};
use crate::support::kernel;

const ADDRESS: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 7]);

/// One option: the words of `ip link … type bridge`, ours for them, and what iproute2 then shows.
struct Line {
    words: &'static str,
    ours: fn(Bridge) -> Bridge,
    key: &'static str,
    shown: Value,
    /// The first kernel that has it.
    since: (u16, u16),
    /// What must be set before.
    before: &'static str,
    /// What it changes too.
    also: &'static [&'static str],
}

fn line(words: &'static str, ours: fn(Bridge) -> Bridge, key: &'static str, shown: impl Into<Value>) -> Line {
    Line { words, ours, key, shown: shown.into(), since: (4, 0), before: "", also: &[] }
}

impl Line {
    fn since(mut self, major: u16, minor: u16) -> Self {
        self.since = (major, minor);
        self
    }

    fn before(mut self, before: &'static str) -> Self {
        self.before = before;
        self
    }

    fn is_there(&self) -> bool {
        let (major, minor) = kernel();
        (major, minor) >= (self.since.0.into(), self.since.1.into())
    }

    fn setting(&self) -> Bridge {
        (self.ours)(Bridge::new())
    }
}

/// The options in parts, because each makes several devices.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Multicast,
    SpanningTree,
    VlanAndFilters,
}

fn part(part: Part) -> impl Iterator<Item = Line> {
    let of = |words: &str| match words {
        _ if words.starts_with("mcast_") => Part::Multicast,
        _ if ["vlan_", "nf_", "no_", "mst_", "mdb_", "fdb_"].iter().any(|start| words.starts_with(start)) => {
            Part::VlanAndFilters
        }
        _ => Part::SpanningTree,
    };
    lines().into_iter().filter(move |line| of(line.words) == part)
}

fn lines() -> Vec<Line> {
    vec![
        line("forward_delay 400", |b| b.forward_delay(Duration::from_secs(4)), "forward_delay", 400),
        line("hello_time 150", |b| b.hello_time(Duration::from_millis(1500)), "hello_time", 150),
        line("max_age 1234", |b| b.max_age(Duration::from_millis(12_340)), "max_age", 1234),
        line("ageing_time 0", |b| b.ageing_time(Duration::ZERO), "ageing_time", 0),
        line("ageing_time 60000", |b| b.ageing_time(Duration::from_secs(600)), "ageing_time", 60_000),
        line("stp_state 1", |b| b.stp_state(true), "stp_state", 1),
        line("stp_mode user", |b| b.stp_mode(StpMode::User), "stp_mode", "user").since(7, 1),
        line("stp_mode kernel", |b| b.stp_mode(StpMode::Kernel), "stp_mode", "kernel").since(7, 1),
        Line {
            also: &["bridge_id", "root_id"],
            ..line("priority 4096", |b| b.priority(4096_u16), "priority", 4096)
        },
        line("group_fwd_mask 16384", |b| b.group_fwd_mask(0x4000_u16), "group_fwd_mask", "0x4000"),
        line(
            "group_address 01:80:c2:00:00:0e",
            |b| b.group_address(MacAddr::new([1, 0x80, 0xc2, 0, 0, 0xe])),
            "group_addr",
            "01:80:c2:00:00:0e",
        ),
        line("fdb_max_learned 1000", |b| b.fdb_max_learned(1000_u32), "fdb_max_learned", 1000).since(6, 7),
        line("vlan_filtering 1", |b| b.vlan_filtering(true), "vlan_filtering", 1),
        line("vlan_protocol 802.1ad", |b| b.vlan_protocol(VlanProtocol::Dot1ad), "vlan_protocol", "802.1ad"),
        line("vlan_default_pvid 0", |b| b.vlan_default_pvid(0_u16), "vlan_default_pvid", 0),
        line("vlan_default_pvid 4094", |b| b.vlan_default_pvid(4094_u16), "vlan_default_pvid", 4094),
        line("vlan_stats_enabled 1", |b| b.vlan_stats_enabled(true), "vlan_stats_enabled", 1),
        line("vlan_stats_per_port 1", |b| b.vlan_stats_per_port(true), "vlan_stats_per_port", 1),
        line("mcast_snooping 0", |b| b.mcast_snooping(false), "mcast_snooping", 0),
        line("mcast_router 0", |b| b.mcast_router(McastRouter::Disabled), "mcast_router", 0),
        line("mcast_router 2", |b| b.mcast_router(McastRouter::Permanent), "mcast_router", 2),
        line("mcast_query_use_ifaddr 1", |b| b.mcast_query_use_ifaddr(true), "mcast_query_use_ifaddr", 1),
        line("mcast_querier 1", |b| b.mcast_querier(true), "mcast_querier", 1),
        line("mcast_hash_max 512", |b| b.mcast_hash_max(512_u32), "mcast_hash_max", 512),
        line("mcast_last_member_count 5", |b| b.mcast_last_member_count(5_u32), "mcast_last_member_cnt", 5),
        line(
            "mcast_startup_query_count 7",
            |b| b.mcast_startup_query_count(7_u32),
            "mcast_startup_query_cnt",
            7,
        ),
        line(
            "mcast_last_member_interval 250",
            |b| b.mcast_last_member_interval(Duration::from_millis(2500)),
            "mcast_last_member_intvl",
            250,
        ),
        line(
            "mcast_membership_interval 30000",
            |b| b.mcast_membership_interval(Duration::from_secs(300)),
            "mcast_membership_intvl",
            30_000,
        ),
        line(
            "mcast_querier_interval 20000",
            |b| b.mcast_querier_interval(Duration::from_secs(200)),
            "mcast_querier_intvl",
            20_000,
        ),
        line(
            "mcast_query_interval 6000",
            |b| b.mcast_query_interval(Duration::from_secs(60)),
            "mcast_query_intvl",
            6000,
        ),
        line(
            "mcast_query_response_interval 500",
            |b| b.mcast_query_response_interval(Duration::from_secs(5)),
            "mcast_query_response_intvl",
            500,
        ),
        line(
            "mcast_startup_query_interval 2000",
            |b| b.mcast_startup_query_interval(Duration::from_secs(20)),
            "mcast_startup_query_intvl",
            2000,
        ),
        line("mcast_stats_enabled 1", |b| b.mcast_stats_enabled(true), "mcast_stats_enabled", 1),
        line("mcast_igmp_version 3", |b| b.mcast_igmp_version(3), "mcast_igmp_version", 3),
        line("mcast_mld_version 2", |b| b.mcast_mld_version(2), "mcast_mld_version", 2),
        line("nf_call_iptables 1", |b| b.nf_call_iptables(true), "nf_call_iptables", 1),
        line("nf_call_ip6tables 1", |b| b.nf_call_ip6tables(true), "nf_call_ip6tables", 1),
        line("nf_call_arptables 1", |b| b.nf_call_arptables(true), "nf_call_arptables", 1),
        line("no_linklocal_learn 1", |b| b.no_linklocal_learn(true), "no_linklocal_learn", 1),
        line("mcast_vlan_snooping 1", |b| b.mcast_vlan_snooping(true), "mcast_vlan_snooping", 1)
            .before("vlan_filtering 1"),
        line("mst_enabled 1", |b| b.mst_enabled(true), "mst_enabled", 1),
        line(
            "mdb_offload_fail_notification 1",
            |b| b.mdb_offload_fail_notification(true),
            "mdb_offload_fail_notification",
            1,
        )
        .since(6, 16),
        line("fdb_local_vlan_0 1", |b| b.fdb_local_vlan_0(true), "fdb_local_vlan_0", 1).since(6, 18),
    ]
}

async fn fresh(node: &Node, before: &str) {
    node.ip(&format!("link add br0 address {ADDRESS} type bridge {before}")).await;
}

async fn read(links: &Links) -> Bridge {
    let mut bridge = links.device("br0").get().await.unwrap().kind::<Bridge>().unwrap().unwrap();
    for timer in [
        &mut bridge.hello_timer,
        &mut bridge.tcn_timer,
        &mut bridge.topology_change_timer,
        &mut bridge.gc_timer,
    ] {
        assert!(timer.take().is_some());
    }
    // It is there while somebody asks.
    bridge.mcast_querier_state = None;
    bridge
}

fn is_too_new(error: &Error, since: (u16, u16)) {
    let version = error.since().and_then(|since| since.version());
    assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{error}");
    assert_eq!(version, Some(KernelVersion::new(since.0, since.1)), "{error}");
}

#[nl_testkit::test(needs(bridge_vlan_filtering, iproute2 = "7.3"), timeout = 60)]
async fn every_multicast_option_is_changed_alone_as_by_iproute2(lab: Lab) -> Result {
    changes_alone_as_by_iproute2(lab, Part::Multicast).await
}

#[nl_testkit::test(needs(bridge_vlan_filtering, iproute2 = "7.3"), timeout = 60)]
async fn every_spanning_tree_option_is_changed_alone_as_by_iproute2(lab: Lab) -> Result {
    changes_alone_as_by_iproute2(lab, Part::SpanningTree).await
}

#[nl_testkit::test(needs(bridge_vlan_filtering, iproute2 = "7.3"), timeout = 60)]
async fn every_vlan_and_filter_option_is_changed_alone_as_by_iproute2(lab: Lab) -> Result {
    changes_alone_as_by_iproute2(lab, Part::VlanAndFilters).await
}

#[nl_testkit::test(needs(bridge_vlan_filtering, iproute2 = "7.3"), timeout = 60)]
async fn every_multicast_option_makes_a_bridge_as_iproute2_does(lab: Lab) -> Result {
    makes_a_bridge_as_iproute2_does(lab, Part::Multicast).await
}

#[nl_testkit::test(needs(bridge_vlan_filtering, iproute2 = "7.3"), timeout = 60)]
async fn every_spanning_tree_option_makes_a_bridge_as_iproute2_does(lab: Lab) -> Result {
    makes_a_bridge_as_iproute2_does(lab, Part::SpanningTree).await
}

#[nl_testkit::test(needs(bridge_vlan_filtering, iproute2 = "7.3"), timeout = 60)]
async fn every_vlan_and_filter_option_makes_a_bridge_as_iproute2_does(lab: Lab) -> Result {
    makes_a_bridge_as_iproute2_does(lab, Part::VlanAndFilters).await
}

async fn changes_alone_as_by_iproute2(lab: Lab, of: Part) -> Result {
    lab.quiet();
    let node = lab.node("a").await?;
    let links = links(&node).await?;
    let mut wrong = Vec::new();
    for line in part(of) {
        let words = line.words;
        fresh(&node, line.before).await;
        let before = info(&node, "br0", "info_data").await;
        let change = links.device("br0").kind(line.setting()).change().await;
        if !line.is_there() {
            is_too_new(&change.unwrap_err(), line.since);
            assert_eq!(info(&node, "br0", "info_data").await, before, "{words}");
            node.ip("link del br0").await;
            continue;
        }
        change.unwrap_or_else(|error| panic!("{words}: {error}"));
        let by_us = (info(&node, "br0", "info_data").await, read(&links).await);
        assert_eq!(by_us.0[line.key], line.shown, "{words}: {}", by_us.0);
        let changed = difference(&before, &by_us.0);
        let other: Vec<_> =
            changed.iter().filter(|key| *key != line.key && !line.also.contains(&key.as_str())).collect();
        assert!(other.is_empty(), "{words} changed {other:?}");
        node.ip("link del br0").await;

        fresh(&node, line.before).await;
        let config = links.device("br0").kind(line.setting()).config().clone();
        let command = format!("ip link set dev br0 type bridge {words}");
        wrong.extend(same_bytes(&node, &links, config, LinkVerb::Change, &command).await);
        let by_them = (info(&node, "br0", "info_data").await, read(&links).await);
        assert_eq!(by_us, by_them, "{words}");
        node.ip("link del br0").await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

async fn makes_a_bridge_as_iproute2_does(lab: Lab, of: Part) -> Result {
    lab.quiet();
    let node = lab.node("a").await?;
    let links = links(&node).await?;
    let mut wrong = Vec::new();
    for line in part(of) {
        let words = line.words;
        let before = match line.before {
            "" => Bridge::new(),
            _ => Bridge::new().vlan_filtering(true),
        };
        let device = links.device("br0").address(ADDRESS).kind((line.ours)(before));
        let made = device.clone().add().await;
        if !line.is_there() {
            is_too_new(&made.unwrap_err(), line.since);
            assert_eq!(node.links().await?, ["lo"], "{words}: a bridge without the option stays");
            continue;
        }
        made.unwrap_or_else(|error| panic!("{words}: {error}"));
        let by_us = (info(&node, "br0", "info_data").await, read(&links).await);
        assert_eq!(by_us.0[line.key], line.shown, "{words}: {}", by_us.0);
        node.ip("link del br0").await;

        let command = format!("ip link add br0 address {ADDRESS} type bridge {} {words}", line.before);
        wrong.extend(same_bytes(&node, &links, device.config().clone(), LinkVerb::Add, command.trim()).await);
        let by_them = (info(&node, "br0", "info_data").await, read(&links).await);
        assert_eq!(by_us, by_them, "{words}");
        node.ip("link del br0").await;

        // Our own rendering is understood.
        let printed = line.setting().to_string();
        let printed = printed.strip_prefix(Bridge::KIND).unwrap();
        node.ip(&format!("link add br0 address {ADDRESS} type bridge {}{printed}", line.before)).await;
        assert_eq!(info(&node, "br0", "info_data").await, by_us.0, "{words}: as {printed}");
        node.ip("link del br0").await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The kernel lets go of what it learned, and of nothing else.
#[nl_testkit::test(needs(link = "bridge", tool = "bridge"))]
async fn fdb_flush_of_a_bridge_removes_learned_addresses_only(lab: Lab) -> Result {
    lab.quiet();
    let bridge = lab.bridge("br0", 1).await?;
    let node = bridge.node();
    node.bridge("fdb add 02:00:00:00:00:01 dev port1 master dynamic").await;
    node.bridge("fdb add 02:00:00:00:00:02 dev port1 master static").await;
    let links = links(node).await?;
    let mut flush = Bridge::new();
    flush.fdb_flush = Some(nl_core::link::Flag);
    links.device("br0").kind(flush).change().await?;
    let shown = node.bridge("fdb show br br0").await;
    assert!(!shown.contains("02:00:00:00:00:01") && shown.contains("02:00:00:00:00:02"), "{shown}");
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn refusals_of_a_bridge_name_the_option(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let links = links(&node).await?;
    links.device("br0").kind(Bridge::new()).add().await?;
    let change = |bridge: Bridge| links.device("br0").kind(bridge).change();
    let error =
        change(Bridge::new().stp_state(true).forward_delay(Duration::from_secs(1))).await.unwrap_err();
    assert!(error.to_string().contains("forward_delay 1s; 2s to 30s are possible"), "{error}");
    change(Bridge::new().stp_state(true)).await?;
    let error = change(Bridge::new().forward_delay(Duration::from_secs(1))).await.unwrap_err();
    assert_eq!(error.errno(), Some(nl_core::error::Errno::ERANGE), "{error}");
    assert!(error.to_string().starts_with("set link br0 type bridge: "), "{error}");
    let dummy = links.device("lo").kind(Bridge::new().priority(1_u16)).change().await.unwrap_err();
    assert_eq!(dummy.to_string(), "set link lo type bridge: lo is a plain device, not a bridge");
    let error = change(Bridge::new().flag(nl_bridge::settings::BridgeFlags::from_bits_retain(1 << 20), true));
    let error = error.await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, tool = "ip"))]
async fn a_bridge_that_was_read_is_written_back_unchanged(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let links = links(&node).await?;
    fresh(&node, "vlan_filtering 1 ageing_time 1234 mcast_querier 1 mcast_vlan_snooping 1 priority 7").await;
    let before = info(&node, "br0", "info_data").await;
    let bridge = links.device("br0").get().await?.kind::<Bridge>().unwrap()?;
    assert_eq!(bridge.has(nl_bridge::settings::BridgeFlags::MCAST_VLAN_SNOOPING), Some(true));
    assert!(bridge.other.is_empty(), "{:?}", bridge.other);
    links.device("br0").kind(bridge).change().await?;
    assert_eq!(info(&node, "br0", "info_data").await, before);
    assert_eq!(before["ageing_time"], json!(1234));
    Ok(())
}
