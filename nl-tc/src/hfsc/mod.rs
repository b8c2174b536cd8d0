//! HFSC, hierarchical fair service curve: bandwidth and delay of a class are configured separately.
//!
//! ```
//! use std::time::Duration;
//! use nl_tc::Rate;
//! use nl_tc::hfsc::{HfscClassConfig, ServiceCurve};
//!
//! // tc class add … hfsc rt umax 1500 dmax 10ms rate 1mbit ls rate 2mbit ul rate 10mbit
//! let class = HfscClassConfig::new()
//!     .real_time(ServiceCurve::delay(1500, Duration::from_millis(10), Rate::mbit(1)))
//!     .link_share(Rate::mbit(2))
//!     .upper_limit(Rate::mbit(10));
//! ```
//!
//! Three curves configure a class. The [real-time](HfscClassConfig::real_time) curve is guaranteed, and applies to leaves only.
//! [`admit`] checks whether a link can guarantee the curves of all leaves. The [link-sharing](HfscClassConfig::link_share)
//! curves divide the remaining bandwidth, up to the [upper limit](HfscClassConfig::upper_limit).
//!
//! A change replaces the curves that it has and keeps the others. It cannot remove a curve. The root class `X:0` exists from the
//! beginning: it can be changed, not deleted. A packet that matches no leaf is dropped. If a class with only a real-time curve
//! gets its first child, the kernel also uses this curve as its link-sharing curve, and reports that in
//! [`Ack::warning`](nl_core::error::Ack::warning).

mod admission;
mod class;
mod curve;
mod qdisc;

pub use admission::{Overload, admit};
pub use class::HfscClassConfig;
pub use curve::ServiceCurve;
pub use qdisc::HfscConfig;
