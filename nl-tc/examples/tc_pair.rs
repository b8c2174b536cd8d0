//! The pair of a container runtime: every frame of one device goes out of the other, both ways.
//!
//! ```text
//! tc_pair [remove] VETH TAP
//! ```

#[path = "setups/pair.rs"]
mod pair;
#[path = "setups/run.rs"]
mod run;

use std::process::ExitCode;

use run::{Result, Setup};

pub(crate) fn main() -> ExitCode {
    run::run("VETH TAP", setup)
}

fn setup(words: &[String]) -> Option<Result<Setup>> {
    let [one, other] = words else { return None };
    Some(Ok(pair::pair(one, other)))
}
