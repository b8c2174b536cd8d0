use std::fmt;
use std::time::Duration;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::Invalid;
use nl_core::error::Names;

use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;
use crate::setters::setters;

/// `CLOCK_TAI`, the only clock that the kernel takes.
const CLOCK_TAI: i32 = 11;
const DEADLINE_MODE: u32 = 1;
const OFFLOAD: u32 = 1 << 1;
const SKIP_SOCK_CHECK: u32 = 1 << 2;

/// Earliest transmission time first: packets leave at the time their socket set (`tc qdisc … etf`).
///
/// ```
/// use std::time::Duration;
/// use nl_tc::leaf::EtfConfig;
///
/// // tc qdisc add … etf clockid CLOCK_TAI delta 300000
/// let qdisc = EtfConfig::new(Duration::from_micros(300));
/// assert_eq!(nl_tc::qdisc::QdiscConfig::from(qdisc).to_string(), "etf clockid CLOCK_TAI delta 300000");
/// ```
///
/// The clock is `CLOCK_TAI`, the only one that the kernel takes. The qdisc cannot be changed, only replaced under another handle.
/// Needs the module `sch_etf`. Header: `include/uapi/linux/pkt_sched.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct EtfConfig {
    /// How long before its time a packet is taken from the queue, up to 2.147483647 s (`delta`, in nanoseconds).
    pub delta: Duration,
    /// Whether the time is the latest instead of the exact one (`deadline_mode`).
    pub deadline_mode: bool,
    /// Whether the hardware sends at the exact time (`offload`).
    pub offload: bool,
    /// Whether packets of sockets without `SO_TXTIME` are taken too (`skip_sock_check`).
    pub skip_sock_check: bool,
}

impl EtfConfig {
    /// A qdisc that takes packets from the queue this long before their time.
    #[must_use]
    pub fn new(delta: Duration) -> Self {
        Self { delta, ..Self::default() }
    }

    setters! {
        /// Sets whether the time of a packet is the latest instead of the exact one (`deadline_mode`).
        deadline_mode: bool;
        /// Sets whether the hardware sends at the exact time (`offload`).
        offload: bool;
        /// Sets whether packets of sockets without `SO_TXTIME` are taken too (`skip_sock_check`).
        skip_sock_check: bool;
    }

    fn words(&self) -> [(bool, u32, &'static str); 3] {
        [
            (self.deadline_mode, DEADLINE_MODE, "deadline_mode"),
            (self.offload, OFFLOAD, "offload"),
            (self.skip_sock_check, SKIP_SOCK_CHECK, "skip_sock_check"),
        ]
    }
}

impl Config for EtfConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut parms = None;
        for attr in Attrs::new(options) {
            match attr? {
                attr if attr.kind() == TCA_ETF_PARMS => parms = Some(attr),
                _ => return Ok(None),
            }
        }
        let parms = parms.ok_or(DecodeError::Missing(TCA_ETF_PARMS))?;
        let mut f = parms.fields();
        let (delta, clock, flags) = (f.i32()?, f.i32()?, f.u32()?);
        // Neither another clock is held, nor a negative time or an unknown flag.
        let known = clock == CLOCK_TAI && flags & !(DEADLINE_MODE | OFFLOAD | SKIP_SOCK_CHECK) == 0;
        let Some(delta) = u64::try_from(delta).ok().filter(|_| known) else { return Ok(None) };
        let has = |flag| flags & flag != 0;
        Ok(Some(Self {
            delta: Duration::from_nanos(delta),
            deadline_mode: has(DEADLINE_MODE),
            offload: has(OFFLOAD),
            skip_sock_check: has(SKIP_SOCK_CHECK),
        }))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        // `struct tc_etf_qopt`. `check` refuses a time that does not fit.
        let delta = i32::try_from(self.delta.as_nanos()).unwrap_or(i32::MAX);
        let flags = self.words().iter().filter(|(set, ..)| *set).map(|(_, flag, _)| flag).sum::<u32>();
        let words = [delta.to_ne_bytes(), CLOCK_TAI.to_ne_bytes(), flags.to_ne_bytes()];
        w.nested(TCA_OPTIONS).bytes(TCA_ETF_PARMS, words.as_flattened());
    }

    fn check(&self, verb: TcVerb) -> Result<(), Invalid> {
        let change = verb == TcVerb::Change;
        Invalid::when(change, "etf cannot be changed; replace the qdisc under another handle")?;
        match i32::try_from(self.delta.as_nanos()) {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("delta {:?}; 2.147483647s are possible", self.delta).into()),
        }
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " clockid CLOCK_TAI delta {}", self.delta.as_nanos())?;
        self.words().iter().filter(|(set, ..)| *set).try_for_each(|(.., word)| write!(f, " {word}"))
    }
}

// `include/uapi/linux/pkt_sched.h`
kind_names! {
    TCA_ETF_PARMS = 1,
}
