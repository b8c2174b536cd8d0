//! What a node and a runtime hold while no operation goes on.

use std::{panic::Location, time::Duration};

use tokio::runtime::Handle;

use crate::{Node, eventually};

/// The tasks of the calling runtime while no operation goes on, and the sockets that a node may have then: for tests of what an operation
/// leaves that was dropped, or that failed.
///
/// ```no_run
/// # async fn example(node: nl_testkit::Node) {
/// use std::time::Duration;
///
/// use nl_testkit::cancel::Idle;
///
/// // A connection has one socket, and keeps up to three of lists to use them again.
/// let idle = Idle::now(&node, 4);
/// // … an operation, dropped …
/// idle.again(Duration::from_secs(5)).await;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Idle {
    node: Node,
    sockets: usize,
    tasks: usize,
}

impl Idle {
    /// The tasks that are alive now, and the most netlink sockets that the node may have.
    ///
    /// Call it inside a tokio runtime, that of the operations.
    ///
    /// # Panics
    ///
    /// When there is no runtime.
    #[must_use]
    pub fn now(node: &Node, sockets: usize) -> Self {
        Self { node: node.clone(), sockets, tasks: tasks() }
    }

    /// Waits until there are no more sockets and tasks than that.
    ///
    /// # Panics
    ///
    /// When there still are at the deadline.
    #[track_caller]
    pub fn again(&self, deadline: Duration) -> impl Future<Output = ()> + '_ {
        let what = format!(
            "no more than {} sockets in node \"{}\" and {} tasks here ({})",
            self.sockets,
            self.node.name(),
            self.tasks,
            Location::caller()
        );
        async move {
            let is_idle = async || {
                let sockets = self.node.netlink_sockets().await.len();
                (sockets <= self.sockets && tasks() <= self.tasks).then_some(())
            };
            eventually(deadline, is_idle, &what).await;
        }
    }
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}
