//! What the configurations of all kinds have in common.

use std::fmt;

use nl_core::attr::{AttrWriter, DecodeError};
use nl_core::error::Names;

use crate::TcVerb;
use crate::units::Refusal;

/// The options of one kind of class or qdisc.
pub(crate) trait Config: Sized + Clone + PartialEq {
    /// The names of the options.
    const NAMES: &'static Names;

    /// Reads the value of `TCA_OPTIONS`.
    fn decode(options: &[u8]) -> Result<Self, DecodeError>;

    /// Writes `TCA_OPTIONS`, or nothing where the kind has none.
    fn encode(&self, w: &mut AttrWriter<'_>, verb: TcVerb);

    /// Why the kernel would refuse this, or quietly keep something else.
    fn refusal(&self, verb: TcVerb) -> Refusal;

    /// What is read after this was applied where `current` was: rounded as the kernel does, and what it does not say
    /// taken from `current`.
    fn kept(&self, current: &Self) -> Self;

    /// The words of a `tc` command behind the kind.
    fn write_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// Setters that keep a value.
#[cfg(any(feature = "htb", feature = "leaf"))]
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty $(=> $wrap:path)?;)+) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.$name = $crate::kind::setters!(@ $name $($wrap)?);
            self
        }
    )+};
    (@ $name:ident) => { $name };
    (@ $name:ident $wrap:path) => { $wrap($name) };
}
#[cfg(any(feature = "htb", feature = "leaf"))]
pub(crate) use setters;

/// A kind without options.
#[cfg(any(feature = "drr", feature = "leaf", feature = "qfq"))]
macro_rules! no_options {
    ($name:ident $names:ident) => {
        impl $crate::kind::Config for $name {
            const NAMES: &'static nl_core::error::Names = &$names;

            fn decode(_options: &[u8]) -> Result<Self, nl_core::attr::DecodeError> {
                Ok(Self::default())
            }

            fn encode(&self, _w: &mut nl_core::attr::AttrWriter<'_>, _verb: $crate::TcVerb) {}

            fn refusal(&self, _verb: $crate::TcVerb) -> $crate::units::Refusal {
                None
            }

            fn kept(&self, _current: &Self) -> Self {
                Self::default()
            }

            fn write_words(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                Ok(())
            }
        }
    };
}
#[cfg(any(feature = "drr", feature = "leaf", feature = "qfq"))]
pub(crate) use no_options;

/// A number within bounds, or why not.
#[cfg(any(feature = "drr", feature = "ets", feature = "htb", feature = "leaf", feature = "qfq"))]
pub(crate) fn within(name: &str, value: u32, low: u32, high: u32) -> Refusal {
    (!(low..=high).contains(&value)).then(|| format!("{name} {value}; {low} to {high} are possible").into())
}
