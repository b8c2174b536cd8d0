use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use futures_core::Stream;
use nl_core::Protocol;
use nl_core::attr::DecodeError;
use nl_core::error::{Error, Result};
use nl_core::genl::{FamilyEvent, NOTIFY_GROUP};
use nl_core::message::MessageRef;
use nl_core::monitor::{MessageFilter, Monitor, MonitorBuilder};

use crate::source::Source;

/// What is left out before it is decoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters {
    /// Whether the kernel leaves out what no source decodes.
    pub(crate) in_kernel: bool,
    /// The interfaces that are asked for, or none for all.
    pub(crate) interfaces: Vec<u32>,
    pub(crate) wanted: Option<Wanted>,
}

impl Filters {
    fn of(&self, sources: &[Source]) -> MessageFilter {
        let rules = sources.iter().map(|source| source.accepted(&self.interfaces));
        rules.fold(MessageFilter::new(), MessageFilter::accept)
    }
}

/// Says of a message whether it is to be decoded.
#[derive(Clone)]
pub(crate) struct Wanted(pub(crate) Arc<dyn Fn(MessageRef<'_>) -> bool + Send + Sync>);

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wanted")
    }
}

/// The monitors of a stream, one for each protocol, which are polled in turn.
pub(crate) struct Monitors<T> {
    monitors: Vec<Followed<T>>,
    /// The index of the monitor that is polled first; it rotates.
    first: usize,
    /// A group could not be joined again.
    failed: Option<Error>,
}

struct Followed<T> {
    monitor: Monitor<T>,
    /// Where the decoder puts the group of a family that was registered again; 0 is none.
    join: Option<Arc<AtomicU32>>,
}

impl<T> Followed<T> {
    /// Joins the group of a family that was registered again.
    fn join(&self) -> Result<()> {
        match self.join.as_ref().map_or(0, |group| group.swap(0, Ordering::Relaxed)) {
            0 => Ok(()),
            group => self.monitor.join(group),
        }
    }
}

impl<T: 'static> Monitors<T> {
    /// Opens a monitor for each protocol of the sources. `decode` makes an item of a message of one of these sources.
    pub(crate) fn open(
        options: &MonitorBuilder,
        sources: Vec<Source>,
        filters: &Filters,
        decode: impl Fn(&[Source], MessageRef<'_>) -> Result<Option<T>, DecodeError> + Copy + Send + 'static,
    ) -> Result<Self> {
        let (mut monitors, mut rest) = (Vec::new(), sources);
        loop {
            let protocol = rest.first().map_or(Protocol::Route, Source::protocol);
            let (mut own, others): (Vec<_>, _) =
                rest.into_iter().partition(|source| source.protocol() == protocol);
            own.sort_by_key(Source::is_raw);
            let follows = own.iter().any(Source::follows_family);
            let monitor = options.clone().protocol(protocol);
            let monitor = own.iter().fold(monitor, |monitor, source| monitor.group(source.group()));
            let monitor = if follows { monitor.group(NOTIFY_GROUP) } else { monitor };
            let monitor = match protocol {
                Protocol::Route if filters.in_kernel => monitor.filter(filters.of(&own)),
                _ => monitor,
            };
            let wanted = filters.wanted.clone();
            let join = follows.then(Arc::<AtomicU32>::default);
            let joined = join.clone();
            let monitor = monitor.open(move |message| {
                if let Some(joined) = &joined
                    && let Some(group) = follow(&mut own, message)?
                {
                    joined.store(group, Ordering::Relaxed);
                }
                match wanted.as_ref().is_none_or(|Wanted(wanted)| wanted(message)) {
                    true => decode(&own, message),
                    false => Ok(None),
                }
            })?;
            monitors.push(Followed { monitor, join });
            if others.is_empty() {
                return Ok(Self { monitors, first: 0, failed: None });
            }
            rest = others;
        }
    }

    /// Discards all queued events, and returns whether there were any.
    pub(crate) fn discard_pending(&mut self) -> Result<bool> {
        let mut any = false;
        for followed in &mut self.monitors {
            any |= followed.monitor.discard_pending()?;
        }
        Ok(any)
    }

    /// The next item of any of them; `None` when one has ended.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        // What most streams have. The event is not moved here.
        if let [Followed { monitor, join: None }] = self.monitors.as_mut_slice() {
            return Pin::new(monitor).poll_next(cx);
        }
        let count = self.monitors.len();
        for turn in 0..count {
            let at = (self.first + turn) % count;
            let Some(followed) = self.monitors.get_mut(at) else { continue };
            let item = Pin::new(&mut followed.monitor).poll_next(cx);
            let joined = followed.join();
            if item.is_ready() {
                self.first = (at + 1) % count;
                self.failed = joined.err();
                return item;
            }
            if let Err(error) = joined {
                return Poll::Ready(Some(Err(error)));
            }
        }
        Poll::Pending
    }
}

/// Has the sources follow a family that was registered again; returns the group that is to be joined.
fn follow(sources: &mut [Source], message: MessageRef<'_>) -> Result<Option<u32>, DecodeError> {
    // A group can have an event of its own, behind that of the family.
    let Some(FamilyEvent::New(family) | FamilyEvent::GroupNew(family)) = FamilyEvent::decode(message)? else {
        return Ok(None);
    };
    let mut join = None;
    for source in sources {
        join = source.follow(&family).or(join);
    }
    Ok(join)
}

impl<T> fmt::Debug for Monitors<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.monitors.iter().map(|followed| &followed.monitor)).finish()
    }
}
