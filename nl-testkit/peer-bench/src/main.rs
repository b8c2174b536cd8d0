//! How fast this project is beside the other ways to program the bridge and traffic control over
//! netlink. See README.md.

mod agent;
mod calls;
mod chart;
mod classes;
mod clean_build;
mod entry;
mod events;
mod floor;
mod flower;
mod iproute2;
mod leaf;
mod listing;
mod macsec;
mod managers;
mod measure;
mod mptcp;
mod netlink;
mod nlink;
#[cfg(feature = "ours")]
mod ours;
mod readme;
mod rows;
mod rtnetlink;
mod sandbox;
mod segments;
mod sys;
mod table;
mod vlans;

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use tokio::runtime::{Builder, Runtime};

use crate::classes::Kind;
use crate::rows::Plan;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const USAGE: &str = "\
usage: peer-bench [--runs N] [--quick] [--row 1..35]  all rows but 6, or one of them; 7 runs each by default
       peer-bench --row 8..11 --classes N             with so many HTB classes instead of 2000, up to 10000
       peer-bench --row 8..11 --kind htb|hfsc         of this kind only
       peer-bench --row 26 --ports N                  with N ports instead of 64, at most 64
       peer-bench --row 29 --macs N                   with N MAC addresses instead of 200000, at least 1000
       peer-bench --row 27                            as root of the machine, in a network namespace only
       peer-bench build [--runs N]                    row 6, clean builds; 1 run, needs the network once
       peer-bench chart TABLES CHART                  what it printed, from one file, as SVG into the other
       peer-bench readme TABLES                       what it printed, into the READMEs and chart.svg";

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
        Task::Chart { tables, chart } => fs::write(chart, chart::chart(&fs::read_to_string(tables)?)?)?,
        Task::Readme { tables } => write_readmes(&fs::read_to_string(tables)?)?,
        task if !sandbox::is_inside() => {
            // MACsec is changed in the initial user namespace only.
            return sandbox::run_inside(!matches!(task, Task::Compare { row: Some(27), .. }));
        }
        Task::Compare { plan, row, kinds } => compare(plan, row, &kinds)?,
        Task::Part { row, contestant, amount } => part(row, &contestant, amount)?,
    }
    Ok(ExitCode::SUCCESS)
}

enum Task {
    Build {
        runs: usize,
    },
    /// Tables that were printed before, as a chart.
    Chart {
        tables: String,
        chart: String,
    },
    /// Tables that were printed before, in the READMEs.
    Readme {
        tables: String,
    },
    Compare {
        plan: Plan,
        row: Option<u8>,
        kinds: Vec<Kind>,
    },
    /// One contestant's part of a row that needs a process for each: the program starts it itself.
    Part {
        row: u8,
        contestant: String,
        amount: u32,
    },
}

impl Task {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut words = arguments.iter().map(String::as_str).peekable();
        if words.next_if_eq(&"chart").is_some() {
            let tables = words.next().ok_or(USAGE)?.to_owned();
            return Ok(Self::Chart { tables, chart: words.next().ok_or(USAGE)?.to_owned() });
        }
        if words.next_if_eq(&"readme").is_some() {
            return Ok(Self::Readme { tables: words.next().ok_or(USAGE)?.to_owned() });
        }
        let build = words.next_if_eq(&"build").is_some();
        if words.next_if_eq(&"part").is_some() {
            let row = words.next().ok_or(USAGE)?.parse()?;
            let contestant = words.next().ok_or(USAGE)?.to_owned();
            let amount = words.next().ok_or(USAGE)?.parse()?;
            return Ok(Self::Part { row, contestant, amount });
        }
        let (mut runs, mut quick, mut row, mut classes, mut ports) = (None, false, None, None, None);
        let mut macs = None;
        let mut kinds = vec![Kind::Htb, Kind::Hfsc];
        while let Some(word) = words.next() {
            match word {
                "--runs" => runs = Some(words.next().ok_or(USAGE)?.parse::<usize>()?.max(1)),
                "--quick" if !build => quick = true,
                "--classes" if !build => {
                    classes = Some(words.next().ok_or(USAGE)?.parse::<u16>()?.clamp(2, 10_000))
                }
                "--ports" if !build => ports = Some(words.next().ok_or(USAGE)?.parse::<u32>()?.clamp(1, 64)),
                "--macs" if !build => {
                    macs = Some(words.next().ok_or(USAGE)?.parse::<u32>()?.clamp(1_000, 200_000))
                }
                "--kind" if !build => {
                    let name = words.next().ok_or(USAGE)?;
                    kinds.retain(|kind| kind.name() == name);
                    if kinds.is_empty() {
                        return Err(USAGE.into());
                    }
                }
                "--row" if !build => row = Some(words.next().ok_or(USAGE)?.parse()?),
                _ => return Err(USAGE.into()),
            }
        }
        if build {
            return Ok(Self::Build { runs: runs.unwrap_or(1) });
        }
        let plan = if quick {
            Plan {
                runs: 3,
                entries: 2_000,
                streamed: 20_000,
                sockets: 1_000,
                classes: 200,
                calls: 2_000,
                singles: 20,
                held: 100,
                events: 500,
                devices: 500,
                routes: 20_000,
                ports: 4,
                secys: 5,
                macs: 6_400,
                segment_routes: 2_000,
                policies: 200,
                managed: 400,
                filters: 1_000,
                churn: 20_000,
                stored: 20_000,
                idle_millis: 500,
            }
        } else {
            Plan {
                runs: 7,
                entries: 20_000,
                streamed: 200_000,
                sockets: 10_000,
                classes: 2_000,
                calls: 20_000,
                singles: 200,
                held: 1_000,
                events: 5_000,
                devices: 10_000,
                routes: 500_000,
                ports: 64,
                secys: 50,
                macs: 200_000,
                segment_routes: 50_000,
                policies: 5_000,
                managed: 4_000,
                filters: 10_000,
                churn: 200_000,
                stored: 800_000,
                idle_millis: 2_000,
            }
        };
        let classes = classes.unwrap_or(plan.classes);
        let ports = ports.unwrap_or(plan.ports);
        let macs = macs.unwrap_or(plan.macs);
        Ok(Self::Compare {
            plan: Plan { runs: runs.unwrap_or(plan.runs), classes, ports, macs, ..plan },
            row,
            kinds,
        })
    }
}

/// Puts the tables into the READMEs, which are where this program was built.
fn write_readmes(tables: &str) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (project, own) = (folder.join("../../README.md"), folder.join("README.md"));
    let chart = chart::chart(tables)?;
    let (with_rows, with_tables) =
        readme::readmes(tables, &fs::read_to_string(&project)?, &fs::read_to_string(&own)?)?;
    fs::write(project, with_rows)?;
    fs::write(own, with_tables)?;
    fs::write(folder.join("chart.svg"), chart)?;
    Ok(())
}

fn compare(plan: Plan, only: Option<u8>, kinds: &[Kind]) -> Result<()> {
    for row in (1..=35).filter(|row| *row != 6) {
        if only.is_some_and(|only| only != row) {
            continue;
        }
        let tables = match row {
            1 => vec![rows::list(plan)?],
            2 => vec![rows::insert(plan)?],
            3 => vec![rows::delete(plan)?],
            4 => rows::decode_all(plan)?,
            5 => vec![rows::stream(plan)?],
            7 => vec![rows::list_mptcp(plan)?],
            12 => vec![calls::change(plan)?],
            13 => vec![calls::list(plan)?],
            14 => calls::tasks(plan)?,
            15 => classes::one_by_one(plan)?,
            16 => calls::endpoint(plan)?,
            17 => vec![calls::open(plan)?],
            18 => vec![agent::connections(plan)?],
            19 => vec![agent::watches(plan)?],
            20 => vec![agent::picture(plan)?],
            21 => agent::burst(plan)?,
            22 => agent::latency(plan)?,
            23 => vec![agent::plugin(plan)?],
            24 => vec![listing::devices(plan)?],
            25 => vec![listing::routes(plan)?],
            26 => vlans::row(plan)?,
            27 => macsec::row(plan)?,
            28 => segments::row(plan)?,
            29 => leaf::row(plan)?,
            30 => flower::row(plan)?,
            31 => managers::row(plan)?,
            32 => vec![events::fdb_churn(plan)?],
            33 => vec![events::route_churn(plan)?],
            34 => vec![events::stored(plan)?],
            35 => vec![events::idle(plan)?],
            _ => {
                let mut tables = Vec::new();
                for kind in kinds {
                    tables.extend(classes::row(plan, row, *kind)?);
                }
                tables
            }
        };
        for table in tables {
            println!("{table}");
        }
    }
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let (kernel, runs, load) = (kernel.trim(), plan.runs, load.trim());
    println!("Linux {kernel}, {}. Runs: {runs}. Load average at the end: {load}", today()?);
    Ok(())
}

/// The date, as `date` has it.
fn today() -> Result<String> {
    let output = Command::new("date").args(["-u", "+%F"]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn part(row: u8, contestant: &str, amount: u32) -> Result<()> {
    let words = |numbers: &[f64]| numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
    let line = match row {
        5 => words(&rows::stream_once(contestant, amount)?),
        18 => words(&agent::connections_once(contestant, amount)?),
        19 => words(&agent::watches_once(contestant, amount)?),
        20 => words(&agent::picture_once(contestant, amount)?),
        23 => return agent::plugin_once(contestant),
        29 => words(&leaf::once(contestant, amount)?),
        34 => words(&events::stored_once(contestant, amount)?),
        _ => return Err(USAGE.into()),
    };
    println!("{line}");
    Ok(())
}

/// What the asynchronous contestants run on: the cheapest runtime tokio has.
fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}
