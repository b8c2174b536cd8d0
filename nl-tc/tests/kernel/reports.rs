//! What users of other libraries reported: the same steps, checked with `tc`.

use std::time::Duration;

use nl_tc::filter::{Filter, FilterConfig, IPV4, U32};
use nl_tc::leaf::{CakeConfig, CakeFlows, Clsact};
use nl_tc::tree::Tree;
use nl_tc::{Rate, TcHandle, TcVerb};
use nl_testkit::{Lab, Result, eventually};

use crate::support::{CLASS, DEV, QDISC, filter_lines, htb, lines, mbit, wired};

/// go-tc 17: a filter that was read could not be deleted, or all of its priority went.
#[nl_testkit::test(needs(vm, qdisc = "clsact", tool = "tc"))]
async fn u32_filter_that_was_read_is_deleted_alone(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::CLSACT).add(Clsact).await?;
    for port in [80, 443, 8080] {
        node.tc(&format!(
            "filter add dev eth0 ingress protocol ip prio 1 u32 match ip dport {port} 0xffff action drop"
        ))
        .await;
    }
    let shown = async || lines(&node, "filter show dev eth0 ingress").await.join("\n");
    let all = tc.filters(DEV, TcHandle::CLSACT_INGRESS).read_all().await?;
    let second = all.into_iter().find(|filter| filter.handle == 0x8000_0801).unwrap();
    tc.batch([(TcVerb::Delete, second)]).summarize(1).await?.into_result()?;
    let left = shown().await;
    // 80 and 8080, and not 443.
    assert!(left.contains("00000050/0000ffff") && left.contains("00001f90/0000ffff"), "{left}");
    assert!(!left.contains("000001bb/0000ffff"), "{left}");
    Ok(())
}

/// netlink 914: replacing a u32 filter by one with other keys succeeds, and the kernel keeps the old keys.
#[nl_testkit::test(needs(vm, qdisc = "htb", tool = "tc"))]
async fn change_of_the_keys_of_a_u32_filter_is_refused(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    let other = QDISC.class(0x11);
    tc.class(DEV, CLASS).add(mbit(1)).await?;
    tc.class(DEV, other).add(mbit(1)).await?;
    let filter = || tc.filter(DEV, QDISC).priority(5).protocol(IPV4).handle(0x8000_0800);
    let to = |address: [u8; 4], class| U32::to(address.into(), class);
    filter().replace(to([192, 0, 2, 7], CLASS)).await?;
    let before = lines(&node, "filter show dev eth0").await;
    for error in [
        filter().change(to([192, 0, 2, 8], other)).await.unwrap_err(),
        filter().replace(to([192, 0, 2, 8], other)).await.unwrap_err(),
        filter().replace(to([192, 0, 2, 7], other).mark(6, 0xff)).await.unwrap_err(),
    ] {
        assert!(error.is_usage() && error.to_string().contains("other keys"), "{error}");
    }
    assert_eq!(lines(&node, "filter show dev eth0").await, before);
    // `tc` reports success, and the keys stay.
    let words = "filter change dev eth0 parent 1: protocol ip prio 5 handle 800::800 u32";
    node.tc(&format!("{words} match ip dst 192.0.2.8 classid 1:11")).await;
    let shown = lines(&node, "filter show dev eth0").await.join("\n");
    assert!(shown.contains("c0000207/ffffffff") && shown.contains("flowid 1:11"), "{shown}");
    // The class alone is changed.
    filter().change(to([192, 0, 2, 7], CLASS)).await?;
    assert_eq!(lines(&node, "filter show dev eth0").await, before);
    Ok(())
}

/// netlink 987: a filter with an action that the library does not know ended the program that listed it.
#[nl_testkit::test(needs(vm, qdisc = "clsact", tool = "tc"))]
async fn filter_with_an_unknown_action_is_the_same_when_written_back(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::CLSACT).add(Clsact).await?;
    let parent = TcHandle::CLSACT_INGRESS;
    node.tc("filter add dev eth0 ingress protocol all prio 1 matchall action vlan pop").await;
    // A key without a type.
    node.tc("filter add dev eth0 ingress protocol arp prio 2 flower arp_sha 02:00:00:00:00:09 action drop")
        .await;
    let shown = filter_lines(&node, "filter show dev eth0 ingress").await;
    let mut read = tc.filters(DEV, parent).read_all().await?;
    read.retain(Filter::is_added);
    assert_eq!(read.len(), 2);
    assert!(matches!(read[1].config, FilterConfig::Other { .. }), "{read:?}");
    tc.filters(DEV, parent).flush().await?;
    // The kernel frees the actions later, and until then their indexes are taken.
    for kind in ["gact", "vlan"] {
        let none = async || {
            let all = tc.actions(kind).list().await.unwrap().collect_all().await.unwrap();
            all.is_empty().then_some(())
        };
        eventually(Duration::from_secs(10), none, "the actions to be freed").await;
    }
    tc.batch(read.into_iter().map(|filter| (TcVerb::Add, filter))).summarize(2).await?.into_result()?;
    assert_eq!(filter_lines(&node, "filter show dev eth0 ingress").await, shown);
    Ok(())
}

/// systemd 31226: other options of a cake that exists already were not set.
#[nl_testkit::test(needs(qdisc = "cake", tool = "tc"))]
async fn options_of_an_existing_cake_are_changed_in_one_step(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    node.tc("qdisc add dev eth0 root handle 1: cake bandwidth 200mbit").await;
    let cake = CakeConfig::new().bandwidth(Rate::mbit(200)).nat(true).rtt(Duration::from_millis(30));
    let tree = Tree::new().qdisc(TcHandle::ROOT, QDISC, cake.flows(CakeFlows::DualSrcHost));
    let plan = tc.apply(DEV, &tree).await?;
    assert!(matches!(plan.steps(), [(TcVerb::Change, _)]), "{plan}");
    assert!(plan.gaps().is_empty(), "{:?}", plan.gaps());
    let shown = node.tc("qdisc show dev eth0").await;
    for part in ["bandwidth 200Mbit", " dual-srchost ", " nat ", " rtt 30ms "] {
        assert!(shown.contains(part), "no {part:?}: {shown}");
    }
    assert!(tc.apply(DEV, &tree).await?.is_empty());
    Ok(())
}

/// pyroute2 715 and 1142: rates above 34 Gbit/s, which do not fit into 32 bits of bytes per second.
#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn rate_of_more_than_32_bits_is_shown_by_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    let class = nl_tc::htb::HtbClassConfig::new(Rate::gbit(35)).ceil(Rate::gbit(400));
    tc.class(DEV, CLASS).add(class.clone()).await?;
    let shown = node.tc("class show dev eth0").await;
    assert!(shown.contains("rate 35Gbit ceil 400Gbit"), "{shown}");
    let read = tc.class(DEV, CLASS).get().await?;
    assert!(nl_tc::class::ClassConfig::from(class).is_met_by(&read.config), "{read:?}");
    Ok(())
}
