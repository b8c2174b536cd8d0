//! HTB, hierarchical token bucket: every class has a guaranteed rate and borrows unused bandwidth up to its ceiling.
//!
//! ```
//! use nl_tc::Rate;
//! use nl_tc::htb::{HtbClassConfig, HtbConfig};
//!
//! // tc qdisc add … htb default 20
//! let qdisc = HtbConfig::new().default_class(0x20);
//! // tc class add … htb rate 10mbit ceil 100mbit burst 15k prio 1
//! let class = HtbClassConfig::new(Rate::mbit(10)).ceil(Rate::mbit(100)).burst(15 * 1024).prio(1);
//! ```
//!
//! A class without children is a leaf and queues packets. With its first child it becomes an inner class, and its qdisc and
//! the packets in it are deleted. At most 8 levels are possible. A packet that matches no leaf is sent unshaped;
//! [`HtbQdiscStats`](crate::stats::HtbQdiscStats) counts these packets.
//!
//! A change replaces the whole configuration of a class. It cannot move a class to another parent. The kernel ignores such a
//! request; [`ClassEntry`](crate::ClassEntry) refuses it. The qdisc itself cannot be changed, only replaced under another
//! handle, which deletes all classes.
//!
//! Rate tables are not sent, because the kernel reads them only if the link layer is not specified. This crate always
//! specifies it.

mod class;
mod qdisc;

pub use class::HtbClassConfig;
pub use qdisc::HtbConfig;
