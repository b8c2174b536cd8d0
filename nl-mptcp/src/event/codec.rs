use std::fmt;
use std::net::{IpAddr, SocketAddr};

use bitflags::bitflags;
use nl_core::attr::{Attrs, DecodeError};
use nl_core::error::Errno;
use nl_core::message::{GenlHeader, MessageRef};

use crate::{AddressId, Token};

// `enum mptcp_event_type`
const CREATED: u8 = 1;
const ESTABLISHED: u8 = 2;
const CLOSED: u8 = 3;
const ANNOUNCED: u8 = 6;
const REMOVED: u8 = 7;
const SUB_ESTABLISHED: u8 = 10;
const SUB_CLOSED: u8 = 11;
const SUB_PRIORITY: u8 = 13;
const LISTENER_CREATED: u8 = 15;
const LISTENER_CLOSED: u8 = 16;

// `enum mptcp_event_attr`; the commands number theirs otherwise.
const MPTCP_PM_ATTR_TOKEN: u16 = 1;
const MPTCP_PM_ATTR_LOC_ID: u16 = 3;
const ATTR_REM_ID: u16 = 4;
const ATTR_SADDR4: u16 = 5;
const ATTR_SADDR6: u16 = 6;
const ATTR_DADDR4: u16 = 7;
const ATTR_DADDR6: u16 = 8;
const ATTR_SPORT: u16 = 9;
const ATTR_DPORT: u16 = 10;
const ATTR_BACKUP: u16 = 11;
const ATTR_ERROR: u16 = 12;
const ATTR_FLAGS: u16 = 13;
const ATTR_TIMEOUT: u16 = 14;
const ATTR_IF_IDX: u16 = 15;
const ATTR_RESET_REASON: u16 = 16;
const ATTR_RESET_FLAGS: u16 = 17;
const ATTR_SERVER_SIDE: u16 = 18;

bitflags! {
    /// Flags of a connection in an event (`MPTCP_PM_EV_FLAG_*`). Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ConnectionFlags: u16 {
        /// The peer accepts no further subflows to the address and port of the initial one.
        const DENY_JOIN_ID0 = 0x1;
        /// This side accepted the connection. Linux 6.18; [`ConnectionEvent::server_side`] is correct on every kernel.
        const SERVER_SIDE = 0x2;
        const _ = !0;
    }
}

serialize_bits!(ConnectionFlags);

/// An event of a connection, an address of it, a subflow of it, or a listening socket.
///
/// | variant | `ip mptcp monitor` |
/// |---|---|
/// | [`Created`](Self::Created) | `CREATED` |
/// | [`Established`](Self::Established) | `ESTABLISHED` |
/// | [`Closed`](Self::Closed) | `CLOSED` |
/// | [`Announced`](Self::Announced) | `ANNOUNCED` |
/// | [`Removed`](Self::Removed) | `REMOVED` |
/// | [`SubflowEstablished`](Self::SubflowEstablished) | `SF_ESTABLISHED` |
/// | [`SubflowClosed`](Self::SubflowClosed) | `SF_CLOSED` |
/// | [`SubflowPriority`](Self::SubflowPriority) | `SF_PRIO` |
/// | [`ListenerCreated`](Self::ListenerCreated) | `LISTENER_CREATED` |
/// | [`ListenerClosed`](Self::ListenerClosed) | `LISTENER_CLOSED` |
/// If both ends of a connection are in one namespace, each sends its own events, with its own token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum MptcpEvent {
    /// The peer announced an address.
    Announced(AddressEvent),
    /// A connection was closed. Its token is no longer valid.
    Closed {
        /// The connection.
        token: Token,
    },
    /// A connection was created: the peer supports Multipath TCP.
    Created(ConnectionEvent),
    /// A connection can have further subflows: on the client after the peer has acknowledged, on the server when it is accepted.
    Established(ConnectionEvent),
    /// A listening socket was closed. Linux 6.3.
    ListenerClosed {
        /// Its address and port.
        local: SocketAddr,
    },
    /// A socket listens for Multipath TCP connections, including the kernel's own sockets for endpoints with ports. Linux 6.3.
    ListenerCreated {
        /// Its address and port.
        local: SocketAddr,
    },
    /// An unknown event.
    Other {
        /// Its number.
        number: u8,
        /// The connection.
        token: Option<Token>,
    },
    /// The peer withdrew an address.
    Removed {
        /// The connection.
        token: Token,
        /// The peer's id of the address.
        remote_id: AddressId,
    },
    /// A subflow was closed, or could not be established.
    SubflowClosed(SubflowEvent),
    /// A further subflow was established. The initial one is part of the connection's event.
    SubflowEstablished(SubflowEvent),
    /// The peer made a subflow a backup, or a regular one.
    SubflowPriority(SubflowEvent),
}

/// A connection, in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ConnectionEvent {
    /// Its token on this side.
    pub token: Token,
    /// The local address and port of its initial subflow.
    pub local: SocketAddr,
    /// The remote address and port.
    pub remote: SocketAddr,
    /// The id of the local address.
    pub local_id: AddressId,
    /// The id of the remote address.
    pub remote_id: AddressId,
    /// Whether this side accepted the connection.
    pub server_side: bool,
    /// Its flags.
    pub flags: ConnectionFlags,
}

/// An address that the peer announced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct AddressEvent {
    /// The connection.
    pub token: Token,
    /// The peer's id of the address.
    pub remote_id: AddressId,
    /// The address and port. If the peer announced no port, it is that of the initial subflow.
    pub remote: SocketAddr,
}

/// A subflow, in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SubflowEvent {
    /// The connection.
    pub token: Token,
    /// The local address and port.
    pub local: SocketAddr,
    /// The remote address and port.
    pub remote: SocketAddr,
    /// The id of the local address.
    pub local_id: AddressId,
    /// The id of the remote address, which the peer assigned.
    pub remote_id: AddressId,
    /// Whether the peer made it a backup. The kernel does not report whether this side did.
    pub backup: bool,
    /// The interface it is bound to.
    pub index: Option<u32>,
    /// The error that closed it.
    pub error: Option<Errno>,
    /// Why the peer reset it. The kernel reads the reason on an established subflow only: a subflow that the peer refuses has none.
    pub reset: Option<Reset>,
    /// Reserved (`MPTCP_ATTR_TIMEOUT`). Kernels up to 7.2 do not send it.
    pub timeout: Option<u32>,
}

/// Why a subflow was reset (`MP_TCPRST`, RFC 8684).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Reset {
    /// The reason.
    pub reason: ResetReason,
    /// Its flags; bit 0 means that another attempt may succeed.
    pub flags: u32,
}

impl Reset {
    /// Whether another attempt may succeed.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        self.flags & 1 != 0
    }
}

/// The reason for a reset (`MPTCP_RST_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum ResetReason {
    /// Unspecified error.
    Unspecified,
    /// An MPTCP-specific error.
    Mptcp,
    /// Lack of resources.
    Resources,
    /// Administratively prohibited.
    Prohibited,
    /// Too much outstanding data.
    TooMuchData,
    /// Unacceptable performance.
    Performance,
    /// Middlebox interference.
    Middlebox,
    /// An unknown reason.
    Other(u32),
}

impl From<u32> for ResetReason {
    fn from(number: u32) -> Self {
        match number {
            0 => Self::Unspecified,
            1 => Self::Mptcp,
            2 => Self::Resources,
            3 => Self::Prohibited,
            4 => Self::TooMuchData,
            5 => Self::Performance,
            6 => Self::Middlebox,
            other => Self::Other(other),
        }
    }
}

impl ResetReason {
    /// The kernel's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Unspecified => 0,
            Self::Mptcp => 1,
            Self::Resources => 2,
            Self::Prohibited => 3,
            Self::TooMuchData => 4,
            Self::Performance => 5,
            Self::Middlebox => 6,
            Self::Other(number) => number,
        }
    }
}

impl MptcpEvent {
    /// Decodes a message of the event group, where the [family](crate::FAMILY) has the number `family`. `None` for a message of another
    /// family, and for the answer to a request: events and commands share their numbers.
    ///
    /// # Errors
    /// The message is malformed, or lacks an attribute that identifies its object.
    pub fn decode(family: u16, message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        // An answer has the sequence number of its request, an event has 0.
        if message.kind() != family || message.seq() != 0 {
            return Ok(None);
        }
        let (header, attrs) = message.header::<GenlHeader>()?;
        let fields = Fields::read(attrs)?;
        Ok(Some(match header.command {
            CREATED => Self::Created(fields.connection()?),
            ESTABLISHED => Self::Established(fields.connection()?),
            CLOSED => Self::Closed { token: fields.token()? },
            ANNOUNCED => Self::Announced(AddressEvent {
                token: fields.token()?,
                remote_id: fields.remote_id()?,
                remote: fields.remote()?,
            }),
            REMOVED => Self::Removed { token: fields.token()?, remote_id: fields.remote_id()? },
            SUB_ESTABLISHED => Self::SubflowEstablished(fields.subflow()?),
            SUB_CLOSED => Self::SubflowClosed(fields.subflow()?),
            SUB_PRIORITY => Self::SubflowPriority(fields.subflow()?),
            LISTENER_CREATED => Self::ListenerCreated { local: fields.local()? },
            LISTENER_CLOSED => Self::ListenerClosed { local: fields.local()? },
            number => Self::Other { number, token: fields.token },
        }))
    }

    /// The connection; listening sockets have none.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        match self {
            Self::Created(event) | Self::Established(event) => Some(event.token),
            Self::Announced(event) => Some(event.token),
            Self::SubflowClosed(event) | Self::SubflowEstablished(event) | Self::SubflowPriority(event) => {
                Some(event.token)
            }
            Self::Closed { token } | Self::Removed { token, .. } => Some(*token),
            Self::ListenerClosed { .. } | Self::ListenerCreated { .. } => None,
            Self::Other { token, .. } => *token,
        }
    }

    /// The kernel's number of the event (`enum mptcp_event_type`).
    #[must_use]
    pub const fn number(&self) -> u8 {
        match self {
            Self::Created(_) => CREATED,
            Self::Established(_) => ESTABLISHED,
            Self::Closed { .. } => CLOSED,
            Self::Announced(_) => ANNOUNCED,
            Self::Removed { .. } => REMOVED,
            Self::SubflowEstablished(_) => SUB_ESTABLISHED,
            Self::SubflowClosed(_) => SUB_CLOSED,
            Self::SubflowPriority(_) => SUB_PRIORITY,
            Self::ListenerCreated { .. } => LISTENER_CREATED,
            Self::ListenerClosed { .. } => LISTENER_CLOSED,
            Self::Other { number, .. } => *number,
        }
    }
}

/// The attributes of every event.
#[derive(Clone, Copy, Debug, Default)]
struct Fields {
    token: Option<Token>,
    local_id: Option<AddressId>,
    remote_id: Option<AddressId>,
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    source_port: Option<u16>,
    destination_port: Option<u16>,
    backup: bool,
    error: Option<Errno>,
    flags: ConnectionFlags,
    timeout: Option<u32>,
    index: Option<u32>,
    reset_reason: Option<u32>,
    reset_flags: Option<u32>,
    server_side: bool,
}

impl Fields {
    fn read(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let mut fields = Self::default();
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                MPTCP_PM_ATTR_TOKEN => fields.token = Some(Token::new(attr.u32()?)),
                MPTCP_PM_ATTR_LOC_ID => fields.local_id = Some(AddressId::new(attr.u8()?)),
                ATTR_REM_ID => fields.remote_id = Some(AddressId::new(attr.u8()?)),
                ATTR_SADDR4 => fields.source = Some(attr.array::<4>()?.into()),
                ATTR_SADDR6 => fields.source = Some(attr.array::<16>()?.into()),
                ATTR_DADDR4 => fields.destination = Some(attr.array::<4>()?.into()),
                ATTR_DADDR6 => fields.destination = Some(attr.array::<16>()?.into()),
                ATTR_SPORT => fields.source_port = Some(attr.be16()?),
                ATTR_DPORT => fields.destination_port = Some(attr.be16()?),
                ATTR_BACKUP => fields.backup = attr.u8()? != 0,
                ATTR_ERROR => fields.error = Some(Errno::new(attr.u8()?.into())),
                ATTR_FLAGS => fields.flags = ConnectionFlags::from_bits_retain(attr.u16()?),
                ATTR_TIMEOUT => fields.timeout = Some(attr.u32()?),
                ATTR_IF_IDX => fields.index = Some(attr.u32()?).filter(|index| *index != 0),
                ATTR_RESET_REASON => fields.reset_reason = Some(attr.u32()?),
                ATTR_RESET_FLAGS => fields.reset_flags = Some(attr.u32()?),
                ATTR_SERVER_SIDE => fields.server_side = attr.u8()? != 0,
                // `MPTCP_ATTR_FAMILY` too: the addresses imply it, and some events lack it.
                _ => {}
            }
        }
        Ok(fields)
    }

    fn token(&self) -> Result<Token, DecodeError> {
        self.token.ok_or(DecodeError::Missing(MPTCP_PM_ATTR_TOKEN))
    }

    fn remote_id(&self) -> Result<AddressId, DecodeError> {
        self.remote_id.ok_or(DecodeError::Missing(ATTR_REM_ID))
    }

    fn local_id(&self) -> Result<AddressId, DecodeError> {
        self.local_id.ok_or(DecodeError::Missing(MPTCP_PM_ATTR_LOC_ID))
    }

    fn local(&self) -> Result<SocketAddr, DecodeError> {
        let address = self.source.ok_or(DecodeError::Missing(ATTR_SADDR4))?;
        Ok((address, self.source_port.ok_or(DecodeError::Missing(ATTR_SPORT))?).into())
    }

    fn remote(&self) -> Result<SocketAddr, DecodeError> {
        let address = self.destination.ok_or(DecodeError::Missing(ATTR_DADDR4))?;
        Ok((address, self.destination_port.ok_or(DecodeError::Missing(ATTR_DPORT))?).into())
    }

    fn connection(&self) -> Result<ConnectionEvent, DecodeError> {
        Ok(ConnectionEvent {
            token: self.token()?,
            local: self.local()?,
            remote: self.remote()?,
            local_id: self.local_id()?,
            remote_id: self.remote_id()?,
            server_side: self.server_side || self.flags.contains(ConnectionFlags::SERVER_SIDE),
            flags: self.flags,
        })
    }

    fn subflow(&self) -> Result<SubflowEvent, DecodeError> {
        Ok(SubflowEvent {
            token: self.token()?,
            local: self.local()?,
            remote: self.remote()?,
            local_id: self.local_id()?,
            remote_id: self.remote_id()?,
            backup: self.backup,
            index: self.index,
            error: self.error,
            reset: self
                .reset_reason
                .map(|reason| Reset { reason: reason.into(), flags: self.reset_flags.unwrap_or_default() }),
            timeout: self.timeout,
        })
    }
}

/// A line in the words of `ip mptcp monitor`.
impl fmt::Display for MptcpEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Announced(event) => {
                write!(f, "ANNOUNCED token={} {} remid={}", event.token, event.remote, event.remote_id)
            }
            Self::Closed { token } => write!(f, "CLOSED token={token}"),
            Self::Created(event) => write!(f, "CREATED {event}"),
            Self::Established(event) => write!(f, "ESTABLISHED {event}"),
            Self::ListenerClosed { local } => write!(f, "LISTENER_CLOSED {local}"),
            Self::ListenerCreated { local } => write!(f, "LISTENER_CREATED {local}"),
            Self::Other { number, token } => {
                write!(f, "UNKNOWN {number}")?;
                token.map_or(Ok(()), |token| write!(f, " token={token}"))
            }
            Self::Removed { token, remote_id } => write!(f, "REMOVED token={token} remid={remote_id}"),
            Self::SubflowClosed(event) => write!(f, "SF_CLOSED {event}"),
            Self::SubflowEstablished(event) => write!(f, "SF_ESTABLISHED {event}"),
            Self::SubflowPriority(event) => write!(f, "SF_PRIO {event}"),
        }
    }
}

impl fmt::Display for ConnectionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token={} {} -> {}", self.token, self.local, self.remote)?;
        write!(f, " locid={} remid={}", self.local_id, self.remote_id)?;
        if self.server_side {
            f.write_str(" server_side")?;
        }
        if self.flags.is_empty() { Ok(()) } else { write!(f, " flags={:#x}", self.flags.bits()) }
    }
}

impl fmt::Display for SubflowEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token={} {} -> {}", self.token, self.local, self.remote)?;
        write!(f, " locid={} remid={}", self.local_id, self.remote_id)?;
        if self.backup {
            f.write_str(" backup")?;
        }
        if let Some(index) = self.index {
            write!(f, " ifindex={index}")?;
        }
        if let Some(error) = self.error {
            write!(f, " error={error}")?;
        }
        match self.reset {
            Some(reset) => {
                write!(f, " reset_reason={} reset_flags={:#x}", reset.reason.number(), reset.flags)
            }
            None => Ok(()),
        }
    }
}
