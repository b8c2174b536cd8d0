use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crate::Token;
use crate::endpoint::Endpoint;
use crate::path_manager::event::PathEvent;
use crate::path_manager::plan::Plan;
use crate::path_manager::policy::Policy;
use crate::path_manager::table::{Interface, Table};
use crate::subflow::Subflow;

/// A subflow from every usable local address to every address of the peer.
/// A subflow is bound to the interface that has its local address, where the kernel [can](Table::binds_subflows): without that, the
/// routes to the peer decide by which interface it leaves, whatever its address.
///
/// The client creates the subflows, because the server may not be able to reach it; the server announces its addresses. A subflow that fails or is closed is created again when an address is added, an interface comes up, or events were lost.
#[derive(Clone, Debug)]
pub struct FullMesh {
    only: Option<BTreeSet<String>>,
    most: usize,
    unbound: bool,
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
        Self { only: None, most: 64, unbound: false }
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

    /// Binds no subflow to the interface of its address. The routes alone decide by which interface it leaves: for machines whose
    /// addresses are on a dummy interface, or with an `ip rule` for each source address.
    #[must_use]
    pub fn unbound(mut self) -> Self {
        self.unbound = true;
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
        let locals = table.usable_addresses().filter(|(i, _)| wanted(i));
        match connection.server_side {
            Some(true) => {
                let new = |a: &IpAddr| *a != connection.local.ip() && !connection.is_announced(*a);
                for address in locals.map(|(_, address)| address).filter(new).collect::<Vec<_>>() {
                    plan.announce(token, Endpoint::new(address));
                }
            }
            Some(false) => {
                let targets: BTreeSet<SocketAddr> = connection.targets().collect();
                let mut missing = Vec::new();
                for (interface, local) in locals {
                    let index = self.binding(table, interface);
                    let fits = |t: &&SocketAddr| {
                        t.is_ipv4() == local.is_ipv4() && !connection.has_subflow(local, **t)
                    };
                    missing.extend(targets.iter().filter(fits).map(|target| (local, *target, index)));
                }
                missing.truncate(self.most.saturating_sub(connection.subflows.len()));
                for (local, remote, index) in missing {
                    let mut subflow = Subflow::new((local, 0).into(), remote);
                    subflow.index = index;
                    plan.create(token, subflow);
                }
            }
            None => {}
        }
    }

    /// The interface that subflows from its addresses are bound to. The addresses of the loopback interface are reached by others.
    fn binding(&self, table: &Table, interface: &Interface) -> Option<u32> {
        let binds = table.binds_subflows() && !self.unbound && interface.name != "lo";
        binds.then_some(interface.index)
    }
}

impl Policy for FullMesh {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        match event {
            PathEvent::Established { token } | PathEvent::Announced { token, .. } => {
                self.complete(*token, plan)
            }
            PathEvent::AddressAdded { .. } | PathEvent::InterfaceUp { .. } | PathEvent::Synced => {
                for token in plan.table().tokens() {
                    self.complete(token, plan);
                }
            }
            _ => {}
        }
    }
}
