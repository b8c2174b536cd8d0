//! `bridge mdb`: which multicast groups go to which ports.
//!
//! ```text
//! bridge_mdb show dev BRIDGE
//! bridge_mdb { add | delete } dev BRIDGE port PORT grp ADDRESS [vid VLAN]
//! ```

use std::net::IpAddr;

use futures_util::TryStreamExt;
use nl_bridge::mdb::Mdb;
use nl_core::{Connection, Protocol};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mdb = Mdb::new(Connection::open(Protocol::Route)?);
    match words.as_slice() {
        ["show", "dev", bridge] => {
            let mut list = mdb.entries().dev(*bridge).list().await?;
            while let Some(table) = list.try_next().await? {
                table.entries.iter().for_each(|entry| println!("{entry}"));
            }
        }
        [verb @ ("add" | "delete"), "dev", bridge, "port", port, "grp", group, vlan @ ..] => {
            let entry = mdb.entry(*bridge, *port, group.parse::<IpAddr>()?).permanent();
            let entry = match vlan {
                [] => entry,
                ["vid", vlan] => entry.vlan(vlan.parse()?),
                other => return Err(format!("`{}` is not an option of this example", other.join(" ")).into()),
            };
            if *verb == "add" {
                entry.add().await?
            } else {
                entry.delete().await?
            };
        }
        other => return Err(format!("`{}` is not understood", other.join(" ")).into()),
    }
    Ok(())
}
