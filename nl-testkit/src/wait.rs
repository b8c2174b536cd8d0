//! Waiting with a deadline.

use std::{
    env,
    panic::{AssertUnwindSafe, Location},
    sync::LazyLock,
    time::Duration,
};

use futures_util::FutureExt;
use tokio::time::{Instant, sleep, timeout};

use crate::record::{self, payload_text};

/// Waits for a future, and panics naming what was waited for when the time is up.
///
/// ```no_run
/// # async fn example(events: impl Future<Output = u32>) {
/// use std::time::Duration;
/// let event = nl_testkit::within(Duration::from_secs(5), events, "the event about br0").await;
/// # }
/// ```
///
/// # Panics
///
/// When the time is up.
#[track_caller]
pub fn within<F: Future>(time: Duration, future: F, what: &str) -> impl Future<Output = F::Output> {
    let caller = Location::caller();
    let time = patient(time);
    async move {
        match timeout(time, future).await {
            Ok(output) => output,
            Err(_) => too_late(time, what, caller),
        }
    }
}

/// Asks until the answer is `Some` and returns it, or panics when the time is up.
///
/// For conditions the kernel sends no event about. The pause between questions starts at 2 ms and grows to 50 ms.
///
/// # Panics
///
/// When the time is up.
#[track_caller]
pub fn eventually<T, F, Fut>(time: Duration, mut ask: F, what: &str) -> impl Future<Output = T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let caller = Location::caller();
    let time = patient(time);
    async move {
        let end = Instant::now() + time;
        let mut pause = Duration::from_millis(2);
        loop {
            match timeout(end.saturating_duration_since(Instant::now()), ask()).await {
                Ok(Some(value)) => return value,
                Ok(None) if Instant::now() + pause < end => sleep(pause).await,
                _ => too_late(time, what, caller),
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

/// Runs a future that is expected to panic and returns the message, or `None` when it did not panic.
///
/// A panic on a thread of a test otherwise fails the test even when it is caught.
pub async fn panic_of<F: Future>(future: F) -> Option<String> {
    let record = record::current();
    let earlier = record.as_ref().map(|record| record.take_panics());
    let result = AssertUnwindSafe(future).catch_unwind().await;
    let mut message = None;
    if let (Some(record), Some(earlier)) = (record, earlier) {
        let expected = record.take_panics();
        record.put_back(earlier);
        match &result {
            Ok(_) => record.put_back(expected),
            Err(payload) => message = Some(payload_text(payload.as_ref())),
        }
    } else if let Err(payload) = &result {
        message = Some(payload_text(payload.as_ref()));
    }
    message
}

/// A deadline on this machine: `NL_TESTKIT_PATIENCE` multiplies all of them, for emulated machines.
///
/// [`within`] and [`eventually`] do this themselves. It is for deadlines after which a test goes on.
///
/// ```
/// use std::time::Duration;
/// assert!(nl_testkit::patient(Duration::from_secs(1)) >= Duration::from_secs(1));
/// ```
#[must_use]
pub fn patient(time: Duration) -> Duration {
    static FACTOR: LazyLock<u32> = LazyLock::new(|| {
        let text = env::var("NL_TESTKIT_PATIENCE").unwrap_or_default();
        text.parse().unwrap_or(1).clamp(1, 100)
    });
    time * *FACTOR
}

#[expect(clippy::panic, reason = "assertion helper")]
fn too_late(time: Duration, what: &str, caller: &Location<'_>) -> ! {
    panic!("waited {time:?} for {what} (at {caller})")
}
