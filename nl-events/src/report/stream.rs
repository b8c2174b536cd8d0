use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use nl_core::addr::Name;
use nl_core::connection::Requester;
use nl_core::error::Result;
use nl_core::message::MessageRef;
use nl_core::netns::Netns;

use super::{Cause, Place, Report};
use crate::event::NetworkEvent;
use crate::monitors::Monitors;
use crate::raw::RawEvent;
use crate::source::{Source, decode_any};
use crate::stream::{Events, EventsBuilder};

/// Reports of one namespace that are yielded before the others are looked at.
const MAX_BURST: u32 = 64;

/// A `Stream` of [`Report`]s of one or several namespaces: see [the module](crate::report).
///
/// It queues nothing itself: what is not read stays in the receive buffers of the sockets, one for each namespace and protocol. The
/// namespaces are read in turn, at most 64 reports of one at a time, so one with many events does not keep the others waiting, and
/// hundreds of quiet ones do not slow down the one that is busy. Dropping it closes all sockets at once.
#[derive(Debug)]
pub struct Reports {
    places: Vec<Followed>,
    /// The index of the place that is polled first; it rotates.
    first: usize,
    /// How many reports in a row were that place's.
    burst: u32,
}

#[derive(Debug)]
struct Followed {
    name: Option<Name>,
    monitors: Monitors<Noted>,
}

/// An event with what its message says besides.
struct Noted {
    nsid: Option<u32>,
    cause: Option<Cause>,
    message: Option<RawEvent>,
    event: NetworkEvent,
}

impl Noted {
    fn new(message: MessageRef<'_>, event: NetworkEvent) -> Self {
        Self { nsid: message.nsid(), cause: Cause::of(message), message: None, event }
    }

    fn with_message(message: MessageRef<'_>, event: NetworkEvent) -> Self {
        Self { message: Some(RawEvent::from(message)), ..Self::new(message, event) }
    }
}

impl Reports {
    /// Options.
    pub fn builder() -> ReportsBuilder {
        ReportsBuilder { events: Events::builder(), places: Vec::new(), with_messages: false }
    }

    /// Discards all queued events, and returns whether there were any.
    ///
    /// # Errors
    /// A socket failed.
    pub fn discard_pending(&mut self) -> Result<bool> {
        let mut any = false;
        for place in &mut self.places {
            any |= place.monitors.discard_pending()?;
        }
        Ok(any)
    }
}

impl Stream for Reports {
    type Item = Report;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Report>> {
        let this = self.get_mut();
        let mut turn = 0;
        while turn < this.places.len() {
            let at = (this.first + turn) % this.places.len();
            let Some(place) = this.places.get_mut(at) else { break };
            match place.monitors.poll_next(cx) {
                Poll::Pending => turn += 1,
                Poll::Ready(Some(item)) => {
                    let name = place.name.clone();
                    this.burst = if turn == 0 { this.burst + 1 } else { 1 };
                    this.first = at;
                    if this.burst >= MAX_BURST {
                        (this.first, this.burst) = (at + 1, 0);
                    }
                    return Poll::Ready(Some(report(name, item)));
                }
                // Its last item was the error.
                Poll::Ready(None) => {
                    this.places.remove(at);
                    (this.first, this.burst, turn) = (0, 0, 0);
                }
            }
        }
        if this.places.is_empty() { Poll::Ready(None) } else { Poll::Pending }
    }
}

/// The reports, one after another on the calling thread. An `Err` says that the thread cannot wait, and is the last item: what the
/// sockets have to say is in the reports.
#[cfg(feature = "blocking")]
impl<'a> IntoIterator for &'a mut Reports {
    type Item = Result<Report>;
    type IntoIter = nl_core::blocking::Iter<Waiting<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        nl_core::blocking::Iter::new(Waiting(self))
    }
}

/// [`Reports`] that are waited for without a runtime.
#[cfg(feature = "blocking")]
#[derive(Debug)]
pub struct Waiting<'a>(&'a mut Reports);

#[cfg(feature = "blocking")]
impl Stream for Waiting<'_> {
    type Item = Result<Report>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.get_mut().0).poll_next(cx).map(|report| report.map(Ok))
    }
}

fn report(name: Option<Name>, item: Result<Noted>) -> Report {
    match item {
        Ok(Noted { nsid, cause, message, event }) => {
            Report { place: Place { name, nsid }, cause, message, outcome: Ok(event) }
        }
        Err(error) => {
            Report { place: Place { name, nsid: None }, cause: None, message: None, outcome: Err(error) }
        }
    }
}

/// Options for [`Reports`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is opened"]
pub struct ReportsBuilder {
    events: EventsBuilder,
    places: Vec<(Name, Netns)>,
    with_messages: bool,
}

impl ReportsBuilder {
    /// Reports the events of this source, or of this [group](crate::RtnetlinkGroup), in every namespace.
    pub fn source(mut self, source: impl Into<Source>) -> Self {
        self.events = self.events.source(source);
        self
    }

    /// Follows this namespace; its reports have the name in their [`Place`]. It can be called several times. Without it, the calling
    /// thread's namespace is followed.
    ///
    /// The stream holds the namespace open.
    pub fn namespace(mut self, name: impl AsRef<str>, netns: &Netns) -> Self {
        self.places.push((Name::from(name.as_ref()), netns.clone()));
        self
    }

    /// Follows all namespaces that have an id in each followed one, too; see
    /// [`MonitorBuilder::all_namespaces`](nl_core::monitor::MonitorBuilder::all_namespaces).
    ///
    /// Generic netlink families that exist once for all namespaces report in all of them.
    pub fn all_namespaces(mut self) -> Self {
        self.events = self.events.all_namespaces();
        self
    }

    /// Leaves in the kernel what no source decodes; see [`EventsBuilder::filtered`].
    pub fn filtered(mut self) -> Self {
        self.events = self.events.filtered();
        self
    }

    /// Decodes only messages for which `wanted` says so; see [`EventsBuilder::decode_if`].
    pub fn decode_if(mut self, wanted: impl Fn(MessageRef<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.events = self.events.decode_if(wanted);
        self
    }

    /// Keeps the kernel's message beside each event ([`Report::message`]), for what its type does not have. It is a copy for each event.
    ///
    /// ```no_run
    /// # #[cfg(not(feature = "link"))]
    /// # async fn example() {}
    /// # #[cfg(feature = "link")]
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use futures_util::StreamExt;
    /// use nl_core::message::IfInfoMsg;
    /// use nl_events::Source;
    /// use nl_events::report::Reports;
    ///
    /// const IFLA_CARRIER_CHANGES: u16 = 35;
    ///
    /// let mut reports = Reports::builder().source(Source::LINK).with_messages().open()?;
    /// while let Some(report) = reports.next().await {
    ///     let Some(message) = &report.message else { continue };
    ///     let (header, attrs) = message.message().header::<IfInfoMsg>()?;
    ///     if let Some(changes) = attrs.find(IFLA_CARRIER_CHANGES)? {
    ///         println!("the carrier of #{} changed {} times", header.index, changes.u32()?);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_messages(mut self) -> Self {
        self.with_messages = true;
        self
    }

    /// Leaves out events that this connection caused, where [the kernel says so](super#who-caused-an-event).
    pub fn not_from(mut self, requester: impl Into<Requester>) -> Self {
        self.events = self.events.not_from(requester);
        self
    }

    /// The size of each socket's receive buffer in bytes, 8 MiB by default; see
    /// [`MonitorBuilder::receive_buffer`](nl_core::monitor::MonitorBuilder::receive_buffer).
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.events = self.events.receive_buffer(bytes);
        self
    }

    /// Takes sockets from this function instead of opening them, as [`EventsBuilder::sockets_from`] does: those of the first namespace
    /// first.
    pub fn sockets_from(mut self, source: impl Fn() -> io::Result<OwnedFd> + Send + Sync + 'static) -> Self {
        self.events = self.events.sockets_from(source);
        self
    }

    /// Starts listening. Needs no runtime.
    ///
    /// # Errors
    /// As [`MonitorBuilder::open`](nl_core::monitor::MonitorBuilder::open), for the first namespace that cannot be followed.
    pub fn open(self) -> Result<Reports> {
        let keep = if self.with_messages { Noted::with_message } else { Noted::new };
        let open = |name: Option<Name>, events: EventsBuilder| {
            let monitors = events.monitors(move |sources, message| {
                Ok(decode_any(sources, message)?.map(|event| keep(message, event)))
            })?;
            Ok(Followed { name, monitors })
        };
        let places = match self.places.is_empty() {
            true => vec![open(None, self.events)?],
            false => {
                let given = self.places.into_iter();
                given
                    .map(|(name, netns)| open(Some(name), self.events.clone().netns(&netns)))
                    .collect::<Result<_>>()?
            }
        };
        Ok(Reports { places, first: 0, burst: 0 })
    }
}
