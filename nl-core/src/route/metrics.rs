use std::fmt;
use std::time::Duration;

use bitflags::bitflags;

use crate::attr::{AttrWriter, Attrs, DecodeError, RawAttrs};
use crate::attr_names;
use crate::check::{Invalid, opt_within};

// `include/uapi/linux/rtnetlink.h`
attr_names! { pub(super) METRICS {
    RTAX_LOCK = 1,
    RTAX_MTU = 2,
    RTAX_WINDOW = 3,
    RTAX_RTT = 4,
    RTAX_RTTVAR = 5,
    RTAX_SSTHRESH = 6,
    RTAX_CWND = 7,
    RTAX_ADVMSS = 8,
    RTAX_REORDERING = 9,
    RTAX_HOPLIMIT = 10,
    RTAX_INITCWND = 11,
    RTAX_FEATURES = 12,
    RTAX_RTO_MIN = 13,
    RTAX_INITRWND = 14,
    RTAX_QUICKACK = 15,
    RTAX_CC_ALGO = 16,
    RTAX_FASTOPEN_NO_COOKIE = 17,
} }

/// The kernel takes a larger MTU for this one.
const MTU_MAX: u32 = 65_535 - 15;
/// The kernel takes a larger segment size for this one.
const ADVMSS_MAX: u32 = 65_535 - 40;
/// `TCP_CA_NAME_MAX - 1`: the kernel cuts a longer name off.
const CC_ALGO_MAX: usize = 15;
/// `RTAX_RTT` counts eighths of a millisecond.
const RTT_UNIT: Duration = Duration::from_micros(125);
/// `RTAX_RTTVAR` counts quarters of a millisecond.
const RTTVAR_UNIT: Duration = Duration::from_micros(250);
/// `RTAX_RTO_MIN` counts milliseconds.
const RTO_MIN_UNIT: Duration = Duration::from_millis(1);

bitflags! {
    /// What TCP may use on a route (`RTAX_FEATURE_*`); bits this crate does not know are kept, and refused by the kernel.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RouteFeatures: u32 {
        /// Explicit congestion notification (`ecn`).
        const ECN = 0x1;
        /// Selective acknowledgements; no kernel uses it.
        const SACK = 0x2;
        /// Timestamps; no kernel uses it.
        const TIMESTAMP = 0x4;
        /// A fragment header in each packet; no kernel uses it since 6.8.
        const ALLFRAG = 0x8;
        /// Timestamps in microseconds (`tcp_usec_ts`). Linux 6.7.
        const TCP_USEC_TS = 0x10;
        const _ = !0;
    }
}

/// Metrics of a route: what TCP and IP assume about the path (`RTAX_*`).
///
/// The kernel determines a metric that is unset or 0 itself.
///
/// ```
/// use nl_core::route::Metrics;
///
/// let metrics = Metrics::default().mtu(1400).cc_algo("bbr");
/// assert_eq!(metrics.to_string(), " mtu 1400 congctl bbr");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Metrics {
    /// Metrics that the kernel must not change by what it measures: bit *n* for `RTAX_` number *n* (`RTAX_LOCK`).
    pub lock: u32,
    /// The largest packet in bytes, up to 65520 (`RTAX_MTU`).
    pub mtu: Option<u32>,
    /// The largest window to advertise, in bytes (`RTAX_WINDOW`).
    pub window: Option<u32>,
    /// The round trip time to begin with, in steps of 125 µs (`RTAX_RTT`).
    pub rtt: Option<Duration>,
    /// The variance of the round trip time to begin with, in steps of 250 µs (`RTAX_RTTVAR`).
    pub rttvar: Option<Duration>,
    /// The slow start threshold, in segments (`RTAX_SSTHRESH`).
    pub ssthresh: Option<u32>,
    /// The largest congestion window, in segments; counts only while locked (`RTAX_CWND`).
    pub cwnd: Option<u32>,
    /// The maximum segment size to advertise, in bytes, up to 65495 (`RTAX_ADVMSS`).
    pub advmss: Option<u32>,
    /// How far segments may be reordered before one counts as lost, in segments (`RTAX_REORDERING`).
    pub reordering: Option<u32>,
    /// The hop limit of packets sent, up to 255 (`RTAX_HOPLIMIT`).
    pub hoplimit: Option<u32>,
    /// The congestion window to begin with, in segments (`RTAX_INITCWND`).
    pub initcwnd: Option<u32>,
    /// What TCP may use (`RTAX_FEATURES`).
    #[cfg_attr(feature = "serde", serde(serialize_with = "bits"))]
    pub features: Option<RouteFeatures>,
    /// The minimum retransmission timeout, in steps of a millisecond (`RTAX_RTO_MIN`).
    pub rto_min: Option<Duration>,
    /// The window to advertise to begin with, in segments (`RTAX_INITRWND`).
    pub initrwnd: Option<u32>,
    /// Whether acknowledgements are sent at once: 1 or 0 (`RTAX_QUICKACK`).
    pub quickack: Option<u32>,
    /// The congestion control algorithm, up to 15 bytes (`RTAX_CC_ALGO`).
    pub cc_algo: Option<Box<str>>,
    /// Whether TCP Fast Open does without a cookie: 1 or 0. Linux 4.15 (`RTAX_FASTOPEN_NO_COOKIE`).
    pub fastopen_no_cookie: Option<u32>,
    /// Metrics that this crate has no field for.
    pub unknown: RawAttrs,
}

/// The metrics that are plain numbers: setter, attribute, word of `ip route`.
macro_rules! numbers {
    ($($name:ident $attr:ident $word:literal $doc:literal;)+) => {
        impl Metrics {
            $(
                #[doc = $doc]
                #[must_use]
                pub fn $name(mut self, value: u32) -> Self {
                    self.$name = Some(value);
                    self
                }
            )+

            fn number_mut(&mut self, kind: u16) -> Option<&mut Option<u32>> {
                Some(match kind {
                    $( $attr => &mut self.$name, )+
                    _ => return None,
                })
            }

            fn numbers(&self) -> [(u16, &'static str, Option<u32>); 11] {
                [$( ($attr, $word, self.$name), )+]
            }
        }
    };
}

numbers! {
    mtu RTAX_MTU "mtu" "The largest packet in bytes, up to 65520 (`mtu`).";
    window RTAX_WINDOW "window" "The largest window to advertise, in bytes (`window`).";
    ssthresh RTAX_SSTHRESH "ssthresh" "The slow start threshold, in segments (`ssthresh`).";
    cwnd RTAX_CWND "cwnd" "The largest congestion window, in segments (`cwnd`).";
    advmss RTAX_ADVMSS "advmss" "The maximum segment size to advertise, in bytes, up to 65495 (`advmss`).";
    reordering RTAX_REORDERING "reordering" "How far segments may be reordered, in segments (`reordering`).";
    hoplimit RTAX_HOPLIMIT "hoplimit" "The hop limit of packets sent, up to 255 (`hoplimit`).";
    initcwnd RTAX_INITCWND "initcwnd" "The congestion window to begin with, in segments (`initcwnd`).";
    initrwnd RTAX_INITRWND "initrwnd" "The window to advertise to begin with, in segments (`initrwnd`).";
    quickack RTAX_QUICKACK "quickack" "Whether acknowledgements are sent at once: 1 or 0 (`quickack`).";
    fastopen_no_cookie RTAX_FASTOPEN_NO_COOKIE "fastopen_no_cookie"
        "Whether TCP Fast Open does without a cookie: 1 or 0 (`fastopen_no_cookie`).";
}

impl Metrics {
    /// The largest packet in bytes, which path MTU discovery does not change (`mtu lock`).
    #[must_use]
    pub fn mtu_locked(self, value: u32) -> Self {
        self.mtu(value).locked(RTAX_MTU)
    }

    /// The round trip time to begin with, in steps of 125 µs (`rtt`).
    #[must_use]
    pub fn rtt(mut self, value: Duration) -> Self {
        self.rtt = Some(value);
        self
    }

    /// The variance of the round trip time to begin with, in steps of 250 µs (`rttvar`).
    #[must_use]
    pub fn rttvar(mut self, value: Duration) -> Self {
        self.rttvar = Some(value);
        self
    }

    /// The minimum retransmission timeout, in steps of a millisecond (`rto_min`). `ip route` locks it too.
    #[must_use]
    pub fn rto_min(mut self, value: Duration) -> Self {
        self.rto_min = Some(value);
        self.locked(RTAX_RTO_MIN)
    }

    /// What TCP may use (`features`).
    #[must_use]
    pub fn features(mut self, features: RouteFeatures) -> Self {
        self.features = Some(features);
        self
    }

    /// The congestion control algorithm, up to 15 bytes (`congctl`).
    #[must_use]
    pub fn cc_algo(mut self, name: impl Into<Box<str>>) -> Self {
        self.cc_algo = Some(name.into());
        self
    }

    fn locked(mut self, kind: u16) -> Self {
        self.lock |= bit(kind);
        self
    }

    pub(super) fn decode(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let mut metrics = Self::default();
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                RTAX_LOCK => metrics.lock = attr.u32()?,
                RTAX_RTT => metrics.rtt = Some(RTT_UNIT.saturating_mul(attr.u32()?)),
                RTAX_RTTVAR => metrics.rttvar = Some(RTTVAR_UNIT.saturating_mul(attr.u32()?)),
                RTAX_RTO_MIN => metrics.rto_min = Some(RTO_MIN_UNIT.saturating_mul(attr.u32()?)),
                RTAX_FEATURES => metrics.features = Some(RouteFeatures::from_bits_retain(attr.u32()?)),
                RTAX_CC_ALGO => metrics.cc_algo = Some(attr.str()?.into()),
                kind => match metrics.number_mut(kind) {
                    Some(number) => *number = Some(attr.u32()?),
                    None => metrics.unknown.push(attr),
                },
            }
        }
        Ok(metrics)
    }

    pub(super) fn encode(&self, w: &mut AttrWriter<'_>) {
        for (kind, _, value) in self.numbers() {
            w.opt(kind, value, AttrWriter::u32);
        }
        for (kind, value, unit) in self.times() {
            w.opt(kind, value.and_then(|value| units(value, unit)), AttrWriter::u32);
        }
        w.opt(RTAX_FEATURES, self.features.map(|features| features.bits()), AttrWriter::u32);
        if let Some(name) = &self.cc_algo {
            // Without a NUL at its end, as iproute2 sends it.
            w.bytes(RTAX_CC_ALGO, name.as_bytes());
        }
        self.unknown.write(w);
        if self.lock != 0 {
            w.u32(RTAX_LOCK, self.lock);
        }
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        opt_within("mtu", self.mtu, 0, MTU_MAX)?;
        opt_within("advmss", self.advmss, 0, ADVMSS_MAX)?;
        opt_within("hoplimit", self.hoplimit, 0, 255)?;
        opt_within("quickack", self.quickack, 0, 1)?;
        opt_within("fastopen_no_cookie", self.fastopen_no_cookie, 0, 1)?;
        for (name, (_, value, unit)) in ["rtt", "rttvar", "rto_min"].into_iter().zip(self.times()) {
            if let Some(value) = value.filter(|value| units(*value, unit).is_none()) {
                let max = unit.saturating_mul(u32::MAX);
                return Err(
                    format!("{name} {value:?}; a multiple of {unit:?} up to {max:?} is possible").into()
                );
            }
        }
        match &self.cc_algo {
            Some(name) if name.is_empty() || name.len() > CC_ALGO_MAX => Err(format!(
                "congestion control algorithm \"{name}\" has {} bytes; 1 to {CC_ALGO_MAX} are possible",
                name.len()
            )
            .into()),
            Some(name) if name.contains('\0') => Err("a congestion control algorithm has no NUL byte".into()),
            _ => Ok(()),
        }
    }

    fn times(&self) -> [(u16, Option<Duration>, Duration); 3] {
        [
            (RTAX_RTT, self.rtt, RTT_UNIT),
            (RTAX_RTTVAR, self.rttvar, RTTVAR_UNIT),
            (RTAX_RTO_MIN, self.rto_min, RTO_MIN_UNIT),
        ]
    }

    fn word(&self, f: &mut fmt::Formatter<'_>, kind: u16, word: &str) -> fmt::Result {
        write!(f, " {word}{}", if self.lock & bit(kind) == 0 { "" } else { " lock" })
    }
}

/// As `ip route` prints them, each with a blank before it.
impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, word, value) in self.numbers() {
            if let Some(value) = value {
                self.word(f, kind, word)?;
                write!(f, " {value}")?;
            }
        }
        for (word, (kind, value, _)) in ["rtt", "rttvar", "rto_min"].into_iter().zip(self.times()) {
            if let Some(value) = value {
                self.word(f, kind, word)?;
                write!(f, " {value:?}")?;
            }
        }
        if let Some(features) = self.features {
            self.word(f, RTAX_FEATURES, "features")?;
            let known = [(RouteFeatures::ECN, " ecn"), (RouteFeatures::TCP_USEC_TS, " tcp_usec_ts")];
            for (feature, word) in known {
                if features.contains(feature) {
                    f.write_str(word)?;
                }
            }
            let rest = features - RouteFeatures::ECN - RouteFeatures::TCP_USEC_TS;
            if !rest.is_empty() {
                write!(f, " {:#x}", rest.bits())?;
            }
        }
        if let Some(name) = &self.cc_algo {
            self.word(f, RTAX_CC_ALGO, "congctl")?;
            write!(f, " {}", name.escape_debug())?;
        }
        for attr in self.unknown.attrs().flatten() {
            write!(f, " metric#{}", attr.kind())?;
        }
        Ok(())
    }
}

const fn bit(kind: u16) -> u32 {
    1 << kind
}

/// A time in units, if it is a whole number of them that the kernel's field holds.
fn units(value: Duration, unit: Duration) -> Option<u32> {
    let (value, unit) = (value.as_nanos(), unit.as_nanos());
    if value % unit == 0 { u32::try_from(value / unit).ok() } else { None }
}

#[cfg(feature = "serde")]
fn bits<S: serde::Serializer>(features: &Option<RouteFeatures>, s: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&features.map(|features| features.bits()), s)
}
