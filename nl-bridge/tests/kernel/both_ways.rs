//! Every attribute both ways: what we set iproute2 shows, and what iproute2 sets we read, and it is the same.

use nl_bridge::fdb::{Entry, Fdb, FdbFlags, FdbState};
use nl_core::MacAddr;
use nl_testkit::{Lab, Node, Result};
use serde_json::{Value, json};

use crate::support::{GROUP, mac, of, raw, shown_of, shown_the, still_bridge, the, vxlans};
use crate::support::{MASTER, NOARP, RTM_NEWNEIGH};

/// One entry, told three ways: through the library, in the words of `bridge fdb add`, and as `bridge -j fdb` shows it.
struct Case {
    mac: MacAddr,
    dev: &'static str,
    ours: fn(Entry) -> Entry,
    words: &'static str,
    shown: Value,
}

fn case(dev: &'static str, ours: fn(Entry) -> Entry, words: &'static str, shown: Value) -> Case {
    Case { mac: mac(7), dev, ours, words, shown }
}

impl Case {
    fn with_mac(mut self, mac: MacAddr) -> Self {
        self.mac = mac;
        self
    }

    fn entry(&self, fdb: &Fdb) -> Entry {
        (self.ours)(fdb.entry(self.mac, self.dev))
    }

    async fn check(&self, node: &Node, fdb: &Fdb) {
        let Self { mac, dev, words, .. } = self;
        let mut shown = self.shown.clone();
        shown["mac"] = mac.to_string().into();
        shown["ifname"] = (*dev).into();

        self.entry(fdb).add().await.unwrap();
        assert_eq!(shown_the(node, *mac).await, shown, "set by us: {dev} {words}");
        let by_us = the(fdb, *mac).await;
        self.entry(fdb).delete().await.unwrap();
        assert_eq!(shown_of(node, *mac).await, [] as [Value; 0], "deleted by us: {dev} {words}");

        node.bridge(&format!("fdb add {mac} dev {dev} {words}")).await;
        let mut by_them = the(fdb, *mac).await;
        if by_them.is_tunnel() && by_them.is_permanent() {
            // A VXLAN device keeps the state as it was sent, and iproute2 says permanent with two bits.
            by_them.state -= FdbState::NOARP;
        }
        assert_eq!(shown_the(node, *mac).await, shown, "set by iproute2: {dev} {words}");
        assert_eq!(by_us, by_them, "{dev} {words}");
        node.bridge(&format!("fdb del {mac} dev {dev} {words}")).await;
        assert_eq!(of(fdb, *mac).await, [], "deleted by iproute2: {dev} {words}");
    }
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn what_a_bridge_keeps(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let on_port = |flags: &[&str], state: &str| json!({ "flags": flags, "master": "br0", "state": state });
    for case in [
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
        case("port1", |e| e.master().static_(), "master static", on_port(&[], "static")).with_mac(GROUP),
    ] {
        case.check(bridge.node(), &fdb).await;
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn what_a_device_filters(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let own = || json!({ "flags": ["self"], "state": "permanent" });
    for case in [
        case("port1", |e| e, "self permanent", own()),
        case("port1", |e| e.self_(), "self permanent", own()),
        case("port1", |e| e.self_(), "self", own()).with_mac(GROUP),
    ] {
        case.check(bridge.node(), &fdb).await;
    }
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
    for case in [
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
        case("vx0", to, "dst 192.0.2.7", shown(json!({}))).with_mac(MacAddr::ZERO),
        case("vx0", to, "dst 192.0.2.7", shown(json!({}))).with_mac(GROUP),
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
    ] {
        case.check(&node, &fdb).await;
    }
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
