//! rtnetlink 0.24 in its own words, on a current-thread runtime, one awaited request after another.

use std::net::Ipv4Addr;

use ::rtnetlink::Handle;
use futures_util::TryStreamExt as _;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::entry::{IFINDEX_BRIDGE, IFINDEX_PORT, Mac, Seen, Tally};
use crate::measure::{Cost, Kib, PeakMemory, Stopwatch};
use crate::{Result, runtime};

pub(crate) fn list() -> Result<(Cost, Tally)> {
    runtime()?.block_on(async {
        let handle = connect()?;
        let watch = Stopwatch::start()?;
        let tally = tally(&handle).await?;
        Ok((watch.stop()?, tally))
    })
}

pub(crate) fn insert(macs: &[Mac]) -> Result<Cost> {
    runtime()?.block_on(async {
        let handle = connect()?;
        let watch = Stopwatch::start()?;
        for mac in macs {
            add(&handle, mac).await?;
        }
        watch.stop()
    })
}

/// One by one: it has no bulk delete.
pub(crate) fn delete(macs: &[Mac]) -> Result<Cost> {
    runtime()?.block_on(async {
        let handle = connect()?;
        let watch = Stopwatch::start()?;
        for mac in macs {
            del(&handle, mac).await?;
        }
        watch.stop()
    })
}

/// Adds one static entry on the port, exclusively.
pub(crate) async fn add(handle: &Handle, mac: &Mac) -> Result<()> {
    let entry = handle.neighbours().add_bridge(IFINDEX_PORT, mac).state(NeighbourState::Noarp);
    Ok(entry.flags(NeighbourFlags::Controller).execute().await?)
}

/// Deletes one entry of the port.
pub(crate) async fn del(handle: &Handle, mac: &Mac) -> Result<()> {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message.header.ifindex = IFINDEX_PORT;
    message.header.flags = NeighbourFlags::Controller;
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.to_vec()));
    Ok(handle.neighbours().del(message).execute().await?)
}

/// With netlink-packet-route, whose types rtnetlink hands out.
pub(crate) fn decode(message: &[u8]) -> Result<Seen> {
    let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(message)?;
    let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNeighbour(entry)) = message.payload else {
        return Err("not a new neighbour".into());
    };
    let mut seen = Seen { ifindex: entry.header.ifindex, ..Seen::default() };
    for attribute in &entry.attributes {
        match attribute {
            NeighbourAttribute::LinkLayerAddress(mac) => seen.mac = mac.as_slice().try_into()?,
            NeighbourAttribute::Vlan(vlan) => seen.vlan = Some(*vlan),
            NeighbourAttribute::Vni(vni) => seen.vni = Some(*vni),
            NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) => {
                let octets: [u8; 4] = bytes.as_slice().try_into()?;
                seen.dst = Some(Ipv4Addr::from(octets));
            }
            _ => {}
        }
    }
    Ok(seen)
}

pub(crate) fn stream() -> Result<(Kib, Tally)> {
    runtime()?.block_on(async {
        let handle = connect()?;
        let peak = PeakMemory::start()?;
        let tally = tally(&handle).await?;
        Ok((peak.stop()?, tally))
    })
}

pub(crate) fn connect() -> Result<Handle> {
    let (connection, handle, _) = ::rtnetlink::new_connection()?;
    tokio::spawn(connection);
    Ok(handle)
}

async fn tally(handle: &Handle) -> Result<Tally> {
    let mut tally = Tally::default();
    add_all(handle, &mut tally).await?;
    Ok(tally)
}

/// The static entries of the bridge. It has no filter on the bridge: that is left to the caller.
pub(crate) async fn add_all(handle: &Handle, tally: &mut Tally) -> Result<()> {
    let mut entries = handle.neighbours().get().set_address_family(AddressFamily::Bridge).execute();
    while let Some(entry) = entries.try_next().await? {
        let ours = entry.attributes.contains(&NeighbourAttribute::Controller(IFINDEX_BRIDGE));
        if !ours || entry.header.state != NeighbourState::Noarp {
            continue;
        }
        for attribute in &entry.attributes {
            if let NeighbourAttribute::LinkLayerAddress(mac) = attribute {
                tally.add(mac.as_slice().try_into()?);
            }
        }
    }
    Ok(())
}
