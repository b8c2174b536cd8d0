//! Each fault from facts, in words.

use nl_core::route::Route;
use nl_srv6::doctor::{Device, Facts, Needs};
use nl_srv6::encap::Seg6;
use nl_srv6::sid::{DecapTable, Seg6Local, SidAction};
use nl_srv6::srh::Srh;

use crate::commands::{addr, segments};

const LO: u32 = 1;
const ETH0: u32 = 3;
const DOWN: u32 = 4;
const RED: u32 = 5;

fn device(index: u32, name: &str) -> Device {
    let mut device = Device::default();
    device.index = index;
    device.name = name.into();
    device.is_up = index != DOWN;
    device.is_loopback = index == LO;
    device.is_ethernet = index == ETH0 || index == DOWN;
    device
}

/// A node on which everything is right.
fn facts() -> Facts {
    let mut facts = Facts::default();
    let mut red = device(RED, "red");
    red.vrf_table = Some(100);
    facts.devices = vec![device(LO, "lo"), device(ETH0, "eth0"), device(DOWN, "eth1"), red];
    facts.forwards_ipv6 = Some(true);
    facts.forwards_ipv4 = Some(true);
    facts.keys = Some([42].into());
    facts
}

fn found(facts: &Facts) -> Vec<String> {
    facts.diagnose().iter().map(ToString::to_string).collect()
}

fn seg6(seg6: &Seg6, dev: u32) -> Vec<Route> {
    vec![Route::new("2001:db8:2::/48".parse().unwrap()).oif(dev).with_encap(seg6)]
}

fn sid(local: &Seg6Local, dev: u32) -> Vec<Route> {
    vec![Route::new("fcbb:0:d::".parse().unwrap()).oif(dev).with_encap(local)]
}

#[test]
fn sound_node_has_no_findings() {
    let mut facts = facts();
    facts.routes = seg6(&Seg6::encap(segments(2)).hmac(42), ETH0);
    facts.routes.extend(sid(&Seg6Local::new(SidAction::EndDt46 { vrf_table: 100 }).counters(), RED));
    facts.routes.extend(sid(&Seg6Local::new(SidAction::EndDx2 { oif: ETH0.into() }), ETH0));
    let route = ("fcbb::/32".parse().unwrap(), 254);
    facts.first_segments.insert(addr("fcbb:0:1::"), Some(route));
    assert_eq!(found(&facts), [] as [&str; 0]);
    // What is not known is no fault.
    (facts.keys, facts.forwards_ipv4, facts.forwards_ipv6) = (None, None, None);
    facts.first_segments.clear();
    assert_eq!(found(&facts), [] as [&str; 0]);
}

#[test]
fn devices_on_which_nothing_works_are_found() {
    let mut facts = facts();
    let local = Seg6Local::new(SidAction::End);
    facts.routes = seg6(&Seg6::encap(segments(1)), DOWN);
    facts.routes.extend(sid(&local, LO));
    facts.routes.extend(sid(&Seg6Local::new(SidAction::EndDx2 { oif: RED.into() }), ETH0));
    facts.routes.extend(sid(&Seg6Local::new(SidAction::EndDx2 { oif: 99.into() }), ETH0));
    facts.routes.extend(sid(&Seg6Local::new(SidAction::EndDx2 { oif: DOWN.into() }), ETH0));
    assert_eq!(
        found(&facts),
        [
            "2001:db8:2::/48 encap seg6 mode encap segs fcbb:0:1:: dev eth1: device eth1 is down, so the route is not used\n  \
             mend: ip link set eth1 up",
            "fcbb:0:d:: encap seg6local action End dev lo: it is on a loopback device, so every packet is dropped\n  \
             mend: make the route again with another device that is up",
            "fcbb:0:d:: encap seg6local action End.DX2 oif red dev eth0: output device red is not an Ethernet device, so every \
             packet is dropped",
            "fcbb:0:d:: encap seg6local action End.DX2 oif #99 dev eth0: there is no output device #99, so every packet is \
             dropped",
            "fcbb:0:d:: encap seg6local action End.DX2 oif eth1 dev eth0: output device eth1 is down, so every packet is \
             dropped",
        ]
    );
}

#[test]
fn lists_that_lose_packets_are_found() {
    let mut facts = facts();
    let mut inline = Seg6::inline(segments(1));
    inline.overwritten = Some(addr("fcbb:0:9::"));
    facts.routes = seg6(&inline, ETH0);
    facts.routes.extend(seg6(&Seg6::encap(segments(15)).hmac(42), ETH0));
    facts
        .routes
        .extend(sid(&Seg6Local::new(SidAction::EndB6Encaps { srh: Srh::new(segments(1)).hmac(7) }), ETH0));
    let found = found(&facts);
    let [overwritten, hmac, key] = &found[..] else { unreachable!("{found:?}") };
    assert!(overwritten.ends_with(
        ": segment fcbb:0:9:: is never visited: the kernel overwrites it with the packet's destination"
    ));
    assert!(
        hmac.contains(": 15 segments in a header with an HMAC; the kernel drops packets with more than 14"),
        "{hmac}"
    );
    assert!(
        key.ends_with(
            ": there is no HMAC key 7, so every packet is dropped\n  mend: ip sr hmac set 7 sha256"
        ),
        "{key}"
    );
}

#[test]
fn first_segments_without_a_way_are_found() {
    let mut facts = facts();
    facts.routes = seg6(&Seg6::encap_red(segments(2)), ETH0);
    facts.first_segments.insert(addr("fcbb:0:1::"), None);
    let nowhere = &found(&facts)[0];
    assert!(nowhere.contains("no route leads to the first segment fcbb:0:1::"), "{nowhere}");
    facts.first_segments.insert(addr("fcbb:0:1::"), Some(("2001:db8:2::/48".parse().unwrap(), 254)));
    let around = &found(&facts)[0];
    assert!(around.contains("the first segment fcbb:0:1:: takes the same route again"), "{around}");
}

#[test]
fn settings_that_stop_packets_behind_sids_are_found() {
    let mut facts = facts();
    facts.routes = sid(&Seg6Local::new(SidAction::EndDt46 { vrf_table: 100 }), RED);
    facts.devices[3].filters_reverse_path = true;
    (facts.forwards_ipv6, facts.forwards_ipv4) = (Some(false), Some(false));
    let sid = "fcbb:0:d:: encap seg6local action End.DT46 vrftable 100 dev red";
    let forwarding = "packets are not forwarded, also not those from SIDs";
    assert_eq!(
        found(&facts),
        [
            format!(
                "{sid}: rp_filter of red is 1, so IPv4 packets whose replies take another way are dropped\n  \
                 mend: sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.red.rp_filter=0"
            ),
            format!(
                "net.ipv6.conf.all.forwarding: {forwarding}\n  mend: sysctl -w net.ipv6.conf.all.forwarding=1"
            ),
            format!("net.ipv4.ip_forward: {forwarding}\n  mend: sysctl -w net.ipv4.ip_forward=1"),
        ]
    );
    facts.devices.truncate(3);
    let gone = &found(&facts)[0];
    assert!(
        gone.contains("no VRF has table 100, so every packet is dropped\n  mend: ip link add NAME type vrf"),
        "{gone}"
    );
    // Without SIDs nobody needs to forward.
    facts.routes.clear();
    assert_eq!(found(&facts), [] as [&str; 0]);
}

#[test]
fn list_that_repeats_its_first_segment_is_found_in_reduced_modes_alone() {
    let mut facts = facts();
    let twice = || [addr("fcbb:0:b::"), addr("fcbb:0:b::"), addr("fcbb:0:c::")];
    facts.routes = seg6(&Seg6::encap(twice()), ETH0);
    assert_eq!(found(&facts), [] as [&str; 0]);
    facts.routes = seg6(&Seg6::encap_red(twice()), ETH0);
    assert_eq!(
        found(&facts),
        [
            "2001:db8:2::/48 encap seg6 mode encap.red segs fcbb:0:b::,fcbb:0:b::,fcbb:0:c:: dev eth0: the first segment \
          fcbb:0:b:: is there twice: a reduced mode leaves the first one out by itself, so the node is visited twice\n  \
          mend: ip -6 route replace 2001:db8:2::/48 encap seg6 mode encap.red segs fcbb:0:b::,fcbb:0:c:: dev eth0"
        ]
    );
}

#[test]
fn router_of_end_x_that_is_link_local_needs_a_device() {
    let mut facts = facts();
    let local = Seg6Local::new(SidAction::EndX { nh6: addr("fe80::9") });
    facts.routes = sid(&local.clone().oif(ETH0), ETH0);
    facts.routes.extend(sid(&Seg6Local::new(SidAction::EndX { nh6: addr("2001:db8::9") }), ETH0));
    assert_eq!(found(&facts), [] as [&str; 0]);
    facts.routes = sid(&local, ETH0);
    assert_eq!(
        found(&facts),
        [
            "fcbb:0:d:: encap seg6local action End.X nh6 fe80::9 dev eth0: router fe80::9 is link-local, and there is no output \
          device, so it is looked for where packets come from; Linux 6.17 takes one (oif)\n  \
          mend: ip -6 route replace fcbb:0:d:: encap seg6local action End.X nh6 ROUTER dev eth0"
        ]
    );
}

#[test]
fn plain_table_of_a_vrf_and_vrfs_that_are_not_strict_are_found() {
    let mut facts = facts();
    facts.vrf_strict_mode = Some(false);
    assert_eq!(found(&facts), [] as [&str; 0], "no SID needs it");
    let mut route =
        sid(&Seg6Local::new(SidAction::EndDt6 { table: DecapTable::Table(100) }).counters(), ETH0);
    route[0] = route[0].clone().table(77).metric(9);
    facts.routes = route;
    assert_eq!(
        found(&facts),
        [
            "fcbb:0:d:: encap seg6local action End.DT6 table 100 count dev eth0 table 77 metric 9: table 100 is that of VRF red, \
             but packets do not come from the VRF: its sockets and rules do not see them\n  \
             mend: ip -6 route replace fcbb:0:d:: encap seg6local action End.DT6 vrftable 100 count dev eth0 table 77 metric 9",
            "net.vrf.strict_mode: a SID with the table of a VRF cannot be made again\n  mend: sysctl -w net.vrf.strict_mode=1",
        ]
    );
    facts.routes = sid(&Seg6Local::new(SidAction::EndDt4 { vrf_table: 100 }), RED);
    assert!(found(&facts)[0].starts_with("net.vrf.strict_mode: "));
    facts.vrf_strict_mode = Some(true);
    facts.routes = sid(&Seg6Local::new(SidAction::EndDt6 { table: DecapTable::Table(200) }), ETH0);
    assert_eq!(found(&facts), [] as [&str; 0]);
}

#[test]
fn headers_that_are_half_turned_on_are_found() {
    let mut facts = facts();
    let all =
        |facts: &Facts| facts.diagnose().iter().map(|finding| finding.object.clone()).collect::<Vec<_>>();
    for (of_all, of_eth0, object) in [
        (false, false, None),
        (true, true, None),
        (false, true, Some("net.ipv6.conf.all.seg6_enabled")),
        (true, false, Some("net.ipv6.conf.INTERFACE.seg6_enabled")),
    ] {
        facts.seg6_enabled = Some(of_all);
        facts.devices[1].seg6_enabled = Some(of_eth0);
        assert_eq!(all(&facts), Vec::from_iter(object), "{of_all} {of_eth0}");
    }
    assert!(found(&facts)[0].ends_with("\n  mend: sysctl -w net.ipv6.conf.INTERFACE.seg6_enabled=1"));
    assert_eq!(facts.diagnose()[0].fault.needs(), Needs::OneNode);
}

#[test]
fn unreachable_default_of_a_vrf_that_takes_the_first_segment_is_found() {
    let mut facts = facts();
    facts.routes = vec![seg6(&Seg6::encap(segments(1)), ETH0)[0].clone().table(100)];
    let main = Some(("fcbb::/32".parse().unwrap(), 254));
    facts.first_segments.insert(addr("fcbb:0:1::"), main);
    facts.vrf_segments.entry(100).or_default().insert(addr("fcbb:0:1::"), main);
    facts.closed_tables.insert(100);
    assert_eq!(found(&facts), [] as [&str; 0], "a rule leads into another table");
    facts.vrf_segments.entry(100).or_default().insert(addr("fcbb:0:1::"), None);
    assert_eq!(
        found(&facts),
        [
            "2001:db8:2::/48 encap seg6 mode encap segs fcbb:0:1:: dev eth0 table 100: the packet to the first segment fcbb:0:1:: \
          comes from VRF red, whose default route is unreachable, so it is dropped\n  \
          mend: ip -6 rule add to fcbb:0:1:: lookup main pref 999"
        ]
    );
    facts.closed_tables.clear();
    assert!(found(&facts)[0].contains("no route leads to the first segment fcbb:0:1::"));
}

#[test]
fn command_for_one_path_of_several_is_not_offered() {
    use nl_core::route::NextHop;

    let mut facts = facts();
    let twice = Seg6::encap_red([addr("fcbb:0:b::"), addr("fcbb:0:b::")]);
    let hop = || NextHop::via("2001:db8::9".parse().unwrap()).dev(ETH0).with_encap(&twice);
    facts.routes = vec![Route::new("2001:db8:2::/48".parse().unwrap()).nexthop(hop()).nexthop(hop())];
    let found = facts.diagnose();
    assert_eq!((found.len(), found[0].mend()), (1, None));
    assert!(found[0].object.ends_with(" (the first of 2 paths)"), "{}", found[0].object);
    facts.routes = vec![seg6(&twice, ETH0)[0].clone().nhid(7)];
    assert_eq!(facts.diagnose()[0].mend(), None);
}
