//! HFSC classes: every curve in both of its forms.

use std::time::Duration;

use nl_tc::Rate;
use nl_tc::hfsc::{HfscClassConfig, ServiceCurve};
use nl_testkit::{Lab, Result};

use crate::oracle::{ClassLine, check_classes};
use crate::support::{CLASS, DEV, lines, wired};

const MBIT: Rate = Rate::mbit(1);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn table() -> Vec<ClassLine> {
    let class = HfscClassConfig::new;
    let pieces = ServiceCurve::two_piece;
    vec![
        ("rt rate 1mbit", class().real_time(MBIT).into()),
        ("rt m2 1mbit", class().real_time(MBIT).into()),
        ("ls rate 1mbit", class().link_share(MBIT).into()),
        ("ls m2 100kbps", class().link_share(Rate::kbps(100)).into()),
        ("sc rate 1mbit", class().service(MBIT).into()),
        ("sc m2 8bit", class().service(Rate::bit(8)).into()),
        ("rt m1 2mbit d 10ms m2 1mbit", class().real_time(pieces(Rate::mbit(2), ms(10), MBIT)).into()),
        ("ls m1 0bit d 10ms m2 1mbit", class().link_share(pieces(Rate::ZERO, ms(10), MBIT)).into()),
        (
            "sc m1 2mbit d 1us m2 1mbit",
            class().service(pieces(Rate::mbit(2), Duration::from_micros(1), MBIT)).into(),
        ),
        ("sc m1 2mbit d 4000s m2 1mbit", class().service(pieces(Rate::mbit(2), ms(4_000_000), MBIT)).into()),
        ("rt m1 2mbit d 10ms m2 0bit", class().real_time(pieces(Rate::mbit(2), ms(10), Rate::ZERO)).into()),
        ("sc m2 34gbit", class().service(Rate::gbit(34)).into()),
        (
            "rt umax 1500b dmax 30ms rate 1mbit",
            class().real_time(ServiceCurve::delay(1500, ms(30), MBIT)).into(),
        ),
        (
            "rt umax 1500b dmax 10ms rate 1mbit",
            class().real_time(ServiceCurve::delay(1500, ms(10), MBIT)).into(),
        ),
        (
            "rt umax 4000b dmax 30ms rate 1mbit",
            class().real_time(ServiceCurve::delay(4000, ms(30), MBIT)).into(),
        ),
        (
            "rt umax 1b dmax 1us rate 1mbit",
            class().real_time(ServiceCurve::delay(1, Duration::from_micros(1), MBIT)).into(),
        ),
        ("rt dmax 10ms rate 1mbit", class().real_time(ServiceCurve::delay(0, ms(10), MBIT)).into()),
        (
            "ls umax 1k dmax 10ms rate 1mbit",
            class().link_share(ServiceCurve::delay(1024, ms(10), MBIT)).into(),
        ),
        ("ls rate 1mbit ul rate 2mbit", class().link_share(MBIT).upper_limit(Rate::mbit(2)).into()),
        ("sc rate 1mbit ul rate 2mbit", class().service(MBIT).upper_limit(Rate::mbit(2)).into()),
        (
            "sc m1 2mbit d 10ms m2 1mbit ul m1 4mbit d 10ms m2 2mbit",
            class()
                .service(pieces(Rate::mbit(2), ms(10), MBIT))
                .upper_limit(pieces(Rate::mbit(4), ms(10), Rate::mbit(2)))
                .into(),
        ),
        ("rt rate 1mbit ls rate 2mbit", class().real_time(MBIT).link_share(Rate::mbit(2)).into()),
        (
            "rt umax 1500b dmax 10ms rate 1mbit ls rate 2mbit ul rate 10mbit",
            class()
                .real_time(ServiceCurve::delay(1500, ms(10), MBIT))
                .link_share(Rate::mbit(2))
                .upper_limit(Rate::mbit(10))
                .into(),
        ),
    ]
}

#[nl_testkit::test(needs(qdisc = "hfsc", tool = "tc"), timeout = 120)]
async fn hfsc_classes_are_those_of_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_classes(&node, &tc, "hfsc default 10", table()).await;
    Ok(())
}

/// `tc` reckons with 32 bits here and says 54.36 ms.
#[nl_testkit::test(needs(qdisc = "hfsc", tool = "tc"))]
async fn a_large_unit_of_work_does_not_overflow(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    node.tc("qdisc add dev eth0 root handle 1: hfsc").await;
    let curve = ServiceCurve::delay(5000, ms(60), MBIT);
    tc.class(DEV, CLASS).add(HfscClassConfig::new().real_time(curve)).await?;
    let shown = lines(&node, "class show dev eth0").await.join("\n");
    assert!(shown.contains("rt m1 0bit d 20ms m2 1Mbit"), "{shown}");
    Ok(())
}
