use std::fmt;

use nl_core::message::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};

/// What to do with a class, a qdisc or a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TcVerb {
    /// Creates the object. Fails if it exists.
    Add,
    /// Changes an existing object.
    Change,
    /// Deletes the object.
    Delete,
    /// Creates the object, or changes an existing one.
    Replace,
}

impl TcVerb {
    pub(crate) const fn writes(self) -> bool {
        !matches!(self, Self::Delete)
    }

    pub(crate) const fn creates(self) -> bool {
        matches!(self, Self::Add | Self::Replace)
    }

    pub(crate) const fn nlm_flags(self) -> u16 {
        match self {
            Self::Add => NLM_F_CREATE | NLM_F_EXCL,
            Self::Replace => NLM_F_CREATE | NLM_F_REPLACE,
            Self::Change | Self::Delete => 0,
        }
    }
}

/// The word of `tc`.
impl fmt::Display for TcVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::Replace => "replace",
        })
    }
}
