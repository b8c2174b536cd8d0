//! What runs where: the passes of a binary, the part each runs, and what the lane promises.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

use libtest_mimic::Arguments;

use super::case::TestCase;
use crate::{Need, lab::Skipped, sandbox, sys::Isolation};

/// Which kinds of root a run uses, from `NL_TESTKIT_MODE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Rootless, and as real root what needs it, if the caller is real root.
    Auto,
    /// Everything as real root, as in a virtual machine.
    Root,
    /// Only what needs real root.
    RootOnly,
    /// Everything rootless; what needs real root is skipped.
    User,
    /// Only what needs no real root.
    UserOnly,
}

impl Mode {
    pub(super) fn from_env() -> Result<Self, String> {
        match env::var("NL_TESTKIT_MODE").as_deref() {
            Err(_) | Ok("" | "auto") => Ok(Self::Auto),
            Ok("root") => Ok(Self::Root),
            Ok("root-only") => Ok(Self::RootOnly),
            Ok("user") => Ok(Self::User),
            Ok("user-only") => Ok(Self::UserOnly),
            Ok(other) => {
                Err(format!("NL_TESTKIT_MODE is {other:?}, not auto, root, root-only, user or user-only"))
            }
        }
    }
}

/// Which tests a pass is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    All,
    ForRoot,
    ForUser,
}

impl Part {
    pub(super) fn from_env() -> Self {
        match env::var(PART).as_deref() {
            Ok("for-root") => Self::ForRoot,
            Ok("for-user") => Self::ForUser,
            _ => Self::All,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::ForRoot => "for-root",
            Self::ForUser => "for-user",
        }
    }

    pub(super) const fn includes(self, for_root: bool) -> bool {
        match self {
            Self::All => true,
            Self::ForRoot => for_root,
            Self::ForUser => !for_root,
        }
    }
}

/// The copies of the program to run, one after the other.
#[derive(Debug)]
pub(super) struct Passes(Vec<(Isolation, Part)>);

impl Passes {
    pub(super) fn plan(mode: Mode, arguments: &Arguments) -> Result<Self, String> {
        let cases = cases()?;
        Ok(match mode {
            Mode::Root => Self(vec![(Isolation::Plain, Part::All)]),
            Mode::RootOnly => Self(vec![(Isolation::Plain, Part::ForRoot)]),
            Mode::UserOnly => Self(vec![(Isolation::User, Part::ForUser)]),
            Mode::Auto if sandbox::is_real_root() => {
                let any = |part: Part| {
                    cases
                        .iter()
                        .any(|case| part.includes(case.is_for_root()) && is_selected(arguments, &case.name()))
                };
                let mut passes = Vec::new();
                if any(Part::ForUser) || !any(Part::ForRoot) {
                    passes.push((Isolation::User, Part::ForUser));
                }
                if any(Part::ForRoot) {
                    passes.push((Isolation::Plain, Part::ForRoot));
                }
                Self(passes)
            }
            Mode::Auto | Mode::User => Self(vec![(Isolation::User, Part::All)]),
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Isolation, Part)> {
        self.0.iter().copied()
    }
}

/// What becomes of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// A need the lane promised is not met.
    Broken(String),
    Run,
    /// The need that is not met, and why.
    Skip(Need, String),
}

/// The place tests run in and the needs it promises to meet.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) name: String,
    promises: BTreeSet<Need>,
}

impl Lane {
    pub(super) fn from_env(isolation: Isolation) -> Result<Self, String> {
        let named = env::var("NL_TESTKIT_LANE").ok().filter(|name| !name.is_empty());
        let given = env::var_os("NL_TESTKIT_PROMISES").filter(|path| !path.is_empty());
        let promises = match (given, &named) {
            (Some(path), _) => read_promises(Path::new(&path))?,
            (None, Some(name)) => read_promises(&find(name)?)?,
            (None, None) => BTreeSet::new(),
        };
        let default = match isolation {
            Isolation::Plain => "host-root",
            Isolation::User => "host-rootless",
        };
        Ok(Self { name: named.unwrap_or_else(|| default.to_owned()), promises })
    }

    pub(super) fn fate(&self, needs: &[Need]) -> Fate {
        let mut fate = Fate::Run;
        for need in needs {
            if let Err(reason) = need.probe() {
                if self.promises(need) {
                    return Fate::Broken(format!("lane {} promises {need}, but: {reason}", self.name));
                }
                if fate == Fate::Run {
                    fate = Fate::Skip(need.clone(), format!("{need}: {reason}"));
                }
            }
        }
        fate
    }

    /// The reason with which a body may skip itself, or as an error why it may not.
    pub(super) fn fate_of_skip(&self, skipped: &Skipped) -> Result<String, String> {
        let Skipped { need, reason } = skipped;
        match need.probe() {
            Ok(()) => Err(format!("the body asked to be skipped for want of {need}, which is met: {reason}")),
            Err(why) if self.promises(need) => {
                Err(format!("lane {} promises {need}, but: {why}; {reason}", self.name))
            }
            Err(why) => Ok(format!("{need}: {why}; {reason}")),
        }
    }

    fn promises(&self, need: &Need) -> bool {
        self.promises.iter().any(|promise| need.follows_from(promise))
    }
}

/// The tests of this binary: planted ones only for the kit's tests of itself, and of the others those that declare the
/// need in `NL_TESTKIT_ONLY`, if there is one.
pub(super) fn cases() -> Result<Vec<&'static TestCase>, String> {
    let planted = env::var_os("NL_TESTKIT_PLANTED").is_some();
    let only = env::var("NL_TESTKIT_ONLY").ok().filter(|text| !text.is_empty());
    let only = only.map(|text| Need::parse(&text)).transpose();
    let only = only.map_err(|error| format!("NL_TESTKIT_ONLY: {error}"))?;
    let is_wanted = |case: &&TestCase| {
        (planted || !case.planted) && only.as_ref().is_none_or(|need| case.needs.contains(need))
    };
    Ok(inventory::iter::<TestCase>.into_iter().filter(is_wanted).collect())
}

/// Whether the filters pick the test, by the rules of libtest.
pub(super) fn is_selected(arguments: &Arguments, name: &str) -> bool {
    let matches =
        |filter: &String| if arguments.exact { name == filter } else { name.contains(filter.as_str()) };
    arguments.filter.as_ref().is_none_or(matches) && !arguments.skip.iter().any(matches)
}

/// The file of a lane: `lanes/NAME.txt` in the current folder, which is the package's under cargo, or in the nearest above.
fn find(lane: &str) -> Result<PathBuf, String> {
    let here = env::current_dir().map_err(|error| format!("there is no current folder: {error}"))?;
    let name = format!("lanes/{lane}.txt");
    let places = here.ancestors().map(|folder| folder.join(&name));
    places
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| format!("no {name} in {} or above says what the lane promises", here.display()))
}

fn read_promises(path: &Path) -> Result<BTreeSet<Need>, String> {
    let text = fs::read_to_string(path)
        .map_err(|error| format!("read what the lane promises, {}: {error}", path.display()))?;
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(|line| Need::parse(line).map_err(|error| format!("{}: {error}", path.display())))
        .collect()
}

/// Asks for what the tests need instead of running them.
pub(super) const NEEDS: &str = "NL_TESTKIT_NEEDS";
/// Tells the inner process which tests are its own.
pub(super) const PART: &str = "NL_TESTKIT_PART";
