//! Every verb, and the options that all kinds have.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::differences::{self, Difference, NOT_MARKED};
use super::{CLASS, DEV, Habit, Line, QDISC, shape};
use futures_util::TryStreamExt;
use nl_core::Request;
use nl_core::message::{NLM_F_ACK, NLM_F_DUMP};
use nl_tc::class::{Class, ClassFilter};
use nl_tc::drr::DrrClassConfig;
use nl_tc::ets::EtsClassConfig;
use nl_tc::filter::{Filter, IPV4, Matchall, U32, U32Key, list_request};
use nl_tc::hfsc::HfscClassConfig;
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::leaf::{Clsact, FqCodelConfig, PfifoConfig};
use nl_tc::qdisc::{Qdisc, QdiscFilter};
use nl_tc::qfq::QfqClassConfig;
use nl_tc::stats::Estimator;
use nl_tc::{Rate, SizeTable, Tc, TcHandle, TcVerb};

pub(crate) type Sending<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A line, and the call of the handle for it, if there is one.
pub(crate) struct VerbLine {
    pub(crate) line: Line,
    pub(crate) handle: Option<for<'a> fn(&'a Tc) -> Sending<'a>>,
}

impl VerbLine {
    /// The line for a `tc` with this habit.
    fn but(mut self, habit: Habit, difference: Difference) -> Self {
        self.line.of_habits.push((habit, difference));
        self
    }

    fn new(
        flags: u16,
        command: &str,
        kind: &str,
        ours: fn(u32) -> Request,
        on_purpose: &[Difference],
        handle: Option<for<'a> fn(&'a Tc) -> Sending<'a>>,
    ) -> Self {
        let mut on_purpose = on_purpose.to_vec();
        let tables = command.contains(" htb rate ");
        if tables {
            on_purpose.extend(differences::of_class("htb", ""));
        }
        let line = Line {
            command: format!("tc {command}"),
            shape: shape::of(kind),
            ours: Box::new(move |index| ours(index).with_flags(flags)),
            on_purpose,
            of_habits: Vec::new(),
            tables: &[],
            stored: !tables,
        };
        Self { line, handle }
    }
}

/// `line!("qdisc del …" "htb", |index| request, |tc| verb; differences)`: an acknowledged request, or a list.
macro_rules! line {
    (list $($rest:tt)*) => { line!(@ NLM_F_DUMP, $($rest)*) };
    (@ $flags:expr, $command:literal $kind:literal, $codec:expr, none; $differences:expr) => {
        VerbLine::new($flags, $command, $kind, $codec, $differences, None)
    };
    (@ $flags:expr, $command:literal $kind:literal, $codec:expr, |$tc:ident| $verb:expr; $differences:expr) => {
        VerbLine::new($flags, $command, $kind, $codec, $differences, Some(|$tc| {
            Box::pin(async move { drop($verb.await) })
        }))
    };
    ($($rest:tt)*) => { line!(@ NLM_F_ACK, $($rest)*) };
}

pub(crate) fn lines() -> Vec<VerbLine> {
    [qdiscs(), classes(), filters()].into_iter().flatten().collect()
}

fn qdiscs() -> Vec<VerbLine> {
    vec![
        line!("qdisc replace dev eth0 root handle 1: htb default 20" "htb",
            |index| qdisc(index, HtbConfig::new().default_class(0x20)).request(TcVerb::Replace),
            |tc| tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).replace(HtbConfig::new().default_class(0x20));
            NOT_MARKED),
        line!("qdisc add dev eth0 root pfifo limit 10" "pfifo",
            |index| Qdisc::new(index, TcHandle::ROOT, PfifoConfig::new().limit(10)).request(TcVerb::Add),
            |tc| tc.qdisc(DEV, TcHandle::ROOT).add(PfifoConfig::new().limit(10)); &[]),
        line!("qdisc add dev eth0 parent 1:10 handle 2: pfifo" "pfifo",
            |index| Qdisc::new(index, CLASS, PfifoConfig::new()).handle(LEAF).request(TcVerb::Add),
            |tc| tc.qdisc(DEV, CLASS).handle(LEAF).add(PfifoConfig::new()); &[]),
        line!("qdisc change dev eth0 parent 1:10 handle 2: fq_codel limit 10" "fq_codel",
            |index| Qdisc::new(index, CLASS, FqCodelConfig::new().limit(10)).handle(LEAF).request(TcVerb::Change),
            |tc| tc.qdisc(DEV, CLASS).handle(LEAF).change(FqCodelConfig::new().limit(10)); NOT_MARKED),
        line!("qdisc add dev eth0 root handle 1: estimator 250ms 2s htb" "htb",
            |index| qdisc(index, HtbConfig::new()).estimator(estimator(250, 2000)).request(TcVerb::Add),
            |tc| tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).estimator(estimator(250, 2000)).add(HtbConfig::new());
            NOT_MARKED),
        line!("qdisc add dev eth0 root handle 1: stab overhead 10 mpu 64 htb default 20" "htb",
            |index| {
                qdisc(index, HtbConfig::new().default_class(0x20)).stab(stab()).request(TcVerb::Add)
            },
            |tc| {
                let entry = tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).stab(stab());
                entry.add(HtbConfig::new().default_class(0x20))
            };
            &[NOT_MARKED[0], differences::STAB]),
        line!("qdisc add dev eth0 ingress_block 7 egress_block 8 clsact" "clsact",
            |index| {
                let mut qdisc = Qdisc::new(index, TcHandle::CLSACT, Clsact);
                (qdisc.ingress_block, qdisc.egress_block) = (Some(7), Some(8));
                qdisc.request(TcVerb::Add)
            },
            |tc| tc.qdisc(DEV, TcHandle::CLSACT).ingress_block(7).egress_block(8).add(Clsact); &[]),
        line!("qdisc del dev eth0 root" "",
            |index| Qdisc::at(index, TcHandle::ROOT).request(TcVerb::Delete),
            |tc| tc.qdisc(DEV, TcHandle::ROOT).delete(); &[]),
        line!("qdisc del dev eth0 parent 1:10 handle 2:" "",
            |index| Qdisc::at(index, CLASS).handle(LEAF).request(TcVerb::Delete),
            |tc| tc.qdisc(DEV, CLASS).handle(LEAF).delete(); &[]),
        line!("qdisc del dev eth0 clsact" "",
            |index| Qdisc::at(index, TcHandle::CLSACT).request(TcVerb::Delete),
            |tc| tc.qdisc(DEV, TcHandle::CLSACT).delete(); WHATEVER_IS_THERE),
        line!(list "qdisc show" "", |_| QdiscFilter::default().list_request(),
            |tc| async { tc.qdiscs().list().await?.try_collect::<Vec<_>>().await }; &[]),
        line!(list "qdisc show dev eth0" "", |index| on(index).list_request(),
            |tc| async { tc.qdiscs().dev(DEV).list().await?.try_collect::<Vec<_>>().await }; &[]),
        line!(list "qdisc show dev eth0 invisible" "",
            |index| {
                let mut filter = on(index);
                filter.invisible = true;
                filter.list_request()
            },
            |tc| async { tc.qdiscs().dev(DEV).invisible().list().await?.try_collect::<Vec<_>>().await }; &[]),
        line!(list "qdisc show dev eth0 parent 1:10" "",
            |index| {
                let mut filter = on(index);
                filter.parent = Some(CLASS);
                filter.list_request()
            },
            |tc| async { tc.qdiscs().dev(DEV).parent(CLASS).list().await?.try_collect::<Vec<_>>().await }; &[])
        .but(Habit::ListsAll, ("tcmsg.parent", FILTERED)),
        line!(list "qdisc show dev eth0 handle 1:" "",
            |index| {
                let mut filter = on(index);
                filter.handle = Some(QDISC);
                filter.list_request()
            },
            |tc| async { tc.qdiscs().dev(DEV).handle(QDISC).list().await?.try_collect::<Vec<_>>().await };
            &[])
        .but(Habit::ListsAll, ("tcmsg.handle", FILTERED)),
    ]
}

fn classes() -> Vec<VerbLine> {
    vec![
        line!("class add dev eth0 parent 1: classid 1:10 htb rate 1mbit" "htb",
            |index| Class::new(index, CLASS, mbit(1)).request(TcVerb::Add),
            |tc| tc.class(DEV, CLASS).add(mbit(1)); &[]),
        line!("class add dev eth0 parent 1:1 classid 1:10 htb rate 1mbit" "htb",
            |index| Class::new(index, CLASS, mbit(1)).parent(QDISC.class(1)).request(TcVerb::Add), none; &[]),
        line!("class replace dev eth0 parent 1: classid 1:10 htb rate 1mbit" "htb",
            |index| Class::new(index, CLASS, mbit(1)).parent(QDISC).request(TcVerb::Replace),
            |tc| tc.class(DEV, CLASS).parent(QDISC).replace(mbit(1)); &[REPLACE]),
        line!("class change dev eth0 classid 1:10 htb rate 1mbit" "htb",
            |index| Class::new(index, CLASS, mbit(1)).request(TcVerb::Change),
            |tc| tc.class(DEV, CLASS).change(mbit(1)); &[]),
        line!("class add dev eth0 parent 1: classid 1:10 estimator 1sec 8sec htb rate 1mbit" "htb",
            |index| Class::new(index, CLASS, mbit(1)).estimator(estimator(1000, 8000)).request(TcVerb::Add),
            |tc| tc.class(DEV, CLASS).estimator(estimator(1000, 8000)).add(mbit(1)); &[]),
        line!("class add dev eth0 parent 1: classid 1:ffff estimator 8s 100s drr quantum 1500" "drr",
            |index| {
                let class = Class::new(index, QDISC.class(0xffff), DrrClassConfig::new().quantum(1500));
                class.estimator(estimator(8000, 100_000)).request(TcVerb::Add)
            },
            none; NOT_MARKED),
        line!("class change dev eth0 classid 1:10 drr quantum 1500" "drr",
            |index| Class::new(index, CLASS, DrrClassConfig::new().quantum(1500)).request(TcVerb::Change),
            none; NOT_MARKED),
        line!("class replace dev eth0 classid 1:10 qfq weight 10 maxpkt 2048" "qfq",
            |index| Class::new(index, CLASS, QfqClassConfig::new(10).maxpkt(2048)).request(TcVerb::Replace),
            none; REPLACED),
        line!("class replace dev eth0 parent 1:1 classid 1:10 estimator 500ms 2s hfsc sc rate 1mbit" "hfsc",
            |index| {
                let class = Class::new(index, CLASS, HfscClassConfig::new().service(Rate::mbit(1)));
                class.parent(QDISC.class(1)).estimator(estimator(500, 2000)).request(TcVerb::Replace)
            },
            none; REPLACED),
        line!("class change dev eth0 classid 1: hfsc ls rate 1mbit" "hfsc",
            |index| {
                let root = Class::new(index, QDISC, HfscClassConfig::new().link_share(Rate::mbit(1)));
                root.request(TcVerb::Change)
            },
            none; NOT_MARKED),
        line!("class change dev eth0 classid 1:2 ets quantum 1500" "ets",
            |index| Class::new(index, QDISC.class(2), EtsClassConfig::new(1500)).request(TcVerb::Change),
            none; &[]),
        line!("class del dev eth0 classid 1:10" "",
            |index| Class::at(index, CLASS).request(TcVerb::Delete),
            |tc| tc.class(DEV, CLASS).delete(); &[]),
        line!(list "class show dev eth0" "", |index| ClassFilter::new(index).list_request(),
            |tc| async { tc.classes(DEV).list().await?.try_collect::<Vec<_>>().await }; &[]),
        line!(list "class show dev eth0 parent 1:10" "",
            |index| {
                let mut filter = ClassFilter::new(index);
                filter.parent = Some(CLASS);
                filter.list_request()
            },
            |tc| async { tc.classes(DEV).parent(CLASS).list().await?.try_collect::<Vec<_>>().await };
            &[("tcmsg.parent", "the kernel picks the classes of a qdisc; tc filters what it reads")]),
    ]
}

fn filters() -> Vec<VerbLine> {
    vec![
        line!("filter add dev eth0 parent 1: matchall classid 1:10" "matchall",
            |index| Filter::new(index, QDISC, Matchall::new(CLASS)).request(TcVerb::Add),
            |tc| tc.filter(DEV, QDISC).add(Matchall::new(CLASS)); NOT_MARKED),
        line!("filter add dev eth0 parent 1: prio 5 protocol ip u32 match ip dst 192.0.2.7 classid 1:10" "u32",
            |index| {
                let filter = Filter::new(index, QDISC, U32::to([192, 0, 2, 7].into(), CLASS));
                filter.priority(5).protocol(IPV4).request(TcVerb::Add)
            },
            |tc| tc.filter(DEV, QDISC).priority(5).protocol(IPV4).add(U32::to([192, 0, 2, 7].into(), CLASS));
            NOT_MARKED),
        line!("filter add dev eth0 parent 1: prio 5 protocol ip u32 match ip src 10.0.0.0/8 match ip protocol 6 0xff classid 1:10" "u32",
            |index| {
                let source = U32Key::at(12, 0x0a00_0000, 0xff00_0000);
                let tcp = U32Key::at(8, 0x0006_0000, 0x00ff_0000);
                let filter = Filter::new(index, QDISC, U32::new(CLASS, [source, tcp]));
                filter.priority(5).protocol(IPV4).request(TcVerb::Add)
            },
            none; NOT_MARKED),
        line!("filter add dev eth0 parent 1: protocol ipv6 u32 match u32 0 0 flowid 1:10" "u32",
            |index| {
                Filter::new(index, QDISC, U32::all(CLASS)).protocol(nl_tc::filter::IPV6).request(TcVerb::Add)
            },
            none; NOT_MARKED),
        line!("filter replace dev eth0 parent 1: prio 5 handle 1 matchall classid 1:10" "matchall",
            |index| {
                let mut filter = Filter::new(index, QDISC, Matchall::new(CLASS)).priority(5);
                filter.handle = 1;
                filter.request(TcVerb::Replace)
            },
            none; REPLACED),
        line!("filter change dev eth0 parent 1: prio 5 protocol all handle 1 matchall classid 1:10" "matchall",
            |index| {
                let mut filter = Filter::new(index, QDISC, Matchall::new(CLASS)).priority(5);
                filter.handle = 1;
                filter.request(TcVerb::Change)
            },
            none; NOT_MARKED),
        line!("filter del dev eth0 parent 1: prio 5" "",
            |index| Filter::new(index, QDISC, Matchall::new(CLASS)).priority(5).request(TcVerb::Delete),
            |tc| tc.filter(DEV, QDISC).priority(5).delete(); &[]),
        line!("filter del dev eth0 parent 1: prio 5 protocol ip" "",
            |index| {
                let filter = Filter::new(index, QDISC, Matchall::new(CLASS)).priority(5).protocol(IPV4);
                filter.request(TcVerb::Delete)
            },
            |tc| tc.filter(DEV, QDISC).priority(5).protocol(IPV4).delete(); &[]),
        line!(list "filter show dev eth0 parent 1:" "", |index| list_request(index, QDISC),
            |tc| async { tc.filters(DEV, QDISC).list().await?.try_collect::<Vec<_>>().await }; &[]),
        line!(list "filter show dev eth0 ingress" "", |index| list_request(index, TcHandle::CLSACT_INGRESS),
            |tc| async { tc.filters(DEV, TcHandle::CLSACT_INGRESS).list().await?.try_collect::<Vec<_>>().await };
            &[]),
    ]
}

fn qdisc(index: u32, config: HtbConfig) -> Qdisc {
    Qdisc::new(index, TcHandle::ROOT, config).handle(QDISC)
}

fn stab() -> SizeTable {
    SizeTable::new().overhead(10).mpu(64)
}

fn on(index: u32) -> QdiscFilter {
    let mut filter = QdiscFilter::default();
    filter.index = Some(index);
    filter
}

fn mbit(n: u64) -> HtbClassConfig {
    HtbClassConfig::new(Rate::mbit(n))
}

fn estimator(interval: u64, average: u64) -> Estimator {
    Estimator::new(Duration::from_millis(interval), Duration::from_millis(average))
}

const LEAF: TcHandle = TcHandle::new(2, 0);
const FILTERED: &str = "a kernel from 7.2 on filters by it";
const WHATEVER_IS_THERE: &[Difference] = &[
    ("TCA_KIND", "what is in the place goes, clsact or ingress"),
    ("tcmsg.handle", "what is in the place goes; it has no other name"),
];
const REPLACE: Difference = (
    "nlmsg_flags",
    "NLM_F_REPLACE says what is meant; tc says it of qdiscs only, where the kernel asks for it",
);
const REPLACED: &[Difference] = &[NOT_MARKED[0], REPLACE];
