//! Events, lists and answers come in; decisions and reports come out. No I/O.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use nl_core::Error;

use super::event::{PathEvent, Report};
use super::plan::{Decision, Plan};
use super::policy::Policy;
use super::table::{AddressKind, ConnectionState, Interface, SubflowPhase, SubflowState, Table, canonical};
use crate::Token;
use crate::event::{ConnectionEvent, ConnectionFlags, MptcpEvent, SubflowEvent};

/// Events queued while listing. Above this number they are dropped and the listing is repeated, as if the kernel had dropped them.
const MAX_QUEUED: usize = 1 << 20;

/// What the kernel reports.
#[derive(Clone, Debug)]
pub(super) enum Input {
    Address {
        index: u32,
        address: IpAddr,
        kind: Option<AddressKind>,
    },
    /// The interface exists, with this state.
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

/// The result of a listing.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    /// Without what no list contains.
    pub(super) connections: Vec<ConnectionState>,
    pub(super) interfaces: BTreeMap<u32, Interface>,
}

pub(super) struct Machine<P> {
    policy: P,
    table: Table,
    reports: VecDeque<Report>,
    /// Events since the running listing began.
    queued: Option<Vec<Input>>,
    /// The table may differ from the kernel's, and the running listing does not correct that.
    lost: bool,
    /// No decision is started, so that a listing can begin when the running ones have finished.
    held: bool,
    work: Work,
}

impl<P: Policy> Machine<P> {
    pub(super) fn new(policy: P, max_in_flight: usize) -> Self {
        Self {
            policy,
            table: Table::default(),
            reports: VecDeque::new(),
            queued: None,
            lost: true,
            held: false,
            work: Work { max_in_flight, ..Work::default() },
        }
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    pub(super) fn policy(&mut self) -> &mut P {
        &mut self.policy
    }

    /// The next report.
    pub(super) fn report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// The next decision to execute, to be followed by [`finished`](Self::finished).
    pub(super) fn start(&mut self) -> Option<(u64, Decision)> {
        if self.held || self.queued.is_some() { None } else { self.work.start() }
    }

    /// Whether everything must be listed again.
    pub(super) fn is_lost(&self) -> bool {
        self.lost && self.queued.is_none()
    }

    /// Events were lost.
    pub(super) fn lost(&mut self) {
        self.lost = true;
    }

    /// Begins a listing if one is needed and can begin, and returns whether it did. Events are queued until it is complete.
    /// No decision runs meanwhile: a subflow that is missing in the list could otherwise be one that is not created yet or one that has failed.
    pub(super) fn listing(&mut self) -> bool {
        self.held = self.is_lost();
        if !self.held || !self.work.running.is_empty() {
            return false;
        }
        (self.lost, self.held, self.queued) = (false, false, Some(Vec::new()));
        true
    }

    /// The listing failed: applies the queued events. The table is listed again later.
    pub(super) fn unlisted(&mut self) {
        self.lost = true;
        for input in self.queued.take().unwrap_or_default() {
            self.apply(input);
        }
    }

    /// The listing is complete.
    pub(super) fn listed(&mut self, snapshot: Snapshot) {
        let queued = self.queued.take().unwrap_or_default();
        let mut pending = Vec::new();
        self.take_interfaces(snapshot.interfaces, &mut pending);
        self.take_connections(snapshot.connections, &mut pending);
        for event in pending {
            self.emit(event);
        }
        for input in queued {
            self.apply(input);
        }
        if !self.lost {
            self.emit(PathEvent::Synced);
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

    /// A decision was executed, or failed.
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
            // Until an event reports the outcome.
            subflow.phase = SubflowPhase::Trying;
        }
    }

    fn undo(&mut self, number: u64, decision: &Decision, error: &Error) {
        let Some(connection) = self.table.connections.get_mut(&decision.token()) else { return };
        let text = error.kernel().and_then(|kernel| kernel.ext_ack.message.as_deref()).unwrap_or_default();
        if text.contains("userspace PM not selected") {
            connection.kernel_managed = true;
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
            // The kernel has no such subflow. It sends no events for subflows of a connection that is being closed.
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

    fn emit(&mut self, event: PathEvent) {
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
        // The policy is not called for these: it could refuse and decide in an endless loop.
        let refused = refused.into_iter().map(|(decision, error)| Report::Failed { decision, error });
        self.reports.extend(refused);
    }

    fn apply(&mut self, input: Input) {
        match input {
            Input::Address { index, address, kind } => self.on_address(index, address, kind),
            Input::Link { index, name, up } => self.on_link(index, name, up),
            Input::LinkDeleted { index } => {
                if let Some(interface) = self.table.interfaces.remove(&index).filter(|i| i.up) {
                    self.emit(PathEvent::InterfaceDown { interface });
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
            (false, true) if interface.up => self.emit(PathEvent::AddressAdded { index, address }),
            (true, false) => self.emit(PathEvent::AddressRemoved { index, address }),
            _ => {}
        }
    }

    fn on_link(&mut self, index: u32, name: String, up: bool) {
        let new = || Interface { index, name: String::new(), up: false, addresses: BTreeMap::new() };
        let interface = self.table.interfaces.entry(index).or_insert_with(new);
        interface.name = name;
        let before = std::mem::replace(&mut interface.up, up);
        match (before, up) {
            (false, true) => self.emit(PathEvent::InterfaceUp { index }),
            (true, false) => {
                let interface = interface.clone();
                self.emit(PathEvent::InterfaceDown { interface });
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
                    self.emit(PathEvent::Established { token: event.token });
                }
            }
            MptcpEvent::Closed { token } => self.on_closed(token),
            MptcpEvent::Announced(event) => {
                let Some(connection) = self.table.connections.get_mut(&event.token) else { return };
                let remote = canonical(event.remote);
                connection.remote_addresses.insert(event.remote_id, remote);
                self.emit(PathEvent::Announced { token: event.token, id: event.remote_id, remote });
            }
            MptcpEvent::Removed { token, remote_id } => {
                let Some(connection) = self.table.connections.get_mut(&token) else { return };
                connection.remote_addresses.remove(&remote_id);
                self.emit(PathEvent::Withdrawn { token, id: remote_id });
            }
            MptcpEvent::SubflowEstablished(event) => self.on_subflow(&event),
            MptcpEvent::SubflowClosed(event) => self.on_subflow_closed(&event),
            MptcpEvent::SubflowPriority(event) => {
                let Some(connection) = self.table.connections.get_mut(&event.token) else { return };
                let Some(subflow) = connection.subflow_mut(event.local, event.remote) else { return };
                subflow.backup_by_peer = event.backup;
                let subflow = subflow.clone();
                self.emit(PathEvent::SubflowPriority { token: event.token, subflow });
            }
            // Listeners belong to no connection. Unknown events are ignored.
            _ => {}
        }
    }

    /// The connection of an event, added if it is unknown.
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
            self.emit(PathEvent::Closed { token });
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
            self.emit(PathEvent::SubflowEstablished { token: event.token, subflow });
        }
    }

    fn on_subflow_closed(&mut self, event: &SubflowEvent) {
        let Some(connection) = self.table.connections.get_mut(&event.token) else { return };
        let Some(at) = connection.position(event.local, event.remote, event.local_id) else { return };
        let mut subflow = connection.subflows.remove(at);
        subflow.local = canonical(event.local);
        self.emit(PathEvent::SubflowClosed { token: event.token, subflow, error: event.error });
    }

    fn take_interfaces(&mut self, found: BTreeMap<u32, Interface>, pending: &mut Vec<PathEvent>) {
        let before = std::mem::replace(&mut self.table.interfaces, found);
        for (index, interface) in &before {
            let now = self.table.interfaces.get(index);
            if interface.up && !now.is_some_and(|now| now.up) {
                pending.push(PathEvent::InterfaceDown { interface: interface.clone() });
            }
            let Some(now) = now else { continue };
            for address in usable(interface).filter(|address| usable(now).all(|other| other != *address)) {
                pending.push(PathEvent::AddressRemoved { index: *index, address });
            }
        }
        for (index, now) in self.table.interfaces.iter().filter(|(_, now)| now.up) {
            match before.get(index).filter(|before| before.up) {
                None => pending.push(PathEvent::InterfaceUp { index: *index }),
                Some(before) => {
                    for address in usable(now).filter(|address| usable(before).all(|other| other != *address))
                    {
                        pending.push(PathEvent::AddressAdded { index: *index, address });
                    }
                }
            }
        }
    }

    fn take_connections(&mut self, found: Vec<ConnectionState>, pending: &mut Vec<PathEvent>) {
        let mut before = std::mem::take(&mut self.table.connections);
        for mut now in found {
            let token = now.token;
            // The token may belong to another connection now.
            let known = before.remove(&token).filter(|b| (b.local, b.remote) == (now.local, now.remote));
            match known {
                None if now.established => pending.push(PathEvent::Established { token }),
                None => {}
                Some(known) => merge(known, &mut now, pending),
            }
            self.table.connections.insert(token, now);
        }
        for token in before.into_keys() {
            self.work.forget(token);
            pending.push(PathEvent::Closed { token });
        }
    }
}

/// Adds to a listed connection what no list contains, and collects the differences.
fn merge(known: ConnectionState, now: &mut ConnectionState, pending: &mut Vec<PathEvent>) {
    let token = now.token;
    now.server_side = known.server_side.or(now.server_side);
    now.deny_join_initial = known.deny_join_initial;
    now.kernel_managed = known.kernel_managed;
    now.remote_addresses = known.remote_addresses;
    now.announced = known.announced;
    // A connection stays established. The list derives it from the initial subflow, which may be closed.
    now.established |= known.established;
    let newly = now.established && !known.established;
    let mut subflows = std::mem::take(&mut now.subflows);
    let (mut gone, mut retained) = (Vec::new(), Vec::new());
    // Exact matches first: a known subflow is not one that is still being created.
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
                        pending.push(PathEvent::SubflowEstablished { token, subflow: subflow.clone() })
                    }
                    (false, false) => {}
                }
                retained.push(subflow);
            }
            None => fresh.push(subflow),
        }
    }
    let mut open: VecDeque<_> = open.into();
    for mut subflow in fresh {
        // No decision ran during the listing, so a planned subflow cannot be this one.
        let fits = |o: &SubflowState| {
            let ends = o.local.ip() == subflow.local.ip() && o.remote == subflow.remote;
            ends && o.local_id == subflow.local_id && o.phase == SubflowPhase::Trying
        };
        if let Some(old) = open.iter().position(fits).and_then(|at| open.remove(at)) {
            subflow.index = old.index.or(subflow.index);
        }
        if subflow.is_established() {
            pending.push(PathEvent::SubflowEstablished { token, subflow: subflow.clone() });
        }
        retained.push(subflow);
    }
    for subflow in before.into_values().chain(open) {
        match subflow.phase {
            SubflowPhase::Planned(_) => retained.push(subflow),
            _ => gone.push(subflow),
        }
    }
    now.subflows = retained;
    if newly {
        pending.push(PathEvent::Established { token });
    }
    let closed = |subflow| PathEvent::SubflowClosed { token, subflow, error: None };
    pending.extend(gone.into_iter().map(closed));
}

fn usable(interface: &Interface) -> impl Iterator<Item = IpAddr> {
    interface.addresses.iter().filter(|(_, kind)| kind.is_usable()).map(|(address, _)| *address)
}

/// Waiting and running decisions: one runs at a time for each connection, `max_in_flight` in all.
#[derive(Debug, Default)]
struct Work {
    next: u64,
    max_in_flight: usize,
    waiting: HashMap<Token, VecDeque<(u64, Decision)>>,
    /// Connections without a running decision.
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
        while self.running.len() < self.max_in_flight {
            let token = self.ready.pop_front()?;
            // The connection may have been closed meanwhile.
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
