//! How fast this project is beside the other ways to program the bridge over netlink. See README.md.

mod clean_build;
mod entry;
mod floor;
mod iproute2;
mod measure;
mod nlink;
#[cfg(feature = "ours")]
mod ours;
mod rows;
mod rtnetlink;
mod sandbox;
mod sys;
mod table;

use std::env;
use std::process::ExitCode;

use tokio::runtime::{Builder, Runtime};

use crate::rows::Plan;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const USAGE: &str = "\
usage: peer-bench [--runs N] [--quick]   rows 1 to 5; 7 runs each, or as many as asked for
       peer-bench build [--runs N]       row 6, clean builds; 1 run, needs the network once";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("peer-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match Task::parse(&arguments)? {
        Task::Build { runs } => println!("{}", clean_build::table(runs)?),
        _ if !sandbox::is_inside() => return sandbox::run_inside(),
        Task::Compare(plan) => compare(plan)?,
        Task::Stream { contestant, entries } => println!("{}", rows::stream_once(&contestant, entries)?),
    }
    Ok(ExitCode::SUCCESS)
}

enum Task {
    Build {
        runs: usize,
    },
    Compare(Plan),
    /// Row 5 starts this one itself.
    Stream {
        contestant: String,
        entries: u32,
    },
}

impl Task {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut words = arguments.iter().map(String::as_str).peekable();
        let build = words.next_if_eq(&"build").is_some();
        if words.next_if_eq(&"stream").is_some() {
            let contestant = words.next().ok_or(USAGE)?.to_owned();
            let entries = words.next().ok_or(USAGE)?.parse()?;
            return Ok(Self::Stream { contestant, entries });
        }
        let (mut runs, mut quick) = (None, false);
        while let Some(word) = words.next() {
            match word {
                "--runs" => runs = Some(words.next().ok_or(USAGE)?.parse::<usize>()?.max(1)),
                "--quick" if !build => quick = true,
                _ => return Err(USAGE.into()),
            }
        }
        Ok(match (build, quick) {
            (true, _) => Self::Build { runs: runs.unwrap_or(1) },
            (false, true) => {
                Self::Compare(Plan { runs: runs.unwrap_or(3), entries: 2_000, streamed: 20_000 })
            }
            (false, false) => {
                Self::Compare(Plan { runs: runs.unwrap_or(7), entries: 20_000, streamed: 200_000 })
            }
        })
    }
}

fn compare(plan: Plan) -> Result<()> {
    println!("{}", rows::list(plan)?);
    println!("{}", rows::insert(plan)?);
    println!("{}", rows::delete(plan)?);
    for table in rows::decode_all(plan)? {
        println!("{table}");
    }
    println!("{}", rows::stream(plan)?);
    println!("Medians of {} runs.", plan.runs);
    Ok(())
}

/// What the asynchronous contestants run on: the cheapest runtime tokio has.
fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}
