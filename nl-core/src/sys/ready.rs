//! Waiting for readiness: `poll(2)`, the descriptor that ends it, and the place on a runtime's reactor.

#[cfg(any(feature = "tokio", feature = "blocking"))]
use std::io;
#[cfg(any(feature = "tokio", feature = "blocking"))]
use std::os::fd::OwnedFd;
#[cfg(feature = "blocking")]
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd};
#[cfg(feature = "tokio")]
use std::sync::Arc;
#[cfg(feature = "blocking")]
use std::time::Duration;

#[cfg(feature = "tokio")]
use tokio::io::unix::AsyncFd;

#[cfg(feature = "blocking")]
use super::cvt;

/// What a socket is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Readable,
    Writable,
}

/// Sleeps until one of the descriptors is ready, a signal arrives or the time is over.
#[cfg(feature = "blocking")]
pub(crate) fn poll(fds: &[(BorrowedFd<'_>, Readiness)], limit: Option<Duration>) -> io::Result<()> {
    let mut polled: Vec<_> = fds
        .iter()
        .map(|(fd, readiness)| libc::pollfd {
            fd: fd.as_raw_fd(),
            events: match readiness {
                Readiness::Readable => libc::POLLIN,
                Readiness::Writable => libc::POLLOUT,
            },
            revents: 0,
        })
        .collect();
    // Rounded up, so that the time is over when it returns; a longer limit is only looked at in between.
    let limit = limit.map_or(-1, |limit| i32::try_from(limit.as_micros().div_ceil(1000)).unwrap_or(i32::MAX));
    let count = libc::nfds_t::try_from(polled.len()).unwrap_or(0);
    // SAFETY: the pointer and the count describe a live array of pollfd.
    match cvt(unsafe { libc::poll(polled.as_mut_ptr(), count, limit) }) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

/// A descriptor that other threads can make readable.
#[cfg(feature = "blocking")]
pub(crate) fn event() -> io::Result<OwnedFd> {
    // SAFETY: eventfd() takes integers only.
    let fd = cvt(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
    // SAFETY: the descriptor was just made and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes it readable.
#[cfg(feature = "blocking")]
pub(crate) fn raise_event(fd: BorrowedFd<'_>) {
    let one = 1_u64;
    // SAFETY: the pointer and the length describe a live integer. It fails only when the count is full, and then it is readable.
    unsafe { libc::write(fd.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
}

/// Makes it unreadable again.
#[cfg(feature = "blocking")]
pub(crate) fn clear_event(fd: BorrowedFd<'_>) {
    let mut count = 0_u64;
    // SAFETY: the kernel writes at most eight bytes to a live integer. It fails only when the count is zero.
    unsafe { libc::read(fd.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
}

/// The socket type of netlink-proto, on the reactor of the current runtime.
#[cfg(feature = "interop")]
pub(crate) fn tokio_socket(fd: OwnedFd) -> netlink_proto::sys::TokioSocket {
    use std::os::fd::{FromRawFd, IntoRawFd};
    // SAFETY: the descriptor is owned, and the new owner closes it exactly once.
    unsafe { netlink_proto::sys::TokioSocket::from_raw_fd(fd.into_raw_fd()) }
}

/// Puts a socket on the reactor of the current runtime.
#[cfg(feature = "tokio")]
pub(crate) fn register(fd: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: an OwnedFd keeps its descriptor open, and the same, for as long as it lives.
    Ok(unsafe { AsyncFd::register(fd) }?)
}
