//! The path managers among the examples, run as programs until a signal ends them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nl_testkit::{Lab, Node, Result, eventually};
use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};

use crate::programs::command;

const SOON: Duration = Duration::from_secs(10);

/// A client and a server with two wires, 10.0.N.1 and 10.0.N.2, and a connection over the first. The client leaves its connections
/// to a program, the server to its kernel.
struct Net {
    client: Node,
    _server: Node,
    listener: Socket,
    near: TcpStream,
    far: TcpStream,
}

impl Net {
    async fn new(lab: &Lab) -> Result<Self> {
        let (client, server) = (lab.node("client").await?, lab.node("server").await?);
        for path in [1, 2] {
            let dev = format!("eth{path}");
            client.add_veth(&dev, &server, &dev).await?;
            for (node, host) in [(&client, 1), (&server, 2)] {
                node.ip(&format!("address add 10.0.{path}.{host}/24 dev {dev}")).await;
                node.up(&dev).await?;
            }
        }
        for node in [&client, &server] {
            node.up("lo").await?;
            node.wait_carrier("eth1").await?;
            node.wait_carrier("eth2").await?;
        }
        client.sysctl("net.mptcp.pm_type", "1").await?;
        server.ip("mptcp limits set subflows 8").await;
        let listener = server.open(|| socket("0.0.0.0:5001").and_then(|s| s.listen(8).map(|()| s))).await?;
        let (near, far) = connect(&client, &listener).await?;
        Ok(Self { client, _server: server, listener, near, far })
    }

    /// Ends the connection, and begins another one.
    async fn connect_again(&mut self) -> Result {
        (self.near, self.far) = connect(&self.client, &self.listener).await?;
        Ok(())
    }

    /// Sends this number of bytes to the server.
    fn send(&mut self, bytes: usize) -> Result {
        const CHUNK: usize = 20_000;
        for from in (0..bytes).step_by(CHUNK) {
            let chunk = vec![7; CHUNK.min(bytes - from)];
            self.near.write_all(&chunk)?;
            self.far.read_exact(&mut vec![0; chunk.len()])?;
        }
        Ok(())
    }

    /// Waits until `ss` lists subflows of the client from these addresses.
    async fn subflows_from(&self, wanted: &[&str], what: &str) {
        let fits = async || {
            let text = self.client.command("ss -tnH state established".split(' ')).await.ok();
            // Queues, and the local end, which may be 10.0.2.1%eth2:4711.
            let local =
                |line: &str| Some(line.split_whitespace().nth(2)?.split(['%', ':']).next()?.to_owned());
            let mut found: Vec<_> = text.lines().filter_map(local).collect();
            found.sort();
            (found == wanted).then_some(())
        };
        eventually(SOON, fits, what).await;
    }
}

fn socket(at: &str) -> std::io::Result<Socket> {
    let at: SocketAddr = at.parse().map_err(std::io::Error::other)?;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP))?;
    socket.set_reuse_address(true)?;
    socket.set_read_timeout(Some(SOON))?;
    socket.set_write_timeout(Some(SOON))?;
    socket.bind(&at.into())?;
    Ok(socket)
}

/// A connection that is established at both ends.
async fn connect(client: &Node, listener: &Socket) -> Result<(TcpStream, TcpStream)> {
    let to: SocketAddr = "10.0.1.2:5001".parse()?;
    let begin = move || socket("10.0.1.1:0").and_then(|s| s.connect(&to.into()).map(|()| s));
    let mut near: TcpStream = client.open(begin).await?.into();
    let mut far: TcpStream = listener.accept()?.0.into();
    let mut word = [0; 4];
    near.write_all(b"ping")?;
    far.read_exact(&mut word)?;
    far.write_all(b"pong")?;
    near.read_exact(&mut word)?;
    Ok((near, far))
}

/// A program that runs until a signal, and what it has printed so far.
struct Program {
    child: Child,
    printed: Arc<Mutex<String>>,
}

impl Program {
    async fn start(node: &Node, line: String) -> Result<Self> {
        let started = move || command(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = node.open(started).await?;
        let printed = Arc::<Mutex<String>>::default();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|output| Box::new(output) as _),
            child.stderr.take().map(|output| Box::new(output) as _),
        ];
        for output in outputs.into_iter().flatten() {
            let printed = Arc::clone(&printed);
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
                    let mut printed = printed.lock().unwrap();
                    printed.push_str(&line);
                    printed.push('\n');
                }
            });
        }
        Ok(Self { child, printed })
    }

    async fn prints(&self, part: &str) {
        let printed = async || self.printed.lock().unwrap().contains(part).then_some(());
        let what = format!("{part:?} to be printed");
        eventually(SOON, printed, &what).await;
    }

    /// The shell's own `kill`: a bare machine has no program of that name.
    async fn signal(&self, node: &Node, name: &str) {
        node.command(["sh", "-c", &format!("kill -{name} {}", self.child.id())]).await.ok();
    }

    /// How it ends, which it has to do soon.
    async fn ends(&mut self) -> ExitStatus {
        eventually(SOON, || std::future::ready(self.child.try_wait().unwrap()), "the program to end").await
    }
}

/// A test that fails leaves no program.
impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What the daemon writes to who connects to its socket.
fn status(socket: &Path) -> Option<Value> {
    let mut text = String::new();
    UnixStream::connect(socket).ok()?.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// The endpoints and the limits of a machine, as `ip` prints them.
async fn configured(node: &Node) -> (Vec<String>, String) {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let endpoints = node.ip("mptcp endpoint show").await.lines().map(words).collect();
    (endpoints, words(&node.ip("mptcp limits show").await))
}

async fn settle_on(node: &Node, endpoints: &[&str], limits: &str, what: &str) {
    let fits = async || {
        let (shown, limited) = configured(node).await;
        (shown == endpoints && limited == limits).then_some(())
    };
    eventually(SOON, fits, what).await;
}

#[nl_testkit::test(
    needs(
        genl = "mptcp_pm",
        link = "veth",
        sock_diag = "mptcp",
        sysctl = "net.mptcp.enabled",
        tool = "ip",
        tool = "ss"
    ),
    timeout = 120
)]
async fn daemon_reads_its_file_again_at_sighup_and_ends_at_sigterm(lab: Lab) -> Result {
    let mut net = Net::new(&lab).await?;
    let folder = std::env::temp_dir().join(format!("nl-guide-managerd-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (file, socket) = (folder.join("config.toml"), folder.join("status"));
    let line = format!("mptcp_path_managerd {}", file.display());
    let write = |except: &str, ids: &str, subflows: u32, removes: bool| {
        let text = format!(
            "socket = {socket:?}\n\
             [userspace]\npolicy = \"fullmesh\"\nexcept = [{except}]\nexact = true\n\
             [kernel]\nnetworks = [\"10.0.0.0/8\"]\nids = {ids}\nsubflows = {subflows}\nremove-at-exit = {removes}\n\
             [[kernel.interface]]\nname = \"eth2\"\nflags = [\"subflow\", \"backup\"]\n\
             [[kernel.interface]]\nname = \"eth*\"\nflags = [\"subflow\"]\n"
        );
        std::fs::write(&file, text)
    };
    write("", "[100, 199]", 3, false)?;
    let mut daemon = Program::start(&net.client, line.clone()).await?;
    let first = ["10.0.1.1 id 100 subflow dev eth1", "10.0.2.1 id 101 subflow backup dev eth2"];
    settle_on(&net.client, &first, "add_addr_accepted 0 subflows 3", "endpoints and limits").await;
    net.subflows_from(&["10.0.1.1", "10.0.2.1"], "a subflow by the second interface").await;
    let subflows = async |count: usize| {
        let status = status(&socket)?;
        let subflows = status["connections"][0]["subflows"].as_array()?;
        (subflows.len() == count && subflows.iter().all(|s| s["established"] == true)).then_some(status)
    };
    let shown = eventually(SOON, async || subflows(2).await, "two subflows in the status").await;
    assert_eq!((&shown["idle"], &shown["failed"]), (&Value::Null, &0.into()), "{shown:#}");

    // Other limits, other ids, and one interface less.
    write("\"eth2\"", "[50, 59]", 5, false)?;
    daemon.signal(&net.client, "HUP").await;
    let moved = ["10.0.1.1 id 50 subflow dev eth1", "10.0.2.1 id 51 subflow backup dev eth2"];
    settle_on(&net.client, &moved, "add_addr_accepted 0 subflows 5", "the new limits and ids").await;
    net.subflows_from(&["10.0.1.1"], "the subflow to end with its interface").await;

    // A fault is printed with its place, and changes nothing.
    std::fs::write(&file, "[kernel]\nsubflows = 1\nendpionts = 2\n")?;
    daemon.signal(&net.client, "HUP").await;
    daemon.prints("line 3, column 1").await;
    let complained =
        async || status(&socket).filter(|s| s["errors"].as_array().is_some_and(|e| e.len() == 1));
    let shown = eventually(SOON, complained, "the fault in the status").await;
    assert!(shown["errors"][0].as_str().is_some_and(|error| error.contains("endpionts")), "{shown:#}");
    assert_eq!(configured(&net.client).await.0, moved);
    assert_eq!(configured(&net.client).await.1, "add_addr_accepted 0 subflows 5");
    assert_eq!(shown["connections"].as_array().map(Vec::len), Some(1), "{shown:#}");

    daemon.signal(&net.client, "TERM").await;
    assert!(daemon.ends().await.success(), "{}", daemon.printed.lock().unwrap());
    assert!(!socket.exists());
    assert_eq!(configured(&net.client).await.0, moved, "what is configured stays");
    net.send(4)?;

    // Another process finds them as they are, and removes them if its file says so.
    write("", "[50, 59]", 5, true)?;
    let mut daemon = Program::start(&net.client, line.clone()).await?;
    net.subflows_from(&["10.0.1.1", "10.0.2.1"], "the second interface to be used again").await;
    assert_eq!(configured(&net.client).await.0, moved);
    daemon.signal(&net.client, "TERM").await;
    assert!(daemon.ends().await.success(), "{}", daemon.printed.lock().unwrap());
    assert_eq!(configured(&net.client).await.0, [] as [&str; 0]);
    // The subflows are the connection's.
    net.subflows_from(&["10.0.1.1", "10.0.2.1"], "both subflows to stay").await;

    // With a fault at its start, it does not start.
    std::fs::write(&file, "[userspace]\npolicy = \"fulmesh\"\n")?;
    let mut daemon = Program::start(&net.client, line).await?;
    assert_eq!(daemon.ends().await.code(), Some(1));
    daemon.prints("line 2, column 10").await;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

#[nl_testkit::test(
    needs(
        genl = "mptcp_pm",
        link = "veth",
        sock_diag = "mptcp",
        sysctl = "net.mptcp.enabled",
        tool = "ip",
        tool = "ss"
    ),
    timeout = 120
)]
async fn path_manager_and_its_policies_do_as_programs_what_ss_shows(lab: Lab) -> Result {
    let mut net = Net::new(&lab).await?;
    let both = ["10.0.1.1", "10.0.2.1"];
    for (line, from, printed) in [
        ("mptcp_path_manager fullmesh metered eth2", &both[..], "done: create subflow 10.0.2.1"),
        ("mptcp_path_manager ndiffports 3", &["10.0.1.1"; 3][..], "done: create subflow 10.0.1.1"),
        ("mptcp_policies steady", &both[..], "create subflow 10.0.2.1"),
        ("mptcp_policies again 1", &both[..], "create subflow 10.0.2.1"),
    ] {
        net.connect_again().await?;
        let program = Program::start(&net.client, line.to_owned()).await?;
        net.subflows_from(from, &format!("the subflows of `{line}`")).await;
        program.prints(printed).await;
    }
    net.connect_again().await?;
    let program = Program::start(&net.client, "mptcp_policies heavy eth2 100000".to_owned()).await?;
    net.send(50_000)?;
    net.subflows_from(&both[..1], "one subflow only").await;
    net.send(60_000)?;
    net.subflows_from(&both, "a subflow by the interface that costs money").await;
    program.prints("create subflow 10.0.2.1").await;
    Ok(())
}
