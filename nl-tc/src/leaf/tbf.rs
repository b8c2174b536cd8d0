use std::fmt;
use std::time::Duration;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;
use nl_core::error::Names;

use crate::TcVerb;
use crate::kind::{Config, setters};
use crate::message::TCA_OPTIONS;
use crate::units::{Burst, Exact, LinkLayer, NANOS_PER_TICK, Overhead, Rate, Refusal, Size, joined};

// `include/uapi/linux/pkt_sched.h`
const PARMS_LEN: usize = 36;

attr_names! { OPTIONS {
    TCA_TBF_PARMS = 1,
    TCA_TBF_RATE64 = 4,
    TCA_TBF_PRATE64 = 5,
    TCA_TBF_BURST = 6,
    TCA_TBF_PBURST = 7,
} }

static NAMES: Names = crate::message::tca![OPTIONS];

/// Token bucket filter: nothing leaves faster than the rate (`tc qdisc … tbf`).
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
    /// How much may be sent at once (`burst`). The kernel works out the time of one in bytes itself, rounded down.
    pub burst: Burst,
    /// Bytes held: the burst and what waits (`limit`).
    pub limit: u32,
    /// The rate of bursts, over [`rate`](Self::rate); zero for none (`peakrate`).
    pub peak_rate: Rate,
    /// How much may be sent at the peak rate at once, at least a packet (`mtu`, `minburst`).
    pub peak_burst: Burst,
    /// How a packet's length is reckoned (`overhead`, `mpu`, `linklayer`).
    pub overhead: Overhead,
}

impl TbfConfig {
    /// This rate, this much at once, and nothing held beyond that.
    #[must_use]
    pub fn new(rate: Rate, burst: impl Into<Burst>) -> Self {
        let burst = burst.into();
        Self {
            rate,
            burst,
            limit: u32::try_from(burst.bytes(rate)).unwrap_or(u32::MAX),
            peak_rate: Rate::ZERO,
            peak_burst: Burst::Time(Duration::ZERO),
            overhead: Overhead::default(),
        }
    }

    /// Holds this many bytes in all (`limit`).
    #[must_use]
    pub fn limit(mut self, limit: impl Into<Size>) -> Self {
        self.limit = limit.into().0;
        self
    }

    /// Holds the burst and what the rate sends in this time, so that nothing waits longer (`latency`). Without regard to a peak
    /// rate.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        let bytes = Burst::Time(latency).bytes(self.rate).saturating_add(self.burst.bytes(self.rate));
        // More than the field holds is refused by the verb.
        self.limit = u32::try_from(bytes).unwrap_or(u32::MAX);
        self
    }

    /// Lets bursts go no faster than this, and this much of them at once (`peakrate`, `minburst`).
    #[must_use]
    pub fn peak_rate(mut self, rate: Rate, burst: impl Into<Burst>) -> Self {
        (self.peak_rate, self.peak_burst) = (rate, burst.into());
        self
    }

    setters! {
        /// Reckons lengths so (`overhead`, `mpu`, `linklayer`).
        overhead: Overhead;
    }

    fn buckets(&self) -> [(&'static str, Rate, Burst); 2] {
        [("burst", self.rate, self.burst), ("peak burst", self.peak_rate, self.peak_burst)]
    }
}

impl Config for TbfConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Self, DecodeError> {
        let (mut config, mut parms) = (Self::new(Rate::ZERO, 0), false);
        let (mut rate64, mut peak64) = (None, None);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_TBF_PARMS => {
                    let mut f = attr.fields();
                    (config.overhead, config.rate) = Overhead::from_ratespec(f.array()?);
                    (_, config.peak_rate) = Overhead::from_ratespec(f.array()?);
                    config.limit = f.u32()?;
                    (config.burst, config.peak_burst) =
                        (Burst::of_ticks(f.u32()?), Burst::of_ticks(f.u32()?));
                    parms = true;
                }
                TCA_TBF_RATE64 => rate64 = Some(attr.u64()?),
                TCA_TBF_PRATE64 => peak64 = Some(attr.u64()?),
                _ => {}
            }
        }
        config.rate = joined(config.rate, rate64);
        config.peak_rate = joined(config.peak_rate, peak64);
        if parms { Ok(config) } else { Err(DecodeError::Missing(TCA_TBF_PARMS)) }
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let peak = !self.peak_rate.is_zero();
        // What cannot be held is refused and not sent.
        let [burst, peak_burst] = self.buckets().map(|(_, rate, burst)| burst.ticks(rate).unwrap_or(0));
        let mut parms = [0; PARMS_LEN];
        let (head, tail) = parms.split_at_mut(24);
        for (field, rate) in
            head.chunks_exact_mut(12).zip([self.rate, self.peak_rate]).take(1 + usize::from(peak))
        {
            field.copy_from_slice(&self.overhead.ratespec(rate));
        }
        for (field, value) in tail.chunks_exact_mut(4).zip([self.limit, burst, peak_burst]) {
            field.copy_from_slice(&value.to_ne_bytes());
        }
        let mut options = w.nested(TCA_OPTIONS);
        options.bytes(TCA_TBF_PARMS, &parms);
        for ((_, rate, burst), (wide, bytes)) in self
            .buckets()
            .into_iter()
            .zip([(TCA_TBF_RATE64, TCA_TBF_BURST), (TCA_TBF_PRATE64, TCA_TBF_PBURST)])
        {
            if let Some(rate) = rate.wide() {
                options.u64(wide, rate);
            }
            if let (Some(burst), false) = (in_bytes(burst, rate), rate.is_zero()) {
                options.u32(bytes, burst);
            }
        }
    }

    fn refusal(&self, _verb: TcVerb) -> Refusal {
        let peak = !self.peak_rate.is_zero();
        self.rate
            .refusal("rate")
            .or_else(|| {
                let buckets = self.buckets().into_iter().take(1 + usize::from(peak));
                buckets.into_iter().find_map(|(name, rate, burst)| match burst {
                    Burst::Time(Duration::ZERO) => {
                        Some(format!("{name} of no time; 64 ns are the least").into())
                    }
                    _ => burst.refusal(name, rate),
                })
            })
            .or_else(|| match self.limit {
                0 => Some("limit 0 bytes; 1 is the least".into()),
                u32::MAX => Some(format!("limit over the field; {} bytes are possible", u32::MAX - 1).into()),
                _ => None,
            })
            .or_else(|| {
                (peak && self.peak_rate <= self.rate).then(|| {
                    format!("peak rate {}; it must be over the rate, {}", self.peak_rate, self.rate).into()
                })
            })
            .or_else(|| self.overhead.refusal())
    }

    fn kept(&self, current: &Self) -> Self {
        let mut kept = self.clone();
        kept.burst = as_kept(self.burst, self.rate, self.overhead);
        kept.peak_burst = match self.peak_rate {
            Rate::ZERO => current.peak_burst,
            rate => as_kept(self.peak_burst, rate, self.overhead),
        };
        kept
    }

    fn write_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " rate {} burst {}b", Exact(self.rate), self.burst.bytes(self.rate))?;
        if !self.peak_rate.is_zero() {
            write!(
                f,
                " peakrate {} minburst {}b",
                Exact(self.peak_rate),
                self.peak_burst.bytes(self.peak_rate)
            )?;
        }
        write!(f, " limit {}b", self.limit)?;
        self.overhead.write_words(f)
    }
}

fn in_bytes(burst: Burst, rate: Rate) -> Option<u32> {
    match burst {
        Burst::Time(_) => None,
        burst => u32::try_from(burst.bytes(rate)).ok(),
    }
}

/// As it is read back: the kernel turns bytes into time as it does for a packet, which is rounded down, and takes a packet's
/// overhead in.
fn as_kept(burst: Burst, rate: Rate, overhead: Overhead) -> Burst {
    let Some(bytes) = in_bytes(burst, rate) else { return burst.kept(rate) };
    let mut len = u64::from(bytes) + u64::from(overhead.bytes);
    len = len.max(overhead.mpu.into());
    if overhead.link_layer == LinkLayer::Atm {
        len = len.div_ceil(48) * 53;
    }
    // `psched_ratecfg_precompute__`, `net/sched/sch_generic.c`: as many bits as a multiplication leaves room for.
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
    match u32::try_from(nanos / u128::from(NANOS_PER_TICK)) {
        Ok(ticks) => Burst::of_ticks(ticks),
        Err(_) => burst,
    }
}
