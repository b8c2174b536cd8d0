//! The qdiscs that came later, every option, and their counters.

use nl_tc::TcHandle;
use nl_tc::stats::XStats;
use nl_testkit::{Lab, Result};
use serde_json::json;

use crate::oracle::check_qdiscs;
use crate::support::{DEV, wired};
use crate::tables::aqm;

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

#[nl_testkit::test(needs(qdisc = "codel", qdisc = "pie", qdisc = "fq_pie", tool = "tc"))]
async fn counters_of_delay_controllers_are_read(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    for kind in ["codel", "pie", "fq_pie"] {
        node.tc(&format!("qdisc replace dev eth0 root {kind}")).await;
        let stats = tc.qdisc(DEV, TcHandle::ROOT).get().await?.stats;
        let json = node.json("tc -s -j qdisc show dev eth0").await;
        let (ours, theirs) = match stats.xstats {
            Some(XStats::Codel(codel)) => (json!(codel.maxpacket), &json[0]["maxpacket"]),
            Some(XStats::Pie(pie)) => (json!(pie.packets_in), &json[0]["pkts_in"]),
            Some(XStats::FqPie(fq_pie)) => (json!(fq_pie.packets_in), &json[0]["pkts_in"]),
            other => return Err(format!("{kind}: {other:?}").into()),
        };
        // What `tc` calls by another name is not shown by it.
        assert!(*theirs == ours || theirs.is_null(), "{kind}: {ours} and {theirs}");
    }
    Ok(())
}
