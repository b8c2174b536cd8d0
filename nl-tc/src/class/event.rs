use std::fmt;

use nl_core::attr::DecodeError;
use nl_core::message::MessageRef;

use super::codec::Class;
use crate::message::{RTM_DELTCLASS, RTM_NEWTCLASS};

/// What the kernel reports about a class, in the group [`RTNLGRP_TC`](crate::RTNLGRP_TC).
///
/// [`New`](Self::New) means that the class exists in this state, not that it was just added: the kernel also sends the answer to
/// somebody's read of one class to this group. A class that vanishes with its qdisc or its device has no event; neither have
/// the qdisc and the filters on a class that is deleted.
///
/// Equivalent: `tc monitor`. Needs no privilege.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum ClassEvent {
    /// The class was deleted; this was its last state (`RTM_DELTCLASS`).
    Deleted(Class),
    /// The class exists, in this state (`RTM_NEWTCLASS`).
    New(Class),
}

impl ClassEvent {
    /// Decodes a message of [`RTNLGRP_TC`](crate::RTNLGRP_TC); `None` if it is not about a class.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(match message.kind() {
            RTM_NEWTCLASS => Some(Self::New(Class::decode(message)?)),
            RTM_DELTCLASS => Some(Self::Deleted(Class::decode(message)?)),
            _ => None,
        })
    }

    /// The class, as it is or was.
    #[must_use]
    pub const fn class(&self) -> &Class {
        match self {
            Self::Deleted(class) | Self::New(class) => class,
        }
    }
}

/// A line as `tc monitor` prints it, with `#5` for interface 5.
impl fmt::Display for ClassEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted(class) => write!(f, "deleted {class}"),
            Self::New(class) => fmt::Display::fmt(class, f),
        }
    }
}
