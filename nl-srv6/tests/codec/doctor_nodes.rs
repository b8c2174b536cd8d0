//! Faults between nodes, from the facts of both.

use std::net::Ipv6Addr;

use nl_core::IpPrefix;
use nl_core::route::{Route, RouteProtocol};
use nl_srv6::doctor::{Destination, Device, Facts, Finding, Needs, diagnose};
use nl_srv6::encap::Seg6;
use nl_srv6::policy::{CandidatePath, Policy, PolicySet, SegmentList};
use nl_srv6::sid::{Flavors, Seg6Local, SidAction};

use crate::commands::addr;

const B: &str = "fcbb:0:b::";
const D: &str = "fcbb:0:d::";
const D6: &str = "fcbb:0:d:6::";

fn prefix(text: &str) -> IpPrefix {
    text.parse().unwrap()
}

fn device(index: u32, name: &str, addresses: &[&str]) -> Device {
    let mut device = Device::default();
    (device.index, device.name) = (index, name.into());
    (device.is_up, device.is_loopback, device.is_ethernet) = (true, index == 1, index != 1);
    device.addresses = addresses.iter().map(|text| prefix(text)).collect();
    (device.seg6_enabled, device.seg6_require_hmac) = (Some(false), Some(0));
    device
}

fn node(name: &str, devices: &[(&str, &str)], ways: &[&str]) -> Facts {
    let mut facts = Facts::default().named(name);
    facts.devices = vec![device(1, "lo", &["::1/128"])];
    for (index, (name, addr)) in (2..).zip(devices) {
        facts.devices.push(device(index, name, &["fe80::1/64", *addr]));
    }
    let way = |text: &&str| Destination { prefix: prefix(text), table: 254, is_open: true };
    facts.destinations = Some(ways.iter().map(way).collect());
    facts
}

/// `a` - `b` - `d`: a headend, a transit node with a SID, and one that decapsulates.
fn nodes() -> [Facts; 3] {
    let a = node("a", &[("b", "2001:db8:ab::a/64")], &["2001:db8:ab::/64", "fcbb::/32"]);
    let mut b = node(
        "b",
        &[("a", "2001:db8:ab::b/64"), ("d", "2001:db8:bd::b/64")],
        &["2001:db8:ab::/64", "2001:db8:bd::/64", "fcbb:0:d::/48"],
    );
    let mut d = node("d", &[("b", "2001:db8:bd::d/64")], &["2001:db8:bd::/64"]);
    b.routes = vec![sid(B, &Seg6Local::new(SidAction::End))];
    d.routes = vec![
        sid(D, &Seg6Local::new(SidAction::End)),
        sid(D6, &Seg6Local::new(SidAction::EndDx6 { nh6: addr("2001:db8:2::1") })),
    ];
    [a, b, d]
}

fn sid(sid: &str, local: &Seg6Local) -> Route {
    Route::new(prefix(sid)).oif(2).with_encap(local)
}

fn through(nodes: &mut [Facts; 3], seg6: &Seg6) -> Vec<Finding> {
    nodes[0].routes = vec![Route::new(prefix("2001:db8:2::/48")).oif(2).with_encap(seg6)];
    diagnose(&nodes[..])
}

fn path(segments: &[&str]) -> Vec<Ipv6Addr> {
    segments.iter().map(|segment| addr(segment)).collect()
}

/// The only finding, without the words of the route, and its command.
fn only(findings: &[Finding]) -> (String, Option<String>) {
    let [finding] = findings else { unreachable!("{findings:?}") };
    assert_eq!((finding.node.as_str(), finding.fault.needs()), ("a", Needs::SeveralNodes));
    (finding.fault.to_string(), finding.mend())
}

#[test]
fn lists_that_arrive_have_no_findings() {
    let mut nodes = nodes();
    for seg6 in [
        Seg6::encap(path(&[B, D6])),
        Seg6::encap_red(path(&[B, D, D6])),
        Seg6::encap_red(path(&[D6])),
        Seg6::inline(path(&[B, D])),
        // Behind what is known nothing is claimed.
        Seg6::encap(path(&["fcbb:0:e::", D])),
        Seg6::encap(path(&[B, "fcbb:0:d:99::"])),
    ] {
        assert_eq!(through(&mut nodes, &seg6), [], "{seg6}");
    }
    // One node alone knows of no other.
    nodes[0].routes = vec![Route::new(prefix("2001:db8:2::/48")).oif(2).with_encap(&Seg6::encap(path(&[D])))];
    assert_eq!(nodes[0].diagnose(), []);
}

#[test]
fn transit_sid_that_is_last_is_found() {
    let mut nodes = nodes();
    let (fault, mend) = only(&through(&mut nodes, &Seg6::encap(path(&[B, D]))));
    assert_eq!(fault, "the last segment fcbb:0:d:: does not decapsulate at d, so every packet is dropped");
    let command = "ip -6 route replace 2001:db8:2::/48 encap seg6 mode encap segs fcbb:0:b::,fcbb:0:d::,fcbb:0:d:6:: dev b";
    assert_eq!(mend.unwrap(), command);
    // Nothing there decapsulates.
    let (fault, mend) = only(&through(&mut nodes, &Seg6::encap_red(path(&[B]))));
    assert_eq!(fault, "the last segment fcbb:0:b:: does not decapsulate at b, so every packet is dropped");
    assert_eq!(mend, None);
}

#[test]
fn list_in_reverse_is_found() {
    let mut nodes = nodes();
    let (fault, mend) = only(&through(&mut nodes, &Seg6::encap(path(&[D6, D, B]))));
    assert_eq!(
        fault,
        "the list is in reverse: the first segment is the last hop, so every packet is dropped"
    );
    let command = "ip -6 route replace 2001:db8:2::/48 encap seg6 mode encap segs fcbb:0:b::,fcbb:0:d::,fcbb:0:d:6:: dev b";
    assert_eq!(mend.unwrap(), command);
}

#[test]
fn last_segment_that_takes_something_else_is_found() {
    let mut nodes = nodes();
    nodes[0].routes = vec![Route::new(prefix("10.2.0.0/16")).oif(2).with_encap(&Seg6::encap(path(&[B, D6])))];
    let (fault, mend) = only(&diagnose(&nodes));
    assert_eq!(fault, "the last segment fcbb:0:d:6:: takes no IPv4 packets at d, so every packet is dropped");
    assert_eq!(mend, None);
    nodes[2]
        .routes
        .push(sid("fcbb:0:d:4::", &Seg6Local::new(SidAction::EndDx4 { nh4: [10, 2, 0, 1].into() })));
    let (_, mend) = only(&diagnose(&nodes));
    let command = "ip route replace 10.2.0.0/16 encap seg6 mode encap segs fcbb:0:b::,fcbb:0:d:4:: dev b";
    assert_eq!(mend.unwrap(), command);
    let (fault, _) = only(&through(&mut nodes, &Seg6::l2encap(path(&[B, D6]))));
    assert!(fault.contains("takes no Ethernet frames at d"), "{fault}");

    // A policy for both families.
    let [a, b, d] = nodes;
    let path = CandidatePath::new(100).list(Seg6::encap(path(&[B, D6])));
    let policy = Policy::new(1, addr(D)).path(path).prefix(prefix("2001:db8:2::/48"));
    let set = |policy: &Policy| PolicySet::new("b", 5000..=5099, RouteProtocol(200)).policy(policy.clone());
    let others = [b, d];
    assert_eq!(set(&policy).diagnose(&a, &others), []);
    let found = set(&policy.prefix(prefix("10.2.0.0/16"))).diagnose(&a, &others);
    assert!(found.len() == 1 && found[0].to_string().contains("takes no IPv4 packets"), "{found:?}");
}

#[test]
fn segment_that_decapsulates_early_is_found() {
    let mut nodes = nodes();
    let (fault, mend) = only(&through(&mut nodes, &Seg6::encap(path(&[B, D6, D, B]))));
    let expected =
        "segment fcbb:0:d:6:: decapsulates at d, and 2 segments are left, so every packet is dropped";
    assert_eq!(fault, expected);
    let command =
        "ip -6 route replace 2001:db8:2::/48 encap seg6 mode encap segs fcbb:0:b::,fcbb:0:d:6:: dev b";
    assert_eq!(mend.unwrap(), command);
}

#[test]
fn segment_that_a_node_has_no_way_to_is_found() {
    let mut nodes = nodes();
    let seg6 = Seg6::encap(path(&[B, D6]));
    nodes[1].destinations.as_mut().unwrap()[2].is_open = false;
    let findings = through(&mut nodes, &seg6);
    let (fault, mend) = only(&findings);
    assert_eq!(fault, "no route leads to segment fcbb:0:d:6:: at b, so every packet is dropped");
    assert_eq!(mend.unwrap(), "ip -6 route add fcbb:0:d:6:: via ROUTER");
    assert!(findings[0].to_string().starts_with("a: 2001:db8:2::/48 encap seg6 "), "{}", findings[0]);
    assert!(findings[0].to_string().contains("\n  mend, at b: ip -6 route add "), "{}", findings[0]);
    // A longer prefix, or another table, has one.
    let way = Destination { prefix: prefix("fcbb:0:d:6::/64"), table: 300, is_open: true };
    nodes[1].destinations.as_mut().unwrap().push(way);
    assert_eq!(through(&mut nodes, &seg6), []);
    // A default route that drops packets is none.
    nodes[1].destinations = Some(vec![Destination { prefix: prefix("::/0"), table: 254, is_open: false }]);
    assert_eq!(through(&mut nodes, &seg6).len(), 1);
    nodes[1].destinations = None;
    assert_eq!(through(&mut nodes, &seg6), []);
}

#[test]
fn hmac_that_is_required_and_missing_is_found() {
    let mut nodes = nodes();
    let (plain, signed) = (Seg6::encap(path(&[B, D6])), Seg6::encap(path(&[B, D6])).hmac(42));
    // Packets of a come through the device in one network with it.
    nodes[1].devices[2].seg6_require_hmac = Some(1);
    assert_eq!(through(&mut nodes, &plain), []);
    nodes[1].devices[1].seg6_require_hmac = Some(1);
    let (fault, mend) = only(&through(&mut nodes, &plain));
    let expected = "an HMAC is required on a at b, and the list has none, so every packet is dropped";
    assert_eq!(
        (fault.as_str(), mend.as_deref()),
        (expected, Some("sysctl -w net.ipv6.conf.a.seg6_require_hmac=0"))
    );

    nodes[0].keys = Some([42].into());
    nodes[1].keys = Some([42].into());
    nodes[2].keys = Some([7].into());
    let (fault, mend) = only(&through(&mut nodes, &signed));
    assert_eq!(fault, "there is no HMAC key 42 at d, so every packet is dropped there");
    assert_eq!(mend.unwrap(), "ip sr hmac set 42 sha256");
    // Where it is not looked at, a key is not needed.
    nodes[2].devices[1].seg6_require_hmac = Some(-1);
    assert_eq!(through(&mut nodes, &signed), []);
    // A single segment in a reduced mode has no header.
    nodes[2].devices[1].seg6_require_hmac = Some(1);
    assert_eq!(through(&mut nodes, &Seg6::encap_red(path(&[D6]))), []);
    assert_eq!(through(&mut nodes, &Seg6::encap(path(&[D6]))).len(), 1);
}

#[test]
fn segment_at_an_address_where_headers_are_not_processed_is_found() {
    let mut nodes = nodes();
    let seg6 = Seg6::encap(path(&["2001:db8:ab::b", D6]));
    let (fault, mend) = only(&through(&mut nodes, &seg6));
    let expected = "segment 2001:db8:ab::b is an address, and headers are not processed on a at b, so every packet is dropped";
    assert_eq!(fault, expected);
    let command = "sysctl -w net.ipv6.conf.all.seg6_enabled=1 net.ipv6.conf.a.seg6_enabled=1";
    assert_eq!(mend.unwrap(), command);
    nodes[1].devices[1].seg6_enabled = Some(true);
    assert_eq!(through(&mut nodes, &seg6), []);
    // An address as the last segment decapsulates.
    assert_eq!(through(&mut nodes, &Seg6::encap(path(&["2001:db8:ab::b"]))), []);
    nodes[1].seg6_enabled = Some(false);
    let findings = through(&mut nodes, &seg6);
    assert_eq!(findings.len(), 2, "{findings:?}");
}

#[test]
fn micro_sids_are_followed_through_a_carrier() {
    let mut nodes = nodes();
    let csid = Seg6Local::new(SidAction::End).flavors(Flavors::next_csid(32, 16));
    nodes[1].routes = vec![sid("fcbb:0:b::/48", &csid)];
    nodes[2].routes = vec![
        sid("fcbb:0:d::/48", &csid),
        sid("fcbb:0:d:d46::/64", &Seg6Local::new(SidAction::EndDt46 { vrf_table: 100 })),
    ];
    nodes[2].devices.push(device(9, "red", &[]));
    nodes[2].devices[2].vrf_table = Some(100);
    assert_eq!(through(&mut nodes, &Seg6::encap_red(path(&["fcbb:0:b:d:d46::"]))), []);
    let (fault, mend) = only(&through(&mut nodes, &Seg6::encap_red(path(&["fcbb:0:b:d::"]))));
    assert_eq!(fault, "the last segment fcbb:0:d:: does not decapsulate at d, so every packet is dropped");
    assert!(mend.unwrap().ends_with("segs fcbb:0:b:d::,fcbb:0:d:d46:: dev b"));
    // Shifted to a node that b cannot reach.
    nodes[1].destinations.as_mut().unwrap().truncate(2);
    let (fault, _) = only(&through(&mut nodes, &Seg6::encap_red(path(&["fcbb:0:b:d:d46::"]))));
    assert_eq!(fault, "no route leads to segment fcbb:0:d:d46:: at b, so every packet is dropped");
}

#[test]
fn set_of_policies_is_examined_before_it_is_applied() {
    let [a, b, d] = nodes();
    let list = |segments: &[&str]| Seg6::encap(path(segments));
    let of = |lists: Vec<SegmentList>| {
        let path = lists.into_iter().fold(CandidatePath::new(100), CandidatePath::list);
        let policy = Policy::new(100, addr(D)).path(path).prefix(prefix("2001:db8:2::/48"));
        PolicySet::new("b", 5000..=5099, RouteProtocol(200)).policy(policy)
    };
    let found = |set: &PolicySet| {
        let findings = set.diagnose(&a, &[b.clone(), d.clone()]);
        findings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(found(&of(vec![list(&[B, D6]).into()])), [] as [&str; 0]);
    let set = of(vec![
        list(&[B, D]).into(),
        SegmentList::new(list(&[B])).valid(false),
        list(&["fcbc::1", D6]).into(),
        Seg6::encap_red(path(&[B, B, D6])).into(),
    ]);
    let of_policy = "a: policy color 100 endpoint fcbb:0:d::";
    assert_eq!(
        found(&set),
        [
            format!(
                "{of_policy}: seg6 mode encap segs fcbb:0:b::,fcbb:0:d::: the last segment fcbb:0:d:: does not decapsulate at d, \
                 so every packet is dropped"
            ),
            format!(
                "{of_policy}: seg6 mode encap segs fcbc::1,fcbb:0:d:6::: no route leads to the first segment fcbc::1, so every \
                 packet is dropped\n  mend: ip -6 route add fcbc::1 via ROUTER"
            ),
            format!(
                "{of_policy}: seg6 mode encap.red segs fcbb:0:b::,fcbb:0:b::,fcbb:0:d:6::: the first segment fcbb:0:b:: is there \
                 twice: a reduced mode leaves the first one out by itself, so the node is visited twice"
            ),
        ]
    );
    let mut set = of(vec![list(&[B, D6]).into()]);
    set.dev = "eth7".into();
    assert_eq!(found(&set), ["a: policies dev eth7: there is no such device"]);
    set.dev = 1.into();
    set.ids = 0..=1;
    let all = found(&set);
    assert!(all[0].contains("a range from 1 on is needed") && all[1].contains("loopback device"), "{all:?}");
}

#[cfg(feature = "serde")]
#[test]
fn facts_written_as_json_lead_to_the_same_findings() {
    use nl_core::route::NextHop;
    use nl_srv6::srh::Srh;

    let mut nodes = nodes();
    nodes[0].routes = vec![
        Route::new(prefix("2001:db8:2::/48")).oif(2).with_encap(&Seg6::encap(path(&[D6, B])).hmac(42)),
        Route::new(prefix("10.2.0.0/16")).oif(2).table(100).metric(9).with_encap(&Seg6::encap(path(&[B]))),
        Route::new(prefix("2001:db8:3::/48"))
            .nexthop(NextHop::via(addr("2001:db8::9").into()).dev(2).with_encap(&Seg6::encap(path(&[B]))))
            .nexthop(NextHop::via(addr("2001:db8::8").into()).dev(2).with_encap(&Seg6::encap(path(&[D])))),
    ];
    nodes[0].keys = Some([7].into());
    nodes[0].first_segments.insert(addr(B), None);
    nodes[0].vrf_segments.entry(100).or_default().insert(addr(B), Some((prefix("::/0"), 254)));
    nodes[0].closed_tables.insert(100);
    nodes[2]
        .routes
        .push(sid("fcbb:0:d:7::", &Seg6Local::new(SidAction::EndB6Encaps { srh: Srh::new(path(&[B])) })));
    nodes[2]
        .routes
        .push(sid("fcbb:0:d:8::", &Seg6Local::new(SidAction::EndDx2 { oif: 2.into() }).counters()));
    let written = serde_json::to_string(&nodes).unwrap();
    let read: Vec<Facts> = serde_json::from_str(&written).unwrap();
    let findings = diagnose(&nodes);
    assert!(findings.len() > 4, "{findings:#?}");
    assert_eq!(diagnose(&read), findings);
    assert_eq!(serde_json::to_string(&read).unwrap(), written);
    // What an older version did not write is not known.
    assert_eq!(serde_json::from_str::<Facts>("{}").unwrap(), Facts::default());
}
