//! Every command family has an example, and every example is run by `tests/kernel`, or it is said here why not.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::BTreeSet;
use std::fs;

use nl_guide::{commands, root};

/// Examples that do not end by themselves, and those that other tests run.
const NOT_RUN: &[(&str, &str)] = &[
    (
        "nl-events/examples/exporter/main.rs",
        "a server, which nl-events/tests/kernel/exporter.rs asks for its counters",
    ),
    (
        "nl-testkit/examples/rtnetlink_faults.rs",
        "it needs no network; nl-testkit/tests/rtnetlink_faults.rs runs it",
    ),
];

/// The files of all examples, from the folder of the repository, with their texts.
fn examples() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root()).unwrap() {
        let folder = entry.unwrap().path().join("examples");
        let Ok(files) = fs::read_dir(&folder) else { continue };
        for file in files {
            let path = file.unwrap().path();
            let path = if path.is_dir() { path.join("main.rs") } else { path };
            if path.extension().is_some_and(|extension| extension == "rs") && path.is_file() {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().display().to_string(), text));
            }
        }
    }
    // The example of the kit is a test of networks itself, and runs with it.
    found.retain(|(path, _)| path != "nl-testkit/examples/lab.rs");
    found.sort();
    found
}

#[test]
fn each_example_is_run_or_has_a_reason() {
    let programs = fs::read_to_string(root().join("nl-testkit/guide/tests/kernel/programs.rs")).unwrap();
    let tests = ["main.rs", "mptcp.rs"]
        .map(|name| fs::read_to_string(root().join("nl-testkit/guide/tests/kernel").join(name)).unwrap())
        .concat();
    let examples = examples();
    assert!(examples.len() >= 40, "{} examples", examples.len());
    for (path, _) in &examples {
        let name = path.trim_end_matches("/main.rs").trim_end_matches(".rs").rsplit('/').next().unwrap();
        // The four of kinds of classes are named by their kinds.
        let kind =
            name.strip_prefix("tc_").is_some_and(|kind| tests.contains(&format!("(\"{kind}\", \"class")));
        let is_run =
            programs.contains(&format!("/{path}\"")) && (kind || tests.contains(&format!("\"{name}")));
        let reason = NOT_RUN.iter().find(|(not_run, _)| not_run == path);
        assert!(is_run != reason.is_some(), "{path}: run: {is_run}, a reason why not: {reason:?}");
    }
    for (path, _) in NOT_RUN {
        assert!(examples.iter().any(|(example, _)| example == path), "there is no {path}");
    }
}

#[test]
fn each_command_family_has_an_example() {
    let families: BTreeSet<String> = commands::rows().unwrap().iter().map(commands::Row::family).collect();
    assert!(families.len() >= 20, "{families:?}");
    let docs =
        |text: &str| text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join("\n");
    let docs: Vec<String> = examples().iter().map(|(_, text)| docs(text)).collect();
    for family in families {
        assert!(docs.iter().any(|docs| docs.contains(&format!("`{family}"))), "`{family}` has no example");
    }
}
