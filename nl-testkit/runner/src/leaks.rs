//! `testkit leaks`: what the kernel tests of this machine left behind, though their runs have ended.

use std::{
    fmt, fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
    process::{self, ExitCode},
    thread,
    time::{Duration, Instant},
};

use nl_testkit::Result;

/// A process that a kernel test or a virtual machine of the kit has left.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    pid: u32,
    name: String,
    /// The network namespace that it keeps, if it is not the one of this program.
    network: Option<u64>,
}

/// Prints what is left and fails if there is any after a moment, which a process that was killed may need to end. What belongs to a run that
/// still goes on is not left.
pub(crate) fn run() -> Result<ExitCode> {
    let end = Instant::now() + PATIENCE;
    let left = loop {
        let left = left()?;
        if left.is_empty() || Instant::now() >= end {
            break left;
        }
        thread::sleep(PAUSE);
    };
    for process in &left {
        println!("left behind: {process}");
    }
    println!("{} process(es) of kernel tests are left", left.len());
    Ok(if left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, name, network } = self;
        write!(f, "process {pid} ({name})")?;
        match network {
            Some(inode) => write!(f, ", in the network namespace net:[{inode}]"),
            None => Ok(()),
        }
    }
}

/// Every process that a kernel test started and every virtual machine of the kit, whose run has ended. What belongs to another user and may
/// not be looked at is left out.
fn left() -> io::Result<Vec<Left>> {
    let here = network(Path::new("/proc/self"));
    let mut left = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let Some(pid) = path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()) else {
            continue;
        };
        if pid == process::id() || !is_left(&path) {
            continue;
        }
        // It may end meanwhile, and then it is not left.
        let Ok(name) = fs::read_to_string(path.join("comm")) else { continue };
        let network = network(&path);
        left.push(Left { pid, name: name.trim().to_owned(), network: network.filter(|_| network != here) });
    }
    left.sort_by_key(|process| process.pid);
    Ok(left)
}

/// Whether a process was started in the sandbox of a test binary whose run has ended, or is a virtual machine without its runner.
fn is_left(process: &Path) -> bool {
    let words = |file: &str| fs::read(process.join(file)).unwrap_or_default();
    let environment = words("environ");
    if let Some(run) = environment.split(|byte| *byte == 0).find_map(sandbox_of) {
        return !Path::new("/proc").join(run.to_string()).exists();
    }
    fs::read_link(process.join("exe")).is_ok_and(|exe| is_qemu(&exe))
        && words("cmdline").windows(MACHINE.len()).any(|part| part == MACHINE)
        && !has_runner(process)
}

/// Whether the parent is a `testkit`.
fn has_runner(process: &Path) -> bool {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap_or_default().trim();
    let name = fs::read_to_string(Path::new("/proc").join(parent).join("comm"));
    name.is_ok_and(|name| name.trim() == "testkit")
}

/// The process of the run, of the variable that the inner copy of a test binary has and all that is started in it: how it is isolated, and
/// that process.
fn sandbox_of(variable: &[u8]) -> Option<u32> {
    let value = std::str::from_utf8(variable).ok()?.strip_prefix(SANDBOX)?;
    value.rsplit(':').next()?.parse().ok()
}

fn is_qemu(program: &Path) -> bool {
    program.file_name().is_some_and(|name| name.as_bytes().starts_with(b"qemu-system-"))
}

fn network(process: &Path) -> Option<u64> {
    fs::metadata(process.join("ns/net")).ok().map(|namespace| namespace.ino())
}

/// What `nl_testkit::sandbox` sets for the inner copy of a program.
const SANDBOX: &str = "NL_TESTKIT_SANDBOX=";
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(50);
/// What is in the command line of a virtual machine, whose files are in folders of the kit.
const MACHINE: &[u8] = b"/nl-testkit";

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn names(pid: u32) -> Vec<String> {
        left().unwrap().into_iter().filter(|left| left.pid == pid).map(|left| left.to_string()).collect()
    }

    #[test]
    fn a_process_is_found_when_its_run_has_ended_and_until_it_ends_itself() {
        let mut run = Command::new("true").spawn().unwrap();
        let ended = format!("user:{}", run.id());
        run.wait().unwrap();
        let start = |name: &str, value: &str| {
            let mut command = Command::new("sleep");
            command.arg("100").env(name, value).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
        };
        let mut left = start("NL_TESTKIT_SANDBOX", &ended);
        let mut others = [
            start("NL_TESTKIT_SANDBOX", &format!("plain:{}", process::id())),
            start("NL_TESTKIT_SANDBOXES", &ended),
        ];
        let found = (names(left.id()), others.each_ref().map(|child| names(child.id())));
        for child in others.iter_mut().chain([&mut left]) {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(found, (vec![format!("process {} (sleep)", left.id())], [const { Vec::new() }; 2]));
        assert_eq!(names(left.id()), [] as [String; 0]);
    }

    #[test]
    fn machines_are_known_by_their_program_and_their_parent() {
        assert!(is_qemu(Path::new("/usr/bin/qemu-system-x86_64")));
        assert!(!is_qemu(Path::new("/usr/bin/qemu-img")));
        // Its parent is this test, whose name only begins as a runner's does.
        let mut child = Command::new("sleep").arg("100").stdout(Stdio::null()).spawn().unwrap();
        let has_runner_above = has_runner(&Path::new("/proc").join(child.id().to_string()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!has_runner_above);
        assert!(!has_runner(Path::new("/proc/nowhere")));
    }

    #[test]
    fn variable_of_a_sandbox_names_its_run() {
        assert_eq!(sandbox_of(b"NL_TESTKIT_SANDBOX=user:12"), Some(12));
        assert_eq!(sandbox_of(b"NL_TESTKIT_SANDBOX=plain:x"), None);
        assert_eq!(sandbox_of(b"NL_TESTKIT_SANDBOXES=user:12"), None);
        assert_eq!(sandbox_of(b"\xff"), None);
    }
}
