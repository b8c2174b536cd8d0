//! What packets really do.

use std::time::Duration;

use nl_bridge::mst::{Mst, StpState};
use nl_bridge::settings::Bridge;
use nl_bridge::tunnel::Tunnels;
use nl_bridge::vlan_db::VlanDb;
use nl_bridge::vni::Vnis;
use nl_core::link::{Links, VlanProtocol};
use nl_testkit::oracle::traffic::vxlan;
use nl_testkit::{Capture, EthFrame, Lab, Node, Result};
use serde_json::json;

use super::support::*;

const SOON: Duration = Duration::from_secs(10);

/// The numbers of the frames of [`frame`] with their VLANs, up to the one with this number.
async fn until(capture: &mut Capture, last: u8) -> Vec<(u16, u8)> {
    let mut seen = Vec::new();
    loop {
        let frame = capture.next(SOON).await.unwrap().unwrap();
        let Some(number) = number(&frame) else { continue };
        seen.push((frame.vlan.unwrap_or(0), number));
        if number == last {
            return seen;
        }
    }
}

/// The VNI and the inner frame of the packet that carries the frame with this number.
async fn on_the_wire(capture: &mut Capture, wanted: u8) -> (u32, EthFrame) {
    let inner = |frame: &EthFrame| vxlan(frame).and_then(|header| EthFrame::parse(header.inner));
    let outer = capture.expect(|frame| inner(frame).as_ref().and_then(number) == Some(wanted), SOON).await;
    (vxlan(&outer).unwrap().vni, inner(&outer).unwrap())
}

/// Two switches over one VXLAN device each, which sends the VNIs that are given to the other.
async fn two_hosts(lab: &Lab, vnis: &[u32]) -> Result<[Node; 2]> {
    two_hosts_with(lab, "external", vnis).await
}

async fn two_hosts_with(lab: &Lab, options: &str, vnis: &[u32]) -> Result<[Node; 2]> {
    lab.quiet();
    let nodes = lab.wire("a", "b").await?;
    for (node, other) in [(&nodes[0], &nodes[1]), (&nodes[1], &nodes[0])] {
        add_switch(node).await?;
        let local = node.ipv4();
        let add = format!("link add vx0 type vxlan {options} dstport 4789 local {local} nolearning");
        node.ip(&add).await;
        node.ip("link set vx0 master br0 up").await;
        node.bridge("link set dev vx0 learning off").await;
        for vni in vnis {
            let to = format!("fdb append 00:00:00:00:00:00 dev vx0 dst {} src_vni {vni}", other.ipv4());
            node.bridge(&to).await;
        }
        node.bridge("vlan add dev p1 vid 1-100").await;
    }
    Ok(nodes)
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 90)]
async fn a_vlan_goes_over_its_vni_into_the_same_vlan(lab: Lab) -> Result {
    let vnis: Vec<u32> = (10_020..=10_029).chain([10_010, 10_011]).collect();
    let [a, b] = two_hosts(&lab, &vnis).await?;
    for node in [&a, &b] {
        let tunnels = Tunnels::new(route(node).await);
        tunnels.entry("vx0", 10, 10010).prepare().add().await?;
        tunnels.entry("vx0", 20..=29, 10020..=10029).prepare().add().await?;
        // In the VLAN, and without a VNI.
        node.bridge("vlan add dev vx0 vid 11").await;
    }
    let (mut wire, mut host) = (b.capture("eth0").await?, b.capture("h1").await?);
    for (vlan, number) in [(10, 1), (11, 2), (30, 3), (20, 4), (29, 5)] {
        a.send_frame("h1", &frame(vlan, number).to_bytes()).await?;
    }
    for (number, vni) in [(1, 10010), (4, 10020), (5, 10029)] {
        let (seen, inner) = on_the_wire(&mut wire, number).await;
        assert_eq!((seen, inner.vlan), (vni, None), "{inner:?}");
    }
    assert_eq!(until(&mut host, 5).await, [(10, 1), (20, 4), (29, 5)]);
    Ok(())
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge", kernel = "6.0", iproute2 = "6.10"),
    timeout = 90
)]
async fn counters_of_vnis_are_those_of_iproute2(lab: Lab) -> Result {
    let [a, b] = two_hosts_with(&lab, "external vnifilter", &[10_010, 10_020]).await?;
    for node in [&a, &b] {
        node.bridge("vni add vni 10010,10020 dev vx0").await;
        let tunnels = Tunnels::new(route(node).await);
        tunnels.entry("vx0", 10, 10010).prepare().add().await?;
        tunnels.entry("vx0", 20, 10020).prepare().add().await?;
    }
    let mut host = b.capture("h1").await?;
    for (vlan, number) in [(10, 1), (10, 2), (20, 3), (10, 4)] {
        a.send_frame("h1", &frame(vlan, number).to_bytes()).await?;
    }
    assert_eq!(until(&mut host, 4).await.len(), 4);
    let mut packets = Vec::new();
    for node in [&a, &b] {
        let vnis = Vnis::new(route(node).await);
        let shown = node.json("bridge -j -s vni show dev vx0").await;
        let mut ours = Vec::new();
        for entry in vnis.entries().dev("vx0").stats().list().await?.collect_all().await? {
            let (vni, stats) = (entry.vnis.first(), entry.stats.unwrap());
            packets.push((vni, stats.tx_packets, stats.rx_packets));
            ours.push(json!({ "vni": vni, "stats": {
                "rx_bytes": stats.rx_bytes, "rx_pkts": stats.rx_packets,
                "rx_drops": stats.rx_drops, "rx_errors": stats.rx_errors,
                "tx_bytes": stats.tx_bytes, "tx_pkts": stats.tx_packets,
                "tx_drops": stats.tx_drops, "tx_errors": stats.tx_errors,
            } }));
        }
        assert_eq!(json!(ours), shown[0]["vnis"]);
    }
    assert_eq!(packets, [(10_010, 3, 0), (10_020, 1, 0), (10_010, 0, 3), (10_020, 0, 1)]);
    Ok(())
}

/// As operators report, and why adding refuses it.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 90)]
async fn an_untagged_member_gets_no_vni(lab: Lab) -> Result {
    let [a, b] = two_hosts(&lab, &[10_010, 10_020]).await?;
    for node in [&a, &b] {
        let tunnels = Tunnels::new(route(node).await);
        tunnels.entry("vx0", 10, 10010).prepare().add().await?;
        tunnels.entry("vx0", 20, 10020).prepare().add().await?;
    }
    a.bridge("vlan add dev vx0 vid 10 untagged").await;
    let mut host = b.capture("h1").await?;
    for (vlan, number) in [(10, 1), (20, 2)] {
        a.send_frame("h1", &frame(vlan, number).to_bytes()).await?;
    }
    assert_eq!(until(&mut host, 2).await, [(20, 2)]);
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn a_port_that_blocks_one_vlan_forwards_the_others(lab: Lab) -> Result {
    lab.quiet();
    let node = switch(&lab, "a").await?;
    for port in ["p1", "p2"] {
        node.bridge(&format!("vlan add vid 10-12 dev {port}")).await;
    }
    let db = VlanDb::new(route(&node).await);
    let mut host = node.capture("h2").await?;
    let mut number = 0;
    let mut seen = async || {
        for vlan in [10, 11, 12] {
            number += 1;
            node.send_frame("h1", &frame(vlan, number).to_bytes()).await.unwrap();
        }
        let frames = until(&mut host, number).await;
        frames.into_iter().map(|(vlan, _)| vlan).collect::<Vec<_>>()
    };
    assert_eq!(seen().await, [10, 11, 12]);
    db.entry("p1", 10).state(StpState::Blocking).set().await?;
    assert_eq!(seen().await, [11, 12]);
    // Where it leaves.
    db.entry("p1", 10).state(StpState::Forwarding).set().await?;
    db.entry("p2", 11).state(StpState::Learning).set().await?;
    assert_eq!(seen().await, [10, 12]);
    db.entry("p2", 11).state(StpState::Forwarding).set().await?;
    assert_eq!(seen().await, [10, 11, 12]);
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn a_port_that_blocks_one_msti_forwards_the_others(lab: Lab) -> Result {
    lab.quiet();
    let node = switch(&lab, "a").await?;
    node.ip("link set br0 type bridge mst_enabled 1").await;
    for port in ["p1", "p2"] {
        node.bridge(&format!("vlan add vid 10-13 dev {port}")).await;
    }
    let mst = Mst::new(route(&node).await);
    mst.vlans("br0", 10..=11).msti(1).set().await?;
    mst.vlans("br0", 12).msti(2).set().await?;
    let mut host = node.capture("h2").await?;
    let mut number = 0;
    let mut seen = async || {
        for vlan in [10, 11, 12, 13] {
            number += 1;
            node.send_frame("h1", &frame(vlan, number).to_bytes()).await.unwrap();
        }
        let frames = until(&mut host, number).await;
        frames.into_iter().map(|(vlan, _)| vlan).collect::<Vec<_>>()
    };
    // A new MSTI is disabled.
    assert_eq!(seen().await, [13]);
    for port in ["p1", "p2"] {
        for msti in [1, 2] {
            mst.entry(port, msti).state(StpState::Forwarding).set().await?;
        }
    }
    assert_eq!(seen().await, [10, 11, 12, 13]);
    mst.entry("p2", 1).state(StpState::Blocking).set().await?;
    assert_eq!(seen().await, [12, 13]);
    Ok(())
}

/// The tag of a bridge with `vlan_protocol 802.1ad` has the ethertype 88 a8, and a tag of 802.1Q is part of what it carries.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"), timeout = 60)]
async fn tags_of_802_1ad_have_their_own_ethertype_on_the_wire(lab: Lab) -> Result {
    lab.quiet();
    let node = switch(&lab, "a").await?;
    let links = Links::new(route(&node).await);
    links.device("br0").kind(Bridge::new().vlan_protocol(VlanProtocol::Dot1ad)).change().await?;
    node.bridge("vlan add vid 10 dev p1 pvid untagged").await;
    node.bridge("vlan add vid 11 dev p1").await;
    node.bridge("vlan add vid 10-11 dev p2").await;
    let mut host = node.capture("h2").await?;
    let plain = |number: u8| {
        let mut frame = frame(0, number);
        frame.vlan = None;
        frame
    };
    let mut seen = async |sent: EthFrame, payload: &[u8]| {
        node.send_frame("h1", &sent.to_bytes()).await.unwrap();
        let got = host.expect(|frame| frame.payload.starts_with(payload), SOON).await;
        (got.tpid, got.vlan, got.ethertype)
    };
    let (service, test) = (0x88a8, EthFrame::TEST);
    assert_eq!(seen(plain(1), &[1; 46]).await, (service, Some(10), test));
    // In a VLAN of the provider already.
    assert_eq!(seen(plain(2).service_vlan(11), &[2; 46]).await, (service, Some(11), test));
    // In a VLAN of the customer: 20, and behind it the type of what the frame carries.
    let customer = [&[0, 20][..], &test.to_be_bytes(), &[3; 46]].concat();
    assert_eq!(seen(plain(3).vlan(20), &customer).await, (service, Some(10), EthFrame::CUSTOMER_TAG));
    Ok(())
}
