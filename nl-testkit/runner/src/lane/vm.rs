//! Kernel tests on other kernels, in virtual machines.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use nl_testkit::{Need, Result};

use super::{Lane, host::list};
use crate::{
    cargo::{Executable, Run, Workspace},
    ledger,
    tally::Report,
    vm::{
        accel, extras,
        image::Image,
        job::{Job, Task},
        kernel::Kernel,
        qemu::{Accel, Event, Limits, Machine},
    },
};

/// One kernel.
#[derive(Clone, Debug)]
pub(crate) struct Vm {
    pub(crate) kernel: Kernel,
    /// Instead of the usual place for the console and the ledger, in the target folder.
    pub(crate) folder: Option<&'static str>,
    pub(crate) works: Vec<Work>,
    /// Instead of what the lane promises.
    pub(crate) promises: Option<String>,
    /// Whether each promise is tried, even one that no test needs.
    pub(crate) probe: bool,
    /// Instead of the usual limits.
    pub(crate) limits: Option<Limits>,
    /// Whether lines begin with the name of the lane, as several print at once.
    pub(crate) prefix: bool,
    /// Which part of the lane this is, where it is run in several machines: 1 and up.
    pub(crate) part: Option<usize>,
}

/// One test binary and how it is started.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) executable: Executable,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    /// How many tests it has for the lane, if that is known.
    pub(crate) listed: Option<usize>,
}

impl Work {
    pub(crate) fn new(executable: Executable, filter: Option<&String>) -> Self {
        Self {
            executable,
            arguments: filter.into_iter().cloned().collect(),
            environment: BTreeMap::new(),
            listed: None,
        }
    }

    /// Asks the program, on this machine, how many tests it has for a lane.
    pub(crate) fn list(&self, workspace: &Workspace, kernel: &Kernel) -> Result<usize> {
        let mode = if Need::HostRoot.probe().is_ok() { "root" } else { "user" };
        let mut command = workspace.command(&self.executable);
        command.args(&self.arguments).envs(&self.environment).env("NL_TESTKIT_MODE", mode);
        command.env("NL_TESTKIT_ONLY", kernel.only().unwrap_or_default());
        command.env_remove("NL_TESTKIT_LANE").env_remove("NL_TESTKIT_PROMISES");
        list(command)
    }
}

/// What one binary has said so far.
#[derive(Debug, Default)]
struct Heard {
    lines: Vec<String>,
    ledger: Vec<String>,
    exit: Option<(i32, String)>,
}

impl Vm {
    pub(crate) fn new(kernel: Kernel, works: Vec<Work>) -> Self {
        Self {
            kernel,
            folder: None,
            works,
            promises: None,
            probe: false,
            limits: None,
            prefix: false,
            part: None,
        }
    }

    /// Where the console and the ledger are.
    pub(crate) fn folder(&self, workspace: &Workspace) -> PathBuf {
        let lane = || Path::new("nl-testkit").join(self.kernel.lane());
        let whole = workspace.target.join(self.folder.map_or_else(lane, PathBuf::from));
        self.part.map_or(whole.clone(), |part| whole.join(format!("part-{part}")))
    }

    fn say(&self, line: &str) {
        let mut out = std::io::stdout().lock();
        // Nobody listens: nothing to do about it.
        let _ = if self.prefix {
            match self.part {
                None => writeln!(out, "[{}] {line}", self.kernel.lane()),
                Some(part) => writeln!(out, "[{} {part}] {line}", self.kernel.lane()),
            }
        } else {
            writeln!(out, "{line}")
        };
    }

    fn boot(&self, workspace: &Workspace, report: &mut Report) -> Result {
        let guest = workspace.lanes.guest()?;
        let (image, accel) = {
            // Parts of a lane have one image.
            let _alone = IMAGES.lock().unwrap_or_else(PoisonError::into_inner);
            let image = Image::get(&self.kernel)?;
            let accel = accel::find(&image)?;
            (extras::add(image, &guest.packages, self.kernel.lane())?, accel)
        };
        let how = match accel {
            Accel::Emulation => "by emulation",
            Accel::Kvm => "with KVM",
        };
        self.say(&format!("{}, {how}", image.about));
        let promises = match &self.promises {
            Some(promises) => promises.clone(),
            None => workspace.lanes.promises_asked_for(self.kernel.lane())?,
        };
        let tasks = self.works.iter().map(|work| Task {
            program: work.executable.path().to_owned(),
            arguments: work.arguments.clone(),
            environment: work.environment.clone(),
        });
        let mut environment = settings(accel);
        environment.insert("NL_TESTKIT_LANE".to_owned(), self.kernel.lane().to_owned());
        if let Some(only) = self.kernel.only() {
            self.say(&format!("of the tests only those that need {only}"));
            environment.insert("NL_TESTKIT_ONLY".to_owned(), only.to_owned());
        }
        let job = Job {
            environment,
            tasks: tasks.collect(),
            files: guest.files,
            shell: false,
            promises,
            probe: self.probe,
        };
        let folder = self.folder(workspace);
        let machine = Machine {
            image,
            accel,
            processors: self.kernel.processors(accel),
            folder: folder.clone(),
            limits: self.limits.unwrap_or_else(|| Limits::of(accel)),
        };
        let mut heard: Vec<Heard> = Vec::new();
        let mut broken = Vec::new();
        let ending = machine.boot(&job, &mut |event| match event {
            Event::Broken(promise) => broken.push(format!("promised, but {promise}")),
            event => self.hear(event, &mut heard),
        })?;
        report.problems.extend(broken);
        let mut all = Vec::new();
        for (work, heard) in self.works.iter().zip(&heard) {
            all.extend(heard.ledger.iter().map(|line| format!("{line}\n")));
            let (success, ending) = match &heard.exit {
                Some((code, text)) => (*code == 0, text.clone()),
                None => (false, "it did not end".to_owned()),
            };
            let run = Run { lines: heard.lines.clone(), success, ending };
            let name = work.executable.name();
            let counted = ledger::count(&name, &heard.ledger, &run, work.listed, &workspace.lanes, report);
            if let Err(error) = counted {
                report.problems.push(format!("{}: {error}", work.executable.name()));
            }
        }
        fs::write(folder.join("ledger.jsonl"), all.concat())?;
        for work in self.works.iter().skip(heard.len()) {
            report.problems.push(format!("{} was not started", work.executable.name()));
        }
        report.problems.extend(ending.complaint);
        Ok(())
    }

    fn hear(&self, event: Event, heard: &mut Vec<Heard>) {
        if let Event::Begin(index) = event {
            let name = self.works.get(index).map(|work| work.executable.name()).unwrap_or_default();
            self.say(&format!("\n--- {name}"));
            heard.push(Heard::default());
            return;
        }
        let Some(current) = heard.last_mut() else { return };
        match event {
            Event::Begin(_) | Event::Broken(_) => {}
            Event::Exit { code, text } => current.exit = Some((code, text)),
            Event::Ledger(line) => current.ledger.push(line),
            Event::Stderr(line) => self.say(&line),
            Event::Stdout(line) => {
                self.say(&line);
                current.lines.push(line);
            }
        }
    }
}

impl Lane for Vm {
    fn name(&self) -> &str {
        self.kernel.lane()
    }

    fn run(&self, workspace: &Workspace) -> Option<Report> {
        if self.works.is_empty() {
            self.say("no test belongs to this lane");
            return None;
        }
        let mut report = Report::new(self.kernel.lane());
        if let Err(error) = self.boot(workspace, &mut report) {
            report.problems.push(error.to_string());
        }
        report.must_have_run();
        Some(report)
    }
}

/// What every program inside gets to know.
pub(crate) fn settings(accel: Accel) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::from([("NL_TESTKIT_VM".to_owned(), "1".to_owned())]);
    if accel == Accel::Emulation {
        settings.insert("NL_TESTKIT_SCALE".to_owned(), "20".to_owned());
        settings.insert("NL_TESTKIT_PATIENCE".to_owned(), "5".to_owned());
    }
    for (name, value) in std::env::vars() {
        let is_ours = name.starts_with("NL_TESTKIT_")
            && !["CACHE", "KEEP", "LANE", "LEDGER", "ONLY", "PROMISES", "REFRESH"]
                .iter()
                .any(|end| name.ends_with(end));
        if is_ours || name.starts_with("RUST_") {
            settings.insert(name, value);
        }
    }
    settings
}

static IMAGES: Mutex<()> = Mutex::new(());
