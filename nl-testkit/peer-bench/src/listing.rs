//! Rows 24 and 25: large tables of other families, read once.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::{Command, Stdio};

use futures_util::TryStreamExt as _;

use crate::measure::{self, Cost, Stopwatch};
use crate::netlink::{Request, Socket, attributes};
use crate::rows::{Contestant, Plan, cost_table, interleave};
use crate::table::Table;
use crate::{Result, runtime};

// include/uapi/linux/rtnetlink.h, include/uapi/linux/if_link.h
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const NLM_F_CREATE_EXCL: u16 = 0x600;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_GROUP: u16 = 27;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_INFO_KIND: u16 = 1;
const RTEXT_FILTER_SKIP_STATS: u32 = 8;
/// Of the devices of the row, so that one request deletes them.
const GROUP: u32 = 7;

/// Reads all devices, and returns how many there are in the group and the sum of their MTUs.
type List = fn() -> Result<(Cost, (u64, u64))>;

const DEVICES: &[Contestant<List>] = &[
    ("raw socket (floor)", floor),
    #[cfg(feature = "ours")]
    ("ours, Links", ours),
    ("rtnetlink", rtnetlink),
    ("ip link show, a process", iproute2),
];

/// 24: the kernel is asked to leave counters out, as `ip link show` without `-s` is not.
pub(crate) fn devices(plan: Plan) -> Result<Table> {
    let count = plan.devices;
    let devices = Devices::make(count)?;
    let costs = interleave(plan.runs, DEVICES, |name, list| {
        let (cost, (seen, mtus)) = list()?;
        // iproute2's text is not taken apart.
        if seen != u64::from(count) || (mtus != 0 && mtus != u64::from(count) * 1500) {
            return Err(format!("{name} saw {seen} devices with MTUs of {mtus} in all").into());
        }
        Ok(cost)
    })?;
    drop(devices);
    Ok(cost_table(&format!("24. List {count} devices"), DEVICES, &costs))
}

// include/uapi/linux/rtnetlink.h
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_TABLE: u16 = 15;
const AF_INET: u8 = 2;
const IFINDEX_LO: u32 = 1;
/// A table of the row's own, so that no other route is in it.
const TABLE: u32 = 1000;

const ROUTES: &[Contestant<List>] = &[
    ("raw socket (floor)", floor_of_routes),
    #[cfg(feature = "ours")]
    ("ours, Routes", our_routes),
    #[cfg(feature = "ours")]
    ("ours, Routes, each looked at in its place", our_visited_routes),
    ("rtnetlink", routes_of_rtnetlink),
    ("ip route show, a process", routes_of_iproute2),
];

/// 25: IPv4 routes to single hosts, in a table that the kernel filters by.
pub(crate) fn routes(plan: Plan) -> Result<Table> {
    let count = plan.routes;
    let mut socket = Socket::open()?;
    loopback(&mut socket, true)?;
    let hosts: Vec<u32> = (0..count).map(|number| 0x0a00_0000 + number).collect();
    socket.fenced(RTM_NEWROUTE, NLM_F_CREATE_EXCL, &hosts, |request: &mut Request, host: &u32| {
        // struct rtmsg: RTPROT_STATIC, RT_SCOPE_LINK, RTN_UNICAST
        request.raw(&[AF_INET, 32, 0, 0, 0, 4, 253, 1, 0, 0, 0, 0]);
        request.attribute(RTA_DST, &host.to_be_bytes());
        request.attribute(RTA_OIF, &IFINDEX_LO.to_ne_bytes());
        request.attribute(RTA_TABLE, &TABLE.to_ne_bytes());
    })?;
    let sum: u64 = hosts.iter().map(|host| u64::from(*host)).sum();
    let costs = interleave(plan.runs.min(3), ROUTES, |name, list| {
        let (cost, (seen, hosts)) = list()?;
        // iproute2's text is not taken apart.
        if seen != u64::from(count) || (hosts != 0 && hosts != sum) {
            return Err(format!("{name} saw {seen} routes to {hosts} in all").into());
        }
        Ok(cost)
    })?;
    // Its routes go with it, so that other rows find none.
    loopback(&mut socket, false)?;
    Ok(cost_table(&format!("25. List {count} routes"), ROUTES, &costs))
}

/// Sets the loopback device up or down, with `struct ifinfomsg`.
fn loopback(socket: &mut Socket, up: bool) -> Result<()> {
    socket.change(RTM_NEWLINK, 0, |request| {
        request.raw(&[0, 0, 0, 0, 1, 0, 0, 0, u8::from(up), 0, 0, 0, 1, 0, 0, 0]);
    })
}

fn floor_of_routes() -> Result<(Cost, (u64, u64))> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    let (mut seen, mut sum) = (0, 0);
    let ask = |request: &mut Request| {
        request.raw(&[AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        request.attribute(RTA_TABLE, &TABLE.to_ne_bytes());
    };
    socket.dump(RTM_GETROUTE, ask, RTM_NEWROUTE, |body| {
        let (mut table, mut host, mut oif) = (0, 0, 0);
        for (kind, value) in attributes(body.get(12..).unwrap_or_default()) {
            let number = || value.try_into().map(u32::from_ne_bytes).unwrap_or_default();
            match kind {
                RTA_DST => host = value.try_into().map(u32::from_be_bytes).unwrap_or_default(),
                RTA_OIF => oif = number(),
                RTA_TABLE => table = number(),
                _ => {}
            }
        }
        if table == TABLE && oif == IFINDEX_LO {
            seen += 1;
            sum += u64::from(host);
        }
        Ok(())
    })?;
    Ok((watch.stop()?, (seen, sum)))
}

#[cfg(feature = "ours")]
fn our_visited_routes() -> Result<(Cost, (u64, u64))> {
    use nl_core::route::Routes;
    use nl_core::{Connection, Protocol};

    runtime()?.block_on(async {
        let routes = Routes::new(Connection::open(Protocol::Route)?);
        let watch = Stopwatch::start()?;
        let list = routes.entries().ipv4().table(TABLE).list().await?;
        let seen = list.visit((0, 0), |(seen, sum): &mut (u64, u64), route| {
            if let (Some(IFINDEX_LO), IpAddr::V4(host)) = (route.oif, route.prefix.addr()) {
                *seen += 1;
                *sum += u64::from(host.to_bits());
            }
        });
        let seen = seen.await?;
        Ok((watch.stop()?, seen))
    })
}

#[cfg(feature = "ours")]
fn our_routes() -> Result<(Cost, (u64, u64))> {
    use nl_core::route::Routes;
    use nl_core::{Connection, Protocol};

    runtime()?.block_on(async {
        let routes = Routes::new(Connection::open(Protocol::Route)?);
        let watch = Stopwatch::start()?;
        let (mut seen, mut sum) = (0, 0);
        let mut list = routes.entries().ipv4().table(TABLE).list().await?;
        while let Some(route) = list.try_next().await? {
            if let (Some(IFINDEX_LO), IpAddr::V4(host)) = (route.oif, route.prefix.addr()) {
                seen += 1;
                sum += u64::from(host.to_bits());
            }
        }
        Ok((watch.stop()?, (seen, sum)))
    })
}

/// It cannot ask for one table.
fn routes_of_rtnetlink() -> Result<(Cost, (u64, u64))> {
    use netlink_packet_route::route::{RouteAddress, RouteAttribute};

    runtime()?.block_on(async {
        let (connection, handle, _) = ::rtnetlink::new_connection()?;
        tokio::spawn(connection);
        let watch = Stopwatch::start()?;
        let (mut seen, mut sum) = (0, 0);
        let ask = ::rtnetlink::RouteMessageBuilder::<std::net::Ipv4Addr>::new().build();
        let mut list = handle.route().get(ask).execute();
        while let Some(route) = list.try_next().await? {
            let (mut table, mut host) = (0, 0);
            for attribute in &route.attributes {
                match attribute {
                    RouteAttribute::Table(number) => table = *number,
                    RouteAttribute::Destination(RouteAddress::Inet(address)) => host = address.to_bits(),
                    _ => {}
                }
            }
            if table == TABLE {
                seen += 1;
                sum += u64::from(host);
            }
        }
        Ok((watch.stop()?, (seen, sum)))
    })
}

fn routes_of_iproute2() -> Result<(Cost, (u64, u64))> {
    let mut command = Command::new("ip");
    command.args(["route", "show", "table", &TABLE.to_string()]).stdin(Stdio::null());
    let (cost, text) = measure::child_with_output(&mut command)?;
    Ok((cost, (text.lines().count().try_into()?, 0)))
}

/// Bridges, of which every kernel can make any number.
struct Devices;

impl Devices {
    fn make(count: u32) -> Result<Self> {
        let mut socket = Socket::open()?;
        let devices = Self;
        let names: Vec<String> = (0..count).map(|number| format!("d{number}")).collect();
        socket.fenced(RTM_NEWLINK, NLM_F_CREATE_EXCL, &names, |request: &mut Request, name: &String| {
            request.raw(&[0; 16]);
            request.attribute(IFLA_IFNAME, format!("{name}\0").as_bytes());
            request.attribute(IFLA_GROUP, &GROUP.to_ne_bytes());
            request.nested(IFLA_LINKINFO, |info| info.attribute(IFLA_INFO_KIND, b"bridge\0"));
        })?;
        Ok(devices)
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        let delete = || {
            Socket::open()?.change(RTM_DELLINK, 0, |request| {
                request.raw(&[0; 16]);
                request.attribute(IFLA_GROUP, &GROUP.to_ne_bytes());
            })
        };
        // Whatever stays is gone with the namespace.
        let _ = delete();
    }
}

fn floor() -> Result<(Cost, (u64, u64))> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    let (mut seen, mut mtus) = (0, 0);
    let ask = |request: &mut Request| {
        request.raw(&[0; 16]);
        request.attribute(IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
    };
    socket.dump(RTM_GETLINK, ask, RTM_NEWLINK, |body| {
        let (mut group, mut mtu, mut name) = (0, 0, &[][..]);
        for (kind, value) in attributes(body.get(16..).unwrap_or_default()) {
            let number = || value.try_into().map(u32::from_ne_bytes).unwrap_or_default();
            match kind {
                IFLA_IFNAME => name = value,
                IFLA_MTU => mtu = number(),
                IFLA_GROUP => group = number(),
                _ => {}
            }
        }
        if group == GROUP && !name.is_empty() {
            seen += 1;
            mtus += u64::from(mtu);
        }
        Ok(())
    })?;
    Ok((watch.stop()?, (seen, mtus)))
}

#[cfg(feature = "ours")]
fn ours() -> Result<(Cost, (u64, u64))> {
    use nl_core::link::Links;
    use nl_core::{Connection, Protocol};

    runtime()?.block_on(async {
        let links = Links::new(Connection::open(Protocol::Route)?);
        let watch = Stopwatch::start()?;
        let (mut seen, mut mtus) = (0, 0);
        let mut list = links.devices().list().await?;
        while let Some(link) = list.try_next().await? {
            if link.group == GROUP && !link.name.is_empty() {
                seen += 1;
                mtus += u64::from(link.mtu);
            }
        }
        Ok((watch.stop()?, (seen, mtus)))
    })
}

fn rtnetlink() -> Result<(Cost, (u64, u64))> {
    use netlink_packet_route::link::{LinkAttribute, LinkExtentMask};

    runtime()?.block_on(async {
        let (connection, handle, _) = ::rtnetlink::new_connection()?;
        tokio::spawn(connection);
        let watch = Stopwatch::start()?;
        let (mut seen, mut mtus) = (0, 0);
        let mut list = handle
            .link()
            .get()
            .set_filter_mask(netlink_packet_route::AddressFamily::Unspec, vec![LinkExtentMask::SkipStats])
            .execute();
        while let Some(link) = list.try_next().await? {
            let (mut group, mut mtu) = (0, 0);
            for attribute in &link.attributes {
                match attribute {
                    LinkAttribute::Mtu(number) => mtu = *number,
                    LinkAttribute::Group(number) => group = *number,
                    _ => {}
                }
            }
            if group == GROUP {
                seen += 1;
                mtus += u64::from(mtu);
            }
        }
        Ok((watch.stop()?, (seen, mtus)))
    })
}

fn iproute2() -> Result<(Cost, (u64, u64))> {
    let mut command = Command::new("ip");
    command.args(["-o", "link", "show", "group", &GROUP.to_string()]).stdin(Stdio::null());
    let (cost, text) = measure::child_with_output(&mut command)?;
    let names: BTreeSet<_> = text.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    Ok((cost, (names.len().try_into()?, 0)))
}
