//! ETS, with the command line of `tc`.
//!
//! ```text
//! tc_ets qdisc { add | change | replace } dev DEV { root | parent ID } [handle ID] [ets] bands N [strict N] [quanta N…]
//!     [priomap N…]
//! tc_ets class change dev DEV classid ID [ets] quantum SIZE
//! tc_ets qdisc delete dev DEV { root | parent ID } | show dev DEV
//! ```
//!
//! Try it without privilege in a new namespace. A comma separates commands:
//! ```text
//! unshare -Urn target/debug/examples/tc_ets qdisc add dev lo root handle 1: ets bands 3 strict 1 , \
//!     class change dev lo classid 1:2 ets quantum 3000 , \
//!     show dev lo
//! ```

mod common;

use std::error::Error;
use std::process::ExitCode;
use std::str::FromStr;

use common::{Result, Words};
use nl_tc::Size;
use nl_tc::ets::{EtsClassConfig, EtsConfig};

pub(crate) fn main() -> ExitCode {
    common::run("ets", |words| Ok(qdisc(words)?.into()), |words| Ok(class(words)?.into()))
}

fn qdisc(words: &mut Words) -> Result<EtsConfig> {
    if !words.skip("bands") {
        return Err("bands N comes first".into());
    }
    let mut config = EtsConfig::new(words.value()?);
    while let Some(word) = words.word() {
        config = match word.as_str() {
            "strict" => config.strict(words.value()?),
            "quanta" => config.quanta(list(words)?),
            "priomap" => config.priomap(list(words)?),
            _ => return Err(format!("what is {word}?").into()),
        };
    }
    Ok(config)
}

fn class(words: &mut Words) -> Result<EtsClassConfig> {
    match words.word().as_deref() {
        Some("quantum") => Ok(EtsClassConfig::new(words.value::<Size>()?)),
        _ => Err("quantum SIZE is needed".into()),
    }
}

/// The numbers that follow.
fn list<T: FromStr<Err: Error + 'static>>(words: &mut Words) -> Result<Vec<T>> {
    let mut list = Vec::new();
    while let Some(number) = words.word_if(|word| word.bytes().all(|b| b.is_ascii_digit())) {
        list.push(number.parse()?);
    }
    Ok(list)
}
