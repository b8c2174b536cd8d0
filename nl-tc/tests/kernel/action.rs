//! Actions on a real kernel: set by us and shown by `tc`, set by `tc` and read by us, written back as they were.

use std::time::Duration;

use futures_util::TryStreamExt;
use nl_tc::action::{Action, Mirred, Police, Verdict};
use nl_tc::filter::{FilterConfig, Matchall};
use nl_tc::leaf::Clsact;
use nl_tc::{Rate, Tc, TcHandle};
use nl_testkit::{Lab, Node, Result, eventually};

use crate::support::{DEV, filter_lines, wired};
use crate::tables::action::{actions, resolved};

const INGRESS: TcHandle = TcHandle::CLSACT_INGRESS;

async fn shown(node: &Node, hook: &str) -> Vec<String> {
    filter_lines(node, &format!("-d filter show dev eth0 {hook}")).await
}

/// The one filter that is there.
async fn only(tc: &Tc, hook: TcHandle) -> Result<FilterConfig> {
    let mut all = tc.filters(DEV, hook).list().await?.collect_all().await?;
    all.retain(|filter| filter.handle != 0);
    match (all.pop(), all.is_empty()) {
        (Some(filter), true) => Ok(filter.config),
        other => Err(format!("not one filter: {other:?}").into()),
    }
}

/// Waits until the actions of a deleted filter are freed, which the kernel does later: until then, their indexes are taken.
async fn freed(tc: &Tc, actions: &[Action]) {
    for action in actions {
        let none = async || {
            let mut all = tc.actions(action.config.kind()).list().await.unwrap();
            all.try_next().await.unwrap().is_none().then_some(())
        };
        eventually(Duration::from_secs(10), none, "the actions to be freed").await;
    }
}

#[nl_testkit::test(needs(vm, qdisc = "clsact", tool = "tc"), timeout = 180)]
async fn actions_are_the_same_both_ways(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let index = node.index_of(DEV).await?;
    tc.qdisc(DEV, TcHandle::CLSACT).add(Clsact).await?;
    for (words, actions) in actions() {
        // The kernel chooses the queue of a packet that is sent.
        let (hook, name) = match words.contains("queue_mapping") {
            true => (TcHandle::CLSACT_EGRESS, "egress"),
            false => (INGRESS, "ingress"),
        };
        let filter = || tc.filter(DEV, hook).priority(5);
        let delete = async || -> Result {
            filter().delete().await?;
            if words.contains("index") {
                freed(&tc, &actions).await;
            }
            Ok(())
        };
        let added = filter().add(Matchall::actions(actions.clone())).await;
        added.map_err(|error| format!("{words}: {error}"))?;
        let ours = shown(&node, name).await;
        let read = only(&tc, hook).await?;
        let desired = resolved(actions.clone(), index);
        assert!(desired.is_met_by(&read), "{words}\n{desired:?}\n{read:?}");
        delete().await?;

        node.tc(&format!("filter add dev eth0 {name} prio 5 matchall {words}")).await;
        assert_eq!(shown(&node, name).await, ours, "{words}");
        let theirs = only(&tc, hook).await?;
        assert!(desired.is_met_by(&theirs), "{words}\n{desired:?}\n{theirs:?}");
        delete().await?;

        // Read, written with the index that was read, read.
        freed(&tc, &actions).await;
        filter().add(theirs.clone()).await?;
        assert_eq!(shown(&node, name).await, ours, "{words}: written back");
        assert!(theirs.is_met_by(&only(&tc, hook).await?), "{words}: written back");
        delete().await?;
    }
    Ok(())
}

/// Fault 4: what is read and written elsewhere keeps its policer.
#[nl_testkit::test(needs(vm, qdisc = "htb", tool = "tc"))]
async fn policer_of_u32_survives_being_read_and_written(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    node.tc("qdisc add dev eth0 root handle 1: htb").await;
    let root = TcHandle::new(1, 0);
    let words = "u32 match ip dst 192.0.2.7 police rate 1mbit burst 10k drop flowid 1:10";
    node.tc(&format!("filter add dev eth0 parent 1: prio 5 protocol ip {words}")).await;
    let all = tc.filters(DEV, root).list().await?.collect_all().await?;
    let Some(FilterConfig::U32(u32)) =
        all.iter().map(|f| &f.config).find(|c| matches!(c, FilterConfig::U32(_)))
    else {
        return Err(format!("no u32: {all:?}").into());
    };
    let expected = Action::from(Police::new(Rate::mbit(1), 10 * 1024)).verdict(Verdict::Drop);
    assert!(expected.is_met_by(&u32.actions[0]), "{u32:?}");
    let mut copy = u32.clone();
    copy.actions = copy.actions.iter().map(Action::detached).collect();
    tc.filter(DEV, root).priority(5).delete().await?;
    tc.filter(DEV, root).priority(5).protocol(nl_tc::filter::IPV4).add(copy).await?;
    let shown = node.tc("filter show dev eth0").await;
    assert!(shown.contains("police") && shown.contains("rate 1Mbit burst 10Kb"), "{shown}");
    assert!(shown.contains("match c0000207/ffffffff at 16"), "{shown}");
    Ok(())
}

/// Two filters share an action: one count, and it cannot be deleted meanwhile.
/// Needs real root, as `tc actions` does.
#[nl_testkit::test(needs(vm, host_root, qdisc = "clsact", tool = "tc"))]
async fn action_is_shared_by_its_index(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::CLSACT).add(Clsact).await?;
    let shared = || Action::drop().index(77);
    tc.action(shared()).add().await?;
    assert!(tc.action(shared()).add().await.unwrap_err().is_exists());
    for priority in [1, 2] {
        tc.filter(DEV, INGRESS).priority(priority).add(Matchall::actions([shared()])).await?;
    }
    let read = tc.action(Action::at("gact", 77)).get().await?;
    assert!(shared().is_met_by(&read), "{read:?}");
    assert_eq!(read.bindings, 2);
    let shown = node.tc("actions get action gact index 77").await;
    assert!(shown.contains("index 77 ref 3 bind 2"), "{shown}");
    assert!(tc.action(Action::at("gact", 77)).delete().await.unwrap_err().is_permission());
    tc.action(Action::pass().index(77)).replace().await?;
    let all = tc.actions("gact").list().await?.collect_all().await?;
    assert_eq!(
        all.iter().map(|action| (action.index, action.verdict)).collect::<Vec<_>>(),
        [(77, Verdict::Pass)]
    );
    // One that no filter uses.
    let unused = || Action::at("mirred", 78);
    tc.action(Action::from(Mirred::redirect(DEV)).index(78)).add().await?;
    tc.action(unused()).delete().await?;
    assert!(tc.action(unused()).get().await.unwrap_err().is_not_found());
    tc.action(Action::from(Mirred::redirect(DEV)).index(79)).add().await?;
    tc.actions("mirred").flush().await?;
    assert_eq!(tc.actions("mirred").list().await?.collect_all().await?, []);
    let error = tc.action(Mirred::redirect("nowhere")).add().await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("dev nowhere"), "{error}");
    Ok(())
}
