//! HFSC, hierarchical fair service curves: what a class is sent and how soon, told apart.
//!
//! ```
//! use std::time::Duration;
//! use nl_tc::Rate;
//! use nl_tc::hfsc::{HfscClassConfig, ServiceCurve};
//!
//! // tc class add … hfsc rt umax 1500 dmax 10ms rate 1mbit ls rate 2mbit ul rate 10mbit
//! let class = HfscClassConfig::new()
//!     .real_time(ServiceCurve::delay(1500, Duration::from_millis(10), Rate::mbit(1)))
//!     .link_share(Rate::mbit(2))
//!     .upper_limit(Rate::mbit(10));
//! ```
//!
//! Three curves say what a class gets. The [real-time](HfscClassConfig::real_time) curve is kept whatever else goes on, and
//! counts for leaves only; whether those of all leaves can be kept together, [`admit`] tells. What is left is shared by the
//! [link-sharing](HfscClassConfig::link_share) curves, up to the [upper limit](HfscClassConfig::upper_limit).
//!
//! A change replaces the curves it has and leaves the others; a curve cannot be taken away. The class `X:0` is there from the
//! beginning and can be changed, not deleted. A packet that belongs to no leaf is dropped. When a class gets its first child
//! and has a real-time curve only, the kernel makes that its link-sharing curve too and says so
//! ([`Ack::warning`](nl_core::error::Ack::warning)).

mod admission;
mod curve;

use std::fmt;

use nl_core::attr::{Attr, AttrWriter, Attrs, DecodeError, Fields};
use nl_core::attr_names;
use nl_core::error::Names;

use crate::kind::Config;
use crate::message::TCA_OPTIONS;
use crate::units::{Rate, Refusal};
use crate::{TcHandle, TcVerb};

pub use admission::{Overload, admit};
pub use curve::ServiceCurve;

// `include/uapi/linux/pkt_sched.h`

attr_names! { OPTIONS {
    TCA_HFSC_RSC = 1,
    TCA_HFSC_FSC = 2,
    TCA_HFSC_USC = 3,
} }

static NAMES: Names = crate::message::tca![OPTIONS];

/// An HFSC qdisc (`tc qdisc … hfsc`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HfscConfig {
    /// The minor number of the class for packets of no class; with 0 they are dropped (`default`).
    pub default_class: u16,
}

impl HfscConfig {
    /// Without a default class: what belongs to none is dropped.
    #[must_use]
    pub const fn new() -> Self {
        Self { default_class: 0 }
    }

    /// Puts packets of no class into the one with this minor number (`default`). The words of `tc` are hexadecimal: its
    /// `default 20` is `0x20` here.
    #[must_use]
    pub const fn default_class(mut self, minor: u16) -> Self {
        self.default_class = minor;
        self
    }
}

impl Config for HfscConfig {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self { default_class: Fields::of_attr(TCA_OPTIONS, options).u16()? })
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        // Not a nest: `struct tc_hfsc_qopt`.
        w.u16(TCA_OPTIONS, self.default_class);
    }

    fn refusal(&self, _verb: TcVerb) -> Refusal {
        None
    }

    fn kept(&self, _current: &Self) -> Self {
        *self
    }

    fn write_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.default_class == 0 { Ok(()) } else { write!(f, " default {:x}", self.default_class) }
    }
}

/// An HFSC class (`tc class … hfsc`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HfscClassConfig {
    /// What a leaf is sent whatever else goes on (`rt`).
    pub real_time: Option<ServiceCurve>,
    /// Its share of what is left (`ls`).
    pub link_share: Option<ServiceCurve>,
    /// What its share is at most (`ul`). Needs a link-sharing curve.
    pub upper_limit: Option<ServiceCurve>,
}

impl HfscClassConfig {
    /// Without curves; one at least is needed, real-time or link-sharing.
    #[must_use]
    pub const fn new() -> Self {
        Self { real_time: None, link_share: None, upper_limit: None }
    }

    /// Guarantees it this (`rt`).
    #[must_use]
    pub fn real_time(mut self, curve: impl Into<ServiceCurve>) -> Self {
        self.real_time = Some(curve.into());
        self
    }

    /// Gives it a share like this (`ls`).
    #[must_use]
    pub fn link_share(mut self, curve: impl Into<ServiceCurve>) -> Self {
        self.link_share = Some(curve.into());
        self
    }

    /// Guarantees it this and gives it a share like it (`sc`).
    #[must_use]
    pub fn service(self, curve: impl Into<ServiceCurve>) -> Self {
        let curve = curve.into();
        self.real_time(curve).link_share(curve)
    }

    /// Gives it no more share than this (`ul`).
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

    fn decode(options: &[u8]) -> Result<Self, DecodeError> {
        let mut config = Self::new();
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_HFSC_RSC => config.real_time = Some(curve(attr)?),
                TCA_HFSC_FSC => config.link_share = Some(curve(attr)?),
                TCA_HFSC_USC => config.upper_limit = Some(curve(attr)?),
                _ => {}
            }
        }
        Ok(config)
    }

    fn encode(&self, w: &mut AttrWriter<'_>, _verb: TcVerb) {
        let mut options = w.nested(TCA_OPTIONS);
        for (kind, name, curve) in self.curves() {
            // What cannot be held is refused and not sent.
            if let Some(Ok([m1, d, m2])) = curve.map(|curve| curve.wire(name)) {
                let bytes = [m1.to_ne_bytes(), d.to_ne_bytes(), m2.to_ne_bytes()];
                options.bytes(kind, bytes.as_flattened());
            }
        }
    }

    fn refusal(&self, _verb: TcVerb) -> Refusal {
        if self.real_time.is_none() && self.link_share.is_none() && self.upper_limit.is_none() {
            return Some("no curve; real_time() or link_share() at least is needed".into());
        }
        if self.upper_limit.is_some() && self.link_share.is_none() {
            return Some("an upper limit without a link-sharing curve; it limits that".into());
        }
        self.curves().into_iter().find_map(|(_, name, curve)| curve?.wire(name).err())
    }

    /// A curve that is not wanted and is there is a difference, although a change cannot take it away.
    fn kept(&self, _current: &Self) -> Self {
        let as_kept = |curve: Option<ServiceCurve>| curve.map(ServiceCurve::kept);
        Self {
            real_time: as_kept(self.real_time),
            link_share: as_kept(self.link_share),
            upper_limit: as_kept(self.upper_limit),
        }
    }

    fn write_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
    let (m1, d, m2) = (f.u32()?, f.u32()?, f.u32()?);
    Ok(ServiceCurve::two_piece(Rate::bps(m1.into()), curve::of_micros(d), Rate::bps(m2.into())))
}

/// Only `X:0` is beside the names that all kinds have, and it is there already.
pub(crate) fn check_root(handle: TcHandle, verb: TcVerb) -> Refusal {
    match verb {
        TcVerb::Add | TcVerb::Delete => {
            Some(format!("class {handle} is the qdisc's own: it can be changed, not added or deleted").into())
        }
        TcVerb::Change | TcVerb::Replace => None,
    }
}
