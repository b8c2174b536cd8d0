use std::net::{IpAddr, SocketAddr};

use nl_core::Error;
use nl_core::error::Errno;

use super::plan::Decision;
use super::table::{Interface, SubflowState};
use crate::{AddressId, Token};

/// What happened; the [table](super::Table) is as it is afterwards.
///
/// What happened while events were lost is told as the difference between what was known and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathEvent {
    /// An interface that is up has a further address.
    AddressAdded {
        /// The interface.
        index: u32,
        /// The address.
        address: IpAddr,
    },
    /// An address is gone from an interface.
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
        /// The address's number at the peer.
        id: AddressId,
        /// The address and port.
        remote: SocketAddr,
    },
    /// A connection is gone, and all decisions about it that were not carried out yet.
    Closed {
        /// Which it was.
        token: Token,
    },
    /// A connection can take further subflows, or was found that can.
    Established {
        /// Which.
        token: Token,
    },
    /// A decision was not carried out. A policy that decides the same again does so for ever.
    Failed {
        /// What was decided.
        decision: Decision,
        /// The kernel's number of the error, if it was the kernel.
        errno: Option<Errno>,
    },
    /// An interface can no longer carry packets, or is gone.
    InterfaceDown {
        /// How it was.
        interface: Interface,
    },
    /// An interface can carry packets, also one that is new.
    InterfaceUp {
        /// Which.
        index: u32,
    },
    /// A subflow is gone, or did not come about.
    SubflowClosed {
        /// The connection.
        token: Token,
        /// The subflow.
        subflow: SubflowState,
        /// Why, where it broke.
        error: Option<Errno>,
    },
    /// A subflow was made, or was found. The first one is told with its connection, like all that a connection has when it is found.
    SubflowEstablished {
        /// The connection.
        token: Token,
        /// The subflow.
        subflow: SubflowState,
    },
    /// The peer made a subflow a backup, or none any more.
    SubflowPriority {
        /// The connection.
        token: Token,
        /// The subflow.
        subflow: SubflowState,
    },
    /// The table is the kernel's: everything that was there when the path manager began, or that was missed when events were lost,
    /// has been told.
    Synced,
    /// The peer withdrew an address.
    Withdrawn {
        /// The connection.
        token: Token,
        /// The address's number at the peer.
        id: AddressId,
    },
}

/// What a [`PathManager`](super::PathManager) yields.
#[derive(Debug)]
#[non_exhaustive]
pub enum Report {
    /// A decision was carried out. For a subflow that is created this says that the first packet was sent.
    Done(Decision),
    /// An event.
    Event(PathEvent),
    /// A decision failed.
    Failed {
        /// The decision.
        decision: Decision,
        /// Why it was not carried out.
        error: Error,
    },
}
