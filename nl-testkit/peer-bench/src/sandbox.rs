//! Where the benchmark runs: a network of its own, so that the machine is unchanged and root is not needed.

use std::env;
use std::process::{Command, ExitCode, Stdio};

use crate::entry::{BRIDGE, IFINDEX_BRIDGE, IFINDEX_PORT, PORT};
use crate::{Result, sys};

/// Set in the environment of the process that runs inside.
const INSIDE: &str = "PEER_BENCH_INSIDE";

/// Whether this process already runs inside.
pub(crate) fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Runs this program again, with the same arguments, in a new network namespace, and in a new user namespace if it is to be root there only.
///
/// To be called before any thread exists.
pub(crate) fn run_inside(in_user_namespace: bool) -> Result<ExitCode> {
    let mut command = Command::new(env::current_exe()?);
    command.args(env::args_os().skip(1)).env(INSIDE, "1");
    sys::in_new_namespaces(&mut command, in_user_namespace);
    let status = command.status().map_err(|error| format!("new namespaces: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The bridge [`BRIDGE`] with its one port [`PORT`], both up; removed on drop.
#[derive(Debug)]
pub(crate) struct Bridge(());

impl Bridge {
    /// A bridge with an empty table.
    pub(crate) fn fresh() -> Result<Self> {
        // With a default VLAN an entry added without one would be written twice.
        ip(&format!("link add {BRIDGE} index {IFINDEX_BRIDGE} up type bridge vlan_default_pvid 0"))?;
        let bridge = Self(());
        ip(&format!("link add {PORT} index {IFINDEX_PORT} type veth peer name q0"))?;
        ip(&format!("link set {PORT} master {BRIDGE}"))?;
        // An entry learned in the middle of a dump moves the others, and the kernel repeats one.
        ip(&format!("link set {PORT} type bridge_slave learning off"))?;
        ip(&format!("link set {PORT} up"))?;
        ip("link set q0 up")?;
        Ok(bridge)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        for link in [BRIDGE, PORT] {
            // Whatever stays is gone with the namespace, and the next `fresh` reports it.
            let _ = ip(&format!("link del {link}"));
        }
    }
}

fn ip(arguments: &str) -> Result<()> {
    let output = Command::new("ip").args(arguments.split(' ')).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}
