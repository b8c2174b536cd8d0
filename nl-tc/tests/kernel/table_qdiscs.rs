//! Qdiscs, every option.

use nl_testkit::{Lab, Result};

use crate::oracle::check_qdiscs;
use crate::support::wired;
use crate::tables::{flat, hfsc, htb, leaf};

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"), timeout = 60)]
async fn htb_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, htb::qdiscs()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "hfsc", tool = "tc"))]
async fn hfsc_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, hfsc::qdiscs()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "drr", tool = "tc"))]
async fn drr_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, flat::drr_qdiscs()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "qfq", tool = "tc"))]
async fn qfq_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, flat::qfq_qdiscs()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "ets", tool = "tc"), timeout = 60)]
async fn ets_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, flat::ets_qdiscs()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "pfifo", tool = "tc"))]
async fn fifos_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, leaf::fifos()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "clsact", tool = "tc"))]
async fn clsact_and_ingress_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, leaf::ingress()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "tbf", tool = "tc"), timeout = 60)]
async fn tbf_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, leaf::tbf()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "fq_codel", tool = "tc"), timeout = 60)]
async fn fq_codel_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, leaf::fq_codel()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "sfq", tool = "tc"), timeout = 60)]
async fn sfq_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, leaf::sfq()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "netem", tool = "tc"), timeout = 60)]
async fn netem_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, leaf::netem()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "cake", tool = "tc"), timeout = 120)]
async fn cake_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, leaf::cake()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "fq", tool = "tc"), timeout = 60)]
async fn fq_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, leaf::fq()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "cake", tool = "tc"))]
async fn cake_statistics_have_a_tin_for_each_class_of_service(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    node.tc("qdisc add dev eth0 root handle 1: cake bandwidth 20mbit diffserv4").await;
    let stats = tc.qdisc("eth0", nl_tc::TcHandle::ROOT).get().await?.stats;
    let Some(nl_tc::stats::XStats::Cake(cake)) = stats.xstats else {
        return Err(format!("{stats:?}").into());
    };
    assert_eq!(cake.tins.len(), 4);
    let json = node.json("tc -s -j qdisc show dev eth0").await;
    let tins = json[0]["tins"].as_array().ok_or("tc shows no tins")?;
    assert_eq!(tins.len(), 4, "{json:#}");
    for (ours, theirs) in cake.tins.iter().zip(tins) {
        assert_eq!(serde_json::json!(ours.threshold), theirs["threshold_rate"]);
        assert_eq!(serde_json::json!(ours.target_us), theirs["target_us"]);
        assert_eq!(serde_json::json!(ours.quantum), theirs["flow_quantum"]);
    }
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "fq", tool = "tc"))]
async fn fq_statistics_are_read(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    node.tc("qdisc add dev eth0 root handle 1: fq").await;
    let stats = tc.qdisc("eth0", nl_tc::TcHandle::ROOT).get().await?.stats;
    let Some(nl_tc::stats::XStats::Fq(fq)) = stats.xstats else { return Err(format!("{stats:?}").into()) };
    let json = node.json("tc -s -j qdisc show dev eth0").await;
    assert_eq!(serde_json::json!(fq.flows), json[0]["flows"]);
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "prio", tool = "tc"))]
async fn prio_qdiscs_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_qdiscs(&node, &tc, leaf::prio()).await;
    Ok(())
}
