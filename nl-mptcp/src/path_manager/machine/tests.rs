//! A simulated kernel: its state changes, events are delivered late or lost, it is listed in parts meanwhile, and
//! decisions are executed or refused at any time. At the end the table equals the kernel's state.

use std::net::SocketAddr;
use std::time::Duration;

use nl_core::error::{Errno, ErrorKind, KernelError};
use proptest::prelude::*;

use super::*;
use crate::AddressId;
use crate::event::AddressEvent;
use crate::path_manager::{BackupOnMetered, FollowInterfaces, FullMesh, NDiffPorts};

mod decisions;
mod policies;

type Ends = (SocketAddr, SocketAddr);

#[derive(Clone, Debug)]
struct Conn {
    local: SocketAddr,
    remote: SocketAddr,
    server_side: bool,
    established: bool,
    subflows: BTreeMap<Ends, Sub>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sub {
    local_id: AddressId,
    remote_id: AddressId,
    backup: bool,
    backup_by_peer: bool,
    trying: bool,
    created_here: bool,
}

/// The kernel, and its undelivered events.
#[derive(Default)]
struct Kernel {
    connections: BTreeMap<Token, Conn>,
    interfaces: BTreeMap<u32, Interface>,
    ports: u16,
    tokens: u32,
    buffer: VecDeque<Input>,
    /// The buffer is full: events are dropped until it is drained.
    overrun: bool,
}

fn clock() -> Clock {
    Clock::new(Instant::now(), None, Duration::from_secs(1))
}

fn local(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, host % 4, 1], port))
}

fn far(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, host % 4, 2], port))
}

fn kernel_refusal(errno: Errno) -> Error {
    ErrorKind::Kernel(KernelError::new(errno)).into()
}

const EVERYWHERE: AddressKind = AddressKind { scope: 0, flags: 0 };

impl Kernel {
    fn emit(&mut self, input: Input) {
        if !self.overrun {
            self.buffer.push_back(input);
        }
    }

    fn token(&self, pick: u8) -> Option<Token> {
        let at = usize::from(pick) % self.connections.len().max(1);
        self.connections.keys().nth(at).copied()
    }

    fn port(&mut self) -> u16 {
        self.ports += 1;
        20_000 + self.ports
    }

    fn subflow_event(token: Token, (local, remote): Ends, sub: Sub) -> SubflowEvent {
        SubflowEvent {
            token,
            local,
            remote,
            local_id: sub.local_id,
            remote_id: sub.remote_id,
            backup: sub.backup_by_peer,
            index: None,
            error: None,
            reset: None,
            timeout: None,
        }
    }

    fn connection_event(&self, token: Token) -> ConnectionEvent {
        let conn = &self.connections[&token];
        ConnectionEvent {
            token,
            local: conn.local,
            remote: conn.remote,
            local_id: AddressId::INITIAL,
            remote_id: AddressId::INITIAL,
            server_side: conn.server_side,
            flags: ConnectionFlags::empty(),
        }
    }

    fn connect(&mut self, a: u8, server_side: bool) {
        self.tokens += 1;
        let (token, port) = (Token::new(self.tokens), self.port());
        let (local, remote) =
            if server_side { (local(0, 80), far(a, port)) } else { (local(0, port), far(0, 80)) };
        let sub = Sub {
            local_id: AddressId::INITIAL,
            remote_id: AddressId::INITIAL,
            backup: false,
            backup_by_peer: false,
            trying: false,
            created_here: !server_side,
        };
        let subflows = BTreeMap::from([((local, remote), sub)]);
        self.connections.insert(token, Conn { local, remote, server_side, established: false, subflows });
        self.emit(Input::Mptcp(MptcpEvent::Created(self.connection_event(token))));
    }

    fn act(&mut self, kind: u8, a: u8, b: u8) {
        let token = self.token(a);
        match (kind, token) {
            (0, _) => self.connect(b, b.is_multiple_of(2)),
            (1, Some(token)) if !self.connections[&token].established => {
                self.connections.get_mut(&token).unwrap().established = true;
                self.emit(Input::Mptcp(MptcpEvent::Established(self.connection_event(token))));
            }
            (2, Some(token)) => {
                let remote_id = AddressId::new(1 + b % 3);
                let event = AddressEvent { token, remote_id, remote: far(1 + b % 3, 80) };
                self.emit(Input::Mptcp(MptcpEvent::Announced(event)));
            }
            (3, Some(token)) => {
                let remote_id = AddressId::new(1 + b % 3);
                self.emit(Input::Mptcp(MptcpEvent::Removed { token, remote_id }));
            }
            // The peer joins.
            (4, Some(token)) => {
                let ends = (self.connections[&token].local, far(b, self.port()));
                let sub = Sub {
                    local_id: AddressId::INITIAL,
                    remote_id: AddressId::new(1 + b % 3),
                    backup: false,
                    backup_by_peer: b > 128,
                    trying: false,
                    created_here: false,
                };
                self.connections.get_mut(&token).unwrap().subflows.insert(ends, sub);
                let event = Self::subflow_event(token, ends, sub);
                self.emit(Input::Mptcp(MptcpEvent::SubflowEstablished(event)));
            }
            (5, Some(token)) => {
                let conn = &self.connections[&token];
                let at = usize::from(b) % conn.subflows.len().max(1);
                let Some((ends, _)) = conn.subflows.iter().nth(at) else { return };
                self.close_subflow(token, *ends);
            }
            (6, Some(token)) => {
                let conn = self.connections.get_mut(&token).unwrap();
                let at = usize::from(b) % conn.subflows.len().max(1);
                let Some((ends, sub)) = conn.subflows.iter_mut().nth(at).filter(|(_, s)| !s.trying) else {
                    return;
                };
                sub.backup_by_peer = !sub.backup_by_peer;
                let event = Self::subflow_event(token, *ends, *sub);
                self.emit(Input::Mptcp(MptcpEvent::SubflowPriority(event)));
            }
            (7, Some(token)) => {
                self.connections.remove(&token);
                self.emit(Input::Mptcp(MptcpEvent::Closed { token }));
            }
            (8, _) => self.interface(a, b),
            (9, _) => self.address(a, b),
            // A subflow is established, or fails.
            (10, Some(token)) => self.resolve(token, b > 60),
            _ => {}
        }
    }

    fn close_subflow(&mut self, token: Token, ends: Ends) {
        let conn = self.connections.get_mut(&token).unwrap();
        let Some(sub) = conn.subflows.remove(&ends) else { return };
        self.emit(Input::Mptcp(MptcpEvent::SubflowClosed(Self::subflow_event(token, ends, sub))));
    }

    fn resolve(&mut self, token: Token, well: bool) {
        let conn = self.connections.get_mut(&token).unwrap();
        let Some((ends, sub)) = conn.subflows.iter_mut().find(|(_, sub)| sub.trying) else { return };
        let ends = *ends;
        if !well {
            return self.close_subflow(token, ends);
        }
        (sub.trying, sub.remote_id) = (false, AddressId::new(9));
        let event = Self::subflow_event(token, ends, *sub);
        self.emit(Input::Mptcp(MptcpEvent::SubflowEstablished(event)));
    }

    fn interface(&mut self, a: u8, b: u8) {
        let index = u32::from(1 + a % 3);
        let up = b.is_multiple_of(2);
        if b > 220 && self.interfaces.remove(&index).is_some() {
            return self.emit(Input::LinkDeleted { index });
        }
        let name = format!("eth{index}");
        let new = Interface { index, name: name.clone(), up, addresses: BTreeMap::new() };
        self.interfaces.entry(index).or_insert(new).up = up;
        self.emit(Input::Link { index, name, up });
    }

    fn address(&mut self, a: u8, b: u8) {
        let index = u32::from(1 + a % 3);
        let Some(interface) = self.interfaces.get_mut(&index) else { return };
        let address = local(a % 3, 0).ip();
        let kind = (b > 80).then_some(EVERYWHERE);
        match kind {
            Some(kind) => drop(interface.addresses.insert(address, kind)),
            None => drop(interface.addresses.remove(&address)),
        }
        self.emit(Input::Address { index, address, kind });
    }

    /// Executes a decision, or refuses it.
    fn execute(&mut self, decision: &Decision, well: bool) -> Result<(), Error> {
        let refused = || kernel_refusal(Errno::EINVAL);
        let (token, port) = (decision.token(), self.port());
        let Some(conn) = self.connections.get_mut(&token).filter(|_| well) else { return Err(refused()) };
        match decision {
            Decision::Create { subflow, .. } => {
                let local = SocketAddr::new(subflow.local.ip(), port);
                let sub = Sub {
                    local_id: subflow.id,
                    remote_id: AddressId::INITIAL,
                    backup: subflow.backup,
                    backup_by_peer: false,
                    trying: true,
                    created_here: true,
                };
                conn.subflows.insert((local, subflow.remote), sub);
            }
            Decision::Destroy { local, remote, .. } => {
                if !conn.subflows.contains_key(&(*local, *remote)) {
                    return Err(kernel_refusal(Errno::ESRCH));
                }
                self.close_subflow(token, (*local, *remote));
            }
            Decision::SetBackup { local, remote, backup, .. } => {
                let Some(sub) = conn.subflows.get_mut(&(*local, *remote)) else {
                    return Err(kernel_refusal(Errno::ESRCH));
                };
                sub.backup = *backup;
            }
            _ => {}
        }
        Ok(())
    }

    /// The connections whose sockets were seen before, with the subflows of now; and those of which only subflows are seen.
    fn list(&self, sockets: &BTreeMap<Token, Conn>) -> Vec<ConnectionState> {
        let late = self
            .connections
            .iter()
            .filter(|(token, conn)| !sockets.contains_key(token) && !conn.subflows.is_empty());
        let all = sockets.iter().chain(late);
        all.map(|(token, conn)| {
            let mut state = ConnectionState::new(*token, conn.local, conn.remote);
            let Some(now) = self.connections.get(token) else { return state };
            state.server_side = Some(conn.server_side);
            state.established = now.established;
            for (ends, sub) in &now.subflows {
                let phase = if sub.trying { SubflowPhase::Trying } else { SubflowPhase::Established };
                let mut subflow = SubflowState::new(ends.0, ends.1, phase);
                (subflow.local_id, subflow.remote_id) = (sub.local_id, sub.remote_id);
                subflow.backup_by_peer = sub.backup_by_peer;
                subflow.set_backup(sub.backup);
                subflow.created_here = sub.created_here;
                state.subflows.push(subflow);
            }
            state
        })
        .collect()
    }
}

/// The kernel, the machine, and what its driver does.
struct World<P> {
    kernel: Kernel,
    machine: Machine<P>,
    /// What was listed so far.
    interfaces: Option<BTreeMap<u32, Interface>>,
    sockets: Option<BTreeMap<Token, Conn>>,
    answers: VecDeque<(u64, Result<(), Error>)>,
    /// The decisions whose outcome was reported.
    outcomes: u64,
}

impl<P: Policy> World<P> {
    fn new(policy: P) -> Self {
        let machine = Machine::new(policy, 4, true, clock());
        Self {
            kernel: Kernel::default(),
            machine,
            interfaces: None,
            sockets: None,
            answers: VecDeque::new(),
            outcomes: 0,
        }
    }

    fn step(&mut self, kind: u8, a: u8, b: u8, reliable: bool) {
        match kind {
            0..=10 => self.kernel.act(kind, a, b),
            11 if !reliable => self.kernel.overrun = true,
            12 | 13 => self.deliver(),
            14 | 15 => self.list(),
            16 | 17 => {
                if let Some((number, decision)) = self.machine.start() {
                    let outcome = self.kernel.execute(&decision, reliable || b > 40);
                    self.answers.push_back((number, outcome));
                }
            }
            _ => {
                if let Some((number, outcome)) = self.answers.pop_front() {
                    self.machine.finished(number, outcome);
                }
            }
        }
        self.read();
    }

    /// Reads the reports. Those of decisions that the plan refused are not outcomes.
    fn read(&mut self) {
        while let Some(report) = self.machine.report() {
            let is_outcome = match report {
                Report::Done(_) | Report::Ended(_) => true,
                Report::Failed { error, .. } => !error.is_usage(),
                _ => false,
            };
            self.outcomes += u64::from(is_outcome);
        }
    }

    fn deliver(&mut self) {
        if std::mem::take(&mut self.kernel.overrun) {
            self.kernel.buffer.clear();
            self.machine.lost();
        } else if let Some(input) = self.kernel.buffer.pop_front() {
            self.machine.input(input);
        }
    }

    /// A piece of a listing.
    fn list(&mut self) {
        if self.machine.queued.is_none() {
            self.machine.listing();
        } else if self.interfaces.is_none() {
            self.interfaces = Some(self.kernel.interfaces.clone());
        } else if self.sockets.is_none() {
            self.sockets = Some(self.kernel.connections.clone());
        } else {
            let connections = self.kernel.list(&self.sockets.take().unwrap());
            self.machine.listed(Snapshot {
                connections,
                interfaces: self.interfaces.take().unwrap(),
                ..Snapshot::default()
            });
        }
    }

    /// Runs until nothing is pending.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let busy = self.kernel.overrun
                || !self.kernel.buffer.is_empty()
                || self.machine.is_lost()
                || self.machine.queued.is_some()
                || !self.answers.is_empty()
                || !self.machine.work.running.is_empty()
                || !self.machine.work.waiting.is_empty()
                || self.kernel.connections.values().any(|conn| conn.subflows.values().any(|sub| sub.trying));
            if !busy {
                return;
            }
            self.deliver();
            self.list();
            self.step(16, 0, 255, true);
            self.step(18, 0, 0, true);
            for token in self.kernel.connections.keys().copied().collect::<Vec<_>>() {
                self.kernel.resolve(token, true);
            }
        }
        panic!("it does not settle");
    }

    fn assert_same(&self) {
        let table = self.machine.table();
        assert_eq!(table.interfaces, self.kernel.interfaces);
        let tokens: BTreeSet<_> = self.kernel.connections.keys().collect();
        assert_eq!(table.connections.keys().collect::<BTreeSet<_>>(), tokens);
        for (token, conn) in &self.kernel.connections {
            let state = &table.connections[token];
            assert_eq!((state.local, state.remote), (conn.local, conn.remote));
            assert_eq!((state.server_side, state.established), (Some(conn.server_side), conn.established));
            let subflow = |s: &SubflowState| {
                // Events do not say it of a subflow that the table did not have.
                let theirs = conn.subflows.get(&s.ends()).filter(|_| !s.decided);
                let sub = Sub {
                    local_id: s.local_id,
                    remote_id: s.remote_id,
                    backup: theirs.map_or(s.backup, |theirs| theirs.backup),
                    backup_by_peer: s.backup_by_peer,
                    trying: s.phase != SubflowPhase::Established,
                    created_here: s.created_here,
                };
                (s.ends(), sub)
            };
            let theirs: Vec<_> = conn.subflows.clone().into_iter().collect();
            let mut ours: Vec<_> = state.subflows.iter().map(subflow).collect();
            ours.sort();
            assert_eq!(ours, theirs, "token {token}");
        }
    }
}

fn policy() -> impl Policy {
    let mesh = (FullMesh::new(), NDiffPorts::new(3));
    (FollowInterfaces::new(), (mesh, BackupOnMetered::new(["eth2"])))
}

proptest! {
    #[test]
    fn table_converges_after_lost_events(
        steps in proptest::collection::vec((0..20_u8, any::<u8>(), any::<u8>()), 0..400)
    ) {
        let mut world = World::new(policy());
        for (kind, a, b) in steps {
            world.step(kind, a, b, false);
        }
        world.settle();
        world.assert_same();
    }

    /// No event is lost and nothing is closed here, so every missing or duplicate subflow is a fault.
    #[test]
    fn full_mesh_is_complete_without_duplicates(
        steps in proptest::collection::vec((0..20_u8, any::<u8>(), any::<u8>()), 0..300)
    ) {
        let mut world = World::new(FullMesh::new());
        for (kind, a, b) in steps {
            if !matches!(kind, 3..=7 | 10) {
                world.step(kind, a, b, true);
            }
        }
        world.settle();
        world.assert_same();
        let table = world.machine.table();
        for connection in table.connections().filter(|c| c.established && c.server_side == Some(false)) {
            let mut seen = BTreeSet::new();
            for subflow in &connection.subflows {
                prop_assert!(seen.insert((subflow.local.ip(), subflow.remote)), "twice: {subflow:?}");
            }
            for (_, address) in table.usable_addresses() {
                for target in connection.targets() {
                    prop_assert!(seen.contains(&(address, target)), "{address} to {target} of {connection:#?}");
                }
            }
        }
    }
}

/// Follows one connection that this side asked for, with two addresses here.
fn world<P: Policy>(policy: P) -> (World<P>, Token) {
    begin(World::new(policy))
}

fn begin<P: Policy>(mut world: World<P>) -> (World<P>, Token) {
    for index in [1, 2] {
        let name = format!("eth{index}");
        let host = u8::try_from(index - 1).unwrap();
        let addresses = BTreeMap::from([(local(host, 0).ip(), EVERYWHERE)]);
        world.kernel.interfaces.insert(index, Interface { index, name, up: true, addresses });
    }
    world.kernel.connect(0, false);
    world.kernel.act(1, 0, 0);
    world.settle();
    (world, Token::new(1))
}

fn link(world: &mut World<impl Policy>, index: u32, up: bool) {
    world.kernel.interfaces.get_mut(&index).unwrap().up = up;
    world.kernel.emit(Input::Link { index, name: format!("eth{index}"), up });
    world.settle();
    world.assert_same();
}

fn addresses(world: &World<impl Policy>, token: Token) -> Vec<u8> {
    let ip = |ends: &Ends| match ends.0.ip() {
        IpAddr::V4(ip) => ip.octets()[2],
        IpAddr::V6(_) => 0,
    };
    world.kernel.connections[&token].subflows.keys().map(ip).collect()
}

#[test]
fn subflows_are_removed_and_restored_with_interface() {
    let follow = (FollowInterfaces::new(), FullMesh::new());
    let (mut world, token) = world(follow);
    assert_eq!(addresses(&world, token), [0, 1]);
    link(&mut world, 2, false);
    assert_eq!(addresses(&world, token), [0]);
    link(&mut world, 2, true);
    assert_eq!(addresses(&world, token), [0, 1]);
    link(&mut world, 1, false);
    assert_eq!(addresses(&world, token), [1]);
    // The last one is not destroyed.
    link(&mut world, 2, false);
    assert_eq!(addresses(&world, token), [1]);
}

#[test]
fn removed_subflows_are_restored_without_full_mesh() {
    let (mut world, token) = world(FollowInterfaces::new());
    world.kernel.act(4, 0, 1);
    world.settle();
    assert_eq!(addresses(&world, token).len(), 2);
    // The peer's subflow is left as the last one or destroyed; ours is created again.
    link(&mut world, 1, false);
    assert_eq!(addresses(&world, token).len(), 1);
    link(&mut world, 1, true);
    assert!(!addresses(&world, token).is_empty());
}

#[test]
fn lost_subflows_of_ndiffports_are_replaced() {
    let (mut world, token) = world(NDiffPorts::new(4));
    assert_eq!(addresses(&world, token), [0, 0, 0, 0]);
    let ends: Vec<_> = world.kernel.connections[&token].subflows.keys().copied().collect();
    world.kernel.overrun = true;
    world.kernel.close_subflow(token, ends[2]);
    world.settle();
    world.assert_same();
    assert_eq!(addresses(&world, token), [0, 0, 0, 0]);
}

/// Keeps the decisions.
struct Watcher(Vec<PathEvent>);

impl Policy for Watcher {
    fn decide(&mut self, event: &PathEvent, _: &mut Plan<'_>) {
        self.0.push(event.clone());
    }
}

#[test]
fn missed_events_are_reported_as_differences() {
    let (mut world, token) = world(Watcher(Vec::new()));
    world.machine.policy().0.clear();
    world.kernel.overrun = true;
    world.kernel.connect(0, true);
    world.kernel.act(4, 0, 1);
    world.kernel.act(7, 1, 0);
    world.kernel.connect(0, true);
    world.kernel.act(1, 1, 0);
    world.kernel.interface(0, 1);
    world.settle();
    let reported = std::mem::take(&mut world.machine.policy().0);
    assert!(
        matches!(&reported[0], PathEvent::InterfaceDown { interface } if interface.index == 1),
        "{reported:#?}"
    );
    assert!(
        matches!(&reported[1], PathEvent::SubflowEstablished { token: t, .. } if *t == token),
        "{reported:#?}"
    );
    assert!(matches!(&reported[2], PathEvent::Established { token } if token.get() == 3), "{reported:#?}");
    assert_eq!(reported[3..], [PathEvent::Synced]);
}
