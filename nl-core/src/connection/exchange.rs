//! Requests and their verdicts over one socket that many callers share.
//!
//! A caller sends on its own thread and without a lock, because a send can wait long inside the kernel. When the send
//! returns, the kernel has handled the request and the verdict is in the receive buffer. The caller then receives under
//! a lock until it has its own verdict, and hands verdicts of other callers over to them. Only a caller whose verdict is
//! missing waits. One of the waiting callers is woken by the socket; a caller that leaves wakes another in its place.
//!
//! # Lost answers
//! When the receive buffer overflows, the kernel reports it once and then drops every answer until the buffer was read
//! empty. So whoever sees the report reads the buffer empty at once, and counts before and after it: a caller without a
//! verdict that sees another count than before its send cannot know its outcome.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::attr::DecodeError;
use crate::error::{Ack, Error, ErrorKind, Result, decode_done, decode_error};
use crate::lock;
use crate::message::{
    MessageRef, Messages, NLM_F_ACK, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, RawMessage, Request,
};
use crate::socket::{Buffer, Deadline, Socket, is_loss, poll_budget};

/// More requests than this in flight gain nothing.
const MAX_IN_FLIGHT: usize = 256;

/// What takes the messages that answer a request before its verdict.
pub(super) type OnMessage<'a> = Option<&'a mut (dyn FnMut(MessageRef<'_>) + Send)>;

/// The verdict on a request that the kernel carried out.
pub(super) struct Verdict {
    pub(super) ack: Ack,
    /// Something was lost meanwhile, so messages may be missing; the verdict stands.
    pub(super) maybe_incomplete: bool,
}

pub(super) struct Exchange {
    next_seq: AtomicU32,
    table: Mutex<Table>,
    /// Held while a datagram is received and its messages are handed over, so that they stay in order.
    receiving: Mutex<()>,
    losses: AtomicU64,
    /// How many of the requests in flight are answered with messages, which can be large.
    with_messages: AtomicUsize,
    /// Bounds the requests in flight to what the receive buffer holds in answers.
    max_in_flight: usize,
}

#[derive(Default)]
struct Table {
    slots: Vec<Slot>,
    /// Callers that wait for a place.
    queue: VecDeque<(u64, Waker)>,
    next_ticket: u64,
}

/// A request in flight.
struct Slot {
    seq: u32,
    wants_messages: bool,
    messages: Vec<RawMessage>,
    verdict: Option<Result<Ack>>,
    waker: Option<Waker>,
}

impl Exchange {
    pub(super) fn new(socket: &Socket) -> Self {
        Self {
            next_seq: AtomicU32::new(1),
            table: Mutex::default(),
            receiving: Mutex::new(()),
            losses: AtomicU64::new(0),
            with_messages: AtomicUsize::new(0),
            max_in_flight: socket.objects_that_fit().min(MAX_IN_FLIGHT),
        }
    }

    /// Sends a request and waits for its verdict.
    pub(super) async fn run(
        &self,
        socket: &Socket,
        limit: Option<Duration>,
        request: &mut Request,
        mut on_message: OnMessage<'_>,
    ) -> Result<Verdict> {
        let mut deadline = Deadline::new(limit);
        // A caller whose every request is answered at once would otherwise never let other tasks run.
        poll_fn(poll_budget).await;
        let flight = self.enter(request.is_sensitive(), on_message.is_some(), &mut deadline).await?;
        let room = socket.send_room(request.len())?;
        let message = request.prepared(room, NLM_F_ACK, flight.seq)?;
        let sent = poll_fn(|cx| match socket.poll_send(cx, message) {
            Poll::Pending => deadline.poll(cx).map(Err),
            sent => sent,
        });
        sent.await.map_err(not_sent)?;
        poll_fn(|cx| self.poll_verdict(cx, socket, &flight, &mut on_message, &mut deadline)).await
    }

    async fn enter(
        &self,
        sensitive: bool,
        wants_messages: bool,
        deadline: &mut Deadline,
    ) -> Result<Flight<'_>> {
        let mut ticket = Ticket { exchange: self, number: None };
        poll_fn(|cx| {
            let mut table = lock(&self.table);
            if table.slots.len() >= self.max_in_flight {
                table.wait(&mut ticket, cx);
                drop(table);
                return deadline.poll(cx).map(Err);
            }
            ticket.leave(&mut table);
            let seq = self.next_seq();
            let slot = Slot { seq, wants_messages, messages: Vec::new(), verdict: None, waker: None };
            table.slots.push(slot);
            drop(table);
            if wants_messages {
                self.with_messages.fetch_add(1, Ordering::Relaxed);
            }
            let losses = self.losses.load(Ordering::Acquire);
            Poll::Ready(Ok(Flight { exchange: self, seq, sensitive, wants_messages, losses }))
        })
        .await
    }

    fn next_seq(&self) -> u32 {
        loop {
            match self.next_seq.fetch_add(1, Ordering::Relaxed) {
                // What has this number answers nothing.
                0 => {}
                seq => return seq,
            }
        }
    }

    fn poll_verdict(
        &self,
        cx: &mut Context<'_>,
        socket: &Socket,
        flight: &Flight<'_>,
        on_message: &mut OnMessage<'_>,
        deadline: &mut Deadline,
    ) -> Poll<Result<Verdict>> {
        let received = socket.poll_io(cx, |waker| self.receive(socket, waker, flight, on_message));
        let verdict = match received {
            Poll::Ready(Ok(Some(verdict))) => verdict,
            Poll::Ready(Ok(None)) => {
                cx.waker().wake_by_ref();
                return deadline.poll(cx).map(Err);
            }
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => return deadline.poll(cx).map(Err),
        };
        let maybe_incomplete = self.losses.load(Ordering::Acquire) != flight.losses;
        Poll::Ready(verdict.map(|ack| Verdict { ack, maybe_incomplete }))
    }

    /// Receives until the caller's verdict is there. `WouldBlock` if it is missing: then the waker is kept. `None` if so many
    /// datagrams were for others that it is time to let other tasks run.
    fn receive(
        &self,
        socket: &Socket,
        waker: &Waker,
        flight: &Flight<'_>,
        on_message: &mut OnMessage<'_>,
    ) -> io::Result<Option<Result<Ack>>> {
        let mut buffer = Buffer::take();
        if flight.sensitive {
            // A socket without NETLINK_CAP_ACK gets the request back with a refusal.
            buffer.set_sensitive();
        }
        for _ in 0..MAX_RECEIVED {
            // Taken anew for each datagram, so that no caller keeps the others from receiving.
            let _receiving = lock(&self.receiving);
            match self.receive_one(socket, &mut buffer, flight.seq, on_message) {
                Ok(Some(verdict)) => return Ok(Some(verdict)),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Whatever was received so far has been handed over, because the lock is held.
                    let mut table = lock(&self.table);
                    let Some(slot) = table.slot(flight.seq) else {
                        return Ok(Some(Err(ErrorKind::Closed.into())));
                    };
                    if let Some(verdict) = slot.take(on_message) {
                        return Ok(Some(verdict));
                    }
                    if self.losses.load(Ordering::Acquire) != flight.losses {
                        return Ok(Some(Err(ErrorKind::Overrun.into())));
                    }
                    let earlier = slot.waker.replace(waker.clone());
                    drop(table);
                    drop(earlier);
                    return Err(error);
                }
                Err(error) => {
                    // Nobody can know what else is missing.
                    self.losses.fetch_add(1, Ordering::AcqRel);
                    self.wake_all();
                    return Ok(Some(Err(error.into())));
                }
            }
        }
        let mut table = lock(&self.table);
        Ok(table.slot(flight.seq).and_then(|slot| slot.take(on_message)))
    }

    /// Receives one datagram and hands its messages over. Returns the caller's verdict if it was among them.
    fn receive_one(
        &self,
        socket: &Socket,
        buffer: &mut Buffer,
        own: u32,
        on_message: &mut OnMessage<'_>,
    ) -> io::Result<Option<Result<Ack>>> {
        let received = match self.with_messages.load(Ordering::Relaxed) {
            // A verdict alone is short.
            0 => socket.try_receive(buffer),
            _ => socket.try_receive_whole(buffer),
        };
        match received {
            Ok(received) if received.port != 0 => Ok(None),
            // The kernel sends no empty datagram: the other end of a simulated socket is gone.
            Ok(received) if received.size == 0 => {
                self.wake_all();
                Ok(Some(Err(ErrorKind::Closed.into())))
            }
            Ok(received) => {
                let Some(datagram) = buffer.get(..received.size) else {
                    // Whom a message answers that did not fit is not known.
                    return Ok(self.recover(socket, own, on_message));
                };
                let handed = self.hand_over(datagram, own, on_message);
                let recovered = if handed.lost { self.recover(socket, own, on_message) } else { None };
                Ok(handed.own_verdict.or(recovered))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) if is_loss(&error) => Ok(self.recover(socket, own, on_message)),
            Err(error) => Err(error),
        }
    }

    fn hand_over(&self, datagram: &[u8], own: u32, on_message: &mut OnMessage<'_>) -> HandedOver {
        let mut handed = HandedOver { own_verdict: None, lost: false };
        for message in Messages::new(datagram) {
            let message = match message {
                Ok(message) => message,
                Err(error) => {
                    // It may have answered anybody.
                    self.fail_all(error);
                    handed.own_verdict.get_or_insert_with(|| Err(error.into()));
                    break;
                }
            };
            let verdict = match message.kind() {
                NLMSG_NOOP => continue,
                NLMSG_OVERRUN => {
                    handed.lost = true;
                    continue;
                }
                NLMSG_ERROR => Some(decode_error(message.flags(), message.payload())),
                NLMSG_DONE => Some(decode_done(message.flags(), message.payload())),
                _ => None,
            };
            if message.seq() != own {
                let waker = lock(&self.table).slot(message.seq()).and_then(|slot| slot.put(message, verdict));
                waker.into_iter().for_each(Waker::wake);
            } else if let Some(verdict) = verdict {
                handed.own_verdict.get_or_insert(verdict);
            } else if let Some(on_message) = on_message {
                on_message(message);
            }
        }
        handed
    }

    /// Reads the receive buffer empty, so that the kernel queues answers again. Returns the caller's verdict if it was there.
    fn recover(&self, socket: &Socket, own: u32, on_message: &mut OnMessage<'_>) -> Option<Result<Ack>> {
        self.losses.fetch_add(1, Ordering::AcqRel);
        let mut own_verdict = None;
        let mut buffer = Buffer::take();
        // Not until it is empty: someone may be sending all the time.
        for _ in 0..socket.most_queued() {
            match socket.try_receive_whole(&mut buffer) {
                Ok(received) if received.port == 0 && received.size > 0 => {
                    let datagram = buffer.get(..received.size).unwrap_or_default();
                    let handed = self.hand_over(datagram, own, on_message);
                    own_verdict = own_verdict.or(handed.own_verdict);
                }
                Ok(received) if received.size == 0 => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                _ => {}
            }
        }
        // Answers to what was sent in the meantime were dropped too.
        self.losses.fetch_add(1, Ordering::AcqRel);
        self.wake_all();
        own_verdict
    }

    fn wake_all(&self) {
        let wakers = lock(&self.table).wakers();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn fail_all(&self, error: DecodeError) {
        for slot in &mut lock(&self.table).slots {
            slot.verdict.get_or_insert(Err(error.into()));
        }
        self.wake_all();
    }
}

/// So many datagrams are received for others before other tasks of the runtime get a turn.
const MAX_RECEIVED: usize = 128;

struct HandedOver {
    own_verdict: Option<Result<Ack>>,
    /// The kernel reported a loss inside the datagram.
    lost: bool,
}

fn not_sent(error: Error) -> Error {
    match error.kind() {
        // The other end of a simulated socket is gone.
        ErrorKind::Io(io) if matches!(io.raw_os_error(), Some(libc::EPIPE | libc::ECONNRESET)) => {
            ErrorKind::Closed.into()
        }
        _ => error,
    }
}

impl Table {
    fn slot(&mut self, seq: u32) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.seq == seq)
    }

    fn wakers(&mut self) -> Vec<Waker> {
        self.slots.iter_mut().filter_map(|slot| slot.waker.take()).collect()
    }

    /// Queues a caller, or keeps its place with a new waker.
    fn wait(&mut self, ticket: &mut Ticket<'_>, cx: &Context<'_>) {
        let queued = ticket.number.and_then(|own| self.queue.iter_mut().find(|(number, _)| *number == own));
        match queued {
            Some((_, waker)) if waker.will_wake(cx.waker()) => {}
            Some((_, waker)) => *waker = cx.waker().clone(),
            None => {
                let number = self.next_ticket;
                self.next_ticket = number.wrapping_add(1);
                self.queue.push_back((number, cx.waker().clone()));
                ticket.number = Some(number);
            }
        }
    }
}

impl Slot {
    /// Returns whom to wake once the table is unlocked: dropping the last waker of a task drops its place in the table.
    fn put(&mut self, message: MessageRef<'_>, verdict: Option<Result<Ack>>) -> Option<Waker> {
        match verdict {
            Some(verdict) => {
                self.verdict.get_or_insert(verdict);
                return self.waker.take();
            }
            None if self.wants_messages => self.messages.push(message.into()),
            None => {}
        }
        None
    }

    /// The verdict, if it is there, with the messages before it.
    fn take(&mut self, on_message: &mut OnMessage<'_>) -> Option<Result<Ack>> {
        let verdict = self.verdict.take()?;
        if let Some(on_message) = on_message {
            self.messages.drain(..).for_each(|message| on_message(message.as_ref()));
        }
        Some(verdict)
    }
}

/// A caller's place in the table, until its verdict is there or nobody waits for it any more.
struct Flight<'a> {
    exchange: &'a Exchange,
    seq: u32,
    sensitive: bool,
    wants_messages: bool,
    /// The count of losses before anything was sent.
    losses: u64,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut table = lock(&self.exchange.table);
        let own = table.slots.iter().position(|slot| slot.seq == self.seq);
        let own = own.map(|at| table.slots.swap_remove(at));
        // Whoever waited for the socket on behalf of all may just have left.
        let heir = table.slots.iter_mut().find_map(|slot| slot.waker.take());
        let next = table.queue.pop_front().map(|(_, waker)| waker);
        drop(table);
        drop(own);
        if self.wants_messages {
            self.exchange.with_messages.fetch_sub(1, Ordering::Relaxed);
        }
        heir.into_iter().chain(next).for_each(Waker::wake);
    }
}

/// A caller's place in the queue.
struct Ticket<'a> {
    exchange: &'a Exchange,
    number: Option<u64>,
}

impl Ticket<'_> {
    fn leave(&mut self, table: &mut Table) {
        if let Some(own) = self.number.take() {
            table.queue.retain(|(number, _)| *number != own);
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let Some(own) = self.number else { return };
        let mut table = lock(&self.exchange.table);
        let queued = table.queue.len();
        table.queue.retain(|(number, _)| *number != own);
        if table.queue.len() == queued
            && let Some((_, next)) = table.queue.pop_front()
        {
            // It was woken for a free place and will not take it.
            drop(table);
            next.wake();
        }
    }
}
