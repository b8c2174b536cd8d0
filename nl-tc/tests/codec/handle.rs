//! The requests of a verb and its reaction to the answers, with a simulated kernel.

use std::cell::RefCell;

use nl_core::{Connection, Protocol};
use nl_tc::htb::HtbClassConfig;
use nl_tc::{
    RTM_DELTCLASS, RTM_GETQDISC, RTM_GETTCLASS, RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER, Rate, Tc,
    TcHandle,
};
use nl_testkit::fault::{Answer, Conversation, Peer};

const DEV: u32 = 5;
const QDISC: TcHandle = TcHandle::new(1, 0);
const CLASS: TcHandle = TcHandle::new(1, 0x10);
const TCA_KIND: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const EBUSY: i32 = 16;

/// A handle over a simulated kernel.
fn simulated() -> (Tc, Peer) {
    let (socket, kernel) = Peer::pair().unwrap();
    let source = move || socket.try_clone();
    (Tc::new(Connection::builder(Protocol::Route).sockets_from(source).open().unwrap()), kernel)
}

fn kind(request: &[u8]) -> u16 {
    u16::from_ne_bytes([request[4], request[5]])
}

fn is_dump(request: &[u8]) -> bool {
    u16::from_ne_bytes([request[6], request[7]]) & NLM_F_DUMP == NLM_F_DUMP
}

/// Runs a verb against a kernel with these answers. Returns the outcome and the types of the requests.
async fn run<T>(
    verb: impl AsyncFnOnce(Tc) -> T,
    mut answers: impl FnMut(&[u8]) -> Vec<Answer>,
) -> (T, Vec<u16>) {
    let (tc, kernel) = simulated();
    let asked = RefCell::new(Vec::new());
    let serve = kernel.serve(|request| {
        asked.borrow_mut().push(kind(request));
        Conversation::of(answers(request))
    });
    let (served, outcome) = tokio::join!(serve, verb(tc));
    served.unwrap();
    (outcome, asked.into_inner())
}

/// The kernel's report of a class.
fn class(request: &[u8], parent: TcHandle, kind: &str) -> Answer {
    let words = [DEV, CLASS.bits(), parent.bits(), 0].map(u32::to_ne_bytes);
    let header = [[0; 4].as_slice(), words.as_flattened()].concat();
    Answer::new(RTM_NEWTCLASS, &header).attr(TCA_KIND, &[kind.as_bytes(), &[0]].concat()).answers(request)
}

fn mbit(rate: u64) -> HtbClassConfig {
    HtbClassConfig::new(Rate::mbit(rate))
}

#[tokio::test]
async fn adding_a_class_sends_one_request() {
    let add = async |tc: Tc| tc.class(DEV, CLASS).add(mbit(1)).await;
    let (outcome, asked) =
        run(add, |request| vec![class(request, TcHandle::ROOT, "htb"), Answer::ack(request)]).await;
    outcome.unwrap();
    assert_eq!(asked, [RTM_NEWTCLASS]);
}

#[tokio::test]
async fn adding_a_class_of_another_kind_deletes_it_and_reports_the_kind() {
    let add = async |tc: Tc| tc.class(DEV, CLASS).add(mbit(1)).await;
    let (outcome, asked) = run(add, |request| match kind(request) {
        RTM_NEWTCLASS => vec![class(request, TcHandle::ROOT, "drr"), Answer::ack(request)],
        _ => vec![Answer::ack(request)],
    })
    .await;
    let error = outcome.unwrap_err();
    assert!(error.is_usage(), "{error}");
    assert_eq!(error.to_string(), "add class dev #5 classid 1:10 htb rate 1Mbit: qdisc 1: is drr, not htb");
    assert_eq!(asked, [RTM_NEWTCLASS, RTM_DELTCLASS]);
}

#[tokio::test]
async fn adding_a_class_under_a_missing_parent_deletes_it_even_if_a_filter_is_bound() {
    let add = async |tc: Tc| tc.class(DEV, CLASS).parent(QDISC.class(0x99)).add(mbit(1)).await;
    let mut deletions = 0;
    let (outcome, asked) = run(add, |request| match kind(request) {
        RTM_NEWTCLASS => vec![class(request, TcHandle::ROOT, "htb"), Answer::ack(request)],
        _ => {
            deletions += 1;
            vec![if deletions == 1 { Answer::error(EBUSY, request) } else { Answer::ack(request) }]
        }
    })
    .await;
    let error = outcome.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(
        error.to_string(),
        "add class dev #5 parent 1:99 classid 1:10 htb rate 1Mbit: parent 1:99: No such file or directory (ENOENT)"
    );
    assert_eq!(asked, [RTM_NEWTCLASS, RTM_DELTCLASS, RTM_DELTCLASS]);
}

#[tokio::test]
async fn changing_a_class_first_reads_it_alone() {
    let change = async |tc: Tc| tc.class(DEV, CLASS).change(mbit(1)).await;
    let (outcome, asked) = run(change, |request| match kind(request) {
        RTM_GETTCLASS => vec![class(request, TcHandle::ROOT, "htb"), Answer::ack(request)],
        _ => vec![Answer::ack(request)],
    })
    .await;
    outcome.unwrap();
    assert_eq!(asked, [RTM_GETTCLASS, RTM_NEWTCLASS]);
}

#[tokio::test]
async fn changing_a_class_of_another_kind_or_parent_sends_no_change() {
    for (parent, kind, why) in [
        (TcHandle::ROOT, "hfsc", "qdisc 1: is hfsc, not htb"),
        (
            QDISC.class(1),
            "htb",
            "class 1:10 is under 1:1, and HTB cannot move it: delete the class and add it again",
        ),
    ] {
        let change = async |tc: Tc| tc.class(DEV, CLASS).parent(QDISC).change(mbit(1)).await;
        let (outcome, asked) =
            run(change, |request| vec![class(request, parent, kind), Answer::ack(request)]).await;
        let error = outcome.unwrap_err();
        assert!(error.is_usage() && error.to_string().ends_with(why), "{error}");
        assert_eq!(asked, [RTM_GETTCLASS]);
    }
}

#[tokio::test]
async fn replacing_a_missing_class_adds_it() {
    let replace = async |tc: Tc| tc.class(DEV, CLASS).parent(QDISC).replace(mbit(1)).await;
    let (outcome, asked) = run(replace, |request| match kind(request) {
        RTM_GETTCLASS => vec![Answer::error(ENOENT, request)],
        _ => vec![class(request, TcHandle::ROOT, "htb"), Answer::ack(request)],
    })
    .await;
    outcome.unwrap();
    assert_eq!(asked, [RTM_GETTCLASS, RTM_NEWTCLASS]);
}

#[tokio::test]
async fn changing_a_missing_class_reports_not_found() {
    let change = async |tc: Tc| tc.class(DEV, CLASS).change(mbit(1)).await;
    let (outcome, asked) = run(change, |request| vec![Answer::error(ENOENT, request)]).await;
    let error = outcome.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(asked, [RTM_GETTCLASS, RTM_NEWTCLASS]);
}

#[tokio::test]
async fn reading_a_missing_class_reports_not_found() {
    let get = async |tc: Tc| tc.class(DEV, CLASS).get().await;
    let (outcome, asked) = run(get, |request| match is_dump(request) {
        true => vec![Answer::done(0).answers(request)],
        false => vec![Answer::error(ENOENT, request)],
    })
    .await;
    let error = outcome.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(asked, [RTM_GETTCLASS, RTM_GETTCLASS]);
}

#[tokio::test]
async fn reading_a_class_added_after_the_list_returns_it() {
    let get = async |tc: Tc| tc.class(DEV, CLASS).get().await;
    let (outcome, _) = run(get, |request| match is_dump(request) {
        true => vec![Answer::done(0).answers(request)],
        false => vec![class(request, TcHandle::ROOT, "other"), Answer::ack(request)],
    })
    .await;
    assert_eq!(outcome.unwrap().handle, CLASS);
}

/// The kernel answers success and no class: it was deleted between the list and the request.
#[tokio::test]
async fn reading_a_class_deleted_after_the_list_reports_not_found() {
    let get = async |tc: Tc| tc.class(DEV, CLASS).get().await;
    let (outcome, asked) = run(get, |request| match is_dump(request) {
        true => vec![Answer::done(0).answers(request)],
        false => vec![Answer::ack(request)],
    })
    .await;
    let error = outcome.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.to_string(), "get class dev #5 classid 1:10: No such file or directory (ENOENT)");
    assert_eq!(asked, [RTM_GETTCLASS, RTM_GETTCLASS]);
}

#[tokio::test]
async fn replacing_a_class_that_the_kernel_does_not_return_adds_it() {
    let replace = async |tc: Tc| tc.class(DEV, CLASS).replace(mbit(1)).await;
    let (outcome, asked) = run(replace, |request| match kind(request) {
        RTM_GETTCLASS => vec![Answer::ack(request)],
        _ => vec![class(request, TcHandle::ROOT, "htb"), Answer::ack(request)],
    })
    .await;
    outcome.unwrap();
    assert_eq!(asked, [RTM_GETTCLASS, RTM_NEWTCLASS]);
}

/// If only a default qdisc exists, the kernel answers success without an object.
#[tokio::test]
async fn reading_a_hidden_qdisc_reports_not_found() {
    let get = async |tc: Tc| tc.qdisc(DEV, TcHandle::ROOT).get().await;
    let (outcome, asked) = run(get, |request| match is_dump(request) {
        true => vec![Answer::done(0).answers(request)],
        false => vec![Answer::ack(request)],
    })
    .await;
    let error = outcome.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.to_string(), "get qdisc dev #5 root: No such file or directory (ENOENT)");
    assert_eq!(asked, [RTM_GETQDISC, RTM_GETQDISC]);
}

#[tokio::test]
async fn qdisc_verbs_send_one_request_each() {
    use nl_tc::htb::HtbConfig;
    use nl_tc::qdisc::QdiscConfig;
    let config = || QdiscConfig::from(HtbConfig::new());
    let verbs = async |tc: Tc| {
        let qdisc = || tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC);
        qdisc().add(config()).await?;
        qdisc().change(config()).await?;
        qdisc().replace(config()).await?;
        qdisc().delete().await
    };
    let (outcome, asked) = run(verbs, |request| vec![Answer::ack(request)]).await;
    outcome.unwrap();
    assert_eq!(asked, [RTM_NEWQDISC, RTM_NEWQDISC, RTM_NEWQDISC, nl_tc::RTM_DELQDISC]);
}

#[tokio::test]
async fn missing_privilege_is_named() {
    let delete = async |tc: Tc| tc.class(DEV, CLASS).delete().await;
    let (outcome, _) = run(delete, |request| vec![Answer::error(EPERM, request)]).await;
    let error = outcome.unwrap_err();
    assert!(error.is_permission() && error.to_string().contains("CAP_NET_ADMIN"), "{error}");
}

/// A kernel with a FIFO at the root, which another program keeps busy for a number of deletions.
async fn delete_all(busy: usize) -> (nl_core::Result<nl_tc::tree::Plan>, Vec<u16>) {
    let apply = async |tc: Tc| tc.apply(DEV, &nl_tc::tree::Tree::new()).await;
    let mut deletions = 0;
    run(apply, |request| {
        if is_dump(request) {
            let words = [DEV, QDISC.bits(), TcHandle::ROOT.bits(), 1].map(u32::to_ne_bytes);
            let header = [[0; 4].as_slice(), words.as_flattened()].concat();
            let fifo = Answer::new(RTM_NEWQDISC, &header).attr(TCA_KIND, b"pfifo\0");
            return vec![fifo.answers(request).multi(), Answer::done(0).answers(request)];
        }
        deletions += 1;
        vec![if deletions <= busy { Answer::error(EBUSY, request) } else { Answer::ack(request) }]
    })
    .await
}

/// What another program adds between reading and applying is read and planned again.
#[tokio::test]
async fn applying_a_tree_to_what_is_busy_reads_and_plans_again() {
    let (outcome, asked) = delete_all(2).await;
    assert_eq!(outcome.unwrap().steps().len(), 1);
    assert_eq!(asked, [RTM_GETQDISC, nl_tc::RTM_DELQDISC].repeat(3));
}

#[tokio::test]
async fn applying_a_tree_to_what_stays_busy_ends_after_three_attempts() {
    let (outcome, asked) = delete_all(usize::MAX).await;
    let error = outcome.unwrap_err();
    assert!(error.is_busy(), "{error}");
    assert!(error.to_string().contains("step 1 of 1: nothing was changed"), "{error}");
    assert_eq!(asked, [RTM_GETQDISC, nl_tc::RTM_DELQDISC].repeat(3));
}

/// A kernel that lacks a kind for this number of requests.
fn without_a_module(mut times: usize, text: &'static str) -> impl FnMut(&[u8]) -> Vec<Answer> {
    move |request| {
        if is_dump(request) {
            // A default qdisc.
            let words = [DEV, 0, TcHandle::ROOT.bits(), 2].map(u32::to_ne_bytes);
            let header = [[0; 4].as_slice(), words.as_flattened()].concat();
            let noqueue = Answer::new(RTM_NEWQDISC, &header).attr(TCA_KIND, b"noqueue\0");
            return vec![noqueue.answers(request).multi(), Answer::done(0).answers(request)];
        }
        if times == 0 {
            return vec![Answer::ack(request)];
        }
        times -= 1;
        vec![Answer::error(ENOENT, request).text(text)]
    }
}

/// The kernel refuses a kind whose module it is loading for somebody else.
#[tokio::test]
async fn verb_waits_for_a_module_that_another_program_loads() {
    use nl_tc::action::Action;
    use nl_tc::filter::Matchall;
    let add = async |tc: Tc| {
        let filter = Matchall::actions([Action::drop()]);
        tc.filter(DEV, TcHandle::CLSACT_INGRESS).priority(1).add(filter).await
    };
    let (outcome, asked) = run(add, without_a_module(2, "Failed to load TC action module")).await;
    outcome.unwrap();
    assert_eq!(asked, [RTM_NEWTFILTER; 3]);
}

#[tokio::test]
async fn verb_for_a_kind_that_the_kernel_lacks_ends_after_three_requests() {
    let add =
        async |tc: Tc| tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(nl_tc::htb::HtbConfig::new()).await;
    let (outcome, asked) = run(add, without_a_module(usize::MAX, "Specified qdisc kind is unknown")).await;
    let error = outcome.unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("sch_htb"), "{error}");
    assert_eq!(asked, [RTM_NEWQDISC; 3]);
}

/// The module of a kind without a type, and of an action among several.
#[tokio::test]
async fn kind_that_the_kernel_lacks_is_named_by_its_module() {
    use nl_tc::action::{Action, Mirred};
    use nl_tc::filter::{FilterConfig, Matchall};
    let choke = || nl_tc::qdisc::QdiscConfig::Other { kind: "choke".into(), options: None };
    let add = async |tc: Tc| tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(choke()).await;
    let (outcome, _) = run(add, without_a_module(usize::MAX, "Specified qdisc kind is unknown")).await;
    let error = outcome.unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("sch_choke"), "{error}");
    let basic = || FilterConfig::Other { kind: "basic".into(), options: None };
    let add = async |tc: Tc| tc.filter(DEV, QDISC).add(basic()).await;
    let (outcome, _) = run(add, without_a_module(usize::MAX, "TC classifier not found")).await;
    let error = outcome.unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("cls_basic"), "{error}");
    for (actions, module) in [
        (vec![Action::drop()], "the module act_gact"),
        (vec![Action::drop(), Mirred::redirect(7).into()], "one of the modules act_gact, act_mirred"),
    ] {
        let add = async |tc: Tc| tc.filter(DEV, QDISC).add(Matchall::actions(actions)).await;
        let (outcome, _) = run(add, without_a_module(usize::MAX, "Failed to load TC action module")).await;
        let error = outcome.unwrap_err();
        assert!(error.is_unsupported() && error.to_string().contains(module), "{error}");
    }
    let add = async |tc: Tc| tc.action(Action::drop().index(9)).add().await;
    let (outcome, _) = run(add, without_a_module(usize::MAX, "Failed to load TC action module")).await;
    let error = outcome.unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("the module act_gact"), "{error}");
}

#[tokio::test]
async fn applying_a_tree_waits_for_a_module_that_another_program_loads() {
    for (times, is_applied) in [(2, true), (usize::MAX, false)] {
        let apply = async |tc: Tc| {
            let htb = nl_tc::htb::HtbConfig::new();
            tc.apply(DEV, &nl_tc::tree::Tree::new().qdisc(TcHandle::ROOT, QDISC, htb)).await
        };
        let (outcome, asked) = run(apply, without_a_module(times, "Specified qdisc kind is unknown")).await;
        match outcome {
            Ok(plan) => assert_eq!((plan.steps().len(), is_applied), (1, true)),
            Err(error) => assert!(!is_applied && error.is_unsupported(), "{error}"),
        }
        assert_eq!(asked, [RTM_GETQDISC, RTM_NEWQDISC].repeat(3));
    }
}

#[tokio::test]
async fn verb_can_be_spawned() {
    let add = async |tc: Tc| tokio::spawn(tc.class(DEV, CLASS).add(mbit(1))).await.unwrap();
    let (outcome, _) =
        run(add, |request| vec![class(request, TcHandle::ROOT, "htb"), Answer::ack(request)]).await;
    outcome.unwrap();
}

/// On the real kernel, where reading needs no privilege.
#[cfg(feature = "blocking")]
#[test]
#[cfg_attr(target_endian = "big", ignore = "the kernel below an emulator has the other byte order")]
fn verb_waits_on_a_thread_without_a_runtime() {
    let tc = Tc::new(Connection::open(Protocol::Route).unwrap());
    let error = tc.class("lo", CLASS).get().wait().unwrap_err();
    assert!(error.is_not_found(), "{error}");
    let qdiscs = tc.qdiscs().dev("lo").invisible().list().wait().unwrap();
    assert!(qdiscs.into_iter().all(|qdisc| qdisc.unwrap().index == 1));
}
