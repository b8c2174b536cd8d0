//! What a test body may not leave behind: sockets, tasks, namespaces, children, and (alone) any descriptor.

use std::{
    collections::BTreeMap,
    fs,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd, RawFd},
        unix::fs::MetadataExt,
    },
    process, thread,
    time::{Duration, Instant},
};

use tokio::runtime::RuntimeMetrics;

use crate::{lab::Lab, node::Started, record, sandbox::NETNS_DIR, socket, sys, wait::patient};

/// Descriptors by number, with what each is.
pub(crate) type Descriptors = BTreeMap<RawFd, String>;

/// Waits until the nodes hold no sockets and tasks of the test's any more; what is left is the complaint.
///
/// A dropped connection's task needs a poll or two to end, hence the wait.
pub(crate) async fn in_nodes(lab: &Lab, body: &RuntimeMetrics) -> Vec<String> {
    let nodes = lab.nodes_with_metrics();
    let end = Instant::now() + patient(PATIENCE);
    loop {
        let mut left = Vec::new();
        for (node, metrics) in &nodes {
            for socket in node.netlink_sockets().await {
                left.push(format!("a netlink socket in node \"{}\": {socket:?}", node.name()));
            }
            tasks(&format!("node \"{}\"", node.name()), metrics, &mut left);
        }
        for socket in socket::read_here().unwrap_or_default() {
            left.push(format!("a netlink socket in the body's own namespace: {socket:?}"));
        }
        tasks("the body", body, &mut left);
        if left.is_empty() || Instant::now() >= end {
            return left;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Ends the nodes, then looks for what still refers to their namespaces.
pub(crate) fn after_nodes(nodes: Vec<Started>, mut networks: Vec<Network>) -> Vec<String> {
    let mut left = Vec::new();
    let mut waiting = Vec::new();
    for Started { node, stop, thread, .. } in nodes {
        if let Ok(fd) = node.netns_fd_owned() {
            networks.push(Network::new(
                format!("node \"{}\"", node.name()),
                fd,
                Some(node.netns_fd().as_raw_fd()),
            ));
        }
        let _ = stop.send(());
        waiting.push((node, thread));
    }
    let end = Instant::now() + patient(PATIENCE);
    for (node, thread) in &waiting {
        while !thread.is_finished() && Instant::now() < end {
            thread::sleep(PAUSE);
        }
        if !thread.is_finished() {
            left.push(format!("the thread of node \"{}\", which is stuck", node.name()));
        }
    }
    for (_, thread) in waiting.extract_if(.., |(_, thread)| thread.is_finished()) {
        let _ = thread.join();
    }
    if !left.is_empty() {
        return left;
    }
    loop {
        let left: Vec<String> = networks.iter().flat_map(Network::users).collect();
        if left.is_empty() {
            return left;
        }
        if Instant::now() >= end {
            networks.iter().flat_map(Network::strangers).for_each(|(pid, _)| sys::kill(pid));
            return left;
        }
        thread::sleep(PAUSE);
    }
}

/// Waits until no thread and no process of the test's is left, whatever namespace it made itself: they are recognised by the mount namespace
/// that they inherited.
pub(crate) fn elsewhere(mounts: u64) -> Vec<String> {
    if mounts == 0 {
        return Vec::new();
    }
    let (own, caller) = (process::id(), sys::thread_id());
    let end = Instant::now() + patient(PATIENCE);
    loop {
        let is_there = |folder: &str, id: u32| record::mounts_of(&format!("{folder}/{id}")) == mounts;
        let threads =
            numbers("/proc/self/task").filter(|tid| *tid != caller && is_there("/proc/self/task", *tid));
        let processes: Vec<u32> =
            numbers("/proc").filter(|pid| *pid != own && is_there("/proc", *pid)).collect();
        let left: Vec<String> = threads
            .map(|tid| format!("thread {tid} ({}), in a namespace of its own", name("/proc/self/task", tid)))
            .chain(
                processes
                    .iter()
                    .map(|pid| format!("process {pid} ({}), in a namespace of its own", name("/proc", *pid))),
            )
            .collect();
        if left.is_empty() {
            return left;
        }
        if Instant::now() >= end {
            processes.into_iter().for_each(sys::kill);
            return left;
        }
        thread::sleep(PAUSE);
    }
}

/// The namespaces that the test gave a name and did not delete; those of its nodes have gone with them.
pub(crate) fn named_networks() -> Vec<String> {
    let entries = fs::read_dir(NETNS_DIR).into_iter().flatten().flatten();
    entries.map(|entry| format!("the network namespace {}", entry.path().display())).collect()
}

/// The numbers in a folder of processes or threads.
fn numbers(folder: &str) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn name(folder: &str, id: u32) -> String {
    fs::read_to_string(format!("{folder}/{id}/comm")).unwrap_or_default().trim().to_owned()
}

/// A namespace that should have no user any more but the descriptor here, which keeps its number from being reused.
#[derive(Debug)]
pub(crate) struct Network {
    what: String,
    fd: OwnedFd,
    inode: u64,
    /// The descriptor inside the node's handle, which a forgotten handle may keep.
    handle: Option<RawFd>,
}

impl Network {
    pub(crate) fn new(what: String, fd: OwnedFd, handle: Option<RawFd>) -> Self {
        let inode = inode_of(&fd);
        Self { what, fd, inode, handle }
    }

    fn users(&self) -> Vec<String> {
        let what = &self.what;
        let mut users = Vec::new();
        for (fd, target) in descriptors() {
            if fd == self.fd.as_raw_fd() || Some(fd) == self.handle {
                continue;
            }
            if target == format!("net:[{}]", self.inode) {
                users.push(format!("descriptor {fd}, the namespace of {what}"));
            } else if target.starts_with("socket:") && self.owns(fd) {
                users.push(format!("descriptor {fd}, a socket of {what} ({target})"));
            }
        }
        let living = self.strangers().into_iter().map(|(pid, name)| format!("process {pid} ({name})"));
        let living = living.chain(self.threads().map(|(tid, name)| format!("thread {tid} ({name})")));
        users.extend(living.map(|text| format!("{text} in the namespace of {what}")));
        users
    }

    fn owns(&self, socket: RawFd) -> bool {
        // Pairs of local sockets are how runtimes wake themselves and may live for the whole process.
        sys::socket_family(socket).is_ok_and(|family| family != libc::AF_UNIX)
            && sys::socket_network(socket).is_ok_and(|network| inode_of(&network) == self.inode)
    }

    /// Other processes that live in the namespace.
    fn strangers(&self) -> Vec<(u32, String)> {
        let own = process::id();
        self.inside("/proc").filter(|(pid, _)| *pid != own).collect()
    }

    /// Threads of this process that live in the namespace, but for the calling one.
    fn threads(&self) -> impl Iterator<Item = (u32, String)> {
        let caller = sys::thread_id();
        self.inside("/proc/self/task").filter(move |(tid, _)| *tid != caller)
    }

    fn inside(&self, folder: &'static str) -> impl Iterator<Item = (u32, String)> {
        let inode = self.inode;
        let is_there = move |id: &u32| {
            fs::metadata(format!("{folder}/{id}/ns/net")).is_ok_and(|data| data.ino() == inode)
        };
        numbers(folder).filter(is_there).map(move |id| (id, name(folder, id)))
    }
}

/// All open descriptors of this process.
pub(crate) fn descriptors() -> Descriptors {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let fd = entry.file_name().to_str()?.parse().ok()?;
        let target = fs::read_link(entry.path()).ok()?;
        Some((fd, target.to_string_lossy().into_owned()))
    });
    named.filter(|(_, target)| !target.starts_with("/proc/")).collect()
}

/// Descriptors opened since `before`; only meaningful while no other test runs.
pub(crate) fn new_descriptors(before: &Descriptors) -> Vec<String> {
    let end = Instant::now() + patient(PATIENCE);
    loop {
        let now = descriptors();
        let left: Vec<String> = now
            .iter()
            // Sockets are distinguished by namespace above.
            .filter(|(fd, target)| before.get(fd) != Some(target) && !target.starts_with("socket:"))
            .map(|(fd, target)| format!("descriptor {fd} ({target})"))
            .collect();
        if left.is_empty() || Instant::now() >= end {
            return left;
        }
        thread::sleep(PAUSE);
    }
}

fn tasks(place: &str, metrics: &RuntimeMetrics, left: &mut Vec<String>) {
    let tasks = metrics.num_alive_tasks();
    if tasks > 0 {
        left.push(format!("{tasks} live task(s) on the runtime of {place}"));
    }
}

fn inode_of(fd: &impl AsFd) -> u64 {
    fd.as_fd()
        .try_clone_to_owned()
        .map(fs::File::from)
        .and_then(|file| file.metadata())
        .map_or(0, |data| data.ino())
}

const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(2);
