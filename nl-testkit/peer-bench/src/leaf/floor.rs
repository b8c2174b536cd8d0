//! The floor of the row about leaves: hand-written bytes, the same that everybody sends.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::{Address, FIRST_VNI, IFINDEX_VXLAN, Layout, Tally};
use crate::Result;
use crate::entry::Mac;
use crate::floor::RTM_NEWNEIGH;
use crate::measure::{Cost, Kib, PeakMemory, Stopwatch};
use crate::netlink::{NLM_F_CREATE, NLM_F_REPLACE, Request, Socket, attributes};

// include/uapi/linux/rtnetlink.h, neighbour.h
const RTM_GETNEIGH: u16 = 30;
const AF_BRIDGE: u8 = 7;
const NTF_SELF: u8 = 0x02;
const NTF_MASTER: u8 = 0x04;
const NTF_EXT_LEARNED: u8 = 0x10;
const NUD_REACHABLE: u16 = 0x02;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_VLAN: u16 = 5;
const NDA_MASTER: u16 = 9;
const NDA_SRC_VNI: u16 = 11;

/// Both entries of each address, one acknowledgement per 64.
pub(super) fn write(layout: Layout, addresses: &[Address]) -> Result<Cost> {
    let rows: Vec<(&Address, bool)> =
        addresses.iter().flat_map(|address| [(address, true), (address, false)]).collect();
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    socket.fenced(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &rows, |request, (address, on_device)| {
        let table = if *on_device { NTF_SELF } else { NTF_MASTER };
        ndmsg(request, layout.device_of(**address), NUD_REACHABLE, table | NTF_EXT_LEARNED);
        request.attribute(NDA_LLADDR, &address.mac);
        if *on_device {
            request.attribute(NDA_DST, &address.leaf.octets());
        }
        match (layout, on_device) {
            (Layout::Shared, true) => request.attribute(NDA_SRC_VNI, &address.vni().to_ne_bytes()),
            (Layout::Shared, false) => request.attribute(NDA_VLAN, &address.vlan.to_ne_bytes()),
            (Layout::Separate, _) => {}
        }
    })?;
    watch.stop()
}

/// All tables, nothing decoded.
pub(super) fn list(layout: Layout, _: &[Address]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    socket.dump(RTM_GETNEIGH, |request| ndmsg(request, layout.listed(), 0, 0), RTM_NEWNEIGH, |_| Ok(()))?;
    watch.stop()
}

/// As little as a program needs that finds out what differs.
pub(super) fn compare(layout: Layout, addresses: &[Address]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    compare_over(layout, &mut socket, addresses)?;
    watch.stop()
}

pub(super) fn compare_peak(layout: Layout, addresses: &[Address]) -> Result<Kib> {
    let peak = PeakMemory::start()?;
    let mut socket = Socket::open()?;
    compare_over(layout, &mut socket, addresses)?;
    peak.stop()
}

/// The leaf of an address in a VNI, and whether its entries were seen.
type Wanted = HashMap<(Mac, u32), (Ipv4Addr, bool, bool)>;

fn compare_over(layout: Layout, socket: &mut Socket, addresses: &[Address]) -> Result<()> {
    let mut wanted = Wanted::with_capacity(addresses.len());
    for address in addresses {
        wanted.insert((address.mac, address.vni()), (address.leaf, false, false));
    }
    let mut others = 0;
    each(layout, socket, |row| {
        if let Some((leaf, on_device, in_bridge)) = wanted.get_mut(&(row.mac, row.vni)) {
            if row.in_bridge {
                *in_bridge = true;
            } else {
                *on_device = row.leaf == Some(*leaf);
            }
        } else {
            others += 1;
        }
    })?;
    let missing = wanted.values().filter(|(_, on_device, in_bridge)| !on_device || !in_bridge).count();
    if missing + others != 0 {
        return Err(format!("{missing} addresses are missing, {others} others are there").into());
    }
    Ok(())
}

/// What there is now: how everybody's work is checked.
pub(super) fn tally(layout: Layout) -> Result<Tally> {
    let mut tally = Tally::default();
    each(layout, &mut Socket::open()?, |row| {
        if row.in_bridge {
            tally.in_bridge += 1;
            tally.vlans += u64::from(row.vni + 1 - FIRST_VNI);
        } else {
            tally.on_device += 1;
            tally.leaves += row.leaf.map_or(0, |leaf| u64::from(u32::from(leaf)));
        }
    })?;
    Ok(tally)
}

struct Row {
    mac: Mac,
    /// Of an entry of the bridge, that of its VLAN; of a device for each VNI, that of the device.
    vni: u32,
    leaf: Option<Ipv4Addr>,
    in_bridge: bool,
}

/// Every entry that a control plane put there.
fn each(layout: Layout, socket: &mut Socket, mut each: impl FnMut(Row)) -> Result<()> {
    socket.dump(
        RTM_GETNEIGH,
        |request| ndmsg(request, layout.listed(), 0, 0),
        RTM_NEWNEIGH,
        |body| {
            let (header, rest) = body.split_first_chunk::<12>().ok_or("short entry")?;
            let [_, _, _, _, a, b, c, d, .., flags, _] = *header;
            if flags & NTF_EXT_LEARNED == 0 {
                return Ok(());
            }
            let vni = match layout {
                Layout::Shared => 0,
                Layout::Separate => FIRST_VNI + u32::from_ne_bytes([a, b, c, d]) - IFINDEX_VXLAN,
            };
            let mut row = Row { mac: [0; 6], vni, leaf: None, in_bridge: false };
            for (kind, value) in attributes(rest) {
                match kind {
                    NDA_LLADDR => row.mac = value.try_into()?,
                    NDA_DST => row.leaf = Some(Ipv4Addr::from(<[u8; 4]>::try_from(value)?)),
                    NDA_VLAN => row.vni = FIRST_VNI - 1 + u32::from(u16::from_ne_bytes(value.try_into()?)),
                    NDA_SRC_VNI => row.vni = u32::from_ne_bytes(value.try_into()?),
                    NDA_MASTER => row.in_bridge = true,
                    _ => {}
                }
            }
            each(row);
            Ok(())
        },
    )
}

fn ndmsg(request: &mut Request, index: u32, state: u16, flags: u8) {
    request.raw(&[AF_BRIDGE, 0, 0, 0]);
    request.raw(&index.to_ne_bytes());
    request.raw(&state.to_ne_bytes());
    request.raw(&[flags, 0]);
}
