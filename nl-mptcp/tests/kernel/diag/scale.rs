//! Thousands of sockets; a low limit of open files bounds their number.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use futures_util::TryStreamExt;
use nl_testkit::{Lab, Node, Result, eventually, scaled};

use super::ss;
use super::world::{Kind, connect, listen, open};

const SOCKETS: u32 = 10_000;
const SOON: Duration = Duration::from_secs(60);

/// So many connections, each of which is two sockets here.
fn pairs() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let open_files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let allowed =
        open_files.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(usize::MAX);
    // Some are left for everything else.
    usize::min(scaled(SOCKETS, 1) as usize, allowed.saturating_sub(200)) / 2
}

async fn connected(node: &Node, pairs: usize) -> Result<(TcpListener, Vec<[TcpStream; 2]>)> {
    let listener = listen(node, "10.0.0.1:80", Kind::Mptcp).await;
    let mut out = Vec::with_capacity(pairs);
    for _ in 0..pairs {
        let client = connect(node, "10.0.0.1:80", Kind::Mptcp).await;
        let (server, _) = listener.accept()?;
        out.push([client, server]);
    }
    Ok((listener, out))
}

#[nl_testkit::test(needs(tool = "ss", sock_diag = "mptcp"), timeout = 240, serial)]
async fn thousands_of_connections_are_listed_and_joined(lab: Lab) -> Result {
    lab.quiet();
    let node = lab.node("a").await?;
    node.ip("link set lo up").await;
    node.ip("address add 10.0.0.1/24 dev lo").await;
    let pairs = pairs();
    let _open = connected(&node, pairs).await?;

    let diag = open(&node).await?;
    let theirs = async || {
        let lines = ss::mptcp(&node, "state established").await;
        let tokens: BTreeSet<_> =
            lines.iter().map(|line| u32::from_str_radix(line.word("token").unwrap(), 16).unwrap()).collect();
        (tokens.len() == 2 * pairs).then_some(tokens)
    };
    let theirs = eventually(SOON, theirs, "ss to list every socket").await;
    eprintln!("{} sockets", theirs.len());

    // One after the other, as they come.
    let mut ours = BTreeSet::new();
    let mut listed = diag.sockets().remote_port(80).list();
    while let Some(socket) = listed.try_next().await? {
        assert!(ours.insert(socket.token().unwrap().get()), "{socket} twice");
    }
    assert_eq!(ours.len(), pairs);
    let mut listed = diag.sockets().local_port(80).list();
    while let Some(socket) = listed.try_next().await? {
        // The listener has none.
        ours.extend(socket.token().map(|token| token.get()));
    }
    assert_eq!(ours, theirs);

    let connections = diag.connections().list().await?;
    assert_eq!(connections.iter().map(|connection| connection.token.get()).collect::<BTreeSet<_>>(), theirs);
    for connection in &connections {
        let [subflow] = &connection.subflows[..] else { panic!("{connection}") };
        assert_eq!(
            (connection.local(), connection.remote()),
            (Some(subflow.socket.local), Some(subflow.socket.remote))
        );
    }
    Ok(())
}

/// A list given up half-way holds up nothing.
#[nl_testkit::test(needs(tool = "ss", sock_diag = "mptcp"), timeout = 120, serial)]
async fn dropped_list_does_not_delay_the_next(lab: Lab) -> Result {
    lab.quiet();
    let node = lab.node("a").await?;
    node.ip("link set lo up").await;
    node.ip("address add 10.0.0.1/24 dev lo").await;
    // More than are taken, and more than fit into one answer of the kernel.
    let pairs = pairs().min(SOCKETS as usize / 20);
    assert!(pairs >= 100, "{pairs} connections are too few for this");
    let _open = connected(&node, pairs).await?;
    let diag = open(&node).await?;
    let mut dropped = diag.sockets().list();
    for _ in 0..10 {
        assert!(dropped.try_next().await?.is_some());
    }
    drop(dropped);
    assert_eq!(diag.sockets().list().collect_all().await?.len(), 2 * pairs + 1);
    assert_eq!(ss::mptcp(&node, "-a").await.len(), 2 * pairs + 1);
    Ok(())
}
