use std::ops::Range;
use std::task::{Context, Poll, ready};

use super::buffer::{EVENTS_LEN, EVENTS_STRIDE};
use super::{Buffer, Datagram, MAX_SKIPPED, Socket, accept, is_loss};
use crate::attr::DecodeError;
use crate::error::{Error, Result};
use crate::message::{MessageRef, Messages};
use crate::sys::{MANY, Received};

/// Reads the messages of one datagram after another. Holds a buffer only while something in it is unread.
#[derive(Default)]
pub(crate) struct Reader {
    buffer: Option<Buffer>,
    unread: Range<usize>,
    /// Datagrams are events of `NETLINK_ROUTE`, of which many are received at once.
    events: Option<Box<Queue>>,
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
        Self { events: Some(Box::default()), ..Self::default() }
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
        if self.events.as_ref().is_some_and(|queue| self.room == 0 || !queue.is_empty()) {
            return self.poll_fill_many(cx, socket);
        }
        let (sensitive, room) = (self.sensitive, self.room);
        let buffer = self.buffer.get_or_insert_with(|| {
            let mut buffer = Buffer::take();
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
        self.filled(0, size, nsid);
        Poll::Ready(Ok(size))
    }

    /// The same for events.
    #[inline]
    fn poll_fill_many(&mut self, cx: &mut Context<'_>, socket: &Socket) -> Poll<Result<usize>> {
        let Some(queue) = &mut self.events else { return Poll::Pending };
        for _ in 0..MAX_SKIPPED {
            let buffer = self.buffer.get_or_insert_with(Buffer::take_for_many_events);
            let mut outcome = Ok(Received::default());
            let mut start = 0;
            if queue.is_empty() {
                match socket.poll_receive_events(cx, buffer, queue.room()) {
                    Poll::Ready(Ok(count)) => queue.filled(count),
                    Poll::Ready(Err(error)) => outcome = Err(error),
                    Poll::Pending => {
                        queue.shrink();
                        self.buffer = None;
                        return Poll::Pending;
                    }
                }
            }
            if let Some((slot, received)) = queue.next() {
                start = slot * EVENTS_STRIDE;
                let bytes = buffer.get(start..start + received.size.min(EVENTS_LEN)).unwrap_or_default();
                outcome = socket.transport().simulated_error(bytes).map(|()| received).map_err(Error::from);
            }
            match accept(outcome, EVENTS_LEN) {
                None => {}
                Some(Ok(Datagram { size, nsid })) => {
                    self.filled(start, size, nsid);
                    return Poll::Ready(Ok(size));
                }
                Some(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn filled(&mut self, start: usize, size: usize, nsid: i32) {
        self.unread = start..start + size;
        // What is below 0 is no id.
        self.nsid = u32::try_from(nsid).ok();
    }

    /// Makes room for datagrams of this size, and discards what is unread of the last one.
    pub(crate) fn grow(&mut self, size: usize) {
        self.room = size;
        self.unread = 0..0;
        if self.events.as_ref().is_none_or(|queue| queue.is_empty()) {
            self.buffer = None;
        }
    }

    /// Discards what is unread, and says whether there was anything.
    pub(crate) fn clear(&mut self) -> bool {
        !std::mem::replace(&mut self.unread, 0..0).is_empty()
    }

    /// The same for all datagrams of events that were received.
    ///
    /// # Errors
    /// What a simulated kernel had sent in place of an error, unless it is one of lost events.
    pub(crate) fn clear_events(&mut self, socket: &Socket) -> Result<bool> {
        let mut any = self.clear();
        while let Some((slot, received)) = self.events.as_mut().and_then(|queue| queue.next()) {
            any = true;
            let start = slot * EVENTS_STRIDE;
            let bytes = self.buffer.as_deref().and_then(|bytes| bytes.get(start..start + received.size));
            match socket.transport().simulated_error(bytes.unwrap_or_default()) {
                Err(error) if !is_loss(&error) => return Err(error.into()),
                _ => {}
            }
        }
        Ok(any)
    }
}

/// The datagrams that were received together, of which some are not read yet.
#[derive(Default)]
struct Queue {
    received: [Received; MANY],
    next: usize,
    filled: usize,
    /// How many are received at once, apart from one: more and more while events arrive faster than they are read.
    more: usize,
}

impl Queue {
    const fn is_empty(&self) -> bool {
        self.next == self.filled
    }

    /// The place of the next one and what is known of it.
    #[inline]
    fn next(&mut self) -> Option<(usize, Received)> {
        let slot = self.next;
        let received = *self.received.get(..self.filled)?.get(slot)?;
        self.next += 1;
        Some((slot, received))
    }

    /// For as many as are to be received.
    fn room(&mut self) -> &mut [Received] {
        self.received.get_mut(..=self.more).unwrap_or_default()
    }

    fn filled(&mut self, count: usize) {
        // One that comes alone costs no attempt to receive others with it.
        self.more = (2 * self.more + 1).min(MANY - 1);
        (self.next, self.filled) = (0, count);
    }

    fn shrink(&mut self) {
        self.more = 0;
    }
}
