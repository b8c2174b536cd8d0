//! What the kernel's path manager does with the endpoints and limits it was given: seen in events and in `ss`.

use std::net::Ipv4Addr;

use nl_mptcp::AddressId;
use nl_mptcp::event::MptcpEvent;
use nl_testkit::{Lab, Node, Result, eventually};

use crate::support::{Net, Pair, SOON, counted, counter, open, subflows_by_ss};

/// Waits until `ss` lists this many subflows.
async fn subflows(node: &Node, count: usize) -> Vec<(String, String)> {
    let listed = async || Some(subflows_by_ss(node).await).filter(|ends| ends.len() == count);
    eventually(SOON, listed, &format!("{count} subflows")).await
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss"))]
async fn signal_endpoint_is_announced_and_connected_to(lab: Lab) -> Result {
    let net = Net::new(&lab).await?;
    let (client, server) = (open(&net.client).await?, open(&net.server).await?);
    let address = Ipv4Addr::new(10, 0, 2, 2);
    server.endpoint(address).id(9).signal().add().await?;
    server.limits().subflows(2).set().await?;
    client.limits().add_addr_accepted(1).subflows(2).set().await?;
    let mut pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:5001").await?;
    let (announced, id) = pair.client.announced().await;
    assert_eq!((announced.ip(), id), (address.into(), 9));
    let made = pair.client.subflow().await;
    assert_eq!((made.remote.ip(), made.remote_id.get()), (address.into(), 9));
    assert!(subflows(&net.client, 2).await.iter().any(|ends| ends.1 == "10.0.2.2:5001"));

    // Deleting it withdraws the address, and closes the subflow.
    server.endpoint(address).delete().await?;
    assert_eq!(pair.client.removed().await, 9);
    assert_eq!(pair.client.closed().await.remote, made.remote);
    subflows(&net.client, 1).await;
    pair.exchange()
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss"))]
async fn subflow_endpoint_creates_subflow_of_existing_connection(lab: Lab) -> Result {
    let net = Net::new(&lab).await?;
    let (client, server) = (open(&net.client).await?, open(&net.server).await?);
    server.limits().subflows(4).set().await?;
    client.limits().subflows(4).set().await?;
    let mut pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:5001").await?;
    // On the first wire too, for the answers to come back where it is bound to.
    let address = Ipv4Addr::new(10, 0, 1, 11);
    net.client.ip("address add 10.0.1.11/24 dev eth1").await;
    // The connection is there already.
    client.endpoint(address).id(6).dev("eth1").subflow().backup().add().await?;
    let made = pair.client.subflow().await;
    assert_eq!((made.local.ip(), made.local_id.get()), (address.into(), 6));
    assert_eq!(made.index, Some(net.client.index_of("eth1").await?));
    assert!(pair.server.subflow().await.backup);

    let priority = |event: &MptcpEvent| match event {
        MptcpEvent::SubflowPriority(event) => Some(event.backup),
        _ => None,
    };
    client.endpoint(AddressId::new(6)).nobackup().change().await?;
    assert!(!pair.server.next("a priority", priority).await);
    client.endpoint(address).backup().change().await?;
    assert!(pair.server.next("a priority", priority).await);
    counted(&net.client, "MPPrioTx", 2).await;

    client.endpoints().flush().await?;
    assert_eq!(pair.client.closed().await.local, made.local);
    subflows(&net.client, 1).await;
    pair.exchange()
}

/// The limit holds: the connection has no further subflow, and an endpoint that wants one gets none.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss"))]
async fn limit_of_zero_subflows_prevents_subflows(lab: Lab) -> Result {
    let net = Net::new(&lab).await?;
    let client = open(&net.client).await?;
    client.limits().subflows(0).set().await?;
    client.endpoint(Ipv4Addr::new(10, 0, 2, 1)).subflow().add().await?;
    let mut pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:5001").await?;
    pair.exchange()?;
    // With a limit of one the subflow is created, so the limit prevented it.
    assert_eq!(subflows_by_ss(&net.client).await.len(), 1);
    client.limits().subflows(1).set().await?;
    client.endpoint(Ipv4Addr::new(10, 0, 2, 1)).delete().await?;
    client.endpoint(Ipv4Addr::new(10, 0, 2, 1)).subflow().add().await?;
    pair.client.subflow().await;
    subflows(&net.client, 2).await;
    Ok(())
}

/// Deleting id 0 is no deletion of an endpoint but the end of the first subflows from the address.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss"))]
async fn drop_initial_closes_initial_subflow(lab: Lab) -> Result {
    let net = Net::new(&lab).await?;
    let (client, server) = (open(&net.client).await?, open(&net.server).await?);
    server.limits().subflows(2).set().await?;
    client.endpoint(Ipv4Addr::new(10, 0, 2, 1)).subflow().add().await?;
    let mut pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:5001").await?;
    pair.client.subflow().await;
    subflows(&net.client, 2).await;
    // Nothing begins from there.
    client.endpoint(Ipv4Addr::new(10, 0, 2, 1)).drop_initial().await?;
    assert_eq!(subflows_by_ss(&net.client).await.len(), 2);
    client.endpoint(Ipv4Addr::new(10, 0, 1, 1)).drop_initial().await?;
    let closed = pair.client.closed().await;
    assert_eq!(closed.local, pair.client.established.local);
    assert!(subflows(&net.client, 1).await[0].0.starts_with("10.0.2.1:"));
    assert_eq!(client.endpoints().list().await?.collect_all().await?.len(), 1);
    pair.exchange()
}

/// Endpoints cause no announcements, joins or priority changes for connections of the userspace path manager.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ip", tool = "ss"))]
async fn endpoints_do_not_affect_userspace_connection(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    for node in [&net.client, &net.server] {
        node.ip("mptcp limits set add_addr_accepted 4 subflows 4").await;
    }
    net.client.ip("mptcp endpoint add 10.0.2.1 id 9 subflow fullmesh").await;
    net.server.ip("mptcp endpoint add 10.0.2.2 id 8 signal").await;
    let mut pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:5001").await?;
    net.client.ip("mptcp endpoint add 10.0.1.1 id 7 subflow").await;
    net.client.ip("mptcp endpoint change id 7 backup").await;
    net.client.ip("mptcp endpoint delete id 9").await;
    net.server.ip("mptcp endpoint delete id 8").await;
    pair.exchange()?;

    // Our announcement causes the first event.
    pair.server.connection().address([10, 0, 2, 2].into(), 21).announce().await?;
    let first = pair.client.next("an event", |event| Some(event.clone())).await;
    assert!(matches!(&first, MptcpEvent::Announced(event) if event.remote_id.get() == 21), "{first}");
    pair.client.connection().address([10, 0, 2, 1].into(), 11).announce().await?;
    let first = pair.server.next("an event", |event| Some(event.clone())).await;
    assert!(matches!(&first, MptcpEvent::Announced(event) if event.remote_id.get() == 11), "{first}");
    for node in [&net.client, &net.server] {
        for name in ["MPJoinSynRx", "RmAddr", "MPPrioRx"] {
            assert_eq!(counter(node, name).await, Some(0), "{name} of {}", node.name());
        }
        assert_eq!(counter(node, "AddAddr").await, Some(1));
        assert_eq!(subflows_by_ss(node).await.len(), 1);
    }
    Ok(())
}
