use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::Invalid;

use super::outcome::{Outcome, outcome};
use super::shared::ACTIONS;
use crate::TcHandle;
#[cfg(feature = "action")]
use crate::action::Action;
use crate::message::kind_names;

/// Sends the packets with a mark into a class, or carries out actions for them.
///
/// The mark is the [handle](super::Filter::handle) of the filter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Fw {
    /// The class. [`NONE`](TcHandle::NONE) for none (`classid`, `flowid`).
    pub classid: TcHandle,
    /// The bits of the mark that are compared, the same in all filters of a priority. Unset: all (`handle MARK/MASK`).
    pub mask: Option<u32>,
    /// The actions, in order. The policer of the older form (`police` without `action`) is read as one (`action`).
    #[cfg(feature = "action")]
    pub actions: Vec<Action>,
}

impl Fw {
    /// The packets with the mark, into this class.
    #[must_use]
    pub const fn new(classid: TcHandle) -> Self {
        Self {
            classid,
            mask: None,
            #[cfg(feature = "action")]
            actions: Vec::new(),
        }
    }

    /// Sets the bits of the mark that are compared (`handle MARK/MASK`).
    #[must_use]
    pub fn mask(mut self, mask: u32) -> Self {
        self.mask = Some(mask);
        self
    }

    /// `None` if there is more than this type holds.
    pub(super) fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut fw = Self::new(TcHandle::NONE);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_FW_CLASSID => fw.classid = TcHandle::from_bits(attr.u32()?),
                TCA_FW_ACT => {
                    if !fw.read_actions(&attr)? {
                        return Ok(None);
                    }
                }
                TCA_FW_POLICE => {
                    if !fw.read_policer(&attr)? {
                        return Ok(None);
                    }
                }
                TCA_FW_MASK => fw.mask = Some(attr.u32()?).filter(|mask| *mask != u32::MAX),
                _ => return Ok(None),
            }
        }
        Ok(Some(fw).filter(|fw| !fw.is_without_outcome()))
    }

    pub(super) fn encode(&self, w: &mut AttrWriter<'_>) {
        let mut options = w.nested(TCA_OPTIONS);
        self.write_class(&mut options, TCA_FW_CLASSID);
        options.opt(TCA_FW_MASK, self.mask, AttrWriter::u32);
        self.write_actions(&mut options, TCA_FW_ACT);
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        self.check_outcome()
    }

    pub(super) fn is_met_by(&self, current: &Self) -> bool {
        self.has_outcome_of(current) && self.mask.unwrap_or(u32::MAX) == current.mask.unwrap_or(u32::MAX)
    }

    pub(super) fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_outcome(f)
    }
}

outcome!(Fw, actions);

// `include/uapi/linux/pkt_cls.h`
kind_names! {
    TCA_FW_CLASSID = 1,
    TCA_FW_POLICE = 2,
    TCA_FW_ACT = 4 in ACTIONS,
    TCA_FW_MASK = 5,
}
