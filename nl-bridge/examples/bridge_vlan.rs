//! `bridge vlan`: the VLANs of ports and bridges.
//!
//! ```text
//! bridge_vlan show [dev DEV]
//! bridge_vlan { add | delete } dev DEV vid { VLAN | FIRST-LAST } [pvid] [untagged] [self]
//! ```

use futures_util::TryStreamExt;
use nl_bridge::VlanRange;
use nl_bridge::vlan::{VlanDevices, Vlans};
use nl_core::{Connection, Protocol};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let vlans = Vlans::new(Connection::open(Protocol::Route)?);
    match words.as_slice() {
        [] | ["show"] => show(vlans.devices()).await?,
        ["show", "dev", dev] => show(vlans.devices().dev(*dev)).await?,
        [verb @ ("add" | "delete"), "dev", dev, "vid", range, options @ ..] => {
            let mut entry = vlans.entry(*dev, range.parse::<VlanRange>()?);
            for option in options {
                entry = match *option {
                    "pvid" => entry.pvid(),
                    "untagged" => entry.untagged(),
                    "self" => entry.self_(),
                    other => return Err(format!("`{other}` is not an option of a VLAN").into()),
                };
            }
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

async fn show(devices: VlanDevices) -> nl_core::Result<()> {
    let mut list = devices.list().await?;
    while let Some(device) = list.try_next().await? {
        println!("{device}");
    }
    Ok(())
}
