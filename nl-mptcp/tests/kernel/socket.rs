//! Statistics from `getsockopt(2)`, compared with `ss` and netlink.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use nl_mptcp::diag::{MptcpInfo, States};
use nl_mptcp::socket;
use nl_testkit::{Lab, Result, assert_older_than, eventually};

use crate::diag::ss;
use crate::diag::world::{Kind, World, listen};

const SOON: Duration = Duration::from_secs(20);

#[nl_testkit::test(needs(tool = "ss", sock_diag = "mptcp"))]
async fn mptcp_info_equals_ss_and_netlink(lab: Lab) -> Result {
    let world = World::new(&lab).await?;
    let radix = ss::Radix::of_sockets(ss::version(&world.node).await);
    let at_rest = |mut info: MptcpInfo| {
        (info.last_data_sent, info.last_data_recv, info.last_ack_recv) = (None, None, None);
        info
    };
    for stream in [&world.joined.client, &world.joined.server, &world.mapped.server, &world.ipv6.client] {
        let own = socket::info(stream)?;
        let netlink = world.diag.socket(own.token).await?.info.unwrap();
        assert_eq!(at_rest(own), at_rest(netlink));
        assert!(socket::is_mptcp(stream)?);
        let shown = ss::mptcp(&world.node, "").await;
        let token = format!("{:x}", own.token.get());
        let line = shown.iter().find(|line| line.word("token") == Some(&token)).unwrap();
        assert_eq!(line.word("subflows").unwrap_or("0"), own.extra_subflows.to_string());
        assert_eq!(line.word("write_seq"), Some(&*radix.write(own.write_seq)));
    }
    Ok(())
}

#[nl_testkit::test(needs(tool = "ss", sock_diag = "mptcp"))]
async fn subflow_addresses_equal_ss(lab: Lab) -> Result {
    let world = World::new(&lab).await?;
    for stream in [&world.joined.client, &world.joined.server, &world.mapped.server, &world.ipv6.client] {
        let own = socket::info(stream)?;
        let token = format!("/{:04x}(", own.token.get());
        let shown = ss::subflows(&world.node, "state connected").await;
        let theirs = shown.iter().filter(|line| line.word("token").unwrap().contains(&token));
        let theirs: BTreeSet<(SocketAddr, SocketAddr)> =
            theirs.map(|line| (line.local.parse().unwrap(), line.remote.parse().unwrap())).collect();
        let ours = socket::subflow_addrs(stream)?;
        assert_eq!(ours.len(), theirs.len());
        assert_eq!(
            ours.iter().map(|subflow| (subflow.local, subflow.remote)).collect::<BTreeSet<_>>(),
            theirs
        );
    }
    assert_eq!(socket::subflow_addrs(&world.joined.client)?.len(), 2);
    Ok(())
}

#[nl_testkit::test(needs(sock_diag = "mptcp"))]
async fn tcp_infos_equal_netlink(lab: Lab) -> Result {
    let world = World::new(&lab).await?;
    let same = async || {
        let own = socket::tcp_infos(&world.joined.client).unwrap();
        let addrs = socket::subflow_addrs(&world.joined.client).unwrap();
        assert_eq!((own.len(), addrs.len()), (2, 2));
        let netlink = world.diag.subflows().states(States::ESTABLISHED).list().collect_all().await.unwrap();
        let all_same = own.iter().zip(&addrs).all(|(own, addrs)| {
            let other = netlink
                .iter()
                .find(|subflow| (subflow.socket.local, subflow.socket.remote) == (addrs.local, addrs.remote));
            let mut other = other.unwrap().tcp.unwrap();
            // These are about the moment.
            (other.last_data_sent, other.last_data_recv) = (own.last_data_sent, own.last_data_recv);
            other.last_ack_recv = own.last_ack_recv;
            *own == other
        });
        let sent: u64 = own.iter().map(|tcp| tcp.bytes_sent).sum();
        (all_same && sent >= 100_000).then_some(())
    };
    eventually(SOON, same, "both ways to say the same").await;
    Ok(())
}

#[nl_testkit::test(needs(kernel = "6.5", sock_diag = "mptcp"))]
async fn full_info_equals_separate_options(lab: Lab) -> Result {
    let world = World::new(&lab).await?;
    let same = async || {
        let full = socket::full_info(&world.joined.client).unwrap();
        let mut info = socket::info(&world.joined.client).unwrap();
        (info.last_data_sent, info.last_data_recv) = (full.mptcp.last_data_sent, full.mptcp.last_data_recv);
        info.last_ack_recv = full.mptcp.last_ack_recv;
        let addrs: Vec<_> = full.subflows.iter().map(|subflow| subflow.addrs).collect();
        assert_eq!(addrs, socket::subflow_addrs(&world.joined.client).unwrap());
        let ids: BTreeSet<_> = full.subflows.iter().map(|subflow| subflow.id).collect();
        assert_eq!((ids.len(), full.subflows.len()), (2, 2), "{full:#?}");
        let tcp = socket::tcp_infos(&world.joined.client).unwrap();
        let sent = |all: Vec<u64>| all.iter().sum::<u64>();
        let ours = sent(full.subflows.iter().map(|subflow| subflow.tcp.bytes_acked).collect());
        let theirs = sent(tcp.iter().map(|tcp| tcp.bytes_acked).collect());
        (full.mptcp == info && ours == theirs && ours >= 100_000).then_some(())
    };
    eventually(SOON, same, "both ways to say the same").await;
    Ok(())
}

#[nl_testkit::test(needs(sock_diag = "mptcp"))]
async fn getsockopt_error_distinguishes_reasons(lab: Lab) -> Result {
    let world = World::new(&lab).await?;
    let fallback = &world.fallback.client;
    assert!(!socket::is_mptcp(fallback)?);
    let error = socket::info(fallback).unwrap_err();
    assert!(error.is_usage() && error.to_string().ends_with(": the connection fell back to TCP"), "{error}");
    assert!(error.to_string().starts_with("read MPTCP_INFO of socket "), "{error}");

    let plain = &world.plain.client;
    assert!(!socket::is_mptcp(plain)?);
    for error in [socket::info(plain).unwrap_err(), socket::subflow_addrs(plain).unwrap_err()] {
        assert!(error.to_string().ends_with(": a socket of protocol 6, not of MPTCP (262)"), "{error}");
    }
    let file = std::fs::File::open("/dev/null")?;
    assert!(
        socket::info(&file).unwrap_err().to_string().ends_with(": Socket operation on non-socket (ENOTSOCK)")
    );
    match socket::full_info(&world.joined.client) {
        Ok(full) => assert_eq!(full.subflows.len(), 2),
        Err(error) => {
            assert!(error.is_unsupported() && error.to_string().contains("Linux 6.5"), "{error}");
            assert_older_than(6_u32, 5_u32);
        }
    }
    // An IPv6 socket that fell back is refused with another number.
    let server = listen(&world.node, "[2001:db8::1]:9002", Kind::Tcp).await;
    let client = crate::diag::world::connect(&world.node, "[2001:db8::1]:9002", Kind::Mptcp).await;
    let error = socket::info(&client).unwrap_err();
    assert!(error.is_usage() && error.to_string().ends_with(": the connection fell back to TCP"), "{error}");
    drop(server);
    Ok(())
}

#[nl_testkit::test(needs(sock_diag = "mptcp"))]
async fn listener_socket_has_no_token_and_one_listening_subflow(lab: Lab) -> Result {
    let world = World::new(&lab).await?;
    let listener = &world.joined.listener;
    assert!(socket::is_mptcp(listener)?);
    assert_eq!(socket::info(listener)?.token.get(), 0);
    let [subflow] = socket::subflow_addrs(listener)?[..] else { panic!("not one subflow") };
    assert_eq!(subflow.local, listener.local_addr()?);
    let [tcp] = socket::tcp_infos(listener)?[..] else { panic!("not one subflow") };
    // TCP_LISTEN, and how many may wait.
    assert_eq!((tcp.state, tcp.sacked), (10, 128));
    Ok(())
}
