//! Devices: what we make iproute2 shows, what iproute2 makes we read, and the requests are the same.

use futures_util::TryStreamExt;
use nl_core::MacAddr;
use nl_core::connection::{Connection, Protocol};
use nl_core::link::{
    AddrGenMode, Bond, BondMode, BondPort, DeviceEntry, Dummy, Ifb, IpVlan, IpVlanFlags, IpVlanMode, Link,
    LinkConfig, LinkEvent, LinkKind, LinkVerb, Links, MacVlan, MacVlanMode, QosMap, Veth, Vlan, VlanFlags,
    VlanProtocol, Vrf,
};
use nl_core::message::NLM_F_ACK;
use nl_core::netns::Netns;
use nl_testkit::oracle::{Attr, BytesOracle, Field, Shape};
use nl_testkit::{Lab, Node, Result};
use serde_json::{Value, json};

use crate::support::{SOON, route};

mod options;

const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 7]);

/// One device, made through the library and in the words of `ip link`, and what of it `ip -j -d link show` has to say.
struct Case {
    /// What must be there before, in the words of `ip`.
    before: &'static [&'static str],
    name: &'static str,
    ours: fn(DeviceEntry) -> DeviceEntry,
    words: &'static str,
    shown: Value,
}

impl Case {
    async fn check(&self, node: &Node, links: &Links) {
        let Self { before, name, ours, words, shown } = self;
        for command in *before {
            node.ip(command).await;
        }
        let made = ours(links.device(*name)).add().await.unwrap();
        assert_eq!(made.name, *name, "{words}");
        let by_us = (self.shown(node).await, still(links.device(*name).get().await.unwrap()));
        holds(&by_us.0, shown, words);
        links.device(*name).delete().await.unwrap();
        assert!(links.device(*name).get().await.unwrap_err().is_not_found(), "{words}");

        let (output, sent) = node.requests_of(&format!("ip link add {words}")).await.unwrap();
        assert!(output.status.success(), "ip link add {words}: {output:?}");
        let by_them = (self.shown(node).await, still(links.device(*name).get().await.unwrap()));
        assert_eq!(by_us, by_them, "{words}");
        self.compare(links, &sent).await;
        node.ip(&format!("link del {name}")).await;
        for command in before.iter().rev().filter(|command| command.starts_with("link add")) {
            let made = command.split(' ').skip_while(|word| *word != "name").nth(1).unwrap();
            node.ip(&format!("link del {made}")).await;
        }
    }

    async fn shown(&self, node: &Node) -> Value {
        let mut shown = node.json(&format!("ip -j -d link show dev {}", self.name)).await[0].clone();
        // Each device has its own.
        for key in ["ifindex", "stats64", "stats"] {
            shown.as_object_mut().unwrap().remove(key);
        }
        shown
    }

    /// The request of the codec against that of iproute2.
    async fn compare(&self, links: &Links, sent: &[nl_testkit::oracle::Sent]) {
        let theirs: Vec<_> = sent
            .iter()
            .filter(|sent| sent.protocol == 0 && sent.kind() == 16 && sent.flags() & 0x400 != 0)
            .collect();
        assert_eq!(theirs.len(), 1, "ip link add {} sent {sent:?}", self.words);
        let theirs = theirs[0];
        let mut config = (self.ours)(links.device(self.name)).config().clone();
        links.connection().resolve(config.devs()).await.unwrap();
        let mut request = config.request(LinkVerb::Add).with_flags(NLM_F_ACK);
        let ours = request.encoded().unwrap().to_vec();
        let (new, old) = (BytesOracle::new(&LINK), BytesOracle::new(&LINK).except(OLD_IPROUTE2));
        let same = new.compare(&ours, &theirs.message);
        let accepted = same.is_ok() || old.compare(&ours, &theirs.message).is_ok();
        assert!(accepted, "ip link add {}: {}", self.words, same.unwrap_err());
    }
}

/// Without what differs from device to device.
fn still(link: Link) -> Link {
    let mut link = link.without_counters();
    link.index = 0;
    if link.is_kind("veth") {
        // The index of the other end.
        link.link = None;
    }
    link
}

/// Whether all of `part` is in `whole`.
fn holds(whole: &Value, part: &Value, what: &str) {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (key, value) in part {
                assert!(whole.contains_key(key), "{what}: no {key} in {whole:?}");
                holds(&whole[key], value, what);
            }
        }
        (whole, part) => assert_eq!(whole, part, "{what}"),
    }
}

async fn links_of(node: &Node) -> Links {
    Links::new(route(node).await)
}

fn info(kind: &str, data: Value) -> Value {
    match data {
        Value::Null => json!({ "linkinfo": { "info_kind": kind } }),
        data => json!({ "linkinfo": { "info_kind": kind, "info_data": data } }),
    }
}

async fn check_all(lab: &Lab, cases: Vec<Case>) -> Result {
    lab.quiet();
    let node = lab.node("a").await?;
    let links = links_of(&node).await;
    for case in cases {
        case.check(&node, &links).await;
    }
    Ok(())
}

const BELOW: &[&str] =
    &["link add name v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02"];

#[nl_testkit::test(needs(link = "dummy", tool = "ip"), timeout = 60)]
async fn a_dummy_with_every_common_option_goes_both_ways(lab: Lab) -> Result {
    let of = |ours, words, shown| Case { before: &[], name: "d1", ours, words, shown };
    check_all(&lab, vec![
        of(
            |d| d.kind(Dummy::new()).address(MAC),
            "name d1 address 02:00:00:00:00:07 type dummy",
            info("dummy", Value::Null),
        ),
        of(
            |d| d.kind(Dummy::new()).mtu(9000).address(MAC).tx_queue_len(77).group(7).num_tx_queues(2).num_rx_queues(3),
            "name d1 mtu 9000 address 02:00:00:00:00:07 txqueuelen 77 numtxqueues 2 numrxqueues 3 group 7 type dummy",
            json!({ "mtu": 9000, "txqlen": 77, "group": "7", "num_tx_queues": 2, "num_rx_queues": 3 }),
        ),
        of(
            |d| d.kind(Dummy::new()).address(MAC).up().arp(false).multicast(false),
            "name d1 address 02:00:00:00:00:07 up arp off multicast off type dummy",
            json!({ "flags": ["BROADCAST", "NOARP", "UP", "LOWER_UP"] }),
        ),
        of(
            |d| d.kind(Dummy::new()).address(MAC).index(4711),
            "name d1 index 4711 address 02:00:00:00:00:07 type dummy",
            info("dummy", Value::Null),
        ),
    ])
    .await
}

#[nl_testkit::test(needs(link = "ifb", tool = "ip"), timeout = 60)]
async fn an_ifb_goes_both_ways(lab: Lab) -> Result {
    let ours = |d: DeviceEntry| d.kind(Ifb::new()).address(MAC);
    let words = "name i1 address 02:00:00:00:00:07 type ifb";
    check_all(&lab, vec![Case { before: &[], name: "i1", ours, words, shown: info("ifb", Value::Null) }])
        .await
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"), timeout = 60)]
async fn a_veth_pair_goes_both_ways(lab: Lab) -> Result {
    let of = |ours, words, shown| Case { before: &[], name: "va", ours, words, shown };
    check_all(&lab, vec![
        of(
            |d| d.address(MAC).kind(Veth::new("vb")),
            "name va address 02:00:00:00:00:07 type veth peer name vb",
            json!({ "link": "vb", "linkinfo": { "info_kind": "veth" } }),
        ),
        of(
            |d| {
                let mut peer = LinkConfig::new("vb");
                (peer.mtu, peer.address) = (Some(1400), Some(MacAddr::new([2, 0, 0, 0, 0, 8]).into()));
                d.mtu(1400).address(MAC).kind(Veth::with_peer(peer))
            },
            "name va mtu 1400 address 02:00:00:00:00:07 type veth peer mtu 1400 address 02:00:00:00:00:08 name vb",
            json!({ "mtu": 1400 }),
        ),
    ])
    .await
}

#[nl_testkit::test(needs(link = "veth", link = "vlan", tool = "ip"), timeout = 60)]
async fn a_vlan_goes_both_ways(lab: Lab) -> Result {
    let of = |ours, words, shown| Case { before: BELOW, name: "x1", ours, words, shown };
    check_all(
        &lab,
        vec![
            of(
                |d| d.link("v0").kind(Vlan::new(10)),
                "link v0 name x1 type vlan id 10",
                info("vlan", json!({ "protocol": "802.1Q", "id": 10, "flags": ["REORDER_HDR"] })),
            ),
            of(
                |d| d.link("v0").kind(Vlan::new(0).protocol(VlanProtocol::Dot1ad)),
                "link v0 name x1 type vlan protocol 802.1ad id 0",
                info("vlan", json!({ "protocol": "802.1ad", "id": 0 })),
            ),
            of(
                |d| {
                    d.link("v0").kind(
                        Vlan::new(4094)
                            .set(VlanFlags::REORDER_HDR, false)
                            .set(VlanFlags::LOOSE_BINDING, true)
                            .ingress_qos_map(QosMap(vec![(1, 2), (3, 4)]))
                            .egress_qos_map([(5, 6)]),
                    )
                },
                "link v0 name x1 type vlan id 4094 reorder_hdr off loose_binding on \
             ingress-qos-map 1:2 3:4 egress-qos-map 5:6",
                info(
                    "vlan",
                    json!({
                        "id": 4094,
                        "flags": ["LOOSE_BINDING"],
                        "ingress_qos": [{ "from": 1, "to": 2 }, { "from": 3, "to": 4 }],
                        "egress_qos": [{ "from": 5, "to": 6 }],
                    }),
                ),
            ),
        ],
    )
    .await
}

#[nl_testkit::test(needs(link = "vrf", tool = "ip"), timeout = 60)]
async fn a_vrf_goes_both_ways(lab: Lab) -> Result {
    let of = |ours, words, shown| Case { before: &[], name: "red", ours, words, shown };
    check_all(
        &lab,
        vec![
            of(
                |d| d.address(MAC).kind(Vrf::new(1001)),
                "name red address 02:00:00:00:00:07 type vrf table 1001",
                info("vrf", json!({ "table": 1001 })),
            ),
            of(
                |d| d.address(MAC).up().kind(Vrf::new(4_000_000_000)),
                "name red address 02:00:00:00:00:07 up type vrf table 4000000000",
                info("vrf", json!({ "table": 4_000_000_000_u32 })),
            ),
        ],
    )
    .await
}

#[nl_testkit::test(needs(link = "veth", link = "bond", tool = "ip"), timeout = 60)]
async fn a_bond_goes_both_ways(lab: Lab) -> Result {
    let of = |ours, words, shown| Case { before: &[], name: "bo", ours, words, shown };
    check_all(&lab, vec![
        of(
            |d| d.address(MAC).kind(Bond::new(BondMode::ActiveBackup).miimon(100_u32).updelay(200_u32)),
            "name bo address 02:00:00:00:00:07 type bond mode active-backup miimon 100 updelay 200",
            info("bond", json!({ "mode": "active-backup", "miimon": 100, "updelay": 200 })),
        ),
        of(
            |d| {
                d.address(MAC).kind(
                    Bond::new(BondMode::Ieee8023ad)
                        .miimon(50_u32)
                        .xmit_hash_policy(1)
                        .min_links(2_u32)
                        .lacp_rate(1)
                        .ad_select(1)
                        .ad_user_port_key(5_u16)
                        .ad_actor_sys_prio(9_u16),
                )
            },
            "name bo address 02:00:00:00:00:07 type bond mode 802.3ad miimon 50 xmit_hash_policy layer3+4 min_links 2 \
             lacp_rate fast ad_select bandwidth ad_user_port_key 5 ad_actor_sys_prio 9",
            info("bond", json!({
                "mode": "802.3ad",
                "xmit_hash_policy": "layer3+4",
                "min_links": 2,
                "ad_lacp_rate": "fast",
                "ad_select": "bandwidth",
            })),
        ),
        of(
            |d| {
                let targets = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
                d.address(MAC).kind(Bond::new(BondMode::ActiveBackup).arp_interval(500_u32).arp_ip_target(targets))
            },
            "name bo address 02:00:00:00:00:07 type bond mode active-backup arp_interval 500 \
             arp_ip_target 192.0.2.1,192.0.2.2",
            info("bond", json!({ "arp_interval": 500, "arp_ip_target": ["192.0.2.1", "192.0.2.2"] })),
        ),
    ])
    .await
}

#[nl_testkit::test(needs(link = "veth", link = "macvlan", link = "ipvlan", tool = "ip"), timeout = 60)]
async fn macvlan_and_ipvlan_go_both_ways(lab: Lab) -> Result {
    let of = |ours, words, shown| Case { before: BELOW, name: "x1", ours, words, shown };
    check_all(
        &lab,
        vec![
            of(
                |d| d.address(MAC).link("v0").kind(MacVlan::new(MacVlanMode::Bridge)),
                "link v0 name x1 address 02:00:00:00:00:07 type macvlan mode bridge",
                info("macvlan", json!({ "mode": "bridge" })),
            ),
            of(
                |d| d.address(MAC).link("v0").kind(MacVlan::new(MacVlanMode::Vepa).bc_queue_len(2000_u32)),
                "link v0 name x1 address 02:00:00:00:00:07 type macvlan mode vepa bcqueuelen 2000",
                info("macvlan", json!({ "mode": "vepa", "bcqueuelen": 2000 })),
            ),
            of(
                |d| d.link("v0").kind(IpVlan::new(IpVlanMode::L2)),
                "link v0 name x1 type ipvlan mode l2",
                info("ipvlan", json!({ "mode": "l2" })),
            ),
            of(
                |d| d.link("v0").kind(IpVlan::new(IpVlanMode::L3s).flags(IpVlanFlags::PRIVATE)),
                "link v0 name x1 type ipvlan mode l3s private",
                info("ipvlan", json!({ "mode": "l3s" })),
            ),
        ],
    )
    .await
}

/// The kernel silently drops these when a device is created, so they are further requests.
#[nl_testkit::test(needs(link = "dummy", tool = "ip"))]
async fn what_the_kernel_drops_from_a_new_device_is_set_by_further_requests(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let links = links_of(&node).await;
    let device =
        links.device("d1").kind(Dummy::new()).alias("for people").addr_gen_mode(AddrGenMode::None).up();
    device.alt_name("of-a-tenant:1").alt_name("short").add().await?;
    let shown = node.json("ip -j -d link show dev of-a-tenant:1").await;
    assert_eq!(shown[0]["ifalias"], "for people");
    assert_eq!(shown[0]["inet6_addr_gen_mode"], "none");
    assert_eq!(shown[0]["altnames"], json!(["of-a-tenant:1", "short"]));
    assert!(shown[0]["flags"].as_array().unwrap().contains(&json!("UP")));
    // It was not up before, when it would have made itself an address.
    assert_eq!(node.ip("-6 -o address show dev d1").await, "");
    let link = links.device("short").get().await?;
    assert_eq!((link.name.as_str(), link.alias.as_deref()), ("d1", Some("for people")));
    assert_eq!(link.alt_names, ["of-a-tenant:1", "short"]);
    Ok(())
}

#[nl_testkit::test(needs(link = "dummy", tool = "ip"))]
async fn a_device_that_comes_up_without_address_generation_makes_itself_no_address(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let links = links_of(&node).await;
    links.device("d1").kind(Dummy::new()).add().await?;
    links.device("d1").addr_gen_mode(AddrGenMode::None).up().change().await?;
    assert_eq!(node.ip("-6 -o address show dev d1").await, "");
    assert!(links.device("d1").get().await?.is_up());
    Ok(())
}

#[nl_testkit::test(needs(link = "dummy", tool = "ip"))]
async fn a_device_whose_further_requests_are_refused_is_deleted_again(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let links = links_of(&node).await;
    links.device("d1").kind(Dummy::new()).alt_name("taken").add().await?;
    let error = links.device("d2").kind(Dummy::new()).alt_name("taken").add().await.unwrap_err();
    assert!(error.is_exists(), "{error}");
    assert_eq!(node.links().await?, ["lo", "d1"]);
    Ok(())
}

#[nl_testkit::test(needs(link = "dummy", link = "bridge", tool = "ip"))]
async fn a_device_is_changed_renamed_and_moved_as_by_iproute2(lab: Lab) -> Result {
    let (node, other) = (lab.node("a").await?, lab.node("b").await?);
    let links = links_of(&node).await;
    node.ip("link add name br0 type bridge").await;
    links.device("d1").kind(Dummy::new()).alt_name("old-name").add().await?;
    let device = links.device("d1").master("br0").mtu(1400).group(3).alias("x").tx_queue_len(5).address(MAC);
    device.alt_name("new-name").remove_alt_name("old-name").up().change().await?;
    let shown = node.json("ip -j -d link show dev d1").await[0].clone();
    holds(
        &shown,
        &json!({
            "master": "br0", "mtu": 1400, "group": "3", "ifalias": "x", "txqlen": 5,
            "address": MAC.to_string(), "altnames": ["new-name"],
        }),
        "changed",
    );
    let link = links.device("d1").get().await?;
    assert!(link.is_port_of("bridge") && link.is_up());
    links.device("d1").no_master().down().alias("").change().await?;
    let link = links.device("d1").get().await?;
    assert_eq!((link.master, link.is_up(), link.alias), (None, false, None));
    links.device("new-name").rename("d9").change().await?;
    assert_eq!(links.device("d9").get().await?.index, link.index);
    links.device("d9").netns(Netns::fd(other.netns_fd())?).change().await?;
    assert_eq!(node.links().await?, ["lo", "br0"]);
    assert_eq!(other.links().await?, ["lo", "d9"]);
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn the_peer_of_a_pair_is_created_in_its_namespace(lab: Lab) -> Result {
    let [host, container] = [lab.node("host").await?, lab.node("container").await?];
    let links = links_of(&host).await;
    let mac = MacAddr::new([2, 0, 0, 0, 0, 8]);
    let netns = Netns::fd(container.netns_fd())?;
    let peer = LinkConfig::new("eth0").netns(netns).mtu(1400).address(mac);
    links.device("veth0").kind(Veth::with_peer(peer)).up().add().await?;

    let shown = container.json("ip -j link show dev eth0").await;
    let peer = &shown[0];
    assert_eq!((&peer["mtu"], &peer["address"]), (&json!(1400), &json!(mac.to_string())), "{peer:#}");
    links.device("veth0").delete().await?;

    // For the kernel a peer has no pair yet when it would go up.
    let error = links.device("v0").kind(Veth::with_peer(LinkConfig::new("v1").up())).add().await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("a peer that is up"), "{error}");
    let refused = host.command("ip link add v0 type veth peer name v1 up".split(' ')).await;
    assert!(!refused.status.success(), "{refused}");

    // A peer is in no bridge until it is changed: the kernel would drop it.
    let mut peer = LinkConfig::new("v1");
    peer.master = Some("br0".into());
    let error = links.device("v0").kind(Veth::with_peer(peer)).add().await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("master of a peer"), "{error}");
    assert_eq!(host.links().await?, ["lo"]);
    Ok(())
}

#[nl_testkit::test(needs(link = "dummy", link = "bond", tool = "ip"))]
async fn what_a_bond_keeps_for_a_port_goes_both_ways(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let links = links_of(&node).await;
    links.device("bo").kind(Bond::new(BondMode::ActiveBackup).miimon(100_u32)).up().add().await?;
    for name in ["p0", "p1"] {
        links.device(name).kind(Dummy::new()).add().await?;
        links.device(name).master("bo").change().await?;
    }
    links.device("p1").port(BondPort::default().prio(5).queue_id(3_u16)).change().await?;
    let shown = node.json("ip -j -d link show dev p1").await[0]["linkinfo"]["info_slave_data"].clone();
    assert_eq!((&shown["queue_id"], &shown["prio"]), (&json!(3), &json!(5)));
    let port = links.device("p1").get().await?.port::<BondPort>().unwrap()?;
    assert_eq!((port.queue_id, port.prio), (Some(3), Some(5)));
    // A device that the options name is looked up, like a master.
    links.device("bo").kind(Bond::default().primary("p1")).change().await?;
    let bond = node.json("ip -j -d link show dev bo").await[0]["linkinfo"]["info_data"].clone();
    assert_eq!(bond["primary"], "p1");
    let bond = links.device("bo").get().await?.kind::<Bond>().unwrap()?;
    assert_eq!(bond.primary, Some(links.device("p1").get().await?.index.into()));
    let error = links.device("bo").kind(Bond::default().primary("p7")).change().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(error.to_string().starts_with("set link bo type bond: No such device"), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(link = "dummy", tool = "ip"))]
async fn replace_creates_a_device_or_changes_the_existing_one(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let links = links_of(&node).await;
    for mtu in [1400, 1300] {
        links.device("d1").kind(Dummy::new()).mtu(mtu).replace().await?;
        assert_eq!(node.json("ip -j link show dev d1").await[0]["mtu"], mtu);
    }
    let error = links.device("d1").kind(Ifb::new()).replace().await.unwrap_err();
    assert_eq!(error.to_string(), "set link d1 type ifb: d1 is a dummy, not an ifb");
    Ok(())
}

#[nl_testkit::test(needs(link = "dummy", link = "veth", link = "vrf", tool = "ip"))]
async fn refusals_name_the_device_as_its_user_did(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let links = links_of(&node).await;
    links.device("d1").kind(Dummy::new()).alt_name("alternative").add().await?;
    let text = |error: nl_core::Error| error.to_string();
    let error = links.device("d1").kind(Dummy::new()).add().await.unwrap_err();
    assert!(error.is_exists(), "{error}");
    assert!(text(error).starts_with("add link d1 type dummy: File exists (EEXIST)"));
    let error = links.device("alternative").master("nobody").change().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    let text_of = text(error);
    assert!(text_of.starts_with("set link alternative master nobody: No such device (ENODEV)"), "{text_of}");
    let error = links.device("alternative").master("lo").change().await.unwrap_err();
    assert!(text(error).starts_with("set link alternative master lo: Operation not supported (EOPNOTSUPP)"));
    let error = links.device("nobody").delete().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(text(error).starts_with("delete link nobody: "));
    node.ip("link add name v0 type veth peer name v1").await;
    let error = links.device("v0").mtu(70_000).change().await.unwrap_err();
    assert!(text(error).contains("mtu greater than device maximum"));
    let error = links.device("x").kind(Unknown::default()).add().await.unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    assert!(text(error).starts_with("add link x type no_such_kind: "));
    Ok(())
}

nl_core::link_kind! {
    /// A kind that no kernel has.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct Unknown("no_such_kind") {}
}

#[nl_testkit::test]
async fn bad_input_is_refused_before_the_kernel_is_asked(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let links = links_of(&node).await;
    let dummy = |name: &str| links.device(name).kind(Dummy::new());
    let cases = [
        (dummy("sixteen-bytes-xx"), "name of 16 bytes; 1 to 15"),
        (dummy("a/b"), "invalid interface name"),
        (dummy("a:b"), "':'"),
        (dummy("d%d"), "'%'"),
        (dummy(""), "0 bytes; 1 to 15"),
        (dummy("x").num_tx_queues(0), "numtxqueues 0; 1 to 4096"),
        (dummy("x").alt_name("n".repeat(128).as_str()), "128 bytes; 1 to 127"),
        (dummy("x").alias("a".repeat(256)), "alias of 256 bytes; 255"),
        (links.device("x").kind(Vlan::new(4095)).link("lo"), "vlan id 4095; 0 to 4094"),
        (links.device("x").kind(Vlan::new(1)), "add link()"),
        (links.device("x").kind(Vrf::new(0)), "table 0"),
        (links.device("x").kind(Vlan::new(1).egress_qos_map([(0, 8)])).link("lo"), "8; 0 to 7"),
        (links.device("x").kind(Bond::default().resend_igmp(256_u32)), "resend_igmp 256; 0 to 255"),
    ];
    for (device, part) in cases {
        let error = device.add().await.unwrap_err();
        assert!(error.is_usage(), "{error}");
        assert!(error.to_string().contains(part), "{error} lacks {part:?}");
    }
    assert_eq!(node.links().await?, ["lo"]);
    Ok(())
}

#[nl_testkit::test(needs(link = "dummy", link = "bridge", tool = "ip"))]
async fn lists_are_filtered_by_the_kernel_and_while_reading(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let links = links_of(&node).await;
    node.ip("link add name br0 type bridge").await;
    for (name, group) in [("d0", 1), ("d1", 2), ("d2", 2)] {
        links.device(name).kind(Dummy::new()).group(group).add().await?;
    }
    links.device("d1").master("br0").up().change().await?;
    let names = async |list: nl_core::link::Devices| {
        let links: Vec<Link> = list.list().await.unwrap().try_collect().await.unwrap();
        links.into_iter().map(|link| link.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(links.devices()).await, node.links().await?);
    assert_eq!(names(links.devices().kind("dummy")).await, ["d0", "d1", "d2"]);
    assert_eq!(names(links.devices().master("br0")).await, ["d1"]);
    assert_eq!(names(links.devices().group(2)).await, ["d1", "d2"]);
    assert_eq!(names(links.devices().kind("dummy").up(true)).await, ["d1"]);
    let listed: Vec<Link> = links.devices().with_stats().list().await?.try_collect().await?;
    assert!(listed.iter().all(|link| link.stats.is_some()));
    Ok(())
}

#[nl_testkit::test(needs(link = "dummy", tool = "ip"))]
async fn events_report_new_changed_and_deleted_devices(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let mut events = conn.monitor().group(nl_core::link::RTNLGRP_LINK).open(LinkEvent::decode)?;
    node.ip("link add name d1 type dummy").await;
    node.ip("link set dev d1 mtu 1400").await;
    node.ip("link del dev d1").await;
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some(LinkEvent::Deleted(_))) {
        let event = nl_testkit::within(SOON, events.try_next(), "an event").await?.unwrap();
        seen.push(event);
    }
    assert!(seen.iter().all(|event| event.link().name == "d1"));
    assert!(seen.iter().any(|event| matches!(event, LinkEvent::New(link) if link.mtu == 1400)));
    Ok(())
}

/// That the kind is right is seen in what iproute2 shows.
const OLD_IPROUTE2: &[(&str, &str)] =
    &[("IFLA_LINKINFO/IFLA_INFO_KIND", "releases of iproute2 up to 6.12 send it without the NUL byte")];

const INFO: &[Attr] = &[
    Attr::new(1, "IFLA_INFO_KIND"),
    // Its contents are compared as bytes.
    Attr::new(2, "IFLA_INFO_DATA"),
];

const LINK: Shape = Shape::new(
    "ifinfomsg",
    &[
        Field::new("family", 1),
        Field::new("pad", 1),
        Field::new("type", 2),
        Field::new("index", 4),
        Field::new("flags", 4),
        Field::new("change", 4),
    ],
)
.kinds(&[(16, "RTM_NEWLINK")])
.attrs(&[
    Attr::new(1, "IFLA_ADDRESS"),
    Attr::new(3, "IFLA_IFNAME"),
    Attr::new(4, "IFLA_MTU"),
    Attr::new(5, "IFLA_LINK"),
    Attr::new(10, "IFLA_MASTER"),
    Attr::new(13, "IFLA_TXQLEN"),
    Attr::nest(18, "IFLA_LINKINFO", INFO),
    Attr::new(27, "IFLA_GROUP"),
    Attr::new(31, "IFLA_NUM_TX_QUEUES"),
    Attr::new(32, "IFLA_NUM_RX_QUEUES"),
]);

/// The kind of a stranger, by hand.
#[derive(Clone, Debug)]
struct Nlmon;

impl std::fmt::Display for Nlmon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nlmon")
    }
}

impl LinkKind for Nlmon {
    const KIND: &'static str = "nlmon";
    const NAMES: &'static [nl_core::error::AttrName] = &[];

    fn encode(&self, _: &mut nl_core::attr::AttrWriter<'_>, _: LinkVerb) {}

    fn decode(_: nl_core::attr::Attrs<'_>) -> std::result::Result<Self, nl_core::attr::DecodeError> {
        Ok(Self)
    }
}

#[nl_testkit::test(needs(link = "nlmon", tool = "ip"))]
async fn a_kind_of_another_crate_is_made_and_read(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let links = links_of(&node).await;
    links.device("n1").kind(Nlmon).add().await?;
    assert_eq!(node.json("ip -j -d link show dev n1").await[0]["linkinfo"]["info_kind"], "nlmon");
    assert!(links.device("n1").get().await?.kind::<Nlmon>().is_some());
    Ok(())
}
