//! `ip link`: devices are made, changed and deleted.
//!
//! ```text
//! ip_link_set add NAME type { dummy | veth PEER | vlan ID LINK | vrf TABLE }
//! ip_link_set set DEV { up | down | nomaster | mtu BYTES | master DEV | name NAME | address MAC } ...
//! ip_link_set delete DEV
//! ```

use nl_core::link::{DeviceEntry, Dummy, Links, Veth, Vlan, Vrf};
use nl_core::{Connection, MacAddr, Protocol};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let links = Links::new(Connection::open(Protocol::Route)?);
    match words.as_slice() {
        ["add", name, "type", kind @ ..] => {
            let device = links.device(*name);
            let device = match kind {
                ["dummy"] => device.kind(Dummy::new()),
                ["veth", peer] => device.kind(Veth::new(*peer)),
                ["vlan", id, link] => device.kind(Vlan::new(id.parse()?)).link(*link),
                ["vrf", table] => device.kind(Vrf::new(table.parse()?)),
                other => return Err(format!("`{}` is not a kind of this example", other.join(" ")).into()),
            };
            let link = device.add().await?;
            println!("{}: {}", link.index, link.name);
        }
        ["set", dev, options @ ..] => drop(configured(links.device(*dev), options)?.change().await?),
        ["delete", dev] => drop(links.device(*dev).delete().await?),
        other => return Err(format!("`{}` is not understood", other.join(" ")).into()),
    }
    Ok(())
}

fn configured(mut device: DeviceEntry, options: &[&str]) -> Result<DeviceEntry, Box<dyn std::error::Error>> {
    let mut words = options.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().copied().ok_or(format!("`{word}` wants a value"));
        device = match *word {
            "up" => device.up(),
            "down" => device.down(),
            "nomaster" => device.no_master(),
            "mtu" => device.mtu(value()?.parse()?),
            "master" => device.master(value()?),
            "name" => device.rename(value()?),
            "address" => device.address(value()?.parse::<MacAddr>()?),
            other => return Err(format!("`{other}` is not an option of this example").into()),
        };
    }
    Ok(device)
}
