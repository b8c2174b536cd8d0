//! Stores without a kernel: two tables whose followers read at different times.
#![expect(clippy::unwrap_used, reason = "tests panic with context")]

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt};
use nl_core::error::ErrorKind;
use nl_core::watch::{Change, Mirror};
use nl_events::store::{Follower, Store};
use tokio::sync::mpsc;

const LIMIT: Duration = Duration::from_secs(20);

/// A row of number `key`, which refers to number `of` of another table; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    key: u32,
    of: u32,
}

const fn row(key: u32, of: u32) -> Row {
    Row { key, of }
}

/// A table that changes when the test says so.
struct Table {
    rows: BTreeMap<u32, Row>,
    changes: mpsc::UnboundedReceiver<Change<Row>>,
    resyncs: Arc<AtomicUsize>,
}

impl Stream for Table {
    type Item = nl_core::Result<Change<Row>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let change = std::task::ready!(self.changes.poll_recv(cx));
        match &change {
            Some(Change::Added(row)) => drop(self.rows.insert(row.key, *row)),
            Some(Change::Deleted(row)) => drop(self.rows.remove(&row.key)),
            _ => {}
        }
        Poll::Ready(change.map(Ok))
    }
}

impl Mirror for Table {
    type Entry = Row;
    type Change = Change<Row>;

    fn entries(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn overruns(&self) -> u64 {
        0
    }

    fn resync(&mut self) {
        self.resyncs.fetch_add(1, Ordering::Relaxed);
    }

    fn is_synced(change: &Change<Row>) -> bool {
        matches!(change, Change::Synced)
    }
}

type Changes = mpsc::UnboundedSender<Change<Row>>;

fn table() -> (Changes, Store<Table>, Follower<Table>) {
    let (sender, changes) = mpsc::unbounded_channel();
    let (store, follower) = Store::new(Table { rows: BTreeMap::new(), changes, resyncs: Arc::default() });
    (sender, store, follower)
}

/// Has the table change, and the follower read it.
async fn change(changes: &Changes, follower: &mut Follower<Table>, change: Change<Row>) {
    changes.send(change.clone()).unwrap();
    assert_eq!(follower.next().await.unwrap().unwrap(), change);
}

/// A table that is synced with these rows.
async fn synced(rows: &[Row]) -> (Changes, Store<Table>, Follower<Table>) {
    let (changes, store, mut follower) = table();
    for row in rows {
        change(&changes, &mut follower, Change::Added(*row)).await;
    }
    change(&changes, &mut follower, Change::Synced).await;
    (changes, store, follower)
}

/// Counts how often a task is woken.
#[derive(Default)]
struct Task {
    woken: AtomicUsize,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll<F: Future + Unpin>(task: &Arc<Task>, future: &mut F) -> Poll<F::Output> {
    let waker = Waker::from(Arc::clone(task));
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

fn refers(row: &Row) -> Option<u32> {
    Some(row.of).filter(|of| *of != 0)
}

#[tokio::test]
async fn entry_whose_device_is_not_there_yet_dangles_until_it_is() {
    let (of_devices, devices, mut devices_follower) = synced(&[row(1, 0)]).await;
    let (of_neighbours, neighbours, mut follower) = synced(&[row(10, 1), row(11, 0)]).await;
    assert_eq!(neighbours.dangling(&devices, refers, |device| device.key), []);

    // The follower of the neighbours is ahead.
    change(&of_neighbours, &mut follower, Change::Added(row(12, 2))).await;
    assert_eq!(neighbours.dangling(&devices, refers, |device| device.key), [row(12, 2)]);
    let is_its = |neighbour: &Row, device: &Row| neighbour.of == device.key;
    let found = neighbours.find_with(&devices, |neighbour| neighbour.key == 12, is_its);
    assert_eq!(found, Some((row(12, 2), None)));
    let task = Arc::new(Task::default());
    let mut waiting = neighbours.wait_until_none_dangles(&devices, refers, |device| device.key, LIMIT);
    assert!(poll(&task, &mut waiting).is_pending());

    change(&of_devices, &mut devices_follower, Change::Added(row(2, 0))).await;
    assert_eq!(task.woken.load(Ordering::Relaxed), 1);
    assert!(matches!(poll(&task, &mut waiting), Poll::Ready(Ok(()))));
    let found = neighbours.find_with(&devices, |neighbour| neighbour.key == 12, is_its);
    assert_eq!(found, Some((row(12, 2), Some(row(2, 0)))));
    assert_eq!(neighbours.find_with(&devices, |neighbour| neighbour.key == 99, is_its), None);
}

#[tokio::test]
async fn entry_whose_device_is_gone_dangles_until_it_is_gone_too() {
    let (of_devices, devices, mut devices_follower) = synced(&[row(1, 0)]).await;
    let (of_neighbours, neighbours, mut follower) = synced(&[row(10, 1)]).await;
    change(&of_devices, &mut devices_follower, Change::Deleted(row(1, 0))).await;
    assert_eq!(neighbours.dangling(&devices, refers, |device| device.key), [row(10, 1)]);
    let task = Arc::new(Task::default());
    let mut waiting = neighbours.wait_until_none_dangles(&devices, refers, |device| device.key, LIMIT);
    assert!(poll(&task, &mut waiting).is_pending());
    change(&of_neighbours, &mut follower, Change::Deleted(row(10, 1))).await;
    assert!(matches!(poll(&task, &mut waiting), Poll::Ready(Ok(()))));
}

/// What is true of two empty tables is not, as long as one of them has not been listed.
#[tokio::test]
async fn two_tables_meet_nothing_until_both_are_synced() {
    let (of_first, first, mut first_follower) = table();
    let (of_second, second, mut second_follower) = table();
    let task = Arc::new(Task::default());
    let mut waiting = first.wait_until_with(&second, |_, _| true, LIMIT);
    assert!(poll(&task, &mut waiting).is_pending());
    change(&of_second, &mut second_follower, Change::Synced).await;
    assert!(poll(&task, &mut waiting).is_pending());
    change(&of_first, &mut first_follower, Change::Synced).await;
    assert!(matches!(poll(&task, &mut waiting), Poll::Ready(Ok(()))));
}

#[tokio::test]
async fn waiting_for_two_tables_ends_when_either_follower_ends() {
    for ends in [0, 1] {
        let (_of_first, first, first_follower) = synced(&[]).await;
        let (_of_second, second, second_follower) = synced(&[]).await;
        let mut followers = vec![first_follower, second_follower];
        let task = Arc::new(Task::default());
        let mut waiting = first.wait_until_with(&second, |_, _| false, LIMIT);
        assert!(poll(&task, &mut waiting).is_pending());
        drop(followers.swap_remove(ends));
        assert_eq!(task.woken.load(Ordering::Relaxed), 1, "{ends}");
        let Poll::Ready(Err(error)) = poll(&task, &mut waiting) else { panic!("{ends} did not end it") };
        assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
        assert!(error.to_string().starts_with("wait for a state of two stores: "), "{error}");
        // What holds is still met: the tables stay as they are.
        first
            .wait_until_with(&second, |first, second| first.is_empty() && second.is_empty(), LIMIT)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn waiting_for_two_tables_has_a_limit() {
    let (_of_first, first, _first_follower) = synced(&[]).await;
    let (_of_second, second, _second_follower) = synced(&[]).await;
    let error = first.wait_until_with(&second, |_, _| false, Duration::from_millis(20)).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
}

/// A parent and its child are in one table.
#[tokio::test]
async fn store_can_be_read_with_itself() {
    let (_changes, store, _follower) = synced(&[row(1, 0), row(2, 1), row(3, 9)]).await;
    assert_eq!(store.read_with(&store, |own, other| (own.len(), other.len())), (3, 3));
    assert_eq!(store.dangling(&store.clone(), refers, |other| other.key), [row(3, 9)]);
    store.wait_until_with(&store, |own, other| own.len() == other.len(), LIMIT).await.unwrap();
}

/// Two threads that read the same two stores in opposite orders.
#[test]
fn stores_that_are_read_in_opposite_orders_do_not_wait_for_each_other() {
    const READS: usize = 20_000;
    let (_of_first, first, _first_follower) = table();
    let (_of_second, second, _second_follower) = table();
    let (sender, reads) = std::sync::mpsc::channel();
    for (own, other) in [(first.clone(), second.clone()), (second, first)] {
        let sender = sender.clone();
        std::thread::spawn(move || {
            let read: usize = (0..READS).map(|_| own.read_with(&other, |a, b| 1 + a.len() + b.len())).sum();
            sender.send(read)
        });
    }
    for _ in 0..2 {
        assert_eq!(reads.recv_timeout(LIMIT), Ok(READS), "the threads wait for each other");
    }
}

/// Nothing of it is left, whether it was dropped, reached its limit or was met, however long the table does not change.
#[tokio::test]
async fn task_that_waits_no_longer_is_forgotten() {
    let (_of_first, first, mut first_follower) = synced(&[row(1, 0)]).await;
    let (_of_second, second, _second_follower) = synced(&[]).await;
    let task = Arc::new(Task::default());
    for _ in 0..3 {
        let mut alone = first.wait_until(|_| false, LIMIT);
        let mut both = first.wait_until_with(&second, |_, _| false, LIMIT);
        assert!(poll(&task, &mut alone).is_pending() && poll(&task, &mut both).is_pending());
        // Once for each store, and however often it is polled. The timers have it too.
        assert!(poll(&task, &mut alone).is_pending() && poll(&task, &mut both).is_pending());
        assert!(Arc::strong_count(&task) > 3);
        drop((alone, both));
        assert_eq!(Arc::strong_count(&task), 1);
    }
    let mut met = first.wait_until(|table| !table.is_empty(), LIMIT);
    assert!(matches!(poll(&task, &mut met), Poll::Ready(Ok(()))));
    drop(met);
    assert_eq!((Arc::strong_count(&task), task.woken.load(Ordering::Relaxed)), (1, 0));
    // The follower is not one of them.
    first.resync();
    assert!(!first.is_synced());
    assert!(first_follower.next().now_or_never().is_none());
}

/// A waiting operation that is polled by another task wakes that one.
#[tokio::test]
async fn change_wakes_the_task_that_polled_last() {
    let (changes, store, mut follower) = synced(&[]).await;
    let tasks = [Arc::new(Task::default()), Arc::new(Task::default())];
    let mut waiting = store.wait_until(|table| !table.is_empty(), LIMIT);
    for task in &tasks {
        assert!(poll(task, &mut waiting).is_pending());
    }
    change(&changes, &mut follower, Change::Added(row(1, 0))).await;
    assert_eq!(tasks.each_ref().map(|task| task.woken.load(Ordering::Relaxed)), [0, 1]);
    assert!(matches!(poll(&tasks[1], &mut waiting), Poll::Ready(Ok(()))));
}
