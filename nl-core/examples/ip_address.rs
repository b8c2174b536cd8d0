//! `ip address`: the addresses of devices.
//!
//! ```text
//! ip_address show [dev DEV]
//! ip_address { add | replace | delete } PREFIX dev DEV
//! ip_address flush dev DEV
//! ```

use futures_util::TryStreamExt;
use nl_core::address::{AddressEntries, Addresses};
use nl_core::{Connection, Protocol};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let addresses = Addresses::new(Connection::open(Protocol::Route)?);
    match words.as_slice() {
        [] | ["show"] => show(addresses.entries()).await?,
        ["show", "dev", dev] => show(addresses.entries().dev(*dev)).await?,
        ["add", prefix, "dev", dev] => drop(addresses.entry(prefix.parse()?, *dev).add().await?),
        ["replace", prefix, "dev", dev] => drop(addresses.entry(prefix.parse()?, *dev).replace().await?),
        ["delete", prefix, "dev", dev] => drop(addresses.entry(prefix.parse()?, *dev).delete().await?),
        ["flush", "dev", dev] => println!("{} removed", addresses.entries().dev(*dev).flush().await?),
        other => return Err(format!("`{}` is not understood", other.join(" ")).into()),
    }
    Ok(())
}

async fn show(entries: AddressEntries) -> nl_core::Result<()> {
    let mut list = entries.list().await?;
    while let Some(address) = list.try_next().await? {
        println!("{address}");
    }
    Ok(())
}
