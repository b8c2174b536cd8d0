//! Three leaves and two tenants with the same IP addresses: bridged, and routed between VLANs through the L3 VNI of each.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread::JoinHandle;
use std::time::Duration;

use nl_bridge::leaf::{
    BridgeConfig, InterfaceConfig, Leaf, PortConfig, RouterConfig, SegmentConfig, VniMap, VrfConfig,
    VxlanConfig,
};
use nl_bridge::{VlanRange, VniRange};
use nl_core::{IpPrefix, MacAddr};
use nl_testkit::oracle::traffic;
use nl_testkit::{Bridge, Lab, Node, Result, scaled};

use super::support::*;

/// The same on every leaf.
const GATEWAY: MacAddr = MacAddr::new([0, 0, 0x5e, 0, 1, 1]);
const SOON: Duration = Duration::from_secs(10);
/// How many frames are on the way at once: few enough for every buffer.
const WINDOW: u32 = 16;

/// A tenant: its VLANs have the same last digits, its VNIs are those and 10000.
#[derive(Clone, Copy)]
struct Tenant {
    name: &'static str,
    table: u32,
    /// The L3 VNI and its VLAN.
    l3: u16,
    /// Is added to the VLANs.
    base: u16,
    /// The UDP port by which its frames are known.
    port: u16,
}

const RED: Tenant = Tenant { name: "red", table: 1001, l3: 4001, base: 0, port: 7001 };
const BLUE: Tenant = Tenant { name: "blue", table: 1002, l3: 4002, base: 100, port: 7002 };

fn ip(text: &str) -> IpPrefix {
    text.parse().unwrap()
}

/// The MAC address of the router of a leaf, which is that of its bridge.
fn router_mac(number: u8) -> MacAddr {
    MacAddr::new([2, 0, 0, 0, 1, number])
}

/// The three leaves, and where each is.
struct Fabric {
    fabric: Bridge,
    leaves: Vec<Leaf>,
}

impl Fabric {
    async fn new(lab: &Lab) -> Result<Self> {
        lab.quiet();
        let fabric = lab.bridge("fabric", 3).await?;
        let mut leaves = Vec::new();
        for node in fabric.hosts() {
            for (key, value) in
                [("conf.default.rp_filter", "0"), ("conf.all.rp_filter", "0"), ("ip_forward", "1")]
            {
                node.sysctl(&format!("net.ipv4.{key}"), value).await?;
            }
            leaves.push(leaf_of(node).await);
        }
        Ok(Self { fabric, leaves })
    }

    /// The node of a leaf, from 1.
    fn node(&self, number: u8) -> &Node {
        &self.fabric.hosts()[usize::from(number) - 1]
    }

    fn leaf(&self, number: u8) -> &Leaf {
        &self.leaves[usize::from(number) - 1]
    }

    fn address(&self, number: u8) -> IpAddr {
        self.node(number).ipv4().into()
    }

    /// What both tenants have on a leaf: VLAN 10 on the first and the second, VLAN 20 on the third.
    ///
    /// `moved` says that the host 10.0.10.11 of red is behind the second leaf.
    fn config(&self, number: u8, moved: bool) -> BridgeConfig {
        let mut vxlan = VxlanConfig::new("vx0").local(self.address(number));
        let mut config = BridgeConfig::new("br0").address(router_mac(number));
        for tenant in [RED, BLUE] {
            let (digits, net) = if number == 3 { (20, "10.0.20.1/24") } else { (10, "10.0.10.1/24") };
            let vlan = tenant.base + digits;
            config = config.vrf(VrfConfig::new(tenant.name, tenant.table));
            let svi = InterfaceConfig::new(format!("vlan{vlan}"), vlan).vrf(tenant.name).address(GATEWAY);
            config = config.interface(svi.ip(ip(net)));
            let mut map = VniMap::new(one(vlan), vni(10_000 + u32::from(vlan)));
            if let Some(other) = [2, 1].get(usize::from(number) - 1) {
                map = map.flood(self.address(*other));
            }
            vxlan.maps.push(map);
            vxlan = vxlan.map(tenant.l3, u32::from(tenant.l3));
            let mut transit = InterfaceConfig::new(format!("l3{}", tenant.name), tenant.l3).vrf(tenant.name);
            for other in [1, 2, 3].into_iter().filter(|other| *other != number) {
                let mut router = RouterConfig::new(self.address(other), router_mac(other));
                let behind: &[&str] = match other {
                    1 if moved && tenant.name == "red" => &[],
                    1 => &["10.0.10.11/32"],
                    2 if moved && tenant.name == "red" => &["10.0.10.11/32", "10.0.10.12/32"],
                    2 => &["10.0.10.12/32"],
                    _ => &["10.0.20.0/24"],
                };
                for prefix in behind {
                    router = router.route(ip(prefix));
                }
                transit = transit.router(router);
            }
            config = config.interface(transit);
        }
        config.vxlan(vxlan)
    }

    /// A host on a port of a leaf.
    async fn plug(&self, host: &Node, number: u8, port: &str, address: &str) -> Result {
        let node = self.node(number);
        node.add_veth(port, host, "eth0").await?;
        // The same host everywhere, and the same as that of the other tenant.
        let octet = address.rsplit('.').next().and_then(|octet| octet.parse().ok()).unwrap();
        host.set_mac("eth0", [2, 0, 0, 0, 9, octet]).await?;
        node.up(port).await?;
        host.up("eth0").await?;
        host.wait_carrier("eth0").await?;
        host.ip(&format!("address add {address}/24 dev eth0")).await;
        let (net, _) = address.rsplit_once('.').unwrap();
        host.ip(&format!("route add default via {net}.1")).await;
        Ok(())
    }
}

fn one(vlan: u16) -> VlanRange {
    vlan.try_into().unwrap()
}

fn vni(vni: u32) -> VniRange {
    vni.try_into().unwrap()
}

/// The hosts of both tenants, which have the same addresses: two in VLAN 10, one in VLAN 20.
struct Hosts {
    red: [Node; 3],
    blue: [Node; 2],
}

/// Everything, as it is before anything changes.
async fn tenants(lab: &Lab) -> Result<(Fabric, Hosts)> {
    let fabric = Fabric::new(lab).await?;
    let red = [lab.node("r1").await?, lab.node("r2").await?, lab.node("r3").await?];
    let blue = [lab.node("b1").await?, lab.node("b3").await?];
    fabric.plug(&red[0], 1, "p1", "10.0.10.11").await?;
    fabric.plug(&red[1], 2, "p1", "10.0.10.12").await?;
    fabric.plug(&red[2], 3, "p1", "10.0.20.13").await?;
    fabric.plug(&blue[0], 1, "p2", "10.0.10.11").await?;
    fabric.plug(&blue[1], 3, "p2", "10.0.20.13").await?;
    let ports = |number: u8| match number {
        1 => vec![PortConfig::new("p1").access(10), PortConfig::new("p2").access(110)],
        2 => vec![PortConfig::new("p1").access(10)],
        _ => vec![PortConfig::new("p1").access(20), PortConfig::new("p2").access(120)],
    };
    for number in [1, 2, 3] {
        let mut config = fabric.config(number, false);
        config.ports = ports(number);
        fabric.leaf(number).apply(&config).await?;
        assert_eq!(lines(&fabric.leaf(number).apply(&config).await?), [] as [&str; 0]);
    }
    Ok((fabric, Hosts { red, blue }))
}

/// A socket of a host.
async fn socket(host: &Node, port: u16) -> UdpSocket {
    let socket = host.open(move || UdpSocket::bind(("0.0.0.0", port))).await.unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

/// Sends datagrams, a few at a time, and returns how many did not arrive.
fn send(from: &UdpSocket, to: &UdpSocket, at: SocketAddr, count: u32) -> usize {
    let mut lost = 0;
    for first in (0..count).step_by(WINDOW.try_into().unwrap()) {
        let numbers = first..count.min(first + WINDOW);
        for number in numbers.clone() {
            from.send_to(&number.to_be_bytes(), at).unwrap();
        }
        let mut missing: HashSet<u32> = numbers.collect();
        while !missing.is_empty() {
            let mut bytes = [0; 4];
            match to.recv(&mut bytes) {
                Ok(_) => {
                    missing.remove(&u32::from_be_bytes(bytes));
                }
                Err(error) => {
                    assert!(
                        matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
                        "{error}"
                    );
                    lost += missing.len();
                    break;
                }
            }
        }
        if lost > 10 {
            break;
        }
    }
    lost
}

/// In a thread of its own, while something else happens.
async fn flow(
    from: &Node,
    to: &Node,
    address: &str,
    tenant: Tenant,
    port: u16,
    count: u32,
) -> JoinHandle<usize> {
    let (from, to) = (socket(from, 0).await, socket(to, port).await);
    let at = SocketAddr::new(address.parse().unwrap(), port);
    assert_eq!(send(&from, &to, at, 4), 0, "{} to {address}", tenant.name);
    std::thread::spawn(move || send(&from, &to, at, count))
}

async fn arrives(from: &Node, to: &Node, address: &str, tenant: Tenant) {
    let (from, to) = (socket(from, 0).await, socket(to, tenant.port).await);
    let at = SocketAddr::new(address.parse().unwrap(), tenant.port);
    assert_eq!(send(&from, &to, at, 4), 0, "{} to {address}", tenant.name);
}

#[nl_testkit::test(
    needs(
        bridge_vlan_filtering,
        link = "vxlan",
        link = "veth",
        link = "vrf",
        sysctl = "net.ipv4.ip_forward",
        tool = "ip"
    ),
    timeout = 120
)]
async fn tenants_are_bridged_and_routed_each_in_its_own(lab: Lab) -> Result {
    let (_fabric, hosts) = tenants(&lab).await?;
    let mut seen_by_red = Vec::new();
    for host in &hosts.red {
        seen_by_red.push(host.capture("eth0").await?);
    }
    let mut seen_by_blue = Vec::new();
    for host in &hosts.blue {
        seen_by_blue.push(host.capture("eth0").await?);
    }
    // In one VLAN over two leaves; between VLANs through the L3 VNI, there and back.
    arrives(&hosts.red[0], &hosts.red[1], "10.0.10.12", RED).await;
    arrives(&hosts.red[0], &hosts.red[2], "10.0.20.13", RED).await;
    arrives(&hosts.red[2], &hosts.red[0], "10.0.10.11", RED).await;
    arrives(&hosts.red[2], &hosts.red[1], "10.0.10.12", RED).await;
    // The same addresses are other hosts.
    arrives(&hosts.blue[0], &hosts.blue[1], "10.0.20.13", BLUE).await;
    arrives(&hosts.blue[1], &hosts.blue[0], "10.0.10.11", BLUE).await;
    // To each host just the datagrams that were sent to it, each of them once.
    let all = [
        (&mut seen_by_red, &hosts.red[..], &[4, 8, 4][..], RED, BLUE.port),
        (&mut seen_by_blue, &hosts.blue[..], &[4, 4][..], BLUE, RED.port),
    ];
    for (captures, hosts, expected, tenant, foreign) in all {
        for ((capture, host), expected) in captures.iter_mut().zip(hosts).zip(expected) {
            let shown = host.json("ip -j link show dev eth0").await;
            let mac: MacAddr = shown[0]["address"].as_str().unwrap().parse()?;
            let mut own = 0;
            while let Some(frame) = capture.next(Duration::ZERO).await? {
                let Some(udp) = traffic::udp(&frame) else { continue };
                assert_ne!(udp.destination, foreign, "{frame:?} of the other tenant at {}", tenant.name);
                // What the host sends itself is captured too.
                let is_sent = frame.source == mac.octets();
                own += usize::from(udp.destination == tenant.port && !is_sent);
            }
            assert_eq!(own, *expected, "at {} of {}", host.name(), tenant.name);
        }
    }
    Ok(())
}

#[nl_testkit::test(
    needs(
        bridge_vlan_filtering,
        link = "vxlan",
        link = "veth",
        link = "vrf",
        sysctl = "net.ipv4.ip_forward",
        tool = "ip"
    ),
    timeout = 120
)]
async fn host_that_moves_keeps_its_gateway(lab: Lab) -> Result {
    let (fabric, hosts) = tenants(&lab).await?;
    let gateway = async |host: &Node| {
        let shown = host.json("ip -j neighbour show to 10.0.10.1").await;
        shown[0]["lladdr"].as_str().map(str::to_owned)
    };
    let host = &hosts.red[0];
    arrives(host, &hosts.red[2], "10.0.20.13", RED).await;
    assert_eq!(gateway(host).await, Some(GATEWAY.to_string()));

    // It is plugged out of the first leaf and into the second.
    fabric.node(1).delete_link("p1").await?;
    fabric.plug(host, 2, "p9", "10.0.10.11").await?;
    let mut config = fabric.config(1, true);
    config.ports = vec![PortConfig::new("p2").access(110)];
    fabric.leaf(1).apply(&config).await?;
    let mut config = fabric.config(2, true);
    config.ports = vec![PortConfig::new("p1").access(10), PortConfig::new("p9").access(10)];
    fabric.leaf(2).apply(&config).await?;
    let mut config = fabric.config(3, true);
    config.ports = vec![PortConfig::new("p1").access(20), PortConfig::new("p2").access(120)];
    let steps = lines(&fabric.leaf(3).apply(&config).await?);
    let moved = format!("replace route 10.0.10.11 via {} table 1001", fabric.address(2));
    assert!(steps.len() == 1 && steps[0].starts_with(&moved), "{steps:#?}");

    arrives(host, &hosts.red[2], "10.0.20.13", RED).await;
    arrives(&hosts.red[2], host, "10.0.10.11", RED).await;
    arrives(host, &hosts.red[1], "10.0.10.12", RED).await;
    assert_eq!(gateway(host).await, Some(GATEWAY.to_string()));
    // The host of the other tenant with that address has not moved.
    arrives(&hosts.blue[1], &hosts.blue[0], "10.0.10.11", BLUE).await;
    Ok(())
}

#[nl_testkit::test(
    needs(
        bridge_vlan_filtering,
        link = "vxlan",
        link = "veth",
        link = "vrf",
        sysctl = "net.ipv4.ip_forward",
        tool = "ip"
    ),
    timeout = 300
)]
async fn frames_of_what_stays_all_arrive_while_a_description_changes(lab: Lab) -> Result {
    let count = scaled(100_000, 1_000);
    let (fabric, hosts) = tenants(&lab).await?;
    add_ports_beside(fabric.node(1)).await?;
    // Half of them bridged, half of them routed.
    let bridged = flow(&hosts.red[0], &hosts.red[1], "10.0.10.12", RED, 7003, count / 2).await;
    let routed = flow(&hosts.red[0], &hosts.red[2], "10.0.20.13", RED, 7004, count / 2).await;

    let base = || {
        let mut config = fabric.config(1, false);
        config.ports = vec![PortConfig::new("p1").access(10), PortConfig::new("p2").access(110)];
        config
    };
    let mut more = base();
    more.ports.push(PortConfig::new("p3").trunk(30..=39).isolated(true));
    more.vxlan = more.vxlan.map(|vxlan| vxlan.map(30..=39, 10030..=10039).flood(other(99)));
    let mut crossed = base();
    crossed.vxlan = crossed.vxlan.map(|vxlan| vxlan.map(30, 10031).map(31, 10030));
    let segments = SegmentConfig::new(5001).leaf(other(98)).leaf(other(97));
    let segments = base().own_nexthops(5000..=5009).segment(segments);
    let mut routed_more = segments.clone();
    routed_more.interfaces[1].routers[0] =
        routed_more.interfaces[1].routers[0].clone().route(ip("10.7.0.0/16"));
    routed_more.segments[0].leaves.pop();
    // The other tenant goes altogether, and comes back.
    let mut alone = base().own_nexthops(5000..=5009);
    alone.vrfs.retain(|vrf| vrf.name == RED.name);
    alone.interfaces.retain(|interface| interface.vrf.as_deref() == Some(RED.name));
    alone.ports.truncate(1);
    if let Some(vxlan) = &mut alone.vxlan {
        vxlan.maps.retain(|map| [10, RED.l3].contains(&map.vid.first().get()));
    }
    let mut applied = 0;
    for config in [more, crossed, segments, routed_more, alone, base()].iter().cycle() {
        let plan = fabric.leaf(1).apply(config).await?;
        assert!(!plan.is_empty(), "{config:?}");
        applied += 1;
        if bridged.is_finished() && routed.is_finished() && applied > 12 {
            break;
        }
    }
    assert_eq!((bridged.join().unwrap(), routed.join().unwrap()), (0, 0), "while {applied} were applied");
    Ok(())
}

/// One more port, whose other end is in the same node.
async fn add_ports_beside(node: &Node) -> Result {
    node.ip("link add p3 type veth peer name h3").await;
    for name in ["p3", "h3"] {
        node.up(name).await?;
    }
    node.wait_carrier("p3").await
}
