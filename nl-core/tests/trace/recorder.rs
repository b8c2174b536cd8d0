//! A subscriber that keeps all that the crates record, of one test. Tests of other crates use it too.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::with_default;
use tracing::{Event, Metadata, Subscriber};

/// Runs this on a runtime of its own, and returns what was recorded meanwhile.
pub(crate) fn recorded<T>(run: impl Future<Output = T>) -> (T, Recorded) {
    let recorder = Recorder::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let output = with_default(recorder.clone(), || runtime.block_on(run));
    drop(runtime);
    let recorded = recorder.0.lock().unwrap().clone();
    (output, recorded)
}

/// All that was recorded, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) spans: Vec<Entry>,
    pub(crate) events: Vec<Entry>,
}

impl Recorded {
    /// The only span, which must be closed.
    #[track_caller]
    pub(crate) fn only_span(&self) -> &Entry {
        assert_eq!(self.spans.len(), 1, "{self:#?}");
        let span = self.spans.first().unwrap();
        assert!(span.closed, "{self:#?}");
        span
    }
}

/// A span or an event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// The text of an event is `message`.
    pub(crate) fields: BTreeMap<&'static str, String>,
    /// The number of the span that an event belongs to, counted from 1.
    pub(crate) parent: Option<u64>,
    pub(crate) closed: bool,
}

impl Entry {
    /// A field, empty if it was not recorded.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl Visit for Entry {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

/// What nl-core records, and nothing else.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Recorded>>);

impl Recorder {
    /// Changes the span of this number.
    fn change(&self, id: &Id, change: impl FnOnce(&mut Entry)) {
        let place = usize::try_from(id.into_u64() - 1).unwrap();
        change(self.0.lock().unwrap().spans.get_mut(place).unwrap());
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "nl_core"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut entry = Entry { name: span.metadata().name(), ..Entry::default() };
        span.record(&mut entry);
        let mut recorded = self.0.lock().unwrap();
        recorded.spans.push(entry);
        Id::from_u64(u64::try_from(recorded.spans.len()).unwrap())
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.change(span, |entry| values.record(entry));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let parent = event.parent().map(Id::into_u64);
        let mut entry = Entry { name: event.metadata().name(), parent, ..Entry::default() };
        event.record(&mut entry);
        self.0.lock().unwrap().events.push(entry);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    fn try_close(&self, id: Id) -> bool {
        self.change(&id, |entry| entry.closed = true);
        true
    }
}
