//! The agent on a real kernel. Each test has networks of its own, which nobody outside sees.

use std::time::Duration;

use nl_testkit::{
    EthFrame, Lab, Node, Result, eventually,
    oracle::{Attr, BytesOracle, Field, Shape},
};
use rtnetlink::Handle;
use vxlan_agent::{Overlay, index_of};

nl_testkit::main!();

/// What the agent makes is what iproute2 shows.
#[nl_testkit::test(needs(link = "bridge", link = "vxlan", tool = "ip"))]
async fn the_device_is_in_its_bridge(lab: Lab) -> Result {
    let [node, _] = lab.wire("leaf1", "leaf2").await?;
    ensure(&node, overlay(&node)).await;

    let shown = node.json("ip -d -j link show dev vx10").await;
    let link = &shown[0];
    assert_eq!(link["master"], "br10", "{link:#}");
    assert_eq!(link["linkinfo"]["info_data"]["id"], 10, "{link:#}");
    assert_eq!(link["linkinfo"]["info_data"]["learning"], false, "{link:#}");
    Ok(())
}

/// An agent that starts again must not disturb what is there.
#[nl_testkit::test(needs(link = "bridge", link = "vxlan", tool = "ip"))]
async fn asking_twice_changes_nothing(lab: Lab) -> Result {
    let [node, _] = lab.wire("leaf1", "leaf2").await?;
    let first = ensure(&node, overlay(&node)).await;
    let before = node.ip("link show dev vx10").await;

    assert_eq!(ensure(&node, overlay(&node)).await, first);
    assert_eq!(node.ip("link show dev vx10").await, before);
    Ok(())
}

/// Two machines, one segment: a frame that goes into one bridge comes out of the other.
#[nl_testkit::test(needs(link = "bridge", link = "vxlan", link = "veth", tool = "bridge"))]
async fn a_frame_crosses_the_overlay(lab: Lab) -> Result {
    let [one, two] = lab.wire("leaf1", "leaf2").await?;
    for (node, other) in [(&one, &two), (&two, &one)] {
        ensure(node, overlay(node)).await;
        // What BGP would tell the agent: who else has this segment.
        node.bridge(&format!("fdb append 00:00:00:00:00:00 dev vx10 dst {}", other.ipv4())).await;
    }

    for node in [&one, &two] {
        let forwards = async || {
            let port = node.json("bridge -j link show dev vx10").await;
            (port[0]["state"] == "forwarding").then_some(())
        };
        eventually(SOON, forwards, "the port to forward").await;
    }

    let mut capture = two.capture("br10").await?;
    let frame = EthFrame::new([2, 0, 0, 0, 0, 1], [0xff; 6], EthFrame::TEST, b"hello");
    one.send_frame("br10", &frame.to_bytes()).await?;
    let seen = capture.expect(|seen| seen.payload.starts_with(b"hello"), SOON).await;
    assert_eq!(seen.source, frame.source);
    Ok(())
}

/// What the agent sends is what iproute2 sends for the same change, but for what is listed.
#[nl_testkit::test(needs(link = "bridge", link = "vxlan", link = "nlmon", tool = "ip"))]
async fn the_device_is_joined_as_iproute2_does_it(lab: Lab) -> Result {
    let [node, _] = lab.wire("leaf1", "leaf2").await?;
    let mut recording = node.record().await?;
    ensure(&node, overlay(&node)).await;
    let ours = recording.take()?;
    let ours = ours.iter().rfind(|sent| sent.kind() == RTM_SETLINK).ok_or("the agent set no link")?;

    let (output, theirs) = node.requests_of("ip link set dev vx10 master br10 up").await?;
    output.ok();
    let theirs = theirs.iter().rfind(|sent| sent.kind() == RTM_NEWLINK).ok_or("ip set no link")?;
    let oracle = BytesOracle::new(&LINK).except(&[
        ("nlmsg_type", "rtnetlink sets links with RTM_SETLINK, iproute2 with RTM_NEWLINK"),
        ("nlmsg_flags", "rtnetlink adds NLM_F_CREATE and NLM_F_EXCL, which RTM_SETLINK ignores"),
    ]);
    oracle.compare(&ours.message, &theirs.message)?;
    Ok(())
}

/// A program that no guest has by itself: `lanes/guest.txt` brings it.
#[nl_testkit::test(needs(link = "bridge", link = "vxlan", tool = "nft", vm))]
async fn the_firewall_is_left_alone(lab: Lab) -> Result {
    let [node, _] = lab.wire("leaf1", "leaf2").await?;
    node.command(["nft", "add", "table", "inet", "mine"]).await.ok();
    let before = node.command(["nft", "list", "ruleset"]).await.ok();

    ensure(&node, overlay(&node)).await;
    assert_eq!(node.command(["nft", "list", "ruleset"]).await.ok(), before);
    Ok(())
}

const SOON: Duration = Duration::from_secs(5);
// include/uapi/linux/{rtnetlink,if_link}.h
const RTM_NEWLINK: u16 = 16;
const RTM_SETLINK: u16 = 19;
const LINK: Shape = Shape::new(
    "ifinfomsg",
    &[
        Field::new("family", 1),
        Field::new("pad", 1),
        Field::new("type", 2),
        Field::new("index", 4),
        Field::new("flags", 4),
        Field::new("change", 4),
    ],
)
.kinds(&[(RTM_NEWLINK, "RTM_NEWLINK"), (RTM_SETLINK, "RTM_SETLINK")])
.attrs(&[Attr::new(3, "IFLA_IFNAME"), Attr::new(10, "IFLA_MASTER")]);

#[cfg(test)]
fn overlay(node: &Node) -> Overlay {
    Overlay { bridge: "br10".into(), device: "vx10".into(), local: node.ipv4().into(), vni: 10 }
}

/// Runs the agent inside the node. Its socket is made there, so it belongs to the node's network.
#[cfg(test)]
async fn ensure(node: &Node, overlay: Overlay) -> u32 {
    node.run(move || async move {
        let (connection, handle, _): (_, Handle, _) = rtnetlink::new_connection().expect("a netlink socket");
        let driver = tokio::spawn(connection);
        let index = overlay.ensure(&handle).await.expect("the overlay");
        assert_eq!(index_of(&handle, &overlay.device).await.expect("the device"), Some(index));
        // The task ends with its last handle; one that stayed would fail the test.
        drop(handle);
        driver.await.expect("the driver's end");
        index
    })
    .await
}
