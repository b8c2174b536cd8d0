//! Requests and their verdicts over one socket that many callers share.
//!
//! A caller sends on its own thread and without a lock, because a send can wait long inside the kernel. When the send
//! returns, the kernel has handled the request and the verdict is in the receive buffer. The caller then receives under
//! a lock until it has its own verdict, and hands verdicts of other callers over to them. Only a caller whose verdict is
//! missing waits. One of the waiting callers is woken by the socket; a caller that leaves wakes another in its place.
//!
//! # Lost answers
//! When the receive buffer overflows, the kernel reports it once and then drops every answer until the buffer was read
//! empty. So whoever sees the report reads the buffer empty at once, under the lock, and counts the loss: a caller without a
//! verdict that sees another count than before its send cannot know its outcome. The count goes up before and after the
//! reading, because answers to what is sent in between are dropped too.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use crate::attr::DecodeError;
use crate::error::{Ack, Error, ErrorKind, Result, decode_done, decode_error};
use crate::lock;
use crate::message::{
    MessageRef, Messages, NLM_F_ACK, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, RawMessage,
};
use crate::protocol::Protocol;
use crate::request::Request;
use crate::socket::{Buffer, Deadline, Socket, Transport, is_loss, poll_budget};

use super::sink::Sink;

/// More requests than this in flight gain nothing.
const MAX_IN_FLIGHT: usize = 256;

/// The number of datagrams received for other callers before other tasks of the runtime get a turn.
const MAX_RECEIVED: usize = 128;

/// About a microsecond.
const SPINS: u32 = 40;

/// The verdict on a request that the kernel carried out.
pub(super) struct Verdict {
    pub(super) ack: Ack,
    /// Something was lost meanwhile, so messages may be missing; the verdict stands.
    pub(super) maybe_incomplete: bool,
}

/// The requests in flight. The lock is never held while a request is sent, while anything is awaited, or while a caller is woken.
#[derive(Default)]
pub(super) struct Exchange {
    state: Mutex<State>,
    contentions: AtomicU32,
}

#[derive(Default)]
struct State {
    last_seq: u32,
    slots: Vec<Slot>,
    /// How many of the requests in flight wait for messages, which can be larger than a verdict.
    large_answers: usize,
    /// Answers can be larger than any event of `NETLINK_ROUTE`, so each is looked at before it is received.
    any_size: bool,
    /// A secret was sent on a socket that may lack `NETLINK_CAP_ACK`, so that a refusal has the request with it. Any caller may receive
    /// that, also when the one who sent the request waits no more.
    secrets: bool,
    losses: u64,
    /// Callers that wait for a place.
    queue: VecDeque<(u64, Waker)>,
    next_ticket: u64,
    /// To be woken when the lock is released: dropping the last waker of a task can drop a place in this state.
    woken: Vec<Waker>,
}

/// A request in flight.
struct Slot {
    seq: u32,
    wants_messages: bool,
    /// The first message is the verdict, too.
    unacknowledged: bool,
    messages: Vec<RawMessage>,
    verdict: Option<Result<Ack>>,
    waker: Option<Waker>,
}

/// What a try to receive came to.
enum Received {
    /// The caller's verdict, and whether messages before it may be missing.
    Verdict(Result<Ack>, bool),
    /// The verdict is not there yet, and the caller's waker is kept.
    Nothing,
    /// Only what is for others, so far.
    Others,
}

impl Exchange {
    /// For a socket of this protocol. Its messages have a limit only where the kernel alone sends them.
    pub(super) fn new(protocol: Protocol, socket: &Socket) -> Self {
        let is_bounded = protocol == Protocol::Route && socket.transport() == Transport::Connected;
        Self { state: Mutex::new(State { any_size: !is_bounded, ..State::default() }), ..Self::default() }
    }

    /// Sends a request and waits for its verdict, as far as this is possible now.
    pub(super) fn poll(
        &self,
        cx: &mut Context<'_>,
        socket: &Socket,
        request: &mut Request,
        flight: &mut Flight,
        sink: &mut dyn Sink,
    ) -> Poll<Result<Verdict>> {
        if flight.stage == Stage::Begin {
            // A caller whose every request is answered at once would otherwise never let other tasks run.
            ready!(poll_budget(cx));
            flight.stage = Stage::Queue;
        }
        if flight.stage == Stage::Queue {
            let entered = self.with(|state| {
                if state.is_full(socket) {
                    state.wait(flight, cx);
                    return false;
                }
                state.leave_queue(flight);
                flight.unacknowledged = request.is_unacknowledged();
                state.enter(flight, sink.wants_messages());
                state.secrets |= request.is_sensitive() && socket.transport() != Transport::Connected;
                true
            });
            if !entered {
                return flight.deadline.poll(cx).map(Err);
            }
            flight.stage = Stage::Send;
            let ack = if flight.unacknowledged { 0 } else { NLM_F_ACK };
            request.prepare(ack, flight.seq, |len| socket.send_room(len))?;
        }
        if flight.stage == Stage::Send {
            match socket.poll_send(cx, request.as_prepared()) {
                Poll::Pending => return flight.deadline.poll(cx).map(Err),
                Poll::Ready(sent) => sent.map_err(not_sent)?,
            }
            flight.stage = Stage::Receive;
        }
        let received = socket.poll_io(cx, |waker| {
            match self.receive(socket, waker, flight, request.is_sensitive(), sink) {
                Received::Nothing => Err(io::ErrorKind::WouldBlock.into()),
                received => Ok(received),
            }
        });
        match received {
            Poll::Ready(Ok(Received::Verdict(verdict, maybe_incomplete))) => {
                Poll::Ready(verdict.map(|ack| Verdict { ack, maybe_incomplete }))
            }
            Poll::Ready(Ok(_)) => {
                cx.waker().wake_by_ref();
                flight.deadline.poll(cx).map(Err)
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => flight.deadline.poll(cx).map(Err),
        }
    }

    fn receive(
        &self,
        socket: &Socket,
        waker: &Waker,
        flight: &mut Flight,
        sensitive: bool,
        sink: &mut dyn Sink,
    ) -> Received {
        let mut buffer = Buffer::take();
        if sensitive {
            buffer.set_sensitive();
        }
        for _ in 0..MAX_RECEIVED {
            // The lock is taken again for each datagram, so that no caller keeps the others from receiving.
            let received = self.with(|state| {
                let received = state.receive(socket, &mut buffer, flight, waker, sink);
                if let Received::Verdict(..) = received {
                    flight.stage = Stage::End;
                    state.leave(flight.seq);
                }
                received
            });
            if !matches!(received, Received::Others) {
                return received;
            }
        }
        Received::Others
    }

    /// Gives up the place of a caller that waits no more.
    pub(super) fn abandon(&self, flight: &mut Flight) {
        match flight.stage {
            Stage::Begin | Stage::End => {}
            Stage::Queue if flight.ticket.is_none() => {}
            Stage::Queue => self.with(|state| {
                if !state.leave_queue(flight) {
                    // It was woken for a free place and will not take it.
                    let next = state.queue.pop_front();
                    state.woken.extend(next.map(|(_, waker)| waker));
                }
            }),
            Stage::Send | Stage::Receive => self.with(|state| state.leave(flight.seq)),
        }
        flight.stage = Stage::End;
    }

    /// How often a thread found another here.
    pub(super) fn contentions(&self) -> u32 {
        self.contentions.load(Ordering::Relaxed)
    }

    #[inline]
    fn lock_soon(&self) -> MutexGuard<'_, State> {
        match self.state.try_lock() {
            Ok(state) => state,
            Err(_) => self.contend(),
        }
    }

    /// The lock is held for less than a system call takes: to sleep until it is free would cost more than to wait.
    #[cold]
    fn contend(&self) -> MutexGuard<'_, State> {
        self.contentions.fetch_add(1, Ordering::Relaxed);
        for _ in 0..SPINS {
            std::hint::spin_loop();
            if let Ok(state) = self.state.try_lock() {
                return state;
            }
        }
        lock(&self.state)
    }

    /// Runs `f` under the lock, and wakes whom it found afterwards.
    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock_soon();
        let output = f(&mut state);
        if state.woken.is_empty() {
            return output;
        }
        let woken = std::mem::take(&mut state.woken);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        output
    }
}

/// A caller's way to its verdict.
pub(super) struct Flight {
    stage: Stage,
    seq: u32,
    /// The message that answers it is the end of the answer.
    unacknowledged: bool,
    /// Its place in the queue.
    ticket: Option<u64>,
    /// The count of losses before anything was sent.
    losses: u64,
    deadline: Deadline,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Begin,
    /// Not among the requests in flight yet.
    Queue,
    Send,
    Receive,
    /// Its place has been left.
    End,
}

impl Flight {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        let deadline = Deadline::new(limit);
        Self { stage: Stage::Begin, seq: 0, unacknowledged: false, ticket: None, losses: 0, deadline }
    }
}

impl State {
    /// Whether the receive buffer surely holds no more answers.
    fn is_full(&self, socket: &Socket) -> bool {
        !self.slots.is_empty() && self.slots.len() >= socket.objects_that_fit().min(MAX_IN_FLIGHT)
    }

    fn enter(&mut self, flight: &mut Flight, wants_messages: bool) {
        // What has number 0 answers nothing.
        self.last_seq = self.last_seq.checked_add(1).unwrap_or(1);
        let seq = self.last_seq;
        let unacknowledged = flight.unacknowledged;
        let (messages, verdict, waker) = (Vec::new(), None, None);
        self.slots.push(Slot { seq, wants_messages, unacknowledged, messages, verdict, waker });
        self.large_answers += usize::from(wants_messages);
        (flight.seq, flight.losses) = (seq, self.losses);
    }

    fn leave(&mut self, seq: u32) {
        let Some(at) = self.slots.iter().position(|slot| slot.seq == seq) else { return };
        let own = self.slots.swap_remove(at);
        self.large_answers -= usize::from(own.wants_messages);
        // Dropped outside the lock too.
        self.woken.extend(own.waker);
        // Whoever waited for the socket on behalf of all may just have left.
        let heir = self.slots.iter_mut().find_map(|slot| slot.waker.take());
        self.woken.extend(heir);
        self.woken.extend(self.queue.pop_front().map(|(_, waker)| waker));
    }

    fn slot(&mut self, seq: u32) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.seq == seq)
    }

    /// Receives one datagram and hands its messages over.
    fn receive(
        &mut self,
        socket: &Socket,
        buffer: &mut Buffer,
        flight: &Flight,
        waker: &Waker,
        sink: &mut dyn Sink,
    ) -> Received {
        if self.secrets {
            buffer.set_sensitive();
        }
        // Earlier messages first: another caller may have received some.
        if sink.wants_messages()
            && let Some(slot) = self.slot(flight.seq)
        {
            slot.take_messages(sink);
        }
        let verdict = match self.receive_one(socket, buffer, flight, sink) {
            Ok(verdict) => verdict.or_else(|| self.handed_over(flight.seq, sink)),
            // All that was received so far has been handed over, because the lock was held.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match self.handed_over(flight.seq, sink) {
                    None if self.losses != flight.losses => Some(Err(ErrorKind::Overrun.into())),
                    None => {
                        self.keep_waker(flight.seq, waker);
                        return Received::Nothing;
                    }
                    verdict => verdict,
                }
            }
            Err(error) => {
                // Nobody can know what else is missing. What another caller received before is known.
                let handed_over = self.handed_over(flight.seq, sink);
                self.losses += 1;
                self.wake_all();
                let closed = error.kind() == io::ErrorKind::UnexpectedEof;
                let error = || if closed { ErrorKind::Closed.into() } else { error.into() };
                Some(handed_over.unwrap_or_else(|| Err(error())))
            }
        };
        match verdict {
            Some(verdict) => Received::Verdict(verdict, self.losses != flight.losses),
            None => Received::Others,
        }
    }

    /// Returns the caller's verdict if it was in the datagram.
    fn receive_one(
        &mut self,
        socket: &Socket,
        buffer: &mut Buffer,
        own: &Flight,
        sink: &mut dyn Sink,
    ) -> io::Result<Option<Result<Ack>>> {
        let received = match self.large_answers.saturating_sub(usize::from(sink.is_satisfied())) {
            // Verdicts are short.
            0 => socket.try_receive(buffer),
            _ if self.any_size => socket.try_receive_whole(buffer),
            _ => {
                buffer.make_room_for_events();
                socket.try_receive(buffer)
            }
        };
        match received {
            Ok(received) if received.port != 0 => Ok(None),
            // The kernel sends no empty datagram: the other end of a simulated socket is gone.
            Ok(received) if received.size == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(received) => {
                let Some(datagram) = buffer.get(..received.size) else {
                    // Whom a message answers that did not fit is not known. The next one of its size is read whole.
                    self.any_size = true;
                    return Ok(self.recover(socket, buffer, own, sink));
                };
                let handed = self.hand_over(datagram, own, sink);
                let recovered = if handed.lost { self.recover(socket, buffer, own, sink) } else { None };
                Ok(handed.own_verdict.or(recovered))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) if is_loss(&error) => Ok(self.recover(socket, buffer, own, sink)),
            Err(error) => Err(error),
        }
    }

    fn hand_over(&mut self, datagram: &[u8], own: &Flight, sink: &mut dyn Sink) -> HandedOver {
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
            if message.seq() != own.seq {
                let waker = self.slot(message.seq()).and_then(|slot| slot.put(message, verdict));
                self.woken.extend(waker);
            } else if let Some(verdict) = verdict {
                handed.own_verdict.get_or_insert(verdict);
            } else {
                sink.put(message);
                if own.unacknowledged {
                    handed.own_verdict.get_or_insert_with(|| Ok(Ack::default()));
                }
            }
        }
        handed
    }

    /// The caller's verdict, if another caller received it.
    fn handed_over(&mut self, seq: u32, sink: &mut dyn Sink) -> Option<Result<Ack>> {
        self.slot(seq)?.take(sink)
    }

    /// Reads the receive buffer empty, so that the kernel queues answers again. Returns the caller's verdict if it was there.
    fn recover(
        &mut self,
        socket: &Socket,
        buffer: &mut Buffer,
        own: &Flight,
        sink: &mut dyn Sink,
    ) -> Option<Result<Ack>> {
        self.losses += 1;
        let mut own_verdict = None;
        // Not until it is empty: someone may be sending all the time.
        for _ in 0..socket.most_queued() {
            match socket.try_receive_whole(buffer) {
                Ok(received) if received.port == 0 && received.size > 0 => {
                    let datagram = buffer.get(..received.size).unwrap_or_default();
                    let handed = self.hand_over(datagram, own, sink);
                    own_verdict = own_verdict.or(handed.own_verdict);
                }
                Ok(received) if received.size == 0 => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                _ => {}
            }
        }
        self.losses += 1;
        self.wake_all();
        own_verdict
    }

    fn keep_waker(&mut self, seq: u32, waker: &Waker) {
        let earlier = self.slot(seq).and_then(|slot| slot.waker.replace(waker.clone()));
        self.woken.extend(earlier.filter(|earlier| !earlier.will_wake(waker)));
    }

    fn wake_all(&mut self) {
        self.woken.extend(self.slots.iter_mut().filter_map(|slot| slot.waker.take()));
    }

    fn fail_all(&mut self, error: DecodeError) {
        for slot in &mut self.slots {
            slot.verdict.get_or_insert(Err(error.into()));
        }
        self.wake_all();
    }

    /// Queues a caller, or keeps its place with a new waker.
    fn wait(&mut self, flight: &mut Flight, cx: &Context<'_>) {
        let queued = flight.ticket.and_then(|own| self.queue.iter_mut().find(|(number, _)| *number == own));
        match queued {
            Some((_, waker)) if waker.will_wake(cx.waker()) => {}
            Some((_, waker)) => {
                let earlier = std::mem::replace(waker, cx.waker().clone());
                self.woken.push(earlier);
            }
            None => {
                let number = self.next_ticket;
                self.next_ticket = number.wrapping_add(1);
                self.queue.push_back((number, cx.waker().clone()));
                flight.ticket = Some(number);
            }
        }
    }

    /// Returns whether the caller was still in the queue.
    fn leave_queue(&mut self, flight: &mut Flight) -> bool {
        let Some(own) = flight.ticket.take() else { return true };
        let Some(at) = self.queue.iter().position(|(number, _)| *number == own) else { return false };
        let left = self.queue.remove(at);
        self.woken.extend(left.map(|(_, waker)| waker));
        true
    }
}

struct HandedOver {
    own_verdict: Option<Result<Ack>>,
    /// The kernel reported a loss inside the datagram.
    lost: bool,
}

impl Slot {
    /// Returns whom to wake.
    fn put(&mut self, message: MessageRef<'_>, verdict: Option<Result<Ack>>) -> Option<Waker> {
        match verdict {
            Some(verdict) => {
                self.verdict.get_or_insert(verdict);
                return self.waker.take();
            }
            None if self.wants_messages => self.messages.push(message.into()),
            None => {}
        }
        if self.unacknowledged {
            self.verdict.get_or_insert_with(|| Ok(Ack::default()));
            return self.waker.take();
        }
        None
    }

    /// The verdict, if it is there, with the messages before it.
    fn take(&mut self, sink: &mut dyn Sink) -> Option<Result<Ack>> {
        let verdict = self.verdict.take()?;
        self.take_messages(sink);
        Some(verdict)
    }

    fn take_messages(&mut self, sink: &mut dyn Sink) {
        self.messages.drain(..).for_each(|message| sink.put(message.as_ref()));
    }
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
