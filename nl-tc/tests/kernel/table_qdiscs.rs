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
