//! What a virtual machine is told to do, packed into its file system beside this program, which is its init.

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

use nl_testkit::Result;
use serde_json::json;

use super::{
    cases,
    cpio::Archive,
    elf,
    image::Image,
    libraries::{Suite, listed},
    manifest::Extra,
};
use crate::tools::{command, run};

/// Programs to run one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Job {
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) tasks: Vec<Task>,
    /// Files of this machine that the programs find in the guest.
    pub(crate) files: Vec<Extra>,
    /// Whether the programs are left to somebody at the console, instead of being run.
    pub(crate) shell: bool,
    /// What the lane promises, for the tests to read.
    pub(crate) promises: String,
    /// Whether each promise is tried, even one that no test needs.
    pub(crate) probe: bool,
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
    /// Writes the last part of the initial file system, and returns what the kernel is told about its init.
    pub(crate) fn pack(&self, image: &Image, to: &Path) -> Result<String> {
        let mut archive = Archive::new(BufWriter::new(File::create(to)?));
        archive.folder(FOLDER)?;
        let own = pack_self(&mut archive)?;
        let mut places: BTreeMap<&Path, String> = BTreeMap::new();
        for task in &self.tasks {
            if places.contains_key(task.program.as_path()) {
                continue;
            }
            pack_libraries(&mut archive, image, &task.program)?;
            let name = task.program.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            let place = format!("{FOLDER}/{}-{name}", places.len());
            archive.copy(&place, &task.program)?;
            places.insert(&task.program, place);
        }
        for file in &self.files {
            pack_extra(&mut archive, image, file)?;
        }
        let tasks = self.tasks.iter().map(|task| {
            json!({
                "program": places.get(task.program.as_path()).map(|place| format!("/{place}")),
                "arguments": task.arguments,
                "environment": task.environment,
            })
        });
        let tasks: Vec<_> = tasks.collect();
        let promises =
            self.probe.then(|| [own.as_slice(), &["promises".to_owned(), PROMISES.to_owned()]].concat());
        let job = json!({
            "environment": self.environment,
            "promises": promises,
            "shell": self.shell,
            "tasks": tasks,
        });
        archive.file(&format!("{FOLDER}/job.json"), 0o644, job.to_string().as_bytes())?;
        archive.file(&format!("{FOLDER}/promises.txt"), 0o644, self.promises.as_bytes())?;
        cases::pack(&mut archive)?;
        archive.finish()?;
        let (first, rest) = own.split_first().ok_or("no way to start the init")?;
        Ok([&[format!("rdinit={first} --")], rest, &[INIT.to_owned()]].concat().join(" "))
    }
}

/// Puts a file or folder of this machine into the archive, with the libraries of a program.
fn pack_extra(archive: &mut Archive<BufWriter<File>>, image: &Image, extra: &Extra) -> Result {
    let Extra { from, place } = extra;
    for (at, _) in place.match_indices('/') {
        archive.folder(place.get(..at).unwrap_or_default())?;
    }
    if from.is_dir() {
        archive.folder(place)?;
        return Ok(archive.tree(place, from)?);
    }
    if elf::is_elf(from)? {
        pack_libraries(archive, image, from)?;
    }
    Ok(archive.copy(place, from)?)
}

/// Puts the libraries into the archive that a program of this machine needs and the guest lacks.
fn pack_libraries(archive: &mut Archive<BufWriter<File>>, image: &Image, program: &Path) -> Result {
    let Some(loader) = elf::interpreter(program)? else { return Ok(()) };
    let suite = Suite::read(&image.libraries)?;
    let (libraries, loader) = suite.lacks(Path::new(&loader), program)?;
    for (name, path) in libraries {
        archive.copy(&format!("usr/lib/x86_64-linux-gnu/{name}"), &path)?;
    }
    if let Some(loader) = loader {
        archive.copy("usr/lib64/ld-linux-x86-64.so.2", &loader)?;
    }
    Ok(())
}

/// Puts this program into the archive, and returns the words that start it. A dynamic one takes its own libraries along:
/// the machine's may be newer than those of the suite.
fn pack_self(archive: &mut Archive<BufWriter<File>>) -> Result<Vec<String>> {
    // By process, not by name: a build for the tests may have put another file in its place meanwhile.
    let own = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    archive.copy(&format!("{FOLDER}/testkit"), &own)?;
    let words: &[&str] = match elf::interpreter(&own)? {
        None => &["/testkit/testkit"],
        Some(loader) => {
            let text = run(command(&loader).arg("--list").arg(&own))?;
            for (name, path) in listed(&text) {
                archive.copy(&format!("{FOLDER}/{name}"), &path)?;
            }
            archive.copy(&format!("{FOLDER}/loader"), Path::new(&loader))?;
            &["/testkit/loader", "--library-path", "/testkit", "/testkit/testkit"]
        }
    };
    Ok(words.iter().map(|word| (*word).to_owned()).collect())
}

/// The word that makes this program an init.
pub(crate) const INIT: &str = "vm-init";
const FOLDER: &str = "testkit";
/// Where the guest finds its job.
pub(crate) const JOB: &str = "/testkit/job.json";
/// Where the tests find what the lane promises.
pub(crate) const PROMISES: &str = "/testkit/promises.txt";
