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
//! Each dump has its own socket, for the kernel runs one per socket and answers `EBUSY` to a second. The kernel
//! produces the next piece only when the last was read, which is the only flow control: a slow reader costs no
//! memory. Dropping the stream closes the socket, and that cancels the dump in the kernel.
//!
//! # Consistency
//! A table may change while it is read. Some parts of the kernel notice and mark the dump
//! (`NLM_F_DUMP_INTR`): links, addresses, nexthops and statistics do; neighbours, the FDB, routes and traffic
//! control do not. If that happens before anything was yielded the dump is started again, up to
//! [`MAX_RESTARTS`] times; afterwards the entries are yielded to the end and then
//! [`Interrupted`](crate::error::ErrorKind::Interrupted) follows. [`Dump::collect_all`] yields nothing before the
//! end and so can always start again.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep};
use zeroize::Zeroize;

use crate::attr::DecodeError;
use crate::error::{Error, ErrorKind, Result, decode_done, decode_error};
use crate::message::{
    MessageRef, Messages, NLM_F_DUMP, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, Request,
};
use crate::socket::{Endpoint, RECEIVE_LEN, ReceiveBuffer, Socket};

/// How often a dump that was interrupted is started again.
pub const MAX_RESTARTS: u32 = 8;

pub(crate) type Decode<T> = Box<dyn FnMut(MessageRef<'_>) -> Result<Option<T>, DecodeError> + Send>;

const SEQ: u32 = 1;

/// A table being listed: a `Stream` of `Result<T>`.
///
/// An entry that cannot be decoded is an `Err` in its place, and the stream goes on behind it. Errors of the
/// kernel, of the socket and of time end the stream.
#[must_use = "a dump asks nothing until it is polled"]
pub struct Dump<T> {
    endpoint: Endpoint,
    timeout: Option<Duration>,
    request: Request,
    decode: Decode<T>,
    state: State,
    buffer: Vec<u8>,
    /// The part of the buffer that was received and not read yet.
    unread: std::ops::Range<usize>,
    yielded: bool,
    interrupted: bool,
    restarts: u32,
    /// A piece was read since the runtime last got a turn.
    busy: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
enum State {
    Unsent,
    Reading(Socket),
    Ended,
    /// Refused before it began.
    Failed(Option<Error>),
}

impl<T> Dump<T> {
    pub(crate) fn new(
        endpoint: Endpoint,
        timeout: Option<Duration>,
        request: Request,
        decode: Decode<T>,
    ) -> Self {
        Self {
            endpoint,
            timeout,
            request: request.with_flags(NLM_F_DUMP),
            decode,
            state: State::Unsent,
            buffer: Vec::new(),
            unread: 0..0,
            yielded: false,
            interrupted: false,
            restarts: 0,
            busy: false,
            timer: None,
        }
    }

    /// A dump that yields nothing but this error.
    pub fn failed(mut self, error: Error) -> Self {
        self.state = State::Failed(Some(error));
        self
    }

    /// Reads to the end and returns the whole table, started again if it was interrupted.
    ///
    /// # Errors
    /// The first entry that cannot be decoded, or what ended the stream early.
    pub async fn collect_all(mut self) -> Result<Vec<T>> {
        let mut all = Vec::new();
        loop {
            match poll_fn(|cx| Pin::new(&mut self).poll_next(cx)).await {
                None => return Ok(all),
                Some(Ok(entry)) => all.push(entry),
                Some(Err(error)) if error.is_interrupted() && self.restarts < MAX_RESTARTS => {
                    all.clear();
                    self.yielded = false;
                    self.restart();
                }
                Some(Err(error)) => return Err(error),
            }
        }
    }

    fn restart(&mut self) {
        self.restarts += 1;
        self.interrupted = false;
        self.unread = 0..0;
        self.state = State::Unsent;
    }

    fn start(&mut self) -> Result<()> {
        let socket = self.endpoint.open_socket(ReceiveBuffer::Default)?;
        let mut datagram = Vec::with_capacity(self.request.len());
        crate::message::append(&mut datagram, self.request.encoded_within(socket.send_limit())?, SEQ, 0);
        let sent = socket.send(&datagram);
        if self.request.is_sensitive() {
            datagram.zeroize();
        }
        sent?;
        if self.buffer.is_empty() {
            // Fresh zeroed memory takes no pages until they are written to.
            self.buffer = vec![0; RECEIVE_LEN];
        }
        self.state = State::Reading(socket);
        Ok(())
    }

    /// What the next message means, or `None` when the buffer is used up.
    fn read(&mut self) -> Option<Step<T>> {
        while !self.unread.is_empty() {
            let bytes = self.buffer.get(self.unread.clone()).unwrap_or_default();
            let mut messages = Messages::new(bytes);
            let message = match messages.next()? {
                Ok(message) => message,
                Err(error) => {
                    self.unread = 0..0;
                    return Some(Step::Entry(Err(error.into())));
                }
            };
            self.unread.start = self.unread.end - messages.as_bytes().len();
            if message.seq() != SEQ {
                continue;
            }
            if message.flags() & NLM_F_DUMP_INTR != 0 {
                self.interrupted = true;
                if !self.yielded && self.restarts < MAX_RESTARTS {
                    return Some(Step::Restart);
                }
            }
            match message.kind() {
                NLMSG_NOOP => {}
                NLMSG_DONE => {
                    return Some(Step::End(decode_done(message.flags(), message.payload()).map(drop)));
                }
                NLMSG_ERROR => {
                    return Some(Step::End(decode_error(message.flags(), message.payload()).map(drop)));
                }
                _ => match (self.decode)(message) {
                    Ok(None) => {}
                    Ok(Some(entry)) => return Some(Step::Entry(Ok(entry))),
                    Err(error) => return Some(Step::Entry(Err(error.into()))),
                },
            }
        }
        None
    }

    /// Waits no longer than allowed for the next piece.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let Some(limit) = self.timeout else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        timer.as_mut().poll(cx).map(|()| ErrorKind::Timeout(limit).into())
    }

    fn end(&mut self, outcome: Result<()>) -> Poll<Option<Result<T>>> {
        let outcome = match outcome {
            Err(error) => Some(Err(self.explain(error))),
            Ok(()) if self.interrupted => {
                self.interrupted = false;
                Some(Err(self.explain(ErrorKind::Interrupted.into())))
            }
            Ok(()) => None,
        };
        self.state = State::Ended;
        Poll::Ready(outcome)
    }

    /// Says what was being listed.
    fn explain(&mut self, error: Error) -> Error {
        let error = self.request.explain(error);
        match &self.state {
            State::Reading(socket) => socket.name_devices(error),
            _ => error,
        }
    }
}

enum Step<T> {
    Entry(Result<T>),
    Restart,
    End(Result<()>),
}

impl<T> Stream for Dump<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Ended => return Poll::Ready(None),
                State::Failed(error) => {
                    let error = error.take();
                    this.state = State::Ended;
                    return Poll::Ready(error.map(Err));
                }
                State::Unsent => {
                    if let Err(error) = this.start() {
                        return this.end(Err(error));
                    }
                }
                State::Reading(_) => {}
            }
            match this.read() {
                Some(Step::Entry(entry)) => {
                    this.yielded = true;
                    return Poll::Ready(Some(entry.map_err(|error| this.explain(error))));
                }
                Some(Step::Restart) => {
                    this.restart();
                    continue;
                }
                Some(Step::End(outcome)) => return this.end(outcome),
                None => {}
            }
            // The kernel has the next piece ready at once, so a long dump would never let other tasks run.
            if std::mem::take(&mut this.busy) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let State::Reading(socket) = &this.state else { continue };
            match socket.poll_receive(cx, &mut this.buffer) {
                Poll::Ready(Ok(len)) => {
                    this.unread = 0..len;
                    this.busy = true;
                    if let (Some(timer), Some(limit)) = (&mut this.timer, this.timeout) {
                        timer.as_mut().reset(Instant::now() + limit);
                    }
                }
                Poll::Ready(Err(error)) => return this.end(Err(error)),
                Poll::Pending => {
                    return match this.poll_timer(cx) {
                        Poll::Ready(error) => this.end(Err(error)),
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
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
