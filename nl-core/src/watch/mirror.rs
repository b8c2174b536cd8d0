use futures_core::Stream;

use super::driver::Watch;
use super::machine::Change;
use super::source::Source;
use crate::error::Result;

/// What every watch can do, whatever it watches, for code that works with any of them.
///
/// [`Watch`] has it, all that [`watch_of!`](crate::watch_of) makes, and nl-events' watch of the forwarding database.
///
/// ```no_run
/// use futures_util::TryStreamExt;
/// use nl_core::watch::Mirror;
///
/// /// Waits until the copy of the table is the same as the kernel's, and returns how many entries it has.
/// async fn count<W: Mirror>(watch: &mut W) -> nl_core::Result<usize> {
///     while let Some(change) = watch.try_next().await? {
///         if W::is_synced(&change) {
///             break;
///         }
///     }
///     Ok(watch.len())
/// }
/// ```
pub trait Mirror: Stream<Item = Result<<Self as Mirror>::Change>> + Unpin + Send + 'static {
    /// An entry of the table.
    type Entry: 'static;

    /// A change of the table.
    type Change;

    /// The entries as they are after the changes that were reported so far.
    fn entries(&self) -> impl Iterator<Item = &Self::Entry>;

    /// The number of entries.
    fn len(&self) -> usize;

    /// Whether there is no entry.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often the kernel dropped events because the receive buffer was full.
    fn overruns(&self) -> u64;

    /// Lists the table again, and reports the differences; see [`Watch::resync`].
    fn resync(&mut self);

    /// Whether a change says that the table is the same as in the kernel ([`Change::Synced`]).
    fn is_synced(change: &Self::Change) -> bool;
}

impl<S: Source> Mirror for Watch<S> {
    type Entry = S::Entry;
    type Change = Change<S::Entry>;

    fn entries(&self) -> impl Iterator<Item = &Self::Entry> {
        self.entries()
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn overruns(&self) -> u64 {
        self.overruns()
    }

    fn resync(&mut self) {
        self.resync();
    }

    fn is_synced(change: &Self::Change) -> bool {
        matches!(change, Change::Synced)
    }
}
