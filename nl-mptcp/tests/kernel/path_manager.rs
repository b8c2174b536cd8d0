//! The path manager on a real kernel: its table against what `ss` lists, its policies by what `ss` shows of subflows.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use futures_util::StreamExt;
use nl_mptcp::path_manager::{
    BackupOnMetered, Decision, FollowInterfaces, FullMesh, Idle, NDiffPorts, PathEvent, PathManager, Policy,
    Report, Table,
};
use nl_testkit::{Lab, Node, Result, eventually, scaled, within};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::diag::ss;
use crate::support::{Net, SOON, bound, counted, exchange, listen, open};

const LONG: Duration = Duration::from_secs(60);

/// What a manager is asked now and then.
pub(crate) struct State {
    pub(crate) table: Table,
    overruns: u64,
    synced: usize,
    pub(crate) failed: Vec<String>,
    ended: u64,
    idle: Vec<Idle>,
    pub(crate) creations: Creations,
}

/// Creations of subflows: token, local address, remote end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Creations {
    /// The first packet was sent, and nothing more is known.
    pub(crate) open: BTreeSet<(u32, IpAddr, SocketAddr)>,
    /// Those that were decided again meanwhile.
    pub(crate) twice: Vec<String>,
}

impl Creations {
    fn take(&mut self, report: &Report) {
        let key = |decision: &Decision| match decision {
            Decision::Create { token, subflow } => Some((token.get(), subflow.local.ip(), subflow.remote)),
            _ => None,
        };
        match report {
            Report::Pending(decision) => {
                if let Some(key) = key(decision)
                    && !self.open.insert(key)
                {
                    self.twice.push(decision.to_string());
                }
            }
            Report::Done(decision) | Report::Ended(decision) | Report::Failed { decision, .. } => {
                if let Some(key) = key(decision) {
                    self.open.remove(&key);
                }
            }
            _ => {}
        }
    }
}

/// A path manager that runs in a node.
pub(crate) struct Manager {
    ask: mpsc::UnboundedSender<oneshot::Sender<State>>,
    task: JoinHandle<()>,
}

impl Manager {
    pub(crate) async fn start(
        node: &Node,
        receive_buffer: Option<usize>,
        policy: impl Policy + 'static,
    ) -> Result<Self> {
        let mptcp = open(node).await?;
        let (ask, mut asked) = mpsc::unbounded_channel::<oneshot::Sender<State>>();
        let begun = node.run(move || async move {
            let mut builder = PathManager::builder(&mptcp);
            if let Some(bytes) = receive_buffer {
                builder = builder.receive_buffer(bytes);
            }
            let mut manager = builder.open(policy).await?;
            Ok::<_, nl_core::Error>(tokio::spawn(async move {
                let (mut synced, mut failed, mut idle) = (0, Vec::new(), Vec::new());
                let mut creations = Creations::default();
                loop {
                    tokio::select! {
                        report = manager.next() => match report.unwrap().inspect(|r| creations.take(r)) {
                            Ok(Report::Event(PathEvent::Synced)) => synced += 1,
                            Ok(Report::Idle(why)) => idle.push(why),
                            Ok(Report::Failed { error, .. }) => failed.push(error.to_string()),
                            Ok(_) => {}
                            Err(error) => failed.push(error.to_string()),
                        },
                        question = asked.recv() => match question {
                            None => return,
                            Some(question) => {
                                let (table, overruns) = (manager.table().clone(), manager.overruns());
                                let (failed, ended, idle) = (failed.clone(), manager.ended(), idle.clone());
                                let creations = creations.clone();
                                let state = State { table, overruns, synced, failed, ended, idle, creations };
                                drop(question.send(state));
                            }
                        },
                    }
                }
            }))
        });
        let manager = Self { ask, task: begun.await? };
        eventually(SOON, async || (manager.state().await.synced > 0).then_some(()), "the first lists").await;
        Ok(manager)
    }

    pub(crate) async fn state(&self) -> State {
        let (question, answer) = oneshot::channel();
        self.ask.send(question).unwrap();
        within(LONG, answer, "the path manager to answer").await.unwrap()
    }

    pub(crate) async fn stop(self) {
        drop(self.ask);
        within(SOON, self.task, "the path manager to end").await.unwrap();
    }
}

/// Local and remote end of a subflow, the numbers of their addresses, and whether this side made it a backup.
pub(crate) type Ends = (SocketAddr, SocketAddr, u8, u8, bool);

fn by_table(table: &Table) -> BTreeMap<u32, BTreeSet<Ends>> {
    let ends = |s: &nl_mptcp::path_manager::SubflowState| {
        (s.local, s.remote, s.local_id.get(), s.remote_id.get(), s.backup)
    };
    table.connections().map(|c| (c.token.get(), c.subflows.iter().map(ends).collect())).collect()
}

/// What `ss` lists of connections that are established.
pub(crate) async fn by_ss(node: &Node) -> BTreeMap<u32, BTreeSet<Ends>> {
    let hex = |text: &str| u32::from_str_radix(text, 16).unwrap();
    let sockets = ss::mptcp(node, "state established").await;
    let mut all: BTreeMap<_, _> =
        sockets.iter().map(|line| (hex(line.word("token").unwrap()), BTreeSet::new())).collect();
    for line in ss::subflows(node, "state established").await {
        // token:REMOTE(id:N)/LOCAL(id:N)
        let token = line.word("token").unwrap();
        let (remote, local) = token.split_once('/').unwrap();
        let id = |text: &str| {
            let (token, id) = text.split_once("(id:").unwrap();
            (token.to_owned(), id.trim_end_matches(')').parse::<u8>().unwrap())
        };
        let ((_, remote_id), (token, local_id)) = (id(remote), id(local));
        let backup = line.word("flags").is_some_and(|flags| flags.contains('b'));
        let ends = (line.local_end(), line.remote.parse().unwrap(), local_id, remote_id, backup);
        all.entry(hex(&token)).or_default().insert(ends);
    }
    all
}

/// Waits until the table is what `ss` lists.
pub(crate) async fn same(node: &Node, manager: &Manager) -> State {
    let alike = async || {
        let state = manager.state().await;
        let whole = state.table.connections().all(|c| c.subflows.iter().all(|s| s.is_established()));
        (whole && by_table(&state.table) == by_ss(node).await).then_some(state)
    };
    eventually(LONG, alike, &format!("the table of {} to be what ss lists", node.name())).await
}

/// Four wires, 10.0.N.1 at one end and 10.0.N.2 at the other.
pub(crate) async fn four_wires(lab: &Lab) -> Result<Net> {
    lab.quiet();
    let (client, server) = (lab.node("client").await?, lab.node("server").await?);
    for node in [&client, &server] {
        node.up("lo").await?;
        node.sysctl("net.mptcp.pm_type", "1").await?;
        // An announcement that had to wait for another is sent again soon.
        node.sysctl("net.mptcp.add_addr_timeout", "1").await?;
    }
    for path in 1..=4 {
        let dev = format!("eth{path}");
        client.add_veth(&dev, &server, &dev).await?;
        for (node, host) in [(&client, 1), (&server, 2)] {
            node.ip(&format!("address add 10.0.{path}.{host}/24 dev {dev}")).await;
            node.up(&dev).await?;
        }
    }
    for node in [&client, &server] {
        for path in 1..=4 {
            node.wait_carrier(&format!("eth{path}")).await?;
        }
    }
    Ok(Net { client, server })
}

/// Connections from the first address of the one to the first of the other.
pub(crate) struct Connections {
    listener: socket2::Socket,
    open: Vec<[TcpStream; 2]>,
}

impl Connections {
    pub(crate) async fn new(net: &Net) -> Result<Self> {
        Ok(Self { listener: listen(&net.server, "0.0.0.0:5001".parse()?).await?, open: Vec::new() })
    }

    pub(crate) async fn connect(&mut self, net: &Net) -> Result {
        self.connect_between(net, "10.0.1.1", "10.0.1.2:5001").await
    }

    /// The ends of the last connection, for use by the caller.
    pub(crate) fn take(&mut self) -> [TcpStream; 2] {
        self.open.pop().unwrap()
    }

    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }

    /// Closes both ends of one.
    pub(crate) fn close(&mut self, at: usize) {
        drop(self.open.swap_remove(at));
    }

    /// Sends this number of bytes from the client on each connection.
    pub(crate) fn send(&self, bytes: usize) -> Result {
        let chunk = vec![7; 20_000];
        for [near, far] in &self.open {
            let (mut near, mut far) = (near, far);
            for from in (0..bytes).step_by(chunk.len()) {
                let chunk = &chunk[..chunk.len().min(bytes - from)];
                near.write_all(chunk)?;
                far.read_exact(&mut vec![0; chunk.len()])?;
            }
        }
        Ok(())
    }

    pub(crate) async fn connect_between(&mut self, net: &Net, from: &str, to: &str) -> Result {
        let (from, to): (IpAddr, SocketAddr) = (from.parse()?, to.parse()?);
        let connect = move || bound((from, 0).into()).and_then(|s| s.connect(&to.into()).map(|()| s));
        let mut near: TcpStream = net.client.open(connect).await?.into();
        let mut far: TcpStream = self.listener.accept()?.0.into();
        exchange(&mut near, &mut far)?;
        self.open.push([near, far]);
        Ok(())
    }
}

/// As many as an emulated machine stands.
pub(crate) fn connections(full: u32) -> usize {
    scaled(full, 6) as usize
}

#[nl_testkit::test(
    needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss", sock_diag = "mptcp"),
    timeout = 240,
    serial
)]
async fn full_mesh_of_four_by_four_addresses_is_complete(lab: Lab) -> Result {
    let net = four_wires(&lab).await?;
    let client = Manager::start(&net.client, None, FullMesh::new()).await?;
    let server = Manager::start(&net.server, None, FullMesh::new()).await?;
    let mut connections = Connections::new(&net).await?;
    for _ in 0..self::connections(20) {
        connections.connect(&net).await?;
    }
    let count = connections.open.len();
    let full = async || {
        let listed = by_ss(&net.client).await;
        (listed.len() == count && listed.values().all(|ends| ends.len() == 16)).then_some(listed)
    };
    let listed = eventually(LONG, full, "every connection to have 16 subflows").await;
    for ends in listed.values() {
        let pairs: BTreeSet<_> = ends.iter().map(|(local, remote, ..)| (local.ip(), remote.ip())).collect();
        assert_eq!(pairs.len(), 16, "{ends:?}");
    }
    let state = same(&net.client, &client).await;
    assert_eq!((state.overruns, &state.failed[..]), (0, &[][..]));
    let state = same(&net.server, &server).await;
    assert_eq!((state.overruns, &state.failed[..]), (0, &[][..]));
    drop(connections);
    gone(&net, [client, server]).await
}

/// Every connection is closed: no table has any, nor has `ss` a subflow.
pub(crate) async fn gone(net: &Net, managers: [Manager; 2]) -> Result {
    let [client, server] = managers;
    for (node, manager) in [(&net.client, &client), (&net.server, &server)] {
        let none = async || {
            let state = manager.state().await;
            let left = by_ss(node).await.len() + state.table.connections().count();
            (left == 0).then_some(())
        };
        eventually(LONG, none, &format!("nothing to be left in {}", node.name())).await;
    }
    client.stop().await;
    server.stop().await;
    Ok(())
}

#[nl_testkit::test(
    needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss", sock_diag = "mptcp"),
    timeout = 480,
    serial
)]
async fn table_equals_ss_after_lost_events(lab: Lab) -> Result {
    let net = four_wires(&lab).await?;
    // The smallest buffer, and one that is large enough for some announcements.
    let client = Manager::start(&net.client, Some(8192), FullMesh::new()).await?;
    let server = Manager::start(&net.server, Some(0), FullMesh::new()).await?;
    let mut connections = Connections::new(&net).await?;
    let all = self::connections(200);
    for number in 0..all {
        connections.connect(&net).await?;
        // They come and go, at one end first or at the other.
        if number % 3 != 0 {
            let at = number % connections.open.len();
            let [near, far] = connections.open.swap_remove(at);
            if number.is_multiple_of(2) { drop(far) } else { drop(near) }
        }
    }
    let state = same(&net.client, &client).await;
    let other = same(&net.server, &server).await;
    assert_eq!(state.table.connections().count(), connections.open.len());
    let subflows = by_table(&state.table).values().map(BTreeSet::len).sum::<usize>();
    eprintln!(
        "{all} connections, {} left with {subflows} subflows; overruns: {} and {}; decisions too late: {} and {}",
        connections.open.len(),
        state.overruns,
        other.overruns,
        state.ended,
        other.ended
    );
    assert!(state.overruns + other.overruns > 0, "nothing was lost");
    assert!(subflows > connections.open.len(), "no subflow was created");
    // A connection that was closed meanwhile is no fault.
    for error in state.failed.iter().chain(&other.failed) {
        assert!(!error.contains("invalid token") && !error.contains("not connected"), "{error}");
    }
    drop(connections);
    gone(&net, [client, server]).await
}

#[nl_testkit::test(
    needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss", sock_diag = "mptcp"),
    timeout = 120
)]
async fn policies_follow_interfaces_and_set_backups(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let policy = (FollowInterfaces::new(), (FullMesh::new(), BackupOnMetered::new(["eth2"])));
    let client = Manager::start(&net.client, None, policy).await?;
    // Without a listener the kernel accepts no subflow.
    let server = Manager::start(&net.server, None, ()).await?;
    let mut connections = Connections::new(&net).await?;
    connections.connect(&net).await?;
    let backups = async || {
        let lines = ss::subflows(&net.client, "state established").await;
        let flags = |line: &ss::Line| line.word("flags").unwrap().contains('b');
        lines.iter().map(|line| (line.local_end().ip().to_string(), flags(line))).collect::<Vec<_>>()
    };
    let shows = async |wanted: &[(&str, bool)], what: &str| {
        let fits = async || {
            let mut shown = backups().await;
            shown.sort();
            let shown: Vec<_> = shown.iter().map(|(local, backup)| (local.as_str(), *backup)).collect();
            (shown == wanted).then_some(())
        };
        eventually(SOON, fits, what).await;
    };
    shows(&[("10.0.1.1", false), ("10.0.2.1", true)], "a backup from the second interface").await;
    net.client.down("eth2").await?;
    shows(&[("10.0.1.1", false)], "the subflow to go with its interface").await;
    net.client.up("eth2").await?;
    shows(&[("10.0.1.1", false), ("10.0.2.1", true)], "the subflow to come back").await;
    net.client.ip("address del 10.0.2.1/24 dev eth2").await;
    shows(&[("10.0.1.1", false)], "the subflow to go with its address").await;
    let state = same(&net.client, &client).await;
    assert_eq!(state.failed, [] as [String; 0]);
    drop(connections);
    gone(&net, [client, server]).await
}

/// Without a withdrawal the peer would use the dead path until its retransmissions end.
#[nl_testkit::test(
    needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss", sock_diag = "mptcp"),
    timeout = 60
)]
async fn interface_without_a_link_is_withdrawn_from_the_peer(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let client = Manager::start(&net.client, None, (FollowInterfaces::new(), FullMesh::new())).await?;
    let server = Manager::start(&net.server, None, ()).await?;
    let mut connections = Connections::new(&net).await?;
    connections.connect(&net).await?;
    let has = async |count: usize| {
        let listed = by_ss(&net.server).await;
        listed.values().all(|ends| ends.len() == count).then_some(())
    };
    eventually(SOON, async || has(2).await, "two subflows at the server").await;
    // The interface is set down, or the cable is pulled out of it.
    for (withdrawn, node) in [(1, &net.client), (2, &net.server)] {
        node.down("eth2").await?;
        eventually(Duration::from_secs(3), async || has(1).await, "the server to close its subflow").await;
        counted(&net.server, "RmAddr", withdrawn).await;
        node.up("eth2").await?;
        eventually(SOON, async || has(2).await, "the subflow to come back").await;
    }
    assert_eq!(client.state().await.failed, [] as [String; 0]);
    drop(connections);
    gone(&net, [client, server]).await
}

/// Those that are there when the path manager begins are found and managed like those that come.
#[nl_testkit::test(
    needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss", sock_diag = "mptcp"),
    timeout = 60
)]
async fn ndiffports_covers_existing_connections(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let server = Manager::start(&net.server, None, ()).await?;
    let mut connections = Connections::new(&net).await?;
    connections.connect(&net).await?;
    let client = Manager::start(&net.client, None, NDiffPorts::new(3)).await?;
    connections.connect(&net).await?;
    let three = async || {
        let listed = by_ss(&net.client).await;
        (listed.len() == 2 && listed.values().all(|ends| ends.len() == 3)).then_some(listed)
    };
    let listed = eventually(SOON, three, "three subflows for each connection").await;
    for ends in listed.values() {
        let far: SocketAddr = "10.0.1.2:5001".parse()?;
        assert!(ends.iter().all(|e| e.0.ip().to_string() == "10.0.1.1" && e.1 == far), "{ends:?}");
    }
    assert_eq!(same(&net.client, &client).await.failed, [] as [String; 0]);
    same(&net.server, &server).await;
    drop(connections);
    gone(&net, [client, server]).await
}

/// It opens where it has nothing to do, and says so.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", sock_diag = "mptcp"))]
async fn path_manager_without_work_reports_that_it_is_idle(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    for (name, value, idle) in [
        ("net.mptcp.pm_type", "0", Some(Idle::KernelPathManager)),
        ("net.mptcp.pm_type", "1", None),
        ("net.mptcp.enabled", "0", Some(Idle::Disabled)),
    ] {
        node.sysctl(name, value).await?;
        let manager = Manager::start(&node, None, ()).await?;
        assert_eq!(manager.state().await.idle, Vec::from_iter(idle), "{name}={value}");
        manager.stop().await;
    }
    Ok(())
}

/// It does not manage connections of the kernel's path manager.
#[nl_testkit::test(
    needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss", sock_diag = "mptcp"),
    timeout = 60
)]
async fn kernel_managed_connection_is_marked_and_ignored(lab: Lab) -> Result {
    let net = Net::new(&lab).await?;
    let mut connections = Connections::new(&net).await?;
    connections.connect(&net).await?;
    // One that was there before is found, too.
    let client = Manager::start(&net.client, None, FullMesh::new()).await?;
    connections.connect(&net).await?;
    let marked = async || {
        let state = client.state().await;
        let marked = state.table.connections().filter(|c| c.kernel_managed && c.subflows.len() == 1).count();
        // A refusal is reported after it has marked its connection.
        (marked == 2 && state.failed.len() >= 2).then_some(state.failed)
    };
    let failed = eventually(SOON, marked, "both to be marked").await;
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed.iter().all(|error| error.contains("userspace PM not selected")), "{failed:?}");
    client.stop().await;
    Ok(())
}
