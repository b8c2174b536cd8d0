use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::Invalid;

use super::outcome::{Outcome, outcome};
use super::shared::{ACTIONS, Offload};
use crate::TcHandle;
#[cfg(feature = "action")]
use crate::action::Action;
use crate::message::kind_names;

/// Sends every packet into a class, or carries out actions for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Matchall {
    /// The class. [`NONE`](TcHandle::NONE) for none (`classid`, `flowid`).
    pub classid: TcHandle,
    /// Where the filter is carried out (`skip_hw`, `skip_sw`).
    pub offload: Offload,
    /// The actions, in order (`action`).
    #[cfg(feature = "action")]
    pub actions: Vec<Action>,
}

impl Matchall {
    /// Every packet, into this class.
    #[must_use]
    pub const fn new(classid: TcHandle) -> Self {
        Self {
            classid,
            offload: Offload::Both,
            #[cfg(feature = "action")]
            actions: Vec::new(),
        }
    }

    /// `None` if there is more than this type holds.
    pub(super) fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut matchall = Self::new(TcHandle::NONE);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_MATCHALL_CLASSID => matchall.classid = TcHandle::from_bits(attr.u32()?),
                TCA_MATCHALL_ACT => {
                    if !matchall.read_actions(&attr)? {
                        return Ok(None);
                    }
                }
                TCA_MATCHALL_FLAGS => match Offload::from_flags(attr.u32()?) {
                    Some(offload) => matchall.offload = offload,
                    None => return Ok(None),
                },
                // Counters.
                TCA_MATCHALL_PCNT | TCA_MATCHALL_PAD => {}
                _ => return Ok(None),
            }
        }
        Ok(Some(matchall).filter(|matchall| !matchall.is_without_outcome()))
    }

    pub(super) fn encode(&self, w: &mut AttrWriter<'_>) {
        let mut options = w.nested(TCA_OPTIONS);
        self.write_class(&mut options, TCA_MATCHALL_CLASSID);
        self.write_actions(&mut options, TCA_MATCHALL_ACT);
        options.opt(TCA_MATCHALL_FLAGS, self.offload.flags(), AttrWriter::u32);
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        self.check_outcome()
    }

    pub(super) fn is_met_by(&self, current: &Self) -> bool {
        self.has_outcome_of(current) && self.offload == current.offload
    }

    pub(super) fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.offload.word())?;
        self.write_outcome(f)
    }
}

outcome!(Matchall, actions, offload);

// `include/uapi/linux/pkt_cls.h`
kind_names! {
    TCA_MATCHALL_CLASSID = 1,
    TCA_MATCHALL_ACT = 2 in ACTIONS,
    TCA_MATCHALL_FLAGS = 3,
    TCA_MATCHALL_PCNT = 4,
    TCA_MATCHALL_PAD = 5,
}
