use nl_core::addr::Dev;
use nl_core::dump::Dump;
use nl_core::error::{Ack, Result};
use nl_core::{Connection, Pending, Protocol};

use super::codec::{MstEntry, list_request};
use crate::ranges::Checked;
use crate::state::StpState;
use crate::types::VlanRange;
use crate::vlan_db::{Global, VlanDb, explain};

/// The multiple spanning trees of the bridges in the connection's namespace. Cheap to clone.
///
/// ```no_run
/// use nl_bridge::mst::{Mst, StpState};
/// use nl_core::{Connection, Protocol};
///
/// # async fn example() -> nl_core::Result<()> {
/// let mst = Mst::new(Connection::open(Protocol::Route)?);
/// mst.entry("swp1", 5).state(StpState::Blocking).set().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Mst {
    conn: Connection,
}

impl Mst {
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

    /// VLANs of a bridge, to be put into an MSTI: [`msti`](Global::msti) and then [`set`](Global::set). Which VLANs are in which
    /// MSTI is listed by [`VlanDb::globals`].
    pub fn vlans(&self, bridge: impl Into<Dev>, vlans: impl Into<Checked<VlanRange>>) -> Global {
        VlanDb::new(self.conn.clone()).global(bridge, vlans)
    }

    /// An MSTI, 1 to 4095, of a port. Without a [`state`](Entry::state) it is to forward.
    pub fn entry(&self, port: impl Into<Dev>, msti: u16) -> Entry {
        Entry { conn: self.conn.clone(), dev: port.into(), entry: MstEntry::new(0, msti) }
    }

    /// The MSTIs of all ports, or those that match.
    pub fn entries(&self) -> Entries {
        Entries { conn: self.conn.clone(), dev: None, msti: None }
    }
}

/// An MSTI of a port, whose state is to be set. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Entry {
    conn: Connection,
    dev: Dev,
    entry: MstEntry,
}

impl Entry {
    /// In this state (`state`).
    pub fn state(mut self, state: StpState) -> Self {
        self.entry = self.entry.state(state);
        self
    }

    /// Sets the state. The kernel says success and does nothing for an MSTI that no VLAN of the port is in.
    ///
    /// Equivalent: `bridge mst set`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EBUSY` ([`is_busy`](nl_core::Error::is_busy)) without `mst_enabled` on the bridge, with
    /// a [hint](nl_core::Error::hint); the device is not a port of a bridge; bad input, before the kernel is asked.
    pub fn set(mut self) -> Pending<Ack> {
        Pending::new(async move {
            self.conn.require(Protocol::Route, "MST states")?;
            let found = self.conn.link_index(&self.dev).await;
            self.entry.index =
                found.map_err(|error| self.entry.request().not_sent(error).naming(0, &self.dev))?;
            let done = self.conn.acknowledged(self.entry.request()).await;
            done.map_err(|error| explain(error.naming(self.entry.index, &self.dev)))
        })
    }
}

/// The MSTIs of all ports, or those that match. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Entries {
    conn: Connection,
    dev: Option<Dev>,
    msti: Option<u16>,
}

impl Entries {
    /// Of this port (`dev`). Filtered while reading.
    pub fn dev(mut self, port: impl Into<Dev>) -> Self {
        self.dev = Some(port.into());
        self
    }

    /// This MSTI. Filtered while reading.
    pub fn msti(mut self, msti: u16) -> Self {
        self.msti = Some(msti);
        self
    }

    /// Lists them: the MSTIs that the VLANs of each port are in, the common tree (0) among them. A stream in constant memory.
    ///
    /// Equivalent: `bridge mst show`. Needs no privilege.
    ///
    /// # Errors
    /// No such device.
    pub fn list(self) -> Pending<Dump<MstEntry>> {
        Pending::new(async move {
            let index = self.index().await.map_err(|error| error.during(|| "list mst".into()))?;
            let (msti, mut found) = (self.msti, Vec::new());
            Ok(self.conn.dump_each(list_request(), move |message, entries| {
                let outcome = MstEntry::decode(message, &mut found);
                entries.extend(found.drain(..).filter(|entry: &MstEntry| {
                    index.is_none_or(|index| entry.index == index)
                        && msti.is_none_or(|msti| entry.msti == msti)
                }));
                outcome
            }))
        })
    }

    async fn index(&self) -> Result<Option<u32>> {
        self.conn.require(Protocol::Route, "MST states")?;
        match &self.dev {
            Some(dev) => Ok(Some(self.conn.link_index(dev).await?)),
            None => Ok(None),
        }
    }
}
