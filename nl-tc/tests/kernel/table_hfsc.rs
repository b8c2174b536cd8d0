//! HFSC classes: every curve in both of its forms.

use std::time::Duration;

use nl_tc::Rate;
use nl_tc::hfsc::{HfscClassConfig, ServiceCurve};
use nl_testkit::{Lab, Result};

use crate::oracle::check_classes;
use crate::support::{CLASS, DEV, lines, wired};
use crate::tables::hfsc;

#[nl_testkit::test(needs(qdisc = "hfsc", tool = "tc"), timeout = 120)]
async fn hfsc_classes_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_classes(&node, &tc, "hfsc default 10", hfsc::classes()).await;
    Ok(())
}

/// `tc` computes with 32 bits here and prints 54.36 ms.
#[nl_testkit::test(needs(qdisc = "hfsc", tool = "tc"))]
async fn large_umax_does_not_overflow(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    node.tc("qdisc add dev eth0 root handle 1: hfsc").await;
    let curve = ServiceCurve::delay(5000, Duration::from_millis(60), Rate::mbit(1));
    tc.class(DEV, CLASS).add(HfscClassConfig::new().real_time(curve)).await?;
    let shown = lines(&node, "class show dev eth0").await.join("\n");
    assert!(shown.contains("rt m1 0bit d 20ms m2 1Mbit"), "{shown}");
    Ok(())
}
