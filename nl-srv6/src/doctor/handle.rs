use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use nl_core::address::Addresses;
use nl_core::link::{Link, LinkFlags, Vrf};
use nl_core::route::{Route, RouteFilter, RouteType, Routes};
use nl_core::sysctl::Sysctl;
use nl_core::{Connection, IpFamily, IpPrefix, Pending, Protocol, Result};

use super::facts::{Destination, Device, Facts};
use super::finding::Finding;
use crate::encap::Seg6;
use crate::hmac::known_keys;
use crate::sid::Seg6Local;

/// `ARPHRD_ETHER`
const ETHERNET: u16 = 1;

/// Examines the connection's namespace. Cheap to clone.
///
/// See [`doctor`](super) for an example.
#[derive(Clone, Debug)]
pub struct Doctor {
    conn: Connection,
}

impl Doctor {
    /// Over this connection, which must be one to [`Protocol::Route`].
    #[must_use]
    pub fn new(conn: Connection) -> Self {
        Self { conn }
    }

    /// Reads the [facts](Self::facts) and finds the faults.
    ///
    /// # Errors
    /// As [`facts`](Self::facts).
    pub fn examine(&self) -> Pending<Vec<Finding>> {
        let conn = self.conn.clone();
        Pending::new(async move { Ok(facts(&conn).await?.diagnose()) })
    }

    /// Reads what is needed to find faults: devices with their addresses, routes with segments and SIDs of all tables, the destinations
    /// of the other routes of IPv6, settings, the routes that first segments take, and the keys where that is allowed.
    ///
    /// Those of several nodes are [diagnosed](super::diagnose()) together. Needs no privilege; the namespace of the connection must be that of the calling thread, or one that it may enter.
    ///
    /// # Errors
    /// As [`Connection::netns`]; a connection of another protocol.
    pub fn facts(&self) -> Pending<Facts> {
        let conn = self.conn.clone();
        Pending::new(async move { facts(&conn).await })
    }
}

async fn facts(conn: &Connection) -> Result<Facts> {
    conn.require(Protocol::Route, "routes")?;
    let sysctl = Sysctl::new(conn)?;
    let switch = |name: &str| Ok::<_, nl_core::Error>(sysctl.number::<i32>(name)?.map(|value| value != 0));
    let mut facts = Facts::default();
    let mut addresses = addresses(conn).await?;
    let filter_of_all = reverse_path_filter(&sysctl, "all")?;
    for link in conn.links().collect_all().await? {
        let addresses = addresses.remove(&link.index).unwrap_or_default();
        facts.devices.push(device(&link, addresses, &sysctl, filter_of_all)?);
    }
    read_routes(conn, &mut facts).await?;
    find_first_segments(conn, &mut facts).await;
    facts.forwards_ipv6 = switch("net.ipv6.conf.all.forwarding")?;
    facts.forwards_ipv4 = switch("net.ipv4.ip_forward")?;
    facts.seg6_enabled = switch("net.ipv6.conf.all.seg6_enabled")?;
    facts.vrf_strict_mode = switch("net.vrf.strict_mode")?;
    facts.keys = known_keys(conn).await;
    Ok(facts)
}

/// The addresses of IPv6 of each device.
async fn addresses(conn: &Connection) -> Result<BTreeMap<u32, Vec<IpPrefix>>> {
    let list = Addresses::new(conn.clone()).entries().family(IpFamily::V6).list().await?;
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for address in list.collect_all().await? {
        // The kernel reports no length that is too large.
        let prefix = IpPrefix::new(address.local, address.prefix_len);
        all.entry(address.index).or_default().extend(prefix.ok());
    }
    Ok(all)
}

fn device(link: &Link, addresses: Vec<IpPrefix>, sysctl: &Sysctl, filter_of_all: i32) -> Result<Device> {
    let mut device = Device {
        index: link.index,
        name: link.name.as_str().to_owned(),
        is_up: link.is_up(),
        is_loopback: link.flags.contains(LinkFlags::LOOPBACK),
        is_ethernet: link.link_type == ETHERNET,
        addresses,
        ..Device::default()
    };
    if let Some(vrf) = link.kind::<Vrf>() {
        device.vrf_table = vrf?.table;
        device.filters_reverse_path = filter_of_all.max(reverse_path_filter(sysctl, &device.name)?) == 1;
    }
    // No packet of IPv6 comes through a device without an address. As a path, because a name may have dots.
    if device.is_up && !device.addresses.is_empty() {
        let number = |switch: &str| sysctl.number::<i32>(&format!("net/ipv6/conf/{}/{switch}", device.name));
        let (enabled, required) = (number("seg6_enabled")?, number("seg6_require_hmac")?);
        (device.seg6_enabled, device.seg6_require_hmac) = (enabled.map(|value| value != 0), required);
    }
    Ok(device)
}

fn reverse_path_filter(sysctl: &Sysctl, interface: &str) -> Result<i32> {
    // As a path, because a name may have dots.
    Ok(sysctl.number(&format!("net/ipv4/conf/{interface}/rp_filter"))?.unwrap_or(0))
}

fn has_segments(route: &Route) -> bool {
    let own = route.encap::<Seg6>().is_ok_and(|seg6| seg6.is_some());
    own || route.nexthops.iter().any(|hop| hop.encap::<Seg6>().is_ok_and(|seg6| seg6.is_some()))
}

fn concerns(route: &Route) -> bool {
    let is_sid = || route.encap::<Seg6Local>().is_ok_and(|local| local.is_some());
    let has_sid =
        || route.nexthops.iter().any(|hop| hop.encap::<Seg6Local>().is_ok_and(|local| local.is_some()));
    has_segments(route) || is_sid() || has_sid()
}

/// The routes with segments, the SIDs, and the destinations of IPv6.
async fn read_routes(conn: &Connection, facts: &mut Facts) -> Result<()> {
    let routes = conn.dump(RouteFilter::default().list_request(), |message| {
        if !Route::is_route(message) {
            return Ok(None);
        }
        let route = Route::decode(message)?;
        let to = destination(&route);
        let with_segments = concerns(&route).then(|| Box::new(route));
        Ok((to.is_some() || with_segments.is_some()).then_some((to, with_segments)))
    });
    let (mut destinations, mut open, mut closed) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (destination, route) in routes.collect_all().await? {
        facts.routes.extend(route.map(|route| *route));
        let Some(destination) = destination else { continue };
        if facts.vrf(destination.table).is_none() {
            destinations.push(destination);
        } else if destination.prefix.is_default() {
            let tables = if destination.is_open { &mut open } else { &mut closed };
            tables.insert(destination.table);
        }
    }
    facts.closed_tables = closed.difference(&open).copied().collect();
    facts.destinations = Some(destinations);
    Ok(())
}

/// What a route says about the way of packets of IPv6 to other nodes.
fn destination(route: &Route) -> Option<Destination> {
    let is_open = match route.kind {
        RouteType::Unicast | RouteType::Local | RouteType::Anycast => true,
        RouteType::Blackhole | RouteType::Unreachable | RouteType::Prohibit => false,
        _ => return None,
    };
    let IpAddr::V6(addr) = route.prefix.addr() else { return None };
    let is_on_link = !route.prefix.is_default() && (addr.is_unicast_link_local() || addr.is_multicast());
    (!is_on_link).then(|| Destination { prefix: route.prefix, table: route.in_table(), is_open })
}

/// Looks up the routes that the first segments of all lists take.
async fn find_first_segments(conn: &Connection, facts: &mut Facts) {
    for route in &facts.routes {
        let own = route.encap::<Seg6>().ok().flatten();
        let of_paths = route.nexthops.iter().filter_map(|hop| hop.encap::<Seg6>().ok().flatten());
        let lists: Vec<_> = own.into_iter().chain(of_paths).collect();
        let table = route.in_table();
        let vrf = facts.devices.iter().find(|device| device.vrf_table == Some(table));
        for segment in lists.iter().filter_map(|seg6| seg6.segments().first().copied()) {
            let is_known = facts.first_segments.contains_key(&segment);
            if !is_known {
                facts.first_segments.insert(segment, taken(conn, segment, None).await);
            }
            let Some(vrf) = vrf else { continue };
            let segments = facts.vrf_segments.entry(table).or_default();
            let is_known = segments.contains_key(&segment);
            if !is_known {
                segments.insert(segment, taken(conn, segment, Some(vrf.index)).await);
            }
        }
    }
}

/// Destination and table of the route that a packet takes, where it comes through a device or from this host.
async fn taken(conn: &Connection, to: Ipv6Addr, through: Option<u32>) -> Option<(IpPrefix, u32)> {
    let lookup = Routes::new(conn.clone()).resolve(to.into()).fib_match();
    let lookup = match through {
        Some(index) => lookup.iif(index),
        None => lookup,
    };
    // That there is none is said in many ways.
    let route = lookup.get().await.ok()?;
    Some((route.prefix, route.in_table()))
}
