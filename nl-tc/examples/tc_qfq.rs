//! QFQ, with the command line of `tc`.
//!
//! ```text
//! tc_qfq qdisc { add | replace } dev DEV { root | parent ID } [handle ID] [qfq]
//! tc_qfq class { add | change | replace } dev DEV classid ID [qfq] [weight N] [maxpkt SIZE]
//! tc_qfq qdisc delete dev DEV { root | parent ID } | class delete dev DEV classid ID | show dev DEV
//! ```
//!
//! Try it without privilege in a new namespace. A comma separates commands:
//! ```text
//! unshare -Urn target/debug/examples/tc_qfq qdisc add dev lo root handle 1: qfq , \
//!     class add dev lo classid 1:10 qfq weight 10 maxpkt 2048 , \
//!     show dev lo
//! ```

mod common;

use std::process::ExitCode;

use common::{Result, Words};
use nl_tc::Size;
use nl_tc::qfq::{QfqClassConfig, QfqConfig};

pub(crate) fn main() -> ExitCode {
    common::run("qfq", |_| Ok(QfqConfig::new().into()), |words| Ok(class(words)?.into()))
}

fn class(words: &mut Words) -> Result<QfqClassConfig> {
    let weight = if words.skip("weight") { words.value()? } else { 1 };
    let mut config = QfqClassConfig::new(weight);
    while let Some(word) = words.word() {
        config = match word.as_str() {
            "maxpkt" => config.maxpkt(words.value::<Size>()?),
            _ => return Err(format!("what is {word}?").into()),
        };
    }
    Ok(config)
}
