//! The floor of the rows about classes: hand-written bytes, the same that everybody sends.

use super::{CEILING, Class, IFINDEX, Kind, MAJOR, Tally};
use crate::Result;
use crate::measure::{Cost, Stopwatch};
use crate::netlink::{NLM_F_CREATE, NLM_F_EXCL, Request, Socket, attributes};

// include/uapi/linux/rtnetlink.h
const RTM_NEWTCLASS: u16 = 40;
const RTM_DELTCLASS: u16 = 41;
const RTM_GETTCLASS: u16 = 42;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;

// include/uapi/linux/pkt_sched.h
const TCA_HTB_PARMS: u16 = 1;
const TCA_HFSC_RSC: u16 = 1;
const TCA_HFSC_FSC: u16 = 2;
const TC_LINKLAYER_ETHERNET: u8 = 1;
/// Of the kernel's clock, 64 ns each.
const TICKS_PER_SECOND: u64 = 15_625_000;
const MTU: u64 = 1600;

const QDISC: u32 = (MAJOR as u32) << 16;

pub(super) fn create(kind: Kind, classes: &[Class]) -> Result<Cost> {
    write(kind, NLM_F_CREATE | NLM_F_EXCL, classes)
}

pub(super) fn change(kind: Kind, classes: &[Class]) -> Result<Cost> {
    write(kind, 0, classes)
}

pub(super) fn delete(_: Kind, classes: &[Class]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    socket.fenced(RTM_DELTCLASS, 0, classes, |request, class| {
        tcmsg(request, QDISC | u32::from(class.minor), 0);
    })?;
    watch.stop()
}

pub(super) fn create_one_by_one(kind: Kind, classes: &[Class]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    for class in classes {
        socket.change(RTM_NEWTCLASS, NLM_F_CREATE | NLM_F_EXCL, |request| whole(request, kind, class))?;
    }
    watch.stop()
}

pub(super) fn delete_one_by_one(_: Kind, classes: &[Class]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    for class in classes {
        socket.change(RTM_DELTCLASS, 0, |request| tcmsg(request, QDISC | u32::from(class.minor), 0))?;
    }
    watch.stop()
}

pub(super) fn list(kind: Kind) -> Result<(Cost, Tally)> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    let tally = read(&mut socket, kind)?;
    Ok((watch.stop()?, tally))
}

/// What classes there are now: how everybody's work is checked.
pub(super) fn tally(kind: Kind) -> Result<Tally> {
    read(&mut Socket::open()?, kind)
}

fn write(kind: Kind, flags: u16, classes: &[Class]) -> Result<Cost> {
    let mut socket = Socket::open()?;
    let watch = Stopwatch::start()?;
    socket.fenced(RTM_NEWTCLASS, flags, classes, |request, class| whole(request, kind, class))?;
    watch.stop()
}

/// A class with its options.
fn whole(request: &mut Request, kind: Kind, class: &Class) {
    tcmsg(request, QDISC | u32::from(class.minor), QDISC);
    match kind {
        Kind::Htb => htb(request, class.rate),
        Kind::Hfsc => hfsc(request, class.rate),
    }
}

fn tcmsg(request: &mut Request, handle: u32, parent: u32) {
    request.raw(&[0; 4]);
    for word in [IFINDEX, handle, parent, 0] {
        request.raw(&word.to_ne_bytes());
    }
}

fn htb(request: &mut Request, rate: u32) {
    request.attribute(TCA_KIND, b"htb\0");
    let mut options = [0; 48];
    let (head, parms) = options.split_at_mut(4);
    attribute_head(head, 48, TCA_HTB_PARMS);
    let (rate, ceil) = (bytes_per_second(rate), bytes_per_second(CEILING));
    let ticks =
        |rate: u32| u32::try_from((TICKS_PER_SECOND * MTU).div_ceil(u64::from(rate))).unwrap_or(u32::MAX);
    let linklayer = u32::from_ne_bytes([0, TC_LINKLAYER_ETHERNET, 0, 0]);
    let words = [linklayer, 0, rate, linklayer, 0, ceil, ticks(rate), ticks(ceil)];
    for (field, word) in parms.chunks_exact_mut(4).zip(words) {
        field.copy_from_slice(&word.to_ne_bytes());
    }
    request.attribute(TCA_OPTIONS, &options);
}

fn hfsc(request: &mut Request, rate: u32) {
    request.attribute(TCA_KIND, b"hfsc\0");
    let mut options = [0; 32];
    for (curve, kind) in options.chunks_exact_mut(16).zip([TCA_HFSC_RSC, TCA_HFSC_FSC]) {
        let (head, rest) = curve.split_at_mut(4);
        attribute_head(head, 16, kind);
        if let Some((_, m2)) = rest.split_at_mut_checked(8) {
            m2.copy_from_slice(&bytes_per_second(rate).to_ne_bytes());
        }
    }
    request.attribute(TCA_OPTIONS, &options);
}

fn attribute_head(head: &mut [u8], length: u16, kind: u16) {
    let (a, b) = head.split_at_mut(2);
    a.copy_from_slice(&length.to_ne_bytes());
    b.copy_from_slice(&kind.to_ne_bytes());
}

fn bytes_per_second(kbit: u32) -> u32 {
    kbit * 125
}

fn read(socket: &mut Socket, kind: Kind) -> Result<Tally> {
    let (wanted, place) = match kind {
        Kind::Htb => (TCA_HTB_PARMS, 8),
        Kind::Hfsc => (TCA_HFSC_FSC, 8),
    };
    let mut tally = Tally::default();
    socket.dump(
        RTM_GETTCLASS,
        |request| tcmsg(request, 0, 0),
        RTM_NEWTCLASS,
        |body| {
            let (header, rest) = body.split_first_chunk::<20>().ok_or("short class")?;
            let [_, _, _, _, _, _, _, _, h0, h1, h2, h3, ..] = *header;
            let handle = u32::from_ne_bytes([h0, h1, h2, h3]);
            for (_, options) in attributes(rest).filter(|(kind, _)| *kind == TCA_OPTIONS) {
                let rate = attributes(options).find(|(kind, _)| *kind == wanted);
                let rate = rate.and_then(|(_, value)| value.get(place..)?.first_chunk());
                tally.add(
                    u16::try_from(handle & 0xffff)?,
                    u64::from(rate.map_or(0, |rate| u32::from_ne_bytes(*rate))) / 125,
                );
            }
            Ok(())
        },
    )?;
    Ok(tally)
}
