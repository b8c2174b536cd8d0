use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_core::Stream;
use nl_core::dump::Dump;
use nl_core::error::{Error, ErrorKind, Result};
use nl_core::monitor::Monitor;
use nl_core::{Connection, Pending};

use super::machine::{Change, Event, Machine, Task};
use super::table::{Entry, Keyed, Table};

/// Changes that are yielded without waiting before other tasks get a turn.
const MAX_BURST: u32 = 128;
/// Entries of a list that are read before events are.
const MAX_LISTED: usize = 256;

/// Where the entries of a table come from.
pub(crate) trait Source {
    type Entry: Entry;

    /// Lists the table.
    fn list(&self, conn: &Connection) -> Dump<Arc<Keyed<Self::Entry>>>;

    /// Asks for the current state of an entry; `None` if the kernel says that it does not exist.
    fn ask(&self, conn: &Connection, entry: &Self::Entry) -> Pending<Option<Self::Entry>>;

    /// Whether this refusal of the list means that the table does not exist.
    fn is_absence(&self, refusal: &Error) -> bool;
}

/// Does the I/O of a watch.
pub(crate) struct Driver<S: Source> {
    conn: Connection,
    source: S,
    monitor: Monitor<Event<S::Entry>>,
    machine: Machine<S::Entry>,
    work: Work<S::Entry>,
    burst: u32,
    overruns: u64,
    ended: bool,
}

/// What is being done for the machine.
enum Work<E> {
    Asking(Pending<Option<E>>),
    Listing(Box<Dump<Arc<Keyed<E>>>>),
    None,
    Resting(Pending<()>),
}

impl<S: Source> Driver<S> {
    /// The monitor must listen already, so that the list lacks nothing that is not an event.
    pub(crate) fn new(conn: Connection, source: S, monitor: Monitor<Event<S::Entry>>) -> Self {
        Self {
            conn,
            source,
            monitor,
            machine: Machine::new(),
            work: Work::None,
            burst: 0,
            overruns: 0,
            ended: false,
        }
    }

    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    pub(crate) fn table(&self) -> &Table<S::Entry> {
        self.machine.table()
    }

    pub(crate) fn overruns(&self) -> u64 {
        self.overruns
    }

    pub(crate) fn poll_change(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Change<S::Entry>>>> {
        loop {
            if self.burst >= MAX_BURST {
                self.burst = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(change) = self.machine.next_change() {
                self.burst += 1;
                return Poll::Ready(Some(Ok(change)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            // Events first: the receive buffer is what overflows.
            let progress = match self.poll_event(cx) {
                Poll::Pending => self.poll_work(cx),
                progress => progress,
            };
            match progress {
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Ok(Some(change))) => return Poll::Ready(Some(Ok(change))),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => {
                    self.burst = 0;
                    return Poll::Pending;
                }
            }
        }
    }

    /// Takes one event.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Change<S::Entry>>>> {
        match ready!(Pin::new(&mut self.monitor).poll_next(cx)) {
            Some(Ok(event)) => return Poll::Ready(Ok(self.machine.on_event(event))),
            Some(Err(error)) => {
                self.machine.on_loss();
                if !error.is_overrun() {
                    return Poll::Ready(Err(error));
                }
                self.overruns += 1;
                // The kernel drops everything until the buffer was read empty.
                if let Err(error) = self.monitor.discard_pending() {
                    self.ended = true;
                    return Poll::Ready(Err(error));
                }
            }
            None => self.ended = true,
        }
        Poll::Ready(Ok(None))
    }

    /// Does a piece of what the machine wants, small enough that events do not have to wait.
    fn poll_work<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        match &mut self.work {
            Work::None => {
                self.work = match self.machine.task(Instant::now()) {
                    Task::Ask(entry) => Work::Asking(self.source.ask(&self.conn, &entry.0)),
                    Task::List => Work::Listing(Box::new(self.source.list(&self.conn))),
                    Task::None => return Poll::Pending,
                    Task::Rest(rest) => Work::Resting(Pending::pause(rest)),
                };
                return Poll::Ready(Ok(None));
            }
            Work::Asking(answer) => match ready!(Pin::new(answer).poll(cx)) {
                Ok(found) => self.machine.on_answer(found, Instant::now()),
                Err(error) => return Poll::Ready(Err(self.fail(error))),
            },
            Work::Listing(dump) => {
                for _ in 0..MAX_LISTED {
                    match ready!(Pin::new(&mut **dump).poll_next(cx)) {
                        Some(Ok(entry)) => self.machine.on_listed(entry),
                        Some(Err(error)) if !self.source.is_absence(&error) => {
                            return Poll::Ready(Err(self.fail(error)));
                        }
                        _ => {
                            self.work = Work::None;
                            self.machine.on_list_end(Instant::now());
                            return Poll::Ready(Ok(None));
                        }
                    }
                }
                return Poll::Ready(Ok(None));
            }
            Work::Resting(pause) => match ready!(Pin::new(pause).poll(cx)) {
                Ok(()) => self.machine.on_rested(),
                Err(error) => {
                    self.ended = true;
                    return Poll::Ready(Err(error));
                }
            },
        }
        self.work = Work::None;
        Poll::Ready(Ok(None))
    }

    /// A list or question failed. What a rest cannot mend ends the watch.
    fn fail(&mut self, error: Error) -> Error {
        let asking = matches!(self.work, Work::Asking(_));
        self.work = Work::None;
        self.machine.on_failure(Instant::now());
        self.ended = match error.kind() {
            // There is no runtime, or it lacks what waiting takes.
            ErrorKind::Usage(_) => true,
            // A list has a connection of its own.
            ErrorKind::Closed => asking,
            _ => false,
        };
        error
    }
}
