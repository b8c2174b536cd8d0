use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use nl_core::address::{Address, AddressFlags, AddressScope, AddressWatch};
use nl_core::link::{LinkFlags, LinkWatch};
use nl_core::watch::Change;
use nl_core::{Error, Pending, Protocol, Result};

use super::plan::EndpointStep;
use super::policy::{EndpointPolicy, LocalAddress};
use crate::Mptcp;
use crate::endpoint::EndpointFlags;

const CHECK_EVERY: Duration = Duration::from_secs(60);
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Keeps the endpoints of a namespace as an [`EndpointPolicy`] says: a `Stream` of `Result<EndpointReport>` that works while it is
/// polled. Under feature `blocking`, `for report in &mut manager` works without a runtime.
///
/// The kernel has no events of endpoints. What others change is noticed with the next change of a link or an address, and every
/// minute. A step that fails is reported, and tried again after a second, then after two, up to a minute.
///
/// An `Err` is reported once, and the manager continues. It ends only if the watches of links and addresses do.
pub struct EndpointManager {
    mptcp: Mptcp,
    policy: Arc<EndpointPolicy>,
    /// The ids of policies before, until their endpoints are deleted.
    former: Vec<RangeInclusive<u8>>,
    links: LinkWatch,
    addresses: AddressWatch,
    links_synced: bool,
    addresses_synced: bool,
    /// Something changed since the last convergence began.
    dirty: bool,
    /// With the number of ranges of ids that it knows as former ones.
    converging: Option<(usize, Pending<Vec<EndpointReport>>)>,
    resting: Option<Pending<()>>,
    retry: Duration,
    reports: VecDeque<Result<EndpointReport>>,
    ended: bool,
}

/// What an [`EndpointManager`] yields.
#[derive(Debug)]
#[non_exhaustive]
pub enum EndpointReport {
    /// The table of endpoints is what the policy says, as far as no step has failed.
    Converged,
    /// A step was taken.
    Done(EndpointStep),
    /// A step failed.
    Failed {
        /// The step.
        step: EndpointStep,
        /// Why it failed.
        error: Error,
    },
}

impl fmt::Display for EndpointReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Converged => f.write_str("converged"),
            Self::Done(step) => write!(f, "{step}"),
            Self::Failed { error, .. } => write!(f, "{error}"),
        }
    }
}

impl EndpointManager {
    /// Manages the endpoints in the namespace of this handle. Nothing changes before it is polled.
    ///
    /// Changes need `CAP_NET_ADMIN` in the user namespace that owns the network namespace. Linux 5.6.
    ///
    /// # Errors
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) if the kernel has no Multipath TCP; ids outside of 1 to 255, or the flag
    /// `implicit`, in the policy.
    pub fn open(mptcp: &Mptcp, policy: EndpointPolicy) -> Pending<Self> {
        let mptcp = mptcp.clone();
        Pending::new(async move {
            start(mptcp, policy).await.map_err(|error| error.during(|| "manage mptcp endpoints".into()))
        })
    }

    /// Another policy from now on: the table of endpoints converges to it. If its [ids](EndpointPolicy::ids) are others, the endpoints
    /// with the ids of the policy before are deleted, and added with new ids where they are still wanted.
    ///
    /// Only this manager knows the ids before: endpoints that an earlier process left under other ids count as somebody else's.
    ///
    /// # Errors
    /// Ids outside of 1 to 255, or the flag `implicit`; the policy does not change.
    pub fn set_policy(&mut self, policy: EndpointPolicy) -> Result<()> {
        policy.check()?;
        // What is being done now may still add endpoints with ids that it takes for former ones.
        let known = self.converging.as_ref().map_or(0, |(known, _)| *known);
        if policy.ids != self.policy.ids && !self.former.iter().skip(known).any(|ids| *ids == self.policy.ids)
        {
            self.former.push(self.policy.ids.clone());
        }
        self.policy = Arc::new(policy);
        self.dirty = true;
        Ok(())
    }

    /// Ends, and deletes the endpoints of the policy, those with [its ids](EndpointPolicy::ids), and those of a policy
    /// [before](Self::set_policy) that are still there. Dropping the manager leaves them.
    ///
    /// # Errors
    /// The endpoints cannot be listed, or one cannot be deleted.
    pub fn remove(self) -> Pending<()> {
        Pending::new(async move {
            for endpoint in self.mptcp.endpoints().list().await?.collect_all().await? {
                let id = endpoint.id.get();
                if self.policy.owns(&endpoint) || self.former.iter().any(|ids| ids.contains(&id)) {
                    take(EndpointStep::Delete(endpoint), &self.mptcp).await?;
                }
            }
            Ok(())
        })
    }

    /// The usable addresses of interfaces that are up.
    fn here(&self) -> Vec<LocalAddress> {
        let up = LinkFlags::UP | LinkFlags::RUNNING;
        let links = self
            .links
            .entries()
            .filter(|link| link.flags.contains(up) && !link.flags.contains(LinkFlags::LOOPBACK));
        let names: BTreeMap<u32, String> = links.map(|link| (link.index, link.name.to_string())).collect();
        let mut here: Vec<_> = self
            .addresses
            .entries()
            .filter(|address| is_usable(address))
            .filter_map(|a| Some(LocalAddress::new(a.index, names.get(&a.index)?.as_str(), a.local)))
            .collect();
        here.sort();
        here
    }

    fn poll_watches(&mut self, cx: &mut Context<'_>) -> bool {
        let mut busy = false;
        if let Poll::Ready(change) = Pin::new(&mut self.links).poll_next(cx) {
            busy = true;
            match change {
                Some(Ok(Change::Synced)) => self.links_synced = true,
                Some(Ok(_)) => {}
                Some(Err(error)) => self.reports.push_back(Err(error)),
                None => self.ended = true,
            }
        }
        if let Poll::Ready(change) = Pin::new(&mut self.addresses).poll_next(cx) {
            busy = true;
            match change {
                Some(Ok(Change::Synced)) => self.addresses_synced = true,
                Some(Ok(_)) => {}
                Some(Err(error)) => self.reports.push_back(Err(error)),
                None => self.ended = true,
            }
        }
        self.dirty |= busy;
        busy
    }

    fn poll_converging(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some((known, converging)) = &mut self.converging {
            let known = *known;
            let Poll::Ready(outcome) = Pin::new(converging).poll(cx) else { return false };
            self.converging = None;
            let any = |fails: fn(&EndpointReport) -> bool| {
                outcome.as_ref().map_or(true, |reports| reports.iter().any(fails))
            };
            let failed = any(|report| matches!(report, EndpointReport::Failed { .. }));
            if !any(|report| matches!(report, EndpointReport::Failed { step: EndpointStep::Delete(_), .. })) {
                // Who uses these ids from now on is somebody else.
                self.former.drain(..known.min(self.former.len()));
            }
            let rest = if failed { self.retry } else { CHECK_EVERY };
            self.retry = if failed { self.retry.saturating_mul(2).min(CHECK_EVERY) } else { FIRST_RETRY };
            self.resting = Some(Pending::pause(rest));
            match outcome {
                Ok(reports) => self.reports.extend(reports.into_iter().map(Ok)),
                Err(error) => self.reports.push_back(Err(error)),
            }
            return true;
        }
        let synced = self.links_synced && self.addresses_synced;
        if synced && std::mem::take(&mut self.dirty) {
            let (mptcp, policy, here) = (self.mptcp.clone(), Arc::clone(&self.policy), self.here());
            let former = self.former.clone();
            self.converging = Some((former.len(), Pending::new(converge(mptcp, policy, former, here))));
            self.resting = None;
            return true;
        }
        false
    }

    /// Waits for the time of the next look at the table.
    fn poll_resting(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(resting) = &mut self.resting else { return false };
        let Poll::Ready(outcome) = Pin::new(resting).poll(cx) else { return false };
        self.resting = None;
        match outcome {
            Ok(()) => self.dirty = true,
            Err(error) => {
                // Without pauses, a step that fails would fail again at once and forever.
                self.reports.push_back(Err(error));
                self.ended = true;
            }
        }
        true
    }
}

async fn start(mptcp: Mptcp, policy: EndpointPolicy) -> Result<EndpointManager> {
    policy.check()?;
    // A kernel without Multipath TCP is found here.
    mptcp.limits().get().await?;
    let route = mptcp.connection().sibling(Protocol::Route)?;
    let (links, addresses) = (LinkWatch::open(&route).await?, AddressWatch::open(&route).await?);
    Ok(EndpointManager {
        mptcp,
        policy: Arc::new(policy),
        former: Vec::new(),
        links,
        addresses,
        links_synced: false,
        addresses_synced: false,
        dirty: true,
        converging: None,
        resting: None,
        retry: FIRST_RETRY,
        reports: VecDeque::new(),
        ended: false,
    })
}

async fn converge(
    mptcp: Mptcp,
    policy: Arc<EndpointPolicy>,
    former: Vec<RangeInclusive<u8>>,
    here: Vec<LocalAddress>,
) -> Result<Vec<EndpointReport>> {
    let mut steps = Vec::new();
    let limits = mptcp.limits().get().await?;
    let differs = policy.subflows.is_some_and(|limit| limit != limits.subflows)
        || policy.add_addr_accepted.is_some_and(|limit| limit != limits.add_addr_accepted);
    if differs {
        steps.push(EndpointStep::Limits(policy.subflows, policy.add_addr_accepted));
    }
    let existing = mptcp.endpoints().list().await?.collect_all().await?;
    steps.extend(policy.plan_after(&former, &here, &existing));
    let mut reports = Vec::new();
    for step in steps {
        reports.push(match take(step.clone(), &mptcp).await {
            Ok(()) => EndpointReport::Done(step),
            Err(error) => EndpointReport::Failed { step, error },
        });
    }
    reports.push(EndpointReport::Converged);
    Ok(reports)
}

/// Takes a step.
async fn take(step: EndpointStep, mptcp: &Mptcp) -> Result<()> {
    match step {
        EndpointStep::Add(endpoint) => {
            let mut entry = mptcp.endpoint(endpoint.address).id(endpoint.id).flags(endpoint.flags);
            if let Some(index) = endpoint.index {
                entry = entry.dev(index);
            }
            entry.add().await.map(drop)
        }
        EndpointStep::Change(endpoint) => {
            let mut entry = mptcp.endpoint(endpoint.id);
            let has = |flag| endpoint.flags.contains(flag);
            entry = if has(EndpointFlags::BACKUP) { entry.backup() } else { entry.nobackup() };
            entry = if has(EndpointFlags::FULLMESH) { entry.fullmesh() } else { entry.nofullmesh() };
            entry.change().await.map(drop)
        }
        EndpointStep::Delete(endpoint) => match mptcp.endpoint(endpoint.id).delete().await {
            // Somebody else was faster.
            Err(error) if error.is_not_found() => Ok(()),
            outcome => outcome.map(drop),
        },
        EndpointStep::Limits(subflows, accepted) => {
            let mut limits = mptcp.limits();
            if let Some(limit) = subflows {
                limits = limits.subflows(limit);
            }
            if let Some(limit) = accepted {
                limits = limits.add_addr_accepted(limit);
            }
            limits.set().await.map(drop)
        }
    }
}

/// Whether connections of other links can use it.
fn is_usable(address: &Address) -> bool {
    let wide = !matches!(address.scope, AddressScope::Link | AddressScope::Host | AddressScope::Nowhere);
    wide && !address.flags.intersects(AddressFlags::TENTATIVE | AddressFlags::DADFAILED)
}

impl Stream for EndpointManager {
    type Item = Result<EndpointReport>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(report) = this.reports.pop_front() {
                return Poll::Ready(Some(report));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            let watches = this.poll_watches(cx);
            let resting = this.poll_resting(cx);
            // Changes that come together are one convergence.
            let converging = !watches && this.poll_converging(cx);
            if !watches && !resting && !converging {
                return Poll::Pending;
            }
        }
    }
}

/// The reports, one after another on the calling thread.
#[cfg(feature = "blocking")]
impl IntoIterator for &mut EndpointManager {
    type Item = Result<EndpointReport>;
    type IntoIter = nl_core::blocking::Iter<Self>;

    fn into_iter(self) -> Self::IntoIter {
        nl_core::blocking::Iter::new(self)
    }
}

impl fmt::Debug for EndpointManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointManager").field("policy", &self.policy).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send<T: Send>() {}

    #[test]
    fn endpoint_manager_can_be_sent_to_other_threads() {
        is_send::<EndpointManager>();
    }
}
