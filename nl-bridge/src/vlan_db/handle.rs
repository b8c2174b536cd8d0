use nl_core::addr::Dev;
use nl_core::batch::Batch;
use nl_core::check::Invalid;
use nl_core::dump::Dump;
use nl_core::error::{Ack, Errno, Error, Result};
use nl_core::{Connection, Pending, Protocol, Request};

use super::codec::entry_options;
use super::explain::explain;
use super::global::global_options;
use super::{VlanDbEntry, VlanDbFilter, VlanDbGlobal, VlanDbVerb};
use crate::ranges::Checked;
use crate::types::{VlanId, VlanRange};

/// The VLAN databases of the bridges in the connection's namespace. Cheap to clone.
///
/// ```no_run
/// use nl_bridge::vlan_db::{StpState, VlanDb};
/// use nl_core::{Connection, Protocol};
///
/// # async fn example() -> nl_core::Result<()> {
/// let db = VlanDb::new(Connection::open(Protocol::Route)?);
/// db.entry("swp1", 10).state(StpState::Blocking).set().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct VlanDb {
    conn: Connection,
}

impl VlanDb {
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

    /// VLANs of a port, or of a bridge as a port of itself: one number or a range, from 1 to 4094.
    pub fn entry(&self, dev: impl Into<Dev>, vlans: impl Into<Checked<VlanRange>>) -> Entry {
        let entry = VlanDbEntry::new(0, VlanId::MIN);
        Entry { db: self.clone(), dev: dev.into(), vlans: vlans.into(), entry }
    }

    /// All VLANs of ports and bridges, or those that match.
    pub fn entries(&self) -> Entries {
        Entries { db: self.clone(), dev: None, vlan: None, merged: false }
    }

    /// VLANs of a whole bridge: one number or a range, from 1 to 4094.
    pub fn global(&self, bridge: impl Into<Dev>, vlans: impl Into<Checked<VlanRange>>) -> Global {
        let global = VlanDbGlobal::new(0, VlanId::MIN);
        Global { db: self.clone(), dev: bridge.into(), vlans: vlans.into(), global }
    }

    /// The global options of all bridges, or those that match.
    pub fn globals(&self) -> Globals {
        Globals { db: self.clone(), dev: None, vlan: None }
    }

    /// Thousands of changes in few system calls: a stream of one result per change, in order. See [`nl_core::batch`]. Devices are
    /// given by index here.
    pub fn batch<I>(&self, changes: I) -> Batch<impl Iterator<Item = Request> + use<I>>
    where
        I: IntoIterator<Item = (VlanDbVerb, VlanDbEntry)>,
    {
        self.conn.batch(changes.into_iter().map(|(verb, entry)| entry.request(verb)))
    }

    /// The index of a device; an error is about `request`.
    async fn index(&self, dev: &Dev, request: impl FnOnce() -> Request) -> Result<u32> {
        self.conn.require(Protocol::Route, "VLANs")?;
        let found = match self.conn.known_index(dev) {
            Ok(Some(index)) => Ok(index),
            Ok(None) => self.conn.link_index(dev).await,
            Err(error) => Err(error),
        };
        found.map_err(|error| request().not_sent(error).naming(0, dev))
    }
}

/// VLANs of a port or bridge, whose options are to be set. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Entry {
    db: VlanDb,
    dev: Dev,
    vlans: Checked<VlanRange>,
    entry: VlanDbEntry,
}

entry_options!(Entry[entry]);

impl Entry {
    /// Sets the options that are given. The VLANs keep their flags and all other options.
    ///
    /// A range is set in order; what comes before a VLAN that is refused stays set.
    ///
    /// Equivalent: `bridge vlan set`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if the device is not in one of the VLANs; `EBUSY`
    /// ([`is_busy`](Error::is_busy)) for a state that a spanning tree of the kernel or MST governs, with
    /// a [hint](Error::hint); [`Unsupported`](nl_core::error::ErrorKind::Unsupported) for an option that the kernel does not
    /// know; bad input, before the kernel is asked.
    pub fn set(self) -> Pending<Ack> {
        self.change(VlanDbVerb::Set)
    }

    /// Puts the device into the VLANs with just the flags that are given, and sets the options that are given.
    ///
    /// Flags that the VLAN had and that are not given are removed; other options stay. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`set`](Self::set) but for `ENOENT`; a PVID for several VLANs.
    pub fn replace(self) -> Pending<Ack> {
        self.change(VlanDbVerb::Replace)
    }

    /// Removes the device from the VLANs. The kernel says success for those that it is not in.
    ///
    /// Equivalent: `bridge vlan del`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// The device is neither a bridge nor a port of one.
    pub fn delete(self) -> Pending<Ack> {
        self.change(VlanDbVerb::Delete)
    }

    fn change(mut self, verb: VlanDbVerb) -> Pending<Ack> {
        Pending::new(async move {
            self.entry.vlans = checked(&self.vlans, "vlan", &self.dev)?;
            self.entry.index = self.db.index(&self.dev, || self.entry.request(verb)).await?;
            let done = self.db.conn.acknowledged(self.entry.request(verb)).await;
            done.map_err(|error| explain(error.naming(self.entry.index, &self.dev)))
        })
    }
}

/// VLANs of a whole bridge, whose options are to be set. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Global {
    db: VlanDb,
    dev: Dev,
    vlans: Checked<VlanRange>,
    global: VlanDbGlobal,
}

global_options!(Global[global]);

impl Global {
    /// Sets the options that are given; all others stay. A VLAN exists for the bridge as soon as one of its ports is in it.
    ///
    /// Equivalent: `bridge vlan global set`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if no port is in one of the VLANs; `EINVAL` if the device is not a bridge;
    /// bad input, before the kernel is asked.
    pub fn set(mut self) -> Pending<Ack> {
        Pending::new(async move {
            self.global.vlans = checked(&self.vlans, "global vlan", &self.dev)?;
            self.global.index = self.db.index(&self.dev, || self.global.request()).await?;
            let done = self.db.conn.acknowledged(self.global.request()).await;
            done.map_err(|error| explain(error.naming(self.global.index, &self.dev)))
        })
    }
}

fn checked(vlans: &Checked<VlanRange>, what: &str, dev: &Dev) -> Result<VlanRange> {
    vlans.check().map_err(|why| Error::from(why).during(|| format!("set {what} dev {dev}")))
}

/// All VLANs of ports and bridges, or those that match. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Entries {
    db: VlanDb,
    dev: Option<Dev>,
    vlan: Option<u16>,
    merged: bool,
}

impl Entries {
    /// Of this port or bridge (`dev`). Filtered by the kernel.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// This VLAN, 1 to 4094 (`vid`). Filtered while reading.
    pub fn vlan(mut self, vlan: u16) -> Self {
        self.vlan = Some(vlan);
        self
    }

    /// As the kernel merges them: shorter, without counters, and [not exact](super#lists-are-exact).
    pub fn merged(mut self) -> Self {
        self.merged = true;
        self
    }

    /// Lists them, one VLAN at a time with its counters: a stream in constant memory.
    ///
    /// Equivalent: `bridge -s -d vlan show`. Needs no privilege.
    ///
    /// The kernel does not notice when the table changes while it is listed: VLANs may then be missed.
    ///
    /// # Errors
    /// No such device; `EINVAL` if it is neither a bridge nor a port of one.
    pub fn list(self) -> Pending<Dump<VlanDbEntry>> {
        Pending::new(async move {
            let mut filter = filter(&self.db, "list vlan", self.dev.as_ref(), self.vlan).await?;
            filter.merged = self.merged;
            let mut entries = self.db.conn.dump_each(filter.list_request(), move |message, entries| {
                let outcome = VlanDbEntry::decode(message, entries);
                entries.retain(|entry| filter.matches(entry));
                outcome
            });
            refuse_foreign(&self.db, self.dev.as_ref(), "list vlan", entries.has_entries().await).await?;
            Ok(entries)
        })
    }
}

/// The global options of all bridges, or those that match. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Globals {
    db: VlanDb,
    dev: Option<Dev>,
    vlan: Option<u16>,
}

impl Globals {
    /// Of this bridge (`dev`). Filtered by the kernel.
    pub fn bridge(mut self, bridge: impl Into<Dev>) -> Self {
        self.dev = Some(bridge.into());
        self
    }

    /// Of this VLAN, 1 to 4094 (`vid`). Filtered while reading.
    pub fn vlan(mut self, vlan: u16) -> Self {
        self.vlan = Some(vlan);
        self
    }

    /// Lists them, VLANs in a row with the same options as one: a stream in constant memory.
    ///
    /// Equivalent: `bridge -d vlan global show`. Needs no privilege.
    ///
    /// # Errors
    /// No such device; `EINVAL` if it is not a bridge.
    pub fn list(self) -> Pending<Dump<VlanDbGlobal>> {
        Pending::new(async move {
            let filter = filter(&self.db, "list global vlan", self.dev.as_ref(), self.vlan).await?;
            let mut found = Vec::new();
            let request = filter.global_list_request();
            let mut globals = self.db.conn.dump_each(request, move |message, globals| {
                let outcome = VlanDbGlobal::decode(message, &mut found);
                globals.extend(found.drain(..).filter(|global| filter.matches_global(global)));
                outcome
            });
            refuse_foreign(&self.db, self.dev.as_ref(), "list global vlan", globals.has_entries().await)
                .await?;
            Ok(globals)
        })
    }
}

/// The filter with indexes.
async fn filter(db: &VlanDb, verb: &str, dev: Option<&Dev>, vlan: Option<u16>) -> Result<VlanDbFilter> {
    let named = |error: Error| error.during(|| words(verb, dev));
    db.conn.require(Protocol::Route, "VLANs").map_err(named)?;
    let mut filter = VlanDbFilter::default();
    let vlan = vlan.map(VlanId::new).transpose();
    filter.vlan = vlan.map_err(|why: Invalid| named(why.into()))?;
    if let Some(dev) = dev {
        filter.index = Some(db.conn.link_index(dev).await.map_err(named)?);
    }
    Ok(filter)
}

/// The kernel refuses a device that is neither a bridge nor a port with a bare `EINVAL`; a port of which global options were asked, with
/// an empty list.
async fn refuse_foreign(db: &VlanDb, dev: Option<&Dev>, verb: &str, has_entries: bool) -> Result<()> {
    let (Some(dev), false) = (dev, has_entries) else { return Ok(()) };
    let named = |error: Error| error.during(|| words(verb, Some(dev)));
    let link = db.conn.link(dev).await.map_err(named)?;
    let global = verb.contains("global");
    if link.is_kind("bridge") || (link.is_port_of("bridge") && !global) {
        return Ok(());
    }
    let wanted = if global { "a bridge" } else { "a bridge or a port of one" };
    let error = nl_core::error::ErrorKind::Kernel(nl_core::error::KernelError::new(Errno::EINVAL));
    Err(named(Error::new(error).hinted(format!("{} is not {wanted}", link.name))))
}

fn words(verb: &str, dev: Option<&Dev>) -> String {
    dev.map_or_else(|| verb.to_owned(), |dev| format!("{verb} dev {dev}"))
}
