//! Tasks and threads that change the same things: each change is a success, or was impossible because another came first.

use std::{fmt::Display, panic::resume_unwind, thread, time::Duration};

use futures_util::future::join_all;
use tokio::{
    runtime::Builder,
    task::{spawn_blocking, yield_now},
};

use crate::within;

/// Numbers that look like chance and are the same in each run.
///
/// ```
/// use nl_testkit::race::Dice;
///
/// let mut dice = Dice::new(7);
/// let rolls: Vec<u8> = (0..100).map(|_| dice.roll(6)).collect();
/// assert!((0..6).all(|side| rolls.contains(&side)) && rolls.iter().all(|side| *side < 6));
/// assert_eq!(Dice::new(7).roll(6_u8), rolls[0]);
/// ```
#[derive(Clone, Debug)]
pub struct Dice(u32);

impl Dice {
    /// Dice that roll as all others of this seed do.
    #[must_use]
    pub const fn new(seed: u32) -> Self {
        // Of 0 the generator makes nothing but 0.
        let mixed = 0x9e37_79b9 ^ seed.wrapping_add(1).rotate_left(8);
        Self(if mixed == 0 { 1 } else { mixed })
    }

    /// A number below the number of sides.
    ///
    /// # Panics
    ///
    /// When there are no sides.
    #[track_caller]
    pub fn roll<N: TryFrom<u64> + TryInto<u64>>(&mut self, sides: N) -> N {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        let rolled = sides.try_into().ok().and_then(|sides| u64::from(self.0).checked_rem(sides));
        match rolled.map(N::try_from) {
            Some(Ok(number)) => number,
            _ => no_sides(),
        }
    }

    /// One of several.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        match of.get(self.roll(of.len())) {
            Some(picked) => picked,
            None => no_sides(),
        }
    }
}

/// Racers that make changes at the same time.
///
/// What loses a race against another is counted, any other error is a panic, and so is a race in which next to nothing could be changed,
/// because it would show nothing.
///
/// ```
/// use std::{cell::Cell, rc::Rc, time::Duration};
///
/// use nl_testkit::race::{Dice, Race};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// /// Sets one that is not set, or clears one that is.
/// async fn change(table: &Rc<Cell<u8>>, dice: &mut Dice) -> Result<(), &'static str> {
///     let (bit, set) = (1 << dice.roll(8_u8), dice.roll(2_u8) == 1);
///     if (table.get() & bit != 0) == set {
///         return Err(if set { "exists" } else { "not found" });
///     }
///     table.set(table.get() ^ bit);
///     Ok(())
/// }
///
/// let table = Rc::new(Cell::new(0));
/// let race = Race::new(100, Duration::from_secs(5));
/// let raced = race.tasks([table.clone(), table.clone()], change, |error| ["exists", "not found"].contains(error)).await;
/// assert_eq!(raced.made + raced.lost, 200);
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Race {
    first: u32,
    changes: u32,
    deadline: Duration,
}

/// What the racers did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Raced {
    /// How many changes were made.
    pub made: u32,
    /// How many were impossible because of another's.
    pub lost: u32,
}

impl Race {
    /// Each racer makes this many changes, and each change has this deadline.
    #[must_use]
    pub const fn new(changes: u32, deadline: Duration) -> Self {
        Self { first: 0, changes, deadline }
    }

    /// The dice of the racers have the seeds from this number on, in place of 0: for a race beside another, whose racers are not to make
    /// the same changes.
    #[must_use]
    pub const fn seeds_from(self, first: u32) -> Self {
        Self { first, ..self }
    }

    /// One task for each of these racers, whose changes take turns at each await point.
    ///
    /// `is_lost` says of an error that another racer, or whoever else changes the same things, came first.
    ///
    /// # Panics
    ///
    /// When a change fails for another reason or takes longer than the deadline, or when less than a tenth of the changes was made.
    pub async fn tasks<R, E: Display>(
        self,
        racers: impl IntoIterator<Item = R>,
        change: impl AsyncFn(&R, &mut Dice) -> Result<(), E>,
        is_lost: impl Fn(&E) -> bool,
    ) -> Raced {
        let (change, is_lost) = (&change, &is_lost);
        let run = |(racer, seed)| async move { self.run(&racer, seed, change, is_lost).await };
        self.sum(join_all(racers.into_iter().zip(self.first..).map(run)).await)
    }

    /// Threads with a runtime each, so that changes are made at the same time wherever there are several processors.
    ///
    /// `start` makes a racer on its thread, inside the runtime, and gets its number. A socket that it opens there is in the namespace of the
    /// thread that calls this, unless it opens it in another.
    ///
    /// # Panics
    ///
    /// As [`tasks`](Self::tasks) does, when a thread panics (with the same message), and when there is no runtime here.
    pub async fn threads<R, E: Display>(
        self,
        racers: u32,
        start: impl Fn(u32) -> R + Clone + Send + 'static,
        change: impl AsyncFn(&R, &mut Dice) -> Result<(), E> + Clone + Send + 'static,
        is_lost: impl Fn(&E) -> bool + Clone + Send + 'static,
    ) -> Raced {
        let started: Vec<_> = (0..racers)
            .map(|number| {
                let (start, change, is_lost) = (start.clone(), change.clone(), is_lost.clone());
                let seed = self.first.wrapping_add(number);
                thread::spawn(move || {
                    let runtime = Builder::new_current_thread().enable_all().build();
                    runtime.map(|runtime| {
                        runtime.block_on(async { self.run(&start(number), seed, &change, &is_lost).await })
                    })
                })
            })
            .collect();
        let join = move || started.into_iter().map(thread::JoinHandle::join).collect::<Vec<_>>();
        let ended = match spawn_blocking(join).await {
            Ok(ended) => ended,
            Err(error) => failed(&error),
        };
        self.sum(ended.into_iter().map(|ended| match ended {
            Ok(Ok(raced)) => raced,
            Ok(Err(error)) => failed(&error),
            Err(panic) => resume_unwind(panic),
        }))
    }

    async fn run<R, E: Display>(
        self,
        racer: &R,
        seed: u32,
        change: &impl AsyncFn(&R, &mut Dice) -> Result<(), E>,
        is_lost: &impl Fn(&E) -> bool,
    ) -> Raced {
        let mut dice = Dice::new(seed);
        let mut raced = Raced::default();
        for number in 1..=self.changes {
            match within(self.deadline, change(racer, &mut dice), "a change of a race").await {
                Ok(()) => raced.made += 1,
                Err(error) if is_lost(&error) => raced.lost += 1,
                Err(error) => failed(&format!("change {number} of racer {seed}: {error}")),
            }
            yield_now().await;
        }
        raced
    }

    fn sum(self, racers: impl IntoIterator<Item = Raced>) -> Raced {
        let add =
            |sum: Raced, raced: Raced| Raced { made: sum.made + raced.made, lost: sum.lost + raced.lost };
        let sum = racers.into_iter().fold(Raced::default(), add);
        if sum.made <= (sum.made + sum.lost) / 10 {
            failed(&format!("{} changes were made and {} lost: that is no race", sum.made, sum.lost));
        }
        sum
    }
}

#[expect(clippy::panic, reason = "assertion helper")]
fn failed(what: &dyn Display) -> ! {
    panic!("{what}")
}

#[expect(clippy::panic, reason = "assertion helper")]
#[track_caller]
fn no_sides() -> ! {
    panic!("there is nothing to choose from")
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::{
            Arc, Mutex,
            atomic::{AtomicU32, Ordering},
        },
    };

    use super::*;
    use crate::panic_of;

    const DEADLINE: Duration = Duration::from_secs(10);

    /// A table that several racers change, of which a name exists once.
    async fn change(table: &Arc<Mutex<BTreeSet<u8>>>, dice: &mut Dice) -> Result<(), String> {
        let (name, adds) = (dice.roll(4_u8), dice.roll(2_usize) == 0);
        let mut table = table.lock().unwrap();
        let changed = if adds { table.insert(name) } else { table.remove(&name) };
        if changed { Ok(()) } else { Err("lost".to_owned()) }
    }

    fn is_lost(error: &String) -> bool {
        error == "lost"
    }

    #[tokio::test]
    async fn each_change_of_tasks_and_threads_is_made_or_lost() {
        let race = Race::new(100, DEADLINE);
        let table = Arc::default();
        let raced = race.tasks(vec![Arc::clone(&table); 4], change, is_lost).await;
        assert!(raced.made + raced.lost == 400 && raced.lost > 0, "{raced:?}");
        let raced = race.threads(4, move |_| Arc::clone(&table), change, is_lost).await;
        assert!(raced.made + raced.lost == 400 && raced.lost > 0, "{raced:?}");
    }

    #[tokio::test]
    async fn another_error_is_a_panic_that_names_it_in_tasks_and_in_threads() {
        let race = Race::new(10, DEADLINE);
        let fail = async |racer: &u32, _: &mut Dice| if *racer == 1 { Err("refused") } else { Ok(()) };
        let message = panic_of(race.tasks([0, 1], fail, |_| false)).await;
        assert_eq!(message.as_deref(), Some("change 1 of racer 1: refused"));
        let message = panic_of(race.threads(2, |number| number, fail, |_| false)).await;
        assert_eq!(message.as_deref(), Some("change 1 of racer 1: refused"));
    }

    #[tokio::test]
    async fn a_race_that_changes_next_to_nothing_is_none() {
        let lose = async |_: &(), _: &mut Dice| Err("lost");
        let message = panic_of(Race::new(10, DEADLINE).tasks([(), ()], lose, |_| true)).await;
        assert_eq!(message.as_deref(), Some("0 changes were made and 20 lost: that is no race"));
    }

    #[tokio::test]
    async fn a_change_past_its_deadline_is_a_panic() {
        let hang = async |_: &(), _: &mut Dice| std::future::pending::<Result<(), String>>().await;
        let message = panic_of(Race::new(1, Duration::from_millis(20)).tasks([()], hang, |_| true)).await;
        assert!(message.is_some_and(|text| text.contains("a change of a race")));
    }

    #[tokio::test]
    async fn tasks_take_turns() {
        let (turn, mixed) = (AtomicU32::new(0), AtomicU32::new(0));
        let take = async |number: &u32, _: &mut Dice| {
            mixed.fetch_add(u32::from(turn.swap(*number, Ordering::SeqCst) != *number), Ordering::SeqCst);
            Ok::<(), String>(())
        };
        Race::new(50, DEADLINE).tasks([1, 2], take, |_| false).await;
        assert!(mixed.load(Ordering::SeqCst) > 50, "{mixed:?} changes of turn");
    }

    #[tokio::test]
    async fn racers_have_the_seeds_that_were_asked_for() {
        let rolled = Arc::new(Mutex::new(BTreeSet::new()));
        let roll = async |rolled: &Arc<Mutex<BTreeSet<u32>>>, dice: &mut Dice| {
            rolled.lock().unwrap().insert(dice.roll(u32::MAX));
            Ok::<(), String>(())
        };
        let race = Race::new(1, DEADLINE).seeds_from(7);
        race.tasks([Arc::clone(&rolled), Arc::clone(&rolled)], roll, |_| false).await;
        let expected: BTreeSet<_> = [7, 8].map(|seed| Dice::new(seed).roll(u32::MAX)).into();
        assert_eq!(std::mem::take(&mut *rolled.lock().unwrap()), expected);
        let racer = Arc::clone(&rolled);
        race.threads(2, move |_| Arc::clone(&racer), roll, |_| false).await;
        assert_eq!(*rolled.lock().unwrap(), expected);
    }

    #[test]
    fn dice_of_any_seed_roll_all_sides_and_differ() {
        let rolls = |seed| {
            let mut dice = Dice::new(seed);
            (0..200).map(|_| dice.roll(10_u16)).collect::<Vec<_>>()
        };
        for seed in [0, 1, 3, u32::MAX, 0x009e_3778, 0xb99e_3778] {
            assert_eq!(rolls(seed).iter().collect::<BTreeSet<_>>().len(), 10, "seed {seed}");
        }
        assert_ne!(rolls(0), rolls(1));
        assert_ne!(rolls(0), rolls(1 << 24));
        assert_eq!(Dice::new(0).pick(&["one"]), &"one");
    }

    #[test]
    #[should_panic(expected = "nothing to choose from")]
    fn dice_without_sides_cannot_be_rolled() {
        Dice::new(0).roll(0_u8);
    }
}
