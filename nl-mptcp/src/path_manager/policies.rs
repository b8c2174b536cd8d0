use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::event::PathEvent;
use super::plan::Plan;
use super::policy::Policy;
use super::table::{ConnectionState, Interface, Table};
use crate::Token;
use crate::endpoint::Endpoint;
use crate::id::same;
use crate::subflow::Subflow;

/// Makes no decisions.
impl Policy for () {
    fn decide(&mut self, _: &PathEvent, _: &mut Plan<'_>) {}
}

/// Both, one after the other.
impl<A: Policy, B: Policy> Policy for (A, B) {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        self.0.decide(event, plan);
        self.1.decide(event, plan);
    }
}

impl Policy for Box<dyn Policy> {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        (**self).decide(event, plan);
    }
}

impl<F: FnMut(&PathEvent, &mut Plan<'_>) + Send> Policy for F {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        self(event, plan);
    }
}

/// A subflow from every usable local address to every address of the peer.
/// The client creates the subflows, because the server may not be able to reach it; the server announces its addresses. A subflow that fails or is closed is created again when an address is added, an interface comes up, or events were lost.
#[derive(Clone, Debug)]
pub struct FullMesh {
    only: Option<BTreeSet<String>>,
    most: usize,
}

impl Default for FullMesh {
    fn default() -> Self {
        Self::new()
    }
}

impl FullMesh {
    /// Uses the usable addresses of every interface, and at most 64 subflows for a connection.
    #[must_use]
    pub fn new() -> Self {
        Self { only: None, most: 64 }
    }

    /// Uses the addresses of these interfaces only.
    #[must_use]
    pub fn only<S: Into<String>>(mut self, interfaces: impl IntoIterator<Item = S>) -> Self {
        self.only = Some(interfaces.into_iter().map(Into::into).collect());
        self
    }

    /// The maximum number of subflows for a connection, including the initial one.
    #[must_use]
    pub fn at_most(mut self, subflows: usize) -> Self {
        self.most = subflows;
        self
    }

    fn complete(&self, token: Token, plan: &mut Plan<'_>) {
        let Some(connection) = plan.table().connection(token).filter(|c| c.established && !c.kernel_managed)
        else {
            return;
        };
        let wanted =
            |interface: &Interface| self.only.as_ref().is_none_or(|only| only.contains(&interface.name));
        let table = plan.table();
        let locals = table.usable_addresses().filter(|(i, _)| wanted(i)).map(|(_, address)| address);
        match connection.server_side {
            Some(true) => {
                let new = |a: &IpAddr| *a != connection.local.ip() && !is_announced(connection, *a);
                for address in locals.filter(new).collect::<Vec<_>>() {
                    plan.announce(token, Endpoint::new(address));
                }
            }
            Some(false) => {
                let targets: BTreeSet<SocketAddr> = connection.targets().collect();
                let mut missing = Vec::new();
                for local in locals {
                    let fits = |t: &&SocketAddr| {
                        t.is_ipv4() == local.is_ipv4() && !connection.has_subflow(local, **t)
                    };
                    missing.extend(targets.iter().filter(fits).map(|target| (local, *target)));
                }
                missing.truncate(self.most.saturating_sub(connection.subflows.len()));
                for (local, remote) in missing {
                    plan.create(token, Subflow::new((local, 0).into(), remote));
                }
            }
            None => {}
        }
    }
}

impl Policy for FullMesh {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        match event {
            PathEvent::Established { token } | PathEvent::Announced { token, .. } => {
                self.complete(*token, plan)
            }
            PathEvent::AddressAdded { .. } | PathEvent::InterfaceUp { .. } | PathEvent::Synced => {
                for token in tokens(plan.table()) {
                    self.complete(token, plan);
                }
            }
            _ => {}
        }
    }
}

/// A number of subflows between the two addresses of the initial one, from different ports. A network that hashes flows can then send them over different paths or queues.
/// The client creates them. One that fails or is closed is replaced only after lost events.
#[derive(Clone, Copy, Debug)]
pub struct NDiffPorts {
    subflows: usize,
}

impl NDiffPorts {
    /// The total number of subflows.
    #[must_use]
    pub fn new(subflows: usize) -> Self {
        Self { subflows }
    }

    fn complete(self, token: Token, plan: &mut Plan<'_>) {
        let Some(connection) = plan.table().connection(token) else { return };
        let ours =
            connection.established && !connection.kernel_managed && connection.server_side == Some(false);
        if !ours || connection.deny_join_initial {
            return;
        }
        let (local, remote) = (connection.local.ip(), connection.remote);
        let between = connection.subflows.iter().filter(|s| s.local.ip() == local && s.remote == remote);
        for _ in between.count()..self.subflows {
            plan.create(token, Subflow::new((local, 0).into(), remote));
        }
    }
}

impl Policy for NDiffPorts {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        match event {
            PathEvent::Established { token } => self.complete(*token, plan),
            PathEvent::Synced => {
                for token in tokens(plan.table()) {
                    self.complete(token, plan);
                }
            }
            _ => {}
        }
    }
}

/// Subflows from some interfaces are backups: they carry data only when no regular subflow can. This includes the initial subflow.
/// It creates no subflows; combine it with a policy that does. Each side decides for the data it sends, and informs the peer.
#[derive(Clone, Debug)]
pub struct BackupOnMetered {
    metered: BTreeSet<String>,
}

impl BackupOnMetered {
    /// Subflows from the interfaces of these names are backups.
    #[must_use]
    pub fn new<S: Into<String>>(interfaces: impl IntoIterator<Item = S>) -> Self {
        Self { metered: interfaces.into_iter().map(Into::into).collect() }
    }

    fn mark(&self, token: Token, plan: &mut Plan<'_>) {
        let table = plan.table();
        let Some(connection) = table.connection(token).filter(|c| c.established && !c.kernel_managed) else {
            return;
        };
        let metered =
            |address: IpAddr| table.interface_of(address).is_some_and(|i| self.metered.contains(&i.name));
        let unmarked =
            connection.subflows.iter().filter(|s| s.is_established() && !s.is_closing() && !s.backup);
        let ends: Vec<_> = unmarked.filter(|s| metered(s.local.ip())).map(|s| (s.local, s.remote)).collect();
        for (local, remote) in ends {
            plan.backup(token, local, remote);
        }
    }
}

impl Policy for BackupOnMetered {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        match event {
            PathEvent::Established { token } | PathEvent::SubflowEstablished { token, .. } => {
                self.mark(*token, plan);
            }
            PathEvent::Synced => {
                for token in tokens(plan.table()) {
                    self.mark(token, plan);
                }
            }
            _ => {}
        }
    }
}

/// When an interface goes down, or an address is removed from it, the subflows from there are destroyed and the announcements withdrawn. When it comes back, they are restored.
/// The last subflow of a connection is never destroyed. Subflows that the peer created are not restored.
#[derive(Clone, Debug, Default)]
pub struct FollowInterfaces {
    gone: BTreeMap<Token, BTreeSet<(IpAddr, Option<SocketAddr>)>>,
}

impl FollowInterfaces {
    /// Follows every interface.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Removes what uses addresses that are no longer usable.
    fn remove(&mut self, addresses: &[IpAddr], plan: &mut Plan<'_>) {
        for token in tokens(plan.table()) {
            let table = plan.table();
            let Some(connection) = table.connection(token).filter(|c| !c.kernel_managed) else { continue };
            let left = |address: IpAddr| addresses.contains(&address) && !table.is_usable(address);
            let announced = connection.announced.iter().filter(|(_, (a, _))| left(a.to_canonical()));
            let announced: Vec<_> = announced.map(|(id, (address, _))| (*id, *address)).collect();
            let established = || connection.subflows.iter().filter(|s| s.is_established() && !s.is_closing());
            let mut subflows: Vec<_> = established().filter(|s| left(s.local.ip())).cloned().collect();
            if subflows.len() == established().count() {
                // The oldest subflow stays.
                subflows.drain(..subflows.len().min(1));
            }
            let gone = self.gone.entry(token).or_default();
            for (id, address) in announced {
                gone.insert((address, None));
                plan.withdraw(token, id);
            }
            for subflow in subflows {
                if subflow.created_here {
                    gone.insert((subflow.local.ip(), Some(subflow.remote)));
                }
                plan.destroy(token, subflow.local, subflow.remote);
            }
        }
    }

    /// Restores what used addresses that are usable again.
    fn restore(&mut self, plan: &mut Plan<'_>) {
        for (token, gone) in &mut self.gone {
            let Some(connection) = plan.table().connection(*token) else { continue };
            let back: Vec<_> =
                gone.iter().filter(|(address, _)| plan.table().is_usable(*address)).copied().collect();
            let lacking = |(address, remote): &&(IpAddr, Option<SocketAddr>)| match remote {
                Some(remote) => !connection.has_subflow(*address, *remote),
                None => !is_announced(connection, *address),
            };
            let lacks: Vec<_> = back.iter().filter(lacking).copied().collect();
            for that in &back {
                gone.remove(that);
            }
            for (address, remote) in lacks {
                match remote {
                    Some(remote) => plan.create(*token, Subflow::new((address, 0).into(), remote)),
                    None => plan.announce(*token, Endpoint::new(address)),
                }
            }
        }
        self.gone.retain(|token, gone| !gone.is_empty() && plan.table().connection(*token).is_some());
    }
}

impl Policy for FollowInterfaces {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        match event {
            PathEvent::InterfaceDown { interface } => {
                let addresses: Vec<_> = interface.addresses.keys().copied().collect();
                self.remove(&addresses, plan);
            }
            PathEvent::AddressRemoved { address, .. } => self.remove(&[*address], plan),
            PathEvent::AddressAdded { .. } | PathEvent::InterfaceUp { .. } => self.restore(plan),
            PathEvent::Closed { token } => drop(self.gone.remove(token)),
            _ => {}
        }
    }
}

fn is_announced(connection: &ConnectionState, address: IpAddr) -> bool {
    connection.announced.values().any(|(other, _)| same(*other, address))
}

fn tokens(table: &Table) -> Vec<Token> {
    table.connections().map(|connection| connection.token).collect()
}
