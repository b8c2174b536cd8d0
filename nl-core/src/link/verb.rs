/// What to do with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkVerb {
    /// Create it; fails if it exists.
    Add,
    /// Change the existing one.
    Change,
    /// Delete it.
    Delete,
}
