//! The floor: what the kernel costs when user space does as little as it can.
//!
//! One blocking socket, hand-written bytes, a 64 KiB receive buffer, no copy and no allocation per entry.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;

use crate::entry::{IFINDEX_BRIDGE, IFINDEX_PORT, Mac, STATE_STATIC, Seen, Tally};
use crate::measure::{Cost, Kib, PeakMemory, Stopwatch};
use crate::{Result, sys};

// include/uapi/linux/netlink.h
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_BULK: u16 = 0x200;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const NLA_TYPE_MASK: u16 = 0x3fff;

// include/uapi/linux/rtnetlink.h, neighbour.h
const RTM_NEWNEIGH: u16 = 28;
const RTM_DELNEIGH: u16 = 29;
const RTM_GETNEIGH: u16 = 30;
const AF_BRIDGE: u8 = 7;
const NTF_MASTER: u8 = 0x04;
const NUD_PERMANENT: u16 = 0x80;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_VLAN: u16 = 5;
const NDA_VNI: u16 = 7;
const NDA_MASTER: u16 = 9;
const NDA_NDM_STATE_MASK: u16 = 16;

const RECV_BUFFER: usize = 64 * 1024;

/// Messages per send. Only the last asks for an acknowledgement: the kernel handles them in order and reports a
/// failure of any of them unasked.
const PER_SEND: usize = 64;

/// Dumps with the kernel's filter on the bridge.
pub(crate) fn list() -> Result<(Cost, Tally)> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    let tally = socket.tally()?;
    Ok((watch.stop()?, tally))
}

/// Adds entries, one acknowledgement per 64.
pub(crate) fn insert(macs: &[Mac]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    socket.fenced(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, STATE_STATIC, macs)?;
    watch.stop()
}

/// Deletes everything but the bridge's own addresses with one request.
pub(crate) fn delete_in_bulk(_: &[Mac]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    socket.flush()?;
    watch.stop()
}

/// Deletes entries by address, one acknowledgement per 64.
pub(crate) fn delete_one_by_one(macs: &[Mac]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    socket.fenced(RTM_DELNEIGH, 0, 0, macs)?;
    watch.stop()
}

pub(crate) fn decode(message: &[u8]) -> Result<Seen> {
    let entry = Entry::parse(message.get(16..).unwrap_or_default()).ok_or("short message")?;
    Ok(Seen { ifindex: entry.ifindex, mac: entry.mac, vlan: entry.vlan, dst: entry.dst, vni: entry.vni })
}

pub(crate) fn stream() -> Result<(Kib, Tally)> {
    let mut socket = Socket::open()?;
    let peak = PeakMemory::start()?;
    let tally = socket.tally()?;
    Ok((peak.stop()?, tally))
}

/// What is in the bridge's table now: how everybody's work is checked.
pub(crate) fn tally() -> Result<Tally> {
    Socket::open()?.tally()
}

struct Socket {
    socket: File,
    sequence: u32,
}

impl Socket {
    fn open() -> Result<Self> {
        Ok(Self { socket: sys::route_socket()?, sequence: 0 })
    }

    fn tally(&mut self) -> Result<Tally> {
        let mut request = Request::default();
        request.begin(RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP, self.next_sequence());
        request.ndmsg(0, 0, 0);
        request.attribute(NDA_MASTER, &IFINDEX_BRIDGE.to_ne_bytes());
        request.end();
        self.socket.write_all(&request.bytes)?;

        let mut buffer = vec![0; RECV_BUFFER];
        let mut tally = Tally::default();
        loop {
            let length = self.socket.read(&mut buffer)?;
            for message in messages(buffer.get(..length).unwrap_or_default()) {
                match message.kind {
                    RTM_NEWNEIGH => {
                        let entry = Entry::parse(message.body).ok_or("short entry")?;
                        if entry.state == STATE_STATIC {
                            tally.add(entry.mac);
                        }
                    }
                    NLMSG_DONE | NLMSG_ERROR => {
                        message.result()?;
                        return Ok(tally);
                    }
                    _ => {}
                }
            }
        }
    }

    fn fenced(&mut self, kind: u16, flags: u16, state: u16, macs: &[Mac]) -> Result<()> {
        let mut request = Request::default();
        let mut buffer = vec![0; RECV_BUFFER];
        for chunk in macs.chunks(PER_SEND) {
            request.bytes.clear();
            let Some((last, before)) = chunk.split_last() else { continue };
            for mac in before {
                request.begin(kind, NLM_F_REQUEST | flags, self.next_sequence());
                request.entry(state, mac);
            }
            request.begin(kind, NLM_F_REQUEST | NLM_F_ACK | flags, self.next_sequence());
            request.entry(state, last);
            self.socket.write_all(&request.bytes)?;
            self.wait_for_ack(&mut buffer)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let mut request = Request::default();
        request.begin(RTM_DELNEIGH, NLM_F_REQUEST | NLM_F_ACK | NLM_F_BULK, self.next_sequence());
        request.ndmsg(IFINDEX_PORT, 0, NTF_MASTER);
        request.attribute(NDA_NDM_STATE_MASK, &NUD_PERMANENT.to_ne_bytes());
        request.end();
        self.socket.write_all(&request.bytes)?;
        self.wait_for_ack(&mut vec![0; RECV_BUFFER])
    }

    /// Until the answer to the newest request; an error of any earlier one is an error.
    fn wait_for_ack(&mut self, buffer: &mut [u8]) -> Result<()> {
        loop {
            let length = self.socket.read(buffer)?;
            for message in messages(buffer.get(..length).unwrap_or_default()) {
                message.result()?;
                if message.sequence == self.sequence {
                    return Ok(());
                }
            }
        }
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence += 1;
        self.sequence
    }
}

/// Messages in the making, in a buffer that is reused.
#[derive(Default)]
struct Request {
    bytes: Vec<u8>,
    start: usize,
}

impl Request {
    fn begin(&mut self, kind: u16, flags: u16, sequence: u32) {
        self.start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
    }

    fn ndmsg(&mut self, ifindex: u32, state: u16, flags: u8) {
        self.bytes.extend_from_slice(&[AF_BRIDGE, 0, 0, 0]);
        self.bytes.extend_from_slice(&ifindex.to_ne_bytes());
        self.bytes.extend_from_slice(&state.to_ne_bytes());
        self.bytes.extend_from_slice(&[flags, 0]);
    }

    /// `value` is a few bytes: every attribute written here has a fixed size.
    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn entry(&mut self, state: u16, mac: &Mac) {
        self.ndmsg(IFINDEX_PORT, state, NTF_MASTER);
        self.attribute(NDA_LLADDR, mac);
        self.end();
    }

    fn end(&mut self) {
        let length = u32::try_from(self.bytes.len() - self.start).unwrap_or(u32::MAX);
        if let Some(field) = self.bytes.get_mut(self.start..self.start + 4) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
    }
}

struct Message<'a> {
    kind: u16,
    sequence: u32,
    body: &'a [u8],
}

impl Message<'_> {
    /// The errno of an NLMSG_ERROR or NLMSG_DONE.
    fn result(&self) -> Result<()> {
        let code = self.body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
        if code == 0 {
            return Ok(());
        }
        let error = std::io::Error::from_raw_os_error(-code);
        Err(format!("request {} of the floor: {error}", self.sequence).into())
    }
}

fn messages(mut datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let (length, rest) = datagram.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<2>()?;
        let (sequence, _) = rest.get(2..)?.split_first_chunk::<4>()?;
        let length = u32::from_ne_bytes(*length) as usize;
        let body = datagram.get(16..length)?;
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind: u16::from_ne_bytes(*kind), sequence: u32::from_ne_bytes(*sequence), body })
    })
}

struct Entry {
    ifindex: u32,
    state: u16,
    mac: Mac,
    vlan: Option<u16>,
    dst: Option<Ipv4Addr>,
    vni: Option<u32>,
}

impl Entry {
    fn parse(body: &[u8]) -> Option<Self> {
        let (header, mut rest) = body.split_first_chunk::<12>()?;
        let [_, _, _, _, i0, i1, i2, i3, s0, s1, _, _] = *header;
        let mut entry = Self {
            ifindex: u32::from_ne_bytes([i0, i1, i2, i3]),
            state: u16::from_ne_bytes([s0, s1]),
            mac: [0; 6],
            vlan: None,
            dst: None,
            vni: None,
        };
        while let Some(([l0, l1, k0, k1], _)) = rest.split_first_chunk::<4>() {
            let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
            let value = rest.get(4..length)?;
            match u16::from_ne_bytes([*k0, *k1]) & NLA_TYPE_MASK {
                NDA_DST => entry.dst = value.try_into().ok().map(|octets: [u8; 4]| octets.into()),
                NDA_LLADDR => entry.mac = value.try_into().ok()?,
                NDA_VLAN => entry.vlan = value.try_into().ok().map(u16::from_ne_bytes),
                NDA_VNI => entry.vni = value.try_into().ok().map(u32::from_ne_bytes),
                _ => {}
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Some(entry)
    }
}
