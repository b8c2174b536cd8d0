use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;
use nl_core::check::Invalid;

use super::common::{Common, CtinfoStats};
use crate::setters::setters;
use crate::units::word;

/// Restores a DSCP or a mark of packets from the mark of their connection (`action ctinfo`). Needs the module `act_ctinfo`.
///
/// ```
/// use nl_tc::action::{Action, Ctinfo};
///
/// // action ctinfo dscp 0xfc000000 0x01000000
/// let action = Action::from(Ctinfo::new().dscp(0xfc00_0000).dscp_state(0x0100_0000));
/// assert_eq!(action.to_string(), "action ctinfo dscp 0xfc000000 0x1000000");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Ctinfo {
    /// The six bits in a row of the connection's mark that are the DSCP (`dscp`).
    pub dscp: Option<u32>,
    /// Bits of the connection's mark of which one must be set for the DSCP to be taken. They are not those of
    /// [`dscp`](Self::dscp) (`dscp MASK STATEMASK`).
    pub dscp_state: Option<u32>,
    /// The bits of the connection's mark that become the mark of a packet (`cpmark`).
    pub mark: Option<u32>,
    /// The zone of the connections (`zone`).
    pub zone: u16,
}

impl Ctinfo {
    /// Changes nothing, of connections in zone 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the six bits in a row of the connection's mark that are the DSCP (`dscp`).
        dscp: u32 => Some;
        /// Sets the bits of which one must be set for the DSCP to be taken (`dscp MASK STATEMASK`).
        dscp_state: u32 => Some;
        /// Sets the bits of the connection's mark that become the mark of a packet, all of them with `u32::MAX` (`cpmark`).
        mark: u32 => Some;
        /// Sets the zone of the connections (`zone`).
        zone: u16;
    }

    pub(super) fn decode(options: Attrs<'_>) -> Result<Option<(Common, Self)>, DecodeError> {
        let (mut common, mut c, mut parms) = (Common::default(), Self::new(), false);
        let mut stats = CtinfoStats::default();
        for attr in options {
            let attr = attr?;
            match attr.kind() {
                TCA_CTINFO_ACT => {
                    common.read(&mut attr.fields())?;
                    parms = true;
                }
                TCA_CTINFO_ZONE => c.zone = attr.u16()?,
                TCA_CTINFO_PARMS_DSCP_MASK => c.dscp = Some(attr.u32()?),
                TCA_CTINFO_PARMS_DSCP_STATEMASK => c.dscp_state = Some(attr.u32()?).filter(|mask| *mask != 0),
                TCA_CTINFO_PARMS_CPMARK_MASK => c.mark = Some(attr.u32()?),
                TCA_CTINFO_STATS_DSCP_SET => stats.dscp_set = attr.u64()?,
                TCA_CTINFO_STATS_DSCP_ERROR => stats.dscp_errors = attr.u64()?,
                TCA_CTINFO_STATS_CPMARK_SET => stats.marks_set = attr.u64()?,
                TCA_CTINFO_TM => common.read_times(attr)?,
                TCA_CTINFO_PAD => {}
                _ => return Ok(None),
            }
        }
        common.ctinfo = Some(stats);
        Ok(parms.then_some((common, c)))
    }

    pub(super) fn encode(&self, common: &Common, w: &mut AttrWriter<'_>) {
        common.write(w, TCA_CTINFO_ACT, &[]);
        w.u16(TCA_CTINFO_ZONE, self.zone);
        w.opt(TCA_CTINFO_PARMS_DSCP_MASK, self.dscp, AttrWriter::u32);
        w.opt(TCA_CTINFO_PARMS_DSCP_STATEMASK, self.dscp_state, AttrWriter::u32);
        w.opt(TCA_CTINFO_PARMS_CPMARK_MASK, self.mark, AttrWriter::u32);
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        if let Some(mask) = self.dscp.filter(|mask| mask.checked_shr(mask.trailing_zeros()) != Some(0x3f)) {
            return Err(format!("dscp {mask:#x}; six bits in a row are possible").into());
        }
        match (self.dscp, self.dscp_state) {
            (None, Some(state)) => Err(format!("state {state:#x} without the bits of a DSCP").into()),
            (Some(mask), Some(state)) if mask & state != 0 => {
                Err(format!("state {state:#x}; bits that are not in the DSCP's, {mask:#x}, are possible")
                    .into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mask) = self.dscp {
            write!(f, " dscp {mask:#x}")?;
            if let Some(state) = self.dscp_state {
                write!(f, " {state:#x}")?;
            }
        }
        if let Some(mask) = self.mark {
            write!(f, " cpmark {mask:#x}")?;
        }
        word(f, "zone", Some(self.zone).filter(|zone| *zone != 0))
    }
}

// `include/uapi/linux/tc_act/tc_ctinfo.h`
attr_names! { pub(super) NAMES {
    TCA_CTINFO_PAD = 1,
    TCA_CTINFO_TM = 2,
    TCA_CTINFO_ACT = 3,
    TCA_CTINFO_ZONE = 4,
    TCA_CTINFO_PARMS_DSCP_MASK = 5,
    TCA_CTINFO_PARMS_DSCP_STATEMASK = 6,
    TCA_CTINFO_PARMS_CPMARK_MASK = 7,
    TCA_CTINFO_STATS_DSCP_SET = 8,
    TCA_CTINFO_STATS_DSCP_ERROR = 9,
    TCA_CTINFO_STATS_CPMARK_SET = 10,
} }
