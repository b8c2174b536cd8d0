//! The harness itself: runs the planted tests in a copy of this binary and reads what it says.

use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    process::{self, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use nl_testkit::{Lab, Result, eventually};
use serde_json::Value;

#[nl_testkit::test]
fn a_body_that_cleans_up_passes(_lab: Lab) -> Result {
    let run = Run::of(&["--exact", "planted::all_is_well", "--test-threads=1"])?;
    assert!(run.succeeded(), "{run:?}");
    assert_eq!(run.line("planted::all_is_well")["outcome"], "passed");
    assert_eq!(run.line("planted::all_is_well")["crate"], "nl-testkit");
    assert_eq!(run.line("planted::all_is_well")["binary"], "kernel");
    Ok(())
}

#[nl_testkit::test]
fn planted_tests_are_not_listed(_lab: Lab) -> Result {
    let list = Command::new("/proc/self/exe").args(["--list", "--format", "terse"]).output()?;
    let list = String::from_utf8(list.stdout)?;
    assert!(list.contains("harness::planted_tests_are_not_listed: test"), "{list}");
    assert!(!list.contains("planted::"), "{list}");
    Ok(())
}

#[nl_testkit::test]
fn each_thing_left_behind_fails_its_test(_lab: Lab) -> Result {
    let run = Run::of(&["planted::leaves_", "--test-threads=1"])?;
    assert!(!run.succeeded());
    run.failed("planted::leaves_a_netlink_socket", "a netlink socket in node \"a\"");
    run.failed("planted::leaves_a_udp_socket", "a socket of node \"a\"");
    run.failed("planted::leaves_a_task", "1 live task(s) on the runtime of node \"a\"");
    run.failed("planted::leaves_a_task_of_the_body", "1 live task(s) on the runtime of the body");
    run.failed("planted::leaves_a_child", "(sleep) in the namespace of node \"a\"");
    run.failed("planted::leaves_a_namespace", "the namespace of node \"a\"");
    run.failed("planted::leaves_a_file", "/zero)");
    run.failed(
        "planted::leaves_a_thread_in_a_namespace_of_its_own",
        "(elsewhere), in a namespace of its own",
    );
    run.failed(
        "planted::leaves_a_namespace_made_with_rtnetlink",
        "the network namespace /run/netns/of-rtnetlink",
    );
    run.failed_or_skipped("planted::leaves_a_named_namespace", "the network namespace /run/netns/forgotten");
    run.failed_or_skipped(
        "planted::leaves_a_child_in_a_namespace_of_its_own",
        "(sleep), in a namespace of its own",
    );
    Ok(())
}

#[nl_testkit::test]
fn a_panic_or_an_error_fails_with_its_message(_lab: Lab) -> Result {
    let run = Run::of(&["planted::"])?;
    run.failed("planted::panics", "the body fell over");
    run.failed("planted::panics", "planted.rs:");
    run.failed("planted::panics_in_a_task_nobody_awaits", "unheard");
    run.failed("planted::panics_in_a_thread_of_its_own", "on a thread");
    run.failed("planted::returns_an_error", "a plain refusal");
    // In files where there is a target folder, otherwise in the message.
    let reason = run.line("planted::panics_in_a_task_nobody_awaits")["reason"].to_string();
    let told = reason.contains("the state of its nodes is in ") || reason.contains("[a] ip -d link show");
    assert!(told, "{reason}");
    Ok(())
}

#[nl_testkit::test]
fn a_body_that_takes_too_long_fails_by_name(_lab: Lab) -> Result {
    let run = Run::of(&["too_long"])?;
    assert!(!run.succeeded());
    run.failed("planted::takes_too_long", "planted::takes_too_long timed out after 1s");
    run.failed("planted::blocks_too_long", "planted::blocks_too_long timed out after 1s");
    Ok(())
}

#[nl_testkit::test]
fn an_unmet_need_is_a_skip_with_its_reason(_lab: Lab) -> Result {
    let run = Run::of(&["planted::needs_"])?;
    assert!(run.succeeded(), "{run:?}");
    for (test, need, reason) in [
        (
            "planted::needs_what_no_kernel_has",
            "link = \"nosuchlink\"",
            "link = \"nosuchlink\": the kernel makes no nosuchlink link",
        ),
        ("planted::needs_two_things", "tool = \"nosuchtool\"", "no program nosuchtool"),
    ] {
        let line = run.line(test);
        assert_eq!(line["outcome"], "skipped");
        assert_eq!(line["need"], need);
        assert!(line["reason"].as_str().is_some_and(|text| text.contains(reason)), "{line}");
        assert!(run.stdout().contains(reason), "{run:?}");
    }
    assert_eq!(run.line("planted::needs_an_old_kernel")["outcome"], "passed");
    assert!(run.stdout().contains("1 passed; 0 failed; 2 ignored"), "{run:?}");
    Ok(())
}

#[nl_testkit::test]
fn an_unmet_need_is_listed_as_ignored_and_fails_when_forced(_lab: Lab) -> Result {
    let list = planted(&["--list", "--format", "terse", "--ignored", "planted::needs_"]).output()?;
    let list = String::from_utf8(list.stdout)?;
    assert_eq!(list, "planted::needs_what_no_kernel_has: test\nplanted::needs_two_things: test\n");
    let run = Run::of(&["--ignored", "--exact", "planted::needs_two_things"])?;
    assert!(!run.succeeded());
    run.failed("planted::needs_two_things", "cannot run: tool = \"nosuchtool\"");
    Ok(())
}

/// Nextest asks for the names of ignored tests and never starts them.
#[nl_testkit::test]
fn reasons_of_skips_are_written_down_when_nextest_lists_the_tests(_lab: Lab) -> Result {
    let arguments = ["--list", "--format", "terse", "planted::needs_", "--ignored"];
    let run = Run::with(&arguments, &[("NEXTEST", "1")])?;
    assert!(run.succeeded(), "{run:?}");
    assert_eq!(run.stdout(), "planted::needs_what_no_kernel_has: test\nplanted::needs_two_things: test\n");
    let line = run.line("planted::needs_two_things");
    assert_eq!(
        (&line["outcome"], &line["need"]),
        (&"skipped".into(), &"tool = \"nosuchtool\"".into()),
        "{line}"
    );
    assert_eq!(run.lines.len(), 2, "{run:?}");
    // Where there is a target folder, in a file too.
    let program = env::current_exe()?;
    if let Some(target) = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()) {
        let text = fs::read_to_string(target.join("nl-testkit/skipped-nl-testkit-kernel.txt"))?;
        assert!(text.contains("planted::needs_two_things: tool = \"nosuchtool\": no program"), "{text}");
    }
    let run = Run::with(&arguments, &[])?;
    assert!(run.lines.is_empty(), "cargo's own lists are no runs: {run:?}");
    Ok(())
}

#[nl_testkit::test]
fn an_unmet_need_that_was_promised_is_a_failure(_lab: Lab) -> Result {
    let promises = scratch("promises");
    fs::write(&promises, "# for this test\nqdisc = \"nosuchqdisc\"\n")?;
    let run = Run::with(
        &["planted::needs_"],
        &[("NL_TESTKIT_LANE", "strict"), ("NL_TESTKIT_PROMISES", &promises)],
    )?;
    fs::remove_file(&promises)?;
    assert!(!run.succeeded());
    run.failed("planted::needs_two_things", "lane strict promises qdisc = \"nosuchqdisc\", but: ");
    assert_eq!(run.line("planted::needs_what_no_kernel_has")["outcome"], "skipped");
    assert_eq!(run.line("planted::needs_an_old_kernel")["lane"], "strict");
    Ok(())
}

#[nl_testkit::test]
fn a_body_skips_itself_with_its_reason(_lab: Lab) -> Result {
    let run = Run::of(&["planted::skips_itself"])?;
    assert!(!run.succeeded());
    for (test, need, reason) in [
        ("skips_itself", "tool = \"nosuchtool\"", "on the search path; half of it is done"),
        ("skips_itself_without_async", "kernel = \"99.1\"", "older than 99.1; no kernel does this"),
    ] {
        let line = run.line(&format!("planted::{test}"));
        assert_eq!((&line["outcome"], &line["need"]), (&"skipped".into(), &need.into()), "{line}");
        assert!(line["reason"].as_str().is_some_and(|text| text.contains(reason)), "{line}");
        assert!(run.stdout().contains(reason), "{run:?}");
    }
    assert!(run.stdout().contains("0 passed; 3 failed; 2 ignored"), "{run:?}");
    Ok(())
}

#[nl_testkit::test]
fn a_body_that_skips_itself_wrongly_fails(_lab: Lab) -> Result {
    let run = Run::of(&["planted::skips_itself_"])?;
    let met = "for want of kernel = \"3.10\", which is met: it did not work";
    run.failed("planted::skips_itself_for_what_is_there", met);
    run.failed("planted::skips_itself_and_goes_on", "and went on to return Ok");
    run.failed("planted::skips_itself_and_leaves_a_socket", "a socket of node \"a\"");
    for (argument, setting) in [("--include-ignored", None), ("--exact", Some(("NEXTEST", "1")))] {
        let run = Run::with(&["planted::skips_itself", argument], setting.as_slice())?;
        run.failed("planted::skips_itself", "cannot run: tool = \"nosuchtool\"");
    }
    Ok(())
}

#[nl_testkit::test]
fn a_body_that_skips_itself_for_want_of_a_promise_fails(_lab: Lab) -> Result {
    let promises = scratch("promises");
    fs::write(&promises, "tool = \"nosuchtool\"\nkernel = \"99.2\"\n")?;
    let lane = [("NL_TESTKIT_LANE", "strict"), ("NL_TESTKIT_PROMISES", promises.as_str())];
    let run = Run::with(&["planted::skips_itself"], &lane)?;
    fs::remove_file(&promises)?;
    run.failed("planted::skips_itself", "lane strict promises tool = \"nosuchtool\", but: ");
    run.failed("planted::skips_itself_without_async", "lane strict promises kernel = \"99.1\", but: ");
    Ok(())
}

#[nl_testkit::test]
fn a_lane_for_one_need_runs_the_tests_that_declare_it(_lab: Lab) -> Result {
    let only = |need| [("NL_TESTKIT_ONLY", need)];
    let run = Run::with(&["planted::needs_"], &only("kernel = \"3.10\""))?;
    assert!(run.succeeded(), "{run:?}");
    assert_eq!(run.line("planted::needs_an_old_kernel")["outcome"], "passed");
    assert_eq!(run.lines.len(), 1);
    let run = Run::with(&["planted::needs_"], &only("nosuchneed"))?;
    assert_eq!(run.output.status.code(), Some(102));
    assert!(run.lines.is_empty(), "{run:?}");
    Ok(())
}

#[nl_testkit::test]
fn promises_that_cannot_be_read_stop_the_run(_lab: Lab) -> Result {
    for setting in [("NL_TESTKIT_PROMISES", "/nonexistent"), ("NL_TESTKIT_LANE", "nosuchlane")] {
        let run = Run::with(&["planted::all_is_well"], &[setting])?;
        assert_eq!(run.output.status.code(), Some(102));
        assert!(run.lines.is_empty(), "{run:?}");
    }
    Ok(())
}

#[nl_testkit::test]
fn a_serial_test_runs_alone(_lab: Lab) -> Result {
    let run = Run::of(&["planted::crowd_", "--test-threads=4"])?;
    assert!(run.succeeded(), "{run:?}");
    assert_eq!(run.lines.len(), 4);
    Ok(())
}

/// Each has networks of its own, so that nothing depends on who else is there.
#[nl_testkit::test]
fn one_thread_and_sixteen_have_the_same_outcomes(_lab: Lab) -> Result {
    let outcomes = |threads: &str| -> Result<BTreeMap<String, String>> {
        let arguments = ["planted::", threads, "--skip", "too_long", "--skip", "leaves_"];
        let run = Run::with(&arguments, &[])?;
        Ok(run.lines.iter().map(|line| (line["test"].to_string(), line["outcome"].to_string())).collect())
    };
    let one = outcomes("--test-threads=1")?;
    assert!(one.len() > 12, "{one:#?}");
    assert_eq!(one, outcomes("--test-threads=16")?);
    Ok(())
}

#[nl_testkit::test]
async fn sigkill_leaves_no_process_and_no_namespace(_lab: Lab) -> Result {
    let place = scratch("tell");
    let mut copy = planted(&["--exact", "planted::waits_to_be_killed"]);
    // In a virtual machine programs may outlive the test that began them; this is about everywhere else.
    copy.env_remove("NL_TESTKIT_VM");
    let mut child = copy.env("NL_TESTKIT_PLACE", &place).stdout(Stdio::null()).spawn()?;
    let told = eventually(SOON, || async { fs::read_to_string(&place).ok() }, "word from the copy").await;
    fs::remove_file(&place)?;
    let (inner, network) = told.split_once(' ').ok_or("two words were expected")?;
    // Held open here, so that its number cannot go to a new namespace meanwhile.
    let network = fs::File::open(network)?;
    let inode = network.metadata()?.ino();
    let sleeping =
        eventually(SOON, || async { sleepers(inode).first().copied() }, "the child to start").await;
    child.kill()?;
    child.wait()?;
    let gone = || async { users(inode).is_empty().then_some(()) };
    eventually(SOON, gone, "the last user of the namespace to end").await;
    // A process leaves its namespaces a moment before it has ended.
    for pid in [inner, &sleeping.to_string()] {
        let ended = || async { (!is_alive(pid)).then_some(()) };
        eventually(SOON, ended, "the inner copy and its child to end").await;
    }
    Ok(())
}

/// The settings are the machine's, so it is a virtual one, and nothing runs beside it.
#[nl_testkit::test(needs(vm, host_root), serial)]
fn where_user_namespaces_are_refused_root_runs_all_as_root(_lab: Lab) -> Result {
    let users = "/proc/sys/user/max_user_namespaces";
    let run =
        limited(users, || Run::with(&["--exact", "planted::all_is_well"], &[("NL_TESTKIT_MODE", "auto")]))?;
    assert!(run.succeeded(), "{run:?}");
    assert_eq!(run.line("planted::all_is_well")["lane"], "host-root");
    let told = String::from_utf8_lossy(&run.output.stderr).into_owned();
    assert!(told.contains("none are allowed: sudo sysctl -w user.max_user_namespaces="), "{told}");
    assert!(told.contains("NL_TESTKIT_MODE=root asks for that"), "{told}");
    let run =
        limited(users, || Run::with(&["--exact", "planted::all_is_well"], &[("NL_TESTKIT_MODE", "user")]))?;
    assert_eq!(run.output.status.code(), Some(102), "{run:?}");
    let networks = "/proc/sys/user/max_net_namespaces";
    let run = limited(networks, || {
        Run::with(&["--exact", "planted::all_is_well"], &[("NL_TESTKIT_MODE", "root")])
    })?;
    assert_eq!(run.output.status.code(), Some(102), "{run:?}");
    let told = String::from_utf8_lossy(&run.output.stderr).into_owned();
    assert!(told.contains("none are allowed: sudo sysctl -w user.max_net_namespaces="), "{told}");
    Ok(())
}

/// What a run gives while a limit of the machine is 0.
fn limited<T>(path: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = fs::read_to_string(path)?;
    fs::write(path, "0")?;
    let ran = run();
    fs::write(path, before)?;
    ran
}

/// One run of the planted tests.
#[derive(Debug)]
struct Run {
    output: Output,
    lines: Vec<Value>,
}

impl Run {
    fn of(arguments: &[&str]) -> Result<Self> {
        Self::with(arguments, &[])
    }

    fn with(arguments: &[&str], settings: &[(&str, &str)]) -> Result<Self> {
        let ledger = scratch("ledger");
        let output = planted(arguments)
            .env("NL_TESTKIT_LEDGER", &ledger)
            .args(["--skip", "waits_to_be_killed", "--skip", "_the_kernel", "--skip", "_the_machine"])
            .envs(settings.iter().copied())
            .output()?;
        let text = fs::read_to_string(&ledger).unwrap_or_default();
        let _ = fs::remove_file(&ledger);
        let lines = text.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
        Ok(Self { output, lines })
    }

    fn succeeded(&self) -> bool {
        self.output.status.success()
    }

    fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// The ledger's line about a test.
    #[track_caller]
    fn line(&self, test: &str) -> &Value {
        let mut lines = self.lines.iter().filter(|line| line["test"] == test);
        let line = lines.next().unwrap_or_else(|| panic!("no line about {test}: {self:?}"));
        assert_eq!(lines.next(), None, "two lines about {test}");
        line
    }

    /// As [`Self::failed`], where the test's program may be missing.
    #[track_caller]
    fn failed_or_skipped(&self, test: &str, reason: &str) {
        if self.line(test)["outcome"] != "skipped" {
            self.failed(test, reason);
        }
    }

    /// Asserts that a test failed for a reason that contains the text, in the ledger and in what was printed.
    #[track_caller]
    fn failed(&self, test: &str, reason: &str) {
        let line = self.line(test);
        assert_eq!(line["outcome"], "failed", "{line}");
        assert!(line["reason"].as_str().is_some_and(|text| text.contains(reason)), "{line}");
        assert!(self.stdout().contains(reason), "{}", self.stdout());
    }
}

fn planted(arguments: &[&str]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(arguments).env("NL_TESTKIT_PLANTED", "1");
    for setting in ["LANE", "PROMISES", "LEDGER", "MODE", "ONLY", "KEEP", "PATIENCE"] {
        command.env_remove(format!("NL_TESTKIT_{setting}"));
    }
    command.env_remove("NEXTEST");
    command
}

/// Every process that lives in the namespace.
fn users(inode: u64) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let inside = |pid: &u32| {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        tasks
            .map(|task| task.path().join("ns/net"))
            .any(|path| fs::metadata(path).is_ok_and(|it| it.ino() == inode))
    };
    numbers.filter(inside).collect()
}

fn sleepers(inode: u64) -> Vec<u32> {
    let name = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    users(inode).into_iter().filter(|pid| name(pid).trim() == "sleep").collect()
}

/// Whether a process exists and has not ended; one that waits to be buried by its new parent has.
fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// A path for a file of this test's own.
fn scratch(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path: PathBuf = env::temp_dir().join(format!("nl-testkit-{}-{number}.{what}", process::id()));
    path.to_string_lossy().into_owned()
}

const SOON: Duration = Duration::from_secs(10);
