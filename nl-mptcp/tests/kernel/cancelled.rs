//! Operations of several requests that are dropped at every await point: each is made or not, the connection works, and no socket and no
//! task is left.

use nl_core::Pending;
use nl_mptcp::Mptcp;
use nl_testkit::cancel::{Idle, at_every_await};
use nl_testkit::{Lab, Result, eventually};

use crate::support::{SOON, open};

/// The connection's own, and those of lists that are kept for the next ones.
const SOCKETS: usize = 5;

/// The connection answers, and has no more sockets and tasks than before.
async fn works(mptcp: &Mptcp, idle: &Idle) {
    mptcp.limits().get().await.unwrap();
    idle.again(SOON).await;
}

fn v4(last: u8) -> std::net::Ipv4Addr {
    std::net::Ipv4Addr::new(10, 9, 0, last)
}

#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn operations_on_endpoints_that_are_dropped_are_made_or_not(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mptcp = open(&node).await?;
    let idle = Idle::now(&node, SOCKETS);
    let shown =
        async || node.ip("mptcp endpoint show").await.split_whitespace().collect::<Vec<_>>().join(" ");
    // A family is looked up once.
    let (added, points) = at_every_await(
        || mptcp.endpoint(v4(1)).id(4).subflow().add(),
        async |_| {
            works(&mptcp, &idle).await;
            let _ = mptcp.endpoint(v4(1)).delete().await;
        },
    )
    .await;
    added?;
    assert!(points >= 1, "{points} points");
    assert_eq!(shown().await, "10.9.0.1 id 4 subflow");

    // Read, and written with the other flag as it was.
    let mut seen = Vec::new();
    let (changed, _) = at_every_await(
        || mptcp.endpoint(v4(1)).backup().change(),
        async |_| {
            works(&mptcp, &idle).await;
            seen.push(shown().await);
        },
    )
    .await;
    changed?;
    assert!(seen.iter().all(|shown| shown == "10.9.0.1 id 4 subflow"), "{seen:#?}");
    assert_eq!(shown().await, "10.9.0.1 id 4 subflow backup");

    let list = || {
        let endpoints = mptcp.endpoints();
        Pending::new(async move { endpoints.list().await?.collect_all().await })
    };
    let (listed, _) = at_every_await(list, async |_| works(&mptcp, &idle).await).await;
    assert_eq!(listed?.len(), 1);

    // Looked up by its address, and deleted by its id.
    let (deleted, points) = at_every_await(
        || mptcp.endpoint(v4(1)).delete(),
        async |_| {
            works(&mptcp, &idle).await;
            assert_eq!(shown().await, "10.9.0.1 id 4 subflow backup");
        },
    )
    .await;
    deleted?;
    assert!(points >= 1, "{points} points");
    assert_eq!(shown().await, "");
    Ok(())
}

/// Also one for whose family the kernel has to be asked, on a new connection each time.
#[nl_testkit::test(needs(genl = "mptcp_pm"))]
async fn first_request_of_a_connection_that_is_dropped_leaves_no_socket(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let idle = Idle::now(&node, SOCKETS);
    for polls in 0..10 {
        let mptcp = open(&node).await?;
        let limits = nl_testkit::cancel::dropped_after(polls, mptcp.limits().get()).await;
        works(&mptcp, &idle).await;
        drop(mptcp);
        let closed = async || node.netlink_sockets().await.is_empty().then_some(());
        eventually(SOON, closed, "the sockets of a connection to be closed").await;
        if let Some(limits) = limits {
            limits?;
            assert!(polls >= 2, "complete after {polls} polls");
            return Ok(());
        }
    }
    Err("not complete after 10 polls".into())
}
