//! `bridge` of iproute2, as whole child processes: what a script pays.

use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};

use crate::Result;
use crate::entry::{BRIDGE, Mac, PORT, Tally};
use crate::measure::{self, Cost, Kib};

pub(crate) fn list() -> Result<(Cost, Tally)> {
    timed_list(&[])
}

pub(crate) fn list_as_json() -> Result<(Cost, Tally)> {
    timed_list(&["-json"])
}

pub(crate) fn insert(macs: &[Mac]) -> Result<Cost> {
    batch("add", "master static", macs)
}

pub(crate) fn delete_in_batch(macs: &[Mac]) -> Result<Cost> {
    batch("del", "master", macs)
}

/// `bridge fdb flush`: one request, like the floor.
pub(crate) fn flush(_: &[Mac]) -> Result<Cost> {
    let target = ["dev", BRIDGE, "brport", PORT, "self", "nopermanent"];
    measure::child(Command::new("bridge").args(["fdb", "flush"]).args(target))
}

/// Whether this iproute2 knows `bridge fdb flush` (5.19 or newer).
pub(crate) fn has_flush() -> Result<bool> {
    let help = Command::new("bridge").args(["fdb", "help"]).output()?;
    Ok(String::from_utf8_lossy(&help.stderr).contains("fdb flush"))
}

/// The peak of the whole process, read while it writes its last lines.
pub(crate) fn stream() -> Result<(Kib, Tally)> {
    let mut child = show(&[]).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().ok_or("no pipe")?;
    let pid = child.id().to_string();
    let mut tally = Tally::default();
    let mut peak = 0;
    for (number, line) in BufReader::new(output).lines().enumerate() {
        tally_line(&mut tally, &line?)?;
        if number % 1000 == 0 {
            // Fails once the child has exited; the peak only ever rises until then.
            peak = measure::peak_memory(&pid).unwrap_or(peak);
        }
    }
    succeeded(child.wait()?)?;
    Ok((peak, tally))
}

/// Timed with the output thrown away, then once more, untimed, to see what it said.
fn timed_list(options: &[&str]) -> Result<(Cost, Tally)> {
    let cost = measure::child(show(options).stdout(Stdio::null()))?;
    let output = show(options).output()?;
    succeeded(output.status)?;
    let mut tally = Tally::default();
    // JSON comes on one line, an entry per brace.
    for line in String::from_utf8(output.stdout)?.split(['\n', '}']) {
        tally_line(&mut tally, line)?;
    }
    Ok((cost, tally))
}

fn show(options: &[&str]) -> Command {
    let mut command = Command::new("bridge");
    command.args(options).args(["fdb", "show", "br", BRIDGE]);
    command
}

/// One entry as text or as JSON; lines that are no static entry are not counted.
fn tally_line(tally: &mut Tally, line: &str) -> Result<()> {
    if !line.contains("static") {
        return Ok(());
    }
    let text = line.split_once("\"mac\":\"").map_or(line, |(_, rest)| rest);
    let mut mac = Mac::default();
    let mut bytes = text.get(..17).ok_or("short line")?.split(':');
    for byte in &mut mac {
        *byte = u8::from_str_radix(bytes.next().ok_or("short address")?, 16)?;
    }
    tally.add(mac);
    Ok(())
}

/// `bridge -batch`; writing the file is not timed.
fn batch(verb: &str, how: &str, macs: &[Mac]) -> Result<Cost> {
    let mut commands = String::new();
    for [a, b, c, d, e, f] in macs {
        let mac = format_args!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
        writeln!(commands, "fdb {verb} {mac} dev {} {how}", PORT)?;
    }
    let file = Scratch::new("batch", &commands)?;
    measure::child(Command::new("bridge").args(["-batch", "-"]).stdin(File::open(file.path())?))
}

/// A file that is removed on drop.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str, content: &str) -> Result<Self> {
        let file = Self(env::temp_dir().join(format!("peer-bench-{}-{name}", process::id())));
        fs::write(&file.0, content)?;
        Ok(file)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left behind at worst, in the folder for such files.
        let _ = fs::remove_file(&self.0);
    }
}

fn succeeded(status: process::ExitStatus) -> Result<()> {
    if status.success() { Ok(()) } else { Err(format!("bridge fdb show: {status}").into()) }
}
