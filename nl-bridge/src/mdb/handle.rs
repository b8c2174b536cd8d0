use nl_core::addr::Dev;
use nl_core::batch::Batch;
use nl_core::connection::Connection;
use nl_core::dump::Dump;
use nl_core::error::{Ack, Errno, Error, KernelError, Result, Since};
use nl_core::{Pending, Protocol, Request};

use super::entry::mdb_options;
use super::explain::explain;
use super::{MdbEntry, MdbFilter, MdbGroup, MdbTable, MdbVerb};

/// The multicast databases of the connection's namespace (`bridge mdb`). Cheap to clone.
///
/// ```no_run
/// use nl_bridge::mdb::Mdb;
/// use nl_core::{Connection, Protocol};
///
/// # async fn example() -> nl_core::Result<()> {
/// let mdb = Mdb::new(Connection::open(Protocol::Route)?);
/// let group: std::net::IpAddr = "239.1.1.1".parse().unwrap();
/// mdb.entry("br0", "swp1", group).permanent().add().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Mdb {
    conn: Connection,
}

impl Mdb {
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

    /// One entry: `group` on the port `port` of the bridge or VXLAN device `dev`. The port is `dev` itself for the host's own, and on
    /// VXLAN devices.
    pub fn entry(&self, dev: impl Into<Dev>, port: impl Into<Dev>, group: impl Into<MdbGroup>) -> Entry {
        Entry {
            mdb: self.clone(),
            dev: dev.into(),
            port: port.into(),
            via: None,
            entry: MdbEntry::new(0, 0, group),
        }
    }

    /// All entries, or those that match, to be listed or flushed.
    pub fn entries(&self) -> Entries {
        Entries { mdb: self.clone(), dev: None, port: None, filter: MdbFilter::default() }
    }

    /// Thousands of changes in few system calls: a stream of one result per change, in order.
    ///
    /// ```no_run
    /// use nl_bridge::mdb::{Mdb, MdbEntry, MdbVerb};
    /// use std::net::Ipv4Addr;
    ///
    /// # async fn example(mdb: Mdb, bridge: u32, port: u32) -> nl_core::Result<()> {
    /// let group = move |last| MdbEntry::new(bridge, port, std::net::IpAddr::from(Ipv4Addr::new(239, 1, 1, last))).permanent();
    /// let summary = mdb.batch((1..=200).map(move |last| (MdbVerb::Add, group(last)))).summarize(10).await?;
    /// println!("{} added, {} refused", summary.succeeded, summary.failed);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// See [`nl_core::batch`]. Devices are given by index here. [`MdbVerb::Get`] is refused, because its answer would be lost.
    pub fn batch<I>(&self, changes: I) -> Batch<impl Iterator<Item = Request> + use<I>>
    where
        I: IntoIterator<Item = (MdbVerb, MdbEntry)>,
    {
        self.conn.batch(changes.into_iter().map(|(verb, entry)| {
            match verb {
                MdbVerb::Get => entry
                    .request(verb)
                    .invalid_if(Err("a batch cannot read entries: use Mdb::entry().get()".into())),
                _ => entry.request(verb),
            }
        }))
    }
}

/// One entry to be added, changed, deleted or read. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Entry {
    mdb: Mdb,
    dev: Dev,
    port: Dev,
    via: Option<Dev>,
    entry: MdbEntry,
}

mdb_options!(Entry[entry]);

impl Entry {
    /// VXLAN: sent through this device (`via`).
    pub fn via(mut self, dev: impl Into<Dev>) -> Self {
        self.via = Some(dev.into());
        self
    }

    /// The entry as it is written, in which devices that were given by name are 0.
    #[must_use]
    pub fn entry(&self) -> &MdbEntry {
        &self.entry
    }

    /// Makes the entry; fails if it is there.
    ///
    /// Equivalent: `bridge mdb add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EEXIST` ([`is_exists`](Error::is_exists)); no such device; `EINVAL` on a bridge that is down or does not snoop, and for a port that
    /// is down, with a [hint](Error::hint); bad input, before the kernel is asked; [`Unsupported`](nl_core::error::ErrorKind::Unsupported) for what the
    /// kernel is too old for.
    pub fn add(self) -> Pending<Ack> {
        self.change(MdbVerb::Add)
    }

    /// Makes the entry, or changes the one that is there. Linux 6.2.
    ///
    /// Equivalent: `bridge mdb replace`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) but for `EEXIST`.
    pub fn replace(self) -> Pending<Ack> {
        self.change(MdbVerb::Replace)
    }

    /// Removes the entry.
    ///
    /// Equivalent: `bridge mdb del`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` or `EINVAL` if there is none; as [`add`](Self::add).
    pub fn delete(self) -> Pending<Ack> {
        self.change(MdbVerb::Delete)
    }

    /// Reads the entries of the group, on whatever port they are. Linux 6.7.
    ///
    /// Equivalent: `bridge mdb get`. Needs no privilege.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if there is none;
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) before Linux 6.7.
    pub fn get(mut self) -> Pending<Vec<MdbEntry>> {
        Pending::new(async move {
            let found = match self.resolve(MdbVerb::Get).await {
                Ok(()) => {
                    let request = self.entry.request(MdbVerb::Get);
                    self.mdb.conn.answered(request, MdbTable::decode).await.map(|table| table.entries)
                }
                Err(error) => Err(error),
            };
            found.map_err(|error| {
                let lacks = |kernel: &KernelError| kernel.errno == Errno::EOPNOTSUPP;
                self.explain(error.or_unsupported(lacks, "reading one multicast entry", Since::linux(6, 7)))
            })
        })
    }

    fn change(mut self, verb: MdbVerb) -> Pending<Ack> {
        Pending::new(async move {
            let outcome = match self.resolve(verb).await {
                Ok(()) => self.mdb.conn.acknowledged(self.entry.request(verb)).await,
                Err(error) => Err(error),
            };
            outcome.map_err(|error| self.explain(self.too_new(verb, error)))
        })
    }

    /// Says so where a refusal means that the kernel is too old.
    fn too_new(&self, verb: MdbVerb, error: Error) -> Error {
        let tunnel = self.entry.is_tunnel();
        let unknown = |kernel: &KernelError| {
            kernel.ext_ack.message.as_deref().is_some_and(|text| text.starts_with("Unknown attribute type"))
        };
        let error = error.or_unsupported(
            |kernel| kernel.errno == Errno::EOPNOTSUPP && tunnel,
            "the multicast database of VXLAN devices",
            Since::linux(6, 4),
        );
        let error = error.or_unsupported(
            |kernel| unknown(kernel) && !tunnel,
            "sources, a mode or a protocol of multicast entries",
            Since::linux(6, 2),
        );
        error.or_unsupported(
            |kernel| verb == MdbVerb::Replace && kernel.errno == Errno::EEXIST,
            "replacing multicast entries",
            Since::linux(6, 2),
        )
    }

    /// Puts indexes in place of names.
    async fn resolve(&mut self, verb: MdbVerb) -> Result<()> {
        let conn = self.mdb.conn.clone();
        conn.require(Protocol::Route, "multicast entries")?;
        let places = [
            (Some(&self.dev), &mut self.entry.dev),
            (Some(&self.port), &mut self.entry.port),
            (self.via.as_ref(), self.entry.via.get_or_insert(0)),
        ];
        let mut failed = None;
        for (dev, index) in places {
            let Some(dev) = dev.filter(|_| failed.is_none()) else { continue };
            match conn.link_index(dev).await {
                Ok(found) => *index = found,
                Err(error) => failed = Some(error),
            }
        }
        if self.via.is_none() {
            self.entry.via = None;
        }
        match failed {
            None => Ok(()),
            Some(error) => Err(self.entry.request(verb).not_sent(error)),
        }
    }

    /// Calls the devices in an error as they were given.
    fn explain(&self, error: Error) -> Error {
        let error = explain(error).naming(self.entry.dev, &self.dev).naming(self.entry.port, &self.port);
        match (&self.via, self.entry.via) {
            (Some(via), Some(index)) => error.naming(index, via),
            _ => error,
        }
    }
}

/// All entries, or those that match. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Entries {
    mdb: Mdb,
    dev: Option<Dev>,
    port: Option<Dev>,
    filter: MdbFilter,
}

nl_core::setters! { Entries [filter]
    /// In this VLAN, 1 to 4094 (`vid`).
    vlan(filter, vlan: u16) { filter.vlan = Some(vlan); }
    /// Put there by this protocol, `RTPROT_*` (`proto`).
    protocol(filter, protocol: u8) { filter.protocol = Some(protocol); }
    /// Those that do not age, or those that do (`permanent`, `nopermanent`).
    permanent(filter, yes: bool) { filter.permanent = Some(yes); }
    /// VXLAN: to this endpoint (`dst`).
    dst(filter, dst: std::net::IpAddr) { filter.dst = Some(dst); }
    /// VXLAN: to this UDP port (`dst_port`).
    dst_port(filter, port: u16) { filter.dst_port = Some(port); }
    /// VXLAN: with this VNI (`vni`).
    vni(filter, vni: u32) { filter.vni = Some(vni); }
    /// VXLAN: of this VNI (`src_vni`).
    src_vni(filter, vni: u32) { filter.src_vni = Some(vni); }
}

impl Entries {
    /// Of this bridge or VXLAN device (`dev`). When listing, filtered while reading.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// Of this port (`port`). When listing, filtered while reading.
    pub fn port(mut self, dev: impl Into<Dev>) -> Self {
        self.port = Some(dev.into());
        self
    }

    /// Lists them: a stream in constant memory, of a part of a table each. Everything is filtered while reading.
    ///
    /// Equivalent: `bridge -d mdb show`. Needs no privilege.
    ///
    /// # Errors
    /// No such device; a VLAN or VNI that cannot be.
    pub fn list(self) -> Pending<Dump<MdbTable>> {
        Pending::new(async move {
            let filter = self.indexed("list").await?;
            Ok(self.mdb.conn.dump(filter.list_request(), move |message| {
                let mut table = MdbTable::decode(message)?;
                table.entries.retain(|entry| filter.matches(entry));
                table.routers.retain(|_| filter.dev.is_none_or(|dev| dev == table.dev));
                Ok((!table.entries.is_empty() || !table.routers.is_empty()).then_some(table))
            }))
        })
    }

    /// Removes them, in one request. Needs a [`dev`](Self::dev). Linux 6.8.
    ///
    /// Equivalent: `bridge mdb flush`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// No such device; [`Unsupported`](nl_core::error::ErrorKind::Unsupported) before Linux 6.8.
    pub fn flush(self) -> Pending<Ack> {
        Pending::new(async move {
            let filter = self.indexed("flush").await?;
            self.mdb.conn.acknowledged(filter.flush_request()).await.map_err(|error| {
                let error = error.or_unsupported(
                    |kernel| kernel.errno == Errno::EOPNOTSUPP,
                    "flushing multicast entries",
                    Since::linux(6, 8),
                );
                self.named(&filter, explain(error))
            })
        })
    }

    async fn indexed(&self, verb: &str) -> Result<MdbFilter> {
        let conn = &self.mdb.conn;
        conn.require(Protocol::Route, "multicast entries")?;
        let mut filter = self.filter.clone();
        for (index, dev) in [(&mut filter.dev, &self.dev), (&mut filter.port, &self.port)] {
            if let Some(dev) = dev {
                let found = conn.link_index(dev).await;
                *index = Some(found.map_err(|error| error.during(|| format!("{verb} mdb dev {dev}")))?);
            }
        }
        Ok(filter)
    }

    fn named(&self, filter: &MdbFilter, mut error: Error) -> Error {
        for (index, dev) in [(filter.dev, &self.dev), (filter.port, &self.port)] {
            if let (Some(index), Some(dev)) = (index, dev) {
                error = error.naming(index, dev);
            }
        }
        error
    }
}
