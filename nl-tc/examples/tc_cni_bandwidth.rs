//! The limits of a container, as the bandwidth plugin of CNI makes them.
//!
//! ```text
//! tc_cni_bandwidth [remove] VETH IFB RATE_TO BURST_TO RATE_FROM BURST_FROM
//! ```

#[path = "setups/cni.rs"]
mod cni;
#[path = "setups/run.rs"]
mod run;

use std::process::ExitCode;

use nl_tc::{Rate, Size};

use run::{Result, Setup};

pub(crate) fn main() -> ExitCode {
    run::run("VETH IFB RATE_TO BURST_TO RATE_FROM BURST_FROM", setup)
}

fn setup(words: &[String]) -> Option<Result<Setup>> {
    let [veth, ifb, to, to_burst, from, from_burst] = words else { return None };
    let limits = limit(to, to_burst).and_then(|to| Ok((to, limit(from, from_burst)?)));
    Some(limits.map(|(to, from)| cni::cni_bandwidth(veth, ifb, to, from)))
}

fn limit(rate: &str, burst: &str) -> Result<(Rate, u32)> {
    Ok((rate.parse()?, burst.parse::<Size>()?.0))
}
