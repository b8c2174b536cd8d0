//! Reading what is there.

use std::collections::HashSet;

use nl_core::address::Addresses;
use nl_core::link::{Link, LinkKind};
use nl_core::{Connection, Protocol, Result};

use super::snapshot::Snapshot;
use super::view::vxlan_of;
use crate::fdb::{Fdb, FdbEntry, FdbFilter, FdbFlags};
use crate::settings::Bridge;
use crate::vlan_db::VlanDb;
use crate::vni::Vnis;

pub(super) async fn read(conn: &Connection) -> Result<Snapshot> {
    conn.require(Protocol::Route, "leaves")?;
    let mut snapshot = Snapshot { links: conn.links().collect_all().await?, ..Snapshot::default() };
    // Without a device of its kind, the module may not be loaded, and the kernel then knows no such list.
    if snapshot.links.iter().any(|link| link.is_kind(Bridge::KIND)) {
        let db = VlanDb::new(conn.clone());
        snapshot.vlans = db.entries().list().await?.collect_all().await?;
        snapshot.globals = db.globals().list().await?.collect_all().await?;
        snapshot.globals.retain(|global| global.msti.is_some_and(|msti| msti != 0));
    }
    if snapshot.links.iter().any(has_filter) {
        snapshot.vnis = Vnis::new(conn.clone()).entries().list().await?.collect_all().await?;
    }
    let vxlans = snapshot.links.iter().filter(|link| vxlan_of(link).is_some()).map(|link| link.index);
    for index in vxlans.collect::<Vec<_>>() {
        read_fdb(conn, index, &mut snapshot).await?;
    }
    let fdb = Fdb::new(conn.clone());
    for index in snapshot.links.iter().filter(|link| link.is_kind(Bridge::KIND)).map(|link| link.index) {
        let entries = fdb.entries().dev(index).list().await?.collect_all().await?;
        snapshot.locals.extend(entries.into_iter().filter(|entry| entry.is_bridge() && entry.is_permanent()));
    }
    snapshot.addresses = Addresses::new(conn.clone()).entries().list().await?.collect_all().await?;
    Ok(snapshot)
}

fn has_filter(link: &Link) -> bool {
    vxlan_of(link).is_some_and(|vxlan| vxlan.vnifilter == Some(true))
}

/// What is needed of an entry of a VXLAN device.
enum Row {
    /// Of the device: where frames to unknown addresses go.
    Flood(Box<FdbEntry>),
    /// Of the bridge: the first one in this VLAN that a control plane put there.
    Learned(u16),
}

/// Both tables of a VXLAN device in one list. There may be hundreds of thousands of entries, so what is not needed is dropped at once.
async fn read_fdb(conn: &Connection, index: u32, snapshot: &mut Snapshot) -> Result<()> {
    let filter = FdbFilter { index: Some(index), ..FdbFilter::default() };
    let mut seen = HashSet::new();
    let rows = conn.dump(filter.list_request(), move |message| {
        let entry = FdbEntry::decode(message)?;
        Ok(match entry.vlan {
            _ if !entry.is_bridge() => entry.mac.is_zero().then(|| Row::Flood(Box::new(entry))),
            Some(vlan) if entry.flags.contains(FdbFlags::EXT_LEARNED) => {
                seen.insert(vlan).then_some(Row::Learned(vlan))
            }
            _ => None,
        })
    });
    for row in rows.collect_all().await? {
        match row {
            Row::Flood(entry) => snapshot.flood.push(*entry),
            Row::Learned(vlan) => snapshot.learned.push((index, vlan)),
        }
    }
    Ok(())
}
