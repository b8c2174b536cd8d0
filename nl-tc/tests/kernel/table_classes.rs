//! DRR, QFQ and ETS classes, every option.

use nl_testkit::{Lab, Result};

use crate::oracle::check_classes;
use crate::support::wired;
use crate::tables::flat;

#[nl_testkit::test(needs(qdisc = "drr", tool = "tc"), timeout = 60)]
async fn drr_classes_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_classes(&node, &tc, "drr", flat::drr_classes()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "qfq", tool = "tc"), timeout = 60)]
async fn qfq_classes_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_classes(&node, &tc, "qfq", flat::qfq_classes()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "ets", tool = "tc"), timeout = 60)]
async fn ets_classes_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_classes(&node, &tc, "ets bands 3 strict 1 quanta 2000 1000", flat::ets_classes()).await;
    Ok(())
}
