//! Three policies that act on time and on bytes, one to be chosen:
//! `cargo run --example mptcp_policies -- heavy DEV BYTES | steady | again SECONDS`.
//!
//! - `heavy wwan0 10000000`: no subflow by `wwan0` unless the connection has sent more than 10 MB.
//! - `steady`: full mesh; a subflow whose round-trip time has doubled becomes a backup until it recovers.
//! - `again 5`: full mesh; a subflow that failed is created again after 5 seconds.
//!
//! They manage connections whose sockets are made while `sysctl net.mptcp.pm_type=1`, and end at Ctrl-C.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use nl_core::{Connection, Protocol};
use nl_mptcp::Mptcp;
use nl_mptcp::path_manager::{FullMesh, PathManager, Policy, Report};

use policies::{Again, Heavy, Steady};

mod policies;

const USAGE: &str = "usage: mptcp_policies heavy DEV BYTES | steady | again SECONDS";

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let policy: Box<dyn Policy> = match words.as_slice() {
        ["heavy", dev, bytes] => Box::new(Heavy { dev: (*dev).to_owned(), bytes: bytes.parse()? }),
        ["steady"] => Box::new((FullMesh::new(), Steady)),
        ["again", seconds] => {
            let after = Duration::from_secs(seconds.parse()?);
            Box::new((FullMesh::new().no_retry(), Again { after, waiting: BTreeMap::new() }))
        }
        _ => return Err(USAGE.into()),
    };
    let mptcp = Mptcp::new(Connection::open(Protocol::Generic)?);
    let mut manager = PathManager::open(&mptcp, policy).await?;
    while let Some(report) = manager.next().await {
        match report {
            Ok(Report::Done(decision)) => println!("{}", manager.table().describe(&decision)),
            Ok(Report::Failed { error, .. }) | Err(error) => eprintln!("{error}"),
            Ok(Report::Idle(why)) => eprintln!("{why}"),
            Ok(_) => {}
        }
    }
    Ok(())
}
