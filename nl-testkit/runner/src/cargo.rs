//! Asking cargo for the workspace and its test binaries, and running those.

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nl_testkit::{Need, Result};
use serde_json::Value;

use crate::{lanes::Lanes, tools::cargo};

/// The packages of the workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) target: PathBuf,
    pub(crate) lanes: Lanes,
    packages: Vec<Package>,
    /// The names of their integration tests.
    tests: BTreeSet<String>,
    libraries: PathBuf,
}

#[derive(Clone, Debug)]
struct Package {
    id: String,
    name: String,
    folder: PathBuf,
}

/// One built test binary.
#[derive(Clone, Debug)]
pub(crate) struct Executable {
    pub(crate) package: String,
    pub(crate) target: String,
    kind: String,
    path: PathBuf,
    folder: PathBuf,
}

/// What a run printed and how it ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) lines: Vec<String>,
    pub(crate) success: bool,
    pub(crate) ending: String,
}

impl Workspace {
    /// The workspace of the current folder, with its own lanes unless others are given.
    pub(crate) fn load(lanes: Option<&Lanes>) -> Result<Self> {
        let output = cargo()
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err("`cargo metadata` failed".into());
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)?;
        let packages = metadata
            .pointer("/packages")
            .and_then(Value::as_array)
            .ok_or("cargo metadata lists no packages")?;
        let targets = packages.iter().filter_map(|package| package.get("targets")?.as_array()).flatten();
        // Not those that run only when they are asked for.
        let is_run = |target: &&Value| target.get("test") == Some(&Value::Bool(true));
        let tests = targets.filter(|target| text(target, "/kind/0") == "test").filter(is_run);
        let tests = tests.map(|target| text(target, "/name")).collect();
        let packages = packages.iter().map(|package| {
            let manifest = PathBuf::from(text(package, "/manifest_path"));
            let folder = manifest.parent().map(PathBuf::from).unwrap_or_default();
            Package { id: text(package, "/id"), name: text(package, "/name"), folder }
        });
        let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output()?;
        let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
        let target = PathBuf::from(text(&metadata, "/target_directory"));
        let beside = || Lanes::beside(Path::new(&text(&metadata, "/workspace_root")));
        Ok(Self {
            target,
            lanes: lanes.cloned().unwrap_or_else(beside),
            packages: packages.collect(),
            tests,
            libraries: PathBuf::from(sysroot).join("lib"),
        })
    }

    /// The names of integration tests that need no network of their own.
    pub(crate) fn unit_tests(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().map(String::as_str).filter(|name| *name != KERNEL)
    }

    /// Builds test binaries; the arguments choose which. Machines run the same ones, with the libraries that they lack.
    pub(crate) fn build(&self, which: &[&str]) -> Result<Vec<Executable>> {
        let mut command = cargo();
        command.args(["test", "--no-run", "--all-features", "--message-format", "json-render-diagnostics"]);
        command.args(which);
        let output = command.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err("the tests do not build".into());
        }
        let mut built = Vec::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
            let is_test = text(&message, "/reason") == "compiler-artifact"
                && message.pointer("/profile/test") == Some(&Value::Bool(true));
            let (true, Some(path)) = (is_test, message.pointer("/executable").and_then(Value::as_str)) else {
                continue;
            };
            let id = text(&message, "/package_id");
            let package = self.packages.iter().find(|package| package.id == id);
            let package =
                package.ok_or_else(|| format!("cargo built {path} for the unknown package {id}"))?;
            built.push(Executable {
                package: package.name.clone(),
                target: text(&message, "/target/name"),
                kind: text(&message, "/target/kind/0"),
                path: path.into(),
                folder: package.folder.clone(),
            });
        }
        built.sort_by(|a, b| (&a.package, &a.kind, &a.target).cmp(&(&b.package, &b.kind, &b.target)));
        Ok(built)
    }

    /// What the tests of a binary need, those that a filter picks.
    pub(crate) fn needs(&self, executable: &Executable, filter: Option<&String>) -> Result<Vec<Need>> {
        let output = self.command(executable).env("NL_TESTKIT_NEEDS", "1").args(filter).output()?;
        if !output.status.success() {
            return Err(format!("{} does not report its needs ({})", executable.name(), output.status).into());
        }
        String::from_utf8_lossy(&output.stdout).lines().map(|line| Ok(Need::parse(line)?)).collect()
    }

    /// A command that runs a built binary as `cargo test` would.
    pub(crate) fn command(&self, executable: &Executable) -> Command {
        let mut command = Command::new(&executable.path);
        let mut paths = vec![self.libraries.clone()];
        let inherited = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        paths.extend(env::split_paths(&inherited));
        command
            .current_dir(&executable.folder)
            .env("CARGO_MANIFEST_DIR", &executable.folder)
            .env("CARGO_PKG_NAME", &executable.package)
            .env("LD_LIBRARY_PATH", env::join_paths(paths).unwrap_or(inherited));
        command
    }
}

impl Executable {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it holds kernel tests.
    pub(crate) fn is_kernel(&self) -> bool {
        self.kind == "test" && self.target == KERNEL
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {} {}", self.package, self.kind, self.target)
    }
}

/// Runs a command to its end, and keeps what it prints.
pub(crate) fn hear(mut command: Command) -> Result<Run> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let lines = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    Ok(Run { lines, success: output.status.success(), ending: output.status.to_string() })
}

/// Runs a command to its end, showing each line it prints as it comes.
pub(crate) fn show(mut command: Command) -> Result<Run> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut lines = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            println!("{line}");
            lines.push(line);
        }
    }
    let status = child.wait()?;
    Ok(Run { lines, success: status.success(), ending: status.to_string() })
}

/// The text at a place in a JSON value; empty when there is none.
pub(crate) fn text(value: &Value, place: &str) -> String {
    value.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The name of a test binary that holds kernel tests.
pub(crate) const KERNEL: &str = "kernel";
