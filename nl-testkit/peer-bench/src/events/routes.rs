//! IPv4 routes to single hosts, in a table of their own, by hand.

use crate::Result;
use crate::entry::Mac;
use crate::netlink::{NLM_F_CREATE, NLM_F_EXCL, Request, Socket, attributes};

// include/uapi/linux/rtnetlink.h
const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_NEWROUTE: u16 = 24;
pub(super) const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_TABLE: u16 = 15;
const AF_INET: u8 = 2;
const IFINDEX_LO: u32 = 1;
/// No other route is in it.
pub(super) const TABLE: u32 = 1000;

/// So many different hosts.
pub(super) fn hosts(count: u32) -> Vec<u32> {
    (0..count).map(|number| 0x0a00_0000 + number).collect()
}

/// A host as what tallies count.
pub(super) fn tallied(host: u32) -> Mac {
    let [a, b, c, d] = host.to_be_bytes();
    [0, 0, a, b, c, d]
}

/// Brings the loopback device up, which the routes are on.
pub(super) fn ready(socket: &mut Socket) -> Result<()> {
    socket.change(RTM_NEWLINK, 0, |request| {
        request.raw(&[0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
    })
}

pub(super) fn add(socket: &mut Socket, hosts: &[u32]) -> Result<()> {
    socket.fenced(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, hosts, write)
}

pub(super) fn delete(socket: &mut Socket, hosts: &[u32]) -> Result<()> {
    socket.fenced(RTM_DELROUTE, 0, hosts, write)
}

/// Shows the host of each route of the table, which the kernel filters by.
pub(super) fn each(socket: &mut Socket, mut show: impl FnMut(u32)) -> Result<()> {
    let ask = |request: &mut Request| {
        request.raw(&[AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        request.attribute(RTA_TABLE, &TABLE.to_ne_bytes());
    };
    socket.dump(RTM_GETROUTE, ask, RTM_NEWROUTE, |body| {
        show(host_of(body).ok_or("a route of another table")?);
        Ok(())
    })
}

/// The host of a route of the table, from the message behind its netlink header.
pub(super) fn host_of(body: &[u8]) -> Option<u32> {
    let (mut table, mut host, mut oif) = (0, None, 0);
    for (kind, value) in attributes(body.get(12..)?) {
        let number = || value.try_into().map(u32::from_ne_bytes).unwrap_or_default();
        match kind {
            RTA_DST => host = value.try_into().ok().map(u32::from_be_bytes),
            RTA_OIF => oif = number(),
            RTA_TABLE => table = number(),
            _ => {}
        }
    }
    host.filter(|_| table == TABLE && oif == IFINDEX_LO)
}

fn write(request: &mut Request, host: &u32) {
    // struct rtmsg: RTPROT_STATIC, RT_SCOPE_LINK, RTN_UNICAST
    request.raw(&[AF_INET, 32, 0, 0, 0, 4, 253, 1, 0, 0, 0, 0]);
    request.attribute(RTA_DST, &host.to_be_bytes());
    request.attribute(RTA_OIF, &IFINDEX_LO.to_ne_bytes());
    request.attribute(RTA_TABLE, &TABLE.to_ne_bytes());
}
