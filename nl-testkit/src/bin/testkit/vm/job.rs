//! What a virtual machine is told to do, packed into its file system beside this program, which is its init.

use std::{
    collections::BTreeMap,
    env,
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

use nl_testkit::Result;
use serde_json::json;

use super::{
    cpio::Archive,
    elf,
    tools::{command, run},
    userland::libraries,
};

/// Programs to run one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Job {
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) tasks: Vec<Task>,
    /// What the lane promises, for the tests to read.
    pub(crate) promises: String,
}

/// One program to run.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// On this machine.
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
}

impl Job {
    /// Writes the second part of the initial file system, and returns what the kernel is told about its init.
    pub(crate) fn pack(&self, to: &Path) -> Result<String> {
        let mut archive = Archive::new(BufWriter::new(File::create(to)?));
        archive.folder(FOLDER)?;
        let init = pack_self(&mut archive)?;
        let mut places: BTreeMap<&Path, String> = BTreeMap::new();
        for task in &self.tasks {
            if places.contains_key(task.program.as_path()) {
                continue;
            }
            if let Some(loader) = elf::interpreter(&task.program)? {
                let program = task.program.display();
                return Err(format!(
                    "{program} needs {loader}, but a virtual machine runs static programs only: build it with \
                     RUSTFLAGS=\"-C target-feature=+crt-static\" and --target x86_64-unknown-linux-gnu"
                )
                .into());
            }
            let name = task.program.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            let place = format!("{FOLDER}/{}-{name}", places.len());
            archive.copy(&place, &task.program)?;
            places.insert(&task.program, place);
        }
        let tasks = self.tasks.iter().map(|task| {
            json!({
                "program": places.get(task.program.as_path()).map(|place| format!("/{place}")),
                "arguments": task.arguments,
                "environment": task.environment,
            })
        });
        let tasks: Vec<_> = tasks.collect();
        let job = json!({ "environment": self.environment, "tasks": tasks });
        archive.file(&format!("{FOLDER}/job.json"), 0o644, job.to_string().as_bytes())?;
        archive.file(&format!("{FOLDER}/promises.txt"), 0o644, self.promises.as_bytes())?;
        archive.finish()?;
        Ok(init)
    }
}

/// Puts this program into the archive. A dynamic one takes its own libraries along: the machine's may be newer than
/// those of the suite.
fn pack_self(archive: &mut Archive<BufWriter<File>>) -> Result<String> {
    let own = env::current_exe()?;
    archive.copy(&format!("{FOLDER}/testkit"), &own)?;
    let Some(loader) = elf::interpreter(&own)? else {
        return Ok(format!("rdinit=/{FOLDER}/testkit -- {INIT}"));
    };
    let text = run(command(&loader).arg("--list").arg(&own))?;
    for (name, path) in libraries(&text) {
        archive.copy(&format!("{FOLDER}/{name}"), &path)?;
    }
    archive.copy(&format!("{FOLDER}/loader"), Path::new(&loader))?;
    Ok(format!("rdinit=/{FOLDER}/loader -- --library-path /{FOLDER} /{FOLDER}/testkit {INIT}"))
}

/// The word that makes this program an init.
pub(crate) const INIT: &str = "vm-init";
const FOLDER: &str = "testkit";
/// Where the guest finds its job.
pub(crate) const JOB: &str = "/testkit/job.json";
/// Where the tests find what the lane promises.
pub(crate) const PROMISES: &str = "/testkit/promises.txt";
