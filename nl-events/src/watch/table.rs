use std::collections::{HashSet, hash_set};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;

/// An entry of a table that is watched.
pub(crate) trait Entry {
    /// What makes an entry the same entry.
    type Key: Eq + Hash;

    /// The entry's key.
    fn key(&self) -> Self::Key;

    /// Whether two readings of the same entry differ in nothing, or only in what changes by itself, such as ages.
    fn is_same(&self, other: &Self) -> bool;
}

/// An entry that is found by its key: equal to every reading of the same entry.
pub(crate) struct Keyed<E>(pub(crate) E);

impl<E: Entry> PartialEq for Keyed<E> {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl<E: Entry> Eq for Keyed<E> {}

impl<E: Entry> Hash for Keyed<E> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().hash(state);
    }
}

/// Entries by key. An entry is one allocation; tables share it.
pub(crate) struct Table<E> {
    entries: HashSet<Arc<Keyed<E>>, Seeds>,
}

impl<E> Default for Table<E> {
    fn default() -> Self {
        Self { entries: HashSet::default() }
    }
}

impl<E: Entry> Table<E> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Keyed<E>>> {
        self.entries.iter()
    }

    pub(crate) fn contains(&self, entry: &Keyed<E>) -> bool {
        self.entries.contains(entry)
    }

    pub(crate) fn reserve(&mut self, additional: usize) {
        self.entries.reserve(additional);
    }

    /// Puts an entry there, and returns the one that it replaces.
    pub(crate) fn put(&mut self, entry: Arc<Keyed<E>>) -> Option<Arc<Keyed<E>>> {
        self.entries.replace(entry)
    }

    /// Removes an entry. A table that has become much smaller gives memory back.
    pub(crate) fn take(&mut self, entry: &Keyed<E>) -> Option<Arc<Keyed<E>>> {
        /// Not worth shrinking.
        const SMALL: usize = 64;
        let taken = self.entries.take(entry);
        if self.entries.capacity() > SMALL && self.entries.len() < self.entries.capacity() / 8 {
            self.entries.shrink_to(self.entries.len() * 2);
        }
        taken
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl<E> IntoIterator for Table<E> {
    type Item = Arc<Keyed<E>>;
    type IntoIter = hash_set::IntoIter<Arc<Keyed<E>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

/// Hashes by folded multiplication, several times as fast as the standard hasher. Keys can come from the network, so the
/// numbers are random: who does not know them cannot choose keys that collide.
#[derive(Clone)]
struct Seeds {
    start: u64,
    factor: u64,
}

impl Default for Seeds {
    fn default() -> Self {
        let random = RandomState::new();
        Self { start: random.hash_one(0_u8), factor: random.hash_one(1_u8) | 1 }
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
