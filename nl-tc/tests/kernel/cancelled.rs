//! Operations of several requests that are dropped at every await point: the next one completes what was begun, the connection works, and
//! no socket and no task is left.

use std::time::Duration;

use nl_tc::htb::HtbConfig;
use nl_tc::leaf::PfifoConfig;
use nl_tc::tree::Tree;
use nl_tc::{Tc, TcHandle};
use nl_testkit::cancel::{Idle, at_every_await};
use nl_testkit::{Lab, Result};

use crate::support::{CLASS, DEV, QDISC, htb, lines, mbit, wired};

const SOON: Duration = Duration::from_secs(10);
/// The connection's own, and those of lists and batches that are kept for the next ones.
const SOCKETS: usize = 5;

/// The connection answers, and has no more sockets and tasks than before.
async fn works(tc: &Tc, idle: &Idle) {
    assert_eq!(tc.connection().link("lo").await.unwrap().index, 1);
    idle.again(SOON).await;
}

#[nl_testkit::test(needs(qdisc = "htb", qdisc = "pfifo", tool = "tc"))]
async fn tree_whose_application_is_dropped_is_completed_by_the_next(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let tree = (0x11..0x1b).fold(
        Tree::new().qdisc(TcHandle::ROOT, QDISC, HtbConfig::new()).class(QDISC, CLASS, mbit(10)),
        |tree, minor| tree.class(CLASS, QDISC.class(minor), mbit(1)),
    );
    let tree = tree.qdisc(QDISC.class(0x11), TcHandle::new(0x20, 0), PfifoConfig::new().limit(100));
    let all = async || {
        let mut all = lines(&node, "qdisc show dev eth0").await;
        all.extend(lines(&node, "class show dev eth0").await);
        let without_count = |line: &String| line.split(" refcnt ").next().unwrap_or_default().to_owned();
        all.iter().map(without_count).collect::<Vec<_>>()
    };
    let bare = all().await;
    tc.apply(DEV, &tree).await?;
    let expected = all().await;
    tc.remove(DEV, &tree).await?;
    let idle = Idle::now(&node, SOCKETS);
    let (plan, points) = at_every_await(
        || tc.apply(DEV, &tree),
        async |point| {
            works(&tc, &idle).await;
            tc.apply(DEV, &tree).await.unwrap();
            assert_eq!(all().await, expected, "dropped at point {point}");
            assert!(tc.apply(DEV, &tree).await.unwrap().is_empty(), "dropped at point {point}");
            tc.remove(DEV, &tree).await.unwrap();
            assert_eq!(all().await, bare, "dropped at point {point}");
        },
    )
    .await;
    assert!(!plan?.is_empty());
    assert!(points >= 1, "{points} points");
    assert_eq!(all().await, expected);
    Ok(())
}

/// A change reads the class before, and a device is looked up by its name.
#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn change_of_a_class_that_is_dropped_is_made_or_not(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    let idle = Idle::now(&node, SOCKETS);
    let (added, _) = at_every_await(
        || tc.class(DEV, CLASS).add(mbit(1)),
        async |_| {
            works(&tc, &idle).await;
            let _ = tc.class(DEV, CLASS).delete().await;
        },
    )
    .await;
    added?;
    let is_changed = async || {
        let shown = lines(&node, "class show dev eth0").await;
        shown.iter().any(|line| line.contains(" rate 2Mbit "))
    };
    let mut rates = Vec::new();
    let (replaced, points) = at_every_await(
        || tc.class(DEV, CLASS).replace(mbit(2)),
        async |_| {
            works(&tc, &idle).await;
            let shown = lines(&node, "class show dev eth0").await;
            rates.push(shown[0].contains(" rate 2Mbit "));
            tc.class(DEV, CLASS).change(mbit(1)).await.unwrap();
        },
    )
    .await;
    replaced?;
    assert!(points >= 2, "{points} points");
    assert!(rates.iter().all(|changed| !changed), "changed before its own request: {rates:?}");
    assert!(is_changed().await);
    Ok(())
}
