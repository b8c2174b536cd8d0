//! The page about errors names a test of each kind of error for each crate, or says why there is none, and the tests exist.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use nl_guide::root;

const CRATES: [&str; 7] = ["nl-core", "nl-bridge", "nl-events", "nl-macsec", "nl-mptcp", "nl-srv6", "nl-tc"];

/// The kinds in the order of the page, and what the file of a test of each has one of.
const KINDS: [(&str, &[&str]); 9] = [
    ("Permission denied", &["EPERM", "is_permission()"]),
    ("Busy", &["EBUSY", "is_busy()"]),
    ("Exists", &["EEXIST", "is_exists()"]),
    ("Not found", &["ENOENT", "is_not_found()"]),
    ("No buffer", &["is_overrun()", "overruns"]),
    ("Interrupted", &["is_interrupted()", "interrupts the list"]),
    ("Unsupported", &["EOPNOTSUPP", "is_unsupported()", "ErrorKind::Unsupported"]),
    ("Device gone", &["ENODEV", "ends_with_the_device("]),
    ("Namespace gone", &["Netns::", "netns"]),
];

struct Row<'a> {
    of: &'a str,
    file: Option<&'a str>,
    /// Without a file the reason.
    test: &'a str,
}

fn row(line: &str) -> Row<'_> {
    let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [of, file, test] = cells.try_into().unwrap_or_else(|_| panic!("not three cells: {line}"));
    match code(file) {
        Some(file) => {
            let test = code(test).unwrap_or_else(|| panic!("no name of a test: {line}"));
            Row { of, file: Some(file), test }
        }
        None => {
            assert!(file == "none" && test.ends_with('.'), "neither a test nor a reason: {line}");
            Row { of, file: None, test }
        }
    }
}

fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`')
}

/// The heading of a table, and its rows.
fn table(section: &str) -> (&str, Vec<Row<'_>>) {
    let (heading, text) = section.split_once('\n').unwrap();
    let (_, table) = text.split_once("| crate | file | test |\n|---|---|---|\n").unwrap();
    (heading, table.lines().take_while(|line| line.starts_with('|')).map(row).collect())
}

#[test]
fn every_kind_of_error_has_a_test_or_a_reason_in_every_crate() {
    let page = fs::read_to_string(root().join("docs/src/errors.md")).unwrap();
    let tables: Vec<_> = page.split("\n## ").skip(1).map(table).collect();
    assert!(tables.iter().map(|(kind, _)| *kind).eq(KINDS.iter().map(|(kind, _)| *kind)));
    for ((kind, rows), (_, words)) in tables.iter().zip(KINDS) {
        let crates: BTreeSet<_> = rows.iter().map(|row| row.of).collect();
        assert_eq!(crates, BTreeSet::from(CRATES), "{kind}");
        let mut excused = BTreeMap::new();
        for Row { of, file, test } in rows {
            let Some(file) = file else {
                assert_eq!(excused.insert(of, test), None, "{kind}: two reasons of {of}");
                continue;
            };
            let text = fs::read_to_string(root().join(of).join(file));
            let text = text.unwrap_or_else(|error| panic!("{kind}: {of}/{file}: {error}"));
            let is_there = text.contains(&format!("\nasync fn {test}("));
            assert!(is_there, "{kind}: {of}/{file} has no test {test}");
            assert!(
                words.iter().any(|word| text.contains(word)),
                "{kind}: {of}/{file} has none of {words:?}"
            );
        }
        let tested = |of: &str| rows.iter().any(|row| row.of == of && row.file.is_some());
        assert!(excused.keys().all(|of| !tested(of)), "{kind}: a reason beside a test: {excused:?}");
    }
}

#[test]
fn every_crate_is_in_the_tables() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = [")).unwrap();
    let members = members.split('"').skip(1).step_by(2);
    let libraries = members.filter(|member| !member.contains('/') && *member != "nl-testkit");
    assert_eq!(libraries.collect::<BTreeSet<_>>(), BTreeSet::from(CRATES));
}
