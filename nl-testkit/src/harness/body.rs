//! Running one test body: a thread and namespaces of its own, a deadline, and the checks afterwards.

use std::{
    fs::File,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use tokio::{runtime, task::LocalSet, time::timeout};

use super::{
    case::{Body, TestCase},
    report,
};
use crate::{
    Error,
    lab::{Lab, Skipped},
    leak::{self, Network},
    record::{self, Record},
    sandbox, sys,
    wait::patient,
};

/// How a body ended that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Passed,
    /// It found that it cannot go on.
    Skipped(Skipped),
}

/// Runs a test to its verdict; `alone` says that no other test runs at the same time.
pub(super) fn run(case: &'static TestCase, alone: bool) -> Result<Ended, String> {
    let record = Arc::new(Record::default());
    let before = alone.then(leak::descriptors);
    let (sender, receiver) = mpsc::channel();
    let name: String = case.function.chars().take(15).collect();
    let thread = thread::Builder::new()
        .name(name)
        .spawn({
            let record = Arc::clone(&record);
            move || {
                record::join(Some(Arc::clone(&record)));
                let verdict = panic::catch_unwind(AssertUnwindSafe(|| live(case, &record, &sender)))
                    .unwrap_or_else(|payload| Err(vec![record::payload_text(payload.as_ref())]));
                let _ = sender.send(Step::Done(verdict));
            }
        })
        .map_err(|error| format!("start a thread: {error}"))?;
    let limit = patient(Duration::from_secs(case.timeout_seconds));
    // An async body is stopped by its own runtime; the grace is for one that blocks its thread.
    let verdict = match receiver.recv_timeout(limit + patient(GRACE)) {
        Ok(Step::BodyEnded) => {
            match receiver.recv_timeout(if report::keep() { KEPT } else { patient(TEARDOWN) }) {
                Ok(Step::Done(verdict)) => verdict,
                _ => {
                    return Err(format!(
                        "the namespaces of {} could not be taken down in {TEARDOWN:?}",
                        case.name()
                    ));
                }
            }
        }
        Ok(Step::Done(verdict)) => verdict,
        Err(_) => {
            return Err(format!("{} timed out after {limit:?}; its body still blocks a thread", case.name()));
        }
    };
    let _ = thread.join();
    match (verdict, before) {
        (Ok(ended), Some(before)) => complain(leak::new_descriptors(&before)).map(|()| ended),
        (Ok(ended), None) => Ok(ended),
        (Err(reasons), _) => Err(reasons.join("\n")),
    }
}

/// What the body's thread reports.
enum Step {
    BodyEnded,
    Done(Result<Ended, Vec<String>>),
}

fn live(
    case: &'static TestCase,
    record: &Arc<Record>,
    sender: &mpsc::Sender<Step>,
) -> Result<Ended, Vec<String>> {
    let prepared = prepare(record).map_err(|error| vec![format!("prepare the test: {error}")])?;
    let (runtime, network) = prepared;
    let local = LocalSet::new();
    let lab = Lab::start(&case.name());
    let result = panic::catch_unwind(AssertUnwindSafe(|| body(case, &lab, &runtime, &local)));
    let _ = sender.send(Step::BodyEnded);
    let skipped = lab.take_skipped();
    let (ended, mut reasons) = match (result, skipped) {
        (Ok(Ok(())), None) | (Err(_), _) => (Ended::Passed, Vec::new()),
        (Ok(Ok(())), Some(skipped)) => {
            (Ended::Passed, vec![format!("the body asked to be {skipped}, and went on to return Ok")])
        }
        (Ok(Err(error)), skipped) => match (error.downcast_ref::<Skipped>(), skipped) {
            (Some(returned), Some(asked)) if *returned == asked => (Ended::Skipped(asked), Vec::new()),
            _ => (Ended::Passed, vec![chain(error.as_ref())]),
        },
    };
    reasons.extend(record.take_panics());
    if reasons.is_empty() {
        let left = local.block_on(&runtime, leak::in_nodes(&lab, &runtime.metrics()));
        reasons.extend(complain(left).err());
    } else {
        reasons.extend(local.block_on(&runtime, report::dump(&lab)));
    }
    drop(local);
    runtime.shutdown_timeout(patient(RUNTIME));
    let networks = vec![Network::new("the test's body".to_owned(), network, None)];
    let mut left = leak::after_nodes(lab.take_nodes(), networks);
    left.extend(leak::elsewhere(record.mounts()));
    left.extend(leak::named_networks());
    if reasons.is_empty() {
        reasons.extend(complain(left).err());
    }
    // What a task says while it is taken down counts too.
    reasons.extend(record.take_panics());
    if reasons.is_empty() { Ok(ended) } else { Err(reasons) }
}

/// The body's thread gets namespaces of its own, so that code which forgets to use a node disturbs no other test and
/// names in `/run/netns` are the test's own.
fn prepare(record: &Arc<Record>) -> Result<(runtime::Runtime, std::os::fd::OwnedFd), Error> {
    sys::new_mounts()?;
    record::own_mounts(record);
    sys::new_network()?;
    sandbox::private_mounts()?;
    let network = File::open("/proc/thread-self/ns/net")?.into();
    let record = Arc::clone(record);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_start(move || record::join(Some(Arc::clone(&record))))
        .build()?;
    Ok((runtime, network))
}

fn body(case: &TestCase, lab: &Lab, runtime: &runtime::Runtime, local: &LocalSet) -> Result<(), Error> {
    match case.body {
        Body::Sync(body) => body(lab.clone()),
        Body::Async(body) => local.block_on(runtime, async {
            let limit = patient(Duration::from_secs(case.timeout_seconds));
            match timeout(limit, body(lab.clone())).await {
                Ok(result) => result,
                Err(_) => Err(format!("{} timed out after {limit:?}", case.name()).into()),
            }
        }),
    }
}

fn complain(left: Vec<String>) -> Result<(), String> {
    if left.is_empty() {
        return Ok(());
    }
    Err(format!("the test left behind:\n  {}", left.join("\n  ")))
}

/// An error with its sources.
fn chain(error: &(dyn std::error::Error + Send + Sync)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!("\n  caused by: {error}");
        source = error.source();
    }
    text
}

const GRACE: Duration = Duration::from_secs(2);
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
const RUNTIME: Duration = Duration::from_secs(2);
const TEARDOWN: Duration = Duration::from_secs(45);
