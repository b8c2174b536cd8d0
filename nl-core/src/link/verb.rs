/// What to do with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkVerb {
    /// Make it; fails if it is there.
    Add,
    /// Change the one that is there.
    Change,
    /// Delete it.
    Delete,
}
