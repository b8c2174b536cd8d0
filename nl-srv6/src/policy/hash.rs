//! Tables by keys of thousands of policies. Their hasher is several times as fast as the standard one, and seeded with random numbers, too.

use foldhash::fast::RandomState;

pub(super) type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;
pub(super) type HashSet<K> = std::collections::HashSet<K, RandomState>;

/// A table with room for this many. One that grows is moved again and again.
pub(super) fn map_for<K, V>(count: usize) -> HashMap<K, V> {
    HashMap::with_capacity_and_hasher(count, RandomState::default())
}

/// As [`map_for`].
pub(super) fn set_for<K>(count: usize) -> HashSet<K> {
    HashSet::with_capacity_and_hasher(count, RandomState::default())
}
