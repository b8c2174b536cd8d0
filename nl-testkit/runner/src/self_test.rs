//! `testkit self-test`: things go wrong in virtual machines on purpose, and each must fail the run for the right reason.

use std::{
    env, fs,
    process::{self, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use nl_testkit::Result;

use crate::{
    cargo::{Executable, Workspace},
    lane::{
        Lane,
        vm::{Vm, Work},
    },
    tally::{Report, Tally},
    vm::{kernel::Kernel, qemu::Limits, series::Series},
};

/// What is planted, and a part of what the run must say about it.
struct Plant {
    /// The test of `nl-testkit` that does it.
    test: &'static str,
    expected: &'static str,
    promises: Option<&'static str>,
    limits: Option<Limits>,
}

pub(crate) fn run() -> Result<ExitCode> {
    let workspace = Workspace::load(None)?;
    let built = workspace.build(&["--package", "nl-testkit", "--test", "kernel"])?;
    let executable = built.first().ok_or("the kit has no kernel tests")?;
    let mut wrong = 0;
    for plant in PLANTS {
        let said = plant.try_it(executable, &workspace)?;
        wrong += judge(plant.test, said.contains(plant.expected), &said);
    }
    let others = [
        ("the runner is killed", killed(executable)),
        ("a promise of the caller's is broken", promised(executable)),
    ];
    for (what, outcome) in &others {
        let said = outcome.as_ref().err().map_or_else(String::new, ToString::to_string);
        wrong += judge(what, outcome.is_ok(), &said);
    }
    println!("\n{} passed, {wrong} failed, 0 skipped", PLANTS.len() + others.len() - wrong);
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn judge(what: &str, good: bool, said: &str) -> usize {
    println!("{} {what}", if good { "noticed:    " } else { "NOT NOTICED:" });
    if !good {
        println!("{said}");
    }
    usize::from(!good)
}

impl Plant {
    const fn new(test: &'static str, expected: &'static str) -> Self {
        Self { test, expected, promises: None, limits: None }
    }

    /// What a run of all lanes would say at its end; nothing when it would succeed.
    fn try_it(&self, executable: &Executable, workspace: &Workspace) -> Result<String> {
        let mut work = Work::new(executable.clone(), Some(&self.test.to_owned()));
        work.environment.insert("NL_TESTKIT_PLANTED".to_owned(), "1".to_owned());
        let mut lane = Vm::new(Kernel::Debian(Series::find(KERNEL)?), vec![work]);
        // Of what is planted nothing gets among the ledgers.
        lane.folder = Some("nl-testkit-self-test");
        lane.promises = self.promises.map(str::to_owned);
        lane.limits = self.limits;
        let mut tally = Tally::default();
        let report = lane.run(workspace).unwrap_or_else(|| Report::new("none"));
        tally.add(report);
        tally.each_must_have_run_somewhere();
        Ok(if tally.failed() == 0 { String::new() } else { tally.to_string() })
    }
}

/// Kills a run while its machine is up; what is wrong is the error.
fn killed(executable: &Executable) -> Result {
    let folder = env::temp_dir().join(format!("nl-testkit-self-test-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let mark = folder.display().to_string();
    let mut command = Command::new(env::current_exe()?);
    command.args(["run", "--kernel", KERNEL, "--"]).arg(executable.path()).arg("planted::waits_to_be_killed");
    command.env("NL_TESTKIT_PLANTED", "1").env("NL_TESTKIT_PLACE", "/tmp/place").env("TMPDIR", &folder);
    let mut child = command.stdout(Stdio::null()).spawn()?;
    let started = wait(|| !machines(&mark).is_empty());
    child.kill()?;
    child.wait()?;
    let ended = wait(|| machines(&mark).is_empty());
    fs::remove_dir_all(&folder)?;
    match (started, ended) {
        (true, true) => Ok(()),
        (false, _) => Err("there was no machine to kill".into()),
        (true, false) => Err("the machine lives on".into()),
    }
}

/// Runs a test whose need is unmet with a promise of it and a ledger, both of the caller's; what is wrong is the error.
fn promised(executable: &Executable) -> Result {
    let folder = env::temp_dir().join(format!("nl-testkit-promised-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let (promises, ledger) = (folder.join("promises.txt"), folder.join("ledger.jsonl"));
    fs::write(&promises, "qdisc = \"nosuchqdisc\"\n")?;
    let mut command = Command::new(env::current_exe()?);
    command.args(["run", "--kernel", KERNEL, "--"]).arg(executable.path());
    command.args(["--exact", "planted::needs_two_things"]).env("NL_TESTKIT_PLANTED", "1");
    let output = command.env("NL_TESTKIT_PROMISES", &promises).env("NL_TESTKIT_LEDGER", &ledger).output();
    let written = fs::read_to_string(&ledger).unwrap_or_default();
    fs::remove_dir_all(&folder)?;
    let output = output?;
    if output.status.success() {
        return Err("the run succeeds".into());
    }
    let names = |part: &str| written.contains(part);
    if !(names("planted::needs_two_things") && names("promises") && names("nosuchqdisc")) {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the ledger does not say which promise: {written:?}\n{said}").into());
    }
    Ok(())
}

fn wait(done: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        if Instant::now() > end {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Processes of QEMU whose command line contains the mark.
fn machines(mark: &str) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_machine = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.starts_with("qemu-system") && line.contains(mark)
    };
    numbers.filter(is_machine).collect()
}

const KERNEL: &str = "6.12";
const PLANTS: &[Plant] = &[
    Plant::new("planted::panics", "the body fell over"),
    Plant::new("planted::takes_too_long", "timed out after"),
    Plant::new("planted::leaves_a_namespace", "the namespace of node \"a\""),
    Plant::new("planted::leaves_a_named_namespace", "the network namespace /run/netns/forgotten"),
    Plant::new(
        "planted::leaves_a_namespace_made_with_rtnetlink",
        "the network namespace /run/netns/of-rtnetlink",
    ),
    Plant::new(
        "planted::leaves_a_thread_in_a_namespace_of_its_own",
        "(elsewhere), in a namespace of its own",
    ),
    Plant::new("planted::panics_in_a_thread_of_its_own", "on a thread"),
    Plant::new("planted::needs_what_no_kernel_has", "needs_what_no_kernel_has ran in no lane"),
    Plant {
        promises: Some("link = \"nosuchlink\"\n"),
        ..Plant::new("planted::needs_what_no_kernel_has", "promises link = \"nosuchlink\", but")
    },
    Plant::new("planted::fells_the_kernel", "Kernel panic - not syncing"),
    Plant::new("planted::switches_the_machine_off", "stopped without an end marker"),
    Plant { limits: Some(SHORT), ..Plant::new("planted::freezes_the_machine", "no sign of life for 15s") },
];
const SHORT: Limits = Limits {
    hello: Duration::from_secs(120),
    silence: Duration::from_secs(15),
    whole: Duration::from_secs(300),
};
