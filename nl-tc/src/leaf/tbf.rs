use std::fmt;
use std::time::Duration;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::Invalid;
use nl_core::error::Names;

use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;
use crate::setters::setters;
use crate::units::{Burst, LinkLayer, NANOS_PER_TICK, Overhead, Rate, Size, joined, word};

/// `sizeof(struct tc_tbf_qopt)`, `include/uapi/linux/pkt_sched.h`
const PARMS_LEN: usize = 36;

/// Token bucket filter: limits the rate (`tc qdisc … tbf`).
///
/// ```
/// use std::time::Duration;
/// use nl_tc::Rate;
/// use nl_tc::leaf::TbfConfig;
///
/// // tc qdisc add … tbf rate 10mbit burst 5kb latency 70ms
/// let qdisc = TbfConfig::new(Rate::mbit(10), 5 * 1024).latency(Duration::from_millis(70));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TbfConfig {
    /// The rate (`rate`).
    pub rate: Rate,
    /// The size of the bucket. The kernel converts bytes into a time itself and rounds down (`burst`).
    ///
    /// The kernel takes bytes up to 4 GiB − 1 at any rate, but reports a time in a field that ends at 274.877 s. A longer one is
    /// reported modulo 274.877 s, also to `tc`.
    pub burst: Burst,
    /// The number of bytes queued, including the burst. Needed; the kernel always reports it (`limit`).
    pub limit: Option<u32>,
    /// The rate of bursts, above [`rate`](Self::rate). Zero for no limit (`peakrate`).
    pub peak_rate: Rate,
    /// The size of the bucket of the peak rate, at least one packet (`mtu`, `minburst`).
    pub peak_burst: Burst,
    /// How the length of a packet is computed (`overhead`, `mpu`, `linklayer`).
    pub overhead: Overhead,
}

impl TbfConfig {
    /// A qdisc with this rate and burst. It also needs a [limit](Self::limit) or a [latency](Self::latency).
    #[must_use]
    pub fn new(rate: Rate, burst: impl Into<Burst>) -> Self {
        Self {
            rate,
            burst: burst.into(),
            limit: None,
            peak_rate: Rate::ZERO,
            peak_burst: Burst::Time(Duration::ZERO),
            overhead: Overhead::default(),
        }
    }

    /// Sets the number of bytes queued, including the burst (`limit`).
    #[must_use]
    pub fn limit(mut self, limit: impl Into<Size>) -> Self {
        self.limit = Some(limit.into().0);
        self
    }

    /// Sets the limit so that no packet waits longer: the burst and the bytes that the rate sends in this time. Ignores the peak
    /// rate (`latency`).
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        let bytes = Burst::Time(latency).bytes(self.rate).saturating_add(self.burst.bytes(self.rate));
        // `check` refuses more than the field can hold.
        self.limit = Some(u32::try_from(bytes).unwrap_or(u32::MAX));
        self
    }

    /// Sets the rate of bursts and the size of its bucket (`peakrate`, `minburst`).
    #[must_use]
    pub fn peak_rate(mut self, rate: Rate, burst: impl Into<Burst>) -> Self {
        (self.peak_rate, self.peak_burst) = (rate, burst.into());
        self
    }

    setters! {
        /// Sets how the length of a packet is computed (`overhead`, `mpu`, `linklayer`).
        overhead: Overhead;
    }

    fn buckets(&self) -> [(&'static str, Rate, Burst); 2] {
        [("burst", self.rate, self.burst), ("peak burst", self.peak_rate, self.peak_burst)]
    }
}

impl Config for TbfConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let (mut config, mut parms) = (Self::new(Rate::ZERO, 0), false);
        let (mut rate64, mut peak64) = (None, None);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_TBF_PARMS => {
                    // There is one overhead, for the rate and the peak rate.
                    let peak = attr.value().get(20..24);
                    let has_peak = peak.is_some_and(|rate| rate.iter().any(|byte| *byte != 0));
                    if has_peak && !Overhead::is_shared(attr.value()) {
                        return Ok(None);
                    }
                    let mut f = attr.fields();
                    (config.overhead, config.rate) = Overhead::from_ratespec(f.array()?);
                    (_, config.peak_rate) = Overhead::from_ratespec(f.array()?);
                    config.limit = Some(f.u32()?);
                    (config.burst, config.peak_burst) =
                        (Burst::of_ticks(f.u32()?), Burst::of_ticks(f.u32()?));
                    parms = true;
                }
                TCA_TBF_RATE64 => rate64 = Some(attr.u64()?),
                TCA_TBF_PRATE64 => peak64 = Some(attr.u64()?),
                // The kernel does not report the bytes of a request, and computes its own tables.
                TCA_TBF_RTAB | TCA_TBF_PTAB | TCA_TBF_BURST | TCA_TBF_PBURST | TCA_TBF_PAD => {}
                _ => return Ok(None),
            }
        }
        config.rate = joined(config.rate, rate64);
        config.peak_rate = joined(config.peak_rate, peak64);
        if parms { Ok(Some(config)) } else { Err(DecodeError::Missing(TCA_TBF_PARMS)) }
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let peak = !self.peak_rate.is_zero();
        let [burst, peak_burst] = self.buckets().map(|(_, rate, burst)| in_ticks(burst, rate));
        let mut parms = [0; PARMS_LEN];
        let (head, tail) = parms.split_at_mut(24);
        for (field, rate) in
            head.chunks_exact_mut(12).zip([self.rate, self.peak_rate]).take(1 + usize::from(peak))
        {
            field.copy_from_slice(&self.overhead.ratespec(rate));
        }
        for (field, value) in tail.chunks_exact_mut(4).zip([self.limit.unwrap_or(0), burst, peak_burst]) {
            field.copy_from_slice(&value.to_ne_bytes());
        }
        let mut options = w.nested(TCA_OPTIONS);
        options.bytes(TCA_TBF_PARMS, &parms);
        for ((_, rate, burst), (wide, bytes)) in self
            .buckets()
            .into_iter()
            .zip([(TCA_TBF_RATE64, TCA_TBF_BURST), (TCA_TBF_PRATE64, TCA_TBF_PBURST)])
        {
            options.opt(wide, rate.wide(), AttrWriter::u64);
            options.opt(bytes, in_bytes(burst, rate).filter(|_| !rate.is_zero()), AttrWriter::u32);
        }
    }

    fn check(&self, _verb: TcVerb) -> Result<(), Invalid> {
        let peak = !self.peak_rate.is_zero();
        self.rate.check("rate")?;
        for (name, rate, burst) in self.buckets().into_iter().take(1 + usize::from(peak)) {
            check_burst(name, rate, burst)?;
        }
        if peak && self.peak_rate <= self.rate {
            let (peak, rate) = (self.peak_rate, self.rate);
            return Err(format!("peak rate {peak}; more than the rate, {rate}, is possible").into());
        }
        self.overhead.check()?;
        let Some(limit) = self.limit else {
            return Err("no limit; limit() or latency() is needed, which say how many bytes can wait".into());
        };
        Invalid::when(limit == 0, "limit 0 bytes; 1 is the minimum")?;
        Invalid::when(limit == u32::MAX, "limit is too high; 4294967294 bytes are possible")
    }

    fn as_read_back(&self, current: &Self) -> Self {
        let mut config = self.clone();
        config.burst = stored(self.burst, self.rate, self.overhead);
        config.limit = self.limit.or(current.limit);
        config.peak_burst = match self.peak_rate {
            Rate::ZERO => current.peak_burst,
            rate => stored(self.peak_burst, rate, self.overhead),
        };
        config
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " rate {} burst {}b", self.rate, self.burst.bytes(self.rate))?;
        if !self.peak_rate.is_zero() {
            let burst = self.peak_burst.bytes(self.peak_rate);
            write!(f, " peakrate {} minburst {burst}b", self.peak_rate)?;
        }
        word(f, "limit", self.limit.map(|limit| format!("{limit}b")))?;
        self.overhead.write_options(f)
    }
}

/// The time of a burst in ticks. The kernel does not read it if the burst is also sent in bytes.
fn in_ticks(burst: Burst, rate: Rate) -> u32 {
    match burst.ticks(rate) {
        Some(ticks) => ticks,
        // `check` refuses a time that does not fit.
        None if rate.is_zero() => 0,
        None => u32::MAX,
    }
}

/// The limit of a burst in bytes is that of `TCA_TBF_BURST`, which are bytes: no time.
fn check_burst(name: &str, rate: Rate, burst: Burst) -> Result<(), Invalid> {
    match burst {
        Burst::Time(Duration::ZERO) => Err(format!("{name} of 0 ns; 64 ns is the minimum").into()),
        Burst::Time(_) => burst.check(name, rate),
        _ => match burst.bytes(rate) {
            0 => Err(format!("{name} of 0 bytes; 1 is the minimum").into()),
            bytes if u32::try_from(bytes).is_err() => {
                Err(format!("{name} of {bytes} bytes; {} bytes are possible", u32::MAX).into())
            }
            _ => Ok(()),
        },
    }
}

fn in_bytes(burst: Burst, rate: Rate) -> Option<u32> {
    match burst {
        Burst::Time(_) => None,
        burst => u32::try_from(burst.bytes(rate)).ok(),
    }
}

/// The burst as the kernel stores and reports it. The kernel converts bytes into a time as it does for a packet: including the
/// overhead, rounded down. It reports the lower 32 bits of the ticks.
fn stored(burst: Burst, rate: Rate, overhead: Overhead) -> Burst {
    let Some(bytes) = in_bytes(burst, rate) else { return burst.as_read_back(rate) };
    let mut len = u64::from(bytes) + u64::from(overhead.bytes);
    len = len.max(overhead.mpu.into());
    if overhead.link_layer == LinkLayer::Atm {
        len = len.div_ceil(48) * 53;
    }
    // `psched_ratecfg_precompute__`, `net/sched/sch_generic.c`: as many bits as fit in a multiplication.
    let (mut mult, mut shift, mut factor) = (1, 0, 1_000_000_000_u64);
    while let Some(per_byte) = factor.checked_div(rate.bytes_per_second()) {
        mult = per_byte;
        if mult & (1 << 31) != 0 || factor & (1 << 63) != 0 {
            break;
        }
        factor <<= 1;
        shift += 1;
    }
    let nanos = (u128::from(len) * u128::from(mult)) >> shift;
    let ticks = (nanos / u128::from(NANOS_PER_TICK)) & u128::from(u32::MAX);
    u32::try_from(ticks).map_or(burst, Burst::of_ticks)
}

// `include/uapi/linux/pkt_sched.h`
kind_names! {
    TCA_TBF_PARMS = 1,
    TCA_TBF_RTAB = 2,
    TCA_TBF_PTAB = 3,
    TCA_TBF_RATE64 = 4,
    TCA_TBF_PRATE64 = 5,
    TCA_TBF_BURST = 6,
    TCA_TBF_PBURST = 7,
    TCA_TBF_PAD = 8,
}
