//! Why SRv6 packets do not arrive: what one node knows as JSON, and the faults of one or of several.
//!
//! ```text
//! srv6_doctor                           faults of this node
//! srv6_doctor observe NAME > NAME.json  what this node knows
//! srv6_doctor a.json b.json             faults of these nodes, and between them
//! ```

use std::error::Error;
use std::fs;

use nl_core::{Connection, Protocol};
use nl_srv6::doctor::{Doctor, Facts, diagnose};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => print(&[facts().await?]),
        ["observe", name] => println!("{}", serde_json::to_string(&facts().await?.named(*name))?),
        files => {
            let mut nodes = Vec::new();
            for file in files {
                nodes.push(read(file)?);
            }
            print(&nodes);
        }
    }
    Ok(())
}

async fn facts() -> nl_core::Result<Facts> {
    Doctor::new(Connection::open(Protocol::Route)?).facts().await
}

fn read(file: &str) -> Result<Facts, Box<dyn Error>> {
    Ok(serde_json::from_str(&fs::read_to_string(file)?)?)
}

fn print(nodes: &[Facts]) {
    for finding in diagnose(nodes) {
        println!("{finding}");
    }
}
