//! Which test a thread works for, and the panics that happened on such threads.

use std::{
    any::Any,
    cell::RefCell,
    panic,
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError},
};

/// One running test as its threads see it.
#[derive(Debug, Default)]
pub(crate) struct Record {
    panics: Mutex<Vec<String>>,
}

impl Record {
    /// The messages of all panics so far, removed from the record.
    pub(crate) fn take_panics(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.panics))
    }

    /// Puts back messages taken out with [`Self::take_panics`].
    pub(crate) fn put_back(&self, mut earlier: Vec<String>) {
        let mut panics = lock(&self.panics);
        earlier.append(&mut panics);
        *panics = earlier;
    }
}

/// Makes the calling thread work for `record`.
pub(crate) fn join(record: Option<Arc<Record>>) {
    CURRENT.with(|current| *current.borrow_mut() = record);
}

/// The test the calling thread works for.
pub(crate) fn current() -> Option<Arc<Record>> {
    CURRENT.with(|current| current.borrow().clone())
}

/// Collects panics of test threads in their record; other panics are printed as always.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let Some(record) = CURRENT.try_with(|current| current.borrow().clone()).ok().flatten() else {
                return default(info);
            };
            let place = info.location().map(|at| format!(" at {at}")).unwrap_or_default();
            let text = format!("panicked{place}: {}", payload_text(info.payload()));
            lock(&record.panics).push(text);
        }));
    });
}

/// The message of a panic.
pub(crate) fn payload_text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}

/// Locks a mutex whose data stays valid even if a holder panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Record>>> = const { RefCell::new(None) };
}
