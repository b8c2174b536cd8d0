use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::error::Names;

use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;
use crate::setters::setters;

/// Credit-based shaper, for streams with reserved bandwidth (`tc qdisc … cbs`, IEEE 802.1Q).
///
/// ```
/// use nl_tc::leaf::CbsConfig;
///
/// // tc qdisc add … cbs hicredit 30 locredit -1470 sendslope -980000 idleslope 20000
/// let qdisc = CbsConfig::new().hicredit(30).locredit(-1470).sendslope(-980_000).idleslope(20_000);
/// ```
///
/// A change replaces the whole configuration. Needs the module `sch_cbs`. Header: `include/uapi/linux/pkt_sched.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CbsConfig {
    /// The most credit, in bytes (`hicredit`).
    pub hicredit: i32,
    /// The least credit, in bytes. Hardly ever above 0 (`locredit`).
    pub locredit: i32,
    /// The credit gained while packets wait, in kbit per second: the reserved bandwidth (`idleslope`).
    pub idleslope: i32,
    /// The credit lost while packets are sent, in kbit per second. Hardly ever above 0 (`sendslope`).
    pub sendslope: i32,
    /// Whether the hardware carries it out (`offload`).
    pub offload: bool,
}

impl CbsConfig {
    /// A qdisc without credit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the most credit, in bytes (`hicredit`).
        hicredit: i32;
        /// Sets the least credit, in bytes (`locredit`).
        locredit: i32;
        /// Sets the credit gained while packets wait, in kbit per second (`idleslope`).
        idleslope: i32;
        /// Sets the credit lost while packets are sent, in kbit per second (`sendslope`).
        sendslope: i32;
        /// Sets whether the hardware carries it out (`offload`).
        offload: bool;
    }
}

impl Config for CbsConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut parms = None;
        for attr in Attrs::new(options) {
            match attr? {
                attr if attr.kind() == TCA_CBS_PARMS => parms = Some(attr),
                _ => return Ok(None),
            }
        }
        let parms = parms.ok_or(DecodeError::Missing(TCA_CBS_PARMS))?;
        let mut f = parms.fields();
        let offload = f.u8()? != 0;
        f.skip(3)?;
        let (hicredit, locredit, idleslope, sendslope) = (f.i32()?, f.i32()?, f.i32()?, f.i32()?);
        Ok(Some(Self { offload, hicredit, locredit, idleslope, sendslope }))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        // `struct tc_cbs_qopt`
        let words = [
            [u8::from(self.offload), 0, 0, 0],
            self.hicredit.to_ne_bytes(),
            self.locredit.to_ne_bytes(),
            self.idleslope.to_ne_bytes(),
            self.sendslope.to_ne_bytes(),
        ];
        w.nested(TCA_OPTIONS).bytes(TCA_CBS_PARMS, words.as_flattened());
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hicredit, locredit, idleslope, sendslope, offload } = self;
        write!(f, " hicredit {hicredit} locredit {locredit} sendslope {sendslope} idleslope {idleslope}")?;
        write!(f, " offload {}", u8::from(*offload))
    }
}

// `include/uapi/linux/pkt_sched.h`
kind_names! {
    TCA_CBS_PARMS = 1,
}
