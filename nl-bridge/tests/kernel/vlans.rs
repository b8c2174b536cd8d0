//! VLANs of ports and bridges: set by us and by iproute2, shown and read, and the requests are the same.

use futures_util::TryStreamExt;
use nl_bridge::vlan::{
    DeviceVlans, VlanChange, VlanDevices, VlanEntry, VlanFlags, VlanMember, VlanTarget, VlanVerb, Vlans,
};
use nl_bridge::{Checked, VlanId, VlanRange};
use nl_core::error::ErrorKind;
use nl_core::message::NLM_F_ACK;
use nl_core::{Connection, Protocol};
use nl_testkit::{Bridge, Lab, Node, Result, eventually};
use serde_json::{Value, json};

use crate::kinds::{PORT, RTM_SETLINK, compare, the_one};
use crate::support::SOON;

/// `br0` with `port1` and `port2`, which filters VLANs and gives none by itself.
async fn world(lab: &Lab) -> Result<(Bridge, Vlans)> {
    lab.quiet();
    let bridge = lab.bridge("br0", 2).await?;
    bridge.node().ip("link set br0 type bridge vlan_filtering 1 vlan_default_pvid 0").await;
    let vlans = Vlans::new(bridge.node().open(|| Connection::open(Protocol::Route)).await?);
    Ok((bridge, vlans))
}

async fn list(devices: VlanDevices) -> Vec<DeviceVlans> {
    devices.list().await.unwrap().try_collect().await.unwrap()
}

async fn of(vlans: &Vlans, dev: &str) -> Vec<VlanMember> {
    let mut devices = list(vlans.devices().dev(dev)).await;
    assert_eq!(devices.len(), 1, "{devices:?}");
    devices.remove(0).members
}

/// What `bridge vlan show` has for a device, one VLAN a line.
async fn shown(node: &Node, dev: &str) -> Value {
    let shown = node.json(&format!("bridge -j vlan show dev {dev}")).await;
    shown.as_array().unwrap().first().map_or(json!([]), |device| device["vlans"].clone())
}

/// What `bridge -compressvlans vlan show` has. Of a range it shows the flags also where there are none.
async fn compressed(node: &Node, words: &str) -> Value {
    let mut shown = node.json(&format!("bridge -j -compressvlans vlan show {words}")).await;
    for device in shown.as_array_mut().unwrap() {
        for vlan in device["vlans"].as_array_mut().unwrap() {
            vlan.as_object_mut().unwrap().retain(|key, value| key != "flags" || *value != json!([]));
        }
    }
    shown
}

fn range(vlans: impl Into<Checked<VlanRange>>) -> VlanRange {
    vlans.into().check().unwrap()
}

/// As `bridge -compressvlans -j vlan show` renders them.
fn as_iproute2(members: &[VlanMember]) -> Value {
    let render = |member: &VlanMember| {
        let mut out = json!({ "vlan": member.vlans.first().get() });
        if !member.vlans.is_single() {
            out["vlanEnd"] = member.vlans.last().get().into();
        }
        let words = [(member.is_pvid(), "PVID"), (member.is_untagged(), "Egress Untagged")];
        let flags: Vec<_> = words.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
        if !flags.is_empty() {
            out["flags"] = json!(flags);
        }
        out
    };
    members.iter().map(render).collect()
}

struct Line {
    dev: &'static str,
    words: &'static str,
    ours: fn(VlanEntry) -> VlanEntry,
    vlans: VlanRange,
    flags: VlanFlags,
    target: VlanTarget,
}

fn lines() -> Vec<Line> {
    let line = |dev, words, ours, vlans, flags, target| Line { dev, words, ours, vlans, flags, target };
    let (none, own, master) = (VlanTarget::empty(), VlanTarget::SELF, VlanTarget::MASTER);
    let (pvid, untagged) = (VlanFlags::PVID, VlanFlags::UNTAGGED);
    vec![
        line("port1", "vid 10", |e| e, range(10), VlanFlags::empty(), none),
        line("port1", "vid 1", |e| e, range(1), VlanFlags::empty(), none),
        line("port1", "vid 4094", |e| e, range(4094), VlanFlags::empty(), none),
        line("port1", "vid 10 pvid", |e| e.pvid(), range(10), pvid, none),
        line("port1", "vid 10 untagged", |e| e.untagged(), range(10), untagged, none),
        line("port1", "vid 10 pvid untagged", |e| e.pvid().untagged(), range(10), pvid | untagged, none),
        line("port1", "vid 4-6", |e| e, range(4..=6), VlanFlags::empty(), none),
        line("port1", "vid 4-5 untagged", |e| e.untagged(), range(4..=5), untagged, none),
        line("port1", "vid 1-4094", |e| e, VlanRange::ALL, VlanFlags::empty(), none),
        line("port1", "vid 10 master", |e| e.master(), range(10), VlanFlags::empty(), master),
        line("br0", "vid 10 self", |e| e.self_(), range(10), VlanFlags::empty(), own),
        line(
            "br0",
            "vid 10 pvid untagged self",
            |e| e.pvid().untagged().self_(),
            range(10),
            pvid | untagged,
            own,
        ),
        line("br0", "vid 100-200 self", |e| e.self_(), range(100..=200), VlanFlags::empty(), own),
    ]
}

#[nl_testkit::test(needs(bridge_vlan_filtering, iproute2 = "7.3"), timeout = 60)]
async fn every_vlan_change_is_as_by_bridge_vlan(lab: Lab) -> Result {
    let (bridge, vlans) = world(&lab).await?;
    let node = bridge.node();
    let mut wrong = Vec::new();
    for Line { dev, words, ours, vlans: given, flags, target } in lines() {
        let entry = || ours(vlans.entry(dev, given));
        entry().add().await.unwrap_or_else(|error| panic!("{dev} {words}: {error}"));
        let by_us = (shown(node, dev).await, of(&vlans, dev).await);
        assert_eq!(by_us.0.as_array().unwrap().len(), given.len(), "{words}: {}", by_us.0);
        assert_eq!(
            by_us
                .1
                .iter()
                .map(|m| (m.vlans, m.flags & (VlanFlags::PVID | VlanFlags::UNTAGGED)))
                .collect::<Vec<_>>(),
            [(given, flags)],
            "{words}"
        );
        entry().delete().await?;
        assert_eq!(shown(node, dev).await, json!([]), "{words}");

        let mut change = VlanChange::new(node.index_of(dev).await?);
        change.target = target;
        change.members.push(VlanMember::new(given).with(flags));
        for (verb, kind, word) in [(VlanVerb::Add, RTM_SETLINK, "add"), (VlanVerb::Delete, 17, "del")] {
            let command = format!("bridge vlan {word} dev {dev} {words}");
            let (output, sent) = node.requests_of(&command).await?;
            assert!(output.status.success(), "{command}: {output:?}");
            let request = change.request(verb).with_flags(NLM_F_ACK).encoded()?.to_vec();
            wrong.extend(compare(&PORT, &request, &the_one(&sent, kind, &command).message, &command));
            match verb {
                VlanVerb::Add => {
                    assert_eq!((shown(node, dev).await, of(&vlans, dev).await), by_us, "{words}")
                }
                _ => assert_eq!(of(&vlans, dev).await, [], "{words}"),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "nlmon", tool = "bridge"))]
async fn one_request_has_many_vlans_in_the_longest_ranges(lab: Lab) -> Result {
    let (bridge, vlans) = world(&lab).await?;
    let node = bridge.node();
    let mut recording = node.record().await?;
    let entry = vlans
        .entry("port1", 10)
        .pvid()
        .untagged()
        .vlans(6)
        .vlans(4)
        .vlans(5)
        .vlans(100..=150)
        .vlans(151..=200);
    entry.vlans(9).untagged().vlans(11).untagged().add().await?;
    let sent = recording.take()?;
    let request = the_one(&sent, RTM_SETLINK, "our change");
    // Header, nest, and 8 bytes for each end: 4-6, 9, 10, 11, 100-200.
    assert_eq!(request.message.len(), 16 + 16 + 4 + 8 * 7, "{sent:?}");
    let shown = compressed(node, "dev port1").await[0]["vlans"].clone();
    assert_eq!(
        shown,
        json!([
            { "vlan": 4, "vlanEnd": 6 },
            { "vlan": 9, "flags": ["Egress Untagged"] },
            { "vlan": 10, "flags": ["PVID", "Egress Untagged"] },
            { "vlan": 11, "flags": ["Egress Untagged"] },
            { "vlan": 100, "vlanEnd": 200 },
        ])
    );
    assert_eq!(as_iproute2(&of(&vlans, "port1").await), shown);
    let members = of(&vlans, "port1").await;
    vlans.entry("port2", 1).members(members.clone()).add().await?;
    let mut with_one = vec![VlanMember::new(VlanId::MIN)];
    with_one.extend(members);
    assert_eq!(of(&vlans, "port2").await, with_one);
    vlans.entry("port1", 1..=3).vlans(4..=4094).delete().await?;
    assert_eq!(of(&vlans, "port1").await, []);
    Ok(())
}

/// The longest list there is: no two neighbours are the same.
#[nl_testkit::test(needs(bridge_vlan_filtering, tool = "bridge"), timeout = 60)]
async fn a_device_in_every_second_vlan_is_set_and_read_whole(lab: Lab) -> Result {
    let (bridge, vlans) = world(&lab).await?;
    let node = bridge.node();
    let mut entry = vlans.entry("port1", 1);
    for vlan in VlanRange::ALL.iter().skip(1) {
        entry = entry.vlans(vlan);
        if vlan.get() % 2 == 0 {
            entry = entry.untagged();
        }
    }
    entry.add().await?;
    let members = of(&vlans, "port1").await;
    assert_eq!(members.len(), 4094);
    assert_eq!(as_iproute2(&members), shown(node, "port1").await);
    vlans.entry("port1", VlanRange::ALL).delete().await?;
    assert_eq!(of(&vlans, "port1").await, []);
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, tool = "bridge"))]
async fn a_pvid_moves_and_flags_are_exactly_those_given(lab: Lab) -> Result {
    let (_bridge, vlans) = world(&lab).await?;
    vlans.entry("port1", 10).pvid().untagged().add().await?;
    vlans.entry("port1", 20).pvid().add().await?;
    let all = of(&vlans, "port1").await;
    let words: Vec<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["10 untagged", "20 pvid"]);
    vlans.entry("port1", 10).add().await?;
    let device = list(vlans.devices().dev("port1")).await.remove(0);
    assert_eq!(device.to_string(), "port1 vid 10 vid 20 pvid");
    assert_eq!(device.pvid(), Some(VlanId::new(20)?));
    assert!(!device.is_bridge());
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, tool = "bridge"))]
async fn a_list_of_vlans_has_what_bridge_vlan_shows(lab: Lab) -> Result {
    let (bridge, vlans) = world(&lab).await?;
    let node = bridge.node();
    for line in [
        "link add br1 type bridge vlan_filtering 1",
        "link add p9 type veth peer name q9",
        "link set p9 master br1",
    ] {
        node.ip(line).await;
    }
    for line in
        ["vlan add dev port1 vid 100-200", "vlan add dev port2 vid 150 pvid", "vlan add dev br0 vid 150 self"]
    {
        node.bridge(line).await;
    }
    let theirs = compressed(node, "").await;
    let mut devices = list(vlans.devices()).await;
    devices.retain(|device| !device.members.is_empty());
    let ours: Vec<_> = devices
        .iter()
        .map(|device| json!({ "ifname": device.name.to_string(), "vlans": as_iproute2(&device.members) }))
        .collect();
    assert_eq!(json!(ours), theirs);
    let names = |devices: Vec<DeviceVlans>| devices.iter().map(|d| d.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(list(vlans.devices().bridge("br1")).await), ["br1", "p9"]);
    let mut in_150 = list(vlans.devices().vlan(150)).await;
    in_150.sort_by(|one, other| one.name.as_str().cmp(other.name.as_str()));
    let words: Vec<_> = in_150.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["br0 vid 150", "port1 vid 150", "port2 vid 150 pvid"]);
    assert!(in_150[0].is_bridge());
    let error = vlans.devices().vlan(4095).list().await.unwrap_err();
    assert_eq!(error.to_string(), "list vlans: vlan 4095; 1 to 4094 are possible");
    let error = vlans.devices().dev("nobody").list().await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().starts_with("list vlans dev nobody: "), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, tool = "bridge"), timeout = 60)]
async fn statistics_of_vlans_are_those_of_bridge_vlan(lab: Lab) -> Result {
    let (bridge, vlans) = world(&lab).await?;
    let node = bridge.node();
    vlans.entry("port1", 10).pvid().untagged().vlans(20..=22).add().await?;
    vlans.entry("port2", 10).pvid().untagged().add().await?;
    vlans.entry("br0", 10).self_().add().await?;
    node.ip("link set br0 type bridge vlan_stats_enabled 1").await;
    let host = &bridge.hosts()[0];
    let own = host.links().await?.into_iter().find(|name| name != "lo").unwrap();
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 99, 0x88, 0xb5]);
    frame.resize(60, 0);
    for _ in 0..5 {
        host.send_frame(&own, &frame).await?;
    }
    let counted = async || {
        let theirs = node.json("bridge -j -s vlan show").await;
        let mut ours = Vec::new();
        let mut list = vlans.devices().stats().await.unwrap();
        while let Some(device) = list.try_next().await.unwrap() {
            let name = vlans.connection().link_name(device.index).await.unwrap();
            for stats in device.vlans {
                ours.push((
                    name.clone(),
                    stats.vlan.get(),
                    stats.rx_packets,
                    stats.rx_bytes,
                    stats.tx_packets,
                ));
            }
        }
        let mut shown = Vec::new();
        for device in theirs.as_array().unwrap() {
            for vlan in device["vlans"].as_array().unwrap() {
                let number = |key: &str| vlan[key].as_u64().unwrap();
                shown.push((
                    device["ifname"].as_str().unwrap().to_owned(),
                    u16::try_from(number("vid")).unwrap(),
                    number("rx_packets"),
                    number("rx_bytes"),
                    number("tx_packets"),
                ));
            }
        }
        ours.sort();
        shown.sort();
        let port1 =
            ours.iter().any(|(name, vlan, packets, ..)| name == "port1" && *vlan == 10 && *packets >= 5);
        (ours == shown && port1).then_some(ours)
    };
    let all = eventually(SOON, counted, "our counters and iproute2's to be the same").await;
    assert!(all.iter().any(|(name, vlan, ..)| name == "port1" && *vlan == 22), "{all:?}");
    let one: Vec<_> = vlans.devices().dev("port1").vlan(10).stats().await?.try_collect().await?;
    assert_eq!((one.len(), one[0].vlans.len(), one[0].index), (1, 1, node.index_of("port1").await?));
    assert!(one[0].vlans[0].to_string().starts_with("10 RX: "), "{}", one[0].vlans[0]);
    let of_bridge: Vec<_> = vlans.devices().bridge("br0").stats().await?.try_collect().await?;
    assert_eq!(of_bridge.len(), 3, "{of_bridge:?}");
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, tool = "bridge"))]
async fn refusals_of_vlans_name_device_and_limit(lab: Lab) -> Result {
    let (bridge, vlans) = world(&lab).await?;
    let node = bridge.node();
    node.ip("link add v0 type veth peer name v1").await;
    node.ip("link property add dev port1 altname to-the-left").await;
    let text = async |entry: VlanEntry| entry.add().await.unwrap_err().to_string();
    let cases = [
        (vlans.entry("to-the-left", 0), "add vlan dev to-the-left: vlan 0; 1 to 4094 are possible"),
        (vlans.entry("port1", 4095), "add vlan dev port1: vlan 4095; 1 to 4094 are possible"),
        (
            vlans.entry("port1", 10).vlans(std::ops::RangeInclusive::new(20, 15)),
            "add vlan dev port1 vid 10: vlan range 20-15 is reversed; the first has to be the smallest",
        ),
        (
            vlans.entry("port1", 10..=20).vlans(15..=30),
            "add vlan dev port1 vid 10-20 vid 15-30: vlans 10-20 and 15-30 overlap: give each VLAN once",
        ),
        (
            vlans.entry("port1", 10..=20).pvid(),
            "add vlan dev port1 vid 10-20 pvid: vlan range 10-20 as pvid; a pvid is one VLAN",
        ),
        (
            vlans.entry("port1", 10).pvid().vlans(12).pvid(),
            "add vlan dev port1 vid 10 pvid vid 12 pvid: vlans 10 and 12 as pvid; a device has one",
        ),
        (vlans.entry("nobody", 10), "add vlan dev nobody vid 10: No such device (ENODEV)"),
        (vlans.entry("br0", 10), "add vlan dev br0 vid 10: br0 is a bridge: add self_() for its own VLANs"),
        (vlans.entry("v0", 10), "add vlan dev v0 vid 10: v0 is neither a bridge nor a port of one"),
    ];
    for (entry, expected) in cases {
        assert_eq!(text(entry).await, expected);
    }
    let error = vlans.entry("port1", 10).self_().add().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Kernel(_)) && error.is_unsupported(), "{error}");
    assert_eq!(of(&vlans, "port1").await, []);
    assert_eq!(
        vlans.devices().dev("v0").stats().await?.try_collect::<Vec<_>>().await.unwrap_err().to_string(),
        "list vlan statistics dev v0: Invalid argument (EINVAL)"
    );
    Ok(())
}

/// The kernel keeps the VLANs of ports whether it filters or not, and has none where it was built without.
#[nl_testkit::test(needs(link = "bridge", link = "veth", tool = "ip"))]
async fn a_kernel_without_vlans_is_named_as_such(lab: Lab) -> Result {
    lab.quiet();
    let bridge = lab.bridge("br0", 1).await?;
    let vlans = Vlans::new(bridge.node().open(|| Connection::open(Protocol::Route)).await?);
    match vlans.entry("port1", 10).add().await {
        Ok(_) => assert!(list(vlans.devices().dev("port1").vlan(10)).await.len() == 1),
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{error}");
            assert!(error.to_string().contains("CONFIG_BRIDGE_VLAN_FILTERING"), "{error}");
        }
    }
    Ok(())
}
