//! `ip neighbour`: which link-layer address an IP address has.
//!
//! ```text
//! ip_neighbour show [dev DEV]
//! ip_neighbour { add | replace } ADDRESS lladdr MAC dev DEV
//! ip_neighbour delete ADDRESS dev DEV
//! ip_neighbour flush dev DEV
//! ```

use futures_util::TryStreamExt;
use nl_core::neighbour::{NeighbourEntries, Neighbours};
use nl_core::{Connection, MacAddr, Protocol};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let neighbours = Neighbours::new(Connection::open(Protocol::Route)?);
    match words.as_slice() {
        [] | ["show"] => show(neighbours.entries()).await?,
        ["show", "dev", dev] => show(neighbours.entries().dev(*dev)).await?,
        [verb @ ("add" | "replace"), address, "lladdr", mac, "dev", dev] => {
            let entry = neighbours.entry(address.parse()?, *dev).lladdr(mac.parse::<MacAddr>()?);
            if *verb == "add" {
                entry.add().await?
            } else {
                entry.replace().await?
            };
        }
        ["delete", address, "dev", dev] => drop(neighbours.entry(address.parse()?, *dev).delete().await?),
        ["flush", "dev", dev] => println!("{} removed", neighbours.entries().dev(*dev).flush().await?),
        other => return Err(format!("`{}` is not understood", other.join(" ")).into()),
    }
    Ok(())
}

async fn show(entries: NeighbourEntries) -> nl_core::Result<()> {
    let mut list = entries.list().await?;
    while let Some(neighbour) = list.try_next().await? {
        println!("{neighbour}");
    }
    Ok(())
}
