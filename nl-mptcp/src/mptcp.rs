use nl_core::monitor::Monitor;
use nl_core::{Connection, Pending};

use crate::Token;
use crate::channel::Channel;
use crate::connection::ConnectionEntry;
use crate::endpoint::{EndpointEntry, EndpointKey, Endpoints};
use crate::event::{MptcpEvent, listen};
use crate::limits::LimitsEntry;

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
    channel: Channel,
}

impl Mptcp {
    /// Over this netlink connection, which must be one to [`Protocol::Generic`](nl_core::Protocol::Generic).
    #[must_use]
    pub fn new(conn: Connection) -> Self {
        Self { channel: Channel::new(conn) }
    }

    /// The netlink connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        self.channel.connection()
    }

    /// One endpoint of the kernel's path manager, to be added, changed, deleted or read: by its address or by its
    /// [id](crate::AddressId).
    pub fn endpoint(&self, key: impl Into<EndpointKey>) -> EndpointEntry {
        EndpointEntry::new(self.channel.clone(), key.into())
    }

    /// All endpoints of the kernel's path manager, to be listed or flushed.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints::new(self.channel.clone())
    }

    /// The limits of the kernel's path manager, to be read or set.
    pub fn limits(&self) -> LimitsEntry {
        LimitsEntry::new(self.channel.clone())
    }

    /// One connection whose path manager is this program. Its token is in an [event](Self::events), in the statistics of the
    /// socket and in the list of sockets.
    pub fn mptcp_connection(&self, token: impl Into<Token>) -> ConnectionEntry {
        ConnectionEntry::new(self.channel.clone(), token.into())
    }

    /// The settings of the netlink connection's namespace (`net.mptcp.*`).
    ///
    /// # Errors
    /// As [`Connection::netns`]: the netlink connection's namespace cannot be determined.
    #[cfg(feature = "settings")]
    pub fn settings(&self) -> nl_core::Result<crate::settings::SettingsEntry> {
        Ok(crate::settings::SettingsEntry::of(&self.connection().netns()?))
    }

    /// Whether the namespace has Multipath TCP, whether it is on, and who manages the paths of new connections: one answer on every
    /// kernel, to be asked for before anything else.
    ///
    /// ```no_run
    /// # async fn example(mptcp: nl_mptcp::Mptcp) -> nl_core::Result<()> {
    /// use nl_mptcp::settings::Status;
    ///
    /// match mptcp.status().await? {
    ///     Status::Absent => println!("this kernel has no Multipath TCP"),
    ///     Status::Off => println!("sysctl net.mptcp.enabled=1 turns it on"),
    ///     Status::On(manager) => println!("new connections have the path manager {manager}"),
    ///     _ => {}
    /// }
    /// # Ok(())
    /// # }
    /// ```
    /// Needs no privilege.
    ///
    /// # Errors
    /// As [`settings`](Self::settings) and [`SettingsEntry::status`](crate::settings::SettingsEntry::status).
    #[cfg(feature = "settings")]
    pub fn status(&self) -> Pending<crate::settings::Status> {
        let this = self.clone();
        Pending::new(async move {
            match this.channel.family().await {
                Ok(_) => this.settings()?.status(),
                Err(error) if error.is_unsupported() => Ok(crate::settings::Status::Absent),
                Err(error) => Err(error),
            }
            .map_err(|error| error.during(|| "get mptcp status".into()))
        })
    }

    /// The events of the namespace from now on, as a stream; see [`nl_core::monitor`] for how it behaves when the reader is
    /// slow.
    ///
    /// Equivalent: `ip mptcp monitor`. Needs `CAP_NET_ADMIN` in the user namespace that owns the network namespace.
    ///
    /// # Errors
    /// `EPERM` ([`is_permission`](nl_core::Error::is_permission)); [`Unsupported`](nl_core::error::ErrorKind::Unsupported) if the
    /// kernel has no Multipath TCP.
    pub fn events(&self) -> Pending<Monitor<MptcpEvent>> {
        let channel = self.channel.clone();
        Pending::new(async move {
            let events = listen(&channel, None, |event| event).await;
            events.map_err(|error| error.during(|| "listen to mptcp events".into()))
        })
    }

    #[cfg(feature = "path-manager")]
    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }
}
