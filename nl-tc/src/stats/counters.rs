use nl_core::attr::{Attr, Attrs, DecodeError};

use super::names::{
    TCA_STATS_APP, TCA_STATS_BASIC, TCA_STATS_PKT64, TCA_STATS_QUEUE, TCA_STATS_RATE_EST,
    TCA_STATS_RATE_EST64,
};
use super::xstats::XStats;
use crate::Rate;

/// The counters and the queue of a class or qdisc.
///
/// The counters start at 0 when the object is created. The queue of a class is that of its leaf qdisc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stats {
    /// Bytes sent. For a QFQ class: bytes enqueued, including its [backlog](Self::backlog).
    pub bytes: u64,
    /// Packets sent. For a QFQ class: packets enqueued, including its [queue](Self::queue_len).
    pub packets: u64,
    /// Packets in the queue.
    pub queue_len: u32,
    /// Bytes in the queue.
    pub backlog: u32,
    /// Packets dropped. Wraps at 2³².
    pub drops: u32,
    /// Packets requeued. Wraps at 2³².
    pub requeues: u32,
    /// How often a limit was exceeded. Wraps at 2³².
    pub overlimits: u32,
    /// The rate that the kernel measured, if the object has an [`Estimator`](super::Estimator).
    pub measured: Option<Measured>,
    /// The counters that only this kind has (`TCA_STATS_APP`).
    pub xstats: Option<XStats>,
}

/// The result of the kernel's rate estimator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Measured {
    /// The rate.
    pub rate: Rate,
    /// Packets per second.
    pub packets: u64,
}

/// The attributes of a message that hold statistics.
#[derive(Clone, Copy, Default)]
pub(crate) struct StatsAttrs<'a> {
    /// `TCA_STATS2`.
    pub(crate) modern: Option<Attr<'a>>,
    /// `TCA_STATS`: the same without requeues, in 32 bits.
    pub(crate) legacy: Option<Attr<'a>>,
    /// `TCA_XSTATS`: the counters of the kind, which are also part of `TCA_STATS2`.
    pub(crate) xstats: &'a [u8],
}

impl Stats {
    /// Reads the statistics of a message. Returns the counters of the kind as bytes.
    #[inline]
    pub(crate) fn decode<'a>(&mut self, attrs: &StatsAttrs<'a>) -> Result<&'a [u8], DecodeError> {
        match (attrs.modern, attrs.legacy) {
            (Some(attr), _) => Ok(self.decode_modern(attr.attrs())?.unwrap_or(attrs.xstats)),
            (None, Some(attr)) => self.decode_legacy(attr).map(|()| attrs.xstats),
            (None, None) => Ok(attrs.xstats),
        }
    }

    #[inline]
    fn decode_modern<'a>(&mut self, attrs: Attrs<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
        let (mut xstats, mut packets) = (None, None);
        let (mut narrow, mut wide) = (None, None);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                TCA_STATS_BASIC => {
                    let mut f = attr.fields();
                    (self.bytes, self.packets) = (f.u64()?, f.u32()?.into());
                }
                TCA_STATS_PKT64 => packets = Some(attr.u64()?),
                TCA_STATS_QUEUE => {
                    let mut f = attr.fields();
                    (self.queue_len, self.backlog) = (f.u32()?, f.u32()?);
                    (self.drops, self.requeues, self.overlimits) = (f.u32()?, f.u32()?, f.u32()?);
                }
                TCA_STATS_RATE_EST => {
                    let mut f = attr.fields();
                    narrow = Some(Measured { rate: Rate::bps(f.u32()?.into()), packets: f.u32()?.into() });
                }
                TCA_STATS_RATE_EST64 => {
                    let mut f = attr.fields();
                    wide = Some(Measured { rate: Rate::bps(f.u64()?), packets: f.u64()? });
                }
                TCA_STATS_APP => xstats = Some(attr.value()),
                _ => {}
            }
        }
        self.packets = packets.unwrap_or(self.packets);
        self.measured = wide.or(narrow);
        Ok(xstats)
    }

    /// `struct tc_stats`.
    fn decode_legacy(&mut self, attr: Attr<'_>) -> Result<(), DecodeError> {
        let mut f = attr.fields();
        (self.bytes, self.packets) = (f.u64()?, f.u32()?.into());
        (self.drops, self.overlimits) = (f.u32()?, f.u32()?);
        let measured = Measured { rate: Rate::bps(f.u32()?.into()), packets: f.u32()?.into() };
        self.measured = (measured != Measured::default()).then_some(measured);
        (self.queue_len, self.backlog) = (f.u32()?, f.u32()?);
        Ok(())
    }
}
