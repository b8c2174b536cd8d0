//! An agent that makes a device and gives it an address with rtnetlink, beside calls of this workspace, in one namespace:
//! `rtnetlink_beside DEV`. Like `ip link add DEV type bridge && ip link set DEV up && ip addr add 192.0.2.1/24 dev DEV`.

use std::net::Ipv4Addr;

use nl_core::{Connection, Protocol, interop};
use rtnetlink::LinkBridge;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("usage: rtnetlink_beside DEV")?;
    let conn = Connection::open(Protocol::Route)?;

    let (connection, handle, _unsolicited) = rtnetlink::from_socket(interop::socket(&conn)?);
    tokio::spawn(connection);
    handle.link().add(LinkBridge::new(&name).up().build()).execute().await?;

    let link = conn.link(name).await?;
    handle.address().add(link.index, Ipv4Addr::new(192, 0, 2, 1).into(), 24).execute().await?;
    println!("{}: {} mtu {}", link.index, link.name, link.mtu);
    Ok(())
}
