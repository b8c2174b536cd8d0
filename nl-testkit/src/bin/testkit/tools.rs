//! Programs of this machine that the virtual machines need.

use std::{
    env,
    ffi::OsStr,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Mutex,
};

use nl_testkit::{Need, Result};

/// Makes sure that all the programs are there: as root they are installed, otherwise the error says how to.
pub(crate) fn ensure() -> Result {
    // One lane installs, the others wait for it.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock();
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if find("apt-get").is_none() {
        return Err(format!("virtual machines need Debian's apt, and these packages: {names}").into());
    }
    if Need::HostRoot.probe().is_err() {
        return Err(format!(
            "missing programs; install them with: apt-get install --no-install-recommends {names}"
        )
        .into());
    }
    eprintln!("installing {names}");
    let mut update = command("apt-get");
    update.args(["update", "-qq"]);
    run(&mut update)?;
    let mut install = command("apt-get");
    install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(&missing);
    run(install.env("DEBIAN_FRONTEND", "noninteractive"))?;
    Ok(())
}

/// A command with administrators' folders on its search path, and messages in English.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", search_path()).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

/// Runs a command to its end and returns what it printed; what it complained about is in the error.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("run {program}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{program} {}` ended with {}\n{text}{stderr}", words.join(" "), output.status).into())
}

fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&search_path()).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn search_path() -> String {
    let path = env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin")
}

/// Programs and the Debian packages they are in.
const PROGRAMS: &[(&str, &str)] = &[
    ("apt-cache", "apt"),
    ("depmod", "kmod"),
    ("dpkg-deb", "dpkg"),
    ("flock", "util-linux"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("setpriv", "util-linux"),
    ("tar", "tar"),
    ("unshare", "util-linux"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
];
