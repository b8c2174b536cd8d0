//! Inside the virtual machine: this program as the first process. It runs the job's programs and writes what they
//! print, the lines of the ledger and an end marker to the second serial port, as one JSON value per line.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::{fs::symlink, process::ExitStatusExt},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nl_testkit::{Need, Result};
use serde_json::{Value, json};

use super::job::{JOB, PROMISES};
use crate::cargo::text;

/// Runs the job and switches the machine off.
pub(crate) fn main() -> Result<ExitCode> {
    if std::process::id() != 1 {
        return Err("this is the init of a virtual machine".into());
    }
    if let Err(error) = work() {
        // On the console, which is shown when there is no end marker.
        eprintln!("init: {error}");
    }
    let _ = command("poweroff").arg("-f").status();
    loop {
        thread::park();
    }
}

fn work() -> Result {
    mount()?;
    let port = Port(Arc::new(Mutex::new(OpenOptions::new().write(true).open("/dev/ttyS1")?)));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    port.send(&json!({ "hello": kernel.trim() }))?;
    let over = Arc::new(AtomicBool::new(false));
    let heart = thread::spawn({
        let (port, over) = (port.clone(), Arc::clone(&over));
        move || {
            while !over.load(Ordering::Relaxed) {
                let _ = port.send(&json!({ "beat": 1 }));
                thread::park_timeout(BEAT);
            }
        }
    });
    let job: Value = serde_json::from_str(&fs::read_to_string(JOB)?)?;
    let common = environment(&job);
    probe(&job, &common, &port)?;
    if job.pointer("/shell") == Some(&Value::Bool(true)) {
        shell(&job, &common)?;
        return end(&over, heart, &port);
    }
    for (index, task) in job.pointer("/tasks").and_then(Value::as_array).into_iter().flatten().enumerate() {
        port.send(&json!({ "begin": index }))?;
        let ending = run(task, index, &common, &port)?;
        port.send(&json!({ "exit": ending }))?;
    }
    end(&over, heart, &port)
}

/// Says that all is done. Closing the port afterwards waits until it is drained.
fn end(over: &AtomicBool, heart: thread::JoinHandle<()>, port: &Port) -> Result {
    over.store(true, Ordering::Relaxed);
    heart.thread().unpark();
    let _ = heart.join();
    port.send(&json!({ "end": true }))
}

/// Gives the console to a shell until it ends.
fn shell(job: &Value, common: &BTreeMap<String, String>) -> Result {
    let console = || OpenOptions::new().read(true).write(true).open(CONSOLE);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut banner =
        format!("\nLinux {}, as root. `exit` ends the machine, Ctrl-A X stops it at once.\n", kernel.trim());
    for task in job.pointer("/tasks").and_then(Value::as_array).into_iter().flatten() {
        banner += &format!("here is {}\n", text(task, "/program"));
    }
    console()?.write_all(banner.as_bytes())?;
    let shell = SHELLS.iter().find(|path| Path::new(path).exists()).ok_or("there is no shell")?;
    // The leader of a session, whose terminal the console then is: Ctrl-C ends what the shell runs.
    let mut command = command("busybox");
    command.args(["setsid", "-c", *shell]).envs(common).current_dir("/root");
    command.stdin(console()?).stdout(console()?).stderr(console()?).status()?;
    Ok(())
}

/// What a machine has mounted.
fn mount() -> Result {
    for (kind, target) in [
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("tmpfs", "/tmp"),
        ("tmpfs", "/run"),
        ("cgroup2", "/sys/fs/cgroup"),
    ] {
        let status = command("mount").args(["-t", kind, kind, target]).status()?;
        if !status.success() {
            return Err(format!("mount {target}: {status}").into());
        }
    }
    for (target, link) in [
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
        ("/proc/self/fd/2", "/dev/stderr"),
    ] {
        symlink(target, link)?;
    }
    // Which of its folders a program may be found in, the kernel need not know; its modprobe it must.
    fs::write("/proc/sys/kernel/modprobe", "/usr/sbin/modprobe")?;
    // Of two programs that make the first veth at once, one may find the kind unknown while its module is being loaded for the other. Where
    // the kernel has it without a module, this fails.
    command("modprobe").arg("veth").stderr(Stdio::null()).status()?;
    Ok(())
}

/// Tries what the lane promises, by a copy of this program.
fn probe(job: &Value, common: &BTreeMap<String, String>, port: &Port) -> Result {
    let words = job.pointer("/promises").and_then(Value::as_array).into_iter().flatten();
    let words: Vec<&str> = words.filter_map(Value::as_str).collect();
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let output = command(program).args(arguments).envs(common).output()?;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        port.send(&json!({ "broken": line }))?;
    }
    if !output.status.success() && output.stdout.is_empty() {
        port.send(&json!({ "broken": String::from_utf8_lossy(&output.stderr) }))?;
    }
    Ok(())
}

/// Prints each need in a file that is not met.
pub(crate) fn promises(path: &str) -> Result<ExitCode> {
    let text = fs::read_to_string(path)?;
    let needs = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let mut code = ExitCode::SUCCESS;
    for line in needs.filter(|line| !line.is_empty()) {
        if let Err(reason) = Need::parse(line).and_then(|need| need.probe()) {
            println!("{line}: {reason}");
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

fn run(task: &Value, index: usize, common: &BTreeMap<String, String>, port: &Port) -> Result<Value> {
    let ledger = format!("/tmp/ledger-{index}.jsonl");
    File::create(&ledger)?;
    let mut command = command(&text(task, "/program"));
    let arguments = task.pointer("/arguments").and_then(Value::as_array);
    command.args(arguments.into_iter().flatten().filter_map(Value::as_str));
    command.envs(common).envs(environment(task));
    command.env("NL_TESTKIT_LEDGER", &ledger).env("NL_TESTKIT_PROMISES", PROMISES);
    let child =
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return Ok(json!({ "text": format!("did not start: {error}"), "code": 127 })),
    };
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = forward(&mut child, port);
    readers.push(thread::spawn({
        let (port, over) = (port.clone(), Arc::clone(&over));
        move || follow(&ledger, &port, &over)
    }));
    let status = child.wait()?;
    over.store(true, Ordering::Relaxed);
    // A process that was left behind may hold the pipes open.
    let end = Instant::now() + PATIENCE;
    while readers.iter().any(|reader| !reader.is_finished()) && Instant::now() < end {
        thread::sleep(TICK);
    }
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(json!({ "text": status.to_string(), "code": code }))
}

/// Sends on what the child prints.
fn forward(child: &mut Child, port: &Port) -> Vec<thread::JoinHandle<()>> {
    let pipes: [(&str, Option<Box<dyn Read + Send>>); 2] = [
        ("stdout", child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>)),
        ("stderr", child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>)),
    ];
    let pipes = pipes.into_iter().filter_map(|(name, pipe)| Some((name, pipe?)));
    let start = |(name, pipe): (&'static str, Box<dyn Read + Send>)| {
        let port = port.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(io::Result::ok) {
                let _ = port.send(&json!({ name: String::from_utf8_lossy(&line) }));
            }
        })
    };
    pipes.map(start).collect()
}

/// Sends on each line of the ledger soon after it is written, so that a crash loses little.
fn follow(path: &str, port: &Port, over: &AtomicBool) {
    let Ok(file) = File::open(path) else { return };
    let mut file = BufReader::new(file);
    let mut line = String::new();
    loop {
        let last = over.load(Ordering::Relaxed);
        while file.read_line(&mut line).is_ok_and(|length| length > 0) {
            if line.ends_with('\n') {
                let _ = port.send(&json!({ "ledger": line.trim_end() }));
                line.clear();
            }
        }
        if last {
            return;
        }
        thread::sleep(TICK);
    }
}

fn environment(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.pointer("/environment").and_then(Value::as_object).into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).env("HOME", "/root").env("TMPDIR", "/tmp").env("LANG", "C.UTF-8");
    command
}

/// The second serial port.
#[derive(Clone, Debug)]
struct Port(Arc<Mutex<File>>);

impl Port {
    fn send(&self, value: &Value) -> Result {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(file.write_all(format!("{value}\n").as_bytes())?)
    }
}

const CONSOLE: &str = "/dev/ttyS0";
/// The first that is there: a workspace may bring a better one.
const SHELLS: &[&str] = &["/usr/bin/bash", "/usr/bin/sh"];
const BEAT: Duration = Duration::from_secs(2);
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
const PATIENCE: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(50);
