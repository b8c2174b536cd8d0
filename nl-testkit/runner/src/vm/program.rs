//! `testkit run`: one program in a virtual machine, as if it had run here. Cargo can be told to run tests with it.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
    process::ExitCode,
};

use nl_testkit::Result;

use super::{
    accel::{Accel, tempfile},
    image::Image,
    job::{Job, Task},
    qemu::{Event, Limits, Machine},
    series::Series,
};
use crate::{lane::vm::settings, lanes::Lanes};

/// What to run where.
#[derive(Debug)]
pub(crate) struct Program {
    series: Series,
    path: PathBuf,
    arguments: Vec<String>,
}

impl Program {
    /// Reads a command line, and looks for the program before anything is fetched or booted for it.
    pub(crate) fn of(mut words: &[&str]) -> Result<Self> {
        let mut series = DEFAULT;
        while let ["--kernel", name, rest @ ..] = words {
            (series, words) = (name, rest);
        }
        match words {
            ["--", rest @ ..] => words = rest,
            [option, ..] if option.starts_with('-') => {
                return Err(
                    format!("`run` has no option {option}; a program of that name goes behind --").into()
                );
            }
            _ => {}
        }
        let [program, arguments @ ..] = words else { return Err("`run` takes a program".into()) };
        let path = fs::canonicalize(program).map_err(|error| format!("{program}: {error}"))?;
        if !path.is_file() {
            return Err(format!("{program}: not a file").into());
        }
        let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        Ok(Self { series: Series::find(series)?, path, arguments })
    }
}

/// Boots, runs the program, prints what it printed, and returns its exit code.
pub(crate) fn run(program: Program, lanes: &Lanes) -> Result<ExitCode> {
    let Program { series, path, arguments } = program;
    let image = Image::get(series)?;
    let accel = Accel::find(&image)?;
    let mut environment = settings(accel);
    environment.insert("NL_TESTKIT_LANE".to_owned(), series.lane.to_owned());
    environment
        .extend(env::vars().filter(|(name, _)| name.starts_with("CARGO_") || name.starts_with("NEXTEST")));
    let task = Task { program: path, arguments, environment: BTreeMap::new() };
    let job = Job {
        environment,
        tasks: vec![task],
        promises: lanes.promises_asked_for(series.lane)?,
        probe: false,
    };
    let machine = Machine { image, accel, folder: tempfile("run")?, limits: Limits::of(accel) };
    let mut exit = None;
    let mut ledger = Ledger::of_environment()?;
    let ending = machine.boot(&job, &mut |event| match event {
        Event::Stdout(line) => println!("{line}"),
        Event::Stderr(line) => eprintln!("{line}"),
        Event::Exit { code, text } => exit = Some((code, text)),
        Event::Ledger(line) => ledger.write(&line),
        Event::Begin(_) | Event::Broken(_) => {}
    });
    let ended = ending.map(|ending| ending.complaint.or(ledger.trouble));
    let _ = fs::remove_dir_all(&machine.folder);
    let trouble = match ended {
        Ok(complaint) => complaint,
        Err(error) => Some(error.to_string()),
    };
    if let Some(trouble) = trouble {
        eprintln!("testkit: {}: {trouble}", machine.image.about);
        return Ok(ExitCode::from(TROUBLE));
    }
    match exit {
        Some((code, _)) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(TROUBLE))),
        None => Err("the program did not end".into()),
    }
}

/// The file in `NL_TESTKIT_LEDGER`, to which the lines are added that the tests write in the machine.
#[derive(Debug, Default)]
struct Ledger {
    file: Option<fs::File>,
    trouble: Option<String>,
}

impl Ledger {
    fn of_environment() -> Result<Self> {
        let Some(path) = env::var_os("NL_TESTKIT_LEDGER").filter(|path| !path.is_empty()) else {
            return Ok(Self::default());
        };
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file =
            file.map_err(|error| format!("open the ledger {}: {error}", PathBuf::from(path).display()))?;
        Ok(Self { file: Some(file), trouble: None })
    }

    fn write(&mut self, line: &str) {
        let Some(file) = &mut self.file else { return };
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            self.trouble = Some(format!("write the ledger: {error}"));
        }
    }
}

const DEFAULT: &str = "6.12";
/// The exit code when the machine, not the program, failed.
const TROUBLE: u8 = 125;
