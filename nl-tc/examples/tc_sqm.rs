//! A shaper for a home router, as sqm-scripts make it with `tc`: with a token bucket, or with cake.
//!
//! ```text
//! tc_sqm [remove] { tbf | cake } DEV IFB UP DOWN
//! ```
//!
//! The ifb must be there and up. Try it without privilege in a new namespace:
//! ```text
//! unshare -Urn sh -c 'ip link add ifb0 type ifb && ip link set ifb0 up && ip link set lo up &&
//!     target/debug/examples/tc_sqm tbf lo ifb0 20mbit 100mbit'
//! ```

#[path = "setups/run.rs"]
mod run;
#[path = "setups/sqm.rs"]
mod sqm;

use std::process::ExitCode;

use nl_tc::Rate;

use run::{Result, Setup};

pub(crate) fn main() -> ExitCode {
    run::run("{ tbf | cake } DEV IFB UP DOWN", setup)
}

fn setup(words: &[String]) -> Option<Result<Setup>> {
    let [kind, dev, ifb, up, down] = words else { return None };
    let make = match kind.as_str() {
        "tbf" => sqm::simplest_tbf,
        "cake" => sqm::cake,
        _ => return None,
    };
    Some(rates(up, down).map(|(up, down)| make(dev, ifb, up, down)))
}

fn rates(up: &str, down: &str) -> Result<(Rate, Rate)> {
    Ok((up.parse()?, down.parse()?))
}
