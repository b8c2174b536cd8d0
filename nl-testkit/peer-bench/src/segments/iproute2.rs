//! `ip` of iproute2, as whole child processes.

use std::fmt::Write as _;
use std::fs::File;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{DEVICE, FIRST_ID, PROTOCOL, TABLE, Tally, network, segments};
use crate::Result;
use crate::iproute2::Scratch;
use crate::measure::{self, Cost};

/// How many processes may end because the kernel has no memory.
const PATIENCE: u32 = 5_000;

pub(super) fn add(numbers: &[u32]) -> Result<Cost> {
    let mut commands = String::new();
    for number in numbers {
        writeln!(
            commands,
            "route add {}/64 table {TABLE} encap {} dev {DEVICE}",
            network(*number),
            encap(*number)
        )?;
    }
    batch(&["-6"], &commands)
}

/// Timed with the output thrown away, then once more, untimed, to see what it said.
pub(super) fn list() -> Result<(Cost, Option<Tally>)> {
    let show = || {
        let mut command = Command::new("ip");
        command.args(["-6", "route", "show", "table", &TABLE.to_string()]).stdin(Stdio::null());
        command
    };
    let cost = measure::child(show().stdout(Stdio::null()))?;
    let text = String::from_utf8(show().output()?.stdout)?;
    let mut tally = Tally::default();
    for line in text.lines().filter(|line| line.contains("segs 3 ")) {
        let destination = line.split('/').next().ok_or("a route without a destination")?;
        tally.add(destination.parse()?);
    }
    Ok((cost, Some(tally)))
}

/// Two processes, because with `-6` iproute2 gives groups a family, which the kernel refuses.
pub(super) fn apply(policies: &[u32]) -> Result<Cost> {
    let count = u32::try_from(policies.len())?;
    let (mut hops, mut above) = (String::new(), String::new());
    for number in policies {
        let (hop, encap) = (FIRST_ID + number, encap(*number));
        writeln!(hops, "nexthop add id {hop} encap {encap} dev {DEVICE} proto {PROTOCOL}")?;
    }
    for number in policies {
        let (hop, group) = (FIRST_ID + number, FIRST_ID + count + number);
        writeln!(above, "nexthop add id {group} group {hop} proto {PROTOCOL}")?;
    }
    for number in policies {
        let (group, to) = (FIRST_ID + count + number, network(*number));
        writeln!(above, "route add {to}/64 table {TABLE} nhid {group} proto {PROTOCOL}")?;
    }
    let mut cost = batch(&["-6"], &hops)?;
    cost += batch(&[], &above)?;
    Ok(cost)
}

fn encap(number: u32) -> String {
    let [first, second, third] = segments(number);
    format!("seg6 mode encap segs {first},{second},{third}")
}

/// `ip -batch`; writing the file is not timed. Where the kernel has no memory for a command, another process goes on from there.
fn batch(options: &[&str], commands: &str) -> Result<Cost> {
    let (mut left, mut cost) = (commands, Cost::default());
    for _ in 0..PATIENCE {
        let file = Scratch::new("segments", left)?;
        let mut command = Command::new("ip");
        command.args(options).args(["-batch", "-"]).stdin(File::open(file.path())?);
        let (more, said) = measure::child_that_may_fail(&mut command)?;
        cost += more;
        let Some(said) = said else { return Ok(cost) };
        // `Command failed -:8601`
        let line = said.rsplit("Command failed -:").next().and_then(|line| line.trim().parse::<usize>().ok());
        let Some(line) = line.filter(|_| said.contains("Cannot allocate memory")) else {
            return Err(format!("{command:?}: {said}").into());
        };
        let done: usize = left.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        left = left.get(done..).unwrap_or_default();
        thread::sleep(Duration::from_millis(1));
    }
    Err("the kernel has no memory, however often it is asked".into())
}
