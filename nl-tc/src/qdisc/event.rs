use std::fmt;

use nl_core::attr::DecodeError;
use nl_core::message::MessageRef;

use super::codec::Qdisc;
use crate::message::{RTM_DELQDISC, RTM_NEWQDISC};

/// What the kernel reports about a qdisc, in the group [`RTNLGRP_TC`](crate::RTNLGRP_TC).
///
/// [`New`](Self::New) means that the qdisc exists in this state, not that it was just added: the kernel also sends the answer to
/// somebody's read of one qdisc to this group. A qdisc that is replaced has two events, the old one's `Deleted` first. A root
/// qdisc that is deleted takes its classes, its filters and the qdiscs below it along without an event, and a device that is
/// deleted takes everything.
///
/// Equivalent: `tc monitor`. Needs no privilege.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum QdiscEvent {
    /// The qdisc was deleted; this was its last state (`RTM_DELQDISC`).
    Deleted(Qdisc),
    /// The qdisc exists, in this state (`RTM_NEWQDISC`).
    New(Qdisc),
}

impl QdiscEvent {
    /// Decodes a message of [`RTNLGRP_TC`](crate::RTNLGRP_TC); `None` if it is not about a qdisc.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(match message.kind() {
            RTM_NEWQDISC => Some(Self::New(Qdisc::decode(message)?)),
            RTM_DELQDISC => Some(Self::Deleted(Qdisc::decode(message)?)),
            _ => None,
        })
    }

    /// The qdisc, as it is or was.
    #[must_use]
    pub const fn qdisc(&self) -> &Qdisc {
        match self {
            Self::Deleted(qdisc) | Self::New(qdisc) => qdisc,
        }
    }
}

/// A line as `tc monitor` prints it, with `#5` for interface 5.
impl fmt::Display for QdiscEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted(qdisc) => write!(f, "deleted {qdisc}"),
            Self::New(qdisc) => fmt::Display::fmt(qdisc, f),
        }
    }
}
