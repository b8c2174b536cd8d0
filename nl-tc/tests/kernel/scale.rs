//! Thousands of classes in a batch: added, listed, changed and deleted, and counted by `tc`.
//!
//! A hundred per qdisc, because for each class that is added or deleted the kernel visits all others of the qdisc.

use std::hash::{BuildHasher, RandomState};

use futures_util::StreamExt;
use nl_tc::class::{Class, ClassConfig};
use nl_tc::hfsc::{HfscClassConfig, HfscConfig};
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::qdisc::{Qdisc, QdiscConfig};
use nl_tc::{Rate, Tc, TcHandle, TcObject, TcVerb};
use nl_testkit::{Lab, Node, Result, scaled};

use crate::support::{DEV, QDISC, classes, lines, wired};

const PER_QDISC: u64 = 100;

/// By number from 0 on: a class in the qdisc of a class of the root qdisc.
fn handle(number: u64) -> TcHandle {
    let of = |n: u64| u16::try_from(n).unwrap();
    TcHandle::new(0x100 + of(number / PER_QDISC), 1 + of(number % PER_QDISC))
}

/// In full qdiscs, at least two of them.
fn many(count: u32) -> u64 {
    u64::from(scaled(count, 1)).next_multiple_of(PER_QDISC).max(2 * PER_QDISC)
}

async fn batch(tc: &Tc, changes: impl Iterator<Item = (TcVerb, TcObject)>, count: u64) {
    let mut results = tc.batch(changes);
    let mut done = 0;
    while let Some(result) = results.next().await {
        result.unwrap();
        done += 1;
    }
    assert_eq!(done, count);
}

/// The configuration of a class, and the expected output of `tc`, by its rate in kbit/s.
struct Kind<C, W> {
    qdisc: QdiscConfig,
    config: C,
    words: W,
}

impl<C: Fn(u64) -> ClassConfig, W: Fn(u64) -> String> Kind<C, W> {
    async fn through_their_lives(&self, node: &Node, tc: &Tc, count: u64) -> Result {
        let index = tc.connection().link_index(DEV).await?;
        tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(self.qdisc.clone()).await?;
        let frame = (0..count / PER_QDISC).flat_map(|number| {
            let at = QDISC.class(handle(number * PER_QDISC).major());
            let class = Class::new(index, at, (self.config)(1001));
            let qdisc = Qdisc::new(index, at, self.qdisc.clone());
            let qdisc = qdisc.handle(handle(number * PER_QDISC).qdisc());
            [(TcVerb::Add, class.into()), (TcVerb::Add, qdisc.into())]
        });
        batch(tc, frame, 2 * count / PER_QDISC).await;
        let before = lines(node, "class show dev eth0").await;

        let some = RandomState::new().hash_one(count) % count;
        // Odd, so that `tc` shows each in kbit.
        let rates = [|number| 1001 + 2 * number, |number| 3001 + 2 * number];
        for (verb, rate) in [TcVerb::Add, TcVerb::Change].into_iter().zip(rates) {
            let class = |number| Class::new(index, handle(number), (self.config)(rate(number)));
            batch(tc, (0..count).map(|number| (verb, class(number).into())), count).await;
            let shown = lines(node, "class show dev eth0").await;
            assert_eq!(shown.len() as u64, before.len() as u64 + count);
            let (begin, expected) = (format!(" {} ", handle(some)), (self.words)(rate(some)));
            let line = shown.iter().find(|line| line.contains(&begin)).unwrap();
            assert!(line.contains(&expected), "{verb}: {line}\nexpected {expected}");
            let listed = classes(tc).await;
            assert_eq!(listed.len(), shown.len());
            let found = listed.iter().find(|class| class.handle == handle(some)).unwrap();
            assert!(class(some).config.is_met_by(&found.config), "{verb}: {found}");
        }
        let delete = |number| (TcVerb::Delete, Class::at(index, handle(number)).into());
        batch(tc, (0..count).map(delete), count).await;
        assert_eq!(lines(node, "class show dev eth0").await, before);
        Ok(())
    }
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"), timeout = 120)]
async fn batch_handles_thousands_of_htb_classes(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let kind = Kind {
        qdisc: HtbConfig::new().into(),
        config: |rate| HtbClassConfig::new(Rate::kbit(rate)).quantum(2000_u32).into(),
        words: |rate| format!(" rate {rate}Kbit ceil {rate}Kbit "),
    };
    kind.through_their_lives(&node, &tc, many(10_000)).await
}

#[nl_testkit::test(needs(qdisc = "hfsc", tool = "tc"), timeout = 120)]
async fn batch_handles_thousands_of_hfsc_classes(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let kind = Kind {
        qdisc: HfscConfig::new().into(),
        config: |rate| HfscClassConfig::new().service(Rate::kbit(rate)).into(),
        words: |rate| format!(" sc m1 0bit d 0us m2 {rate}Kbit"),
    };
    kind.through_their_lives(&node, &tc, many(5_000)).await
}
