use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use nl_core::error::Errno;

use crate::endpoint::Endpoint;
use crate::path_manager::event::PathEvent;
use crate::path_manager::plan::{Decision, Plan};
use crate::path_manager::policy::Policy;
use crate::path_manager::table::{ConnectionState, SubflowState};
use crate::subflow::Subflow;
use crate::{AddressId, Token};

/// When an interface goes down, or an address is removed from it, the address is withdrawn from the peer of each connection, and both
/// sides close the subflows from there. When it comes back, they are restored.
/// One subflow of a connection, the oldest, is always left, with its address. Subflows that the peer created are not restored.
#[derive(Clone, Debug, Default)]
pub struct FollowInterfaces {
    gone: BTreeMap<Token, BTreeSet<(IpAddr, Gone)>>,
}

/// What was removed with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Gone {
    Announcement,
    Subflow {
        remote: SocketAddr,
        /// It was bound to its interface, or it was the initial one, which the route to its address chose.
        bound: bool,
    },
}

impl FollowInterfaces {
    /// Follows every interface.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Removes what uses addresses that are no longer usable.
    fn remove(&mut self, addresses: &[IpAddr], plan: &mut Plan<'_>) {
        for token in plan.table().tokens() {
            let table = plan.table();
            let Some(connection) = table.connection(token).filter(|c| !c.kernel_managed) else { continue };
            let left = |address: IpAddr| {
                let address = address.to_canonical();
                addresses.contains(&address) && !table.is_usable(address)
            };
            let announced = connection.announced.iter().filter(|(_, (address, _))| left(*address));
            let mut ids: BTreeSet<AddressId> = announced.map(|(id, _)| *id).collect();
            let leaving = || connection.open().filter(|subflow| left(subflow.local.ip()));
            // An id that also has subflows from elsewhere is not withdrawn.
            let elsewhere =
                |id: AddressId| connection.open().any(|s| s.local_id == id && !left(s.local.ip()));
            ids.extend(leaving().map(|subflow| subflow.local_id).filter(|id| !elsewhere(*id)));
            let mut destroyed: Vec<_> = leaving().filter(|s| elsewhere(s.local_id)).map(ends).collect();
            if leaving().count() == connection.open().count()
                && let Some(oldest) = leaving().next()
            {
                ids.remove(&oldest.local_id);
                let of_id = leaving().filter(|s| s.local_id == oldest.local_id).map(ends);
                destroyed.extend(of_id.filter(|of| *of != ends(oldest)));
            }
            let gone = self.gone.entry(token).or_default();
            for id in &ids {
                if let Some((address, _)) = connection.announced.get(id) {
                    gone.insert((*address, Gone::Announcement));
                }
            }
            let closed = |s: &&SubflowState| ids.contains(&s.local_id) || destroyed.contains(&ends(s));
            for subflow in leaving().filter(closed).filter(|subflow| subflow.created_here) {
                let bound = subflow.index.is_some() || subflow.local_id.is_initial();
                let lost = Gone::Subflow { remote: subflow.remote, bound };
                gone.insert((subflow.local.ip(), lost));
            }
            for (local, remote) in destroyed {
                plan.destroy(token, local, remote);
            }
            for id in ids {
                plan.withdraw(token, id);
            }
        }
    }

    /// The kernel has forgotten the id of an address, so the peer cannot be told: closes its subflows one by one.
    fn close(&self, token: Token, id: AddressId, plan: &mut Plan<'_>) {
        let table = plan.table();
        let Some(connection) = table.connection(token) else { return };
        let dead = |s: &&SubflowState| s.local_id == id && !table.is_usable(s.local.ip());
        let dead: Vec<_> = connection.open().filter(dead).map(ends).collect();
        if dead.len() < connection.open().count() {
            for (local, remote) in dead {
                plan.destroy(token, local, remote);
            }
        }
    }

    /// Restores what used addresses that are usable again.
    fn restore(&mut self, plan: &mut Plan<'_>) {
        for (token, gone) in &mut self.gone {
            let Some(connection) = plan.table().connection(*token) else { continue };
            let back: Vec<_> =
                gone.iter().filter(|(address, _)| plan.table().is_usable(*address)).copied().collect();
            let lacks: Vec<_> = back.iter().filter(|that| lacks(connection, that)).copied().collect();
            for that in &back {
                gone.remove(that);
            }
            for (address, lost) in lacks {
                match lost {
                    Gone::Announcement => plan.announce(*token, Endpoint::new(address)),
                    Gone::Subflow { remote, bound } => {
                        let mut subflow = Subflow::new((address, 0).into(), remote);
                        // The interface may have been made anew.
                        let binds = bound && plan.table().binds_subflows();
                        let interface =
                            plan.table().interface_of(address).filter(|i| binds && i.name != "lo");
                        subflow.index = interface.map(|interface| interface.index);
                        plan.create(*token, subflow);
                    }
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
            PathEvent::Failed { decision: Decision::Withdraw { token, id }, errno: Some(Errno::ENXIO) } => {
                self.close(*token, *id, plan);
            }
            _ => {}
        }
    }
}

/// Whether a connection lacks what was removed.
fn lacks(connection: &ConnectionState, (address, lost): &(IpAddr, Gone)) -> bool {
    match lost {
        Gone::Announcement => !connection.is_announced(*address),
        Gone::Subflow { remote, .. } => !connection.has_subflow(*address, *remote),
    }
}

fn ends(subflow: &SubflowState) -> (SocketAddr, SocketAddr) {
    (subflow.local, subflow.remote)
}
