//! `tc` of iproute2, as whole child processes.

use std::fmt::Write as _;
use std::fs::File;
use std::process::{Command, Stdio};

use super::{CEILING, Class, DEVICE, Kind, MAJOR, Tally};
use crate::Result;
use crate::iproute2::Scratch;
use crate::measure::{self, Cost};

pub(super) fn create(kind: Kind, classes: &[Class]) -> Result<Cost> {
    batch("add", kind, classes)
}

pub(super) fn change(kind: Kind, classes: &[Class]) -> Result<Cost> {
    batch("change", kind, classes)
}

pub(super) fn delete(kind: Kind, classes: &[Class]) -> Result<Cost> {
    batch("del", kind, classes)
}

pub(super) fn create_one_by_one(kind: Kind, classes: &[Class]) -> Result<Cost> {
    processes("add", kind, classes)
}

pub(super) fn delete_one_by_one(kind: Kind, classes: &[Class]) -> Result<Cost> {
    processes("del", kind, classes)
}

/// Timed with the output thrown away, then once more, untimed, to see what it said.
pub(super) fn list(_: Kind) -> Result<(Cost, Tally)> {
    let show = || {
        let mut command = Command::new("tc");
        command.args(["class", "show", "dev", DEVICE]);
        command
    };
    let cost = measure::child(show().stdout(Stdio::null()))?;
    let text = String::from_utf8(show().output()?.stdout)?;
    let mut tally = Tally::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let minor = words.nth(2).and_then(|handle| handle.split_once(':')).map(|(_, minor)| minor);
        let Some(minor) = minor.filter(|minor| !minor.is_empty()) else { continue };
        let rate = words.find(|word| matches!(*word, "rate" | "m2")).and_then(|_| words.next());
        tally.add(u16::from_str_radix(minor, 16)?, kbit(rate.unwrap_or_default())?);
    }
    Ok((cost, tally))
}

/// `1002Kbit`, `2Mbit`.
fn kbit(rate: &str) -> Result<u64> {
    for (unit, factor) in [("Kbit", 1), ("Mbit", 1000), ("Gbit", 1_000_000)] {
        if let Some(number) = rate.strip_suffix(unit) {
            return Ok(number.parse::<u64>()? * factor);
        }
    }
    Err(format!("a rate of {rate:?}").into())
}

/// `tc -batch`; writing the file is not timed.
fn batch(verb: &str, kind: Kind, classes: &[Class]) -> Result<Cost> {
    let mut commands = String::new();
    for class in classes {
        writeln!(commands, "{}", command(verb, kind, class))?;
    }
    let file = Scratch::new("classes", &commands)?;
    measure::child(Command::new("tc").args(["-batch", "-"]).stdin(File::open(file.path())?))
}

/// `tc` once per class.
fn processes(verb: &str, kind: Kind, classes: &[Class]) -> Result<Cost> {
    let mut total = Cost::default();
    for class in classes {
        total += measure::child(Command::new("tc").args(command(verb, kind, class).split(' ')))?;
    }
    Ok(total)
}

fn command(verb: &str, kind: Kind, Class { minor, rate }: &Class) -> String {
    let place = format!("class {verb} dev {DEVICE} parent {MAJOR}: classid {MAJOR}:{minor:x}");
    match (verb, kind) {
        ("del", _) => place,
        (_, Kind::Htb) => format!("{place} htb rate {rate}kbit ceil {CEILING}kbit"),
        (_, Kind::Hfsc) => format!("{place} hfsc sc rate {rate}kbit"),
    }
}
