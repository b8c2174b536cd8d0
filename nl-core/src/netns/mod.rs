//! Network namespaces: naming one, and opening sockets inside it without moving the caller.
//!
//! ```no_run
//! use nl_core::connection::{Connection, Protocol};
//! use nl_core::netns::Netns;
//!
//! # async fn example() -> nl_core::Result<()> {
//! let blue = Netns::named("blue")?;
//! let conn = Connection::builder(Protocol::Route).netns(&blue).open()?;
//! println!("lo is number {}", conn.link_index("lo").await?);
//! # Ok(())
//! # }
//! ```
//!
//! A socket belongs to the namespace it was created in for good. So it is created on a scratch thread that enters
//! the namespace and ends; the caller's thread never moves.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::{fmt, io, thread};

use crate::error::{Error, Result};
use crate::socket::Socket;
use crate::sys;

const CURRENT: &str = "/proc/thread-self/ns/net";
const NAMED: &str = "/run/netns";

/// A network namespace, held open so that it stays even when its name is deleted. Cheap to clone.
///
/// Equal when it is the same namespace, however it was named.
#[derive(Clone)]
pub struct Netns(Arc<Held>);

struct Held {
    fd: OwnedFd,
    id: (u64, u64),
}

impl Netns {
    /// The namespace of the calling thread.
    ///
    /// # Errors
    /// `/proc` is not mounted.
    pub fn current() -> Result<Self> {
        Self::path(CURRENT)
    }

    /// A namespace created with `ip netns add NAME`.
    ///
    /// # Errors
    /// There is none of that name, or the name holds a slash.
    pub fn named(name: &str) -> Result<Self> {
        if name.is_empty() || name.contains('/') || matches!(name, "." | "..") {
            return Err(Error::usage(format!(
                "invalid namespace name {name:?}: not empty, no '/', not '.' or '..'"
            )));
        }
        Self::open(Path::new(NAMED).join(name).as_ref(), || format!("open network namespace \"{name}\""))
    }

    /// The namespace a file stands for, such as `/run/netns/blue` or `/proc/1/ns/net`.
    ///
    /// # Errors
    /// The file cannot be opened, or is not a network namespace.
    pub fn path(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::open(path, || format!("open network namespace {}", path.display()))
    }

    /// The namespace of a process.
    ///
    /// # Errors
    /// No such process, or it belongs to another user.
    pub fn pid(pid: u32) -> Result<Self> {
        Self::open(Path::new(&format!("/proc/{pid}/ns/net")), || {
            format!("open network namespace of process {pid}")
        })
    }

    /// The namespace a descriptor stands for; the descriptor is duplicated.
    ///
    /// # Errors
    /// The descriptor cannot be duplicated, or is not a network namespace.
    pub fn fd(fd: impl AsFd) -> Result<Self> {
        let fd = fd.as_fd();
        let operation = || format!("take network namespace from descriptor {}", fd.as_raw_fd());
        fd.try_clone_to_owned().map_err(Error::from).and_then(Self::hold).map_err(|e| e.during(operation))
    }

    /// The namespace a socket is in. Needs `CAP_NET_ADMIN` over it, unless the calling thread is in it.
    pub(crate) fn of_socket(socket: &Socket) -> Result<Self> {
        let operation = || "learn the namespace of a connection".into();
        match sys::netns_of(socket.as_fd()) {
            Ok(fd) => Self::hold(fd),
            Err(error) => {
                let here = sys::socket(libc::NETLINK_ROUTE).and_then(|here| sys::netns_cookie(here.as_fd()));
                match (here, sys::netns_cookie(socket.as_fd())) {
                    (Ok(here), Ok(there)) if here == there => Self::current(),
                    _ => Err(error.into()),
                }
            }
        }
        .map_err(|error| error.during(operation))
    }

    /// Whether the calling thread is in this namespace.
    ///
    /// # Errors
    /// `/proc` is not mounted, and the thread lacks `CAP_NET_ADMIN` over its namespace, which finding it by a socket takes.
    pub fn is_current(&self) -> Result<bool> {
        let error = match std::fs::metadata(CURRENT) {
            Ok(here) => return Ok((here.dev(), here.ino()) == self.0.id),
            Err(error) => error,
        };
        let here = sys::socket(libc::NETLINK_ROUTE).and_then(|here| sys::netns_of(here.as_fd()));
        let here = here.map_err(Error::from).and_then(Self::hold);
        here.map(|here| here == *self).map_err(|_| Error::from(error).during(|| format!("look at {CURRENT}")))
    }

    /// Runs `f` inside the namespace and returns what it returns: on the calling thread if that is there
    /// already, otherwise on a scratch thread. The caller waits.
    ///
    /// # Errors
    /// The namespace cannot be entered: this takes `CAP_SYS_ADMIN` in the caller's user namespace and in the one
    /// that owns the network namespace, or the descriptor is not a network namespace.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T> {
        // Where that cannot be known, entering it once more does no harm.
        if self.is_current().unwrap_or(false) {
            return Ok(f());
        }
        let enter = |error: io::Error| Error::from(error).during(|| "enter a network namespace".into());
        thread::scope(|scope| {
            let worker = thread::Builder::new().name("nl-netns".into()).spawn_scoped(scope, || {
                sys::enter_netns(self.0.fd.as_fd())?;
                Ok(f())
            });
            match worker.map_err(enter)?.join() {
                Ok(result) => result.map_err(enter),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    fn open(path: &Path, operation: impl FnOnce() -> String) -> Result<Self> {
        // Opening a pipe that nobody writes to would block forever.
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
        file.map_err(Error::from).and_then(|file| Self::hold(file.into())).map_err(|e| e.during(operation))
    }

    fn hold(fd: OwnedFd) -> Result<Self> {
        if !sys::is_netns(fd.as_fd()) {
            return Err(Error::usage("not a network namespace"));
        }
        let file = File::from(fd);
        let meta = file.metadata()?;
        Ok(Self(Arc::new(Held { id: (meta.dev(), meta.ino()), fd: file.into() })))
    }
}

impl PartialEq for Netns {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Netns {}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }
}

impl fmt::Debug for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Netns({})", self.0.id.1)
    }
}
