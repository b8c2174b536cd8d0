//! The kit tested with itself.

use std::time::Duration;

use nl_testkit::{EthFrame, Lab, Result, Vxlan, within};

nl_testkit::main!();

#[nl_testkit::test(needs(link = "veth"))]
async fn two_nodes_are_in_different_namespaces(lab: Lab) -> Result {
    let [a, b] = lab.wire("a", "b").await?;
    let read = || std::fs::read_link("/proc/thread-self/ns/net");
    assert_ne!(a.open(read).await?, b.open(read).await?);
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", link = "bridge"))]
async fn a_frame_crosses_the_bridge(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 2).await?;
    let [one, two] = bridge.hosts() else { return Err("two hosts were asked for".into()) };
    let frame = EthFrame::new(one.mac_of("eth0").await?, two.mac_of("eth0").await?, EthFrame::TEST, b"hello");
    let before = two.counters("eth0").await?;
    let mut capture = two.capture("eth0").await?;
    one.send_frame("eth0", &frame.to_bytes()).await?;
    let seen = capture.expect(|seen| seen.ethertype == EthFrame::TEST, SOON).await;
    assert_eq!(seen, frame);
    assert!(two.counters("eth0").await?.rx_packets > before.rx_packets);
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", link = "bridge"))]
async fn a_vlan_tag_survives_the_bridge_and_the_capture(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 2).await?;
    let [one, two] = bridge.hosts() else { return Err("two hosts were asked for".into()) };
    let frame =
        EthFrame::new(one.mac_of("eth0").await?, two.mac_of("eth0").await?, EthFrame::TEST, b"tagged").vlan(7);
    let mut capture = two.capture("eth0").await?;
    one.send_frame("eth0", &frame.to_bytes()).await?;
    assert_eq!(capture.expect(|seen| seen.vlan.is_some(), SOON).await, frame);
    Ok(())
}

#[nl_testkit::test(needs(link = "veth"))]
async fn a_wire_carries_ipv4_and_ipv6(lab: Lab) -> Result {
    let [a, b] = lab.wire("a", "b").await?;
    for address in [std::net::IpAddr::from(a.ipv4()), a.ipv6().into()] {
        let server = a.open(move || std::net::TcpListener::bind((address, 0))).await?;
        server.set_nonblocking(true)?;
        let port = server.local_addr()?.port();
        let connect = b.run(move || tokio::net::TcpStream::connect((address, port)));
        within(SOON, connect, "a connection to the other end").await?;
    }
    Ok(())
}

#[nl_testkit::test(needs(tool = "ip", link = "bridge"))]
async fn iproute2_reads_what_was_set_up_and_finds_nodes_by_name(lab: Lab) -> Result {
    let a = lab.node("a").await?;
    let b = lab.node("b").await?;
    a.add_bridge("br7").await?;
    assert_eq!(a.json("ip -j link show br7").await[0]["ifname"], "br7");
    assert_eq!(b.json("ip -n a -j link show br7").await[0]["ifname"], "br7");
    assert!(lab.iproute2_version().await?.contains("iproute2"));
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", link = "bridge", tool = "ip"))]
async fn a_vxlan_device_is_what_was_asked_for(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.add_bridge("br0").await?;
    node.add_vxlan("vx0", Vxlan::vni(42).port(4790).nolearning()).await?;
    node.set_master("vx0", "br0").await?;
    let data = &node.json("ip -d -j link show vx0").await[0]["linkinfo"]["info_data"];
    assert_eq!((&data["id"], &data["port"], &data["learning"]), (&42.into(), &4790.into(), &false.into()));
    node.add_vxlan("vx1", Vxlan::external().port(4791)).await?;
    assert_eq!(node.json("ip -d -j link show vx1").await[0]["linkinfo"]["info_data"]["external"], true);
    Ok(())
}

#[nl_testkit::test]
fn a_sync_test_can_use_nodes(lab: Lab) -> Result {
    let node = lab.block_on(lab.node("a"))?;
    assert_eq!(lab.block_on(node.links())?, ["lo"]);
    Ok(())
}

const SOON: Duration = Duration::from_secs(5);
