use std::fmt;

/// What to do with a channel or an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// Add it; fails if it is there.
    Add,
    /// Delete it.
    Delete,
    /// Change what is given of the one that is there.
    Update,
}

/// The word of `ip macsec`.
impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Delete => "delete",
            Self::Update => "set",
        })
    }
}
