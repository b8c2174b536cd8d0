//! The scenarios of the kernel's `diag.sh`; `tests/README.md` lists the cases.

use std::fs;

use nl_mptcp::diag::{InfoFlags, MptcpSocket, SockDiag, States};
use nl_mptcp::mib::Mib;
use nl_testkit::{Lab, Node, Result, eventually, kernel_version};

use super::ss;
use super::world::{Kind, Pair, SOON, connect, listen, multihomed, open, pair, talk};

async fn fresh(lab: &Lab) -> Result<(Node, SockDiag)> {
    let node = multihomed(lab, "a").await?;
    node.ip("mptcp endpoint flush").await;
    let diag = open(&node).await?;
    Ok((node, diag))
}

async fn established(diag: &SockDiag) -> Vec<MptcpSocket> {
    diag.sockets().states(States::ESTABLISHED).list().collect_all().await.unwrap()
}

/// Sockets in use, as the kernel counts them for `/proc/net/protocols`, and connections established if it counts those.
async fn in_use(node: &Node) -> (u64, Option<u64>) {
    node.open(|| {
        let table = fs::read_to_string("/proc/thread-self/net/protocols").unwrap();
        let rows = table.lines().filter(|line| line.starts_with("MPTCP"));
        let sockets = rows.map(|line| line.split_whitespace().nth(2).unwrap().parse::<u64>().unwrap()).sum();
        (sockets, Mib::read().unwrap().mp_curr_estab)
    })
    .await
}

/// Since Linux 6.2 the kernel counts MPTCP sockets at all.
fn sockets_are_counted() -> bool {
    kernel_version() >= (6, 2)
}

async fn wait_for(node: &Node, sockets: u64, connections: u64) {
    let counted_at_all = sockets_are_counted();
    let reached = async || {
        let (in_use, counted) = in_use(node).await;
        ((in_use == sockets || !counted_at_all) && counted.is_none_or(|counted| counted == connections))
            .then_some(())
    };
    eventually(SOON, reached, "sockets in use, and connections, to be as many as expected").await;
}

#[nl_testkit::test(needs(sock_diag = "mptcp"))]
async fn new_namespace_lists_no_sockets(lab: Lab) -> Result {
    let (node, diag) = fresh(&lab).await?;
    assert_eq!(diag.sockets().list().collect_all().await?, []);
    assert_eq!(diag.subflows().list().collect_all().await?, []);
    assert_eq!(diag.connections().list().await?, []);
    wait_for(&node, 0, 0).await;
    Ok(())
}

#[nl_testkit::test(needs(tool = "ss", sock_diag = "mptcp"))]
async fn listener_is_found_by_address_and_port(lab: Lab) -> Result {
    let (node, diag) = fresh(&lab).await?;
    let _listener = listen(&node, "0.0.0.0:10000", Kind::Mptcp).await;
    let any = "0.0.0.0".parse()?;
    for (select, words, number) in [
        (diag.sockets().remote_port(10_000), "-a dport = :10000", 0),
        (diag.sockets().local_port(10_000), "-a sport = :10000", 1),
        (diag.sockets().local(any).local_port(10_000), "-a src 0.0.0.0:10000", 1),
        (diag.sockets().local(any), "-a src 0.0.0.0", 1),
        (diag.sockets().states(States::LISTEN), "state listening", 1),
    ] {
        assert_eq!(ss::mptcp(&node, words).await.len(), number, "{words}");
        assert_eq!(select.list().collect_all().await?.len(), number, "{words}");
    }
    Ok(())
}

#[nl_testkit::test(needs(sock_diag = "mptcp"))]
async fn both_ends_are_listed_after_handshake(lab: Lab) -> Result {
    let (node, diag) = fresh(&lab).await?;
    let _pair = pair(&node, "10.0.0.1:10000", "10.0.0.1:10000", [Kind::Mptcp; 2]).await;
    let sockets = established(&diag).await;
    assert_eq!(sockets.len(), 2, "{sockets:#?}");
    for socket in sockets {
        assert_eq!(socket.info.unwrap().flags, InfoFlags::REMOTE_KEY_RECEIVED, "{socket}");
    }
    Ok(())
}

#[nl_testkit::test(needs(kernel = "6.2", sock_diag = "mptcp"))]
async fn sockets_in_use_are_counted_until_closed(lab: Lab) -> Result {
    let (node, diag) = fresh(&lab).await?;
    let Pair { listener, client, server } =
        pair(&node, "10.0.0.1:10000", "10.0.0.1:10000", [Kind::Mptcp; 2]).await;
    wait_for(&node, 3, 2).await;
    drop(listener);
    wait_for(&node, 2, 2).await;
    drop((client, server));
    wait_for(&node, 0, 0).await;
    assert_eq!(established(&diag).await, []);
    Ok(())
}

#[nl_testkit::test(needs(kernel = "6.10", sock_diag = "mptcp"))]
async fn last_data_and_ack_times_increase(lab: Lab) -> Result {
    let (node, diag) = fresh(&lab).await?;
    let pair = pair(&node, "10.0.0.1:10000", "10.0.0.1:10000", [Kind::Mptcp; 2]).await;
    talk(&pair)?;
    let times = async || {
        let sockets = established(&diag).await;
        let client = sockets.iter().find(|socket| socket.socket.remote.port() == 10_000).unwrap();
        let info = client.info.unwrap();
        [info.last_data_sent.unwrap(), info.last_data_recv.unwrap(), info.last_ack_recv.unwrap()]
    };
    let first = times().await;
    let grown = async || times().await.iter().zip(first).all(|(now, then)| *now > then + 100).then_some(());
    eventually(SOON, grown, "the times to grow by 100 milliseconds").await;
    // And begins again.
    talk(&pair)?;
    let back = async || times().await.iter().zip(first).all(|(now, then)| *now < then + 100).then_some(());
    eventually(SOON, back, "the times to begin again").await;
    Ok(())
}

#[nl_testkit::test(needs(sock_diag = "mptcp"))]
async fn client_of_plain_tcp_server_is_a_fallback(lab: Lab) -> Result {
    let (node, diag) = fresh(&lab).await?;
    let pair = pair(&node, "10.0.0.1:10001", "10.0.0.1:10001", [Kind::Tcp, Kind::Mptcp]).await;
    let sockets = established(&diag).await;
    let [socket] = &sockets[..] else { panic!("{sockets:#?}") };
    assert!(socket.info.unwrap().is_fallback(), "{socket}");
    // Not counted among the connections with MPTCP.
    wait_for(&node, 1, in_use(&node).await.1.unwrap_or(0)).await;
    drop(pair);
    wait_for(&node, 0, 0).await;
    Ok(())
}

#[nl_testkit::test(needs(sock_diag = "mptcp"), timeout = 120)]
async fn two_hundred_sockets_are_listed_until_closed(lab: Lab) -> Result {
    let (node, diag) = fresh(&lab).await?;
    let mut pairs = Vec::new();
    for port in 10_002..10_102 {
        let address = format!("10.0.0.1:{port}");
        pairs.push(pair(&node, &address, &address, [Kind::Mptcp; 2]).await);
    }
    assert_eq!(established(&diag).await.len(), 200);
    wait_for(&node, 300, 200).await;
    let some =
        diag.sockets().states(States::ESTABLISHED).local_ports(10_002..=10_011).list().collect_all().await?;
    assert_eq!(some.len(), 10);
    drop(pairs);
    wait_for(&node, 0, 0).await;
    let gone = async || diag.sockets().list().collect_all().await.unwrap().is_empty().then_some(());
    eventually(SOON, gone, "every socket to go").await;
    Ok(())
}

#[nl_testkit::test(needs(tool = "ss", sock_diag = "mptcp"))]
async fn hundred_listeners_are_listed_until_closed(lab: Lab) -> Result {
    let (node, diag) = fresh(&lab).await?;
    let listening = async || {
        let sockets = diag.sockets().states(States::LISTEN).list().collect_all().await.unwrap();
        let subflows = diag.subflows().states(States::LISTEN).list().collect_all().await.unwrap();
        let theirs = [
            ss::mptcp(&node, "state listening").await.len(),
            ss::subflows(&node, "state listening").await.len(),
        ];
        assert_eq!([sockets.len(), subflows.len()], theirs);
        theirs
    };
    assert_eq!(listening().await, [0, 0]);
    let mut listeners = Vec::new();
    for port in 20_002..20_102 {
        listeners.push(listen(&node, &format!("0.0.0.0:{port}"), Kind::Mptcp).await);
    }
    assert_eq!(listening().await, [100, 100]);
    drop(listeners);
    wait_for(&node, 0, 0).await;
    // Linux 6.1 has no counters to wait for.
    let gone = async || ss::subflows(&node, "state listening").await.is_empty().then_some(());
    eventually(SOON, gone, "the listeners to go").await;
    assert_eq!(listening().await, [0, 0]);
    Ok(())
}

#[nl_testkit::test(needs(tool = "ss", sock_diag = "mptcp"))]
async fn socket_is_found_by_its_token(lab: Lab) -> Result {
    let (node, diag) = fresh(&lab).await?;
    let _pair = pair(&node, "10.0.0.1:10000", "10.0.0.1:10000", [Kind::Mptcp; 2]).await;
    let shown = ss::mptcp(&node, "").await;
    assert_eq!(shown.len(), 2, "{shown:#?}");
    for line in shown {
        let found = diag.socket(line.word("token").unwrap().parse()?).await?;
        assert_eq!(format!("{:x}", found.socket.cookie), line.word("sk").unwrap());
        assert_eq!(found.socket.local.to_string(), line.local);
    }
    Ok(())
}

#[nl_testkit::test(needs(tool = "ss", sock_diag = "mptcp"))]
async fn subflow_is_found_by_its_ports(lab: Lab) -> Result {
    let (node, diag) = fresh(&lab).await?;
    let pair = pair(&node, "10.0.0.1:10000", "10.0.0.1:10000", [Kind::Mptcp; 2]).await;
    let from = pair.client.local_addr()?.port();
    let found = diag.subflows().local_port(from).remote_port(10_000).list().collect_all().await?;
    let [subflow] = &found[..] else { panic!("{found:#?}") };
    let shown = ss::subflows(&node, &format!("sport = :{from}")).await;
    assert_eq!(shown[0].word("sk"), Some(&*format!("{:x}", subflow.socket.cookie)));
    Ok(())
}

#[nl_testkit::test(needs(tool = "ss", sock_diag = "mptcp"))]
async fn unaccepted_connections_are_listed(lab: Lab) -> Result {
    let (node, diag) = fresh(&lab).await?;
    let listener = listen(&node, "10.0.0.1:10000", Kind::Mptcp).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(connect(&node, "10.0.0.1:10000", Kind::Mptcp).await);
    }
    let waiting = async || {
        let theirs = ss::mptcp(&node, "state established").await.len();
        let ours = established(&diag).await;
        // They are not accepted yet.
        let unopened = ours.iter().filter(|socket| socket.socket.inode == 0).count();
        (theirs == 40 && ours.len() == 40 && unopened == 20).then_some(())
    };
    eventually(SOON, waiting, "both ends of 20 connections to be listed").await;
    // MPTCP counts what waits with the subflow that listens.
    let listening = diag.subflows().states(States::LISTEN).list().collect_all().await?;
    assert_eq!((listening[0].socket.recv_queue, listening[0].socket.send_queue), (20, 128));
    drop((listener, clients));
    wait_for(&node, 0, 0).await;
    Ok(())
}
