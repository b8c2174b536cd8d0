//! DRR, QFQ and ETS classes, every option.

use nl_tc::class::ClassConfig;
use nl_tc::drr::DrrClassConfig;
use nl_tc::ets::EtsClassConfig;
use nl_tc::qfq::QfqClassConfig;
use nl_testkit::{Lab, Result};

use crate::oracle::check_classes;
use crate::support::wired;

#[nl_testkit::test(needs(qdisc = "drr", tool = "tc"), timeout = 60)]
async fn drr_classes_are_those_of_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let quantum = |bytes: u32| ClassConfig::from(DrrClassConfig::new().quantum(bytes));
    let table = [
        ("", DrrClassConfig::new().into()),
        ("quantum 256", quantum(256)),
        ("quantum 1500b", quantum(1500)),
        ("quantum 2k", quantum(2048)),
        ("quantum 3000", quantum(3000)),
        ("quantum 1mb", quantum(1 << 20)),
    ];
    check_classes(&node, &tc, "drr", table).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "qfq", tool = "tc"), timeout = 60)]
async fn qfq_classes_are_those_of_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let weight = QfqClassConfig::new;
    let table = [
        ("", weight(1).into()),
        ("weight 1", weight(1).into()),
        ("weight 10", weight(10).into()),
        ("weight 1024", weight(1024).into()),
        ("maxpkt 512", weight(1).lmax(512).into()),
        ("maxpkt 2048", weight(1).lmax(2048).into()),
        ("weight 10 maxpkt 2048", weight(10).lmax(2048).into()),
        ("weight 1024 maxpkt 65536", weight(1024).lmax(65_536).into()),
    ];
    check_classes(&node, &tc, "qfq", table).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "ets", tool = "tc"), timeout = 60)]
async fn ets_classes_are_those_of_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let table = [
        ("quantum 256", EtsClassConfig::new(256).into()),
        ("quantum 1500", EtsClassConfig::new(1500).into()),
        ("quantum 3000", EtsClassConfig::new(3000).into()),
        ("quantum 1048576", EtsClassConfig::new(1 << 20).into()),
    ];
    check_classes(&node, &tc, "ets bands 3 strict 1 quanta 2000 1000", table).await;
    Ok(())
}
