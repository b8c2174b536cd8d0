use std::fmt;
use std::time::Duration;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, opt_within};
use nl_core::error::Names;

use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;
use crate::setters::setters;
use crate::units::{Rate, Size, Time, micros, word};

/// `sch_cake` keeps 16 bits of these, and `tc` has closer limits.
const OVERHEAD_MIN: i32 = -64;
const OVERHEAD_MAX: i32 = 256;
const MPU_MAX: u32 = 256;

/// Common applications kept enhanced: a shaper with fair queueing for the slowest line of a path (`tc qdisc … cake`).
///
/// ```
/// use nl_tc::Rate;
/// use nl_tc::leaf::{CakeConfig, CakeDiffserv, CakeFlows};
///
/// // tc qdisc add … cake bandwidth 20mbit diffserv4 dual-dsthost nat ingress overhead 44 mpu 84
/// let qdisc = CakeConfig::new()
///     .bandwidth(Rate::mbit(20))
///     .diffserv(CakeDiffserv::Diffserv4)
///     .flows(CakeFlows::DualDstHost)
///     .nat(true)
///     .ingress(true)
///     .overhead(44)
///     .mpu(84);
/// assert_eq!(
///     nl_tc::qdisc::QdiscConfig::from(qdisc).to_string(),
///     "cake bandwidth 20Mbit diffserv4 dual-dsthost nat ingress overhead 44 mpu 84"
/// );
/// ```
///
/// Unset options use the kernel's defaults in a new qdisc, and stay unchanged in a change. Needs the module `sch_cake`.
/// [`CakeStats`](crate::stats::CakeStats) are its counters. Header: `include/uapi/linux/pkt_sched.h`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CakeConfig {
    /// The rate of the shaper. [`Rate::ZERO`] for none (`bandwidth`, `unlimited`).
    pub bandwidth: Option<Rate>,
    /// Whether the rate follows what arrives (`autorate-ingress`).
    pub autorate: Option<bool>,
    /// How packets are divided into tins (`diffserv3` and more).
    pub diffserv: Option<CakeDiffserv>,
    /// How packets are divided into flows (`triple-isolate` and more).
    pub flows: Option<CakeFlows>,
    /// Whether addresses are taken from before a translation (`nat`, `nonat`).
    pub nat: Option<bool>,
    /// Whether the DSCP is cleared behind the queue (`wash`, `nowash`).
    pub wash: Option<bool>,
    /// Whether dropped packets count as sent, as behind the slow line they were (`ingress`, `egress`).
    pub ingress: Option<bool>,
    /// Whether acknowledgements that later ones make needless are dropped (`ack-filter` and more).
    pub ack_filter: Option<CakeAckFilter>,
    /// Whether large packets are split (`split-gso`, `no-split-gso`).
    pub split_gso: Option<bool>,
    /// The round-trip time of the paths, in whole microseconds (`rtt`).
    pub rtt: Option<Duration>,
    /// The acceptable standing delay, in whole microseconds (`target`).
    pub target: Option<Duration>,
    /// How the line frames packets (`atm`, `ptm`, `noatm`).
    pub atm: Option<CakeAtm>,
    /// Bytes added to every packet, −64 to 256 (`overhead`).
    pub overhead: Option<i32>,
    /// The minimum size of a packet in bytes, up to 256 (`mpu`).
    pub mpu: Option<u32>,
    /// Whether the size of a packet is the one that the device reports, with its own header and without an overhead (`raw`).
    pub raw: bool,
    /// The number of bytes of memory used. 0 for a limit that the kernel computes (`memlimit`).
    pub memory_limit: Option<u32>,
    /// The bits of a packet's mark that choose its tin. 0 for none (`fwmark`).
    pub mark: Option<u32>,
}

/// A number of the kernel by name, which stays a number if it is not known.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $number:literal $word:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about])* $variant,)+
            /// Another number.
            Other(u32),
        }

        impl $name {
            const fn from_wire(number: u32) -> Self {
                match number {
                    $($number => Self::$variant,)+
                    other => Self::Other(other),
                }
            }

            const fn wire(self) -> u32 {
                match self {
                    $(Self::$variant => $number,)+
                    Self::Other(number) => number,
                }
            }
        }

        /// The word of `tc`.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($word),)+
                    Self::Other(number) => write!(f, "{number}"),
                }
            }
        }
    )+};
}

numbers! {
    /// How packets are divided into tins, in the order of the kernel.
    CakeDiffserv {
        /// Three tins (`diffserv3`).
        Diffserv3 = 0 "diffserv3",
        /// Four tins (`diffserv4`).
        Diffserv4 = 1 "diffserv4",
        /// Eight tins (`diffserv8`).
        Diffserv8 = 2 "diffserv8",
        /// One tin (`besteffort`).
        BestEffort = 3 "besteffort",
        /// Eight tins, by the older precedence (`precedence`).
        Precedence = 4 "precedence",
    }
    /// How packets are divided into flows, in the order of the kernel.
    CakeFlows {
        /// Not at all (`flowblind`).
        None = 0 "flowblind",
        /// By source host (`srchost`).
        SrcHost = 1 "srchost",
        /// By destination host (`dsthost`).
        DstHost = 2 "dsthost",
        /// By pair of hosts (`hosts`).
        Hosts = 3 "hosts",
        /// By connection (`flows`).
        Flows = 4 "flows",
        /// By source host, and its connections (`dual-srchost`).
        DualSrcHost = 5 "dual-srchost",
        /// By destination host, and its connections (`dual-dsthost`).
        DualDstHost = 6 "dual-dsthost",
        /// By both hosts, and their connections (`triple-isolate`).
        Triple = 7 "triple-isolate",
    }
    /// Which acknowledgements are dropped, in the order of the kernel.
    CakeAckFilter {
        /// None (`no-ack-filter`).
        None = 0 "no-ack-filter",
        /// Those that are needless (`ack-filter`).
        Filter = 1 "ack-filter",
        /// More of them (`ack-filter-aggressive`).
        Aggressive = 2 "ack-filter-aggressive",
    }
    /// How the line frames packets, in the order of the kernel.
    CakeAtm {
        /// Whole (`noatm`).
        None = 0 "noatm",
        /// In cells of 53 bytes, of which 48 carry data (`atm`).
        Atm = 1 "atm",
        /// With one byte for every 64 (`ptm`).
        Ptm = 2 "ptm",
    }
}

impl CakeConfig {
    /// A qdisc with the kernel's defaults, which does not shape.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the rate of the shaper, [`Rate::ZERO`] for none (`bandwidth`, `unlimited`).
        bandwidth: Rate => Some;
        /// Sets whether the rate follows what arrives (`autorate-ingress`).
        autorate: bool => Some;
        /// Sets how packets are divided into tins (`diffserv3` and more).
        diffserv: CakeDiffserv => Some;
        /// Sets how packets are divided into flows (`triple-isolate` and more).
        flows: CakeFlows => Some;
        /// Sets whether addresses are taken from before a translation (`nat`, `nonat`).
        nat: bool => Some;
        /// Sets whether the DSCP is cleared behind the queue (`wash`, `nowash`).
        wash: bool => Some;
        /// Sets whether dropped packets count as sent (`ingress`, `egress`).
        ingress: bool => Some;
        /// Sets which acknowledgements are dropped (`ack-filter` and more).
        ack_filter: CakeAckFilter => Some;
        /// Sets whether large packets are split (`split-gso`, `no-split-gso`).
        split_gso: bool => Some;
        /// Sets the acceptable standing delay (`target`).
        target: Duration => Some;
        /// Sets how the line frames packets (`atm`, `ptm`, `noatm`).
        atm: CakeAtm => Some;
        /// Sets the bytes added to every packet, −64 to 256 (`overhead`).
        overhead: i32 => Some;
        /// Sets the minimum size of a packet in bytes, up to 256 (`mpu`).
        mpu: u32 => Some;
        /// Sets the number of bytes of memory used (`memlimit`).
        memory_limit: impl Into<Size> => Size::some;
        /// Sets the bits of a packet's mark that choose its tin (`fwmark`).
        mark: u32 => Some;
    }

    /// Sets the round-trip time of the paths, and the acceptable delay to a twentieth of it, as `tc` does (`rtt`).
    #[must_use]
    pub fn rtt(mut self, rtt: Duration) -> Self {
        self.rtt = Some(rtt);
        self.target = Some(target_of(rtt));
        self
    }

    /// Takes the size that the device reports, without cells or an overhead (`raw`).
    #[must_use]
    pub fn raw(mut self) -> Self {
        (self.atm, self.overhead, self.raw) = (Some(CakeAtm::None), Some(0), true);
        self
    }

    fn times(&self) -> [(u16, &'static str, Option<Duration>); 2] {
        [(TCA_CAKE_RTT, "rtt", self.rtt), (TCA_CAKE_TARGET, "target", self.target)]
    }
}

impl Config for CakeConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut c = Self::new();
        for attr in Attrs::new(options) {
            let attr = attr?;
            let time = || attr.u32().map(|micros| Some(Duration::from_micros(micros.into())));
            let is_set = || attr.u32().map(|number| Some(number != 0));
            match attr.kind() {
                TCA_CAKE_BASE_RATE64 => c.bandwidth = Some(Rate::bps(attr.u64()?)),
                TCA_CAKE_DIFFSERV_MODE => c.diffserv = Some(CakeDiffserv::from_wire(attr.u32()?)),
                TCA_CAKE_ATM => c.atm = Some(CakeAtm::from_wire(attr.u32()?)),
                TCA_CAKE_FLOW_MODE => c.flows = Some(CakeFlows::from_wire(attr.u32()?)),
                TCA_CAKE_OVERHEAD => c.overhead = Some(attr.i32()?),
                TCA_CAKE_RTT => c.rtt = time()?,
                TCA_CAKE_TARGET => c.target = time()?,
                TCA_CAKE_AUTORATE => c.autorate = is_set()?,
                TCA_CAKE_MEMORY => c.memory_limit = Some(attr.u32()?),
                TCA_CAKE_NAT => c.nat = is_set()?,
                TCA_CAKE_RAW => c.raw = true,
                TCA_CAKE_WASH => c.wash = is_set()?,
                TCA_CAKE_MPU => c.mpu = Some(attr.u32()?),
                TCA_CAKE_INGRESS => c.ingress = is_set()?,
                TCA_CAKE_ACK_FILTER => c.ack_filter = Some(CakeAckFilter::from_wire(attr.u32()?)),
                TCA_CAKE_SPLIT_GSO => c.split_gso = is_set()?,
                TCA_CAKE_FWMARK => c.mark = Some(attr.u32()?),
                TCA_CAKE_PAD => {}
                _ => return Ok(None),
            }
        }
        Ok(Some(c))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let mut options = w.nested(TCA_OPTIONS);
        options.opt(TCA_CAKE_BASE_RATE64, self.bandwidth.map(Rate::bytes_per_second), AttrWriter::u64);
        options.opt(TCA_CAKE_DIFFSERV_MODE, self.diffserv.map(CakeDiffserv::wire), AttrWriter::u32);
        options.opt(TCA_CAKE_ATM, self.atm.map(CakeAtm::wire), AttrWriter::u32);
        options.opt(TCA_CAKE_FLOW_MODE, self.flows.map(CakeFlows::wire), AttrWriter::u32);
        options.opt(TCA_CAKE_OVERHEAD, self.overhead, AttrWriter::i32);
        options.opt(TCA_CAKE_RAW, self.raw.then_some(0), AttrWriter::u32);
        options.opt(TCA_CAKE_MPU, self.mpu, AttrWriter::u32);
        for (kind, name, time) in self.times() {
            options.opt(kind, time.and_then(|time| micros(name, time).ok()), AttrWriter::u32);
        }
        options.opt(TCA_CAKE_AUTORATE, self.autorate.map(u32::from), AttrWriter::u32);
        options.opt(TCA_CAKE_MEMORY, self.memory_limit, AttrWriter::u32);
        options.opt(TCA_CAKE_NAT, self.nat.map(u32::from), AttrWriter::u32);
        options.opt(TCA_CAKE_WASH, self.wash.map(u32::from), AttrWriter::u32);
        options.opt(TCA_CAKE_SPLIT_GSO, self.split_gso.map(u32::from), AttrWriter::u32);
        options.opt(TCA_CAKE_INGRESS, self.ingress.map(u32::from), AttrWriter::u32);
        options.opt(TCA_CAKE_ACK_FILTER, self.ack_filter.map(CakeAckFilter::wire), AttrWriter::u32);
        options.opt(TCA_CAKE_FWMARK, self.mark, AttrWriter::u32);
    }

    fn check(&self, _verb: TcVerb) -> Result<(), Invalid> {
        if self.bandwidth == Some(Rate::MAX) {
            Rate::MAX.check("bandwidth")?;
        }
        opt_within("overhead", self.overhead, OVERHEAD_MIN, OVERHEAD_MAX)?;
        opt_within("mpu", self.mpu, 0, MPU_MAX)?;
        for (_, name, time) in self.times() {
            match time {
                Some(Duration::ZERO) => return Err(format!("{name} 0; 1us is the minimum").into()),
                Some(time) => micros(name, time).map(drop)?,
                None => {}
            }
        }
        Ok(())
    }

    fn as_read_back(&self, current: &Self) -> Self {
        let autorate = self.autorate.or(current.autorate);
        Self {
            // The kernel reports the rate that it has come to.
            bandwidth: match autorate {
                Some(true) => current.bandwidth,
                _ => self.bandwidth.or(current.bandwidth),
            },
            autorate,
            diffserv: self.diffserv.or(current.diffserv),
            flows: self.flows.or(current.flows),
            nat: self.nat.or(current.nat),
            wash: self.wash.or(current.wash),
            ingress: self.ingress.or(current.ingress),
            ack_filter: self.ack_filter.or(current.ack_filter),
            split_gso: self.split_gso.or(current.split_gso),
            rtt: self.rtt.or(current.rtt),
            target: self.target.or(current.target),
            atm: self.atm.or(current.atm),
            overhead: self.overhead.or(current.overhead),
            mpu: self.mpu.or(current.mpu),
            // An overhead ends it.
            raw: self.raw || self.overhead.is_none() && current.raw,
            memory_limit: self.memory_limit.or(current.memory_limit),
            mark: self.mark.or(current.mark),
        }
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bandwidth {
            Some(Rate::ZERO) => f.write_str(" unlimited")?,
            bandwidth => word(f, "bandwidth", bandwidth)?,
        }
        let flag = |set: Option<bool>, yes: &'static str, no: &'static str| match set {
            Some(true) => yes,
            Some(false) => no,
            None => "",
        };
        let mut words = vec![flag(self.autorate, "autorate-ingress", "").to_owned()];
        words.extend(self.diffserv.map(|diffserv| diffserv.to_string()));
        words.extend(self.flows.map(|flows| flows.to_string()));
        words.push(flag(self.nat, "nat", "nonat").to_owned());
        words.push(flag(self.wash, "wash", "nowash").to_owned());
        words.push(flag(self.ingress, "ingress", "egress").to_owned());
        words.extend(self.ack_filter.map(|filter| filter.to_string()));
        words.push(flag(self.split_gso, "split-gso", "no-split-gso").to_owned());
        words.iter().filter(|word| !word.is_empty()).try_for_each(|word| write!(f, " {word}"))?;
        word(f, "rtt", self.rtt.map(Time))?;
        // `tc` has no word for a target of one's own.
        let derived = self.rtt.map(target_of);
        word(f, "target", self.target.filter(|target| Some(*target) != derived).map(Time))?;
        if self.raw {
            f.write_str(" raw")?;
        } else {
            if let Some(atm) = self.atm {
                write!(f, " {atm}")?;
            }
            word(f, "overhead", self.overhead)?;
        }
        word(f, "mpu", self.mpu)?;
        word(f, "memlimit", self.memory_limit)?;
        match self.mark {
            Some(mask) => write!(f, " fwmark {mask:#x}"),
            None => Ok(()),
        }
    }
}

/// The acceptable delay for a round-trip time, as `tc` computes it.
fn target_of(rtt: Duration) -> Duration {
    Duration::from_micros(u64::try_from(rtt.as_micros() / 20).unwrap_or(u64::MAX).max(1))
}

// `include/uapi/linux/pkt_sched.h`
kind_names! {
    TCA_CAKE_PAD = 1,
    TCA_CAKE_BASE_RATE64 = 2,
    TCA_CAKE_DIFFSERV_MODE = 3,
    TCA_CAKE_ATM = 4,
    TCA_CAKE_FLOW_MODE = 5,
    TCA_CAKE_OVERHEAD = 6,
    TCA_CAKE_RTT = 7,
    TCA_CAKE_TARGET = 8,
    TCA_CAKE_AUTORATE = 9,
    TCA_CAKE_MEMORY = 10,
    TCA_CAKE_NAT = 11,
    TCA_CAKE_RAW = 12,
    TCA_CAKE_WASH = 13,
    TCA_CAKE_MPU = 14,
    TCA_CAKE_INGRESS = 15,
    TCA_CAKE_ACK_FILTER = 16,
    TCA_CAKE_SPLIT_GSO = 17,
    TCA_CAKE_FWMARK = 18,
}
