//! Operations of several requests over a simulated kernel: with every fault of every answer, and dropped at every await point.

use std::time::Duration;

use nl_core::message::NLM_F_DUMP;
use nl_core::{Connection, Protocol, Request};
use nl_tc::action::Action;
use nl_tc::class::Class;
use nl_tc::filter::{Filter, Matchall};
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::leaf::{FqCodelConfig, PfifoConfig};
use nl_tc::qdisc::Qdisc;
use nl_tc::tree::Tree;
use nl_tc::{
    RTM_GETQDISC, RTM_GETTCLASS, RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER, Rate, Tc, TcHandle, TcVerb,
};
use nl_testkit::fault::{
    Answer, Conversation, Operation, Played, each_at_every_await, each_with_every_fault, in_words,
};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_GETTFILTER: u16 = 46;
const DEV: u32 = 5;
const QDISC: TcHandle = TcHandle::new(1, 0);
const CLASS: TcHandle = TcHandle::new(1, 0x10);
const DEADLINE: Duration = Duration::from_secs(20);
/// Where there is a fault, an answer may not come.
const PATIENCE: Duration = Duration::from_millis(20);
/// Of a connection: its own, and those of lists and batches that are kept to be used again.
const SOCKETS: usize = 5;

/// A kernel with `eth0`, on which is HTB with a class and a filter, which carries out whatever it is asked.
fn kernel(request: &[u8]) -> Conversation {
    let short = |at: usize| u16::from_ne_bytes([request[at], request[at + 1]]);
    let (kind, is_dump) = (short(4), short(6) & NLM_F_DUMP == NLM_F_DUMP);
    let object = match kind {
        // `struct ifinfomsg` with an index, and IFLA_IFNAME.
        RTM_GETLINK => Some(
            Answer::new(RTM_NEWLINK, &[&[0, 0, 1, 0][..], &DEV.to_ne_bytes(), &[0; 8]].concat())
                .attr(3, b"eth0\0"),
        ),
        RTM_GETQDISC => Some(report(RTM_NEWQDISC, root().request(TcVerb::Add))),
        // The class itself, which is also the kernel's echo of one that is added.
        RTM_GETTCLASS | RTM_NEWTCLASS => Some(report(RTM_NEWTCLASS, class(CLASS).request(TcVerb::Add))),
        RTM_GETTFILTER => Some(report(RTM_NEWTFILTER, filter().request(TcVerb::Add))),
        _ => None,
    };
    let object = object.map(|object| object.answers(request));
    match is_dump {
        true => {
            let entries = object.into_iter().map(Answer::multi);
            Conversation::of(entries.chain([Answer::done(0).answers(request)]))
        }
        false => Conversation::of(object.into_iter().chain([Answer::ack(request)])),
    }
}

/// The kernel reports an object with the attributes that make it.
fn report(kind: u16, mut request: Request) -> Answer {
    Answer::new(kind, &request.encoded().unwrap()[16..])
}

fn root() -> Qdisc {
    Qdisc::new(DEV, TcHandle::ROOT, HtbConfig::new()).handle(QDISC)
}

/// Under the qdisc, which the kernel reports as the root.
fn class(handle: TcHandle) -> Class {
    Class::new(DEV, handle, mbit(1)).parent(TcHandle::ROOT)
}

fn filter() -> Filter {
    Filter::new(DEV, QDISC, Matchall::new(CLASS)).priority(5).handle(1)
}

fn mbit(rate: u64) -> HtbClassConfig {
    HtbClassConfig::new(Rate::mbit(rate))
}

/// The steps of a plan in words.
async fn steps(plan: nl_core::Pending<nl_tc::tree::Plan>) -> nl_core::Result<String> {
    Ok(plan.await?.to_string())
}

const OPERATIONS: &[Operation<Tc>] = &[
    ("add a qdisc", |tc| in_words(tc.qdisc("eth0", CLASS).add(FqCodelConfig::new()))),
    ("replace a qdisc", |tc| {
        in_words(tc.qdisc("eth0", TcHandle::ROOT).handle(QDISC).replace(HtbConfig::new()))
    }),
    ("read a qdisc", |tc| in_words(tc.qdisc("eth0", TcHandle::ROOT).get())),
    ("delete a qdisc", |tc| in_words(tc.qdisc("eth0", TcHandle::ROOT).delete())),
    ("list qdiscs", |tc| in_words(async move { tc.qdiscs().dev("eth0").list().await?.collect_all().await })),
    ("add a class", |tc| in_words(tc.class("eth0", CLASS).add(mbit(1)))),
    ("change a class", |tc| in_words(tc.class("eth0", CLASS).change(mbit(2)))),
    ("replace a class", |tc| in_words(tc.class("eth0", CLASS).replace(mbit(2)))),
    ("read a class", |tc| in_words(tc.class("eth0", CLASS).get())),
    ("delete a class", |tc| in_words(tc.class("eth0", CLASS).delete())),
    ("list classes", |tc| in_words(async move { tc.classes("eth0").list().await?.collect_all().await })),
    ("add a filter", |tc| in_words(tc.filter("eth0", QDISC).priority(5).add(Matchall::new(CLASS)))),
    ("delete a filter", |tc| in_words(tc.filter("eth0", QDISC).priority(5).delete())),
    ("list filters", |tc| {
        in_words(async move { tc.filters("eth0", QDISC).list().await?.collect_all().await })
    }),
    ("add in a batch", |tc| {
        in_words(async move {
            let changes = [0x20, 0x30].map(|minor| (TcVerb::Add, class(QDISC.class(minor))));
            tc.batch(changes).summarize(1).await?.into_result()
        })
    }),
    ("read a tree", |tc| {
        in_words(async move { Ok::<_, nl_core::Error>(tc.snapshot("eth0").await?.qdiscs().len()) })
    }),
    ("apply another tree", |tc| {
        let tree = Tree::new().qdisc(TcHandle::ROOT, TcHandle::new(2, 0), PfifoConfig::new());
        in_words(steps(tc.apply("eth0", &tree)))
    }),
    ("remove a tree", |tc| {
        let tree = Tree::new().qdisc(TcHandle::ROOT, QDISC, HtbConfig::new());
        in_words(steps(tc.remove("eth0", &tree)))
    }),
    ("change a qdisc", |tc| {
        in_words(tc.qdisc("eth0", TcHandle::ROOT).handle(QDISC).change(HtbConfig::new()))
    }),
    ("change a filter", |tc| {
        in_words(tc.filter("eth0", QDISC).priority(5).handle(1).change(Matchall::new(CLASS)))
    }),
    ("replace a filter", |tc| {
        in_words(tc.filter("eth0", QDISC).priority(5).handle(1).replace(Matchall::new(CLASS)))
    }),
    ("read a filter", |tc| in_words(tc.filter("eth0", QDISC).priority(5).handle(1).get())),
    ("read all filters", |tc| in_words(tc.filters("eth0", QDISC).read_all())),
    ("flush filters", |tc| in_words(tc.filters("eth0", QDISC).flush())),
    ("add an action", |tc| in_words(tc.action(Action::drop().index(7)).add())),
    ("replace an action", |tc| in_words(tc.action(Action::drop().index(7)).replace())),
    ("delete an action", |tc| in_words(tc.action(Action::at("gact", 7)).delete())),
    ("flush actions", |tc| in_words(tc.actions("gact").flush())),
];

fn tc(kernel: &Played) -> Tc {
    let patience = if kernel.has_fault() { PATIENCE } else { DEADLINE };
    let sockets = kernel.clone();
    let builder = Connection::builder(Protocol::Route).sockets_from(move || sockets.socket());
    Tc::new(builder.timeout(patience).open().unwrap())
}

#[tokio::test]
async fn operation_with_any_fault_ends_and_is_no_false_success() {
    each_with_every_fault(OPERATIONS, kernel, |_| None, DEADLINE, tc).await;
}

#[tokio::test]
async fn operation_dropped_at_any_await_leaves_the_connection_usable_and_nothing_else() {
    let works = async |tc: &Tc| assert_eq!(tc.connection().link_index("eth0").await.unwrap(), DEV);
    each_at_every_await(OPERATIONS, kernel, SOCKETS, DEADLINE, tc, works).await;
}
