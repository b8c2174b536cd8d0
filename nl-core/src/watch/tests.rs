use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::machine::{Answer, Change, Event, MAX_QUEUED, Machine, Task};
use super::table::{Entry, Row};

/// A number with a value, and an age that changes by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Number {
    key: u32,
    value: u8,
    age: u8,
}

impl Entry for Number {
    type Key = u32;

    fn key(&self) -> u32 {
        self.key
    }

    fn normalized(&self) -> Cow<'_, Self> {
        Cow::Owned(Self { age: 0, ..self.clone() })
    }
}

fn number(key: u32, value: u8) -> Number {
    Number { key, value, age: 0 }
}

type Rows = BTreeMap<u32, u8>;

/// Applies a change to what a reader of the changes has, and checks that it fits.
fn apply(rows: &mut Rows, change: Change<Row<Number>>) -> bool {
    match change.map(Row::into_entry) {
        Change::Added(new) => assert_eq!(rows.insert(new.key, new.value), None),
        Change::Changed { before, after } => {
            assert_ne!(before.value, after.value);
            assert_eq!(rows.insert(after.key, after.value), Some(before.value));
        }
        Change::Deleted(old) => assert_eq!(rows.remove(&old.key), Some(old.value)),
        Change::Synced => return true,
    }
    false
}

/// Takes all changes, and says whether the machine was synced.
fn take(machine: &mut Machine<Number>, rows: &mut Rows) -> bool {
    let mut synced = false;
    while let Some(change) = machine.next_change() {
        synced |= apply(rows, change);
    }
    synced
}

fn table(machine: &Machine<Number>) -> Rows {
    machine.rows().map(|entry| (entry.entry().key, entry.entry().value)).collect()
}

/// A machine that has seen these rows.
fn synced(rows: &[(u32, u8)]) -> (Machine<Number>, Rows) {
    let (mut machine, mut reader) = (Machine::new(), Rows::new());
    list(&mut machine, rows);
    assert!(take(&mut machine, &mut reader));
    assert_eq!(reader, rows.iter().copied().collect());
    (machine, reader)
}

fn list(machine: &mut Machine<Number>, rows: &[(u32, u8)]) {
    assert!(matches!(machine.task(Instant::now()), Task::List));
    rows.iter().for_each(|(key, value)| machine.on_listed(Row::new(number(*key, *value))));
    machine.on_list_end(Instant::now());
}

fn asked(machine: &mut Machine<Number>) -> Option<u32> {
    match machine.task(Instant::now()) {
        Task::Ask(entry) => Some(entry.entry().key),
        Task::None => None,
        _ => panic!("neither a question nor nothing to do"),
    }
}

#[test]
fn table_is_listed_again_on_demand_at_once() {
    let (mut machine, mut reader) = synced(&[(1, 1), (2, 2)]);
    // Also while it rests.
    for rests in [false, true] {
        if rests {
            assert!(machine.on_event(Event::Unreported).is_none());
        }
        machine.on_resync();
        list(&mut machine, &[(1, 1), (2, 2)]);
        assert!(take(&mut machine, &mut reader), "resting: {rests}");
    }
    // A listing that has begun may have missed what the caller knows of.
    machine.on_resync();
    assert!(matches!(machine.task(Instant::now()), Task::List));
    machine.on_resync();
    machine.on_list_end(Instant::now());
    while asked(&mut machine).is_some() {
        machine.on_answer(Answer::Unknown, Instant::now());
    }
    assert!(!take(&mut machine, &mut reader), "synced by a listing that began before");
    assert_eq!(reader.len(), 2);
}

#[test]
fn several_requests_before_a_list_begins_make_one_list() {
    let (mut machine, mut reader) = synced(&[(1, 1)]);
    for rests in [false, true] {
        if rests {
            assert!(machine.on_event(Event::Unreported).is_none());
        }
        (0..5).for_each(|_| machine.on_resync());
        list(&mut machine, &[(1, 1)]);
        assert!(take(&mut machine, &mut reader), "resting: {rests}");
        assert!(matches!(machine.task(Instant::now()), Task::None), "resting: {rests}");
    }
    // The first list answers a request, too.
    let (mut machine, mut reader) = (Machine::new(), Rows::new());
    machine.on_resync();
    list(&mut machine, &[(1, 1)]);
    assert!(take(&mut machine, &mut reader));
    assert!(matches!(machine.task(Instant::now()), Task::None));
}

#[test]
fn several_requests_while_a_list_is_read_make_one_more() {
    let (mut machine, mut reader) = synced(&[(1, 1)]);
    machine.on_resync();
    assert!(matches!(machine.task(Instant::now()), Task::List));
    (0..5).for_each(|_| machine.on_resync());
    machine.on_listed(Row::new(number(1, 1)));
    machine.on_list_end(Instant::now());
    assert!(!take(&mut machine, &mut reader));
    assert!(matches!(machine.task(Instant::now()), Task::Rest(_)));
    machine.on_rested();
    list(&mut machine, &[(1, 1)]);
    assert!(take(&mut machine, &mut reader));
    assert!(matches!(machine.task(Instant::now()), Task::None));
}

/// An event that is queued before a loss may be older than what was lost.
#[test]
fn loss_before_a_list_begins_drops_what_was_queued_and_needs_no_second_list() {
    let (mut machine, mut reader) = synced(&[(1, 1)]);
    machine.on_resync();
    assert!(machine.on_event(Event::New(number(2, 2))).is_none());
    assert!(machine.on_event(Event::Deleted(number(1, 1))).is_none());
    // That 2 was deleted and 1 was added again is lost.
    machine.on_loss();
    list(&mut machine, &[(1, 1)]);
    assert!(take(&mut machine, &mut reader));
    assert_eq!(reader, Rows::from([(1, 1)]));
    assert!(matches!(machine.task(Instant::now()), Task::None));
}

#[test]
fn unchanged_row_with_another_age_is_no_change() {
    let (mut machine, _) = synced(&[(1, 1)]);
    let older = Number { key: 1, value: 1, age: 9 };
    assert!(machine.on_event(Event::New(older)).is_none());
    assert_eq!(machine.rows().next().unwrap().entry().age, 9);
}

#[test]
fn first_rows_are_reported_in_the_order_of_the_list_and_the_table_has_those_that_were() {
    let mut machine = Machine::new();
    list(&mut machine, &[(3, 1), (1, 2), (2, 3)]);
    let mut reader = Rows::new();
    let mut order = Vec::new();
    while let Some(change) = machine.next_change() {
        if let Change::Added(row) = &change {
            order.push(row.entry().key);
        }
        apply(&mut reader, change);
        assert_eq!((machine.len(), table(&machine)), (reader.len(), reader.clone()));
    }
    assert_eq!(order, [3, 1, 2]);
}

#[test]
fn row_that_the_list_lacks_is_deleted_only_after_the_answer() {
    let (mut machine, mut reader) = synced(&[(1, 1), (2, 2), (3, 3)]);
    machine.on_loss();
    list(&mut machine, &[(2, 2)]);
    let mut questions = Vec::new();
    while let Some(key) = asked(&mut machine) {
        assert_eq!(machine.len(), 3);
        questions.push(key);
        let answer = if key == 3 { Answer::Found(number(3, 7)) } else { Answer::Absent };
        machine.on_answer(answer, Instant::now());
    }
    questions.sort_unstable();
    assert_eq!(questions, [1, 3]);
    assert!(take(&mut machine, &mut reader));
    assert_eq!(reader, Rows::from([(2, 2), (3, 7)]));
}

/// The kernel finds an entry by a part of its key.
#[test]
fn answer_about_another_row_deletes_only_if_nothing_was_lost_meanwhile() {
    for lost in [false, true] {
        let (mut machine, mut reader) = synced(&[(1, 1)]);
        machine.on_loss();
        list(&mut machine, &[]);
        assert_eq!(asked(&mut machine), Some(1));
        if lost {
            machine.on_loss();
        }
        machine.on_answer(Answer::Found(number(2, 2)), Instant::now());
        assert_eq!(take(&mut machine, &mut reader), !lost);
        assert_eq!(reader.contains_key(&1), lost);
    }
}

/// A table of which the kernel cannot be asked for one row.
#[test]
fn row_without_an_answer_is_deleted_only_if_nothing_was_lost_meanwhile() {
    for lost in [false, true] {
        let (mut machine, mut reader) = synced(&[(1, 1)]);
        machine.on_loss();
        list(&mut machine, &[]);
        assert_eq!(asked(&mut machine), Some(1));
        if lost {
            machine.on_loss();
        }
        machine.on_answer(Answer::Unknown, Instant::now());
        assert_eq!(take(&mut machine, &mut reader), !lost);
        assert_eq!(reader.contains_key(&1), lost);
    }
}

#[test]
fn failure_keeps_the_table_and_applies_the_events() {
    let (mut machine, mut reader) = synced(&[(1, 1), (2, 2), (3, 3)]);
    machine.on_loss();
    assert!(matches!(machine.task(Instant::now()), Task::List));
    machine.on_listed(Row::new(number(1, 9)));
    assert!(machine.on_event(Event::New(number(4, 4))).is_none());
    assert!(machine.on_event(Event::Deleted(number(2, 2))).is_none());
    machine.on_failure(Instant::now());
    assert!(!take(&mut machine, &mut reader));
    assert_eq!(reader, Rows::from([(1, 1), (3, 3), (4, 4)]));
    assert!(matches!(machine.task(Instant::now()), Task::Rest(_)));
}

#[test]
fn rests_grow_to_a_second_and_begin_small_after_a_sync() {
    let mut machine = Machine::<Number>::new();
    let mut rests = Vec::new();
    for _ in 0..12 {
        assert!(matches!(machine.task(Instant::now()), Task::List));
        machine.on_failure(Instant::now());
        assert!(machine.next_change().is_none());
        let Task::Rest(rest) = machine.task(Instant::now()) else { panic!("no rest") };
        rests.push(rest);
        machine.on_rested();
    }
    assert!(rests.is_sorted(), "{rests:?}");
    assert_eq!(rests.last(), Some(&Duration::from_secs(1)));
    list(&mut machine, &[]);
    assert!(take(&mut machine, &mut Rows::new()));
    machine.on_loss();
    assert!(matches!(machine.task(Instant::now()), Task::List));
    machine.on_failure(Instant::now());
    assert!(machine.next_change().is_none());
    let Task::Rest(rest) = machine.task(Instant::now()) else { panic!("no rest") };
    assert!(rest < Duration::from_millis(100), "{rest:?}");
}

#[test]
fn deletion_while_listing_is_followed_by_another_listing() {
    for (event, repeated) in [
        (Event::New(number(5, 5)), false),
        (Event::Left(number(5, 5)), false),
        (Event::Deleted(number(5, 5)), true),
        (Event::DeletedElsewhere, true),
    ] {
        let mut machine = Machine::new();
        assert!(matches!(machine.task(Instant::now()), Task::List));
        machine.on_event(event);
        machine.on_list_end(Instant::now());
        assert_eq!(take(&mut machine, &mut Rows::new()), !repeated);
        assert_eq!(matches!(machine.task(Instant::now()), Task::Rest(_)), repeated);
    }
}

#[test]
fn queue_is_bounded_by_entries_and_not_by_events() {
    let mut machine = Machine::new();
    assert!(matches!(machine.task(Instant::now()), Task::List));
    for turn in 0..MAX_QUEUED + 1 {
        machine.on_event(Event::New(number(1, u8::try_from(turn % 256).unwrap())));
    }
    machine.on_list_end(Instant::now());
    let mut reader = Rows::new();
    assert!(take(&mut machine, &mut reader));
    assert_eq!(reader, Rows::from([(1, 0)]));
}

#[test]
fn queue_that_overflows_repeats_the_listing() {
    let mut machine = Machine::new();
    assert!(matches!(machine.task(Instant::now()), Task::List));
    for key in 0..=u32::try_from(MAX_QUEUED).unwrap() {
        machine.on_event(Event::New(number(key, 1)));
    }
    machine.on_list_end(Instant::now());
    assert!(!take(&mut machine, &mut Rows::new()));
    assert!(matches!(machine.task(Instant::now()), Task::Rest(_)));
}

#[test]
fn change_without_an_event_of_its_own_lists_the_table_after_a_rest() {
    let (mut machine, mut reader) = synced(&[(1, 1), (2, 2)]);
    assert!(machine.on_event(Event::Unreported).is_none());
    assert!(matches!(machine.task(Instant::now()), Task::Rest(_)));
    // Events count meanwhile.
    let change = machine.on_event(Event::New(number(3, 3)));
    change.into_iter().for_each(|change| assert!(!apply(&mut reader, change)));
    machine.on_rested();
    list(&mut machine, &[(1, 1), (3, 3)]);
    assert_eq!(asked(&mut machine), Some(2));
    machine.on_answer(Answer::Absent, Instant::now());
    assert!(take(&mut machine, &mut reader));
    assert_eq!(reader, Rows::from([(1, 1), (3, 3)]));
}

/// One of several entries under a key, with parts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Route {
    name: char,
    parts: Vec<u8>,
}

impl Entry for Route {
    type Key = ();

    fn key(&self) {}

    fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
    }

    fn remainder(&self, deleted: &Self) -> Option<Self> {
        let parts: Vec<_> = self.parts.iter().copied().filter(|part| !deleted.parts.contains(part)).collect();
        (!parts.is_empty()).then_some(Self { parts, ..*self })
    }
}

fn parts(name: char, parts: &[u8]) -> Route {
    Route { name, parts: parts.to_vec() }
}

/// A machine that has seen these.
fn routed(routes: &[Route]) -> Machine<Route> {
    let mut machine = Machine::new();
    assert!(matches!(machine.task(Instant::now()), Task::List));
    routes.iter().for_each(|route| machine.on_listed(Row::new(route.clone())));
    machine.on_list_end(Instant::now());
    while machine.next_change().is_some() {}
    assert_eq!(machine.len(), routes.len());
    machine
}

fn on(machine: &mut Machine<Route>, event: Event<Route>) -> Option<Change<Route>> {
    machine.on_event(event).map(|change| change.map(Row::into_entry))
}

#[test]
fn entry_takes_the_place_of_the_only_one_with_its_key() {
    let (a, b) = (parts('a', &[1]), parts('b', &[1]));
    let mut machine = routed(std::slice::from_ref(&a));
    let change = on(&mut machine, Event::Replaced(b.clone()));
    assert_eq!(change, Some(Change::Changed { before: a, after: b }));
    assert_eq!(machine.len(), 1);
}

#[test]
fn entry_in_place_of_one_of_several_lists_the_table_again() {
    let mut machine = routed(&[parts('a', &[1]), parts('b', &[1])]);
    assert_eq!(on(&mut machine, Event::Replaced(parts('c', &[1]))), None);
    assert_eq!(machine.len(), 2);
    assert!(matches!(machine.task(Instant::now()), Task::Rest(_)));
}

#[test]
fn deletion_of_a_part_leaves_the_others() {
    let (before, after) = (parts('a', &[1, 2, 3]), parts('a', &[1, 3]));
    let mut machine = routed(&[before.clone(), parts('b', &[2])]);
    let change = on(&mut machine, Event::Deleted(parts('a', &[2])));
    assert_eq!(change, Some(Change::Changed { before, after: after.clone() }));
    let change = on(&mut machine, Event::Deleted(parts('a', &[1, 3])));
    assert_eq!(change, Some(Change::Deleted(after)));
    assert_eq!(machine.len(), 1);
}

/// What happens next, in the kernel or between it and the machine.
#[derive(Clone, Debug)]
enum Step {
    /// A row gets a value or is deleted. The event is delivered, or it is lost and the loss is reported later.
    Write(u32, Option<u8>, bool),
    /// A row is deleted without an event; there is one that says so much, or it is lost too.
    Vanish(u32),
    /// Reports to the machine that events were lost, if some were.
    Report,
    /// The machine's task goes on by a piece.
    Work,
    Fail,
}

fn step() -> impl Strategy<Value = Step> {
    let write = (0..24_u32, proptest::option::weighted(0.6, 0..3_u8), proptest::bool::weighted(0.8));
    prop_oneof![
        6 => write.prop_map(|(key, value, delivered)| Step::Write(key, value, delivered)),
        1 => (0..24_u32).prop_map(Step::Vanish),
        1 => Just(Step::Report),
        12 => Just(Step::Work),
        1 => Just(Step::Fail),
    ]
}

/// A kernel that resumes a list by counting, as that of the FDB does, and a driver.
struct World {
    kernel: Rows,
    machine: Machine<Number>,
    reader: Rows,
    work: Option<Work>,
    lost: bool,
    in_sync: bool,
}

enum Work {
    List(usize),
    Ask(u32),
    Rest,
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::Write(key, value, delivered) => {
                let known = self.kernel.contains_key(&key);
                match value {
                    Some(value) => drop(self.kernel.insert(key, value)),
                    None => drop(self.kernel.remove(&key)),
                }
                let event = match value {
                    Some(value) => Event::New(number(key, value)),
                    None if known => Event::Deleted(number(key, 0)),
                    None => return,
                };
                // The kernel drops everything until the loss was reported.
                if delivered && !self.lost {
                    let change = self.machine.on_event(event);
                    change.into_iter().for_each(|change| assert!(!apply(&mut self.reader, change)));
                } else {
                    self.lost = true;
                    self.in_sync = false;
                }
            }
            Step::Vanish(key) => {
                self.in_sync &= self.kernel.remove(&key).is_none();
                if !self.lost {
                    self.in_sync = false;
                    assert!(self.machine.on_event(Event::Unreported).is_none());
                }
            }
            Step::Report if self.lost => {
                self.lost = false;
                self.machine.on_loss();
            }
            Step::Report => {}
            Step::Work => self.work(),
            Step::Fail => {
                if let Some(Work::List(_) | Work::Ask(_)) = self.work {
                    self.work = None;
                    self.machine.on_failure(Instant::now());
                }
            }
        }
        if take(&mut self.machine, &mut self.reader) {
            self.in_sync = !self.lost;
        }
        assert_eq!(self.reader, table(&self.machine));
        if self.in_sync {
            assert_eq!(self.reader, self.kernel, "synced, and not the kernel's table");
        }
    }

    fn work(&mut self) {
        match self.work.take() {
            None => {
                self.work = match self.machine.task(Instant::now()) {
                    Task::Ask(entry) => Some(Work::Ask(entry.entry().key)),
                    Task::List => Some(Work::List(0)),
                    Task::None => None,
                    Task::Rest(_) => Some(Work::Rest),
                };
            }
            Some(Work::List(at)) => {
                let piece: Vec<_> = self.kernel.iter().skip(at).take(4).collect();
                piece
                    .iter()
                    .for_each(|(key, value)| self.machine.on_listed(Row::new(number(**key, **value))));
                if piece.is_empty() {
                    self.machine.on_list_end(Instant::now());
                } else {
                    self.work = Some(Work::List(at + piece.len()));
                }
            }
            Some(Work::Ask(key)) => {
                let found = self.kernel.get(&key).map(|value| Answer::Found(number(key, *value)));
                self.machine.on_answer(found.unwrap_or(Answer::Absent), Instant::now());
            }
            Some(Work::Rest) => self.machine.on_rested(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn machine_has_the_kernels_table_whenever_it_is_synced(steps in proptest::collection::vec(step(), 0..200)) {
        let mut world = World {
            kernel: (0..16).map(|key| (key, 0)).collect(),
            machine: Machine::new(),
            reader: Rows::new(),
            work: None,
            lost: false,
            in_sync: false,
        };
        steps.into_iter().for_each(|step| world.step(step));
        // When nothing happens any more, it gets there.
        world.step(Step::Report);
        for _ in 0..300 {
            world.step(Step::Work);
        }
        prop_assert!(world.in_sync);
        prop_assert_eq!(world.reader, world.kernel);
    }
}
