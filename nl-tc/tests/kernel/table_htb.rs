//! HTB classes, every option.

use nl_tc::Rate;
use nl_tc::class::ClassConfig;
use nl_tc::htb::HtbClassConfig;
use nl_testkit::{Lab, Node, Result};

use crate::oracle::check_classes;
use crate::support::{CLASS, DEV, lines, wired};
use crate::tables::htb;

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"), timeout = 120)]
async fn htb_classes_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_classes(&node, &tc, "htb", htb::exact_classes()).await;
    Ok(())
}

/// Before 6.15 `tc` cuts bursts to microseconds.
#[nl_testkit::test(needs(qdisc = "htb", tool = "tc", iproute2 = "6.15"), timeout = 120)]
async fn htb_classes_of_ticks_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    check_classes(&node, &tc, "htb", htb::classes_of_ticks()).await;
    Ok(())
}

/// An old `tc` gets this wrong. The crate sets the requested burst at any rate.
#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn fast_class_has_the_requested_burst(lab: Lab) -> Result {
    fast_classes(&lab, async |_, _| {}).await
}

/// The same burst in the words of a `tc` that does not cut it.
#[nl_testkit::test(needs(qdisc = "htb", tool = "tc", iproute2 = "6.15"))]
async fn fast_class_is_shown_with_the_requested_burst(lab: Lab) -> Result {
    let check = async |node: &Node, burst: &str| {
        let shown = lines(node, "class show dev eth0").await.join("\n");
        assert!(shown.contains(&format!(" burst {burst} ")), "{shown}");
    };
    fast_classes(&lab, check).await
}

#[cfg(test)]
async fn fast_classes(lab: &Lab, check: impl AsyncFn(&Node, &str)) -> Result {
    let ([node, _peer], tc) = wired(lab).await?;
    for (rate, bytes, burst) in
        [(Rate::gbit(1), 1600, "1600b"), (Rate::gbit(10), 1680, "1680b"), (Rate::gbit(40), 1920, "1920b")]
    {
        node.tc("qdisc replace dev eth0 root handle 1: htb").await;
        tc.class(DEV, CLASS).add(HtbClassConfig::new(rate).quantum(60_000)).await?;
        let class = tc.class(DEV, CLASS).get().await?;
        let ClassConfig::Htb(config) = &class.config else { panic!("{class:?}") };
        assert_eq!(config.burst.bytes(rate), bytes, "{rate}");
        check(&node, burst).await;
        node.tc("qdisc del dev eth0 root").await;
    }
    Ok(())
}
