use std::fmt;

use nl_core::attr::{Attr, AttrWriter, Attrs, DecodeError};
use nl_core::check::Invalid;
use nl_core::error::Names;

use super::curve::ServiceCurve;
use crate::TcVerb;
use crate::config::Config;
use crate::message::kind_names;

/// An HFSC class (`tc class … hfsc`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HfscClassConfig {
    /// The guaranteed service of a leaf (`rt`).
    pub real_time: Option<ServiceCurve>,
    /// The share of the remaining bandwidth (`ls`).
    pub link_share: Option<ServiceCurve>,
    /// The limit of the share. Needs a link-sharing curve (`ul`).
    pub upper_limit: Option<ServiceCurve>,
}

impl HfscClassConfig {
    /// A class without curves. It needs at least a real-time or a link-sharing curve.
    #[must_use]
    pub const fn new() -> Self {
        Self { real_time: None, link_share: None, upper_limit: None }
    }

    /// Sets the guaranteed service (`rt`).
    #[must_use]
    pub fn real_time(mut self, curve: impl Into<ServiceCurve>) -> Self {
        self.real_time = Some(curve.into());
        self
    }

    /// Sets the share of the remaining bandwidth (`ls`).
    #[must_use]
    pub fn link_share(mut self, curve: impl Into<ServiceCurve>) -> Self {
        self.link_share = Some(curve.into());
        self
    }

    /// Sets one curve as both the guaranteed service and the share (`sc`).
    #[must_use]
    pub fn service(self, curve: impl Into<ServiceCurve>) -> Self {
        let curve = curve.into();
        self.real_time(curve).link_share(curve)
    }

    /// Sets the limit of the share (`ul`).
    #[must_use]
    pub fn upper_limit(mut self, curve: impl Into<ServiceCurve>) -> Self {
        self.upper_limit = Some(curve.into());
        self
    }

    fn curves(&self) -> [(u16, &'static str, Option<ServiceCurve>); 3] {
        [
            (TCA_HFSC_RSC, "rt", self.real_time),
            (TCA_HFSC_FSC, "ls", self.link_share),
            (TCA_HFSC_USC, "ul", self.upper_limit),
        ]
    }
}

impl Config for HfscClassConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut config = Self::new();
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_HFSC_RSC => config.real_time = Some(curve(attr)?),
                TCA_HFSC_FSC => config.link_share = Some(curve(attr)?),
                TCA_HFSC_USC => config.upper_limit = Some(curve(attr)?),
                _ => return Ok(None),
            }
        }
        Ok(Some(config))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let mut options = w.nested(TCA_OPTIONS);
        for (kind, name, curve) in self.curves() {
            // `check` refuses a curve that does not fit.
            if let Some(Ok([m1, d, m2])) = curve.map(|curve| curve.wire(name)) {
                let bytes = [m1.to_ne_bytes(), d.to_ne_bytes(), m2.to_ne_bytes()];
                options.bytes(kind, bytes.as_flattened());
            }
        }
    }

    fn check(&self, _verb: TcVerb) -> Result<(), Invalid> {
        let shares = self.link_share.is_some();
        let empty = self.real_time.is_none() && !shares && self.upper_limit.is_none();
        Invalid::when(empty, "no curve; real_time() or link_share() is needed")?;
        let unlimited = self.upper_limit.is_some() && !shares;
        Invalid::when(unlimited, "an upper limit without a link-sharing curve, which it limits")?;
        self.curves()
            .into_iter()
            .try_for_each(|(_, name, curve)| curve.map_or(Ok(()), |curve| curve.wire(name).map(drop)))
    }

    /// A curve that exists and is not desired is a difference, although a change cannot remove it.
    fn as_read_back(&self, _current: &Self) -> Self {
        let as_read_back = |curve: Option<ServiceCurve>| curve.map(ServiceCurve::as_read_back);
        Self {
            real_time: as_read_back(self.real_time),
            link_share: as_read_back(self.link_share),
            upper_limit: as_read_back(self.upper_limit),
        }
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.real_time.is_some() && self.real_time == self.link_share;
        for (_, name, curve) in self.curves() {
            match (name, curve) {
                ("ls", _) if service => {}
                ("rt", Some(curve)) if service => write!(f, " sc {curve}")?,
                (_, Some(curve)) => write!(f, " {name} {curve}")?,
                (_, None) => {}
            }
        }
        Ok(())
    }
}

/// `struct tc_service_curve`.
fn curve(attr: Attr<'_>) -> Result<ServiceCurve, DecodeError> {
    let mut f = attr.fields();
    Ok(ServiceCurve::from_wire([f.u32()?, f.u32()?, f.u32()?]))
}

// `include/uapi/linux/pkt_sched.h`
kind_names! {
    TCA_HFSC_RSC = 1,
    TCA_HFSC_FSC = 2,
    TCA_HFSC_USC = 3,
}
