//! Trees with filters, actions, size tables and ingress qdiscs on a real kernel.

use nl_tc::action::{Action, Mirred};
use nl_tc::filter::{Filter, Flower, FlowerKey, Fw, IPV4, Matchall, U32};
use nl_tc::htb::HtbConfig;
use nl_tc::leaf::{Clsact, Ingress};
use nl_tc::tree::{Plan, Tree};
use nl_tc::{SizeTable, Tc, TcHandle, TcVerb};
use nl_testkit::{Lab, Node, Result};

use crate::support::{CLASS, DEV, QDISC, filter_lines, lines, mbit, wired};

const ROOT: TcHandle = TcHandle::ROOT;

/// Applies it twice. The second time does nothing.
async fn settle(tc: &Tc, tree: &Tree) -> Result<Plan> {
    let plan = tc.apply(DEV, tree).await?;
    let again = tc.apply(DEV, tree).await?;
    assert!(again.is_empty(), "first:\n{plan}\nagain:\n{again}");
    Ok(plan)
}

fn verbs(plan: &Plan) -> Vec<TcVerb> {
    plan.steps().iter().map(|(verb, _)| *verb).collect()
}

async fn filters(node: &Node) -> Vec<String> {
    filter_lines(node, "filter show dev eth0").await
}

fn classes() -> Tree {
    Tree::new().qdisc(ROOT, QDISC, HtbConfig::new()).class(QDISC, CLASS, mbit(1)).class(QDISC, OTHER, mbit(1))
}

const OTHER: TcHandle = QDISC.class(0x11);

#[nl_testkit::test(needs(vm, qdisc = "htb", tool = "tc"))]
async fn filters_of_a_tree_are_made_changed_and_deleted(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let to = |class| Filter::on(QDISC, U32::to([192, 0, 2, 7].into(), class)).priority(3).protocol(IPV4);
    let mark = |class| Filter::on(QDISC, Fw::new(class)).priority(5).handle(7);
    let tcp = |class| {
        let flower = Flower::ipv4().key(FlowerKey::IpProto(6)).classid(class);
        Filter::on(QDISC, flower).priority(7).protocol(IPV4)
    };
    let tree = |class| classes().filter(to(class)).filter(mark(class)).filter(tcp(class));
    let plan = settle(&tc, &tree(CLASS)).await?;
    assert_eq!(verbs(&plan), [TcVerb::Add; 6]);
    let shown = filters(&node).await;
    assert!(
        shown.iter().any(|line| line.contains("fw") && line.contains("handle 0x7 classid 1:10")),
        "{shown:#?}"
    );
    // Changed, and nothing is missing meanwhile.
    let plan = settle(&tc, &tree(OTHER)).await?;
    assert_eq!(verbs(&plan), [TcVerb::Change; 3], "{plan}");
    assert!(plan.gaps().is_empty(), "{:?}", plan.gaps());
    // Of another program.
    node.tc("filter add dev eth0 parent 1: prio 9 protocol all matchall classid 1:10").await;
    let plan = settle(&tc, &tree(OTHER)).await?;
    assert_eq!(verbs(&plan), [TcVerb::Delete], "{plan}");
    settle(&tc, &classes().no_other_filters(QDISC)).await?;
    assert_eq!(filters(&node).await, [] as [String; 0]);
    Ok(())
}

/// The kernel refuses to delete a class while a filter points to it.
#[nl_testkit::test(needs(vm, qdisc = "htb", tool = "tc"))]
async fn class_with_a_filter_of_another_program_is_moved_and_dropped(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    settle(&tc, &classes()).await?;
    node.tc("filter add dev eth0 parent 1: prio 9 protocol all matchall classid 1:11").await;
    let before = filters(&node).await;
    let moved = Tree::new().qdisc(ROOT, QDISC, HtbConfig::new()).class(QDISC, CLASS, mbit(1)).class(
        CLASS,
        OTHER,
        mbit(1),
    );
    let plan = settle(&tc, &moved).await?;
    use TcVerb::{Add, Delete};
    assert_eq!(verbs(&plan), [Delete, Delete, Add, Add], "{plan}");
    assert_eq!(filters(&node).await, before);
    let dropped = Tree::new().qdisc(ROOT, QDISC, HtbConfig::new()).class(QDISC, CLASS, mbit(1));
    let plan = settle(&tc, &dropped).await?;
    assert_eq!(verbs(&plan), [Delete, Delete], "{plan}");
    assert_eq!(filters(&node).await, [] as [String; 0]);
    Ok(())
}

#[nl_testkit::test(needs(vm, qdisc = "htb", qdisc = "clsact", link = "ifb", tool = "tc"))]
async fn ingress_with_a_redirection_comes_and_goes_with_its_tree(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    node.add_link("ifb0", "ifb").await?;
    let begin = lines(&node, "qdisc show dev eth0").await;
    let to_ifb = Matchall::actions([Mirred::redirect("ifb0")]);
    let filter = Filter::on(TcHandle::CLSACT_INGRESS, to_ifb).priority(1);
    let tree = Tree::new().qdisc(TcHandle::INGRESS, TcHandle::NONE, Ingress).filter(filter.clone());
    let plan = settle(&tc, &tree).await?;
    assert_eq!(verbs(&plan), [TcVerb::Add; 2], "{plan}");
    let shown = filter_lines(&node, "filter show dev eth0 ingress").await.join("\n");
    assert!(shown.contains("mirred (Egress Redirect to device ifb0)"), "{shown}");
    // Beside a root, which a tree of an ingress qdisc leaves as it is.
    node.tc("qdisc add dev eth0 root handle 1: htb").await;
    assert!(tc.apply(DEV, &tree).await?.is_empty());
    // Another kind, with filters on both sides.
    let drop_all = Filter::on(TcHandle::CLSACT_EGRESS, Matchall::actions([Action::pass()])).priority(1);
    let both = Tree::new().qdisc(TcHandle::CLSACT, TcHandle::NONE, Clsact).filter(filter).filter(drop_all);
    let plan = settle(&tc, &both).await?;
    assert_eq!(verbs(&plan), [TcVerb::Delete, TcVerb::Add, TcVerb::Add, TcVerb::Add], "{plan}");
    assert_eq!(verbs(&tc.remove(DEV, &both).await?), [TcVerb::Delete]);
    node.tc("qdisc del dev eth0 root").await;
    assert_eq!(lines(&node, "qdisc show dev eth0").await, begin);
    assert!(tc.remove(DEV, &both).await?.is_empty());
    let missing = Matchall::actions([Mirred::redirect("nosuchdev")]);
    let tree = Tree::new()
        .qdisc(TcHandle::INGRESS, TcHandle::NONE, Ingress)
        .filter(Filter::on(TcHandle::CLSACT_INGRESS, missing).priority(1));
    let error = tc.apply(DEV, &tree).await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("nosuchdev"), "{error}");
    assert_eq!(lines(&node, "qdisc show dev eth0").await, begin);
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn size_table_of_a_tree_is_set_and_stays(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let table = SizeTable::new().overhead(24).mpu(64);
    settle(&tc, &classes()).await?;
    let plan = settle(&tc, &classes().stab(table)).await?;
    assert_eq!(verbs(&plan), [TcVerb::Change], "{plan}");
    let shown = lines(&node, "-d qdisc show dev eth0").await.join("\n");
    assert!(shown.contains("overhead 24") && shown.contains("mpu 64"), "{shown}");
    // Without one in the tree it stays.
    assert!(tc.apply(DEV, &classes()).await?.is_empty());
    Ok(())
}

/// Two devices share the filters of a block, each with its tree; the second time is silent.
#[nl_testkit::test(needs(vm, qdisc = "clsact", tool = "tc"))]
async fn block_of_a_tree_is_shared_by_its_devices(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let tree = |block| Tree::new().qdisc(TcHandle::CLSACT, TcHandle::NONE, Clsact).ingress_block(block);
    for dev in [DEV, "lo"] {
        assert_eq!(verbs(&tc.apply(dev, &tree(22)).await?), [TcVerb::Add]);
        assert!(tc.apply(dev, &tree(22)).await?.is_empty());
    }
    tc.block_filter(22).priority(4).add(Matchall::actions([Action::pass()])).await?;
    let shown = node.tc("qdisc show").await;
    assert_eq!(shown.matches("ingress_block 22").count(), 2, "{shown}");
    assert_eq!(verbs(&tc.apply(DEV, &tree(23)).await?), [TcVerb::Delete, TcVerb::Add]);
    assert!(tc.apply(DEV, &tree(23)).await?.is_empty());
    // With filters of its own, the device has no block.
    let pass = Filter::on(TcHandle::CLSACT_INGRESS, Matchall::actions([Action::pass()])).priority(1);
    let alone = Tree::new().qdisc(TcHandle::CLSACT, TcHandle::NONE, Clsact).filter(pass);
    assert_eq!(verbs(&settle(&tc, &alone).await?), [TcVerb::Delete, TcVerb::Add, TcVerb::Add]);
    let shown = node.tc("qdisc show").await;
    assert_eq!(shown.matches("ingress_block").count(), 1, "{shown}");
    Ok(())
}
