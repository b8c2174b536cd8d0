use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

// Several times as fast as the standard hasher. Keys can come from the network, so it is seeded with random numbers, too.
use foldhash::fast::RandomState;
use indexmap::{Equivalent, IndexSet, set};

/// An entry of a table that is watched.
///
/// Two readings of an entry are compared as whole values with `PartialEq`, so a field that is added later is compared too.
pub trait Entry: Clone + PartialEq + Send + Sync + 'static {
    /// What makes an entry the same entry.
    type Key: Eq + Hash;

    /// The entry's key.
    fn key(&self) -> Self::Key;

    /// The entry without what changes by itself, such as ages. By default this is the whole entry.
    ///
    /// Readings that are equal in this form are no change.
    ///
    /// ```
    /// # use std::borrow::{Borrow, Cow};
    /// # use nl_core::watch::Entry;
    /// #[derive(Clone, PartialEq)]
    /// struct Neighbour {
    ///     index: u32,
    ///     state: u16,
    ///     /// In hundredths of a second.
    ///     age: u32,
    /// }
    ///
    /// impl Entry for Neighbour {
    ///     type Key = u32;
    ///
    ///     fn key(&self) -> u32 {
    ///         self.index
    ///     }
    ///
    ///     fn normalized(&self) -> Cow<'_, Self> {
    ///         Cow::Owned(Self { age: 0, ..self.clone() })
    ///     }
    /// }
    /// ```
    fn normalized(&self) -> Cow<'_, Self> {
        Cow::Borrowed(self)
    }

    /// Whether an entry with an equal key is this entry. By default a key belongs to one entry.
    ///
    /// This is for tables that have several entries under one key, such as IPv4 routes that were appended.
    fn is_same(&self, other: &Self) -> bool {
        let _ = other;
        true
    }

    /// What is left of this entry after the kernel has reported `deleted`, which is [the same](Self::is_same) entry, as deleted.
    /// By default nothing.
    ///
    /// This is for entries that have parts which are deleted one by one, such as the paths of an IPv6 route.
    fn remainder(&self, deleted: &Self) -> Option<Self> {
        let _ = deleted;
        None
    }
}

/// An entry that is found by its key: equal to every reading of the same entry. It is one allocation that tables share.
pub(super) struct Row<E>(Arc<E>);

impl<E> Row<E> {
    pub(super) fn new(entry: E) -> Self {
        Self(Arc::new(entry))
    }

    pub(super) fn entry(&self) -> &E {
        &self.0
    }
}

impl<E: Entry> Row<E> {
    /// The entry, copied where a table has it too.
    pub(super) fn into_entry(self) -> E {
        Arc::unwrap_or_clone(self.0)
    }

    /// Whether two readings of the same entry differ in nothing, or only in what changes by itself.
    pub(super) fn is_unchanged(&self, other: &Self) -> bool {
        // Normalizing can copy the whole entry, and most readings of a list are equal.
        self.0 == other.0 || self.0.normalized() == other.0.normalized()
    }
}

impl<E> Clone for Row<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E: Entry> PartialEq for Row<E> {
    fn eq(&self, other: &Self) -> bool {
        Same(self.entry()).equivalent(other)
    }
}

impl<E: Entry> Eq for Row<E> {}

impl<E: Entry> Hash for Row<E> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.entry().key().hash(state);
    }
}

/// Equal to every row with the entry's key.
struct KeyOf<'a, E>(&'a E);

impl<E: Entry> Hash for KeyOf<'_, E> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().hash(state);
    }
}

impl<E: Entry> Equivalent<Row<E>> for KeyOf<'_, E> {
    fn equivalent(&self, row: &Row<E>) -> bool {
        self.0.key() == row.entry().key()
    }
}

/// Equal to the row of the same entry, without a row of its own.
struct Same<'a, E>(&'a E);

impl<E: Entry> Hash for Same<'_, E> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().hash(state);
    }
}

impl<E: Entry> Equivalent<Row<E>> for Same<'_, E> {
    fn equivalent(&self, row: &Row<E>) -> bool {
        self.0.key() == row.entry().key() && self.0.is_same(row.entry())
    }
}

/// Entries by key, in the order in which they came until one is removed.
///
/// The rows lie one after another with their hashes, so that a table that grows need not look at its entries, which are all over the memory.
pub(super) struct Table<E> {
    entries: IndexSet<Row<E>, RandomState>,
}

impl<E> Default for Table<E> {
    fn default() -> Self {
        Self { entries: IndexSet::default() }
    }
}

impl<E: Entry> Table<E> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn get(&self, place: usize) -> Option<&Row<E>> {
        self.entries.get_index(place)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Row<E>> {
        self.entries.iter()
    }

    pub(super) fn contains(&self, entry: &Row<E>) -> bool {
        self.entries.contains(entry)
    }

    pub(super) fn reserve(&mut self, additional: usize) {
        self.entries.reserve(additional);
    }

    /// Puts an entry there, and returns the one that it replaces.
    pub(super) fn put(&mut self, entry: Row<E>) -> Option<Row<E>> {
        self.entries.replace(entry)
    }

    /// Removes an entry. A table that has become much smaller gives memory back.
    pub(super) fn take(&mut self, entry: &Row<E>) -> Option<Row<E>> {
        let taken = self.entries.swap_take(entry);
        self.shrink();
        taken
    }

    /// As [`take`](Self::take), of an entry for which no row was made.
    pub(super) fn take_entry(&mut self, entry: &E) -> Option<Row<E>> {
        let taken = self.entries.swap_take(&Same(entry));
        self.shrink();
        taken
    }

    fn shrink(&mut self) {
        /// Not worth shrinking.
        const SMALL: usize = 64;
        if self.entries.capacity() > SMALL && self.entries.len() < self.entries.capacity() / 8 {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }

    /// Removes one of the entries with this entry's key.
    pub(super) fn take_by_key(&mut self, entry: &Row<E>) -> Option<Row<E>> {
        self.entries.swap_take(&KeyOf(entry.entry()))
    }

    /// Removes an entry, or the part of it that was deleted: then what is left is in the table, and returned too.
    pub(super) fn take_part(&mut self, deleted: &E) -> Option<(Row<E>, Option<Row<E>>)> {
        let before = self.take_entry(deleted)?;
        let rest = before.entry().remainder(deleted).map(Row::new);
        if let Some(rest) = &rest {
            self.put(rest.clone());
        }
        Some((before, rest))
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl<E> IntoIterator for Table<E> {
    type Item = Row<E>;
    type IntoIter = set::IntoIter<Row<E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}
