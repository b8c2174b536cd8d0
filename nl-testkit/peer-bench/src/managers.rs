//! Row 31: path managers as programs: Debian's mptcpd, and the daemon of nl-mptcp's examples.

use std::env;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::Result;
use crate::iproute2::Scratch;
use crate::measure::median;
use crate::rows::Plan;
use crate::table::Table;

/// For a daemon to come to rest: none says when it has.
const REST: Duration = Duration::from_millis(500);
/// Where the connections end, and where they begin.
const SERVER: SocketAddr =
    SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::new(10, 9, 0, 1), 7008));
/// An endpoint as an earlier process may have left it, of an address that no interface has.
const STALE: &str = "10.9.0.77 id 150 subflow dev w0";

/// A program and its arguments.
#[derive(Clone, Copy)]
enum Manager {
    /// With this plugin.
    Mptcpd(&'static str),
    /// With this configuration.
    Ours(&'static str),
}

/// The name, `net.mptcp.pm_type`, and the program.
const CONTESTANTS: [(&str, u8, Manager); 4] = [
    ("mptcpd, plugin addr_adv: endpoints", 0, Manager::Mptcpd("addr_adv")),
    ("mptcp_path_managerd, [kernel]: endpoints", 0, Manager::Ours(ENDPOINTS)),
    ("mptcpd, plugin sspi: closes subflows", 1, Manager::Mptcpd("sspi")),
    ("mptcp_path_managerd, [userspace]: full mesh", 1, Manager::Ours(MESH)),
];

const ENDPOINTS: &str =
    "[kernel]\nremove-at-exit = true\n[[kernel.interface]]\nname = \"w*\"\nflags = [\"subflow\"]\n";
const MESH: &str = "[userspace]\npolicy = \"fullmesh\"\n";

/// What one run showed.
struct Seen {
    /// KiB without a file behind them, when it has come to rest.
    idle: f64,
    /// Milliseconds of CPU.
    held: f64,
    short: f64,
    stale_is_left: bool,
    left_at_exit: usize,
}

/// A contestant whose program is not there is left out.
pub(crate) fn row(plan: Plan) -> Result<Vec<Table>> {
    let held = plan.managed / 20;
    let title = format!("31. Path managers: {held} connections held, {} short ones", plan.managed);
    let header = [
        "contestant",
        "idle, KiB",
        "CPU of those held, ms",
        "CPU of the short ones, ms",
        "stale endpoint",
        "endpoints left at exit",
    ];
    let mut table = Table::new(title, &header);
    let mut measured = 0;
    for (name, kind, manager) in CONTESTANTS {
        let Some(program) = manager.program() else {
            eprintln!("31. {name}: not measured, the program is not there; see README.md");
            continue;
        };
        let runs: Vec<Seen> =
            (0..plan.runs.min(3)).map(|_| run(kind, manager, &program, plan)).collect::<Result<_>>()?;
        let middle = |of: fn(&Seen) -> f64| format!("{:.1}", median(runs.iter().map(of).collect()));
        let stale = match (kind, runs.iter().any(|seen| seen.stale_is_left)) {
            (0, true) => "stays",
            (0, false) => "removed",
            _ => "-",
        };
        let left = runs.iter().map(|seen| seen.left_at_exit).max().unwrap_or_default();
        table.row([
            name.to_owned(),
            middle(|seen| seen.idle),
            middle(|seen| seen.held),
            middle(|seen| seen.short),
            stale.to_owned(),
            left.to_string(),
        ]);
        measured += 1;
    }
    Ok(if measured == 0 { Vec::new() } else { vec![table] })
}

fn run(kind: u8, manager: Manager, program: &Path, plan: Plan) -> Result<Seen> {
    let _wire = Wire::new()?;
    fs::write("/proc/sys/net/mptcp/pm_type", kind.to_string())?;
    ip("mptcp endpoint flush")?;
    if kind == 0 {
        ip(&format!("mptcp endpoint add {STALE}"))?;
    }
    let config = match manager {
        Manager::Ours(text) => Some(Scratch::new("managerd", text)?),
        Manager::Mptcpd(_) => None,
    };
    let daemon = Daemon::start(manager.command(program, config.as_ref().map(Scratch::path)))?;
    thread::sleep(REST);
    let idle = daemon.anonymous_memory()?;
    let stale_is_left = endpoints()?.iter().any(|line| line.starts_with("10.9.0.77 "));

    let listener = listen()?;
    let before = daemon.cpu()?;
    let open = (0..plan.managed / 20).map(|_| connect(&listener)).collect::<Result<Vec<_>>>()?;
    thread::sleep(REST);
    let held = daemon.cpu()? - before;
    drop(open);
    thread::sleep(REST);
    let before = daemon.cpu()?;
    for _ in 0..plan.managed {
        drop(connect(&listener)?);
    }
    thread::sleep(REST);
    let short = daemon.cpu()? - before;
    daemon.end()?;
    let left_at_exit = endpoints()?.iter().filter(|line| !line.starts_with("10.9.0.77 ")).count();
    ip("mptcp endpoint flush")?;
    Ok(Seen { idle, held, short, stale_is_left, left_at_exit })
}

impl Manager {
    /// Where it is, if it is there.
    fn program(self) -> Option<PathBuf> {
        let path = match self {
            Self::Mptcpd(_) => debian("usr/libexec/mptcpd"),
            Self::Ours(_) => match env::var_os("MPTCP_PATH_MANAGERD") {
                Some(path) => path.into(),
                None => Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("../../target/release/examples/mptcp_path_managerd"),
            },
        };
        path.is_file().then_some(path)
    }

    fn command(self, program: &Path, config: Option<&Path>) -> Command {
        let mut command = Command::new(program);
        match self {
            Self::Ours(_) => drop(command.args(config)),
            Self::Mptcpd(plugin) => {
                let libraries = debian(&format!("usr/lib/{}-linux-gnu", env::consts::ARCH));
                let mut folder = std::ffi::OsString::from("--plugin-dir=");
                folder.push(libraries.join("mptcpd"));
                command.env("LD_LIBRARY_PATH", libraries).arg(folder).args([
                    "--log=stderr".to_owned(),
                    format!("--path-manager={plugin}"),
                    format!("--load-plugins={plugin}"),
                    "--addr-flags=subflow".to_owned(),
                    "--notify-flags=existing,skip_link_local,skip_loopback".to_owned(),
                ]);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

/// A file of Debian's packages, which are unpacked in the folder `MPTCPD_ROOT` or installed.
fn debian(file: &str) -> PathBuf {
    PathBuf::from(env::var_os("MPTCPD_ROOT").unwrap_or_else(|| "/".into())).join(file)
}

/// A program that runs. Dropping it kills it.
struct Daemon(Child);

impl Daemon {
    fn start(mut command: Command) -> Result<Self> {
        Ok(Self(command.spawn().map_err(|error| format!("{command:?}: {error}"))?))
    }

    /// Milliseconds of CPU that its one thread has used.
    fn cpu(&self) -> Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", self.0.id()))?;
        let nanoseconds: f64 = text.split(' ').next().ok_or("an empty schedstat")?.parse()?;
        Ok(nanoseconds / 1e6)
    }

    /// KiB without a file behind them.
    fn anonymous_memory(&self) -> Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.0.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"));
        Ok(line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("no Anonymous")?.trim().parse()?)
    }

    /// Sends it SIGTERM, and waits for its end.
    fn end(mut self) -> Result<()> {
        let pid = self.0.id().to_string();
        if !Command::new("kill").args(["-TERM", &pid]).status()?.success() {
            return Err(format!("kill -TERM {pid}").into());
        }
        let status = self.0.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the daemon ended with {status}").into()) }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An interface with an address; removed on drop. With a second one a full mesh would try subflows that cannot be established between
/// addresses of one machine.
struct Wire(());

impl Wire {
    fn new() -> Result<Self> {
        ip("link set lo up")?;
        ip("link add w0 type veth peer name v0")?;
        let wire = Self(());
        ip("address add 10.9.0.1/24 dev w0")?;
        ip("link set w0 up")?;
        ip("link set v0 up")?;
        // All runs together make more connections than there are ports by default, and each keeps its port for a minute.
        fs::write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535")?;
        fs::write("/proc/sys/net/ipv4/tcp_tw_reuse", "1")?;
        Ok(wire)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // What is left is reported by the next one.
        let _ = ip("link del w0");
    }
}

fn socket() -> Result<Socket> {
    Ok(Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP))?)
}

fn listen() -> Result<TcpListener> {
    let socket = socket()?;
    socket.set_reuse_address(true)?;
    socket.bind(&SERVER.into())?;
    socket.listen(16)?;
    Ok(socket.into())
}

/// A connection that is established at both ends.
fn connect(listener: &TcpListener) -> Result<[TcpStream; 2]> {
    let client = socket()?;
    client.connect(&SERVER.into())?;
    let (mut near, mut far): (TcpStream, TcpStream) = (client.into(), listener.accept()?.0);
    let mut word = [0; 4];
    near.write_all(b"ping")?;
    far.read_exact(&mut word)?;
    far.write_all(b"pong")?;
    near.read_exact(&mut word)?;
    Ok([near, far])
}

fn endpoints() -> Result<Vec<String>> {
    Ok(ip("mptcp endpoint show")?.lines().map(str::to_owned).collect())
}

fn ip(arguments: &str) -> Result<String> {
    let output = Command::new("ip").args(arguments.split(' ')).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}
