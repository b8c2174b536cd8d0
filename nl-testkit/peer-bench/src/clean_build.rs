//! What a user waits for first: building everything a tiny program needs, from nothing.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{self, Command};

use crate::Result;
use crate::measure::{self, Cost, median, seconds};
use crate::table::{Table, ratio};

/// A program that depends on one library and opens a connection with it.
#[derive(Debug)]
struct Program {
    name: &'static str,
    /// Lines of its `[dependencies]`.
    dependencies: String,
    source: &'static str,
}

/// CPU time of `cargo build` (dev profile, two jobs, everything downloaded) and the number of crates.
pub(crate) fn table(runs: usize) -> Result<Table> {
    let mut projects = Vec::new();
    for program in programs() {
        match Project::new(&program) {
            Ok(project) => projects.push(project),
            Err(error) => eprintln!("{}: not measured: {error}", program.name),
        }
    }
    let mut costs: Vec<Vec<Cost>> = projects.iter().map(|_| Vec::new()).collect();
    for _ in 0..runs {
        for (project, costs) in projects.iter().zip(&mut costs) {
            costs.push(project.build()?);
        }
    }

    let cpu: Vec<f64> = costs.iter().map(|costs| median(seconds(|cost| cost.cpu, costs))).collect();
    let wall: Vec<f64> = costs.iter().map(|costs| median(seconds(|cost| cost.wall, costs))).collect();
    let cpu_base = cpu.first().copied().unwrap_or_default();
    let wall_base = wall.first().copied().unwrap_or_default();
    let title = format!("6. Clean build (1.00x = {cpu_base:.1} s CPU, {wall_base:.1} s wall; runs: {runs})");
    let mut table = Table::new(title, &["depends on", "CPU", "wall", "crates"]);
    for ((project, cpu), wall) in projects.iter().zip(cpu).zip(wall) {
        let crates = project.crates()?.to_string();
        table.row([project.name.to_owned(), ratio(cpu, cpu_base), ratio(wall, wall_base), crates]);
    }
    Ok(table)
}

fn programs() -> [Program; 3] {
    let bridge = concat!(env!("CARGO_MANIFEST_DIR"), "/../../nl-bridge");
    let core = concat!(env!("CARGO_MANIFEST_DIR"), "/../../nl-core");
    [
        Program {
            name: "nl-bridge",
            // nl-core comes with nl-bridge anyway; it is named because the connection is its type.
            dependencies: format!("nl-bridge = {{ path = {bridge:?} }}\nnl-core = {{ path = {core:?} }}"),
            source: include_str!("../programs/nl_bridge.rs"),
        },
        Program {
            name: "nlink",
            dependencies: r#"nlink = "=0.33.0""#.to_owned(),
            source: include_str!("../programs/nlink.rs"),
        },
        Program {
            name: "rtnetlink",
            dependencies: r#"rtnetlink = "=0.24.0""#.to_owned(),
            source: include_str!("../programs/rtnetlink.rs"),
        },
    ]
}

/// A generated crate in a folder of its own, removed on drop.
#[derive(Debug)]
struct Project {
    name: &'static str,
    folder: PathBuf,
}

impl Project {
    /// Fails when the program cannot be built at all.
    fn new(program: &Program) -> Result<Self> {
        let Program { name, dependencies, source } = program;
        let folder = env::temp_dir().join(format!("peer-bench-{}-{name}", process::id()));
        let project = Self { name, folder };
        fs::create_dir_all(project.folder.join("src"))?;
        let manifest = format!(
            "[package]\nname = \"program\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n{dependencies}\n"
        );
        fs::write(project.folder.join("Cargo.toml"), manifest)?;
        fs::write(project.folder.join("src/main.rs"), source)?;
        output(project.cargo().arg("fetch"))?;
        output(project.cargo().args(["check", "--offline", "-j2"]))?;
        Ok(project)
    }

    fn build(&self) -> Result<Cost> {
        fs::remove_dir_all(self.target())?;
        measure::child(self.cargo().args(["build", "--offline", "-j2", "--quiet"]))
    }

    /// Different crates of the normal dependencies, procedural macros and what they need included.
    fn crates(&self) -> Result<usize> {
        let tree = output(self.cargo().args(["tree", "--offline", "-e", "normal", "--prefix", "none"]))?;
        let named: BTreeSet<(&str, &str)> = tree
            .lines()
            .filter_map(|line| {
                let (name, rest) = line.split_once(' ')?;
                Some((name, rest.split(' ').next()?))
            })
            .filter(|(name, _)| *name != "program")
            .collect();
        Ok(named.len())
    }

    fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    fn cargo(&self) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(&self.folder).env("CARGO_TARGET_DIR", self.target());
        cargo
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // Left behind at worst, in the folder for such files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Standard output; on failure the first error of the compiler.
fn output(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let reason = text.lines().find(|line| line.starts_with("error")).unwrap_or("cargo failed");
    Err(reason.to_owned().into())
}
