//! The options that only some modes of a kind have, changes, alternative names, and the peer of a veth in another namespace.

use nl_testkit::Vxlan;
use nl_testkit::oracle::Sent;

use super::*;

const PEER_MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 9]);
/// The kind of message for alternative names that are added.
const RTM_NEWLINKPROP: u16 = 108;
const RTM_DELLINK: u16 = 17;

#[nl_testkit::test(needs(link = "bond", tool = "ip"), timeout = 60)]
async fn every_option_of_an_active_backup_bond_goes_both_ways(lab: Lab) -> Result {
    let of = |ours, words, shown| Case { before: &[], name: "bo", ours, words, shown };
    check_all(
        &lab,
        vec![
            of(
                |d| {
                    let bond = Bond::new(BondMode::ActiveBackup).miimon(100_u32).updelay(200_u32);
                    let bond = bond.downdelay(300_u32).peer_notify_delay(400_u32).primary_reselect(1);
                    let bond = bond.fail_over_mac(1).resend_igmp(3_u32).num_grat_arp(4);
                    d.address(MAC).kind(bond.all_slaves_active(1).lp_interval(5_u32))
                },
                "name bo address 02:00:00:00:00:07 type bond mode active-backup miimon 100 updelay 200 downdelay 300 \
                 peer_notify_delay 400 primary_reselect better fail_over_mac active resend_igmp 3 num_grat_arp 4 \
                 all_slaves_active 1 lp_interval 5",
                info(
                    "bond",
                    json!({
                        "downdelay": 300,
                        "primary_reselect": "better",
                        "fail_over_mac": "active",
                        "resend_igmp": 3,
                        "num_peer_notif": 4,
                        "all_slaves_active": 1,
                        "lp_interval": 5,
                    }),
                ),
            ),
            of(
                |d| {
                    let bond = Bond::new(BondMode::ActiveBackup).arp_interval(500_u32).arp_validate(3_u32);
                    let bond = bond.arp_all_targets(1_u32).arp_ip_target(["192.0.2.1".parse().unwrap()]);
                    d.address(MAC).kind(bond.missed_max(3))
                },
                "name bo address 02:00:00:00:00:07 type bond mode active-backup arp_interval 500 arp_validate all \
                 arp_all_targets all arp_ip_target 192.0.2.1 arp_missed_max 3",
                info("bond", json!({ "arp_validate": "all", "arp_all_targets": "all" })),
            ),
            of(
                |d| {
                    let targets = ["2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap()];
                    let bond = Bond::new(BondMode::ActiveBackup).arp_interval(500_u32);
                    d.address(MAC).kind(bond.ns_ip6_target(targets))
                },
                "name bo address 02:00:00:00:00:07 type bond mode active-backup arp_interval 500 \
                 ns_ip6_target 2001:db8::1,2001:db8::2",
                info("bond", json!({ "arp_interval": 500 })),
            ),
        ],
    )
    .await
}

#[nl_testkit::test(needs(link = "bond", tool = "ip"), timeout = 60)]
async fn every_mode_of_a_bond_goes_both_ways_with_its_own_options(lab: Lab) -> Result {
    let of = |ours, words, shown| Case { before: &[], name: "bo", ours, words, shown };
    check_all(
        &lab,
        vec![
            of(
                |d| d.address(MAC).kind(Bond::new(BondMode::BalanceRr).packets_per_slave(7_u32)),
                "name bo address 02:00:00:00:00:07 type bond mode balance-rr packets_per_slave 7",
                info("bond", json!({ "mode": "balance-rr", "packets_per_slave": 7 })),
            ),
            of(
                |d| d.address(MAC).kind(Bond::new(BondMode::BalanceXor).xmit_hash_policy(2)),
                "name bo address 02:00:00:00:00:07 type bond mode balance-xor xmit_hash_policy layer2+3",
                info("bond", json!({ "mode": "balance-xor", "xmit_hash_policy": "layer2+3" })),
            ),
            of(
                |d| d.address(MAC).kind(Bond::new(BondMode::Broadcast)),
                "name bo address 02:00:00:00:00:07 type bond mode broadcast",
                info("bond", json!({ "mode": "broadcast" })),
            ),
            of(
                |d| {
                    let bond = Bond::new(BondMode::Ieee8023ad).lacp_rate(0).lacp_active(0).ad_select(2);
                    d.address(MAC).kind(bond.ad_actor_system(PEER_MAC))
                },
                "name bo address 02:00:00:00:00:07 type bond mode 802.3ad lacp_rate slow lacp_active off ad_select count \
                 ad_actor_system 02:00:00:00:00:09",
                info("bond", json!({ "mode": "802.3ad", "ad_lacp_rate": "slow", "ad_select": "count" })),
            ),
            of(
                |d| d.address(MAC).kind(Bond::new(BondMode::BalanceTlb).tlb_dynamic_lb(0)),
                "name bo address 02:00:00:00:00:07 type bond mode balance-tlb tlb_dynamic_lb 0",
                info("bond", json!({ "mode": "balance-tlb" })),
            ),
            of(
                |d| d.address(MAC).kind(Bond::new(BondMode::BalanceAlb).miimon(100_u32)),
                "name bo address 02:00:00:00:00:07 type bond mode balance-alb miimon 100",
                info("bond", json!({ "mode": "balance-alb", "miimon": 100 })),
            ),
        ],
    )
    .await
}

#[nl_testkit::test(needs(link = "veth", link = "macvlan", link = "ipvlan", tool = "ip"), timeout = 60)]
async fn every_mode_of_macvlan_and_ipvlan_goes_both_ways(lab: Lab) -> Result {
    let of = |ours, words, shown| Case { before: BELOW, name: "x1", ours, words, shown };
    check_all(
        &lab,
        vec![
            of(
                |d| d.address(MAC).link("v0").kind(MacVlan::new(MacVlanMode::Private)),
                "link v0 name x1 address 02:00:00:00:00:07 type macvlan mode private",
                info("macvlan", json!({ "mode": "private" })),
            ),
            of(
                |d| d.link("v0").kind(MacVlan::new(MacVlanMode::Passthru).flags(1_u16)),
                "link v0 name x1 type macvlan mode passthru nopromisc",
                info("macvlan", json!({ "mode": "passthru" })),
            ),
            of(
                |d| d.address(MAC).link("v0").kind(MacVlan::new(MacVlanMode::Source)),
                "link v0 name x1 address 02:00:00:00:00:07 type macvlan mode source",
                info("macvlan", json!({ "mode": "source" })),
            ),
            of(
                |d| d.link("v0").kind(IpVlan::new(IpVlanMode::L3).flags(IpVlanFlags::VEPA)),
                "link v0 name x1 type ipvlan mode l3 vepa",
                info("ipvlan", json!({ "mode": "l3" })),
            ),
        ],
    )
    .await
}

#[nl_testkit::test(needs(link = "veth", link = "bridge", link = "vlan", tool = "ip"), timeout = 60)]
async fn every_flag_of_a_vlan_goes_both_ways(lab: Lab) -> Result {
    let bridge: &[&str] = &["link add name br9 address 02:00:00:00:00:01 type bridge"];
    check_all(
        &lab,
        vec![
            Case {
                before: BELOW,
                name: "x1",
                ours: |d| d.link("v0").kind(Vlan::new(10).set(VlanFlags::GVRP | VlanFlags::MVRP, true)),
                words: "link v0 name x1 type vlan id 10 gvrp on mvrp on",
                shown: info("vlan", json!({ "id": 10 })),
            },
            Case {
                before: bridge,
                name: "x1",
                ours: |d| d.link("br9").kind(Vlan::new(10).set(VlanFlags::BRIDGE_BINDING, true)),
                words: "link br9 name x1 type vlan id 10 bridge_binding on",
                shown: info("vlan", json!({ "id": 10 })),
            },
        ],
    )
    .await
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn peer_of_a_veth_is_created_in_another_namespace(lab: Lab) -> Result {
    let (node, other) = (lab.node("a").await?, lab.node("b").await?);
    let links = links_of(&node).await;
    let mut peer = LinkConfig::new("vb");
    peer.netns = Some(Netns::fd(other.netns_fd())?);
    links.device("va").kind(Veth::with_peer(peer)).add().await?;
    assert_eq!(node.links().await?, ["lo", "va"]);
    assert_eq!(other.links().await?, ["lo", "vb"]);
    // The other end is a device of the namespace that has this number here.
    let link = links.device("va").get().await?;
    assert!(link.link_netnsid.is_some(), "{link:?}");
    links.device("va").delete().await?;
    assert_eq!(other.links().await?, ["lo"]);
    Ok(())
}

/// A change in the words of `ip link set dev d1`, and ours.
type Change = (&'static str, fn(DeviceEntry) -> DeviceEntry);

const CHANGES: &[Change] = &[
    ("mtu 1400 txqueuelen 5 group 3", |d| d.mtu(1400).tx_queue_len(5).group(3)),
    ("address 02:00:00:00:00:07", |d| d.address(MAC)),
    ("arp off multicast off allmulticast on promisc on", |d| {
        d.arp(false).multicast(false).all_multicast(true).promisc(true)
    }),
    ("up", DeviceEntry::up),
    ("down", DeviceEntry::down),
    ("master br0", |d| d.master("br0")),
    ("nomaster", DeviceEntry::no_master),
    ("alias text", |d| d.alias("text")),
    ("addrgenmode none", |d| d.addr_gen_mode(AddrGenMode::None)),
    // A dummy device refuses it; the request counts.
    ("protodown on", |d| d.protocol_down(true)),
    // The last one: the device has another name then.
    ("name d9", |d| d.rename("d9")),
];

/// The one request of these kinds that was sent.
fn the(kind: u16, sent: Vec<Sent>) -> Vec<u8> {
    let mut of_kind: Vec<_> =
        sent.into_iter().filter(|sent| sent.protocol == 0 && sent.kind() == kind).collect();
    assert_eq!(of_kind.len(), 1, "{of_kind:?}");
    of_kind.remove(0).message
}

#[nl_testkit::test(needs(link = "dummy", link = "bridge", tool = "ip"), timeout = 60)]
async fn changes_and_deletions_are_the_requests_of_iproute2(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let links = links_of(&node).await;
    node.ip("link add name br0 type bridge").await;
    node.ip("link add name d1 type dummy").await;
    let index = node.index_of("d1").await?;
    let oracle = BytesOracle::new(&LINK);
    for (words, ours) in CHANGES {
        let line = format!("ip link set dev d1 {words}");
        let (_, sent) = node.requests_of(&line).await?;
        let mut config = ours(links.device(index)).config().clone();
        links.connection().resolve(config.devs()).await.unwrap();
        let mut request = config.request(LinkVerb::Change).with_flags(NLM_F_ACK);
        let same = oracle.compare(request.encoded()?, &the(16, sent));
        assert!(same.is_ok(), "{line}: {}", same.unwrap_err());
    }
    let (_, sent) = node.requests_of("ip link property add dev d9 altname one altname of-a-tenant:1").await?;
    let mut config = LinkConfig::new(index);
    config.alt_names = vec!["one".into(), "of-a-tenant:1".into()];
    let mut request = config.add_alt_names_request().with_flags(NLM_F_ACK);
    let same = oracle.compare(request.encoded()?, &the(RTM_NEWLINKPROP, sent));
    assert!(same.is_ok(), "altname: {}", same.unwrap_err());

    let (_, sent) = node.requests_of("ip link delete dev d9").await?;
    let mut request = LinkConfig::new(index).request(LinkVerb::Delete).with_flags(NLM_F_ACK);
    let same = oracle.compare(request.encoded()?, &the(RTM_DELLINK, sent));
    assert!(same.is_ok(), "delete: {}", same.unwrap_err());
    Ok(())
}

#[nl_testkit::test(needs(link = "dummy", tool = "ip"))]
async fn alternative_names_of_iproute2_are_read_and_found(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let links = links_of(&node).await;
    node.ip("link add name d1 type dummy").await;
    node.ip("link property add dev d1 altname one altname more-than-fifteen-bytes").await;
    let read = links.device("more-than-fifteen-bytes").get().await?;
    assert_eq!(read.name, "d1");
    assert_eq!(read.alt_names, ["one", "more-than-fifteen-bytes"]);
    node.ip("link property del dev d1 altname one").await;
    assert!(links.device("one").get().await.unwrap_err().is_not_found());
    let listed: Vec<Link> = links.devices().kind("dummy").list().await?.try_collect().await?;
    let names: Vec<_> = listed.iter().flat_map(|link| &link.alt_names).collect();
    assert_eq!(names, ["more-than-fifteen-bytes"]);
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", tool = "ip"))]
async fn protocol_down_goes_both_ways(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let links = links_of(&node).await;
    node.add_vxlan("vx0", Vxlan::vni(5)).await?;
    links.device("vx0").protocol_down(true).change().await?;
    let shown = node.ip("-d link show dev vx0").await;
    assert!(shown.contains("protodown on"), "{shown}");
    assert!(links.device("vx0").get().await?.protocol_down);
    node.ip("link set dev vx0 protodown off").await;
    assert!(!links.device("vx0").get().await?.protocol_down);
    node.ip("link set dev vx0 protodown on").await;
    assert!(links.device("vx0").get().await?.protocol_down);
    Ok(())
}

/// The kernel undoes what it has done of the device.
#[nl_testkit::test(needs(link = "dummy", link = "veth", tool = "ip"))]
async fn new_device_with_an_impossible_mtu_or_master_is_refused_and_not_left(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let links = links_of(&node).await;
    let error = links.device("va").kind(Veth::new("vb")).mtu(70_000).add().await.unwrap_err();
    let text = error.to_string();
    // With a text of its own only where a device is changed.
    assert_eq!(text, "add link va mtu 70000 type veth: Invalid argument (EINVAL)");
    let error = links.device("d1").kind(Dummy::new()).master("lo").add().await.unwrap_err();
    let text = error.to_string();
    let first = "add link d1 master lo type dummy: Operation not supported (EOPNOTSUPP)";
    assert!(text.starts_with(first), "{text}");
    let error = links.device("d1").kind(Dummy::new()).master("nobody").add().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(node.links().await?, ["lo"]);
    Ok(())
}
