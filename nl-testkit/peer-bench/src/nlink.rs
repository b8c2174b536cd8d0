//! nlink 0.33 in its own words, on a current-thread runtime.

use std::net::IpAddr;

use ::nlink::netlink::message::NlMsgType;
use ::nlink::netlink::messages::NeighborMessage;
use ::nlink::netlink::types::neigh::NdMsg;
use ::nlink::netlink::{Connection, FromNetlink as _, Route};
use ::nlink::{FdbEntry, FdbEntryBuilder};
use futures_util::TryStreamExt as _;

use crate::entry::{IFINDEX_BRIDGE, IFINDEX_PORT, Mac, Seen, Tally};
use crate::measure::{Cost, Kib, PeakMemory, Stopwatch};
use crate::{Result, runtime};

/// Operations per `batch()`: with many more it fails with ENOBUFS, since it has every one acknowledged.
const PER_BATCH: usize = 64;

const AF_BRIDGE: u8 = 7;

/// Collects: its list of the table is a `Vec`.
pub(crate) fn list() -> Result<(Cost, Tally)> {
    runtime()?.block_on(async {
        let connection = Connection::<Route>::new()?;
        let watch = Stopwatch::start()?;
        let entries = connection.get_fdb_by_index(IFINDEX_BRIDGE).await?;
        let tally = tally(&entries);
        Ok((watch.stop()?, tally))
    })
}

pub(crate) fn insert_in_batches(macs: &[Mac]) -> Result<Cost> {
    runtime()?.block_on(async {
        let connection = Connection::<Route>::new()?;
        let watch = Stopwatch::start()?;
        for chunk in macs.chunks(PER_BATCH) {
            let mut batch = connection.batch();
            for mac in chunk {
                batch = batch.add_fdb(FdbEntryBuilder::new(*mac).static_(), IFINDEX_PORT, None);
            }
            batch.execute_all().await?;
        }
        watch.stop()
    })
}

pub(crate) fn insert_one_by_one(macs: &[Mac]) -> Result<Cost> {
    runtime()?.block_on(async {
        let connection = Connection::<Route>::new()?;
        let watch = Stopwatch::start()?;
        for mac in macs {
            connection.add_fdb(FdbEntryBuilder::new(*mac).static_().ifindex(IFINDEX_PORT)).await?;
        }
        watch.stop()
    })
}

/// Its `flush_fdb` leaves static entries alone and deletes one by one anyway.
pub(crate) fn delete_in_batches(macs: &[Mac]) -> Result<Cost> {
    runtime()?.block_on(async {
        let connection = Connection::<Route>::new()?;
        let watch = Stopwatch::start()?;
        for chunk in macs.chunks(PER_BATCH) {
            let mut batch = connection.batch();
            for mac in chunk {
                batch = batch.del_fdb(FdbEntryBuilder::new(*mac), IFINDEX_PORT);
            }
            batch.execute_all().await?;
        }
        watch.stop()
    })
}

pub(crate) fn decode(message: &[u8]) -> Result<Seen> {
    let message = NeighborMessage::from_bytes(message.get(16..).unwrap_or_default())?;
    let entry = FdbEntry::from_neighbor(&message).ok_or("no MAC address")?;
    let dst = entry.dst().and_then(|address| match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    Ok(Seen { ifindex: entry.ifindex(), mac: entry.mac(), vlan: entry.vlan(), dst, vni: entry.vni() })
}

/// Its general dump stream: the FDB call collects.
pub(crate) fn stream() -> Result<(Kib, Tally)> {
    runtime()?.block_on(async {
        let connection = Connection::<Route>::new()?;
        let peak = PeakMemory::start()?;
        let request = NdMsg::new().with_family(AF_BRIDGE);
        let mut messages = connection
            .dump_stream_with_body::<NeighborMessage>(NlMsgType::RTM_GETNEIGH, request.as_bytes())
            .await?;
        let mut tally = Tally::default();
        while let Some(message) = messages.try_next().await? {
            let entry = FdbEntry::from_neighbor(&message);
            if let Some(entry) =
                entry.filter(|entry| entry.master() == Some(IFINDEX_BRIDGE) && entry.is_static())
            {
                tally.add(entry.mac());
            }
        }
        Ok((peak.stop()?, tally))
    })
}

/// The call made for the FDB.
pub(crate) fn stream_collected() -> Result<(Kib, Tally)> {
    runtime()?.block_on(async {
        let connection = Connection::<Route>::new()?;
        let peak = PeakMemory::start()?;
        let entries = connection.get_fdb_by_index(IFINDEX_BRIDGE).await?;
        let tally = tally(&entries);
        Ok((peak.stop()?, tally))
    })
}

fn tally(entries: &[FdbEntry]) -> Tally {
    let mut tally = Tally::default();
    for entry in entries.iter().filter(|entry| entry.is_static()) {
        tally.add(entry.mac());
    }
    tally
}
