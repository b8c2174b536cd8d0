//! Messages of the netlink-packet-* crates over our connection.
//!
//! For what this workspace has no crate for: build the message with netlink-packet-route (or -generic, -sock-diag, …),
//! send it here, and have its time limit, its error texts and its honesty about lost connections.
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

use netlink_packet_core::{NetlinkDeserializable, NetlinkHeader, NetlinkSerializable};

use crate::attr::DecodeError;
use crate::connection::Connection;
use crate::dump::Dump;
use crate::error::{Result, Schema};
use crate::pending::Pending;
use crate::message::{MessageRef, Request};

/// Sends a message with these `NLM_F_*` flags and returns the messages that answer it before the verdict.
///
/// # Errors
/// As [`Connection::exchange`]; a message the packet crate cannot read is a decoding error.
pub fn request<T>(conn: &Connection, flags: u16, message: T) -> Pending<Vec<T>>
where
    T: NetlinkSerializable + NetlinkDeserializable,
{
    let reply = conn.exchange(encode(flags, &message));
    Pending::new(async move {
        reply.await?.messages.iter().map(|answer| decode(answer.as_ref()).map_err(Into::into)).collect()
    })
}

/// Lists a table with a message of a packet crate: `NLM_F_DUMP` is added to it.
pub fn dump<T>(conn: &Connection, message: T) -> Dump<T>
where
    T: NetlinkSerializable + NetlinkDeserializable,
{
    conn.dump(encode(0, &message), |message| decode(message).map(Some))
}

fn encode<T: NetlinkSerializable>(flags: u16, message: &T) -> Request {
    let mut payload = vec![0; message.buffer_len()];
    message.serialize(&mut payload);
    Request::from_payload(message.message_type(), flags, &payload, &Schema::UNKNOWN)
}

fn decode<T: NetlinkDeserializable>(message: MessageRef<'_>) -> Result<T, DecodeError> {
    let mut header = NetlinkHeader::default();
    header.message_type = message.kind();
    header.flags = message.flags();
    T::deserialize(&header, message.payload())
        .map_err(|_| DecodeError::Unreadable("the packet crate cannot read this message"))
}
