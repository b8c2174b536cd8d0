//! What large tables of the kernel cost this project, in time and memory, with the kernel's own share apart. See README.md.

mod chart;
mod measure;
mod report;
mod tables;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use nl_testkit::{Lab, Result, sandbox};
use tokio::runtime::Builder;

use crate::report::Report;
use crate::tables::Table;

const USAGE: &str = "\
usage: scale [--quick] [--table links|routes|fdb|classes]... [--charts FOLDER] [--page FILE] [--check]
  --quick           a tenth of each size
  --table NAME      this table only; all by default
  --charts FOLDER   writes time.svg and memory.svg there
  --page FILE       writes a page of the guide with the tables, and both charts beside it
  --check           fails where a list costs more than in proportion to its length, or a stream takes memory by it";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("scale: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let plan = Plan::parse(env::args().skip(1))?;
    // Before any thread exists: the runtime and everything after it are born inside.
    sandbox::enter()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(measure(&plan))?;
    print!("{}", report.table());
    if let Some(folder) = &plan.charts {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("time.svg"), report.time_chart()?)?;
        fs::write(folder.join("memory.svg"), report.memory_chart()?)?;
    }
    if let Some(page) = &plan.page {
        let beside = |name: &str| page.with_file_name(name);
        fs::write(beside(report::TIME), report.time_chart()?)?;
        fs::write(beside(report::MEMORY), report.memory_chart()?)?;
        fs::write(page, report.page())?;
    }
    let complaints = if plan.check { report.complaints() } else { Vec::new() };
    for complaint in &complaints {
        eprintln!("scale: {complaint}");
    }
    Ok(if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(plan: &Plan) -> Result<Report> {
    let mut report = Report::new(made_on()?);
    // Kept to the end: a network that is taken down would be measured with the next table.
    let mut labs = Vec::new();
    for table in &plan.tables {
        let lab = Lab::new(table.name())?;
        // Without IPv6 no device makes itself an address.
        lab.quiet();
        let node = lab.node("a").await?;
        labs.push(lab);
        let largest = if plan.quick { table.largest() / 10 } else { table.largest() };
        report.add(*table, measure::rows(*table, &node, largest).await?);
    }
    Ok(report)
}

/// The kernel and the date.
fn made_on() -> Result<String> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let date = Command::new("date").args(["-u", "+%F"]).output()?;
    Ok(format!("Linux {}, {}", kernel.trim(), String::from_utf8(date.stdout)?.trim()))
}

/// What was asked for.
#[derive(Debug)]
struct Plan {
    quick: bool,
    check: bool,
    tables: Vec<Table>,
    charts: Option<PathBuf>,
    page: Option<PathBuf>,
}

impl Plan {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut plan = Self { quick: false, check: false, tables: Vec::new(), charts: None, page: None };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => plan.quick = true,
                "--check" => plan.check = true,
                "--table" => {
                    let name = words.next().ok_or(USAGE)?;
                    let found = Table::ALL.into_iter().find(|table| table.word() == name);
                    plan.tables.push(found.ok_or(USAGE)?);
                }
                "--charts" => plan.charts = Some(words.next().ok_or(USAGE)?.into()),
                "--page" => plan.page = Some(words.next().ok_or(USAGE)?.into()),
                _ => return Err(USAGE.into()),
            }
        }
        if plan.tables.is_empty() {
            plan.tables = Table::ALL.to_vec();
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Plan> {
        Plan::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn every_option_is_read_and_another_one_refused() {
        let plan = parse("--quick --table fdb --table links --charts out --check").unwrap();
        assert_eq!(plan.tables, [Table::Fdb, Table::Links]);
        assert!(plan.quick && plan.check && plan.charts.is_some_and(|folder| folder.ends_with("out")));
        assert!(parse("--page out.md").unwrap().page.is_some_and(|page| page.ends_with("out.md")));
        assert_eq!(parse("").unwrap().tables, Table::ALL);
        for wrong in ["--table", "--table none", "--charts", "--page", "more"] {
            assert_eq!(parse(wrong).unwrap_err().to_string(), USAGE);
        }
    }
}
