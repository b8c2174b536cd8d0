//! The qdiscs that came later, every option, and their counters.

use std::time::Duration;

use nl_tc::leaf::{NetemConfig, NetemDistribution, NetemSlot};
use nl_tc::qdisc::QdiscConfig;
use nl_tc::stats::XStats;
use nl_tc::{Tc, TcHandle};
use nl_testkit::{EthFrame, Lab, Need, Node, Result, netem_distribution};
use serde_json::json;

use crate::oracle::check_qdiscs;
use crate::support::{DEV, QDISC, lines, open, wired};
use crate::tables::{QdiscLine, aqm, leaf, queues};

#[nl_testkit::test(needs(qdisc = "codel", tool = "tc"), timeout = 60)]
async fn codel_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, aqm::codel()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "pie", tool = "tc"), timeout = 60)]
async fn pie_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, aqm::pie()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "fq_pie", tool = "tc"), timeout = 60)]
async fn fq_pie_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, aqm::fq_pie()).await;
    Ok(())
}

/// Each counter that `tc` shows too, after some traffic.
#[nl_testkit::test(needs(qdisc = "codel", qdisc = "pie", qdisc = "fq_pie", tool = "tc"))]
async fn counters_of_delay_controllers_are_read(lab: Lab) -> Result {
    const FRAMES: u32 = 20;
    let ([node, _peer], tc) = wired(&lab).await?;
    let frame = EthFrame::new([2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 1], EthFrame::TEST, &[0; 986]).to_bytes();
    for kind in ["codel", "pie", "fq_pie"] {
        node.tc(&format!("qdisc replace dev eth0 root {kind}")).await;
        for _ in 0..FRAMES {
            node.send_frame(DEV, &frame).await?;
        }
        let stats = tc.qdisc(DEV, TcHandle::ROOT).get().await?.stats;
        let json = node.json("tc -s -j qdisc show dev eth0").await;
        let ours = match stats.xstats {
            Some(XStats::Codel(codel)) => json!({
                "count": codel.count, "lastcount": codel.lastcount, "ldelay": codel.ldelay,
                "maxpacket": codel.maxpacket, "ecn_mark": codel.ecn_mark, "drop_overlimit": codel.drop_overlimit,
            }),
            Some(XStats::Pie(pie)) => json!({
                "pkts_in": pie.packets_in, "overlimit": pie.overlimit, "dropped": pie.dropped,
                "maxq": pie.maxq, "ecn_mark": pie.ecn_mark,
            }),
            Some(XStats::FqPie(fq_pie)) => json!({
                "pkts_in": fq_pie.packets_in, "overlimit": fq_pie.overlimit, "overmemory": fq_pie.overmemory,
                "dropped": fq_pie.dropped, "ecn_mark": fq_pie.ecn_mark,
                "new_flow_count": fq_pie.new_flow_count, "new_flows_len": fq_pie.new_flows_len,
                "old_flows_len": fq_pie.old_flows_len, "memory_used": fq_pie.memory_usage,
            }),
            other => return Err(format!("{kind}: {other:?}").into()),
        };
        for (key, value) in ours.as_object().unwrap() {
            assert_eq!(json[0][key], *value, "{kind}: {key}");
        }
        assert!(
            ours["pkts_in"].as_u64().is_none_or(|packets| packets >= u64::from(FRAMES)),
            "{kind}: {ours}"
        );
    }
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "red", tool = "tc"), timeout = 60)]
async fn red_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, queues::red()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "cbs", tool = "tc"), timeout = 60)]
async fn cbs_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, queues::cbs()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "etf", tool = "tc"), timeout = 60)]
async fn etf_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, queues::etf()).await;
    Ok(())
}

/// Bands and their weights.
#[nl_testkit::test(needs(qdisc = "fq", kernel = "6.7", iproute2 = "6.8"))]
async fn bands_of_fq_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, leaf::fq_bands()).await;
    Ok(())
}

/// A device with four queues, under the name that all tests use.
#[cfg(test)]
async fn four_queues(lab: &Lab) -> Result<(Node, Tc)> {
    lab.quiet();
    let node = lab.node("a").await?;
    node.ip("link add eth0 numtxqueues 4 numrxqueues 4 type veth peer name eth1 numtxqueues 4 numrxqueues 4")
        .await;
    node.up("eth1").await?;
    node.up(DEV).await?;
    let tc = open(&node).await?;
    Ok((node, tc))
}

/// Skips if the kernel has no such qdisc, which needs a device with several queues to be tried.
#[cfg(test)]
async fn try_kind(lab: &Lab, node: &Node, kind: &'static str, lines: &[QdiscLine]) -> Result {
    let words = lines.first().map_or(kind, |(words, _)| words);
    let line = format!("tc qdisc add dev eth0 root {words}");
    let tried = node.command(line.split_whitespace()).await;
    if !tried.status.success() {
        return lab.skip(Need::Qdisc(kind.into()), tried.stderr);
    }
    node.tc("qdisc del dev eth0 root").await;
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "tc"), timeout = 60)]
async fn mqprio_qdiscs_match_tc(lab: Lab) -> Result {
    let (node, tc) = four_queues(&lab).await?;
    let lines = queues::mqprio();
    try_kind(&lab, &node, "mqprio", &lines).await?;
    check_qdiscs(&node, &tc, lines).await;
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "tc"), timeout = 60)]
async fn taprio_qdiscs_match_tc(lab: Lab) -> Result {
    let (node, tc) = four_queues(&lab).await?;
    let lines = queues::taprio();
    try_kind(&lab, &node, "taprio", &lines).await?;
    check_qdiscs(&node, &tc, lines).await;
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "tc"), timeout = 60)]
async fn cake_mq_qdiscs_match_tc(lab: Lab) -> Result {
    let (node, tc) = four_queues(&lab).await?;
    let lines = queues::cake_mq();
    try_kind(&lab, &node, "cake_mq", &lines).await?;
    check_qdiscs(&node, &tc, lines).await;
    Ok(())
}

/// What is computed is what `tc` reads from its files, but for rounding.
#[nl_testkit::test(needs(
    netem_distribution = "normal",
    netem_distribution = "pareto",
    netem_distribution = "paretonormal"
))]
async fn computed_distributions_are_those_of_the_files_of_tc(_lab: Lab) -> Result {
    for computed in
        [NetemDistribution::normal(), NetemDistribution::pareto(), NetemDistribution::paretonormal()]
    {
        let file = NetemDistribution::from_file(netem_distribution(computed.name())?)?;
        assert_eq!(file.name(), computed.name());
        assert_eq!(file.values().len(), computed.values().len(), "{computed}");
        for (at, (theirs, ours)) in file.values().iter().zip(computed.values()).enumerate() {
            assert!(theirs.abs_diff(*ours) <= 2, "{computed}, value {at}: {ours}, not {theirs}");
        }
    }
    Ok(())
}

/// Slots at times of a distribution, by us and by `tc`. The kernel does not report the distribution, so what is read is not written.
#[nl_testkit::test(needs(qdisc = "netem", tool = "tc", netem_distribution = "normal"))]
async fn slot_distribution_of_netem_is_the_same_both_ways(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let shown = async || {
        let lines = lines(&node, "qdisc show dev eth0").await;
        // Behind it is a random number.
        lines
            .iter()
            .map(|line| line.split(" seed ").next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    let slot = NetemSlot::spread(Duration::from_micros(800), Duration::from_micros(100)).max_packets(5);
    let config = NetemConfig::new().slot(slot).slot_distribution(NetemDistribution::normal());
    let desired = QdiscConfig::from(config);
    let qdisc = || tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC);
    qdisc().add(desired.clone()).await?;
    let ours = shown().await;
    let read = qdisc().get().await?.config;
    assert!(desired.is_met_by(&read), "{read:?}");
    let error = qdisc().replace(read).await.unwrap_err();
    assert!(error.is_usage(), "{error}");
    qdisc().delete().await?;
    node.tc("qdisc add dev eth0 root handle 1: netem slot distribution normal 800us 100us packets 5").await;
    assert_eq!(shown().await, ours);
    let theirs = qdisc().get().await?.config;
    assert!(desired.is_met_by(&theirs), "{theirs:?}");
    Ok(())
}
