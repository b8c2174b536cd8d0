use std::collections::HashSet;
use std::net::Ipv4Addr;

use super::{Address, AddressFilter, AddressScope, AddressVerb, Lifetime};
use crate::addr::{Dev, IpFamily, IpPrefix};
use crate::batch::Batch;
use crate::connection::Connection;
use crate::dump::Dump;
use crate::error::{Ack, Errno, Error, ErrorKind, KernelError, Result};
use crate::flush::delete_all;
use crate::pending::Pending;
use crate::protocol::Protocol;
use crate::request::Request;

/// The IP addresses of the devices in the connection's namespace. Cheap to clone.
///
/// ```no_run
/// use nl_core::address::Addresses;
/// use nl_core::{Connection, Protocol};
///
/// # async fn example() -> nl_core::Result<()> {
/// let addresses = Addresses::new(Connection::open(Protocol::Route)?);
/// addresses.entry("2001:db8::1/64".parse()?, "eth0").nodad().replace().await?;
/// addresses.entries().dev("eth1").flush().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Addresses {
    conn: Connection,
}

impl Addresses {
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

    /// One address, to be added, replaced, deleted or read: `prefix` on the device `dev`.
    pub fn entry(&self, prefix: IpPrefix, dev: impl Into<Dev>) -> AddressEntry {
        AddressEntry { addresses: self.clone(), dev: dev.into(), address: Address::new(prefix, 0) }
    }

    /// All addresses, or those that match, to be listed or flushed.
    pub fn entries(&self) -> AddressEntries {
        AddressEntries { addresses: self.clone(), dev: None, up: false, filter: AddressFilter::default() }
    }

    /// Thousands of changes in few system calls: a stream of one result per change, in order.
    ///
    /// ```no_run
    /// use nl_core::address::{Address, AddressVerb, Addresses};
    /// use nl_core::addr::IpPrefix;
    ///
    /// # async fn example(addresses: Addresses, index: u32, prefixes: Vec<IpPrefix>) -> nl_core::Result<()> {
    /// let changes = prefixes.into_iter().map(move |prefix| (AddressVerb::Replace, Address::new(prefix, index)));
    /// let summary = addresses.batch(changes).summarize(10).await?;
    /// println!("{} added, {} refused", summary.succeeded, summary.failed);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// See [`batch`](crate::batch). Devices are given by index here.
    pub fn batch<I>(&self, changes: I) -> Batch<impl Iterator<Item = Request> + use<I>>
    where
        I: IntoIterator<Item = (AddressVerb, Address)>,
    {
        self.conn.batch(changes.into_iter().map(|(verb, address)| address.request(verb)))
    }

    async fn index(&self, dev: &Dev) -> Result<u32> {
        self.conn.require(Protocol::Route, "addresses")?;
        match self.conn.known_index(dev)? {
            Some(index) => Ok(index),
            None => self.conn.link_index(dev).await,
        }
    }
}

/// One address to be added, replaced, deleted or read. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct AddressEntry {
    addresses: Addresses,
    dev: Dev,
    address: Address,
}

macro_rules! options {
    ($($name:ident($($arg:ident: $type:ty)?);)+) => {$(
        #[doc = concat!("See [`Address::", stringify!($name), "()`].")]
        pub fn $name(mut self $(, $arg: $type)?) -> Self {
            self.address = self.address.$name($($arg)?);
            self
        }
    )+};
}

impl AddressEntry {
    options! {
        peer(peer: IpPrefix);
        label(label: impl Into<String>);
        broadcast(broadcast: Ipv4Addr);
        default_broadcast();
        scope(scope: AddressScope);
        metric(metric: u32);
        proto(proto: u8);
        valid_lft(lifetime: impl Into<Lifetime>);
        preferred_lft(lifetime: impl Into<Lifetime>);
        home();
        nodad();
        noprefixroute();
        mngtmpaddr();
        optimistic();
        autojoin();
    }

    /// Adds the address; fails if the device has it.
    ///
    /// Equivalent: `ip address add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EEXIST` ([`is_exists`](Error::is_exists)); no such device; `EACCES` for an IPv6 address where IPv6 is disabled; bad
    /// input, before the kernel is asked.
    pub fn add(self) -> Pending<Ack> {
        self.change(AddressVerb::Add)
    }

    /// Adds the address, or changes the existing one: [`AddressVerb::Replace`] says which parts change.
    ///
    /// Equivalent: `ip address replace`, and `ip address change`, which is the same request. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) but for `EEXIST`.
    pub fn replace(self) -> Pending<Ack> {
        self.change(AddressVerb::Replace)
    }

    /// Deletes the address. The prefix length counts: `192.0.2.1/24` and `192.0.2.1/32` are different addresses.
    ///
    /// Deleting the first IPv4 address of a network deletes the [others](super#ipv4-and-ipv6-differ) of the network too.
    ///
    /// Equivalent: `ip address delete`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` ([`is_not_found`](Error::is_not_found)) if the device has no such address.
    pub fn delete(self) -> Pending<Ack> {
        self.change(AddressVerb::Delete)
    }

    /// Reads the address, by its prefix and its peer if one is given.
    ///
    /// This lists the addresses of the device, because the kernel has no look-up for IPv4.
    ///
    /// Equivalent: `ip address show dev DEV to PREFIX`. Needs no privilege.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` ([`is_not_found`](Error::is_not_found)) if the device has no such address; no such device.
    pub fn get(mut self) -> Pending<Address> {
        Pending::new(async move {
            let found = self.find().await;
            found.map_err(|error| {
                error.during(|| format!("get address {}", self.address)).naming(self.address.index, &self.dev)
            })
        })
    }

    async fn find(&mut self) -> Result<Address> {
        self.address.index = self.addresses.index(&self.dev).await?;
        let filter = AddressFilter {
            index: Some(self.address.index),
            family: Some(self.address.family()),
            ..AddressFilter::default()
        };
        let (local, prefix_len, peer) = (self.address.local, self.address.prefix_len, self.address.peer);
        let list = self.addresses.conn.dump(filter.list_request(), move |message| {
            let is_it = |address: &Address| {
                (address.local, address.prefix_len) == (local, prefix_len)
                    && peer.is_none_or(|peer| address.peer == Some(peer))
            };
            Ok(Address::decode_ip(message)?.filter(is_it))
        });
        let found = list.collect_all().await?.into_iter().next();
        found.ok_or_else(|| ErrorKind::Kernel(KernelError::new(Errno::EADDRNOTAVAIL)).into())
    }

    fn change(mut self, verb: AddressVerb) -> Pending<Ack> {
        Pending::new(async move {
            let outcome = match self.addresses.index(&self.dev).await {
                Ok(index) => {
                    self.address.index = index;
                    self.addresses.conn.acknowledged(self.address.request(verb)).await
                }
                Err(error) => Err(error.during(|| self.address.request(verb).describe())),
            };
            outcome.map_err(|error| error.naming(self.address.index, &self.dev))
        })
    }
}

/// All addresses, or those that match. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct AddressEntries {
    addresses: Addresses,
    dev: Option<Dev>,
    up: bool,
    filter: AddressFilter,
}

impl AddressEntries {
    /// On this device (`dev`). Filtered by the kernel.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// Of IPv4 or of IPv6 (`-4`, `-6`). Filtered by the kernel.
    pub fn family(mut self, family: IpFamily) -> Self {
        self.filter.family = Some(family);
        self
    }

    /// With exactly this label (`label`); `ip` takes a pattern here. Filtered while reading.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.filter.label = Some(label.into());
        self
    }

    /// Of this scope (`scope`). Filtered while reading.
    pub fn scope(mut self, scope: AddressScope) -> Self {
        self.filter.scope = Some(scope);
        self
    }

    /// On devices that are administratively up (`up`). Filtered while reading, by the numbers of those devices, which are read
    /// first.
    pub fn up(mut self) -> Self {
        self.up = true;
        self
    }

    /// In the namespace that has this number here (`ip netns list-id`); only for listing, and not with names of devices.
    /// Filtered by the kernel.
    pub fn target_netnsid(mut self, id: i32) -> Self {
        self.filter.target_netnsid = Some(id);
        self
    }

    /// Lists them: a stream in constant memory.
    ///
    /// Equivalent: `ip address show`. Needs no privilege.
    ///
    /// # Errors
    /// No such device; bad input. The kernel notices when the addresses change while they are listed, but not in a list of one
    /// [device](Self::dev): see [`dump`](crate::dump#consistency).
    pub fn list(self) -> Pending<Dump<Address>> {
        Pending::new(async move {
            self.try_list().await.map_err(|error| error.during(|| self.describe("list addresses")))
        })
    }

    /// Deletes them and returns how many were deleted: a list of all that match, and a [batch](crate::batch) of deletions.
    ///
    /// An address that no longer exists is not an error. If a deletion fails, the others are still sent, and the first failure is
    /// returned. Deleting the first IPv4 address of a network also deletes the [others](super#ipv4-and-ipv6-differ) of the network,
    /// whether they match or not.
    ///
    /// Equivalent: `ip address flush`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// No such device; no filter is set.
    pub fn flush(self) -> Pending<u64> {
        Pending::new(async move {
            let named = |error: Error| error.during(|| self.describe("flush addresses"));
            let chosen = self.dev.is_some() || self.up || self.filter != AddressFilter::default();
            if !chosen {
                return Err(named(Error::usage(
                    "a flush needs a device, a family, a label, a scope, or up()",
                )));
            }
            if self.filter.target_netnsid.is_some() {
                return Err(named(Error::usage("a flush works in the connection's own namespace only")));
            }
            let list = self.try_list().await.map_err(named)?;
            let mut found = list.collect_all().await.map_err(named)?;
            // The secondary ones first: they go with the primary one.
            found.sort_by_key(|address| !address.flags.contains(super::AddressFlags::SECONDARY));
            let requests = found.into_iter().map(|address| address.request(AddressVerb::Delete));
            delete_all(&self.addresses.conn, requests).await
        })
    }

    async fn try_list(&self) -> Result<Dump<Address>> {
        self.addresses.conn.require(Protocol::Route, "addresses")?;
        let mut filter = self.filter.clone();
        if let Some(dev) = &self.dev {
            let by_name = matches!(dev, Dev::Name(_)) && filter.target_netnsid.is_some();
            if by_name {
                return Err(Error::usage("a device of another namespace is given by its index"));
            }
            filter.index = Some(self.addresses.index(dev).await?);
        }
        let up = if self.up { Some(self.devices_up().await?) } else { None };
        Ok(self.addresses.conn.dump(filter.list_request(), move |message| {
            let wanted = |address: &Address| {
                filter.matches(address) && up.as_ref().is_none_or(|up| up.contains(&address.index))
            };
            Ok(Address::decode_ip(message)?.filter(wanted))
        }))
    }

    async fn devices_up(&self) -> Result<HashSet<u32>> {
        let links = self.addresses.conn.links().collect_all().await?;
        Ok(links.into_iter().filter(|link| link.is_up()).map(|link| link.index).collect())
    }

    fn describe(&self, verb: &str) -> String {
        let mut text = verb.to_owned();
        if let Some(dev) = &self.dev {
            text.push_str(&format!(" dev {dev}"));
        }
        if let Some(label) = &self.filter.label {
            text.push_str(&format!(" label {}", crate::addr::escaped(label)));
        }
        if let Some(scope) = self.filter.scope {
            text.push_str(&format!(" scope {scope}"));
        }
        if self.up {
            text.push_str(" up");
        }
        text
    }
}
