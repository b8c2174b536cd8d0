//! A parser for `tc` command lines, which uses the types of the crate.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use nl_core::{Error, error::ErrorKind};
use nl_testkit_tdc::Ran;

/// The reason why a command was not run.
#[derive(Debug)]
pub(super) enum Stop {
    /// The crate does not support it.
    NotOurs(String),
    /// A type of the crate cannot hold it.
    NoValue(String),
    /// The crate or the kernel refused it, or it failed otherwise.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Stop {
    /// A lost connection is not a refusal.
    pub(super) fn ran(self) -> Ran {
        match self {
            Self::NotOurs(why) => Ran::NotApplicable(why),
            Self::NoValue(why) => Ran::Refused(format!("before the kernel: {why}")),
            Self::Failed(error) => match error.kind() {
                ErrorKind::Usage(_) => Ran::Refused(format!("before the kernel: {error}")),
                ErrorKind::Kernel(_) | ErrorKind::Unsupported { .. } => {
                    Ran::Refused(format!("by the kernel: {error}"))
                }
                _ => Ran::Exit(-1, error.to_string()),
            },
        }
    }
}

/// The remaining words.
#[derive(Clone, Debug)]
pub(super) struct Words<'a>(std::vec::IntoIter<&'a str>);

impl<'a> Words<'a> {
    pub(super) fn new(words: Vec<&'a str>) -> Self {
        Self(words.into_iter())
    }

    pub(super) fn next(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    pub(super) fn peek(&self) -> Option<&'a str> {
        self.0.as_slice().first().copied()
    }

    fn value(&mut self, of: &str) -> Result<&'a str, Stop> {
        self.next().ok_or_else(|| Stop::NoValue(format!("{of} without a value")))
    }

    /// The word after `of`, as a type that parses the words of `tc` or numbers.
    pub(super) fn parse<T: FromStr<Err: Display>>(&mut self, of: &str) -> Result<T, Stop> {
        let text = self.value(of)?;
        text.parse().map_err(|error| Stop::NoValue(format!("{of} {text}: {error}")))
    }

    /// A minor number, hexadecimal.
    pub(super) fn minor(&mut self, of: &str) -> Result<u16, Stop> {
        let text = self.value(of)?;
        u16::from_str_radix(text, 16).map_err(|error| Stop::NoValue(format!("{of} {text}: {error}")))
    }

    /// A time. A number without a unit is in microseconds.
    pub(super) fn time(&mut self, of: &str) -> Result<Duration, Stop> {
        let text = self.value(of)?;
        let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let seconds = match unit {
            "s" => 1.0,
            "ms" => 1e-3,
            "" | "us" => 1e-6,
            "ns" => 1e-9,
            _ => return Err(Stop::NoValue(format!("{of} {text}"))),
        };
        let number: f64 = number.parse().map_err(|error| Stop::NoValue(format!("{of} {text}: {error}")))?;
        Duration::try_from_secs_f64(number * seconds)
            .map_err(|error| Stop::NoValue(format!("{of} {text}: {error}")))
    }

    /// Decimal numbers until another word comes.
    pub(super) fn numbers<T: FromStr<Err: Display>>(&mut self, of: &str) -> Result<Vec<T>, Stop> {
        let mut numbers = Vec::new();
        while self.peek().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
            numbers.push(self.parse(of)?);
        }
        Ok(numbers)
    }
}

/// Calls a function for each word.
pub(super) fn each<C>(
    words: &mut Words<'_>,
    mut config: C,
    mut take: impl FnMut(C, &str, &mut Words<'_>) -> Result<C, Stop>,
) -> Result<C, Stop> {
    while let Some(word) = words.next() {
        config = take(config, word, words)?;
    }
    Ok(config)
}

/// A word that is not translated. Those that no `tc` has either are refused, as the cases with them expect.
pub(super) fn unknown<T>(kind: &str, word: &str) -> Result<T, Stop> {
    if ["/", "foorbar", "pump", "unsupp_arg"].contains(&word) {
        return Err(Stop::NoValue(format!("{kind} has no {word}")));
    }
    Err(Stop::NotOurs(format!("nl-tc has no {word} of {kind}, or it was not thought of")))
}
