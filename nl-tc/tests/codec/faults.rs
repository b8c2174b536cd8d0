//! What users found and what must not come back.

use nl_core::message::MessageRef;
use nl_tc::class::Class;
use nl_tc::filter::{Filter, FilterConfig, Matchall};
use nl_tc::hfsc::HfscConfig;
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::leaf::{FqCodelConfig, NetemConfig, TbfConfig};
use nl_tc::qdisc::{Qdisc, QdiscConfig};
use nl_tc::tree::{Snapshot, Tree};
use nl_tc::{Rate, TcHandle, TcVerb};

use crate::{refused, sent};

/// An attribute of the options of a qdisc request, found by its header.
fn option(bytes: &[u8], kind: u16) -> Option<Vec<u8>> {
    let message = MessageRef::parse(bytes).unwrap();
    let (_, attrs) = message.header::<nl_tc::TcMsg>().unwrap();
    let options = attrs.find(2).unwrap().unwrap();
    Some(options.attrs().find(kind).unwrap()?.value().to_vec())
}

/// 40 MB at 100 kbit/s take 3200 s, which no field of ticks holds, but `TCA_TBF_BURST` is in bytes.
#[test]
fn tbf_burst_in_bytes_has_the_limit_of_bytes() {
    let config = TbfConfig::new(Rate::kbit(100), 40_000_000).limit(40_100_000);
    let bytes = sent(Qdisc::new(2, TcHandle::ROOT, config.clone()).request(TcVerb::Add));
    assert_eq!(option(&bytes, 6), Some(40_000_000_u32.to_ne_bytes().to_vec()));
    // As the kernel reports it: 3200 s in ticks of 64 ns, of which 32 bits remain.
    let ticks = u32::try_from((3_200_000_000_000_u64 / 64) & u64::from(u32::MAX)).unwrap();
    let time = std::time::Duration::from_nanos(u64::from(ticks) * 64);
    let mut read = TbfConfig::new(Rate::kbit(100), time).limit(40_100_000);
    assert!(QdiscConfig::from(config.clone()).is_met_by(&read.clone().into()));
    read.limit = Some(1);
    assert!(!QdiscConfig::from(config).is_met_by(&read.into()));
}

/// With the burst as the limit, nothing would wait.
#[test]
fn tbf_without_a_limit_is_refused() {
    let config = TbfConfig::new(Rate::mbit(1), 1500);
    let error = refused(Qdisc::new(2, TcHandle::ROOT, config).request(TcVerb::Add));
    assert!(error.contains("no limit; limit() or latency() is needed"), "{error}");
}

/// With these, every packet is dropped.
#[test]
fn fq_codel_without_room_or_time_is_refused() {
    let zero = std::time::Duration::ZERO;
    for (config, why) in [
        (FqCodelConfig::new().limit(0), "limit 0; 1 to 4294967295 are possible"),
        (FqCodelConfig::new().target(zero), "target 0; 1us is the minimum"),
        (FqCodelConfig::new().interval(zero), "interval 0; 1us is the minimum"),
    ] {
        let error = refused(Qdisc::new(2, TcHandle::ROOT, config).request(TcVerb::Add));
        assert!(error.ends_with(why), "{error}");
    }
    // Every packet over no time at all is marked.
    let mark = FqCodelConfig::new().ce_threshold(zero);
    Qdisc::new(2, TcHandle::ROOT, mark).request(TcVerb::Add).encoded().unwrap();
}

/// Two devices must not have the same random numbers because one was copied from the other.
#[test]
fn netem_seed_is_not_carried_along() {
    let bytes = sent(Qdisc::new(2, TcHandle::ROOT, NetemConfig::new().seed(7)).request(TcVerb::Add));
    assert_eq!(bytes.windows(8).filter(|window| **window == 7_u64.to_ne_bytes()).count(), 1);
    let read = Qdisc::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
    let QdiscConfig::Netem(netem) = &read.config else { panic!("{read:?}") };
    assert_eq!((netem.seed, netem.current_seed), (None, Some(7)));
    assert_eq!(read.to_string(), "qdisc dev #2 root netem limit 1000 seed 7");
    assert!(QdiscConfig::from(NetemConfig::new().seed(7)).is_met_by(&read.config));
    assert!(QdiscConfig::from(NetemConfig::new()).is_met_by(&read.config));
    assert!(!QdiscConfig::from(NetemConfig::new().seed(8)).is_met_by(&read.config));
    let copy = sent(Qdisc::new(3, TcHandle::ROOT, read.config).request(TcVerb::Add));
    assert_eq!(copy, sent(Qdisc::new(3, TcHandle::ROOT, NetemConfig::new()).request(TcVerb::Add)));
}

#[test]
fn root_is_written_as_tc_reads_it() {
    let class = Class::new(2, TcHandle::new(1, 1), HtbClassConfig::new(Rate::mbit(1)));
    let text = class.parent(TcHandle::ROOT).to_string();
    assert_eq!(text, "class dev #2 root classid 1:1 htb rate 1Mbit");
    let filter = Filter::new(2, TcHandle::ROOT, Matchall::new(TcHandle::new(1, 1)));
    assert_eq!(filter.to_string(), "filter dev #2 root protocol all matchall classid 1:1");
    let list = nl_tc::filter::list_request(2, TcHandle::ROOT).describe();
    assert_eq!(list, "list filters dev #2 root");
}

/// `default_class(20)` is decimal where the `default 20` of `tc` is hexadecimal.
#[test]
fn default_class_can_be_given_by_its_classid() {
    let class: TcHandle = "1:20".parse().unwrap();
    assert_eq!(HtbConfig::new().default_classid(class), HtbConfig::new().default_class(0x20));
    assert_eq!(HfscConfig::new().default_classid(class), HfscConfig::new().default_class(0x20));
}

/// The report of a filter of this kind, with these options.
fn filter(kind: &str, options: &dyn Fn(&mut nl_core::attr::AttrWriter<'_>)) -> FilterConfig {
    let mut request = nl_core::Request::unnamed(nl_tc::RTM_NEWTFILTER).with_header(&nl_tc::TcMsg::default());
    let mut w = request.attrs();
    w.str(1, kind);
    options(&mut w.nested_unmarked(2));
    Filter::decode(MessageRef::from(&request)).unwrap().config
}

/// `struct tc_u32_sel` with one key.
fn selector(flags: u8, offmask: u32) -> Vec<u8> {
    let mut sel = vec![flags, 0, 1, 0];
    sel.resize(16, 0);
    sel.extend(
        [0xff; 4].iter().chain(&[192, 0, 2, 1]).chain(&16_i32.to_ne_bytes()).chain(&offmask.to_ne_bytes()),
    );
    sel
}

type More<'a> = &'a dyn Fn(&mut nl_core::attr::AttrWriter<'_>);

/// Written back, whatever is not held would be gone.
#[test]
fn filter_that_its_type_does_not_hold_whole_is_other() {
    let class = TcHandle::new(1, 0x10);
    let whole = filter("u32", &|w| {
        w.bytes(5, &selector(1, 0)).u32(2, 0x8000_0000).u32(1, class.bits()).u32(11, 8).bytes(9, &[0; 24]);
    });
    assert_eq!(whole, nl_tc::filter::U32::to([192, 0, 2, 1].into(), class).into());
    // What it holds is written back.
    let held: [(&str, More<'_>); 5] = [
        ("a link", &|w| {
            w.u32(3, 0x10_0000);
        }),
        ("a device", &|w| {
            w.str(8, "eth0");
        }),
        ("skip_hw", &|w| {
            w.u32(11, 1);
        }),
        ("a table of the user", &|w| {
            w.u32(2, 0x10_0000);
        }),
        ("a bucket", &|w| {
            w.u32(2, 0x8000_1000);
        }),
    ];
    for (what, more) in held {
        let config = filter("u32", &|w| {
            w.bytes(5, &selector(1, 0)).u32(1, class.bits());
            more(w);
        });
        let FilterConfig::U32(_) = &config else { panic!("{what}: {config:?}") };
        assert_ne!(config, whole, "{what}");
        let mut request =
            Filter::new(2, TcHandle::new(1, 0), config.clone()).priority(1).request(TcVerb::Add);
        let again = Filter::decode(MessageRef::parse(request.encoded().unwrap()).unwrap()).unwrap();
        assert_eq!(again.config, config, "{what}");
    }
    let later = filter("u32", &|w| {
        w.bytes(5, &selector(1, 0)).u32(1, class.bits()).u32(99, 0);
    });
    assert!(matches!(later, FilterConfig::Other { .. }), "what a later kernel has: {later:?}");
    let behind = filter("u32", &|w| {
        w.bytes(5, &selector(1, u32::MAX)).u32(1, class.bits());
    });
    let FilterConfig::U32(behind) = behind else { panic!("at nexthdr+16: {behind:?}") };
    assert!(behind.keys[0].nexthdr && behind.keys[0].offset == 16);
    let marked = filter("u32", &|w| {
        w.bytes(5, &selector(1, 0)).u32(1, class.bits()).bytes(10, &[1; 12]);
    });
    let mark = 0x0101_0101;
    assert_eq!(marked, nl_tc::filter::U32::to([192, 0, 2, 1].into(), class).mark(mark, mark).into());
    for (what, sel) in [
        ("some bits of an offset", selector(1, 0xff)),
        ("not terminal", selector(0, 0)),
        ("an offset", selector(1 | 2, 0)),
    ] {
        let config = filter("u32", &|w| {
            w.bytes(5, &sel).u32(1, class.bits());
        });
        assert!(matches!(config, FilterConfig::Other { .. }), "{what}: {config:?}");
    }
    let matchall = |more: u16| {
        filter("matchall", &|w| {
            w.u32(1, class.bits()).u32(3, 8).bytes(4, &[0; 8]).flag(more);
        })
    };
    assert_eq!(matchall(5), Matchall::new(class).into());
    assert!(matches!(matchall(99), FilterConfig::Other { .. }), "what a later kernel has");
}

/// The report of a qdisc of this kind, with these options.
fn qdisc(kind: &str, options: &[u8]) -> QdiscConfig {
    let mut request = nl_core::Request::unnamed(nl_tc::RTM_NEWQDISC).with_header(&nl_tc::TcMsg::default());
    request.attrs().str(1, kind).bytes(2, options);
    Qdisc::decode(MessageRef::from(&request)).unwrap().config
}

#[test]
fn qdisc_that_its_type_does_not_hold_whole_is_other() {
    let attr = |kind: u16, value: &[u8]| {
        let mut buf = nl_core::attr::AttrBuf::new();
        buf.writer().bytes(kind, value);
        buf.finish().unwrap()
    };
    // Slots of a distribution: dist_delay follows the four other fields. They are held, and not written without the distribution,
    // which the kernel does not report.
    let mut slot = [0; 40];
    slot[24] = 1;
    let read = qdisc("netem", &[[0; 24].to_vec(), attr(12, &slot)].concat());
    assert!(matches!(&read, QdiscConfig::Netem(netem) if netem.slot.is_some()), "{read:?}");
    let error = Qdisc::new(2, TcHandle::ROOT, read).request(TcVerb::Add).encoded().unwrap_err().to_string();
    assert!(error.ends_with("need a slot distribution, which the kernel does not report"), "{error}");
    // A peak rate with an overhead of its own.
    let mut parms = [0; 36];
    (parms[1], parms[8], parms[13], parms[20]) = (1, 1, 1, 2);
    assert!(matches!(qdisc("tbf", &attr(1, &parms)), QdiscConfig::Tbf(_)));
    parms[14] = 4;
    assert!(matches!(qdisc("tbf", &attr(1, &parms)), QdiscConfig::Other { .. }));
    parms[20] = 0;
    assert!(matches!(qdisc("tbf", &attr(1, &parms)), QdiscConfig::Tbf(_)));
    // What was read is written back as it was.
    let other =
        qdisc("netem", &[[0; 24].to_vec(), attr(5, &[8, 0, 2, 0, 1, 1, 1, 1]), attr(1, &[1; 12])].concat());
    let QdiscConfig::Other { options, .. } = &other else { panic!("{other:?}") };
    let request = Qdisc::new(2, TcHandle::ROOT, other.clone()).request(TcVerb::Add);
    let bytes = sent(request);
    assert!(bytes.ends_with(options.as_deref().unwrap()), "{bytes:?}");
}

fn attrs(values: &[(u16, u32)]) -> Vec<u8> {
    let mut buf = nl_core::attr::AttrBuf::new();
    let mut w = buf.writer();
    for (kind, value) in values {
        w.u32(*kind, *value);
    }
    buf.finish().unwrap()
}

/// The kernel reports more options than were set.
#[test]
fn qdisc_given_as_bytes_is_met_by_what_the_kernel_reports_of_it() {
    let other = |options: Option<Vec<u8>>| QdiscConfig::Other { kind: "hhf".into(), options };
    let current = other(Some(attrs(&[(1, 5), (2, 6), (3, 7)])));
    for (desired, is_met) in [
        (None, true),
        (Some(attrs(&[])), true),
        (Some(attrs(&[(2, 6)])), true),
        (Some(attrs(&[(3, 7), (1, 5)])), true),
        (Some(attrs(&[(2, 7)])), false),
        (Some(attrs(&[(4, 7)])), false),
    ] {
        assert_eq!(other(desired.clone()).is_met_by(&current), is_met, "{desired:?}");
    }
    // A structure, to which later kernels append.
    let (short, long) = (other(Some(vec![1, 0, 0])), other(Some(vec![1, 0, 0, 9])));
    assert!(short.is_met_by(&long) && !long.is_met_by(&short));
    // A kind without options, of which the options are read as a type.
    assert!(kind("prio").is_met_by(&nl_tc::leaf::PrioConfig::new().into()));
    // As bytes of a kind that is read as a type.
    let bytes = QdiscConfig::Other { kind: "pfifo".into(), options: Some(7_u32.to_ne_bytes().to_vec()) };
    assert!(bytes.is_met_by(&nl_tc::leaf::PfifoConfig::new().limit(7).into()));
    assert!(!bytes.is_met_by(&nl_tc::leaf::PfifoConfig::new().limit(8).into()));
}

const ROOT: TcHandle = TcHandle::ROOT;
const ONE: TcHandle = TcHandle::new(1, 0);
/// The handle of a child.
const CHILD: TcHandle = TcHandle::new(0x110, 0);

fn tbf() -> TbfConfig {
    TbfConfig::new(Rate::mbit(1), std::time::Duration::from_millis(10)).limit(10_000)
}

fn kind(kind: &str) -> QdiscConfig {
    QdiscConfig::Other { kind: kind.to_owned(), options: None }
}

fn steps(tree: &Tree, current: &[Qdisc]) -> Vec<String> {
    let plan = tree.plan(&Snapshot::new(2, current.iter().cloned(), [])).unwrap();
    plan.to_string().lines().map(|line| line.replace(" dev #2", "")).collect()
}

const NOTHING: [String; 0] = [];

/// sqm's simplest: tbf with fq_codel. Its script says `parent 1:`, others say `parent 1:1`.
#[test]
fn tree_has_children_under_any_classful_kind() {
    for parent in [ONE, ONE.class(1)] {
        let tree = Tree::new().qdisc(ROOT, ONE, tbf()).qdisc(parent, CHILD, FqCodelConfig::new());
        let added = steps(&tree, &[]);
        assert_eq!(added[1], format!("add qdisc parent {parent} handle 110: fq_codel"));
        for reported in [ONE, ONE.class(1)] {
            let child = Qdisc::new(2, reported, FqCodelConfig::new().limit(100)).handle(CHILD);
            let current = [Qdisc::new(2, ROOT, tbf()).handle(ONE), child];
            assert_eq!(steps(&tree, &current), NOTHING);
            let other = Tree::new().qdisc(ROOT, ONE, tbf());
            let other = other.qdisc(parent, CHILD, FqCodelConfig::new().limit(7));
            let change = format!("change qdisc parent {reported} handle 110: fq_codel limit 7");
            assert_eq!(steps(&other, &current), [change]);
        }
    }
    // One HTB per queue.
    let htb = |tree: Tree, queue: u16| {
        let handle = TcHandle::new(0x10 + queue, 0);
        let class = HtbClassConfig::new(Rate::mbit(1));
        tree.qdisc(ONE.class(queue), handle, HtbConfig::new()).class(handle, handle.class(1), class)
    };
    let tree = htb(htb(Tree::new().qdisc(ROOT, ONE, kind("mq")), 1), 2);
    assert_eq!(steps(&tree, &[]).len(), 1 + 2 * 2);
    let prio = Tree::new().qdisc(ROOT, ONE, kind("prio")).qdisc(ONE.class(3), CHILD, NetemConfig::new());
    assert_eq!(steps(&prio, &[]).len(), 2);
    let netem = Tree::new().qdisc(ROOT, ONE, NetemConfig::new()).qdisc(ONE.class(1), CHILD, tbf());
    assert_eq!(steps(&netem, &[]).len(), 2);
}

#[test]
fn tree_with_a_child_where_none_can_be_is_refused() {
    let tree = |above: QdiscConfig, parent| Tree::new().qdisc(ROOT, ONE, above).qdisc(parent, CHILD, tbf());
    for (tree, why) in [
        (tree(kind("cake"), ONE.class(1)), "a qdisc below 1:, which is cake and has none below it"),
        (tree(kind("mq"), ONE), "a qdisc on 1:; the number of a band or queue of mq is needed, as in 1:1"),
        (tree(tbf().into(), ONE).qdisc(ONE.class(1), TcHandle::new(9, 0), tbf()), "two qdiscs on 1:1"),
        (
            Tree::new().qdisc(ROOT, CHILD, tbf()).qdisc(ONE, ONE, tbf()),
            "a qdisc on class 1:, which is not in the tree",
        ),
    ] {
        let error = tree.plan(&Snapshot::new(2, [], [])).unwrap_err();
        assert!(error.to_string().ends_with(why), "{error}\nexpected: {why}");
    }
}

/// What is not in the tree is removed, also where no class is listed.
#[test]
fn foreign_qdisc_below_a_qdisc_without_classes_is_removed() {
    for parent in [ONE, ONE.class(1)] {
        let foreign = Qdisc::new(2, parent, kind("fq")).handle(CHILD);
        let current = [Qdisc::new(2, ROOT, tbf()).handle(ONE), foreign];
        let delete = format!("delete qdisc parent {parent} handle 110:");
        // Also below a qdisc whose handle the kernel chose.
        for handle in [ONE, TcHandle::NONE] {
            assert_eq!(
                steps(&Tree::new().qdisc(ROOT, handle, tbf()), &current),
                std::slice::from_ref(&delete)
            );
        }
    }
    let class = Class::new(2, ONE.class(5), HtbClassConfig::new(Rate::mbit(1))).parent(ROOT);
    let htb = Qdisc::new(2, ROOT, HtbConfig::new()).handle(ONE);
    let snapshot = Snapshot::new(2, [htb], [class]);
    let plan = Tree::new().qdisc(ROOT, TcHandle::NONE, HtbConfig::new()).plan(&snapshot).unwrap();
    assert_eq!(plan.to_string(), "delete class dev #2 classid 1:5\n");
}

#[test]
fn leaf_given_as_bytes_settles() {
    let leaf =
        |options: &[(u16, u32)]| QdiscConfig::Other { kind: "hhf".into(), options: Some(attrs(options)) };
    let tree = Tree::new().qdisc(ROOT, ONE, tbf());
    let tree = tree.qdisc(ONE, CHILD, leaf(&[(1, 5)]));
    let reported = leaf(&[(2, 9), (1, 5)]);
    let current = [Qdisc::new(2, ROOT, tbf()).handle(ONE), Qdisc::new(2, ONE, reported).handle(CHILD)];
    assert_eq!(steps(&tree, &current), NOTHING);
}
