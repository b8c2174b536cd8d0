//! The MPTCP counters compared with `nstat`.

use std::collections::BTreeMap;

use nl_mptcp::mib::Mib;
use nl_testkit::{Lab, Node, Result};

use crate::diag::world::{Kind, World, connect, multihomed};

async fn read(node: &Node) -> Mib {
    node.open(Mib::read).await.unwrap()
}

#[nl_testkit::test(needs(tool = "nstat", sysctl = "net.mptcp.enabled"))]
async fn every_counter_equals_nstat(lab: Lab) -> Result {
    let world = World::new(&lab).await?;
    let before = read(&world.node).await;
    let theirs = world.node.json("nstat -j -a -z -s").await;
    let ours = read(&world.node).await;
    // What does not stand still is not compared, and is little.
    let ours: BTreeMap<_, _> =
        ours.iter().filter(|(name, value)| before.iter().any(|b| b == (name, *value))).collect();
    let theirs = theirs["kernel"].as_object().unwrap();
    let theirs = theirs
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("MPTcpExt")?, value.as_u64().unwrap())));
    let theirs: BTreeMap<_, _> = theirs.collect();
    assert!(theirs.len() >= 56, "{theirs:?}");
    assert!(ours.len() > theirs.len() - 5, "{ours:?}");
    for (name, value) in &ours {
        assert_eq!(theirs.get(name), Some(value), "{name}");
    }
    assert!(ours["MPCapableSYNTX"] >= 4 && ours["MPJoinSynRx"] == 1, "{ours:?}");
    Ok(())
}

/// A kernel newer than this crate may have more; those that are tested have not.
#[nl_testkit::test(needs(sysctl = "net.mptcp.enabled"))]
async fn every_counter_of_this_kernel_has_a_field(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    assert_eq!(read(&node).await.other, []);
    Ok(())
}

#[nl_testkit::test(needs(sysctl = "net.mptcp.enabled"))]
async fn counters_belong_to_namespace_of_the_thread(lab: Lab) -> Result {
    let busy = multihomed(&lab, "a").await?;
    let idle = lab.node("b").await?;
    let (before, idle_before) = (read(&busy).await, read(&idle).await);
    let listener = crate::diag::world::listen(&busy, "10.0.0.1:80", Kind::Mptcp).await;
    let client = connect(&busy, "10.0.0.1:80", Kind::Mptcp).await;
    let counted = read(&busy).await.since(&before);
    assert_eq!((counted.mp_capable_syn_tx, counted.mp_capable_syn_rx), (Some(1), Some(1)), "{counted:?}");
    assert_eq!(counted.mp_join_syn_tx.unwrap_or(0), 0);
    let idle_counted = read(&idle).await.since(&idle_before);
    assert_eq!(idle_counted.mp_capable_syn_tx, Some(0));
    assert!(idle_counted.iter().all(|(_, value)| value == 0), "{idle_counted:?}");
    drop((listener, client));
    Ok(())
}
