//! A host's network card with an HTB on each of its queues, and cake below.
//!
//! ```text
//! tc_host_queues [remove] DEV QUEUES RATE
//! ```

#[path = "setups/queues.rs"]
mod queues;
#[path = "setups/run.rs"]
mod run;

use std::process::ExitCode;

use nl_tc::Rate;

use run::{Result, Setup};

pub(crate) fn main() -> ExitCode {
    run::run("DEV QUEUES RATE", setup)
}

fn setup(words: &[String]) -> Option<Result<Setup>> {
    let [dev, queues, rate] = words else { return None };
    Some(numbers(queues, rate).map(|(count, rate)| queues::host_queues(dev, count, rate)))
}

fn numbers(queues: &str, rate: &str) -> Result<(u16, Rate)> {
    Ok((queues.parse()?, rate.parse()?))
}
