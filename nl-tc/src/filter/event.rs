use std::fmt;

use nl_core::attr::DecodeError;
use nl_core::message::MessageRef;

use super::codec::Filter;
use crate::message::{RTM_DELTFILTER, RTM_NEWTFILTER};

/// What the kernel reports about a filter, in the group [`RTNLGRP_TC`](crate::RTNLGRP_TC).
///
/// All filters of a priority that are deleted at once have one [`Deleted`](Self::Deleted), with the handle 0. Filters that vanish
/// with their qdisc, class or device have none.
///
/// Equivalent: `tc monitor`. Needs no privilege.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum FilterEvent {
    /// The filter was deleted; this was its last state (`RTM_DELTFILTER`).
    Deleted(Filter),
    /// The filter exists, in this state (`RTM_NEWTFILTER`).
    New(Filter),
}

impl FilterEvent {
    /// Decodes a message of [`RTNLGRP_TC`](crate::RTNLGRP_TC); `None` if it is not about a filter.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(match message.kind() {
            RTM_NEWTFILTER => Some(Self::New(Filter::decode(message)?)),
            RTM_DELTFILTER => Some(Self::Deleted(Filter::decode(message)?)),
            _ => None,
        })
    }

    /// The filter, as it is or was.
    #[must_use]
    pub const fn filter(&self) -> &Filter {
        match self {
            Self::Deleted(filter) | Self::New(filter) => filter,
        }
    }
}

/// A line as `tc monitor` prints it, with `#5` for interface 5.
impl fmt::Display for FilterEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted(filter) => write!(f, "deleted {filter}"),
            Self::New(filter) => fmt::Display::fmt(filter, f),
        }
    }
}
