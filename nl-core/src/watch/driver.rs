use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_core::Stream;

use super::feed::{Feed, Input};
use super::machine::{Answer, Change, Event, Machine, Task};
use super::source::Source;
use super::table::Row;
use crate::connection::Connection;
use crate::dump::Dump;
use crate::error::{Error, ErrorKind, Result};
use crate::pending::Pending;
use crate::request::Request;
use crate::socket::Turn;
use crate::trace::Losses;

/// Changes that are yielded without waiting before other tasks get a turn.
const MAX_BURST: u32 = 128;
/// Entries of a list that are read before events are.
const MAX_LISTED: usize = 256;

/// A table that is watched: a `Stream` of `Result<Change>`, first of the entries that exist, then of what changes.
///
/// Applying the changes in order gives a table that converges to the kernel's, also when events are lost. The watch keeps
/// that table itself, see [`entries`](Self::entries) and
/// [how it stays correct](crate::watch#how-a-watch-stays-correct).
///
/// The watch works while it is polled. While it is not, events collect in the receive buffer. It can be polled on another
/// runtime at any time. Events that arrive while the table is listed are queued, the last one of each entry, for 1,048,576
/// entries at most; beyond it the listing is repeated.
///
/// # Errors
/// Each `Err` is reported once. An event that cannot be read makes the watch list the table again. A listing that fails is
/// repeated after a pause, which grows to a second; entries are never reported as deleted because of it. So is one during which
/// the table changed (`NLM_F_DUMP_INTR`), which is no error here. The watch ends after an error that cannot pass: its socket failed, or there is no runtime to wait in.
pub struct Watch<S: Source> {
    conn: Connection,
    source: S,
    feed: Feed<Event<S::Entry>>,
    machine: Machine<S::Entry>,
    work: Work<S::Entry>,
    /// The table is being listed, or was.
    listed: bool,
    resyncs: Losses,
    burst: u32,
    turn: Turn,
    ended: bool,
}

/// What is being done for the machine.
enum Work<E> {
    Asking(Pending<Option<E>>),
    /// The list is read to its end. What was deleted before has its event in the receive buffer.
    Listed,
    Listing(Box<Dump<Row<E>>>),
    None,
    Resting(Pending<()>),
    /// Until the kernel has done what its events are about.
    Settling(Pending<()>),
}

impl<S: Source> Watch<S> {
    /// Watches this table in the connection's namespace. Needs no runtime.
    ///
    /// # Errors
    /// As [`WatchBuilder::open`].
    pub fn open(conn: &Connection, source: S) -> Result<Self> {
        Self::builder(conn, source).open()
    }

    /// Options for a watch in the connection's namespace.
    pub fn builder(conn: &Connection, source: S) -> WatchBuilder<S> {
        WatchBuilder { conn: conn.clone(), source, receive_buffer: None }
    }

    /// The table as it is after the changes that were reported so far.
    ///
    /// An entry that is seen again unchanged is no change, so its ages are those of the last message about it.
    pub fn entries(&self) -> impl Iterator<Item = &S::Entry> {
        self.machine.rows().map(Row::entry)
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.machine.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.machine.len() == 0
    }

    /// How often the kernel dropped events because the receive buffer was full.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.feed.overruns()
    }

    /// Where the entries come from.
    #[must_use]
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Lists the table again, and reports the differences and then [`Change::Synced`].
    ///
    /// The watch does this by itself when events are lost. This is for a caller who knows of a change that the kernel does not
    /// report. It happens while the watch is polled. Calls that come before a list is requested are answered by that list; those that
    /// come while it is read, by one more.
    pub fn resync(&mut self) {
        match self.work {
            Work::Resting(_) => self.work = Work::None,
            // The list is requested later.
            Work::Settling(_) => return,
            _ => {}
        }
        self.machine.on_resync();
    }

    /// Takes one event.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Change<S::Entry>>>> {
        match ready!(self.feed.poll_input(cx)) {
            Input::Event(event) => {
                let change = self.machine.on_event(event);
                return Poll::Ready(Ok(change.map(|change| change.map(Row::into_entry))));
            }
            Input::Lost(error) => {
                self.machine.on_loss();
                if let Some(error) = error {
                    return Poll::Ready(Err(error));
                }
            }
            Input::Ended(error) => {
                self.ended = true;
                if let Some(error) = error {
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(None))
    }

    /// Does a piece of what the machine wants, small enough that events do not have to wait.
    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut self.work {
            Work::None => {
                self.work = match self.machine.task(Instant::now()) {
                    Task::Ask(row) => match self.source.question(row.entry()) {
                        Some(question) => Work::Asking(self.ask(question)),
                        None => {
                            self.machine.on_answer(Answer::Unknown, Instant::now());
                            Work::None
                        }
                    },
                    Task::List => {
                        if std::mem::replace(&mut self.listed, true) {
                            self.resyncs.resync(S::ENTRIES, || self.feed.overruns());
                        }
                        match self.settle() {
                            Some(settled) => Work::Settling(settled),
                            None => Work::Listing(Box::new(self.list())),
                        }
                    }
                    Task::None => return Poll::Pending,
                    Task::Rest(rest) => Work::Resting(Pending::pause(rest)),
                };
                return Poll::Ready(Ok(()));
            }
            Work::Asking(answer) => match ready!(Pin::new(answer).poll(cx)) {
                Ok(found) => {
                    let answer = found.map_or(Answer::Absent, Answer::Found);
                    self.machine.on_answer(answer, Instant::now());
                }
                Err(error) => return Poll::Ready(Err(self.fail(error))),
            },
            Work::Listing(dump) => {
                for _ in 0..MAX_LISTED {
                    match ready!(Pin::new(&mut **dump).poll_next(cx)) {
                        Some(Ok(row)) => self.machine.on_listed(row),
                        Some(Err(error)) if error.is_interrupted() => {
                            // It is read again, as after events that were lost.
                            self.fail(error);
                            return Poll::Ready(Ok(()));
                        }
                        Some(Err(error)) if !is_absent(&error, |e| self.source.is_absent_table(e)) => {
                            return Poll::Ready(Err(self.fail(error)));
                        }
                        _ => {
                            self.work = Work::Listed;
                            return Poll::Ready(Ok(()));
                        }
                    }
                }
                return Poll::Ready(Ok(()));
            }
            Work::Settling(answer) => {
                if let Err(error) = ready!(Pin::new(answer).poll(cx)) {
                    return Poll::Ready(Err(self.fail(error)));
                }
                self.work = Work::Listing(Box::new(self.list()));
                return Poll::Ready(Ok(()));
            }
            Work::Listed => self.machine.on_list_end(Instant::now()),
            Work::Resting(pause) => match ready!(Pin::new(pause).poll(cx)) {
                Ok(()) => self.machine.on_rested(),
                Err(error) => {
                    self.ended = true;
                    return Poll::Ready(Err(error));
                }
            },
        }
        self.work = Work::None;
        Poll::Ready(Ok(()))
    }

    fn list(&self) -> Dump<Row<S::Entry>> {
        let source = self.source.clone();
        if S::LISTS_SEVERAL {
            let mut found = Vec::new();
            return self.conn.dump_each(source.list(), move |message, rows| {
                let outcome = source.decode_entries(message, &mut found);
                rows.extend(found.drain(..).map(Row::new));
                outcome
            });
        }
        self.conn.dump(source.list(), move |message| Ok(source.decode_entry(message)?.map(Row::new)))
    }

    /// Waits as long as the source says, and then for the answer to its barrier, whatever it is; `None` if it says neither.
    fn settle(&self) -> Option<Pending<()>> {
        let barrier = self.source.barrier();
        if barrier.is_none() && S::SETTLING.is_zero() {
            return None;
        }
        let (conn, source, refused) = (self.conn.clone(), self.source.clone(), self.source.clone());
        Some(Pending::new(async move {
            if !S::SETTLING.is_zero() {
                Pending::pause(S::SETTLING).await?;
            }
            let Some(barrier) = barrier else { return Ok(()) };
            let answer = conn.answered(barrier, move |message| {
                source.settled(Ok(message));
                Ok(())
            });
            match answer.await {
                Err(error) if error.kernel().is_none() => Err(error),
                Err(error) => {
                    refused.settled(Err(&error));
                    Ok(())
                }
                Ok(()) => Ok(()),
            }
        }))
    }

    fn ask(&self, question: Request) -> Pending<Option<S::Entry>> {
        let (conn, source, decoder) = (self.conn.clone(), self.source.clone(), self.source.clone());
        Pending::new(async move {
            match conn.answered(question, move |message| decoder.decode_answer(message)).await {
                Err(error) if is_absent(&error, |e| source.is_absent_entry(e)) => Ok(None),
                answer => answer,
            }
        })
    }

    /// A list or question failed. What a rest cannot mend ends the watch.
    fn fail(&mut self, error: Error) -> Error {
        let asking = matches!(self.work, Work::Asking(_) | Work::Settling(_));
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

impl<S: Source> Stream for Watch<S> {
    type Item = Result<Change<S::Entry>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if this.burst >= MAX_BURST {
                this.burst = 0;
                this.turn.give();
            }
            ready!(this.turn.poll(cx));
            if let Some(change) = this.machine.next_change() {
                this.burst += 1;
                return Poll::Ready(Some(Ok(change.map(Row::into_entry))));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            // Events first: the receive buffer is what overflows.
            let progress = match this.poll_event(cx) {
                Poll::Pending => this.poll_work(cx).map_ok(|()| None),
                progress => progress,
            };
            match progress {
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Ok(Some(change))) => return Poll::Ready(Some(Ok(change))),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => {
                    this.burst = 0;
                    return Poll::Pending;
                }
            }
        }
    }
}

// A source is never pinned.
impl<S: Source> Unpin for Watch<S> {}

/// The changes, one after another on the calling thread.
#[cfg(feature = "blocking")]
impl<S: Source> IntoIterator for &mut Watch<S> {
    type Item = Result<Change<S::Entry>>;
    type IntoIter = crate::blocking::Iter<Self>;

    fn into_iter(self) -> Self::IntoIter {
        crate::blocking::Iter::new(self)
    }
}

impl<S: Source> fmt::Debug for Watch<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("of", &S::ENTRIES)
            .field("entries", &self.len())
            .field("overruns", &self.overruns())
            .finish_non_exhaustive()
    }
}

/// Options for a [`Watch`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is opened"]
pub struct WatchBuilder<S> {
    conn: Connection,
    source: S,
    receive_buffer: Option<usize>,
}

impl<S: Source> WatchBuilder<S> {
    /// The size of the receive buffer in bytes, 8 MiB by default; see
    /// [`MonitorBuilder::receive_buffer`](crate::monitor::MonitorBuilder::receive_buffer). The smaller it is, the more
    /// often the table is listed again.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Starts the watch. Needs no runtime.
    ///
    /// # Errors
    /// The connection is to another protocol; otherwise as [`MonitorBuilder::open`](crate::monitor::MonitorBuilder::open).
    pub fn open(self) -> Result<Watch<S>> {
        let Self { conn, source, receive_buffer } = self;
        conn.require(S::PROTOCOL, S::ENTRIES)?;
        let mut monitor =
            source.groups().into_iter().fold(conn.monitor(), |monitor, group| monitor.group(group));
        if let Some(bytes) = receive_buffer {
            monitor = monitor.receive_buffer(bytes);
        }
        if let Some(filter) = source.filter() {
            monitor = monitor.filter(filter);
        }
        let decoder = source.clone();
        // It listens before the first list, so that the list lacks nothing that is not an event.
        let monitor = monitor.open(move |message| decoder.decode_event(message))?;
        Ok(Watch {
            conn,
            source,
            feed: Feed::new(monitor),
            machine: Machine::new(),
            work: Work::None,
            listed: false,
            resyncs: Losses::new(),
            burst: 0,
            turn: Turn::default(),
            ended: false,
        })
    }
}

/// Whether the kernel says that something does not exist. An error of a socket never says so.
fn is_absent(error: &Error, by_source: impl FnOnce(&Error) -> bool) -> bool {
    error.kernel().is_some() && by_source(error)
}
