//! A connection to one netlink protocol in one namespace: many requests at a time over one socket.
//!
//! ```no_run
//! use nl_core::connection::{Connection, Protocol};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let conn = Connection::open(Protocol::Route)?;
//! println!("lo is number {}", conn.link_index("lo").await?);
//! # Ok(())
//! # }
//! ```
//!
//! The connection is for requests that are answered with a verdict or with one object. Tables come through
//! [`dump`](crate::dump), thousands of changes through [`batch`](crate::batch), events through
//! [`monitor`](crate::monitor), each on a socket of its own opened from this connection, because the kernel runs
//! one dump per socket and drops answers that do not fit a socket's receive buffer.
//!
//! # What an outcome means
//! `Ok` means the kernel said so. If the connection dies, if answers are lost or if the time runs out, the request
//! fails with [`Closed`](crate::error::ErrorKind::Closed), [`Overrun`](crate::error::ErrorKind::Overrun) or
//! [`Timeout`](crate::error::ErrorKind::Timeout), and the kernel may have carried it out all the same.
//! Dropping the future of a request that was sent stops the waiting, not the kernel.

mod driver;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_proto::ConnectionHandle;
use netlink_proto::sys::SocketAddr;
use tokio::sync::{Semaphore, watch};

use crate::attr::DecodeError;
use crate::batch::Batch;
use crate::dump::Dump;
use crate::error::{Ack, ErrorKind, Result, decode_done, decode_error};
use crate::genl::Family;
use crate::message::{HEADER_LEN, MessageRef, NLM_F_ACK, RawMessage, Request};
use crate::monitor::MonitorBuilder;
use crate::netns::Netns;
use crate::socket::{Endpoint, ReceiveBuffer, Source, objects_that_fit};

/// A netlink protocol: the part of the kernel that is talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// `NETLINK_ROUTE`: links, addresses, routes, neighbours, FDB, traffic control.
    Route,
    /// `NETLINK_SOCK_DIAG`: sockets.
    SockDiag,
    /// `NETLINK_GENERIC`: families with names, resolved with [`Connection::family`].
    Generic,
}

impl Protocol {
    pub(crate) const fn number(self) -> i32 {
        match self {
            Self::Route => libc::NETLINK_ROUTE,
            Self::SockDiag => libc::NETLINK_SOCK_DIAG,
            Self::Generic => libc::NETLINK_GENERIC,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Route => "NETLINK_ROUTE",
            Self::SockDiag => "NETLINK_SOCK_DIAG",
            Self::Generic => "NETLINK_GENERIC",
        })
    }
}

/// How long a request may take unless told otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

const DEFAULT_RECEIVE_BUFFER: usize = 1024 * 1024;
/// More requests than this in flight gain nothing.
const MAX_WINDOW: usize = 256;

/// A connection to a netlink protocol. Cheap to clone; all clones share one socket and one background task, which
/// ends when the last clone is dropped.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    timeout: Option<Duration>,
}

struct Shared {
    // Declared before `handle`, so that it is gone when the driver is woken by the handle's end.
    losses: watch::Receiver<u64>,
    lost: Arc<AtomicU64>,
    handle: ConnectionHandle<RawMessage>,
    endpoint: Endpoint,
    /// Bounds the requests in flight to what the receive buffer holds in answers.
    window: Semaphore,
    send_limit: usize,
    families: Mutex<HashMap<String, Arc<Family>>>,
}

impl Connection {
    /// Connects to `protocol` in the namespace of the calling thread.
    ///
    /// # Errors
    /// No tokio runtime is current, or the socket is refused. The runtime must have io and time enabled.
    pub fn open(protocol: Protocol) -> Result<Self> {
        Self::builder(protocol).open()
    }

    /// Connects with options.
    pub fn builder(protocol: Protocol) -> ConnectionBuilder {
        ConnectionBuilder {
            protocol,
            netns: None,
            timeout: Some(DEFAULT_TIMEOUT),
            receive_buffer: ReceiveBuffer::Raise(DEFAULT_RECEIVE_BUFFER),
            source: None,
        }
    }

    /// The same connection with another time limit for what is requested through the returned handle.
    ///
    /// The limit is for a request from being queued to its verdict, and for a dump or a batch from one message
    /// to the next. `None` waits for ever.
    #[must_use]
    pub fn with_timeout(&self, timeout: impl Into<Option<Duration>>) -> Self {
        Self { shared: Arc::clone(&self.shared), timeout: timeout.into() }
    }

    /// A connection to another protocol that is otherwise the same: in the same namespace, with the same time limit, and with
    /// sockets [from the same function](ConnectionBuilder::sockets_from).
    ///
    /// ```no_run
    /// use nl_core::{Connection, Protocol};
    ///
    /// # async fn example(conn: Connection) -> nl_core::Result<()> {
    /// // A generic netlink family numbers devices; names are found on NETLINK_ROUTE.
    /// let index = conn.sibling(Protocol::Route)?.link_index("eth0").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`open`](ConnectionBuilder::open).
    pub fn sibling(&self, protocol: Protocol) -> Result<Self> {
        let endpoint = &self.shared.endpoint;
        let mut builder = Self::builder(protocol).timeout(self.timeout);
        builder.netns = endpoint.netns.clone();
        builder.source = endpoint.source.clone();
        builder.open()
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.shared.endpoint.protocol
    }

    /// The namespace, unless `/proc` was not there to learn it from.
    #[must_use]
    pub fn netns(&self) -> Option<&Netns> {
        self.shared.endpoint.netns.as_ref()
    }

    /// Sends a request and waits for the kernel's verdict.
    ///
    /// # Errors
    /// The kernel's refusal in its own words with the attribute named, or see
    /// [what an outcome means](self#what-an-outcome-means).
    pub async fn ack(&self, mut request: Request) -> Result<Ack> {
        Ok(self.carry_out(&mut request).await?.reply.ack)
    }

    /// Sends a request and decodes the one message that answers it.
    ///
    /// # Errors
    /// As [`ack`](Self::ack), and if the answer is not exactly one readable message.
    pub async fn get<T>(
        &self,
        mut request: Request,
        decode: impl FnOnce(MessageRef<'_>) -> Result<T, DecodeError>,
    ) -> Result<T> {
        let Answer { reply, perhaps_cut } = self.carry_out(&mut request).await?;
        let [message] = reply.messages.as_slice() else {
            let got = reply.messages.len();
            if got == 0 && perhaps_cut {
                return Err(request.explain(ErrorKind::Overrun.into()));
            }
            let error = DecodeError::Short { what: "answer (messages)", needed: 1, got };
            return Err(request.explain(error.into()));
        };
        decode(message.as_ref()).map_err(|error| request.explain(error.into()))
    }

    /// Sends a request and returns every message that answers it, with the verdict.
    ///
    /// Not for dumps: those would be collected in memory and would keep the socket from other dumps; use
    /// [`dump`](Self::dump).
    ///
    /// # Errors
    /// As [`ack`](Self::ack); [`Overrun`](crate::error::ErrorKind::Overrun) also when the verdict came but a message may have
    /// been lost.
    pub async fn exchange(&self, mut request: Request) -> Result<Reply> {
        let answer = self.carry_out(&mut request).await?;
        match answer.perhaps_cut {
            true => Err(request.explain(ErrorKind::Overrun.into())),
            false => Ok(answer.reply),
        }
    }

    async fn carry_out(&self, request: &mut Request) -> Result<Answer> {
        if request.is_sensitive() {
            return self.exchange_apart(request.clone()).await;
        }
        request.add_flags(NLM_F_ACK);
        let message = self.message(request)?;
        let outcome = match self.timeout {
            Some(limit) => tokio::time::timeout(limit, self.answer(message))
                .await
                .unwrap_or(Err(ErrorKind::Timeout(limit).into())),
            None => self.answer(message).await,
        };
        outcome.map_err(|error| request.explain(error))
    }

    /// Lists a table: `request` is sent with `NLM_F_DUMP` on a socket of its own when the stream is first polled.
    ///
    /// `decode` returns `None` for a message to be skipped.
    pub fn dump<T>(
        &self,
        request: Request,
        decode: impl FnMut(MessageRef<'_>) -> Result<Option<T>, DecodeError> + Send + 'static,
    ) -> Dump<T> {
        Dump::new(self.shared.endpoint.clone(), self.timeout, request, Box::new(decode))
    }

    /// Sends many requests in few system calls on a socket of its own; a stream of one result per request, in
    /// order.
    pub fn batch<I>(&self, requests: I) -> Batch<I::IntoIter>
    where
        I: IntoIterator<Item = Request>,
    {
        Batch::new(self.shared.endpoint.clone(), self.timeout, requests.into_iter())
    }

    /// Options for a monitor in the connection's namespace, with a socket from where the connection's are from.
    pub fn monitor(&self) -> MonitorBuilder {
        self.shared.endpoint.clone().monitor()
    }

    pub(crate) fn families(&self) -> &Mutex<HashMap<String, Arc<Family>>> {
        &self.shared.families
    }

    fn message(&self, request: &mut Request) -> Result<NetlinkMessage<RawMessage>> {
        let (kind, flags) = (request.kind(), request.flags());
        let encoded = request.encoded_within(self.shared.send_limit)?;
        let payload = encoded.get(HEADER_LEN..).unwrap_or_default().to_vec();
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        Ok(NetlinkMessage::new(header, NetlinkPayload::InnerMessage(RawMessage::new(kind, flags, payload))))
    }

    async fn answer(&self, message: NetlinkMessage<RawMessage>) -> Result<Answer> {
        let _place = self.shared.window.acquire().await.map_err(|_| ErrorKind::Closed)?;
        let mut losses = self.shared.losses.clone();
        losses.mark_unchanged();
        let lost_before = self.shared.lost.load(Ordering::Acquire);
        let answered = |messages, ack| Answer {
            reply: Reply { messages, ack },
            perhaps_cut: self.shared.lost.load(Ordering::Acquire) != lost_before,
        };
        let kernel = SocketAddr::new(0, 0);
        let mut answers = pin!(self.shared.handle.request(message, kernel).map_err(|_| ErrorKind::Closed)?);
        let mut lost = pin!(losses.changed());
        let mut messages = Vec::new();
        loop {
            let answer = match select(answers.next(), lost.as_mut()).await {
                Either::Left((answer, _)) => answer,
                Either::Right((Ok(()), _)) => return Err(ErrorKind::Overrun.into()),
                Either::Right((Err(_), _)) => return Err(ErrorKind::Closed.into()),
            };
            // The stream just ends when the connection is lost: only a verdict is a success.
            let (header, payload) = answer.ok_or(ErrorKind::Closed)?.into_parts();
            match payload {
                NetlinkPayload::InnerMessage(message) => messages.push(message),
                NetlinkPayload::Error(error) => {
                    let code = error.raw_code().to_ne_bytes();
                    let ack = decode_error(header.flags, &[&code[..], &error.header].concat())?;
                    return Ok(answered(messages, ack));
                }
                NetlinkPayload::Done(done) => {
                    let code = done.code.to_ne_bytes();
                    let ack = decode_done(header.flags, &[&code[..], &done.extended_ack].concat())?;
                    return Ok(answered(messages, ack));
                }
                NetlinkPayload::Overrun(_) => return Err(ErrorKind::Overrun.into()),
                _ => {}
            }
        }
    }

    /// On a socket of its own, where every copy of the bytes is ours to zero.
    async fn exchange_apart(&self, request: Request) -> Result<Answer> {
        let ack = self.batch([request]).next().await.ok_or(ErrorKind::Closed)??;
        Ok(Answer { reply: Reply { messages: Vec::new(), ack }, perhaps_cut: false })
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("protocol", &self.protocol())
            .field("netns", &self.netns())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

struct Answer {
    reply: Reply,
    /// Something was lost while it was waited for, so that messages may be missing; the verdict stands.
    perhaps_cut: bool,
}

/// Everything that answered a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reply {
    /// The messages before the verdict, in order.
    pub messages: Vec<RawMessage>,
    /// The verdict, with any warning.
    pub ack: Ack,
}

impl fmt::Debug for ConnectionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionBuilder")
            .field("protocol", &self.protocol)
            .field("netns", &self.netns)
            .field("timeout", &self.timeout)
            .field("receive_buffer", &self.receive_buffer)
            .finish_non_exhaustive()
    }
}

/// Options for a connection.
#[derive(Clone)]
#[must_use = "a builder does nothing until it is opened"]
pub struct ConnectionBuilder {
    protocol: Protocol,
    netns: Option<Netns>,
    timeout: Option<Duration>,
    receive_buffer: ReceiveBuffer,
    source: Option<Source>,
}

impl ConnectionBuilder {
    /// Connects inside another namespace; by default it is the calling thread's.
    pub fn netns(mut self, netns: &Netns) -> Self {
        self.netns = Some(netns.clone());
        self
    }

    /// The time limit of a request: 30 seconds by default, `None` waits for ever.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// The size of the receive buffer in bytes. By default it is raised to 1 MiB, or as far as the system lets
    /// an unprivileged socket go. The kernel bounds what is set here on both sides, so 0 asks for the smallest.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = ReceiveBuffer::Exact(bytes);
        self
    }

    /// Takes every socket, the connection's own and one for each dump, batch and monitor, from this function instead of
    /// making it.
    ///
    /// For programs that get their sockets from a privileged helper, and for tests in which something else plays the
    /// kernel: any socket that keeps datagrams apart will do, such as one end of a `SOCK_SEQPACKET` pair. The socket
    /// is used as it comes: bound, and with `NETLINK_EXT_ACK`, `NETLINK_CAP_ACK` and `NETLINK_GET_STRICT_CHK` set if it is to
    /// the kernel; [`netns`](Self::netns) and [`receive_buffer`](Self::receive_buffer) do not apply to it.
    ///
    /// Who plays the kernel can do all that a kernel can, with `nl_testkit::fault` or by itself. On a socket that is not
    /// netlink, a datagram of the eight bytes `ff ff ff ff` and an error number in native order makes the receive call fail
    /// with that error, such as `ENOBUFS` for lost messages; an empty one is the end.
    ///
    /// ```
    /// use nl_core::error::Schema;
    /// use nl_core::message::{IfInfoMsg, Request};
    /// use nl_core::{Connection, Protocol};
    /// use nl_testkit::fault::{Answer, Delivery, Peer};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> nl_testkit::Result {
    /// let (socket, kernel) = Peer::pair()?;
    /// let conn = Connection::builder(Protocol::Route).sockets_from(move || Ok(socket.try_clone()?)).open()?;
    ///
    /// let played = async {
    ///     kernel.asked().await?.ok_or("nothing was asked")?;
    ///     // The first answer is lost in an overflowing receive buffer, the second arrives.
    ///     kernel.deliver(&Delivery::OVERRUN).await?;
    ///     let again = kernel.asked().await?.ok_or("nothing was asked")?;
    ///     kernel.answer(&Answer::ack(again.only()?)).await
    /// };
    /// let program = async {
    ///     let request = Request::new(16, &Schema::UNKNOWN).with_header(&IfInfoMsg::default());
    ///     let error = conn.ack(request.clone()).await.unwrap_err();
    ///     assert!(error.is_overrun(), "{error}");
    ///     conn.ack(request).await
    /// };
    /// let (played, program) = tokio::join!(played, program);
    /// played?;
    /// program?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sockets_from(mut self, source: impl Fn() -> io::Result<OwnedFd> + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Connects, and starts the background task on the current tokio runtime.
    ///
    /// # Errors
    /// No tokio runtime is current, the namespace cannot be entered, or the socket is refused.
    pub fn open(self) -> Result<Connection> {
        let netns = self.netns.or_else(|| Netns::current().ok());
        let endpoint = Endpoint { protocol: self.protocol, netns, source: self.source };
        let started = driver::start(endpoint.open(self.receive_buffer)?)
            .map_err(|error| error.during(|| format!("open a {} connection", self.protocol)))?;
        let shared = Shared {
            losses: started.losses,
            lost: started.lost,
            handle: started.handle,
            endpoint,
            window: Semaphore::new(objects_that_fit(started.receive_buffer).min(MAX_WINDOW)),
            send_limit: started.send_limit,
            families: Mutex::default(),
        };
        Ok(Connection { shared: Arc::new(shared), timeout: self.timeout })
    }
}
