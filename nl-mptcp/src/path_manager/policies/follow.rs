use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use crate::endpoint::Endpoint;
use crate::path_manager::event::PathEvent;
use crate::path_manager::plan::Plan;
use crate::path_manager::policy::Policy;
use crate::path_manager::table::ConnectionState;
use crate::subflow::Subflow;
use crate::{AddressId, Token};

/// When an interface goes down, or an address is removed from it, the subflows from there are destroyed and the address is withdrawn from
/// the peer of each connection, which closes its end of them. When it comes back, they are restored.
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
    ///
    /// The kernel writes a withdrawal into the next packet of the oldest subflow, which may be one that is gone (before Linux 7.0), and
    /// closes no subflow itself. So an initial subflow that is gone is destroyed before that, and the others after it, because a
    /// destruction makes the kernel forget their ids.
    fn remove(&mut self, addresses: &[IpAddr], plan: &mut Plan<'_>) {
        for token in plan.table().tokens() {
            let table = plan.table();
            let Some(connection) = table.connection(token).filter(|c| !c.kernel_managed) else { continue };
            let left = |address: IpAddr| {
                let address = address.to_canonical();
                addresses.contains(&address) && !table.is_usable(address)
            };
            let (mut leaving, staying): (Vec<_>, Vec<_>) =
                connection.open().partition(|subflow| left(subflow.local.ip()));
            let mut used: BTreeSet<AddressId> = staying.iter().map(|subflow| subflow.local_id).collect();
            if staying.is_empty() && !leaving.is_empty() {
                // The oldest subflow stays.
                used.insert(leaving.remove(0).local_id);
            }
            let announced = connection.announced.iter().filter(|(_, (address, _))| left(*address));
            let of_subflows = leaving.iter().map(|subflow| subflow.local_id);
            let ids: BTreeSet<_> = announced.map(|(id, _)| *id).chain(of_subflows).collect();
            let ids: Vec<_> = ids.difference(&used).copied().collect();

            let gone = self.gone.entry(token).or_default();
            for (address, _) in ids.iter().filter_map(|id| connection.announced.get(id)) {
                gone.insert((*address, Gone::Announcement));
            }
            for subflow in leaving.iter().filter(|subflow| subflow.created_here) {
                let bound = subflow.index.is_some() || subflow.local_id.is_initial();
                gone.insert((subflow.local.ip(), Gone::Subflow { remote: subflow.remote, bound }));
            }
            let (initial, others): (Vec<_>, Vec<_>) =
                leaving.iter().map(|s| (s.local_id, s.local, s.remote)).partition(|(id, ..)| id.is_initial());
            for (_, local, remote) in initial {
                plan.destroy(token, local, remote);
            }
            for id in ids {
                plan.withdraw(token, id);
            }
            for (_, local, remote) in others {
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
                        // The interface may have been created again.
                        subflow.index = plan.table().binding(address).filter(|_| bound);
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
