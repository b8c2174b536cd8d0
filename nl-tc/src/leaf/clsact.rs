use nl_core::attr::DecodeError;
use nl_core::error::Names;

use crate::config::Config;
use crate::message::NAMES;

/// A qdisc for filters on ingress and egress, which queues nothing (`tc qdisc … clsact`). Its parent is
/// [`TcHandle::CLSACT`](crate::TcHandle::CLSACT).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Clsact;

/// A qdisc for filters on ingress, which queues nothing (`tc qdisc … ingress`). Its parent is
/// [`TcHandle::INGRESS`](crate::TcHandle::INGRESS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Ingress;

impl Config for Clsact {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        Ok(options.is_empty().then_some(Self))
    }
}

impl Config for Ingress {
    const NAMES: &'static Names = &NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        Ok(options.is_empty().then_some(Self))
    }
}
