use crate::kind::no_options;
use crate::message::PLAIN;

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

no_options!(Clsact PLAIN);
no_options!(Ingress PLAIN);
