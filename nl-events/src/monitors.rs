use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use nl_core::Protocol;
use nl_core::attr::DecodeError;
use nl_core::error::Result;
use nl_core::genl::{FamilyEvent, NOTIFY_GROUP};
use nl_core::message::MessageRef;
use nl_core::monitor::{MessageFilter, Monitor, MonitorBuilder};

use crate::event::NetworkEvent;
use crate::source::{Source, decode_any};

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
    monitors: Vec<Monitor<Item<T>>>,
    /// The index of the monitor that is polled first; it rotates.
    first: usize,
}

/// What a message comes to.
struct Item<T> {
    event: Option<T>,
    /// A group to be joined: its family was registered again.
    join: Option<u32>,
}

impl<T: 'static> Monitors<T> {
    /// Opens a monitor for each protocol of the sources. `keep` makes an item of a message and its event.
    pub(crate) fn open(
        options: &MonitorBuilder,
        sources: Vec<Source>,
        filters: &Filters,
        keep: fn(MessageRef<'_>, NetworkEvent) -> T,
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
            monitors.push(monitor.open(move |message| {
                let join = if follows { follow(&mut own, message)? } else { None };
                let event = match wanted.as_ref().is_none_or(|Wanted(wanted)| wanted(message)) {
                    true => decode_any(&own, message)?.map(|event| keep(message, event)),
                    false => None,
                };
                Ok((event.is_some() || join.is_some()).then_some(Item { event, join }))
            })?);
            if others.is_empty() {
                return Ok(Self { monitors, first: 0 });
            }
            rest = others;
        }
    }

    /// Discards all queued events, and returns whether there were any.
    pub(crate) fn discard_pending(&mut self) -> Result<bool> {
        let mut any = false;
        for monitor in &mut self.monitors {
            any |= monitor.discard_pending()?;
        }
        Ok(any)
    }

    /// The next item of any of them; `None` when one has ended.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let count = self.monitors.len();
        for turn in 0..count {
            let at = (self.first + turn) % count;
            let Some(monitor) = self.monitors.get_mut(at) else { continue };
            while let Poll::Ready(item) = Pin::new(&mut *monitor).poll_next(cx) {
                let item = match item {
                    Some(Ok(Item { event, join })) => {
                        match (join.map_or(Ok(()), |group| monitor.join(group)), event) {
                            (Err(error), _) => Some(Err(error)),
                            (Ok(()), Some(event)) => Some(Ok(event)),
                            (Ok(()), None) => continue,
                        }
                    }
                    Some(Err(error)) => Some(Err(error)),
                    None => None,
                };
                self.first = (at + 1) % count;
                return Poll::Ready(item);
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
        f.debug_list().entries(&self.monitors).finish()
    }
}
