use std::ops::Range;
use std::task::{Context, Poll, ready};

use super::{Buffer, Datagram, Socket};
use crate::attr::DecodeError;
use crate::error::Result;
use crate::message::{MessageRef, Messages};

/// Reads the messages of one datagram after another. Holds a buffer only while something in it is unread.
#[derive(Default)]
pub(crate) struct Reader {
    buffer: Option<Buffer>,
    unread: Range<usize>,
    /// Datagrams are events of `NETLINK_ROUTE`.
    events: bool,
    /// Datagrams may be of any size.
    whole: bool,
    sensitive: bool,
    /// The least size of a buffer.
    room: usize,
    /// The id of the namespace of the last datagram, if it has one.
    nsid: Option<u32>,
}

impl Reader {
    /// For dumps, whose datagrams have a limit. One over it is an error, and [`grow`](Self::grow) makes room for it.
    pub(crate) fn new(sensitive: bool) -> Self {
        Self { sensitive, ..Self::default() }
    }

    /// For events of `NETLINK_ROUTE`, which can be larger than the datagrams of a dump.
    pub(crate) fn for_events() -> Self {
        Self { events: true, ..Self::default() }
    }

    /// For datagrams of any size, which costs one more system call for each.
    pub(crate) fn whole() -> Self {
        Self { whole: true, ..Self::default() }
    }

    /// The next message, `None` when all that was received has been read.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Result<MessageRef<'_>, DecodeError>> {
        if self.unread.is_empty() {
            return None;
        }
        let buffer = self.buffer.as_deref()?;
        let mut messages = Messages::new(buffer.get(self.unread.clone()).unwrap_or_default());
        let nsid = self.nsid;
        let message = messages.next()?.map(|message| message.in_namespace(nsid));
        match &message {
            Ok(_) => self.unread.start = self.unread.end - messages.as_bytes().len(),
            // Behind a wrong length nothing can be found.
            Err(_) => self.unread = 0..0,
        }
        Some(message)
    }

    /// Receives the next datagram and returns its size.
    #[inline]
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>, socket: &Socket) -> Poll<Result<usize>> {
        let (sensitive, room, events) = (self.sensitive, self.room, self.events);
        let buffer = self.buffer.get_or_insert_with(|| {
            let mut buffer = if events { Buffer::take_for_events() } else { Buffer::take() };
            if sensitive {
                buffer.set_sensitive();
            }
            buffer.grow(room);
            buffer
        });
        let received = socket.poll_receive(cx, buffer, self.whole);
        if received.is_pending() {
            self.buffer = None;
        }
        let Datagram { size, nsid } = ready!(received)?;
        self.unread = 0..size;
        // What is below 0 is no id.
        self.nsid = u32::try_from(nsid).ok();
        Poll::Ready(Ok(size))
    }

    /// Makes room for datagrams of this size, and discards what is unread.
    pub(crate) fn grow(&mut self, size: usize) {
        self.room = size;
        self.buffer = None;
        self.unread = 0..0;
    }

    /// Discards what is unread, and says whether there was anything.
    pub(crate) fn clear(&mut self) -> bool {
        !std::mem::replace(&mut self.unread, 0..0).is_empty()
    }
}
