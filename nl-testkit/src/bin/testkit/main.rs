//! `cargo testkit`: runs every test this machine can run, and says what it could not.
#![forbid(unsafe_code)]

mod cargo;
mod lane;
mod tally;

use std::{env, process::ExitCode};

use nl_testkit::{Need, Result, sandbox};

use crate::{
    cargo::Workspace,
    lane::{Lane, doc::Doc, host::Host, unit::Unit},
    tally::Tally,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["all"] => all(),
        ["host", rest @ ..] => host(rest),
        ["probe"] => probe(),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("testkit: {error}");
        // Whoever reads the last line must not mistake a run that never began for anything else.
        println!("\n0 passed, 1 failed, 0 skipped");
        ExitCode::FAILURE
    })
}

/// Unit, property and doc tests of every package, then the kernel tests in every lane this machine provides.
fn all() -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let built = workspace.build(&["--workspace", "--lib", "--bins", "--tests"])?;
    let (kernel, unit): (Vec<_>, Vec<_>) = built.into_iter().partition(cargo::Executable::is_kernel);
    let mut lanes: Vec<Box<dyn Lane>> = vec![Box::new(Unit::new(unit)), Box::new(Doc)];
    lanes.extend(host_lanes(kernel, None));
    Ok(run(&workspace, &lanes))
}

/// The kernel tests on this machine.
fn host(arguments: &[&str]) -> Result<ExitCode> {
    let (package, rest) = match arguments {
        ["-p" | "--package", package, rest @ ..] => (Some(*package), rest),
        rest => (None, rest),
    };
    let filter = match rest {
        [] => None,
        [filter] if !filter.starts_with('-') => Some((*filter).to_owned()),
        _ => return Err(format!("`host` takes [-p CRATE] [FILTER]\n{USAGE}").into()),
    };
    let workspace = Workspace::load()?;
    let which = match package {
        Some(package) => vec!["--package", package, "--test", "kernel"],
        None => vec!["--workspace", "--test", "kernel"],
    };
    let kernel = workspace.build(&which)?;
    Ok(run(&workspace, &host_lanes(kernel, filter)))
}

/// What this machine's kernel and tools can do.
fn probe() -> Result<ExitCode> {
    sandbox::enter()?;
    print!("{}", nl_testkit::probe());
    Ok(ExitCode::SUCCESS)
}

fn host_lanes(kernel: Vec<cargo::Executable>, filter: Option<String>) -> Vec<Box<dyn Lane>> {
    let root = Need::HostRoot.probe().is_ok();
    let mut lanes: Vec<Box<dyn Lane>> = vec![Box::new(Host::rootless(kernel.clone(), filter.clone(), root))];
    if root {
        lanes.push(Box::new(Host::root(kernel, filter)));
    }
    lanes
}

fn run(workspace: &Workspace, lanes: &[Box<dyn Lane>]) -> ExitCode {
    let mut tally = Tally::default();
    for lane in lanes {
        println!("\n=== lane {} ===", lane.name());
        if let Some(report) = lane.run(workspace) {
            tally.add(report);
        }
    }
    print!("\n{tally}");
    if tally.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

const USAGE: &str = "\
usage: cargo testkit COMMAND

  all                       every test of the workspace in every lane this machine provides
  host [-p CRATE] [FILTER]  the kernel tests on this machine
  probe                     what this machine's kernel and tools can do
";
