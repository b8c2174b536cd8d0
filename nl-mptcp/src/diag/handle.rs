use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::dump::Dump;
use nl_core::error::{Errno, Error, ErrorKind, Result, Since};
use nl_core::message::MessageRef;
use nl_core::{Pending, Protocol};

use super::{MptcpConnection, MptcpSocket, SocketFilter, States, Subflow};
use crate::Token;

/// The MPTCP sockets of the connection's namespace. Cheap to clone.
///
/// ```no_run
/// use nl_core::{Connection, Protocol};
/// use nl_mptcp::diag::SockDiag;
///
/// # async fn example() -> nl_core::Result<()> {
/// let diag = SockDiag::new(Connection::open(Protocol::SockDiag)?);
/// for connection in diag.connections().local_port(443).list().await? {
///     println!("{connection}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SockDiag {
    conn: nl_core::Connection,
}

impl SockDiag {
    /// Over this connection, which must be one to [`Protocol::SockDiag`].
    #[must_use]
    pub fn new(conn: nl_core::Connection) -> Self {
        Self { conn }
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &nl_core::Connection {
        &self.conn
    }

    /// MPTCP sockets, including listeners: all, or those that match.
    pub fn sockets(&self) -> Select<MptcpSocket> {
        Select::new(self.clone(), States::EVERY)
    }

    /// Subflows, including listening ones: all, or those that match.
    pub fn subflows(&self) -> Select<Subflow> {
        Select::new(self.clone(), States::EVERY)
    }

    /// Connections with their subflows: all, or those that match.
    pub fn connections(&self) -> Select<MptcpConnection> {
        Select::new(self.clone(), States::CONNECTIONS)
    }

    /// The MPTCP socket of the connection of this token.
    ///
    /// Needs no privilege.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if the namespace has none;
    /// [`Unsupported`](ErrorKind::Unsupported) if the kernel does not list MPTCP sockets.
    pub fn socket(&self, token: Token) -> Pending<MptcpSocket> {
        let diag = self.clone();
        Pending::new(async move { diag.find(token).await })
    }

    async fn find(&self, token: Token) -> Result<MptcpSocket> {
        self.conn.require(Protocol::SockDiag, "sockets")?;
        match self.conn.answered(SocketFilter::look_up(token), MptcpSocket::decode).await {
            Err(error) if error.kernel().is_some_and(|kernel| kernel.errno == Errno::ENOENT) => {
                // The kernel returns the same error if it cannot list MPTCP sockets at all.
                let mut few =
                    SocketFilter { ipv6: false, states: States::CLOSING, ..SocketFilter::default() };
                few.local.ports = Some(0..=0);
                self.listing::<MptcpSocket>(&few).collect_all().await?;
                Err(error)
            }
            other => other,
        }
    }

    fn listing<T: Entry>(&self, filter: &SocketFilter) -> Listing<T> {
        let dumps: Vec<_> = T::requests(filter)
            .into_iter()
            .map(|request| {
                let dump = self.conn.dump(request, T::decode);
                match self.conn.require(Protocol::SockDiag, "sockets") {
                    Ok(()) => dump,
                    Err(error) => dump.failed(error),
                }
            })
            .collect();
        Listing { dumps: dumps.into_iter(), current: None, what: T::WHAT, since: T::SINCE }
    }
}

/// A kind of socket that can be listed.
trait Entry: Sized + Send + 'static {
    const WHAT: &'static str;
    const SINCE: Since;

    fn requests(filter: &SocketFilter) -> Vec<Request>;
    fn decode(message: MessageRef<'_>) -> std::result::Result<Option<Self>, DecodeError>;
}

impl Entry for MptcpSocket {
    const WHAT: &'static str = "listing MPTCP sockets";
    const SINCE: Since = Since::linux(5, 9);

    fn requests(filter: &SocketFilter) -> Vec<Request> {
        filter.mptcp_requests()
    }

    fn decode(message: MessageRef<'_>) -> std::result::Result<Option<Self>, DecodeError> {
        Self::decode(message).map(Some)
    }
}

impl Entry for Subflow {
    const WHAT: &'static str = "listing TCP sockets";
    const SINCE: Since = Since::option("CONFIG_INET_TCP_DIAG");

    fn requests(filter: &SocketFilter) -> Vec<Request> {
        filter.tcp_requests()
    }

    fn decode(message: MessageRef<'_>) -> std::result::Result<Option<Self>, DecodeError> {
        Self::decode(message)
    }
}

/// All sockets of a kind, or those that match all conditions. The verb comes last.
///
/// The kernel does the filtering.
#[must_use = "nothing happens before a verb"]
pub struct Select<T> {
    diag: SockDiag,
    filter: SocketFilter,
    what: PhantomData<fn() -> T>,
}

impl<T> Select<T> {
    fn new(diag: SockDiag, states: States) -> Self {
        let filter = SocketFilter { states, ..SocketFilter::default() };
        Self { diag, filter, what: PhantomData }
    }

    /// Replaces all conditions by this filter.
    pub fn filter(mut self, filter: SocketFilter) -> Self {
        self.filter = filter;
        self
    }

    /// The filter so far.
    #[must_use]
    pub fn get(&self) -> &SocketFilter {
        &self.filter
    }

    /// In one of these states.
    pub fn states(mut self, states: States) -> Self {
        self.filter.states = states;
        self
    }

    /// IPv4 sockets only (`-4`).
    pub fn ipv4(mut self) -> Self {
        (self.filter.ipv4, self.filter.ipv6) = (true, false);
        self
    }

    /// IPv6 sockets only (`-6`); they may be connected over IPv4.
    pub fn ipv6(mut self) -> Self {
        (self.filter.ipv4, self.filter.ipv6) = (false, true);
        self
    }

    /// With this local address (`src ADDRESS`). An IPv4 address also is that of an IPv6 socket connected over IPv4.
    pub fn local(self, address: IpAddr) -> Self {
        let whole = whole(address);
        self.local_net(address, whole)
    }

    /// With a local address in this network (`src ADDRESS/PREFIX`).
    pub fn local_net(mut self, address: IpAddr, prefix: u8) -> Self {
        self.filter.local.net = Some((address, prefix));
        self
    }

    /// With this local port (`sport = :PORT`).
    pub fn local_port(self, port: u16) -> Self {
        self.local_ports(port..=port)
    }

    /// With a local port from the first to the last of these (`sport >= :FIRST and sport <= :LAST`).
    pub fn local_ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.filter.local.ports = Some(ports);
        self
    }

    /// With this remote address (`dst ADDRESS`). An IPv4 address also is that of an IPv6 socket connected over IPv4.
    pub fn remote(self, address: IpAddr) -> Self {
        let whole = whole(address);
        self.remote_net(address, whole)
    }

    /// With a remote address in this network (`dst ADDRESS/PREFIX`).
    pub fn remote_net(mut self, address: IpAddr, prefix: u8) -> Self {
        self.filter.remote.net = Some((address, prefix));
        self
    }

    /// With this remote port (`dport = :PORT`).
    pub fn remote_port(self, port: u16) -> Self {
        self.remote_ports(port..=port)
    }

    /// With a remote port from the first to the last of these (`dport >= :FIRST and dport <= :LAST`).
    pub fn remote_ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.filter.remote.ports = Some(ports);
        self
    }
}

impl Select<MptcpSocket> {
    /// Lists them: a stream in constant memory.
    /// The list is not a snapshot: sockets that are opened or closed meanwhile may be missed or listed twice.
    ///
    /// Equivalent: `ss -M -a -i`. Needs no privilege, except `CAP_NET_ADMIN` for marks. The kernel loads the module
    /// `mptcp_diag` if it exists.
    ///
    /// # Errors
    /// In the stream: [`Unsupported`](ErrorKind::Unsupported) on a kernel without `CONFIG_INET_MPTCP_DIAG`; a filter that nothing
    /// can match.
    pub fn list(self) -> Listing<MptcpSocket> {
        self.diag.listing(&self.filter)
    }
}

impl Select<Subflow> {
    /// Lists them: a stream in constant memory.
    /// The kernel lists TCP sockets, and plain ones are skipped here. A subflow in TIME-WAIT is skipped too, because the kernel no longer
    /// reports that it was a subflow.
    ///
    /// Equivalent: `ss -t -a -i`. Needs no privilege, except `CAP_NET_ADMIN` for sequence numbers and marks; on older kernels for
    /// [every subflow](super#privileges).
    ///
    /// # Errors
    /// In the stream: [`Unsupported`](ErrorKind::Unsupported) on a kernel without `CONFIG_INET_TCP_DIAG`; a filter that nothing can
    /// match.
    pub fn list(self) -> Listing<Subflow> {
        self.diag.listing(&self.filter)
    }
}

impl Select<MptcpConnection> {
    /// Lists them, each with all its subflows. The filter applies to connections, not to subflows.
    ///
    /// Connections and subflows are two lists in the kernel, read one after the other. A connection that
    /// only the second list has is looked up by its token; if it was closed meanwhile, only its subflows are returned. Listeners are
    /// not included: see [`SockDiag::sockets`].
    ///
    /// Equivalent: `ss -M -i` and `ss -t -i`, joined. Needs no privilege, except `CAP_NET_ADMIN` for sequence numbers and
    /// marks; on older kernels for [every subflow](super#privileges).
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) on a kernel without `CONFIG_INET_MPTCP_DIAG`; a filter that nothing can match; an entry that cannot be decoded.
    pub fn list(self) -> Pending<Vec<MptcpConnection>> {
        let Self { diag, filter, .. } = self;
        Pending::new(async move { diag.join(filter).await })
    }
}

impl SockDiag {
    async fn join(&self, mut filter: SocketFilter) -> Result<Vec<MptcpConnection>> {
        filter.states -= States::LISTEN;
        let mut sockets = self.listing::<MptcpSocket>(&filter).collect_all().await?;
        let of_any =
            SocketFilter { states: States::CONNECTIONS - States::TIME_WAIT, ..SocketFilter::default() };
        let mut subflows = self.listing::<Subflow>(&of_any).collect_all().await?;

        let mut seen: HashSet<_> = sockets.iter().filter_map(MptcpSocket::token).collect();
        let mut others = HashSet::new();
        for subflow in &subflows {
            let Some(token) = subflow.token().filter(|token| seen.insert(*token)) else { continue };
            match self.find(token).await {
                Ok(socket) if filter.matches(&socket.socket) => sockets.push(socket),
                Ok(_) => drop(others.insert(token)),
                // The connection was closed: only its subflows can be matched.
                Err(error) if error.is_not_found() => {
                    let mut own = subflows.iter().filter(|other| other.token() == Some(token));
                    if !own.any(|subflow| filter.matches(&subflow.socket)) {
                        others.insert(token);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        subflows.retain(|subflow| match subflow.token() {
            Some(token) => !others.contains(&token),
            None => filter.matches(&subflow.socket),
        });
        Ok(MptcpConnection::join(sockets, subflows))
    }
}

impl<T> Clone for Select<T> {
    fn clone(&self) -> Self {
        Self { diag: self.diag.clone(), filter: self.filter.clone(), what: PhantomData }
    }
}

impl<T> fmt::Debug for Select<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select").field("filter", &self.filter).finish_non_exhaustive()
    }
}

/// Sockets being listed, IPv4 before IPv6: a `Stream` of `Result<T>`; under feature `blocking` also an `IntoIterator`.
/// An entry that cannot be decoded is an `Err` in its place, and the stream continues. Errors of the kernel or the socket and timeouts
/// end the stream.
#[must_use = "no request is sent before it is polled"]
pub struct Listing<T> {
    current: Option<Dump<T>>,
    dumps: std::vec::IntoIter<Dump<T>>,
    /// The feature in the error of a kernel that cannot list such sockets.
    what: &'static str,
    since: Since,
}

impl<T> Listing<T> {
    /// Reads to the end.
    ///
    /// # Errors
    /// The first entry that cannot be decoded, or what ended the stream early.
    pub fn collect_all(mut self) -> Pending<Vec<T>>
    where
        T: Send + 'static,
    {
        Pending::new(async move {
            let mut all = Vec::new();
            while let Some(dump) = self.current.take().or_else(|| self.dumps.next()) {
                all.append(&mut dump.collect_all().await.map_err(|error| self.explain(error))?);
            }
            Ok(all)
        })
    }

    /// The kernel returns `ENOENT` if it cannot list such sockets.
    fn explain(&self, error: Error) -> Error {
        error.or_unsupported(|kernel| kernel.errno == Errno::ENOENT, self.what, self.since)
    }

    fn end(&mut self) {
        self.current = None;
        self.dumps = Vec::new().into_iter();
    }
}

impl<T> Stream for Listing<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            let Some(dump) = &mut this.current else {
                match this.dumps.next() {
                    None => return Poll::Ready(None),
                    next => this.current = next,
                }
                continue;
            };
            match ready!(Pin::new(dump).poll_next(cx)) {
                None => this.current = None,
                Some(Ok(entry)) => return Poll::Ready(Some(Ok(entry))),
                Some(Err(error)) => {
                    if !matches!(error.kind(), ErrorKind::Decode(_)) {
                        this.end();
                    }
                    return Poll::Ready(Some(Err(this.explain(error))));
                }
            }
        }
    }
}

/// The sockets, one after another on the calling thread.
#[cfg(feature = "blocking")]
impl<T> IntoIterator for Listing<T> {
    type Item = Result<T>;
    type IntoIter = nl_core::blocking::Iter<Self>;

    fn into_iter(self) -> Self::IntoIter {
        nl_core::blocking::Iter::new(self)
    }
}

impl<T> fmt::Debug for Listing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").field("current", &self.current).finish_non_exhaustive()
    }
}

const fn whole(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}
