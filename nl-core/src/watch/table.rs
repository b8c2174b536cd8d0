use std::borrow::{Borrow, Cow};
use std::collections::{HashSet, hash_set};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

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

/// An entry that is found by its key: equal to every reading of the same entry. It is one allocation that tables share. The hash of the key
/// stands beside it, so that a table that grows need not look at its entries, which are all over the memory.
pub(super) struct Row<E> {
    entry: Arc<E>,
    hash: u64,
}

impl<E: Entry> Row<E> {
    pub(super) fn new(entry: E) -> Self {
        let hash = hash_of(&entry);
        Self { entry: Arc::new(entry), hash }
    }
}

impl<E> Row<E> {
    pub(super) fn entry(&self) -> &E {
        &self.entry
    }
}

fn hash_of<E: Entry>(entry: &E) -> u64 {
    Seeds::get().hash_one(entry.key())
}

impl<E: Entry> Row<E> {
    /// The entry, copied where a table has it too.
    pub(super) fn into_entry(self) -> E {
        Arc::unwrap_or_clone(self.entry)
    }

    /// Whether two readings of the same entry differ in nothing, or only in what changes by itself.
    pub(super) fn is_unchanged(&self, other: &Self) -> bool {
        // Normalizing can copy the whole entry, and most readings of a list are equal.
        self.entry == other.entry || self.entry.normalized() == other.entry.normalized()
    }
}

impl<E> Clone for Row<E> {
    fn clone(&self) -> Self {
        Self { entry: Arc::clone(&self.entry), hash: self.hash }
    }
}

impl<E: Entry> PartialEq for Row<E> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.entry.key() == other.entry.key() && self.entry.is_same(&other.entry)
    }
}

impl<E: Entry> Eq for Row<E> {}

impl<E> Hash for Row<E> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// What a row is found by: the entry, or only its key.
trait Place<E> {
    fn place(&self) -> &E;

    /// Of its key.
    fn hash(&self) -> u64;

    fn is_key(&self) -> bool;
}

impl<E> Place<E> for Row<E> {
    fn place(&self) -> &E {
        &self.entry
    }

    fn hash(&self) -> u64 {
        self.hash
    }

    fn is_key(&self) -> bool {
        false
    }
}

/// Equal to every row with the entry's key.
struct KeyOf<'a, E>(&'a E);

impl<E: Entry> Place<E> for KeyOf<'_, E> {
    fn place(&self) -> &E {
        self.0
    }

    fn hash(&self) -> u64 {
        hash_of(self.0)
    }

    fn is_key(&self) -> bool {
        true
    }
}

/// Equal to the row of the same entry, without a row of its own.
struct Same<'a, E>(&'a E);

impl<E: Entry> Place<E> for Same<'_, E> {
    fn place(&self) -> &E {
        self.0
    }

    fn hash(&self) -> u64 {
        hash_of(self.0)
    }

    fn is_key(&self) -> bool {
        false
    }
}

impl<'a, E: 'a> Borrow<dyn Place<E> + 'a> for Row<E> {
    fn borrow(&self) -> &(dyn Place<E> + 'a) {
        self
    }
}

impl<E: Entry> PartialEq for dyn Place<E> + '_ {
    fn eq(&self, other: &Self) -> bool {
        let (own, its) = (self.place(), other.place());
        own.key() == its.key() && (self.is_key() || other.is_key() || own.is_same(its))
    }
}

impl<E: Entry> Eq for dyn Place<E> + '_ {}

impl<E: Entry> Hash for dyn Place<E> + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(Place::hash(self));
    }
}

/// Entries by key.
pub(super) struct Table<E> {
    entries: HashSet<Row<E>, Hashed>,
}

impl<E> Default for Table<E> {
    fn default() -> Self {
        Self { entries: HashSet::default() }
    }
}

impl<E: Entry> Table<E> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
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
        let taken = self.entries.take(entry);
        self.shrink();
        taken
    }

    /// As [`take`](Self::take), of an entry for which no row was made.
    pub(super) fn take_entry(&mut self, entry: &E) -> Option<Row<E>> {
        let same: &dyn Place<E> = &Same(entry);
        let taken = self.entries.take(same);
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
        let key: &dyn Place<E> = &KeyOf(entry.entry());
        self.entries.take(key)
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
    type IntoIter = hash_set::IntoIter<Row<E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

/// Takes the hash that a row has.
#[derive(Clone, Default)]
struct Hashed;

impl BuildHasher for Hashed {
    type Hasher = Given;

    fn build_hasher(&self) -> Given {
        Given(0)
    }
}

struct Given(u64);

impl Hasher for Given {
    fn write(&mut self, bytes: &[u8]) {
        // A row writes one number, so this is never called.
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Hashes by folded multiplication, several times as fast as the standard hasher. Keys can come from the network, so the
/// numbers are random, once for the process: who does not know them cannot choose keys that collide.
#[derive(Clone)]
struct Seeds {
    start: u64,
    factor: u64,
}

impl Seeds {
    fn get() -> &'static Self {
        static SEEDS: LazyLock<Seeds> = LazyLock::new(|| {
            let random = RandomState::new();
            Seeds { start: random.hash_one(0_u8), factor: random.hash_one(1_u8) | 1 }
        });
        &SEEDS
    }
}

impl BuildHasher for Seeds {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        Folding { state: self.start, factor: self.factor }
    }
}

struct Folding {
    state: u64,
    factor: u64,
}

impl Folding {
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.factor);
        let folded = (product ^ (product >> 64)) & u128::from(u64::MAX);
        // It has 64 bits.
        self.state = u64::try_from(folded).unwrap_or_default();
    }
}

impl Hasher for Folding {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.mix(u64::from_ne_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.mix(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.mix(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn finish(&self) -> u64 {
        self.state
    }
}
