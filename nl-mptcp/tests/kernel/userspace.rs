//! The userspace path manager, both sides, IPv4, IPv6 and IPv4 in IPv6; after the kernel's `userspace_pm.sh`.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use nl_core::error::Errno;
use nl_mptcp::endpoint::EndpointFlags;
use nl_testkit::{Lab, Need, Result, by_kernel, eventually};

use crate::support::{Net, Pair, SOON, counted, counter, kernel, listen, subflows_by_ss};

const V4: [&str; 2] = ["10.0.1.1", "10.0.1.2:5001"];
const V6: [&str; 2] = ["dead:beef:1::1", "[dead:beef:1::2]:5001"];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(text: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip(text), port)
}

async fn announcing(lab: &Lab, [from, to]: [&str; 2], near: &str, far: &str) -> Result {
    let net = Net::userspace(lab).await?;
    let mut pair = Pair::connect(&net, from, to).await?;
    let first_port = pair.server.established.remote.port();

    // An announcement without a port is reported with that of the initial subflow.
    pair.client.connection().address(ip(near), 11).announce().await?;
    assert_eq!(pair.server.announced().await, (at(near, first_port), 11));
    pair.client.connection().address(ip(near), 11).announce().await?;
    assert_eq!(pair.server.announced().await, (at(near, first_port), 11));
    pair.server.connection().address(ip(far), 21).announce().await?;
    assert_eq!(pair.client.announced().await, (at(far, 5001), 21));
    counted(&net.client, "AddAddr", 1).await;
    counted(&net.client, "EchoAdd", 1).await;
    counted(&net.server, "AddAddr", 2).await;
    Ok(())
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn address_is_announced_by_both_sides(lab: Lab) -> Result {
    announcing(&lab, V4, "10.0.2.1", "10.0.2.2").await
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn ipv6_address_is_announced_by_both_sides(lab: Lab) -> Result {
    announcing(&lab, V6, "dead:beef:2::1", "dead:beef:2::2").await
}

/// Both in one connection.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn address_of_the_other_family_is_announced(lab: Lab) -> Result {
    announcing(&lab, V4, "dead:beef:2::1", "dead:beef:2::2").await
}

/// An IPv6 address that is announced with a port needs their room.
async fn without_time_stamps(net: &Net) -> Result {
    for node in [&net.client, &net.server] {
        node.sysctl("net.ipv4.tcp_timestamps", "0").await?;
    }
    Ok(())
}

async fn announcing_with_a_port(lab: &Lab, [from, to]: [&str; 2], near: &str, far: &str) -> Result {
    let net = Net::userspace(lab).await?;
    without_time_stamps(&net).await?;
    let mut pair = Pair::connect(&net, from, to).await?;
    pair.client.connection().address(ip(near), 11).port(6001).announce().await?;
    assert_eq!(pair.server.announced().await, (at(near, 6001), 11));
    pair.server.connection().address(ip(far), 21).port(6002).announce().await?;
    assert_eq!(pair.client.announced().await, (at(far, 6002), 21));
    counted(&net.client, "PortAdd", 1).await;
    counted(&net.server, "PortAdd", 1).await;
    Ok(())
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn address_is_announced_with_a_port(lab: Lab) -> Result {
    announcing_with_a_port(&lab, V4, "10.0.2.1", "10.0.2.2").await
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn ipv6_address_is_announced_with_a_port(lab: Lab) -> Result {
    announcing_with_a_port(&lab, V6, "dead:beef:2::1", "dead:beef:2::2").await
}

async fn withdrawing(lab: &Lab, [from, to]: [&str; 2], near: &str, far: &str) -> Result {
    let net = Net::userspace(lab).await?;
    let mut pair = Pair::connect(&net, from, to).await?;
    pair.client.connection().address(ip(near), 11).announce().await?;
    pair.server.announced().await;
    pair.server.connection().address(ip(far), 21).announce().await?;
    pair.client.announced().await;
    // A withdrawal is not sent while an announcement or an echo is still to be.
    counted(&net.client, "EchoAdd", 1).await;
    counted(&net.server, "EchoAdd", 1).await;

    let error = pair.client.connection().withdraw(12).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    pair.client.connection().withdraw(11).await?;
    assert_eq!(pair.server.removed().await, 11);
    let error = pair.client.connection().withdraw(11).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(error.to_string().starts_with("withdraw mptcp address id 11 token "), "{error}");
    pair.server.connection().withdraw(21).await?;
    assert_eq!(pair.client.removed().await, 21);
    counted(&net.client, "RmAddr", 1).await;
    counted(&net.server, "RmAddr", 1).await;
    Ok(())
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn address_is_withdrawn_by_both_sides(lab: Lab) -> Result {
    withdrawing(&lab, V4, "10.0.2.1", "10.0.2.2").await
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn ipv6_address_is_withdrawn_by_both_sides(lab: Lab) -> Result {
    withdrawing(&lab, V6, "dead:beef:2::1", "dead:beef:2::2").await
}

/// The initial subflow is closed, the connection continues on the second.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss"))]
async fn withdrawing_id_0_closes_initial_subflow(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let mut pair = Pair::connect(&net, V4[0], V4[1]).await?;
    let second = at("10.0.2.2", 5001);
    pair.client.connection().subflow(at("10.0.2.1", 0), second).id(7).create_established(SOON).await?;
    pair.server.subflow().await;
    pair.client.connection().withdraw(0).await?;
    assert_eq!(pair.server.removed().await, 0);
    let closed = pair.client.closed().await;
    assert_eq!((closed.local, closed.local_id.get()), (pair.client.established.local, 0));
    pair.exchange()?;
    let left = eventually(
        SOON,
        async || Some(subflows_by_ss(&net.client).await).filter(|ends| ends.len() == 1),
        "one subflow to be left",
    )
    .await;
    assert!(left[0].0.starts_with("10.0.2.1:"), "{left:?}");
    // Unlike other ids, this one is never reported as missing.
    pair.client.connection().withdraw(0).await?;
    Ok(())
}

/// What the kernel does, so that a kernel that does otherwise is noticed.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn failed_creation_makes_the_kernel_forget_an_id_in_use(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let pair = Pair::connect(&net, V4[0], V4[1]).await?;
    let connection = pair.client.connection();
    let (near, far) = (at("10.0.2.1", 0), at("10.0.2.2", 5001));
    let made = connection.subflow(near, far).id(7).create_established(SOON).await?;
    // There is no route to it.
    let error = connection.subflow(near, at("192.0.2.1", 5001)).id(7).create().await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENETUNREACH), "{error}");
    let error = connection.withdraw(7).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    // The subflow lives, and can be destroyed.
    connection.subflow(made.local, made.remote).destroy().await?;
    Ok(())
}

/// A link-local address is bound by its scope alone.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn scope_of_an_address_binds_the_subflow(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    for (node, host) in [(&net.client, 1), (&net.server, 2)] {
        node.ip(&format!("address add fe80::{host}/64 dev eth2 nodad")).await;
    }
    let mut pair = Pair::connect(&net, V6[0], V6[1]).await?;
    let index = net.client.index_of("eth2").await?;
    let connection = pair.client.connection();
    let end = |host: u16, port, scope| {
        let address = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, host);
        SocketAddr::V6(SocketAddrV6::new(address, port, 0, scope))
    };
    let wrong =
        connection.subflow(end(1, 0, index + 1), end(2, 5001, index)).id(7).create().await.unwrap_err();
    let both = [format!("fe80::1%{}", index + 1), format!("fe80::2%{index}")];
    assert!(wrong.is_usage() && both.iter().all(|end| wrong.to_string().contains(end)), "{wrong}");
    let subflow = connection.subflow(end(1, 0, index), end(2, 5001, 0)).id(7);
    if kernel() < (6, 7) {
        let error = subflow.create().await.unwrap_err();
        assert!(error.is_unsupported(), "{error}");
        return Ok(());
    }
    let wrong = connection.subflow(end(1, 0, index + 1), end(2, 5001, 0)).dev("eth2").id(7).create().await;
    assert!(wrong.unwrap_err().is_usage());
    let made = subflow.create_established(SOON).await?;
    assert_eq!(made.index, Some(index));
    pair.exchange()
}

/// From `near` of the client to `far` of the server, where the server listens on every address; then from the server to
/// a port where the client listens.
async fn subflows(lab: &Lab, [from, to]: [&str; 2], near: &str, far: &str) -> Result {
    let net = Net::userspace(lab).await?;
    without_time_stamps(&net).await?;
    let mut pair = Pair::connect(&net, from, to).await?;

    // The server assigns the id of its address, so it announces it.
    pair.server.connection().address(ip(far), 21).announce().await?;
    pair.client.announced().await;
    let connection = pair.client.connection();
    let made = connection.subflow(at(near, 0), at(far, 5001)).id(7).create_established(SOON).await?;
    assert_eq!((made.token, made.local_id.get(), made.remote_id.get()), (pair.client.token(), 7, 21));
    assert_eq!((made.local.ip(), made.remote), (ip(near), at(far, 5001)));
    let seen = pair.server.subflow().await;
    assert_eq!((seen.local, seen.remote), (made.remote, made.local));
    assert_eq!((seen.local_id.get(), seen.remote_id.get()), (21, 7));
    let shown = subflows_by_ss(&net.client).await;
    assert!(shown.contains(&(made.local.to_string(), made.remote.to_string())), "{shown:?}");
    assert_eq!(shown.len(), 2, "{shown:?}");
    counted(&net.server, "MPJoinAckRx", 1).await;
    pair.exchange()?;

    pair.client.subflow().await;
    pair.client.connection().subflow(made.local, made.remote).destroy().await?;
    let closed = pair.client.closed().await;
    assert_eq!((closed.local, closed.remote), (made.local, made.remote));
    assert_eq!(pair.server.closed().await.remote, made.local);
    let error = pair.client.connection().subflow(made.local, made.remote).destroy().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    pair.exchange()?;

    // The other direction. The kernel accepts subflows only on announced ports and on that of the initial subflow.
    let _listener = listen(&net.client, at(near, 6001)).await?;
    pair.client.connection().address(ip(near), 11).port(6001).announce().await?;
    assert_eq!(pair.server.announced().await, (at(near, 6001), 11));
    let connection = pair.server.connection();
    let made = connection.subflow(at(far, 0), at(near, 6001)).id(21).create_established(SOON).await?;
    assert_eq!((made.token, made.local_id.get()), (pair.server.token(), 21));
    let seen = pair.client.subflow().await;
    assert_eq!((seen.local, seen.remote), (at(near, 6001), made.local));
    pair.server.connection().subflow(made.local, made.remote).destroy().await?;
    pair.client.closed().await;
    pair.exchange()
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss"))]
async fn subflow_is_created_and_destroyed_by_both_sides(lab: Lab) -> Result {
    subflows(&lab, V4, "10.0.2.1", "10.0.2.2").await
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss"))]
async fn ipv6_subflow_is_created_and_destroyed_by_both_sides(lab: Lab) -> Result {
    subflows(&lab, V6, "dead:beef:2::1", "dead:beef:2::2").await
}

/// Which machine creates the subflow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Client,
    Server,
}

/// A subflow to an address that the other side announced, and where it listens: at the port the connection has there, or at a
/// port of its own. The second addresses of the machines are given.
async fn subflow_to_announced(
    lab: &Lab,
    by: By,
    [from, to]: [&str; 2],
    [near, far]: [&str; 2],
    port: Option<u16>,
) -> Result {
    let net = Net::userspace(lab).await?;
    without_time_stamps(&net).await?;
    let Pair { client, server, .. } = &mut Pair::connect(&net, from, to).await?;
    let (creator, other, machine, [source, target]) = match by {
        By::Client => (client, server, &net.server, [near, far]),
        By::Server => (server, client, &net.client, [far, near]),
    };
    let of_connection = creator.established.remote.port();
    let target = at(target, port.unwrap_or(of_connection));
    // The server listens everywhere already, at the port of the connection.
    let _listener = match (by, port) {
        (By::Client, None) => None,
        _ => Some(listen(machine, target).await?),
    };
    let announcement = other.connection().address(target.ip(), 31);
    match port {
        Some(port) => announcement.port(port).announce().await?,
        None => announcement.announce().await?,
    };
    assert_eq!(creator.announced().await, (target, 31));

    // An IPv6 socket reports IPv4 addresses as IPv4-mapped.
    let plain = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
    let made = creator.connection().subflow(at(source, 0), target).id(23).create_established(SOON).await?;
    creator.subflow().await;
    assert_eq!((made.token, made.local_id.get(), made.remote_id.get()), (creator.token(), 23, 31));
    assert_eq!((plain(made.local).ip(), plain(made.remote)), (ip(source), target));
    assert_eq!(plain(other.subflow().await.remote), plain(made.local));
    creator.connection().subflow(made.local, made.remote).destroy().await?;
    let closed = creator.closed().await;
    assert_eq!((plain(closed.local), plain(closed.remote)), (plain(made.local), target));
    assert_eq!((closed.local_id.get(), closed.remote_id.get()), (23, 31));
    assert_eq!(plain(other.closed().await.remote), plain(made.local));
    other.connection().withdraw(31).await?;
    assert_eq!(creator.removed().await, 31);
    Ok(())
}

const SECOND_V4: [&str; 2] = ["10.0.2.1", "10.0.2.2"];
const SECOND_V6: [&str; 2] = ["dead:beef:2::1", "dead:beef:2::2"];

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn server_creates_subflow_to_client_port(lab: Lab) -> Result {
    subflow_to_announced(&lab, By::Server, V4, SECOND_V4, None).await
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn server_creates_ipv6_subflow_to_client_port(lab: Lab) -> Result {
    subflow_to_announced(&lab, By::Server, V6, SECOND_V6, None).await
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn server_creates_subflow_to_announced_port(lab: Lab) -> Result {
    subflow_to_announced(&lab, By::Server, V4, SECOND_V4, Some(50_003)).await
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn client_creates_subflow_to_announced_port(lab: Lab) -> Result {
    subflow_to_announced(&lab, By::Client, V4, SECOND_V4, Some(50_003)).await
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn ipv4_address_is_announced_in_ipv6_connection_and_connected_to(lab: Lab) -> Result {
    subflow_to_announced(&lab, By::Client, V6, SECOND_V4, None).await
}

/// The sockets are IPv6, the first subflow is, the second is IPv4, and the kernel writes it as IPv6.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn ipv4_subflow_joins_ipv6_connection(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    for mapped in [false, true] {
        let mut pair = Pair::connect(&net, V6[0], V6[1]).await?;
        let (near, far) =
            if mapped { ("::ffff:10.0.2.1", "::ffff:10.0.2.2") } else { ("10.0.2.1", "10.0.2.2") };
        let connection = pair.client.connection();
        let made = connection.subflow(at(near, 0), at(far, 5001)).id(7).create_established(SOON).await?;
        assert_eq!(made.local.ip().to_canonical(), ip("10.0.2.1"));
        assert_eq!(made.remote.ip().to_canonical(), ip("10.0.2.2"));
        pair.server.subflow().await;
        // Whichever way the event writes the addresses, the destruction takes it.
        pair.client.connection().subflow(made.local, made.remote).destroy().await?;
        let closed = pair.client.closed().await;
        assert_eq!(closed.local.port(), made.local.port());
        pair.exchange()?;
    }
    Ok(())
}

/// The peer reports and counts `MP_PRIO`.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn backup_flag_of_subflow_is_set_and_cleared(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let mut pair = Pair::connect(&net, V4[0], V4[1]).await?;
    let (near, far) = (pair.client.established.local, pair.client.established.remote);
    let priority = |event: &nl_mptcp::event::MptcpEvent| match event {
        nl_mptcp::event::MptcpEvent::SubflowPriority(event) => Some(event.clone()),
        _ => None,
    };
    pair.client.connection().subflow(near, far).backup().change().await?;
    let reported = pair.server.next("a priority", priority).await;
    assert_eq!((reported.local, reported.remote), (far, near));
    counted(&net.client, "MPPrioTx", 1).await;
    counted(&net.server, "MPPrioRx", 1).await;
    pair.client.connection().subflow(near, far).nobackup().change().await?;
    let reported = pair.server.next("a priority", priority).await;
    assert!(!reported.backup);
    counted(&net.client, "MPPrioTx", 2).await;
    counted(&net.server, "MPPrioRx", 2).await;

    let error =
        pair.client.connection().subflow(near, at("10.0.2.2", 1)).backup().change().await.unwrap_err();
    // EINVAL up to 6.12 and ENXIO from 6.18 on; what is between was not tried.
    assert_eq!(error.errno(), Some(by_kernel(Errno::EINVAL, &[((6, 18), Errno::ENXIO)])), "{error}");
    Ok(())
}

/// Linux 6.1 ignores both, so they are not asked of it.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn new_subflow_has_backup_flag_and_interface(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let mut pair = Pair::connect(&net, V4[0], V4[1]).await?;
    let connection = pair.client.connection();
    let subflow = connection.subflow(at("10.0.2.1", 0), at("10.0.2.2", 5001)).id(7).backup().dev("eth2");
    let made = match subflow.create_established(SOON).await {
        Ok(made) => made,
        Err(error) => {
            assert!(error.is_unsupported() && kernel() < (6, 7), "{error}");
            return lab.skip(Need::Kernel("6.7".into()), "no more than the refusal is tested");
        }
    };
    assert_eq!(made.index, Some(net.client.index_of("eth2").await?));
    assert!(pair.server.subflow().await.backup);
    Ok(())
}

/// The port is the one that was asked for.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn subflow_uses_requested_local_port(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let pair = Pair::connect(&net, V4[0], V4[1]).await?;
    let connection = pair.client.connection();
    let subflow = connection.subflow(at("10.0.2.1", 7001), at("10.0.2.2", 5001)).id(7);
    assert_eq!(subflow.create_established(SOON).await?.local, at("10.0.2.1", 7001));
    Ok(())
}

/// What was announced and what subflows were created from is listed; before Linux 6.10 that is an error, never the
/// namespace's endpoints.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ip"))]
async fn addresses_of_connection_are_listed(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    net.client.ip("mptcp endpoint add 10.0.2.1 id 99 signal").await;
    let mut pair = Pair::connect(&net, V4[0], V4[1]).await?;
    pair.client.connection().address(ip("10.0.2.1"), 11).announce().await?;
    pair.server.announced().await;
    let far = at("10.0.1.2", 5001);
    pair.client.connection().subflow(at("10.0.2.1", 0), far).id(11).create_established(SOON).await?;
    pair.client.connection().address(ip("dead:beef:2::1"), 12).port(6001).announce().await?;

    let connection = pair.client.connection();
    let list = match connection.list().await {
        Ok(list) => list.collect_all().await?,
        Err(error) => {
            assert!(error.is_unsupported() && kernel() < (6, 10), "{error}");
            assert!(connection.get(99).await.unwrap_err().is_unsupported());
            return lab.skip(Need::Kernel("6.10".into()), "no more than the refusals are tested");
        }
    };
    let mut reported: Vec<_> = list.iter().map(|e| (e.id.get(), e.address, e.port)).collect();
    reported.sort();
    assert_eq!(reported, [(11, ip("10.0.2.1"), None), (12, ip("dead:beef:2::1"), Some(6001))]);
    let one = connection.get(12).await?;
    assert_eq!((one.address, one.port), (ip("dead:beef:2::1"), Some(6001)));
    assert!(one.flags.contains(EndpointFlags::SIGNAL));
    assert!(connection.get(99).await.unwrap_err().is_not_found());

    connection.withdraw(11).await?;
    connection.withdraw(12).await?;
    assert_eq!(connection.list().await?.collect_all().await?, []);
    Ok(())
}

/// A refusal by the peer is an error, although the kernel reports success for the request.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ip"))]
async fn create_established_returns_error_of_refused_subflow(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let pair = Pair::connect(&net, V4[0], V4[1]).await?;
    let connection = pair.client.connection();
    let subflow = connection.subflow(at("10.0.2.1", 0), at("10.0.2.2", 9)).id(7);
    subflow.clone().create().await?;
    let error = subflow.id(8).create_established(SOON).await.unwrap_err();
    // The address has id 7 already.
    assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
    let subflow = connection.subflow(at("10.0.2.1", 0), at("10.0.2.2", 9)).id(7);
    let error = subflow.create_established(SOON).await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ECONNREFUSED), "{error}");
    assert!(
        error.to_string().starts_with("create mptcp subflow 10.0.2.1 id 7 to 10.0.2.2:9 token "),
        "{error}"
    );

    // An address that never answers: no host has it, and the kernel need not ask who does.
    net.client.ip("neighbour add 10.0.2.77 lladdr 02:00:00:00:00:77 dev eth2 nud permanent").await;
    let subflow = connection.subflow(at("10.0.2.1", 0), at("10.0.2.77", 9)).id(7);
    let error = subflow.create_established(Duration::from_millis(300)).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    Ok(())
}

/// The kernel has room for one address option at a time. While it is taken the kernel reports success and sends nothing:
/// then a withdrawal is counted as dropped, since Linux 6.3. Here the echo of the peer's announcement may still be there.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", kernel = "6.3"))]
async fn withdrawal_is_received_or_counted_as_dropped(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let mut pair = Pair::connect(&net, V4[0], V4[1]).await?;
    pair.client.connection().address(ip("10.0.2.1"), 11).announce().await?;
    counted(&net.client, "EchoAdd", 1).await;
    pair.server.connection().address(ip("10.0.2.2"), 21).announce().await?;
    pair.client.announced().await;
    pair.client.connection().withdraw(11).await?;
    let reported = async || {
        let received = counter(&net.server, "RmAddr").await.unwrap();
        let dropped = counter(&net.client, "RmAddrTxDrop").await.unwrap();
        Some(received + dropped).filter(|sum| *sum > 0)
    };
    assert_eq!(eventually(SOON, reported, "the withdrawal to be received or dropped").await, 1);
    Ok(())
}

/// The kernel asks whether anybody listens to the events, and not where.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn event_listener_in_another_namespace_is_enough(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let mut pair = Pair::connect(&net, V4[0], V4[1]).await?;
    // The only one who listened at the server.
    pair.server.events = pair.client.mptcp.events().await?;
    let connection = pair.client.connection();
    connection.subflow(at("10.0.2.1", 0), at("10.0.2.2", 5001)).id(7).create_established(SOON).await?;
    counted(&net.server, "MPJoinAckRx", 1).await;
    Ok(())
}
