//! `ip nexthop`: nexthop objects and groups of them.
//!
//! ```text
//! ip_nexthop show
//! ip_nexthop { add | replace } id ID via ADDRESS dev DEV
//! ip_nexthop { add | replace } id ID group ID/ID/...
//! ip_nexthop { get | delete } id ID
//! ip_nexthop flush
//! ```

use futures_util::TryStreamExt;
use nl_core::nexthop::Nexthops;
use nl_core::{Connection, Protocol};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let nexthops = Nexthops::new(Connection::open(Protocol::Route)?);
    match words.as_slice() {
        [] | ["show"] => {
            let mut list = nexthops.entries().list().await?;
            while let Some(nexthop) = list.try_next().await? {
                println!("{nexthop}");
            }
        }
        [verb @ ("add" | "replace"), "id", id, options @ ..] => {
            let entry = nexthops.entry(id.parse()?);
            let entry = match options {
                ["via", gateway, "dev", dev] => entry.via(gateway.parse()?).dev(*dev),
                ["group", members] => {
                    let members: Result<Vec<u32>, _> = members.split('/').map(str::parse).collect();
                    entry.group(members?)
                }
                other => return Err(format!("`{}` is not an option of this example", other.join(" ")).into()),
            };
            if *verb == "add" {
                entry.add().await?
            } else {
                entry.replace().await?
            };
        }
        ["get", "id", id] => println!("{}", nexthops.entry(id.parse()?).get().await?),
        ["delete", "id", id] => drop(nexthops.entry(id.parse()?).delete().await?),
        ["flush"] => println!("{} removed", nexthops.entries().flush().await?),
        other => return Err(format!("`{}` is not understood", other.join(" ")).into()),
    }
    Ok(())
}
