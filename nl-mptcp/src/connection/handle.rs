use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use nl_core::dump::Dump;
use nl_core::error::{Ack, Errno, ErrorKind, Since};
use nl_core::monitor::Monitor;
use nl_core::{Dev, Error, Pending, Result};

use super::codec::{Subflow, SubflowVerb, get_request, list_request, withdraw_request};

use crate::endpoint::{Endpoint, EndpointFlags};
use crate::event::{MptcpEvent, SubflowEvent};
use crate::mptcp::{Mptcp, or_not_found};
use crate::{AddressId, Token};

/// One connection whose path manager this program is; see [`nl_mptcp::connection`](crate::connection) for which connections
/// these are. The verbs come last.
///
/// ```no_run
/// # async fn example(mptcp: nl_mptcp::Mptcp, token: nl_mptcp::Token) -> Result<(), Box<dyn std::error::Error>> {
/// let connection = mptcp.connection(token);
/// connection.address("192.0.2.7".parse()?, 5).port(8443).announce().await?;
/// connection.subflow("198.51.100.1:0".parse()?, "192.0.2.1:443".parse()?).id(6).dev("eth1").create().await?;
/// connection.withdraw(5).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ConnectionEntry {
    mptcp: Mptcp,
    token: Token,
}

impl ConnectionEntry {
    pub(crate) fn new(mptcp: Mptcp, token: Token) -> Self {
        Self { mptcp, token }
    }

    /// Its token.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }

    /// A local address to be announced to the peer under this number, 1 to 255.
    pub fn address(&self, address: IpAddr, id: impl Into<AddressId>) -> AddressEntry {
        AddressEntry { of: self.clone(), dev: None, endpoint: Endpoint::new(address).id(id) }
    }

    /// A subflow between these addresses, to be created, changed or destroyed.
    pub fn subflow(&self, local: SocketAddr, remote: SocketAddr) -> SubflowEntry {
        SubflowEntry { of: self.clone(), dev: None, subflow: Subflow::new(local, remote) }
    }

    /// Withdraws the local address of this number, and closes its subflows. Number 0 is the address of the first subflow.
    ///
    /// The kernel has one place for what is to be said of addresses. While an announcement, or the echo of one of the peer's,
    /// is still to be sent, it says success and the peer is not told; the counter `RmAddrTxDrop` tells (Linux 6.12).
    ///
    /// Needs `CAP_NET_ADMIN`. Linux 5.19.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the connection has no such address; `EINVAL` for a token of no
    /// connection, or one of a connection that the kernel's path manager runs.
    pub fn withdraw(&self, id: impl Into<AddressId>) -> Pending<Ack> {
        let (this, id) = (self.clone(), id.into());
        Pending::new(async move {
            let named = |error: Error| {
                error.during(|| format!("withdraw mptcp address id {id} token {}", this.token))
            };
            let family = this.family().await.map_err(named)?;
            this.mptcp.conn.acknowledged(withdraw_request(family, this.token, id)).await.map_err(or_not_found)
        })
    }

    /// Reads the local address of this number: one announced, or one of a subflow that was created.
    ///
    /// Needs no privilege. Linux 6.10.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the connection has no such address, on newer kernels also for a token of
    /// no connection; [`Unsupported`](ErrorKind::Unsupported) on a kernel that does not tell.
    pub fn get(&self, id: impl Into<AddressId>) -> Pending<Endpoint> {
        let (this, id) = (self.clone(), id.into());
        Pending::new(async move {
            let named =
                |error: Error| error.during(|| format!("get mptcp address id {id} token {}", this.token));
            this.require_report().await.map_err(named)?;
            let family = this.family().await.map_err(named)?;
            let found = this.mptcp.conn.answered(get_request(family, this.token, id), Endpoint::decode).await;
            found.map_err(or_not_found)
        })
    }

    /// Lists the local addresses: those announced, and those of subflows that were created.
    ///
    /// Needs no privilege. Linux 6.10.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) on a kernel that does not tell. In the stream: `EINVAL` for a token of no
    /// connection, or one of a connection that the kernel's path manager runs.
    pub fn list(&self) -> Pending<Dump<Endpoint>> {
        let this = self.clone();
        Pending::new(async move {
            let named = |error: Error| error.during(|| format!("list mptcp addresses token {}", this.token));
            this.require_report().await.map_err(named)?;
            let family = this.family().await.map_err(named)?;
            let request = list_request(family, this.token);
            Ok(this.mptcp.conn.dump(request, |message| Endpoint::decode(message).map(Some)))
        })
    }

    /// A kernel that does not report the addresses of a connection ignores the token, and answers with the endpoints of the
    /// namespace. One that does refuses a token of no connection.
    async fn require_report(&self) -> Result<()> {
        let known = &self.mptcp.found.reports_addresses;
        let reported = match known.get() {
            Some(reported) => *reported,
            None => {
                let request = list_request(self.family().await?, Token::new(0));
                let probe: Dump<Endpoint> = self.mptcp.conn.dump(request, |_| Ok(None));
                let reported = match probe.collect_all().await {
                    Ok(_) => false,
                    // Not an `EINVAL` of the socket, which says nothing about the kernel.
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

    async fn family(&self) -> Result<u16> {
        Ok(self.mptcp.family().await?.id)
    }
}

/// A local address to be announced. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct AddressEntry {
    of: ConnectionEntry,
    dev: Option<Dev>,
    endpoint: Endpoint,
}

impl AddressEntry {
    /// With a port of its own. Unlike for an endpoint the kernel does not listen there: the program must, with a socket of
    /// Multipath TCP. To a port that is neither announced nor the first subflow's the kernel lets no subflow in.
    pub fn port(mut self, port: u16) -> Self {
        self.endpoint = self.endpoint.port(port);
        self
    }

    /// With these flags in addition; `signal` need not be said.
    pub fn flags(mut self, flags: EndpointFlags) -> Self {
        self.endpoint = self.endpoint.flags(flags);
        self
    }

    /// On this interface.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// Announces the address to the peer. Once more, it is sent once more.
    ///
    /// An IPv6 address with a port leaves no room for TCP time stamps. Where these are on, as they are if nobody switched them
    /// off, the kernel says success and sends nothing, unless it has and heeds `net.mptcp.add_addr_v6_port_drop_ts`.
    ///
    /// Needs `CAP_NET_ADMIN`. Linux 5.19.
    ///
    /// # Errors
    /// `EINVAL` if the connection has the address under another id or another address under the id, for a token of no
    /// connection, or one of a connection that the kernel's path manager runs; no such device; id 0 or port 0, before the
    /// kernel is asked.
    pub fn announce(self) -> Pending<Ack> {
        Pending::new(
            async move { self.try_announce().await.map_err(|error| error.during(|| self.describe())) },
        )
    }

    async fn try_announce(&self) -> Result<Ack> {
        let mptcp = &self.of.mptcp;
        let mut endpoint = self.endpoint.clone();
        if let Some(dev) = &self.dev {
            endpoint.index = Some(mptcp.index(dev).await?);
        }
        let family = self.of.family().await?;
        mptcp.conn.acknowledged(endpoint.announce_request(family, self.of.token)).await
    }

    fn describe(&self) -> String {
        let dev = self.dev.as_ref().map(|dev| format!(" dev {dev}")).unwrap_or_default();
        format!("announce mptcp address {}{dev} token {}", self.endpoint, self.of.token)
    }
}

/// A subflow to be created, changed or destroyed. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct SubflowEntry {
    of: ConnectionEntry,
    dev: Option<Dev>,
    subflow: Subflow,
}

impl SubflowEntry {
    /// See [`Subflow::id()`].
    pub fn id(mut self, id: impl Into<AddressId>) -> Self {
        self.subflow = self.subflow.id(id);
        self
    }

    /// See [`Subflow::backup()`].
    pub fn backup(mut self) -> Self {
        self.subflow = self.subflow.backup();
        self
    }

    /// A new subflow leaves through this interface.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// Opens the subflow. Success says that the first packet was sent, not that the peer agreed: the events say that, or
    /// [`create_established`](Self::create_established).
    ///
    /// Needs `CAP_NET_ADMIN`. Linux 5.19.
    ///
    /// # Errors
    /// `ENOTCONN` before the connection is established at both ends, which takes an exchange of data; `EADDRNOTAVAIL` if
    /// the local address is not this machine's; `ENETUNREACH`; `EINVAL` if the connection has the address under another
    /// id or another address under the id, for a token of no connection, or one of a connection that the kernel's path
    /// manager runs. No such device; no id, remote port 0, or one end IPv4 and the other IPv6, before the kernel is asked.
    /// [`Unsupported`](ErrorKind::Unsupported) for [`backup`](Self::backup) and [`dev`](Self::dev) on Linux 6.1, which
    /// would ignore them.
    pub fn create(self) -> Pending<Ack> {
        self.act(SubflowVerb::Create)
    }

    /// Opens the subflow and waits until the peer agreed, and no longer than this; returns what the kernel says of it.
    ///
    /// It listens to the [events](Mptcp::events) meanwhile.
    ///
    /// # Errors
    /// As [`create`](Self::create). Then `ECONNREFUSED` or whatever else the subflow broke with, `ECONNABORTED` if the kernel
    /// tells no reason, `ENOTCONN` if the whole connection is gone;
    /// [`is_timeout`](Error::is_timeout) when the peer kept silent, and the kernel goes on trying;
    /// [`is_overrun`](Error::is_overrun) if events were lost, and with them perhaps the one that was waited for.
    pub fn create_established(self, deadline: Duration) -> Pending<SubflowEvent> {
        Pending::new(async move {
            let named = |error: Error| error.during(|| self.describe(SubflowVerb::Create));
            self.establish(deadline).await.map_err(named)
        })
    }

    async fn establish(&self, deadline: Duration) -> Result<SubflowEvent> {
        let events = self.of.mptcp.listen().await?;
        self.try_act(SubflowVerb::Create).await?;
        let this = self.clone();
        Pending::new(async move { this.outcome(events).await }).timeout(deadline).await
    }

    /// Makes the subflow a backup, or with [`backup`](Self::backup) not said, makes it none; the peer is told.
    ///
    /// A port 0 stands for any.
    ///
    /// Needs `CAP_NET_ADMIN`. Linux 5.19.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if there is no such subflow; `EINVAL` for a token of no connection, or one of a
    /// connection that the kernel's path manager runs.
    pub fn change(self) -> Pending<Ack> {
        self.act(SubflowVerb::Change)
    }

    /// Closes the subflow. Its data is sent again over the others. The kernel forgets the local address too, as
    /// [`list`](ConnectionEntry::list) shows.
    ///
    /// Needs `CAP_NET_ADMIN`. Linux 5.19.
    ///
    /// # Errors
    /// `ESRCH` ([`is_not_found`](Error::is_not_found)) if there is no such subflow; `EINVAL` for a token of no connection, or
    /// one of a connection that the kernel's path manager runs; a port 0, before the kernel is asked.
    pub fn destroy(self) -> Pending<Ack> {
        self.act(SubflowVerb::Destroy)
    }

    fn act(self, verb: SubflowVerb) -> Pending<Ack> {
        Pending::new(
            async move { self.try_act(verb).await.map_err(|error| error.during(|| self.describe(verb))) },
        )
    }

    async fn try_act(&self, verb: SubflowVerb) -> Result<Ack> {
        let mptcp = &self.of.mptcp;
        let mut subflow = self.subflow.clone();
        if let Some(dev) = &self.dev {
            if verb != SubflowVerb::Create {
                return Err(Error::usage("the interface is for create(): a subflow stays where it is"));
            }
            subflow.index = Some(mptcp.index(dev).await?);
        }
        let family = mptcp.family().await?;
        // The kernels that ignore both still tell how many attributes they know.
        if verb == SubflowVerb::Create && (subflow.backup || subflow.index.is_some()) && family.max_attr != 0
        {
            return Err(Error::unsupported("backup and interface of a new subflow", Since::linux(6, 7)));
        }
        let request = subflow.request(family.id, self.of.token, verb);
        mptcp.conn.acknowledged(request).await.map_err(or_not_found)
    }

    async fn outcome(&self, mut events: Monitor<MptcpEvent>) -> Result<SubflowEvent> {
        let errno = |errno: Errno| Error::from(std::io::Error::from_raw_os_error(errno.get()));
        while let Some(event) = poll_fn(|cx| Pin::new(&mut events).poll_next(cx)).await {
            match event? {
                MptcpEvent::SubflowEstablished(event) if self.is(&event) => return Ok(event),
                MptcpEvent::SubflowClosed(event) if self.is(&event) => {
                    return Err(errno(event.error.unwrap_or(Errno::ECONNABORTED)));
                }
                MptcpEvent::Closed { token } if token == self.of.token => return Err(errno(Errno::ENOTCONN)),
                _ => {}
            }
        }
        Err(ErrorKind::Closed.into())
    }

    /// Whether an event is about this subflow, which is being opened.
    fn is(&self, event: &SubflowEvent) -> bool {
        let Subflow { local, remote, id, .. } = &self.subflow;
        event.token == self.of.token
            && event.local_id == *id
            && same(event.local.ip(), local.ip())
            && (local.port() == 0 || local.port() == event.local.port())
            && same(event.remote.ip(), remote.ip())
            && remote.port() == event.remote.port()
    }

    fn describe(&self, verb: SubflowVerb) -> String {
        let dev = self.dev.as_ref().map(|dev| format!(" dev {dev}")).unwrap_or_default();
        format!("{verb} mptcp subflow {}{dev} token {}", self.subflow, self.of.token)
    }
}

/// Whether two addresses are the same, however one of them is written.
fn same(a: IpAddr, b: IpAddr) -> bool {
    a.to_canonical() == b.to_canonical()
}
