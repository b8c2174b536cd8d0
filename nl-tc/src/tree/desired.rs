use crate::TcHandle;
use crate::class::ClassConfig;
use crate::qdisc::QdiscConfig;

/// The desired qdiscs and classes under the root of a device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    pub(super) qdiscs: Vec<Entry<QdiscConfig>>,
    pub(super) classes: Vec<Entry<ClassConfig>>,
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
    #[must_use]
    pub fn qdisc(mut self, parent: TcHandle, handle: TcHandle, config: impl Into<QdiscConfig>) -> Self {
        self.qdiscs.push(Entry { parent, handle, config: config.into() });
        self
    }

    /// Adds a class under this class or qdisc.
    #[must_use]
    pub fn class(mut self, parent: TcHandle, handle: TcHandle, config: impl Into<ClassConfig>) -> Self {
        self.classes.push(Entry { parent, handle, config: config.into() });
        self
    }
}
