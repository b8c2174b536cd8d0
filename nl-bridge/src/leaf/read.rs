//! Reading what is there.

use std::collections::HashSet;

use nl_core::address::Addresses;
use nl_core::link::{Link, LinkKind, Vrf};
use nl_core::neighbour::{NeighbourEvent, NeighbourFilter, NeighbourFlags};
use nl_core::nexthop::{Nexthop, NexthopFilter};
use nl_core::route::{Route, RouteFilter, RouteType};
use nl_core::{Connection, IpPrefix, MacAddr, Protocol, Result};

use super::config::BridgeConfig;
use super::remote::Stale;
use super::snapshot::Snapshot;
use super::view::{paths, vxlan_of};
use crate::fdb::{Fdb, FdbEntry, FdbFilter, FdbFlags};
use crate::settings::Bridge;
use crate::vlan_db::VlanDb;
use crate::vni::Vnis;

/// For a description, also what is under the names that it wants and is somebody else's.
pub(super) async fn read(conn: &Connection, config: Option<&BridgeConfig>) -> Result<Snapshot> {
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
    let routers = config.into_iter().flat_map(|config| &config.interfaces).flat_map(|svi| &svi.routers);
    let macs: HashSet<MacAddr> = routers.map(|router| router.address).collect();
    let own = |link: &Link| {
        config.filter(|config| config.vxlan.as_ref().is_some_and(|vxlan| link.name == *vxlan.name))
    };
    let vxlans = snapshot.links.iter().filter(|link| vxlan_of(link).is_some());
    let vxlans: Vec<_> = vxlans.map(|link| (link.index, own(link).map(Stale::of))).collect();
    for (index, stale) in vxlans {
        read_fdb(conn, index, &macs, stale, &mut snapshot).await?;
        // Routers that are not wanted any more: the bridge's entries were listed before it was known whose.
        let unknown = |entry: &&FdbEntry| entry.index == index && !macs.contains(&entry.mac);
        let more: HashSet<MacAddr> =
            snapshot.router_macs.iter().filter(unknown).map(|entry| entry.mac).collect();
        if !more.is_empty() {
            let filter = FdbFilter { index: Some(index), ..FdbFilter::default() };
            let is_one = move |entry: &FdbEntry| {
                entry.is_bridge() && entry.flags.contains(FdbFlags::EXT_LEARNED) && more.contains(&entry.mac)
            };
            let rows = conn.dump_matching(filter.list_request(), FdbEntry::decode, is_one);
            snapshot.router_macs.extend(rows.collect_all().await?);
        }
    }
    let fdb = Fdb::new(conn.clone());
    for index in snapshot.links.iter().filter(|link| link.is_kind(Bridge::KIND)).map(|link| link.index) {
        let entries = fdb.entries().dev(index).list().await?.collect_all().await?;
        snapshot.locals.extend(entries.into_iter().filter(|entry| entry.is_bridge() && entry.is_permanent()));
    }
    snapshot.addresses = Addresses::new(conn.clone()).entries().list().await?.collect_all().await?;
    read_routing(conn, config, &mut snapshot).await?;
    let own = config.and_then(|config| config.own_nexthops.clone());
    let is_near = move |hop: &Nexthop| hop.is_fdb || own.as_ref().is_some_and(|own| own.contains(&hop.id));
    let request = NexthopFilter::default().list_request();
    snapshot.nexthops = conn.dump_matching(request, Nexthop::decode, is_near).collect_all().await?;
    Ok(snapshot)
}

fn has_filter(link: &Link) -> bool {
    vxlan_of(link).is_some_and(|vxlan| vxlan.vnifilter == Some(true))
}

/// What is needed of an entry of a VXLAN device.
struct Row {
    /// The entry itself.
    entry: Option<Box<FdbEntry>>,
    /// The VLAN, of the first entry in it that a control plane put into the bridge.
    vlan: Option<u16>,
    /// Whether it is in a VNI that no VLAN has.
    is_stale: bool,
}

/// Both tables of a VXLAN device in one list, with the entries of these MAC addresses. There may be hundreds of thousands of entries, so
/// what is not needed is dropped at once.
async fn read_fdb(
    conn: &Connection,
    index: u32,
    macs: &HashSet<MacAddr>,
    stale: Option<Stale>,
    snapshot: &mut Snapshot,
) -> Result<()> {
    let filter = FdbFilter { index: Some(index), ..FdbFilter::default() };
    let (mut seen, routers) = (HashSet::new(), macs.clone());
    let rows = conn.dump(filter.list_request(), move |message| {
        let entry = FdbEntry::decode(message)?;
        let is_learned = entry.flags.contains(FdbFlags::EXT_LEARNED);
        let is_router = routers.contains(&entry.mac);
        let is_stale = stale.as_ref().is_some_and(|stale| stale.holds(&entry));
        let (wanted, vlan) = match entry.is_bridge() {
            true => (is_learned && is_router, entry.vlan.filter(|vlan| is_learned && seen.insert(*vlan))),
            false => {
                let is_wanted = entry.mac.is_zero() || is_router || entry.flags.contains(FdbFlags::ROUTER);
                (is_wanted || is_stale, None)
            }
        };
        let entry = wanted.then(|| Box::new(entry));
        Ok((entry.is_some() || vlan.is_some()).then_some(Row { entry, vlan, is_stale }))
    });
    for Row { entry, vlan, is_stale } in rows.collect_all().await? {
        snapshot.learned.extend(vlan.map(|vlan| (index, vlan)));
        match entry {
            Some(entry) if is_stale => snapshot.stale_macs.push(*entry),
            Some(entry) if entry.mac.is_zero() => snapshot.flood.push(*entry),
            entry => snapshot.router_macs.extend(entry.map(|entry| *entry)),
        }
    }
    Ok(())
}

/// The routes of VRFs and through VLAN devices, and the neighbours on these.
async fn read_routing(
    conn: &Connection,
    config: Option<&BridgeConfig>,
    snapshot: &mut Snapshot,
) -> Result<()> {
    let of_kind = |kind: &'static str| snapshot.links.iter().filter(move |link| link.is_kind(kind));
    let devs: HashSet<u32> = of_kind("vlan").map(|link| link.index).collect();
    let routers = config.into_iter().flat_map(|config| &config.interfaces).flat_map(|svi| &svi.routers);
    let prefixes: HashSet<IpPrefix> = routers.flat_map(|router| router.routes.iter().copied()).collect();
    if devs.is_empty() && prefixes.is_empty() {
        return Ok(());
    }
    let vrfs = of_kind("vrf").filter_map(|link| link.kind::<Vrf>()?.ok()?.table);
    let tables: HashSet<u32> = vrfs.collect();
    let on = devs.clone();
    let neighbours = conn.dump(NeighbourFilter::default().list_request(), move |message| {
        let Some(NeighbourEvent::New(neighbour)) = NeighbourEvent::decode(message)? else { return Ok(None) };
        let is_learned = neighbour.flags.contains(NeighbourFlags::EXT_LEARNED);
        Ok((is_learned && on.contains(&neighbour.index)).then_some(neighbour))
    });
    let routes = conn.dump(RouteFilter::default().list_request(), move |message| {
        // Those of multicast routing and MPLS are in the list too.
        if !Route::is_route(message) {
            return Ok(None);
        }
        let route = Route::decode(message)?;
        let is_through = || paths(&route).iter().any(|(_, dev)| devs.contains(dev));
        let is_near = tables.contains(&route.in_table()) || prefixes.contains(&route.prefix) || is_through();
        Ok((is_near && route.kind == RouteType::Unicast).then_some(route))
    });
    snapshot.neighbours = neighbours.collect_all().await?;
    snapshot.routes = routes.collect_all().await?;
    Ok(())
}
