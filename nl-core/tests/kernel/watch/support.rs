//! What the tests of watches share: entries as text, as the watch, as another watch and as iproute2 have them.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use nl_core::watch::{Change, Entry};
use nl_testkit::{Node, within};
use serde_json::Value;

/// For what takes a moment, also in an emulated machine.
const SOON: Duration = Duration::from_secs(30);

/// Reads changes until one is as wanted.
pub(super) async fn until<E: Entry + Debug>(
    watch: &mut (impl Stream<Item = nl_core::Result<Change<E>>> + Unpin),
    what: &str,
    wanted: impl Fn(&Change<E>) -> bool,
) -> Change<E> {
    let found = async {
        loop {
            let change = watch.next().await.unwrap().unwrap();
            if wanted(&change) {
                return change;
            }
        }
    };
    within(SOON, found, what).await
}

pub(super) async fn synced<E: Entry + Debug>(
    watch: &mut (impl Stream<Item = nl_core::Result<Change<E>>> + Unpin),
) {
    until(watch, "the watch to be synced", |change| matches!(change, Change::Synced)).await;
}

/// The entries without what changes by itself. None is there twice.
pub(super) fn texts<'a, E: Entry + Debug>(entries: impl Iterator<Item = &'a E>) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for entry in entries {
        assert!(texts.insert(format!("{:?}", entry.normalized())), "twice: {entry:?}");
    }
    texts
}

/// The first differences from another table, in words.
pub(super) fn compared(ours: &BTreeSet<String>, theirs: &BTreeSet<String>, whose: &str) -> Option<String> {
    let few = |from: &BTreeSet<String>, to| from.difference(to).take(3).cloned().collect::<Vec<_>>();
    let text = || format!("not as {whose}: {:#?} is {:#?}", few(ours, theirs), few(theirs, ours));
    (ours != theirs).then(text)
}

/// Reads changes until there is no difference.
pub(super) async fn converge<E: Entry + Debug, W>(
    watch: &mut W,
    difference: impl AsyncFn(&W) -> Option<String>,
) where
    W: Stream<Item = nl_core::Result<Change<E>>> + Unpin,
{
    let end = Instant::now() + SOON;
    while let Some(difference) = difference(watch).await {
        assert!(Instant::now() < end, "{difference}");
        if let Ok(change) = tokio::time::timeout(SOON / 100, watch.next()).await {
            change.unwrap().unwrap();
        }
    }
}

/// The objects that a command of iproute2 prints as JSON.
pub(super) async fn shown(node: &Node, command: &str) -> Vec<Value> {
    node.json(command).await.as_array().unwrap().clone()
}

/// The text of a field, or of a number.
pub(super) fn field(value: &Value, key: &str) -> String {
    match &value[key] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
