use std::fmt;

use nl_core::Request;

use crate::TcVerb;
use crate::class::Class;
use crate::filter::Filter;
use crate::qdisc::Qdisc;

/// A class, a qdisc or a filter, for a batch or a plan.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[cfg_attr(
    all(feature = "leaf", not(any(feature = "hfsc", feature = "htb"))),
    expect(clippy::large_enum_variant, reason = "with all the kinds both are large")
)]
pub enum TcObject {
    /// A class.
    Class(Class),
    /// A filter.
    Filter(Filter),
    /// A qdisc.
    Qdisc(Qdisc),
}

impl TcObject {
    /// The request that does this with the object.
    #[must_use]
    pub fn request(&self, verb: TcVerb) -> Request {
        match self {
            Self::Class(class) => class.request(verb),
            Self::Filter(filter) => filter.request(verb),
            Self::Qdisc(qdisc) => qdisc.request(verb),
        }
    }
}

/// The words of `tc`, with `#5` for interface 5.
impl fmt::Display for TcObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => class.fmt(f),
            Self::Filter(filter) => filter.fmt(f),
            Self::Qdisc(qdisc) => qdisc.fmt(f),
        }
    }
}

impl From<Class> for TcObject {
    fn from(class: Class) -> Self {
        Self::Class(class)
    }
}

impl From<Filter> for TcObject {
    fn from(filter: Filter) -> Self {
        Self::Filter(filter)
    }
}

impl From<Qdisc> for TcObject {
    fn from(qdisc: Qdisc) -> Self {
        Self::Qdisc(qdisc)
    }
}
