//! The commands of `ip link` and `bridge link` about bridges, their ports and VXLAN devices, and ours for each: for the test that asks
//! iproute2, and for the one that reads what it once said from `settings.hex`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use nl_bridge::Vni;
use nl_bridge::settings::{
    Bridge, BridgePort, HwMode, McastRouter, PortChange, PortTarget, StpMode, StpState,
};
use nl_bridge::vxlan::{Vxlan, VxlanDf};
use nl_core::link::{LinkConfig, LinkVerb, VlanProtocol};
use nl_core::message::NLM_F_ACK;
use nl_core::{MacAddr, Request};
use nl_testkit::oracle::{Attr, BytesOracle, Field, Mismatch, Shape};

/// Where the commands' requests are kept.
pub(crate) const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/settings.hex");

/// The numbers of the interfaces in the commands.
pub(crate) type Indexes = BTreeMap<String, u32>;

/// A line of `ip` or `bridge`, and ours for it.
pub(crate) struct Line {
    pub(crate) command: &'static str,
    codec: fn(&Indexes) -> Request,
}

impl Line {
    /// Ours as it is sent.
    pub(crate) fn request(&self, indexes: &Indexes) -> nl_core::Result<Vec<u8>> {
        Ok((self.codec)(indexes).with_flags(NLM_F_ACK).encoded()?.to_vec())
    }

    /// Compares ours with what iproute2 made of the command.
    pub(crate) fn compare(&self, ours: &[u8], theirs: &[u8]) -> Result<(), Mismatch> {
        let of_slave = self.command.contains(" type bridge_slave ");
        let shape = if ours.get(4) == Some(&SETLINK) { &PORT } else { &LINK };
        BytesOracle::new(shape).except(if of_slave { NO_KIND } else { &[] }).compare(ours, theirs)
    }
}

/// Requests of these types are compared.
pub(crate) fn is_ours(kind: u16) -> bool {
    matches!(kind, RTM_NEWLINK | RTM_SETLINK)
}

/// The kernel has no use for the kind of a port's master.
pub(crate) const NO_KIND: &[(&str, &str)] =
    &[("IFLA_LINKINFO/IFLA_INFO_KIND", KIND), ("IFLA_LINKINFO/IFLA_INFO_SLAVE_KIND", KIND)];
const KIND: &str = "iproute2 sends bridge_slave as the kind of the device, which the kernel does not look at";

fn line(command: &'static str, codec: fn(&Indexes) -> Request) -> Line {
    Line { command, codec }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// VNI 100 on port 4789, and what iproute2 sends without being asked.
fn vxlan() -> Vxlan {
    Vxlan::new(Vni::new(100).unwrap()).port(4789_u16).learning(true)
}

/// `bridge!("… type bridge priority 4096", .priority(4096_u16))`
macro_rules! bridge {
    ($command:literal, $($calls:tt)*) => {
        line($command, |at| LinkConfig::new(at["br0"]).kind(Bridge::new() $($calls)*).request(LinkVerb::Change))
    };
}

/// `port!("… dev port1 learning off", .learning(false))`
macro_rules! port {
    ($command:literal, $($calls:tt)*) => {
        line($command, |at| PortChange::new(at["port1"], BridgePort::new() $($calls)*).request())
    };
}

macro_rules! slave {
    ($command:literal, $($calls:tt)*) => {
        line($command, |at| {
            LinkConfig::new(at["port1"]).port(BridgePort::new() $($calls)*).request(LinkVerb::Change)
        })
    };
}

macro_rules! vxlan {
    ($command:literal, $vxlan:expr) => {
        line($command, |_| LinkConfig::new("vx1").kind($vxlan).request(LinkVerb::Add))
    };
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn lines() -> Vec<Line> {
    vec![
        line("ip link add br1 type bridge", |_| {
            LinkConfig::new("br1").kind(Bridge::new()).request(LinkVerb::Add)
        }),
        line("ip link add br1 type bridge ageing_time 60000 vlan_filtering 1 vlan_default_pvid 0", |_| {
            let bridge = Bridge::new().ageing_time(Duration::from_secs(600)).vlan_filtering(true);
            LinkConfig::new("br1").kind(bridge.vlan_default_pvid(0_u16)).request(LinkVerb::Add)
        }),
        bridge!("ip link set dev br0 type bridge forward_delay 400", .forward_delay(Duration::from_secs(4))),
        bridge!("ip link set dev br0 type bridge hello_time 150", .hello_time(Duration::from_millis(1500))),
        bridge!("ip link set dev br0 type bridge max_age 1234", .max_age(Duration::from_millis(12_340))),
        bridge!("ip link set dev br0 type bridge ageing_time 60000", .ageing_time(Duration::from_secs(600))),
        bridge!("ip link set dev br0 type bridge stp_state 1", .stp_state(true)),
        bridge!("ip link set dev br0 type bridge stp_mode user", .stp_mode(StpMode::User)),
        bridge!("ip link set dev br0 type bridge priority 4096", .priority(4096_u16)),
        bridge!("ip link set dev br0 type bridge group_fwd_mask 16384", .group_fwd_mask(0x4000_u16)),
        bridge!("ip link set dev br0 type bridge group_address 01:80:c2:00:00:0e", .group_address(MacAddr::new([1, 0x80, 0xc2, 0, 0, 0xe]))),
        bridge!("ip link set dev br0 type bridge fdb_max_learned 1000", .fdb_max_learned(1000_u32)),
        bridge!("ip link set dev br0 type bridge vlan_filtering 1", .vlan_filtering(true)),
        bridge!("ip link set dev br0 type bridge vlan_protocol 802.1ad", .vlan_protocol(VlanProtocol::Dot1ad)),
        bridge!("ip link set dev br0 type bridge vlan_default_pvid 4094", .vlan_default_pvid(4094_u16)),
        bridge!("ip link set dev br0 type bridge vlan_stats_enabled 1", .vlan_stats_enabled(true)),
        bridge!("ip link set dev br0 type bridge vlan_stats_per_port 1", .vlan_stats_per_port(true)),
        bridge!("ip link set dev br0 type bridge mcast_snooping 0", .mcast_snooping(false)),
        bridge!("ip link set dev br0 type bridge mcast_router 2", .mcast_router(McastRouter::Permanent)),
        bridge!("ip link set dev br0 type bridge mcast_query_use_ifaddr 1", .mcast_query_use_ifaddr(true)),
        bridge!("ip link set dev br0 type bridge mcast_querier 1", .mcast_querier(true)),
        bridge!("ip link set dev br0 type bridge mcast_hash_max 512", .mcast_hash_max(512_u32)),
        bridge!("ip link set dev br0 type bridge mcast_last_member_count 5", .mcast_last_member_count(5_u32)),
        bridge!("ip link set dev br0 type bridge mcast_startup_query_count 7", .mcast_startup_query_count(7_u32)),
        bridge!("ip link set dev br0 type bridge mcast_last_member_interval 250", .mcast_last_member_interval(Duration::from_millis(2500))),
        bridge!("ip link set dev br0 type bridge mcast_membership_interval 30000", .mcast_membership_interval(Duration::from_secs(300))),
        bridge!("ip link set dev br0 type bridge mcast_querier_interval 20000", .mcast_querier_interval(Duration::from_secs(200))),
        bridge!("ip link set dev br0 type bridge mcast_query_interval 6000", .mcast_query_interval(Duration::from_secs(60))),
        bridge!("ip link set dev br0 type bridge mcast_query_response_interval 500", .mcast_query_response_interval(Duration::from_secs(5))),
        bridge!("ip link set dev br0 type bridge mcast_startup_query_interval 2000", .mcast_startup_query_interval(Duration::from_secs(20))),
        bridge!("ip link set dev br0 type bridge mcast_stats_enabled 1", .mcast_stats_enabled(true)),
        bridge!("ip link set dev br0 type bridge mcast_igmp_version 3", .mcast_igmp_version(3)),
        bridge!("ip link set dev br0 type bridge mcast_mld_version 2", .mcast_mld_version(2)),
        bridge!("ip link set dev br0 type bridge nf_call_iptables 1", .nf_call_iptables(true)),
        bridge!("ip link set dev br0 type bridge nf_call_ip6tables 1", .nf_call_ip6tables(true)),
        bridge!("ip link set dev br0 type bridge nf_call_arptables 1", .nf_call_arptables(true)),
        bridge!("ip link set dev br0 type bridge no_linklocal_learn 1", .no_linklocal_learn(true)),
        bridge!("ip link set dev br0 type bridge mcast_vlan_snooping 1", .mcast_vlan_snooping(true)),
        bridge!("ip link set dev br0 type bridge mst_enabled 1", .mst_enabled(true)),
        bridge!("ip link set dev br0 type bridge mdb_offload_fail_notification 1", .mdb_offload_fail_notification(true)),
        bridge!("ip link set dev br0 type bridge fdb_local_vlan_0 1", .fdb_local_vlan_0(true)),
        port!("bridge link set dev port1 state 2", .state(StpState::Learning)),
        port!("bridge link set dev port1 priority 7", .priority(7_u16)),
        port!("bridge link set dev port1 cost 1234", .cost(1234_u32)),
        port!("bridge link set dev port1 guard on", .guard(true)),
        port!("bridge link set dev port1 hairpin on", .hairpin(true)),
        port!("bridge link set dev port1 fastleave on", .fastleave(true)),
        port!("bridge link set dev port1 root_block on", .root_block(true)),
        port!("bridge link set dev port1 learning off", .learning(false)),
        port!("bridge link set dev port1 flood off", .flood(false)),
        port!("bridge link set dev port1 mcast_router 2", .mcast_router(McastRouter::Permanent)),
        port!("bridge link set dev port1 mcast_flood off", .mcast_flood(false)),
        port!("bridge link set dev port1 bcast_flood off", .bcast_flood(false)),
        port!("bridge link set dev port1 mcast_to_unicast on", .mcast_to_unicast(true)),
        port!("bridge link set dev port1 mcast_max_groups 9", .mcast_max_groups(9_u32)),
        port!("bridge link set dev port1 neigh_suppress on", .neigh_suppress(true)),
        port!("bridge link set dev port1 neigh_vlan_suppress on", .neigh_vlan_suppress(true)),
        port!("bridge link set dev port1 neigh_forward_grat on", .neigh_forward_grat(true)),
        port!("bridge link set dev port1 vlan_tunnel on", .vlan_tunnel(true)),
        port!("bridge link set dev port1 isolated on", .isolated(true)),
        port!("bridge link set dev port1 locked on", .locked(true)),
        port!("bridge link set dev port1 mab on", .mab(true)),
        port!("bridge link set dev port1 nobackup_port", .no_backup_port()),
        port!("bridge link set dev port1 backup_nhid 10", .backup_nhid(10_u32)),
        slave!("ip link set dev port1 type bridge_slave learning off", .learning(false)),
        slave!("ip link set dev port1 type bridge_slave proxy_arp on", .proxy_arp(true)),
        slave!("ip link set dev port1 type bridge_slave proxy_arp_wifi on", .proxy_arp_wifi(true)),
        slave!("ip link set dev port1 type bridge_slave group_fwd_mask 16384", .group_fwd_mask(0x4000_u16)),
        line("bridge link set dev port1 backup_port port2", |at| {
            PortChange::new(at["port1"], BridgePort::new().backup_port(at["port2"])).request()
        }),
        line("bridge link set dev port1 learning off self", |at| {
            let mut change = PortChange::new(at["port1"], BridgePort::new().learning(false));
            change.target = PortTarget::SELF;
            change.request()
        }),
        line("bridge link set dev port1 hwmode vepa self learning off", |at| {
            let mut change = PortChange::new(at["port1"], BridgePort::new().learning(false));
            (change.target, change.hw_mode) = (PortTarget::SELF, Some(HwMode::Vepa));
            change.request()
        }),
        line("ip link set dev port1 type bridge_slave backup_port port2", |at| {
            let port = BridgePort::new().backup_port(at["port2"]);
            LinkConfig::new(at["port1"]).port(port).request(LinkVerb::Change)
        }),
        vxlan!("ip link add vx1 type vxlan id 100 dstport 4789", vxlan()),
        vxlan!(
            "ip link add vx1 type vxlan id 100 remote 192.0.2.7 local 192.0.2.1 dstport 4789 nolearning",
            vxlan().remote(ip("192.0.2.7")).local(ip("192.0.2.1")).learning(false)
        ),
        vxlan!(
            "ip link add vx1 type vxlan id 100 remote 2001:db8::7 local 2001:db8::1 dstport 4789 udp6zerocsumtx \
             udp6zerocsumrx",
            vxlan()
                .remote(ip("2001:db8::7"))
                .local(ip("2001:db8::1"))
                .udp_zero_csum6_tx(true)
                .udp_zero_csum6_rx(true)
        ),
        line(
            "ip link add vx1 type vxlan id 100 group 239.1.1.1 dev port2 ttl 5 tos 0x10 df set dstport 4789",
            |at| {
                let vxlan = vxlan().group(ip("239.1.1.1")).link(at["port2"]).ttl(5).tos(16).df(VxlanDf::Set);
                LinkConfig::new("vx1").kind(vxlan).request(LinkVerb::Add)
            },
        ),
        vxlan!(
            "ip link add vx1 type vxlan id 100 local 2001:db8::1 flowlabel 0x12345 dstport 4789",
            vxlan().local(ip("2001:db8::1")).flow_label(0x12345_u32)
        ),
        vxlan!(
            "ip link add vx1 type vxlan id 100 srcport 1000 2000 dstport 4789",
            vxlan().port_range((1000, 2000))
        ),
        vxlan!(
            "ip link add vx1 type vxlan id 100 proxy rsc l2miss l3miss ageing 77 maxaddress 9 noudpcsum dstport 4789",
            vxlan()
                .proxy(true)
                .rsc(true)
                .l2miss(true)
                .l3miss(true)
                .ageing(Duration::from_secs(77))
                .limit(9_u32)
                .udp_csum(false)
        ),
        vxlan!("ip link add vx1 type vxlan external dstport 4789", Vxlan::external().port(4789_u16)),
        vxlan!(
            "ip link add vx1 type vxlan external vnifilter dstport 4789",
            Vxlan::external().vnifilter(true).port(4789_u16)
        ),
    ]
}

// include/uapi/linux/rtnetlink.h, include/uapi/linux/if_link.h
const RTM_NEWLINK: u16 = 16;
const RTM_SETLINK: u16 = 19;
const SETLINK: u8 = 19;

const HEADER: &[Field] = &[
    Field::new("family", 1),
    Field::new("pad", 1),
    Field::new("type", 2),
    Field::new("index", 4),
    Field::new("flags", 4),
    Field::new("change", 4),
];

pub(crate) const LINK: Shape =
    Shape::new("ifinfomsg", HEADER).kinds(&[(RTM_NEWLINK, "RTM_NEWLINK")]).attrs(&[
        Attr::new(1, "IFLA_ADDRESS"),
        Attr::new(3, "IFLA_IFNAME"),
        Attr::nest(
            18,
            "IFLA_LINKINFO",
            &[
                Attr::new(1, "IFLA_INFO_KIND"),
                Attr::nest(2, "IFLA_INFO_DATA", &[]),
                Attr::new(4, "IFLA_INFO_SLAVE_KIND"),
                Attr::nest(5, "IFLA_INFO_SLAVE_DATA", &[]),
            ],
        ),
    ]);

pub(crate) const PORT: Shape = Shape::new("ifinfomsg", HEADER)
    .kinds(&[(17, "RTM_DELLINK"), (18, "RTM_GETLINK"), (RTM_SETLINK, "RTM_SETLINK")])
    .attrs(&[
        Attr::nest(12, "IFLA_PROTINFO", &[]),
        Attr::nest(
            26,
            "IFLA_AF_SPEC",
            &[
                Attr::new(0, "IFLA_BRIDGE_FLAGS"),
                Attr::new(1, "IFLA_BRIDGE_MODE"),
                Attr::new(2, "IFLA_BRIDGE_VLAN_INFO").fields(&[Field::new("flags", 2), Field::new("vid", 2)]),
            ],
        ),
        Attr::new(29, "IFLA_EXT_MASK"),
    ]);
