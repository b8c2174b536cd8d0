//! DRR, with the command line of `tc`.
//!
//! ```text
//! tc_drr qdisc { add | replace } dev DEV { root | parent ID } [handle ID] [drr]
//! tc_drr class { add | change | replace } dev DEV classid ID [drr] [quantum SIZE]
//! tc_drr qdisc delete dev DEV { root | parent ID } | class delete dev DEV classid ID | show dev DEV
//! ```
//!
//! Try it without privilege in a new namespace. A comma separates commands:
//! ```text
//! unshare -Urn target/debug/examples/tc_drr qdisc add dev lo root handle 1: drr , \
//!     class add dev lo classid 1:10 drr quantum 3000 , \
//!     show dev lo
//! ```

mod common;

use std::process::ExitCode;

use common::{Result, Words};
use nl_tc::Size;
use nl_tc::drr::{DrrClassConfig, DrrConfig};

pub(crate) fn main() -> ExitCode {
    common::run("drr", |_| Ok(DrrConfig::new().into()), |words| Ok(class(words)?.into()))
}

fn class(words: &mut Words) -> Result<DrrClassConfig> {
    let mut config = DrrClassConfig::new();
    while let Some(word) = words.word() {
        config = match word.as_str() {
            "quantum" => config.quantum(words.value::<Size>()?),
            _ => return Err(format!("what is {word}?").into()),
        };
    }
    Ok(config)
}
