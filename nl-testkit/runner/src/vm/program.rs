//! `testkit run`: one program in a virtual machine, as if it had run here. Cargo can be told to run tests with it.

use std::{collections::BTreeMap, env, fs, process::ExitCode};

use nl_testkit::Result;

use super::{
    accel::{Accel, tempfile},
    image::Image,
    job::{Job, Task},
    qemu::{Event, Limits, Machine},
    series::Series,
};
use crate::{lane::vm::settings, lanes::Lanes};

/// Boots, runs the program, prints what it printed, and returns its exit code.
pub(crate) fn run(mut words: &[&str], lanes: &Lanes) -> Result<ExitCode> {
    let mut series = Series::find(DEFAULT)?;
    loop {
        words = match words {
            ["--kernel", name, rest @ ..] => {
                series = Series::find(name)?;
                rest
            }
            ["--", rest @ ..] => {
                words = rest;
                break;
            }
            _ => break,
        };
    }
    let [program, arguments @ ..] = words else { return Err("`run` takes a program".into()) };
    let image = Image::get(series)?;
    let accel = Accel::find(&image)?;
    let mut environment = settings(accel);
    environment.insert("NL_TESTKIT_LANE".to_owned(), series.lane.to_owned());
    environment
        .extend(env::vars().filter(|(name, _)| name.starts_with("CARGO_") || name.starts_with("NEXTEST")));
    let task = Task {
        program: fs::canonicalize(program).map_err(|error| format!("{program}: {error}"))?,
        arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
        environment: BTreeMap::new(),
    };
    let job = Job { environment, tasks: vec![task], promises: lanes.promises(series.lane)?, probe: false };
    let machine = Machine { image, accel, folder: tempfile("run")?, limits: Limits::of(accel) };
    let mut exit = None;
    let ending = machine.boot(&job, &mut |event| match event {
        Event::Stdout(line) => println!("{line}"),
        Event::Stderr(line) => eprintln!("{line}"),
        Event::Exit { code, text } => exit = Some((code, text)),
        Event::Begin(_) | Event::Broken(_) | Event::Ledger(_) => {}
    });
    let ended = ending.map(|ending| ending.complaint);
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

const DEFAULT: &str = "6.12";
/// The exit code when the machine, not the program, failed.
const TROUBLE: u8 = 125;
