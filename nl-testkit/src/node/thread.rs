//! The thread behind a node.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    pin::pin,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use rtnetlink::{LinkMessageBuilder, LinkUnspec, sys::AsyncSocket};
use tokio::{
    runtime::{self, RuntimeMetrics},
    sync::{mpsc, oneshot},
    task::LocalSet,
};

use super::{Inner, Job, Node};
use crate::{
    Result,
    record::{self, Record},
    sandbox::NETNS_DIR,
    sys,
};

/// A node with what its lab needs to watch and end it.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) node: Node,
    pub(crate) metrics: RuntimeMetrics,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) thread: JoinHandle<()>,
}

struct Ready {
    thread_id: u32,
    network: OwnedFd,
    routes: rtnetlink::Handle,
    own_socket: u64,
    metrics: RuntimeMetrics,
}

/// Starts a node; the new thread inherits the caller's mount namespace.
pub(crate) async fn start(name: &str, quiet: bool, record: Option<Arc<Record>>) -> Result<Started> {
    let (jobs, queue) = mpsc::unbounded_channel();
    let (stop, stopped) = oneshot::channel();
    let (sender, receiver) = oneshot::channel();
    let alias = format!("{NETNS_DIR}/{name}");
    let thread = thread::Builder::new()
        .name(name.chars().take(15).collect())
        .spawn(move || live(&alias, quiet, record, queue, stopped, sender))?;
    let failed = |error: io::Error| format!("start node \"{name}\": {error}");
    let ready =
        receiver.await.unwrap_or_else(|_| Err(io::Error::other("its thread ended early"))).map_err(failed)?;
    let inner = Inner {
        name: name.to_owned(),
        jobs,
        thread_id: ready.thread_id,
        network: ready.network,
        routes: ready.routes,
        own_socket: ready.own_socket,
        addresses: Mutex::new(HashMap::new()),
    };
    Ok(Started { node: Node { inner: Arc::new(inner) }, metrics: ready.metrics, stop, thread })
}

/// The whole life of a node's thread.
fn live(
    alias: &str,
    quiet: bool,
    record: Option<Arc<Record>>,
    queue: mpsc::UnboundedReceiver<Job>,
    stopped: oneshot::Receiver<()>,
    sender: oneshot::Sender<io::Result<Ready>>,
) {
    record::join(record.clone());
    let (runtime, network) = match prepare(alias, quiet, record) {
        Ok(prepared) => prepared,
        Err(error) => return drop(sender.send(Err(error))),
    };
    let local = LocalSet::new();
    local.block_on(&runtime, serve(network, queue, stopped, sender));
    drop(local);
    runtime.shutdown_timeout(SHUTDOWN);
    let _ = sys::unmount(alias);
    let _ = fs::remove_file(alias);
}

/// The namespace first, then the runtime, so that everything the runtime starts is inside.
fn prepare(alias: &str, quiet: bool, record: Option<Arc<Record>>) -> io::Result<(runtime::Runtime, OwnedFd)> {
    sys::new_network()?;
    let network = File::open("/proc/thread-self/ns/net")?.into();
    File::create(alias)?;
    sys::mount_bind("/proc/thread-self/ns/net", alias)?;
    for (key, value) in DEFAULTS {
        set_if_present(key, value)?;
    }
    if quiet {
        set_if_present("ipv6/conf/all/disable_ipv6", "1")?;
        set_if_present("ipv6/conf/default/disable_ipv6", "1")?;
    }
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_start(move || record::join(record.clone()))
        .build()?;
    Ok((runtime, network))
}

async fn serve(
    network: OwnedFd,
    mut queue: mpsc::UnboundedReceiver<Job>,
    stopped: oneshot::Receiver<()>,
    sender: oneshot::Sender<io::Result<Ready>>,
) {
    // Kept to the end: the connection stops serving when nobody listens for its unasked messages.
    let (mut connection, routes, _unasked) = match rtnetlink::new_connection() {
        Ok(opened) => opened,
        Err(error) => return drop(sender.send(Err(error))),
    };
    let own_socket = inode(connection.socket_mut().socket_mut());
    let mut connection = pin!(connection);
    let loopback_up = async {
        let request = LinkMessageBuilder::<LinkUnspec>::new().index(1).up().build();
        routes.link().set(request).execute().await.map_err(io::Error::other)
    };
    let up = tokio::select! {
        result = loopback_up => result,
        () = &mut connection => Err(io::Error::other("the route connection closed")),
    };
    let ready = up.and_then(|()| {
        let (own_socket, metrics) = (own_socket?, runtime::Handle::current().metrics());
        Ok(Ready { thread_id: sys::thread_id(), network, routes: routes.clone(), own_socket, metrics })
    });
    let failed = ready.is_err();
    if sender.send(ready).is_err() || failed {
        return;
    }
    let mut running = FuturesUnordered::new();
    let mut stopped = pin!(stopped);
    let mut connected = true;
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            () = &mut connection, if connected => connected = false,
            job = queue.recv() => match job {
                Some(job) => running.push(job()),
                None => break,
            },
            Some(()) = running.next(), if !running.is_empty() => {}
        }
    }
}

/// The inode of a socket, of the socket itself: the kernel's list of sockets may lack one while its table is resized.
fn inode(socket: &impl AsFd) -> io::Result<u64> {
    Ok(File::from(socket.as_fd().try_clone_to_owned()?).metadata()?.ino())
}

/// Runs a block to its end on the calling thread, which has no capability from then on.
pub(super) fn without_capabilities<T, Fut: Future<Output = T>>(make: impl FnOnce() -> Fut) -> io::Result<T> {
    sys::drop_capabilities()?;
    let record = record::current();
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_start(move || record::join(record.clone()))
        .build()?;
    let output = LocalSet::new().block_on(&runtime, async move { make().await });
    runtime.shutdown_timeout(SHUTDOWN);
    Ok(output)
}

fn set_if_present(key: &str, value: &str) -> io::Result<()> {
    match fs::write(format!("/proc/sys/net/{key}"), value) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io::Error::new(error.kind(), format!("set net/{key}={value}: {error}")))
        }
        _ => Ok(()),
    }
}

/// A new namespace may inherit these from the machine, so each is set: no duplicate address detection, no router
/// discovery, no reverse path filter, no forwarding.
const DEFAULTS: &[(&str, &str)] = &[
    ("ipv4/conf/all/forwarding", "0"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/dad_transmits", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
];

const SHUTDOWN: Duration = Duration::from_secs(2);
