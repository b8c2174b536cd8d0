//! The differences between the table and a list.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use crate::path_manager::event::PathEvent;
use crate::path_manager::table::{ConnectionState, Interface, SubflowPhase, SubflowState};

/// What changed from these interfaces to those.
pub(super) fn interface_events(
    before: &BTreeMap<u32, Interface>,
    found: &BTreeMap<u32, Interface>,
    pending: &mut Vec<PathEvent>,
) {
    for (index, interface) in before {
        let now = found.get(index);
        if interface.up && !now.is_some_and(|now| now.up) {
            pending.push(PathEvent::InterfaceDown { interface: interface.clone() });
        }
        let Some(now) = now else { continue };
        for address in usable(interface).filter(|address| usable(now).all(|other| other != *address)) {
            pending.push(PathEvent::AddressRemoved { index: *index, address });
        }
    }
    for (index, now) in found.iter().filter(|(_, now)| now.up) {
        match before.get(index).filter(|before| before.up) {
            None => pending.push(PathEvent::InterfaceUp { index: *index }),
            Some(before) => {
                for address in usable(now).filter(|address| usable(before).all(|other| other != *address)) {
                    pending.push(PathEvent::AddressAdded { index: *index, address });
                }
            }
        }
    }
}

/// Adds to a listed connection what no list contains, and collects the differences.
pub(super) fn merge(known: ConnectionState, now: &mut ConnectionState, pending: &mut Vec<PathEvent>) {
    let token = now.token;
    now.server_side = known.server_side.or(now.server_side);
    now.deny_join_initial = known.deny_join_initial;
    now.kernel_managed = known.kernel_managed;
    now.remote_addresses = known.remote_addresses;
    now.announced = known.announced;
    now.counters = known.counters;
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
                (subflow.decided, subflow.counters) = (old.decided, old.counters);
                if old.backup != old.is_backup {
                    // A decision about that waits.
                    subflow.backup = old.backup;
                }
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
            subflow.decided = old.decided;
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
