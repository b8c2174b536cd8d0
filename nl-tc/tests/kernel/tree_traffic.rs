//! A tree changes while it sends packets: the packets of a class stay in that class, and it counts all of them.

use std::time::Duration;

use futures_util::future::join;
use nl_tc::class::ClassConfig;
use nl_tc::drr::{DrrClassConfig, DrrConfig};
use nl_tc::filter::U32;
use nl_tc::hfsc::{HfscClassConfig, HfscConfig};
use nl_tc::htb::HtbConfig;
use nl_tc::leaf::PfifoConfig;
use nl_tc::qdisc::QdiscConfig;
use nl_tc::qfq::{QfqClassConfig, QfqConfig};
use nl_tc::tree::Tree;
use nl_tc::{Rate, Tc, TcHandle, TcVerb};
use nl_testkit::{EthFrame, Lab, Node, Result, eventually};

use crate::support::{CLASS, DEV, QDISC, mbit, wired};

const ROOT: TcHandle = TcHandle::ROOT;
const DEFAULT: TcHandle = QDISC.class(0x20);
const FRAMES: u32 = 200;
const SOON: Duration = Duration::from_secs(20);

/// A tree with a class of this configuration, a class that is added and deleted, and a class for packets that match no class.
fn tree(qdisc: &QdiscConfig, class: &ClassConfig, other: &ClassConfig, round: u16) -> Tree {
    let tree = Tree::new()
        .qdisc(ROOT, QDISC, qdisc.clone())
        .class(QDISC, CLASS, class.clone())
        .class(QDISC, DEFAULT, other.clone())
        .qdisc(CLASS, TcHandle::new(2, 0), PfifoConfig::new().limit(FRAMES))
        .qdisc(DEFAULT, TcHandle::new(3, 0), PfifoConfig::new().limit(10 + u32::from(round % 2)));
    if round.is_multiple_of(2) { tree.class(QDISC, QDISC.class(0x30 + round), other.clone()) } else { tree }
}

async fn send(node: &Node) -> Result {
    let frame = EthFrame::new([2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 1], EthFrame::TEST, &[0; 986]).to_bytes();
    for _ in 0..FRAMES {
        node.send_frame(DEV, &frame).await?;
    }
    Ok(())
}

/// Applies trees with one configuration of the class after another while packets are sent.
async fn change_under_traffic(
    node: &Node,
    tc: &Tc,
    qdisc: impl Into<QdiscConfig>,
    classes: [ClassConfig; 2],
    other: ClassConfig,
) -> Result {
    let qdisc = qdisc.into();
    tc.apply(DEV, &tree(&qdisc, &classes[0], &other, 0)).await?;
    tc.filter(DEV, QDISC).priority(1).add(U32::all(CLASS)).await?;
    let sending = std::cell::Cell::new(true);
    let sender = async {
        let sent = send(node).await;
        sending.set(false);
        sent
    };
    let changer = async {
        let (mut rounds, mut counted) = (0_usize, 0);
        while sending.get() || rounds < 4 {
            rounds += 1;
            let class = &classes[rounds % 2];
            let plan =
                tc.apply(DEV, &tree(&qdisc, class, &other, u16::try_from(rounds % 16).unwrap())).await?;
            let of_class = plan.steps().iter().filter(|(_, object)| match object {
                nl_tc::TcObject::Class(class) => class.handle == CLASS,
                nl_tc::TcObject::Qdisc(qdisc) => qdisc.parent == CLASS || qdisc.parent.is_root(),
                _ => false,
            });
            assert_eq!(of_class.map(|(verb, _)| *verb).collect::<Vec<_>>(), [TcVerb::Change], "{plan}");
            let now = tc.class(DEV, CLASS).get().await?.stats.packets;
            assert!(now >= counted, "{now} packets after {counted}");
            counted = now;
        }
        Result::Ok(rounds)
    };
    let (sent, rounds) = join(sender, changer).await;
    sent?;
    let rounds = rounds?;
    let all =
        async || (tc.class(DEV, CLASS).get().await.unwrap().stats.packets >= FRAMES.into()).then_some(());
    eventually(SOON, all, "the class to have counted every packet").await;
    let text = node.tc("-s class show dev eth0 classid 1:20").await;
    assert!(
        text.contains("Sent 0 bytes 0 pkt (dropped 0,"),
        "the default class after {rounds} changes\n{text}"
    );
    // No packet was dropped because it matched no class.
    let text = node.tc("-s qdisc show dev eth0 root").await;
    assert!(text.contains(" (dropped 0,"), "{text}");
    let text = node.tc("-s class show dev eth0 classid 1:10").await;
    let stats = tc.class(DEV, CLASS).get().await?.stats;
    assert!(
        text.contains(&format!("Sent {} bytes {} pkt (dropped 0,", stats.bytes, stats.packets)),
        "{text}"
    );
    eprintln!("{rounds} changes while {} packets went through", stats.packets);
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"), timeout = 60)]
async fn changing_an_htb_class_keeps_its_counters(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let classes = [mbit(500).prio(1), mbit(600).ceil(Rate::mbit(700)).prio(2)];
    let classes = classes.map(|class| class.quantum(3000).burst(100_000).into());
    let other = mbit(10).quantum(3000).into();
    change_under_traffic(&node, &tc, HtbConfig::new().default_class(0x20), classes, other).await
}

#[nl_testkit::test(needs(qdisc = "hfsc", tool = "tc"), timeout = 60)]
async fn changing_an_hfsc_class_keeps_its_counters(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let curves = HfscClassConfig::new;
    let classes = [curves().service(Rate::mbit(500)), curves().service(Rate::mbit(600))].map(Into::into);
    let other = curves().link_share(Rate::mbit(10)).into();
    change_under_traffic(&node, &tc, HfscConfig::new().default_class(0x20), classes, other).await
}

#[nl_testkit::test(needs(qdisc = "drr", tool = "tc"), timeout = 60)]
async fn changing_a_drr_class_keeps_its_counters(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let classes = [3000, 4000].map(|quantum: u32| DrrClassConfig::new().quantum(quantum).into());
    let other = DrrClassConfig::new().quantum(1000).into();
    change_under_traffic(&node, &tc, DrrConfig::new(), classes, other).await
}

#[nl_testkit::test(needs(qdisc = "qfq", tool = "tc"), timeout = 60)]
async fn changing_a_qfq_class_keeps_its_counters(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let classes = [3, 4].map(|weight| QfqClassConfig::new(weight).maxpkt(2048).into());
    let other = QfqClassConfig::new(1).maxpkt(2048).into();
    change_under_traffic(&node, &tc, QfqConfig::new(), classes, other).await
}
