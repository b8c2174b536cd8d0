use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;

use super::common::Common;
use crate::units::word;

/// Gives packets the mark of their connection (`action connmark`). Needs the module `act_connmark`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Connmark {
    /// The zone of the connections (`zone`).
    pub zone: u16,
}

impl Connmark {
    /// Connections of zone 0.
    #[must_use]
    pub const fn new() -> Self {
        Self { zone: 0 }
    }

    /// Sets the zone of the connections (`zone`).
    #[must_use]
    pub const fn zone(mut self, zone: u16) -> Self {
        self.zone = zone;
        self
    }

    pub(super) fn decode(options: Attrs<'_>) -> Result<Option<(Common, Self)>, DecodeError> {
        let (mut common, mut connmark) = (Common::default(), None);
        for attr in options {
            let attr = attr?;
            match attr.kind() {
                TCA_CONNMARK_PARMS => {
                    let mut f = attr.fields();
                    common.read(&mut f)?;
                    connmark = Some(Self { zone: f.u16()? });
                }
                TCA_CONNMARK_TM => common.read_times(attr)?,
                TCA_CONNMARK_PAD => {}
                _ => return Ok(None),
            }
        }
        Ok(connmark.map(|connmark| (common, connmark)))
    }

    pub(super) fn encode(&self, common: &Common, w: &mut AttrWriter<'_>) {
        let [a, b] = self.zone.to_ne_bytes();
        common.write(w, TCA_CONNMARK_PARMS, &[[a, b, 0, 0]]);
    }

    pub(super) fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "zone", Some(self.zone).filter(|zone| *zone != 0))
    }
}

// `include/uapi/linux/tc_act/tc_connmark.h`
attr_names! { pub(super) NAMES {
    TCA_CONNMARK_PARMS = 1,
    TCA_CONNMARK_TM = 2,
    TCA_CONNMARK_PAD = 3,
} }
