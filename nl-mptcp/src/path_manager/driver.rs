use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;
use nl_core::watch::{self, Backoff, Feed};
use nl_core::{Error, Pending, Protocol, Result};

use super::clock::Clock;
use super::counters::{Counted, read};
use super::event::{Idle, Report};
use super::interfaces::{Interfaces, Step};
use super::machine::{Input, Machine, Snapshot};
use super::policy::Policy;
use super::snapshot::list;
use super::table::Table;
use crate::diag::SockDiag;
use crate::event::listen;
use crate::settings::SettingsEntry;
use crate::{Mptcp, Token};

const DEFAULT_MAX_IN_FLIGHT: usize = 64;
const DEFAULT_COUNTERS_EVERY: Duration = Duration::from_secs(1);
const MIN_COUNTERS_EVERY: Duration = Duration::from_millis(100);
const MIN_EVERY: Duration = Duration::from_millis(10);

/// The path manager of a namespace: a `Stream` of `Result<Report>` that works while it is polled.
///
/// It reports each event, each decision that was executed, and each decision that failed. An `Err` is reported once and the path manager continues: after an event that cannot be decoded or a list that failed, it lists everything again. It ends only if one of its sockets fails or it cannot wait. [How the table stays correct](super#how-the-table-stays-correct).
/// It can be polled on another runtime at any time, also after its first runtime was shut down. Under feature
/// `blocking`, `for report in &mut manager` works without a runtime.
///
/// While it is not polled, events collect in the receive buffers. At most 64 decisions run at a time, and one for each connection.
pub struct PathManager<P> {
    mptcp: Mptcp,
    diag: SockDiag,
    settings: Option<SettingsEntry>,
    events: Feed<Input>,
    interfaces: Interfaces,
    machine: Box<Machine<P>>,
    /// All are polled each time, because without a runtime nothing says which of them can continue.
    running: Vec<Running>,
    listing: Option<Listing>,
    resting: Option<Pending<()>>,
    /// Ends at this time.
    timer: Option<(Instant, Pending<()>)>,
    counting: Option<Pending<BTreeMap<Token, Counted>>>,
    backoff: Backoff,
    errors: VecDeque<Error>,
    ended: bool,
}

/// A decision that is being executed.
struct Running {
    number: u64,
    execution: Pending<()>,
}

struct Listing {
    list: Pending<Snapshot>,
    began: Instant,
}

impl<P: Policy> PathManager<P> {
    /// Manages the paths of the connections in the namespace of this handle with this policy.
    ///
    /// # Errors
    /// As [`PathManagerBuilder::open`].
    pub fn open(mptcp: &Mptcp, policy: P) -> Pending<Self>
    where
        P: 'static,
    {
        PathManager::builder(mptcp).open(policy)
    }

    /// The connections and interfaces after the reports so far.
    #[must_use]
    pub fn table(&self) -> &Table {
        self.machine.table()
    }

    /// The policy.
    pub fn policy(&mut self) -> &mut P {
        self.machine.policy()
    }

    /// Another policy from now on. It is called with the differences between the table and the kernel, and then with
    /// [`Synced`](super::PathEvent::Synced), at which it sees every connection. What the policy before did stays, unless the new one
    /// changes it, as [`FullMesh::exact`](super::FullMesh::exact) does.
    ///
    /// Policies of several types are one as `Box<dyn Policy>`.
    pub fn set_policy(&mut self, policy: P) {
        *self.machine.policy() = policy;
        self.resync();
    }

    /// How often the kernel dropped events because a receive buffer was full.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.events.overruns() + self.interfaces.overruns()
    }

    /// Calls the policy with [`PathEvent::Woken`](super::PathEvent::Woken), for a reason that the program knows.
    pub fn wake(&mut self) {
        self.machine.tick(Instant::now());
        self.machine.wake();
    }

    /// Lists everything again, and reports the differences and then [`Synced`](super::PathEvent::Synced): after the
    /// [policy](Self::policy) was replaced, or for a change that the kernel does not report.
    pub fn resync(&mut self) {
        self.interfaces.resync();
        self.machine.lost();
    }

    /// Why no new connection will be managed; `None` if they are. It is what the settings were when everything was last listed: at the
    /// start, after lost events, and after [`resync`](Self::resync).
    #[must_use]
    pub fn idle(&self) -> Option<Idle> {
        self.machine.idle()
    }

    /// How many decisions were not executed because their connection had [ended](Report::Ended).
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.machine.ended()
    }

    /// Takes one event.
    fn poll_events(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.events.poll_input(cx) {
            Poll::Ready(watch::Input::Ended(error)) => {
                self.errors.extend(error);
                self.ended = true;
            }
            Poll::Ready(watch::Input::Event(event)) => self.machine.input(event),
            Poll::Ready(watch::Input::Lost(error)) => {
                self.errors.extend(error);
                self.machine.lost();
            }
            Poll::Pending => match ready!(self.interfaces.poll(cx)) {
                Step::Ended => self.ended = true,
                Step::Failed(error) => self.errors.push_back(error),
                Step::Input(input) => self.machine.input(input),
                Step::Lost => self.machine.lost(),
                // A listing may have waited for it.
                Step::Synced => {}
            },
        }
        Poll::Ready(())
    }

    /// Calls the policy where a time has come, and has counters read.
    fn poll_times(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        if self.machine.tick(now) {
            return Poll::Ready(());
        }
        if let Some(tokens) = self.machine.count() {
            self.counting = Some(Pending::new(read(self.diag.clone(), tokens)));
        }
        if let Some(counting) = &mut self.counting
            && let Poll::Ready(outcome) = Pin::new(counting).poll(cx)
        {
            self.counting = None;
            // How long it took is part of when it is done next.
            self.machine.tick(Instant::now());
            self.machine.counted(outcome.unwrap_or_else(|error| {
                self.errors.push_back(error);
                BTreeMap::new()
            }));
            return Poll::Ready(());
        }
        let Some(deadline) = self.machine.deadline() else {
            self.timer = None;
            return Poll::Pending;
        };
        if self.timer.as_ref().is_none_or(|(end, _)| *end != deadline) {
            let pause = Pending::pause(deadline.saturating_duration_since(now));
            self.timer = Some((deadline, pause));
        }
        let Some((_, timer)) = &mut self.timer else { return Poll::Pending };
        let outcome = ready!(Pin::new(timer).poll(cx));
        self.timer = None;
        if let Err(error) = outcome {
            // Without pauses it would wait forever, or not at all.
            self.errors.push_back(error);
            self.ended = true;
        }
        Poll::Ready(())
    }

    fn poll_listing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(listing) = &mut self.listing {
            let Poll::Ready(outcome) = Pin::new(&mut listing.list).poll(cx) else { return Poll::Pending };
            let took = listing.began.elapsed();
            self.listing = None;
            match outcome {
                Ok(mut snapshot) => {
                    snapshot.interfaces = self.interfaces.table();
                    self.machine.listed(snapshot);
                }
                Err(error) => {
                    self.machine.unlisted();
                    self.errors.push_back(error);
                }
            }
            if self.machine.is_lost() {
                self.resting = Some(Pending::pause(self.backoff.rest(took)));
            } else {
                self.backoff.reset();
            }
            return Poll::Ready(());
        }
        if let Some(resting) = &mut self.resting {
            let Poll::Ready(rested) = Pin::new(resting).poll(cx) else { return Poll::Pending };
            self.resting = None;
            if let Err(error) = rested {
                // Without pauses, a list that fails would fail again at once and forever.
                self.errors.push_back(error);
                self.ended = true;
                return Poll::Ready(());
            }
        }
        if !self.interfaces.is_synced() || !self.machine.listing() {
            return Poll::Pending;
        }
        let list = Pending::new(list(self.diag.clone(), self.settings.clone()));
        self.listing = Some(Listing { list, began: Instant::now() });
        Poll::Ready(())
    }

    fn poll_decisions(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some((number, decision)) = self.machine.start() {
            let mptcp = self.mptcp.clone();
            let execution = Pending::new(async move { decision.execute(&mptcp).await });
            self.running.push(Running { number, execution });
        }
        let (before, machine) = (self.running.len(), &mut self.machine);
        self.running.retain_mut(|running| match Pin::new(&mut running.execution).poll(cx) {
            Poll::Pending => true,
            Poll::Ready(outcome) => {
                machine.finished(running.number, outcome);
                false
            }
        });
        if self.running.len() < before { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl PathManager<()> {
    /// Options for the path manager of the namespace of this handle.
    pub fn builder(mptcp: &Mptcp) -> PathManagerBuilder {
        PathManagerBuilder {
            mptcp: mptcp.clone(),
            receive_buffer: None,
            max_in_flight: DEFAULT_MAX_IN_FLIGHT,
            every: None,
            counters_every: DEFAULT_COUNTERS_EVERY,
        }
    }
}

impl<P: Policy> Stream for PathManager<P> {
    type Item = Result<Report>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(report) = this.machine.report() {
                return Poll::Ready(Some(Ok(report)));
            }
            if let Some(error) = this.errors.pop_front() {
                return Poll::Ready(Some(Err(error)));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            // Events first, because the receive buffers are what overflows. The others are polled in any case.
            let events = this.poll_events(cx).is_ready();
            let decisions = this.poll_decisions(cx).is_ready();
            let listing = this.poll_listing(cx).is_ready();
            let times = this.poll_times(cx).is_ready();
            let busy = events || decisions || listing || times;
            if !busy {
                return Poll::Pending;
            }
        }
    }
}

/// The reports, one after another on the calling thread.
#[cfg(feature = "blocking")]
impl<P: Policy> IntoIterator for &mut PathManager<P> {
    type Item = Result<Report>;
    type IntoIter = nl_core::blocking::Iter<Self>;

    fn into_iter(self) -> Self::IntoIter {
        nl_core::blocking::Iter::new(self)
    }
}

impl<P> fmt::Debug for PathManager<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PathManager")
            .field("overruns", &(self.events.overruns() + self.interfaces.overruns()))
            .finish_non_exhaustive()
    }
}

/// Options for a [`PathManager`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is opened"]
pub struct PathManagerBuilder {
    mptcp: Mptcp,
    receive_buffer: Option<usize>,
    max_in_flight: usize,
    every: Option<Duration>,
    counters_every: Duration,
}

impl PathManagerBuilder {
    /// The size of the receive buffers in bytes; by default as large as the system allows, up to 8 MiB. The smaller
    /// they are, the more often everything is listed again.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// The number of decisions that run at a time, at least 1; by default 64.
    pub fn max_in_flight(mut self, decisions: usize) -> Self {
        self.max_in_flight = decisions;
        self
    }

    /// Calls the policy at this interval, at least 10 milliseconds, with [`PathEvent::Woken`](super::PathEvent::Woken); by default only
    /// when it [asks](super::Plan::wake_after) for that.
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = Some(interval);
        self
    }

    /// The time between two readings of the counters of connections that the policy [watches](super::Plan::watch), at least 100
    /// milliseconds; by default a second. It is longer where reading takes long: at most a third of the time is spent on it.
    pub fn counters_every(mut self, interval: Duration) -> Self {
        self.counters_every = interval;
        self
    }

    /// Starts the path manager. [`PathEvent::Synced`](super::PathEvent::Synced) reports that the table is complete.
    ///
    /// Needs `CAP_NET_ADMIN` in the user namespace that owns the network namespace. Linux 5.19, with `CONFIG_INET_MPTCP_DIAG`.
    ///
    /// # Errors
    /// `EPERM` ([`is_permission`](Error::is_permission)); [`Unsupported`](nl_core::error::ErrorKind::Unsupported) if the kernel has no Multipath
    /// TCP; a limit of 0 decisions; an interval that is too short.
    pub fn open<P: Policy + 'static>(self, policy: P) -> Pending<PathManager<P>> {
        Pending::new(async move {
            self.start(policy).await.map_err(|error| error.during(|| "manage mptcp paths".into()))
        })
    }

    async fn start<P: Policy>(self, policy: P) -> Result<PathManager<P>> {
        if self.max_in_flight == 0 {
            return Err(Error::usage("0 decisions at a time; at least 1"));
        }
        if let Some(every) = self.every.filter(|every| *every < MIN_EVERY) {
            return Err(Error::usage(format!("a call every {every:?}; at least {MIN_EVERY:?}")));
        }
        if self.counters_every < MIN_COUNTERS_EVERY {
            let every = self.counters_every;
            return Err(Error::usage(format!("counters every {every:?}; at least {MIN_COUNTERS_EVERY:?}")));
        }
        let (channel, conn) = (self.mptcp.channel(), self.mptcp.connection());
        let route = conn.sibling(Protocol::Route)?;
        // A kernel that ignores the interface of a new subflow still reports the number of attributes it knows.
        let binds = channel.family().await?.max_attr == 0;
        let events = listen(channel, self.receive_buffer, Input::Mptcp).await?;
        let interfaces = Interfaces::open(&route, self.receive_buffer).await?;
        let clock = Clock::new(Instant::now(), self.every, self.counters_every);
        Ok(PathManager {
            diag: SockDiag::new(conn.sibling(Protocol::SockDiag)?),
            settings: conn.netns().ok().map(|netns| SettingsEntry::of(&netns)),
            mptcp: self.mptcp,
            events: Feed::new(events),
            interfaces,
            machine: Box::new(Machine::new(policy, self.max_in_flight, binds, clock)),
            running: Vec::new(),
            listing: None,
            resting: None,
            timer: None,
            counting: None,
            backoff: Backoff::default(),
            errors: VecDeque::new(),
            ended: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send<T: Send>() {}

    #[test]
    fn path_manager_can_be_sent_to_other_threads() {
        is_send::<PathManager<()>>();
    }
}
