// Three policies that act on time and on bytes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use nl_mptcp::Token;
use nl_mptcp::path_manager::{PathEvent, Plan, Policy};
use nl_mptcp::subflow::Subflow;

/// No subflow by an interface that costs money, unless the connection has sent more than a number of bytes.
pub(crate) struct Heavy {
    pub(crate) dev: String,
    pub(crate) bytes: u64,
}

impl Policy for Heavy {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        let token = match *event {
            PathEvent::Established { token } => return plan.watch(token),
            PathEvent::Counted { token } => token,
            _ => return,
        };
        let Some(connection) = plan.table().connection(token) else { return };
        if connection.server_side != Some(false)
            || connection.counters.is_none_or(|c| c.bytes_sent <= self.bytes)
        {
            return;
        }
        let remote = connection.remote;
        let here = plan.table().usable_addresses().filter(|(interface, _)| interface.name == self.dev);
        let fits = |address: &IpAddr| address.is_ipv4() == remote.is_ipv4();
        let local = here.map(|(_, address)| address).find(fits);
        if let Some(local) = local {
            let mut subflow = Subflow::new((local, 0).into(), remote);
            subflow.index = plan.table().binding(local);
            plan.create(token, subflow);
            plan.unwatch(token);
        }
    }
}

/// A subflow whose round-trip time has doubled becomes a backup while another one is better, and a regular one when it has recovered.
pub(crate) struct Steady;

/// Within a local network, round-trip times double by themselves.
const NOISE: Duration = Duration::from_millis(5);

impl Policy for Steady {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        let token = match *event {
            PathEvent::Established { token } => return plan.watch(token),
            PathEvent::Counted { token } => token,
            _ => return,
        };
        let Some(connection) = plan.table().connection(token) else { return };
        let open = connection.subflows.iter().filter(|s| s.is_established() && !s.is_closing());
        let counted: Vec<_> = open.filter_map(|s| Some((s.local, s.remote, s.backup, s.counters?))).collect();
        let best = counted.iter().map(|(.., c)| c.rtt).min().unwrap_or_default();
        for (local, remote, backup, c) in counted {
            match backup {
                false if c.rtt > 2 * c.min_rtt + NOISE && c.rtt > best => plan.backup(token, local, remote),
                true if c.rtt == best || c.rtt < c.min_rtt * 3 / 2 => plan.nobackup(token, local, remote),
                _ => {}
            }
        }
    }
}

/// A subflow of this side that is not established, or is closed with an error, is created again after this time.
pub(crate) struct Again {
    pub(crate) after: Duration,
    pub(crate) waiting: BTreeMap<Instant, Vec<(Token, Subflow)>>,
}

impl Policy for Again {
    fn decide(&mut self, event: &PathEvent, plan: &mut Plan<'_>) {
        match event {
            PathEvent::SubflowClosed { token, subflow: s, error }
                if s.created_here && (!s.is_established() || error.is_some()) =>
            {
                let mut again = Subflow::new((s.local.ip(), 0).into(), s.remote);
                again.index = s.index;
                self.waiting.entry(plan.now() + self.after).or_default().push((*token, again));
                plan.wake_after(self.after);
            }
            PathEvent::Woken => {
                let later = self.waiting.split_off(&(plan.now() + Duration::from_nanos(1)));
                let due = std::mem::replace(&mut self.waiting, later);
                for (token, again) in due.into_values().flatten() {
                    let connection = plan.table().connection(token);
                    if connection.is_some_and(|c| !c.has_subflow(again.local.ip(), again.remote)) {
                        plan.create(token, again);
                    }
                }
            }
            _ => {}
        }
    }
}
