//! What users found on real devices, and what must not come back.

use nl_tc::leaf::TbfConfig;
use nl_tc::{Rate, TcHandle};
use nl_testkit::{Lab, Result};

use crate::support::{DEV, QDISC, lines, wired};

/// A burst in bytes that takes longer than the 274 s of the kernel's field of ticks. `tc` installs it, and so do we.
#[nl_testkit::test(needs(qdisc = "tbf", tool = "tc"))]
async fn tbf_burst_of_many_bytes_is_installed_as_by_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let config = TbfConfig::new(Rate::kbit(100), 40_000_000).limit(40_100_000);
    tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(config.clone()).await?;
    let ours = lines(&node, "-d qdisc show dev eth0").await;
    let read = tc.qdisc(DEV, TcHandle::ROOT).get().await?.config;
    assert!(nl_tc::qdisc::QdiscConfig::from(config).is_met_by(&read), "{read:?}");
    tc.qdisc(DEV, TcHandle::ROOT).delete().await?;
    node.tc("qdisc add dev eth0 root handle 1: tbf rate 100kbit burst 40000000b limit 40100000b").await;
    assert_eq!(lines(&node, "-d qdisc show dev eth0").await, ours);
    assert_eq!(tc.qdisc(DEV, TcHandle::ROOT).get().await?.config, read);
    Ok(())
}
