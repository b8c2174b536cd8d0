//! Thousands of changes in few system calls: a stream of one result per request, in the order of the requests.
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use nl_core::connection::{Connection, Protocol};
//! use nl_core::Request;
//!
//! # async fn example(requests: Vec<Request>) -> nl_core::Result<()> {
//! let conn = Connection::open(Protocol::Route)?;
//! let mut results = conn.batch(requests);
//! while let Some(result) = results.next().await {
//!     if let Err(error) = result {
//!         eprintln!("{error}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The requests are packed into datagrams of which only the last message asks to be acknowledged, the fence: the
//! kernel handles a datagram in order, answers each failure by its sequence number and is silent about the
//! successes. A datagram holds no more requests than the receive buffer holds answers, so that even if all of
//! them fail none is lost. Requests are drawn from the iterator as they are sent, so a million of them take no more
//! memory than one datagram.
//!
//! A request that fails does not keep the kernel from carrying out those behind it, unless
//! [`stop_at_first_failure`](Batch::stop_at_first_failure) is asked for. Dropping the stream sends no more; what was sent is
//! carried out.
//!
//! Requests that are answered with an object are not for a batch: the objects are discarded.
//!
//! Nothing is sent twice unless [`retry_enomem`](Batch::retry_enomem) is asked for.
//!
//! A batch is a `Stream`; under feature `blocking` also an `IntoIterator`, for `for` loops without a runtime.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use zeroize::Zeroize;

use crate::attr::DecodeError;
use crate::error::{Ack, Errno, Error, ErrorKind, Result, decode_error};
use crate::message::{Messages, NLM_F_ACK, NLMSG_ERROR};
use crate::pending::Pending;
use crate::request::{Request, Wording, append};
use crate::socket::{Buffer, Deadline, Pool, Pooled, Turn};
use crate::trace::RequestSpan;

/// Beyond this many requests in a datagram nothing is gained.
const MAX_PER_DATAGRAM: usize = 1024;
/// Nor beyond this many bytes, which the processor's first cache holds while they are written, copied and read; a single
/// larger request still goes out, in a datagram of its own.
const DATAGRAM_TARGET: usize = 16 * 1024;
/// How long the kernel gets to make memory, which it often does as soon as it is let, and how long when that was not enough.
const ENOMEM_PAUSES: [Duration; 2] = [Duration::from_micros(100), Duration::from_millis(1)];
/// The fewest requests in a datagram of a batch that lacked memory.
const MIN_PER_DATAGRAM: usize = 32;
/// How often in a row it gets that time while no such request succeeds.
const ENOMEM_ROUNDS: u32 = 100;

/// Requests being carried out: a `Stream` of `Result<Ack>`, one per request, in order.
///
/// If the socket itself cannot be opened or written to, the stream yields that error once and ends; what it had yielded by
/// then stands.
#[must_use = "a batch sends nothing until it is polled"]
pub struct Batch<I> {
    pool: Pool,
    requests: I,
    /// Drawn from `requests` and not sent, because the last datagram had no room for it.
    held_back: Option<Request>,
    socket: Option<Pooled>,
    /// What is on its way: the bytes, the sequence number of the first request, and where each request is in the bytes.
    datagram: Vec<u8>,
    first_seq: u32,
    slots: Vec<Slot>,
    sent: u64,
    /// The last of them that is sent.
    fence: usize,
    /// The fence of the datagram on its way has not answered yet.
    waiting: bool,
    retry_enomem: bool,
    /// The most requests in a datagram. Fewer than at first if the kernel lacked memory: it makes more only between two datagrams.
    most: usize,
    /// How many requests of the datagram lacked memory when it was last answered.
    lacking: usize,
    /// How often in a row that was so, and nothing succeeded.
    rounds: u32,
    /// Before those are sent again.
    pause: Option<Deadline>,
    /// An answer could not be read, so silence is no longer a success.
    unreadable: Option<DecodeError>,
    /// Successes without a warning, to be yielded before `results`.
    plain_successes: usize,
    results: VecDeque<Result<Ack>>,
    stop_at_first_failure: bool,
    ended: bool,
    sensitive: bool,
    span: RequestSpan,
    turn: Turn,
    deadline: Deadline,
    timeout: Option<Duration>,
}

/// One request of the datagram on its way.
struct Slot {
    bytes: std::ops::Range<usize>,
    wording: Wording,
    result: Option<Result<Ack>>,
}

impl Slot {
    /// Whether the kernel was silent about it, or said no more than that it went well.
    fn is_plain_success(&self) -> bool {
        self.result.as_ref().is_none_or(|result| result.as_ref().is_ok_and(|ack| *ack == Ack::default()))
    }

    /// Whether the kernel had no memory for it.
    fn lacks_memory(&self) -> bool {
        let Some(Err(error)) = &self.result else { return false };
        error.kernel().is_some_and(|kernel| kernel.errno == Errno::ENOMEM)
    }
}

impl<I: Iterator<Item = Request>> Batch<I> {
    pub(crate) fn new(pool: Pool, timeout: Option<Duration>, requests: I) -> Self {
        Self {
            pool,
            requests,
            held_back: None,
            socket: None,
            datagram: Vec::new(),
            first_seq: 0,
            slots: Vec::new(),
            sent: 0,
            fence: 0,
            waiting: false,
            retry_enomem: false,
            most: MAX_PER_DATAGRAM,
            lacking: 0,
            rounds: 0,
            pause: None,
            unreadable: None,
            plain_successes: 0,
            results: VecDeque::new(),
            stop_at_first_failure: false,
            ended: false,
            sensitive: false,
            span: RequestSpan::new(),
            turn: Turn::default(),
            deadline: Deadline::new(timeout),
            timeout,
        }
    }

    /// Ends with the first failure: nothing behind it is sent.
    ///
    /// The kernel goes on behind a failure inside a datagram, so each request then travels in one of its own.
    /// That costs about four times as much.
    pub fn stop_at_first_failure(mut self) -> Self {
        self.stop_at_first_failure = true;
        self
    }

    /// Sends requests again for which the kernel has no memory (`ENOMEM`): each time after a pause of a millisecond at most, and up
    /// to 100 times in a row while none of them succeeds. Then `ENOMEM` is their result. Further datagrams hold fewer requests.
    ///
    /// The kernel allocates parts of some objects without waiting, such as the caches per processor of an encapsulation, while the
    /// memory for them is made ready in the background. A burst of thousands of such requests is refused in part, although there is
    /// plenty of memory.
    ///
    /// What is behind such a request in its datagram is carried out before it, unless
    /// [`stop_at_first_failure`](Self::stop_at_first_failure) is asked for. So this is for requests that do not depend on each other.
    /// Needs a runtime with timers, or [`wait`](Pending::wait); without, nothing is sent again.
    pub fn retry_enomem(mut self) -> Self {
        self.retry_enomem = true;
        self
    }

    /// Carries everything out and counts.
    ///
    /// At most `keep` failures are kept, with the position of their requests; the others are only counted.
    ///
    /// # Errors
    /// None: failures are in the summary, those of the socket among them.
    pub fn summarize(mut self, keep: usize) -> Pending<Summary>
    where
        I: Send + 'static,
    {
        Pending::new(async move {
            let mut summary = Summary::default();
            let mut position = 0;
            while let Some(result) = poll_fn(|cx| Pin::new(&mut self).poll_next(cx)).await {
                match result {
                    Ok(_) => summary.succeeded += 1,
                    Err(error) => {
                        summary.failed += 1;
                        if summary.failures.len() < keep {
                            summary.failures.push((position, error));
                        }
                    }
                }
                position += 1;
            }
            Ok(summary)
        })
    }

    /// The result of the next request, for the steps of an operation; `None` at the end.
    #[cfg(feature = "route")]
    pub(crate) async fn next_result(&mut self) -> Option<Result<Ack>>
    where
        I: Unpin,
    {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Packs and sends the next datagram. `false` when there is nothing left.
    fn send(&mut self) -> Result<bool> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            empty => empty.insert(self.pool.take()?),
        };
        let limit = socket.send_limit()?;
        let most = match self.stop_at_first_failure {
            true => 1,
            false => socket.answers_that_fit().min(self.most),
        };
        self.clear_datagram();
        let Some(socket) = &mut self.socket else { return Ok(false) };
        while self.slots.len() < most {
            let Some(mut request) = self.held_back.take().or_else(|| self.requests.next()) else { break };
            let start = self.datagram.len();
            let room = if start == 0 { limit } else { limit.min(DATAGRAM_TARGET) };
            if start != 0 && start + request.len() > room {
                self.held_back = Some(request);
                break;
            }
            self.span.begin_batch(|| socket.with_device_names(request.describe()));
            self.sensitive |= request.is_sensitive();
            let seq = socket.next_seq();
            if self.slots.is_empty() {
                self.first_seq = seq;
            }
            let result = match request.prepare(0, seq, |_| Ok(limit)) {
                Ok(()) => {
                    append(&mut self.datagram, request.as_prepared());
                    None
                }
                Err(error) => Some(Err(socket.name_devices(error))),
            };
            let failed = result.is_some();
            self.slots.push(Slot { bytes: start..self.datagram.len(), wording: request.wording(), result });
            if failed && self.stop_at_first_failure {
                break;
            }
        }
        self.sent += u64::try_from(self.slots.len()).unwrap_or(0);
        let Some(fence) = self.slots.iter().rposition(|slot| slot.result.is_none()) else {
            return Ok(!self.slots.is_empty());
        };
        self.put_fence(fence);
        if let Some(socket) = &self.socket {
            socket.send(&self.datagram)?;
        }
        self.waiting = true;
        self.turn.give();
        Ok(true)
    }

    /// Has the request in this place acknowledged, which is the last that is sent.
    fn put_fence(&mut self, place: usize) {
        self.fence = place;
        let start = self.slots.get(place).map_or(usize::MAX, |slot| slot.bytes.start);
        if let Some(flags) = self.datagram.get_mut(start..).and_then(|m| m.get_mut(6..8)) {
            let set = flags.first_chunk::<2>().map_or(0, |f| u16::from_ne_bytes(*f)) | NLM_F_ACK;
            flags.copy_from_slice(&set.to_ne_bytes());
        }
    }

    /// Whether requests that lacked memory are to be sent again.
    fn is_worth_another_try(&mut self) -> bool {
        if !self.retry_enomem || self.unreadable.is_some() {
            return false;
        }
        let lacking = self.slots.iter().filter(|slot| slot.lacks_memory()).count();
        let before = std::mem::replace(&mut self.lacking, lacking);
        if lacking < before || lacking == 0 {
            self.rounds = 0;
        }
        if before == 0 && lacking != 0 {
            let succeeded = self.slots.len() - lacking;
            self.most = self.most.min((succeeded / 4 * 3).max(MIN_PER_DATAGRAM));
        }
        self.rounds += u32::from(lacking != 0);
        lacking != 0 && self.rounds <= ENOMEM_ROUNDS
    }

    /// Sends the requests that lacked memory again, and returns whether that went well. They keep their sequence numbers: all answers to
    /// what was sent have been read.
    fn send_again(&mut self) -> bool {
        let Some(fence) = self.slots.iter().rposition(Slot::lacks_memory) else { return false };
        self.put_fence(fence);
        let mut again = Vec::with_capacity(self.datagram.len());
        for slot in self.slots.iter().filter(|slot| slot.lacks_memory()) {
            again.extend_from_slice(self.datagram.get(slot.bytes.clone()).unwrap_or_default());
        }
        let sent = self.socket.as_ref().is_some_and(|socket| socket.send(&again).is_ok());
        if self.sensitive {
            again.zeroize();
        }
        if sent {
            for slot in self.slots.iter_mut().filter(|slot| slot.lacks_memory()) {
                slot.result = None;
            }
            self.waiting = true;
            self.turn.give();
            self.span.sent_again(self.lacking);
        }
        sent
    }

    fn clear_datagram(&mut self) {
        if self.sensitive {
            self.datagram.zeroize();
        }
        self.datagram.clear();
        self.slots.clear();
        self.lacking = 0;
    }

    /// Sorts a datagram of answers into the slots. The fence's answer is the last.
    fn sort(&mut self, answers: &[u8]) {
        for message in Messages::new(answers) {
            let message = match message {
                Ok(message) => message,
                Err(error) => {
                    self.unreadable = Some(error);
                    break;
                }
            };
            if message.kind() != NLMSG_ERROR {
                continue;
            }
            let place = usize::try_from(message.seq().wrapping_sub(self.first_seq)).unwrap_or(usize::MAX);
            let Some(slot) = self.slots.get_mut(place) else { continue };
            let request = self.datagram.get(slot.bytes.clone()).unwrap_or_default();
            let result = decode_error(message.flags(), message.payload());
            slot.result = Some(
                result.map_err(|error| named(self.socket.as_ref(), slot.wording.explain(error, request))),
            );
            if place == self.fence {
                self.waiting = false;
            }
        }
    }

    /// Hands out what is known. Without an answer a request went well, if the fence answered; if answers were
    /// lost, its outcome is not known.
    fn settle(&mut self, loss: Option<ErrorKind>) {
        self.waiting = false;
        let unreadable = self.unreadable.take();
        if loss.is_none() && unreadable.is_none() && self.results.is_empty() {
            self.plain_successes = self.slots.iter().take_while(|slot| slot.is_plain_success()).count();
            self.slots.drain(..self.plain_successes);
        }
        for slot in self.slots.drain(..) {
            let request = self.datagram.get(slot.bytes).unwrap_or_default();
            let result = slot.result.unwrap_or_else(|| {
                // An ErrorKind cannot be cloned, because of its io::Error; these have none.
                let kind = match &loss {
                    None => match unreadable {
                        None => return Ok(Ack::default()),
                        Some(error) => ErrorKind::Decode(error),
                    },
                    Some(ErrorKind::Timeout(limit)) => ErrorKind::Timeout(*limit),
                    Some(ErrorKind::Overrun) => ErrorKind::Overrun,
                    Some(_) => ErrorKind::Closed,
                };
                Err(named(self.socket.as_ref(), slot.wording.explain(Error::new(kind), request)))
            });
            if let Err(error) = &result {
                self.span.failed(error);
            }
            self.results.push_back(result);
        }
        if self.ended {
            self.span.end_batch(self.sent);
        }
    }

    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut buffer = Buffer::take();
        if self.sensitive {
            buffer.set_sensitive();
        }
        while self.waiting {
            let Some(socket) = &self.socket else { break };
            match socket.poll_receive(cx, &mut buffer, false) {
                Poll::Ready(Ok(datagram)) => self.sort(buffer.get(..datagram.size).unwrap_or_default()),
                Poll::Ready(Err(error)) => {
                    let lost = error.is_overrun();
                    if lost {
                        // The kernel queues answers again once the buffer was read empty.
                        let _ = socket.drain(self.sensitive);
                    }
                    self.ended = !lost;
                    self.settle(Some(if lost { ErrorKind::Overrun } else { ErrorKind::Closed }));
                    self.abandon();
                    return Poll::Ready(());
                }
                Poll::Pending => {
                    ready!(self.deadline.poll(cx));
                    self.ended = true;
                    self.settle(Some(match self.timeout {
                        Some(limit) => ErrorKind::Timeout(limit),
                        None => ErrorKind::Closed,
                    }));
                    self.abandon();
                    return Poll::Ready(());
                }
            }
        }
        self.deadline.reset();
        match self.is_worth_another_try() {
            true => {
                let [first, further] = ENOMEM_PAUSES;
                let pause = if self.rounds == 1 { first } else { further };
                self.pause = Some(Deadline::new(Some(pause)));
            }
            false => self.settle(None),
        }
        Poll::Ready(())
    }
}

impl<I> Batch<I> {
    /// Goes on with another socket, if at all: on this one answers may still come.
    fn abandon(&mut self) {
        self.socket = None;
    }

    /// All answers were read.
    fn finish(&mut self) {
        self.ended = true;
        self.span.end_batch(self.sent);
        if let Some(socket) = self.socket.take() {
            socket.give_back();
        }
    }
}

impl<I: Iterator<Item = Request>> Stream for Batch<I> {
    type Item = Result<Ack>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(rest) = this.plain_successes.checked_sub(1) {
                this.plain_successes = rest;
                return Poll::Ready(Some(Ok(Ack::default())));
            }
            if let Some(result) = this.results.pop_front() {
                if this.stop_at_first_failure && result.is_err() {
                    this.finish();
                }
                return Poll::Ready(Some(result));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            if let Some(pause) = &mut this.pause {
                let over = ready!(pause.poll(cx));
                this.pause = None;
                // Without a timer, or without the socket, the answers that there are count.
                if !over.is_timeout() || !this.send_again() {
                    this.settle(None);
                }
                continue;
            }
            if this.waiting {
                ready!(this.poll_answers(cx));
                continue;
            }
            // The kernel handles a whole datagram inside send(): let other tasks run between two.
            ready!(this.turn.poll(cx));
            match this.send() {
                Ok(true) if this.waiting => {}
                Ok(true) => this.settle(None),
                Ok(false) => this.finish(),
                Err(error) => {
                    // Nothing of this datagram went out.
                    this.ended = true;
                    let about = this.slots.first().map(|slot| (slot.wording, slot.bytes.clone()));
                    let error = match about {
                        Some((wording, bytes)) => {
                            let request = this.datagram.get(bytes).unwrap_or_default();
                            named(this.socket.as_ref(), wording.explain(error, request))
                        }
                        None => error,
                    };
                    this.slots.clear();
                    this.span.failed(&error);
                    this.span.end_batch(this.sent);
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

// The iterator is never pinned.
impl<I> Unpin for Batch<I> {}

impl<I> Drop for Batch<I> {
    fn drop(&mut self) {
        if self.sensitive {
            self.datagram.zeroize();
        }
    }
}

/// The results, one after another on the calling thread.
#[cfg(feature = "blocking")]
impl<I: Iterator<Item = Request>> IntoIterator for Batch<I> {
    type Item = Result<Ack>;
    type IntoIter = crate::blocking::Iter<Self>;

    fn into_iter(self) -> Self::IntoIter {
        crate::blocking::Iter::new(self)
    }
}

impl<I> fmt::Debug for Batch<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("sent", &self.sent).finish_non_exhaustive()
    }
}

/// Says which devices an error is about.
fn named(socket: Option<&Pooled>, error: Error) -> Error {
    match socket {
        Some(socket) => socket.name_devices(error),
        None => error,
    }
}

/// What became of a batch.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Summary {
    /// How many requests the kernel carried out.
    pub succeeded: u64,
    /// How many failed.
    pub failed: u64,
    /// The first failures, with the position of their requests counted from 0.
    pub failures: Vec<(u64, Error)>,
}

impl Summary {
    /// The first failure, if there was one.
    ///
    /// # Errors
    /// The first failure.
    pub fn into_result(self) -> Result<u64> {
        match self.failures.into_iter().next() {
            None => Ok(self.succeeded),
            Some((_, error)) => Err(error),
        }
    }
}
