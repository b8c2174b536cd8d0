//! Futures that are dropped before they are complete, at each point where they can be.
//!
//! A netlink request is answered while it is being sent, so an operation of ten requests is mostly complete after one poll, and a test that
//! drops it after the first poll cancels nothing. [`at_every_await`] gives the operation one unit of tokio's cooperative budget for each
//! poll. Whatever consumes budget, as each request of nl-core and each socket and timer of tokio does, then ends the poll, and the
//! operation can be dropped there:
//!
//! ```
//! use nl_testkit::cancel;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let steps = std::cell::Cell::new(0);
//! let operation = || async {
//!     for _ in 0..3 {
//!         tokio::task::consume_budget().await;
//!         steps.set(steps.get() + 1);
//!     }
//!     steps.get()
//! };
//! let mut seen = Vec::new();
//! let (output, points) = cancel::at_every_await(operation, async |_point| seen.push(steps.replace(0))).await;
//! assert_eq!((output, points), (3, 3));
//! // Before the first poll, and after one, two steps.
//! assert_eq!(seen, [0, 1, 2]);
//! # }
//! ```

use std::{
    future::poll_fn,
    pin::pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::task::{
    coop::{has_budget_remaining, poll_proceed},
    yield_now,
};

pub use crate::idle::Idle;
use crate::{Node, within};

/// Runs an operation again and again, and drops it one await point later each time, until it completes. `cancelled` is called after each
/// drop with the number of polls that the operation had. Returns the output and the number of times that it was dropped.
///
/// The operation is created again each time. What it did before it was dropped is for `cancelled` to look at and to undo.
///
/// Call it inside a tokio runtime.
///
/// # Panics
///
/// When there is no runtime, or when the operation is not complete after 10,000 polls.
pub async fn at_every_await<F: Future>(
    mut make: impl FnMut() -> F,
    mut cancelled: impl AsyncFnMut(usize),
) -> (F::Output, usize) {
    for polls in 0..MOST_POLLS {
        if let Some(output) = dropped_after(polls, make()).await {
            return (output, polls);
        }
        cancelled(polls).await;
    }
    endless()
}

/// Runs an operation in a node again and again, [dropped](at_every_await) one await point later each time. After each drop what the operation
/// used must work, which `works` tries, and no more [sockets and tasks](Idle) are left than before; then `cancelled` is called with the
/// number of polls that the operation had. Returns the output and the number of times that it was dropped.
///
/// `sockets` is how many netlink sockets may be open in the node while nothing is going on, those of `cancelled` included. The deadline is
/// for each drop.
///
/// ```no_run
/// use std::time::Duration;
///
/// use nl_testkit::{Lab, Result, cancel};
///
/// # struct Client;
/// # impl Client {
/// #     async fn replace(&self) -> Result { Ok(()) }
/// #     async fn read(&self) -> Result<u32> { Ok(1) }
/// #     async fn delete(&self) -> Result { Ok(()) }
/// # }
/// # async fn example(lab: Lab, client: Client) -> Result {
/// let node = lab.node("a").await?;
/// let (replaced, points) = cancel::in_node(
///     &node,
///     1,
///     Duration::from_secs(5),
///     || client.replace(),
///     async || assert!(client.read().await.is_ok()),
///     async |_point| drop(client.delete().await),
/// )
/// .await;
/// replaced?;
/// assert!(points >= 1);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// When there is no runtime, when what works or is left is not so at the deadline, or when the operation is not complete after 10,000
/// polls.
pub async fn in_node<F: Future>(
    node: &Node,
    sockets: usize,
    deadline: Duration,
    make: impl FnMut() -> F,
    mut works: impl AsyncFnMut(),
    mut cancelled: impl AsyncFnMut(usize),
) -> (F::Output, usize) {
    let idle = Idle::now(node, sockets);
    let look = async |polls: usize| {
        within(deadline, works(), &format!("what a drop after {polls} polls left to work")).await;
        idle.again(deadline).await;
        cancelled(polls).await;
    };
    at_every_await(make, look).await
}

/// Polls a future at most `polls` times, with one unit of tokio's cooperative budget each time, and drops it. Its output if it completed.
///
/// With 0 the future is dropped before its first poll.
///
/// # Panics
///
/// When there is no tokio runtime.
pub async fn dropped_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        let Some(rest) = left.checked_sub(1) else { return Poll::Ready(None) };
        ready!(leave_one_unit(cx));
        left = rest;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Runs a future to its end with one unit of tokio's cooperative budget for each poll, and calls `between` after each poll that did not
/// complete it, with the number of that poll from 1 on.
///
/// For what another program does between two requests of an operation: rename the device that was just looked up, for instance.
///
/// # Panics
///
/// When there is no tokio runtime, or when the future is not complete after 10,000 polls.
pub async fn interleaved<F: Future>(future: F, mut between: impl AsyncFnMut(usize)) -> F::Output {
    let mut future = pin!(future);
    for point in 1..MOST_POLLS {
        let polled = poll_fn(|cx| {
            ready!(leave_one_unit(cx));
            Poll::Ready(future.as_mut().poll(cx))
        });
        match polled.await {
            Poll::Ready(output) => return output,
            Poll::Pending => between(point).await,
        }
        // What it may wait for has its turn too.
        yield_now().await;
    }
    endless()
}

/// Consumes the budget of this poll of the task but for one unit. Where nothing is left, the operation is polled in the next poll.
fn leave_one_unit(cx: &mut Context<'_>) -> Poll<()> {
    for _ in 0..LARGEST_BUDGET {
        let unit = ready!(poll_proceed(cx));
        if !has_budget_remaining() {
            // Dropped without progress, it is there again.
            drop(unit);
            return Poll::Ready(());
        }
        unit.made_progress();
    }
    no_runtime()
}

#[expect(clippy::panic, reason = "assertion helper")]
fn endless() -> ! {
    panic!("the operation is not complete after {MOST_POLLS} polls")
}

#[expect(
    clippy::panic,
    reason = "without a budget nothing would be cancelled, and the test would prove nothing"
)]
fn no_runtime() -> ! {
    panic!("there is no cooperative budget here: run it inside a tokio runtime, and not in `unconstrained`")
}

const MOST_POLLS: usize = 10_000;
/// More than a task of tokio gets for a poll, which is 128.
const LARGEST_BUDGET: usize = 1000;

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use tokio::{sync::mpsc, task::consume_budget, time::sleep};

    use super::*;

    /// Counts those that are alive.
    struct Alive<'a>(&'a Cell<usize>);

    impl<'a> Alive<'a> {
        fn new(count: &'a Cell<usize>) -> Self {
            count.set(count.get() + 1);
            Self(count)
        }
    }

    impl Drop for Alive<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }

    #[tokio::test]
    async fn each_await_point_is_cancelled_once_and_what_lived_there_is_dropped() {
        let (alive, steps) = (Cell::new(0), Cell::new(0));
        let operation = || async {
            let _alive = Alive::new(&alive);
            for _ in 0..200 {
                consume_budget().await;
                steps.set(steps.get() + 1);
            }
        };
        let mut seen = Vec::new();
        let ((), points) = at_every_await(operation, async |polls| {
            assert_eq!(alive.get(), 0, "after {polls} polls");
            seen.push(steps.replace(0));
        })
        .await;
        // More than the budget of a task, one step for each poll.
        assert_eq!(points, 200);
        assert_eq!(seen, (0..200).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn an_operation_that_waits_is_cancelled_while_it_waits_and_woken_otherwise() {
        let operation = || async {
            let (sender, mut receiver) = mpsc::channel(1);
            let send = async {
                sleep(Duration::from_millis(1)).await;
                sender.send(7).await.unwrap();
            };
            tokio::join!(send, receiver.recv()).1
        };
        let (output, points) = at_every_await(operation, async |_| yield_now().await).await;
        assert_eq!(output, Some(7));
        assert!(points >= 2, "{points} points");
    }

    #[tokio::test]
    async fn something_else_happens_between_any_two_steps() {
        let log = std::cell::RefCell::new(Vec::new());
        let operation = async {
            for step in 0..3 {
                consume_budget().await;
                log.borrow_mut().push(format!("step {step}"));
            }
        };
        interleaved(operation, async |point| log.borrow_mut().push(format!("between {point}"))).await;
        assert_eq!(log.into_inner(), ["step 0", "between 1", "step 1", "between 2", "step 2"]);
    }

    #[tokio::test]
    async fn a_future_is_polled_as_often_as_asked_and_no_more() {
        let polls = Cell::new(0);
        let never = || {
            poll_fn(|cx| {
                polls.set(polls.get() + 1);
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            })
        };
        for asked in [0, 1, 5] {
            assert_eq!(dropped_after(asked, never()).await, None);
            assert_eq!(polls.replace(0), asked);
        }
        assert_eq!(dropped_after(1, async { 3 }).await, Some(3));
    }

    #[test]
    fn without_a_runtime_it_panics() {
        let mut operation = pin!(dropped_after(1, async {}));
        let poll = || operation.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(poll)).unwrap_err();
        assert!(crate::record::payload_text(panic.as_ref()).contains("inside a tokio runtime"));
    }
}
