//! The floor of the row about SRv6: hand-written bytes, the same that everybody sends.

use std::net::Ipv6Addr;

use super::{FIRST_ID, IFINDEX, PROTOCOL, TABLE, Tally, network, segments, sid};
use crate::Result;
use crate::measure::{Cost, Stopwatch};
use crate::netlink::{NLM_F_CREATE, NLM_F_EXCL, Request, Socket, attributes};

// include/uapi/linux/rtnetlink.h, nexthop.h, lwtunnel.h, seg6_iptunnel.h, seg6_local.h
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWNEXTHOP: u16 = 104;
const RTM_GETNEXTHOP: u16 = 106;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_PRIORITY: u16 = 6;
const RTA_CACHEINFO: u16 = 12;
const RTA_TABLE: u16 = 15;
const RTA_PREF: u16 = 20;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_ENCAP: u16 = 22;
const RTA_NH_ID: u16 = 30;
const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_OIF: u16 = 5;
const NHA_ENCAP_TYPE: u16 = 7;
const NHA_ENCAP: u16 = 8;
const ENCAP_SEG6: u16 = 5;
const ENCAP_SEG6_LOCAL: u16 = 7;
const SEG6_IPTUNNEL_SRH: u16 = 1;
const SEG6_LOCAL_ACTION: u16 = 1;
const SEG6_LOCAL_COUNTERS: u16 = 10;
const ACTION_END: u32 = 1;
const AF_INET6: u8 = 10;
const RTPROT_BOOT: u8 = 3;
const TABLE_MAIN: u8 = 254;
const TABLE_COMPAT: u8 = 252;
const UNICAST: u8 = 1;
const CREATE: u16 = NLM_F_CREATE | NLM_F_EXCL;

pub(super) fn add(numbers: &[u32]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    socket.fenced_patiently(RTM_NEWROUTE, CREATE, numbers, |request: &mut Request, number: &u32| {
        to(request, *number, RTPROT_BOOT);
        request.attribute(RTA_OIF, &IFINDEX.to_ne_bytes());
        request.attribute(RTA_ENCAP_TYPE, &ENCAP_SEG6.to_ne_bytes());
        request.nested(RTA_ENCAP, |encap| encap.attribute(SEG6_IPTUNNEL_SRH, &list_of(*number)));
    })?;
    watch.stop()
}

pub(super) fn delete(numbers: &[u32]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    for number in numbers {
        socket.change(RTM_DELROUTE, 0, |request| to(request, *number, 0))?;
    }
    watch.stop()
}

pub(super) fn list() -> Result<(Cost, Option<Tally>)> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    socket.dump(RTM_GETROUTE, of_table, RTM_NEWROUTE, |_| Ok(()))?;
    Ok((watch.stop()?, None))
}

/// As little as a program needs that looks at the destination and the segments of each.
pub(super) fn list_decoded() -> Result<(Cost, Option<Tally>)> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    let tally = read(&mut socket, true)?;
    Ok((watch.stop()?, Some(tally)))
}

/// A route as it is returned by whoever hands it to a program: its fields, and its segments in the order of travel.
#[derive(Debug, Default)]
#[expect(dead_code, reason = "read, as a program would that does something with it")]
struct Whole {
    destination: Option<Ipv6Addr>,
    len: u8,
    protocol: u8,
    scope: u8,
    kind: u8,
    flags: u32,
    table: u32,
    oif: u32,
    metric: u32,
    preference: u8,
    expires: u32,
    mode: i32,
    segments: Vec<Ipv6Addr>,
}

/// Each route is read whole, looked at and dropped.
pub(super) fn list_whole() -> Result<(Cost, Option<Tally>)> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    let mut tally = Tally::default();
    socket.dump(RTM_GETROUTE, of_table, RTM_NEWROUTE, |body| {
        let route = std::hint::black_box(whole(body)?);
        if let (TABLE, Some(destination), 3) = (route.table, route.destination, route.segments.len()) {
            tally.add(destination);
        }
        Ok(())
    })?;
    Ok((watch.stop()?, Some(tally)))
}

fn whole(body: &[u8]) -> Result<Whole> {
    let (header, attrs) = body.split_first_chunk::<12>().ok_or("short route")?;
    let [_, len, _, _, table, protocol, scope, kind, flags @ ..] = *header;
    let mut route = Whole {
        len,
        protocol,
        scope,
        kind,
        flags: u32::from_ne_bytes(flags),
        table: table.into(),
        ..Whole::default()
    };
    let (mut encap, mut encap_kind) = (&[][..], 0);
    for (kind, value) in attributes(attrs) {
        match kind {
            RTA_DST => route.destination = value.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets)),
            RTA_OIF => route.oif = u32::from_ne_bytes(value.try_into()?),
            RTA_PRIORITY => route.metric = u32::from_ne_bytes(value.try_into()?),
            RTA_TABLE => route.table = u32::from_ne_bytes(value.try_into()?),
            RTA_PREF => route.preference = *value.first().ok_or("a route without a preference")?,
            RTA_CACHEINFO => {
                // `rta_expires` of `struct rta_cacheinfo`
                let expires = value.get(8..).and_then(|rest| rest.first_chunk());
                route.expires = expires.map_or(0, |value| u32::from_ne_bytes(*value));
            }
            RTA_ENCAP_TYPE => encap_kind = u16::from_ne_bytes(value.try_into()?),
            RTA_ENCAP => encap = value,
            _ => {}
        }
    }
    let list = attributes(encap).find(|(kind, _)| *kind == SEG6_IPTUNNEL_SRH);
    if let (ENCAP_SEG6, Some((_, list))) = (encap_kind, list) {
        let (mode, list) = list.split_first_chunk().ok_or("a short list")?;
        route.mode = i32::from_ne_bytes(*mode);
        let segments = list.get(8..).unwrap_or_default().chunks_exact(16).rev();
        route.segments = segments
            .filter_map(|segment| segment.first_chunk::<16>())
            .map(|octets| Ipv6Addr::from(*octets))
            .collect();
    }
    Ok(route)
}

/// What there is now: how everybody's work is checked.
pub(super) fn tally() -> Result<Tally> {
    read(&mut Socket::open()?, false)
}

pub(super) fn add_sids(numbers: &[u32]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    for number in numbers {
        socket.change(RTM_NEWROUTE, CREATE, |request| {
            request.raw(&[AF_INET6, 128, 0, 0, TABLE_MAIN, RTPROT_BOOT, 0, UNICAST, 0, 0, 0, 0]);
            request.attribute(RTA_DST, &sid(*number).octets());
            request.attribute(RTA_OIF, &IFINDEX.to_ne_bytes());
            request.attribute(RTA_ENCAP_TYPE, &ENCAP_SEG6_LOCAL.to_ne_bytes());
            request.nested(RTA_ENCAP, |encap| {
                encap.attribute(SEG6_LOCAL_ACTION, &ACTION_END.to_ne_bytes());
                encap.nested(SEG6_LOCAL_COUNTERS, |counters| {
                    for kind in 2..=4 {
                        counters.attribute(kind, &[0; 8]);
                    }
                });
            });
        })?;
    }
    watch.stop()
}

/// A nexthop for the list of each policy, a group of it, and a route over the group.
pub(super) fn apply(policies: &[u32]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let count = u32::try_from(policies.len())?;
    let watch = Stopwatch::start()?;
    socket.fenced_patiently(RTM_NEWNEXTHOP, CREATE, policies, |request: &mut Request, number: &u32| {
        request.raw(&[AF_INET6, 0, PROTOCOL, 0, 0, 0, 0, 0]);
        request.attribute(NHA_ID, &(FIRST_ID + number).to_ne_bytes());
        request.attribute(NHA_OIF, &IFINDEX.to_ne_bytes());
        request.attribute(NHA_ENCAP_TYPE, &ENCAP_SEG6.to_ne_bytes());
        request.nested(NHA_ENCAP, |encap| encap.attribute(SEG6_IPTUNNEL_SRH, &list_of(*number)));
    })?;
    socket.fenced_patiently(RTM_NEWNEXTHOP, CREATE, policies, |request: &mut Request, number: &u32| {
        request.raw(&[0, 0, PROTOCOL, 0, 0, 0, 0, 0]);
        request.attribute(NHA_ID, &(FIRST_ID + count + number).to_ne_bytes());
        let [a, b, c, d] = (FIRST_ID + number).to_ne_bytes();
        // struct nexthop_grp: a weight of 1 is 0.
        request.attribute(NHA_GROUP, &[a, b, c, d, 0, 0, 0, 0]);
    })?;
    socket.fenced_patiently(RTM_NEWROUTE, CREATE, policies, |request: &mut Request, number: &u32| {
        to(request, *number, PROTOCOL);
        request.attribute(RTA_NH_ID, &(FIRST_ID + count + number).to_ne_bytes());
    })?;
    watch.stop()
}

/// All nexthops and all routes, of which whoever applies policies again must know.
pub(super) fn read_all(_policies: &[u32]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    socket.dump(RTM_GETNEXTHOP, |request| request.raw(&[0; 8]), RTM_NEWNEXTHOP, |_| Ok(()))?;
    socket.dump(RTM_GETROUTE, |request| request.raw(&[0; 12]), RTM_NEWROUTE, |_| Ok(()))?;
    watch.stop()
}

/// `struct rtmsg` of a route to a network, with the attributes that find it.
fn to(request: &mut Request, number: u32, protocol: u8) {
    request.raw(&[AF_INET6, 64, 0, 0, TABLE_COMPAT, protocol, 0, UNICAST, 0, 0, 0, 0]);
    request.attribute(RTA_DST, &network(number).octets());
    request.attribute(RTA_TABLE, &TABLE.to_ne_bytes());
}

/// The mode `encap` and a segment routing header.
fn list_of(number: u32) -> [u8; 60] {
    let mut bytes = [0; 60];
    let (mode, header) = bytes.split_at_mut(4);
    mode.copy_from_slice(&1_i32.to_ne_bytes());
    let (fixed, list) = header.split_at_mut(8);
    // Length 3 * 16 bytes, type 4, two segments left behind the first, last entry 2.
    fixed.copy_from_slice(&[0, 6, 4, 2, 2, 0, 0, 0]);
    // The last hop is the first on the wire.
    for (place, segment) in list.chunks_exact_mut(16).zip(segments(number).iter().rev()) {
        place.copy_from_slice(&segment.octets());
    }
    bytes
}

fn of_table(request: &mut Request) {
    request.raw(&[AF_INET6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    request.attribute(RTA_TABLE, &TABLE.to_ne_bytes());
}

fn read(socket: &mut Socket, wants_segments: bool) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut without = 0_u64;
    socket.dump(RTM_GETROUTE, of_table, RTM_NEWROUTE, |body| {
        let (mut table, mut destination, mut count) = (0, None, 0);
        for (kind, value) in attributes(body.get(12..).unwrap_or_default()) {
            match kind {
                RTA_DST => destination = value.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets)),
                RTA_TABLE => table = value.first_chunk().map_or(0, |value| u32::from_ne_bytes(*value)),
                RTA_ENCAP if wants_segments => {
                    let list = attributes(value).find(|(kind, _)| *kind == SEG6_IPTUNNEL_SRH);
                    count = list
                        .map_or(0, |(_, list)| list.get(12..).unwrap_or_default().chunks_exact(16).count());
                }
                _ => {}
            }
        }
        if let (TABLE, Some(destination)) = (table, destination) {
            tally.add(destination);
            without += u64::from(wants_segments && count != 3);
        }
        Ok(())
    })?;
    if without != 0 {
        return Err(format!("{without} routes without three segments").into());
    }
    Ok(tally)
}
