use std::fmt;

use nl_core::Request;
use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, check_index};

use crate::message::{
    CMD_ADD_RXSC, CMD_DEL_RXSC, CMD_UPD_RXSC, MACSEC_ATTR_IFINDEX, MACSEC_ATTR_RXSC_CONFIG,
    MACSEC_RXSC_ATTR_ACTIVE, MACSEC_RXSC_ATTR_SA_LIST, MACSEC_RXSC_ATTR_SCI, MACSEC_RXSC_ATTR_STATS,
    fill_list, request,
};
use crate::rx_sa::RxSaState;
use crate::sci::Sci;
use crate::stats::RxScStats;
use crate::verb::Verb;

/// A channel that is received, of the device with an index.
///
/// ```
/// use nl_macsec::Verb;
/// use nl_macsec::rx_sc::RxSc;
///
/// let channel = RxSc::new(5, "1ceddeadbeef04d2".parse()?).active(true);
/// assert_eq!(channel.request(28, Verb::Add).describe(), "add macsec #5 rx sci 1ceddeadbeef04d2 on");
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RxSc {
    /// The device.
    pub index: u32,
    /// The SCI of the sender.
    pub sci: Sci,
    /// Whether frames of it are accepted.
    pub active: Option<bool>,
}

impl RxSc {
    /// This channel of this device.
    #[must_use]
    pub const fn new(index: u32, sci: Sci) -> Self {
        Self { index, sci, active: None }
    }

    /// Whether frames of it are accepted. The kernel adds channels active unless this is `false`.
    #[must_use]
    pub const fn active(mut self, yes: bool) -> Self {
        self.active = Some(yes);
        self
    }

    /// The request that does this with the channel, where the [family](crate::FAMILY) has the number `family`.
    #[must_use]
    pub fn request(&self, family: u16, verb: Verb) -> Request {
        let command = match verb {
            Verb::Add => CMD_ADD_RXSC,
            Verb::Delete => CMD_DEL_RXSC,
            Verb::Update => CMD_UPD_RXSC,
        };
        let mut request = request(family, command);
        let mut attrs = request.attrs();
        attrs.u32(MACSEC_ATTR_IFINDEX, self.index);
        let mut channel = attrs.nested_unmarked(MACSEC_ATTR_RXSC_CONFIG);
        channel.bytes(MACSEC_RXSC_ATTR_SCI, &self.sci.bytes());
        if verb != Verb::Delete {
            channel.opt(MACSEC_RXSC_ATTR_ACTIVE, self.active.map(u8::from), AttrWriter::u8);
        }
        drop(channel);
        request.invalid_if(check_index(self.index)).invalid_if(self.check(verb))
    }

    fn check(&self, verb: Verb) -> Result<(), Invalid> {
        self.sci.check()?;
        let unset = verb == Verb::Update && self.active.is_none();
        Invalid::when(unset, "nothing to change: active()")
    }
}

/// A channel that is received, as the kernel reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RxScState {
    /// The SCI of the sender.
    pub sci: Sci,
    /// Whether frames of it are accepted.
    pub active: bool,
    /// Its associations, by number.
    pub sas: Vec<RxSaState>,
    /// What it has received.
    pub stats: RxScStats,
}

impl RxScState {
    /// Reads it into one that is new: in its place in the list, as there are thousands.
    pub(crate) fn fill(&mut self, attrs: Attrs<'_>) -> Result<(), DecodeError> {
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                MACSEC_RXSC_ATTR_SCI => self.sci = Sci::read_attr(attr)?,
                MACSEC_RXSC_ATTR_ACTIVE => self.active = attr.u8()? != 0,
                MACSEC_RXSC_ATTR_STATS => self.stats.fill(attr.attrs())?,
                MACSEC_RXSC_ATTR_SA_LIST => fill_list(&mut self.sas, attr, RxSaState::fill)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// The lines of `ip macsec show`.
impl fmt::Display for RxScState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RXSC: {}, state {}", self.sci, if self.active { "on" } else { "off" })?;
        self.sas.iter().try_for_each(|sa| write!(f, "\n        {sa}"))
    }
}
