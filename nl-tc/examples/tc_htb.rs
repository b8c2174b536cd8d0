//! HTB, with the command line of `tc qdisc` and `tc class`.
//!
//! ```text
//! tc_htb qdisc { add | replace } dev DEV { root | parent ID } [handle ID] [htb] [default MINOR] [r2q N] [direct_qlen N] [offload]
//! tc_htb class { add | change | replace } dev DEV [parent ID] classid ID [htb] rate RATE [ceil RATE] [burst SIZE]
//!     [cburst SIZE] [prio N] [quantum SIZE] [mtu N] [mpu N] [overhead N] [linklayer { ethernet | atm }]
//! tc_htb qdisc delete dev DEV { root | parent ID } | class delete dev DEV classid ID | show dev DEV
//! ```
//!
//! Try it without privilege in a new namespace. A comma separates commands:
//! ```text
//! unshare -Urn target/debug/examples/tc_htb qdisc add dev lo root handle 1: htb , \
//!     class add dev lo classid 1:10 htb rate 10mbit ceil 100mbit , \
//!     show dev lo
//! ```

mod common;

use std::process::ExitCode;

use common::{Result, Words};
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::{LinkLayer, Rate, Size};

pub(crate) fn main() -> ExitCode {
    common::run("htb", |words| Ok(qdisc(words)?.into()), |words| Ok(class(words)?.into()))
}

fn qdisc(words: &mut Words) -> Result<HtbConfig> {
    let mut config = HtbConfig::new();
    while let Some(word) = words.word() {
        config = match word.as_str() {
            "default" => config.default_class(minor(words)?),
            "r2q" => config.r2q(words.value()?),
            "direct_qlen" => config.direct_qlen(words.value()?),
            "offload" => config.offload(true),
            _ => return Err(format!("what is {word}?").into()),
        };
    }
    Ok(config)
}

/// Hexadecimal, as in `tc`.
fn minor(words: &mut Words) -> Result<u16> {
    Ok(u16::from_str_radix(&words.value::<String>()?, 16)?)
}

fn class(words: &mut Words) -> Result<HtbClassConfig> {
    if !words.skip("rate") {
        return Err("rate RATE comes first".into());
    }
    let mut config = HtbClassConfig::new(words.value()?);
    while let Some(word) = words.word() {
        config = match word.as_str() {
            "ceil" => config.ceil(words.value::<Rate>()?),
            "burst" => config.burst(words.value::<Size>()?),
            "cburst" => config.cburst(words.value::<Size>()?),
            "prio" => config.prio(words.value()?),
            "quantum" => config.quantum(words.value::<Size>()?),
            "mtu" => config.mtu(words.value()?),
            "mpu" => config.mpu(words.value()?),
            "overhead" => config.overhead(words.value()?),
            "linklayer" if words.skip("atm") || words.skip("adsl") => config.link_layer(LinkLayer::Atm),
            "linklayer" if words.skip("ethernet") => config.link_layer(LinkLayer::Ethernet),
            _ => return Err(format!("what is {word}?").into()),
        };
    }
    Ok(config)
}
