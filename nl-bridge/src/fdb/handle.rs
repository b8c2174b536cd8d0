use nl_core::Request;
use nl_core::addr::Dev;
use nl_core::batch::Batch;
use nl_core::connection::Connection;
use nl_core::error::{Ack, Error, Result};
use nl_core::{MacAddr, Pending, Protocol};

use super::codec::{FdbEntry, fdb_options};
use super::entries::Entries;
use super::verb::FdbVerb;

/// The forwarding databases of the connection's namespace. Cheap to clone.
///
/// ```no_run
/// use nl_bridge::fdb::Fdb;
/// use nl_core::{Connection, Protocol};
///
/// # async fn example() -> nl_core::Result<()> {
/// let fdb = Fdb::new(Connection::open(Protocol::Route)?);
/// fdb.entry("02:00:00:00:00:01".parse()?, "swp1").master().static_().vlan(10).add().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Fdb {
    conn: Connection,
}

impl Fdb {
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

    /// One entry, to be added, changed, deleted or read: `mac` on the device `dev`.
    ///
    /// By default it is meant for the device's own table (`self`) and permanent, like with `bridge fdb`.
    pub fn entry(&self, mac: MacAddr, dev: impl Into<Dev>) -> Entry {
        Entry { fdb: self.clone(), dev: dev.into(), via: None, entry: FdbEntry::new(mac, 0) }
    }

    /// All entries, or those that match, to be listed or flushed.
    pub fn entries(&self) -> Entries {
        Entries::new(self.conn.clone())
    }

    /// Thousands of changes in few system calls: a stream of one result per change, in order.
    ///
    /// ```no_run
    /// use nl_bridge::fdb::{Fdb, FdbEntry, FdbVerb};
    ///
    /// # async fn example(fdb: Fdb, port: u32, macs: Vec<nl_core::MacAddr>) -> nl_core::Result<()> {
    /// let entries = macs.into_iter().map(move |mac| FdbEntry::new(mac, port).master().static_());
    /// let summary = fdb.batch(entries.map(|entry| (FdbVerb::Replace, entry))).summarize(10).await?;
    /// println!("{} added, {} refused", summary.succeeded, summary.failed);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// See [`nl_core::batch`]. Devices are given by index here. [`FdbVerb::Get`] is refused, because its answer would be lost.
    pub fn batch<I>(&self, changes: I) -> Batch<impl Iterator<Item = Request> + use<I>>
    where
        I: IntoIterator<Item = (FdbVerb, FdbEntry)>,
    {
        self.conn.batch(changes.into_iter().map(|(verb, entry)| {
            match verb {
                FdbVerb::Get => entry
                    .request(verb)
                    .invalid_if(Err("a batch cannot read entries: use Fdb::entry().get()".into())),
                _ => entry.request(verb),
            }
        }))
    }

    pub(super) async fn index(&self, dev: &Dev) -> Result<u32> {
        match self.conn.known_index(dev)? {
            Some(index) => Ok(index),
            None => self.conn.link_index(dev).await,
        }
    }
}

/// One entry to be added, changed, deleted or read. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Entry {
    fdb: Fdb,
    dev: Dev,
    via: Option<Dev>,
    entry: FdbEntry,
}

fdb_options!(Entry[entry]);

impl Entry {
    /// VXLAN: sent through this device (`via`).
    pub fn via(mut self, dev: impl Into<Dev>) -> Self {
        self.via = Some(dev.into());
        self
    }

    /// Adds the entry; fails if it exists. [`FdbVerb::Add`] names the exceptions.
    ///
    /// Equivalent: `bridge fdb add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EEXIST` ([`is_exists`](Error::is_exists)); no such device; `EINVAL` for a VLAN the port is not in; `EPERM` for a
    /// dynamic entry on a port that is down; bad input, before the kernel is asked.
    pub fn add(self) -> Pending<Ack> {
        self.change(FdbVerb::Add)
    }

    /// Adds the entry, or changes the existing one.
    ///
    /// Equivalent: `bridge fdb replace`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) but for `EEXIST`; a group or all-zero MAC address on a VXLAN device.
    pub fn replace(self) -> Pending<Ack> {
        self.change(FdbVerb::Replace)
    }

    /// Adds a remote to a group or all-zero MAC address of a VXLAN device. An existing one is left alone.
    ///
    /// Equivalent: `bridge fdb append`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) but for `EEXIST`; another MAC address, for which the kernel would ignore the remote.
    pub fn append(self) -> Pending<Ack> {
        self.change(FdbVerb::Append)
    }

    /// Deletes the entry. On a VXLAN device: this remote of it, or all of them if none is given.
    ///
    /// Equivalent: `bridge fdb del`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if there is no such entry on the device. On a VXLAN device the
    /// kernel says success if the address is there with other remotes only, and does not compare the nexthop. A remote is identified
    /// by its address, UDP port, VNI and interface.
    pub fn delete(self) -> Pending<Ack> {
        self.change(FdbVerb::Delete)
    }

    /// Reads the entry.
    ///
    /// With [`master`](Self::master) it is looked up in the bridge above the device, and found whatever port it is on; without
    /// a VLAN it is the one in no VLAN. On a VXLAN device only the first of several remotes is read.
    ///
    /// Equivalent: `bridge fdb get`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if there is no such entry; `EOPNOTSUPP` if the device has no table
    /// that can be asked.
    pub fn get(mut self) -> Pending<FdbEntry> {
        Pending::new(async move {
            let found = match self.resolve(FdbVerb::Get).await {
                Ok(()) => self.fdb.conn.answered(self.entry.request(FdbVerb::Get), FdbEntry::decode).await,
                Err(error) => Err(error),
            };
            found.map_err(|error| self.explain(error))
        })
    }

    fn change(mut self, verb: FdbVerb) -> Pending<Ack> {
        Pending::new(async move {
            let outcome = match self.resolve(verb).await {
                Ok(()) => self.fdb.conn.acknowledged(self.entry.request(verb)).await,
                Err(error) => Err(error),
            };
            outcome.map_err(|error| self.explain(error))
        })
    }

    /// Puts indexes in place of names.
    async fn resolve(&mut self, verb: FdbVerb) -> Result<()> {
        self.fdb.conn.require(Protocol::Route, "FDB entries")?;
        match self.fdb.index(&self.dev).await {
            Ok(index) => self.entry.index = index,
            Err(error) => return Err(self.entry.request(verb).not_sent(error)),
        }
        if let Some(via) = &self.via {
            self.entry.via = Some(0);
            match self.fdb.index(via).await {
                Ok(index) => self.entry.via = Some(index),
                Err(error) => return Err(self.entry.request(verb).not_sent(error)),
            }
        }
        Ok(())
    }

    /// Calls the devices in an error as they were given.
    fn explain(&self, error: Error) -> Error {
        let error = error.naming(self.entry.index, &self.dev);
        match (&self.via, self.entry.via) {
            (Some(via), Some(index)) => error.naming(index, via),
            _ => error,
        }
    }
}
