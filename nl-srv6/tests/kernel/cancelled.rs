//! Operations of several requests that are dropped at every await point: the next one completes what was begun, the connection works, and
//! no socket and no task is left.

use nl_core::Connection;
use nl_core::route::RouteProtocol;
use nl_srv6::encap::Seg6;
use nl_srv6::policy::{CandidatePath, Headend, Policy, PolicySet};
use nl_srv6::sid::Sids;
use nl_testkit::cancel::{Idle, at_every_await};
use nl_testkit::{Lab, Result};

use crate::commands::{addr, segments};
use crate::support::{SOON, shown, world};

/// The connection's own, and those of lists and batches that are kept for the next ones.
const SOCKETS: usize = 5;

/// The connection answers, and has no more sockets and tasks than before.
async fn works(conn: &Connection, idle: &Idle) {
    assert_eq!(conn.link("lo").await.unwrap().index, 1);
    idle.again(SOON).await;
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn policies_whose_application_is_dropped_are_completed_by_the_next(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let headend = Headend::new(conn.clone());
    let path = CandidatePath::new(100).list(Seg6::encap(segments(1))).list(Seg6::encap(segments(2)));
    let policy = Policy::new(100, addr("fcbb:0:d::")).path(path).prefix("2001:db8:2::/64".parse()?);
    let path = CandidatePath::new(100).list(Seg6::encap(segments(3)));
    let marked = Policy::new(7, addr("fcbb:0:d::")).path(path).mark(7).table(107).prefix("::/0".parse()?);
    let set =
        PolicySet::new("d0", 5000..=5099, RouteProtocol(200)).policy(policy).policy(marked).rules_at(1000);
    let all = async || {
        let routes = node.ip("-6 route show table all proto 200").await;
        (node.ip("nexthop show").await, routes, node.ip("-6 rule show").await)
    };
    let bare = all().await;
    headend.apply(&set).await?;
    let expected = all().await;
    headend.remove(&set).await?;
    let idle = Idle::now(&node, SOCKETS);
    let (plan, points) = at_every_await(
        || headend.apply(&set),
        async |point| {
            works(&conn, &idle).await;
            headend.apply(&set).await.unwrap();
            assert_eq!(all().await, expected, "dropped at point {point}");
            assert!(headend.apply(&set).await.unwrap().is_empty(), "dropped at point {point}");
            headend.remove(&set).await.unwrap();
            assert_eq!(all().await, bare, "dropped at point {point}");
        },
    )
    .await;
    assert!(!plan?.is_empty());
    // At least behind each batch.
    assert!(points >= 2, "{points} points");
    Ok(())
}

/// A SID is made and read back.
#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn making_a_sid_that_is_dropped_makes_it_or_not(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let sids = Sids::new(conn.clone());
    let sid = "fcbb:0:a::".parse()?;
    // Remembered from here on, so that each attempt has the same requests.
    conn.link_index("d0").await?;
    let idle = Idle::now(&node, SOCKETS);
    let mut seen = Vec::new();
    let (added, points) = at_every_await(
        || sids.end(sid).dev("d0").add(),
        async |_| {
            works(&conn, &idle).await;
            let there = !shown(&node, "fcbb:0:a::").await.is_empty();
            seen.push(there);
            if there {
                sids.sid(sid).delete().await.unwrap();
            }
        },
    )
    .await;
    added?;
    // Before the first poll nothing, and before it was read back the SID.
    assert!(points >= 2 && seen.first() == Some(&false) && seen.last() == Some(&true), "{seen:?}");
    let (deleted, _) = at_every_await(
        || sids.sid(sid).delete(),
        async |_| {
            works(&conn, &idle).await;
            let _ = sids.end(sid).dev("d0").add().await;
        },
    )
    .await;
    deleted?;
    assert_eq!(shown(&node, "fcbb:0:a::").await.len(), 0);
    Ok(())
}
