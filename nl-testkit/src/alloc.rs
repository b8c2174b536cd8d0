//! A global allocator that counts, and that finds secrets in memory that is given back.
//!
//! For a test binary of its own, because there is one allocator in a program:
//!
//! ```
//! use nl_testkit::alloc::Watching;
//!
//! #[global_allocator]
//! static ALLOCATOR: Watching = Watching::new();
//!
//! # fn main() {
//! let bytes = ALLOCATOR.count(|| drop(vec![0_u8; 1000]));
//! assert_eq!((bytes.kept, bytes.peak), (0, 1000));
//!
//! let key = [0xab; 16];
//! assert_eq!(ALLOCATOR.find(&key, || drop(key.to_vec())), 1);
//! # }
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, watched.
#[derive(Debug)]
pub struct Watching {
    /// What to look for in freed blocks: a pointer and a length, null for nothing.
    pattern: AtomicPtr<u8>,
    pattern_len: AtomicUsize,
    found: AtomicUsize,
    one_at_a_time: Mutex<()>,
}

/// What became of memory while something ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// How much more is allocated than before.
    pub kept: isize,
    /// How much more was allocated than before, at most.
    pub peak: isize,
}

impl Watching {
    /// For a `static` with `#[global_allocator]`.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it is made once, in a static")]
    pub const fn new() -> Self {
        Self {
            pattern: AtomicPtr::new(std::ptr::null_mut()),
            pattern_len: AtomicUsize::new(0),
            found: AtomicUsize::new(0),
            one_at_a_time: Mutex::new(()),
        }
    }

    /// Runs `f` and counts the bytes that the calling thread allocates and frees.
    pub fn count(&self, f: impl FnOnce()) -> Bytes {
        let before = LIVE.get();
        PEAK.set(before);
        f();
        Bytes { kept: LIVE.get() - before, peak: PEAK.get() - before }
    }

    /// Runs `f` and returns how many blocks any thread freed, or moved, that still held `secret`.
    pub fn find(&self, secret: &[u8], f: impl FnOnce()) -> usize {
        let _alone = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        self.found.store(0, Ordering::SeqCst);
        self.pattern_len.store(secret.len(), Ordering::SeqCst);
        self.pattern.store(secret.as_ptr().cast_mut(), Ordering::SeqCst);
        f();
        self.pattern.store(std::ptr::null_mut(), Ordering::SeqCst);
        self.found.load(Ordering::SeqCst)
    }

    /// # Safety
    /// `block` has `size` bytes that may be read.
    unsafe fn look(&self, block: *const u8, size: usize) {
        let pattern = self.pattern.load(Ordering::SeqCst);
        if pattern.is_null() {
            return;
        }
        // SAFETY: `find` keeps the pattern borrowed until it has put null in its place. The caller vouches for the block; bytes
        // that were never written are whatever the system's allocator left there.
        let (pattern, block) = unsafe {
            (
                std::slice::from_raw_parts(pattern, self.pattern_len.load(Ordering::SeqCst)),
                std::slice::from_raw_parts(block, size),
            )
        };
        if block.windows(pattern.len().max(1)).any(|window| window == pattern) {
            self.found.fetch_add(1, Ordering::SeqCst);
        }
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

// SAFETY: everything is left to the system's allocator; blocks are read before they are given back to it.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        changed(layout.size(), 1);
        // SAFETY: the caller's promise. Zeroed, so that looking at a block never reads memory that was not written.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is the caller's until it is given back below.
        unsafe {
            self.look(block, layout.size());
            System.dealloc(block, layout);
        }
        changed(layout.size(), -1);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size is a valid one for this alignment.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // Always moved, as it may be anywhere: the old block is looked at.
        // SAFETY: both blocks have at least as many bytes as are copied, and do not overlap.
        unsafe {
            let new = self.alloc(new_layout);
            if !new.is_null() {
                std::ptr::copy_nonoverlapping(block, new, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}
