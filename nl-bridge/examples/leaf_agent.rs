//! A leaf of an EVPN that follows a description in a file, and a stream of MAC addresses behind other leaves.
//!
//! ```text
//! leaf_agent DESCRIPTION.toml SOCKET     follows the file and the socket until it is killed
//! leaf_agent --plan DESCRIPTION.toml     prints the steps that would be taken
//! leaf_agent --remove DESCRIPTION.toml   removes what was made for the description
//! ```
//! The description is a `nl_bridge::leaf::BridgeConfig` in TOML, as `leaf.toml` beside this file, or in JSON if the name ends in
//! `.json`. The socket is a Unix socket that takes a line of JSON for each change:
//!
//! ```text
//! {"op":"replace","mac":"02:00:00:00:00:01","vni":10010,"dst":"192.0.2.2"}
//! {"op":"replace","mac":"02:00:00:00:00:02","vni":10010,"nhid":5001}          behind a segment
//! {"op":"delete","mac":"02:00:00:00:00:01","vni":10010,"dst":"192.0.2.2"}     if it is still behind that leaf
//! {"op":"delete","mac":"02:00:00:00:00:02","vni":10010}
//! {"op":"end"}       all addresses were sent: those that an earlier run left behind and that were not among them are removed
//! {"op":"status"}    answered with a line
//! ```
//! Lines that are there already go to the kernel together. What a run that crashed left behind is taken over: devices by their stamps,
//! addresses by `extern_learn` and their VNIs. The file is read again when it changes; one that cannot be applied leaves the leaf as it
//! is. `leaf-agent.service` beside this file starts it.

#[path = "leaf_agent/agent.rs"]
mod agent;

use std::process::ExitCode;
use std::sync::Arc;

use nl_bridge::leaf::Leaf;
use nl_core::{Connection, Protocol};

use agent::{Agent, Outcome, read};

pub(crate) fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["--plan", path] => plan(path),
        ["--remove", path] => remove(path),
        [path, socket] if !path.starts_with('-') => Agent::run(path, socket, &Arc::default()),
        _ => Err("leaf_agent [--plan | --remove] DESCRIPTION.toml [SOCKET]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("leaf_agent: {error}");
            ExitCode::FAILURE
        }
    }
}

fn plan(path: &str) -> Outcome {
    let leaf = Leaf::new(Connection::open(Protocol::Route)?);
    let plan = leaf.plan(&read(path)?).wait()?;
    print!("{plan}");
    plan.others().iter().for_each(|other| println!("# {other}"));
    Ok(())
}

fn remove(path: &str) -> Outcome {
    let leaf = Leaf::new(Connection::open(Protocol::Route)?);
    print!("{}", leaf.remove(&read(path)?).wait()?);
    Ok(())
}
