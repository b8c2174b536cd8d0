//! The `main` of a kernel test binary: namespaces first, then the arguments, the needs and the tests.

mod body;
mod case;
mod ledger;
mod listed;
mod plan;
mod report;
mod turn;

use std::{
    cell::Cell,
    cmp::Reverse,
    collections::BTreeSet,
    env, io,
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
    sync::Arc,
    time::Instant,
};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

pub use self::case::{Binary, Body, TestCase, Verdict};
use self::{
    body::Ended,
    ledger::{Ledger, Outcome},
    listed::under_nextest,
    plan::{Fate, Lane, Mode, Passes},
    turn::Turn,
};
use crate::{
    Need, record,
    sandbox::{self, exit_code},
    sys::Isolation,
};

/// Runs the tests of one binary; what `nl_testkit::main!` expands to.
pub fn main(binary: &Binary) -> ExitCode {
    if env::var_os(plan::NEEDS).is_some() {
        return tell_needs();
    }
    match sandbox::settle() {
        Ok(None) => outside(binary),
        Ok(Some(isolation)) => match inside(binary, isolation) {
            Ok(code) => code,
            Err(error) => give_up(&error),
        },
        Err(error) => give_up(&error.to_string()),
    }
}

/// Prints what the chosen tests need, for whoever has to provide it first.
fn tell_needs() -> ExitCode {
    let arguments = Arguments::from_args();
    let cases = match plan::cases() {
        Ok(cases) => cases,
        Err(error) => return give_up(&error),
    };
    let chosen = cases.into_iter().filter(|case| plan::is_selected(&arguments, &case.name()));
    let needs: BTreeSet<&Need> = chosen.flat_map(|case| case.needs).collect();
    let lines: String = needs.into_iter().map(|need| format!("{need}\n")).collect();
    print!("{lines}");
    ExitCode::SUCCESS
}

/// The outer process: starts a copy of itself in namespaces, or two when there is work for both kinds of root.
fn outside(binary: &Binary) -> ExitCode {
    // Help and wrong arguments end here, once.
    let arguments = Arguments::from_args();
    let planned = Mode::from_env().and_then(|mode| Ok((mode, Passes::plan(mode, &arguments)?)));
    let (mode, passes) = match planned {
        Ok(planned) => planned,
        Err(error) => return give_up(&error),
    };
    if listed::is_asked(&arguments) {
        listed::begin(binary);
    }
    let mut worst = 0;
    for (isolation, part) in passes.iter() {
        let run = |isolation| {
            sandbox::run_isolated(isolation, |command| {
                command.env(plan::PART, part.as_str());
            })
        };
        let run = match run(isolation) {
            Err(error) if isolation == Isolation::User && mode == Mode::Auto && sandbox::is_real_root() => {
                eprintln!(
                    "nl-testkit: {error}\nnl-testkit: so the tests that need no root run as root too; NL_TESTKIT_MODE=root asks \
                     for that, NL_TESTKIT_MODE=user for a failure here"
                );
                run(Isolation::Plain)
            }
            run => run,
        };
        match run {
            Ok(status) => worst = worst.max(exit_code(status)),
            Err(error) => return give_up(&error.to_string()),
        }
    }
    ExitCode::from(u8::try_from(worst).unwrap_or(u8::MAX))
}

/// The inner process: one pass over its part of the tests.
fn inside(binary: &Binary, isolation: Isolation) -> Result<ExitCode, String> {
    let mut arguments = Arguments::from_args();
    let lane = Arc::new(Lane::from_env(isolation)?);
    let ledger = Ledger::from_env(binary, &lane)?.map(Arc::new);
    let part = plan::Part::from_env();
    let mut cases = plan::cases()?;
    cases.retain(|case| part.includes(case.is_for_root()));
    // Those that may take long begin first, so that none of them ends alone.
    cases.sort_by_key(|case| (Reverse(case.timeout_seconds), case.file, case.line));
    if listed::is_asked(&arguments) {
        listed::write_down(binary, &lane, ledger.as_deref(), &cases, &arguments)?;
    }
    if arguments.test_threads.is_none() {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        arguments.test_threads = Some(cores.max(2));
    }
    record::install_hook();
    let alone = arguments.test_threads == Some(1);
    let turn = Arc::new(Turn::default());
    let trials =
        cases.into_iter().map(|case| trial(case, &arguments, &lane, ledger.as_ref(), alone, &turn)).collect();
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}

fn trial(
    case: &'static TestCase,
    arguments: &Arguments,
    lane: &Arc<Lane>,
    ledger: Option<&Arc<Ledger>>,
    alone: bool,
    turn: &Arc<Turn>,
) -> Trial {
    let name = case.name();
    let selected = plan::is_selected(arguments, &name);
    // Only what was asked for is probed.
    let fate = if selected { lane.fate(case.needs) } else { Fate::Run };
    let listed_as_ignored =
        matches!(fate, Fate::Skip(..)) && (arguments.list || arguments.ignored || arguments.include_ignored);
    let forced = arguments.ignored || arguments.include_ignored || under_nextest();
    let (lane, ledger) = (Arc::clone(lane), ledger.cloned());
    let turn = Arc::clone(turn);
    let shown = name.clone();
    let run = move || {
        let started = Cell::new(Instant::now());
        let record = |outcome: Outcome<'_>, reason: &str| {
            let written =
                ledger.as_ref().map(|ledger| ledger.write(&shown, outcome, reason, started.get().elapsed()));
            written
                .transpose()
                .map(drop)
                .map_err(|error: io::Error| Failed::from(format!("write the ledger: {error}")))
        };
        match fate {
            Fate::Run => {}
            Fate::Skip(_, reason) if listed_as_ignored || under_nextest() => {
                let reason = format!("cannot run: {reason}");
                record(Outcome::Failed, &reason)?;
                return Err(reason.into());
            }
            Fate::Skip(need, reason) => {
                record(Outcome::Skipped(&need), &reason)?;
                return Ok(Completion::ignored_with(reason));
            }
            Fate::Broken(reason) => {
                record(Outcome::Failed, &reason)?;
                return Err(reason.into());
            }
        }
        let result = turn.take(case.serial, || {
            started.set(Instant::now());
            run_case(case, alone)
        });
        let reason = match result {
            Ok(Ended::Passed) => return record(Outcome::Passed, "").map(|()| Completion::Completed),
            Ok(Ended::Skipped(skipped)) => match lane.fate_of_skip(&skipped) {
                Ok(reason) if forced => format!("cannot run: {reason}"),
                Ok(reason) => {
                    record(Outcome::Skipped(&skipped.need), &reason)?;
                    return Ok(Completion::ignored_with(reason));
                }
                Err(reason) => reason,
            },
            Err(reason) => reason,
        };
        record(Outcome::Failed, &reason)?;
        Err(reason.into())
    };
    Trial::ignorable_test(name, run).with_ignored_flag(listed_as_ignored)
}

fn run_case(case: &'static TestCase, alone: bool) -> Result<Ended, String> {
    panic::catch_unwind(AssertUnwindSafe(|| body::run(case, alone)))
        .unwrap_or_else(|payload| Err(record::payload_text(payload.as_ref())))
}

fn give_up(error: &str) -> ExitCode {
    eprintln!("nl-testkit: {error}");
    ExitCode::from(GAVE_UP)
}

/// The exit code when no test could be run at all.
const GAVE_UP: u8 = 102;
