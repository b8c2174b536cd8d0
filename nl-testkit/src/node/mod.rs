//! A node: one network namespace with a thread and a runtime that live in it.

mod thread;

use std::{
    collections::HashMap,
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    panic::{self, AssertUnwindSafe},
    process,
    sync::{Arc, Mutex},
};

use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::thread::{Started, start};
use crate::{
    Error, Result,
    record::{self, lock},
};

/// A private network namespace with its own thread and tokio runtime; a cheap handle to clone.
///
/// What is created through [`open`](Self::open) and [`run`](Self::run) is born in the namespace. Its runtime is a current-thread one: a call
/// that blocks there holds up all that goes on in the node. The node ends with
/// its [`Lab`](crate::Lab), whoever still holds a handle.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

/// What all handles to one node share.
struct Inner {
    name: String,
    jobs: mpsc::UnboundedSender<Job>,
    thread_id: u32,
    network: OwnedFd,
    routes: rtnetlink::Handle,
    /// Sockets that the kit itself holds in the namespace, by inode.
    own_socket: u64,
    addresses: Mutex<HashMap<String, (Ipv4Addr, Option<Ipv6Addr>)>>,
}

/// Work for the node's thread: makes a future there, which is polled there.
pub(crate) type Job = Box<dyn FnOnce() -> futures_util::future::LocalBoxFuture<'static, ()> + Send>;

impl Node {
    /// Runs a closure on the node's thread, inside its runtime, and returns what it made.
    ///
    /// Use it for sockets: `node.open(Connection::new).await`.
    ///
    /// # Panics
    ///
    /// When the closure panics (with the same message), or when the lab has ended.
    pub async fn open<T, F>(&self, make: F) -> T
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.run(move || async move { make() }).await
    }

    /// Runs an async block on the node's thread to its end and returns its output; the block need not be `Send`.
    ///
    /// Dropping the returned future cancels the block.
    ///
    /// # Panics
    ///
    /// When the block panics (with the same message), or when the lab has ended.
    pub async fn run<T, F, Fut>(&self, make: F) -> T
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
        T: Send + 'static,
    {
        let (mut answer, output) = oneshot::channel();
        let job: Job = Box::new(move || {
            async move {
                let work = AssertUnwindSafe(async move { make().await }).catch_unwind();
                tokio::select! {
                    biased;
                    result = work => drop(answer.send(result)),
                    () = answer.closed() => {}
                }
            }
            .boxed_local()
        });
        if self.inner.jobs.send(job).is_err() {
            self.gone();
        }
        match output.await {
            Ok(Ok(value)) => value,
            Ok(Err(payload)) => panic::resume_unwind(payload),
            Err(_) => self.gone(),
        }
    }

    /// Runs an async block inside the namespace on a thread that has no capability, and returns its output: what the
    /// kernel refuses those who lack a privilege, really refused.
    ///
    /// Sockets opened before keep what they could. A program started from the block gets the capabilities of the user
    /// again, who is root there.
    ///
    /// ```no_run
    /// # async fn example(node: nl_testkit::Node) -> nl_testkit::Result {
    /// let refused = node.unprivileged(async || std::net::UdpSocket::bind("0.0.0.0:53")).await?;
    /// assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the thread, its runtime or the loss of its capabilities cannot be had.
    ///
    /// # Panics
    ///
    /// When the block panics (with the same message), or when the lab has ended.
    pub async fn unprivileged<T, F, Fut>(&self, make: F) -> Result<T>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
        T: Send + 'static,
    {
        let (answer, output) = oneshot::channel();
        let record = record::current();
        // Started from the node's thread, so that it is born in the namespace.
        let started = self.open(move || {
            let work = move || {
                record::join(record);
                let done = panic::catch_unwind(AssertUnwindSafe(|| thread::without_capabilities(make)));
                drop(answer.send(done));
            };
            std::thread::Builder::new().name("unprivileged".to_owned()).spawn(work)
        });
        let worker = started.await.map_err(|error| self.error("start a thread without privilege", error))?;
        let done = output.await;
        // Its last act was to answer, or to fail to.
        drop(worker.join());
        match done {
            Ok(Ok(result)) => result.map_err(|error| self.error("give up the privileges of a thread", error)),
            Ok(Err(payload)) => panic::resume_unwind(payload),
            Err(_) => self.gone(),
        }
    }

    /// The name given to [`Lab::node`](crate::Lab::node); `ip -n NAME` finds it from inside the lab.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The namespace as a descriptor, for code that enters or names a namespace by one.
    #[must_use]
    pub fn netns_fd(&self) -> BorrowedFd<'_> {
        self.inner.network.as_fd()
    }

    /// The namespace as a descriptor of the caller's own.
    ///
    /// # Errors
    ///
    /// When no descriptor is left.
    pub fn netns_fd_owned(&self) -> io::Result<OwnedFd> {
        self.inner.network.try_clone()
    }

    /// A path to the namespace that any process on this machine with the right to do so can open.
    #[must_use]
    pub fn netns_path(&self) -> String {
        format!("/proc/{}/task/{}/ns/net", self.pid(), self.tid())
    }

    /// The process the node's thread belongs to: this one.
    #[must_use]
    pub fn pid(&self) -> u32 {
        process::id()
    }

    /// The node's thread.
    #[must_use]
    pub fn tid(&self) -> u32 {
        self.inner.thread_id
    }

    /// The IPv4 address a topology helper gave to `eth0`.
    ///
    /// # Panics
    ///
    /// When it has none.
    #[must_use]
    #[track_caller]
    pub fn ipv4(&self) -> Ipv4Addr {
        match self.addresses_of("eth0") {
            Some((address, _)) => address,
            None => self.no_address(),
        }
    }

    /// The IPv6 address a topology helper gave to `eth0`.
    ///
    /// # Panics
    ///
    /// When it has none, as in a [quiet](crate::Lab::quiet) lab.
    #[must_use]
    #[track_caller]
    pub fn ipv6(&self) -> Ipv6Addr {
        match self.addresses_of("eth0") {
            Some((_, Some(address))) => address,
            _ => self.no_address(),
        }
    }

    /// Sets a sysctl of this namespace: `node.sysctl("net.ipv6.conf.all.disable_ipv6", "1")`.
    ///
    /// # Errors
    ///
    /// When the kernel has no such sysctl or refuses the value.
    pub async fn sysctl(&self, key: &str, value: &str) -> Result {
        let path = sysctl_path(key);
        let text = value.to_owned();
        let written = self.open(move || std::fs::write(path, text)).await;
        written.map_err(|error| self.error(&format!("sysctl {key}={value}"), error))
    }

    /// Reads a sysctl of this namespace.
    ///
    /// # Errors
    ///
    /// When the kernel has no such sysctl.
    pub async fn sysctl_read(&self, key: &str) -> Result<String> {
        let path = sysctl_path(key);
        let read = self.open(move || std::fs::read_to_string(path)).await;
        let text = read.map_err(|error| self.error(&format!("sysctl {key}"), error))?;
        Ok(text.trim_end().to_owned())
    }

    pub(crate) fn routes(&self) -> rtnetlink::Handle {
        self.inner.routes.clone()
    }

    pub(crate) fn own_socket(&self) -> u64 {
        self.inner.own_socket
    }

    pub(crate) fn remember_address(&self, link: &str, v4: Ipv4Addr, v6: Option<Ipv6Addr>) {
        lock(&self.inner.addresses).insert(link.to_owned(), (v4, v6));
    }

    pub(crate) fn error(&self, what: &str, error: impl fmt::Display) -> Error {
        format!("{what} in node \"{}\": {error}", self.inner.name).into()
    }

    fn addresses_of(&self, link: &str) -> Option<(Ipv4Addr, Option<Ipv6Addr>)> {
        lock(&self.inner.addresses).get(link).copied()
    }

    #[expect(clippy::panic, reason = "a test that asks for an address it never gave is wrong")]
    #[track_caller]
    fn no_address(&self) -> ! {
        panic!("no topology helper gave \"eth0\" of node \"{}\" such an address", self.inner.name)
    }

    #[expect(clippy::panic, reason = "the handle outlived the lab, which only a wrong test can do")]
    fn gone(&self) -> ! {
        panic!("node \"{}\" is gone: its lab has ended", self.inner.name)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("name", &self.inner.name).field("tid", &self.inner.thread_id).finish()
    }
}

fn sysctl_path(key: &str) -> String {
    format!("/proc/sys/{}", key.replace('.', "/"))
}
