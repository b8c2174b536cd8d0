//! `Deserialize` for values that are read from their text.

use std::str::FromStr;

use nl_core::Error;
use serde::{Deserialize, Deserializer, de};

pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err = Error>,
    D: Deserializer<'de>,
{
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}
