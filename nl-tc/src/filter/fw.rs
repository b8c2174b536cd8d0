use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::Invalid;

use super::shared::{ACTIONS, check_class};
use crate::TcHandle;
#[cfg(feature = "action")]
use crate::action::Action;
use crate::message::kind_names;
use crate::units::word;

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

    /// These actions for the packets with the mark.
    #[cfg(feature = "action")]
    #[must_use]
    pub fn actions(actions: impl IntoIterator<Item = impl Into<Action>>) -> Self {
        let actions = actions.into_iter().map(Into::into).collect();
        Self { actions, ..Self::new(TcHandle::NONE) }
    }

    /// Sets the bits of the mark that are compared (`handle MARK/MASK`).
    #[must_use]
    pub fn mask(mut self, mask: u32) -> Self {
        self.mask = Some(mask);
        self
    }

    /// Adds an action (`action`).
    #[cfg(feature = "action")]
    #[must_use]
    pub fn action(mut self, action: impl Into<Action>) -> Self {
        self.actions.push(action.into());
        self
    }

    /// `None` if there is more than this type holds.
    pub(super) fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut fw = Self::new(TcHandle::NONE);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_FW_CLASSID => fw.classid = TcHandle::from_bits(attr.u32()?),
                #[cfg(feature = "action")]
                TCA_FW_ACT => fw.actions = Action::decode_list(attr.attrs())?,
                #[cfg(feature = "action")]
                TCA_FW_POLICE => fw.actions = vec![Action::decode_alone("police", attr.value())?],
                #[cfg(not(feature = "action"))]
                TCA_FW_ACT | TCA_FW_POLICE => return Ok(None),
                TCA_FW_MASK => fw.mask = Some(attr.u32()?).filter(|mask| *mask != u32::MAX),
                _ => return Ok(None),
            }
        }
        Ok(Some(fw).filter(|fw| !fw.is_empty()))
    }

    pub(super) fn encode(&self, w: &mut AttrWriter<'_>) {
        let mut options = w.nested(TCA_OPTIONS);
        if !self.classid.is_none() {
            options.u32(TCA_FW_CLASSID, self.classid.bits());
        }
        options.opt(TCA_FW_MASK, self.mask, AttrWriter::u32);
        #[cfg(feature = "action")]
        Action::encode_list(&self.actions, &mut options, TCA_FW_ACT);
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        check_class(self.classid, self.has_actions())?;
        #[cfg(feature = "action")]
        Action::check_list(&self.actions)?;
        Ok(())
    }

    pub(super) fn is_met_by(&self, current: &Self) -> bool {
        #[cfg(feature = "action")]
        if !Action::are_met_by(&self.actions, &current.actions) {
            return false;
        }
        self.classid == current.classid && self.mask.unwrap_or(u32::MAX) == current.mask.unwrap_or(u32::MAX)
    }

    pub(super) fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "classid", Some(self.classid).filter(|class| !class.is_none()))?;
        #[cfg(feature = "action")]
        self.actions.iter().try_for_each(|action| write!(f, " {action}"))?;
        Ok(())
    }

    #[cfg(feature = "action")]
    fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    #[cfg(not(feature = "action"))]
    const fn has_actions(&self) -> bool {
        false
    }

    fn is_empty(&self) -> bool {
        self.classid.is_none() && !self.has_actions()
    }
}

// `include/uapi/linux/pkt_cls.h`
kind_names! {
    TCA_FW_CLASSID = 1,
    TCA_FW_POLICE = 2,
    TCA_FW_ACT = 4 in ACTIONS,
    TCA_FW_MASK = 5,
}
