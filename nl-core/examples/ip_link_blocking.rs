//! Lists the network devices of this namespace without an async runtime, like `ip link show`.

use nl_core::{Connection, Protocol};

pub(crate) fn main() -> nl_core::Result<()> {
    let conn = Connection::open(Protocol::Route)?;
    for link in conn.links() {
        let link = link?;
        let kind = link.kind_name.as_deref().unwrap_or("device");
        let state = if link.is_up() { "UP" } else { "DOWN" };
        println!("{}: {} {kind} mtu {} {state}", link.index, link.name, link.mtu);
    }
    Ok(())
}
