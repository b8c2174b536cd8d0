use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use nl_core::monitor::{Monitor, MonitorBuilder};
use nl_core::{Connection, Error, Pending, Protocol, Result};

use super::machine::{Input, Machine, Snapshot};
use super::snapshot::{RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_LINK, decode, list};
use super::table::Table;
use super::{Policy, Report};
use crate::diag::SockDiag;
use crate::event::MptcpEvent;
use crate::{EVENT_GROUP, FAMILY, Mptcp};

/// The first pause before a listing is repeated; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const DEFAULT_MOST_RUNNING: usize = 64;

/// The path manager of a namespace: a `Stream` of `Result<Report>` that does its work while it is polled.
///
/// It reports everything that happened, what was done, and each decision that failed. An `Err` is reported once and the path
/// manager goes on: an event that cannot be read, or a list that failed, makes it list everything again. It ends only if one of its
/// sockets fails or it cannot wait. [How it stays right](super#how-the-table-stays-right).
///
/// A path manager that is polled on another runtime goes on there, also after its first runtime was shut down. Under feature
/// `blocking`, `for report in &mut manager` works without a runtime.
///
/// While it is not polled, events collect in the receive buffers. At most 64 decisions are being carried out at a time, and one for
/// each connection.
pub struct PathManager<P> {
    mptcp: Mptcp,
    route: Connection,
    diag: SockDiag,
    events: Monitor<MptcpEvent>,
    interfaces: Monitor<Input>,
    machine: Box<Machine<P>>,
    /// All are polled each time: without a runtime nothing says which of them can go on.
    running: Vec<Running>,
    listing: Option<Listing>,
    resting: Option<Pending<()>>,
    pause: Duration,
    overruns: u64,
    errors: VecDeque<Error>,
    ended: bool,
}

/// A decision that is being carried out.
struct Running {
    number: u64,
    execution: Pending<()>,
}

struct Listing {
    list: Pending<Snapshot>,
    began: Instant,
}

impl<P: Policy> PathManager<P> {
    /// Manages the paths of the connections in the namespace of this handle, as the policy says.
    ///
    /// # Errors
    /// As [`PathManagerBuilder::open`].
    pub fn open(mptcp: &Mptcp, policy: P) -> Pending<Self>
    where
        P: 'static,
    {
        PathManager::builder(mptcp).open(policy)
    }

    /// What is known.
    #[must_use]
    pub fn table(&self) -> &Table {
        self.machine.table()
    }

    /// The policy.
    pub fn policy(&mut self) -> &mut P {
        self.machine.policy()
    }

    /// How often the kernel dropped events because a receive buffer was full.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.overruns
    }

    /// Reads events until there are none, and says whether anything came of it.
    fn poll_events(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mptcp =
            Pin::new(&mut self.events).poll_next(cx).map(|next| next.map(|event| event.map(Input::Mptcp)));
        let (polled, of_mptcp) = match mptcp {
            Poll::Pending => (Pin::new(&mut self.interfaces).poll_next(cx), false),
            ready => (ready, true),
        };
        match polled {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => self.ended = true,
            Poll::Ready(Some(Ok(input))) => self.machine.input(input),
            Poll::Ready(Some(Err(error))) if error.is_overrun() => {
                self.overruns += 1;
                self.machine.lost();
                // The kernel drops everything until the buffer was read empty.
                let discarded = match of_mptcp {
                    true => self.events.discard_pending(),
                    false => self.interfaces.discard_pending(),
                };
                if let Err(error) = discarded {
                    self.errors.push_back(error);
                    self.ended = true;
                }
            }
            Poll::Ready(Some(Err(error))) => {
                self.errors.push_back(error);
                self.machine.lost();
            }
        }
        Poll::Ready(())
    }

    fn poll_listing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(listing) = &mut self.listing {
            let Poll::Ready(outcome) = Pin::new(&mut listing.list).poll(cx) else { return Poll::Pending };
            let took = listing.began.elapsed();
            self.listing = None;
            match outcome {
                Ok(snapshot) => self.machine.listed(snapshot),
                Err(error) => {
                    self.machine.unlisted();
                    self.errors.push_back(error);
                }
            }
            if self.machine.is_lost() {
                // Listings take no more than about a third of the time while events are being lost.
                let pause = self.pause.max(took * 2).min(LONGEST_PAUSE);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                self.resting = Some(Pending::pause(pause));
            } else {
                self.pause = FIRST_PAUSE;
            }
            return Poll::Ready(());
        }
        if let Some(resting) = &mut self.resting {
            let Poll::Ready(rested) = Pin::new(resting).poll(cx) else { return Poll::Pending };
            self.resting = None;
            if let Err(error) = rested {
                // Without pauses, a list that fails would fail again at once and for ever.
                self.errors.push_back(error);
                self.ended = true;
                return Poll::Ready(());
            }
        }
        if !self.machine.listing() {
            return Poll::Pending;
        }
        let list = Pending::new(list(self.diag.clone(), self.route.clone()));
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
        PathManagerBuilder { mptcp: mptcp.clone(), receive_buffer: None, most_running: DEFAULT_MOST_RUNNING }
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
            // Events first: the receive buffers are what overflows. The others have their turn all the same.
            let events = this.poll_events(cx).is_ready();
            let decisions = this.poll_decisions(cx).is_ready();
            let listing = this.poll_listing(cx).is_ready();
            let busy = events || decisions || listing;
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
        f.debug_struct("PathManager").field("overruns", &self.overruns).finish_non_exhaustive()
    }
}

/// Options for a [`PathManager`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is opened"]
pub struct PathManagerBuilder {
    mptcp: Mptcp,
    receive_buffer: Option<usize>,
    most_running: usize,
}

impl PathManagerBuilder {
    /// The size of the receive buffers in bytes; by default they are raised as far as the system lets it, up to 8 MiB. The smaller
    /// they are, the more often everything is listed again.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// How many decisions are being carried out at a time, at least 1; by default 64.
    pub fn most_running(mut self, decisions: usize) -> Self {
        self.most_running = decisions;
        self
    }

    /// Begins. The first report that tells that the table is complete is [`PathEvent::Synced`](super::PathEvent::Synced).
    ///
    /// Needs `CAP_NET_ADMIN` in the user namespace that owns the network namespace. Linux 5.19, with `CONFIG_INET_MPTCP_DIAG`.
    ///
    /// # Errors
    /// `EPERM` ([`is_permission`](Error::is_permission)); [`Unsupported`](nl_core::error::ErrorKind::Unsupported) if the kernel has no Multipath
    /// TCP; no decision may run.
    pub fn open<P: Policy + 'static>(self, policy: P) -> Pending<PathManager<P>> {
        Pending::new(async move {
            self.start(policy).await.map_err(|error| error.during(|| "manage mptcp paths".into()))
        })
    }

    async fn start<P: Policy>(self, policy: P) -> Result<PathManager<P>> {
        if self.most_running == 0 {
            return Err(Error::usage("0 decisions at a time; at least 1"));
        }
        let conn = self.mptcp.netlink();
        conn.require(Protocol::Generic, "Multipath TCP requests")?;
        let family = conn.family(FAMILY).await?;
        let (number, group) = (family.id, family.group(EVENT_GROUP)?);
        let route = conn.sibling(Protocol::Route)?;
        let sized = |monitor: MonitorBuilder| match self.receive_buffer {
            Some(bytes) => monitor.receive_buffer(bytes),
            None => monitor,
        };
        let events =
            sized(conn.monitor()).group(group).open(move |message| MptcpEvent::decode(number, message))?;
        let interfaces = sized(route.monitor())
            .group(RTNLGRP_LINK)
            .group(RTNLGRP_IPV4_IFADDR)
            .group(RTNLGRP_IPV6_IFADDR)
            .open(decode)?;
        Ok(PathManager {
            diag: SockDiag::new(conn.sibling(Protocol::SockDiag)?),
            mptcp: self.mptcp,
            route,
            events,
            interfaces,
            machine: Box::new(Machine::new(policy, self.most_running)),
            running: Vec::new(),
            listing: None,
            resting: None,
            pause: FIRST_PAUSE,
            overruns: 0,
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
    fn a_path_manager_can_be_polled_on_any_thread() {
        is_send::<PathManager<()>>();
    }
}
