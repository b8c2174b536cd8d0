//! Listing a table: a stream of decoded entries, in constant memory however large the table is.
//!
//! ```no_run
//! use futures_util::TryStreamExt;
//! use nl_core::connection::{Connection, Protocol};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let conn = Connection::open(Protocol::Route)?;
//! let mut links = conn.links();
//! while let Some(link) = links.try_next().await? {
//!     println!("{}: {}", link.index, link.name);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Each dump has its own socket, because the kernel runs one per socket and answers `EBUSY` to a second. The socket of a dump
//! that was read to its end is used again. The kernel produces the next piece only when the last was read, so a slow reader
//! costs no memory. Dropping the stream earlier closes the socket, and that cancels the dump in the kernel.
//!
//! A dump is a `Stream`; under feature `blocking` also an `IntoIterator`, for `for` loops without a runtime. Of a table of hundreds of
//! thousands of entries, [`Dump::visit`] shows each without moving it.
//!
//! # Consistency
//! A table may change while it is read. Some parts of the kernel notice and mark the dump
//! (`NLM_F_DUMP_INTR`): links, addresses unless those of one device are asked for, nexthops and statistics do; neighbours, the FDB, routes
//! and traffic control do not. If that happens before anything was yielded the rest is skipped and the dump is started again, up to
//! [`MAX_RESTARTS`] times; afterwards the entries are yielded to the end and then
//! [`Interrupted`](crate::error::ErrorKind::Interrupted) follows. [`Dump::collect_all`] yields nothing before the
//! end and so can always start again; after a limited number of attempts it fails, and [`Dump::collect_partial`] returns what the last one had.

mod partial;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

pub use partial::Partial;

use crate::attr::DecodeError;
use crate::error::{Error, ErrorKind, Result, decode_done, decode_error};
use crate::message::{MessageRef, NLM_F_DUMP, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP};
use crate::pending::Pending;
use crate::request::Request;
use crate::socket::{Deadline, Pool, Pooled, Reader, Turn};
use crate::trace::RequestSpan;

/// How often a dump that was interrupted is started again.
pub const MAX_RESTARTS: u32 = 8;

/// After this many bytes other tasks of the runtime get a turn: a full datagram is about 32 KiB, and the end of a short list
/// is a datagram of its own.
const BYTES_PER_TURN: usize = 8 * 1024;

/// A table being listed: a `Stream` of `Result<T>`.
///
/// An entry that cannot be decoded is an `Err` in its place, and the stream goes on behind it. Errors of the
/// kernel, of the socket and of time end the stream.
#[must_use = "a dump asks nothing until it is polled"]
pub struct Dump<T> {
    pool: Pool,
    request: Request,
    decode: Decoder<T>,
    /// What else was in the message that was decoded last.
    queued: std::vec::IntoIter<T>,
    /// What ended the reading of that message, to be yielded behind its entries.
    behind: Option<DecodeError>,
    per_message: usize,
    state: State,
    reader: Reader,
    /// What [`has_entries`](Self::has_entries) read.
    first: Option<Option<Result<T>>>,
    yielded: bool,
    interrupted: bool,
    /// What is left of an interrupted dump of which nothing was yielded is not decoded.
    skipping: bool,
    restarts: u32,
    /// Nothing is yielded before the end, so that the list can always be read again.
    collecting: bool,
    span: RequestSpan,
    /// Received since other tasks last had a turn.
    received: usize,
    turn: Turn,
    deadline: Deadline,
}

/// How a message of the answer is read.
pub(crate) enum Decoder<T> {
    /// It is one entry, or to be skipped.
    One(DecodeInto<T>),
    /// It has any number of entries, which are pushed.
    Each(DecodeEach<T>),
}

/// Where an entry is decoded, in the form in which it is yielded: a change of form copies it. `Pending` is an empty slot; an entry that
/// was skipped or [visited](Dump::visit) stays until the next one, which may use its memory.
pub(crate) type Slot<T> = Poll<Option<Result<T>>>;

/// Reads the entry of one message, and returns whether it is to be yielded: then it is in the slot.
pub(crate) type DecodeInto<T> =
    Box<dyn FnMut(MessageRef<'_>, &mut Slot<T>) -> Result<bool, DecodeError> + Send>;

/// Reads the entries of one message.
pub(crate) type DecodeEach<T> = Box<dyn FnMut(MessageRef<'_>, &mut Vec<T>) -> Result<(), DecodeError> + Send>;

#[derive(Debug)]
enum State {
    /// To be asked on this socket, or on one of the pool.
    Unsent(Option<Pooled>),
    Reading(Pooled, u32),
    /// Read to its end, and about to be asked again on the same socket.
    Again(Pooled),
    Ended,
    /// Refused before it began.
    Failed(Option<Error>),
}

impl<T> Dump<T> {
    pub(crate) fn new(pool: Pool, timeout: Option<Duration>, request: Request, decode: Decoder<T>) -> Self {
        Self {
            pool,
            reader: Reader::new(request.is_sensitive()),
            request: request.with_flags(NLM_F_DUMP),
            decode,
            queued: Vec::new().into_iter(),
            behind: None,
            per_message: 0,
            state: State::Unsent(None),
            first: None,
            yielded: false,
            interrupted: false,
            skipping: false,
            restarts: 0,
            collecting: false,
            span: RequestSpan::new(),
            received: 0,
            turn: Turn::default(),
            deadline: Deadline::new(timeout),
        }
    }

    /// A dump that yields nothing but this error.
    pub fn failed(mut self, error: Error) -> Self {
        self.state = State::Failed(Some(error));
        self
    }

    /// Waits for the first entry, which is kept, and returns whether there is one.
    ///
    /// For lists with a filter, where an empty list or an error may mean that the filter was wrong: that is then looked at, and a
    /// list with entries costs nothing more.
    pub async fn has_entries(&mut self) -> bool
    where
        T: Send,
    {
        if self.first.is_none() {
            let first = poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await;
            self.first = Some(first);
        }
        matches!(self.first, Some(Some(Ok(_))))
    }

    /// The next entry, for the steps of an operation; `None` at the end.
    #[cfg(feature = "route")]
    pub(crate) async fn next_entry(&mut self) -> Option<Result<T>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Reads to the end and returns the whole table, started again if it was interrupted.
    ///
    /// # Errors
    /// The first entry that cannot be decoded, or what ended the stream early.
    pub fn collect_all(mut self) -> Pending<Vec<T>>
    where
        T: Send + 'static,
    {
        Pending::new(async move {
            let mut all = Vec::new();
            self.gather(&mut all).await?;
            Ok(all)
        })
    }

    /// As [`collect_all`](Self::collect_all), for callers to whom a part of a table is better than none: an error comes with what was
    /// read.
    ///
    /// ```no_run
    /// use nl_core::Connection;
    ///
    /// # async fn example(conn: Connection) -> nl_core::Result<()> {
    /// let links = conn.links().collect_partial().await?;
    /// match &links.error {
    ///     None => println!("{} devices", links.entries.len()),
    ///     // Devices came and went during each of the attempts.
    ///     Some(error) if error.is_interrupted() => println!("about {} devices", links.entries.len()),
    ///     Some(_) => drop(links.into_result()?),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// None; what goes wrong is in [`Partial::error`].
    pub fn collect_partial(mut self) -> Pending<Partial<T>>
    where
        T: Send + 'static,
    {
        Pending::new(async move {
            let mut entries = Vec::new();
            let error = self.gather(&mut entries).await.err();
            Ok(Partial { entries, error })
        })
    }

    /// Reads to the end, again if it was interrupted.
    async fn gather(&mut self, all: &mut Vec<T>) -> Result<()> {
        self.collecting = true;
        loop {
            match poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await {
                None => return Ok(()),
                Some(Ok(entry)) => all.push(entry),
                Some(Err(error)) if self.can_restart(&error) => {
                    all.clear();
                    self.yielded = false;
                    self.restart();
                }
                Some(Err(error)) => return Err(error),
            }
        }
    }

    /// Reads to the end, and shows each entry to `look` in the place where it was decoded. Returns what `look` made of `start`.
    ///
    /// A stream moves each entry several times on its way to the caller, and each has heap memory of its own. For large entries, such as
    /// routes, that is a good part of what the list costs; this moves none, and routes are read into the memory of the one before.
    ///
    /// ```no_run
    /// use nl_core::Connection;
    ///
    /// # async fn example(conn: Connection) -> nl_core::Result<()> {
    /// let highest: u32 = conn.links().visit(0, |highest, link| *highest = link.index.max(*highest)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The first entry that cannot be decoded, or what ended the stream early. A list that was interrupted after `look` had seen something
    /// is not started again.
    pub fn visit<S: Send + 'static>(
        mut self,
        start: S,
        mut look: impl FnMut(&mut S, &T) + Send + 'static,
    ) -> Pending<S>
    where
        T: Send + 'static,
    {
        Pending::new(async move {
            let (mut slot, mut state) = (Poll::Pending, start);
            poll_fn(|cx| {
                loop {
                    self.fill(&mut slot, cx);
                    if let Poll::Ready(Some(Ok(entry))) = &slot {
                        look(&mut state, entry);
                        continue;
                    }
                    let last = std::mem::replace(&mut slot, Poll::Pending);
                    return last.map(|last| match last {
                        Some(Err(error)) => Err(error),
                        _ => Ok(()),
                    });
                }
            })
            .await?;
            Ok(state)
        })
    }

    fn can_restart(&mut self, error: &Error) -> bool {
        if let ErrorKind::Truncated { size, .. } = error.kind() {
            self.reader.grow(*size);
        }
        self.may_restart(error)
    }

    fn may_restart(&self, error: &Error) -> bool {
        let temporary = error.is_interrupted() || matches!(error.kind(), ErrorKind::Truncated { .. });
        temporary && self.restarts < MAX_RESTARTS
    }

    /// Asks again, on the same socket if its dump was read to the end. The kernel's buffer for a dump is as large as the largest receive
    /// buffer that the socket has used, and on a new socket so small that a large entry may not fit.
    fn restart(&mut self) {
        self.restarts += 1;
        self.span.listed_again(self.restarts);
        (self.interrupted, self.skipping) = (false, false);
        self.reader.clear();
        self.queued = Vec::new().into_iter();
        self.behind = None;
        self.state = State::Unsent(match std::mem::replace(&mut self.state, State::Ended) {
            State::Again(socket) => Some(socket),
            _ => None,
        });
    }

    fn start(&mut self) -> Result<()> {
        let same = match &mut self.state {
            State::Unsent(socket) => socket.take(),
            _ => None,
        };
        let taken = same.map_or_else(|| self.pool.take(), Ok);
        let request = &self.request;
        self.span.begin_list(|| match &taken {
            Ok(socket) => socket.with_device_names(request.describe()),
            Err(_) => request.describe(),
        });
        let mut socket = taken?;
        let seq = socket.next_seq();
        self.request.prepare(0, seq, |len| socket.send_room(len))?;
        socket.send(self.request.as_prepared())?;
        self.state = State::Reading(socket, seq);
        Ok(())
    }

    /// Reads messages until one means something; an entry is put into the slot.
    #[inline]
    fn read(&mut self, own: u32, slot: &mut Slot<T>) -> Step {
        if self.take_queued(slot) {
            return Step::Yield;
        }
        while let Some(message) = self.reader.next() {
            let message = match message {
                Ok(message) => message,
                Err(_) if self.skipping => {
                    // Where the dump ends on this socket cannot be known any more.
                    self.state = State::Ended;
                    return Step::Restart;
                }
                Err(error) => return self.put(error, slot),
            };
            if message.seq() != own {
                continue;
            }
            if message.flags() & NLM_F_DUMP_INTR != 0 {
                self.interrupted = true;
                self.skipping = !self.yielded && self.restarts < MAX_RESTARTS;
            }
            match message.kind() {
                NLMSG_NOOP => {}
                NLMSG_DONE if self.skipping && decode_done(message.flags(), message.payload()).is_ok() => {
                    return Step::Restart;
                }
                NLMSG_DONE => return Step::End(decode_done(message.flags(), message.payload()).map(drop)),
                NLMSG_ERROR => return Step::End(decode_error(message.flags(), message.payload()).map(drop)),
                _ if self.skipping => {}
                _ => match &mut self.decode {
                    Decoder::One(decode) => match decode(message, slot) {
                        Ok(false) => {}
                        Ok(true) => {
                            self.yielded = true;
                            return Step::Yield;
                        }
                        Err(error) => return self.put(error, slot),
                    },
                    Decoder::Each(decode) => {
                        // As many as the last message had, so that they are not moved while the table of them grows.
                        let mut entries = Vec::with_capacity(self.per_message);
                        self.behind = decode(message, &mut entries).err();
                        self.per_message = entries.len();
                        self.queued = entries.into_iter();
                        if self.take_queued(slot) {
                            return Step::Yield;
                        }
                    }
                },
            }
        }
        Step::Empty
    }

    /// Puts what else was in the last message into the slot, if there is something.
    #[inline]
    fn take_queued(&mut self, slot: &mut Slot<T>) -> bool {
        if let Some(entry) = self.queued.next() {
            self.yielded = true;
            *slot = Poll::Ready(Some(Ok(entry)));
            return true;
        }
        let Some(error) = self.behind.take() else { return false };
        self.put(error, slot);
        true
    }

    #[cold]
    fn put(&mut self, error: DecodeError, slot: &mut Slot<T>) -> Step {
        self.yielded = true;
        *slot = Poll::Ready(Some(Err(self.explain(error.into()))));
        Step::Yield
    }

    /// The kernel has ended the dump.
    fn complete(&mut self, outcome: Result<()>) -> Poll<Option<Result<T>>> {
        let is_whole = outcome.is_ok();
        let ended = self.end(outcome);
        if let Some(socket) = self.take_socket()
            && is_whole
        {
            match &ended {
                Poll::Ready(Some(Err(error))) if self.collecting && self.may_restart(error) => {
                    self.state = State::Again(socket);
                }
                _ => socket.give_back(),
            }
        }
        ended
    }

    /// The socket of a dump that has ended, unless something follows the end on it.
    fn take_socket(&mut self) -> Option<Pooled> {
        let unread = self.reader.clear();
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Reading(socket, _) if !unread => Some(socket),
            _ => None,
        }
    }

    fn end(&mut self, outcome: Result<()>) -> Poll<Option<Result<T>>> {
        let outcome = match outcome {
            Ok(()) if std::mem::take(&mut self.interrupted) => Err(ErrorKind::Interrupted.into()),
            outcome => outcome,
        };
        let goes_on = self.collecting && outcome.as_ref().is_err_and(|error| self.may_restart(error));
        if !goes_on {
            self.span.end(&outcome);
        }
        Poll::Ready(outcome.err().map(|error| Err(self.explain(error))))
    }

    /// Ends without knowing what else the kernel will send, so the socket is closed.
    fn abort(&mut self, error: Error) -> Poll<Option<Result<T>>> {
        let ended = self.end(Err(error));
        self.state = State::Ended;
        ended
    }

    /// Says what was being listed.
    fn explain(&mut self, error: Error) -> Error {
        let error = self.request.explain(error);
        match &self.state {
            State::Reading(socket, _) => socket.name_devices(error),
            _ => error,
        }
    }
}

// An entry is never pinned.
impl<T> Unpin for Dump<T> {}

enum Step {
    /// There is an entry or an error in the slot.
    Yield,
    /// An interrupted dump of which nothing was yielded has ended, or cannot be read on.
    Restart,
    End(Result<()>),
    /// All that was received has been read.
    Empty,
}

impl<T> Stream for Dump<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut slot = Poll::Pending;
        self.get_mut().fill(&mut slot, cx);
        slot
    }
}

impl<T> Dump<T> {
    /// Puts what comes next into the slot, or makes it `Pending`.
    #[inline]
    fn fill(&mut self, slot: &mut Slot<T>, cx: &mut Context<'_>) {
        // `take` alone moves a place as large as an entry, also an empty one.
        if self.first.is_some() {
            *slot = Poll::Ready(self.first.take().flatten());
            return;
        }
        loop {
            let own = match &mut self.state {
                State::Ended | State::Again(_) => {
                    *slot = Poll::Ready(None);
                    return;
                }
                State::Failed(error) => {
                    *slot = Poll::Ready(error.take().map(Err));
                    self.state = State::Ended;
                    return;
                }
                State::Unsent(_) => {
                    if let Err(error) = self.start() {
                        *slot = self.abort(error);
                        return;
                    }
                    continue;
                }
                State::Reading(_, own) => *own,
            };
            match self.read(own, slot) {
                Step::Yield => return,
                Step::Restart => {
                    if let Some(socket) = self.take_socket() {
                        self.state = State::Again(socket);
                    }
                    self.restart();
                    continue;
                }
                Step::End(outcome) => {
                    *slot = self.complete(outcome);
                    return;
                }
                Step::Empty => {}
            }
            // The kernel has the next piece ready at once, so a long dump would never let other tasks run.
            if self.received >= BYTES_PER_TURN {
                self.received = 0;
                self.turn.give();
            }
            if self.turn.poll(cx).is_pending() {
                *slot = Poll::Pending;
                return;
            }
            let State::Reading(socket, _) = &self.state else { continue };
            match self.reader.poll_fill(cx, socket) {
                Poll::Ready(Ok(len)) => {
                    self.received += len;
                    self.deadline.reset();
                }
                Poll::Ready(Err(error)) if !self.yielded && self.can_restart(&error) => self.restart(),
                // What was lost would have been skipped.
                Poll::Ready(Err(error)) if self.skipping && error.is_overrun() => self.restart(),
                Poll::Ready(Err(error)) => {
                    *slot = self.abort(error);
                    return;
                }
                Poll::Pending => {
                    *slot = match self.deadline.poll(cx) {
                        Poll::Ready(error) => self.abort(error),
                        Poll::Pending => Poll::Pending,
                    };
                    return;
                }
            }
        }
    }
}

/// The entries, one after another on the calling thread.
#[cfg(feature = "blocking")]
impl<T> IntoIterator for Dump<T> {
    type Item = Result<T>;
    type IntoIter = crate::blocking::Iter<Self>;

    fn into_iter(self) -> Self::IntoIter {
        crate::blocking::Iter::new(self)
    }
}

impl<T> fmt::Debug for Dump<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dump")
            .field("request", &self.request)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
