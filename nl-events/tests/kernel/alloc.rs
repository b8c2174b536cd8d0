//! A global allocator that counts what a thread allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

#[derive(Debug)]
pub(crate) struct Counting;

/// What became of memory while something ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes {
    /// How much more is allocated than before.
    pub(crate) kept: isize,
    /// How much more was allocated than before, at most.
    pub(crate) peak: isize,
}

impl Counting {
    /// Runs `f` and counts the bytes that the calling thread allocates and frees.
    pub(crate) fn count<T>(f: impl FnOnce() -> T) -> (T, Bytes) {
        let before = LIVE.get();
        PEAK.set(before);
        let result = f();
        (result, Bytes { kept: LIVE.get() - before, peak: PEAK.get() - before })
    }
}

fn changed(size: usize, sign: isize) {
    let size = isize::try_from(size).unwrap_or(isize::MAX) * sign;
    // While a thread ends, nobody counts.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + size);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: everything is left to the system's allocator. A block that grows counts beside the old one until it is copied, which is
// what `GlobalAlloc::realloc` does by default.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        changed(layout.size(), 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        changed(layout.size(), -1);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}
