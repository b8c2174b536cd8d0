//! Events, lists and answers come in; decisions and reports come out. No I/O.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use nl_core::Error;
use nl_core::error::Errno;

use super::clock::Clock;
use super::counters::Counted;
use super::event::{Idle, PathEvent, Report};
use super::plan::{Decision, Plan};
use super::policy::Policy;
use super::table::{AddressKind, ConnectionState, Interface, SubflowPhase, SubflowState, Table, canonical};
use crate::Token;
use crate::event::{ConnectionEvent, ConnectionFlags, MptcpEvent, SubflowEvent};

mod merge;
mod work;

use merge::{interface_events, merge};
use work::Work;

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
    pub(super) idle: Option<Idle>,
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
    /// Decisions whose connection ended before they were executed.
    ended: u64,
    clock: Clock,
    idle: Option<Idle>,
}

impl<P: Policy> Machine<P> {
    /// `binds`: whether the kernel binds new subflows to interfaces.
    pub(super) fn new(policy: P, max_in_flight: usize, binds: bool, clock: Clock) -> Self {
        Self {
            policy,
            table: Table { binds_subflows: binds, ..Table::default() },
            reports: VecDeque::new(),
            queued: None,
            lost: true,
            held: false,
            work: Work { max_in_flight, ..Work::default() },
            ended: 0,
            clock,
            idle: None,
        }
    }

    pub(super) fn ended(&self) -> u64 {
        self.ended
    }

    pub(super) fn idle(&self) -> Option<Idle> {
        self.idle
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    pub(super) fn policy(&mut self) -> &mut P {
        &mut self.policy
    }

    /// It is now this time. Returns whether the policy was called.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        self.clock.now = now;
        let due = self.clock.is_due();
        if due {
            self.wake();
        }
        due
    }

    pub(super) fn wake(&mut self) {
        self.emit(PathEvent::Woken);
    }

    /// When to call [`tick`](Self::tick) and [`count`](Self::count) next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.clock.deadline()
    }

    /// The connections whose counters are to be read now, to be followed by [`counted`](Self::counted).
    pub(super) fn count(&mut self) -> Option<BTreeSet<Token>> {
        self.clock.count()
    }

    /// The counters that were read; none if they could not be.
    pub(super) fn counted(&mut self, all: BTreeMap<Token, Counted>) {
        self.clock.counted();
        for (token, counted) in all {
            let Some(connection) = self.table.connections.get_mut(&token) else { continue };
            connection.counters = Some(counted.connection);
            for (local, remote, counters) in counted.subflows {
                if let Some(subflow) = connection.subflow_mut(local, remote) {
                    subflow.counters = Some(counters);
                }
            }
            self.emit(PathEvent::Counted { token });
        }
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
        let before = std::mem::replace(&mut self.idle, snapshot.idle);
        self.reports.extend(snapshot.idle.filter(|_| snapshot.idle != before).map(Report::Idle));
        let mut pending = Vec::new();
        let before = std::mem::replace(&mut self.table.interfaces, snapshot.interfaces);
        interface_events(&before, &self.table.interfaces, &mut pending);
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
        let Some((decision, reported)) = self.work.finished(number) else { return };
        match outcome {
            // An event was faster than the answer.
            Ok(()) if reported => {}
            Err(error) if reported => self.undo(number, &decision, &error),
            Ok(()) => self.done(number, decision),
            // The peer was faster, as an event has said.
            Err(error) if error.is_not_found() && self.is_gone(&decision) => match decision {
                Decision::Destroy { .. } => self.reports.push_back(Report::Done(decision)),
                _ => self.end(decision),
            },
            Err(error) => {
                let over = self.is_over(&decision, &error);
                self.undo(number, &decision, &error);
                if over { self.end(decision) } else { self.fail(decision, error) }
            }
        }
    }

    fn done(&mut self, number: u64, decision: Decision) {
        if let Decision::SetBackup { token, local, remote, backup } = decision
            && let Some(connection) = self.table.connections.get_mut(&token)
            && let Some(subflow) = connection.subflow_mut(local, remote)
        {
            subflow.is_backup = backup;
        }
        if !matches!(decision, Decision::Create { .. }) {
            return self.reports.push_back(Report::Done(decision));
        }
        let connection = self.table.connections.get_mut(&decision.token());
        let planned = |s: &&mut SubflowState| s.phase == SubflowPhase::Planned(number);
        // It is gone with its connection, whose token may be that of another one now.
        let Some(subflow) = connection.and_then(|connection| connection.subflows.iter_mut().find(planned))
        else {
            return self.end(decision);
        };
        subflow.phase = SubflowPhase::Trying;
        self.reports.push_back(Report::Pending(decision));
    }

    /// Whether the decision is about a subflow that its connection has no more.
    fn is_gone(&self, decision: &Decision) -> bool {
        let (Decision::Destroy { token, local, remote } | Decision::SetBackup { token, local, remote, .. }) =
            decision
        else {
            return false;
        };
        self.table.connection(*token).is_some_and(|connection| connection.subflow(*local, *remote).is_none())
    }

    /// Whether a decision failed only because its connection ended. The kernel releases the token a moment before or after the
    /// event, and a subflow of a connection that is being closed is refused with `ENOTCONN`.
    fn is_over(&self, decision: &Decision, error: &Error) -> bool {
        let Some(connection) = self.table.connections.get(&decision.token()) else { return true };
        let text = error.kernel().and_then(|kernel| kernel.ext_ack.message.as_deref()).unwrap_or_default();
        let not_connected = error.kernel().is_some_and(|kernel| kernel.errno == Errno::ENOTCONN);
        text.contains("invalid token") || (not_connected && connection.established)
    }

    fn end(&mut self, decision: Decision) {
        self.ended += 1;
        self.reports.push_back(Report::Ended(decision));
    }

    fn undo(&mut self, number: u64, decision: &Decision, error: &Error) {
        let Some(connection) = self.table.connections.get_mut(&decision.token()) else { return };
        let text = error.kernel().and_then(|kernel| kernel.ext_ack.message.as_deref()).unwrap_or_default();
        if text.contains("userspace PM not selected") {
            connection.kernel_managed = true;
            drop(self.work.forget(decision.token()));
            let planned = |s: &SubflowState| matches!(s.phase, SubflowPhase::Planned(_));
            connection.subflows.retain(|subflow| !planned(subflow));
            for subflow in connection.subflows.iter_mut().filter(|subflow| subflow.is_closing()) {
                subflow.phase = SubflowPhase::Established;
            }
            for subflow in &mut connection.subflows {
                subflow.backup = subflow.is_backup;
            }
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
                for subflow in connection.subflows.iter_mut().filter(closing) {
                    subflow.phase = SubflowPhase::Established;
                }
            }
            Decision::SetBackup { token, local, remote, .. } => {
                // A later decision about it still waits, or it is what it was.
                if !self.work.sets_backup(*token, (*local, *remote))
                    && let Some(subflow) = connection.subflow_mut(*local, *remote)
                {
                    subflow.backup = subflow.is_backup;
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
        self.report_outcome(&event);
        self.decide(&event);
        self.reports.push_back(Report::Event(event));
    }

    /// The outcome of a decided creation, which only events report, and of what still waits about a subflow that is closed.
    fn report_outcome(&mut self, event: &PathEvent) {
        if let PathEvent::SubflowClosed { token, subflow, .. } = event {
            for decision in self.work.forget_backup(*token, subflow.ends()) {
                self.end(decision);
            }
        }
        match event {
            PathEvent::SubflowClosed {
                token,
                subflow: SubflowState { phase: SubflowPhase::Closing(number), .. },
                ..
            } => {
                self.reports.extend(self.work.withdraw(*token, *number).map(Report::Done));
            }
            PathEvent::SubflowEstablished { token, subflow } if subflow.decided => {
                let decision = Decision::Create { token: *token, subflow: subflow.creation() };
                self.reports.push_back(Report::Done(decision));
            }
            PathEvent::SubflowClosed { token, subflow, error }
                if subflow.decided && !subflow.is_established() =>
            {
                let decision = Decision::Create { token: *token, subflow: subflow.creation() };
                let errno = error.unwrap_or(Errno::ECONNABORTED);
                let error = Error::from(std::io::Error::from_raw_os_error(errno.get()));
                let error = error.during(|| decision.to_string());
                self.reports.push_back(Report::Failed { decision, error });
            }
            _ => {}
        }
    }

    fn decide(&mut self, event: &PathEvent) {
        let (mut made, mut refused) = (Vec::new(), Vec::new());
        let mut plan = Plan {
            table: &mut self.table,
            made: &mut made,
            refused: &mut refused,
            next: &mut self.work.next,
            clock: &mut self.clock,
            guard: None,
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
        if let Some(connection) = self.table.connections.remove(&token) {
            self.end_all(&connection);
            self.emit(PathEvent::Closed { token });
        }
    }

    /// Ends the decisions about a connection that was closed: those that wait, and creations without an outcome.
    fn end_all(&mut self, connection: &ConnectionState) {
        let trying = |s: &&SubflowState| s.decided && s.phase == SubflowPhase::Trying;
        let token = connection.token;
        self.clock.unwatch(token);
        for subflow in connection.subflows.iter().filter(trying) {
            self.end(Decision::Create { token, subflow: subflow.creation() });
        }
        for decision in self.work.forget(token) {
            self.end(decision);
        }
    }

    fn on_subflow(&mut self, event: &SubflowEvent) {
        let Some(connection) = self.table.connections.get_mut(&event.token) else { return };
        let running = |number: u64| self.work.running.contains_key(&number);
        let at = connection.position(event.local, event.remote, event.local_id, running);
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
            self.work.reported(subflow);
            subflow.phase = SubflowPhase::Established;
            let subflow = subflow.clone();
            self.emit(PathEvent::SubflowEstablished { token: event.token, subflow });
        }
    }

    fn on_subflow_closed(&mut self, event: &SubflowEvent) {
        let Some(connection) = self.table.connections.get_mut(&event.token) else { return };
        let running = |number: u64| self.work.running.contains_key(&number);
        let at = connection.position(event.local, event.remote, event.local_id, running);
        let Some(at) = at else { return };
        let mut subflow = connection.subflows.remove(at);
        self.work.reported(&subflow);
        subflow.local = canonical(event.local);
        self.emit(PathEvent::SubflowClosed { token: event.token, subflow, error: event.error });
    }

    fn take_connections(&mut self, found: Vec<ConnectionState>, pending: &mut Vec<PathEvent>) {
        let mut before = std::mem::take(&mut self.table.connections);
        for mut now in found {
            let token = now.token;
            let known = match before.remove(&token) {
                Some(old) if (old.local, old.remote) != (now.local, now.remote) => {
                    // The token belongs to another connection now.
                    self.end_all(&old);
                    pending.push(PathEvent::Closed { token });
                    None
                }
                known => known,
            };
            match known {
                None if now.established => pending.push(PathEvent::Established { token }),
                None => {}
                Some(known) => merge(known, &mut now, pending),
            }
            self.table.connections.insert(token, now);
        }
        for (token, connection) in before {
            self.end_all(&connection);
            pending.push(PathEvent::Closed { token });
        }
    }
}

#[cfg(test)]
mod tests;
