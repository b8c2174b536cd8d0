//! Filters, size tables and ingress in trees.

use nl_core::message::MessageRef;
use nl_tc::action::{Action, Mirred};
use nl_tc::class::Class;
use nl_tc::filter::{Filter, FilterConfig, Flower, Fw, Matchall, U32, U32Table};
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::leaf::{Clsact, Ingress, PfifoConfig};
use nl_tc::qdisc::Qdisc;
use nl_tc::tree::{Snapshot, Tree};
use nl_tc::{Rate, SizeTable, TcHandle, TcVerb};

const ROOT: TcHandle = TcHandle::ROOT;
const ONE: TcHandle = TcHandle::new(1, 0);
const A: TcHandle = ONE.class(0xa);
const B: TcHandle = ONE.class(0xb);

fn mbit(rate: u64) -> HtbClassConfig {
    HtbClassConfig::new(Rate::mbit(rate))
}

/// As it is read.
fn class(handle: TcHandle, parent: TcHandle, config: HtbClassConfig) -> Class {
    let quantum = config.quantum.unwrap_or_else(|| HtbConfig::new().quantum(config.rate));
    let mut request = Class::new(2, handle, config.quantum(quantum)).request(TcVerb::Add);
    let read = Class::decode(MessageRef::parse(request.encoded().unwrap()).unwrap()).unwrap();
    read.parent(parent)
}

fn htb() -> Qdisc {
    let mut htb = HtbConfig::new();
    htb.direct_qlen = Some(1000);
    Qdisc::new(2, ROOT, htb).handle(ONE)
}

/// HTB with two classes, and these filters.
fn now(filters: impl IntoIterator<Item = Filter>) -> Snapshot {
    Snapshot::new(2, [htb()], [class(A, ROOT, mbit(1)), class(B, ROOT, mbit(1))]).with_filters(filters)
}

fn tree() -> Tree {
    Tree::new().qdisc(ROOT, ONE, HtbConfig::new()).class(ONE, A, mbit(1)).class(ONE, B, mbit(1))
}

fn fw(handle: u32, class: TcHandle) -> Filter {
    Filter::on(ONE, Fw::new(class)).priority(5).handle(handle)
}

/// As it is read from interface 2.
fn there(mut filter: Filter) -> Filter {
    filter.index = 2;
    filter
}

fn steps(tree: &Tree, now: &Snapshot) -> String {
    tree.plan(now).unwrap().to_string().replace(" dev #2", "")
}

fn refused(tree: &Tree) -> String {
    tree.plan(&now([])).unwrap_err().to_string()
}

#[test]
fn filters_are_added_changed_and_deleted_where_the_tree_has_some() {
    let desired = tree().filter(fw(1, A)).filter(fw(2, B));
    assert_eq!(
        steps(&desired, &now([])),
        "add filter parent 1: protocol all prio 5 handle 0x1 fw classid 1:a\n\
         add filter parent 1: protocol all prio 5 handle 0x2 fw classid 1:b\n"
    );
    assert_eq!(steps(&desired, &now([there(fw(1, A)), there(fw(2, B))])), "");
    assert_eq!(
        steps(&desired, &now([there(fw(1, B)), there(fw(2, B)), there(fw(3, B))])),
        "delete filter parent 1: protocol all prio 5 handle 0x3 fw classid 1:b\n\
         change filter parent 1: protocol all prio 5 handle 0x1 fw classid 1:a\n"
    );
    // Without filters in the tree, others are left alone, unless they must not be there.
    assert_eq!(steps(&tree(), &now([there(fw(3, B))])), "");
    let none = tree().no_other_filters(ONE);
    assert!(steps(&none, &now([there(fw(3, B))])).starts_with("delete filter"));
}

#[test]
fn filter_that_cannot_be_changed_is_added_before_the_old_one_is_deleted() {
    let to = |last, class| Filter::on(ONE, U32::to([192, 0, 2, last].into(), class)).priority(5);
    let old = there(to(1, A).handle(0x8000_0800));
    let plan = steps(&tree().filter(to(2, A)), &now([old.clone()]));
    let verbs: Vec<_> = plan.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(verbs, ["add", "delete"], "{plan}");
    // What is compared stays, so a change is enough.
    let plan = steps(&tree().filter(to(1, B)), &now([old]));
    assert!(plan.starts_with("change filter") && plan.lines().count() == 1, "{plan}");
    // There can be one matchall.
    let all = |class| Filter::on(ONE, Matchall::new(class)).priority(5);
    let plan = tree().filter(all(B)).plan(&now([there(all(A).handle(1))])).unwrap();
    let verbs: Vec<_> = plan.steps().iter().map(|(verb, _)| *verb).collect();
    assert_eq!(verbs, [TcVerb::Delete, TcVerb::Add], "{plan}");
    let gaps: Vec<_> = plan.gaps().iter().map(ToString::to_string).collect();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert!(gaps[0].starts_with("steps 1 to 2: filter dev #2 parent 1: ") && gaps[0].ends_with("is missing"));
}

/// The kernel refuses to delete a class while a filter points to it.
#[test]
fn class_with_a_filter_is_dropped_and_moved() {
    let without = Tree::new().qdisc(ROOT, ONE, HtbConfig::new()).class(ONE, A, mbit(1));
    let plan = steps(&without, &now([there(fw(1, A)), there(fw(2, B))]));
    assert_eq!(
        plan,
        "delete filter parent 1: protocol all prio 5 handle 0x2 fw classid 1:b\ndelete class classid 1:b\n"
    );
    // The filter is added again with its class, whether it is in the tree or not.
    let moved = Tree::new().qdisc(ROOT, ONE, HtbConfig::new()).class(ONE, A, mbit(1)).class(A, B, mbit(1));
    for moved in [moved.clone(), moved.filter(fw(2, B))] {
        let plan = moved.plan(&now([there(fw(2, B))])).unwrap();
        let verbs: Vec<_> = plan.steps().iter().map(|(verb, _)| *verb).collect();
        use TcVerb::{Add, Delete};
        assert_eq!(verbs, [Delete, Delete, Add, Add], "{plan}");
        assert_eq!(plan.gaps().len(), 2, "{:?}", plan.gaps());
    }
}

/// Filters go with their qdisc.
#[test]
fn filters_of_a_replaced_qdisc_are_only_added() {
    let two = TcHandle::new(2, 0);
    let desired = Tree::new()
        .qdisc(ROOT, two, HtbConfig::new())
        .class(two, two.class(1), mbit(1))
        .filter(Filter::on(two, Fw::new(two.class(1))).priority(5).handle(1));
    let plan = desired.plan(&now([there(fw(1, A))])).unwrap();
    let verbs: Vec<_> = plan.steps().iter().map(|(verb, _)| *verb).collect();
    assert_eq!(verbs, [TcVerb::Replace, TcVerb::Add, TcVerb::Add], "{plan}");
    let gaps = plan.gaps();
    assert!(gaps.len() == 1 && gaps[0].what.ends_with("is not complete"), "{gaps:?}");
    assert_eq!((gaps[0].from, gaps[0].to), (1, 3));
}

#[test]
fn ingress_comes_with_its_filters_and_goes_alone() {
    let to_ifb = || Matchall::actions([Action::from(Mirred::redirect(7_u32))]);
    let filter = || Filter::on(TcHandle::CLSACT_INGRESS, to_ifb()).priority(1);
    let desired = Tree::new().qdisc(TcHandle::INGRESS, TcHandle::NONE, Ingress).filter(filter());
    let empty = Snapshot::new(2, [], []);
    let plan = desired.plan(&empty).unwrap();
    let verbs: Vec<_> = plan.steps().iter().map(|(verb, _)| *verb).collect();
    assert_eq!(verbs, [TcVerb::Add, TcVerb::Add], "{plan}");
    // The root is left as it is.
    let ingress = Qdisc::new(2, TcHandle::INGRESS, Ingress).handle(TcHandle::new(0xffff, 0));
    let there_now =
        || Snapshot::new(2, [htb(), ingress.clone()], []).with_filters([there(filter().handle(1))]);
    assert_eq!(steps(&desired, &there_now()), "");
    assert_eq!(steps(&tree(), &now([])), "");
    // The qdisc above ffff: is the ingress qdisc too.
    let old_name = Tree::new()
        .qdisc(TcHandle::INGRESS, TcHandle::NONE, Ingress)
        .filter(Filter::on(TcHandle::new(0xffff, 0), to_ifb()).priority(1));
    assert_eq!(steps(&old_name, &there_now()), "");
    // Another kind.
    let clsact = Tree::new().qdisc(TcHandle::CLSACT, TcHandle::NONE, Clsact).filter(filter());
    let plan = clsact.plan(&there_now()).unwrap();
    let verbs: Vec<_> = plan.steps().iter().map(|(verb, _)| *verb).collect();
    assert_eq!(verbs, [TcVerb::Delete, TcVerb::Add, TcVerb::Add], "{plan}");

    let removal = desired.plan_removal(&there_now()).unwrap();
    assert_eq!(removal.to_string(), "delete qdisc dev #2 handle ffff:\n");
    assert!(desired.plan_removal(&empty).unwrap().is_empty());
    assert!(clsact.plan_removal(&there_now()).unwrap().is_empty());
}

#[test]
fn size_table_of_the_root_is_set_and_stays() {
    let table = SizeTable::new().overhead(24).mpu(64);
    let desired = tree().stab(table);
    assert_eq!(steps(&desired, &now([])), "change qdisc root handle 1: stab overhead 24 mpu 64 htb\n");
    // As it is read, with the defaults of tc.
    let mut request = htb().stab(table).request(TcVerb::Add);
    let with = Qdisc::decode(MessageRef::parse(request.encoded().unwrap()).unwrap()).unwrap();
    let classes = || [class(A, ROOT, mbit(1)), class(B, ROOT, mbit(1))];
    let mut with_table = htb();
    with_table.stab = with.stab;
    assert_eq!(steps(&desired, &Snapshot::new(2, [with_table.clone()], classes())), "");
    assert_eq!(steps(&tree(), &Snapshot::new(2, [with_table], classes())), "");
    let fresh = Tree::new().qdisc(ROOT, ONE, PfifoConfig::new()).stab(table);
    let plan = steps(&fresh, &Snapshot::new(2, [], []));
    assert_eq!(plan, "add qdisc root handle 1: stab overhead 24 mpu 64 pfifo\n");
}

#[test]
fn trees_whose_filters_cannot_be_are_refused() {
    let on = |parent| tree().filter(Filter::on(parent, Fw::new(A)).priority(1));
    assert!(refused(&on(TcHandle::new(9, 0))).contains("filters on 9:, which is not in the tree"));
    assert!(
        refused(&on(TcHandle::CLSACT_INGRESS)).contains("filters on ffff:fff2, which is not in the tree")
    );
    let egress = Tree::new()
        .qdisc(TcHandle::INGRESS, TcHandle::NONE, Ingress)
        .no_other_filters(TcHandle::CLSACT_EGRESS);
    assert!(refused(&egress).contains("filters on ffff:fff3, which is not in the tree"));
    assert!(refused(&tree().filter(Filter::on(ONE, Fw::new(A)))).contains("without a priority"));
    let missing = tree().filter(fw(1, ONE.class(0xc)));
    assert!(refused(&missing).contains("into class 1:c, which is not in the tree"));
    let twice = tree().filter(fw(1, A)).filter(fw(1, B));
    assert!(refused(&twice).contains("two filters on 1: with prio 5 and handle 0x1"));
    let two = Tree::new().qdisc(TcHandle::INGRESS, ONE, Ingress).qdisc(TcHandle::INGRESS, ONE, Clsact);
    assert!(refused(&two).contains("two ingress or clsact qdiscs"));
    let wrong = Tree::new().qdisc(TcHandle::INGRESS, ONE, PfifoConfig::new());
    assert!(refused(&wrong).contains("parent ffff:fff1 is for ingress and clsact, not for pfifo"));
}

#[test]
fn blocks_of_a_tree_are_those_of_its_clsact_qdisc() {
    let clsact = || Tree::new().qdisc(TcHandle::CLSACT, TcHandle::NONE, Clsact);
    let there = |ingress: Option<u32>, egress: Option<u32>| {
        let mut qdisc = Qdisc::new(2, TcHandle::CLSACT, Clsact).handle(TcHandle::new(0xffff, 0));
        (qdisc.ingress_block, qdisc.egress_block) = (ingress, egress);
        Snapshot::new(2, [qdisc], [])
    };
    let both = clsact().ingress_block(22).egress_block(23);
    let add = "add qdisc ingress_block 22 egress_block 23 clsact\n";
    assert_eq!(steps(&both, &Snapshot::new(2, [], [])), add);
    assert_eq!(steps(&both, &there(Some(22), Some(23))), "");
    // The kernel changes no block.
    for (ingress, egress) in [(Some(22), None), (None, Some(23)), (Some(7), Some(23))] {
        let plan = steps(&both, &there(ingress, egress));
        assert!(plan.starts_with("delete qdisc ") && plan.ends_with(add), "{plan}");
    }
    // A block that is not in the tree stays, unless filters are to be in its place.
    assert_eq!(steps(&clsact(), &there(Some(22), Some(23))), "");
    let alone = clsact().no_other_filters(TcHandle::CLSACT_INGRESS);
    assert_eq!(steps(&alone, &there(None, Some(23))), "");
    assert!(steps(&alone, &there(Some(22), None)).ends_with("add qdisc clsact\n"));

    assert!(
        refused(&tree().ingress_block(22)).contains("ingress_block 22 without an ingress or clsact qdisc")
    );
    let ingress = Tree::new().qdisc(TcHandle::INGRESS, TcHandle::NONE, Ingress).egress_block(22);
    assert!(refused(&ingress).contains("egress_block 22 without a clsact qdisc"));
    assert!(refused(&clsact().ingress_block(0)).contains("ingress_block 0; 1 to 4294967295 are possible"));
    let filters = clsact().ingress_block(22).no_other_filters(TcHandle::CLSACT_INGRESS);
    assert!(refused(&filters).contains("filters on ffff:fff2, which are those of block 22"));
}

/// Tables are added before the filters in them, and deleted after them.
#[test]
fn u32_tables_come_before_their_filters_and_go_after_them() {
    let number = U32Table::number(2);
    let table = Filter::on(ONE, U32Table::new(16)).priority(5).handle(number);
    let inside = Filter::on(ONE, U32::all(A).table(U32Table::bucket(2, 1))).priority(5);
    let desired = tree().filter(table.clone()).filter(inside.clone());
    let plan = steps(&desired, &now([]));
    assert!(plan.lines().next().unwrap().contains("u32 divisor 16"), "{plan}");
    let all = [there(table), there(inside.handle(number | 0x1800))];
    assert_eq!(steps(&desired, &now(all.clone())), "");
    let plan = steps(&tree().no_other_filters(ONE), &now(all));
    assert!(plan.lines().last().unwrap().contains("u32 divisor 16"), "{plan}");
    // What the kernel lists on its own is nothing that somebody added.
    let own = there(Filter::on(ONE, U32Table::new(1)).priority(5).handle(0x8000_0000));
    assert!(now([own]).filters().is_empty());
    let flower = there(Filter::on(ONE, FilterConfig::from(Flower::new().classid(A))).priority(5));
    assert!(now([flower]).filters().is_empty());
}

/// A change of RED puts a FIFO of its limit in place of the qdisc below.
#[test]
fn qdisc_below_a_changed_red_is_added_again() {
    use nl_tc::leaf::{FqCodelConfig, RedAverage, RedConfig};
    let red = |limit: u32| RedConfig::new(limit, &RedAverage::new(1000).max(90_000)).unwrap();
    let two = TcHandle::new(2, 0);
    let tree =
        |limit| Tree::new().qdisc(ROOT, ONE, red(limit)).qdisc(ONE.class(1), two, FqCodelConfig::new());
    let mut request = Qdisc::new(2, ROOT, red(400_000)).handle(ONE).request(TcVerb::Add);
    let there = Qdisc::decode(MessageRef::parse(request.encoded().unwrap()).unwrap()).unwrap();
    let below = Qdisc::new(2, ONE.class(1), FqCodelConfig::new()).handle(two);
    let now = || Snapshot::new(2, [there.clone(), below.clone()], []);
    assert_eq!(tree(400_000).plan(&now()).unwrap().steps().len(), 0);
    let plan = tree(500_000).plan(&now()).unwrap();
    let verbs: Vec<_> = plan.steps().iter().map(|(verb, _)| *verb).collect();
    assert_eq!(verbs, [TcVerb::Change, TcVerb::Add], "{plan}");
}
