//! Actions at work: what they do to packets, and what they count, which `tc` shows as well.

use std::net::UdpSocket;
use std::time::Duration;

use nl_tc::action::{Action, Connmark, Ctinfo, Mirred, Police, Skbedit, Verdict};
use nl_tc::filter::{Filter, FilterConfig, Fw, Matchall};
use nl_tc::htb::HtbConfig;
use nl_tc::leaf::Clsact;
use nl_tc::tree::Tree;
use nl_tc::{Rate, Tc, TcHandle};
use nl_testkit::{EthFrame, Lab, Node, Result, eventually};
use serde_json::Value;

use crate::support::{CLASS, DEV, QDISC, mbit, open, wired};

const INGRESS: TcHandle = TcHandle::CLSACT_INGRESS;
const OTHER: TcHandle = QDISC.class(0x20);
const FRAMES: u32 = 100;
const PACKETS: u64 = FRAMES as u64;
const SOON: Duration = Duration::from_secs(20);

/// Sends frames of 1000 bytes, which belong to no protocol.
async fn send(node: &Node) -> Result {
    let frame = EthFrame::new([2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 1], EthFrame::TEST, &[0; 986]).to_bytes();
    for _ in 0..FRAMES {
        node.send_frame(DEV, &frame).await?;
    }
    Ok(())
}

/// The actions of the filter with this priority, with their counters.
async fn actions(tc: &Tc, dev: &str, parent: TcHandle, priority: u16) -> Vec<Action> {
    let all = tc.filters(dev, parent).list().await.unwrap().collect_all().await.unwrap();
    let mut own = all.into_iter().filter(|filter| filter.priority == priority && filter.handle != 0);
    let filter = own.next().unwrap();
    match filter.config {
        FilterConfig::Fw(fw) => fw.actions,
        FilterConfig::Matchall(matchall) => matchall.actions,
        other => panic!("{other:?}"),
    }
}

/// Waits until the first action of a filter has counted this many packets, and returns its actions.
async fn counted(tc: &Tc, dev: &str, parent: TcHandle, priority: u16, packets: u64) -> Vec<Action> {
    let ask = async || {
        let actions = actions(tc, dev, parent, priority).await;
        (actions[0].stats.packets == packets).then_some(actions)
    };
    eventually(SOON, ask, "an action to count packets").await
}

/// What `tc` shows of the counters of the actions on a hook, in order.
async fn shown(node: &Node, dev: &str, hook: &str) -> Vec<[u64; 4]> {
    let json = node.json(&format!("tc -s -j filter show dev {dev} {hook}")).await;
    let filters = json.as_array().unwrap().iter();
    let actions = filters.filter_map(|filter| filter["options"]["actions"].as_array()).flatten();
    let number = |action: &Value, key: &str| action["stats"][key].as_u64().unwrap();
    actions.map(|action| ["bytes", "packets", "drops", "overlimits"].map(|key| number(action, key))).collect()
}

fn counters(actions: &[Action]) -> Vec<[u64; 4]> {
    let all = actions.iter().map(|action| &action.stats);
    all.map(|stats| [stats.bytes, stats.packets, stats.drops.into(), stats.overlimits.into()]).collect()
}

/// A machine between two others hands every frame of one to the other, in both directions.
#[nl_testkit::test(needs(vm, qdisc = "clsact", link = "veth", tool = "tc"), timeout = 60)]
async fn frames_redirected_both_ways_arrive_and_are_counted(lab: Lab) -> Result {
    lab.quiet();
    let [one, between, other] = [lab.node("a").await?, lab.node("m").await?, lab.node("b").await?];
    for (dev, end) in [(DEV, &one), ("eth1", &other)] {
        between.add_veth(dev, end, DEV).await?;
        between.up(dev).await?;
        end.up(DEV).await?;
        end.wait_carrier(DEV).await?;
        between.wait_carrier(dev).await?;
    }
    let tc = open(&between).await?;
    let to = |dev: &str| {
        let redirect = Filter::on(INGRESS, Matchall::actions([Mirred::redirect(dev)])).priority(1);
        Tree::new().qdisc(TcHandle::CLSACT, TcHandle::NONE, Clsact).filter(redirect)
    };
    tc.apply(DEV, &to("eth1")).await?;
    tc.apply("eth1", &to(DEV)).await?;
    for (from, to, dev) in [(&one, &other, DEV), (&other, &one, "eth1")] {
        let meter = to.meter(DEV).await?;
        send(from).await?;
        meter.expect(|moved| moved.rx_packets == PACKETS, SOON).await;
        let actions = counted(&tc, dev, INGRESS, 1, PACKETS).await;
        assert_eq!(counters(&actions), shown(&between, dev, "ingress").await);
        assert_eq!(actions[0].stats.drops, 0);
    }
    Ok(())
}

/// What a policer lets through and what it drops is all that came.
#[nl_testkit::test(needs(vm, qdisc = "clsact", tool = "tc"), timeout = 60)]
async fn drops_of_a_policer_are_counted(lab: Lab) -> Result {
    let ([node, peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::CLSACT).add(Clsact).await?;
    // A frame a second, and two at once.
    let police = Police::new(Rate::kbit(8), 2000).conform(Verdict::Pipe);
    let actions = [Action::from(police).verdict(Verdict::Drop), Action::pass()];
    tc.filter(DEV, INGRESS).priority(1).add(Matchall::actions(actions)).await?;
    send(&peer).await?;
    let actions = counted(&tc, DEV, INGRESS, 1, PACKETS).await;
    assert_eq!(counters(&actions), shown(&node, DEV, "ingress").await);
    let dropped = u64::from(actions[0].stats.drops);
    assert!(dropped >= PACKETS / 2, "{:?}", actions[0].stats);
    assert_eq!(dropped, u64::from(actions[0].stats.overlimits));
    assert_eq!(actions[1].stats.packets, PACKETS - dropped);
    Ok(())
}

/// A mark leads to the class of a filter, and a priority to a class without one.
#[nl_testkit::test(needs(vm, qdisc = "htb", qdisc = "clsact", tool = "tc"), timeout = 60)]
async fn marks_and_priorities_of_skbedit_lead_to_classes(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(HtbConfig::new()).await?;
    for class in [CLASS, OTHER] {
        tc.class(DEV, class).add(mbit(100)).await?;
    }
    tc.filter(DEV, QDISC).priority(1).handle(7).add(Fw::new(CLASS)).await?;
    tc.qdisc(DEV, TcHandle::CLSACT).add(Clsact).await?;
    let edit = |skbedit| Matchall::actions([Action::from(skbedit).verdict(Verdict::Pass)]);
    let egress = || tc.filter(DEV, TcHandle::CLSACT_EGRESS).priority(1);
    let sent = async |class| tc.class(DEV, class).get().await.unwrap().stats.packets;
    for (skbedit, class) in [(Skbedit::new().mark(7), CLASS), (Skbedit::new().priority(OTHER), OTHER)] {
        let before = [sent(CLASS).await, sent(OTHER).await];
        egress().add(edit(skbedit)).await?;
        send(&node).await?;
        let all = async || (sent(class).await == PACKETS).then_some(());
        eventually(SOON, all, "the packets to leave the class").await;
        let after = [sent(CLASS).await, sent(OTHER).await];
        assert_eq!(after[0] + after[1] - before[0] - before[1], PACKETS, "{before:?} {after:?}");
        let actions = counted(&tc, DEV, TcHandle::CLSACT_EGRESS, 1, PACKETS).await;
        assert_eq!(counters(&actions), shown(&node, DEV, "egress").await);
        egress().delete().await?;
    }
    Ok(())
}

/// The mark of a connection, which `tc` sets with `ct`, becomes the mark of its packets, and a filter sees it.
#[nl_testkit::test(needs(vm, qdisc = "clsact", tool = "tc"), timeout = 60)]
async fn marks_of_connections_are_restored_to_packets(lab: Lab) -> Result {
    const SENT: u64 = 20;
    let ([node, peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::CLSACT).add(Clsact).await?;
    node.tc(
        "filter add dev eth0 ingress prio 1 protocol ip flower ip_proto udp action ct commit mark 5 continue",
    )
    .await;
    let mut marked = Fw::new(TcHandle::NONE);
    marked.actions = vec![Action::pass()];
    tc.filter(DEV, INGRESS).priority(3).handle(5).add(marked).await?;
    let to = (node.ipv4(), 7);
    let restore = [Action::from(Connmark::new()), Action::from(Ctinfo::new().mark(0xff))];
    for (round, action) in (1..).zip(restore) {
        let filter = || tc.filter(DEV, INGRESS).priority(2);
        filter().add(Matchall::actions([action.verdict(Verdict::Continue)])).await?;
        let send = move || {
            let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
            for _ in 0..SENT {
                // A closed port is an error of the next packet.
                let _ = socket.send_to(&[0; 100], to);
            }
        };
        peer.open(send).await;
        counted(&tc, DEV, INGRESS, 3, round * SENT).await;
        let read = actions(&tc, DEV, INGRESS, 2).await;
        // Others are asked for the address of the receiver.
        assert!(read[0].stats.packets >= SENT, "{read:?}");
        let marks = read[0].ctinfo.as_ref().map(|ctinfo| (ctinfo.marks_set, ctinfo.dscp_set));
        assert_eq!(marks, (round == 2).then_some((SENT, 0)), "{read:?}");
        filter().delete().await?;
    }
    Ok(())
}
