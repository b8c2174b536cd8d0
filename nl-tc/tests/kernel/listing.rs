//! Lists and their filters.

use nl_core::Connection;
use nl_tc::filter::{Matchall, U32};
use nl_tc::htb::HtbConfig;
use nl_tc::qdisc::QdiscConfig;
use nl_tc::{Tc, TcHandle};
use nl_testkit::{Lab, Result};

use crate::support::{CLASS, DEV, QDISC, classes, handles, htb, mbit, wired};

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn class_list_filters_by_qdisc_and_parent(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    tc.class(DEV, QDISC.class(1)).add(mbit(10)).await?;
    tc.class(DEV, QDISC.class(2)).parent(QDISC.class(1)).add(mbit(5)).await?;
    tc.class(DEV, QDISC.class(3)).parent(QDISC.class(1)).add(mbit(5)).await?;
    // An HTB qdisc inside it.
    let inner = TcHandle::new(2, 0);
    tc.qdisc(DEV, QDISC.class(3)).handle(inner).add(HtbConfig::new()).await?;
    tc.class(DEV, inner.class(1)).add(mbit(1)).await?;
    tc.class(DEV, inner.class(2)).parent(inner.class(1)).add(mbit(1)).await?;

    assert_eq!(handles(&classes(&tc).await), ["1:1", "1:2", "1:3", "2:1", "2:2"]);
    let listed = async |entries: nl_tc::Classes| {
        let mut all = entries.list().await.unwrap().collect_all().await.unwrap();
        all.sort_by_key(|class| class.handle);
        handles(&all)
    };
    assert_eq!(listed(tc.classes(DEV).qdisc(QDISC)).await, ["1:1", "1:2", "1:3"]);
    assert_eq!(listed(tc.classes(DEV).qdisc(inner)).await, ["2:1", "2:2"]);
    assert_eq!(listed(tc.classes(DEV).parent(QDISC.class(1))).await, ["1:2", "1:3"]);
    assert_eq!(listed(tc.classes(DEV).parent(QDISC)).await, ["1:1"]);
    assert_eq!(listed(tc.classes(DEV).parent(TcHandle::ROOT)).await, ["1:1", "2:1"]);
    assert_eq!(listed(tc.classes(DEV).qdisc(TcHandle::new(9, 0))).await, [] as [&str; 0]);
    let count = node.tc("class show dev eth0").await.lines().count();
    assert_eq!(count, 5);
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn qdisc_list_filters_by_device_parent_and_handle(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    tc.class(DEV, CLASS).add(mbit(1)).await?;
    tc.qdisc(DEV, CLASS).handle(TcHandle::new(2, 0)).add(HtbConfig::new()).await?;
    let listed = async |entries: nl_tc::Qdiscs| entries.list().await.unwrap().collect_all().await.unwrap();
    let shown = node.tc("qdisc show").await.lines().count();
    assert_eq!(listed(tc.qdiscs()).await.len(), shown);
    assert_eq!(listed(tc.qdiscs().dev(DEV)).await.len(), 2);
    assert_eq!(listed(tc.qdiscs().dev("lo")).await.iter().filter(|q| q.config.kind() == "htb").count(), 0);
    let by_place = listed(tc.qdiscs().parent(CLASS)).await;
    assert_eq!(by_place[0].handle, TcHandle::new(2, 0));
    let by_name = listed(tc.qdiscs().handle(QDISC)).await;
    assert_eq!((by_name.len(), by_name[0].parent), (1, TcHandle::ROOT));
    Ok(())
}

/// Another kind keeps its bytes and is written back with them.
#[nl_testkit::test(needs(qdisc = "pfifo", tool = "tc"))]
async fn unknown_kind_keeps_its_bytes(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    node.tc("qdisc add dev eth0 root handle 1: pfifo_head_drop limit 77").await;
    let qdisc = tc.qdisc(DEV, TcHandle::ROOT).get().await?;
    let QdiscConfig::Other { kind, options } = &qdisc.config else { panic!("{qdisc:?}") };
    assert_eq!((kind.as_str(), options.as_deref()), ("pfifo_head_drop", Some(&77_u32.to_ne_bytes()[..])));
    tc.qdisc(DEV, TcHandle::ROOT).delete().await?;
    tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(qdisc.config.clone()).await?;
    assert_eq!(tc.qdisc(DEV, TcHandle::ROOT).get().await?.config, qdisc.config);
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn filters_are_added_listed_and_deleted(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    tc.class(DEV, CLASS).add(mbit(1)).await?;
    let to = U32::to("192.0.2.7".parse().unwrap(), CLASS);
    tc.filter(DEV, QDISC).priority(5).protocol(nl_tc::filter::IPV4).add(to.clone()).await?;
    let shown = node.tc("filter show dev eth0").await;
    assert!(shown.contains("flowid 1:10") && shown.contains("match c0000207/ffffffff at 16"), "{shown}");
    let ours = shown;
    let all = tc.filters(DEV, QDISC).list().await?.collect_all().await?;
    let found: Vec<_> = all.iter().filter(|filter| filter.config == to.clone().into()).collect();
    assert_eq!((found.len(), found[0].priority, found[0].protocol), (1, 5, nl_tc::filter::IPV4));
    tc.filter(DEV, QDISC).priority(5).protocol(nl_tc::filter::IPV4).delete().await?;
    assert_eq!(node.tc("filter show dev eth0").await, "");
    node.tc("filter add dev eth0 parent 1: prio 5 protocol ip u32 match ip dst 192.0.2.7 classid 1:10").await;
    assert_eq!(node.tc("filter show dev eth0").await, ours);
    // If the kernel has it.
    let outcome = tc.filter(DEV, QDISC).priority(6).add(Matchall::new(CLASS)).await;
    match outcome {
        Ok(_) => {
            let shown = node.tc("filter show dev eth0 prio 6").await;
            assert!(shown.contains("matchall") && shown.contains("flowid 1:10"), "{shown}");
        }
        Err(error) => assert!(error.is_unsupported(), "{error}"),
    }
    Ok(())
}

#[nl_testkit::test]
async fn connection_of_another_protocol_is_refused(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let tc = Tc::new(node.open(|| Connection::open(nl_core::Protocol::Generic)).await?);
    let error = tc.classes("lo").list().await.unwrap_err();
    assert!(
        error.to_string().ends_with("qdiscs, classes and filters are on NETLINK_ROUTE, not NETLINK_GENERIC"),
        "{error}"
    );
    Ok(())
}
