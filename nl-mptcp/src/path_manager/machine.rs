//! Events, lists and answers come in; decisions and reports come out. No input and output here.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use nl_core::Error;

use super::event::{PathEvent, Report};
use super::plan::{Decision, Plan};
use super::policy::Policy;
use super::table::{AddressKind, ConnectionState, Interface, SubflowPhase, SubflowState, Table, canonical};
use crate::Token;
use crate::event::{ConnectionEvent, ConnectionFlags, MptcpEvent, SubflowEvent};

/// Events kept while listing. Beyond it they are dropped and the listing is repeated, as if the kernel had dropped them.
const MAX_QUEUED: usize = 1 << 20;

/// Something the kernel told.
#[derive(Clone, Debug)]
pub(super) enum Input {
    Address {
        index: u32,
        address: IpAddr,
        kind: Option<AddressKind>,
    },
    /// Up, or not.
    Link {
        index: u32,
        name: String,
        up: bool,
    },
    LinkDeleted {
        index: u32,
    },
    Mptcp(MptcpEvent),
}

/// What was found by listing.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    /// Without what this side cannot know from a list.
    pub(super) connections: Vec<ConnectionState>,
    pub(super) interfaces: BTreeMap<u32, Interface>,
}

pub(super) struct Machine<P> {
    policy: P,
    table: Table,
    reports: VecDeque<Report>,
    /// Events since the listing that is under way began.
    queued: Option<Vec<Input>>,
    /// The table may differ from the kernel's, and no listing is under way that would find out.
    lost: bool,
    /// No decision is begun, for a listing to begin when those that are being carried out are done.
    held: bool,
    work: Work,
}

impl<P: Policy> Machine<P> {
    pub(super) fn new(policy: P, most_running: usize) -> Self {
        Self {
            policy,
            table: Table::default(),
            reports: VecDeque::new(),
            queued: None,
            lost: true,
            held: false,
            work: Work { most_running, ..Work::default() },
        }
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    pub(super) fn policy(&mut self) -> &mut P {
        &mut self.policy
    }

    /// The next thing to tell.
    pub(super) fn report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// The next decision to be carried out, to be followed by [`finished`](Self::finished).
    pub(super) fn start(&mut self) -> Option<(u64, Decision)> {
        if self.held || self.queued.is_some() { None } else { self.work.start() }
    }

    /// Whether everything must be listed anew.
    pub(super) fn is_lost(&self) -> bool {
        self.lost && self.queued.is_none()
    }

    /// Events were lost.
    pub(super) fn lost(&mut self) {
        self.lost = true;
    }

    /// Begins a listing if one is needed and can begin, and says whether it did: from now on events are kept until it is complete.
    ///
    /// No decision is being carried out meanwhile. Or it could not be told whether a subflow that lacks in the list is yet to be
    /// made or has failed already.
    pub(super) fn listing(&mut self) -> bool {
        self.held = self.is_lost();
        if !self.held || !self.work.running.is_empty() {
            return false;
        }
        (self.lost, self.held, self.queued) = (false, false, Some(Vec::new()));
        true
    }

    /// The listing failed: goes on with the events, for the table to be listed again later.
    pub(super) fn unlisted(&mut self) {
        self.lost = true;
        for input in self.queued.take().unwrap_or_default() {
            self.apply(input);
        }
    }

    /// The listing is complete.
    pub(super) fn listed(&mut self, snapshot: Snapshot) {
        let queued = self.queued.take().unwrap_or_default();
        let mut told = Vec::new();
        self.take_interfaces(snapshot.interfaces, &mut told);
        self.take_connections(snapshot.connections, &mut told);
        for event in told {
            self.tell(event);
        }
        for input in queued {
            self.apply(input);
        }
        if !self.lost {
            self.tell(PathEvent::Synced);
        }
    }

    pub(super) fn input(&mut self, input: Input) {
        match &mut self.queued {
            None => self.apply(input),
            Some(queued) if queued.len() >= MAX_QUEUED => {
                queued.clear();
                self.lost = true;
            }
            Some(queued) => queued.push(input),
        }
    }

    /// A decision was carried out, or not.
    pub(super) fn finished(&mut self, number: u64, outcome: Result<(), Error>) {
        let Some(decision) = self.work.finished(number) else { return };
        match outcome {
            Ok(()) => {
                self.done(number, &decision);
                self.reports.push_back(Report::Done(decision));
            }
            Err(error) => {
                self.undo(number, &decision, &error);
                self.fail(decision, error);
            }
        }
    }

    fn done(&mut self, number: u64, decision: &Decision) {
        let Decision::Create { token, .. } = decision else { return };
        let Some(connection) = self.table.connections.get_mut(token) else { return };
        let planned = connection.subflows.iter_mut().find(|s| s.phase == SubflowPhase::Planned(number));
        if let Some(subflow) = planned {
            // Until an event says what became of it.
            subflow.phase = SubflowPhase::Trying;
        }
    }

    fn undo(&mut self, number: u64, decision: &Decision, error: &Error) {
        let Some(connection) = self.table.connections.get_mut(&decision.token()) else { return };
        let text = error.kernel().and_then(|kernel| kernel.ext_ack.message.as_deref()).unwrap_or_default();
        if text.contains("userspace PM not selected") {
            connection.kernels = true;
            self.work.forget(decision.token());
            let planned = |s: &SubflowState| matches!(s.phase, SubflowPhase::Planned(_));
            connection.subflows.retain(|subflow| !planned(subflow));
            connection.announced.clear();
        }
        match decision {
            Decision::Announce { endpoint, .. } => {
                let this = connection.announced.get(&endpoint.id) == Some(&(endpoint.address, endpoint.port));
                if this {
                    connection.announced.remove(&endpoint.id);
                }
            }
            Decision::Create { .. } => {
                connection.subflows.retain(|subflow| subflow.phase != SubflowPhase::Planned(number));
            }
            // The kernel knows better. It tells no more of the subflows of a connection that is being closed.
            Decision::Destroy { local, remote, .. } if error.is_not_found() => {
                connection.subflows.retain(|subflow| subflow.ends() != (*local, *remote));
            }
            Decision::Destroy { .. } => {
                let closing = |s: &&mut SubflowState| s.phase == SubflowPhase::Closing(number);
                if let Some(subflow) = connection.subflows.iter_mut().find(closing) {
                    subflow.phase = SubflowPhase::Established;
                }
            }
            Decision::SetBackup { local, remote, backup, .. } => {
                if let Some(subflow) = connection.subflow_mut(*local, *remote) {
                    subflow.backup = !backup;
                }
            }
            Decision::Withdraw { .. } => {}
        }
    }

    fn fail(&mut self, decision: Decision, error: Error) {
        let errno = error.kernel().map(|kernel| kernel.errno);
        let event = PathEvent::Failed { decision: decision.clone(), errno };
        self.reports.push_back(Report::Failed { decision, error });
        self.decide(&event);
    }

    fn tell(&mut self, event: PathEvent) {
        self.decide(&event);
        self.reports.push_back(Report::Event(event));
    }

    fn decide(&mut self, event: &PathEvent) {
        let (mut made, mut refused) = (Vec::new(), Vec::new());
        let mut plan = Plan {
            table: &mut self.table,
            made: &mut made,
            refused: &mut refused,
            next: &mut self.work.next,
        };
        self.policy.decide(event, &mut plan);
        for (number, decision) in made {
            self.work.add(number, decision);
        }
        // The policy is not asked about these again, or it could go round in circles here.
        let refused = refused.into_iter().map(|(decision, error)| Report::Failed { decision, error });
        self.reports.extend(refused);
    }

    fn apply(&mut self, input: Input) {
        match input {
            Input::Address { index, address, kind } => self.on_address(index, address, kind),
            Input::Link { index, name, up } => self.on_link(index, name, up),
            Input::LinkDeleted { index } => {
                if let Some(interface) = self.table.interfaces.remove(&index).filter(|i| i.up) {
                    self.tell(PathEvent::InterfaceDown { interface });
                }
            }
            Input::Mptcp(event) => self.on_mptcp(event),
        }
    }

    fn on_address(&mut self, index: u32, address: IpAddr, kind: Option<AddressKind>) {
        let Some(interface) = self.table.interfaces.get_mut(&index) else { return };
        let before = match kind {
            Some(kind) => interface.addresses.insert(address, kind),
            None => interface.addresses.remove(&address),
        };
        let usable = |kind: Option<AddressKind>| kind.is_some_and(AddressKind::is_usable);
        match (usable(before), usable(kind)) {
            (false, true) if interface.up => self.tell(PathEvent::AddressAdded { index, address }),
            (true, false) => self.tell(PathEvent::AddressRemoved { index, address }),
            _ => {}
        }
    }

    fn on_link(&mut self, index: u32, name: String, up: bool) {
        let new = || Interface { index, name: String::new(), up: false, addresses: BTreeMap::new() };
        let interface = self.table.interfaces.entry(index).or_insert_with(new);
        interface.name = name;
        let before = std::mem::replace(&mut interface.up, up);
        match (before, up) {
            (false, true) => self.tell(PathEvent::InterfaceUp { index }),
            (true, false) => {
                let interface = interface.clone();
                self.tell(PathEvent::InterfaceDown { interface });
            }
            _ => {}
        }
    }

    fn on_mptcp(&mut self, event: MptcpEvent) {
        match event {
            MptcpEvent::Created(event) => drop(self.connection(&event)),
            MptcpEvent::Established(event) => {
                let connection = self.connection(&event);
                if !std::mem::replace(&mut connection.established, true) {
                    self.tell(PathEvent::Established { token: event.token });
                }
            }
            MptcpEvent::Closed { token } => self.on_closed(token),
            MptcpEvent::Announced(event) => {
                let Some(connection) = self.table.connections.get_mut(&event.token) else { return };
                let remote = canonical(event.remote);
                connection.remote_addresses.insert(event.remote_id, remote);
                self.tell(PathEvent::Announced { token: event.token, id: event.remote_id, remote });
            }
            MptcpEvent::Removed { token, remote_id } => {
                let Some(connection) = self.table.connections.get_mut(&token) else { return };
                connection.remote_addresses.remove(&remote_id);
                self.tell(PathEvent::Withdrawn { token, id: remote_id });
            }
            MptcpEvent::SubflowEstablished(event) => self.on_subflow(&event),
            MptcpEvent::SubflowClosed(event) => self.on_subflow_closed(&event),
            MptcpEvent::SubflowPriority(event) => {
                let Some(connection) = self.table.connections.get_mut(&event.token) else { return };
                let Some(subflow) = connection.subflow_mut(event.local, event.remote) else { return };
                subflow.backup_by_peer = event.backup;
                let subflow = subflow.clone();
                self.tell(PathEvent::SubflowPriority { token: event.token, subflow });
            }
            // Listeners are nobody's connection, and what is not known has no place.
            _ => {}
        }
    }

    /// The connection of an event, which is new if it is not known.
    fn connection(&mut self, event: &ConnectionEvent) -> &mut ConnectionState {
        let connection = self.table.connections.entry(event.token).or_insert_with(|| {
            let mut connection = ConnectionState::new(event.token, event.local, event.remote);
            let mut first = SubflowState::new(event.local, event.remote, SubflowPhase::Established);
            (first.local_id, first.remote_id) = (event.local_id, event.remote_id);
            first.created_here = !event.server_side;
            connection.subflows.push(first);
            connection
        });
        connection.server_side = Some(event.server_side);
        connection.deny_join_initial = event.flags.contains(ConnectionFlags::DENY_JOIN_ID0);
        connection
    }

    fn on_closed(&mut self, token: Token) {
        self.work.forget(token);
        if self.table.connections.remove(&token).is_some() {
            self.tell(PathEvent::Closed { token });
        }
    }

    fn on_subflow(&mut self, event: &SubflowEvent) {
        let Some(connection) = self.table.connections.get_mut(&event.token) else { return };
        let at = connection.position(event.local, event.remote, event.local_id);
        let at = at.unwrap_or_else(|| {
            let mut new = SubflowState::new(event.local, event.remote, SubflowPhase::Trying);
            new.created_here = !connection.lets_in_at(event.local.port());
            connection.subflows.push(new);
            connection.subflows.len() - 1
        });
        let Some(subflow) = connection.subflows.get_mut(at) else { return };
        let known = subflow.is_established();
        subflow.local = canonical(event.local);
        (subflow.local_id, subflow.remote_id) = (event.local_id, event.remote_id);
        subflow.backup_by_peer = event.backup;
        subflow.index = event.index.or(subflow.index);
        if !known {
            subflow.phase = SubflowPhase::Established;
            let subflow = subflow.clone();
            self.tell(PathEvent::SubflowEstablished { token: event.token, subflow });
        }
    }

    fn on_subflow_closed(&mut self, event: &SubflowEvent) {
        let Some(connection) = self.table.connections.get_mut(&event.token) else { return };
        let Some(at) = connection.position(event.local, event.remote, event.local_id) else { return };
        let mut subflow = connection.subflows.remove(at);
        subflow.local = canonical(event.local);
        self.tell(PathEvent::SubflowClosed { token: event.token, subflow, error: event.error });
    }

    fn take_interfaces(&mut self, found: BTreeMap<u32, Interface>, told: &mut Vec<PathEvent>) {
        let before = std::mem::replace(&mut self.table.interfaces, found);
        for (index, interface) in &before {
            let now = self.table.interfaces.get(index);
            if interface.up && !now.is_some_and(|now| now.up) {
                told.push(PathEvent::InterfaceDown { interface: interface.clone() });
            }
            let Some(now) = now else { continue };
            for address in usable(interface).filter(|address| usable(now).all(|other| other != *address)) {
                told.push(PathEvent::AddressRemoved { index: *index, address });
            }
        }
        for (index, now) in self.table.interfaces.iter().filter(|(_, now)| now.up) {
            match before.get(index).filter(|before| before.up) {
                None => told.push(PathEvent::InterfaceUp { index: *index }),
                Some(before) => {
                    for address in usable(now).filter(|address| usable(before).all(|other| other != *address))
                    {
                        told.push(PathEvent::AddressAdded { index: *index, address });
                    }
                }
            }
        }
    }

    fn take_connections(&mut self, found: Vec<ConnectionState>, told: &mut Vec<PathEvent>) {
        let mut before = std::mem::take(&mut self.table.connections);
        for mut now in found {
            let token = now.token;
            // A token may be another connection's by now.
            let known = before.remove(&token).filter(|b| (b.local, b.remote) == (now.local, now.remote));
            match known {
                None if now.established => told.push(PathEvent::Established { token }),
                None => {}
                Some(known) => merge(known, &mut now, told),
            }
            self.table.connections.insert(token, now);
        }
        for token in before.into_keys() {
            self.work.forget(token);
            told.push(PathEvent::Closed { token });
        }
    }
}

/// Adds to what was found what a list does not tell, and tells what has changed.
fn merge(known: ConnectionState, now: &mut ConnectionState, told: &mut Vec<PathEvent>) {
    let token = now.token;
    now.server_side = known.server_side.or(now.server_side);
    now.deny_join_initial = known.deny_join_initial;
    now.kernels = known.kernels;
    now.remote_addresses = known.remote_addresses;
    now.announced = known.announced;
    // Where it was established, it is: the list takes the first subflow's word for it, which may be gone.
    now.established |= known.established;
    let newly = now.established && !known.established;
    let mut subflows = std::mem::take(&mut now.subflows);
    let (mut gone, mut kept) = (Vec::new(), Vec::new());
    // Those with ports first: a subflow that is known is not one that is still being created.
    let (exact, open): (Vec<_>, Vec<_>) = known.subflows.into_iter().partition(|s| s.local.port() != 0);
    let mut before = HashMap::new();
    for subflow in exact {
        before.insert(subflow.ends(), subflow);
    }
    let mut fresh = Vec::new();
    for mut subflow in std::mem::take(&mut subflows) {
        match before.remove(&subflow.ends()) {
            Some(old) => {
                subflow.index = old.index.or(subflow.index);
                match (old.is_established(), subflow.is_established()) {
                    (true, _) => subflow.phase = old.phase,
                    (false, true) => {
                        told.push(PathEvent::SubflowEstablished { token, subflow: subflow.clone() })
                    }
                    (false, false) => {}
                }
                kept.push(subflow);
            }
            None => fresh.push(subflow),
        }
    }
    let mut open: VecDeque<_> = open.into();
    for mut subflow in fresh {
        // No decision was being carried out during the listing, so one that is only planned is not it.
        let fits = |o: &SubflowState| {
            let ends = o.local.ip() == subflow.local.ip() && o.remote == subflow.remote;
            ends && o.local_id == subflow.local_id && o.phase == SubflowPhase::Trying
        };
        if let Some(old) = open.iter().position(fits).and_then(|at| open.remove(at)) {
            subflow.index = old.index.or(subflow.index);
        }
        if subflow.is_established() {
            told.push(PathEvent::SubflowEstablished { token, subflow: subflow.clone() });
        }
        kept.push(subflow);
    }
    for subflow in before.into_values().chain(open) {
        match subflow.phase {
            SubflowPhase::Planned(_) => kept.push(subflow),
            _ => gone.push(subflow),
        }
    }
    now.subflows = kept;
    if newly {
        told.push(PathEvent::Established { token });
    }
    let closed = |subflow| PathEvent::SubflowClosed { token, subflow, error: None };
    told.extend(gone.into_iter().map(closed));
}

fn usable(interface: &Interface) -> impl Iterator<Item = IpAddr> {
    interface.addresses.iter().filter(|(_, kind)| kind.is_usable()).map(|(address, _)| *address)
}

/// Decisions that wait, and those that are being carried out: one at a time for a connection, and so many at a time in all.
#[derive(Debug, Default)]
struct Work {
    next: u64,
    most_running: usize,
    waiting: HashMap<Token, VecDeque<(u64, Decision)>>,
    /// Connections of which none is being carried out.
    ready: VecDeque<Token>,
    running: HashMap<u64, Decision>,
}

impl Work {
    fn add(&mut self, number: u64, decision: Decision) {
        let token = decision.token();
        let queue = self.waiting.entry(token).or_default();
        queue.push_back((number, decision));
        if queue.len() == 1 && !self.is_running(token) {
            self.ready.push_back(token);
        }
    }

    fn is_running(&self, token: Token) -> bool {
        self.running.values().any(|decision| decision.token() == token)
    }

    fn start(&mut self) -> Option<(u64, Decision)> {
        while self.running.len() < self.most_running {
            let token = self.ready.pop_front()?;
            // It may have been closed meanwhile.
            let Some(queue) = self.waiting.get_mut(&token) else { continue };
            let next = queue.pop_front();
            if queue.is_empty() {
                self.waiting.remove(&token);
            }
            if let Some((number, decision)) = next {
                self.running.insert(number, decision.clone());
                return Some((number, decision));
            }
        }
        None
    }

    fn finished(&mut self, number: u64) -> Option<Decision> {
        let decision = self.running.remove(&number)?;
        if self.waiting.contains_key(&decision.token()) {
            self.ready.push_back(decision.token());
        }
        Some(decision)
    }

    fn forget(&mut self, token: Token) {
        self.waiting.remove(&token);
        self.ready.retain(|other| *other != token);
    }
}

#[cfg(test)]
mod tests;
