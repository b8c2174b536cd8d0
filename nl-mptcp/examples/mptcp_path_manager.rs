//! A path manager for the namespace it runs in, after the manner of mptcpd:
//! `cargo run --example mptcp_path_manager -- [fullmesh | ndiffports N] [metered DEV]...`.
//!
//! It manages connections whose sockets are made while `sysctl net.mptcp.pm_type=1`, and ends at Ctrl-C.

use futures_util::StreamExt;
use nl_core::{Connection, Protocol};
use nl_mptcp::Mptcp;
use nl_mptcp::path_manager::{
    BackupOnMetered, FollowInterfaces, FullMesh, NDiffPorts, PathManager, Policy, Report,
};

const USAGE: &str = "usage: mptcp_path_manager [fullmesh | ndiffports N] [metered DEV]...";

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let mut paths: Box<dyn Policy> = Box::new(FullMesh::new());
    let mut metered = Vec::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "fullmesh" => {}
            "ndiffports" => paths = Box::new(NDiffPorts::new(words.next().ok_or(USAGE)?.parse()?)),
            "metered" => metered.push(words.next().ok_or(USAGE)?),
            _ => return Err(USAGE.into()),
        }
    }
    let mptcp = Mptcp::new(Connection::open(Protocol::Generic)?);
    let policy = (FollowInterfaces::new(), (paths, BackupOnMetered::new(metered)));
    let mut manager = PathManager::open(&mptcp, policy).await?;
    while let Some(report) = manager.next().await {
        match report {
            Ok(Report::Event(event)) => println!("{event:?}"),
            Ok(Report::Done(decision)) => println!("done: {}", manager.table().describe(&decision)),
            Ok(Report::Pending(decision)) => println!("sent: {}", manager.table().describe(&decision)),
            Ok(Report::Idle(why)) => eprintln!("{why}"),
            Ok(Report::Failed { error, .. }) => eprintln!("failed: {error}"),
            Ok(_) => {}
            Err(error) => eprintln!("{error}"),
        }
    }
    Ok(())
}
