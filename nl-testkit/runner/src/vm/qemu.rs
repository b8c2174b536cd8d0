//! Running one virtual machine to its end.

use std::{
    env, fs,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use nl_testkit::Result;
use serde_json::Value;

use super::{console, cpio, image::Image, job::Job};
use crate::{cargo::text, tools::command};

/// How a guest's instructions are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accel {
    Emulation,
    Kvm,
}

/// A virtual machine about to be started.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) image: Image,
    pub(crate) accel: Accel,
    pub(crate) processors: usize,
    /// For the console and other files of this run.
    pub(crate) folder: PathBuf,
    pub(crate) limits: Limits,
}

/// How long it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Until the init says something.
    pub(crate) hello: Duration,
    /// Between two signs of life.
    pub(crate) silence: Duration,
    pub(crate) whole: Duration,
}

/// What the guest reports.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Begin(usize),
    /// A promise of the lane, and why it is not kept.
    Broken(String),
    Exit {
        code: i32,
        text: String,
    },
    /// A line of the ledger.
    Ledger(String),
    Stderr(String),
    Stdout(String),
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ending {
    /// Why it was no orderly end: the end marker is missing, or the kernel was in trouble. QEMU's own exit code says
    /// nothing.
    pub(crate) complaint: Option<String>,
}

impl Limits {
    /// `NL_TESTKIT_VM_DEADLINE` gives another limit for the whole, in seconds.
    pub(crate) fn of(accel: Accel) -> Self {
        let seconds = env::var("NL_TESTKIT_VM_DEADLINE").ok().and_then(|text| text.parse().ok());
        let whole = Duration::from_secs(seconds.unwrap_or(1800));
        match accel {
            Accel::Emulation => {
                Self { hello: Duration::from_secs(180), silence: Duration::from_secs(90), whole }
            }
            Accel::Kvm => Self { hello: Duration::from_secs(60), silence: Duration::from_secs(30), whole },
        }
    }
}

impl Machine {
    /// Boots, runs the job, and reports each event as it comes.
    pub(crate) fn boot(&self, job: &Job, tell: &mut dyn FnMut(Event)) -> Result<Ending> {
        let init = self.pack(job)?;
        let console = self.folder.join("console.txt");
        fs::write(&console, "")?;
        let mut child = Guard(self.start(&init)?);
        let ended = self.listen(&mut child.0, tell);
        drop(child);
        let _ = fs::remove_file(self.folder.join(INITRD));
        let log = String::from_utf8_lossy(&fs::read(&console)?).into_owned();
        let mut complaints: Vec<String> =
            console::splats(&log).into_iter().map(|line| format!("the kernel said: {line}")).collect();
        complaints.extend(ended.err());
        if complaints.is_empty() {
            return Ok(Ending { complaint: None });
        }
        let qemu = fs::read_to_string(self.folder.join("qemu.txt")).unwrap_or_default();
        let tail = console::tail(&log);
        let complaint =
            format!("{}\n--- console ({})\n{tail}\n{qemu}---", complaints.join("\n"), console.display());
        Ok(Ending { complaint: Some(complaint) })
    }

    /// Boots with the caller's terminal as the console, until the machine is switched off.
    pub(crate) fn console(&self, job: &Job) -> Result {
        let init = self.pack(job)?;
        let events = self.folder.join("events.txt");
        // With the monitor behind Ctrl-A, which gives Ctrl-C to the guest.
        let mut command = self.qemu(&init)?;
        command.args(["-serial", "mon:stdio", "-serial"]).arg(format!("file:{}", events.display()));
        let status = command.stdin(Stdio::inherit()).status();
        let status = status.map_err(|error| format!("start QEMU: {error}"))?;
        let said = fs::read_to_string(&events).unwrap_or_default();
        let is_end =
            |line: &str| serde_json::from_str::<Value>(line).is_ok_and(|value| value.get("end").is_some());
        if said.lines().any(is_end) {
            return Ok(());
        }
        Err(format!("the machine stopped before the shell ended ({status})").into())
    }

    /// Writes the initial file system, and returns the kernel's parameters for its init.
    fn pack(&self, job: &Job) -> Result<String> {
        fs::create_dir_all(&self.folder)?;
        let own = self.folder.join("job.cpio");
        let init = job.pack(&self.image, &own)?;
        let parts: Vec<&Path> = [Some(&self.image.base), self.image.more.as_ref(), Some(&own)]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
            .collect();
        cpio::join(&self.folder.join(INITRD), &parts)?;
        fs::remove_file(own)?;
        Ok(init)
    }

    fn start(&self, init: &str) -> Result<Child> {
        let mut command = self.qemu(init)?;
        command.arg("-serial").arg(format!("file:{}", self.folder.join("console.txt").display()));
        command.args(["-serial", "stdio"]);
        let log = fs::File::create(self.folder.join("qemu.txt"))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        command.spawn().map_err(|error| format!("start QEMU: {error}").into())
    }

    /// The command for a machine without serial ports.
    fn qemu(&self, init: &str) -> Result<Command> {
        let (accel, cpu) = match self.accel {
            // In one thread: with a thread for each processor, one of them at times runs into a breakpoint that the
            // kernel set for a moment to patch its own code and has removed since (`Oops: int3`).
            // Without what only hardware does faster: strings are copied byte by byte where the processor calls that fast, and
            // a fifth level of page tables is one more to walk.
            Accel::Emulation => ("tcg,thread=single", "max,-erms,-fsrm,-la57"),
            Accel::Kvm => ("kvm", "host"),
        };
        let append = format!("{} {init}", KERNEL.join(" "));
        // When this process is killed the kernel kills the machine.
        let mut command = command("setpriv");
        command.args(["--pdeathsig", "KILL", "qemu-system-x86_64", "-nodefaults", "-no-user-config"]);
        command.args(["-accel", accel, "-cpu", cpu, "-smp"]).arg(self.processors.to_string());
        command.arg("-m").arg(self.memory()?);
        command.args(["-display", "none", "-nic", "none", "-no-reboot"]);
        command.arg("-kernel").arg(&self.image.kernel).arg("-initrd").arg(self.folder.join(INITRD));
        command.arg("-append").arg(append);
        Ok(command)
    }

    /// In megabytes. What the initial file system has beyond the usual is in memory twice while it is unpacked.
    fn memory(&self) -> Result<String> {
        let initrd = fs::metadata(self.folder.join(INITRD))?.len() >> 20;
        Ok((MEMORY + 2 * initrd.saturating_sub(USUAL)).to_string())
    }

    /// Reads events until the end marker.
    fn listen(&self, child: &mut Child, tell: &mut dyn FnMut(Event)) -> std::result::Result<(), String> {
        let stdout = child.stdout.take().ok_or("QEMU has no output")?;
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(io::Result::ok) {
                if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        let end = Instant::now() + self.limits.whole;
        let mut patience = self.limits.hello;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = match lines.recv_timeout(patience.min(left)) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err("the machine stopped without an end marker".to_owned());
                }
                Err(RecvTimeoutError::Timeout) if left <= patience => {
                    return Err(format!("the machine was stopped after {:?}", self.limits.whole));
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("the machine gave no sign of life for {patience:?}"));
                }
            };
            let line = line.trim_end_matches('\r');
            let value: Value =
                serde_json::from_str(line).map_err(|error| format!("the machine said {line:?}: {error}"))?;
            patience = self.limits.silence;
            if value.get("end").is_some() {
                // It goes on to switch itself off, and may say something about it.
                while lines.recv_timeout(OFF).is_ok() {}
                return Ok(());
            }
            if let Some(event) = Event::of(&value) {
                tell(event);
            }
        }
    }
}

impl Event {
    fn of(value: &Value) -> Option<Self> {
        let number = |place: &str| value.pointer(place).and_then(Value::as_i64);
        if let Some(index) = number("/begin") {
            return Some(Self::Begin(usize::try_from(index).ok()?));
        }
        if let Some(code) = number("/exit/code") {
            return Some(Self::Exit {
                code: i32::try_from(code).unwrap_or(1),
                text: text(value, "/exit/text"),
            });
        }
        let (name, line) = value.as_object()?.iter().next()?;
        let line = line.as_str()?.to_owned();
        match name.as_str() {
            "broken" => Some(Self::Broken(line)),
            "ledger" => Some(Self::Ledger(line)),
            "stderr" => Some(Self::Stderr(line)),
            "stdout" => Some(Self::Stdout(line)),
            _ => None,
        }
    }
}

/// Ends the machine when dropped.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What goes wrong ends the machine at once; nothing is there to be protected from anybody.
const KERNEL: &[&str] = &[
    "console=ttyS0",
    "loglevel=5",
    "panic=-1",
    "oops=panic",
    "apparmor=0",
    "audit=0",
    "cryptomgr.notests",
    "init_on_alloc=0",
    "mitigations=off",
    // On a busy machine an emulated timer may be late, and the kernel then gives up at once. With KVM it never looks.
    "no_timer_check",
    // Emulation keeps what it translated by its address, so that a program is translated once only if each run of it
    // has the same addresses. Without this most of the time goes there.
    "norandmaps",
    "random.trust_cpu=on",
    "selinux=0",
];
/// In megabytes, with an initial file system of up to the next.
const MEMORY: u64 = 1024;
const USUAL: u64 = 256;
/// The initial file system.
const INITRD: &str = "initrd.cpio";
const OFF: Duration = Duration::from_secs(5);
