//! The forwarding database on a real kernel, checked with iproute2.

use futures_util::TryStreamExt;
use nl_bridge::fdb::Fdb;
use nl_core::{Connection, MacAddr, Protocol};
use nl_testkit::{Lab, Result};

nl_testkit::main!();

#[nl_testkit::test(needs(tool = "bridge"))]
async fn a_static_entry_is_listed_by_us_and_by_iproute2(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 2).await?;
    let node = bridge.node();
    let fdb = Fdb::new(node.open(|| Connection::open(Protocol::Route)).await?);
    let mac: MacAddr = "02:00:00:00:00:01".parse()?;
    fdb.entry(mac, "port1").master().static_().add().await?;
    let shown = node.json("bridge -j fdb show br br0").await;
    assert!(shown.as_array().unwrap().iter().any(|e| e["mac"] == "02:00:00:00:00:01"), "{shown:#}");
    let entries: Vec<_> = fdb.entries().bridge("br0").mac(mac).list().await?.try_collect().await?;
    assert_eq!(entries.len(), 1, "{entries:?}");
    let error = fdb.entry(mac, "port1").master().static_().add().await.unwrap_err();
    assert_eq!(error.to_string(), "add fdb 02:00:00:00:00:01 dev port1 master static: File exists (EEXIST)");
    Ok(())
}
