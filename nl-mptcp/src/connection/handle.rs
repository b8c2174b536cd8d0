use std::net::{IpAddr, SocketAddr};

use nl_core::dump::Dump;
use nl_core::error::{Ack, Errno, Since};
use nl_core::{Dev, Error, Pending, Result};

use super::codec::{get_request, list_request, withdraw_request};
use crate::channel::{Channel, or_not_found};
use crate::endpoint::{Endpoint, EndpointFlags};
use crate::subflow::{Subflow, SubflowEntry};
use crate::{AddressId, Token};

/// One connection whose path manager is this program; see [`nl_mptcp::connection`](crate::connection) for which connections
/// these are. The verbs come last.
///
/// ```no_run
/// # async fn example(mptcp: nl_mptcp::Mptcp, token: nl_mptcp::Token) -> Result<(), Box<dyn std::error::Error>> {
/// let connection = mptcp.mptcp_connection(token);
/// connection.address("192.0.2.7".parse()?, 5).port(8443).announce().await?;
/// connection.subflow("198.51.100.1:0".parse()?, "192.0.2.1:443".parse()?).id(6).dev("eth1").create().await?;
/// connection.withdraw(5).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ConnectionEntry {
    channel: Channel,
    token: Token,
}

impl ConnectionEntry {
    pub(crate) fn new(channel: Channel, token: Token) -> Self {
        Self { channel, token }
    }

    /// Its token.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }

    /// A local address to be announced to the peer with this id, 1 to 255.
    pub fn address(&self, address: IpAddr, id: impl Into<AddressId>) -> AddressEntry {
        self.announcement(Endpoint::new(address).id(id))
    }

    pub(crate) fn announcement(&self, endpoint: Endpoint) -> AddressEntry {
        let dev = endpoint.index.map(Dev::Index);
        AddressEntry { channel: self.channel.clone(), token: self.token, dev, endpoint }
    }

    /// A subflow between these addresses, to be created, changed or destroyed.
    pub fn subflow(&self, local: SocketAddr, remote: SocketAddr) -> SubflowEntry {
        self.creation(Subflow::new(local, remote))
    }

    pub(crate) fn creation(&self, subflow: Subflow) -> SubflowEntry {
        SubflowEntry::new(self.channel.clone(), self.token, subflow)
    }

    /// Withdraws the local address of this id from the peer, which closes its subflows. Id 0 is the address of the initial subflow.
    ///
    /// The kernel writes that into the next packet of the oldest subflow, since Linux 7.0 of the oldest that is not from this address.
    /// It does not close the subflows at this end: it is the peer that does. Where the path is broken,
    /// [destroy](crate::subflow::SubflowEntry::destroy) them too.
    ///
    /// The kernel has room for one address option at a time. While an announcement, or the echo of the peer's announcement, is
    /// still to be sent, the kernel reports success and does not inform the peer; the counter `RmAddrTxDrop` counts these
    /// (Linux 6.12).
    ///
    /// Needs `CAP_NET_ADMIN`. Linux 5.19.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the connection has no such address; not for id 0, whose withdrawal the kernel
    /// acknowledges also where the initial subflow is closed already. `EINVAL` if the token has no connection, or one of the
    /// kernel's path manager.
    pub fn withdraw(&self, id: impl Into<AddressId>) -> Pending<Ack> {
        let (this, id) = (self.clone(), id.into());
        Pending::new(async move {
            let encode = |family| withdraw_request(family, this.token, id);
            this.channel.acknowledged(encode).await.map_err(or_not_found)
        })
    }

    /// Reads the local address of this id: one that was announced, or that of a subflow that was created.
    ///
    /// Needs no privilege. Linux 6.10.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the connection has no such address, on newer kernels also if the token has no
    /// connection; [`Unsupported`](nl_core::error::ErrorKind::Unsupported) on a kernel that does not report addresses.
    pub fn get(&self, id: impl Into<AddressId>) -> Pending<Endpoint> {
        let (this, id) = (self.clone(), id.into());
        Pending::new(async move {
            let encode = |family| get_request(family, this.token, id);
            this.require_report().await.map_err(|error| encode(0).not_sent(error))?;
            this.channel.answered(encode, Endpoint::decode).await.map_err(or_not_found)
        })
    }

    /// Lists the local addresses: those that were announced, and those of subflows that were created.
    ///
    /// Needs no privilege. Linux 6.10.
    ///
    /// # Errors
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) on a kernel that does not report addresses. In the stream:
    /// `EINVAL` if the token has no connection, or one of the kernel's path manager.
    pub fn list(&self) -> Pending<Dump<Endpoint>> {
        let this = self.clone();
        Pending::new(async move {
            let encode = |family| list_request(family, this.token);
            this.require_report().await.map_err(|error| encode(0).not_sent(error))?;
            this.channel.dump(encode, Endpoint::decode).await
        })
    }

    /// A kernel that does not report the addresses of a connection ignores the token, and answers with the endpoints of the
    /// namespace. A kernel that does report them refuses a token without a connection.
    async fn require_report(&self) -> Result<()> {
        let known = self.channel.reports_addresses();
        let reported = match known.get() {
            Some(reported) => *reported,
            None => {
                let probe = |family| list_request(family, Token::new(0));
                let reported = match self.channel.dump(probe, |_| Ok(())).await?.collect_all().await {
                    Ok(_) => false,
                    // Not an `EINVAL` of the socket, which does not come from the kernel's path manager.
                    Err(error) if error.kernel().is_some_and(|kernel| kernel.errno == Errno::EINVAL) => true,
                    Err(error) => return Err(error),
                };
                *known.get_or_init(|| reported)
            }
        };
        if reported {
            Ok(())
        } else {
            Err(Error::unsupported("reading the addresses of a connection", Since::linux(6, 10)))
        }
    }
}

/// A local address to be announced. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct AddressEntry {
    channel: Channel,
    token: Token,
    dev: Option<Dev>,
    endpoint: Endpoint,
}

impl AddressEntry {
    /// With a port of its own. Unlike for an endpoint the kernel does not listen on it: the program must, with a Multipath TCP
    /// socket. The kernel accepts subflows only on ports that were announced and on that of the initial subflow.
    pub fn port(mut self, port: u16) -> Self {
        self.endpoint = self.endpoint.port(port);
        self
    }

    /// With these flags in addition; `signal` is implied.
    pub fn flags(mut self, flags: EndpointFlags) -> Self {
        self.endpoint = self.endpoint.flags(flags);
        self
    }

    /// On this interface.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// Announces the address to the peer. Announcing it again sends it again.
    ///
    /// An IPv6 address with a port leaves no room for TCP timestamps. Where these are on, as they are by default, the kernel
    /// reports success and sends nothing, unless `net.mptcp.add_addr_v6_port_drop_ts` exists and is on.
    ///
    /// Needs `CAP_NET_ADMIN`. Linux 5.19.
    ///
    /// # Errors
    /// `EINVAL` if the connection has the address under another id or another address under the id, if the token has no
    /// connection, or one of the kernel's path manager. The device does not exist. Id 0 or port 0, before the kernel is asked.
    pub fn announce(self) -> Pending<Ack> {
        Pending::new(async move {
            let Self { channel, token, dev, endpoint } = self;
            let encode = |family, index| Endpoint { index, ..endpoint }.announce_request(family, token);
            channel.acknowledged_on(dev, encode).await
        })
    }
}
