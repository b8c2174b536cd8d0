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
    /// A connection was closed. Its waiting decisions are dropped.
    Closed {
        /// The connection.
        token: Token,
    },
    /// A connection can have further subflows.
    Established {
        /// The connection.
        token: Token,
    },
    /// A decision failed. A policy that decides the same again may repeat it forever.
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
}

/// What a [`PathManager`](super::PathManager) yields.
#[derive(Debug)]
#[non_exhaustive]
pub enum Report {
    /// A decision was executed. For a new subflow this means that the first packet was sent.
    Done(Decision),
    /// An event.
    Event(PathEvent),
    /// A decision failed.
    Failed {
        /// The decision.
        decision: Decision,
        /// Why it failed.
        error: Error,
    },
}
