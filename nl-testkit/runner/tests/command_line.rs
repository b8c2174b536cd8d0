//! The program itself: what it says and how it ends where nothing may be installed, fetched or booted.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::process::{Command, Output};

/// With no place for kernels, so that what would fetch one fails.
fn testkit(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testkit"));
    command.args(words).env("NL_TESTKIT_CACHE", "/dev/null/cache");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_of_each_command_is_the_usage_and_needs_nothing() {
    for words in [
        &["--help"][..],
        &["help"],
        &["run", "--help"],
        &["vm", "-h"],
        &["shell", "--help"],
        &["host", "--help"],
        &["--lanes", "/", "self-test", "--help"],
    ] {
        let output = testkit(words);
        let said = text(&output.stdout);
        assert!(output.status.success() && said.starts_with("usage: cargo testkit"), "{words:?}: {output:?}");
    }
}

#[test]
fn words_that_are_no_command_or_no_program_end_with_the_usage() {
    for (words, said) in [
        (&["nosuch"][..], "usage: "),
        (&[], "usage: "),
        (&["run"], "takes a program"),
        (&["run", "--kernel", "6.12", "--", "/nowhere"], "/nowhere: "),
        (&["run", "--kernel", "5.4", "--", "/proc/self/exe"], "no kernel 5.4"),
        (&["shell", "--kernel", "6.1,7"], "kernel"),
        (&["--junit", "x.xml", "probe"], "--junit goes with"),
    ] {
        let output = testkit(words);
        let stderr = text(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains(said), "{words:?}: {output:?}");
        assert!(stderr.contains("usage: "), "{words:?}: {stderr}");
    }
}

#[test]
fn processes_that_a_run_has_left_are_named_and_fail() {
    let mut run = Command::new("true").spawn().unwrap();
    let marker = format!("user:{}", run.id());
    run.wait().unwrap();
    let mut left = Command::new("sleep").arg("100").env("NL_TESTKIT_SANDBOX", marker).spawn().unwrap();
    let output = testkit(&["leaks"]);
    left.kill().unwrap();
    left.wait().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let named = format!("left behind: process {} (sleep)\n", left.id());
    assert!(text(&output.stdout).contains(&named), "{output:?}");
}
