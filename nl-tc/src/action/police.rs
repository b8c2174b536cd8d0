use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;
use nl_core::check::{Invalid, within};

use super::common::Common;
use super::verdict::Verdict;
use crate::setters::setters;
use crate::units::{Burst, Overhead, Rate, Size, joined, word};

/// `sizeof(struct tc_police)`, `include/uapi/linux/pkt_cls.h`
const PARMS_LEN: usize = 56;
/// The sizes in a rate table. The kernel wants one, and does not read it where the link layer is given.
const SLOTS: u32 = 256;
const DEFAULT_MTU: u32 = 2047;
/// The kernel's scheduling clock.
const TICKS_PER_SECOND: u64 = 15_625_000;

/// Limits a rate without a queue: packets above it get the [verdict](super::Action::verdict) of the action (`action police`).
///
/// ```
/// use nl_tc::Rate;
/// use nl_tc::action::{Action, Police, Verdict};
///
/// // action police rate 1mbit burst 10k conform-exceed drop
/// let action = Action::from(Police::new(Rate::mbit(1), 10 * 1024)).verdict(Verdict::Drop);
/// assert_eq!(action.to_string(), "action police rate 1Mbit burst 10240b conform-exceed drop");
/// ```
///
/// Needs the module `act_police`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Police {
    /// The rate, zero for a limit of [packets](Self::packets) or of their size alone (`rate`).
    pub rate: Rate,
    /// The size of the bucket (`burst`).
    pub burst: Burst,
    /// The rate of bursts, above [`rate`](Self::rate). Zero for no limit. Needs an [`mtu`](Self::mtu) (`peakrate`).
    pub peak_rate: Rate,
    /// The longest packet that conforms, in bytes. Unset: 2040 with a rate (`mtu`).
    pub mtu: Option<u32>,
    /// A limit of packets, instead of a rate. Linux 5.13 and newer (`pkts_rate`, `pkts_burst`).
    pub packets: Option<PacketRate>,
    /// The average rate of an estimator, above which a packet exceeds (`avrate`).
    pub average_rate: Option<Rate>,
    /// The verdict for packets that conform (`conform-exceed EXCEED/CONFORM`).
    pub conform: Verdict,
    /// How the length of a packet is computed (`overhead`, `mpu`, `linklayer`).
    pub overhead: Overhead,
}

/// A number of packets per second, and a bucket of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PacketRate {
    /// Packets per second.
    pub rate: u64,
    /// The packets in the bucket. The kernel stores a time, and a burst is read rounded down.
    pub burst: u64,
}

impl Police {
    /// A limit of this rate and burst.
    #[must_use]
    pub fn new(rate: Rate, burst: impl Into<Burst>) -> Self {
        Self {
            rate,
            burst: burst.into(),
            peak_rate: Rate::ZERO,
            mtu: None,
            packets: None,
            average_rate: None,
            conform: Verdict::Pass,
            overhead: Overhead::default(),
        }
    }

    /// A limit of packets, instead of a rate. Linux 5.13 and newer (`pkts_rate`, `pkts_burst`).
    #[must_use]
    pub fn packets(rate: u64, burst: u64) -> Self {
        let none = Burst::Time(std::time::Duration::ZERO);
        Self { packets: Some(PacketRate { rate, burst }), ..Self::new(Rate::ZERO, none) }
    }

    setters! {
        /// Sets the rate of bursts, which needs an [`mtu`](Self::mtu) (`peakrate`).
        peak_rate: Rate;
        /// Sets the longest packet that conforms, in bytes (`mtu`).
        mtu: impl Into<Size> => Size::some;
        /// Sets the average rate above which a packet exceeds (`avrate`).
        average_rate: Rate => Some;
        /// Sets the verdict for packets that conform (`conform-exceed EXCEED/CONFORM`).
        conform: Verdict;
        /// Sets how the length of a packet is computed (`overhead`, `mpu`, `linklayer`).
        overhead: Overhead;
    }

    pub(super) fn decode(options: Attrs<'_>) -> Result<Option<(Common, Self)>, DecodeError> {
        let none = Burst::Time(std::time::Duration::ZERO);
        let (mut common, mut c, mut parms) = (Common::default(), Self::new(Rate::ZERO, none), false);
        let (mut rate64, mut peak64, mut pkt_rate, mut pkt_burst) = (None, None, None, None);
        for attr in options {
            let attr = attr?;
            match attr.kind() {
                TCA_POLICE_TBF => {
                    let mut f = attr.fields();
                    common.index = f.u32()?;
                    common.verdict = Some(Verdict::from_wire(f.i32()?));
                    let _limit = f.u32()?;
                    c.burst = Burst::of_ticks(f.u32()?);
                    c.mtu = Some(f.u32()?).filter(|mtu| *mtu != 0);
                    let specs = f.array::<24>()?;
                    if specs.get(20..).is_some_and(|rate| rate.iter().any(|byte| *byte != 0))
                        && !Overhead::is_shared(&specs)
                    {
                        return Ok(None);
                    }
                    let [first, second] = halves(specs);
                    (c.overhead, c.rate) = Overhead::from_ratespec(first);
                    (_, c.peak_rate) = Overhead::from_ratespec(second);
                    (common.references, common.bindings) = (f.u32()?, f.u32()?);
                    parms = true;
                }
                TCA_POLICE_RATE64 => rate64 = Some(attr.u64()?),
                TCA_POLICE_PEAKRATE64 => peak64 = Some(attr.u64()?),
                TCA_POLICE_PKTRATE64 => pkt_rate = Some(attr.u64()?),
                TCA_POLICE_PKTBURST64 => pkt_burst = Some(attr.u64()?),
                TCA_POLICE_AVRATE => c.average_rate = Some(Rate::bps(attr.u32()?.into())),
                TCA_POLICE_RESULT => c.conform = Verdict::from_wire(attr.i32()?),
                TCA_POLICE_TM => common.read_times(attr)?,
                // The kernel takes rate tables, and does not report them.
                TCA_POLICE_RATE | TCA_POLICE_PEAKRATE | TCA_POLICE_PAD => {}
                _ => return Ok(None),
            }
        }
        c.rate = joined(c.rate, rate64);
        c.peak_rate = joined(c.peak_rate, peak64);
        if c.rate.is_zero() {
            // The kernel reports no link layer without a rate.
            c.overhead = Overhead::default();
        }
        c.packets = pkt_rate.map(|rate| PacketRate { rate, burst: packets_of(pkt_burst.unwrap_or(0), rate) });
        Ok(parms.then_some((common, c)))
    }

    pub(super) fn encode(&self, common: &Common, w: &mut AttrWriter<'_>) {
        let (rate, peak) = (self.rate, self.peak_rate);
        let cell_log = cell_log(self.mtu.unwrap_or(DEFAULT_MTU));
        let spec = |rate: Rate| match rate {
            Rate::ZERO => [0; 12],
            rate => {
                let mut spec = self.overhead.ratespec(rate);
                let [low, high] = (-1_i16).to_ne_bytes();
                (spec[0], spec[4], spec[5]) = (cell_log, low, high);
                spec
            }
        };
        // `check` refuses a burst that does not fit.
        let burst = if rate.is_zero() { 0 } else { self.burst.ticks(rate).unwrap_or(0) };
        let verdict = common.verdict.map_or(0, Verdict::wire);
        let mut parms = Vec::with_capacity(PARMS_LEN);
        for word in [common.index, verdict, 0, burst, self.mtu.unwrap_or(0)] {
            parms.extend_from_slice(&word.to_ne_bytes());
        }
        parms.extend_from_slice(&spec(rate));
        parms.extend_from_slice(&spec(peak));
        parms.resize(PARMS_LEN, 0);
        w.bytes(TCA_POLICE_TBF, &parms);
        for (rate, table, wide) in
            [(rate, TCA_POLICE_RATE, TCA_POLICE_RATE64), (peak, TCA_POLICE_PEAKRATE, TCA_POLICE_PEAKRATE64)]
        {
            if !rate.is_zero() {
                w.bytes(table, &self.table(rate, cell_log));
                w.opt(wide, rate.wide(), AttrWriter::u64);
            }
        }
        if let Some(PacketRate { rate, burst }) = self.packets {
            w.u64(TCA_POLICE_PKTRATE64, rate).u64(TCA_POLICE_PKTBURST64, ticks_of(burst, rate));
        }
        let average = self.average_rate.map(Rate::saturated);
        w.opt(TCA_POLICE_AVRATE, average, AttrWriter::u32);
        let conform = Some(self.conform).filter(|conform| *conform != Verdict::Pass);
        w.opt(TCA_POLICE_RESULT, conform.map(Verdict::wire), AttrWriter::u32);
    }

    /// The times of 256 sizes at a rate, as `tc` computes them.
    fn table(&self, rate: Rate, cell_log: u8) -> Vec<u8> {
        let atm = self.overhead.link_layer == crate::LinkLayer::Atm;
        let time = |slot: u32| {
            let size = (u64::from(slot + 1) << cell_log).max(self.overhead.mpu.into());
            let size = if atm { size.div_ceil(48) * 53 } else { size };
            let size = u32::try_from(size).unwrap_or(u32::MAX);
            Burst::Bytes(Size(size)).ticks(rate).unwrap_or(u32::MAX)
        };
        (0..SLOTS).flat_map(|slot| time(slot).to_ne_bytes()).collect()
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        let (rate, peak) = (self.rate, self.peak_rate);
        let (by_rate, by_packets) = (!rate.is_zero(), self.packets.is_some());
        let none = !by_rate && !by_packets && self.mtu.is_none() && self.average_rate.is_none();
        Invalid::when(none, "police limits nothing; a rate, packets or an mtu is needed")?;
        Invalid::when(by_rate && by_packets, "a rate and packets; one of them is possible")?;
        if by_rate {
            rate.check("rate")?;
            self.burst.check("burst", rate)?;
        }
        if let Some(packets) = self.packets {
            within("pkts_rate", packets.rate, 1, u64::MAX)?;
            within("pkts_burst", packets.burst, 1, u64::from(u32::MAX))?;
        }
        if !peak.is_zero() {
            peak.check("peakrate")?;
            Invalid::when(self.mtu.is_none(), "a peakrate without an mtu, which is its burst")?;
            if peak <= rate || !by_rate {
                return Err(format!("peakrate {peak}; more than the rate, {rate}, is possible").into());
            }
        }
        if let Some(average) = self.average_rate {
            within("avrate in bytes per second", average.bytes_per_second(), 1, u32::MAX.into())?;
        }
        self.conform.check()?;
        self.overhead.check()
    }

    /// As the kernel reports it after it was set.
    pub(super) fn as_read_back(&self, current: &Self) -> Self {
        let burst = if self.rate.is_zero() { current.burst } else { self.burst.as_read_back(self.rate) };
        let packets =
            |PacketRate { rate, burst }| PacketRate { rate, burst: packets_of(ticks_of(burst, rate), rate) };
        Self { burst, mtu: self.mtu.or(current.mtu), packets: self.packets.map(packets), ..*self }
    }

    pub(super) fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.rate.is_zero() {
            write!(f, " rate {} burst {}b", self.rate, self.burst.bytes(self.rate))?;
        }
        word(f, "mtu", self.mtu)?;
        word(f, "peakrate", Some(self.peak_rate).filter(|rate| !rate.is_zero()))?;
        word(f, "avrate", self.average_rate)?;
        if let Some(PacketRate { rate, burst }) = self.packets {
            write!(f, " pkts_rate {rate} pkts_burst {burst}")?;
        }
        self.overhead.write_options(f)
    }
}

/// The size of a slot of a rate table, as a power of two, for packets of this length. At least 1: with 0 the kernel takes the table
/// for missing.
fn cell_log(mtu: u32) -> u8 {
    (1..32).find(|log| mtu >> log < SLOTS).unwrap_or(u8::MAX)
}

/// The time of this many packets, in ticks.
fn ticks_of(burst: u64, rate: u64) -> u64 {
    let ticks = (u128::from(burst) * u128::from(TICKS_PER_SECOND)).div_ceil(u128::from(rate.max(1)));
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

fn packets_of(ticks: u64, rate: u64) -> u64 {
    let packets = u128::from(ticks) * u128::from(rate) / u128::from(TICKS_PER_SECOND);
    u64::try_from(packets).unwrap_or(u64::MAX)
}

fn halves(specs: [u8; 24]) -> [[u8; 12]; 2] {
    let mut halves = [[0; 12]; 2];
    halves.as_flattened_mut().copy_from_slice(&specs);
    halves
}

// `include/uapi/linux/pkt_cls.h`
attr_names! { pub(super) NAMES {
    TCA_POLICE_TBF = 1,
    TCA_POLICE_RATE = 2,
    TCA_POLICE_PEAKRATE = 3,
    TCA_POLICE_AVRATE = 4,
    TCA_POLICE_RESULT = 5,
    TCA_POLICE_TM = 6,
    TCA_POLICE_PAD = 7,
    TCA_POLICE_RATE64 = 8,
    TCA_POLICE_PEAKRATE64 = 9,
    TCA_POLICE_PKTRATE64 = 10,
    TCA_POLICE_PKTBURST64 = 11,
} }
