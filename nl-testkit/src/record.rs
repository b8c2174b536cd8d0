//! Which test a thread works for, and the panics that happened on such threads.

use std::{
    any::Any,
    cell::RefCell,
    fs,
    os::unix::fs::MetadataExt,
    panic,
    sync::{
        Arc, Mutex, MutexGuard, Once, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

/// One running test as its threads see it.
#[derive(Debug, Default)]
pub(crate) struct Record {
    panics: Mutex<Vec<String>>,
    /// The inode of its mount namespace, which threads inherit that it starts itself; 0 until it has one.
    mounts: AtomicU64,
}

impl Record {
    /// The messages of all panics so far, removed from the record.
    pub(crate) fn take_panics(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.panics))
    }

    /// The inode of the mount namespace of its threads and children; 0 if it has none of its own.
    pub(crate) fn mounts(&self) -> u64 {
        self.mounts.load(Ordering::Relaxed)
    }

    /// Puts back messages taken out with [`Self::take_panics`].
    pub(crate) fn put_back(&self, mut earlier: Vec<String>) {
        let mut panics = lock(&self.panics);
        earlier.append(&mut panics);
        *panics = earlier;
    }
}

/// Makes a record that of every thread in the mount namespace of the calling one.
pub(crate) fn own_mounts(record: &Arc<Record>) {
    record.mounts.store(mounts_of("/proc/thread-self"), Ordering::Relaxed);
    let mut owners = lock(&OWNERS);
    owners.retain(|owner| owner.strong_count() > 0);
    owners.push(Arc::downgrade(record));
}

/// The mount namespace of a process or thread, by its folder in `/proc`; 0 if it is gone.
pub(crate) fn mounts_of(folder: &str) -> u64 {
    fs::metadata(format!("{folder}/ns/mnt")).map_or(0, |data| data.ino())
}

/// The test in whose mount namespace the calling thread is.
fn by_mounts() -> Option<Arc<Record>> {
    let mounts = mounts_of("/proc/thread-self");
    let owners = lock(&OWNERS);
    let mut owners = owners.iter().filter_map(Weak::upgrade);
    owners.find(|owner| mounts != 0 && owner.mounts.load(Ordering::Relaxed) == mounts)
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
            let own = CURRENT.try_with(|current| current.borrow().clone()).ok().flatten();
            let Some(record) = own.or_else(by_mounts) else { return default(info) };
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

static OWNERS: Mutex<Vec<Weak<Record>>> = Mutex::new(Vec::new());

thread_local! {
    static CURRENT: RefCell<Option<Arc<Record>>> = const { RefCell::new(None) };
}
