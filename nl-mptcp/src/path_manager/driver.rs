use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::stream::FuturesUnordered;
use nl_core::monitor::{Monitor, MonitorBuilder};
use nl_core::{Connection, Error, Protocol, Result};
use tokio::time::{Instant, Sleep, sleep};

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
/// It tells everything that happened, what was done, and each decision that failed. An `Err` is told once and the path manager goes
/// on: an event that cannot be read, or a list that failed, makes it list everything again. It ends only if one of its sockets
/// fails. [How it stays right](super#how-the-table-stays-right).
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
    running: FuturesUnordered<Running>,
    listing: Option<Listing>,
    resting: Option<Pin<Box<Sleep>>>,
    pause: Duration,
    overruns: u64,
    errors: VecDeque<Error>,
    ended: bool,
}

type Running = Pin<Box<dyn Future<Output = (u64, Result<()>)> + Send>>;

struct Listing {
    list: Pin<Box<dyn Future<Output = Result<Snapshot>> + Send>>,
    began: Instant,
}

impl<P: Policy> PathManager<P> {
    /// Manages the paths of the connections in the namespace of this handle, as the policy says.
    ///
    /// # Errors
    /// As [`PathManagerBuilder::open`].
    pub async fn open(mptcp: &Mptcp, policy: P) -> Result<Self> {
        PathManager::builder(mptcp).open(policy).await
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
        let mptcp = Pin::new(&mut self.events).poll_next(cx).map_ok(Input::Mptcp);
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
            let Poll::Ready(outcome) = listing.list.as_mut().poll(cx) else { return Poll::Pending };
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
                self.resting = Some(Box::pin(sleep(pause)));
            } else {
                self.pause = FIRST_PAUSE;
            }
            return Poll::Ready(());
        }
        if let Some(resting) = &mut self.resting {
            if resting.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.resting = None;
        }
        if !self.machine.listing() {
            return Poll::Pending;
        }
        let list = Box::pin(list(self.diag.clone(), self.route.clone()));
        self.listing = Some(Listing { list, began: Instant::now() });
        Poll::Ready(())
    }

    fn poll_decisions(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some((number, decision)) = self.machine.start() {
            let mptcp = self.mptcp.clone();
            self.running.push(Box::pin(async move { (number, decision.execute(&mptcp).await) }));
        }
        match Pin::new(&mut self.running).poll_next(cx) {
            Poll::Ready(Some((number, outcome))) => {
                self.machine.finished(number, outcome);
                Poll::Ready(())
            }
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
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
    /// TCP; no tokio runtime is current; no decision may run.
    pub async fn open<P: Policy>(self, policy: P) -> Result<PathManager<P>> {
        self.start(policy).await.map_err(|error| error.during(|| "manage mptcp paths".into()))
    }

    async fn start<P: Policy>(self, policy: P) -> Result<PathManager<P>> {
        if self.most_running == 0 {
            return Err(Error::usage("0 decisions at a time; at least 1"));
        }
        let conn = self.mptcp.netlink();
        if conn.protocol() != Protocol::Generic {
            return Err(Error::usage(format!(
                "Multipath TCP is on NETLINK_GENERIC, not {}",
                conn.protocol()
            )));
        }
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
            running: FuturesUnordered::new(),
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
