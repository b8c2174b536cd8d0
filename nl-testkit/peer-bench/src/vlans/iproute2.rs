//! `bridge` of iproute2, as whole child processes.

use std::fmt::Write as _;
use std::fs::File;
use std::process::{Command, Stdio};

use super::{FIRST_PORT, Tally, VLANS, VXLAN};
use crate::Result;
use crate::iproute2::Scratch;
use crate::measure::{self, Cost};

pub(super) fn set(ports: &[u32]) -> Result<Cost> {
    let mut commands = String::new();
    for port in ports {
        writeln!(commands, "vlan add dev v{} vid 1-{VLANS}", port - FIRST_PORT)?;
    }
    batch(&commands)
}

/// Timed with the output thrown away, then once more, untimed, to see what it said.
pub(super) fn list() -> Result<(Cost, Option<Tally>)> {
    let show = || {
        let mut command = Command::new("bridge");
        command.args(["-s", "vlan", "show"]);
        command
    };
    let cost = measure::child(show().stdout(Stdio::null()))?;
    let text = String::from_utf8(show().output()?.stdout)?;
    let mut tally = Tally::default();
    for line in text.lines() {
        // Behind the name of the port, if it is its first.
        let vlan = line.split_whitespace().find_map(|word| word.parse().ok());
        if let Some(vlan) = vlan.filter(|_| !line.contains(" bytes ")) {
            tally.add(vlan, None);
        }
    }
    Ok((cost, Some(tally)))
}

pub(super) fn map(mappings: &[(u16, u32)]) -> Result<Cost> {
    let mut commands = String::new();
    for (vlan, vni) in mappings {
        writeln!(commands, "vlan add dev {VXLAN} vid {vlan} tunnel_info id {vni}")?;
    }
    batch(&commands)
}

/// `bridge -batch`; writing the file is not timed.
fn batch(commands: &str) -> Result<Cost> {
    let file = Scratch::new("vlans", commands)?;
    measure::child(Command::new("bridge").args(["-batch", "-"]).stdin(File::open(file.path())?))
}
