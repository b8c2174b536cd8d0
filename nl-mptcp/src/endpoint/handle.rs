use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nl_core::dump::Dump;
use nl_core::error::{Ack, Since};
use nl_core::{Dev, Error, Pending, Result};

use super::codec::{CHANGEABLE, Endpoint, EndpointFlags, EndpointVerb};
use crate::AddressId;
use crate::mptcp::{Mptcp, not_found, or_not_found};

/// What an endpoint is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndpointKey {
    /// Its address, and its port where it has one.
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
    mptcp: Mptcp,
    key: EndpointKey,
    dev: Option<Dev>,
    endpoint: Endpoint,
    /// Flags to be taken away.
    without: EndpointFlags,
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

impl EndpointEntry {
    pub(crate) fn new(mptcp: Mptcp, key: EndpointKey) -> Self {
        let endpoint = match key {
            EndpointKey::Address(address) => Endpoint::new(address),
            EndpointKey::Id(id) => Endpoint::new(Ipv4Addr::UNSPECIFIED.into()).id(id),
        };
        Self { mptcp, key, dev: None, endpoint, without: EndpointFlags::empty() }
    }

    options! {
        port(port: u16);
        flags(flags: EndpointFlags);
        signal();
        subflow();
        backup();
        fullmesh();
        laminar();
    }

    /// See [`Endpoint::id()`]. A new endpoint without one gets the next that is free.
    pub fn id(mut self, id: impl Into<AddressId>) -> Self {
        self.endpoint = self.endpoint.id(id);
        self
    }

    /// Subflows from it leave through this interface (`dev`).
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// No longer a backup (`nobackup`); for [`change`](Self::change).
    pub fn nobackup(mut self) -> Self {
        self.without |= EndpointFlags::BACKUP;
        self
    }

    /// No longer connected to every address of the peer (`nofullmesh`); for [`change`](Self::change).
    pub fn nofullmesh(mut self) -> Self {
        self.without |= EndpointFlags::FULLMESH;
        self
    }

    /// Makes the endpoint; fails if the address, or the id where one is given, is taken. Connections that the kernel's path
    /// manager runs make use of it at once.
    ///
    /// Equivalent: `ip mptcp endpoint add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EEXIST` ([`is_exists`](Error::is_exists)) if the address is there, `EBUSY` if the id is, `ERANGE` with as many
    /// endpoints as the kernel takes: 8, 255 since Linux 7.2. Linux 6.1 says `EINVAL` to each of them. The error of
    /// `listen` where a port is given. [`Unsupported`](nl_core::error::ErrorKind::Unsupported) for a flag the kernel does not
    /// know: it would forget it without a word, so the endpoint is read back and then removed. No such device; bad input,
    /// before the kernel is asked.
    pub fn add(self) -> Pending<Ack> {
        Pending::new(
            async move { self.try_add().await.map_err(|error| error.during(|| self.describe("add"))) },
        )
    }

    async fn try_add(&self) -> Result<Ack> {
        let EndpointKey::Address(address) = self.key else {
            return Err(Error::usage("an endpoint is made of an address: endpoint(ADDRESS).id(ID).add()"));
        };
        if !self.without.is_empty() {
            return Err(Error::usage("nobackup() and nofullmesh() are for change()"));
        }
        let mut endpoint = self.endpoint.clone();
        if let Some(dev) = &self.dev {
            endpoint.index = Some(self.mptcp.index(dev).await?);
        }
        let family = self.mptcp.family().await?.id;
        let ack = self.mptcp.conn.acknowledged(endpoint.request(family, EndpointVerb::Add)).await?;
        // A kernel keeps the flags it knows and drops the others.
        if (endpoint.flags - EVERYWHERE).is_empty() {
            return Ok(ack);
        }
        let made = self.find(address, endpoint.port).await?;
        let dropped = endpoint.flags - made.flags;
        if dropped.is_empty() {
            return Ok(ack);
        }
        self.mptcp.conn.acknowledged(made.request(family, EndpointVerb::Delete)).await?;
        let feature = match dropped {
            EndpointFlags::LAMINAR => "the endpoint flag laminar".to_owned(),
            other => format!("endpoint flags {:#x}", other.bits()),
        };
        Err(Error::unsupported(feature, Since::linux(6, 18).with("the path manager laminar")))
    }

    /// Makes the endpoint a backup or no backup, or lets it connect to every address of the peer or not; what is not said stays.
    /// Connections that the kernel's path manager runs follow at once.
    ///
    /// The kernel knows no change of one flag alone: the endpoint is read, and written with the other as it was.
    ///
    /// Equivalent: `ip mptcp endpoint change`, which takes away the flag that is not said. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if there is no such endpoint; bad input, before the kernel is asked: fullmesh for
    /// one that is announced, nothing to change, or something that cannot be changed.
    pub fn change(self) -> Pending<Ack> {
        Pending::new(async move {
            self.try_change().await.map_err(|error| error.during(|| self.describe("change")))
        })
    }

    async fn try_change(&self) -> Result<Ack> {
        if self.dev.is_some() || !(self.endpoint.flags - CHANGEABLE).is_empty() {
            return Err(Error::usage(
                "only backup and fullmesh can be changed; delete the endpoint and add it anew",
            ));
        }
        if (self.endpoint.flags | self.without).is_empty() {
            return Err(Error::usage("nothing to change: backup(), nobackup(), fullmesh() or nofullmesh()"));
        }
        if self.endpoint.flags.intersects(self.without) {
            return Err(Error::usage("a flag is both given and taken away"));
        }
        let mut there = self.read().await?;
        there.flags = (there.flags | self.endpoint.flags) - self.without;
        if let EndpointKey::Address(_) = self.key {
            there.id = AddressId::INITIAL;
        }
        let family = self.mptcp.family().await?.id;
        self.mptcp.conn.acknowledged(there.request(family, EndpointVerb::Change)).await.map_err(or_not_found)
    }

    /// Removes the endpoint, the subflows from it, and what was announced of it.
    ///
    /// The kernel deletes by id only. By address, the id is looked up first.
    ///
    /// Equivalent: `ip mptcp endpoint delete id ID`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if there is no such endpoint; id 0, which the kernel would take for
    /// [something else](Self::drop_initial).
    pub fn delete(self) -> Pending<Ack> {
        Pending::new(async move {
            self.try_delete().await.map_err(|error| error.during(|| self.describe("delete")))
        })
    }

    async fn try_delete(&self) -> Result<Ack> {
        let there = match self.key {
            EndpointKey::Id(_) => self.endpoint.clone(),
            EndpointKey::Address(_) => self.read().await?,
        };
        let family = self.mptcp.family().await?.id;
        self.mptcp.conn.acknowledged(there.request(family, EndpointVerb::Delete)).await.map_err(or_not_found)
    }

    /// Closes the subflows from this address that connections of the kernel's path manager began with. There need be no
    /// endpoint of it, and one that is there stays.
    ///
    /// Equivalent: `ip mptcp endpoint delete id 0 ADDRESS`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// The endpoint is given by id.
    pub fn drop_initial(self) -> Pending<Ack> {
        Pending::new(async move {
            let named = |error: Error| error.during(|| self.describe("drop the initial subflows of"));
            self.try_drop_initial().await.map_err(named)
        })
    }

    async fn try_drop_initial(&self) -> Result<Ack> {
        if let EndpointKey::Id(_) = self.key {
            return Err(Error::usage("first subflows are found by their address: endpoint(ADDRESS)"));
        }
        let family = self.mptcp.family().await?.id;
        self.mptcp.conn.acknowledged(self.endpoint.drop_initial_request(family)).await
    }

    /// Reads the endpoint.
    ///
    /// Equivalent: `ip mptcp endpoint show id ID`. Needs no privilege.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if there is no such endpoint.
    pub fn get(self) -> Pending<Endpoint> {
        Pending::new(async move { self.read().await.map_err(|error| error.during(|| self.describe("get"))) })
    }

    async fn read(&self) -> Result<Endpoint> {
        match self.key {
            EndpointKey::Address(address) => {
                let there = self.find(address, self.endpoint.port).await?;
                if !self.endpoint.id.is_initial() && self.endpoint.id != there.id {
                    return Err(not_found());
                }
                Ok(there)
            }
            EndpointKey::Id(_) => {
                let family = self.mptcp.family().await?.id;
                let request = self.endpoint.request(family, EndpointVerb::Get);
                self.mptcp.conn.answered(request, Endpoint::decode).await.map_err(or_not_found)
            }
        }
    }

    /// The endpoint of this address, with this port if one is given.
    async fn find(&self, address: IpAddr, port: Option<u16>) -> Result<Endpoint> {
        let all = self.mptcp.list_endpoints().await?.collect_all().await?;
        let mut those =
            all.into_iter().filter(|e| e.address == address && (port.is_none() || e.port == port));
        let found = those.next().ok_or_else(not_found)?;
        match those.next() {
            None => Ok(found),
            Some(_) => {
                Err(Error::usage(format!("several endpoints have {address}: say which by port() or by id")))
            }
        }
    }

    fn describe(&self, verb: &str) -> String {
        let text = match self.key {
            EndpointKey::Address(_) => self.endpoint.to_string(),
            EndpointKey::Id(id) => format!("id {id}"),
        };
        let dev = self.dev.as_ref().map(|dev| format!(" dev {dev}")).unwrap_or_default();
        format!("{verb} mptcp endpoint {text}{dev}")
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
    mptcp: Mptcp,
}

impl Endpoints {
    pub(crate) fn new(mptcp: Mptcp) -> Self {
        Self { mptcp }
    }

    /// Lists them by ascending id: a stream in constant memory.
    ///
    /// Equivalent: `ip mptcp endpoint show`. Needs no privilege.
    ///
    /// # Errors
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) if the kernel has no Multipath TCP.
    pub fn list(self) -> Pending<Dump<Endpoint>> {
        Pending::new(async move { self.mptcp.list_endpoints().await })
    }

    /// Removes them all, with the subflows from them and what was announced of them. New ones are numbered from 1 again.
    ///
    /// Equivalent: `ip mptcp endpoint flush`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EPERM` ([`is_permission`](Error::is_permission)).
    pub fn flush(self) -> Pending<Ack> {
        Pending::new(async move {
            let family = self.mptcp.family().await?.id;
            self.mptcp.conn.acknowledged(Endpoint::flush_request(family)).await
        })
    }
}

impl Mptcp {
    async fn list_endpoints(&self) -> Result<Dump<Endpoint>> {
        let family = self.family().await?.id;
        Ok(self.conn.dump(Endpoint::list_request(family), |message| Endpoint::decode(message).map(Some)))
    }
}
