//! What was listed, deleted by iproute2 and written back is the same again.

use nl_bridge::fdb::{Fdb, FdbEntry, FdbVerb};
use nl_core::MacAddr;
use nl_testkit::{Lab, Node, Result};

use crate::support::{GROUP, mac, of, shown_of, still_bridge, vxlans};

async fn comes_back(node: &Node, fdb: &Fdb, mac: MacAddr, dev: &str, words: &str) {
    node.bridge(&format!("fdb add {mac} dev {dev} {words}")).await;
    let (read, shown) = (of(fdb, mac).await, shown_of(node, mac).await);
    assert!(!read.is_empty(), "{dev} {words}");
    node.bridge(&format!("fdb del {mac} dev {dev} {words}")).await;
    assert_eq!(of(fdb, mac).await, [], "{dev} {words}");
    write(fdb, &read).await;
    assert_eq!(of(fdb, mac).await, read, "{dev} {words}");
    assert_eq!(shown_of(node, mac).await, shown, "{dev} {words}");
    // And once more over what is there: nothing changes.
    write(fdb, &read).await;
    assert_eq!(of(fdb, mac).await, read, "again {dev} {words}");
    node.bridge(&format!("fdb del {mac} dev {dev} {words}")).await;
}

async fn write(fdb: &Fdb, entries: &[FdbEntry]) {
    let changes = entries.iter().map(|entry| {
        let group = entry.is_tunnel() && (entry.mac.is_multicast() || entry.mac.is_zero());
        (if group { FdbVerb::Append } else { FdbVerb::Replace }, entry.clone())
    });
    fdb.batch(changes.collect::<Vec<_>>()).summarize(1).await.unwrap().into_result().unwrap();
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn entries_of_a_bridge_come_back(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    for words in [
        "master static",
        "master static sticky",
        "master dynamic",
        "master dynamic sticky",
        "master dynamic extern_learn",
        "master permanent",
        "self permanent",
    ] {
        comes_back(bridge.node(), &fdb, mac(1), "port1", words).await;
    }
    comes_back(bridge.node(), &fdb, mac(1), "br0", "self permanent").await;
    comes_back(bridge.node(), &fdb, GROUP, "port1", "master static").await;
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn entries_of_a_vxlan_device_come_back(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    for words in [
        "dst 192.0.2.1",
        "dst 192.0.2.1 static",
        "dst 192.0.2.1 dynamic",
        "dst 192.0.2.1 port 9 vni 200 via eth0 router extern_learn",
        "nhid 10",
    ] {
        comes_back(&node, &fdb, mac(1), "vx0", words).await;
    }
    comes_back(&node, &fdb, mac(1), "vx6", "dst 2001:db8::7").await;
    comes_back(&node, &fdb, mac(1), "vm0", "dst 192.0.2.1 src_vni 300 vni 400").await;
    comes_back(&node, &fdb, MacAddr::ZERO, "vx0", "dst 192.0.2.1").await;
    comes_back(&node, &fdb, GROUP, "vx0", "dst 192.0.2.1").await;
    Ok(())
}

/// A port that is itself a VXLAN device has an entry of each kind for one address.
#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn an_entry_goes_back_to_its_own_table(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let node = bridge.node();
    node.ip("link add vx0 type vxlan id 100 dstport 4789").await;
    node.set_master("vx0", "br0").await?;
    node.up("vx0").await?;
    node.bridge(&format!("fdb add {} dev vx0 master static", mac(1))).await;
    node.bridge(&format!("fdb add {} dev vx0 self dst 192.0.2.1", mac(1))).await;
    let read = of(&fdb, mac(1)).await;
    assert_eq!(read.len(), 2, "{read:?}");
    for table in ["master", "self"] {
        node.bridge(&format!("fdb del {} dev vx0 {table}", mac(1))).await;
    }
    assert_eq!(of(&fdb, mac(1)).await, []);
    write(&fdb, &read).await;
    assert_eq!(of(&fdb, mac(1)).await, read);
    Ok(())
}
