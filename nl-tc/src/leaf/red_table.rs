//! What RED computes beforehand, so that the kernel needs no logarithms: weights, scales, and how the average falls while the queue is
//! empty. As described in tc-red(8) and in the paper of Floyd and Jacobson.

use nl_core::Error;

use crate::units::{Burst, Rate, Size};

/// The size of the table of idle times.
const SLOTS: usize = 256;
/// A shift by more than this leaves nothing.
const SHIFT_MAX: f64 = 31.0;

/// By how much the average is shifted after each of 256 idle times.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct IdleTable(Box<[u8; SLOTS]>);

impl IdleTable {
    pub(super) fn new(bytes: [u8; SLOTS]) -> Self {
        Self(Box::new(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl std::fmt::Debug for IdleTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdleTable")
    }
}

/// The weight of a packet in the average, as a power of two: the smallest with which a burst of this many packets on an empty queue does
/// not bring the average over the minimum.
pub(super) fn weight(min: u32, burst: u32, packet: u32) -> nl_core::Result<u8> {
    if packet == 0 {
        return Err(Error::usage("avpkt 0; 1 byte is the minimum"));
    }
    let needed = f64::from(burst) + 1.0 - f64::from(min) / f64::from(packet);
    if needed < 1.0 {
        let least = min / packet + 1;
        return Err(Error::usage(format!(
            "burst {burst}; {least} is the minimum for min {min} and avpkt {packet}"
        )));
    }
    let exponent = i32::try_from(burst).unwrap_or(i32::MAX);
    let reached = |log: u8| {
        let weight = 0.5_f64.powi(log.into());
        (1.0 - (1.0 - weight).powi(exponent)) / weight
    };
    (1..32)
        .find(|log| needed <= reached(*log))
        .ok_or_else(|| Error::usage(format!("burst {burst}; no average is slow enough for min {min}")))
}

/// How far the probability is scaled over the lengths between the minimum and the maximum.
pub(super) fn scale(min: u32, max: u32, probability: f64) -> nl_core::Result<u8> {
    if !(0.0..=1.0).contains(&probability) {
        return Err(Error::usage(format!("probability {probability}; 0 to 1 are possible")));
    }
    let range = match max.checked_sub(min) {
        Some(0) => return Ok(0),
        Some(range) => range,
        None => return Err(Error::usage(format!("max {max}; the minimum, {min}, or more is possible"))),
    };
    let each = probability / f64::from(range);
    (0..32_u8).find(|log| each * 2.0_f64.powi((*log).into()) > 1.0).ok_or_else(|| {
        Error::usage(format!("probability {probability} is too small between {min} and {max} bytes"))
    })
}

/// The probability in 2³² steps.
#[expect(clippy::cast_possible_truncation, reason = "the range was checked, and the cast saturates")]
pub(super) fn steps(probability: f64) -> u32 {
    (probability * 4_294_967_296.0) as u32
}

/// The logarithm of the size of a slot in ticks, and the table.
pub(super) fn idle(wlog: u8, packet: u32, bandwidth: Rate) -> nl_core::Result<(u8, IdleTable)> {
    let ticks = Burst::Bytes(Size(packet)).ticks(bandwidth).filter(|ticks| *ticks != 0).ok_or_else(|| {
        Error::usage(format!("a packet of {packet} bytes at {bandwidth}; up to 274.877 s are possible"))
    })?;
    // How far the average falls in a tick, by the natural logarithm, as `tc` has it.
    let per_tick = -(1.0 - 0.5_f64.powi(wlog.into())).ln() / f64::from(ticks);
    let longest = SHIFT_MAX / per_tick;
    let log = (0..32_u8).find(|log| longest / 2.0_f64.powi((*log).into()) < 512.0).ok_or_else(|| {
        Error::usage(format!(
            "a packet of {packet} bytes at {bandwidth} takes too long for a table of idle times"
        ))
    })?;
    let mut table = [0; SLOTS];
    for (slot, shift) in (0_u32..).zip(&mut table) {
        *shift = whole((f64::from(slot) * 2.0_f64.powi(log.into()) * per_tick).min(SHIFT_MAX));
    }
    if let Some(last) = table.last_mut() {
        *last = whole(SHIFT_MAX);
    }
    Ok((log, IdleTable::new(table)))
}

/// Rounded down.
#[expect(clippy::cast_possible_truncation, reason = "0 to 31")]
fn whole(shift: f64) -> u8 {
    shift as u8
}
