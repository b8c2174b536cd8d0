//! The oracles on a real kernel.

use std::time::Duration;

use nl_testkit::oracle::{Attr, BytesOracle, Field, Shape, traffic};
use nl_testkit::{EthFrame, Lab, Result, Vxlan, panic_of};
use serde_json::json;

use crate::program;

#[nl_testkit::test(needs(tool = "bridge", link = "bridge", link = "veth"))]
async fn what_iproute2_shows_is_compared_without_regard_to_order_and_indexes(lab: Lab) -> Result {
    lab.quiet();
    let bridge = lab.bridge("br0", 2).await?;
    let ours = json!([{"ifname": "port2", "master": "br0"}, {"ifname": "port1", "master": "br0"}]);
    let shows = bridge.node().shows("bridge -j link show").only(&["ifindex", "ifname", "master"]);
    shows.clone().is(&ours).await;
    let wrong = json!([{"ifname": "port2", "master": "br0"}, {"ifname": "port1", "master": "br1"}]);
    let message = panic_of(shows.clone().is(&wrong)).await.ok_or("a wrong value is shown")?;
    for part in [
        "`bridge -j link show` in node \"br0\"",
        "oracle.rs",
        "[0].master: shown \"br0\", ours \"br1\"",
        "iproute2",
    ] {
        assert!(message.contains(part), "no {part} in {message}");
    }
    let message = panic_of(shows.keeping(&["ifindex"]).is(&ours)).await.ok_or("no index is shown")?;
    assert!(message.contains(".ifindex: shown"), "{message}");
    Ok(())
}

#[nl_testkit::test(needs(tool = "ip"))]
async fn a_value_that_comes_later_is_waited_for(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    // Each look makes the change that only the next one can see.
    let batch = std::env::temp_dir().join(format!("nl-testkit-later-{}", std::process::id()));
    std::fs::write(&batch, "link show dev lo\nlink set dev lo mtu 1400\n")?;
    let shows = node.shows(&format!("ip -j -batch {}", batch.display())).only(&["ifname", "mtu"]);
    shows.before(SOON).is(&json!([{"ifname": "lo", "mtu": 1400}])).await;
    std::fs::remove_file(&batch)?;
    Ok(())
}

#[nl_testkit::test(needs(tool = "bridge", link = "bridge", link = "veth"))]
async fn a_programs_requests_are_seen_without_nlmon(lab: Lab) -> Result {
    lab.quiet();
    let bridge = lab.bridge("br0", 1).await?;
    let node = bridge.node();
    let line = "bridge fdb add 02:00:00:00:00:07 dev port1 master static";
    let (output, sent) = node.requests_of(line).await?;
    output.ok();
    let add: Vec<_> = sent.iter().filter(|sent| sent.kind() == RTM_NEWNEIGH).collect();
    let [add] = add.as_slice() else { return Err(format!("{sent:?}").into()) };
    assert_eq!(add.protocol, 0);
    let index = node.index_of("port1").await?;
    BytesOracle::new(&FDB).except(&PURPOSE).compare(&fdb_add(index, 7), &add.message)?;
    // It took effect: the program was followed, not faked.
    let shown = node.json("bridge -j fdb show dev port1").await;
    assert!(shown.to_string().contains("02:00:00:00:00:07"), "{shown}");
    Ok(())
}

/// The kernel lists a socket once it has an address, which the first request may be what gives it.
#[nl_testkit::test(needs(tool = "perl"))]
async fn first_request_of_a_socket_without_an_address_is_seen(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    // A dump of links: length, type, flags, sequence number, port, and an empty ifinfomsg.
    let bytes = format!("20000000{}0103010000000000000000{}", "1200", "0".repeat(30));
    let line = format!("perl -e socket(S,16,3,0);send(S,pack(\"H*\",\"{bytes}\"),0)");
    let (output, sent) = node.requests_of(&line).await?;
    output.ok();
    let [sent] = sent.as_slice() else { return Err(format!("{sent:?}").into()) };
    assert_eq!((sent.protocol, sent.kind(), sent.flags(), sent.message.len()), (0, RTM_GETLINK, 0x301, 32));
    Ok(())
}

/// A program in another language beside iproute2, byte for byte.
#[nl_testkit::test(needs(tool = "perl", tool = "ip"))]
async fn a_program_in_another_language_is_compared_with_iproute2(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let request = |flags: u32| {
        let head = [RTM_NEWLINK, 5].map(u16::to_ne_bytes);
        // Sequence and port; struct ifinfomsg: family and type, index, flags, change mask.
        let rest = [0, 0, 0, 1, flags, 1].map(u32::to_ne_bytes);
        let bytes = [&32_u32.to_ne_bytes(), head.as_flattened(), rest.as_flattened()].concat();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let line = |hex: String| format!("perl -e socket(S,16,3,0);send(S,pack(\"H*\",\"{hex}\"),0)");
    let (output, theirs) = node.requests_of("ip link set dev lo up").await?;
    output.ok();
    let theirs = theirs.iter().rfind(|sent| sent.kind() == RTM_NEWLINK).ok_or("ip set no link")?;
    let (output, ours) = node.requests_of(&line(request(1))).await?;
    output.ok();
    let [ours] = ours.as_slice() else { return Err(format!("{ours:?}").into()) };
    BytesOracle::new(&LINK).compare(&ours.message, &theirs.message)?;
    let (output, down) = node.requests_of(&line(request(0))).await?;
    output.ok();
    let [down] = down.as_slice() else { return Err(format!("{down:?}").into()) };
    let mismatch = BytesOracle::new(&LINK).compare(&down.message, &theirs.message).unwrap_err().to_string();
    assert!(mismatch.contains("ifinfomsg.flags"), "{mismatch}");
    Ok(())
}

/// Whose connections are opened in the threads, in the namespace of the node.
#[nl_testkit::test]
async fn requests_of_each_thread_of_a_program_are_seen(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let line = format!("{} {}", std::env::current_exe()?.display(), program::THREADS);
    let (output, sent) = node.requests_of(&line).await?;
    assert_eq!(output.ok(), "1 link(s)\n".repeat(program::COUNT));
    let kinds: Vec<_> = sent.iter().map(|sent| (sent.protocol, sent.kind())).collect();
    assert_eq!(kinds, [(0, RTM_GETLINK); program::COUNT]);
    Ok(())
}

#[nl_testkit::test]
async fn a_traced_program_that_fails_says_so(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let (output, sent) = node.requests_of("ls /nowhere").await?;
    assert!(!output.status.success() && output.stderr.contains("nowhere"), "{output}");
    assert_eq!(sent, []);
    assert!(node.requests_of("nosuchprogram").await.is_err());
    Ok(())
}

#[nl_testkit::test(needs(tool = "bridge", link = "bridge", link = "veth", link = "nlmon"))]
async fn nlmon_and_tracing_see_the_same_requests(lab: Lab) -> Result {
    lab.quiet();
    let bridge = lab.bridge("br0", 1).await?;
    let node = bridge.node();
    let mut recording = node.record().await?;
    let (output, traced) =
        node.requests_of("bridge fdb add 02:00:00:00:00:07 dev port1 master static").await?;
    output.ok();
    assert_eq!(recording.take()?, traced);
    assert!(!traced.is_empty());
    assert_eq!(recording.take()?, []);
    // The kit's own requests pass there too, answers do not.
    node.down("port1").await?;
    let kinds: Vec<_> = recording.take()?.iter().map(|sent| sent.kind()).collect();
    assert!(kinds.contains(&RTM_NEWLINK) || kinds.contains(&RTM_SETLINK), "{kinds:?}");
    Ok(())
}

#[nl_testkit::test(needs(tool = "bridge", link = "bridge", link = "veth", link = "nlmon"))]
async fn a_recording_shows_requests_as_sent_not_as_the_kernel_left_them(lab: Lab) -> Result {
    lab.quiet();
    let bridge = lab.bridge("br0", 1).await?;
    let node = bridge.node();
    let mut recording = node.record().await?;
    // The kernel clears NTF_MASTER in the request when it has granted it.
    node.bridge("fdb add 02:00:00:00:00:07 dev port1 master static").await;
    let sent = recording.take()?;
    let add = sent.iter().find(|sent| sent.kind() == RTM_NEWNEIGH).ok_or("no request")?;
    assert_eq!(add.message.get(26), Some(&4));
    Ok(())
}

#[nl_testkit::test(needs(link = "nlmon"))]
async fn a_recording_that_lost_requests_is_an_error_until_the_next_call(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mut recording = node.record().await?;
    node.open(|| send_requests(200, 20)).await?;
    let error = recording.take().unwrap_err().to_string();
    assert!(error.contains("72 datagrams were lost"), "{error}");
    node.open(|| send_requests(100, 20)).await?;
    assert_eq!(recording.take()?.len(), 100);
    node.open(|| send_requests(1, 100_000)).await?;
    let error = recording.take().unwrap_err().to_string();
    assert!(error.contains("100000 bytes is too long"), "{error}");
    Ok(())
}

/// Sends requests that ask for no answer.
#[cfg(test)]
fn send_requests(count: usize, length: u32) -> std::io::Result<()> {
    let mut socket = netlink_sys::Socket::new(netlink_sys::protocols::NETLINK_ROUTE)?;
    socket.bind_auto()?;
    let mut request = vec![0; usize::try_from(length).unwrap_or(0)];
    let header = [&length.to_ne_bytes()[..], &0_u16.to_ne_bytes(), &1_u16.to_ne_bytes()].concat();
    request[..8].copy_from_slice(&header);
    for _ in 0..count {
        socket.send(&request, 0)?;
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", link = "veth", link = "bridge"))]
async fn the_vni_of_a_tunnel_is_seen_on_the_wire(lab: Lab) -> Result {
    lab.quiet();
    let [a, b] = lab.wire("a", "b").await?;
    a.add_vxlan("vx0", Vxlan::vni(100).local(a.ipv4().into())).await?;
    a.up("vx0").await?;
    let line = format!("fdb append 00:00:00:00:00:00 dev vx0 dst {}", b.ipv4());
    a.bridge(&line).await;
    let mut capture = b.capture("eth0").await?;
    let meter = b.meter("eth0").await?;
    let inside = EthFrame::new(a.mac_of("vx0").await?, [0xff; 6], EthFrame::TEST, b"inside");
    a.send_frame("vx0", &inside.to_bytes()).await?;
    let outer = capture.expect(|frame| traffic::vni(frame) == Some(100), SOON).await;
    let header = traffic::vxlan(&outer).ok_or("no VXLAN header")?;
    assert_eq!(EthFrame::parse(header.inner), Some(inside));
    let moved = meter.expect(|moved| moved.rx_packets >= 1, SOON).await;
    assert!(moved.rx_packets < 20 && moved.tx_packets < 20, "{moved:?}");
    let message = panic_of(meter.expect(|moved| moved.rx_packets > 1000, Duration::from_millis(20))).await;
    assert!(message.is_some_and(|text| text.contains("eth0") && text.contains("oracle.rs")));
    Ok(())
}

/// What `bridge fdb add 02:00:00:00:00:NN dev INDEX master static` comes to, without its second state bit.
#[cfg(test)]
fn fdb_add(index: u32, last: u8) -> Vec<u8> {
    let mut bytes = [40_u32.to_ne_bytes(), [28, 0, 5, 6], [0; 4], [0; 4], [7, 0, 0, 0]].concat();
    if cfg!(target_endian = "big") {
        bytes[4..8].copy_from_slice(&[0, 28, 6, 5]);
    }
    bytes.extend(index.to_ne_bytes());
    bytes.extend(0x40_u16.to_ne_bytes());
    bytes.extend([4, 0]);
    bytes.extend([10_u16, 2].map(u16::to_ne_bytes).concat());
    bytes.extend([2, 0, 0, 0, 0, last, 0, 0]);
    bytes
}

const NDMSG: &[Field] = &[
    Field::new("family", 1),
    Field::new("pad", 3),
    Field::new("ifindex", 4),
    Field::new("state", 2),
    Field::new("flags", 1),
    Field::new("type", 1),
];
const FDB: Shape =
    Shape::new("ndmsg", NDMSG).kinds(&[(RTM_NEWNEIGH, "RTM_NEWNEIGH")]).attrs(&[Attr::new(2, "NDA_LLADDR")]);
const IFINFOMSG: &[Field] = &[
    Field::new("family", 1),
    Field::new("pad", 1),
    Field::new("type", 2),
    Field::new("index", 4),
    Field::new("flags", 4),
    Field::new("change", 4),
];
const LINK: Shape = Shape::new("ifinfomsg", IFINFOMSG).kinds(&[(RTM_NEWLINK, "RTM_NEWLINK")]);
const PURPOSE: [(&str, &str); 1] = [("ndmsg.state", "a bridge compares it with one bit")];
const RTM_GETLINK: u16 = 18;
const RTM_NEWLINK: u16 = 16;
const RTM_SETLINK: u16 = 19;
const RTM_NEWNEIGH: u16 = 28;
const SOON: Duration = Duration::from_secs(5);
