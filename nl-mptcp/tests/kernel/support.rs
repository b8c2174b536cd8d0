//! Two machines with two wires, and Multipath TCP connections between them.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use futures_util::StreamExt;
use nl_core::monitor::Monitor;
use nl_core::{Connection, Protocol};
use nl_mptcp::connection::ConnectionEntry;
use nl_mptcp::event::{ConnectionEvent, MptcpEvent, SubflowEvent};
use nl_mptcp::{Mptcp, Token};
pub(crate) use nl_testkit::kernel_version as kernel;
use nl_testkit::{Lab, Node, Result, eventually, within};
use socket2::{Domain, Socket, Type};

pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) async fn open(node: &Node) -> Result<Mptcp> {
    Ok(Mptcp::new(node.open(|| Connection::open(Protocol::Generic)).await?))
}

/// The machines `client` and `server`. On the first wire they are 10.0.1.1 and 10.0.1.2, dead:beef:1::1 and ::2; on the
/// second likewise with 2, as in the kernel's selftests.
pub(crate) struct Net {
    pub(crate) client: Node,
    pub(crate) server: Node,
}

impl Net {
    pub(crate) async fn new(lab: &Lab) -> Result<Self> {
        let (client, server) = (lab.node("client").await?, lab.node("server").await?);
        for path in [1, 2] {
            let dev = format!("eth{path}");
            client.add_veth(&dev, &server, &dev).await?;
            for (node, host) in [(&client, 1), (&server, 2)] {
                node.ip(&format!("address add 10.0.{path}.{host}/24 dev {dev}")).await;
                node.ip(&format!("address add dead:beef:{path}::{host}/64 dev {dev} nodad")).await;
                node.up(&dev).await?;
            }
        }
        for node in [&client, &server] {
            node.up("lo").await?;
            for path in [1, 2] {
                node.wait_carrier(&format!("eth{path}")).await?;
            }
        }
        Ok(Self { client, server })
    }

    /// Both leave their connections to us.
    pub(crate) async fn userspace(lab: &Lab) -> Result<Self> {
        let net = Self::new(lab).await?;
        for node in [&net.client, &net.server] {
            node.sysctl("net.mptcp.pm_type", "1").await?;
        }
        Ok(net)
    }
}

/// A socket that listens for Multipath TCP.
pub(crate) async fn listen(node: &Node, at: SocketAddr) -> Result<Socket> {
    let attempt = async || {
        let listening = move || bound(at).and_then(|socket| socket.listen(8).map(|()| socket));
        match node.open(listening).await {
            // The kernel releases the port of an earlier socket after a delay.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => None,
            listening => Some(listening),
        }
    };
    Ok(eventually(SOON, attempt, "the port to be free").await?)
}

pub(crate) fn bound(at: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(socket2::Protocol::MPTCP))?;
    socket.set_reuse_address(true)?;
    socket.set_read_timeout(Some(SOON))?;
    socket.set_write_timeout(Some(SOON))?;
    socket.bind(&at.into())?;
    Ok(socket)
}

/// One end of a connection, its handle, and its events.
pub(crate) struct Side {
    pub(crate) mptcp: Mptcp,
    pub(crate) events: Monitor<MptcpEvent>,
    /// Until it is closed.
    stream: Option<TcpStream>,
    /// The event of the kernel.
    pub(crate) established: ConnectionEvent,
}

/// A connection between the machines, established at both ends.
pub(crate) struct Pair {
    pub(crate) client: Side,
    pub(crate) server: Side,
    _listener: Socket,
}

impl Pair {
    /// Connects from one address to another with a port.
    pub(crate) async fn connect(net: &Net, from: &str, to: &str) -> Result<Self> {
        let (from, to): (IpAddr, SocketAddr) = (from.parse()?, to.parse()?);
        // A socket of IPv6 takes both.
        let any = SocketAddr::new(if to.is_ipv6() { "::".parse()? } else { "0.0.0.0".parse()? }, to.port());
        let listener = listen(&net.server, any).await?;
        let (client_mptcp, server_mptcp) = (open(&net.client).await?, open(&net.server).await?);
        let (mut client_events, mut server_events) =
            (client_mptcp.events().await?, server_mptcp.events().await?);
        let mut near: TcpStream = net
            .client
            .open(move || bound((from, 0).into()).and_then(|s| s.connect(&to.into()).map(|()| s)))
            .await?
            .into();
        let mut far: TcpStream = listener.accept()?.0.into();
        exchange(&mut near, &mut far)?;
        let client = established(&mut client_events).await;
        let server = established(&mut server_events).await;
        Ok(Self {
            client: Side {
                mptcp: client_mptcp,
                events: client_events,
                stream: Some(near),
                established: client,
            },
            server: Side {
                mptcp: server_mptcp,
                events: server_events,
                stream: Some(far),
                established: server,
            },
            _listener: listener,
        })
    }
}

impl Pair {
    /// Sends four bytes each way.
    pub(crate) fn exchange(&mut self) -> Result {
        exchange(self.client.stream.as_mut().unwrap(), self.server.stream.as_mut().unwrap())
    }

    /// Closes both ends.
    pub(crate) fn close(&mut self) {
        self.client.stream = None;
        self.server.stream = None;
    }
}

/// Sends four bytes each way. Afterwards the connection is established at both ends.
pub(crate) fn exchange(near: &mut TcpStream, far: &mut TcpStream) -> Result {
    let mut word = [0; 4];
    near.write_all(b"ping")?;
    far.read_exact(&mut word)?;
    far.write_all(b"pong")?;
    near.read_exact(&mut word)?;
    assert_eq!(&word, b"pong");
    Ok(())
}

async fn established(events: &mut Monitor<MptcpEvent>) -> ConnectionEvent {
    let wanted = |event: &MptcpEvent| match event {
        MptcpEvent::Established(event) => Some(event.clone()),
        _ => None,
    };
    next(events, "the connection to be established", wanted).await
}

/// The next event that is the one wanted.
pub(crate) async fn next<T>(
    events: &mut Monitor<MptcpEvent>,
    what: &str,
    wanted: impl Fn(&MptcpEvent) -> Option<T>,
) -> T {
    let found = async {
        loop {
            if let Some(found) = wanted(&events.next().await.unwrap().unwrap()) {
                return found;
            }
        }
    };
    within(SOON, found, what).await
}

impl Side {
    /// The socket, for use by the caller.
    pub(crate) fn take(&mut self) -> TcpStream {
        self.stream.take().unwrap()
    }

    pub(crate) fn token(&self) -> Token {
        self.established.token
    }

    pub(crate) fn connection(&self) -> ConnectionEntry {
        self.mptcp.mptcp_connection(self.token())
    }

    pub(crate) async fn next<T>(&mut self, what: &str, wanted: impl Fn(&MptcpEvent) -> Option<T>) -> T {
        let token = self.token();
        next(&mut self.events, what, |event| (event.token() == Some(token)).then(|| wanted(event)).flatten())
            .await
    }

    /// The next subflow that is established.
    pub(crate) async fn subflow(&mut self) -> SubflowEvent {
        self.next("a subflow to be established", |event| match event {
            MptcpEvent::SubflowEstablished(event) => Some(event.clone()),
            _ => None,
        })
        .await
    }

    /// The next subflow that is closed.
    pub(crate) async fn closed(&mut self) -> SubflowEvent {
        self.next("a subflow to be closed", |event| match event {
            MptcpEvent::SubflowClosed(event) => Some(event.clone()),
            _ => None,
        })
        .await
    }

    /// The address and port, and the id, that the peer announces next.
    pub(crate) async fn announced(&mut self) -> (SocketAddr, u8) {
        self.next("an announcement", |event| match event {
            MptcpEvent::Announced(event) => Some((event.remote, event.remote_id.get())),
            _ => None,
        })
        .await
    }

    /// The id of the address that the peer withdraws next.
    pub(crate) async fn removed(&mut self) -> u8 {
        self.next("a withdrawal", |event| match event {
            MptcpEvent::Removed { remote_id, .. } => Some(remote_id.get()),
            _ => None,
        })
        .await
    }
}

/// A counter of the namespace as the kernel prints it (`MPTcpExt` of `/proc/net/netstat`), if it exists.
pub(crate) async fn counter(node: &Node, name: &str) -> Option<u64> {
    let text = node.command(["cat", "/proc/thread-self/net/netstat"]).await.ok();
    let mut rows = text.lines().filter(|line| line.starts_with("MPTcpExt:")).map(str::split_whitespace);
    let (names, values) = (rows.next().unwrap(), rows.next().unwrap());
    let counters: HashMap<_, _> = names.zip(values).collect();
    counters.get(name).map(|value| value.parse().unwrap())
}

/// Waits until a counter is at least this.
pub(crate) async fn counted(node: &Node, name: &str, least: u64) {
    let reached = async || (counter(node, name).await? >= least).then_some(());
    eventually(SOON, reached, &format!("{name} of {} to be {least}", node.name())).await;
}

/// What `ss` lists for the TCP subflows of a node that are established, local and remote end of each.
pub(crate) async fn subflows_by_ss(node: &Node) -> Vec<(String, String)> {
    let text = node.command(["ss", "-tnH", "state", "established"]).await.ok();
    let mut ends: Vec<_> = text
        .lines()
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            (words[2].to_owned(), words[3].to_owned())
        })
        .collect();
    ends.sort();
    ends
}
