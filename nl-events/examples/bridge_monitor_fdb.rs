//! Prints what is in the forwarding databases and then every change, like `bridge fdb show; bridge monitor fdb`.
//!
//! Usage: bridge_monitor_fdb [BRIDGE]

use futures_util::TryStreamExt;
use nl_core::{Connection, Protocol};
use nl_events::fdb::{FdbChange, FdbWatch};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> nl_core::Result<()> {
    let conn = Connection::open(Protocol::Route)?;
    let mut watch = FdbWatch::builder(&conn);
    if let Some(bridge) = std::env::args().nth(1) {
        watch = watch.bridge(bridge);
    }
    let mut watch = watch.open().await?;
    while let Some(change) = watch.try_next().await? {
        match change {
            FdbChange::Added(entry) => println!("added    {entry}"),
            FdbChange::Moved { from, to } => println!("moved    {to} (from #{})", from.index),
            FdbChange::Updated { after, .. } => println!("updated  {after}"),
            FdbChange::Deleted(entry) => println!("deleted  {entry}"),
            FdbChange::Synced => println!("synced   {} entries", watch.len()),
            other => println!("{other:?}"),
        }
    }
    Ok(())
}
