use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nl_core::IpPrefix;

use crate::Token;
use crate::endpoint::{Endpoint, EndpointFlags};
use crate::limits::Limits;
use crate::path_manager::event::PathEvent;
use crate::path_manager::plan::{Decision, Plan};
use crate::path_manager::policy::Policy;
use crate::path_manager::table::{ConnectionState, Interface, SubflowState, Table};
use crate::selection::{Selection, matches};
use crate::subflow::Subflow;

/// A subflow from every usable local address to every address of the peer.
/// A subflow is bound to the interface that has its local address, where the kernel [can](Table::binds_subflows): without that, the
/// routes to the peer decide by which interface it leaves, whatever its address.
///
/// The client creates the subflows, because the server may not be able to reach it; the server announces its addresses.
///
/// A subflow that the kernel or the peer refuses, that is not answered, or that an error closes, is created again after a second, then
/// after two, and so on up to five minutes ([`retry`](Self::retry)); and at once when its interface comes up or gets its address again.
/// One that is closed without an error is created again when an address is added, an interface comes up, or events were lost.
#[derive(Clone)]
pub struct FullMesh {
    only: Option<BTreeSet<String>>,
    selection: Selection,
    exact: bool,
    when: Option<Arc<Predicate>>,
    most: usize,
    addresses: usize,
    accepted: usize,
    unbound: bool,
    retry: Option<(Duration, Duration)>,
    failed: BTreeMap<Token, BTreeMap<(IpAddr, SocketAddr), Failure>>,
}

type Predicate = dyn Fn(&ConnectionState) -> bool + Send + Sync;

/// A subflow that failed.
#[derive(Clone, Copy, Debug)]
struct Failure {
    /// How long to wait the next time.
    next: Duration,
    /// When it is tried again; `None` while it is.
    due: Option<Instant>,
}

impl Default for FullMesh {
    fn default() -> Self {
        Self::new()
    }
}

impl FullMesh {
    /// Uses the usable addresses of every interface, at most 64 subflows for a connection, and 8 announced addresses.
    #[must_use]
    pub fn new() -> Self {
        Self {
            only: None,
            selection: Selection::default(),
            exact: false,
            when: None,
            most: 64,
            addresses: 8,
            accepted: usize::MAX,
            unbound: false,
            retry: Some((Duration::from_secs(1), Duration::from_secs(300))),
            failed: BTreeMap::new(),
        }
    }

    /// What the addresses of interfaces of this name are used for, in the words of [endpoints](crate::endpoint): `subflow` creates
    /// subflows from them, at a client; `signal` announces them, at a server; with `backup`, the subflows from them are backups, the
    /// initial one included. Other flags mean nothing here. A `*` at the end of the name stands for any rest.
    ///
    /// The first rule that matches an interface counts; the addresses of an interface without one are not used. Where no rule is
    /// given, all addresses are used for subflows and announcements.
    ///
    /// ```
    /// use nl_mptcp::endpoint::EndpointFlags;
    /// use nl_mptcp::path_manager::FullMesh;
    ///
    /// let mesh = FullMesh::new()
    ///     .interface("wwan*", EndpointFlags::SUBFLOW | EndpointFlags::BACKUP)
    ///     .interface("wlan*", EndpointFlags::SUBFLOW);
    /// ```
    #[must_use]
    pub fn interface(mut self, name: impl Into<String>, flags: EndpointFlags) -> Self {
        self.selection.add(name.into(), flags);
        self
    }

    /// Uses only addresses in this network, or another one that is named.
    #[must_use]
    pub fn network(mut self, network: IpPrefix) -> Self {
        self.selection.within(network);
        self
    }

    /// Destroys subflows that this side created from addresses that are not to be used, or beyond the [limit](Self::at_most), withdraws
    /// such addresses at a server, and makes subflows regular that are not to be backups, whoever decided that. It does so at [`PathEvent::Synced`], for a policy that
    /// [replaces](crate::path_manager::PathManager::set_policy) another. The initial subflow is never destroyed.
    #[must_use]
    pub fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// Uses the addresses of these interfaces only. A `*` at the end of a name stands for any rest.
    #[must_use]
    pub fn only<S: Into<String>>(mut self, interfaces: impl IntoIterator<Item = S>) -> Self {
        self.only = Some(interfaces.into_iter().map(Into::into).collect());
        self
    }

    /// Uses no addresses of these interfaces. A `*` at the end of a name stands for any rest.
    #[must_use]
    pub fn except<S: Into<String>>(mut self, interfaces: impl IntoIterator<Item = S>) -> Self {
        interfaces.into_iter().for_each(|name| self.selection.leave_out(name.into()));
        self
    }

    /// For connections only of which this holds. It is asked for each event that could add a subflow.
    ///
    /// ```
    /// use nl_mptcp::path_manager::FullMesh;
    ///
    /// let https = FullMesh::new().when(|connection| connection.remote.port() == 443);
    /// ```
    #[must_use]
    pub fn when(mut self, holds: impl Fn(&ConnectionState) -> bool + Send + Sync + 'static) -> Self {
        self.when = Some(Arc::new(holds));
        self
    }

    /// The maximum number of subflows for a connection, including the initial one.
    #[must_use]
    pub fn at_most(mut self, subflows: usize) -> Self {
        self.most = subflows;
        self
    }

    /// The maximum number of addresses that are announced to the peer of a connection; by default 8, which is as many as the path
    /// manager of a kernel before Linux 7.2 can accept.
    #[must_use]
    pub fn addresses_at_most(mut self, addresses: usize) -> Self {
        self.addresses = addresses;
        self
    }

    /// The [limits](crate::limits) of the namespace, which the kernel does not apply to connections of the userspace path manager:
    /// that many subflows besides the initial one, and that many addresses of the peer besides that of the initial subflow.
    ///
    /// ```no_run
    /// # async fn example(mptcp: nl_mptcp::Mptcp) -> nl_core::Result<()> {
    /// use nl_mptcp::path_manager::FullMesh;
    ///
    /// let mesh = FullMesh::new().limits(mptcp.limits().get().await?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        let number = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        self.most = number(limits.subflows).saturating_add(1);
        self.accepted = number(limits.add_addr_accepted);
        self
    }

    /// Creates a subflow that failed again after `first`, each time after twice as long, and at most after `longest`.
    #[must_use]
    pub fn retry(mut self, first: Duration, longest: Duration) -> Self {
        self.retry = Some((first, longest));
        self
    }

    /// Does not create a subflow again because it failed.
    #[must_use]
    pub fn no_retry(mut self) -> Self {
        self.retry = None;
        self
    }

    /// Binds no subflow to the interface of its address. The routes alone decide by which interface it leaves: for machines whose
    /// addresses are on a dummy interface, or with an `ip rule` for each source address.
    #[must_use]
    pub fn unbound(mut self) -> Self {
        self.unbound = true;
        self
    }

    fn complete(&self, token: Token, plan: &mut Plan<'_>) {
        let managed = |c: &&ConnectionState| c.established && !c.kernel_managed;
        let Some(connection) = plan.table().connection(token).filter(managed) else { return };
        if self.when.as_ref().is_some_and(|holds| !holds(connection)) {
            return;
        }
        let table = plan.table();
        let locals = |flag: EndpointFlags| {
            let all = table
                .usable_addresses()
                .map(|(interface, local)| (interface, local, self.flags(interface, local)));
            all.filter(move |(.., flags)| flags.contains(flag))
        };
        match connection.server_side {
            Some(true) => {
                let new = |a: &IpAddr| *a != connection.local.ip() && !connection.is_announced(*a);
                let announced = locals(EndpointFlags::SIGNAL).map(|(_, address, _)| address);
                // Two interfaces may have one address.
                let mut seen = BTreeSet::new();
                let mut missing: Vec<_> = announced.filter(new).filter(|a| seen.insert(*a)).collect();
                missing.truncate(self.addresses.saturating_sub(connection.announced.len()));
                for address in missing {
                    plan.announce(token, Endpoint::new(address));
                }
            }
            Some(false) => {
                let initial = usize::from(!connection.deny_join_initial);
                let accepted = initial.saturating_add(self.accepted);
                let targets: BTreeSet<SocketAddr> = connection.targets().take(accepted).collect();
                let (mut missing, mut seen) = (Vec::new(), BTreeSet::new());
                for (interface, local, flags) in locals(EndpointFlags::SUBFLOW) {
                    if !seen.insert(local) {
                        continue;
                    }
                    let index = self.binding(table, interface);
                    // Where the kernel ignores it, the subflow becomes one when it is established.
                    let backup = table.binds_subflows() && flags.contains(EndpointFlags::BACKUP);
                    let fits = |t: &&SocketAddr| {
                        t.is_ipv4() == local.is_ipv4()
                            && !connection.has_subflow(local, **t)
                            && !self.is_waiting(token, local, **t)
                    };
                    missing.extend(targets.iter().filter(fits).map(|target| (local, *target, index, backup)));
                }
                let there = connection.subflows.iter().filter(|subflow| !subflow.is_closing()).count();
                missing.truncate(self.most.saturating_sub(there));
                for (local, remote, index, backup) in missing {
                    let mut subflow = Subflow::new((local, 0).into(), remote);
                    (subflow.index, subflow.backup) = (index, backup);
                    plan.create(token, subflow);
                }
            }
            None => {}
        }
    }

    /// What an address of this interface is used for: nothing, if it is not used.
    fn flags(&self, interface: &Interface, address: IpAddr) -> EndpointFlags {
        let named = |only: &BTreeSet<String>| only.iter().any(|pattern| matches(pattern, &interface.name));
        if !self.only.as_ref().is_none_or(named) || !self.selection.has(address) {
            return EndpointFlags::empty();
        }
        let rule = self.selection.rule_of(&interface.name, EndpointFlags::SUBFLOW | EndpointFlags::SIGNAL);
        rule.map_or(EndpointFlags::empty(), |(_, flags)| flags)
    }

    /// Makes the open subflows of a connection what the rules say: backups; and if they are [exact](Self::exact), regular ones, or none.
    fn correct(&self, token: Token, exact: bool, plan: &mut Plan<'_>) {
        let table = plan.table();
        let managed = |c: &&ConnectionState| c.established && !c.kernel_managed;
        let Some(connection) = table.connection(token).filter(managed) else { return };
        if self.when.as_ref().is_some_and(|holds| !holds(connection)) {
            return;
        }
        let flags_of = |address: IpAddr| table.interface_of(address).map(|i| self.flags(i, address));
        let open: Vec<_> = connection.open().filter_map(|s| Some((s, flags_of(s.local.ip())?))).collect();
        let may_go = |s: &SubflowState| exact && s.created_here && !s.local_id.is_initial();
        let unused = open.iter().filter(|(s, flags)| may_go(s) && !flags.contains(EndpointFlags::SUBFLOW));
        let mut wrong: Vec<_> = unused.map(|(s, _)| s.ends()).collect();
        let there = connection.subflows.iter().filter(|s| !s.is_closing()).count();
        let surplus = there.saturating_sub(wrong.len()).saturating_sub(self.most);
        let of_limit = open.iter().rev().filter(|(s, _)| may_go(s) && !wrong.contains(&s.ends()));
        // The newest go first.
        let newest: Vec<_> = of_limit.take(surplus).map(|(s, _)| s.ends()).collect();
        wrong.extend(newest);
        let (mut backups, mut regular) = (Vec::new(), Vec::new());
        for (subflow, flags) in open.iter().filter(|(s, _)| !wrong.contains(&s.ends())) {
            match (flags.contains(EndpointFlags::BACKUP), subflow.backup) {
                (true, false) => backups.push(subflow.ends()),
                (false, true) if exact => regular.push(subflow.ends()),
                _ => {}
            }
        }
        let is_unwanted =
            |address| flags_of(address).is_some_and(|flags| !flags.contains(EndpointFlags::SIGNAL));
        let announced = connection.announced.iter().filter(|_| exact && connection.server_side == Some(true));
        let unwanted: Vec<_> =
            announced.filter(|(_, (address, _))| is_unwanted(*address)).map(|(id, _)| *id).collect();
        for id in unwanted {
            plan.withdraw(token, id);
        }
        for (local, remote) in wrong {
            plan.destroy(token, local, remote);
        }
        for (local, remote) in backups {
            plan.backup(token, local, remote);
        }
        for (local, remote) in regular {
            plan.nobackup(token, local, remote);
        }
    }

    /// The interface that subflows from its addresses are bound to. The addresses of the loopback interface are reached by others.
    fn binding(&self, table: &Table, interface: &Interface) -> Option<u32> {
        let binds = table.binds_subflows() && !self.unbound && interface.name != "lo";
        binds.then_some(interface.index)
    }

    fn is_waiting(&self, token: Token, local: IpAddr, remote: SocketAddr) -> bool {
        let failure = self.failed.get(&token).and_then(|failed| failed.get(&(local, remote)));
        failure.is_some_and(|failure| failure.due.is_some())
    }

    fn failed(&mut self, token: Token, local: IpAddr, remote: SocketAddr, plan: &mut Plan<'_>) {
        let Some((first, longest)) = self.retry else { return };
        let new = Failure { next: first.min(longest), due: None };
        let failure = self.failed.entry(token).or_default().entry((local, remote)).or_insert(new);
        let wait = failure.next;
        failure.next = wait.saturating_mul(2).min(longest);
        failure.due = plan.now().checked_add(wait);
        plan.wake_after(wait);
    }

    /// Tries what has waited long enough.
    fn try_again(&mut self, plan: &mut Plan<'_>) {
        let now = plan.now();
        let mut due = Vec::new();
        for (token, failed) in &mut self.failed {
            for failure in failed.values_mut().filter(|failure| failure.due.is_some_and(|due| due <= now)) {
                failure.due = None;
                due.push(*token);
            }
        }
        due.dedup();
        for token in due {
            self.complete(token, plan);
        }
    }

    /// What failed from these addresses may succeed now.
    fn forgive(&mut self, is: impl Fn(IpAddr) -> bool) {
        for failed in self.failed.values_mut() {
            failed.retain(|(local, _), _| !is(*local));
        }
        self.failed.retain(|_, failed| !failed.is_empty());
    }

    fn complete_all(&self, plan: &mut Plan<'_>) {
        for token in plan.table().tokens() {
            self.complete(token, plan);
        }
    }
}

impl Policy for FullMesh {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        match event {
            PathEvent::Established { token } => {
                self.correct(*token, false, plan);
                self.complete(*token, plan);
            }
            PathEvent::Announced { token, .. } => self.complete(*token, plan),
            PathEvent::AddressAdded { address, .. } => {
                self.forgive(|local| local == *address);
                self.complete_all(plan);
            }
            PathEvent::InterfaceUp { index } => {
                let interface = plan.table().interface(*index);
                self.forgive(|local| interface.is_some_and(|i| i.addresses.contains_key(&local)));
                self.complete_all(plan);
            }
            PathEvent::Synced => {
                for token in plan.table().tokens() {
                    self.correct(token, self.exact, plan);
                    self.complete(token, plan);
                }
            }
            PathEvent::Failed { decision: Decision::Create { token, subflow }, .. } => {
                self.failed(*token, subflow.local.ip(), subflow.remote, plan);
            }
            PathEvent::SubflowClosed { token, subflow, error }
                if subflow.created_here && (!subflow.is_established() || error.is_some()) =>
            {
                self.failed(*token, subflow.local.ip(), subflow.remote, plan);
            }
            PathEvent::SubflowEstablished { token, subflow } => {
                if let Some(failed) = self.failed.get_mut(token) {
                    failed.remove(&(subflow.local.ip(), subflow.remote));
                }
                self.correct(*token, false, plan);
            }
            PathEvent::Woken => self.try_again(plan),
            PathEvent::Closed { token } => drop(self.failed.remove(token)),
            _ => {}
        }
    }
}

impl fmt::Debug for FullMesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FullMesh")
            .field("only", &self.only)
            .field("selection", &self.selection)
            .field("exact", &self.exact)
            .field("most", &self.most)
            .field("addresses", &self.addresses)
            .field("accepted", &self.accepted)
            .field("unbound", &self.unbound)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}
