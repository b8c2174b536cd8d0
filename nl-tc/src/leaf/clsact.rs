use std::fmt;

use nl_core::attr::{AttrWriter, DecodeError};
use nl_core::error::Schema;

use crate::TcVerb;
use crate::config::Config;
use crate::message::PLAIN;
use crate::units::Refusal;

/// Where filters for what comes in and goes out hang; it queues nothing (`tc qdisc … clsact`). Its parent is
/// [`TcHandle::CLSACT`](crate::TcHandle::CLSACT).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Clsact;

/// Where filters for what comes in hang; it queues nothing (`tc qdisc … ingress`). Its parent is
/// [`TcHandle::INGRESS`](crate::TcHandle::INGRESS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Ingress;

macro_rules! plain {
    ($($name:ident)+) => {$(
        impl Config for $name {
            const SCHEMA: &'static Schema = &PLAIN;

            fn decode(_options: &[u8]) -> Result<Self, DecodeError> {
                Ok(Self)
            }

            fn encode(&self, _w: &mut AttrWriter<'_>, _verb: TcVerb) {}

            fn refusal(&self, _verb: TcVerb) -> Refusal {
                None
            }

            fn kept(&self, _current: &Self) -> Self {
                Self
            }

            fn write_words(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Ok(())
            }
        }
    )+};
}

plain!(Clsact Ingress);
