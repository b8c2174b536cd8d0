use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use nl_core::Request;
use nl_core::error::Errno;
use nl_core::message::{IfInfoMsg, MessageRef, NLM_F_DUMP, NdMsg};
use nl_testkit::{Lab, Node, Result, within};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::support::{RTM_GETLINK, SOON, delete_link, fdb_numbers, link_names, new_fdb, new_link, route};

/// The most a batch may have drawn from its iterator beyond what it has answered: one datagram and one request that did
/// not fit it.
const RUN_AHEAD: u64 = 1024 + 1;

/// What a request of a test is, and so what must become of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Plan {
    Good,
    /// Already there.
    Exists,
    /// On a device that is not.
    NoDevice,
    /// Never sent.
    Refused,
    /// More than the send buffer takes.
    TooLarge,
}

impl Plan {
    fn request(self, bridge: u32, number: u32) -> Request {
        match self {
            Self::Good => new_fdb(bridge, number),
            Self::Exists => new_fdb(bridge, 0xff_ffff),
            Self::NoDevice => new_fdb(1_000_000 + number, number),
            Self::Refused => new_fdb(bridge, number).invalid_if(Err(format!("number {number}").into())),
            Self::TooLarge => {
                let mut request = new_fdb(bridge, number);
                for _ in 0..4 {
                    request.attrs().bytes(1000, &[0; 65_000]);
                }
                request
            }
        }
    }

    #[track_caller]
    fn check(self, number: u32, outcome: &nl_core::Result<nl_core::error::Ack>) {
        let text = outcome.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let fits = match self {
            Self::Good => outcome.is_ok(),
            // A device that is there has a name.
            Self::Exists => text == "add fdb on br0: File exists (EEXIST)",
            Self::NoDevice => text.starts_with(&format!("add fdb on #{}: ", 1_000_000 + number)),
            Self::Refused => text == format!("add fdb on br0: number {number}"),
            Self::TooLarge => text.contains("a request of 260056 bytes; the socket's send buffer takes "),
        };
        assert!(fits, "request {number}, {self:?}: {outcome:?}");
    }
}

async fn bridge(lab: &Lab) -> Result<(Node, u32)> {
    let node = lab.node("a").await?;
    node.add_bridge("br0").await?;
    let index = node.index_of("br0").await?;
    Ok((node, index))
}

#[nl_testkit::test(needs(link = "bridge", tool = "bridge"), timeout = 60)]
async fn every_request_gets_its_own_outcome_in_order(lab: Lab) -> Result {
    let (node, index) = bridge(&lab).await?;
    let conn = route(&node).await;
    conn.ack(new_fdb(index, 0xff_ffff)).await?;
    let plan = prop_oneof![
        60 => Just(Plan::Good),
        10 => Just(Plan::Exists),
        10 => Just(Plan::NoDevice),
        10 => Just(Plan::Refused),
        1 => Just(Plan::TooLarge),
    ];
    let plans = prop_oneof![
        3 => prop::collection::vec(plan.clone(), 0..20),
        2 => prop::collection::vec(plan.clone(), 100..300),
        1 => prop::collection::vec(plan, 500..1500),
    ];
    let mut runner = TestRunner::default();
    let mut made = vec![0xff_ffff];
    let mut number = 0;
    for _ in 0..40 {
        let plans = plans.new_tree(&mut runner).unwrap().current();
        let first = number;
        number += u32::try_from(plans.len())?;
        let requests = (first..).zip(&plans).map(|(number, plan)| plan.request(index, number));
        let outcomes: Vec<_> = within(SOON, conn.batch(requests).collect(), "the outcomes").await;
        assert_eq!(outcomes.len(), plans.len());
        for ((number, plan), outcome) in (first..).zip(plans).zip(&outcomes) {
            plan.check(number, outcome);
            if plan == Plan::Good {
                made.push(number);
            }
        }
    }
    made.sort_unstable();
    assert_eq!(fdb_numbers(&node, "br0").await, made);
    Ok(())
}

#[nl_testkit::test]
async fn no_request_gives_no_outcome(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    let outcomes: Vec<_> = conn.batch([]).collect().await;
    assert!(outcomes.is_empty(), "{outcomes:?}");
    assert_eq!(conn.batch([]).summarize(1).await?.into_result()?, 0);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn one_request_is_a_batch_too(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    let outcomes: Vec<_> = conn.batch([new_link("d0", "bridge")]).collect().await;
    assert!(matches!(outcomes.as_slice(), [Ok(_)]), "{outcomes:?}");
    let outcomes: Vec<_> = conn.batch([new_link("d0", "bridge")]).collect().await;
    assert!(matches!(outcomes.as_slice(), [Err(error)] if error.is_exists()), "{outcomes:?}");
    assert_eq!(link_names(&node).await, ["d0", "lo"]);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge"), timeout = 60)]
async fn a_hundred_thousand_requests_are_drawn_no_faster_than_they_are_answered(lab: Lab) -> Result {
    const COUNT: u32 = 100_000;
    let (node, index) = bridge(&lab).await?;
    let conn = route(&node).await;
    let drawn = Arc::new(AtomicU64::new(0));
    let requests = {
        let drawn = Arc::clone(&drawn);
        (0..COUNT).map(move |number| {
            drawn.fetch_add(1, Ordering::Relaxed);
            new_fdb(index, number)
        })
    };
    let mut outcomes = conn.batch(requests);
    assert_eq!(drawn.load(Ordering::Relaxed), 0, "drawn before anybody asked");
    let mut answered = 0;
    let mut most_ahead = 0;
    while outcomes.try_next().await?.is_some() {
        most_ahead = most_ahead.max(drawn.load(Ordering::Relaxed) - answered);
        answered += 1;
    }
    assert_eq!(answered, u64::from(COUNT));
    assert!(most_ahead <= RUN_AHEAD, "{most_ahead} requests were drawn before their turn");
    let table = Request::unnamed(30).with_header(&NdMsg { family: 7, ..NdMsg::default() });
    let permanent = |message: MessageRef<'_>| {
        let (header, attrs) = message.header::<NdMsg>()?;
        let mac = attrs.find(2)?.map(|mac| mac.value().starts_with(&[2, 0, 0]));
        Ok((header.state == 0x80 && mac == Some(true)).then_some(()))
    };
    assert_eq!(conn.dump(table, permanent).collect_all().await?.len(), COUNT as usize);
    Ok(())
}

#[nl_testkit::test]
async fn if_all_fail_none_is_lost(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await;
    let outcomes: Vec<_> = conn.batch((0..5000).map(|i| delete_link(&format!("none{i}")))).collect().await;
    assert_eq!(outcomes.len(), 5000);
    for (i, outcome) in outcomes.into_iter().enumerate() {
        assert_eq!(outcome.unwrap_err().to_string(), format!("change link none{i}: No such device (ENODEV)"));
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "bridge"))]
async fn behind_the_first_failure_nothing_is_sent_when_asked_so(lab: Lab) -> Result {
    let (node, index) = bridge(&lab).await?;
    let conn = route(&node).await;
    for (round, bad) in [Plan::NoDevice, Plan::Refused, Plan::TooLarge].into_iter().enumerate() {
        let first = u32::try_from(round * 100)?;
        let plans = (first..).zip([Plan::Good, Plan::Good, bad, Plan::Good, Plan::Good]);
        let requests = plans.map(|(number, plan)| plan.request(index, number));
        let outcomes: Vec<_> = conn.batch(requests).stop_at_first_failure().collect().await;
        assert!(matches!(outcomes.as_slice(), [Ok(_), Ok(_), Err(_)]), "{bad:?}: {outcomes:?}");
        bad.check(first + 2, &outcomes[2]);
    }
    assert_eq!(fdb_numbers(&node, "br0").await, [0, 1, 100, 101, 200, 201]);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "bridge"))]
async fn an_oversize_request_in_a_batch_fails_alone(lab: Lab) -> Result {
    let (node, index) = bridge(&lab).await?;
    let plans = [Plan::Good, Plan::TooLarge, Plan::Good];
    let requests = (0..).zip(plans).map(|(number, plan)| plan.request(index, number));
    let outcomes: Vec<_> = route(&node).await.batch(requests).collect().await;
    for ((number, plan), outcome) in (0..).zip(plans).zip(&outcomes) {
        plan.check(number, outcome);
    }
    assert_eq!(fdb_numbers(&node, "br0").await, [0, 2]);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "bridge"))]
async fn a_request_of_many_kilobytes_goes_out_in_a_datagram_of_its_own(lab: Lab) -> Result {
    let (node, index) = bridge(&lab).await?;
    let large = move |number| {
        let mut request = new_fdb(index, number);
        request.attrs().bytes(1000, &[0; 65_000]).bytes(1000, &[0; 65_000]);
        request
    };
    let requests =
        (0..6).map(move |number| if number % 2 == 0 { large(number) } else { new_fdb(index, number) });
    assert_eq!(route(&node).await.batch(requests).summarize(6).await?.into_result()?, 6);
    assert_eq!(fdb_numbers(&node, "br0").await, [0, 1, 2, 3, 4, 5]);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge"))]
async fn a_summary_counts_all_and_keeps_the_first_failures_with_their_positions(lab: Lab) -> Result {
    let (node, index) = bridge(&lab).await?;
    let plan = |number| if number % 10 == 7 { Plan::NoDevice } else { Plan::Good };
    let requests = (0..1000).map(move |number| plan(number).request(index, number));
    let summary = route(&node).await.batch(requests).summarize(3).await?;
    assert_eq!((summary.succeeded, summary.failed), (900, 100));
    let positions: Vec<_> = summary.failures.iter().map(|(position, _)| *position).collect();
    assert_eq!(positions, [7, 17, 27]);
    assert!(summary.into_result().unwrap_err().to_string().starts_with("add fdb on #1000007: "));
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "bridge"))]
async fn a_dropped_batch_sends_no_more(lab: Lab) -> Result {
    let (node, index) = bridge(&lab).await?;
    let conn = route(&node).await;
    let mut outcomes = conn.batch((0..10_000).map(|number| new_fdb(index, number)));
    outcomes.try_next().await?;
    drop(outcomes);
    let made = fdb_numbers(&node, "br0").await.len() as u64;
    assert!((1..=RUN_AHEAD).contains(&made), "{made} were made");
    Ok(())
}

#[nl_testkit::test]
async fn a_fence_the_kernel_does_not_answer_times_out_for_all_that_wait(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await.with_timeout(Duration::from_millis(20));
    // A dump is never acknowledged, and so is wrong as the last of a batch.
    let dump = Request::unnamed(RTM_GETLINK).with_flags(NLM_F_DUMP).with_header(&IfInfoMsg::default());
    let requests = [delete_link("none"), dump];
    let outcomes: Vec<_> = within(SOON, conn.batch(requests).collect(), "the time limit").await;
    let [refused, unanswered] =
        outcomes.into_iter().map(nl_core::Result::unwrap_err).collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(refused.errno(), Some(Errno::ENODEV));
    assert!(unanswered.is_timeout(), "{unanswered}");
    Ok(())
}

#[nl_testkit::test]
async fn outcomes_that_are_not_known_all_say_why(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await.with_timeout(Duration::from_millis(20));
    let get = |flags| {
        Request::unnamed(RTM_GETLINK)
            .with_flags(flags)
            .with_header(&IfInfoMsg { index: 1, ..IfInfoMsg::default() })
    };
    let outcomes: Vec<_> =
        within(SOON, conn.batch([get(0), get(0), get(NLM_F_DUMP)]).collect(), "the time limit").await;
    let texts: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap_err().to_string()).collect();
    assert_eq!(texts, ["netlink request of type 18: no answer within 20ms"; 3]);
    Ok(())
}
