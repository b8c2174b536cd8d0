//! Options about virtual machines, which several commands have.

use std::{collections::BTreeMap, env};

use nl_testkit::Result;

use super::kernel::Kernel;

/// What was given of them.
#[derive(Debug, Default)]
pub(crate) struct Options<'a> {
    kernels: Option<&'a str>,
    modules: Vec<&'a str>,
    /// Variables of the caller's that programs in the machine get.
    pub(crate) variables: BTreeMap<String, String>,
}

impl<'a> Options<'a> {
    /// Takes one off the beginning of a command line, and returns what follows; `None` if there is none of them.
    pub(crate) fn take<'w>(&mut self, words: &'w [&'a str]) -> Result<Option<&'w [&'a str]>> {
        Ok(match words {
            ["--env", text, rest @ ..] => {
                let (name, value) = variable(text)?;
                self.variables.insert(name, value);
                Some(rest)
            }
            ["--kernel", text, rest @ ..] => {
                self.kernels = Some(text);
                Some(rest)
            }
            ["--modules", path, rest @ ..] => {
                self.modules.push(path);
                Some(rest)
            }
            _ => None,
        })
    }

    /// Whether none was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.kernels.is_none() && self.modules.is_empty() && self.variables.is_empty()
    }

    /// The kernels that were named, or the usual ones, of which `None` is all.
    pub(crate) fn kernels(&self, usual: Option<&str>) -> Result<Vec<Kernel>> {
        Kernel::list(self.kernels.or(usual), &self.modules)
    }
}

/// Reads `NAME=VALUE`, or `NAME` for the value that it has here.
fn variable(text: &str) -> Result<(String, String)> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, value.to_owned()),
        None => (text, env::var(text).map_err(|error| format!("--env {text}: {error}"))?),
    };
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(format!("--env {text}: {name:?} is no name of a variable").into());
    }
    if OURS.contains(&name) {
        return Err(format!("--env {text}: testkit itself says what {name} is in the machine").into());
    }
    Ok((name.to_owned(), value))
}

/// What is set for each program in the machine.
const OURS: &[&str] =
    &["NL_TESTKIT_LANE", "NL_TESTKIT_LEDGER", "NL_TESTKIT_ONLY", "NL_TESTKIT_PROMISES", "NL_TESTKIT_VM"];

#[cfg(test)]
mod tests {
    use super::*;

    fn take(words: &[&str]) -> std::result::Result<BTreeMap<String, String>, String> {
        let mut options = Options::default();
        let mut words = words;
        while let Some(rest) = options.take(words).map_err(|error| error.to_string())? {
            words = rest;
        }
        Ok(options.variables)
    }

    #[test]
    fn a_variable_is_given_or_the_one_of_here() {
        let words = ["--env", "A=b=c", "--env", "EMPTY=", "--env", "CARGO_PKG_NAME", "rest", "--env", "no=1"];
        let variables = take(&words).unwrap();
        let pairs: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("A", "b=c"), ("CARGO_PKG_NAME", "nl-testkit-runner"), ("EMPTY", "")]);
    }

    #[test]
    fn a_variable_that_is_not_there_or_is_ours_is_refused() {
        let error = take(&["--env", "NL_TESTKIT_NO_SUCH_VARIABLE"]).unwrap_err();
        assert!(error.starts_with("--env NL_TESTKIT_NO_SUCH_VARIABLE: "), "{error}");
        assert!(take(&["--env", "=1"]).unwrap_err().contains("no name of a variable"));
        assert!(take(&["--env", "NL_TESTKIT_LANE=x"]).unwrap_err().contains("testkit itself"));
    }
}
