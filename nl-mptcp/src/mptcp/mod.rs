//! The handle.

mod connection;
mod endpoint;
mod limits;

use std::sync::{Arc, OnceLock};

use nl_core::error::Errno;
use nl_core::genl::Family;
use nl_core::monitor::Monitor;
use nl_core::{Connection, Dev, Error, Protocol, Result};

use crate::event::MptcpEvent;
use crate::{EVENT_GROUP, FAMILY, Token};

pub use connection::{AddressEntry, ConnectionEntry, SubflowEntry};
pub use endpoint::{EndpointEntry, EndpointKey, Endpoints};
pub use limits::LimitsEntry;

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
#[derive(Clone, Debug)]
pub struct Mptcp {
    conn: Connection,
    /// Whether the kernel tells a connection's addresses, once that was found out.
    tells_addresses: Arc<OnceLock<bool>>,
}

impl Mptcp {
    /// Over this netlink connection, which must be one to [`Protocol::Generic`].
    #[must_use]
    pub fn new(conn: Connection) -> Self {
        Self { conn, tells_addresses: Arc::default() }
    }

    /// The netlink connection.
    #[must_use]
    pub fn netlink(&self) -> &Connection {
        &self.conn
    }

    /// One endpoint of the kernel's path manager, to be added, changed, deleted or read: by its address or by its
    /// [id](crate::AddressId).
    pub fn endpoint(&self, key: impl Into<EndpointKey>) -> EndpointEntry<'_> {
        EndpointEntry::new(self, key.into())
    }

    /// All endpoints of the kernel's path manager, to be listed or flushed.
    pub fn endpoints(&self) -> Endpoints<'_> {
        Endpoints::new(self)
    }

    /// The limits of the kernel's path manager, to be read or set.
    pub fn limits(&self) -> LimitsEntry<'_> {
        LimitsEntry::new(self)
    }

    /// One connection whose path manager this program is. Its token comes from an [event](Self::events), from the socket or
    /// from the list of sockets.
    pub fn connection(&self, token: impl Into<Token>) -> ConnectionEntry<'_> {
        ConnectionEntry::new(self, token.into())
    }

    /// The switches of the namespace (`net.mptcp.*`).
    #[cfg(feature = "sysctl")]
    #[must_use]
    pub fn sysctl(&self) -> crate::sysctl::Sysctl {
        match self.conn.netns() {
            Some(netns) => crate::sysctl::Sysctl::of(netns),
            None => crate::sysctl::Sysctl::current(),
        }
    }

    /// What happens from now on in the namespace, as a stream; see [`nl_core::monitor`] for what it does when the reader is
    /// slow.
    ///
    /// Equivalent: `ip mptcp monitor`. Needs `CAP_NET_ADMIN` in the user namespace that owns the network namespace.
    ///
    /// # Errors
    /// `EPERM` ([`is_permission`](Error::is_permission)); [`Unsupported`](nl_core::error::ErrorKind::Unsupported) if the
    /// kernel has no Multipath TCP.
    pub async fn events(&self) -> Result<Monitor<MptcpEvent>> {
        self.listen().await.map_err(|error| error.during(|| "listen to mptcp events".into()))
    }

    async fn listen(&self) -> Result<Monitor<MptcpEvent>> {
        let family = self.family().await?;
        let (number, group) = (family.id, family.group(EVENT_GROUP)?);
        let monitor = self.conn.monitor().group(group);
        monitor.open(move |message| MptcpEvent::decode(number, message))
    }

    async fn family(&self) -> Result<Arc<Family>> {
        match self.conn.protocol() {
            Protocol::Generic => self.conn.family(FAMILY).await,
            other => Err(Error::usage(format!("Multipath TCP is on NETLINK_GENERIC, not {other}"))),
        }
    }

    async fn index(&self, dev: &Dev) -> Result<u32> {
        match dev {
            Dev::Index(index) => dev.check().map(|()| *index),
            _ => self.conn.sibling(Protocol::Route)?.link_index(dev).await,
        }
    }
}

/// The kernel says `EINVAL` and "address not found" where it means that something is not there.
fn or_not_found(error: Error) -> Error {
    let text = error.kernel().and_then(|kernel| kernel.ext_ack.message.as_deref()).unwrap_or_default();
    if error.errno() != Some(Errno::EINVAL) || !text.contains("not found") {
        return error;
    }
    let operation = error.operation().unwrap_or("mptcp request").to_owned();
    not_found().during(|| operation)
}

/// `No such device or address`.
fn not_found() -> Error {
    std::io::Error::from_raw_os_error(Errno::ENXIO.get()).into()
}
