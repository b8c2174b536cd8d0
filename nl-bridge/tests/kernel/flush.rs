//! Bulk deletion: what goes, what stays, and the same as `bridge fdb flush`.

use nl_bridge::fdb::{Entries, Fdb};
use nl_core::MacAddr;
use nl_core::error::{Errno, ErrorKind};
use nl_testkit::{Lab, Node, Result};
use serde_json::Value;

use crate::support::{MASTER, NDA_LLADDR, NDA_NDM_STATE_MASK, PERMANENT, RTM_DELNEIGH, SELF};
use crate::support::{agree, header, kernel, mac, open, shown, still_bridge, vxlans};

const NLM_F_BULK: u16 = 0x200;

/// Entries of every kind on both ports of `br0`; those of `port2` have the numbers from 11.
async fn populate(fdb: &Fdb) -> Result {
    for (port, first) in [("port1", 0), ("port2", 10)] {
        let entry = |number: u32| fdb.entry(mac(first + number), port).master();
        entry(1).static_().replace().await?;
        entry(2).dynamic().replace().await?;
        entry(3).dynamic().extern_learn().replace().await?;
        entry(4).static_().sticky().replace().await?;
        entry(5).permanent().replace().await?;
    }
    fdb.entry(mac(20), "br0").self_().replace().await?;
    Ok(())
}

/// The numbers of the entries of `populate` that iproute2 still shows.
fn numbers(table: &[Value]) -> Vec<u8> {
    let mut numbers: Vec<_> = table
        .iter()
        .filter_map(|entry| entry["mac"].as_str()?.strip_prefix("02:00:00:00:00:"))
        .map(|last| u8::from_str_radix(last, 16).unwrap())
        .collect();
    numbers.sort_unstable();
    numbers
}

/// The addresses of the bridge and of its ports, which nobody added.
fn own(table: &[Value]) -> Vec<Value> {
    let added = |entry: &Value| entry["mac"].as_str().is_some_and(|mac| mac.starts_with("02:00:00:00:00:"));
    let of_bridge = |entry: &&Value| entry["master"] == "br0" && entry["state"] == "permanent";
    table.iter().filter(of_bridge).filter(|entry| !added(entry)).cloned().collect()
}

type Select = fn(Entries) -> Entries;

/// Numbers that remain, our selection, the same in iproute2's words.
const SELECTIONS: &[(&[u8], Select, Option<&str>)] = &[
    (&[], |e| e.bridge("br0"), None),
    (&[5, 15, 20], |e| e.bridge("br0").no_permanent(), Some("dev br0 nopermanent")),
    (&[1, 2, 3, 4, 11, 12, 13, 14], |e| e.bridge("br0").permanent(), None),
    // What is on the bridge itself, as a list of it shows.
    (&[1, 2, 3, 4, 5, 11, 12, 13, 14, 15], |e| e.dev("br0"), None),
    (&[1, 4, 5, 11, 14, 15, 20], |e| e.bridge("br0").no_static(), Some("dev br0 nostatic")),
    (&[2, 3, 12, 13], |e| e.bridge("br0").no_dynamic(), None),
    (&[1, 4, 5, 11, 14, 15, 20], |e| e.bridge("br0").dynamic(), Some("dev br0 dynamic")),
    (&[2, 3, 5, 12, 13, 15, 20], |e| e.bridge("br0").static_(), None),
    (&[1, 2, 4, 5, 11, 12, 14, 15, 20], |e| e.bridge("br0").extern_learn(true), Some("dev br0 extern_learn")),
    (
        &[3, 5, 13, 15, 20],
        |e| e.bridge("br0").extern_learn(false).no_permanent(),
        Some("dev br0 noextern_learn nopermanent"),
    ),
    (&[3, 13], |e| e.bridge("br0").extern_learn(false), None),
    (
        &[1, 3, 4, 5, 11, 13, 14, 15, 20],
        |e| e.bridge("br0").dynamic().extern_learn(false),
        Some("dev br0 dynamic noextern_learn"),
    ),
    (&[1, 2, 3, 5, 11, 12, 13, 15, 20], |e| e.bridge("br0").sticky(true), Some("dev br0 sticky")),
    (&[11, 12, 13, 14, 15, 20], |e| e.dev("port1"), None),
    (&[5, 11, 12, 13, 14, 15, 20], |e| e.dev("port1").no_permanent(), Some("dev port1 master nopermanent")),
    (&[1, 2, 3, 4, 11, 12, 13, 14, 15, 20], |e| e.dev("port1").master().permanent(), None),
    (&[1, 4, 5, 11, 12, 13, 14, 15, 20], |e| e.dev("port1").dynamic(), Some("dev port1 master dynamic")),
    (
        &[1, 2, 3, 4, 5, 11, 14, 15, 20],
        |e| e.bridge("br0").dev("port2").dynamic(),
        Some("dev br0 brport port2 dynamic"),
    ),
    (&[2, 3, 5, 11, 12, 13, 14, 15, 20], |e| e.bridge("br0").dev("port1").static_(), None),
];

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn a_flush_removes_what_was_selected_and_spares_own_addresses(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let node = bridge.node();
    for (at, (remain, select, words)) in SELECTIONS.iter().enumerate() {
        populate(&fdb).await?;
        let before = shown(node, "").await;
        select(fdb.entries()).flush().await?;
        let after = shown(node, "").await;
        assert_eq!(numbers(&after), *remain, "selection {at}");
        assert_eq!(own(&after), own(&before), "selection {at}");
        // The rest of the namespace, and the devices' own tables.
        assert!(
            before.iter().filter(|e| e["master"] != "br0").eq(after.iter().filter(|e| e["master"] != "br0"))
        );
        let Some(words) = words else { continue };
        populate(&fdb).await?;
        node.bridge(&format!("fdb flush {words}")).await;
        assert_eq!(shown(node, "").await, after, "`bridge fdb flush {words}`");
    }
    agree(node, fdb.entries(), "").await;
    Ok(())
}

/// Why our flush always sends a mask: without it the values count for nothing and the bridge's own addresses go too.
#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn a_flush_without_masks_removes_the_bridges_own_addresses(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let node = bridge.node();
    populate(&fdb).await?;
    let before = own(&shown(node, "").await);
    assert!(before.len() >= 2, "{before:#?}");
    let index = node.index_of("br0").await?;
    fdb.connection().ack(header(RTM_DELNEIGH, NLM_F_BULK, index, 0, SELF)).await?;
    let after = shown(node, "").await;
    assert_eq!(own(&after), [] as [Value; 0]);
    assert_eq!(numbers(&after), [] as [u8; 0]);
    Ok(())
}

/// Who asks for it gets what iproute2 does.
#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn a_flush_with_own_addresses_is_that_of_iproute2(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let node = bridge.node();
    populate(&fdb).await?;
    assert!(own(&shown(node, "").await).len() >= 2);
    fdb.entries().bridge("br0").own_addresses().flush().await?;
    let after = shown(node, "").await;
    assert_eq!((own(&after), numbers(&after)), (vec![], vec![]));
    populate(&fdb).await?;
    node.bridge("fdb flush dev br0").await;
    assert_eq!(shown(node, "").await, after);
    Ok(())
}

/// What `add()` makes when no state is given, on every kind of table.
#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn a_flush_removes_permanent_entries_that_were_added(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let node = bridge.node();
    let selections: [Select; 4] = [
        |e| e.bridge("br0"),
        |e| e.bridge("br0").permanent(),
        |e| e.bridge("br0").vlan(10),
        |e| e.bridge("br0").extern_learn(true),
    ];
    for (at, select) in selections.into_iter().enumerate() {
        let before = own(&shown(node, "").await);
        fdb.entry(mac(1), "port1").master().add().await?;
        fdb.entry(mac(2), "br0").self_().add().await?;
        fdb.entry(mac(3), "br0").self_().extern_learn().add().await?;
        select(fdb.entries()).flush().await?;
        let after = shown(node, "").await;
        let left: &[u8] = match at {
            2 => &[1, 2, 3],
            3 => &[1, 2],
            _ => &[],
        };
        assert_eq!(numbers(&after), left, "selection {at}");
        assert_eq!(own(&after), before, "selection {at}");
        fdb.entries().bridge("br0").flush().await?;
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "veth"))]
async fn selections_that_exclude_each_other_are_refused(lab: Lab) -> Result {
    let (_bridge, fdb) = still_bridge(&lab).await?;
    let selections: [Select; 4] = [
        |e| e.permanent().no_permanent(),
        |e| e.static_().dynamic(),
        |e| e.static_().no_static(),
        |e| e.sticky(true).sticky(false),
    ];
    for select in selections {
        let entries = select(fdb.entries().bridge("br0"));
        let text = "the states or flags that are asked for exclude each other";
        for error in [
            entries.clone().list().await.map(drop).unwrap_err(),
            entries.flush().await.map(drop).unwrap_err(),
        ] {
            assert!(error.is_usage() && error.to_string().ends_with(text), "{error}");
        }
    }
    // Those that do not are one.
    fdb.entries().bridge("br0").no_permanent().no_static().flush().await?;
    let error = fdb.entries().bridge("br0").master().flush().await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("bridge() is one table"), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth"))]
async fn a_flush_of_everything_everywhere_is_refused(lab: Lab) -> Result {
    let (_bridge, fdb) = still_bridge(&lab).await?;
    let error = fdb.entries().flush().await.unwrap_err();
    assert_eq!(error.to_string(), "flush fdb: a flush needs a bridge or a device");
    let error = fdb.entries().bridge("br0").mac(mac(1)).flush().await.unwrap_err();
    let text = "flush fdb br br0: a flush cannot select by MAC address: delete the entry";
    assert_eq!(error.to_string(), text);
    // The kernel would refuse it as well: and it does, whatever the address.
    let index = fdb.connection().link_index("br0").await?;
    let mut request = header(RTM_DELNEIGH, NLM_F_BULK, index, 0, SELF);
    request.attrs().bytes(NDA_LLADDR, &mac(1).octets()).u16(NDA_NDM_STATE_MASK, PERMANENT);
    assert_eq!(fdb.connection().ack(request).await.unwrap_err().errno(), Some(Errno::EINVAL));
    let request = header(RTM_DELNEIGH, NLM_F_BULK, 0, 0, MASTER);
    assert_eq!(fdb.connection().ack(request).await.unwrap_err().errno(), Some(Errno::EINVAL));
    Ok(())
}

async fn populate_vxlan(node: &Node, fdb: &Fdb) -> Result {
    for (number, state) in [(1, "permanent"), (2, "static"), (3, "dynamic")] {
        node.bridge(&format!("fdb replace {} dev vx0 dst 192.0.2.1 {state}", mac(number))).await;
    }
    fdb.entry(mac(4), "vx0").dst("192.0.2.1".parse()?).dynamic().extern_learn().replace().await?;
    fdb.entry(mac(5), "vx0").dst("192.0.2.1".parse()?).extern_learn().replace().await?;
    fdb.entry(mac(6), "vx0").dst("192.0.2.1".parse()?).replace().await?;
    fdb.entry(MacAddr::ZERO, "vx0").dst("192.0.2.9".parse()?).append().await?;
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn a_flush_of_a_vxlan_device_works_since_6_7_and_says_so_before(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    let selections: [(&[u8], bool, Select, &str); 10] = [
        (&[], false, |e| e, ""),
        (&[1, 5, 6], true, |e| e.no_permanent(), "nopermanent"),
        (&[1, 2, 5, 6], true, |e| e.dynamic(), "dynamic"),
        (&[3, 4], false, |e| e.no_dynamic(), "nodynamic"),
        (&[1, 3, 4, 5, 6], true, |e| e.static_(), "static"),
        (&[1, 2, 5, 6], true, |e| e.no_static(), "nostatic"),
        (&[2, 3, 4], false, |e| e.permanent(), "permanent"),
        (&[1, 2, 3, 6], true, |e| e.extern_learn(true), "extern_learn"),
        (&[4, 5], false, |e| e.extern_learn(false), "noextern_learn"),
        (&[1, 2, 3, 6], true, |e| e.self_().extern_learn(true), "self extern_learn"),
    ];
    for (at, (remain, default, select, words)) in selections.into_iter().enumerate() {
        populate_vxlan(&node, &fdb).await?;
        let outcome = select(fdb.entries().dev("vx0")).flush().await;
        let table = shown(&node, "dev vx0").await;
        if kernel() < (6, 7) {
            let error = outcome.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{error}");
            let text = "flush fdb dev vx0: bulk deletion of FDB entries is not supported by this kernel (needs Linux 6.7)";
            assert_eq!(error.to_string(), text);
            assert_eq!(numbers(&table), [1, 2, 3, 4, 5, 6], "selection {at}");
            continue;
        }
        outcome?;
        assert_eq!(numbers(&table), remain, "selection {at}");
        let has_default = table.iter().any(|entry| entry["mac"] == "00:00:00:00:00:00");
        assert_eq!(has_default, default, "selection {at}");
        populate_vxlan(&node, &fdb).await?;
        node.bridge(&format!("fdb flush dev vx0 {words}")).await;
        assert_eq!(shown(&node, "dev vx0").await, table, "`bridge fdb flush dev vx0 {words}`");
    }
    Ok(())
}

/// The kernel leaves the device's own port and VNI out of entries, and a flush by them finds those entries all the same.
#[nl_testkit::test(needs(link = "vxlan", tool = "bridge", kernel = "6.7"))]
async fn a_list_and_a_flush_know_the_devices_own_port_and_vni(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    let selections: [(&[u8], Select); 5] = [
        (&[1, 3], |e| e.vni(100)),
        (&[1, 2], |e| e.port(4789)),
        (&[1, 2, 3, 4], |e| e.src_vni(100)),
        (&[2], |e| e.vni(7)),
        (&[], |e| e.vni(8)),
    ];
    for (selected, select) in selections {
        let entry = |number: u32| fdb.entry(mac(number), "vx0");
        let to = "192.0.2.1".parse()?;
        entry(1).dst(to).replace().await?;
        entry(2).dst(to).vni(7).replace().await?;
        entry(3).dst(to).port(9).replace().await?;
        // It has no remote of its own.
        if entry(4).get().await.is_err() {
            entry(4).nexthop(10).add().await?;
        }
        for entries in [fdb.entries(), fdb.entries().dev("vx0")] {
            let listed = crate::support::collect(select(entries)).await;
            let mut listed: Vec<_> = listed.iter().map(|entry| entry.mac.octets()[5]).collect();
            listed.sort_unstable();
            assert_eq!(listed, selected);
        }
        select(fdb.entries().dev("vx0")).flush().await?;
        let left: Vec<_> = [1, 2, 3, 4].into_iter().filter(|number| !selected.contains(number)).collect();
        assert_eq!(numbers(&shown(&node, "dev vx0").await), left);
    }
    Ok(())
}

/// As a port of a bridge a VXLAN device has two tables: `dev` means its own, with `bridge` it means the bridge's.
#[nl_testkit::test(needs(link = "vxlan", tool = "bridge", kernel = "6.7"))]
async fn the_two_tables_of_a_vxlan_port_are_flushed_apart(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let node = bridge.node();
    node.ip("link add vx0 type vxlan id 100 dstport 4789").await;
    node.set_master("vx0", "br0").await?;
    node.up("vx0").await?;
    let fill = async || -> Result {
        fdb.entry(mac(1), "vx0").master().static_().replace().await?;
        fdb.entry(mac(2), "vx0").dst("192.0.2.1".parse()?).dynamic().replace().await?;
        Ok(())
    };
    fill().await?;
    fdb.entries().dev("vx0").flush().await?;
    assert_eq!(numbers(&shown(node, "dev vx0").await), [1]);
    for entries in [fdb.entries().bridge("br0").dev("vx0"), fdb.entries().dev("vx0").master()] {
        fill().await?;
        entries.flush().await?;
        assert_eq!(numbers(&shown(node, "dev vx0").await), [2]);
    }
    fill().await?;
    let count = async |entries: Entries| {
        let list = crate::support::collect(entries).await;
        list.iter().filter(|entry| entry.mac == mac(1) || entry.mac == mac(2)).count()
    };
    assert_eq!(count(fdb.entries().dev("vx0").master()).await, 1);
    assert_eq!(count(fdb.entries().dev("vx0").self_()).await, 1);
    assert_eq!(count(fdb.entries().dev("vx0").master().self_()).await, 2);
    fdb.entries().dev("vx0").master().self_().flush().await?;
    assert_eq!(numbers(&shown(node, "dev vx0").await), [] as [u8; 0]);
    Ok(())
}

/// There is no release of Linux to ask for: such a device has no table of its own that could be flushed.
#[nl_testkit::test(needs(link = "ifb"))]
async fn a_flush_of_a_device_without_bulk_deletion_is_not_supported(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.add_link("ifb0", "ifb").await?;
    let fdb = open(&node).await?;
    let error = fdb.entries().dev("ifb0").flush().await.unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    assert_eq!(error.to_string(), "flush fdb dev ifb0: Operation not supported (EOPNOTSUPP)");
    Ok(())
}

#[nl_testkit::test(needs(link = "vrf"))]
async fn a_flush_of_a_device_under_something_else_than_a_bridge_is_not_supported(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add vrf0 type vrf table 7").await;
    node.add_veth("veth0", &node, "veth1").await?;
    node.set_master("veth0", "vrf0").await?;
    let fdb = open(&node).await?;
    let error = fdb.entries().dev("veth0").flush().await.unwrap_err();
    assert_eq!(error.to_string(), "flush fdb dev veth0: Operation not supported (EOPNOTSUPP)");
    Ok(())
}

/// The kernel's list filter and our own agree on what a selection is.
#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn a_list_and_a_flush_select_the_same(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let node = bridge.node();
    let own = fdb.connection().links().collect_all().await?;
    let own: Vec<_> = own.iter().map(|link| link.address).collect();
    for (at, (_, select, _)) in SELECTIONS.iter().enumerate() {
        populate(&fdb).await?;
        let before = crate::support::collect(fdb.entries()).await;
        let mut listed = crate::support::collect(select(fdb.entries())).await;
        // A flush spares the bridge's own addresses, and the devices' own tables.
        listed.retain(|entry| entry.is_bridge() && !own.contains(&Some(entry.mac.into())));
        select(fdb.entries()).flush().await?;
        let after = crate::support::collect(fdb.entries()).await;
        let key = |entry: &nl_bridge::fdb::FdbEntry| (entry.mac, entry.vlan, entry.index);
        let mut gone: Vec<_> =
            before.iter().map(key).filter(|k| !after.iter().any(|e| key(e) == *k)).collect();
        let mut listed: Vec<_> = listed.iter().map(key).collect();
        gone.sort_unstable();
        listed.sort_unstable();
        assert_eq!(gone, listed, "selection {at} on {}", node.name());
    }
    Ok(())
}
