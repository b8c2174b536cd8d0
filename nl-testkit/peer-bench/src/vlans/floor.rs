//! The floor of the row about VLANs: hand-written bytes, the same that everybody sends.

use super::{IFINDEX_VXLAN, Tally, VLANS};
use crate::Result;
use crate::measure::{Cost, Stopwatch};
use crate::netlink::{Request, Socket, attributes};

// include/uapi/linux/rtnetlink.h, if_link.h, if_bridge.h
const RTM_SETLINK: u16 = 19;
const RTM_NEWVLAN: u16 = 112;
const RTM_GETVLAN: u16 = 114;
const AF_BRIDGE: u8 = 7;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
const IFLA_BRIDGE_VLAN_TUNNEL_INFO: u16 = 3;
const TUNNEL_ID: u16 = 1;
const TUNNEL_VID: u16 = 2;
const TUNNEL_FLAGS: u16 = 3;
const RANGE_BEGIN: u16 = 0x08;
const RANGE_END: u16 = 0x10;
const DUMP_FLAGS: u16 = 1;
const DUMPF_STATS: u32 = 1;
const ENTRY: u16 = 1;
const ENTRY_INFO: u16 = 1;
const ENTRY_TUNNEL_INFO: u16 = 4;
const ENTRY_STATS: u16 = 5;

/// One request for each port, each awaited.
pub(super) fn set(ports: &[u32]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    for port in ports {
        socket.change(RTM_SETLINK, 0, |request| {
            ifinfomsg(request, *port);
            let mut spec = [0; 16];
            for (place, (flags, vlan)) in spec.chunks_exact_mut(8).zip([(RANGE_BEGIN, 1), (RANGE_END, VLANS)])
            {
                fill(place, [8, IFLA_BRIDGE_VLAN_INFO, flags, vlan]);
            }
            request.attribute(IFLA_AF_SPEC, &spec);
        })?;
    }
    watch.stop()
}

pub(super) fn list() -> Result<(Cost, Option<Tally>)> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    socket.dump(RTM_GETVLAN, ask, RTM_NEWVLAN, |_| Ok(()))?;
    Ok((watch.stop()?, None))
}

/// As little as a program needs that looks at the counters of each VLAN.
pub(super) fn list_decoded() -> Result<(Cost, Option<Tally>)> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    let tally = read(&mut socket)?;
    Ok((watch.stop()?, Some(tally)))
}

pub(super) fn map(mappings: &[(u16, u32)]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    socket.fenced(RTM_SETLINK, 0, mappings, |request, (vlan, vni)| {
        ifinfomsg(request, IFINDEX_VXLAN);
        let [a, b, c, d] = vni.to_ne_bytes();
        let mut spec = [0; 28];
        let halves = [u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])];
        let [low, high] = halves;
        fill(
            &mut spec,
            [
                28,
                IFLA_BRIDGE_VLAN_TUNNEL_INFO,
                8,
                TUNNEL_ID,
                low,
                high,
                6,
                TUNNEL_VID,
                *vlan,
                0,
                6,
                TUNNEL_FLAGS,
            ],
        );
        request.attribute(IFLA_AF_SPEC, &spec);
    })?;
    watch.stop()
}

/// What there is now: how everybody's work is checked.
pub(super) fn tally() -> Result<Tally> {
    read(&mut Socket::open()?)
}

fn read(socket: &mut Socket) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut packets = 0;
    socket.dump(RTM_GETVLAN, ask, RTM_NEWVLAN, |body| {
        for (_, entry) in attributes(body.get(8..).unwrap_or_default()).filter(|(kind, _)| *kind == ENTRY) {
            let (mut vlan, mut vni) = (0, None);
            for (kind, value) in attributes(entry) {
                match kind {
                    ENTRY_INFO => {
                        let number = value.get(2..).and_then(|value| value.first_chunk());
                        vlan = u16::from_ne_bytes(*number.ok_or("short VLAN")?);
                    }
                    ENTRY_TUNNEL_INFO => {
                        let id = attributes(value).next().and_then(|(_, value)| value.first_chunk());
                        vni = Some(u32::from_ne_bytes(*id.ok_or("short VNI")?));
                    }
                    ENTRY_STATS => {
                        for (_, value) in attributes(value) {
                            packets += value.first_chunk().map_or(0, |value| u64::from_ne_bytes(*value));
                        }
                    }
                    _ => {}
                }
            }
            tally.add(vlan, vni);
        }
        Ok(())
    })?;
    // The ports are down.
    if packets != 0 {
        return Err(format!("{packets} packets and bytes where none were sent").into());
    }
    Ok(tally)
}

/// All devices, each VLAN with its counters.
fn ask(request: &mut Request) {
    request.raw(&[AF_BRIDGE, 0, 0, 0, 0, 0, 0, 0]);
    request.attribute(DUMP_FLAGS, &DUMPF_STATS.to_ne_bytes());
}

fn ifinfomsg(request: &mut Request, index: u32) {
    request.raw(&[AF_BRIDGE, 0, 0, 0]);
    request.raw(&index.to_ne_bytes());
    request.raw(&[0; 8]);
}

/// Writes numbers of 16 bits.
fn fill<const N: usize>(place: &mut [u8], numbers: [u16; N]) {
    for (place, number) in place.chunks_exact_mut(2).zip(numbers) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
}
