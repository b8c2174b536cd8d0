use std::time::Duration;

use nl_core::attr::{Attr, AttrWriter, DecodeError, Fields};

use super::verdict::Verdict;

/// `USER_HZ`: the kernel reports times in hundredths of a second.
const MILLIS_PER_TICK: u64 = 10;

/// What all kinds of actions have, and send and report inside their options.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Common {
    pub(super) index: u32,
    pub(super) verdict: Option<Verdict>,
    pub(super) references: u32,
    pub(super) bindings: u32,
    pub(super) times: Option<Times>,
    pub(super) ctinfo: Option<CtinfoStats>,
}

/// When an action was used. Read only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Times {
    /// The time since it was added, in steps of 10 ms.
    pub age: Duration,
    /// The time since it was last used, or since it was added.
    pub idle: Duration,
    /// The time since it was first used. `None` if it was not.
    pub first_used: Option<Duration>,
}

/// The counters of `ctinfo`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CtinfoStats {
    /// Packets that got a DSCP.
    pub dscp_set: u64,
    /// Packets that could not get their DSCP.
    pub dscp_errors: u64,
    /// Packets that got a mark.
    pub marks_set: u64,
}

impl Common {
    /// Reads the fields that a structure begins with.
    pub(super) fn read(&mut self, f: &mut Fields<'_>) -> Result<(), DecodeError> {
        (self.index, _) = (f.u32()?, f.u32()?);
        self.verdict = Some(Verdict::from_wire(f.i32()?));
        (self.references, self.bindings) = (f.u32()?, f.u32()?);
        Ok(())
    }

    /// Reads `struct tcf_t`.
    pub(super) fn read_times(&mut self, attr: Attr<'_>) -> Result<(), DecodeError> {
        let mut f = attr.fields();
        let time = |ticks: u64| Duration::from_millis(ticks.saturating_mul(MILLIS_PER_TICK));
        let (age, idle, _expires) = (time(f.u64()?), time(f.u64()?), f.u64()?);
        let first = f.later(Fields::u64).filter(|ticks| *ticks != 0);
        self.times = Some(Times { age, idle, first_used: first.map(time) });
        Ok(())
    }

    /// Writes a structure: these fields and the words behind them.
    pub(super) fn write(&self, w: &mut AttrWriter<'_>, kind: u16, behind: &[[u8; 4]]) {
        let verdict = self.verdict.map_or(0, Verdict::wire);
        let fields = [self.index, 0, verdict, 0, 0].map(u32::to_ne_bytes);
        w.pieces(kind, &[fields.as_flattened(), behind.as_flattened()]);
    }
}
