//! A tree of qdiscs, classes and filters as a description, which is applied with the fewest requests.
//!
#![cfg_attr(feature = "htb", doc = "```")]
#![cfg_attr(not(feature = "htb"), doc = "```ignore")]
//! use nl_tc::htb::{HtbClassConfig, HtbConfig};
//! use nl_tc::leaf::PfifoConfig;
//! use nl_tc::tree::{Snapshot, Tree};
//! use nl_tc::{Rate, TcHandle};
//!
//! let htb = TcHandle::new(1, 0);
//! let tree = Tree::new()
//!     .qdisc(TcHandle::ROOT, htb, HtbConfig::new().default_class(0x10))
//!     .class(htb, htb.class(1), HtbClassConfig::new(Rate::mbit(100)))
//!     .class(htb.class(1), htb.class(0x10), HtbClassConfig::new(Rate::mbit(30)).ceil(Rate::mbit(100)))
//!     .qdisc(htb.class(0x10), TcHandle::new(0x10, 0), PfifoConfig::new().limit(100));
//!
//! // On a device without qdiscs.
//! let plan = tree.plan(&Snapshot::new(5, [], []))?;
//! assert_eq!(plan.to_string().lines().next(), Some("add qdisc dev #5 root handle 1: htb default 10"));
//! assert_eq!(plan.steps().len(), 4);
//! # Ok::<(), nl_core::Error>(())
//! ```
//!
//! [`Tc::snapshot`](crate::Tc::snapshot) reads the current state. [`Tc::apply`](crate::Tc::apply) applies the tree. Applying it
//! again does nothing.
//!
//! A qdisc can stand on a class of the tree, on a band or queue of ets, prio, mq or mqprio, and below tbf, netem or red.
//!
//! # What is changed
//! Qdiscs and classes under the root of the device that are not in the tree are deleted. An empty tree deletes all of them.
//! An ingress or clsact qdisc is ignored unless the tree has one, its [blocks](Tree::ingress_block) unless the tree has some, and a
//! [size table](crate::SizeTable) unless [`Tree::stab`] sets one.
//!
//! Filters are ignored where the tree has none. Where it has [one](Tree::filter), all others are deleted. A filter is changed if its
//! kind can be; otherwise the new one is added before the old one is deleted, if both can be there. A class to which a filter points
//! cannot be deleted: such filters are deleted first, and added again if the class is. What another program adds meanwhile makes the
//! kernel answer `EBUSY`; [`Tc::apply`](crate::Tc::apply) then reads and plans again, three times in all. It does the same, after a
//! pause, if the kernel lacks a kind, because another program may be loading its module.
//!
//! [`Plan::gaps`] lists the times during which something is missing.
//!
//! An object is changed if a change can do it. Otherwise it is deleted and added again with everything below it: an HTB qdisc
//! with other options, a class under another parent, an HFSC class that loses a curve, a qdisc of another kind under the same
//! handle. The root class of HFSC cannot be deleted: if it loses a curve, the qdisc is added again. First all deletions are done,
//! children before parents. Then the other steps follow, parents before children.
//!
//! Unset options stay as they are, with one exception: an HTB leaf without a quantum gets the quantum of a new class. The
//! priority and quantum of an inner HTB class are ignored, because they have no effect and cannot be changed.

mod apply;
mod check;
mod current;
mod desired;
mod filters;
mod place;
mod plan;
mod planner;

pub use current::Snapshot;
pub use desired::Tree;
pub use plan::{Gap, Plan, Step};
