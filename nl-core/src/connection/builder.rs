use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::{Connection, DEFAULT_TIMEOUT};
use crate::error::Result;
use crate::netns::Netns;
use crate::protocol::Protocol;
use crate::socket::{Namespace, Ports, SocketSpec, Source, check_receive_buffer};

/// Options for a connection.
#[derive(Clone)]
#[must_use = "a builder does nothing until it is opened"]
pub struct ConnectionBuilder {
    spec: SocketSpec,
    timeout: Option<Duration>,
    receive_buffer: Option<usize>,
}

impl ConnectionBuilder {
    pub(super) const fn new(protocol: Protocol) -> Self {
        Self { spec: SocketSpec::new(protocol), timeout: Some(DEFAULT_TIMEOUT), receive_buffer: None }
    }

    /// Connects inside another namespace; by default it is the calling thread's.
    pub fn netns(mut self, netns: &Netns) -> Self {
        self.spec.namespace = Namespace::Given(netns.clone());
        self
    }

    pub(super) fn namespace(mut self, namespace: Namespace) -> Self {
        self.spec.namespace = namespace;
        self
    }

    /// The time limit of a request: 30 seconds by default, `None` waits forever.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// The size of the receive buffer in bytes, by default the system's (`net.core.rmem_default`).
    ///
    /// It bounds how many requests are in flight at a time; further ones wait for their turn. As the kernel answers inside `send`,
    /// no more are in flight than threads make requests, and the default is enough.
    ///
    /// With `CAP_NET_ADMIN` in the initial user namespace the socket gets this size; without it, no more than
    /// `net.core.rmem_max`. The kernel reserves twice as much, for its own structures, and never less than about 2 KiB.
    /// [`Connection::receive_buffer`] reads the size in force.
    ///
    /// # Errors
    /// [`open`](Self::open) refuses more than 1 GiB, which the kernel would silently cut.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Takes every socket, the connection's own and those of dumps, batches and monitors, from this function instead of
    /// opening it.
    ///
    /// For programs that get their sockets from a privileged helper, and for tests that simulate the kernel: any socket that
    /// keeps datagrams apart will do, such as one end of a `SOCK_SEQPACKET` pair. The socket
    /// is used as it comes: bound, and with `NETLINK_EXT_ACK`, `NETLINK_CAP_ACK` and `NETLINK_GET_STRICT_CHK` set if it is to
    /// the kernel; [`netns`](Self::netns) and [`receive_buffer`](Self::receive_buffer) do not apply to it.
    ///
    /// A simulated kernel can do all that a kernel can, with `nl_testkit::fault` or by itself. On a socket that is not
    /// netlink, a datagram of the eight bytes `ff ff ff ff` and an error number in native order makes the receive call fail
    /// with that error, such as `ENOBUFS` for lost messages; an empty one is the end.
    ///
    /// ```
    /// use nl_core::message::IfInfoMsg;
    /// use nl_core::Request;
    /// use nl_core::{Connection, Protocol};
    /// use nl_testkit::fault::{Answer, Delivery, Peer};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> nl_testkit::Result {
    /// let (socket, kernel) = Peer::pair()?;
    /// let conn = Connection::builder(Protocol::Route).sockets_from(move || Ok(socket.try_clone()?)).open()?;
    ///
    /// let simulated = async {
    ///     kernel.asked().await?.ok_or("nothing was asked")?;
    ///     // The first answer is lost in an overflowing receive buffer, the second arrives.
    ///     kernel.deliver(&Delivery::OVERRUN).await?;
    ///     let again = kernel.asked().await?.ok_or("nothing was asked")?;
    ///     kernel.answer(&Answer::ack(again.only()?)).await
    /// };
    /// let program = async {
    ///     let request = Request::unnamed(16).with_header(&IfInfoMsg::default());
    ///     let error = conn.ack(request.clone()).await.unwrap_err();
    ///     assert!(error.is_overrun(), "{error}");
    ///     conn.ack(request).await
    /// };
    /// let (simulated, program) = tokio::join!(simulated, program);
    /// simulated?;
    /// program?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sockets_from(mut self, source: impl Fn() -> io::Result<OwnedFd> + Send + Sync + 'static) -> Self {
        self.spec.source = Some(Arc::new(source));
        self
    }

    pub(super) fn source(mut self, source: Option<Source>) -> Self {
        self.spec.source = source;
        self
    }

    /// Opens the socket. Needs no runtime.
    ///
    /// # Errors
    /// The namespace cannot be entered, the socket is refused, or the receive buffer is over 1 GiB.
    pub fn open(self) -> Result<Connection> {
        self.receive_buffer.map_or(Ok(()), check_receive_buffer)?;
        // Each connection has ports of its own, also one from a builder that was cloned.
        let spec = SocketSpec { ports: Some(Ports::default()), ..self.spec };
        let socket = spec.open(self.receive_buffer)?;
        Ok(Connection::over(spec, socket, self.timeout))
    }
}

impl fmt::Debug for ConnectionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionBuilder")
            .field("sockets", &self.spec)
            .field("timeout", &self.timeout)
            .field("receive_buffer", &self.receive_buffer)
            .finish()
    }
}
