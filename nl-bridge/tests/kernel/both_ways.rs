//! Every attribute both ways: what we set iproute2 shows, and what iproute2 sets we read, and it is the same.

use std::fmt;

use nl_bridge::fdb::{Entry, Fdb, FdbEntry, FdbFlags};
use nl_core::MacAddr;
use nl_testkit::oracle::both_ways::{Case, Object, Step, check};
use nl_testkit::{Lab, Node, Result};
use serde_json::{Value, json};

use crate::support::{GROUP, mac, of, raw, shown_of, shown_the, still_bridge, the, vxlans};
use crate::support::{MASTER, NOARP, RTM_NEWNEIGH};

/// One entry through the library.
struct Ours {
    mac: MacAddr,
    dev: &'static str,
    make: fn(Entry) -> Entry,
}

impl fmt::Debug for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} dev {}", self.mac, self.dev)
    }
}

fn case(dev: &'static str, make: fn(Entry) -> Entry, words: &str, shown: Value) -> Case<Ours> {
    for_mac(mac(7), dev, make, words, shown)
}

/// `words` are those of `bridge fdb add`, `shown` is what `bridge -j fdb` shows beside the address and the device.
fn for_mac(
    mac: MacAddr,
    dev: &'static str,
    make: fn(Entry) -> Entry,
    words: &str,
    mut shown: Value,
) -> Case<Ours> {
    shown["mac"] = mac.to_string().into();
    shown["ifname"] = dev.into();
    Case { ours: Ours { mac, dev, make }, words: words.to_owned(), shown: Some(shown) }
}

/// Entries of the devices of a node.
struct Table<'a> {
    node: &'a Node,
    fdb: &'a Fdb,
}

impl Table<'_> {
    fn entry(&self, ours: &Ours) -> Entry {
        (ours.make)(self.fdb.entry(ours.mac, ours.dev))
    }
}

impl Object for Table<'_> {
    type Ours = Ours;
    type Read = FdbEntry;

    async fn set(&self, ours: &Ours) -> Result {
        self.entry(ours).add().await?;
        Ok(())
    }

    async fn remove(&self, ours: &Ours) -> Result {
        self.entry(ours).delete().await?;
        Ok(())
    }

    async fn read(&self, ours: &Ours, _after: Step) -> Result<Option<FdbEntry>> {
        let mut entries = of(self.fdb, ours.mac).await;
        if entries.len() > 1 {
            return Err(format!("several entries: {entries:?}").into());
        }
        Ok(entries.pop())
    }

    async fn iproute2_sets(&self, Ours { mac, dev, .. }: &Ours, words: &str) -> Result {
        self.node.bridge(&format!("fdb add {mac} dev {dev} {words}")).await;
        Ok(())
    }

    async fn iproute2_removes(&self, Ours { mac, dev, .. }: &Ours, words: &str) -> Result {
        self.node.bridge(&format!("fdb del {mac} dev {dev} {words}")).await;
        Ok(())
    }

    async fn shown(&self, ours: &Ours, _after: Step) -> Result<Value> {
        let mut entries = shown_of(self.node, ours.mac).await;
        if entries.len() > 1 {
            return Err(format!("several entries: {entries:?}").into());
        }
        Ok(entries.pop().unwrap_or_default())
    }
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn what_a_bridge_keeps(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let on_port = |flags: &[&str], state: &str| json!({ "flags": flags, "master": "br0", "state": state });
    let cases = [
        case("port1", |e| e.master(), "master permanent", on_port(&[], "permanent")),
        case("port1", |e| e.master().static_(), "master static", on_port(&[], "static")),
        case("port1", |e| e.master().dynamic(), "master dynamic", on_port(&[], "")),
        case(
            "port1",
            |e| e.master().static_().sticky(),
            "master static sticky",
            on_port(&["sticky"], "static"),
        ),
        case("port1", |e| e.master().dynamic().sticky(), "master dynamic sticky", on_port(&["sticky"], "")),
        case(
            "port2",
            |e| e.master().dynamic().extern_learn(),
            "master dynamic extern_learn",
            on_port(&["extern_learn"], ""),
        ),
        case("port1", |e| e.master().dynamic().use_(), "master dynamic use", on_port(&[], "")),
        case("br0", |e| e.self_(), "self permanent", on_port(&[], "permanent")),
        for_mac(GROUP, "port1", |e| e.master().static_(), "master static", on_port(&[], "static")),
    ];
    check(&Table { node: bridge.node(), fdb: &fdb }, cases).await;
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn what_a_device_filters(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let own = || json!({ "flags": ["self"], "state": "permanent" });
    let cases = [
        case("port1", |e| e, "self permanent", own()),
        case("port1", |e| e.self_(), "self permanent", own()),
        for_mac(GROUP, "port1", |e| e.self_(), "self", own()),
    ];
    check(&Table { node: bridge.node(), fdb: &fdb }, cases).await;
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn what_a_vxlan_device_keeps(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    let shown = |more: Value| {
        let mut out = json!({ "flags": ["self"], "state": "permanent", "dst": "192.0.2.7" });
        for (key, value) in more.as_object().unwrap() {
            out[key] = value.clone();
        }
        out
    };
    fn to(e: Entry) -> Entry {
        e.dst("192.0.2.7".parse().unwrap())
    }
    let cases = [
        case("vx0", to, "dst 192.0.2.7", shown(json!({}))),
        case("vx0", |e| to(e).self_().permanent(), "dst 192.0.2.7 self permanent", shown(json!({}))),
        case("vx0", |e| to(e).static_(), "dst 192.0.2.7 static", shown(json!({ "state": "static" }))),
        case("vx0", |e| to(e).dynamic(), "dst 192.0.2.7 dynamic", shown(json!({ "state": "" }))),
        case("vx0", |e| to(e).port(1234), "dst 192.0.2.7 port 1234", shown(json!({ "port": 1234 }))),
        case("vx0", |e| to(e).vni(200), "dst 192.0.2.7 vni 200", shown(json!({ "vni": 200 }))),
        case(
            "vx0",
            |e| to(e).vni(0xff_ffff),
            "dst 192.0.2.7 vni 16777215",
            shown(json!({ "vni": 0xff_ffff })),
        ),
        case("vx0", |e| to(e).via("eth0"), "dst 192.0.2.7 via eth0", shown(json!({ "viaIf": "eth0" }))),
        case(
            "vx0",
            |e| to(e).router(),
            "dst 192.0.2.7 router",
            shown(json!({ "flags": ["router", "self"] })),
        ),
        case(
            "vx0",
            |e| to(e).dynamic().extern_learn(),
            "dst 192.0.2.7 dynamic extern_learn",
            shown(json!({ "flags": ["extern_learn", "self"], "state": "" })),
        ),
        case(
            "vx0",
            |e| to(e).port(1).vni(2).via("eth0").static_().router().extern_learn(),
            "dst 192.0.2.7 port 1 vni 2 via eth0 static router extern_learn",
            shown(json!({
                "port": 1, "vni": 2, "viaIf": "eth0", "state": "static",
                "flags": ["extern_learn", "router", "self"],
            })),
        ),
        for_mac(MacAddr::ZERO, "vx0", to, "dst 192.0.2.7", shown(json!({}))),
        for_mac(GROUP, "vx0", to, "dst 192.0.2.7", shown(json!({}))),
        case("vm0", |e| to(e).src_vni(300), "dst 192.0.2.7 src_vni 300", shown(json!({ "src_vni": 300 }))),
        case(
            "vm0",
            |e| to(e).src_vni(300).vni(400),
            "dst 192.0.2.7 src_vni 300 vni 400",
            shown(json!({ "src_vni": 300, "vni": 400 })),
        ),
        case(
            "vx6",
            |e| e.dst("2001:db8::7".parse().unwrap()),
            "dst 2001:db8::7",
            shown(json!({ "dst": "2001:db8::7" })),
        ),
        case(
            "vx0",
            |e| e.nexthop(10),
            "nhid 10",
            json!({ "flags": ["self"], "state": "permanent", "nhid": 10 }),
        ),
    ];
    check(&Table { node: &node, fdb: &fdb }, cases).await;
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn master_and_self_write_both_tables(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let node = bridge.node();
    fdb.entry(mac(1), "port1").master().self_().add().await?;
    let by_us = shown_of(node, mac(1)).await;
    assert_eq!(by_us.len(), 2, "{by_us:#?}");
    fdb.entry(mac(1), "port1").master().self_().delete().await?;
    assert_eq!(shown_of(node, mac(1)).await.len(), 0);
    node.bridge(&format!("fdb add {} dev port1 self master permanent", mac(1))).await;
    assert_eq!(shown_of(node, mac(1)).await, by_us);
    Ok(())
}

/// The second table refuses, the first keeps the entry: as the documentation of `self_()` says.
#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn of_two_tables_the_first_keeps_the_entry_when_the_second_refuses(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let error = fdb.entry(mac(1), "port1").master().self_().dynamic().add().await.unwrap_err();
    assert_eq!(error.errno(), Some(nl_core::error::Errno::EINVAL), "{error}");
    assert_eq!(shown_the(bridge.node(), mac(1)).await["master"], "br0");
    Ok(())
}

/// The flag is the driver's: an entry that a program marks as offloaded is not shown as such.
#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn offloaded_cannot_be_set_on_a_bridge(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let index = bridge.node().index_of("port1").await?;
    let request = raw(RTM_NEWNEIGH, 0x400, index, NOARP, MASTER | 0x20, mac(1));
    fdb.connection().ack(request).await?;
    assert_eq!(shown_the(bridge.node(), mac(1)).await["flags"], json!([]));
    assert!(!the(&fdb, mac(1)).await.flags.contains(FdbFlags::OFFLOADED));
    Ok(())
}
