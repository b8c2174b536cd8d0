//! Rates, sizes, bursts and probabilities, in the words of `tc` and in the units of the kernel.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use nl_core::{Error, Result};

pub(crate) type Refusal = Option<Cow<'static, str>>;

/// The kernel's scheduling clock ticks every 64 ns, as `/proc/net/psched` tells.
pub(crate) const NANOS_PER_TICK: u64 = 64;
const TICKS_PER_SECOND: u64 = 1_000_000_000 / NANOS_PER_TICK;
/// The timer resolution `tc` reckons its default burst with, on a kernel with high-resolution timers.
const TIMERS_PER_SECOND: u64 = 1_000_000_000;
/// `tc` takes a packet to have this many bytes where nothing is said.
const DEFAULT_MTU: u32 = 1600;

/// A data rate. Whether a number is in bits or in bytes is said when it is made and never again.
///
/// ```
/// use nl_tc::Rate;
///
/// assert_eq!(Rate::mbit(8), Rate::mbps(1)); // tc's "mbps" are megabytes
/// assert_eq!("1.5mbit".parse::<Rate>()?.to_string(), "1500Kbit");
/// assert_eq!(Rate::gbit(10).bytes_per_second(), 1_250_000_000);
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// The kernel counts whole bytes per second; a rate of other bits is rounded down to them, as `tc` does. A rate over
/// [`MAX`](Self::MAX) becomes that, and no verb takes it.
///
/// `Display` is `tc`'s: three digits at least, cut and not rounded (`1234567bit` prints as `1234Kbit`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Rate(u64);

macro_rules! rates {
    ($($name:ident $bits:literal $word:literal $doc:literal;)+) => {
        impl Rate {
            $(
                #[doc = concat!($doc, " per second (`", $word, "`).")]
                #[must_use]
                pub const fn $name(n: u64) -> Self {
                    Self::from_bits(n as u128 * $bits)
                }
            )+
        }

        /// The words of `tc` and the bits in each.
        const RATE_WORDS: &[(&str, u128)] = &[$(($word, $bits)),+];
    };
}

rates! {
    bit 1 "bit" "Bits";
    kbit 1_000 "kbit" "Thousands of bits";
    mbit 1_000_000 "mbit" "Millions of bits";
    gbit 1_000_000_000 "gbit" "10⁹ bits";
    tbit 1_000_000_000_000 "tbit" "10¹² bits";
    kibit 0x400 "kibit" "2¹⁰ bits";
    mibit 0x10_0000 "mibit" "2²⁰ bits";
    gibit 0x4000_0000 "gibit" "2³⁰ bits";
    tibit 0x100_0000_0000 "tibit" "2⁴⁰ bits";
    bps 8 "bps" "**Bytes**";
    kbps 8_000 "kbps" "Thousands of **bytes**";
    mbps 8_000_000 "mbps" "Millions of **bytes**";
    gbps 8_000_000_000 "gbps" "10⁹ **bytes**";
    tbps 8_000_000_000_000 "tbps" "10¹² **bytes**";
    kibps 0x2000 "kibps" "2¹⁰ **bytes**";
    mibps 0x80_0000 "mibps" "2²⁰ **bytes**";
    gibps 0x2_0000_0000 "gibps" "2³⁰ **bytes**";
    tibps 0x800_0000_0000 "tibps" "2⁴⁰ **bytes**";
}

impl Rate {
    /// No rate at all.
    pub const ZERO: Self = Self(0);
    /// More than any verb takes: 2⁶⁴−1 bytes per second.
    pub const MAX: Self = Self(u64::MAX);

    /// Whole bytes per second, as the kernel has it.
    #[must_use]
    pub const fn bytes_per_second(self) -> u64 {
        self.0
    }

    /// Bits per second.
    #[must_use]
    pub const fn bits_per_second(self) -> u128 {
        self.0 as u128 * 8
    }

    /// Whether it is no rate at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    #[expect(clippy::cast_possible_truncation, reason = "compared before")]
    const fn from_bits(bits: u128) -> Self {
        let bytes = bits / 8;
        Self(if bytes > u64::MAX as u128 { u64::MAX } else { bytes as u64 })
    }

    /// Why this is no rate for the field `name`, which has 64 bits.
    pub(crate) fn refusal(self, name: &str) -> Refusal {
        match self {
            Self::ZERO => {
                Some(format!("{name} 0bit; 8bit, which is one byte per second, is the least").into())
            }
            Self::MAX => {
                Some(format!("{name} over the limit; {} bytes per second are possible", u64::MAX - 1).into())
            }
            _ => None,
        }
    }

    /// The rate for a field of 32 bits.
    pub(crate) fn narrow(self, name: &str) -> Result<u32, Cow<'static, str>> {
        u32::try_from(self.0).map_err(|_| {
            format!(
                "{name} {} bytes per second; {} (34.3Gbit) are possible, the kernel has 32 bits for it",
                self.0,
                u32::MAX
            )
            .into()
        })
    }

    /// For a 32-bit field that a 64-bit one goes with.
    pub(crate) fn saturated(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }

    /// The 64-bit field, where the 32-bit one does not hold the rate.
    pub(crate) fn wide(self) -> Option<u64> {
        (self.0 > u64::from(u32::MAX)).then_some(self.0)
    }
}

/// In the words of `tc`, such as `10Mbit`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WORDS: [&str; 5] = ["", "K", "M", "G", "T"];
        let (mut n, mut unit) = (self.bits_per_second(), 0);
        while unit + 1 < WORDS.len() && n >= 1000 && (n % 1000 == 0 || n >= 1_000_000) {
            n /= 1000;
            unit += 1;
        }
        write!(f, "{n}{}bit", WORDS.get(unit).unwrap_or(&""))
    }
}

/// From the words of `tc`: `10mbit`, `1.5gbit`, `100kbps` (bytes), and without a unit bits. Upper and lower case are one.
impl FromStr for Rate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::usage(format!(
                "\"{text}\" is no rate: a number and bit, kbit, mbit, gbit or tbit, or bps to tbps for bytes, with an i for \
                 powers of 1024 (kibit)"
            ))
        };
        let (number, word) = split_number(text);
        let scale = match RATE_WORDS.iter().find(|(w, _)| w.eq_ignore_ascii_case(word)) {
            Some((_, scale)) => *scale,
            None if word.is_empty() => 1,
            None => return Err(bad()),
        };
        let rate = match number.parse::<u64>() {
            Ok(whole) => Self::from_bits(u128::from(whole) * scale),
            Err(_) => Self::from_bits(scaled(number, scale).ok_or_else(bad)?),
        };
        match rate {
            Self::MAX => Err(Error::usage(format!(
                "rate {text}; up to {} bytes per second are possible",
                u64::MAX - 1
            ))),
            rate => Ok(rate),
        }
    }
}

/// A number of bytes: of a packet, a burst, a quantum. Up to 4 GiB − 1.
///
/// ```
/// use nl_tc::Size;
///
/// assert_eq!("15k".parse::<Size>()?, Size::from(15 * 1024));
/// assert_eq!(Size::from(15 * 1024).to_string(), "15Kb");
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// `Display` is `tc`'s, which shows a size that is close to a whole KiB or MiB as that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Size(pub u32);

impl From<u32> for Size {
    fn from(bytes: u32) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KIB: u64 = 1024;
        const MIB: u64 = 1024 * 1024;
        let n = u64::from(self.0);
        let near = |unit: u64| {
            // Ties go to the even neighbour, but here they are too far off to matter.
            let whole = (n + unit / 2) / unit;
            (whole, n.abs_diff(whole * unit))
        };
        match (near(MIB), near(KIB)) {
            ((whole, off), _) if n >= MIB && off < 1024 => write!(f, "{whole}Mb"),
            (_, (whole, off)) if n >= KIB && off < 16 => write!(f, "{whole}Kb"),
            _ => write!(f, "{n}b"),
        }
    }
}

/// From the words of `tc`: a number and `b`, `k` or `kb`, `m`, `g`, which are powers of 1024, or `kbit`, `mbit`, `gbit`.
impl FromStr for Size {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::usage(format!(
                "\"{text}\" is no size: a number and b, k, m, g, kbit, mbit or gbit, under 4 GiB"
            ))
        };
        let (number, word) = split_number(text);
        let bytes: u128 = match word.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" => 1 << 10,
            "m" | "mb" => 1 << 20,
            "g" | "gb" => 1 << 30,
            "kbit" => 1 << 7,
            "mbit" => 1 << 17,
            "gbit" => 1 << 27,
            _ => return Err(bad()),
        };
        scaled(number, bytes).and_then(|n| u32::try_from(n).ok()).map(Self).ok_or_else(bad)
    }
}

/// How much may be sent at once, which the kernel keeps as the time that takes at the rate.
///
/// ```
/// use std::time::Duration;
/// use nl_tc::{Burst, Rate, Size};
///
/// let burst = Burst::Bytes(Size(15 * 1024));
/// assert_eq!(burst.time(Rate::mbit(1)), Some(Duration::from_micros(122_880)));
/// ```
///
/// The time is in ticks of 64 ns, rounded up, so that a burst is never smaller than asked; at most 2³²−1 of them, which is
/// 274.877 s. Older releases of `tc`, 6.1 among them, cut to microseconds and make bursts too small from 1 Gbit/s on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Burst {
    /// This many bytes.
    Bytes(Size),
    /// One packet of this many bytes, and what the rate sends in a nanosecond: `tc`'s default, with 1600.
    Mtu(u32),
    /// What is sent in this time: how it is read from the kernel.
    Time(Duration),
}

impl Burst {
    /// The time it takes at this rate, if the kernel can hold that.
    #[must_use]
    pub fn time(self, rate: Rate) -> Option<Duration> {
        self.ticks("burst", rate).ok().map(time_of)
    }

    /// The bytes sent at this rate, cut to whole ones.
    #[must_use]
    pub fn bytes(self, rate: Rate) -> u64 {
        match self {
            Self::Bytes(size) => size.0.into(),
            Self::Mtu(mtu) => rate.0 / TIMERS_PER_SECOND + u64::from(mtu),
            Self::Time(time) => {
                let bytes = time.as_nanos() * u128::from(rate.0) / 1_000_000_000;
                u64::try_from(bytes).unwrap_or(u64::MAX)
            }
        }
    }

    pub(crate) fn ticks(self, name: &str, rate: Rate) -> Result<u32, Cow<'static, str>> {
        let ticks = match self {
            Self::Time(time) => time.as_nanos().div_ceil(NANOS_PER_TICK.into()),
            _ if self.bytes(rate) == 0 => return Err(format!("{name} of 0 bytes; 1 is the least").into()),
            _ if rate.is_zero() => return Err(format!("{name} at rate 0").into()),
            _ => (u128::from(self.bytes(rate)) * u128::from(TICKS_PER_SECOND)).div_ceil(rate.0.into()),
        };
        u32::try_from(ticks).map_err(|_| {
            let seconds = ticks / u128::from(TICKS_PER_SECOND);
            match self {
                Self::Time(_) => format!("{name} of {seconds} s; 274.877 s are possible").into(),
                _ => format!(
                    "{name} of {} bytes takes {seconds} s at {rate}; 274.877 s are possible",
                    self.bytes(rate)
                )
                .into(),
            }
        })
    }

    pub(crate) const fn of_ticks(ticks: u32) -> Self {
        Self::Time(time_of(ticks))
    }

    /// As it is kept, and read back.
    pub(crate) fn kept(self, rate: Rate) -> Self {
        self.ticks("", rate).map_or(self, Self::of_ticks)
    }
}

impl Default for Burst {
    fn default() -> Self {
        Self::Mtu(DEFAULT_MTU)
    }
}

impl From<Size> for Burst {
    fn from(size: Size) -> Self {
        Self::Bytes(size)
    }
}

impl From<u32> for Burst {
    fn from(bytes: u32) -> Self {
        Self::Bytes(Size(bytes))
    }
}

impl From<Duration> for Burst {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
}

const fn time_of(ticks: u32) -> Duration {
    Duration::from_nanos(ticks as u64 * NANOS_PER_TICK)
}

/// How often something happens, from never to always, in 2³²−1 steps.
///
/// ```
/// use nl_tc::Probability;
///
/// assert_eq!(Probability::percent(100.0)?, Probability::ALWAYS);
/// assert_eq!(Probability::percent(0.1)?.to_string(), "0.1%");
/// assert!(Probability::percent(101.0).is_err());
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Probability(pub u32);

impl Probability {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Always.
    pub const ALWAYS: Self = Self(u32::MAX);

    /// This many percent, to the nearest step.
    ///
    /// # Errors
    /// Less than 0 or more than 100.
    pub fn percent(percent: f64) -> Result<Self> {
        if !(0.0..=100.0).contains(&percent) {
            return Err(Error::usage(format!("{percent}%; 0 to 100 are possible")));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
        let steps = (percent / 100.0 * f64::from(u32::MAX)).round_ties_even() as u32;
        Ok(Self(steps))
    }
}

/// Six significant digits, as `tc` prints it.
impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = f64::from(self.0) / f64::from(u32::MAX) * 100.0;
        let digits = match percent {
            p if p >= 100.0 => 3,
            p if p >= 10.0 => 4,
            p if p >= 1.0 => 5,
            p if p >= 0.1 => 6,
            p if p >= 0.01 => 7,
            _ => 8,
        };
        let text = format!("{percent:.digits$}");
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl FromStr for Probability {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = text.strip_suffix('%').unwrap_or(text);
        let percent = number.parse().map_err(|_| Error::usage(format!("\"{text}\" is no percentage")))?;
        Self::percent(percent)
    }
}

/// What the link below adds to a packet, so that its time on the wire can be reckoned (`linklayer`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum LinkLayer {
    /// Nothing but the [overhead](Overhead::bytes).
    #[default]
    Ethernet,
    /// ATM, ADSL: cells of 53 bytes, of which 48 carry data.
    Atm,
    /// Not said: the kernel guesses from a rate table, and there is none (`TC_LINKLAYER_UNAWARE`).
    Unaware,
    /// Another number.
    Other(u8),
}

impl LinkLayer {
    pub(crate) const fn from_wire(byte: u8) -> Self {
        match byte & 0xf {
            0 => Self::Unaware,
            1 => Self::Ethernet,
            2 => Self::Atm,
            other => Self::Other(other),
        }
    }

    const fn wire(self) -> u8 {
        match self {
            Self::Unaware => 0,
            Self::Ethernet => 1,
            Self::Atm => 2,
            Self::Other(byte) => byte,
        }
    }
}

/// How a packet's length on the wire is reckoned: so many bytes more, at least so many in all, in cells or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Overhead {
    /// Added to every packet (`overhead`).
    pub bytes: u16,
    /// The least a packet counts as (`mpu`).
    pub mpu: u16,
    /// Cells or not (`linklayer`).
    pub link_layer: LinkLayer,
}

impl Overhead {
    /// `struct tc_ratespec`, `include/uapi/linux/pkt_sched.h`.
    pub(crate) fn ratespec(self, rate: Rate) -> [u8; 12] {
        let ([a, b], [c, d]) = (self.bytes.to_ne_bytes(), self.mpu.to_ne_bytes());
        let [e, f, g, h] = rate.saturated().to_ne_bytes();
        [0, self.link_layer.wire(), a, b, 0, 0, c, d, e, f, g, h]
    }

    pub(crate) fn from_ratespec(s: [u8; 12]) -> (Self, Rate) {
        let overhead = Self {
            bytes: u16::from_ne_bytes([s[2], s[3]]),
            mpu: u16::from_ne_bytes([s[6], s[7]]),
            link_layer: LinkLayer::from_wire(s[1]),
        };
        (overhead, Rate(u32::from_ne_bytes([s[8], s[9], s[10], s[11]]).into()))
    }

    pub(crate) fn refusal(self) -> Refusal {
        match self.link_layer {
            LinkLayer::Other(byte) if byte > 0xf => {
                Some(format!("link layer {byte}; 0 to 15 are possible").into())
            }
            LinkLayer::Unaware => {
                Some("an unaware link layer needs a rate table, which is not sent: ethernet or ATM".into())
            }
            _ => None,
        }
    }

    /// Further words of a `tc` command.
    pub(crate) fn write_words(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mpu != 0 {
            write!(f, " mpu {}", self.mpu)?;
        }
        if self.bytes != 0 {
            write!(f, " overhead {}", self.bytes)?;
        }
        match self.link_layer {
            LinkLayer::Ethernet => Ok(()),
            LinkLayer::Atm => f.write_str(" linklayer atm"),
            LinkLayer::Unaware => f.write_str(" linklayer unaware"),
            LinkLayer::Other(byte) => write!(f, " linklayer {byte}"),
        }
    }
}

/// The rate of both fields: the 64-bit one, where there is one, counts.
pub(crate) fn joined(narrow: Rate, wide: Option<u64>) -> Rate {
    Rate(wide.map_or(narrow.0, |wide| wide.max(narrow.0)))
}

impl From<Rate> for u64 {
    fn from(rate: Rate) -> Self {
        rate.0
    }
}

/// A rate in the words of `tc`, with nothing cut off.
pub(crate) struct Exact(pub Rate);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0.bits_per_second();
        match bits {
            // The words of these show every digit.
            0..1_000_000 => self.0.fmt(f),
            _ if bits.is_multiple_of(1_000) && bits < 1_000_000_000 => self.0.fmt(f),
            _ if bits.is_multiple_of(1_000_000) && bits < 1_000_000_000_000 => self.0.fmt(f),
            _ if bits.is_multiple_of(1_000_000_000) && bits < 1_000_000_000_000_000 => self.0.fmt(f),
            _ => write!(f, "{bits}bit"),
        }
    }
}

/// A time in whole microseconds, for a field of 32 bits.
pub(crate) fn micros(name: &str, time: Duration) -> Result<u32, Cow<'static, str>> {
    if !time.subsec_nanos().is_multiple_of(1000) {
        return Err(format!("{name} {time:?}; the kernel has whole microseconds for it").into());
    }
    u32::try_from(time.as_micros()).map_err(|_| format!("{name} {time:?}; 4294.967295s are possible").into())
}

pub(crate) const fn of_micros(micros: u32) -> Duration {
    Duration::from_micros(micros as u64)
}

/// A time in the words of `tc`.
pub(crate) struct Time(pub Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        match nanos {
            n if n.is_multiple_of(1_000_000_000) => write!(f, "{}s", n / 1_000_000_000),
            n if n.is_multiple_of(1_000_000) => write!(f, "{}ms", n / 1_000_000),
            n if n.is_multiple_of(1_000) => write!(f, "{}us", n / 1_000),
            n => write!(f, "{n}ns"),
        }
    }
}

fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// A decimal number times a whole one, cut to a whole one.
fn scaled(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Further digits cannot change a byte.
    let fraction = fraction.get(..fraction.len().min(18))?;
    let tenths = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    whole.checked_mul(scale)?.checked_add(fraction.checked_mul(scale)? / tenths)
}
