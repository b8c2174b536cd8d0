use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nl_core::dump::Dump;
use nl_core::error::{Ack, Since};
use nl_core::{Dev, Error, Pending, Result};

use super::codec::{CHANGEABLE, Endpoint, EndpointFlags, EndpointVerb, attributes, words};
use crate::AddressId;
use crate::channel::{Channel, not_found, or_not_found};

/// What selects an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndpointKey {
    /// Its address, and its port if it has one.
    Address(IpAddr),
    /// Its id, 1 to 255.
    Id(AddressId),
}

impl From<IpAddr> for EndpointKey {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

impl From<Ipv4Addr> for EndpointKey {
    fn from(address: Ipv4Addr) -> Self {
        Self::Address(address.into())
    }
}

impl From<Ipv6Addr> for EndpointKey {
    fn from(address: Ipv6Addr) -> Self {
        Self::Address(address.into())
    }
}

impl From<AddressId> for EndpointKey {
    fn from(id: AddressId) -> Self {
        Self::Id(id)
    }
}

impl fmt::Display for EndpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Id(id) => write!(f, "id {id}"),
        }
    }
}

/// One endpoint to be added, changed, deleted or read. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct EndpointEntry {
    channel: Channel,
    key: EndpointKey,
    dev: Option<Dev>,
    endpoint: Endpoint,
    /// Flags to be cleared.
    cleared: EndpointFlags,
}

macro_rules! options {
    ($($name:ident($($arg:ident: $type:ty)?);)+) => {$(
        #[doc = concat!("See [`Endpoint::", stringify!($name), "()`].")]
        pub fn $name(mut self $(, $arg: $type)?) -> Self {
            self.endpoint = self.endpoint.$name($($arg)?);
            self
        }
    )+};
}

/// What an [`Endpoint`] has a setter for.
macro_rules! of_entry {
    ($($(#[$doc:meta])+ $name:ident: $type:ident = $kind:ident;)+) => {
        impl EndpointEntry {
            options! { $($name($name: $type);)+ }
        }
    };
}

attributes!(of_entry);

impl EndpointEntry {
    pub(crate) fn new(channel: Channel, key: EndpointKey) -> Self {
        let endpoint = match key {
            EndpointKey::Address(address) => Endpoint::new(address),
            EndpointKey::Id(id) => Endpoint::new(Ipv4Addr::UNSPECIFIED.into()).id(id),
        };
        Self { channel, key, dev: None, endpoint, cleared: EndpointFlags::empty() }
    }

    options! {
        flags(flags: EndpointFlags);
        signal();
        subflow();
        backup();
        fullmesh();
        laminar();
    }

    /// See [`Endpoint::id()`]. A new endpoint without an id gets the next free one.
    pub fn id(mut self, id: impl Into<AddressId>) -> Self {
        self.endpoint = self.endpoint.id(id);
        self
    }

    /// Subflows from it leave through this interface (`dev`).
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// Clears the backup flag (`nobackup`); for [`change`](Self::change).
    pub fn nobackup(mut self) -> Self {
        self.cleared |= EndpointFlags::BACKUP;
        self
    }

    /// Clears the fullmesh flag (`nofullmesh`); for [`change`](Self::change).
    pub fn nofullmesh(mut self) -> Self {
        self.cleared |= EndpointFlags::FULLMESH;
        self
    }

    /// Adds the endpoint; fails if the address exists, or the id where one is given. Connections of the kernel's path manager use
    /// it at once.
    ///
    /// Equivalent: `ip mptcp endpoint add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EEXIST` ([`is_exists`](Error::is_exists)) if the address exists, `EBUSY` if the id does, `ERANGE` at the kernel's limit: 8
    /// endpoints, 255 since Linux 7.2. Linux 6.1 returns `EINVAL` in these cases. The error of `listen` where a port is given.
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) for a flag that the kernel does not know: the kernel would drop it
    /// silently, so the endpoint is read back and then deleted. The device does not exist. Bad input, before the kernel is asked.
    pub fn add(self) -> Pending<Ack> {
        Pending::new(async move { self.try_add().await.map_err(|error| self.explain("add", error)) })
    }

    async fn try_add(&self) -> Result<Ack> {
        let EndpointKey::Address(address) = self.key else {
            return Err(Error::usage("a new endpoint needs an address: endpoint(ADDRESS).id(ID).add()"));
        };
        if !self.cleared.is_empty() {
            return Err(Error::usage("nobackup() and nofullmesh() are for change()"));
        }
        let Endpoint { flags, port, .. } = self.endpoint;
        let encode =
            |family, index| Endpoint { index, ..self.endpoint.clone() }.request(family, EndpointVerb::Add);
        let ack = self.channel.acknowledged_on(self.dev.clone(), encode).await?;
        // A kernel keeps the flags that it knows and drops the others.
        if (flags - EVERYWHERE).is_empty() {
            return Ok(ack);
        }
        let made = self.find(address, port).await?;
        let dropped = flags - made.flags;
        if dropped.is_empty() {
            return Ok(ack);
        }
        self.channel.acknowledged(|family| made.request(family, EndpointVerb::Delete)).await?;
        let unknown = dropped - EndpointFlags::LAMINAR;
        Err(match unknown.is_empty() {
            true => Error::unsupported("the endpoint flag laminar", Since::linux(6, 18)),
            false => {
                let feature = format!("the endpoint flags {:#x}", unknown.bits());
                Error::unsupported(feature, Since::option("a kernel that knows them"))
            }
        })
    }

    /// Sets or clears the backup and fullmesh flags; a flag that is not given does not change. Connections of the kernel's path
    /// manager follow at once.
    ///
    /// The kernel cannot change one flag alone: the endpoint is read, and written with the other flag as it was.
    ///
    /// Equivalent: `ip mptcp endpoint change`, which clears the flag that is not given. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the endpoint does not exist; `EINVAL` for fullmesh of an endpoint that is announced,
    /// where the kernel does not allow it; bad input, before the kernel is asked: no change, or something that cannot be changed.
    pub fn change(self) -> Pending<Ack> {
        Pending::new(async move { self.try_change().await.map_err(|error| self.explain("change", error)) })
    }

    async fn try_change(&self) -> Result<Ack> {
        if self.dev.is_some() || !(self.endpoint.flags - CHANGEABLE).is_empty() {
            return Err(Error::usage(
                "only backup and fullmesh can be changed; delete the endpoint and add it again",
            ));
        }
        if (self.endpoint.flags | self.cleared).is_empty() {
            return Err(Error::usage("nothing to change: backup(), nobackup(), fullmesh() or nofullmesh()"));
        }
        if self.endpoint.flags.intersects(self.cleared) {
            return Err(Error::usage("a flag is both set and cleared"));
        }
        let mut endpoint = self.read().await?;
        endpoint.flags = (endpoint.flags | self.endpoint.flags) - self.cleared;
        if let EndpointKey::Address(_) = self.key {
            endpoint.id = AddressId::INITIAL;
        }
        let encode = |family| endpoint.request(family, EndpointVerb::Change);
        self.channel.acknowledged(encode).await.map_err(or_not_found)
    }

    /// Deletes the endpoint, and closes the subflows from it. If it was announced, the announcement is withdrawn.
    ///
    /// The kernel deletes by id only. By address, the id is looked up first: that of the endpoint with this
    /// [`port`](Self::port); without one, that of the endpoint without a port, or of the only one with a port.
    ///
    /// Equivalent: `ip mptcp endpoint delete id ID`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the endpoint does not exist; id 0, which the kernel uses for
    /// [initial subflows](Self::drop_initial).
    pub fn delete(self) -> Pending<Ack> {
        Pending::new(async move { self.try_delete().await.map_err(|error| self.explain("delete", error)) })
    }

    async fn try_delete(&self) -> Result<Ack> {
        let endpoint = match self.key {
            EndpointKey::Id(_) => self.endpoint.clone(),
            EndpointKey::Address(_) => self.read().await?,
        };
        let encode = |family| endpoint.request(family, EndpointVerb::Delete);
        self.channel.acknowledged(encode).await.map_err(or_not_found)
    }

    /// Closes the initial subflows from this address of all connections of the kernel's path manager. An endpoint of the address
    /// is neither needed nor deleted.
    ///
    /// Equivalent: `ip mptcp endpoint delete id 0 ADDRESS`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// The endpoint is given by id.
    pub fn drop_initial(self) -> Pending<Ack> {
        Pending::new(async move {
            match self.key {
                EndpointKey::Address(_) => {
                    self.channel.acknowledged(|family| self.endpoint.drop_initial_request(family)).await
                }
                EndpointKey::Id(_) => {
                    let why = "initial subflows are selected by their address: endpoint(ADDRESS)";
                    Err(self.explain("drop the initial subflows of", Error::usage(why)))
                }
            }
        })
    }

    /// Reads the endpoint.
    ///
    /// Equivalent: `ip mptcp endpoint show id ID`. Needs no privilege.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the endpoint does not exist.
    pub fn get(self) -> Pending<Endpoint> {
        Pending::new(async move { self.read().await.map_err(|error| self.explain("get", error)) })
    }

    async fn read(&self) -> Result<Endpoint> {
        match self.key {
            EndpointKey::Address(address) => {
                let endpoint = self.find(address, self.endpoint.port).await?;
                if !self.endpoint.id.is_initial() && self.endpoint.id != endpoint.id {
                    return Err(not_found());
                }
                Ok(endpoint)
            }
            EndpointKey::Id(_) => {
                let encode = |family| self.endpoint.request(family, EndpointVerb::Get);
                self.channel.answered(encode, Endpoint::decode).await.map_err(or_not_found)
            }
        }
    }

    /// The endpoint of this address, with this port if one is given. Without one, it is the endpoint without a port: an address has
    /// at most one. If there is none, it is the only endpoint of the address.
    async fn find(&self, address: IpAddr, port: Option<u16>) -> Result<Endpoint> {
        let all = self.channel.dump(Endpoint::list_request, Endpoint::decode).await?.collect_all().await?;
        let of_address = || all.iter().filter(|e| e.address == address);
        if let Some(exact) = of_address().find(|e| e.port == port) {
            return Ok(exact.clone());
        }
        let mut others = of_address().filter(|_| port.is_none()).cloned();
        match (others.next(), others.next()) {
            (Some(endpoint), None) => Ok(endpoint),
            (None, _) => Err(not_found()),
            (Some(_), Some(_)) => Err(Error::usage(format!(
                "several endpoints have the address {address}: select one by port() or by id"
            ))),
        }
    }

    /// Ties an error to the operation, in the caller's words.
    fn explain(&self, verb: &str, error: Error) -> Error {
        let by_address = matches!(self.key, EndpointKey::Address(_));
        // A stand-in for the index of the device, which the caller's name replaces.
        let index = self.dev.as_ref().map(|_| u32::MAX);
        let error = error.during(|| words(verb, &Endpoint { index, ..self.endpoint.clone() }, by_address));
        self.dev.iter().fold(error, |error, dev| error.naming(u32::MAX, dev))
    }
}

/// What every kernel since 6.1 knows.
const EVERYWHERE: EndpointFlags = EndpointFlags::SIGNAL
    .union(EndpointFlags::SUBFLOW)
    .union(EndpointFlags::BACKUP)
    .union(EndpointFlags::FULLMESH)
    .union(EndpointFlags::IMPLICIT);

/// All endpoints. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Endpoints {
    channel: Channel,
}

impl Endpoints {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// Lists them by ascending id: a stream in constant memory.
    ///
    /// Equivalent: `ip mptcp endpoint show`. Needs no privilege.
    ///
    /// The list is the same where Multipath TCP is off: `Mptcp::status()` distinguishes off, on and absent.
    ///
    /// # Errors
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) if the kernel has no Multipath TCP.
    pub fn list(self) -> Pending<Dump<Endpoint>> {
        Pending::new(async move { self.channel.dump(Endpoint::list_request, Endpoint::decode).await })
    }

    /// Deletes all endpoints, and closes the subflows from them. Announcements are withdrawn. The next endpoint gets id 1.
    ///
    /// Equivalent: `ip mptcp endpoint flush`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EPERM` ([`is_permission`](Error::is_permission)).
    pub fn flush(self) -> Pending<Ack> {
        Pending::new(async move { self.channel.acknowledged(Endpoint::flush_request).await })
    }
}
