//! The cases of iproute2's own tests of `bridge vlan show` and `bridge vlan tunnelshow` (`testsuite/tests/bridge/vlan`), with ours
//! beside each command.

use nl_bridge::VlanId;
use nl_bridge::tunnel::Tunnels;
use nl_bridge::vlan::Vlans;
use nl_bridge::vlan_db::VlanDb;
use nl_testkit::{Lab, Node, Result};
use serde_json::json;

use super::support::*;

/// `br0` as it is made without options, and the VXLAN devices `vx0` and `vx1` as its ports.
async fn world(lab: &Lab) -> Result<Node> {
    lab.quiet();
    let node = lab.node("a").await?;
    node.ip("link add br0 type bridge").await;
    for (name, port) in [("vx0", 4789), ("vx1", 4790)] {
        node.ip(&format!("link add {name} type vxlan dstport {port} external")).await;
        node.ip(&format!("link set dev {name} master br0")).await;
    }
    Ok(node)
}

/// show.t: ports without VLANs are not in the list of VLANs, ports without tunnels not in that of tunnels.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 60)]
async fn a_port_without_vlans_is_in_no_list_of_vlans_or_tunnels(lab: Lab) -> Result {
    let node = world(&lab).await?;
    node.bridge("vlan del dev vx0 vid 1").await;
    let shown = node.bridge("vlan").await;
    assert!(shown.contains("vx1") && !shown.contains("vx0"), "{shown}");
    let conn = route(&node).await;
    let (vx0, vx1) = (node.index_of("vx0").await?, node.index_of("vx1").await?);
    let entries = VlanDb::new(conn.clone()).entries().list().await?.collect_all().await?;
    let of = |index: u32| entries.iter().filter(move |entry| entry.index == index).count();
    assert_eq!((of(vx0), of(vx1)), (0, 1), "{entries:?}");
    let in_vlan_1 = Vlans::new(conn.clone()).devices().vlan(1).list().await?.collect_all().await?;
    let mut names: Vec<_> = in_vlan_1.iter().map(|device| device.name.to_string()).collect();
    names.sort();
    assert_eq!(names, ["br0", "vx1"]);
    // The list of devices has those without VLANs too, and says that they have none.
    let devices = Vlans::new(conn.clone()).devices().dev("vx0").list().await?.collect_all().await?;
    assert!(matches!(&devices[..], [vx0] if vx0.members.is_empty()), "{devices:?}");
    assert_eq!(node.json("bridge -j vlan tunnelshow").await, json!([]));
    assert_eq!(Tunnels::new(conn).entries().list().await?.collect_all().await?, []);
    Ok(())
}

/// tunnelshow.t: one tunnel, a range, and a VNI over 16 bits.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 60)]
async fn a_tunnel_a_range_and_a_large_vni_are_shown_alike_by_both(lab: Lab) -> Result {
    let node = world(&lab).await?;
    node.ip("link set dev vx0 type bridge_slave vlan_tunnel on").await;
    for (vlans, vnis) in [("1000", "1000"), ("1010-1020", "1010-1020"), ("1030", "65556")] {
        node.bridge(&format!("vlan add dev vx0 vid {vlans}")).await;
        node.bridge(&format!("vlan add dev vx0 vid {vlans} tunnel_info id {vnis}")).await;
    }
    let tunnels = Tunnels::new(route(&node).await);
    let listed = async || {
        let entries = tunnels.entries().dev("vx0").list().await.unwrap().collect_all().await.unwrap();
        entries.iter().map(|entry| format!("{} {}", entry.vlans, entry.vnis)).collect::<Vec<_>>()
    };
    let expected = ["1000 1000", "1010-1020 1010-1020", "1030 65556"];
    assert_eq!(listed().await, expected);
    let shown =
        (node.bridge("vlan tunnelshow dev vx0").await, node.json("bridge -j vlan tunnelshow dev vx0").await);
    let words: Vec<_> =
        shown.0.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert!(words.iter().any(|line| line.ends_with("1030 65556")), "{}", shown.0);
    assert_eq!(words.len(), 1 + expected.len(), "{}", shown.0);

    tunnels.entry("vx0", 1000, 1000).delete().await?;
    tunnels.entry("vx0", 1010..=1020, 1010..=1020).delete().await?;
    tunnels.entry("vx0", VlanId::new(1030)?, 65_556).delete().await?;
    assert_eq!((listed().await, tunnelshow(&node, "vx0").await), (vec![], vec![]));
    tunnels.entry("vx0", 1030, 65_556).add().await?;
    tunnels.entry("vx0", 1010..=1020, 1010..=1020).add().await?;
    tunnels.entry("vx0", 1000, 1000).add().await?;
    assert_eq!(listed().await, expected);
    let again =
        (node.bridge("vlan tunnelshow dev vx0").await, node.json("bridge -j vlan tunnelshow dev vx0").await);
    assert_eq!(again, shown);
    Ok(())
}
