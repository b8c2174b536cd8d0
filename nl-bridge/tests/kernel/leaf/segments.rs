//! Multihoming on a kernel: segments, their switch-over, and bonds with peers.

use std::time::Duration;

use nl_bridge::fdb::Fdb;
use nl_bridge::leaf::{BridgeConfig, PortConfig, SegmentConfig, VxlanConfig};
use nl_core::MacAddr;
use nl_testkit::oracle::traffic;
use nl_testkit::{Capture, EthFrame, Lab, Node, Result, eventually, scaled};

use super::support::*;

const SOON: Duration = Duration::from_secs(10);
const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 7]);

fn segment(id: u32, leaves: &[std::net::IpAddr]) -> SegmentConfig {
    leaves.iter().fold(SegmentConfig::new(id), |segment, leaf| segment.leaf(*leaf))
}

/// VLAN 10 on the ports of a leaf.
fn base(node: &Node, ports: &[&str]) -> BridgeConfig {
    let vxlan = VxlanConfig::new("vx0").local(node.ipv4().into()).map(10, 10010);
    let config = BridgeConfig::new("br0").vxlan(vxlan).own_nexthops(5000..=5099);
    ports.iter().fold(config, |config, port| config.port(PortConfig::new(*port).access(10)))
}

/// The FDB nexthops, as iproute2 shows them: number, and the leaf or the members.
async fn shown(node: &Node) -> Vec<(u64, String)> {
    let shown = node.json("ip -j nexthop show").await;
    let words = |hop: &serde_json::Value| {
        let members = hop["group"].as_array().map(|members| {
            let ids = members.iter().map(|member| member["id"].to_string());
            ids.collect::<Vec<_>>().join("/")
        });
        members.unwrap_or_else(|| hop["gateway"].as_str().unwrap_or_default().to_owned())
    };
    let hops = shown.as_array().unwrap().iter();
    let mut hops: Vec<_> = hops.map(|hop| (hop["id"].as_u64().unwrap(), words(hop))).collect();
    hops.sort();
    hops
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "ip"), timeout = 60)]
async fn segments_are_shown_by_iproute2_change_and_go(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let with = |segments: &[SegmentConfig]| {
        let vxlan = VxlanConfig::new("vx0").local(other(1)).map(10, 10010);
        let config = BridgeConfig::new("br0").vxlan(vxlan).own_nexthops(5000..=5099);
        segments.iter().cloned().fold(config, BridgeConfig::segment)
    };
    // Those of somebody else.
    node.ip("nexthop add id 7 via 192.0.2.2 fdb").await;
    leaf.apply(&with(&[segment(5001, &[other(2), other(3)])])).await?;
    let text = |text: &str| text.to_owned();
    let expected = [
        (7, text("192.0.2.2")),
        (5001, text("5098/5099")),
        (5098, text("192.0.2.3")),
        (5099, text("192.0.2.2")),
    ];
    assert_eq!(shown(&node).await, expected);
    let same = leaf.apply(&with(&[segment(5001, &[other(3), other(2)])])).await?;
    assert_eq!(lines(&same), [] as [&str; 0]);
    leaf.apply(&with(&[segment(5001, &[other(3)]), segment(5002, &[other(4)])])).await?;
    let expected = [
        (7, text("192.0.2.2")),
        (5001, text("5098")),
        (5002, text("5097")),
        (5097, text("192.0.2.4")),
        (5098, text("192.0.2.3")),
    ];
    assert_eq!(shown(&node).await, expected);

    // A leaf that was killed behind any step goes on from there.
    let target = with(&[segment(5003, &[other(5), other(3)])]);
    let steps = leaf.plan(&target).await?.steps().len();
    for killed in 0..steps {
        leaf.apply(&with(&[segment(5001, &[other(3)]), segment(5002, &[other(4)])])).await?;
        let plan = leaf.plan(&target).await?;
        for step in plan.steps().iter().take(killed) {
            take(leaf.connection(), step).await;
        }
        leaf.apply(&target).await?;
        assert_eq!(lines(&leaf.apply(&target).await?), [] as [&str; 0], "killed behind {killed} of\n{plan}");
    }
    leaf.remove(&target).await?;
    assert_eq!(shown(&node).await, [(7, text("192.0.2.2"))]);
    Ok(())
}

/// A frame to the host behind the segment, with a number.
fn frame(number: u16) -> Vec<u8> {
    let payload: Vec<u8> = number.to_be_bytes().into_iter().chain([0; 44]).collect();
    EthFrame::new([2, 0, 0, 0, 9, 9], MAC.octets(), EthFrame::TEST, &payload).to_bytes()
}

/// The numbers of the frames that are there already.
async fn numbers(capture: &mut Capture) -> Vec<u16> {
    let mut numbers = Vec::new();
    while let Some(frame) = capture.next(Duration::ZERO).await.unwrap() {
        if let (EthFrame::TEST, [high, low, ..]) = (frame.ethertype, frame.payload.as_slice()) {
            numbers.push(u16::from_be_bytes([*high, *low]));
        }
    }
    numbers
}

/// The numbers of the frames before the last one, which has the number 65535.
async fn numbers_before_the_last(capture: &mut Capture) -> Result<Vec<u16>> {
    let mut numbers = Vec::new();
    loop {
        let frame = capture.next(SOON).await?.unwrap_or_else(|| unreachable!("the last frame is lost"));
        if let (EthFrame::TEST, [high, low, ..]) = (frame.ethertype, frame.payload.as_slice()) {
            match u16::from_be_bytes([*high, *low]) {
                u16::MAX => return Ok(numbers),
                number => numbers.push(number),
            }
        }
    }
}

/// Frames that are on the way while a group is replaced arrive at the old leaf or at the new one, each of them once.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "ip"), timeout = 120)]
async fn segment_that_switches_over_loses_nothing(lab: Lab) -> Result {
    lab.quiet();
    let fabric = lab.bridge("fabric", 3).await?;
    let [a, b, c] = [0, 1, 2].map(|number: usize| fabric.hosts()[number].clone());
    for node in [&a, &b, &c] {
        add_ports(node).await?;
    }
    for node in [&b, &c] {
        leaf_of(node).await.apply(&base(node, &["p1"])).await?;
    }
    let leaf = leaf_of(&a).await;
    let (first, second) = (b.ipv4().into(), c.ipv4().into());
    let with = |leaves: &[std::net::IpAddr]| base(&a, &["p1"]).segment(segment(5001, leaves));
    leaf.apply(&with(&[first])).await?;
    let fdb = Fdb::new(leaf.connection().clone());
    fdb.remote_mac(MAC, "vx0").vlan(10).src_vni(10010).nexthop(5001).replace().await?;
    let (mut at_b, mut at_c) = (b.capture("h1").await?, c.capture("h1").await?);
    let (mut sent, mut seen_by_b, mut seen_by_c) = (0_u16, Vec::new(), Vec::new());
    let configs = [with(&[second]), with(&[first, second]), with(&[first])];
    for config in configs.iter().cycle().take(scaled(10, 3) as usize * configs.len()) {
        let change = async { leaf.apply(config).await };
        let traffic = async {
            for _ in 0..10 {
                sent += 1;
                a.send_frame("h1", &frame(sent)).await.unwrap();
            }
        };
        let (plan, ()) = tokio::join!(change, traffic);
        assert!(!plan?.is_empty());
        sent += 1;
        a.send_frame("h1", &frame(sent)).await?;
        seen_by_b.extend(numbers(&mut at_b).await);
        seen_by_c.extend(numbers(&mut at_c).await);
    }
    // One more to each leaf, behind all of them.
    a.send_frame("h1", &frame(u16::MAX)).await?;
    seen_by_b.extend(numbers_before_the_last(&mut at_b).await?);
    leaf.apply(&with(&[second])).await?;
    a.send_frame("h1", &frame(u16::MAX)).await?;
    seen_by_c.extend(numbers_before_the_last(&mut at_c).await?);
    assert!(!seen_by_b.is_empty() && !seen_by_c.is_empty(), "{seen_by_b:?} {seen_by_c:?}");
    let mut all = seen_by_b;
    all.extend(seen_by_c);
    all.sort_unstable();
    assert_eq!(all, (1..=sent).collect::<Vec<_>>());
    Ok(())
}

/// Linux 6.6; an older kernel says yes and does nothing, which is found out.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "ip"), timeout = 60)]
async fn port_without_a_carrier_goes_to_its_peers(lab: Lab) -> Result {
    lab.quiet();
    let [a, b] = lab.wire("a", "b").await?;
    add_ports(&a).await?;
    let leaf = leaf_of(&a).await;
    let mut config = base(&a, &["p1", "p2"]);
    config.ports[0] = config.ports[0].clone().peers(segment(5001, &[b.ipv4().into()]));
    if let Err(error) = leaf.apply(&config).await {
        assert!(error.is_unsupported() && error.to_string().contains("backup_nhid"), "{error}");
        nl_testkit::assert_older_than(6_u32, 6_u32);
        return Ok(());
    }
    assert!(devices(&a).await.iter().all(|name| !name.starts_with("nlprobe")), "{:?}", devices(&a).await);
    assert_eq!(lines(&leaf.apply(&config).await?), [] as [&str; 0]);
    // As a control plane has the addresses of a segment: they do not go with the carrier.
    a.bridge(&format!("fdb add {MAC} dev p1 master static vlan 10")).await;
    a.down("h1").await?;
    let mut wire = b.capture("eth0").await?;
    a.send_frame("h2", &frame(1)).await?;
    wire.expect(|frame| traffic::vni(frame) == Some(10010), SOON).await;

    // Without peers it is as it was.
    leaf.apply(&base(&a, &["p1", "p2"])).await?;
    let shown_port = a.json("ip -j -d link show dev p1").await;
    let port = &shown_port[0]["linkinfo"]["info_slave_data"];
    assert!(port.get("backup_nhid").is_none() && port.get("backup_port").is_none(), "{port}");
    assert!(shown(&a).await.is_empty());
    Ok(())
}

/// Linux 6.6; an older kernel would accept and ignore it, so it is asked before, on a port that is there or on one of its own.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "ip"), timeout = 60)]
async fn peers_that_the_kernel_is_too_old_for_are_refused_before_anything_changes(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let plain = || {
        let vxlan = VxlanConfig::new("vx0").local(other(1)).map(10, 10010);
        let config = BridgeConfig::new("br0").vxlan(vxlan).own_nexthops(5000..=5099);
        config.port(PortConfig::new("p1").access(10))
    };
    let with_peers = || plain().port(PortConfig::new("p2").access(10).peers(segment(5001, &[other(2)])));
    for has_bridge in [false, true] {
        if has_bridge {
            leaf.apply(&plain()).await?;
        }
        let before = (devices(&node).await, shown_all(&node).await, shown(&node).await);
        match leaf.apply(&with_peers()).await {
            Ok(plan) => {
                assert!(lines(&plan).iter().any(|line| line.contains("backup_nhid 5001")), "{plan}");
                let names = devices(&node).await;
                assert!(names.iter().all(|name| !name.starts_with("nlprobe")), "{names:?}");
                leaf.remove(&with_peers()).await?;
            }
            Err(error) => {
                assert!(error.is_unsupported(), "{error}");
                assert!(error.to_string().starts_with("leaf br0: ports[1].peers: "), "{error}");
                nl_testkit::assert_older_than(6_u32, 6_u32);
                let after = (devices(&node).await, shown_all(&node).await, shown(&node).await);
                assert_eq!(after, before);
            }
        }
    }
    Ok(())
}

/// A bond that loses its last carrier goes to its peers, and comes back with the carrier.
#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", link = "bond", tool = "ip"),
    timeout = 90
)]
async fn bond_without_a_carrier_goes_to_its_peers_and_comes_back(lab: Lab) -> Result {
    lab.quiet();
    let [a, b] = lab.wire("a", "b").await?;
    add_ports(&a).await?;
    a.ip("link add bond1 type bond mode active-backup miimon 10").await;
    a.down("p1").await?;
    a.ip("link set p1 master bond1").await;
    for name in ["p1", "bond1"] {
        a.up(name).await?;
        a.wait_carrier(name).await?;
    }
    let leaf = leaf_of(&a).await;
    let mut config = base(&a, &["bond1", "p2"]);
    config.ports[0] = config.ports[0].clone().peers(segment(5001, &[b.ipv4().into()]));
    if let Err(error) = leaf.apply(&config).await {
        assert!(error.is_unsupported(), "{error}");
        nl_testkit::assert_older_than(6_u32, 6_u32);
        return Ok(());
    }
    // As a control plane has the addresses of a segment: they do not go with the carrier.
    a.bridge(&format!("fdb add {MAC} dev bond1 master static vlan 10")).await;
    let (mut wire, mut at_host) = (b.capture("eth0").await?, a.capture("h1").await?);
    let is = |number: u16| {
        move |frame: &EthFrame| {
            frame.ethertype == EthFrame::TEST && frame.payload.starts_with(&number.to_be_bytes())
        }
    };
    a.send_frame("h2", &frame(1)).await?;
    at_host.expect(is(1), SOON).await;

    // The state that the bridge gives the port says that it has heard of the carrier.
    let is_in = async |state: &str| {
        let shown = a.json("bridge -j link show dev bond1").await;
        (shown[0]["state"] == state).then_some(())
    };
    a.down("h1").await?;
    eventually(SOON, async || is_in("disabled").await, "the bond to lose its carrier").await;
    a.send_frame("h2", &frame(2)).await?;
    wire.expect(|frame| traffic::vni(frame) == Some(10010), SOON).await;

    a.up("h1").await?;
    eventually(SOON, async || is_in("forwarding").await, "the bond to get its carrier back").await;
    // A capture ends with its device.
    let mut at_host = a.capture("h1").await?;
    a.send_frame("h2", &frame(3)).await?;
    at_host.expect(is(3), SOON).await;
    assert_eq!(lines(&leaf.apply(&config).await?), [] as [&str; 0]);
    Ok(())
}
