//! Whose turn it is, of tests that must be alone and of those that may run beside others.

use std::sync::{Mutex, PoisonError, RwLock};

#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Held by the one that waits next, so that nobody overtakes a test that waits to be alone.
    door: Mutex<()>,
    running: RwLock<()>,
}

impl Turn {
    /// Runs a test when its turn has come.
    pub(super) fn take<T>(&self, alone: bool, test: impl FnOnce() -> T) -> T {
        let door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        if alone {
            let _running = self.running.write().unwrap_or_else(PoisonError::into_inner);
            drop(door);
            test()
        } else {
            let _running = self.running.read().unwrap_or_else(PoisonError::into_inner);
            drop(door);
            test()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn nobody_overtakes_a_test_that_waits_to_be_alone() {
        let (turn, order) = (Turn::default(), Mutex::new(Vec::new()));
        let note = |word: &'static str| order.lock().unwrap().push(word);
        thread::scope(|scope| {
            turn.take(false, || {
                scope.spawn(|| turn.take(true, || note("alone")));
                // It holds the door while it waits for the first to end.
                while turn.door.try_lock().is_ok() {
                    thread::yield_now();
                }
                scope.spawn(|| turn.take(false, || note("another")));
                note("first");
            });
        });
        assert_eq!(*order.lock().unwrap(), ["first", "alone", "another"]);
    }
}
