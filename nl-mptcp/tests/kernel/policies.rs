//! The policies of the example `mptcp_policies`, by what `ss` shows.

use std::collections::BTreeMap;
use std::time::Duration;

use nl_mptcp::path_manager::FullMesh;
use nl_testkit::{Lab, Result, eventually};

use crate::path_manager::{Connections, Manager, by_ss};
use crate::policies_of_example::{Again, Heavy, Steady};
use crate::support::{Net, SOON};

/// Waits until the client's only connection has subflows from these addresses.
async fn from(net: &Net, wanted: &[&str], what: &str) {
    let fits = async || {
        let listed = by_ss(&net.client).await;
        let ends = listed.values().next()?;
        let found: Vec<_> = ends.iter().map(|(local, ..)| local.ip().to_string()).collect();
        (found == wanted).then_some(())
    };
    eventually(SOON, fits, what).await;
}

const BOTH: [&str; 2] = ["10.0.1.1", "10.0.2.1"];

#[nl_testkit::test(
    needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss", sock_diag = "mptcp"),
    timeout = 60
)]
async fn heavy_connection_gets_the_interface_that_costs_money(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let policy = Heavy { dev: "eth2".into(), bytes: 100_000 };
    let client = Manager::start(&net.client, None, policy).await?;
    let server = Manager::start(&net.server, None, ()).await?;
    let mut connections = Connections::new(&net).await?;
    connections.connect(&net).await?;
    connections.send(50_000)?;
    // Read at least once, and too little.
    let counted = async || {
        let state = client.state().await;
        let sent = state.table.connections().next()?.counters?.bytes_sent;
        (sent >= 50_000).then_some(state)
    };
    eventually(SOON, counted, "the counters to be read").await;
    from(&net, &BOTH[..1], "one subflow").await;
    connections.send(60_000)?;
    from(&net, &BOTH, "a subflow by the second interface").await;
    assert_eq!(client.state().await.failed, [] as [String; 0]);
    drop(connections);
    client.stop().await;
    server.stop().await;
    Ok(())
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
    timeout = 60
)]
async fn subflow_whose_round_trip_time_doubles_becomes_a_backup(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let client = Manager::start(&net.client, None, (FullMesh::new(), Steady)).await?;
    let server = Manager::start(&net.server, None, ()).await?;
    let mut connections = Connections::new(&net).await?;
    connections.connect(&net).await?;
    from(&net, &BOTH, "two subflows").await;
    net.client.command("tc qdisc add dev eth1 root netem delay 80ms".split(' ')).await.ok();
    let backup = async || {
        connections.send(200_000).unwrap();
        let state = client.state().await;
        let connection = state.table.connections().next()?;
        let of = |address: &str| connection.subflows.iter().find(|s| s.local.ip().to_string() == address);
        (of(BOTH[0])?.backup && !of(BOTH[1])?.backup).then_some(())
    };
    eventually(SOON, backup, "the slow subflow to be a backup").await;
    client.stop().await;
    server.stop().await;
    Ok(())
}

/// The server does not answer the second address, for a while.
#[nl_testkit::test(
    needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss", sock_diag = "mptcp"),
    timeout = 60
)]
async fn subflow_that_failed_is_created_again_after_a_time(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    net.client.sysctl("net.ipv4.tcp_syn_retries", "1").await?;
    net.server.ip("rule add to 10.0.2.1 prohibit").await;
    let again = Again { after: Duration::from_millis(300), waiting: BTreeMap::new() };
    let policy = (FullMesh::new().no_retry(), again);
    let client = Manager::start(&net.client, None, policy).await?;
    let server = Manager::start(&net.server, None, ()).await?;
    let mut connections = Connections::new(&net).await?;
    connections.connect(&net).await?;
    let failed = async || Some(client.state().await.failed).filter(|failed| !failed.is_empty());
    let failed = eventually(SOON, failed, "the subflow to fail").await;
    assert!(failed[0].starts_with("create subflow 10.0.2.1"), "{failed:?}");
    net.server.ip("rule del to 10.0.2.1 prohibit").await;
    from(&net, &BOTH, "a subflow by the second interface").await;
    client.stop().await;
    server.stop().await;
    Ok(())
}
