//! A connection to one netlink protocol in one namespace: requests from many tasks and threads over one socket.
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
//! one dump per socket and drops answers that do not fit a socket's receive buffer. Sockets of dumps and batches that ended
//! cleanly are used again.
//!
//! # What an outcome means
//! `Ok` means the kernel said so. If the connection dies, if answers are lost or if the time runs out, the request
//! fails with [`Closed`](crate::error::ErrorKind::Closed), [`Overrun`](crate::error::ErrorKind::Overrun) or
//! [`Timeout`](crate::error::ErrorKind::Timeout), and the kernel may have carried it out all the same.
//! Dropping a request that was sent stops the waiting, not the kernel.
//!
//! # What a call costs
//! No task, no channel, no thread: the caller sends and receives in its own poll, and the bytes of the request go to the
//! kernel as they are. The kernel handles a request inside `send(2)`, so the answer is there when `send` returns. That is also why
//! requests do not travel through netlink-proto: its task and channels cost more than the kernel's work. One awaited change
//! measured 0.96 µs on a raw socket, 3.06 µs through them and 1.19 µs now; a list of 12 entries 3.1, 21 and 3.8 µs. nl-testkit's peer
//! benchmark has all figures.
//! [`interop`](crate::interop) has netlink-proto connections for other message types.
//!
//! # What to know
//! - A send can wait inside the kernel, for the lock that serialises changes (`rtnl_mutex`). No time limit covers that, and on
//!   a current-thread runtime no other task runs meanwhile: deleting a bridge of 600,000 entries in another process was measured
//!   to take half a second. A program that cannot afford this keeps its connection on a thread of its own, or waits in
//!   `spawn_blocking`.
//! - A connection does not survive `fork(2)`: parent and child would take each other's answers. Open one in each process.
//! - Requests are addressed to the kernel and sent on the thread that polls, so that thread needs the privilege.

mod answer;
mod builder;
mod call;
mod exchange;
mod family;
#[cfg(feature = "interop")]
mod interop;
mod lanes;
mod link;
mod names;
mod sink;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

pub use builder::ConnectionBuilder;
pub use link::Named;

pub use crate::protocol::Protocol;
pub use crate::socket::Requester;

pub use answer::Reply;
use answer::{All, Answer, One, VerdictOnly};
use call::Call;
use exchange::Exchange;
use lanes::Lanes;
use names::Names;

use crate::attr::DecodeError;
use crate::batch::Batch;
use crate::dump::{Decoder, Dump, Slot};
use crate::error::{Ack, Error, Result};
use crate::genl::Family;
use crate::message::MessageRef;
use crate::monitor::MonitorBuilder;
use crate::netns::Netns;
use crate::pending::Pending;
use crate::request::Request;
use crate::socket::{Namespace, Pool, Socket, SocketSpec};

/// The default time limit of a request.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to a netlink protocol. Cheap to clone; all clones share one socket, from any number of tasks and threads. Where
/// threads keep meeting there, up to three more sockets are opened.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    timeout: Option<Duration>,
}

struct Shared {
    socket: Arc<Socket>,
    exchange: Exchange,
    lanes: Lanes,
    names: Names,
    families: Mutex<HashMap<String, Arc<Family>>>,
    pool: Pool,
    protocol: Protocol,
    /// The same connection without strict checks, opened when it is first needed.
    #[cfg(feature = "interop")]
    lax: std::sync::OnceLock<Connection>,
}

impl Connection {
    /// Connects to `protocol` in the namespace of the calling thread. Needs no runtime.
    ///
    /// # Errors
    /// The socket is refused.
    pub fn open(protocol: Protocol) -> Result<Self> {
        Self::builder(protocol).open()
    }

    /// Connects with options.
    pub fn builder(protocol: Protocol) -> ConnectionBuilder {
        ConnectionBuilder::new(protocol)
    }

    fn over(spec: SocketSpec, socket: Socket, timeout: Option<Duration>) -> Self {
        let (protocol, socket) = (spec.protocol, Arc::new(socket));
        let namespace = match spec.namespace {
            // Later sockets are opened where this one is, wherever the calling thread is then.
            Namespace::Current => Namespace::Of(Arc::clone(&socket)),
            known => known,
        };
        let shared = Shared {
            exchange: Exchange::new(protocol, &socket),
            lanes: Lanes::default(),
            socket,
            names: Names::default(),
            families: Mutex::default(),
            pool: Pool::new(SocketSpec { namespace, ..spec }),
            protocol,
            #[cfg(feature = "interop")]
            lax: std::sync::OnceLock::new(),
        };
        Self { shared: Arc::new(shared), timeout }
    }

    /// The same connection with another time limit for what is requested through the returned handle.
    ///
    /// The limit is for a request from being sent to its verdict, and for a dump or a batch from one message
    /// to the next. It begins when an answer has to be waited for: an answer that is there is never a timeout. `None` waits for
    /// ever.
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
        let spec = self.shared.pool.spec();
        let builder = Self::builder(protocol).timeout(self.timeout);
        builder.namespace(spec.namespace.clone()).source(spec.source.clone()).open()
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.shared.protocol
    }

    /// The namespace.
    ///
    /// # Errors
    /// Learning the namespace of a connection that was opened without one takes `CAP_NET_ADMIN` over it, unless the calling
    /// thread is in it.
    pub fn netns(&self) -> Result<Netns> {
        self.shared.pool.spec().netns()
    }

    /// The size of the receive buffer as the kernel accounts it: twice what was asked for, if the system allowed that.
    #[must_use]
    pub fn receive_buffer(&self) -> usize {
        self.shared.socket.receive_buffer()
    }

    /// Sends a request and waits for the kernel's verdict.
    ///
    /// # Errors
    /// The kernel's refusal in its own words with the attribute named, or see
    /// [what an outcome means](self#what-an-outcome-means).
    pub fn ack(&self, request: Request) -> Pending<Ack> {
        let conn = self.clone();
        Pending::new(async move { conn.acknowledged(request).await })
    }

    /// Sends a request and decodes the one message that answers it.
    ///
    /// `decode` must not use the connection.
    ///
    /// # Errors
    /// As [`ack`](Self::ack), and if the answer is not exactly one readable message.
    pub fn get<T: Send + 'static>(
        &self,
        request: Request,
        decode: impl FnOnce(MessageRef<'_>) -> Result<T, DecodeError> + Send + 'static,
    ) -> Pending<T> {
        let conn = self.clone();
        Pending::new(async move { conn.answered(request, decode).await })
    }

    /// Sends a request and returns every message that answers it, with the verdict.
    ///
    /// Not for dumps: those would be collected in memory and would keep the socket from other dumps; use
    /// [`dump`](Self::dump).
    ///
    /// # Errors
    /// As [`ack`](Self::ack); [`Overrun`](crate::error::ErrorKind::Overrun) also when the verdict came but a message may have
    /// been lost.
    pub fn exchange(&self, request: Request) -> Pending<Reply> {
        let conn = self.clone();
        Pending::new(async move { conn.call(request, All::default()).await })
    }

    /// Lists a table: `request` is sent with `NLM_F_DUMP` on a socket of its own when the stream is first polled.
    ///
    /// `decode` returns `None` for a message to be skipped.
    pub fn dump<T>(
        &self,
        request: Request,
        mut decode: impl FnMut(MessageRef<'_>) -> Result<Option<T>, DecodeError> + Send + 'static,
    ) -> Dump<T> {
        self.dump_into(request, move |message, slot| {
            let Some(entry) = decode(message)? else { return Ok(false) };
            *slot = Poll::Ready(Some(Ok(entry)));
            Ok(true)
        })
    }

    /// [`dump`](Self::dump) of entries that are read where they are yielded, as is worth it for large ones: `read` reads a message into
    /// an entry, and returns whether it is wanted.
    ///
    /// The entry is one that `new` made, or one that was read before and not handed out: an unwanted one, or one that
    /// [`visit`](Dump::visit) has shown. So `read` must leave nothing of it, but may use its memory.
    pub fn dump_in_place<T: 'static>(
        &self,
        request: Request,
        new: impl Fn() -> T + Send + 'static,
        mut read: impl FnMut(&mut T, MessageRef<'_>) -> Result<bool, DecodeError> + Send + 'static,
    ) -> Dump<T> {
        self.dump_into(request, move |message, slot| {
            if !matches!(slot, Poll::Ready(Some(Ok(_)))) {
                *slot = Poll::Ready(Some(Ok(new())));
            }
            match slot {
                Poll::Ready(Some(Ok(entry))) => read(entry, message),
                _ => Ok(false),
            }
        })
    }

    /// [`dump`](Self::dump) of entries that are decoded in their place, as is worth it for large ones.
    pub(crate) fn dump_into<T>(
        &self,
        request: Request,
        decode: impl FnMut(MessageRef<'_>, &mut Slot<T>) -> Result<bool, DecodeError> + Send + 'static,
    ) -> Dump<T> {
        Dump::new(self.shared.pool.clone(), self.timeout, request, Decoder::One(Box::new(decode)))
    }

    /// [`dump`](Self::dump) of a table whose messages hold several entries each: `decode` pushes those of one message.
    ///
    /// The entries that were pushed before an error are yielded before it.
    pub fn dump_each<T>(
        &self,
        request: Request,
        decode: impl FnMut(MessageRef<'_>, &mut Vec<T>) -> Result<(), DecodeError> + Send + 'static,
    ) -> Dump<T> {
        Dump::new(self.shared.pool.clone(), self.timeout, request, Decoder::Each(Box::new(decode)))
    }

    /// [`dump`](Self::dump), leaving out what `filter` does not want.
    pub fn dump_matching<T: 'static>(
        &self,
        request: Request,
        decode: impl Fn(MessageRef<'_>) -> Result<T, DecodeError> + Send + 'static,
        filter: impl Fn(&T) -> bool + Send + 'static,
    ) -> Dump<T> {
        self.dump_into(request, move |message, slot| {
            *slot = Poll::Ready(Some(Ok(decode(message)?)));
            Ok(matches!(slot, Poll::Ready(Some(Ok(entry))) if filter(entry)))
        })
    }

    /// Sends many requests in few system calls on a socket of its own; a stream of one result per request, in
    /// order.
    pub fn batch<I>(&self, requests: I) -> Batch<I::IntoIter>
    where
        I: IntoIterator<Item = Request>,
    {
        Batch::new(self.shared.pool.clone(), self.timeout, requests.into_iter())
    }

    /// Options for a monitor in the connection's namespace, with a socket from where the connection's are from.
    pub fn monitor(&self) -> MonitorBuilder {
        // A monitor makes no requests.
        MonitorBuilder::new(SocketSpec { ports: None, ..self.shared.pool.spec().clone() })
    }

    /// Refuses a connection of another protocol. `what` is what was asked for, in the plural.
    ///
    /// # Errors
    /// [`Usage`](crate::error::ErrorKind::Usage).
    pub fn require(&self, protocol: Protocol, what: &str) -> Result<()> {
        match self.protocol() {
            own if own == protocol => Ok(()),
            other => Err(Error::usage(format!("{what} are on {protocol}, not {other}"))),
        }
    }

    /// [`ack`](Self::ack) for the steps of an operation, inside [`Pending::new`]: without an allocation of its own.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    pub fn acknowledged(&self, request: Request) -> impl Future<Output = Result<Ack>> + Send {
        self.call(request, VerdictOnly)
    }

    /// [`get`](Self::get) for the steps of an operation, inside [`Pending::new`]: without an allocation of its own.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn answered<T: Send>(
        &self,
        request: Request,
        decode: impl FnOnce(MessageRef<'_>) -> Result<T, DecodeError> + Send,
    ) -> impl Future<Output = Result<T>> + Send {
        self.call(request, One::new(decode))
    }

    fn call<A: Answer>(&self, request: Request, answer: A) -> Call<'_, A> {
        let shared = &*self.shared;
        let lane = shared.lanes.choose((&shared.socket, &shared.exchange), shared.pool.spec());
        Call::new(lane, self.timeout, request, answer)
    }

    pub(crate) fn families(&self) -> &Mutex<HashMap<String, Arc<Family>>> {
        &self.shared.families
    }

    fn names(&self) -> &Names {
        &self.shared.names
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.shared.socket
    }
}

/// As the kernel names the connection in the events that it causes; its clones are the same requester.
impl From<&Connection> for Requester {
    fn from(conn: &Connection) -> Self {
        let ports = conn.shared.pool.spec().ports.clone().unwrap_or_default();
        Self::new(ports, conn.protocol(), conn.socket().netns_cookie())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("protocol", &self.protocol())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
