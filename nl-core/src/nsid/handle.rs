use std::os::fd::{AsFd, AsRawFd};

use super::codec::{Nsid, assign_request, decode_id, list_request, of_request};
use crate::connection::Connection;
use crate::dump::Dump;
use crate::error::{Ack, Error, Result};
use crate::netns::Netns;
use crate::pending::Pending;
use crate::protocol::Protocol;

/// The ids by which the connection's namespace knows others. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Nsids {
    conn: Connection,
}

impl Nsids {
    /// Over this connection, which must be one to [`Protocol::Route`].
    #[must_use]
    pub fn new(conn: Connection) -> Self {
        Self { conn }
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// Gives a namespace an id. With `None` the kernel chooses it, and [`of`](Self::of) reads it.
    ///
    /// An id lasts as long as the namespace and cannot be changed.
    ///
    /// Equivalent: `ip netns set NAME ID`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// The namespace has an id already, or another one has this id (`EEXIST`); an id over 2,147,483,647; a connection of
    /// another protocol.
    pub fn assign(&self, netns: &Netns, id: Option<u32>) -> Pending<Ack> {
        let (nsids, netns) = (self.clone(), netns.clone());
        Pending::new(async move {
            nsids.require()?;
            nsids.conn.acknowledged(assign_request(descriptor(&netns)?, id)).await
        })
    }

    /// The ids that namespaces have: a stream in constant memory.
    ///
    /// Equivalent: `ip netns list-id`. Needs no privilege.
    ///
    /// # Errors
    /// A connection of another protocol.
    pub fn list(&self) -> Pending<Dump<Nsid>> {
        let nsids = self.clone();
        Pending::new(async move {
            nsids.require()?;
            Ok(nsids.conn.dump(list_request(), |message| Nsid::decode(message).map(Some)))
        })
    }

    /// The id of a namespace; `None` if it has none.
    ///
    /// Equivalent: the `id` of `ip netns list`. Needs no privilege.
    ///
    /// # Errors
    /// A connection of another protocol.
    pub fn of(&self, netns: &Netns) -> Pending<Option<u32>> {
        let (nsids, netns) = (self.clone(), netns.clone());
        Pending::new(async move {
            nsids.require()?;
            nsids.conn.answered(of_request(descriptor(&netns)?), decode_id).await
        })
    }

    fn require(&self) -> Result<()> {
        self.conn.require(Protocol::Route, "ids of namespaces")
    }
}

/// The number of the descriptor, which the kernel looks up while the request is sent.
fn descriptor(netns: &Netns) -> Result<u32> {
    let fd = netns.as_fd().as_raw_fd();
    u32::try_from(fd).map_err(|_| Error::usage("the namespace has no descriptor"))
}
