use crate::class::ClassConfig;
use crate::filter::Filter;
use crate::qdisc::QdiscConfig;
use crate::{SizeTable, TcHandle};

/// The desired qdiscs, classes and filters of a device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    pub(super) qdiscs: Vec<Entry<QdiscConfig>>,
    pub(super) classes: Vec<Entry<ClassConfig>>,
    /// The ingress or clsact qdisc; more than one is refused.
    pub(super) ingress: Vec<QdiscConfig>,
    pub(super) filters: Vec<Filter>,
    /// What has the filters of the tree and no others.
    pub(super) filtered: Vec<TcHandle>,
    pub(super) stab: Option<SizeTable>,
    /// Of the ingress or clsact qdisc.
    pub(super) ingress_block: Option<u32>,
    pub(super) egress_block: Option<u32>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry<T> {
    pub(super) parent: TcHandle,
    pub(super) handle: TcHandle,
    pub(super) config: T,
}

impl Tree {
    /// An empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a qdisc with this parent: [`ROOT`](TcHandle::ROOT), a class of the tree, a band or queue of a qdisc (`1:1` of ets, prio
    /// or mq), or the qdisc above (`1:` or `1:1` of tbf, netem or red, which have one qdisc below them). With the handle
    /// [`NONE`](TcHandle::NONE) the kernel chooses one; then the tree cannot have anything in the qdisc.
    ///
    /// An ingress or clsact qdisc has the parent [`CLSACT`](TcHandle::CLSACT), and [`NONE`](TcHandle::NONE) as its handle. A tree
    /// without one leaves it as it is. A tree of nothing else leaves the root as it is.
    #[must_use]
    pub fn qdisc(mut self, parent: TcHandle, handle: TcHandle, config: impl Into<QdiscConfig>) -> Self {
        match parent {
            TcHandle::INGRESS => self.ingress.push(config.into()),
            _ => self.qdiscs.push(Entry { parent, handle, config: config.into() }),
        }
        self
    }

    /// Adds a class under this class or qdisc.
    #[must_use]
    pub fn class(mut self, parent: TcHandle, handle: TcHandle, config: impl Into<ClassConfig>) -> Self {
        self.classes.push(Entry { parent, handle, config: config.into() });
        self
    }

    /// Adds a filter, of [`Filter::on`]. Its parent is a qdisc or a class of the tree, or [`CLSACT_INGRESS`](TcHandle::CLSACT_INGRESS)
    /// and [`CLSACT_EGRESS`](TcHandle::CLSACT_EGRESS) of its ingress or clsact qdisc. It needs a [priority](Filter::priority).
    ///
    #[cfg_attr(all(feature = "action", feature = "leaf"), doc = "```")]
    #[cfg_attr(not(all(feature = "action", feature = "leaf")), doc = "```ignore")]
    /// use nl_tc::TcHandle;
    /// use nl_tc::action::Mirred;
    /// use nl_tc::filter::{Filter, Matchall};
    /// use nl_tc::leaf::Ingress;
    /// use nl_tc::tree::Tree;
    ///
    /// let to_ifb = Matchall::actions([Mirred::redirect("ifb0")]);
    /// let filter = Filter::on(TcHandle::CLSACT_INGRESS, to_ifb).priority(1);
    /// let tree = Tree::new().qdisc(TcHandle::INGRESS, TcHandle::NONE, Ingress).filter(filter);
    /// ```
    ///
    /// Where the tree has a filter, other filters are deleted. Elsewhere they stay, unless a class is deleted that they point to.
    #[must_use]
    pub fn filter(mut self, mut filter: Filter) -> Self {
        if filter.parent == TcHandle::INGRESS.qdisc() {
            filter.parent = TcHandle::CLSACT_INGRESS;
        }
        if !self.filtered.contains(&filter.parent) {
            self.filtered.push(filter.parent);
        }
        self.filters.push(filter);
        self
    }

    /// Has no filters here but those of the tree: all others are deleted, also where the tree has none.
    #[must_use]
    pub fn no_other_filters(mut self, parent: TcHandle) -> Self {
        if !self.filtered.contains(&parent) {
            self.filtered.push(parent);
        }
        self
    }

    /// Has the ingress or clsact qdisc share the filters of this block on ingress, which are no part of the tree: see
    /// [`Tc::block_filter`](crate::Tc::block_filter). Unset: a block that is there stays, unless the tree has filters in its place. The
    /// kernel changes no block, so the qdisc is added again (`ingress_block`).
    ///
    #[cfg_attr(feature = "leaf", doc = "```")]
    #[cfg_attr(not(feature = "leaf"), doc = "```ignore")]
    /// use nl_tc::TcHandle;
    /// use nl_tc::leaf::Clsact;
    /// use nl_tc::tree::{Snapshot, Tree};
    ///
    /// let tree = Tree::new().qdisc(TcHandle::CLSACT, TcHandle::NONE, Clsact).ingress_block(22);
    /// let plan = tree.plan(&Snapshot::new(5, [], []))?;
    /// assert_eq!(plan.to_string(), "add qdisc dev #5 ingress_block 22 clsact\n");
    /// # Ok::<(), nl_core::Error>(())
    /// ```
    #[must_use]
    pub fn ingress_block(mut self, block: u32) -> Self {
        self.ingress_block = Some(block);
        self
    }

    /// The same on egress, for a clsact qdisc (`egress_block`).
    #[must_use]
    pub fn egress_block(mut self, block: u32) -> Self {
        self.egress_block = Some(block);
        self
    }

    /// Sets the size table of the root qdisc. Unset: a table that is there stays (`stab`).
    #[must_use]
    pub fn stab(mut self, table: SizeTable) -> Self {
        self.stab = Some(table);
        self
    }
}
