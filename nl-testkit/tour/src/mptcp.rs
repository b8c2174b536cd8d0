//! One connection over two wires: the second path appears while data flows, carries its part, and stays when the first goes.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use nl_core::{Connection, Protocol};
use nl_mptcp::Mptcp;
use nl_mptcp::path_manager::{FollowInterfaces, FullMesh, PathEvent, PathManager, Plan, Policy, Report};
use nl_mptcp::subflow::Subflow;
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::tree::Tree;
use nl_tc::{Rate, Tc, TcHandle};
use nl_testkit::{Lab, Node, Result};
use socket2::{Domain, Socket, Type};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::AbortHandle;

use crate::bars::Bars;
use crate::story::{Story, has};

const WIRES: [&str; 2] = ["eth1", "eth2"];
const NAMES: [&str; 2] = ["path 1", "path 2"];
/// Mbit/s of each wire.
const WIRE: u32 = 20;
const PORT: u16 = 5001;
const FRAME: Duration = Duration::from_millis(30);
/// What has been written and not sent is sent before the connection closes.
const SEND_BUFFER: usize = 64 * 1024;

pub(crate) async fn chapter(lab: &Lab, story: &mut Story) -> Result {
    lab.quiet();
    let (client, server) = (lab.node("client").await?, lab.node("server").await?);
    for (number, wire) in (1..).zip(WIRES) {
        client.add_veth(wire, &server, wire).await?;
        server.add_address(wire, IpAddr::from([10, 0, number, 2]), 24).await?;
        client.up(wire).await?;
        server.up(wire).await?;
        client.wait_carrier(wire).await?;
    }
    client.add_address("eth1", near(1), 24).await?;
    let tc = Tc::new(client.open(|| Connection::open(Protocol::Route)).await?);
    let (root, class) = (TcHandle::new(1, 0), TcHandle::new(1, 1));
    let rate = HtbClassConfig::new(Rate::mbit(WIRE.into()));
    for wire in WIRES {
        let tree = Tree::new().qdisc(TcHandle::ROOT, root, HtbConfig::new().default_class(1)).class(
            root,
            class,
            rate.clone(),
        );
        tc.apply(wire, &tree).await?;
    }
    for node in [&client, &server] {
        // Connections are left to a program, which is here.
        node.sysctl("net.mptcp.pm_type", "1").await?;
    }

    story.step(
        "Two wires of 20 Mbit/s. A connection uses the first, for the client has no address on the second:",
    );
    // The server's announces its addresses, the client's opens a subflow on each wire where both ends have one.
    let (_server, _) = manage(&server, FullMesh::new(), story.deadline).await?;
    let (_client, mut seen) =
        manage(&client, (FollowInterfaces::new(), along_the_wires), story.deadline).await?;
    let transfer = Transfer::begin(&client, &server, story.deadline).await?;
    let known = seen.wait(|event| matches!(event, PathEvent::Announced { .. })).await;
    let sent = watch(&client, 300_000, story.deadline).await?;
    let all_first = sent.map(|sent| share(sent) < 0.05);
    story.prove_with_iproute2("without a second address, all goes over the first path", known, all_first);

    story.step("It gets one (ip address add 10.0.2.1/24 dev eth2), and the path manager does the rest:");
    client.add_address("eth2", near(2), 24).await?;
    let made = seen.wait(|event| matches!(event, PathEvent::SubflowEstablished { .. })).await;
    let sent = watch(&client, 900_000, story.deadline).await?;
    let its_part = sent.map(|sent| share(sent) > 0.25);
    story.prove_with_iproute2("a second path appears while data flows, and carries its part", made, its_part);

    story.step("The first goes down (ip link set eth1 down):");
    client.down("eth1").await?;
    let gone = seen.wait(|event| matches!(event, PathEvent::SubflowClosed { .. })).await;
    let sent = watch(&client, 400_000, story.deadline).await?;
    let all_second = sent.map(|sent| share(sent) > 0.95);
    story.prove_with_iproute2("when the first path goes, all goes over the second", gone, all_second);

    let (written, read) = transfer.end()?;
    story.show(format!("{} KiB sent, {} KiB received in their order", written / 1024, read / 1024));
    story.prove("nothing is lost or out of order on the way", written > 0 && written == read);
    Ok(())
}

fn near(wire: u8) -> IpAddr {
    IpAddr::from([10, 0, wire, 1])
}

/// A policy: a subflow from each address to the one at the other end of its wire.
fn along_the_wires(event: &PathEvent, plan: &mut Plan<'_>) {
    if !matches!(event, PathEvent::Announced { .. } | PathEvent::AddressAdded { .. }) {
        return;
    }
    let wire = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().get(2).copied(),
        IpAddr::V6(_) => None,
    };
    let mut missing = Vec::new();
    for connection in plan.table().connections() {
        for (_, local) in plan.table().usable_addresses() {
            let across = connection.targets().filter(|target| wire(target.ip()) == wire(local));
            let lacking = across.filter(|target| !connection.has_subflow(local, *target));
            missing.extend(lacking.map(|target| (connection.token, local, target)));
        }
    }
    for (token, local, target) in missing {
        plan.create(token, Subflow::new((local, 0).into(), target));
    }
}

/// A path manager that runs in the node until this is dropped.
struct Manager(AbortHandle);

impl Drop for Manager {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn manage(node: &Node, policy: impl Policy + 'static, deadline: Duration) -> Result<(Manager, Seen)> {
    let mptcp = Mptcp::new(node.open(|| Connection::open(Protocol::Generic)).await?);
    let (tell, events) = unbounded_channel();
    let begin = move || async move {
        let mut manager = PathManager::open(&mptcp, policy).await?;
        let follow = async move {
            while let Some(Ok(report)) = manager.next().await {
                if let Report::Event(event) = report {
                    // Nobody need listen.
                    let _ = tell.send(event);
                }
            }
        };
        Ok::<_, nl_core::Error>(tokio::spawn(follow).abort_handle())
    };
    let manager = Manager(node.run(begin).await?);
    let mut seen = Seen { events, deadline, began: Instant::now(), quiet: true };
    if !seen.wait(|event| *event == PathEvent::Synced).await {
        return Err("the path manager has not come to know its namespace".into());
    }
    seen.quiet = false;
    Ok((manager, seen))
}

/// Events as they arrive, printed.
struct Seen {
    events: UnboundedReceiver<PathEvent>,
    /// How long an event may take to arrive.
    deadline: Duration,
    began: Instant,
    quiet: bool,
}

impl Seen {
    /// Prints what arrives until the event that is waited for, and says whether it came in time.
    async fn wait(&mut self, wanted: impl Fn(&PathEvent) -> bool) -> bool {
        let deadline = self.deadline;
        let arrived = async {
            while let Some(event) = self.events.recv().await {
                if !self.quiet {
                    self.print(&event);
                }
                if wanted(&event) {
                    return true;
                }
            }
            false
        };
        tokio::time::timeout(deadline, arrived).await.unwrap_or(false)
    }

    fn print(&self, event: &PathEvent) {
        let text = match event {
            PathEvent::Established { token } => format!("connection {token} established"),
            PathEvent::Announced { remote, .. } => format!("the peer announces {}", remote.ip()),
            PathEvent::AddressAdded { address, .. } => format!("a new address: {address}"),
            PathEvent::InterfaceDown { interface } => format!("{} is down", interface.name),
            PathEvent::SubflowEstablished { subflow, .. } => {
                format!("subflow {} to {} established", subflow.local, subflow.remote)
            }
            PathEvent::SubflowClosed { subflow, .. } => {
                format!("subflow {} to {} closed", subflow.local, subflow.remote)
            }
            _ => return,
        };
        println!("   {:>6.1} ms  {text}", self.began.elapsed().as_secs_f64() * 1e3);
    }
}

/// Numbers, one after the other, as fast as they go.
struct Transfer {
    stop: Arc<AtomicBool>,
    writer: JoinHandle<std::io::Result<u64>>,
    reader: JoinHandle<std::io::Result<u64>>,
}

impl Transfer {
    async fn begin(client: &Node, server: &Node, deadline: Duration) -> Result<Self> {
        let far = SocketAddr::from(([10, 0, 1, 2], PORT));
        let listener = server
            .open(move || {
                let socket = socket(deadline)?;
                socket.bind(&SocketAddr::from(([0, 0, 0, 0], PORT)).into())?;
                socket.listen(1).map(|()| socket)
            })
            .await?;
        let connect = move || {
            let socket = socket(deadline)?;
            socket.set_send_buffer_size(SEND_BUFFER)?;
            socket.connect(&far.into()).map(|()| socket)
        };
        let mut near: TcpStream = client.open(connect).await?.into();
        let mut far: TcpStream = listener.accept()?.0.into();
        // No further subflow before each has heard from the other.
        near.write_all(&[0; 8])?;
        far.read_exact(&mut [0; 8])?;
        far.write_all(&[0; 8])?;
        near.read_exact(&mut [0; 8])?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let writer = std::thread::spawn(move || {
            let mut number = 0_u64;
            while !stopped.load(Ordering::Relaxed) {
                let block: Vec<u8> = (number..number + 1024).flat_map(u64::to_be_bytes).collect();
                near.write_all(&block)?;
                number += 1024;
            }
            near.shutdown(std::net::Shutdown::Write)?;
            Ok(number * 8)
        });
        let reader = std::thread::spawn(move || {
            // Others are let in at the port as long as somebody listens.
            let _listener = listener;
            let (mut number, mut buffer) = (0_u64, [0; 8 * 1024]);
            loop {
                match far.read(&mut buffer[..1])? {
                    0 => return Ok(number * 8),
                    _ => far.read_exact(&mut buffer[1..])?,
                }
                for bytes in buffer.chunks_exact(8) {
                    if *bytes != number.to_be_bytes() {
                        return Err(std::io::Error::other(format!(
                            "number {number} is not where it belongs"
                        )));
                    }
                    number += 1;
                }
            }
        });
        Ok(Self { stop, writer, reader })
    }

    /// Bytes written, and bytes read that were right.
    fn end(self) -> Result<(u64, u64)> {
        self.stop.store(true, Ordering::Relaxed);
        let panicked = |_| "a thread of the transfer panicked";
        Ok((self.writer.join().map_err(panicked)??, self.reader.join().map_err(panicked)??))
    }
}

fn socket(deadline: Duration) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(socket2::Protocol::MPTCP))?;
    socket.set_read_timeout(Some(deadline))?;
    socket.set_write_timeout(Some(deadline))?;
    Ok(socket)
}

/// Shows what goes over the wires until it is this many bytes, and returns what iproute2 has counted on each; `None` if it is
/// missing.
async fn watch(client: &Node, bytes: u64, deadline: Duration) -> Result<Option<[u64; 2]>> {
    let before = by_iproute2(client).await?;
    let (first, began) = (counted(client).await?, Instant::now());
    let mut bars = Bars::new(NAMES, WIRE);
    loop {
        tokio::time::sleep(FRAME).await;
        let (now, time) = (counted(client).await?, began.elapsed());
        let [one, two] =
            [0, 1].map(|wire| now.get(wire).zip(first.get(wire)).map_or(0, |(a, b)| a.saturating_sub(*b)));
        let enough = one + two >= bytes || time > deadline;
        bars.draw([one, two].map(|bytes| bytes as f64 * 8e-6 / time.as_secs_f64()), enough);
        if enough {
            break;
        }
    }
    let after = by_iproute2(client).await?;
    Ok(before.zip(after).map(|(before, after)| {
        [0, 1].map(|wire| after.get(wire).zip(before.get(wire)).map_or(0, |(a, b)| a.saturating_sub(*b)))
    }))
}

async fn counted(client: &Node) -> Result<[u64; 2]> {
    let [one, two] = WIRES;
    Ok([client.counters(one).await?.tx_bytes, client.counters(two).await?.tx_bytes])
}

/// Bytes sent on each wire; `None` if iproute2 is missing.
async fn by_iproute2(client: &Node) -> Result<Option<[u64; 2]>> {
    if !has("ip") {
        return Ok(None);
    }
    let links = client.json("ip -s -j link show").await;
    let of = |wire: &str| {
        let link = links.as_array()?.iter().find(|link| link["ifname"] == wire)?;
        link.pointer("/stats64/tx/bytes")?.as_u64()
    };
    let [one, two] = WIRES.map(of);
    one.zip(two).map(|(one, two)| Some([one, two])).ok_or_else(|| "ip shows no counters".into())
}

/// The second wire's part.
fn share([one, two]: [u64; 2]) -> f64 {
    two as f64 / ((one + two) as f64).max(1.0)
}
