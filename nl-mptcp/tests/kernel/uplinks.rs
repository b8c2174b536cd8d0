//! A client with two uplinks, each with a router, and no routing policy rules.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use nl_mptcp::path_manager::{FollowInterfaces, FullMesh};
use nl_testkit::{Lab, Need, Node, Result, eventually, within};
use tokio::io::AsyncReadExt;
use tokio::task::JoinHandle;

use crate::diag::ss;
use crate::path_manager::{Connections, Ends, Manager, by_ss};
use crate::support::{Net, SOON, counted, kernel};

/// Five timeouts of a first packet that was sent five times, each twice as long, are 31 seconds; since Linux 6.5, five.
const LONG: Duration = Duration::from_secs(90);

/// The client has 10.0.N.1 on `wanN`, and a default route by the router N with metric N00. The server has 10.0.2N.2 on `lanN`. The
/// routers drop what comes from addresses that are not behind the interface (`rp_filter`).
async fn two_uplinks(lab: &Lab) -> Result<Net> {
    let (client, server) = (lab.node("client").await?, lab.node("server").await?);
    for node in [&client, &server] {
        node.up("lo").await?;
        node.sysctl("net.mptcp.pm_type", "1").await?;
        // Strict would drop what arrives by the second uplink, whatever sends it.
        node.sysctl("net.ipv4.conf.all.rp_filter", "2").await?;
    }
    for path in [1, 2] {
        let router = lab.node(&format!("router{path}")).await?;
        router.up("lo").await?;
        router.sysctl("net.ipv4.ip_forward", "1").await?;
        let (wan, lan) = (format!("wan{path}"), format!("lan{path}"));
        client.add_veth(&wan, &router, "wan").await?;
        server.add_veth(&lan, &router, "lan").await?;
        for (node, dev, address) in [
            (&client, wan.as_str(), format!("10.0.{path}.1/24")),
            (&router, "wan", format!("10.0.{path}.254/24")),
            (&server, lan.as_str(), format!("10.0.2{path}.2/24")),
            (&router, "lan", format!("10.0.2{path}.254/24")),
        ] {
            node.ip(&format!("address add {address} dev {dev}")).await;
            node.up(dev).await?;
        }
        for dev in ["all", "wan", "lan"] {
            router.sysctl(&format!("net.ipv4.conf.{dev}.rp_filter"), "1").await?;
        }
        client.wait_carrier(&wan).await?;
        server.wait_carrier(&lan).await?;
        client.ip(&format!("route add default via 10.0.{path}.254 dev {wan} metric {path}00")).await;
        server.ip(&format!("route add 10.0.{path}.0/24 via 10.0.2{path}.254 dev {lan}")).await;
        // Each address of the server is behind each router.
        let other = 3 - path;
        router.ip(&format!("route add 10.0.2{other}.2/32 via 10.0.2{path}.2 dev lan")).await;
    }
    Ok(Net { client, server })
}

#[nl_testkit::test(
    needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss", sock_diag = "mptcp"),
    timeout = 60
)]
async fn full_mesh_uses_both_uplinks_without_rules(lab: Lab) -> Result {
    if kernel() < (6, 7) {
        return lab.skip(Need::Kernel("6.7".into()), "the kernel does not bind new subflows to interfaces");
    }
    let net = two_uplinks(&lab).await?;
    let client = Manager::start(&net.client, None, FullMesh::new()).await?;
    let server = Manager::start(&net.server, None, ()).await?;
    let mut connections = Connections::new(&net).await?;
    connections.connect_between(&net, "10.0.1.1", "10.0.21.2:5001").await?;
    let from = async |wanted: &[&str]| {
        let listed = by_ss(&net.client).await;
        let ends = listed.values().next()?;
        let found: Vec<_> = ends.iter().map(|(local, ..)| local.ip().to_string()).collect();
        (found == wanted).then_some(())
    };
    let both = ["10.0.1.1", "10.0.2.1"];
    eventually(Duration::from_secs(2), async || from(&both).await, "a subflow by each uplink").await;
    let wan2 = net.client.index_of("wan2").await?;
    let state = client.state().await;
    let bound = |s: &nl_mptcp::path_manager::SubflowState| s.index == Some(wan2);
    let connection = state.table.connections().next().ok_or("no connection")?;
    assert_eq!(connection.subflows.iter().filter(|s| bound(s)).count(), 1, "{connection:#?}");
    drop(connections);
    client.stop().await;
    server.stop().await;
    Ok(())
}

/// What the test above would see if subflows were not bound to their interfaces: the route decides, and the router of the first uplink
/// drops what comes from the address of the second. The subflow is reported as pending, not as done, until it has failed.
#[nl_testkit::test(
    needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss", sock_diag = "mptcp"),
    timeout = 240
)]
async fn unbound_subflow_of_the_second_uplink_is_pending_until_it_fails(lab: Lab) -> Result {
    let net = two_uplinks(&lab).await?;
    net.client.sysctl("net.ipv4.tcp_syn_retries", "4").await?;
    let client = Manager::start(&net.client, None, FullMesh::new().unbound().no_retry()).await?;
    let server = Manager::start(&net.server, None, ()).await?;
    let mut connections = Connections::new(&net).await?;
    connections.connect_between(&net, "10.0.1.1", "10.0.21.2:5001").await?;
    // Sent again at least once, because nobody answers.
    let unanswered = async || {
        let lines = ss::tcp(&net.client, "state syn-sent").await;
        let line = lines.iter().find(|line| line.local_end().ip().to_string() == "10.0.2.1")?;
        // timer:(on,808ms,1)
        let sent_again = line.word("timer")?.trim_end_matches(')').rsplit(',').next()?.parse::<u32>().ok()?;
        (sent_again > 0).then_some(())
    };
    eventually(SOON, unanswered, "the first packet to be sent again").await;
    let state = client.state().await;
    let open: Vec<_> = state.creations.open.iter().map(|(_, local, _)| local.to_string()).collect();
    assert_eq!((open.as_slice(), &state.failed[..]), (&["10.0.2.1".to_owned()][..], &[][..]));
    let connection = state.table.connections().next().ok_or("no connection")?;
    let established: Vec<_> =
        connection.subflows.iter().map(|s| (s.local.ip().to_string(), s.is_established())).collect();
    assert_eq!(established, [("10.0.1.1".to_owned(), true), ("10.0.2.1".to_owned(), false)]);
    assert_eq!(by_ss(&net.server).await.values().map(BTreeSet::len).collect::<Vec<_>>(), [1]);
    let failed = async || {
        let state = client.state().await;
        (!state.failed.is_empty()).then_some(state)
    };
    let state = eventually(LONG, failed, "the subflow to fail").await;
    assert!(state.creations.open.is_empty(), "{:?}", state.creations);
    assert!(
        state.failed.len() == 1 && state.failed[0].starts_with("create subflow 10.0.2.1"),
        "{:?}",
        state.failed
    );
    drop(connections);
    client.stop().await;
    server.stop().await;
    Ok(())
}

/// 64 MiB, each byte of which depends on its place.
const LENGTH: usize = 64 << 20;
const CHUNK: usize = 64 << 10;

fn chunk(number: usize) -> Vec<u8> {
    (0..CHUNK).map(|at| ((at * 31) ^ (number * 7)).to_le_bytes()[0]).collect()
}

fn send(mut near: TcpStream, length: usize) -> JoinHandle<TcpStream> {
    tokio::task::spawn_blocking(move || {
        for number in 0..length / CHUNK {
            near.write_all(&chunk(number)).unwrap();
        }
        near
    })
}

/// Reads everything, each chunk within a second of the last.
async fn receive(far: TcpStream, length: usize) -> Result<TcpStream> {
    far.set_nonblocking(true)?;
    let (mut far, mut read) = (tokio::net::TcpStream::from_std(far)?, vec![0; CHUNK]);
    for number in 0..length / CHUNK {
        let next = far.read_exact(&mut read);
        within(Duration::from_secs(1), next, "data, of which there is always some within a second").await?;
        assert!(read == chunk(number), "chunk {number} is not what was sent");
    }
    Ok(far.into_std()?)
}

/// How many bytes the client sent through the device.
async fn sent_through(net: &Net, dev: &str) -> u64 {
    net.client.json(&format!("ip -j -s link show {dev}")).await[0]["stats64"]["tx"]["bytes"].as_u64().unwrap()
}

#[nl_testkit::test(
    needs(
        genl = "mptcp_pm",
        sysctl = "net.mptcp.enabled",
        tool = "ss",
        tool = "tc",
        sock_diag = "mptcp",
        qdisc = "netem"
    ),
    timeout = 120
)]
async fn transfer_continues_when_an_uplink_dies_and_uses_it_again(lab: Lab) -> Result {
    if kernel() < (6, 7) {
        return lab.skip(Need::Kernel("6.7".into()), "the kernel does not bind new subflows to interfaces");
    }
    let net = two_uplinks(&lab).await?;
    for dev in ["wan1", "wan2"] {
        let limit = format!("tc qdisc add dev {dev} root netem rate 60mbit limit 1000");
        net.client.command(limit.split(' ')).await.ok();
    }
    let mesh = FullMesh::new().retry(Duration::from_millis(200), Duration::from_secs(1));
    let client = Manager::start(&net.client, None, (FollowInterfaces::new(), mesh)).await?;
    let server = Manager::start(&net.server, None, ()).await?;
    let mut connections = Connections::new(&net).await?;
    connections.connect_between(&net, "10.0.1.1", "10.0.21.2:5001").await?;
    let [near, far] = connections.take();
    let from = async |node: &Node, wanted: &[&str]| {
        let listed = by_ss(node).await;
        let ends = listed.values().next()?;
        let client_side = |(local, remote, ..): &Ends| {
            let end = if local.port() == 5001 { remote } else { local };
            end.ip().to_string()
        };
        let found: BTreeSet<_> = ends.iter().map(client_side).collect();
        found.iter().map(String::as_str).eq(wanted.iter().copied()).then_some(())
    };
    let both = ["10.0.1.1", "10.0.2.1"];
    eventually(SOON, async || from(&net.client, &both).await, "a subflow by each uplink").await;

    let (sent, received) = (send(near, LENGTH), tokio::spawn(receive(far, LENGTH)));
    // The uplink of the initial subflow, while data flows.
    net.client.down("wan1").await?;
    eventually(Duration::from_secs(2), async || from(&net.server, &both[1..]).await, "the peer to close it")
        .await;
    counted(&net.server, "RmAddr", 1).await;
    net.client.up("wan1").await?;
    // Its route went with it.
    net.client.ip("route replace default via 10.0.1.254 dev wan1 metric 100").await;
    eventually(SOON, async || from(&net.client, &both).await, "the first to be used again").await;
    let far = within(Duration::from_secs(60), received, "the transfer").await??;
    let near = sent.await?;

    // It carries its part of what follows.
    let before = sent_through(&net, "wan1").await;
    let (sent, received) = (send(near, LENGTH / 4), tokio::spawn(receive(far, LENGTH / 4)));
    within(Duration::from_secs(60), received, "the second transfer").await??;
    sent.await?;
    let carried = sent_through(&net, "wan1").await - before;
    assert!(carried > 1 << 20, "{carried} bytes of 16 MiB through the first uplink");
    client.stop().await;
    server.stop().await;
    Ok(())
}
