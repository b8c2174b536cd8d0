//! This project's crates: the one file that knows them (feature `ours`).
//!
//! Connecting comes before the watch starts, as for every contestant; what a function did is checked by its caller.

use std::net::IpAddr;

use futures_util::TryStreamExt as _;
use nl_bridge::fdb::{Fdb, FdbEntry, FdbVerb};
use nl_core::message::MessageRef;
use nl_core::{Connection, MacAddr, Protocol};

use crate::entry::{IFINDEX_BRIDGE, IFINDEX_PORT, Mac, Seen, Tally};
use crate::measure::{Cost, Kib, PeakMemory, Stopwatch};
use crate::{Result, runtime};

/// Streams the static entries of the bridge `IFINDEX_BRIDGE` into a tally.
pub(crate) fn list() -> Result<(Cost, Tally)> {
    runtime()?.block_on(async {
        let fdb = connect()?;
        let watch = Stopwatch::start()?;
        let tally = tally(&fdb).await?;
        Ok((watch.stop()?, tally))
    })
}

/// Adds `macs` as static entries on `IFINDEX_PORT`, exclusively, through the batch.
pub(crate) fn insert(macs: &[Mac]) -> Result<Cost> {
    let macs = macs.to_vec();
    runtime()?.block_on(async {
        let fdb = connect()?;
        let watch = Stopwatch::start()?;
        let entries =
            macs.into_iter().map(|mac| FdbEntry::new(MacAddr::new(mac), IFINDEX_PORT).master().static_());
        fdb.batch(entries.map(|entry| (FdbVerb::Add, entry))).summarize(1).await?.into_result()?;
        watch.stop()
    })
}

/// Deletes all static entries of the port with one flush.
pub(crate) fn delete(_: &[Mac]) -> Result<Cost> {
    runtime()?.block_on(async {
        let fdb = connect()?;
        let watch = Stopwatch::start()?;
        fdb.entries().dev(IFINDEX_PORT).static_().flush().await?;
        watch.stop()
    })
}

/// Decodes one RTM_NEWNEIGH, netlink header included.
pub(crate) fn decode(message: &[u8]) -> Result<Seen> {
    let entry = FdbEntry::decode(MessageRef::parse(message)?)?;
    let dst = match entry.dst {
        None => None,
        Some(IpAddr::V4(dst)) => Some(dst),
        Some(IpAddr::V6(_)) => return Err("an IPv6 remote".into()),
    };
    Ok(Seen { ifindex: entry.index, mac: entry.mac.octets(), vlan: entry.vlan, vni: entry.vni, dst })
}

/// As `list`, with the peak of resident memory in place of time.
pub(crate) fn stream() -> Result<(Kib, Tally)> {
    runtime()?.block_on(async {
        let fdb = connect()?;
        let peak = PeakMemory::start()?;
        let tally = tally(&fdb).await?;
        Ok((peak.stop()?, tally))
    })
}

pub(crate) fn connect() -> Result<Fdb> {
    Ok(Fdb::new(Connection::open(Protocol::Route)?))
}

pub(crate) async fn tally(fdb: &Fdb) -> Result<Tally> {
    let mut entries = fdb.entries().bridge(IFINDEX_BRIDGE).static_().list().await?;
    let mut tally = Tally::default();
    while let Some(entry) = entries.try_next().await? {
        tally.add(entry.mac.octets());
    }
    Ok(tally)
}
