//! What users found on real devices, and what must not come back.

use nl_core::error::Errno;
use nl_tc::action::{Action, ActionConfig};
use nl_tc::filter::{Filter, FilterConfig, Matchall};
use nl_tc::leaf::{FqCodelConfig, TbfConfig};
use nl_tc::qdisc::{Qdisc, QdiscConfig};
use nl_tc::tree::Tree;
use nl_tc::{Rate, TcHandle, TcObject, TcVerb};
use nl_testkit::{EthFrame, Lab, Result};

use crate::support::{DEV, QDISC, lines, wired};

/// A burst in bytes that takes 300 s, longer than the 274.877906944 s of the kernel's field of ticks: all its packets pass at once.
#[nl_testkit::test(needs(qdisc = "tbf", tool = "tc"))]
async fn tbf_burst_of_many_bytes_is_installed_as_by_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let config = TbfConfig::new(Rate::kbit(8), 300_000).limit(400_000);
    let root = || tc.qdisc(DEV, TcHandle::ROOT);
    root().handle(QDISC).add(config.clone()).await?;
    let read = root().get().await?.config;
    assert!(QdiscConfig::from(config).is_met_by(&read), "{read:?}");
    // The field holds the rest, 25.122 s.
    let ours = lines(&node, "-d qdisc show dev eth0").await;
    assert!(ours.iter().any(|line| line.contains("rate 8Kbit burst 25122b")), "{ours:#?}");
    let frame = EthFrame::new([2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 1], EthFrame::TEST, &[0; 986]).to_bytes();
    for _ in 0..200 {
        node.send_frame(DEV, &frame).await?;
    }
    let stats = root().get().await?.stats;
    assert!(stats.packets >= 200 && stats.queue_len == 0, "{stats:?}");

    root().delete().await?;
    let words = "tc qdisc add dev eth0 root handle 1: tbf rate 8kbit burst 300000b limit 400000b";
    let added = node.command(words.split_whitespace()).await;
    if added.stderr.contains("burst out of range") {
        // iproute2 7 has a limit of its own.
        let version = lab.iproute2_version().await?;
        assert!(version.contains("iproute2-7."), "{version}: {}", added.stderr);
        return Ok(());
    }
    added.ok();
    assert_eq!(lines(&node, "-d qdisc show dev eth0").await, ours);
    assert_eq!(root().get().await?.config, read);
    Ok(())
}

/// A daemon that takes a missing module for a missing qdisc waits forever.
#[nl_testkit::test(needs(vm, qdisc = "clsact", tool = "tc"))]
async fn unknown_kind_is_unsupported_by_verb_batch_and_apply(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let index = node.index_of(DEV).await?;
    let none = || QdiscConfig::Other { kind: "nosuchkind".into(), options: None };
    let filter = || FilterConfig::Other { kind: "nosuchkind".into(), options: None };
    node.tc("qdisc add dev eth0 clsact").await;
    let changes: [TcObject; 2] = [
        Qdisc::new(index, TcHandle::ROOT, none()).into(),
        Filter::new(index, TcHandle::CLSACT_INGRESS, filter()).into(),
    ];
    let batch = tc.batch(changes.map(|object| (TcVerb::Add, object))).summarize(2).await?;
    let mut errors: Vec<_> = batch.failures.into_iter().map(|(_, error)| error).collect();
    assert_eq!(errors.len(), 2);
    errors.push(tc.qdisc(DEV, TcHandle::ROOT).add(none()).await.unwrap_err());
    errors.push(tc.filter(DEV, TcHandle::CLSACT_INGRESS).add(filter()).await.unwrap_err());
    errors.push(tc.apply(DEV, &Tree::new().qdisc(TcHandle::ROOT, QDISC, none())).await.unwrap_err());
    let action = ActionConfig::Other { kind: "nosuchkind".into(), options: Some(Vec::new()) };
    let matchall = Matchall::actions([Action::new(action)]);
    errors.push(tc.filter(DEV, TcHandle::CLSACT_INGRESS).add(matchall).await.unwrap_err());
    for error in errors {
        assert!(error.is_unsupported() && !error.is_not_found(), "{error}");
        let text = error.to_string();
        let is_named = |prefix| text.contains(&format!("the module is called {prefix}_nosuchkind"));
        assert!(["sch", "cls", "act"].into_iter().any(is_named), "{error}");
    }
    Ok(())
}

/// The kernel answers a list of a device that does not exist with success and nothing.
#[nl_testkit::test]
async fn missing_device_by_index_is_not_found(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let missing = 1_000_000_u32;
    let errors = [
        tc.qdiscs().dev(missing).list().await.unwrap_err(),
        tc.classes(missing).list().await.unwrap_err(),
        tc.filters(missing, QDISC).list().await.unwrap_err(),
        tc.snapshot(missing).await.unwrap_err(),
        tc.apply(missing, &Tree::new()).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.errno(), Some(Errno::ENODEV), "{error}");
    }
    // An empty list of an existing device is one.
    let index = node.index_of(DEV).await?;
    assert_eq!(tc.classes(index).list().await?.collect_all().await?, []);
    assert_eq!(tc.filters(index, TcHandle::ROOT).list().await?.collect_all().await?, []);
    Ok(())
}

/// sqm's simplest script: fq_codel below tbf, with `parent 1:`.
#[nl_testkit::test(needs(qdisc = "tbf", qdisc = "fq_codel", tool = "tc"))]
async fn tree_of_tbf_and_its_child_is_applied_and_settles(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let child = TcHandle::new(0x110, 0);
    let tbf = || TbfConfig::new(Rate::mbit(10), 5120).limit(50_000);
    let tree = |limit| {
        let config = FqCodelConfig::new().limit(limit);
        Tree::new().qdisc(TcHandle::ROOT, QDISC, tbf()).qdisc(QDISC, child, config)
    };
    for limit in [100, 200] {
        assert!(!tc.apply(DEV, &tree(limit)).await?.is_empty());
        assert!(tc.apply(DEV, &tree(limit)).await?.is_empty());
        let shown = lines(&node, "qdisc show dev eth0").await;
        let expected = format!("qdisc fq_codel 110: parent 1: limit {limit}p");
        assert!(shown.iter().any(|line| line.starts_with(&expected)), "{shown:#?}");
    }
    // Replaced by another program, which names the place otherwise.
    node.tc("qdisc replace dev eth0 parent 1:1 handle 111: pfifo limit 5").await;
    let alone = Tree::new().qdisc(TcHandle::ROOT, QDISC, tbf());
    assert_eq!(tc.apply(DEV, &alone).await?.steps().len(), 1);
    assert!(tc.apply(DEV, &alone).await?.is_empty());
    let shown = lines(&node, "qdisc show dev eth0").await;
    assert!(shown.iter().all(|line| !line.contains(" 111: ")), "{shown:#?}");
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "cake", tool = "tc"))]
async fn tree_with_a_qdisc_given_as_bytes_settles(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    // TCA_CAKE_BASE_RATE64
    let rate = [[12_u16, 2].map(u16::to_ne_bytes).as_flattened(), &1_250_000_u64.to_ne_bytes()].concat();
    let cake = QdiscConfig::Other { kind: "cake".into(), options: Some(rate) };
    let tree = Tree::new().qdisc(TcHandle::ROOT, QDISC, cake);
    tc.apply(DEV, &tree).await?;
    let shown = lines(&node, "qdisc show dev eth0").await;
    assert!(shown.iter().any(|line| line.contains("bandwidth 10Mbit")), "{shown:#?}");
    assert!(tc.apply(DEV, &tree).await?.is_empty());
    Ok(())
}
