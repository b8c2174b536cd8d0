//! Says why VLANs do not reach their VNIs, with the commands that mend it, whoever configured the leaf.
//!
//! ```text
//! cargo run -p nl-bridge --example doctor --features doctor,serde
//! doctor [--json] [DESCRIPTION.json]
//! ```
//!
//! With a description of the leaf, as `nl_bridge::leaf::BridgeConfig` is written in JSON, it knows which VLAN is to have which VNI. It
//! exits with 1 if there is a fault. It needs no privilege.

use std::process::ExitCode;

use nl_bridge::doctor::{Doctor, Finding};
use nl_bridge::leaf::BridgeConfig;
use nl_core::{Connection, Protocol};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> ExitCode {
    match run().await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("doctor: {error}");
            ExitCode::from(2)
        }
    }
}

/// Prints the findings, and returns how many there are.
async fn run() -> Outcome<usize> {
    let (mut as_json, mut description) = (false, None);
    for word in std::env::args().skip(1) {
        match word.as_str() {
            "--json" => as_json = true,
            option if option.starts_with('-') => return Err(format!("unknown option {option}").into()),
            path if description.is_none() => description = Some(read(path)?),
            other => return Err(format!("{other}: one description is possible").into()),
        }
    }
    let doctor = Doctor::new(Connection::open(Protocol::Route)?);
    let findings = match &description {
        Some(config) => doctor.examine_with(config).await?,
        None => doctor.examine().await?,
    };
    if as_json {
        let all: Vec<Value> = findings.iter().map(value).collect();
        println!("{:#}", Value::from(all));
    } else {
        findings.iter().for_each(|finding| println!("{finding}"));
    }
    Ok(findings.len())
}

fn read(path: &str) -> Outcome<BridgeConfig> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?)
}

fn value(finding: &Finding) -> Value {
    json!({
        "object": finding.object,
        "fault": finding.fault,
        "text": finding.fault.to_string(),
        "mend": finding.fault.mend(),
    })
}
