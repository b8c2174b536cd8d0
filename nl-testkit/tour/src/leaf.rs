//! Two leaves of an EVPN, each from one description: applied, broken by hand, diagnosed, mended and removed.

use std::time::Duration;

use nl_bridge::doctor::Doctor;
use nl_bridge::leaf::{BridgeConfig, Leaf, Plan, PortConfig, VxlanConfig};
use nl_bridge::vlan::Vlans;
use nl_core::{Connection, Protocol};
use nl_testkit::{Capture, EthFrame, Lab, Node, Result};

use crate::story::{Story, has};

/// The VLAN of the hosts, and one more.
const VLANS: [u16; 2] = [10, 20];

pub(crate) async fn chapter(lab: &Lab, story: &mut Story) -> Result {
    lab.quiet();
    let [one, two] = lab.wire("leaf1", "leaf2").await?;
    let (near_host, far_host) = (host(lab, &one).await?, host(lab, &two).await?);
    let (near, far) = (open(&one).await?, open(&two).await?);
    let (config, other) = (describe(&one, &two), describe(&two, &one));

    story.step("A bridge, a port, a VXLAN device, two VLANs with their VNIs and where they are flooded to, as one description:");
    let plan = near.apply(&config).await?;
    print(story, &plan);
    far.apply(&other).await?;
    let again = near.apply(&config).await?;
    story.prove_with_iproute2(
        "applying it again sends nothing",
        !plan.is_empty() && again.is_empty(),
        mapped(&one).await.map(|vlans| vlans == VLANS),
    );

    let mut arriving = far_host.capture("eth0").await?;
    send(&near_host, 1).await?;
    let seen = until(&mut arriving, 1, story.deadline).await?;
    story.prove("a frame of a host arrives at the host behind the other leaf", seen == [1]);

    story.step("Somebody makes VLAN 10 untagged on the VXLAN port, and the doctor is asked (bridge vlan add dev vx0 vid 10 untagged):");
    let conn = near.connection().clone();
    Vlans::new(conn.clone()).entry("vx0", VLANS[0]).untagged().add().await?;
    send(&near_host, 2).await?;
    let findings = Doctor::new(conn.clone()).examine().await?;
    for finding in &findings {
        story.show(finding.to_string().replace('\n', "\n     "));
    }
    let named = matches!(findings.as_slice(), [one] if one.to_string().starts_with("vlan 10 dev vx0: it is untagged"));
    story.prove("the doctor names the fault, and nothing else", named);

    story.step("Applying the description again mends it:");
    let plan = near.apply(&config).await?;
    print(story, &plan);
    send(&near_host, 3).await?;
    let seen = until(&mut arriving, 3, story.deadline).await?;
    let healthy = Doctor::new(conn).examine().await?.is_empty();
    story.prove(
        "one step mends it, and only the frame sent meanwhile was lost",
        plan.steps().len() == 1 && healthy && seen == [3],
    );

    story.step("Removed again:");
    let plan = near.remove(&config).await?;
    print(story, &plan);
    let left = one.links().await?;
    let gone = !left.iter().any(|name| name == "br0" || name == "vx0");
    story.prove(
        "nothing of it is left, and what was there before is",
        gone && left.iter().any(|name| name == "port1"),
    );
    Ok(())
}

/// A leaf whose host is in VLAN 10, without a tag.
fn describe(node: &Node, other: &Node) -> BridgeConfig {
    let vxlan = VxlanConfig::new("vx0").local(node.ipv4().into()).map(VLANS[0], 10_010).map(VLANS[1], 10_020);
    let port = PortConfig::new("port1").access(VLANS[0]).trunk(VLANS[1]);
    BridgeConfig::new("br0").port(port).vxlan(vxlan.flood(other.ipv4().into()))
}

/// The host behind the device `port1` of a leaf.
async fn host(lab: &Lab, node: &Node) -> Result<Node> {
    let host = lab.node(&format!("{}-host", node.name())).await?;
    node.add_veth("port1", &host, "eth0").await?;
    host.up("eth0").await?;
    node.up("port1").await?;
    node.wait_carrier("port1").await?;
    Ok(host)
}

async fn open(node: &Node) -> Result<Leaf> {
    Ok(Leaf::new(node.open(|| Connection::open(Protocol::Route)).await?))
}

/// Sends a frame with a number to everybody.
async fn send(host: &Node, number: u8) -> Result {
    let frame = EthFrame::new([2, 0, 0, 0, 9, 9], [0xff; 6], EthFrame::TEST, &[number; 46]);
    host.send_frame("eth0", &frame.to_bytes()).await
}

/// The numbers of the frames up to this one, or to the deadline.
async fn until(capture: &mut Capture, last: u8, deadline: Duration) -> Result<Vec<u8>> {
    let mut seen = Vec::new();
    while let Some(frame) = capture.next(deadline).await? {
        let number = frame.payload.first().copied().filter(|_| frame.ethertype == EthFrame::TEST);
        seen.extend(number);
        if number == Some(last) {
            break;
        }
    }
    Ok(seen)
}

/// The VLANs with a VNI as iproute2 shows them; `None` if iproute2 is missing.
async fn mapped(node: &Node) -> Option<Vec<u16>> {
    if !has("bridge") {
        return None;
    }
    let shown = node.json("bridge -j vlan tunnelshow dev vx0").await;
    let entries = shown.as_array()?.iter().filter_map(|device| device["tunnels"].as_array()).flatten();
    entries.map(|entry| entry["vlan"].as_u64()?.try_into().ok()).collect()
}

fn print(story: &mut Story, plan: &Plan) {
    plan.steps().iter().for_each(|step| story.show(step));
}
