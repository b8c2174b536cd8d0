//! What the tests of watches share: a reader who knows only the changes, and tables as text.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use nl_core::watch::{Change, Entry};
use nl_core::{Connection, Protocol};
use nl_testkit::{Node, within};
use serde_json::Value;

/// For what takes a moment, also in an emulated machine.
pub(super) const SOON: Duration = Duration::from_secs(30);

pub(super) async fn route(node: &Node) -> Connection {
    node.open(|| Connection::open(Protocol::Route)).await.unwrap()
}

/// Reads changes until one is as wanted.
pub(super) async fn until<E: Entry + Debug, W>(
    watch: &mut W,
    what: &str,
    wanted: impl Fn(&Change<E>) -> bool,
) -> Change<E>
where
    W: Stream<Item = nl_core::Result<Change<E>>> + Unpin,
{
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

pub(super) async fn synced<E: Entry + Debug, W>(watch: &mut W)
where
    W: Stream<Item = nl_core::Result<Change<E>>> + Unpin,
{
    until(watch, "the watch to be synced", |change| matches!(change, Change::Synced)).await;
}

/// What a reader knows who has nothing but the changes. Each has to follow from those before it.
pub(super) struct Reader<E: Entry>(HashMap<E::Key, E>);

impl<E: Entry + Debug> Reader<E> {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    pub(super) fn take(&mut self, change: Change<E>) {
        let same = |known: Option<&E>, said: &E| known.is_some_and(|e| e.normalized() == said.normalized());
        match change {
            Change::Added(entry) => {
                let known = self.0.insert(entry.key(), entry.clone());
                assert!(known.is_none(), "added, and was known: {entry:?}");
            }
            Change::Changed { before, after } => {
                assert!(before.normalized() != after.normalized(), "no change: {after:?}");
                let known = self.0.insert(after.key(), after);
                assert!(same(known.as_ref(), &before), "{known:?} was said to be {before:?}");
            }
            Change::Deleted(entry) => {
                let known = self.0.remove(&entry.key());
                assert!(same(known.as_ref(), &entry), "{known:?} was deleted as {entry:?}");
            }
            Change::Synced => {}
        }
    }

    pub(super) fn texts(&self) -> BTreeSet<String> {
        texts(self.0.values())
    }
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

/// The text of what may be missing.
pub(super) fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
