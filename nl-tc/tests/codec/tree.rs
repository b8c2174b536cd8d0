//! Plans, applied to a model of the kernel that refuses what the kernel would refuse.

use std::collections::{BTreeMap, HashSet};

use nl_core::message::MessageRef;
use nl_tc::class::{Class, ClassConfig};
use nl_tc::drr::{DrrClassConfig, DrrConfig};
use nl_tc::ets::{EtsClassConfig, EtsConfig};
use nl_tc::hfsc::{HfscClassConfig, HfscConfig};
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::leaf::{BfifoConfig, FqCodelConfig, PfifoConfig};
use nl_tc::qdisc::{Qdisc, QdiscConfig};
use nl_tc::qfq::{QfqClassConfig, QfqConfig};
use nl_tc::tree::{Plan, Snapshot, Tree};
use nl_tc::{Rate, TcHandle, TcObject, TcVerb};
use proptest::collection::vec;
use proptest::prelude::*;

const ROOT: TcHandle = TcHandle::ROOT;
const ONE: TcHandle = TcHandle::new(1, 0);

/// The qdiscs of a device by parent, and its classes by classid.
#[derive(Clone, Debug, Default)]
struct Kernel {
    qdiscs: BTreeMap<TcHandle, Qdisc>,
    classes: BTreeMap<TcHandle, Class>,
}

impl Kernel {
    fn snapshot(&self) -> Snapshot {
        Snapshot::new(2, self.qdiscs.values().cloned(), self.classes.values().cloned())
    }

    fn named(&self, handle: TcHandle) -> Option<&Qdisc> {
        self.qdiscs.values().find(|qdisc| qdisc.handle == handle)
    }

    fn carry_out(&mut self, plan: &Plan) {
        for (verb, object) in plan.steps() {
            match object {
                TcObject::Class(class) => self.class(*verb, class),
                TcObject::Qdisc(qdisc) => self.qdisc(*verb, qdisc),
                other => panic!("{other:?}"),
            }
        }
    }

    /// As it is read back.
    fn read_qdisc(qdisc: &Qdisc) -> Qdisc {
        let mut request = qdisc.request(TcVerb::Replace);
        let mut read = Qdisc::decode(MessageRef::parse(request.encoded().unwrap()).unwrap()).unwrap();
        match &mut read.config {
            QdiscConfig::Htb(htb) => htb.direct_qlen = htb.direct_qlen.or(Some(1000)),
            QdiscConfig::Ets(ets) => {
                ets.quanta.resize((ets.bands - ets.strict).into(), 1514);
                ets.priomap.resize(16, ets.bands - 1);
            }
            QdiscConfig::FqCodel(fq) => fq.flows = fq.flows.or(Some(1024)),
            _ => {}
        }
        read
    }

    fn qdisc(&mut self, verb: TcVerb, qdisc: &Qdisc) {
        let place = qdisc.parent;
        let there = self.qdiscs.get(&place).cloned();
        match (verb, there) {
            (TcVerb::Delete, Some(there)) => {
                assert_eq!(there.handle, qdisc.handle, "Invalid handle");
                self.remove(place);
            }
            (TcVerb::Change, Some(there)) => {
                assert_eq!((there.handle, there.config.kind()), (qdisc.handle, qdisc.config.kind()));
                assert!(
                    !matches!(qdisc.config.kind(), "htb" | "drr" | "qfq"),
                    "Change operation not supported"
                );
                let mut read = Self::read_qdisc(qdisc);
                if let (QdiscConfig::FqCodel(new), QdiscConfig::FqCodel(old)) =
                    (&mut read.config, &there.config)
                {
                    new.flows = old.flows;
                }
                self.qdiscs.insert(place, read.clone());
                self.bands(&read);
            }
            (TcVerb::Add, None) => self.graft(qdisc),
            (TcVerb::Replace, Some(there)) => {
                assert_ne!(there.handle, qdisc.handle);
                assert!(self.named(qdisc.handle).is_none(), "it would be grafted: {qdisc}");
                self.remove(place);
                self.graft(qdisc);
            }
            (verb, there) => panic!("{verb} {qdisc} where there is {there:?}"),
        }
    }

    fn graft(&mut self, qdisc: &Qdisc) {
        let place = qdisc.parent;
        assert!(place.is_root() || self.classes.contains_key(&place), "Specified class not found: {qdisc}");
        assert!(!self.is_inner(place), "graft on an inner class: {qdisc}");
        assert!(self.named(qdisc.handle).is_none(), "the name is taken: {qdisc}");
        let mut read = Self::read_qdisc(qdisc);
        if read.handle.is_none() {
            read.handle = TcHandle::new(0x8001 + u16::try_from(self.qdiscs.len()).unwrap(), 0);
        }
        self.qdiscs.insert(place, read.clone());
        if read.config.kind() == "hfsc" {
            self.classes.insert(read.handle, Class::new(2, read.handle, HfscClassConfig::new()).parent(ROOT));
        }
        self.bands(&read);
    }

    fn bands(&mut self, qdisc: &Qdisc) {
        let QdiscConfig::Ets(ets) = &qdisc.config else { return };
        self.classes.retain(|handle, _| handle.qdisc() != qdisc.handle);
        for band in 0..u16::from(ets.bands) {
            let handle = qdisc.handle.class(band + 1);
            let quantum = band.checked_sub(ets.strict.into()).map(|at| ets.quanta[usize::from(at)]);
            let config = quantum.map_or(EtsClassConfig::default(), EtsClassConfig::new);
            self.classes.insert(handle, Class::new(2, handle, config).parent(ROOT));
        }
    }

    fn is_inner(&self, class: TcHandle) -> bool {
        class.minor() != 0 && self.classes.values().any(|child| child.parent == class)
    }

    fn remove(&mut self, place: TcHandle) {
        let Some(qdisc) = self.qdiscs.remove(&place) else { return };
        let inside: Vec<_> =
            self.classes.keys().filter(|class| class.qdisc() == qdisc.handle).copied().collect();
        for class in inside {
            self.classes.remove(&class);
            self.remove(class);
        }
    }

    fn class(&mut self, verb: TcVerb, class: &Class) {
        let handle = class.handle;
        let qdisc = self.named(handle.qdisc()).unwrap().clone();
        let there = self.classes.get(&handle).cloned();
        if verb == TcVerb::Delete {
            assert!(there.is_some() && handle.minor() != 0, "{class}");
            assert!(!self.is_inner(handle), "class in use: {class}");
            self.classes.remove(&handle);
            self.remove(handle);
            return;
        }
        let kind = class.config.kind();
        assert_eq!(kind, qdisc.config.kind());
        let mut request = class.request(verb);
        let mut read = Class::decode(MessageRef::parse(request.encoded().unwrap()).unwrap()).unwrap();
        match &mut read.config {
            ClassConfig::Htb(htb) => {
                let QdiscConfig::Htb(on) = &qdisc.config else { panic!() };
                htb.quantum = htb.quantum.or(Some(on.quantum(htb.rate)));
                if let (true, Some(ClassConfig::Htb(old))) =
                    (self.is_inner(handle), there.as_ref().map(|c| &c.config))
                {
                    (htb.prio, htb.quantum) = (old.prio, old.quantum);
                }
            }
            ClassConfig::Drr(drr) => drr.quantum = drr.quantum.or(Some(1514)),
            ClassConfig::Qfq(qfq) => qfq.maxpkt = qfq.maxpkt.or(Some(1514)),
            ClassConfig::Hfsc(new) => {
                if let Some(ClassConfig::Hfsc(old)) = there.as_ref().map(|c| &c.config) {
                    new.real_time = new.real_time.or(old.real_time);
                    new.link_share = new.link_share.or(old.link_share);
                    new.upper_limit = new.upper_limit.or(old.upper_limit);
                }
            }
            _ => {}
        }
        match (verb, there) {
            (TcVerb::Change, Some(there)) => {
                read.parent = there.parent;
                if let (QdiscConfig::Ets(_), ClassConfig::Ets(band)) = (&qdisc.config, &read.config) {
                    let Some(QdiscConfig::Ets(ets)) =
                        self.qdiscs.get_mut(&qdisc.parent).map(|q| &mut q.config)
                    else {
                        panic!()
                    };
                    let at = usize::from(handle.minor()) - 1 - usize::from(ets.strict);
                    ets.quanta[at] = band.quantum.unwrap();
                }
            }
            (TcVerb::Add, None) => {
                assert_ne!(kind, "ets");
                let parent = class.parent;
                if parent == handle.qdisc() {
                    read.parent = if kind == "hfsc" { parent } else { ROOT };
                } else {
                    assert!(self.classes.contains_key(&parent), "no parent: {class}");
                    if kind == "htb" && !self.is_inner(parent) {
                        self.remove(parent);
                    }
                    assert!(!self.qdiscs.contains_key(&parent), "a qdisc on an inner class: {class}");
                    if let Some(ClassConfig::Hfsc(above)) =
                        self.classes.get_mut(&parent).map(|c| &mut c.config)
                    {
                        above.link_share = above.link_share.or(above.real_time);
                    }
                    read.parent = parent;
                }
            }
            (verb, there) => panic!("{verb} {class} where there is {there:?}"),
        }
        self.classes.insert(handle, read);
    }
}

/// Applies the tree, and checks that a second plan is empty.
fn bring_about(kernel: &mut Kernel, tree: &Tree) -> Plan {
    let plan = tree.plan(&kernel.snapshot()).unwrap();
    kernel.carry_out(&plan);
    let again = tree.plan(&kernel.snapshot()).unwrap();
    assert!(again.is_empty(), "first:\n{plan}\nagain:\n{again}\n{kernel:#?}");
    plan
}

fn mbit(n: u64) -> HtbClassConfig {
    HtbClassConfig::new(Rate::mbit(n))
}

fn shop() -> Tree {
    Tree::new()
        .qdisc(ROOT, ONE, HtbConfig::new().default_class(0x20))
        .class(ONE, ONE.class(1), mbit(100))
        .class(ONE.class(1), ONE.class(0x10), mbit(30).ceil(Rate::mbit(100)))
        .class(ONE.class(1), ONE.class(0x20), mbit(10))
        .qdisc(ONE.class(0x10), TcHandle::new(0x10, 0), PfifoConfig::new().limit(100))
}

fn commands(plan: &Plan) -> Vec<String> {
    plan.to_string().lines().map(|line| line.replace(" dev #2", "")).collect()
}

#[test]
fn tree_is_added_top_down_and_deleted_in_one_step() {
    let mut kernel = Kernel::default();
    let plan = bring_about(&mut kernel, &shop());
    assert_eq!(
        commands(&plan),
        [
            "add qdisc root handle 1: htb default 20",
            "add class parent 1: classid 1:1 htb rate 100Mbit",
            "add class parent 1:1 classid 1:10 htb rate 30Mbit ceil 100Mbit",
            "add qdisc parent 1:10 handle 10: pfifo limit 100",
            "add class parent 1:1 classid 1:20 htb rate 10Mbit",
        ]
    );
    let plan = bring_about(&mut kernel, &Tree::new());
    assert_eq!(commands(&plan), ["delete qdisc root handle 1:"]);
    assert!(bring_about(&mut kernel, &Tree::new()).is_empty());
}

#[test]
fn changeable_objects_are_changed() {
    let mut kernel = Kernel::default();
    bring_about(&mut kernel, &shop());
    let other = Tree::new()
        .qdisc(ROOT, ONE, HtbConfig::new().default_class(0x20))
        .class(ONE, ONE.class(1), mbit(100))
        .class(ONE.class(1), ONE.class(0x10), mbit(40).ceil(Rate::mbit(100)))
        .class(ONE.class(1), ONE.class(0x30), mbit(10))
        .qdisc(ONE.class(0x10), TcHandle::new(0x10, 0), PfifoConfig::new().limit(200));
    assert_eq!(
        commands(&bring_about(&mut kernel, &other)),
        [
            "delete class classid 1:20",
            "change class classid 1:10 htb rate 40Mbit ceil 100Mbit",
            "change qdisc parent 1:10 handle 10: pfifo limit 200",
            "add class parent 1:1 classid 1:30 htb rate 10Mbit",
        ]
    );
}

#[test]
fn unchangeable_objects_are_deleted_and_added() {
    let mut kernel = Kernel::default();
    let tree = |curves: HfscClassConfig, parent: u16| {
        Tree::new()
            .qdisc(ROOT, ONE, HfscConfig::new())
            .class(ONE, ONE.class(1), HfscClassConfig::new().link_share(Rate::mbit(9)))
            .class(ONE, ONE.class(2), HfscClassConfig::new().link_share(Rate::mbit(9)))
            .class(ONE.class(parent), ONE.class(3), curves)
    };
    let curves = HfscClassConfig::new().service(Rate::mbit(1)).upper_limit(Rate::mbit(2));
    bring_about(&mut kernel, &tree(curves.clone(), 1));
    // One curve less.
    let plan = bring_about(&mut kernel, &tree(HfscClassConfig::new().service(Rate::mbit(1)), 1));
    assert_eq!(
        commands(&plan),
        ["delete class classid 1:3", "add class parent 1:1 classid 1:3 hfsc sc m2 1Mbit"]
    );
    // One curve more is a change.
    assert_eq!(bring_about(&mut kernel, &tree(curves.clone(), 1)).steps()[0].0, TcVerb::Change);
    // Another parent.
    let plan = bring_about(&mut kernel, &tree(curves, 2));
    assert_eq!(plan.steps().iter().map(|(verb, _)| *verb).collect::<Vec<_>>(), [TcVerb::Delete, TcVerb::Add]);
    // An HTB qdisc replaces it: under another handle in one request, under the same handle in two.
    let plan = bring_about(&mut kernel, &Tree::new().qdisc(ROOT, TcHandle::new(2, 0), HtbConfig::new()));
    assert_eq!(commands(&plan), ["replace qdisc root handle 2: htb"]);
    let plan =
        bring_about(&mut kernel, &Tree::new().qdisc(ROOT, TcHandle::new(2, 0), HtbConfig::new().r2q(5)));
    assert_eq!(commands(&plan), ["delete qdisc root handle 2:", "add qdisc root handle 2: htb r2q 5"]);
}

/// The root class of HFSC can be changed, but not deleted, and no curve can be removed.
#[test]
fn hfsc_root_class_that_loses_a_curve_takes_a_new_qdisc() {
    let mut kernel = Kernel::default();
    let hfsc = || Tree::new().qdisc(ROOT, ONE, HfscConfig::new().default_class(1));
    let curves = HfscClassConfig::new;
    let plain = hfsc().class(ONE, ONE.class(1), curves().link_share(Rate::mbit(1)));
    let own = plain.clone().class(ONE, ONE, curves().service(Rate::mbit(9)));
    bring_about(&mut kernel, &plain);
    assert_eq!(commands(&bring_about(&mut kernel, &own)), ["change class classid 1: hfsc sc m2 9Mbit"]);
    let fewer = plain.clone().class(ONE, ONE, curves().link_share(Rate::mbit(9)));
    for tree in [fewer, plain] {
        let plan = bring_about(&mut kernel, &tree);
        let begin = ["delete qdisc root handle 1:", "add qdisc root handle 1: hfsc default 1"];
        assert_eq!(commands(&plan)[..2], begin);
    }
}

#[test]
fn ets_bands_are_changed_and_never_added() {
    let mut kernel = Kernel::default();
    let tree = Tree::new()
        .qdisc(ROOT, ONE, EtsConfig::new(4).strict(1).quanta([2000]))
        .class(ONE, ONE.class(3), EtsClassConfig::new(5000))
        .qdisc(ONE.class(1), TcHandle::new(0x10, 0), PfifoConfig::new().limit(3));
    let plan = bring_about(&mut kernel, &tree);
    assert_eq!(plan.steps()[1].0, TcVerb::Change);
    assert_eq!(plan.steps().len(), 3);
    // A change of the qdisc resets the quantum of the class.
    let other = Tree::new()
        .qdisc(ROOT, ONE, EtsConfig::new(3).strict(1).quanta([2000]))
        .class(ONE, ONE.class(3), EtsClassConfig::new(5000))
        .qdisc(ONE.class(1), TcHandle::new(0x10, 0), PfifoConfig::new().limit(3));
    let plan = bring_about(&mut kernel, &other);
    assert_eq!(plan.steps().iter().map(|(verb, _)| *verb).collect::<Vec<_>>(), [TcVerb::Change; 2]);
    let fewer = Tree::new().qdisc(ROOT, ONE, EtsConfig::new(3).strict(1).quanta([2000]));
    assert_eq!(commands(&bring_about(&mut kernel, &fewer)), ["delete qdisc parent 1:1 handle 10:"]);
}

#[test]
fn invalid_tree_is_refused() {
    let none = Snapshot::new(2, [], []);
    let root = || Tree::new().qdisc(ROOT, ONE, HtbConfig::new());
    let one = |minor| ONE.class(minor);
    let pfifo = PfifoConfig::new;
    for (tree, why) in [
        (Tree::new().qdisc(one(1), ONE, pfifo()), "a qdisc on class 1:1, which is not in the tree"),
        (Tree::new().class(ONE, one(1), mbit(1)), "class 1:1 in qdisc 1:, which is not in the tree"),
        (root().qdisc(ROOT, TcHandle::new(2, 0), pfifo()), "two qdiscs on root"),
        (root().class(one(9), one(1), mbit(1)), "class 1:1 under 1:9, which is not in the tree"),
        (root().class(ONE, one(1), mbit(1)).class(ONE, one(1), mbit(1)), "two classes with the classid 1:1"),
        (
            root()
                .class(ONE, one(1), mbit(1))
                .class(ONE, one(2), mbit(1))
                .qdisc(one(2), TcHandle::new(2, 0), HtbConfig::new())
                .class(one(1), TcHandle::new(2, 1), mbit(1)),
            "class 2:1 under 1:1, which is in another qdisc",
        ),
        (root().class(ONE, one(1), DrrClassConfig::new()), "class 1:1 is drr, but qdisc 1: is htb"),
        (
            root().class(ONE, one(1), mbit(1)).class(one(1), one(2), mbit(1)).qdisc(
                one(1),
                TcHandle::new(2, 0),
                pfifo(),
            ),
            "a qdisc on class 1:1, which has children",
        ),
        (root().class(ONE, one(1), mbit(1)).qdisc(one(1), ONE, pfifo()), "two qdiscs with the handle 1:"),
        (root().class(one(2), one(1), mbit(1)).class(one(1), one(2), mbit(1)), "1:1 is its own ancestor"),
        (root().class(ONE, one(1), mbit(1).prio(8)), "prio 8; 0 to 7 are possible"),
        (
            Tree::new().qdisc(ROOT, ONE, EtsConfig::new(2).quanta([2000])).class(
                ONE,
                one(1),
                EtsClassConfig::new(2000),
            ),
            "the quantum of 1:1 is set twice, in its qdisc and in the class",
        ),
    ] {
        let error = tree.plan(&none).unwrap_err();
        assert!(error.to_string().ends_with(why), "{error}\nexpected: {why}");
    }
}

/// The time grows with the size of the tree, not with its square.
#[test]
fn large_tree_is_planned_quickly() {
    let begin = std::time::Instant::now();
    let qdisc = |minor| TcHandle::new(minor + 1, 0);
    let tree = |rate| {
        let mut tree = Tree::new().qdisc(ROOT, ONE, HtbConfig::new()).class(ONE, ONE.class(1), mbit(1000));
        for minor in 2..10_000 {
            tree = tree.class(ONE.class(1), ONE.class(minor), mbit(rate));
            tree = tree.qdisc(ONE.class(minor), qdisc(minor), PfifoConfig::new().limit(10));
        }
        tree
    };
    let mut snapshot = Vec::new();
    let plan = tree(1).plan(&Snapshot::new(2, [], [])).unwrap();
    assert_eq!(plan.steps().len(), 2 + 2 * 9998);
    let mut qdiscs = Vec::new();
    for (_, object) in plan {
        match object {
            TcObject::Class(mut class) => {
                if class.parent == ONE {
                    class.parent = ROOT;
                }
                let mut request = class.request(TcVerb::Replace);
                let read = Class::decode(MessageRef::parse(request.encoded().unwrap()).unwrap()).unwrap();
                snapshot.push(read);
            }
            TcObject::Qdisc(qdisc) => qdiscs.push(Kernel::read_qdisc(&qdisc)),
            other => panic!("{other:?}"),
        }
    }
    let plan = tree(2).plan(&Snapshot::new(2, qdiscs, snapshot)).unwrap();
    assert_eq!(plan.steps().len(), 9998);
    assert!(plan.steps().iter().all(|(verb, _)| *verb == TcVerb::Change));
    assert!(begin.elapsed() < std::time::Duration::from_secs(5), "{:?}", begin.elapsed());
}

/// The default qdiscs of the kernel have no handles, and a tree ignores them.
#[test]
fn default_qdiscs_are_ignored() {
    let own = Qdisc::new(2, ROOT, PfifoConfig::new());
    assert!(Tree::new().plan(&Snapshot::new(2, [own], [])).unwrap().is_empty());
}

fn leaf() -> impl Strategy<Value = (u16, QdiscConfig)> {
    let config = prop_oneof![
        (1..3_u32).prop_map(|limit| PfifoConfig::new().limit(limit).into()),
        (1..3_u32).prop_map(|limit| BfifoConfig::new().limit(limit).into()),
        (1..3_u32).prop_map(|flows| FqCodelConfig::new().flows(flows).into()),
        (1..3_u32, 1..=u32::MAX)
            .prop_map(|(flows, limit)| FqCodelConfig::new().flows(flows).limit(limit).into()),
        Just(DrrConfig::new().into()),
        (1..3_u32).prop_map(|r2q| HtbConfig::new().r2q(r2q).into()),
    ];
    (0..6_u16, config)
}

fn curves() -> impl Strategy<Value = HfscClassConfig> {
    (1..4_u64, 0..4_u8).prop_map(|(n, which)| {
        let (config, rate) = (HfscClassConfig::new(), Rate::mbit(n));
        match which {
            0 => config.real_time(rate),
            1 => config.link_share(rate),
            2 => config.service(rate),
            _ => config.service(rate).upper_limit(Rate::mbit(9)),
        }
    })
}

/// Trees with few handles, so that two of them have much in common.
fn any_tree() -> impl Strategy<Value = Tree> {
    let classes = vec((0..7_usize, 1..8_u16, 1..4_u64, 0..3_u32, curves(), prop::option::of(leaf())), 0..8);
    (0..4_u8, 1..3_u16, 1..3_u32, classes).prop_map(|(kind, major, r2q, classes)| {
        let qdisc = TcHandle::new(major, 0);
        let mut tree = match kind {
            0 => Tree::new().qdisc(ROOT, qdisc, HtbConfig::new().r2q(r2q)),
            1 => Tree::new().qdisc(ROOT, qdisc, HfscConfig::new().default_class(u16::try_from(r2q).unwrap())),
            2 => Tree::new().qdisc(ROOT, qdisc, DrrConfig::new()),
            _ => Tree::new().qdisc(ROOT, qdisc, QfqConfig::new()),
        };
        let (mut names, mut inner, mut used) = (vec![qdisc], HashSet::new(), HashSet::new());
        let mut leaves = Vec::new();
        for (at, minor, rate, prio, curves, leaf) in classes {
            let handle = qdisc.class(minor);
            if names.contains(&handle) {
                continue;
            }
            let parent = if kind < 2 { names[at % names.len()] } else { qdisc };
            inner.insert(parent);
            names.push(handle);
            tree = match kind {
                0 => tree.class(parent, handle, mbit(rate).prio(prio)),
                1 => tree.class(parent, handle, curves),
                2 => tree.class(parent, handle, DrrClassConfig::new().quantum(1000 + prio)),
                _ => tree.class(parent, handle, QfqClassConfig::new(1 + prio).maxpkt(2000)),
            };
            if let Some((name, config)) = leaf {
                leaves.push((handle, name, config));
            }
        }
        for (class, name, config) in leaves {
            // With 0 the kernel chooses a handle. The others are few, and above those of the root qdiscs.
            let handle = if name == 0 { TcHandle::NONE } else { TcHandle::new(0x10 + name, 0) };
            if inner.contains(&class) || !(handle.is_none() || used.insert(handle)) {
                continue;
            }
            let kind = config.kind().to_owned();
            tree = tree.qdisc(class, handle, config);
            if kind == "drr" && !handle.is_none() {
                tree = tree.class(handle, handle.class(1), DrrClassConfig::new());
            }
        }
        tree
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn plan_leads_from_any_tree_to_any_other(trees in vec(any_tree(), 1..5)) {
        let mut kernel = Kernel::default();
        for tree in &trees {
            let plan = bring_about(&mut kernel, tree);
            // No step is repeated, and nothing is added that was not deleted.
            let mut seen = HashSet::new();
            for (verb, object) in plan.steps() {
                let name = match object {
                    TcObject::Class(class) => (0, class.handle),
                    TcObject::Qdisc(qdisc) => (1, qdisc.parent),
                    _ => unreachable!(),
                };
                prop_assert!(seen.insert((*verb == TcVerb::Delete, name)), "{plan}");
            }
        }
        let plan = bring_about(&mut kernel, &Tree::new());
        prop_assert_eq!(plan.steps().len(), 1);
    }

    /// Flat classes in both trees stay, whatever else changes.
    #[test]
    fn class_in_both_trees_stays(before in vec(1..20_u16, 0..10), after in vec(1..20_u16, 0..10)) {
        let tree = |minors: &[u16], quantum: u32| {
            let mut names: Vec<_> = minors.to_vec();
            names.sort_unstable();
            names.dedup();
            names.iter().fold(Tree::new().qdisc(ROOT, ONE, DrrConfig::new()), |tree, minor| {
                tree.class(ONE, ONE.class(*minor), DrrClassConfig::new().quantum(quantum))
            })
        };
        let mut kernel = Kernel::default();
        bring_about(&mut kernel, &tree(&before, 1000));
        let plan = bring_about(&mut kernel, &tree(&after, 2000));
        let (before, after): (HashSet<_>, HashSet<_>) = (before.into_iter().collect(), after.into_iter().collect());
        // One request for each class that is in either tree.
        prop_assert_eq!(plan.steps().len(), before.union(&after).count());
        let changed = plan.steps().iter().filter(|(verb, _)| *verb == TcVerb::Change).count();
        prop_assert_eq!(changed, before.intersection(&after).count());
    }
}
