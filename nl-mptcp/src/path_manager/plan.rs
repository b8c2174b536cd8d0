use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nl_core::{Error, Result};

use super::clock::Clock;
use super::table::{SubflowPhase, SubflowState, Table, canonical};
use crate::endpoint::Endpoint;
use crate::subflow::Subflow;
use crate::{AddressId, Mptcp, Token};

/// A change to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Announce a local address to the peer.
    Announce {
        /// The connection.
        token: Token,
        /// The address, its id, and its own port if it has one.
        endpoint: Endpoint,
    },
    /// Create a subflow.
    Create {
        /// The connection.
        token: Token,
        /// The subflow.
        subflow: Subflow,
    },
    /// Destroy a subflow.
    Destroy {
        /// The connection.
        token: Token,
        /// Its address and port on this side.
        local: SocketAddr,
        /// Those of the peer.
        remote: SocketAddr,
    },
    /// Make a subflow a backup, or a regular one.
    SetBackup {
        /// The connection.
        token: Token,
        /// Its address and port on this side.
        local: SocketAddr,
        /// Those of the peer.
        remote: SocketAddr,
        /// Whether it becomes a backup.
        backup: bool,
    },
    /// Withdraw a local address from the peer, which closes the subflows from it.
    Withdraw {
        /// The connection.
        token: Token,
        /// The id of the address.
        id: AddressId,
    },
}

impl Decision {
    /// The connection it is about.
    #[must_use]
    pub fn token(&self) -> Token {
        match self {
            Self::Announce { token, .. }
            | Self::Create { token, .. }
            | Self::Destroy { token, .. }
            | Self::SetBackup { token, .. }
            | Self::Withdraw { token, .. } => *token,
        }
    }

    /// Sends it to the kernel.
    pub(super) async fn execute(self, mptcp: &Mptcp) -> Result<()> {
        let connection = mptcp.mptcp_connection(self.token());
        match self {
            Self::Announce { endpoint, .. } => connection.announcement(endpoint).announce().await,
            Self::Create { subflow, .. } => connection.creation(subflow).create().await,
            Self::Destroy { local, remote, .. } => connection.subflow(local, remote).destroy().await,
            Self::SetBackup { local, remote, backup, .. } => {
                let entry = connection.subflow(local, remote);
                if backup { entry.backup().change().await } else { entry.nobackup().change().await }
            }
            Self::Withdraw { id, .. } => connection.withdraw(id).await,
        }
        .map(drop)
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Announce { endpoint, .. } => write!(f, "announce {endpoint}")?,
            Self::Create { subflow, .. } => write!(f, "create subflow {subflow}")?,
            Self::Destroy { local, remote, .. } => write!(f, "destroy subflow {local} to {remote}")?,
            Self::SetBackup { local, remote, backup, .. } => {
                write!(
                    f,
                    "make subflow {local} to {remote} {}",
                    if *backup { "a backup" } else { "regular" }
                )?;
            }
            Self::Withdraw { id, .. } => write!(f, "withdraw address id {id}")?,
        }
        write!(f, " token {}", self.token())
    }
}

/// How a [`Policy`](super::Policy) decides: it reads the [table](Self::table) and issues decisions, which the table shows at once.
/// Decisions about a connection are executed one after the other, in order. A decision that is impossible, such as one about a connection that does not exist, is reported like one that fails.
pub struct Plan<'a> {
    pub(super) table: &'a mut Table,
    pub(super) made: &'a mut Vec<(u64, Decision)>,
    pub(super) refused: &'a mut Vec<(Decision, Error)>,
    pub(super) next: &'a mut u64,
    pub(super) clock: &'a mut Clock,
    /// Sees each decision before it is entered in the table.
    pub(super) guard: Option<&'a mut (dyn Guard + 'a)>,
}

/// Vetoes or alters decisions of a policy: what a [`Guarded`](super::Guarded) policy has beside it.
///
/// A closure `FnMut(&Table, Decision) -> Option<Decision>` is one.
pub trait Guard: Send {
    /// Returns the decision to be issued, which may be another one; `None` issues none. The table does not show the decision yet, and
    /// ids that the [`Plan`] would choose are 0.
    fn review(&mut self, table: &Table, decision: Decision) -> Option<Decision>;
}

impl<F: FnMut(&Table, Decision) -> Option<Decision> + Send> Guard for F {
    fn review(&mut self, table: &Table, decision: Decision) -> Option<Decision> {
        self(table, decision)
    }
}

impl Plan<'_> {
    /// The state after all decisions so far.
    #[must_use]
    pub fn table(&self) -> &Table {
        self.table
    }

    /// The time of this call.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.clock.now
    }

    /// Has the policy called after this time, with [`PathEvent::Woken`](super::PathEvent::Woken): not earlier, and up to 10
    /// milliseconds later.
    ///
    /// Times within 10 milliseconds are one call, so there are at most 100 for each second until the latest.
    pub fn wake_after(&mut self, time: Duration) {
        self.clock.wake_after(time);
    }

    /// Has the counters of the connection read until it is closed: at once, and then at
    /// [a bounded rate](super::PathManagerBuilder::counters_every). Nothing is done if it does not exist, or is watched already.
    ///
    /// The kernel has no look-up of the subflows of a connection, so each reading lists the established TCP sockets of the
    /// namespace, once for all connections that are watched. No connection, no reading.
    pub fn watch(&mut self, token: Token) {
        if self.table.connections.contains_key(&token) {
            self.clock.watch(token);
        }
    }

    /// Has the counters of the connection read no more. The last ones stay in the table.
    pub fn unwatch(&mut self, token: Token) {
        self.clock.unwatch(token);
    }

    /// Issues a decision: what the methods named after the decisions do, for one that comes from elsewhere.
    pub fn issue(&mut self, decision: Decision) {
        let reviewed = match &mut self.guard {
            Some(guard) => guard.review(self.table, decision),
            None => Some(decision),
        };
        match reviewed {
            None => {}
            Some(Decision::Announce { token, endpoint }) => self.enter_announcement(token, endpoint),
            Some(Decision::Create { token, subflow }) => self.enter_creation(token, subflow),
            Some(Decision::Destroy { token, local, remote }) => self.enter_destruction(token, local, remote),
            Some(Decision::SetBackup { token, local, remote, backup }) => {
                self.enter_backup(token, local, remote, backup);
            }
            Some(Decision::Withdraw { token, id }) => self.enter_withdrawal(token, id),
        }
    }

    /// Announces a local address to the peer. Without an id it gets its existing id, or a free one.
    pub fn announce(&mut self, token: Token, endpoint: Endpoint) {
        self.issue(Decision::Announce { token, endpoint });
    }

    /// Withdraws a local address from the peer, which closes the subflows from it. Id 0 is the initial subflow's. Where the path is
    /// broken this side does not notice that: [destroy](Self::destroy) them as well.
    pub fn withdraw(&mut self, token: Token, id: impl Into<AddressId>) {
        self.issue(Decision::Withdraw { token, id: id.into() });
    }

    /// Creates a subflow. Without an id its local address gets its existing id, or a free one.
    /// Refused before the connection is established, and with an id in use if the local address does not exist: the kernel would
    /// fail too, and forget the id.
    pub fn create(&mut self, token: Token, subflow: Subflow) {
        self.issue(Decision::Create { token, subflow });
    }

    /// Destroys an established subflow. Nothing is done if an earlier decision destroys it.
    pub fn destroy(&mut self, token: Token, local: SocketAddr, remote: SocketAddr) {
        self.issue(Decision::Destroy { token, local: canonical(local), remote: canonical(remote) });
    }

    /// Makes an established subflow a backup: it carries data only when no regular subflow can. Nothing is done if it is one.
    pub fn backup(&mut self, token: Token, local: SocketAddr, remote: SocketAddr) {
        let (local, remote) = (canonical(local), canonical(remote));
        self.issue(Decision::SetBackup { token, local, remote, backup: true });
    }

    /// Makes a backup a regular subflow. Nothing is done if it is one.
    pub fn nobackup(&mut self, token: Token, local: SocketAddr, remote: SocketAddr) {
        let (local, remote) = (canonical(local), canonical(remote));
        self.issue(Decision::SetBackup { token, local, remote, backup: false });
    }

    fn enter_announcement(&mut self, token: Token, mut endpoint: Endpoint) {
        let connection = match self.table.ours_mut(token) {
            Ok(connection) => connection,
            Err(why) => return self.refuse(Decision::Announce { token, endpoint }, why),
        };
        if endpoint.id.is_initial() {
            match connection.id_of(endpoint.address).or_else(|| connection.free_id()) {
                Some(id) => endpoint.id = id,
                None => return self.refuse(Decision::Announce { token, endpoint }, NO_ID),
            }
        }
        connection.announced.insert(endpoint.id, (endpoint.address, endpoint.port));
        self.decide(Decision::Announce { token, endpoint });
    }

    fn enter_withdrawal(&mut self, token: Token, id: AddressId) {
        match self.table.ours_mut(token) {
            Err(why) => self.refuse(Decision::Withdraw { token, id }, why),
            Ok(connection) => {
                connection.announced.remove(&id);
                self.decide(Decision::Withdraw { token, id });
            }
        }
    }

    fn enter_creation(&mut self, token: Token, mut subflow: Subflow) {
        let here = subflow.local.ip().is_loopback()
            || self.table.interfaces.is_empty()
            || self.table.interface_of(subflow.local.ip()).is_some();
        let connection = match self.table.ours_mut(token) {
            Ok(connection) if connection.established => connection,
            Ok(_) => return self.refuse(Decision::Create { token, subflow }, NOT_ESTABLISHED),
            Err(why) => return self.refuse(Decision::Create { token, subflow }, why),
        };
        if let Err(why) = subflow.check_interface() {
            return self.refuse(Decision::Create { token, subflow }, why.to_string());
        }
        // The table has no scopes.
        subflow.index = subflow.interface();
        subflow.local = canonical(subflow.local);
        subflow.remote = canonical(subflow.remote);
        if subflow.id.is_initial() {
            match connection.id_of(subflow.local.ip()).or_else(|| connection.free_id()) {
                Some(id) => subflow.id = id,
                None => return self.refuse(Decision::Create { token, subflow }, NO_ID),
            }
        }
        if !here && connection.uses(subflow.id) {
            return self.refuse(Decision::Create { token, subflow }, NO_ADDRESS);
        }
        let mut state = SubflowState::new(subflow.local, subflow.remote, SubflowPhase::Planned(*self.next));
        (state.local_id, state.index) = (subflow.id, subflow.index);
        state.set_backup(subflow.backup);
        (state.created_here, state.decided) = (true, true);
        connection.subflows.push(state);
        self.decide(Decision::Create { token, subflow });
    }

    fn enter_destruction(&mut self, token: Token, local: SocketAddr, remote: SocketAddr) {
        let decision = Decision::Destroy { token, local: canonical(local), remote: canonical(remote) };
        let number = *self.next;
        match self.subflow(token, local, remote) {
            Err(why) => self.refuse(decision, why),
            Ok(subflow) if subflow.is_closing() => {}
            Ok(subflow) => {
                subflow.phase = SubflowPhase::Closing(number);
                self.decide(decision);
            }
        }
    }

    fn enter_backup(&mut self, token: Token, local: SocketAddr, remote: SocketAddr, backup: bool) {
        let decision =
            Decision::SetBackup { token, local: canonical(local), remote: canonical(remote), backup };
        match self.subflow(token, local, remote) {
            Err(why) => self.refuse(decision, why),
            Ok(subflow) if subflow.backup == backup => {}
            Ok(subflow) => {
                subflow.backup = backup;
                self.decide(decision);
            }
        }
    }

    fn subflow(
        &mut self,
        token: Token,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<&mut SubflowState, &'static str> {
        let connection = self.table.ours_mut(token)?;
        let subflow = connection.subflow_mut(local, remote).ok_or("the connection has no such subflow")?;
        if subflow.is_established() { Ok(subflow) } else { Err("the subflow is not established yet") }
    }

    fn decide(&mut self, decision: Decision) {
        self.made.push((*self.next, decision));
        *self.next += 1;
    }

    fn refuse(&mut self, decision: Decision, why: impl Into<Cow<'static, str>>) {
        let error = Error::usage(why).during(|| decision.to_string());
        self.refused.push((decision, error));
    }
}

impl fmt::Debug for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("table", &self.table).field("made", &self.made).finish_non_exhaustive()
    }
}

const NOT_ESTABLISHED: &str = "the connection is not established yet";
const NO_ADDRESS: &str =
    "no interface has the local address, and the kernel would forget its id, which is in use";
const NO_ID: &str = "the connection has 255 local addresses, the maximum";
