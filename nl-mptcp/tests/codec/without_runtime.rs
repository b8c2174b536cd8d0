//! Verbs and the path manager on threads without a runtime, also in a build without tokio. The kernel is simulated on other threads, so
//! its answers are late and have to be waited for.

#[cfg(feature = "path-manager")]
use nl_mptcp::path_manager::{PathEvent, PathManager, Plan, Report};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::old_kernels::NLCTRL;
use crate::requests::{ADDRESS, FAMILY, LIMIT, simulated, subflow, with_events};

/// Where the kernel is simulated.
fn outside() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn verbs_wait_on_a_thread_without_a_runtime() {
    let outside = outside();
    let (mptcp, log) = outside.block_on(async { simulated() });
    assert!(Handle::try_current().is_err());
    mptcp.endpoint(ADDRESS).dev("eth1").subflow().add().wait().unwrap();
    mptcp.limits().subflows(2).set().wait().unwrap();
    assert_eq!(log.lock().unwrap()[0], [NLCTRL, FAMILY, FAMILY]);
}

#[test]
fn create_established_times_out_without_a_runtime() {
    let outside = outside();
    let mptcp = outside.block_on(async { with_events() });
    let error = subflow(&mptcp).create_established(LIMIT).wait().unwrap_err();
    assert!(error.is_timeout(), "{error}");
}

/// Inside a runtime it blocks the thread, and nothing else.
#[test]
fn verbs_can_be_waited_for_inside_a_runtime() {
    let outside = outside();
    let (mptcp, log) = outside.block_on(async { simulated() });
    let inside = Builder::new_current_thread().enable_all().build().unwrap();
    inside.block_on(async { mptcp.endpoint(ADDRESS).subflow().add().wait().unwrap() });
    assert_eq!(*log.lock().unwrap(), [[NLCTRL, FAMILY]]);
}

#[cfg(feature = "path-manager")]
#[test]
fn path_manager_is_read_in_a_for_loop() {
    let outside = outside();
    let kernel = outside.block_on(async { crate::overrun::kernel(|_, list| list) });
    let policy = |event: &PathEvent, plan: &mut Plan<'_>| {
        if let PathEvent::Established { token } = *event {
            (1..=3).for_each(|id| plan.withdraw(token, id));
        }
    };
    let mut manager = PathManager::open(&kernel.mptcp, policy).wait().unwrap();
    let (mut synced, mut done) = (false, 0);
    for report in &mut manager {
        match report.unwrap() {
            Report::Event(PathEvent::Synced) => synced = true,
            Report::Done(_) => done += 1,
            Report::Failed { error, .. } => panic!("{error}"),
            _ => {}
        }
        if synced && done == 3 {
            return;
        }
    }
    panic!("the path manager ended");
}

/// A list that fails is repeated after a pause, which needs no runtime either.
#[cfg(feature = "path-manager")]
#[test]
fn path_manager_pauses_without_a_runtime() {
    use nl_testkit::fault::Fault;

    let outside = outside();
    let lost = |number, list: nl_testkit::fault::Conversation| match number {
        0 => list.with(Fault::Overrun { delivery: 0 }).unwrap(),
        _ => list,
    };
    let kernel = outside.block_on(async { crate::overrun::kernel(lost) });
    let mut manager = PathManager::open(&kernel.mptcp, ()).wait().unwrap();
    let mut reports = (&mut manager).into_iter();
    assert!(reports.next().unwrap().is_err_and(|error| error.is_overrun()));
    assert!(reports.any(|report| matches!(report, Ok(Report::Event(PathEvent::Synced)))));
}
