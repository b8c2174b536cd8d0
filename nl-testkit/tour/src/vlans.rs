//! Two leaves of a fabric: VLANs travel as VNIs, a port blocks one VLAN, and each VLAN is counted.

use std::net::Ipv4Addr;
use std::time::Duration;

use nl_bridge::fdb::Fdb;
use nl_bridge::settings::Bridge;
use nl_bridge::tunnel::{TunnelEntry, Tunnels};
use nl_bridge::vlan::Vlans;
use nl_bridge::vlan_db::{StpState, VlanDb};
use nl_bridge::vxlan::Vxlan;
use nl_core::link::Links;
use nl_core::{Connection, MacAddr, Protocol};
use nl_testkit::oracle::traffic::vxlan;
use nl_testkit::{Capture, EthFrame, Lab, Node, Result};
use serde_json::Value;

use crate::story::{Story, has};

/// A VLAN and its VNI, and ten of each.
const ONE: (u16, u32) = (10, 10_010);
const FIRST: (u16, u32) = (20, 10_020);
const LAST: (u16, u32) = (29, 10_029);
/// The hosts' ports are in this VLAN too, and no VNI belongs to it.
const LOCAL: u16 = 30;

pub(crate) async fn chapter(lab: &Lab, story: &mut Story) -> Result {
    lab.quiet();
    let [one, two] = lab.wire("leaf1", "leaf2").await?;
    let (near, far) = (Leaf::build(lab, &one, &two).await?, Leaf::build(lab, &two, &one).await?);
    story.step(
        "Built two leaves: a bridge br0 that filters VLANs, with the ports port1 (a host, tagged in the VLANs 10 and 20 to 30) and \
         vx0 (VXLAN, external). Mapping VLAN 10 to VNI 10010, before anything else is set:",
    );
    let refused = near.tunnels().entry("vx0", ONE.0, ONE.1).add().await;
    let named = refused.is_err_and(|error| {
        story.show(format!("{:>7}  {error}", "refused"));
        ["vlan_tunnel is off", "not in vlan 10"].iter().all(|part| error.to_string().contains(part))
    });
    story.prove("a mapping that cannot work is refused, and the error names all that is missing", named);

    story.step("The same with what is missing, and VLANs 20 to 29 as VNIs 10020 to 10029 (bridge vlan add … tunnel_info id …):");
    for leaf in [&near, &far] {
        leaf.tunnels().entry("vx0", ONE.0, ONE.1).prepare().add().await?;
        leaf.tunnels().entry("vx0", FIRST.0..=LAST.0, FIRST.1..=LAST.1).prepare().add().await?;
    }
    let listed = near.tunnels().entries().dev("vx0").list().await?.collect_all().await?;
    listed.iter().for_each(|entry| story.show(entry));
    let ours: Vec<_> = listed.iter().flat_map(TunnelEntry::pairs).collect();
    let expected: Vec<_> = [ONE].into_iter().chain((FIRST.0..=LAST.0).zip(FIRST.1..=LAST.1)).collect();
    let theirs = tunnelshow(&near.node).await.map(|theirs| theirs == ours);
    story.prove_with_iproute2("bridge vlan tunnelshow prints what our list has", ours == expected, theirs);

    story.step("A host sends a frame in VLAN 10, one in VLAN 30, which has no VNI, and one in VLAN 25:");
    let (mut wire, mut arriving) = (two.capture("eth0").await?, far.host.capture("eth0").await?);
    for (vlan, number) in [(ONE.0, 1), (LOCAL, 2), (25, 3)] {
        near.send(vlan, number).await?;
    }
    let seen = until(&mut arriving, 3, story.deadline).await?;
    print(story, &seen);
    let vnis = [vni_of(&mut wire, 1, story.deadline).await?, vni_of(&mut wire, 3, story.deadline).await?];
    vnis.iter().flatten().for_each(|vni| story.show(format!("on the wire between the leaves: VNI {vni}")));
    let crossed = vnis == [Some(10_010), Some(10_025)];
    story.prove(
        "a frame of a mapped VLAN crosses as its VNI and arrives in its VLAN",
        crossed && seen.contains(&(10, 1)),
    );
    story.prove("a frame of a VLAN without a VNI does not arrive", seen == [(10, 1), (25, 3)]);

    story.step("The far host's port blocks VLAN 10 (bridge vlan set vid 10 dev port1 state blocking):");
    let db = VlanDb::new(far.conn.clone());
    db.entry("port1", ONE.0).state(StpState::Blocking).set().await?;
    let shown = vlan_of(&far.node, "bridge -j -d vlan show dev port1").await;
    let shown = shown.map(|vlan| vlan.get("state").is_some_and(|state| state == "blocking"));
    for (vlan, number) in [(ONE.0, 4), (25, 5)] {
        near.send(vlan, number).await?;
    }
    let seen = until(&mut arriving, 5, story.deadline).await?;
    print(story, &seen);
    story.prove_with_iproute2("a port that blocks one VLAN forwards the others", seen == [(25, 5)], shown);
    db.entry("port1", ONE.0).state(StpState::Forwarding).set().await?;
    near.send(ONE.0, 6).await?;
    let seen = until(&mut arriving, 6, story.deadline).await?;
    story.prove("and forwards it again when it may", seen == [(10, 6)]);

    story.step("What each VLAN of the near host's port was counted (bridge -s vlan show dev port1):");
    let devices = Vlans::new(near.conn.clone()).devices().dev("port1").stats().await?.collect_all().await?;
    let counted = devices.iter().flat_map(|device| &device.vlans).filter(|stats| stats.rx_packets > 0);
    let counted: Vec<_> = counted.collect();
    counted.iter().for_each(|stats| story.show(stats));
    let ours: Vec<_> = counted.iter().map(|stats| (stats.vlan.get(), stats.rx_packets)).collect();
    let theirs = vlan_of(&near.node, "bridge -j -s vlan show dev port1").await;
    let theirs = theirs.map(|vlan| vlan.get("rx_packets").is_some_and(|packets| packets == 3));
    story.prove_with_iproute2(
        "each VLAN of a port counts its frames",
        ours == [(10, 3), (25, 2), (30, 1)],
        theirs,
    );
    Ok(())
}

/// A bridge with a host and a way to the other leaf.
struct Leaf {
    node: Node,
    host: Node,
    conn: Connection,
}

impl Leaf {
    async fn build(lab: &Lab, node: &Node, other: &Node) -> Result<Self> {
        let host = lab.node(&format!("{}-host", node.name())).await?;
        node.add_veth("port1", &host, "eth0").await?;
        host.up("eth0").await?;
        let leaf =
            Self { node: node.clone(), host, conn: node.open(|| Connection::open(Protocol::Route)).await? };
        leaf.add_devices(node.ipv4()).await?;
        node.wait_carrier("port1").await?;
        let fdb = Fdb::new(leaf.conn.clone());
        for vni in [ONE.1].into_iter().chain(FIRST.1..=LAST.1) {
            fdb.entry(MacAddr::ZERO, "vx0").dst(other.ipv4().into()).src_vni(vni).append().await?;
        }
        Ok(leaf)
    }

    async fn add_devices(&self, local: Ipv4Addr) -> Result {
        let links = Links::new(self.conn.clone());
        let bridge = Bridge::new()
            .vlan_filtering(true)
            .vlan_default_pvid(0_u16)
            .vlan_stats_enabled(true)
            .vlan_stats_per_port(true);
        links.device("br0").kind(bridge).up().add().await?;
        let vxlan = Vxlan::external().local(local).port(4789_u16);
        links.device("vx0").kind(vxlan).master("br0").up().add().await?;
        links.device("port1").master("br0").up().change().await?;
        Vlans::new(self.conn.clone()).entry("port1", ONE.0).vlans(FIRST.0..=LOCAL).add().await?;
        Ok(())
    }

    fn tunnels(&self) -> Tunnels {
        Tunnels::new(self.conn.clone())
    }

    /// Sends a frame with a number to everybody, from the host.
    async fn send(&self, vlan: u16, number: u8) -> Result {
        let frame = EthFrame::new([2, 0, 0, 0, 9, 9], [0xff; 6], EthFrame::TEST, &[number; 46]).vlan(vlan);
        self.host.send_frame("eth0", &frame.to_bytes()).await
    }
}

/// The number of a frame of [`Leaf::send`].
fn number(frame: &EthFrame) -> Option<u8> {
    if frame.ethertype == EthFrame::TEST { frame.payload.first().copied() } else { None }
}

/// The VLANs and numbers of the frames up to the one with this number, or to the deadline.
async fn until(capture: &mut Capture, last: u8, deadline: Duration) -> Result<Vec<(u16, u8)>> {
    let mut seen = Vec::new();
    while let Some(frame) = capture.next(deadline).await? {
        let Some(number) = number(&frame) else { continue };
        seen.push((frame.vlan.unwrap_or(0), number));
        if number == last {
            break;
        }
    }
    Ok(seen)
}

fn print(story: &mut Story, seen: &[(u16, u8)]) {
    for (vlan, number) in seen {
        story.show(format!("arrived  frame {number} in VLAN {vlan}"));
    }
}

/// The VNI of the packet that carries the frame with this number; `None` if none came before the deadline.
async fn vni_of(wire: &mut Capture, wanted: u8, deadline: Duration) -> Result<Option<u32>> {
    while let Some(outer) = wire.next(deadline).await? {
        let Some(header) = vxlan(&outer) else { continue };
        if EthFrame::parse(header.inner).as_ref().and_then(number) == Some(wanted) {
            return Ok(Some(header.vni));
        }
    }
    Ok(None)
}

/// Each VLAN with its VNI as iproute2 shows it; `None` if iproute2 is missing.
async fn tunnelshow(node: &Node) -> Option<Vec<(u16, u32)>> {
    if !has("bridge") {
        return None;
    }
    let shown = node.json("bridge -j vlan tunnelshow dev vx0").await;
    let entries = shown.as_array()?.iter().filter_map(|device| device["tunnels"].as_array()).flatten();
    let pairs = entries.flat_map(|entry| {
        let number = |key: &str, or: u64| entry[key].as_u64().unwrap_or(or);
        let (vlan, vni) = (number("vlan", 0), number("tunid", 0));
        (vlan..=number("vlanEnd", vlan)).zip(vni..=number("tunidEnd", vni))
    });
    pairs.map(|(vlan, vni)| Some((vlan.try_into().ok()?, vni.try_into().ok()?))).collect()
}

/// What iproute2 shows of VLAN 10; `None` if iproute2 is missing.
async fn vlan_of(node: &Node, command: &str) -> Option<Value> {
    if !has("bridge") {
        return None;
    }
    let shown = node.json(command).await;
    let mut vlans = shown.as_array()?.iter().filter_map(|device| device["vlans"].as_array()).flatten();
    // With counters the number has another name.
    let is_it = |vlan: &&Value| vlan["vlan"] == ONE.0 || vlan["vid"] == ONE.0;
    Some(vlans.find(is_it).cloned().unwrap_or_default())
}
