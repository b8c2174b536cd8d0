//! How values of a description are written in JSON, TOML and the like: as the words that `ip` and `bridge` have for them.

use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use nl_core::{IpPrefix, MacAddr};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::{StpState, VlanRange, VniRange};

/// A value that is one word.
pub(super) trait Word: Sized {
    /// What is expected, for errors.
    const WHAT: &'static str;

    fn parse(text: &str) -> Result<Self, String>;

    fn word(&self) -> String;
}

macro_rules! words {
    ($($type:ty: $what:literal;)+) => {$(
        impl Word for $type {
            const WHAT: &'static str = $what;

            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error: nl_core::Error| error.to_string())
            }

            fn word(&self) -> String {
                self.to_string()
            }
        }
    )+};
}
words! {
    IpPrefix: "an IP address and the length of its network, such as 10.0.0.1/24";
    MacAddr: "a MAC address";
    VlanRange: "a VLAN such as 10, or a range such as \"10-20\"";
    VniRange: "a VNI such as 10010, or a range such as \"10010-10020\"";
}

/// Nexthop ids.
impl Word for RangeInclusive<u32> {
    const WHAT: &'static str = "nexthop ids, such as \"5000-5999\"";

    fn parse(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| text.parse::<u32>().map_err(|_| format!("invalid nexthop id \"{text}\""));
        Ok(number(first)?..=number(last)?)
    }

    fn word(&self) -> String {
        format!("{}-{}", self.start(), self.end())
    }
}

impl Word for StpState {
    const WHAT: &'static str = "disabled, listening, learning, forwarding or blocking";

    fn parse(text: &str) -> Result<Self, String> {
        let known = [Self::Disabled, Self::Listening, Self::Learning, Self::Forwarding, Self::Blocking];
        let found = known.into_iter().find(|state| state.to_string() == text);
        found.ok_or_else(|| format!("state \"{text}\"; {} are possible", Self::WHAT))
    }

    fn word(&self) -> String {
        self.to_string()
    }
}

/// One value.
struct One<T>(T);

impl<T: Word> Serialize for One<&T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.word())
    }
}

impl<'de, T: Word> Deserialize<'de> for One<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneVisitor(PhantomData)).map(Self)
    }
}

struct OneVisitor<T>(PhantomData<T>);

impl<T: Word> Visitor<'_> for OneVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WHAT)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::parse(text).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

/// For a field of one value.
pub(super) mod one {
    use super::*;

    pub(in crate::leaf) fn serialize<T: Word, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        One(value).serialize(serializer)
    }

    pub(in crate::leaf) fn deserialize<'de, T: Word, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        Ok(One::<T>::deserialize(deserializer)?.0)
    }
}

/// For a field that may be absent.
pub(super) mod option {
    use super::*;

    pub(in crate::leaf) fn serialize<T: Word, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().map(One).serialize(serializer)
    }

    pub(in crate::leaf) fn deserialize<'de, T: Word, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        Ok(Option::<One<T>>::deserialize(deserializer)?.map(|one| one.0))
    }
}

/// For a field of several values.
pub(super) mod list {
    use super::*;

    pub(in crate::leaf) fn serialize<T: Word, S: Serializer>(
        values: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(One))
    }

    pub(in crate::leaf) fn deserialize<'de, T: Word, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<T>, D::Error> {
        Ok(Vec::<One<T>>::deserialize(deserializer)?.into_iter().map(|one| one.0).collect())
    }
}
