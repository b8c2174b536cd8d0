//! A node with a few devices, and a small network of segment routers.

use std::net::Ipv6Addr;
use std::time::Duration;

use nl_core::{Connection, Protocol};
use nl_srv6::routes::Srv6Routes;
use nl_srv6::sid::Sids;
use nl_testkit::{EthFrame, Lab, Node, Result};
use serde_json::Value;

pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) async fn open(node: &Node) -> Result<Connection> {
    Ok(node.open(|| Connection::open(Protocol::Route)).await?)
}

pub(crate) async fn generic(node: &Node) -> Result<Connection> {
    Ok(node.open(|| Connection::open(Protocol::Generic)).await?)
}

pub(crate) async fn lines(node: &Node, lines: &[&str]) {
    for line in lines {
        node.ip(line).await;
    }
}

/// A node with `d0` and `d1`, each with addresses, and routers behind them.
pub(crate) async fn world(lab: &Lab) -> Result<(Node, Connection)> {
    let node = lab.node("a").await?;
    let setup = [
        "link add d0 type veth peer name p0",
        "link add d1 type veth peer name p1",
        "link set d0 up",
        "link set d1 up",
        "link set p0 up",
        "link set p1 up",
        "address add 192.0.2.254/24 dev d0",
        "address add 2001:db8::fe/64 dev d0 nodad",
        "address add 2001:db8:f::fe/64 dev d1 nodad",
    ];
    lines(&node, &setup).await;
    let conn = open(&node).await?;
    Ok((node, conn))
}

/// Adds the VRF `red` with table 100, which decapsulation may use.
pub(crate) async fn add_vrf(node: &Node) -> Result {
    lines(node, &["link add red type vrf table 100", "link set red up"]).await;
    node.sysctl("net.vrf.strict_mode", "1").await
}

/// The routes to a prefix that `ip -j` prints, with counters.
pub(crate) async fn shown(node: &Node, prefix: &str) -> Vec<Value> {
    let family = if prefix.contains(':') { "-6" } else { "-4" };
    let shown = node.json(&format!("ip -j -s {family} route show table all exact {prefix}")).await;
    shown.as_array().cloned().unwrap_or_default()
}

/// `c1` - `a` - `b` - `d` - `c2`: two customers, three routers that know the block `fcbb::/32`.
///
/// Router `b` has the locator `fcbb:0:b::/48`, and `d` has `fcbb:0:d::/48`. The customers' networks are `2001:db8:1::/64` and
/// `10.1.0.0/24`, `2001:db8:2::/64` and `10.2.0.0/24`; the routers do not know those of the other side.
pub(crate) struct Network {
    pub(crate) c1: Node,
    pub(crate) a: Node,
    pub(crate) b: Node,
    pub(crate) d: Node,
    pub(crate) c2: Node,
}

pub(crate) async fn network(lab: &Lab) -> Result<Network> {
    let c1 = lab.node("c1").await?;
    let a = lab.node("a").await?;
    let b = lab.node("b").await?;
    let d = lab.node("d").await?;
    let c2 = lab.node("c2").await?;
    c1.add_veth("eth0", &a, "c").await?;
    a.add_veth("b", &b, "a").await?;
    b.add_veth("d", &d, "b").await?;
    d.add_veth("c", &c2, "eth0").await?;
    for router in [&a, &b, &d] {
        router.sysctl("net.ipv6.conf.all.forwarding", "1").await?;
        router.sysctl("net.ipv4.ip_forward", "1").await?;
        router.sysctl("net.ipv4.conf.all.rp_filter", "0").await?;
        router.sysctl("net.ipv4.conf.default.rp_filter", "0").await?;
    }
    let ends: [(&Node, &[&str]); 5] =
        [(&c1, &["eth0"]), (&a, &["c", "b"]), (&b, &["a", "d"]), (&d, &["b", "c"]), (&c2, &["eth0"])];
    for (node, links) in ends {
        for link in links {
            node.up(link).await?;
            node.sysctl(&format!("net.ipv4.conf.{link}.rp_filter"), "0").await?;
        }
    }
    for (node, link) in [(&c1, "eth0"), (&a, "b"), (&b, "d"), (&d, "c"), (&c2, "eth0")] {
        node.wait_carrier(link).await?;
    }
    lines(
        &c1,
        &[
            "address add 2001:db8:1::1/64 dev eth0 nodad",
            "address add 10.1.0.1/24 dev eth0",
            "-6 route add default via 2001:db8:1::a",
            "route add default via 10.1.0.254",
        ],
    )
    .await;
    lines(
        &a,
        &[
            "address add 2001:db8:1::a/64 dev c nodad",
            "address add 10.1.0.254/24 dev c",
            "address add 2001:db8:ab::a/64 dev b nodad",
            "-6 route add fcbb::/32 via 2001:db8:ab::b",
        ],
    )
    .await;
    lines(
        &b,
        &[
            "address add 2001:db8:ab::b/64 dev a nodad",
            "address add 2001:db8:bd::b/64 dev d nodad",
            "-6 route add fcbb:0:d::/48 via 2001:db8:bd::d",
        ],
    )
    .await;
    lines(
        &d,
        &[
            "address add 2001:db8:bd::d/64 dev b nodad",
            "address add 2001:db8:2::d/64 dev c nodad",
            "address add 10.2.0.254/24 dev c",
            "-6 route add 2001:db8:ab::/64 via 2001:db8:bd::b",
        ],
    )
    .await;
    lines(&c2, &["address add 2001:db8:2::1/64 dev eth0 nodad", "address add 10.2.0.1/24 dev eth0"]).await;
    Ok(Network { c1, a, b, d, c2 })
}

impl Network {
    /// Sends packets from the first customer, one after another.
    pub(crate) async fn send(&self, to: &str, packets: usize) {
        let to: std::net::SocketAddr = to.parse().unwrap();
        let sent = self.c1.open(move || {
            // A port of its own: a child that another test starts at this moment keeps the last one in use.
            let own = if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
            let socket = std::net::UdpSocket::bind(own)?;
            (0..packets).try_for_each(|_| socket.send_to(b"customer", to).map(drop))
        });
        sent.await.unwrap();
    }
}

pub(crate) async fn sids(node: &Node) -> Result<Sids> {
    Ok(Sids::new(open(node).await?))
}

pub(crate) async fn routes(node: &Node) -> Result<Srv6Routes> {
    Ok(Srv6Routes::new(open(node).await?))
}

/// The IPv6 packet in a frame: its destination, its next header, and what follows.
pub(crate) fn ipv6(frame: &EthFrame) -> Option<(Ipv6Addr, u8, &[u8])> {
    let (header, rest) = frame.payload.split_first_chunk::<40>()?;
    let destination = header[24..].first_chunk::<16>()?;
    (frame.ethertype == 0x86dd).then_some((Ipv6Addr::from(*destination), header[6], rest))
}

/// Whether a frame holds the customers' packet with nothing around it.
pub(crate) fn is_plain(frame: &EthFrame) -> bool {
    nl_testkit::oracle::traffic::udp(frame).is_some_and(|udp| udp.payload == b"customer")
}
