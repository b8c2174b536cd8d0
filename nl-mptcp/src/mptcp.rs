//! The handle.

use std::fmt;
use std::sync::{Arc, OnceLock};

use nl_core::error::{Errno, ErrorKind, KernelError};
use nl_core::genl::Family;
use nl_core::monitor::Monitor;
use nl_core::{Connection, Dev, Error, Pending, Protocol, Result};

use crate::connection::ConnectionEntry;
use crate::endpoint::{EndpointEntry, EndpointKey, Endpoints};
use crate::event::MptcpEvent;
use crate::limits::LimitsEntry;
use crate::{EVENT_GROUP, FAMILY, Token};

/// Multipath TCP of a namespace. Cheap to clone.
///
/// ```no_run
/// use nl_core::{Connection, Protocol};
/// use nl_mptcp::Mptcp;
///
/// # async fn example() -> nl_core::Result<()> {
/// let mptcp = Mptcp::new(Connection::open(Protocol::Generic)?);
/// // ip mptcp endpoint add 192.0.2.1 dev eth1 subflow backup
/// let address = std::net::Ipv4Addr::new(192, 0, 2, 1);
/// mptcp.endpoint(address).dev("eth1").subflow().backup().add().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Mptcp {
    pub(crate) conn: Connection,
    pub(crate) found: Arc<Found>,
}

/// What was found out once and stays true.
#[derive(Default)]
pub(crate) struct Found {
    /// Multipath TCP is no module, so its number does not change.
    family: OnceLock<Arc<Family>>,
    /// Where names of interfaces are looked up.
    route: OnceLock<Connection>,
    /// Whether the kernel reports a connection's addresses.
    pub(crate) reports_addresses: OnceLock<bool>,
}

impl Mptcp {
    /// Over this netlink connection, which must be one to [`Protocol::Generic`].
    #[must_use]
    pub fn new(conn: Connection) -> Self {
        Self { conn, found: Arc::default() }
    }

    /// The netlink connection.
    #[must_use]
    pub fn netlink(&self) -> &Connection {
        &self.conn
    }

    /// One endpoint of the kernel's path manager, to be added, changed, deleted or read: by its address or by its
    /// [id](crate::AddressId).
    pub fn endpoint(&self, key: impl Into<EndpointKey>) -> EndpointEntry {
        EndpointEntry::new(self.clone(), key.into())
    }

    /// All endpoints of the kernel's path manager, to be listed or flushed.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints::new(self.clone())
    }

    /// The limits of the kernel's path manager, to be read or set.
    pub fn limits(&self) -> LimitsEntry {
        LimitsEntry::new(self.clone())
    }

    /// One connection whose path manager this program is. Its token comes from an [event](Self::events), from the socket or
    /// from the list of sockets.
    pub fn connection(&self, token: impl Into<Token>) -> ConnectionEntry {
        ConnectionEntry::new(self.clone(), token.into())
    }

    /// The switches of the connection's namespace (`net.mptcp.*`).
    ///
    /// # Errors
    /// As [`Connection::netns`]: the connection's namespace cannot be learned.
    #[cfg(feature = "sysctl")]
    pub fn sysctl(&self) -> Result<crate::settings::Sysctl> {
        Ok(crate::settings::Sysctl::of(&self.conn.netns()?))
    }

    /// What happens from now on in the namespace, as a stream; see [`nl_core::monitor`] for what it does when the reader is
    /// slow.
    ///
    /// Equivalent: `ip mptcp monitor`. Needs `CAP_NET_ADMIN` in the user namespace that owns the network namespace.
    ///
    /// # Errors
    /// `EPERM` ([`is_permission`](Error::is_permission)); [`Unsupported`](nl_core::error::ErrorKind::Unsupported) if the
    /// kernel has no Multipath TCP.
    pub fn events(&self) -> Pending<Monitor<MptcpEvent>> {
        let mptcp = self.clone();
        Pending::new(async move {
            mptcp.listen().await.map_err(|error| error.during(|| "listen to mptcp events".into()))
        })
    }

    pub(crate) async fn listen(&self) -> Result<Monitor<MptcpEvent>> {
        let family = self.family().await?;
        let (number, group) = (family.id, family.group(EVENT_GROUP)?);
        let monitor = self.conn.monitor().group(group);
        monitor.open(move |message| MptcpEvent::decode(number, message))
    }

    pub(crate) async fn family(&self) -> Result<&Arc<Family>> {
        if let Some(family) = self.found.family.get() {
            return Ok(family);
        }
        self.conn.require(Protocol::Generic, "Multipath TCP requests")?;
        let family = self.conn.family(FAMILY).await?;
        Ok(self.found.family.get_or_init(|| family))
    }

    pub(crate) async fn index(&self, dev: &Dev) -> Result<u32> {
        if let Dev::Index(index) = dev {
            return dev.check().map(|()| *index);
        }
        let route = match self.found.route.get() {
            Some(route) => route,
            None => {
                let route = self.conn.sibling(Protocol::Route)?;
                self.found.route.get_or_init(|| route)
            }
        };
        match route.known_index(dev)? {
            Some(index) => Ok(index),
            None => route.link_index(dev).await,
        }
    }
}

impl fmt::Debug for Mptcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mptcp").field("conn", &self.conn).finish_non_exhaustive()
    }
}

/// The kernel says `EINVAL` and "address not found" where it means that something is not there.
pub(crate) fn or_not_found(error: Error) -> Error {
    let Some(kernel) = error.kernel() else { return error };
    let text = kernel.ext_ack.message.as_deref().unwrap_or_default();
    if kernel.errno != Errno::EINVAL || !text.contains("not found") {
        return error;
    }
    let operation = error.operation().unwrap_or("mptcp request").to_owned();
    not_found().during(|| operation)
}

/// `No such device or address`: the kernel's refusal of what it does not have.
pub(crate) fn not_found() -> Error {
    ErrorKind::Kernel(KernelError::new(Errno::ENXIO)).into()
}
