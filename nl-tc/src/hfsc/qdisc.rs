use std::fmt;

use nl_core::attr::{AttrWriter, DecodeError, Fields};
use nl_core::error::Names;

use crate::config::Config;
use crate::message::{NAMES, TCA_OPTIONS};
use crate::{TcHandle, TcVerb};

/// An HFSC qdisc (`tc qdisc … hfsc`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HfscConfig {
    /// The minor number of the class for packets that match no class. With 0 they are dropped (`default`).
    pub default_class: u16,
}

impl HfscConfig {
    /// A qdisc without a default class: packets that match no class are dropped.
    #[must_use]
    pub const fn new() -> Self {
        Self { default_class: 0 }
    }

    /// Sets the class for packets that match no class, by its minor number. `tc` reads hexadecimal: its `default 20` is `0x20`
    /// here (`default`).
    #[must_use]
    pub const fn default_class(mut self, minor: u16) -> Self {
        self.default_class = minor;
        self
    }

    /// Sets the class for packets that match no class, by its classid, whose minor number is used. It reads like `tc`: the class of
    /// its `default 20` is `"1:20".parse()?`, or `qdisc.class(0x20)` (`default`).
    #[must_use]
    pub const fn default_classid(mut self, class: TcHandle) -> Self {
        self.default_class = class.minor();
        self
    }
}

impl Config for HfscConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut f = Fields::of_attr(TCA_OPTIONS, options);
        let config = Self { default_class: f.u16()? };
        Ok(f.rest().is_empty().then_some(config))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        // `struct tc_hfsc_qopt`, not a nest.
        w.u16(TCA_OPTIONS, self.default_class);
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.default_class == 0 { Ok(()) } else { write!(f, " default {:x}", self.default_class) }
    }
}
