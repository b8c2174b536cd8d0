//! FDB nexthops and groups, and the entries behind them: EVPN multihoming.

use nl_core::nexthop::Nexthops;
use nl_core::route::RouteProtocol;
use nl_testkit::oracle::traffic;
use nl_testkit::{EthFrame, Lab, Node, Result};
use serde_json::json;

use crate::support::{SOON, mac, shown_the, the, vxlans};

async fn ids(node: &Node) -> Vec<u64> {
    let list = node.json("ip -j nexthop show").await;
    let mut ids: Vec<_> = list.as_array().unwrap().iter().map(|hop| hop["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    ids
}

/// A range of numbers and a protocol say whose they are.
#[nl_testkit::test(needs(link = "vxlan", tool = "bridge", tool = "ip"))]
async fn fdb_nexthops_of_a_range_and_a_protocol_are_listed_and_flushed_alone(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    let nexthops = Nexthops::new(fdb.connection().clone());
    let bgp = RouteProtocol::BGP;
    nexthops.entry(5001).via("192.0.2.1".parse()?).fdb().protocol(bgp).add().await?;
    nexthops.entry(5002).via("192.0.2.2".parse()?).fdb().add().await?;
    nexthops.entry(5010).group([5001]).fdb().protocol(bgp).add().await?;
    nexthops.entry(6001).via("192.0.2.3".parse()?).fdb().protocol(bgp).add().await?;
    // Of a single one iproute2 7 asks what Linux 6.1 does not know.
    let all = node.json("ip -j -N nexthop show").await;
    let shown = all.as_array().unwrap().iter().find(|hop| hop["id"] == 5010).unwrap();
    assert_eq!((&shown["group"], &shown["fdb"]), (&json!([{ "id": 5001 }]), &json!(null)), "{shown}");
    assert_eq!(shown["protocol"], "186", "{shown}");

    let listed = nexthops.entries().fdb().ids(5000..=5999).list().await?.collect_all().await?;
    let mut listed: Vec<_> = listed.iter().map(|hop| (hop.id, hop.is_fdb, hop.protocol == bgp)).collect();
    listed.sort_unstable();
    assert_eq!(listed, [(5001, true, true), (5002, true, false), (5010, true, true)]);

    let empty = std::ops::RangeInclusive::new(6, 5);
    let error = nexthops.entries().ids(empty).list().await?.collect_all().await.unwrap_err();
    assert!(error.to_string().contains("nexthop ids 6 to 5: an empty range"), "{error}");

    fdb.entry(mac(1), "vx0").nexthop(5010).add().await?;
    nexthops.entries().fdb().protocol(bgp).ids(5000..=5999).flush().await?;
    assert_eq!(ids(&node).await, [1, 2, 10, 11, 5002, 6001]);
    // The entry behind the group has gone with it.
    assert!(fdb.entry(mac(1), "vx0").get().await.unwrap_err().is_not_found());
    Ok(())
}

/// The frames go to the new remote at once, and nothing is sent about the entry.
#[nl_testkit::test(needs(link = "vxlan", tool = "bridge", tool = "ip"))]
async fn replacing_a_group_moves_the_entries_behind_it_to_another_remote(lab: Lab) -> Result {
    lab.quiet();
    let [node, other] = lab.wire("a", "b").await?;
    for line in [
        "link set lo up",
        "address add 192.0.2.254/24 dev eth0",
        "neigh add 192.0.2.1 lladdr 02:00:00:00:99:01 dev eth0",
        "neigh add 192.0.2.2 lladdr 02:00:00:00:99:02 dev eth0",
        "link add vx0 type vxlan id 100 dstport 4789 local 192.0.2.254 nolearning",
        "link set vx0 up",
    ] {
        node.ip(line).await;
    }
    let fdb = crate::support::open(&node).await?;
    let nexthops = Nexthops::new(fdb.connection().clone());
    nexthops.entry(1).via("192.0.2.1".parse()?).fdb().add().await?;
    nexthops.entry(2).via("192.0.2.2".parse()?).fdb().add().await?;
    nexthops.entry(10).group([1]).fdb().add().await?;
    fdb.entry(mac(7), "vx0").nexthop(10).static_().add().await?;
    let shown = shown_the(&node, mac(7)).await;
    assert_eq!((&shown["nhid"], &shown["state"]), (&json!(10), &json!("static")), "{shown}");
    let read = the(&fdb, mac(7)).await;
    assert_eq!((read.nexthop, read.dst), (Some(10), None));

    let mut capture = other.capture("eth0").await?;
    let frame =
        EthFrame::new([2, 0, 0, 0, 0, 9], mac(7).octets(), EthFrame::TEST, b"over the group").to_bytes();
    for (member, remote) in [(1, "192.0.2.1"), (2, "192.0.2.2")] {
        nexthops.entry(10).group([member]).fdb().replace().await?;
        node.send_frame("vx0", &frame).await?;
        let is_ours = |frame: &EthFrame| {
            traffic::vni(frame) == Some(100)
                && traffic::ip(frame).is_some_and(|ip| ip.destination.to_string() == remote)
        };
        capture.expect(is_ours, SOON).await;
        assert_eq!(the(&fdb, mac(7)).await, read);
    }
    Ok(())
}
