//! A tree of qdiscs and classes, described once and brought about with the fewest requests.
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
//! // On a device that has nothing yet.
//! let plan = tree.plan(&Snapshot::new(5, [], []))?;
//! assert_eq!(plan.to_string().lines().next(), Some("add qdisc dev #5 root handle 1: htb default 10"));
//! assert_eq!(plan.steps().len(), 4);
//! # Ok::<(), nl_core::Error>(())
//! ```
//!
//! With the handle: [`Tc::snapshot`](crate::Tc::snapshot) reads what is there, [`Tc::apply`](crate::Tc::apply) brings the tree
//! about. Applying it again does nothing.
//!
//! # What is done, and what not
//! What is under the root of the device and not in the tree is removed; an empty tree removes everything. What comes in (ingress,
//! clsact) and filters are not looked at, nor is a [size table](crate::SizeTable), which stays where its qdisc is changed. A
//! class that a filter points to cannot be deleted: the kernel says `EBUSY`, and what was done before that stays.
//!
//! An object is changed where a change does it. It is deleted and made anew, with all below it, only where none does: an HTB
//! qdisc with other options, a class under another parent, an HFSC class that loses a curve, a qdisc of another kind under the
//! same name. The class that an HFSC qdisc itself is cannot be deleted: where that loses a curve, the qdisc is made anew. First everything is deleted that has to go, children before parents; then the rest is made and changed, parents
//! before children.
//!
//! What a configuration leaves to the kernel is left as it is, with one exception: an HTB leaf without a quantum gets the one the
//! kernel would give a new one. Of an inner HTB class, priority and quantum are not looked at, for they have no effect and cannot
//! be changed.

mod apply;
mod check;
mod plan;

use std::fmt;

use crate::class::{Class, ClassConfig};
use crate::qdisc::{Qdisc, QdiscConfig};
use crate::{TcHandle, TcVerb};

pub use plan::Step;

/// A description of what is to be under the root of a device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    qdiscs: Vec<Entry<QdiscConfig>>,
    classes: Vec<Entry<ClassConfig>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry<T> {
    parent: TcHandle,
    handle: TcHandle,
    config: T,
}

impl Tree {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a qdisc in this place: [`ROOT`](TcHandle::ROOT) or a class. Without a name ([`NONE`](TcHandle::NONE)) the kernel
    /// picks one; then there can be no classes in it.
    #[must_use]
    pub fn qdisc(mut self, parent: TcHandle, handle: TcHandle, config: impl Into<QdiscConfig>) -> Self {
        self.qdiscs.push(Entry { parent, handle, config: config.into() });
        self
    }

    /// With a class under this class or qdisc.
    #[must_use]
    pub fn class(mut self, parent: TcHandle, handle: TcHandle, config: impl Into<ClassConfig>) -> Self {
        self.classes.push(Entry { parent, handle, config: config.into() });
        self
    }

    /// What has to be done where this is there.
    ///
    /// # Errors
    /// The tree cannot be: something in it hangs in the air, is there twice, is of another kind than its qdisc, or would be
    /// [refused](nl_core::Request::invalid_if).
    pub fn plan(&self, now: &Snapshot) -> nl_core::Result<Plan> {
        self.check()?;
        let plan = plan::plan(self, now);
        for (verb, object) in &plan.steps {
            object.request(*verb).encoded()?;
        }
        Ok(plan)
    }
}

/// What is on a device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    index: u32,
    qdiscs: Vec<Qdisc>,
    classes: Vec<Class>,
}

impl Snapshot {
    /// Of the interface `index`, as it was listed.
    #[must_use]
    pub fn new(
        index: u32,
        qdiscs: impl IntoIterator<Item = Qdisc>,
        classes: impl IntoIterator<Item = Class>,
    ) -> Self {
        // What has no name is the kernel's own, and there as long as nothing else is.
        let qdiscs = qdiscs.into_iter().filter(|qdisc| qdisc.index == index && !qdisc.handle.is_none());
        let classes = classes.into_iter().filter(|class| class.index == index);
        Self { index, qdiscs: qdiscs.collect(), classes: classes.collect() }
    }

    /// The qdiscs that have names.
    #[must_use]
    pub fn qdiscs(&self) -> &[Qdisc] {
        &self.qdiscs
    }

    /// The classes.
    #[must_use]
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The names of the qdiscs below this one, and its own.
    fn below(&self, qdisc: &Qdisc) -> Vec<TcHandle> {
        let mut all = vec![qdisc.handle];
        let mut next = 0;
        while let Some(above) = all.get(next).copied() {
            let on = self.qdiscs.iter().filter(|q| q.parent.qdisc() == above && q.parent.minor() != 0);
            for handle in on.map(|q| q.handle) {
                if !all.contains(&handle) {
                    all.push(handle);
                }
            }
            next += 1;
        }
        all
    }
}

/// What has to be done, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    steps: Vec<Step>,
}

impl Plan {
    /// The requests, in the order in which they have to be made.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether everything is as it should be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl IntoIterator for Plan {
    type Item = Step;
    type IntoIter = std::vec::IntoIter<Step>;

    fn into_iter(self) -> Self::IntoIter {
        self.steps.into_iter()
    }
}

/// Commands of `tc`, one a line, with `#5` in place of the name of interface 5.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (verb, object) in &self.steps {
            writeln!(f, "{verb} {object}")?;
        }
        Ok(())
    }
}

/// Whether a change can make what is there into what is wanted.
fn changes_into(wanted: &ClassConfig, there: &ClassConfig) -> bool {
    match (wanted, there) {
        #[cfg(feature = "hfsc")]
        (ClassConfig::Hfsc(wanted), ClassConfig::Hfsc(there)) => {
            (wanted.real_time.is_some() || there.real_time.is_none())
                && (wanted.link_share.is_some() || there.link_share.is_none())
                && (wanted.upper_limit.is_some() || there.upper_limit.is_none())
        }
        (wanted, there) => wanted.kind() == there.kind(),
    }
}

/// The change that makes what is there into what is wanted, if there is one.
fn change_of(wanted: &QdiscConfig, there: &QdiscConfig) -> Option<QdiscConfig> {
    match (wanted, there) {
        #[cfg(feature = "leaf")]
        (QdiscConfig::FqCodel(wanted), QdiscConfig::FqCodel(there)) => {
            // The number of flows cannot be changed, nor repeated.
            let same = wanted.flows.is_none() || wanted.flows == there.flows;
            same.then(|| {
                let mut change = wanted.clone();
                change.flows = None;
                change.into()
            })
        }
        (wanted, _) if matches!(wanted.kind(), "htb" | "drr" | "qfq") => None,
        (wanted, there) => (wanted.kind() == there.kind()).then(|| wanted.clone()),
    }
}

/// The verb for a class that is there from the beginning, or not.
fn verb_of_new(handle: TcHandle, kind: &str) -> TcVerb {
    match kind {
        "ets" => TcVerb::Change,
        "hfsc" if handle.minor() == 0 => TcVerb::Change,
        _ => TcVerb::Add,
    }
}
