//! `testkit run`: one program in a virtual machine, as if it had run here. Cargo can run tests with it.

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
    accel::{self, tempfile},
    extras,
    image::Image,
    job::{Job, Task},
    kernel::Kernel,
    options::Options,
    qemu::{Event, Limits, Machine},
};
use crate::{lane::vm::settings, lanes::Lanes};

/// What to run where.
#[derive(Debug)]
pub(crate) struct Program {
    kernels: Vec<Kernel>,
    path: PathBuf,
    arguments: Vec<String>,
    variables: BTreeMap<String, String>,
}

impl Program {
    /// Reads a command line, and looks for the program before anything is fetched or booted for it.
    pub(crate) fn of(mut words: &[&str]) -> Result<Self> {
        let mut options = Options::default();
        while let Some(rest) = options.take(words)? {
            words = rest;
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
        let kernels = options.kernels(Some(DEFAULT))?;
        // Its reader, such as nextest, would take each test for several of the same name.
        if kernels.len() > 1 && arguments.contains(&"--list") {
            return Err("--list takes one kernel, as each may have other tests to skip".into());
        }
        let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        Ok(Self { kernels, path, arguments, variables: options.variables })
    }

    /// Boots one kernel, runs the program, prints what it printed, and returns its exit code.
    fn boot(&self, kernel: &Kernel, lanes: &Lanes) -> Result<u8> {
        let image = Image::get(kernel)?;
        let accel = accel::find(&image)?;
        let guest = lanes.guest()?;
        let image = extras::add(image, &guest.packages, kernel.lane())?;
        let mut environment = settings(accel);
        environment.insert("NL_TESTKIT_LANE".to_owned(), kernel.lane().to_owned());
        environment.extend(
            env::vars().filter(|(name, _)| name.starts_with("CARGO_") || name.starts_with("NEXTEST")),
        );
        let task = Task {
            program: self.path.clone(),
            arguments: self.arguments.clone(),
            environment: self.variables.clone(),
        };
        let job = Job {
            environment,
            tasks: vec![task],
            files: guest.files,
            shell: false,
            promises: lanes.promises_asked_for(kernel.lane())?,
            probe: false,
        };
        let machine = Machine {
            image,
            accel,
            processors: kernel.processors(accel),
            folder: tempfile("run")?,
            limits: Limits::of(accel),
        };
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
            return Ok(TROUBLE);
        }
        match exit {
            Some((code, _)) => Ok(u8::try_from(code).unwrap_or(TROUBLE)),
            None => Err("the program did not end".into()),
        }
    }
}

/// Runs the program under each kernel, one after the other; the exit code is the first that is no success.
pub(crate) fn run(program: &Program, lanes: &Lanes) -> Result<ExitCode> {
    let several = program.kernels.len() > 1;
    let mut code = 0;
    for kernel in &program.kernels {
        if several {
            eprintln!("\n=== lane {} ===", kernel.lane());
        }
        let ended = match program.boot(kernel, lanes) {
            Err(error) if several => {
                eprintln!("testkit: {}: {error}", kernel.lane());
                TROUBLE
            }
            ended => ended?,
        };
        if code == 0 {
            code = ended;
        }
    }
    Ok(ExitCode::from(code))
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

/// The kernel of a command that names none.
pub(super) const DEFAULT: &str = "6.12";
/// The exit code when the machine, not the program, failed.
const TROUBLE: u8 = 125;

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(words: &[&str]) -> String {
        Program::of(words).map_or_else(|error| error.to_string(), |program| format!("{program:?}"))
    }

    #[test]
    fn several_kernels_are_taken_and_options_may_end_with_two_dashes() {
        let program = Program::of(&["--kernel", "6.1,7", "--", "/proc/self/exe", "--exact", "a"]).unwrap();
        let lanes: Vec<&str> = program.kernels.iter().map(Kernel::lane).collect();
        assert_eq!((lanes, program.arguments), (vec!["vm-6.1", "vm-7"], vec!["--exact".into(), "a".into()]));
        assert_eq!(Program::of(&["/proc/self/exe"]).unwrap().kernels.len(), 1);
    }

    #[test]
    fn what_cannot_be_run_is_refused_before_anything_is_fetched() {
        assert!(refusal(&[]).contains("takes a program"));
        assert!(refusal(&["--what"]).contains("no option --what"));
        assert!(refusal(&["/nowhere"]).starts_with("/nowhere: "));
        assert!(refusal(&["--kernel", "5.4", "/proc/self/exe"]).starts_with("no kernel 5.4"));
        assert!(refusal(&["--env", "=", "/proc/self/exe"]).starts_with("--env =: "));
        assert!(refusal(&["--modules", "/tmp", "/proc/self/exe"]).starts_with("--modules goes with"));
    }

    #[test]
    fn a_list_is_of_one_kernel() {
        assert!(refusal(&["--kernel", "6.1,7", "/proc/self/exe", "--list"]).starts_with("--list takes one"));
    }
}
