//! The lab: owner of a test's nodes.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

use tokio::runtime::{self, RuntimeMetrics};

use crate::{
    Need, Node, Result,
    cmd::{self, Output},
    node::{self, Started},
    record::{self, lock},
    sandbox,
};

/// The private world of one test: makes nodes and topologies, and takes them down at the end.
///
/// A kernel test gets one by value. A program makes its own with [`Lab::new`] after [`sandbox::enter`].
#[derive(Clone)]
pub struct Lab {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    nodes: Mutex<Vec<Started>>,
    quiet: AtomicBool,
    subnets: AtomicU8,
    /// What [`Lab::skip`] was last called with.
    skipped: Mutex<Option<Skipped>>,
    /// What is called with each new node.
    on_node: Mutex<Option<OnNode>>,
}

type OnNode = Arc<dyn Fn(&Node) -> Result + Send + Sync>;

impl Lab {
    /// A lab for a program that is not a kernel test; [`sandbox::enter`] comes first.
    ///
    /// Its nodes end when the last handle to the lab is dropped.
    ///
    /// # Errors
    ///
    /// When the program runs outside the sandbox, where names of nodes would reach the machine.
    pub fn new(name: &str) -> Result<Self> {
        if !sandbox::is_inside() {
            return Err("a lab needs a sandbox: call nl_testkit::sandbox::enter() first in main".into());
        }
        Ok(Self::start(name))
    }

    /// Makes a node: a new network namespace with nothing but `lo`, up.
    ///
    /// IPv6 duplicate address detection and router discovery are off in it.
    ///
    /// # Errors
    ///
    /// When the name is taken or unfit for a file name, or when the kernel gives no namespace.
    pub async fn node(&self, name: &str) -> Result<Node> {
        if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') {
            return Err(format!("\"{name}\" is no name for a node").into());
        }
        if self.nodes().iter().any(|node| node.name() == name) {
            return Err(format!("there is a node \"{name}\" already").into());
        }
        let started = node::start(name, self.inner.quiet.load(Ordering::Relaxed), record::current()).await?;
        let node = started.node.clone();
        lock(&self.inner.nodes).push(started);
        // It may use the lab, so it is called without the lock.
        let on_node = lock(&self.inner.on_node).clone();
        if let Some(on_node) = on_node {
            on_node(&node).map_err(|error| format!("node \"{name}\": {error}"))?;
        }
        Ok(node)
    }

    /// Calls this with each node that is made from now on, before anybody else has it: to listen in a namespace before something
    /// happens there.
    ///
    /// It takes the place of an earlier one. If it fails, so does [`node`](Self::node). It holds what it captures until the lab ends.
    ///
    /// ```no_run
    /// # fn example(lab: &nl_testkit::Lab) {
    /// lab.on_node(|node| {
    ///     println!("{} is at {}", node.name(), node.netns_path());
    ///     Ok(())
    /// });
    /// # }
    /// ```
    pub fn on_node(&self, call: impl Fn(&Node) -> Result + Send + Sync + 'static) {
        *lock(&self.inner.on_node) = Some(Arc::new(call));
    }

    /// Leaves IPv6 out of nodes made from now on, so that no unasked frame is on the wires.
    pub fn quiet(&self) {
        self.inner.quiet.store(true, Ordering::Relaxed);
    }

    /// All nodes, in the order they were made.
    #[must_use]
    pub fn nodes(&self) -> Vec<Node> {
        lock(&self.inner.nodes).iter().map(|started| started.node.clone()).collect()
    }

    /// The name of the test or program.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Runs a future to its end from a test that is not `async`.
    ///
    /// # Panics
    ///
    /// When called from async code, or when the kernel gives no descriptors for a runtime.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(future),
            Err(error) => no_runtime(&error),
        }
    }

    /// Ends a test that finds out in its body that it cannot go on: `return lab.skip(need, reason)`.
    ///
    /// The test is reported as skipped, as if it had declared the need. It fails instead if the need is met, if the lane
    /// promises it, if nextest or `--include-ignored` runs the test, or if the body goes on and returns another result.
    /// Where the need is known beforehand, declare it.
    ///
    /// # Errors
    ///
    /// Always: the error is what the test returns.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use nl_testkit::{Lab, Need, Result};
    ///
    /// #[nl_testkit::test(needs(tool = "ip"))]
    /// async fn an_option_is_shown(lab: Lab) -> Result {
    ///     let node = lab.node("a").await?;
    ///     let output = node.command(["ip", "link", "add", "vx0", "type", "vxlan", "id", "1", "vnifilter"]).await;
    ///     if !output.status.success() {
    ///         return lab.skip(Need::Kernel("5.18".into()), "vxlan has no vnifilter");
    ///     }
    ///     // …
    ///     Ok(())
    /// }
    /// ```
    pub fn skip<T>(&self, need: Need, reason: impl Into<String>) -> Result<T> {
        let skipped = Skipped { need, reason: reason.into() };
        *lock(&self.inner.skipped) = Some(skipped.clone());
        Err(skipped.into())
    }

    /// What `ip -V` says, to go with results read back through iproute2.
    ///
    /// # Errors
    ///
    /// When there is no `ip` program.
    pub async fn iproute2_version(&self) -> Result<String> {
        let Output { stdout, .. } = cmd::run(vec!["ip".into(), "-V".into()]).await?;
        Ok(stdout.trim().to_owned())
    }

    pub(crate) fn start(name: &str) -> Self {
        let inner = Inner {
            name: name.to_owned(),
            nodes: Mutex::new(Vec::new()),
            quiet: AtomicBool::new(false),
            subnets: AtomicU8::new(0),
            skipped: Mutex::new(None),
            on_node: Mutex::new(None),
        };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn take_skipped(&self) -> Option<Skipped> {
        lock(&self.inner.skipped).take()
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.inner.quiet.load(Ordering::Relaxed)
    }

    /// A number for the next subnet: `10.N.0.0/24` and `fd00:N::/64`.
    pub(crate) fn next_subnet(&self) -> u8 {
        self.inner.subnets.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    pub(crate) fn nodes_with_metrics(&self) -> Vec<(Node, RuntimeMetrics)> {
        lock(&self.inner.nodes)
            .iter()
            .map(|started| (started.node.clone(), started.metrics.clone()))
            .collect()
    }

    /// Takes the nodes out, to check and end them; the lab is empty afterwards.
    pub(crate) fn take_nodes(&self) -> Vec<Started> {
        std::mem::take(&mut *lock(&self.inner.nodes))
    }
}

/// The error with which a test ends itself as skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skipped {
    pub(crate) need: Need,
    pub(crate) reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skipped for want of {}: {}", self.need, self.reason)
    }
}

impl std::error::Error for Skipped {}

impl Drop for Inner {
    fn drop(&mut self) {
        for started in std::mem::take(&mut *lock(&self.nodes)) {
            let _ = started.stop.send(());
            // A node's thread may be the one dropping the last handle.
            if started.thread.thread().id() != std::thread::current().id() {
                let _ = started.thread.join();
            }
        }
    }
}

impl fmt::Debug for Lab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lab").field("name", &self.inner.name).field("nodes", &self.nodes()).finish()
    }
}

#[expect(clippy::panic, reason = "a test without a runtime cannot go on")]
fn no_runtime(error: &std::io::Error) -> ! {
    panic!("make a runtime: {error}")
}
