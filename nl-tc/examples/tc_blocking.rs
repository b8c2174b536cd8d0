//! Traffic control without an async runtime: the qdiscs of a device, and the classes in each.
//!
//! ```text
//! tc_blocking DEV
//! ```
//!
//! Reading needs no privilege: `target/debug/examples/tc_blocking lo`

use std::process::ExitCode;

use nl_core::{Connection, Protocol, Result};
use nl_tc::Tc;

pub(crate) fn main() -> ExitCode {
    let Some(dev) = std::env::args().nth(1) else {
        eprintln!("usage: tc_blocking DEV");
        return ExitCode::FAILURE;
    };
    match show(&dev) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn show(dev: &str) -> Result<()> {
    let tc = Tc::new(Connection::open(Protocol::Route)?);
    for qdisc in tc.qdiscs().dev(dev).list().wait()? {
        let qdisc = qdisc?;
        println!("{qdisc}: {} bytes sent", qdisc.stats.bytes);
        if qdisc.handle.is_none() {
            continue;
        }
        for class in tc.classes(dev).qdisc(qdisc.handle).list().wait()? {
            let class = class?;
            println!("  {class}: {} bytes sent", class.stats.bytes);
        }
    }
    Ok(())
}
