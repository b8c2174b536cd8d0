use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::Invalid;

use super::shared::{ACTIONS, Offload, check_class};
use crate::TcHandle;
#[cfg(feature = "action")]
use crate::action::Action;
use crate::message::kind_names;
use crate::units::word;

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

    /// These actions for every packet.
    #[cfg(feature = "action")]
    #[must_use]
    pub fn actions(actions: impl IntoIterator<Item = impl Into<Action>>) -> Self {
        let actions = actions.into_iter().map(Into::into).collect();
        Self { actions, ..Self::new(TcHandle::NONE) }
    }

    /// Sets where the filter is carried out (`skip_hw`, `skip_sw`).
    #[must_use]
    pub fn offload(mut self, offload: Offload) -> Self {
        self.offload = offload;
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
        let mut matchall = Self::new(TcHandle::NONE);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_MATCHALL_CLASSID => matchall.classid = TcHandle::from_bits(attr.u32()?),
                #[cfg(feature = "action")]
                TCA_MATCHALL_ACT => matchall.actions = Action::decode_list(attr.attrs())?,
                #[cfg(not(feature = "action"))]
                TCA_MATCHALL_ACT => return Ok(None),
                TCA_MATCHALL_FLAGS => match Offload::from_flags(attr.u32()?) {
                    Some(offload) => matchall.offload = offload,
                    None => return Ok(None),
                },
                // Counters.
                TCA_MATCHALL_PCNT | TCA_MATCHALL_PAD => {}
                _ => return Ok(None),
            }
        }
        Ok(Some(matchall).filter(|matchall| !matchall.is_empty()))
    }

    pub(super) fn encode(&self, w: &mut AttrWriter<'_>) {
        let mut options = w.nested(TCA_OPTIONS);
        if !self.classid.is_none() {
            options.u32(TCA_MATCHALL_CLASSID, self.classid.bits());
        }
        #[cfg(feature = "action")]
        Action::encode_list(&self.actions, &mut options, TCA_MATCHALL_ACT);
        options.opt(TCA_MATCHALL_FLAGS, self.offload.flags(), AttrWriter::u32);
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
        (self.classid, self.offload) == (current.classid, current.offload)
    }

    pub(super) fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.offload.word())?;
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
    TCA_MATCHALL_CLASSID = 1,
    TCA_MATCHALL_ACT = 2 in ACTIONS,
    TCA_MATCHALL_FLAGS = 3,
    TCA_MATCHALL_PCNT = 4,
    TCA_MATCHALL_PAD = 5,
}
