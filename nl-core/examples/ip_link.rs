//! Lists the network devices of this namespace, like `ip link show`.

use futures_util::TryStreamExt;
use nl_core::connection::{Connection, Protocol};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> nl_core::Result<()> {
    let conn = Connection::open(Protocol::Route)?;
    let mut links = conn.links();
    while let Some(link) = links.try_next().await? {
        let kind = link.kind_name.as_deref().unwrap_or("device");
        println!(
            "{}: {} {kind} mtu {} {}",
            link.index,
            link.name,
            link.mtu,
            if link.is_up() { "UP" } else { "DOWN" }
        );
    }
    Ok(())
}
