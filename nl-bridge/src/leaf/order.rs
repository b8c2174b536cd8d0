//! The order of the steps of a plan, which interrupts nothing that stays: what comes is there before what goes is gone.

use super::plan::{Other, Plan, Standing};
use super::step::Step;

/// When a step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum When {
    /// Deletes devices that are replaced, or are in the way of new ones: first what is on top of them.
    UnmakeTop,
    Unmake,
    /// Devices are made.
    Make,
    /// Devices change.
    Change,
    /// Ports are stamped, and then get into the bridge.
    Join,
    /// What the bridge keeps for ports changes, before they get VLANs.
    Port,
    /// Leaves get nexthops, then segments get their groups of them, then ports refer to these.
    Nexthop,
    Group,
    Backup,
    /// Interfaces get IP addresses.
    Renumber,
    Address,
    /// Frames of new VNIs are received.
    AddVnis,
    /// New VNIs have somewhere to go.
    Append,
    /// Ports get VLANs.
    AddVlans,
    /// The bridge receives frames to the MAC addresses of interfaces in its VLANs.
    Local,
    /// VLANs that get other VNIs forget the MAC addresses behind the old ones.
    Flush,
    /// VLANs get their VNIs. Those that lose theirs have to lose it before.
    Map,
    /// VLANs and instances get their states.
    Instance,
    /// The states of instances, which depend on the VLANs in them.
    State,
    /// Addresses go before routes come: with its last IPv4 address a device loses all of its routes.
    Unaddress,
    /// The MAC addresses of routers, then the neighbours that have them, then the routes through these.
    Remote,
    Neighbour,
    Route,
    /// What nothing uses any more goes, in the other direction.
    DeleteRoutes,
    DeleteNeighbours,
    DeleteRemotes,
    DeleteVlans,
    Unflood,
    DeleteVnis,
    Release,
    Delete,
    /// What is behind a group goes with it.
    DeleteGroups,
    DeleteNexthops,
}

/// Steps with their time.
#[derive(Debug, Default)]
pub(super) struct Steps {
    steps: Vec<(When, Step)>,
    others: Vec<Other>,
}

impl Steps {
    pub(super) fn push(&mut self, when: When, step: Step) {
        self.steps.push((when, step));
    }

    pub(super) fn other(&mut self, standing: Standing, object: impl Into<String>) {
        self.others.push(Other { standing, object: object.into() });
    }

    /// The plan. Steps of one time stay in the order in which they were added.
    pub(super) fn plan(mut self) -> Plan {
        self.steps.sort_by_key(|(when, _)| *when);
        Plan { steps: self.steps.into_iter().map(|(_, step)| step).collect(), others: self.others }
    }
}
