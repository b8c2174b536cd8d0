// What must hold for any bytes that are taken for what is there, when a leaf is planned over it. Shared by the fuzz target and by the
// tests.

use std::net::IpAddr;

use nl_bridge::doctor::diagnose;
use nl_bridge::fdb::FdbEntry;
use nl_bridge::leaf::{
    BridgeConfig, InterfaceConfig, LeafMac, Plan, PortConfig, RouterConfig, SegmentConfig, Snapshot,
    VrfConfig, VxlanConfig,
};
use nl_bridge::vlan_db::{VlanDbEntry, VlanDbGlobal};
use nl_bridge::vni::VniEntry;
use nl_core::Result;
use nl_core::address::Address;
use nl_core::link::Link;
use nl_core::message::{MessageRef, Messages};
use nl_core::neighbour::Neighbour;
use nl_core::nexthop::Nexthop;
use nl_core::route::Route;

// `include/uapi/linux/rtnetlink.h`
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_NEWNEIGH: u16 = 28;
const RTM_NEWNEXTHOP: u16 = 104;
const RTM_NEWVLAN: u16 = 112;
const RTM_NEWTUNNEL: u16 = 120;

/// Reads the bytes as a datagram of everything that a snapshot is made of.
pub(crate) fn check(data: &[u8]) {
    let mut snapshot = Snapshot::default();
    let mut rows = Vec::new();
    for message in Messages::new(data).map_while(Result::ok) {
        take(message, &mut snapshot, &mut rows);
    }
    let _ = diagnose(&snapshot, None);
    check_config(&described(), &snapshot);
    let names: Vec<String> = snapshot.links.iter().map(|link| link.name.as_str().to_owned()).collect();
    for name in names {
        let Ok(config) = BridgeConfig::observe(&snapshot, &name) else { continue };
        check_config(&config, &snapshot);
        check_config(&config.clone().exact(), &snapshot);
        // As if everything had been made for it.
        let mut own = snapshot.clone();
        for link in &mut own.links {
            let stamps = [config.device_stamp(&link.name), config.port_stamp(&link.name)];
            link.alt_names.extend(stamps);
        }
        check_config(&config, &own);
        check_config(&BridgeConfig::new(name).own_nexthops(1..=u32::MAX), &own);
    }
    let mac = LeafMac::new([2, 0, 0, 0, 0, 1].into(), 10010, IpAddr::from([192, 0, 2, 2]));
    let changes = described().plan_macs([mac], &rows);
    assert!(changes.is_ok(), "{changes:?}");
}

fn check_config(config: &BridgeConfig, snapshot: &Snapshot) {
    let _ = diagnose(snapshot, Some(config));
    for plan in [config.plan(snapshot), config.plan_adoption(snapshot), config.plan_removal(snapshot)] {
        check_plan(plan);
    }
}

fn check_plan(plan: Result<Plan>) {
    match plan {
        Err(error) => assert!(error.is_usage(), "{error}"),
        Ok(plan) => {
            for step in plan.steps() {
                assert!(!step.to_string().is_empty());
                for mut request in step.requests(&|_| 1) {
                    assert!(request.encoded().is_ok(), "{step}");
                }
            }
            plan.others().iter().for_each(|other| assert!(!other.to_string().is_empty()));
        }
    }
}

/// A leaf with all that a description can have.
fn described() -> BridgeConfig {
    let leaf = |number: u8| IpAddr::from([192, 0, 2, number]);
    let vxlan = VxlanConfig::new("vx0").local(leaf(1)).map(10, 10010).map(4000, 4000).flood(leaf(2));
    let transit = InterfaceConfig::new("vlan4000", 4000).vrf("red");
    BridgeConfig::new("br0")
        .own_nexthops(1..=100)
        .vlans(10)
        .port(PortConfig::new("p1").access(10).peers(SegmentConfig::new(1).leaf(leaf(2))))
        .vrf(VrfConfig::new("red", 1001))
        .interface(transit.router(RouterConfig::new(leaf(2), [2, 0, 0, 0, 0, 2].into())))
        .segment(SegmentConfig::new(2).leaf(leaf(3)))
        .vxlan(vxlan)
}

fn take(message: MessageRef<'_>, snapshot: &mut Snapshot, rows: &mut Vec<FdbEntry>) {
    match message.kind() {
        RTM_NEWLINK => snapshot.links.extend(Link::decode(message).ok()),
        RTM_NEWADDR => snapshot.addresses.extend(Address::decode(message).ok()),
        RTM_NEWROUTE => snapshot.routes.extend(Route::decode(message).ok()),
        RTM_NEWNEXTHOP => snapshot.nexthops.extend(Nexthop::decode(message).ok()),
        RTM_NEWNEIGH if FdbEntry::is_fdb(message) => {
            let Ok(entry) = FdbEntry::decode(message) else { return };
            rows.push(entry.clone());
            snapshot.learned.extend(entry.vlan.map(|vlan| (entry.index, vlan)));
            let Snapshot { flood, locals, router_macs, stale_macs, .. } = snapshot;
            for list in [flood, locals, router_macs, stale_macs] {
                list.push(entry.clone());
            }
        }
        RTM_NEWNEIGH => snapshot.neighbours.extend(Neighbour::decode(message).ok()),
        RTM_NEWVLAN => {
            // What came before a fault was read.
            let _ = VlanDbEntry::decode(message, &mut snapshot.vlans);
            let _ = VlanDbGlobal::decode(message, &mut snapshot.globals);
        }
        RTM_NEWTUNNEL => {
            let _ = VniEntry::decode(message, &mut snapshot.vnis);
        }
        _ => {}
    }
}
