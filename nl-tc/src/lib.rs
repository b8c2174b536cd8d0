//! Linux traffic control through netlink, for bandwidth managers, CNI plugins and test labs.
//!
//! # What it does
//! Lists, adds, changes, replaces and deletes the [classes](class) of [HTB](htb), [HFSC](hfsc), [DRR](drr), [QFQ](qfq) and
//! [ETS](ets), their [qdiscs](qdisc) and the qdiscs of their [leaves](leaf), with every option of the kernel, and [filters](filter)
//! with their [actions](action). Reading returns the types that writing takes, with [statistics](stats) including the counters of
//! each kind. A [tree] of them is applied with the fewest requests. [`TcEvent`] reads the events of all of them.
//!
//! Rates, sizes and times are types, so bits and bytes cannot be confused. Nothing is clamped: a value that the kernel would
//! refuse, clamp or misread is an error that names the limit.
//!
//! # Example
//! ```no_run
//! use futures_util::TryStreamExt;
//! use nl_core::{Connection, Protocol};
//! use nl_tc::htb::{HtbClassConfig, HtbConfig};
//! use nl_tc::leaf::FqCodelConfig;
//! use nl_tc::{Rate, Tc, TcHandle};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> nl_core::Result<()> {
//!     let tc = Tc::new(Connection::open(Protocol::Route)?);
//!     let htb: TcHandle = "1:".parse()?;
//!
//!     // tc qdisc add dev eth0 root handle 1: htb default 20
//!     tc.qdisc("eth0", TcHandle::ROOT).handle(htb).add(HtbConfig::new().default_class(0x20)).await?;
//!     // tc class add dev eth0 parent 1: classid 1:20 htb rate 10mbit ceil 100mbit prio 1
//!     let config = HtbClassConfig::new(Rate::mbit(10)).ceil(Rate::mbit(100)).prio(1);
//!     tc.class("eth0", htb.class(0x20)).add(config).await?;
//!     // tc qdisc add dev eth0 parent 1:20 fq_codel
//!     tc.qdisc("eth0", htb.class(0x20)).add(FqCodelConfig::new()).await?;
//!
//!     // tc -s class show dev eth0
//!     let mut classes = tc.classes("eth0").list().await?;
//!     while let Some(class) = classes.try_next().await? {
//!         println!("{class}: {} bytes sent", class.stats.bytes);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Permissions and namespaces
//! Reading needs no privilege. Changing needs `CAP_NET_ADMIN` in the user namespace that owns the network namespace, so an
//! unprivileged user can change a network namespace of their own. Actions that filters share ([`Tc::action`]) need it in the
//! initial user namespace. All calls act in the network namespace in which the [`Connection`](nl_core::Connection) was opened.
//!
//! If the kernel does not have a kind of qdisc, filter or action, a request is sent again after 10 ms and after another 100 ms, because the
//! kernel also refuses a kind whose module it is loading for another program. A [batch](Tc::batch) sends nothing again.
//!
//! # Features
//! - `action` (on by default): the [actions](action) of filters. Without it, a filter with actions is read as
//!   [`Other`](filter::FilterConfig::Other).
//! - `htb`, `hfsc`, `drr`, `qfq`, `ets`, `leaf` (on by default): the modules of those names. A kind whose feature is off is read
//!   as [`Other`](class::ClassConfig::Other).
//! - `tokio` (on by default): `.await` on the verbs of [`Tc`] in a tokio runtime.
//! - `blocking`: [`Pending::wait`](nl_core::Pending) on the same verbs and `for` loops over the same lists, without a runtime.
//! - `watch`: [watches](watch) of qdiscs, classes and filters, which resynchronise after lost events.
//! - `serde`: `Serialize` on what is read from the kernel, and `Deserialize` on rates, sizes, times, percentages and handles, from their
//!   words.
//! - `tracing`: spans of requests and events about losses; see nl-core.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

#[cfg(all(doctest, feature = "tokio", feature = "htb", feature = "leaf"))]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg(feature = "action")]
pub mod action;
pub mod class;
#[cfg(any(
    feature = "drr",
    feature = "ets",
    feature = "hfsc",
    feature = "htb",
    feature = "leaf",
    feature = "qfq"
))]
mod config;
#[cfg(feature = "drr")]
pub mod drr;
#[cfg(feature = "ets")]
pub mod ets;
mod event;
pub mod filter;
#[cfg(feature = "hfsc")]
pub mod hfsc;
#[cfg(feature = "htb")]
pub mod htb;
mod kinds;
#[cfg(feature = "leaf")]
pub mod leaf;
mod lookup;
mod message;
mod module;
mod object;
pub mod qdisc;
#[cfg(feature = "qfq")]
pub mod qfq;
mod setters;
mod size_table;
pub mod stats;
mod tc;
mod tc_handle;
pub mod tree;
mod units;
mod verb;
#[cfg(feature = "watch")]
pub mod watch;

pub use class::{ClassEntry, Classes};
pub use event::TcEvent;
pub use filter::{FilterEntry, Filters};
pub use message::{
    RTM_DELQDISC, RTM_DELTCLASS, RTM_DELTFILTER, RTM_GETQDISC, RTM_GETTCLASS, RTM_GETTFILTER, RTM_NEWQDISC,
    RTM_NEWTCLASS, RTM_NEWTFILTER, RTNLGRP_TC,
};
pub use nl_core::message::TcMsg;
pub use object::TcObject;
pub use qdisc::{QdiscEntry, Qdiscs};
pub use size_table::SizeTable;
pub use tc::Tc;
pub use tc_handle::TcHandle;
pub use units::{Burst, LinkLayer, Overhead, Probability, Rate, Size, Time};
pub use verb::TcVerb;
