//! Programs of this machine that the tests and the virtual machines need.

use std::{
    collections::BTreeSet,
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nl_testkit::Result;

/// Who needs a program: a group of `tools.txt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// The kernel tests on this machine.
    Host,
    /// Fetching and running virtual machines.
    Vm,
}

/// One line that names everything that is missing for the groups and the packages it is in; `None` if nothing is.
pub(crate) fn missing(groups: &[Group]) -> Option<String> {
    missing_in(TOOLS, groups, |place| {
        if place.starts_with('/') { Path::new(place).exists() } else { find(place).is_some() }
    })
}

fn missing_in(tools: &str, groups: &[Group], is_there: impl Fn(&str) -> bool) -> Option<String> {
    let lines = tools.lines().filter(|line| !line.starts_with('#'));
    let wanted = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let (group, places, package) = (words.next()?, words.next()?, words.next()?);
        groups.iter().any(|wanted| wanted.name() == group).then_some((places, package))
    });
    let lacking = wanted.filter(|(places, _)| !places.split('|').any(&is_there));
    let (places, packages): (Vec<&str>, BTreeSet<&str>) =
        lacking.map(|(places, package)| (places.split('|').next().unwrap_or(places), package)).unzip();
    if places.is_empty() {
        return None;
    }
    let packages: Vec<&str> = packages.into_iter().collect();
    Some(format!(
        "missing: {}; on Debian: apt-get install --no-install-recommends {}",
        places.join(" "),
        packages.join(" ")
    ))
}

/// The cargo that runs this program, if one does.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
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

impl Group {
    const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Vm => "vm",
        }
    }
}

fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&search_path()).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn search_path() -> String {
    let path = env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin")
}

/// Also read by `.ci/setup`.
const TOOLS: &str = include_str!("../tools.txt");

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: &str = "\
# a remark
build  cc            gcc
host   ip            iproute2
host   tc            iproute2
vm     /a.gpg|/a.pgp keys
vm     xz            xz-utils
";

    #[test]
    fn everything_missing_is_named_in_one_line_and_each_package_once() {
        let line = missing_in(SOME, &[Group::Host, Group::Vm], |_| false).unwrap();
        assert_eq!(
            line,
            "missing: ip tc /a.gpg xz; on Debian: apt-get install --no-install-recommends iproute2 keys xz-utils"
        );
    }

    #[test]
    fn other_groups_are_not_asked_for() {
        assert_eq!(missing_in(SOME, &[Group::Host], |place| place == "ip" || place == "tc"), None);
    }

    #[test]
    fn one_of_several_places_is_enough() {
        assert_eq!(missing_in(SOME, &[Group::Vm], |place| place == "/a.pgp" || place == "xz"), None);
    }

    #[test]
    fn every_line_of_the_list_has_three_words_and_a_known_group() {
        for line in TOOLS.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert!(matches!(words.as_slice(), ["build" | "host" | "vm", _, _]), "{line}");
        }
    }
}
