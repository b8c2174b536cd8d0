//! The kit tested with itself.

use std::{env, os::unix::fs::MetadataExt, process::ExitCode, time::Duration};

use nl_testkit::{
    EthFrame, Lab, Need, Result, Vxlan, by_kernel, eventually, native_iproute2, panic_of, squeeze, within,
};

#[cfg(test)]
mod fault;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod netdevsim;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod planted;
mod program;

/// In place of `nl_testkit::main!`, as this binary is a program of several threads, too.
fn main() -> ExitCode {
    if env::args().nth(1).as_deref() == Some(program::THREADS) {
        return program::run();
    }
    let binary =
        nl_testkit::__private::Binary { package: env!("CARGO_PKG_NAME"), name: env!("CARGO_CRATE_NAME") };
    nl_testkit::__private::main(&binary)
}

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
        EthFrame::new(one.mac_of("eth0").await?, two.mac_of("eth0").await?, EthFrame::TEST, b"tagged")
            .vlan(7);
    let mut capture = two.capture("eth0").await?;
    one.send_frame("eth0", &frame.to_bytes()).await?;
    assert_eq!(capture.expect(|seen| seen.vlan.is_some(), SOON).await, frame);
    Ok(())
}

#[nl_testkit::test(needs(link = "veth"))]
async fn every_new_node_is_shown_before_it_has_devices(lab: Lab) -> Result {
    lab.node("earlier").await?;
    let (tell, told) = std::sync::mpsc::channel();
    lab.on_node(move |node| {
        if node.name() == "refused" {
            return Err("not that one".into());
        }
        let devices = std::fs::read_to_string(format!("/proc/{}/task/{}/net/dev", node.pid(), node.tid()))?;
        Ok(tell.send((node.name().to_owned(), devices.contains("lo:"), devices.contains("eth0:")))?)
    });
    lab.wire("a", "b").await?;
    let shown: Vec<_> = told.try_iter().collect();
    assert_eq!(shown, [("a".to_owned(), true, false), ("b".to_owned(), true, false)]);
    let refused = lab.node("refused").await.err().map(|error| error.to_string());
    assert_eq!(refused.as_deref(), Some("node \"refused\": not that one"));
    Ok(())
}

#[nl_testkit::test]
async fn a_thread_without_capabilities_is_in_the_namespace_and_may_nothing(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let here = || std::fs::read_link("/proc/thread-self/ns/net");
    let status = || std::fs::read_to_string("/proc/thread-self/status");
    let (inside, text, child) =
        node.unprivileged(async move || (here(), status(), std::thread::spawn(status).join().ok())).await?;
    assert_eq!(inside?, node.open(here).await?);
    for text in [text?, child.ok_or("a thread of it")??] {
        for set in ["CapInh", "CapPrm", "CapEff"] {
            let of_set = text.lines().find_map(|line| line.strip_prefix(set)).ok_or(set)?;
            assert_eq!(of_set.trim_start_matches(':').trim(), "0000000000000000", "{set}");
        }
    }
    // The node itself may what it could.
    assert!(
        node.open(status)
            .await?
            .lines()
            .any(|line| line.starts_with("CapEff") && !line.ends_with("0000000000000000"))
    );
    let refused = node.unprivileged(async || std::net::TcpListener::bind("0.0.0.0:80")).await?;
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
    assert_eq!(panic_of(node.unprivileged(async || panic!("seen"))).await.as_deref(), Some("seen"));
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

/// The newest on the search path and the one of the kernel's suite beside it, under every kernel.
#[nl_testkit::test(needs(vm, link = "bridge", tool = "bridge", tool = "ip"))]
async fn a_virtual_machine_has_the_newest_iproute2_and_its_own(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let (ip, bridge) = (native_iproute2("ip"), native_iproute2("bridge"));
    assert!(ip.starts_with("/usr/native/"), "{ip}");
    let version = async |program: &str| {
        let text = node.command([program, "-V"]).await.ok();
        let version = text.split_once("iproute2-").map(|(_, version)| version.split(',').next());
        version.flatten().unwrap_or_else(|| panic!("{text}")).trim().to_owned()
    };
    let (newest, native) = (version("ip").await, version(&ip).await);
    let suite = by_kernel("6.1.", &[((6, 12), "6."), ((7, 0), newest.as_str())]);
    assert!(native.starts_with(suite), "{native}");
    Need::Iproute2("7".into()).probe()?;
    // What one makes the other shows, and only the newer knows of MST.
    node.command([ip.as_str(), "link", "add", "br7", "type", "bridge"]).await.ok();
    assert_eq!(node.json("ip -j link show br7").await[0]["ifname"], "br7");
    node.command([bridge.as_str(), "-j", "link", "show"]).await.ok();
    let known = async |program: &str| {
        let output = node.command([program, "mst", "show"]).await;
        !output.stderr.contains("is unknown")
    };
    assert!(known("bridge").await);
    assert_eq!(known(&bridge).await, by_kernel(false, &[((6, 12), true)]));
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

#[nl_testkit::test(needs(link = "veth"))]
async fn a_quiet_wire_carries_nothing_unasked(lab: Lab) -> Result {
    lab.quiet();
    let [a, b] = lab.wire("a", "b").await?;
    let mut capture = b.capture("eth0").await?;
    assert!(!capture.sees(|_| true, Duration::from_millis(200)).await?);
    a.send_frame("eth0", &EthFrame::new([2; 6], [0xff; 6], EthFrame::TEST, b"").to_bytes()).await?;
    assert!(capture.sees(|_| true, SOON).await?);
    Ok(())
}

#[nl_testkit::test]
async fn code_under_test_can_enter_a_node_by_descriptor_or_path(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let inside = node.open(|| std::fs::metadata("/proc/thread-self/ns/net")).await?.ino();
    let by_descriptor = std::fs::File::from(node.netns_fd_owned()?).metadata()?.ino();
    let by_path = std::fs::metadata(node.netns_path())?.ino();
    let by_name = std::fs::metadata("/run/netns/a")?.ino();
    assert_eq!([by_descriptor, by_path, by_name], [inside; 3]);
    Ok(())
}

#[nl_testkit::test(needs(sysctl = "net.ipv4.ip_forward"))]
async fn a_sysctl_is_set_in_one_node_only(lab: Lab) -> Result {
    let a = lab.node("a").await?;
    let b = lab.node("b").await?;
    a.sysctl("net.ipv4.ip_forward", "1").await?;
    assert_eq!(a.sysctl_read("net.ipv4.ip_forward").await?, "1");
    assert_eq!(b.sysctl_read("net.ipv4.ip_forward").await?, "0");
    assert!(a.sysctl("net.no.such", "1").await.is_err());
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge"))]
async fn the_machine_does_not_see_a_labs_links(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.add_bridge("nltk-proof").await?;
    assert!(node.links().await?.contains(&"nltk-proof".to_owned()));
    let outer = std::os::unix::process::parent_id();
    let machine = std::fs::read_to_string(format!("/proc/{outer}/net/dev"))?;
    assert!(machine.contains("lo:"), "not the machine's list: {machine}");
    assert!(!machine.contains("nltk-proof"), "{machine}");
    Ok(())
}

#[nl_testkit::test(needs(host_root, link = "bridge"))]
async fn real_root_works_in_namespaces_of_its_own_too(lab: Lab) -> Result {
    assert!(std::fs::read_to_string("/proc/self/uid_map")?.contains("4294967295"));
    let outer = format!("/proc/{}/ns/net", std::os::unix::process::parent_id());
    assert_ne!(std::fs::read_link(outer)?, std::fs::read_link("/proc/self/ns/net")?);
    let node = lab.node("a").await?;
    node.add_bridge("br0").await?;
    assert_eq!(node.links().await?, ["lo", "br0"]);
    Ok(())
}

#[nl_testkit::test]
async fn netlink_sockets_lists_the_tests_own_and_squeeze_shrinks_them(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    assert_eq!(node.netlink_sockets().await, []);
    let socket = node
        .open(|| {
            let mut socket = netlink_sys::Socket::new(netlink_sys::protocols::NETLINK_ROUTE)?;
            socket.bind(&netlink_sys::SocketAddr::new(0, 1))?;
            squeeze(&socket)?;
            std::io::Result::Ok(socket)
        })
        .await?;
    let listed = node.netlink_sockets().await;
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].protocol, listed[0].groups, listed[0].drops), (0, 1, 0));
    // Enough notifications for the smallest buffer.
    node.add_bridge("br0").await?;
    for _ in 0..20 {
        node.up("br0").await?;
        node.down("br0").await?;
    }
    assert!(node.netlink_sockets().await[0].drops > 0);
    drop(socket);
    Ok(())
}

#[nl_testkit::test]
async fn a_link_deleted_is_gone_and_errors_name_the_node(lab: Lab) -> Result {
    let node = lab.node("left").await?;
    node.add_veth("v0", &node, "v1").await?;
    node.set_mac("v0", [2, 0, 0, 0, 0, 9]).await?;
    assert_eq!(node.mac_of("v0").await?, [2, 0, 0, 0, 0, 9]);
    node.delete_link("v0").await?;
    assert_eq!(node.links().await?, ["lo"]);
    let error = node.index_of("v0").await.unwrap_err().to_string();
    assert!(error.contains("left") && error.contains("v0"), "{error}");
    Ok(())
}

#[nl_testkit::test]
async fn waiting_has_a_deadline_and_names_what_it_waited_for(_lab: Lab) {
    let short = Duration::from_millis(20);
    let message = panic_of(within(short, std::future::pending::<()>(), "the moon")).await;
    assert!(message.is_some_and(|text| text.contains("the moon") && text.contains("main.rs")));
    let message = panic_of(eventually(short, || async { None::<()> }, "the tide")).await;
    assert!(message.is_some_and(|text| text.contains("the tide")));
    let mut countdown = 3;
    let count = || {
        countdown -= 1;
        std::future::ready((countdown == 0).then_some("done"))
    };
    assert_eq!(eventually(SOON, count, "the countdown").await, "done");
}

#[nl_testkit::test]
async fn a_panic_in_a_node_reaches_the_caller(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let message = panic_of(node.open(|| panic!("from the node"))).await;
    assert_eq!(message.as_deref(), Some("from the node"));
    let message = panic_of(async { node.command(["false"]).await.ok() }).await;
    assert!(message.is_some_and(|text| text.contains("`false` ended with")));
    Ok(())
}

#[nl_testkit::test]
fn a_sync_test_can_use_nodes(lab: Lab) -> Result {
    let node = lab.block_on(lab.node("a"))?;
    assert_eq!(lab.block_on(node.links())?, ["lo"]);
    Ok(())
}

const SOON: Duration = Duration::from_secs(5);
