use std::net::IpAddr;

use super::{
    LinkAddr, Neighbour, NeighbourFilter, NeighbourFlags, NeighbourFlagsExt, NeighbourState, NeighbourVerb,
};
use crate::addr::{Dev, IpFamily};
use crate::batch::Batch;
use crate::connection::Connection;
use crate::dump::Dump;
use crate::error::{Ack, Error, KernelError, Result, Since};
use crate::flush::delete_all;
use crate::pending::Pending;
use crate::protocol::Protocol;
use crate::request::Request;

/// The neighbours of the connection's namespace. Cheap to clone.
///
/// ```no_run
/// use nl_core::neighbour::Neighbours;
/// use nl_core::{Connection, Protocol};
///
/// # async fn example() -> nl_core::Result<()> {
/// let neighbours = Neighbours::new(Connection::open(Protocol::Route)?);
/// // Kept resolved by the kernel.
/// neighbours.entry("192.0.2.1".parse().unwrap(), "eth0").managed().replace().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Neighbours {
    conn: Connection,
}

impl Neighbours {
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

    /// One entry, to be added, changed, deleted or read: `dst` on the device `dev`.
    ///
    /// It is permanent by default, like with `ip neighbour`.
    pub fn entry(&self, dst: IpAddr, dev: impl Into<Dev>) -> NeighbourEntry {
        NeighbourEntry { neighbours: self.clone(), dev: dev.into(), neighbour: Neighbour::new(dst, 0) }
    }

    /// All entries, or those that match, to be listed or flushed.
    pub fn entries(&self) -> NeighbourEntries {
        NeighbourEntries {
            neighbours: self.clone(),
            dev: None,
            master: None,
            filter: NeighbourFilter::default(),
        }
    }

    /// Thousands of changes in few system calls: a stream of one result per change, in order.
    ///
    /// ```no_run
    /// use std::net::IpAddr;
    ///
    /// use nl_core::MacAddr;
    /// use nl_core::neighbour::{Neighbour, NeighbourVerb, Neighbours};
    ///
    /// # async fn example(neighbours: Neighbours, index: u32, known: Vec<(IpAddr, MacAddr)>) -> nl_core::Result<()> {
    /// let changes = known.into_iter().map(move |(ip, mac)| {
    ///     (NeighbourVerb::Replace, Neighbour::new(ip, index).lladdr(mac))
    /// });
    /// neighbours.batch(changes).summarize(10).await?.into_result()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// See [`batch`](crate::batch). Devices are given by index here. [`NeighbourVerb::Get`] is refused, because its answer would be
    /// lost.
    pub fn batch<I>(&self, changes: I) -> Batch<impl Iterator<Item = Request> + use<I>>
    where
        I: IntoIterator<Item = (NeighbourVerb, Neighbour)>,
    {
        self.conn.batch(changes.into_iter().map(|(verb, neighbour)| {
            match verb {
                NeighbourVerb::Get => neighbour
                    .request(verb)
                    .invalid_if(Err("a batch cannot read entries: use Neighbours::entry().get()".into())),
                _ => neighbour.request(verb),
            }
        }))
    }

    async fn index(&self, dev: &Dev) -> Result<u32> {
        self.conn.require(Protocol::Route, "neighbours")?;
        match self.conn.known_index(dev)? {
            Some(index) => Ok(index),
            None => self.conn.link_index(dev).await,
        }
    }
}

/// One entry to be added, changed, deleted or read. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct NeighbourEntry {
    neighbours: Neighbours,
    dev: Dev,
    neighbour: Neighbour,
}

macro_rules! options {
    ($($name:ident($($arg:ident: $type:ty)?);)+) => {$(
        #[doc = concat!("See [`Neighbour::", stringify!($name), "()`].")]
        pub fn $name(mut self $(, $arg: $type)?) -> Self {
            self.neighbour = self.neighbour.$name($($arg)?);
            self
        }
    )+};
}

impl NeighbourEntry {
    options! {
        lladdr(lladdr: impl Into<LinkAddr>);
        state(state: NeighbourState);
        proxy();
        router();
        extern_learn();
        use_();
        managed();
        extern_valid();
        protocol(protocol: u8);
    }

    /// Adds the entry; fails if it exists. [`NeighbourVerb::Add`] names the exception.
    ///
    /// Equivalent: `ip neighbour add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EEXIST` ([`is_exists`](Error::is_exists)); no such device; `EINVAL` without a link-layer address on a device that has such;
    /// [`Unsupported`](crate::error::ErrorKind::Unsupported) for [`managed`](Self::managed) and
    /// [`extern_valid`](Self::extern_valid) on a kernel too old; bad input, before the kernel is asked.
    pub fn add(self) -> Pending<Ack> {
        self.change_by(NeighbourVerb::Add)
    }

    /// Adds the entry, or changes the existing one.
    ///
    /// Equivalent: `ip neighbour replace`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) but for `EEXIST`.
    pub fn replace(self) -> Pending<Ack> {
        self.change_by(NeighbourVerb::Replace)
    }

    /// Changes the existing entry.
    ///
    /// Equivalent: `ip neighbour change`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if it does not exist; as [`add`](Self::add) but for `EEXIST`.
    pub fn change(self) -> Pending<Ack> {
        self.change_by(NeighbourVerb::Change)
    }

    /// Deletes the entry.
    ///
    /// Equivalent: `ip neighbour delete`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if it does not exist.
    pub fn delete(self) -> Pending<Ack> {
        self.change_by(NeighbourVerb::Delete)
    }

    /// Reads the entry. Linux 5.0.
    ///
    /// Equivalent: `ip neighbour get`. Needs no privilege.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if it does not exist.
    pub fn get(mut self) -> Pending<Neighbour> {
        Pending::new(async move {
            let found = match self.resolve().await {
                Ok(()) => {
                    let request = self.neighbour.request(NeighbourVerb::Get);
                    self.neighbours.conn.answered(request, Neighbour::decode).await
                }
                Err(error) => Err(error.during(|| self.neighbour.request(NeighbourVerb::Get).describe())),
            };
            found.map_err(|error| error.naming(self.neighbour.index, &self.dev))
        })
    }

    fn change_by(mut self, verb: NeighbourVerb) -> Pending<Ack> {
        Pending::new(async move {
            let outcome = match self.resolve().await {
                Ok(()) => self.neighbours.conn.acknowledged(self.neighbour.request(verb)).await,
                Err(error) => Err(error.during(|| self.neighbour.request(verb).describe())),
            };
            outcome.map_err(|error| self.explain(error).naming(self.neighbour.index, &self.dev))
        })
    }

    async fn resolve(&mut self) -> Result<()> {
        self.neighbour.index = self.neighbours.index(&self.dev).await?;
        Ok(())
    }

    /// A flag that the kernel does not know is refused by the attribute it is in.
    fn explain(&self, error: Error) -> Error {
        let about_flags =
            error.attribute().is_some_and(|attribute| attribute.name() == Some("NDA_FLAGS_EXT"));
        let validated = self.neighbour.flags_ext.contains(NeighbourFlagsExt::EXT_VALIDATED);
        let (feature, since) = match validated {
            true => ("an externally validated neighbour", Since::linux(6, 17)),
            false => ("a managed neighbour", Since::linux(5, 16)),
        };
        let unknown_bit = |kernel: &KernelError| {
            // Linux 6.1 gives the text without the policy.
            let text = kernel.ext_ack.message.as_deref();
            about_flags && (kernel.ext_ack.policy.is_some() || text == Some("reserved bit set"))
        };
        error.or_unsupported(unknown_bit, feature, since)
    }
}

/// All entries, or those that match. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct NeighbourEntries {
    neighbours: Neighbours,
    dev: Option<Dev>,
    master: Option<Dev>,
    filter: NeighbourFilter,
}

impl NeighbourEntries {
    /// On this device (`dev`). Filtered by the kernel.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// On devices that are ports of this one, such as those of a VRF (`vrf`, `master`). Filtered by the kernel.
    pub fn master(mut self, master: impl Into<Dev>) -> Self {
        self.master = Some(master.into());
        self
    }

    /// Of IPv4 or of IPv6 (`-4`, `-6`). Filtered by the kernel.
    pub fn family(mut self, family: IpFamily) -> Self {
        self.filter.family = Some(family);
        self
    }

    /// The addresses the host answers for, in place of the neighbours (`proxy`). Filtered by the kernel.
    pub fn proxy(mut self) -> Self {
        self.filter.proxy = true;
        self
    }

    /// In one of these states, or in none if it is empty (`nud`). Filtered while reading.
    ///
    /// Without it all are listed, also those that need no resolution, which `ip neighbour show` leaves out; and a flush leaves out
    /// permanent ones and those that need no resolution.
    pub fn state(mut self, state: NeighbourState) -> Self {
        self.filter.state = Some(state);
        self
    }

    /// Those of routers. Filtered while reading.
    pub fn router(self) -> Self {
        self.flag(NeighbourFlags::ROUTER)
    }

    /// Those that a control plane put there (`extern_learn`). Filtered while reading.
    pub fn extern_learn(self) -> Self {
        self.flag(NeighbourFlags::EXT_LEARNED)
    }

    /// Those that the kernel keeps resolved (`managed`). Filtered while reading.
    pub fn managed(mut self) -> Self {
        self.filter.flags_ext |= NeighbourFlagsExt::MANAGED;
        self
    }

    /// Those that a control plane validated (`extern_valid`). Filtered while reading.
    pub fn extern_valid(mut self) -> Self {
        self.filter.flags_ext |= NeighbourFlagsExt::EXT_VALIDATED;
        self
    }

    /// Put there by this protocol, 1 to 255 (`protocol`). Filtered while reading.
    pub fn protocol(mut self, protocol: u8) -> Self {
        self.filter.protocol = Some(protocol);
        self
    }

    /// Lists them: a stream in constant memory.
    ///
    /// Equivalent: `ip neighbour show nud all`. Needs no privilege.
    ///
    /// The kernel does not notice when the table changes while it is listed: entries may then be missed or shown twice.
    ///
    /// # Errors
    /// No such device.
    pub fn list(self) -> Pending<Dump<Neighbour>> {
        Pending::new(async move {
            let list = self.try_list(self.filter.clone()).await;
            list.map_err(|error| error.during(|| self.describe("list neighbours")))
        })
    }

    /// Deletes them and returns how many were deleted: a list of all that match, and a [batch](crate::batch) of deletions. Without a
    /// [`state`](Self::state) permanent entries and those that need no resolution are left out, and proxy entries are not.
    ///
    /// An entry that no longer exists is not an error. If a deletion fails, the others are still sent, and the first failure is returned.
    ///
    /// Equivalent: `ip neighbour flush`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// No such device; no filter is set.
    pub fn flush(self) -> Pending<u64> {
        Pending::new(async move {
            let named = |error: Error| error.during(|| self.describe("flush neighbours"));
            let proxy = self.filter.proxy;
            let all = NeighbourFilter { proxy, ..NeighbourFilter::default() };
            if self.dev.is_none() && self.master.is_none() && self.filter == all {
                let why = "a flush needs a device, a master, a family, a state, a flag or a protocol";
                return Err(named(Error::usage(why)));
            }
            let list = self.try_list(self.filter.clone()).await.map_err(named)?;
            let mut found = list.collect_all().await.map_err(named)?;
            if self.filter.state.is_none() && !proxy {
                let kept = NeighbourState::PERMANENT | NeighbourState::NOARP;
                found.retain(|neighbour| !neighbour.state.intersects(kept));
            }
            let requests = found.into_iter().map(|neighbour| neighbour.request(NeighbourVerb::Delete));
            delete_all(&self.neighbours.conn, requests).await
        })
    }

    fn flag(mut self, flag: NeighbourFlags) -> Self {
        self.filter.flags |= flag;
        self
    }

    async fn try_list(&self, mut filter: NeighbourFilter) -> Result<Dump<Neighbour>> {
        self.neighbours.conn.require(Protocol::Route, "neighbours")?;
        if let Some(dev) = &self.dev {
            filter.index = Some(self.neighbours.index(dev).await?);
        }
        if let Some(master) = &self.master {
            filter.master = Some(self.neighbours.index(master).await?);
        }
        Ok(self.neighbours.conn.dump(filter.list_request(), move |message| {
            Ok(Neighbour::decode_ip(message)?.filter(|neighbour| filter.matches(neighbour)))
        }))
    }

    fn describe(&self, verb: &str) -> String {
        let mut text = verb.to_owned();
        for (word, dev) in [("dev", &self.dev), ("master", &self.master)] {
            if let Some(dev) = dev {
                text.push_str(&format!(" {word} {dev}"));
            }
        }
        if let Some(state) = self.filter.state {
            text.push_str(&format!(" nud {state}"));
        }
        if self.filter.proxy {
            text.push_str(" proxy");
        }
        text
    }
}
