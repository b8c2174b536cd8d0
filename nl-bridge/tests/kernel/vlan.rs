//! Entries in VLANs: kernels without bridge VLAN filtering refuse them all.

use nl_bridge::fdb::FdbEntry;
use nl_core::error::Errno;
use nl_testkit::{Bridge, Lab, Result, by_kernel};
use serde_json::json;

use crate::support::*;

/// A filtering bridge whose ports are in VLAN 1 and 10, `port1` also in 20.
async fn vlans(lab: &Lab) -> Result<(Bridge, nl_bridge::fdb::Fdb)> {
    lab.quiet();
    let bridge = lab.vlan_bridge("br0", 2).await?;
    for line in ["vid 10 dev port1", "vid 10 dev port2", "vid 20 dev port1", "vid 10 dev br0 self"] {
        bridge.node().bridge(&format!("vlan add {line}")).await;
    }
    let fdb = open(bridge.node()).await?;
    Ok((bridge, fdb))
}

async fn in_vlans(fdb: &nl_bridge::fdb::Fdb, number: u32) -> Vec<Option<u16>> {
    let mut vlans: Vec<_> = of(fdb, mac(number)).await.iter().map(|entry| entry.vlan).collect();
    vlans.sort_unstable();
    vlans
}

#[nl_testkit::test(needs(bridge_vlan_filtering, tool = "bridge"))]
async fn an_entry_in_a_vlan_goes_both_ways(lab: Lab) -> Result {
    let (bridge, fdb) = vlans(&lab).await?;
    let node = bridge.node();
    let shown = json!({
        "mac": mac(1).to_string(), "ifname": "port1", "vlan": 10, "master": "br0", "state": "static", "flags": ["sticky"],
    });
    let entry = || fdb.entry(mac(1), "port1").master().static_().sticky().vlan(10);
    entry().add().await?;
    assert_eq!(shown_the(node, mac(1)).await, shown);
    let by_us = the(&fdb, mac(1)).await;
    let mut got = fdb.entry(mac(1), "port1").master().vlan(10).get().await?;
    got.ages = None;
    assert_eq!(got, by_us);
    assert!(fdb.entry(mac(1), "port1").master().get().await.unwrap_err().is_not_found());
    assert!(fdb.entry(mac(1), "port1").master().vlan(20).get().await.unwrap_err().is_not_found());
    entry().delete().await?;
    node.bridge(&format!("fdb add {} dev port1 master static sticky vlan 10", mac(1))).await;
    assert_eq!(the(&fdb, mac(1)).await, by_us);
    // Back as it was read.
    node.bridge(&format!("fdb del {} dev port1 master vlan 10", mac(1))).await;
    fdb.batch([(nl_bridge::fdb::FdbVerb::Replace, by_us.clone())]).summarize(1).await?.into_result()?;
    assert_eq!(shown_the(node, mac(1)).await, shown);
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, tool = "bridge"))]
async fn without_a_vlan_an_entry_is_in_all_vlans_of_the_port(lab: Lab) -> Result {
    let (_bridge, fdb) = vlans(&lab).await?;
    fdb.entry(mac(1), "port1").master().static_().add().await?;
    assert_eq!(in_vlans(&fdb, 1).await, [None, Some(1), Some(10), Some(20)]);
    fdb.entry(mac(1), "port1").master().vlan(10).delete().await?;
    assert_eq!(in_vlans(&fdb, 1).await, [None, Some(1), Some(20)]);
    fdb.entry(mac(1), "port1").master().delete().await?;
    assert_eq!(in_vlans(&fdb, 1).await, []);
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering))]
async fn a_vlan_the_port_is_not_in_is_refused(lab: Lab) -> Result {
    let (_bridge, fdb) = vlans(&lab).await?;
    let entry = || fdb.entry(mac(1), "port2").master().static_().vlan(20);
    let error = entry().add().await.unwrap_err();
    let text = "add fdb 02:00:00:00:00:01 dev port2 vlan 20 master static: Invalid argument (EINVAL)";
    assert!(error.to_string().starts_with(text), "{error}");
    // 7.x lets one clean up after a VLAN that is gone; before, that is EINVAL.
    let error = entry().delete().await.unwrap_err();
    assert_eq!(error.errno(), Some(by_kernel(Errno::EINVAL, &[((7, 0), Errno::ENOENT)])), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, tool = "bridge"))]
async fn listings_by_vlan_are_those_of_iproute2(lab: Lab) -> Result {
    let (bridge, fdb) = vlans(&lab).await?;
    let node = bridge.node();
    for (number, port, vlan) in [(1, "port1", 10), (2, "port1", 20), (3, "port2", 10)] {
        fdb.entry(mac(number), port).master().static_().vlan(vlan).add().await?;
    }
    for vlan in [1, 10, 20, 30] {
        agree(node, fdb.entries().vlan(vlan), &format!("vlan {vlan}")).await;
        agree(node, fdb.entries().bridge("br0").vlan(vlan), &format!("br br0 vlan {vlan}")).await;
        agree(node, fdb.entries().dev("port1").vlan(vlan), &format!("brport port1 vlan {vlan}")).await;
    }
    agree(node, fdb.entries(), "").await;
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, tool = "bridge"))]
async fn a_flush_of_a_vlan_leaves_the_others_and_the_local_addresses(lab: Lab) -> Result {
    let (bridge, fdb) = vlans(&lab).await?;
    let node = bridge.node();
    let fill = async || -> Result {
        for (number, port, vlan) in [(1, "port1", 10), (2, "port1", 20), (3, "port2", 10)] {
            fdb.entry(mac(number), port).master().static_().vlan(vlan).replace().await?;
        }
        Ok(())
    };
    fill().await?;
    let local = async || {
        let mut table = shown(node, "br br0").await;
        table.retain(|entry| entry["state"] == "permanent");
        table
    };
    let before = local().await;
    let left = async || {
        let mut left = Vec::new();
        for number in 1..=3 {
            if !of(&fdb, mac(number)).await.is_empty() {
                left.push(number);
            }
        }
        left
    };
    fdb.entries().bridge("br0").vlan(10).flush().await?;
    assert_eq!(left().await, [2]);
    fill().await?;
    fdb.entries().bridge("br0").dev("port1").vlan(10).flush().await?;
    assert_eq!(left().await, [2, 3]);
    fill().await?;
    fdb.entries().dev("port2").vlan(10).static_().flush().await?;
    assert_eq!(left().await, [1, 2]);
    fdb.entries().dev("port1").vlan(20).dynamic().flush().await?;
    assert_eq!(left().await, [1, 2]);
    assert_eq!(local().await, before);
    Ok(())
}

/// A VXLAN device takes a VLAN and ignores it.
#[nl_testkit::test(needs(link = "vxlan"))]
async fn a_vlan_means_nothing_to_a_vxlan_device(lab: Lab) -> Result {
    let (_node, fdb) = vxlans(&lab).await?;
    fdb.entry(mac(1), "vx0").dst("192.0.2.1".parse()?).vlan(10).add().await?;
    let entry: FdbEntry = the(&fdb, mac(1)).await;
    assert_eq!(entry.vlan, None);
    Ok(())
}
