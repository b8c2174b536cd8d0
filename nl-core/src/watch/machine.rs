//! Decides what a watch lists, asks for and reports.
//!
//! The machine does no I/O and reads no clock. Its driver gives it events, entries and answers, takes the changes that follow
//! from them, and does the tasks it is given:
//!
//! 1. `List` the table. Events that arrive meanwhile are queued and then replayed over the list.
//! 2. `Ask` for each entry that the table has and the list lacks, because a list can skip entries.
//! 3. Nothing, while it emits the differences between the table and what was found.
//! 4. `Rest`, and then from the beginning, if entries were deleted or events lost while the table was listed.

use std::time::{Duration, Instant};
use std::vec;

use indexmap::set;

use super::backoff::Backoff;
use super::table::{Entry, Row, Table};

/// Entries with events that are queued while the table is listed. Beyond it the events are dropped and the listing is repeated,
/// as if the kernel had dropped them.
pub(super) const MAX_QUEUED: usize = 1 << 20;

/// What the kernel reports about a table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<E> {
    /// The entry was deleted; this was its last state.
    Deleted(E),
    /// An entry that is not watched was deleted from the table that is listed. A list that was being read meanwhile may lack
    /// entries, because the kernel resumes it by counting.
    DeletedElsewhere,
    /// The entry still exists, and is no longer one of those that are watched.
    Left(E),
    /// The entry exists, in this state.
    New(E),
    /// The entry exists, in place of another one with its key: the first of them, if there are several.
    Replaced(E),
    /// Entries can change or vanish by this without an event of their own. The table is listed again.
    Unreported,
}

/// What changed in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<E> {
    /// An entry is new, or existed when the watch began.
    Added(E),
    /// An entry is in another state.
    Changed {
        /// How it was.
        before: E,
        /// How it is.
        after: E,
    },
    /// An entry was deleted.
    Deleted(E),
    /// The table is the same as in the kernel. Everything that existed when the watch began, or that was missed when events
    /// were lost, has been reported.
    Synced,
}

impl<E> Change<E> {
    pub(super) fn map<T>(self, f: impl Fn(E) -> T) -> Change<T> {
        match self {
            Self::Added(entry) => Change::Added(f(entry)),
            Self::Changed { before, after } => Change::Changed { before: f(before), after: f(after) },
            Self::Deleted(entry) => Change::Deleted(f(entry)),
            Self::Synced => Change::Synced,
        }
    }
}

/// What the kernel answers when it is asked for an entry.
pub(super) enum Answer<E> {
    /// There is none.
    Absent,
    /// The entry as it is, or another one that the kernel found in its place.
    Found(E),
    /// The kernel cannot be asked.
    Unknown,
}

/// What the driver is to do next.
pub(super) enum Task<E> {
    Ask(Row<E>),
    List,
    /// Nothing, until an event arrives.
    None,
    Rest(Duration),
}

pub(super) struct Machine<E> {
    table: Table<E>,
    phase: Phase<E>,
    backoff: Backoff,
    /// How long the last listing took.
    took: Duration,
    /// Something was lost or deleted since the listing began.
    dirty: bool,
}

enum Phase<E> {
    /// Events are applied as they come.
    Live,
    /// So they are here, until it is time to list the table again.
    Resting(Duration),
    Listing(Round<E>),
    Asking(Round<E>, Questions<E>),
    Emitting(Differences<E>),
    /// There was no table, so it is what was found, and the entries from this place on are to be emitted.
    EmittingFirst(usize),
}

/// One reading of the whole table.
struct Round<E> {
    began: Option<Instant>,
    seen: Table<E>,
    /// The last event of each entry since the round began: those that exist, and those that were deleted.
    existing: Table<E>,
    deleted: Table<E>,
}

/// The entries that the list lacks.
struct Questions<E> {
    open: vec::IntoIter<Row<E>>,
    asked: Option<Row<E>>,
    absent: Vec<Row<E>>,
}

/// What is to be applied to the table, one by one.
struct Differences<E> {
    absent: vec::IntoIter<Row<E>>,
    found: set::IntoIter<Row<E>>,
}

impl<E: Entry> Machine<E> {
    /// A machine with an empty table, whose first task is to list it.
    pub(super) fn new() -> Self {
        let (table, backoff) = (Table::default(), Backoff::default());
        Self { table, phase: Phase::Live, backoff, took: Duration::ZERO, dirty: false }.listing()
    }

    /// The table after the changes that were taken.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row<E>> {
        self.table.iter().take(self.len())
    }

    /// The entries of that table.
    pub(super) fn len(&self) -> usize {
        match self.phase {
            Phase::EmittingFirst(emitted) => emitted,
            _ => self.table.len(),
        }
    }

    /// The next change that follows from a reading of the table. To be taken until there is none before anything else is given.
    pub(super) fn next_change(&mut self) -> Option<Change<Row<E>>> {
        match &mut self.phase {
            Phase::Emitting(Differences { absent, found }) => {
                for entry in absent {
                    if let Some(before) = self.table.take(&entry) {
                        return Some(Change::Deleted(before));
                    }
                }
                for entry in found {
                    if let Some(change) = put(&mut self.table, entry) {
                        return Some(change);
                    }
                }
            }
            Phase::EmittingFirst(emitted) => {
                if let Some(entry) = self.table.get(*emitted) {
                    *emitted += 1;
                    return Some(Change::Added(entry.clone()));
                }
            }
            _ => return None,
        }
        if self.dirty {
            self.rest();
            return None;
        }
        self.backoff.reset();
        self.phase = Phase::Live;
        Some(Change::Synced)
    }

    /// What is to be done. Asked for again only when the last task has ended.
    pub(super) fn task(&mut self, now: Instant) -> Task<E> {
        match &mut self.phase {
            Phase::Live | Phase::Emitting(_) | Phase::EmittingFirst(_) => Task::None,
            Phase::Resting(rest) => Task::Rest(*rest),
            Phase::Listing(round) => {
                round.began = Some(now);
                Task::List
            }
            Phase::Asking(_, questions) => {
                questions.asked = questions.open.next();
                questions.asked.clone().map_or(Task::None, Task::Ask)
            }
        }
    }

    /// An event. Returns the change that it makes.
    pub(super) fn on_event(&mut self, event: Event<E>) -> Option<Change<Row<E>>> {
        match &mut self.phase {
            Phase::Live | Phase::Resting(_) => {
                return match event {
                    Event::New(entry) => put(&mut self.table, Row::new(entry)),
                    Event::Deleted(entry) => delete(&mut self.table, &entry),
                    Event::DeletedElsewhere => None,
                    Event::Left(entry) => self.table.take_entry(&entry).map(Change::Deleted),
                    Event::Replaced(entry) => self.replace(Row::new(entry)),
                    Event::Unreported => {
                        self.list_later();
                        None
                    }
                };
            }
            Phase::Listing(round) => {
                // The kernel resumes a list by counting, so it skips an entry for each that was deleted.
                let skips = matches!(event, Event::Deleted(_) | Event::DeletedElsewhere);
                self.dirty |= !round.queue(event) | skips;
            }
            Phase::Asking(round, _) => self.dirty |= !round.queue(event),
            Phase::Emitting(_) | Phase::EmittingFirst(_) => self.dirty = true,
        }
        None
    }

    /// Events were lost, or could not be read.
    pub(super) fn on_loss(&mut self) {
        match &self.phase {
            Phase::Live => self.list(),
            // What was queued may be older than what was lost. The list is not.
            Phase::Listing(round) if round.began.is_none() => self.list(),
            Phase::Resting(_) => {}
            _ => self.dirty = true,
        }
    }

    /// The table is to be listed, at once if it is not being listed already. A listing that has not begun answers the request.
    pub(super) fn on_resync(&mut self) {
        match &self.phase {
            Phase::Live | Phase::Resting(_) => self.list(),
            Phase::Listing(round) if round.began.is_none() => {}
            _ => self.dirty = true,
        }
    }

    /// An entry of the list.
    pub(super) fn on_listed(&mut self, entry: Row<E>) {
        if let Phase::Listing(round) = &mut self.phase {
            round.seen.put(entry);
        }
    }

    /// The list is complete.
    pub(super) fn on_list_end(&mut self, now: Instant) {
        let mut round = match std::mem::replace(&mut self.phase, Phase::Live) {
            Phase::Listing(round) => round,
            other => {
                self.phase = other;
                return;
            }
        };
        round.replay();
        let lacking = |entry: &&Row<E>| !round.seen.contains(entry) && !round.deleted.contains(entry);
        let open: Vec<_> = self.table.iter().filter(lacking).cloned().collect();
        if open.is_empty() {
            self.emit(round, Vec::new(), now);
        } else {
            let questions = Questions { open: open.into_iter(), asked: None, absent: Vec::new() };
            self.phase = Phase::Asking(round, questions);
        }
    }

    /// The answer to the question.
    pub(super) fn on_answer(&mut self, answer: Answer<E>, now: Instant) {
        let Phase::Asking(round, questions) = &mut self.phase else { return };
        if let Some(asked) = questions.asked.take() {
            match answer {
                // The list skipped it.
                Answer::Found(found) if found.key() == asked.entry().key() => {
                    drop(round.seen.put(Row::new(found)));
                }
                // What was found may be one of several under the address. Not certain, so it stays until the next listing.
                Answer::Found(_) | Answer::Unknown if self.dirty => drop(round.seen.put(asked)),
                _ => questions.absent.push(asked),
            }
        }
        if questions.open.len() > 0 {
            return;
        }
        if let Phase::Asking(round, questions) = std::mem::replace(&mut self.phase, Phase::Live) {
            self.emit(round, questions.absent, now);
        }
    }

    /// The list or the question failed. The events since then are applied, and the table is listed again later.
    pub(super) fn on_failure(&mut self, now: Instant) {
        match std::mem::replace(&mut self.phase, Phase::Live) {
            Phase::Listing(mut round) | Phase::Asking(mut round, _) => {
                self.dirty = true;
                round.seen.clear();
                self.emit(round, Vec::new(), now);
            }
            other => self.phase = other,
        }
    }

    /// The rest is over.
    pub(super) fn on_rested(&mut self) {
        if let Phase::Resting(_) = self.phase {
            self.list();
        }
    }

    fn listing(mut self) -> Self {
        self.list();
        self
    }

    fn list(&mut self) {
        self.dirty = false;
        self.phase = Phase::Listing(Round {
            began: None,
            seen: Table::default(),
            existing: Table::default(),
            deleted: Table::default(),
        });
    }

    /// Lists the table again, after a rest in which more of the same can happen.
    fn list_later(&mut self) {
        if let Phase::Live = self.phase {
            self.rest();
        }
    }

    fn rest(&mut self) {
        self.phase = Phase::Resting(self.backoff.rest(self.took));
    }

    /// Puts an entry in the place of the one that has its key. If several have it, which one it was is not known.
    fn replace(&mut self, entry: Row<E>) -> Option<Change<Row<E>>> {
        let Some(before) = self.table.take_by_key(&entry) else { return put(&mut self.table, entry) };
        if let Some(another) = self.table.take_by_key(&entry) {
            self.table.put(before);
            self.table.put(another);
            self.list_later();
            return None;
        }
        self.table.put(entry.clone());
        (!before.is_unchanged(&entry)).then_some(Change::Changed { before, after: entry })
    }

    fn emit(&mut self, mut round: Round<E>, mut absent: Vec<Row<E>>, now: Instant) {
        round.replay();
        self.took = round.began.map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
        if self.table.is_empty() {
            self.table = round.seen;
            self.phase = Phase::EmittingFirst(0);
            return;
        }
        absent.extend(round.deleted);
        absent.retain(|entry| !round.seen.contains(entry));
        self.table.reserve(round.seen.len().saturating_sub(self.table.len()));
        self.phase =
            Phase::Emitting(Differences { absent: absent.into_iter(), found: round.seen.into_iter() });
    }
}

impl<E: Entry> Round<E> {
    /// Queues an event, and says whether the list with the queued events is complete.
    fn queue(&mut self, event: Event<E>) -> bool {
        let (to, from, entry) = match event {
            Event::New(entry) => (&mut self.existing, &mut self.deleted, entry),
            Event::Deleted(entry) | Event::Left(entry) => (&mut self.deleted, &mut self.existing, entry),
            Event::DeletedElsewhere => return true,
            // Whether the list shows the table before or after it is not known.
            Event::Replaced(_) | Event::Unreported => return false,
        };
        let entry = Row::new(entry);
        if to.len() + from.len() >= MAX_QUEUED {
            to.clear();
            from.clear();
            return false;
        }
        if !from.is_empty() {
            from.take(&entry);
        }
        to.put(entry);
        true
    }

    /// Applies what happened since the round began to what was found.
    fn replay(&mut self) {
        for entry in self.existing.iter() {
            self.seen.put(entry.clone());
        }
        for entry in self.deleted.iter() {
            self.seen.take_part(entry.entry());
        }
    }
}

/// Removes what was deleted from the table, and says what that changed.
fn delete<E: Entry>(table: &mut Table<E>, entry: &E) -> Option<Change<Row<E>>> {
    let (before, rest) = table.take_part(entry)?;
    match rest {
        None => Some(Change::Deleted(before)),
        Some(after) if before.is_unchanged(&after) => None,
        Some(after) => Some(Change::Changed { before, after }),
    }
}

/// Puts an entry into the table, and says what that changed.
fn put<E: Entry>(table: &mut Table<E>, entry: Row<E>) -> Option<Change<Row<E>>> {
    match table.put(entry.clone()) {
        None => Some(Change::Added(entry)),
        Some(before) if before.is_unchanged(&entry) => None,
        Some(before) => Some(Change::Changed { before, after: entry }),
    }
}
