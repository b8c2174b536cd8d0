//! `cargo testkit`: runs every test this machine can run, and says what it could not.
#![forbid(unsafe_code)]

mod cargo;
mod junit;
mod lane;
mod lanes;
mod leaks;
mod ledger;
mod self_test;
mod tally;
mod tools;
mod vm;

use std::{env, fs, path::Path, process::ExitCode};

use nl_testkit::{Need, Result, sandbox};

use crate::{
    cargo::{Executable, KERNEL, Workspace},
    lane::{
        Lane,
        doc::Doc,
        host::Host,
        side_by_side::run_all,
        unit::Unit,
        vm::{Vm, Work},
    },
    lanes::Lanes,
    tally::Tally,
    tools::Group,
    vm::{kernel::Kernel, options::Options, program::Program, shell::Shell},
};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut words = words.as_slice();
    let (mut lanes, mut junit) = (None, None);
    loop {
        words = match words {
            ["--lanes", folder, rest @ ..] => {
                lanes = Some(Lanes::given(folder));
                rest
            }
            ["--junit", file, rest @ ..] => {
                junit = Some(Path::new(*file));
                rest
            }
            _ => break,
        };
    }
    // A command that cannot be carried out asks for nothing.
    if let ["--help" | "-h" | "help", ..] | [_, "--help" | "-h", ..] = words {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let checked = match words {
        ["run", rest @ ..] => Program::of(rest).map(drop),
        ["shell", rest @ ..] => Shell::of(rest).map(drop),
        _ => Ok(()),
    };
    if let Err(error) = checked {
        eprintln!("testkit: {error}\n{USAGE}");
        return ExitCode::from(2);
    }
    if let Some(missing) = tools::missing(needed(words)) {
        eprintln!("testkit: {missing}");
        return ExitCode::FAILURE;
    }
    if junit.is_some() && !matches!(words, ["all" | "host" | "merge" | "vm", ..]) {
        eprintln!("testkit: --junit goes with all, host, merge and vm\n{USAGE}");
        return ExitCode::from(2);
    }
    let done = lanes.transpose().and_then(|lanes| command(words, lanes.as_ref(), junit));
    done.unwrap_or_else(|error| {
        eprintln!("testkit: {error}");
        // Whoever reads the last line must not mistake a run that never began for anything else.
        println!("\n0 passed, 1 failed, 0 skipped");
        ExitCode::FAILURE
    })
}

/// Carries out one command.
fn command(words: &[&str], lanes: Option<&Lanes>, junit: Option<&Path>) -> Result<ExitCode> {
    let here = || lanes.cloned().unwrap_or_else(Lanes::here);
    match words {
        ["all"] => close(&all(true, lanes)?, junit),
        ["all", "--no-vm"] => close(&all(false, lanes)?, junit),
        ["host", rest @ ..] => close(&host(rest, lanes)?, junit),
        ["leaks"] => leaks::run(),
        ["merge", paths @ ..] if !paths.is_empty() => close(&ledger::merge(paths, &here())?, junit),
        ["probe"] => probe(),
        ["run", rest @ ..] => vm::program::run(&Program::of(rest)?, &here()),
        ["self-test"] => self_test::run(),
        ["shell", rest @ ..] => vm::shell::run(Shell::of(rest)?, &here()),
        ["vm", rest @ ..] => close(&virtual_machines(rest, lanes)?, junit),
        ["promises", path] => vm::guest::promises(path),
        [vm::job::INIT] => vm::guest::main(),
        _ => {
            eprint!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}

/// Who needs programs of this machine for a command.
fn needed(words: &[&str]) -> &'static [Group] {
    match words {
        ["all"] => &[Group::Host, Group::Vm],
        ["all", "--no-vm"] | ["host", ..] => &[Group::Host],
        ["run" | "self-test" | "shell" | "vm", ..] => &[Group::Vm],
        _ => &[],
    }
}

/// Unit, property and doc tests of every package, then the kernel tests in every lane, or in those of this machine only.
fn all(with_vms: bool, lanes: Option<&Lanes>) -> Result<Tally> {
    let workspace = Workspace::load(lanes)?;
    let mut all = vec!["--workspace", "--lib", "--bins", "--test", KERNEL];
    all.extend(workspace.unit_tests().flat_map(|name| ["--test", name]));
    let (kernel, unit): (Vec<_>, Vec<_>) =
        workspace.build(&all)?.into_iter().partition(Executable::is_kernel);
    if with_vms {
        provide(&workspace, &kernel, None)?;
    }
    let mut lanes: Vec<Box<dyn Lane>> = vec![Box::new(Unit::new(unit)), Box::new(Doc)];
    lanes.extend(host_lanes(kernel.clone(), None));
    let mut tally = Tally::default();
    run(&workspace, &lanes, &mut tally);
    if with_vms {
        for report in run_all(vm_lanes(&workspace, &kernel, &Choice::default())?, &workspace) {
            tally.add(report);
        }
        tally.each_must_have_run_somewhere();
    }
    Ok(tally)
}

/// The kernel tests on this machine.
fn host(arguments: &[&str], lanes: Option<&Lanes>) -> Result<Tally> {
    let Choice { options, packages, filter } = Choice::of(arguments)?;
    if !options.is_empty() {
        return Err("`host` has one kernel only, and the variables of its caller".into());
    }
    let workspace = Workspace::load(lanes)?;
    let kernel = workspace.build(&which(&packages))?;
    let mut tally = Tally::default();
    run(&workspace, &host_lanes(kernel, filter), &mut tally);
    Ok(tally)
}

/// The kernel tests on other kernels.
fn virtual_machines(arguments: &[&str], lanes: Option<&Lanes>) -> Result<Tally> {
    let workspace = Workspace::load(lanes)?;
    let mut tally = Tally::default();
    let choice = Choice::of(arguments)?;
    // A kernel that there is not is named before anything is built.
    choice.options.kernels(None)?;
    let built = workspace.build(&which(&choice.packages))?;
    provide(&workspace, &built, choice.filter.as_ref())?;
    for report in run_all(vm_lanes(&workspace, &built, &choice)?, &workspace) {
        tally.add(report);
    }
    Ok(tally)
}

fn vm_lanes(workspace: &Workspace, built: &[Executable], choice: &Choice<'_>) -> Result<Vec<Vm>> {
    let kernels = choice.options.kernels(None)?;
    let lane = |kernel: Kernel| {
        let works = built.iter().filter_map(|executable| {
            let environment = choice.options.variables.clone();
            let work = Work { environment, ..Work::new(executable.clone(), choice.filter.as_ref()) };
            // What cannot be asked here is started there.
            match work.list(workspace, &kernel) {
                Ok(0) => None,
                Ok(listed) => Some(Work { listed: Some(listed), ..work }),
                Err(error) => {
                    eprintln!("{}: {error}", executable.name());
                    Some(work)
                }
            }
        });
        let works = works.collect();
        Vm { probe: choice.filter.is_none(), ..Vm::new(kernel, works) }
    };
    Ok(kernels.into_iter().map(lane).collect())
}

/// Fetches what the chosen tests, or without a choice the lanes, take from elsewhere.
fn provide(workspace: &Workspace, built: &[Executable], filter: Option<&String>) -> Result {
    let mut wanted = filter.is_none();
    for executable in built {
        wanted = wanted || workspace.needs(executable, filter)?.contains(&Need::Cached("tdc".into()));
    }
    if wanted {
        vm::cases::ensure();
    }
    Ok(())
}

/// What a command line chooses.
#[derive(Debug, Default)]
struct Choice<'a> {
    options: Options<'a>,
    packages: Vec<&'a str>,
    filter: Option<String>,
}

impl<'a> Choice<'a> {
    fn of(mut arguments: &[&'a str]) -> Result<Self> {
        let mut choice = Self::default();
        loop {
            if let Some(rest) = choice.options.take(arguments)? {
                arguments = rest;
                continue;
            }
            arguments = match arguments {
                [] => return Ok(choice),
                ["-p" | "--package", package, rest @ ..] => {
                    choice.packages.push(package);
                    rest
                }
                [filter, rest @ ..] if !filter.starts_with('-') && choice.filter.is_none() => {
                    choice.filter = Some((*filter).to_owned());
                    rest
                }
                [other, ..] => return Err(format!("what is {other:?}?\n{USAGE}").into()),
            };
        }
    }
}

fn which<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    let mut which = Vec::new();
    for package in packages {
        which.extend(["--package", package]);
    }
    if packages.is_empty() {
        which.push("--workspace");
    }
    which.extend(["--test", "kernel"]);
    which
}

/// What this machine's kernel and tools can do.
fn probe() -> Result<ExitCode> {
    sandbox::enter()?;
    print!("{}", nl_testkit::probe());
    Ok(ExitCode::SUCCESS)
}

fn host_lanes(kernel: Vec<Executable>, filter: Option<String>) -> Vec<Box<dyn Lane>> {
    let root = Need::HostRoot.probe().is_ok();
    let mut lanes: Vec<Box<dyn Lane>> = vec![Box::new(Host::rootless(kernel.clone(), filter.clone(), root))];
    if root {
        lanes.push(Box::new(Host::root(kernel, filter)));
    }
    lanes
}

fn run(workspace: &Workspace, lanes: &[Box<dyn Lane>], tally: &mut Tally) {
    for lane in lanes {
        println!("\n=== lane {} ===", lane.name());
        if let Some(report) = lane.run(workspace) {
            tally.add(report);
        }
    }
}

/// Prints the table, and writes the file for other programs.
fn close(tally: &Tally, junit: Option<&Path>) -> Result<ExitCode> {
    if let Some(path) = junit {
        let text = junit::document(tally)?;
        fs::write(path, text).map_err(|error| format!("write {}: {error}", path.display()))?;
    }
    print!("\n{tally}");
    Ok(if tally.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

const USAGE: &str = "\
usage: cargo testkit [--lanes FOLDER] [--junit FILE] COMMAND

What a lane promises is in FOLDER/LANE.txt; FOLDER is `lanes` beside the workspace's Cargo.toml unless it is given. In virtual machines
NL_TESTKIT_PROMISES names another file, and NL_TESTKIT_LEDGER one to which `run` adds a line for each test. What `all`, `host`, `merge` and
`vm` find out of kernel tests is written to the FILE of --junit, too. FOLDER/guest.txt lists what virtual machines hold beside the kit's
programs: lines `package NAME…`, of Debian, and `file PATH [PLACE]`, of this machine with its libraries.

  all [--no-vm]             every test of the workspace in every lane this machine provides, or in all but virtual machines
  host [-p CRATE] [FILTER]  the kernel tests on this machine
  vm [KERNELS] [--env NAME[=VALUE]]… [-p CRATE] [FILTER]
                            the kernel tests on other kernels, in virtual machines
  merge LEDGER…             what the lanes of several machines wrote down, put together; a folder is all the ledgers in it
  run [KERNELS] [--env NAME[=VALUE]]… [--] PROGRAM [ARGUMENT…]
                            one program in a virtual machine for each kernel; for `runner` in cargo's configuration
  shell [KERNELS] [--env NAME[=VALUE]]… [PROGRAM…]
                            a shell on the console of a virtual machine, with these programs in it
  leaks                     whether processes and namespaces of kernel tests, or virtual machines, are left; for the end of a workflow
  self-test                 whether virtual machines in which something goes wrong fail the run
  probe                     what this machine's kernel and tools can do

KERNELS are --kernel 6.1,6.12,7,offload: Debian's newest of each series; all of them for `vm`, and 6.12 for `run` and `shell`, unless it
is given. A kernel of yours is the path of a bzImage or of a package as Debian makes it, with a name for its lane in front if there are
several: --kernel 6.1,mine=path/to/bzImage. Its modules are in the packages or the folder of --modules PATH, or in its own package.

Programs in a virtual machine have the variables that begin with NL_TESTKIT_ or RUST_, under `run` those that begin with CARGO_ or NEXTEST,
too, and those of --env: with a value, or with the one that the variable has here.
";
