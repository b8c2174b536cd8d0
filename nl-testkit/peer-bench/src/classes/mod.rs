//! Rows 8 to 11: classes of traffic control, thousands on one device. Row 15: one at a time.

mod floor;
mod iproute2;
mod nlink;
#[cfg(feature = "ours")]
mod ours;

use std::fmt;
use std::process::{Command, Stdio};

use crate::Result;
use crate::measure::Cost;
use crate::rows::{Contestant, Plan, cost_table, interleave, per_call_table};
use crate::table::Table;

const DEVICE: &str = "c0";
const IFINDEX: u32 = 1003;
/// The qdisc is `1:`, and all classes are directly in it.
const MAJOR: u16 = 1;
/// What every class may borrow up to, in kbit/s.
const CEILING: u32 = 100_000;

/// The kinds that are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Htb,
    Hfsc,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Htb => "HTB",
            Self::Hfsc => "HFSC",
        })
    }
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Htb => "htb",
            Self::Hfsc => "hfsc",
        }
    }

    /// Each with a rate of its own, from `lowest` on.
    fn classes(self, plan: Plan, lowest: u32) -> Vec<Class> {
        let count = match self {
            Self::Htb => plan.classes,
            Self::Hfsc => plan.classes / 2,
        };
        (1..=count).map(|minor| Class { minor, rate: lowest + u32::from(minor) }).collect()
    }
}

/// A class: its minor number, and its rate in kbit/s.
#[derive(Clone, Copy, Debug)]
struct Class {
    minor: u16,
    rate: u32,
}

/// How many classes there are, and the sums of their numbers and rates: equal tallies are equal classes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    classes: u64,
    minors: u64,
    /// In kbit/s.
    rates: u64,
}

impl Tally {
    /// Counts one class, but for the one that HFSC has from the beginning.
    fn add(&mut self, minor: u16, rate: u64) {
        if minor > 0 {
            self.classes += 1;
            self.minors += u64::from(minor);
            self.rates += rate;
        }
    }

    fn of(classes: &[Class]) -> Self {
        let mut tally = Self::default();
        for class in classes {
            tally.add(class.minor, class.rate.into());
        }
        tally
    }
}

type List = fn(Kind) -> Result<(Cost, Tally)>;
type Change = fn(Kind, &[Class]) -> Result<Cost>;

const CREATE: &[Contestant<Change>] = &[
    ("raw socket, 64 per send, one ACK (floor)", floor::create),
    #[cfg(feature = "ours")]
    ("ours", ours::create),
    ("nlink one by one", nlink::create),
    ("tc -batch", iproute2::create),
];

const LIST: &[Contestant<List>] = &[
    ("raw socket (floor)", floor::list),
    #[cfg(feature = "ours")]
    ("ours", ours::list),
    ("nlink get_classes_by_index", nlink::list),
    ("tc class show", iproute2::list),
];

const CHANGE: &[Contestant<Change>] = &[
    ("raw socket, 64 per send, one ACK (floor)", floor::change),
    #[cfg(feature = "ours")]
    ("ours", ours::change),
    ("nlink one by one", nlink::change),
    ("tc -batch", iproute2::change),
];

const DELETE: &[Contestant<Change>] = &[
    ("raw socket, 64 per send, one ACK (floor)", floor::delete),
    #[cfg(feature = "ours")]
    ("ours", ours::delete),
    ("nlink one by one", nlink::delete),
    ("tc -batch", iproute2::delete),
];

const CREATE_ONE_BY_ONE: &[Contestant<Change>] = &[
    ("raw socket (floor)", floor::create_one_by_one),
    #[cfg(feature = "ours")]
    ("ours", ours::create_one_by_one),
    ("nlink", nlink::create),
    ("tc class add, a process each", iproute2::create_one_by_one),
];

const DELETE_ONE_BY_ONE: &[Contestant<Change>] = &[
    ("raw socket (floor)", floor::delete_one_by_one),
    #[cfg(feature = "ours")]
    ("ours", ours::delete_one_by_one),
    ("nlink", nlink::delete),
    ("tc class del, a process each", iproute2::delete_one_by_one),
];

/// Rows 8 to 11, by number; nothing where the kernel does not have the kind.
pub(crate) fn row(plan: Plan, number: u8, kind: Kind) -> Result<Option<Table>> {
    let (first, second) = (kind.classes(plan, 1000), kind.classes(plan, 2000));
    if let Err(error) = Device::fresh(kind) {
        eprintln!("row {number}, {kind}: not measured, {error}");
        return Ok(None);
    }
    let count = first.len();
    let table = match number {
        8 => {
            let title = format!("8. Create {count} {kind} classes");
            cost_table(&title, CREATE, &changed(plan, kind, CREATE, None, &first, &first)?)
        }
        9 => list(plan, kind, &first)?,
        10 => {
            let title = format!("10. Change {count} {kind} classes");
            cost_table(&title, CHANGE, &changed(plan, kind, CHANGE, Some(&first), &second, &second)?)
        }
        _ => {
            let title = format!("11. Delete {count} {kind} classes");
            cost_table(&title, DELETE, &changed(plan, kind, DELETE, Some(&first), &first, &[])?)
        }
    };
    Ok(Some(table))
}

/// Row 15: HTB classes, each in a request of its own that is awaited before the next.
pub(crate) fn one_by_one(plan: Plan) -> Result<Vec<Table>> {
    let (kind, count) = (Kind::Htb, plan.singles);
    let classes = kind.classes(Plan { classes: count, ..plan }, 1000);
    let created = changed(plan, kind, CREATE_ONE_BY_ONE, None, &classes, &classes)?;
    let deleted = changed(plan, kind, DELETE_ONE_BY_ONE, Some(&classes), &classes, &[])?;
    let per_class = |title: &str, contestants, costs: &[Vec<Cost>]| {
        per_call_table(title, contestants, costs, count.into())
    };
    Ok(vec![
        per_class(&format!("15. Create {count} HTB classes one at a time"), CREATE_ONE_BY_ONE, &created),
        per_class(&format!("15. Delete {count} HTB classes one at a time"), DELETE_ONE_BY_ONE, &deleted),
    ])
}

fn list(plan: Plan, kind: Kind, classes: &[Class]) -> Result<Table> {
    let _device = Device::fresh(kind)?;
    floor::create(kind, classes)?;
    let costs = interleave(plan.runs, LIST, |name, list| {
        let (cost, seen) = list(kind)?;
        expect(name, seen, classes)?;
        Ok(cost)
    })?;
    Ok(cost_table(&format!("9. List {} {kind} classes", classes.len()), LIST, &costs))
}

/// On a fresh device each, on which the floor has made what is to be there before.
fn changed(
    plan: Plan,
    kind: Kind,
    contestants: &[Contestant<Change>],
    before: Option<&[Class]>,
    asked: &[Class],
    after: &[Class],
) -> Result<Vec<Vec<Cost>>> {
    interleave(plan.runs, contestants, |name, work| {
        let _device = Device::fresh(kind)?;
        if let Some(before) = before {
            floor::create(kind, before)?;
            expect("making the classes", floor::tally(kind)?, before)?;
        }
        let cost = work(kind, asked)?;
        expect(name, floor::tally(kind)?, after)?;
        Ok(cost)
    })
}

fn expect(who: &str, seen: Tally, classes: &[Class]) -> Result<()> {
    let wanted = Tally::of(classes);
    if seen == wanted {
        return Ok(());
    }
    Err(format!("{who}: {seen:?} where {wanted:?} should be").into())
}

/// A device with a qdisc that has no classes yet; removed on drop.
#[derive(Debug)]
struct Device(());

impl Device {
    fn fresh(kind: Kind) -> Result<Self> {
        run(&format!("ip link add {DEVICE} index {IFINDEX} type veth peer name c1"))?;
        let device = Self(());
        let kind = kind.name();
        run(&format!("tc qdisc add dev {DEVICE} root handle 1: {kind}"))?;
        Ok(device)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // Whatever stays is gone with the namespace, and the next `fresh` reports it.
        let _ = run(&format!("ip link del {DEVICE}"));
    }
}

fn run(line: &str) -> Result<()> {
    let (program, arguments) = line.split_once(' ').ok_or("an empty command")?;
    let output = Command::new(program).args(arguments.split(' ')).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{line}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}
