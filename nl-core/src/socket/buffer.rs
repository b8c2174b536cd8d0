//! Receive buffers, shared by everything a thread receives.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::thread::LocalKey;

use zeroize::Zeroize;

use crate::sys::MANY;

/// The kernel fills no more than this with one datagram of a dump. Other messages may be larger.
pub(crate) const RECEIVE_LEN: usize = 32 * 1024;

/// Room for a datagram of events of `NETLINK_ROUTE`: an attribute has less than 64 KiB, and no message has two that come near that.
pub(crate) const EVENTS_LEN: usize = 128 * 1024;

/// Where one datagram of a buffer for many begins behind the one before it: its room, and so much that the datagrams do not share
/// places in the processor's cache.
pub(crate) const EVENTS_STRIDE: usize = EVENTS_LEN + 4096 + 320;

const MANY_EVENTS_LEN: usize = MANY * EVENTS_STRIDE;

/// How many idle buffers of each size a thread keeps.
const MAX_IDLE: usize = 4;

type Idle = RefCell<Vec<Vec<u8>>>;

thread_local! {
    static IDLE: Idle = const { RefCell::new(Vec::new()) };
    /// What no datagram has reached yet takes no memory.
    static IDLE_FOR_EVENTS: Idle = const { RefCell::new(Vec::new()) };
    static IDLE_FOR_MANY_EVENTS: Idle = const { RefCell::new(Vec::new()) };
}

/// A receive buffer. It goes back to its thread when dropped, so an idle socket has none.
#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    sensitive: bool,
}

impl Buffer {
    /// A buffer of [`RECEIVE_LEN`] bytes.
    pub(crate) fn take() -> Self {
        Self::take_from(&IDLE, RECEIVE_LEN)
    }

    /// A buffer of [`EVENTS_LEN`] bytes.
    pub(crate) fn take_for_events() -> Self {
        Self::take_from(&IDLE_FOR_EVENTS, EVENTS_LEN)
    }

    /// A buffer for [`MANY`] datagrams of [`EVENTS_LEN`] bytes, one each [`EVENTS_STRIDE`] bytes.
    pub(crate) fn take_for_many_events() -> Self {
        Self::take_from(&IDLE_FOR_MANY_EVENTS, MANY_EVENTS_LEN)
    }

    fn take_from(idle: &'static LocalKey<Idle>, len: usize) -> Self {
        let idle = idle.try_with(|idle| idle.borrow_mut().pop()).ok().flatten();
        Self { bytes: idle.unwrap_or_else(|| vec![0; len]), sensitive: false }
    }

    /// Zeroes what was received when the buffer is dropped.
    pub(crate) fn set_sensitive(&mut self) {
        self.sensitive = true;
    }

    /// Makes room for a datagram as [`take_for_events`](Self::take_for_events) has it.
    pub(crate) fn make_room_for_events(&mut self) {
        if self.bytes.len() < EVENTS_LEN {
            let mut larger = Self::take_for_events();
            larger.sensitive = self.sensitive;
            *self = larger;
        }
    }

    /// Makes room for a datagram of this size.
    pub(crate) fn grow(&mut self, size: usize) {
        if self.bytes.len() < size {
            if self.sensitive {
                self.bytes.zeroize();
            }
            self.bytes = vec![0; size];
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.sensitive {
            self.bytes.as_mut_slice().zeroize();
        }
        let idle = match self.bytes.len() {
            RECEIVE_LEN => &IDLE,
            EVENTS_LEN => &IDLE_FOR_EVENTS,
            MANY_EVENTS_LEN => &IDLE_FOR_MANY_EVENTS,
            _ => return,
        };
        let bytes = std::mem::take(&mut self.bytes);
        // While the thread ends there is no place to keep it.
        let _ = idle.try_with(|idle| {
            let mut idle = idle.borrow_mut();
            if idle.len() < MAX_IDLE {
                idle.push(bytes);
            }
        });
    }
}
