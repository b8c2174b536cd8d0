//! Bulk deletion: what goes, what stays, and the same as `bridge fdb flush` where that spares the bridge's addresses.

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

fn local(table: &[Value]) -> Vec<Value> {
    table.iter().filter(|entry| entry["master"] == "br0" && entry["state"] == "permanent").cloned().collect()
}

type Select = fn(Entries) -> Entries;

/// Numbers that remain, our selection, the same in iproute2's words.
const SELECTIONS: &[(&[u8], Select, Option<&str>)] = &[
    // Here iproute2 without a mask would remove the bridge's addresses too.
    (&[5, 15, 20], |e| e.bridge("br0"), Some("dev br0 nopermanent")),
    (&[5, 15, 20], |e| e.dev("br0"), None),
    (&[1, 4, 5, 11, 14, 15, 20], |e| e.bridge("br0").dynamic(), Some("dev br0 dynamic")),
    (&[2, 3, 5, 12, 13, 15, 20], |e| e.bridge("br0").static_(), None),
    (&[1, 2, 4, 5, 11, 12, 14, 15, 20], |e| e.bridge("br0").extern_learn(true), Some("dev br0 extern_learn")),
    (
        &[3, 5, 13, 15, 20],
        |e| e.bridge("br0").extern_learn(false),
        Some("dev br0 noextern_learn nopermanent"),
    ),
    (
        &[1, 3, 4, 5, 11, 13, 14, 15, 20],
        |e| e.bridge("br0").dynamic().extern_learn(false),
        Some("dev br0 dynamic noextern_learn"),
    ),
    (&[1, 2, 3, 5, 11, 12, 13, 15, 20], |e| e.bridge("br0").sticky(true), Some("dev br0 sticky")),
    (&[5, 11, 12, 13, 14, 15, 20], |e| e.dev("port1"), Some("dev port1 master nopermanent")),
    (&[1, 4, 5, 11, 12, 13, 14, 15, 20], |e| e.dev("port1").dynamic(), Some("dev port1 master dynamic")),
    (
        &[1, 2, 3, 4, 5, 11, 14, 15, 20],
        |e| e.bridge("br0").dev("port2").dynamic(),
        Some("dev br0 brport port2 dynamic"),
    ),
    (&[2, 3, 5, 11, 12, 13, 14, 15, 20], |e| e.bridge("br0").dev("port1").static_(), None),
];

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn a_flush_removes_what_was_selected_and_spares_local_addresses(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let node = bridge.node();
    for (at, (remain, select, words)) in SELECTIONS.iter().enumerate() {
        populate(&fdb).await?;
        let before = shown(node, "").await;
        select(fdb.entries()).flush().await?;
        let after = shown(node, "").await;
        assert_eq!(numbers(&after), *remain, "selection {at}");
        assert_eq!(local(&after), local(&before), "selection {at}");
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
    let before = local(&shown(node, "").await);
    assert!(before.len() >= 3, "{before:#?}");
    let index = node.index_of("br0").await?;
    fdb.connection().ack(header(RTM_DELNEIGH, NLM_F_BULK, index, 0, SELF)).await?;
    let after = shown(node, "").await;
    assert_eq!(local(&after), [] as [Value; 0]);
    assert_eq!(numbers(&after), [] as [u8; 0]);
    Ok(())
}

#[nl_testkit::test(needs(link = "veth"))]
async fn the_bridges_own_addresses_are_not_flushed(lab: Lab) -> Result {
    let (_bridge, fdb) = still_bridge(&lab).await?;
    for entries in [fdb.entries().bridge("br0"), fdb.entries().dev("br0"), fdb.entries().dev("port1")] {
        let error = entries.permanent().flush().await.unwrap_err();
        let text = "the permanent entries of a bridge are its own addresses; not flushed";
        assert!(error.is_usage() && error.to_string().ends_with(text), "{error}");
    }
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
    assert!(fdb.connection().ack(request).await.is_err());
    Ok(())
}

async fn populate_vxlan(node: &Node, fdb: &Fdb) -> Result {
    for (number, state) in [(1, "permanent"), (2, "static"), (3, "dynamic")] {
        node.bridge(&format!("fdb replace {} dev vx0 dst 192.0.2.1 {state}", mac(number))).await;
    }
    fdb.entry(mac(4), "vx0").dst("192.0.2.1".parse()?).dynamic().extern_learn().replace().await?;
    fdb.entry(MacAddr::ZERO, "vx0").dst("192.0.2.9".parse()?).append().await?;
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn a_flush_of_a_vxlan_device_works_since_6_7_and_says_so_before(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    let selections: [(&[u8], bool, Select); 5] = [
        (&[1], true, |e| e),
        (&[1, 2], true, |e| e.dynamic()),
        (&[1, 3, 4], true, |e| e.static_()),
        (&[2, 3, 4], false, |e| e.permanent()),
        (&[1, 2, 3], true, |e| e.extern_learn(true)),
    ];
    for (at, (remain, default, select)) in selections.into_iter().enumerate() {
        populate_vxlan(&node, &fdb).await?;
        let outcome = select(fdb.entries().dev("vx0")).flush().await;
        let table = shown(&node, "dev vx0").await;
        if kernel() < (6, 7) {
            let error = outcome.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{error}");
            let text = "flush fdb dev vx0: bulk deletion of FDB entries is not supported by this kernel (needs Linux 6.7)";
            assert_eq!(error.to_string(), text);
            assert_eq!(numbers(&table), [1, 2, 3, 4], "selection {at}");
            continue;
        }
        outcome?;
        assert_eq!(numbers(&table), remain, "selection {at}");
        let has_default = table.iter().any(|entry| entry["mac"] == "00:00:00:00:00:00");
        assert_eq!(has_default, default, "selection {at}");
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
    fill().await?;
    fdb.entries().bridge("br0").dev("vx0").flush().await?;
    assert_eq!(numbers(&shown(node, "dev vx0").await), [2]);
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
    for (at, (_, select, _)) in SELECTIONS.iter().enumerate() {
        if at == 1 {
            // `dev` of a bridge lists its own addresses and flushes its table, as in iproute2.
            continue;
        }
        populate(&fdb).await?;
        let before = crate::support::collect(fdb.entries()).await;
        let mut listed = crate::support::collect(select(fdb.entries())).await;
        // A flush spares the bridge's own addresses, and the devices' own tables.
        listed.retain(|entry| entry.is_bridge() && !entry.is_permanent());
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
