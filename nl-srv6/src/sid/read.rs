use nl_core::Dev;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::flavors::FlavorOps;

/// From the bits.
impl<'de> Deserialize<'de> for FlavorOps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u32::deserialize(deserializer).map(Self::from_bits_retain)
    }
}

/// A device in the words that errors have: `#5`, or a name.
pub(super) fn dev<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Dev, D::Error> {
    of_words(&String::deserialize(deserializer)?)
}

pub(super) fn optional_dev<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Dev>, D::Error> {
    Option::<String>::deserialize(deserializer)?.map(|words| of_words(&words)).transpose()
}

fn of_words<E: Error>(words: &str) -> Result<Dev, E> {
    let dev = match words.strip_prefix('#').and_then(|digits| digits.parse().ok()) {
        Some(index) => Dev::Index(index),
        None => Dev::from(words),
    };
    dev.check().map_err(E::custom)?;
    Ok(dev)
}
