//! Connections with their subflows, joined by token.

use std::collections::{BTreeMap, BTreeSet};

use nl_mptcp::Token;
use nl_mptcp::diag::{MptcpConnection, States, SubflowFlags};
use nl_testkit::{Lab, Result};

use super::ss;
use super::world::{World, open};

#[nl_testkit::test(needs(tool = "ss", sock_diag = "mptcp"))]
async fn subflows_are_joined_to_connections_as_in_ss(lab: Lab) -> Result {
    let world = World::new(&lab).await?;
    // Theirs, joined by text: the token behind the slash.
    let mut theirs: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    let hex = |text: &str| u32::from_str_radix(text, 16).unwrap();
    for line in ss::mptcp(&world.node, "").await {
        theirs.insert(hex(line.word("token").unwrap()), BTreeSet::new());
    }
    for line in ss::subflows(&world.node, "").await {
        let token = line.word("token").unwrap().split_once('/').unwrap().1;
        let token = hex(token.split_once('(').unwrap().0);
        theirs.get_mut(&token).unwrap().insert(line.word("sk").unwrap().to_owned());
    }

    let ours = world.diag.connections().list().await?;
    let of_ours = |connection: &MptcpConnection| {
        let subflows = connection.subflows.iter().map(|s| format!("{:x}", s.socket.cookie)).collect();
        (connection.token.get(), subflows)
    };
    assert_eq!(ours.iter().map(of_ours).collect::<BTreeMap<_, _>>(), theirs);
    assert_eq!(ours.len(), 7);
    assert_eq!(ours.iter().map(|connection| connection.subflows.len()).sum::<usize>(), 9);

    // Each with the inode of its connection, which is one open file.
    for connection in &ours {
        let socket = connection.socket.unwrap().socket;
        assert!(
            connection.subflows.iter().all(|subflow| subflow.socket.inode == socket.inode),
            "{connection}"
        );
        assert_eq!((connection.local(), connection.remote()), (Some(socket.local), Some(socket.remote)));
    }
    Ok(())
}

#[nl_testkit::test(needs(sock_diag = "mptcp"))]
async fn filtered_connection_has_all_its_subflows(lab: Lab) -> Result {
    let world = World::new(&lab).await?;
    let [client] = &world.diag.connections().remote_port(world.joined.port()).list().await?[..] else {
        panic!("not one client")
    };
    assert_eq!(client.local(), world.joined.client.local_addr().ok());
    let [first, second] = &client.subflows[..] else { panic!("{client}") };
    let (first, second) = match first.mptcp.unwrap().is_first() {
        true => (first, second),
        false => (second, first),
    };
    assert_eq!(second.socket.local.ip().to_string(), "10.0.0.3", "{client}");
    let (first, second) = (first.mptcp.unwrap(), second.mptcp.unwrap());
    assert!(first.flags.contains(SubflowFlags::MCAP_LOC | SubflowFlags::MCAP_REM), "{client}");
    assert!(second.flags.contains(SubflowFlags::JOIN_LOC | SubflowFlags::JOIN_REM), "{client}");
    assert!(!second.is_backup() && second.id_loc.get() == 1, "{client}");

    // The peer's token, which the end that joined knows, is that of the other end.
    let server = world.diag.socket(second.token_rem).await?;
    assert_eq!(Some(server.socket.local), client.remote());
    assert_eq!(Some(server.socket.remote), client.local());

    // A subflow's address is not the connection's.
    let by_subflow = world.diag.connections().local("10.0.0.3".parse()?).list().await?;
    assert_eq!(by_subflow, []);
    Ok(())
}

#[nl_testkit::test(needs(sock_diag = "mptcp"))]
async fn token_finds_connection_only_in_its_namespace(lab: Lab) -> Result {
    let world = World::new(&lab).await?;
    let connections = world.diag.connections().list().await?;
    for connection in &connections {
        let found = world.diag.socket(connection.token).await?;
        assert_eq!(Some(found.socket.cookie), connection.socket.map(|socket| socket.socket.cookie));
    }
    let token = connections[0].token;
    let elsewhere = open(&lab.node("b").await?).await?;
    let error = elsewhere.socket(token).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    let expected = format!("look up MPTCP socket with token {token}: No such file or directory (ENOENT)");
    assert_eq!(error.to_string(), expected);
    Ok(())
}

#[nl_testkit::test(needs(sock_diag = "mptcp"))]
async fn fallback_has_the_fallback_flag(lab: Lab) -> Result {
    let world = World::new(&lab).await?;
    let fallbacks = world.diag.connections().remote_port(world.fallback.port()).list().await?;
    let [fallback] = &fallbacks[..] else { panic!("{fallbacks:#?}") };
    assert_eq!(fallback.is_fallback(), Some(true));
    assert_eq!(fallback.subflows.len(), 1);
    let others = world.diag.connections().list().await?;
    assert_eq!(others.iter().filter(|connection| connection.is_fallback() == Some(true)).count(), 1);
    // The end that speaks TCP only, and the pair that does, are no subflows.
    let ports = [world.fallback.port(), world.plain.port()];
    for port in ports {
        assert_eq!(world.diag.subflows().local_port(port).list().collect_all().await?, []);
    }
    Ok(())
}

/// What the two lists do not have in common stays visible.
#[nl_testkit::test(needs(sock_diag = "mptcp"))]
async fn connections_in_one_list_only_are_retained(lab: Lab) -> Result {
    let world = World::new(&lab).await?;
    let sockets = world.diag.sockets().states(States::CONNECTIONS).list().collect_all().await?;
    let subflows = world.diag.subflows().states(States::CONNECTIONS).list().collect_all().await?;
    let tokens: BTreeSet<Token> = sockets.iter().filter_map(|socket| socket.token()).collect();

    let alone = MptcpConnection::join(sockets.clone(), []);
    assert_eq!(alone.len(), 7);
    assert!(alone.iter().all(|connection| connection.subflows.is_empty() && connection.socket.is_some()));

    let orphans = MptcpConnection::join([], subflows.clone());
    assert_eq!(orphans.iter().map(|connection| connection.token).collect::<BTreeSet<_>>(), tokens);
    assert!(orphans.iter().all(|orphan| orphan.socket.is_none() && orphan.is_fallback().is_none()));
    // The initial subflow has the addresses of the connection.
    let whole = MptcpConnection::join(sockets, subflows);
    for orphan in &orphans {
        let same = whole.iter().find(|connection| connection.token == orphan.token).unwrap();
        assert_eq!((orphan.local(), orphan.remote()), (same.local(), same.remote()));
    }
    Ok(())
}
