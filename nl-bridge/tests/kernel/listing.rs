//! Whole tables as iproute2 shows them, filters, ages.

use std::time::Duration;

use futures_util::TryStreamExt;
use nl_bridge::fdb::FdbEntry;
use nl_core::MacAddr;
use nl_testkit::{EthFrame, Lab, Result, eventually};

use crate::support::{
    GROUP, SOON, agree, collect, kernel, mac, open, plain_bridge, still_bridge, the, vxlans,
};

#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn a_populated_namespace_lists_as_iproute2_shows_it(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let node = bridge.node();
    for line in [
        "link add vx0 type vxlan id 100 dstport 4789",
        "link add vx6 type vxlan id 600 dstport 4790 local 2001:db8::1",
        "link add vm0 type vxlan external dstport 4791",
        "link set vx0 master br0",
        "link set vx0 up",
        "link set vx6 up",
        "link set vm0 up",
        "link add br1 type bridge vlan_default_pvid 0",
        "link set br1 up",
    ] {
        node.ip(line).await;
    }
    for line in [
        "02:00:00:00:00:01 dev port1 master static",
        "02:00:00:00:00:02 dev port2 master dynamic sticky",
        "02:00:00:00:00:03 dev port2 master dynamic extern_learn",
        "02:00:00:00:00:04 dev vx0 master static",
        "02:00:00:00:00:04 dev vx0 self dst 192.0.2.4 port 1234 vni 200 static",
        "02:00:00:00:00:05 dev port1 self",
        "02:00:00:00:00:06 dev br0 self",
        "02:00:00:00:00:06 dev br1 self",
        "00:00:00:00:00:00 dev vx0 dst 192.0.2.1",
        "01:00:5e:00:00:07 dev vx0 dst 192.0.2.2",
        "02:00:00:00:00:07 dev vx6 dst 2001:db8::7",
        "00:00:00:00:00:00 dev vx6 dst 2001:db8::8",
        "02:00:00:00:00:08 dev vm0 dst 192.0.2.8 src_vni 300",
        "02:00:00:00:00:08 dev vm0 dst 192.0.2.9 src_vni 301 vni 7",
    ] {
        node.bridge(&format!("fdb add {line}")).await;
    }
    for (mac, dev, dst) in [
        (MacAddr::ZERO, "vx0", "192.0.2.3"),
        (MacAddr::ZERO, "vx0", "192.0.2.4"),
        (MacAddr::ZERO, "vx6", "2001:db8::9"),
        (GROUP, "vx0", "192.0.2.5"),
    ] {
        fdb.entry(mac, dev).dst(dst.parse()?).append().await?;
    }
    let all = agree(node, fdb.entries(), "").await;
    // In words too: the order of iproute2, with the names of the devices.
    let names = fdb.connection().link_names().await?;
    let worded = async || {
        let text = node.bridge("fdb show").await;
        let mut theirs: Vec<_> = text.lines().map(|line| line.trim_end().to_owned()).collect();
        let name = |word: &str| match word.strip_prefix('#').and_then(|index| index.parse().ok()) {
            Some(index) => names[&index].clone(),
            None => word.to_owned(),
        };
        let line = |entry: &FdbEntry| entry.to_string().split(' ').map(name).collect::<Vec<_>>().join(" ");
        let mut ours: Vec<_> = collect(fdb.entries()).await.iter().map(line).collect();
        theirs.sort();
        ours.sort();
        if ours != theirs {
            eprintln!("`bridge fdb show`:\n{theirs:#?}\nours:\n{ours:#?}");
        }
        (ours == theirs).then_some(())
    };
    eventually(SOON, worded, "our words and iproute2's to be the same").await;
    assert_eq!(all.iter().filter(|e| e["mac"] == "00:00:00:00:00:00" && e["ifname"] == "vx0").count(), 3);
    for (bridge, words) in [("br0", "br br0"), ("br1", "br br1")] {
        assert!(!agree(node, fdb.entries().bridge(bridge), words).await.is_empty());
    }
    for dev in ["port1", "vx0", "vx6", "vm0", "br0"] {
        assert!(!agree(node, fdb.entries().dev(dev), &format!("dev {dev}")).await.is_empty());
    }
    agree(node, fdb.entries().bridge("br0").dev("port2"), "br br0 brport port2").await;
    // By index as by name.
    let index = node.index_of("br0").await?;
    agree(node, fdb.entries().bridge(index), "br br0").await;
    Ok(())
}

/// The kernel filters by port and bridge: the entries of others do not travel.
#[nl_testkit::test(needs(link = "veth"))]
async fn a_listing_of_a_port_holds_nothing_else(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let index = bridge.node().index_of("port2").await?;
    fdb.entry(mac(1), "port1").master().static_().add().await?;
    fdb.entry(mac(2), "port2").master().static_().add().await?;
    let mut filter = nl_bridge::fdb::FdbFilter::default();
    filter.index = Some(index);
    // As it comes from the kernel, before we filter.
    let dump = fdb.connection().dump(filter.list_request(), |message| FdbEntry::decode(message).map(Some));
    let entries: Vec<FdbEntry> = dump.try_collect().await?;
    assert!(entries.iter().all(|entry| entry.index == index), "{entries:?}");
    assert!(entries.iter().any(|entry| entry.mac == mac(2)), "{entries:?}");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn what_is_filtered_while_reading_is_what_was_asked_for(lab: Lab) -> Result {
    let (_bridge, fdb) = still_bridge(&lab).await?;
    let entry = |number| fdb.entry(mac(number), "port1").master();
    entry(1).static_().add().await?;
    entry(2).dynamic().add().await?;
    entry(3).dynamic().extern_learn().add().await?;
    entry(4).static_().sticky().add().await?;
    entry(5).add().await?;
    let ours = |entries: Vec<FdbEntry>| {
        let mut numbers: Vec<_> = entries
            .iter()
            .map(|e| e.mac.octets())
            .filter(|m| m[..5] == [2, 0, 0, 0, 0])
            .map(|m| m[5])
            .collect();
        numbers.sort_unstable();
        numbers
    };
    let on = || fdb.entries().bridge("br0");
    assert_eq!(ours(collect(on()).await), [1, 2, 3, 4, 5]);
    assert_eq!(ours(collect(on().static_()).await), [1, 4]);
    assert_eq!(ours(collect(on().dynamic()).await), [2, 3]);
    assert_eq!(ours(collect(on().permanent()).await), [5]);
    assert_eq!(ours(collect(on().extern_learn(true)).await), [3]);
    assert_eq!(ours(collect(on().dynamic().extern_learn(false)).await), [2]);
    assert_eq!(ours(collect(on().sticky(true)).await), [4]);
    assert_eq!(ours(collect(on().static_().sticky(false)).await), [1]);
    assert_eq!(ours(collect(on().mac(mac(3))).await), [3]);
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn ages_are_those_of_iproute2(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let node = bridge.node();
    fdb.entry(mac(1), "port1").master().static_().add().await?;
    // Waits until the age has more than one digit of iproute2's whole seconds.
    let aged = async || {
        let ages = collect(fdb.entries().mac(mac(1))).await.remove(0).ages.unwrap();
        (ages.updated >= Duration::from_secs(2)).then_some(ages)
    };
    let first = eventually(SOON, aged, "the entry to be two seconds old").await;
    let list = node.json("bridge -j -d -s fdb show dev port1").await;
    let theirs = list.as_array().unwrap().iter().find(|e| e["mac"] == mac(1).to_string()).unwrap().clone();
    let last = collect(fdb.entries().mac(mac(1))).await.remove(0).ages.unwrap();
    for (key, from, to) in [("updated", first.updated, last.updated), ("used", first.used, last.used)] {
        let seconds = theirs[key].as_u64().unwrap();
        assert!((from.as_secs()..=to.as_secs()).contains(&seconds), "{key} {seconds}: {from:?} to {to:?}");
    }
    Ok(())
}

/// What frames teach the bridge we read as iproute2 does: dynamic, on the port they came in by.
#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn a_learned_address_is_dynamic_and_moves_with_its_host(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let node = bridge.node();
    let frame = EthFrame::new(mac(9).octets(), [0xff; 6], EthFrame::TEST, b"hello").to_bytes();
    for (host, port) in bridge.hosts().iter().zip(bridge.ports()) {
        host.send_frame("eth0", &frame).await?;
        let index = node.index_of(port).await?;
        let here = async || collect(fdb.entries().mac(mac(9)).dev(port.as_str())).await.pop();
        let entry = eventually(SOON, here, "the address to be learned").await;
        assert!(entry.is_dynamic() && entry.is_bridge() && !entry.is_locked(), "{entry}");
        assert_eq!(entry.index, index);
        let ours = fdb.entries().bridge("br0").dev(port.as_str()).dynamic();
        agree(node, ours, &format!("br br0 brport {port} dynamic")).await;
    }
    assert_eq!(the(&fdb, mac(9)).await.index, node.index_of("port2").await?);
    Ok(())
}

/// `NDA_FLAGS_EXT` is on every entry of a bridge since 6.2.
#[nl_testkit::test(needs(link = "veth"))]
async fn further_flags_are_reported_by_kernels_that_have_them(lab: Lab) -> Result {
    let (_bridge, fdb) = still_bridge(&lab).await?;
    fdb.entry(mac(1), "port1").master().static_().add().await?;
    assert_eq!(the(&fdb, mac(1)).await.flags_ext.is_some(), kernel() >= (6, 2));
    Ok(())
}

/// MAC authentication bypass: the address of a host that is not let in yet.
#[nl_testkit::test(needs(link = "veth", kernel = "6.2"))]
async fn an_address_seen_on_a_locked_port_is_locked(lab: Lab) -> Result {
    use nl_core::Request;
    use nl_core::message::{AF_BRIDGE, IfInfoMsg};
    const RTM_SETLINK: u16 = 19;
    const IFLA_PROTINFO: u16 = 12;
    const IFLA_BRPORT_LEARNING: u16 = 8;
    const IFLA_BRPORT_LOCKED: u16 = 39;
    const IFLA_BRPORT_MAB: u16 = 40;
    let (bridge, fdb) = still_bridge(&lab).await?;
    let index = bridge.node().index_of("port1").await?;
    let header = IfInfoMsg { family: AF_BRIDGE, index, ..IfInfoMsg::default() };
    let mut request = Request::unnamed(RTM_SETLINK).with_header(&header);
    request
        .attrs()
        .nested(IFLA_PROTINFO)
        .u8(IFLA_BRPORT_LEARNING, 1)
        .u8(IFLA_BRPORT_LOCKED, 1)
        .u8(IFLA_BRPORT_MAB, 1);
    fdb.connection().ack(request).await?;
    let frame = EthFrame::new(mac(9).octets(), [0xff; 6], EthFrame::TEST, b"let me in").to_bytes();
    bridge.hosts()[0].send_frame("eth0", &frame).await?;
    let seen = async || collect(fdb.entries().mac(mac(9))).await.pop();
    let entry = eventually(SOON, seen, "the address to be seen").await;
    assert!(entry.is_locked(), "{entry:?}");
    // The control plane lets the host in.
    fdb.entry(mac(9), "port1").master().dynamic().extern_learn().replace().await?;
    assert!(!the(&fdb, mac(9)).await.is_locked());
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan"))]
async fn vxlan_entry_has_another_type_than_a_bridges(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    fdb.entry(mac(1), "vx0").dst("192.0.2.7".parse()?).add().await?;
    plain_bridge(&node, "br0").await;
    fdb.entry(mac(2), "br0").self_().add().await?;
    let kinds = (the(&fdb, mac(1)).await.ndm_type, the(&fdb, mac(2)).await.ndm_type);
    assert_eq!(kinds, (1, 0));
    let (tunnel, bridge) = (the(&fdb, mac(1)).await, the(&fdb, mac(2)).await);
    assert!(tunnel.is_tunnel() && !tunnel.is_bridge() && bridge.is_bridge() && !bridge.is_tunnel());
    Ok(())
}

/// The default destination of a VXLAN device carries `REACHABLE` and `PERMANENT` at once.
#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn a_combined_state_is_read_whole(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add vx0 type vxlan id 100 dstport 4789 remote 192.0.2.1").await;
    let fdb = open(&node).await?;
    let entry = the(&fdb, MacAddr::ZERO).await;
    assert_eq!(entry.state.bits(), 0x82, "{entry:?}");
    assert!(entry.is_permanent() && !entry.is_dynamic());
    agree(&node, fdb.entries().dev("vx0"), "dev vx0").await;
    Ok(())
}

/// Its interfaces are numbered in the namespace it sends through.
#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn an_entry_of_a_device_that_sends_through_another_namespace_says_which(lab: Lab) -> Result {
    let (node, _) = vxlans(&lab).await?;
    let other = lab.node("c").await?;
    node.bridge(&format!("fdb add {} dev vx0 dst 192.0.2.7 via eth0", mac(1))).await;
    node.ip(&format!("link set vx0 netns {}", other.netns_path())).await;
    // Asking for the link gives the namespace its number.
    other.ip("link show vx0").await;
    let fdb = open(&other).await?;
    let entry = the(&fdb, mac(1)).await;
    assert_eq!(entry.via, Some(node.index_of("eth0").await?));
    assert!(entry.link_netnsid.is_some_and(|id| id >= 0), "{entry:?}");
    agree(&other, fdb.entries().mac(mac(1)), "dev vx0").await;
    Ok(())
}
