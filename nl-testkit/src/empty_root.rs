use std::{io, os::unix::fs::chroot, thread};

use crate::sys;

/// Runs `f` on a thread whose root directory is empty, as after `chroot(2)`: without `/proc`, `/sys` and `/dev`.
///
/// The thread is in the caller's network namespace. Other threads keep their root.
///
/// # Errors
///
/// When the thread may not have a root of its own (`CAP_SYS_CHROOT`).
///
/// # Panics
///
/// When `f` does.
pub fn in_empty_root<T: Send>(f: impl FnOnce() -> T + Send) -> io::Result<T> {
    let root = new_folder()?;
    let outcome = thread::scope(|scope| {
        let inside = scope.spawn(|| {
            sys::own_root()?;
            chroot(&root)?;
            Ok(f())
        });
        inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    std::fs::remove_dir(&root)?;
    outcome
}

/// A new folder that nobody else uses.
fn new_folder() -> io::Result<std::path::PathBuf> {
    use std::sync::atomic::{AtomicU32, Ordering};

    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("nl-testkit-root-{}-{number}", std::process::id()));
    std::fs::create_dir(&path)?;
    Ok(path)
}
