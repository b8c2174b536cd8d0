//! Small networks, tables as iproute2 prints them, requests made by hand.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::TryStreamExt;
use nl_bridge::fdb::{Entries, Fdb, FdbEntry, FdbFlags, FdbState};
use nl_core::Request;
use nl_core::message::{AF_BRIDGE, NdMsg};
use nl_core::{Connection, MacAddr, Protocol};
pub(crate) use nl_testkit::kernel_version as kernel;
use nl_testkit::{Bridge, Lab, Node, Result, eventually};
use serde_json::{Value, json};

pub(crate) const RTM_NEWNEIGH: u16 = 28;
pub(crate) const RTM_DELNEIGH: u16 = 29;
pub(crate) const RTM_GETNEIGH: u16 = 30;
pub(crate) const NDA_DST: u16 = 1;
pub(crate) const NDA_LLADDR: u16 = 2;
pub(crate) const NDA_VLAN: u16 = 5;
pub(crate) const NDA_PORT: u16 = 6;
pub(crate) const NDA_VNI: u16 = 7;
pub(crate) const NDA_IFINDEX: u16 = 8;
pub(crate) const NDA_SRC_VNI: u16 = 11;
pub(crate) const NDA_NH_ID: u16 = 13;
pub(crate) const NDA_FDB_EXT_ATTRS: u16 = 14;
pub(crate) const NDA_FLAGS_EXT: u16 = 15;
pub(crate) const NDA_NDM_STATE_MASK: u16 = 16;
pub(crate) const PERMANENT: u16 = 0x80;
pub(crate) const NOARP: u16 = 0x40;
pub(crate) const SELF: u8 = 2;
pub(crate) const MASTER: u8 = 4;
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A bridge `br0` with two ports, nobody talking and no VLANs: an entry is one entry.
pub(crate) async fn still_bridge(lab: &Lab) -> Result<(Bridge, Fdb)> {
    lab.quiet();
    let bridge = lab.bridge("br0", 2).await?;
    // Without it every port is in VLAN 1, and what is added is there twice. A kernel without VLANs passes over it.
    bridge.node().ip("link set br0 type bridge vlan_default_pvid 0").await;
    let fdb = open(bridge.node()).await?;
    Ok((bridge, fdb))
}

/// A node with the VXLAN devices `vx0` (VNI 100), `vx6` (VNI 600, over IPv6) and `vm0` (metadata mode), and the FDB nexthop
/// groups 10 and 11.
pub(crate) async fn vxlans(lab: &Lab) -> Result<(Node, Fdb)> {
    lab.quiet();
    let [node, _other] = lab.wire("a", "b").await?;
    for line in [
        "link set lo up",
        "link add vx0 type vxlan id 100 dstport 4789 nolearning",
        "link add vx6 type vxlan id 600 dstport 4790 local 2001:db8::1 nolearning",
        "link add vm0 type vxlan external dstport 4791 nolearning",
        "nexthop add id 1 via 192.0.2.1 fdb",
        "nexthop add id 2 via 192.0.2.2 fdb",
        "nexthop add id 10 group 1/2 fdb",
        "nexthop add id 11 group 1 fdb",
    ] {
        node.ip(line).await;
    }
    let fdb = open(&node).await?;
    Ok((node, fdb))
}

/// A bridge in a node, without VLANs.
pub(crate) async fn plain_bridge(node: &Node, name: &str) {
    node.ip(&format!("link add {name} type bridge vlan_default_pvid 0")).await;
}

pub(crate) async fn open(node: &Node) -> Result<Fdb> {
    Ok(Fdb::new(node.open(|| Connection::open(Protocol::Route)).await?))
}

pub(crate) fn mac(number: u32) -> MacAddr {
    let [_, a, b, c] = number.to_be_bytes();
    MacAddr::new([2, 0, 0, a, b, c])
}

pub(crate) const GROUP: MacAddr = MacAddr::new([1, 0, 0x5e, 0x7f, 0, 1]);

pub(crate) async fn collect(entries: Entries) -> Vec<FdbEntry> {
    entries.list().await.unwrap().try_collect().await.unwrap()
}

/// The entries for one address, without their ages.
pub(crate) async fn of(fdb: &Fdb, mac: MacAddr) -> Vec<FdbEntry> {
    let mut entries = collect(fdb.entries().mac(mac)).await;
    for entry in &mut entries {
        entry.ages = None;
    }
    entries
}

/// The one entry for an address, without its ages.
pub(crate) async fn the(fdb: &Fdb, mac: MacAddr) -> FdbEntry {
    let mut entries = of(fdb, mac).await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

/// `bridge -j -d fdb show WORDS`: what we compare, in a fixed order.
pub(crate) async fn shown(node: &Node, words: &str) -> Vec<Value> {
    let list = node.json(&format!("bridge -j -d fdb show {words}")).await;
    sorted(list.as_array().unwrap().iter().map(known).collect())
}

/// What iproute2 shows for one address.
pub(crate) async fn shown_of(node: &Node, mac: MacAddr) -> Vec<Value> {
    let mut list = shown(node, "").await;
    list.retain(|entry| entry["mac"] == mac.to_string());
    list
}

/// The one entry iproute2 shows for an address.
pub(crate) async fn shown_the(node: &Node, mac: MacAddr) -> Value {
    let mut list = shown_of(node, mac).await;
    assert_eq!(list.len(), 1, "{list:#?}");
    list.remove(0)
}

pub(crate) fn sorted(mut list: Vec<Value>) -> Vec<Value> {
    list.sort_by_key(Value::to_string);
    list
}

/// Without what later releases of iproute2 may add.
fn known(entry: &Value) -> Value {
    let mut out = json!({});
    for key in [
        "mac",
        "ifname",
        "dst",
        "vlan",
        "port",
        "vni",
        "src_vni",
        "viaIf",
        "viaIfIndex",
        "linkNetNsId",
        "nhid",
        "master",
        "state",
    ] {
        if let Some(value) = entry.get(key) {
            out[key] = value.clone();
        }
    }
    let mut flags: Vec<_> = entry["flags"].as_array().cloned().unwrap_or_default();
    // Known since iproute2 6.2.
    flags.retain(|flag| flag != "locked");
    flags.sort_by_key(Value::to_string);
    out["flags"] = flags.into();
    out
}

/// An entry as iproute2 would print it.
pub(crate) fn as_iproute2(entry: &FdbEntry, names: &HashMap<u32, String>) -> Value {
    let mut out = json!({ "mac": entry.mac.to_string(), "ifname": names[&entry.index] });
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            out[key] = value;
        }
    };
    put("dst", entry.dst.map(|dst| dst.to_string().into()));
    put("vlan", entry.vlan.map(Into::into));
    put("port", entry.port.map(Into::into));
    put("vni", entry.vni.map(Into::into));
    put("src_vni", entry.src_vni.map(Into::into));
    match entry.link_netnsid {
        None => put("viaIf", entry.via.map(|via| names[&via].clone().into())),
        Some(id) => {
            put("viaIfIndex", entry.via.map(Into::into));
            put("linkNetNsId", Some(id.into()));
        }
    }
    put("nhid", entry.nexthop.map(Into::into));
    put("master", entry.master.map(|master| names[&master].clone().into()));
    let state = match entry.state {
        state if state.contains(FdbState::PERMANENT) => "permanent",
        state if state.contains(FdbState::NOARP) => "static",
        state if state.contains(FdbState::STALE) => "stale",
        _ => "",
    };
    put("state", Some(state.into()));
    let words = [
        (FdbFlags::EXT_LEARNED, "extern_learn"),
        (FdbFlags::OFFLOADED, "offload"),
        (FdbFlags::ROUTER, "router"),
        (FdbFlags::SELF, "self"),
        (FdbFlags::STICKY, "sticky"),
    ];
    let flags: Vec<_> = words.iter().filter(|(flag, _)| entry.flags.contains(*flag)).map(|w| w.1).collect();
    put("flags", Some(flags.into()));
    out
}

/// Compares a listing of ours with one of iproute2's, entry for entry, once both are at rest.
pub(crate) async fn agree(node: &Node, entries: Entries, words: &str) -> Vec<Value> {
    let names = {
        let fdb = open(node).await.unwrap();
        fdb.connection().link_names().await.unwrap()
    };
    let same = async || {
        let theirs = shown(node, words).await;
        let ours = collect(entries.clone()).await;
        let mut ours = sorted(ours.iter().map(|entry| as_iproute2(entry, &names)).collect());
        if theirs.iter().all(|entry| entry.get("ifname").is_none()) {
            // iproute2 does not repeat the device it was asked for.
            for entry in &mut ours {
                entry.as_object_mut().unwrap().remove("ifname");
            }
            ours = sorted(ours);
        }
        if ours != theirs {
            eprintln!("`bridge fdb show {words}`:\n{theirs:#?}\nours:\n{ours:#?}");
        }
        (ours == theirs).then_some(theirs)
    };
    eventually(SOON, same, "our listing and iproute2's to be the same").await
}

/// A request made by hand, with the address as its first attribute.
pub(crate) fn raw(kind: u16, nlm_flags: u16, index: u32, state: u16, flags: u8, mac: MacAddr) -> Request {
    let mut request = header(kind, nlm_flags, index, state, flags);
    request.attrs().bytes(NDA_LLADDR, &mac.octets());
    request
}

/// A request made by hand, without attributes.
pub(crate) fn header(kind: u16, nlm_flags: u16, index: u32, state: u16, flags: u8) -> Request {
    let header = NdMsg { family: AF_BRIDGE, index, state, flags, kind: 0 };
    Request::unnamed(kind).with_flags(nlm_flags).with_header(&header)
}
