//! The kernel's own tests of traffic control with the real `tc`: shows that the interpreter and its devices are what the
//! cases expect. `NL_TESTKIT_TDC=fetch` downloads the cases first; without them there is nothing to run, which is said.
//! With `NL_TESTKIT_TDC` set to anything, what became of each case is printed.

use std::{env, process::ExitCode};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use nl_testkit::{Lab, sandbox};
use nl_testkit_tdc as tdc;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Before the sandbox, for in there is no network; the copy in the sandbox comes by here too.
    let is_first = env::var_os("NL_TESTKIT_SANDBOX").is_none();
    if is_first && env::var("NL_TESTKIT_TDC").is_ok_and(|value| value == "fetch") {
        match tdc::fetch() {
            Ok(folder) => eprintln!("tdc: cases in {}", folder.display()),
            Err(error) => {
                eprintln!("tdc: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    if let Err(error) = sandbox::enter() {
        eprintln!("tdc: {error}");
        return ExitCode::FAILURE;
    }
    // Each has a node of the same name.
    arguments.test_threads = Some(1);
    let trials = FILES.iter().map(|file| Trial::ignorable_test(*file, move || try_file(file)));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn try_file(file: &'static str) -> Result<Completion, Failed> {
    let Some(cases) = tdc::cached(file)? else {
        return Ok(Completion::ignored_with("not in the cache: run with NL_TESTKIT_TDC=fetch"));
    };
    let lab = Lab::new(file)?;
    let run = async {
        let node = lab.node("tcut").await?;
        tdc::run(&node, &cases, tdc::with_tc).await
    };
    let table = lab.block_on(run)?;
    let total = table.rows.len();
    let unexpected = table.rows.iter().filter(|row| match &row.verdict {
        tdc::Verdict::Failed(_) => !OF_OLD_TC.contains(&row.id.as_str()),
        _ => false,
    });
    if unexpected.count() > 0 {
        return Err(Failed::from(table.to_string()));
    }
    if env::var_os("NL_TESTKIT_TDC").is_some() {
        eprint!("{file}:\n{table}");
    }
    if table.not_applicable() == total {
        return Ok(Completion::ignored_with(format!("none of its {total} cases can be tried here")));
    }
    Ok(Completion::Completed)
}

const FILES: &[&str] = &[
    "infra/qdiscs.json",
    "qdiscs/drr.json",
    "qdiscs/ets.json",
    "qdiscs/hfsc.json",
    "qdiscs/htb.json",
    "qdiscs/qfq.json",
];
/// Cases that fail with the `tc` of some release this runs with, for its reasons.
const OF_OLD_TC: &[&str] = &[];
