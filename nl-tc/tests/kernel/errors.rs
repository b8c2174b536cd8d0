//! The errors for missing objects and impossible requests.

use nl_core::error::Errno;
use nl_tc::htb::HtbConfig;
use nl_tc::leaf::PfifoConfig;
use nl_tc::{Rate, TcHandle};
use nl_testkit::{Lab, Result, by_kernel};

use crate::support::{CLASS, DEV, QDISC, htb, mbit, wired};

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn error_describes_the_operation_in_the_words_of_tc(lab: Lab) -> Result {
    let ([_node, _peer], tc) = htb(&lab).await?;
    tc.class(DEV, CLASS).add(mbit(1)).await?;
    let error = tc.class(DEV, CLASS).parent(QDISC).add(mbit(1).ceil(Rate::mbit(2))).await.unwrap_err();
    let text = error.to_string();
    let expected =
        "add class dev eth0 parent 1: classid 1:10 htb rate 1Mbit ceil 2Mbit: File exists (EEXIST)";
    assert!(text.starts_with(expected), "{text}");
    let error = tc.class(DEV, QDISC.class(0x20)).delete().await.unwrap_err();
    assert!(error.to_string().starts_with("delete class dev eth0 classid 1:20: No such file or directory"));
    let error = tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(HtbConfig::new()).await.unwrap_err();
    assert!(
        error.to_string().starts_with("add qdisc dev eth0 root handle 1: htb: File exists (EEXIST)"),
        "{error}"
    );
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn missing_objects_report_not_found(lab: Lab) -> Result {
    let ([_node, _peer], tc) = htb(&lab).await?;
    let error = tc.class(DEV, CLASS).get().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(error.to_string().starts_with("get class dev eth0 classid 1:10: "), "{error}");
    assert!(tc.class(DEV, TcHandle::new(7, 1)).get().await.unwrap_err().is_not_found());
    assert!(tc.class(DEV, TcHandle::new(7, 1)).add(mbit(1)).await.unwrap_err().is_not_found());
    assert!(tc.qdisc(DEV, CLASS).get().await.unwrap_err().is_not_found());
    assert!(tc.class("nowhere", CLASS).get().await.unwrap_err().is_not_found());
    assert!(tc.classes("nowhere").list().await.unwrap_err().is_not_found());
    let error = tc.qdiscs().dev("nowhere").list().await.unwrap_err();
    assert_eq!(error.to_string(), "list qdiscs dev nowhere: No such device (ENODEV)");
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn error_contains_the_kernels_text(lab: Lab) -> Result {
    let ([_node, _peer], tc) = htb(&lab).await?;
    let error =
        tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).change(HtbConfig::new().r2q(5)).await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EINVAL));
    assert!(error.to_string().contains("Change operation not supported by specified qdisc"), "{error}");
    // A rate whose quantum is out of bounds is accepted; the kernel says so in its log only before Linux 6.4.
    let ack = tc.class(DEV, CLASS).add(mbit(100)).await?;
    let warning = "sch_htb: quantum of class 10010 is big. Consider r2q change.";
    assert_eq!(ack.warning(), by_kernel(None, &[((6, 4), Some(warning))]));
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "pfifo", tool = "tc"))]
async fn class_in_a_classless_qdisc_is_refused(lab: Lab) -> Result {
    let ([_node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(PfifoConfig::new()).await?;
    let error = tc.class(DEV, CLASS).add(mbit(1)).await.unwrap_err();
    assert!(error.to_string().ends_with("qdisc 1: is pfifo, not htb"), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn bad_input_is_refused_before_the_kernel_is_asked(lab: Lab) -> Result {
    let ([_node, _peer], tc) = htb(&lab).await?;
    let error = tc.class(DEV, CLASS).add(mbit(1).prio(9)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "add class dev eth0 classid 1:10 htb rate 1Mbit prio 9: prio 9; 0 to 7 are possible"
    );
    Ok(())
}

#[nl_testkit::test]
async fn unknown_kind_is_unsupported(lab: Lab) -> Result {
    let ([_node, _peer], tc) = wired(&lab).await?;
    let none = nl_tc::qdisc::QdiscConfig::Other { kind: "nosuchkind".into(), options: None };
    let error = tc.qdisc(DEV, TcHandle::ROOT).add(none).await.unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    let why = "qdisc nosuchkind is not supported by this kernel (needs its module)";
    let hint = "hint: the module is called sch_nosuchkind";
    assert_eq!(error.to_string(), format!("add qdisc dev eth0 root nosuchkind: {why}\n  {hint}"));
    Ok(())
}

/// Of one action and of two, for which the kernel does not say which kind it lacks.
#[nl_testkit::test(needs(vm, qdisc = "clsact", tool = "tc"))]
async fn unknown_action_names_its_module(lab: Lab) -> Result {
    use nl_tc::action::{Action, ActionConfig};
    use nl_tc::filter::Matchall;
    use nl_tc::leaf::Ingress;
    let ([_node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::INGRESS).add(Ingress).await?;
    let unknown =
        || Action::new(ActionConfig::Other { kind: "nosuchkind".into(), options: Some(vec![4, 0, 1, 0]) });
    let add = |actions: Vec<Action>| {
        tc.filter(DEV, TcHandle::CLSACT_INGRESS).priority(1).add(Matchall::actions(actions))
    };
    let error = add(vec![unknown()]).await.unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    assert!(error.to_string().contains("the module is called act_nosuchkind"), "{error}");
    let error = add(vec![Action::drop(), unknown()]).await.unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    assert!(error.to_string().contains("one of the modules act_gact, act_nosuchkind"), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn error_names_the_device_as_the_caller_did(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    node.ip("link property add dev eth0 altname uplink").await;
    let error = tc.class("uplink", CLASS).delete().await.unwrap_err();
    assert!(error.to_string().starts_with("delete class dev uplink classid 1:10: "), "{error}");
    let error = tc.qdisc("uplink", CLASS).delete().await.unwrap_err();
    assert!(error.to_string().starts_with("delete qdisc dev uplink parent 1:10: "), "{error}");
    let error = tc.filter("uplink", QDISC).priority(5).delete().await.unwrap_err();
    assert!(
        error.to_string().starts_with("delete filter dev uplink parent 1: protocol all prio 5: "),
        "{error}"
    );
    let error = tc.filters("nowhere", QDISC).list().await.unwrap_err();
    assert_eq!(error.to_string(), "list filters dev nowhere parent 1: No such device (ENODEV)");
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn filter_of_a_missing_qdisc_or_class_reports_not_found(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    let matchall = || nl_tc::filter::Matchall::new(CLASS);
    for parent in [TcHandle::new(7, 0), TcHandle::new(7, 1), CLASS] {
        let error = tc.filter(DEV, parent).add(matchall()).await.unwrap_err();
        assert!(error.is_not_found(), "{error}");
        let error = tc.filter(DEV, parent).priority(5).delete().await.unwrap_err();
        assert!(error.is_not_found(), "{error}");
    }
    // Also in a batch.
    let filter = nl_tc::filter::Filter::new(node.index_of(DEV).await?, TcHandle::new(7, 0), matchall());
    let summary = tc.batch([(nl_tc::TcVerb::Add, filter)]).summarize(1).await?;
    let error = summary.into_result().unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("hint: there is no qdisc 7:"), "{error}");
    Ok(())
}
