//! This project's `nl-bridge`.

use futures_util::TryStreamExt as _;
use nl_bridge::tunnel::{TunnelEntry, TunnelVerb, Tunnels};
use nl_bridge::vlan::Vlans;
use nl_bridge::vlan_db::VlanDb;
use nl_bridge::{VlanId, VlanRange, Vni};
use nl_core::{Connection, Protocol};

use super::{IFINDEX_VXLAN, Tally};
use crate::measure::{Cost, Stopwatch};
use crate::{Result, runtime};

pub(super) fn set(ports: &[u32]) -> Result<Cost> {
    runtime()?.block_on(async {
        let vlans = Vlans::new(Connection::open(Protocol::Route)?);
        let watch = Stopwatch::start()?;
        for port in ports {
            vlans.entry(*port, VlanRange::ALL).add().await?;
        }
        watch.stop()
    })
}

pub(super) fn list() -> Result<(Cost, Option<Tally>)> {
    runtime()?.block_on(async {
        let db = VlanDb::new(Connection::open(Protocol::Route)?);
        let watch = Stopwatch::start()?;
        let mut tally = Tally::default();
        let mut list = db.entries().list().await?;
        while let Some(entry) = list.try_next().await? {
            if entry.stats.is_some() {
                tally.add(entry.vlans.first().get(), entry.tunnel);
            }
        }
        Ok((watch.stop()?, Some(tally)))
    })
}

pub(super) fn list_counters() -> Result<(Cost, Option<Tally>)> {
    runtime()?.block_on(async {
        let vlans = Vlans::new(Connection::open(Protocol::Route)?);
        let watch = Stopwatch::start()?;
        let mut tally = Tally::default();
        let mut list = vlans.devices().stats().await?;
        while let Some(device) = list.try_next().await? {
            for stats in &device.vlans {
                tally.add(stats.vlan.get(), None);
            }
        }
        Ok((watch.stop()?, Some(tally)))
    })
}

pub(super) fn map(mappings: &[(u16, u32)]) -> Result<Cost> {
    let mut entries = Vec::new();
    for (vlan, vni) in mappings {
        let entry = TunnelEntry::new(IFINDEX_VXLAN, VlanId::new(*vlan)?, Vni::new(*vni)?);
        entries.push((TunnelVerb::Add, entry));
    }
    runtime()?.block_on(async {
        let tunnels = Tunnels::new(Connection::open(Protocol::Route)?);
        let watch = Stopwatch::start()?;
        tunnels.batch(entries).summarize(1).await?.into_result()?;
        watch.stop()
    })
}
