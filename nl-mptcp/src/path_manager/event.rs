use std::fmt;
use std::net::{IpAddr, SocketAddr};

use nl_core::Error;
use nl_core::error::Errno;

use super::plan::Decision;
use super::table::{Interface, SubflowState};
use crate::{AddressId, Token};

/// What happened. The [table](super::Table) already shows it.
/// After lost events, the differences between the table and the lists are reported as events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathEvent {
    /// An address was added to an interface that is up.
    AddressAdded {
        /// The interface.
        index: u32,
        /// The address.
        address: IpAddr,
    },
    /// An address was removed from an interface.
    AddressRemoved {
        /// The interface.
        index: u32,
        /// The address.
        address: IpAddr,
    },
    /// The peer announced an address.
    Announced {
        /// The connection.
        token: Token,
        /// The peer's id of the address.
        id: AddressId,
        /// The address and port.
        remote: SocketAddr,
    },
    /// A connection was closed. Its waiting decisions are reported as [`Ended`](Report::Ended).
    Closed {
        /// The connection.
        token: Token,
    },
    /// The [counters](super::ConnectionState#structfield.counters) of a connection that a policy [watches](super::Plan::watch) were
    /// read.
    Counted {
        /// The connection.
        token: Token,
    },
    /// A connection can have further subflows.
    Established {
        /// The connection.
        token: Token,
    },
    /// The kernel refused a decision. A policy that decides the same again may repeat it forever. A subflow that the peer refuses, or
    /// does not answer, is [`SubflowClosed`](Self::SubflowClosed) before it was established.
    Failed {
        /// The decision.
        decision: Decision,
        /// The kernel's error number, if the kernel refused it.
        errno: Option<Errno>,
    },
    /// An interface went down or was deleted.
    InterfaceDown {
        /// Its last state.
        interface: Interface,
    },
    /// An interface came up, or a new one is up.
    InterfaceUp {
        /// The interface.
        index: u32,
    },
    /// A subflow was closed, or could not be established.
    SubflowClosed {
        /// The connection.
        token: Token,
        /// The subflow.
        subflow: SubflowState,
        /// The error that closed it.
        error: Option<Errno>,
    },
    /// A subflow was established. The initial one is reported with its connection, as are all subflows of a connection that a list found.
    SubflowEstablished {
        /// The connection.
        token: Token,
        /// The subflow.
        subflow: SubflowState,
    },
    /// The peer made a subflow a backup, or a regular one.
    SubflowPriority {
        /// The connection.
        token: Token,
        /// The subflow.
        subflow: SubflowState,
    },
    /// The table equals the kernel's state: everything that existed at the start, or that was missed when events were lost, has been reported.
    Synced,
    /// The peer withdrew an address.
    Withdrawn {
        /// The connection.
        token: Token,
        /// The peer's id of the address.
        id: AddressId,
    },
    /// A time has come that a policy [asked for](super::Plan::wake_after), or that of [`every`](super::PathManagerBuilder::every); or
    /// the program called [`wake`](super::PathManager::wake). Every policy is called, and times close to each other are one call.
    Woken,
}

/// Why a [`PathManager`](super::PathManager) will not be asked about any new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Idle {
    /// `net.mptcp.enabled` is 0: no Multipath TCP socket can be created.
    Disabled,
    /// `net.mptcp.path_manager` (`net.mptcp.pm_type` before Linux 6.15) does not select the userspace path manager.
    KernelPathManager,
}

/// What to change, in words.
impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "Multipath TCP is off: sysctl net.mptcp.enabled=1",
            Self::KernelPathManager => {
                "new connections are left to the kernel's path manager: sysctl net.mptcp.pm_type=1"
            }
        })
    }
}

/// What a [`PathManager`](super::PathManager) yields.
#[derive(Debug)]
#[non_exhaustive]
pub enum Report {
    /// A decision was executed; a new subflow is established.
    Done(Decision),
    /// A decision was not executed because its connection had ended, which is no fault: connections end at any time. These are
    /// [counted](super::PathManager::ended). The policy is not called.
    Ended(Decision),
    /// An event.
    Event(PathEvent),
    /// A decision failed. A new subflow that the kernel had accepted fails with the error that closed it, `ECONNABORTED` if the kernel
    /// reports none.
    Failed {
        /// The decision.
        decision: Decision,
        /// Why it failed.
        error: Error,
    },
    /// No new connection will be managed, because of a setting. Reported before [`Synced`](PathEvent::Synced), also after lost events
    /// if that changed. Connections that exist keep their path manager. That new connections are managed again is no report:
    /// [`idle`](super::PathManager::idle) says so.
    Idle(Idle),
    /// The first packet of a new subflow was sent. [`Done`](Self::Done), [`Failed`](Self::Failed) or [`Ended`](Self::Ended) follows:
    /// if the peer does not answer, after as many retransmissions as `net.ipv4.tcp_syn_retries` says.
    Pending(Decision),
}
