//! `testkit shell`: a shell on the console of a virtual machine, for a look around.

use std::{collections::BTreeMap, env, fs, path::PathBuf, process::ExitCode};

use nl_testkit::Result;

use super::{
    accel::{self, tempfile},
    extras,
    image::Image,
    job::{Job, Task},
    kernel::Kernel,
    options::Options,
    program::DEFAULT,
    qemu::{Limits, Machine},
};
use crate::{lane::vm::settings, lanes::Lanes};

/// What to boot, and what to bring along.
#[derive(Debug)]
pub(crate) struct Shell {
    kernel: Kernel,
    programs: Vec<PathBuf>,
    variables: BTreeMap<String, String>,
}

impl Shell {
    /// Reads a command line, and looks for the programs before anything is fetched.
    pub(crate) fn of(mut words: &[&str]) -> Result<Self> {
        let mut options = Options::default();
        while let Some(rest) = options.take(words)? {
            words = rest;
        }
        let mut programs = Vec::new();
        for word in words {
            if word.starts_with('-') {
                return Err(format!("`shell` has no option {word}").into());
            }
            let path = fs::canonicalize(word).map_err(|error| format!("{word}: {error}"))?;
            if !path.is_file() {
                return Err(format!("{word}: not a file").into());
            }
            programs.push(path);
        }
        let mut kernels = options.kernels(Some(DEFAULT))?;
        match (kernels.pop(), kernels.is_empty()) {
            (Some(kernel), true) => Ok(Self { kernel, programs, variables: options.variables }),
            _ => Err("`shell` takes one kernel".into()),
        }
    }
}

/// Boots, with the terminal of the caller as the console, until the shell ends or the machine is stopped.
pub(crate) fn run(shell: Shell, lanes: &Lanes) -> Result<ExitCode> {
    let Shell { kernel, programs, variables } = shell;
    let guest = lanes.guest()?;
    let image = Image::get(&kernel)?;
    let accel = accel::find(&image)?;
    let image = extras::add(image, &guest.packages, kernel.lane())?;
    let mut environment = settings(accel);
    environment.extend(env::var("TERM").map(|value| ("TERM".to_owned(), value)));
    environment.insert("PS1".to_owned(), format!("{}# ", kernel.lane()));
    environment.extend(variables);
    let task = |program| Task { program, arguments: Vec::new(), environment: BTreeMap::new() };
    let job = Job {
        environment,
        tasks: programs.into_iter().map(task).collect(),
        files: guest.files,
        shell: true,
        ..Job::default()
    };
    println!("{}", image.about);
    let machine = Machine {
        image,
        accel,
        processors: kernel.processors(accel),
        folder: tempfile("shell")?,
        limits: Limits::of(accel),
    };
    let ended = machine.console(&job);
    let _ = fs::remove_dir_all(&machine.folder);
    ended.map(|()| ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(words: &[&str]) -> String {
        Shell::of(words).map_or_else(|error| error.to_string(), |shell| format!("{shell:?}"))
    }

    #[test]
    fn a_shell_has_one_kernel_and_may_have_programs() {
        assert_eq!(Shell::of(&[]).unwrap().kernel.lane(), "vm-6.12");
        let shell = Shell::of(&["--kernel", "7", "--env", "A=1", "/proc/self/exe"]).unwrap();
        assert_eq!((shell.kernel.lane(), shell.programs.len(), shell.variables.len()), ("vm-7", 1, 1));
    }

    #[test]
    fn what_it_cannot_have_is_refused() {
        assert_eq!(refusal(&["--kernel", "6.1,7"]), "`shell` takes one kernel");
        assert_eq!(refusal(&["--what"]), "`shell` has no option --what");
        assert!(refusal(&["/nowhere"]).starts_with("/nowhere: "));
    }
}
