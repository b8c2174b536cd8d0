//! `Deserialize` for the flags of endpoints.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use super::codec::EndpointFlags;

/// From the words of `ip mptcp endpoint`, in one text or in a list, or from the number that they are serialized as.
impl<'de> Deserialize<'de> for EndpointFlags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Flags)
    }
}

struct Flags;

impl<'de> Visitor<'de> for Flags {
    type Value = EndpointFlags;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flags, such as \"subflow backup\"")
    }

    fn visit_str<E: de::Error>(self, words: &str) -> Result<EndpointFlags, E> {
        words.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<EndpointFlags, E> {
        let bits =
            u32::try_from(number).map_err(|_| E::custom(format!("flags {number}; they have 32 bits")))?;
        Ok(EndpointFlags::from_bits_retain(bits))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<EndpointFlags, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::custom(format!("flags {number}; they have 32 bits"))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<EndpointFlags, A::Error> {
        let mut flags = EndpointFlags::empty();
        while let Some(words) = list.next_element::<String>()? {
            flags |= words.parse::<EndpointFlags>().map_err(<A::Error as de::Error>::custom)?;
        }
        Ok(flags)
    }
}
