use std::fmt;

use super::{FixedHeader, HEADER_LEN};
use crate::attr::{Attrs, DecodeError, align};

/// One message in a buffer, not copied.
#[derive(Clone, Copy)]
pub struct MessageRef<'a> {
    kind: u16,
    flags: u16,
    seq: u32,
    port: u32,
    /// The id of a namespace, or `OWN_NAMESPACE`: a number takes no more room, an `Option` would.
    nsid: i32,
    payload: &'a [u8],
}

/// In place of an id: the namespace of the socket.
const OWN_NAMESPACE: i32 = -1;

impl<'a> MessageRef<'a> {
    /// Reads the message `bytes` begin with.
    ///
    /// # Errors
    /// Too few bytes, or a length field that is under 16 or reaches past their end.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Messages::new(bytes).next().unwrap_or(Err(DecodeError::Short {
            what: "netlink message",
            needed: HEADER_LEN,
            got: 0,
        }))
    }

    /// A message from its parts.
    #[must_use]
    pub const fn from_parts(kind: u16, flags: u16, payload: &'a [u8]) -> Self {
        Self { kind, flags, seq: 0, port: 0, nsid: OWN_NAMESPACE, payload }
    }

    /// The message's type (`nlmsg_type`).
    #[must_use]
    pub const fn kind(&self) -> u16 {
        self.kind
    }

    /// The `NLM_F_*` flags.
    #[must_use]
    pub const fn flags(&self) -> u16 {
        self.flags
    }

    /// The sequence number.
    #[must_use]
    pub const fn seq(&self) -> u32 {
        self.seq
    }

    /// The port field. It is what the sender wrote, no evidence of who that was.
    #[must_use]
    pub const fn port(&self) -> u32 {
        self.port
    }

    /// The id of the namespace that an event is about; `None` for the namespace of the socket, which is the only one unless the monitor
    /// listens to [all namespaces](crate::monitor::MonitorBuilder::all_namespaces).
    #[must_use]
    pub fn nsid(&self) -> Option<u32> {
        u32::try_from(self.nsid).ok()
    }

    /// The message as one about the namespace of this id, or about that of the socket.
    #[must_use]
    pub fn in_namespace(mut self, nsid: Option<u32>) -> Self {
        self.nsid = nsid.and_then(|id| i32::try_from(id).ok()).unwrap_or(OWN_NAMESPACE);
        self
    }

    /// What follows the netlink header.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The family's fixed header and the attributes behind it.
    ///
    /// # Errors
    /// The payload is shorter than the header.
    #[inline]
    pub fn header<H: FixedHeader>(&self) -> Result<(H, Attrs<'a>), DecodeError> {
        let (header, rest) = H::read(self.payload)?;
        Ok((header, Attrs::new(rest)))
    }
}

/// Shows the header only: a payload may hold key material.
impl fmt::Debug for MessageRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageRef")
            .field("kind", &self.kind)
            .field("flags", &format_args!("{:#x}", self.flags))
            .field("seq", &self.seq)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .finish()
    }
}

/// The messages of one datagram, in order.
///
/// An error ends the iteration, for behind a wrong length nothing can be found.
#[derive(Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Reads messages from `datagram`.
    #[must_use]
    pub const fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }

    /// The bytes not read yet.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<MessageRef<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.rest);
        let Some((h, _)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Some(Err(short(HEADER_LEN, bytes.len())));
        };
        let len = usize::try_from(u32::from_ne_bytes([h[0], h[1], h[2], h[3]])).unwrap_or(usize::MAX);
        let Some(payload) = bytes.get(HEADER_LEN..len) else {
            return Some(Err(short(len.max(HEADER_LEN), bytes.len())));
        };
        self.rest = bytes.get(align(len)..).unwrap_or_default();
        Some(Ok(MessageRef {
            kind: u16::from_ne_bytes([h[4], h[5]]),
            flags: u16::from_ne_bytes([h[6], h[7]]),
            seq: u32::from_ne_bytes([h[8], h[9], h[10], h[11]]),
            port: u32::from_ne_bytes([h[12], h[13], h[14], h[15]]),
            nsid: OWN_NAMESPACE,
            payload,
        }))
    }
}

/// Shows how much is left, not what: it may be key material.
impl fmt::Debug for Messages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("len", &self.rest.len()).finish()
    }
}

const fn short(needed: usize, got: usize) -> DecodeError {
    DecodeError::Short { what: "netlink message", needed, got }
}

/// One message on its own: type, flags and payload, whatever the family.
///
/// It can carry any message of any protocol and cannot fail to decode, which is why it is what travels over a
/// [`Connection`](crate::connection::Connection). A [sensitive](crate::Request::sensitive) request never becomes one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RawMessage {
    kind: u16,
    flags: u16,
    payload: Vec<u8>,
}

impl RawMessage {
    /// A message of this type with this payload.
    #[must_use]
    pub const fn new(kind: u16, flags: u16, payload: Vec<u8>) -> Self {
        Self { kind, flags, payload }
    }

    /// The message's type.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        self.kind
    }

    /// The `NLM_F_*` flags.
    #[must_use]
    pub const fn flags(&self) -> u16 {
        self.flags
    }

    /// What follows the netlink header.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// A view for decoding.
    #[must_use]
    pub fn as_ref(&self) -> MessageRef<'_> {
        MessageRef::from_parts(self.kind, self.flags, &self.payload)
    }
}

impl From<MessageRef<'_>> for RawMessage {
    fn from(message: MessageRef<'_>) -> Self {
        Self::new(message.kind(), message.flags(), message.payload().to_vec())
    }
}

/// Shows no payload: it may hold key material.
impl fmt::Debug for RawMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_ref(), f)
    }
}

#[cfg(feature = "interop")]
mod packet_core {
    use std::convert::Infallible;

    use netlink_packet_core::{NetlinkDeserializable, NetlinkHeader, NetlinkSerializable};

    use super::RawMessage;

    impl NetlinkSerializable for RawMessage {
        fn message_type(&self) -> u16 {
            self.kind
        }

        fn buffer_len(&self) -> usize {
            self.payload.len()
        }

        fn serialize(&self, buffer: &mut [u8]) {
            if let Some(buffer) = buffer.get_mut(..self.payload.len()) {
                buffer.copy_from_slice(&self.payload);
            }
        }
    }

    impl NetlinkDeserializable for RawMessage {
        type Error = Infallible;

        fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, Self::Error> {
            Ok(Self { kind: header.message_type, flags: header.flags, payload: payload.to_vec() })
        }
    }
}
