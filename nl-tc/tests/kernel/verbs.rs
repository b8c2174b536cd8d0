//! The effect of each verb on existing objects.

use futures_util::StreamExt;
use nl_core::error::Errno;
use nl_tc::class::{Class, ClassConfig};
use nl_tc::drr::{DrrClassConfig, DrrConfig};
use nl_tc::ets::{EtsClassConfig, EtsConfig};
use nl_tc::hfsc::{HfscClassConfig, HfscConfig};
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::leaf::{BfifoConfig, PfifoConfig};
use nl_tc::qfq::{QfqClassConfig, QfqConfig};
use nl_tc::{Rate, TcHandle, TcVerb};
use nl_testkit::{Lab, Result};

use crate::support::{CLASS, DEV, QDISC, classes, handles, htb, lines, mbit, qdiscs, wired};

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn add_is_exclusive_change_needs_the_class_replace_does_both(lab: Lab) -> Result {
    let ([_node, _peer], tc) = htb(&lab).await?;
    let class = || tc.class(DEV, CLASS);
    assert!(class().change(mbit(1)).await.unwrap_err().is_not_found());
    class().add(mbit(1)).await?;
    assert!(class().add(mbit(2)).await.unwrap_err().is_exists());
    class().change(mbit(3)).await?;
    assert!(ClassConfig::from(mbit(3)).is_met_by(&class().get().await?.config));
    class().replace(mbit(4)).await?;
    assert!(ClassConfig::from(mbit(4)).is_met_by(&class().get().await?.config));
    class().delete().await?;
    assert!(class().delete().await.unwrap_err().is_not_found());
    class().replace(mbit(5)).await?;
    assert!(ClassConfig::from(mbit(5)).is_met_by(&class().get().await?.config));
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn change_of_an_htb_class_replaces_all_options(lab: Lab) -> Result {
    let ([_node, _peer], tc) = htb(&lab).await?;
    tc.class(DEV, CLASS).add(mbit(1).ceil(Rate::mbit(9)).prio(5).overhead(24)).await?;
    tc.class(DEV, CLASS).change(mbit(2)).await?;
    let class = tc.class(DEV, CLASS).get().await?;
    let ClassConfig::Htb(config) = &class.config else { panic!("{class:?}") };
    assert_eq!((config.ceil, config.prio, config.overhead.bytes), (Some(Rate::mbit(2)), 0, 0));
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn htb_classes_nest_and_are_deleted_bottom_up(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    let (top, leaf) = (QDISC.class(1), QDISC.class(2));
    tc.class(DEV, top).add(mbit(10)).await?;
    tc.class(DEV, leaf).parent(top).add(mbit(5)).await?;
    let all = classes(&tc).await;
    let parents: Vec<_> = all.iter().map(|class| class.parent).collect();
    assert_eq!(parents, [TcHandle::ROOT, top]);
    let shown = lines(&node, "class show dev eth0").await;
    assert!(shown[1].starts_with("class htb 1:2 parent 1:1 "), "{shown:#?}");
    let error = tc.class(DEV, top).delete().await.unwrap_err();
    assert!(error.is_busy() && !error.is_not_found(), "{error}");
    let text = "delete class dev eth0 classid 1:1: Device or resource busy (EBUSY)";
    assert!(error.to_string().starts_with(text), "{error}");
    tc.class(DEV, leaf).delete().await?;
    tc.class(DEV, top).delete().await?;
    assert_eq!(lines(&node, "class show dev eth0").await, [] as [String; 0]);
    Ok(())
}

/// The kernel would report success and add the class under the qdisc.
#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn htb_class_under_a_missing_parent_reports_not_found(lab: Lab) -> Result {
    let ([_node, _peer], tc) = htb(&lab).await?;
    let missing = QDISC.class(0x99);
    for verb in [TcVerb::Add, TcVerb::Replace] {
        let entry = tc.class(DEV, CLASS).parent(missing);
        let error = match verb {
            TcVerb::Add => entry.add(mbit(1)).await,
            _ => entry.replace(mbit(1)).await,
        }
        .unwrap_err();
        assert!(error.is_not_found(), "{error}");
        let text = "dev eth0 parent 1:99 classid 1:10 htb rate 1Mbit: parent 1:99: No such file or directory";
        assert!(error.to_string().contains(text), "{error}");
    }
    assert_eq!(classes(&tc).await, []);
    Ok(())
}

/// The kernel would report success and not move the class.
#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn moving_an_htb_class_is_refused(lab: Lab) -> Result {
    let ([_node, _peer], tc) = htb(&lab).await?;
    let (a, b) = (QDISC.class(1), QDISC.class(2));
    tc.class(DEV, a).add(mbit(10)).await?;
    tc.class(DEV, b).add(mbit(10)).await?;
    tc.class(DEV, CLASS).parent(a).add(mbit(1)).await?;
    for parent in [b, QDISC, TcHandle::ROOT] {
        let error = tc.class(DEV, CLASS).parent(parent).change(mbit(2)).await.unwrap_err();
        assert!(
            error.to_string().ends_with(
                "class 1:10 is under 1:1, and HTB cannot move it: delete the class and add it again"
            )
        );
    }
    tc.class(DEV, CLASS).parent(a).change(mbit(2)).await?;
    tc.class(DEV, CLASS).change(mbit(3)).await?;
    tc.class(DEV, a).parent(QDISC).change(mbit(11)).await?;
    assert!(ClassConfig::from(mbit(3)).is_met_by(&tc.class(DEV, CLASS).get().await?.config));
    Ok(())
}

/// The kernel would read the options as HTB's.
#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn class_of_another_kind_than_its_qdisc_is_refused(lab: Lab) -> Result {
    let ([_node, _peer], tc) = htb(&lab).await?;
    for config in [ClassConfig::from(QfqClassConfig::new(1)), DrrClassConfig::new().into()] {
        let kind = config.kind().to_owned();
        let error = tc.class(DEV, CLASS).add(config).await.unwrap_err();
        assert!(error.to_string().ends_with(&format!("qdisc 1: is htb, not {kind}")), "{error}");
    }
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn class_reports_its_leaf_qdisc(lab: Lab) -> Result {
    let ([_node, _peer], tc) = htb(&lab).await?;
    tc.class(DEV, CLASS).add(mbit(1)).await?;
    assert_eq!(tc.class(DEV, CLASS).get().await?.leaf, None);
    // The default queue is listed only on request.
    assert_eq!(qdiscs(&tc).await.len(), 1);
    let all = tc.qdiscs().dev(DEV).invisible().list().await?.collect_all().await?;
    assert_eq!((all.len(), all[1].config.kind(), all[1].parent), (2, "pfifo", CLASS));
    let leaf = TcHandle::new(0x10, 0);
    tc.qdisc(DEV, CLASS).handle(leaf).add(BfifoConfig::new().limit(3000)).await?;
    assert_eq!(tc.class(DEV, CLASS).get().await?.leaf, Some(leaf));
    let qdisc = tc.qdisc(DEV, CLASS).get().await?;
    assert_eq!((qdisc.handle, qdisc.config), (leaf, BfifoConfig::new().limit(3000).into()));
    tc.qdisc(DEV, CLASS).handle(leaf).change(BfifoConfig::new().limit(4000)).await?;
    assert_eq!(tc.qdisc(DEV, CLASS).get().await?.config, BfifoConfig::new().limit(4000).into());
    // Another kind replaces it.
    tc.qdisc(DEV, CLASS).handle(TcHandle::new(0x11, 0)).replace(PfifoConfig::new().limit(7)).await?;
    assert_eq!(tc.qdisc(DEV, CLASS).get().await?.config, PfifoConfig::new().limit(7).into());
    tc.qdisc(DEV, CLASS).delete().await?;
    // The class has its default queue again, which has no handle.
    assert_eq!(tc.class(DEV, CLASS).get().await?.leaf, None);
    assert_eq!(qdiscs(&tc).await.len(), 1);
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "tbf", tool = "tc"))]
async fn qdisc_without_a_handle_gets_one_from_the_kernel(lab: Lab) -> Result {
    let ([_node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::ROOT).add(PfifoConfig::new().limit(9)).await?;
    let qdisc = tc.qdisc(DEV, TcHandle::ROOT).get().await?;
    assert!(qdisc.handle.is_qdisc() && qdisc.handle.major() >= 0x8001, "{qdisc}");
    tc.qdisc(DEV, TcHandle::ROOT).handle(qdisc.handle).delete().await?;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn batch_adds_a_whole_tree(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let index = node.index_of(DEV).await?;
    let qdisc = nl_tc::qdisc::Qdisc::new(index, TcHandle::ROOT, HtbConfig::new()).handle(QDISC);
    let class = |minor| Class::new(index, QDISC.class(minor), HtbClassConfig::new(Rate::kbit(minor.into())));
    let changes = std::iter::once((TcVerb::Add, nl_tc::TcObject::from(qdisc)))
        .chain((1..=500).map(|minor| (TcVerb::Add, class(minor).into())))
        // One that the kernel refuses, and one with bad input.
        .chain([(TcVerb::Add, class(500).into()), (TcVerb::Add, class(0).into())]);
    let results: Vec<_> = tc.batch(changes).collect().await;
    assert_eq!(results.len(), 503);
    assert!(results[..501].iter().all(|result| result.is_ok()));
    let error = results[501].as_ref().unwrap_err();
    assert!(error.is_exists(), "{error}");
    let text = "add class dev eth0 parent 1: classid 1:1f4 htb rate 500Kbit";
    assert!(error.to_string().starts_with(text), "{error}");
    let error = results[502].as_ref().unwrap_err();
    assert!(error.is_usage() && error.to_string().starts_with("add class dev eth0 "), "{error}");
    assert_eq!(lines(&node, "class show dev eth0").await.len(), 500);
    let deleted =
        tc.batch((1..=500).map(move |minor| (TcVerb::Delete, Class::at(index, QDISC.class(minor)))));
    assert_eq!(deleted.summarize(1).await?.into_result()?, 500);
    assert_eq!(classes(&tc).await, []);
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "hfsc", tool = "tc"))]
async fn change_of_an_hfsc_class_keeps_its_other_curves(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(HfscConfig::new()).await?;
    let mbit = Rate::mbit;
    let config = HfscClassConfig::new().real_time(mbit(1)).link_share(mbit(2)).upper_limit(mbit(3));
    tc.class(DEV, CLASS).add(config.clone()).await?;
    tc.class(DEV, CLASS).change(HfscClassConfig::new().real_time(mbit(9))).await?;
    let expected = config.real_time(mbit(9));
    assert_eq!(tc.class(DEV, CLASS).get().await?.config, expected.into());
    // The root class X:0 exists and can be changed.
    tc.class(DEV, QDISC).change(HfscClassConfig::new().link_share(mbit(5))).await?;
    let shown = lines(&node, "class show dev eth0").await;
    assert!(shown[0].starts_with("class hfsc 1: root ls m1 0bit d 0us m2 5Mbit"), "{shown:#?}");
    tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).change(HfscConfig::new().default_class(0x10)).await?;
    let qdisc = tc.qdisc(DEV, TcHandle::ROOT).get().await?;
    assert_eq!(qdisc.config, HfscConfig::new().default_class(0x10).into());
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "hfsc", tool = "tc"))]
async fn hfsc_parent_with_a_real_time_curve_gets_a_share_with_a_warning(lab: Lab) -> Result {
    let ([_node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(HfscConfig::new()).await?;
    let rt = HfscClassConfig::new().real_time(Rate::mbit(1));
    tc.class(DEV, CLASS).add(rt.clone()).await?;
    let ack = tc.class(DEV, QDISC.class(0x11)).parent(CLASS).add(rt).await?;
    assert_eq!(ack.warning(), Some("Forced curve change on parent 'rt' to 'sc'"));
    let sc = HfscClassConfig::new().service(Rate::mbit(1));
    assert_eq!(tc.class(DEV, CLASS).get().await?.config, sc.into());
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "hfsc", tool = "tc"))]
async fn hfsc_class_under_a_missing_or_another_parent_is_refused(lab: Lab) -> Result {
    let ([_node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(HfscConfig::new()).await?;
    let sc = || HfscClassConfig::new().service(Rate::mbit(1));
    let error = tc.class(DEV, CLASS).parent(QDISC.class(0x99)).add(sc()).await.unwrap_err();
    assert!(
        error.is_not_found() && error.to_string().contains("there is no class 1:99, the parent"),
        "{error}"
    );
    let error = tc.class(DEV, TcHandle::new(7, 1)).add(sc()).await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("there is no qdisc 7:"), "{error}");
    tc.class(DEV, CLASS).parent(TcHandle::ROOT).add(sc()).await?;
    tc.class(DEV, QDISC.class(0x11)).add(sc()).await?;
    let error = tc.class(DEV, CLASS).parent(QDISC.class(0x11)).change(sc()).await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
    assert!(error.to_string().contains("HFSC cannot move a class"), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "drr", tool = "tc"))]
async fn drr_classes_are_added_changed_and_deleted(lab: Lab) -> Result {
    let ([_node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(DrrConfig::new()).await?;
    tc.class(DEV, CLASS).add(DrrClassConfig::new()).await?;
    // The packet size of the device.
    let config = tc.class(DEV, CLASS).get().await?.config;
    assert_eq!(config, DrrClassConfig::new().quantum(1514).into());
    tc.class(DEV, CLASS).change(DrrClassConfig::new().quantum(3000)).await?;
    tc.class(DEV, CLASS).change(DrrClassConfig::new()).await?;
    assert_eq!(tc.class(DEV, CLASS).get().await?.config, DrrClassConfig::new().quantum(3000).into());
    tc.class(DEV, CLASS).delete().await?;
    assert_eq!(classes(&tc).await, []);
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "qfq", tool = "tc"))]
async fn qfq_change_without_maxpkt_uses_that_of_the_device(lab: Lab) -> Result {
    let ([_node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(QfqConfig::new()).await?;
    tc.class(DEV, CLASS).add(QfqClassConfig::new(10).maxpkt(2048)).await?;
    tc.class(DEV, CLASS).change(QfqClassConfig::new(20)).await?;
    assert_eq!(tc.class(DEV, CLASS).get().await?.config, QfqClassConfig::new(20).maxpkt(1514).into());
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "ets", tool = "tc"))]
async fn ets_classes_are_the_bands(lab: Lab) -> Result {
    let ([_node, _peer], tc) = wired(&lab).await?;
    let qdisc = || tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC);
    qdisc().add(EtsConfig::new(3).strict(1).quanta([2000])).await?;
    let all = classes(&tc).await;
    assert_eq!(handles(&all), ["1:1", "1:2", "1:3"]);
    let quanta: Vec<_> = all.iter().map(|class| class.config.clone()).collect();
    let band = |quantum| ClassConfig::from(EtsClassConfig::new(quantum));
    assert_eq!(quanta, [EtsClassConfig::default().into(), band(2000), band(1514)]);
    tc.class(DEV, QDISC.class(2)).change(EtsClassConfig::new(4000)).await?;
    assert_eq!(tc.class(DEV, QDISC.class(2)).get().await?.config, band(4000));
    for band in [1, 2] {
        tc.class(DEV, QDISC.class(band)).change(EtsClassConfig::default()).await?;
    }
    assert_eq!(tc.class(DEV, QDISC.class(2)).get().await?.config, band(4000));
    let error = tc.class(DEV, QDISC.class(1)).change(EtsClassConfig::new(4000)).await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
    let error = tc.class(DEV, QDISC.class(2)).delete().await.unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    qdisc().change(EtsConfig::new(5)).await?;
    assert_eq!(classes(&tc).await.len(), 5);
    Ok(())
}
