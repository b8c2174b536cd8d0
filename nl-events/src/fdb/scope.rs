use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use nl_core::addr::Dev;
use nl_core::link::Link;

/// The device that a watch is about: the one of an index, or whichever has a name.
///
/// It is shared by the parts of a watch, which run one after another.
#[derive(Clone, Debug)]
pub(super) struct Scope(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// What is followed; nothing if the watch is about one device and ends with it.
    name: Option<String>,
    /// The index it was found by, in case nothing is followed.
    first: u32,
    /// 0 while there is no such device.
    index: AtomicU32,
    is_gone: AtomicBool,
}

impl Scope {
    /// This device, until it is deleted.
    pub(super) fn of(link: &Link) -> Self {
        Self::new(None, link.index)
    }

    /// Whichever device has this name; at first the one of this index.
    pub(super) fn named(name: &str, index: Option<u32>) -> Self {
        Self::new(Some(name.to_owned()), index.unwrap_or(0))
    }

    fn new(name: Option<String>, index: u32) -> Self {
        let (first, is_gone) = (index, AtomicBool::new(false));
        Self(Arc::new(Shared { name, first, index: AtomicU32::new(index), is_gone }))
    }

    /// The index of the device, while it exists.
    pub(super) fn index(&self) -> Option<u32> {
        Some(self.0.index.load(Ordering::Relaxed)).filter(|index| *index != 0)
    }

    /// Whether it was deleted or has left the namespace and no other one is followed.
    pub(super) fn is_gone(&self) -> bool {
        self.0.is_gone.load(Ordering::Relaxed)
    }

    /// The device to ask for.
    pub(super) fn dev(&self) -> Dev {
        match &self.0.name {
            Some(name) => name.as_str().into(),
            None => self.0.first.into(),
        }
    }

    /// The kernel has this device. One with the index of a device that is gone is another one.
    pub(super) fn found(&self, link: &Link) {
        // A device is also found by an alternative name.
        if self.is_gone() || self.0.name.as_ref().is_some_and(|name| **name != *link.name) {
            return self.lost();
        }
        self.0.index.store(link.index, Ordering::Relaxed);
    }

    /// The kernel does not have the device.
    pub(super) fn lost(&self) {
        self.0.index.store(0, Ordering::Relaxed);
        if self.0.name.is_none() {
            self.0.is_gone.store(true, Ordering::Relaxed);
        }
    }

    /// Whether an event of a device is about which one is watched, or about where it is.
    pub(super) fn is_touched_by(&self, link: &Link, is_deleted: bool, is_new: bool) -> bool {
        let is_own = self.index() == Some(link.index);
        let has_name = self.0.name.as_ref().is_some_and(|name| **name == *link.name);
        let follows = self.0.name.is_some();
        if is_deleted && is_own && !follows {
            self.0.is_gone.store(true, Ordering::Relaxed);
        }
        match is_own {
            true => is_deleted || is_new || follows && !has_name,
            false => has_name && !is_deleted,
        }
    }
}
