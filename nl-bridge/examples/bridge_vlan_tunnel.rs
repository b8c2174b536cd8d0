//! A leaf of a VXLAN fabric: VLANs mapped to VNIs, built, shown and removed.
//!
//! ```text
//! bridge_vlan_tunnel [LOCAL [REMOTE ...]]
//! ```
//! It makes the bridge `leaf0`, the VXLAN device `leafvx0` and the veth pair `leafport0` and `leafhost0`; LOCAL is 192.0.2.1 and the one
//! REMOTE 192.0.2.2 unless they are given. Everything is removed again, also where a step fails.
//!
//! Try it without privilege, in a namespace of your own: `unshare -Urn target/debug/examples/bridge_vlan_tunnel`

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

use futures_util::TryStreamExt;
use nl_bridge::fdb::Fdb;
use nl_bridge::settings::Bridge;
use nl_bridge::tunnel::Tunnels;
use nl_bridge::vlan::Vlans;
use nl_bridge::vxlan::Vxlan;
use nl_core::link::{Links, Veth};
use nl_core::{Connection, MacAddr, Protocol};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const BRIDGE: &str = "leaf0";
const VXLAN: &str = "leafvx0";
const PORT: &str = "leafport0";
const HOST: &str = "leafhost0";

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result {
    let mut addresses = std::env::args().skip(1);
    let local: IpAddr =
        addresses.next().map_or(Ok(Ipv4Addr::new(192, 0, 2, 1).into()), |text| text.parse())?;
    let mut remotes = addresses.map(|text| text.parse()).collect::<std::result::Result<Vec<IpAddr>, _>>()?;
    if remotes.is_empty() {
        remotes.push(Ipv4Addr::new(192, 0, 2, 2).into());
    }
    let conn = Connection::open(Protocol::Route)?;
    for device in [PORT, VXLAN, BRIDGE] {
        if Links::new(conn.clone()).device(device).get().await.is_ok() {
            return Err(format!("{device} is there already, and is left alone").into());
        }
    }
    let built = match build(&conn, local, &remotes).await {
        Ok(()) => show(&conn).await,
        Err(error) => Err(error),
    };
    remove(&conn).await?;
    built
}

async fn build(conn: &Connection, local: IpAddr, remotes: &[IpAddr]) -> Result {
    let links = Links::new(conn.clone());
    let bridge = Bridge::new().vlan_filtering(true).vlan_default_pvid(0_u16);
    links.device(BRIDGE).kind(bridge).up().add().await?;
    // One device for all VNIs; its port in the bridge says which VLAN has which.
    let vxlan = Vxlan::external().local(local).port(4789_u16);
    links.device(VXLAN).kind(vxlan).master(BRIDGE).up().add().await?;
    links.device(PORT).kind(Veth::new(HOST)).master(BRIDGE).up().add().await?;
    Vlans::new(conn.clone()).entry(PORT, 10).pvid().untagged().vlans(20..=29).add().await?;

    let tunnels = Tunnels::new(conn.clone());
    tunnels.entry(VXLAN, 10, 10010).prepare().add().await?;
    tunnels.entry(VXLAN, 20..=29, 10020..=10029).prepare().add().await?;
    // Broadcast of each VNI goes to every remote.
    let fdb = Fdb::new(conn.clone());
    for vni in std::iter::once(10010).chain(10020..=10029) {
        for remote in remotes {
            fdb.entry(MacAddr::ZERO, VXLAN).dst(*remote).src_vni(vni).append().await?;
        }
    }
    Ok(())
}

async fn show(conn: &Connection) -> Result {
    println!("VLANs (bridge -compressvlans vlan show):");
    let mut devices = Vlans::new(conn.clone()).devices().bridge(BRIDGE).list().await?;
    while let Some(device) = devices.try_next().await? {
        println!("  {device}");
    }
    println!("VLANs mapped to VNIs (bridge vlan tunnelshow):");
    let mut tunnels = Tunnels::new(conn.clone()).entries().dev(VXLAN).list().await?;
    while let Some(tunnel) = tunnels.try_next().await? {
        println!("  {} -> {}", tunnel.vlans, tunnel.vnis);
    }
    println!("Remotes (bridge fdb show dev {VXLAN}):");
    let mut remotes = Fdb::new(conn.clone()).entries().dev(VXLAN).list().await?;
    while let Some(remote) = remotes.try_next().await? {
        if let (Some(dst), Some(vni)) = (remote.dst, remote.src_vni) {
            println!("  VNI {vni} to {dst}");
        }
    }
    Ok(())
}

/// The other end of the pair goes with its port.
async fn remove(conn: &Connection) -> Result {
    let links = Links::new(conn.clone());
    for device in [PORT, VXLAN, BRIDGE] {
        match links.device(device).delete().await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
