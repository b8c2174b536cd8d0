//! Tables by address, of hundreds of thousands. Their hasher is several times as fast as the standard one, and seeded with random numbers, too.

use foldhash::fast::RandomState;

pub(super) type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;
pub(super) type HashSet<K> = std::collections::HashSet<K, RandomState>;
