//! Why tests are skipped, for nextest: it asks for the names of the ignored tests, and has no place for a reason.

use std::{
    env,
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use libtest_mimic::Arguments;

use super::{
    case::{Binary, TestCase},
    ledger::{Ledger, Outcome},
    plan::{Fate, Lane, is_selected},
    report,
};

/// Whether nextest asks what is ignored, which it does once for each binary.
pub(super) fn is_asked(arguments: &Arguments) -> bool {
    arguments.list && arguments.ignored && under_nextest()
}

/// Nextest sees only exit codes, so there a skip decided late must not look like a pass.
pub(super) fn under_nextest() -> bool {
    env::var_os("NEXTEST").is_some()
}

/// Empties the binary's list, before copies of this process add to it.
pub(super) fn begin(binary: &Binary) {
    let Some(path) = place(binary) else { return };
    if let Err(error) = make_folder(&path).and_then(|()| fs::write(&path, "")) {
        complain(&path, &error);
    }
}

/// Adds each skipped test with its reason to the binary's list, and to the ledger.
pub(super) fn write_down(
    binary: &Binary,
    lane: &Lane,
    ledger: Option<&Ledger>,
    cases: &[&TestCase],
    arguments: &Arguments,
) -> Result<(), String> {
    let mut text = String::new();
    for case in cases {
        let name = case.name();
        if !is_selected(arguments, &name) {
            continue;
        }
        let Fate::Skip(need, reason) = lane.fate(case.needs) else { continue };
        if let Some(ledger) = ledger {
            let written = ledger.write(&name, Outcome::Skipped(&need), &reason, Duration::ZERO);
            written.map_err(|error| format!("write the ledger: {error}"))?;
        }
        text += &format!("{name}: {reason}\n");
    }
    let Some(path) = place(binary).filter(|_| !text.is_empty()) else { return Ok(()) };
    let file = make_folder(&path).and_then(|()| OpenOptions::new().create(true).append(true).open(&path));
    if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
        complain(&path, &error);
    }
    Ok(())
}

/// `nl-testkit/skipped-PACKAGE-BINARY.txt` in the target folder; nowhere if this program is in none.
fn place(binary: &Binary) -> Option<PathBuf> {
    let name = format!("skipped-{}-{}.txt", binary.package, binary.name);
    Some(report::target()?.join("nl-testkit").join(name))
}

fn make_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn complain(path: &Path, error: &io::Error) {
    eprintln!("nl-testkit: write down what is skipped, {}: {error}", path.display());
}
