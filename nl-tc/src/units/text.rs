//! `Deserialize` from the words of `tc`. A bare number is refused: it would leave the unit open.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use nl_core::Error;
use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::{Probability, Rate, Size, Time};
use crate::TcHandle;

/// A text, of which this is expected.
struct Text<T>(&'static str, PhantomData<T>);

impl<T: FromStr<Err = Error>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! from_text {
    ($($type:ident $expected:literal;)+) => {$(
        /// From the text that `FromStr` takes.
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text($expected, PhantomData))
            }
        }
    )+};
}
from_text! {
    Probability "a percentage, such as \"0.1%\"";
    Rate "a rate with its unit, such as \"10mbit\"";
    Size "a size with its unit, such as \"15k\"";
    TcHandle "a handle, such as \"1:\" or \"1:10\"";
    Time "a time with its unit, such as \"25ms\"";
}
