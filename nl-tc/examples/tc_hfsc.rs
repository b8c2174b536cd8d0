//! HFSC, with the command line of `tc`, and a check whether the link can hold the guarantees.
//!
//! ```text
//! tc_hfsc qdisc { add | change | replace } dev DEV { root | parent ID } [handle ID] [hfsc] [default MINOR]
//! tc_hfsc class { add | change | replace } dev DEV [parent ID] classid ID [hfsc] [{ rt | ls | sc | ul } CURVE]…
//!     CURVE := [m1 RATE d TIME] m2 RATE | [[umax SIZE] dmax TIME] rate RATE
//! tc_hfsc qdisc delete dev DEV { root | parent ID } | class delete dev DEV classid ID | show dev DEV
//! ```
//!
//! If the variable `LINK_RATE` is set, a class whose real-time curve exceeds a link of that rate is refused.
//!
//! Try it without privilege in a new namespace. A comma separates commands:
//! ```text
//! unshare -Urn target/debug/examples/tc_hfsc qdisc add dev lo root handle 1: hfsc , \
//!     class add dev lo classid 1:10 hfsc sc umax 1500 dmax 10ms rate 1mbit , \
//!     show dev lo
//! ```

mod common;

use std::process::ExitCode;
use std::time::Duration;

use common::{Result, Words};
use nl_tc::hfsc::{HfscClassConfig, HfscConfig, ServiceCurve, admit};
use nl_tc::{Rate, Size};

pub(crate) fn main() -> ExitCode {
    common::run("hfsc", |words| Ok(qdisc(words)?.into()), |words| Ok(class(words)?.into()))
}

fn qdisc(words: &mut Words) -> Result<HfscConfig> {
    let mut config = HfscConfig::new();
    while let Some(word) = words.word() {
        config = match word.as_str() {
            "default" => config.default_class(minor(words)?),
            _ => return Err(format!("what is {word}?").into()),
        };
    }
    Ok(config)
}

/// Hexadecimal, as in `tc`.
fn minor(words: &mut Words) -> Result<u16> {
    Ok(u16::from_str_radix(&words.value::<String>()?, 16)?)
}

fn class(words: &mut Words) -> Result<HfscClassConfig> {
    let mut config = HfscClassConfig::new();
    while let Some(word) = words.word() {
        config = match word.as_str() {
            "rt" => config.real_time(curve(words)?),
            "ls" => config.link_share(curve(words)?),
            "sc" => config.service(curve(words)?),
            "ul" => config.upper_limit(curve(words)?),
            _ => return Err(format!("what is {word}?").into()),
        };
    }
    if let Ok(link) = std::env::var("LINK_RATE") {
        admit(link.parse()?, config.real_time)?;
    }
    Ok(config)
}

fn curve(words: &mut Words) -> Result<ServiceCurve> {
    let (mut m1, mut d) = (Rate::ZERO, Duration::ZERO);
    let (mut umax, mut dmax) = (Size(0), Duration::ZERO);
    loop {
        match words.word().ok_or("a curve ends in m2 RATE or rate RATE")?.as_str() {
            "m1" => m1 = words.value()?,
            "d" => d = time(words)?,
            "umax" => umax = words.value()?,
            "dmax" => dmax = time(words)?,
            "m2" => return Ok(ServiceCurve::two_piece(m1, d, words.value()?)),
            "rate" => return Ok(ServiceCurve::delay(umax, dmax, words.value()?)),
            word => return Err(format!("what is {word}?").into()),
        }
    }
}

/// Such as `10ms`.
fn time(words: &mut Words) -> Result<Duration> {
    let word: String = words.value()?;
    let (number, unit) = word.split_at(word.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(word.len()));
    let micros = match unit {
        "s" => 1_000_000,
        "ms" => 1000,
        "us" | "" => 1,
        _ => return Err(format!("{word} is not a time: a number and s, ms or us").into()),
    };
    Ok(Duration::from_micros(number.parse::<u32>()?.into()) * micros)
}
