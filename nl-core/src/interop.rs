//! Messages and connections of the netlink-packet-* crates, netlink-proto and rtnetlink, beside ours.
//!
//! For what this workspace has no crate for. There are four ways:
//!
//! - [`request`] and [`dump`] send a message of a packet crate over our connection, with its time limit and error texts.
//! - [`decode`] reads a message that came another way, such as the raw message of an event, as one of a packet crate.
//! - [`connection`] is a netlink-proto connection for any message type, on a socket in the namespace of ours.
//! - [`socket`] is such a socket, for `rtnetlink::from_socket`.
//!
//! ```no_run
//! use netlink_packet_core::NLM_F_ACK;
//! use netlink_packet_route::RouteNetlinkMessage;
//! use nl_core::connection::{Connection, Protocol};
//!
//! # async fn example(message: RouteNetlinkMessage) -> nl_core::Result<()> {
//! let conn = Connection::open(Protocol::Route)?;
//! let answers: Vec<RouteNetlinkMessage> = nl_core::interop::request(&conn, NLM_F_ACK, message).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The sockets of these functions are lax: they do without `NETLINK_GET_STRICT_CHK`, which all other sockets of this crate
//! have. On a strict socket the kernel takes header fields of a list request as a filter, and the packet crates fill some in:
//! rtnetlink's list of routes then gives the main table's only. [`strict`] asks for the checks.
//!
//! The versions that fit are netlink-packet-core 0.9, netlink-proto 0.14 and netlink-sys 0.9. Those crates change their API
//! in every minor version, so this module is exempt from the promise of stability until they are 1.0.

use std::fmt;

use futures_core::Stream;
use netlink_packet_core::{NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkSerializable};
use netlink_proto::sys::{SocketAddr, TokioSocket};
use netlink_proto::{ConnectionHandle, NetlinkCodec};

use crate::attr::DecodeError;
use crate::connection::Connection;
use crate::dump::Dump;
use crate::error::Result;
use crate::message::MessageRef;
use crate::pending::Pending;
use crate::request::Request;

/// A connection, and how strictly the kernel checks requests: `&Connection` is lax, [`strict`] is not.
#[derive(Clone, Copy, Debug)]
pub struct Over<'a> {
    conn: &'a Connection,
    strict: bool,
}

/// Has the kernel check requests strictly (`NETLINK_GET_STRICT_CHK`): it refuses what it does not know and takes header fields
/// as filters.
#[must_use]
pub const fn strict(conn: &Connection) -> Over<'_> {
    Over { conn, strict: true }
}

impl<'a> From<&'a Connection> for Over<'a> {
    fn from(conn: &'a Connection) -> Self {
        Self { conn, strict: false }
    }
}

impl Over<'_> {
    fn connection(self) -> Result<Connection> {
        if self.strict { Ok(self.conn.clone()) } else { self.conn.lax() }
    }
}

/// Sends a message with these `NLM_F_*` flags and returns the messages that answer it before the verdict.
///
/// # Errors
/// As [`Connection::exchange`]; a message the packet crate cannot read is a decoding error.
pub fn request<'a, T>(over: impl Into<Over<'a>>, flags: u16, message: T) -> Pending<Vec<T>>
where
    T: NetlinkSerializable + NetlinkDeserializable,
{
    let reply = over.into().connection().map(|conn| conn.exchange(encode(flags, &message)));
    Pending::new(async move {
        let reply = reply?.await?;
        reply.messages.iter().map(|answer| decode(answer.as_ref()).map_err(Into::into)).collect()
    })
}

/// Lists a table with a message of a packet crate: `NLM_F_DUMP` is added to it.
pub fn dump<'a, T>(over: impl Into<Over<'a>>, message: T) -> Dump<T>
where
    T: NetlinkSerializable + NetlinkDeserializable,
{
    let (over, request) = (over.into(), encode(0, &message));
    let list = |conn: &Connection| conn.dump(request, |message| decode(message).map(Some));
    match over.connection() {
        Ok(conn) => list(&conn),
        Err(error) => list(over.conn).failed(error),
    }
}

/// A socket of the connection's protocol in the connection's namespace, for `rtnetlink::from_socket` or
/// [`netlink_proto::from_socket_with_codec`].
///
/// ```no_run
/// use nl_core::{Connection, Protocol, interop};
///
/// # async fn example() -> nl_core::Result<()> {
/// let conn = Connection::open(Protocol::Route)?;
/// let (connection, handle, _) = rtnetlink::from_socket(interop::socket(&conn)?);
/// tokio::spawn(connection);
/// // handle.link(), handle.address(), …
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The socket is refused, or there is no tokio runtime with I/O enabled.
pub fn socket<'a>(over: impl Into<Over<'a>>) -> Result<TokioSocket> {
    let over = over.into();
    over.conn.tokio_socket(over.strict)
}

/// What [`connection`] returns: the connection, to be spawned; a handle to it; the messages that answer no request.
pub type Parts<T, S> = (netlink_proto::Connection<T, TokioSocket, NetlinkCodec>, ConnectionHandle<T>, S);

/// A netlink-proto connection for any message type, in our connection's namespace.
///
/// Spawn the first part, then request through the handle. What netlink-proto does with lost answers, dumps and a connection
/// that ends is its own: none of the promises of [`Connection`] hold for it.
///
/// # Errors
/// As [`socket`].
pub fn connection<'a, T>(
    over: impl Into<Over<'a>>,
) -> Result<Parts<T, impl Stream<Item = (NetlinkMessage<T>, SocketAddr)> + Send>>
where
    T: NetlinkSerializable + NetlinkDeserializable + fmt::Debug + Unpin + Send,
{
    Ok(netlink_proto::from_socket_with_codec(socket(over)?))
}

fn encode<T: NetlinkSerializable>(flags: u16, message: &T) -> Request {
    let mut payload = vec![0; message.buffer_len()];
    message.serialize(&mut payload);
    Request::from_payload(message.message_type(), flags, &payload)
}

/// Reads a message as one of a packet crate, such as `RouteNetlinkMessage` of netlink-packet-route.
///
/// ```
/// use netlink_packet_route::RouteNetlinkMessage;
/// use nl_core::interop;
/// use nl_core::message::MessageRef;
///
/// # fn example() -> Result<(), nl_core::attr::DecodeError> {
/// // RTM_NEWLINK of interface 1, without attributes.
/// let payload = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// let message: RouteNetlinkMessage = interop::decode(MessageRef::from_parts(16, 0, &payload))?;
/// assert!(matches!(message, RouteNetlinkMessage::NewLink(_)));
/// # Ok(())
/// # }
/// # example().unwrap();
/// ```
///
/// # Errors
/// [`Unreadable`](DecodeError::Unreadable): the packet crate does not know the type of the message, or cannot read an attribute.
pub fn decode<T: NetlinkDeserializable>(message: MessageRef<'_>) -> Result<T, DecodeError> {
    let mut header = NetlinkHeader::default();
    header.message_type = message.kind();
    header.flags = message.flags();
    T::deserialize(&header, message.payload())
        .map_err(|_| DecodeError::Unreadable("the packet crate cannot read this message"))
}
