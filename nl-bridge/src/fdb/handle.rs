use nl_core::Request;
use nl_core::addr::Dev;
use nl_core::batch::Batch;
use nl_core::connection::Connection;
use nl_core::dump::Dump;
use nl_core::error::{Ack, Errno, Error, Result, Since};
use nl_core::link::Link;
use nl_core::{MacAddr, Pending, Protocol};

use super::codec::fdb_options;
use super::{FdbEntry, FdbFilter, FdbFlags, FdbState, FdbVerb};

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
    /// Without more said it is meant for the device's own table (`self`) and permanent, as `bridge fdb` has it.
    pub fn entry(&self, mac: MacAddr, dev: impl Into<Dev>) -> Entry {
        Entry { fdb: self.clone(), dev: dev.into(), via: None, entry: FdbEntry::new(mac, 0) }
    }

    /// All entries, or those that match, to be listed or flushed.
    pub fn entries(&self) -> Entries {
        Entries { fdb: self.clone(), bridge: None, dev: None, filter: FdbFilter::default() }
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
    /// See [`nl_core::batch`]. Devices are given by index here. [`FdbVerb::Get`] is refused, for its answer would be lost.
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

    fn on_route(&self) -> Result<()> {
        self.conn.require(Protocol::Route, "FDB entries")
    }

    async fn index(&self, dev: &Dev) -> Result<u32> {
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

    /// Makes the entry; fails if it is there. See [`FdbVerb::Add`] for when the kernel does not keep to that.
    ///
    /// Equivalent: `bridge fdb add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EEXIST` ([`is_exists`](Error::is_exists)); no such device; `EINVAL` for a VLAN the port is not in; `EPERM` for a
    /// dynamic entry on a port that is down; bad input, before the kernel is asked.
    pub fn add(self) -> Pending<Ack> {
        self.change(FdbVerb::Add)
    }

    /// Makes the entry, or changes the one that is there.
    ///
    /// Equivalent: `bridge fdb replace`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) but for `EEXIST`; a group or all-zero MAC address on a VXLAN device.
    pub fn replace(self) -> Pending<Ack> {
        self.change(FdbVerb::Replace)
    }

    /// Adds a remote to a group or all-zero MAC address of a VXLAN device. One that is there already is left alone.
    ///
    /// Equivalent: `bridge fdb append`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) but for `EEXIST`; another MAC address, for which the kernel would ignore the remote.
    pub fn append(self) -> Pending<Ack> {
        self.change(FdbVerb::Append)
    }

    /// Removes the entry. On a VXLAN device: this remote of it, or all of them if none is given.
    ///
    /// Equivalent: `bridge fdb del`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if there is no such entry on the device. On a VXLAN device the
    /// kernel says success if the address is there with other remotes only, and does not compare the nexthop.
    pub fn delete(self) -> Pending<Ack> {
        self.change(FdbVerb::Delete)
    }

    /// Reads the entry.
    ///
    /// With [`master`](Self::master) it is looked up in the bridge above the device, and found whatever port it is on; without
    /// a VLAN it is the one in no VLAN. On a VXLAN device only the first of several remotes is told.
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

/// All entries, or those that match. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Entries {
    fdb: Fdb,
    bridge: Option<Dev>,
    dev: Option<Dev>,
    filter: FdbFilter,
}

impl Entries {
    /// Of this bridge: its table, and what its ports have in tables of their own (`br`). Filtered by the kernel.
    pub fn bridge(mut self, bridge: impl Into<Dev>) -> Self {
        self.bridge = Some(bridge.into());
        self
    }

    /// On this device (`dev`, `brport`). Filtered by the kernel.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// In this VLAN, 1 to 4094. When listing, filtered while reading.
    pub fn vlan(mut self, vlan: u16) -> Self {
        self.filter.vlan = Some(vlan);
        self
    }

    /// With this address. Filtered while reading; not for flushing.
    pub fn mac(mut self, mac: MacAddr) -> Self {
        self.filter.mac = Some(mac);
        self
    }

    /// Those that age. When listing, filtered while reading.
    pub fn dynamic(self) -> Self {
        self.state(FdbState::NOARP | FdbState::PERMANENT, FdbState::empty())
    }

    /// Those that are forwarded to and do not age. When listing, filtered while reading.
    pub fn static_(self) -> Self {
        self.state(FdbState::NOARP | FdbState::PERMANENT, FdbState::NOARP)
    }

    /// Those that are permanent: on a bridge, its own addresses. When listing, filtered while reading. A flush of them is
    /// for VXLAN devices only.
    pub fn permanent(self) -> Self {
        self.state(FdbState::PERMANENT, FdbState::PERMANENT)
    }

    /// Those that a control plane put there, or those that it did not. When listing, filtered while reading.
    pub fn extern_learn(self, yes: bool) -> Self {
        self.flag(FdbFlags::EXT_LEARNED, yes)
    }

    /// Those that stick to their port, or those that do not. When listing, filtered while reading.
    pub fn sticky(self, yes: bool) -> Self {
        self.flag(FdbFlags::STICKY, yes)
    }

    /// Lists them: a stream in constant memory.
    ///
    /// Equivalent: `bridge fdb show`. Needs no privilege.
    ///
    /// The kernel does not notice when the table changes while it is listed: entries may then be missed or shown twice.
    /// Together with events it is exact: nl-events has a watch that does this.
    ///
    /// # Errors
    /// No such device; `bridge` is no bridge, or `dev` no port of it.
    pub fn list(self) -> Pending<Dump<FdbEntry>> {
        Pending::new(async move {
            let filter = self.indexed().await.map_err(|error| error.during(|| self.describe("list")))?;
            let filtered = filter.bridge.or(filter.index).is_some();
            let request = filter.list_request();
            let mut entries = self.fdb.conn.dump(request, move |message| {
                let entry = FdbEntry::decode(message)?;
                Ok(filter.matches(&entry).then_some(entry))
            });
            // The kernel answers an impossible filter with an empty list.
            if filtered && !entries.has_entries().await {
                self.resolved("list").await?;
            }
            Ok(entries)
        })
    }

    /// Removes them, in one request, by the kernel. Never the bridge's own addresses.
    ///
    /// Needs a [`bridge`](Self::bridge), or a [`dev`](Self::dev) that is a bridge, a port of one, or a VXLAN device. Without
    /// [`dynamic`](Self::dynamic) or [`static_`](Self::static_) all that are not permanent go; on a VXLAN device the permanent ones
    /// go with [`permanent`](Self::permanent), the default destination among them.
    ///
    /// A bridge given as [`dev`](Self::dev) means its whole table here, though listing by it shows its own addresses only.
    ///
    /// Equivalent: `bridge fdb flush`, which unlike this removes the bridge's own addresses too. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) on a kernel too old: 5.19 for bridges, 6.7 for VXLAN devices; no such
    /// device; a bridge's permanent entries; a selection by MAC address.
    pub fn flush(self) -> Pending<Ack> {
        Pending::new(async move { self.try_flush().await })
    }

    async fn try_flush(&self) -> Result<Ack> {
        let (mut filter, link) = self.resolved("flush").await?;
        let named = |error: Error| error.during(|| self.describe("flush"));
        let kind = link.as_ref().and_then(|link| link.kind_name.as_deref());
        let is_vxlan = kind == Some("vxlan") && filter.bridge.is_none();
        let permanent =
            filter.state.is_some_and(|(mask, value)| (mask & value).contains(FdbState::PERMANENT));
        if permanent && !is_vxlan {
            return Err(named(Error::usage(
                "the permanent entries of a bridge are its own addresses; not flushed",
            )));
        }
        if let (Some(link), None) = (&link, filter.bridge) {
            let target = match link.port_kind.as_deref() {
                Some("bridge") if !is_vxlan => FdbFlags::MASTER,
                _ => FdbFlags::SELF,
            };
            let (mask, value) = filter.flags.unwrap_or_default();
            filter.flags = Some((mask | target, value | target));
        }
        let since = if is_vxlan { Since::linux(6, 7) } else { Since::linux(5, 19) };
        self.fdb.conn.acknowledged(filter.flush_request()).await.map_err(|error| {
            // No release of the kernel flushes a device that is neither.
            let port = link.as_ref().is_some_and(|l| l.port_kind.as_deref() == Some("bridge"));
            let refused = kind == Some("bridge") || is_vxlan || port;
            named(error.or_unsupported(
                |kernel| kernel.errno == Errno::EOPNOTSUPP && refused,
                "bulk deletion of FDB entries",
                since,
            ))
        })
    }

    fn state(mut self, mask: FdbState, value: FdbState) -> Self {
        self.filter.state = Some((mask, value));
        self
    }

    fn flag(mut self, flag: FdbFlags, yes: bool) -> Self {
        let (mask, value) = self.filter.flags.unwrap_or_default();
        self.filter.flags = Some((mask | flag, if yes { value | flag } else { value - flag }));
        self
    }

    /// The filter with indexes.
    async fn indexed(&self) -> Result<FdbFilter> {
        self.fdb.on_route()?;
        let mut filter = self.filter.clone();
        if let Some(bridge) = &self.bridge {
            filter.bridge = Some(self.fdb.index(bridge).await?);
        }
        if let Some(dev) = &self.dev {
            filter.index = Some(self.fdb.index(dev).await?);
        }
        Ok(filter)
    }

    /// The filter with indexes, and the device it is about, if it is one that can have entries.
    async fn resolved(&self, verb: &str) -> Result<(FdbFilter, Option<Link>)> {
        self.look_up().await.map_err(|error| error.during(|| self.describe(verb)))
    }

    async fn look_up(&self) -> Result<(FdbFilter, Option<Link>)> {
        self.fdb.on_route()?;
        let mut filter = self.filter.clone();
        let bridge = match &self.bridge {
            Some(bridge) => Some(self.fdb.conn.link(bridge).await?),
            None => None,
        };
        let dev = match &self.dev {
            Some(dev) => Some(self.fdb.conn.link(dev).await?),
            None => None,
        };
        if let Some(bridge) = &bridge {
            if bridge.kind_name.as_deref() != Some("bridge") {
                let kind = bridge.kind_name.as_deref().unwrap_or("plain device");
                return Err(Error::usage(format!("{} is a {kind}, not a bridge", bridge.name)));
            }
            if let Some(dev) =
                dev.as_ref().filter(|dev| dev.index != bridge.index && dev.master != Some(bridge.index))
            {
                return Err(Error::usage(format!("{} is no port of {}", dev.name, bridge.name)));
            }
        }
        filter.bridge = bridge.as_ref().map(|link| link.index);
        filter.index = dev.as_ref().map(|link| link.index);
        Ok((filter, dev.or(bridge)))
    }

    fn describe(&self, verb: &str) -> String {
        let mut text = format!("{verb} fdb");
        if let Some(dev) = &self.dev {
            text.push_str(&format!(" dev {dev}"));
        }
        if let Some(bridge) = &self.bridge {
            text.push_str(&format!(" br {bridge}"));
        }
        if let Some(vlan) = self.filter.vlan {
            text.push_str(&format!(" vlan {vlan}"));
        }
        text
    }
}
