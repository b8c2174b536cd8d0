//! Counters, with traffic, against what `tc -s` shows.

use std::time::{Duration, Instant};

use nl_tc::drr::{DrrClassConfig, DrrConfig};
use nl_tc::filter::U32;
use nl_tc::hfsc::{HfscClassConfig, HfscConfig};
use nl_tc::htb::HtbConfig;
use nl_tc::leaf::{FqCodelConfig, PfifoConfig, SfqConfig};
use nl_tc::qfq::{QfqClassConfig, QfqConfig};
use nl_tc::stats::{Estimator, Sampler, XStats};
use nl_tc::{Rate, Tc, TcHandle};
use nl_testkit::{EthFrame, Lab, Node, Result, eventually};

use crate::support::{CLASS, DEV, QDISC, htb, mbit, wired};

const SOON: Duration = Duration::from_secs(10);

/// Frames of 1000 bytes.
async fn send(node: &Node, frames: usize) -> Result {
    let frame = EthFrame::new([2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 1], EthFrame::TEST, &[0; 986]).to_bytes();
    for _ in 0..frames {
        // A full class reports that to the sender.
        match node.send_frame(DEV, &frame).await {
            Err(error) if error.to_string().contains("os error 105") => {}
            other => other?,
        }
    }
    Ok(())
}

/// All packets into the class.
async fn direct(tc: &Tc) -> Result {
    tc.filter(DEV, QDISC).priority(1).add(U32::all(CLASS)).await?;
    Ok(())
}

async fn sent(tc: &Tc, packets: u64) -> nl_tc::class::Class {
    let ask = async || {
        let class = tc.class(DEV, CLASS).get().await.unwrap();
        (class.stats.packets >= packets).then_some(class)
    };
    eventually(SOON, ask, "the packets to go through the class").await
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn htb_class_counts_its_packets(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    tc.class(DEV, CLASS).add(mbit(100)).await?;
    send(&node, 3).await?;
    let qdisc = tc.qdisc(DEV, TcHandle::ROOT).get().await?;
    let Some(XStats::HtbQdisc(stats)) = qdisc.stats.xstats else { panic!("{qdisc:?}") };
    assert!(stats.direct_packets >= 3, "{stats:?}");

    direct(&tc).await?;
    send(&node, 20).await?;
    let class = sent(&tc, 20).await;
    let Some(XStats::Htb(stats)) = class.stats.xstats else { panic!("{class:?}") };
    assert_eq!(u64::from(stats.lends + stats.borrows), class.stats.packets);
    let text = node.tc("-s class show dev eth0").await;
    let words = format!("Sent {} bytes {} pkt", class.stats.bytes, class.stats.packets);
    assert!(text.contains(&words), "{text}\nexpected {words}");
    let words = format!("lended: {} borrowed: {} giants: {}", stats.lends, stats.borrows, stats.giants);
    assert!(text.contains(&words), "{text}\nexpected {words}");
    assert!(class.stats.bytes >= 20_000);
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn slow_class_queues_and_drops(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    let slow = nl_tc::htb::HtbClassConfig::new(Rate::kbit(8));
    tc.class(DEV, CLASS).add(slow).await?;
    tc.qdisc(DEV, CLASS).add(PfifoConfig::new().limit(2)).await?;
    direct(&tc).await?;
    send(&node, 20).await?;
    let class = tc.class(DEV, CLASS).get().await?;
    let held = class.stats.queue_len;
    assert!((1..=2).contains(&held), "{class:?}");
    assert_eq!(class.stats.backlog, held * 1000);
    assert!(class.stats.drops >= 10, "{class:?}");
    let Some(XStats::Htb(stats)) = class.stats.xstats else { panic!("{class:?}") };
    assert!(stats.tokens < 0, "in debt: {stats:?}");
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"), timeout = 30)]
async fn estimator_measures_a_rate(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    let estimator = Estimator::new(Duration::from_millis(250), Duration::from_millis(500));
    tc.class(DEV, CLASS).estimator(estimator).add(mbit(100)).await?;
    direct(&tc).await?;
    let ask = async || {
        send(&node, 20).await.unwrap();
        let measured = tc.class(DEV, CLASS).get().await.unwrap().stats.measured.unwrap();
        (measured.rate > Rate::ZERO && measured.packets > 0).then_some(measured)
    };
    eventually(SOON, ask, "the estimator to have measured").await;
    // A qdisc can also have one.
    tc.qdisc(DEV, CLASS).estimator(estimator).add(PfifoConfig::new()).await?;
    assert!(tc.qdisc(DEV, CLASS).get().await?.stats.measured.is_some());
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn rates_of_a_class_added_again_restart(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    let mut sampler = Sampler::new();
    tc.class(DEV, CLASS).add(mbit(100)).await?;
    direct(&tc).await?;
    send(&node, 30).await?;
    let before = sent(&tc, 30).await;
    assert_eq!(sampler.sample(CLASS, Instant::now(), &before.stats), None);

    tc.filter(DEV, QDISC).priority(1).delete().await?;
    tc.class(DEV, CLASS).delete().await?;
    tc.class(DEV, CLASS).add(mbit(100)).await?;
    direct(&tc).await?;
    send(&node, 10).await?;
    let after = sent(&tc, 10).await;
    let rates = sampler.sample(CLASS, Instant::now(), &after.stats).unwrap();
    assert!(rates.restarted);
    assert_eq!((rates.bytes, rates.packets), (after.stats.bytes, after.stats.packets));
    Ok(())
}

/// Bytes and packets that a class sent, in the words of `tc`.
async fn shown(node: &Node, class: TcHandle) -> Option<(u64, u64)> {
    let text = node.tc(&format!("-s class show dev eth0 classid {class}")).await;
    let mut words = text.split_once("Sent ")?.1.split_whitespace();
    Some((words.next()?.parse().ok()?, words.nth(1)?.parse().ok()?))
}

/// A new class with higher counters looks like the old one, unless a list in between shows that it was missing.
#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn unlisted_class_is_sampled_as_a_new_one(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    let other = QDISC.class(0x20);
    let mut sampler = Sampler::new();
    let mut sample = async || {
        let classes = tc.classes(DEV).list().await.unwrap().collect_all().await.unwrap();
        let mut rates =
            sampler.sample_all(Instant::now(), classes.iter().map(|class| (class.handle, &class.stats)));
        rates.sort_by_key(|(class, _)| *class);
        rates
    };
    for class in [CLASS, other] {
        tc.class(DEV, class).add(mbit(100)).await?;
    }
    direct(&tc).await?;
    send(&node, 10).await?;
    sent(&tc, 10).await;
    assert_eq!(sample().await, []);

    // With a qdisc or with changes, it is still the same class.
    tc.qdisc(DEV, CLASS).add(PfifoConfig::new().limit(50)).await?;
    tc.class(DEV, CLASS).change(mbit(200)).await?;
    let before = shown(&node, CLASS).await.unwrap();
    send(&node, 5).await?;
    sent(&tc, before.1 + 5).await;
    let after = shown(&node, CLASS).await.unwrap();
    let rates = sample().await;
    assert_eq!(rates.iter().map(|(class, _)| *class).collect::<Vec<_>>(), [CLASS, other]);
    assert_eq!((rates[0].1.bytes, rates[0].1.packets), (after.0 - before.0, after.1 - before.1));
    assert!(rates.iter().all(|(_, rates)| !rates.restarted), "{rates:?}");

    tc.filter(DEV, QDISC).priority(1).delete().await?;
    tc.class(DEV, CLASS).delete().await?;
    assert_eq!(sample().await.len(), 1);
    tc.class(DEV, CLASS).add(mbit(100)).await?;
    direct(&tc).await?;
    send(&node, 40).await?;
    sent(&tc, 40).await;
    assert!(shown(&node, CLASS).await.unwrap().1 > after.1);
    let rates = sample().await;
    assert_eq!(rates.iter().map(|(class, rates)| (*class, rates.packets)).collect::<Vec<_>>(), [(other, 0)]);
    send(&node, 3).await?;
    let now = sent(&tc, 43).await;
    let rates = sample().await;
    assert_eq!((rates[0].0, rates[0].1.restarted), (CLASS, false));
    assert_eq!(Some((now.stats.bytes, now.stats.packets)), shown(&node, CLASS).await);
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "hfsc", tool = "tc"))]
async fn hfsc_class_counts_its_work(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(HfscConfig::new()).await?;
    tc.class(DEV, CLASS).add(HfscClassConfig::new().service(Rate::mbit(100))).await?;
    direct(&tc).await?;
    send(&node, 20).await?;
    let class = sent(&tc, 20).await;
    let Some(XStats::Hfsc(stats)) = class.stats.xstats else { panic!("{class:?}") };
    let text = node.tc("-s class show dev eth0").await;
    let words = format!("period {} ", stats.period);
    assert!(text.contains(&words) && text.contains("work "), "{text}\nexpected {words}");
    assert!(stats.work > 0 && stats.level == 0, "{stats:?}");
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "drr", tool = "tc"))]
async fn drr_class_counts_its_packets(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(DrrConfig::new()).await?;
    tc.class(DEV, CLASS).add(DrrClassConfig::new().quantum(3000)).await?;
    direct(&tc).await?;
    send(&node, 20).await?;
    let class = sent(&tc, 20).await;
    assert!(matches!(class.stats.xstats, Some(XStats::Drr(stats)) if stats.deficit == 0), "{class:?}");
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "qfq", tool = "tc"))]
async fn qfq_class_counts_its_packets_and_reports_its_weight(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(QfqConfig::new()).await?;
    tc.class(DEV, CLASS).add(QfqClassConfig::new(7).maxpkt(2048)).await?;
    direct(&tc).await?;
    send(&node, 20).await?;
    let class = sent(&tc, 20).await;
    let Some(XStats::Qfq(stats)) = class.stats.xstats else { panic!("{class:?}") };
    assert_eq!((stats.weight, stats.lmax), (7, 2048));
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "fq_codel", tool = "tc"))]
async fn fq_codel_counts_its_flows(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(FqCodelConfig::new()).await?;
    send(&node, 20).await?;
    let qdisc = tc.qdisc(DEV, TcHandle::ROOT).get().await?;
    let Some(XStats::FqCodel(stats)) = qdisc.stats.xstats else { panic!("{qdisc:?}") };
    let text = node.tc("-s qdisc show dev eth0").await;
    for words in [
        format!("maxpacket {}", stats.maxpacket),
        format!("drop_overlimit {}", stats.drop_overlimit),
        format!("new_flow_count {}", stats.new_flow_count),
        format!("ecn_mark {}", stats.ecn_mark),
        format!("new_flows_len {}", stats.new_flows_len),
        format!("old_flows_len {}", stats.old_flows_len),
    ] {
        assert!(text.contains(&words), "{text}\nexpected {words}");
    }
    Ok(())
}

/// Flows with queued packets are listed as classes, with counters of their kind.
#[nl_testkit::test(needs(qdisc = "sfq", tool = "tc"))]
async fn flows_of_sfq_and_fq_codel_are_listed_as_classes(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    // A class that sends nothing, so that its qdisc keeps its packets.
    tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(HtbConfig::new()).await?;
    tc.class(DEV, CLASS).add(nl_tc::htb::HtbClassConfig::new(Rate::kbit(8))).await?;
    direct(&tc).await?;
    let leaf = TcHandle::new(2, 0);
    for kind in ["sfq", "fq_codel"] {
        match kind {
            "sfq" => tc.qdisc(DEV, CLASS).handle(leaf).add(SfqConfig::new()).await?,
            _ => tc.qdisc(DEV, CLASS).handle(leaf).add(FqCodelConfig::new()).await?,
        };
        send(&node, 20).await?;
        let flows = tc.classes(DEV).qdisc(leaf).list().await?.collect_all().await?;
        assert!(!flows.is_empty(), "{kind} holds packets");
        let known = flows.iter().all(|flow| {
            matches!(
                (kind, &flow.stats.xstats),
                ("sfq", Some(XStats::SfqFlow(_))) | ("fq_codel", Some(XStats::FqCodelFlow(_)))
            )
        });
        assert!(known, "{flows:?}");
        tc.qdisc(DEV, CLASS).handle(leaf).delete().await?;
    }
    Ok(())
}

/// 30 kB at 1 Mbit/s take 0.2 s, because 5 kB are sent at once.
#[nl_testkit::test(needs(qdisc = "htb", qdisc = "tbf", tool = "tc"), timeout = 30)]
async fn htb_limits_the_rate_of_packets(lab: Lab) -> Result {
    let ([node, peer], tc) = wired(&lab).await?;
    for kind in ["htb", "tbf"] {
        if kind == "htb" {
            tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(HtbConfig::new()).await?;
            tc.class(DEV, CLASS).add(mbit(1).burst(5000).cburst(5000)).await?;
            direct(&tc).await?;
        } else {
            let tbf = nl_tc::leaf::TbfConfig::new(Rate::mbit(1), 5000).limit(100_000);
            tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(tbf).await?;
        }
        let mut capture = peer.capture(DEV).await?;
        let begin = Instant::now();
        send(&node, 30).await?;
        for _ in 0..30 {
            capture.expect(|frame| frame.ethertype == EthFrame::TEST, SOON).await;
        }
        let took = begin.elapsed();
        assert!(took >= Duration::from_millis(180), "{kind}: {took:?}");
        tc.qdisc(DEV, TcHandle::ROOT).delete().await?;
    }
    Ok(())
}
