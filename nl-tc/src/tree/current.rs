use crate::TcHandle;
use crate::class::Class;
use crate::filter::Filter;
use crate::qdisc::Qdisc;

/// The current qdiscs, classes and filters of a device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    pub(super) index: u32,
    qdiscs: Vec<Qdisc>,
    classes: Vec<Class>,
    filters: Vec<Filter>,
}

impl Snapshot {
    /// The listed qdiscs and classes, of which those of the interface `index` are used.
    #[must_use]
    pub fn new(
        index: u32,
        qdiscs: impl IntoIterator<Item = Qdisc>,
        classes: impl IntoIterator<Item = Class>,
    ) -> Self {
        // A qdisc without a handle is a default qdisc of the kernel, which exists until another one is added.
        let qdiscs = qdiscs.into_iter().filter(|qdisc| qdisc.index == index && !qdisc.handle.is_none());
        let classes = classes.into_iter().filter(|class| class.index == index);
        Self { index, qdiscs: qdiscs.collect(), classes: classes.collect(), filters: Vec::new() }
    }

    /// The same with the listed filters, of which those that somebody added are used.
    #[must_use]
    pub fn with_filters(mut self, filters: impl IntoIterator<Item = Filter>) -> Self {
        let index = self.index;
        let filters = filters.into_iter().filter(|filter| filter.index == index && filter.is_added());
        self.filters = filters.collect();
        self
    }

    /// The qdiscs with a handle.
    #[must_use]
    pub fn qdiscs(&self) -> &[Qdisc] {
        &self.qdiscs
    }

    /// The classes.
    #[must_use]
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The filters that somebody added, of the places that were read.
    #[must_use]
    pub fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// The ingress or clsact qdisc.
    pub(super) fn ingress(&self) -> Option<&Qdisc> {
        self.qdiscs.iter().find(|qdisc| qdisc.parent == TcHandle::INGRESS)
    }

    /// The handles of this qdisc and all qdiscs below it.
    pub(super) fn below(&self, qdisc: &Qdisc) -> Vec<TcHandle> {
        let mut all = vec![qdisc.handle];
        let mut next = 0;
        while let Some(above) = all.get(next).copied() {
            let on = self.qdiscs.iter().filter(|q| q.parent.qdisc() == above && !q.parent.is_root());
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
