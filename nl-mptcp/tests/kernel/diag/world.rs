//! A node with MPTCP connections of every sort.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use nl_core::{Connection, Protocol};
use nl_mptcp::diag::SockDiag;
use nl_testkit::{Lab, Node, Result, eventually};
use socket2::{Domain, Socket, Type};

use super::ss;

pub(crate) const SOON: Duration = Duration::from_secs(20);
/// What the client of the first pair sends.
pub(crate) const SENT: usize = 100_000;

/// The node and what is open in it.
pub(crate) struct World {
    pub(crate) node: Node,
    pub(crate) diag: SockDiag,
    /// Over two subflows; some data went both ways.
    pub(crate) joined: Pair,
    /// An IPv4 client at an IPv6 listener.
    pub(crate) mapped: Pair,
    pub(crate) ipv6: Pair,
    /// The client asked for MPTCP, the server speaks TCP only.
    pub(crate) fallback: Pair,
    /// MPTCP has nothing to do with it.
    pub(crate) plain: Pair,
}

/// A connection and its listener.
pub(crate) struct Pair {
    pub(crate) listener: TcpListener,
    pub(crate) client: TcpStream,
    pub(crate) server: TcpStream,
}

impl Pair {
    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }
}

/// Whether a socket is made with MPTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Mptcp,
    Tcp,
}

impl World {
    pub(crate) async fn new(lab: &Lab) -> Result<Self> {
        let node = multihomed(lab, "a").await?;
        let joined = pair(&node, "10.0.0.1:8080", "10.0.0.1:8080", [Kind::Mptcp; 2]).await;
        talk(&joined)?;
        let mapped = pair(&node, "[::]:8081", "10.0.0.2:8081", [Kind::Mptcp; 2]).await;
        let ipv6 = pair(&node, "[2001:db8::1]:8082", "[2001:db8::1]:8082", [Kind::Mptcp; 2]).await;
        let fallback = pair(&node, "10.0.0.1:9000", "10.0.0.1:9000", [Kind::Tcp, Kind::Mptcp]).await;
        let plain = pair(&node, "10.0.0.1:9001", "10.0.0.1:9001", [Kind::Tcp; 2]).await;
        let diag = open(&node).await?;
        let world = Self { node, diag, joined, mapped, ipv6, fallback, plain };
        world.settle().await;
        Ok(world)
    }

    /// Waits until the first connection has its second subflow, as `ss` sees it from both ends.
    async fn settle(&self) {
        let joined = async || {
            let sockets = ss::mptcp(&self.node, "-a").await;
            let both = sockets.iter().filter(|socket| socket.word("subflows") == Some("1"));
            (both.count() == 2).then_some(())
        };
        eventually(SOON, joined, "ss to show the second subflow on both ends").await;
    }
}

/// A node whose connections make a second subflow: addresses on `lo`, limits, and an endpoint.
pub(crate) async fn multihomed(lab: &Lab, name: &str) -> Result<Node> {
    let node = lab.node(name).await?;
    node.ip("link set lo up").await;
    for address in ["10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24"] {
        node.ip(&format!("address add {address} dev lo")).await;
    }
    node.ip("address add 2001:db8::1/64 dev lo nodad").await;
    // The kernel puts the route to it in place a little later.
    let routed = async || {
        let routes = node.ip("-6 route show table local").await;
        routes.contains("2001:db8::1 dev lo").then_some(())
    };
    eventually(SOON, routed, "the route to an IPv6 address").await;
    node.ip("mptcp limits set add_addr_accepted 4 subflows 4").await;
    node.ip("mptcp endpoint add 10.0.0.3 subflow").await;
    Ok(node)
}

pub(crate) async fn open(node: &Node) -> Result<SockDiag> {
    Ok(SockDiag::new(node.open(|| Connection::open(Protocol::SockDiag)).await?))
}

/// A listener and a connection to it; the first kind is the listener's.
pub(crate) async fn pair(node: &Node, listens: &str, connects: &str, kinds: [Kind; 2]) -> Pair {
    let listener = listen(node, listens, kinds[0]).await;
    let client = connect(node, connects, kinds[1]).await;
    let (server, _) = listener.accept().unwrap();
    Pair { listener, client, server }
}

pub(crate) async fn listen(node: &Node, address: &str, kind: Kind) -> TcpListener {
    let address: SocketAddr = address.parse().unwrap();
    let socket = node.open(move || socket(address, kind)).await;
    socket.set_reuse_address(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(128).unwrap();
    socket.into()
}

pub(crate) async fn connect(node: &Node, address: &str, kind: Kind) -> TcpStream {
    let address: SocketAddr = address.parse().unwrap();
    let socket = node.open(move || socket(address, kind)).await;
    socket.connect(&address.into()).unwrap();
    socket.into()
}

pub(crate) fn socket(address: SocketAddr, kind: Kind) -> Socket {
    let protocol = match kind {
        Kind::Mptcp => Some(socket2::Protocol::MPTCP),
        Kind::Tcp => Some(socket2::Protocol::TCP),
    };
    Socket::new(Domain::for_address(address), Type::STREAM, protocol).unwrap()
}

/// Data one way and one byte back, without which no second subflow is made.
pub(crate) fn talk(pair: &Pair) -> Result {
    (&pair.client).write_all(&[7; SENT])?;
    (&pair.server).read_exact(&mut [0; SENT])?;
    (&pair.server).write_all(&[7])?;
    (&pair.client).read_exact(&mut [0])?;
    Ok(())
}
