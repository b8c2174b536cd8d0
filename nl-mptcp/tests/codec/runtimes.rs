//! A path manager that is polled elsewhere than where it began: on another runtime, on one that cannot pause.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use nl_core::Error;
use nl_mptcp::path_manager::{PathEvent, PathManager, Policy};
use nl_testkit::fault::Fault;
use nl_testkit::within;
use tokio::runtime::{Builder, Runtime};

use crate::overrun::{DEADLINE, Kernel, Step, kernel, peers, until};

/// The runtime of the simulated kernel, which runs throughout.
fn outside() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn inside() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn synced<P: Policy>(manager: &mut PathManager<P>) {
    until(manager, "the first list", |event| *event == PathEvent::Synced).await;
}

/// Polls once, to have it wait in the current runtime.
async fn wait_once<P: Policy>(manager: &mut PathManager<P>) {
    let mut manager = pin!(manager);
    poll_fn(|cx| {
        assert!(manager.as_mut().poll_next(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[test]
fn path_manager_continues_on_another_runtime() {
    let outside = outside();
    let Kernel { mptcp, mut monitors, .. } = outside.block_on(async { kernel(|_, list| list) });
    let first = inside();
    let mut manager = first.block_on(async {
        let mut manager = PathManager::open(&mptcp, ()).await.unwrap();
        synced(&mut manager).await;
        wait_once(&mut manager).await;
        manager
    });
    drop(first);
    let step = Step::Address(7);
    outside.block_on(async {
        let [_mptcp, _links, addresses] = peers(&mut monitors).await;
        addresses.answer(&step.event()).await.unwrap();
        // The peers stay open while the path manager is polled.
        let went_on = std::thread::spawn(move || {
            inside().block_on(until(&mut manager, "the event", |event| step.is_reported_as(event)));
        });
        within(DEADLINE, tokio::task::spawn_blocking(|| went_on.join()), "the event").await.unwrap().unwrap();
    });
}

/// The pause before a list is repeated was begun in a runtime that is gone.
#[test]
fn pausing_path_manager_continues_on_another_runtime() {
    let outside = outside();
    let Kernel { mptcp, monitors: _monitors, .. } = outside.block_on(async {
        kernel(|number, list| match number {
            0 => list.with(Fault::Overrun { delivery: 0 }).unwrap(),
            _ => list,
        })
    });
    let first = inside();
    let mut manager = first.block_on(async {
        let mut manager = PathManager::open(&mptcp, ()).await.unwrap();
        let lost = within(DEADLINE, manager.next(), "the first list").await.unwrap();
        assert!(lost.is_err_and(|error| error.is_overrun()));
        wait_once(&mut manager).await;
        manager
    });
    drop(first);
    inside().block_on(synced(&mut manager));
}

/// Without pauses between the lists that fail, it would report errors for ever.
#[test]
fn path_manager_that_cannot_pause_ends() {
    let outside = outside();
    let Kernel { mptcp, monitors: _monitors, .. } =
        outside.block_on(async { kernel(|_, list| list.with(Fault::Overrun { delivery: 0 }).unwrap()) });
    let manager = outside.block_on(PathManager::open(&mptcp, ())).unwrap();
    let without_time = Builder::new_current_thread().enable_io().build().unwrap();
    let rest: Vec<_> = without_time.block_on(manager.collect());
    let errors: Vec<_> = rest.iter().map(|report| report.as_ref().unwrap_err()).collect();
    // The watch of links ends with the first wait: for an answer, or after a list that failed.
    assert!(matches!(errors.as_slice(), [_] | [_, _]), "{errors:?}");
    assert!(errors.last().is_some_and(|error| Error::is_usage(error)), "{errors:?}");
}

#[test]
fn intervals_that_are_too_short_are_refused() {
    let outside = outside();
    let Kernel { mptcp, monitors: _monitors, .. } = outside.block_on(async { kernel(|_, list| list) });
    let builder = || PathManager::builder(&mptcp);
    for (builder, text) in [
        (builder().every(Duration::from_millis(9)), "a call every 9ms; at least 10ms"),
        (builder().counters_every(Duration::from_millis(99)), "counters every 99ms; at least 100ms"),
    ] {
        let error = inside().block_on(builder.open(())).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(text), "{error}");
    }
}

#[test]
fn policy_is_called_at_intervals_and_when_the_program_asks() {
    let outside = outside();
    let Kernel { mptcp, monitors: _monitors, .. } = outside.block_on(async { kernel(|_, list| list) });
    let woken = |event: &PathEvent| *event == PathEvent::Woken;
    inside().block_on(async {
        let mut manager =
            PathManager::builder(&mptcp).every(Duration::from_millis(10)).open(()).await.unwrap();
        for _ in 0..3 {
            until(&mut manager, "a call", woken).await;
        }
        manager.wake();
        until(&mut manager, "the call", woken).await;
    });
}
