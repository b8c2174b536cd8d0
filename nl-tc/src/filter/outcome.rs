//! What happens to the packets of a filter, in the same form for each kind: a class, and actions.

use std::fmt;

use nl_core::attr::{Attr, AttrWriter, DecodeError};
use nl_core::check::Invalid;

use super::shared::check_class;
use crate::TcHandle;
#[cfg(feature = "action")]
use crate::action::Action;
use crate::units::word;

/// The class and the actions of a filter, of a kind that has them in fields of the same names: see [`outcome!`].
pub(super) trait Outcome {
    /// The field `classid`.
    fn class(&self) -> TcHandle;

    /// The field `actions`.
    #[cfg(feature = "action")]
    fn list(&self) -> &[Action];

    /// Sets the field `actions`.
    #[cfg(feature = "action")]
    fn set_list(&mut self, actions: Vec<Action>);

    /// Reads a list of actions. False if the type does not hold them, because there is more of one or because the feature `action` is
    /// off.
    #[cfg(feature = "action")]
    fn read_actions(&mut self, attr: &Attr<'_>) -> Result<bool, DecodeError> {
        let Some(actions) = Action::decode_list(attr.attrs())? else { return Ok(false) };
        self.set_list(actions);
        Ok(true)
    }

    #[cfg(not(feature = "action"))]
    fn read_actions(&mut self, _: &Attr<'_>) -> Result<bool, DecodeError> {
        Ok(false)
    }

    /// Reads the policer of the older form, which is an action now. False as [`read_actions`](Self::read_actions).
    #[cfg(feature = "action")]
    fn read_policer(&mut self, attr: &Attr<'_>) -> Result<bool, DecodeError> {
        self.set_list(vec![Action::decode_alone("police", attr.value())?]);
        Ok(true)
    }

    #[cfg(not(feature = "action"))]
    fn read_policer(&mut self, _: &Attr<'_>) -> Result<bool, DecodeError> {
        Ok(false)
    }

    #[cfg(feature = "action")]
    fn has_actions(&self) -> bool {
        !self.list().is_empty()
    }

    #[cfg(not(feature = "action"))]
    fn has_actions(&self) -> bool {
        false
    }

    /// Whether there is neither a class nor an action.
    fn is_without_outcome(&self) -> bool {
        self.class().is_none() && !self.has_actions()
    }

    fn write_class(&self, options: &mut AttrWriter<'_>, kind: u16) {
        if !self.class().is_none() {
            options.u32(kind, self.class().bits());
        }
    }

    fn write_actions(&self, options: &mut AttrWriter<'_>, kind: u16) {
        #[cfg(feature = "action")]
        Action::encode_list(self.list(), options, kind);
        #[cfg(not(feature = "action"))]
        let _ = (options, kind);
    }

    fn check_actions(&self) -> Result<(), Invalid> {
        #[cfg(feature = "action")]
        Action::check_list(self.list())?;
        Ok(())
    }

    /// A filter with actions needs no class.
    fn check_outcome(&self) -> Result<(), Invalid> {
        check_class(self.class(), self.has_actions())?;
        self.check_actions()
    }

    /// Whether a filter that is read as `current` has this class and these actions.
    fn has_outcome_of(&self, current: &Self) -> bool {
        #[cfg(feature = "action")]
        if !Action::are_met_by(self.list(), current.list()) {
            return false;
        }
        self.class() == current.class()
    }

    /// The words of `tc`, with a space in front.
    fn write_outcome(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "classid", Some(self.class()).filter(|class| !class.is_none()))?;
        #[cfg(feature = "action")]
        self.list().iter().try_for_each(|action| write!(f, " {action}"))?;
        Ok(())
    }
}

/// Makes the fields `classid` and `actions` of a kind its [`Outcome`]; a setter for actions; and the setters and constructors that are
/// named.
macro_rules! outcome {
    ($kind:ident $(, $part:ident)*) => {
        impl $crate::filter::outcome::Outcome for $kind {
            fn class(&self) -> $crate::TcHandle {
                self.classid
            }

            #[cfg(feature = "action")]
            fn list(&self) -> &[$crate::action::Action] {
                &self.actions
            }

            #[cfg(feature = "action")]
            fn set_list(&mut self, actions: Vec<$crate::action::Action>) {
                self.actions = actions;
            }
        }

        impl $kind {
            /// Adds an action. With one, no class is needed (`action`).
            #[cfg(feature = "action")]
            #[must_use]
            pub fn action(mut self, action: impl Into<$crate::action::Action>) -> Self {
                // Most filters have one, and it is large: a list grows to four by itself.
                self.actions.reserve_exact(1);
                self.actions.push(action.into());
                self
            }

            $($crate::filter::outcome::part!($part);)*
        }
    };
}
pub(super) use outcome;

/// One of the parts that not every kind has.
macro_rules! part {
    (actions) => {
        /// These actions, without a class.
        #[cfg(feature = "action")]
        #[must_use]
        pub fn actions(actions: impl IntoIterator<Item = impl Into<$crate::action::Action>>) -> Self {
            let actions = actions.into_iter().map(Into::into).collect();
            Self { actions, ..Self::new($crate::TcHandle::NONE) }
        }
    };
    (classid) => {
        /// Sets the class (`classid`, `flowid`).
        #[must_use]
        pub fn classid(mut self, classid: $crate::TcHandle) -> Self {
            self.classid = classid;
            self
        }
    };
    (offload) => {
        /// Sets where the filter is carried out (`skip_hw`, `skip_sw`).
        #[must_use]
        pub fn offload(mut self, offload: $crate::filter::Offload) -> Self {
            self.offload = offload;
            self
        }
    };
}
pub(super) use part;
