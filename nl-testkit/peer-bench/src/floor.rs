//! The floor of the rows about the bridge: what the kernel costs when user space does as little as it can.

use std::net::Ipv4Addr;

use crate::Result;
use crate::entry::{IFINDEX_BRIDGE, IFINDEX_PORT, Mac, STATE_PERMANENT, STATE_STATIC, Seen, Tally};
use crate::measure::{Cost, Kib, PeakMemory, Stopwatch};
use crate::netlink::{NLM_F_CREATE, NLM_F_EXCL, Request, Socket, attributes};

// include/uapi/linux/netlink.h
const NLM_F_BULK: u16 = 0x200;

// include/uapi/linux/rtnetlink.h, neighbour.h
pub(crate) const RTM_NEWNEIGH: u16 = 28;
pub(crate) const RTM_DELNEIGH: u16 = 29;
const RTM_GETNEIGH: u16 = 30;
const AF_BRIDGE: u8 = 7;
const NTF_MASTER: u8 = 0x04;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_VLAN: u16 = 5;
const NDA_VNI: u16 = 7;
const NDA_MASTER: u16 = 9;
const NDA_NDM_STATE_MASK: u16 = 16;

/// Dumps with the kernel's filter on the bridge.
pub(crate) fn list() -> Result<(Cost, Tally)> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    let tally = read(&mut socket)?;
    Ok((watch.stop()?, tally))
}

/// Adds entries, one acknowledgement per 64.
pub(crate) fn insert(macs: &[Mac]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    socket.fenced(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, macs, |request, mac| {
        entry(request, IFINDEX_PORT, STATE_STATIC, mac);
    })?;
    watch.stop()
}

/// Deletes everything but the bridge's own addresses with one request.
pub(crate) fn delete_in_bulk(_: &[Mac]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    socket.fenced(RTM_DELNEIGH, NLM_F_BULK, &[()], |request, ()| {
        ndmsg(request, IFINDEX_PORT, 0, NTF_MASTER);
        request.attribute(NDA_NDM_STATE_MASK, &STATE_PERMANENT.to_ne_bytes());
    })?;
    watch.stop()
}

/// Deletes entries by address, one acknowledgement per 64.
pub(crate) fn delete_one_by_one(macs: &[Mac]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    socket.fenced(RTM_DELNEIGH, 0, macs, |request, mac| entry(request, IFINDEX_PORT, 0, mac))?;
    watch.stop()
}

pub(crate) fn decode(message: &[u8]) -> Result<Seen> {
    let entry = Entry::parse(message.get(16..).unwrap_or_default()).ok_or("short message")?;
    Ok(Seen { ifindex: entry.ifindex, mac: entry.mac, vlan: entry.vlan, dst: entry.dst, vni: entry.vni })
}

/// The socket comes with its receive buffer, which is what is measured.
pub(crate) fn stream() -> Result<(Kib, Tally)> {
    let peak = PeakMemory::start()?;
    let mut socket = Socket::open()?;
    let tally = read(&mut socket)?;
    Ok((peak.stop()?, tally))
}

/// What is in the bridge's table now: how everybody's work is checked.
pub(crate) fn tally() -> Result<Tally> {
    read(&mut Socket::open()?)
}

/// The static entries of the bridge, counted.
pub(crate) fn read(socket: &mut Socket) -> Result<Tally> {
    let mut tally = Tally::default();
    each_entry(socket, |entry| {
        if entry.state == STATE_STATIC {
            tally.add(entry.mac);
        }
    })?;
    Ok(tally)
}

/// Every entry of the bridge.
pub(crate) fn each_entry(socket: &mut Socket, mut each: impl FnMut(Entry)) -> Result<()> {
    let write = |request: &mut Request| {
        ndmsg(request, 0, 0, 0);
        request.attribute(NDA_MASTER, &IFINDEX_BRIDGE.to_ne_bytes());
    };
    socket.dump(RTM_GETNEIGH, write, RTM_NEWNEIGH, |body| {
        each(Entry::parse(body).ok_or("short entry")?);
        Ok(())
    })
}

fn ndmsg(request: &mut Request, ifindex: u32, state: u16, flags: u8) {
    request.raw(&[AF_BRIDGE, 0, 0, 0]);
    request.raw(&ifindex.to_ne_bytes());
    request.raw(&state.to_ne_bytes());
    request.raw(&[flags, 0]);
}

/// What says which entry, on which port of a bridge.
pub(crate) fn entry(request: &mut Request, ifindex: u32, state: u16, mac: &Mac) {
    ndmsg(request, ifindex, state, NTF_MASTER);
    request.attribute(NDA_LLADDR, mac);
}

/// What an RTM_NEWNEIGH says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) ifindex: u32,
    pub(crate) state: u16,
    pub(crate) mac: Mac,
    pub(crate) vlan: Option<u16>,
    pub(crate) dst: Option<Ipv4Addr>,
    pub(crate) vni: Option<u32>,
}

impl Entry {
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let (header, rest) = body.split_first_chunk::<12>()?;
        let [_, _, _, _, i0, i1, i2, i3, s0, s1, _, _] = *header;
        let mut entry = Self {
            ifindex: u32::from_ne_bytes([i0, i1, i2, i3]),
            state: u16::from_ne_bytes([s0, s1]),
            mac: [0; 6],
            vlan: None,
            dst: None,
            vni: None,
        };
        for (kind, value) in attributes(rest) {
            match kind {
                NDA_DST => entry.dst = value.try_into().ok().map(|octets: [u8; 4]| octets.into()),
                NDA_LLADDR => entry.mac = value.try_into().ok()?,
                NDA_VLAN => entry.vlan = value.try_into().ok().map(u16::from_ne_bytes),
                NDA_VNI => entry.vni = value.try_into().ok().map(u32::from_ne_bytes),
                _ => {}
            }
        }
        Some(entry)
    }
}
