use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use nl_core::link::{Link, LinkFlags, Vrf};
use nl_core::route::{Route, RouteFilter, Routes};
use nl_core::sysctl::Sysctl;
use nl_core::{Connection, Pending, Protocol, Result};

use super::facts::{Device, Facts};
use super::finding::Finding;
use crate::encap::Seg6;
use crate::hmac::HmacKeys;
use crate::sid::Seg6Local;

/// `ARPHRD_ETHER`
const ETHERNET: u16 = 1;
/// With more keys the kernel may have left one out of its list.
const FEW_KEYS: usize = 30;

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

    /// Reads what is needed to find faults: devices, routes with segments and SIDs of all tables, settings, the routes that first
    /// segments take, and the keys where that is allowed.
    ///
    /// Needs no privilege; the namespace of the connection must be that of the calling thread, or one that it may enter.
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
    let mut facts = Facts::default();
    let filter_of_all = reverse_path_filter(&sysctl, "all")?;
    for link in conn.links().collect_all().await? {
        facts.devices.push(device(&link, &sysctl, filter_of_all)?);
    }
    let routes = conn.dump(RouteFilter::default().list_request(), |message| {
        if !Route::is_route(message) {
            return Ok(None);
        }
        Ok(Some(Route::decode(message)?).filter(concerns))
    });
    facts.routes = routes.collect_all().await?;
    facts.first_segments = first_segments(conn, &facts.routes).await;
    let switch = |name: &str| Ok::<_, nl_core::Error>(sysctl.number::<i32>(name)?.map(|value| value != 0));
    facts.forwards_ipv6 = switch("net.ipv6.conf.all.forwarding")?;
    facts.forwards_ipv4 = switch("net.ipv4.ip_forward")?;
    facts.keys = keys(conn).await;
    Ok(facts)
}

fn device(link: &Link, sysctl: &Sysctl, filter_of_all: i32) -> Result<Device> {
    let mut device = Device {
        index: link.index,
        name: link.name.as_str().to_owned(),
        is_up: link.is_up(),
        is_loopback: link.flags.contains(LinkFlags::LOOPBACK),
        is_ethernet: link.link_type == ETHERNET,
        ..Device::default()
    };
    if let Some(vrf) = link.kind::<Vrf>() {
        device.vrf_table = vrf?.table;
        device.filters_reverse_path = filter_of_all.max(reverse_path_filter(sysctl, &device.name)?) == 1;
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

/// The routes that the first segments of all lists take.
async fn first_segments(
    conn: &Connection,
    routes: &[Route],
) -> BTreeMap<Ipv6Addr, Option<(nl_core::IpPrefix, u32)>> {
    let mut all = BTreeMap::new();
    for route in routes {
        let own = route.encap::<Seg6>().ok().flatten();
        let of_paths = route.nexthops.iter().filter_map(|hop| hop.encap::<Seg6>().ok().flatten());
        let lists: Vec<_> = own.into_iter().chain(of_paths).collect();
        for segment in lists.iter().filter_map(|seg6| seg6.segments().first().copied()) {
            if all.contains_key(&segment) {
                continue;
            }
            // That there is none is said in many ways.
            let taken = Routes::new(conn.clone()).resolve(segment.into()).fib_match().get().await.ok();
            all.insert(segment, taken.map(|route| (route.prefix, route.in_table())));
        }
    }
    all
}

/// The numbers of the keys, where they may be read and are few.
async fn keys(conn: &Connection) -> Option<BTreeSet<u32>> {
    let list = HmacKeys::new(conn.sibling(Protocol::Generic).ok()?).list().await.ok()?;
    let keys: BTreeSet<_> = list.collect_all().await.ok()?.iter().map(|key| key.id).collect();
    (keys.len() <= FEW_KEYS).then_some(keys)
}
