use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use bitflags::bitflags;
use nl_core::attr::{Attr, Attrs, DecodeError};
use nl_core::message::MessageRef;

use super::message::{
    AF_INET, AF_INET6, INET_DIAG_CGROUP_ID, INET_DIAG_INFO, INET_DIAG_MARK, INET_DIAG_SHUTDOWN,
    INET_DIAG_SKV6ONLY, INET_DIAG_ULP_INFO, INET_ULP_INFO_MPTCP, INET_ULP_INFO_NAME, InetDiagMsg,
    SOCK_DIAG_BY_FAMILY,
};
use crate::info::{MptcpInfo, TcpInfo};
use crate::{AddressId, Token};

/// The state of a socket: `include/net/tcp_states.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum TcpState {
    /// Data can flow.
    Established,
    /// Connecting.
    SynSent,
    /// Being connected to.
    SynRecv,
    /// Closed on this end, not acknowledged yet.
    FinWait1,
    /// Closed on this end.
    FinWait2,
    /// Closed on both ends, and remembered for a while.
    TimeWait,
    /// Not connected.
    Close,
    /// Closed by the peer.
    CloseWait,
    /// Closed by the peer and on this end, not acknowledged yet.
    LastAck,
    /// Listening.
    Listen,
    /// Closed on both ends at once, not acknowledged yet.
    Closing,
    /// An unknown state, by its number.
    Other(u8),
}

impl TcpState {
    /// The state with this number.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        match number {
            1 => Self::Established,
            2 => Self::SynSent,
            3 => Self::SynRecv,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Close,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            other => Self::Other(other),
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Established => 1,
            Self::SynSent => 2,
            Self::SynRecv => 3,
            Self::FinWait1 => 4,
            Self::FinWait2 => 5,
            Self::TimeWait => 6,
            Self::Close => 7,
            Self::CloseWait => 8,
            Self::LastAck => 9,
            Self::Listen => 10,
            Self::Closing => 11,
            Self::Other(number) => number,
        }
    }
}

/// The word of `ss`.
impl fmt::Display for TcpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Established => "ESTAB",
            Self::SynSent => "SYN-SENT",
            Self::SynRecv => "SYN-RECV",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::TimeWait => "TIME-WAIT",
            Self::Close => "UNCONN",
            Self::CloseWait => "CLOSE-WAIT",
            Self::LastAck => "LAST-ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
            Self::Other(number) => return write!(f, "{number}"),
        })
    }
}

/// The common part of all sockets: `struct inet_diag_msg` and attributes of every kind of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct InetSocket {
    /// Its state.
    pub state: TcpState,
    /// Local address and port. An IPv6 socket that is connected over IPv4 has an IPv4-mapped address (`::ffff:192.0.2.1`).
    pub local: SocketAddr,
    /// Remote address and port, all zero on a listener.
    pub remote: SocketAddr,
    /// The interface that the socket is bound to.
    pub interface: Option<u32>,
    /// A unique number of the socket.
    pub cookie: u64,
    /// The running timer: 1 retransmission, 2 keep-alive, 3 time-wait, 4 window probe; 0 none.
    pub timer: u8,
    /// Milliseconds until the timer expires.
    pub expires: u32,
    /// The number of consecutive expirations of the timer.
    pub retrans: u8,
    /// Unread bytes; on a listener, connections waiting to be accepted.
    pub recv_queue: u32,
    /// Unacknowledged bytes; on a listener, the limit of waiting connections.
    pub send_queue: u32,
    /// The owner.
    pub uid: u32,
    /// The inode, as in `/proc/PID/fd`; 0 if no program has the socket open. A subflow has that of its connection.
    pub inode: u32,
    /// The directions that are shut down: bit 0 receiving, bit 1 sending.
    pub shutdown: Option<u8>,
    /// Whether an IPv6 socket refuses IPv4 connections.
    pub v6only: Option<bool>,
    /// The mark (`SO_MARK`) if it is not 0. Only for `CAP_NET_ADMIN`.
    pub mark: Option<u32>,
    /// The control group's number.
    pub cgroup: Option<u64>,
}

impl InetSocket {
    #[inline]
    fn new(m: &InetDiagMsg) -> Result<Self, DecodeError> {
        let address = |ip: [u8; 16], port: u16| match m.family {
            AF_INET => {
                let [a, b, c, d, ..] = ip;
                Ok(SocketAddr::from((Ipv4Addr::new(a, b, c, d), port)))
            }
            AF_INET6 => Ok(SocketAddr::from((Ipv6Addr::from(ip), port))),
            _ => Err(DecodeError::Unreadable("a socket that is neither IPv4 nor IPv6")),
        };
        Ok(Self {
            state: TcpState::new(m.state),
            local: address(m.id.src, m.id.sport)?,
            remote: address(m.id.dst, m.id.dport)?,
            interface: (m.id.interface != 0).then_some(m.id.interface),
            cookie: m.id.cookie,
            timer: m.timer,
            expires: m.expires,
            retrans: m.retrans,
            recv_queue: m.rqueue,
            send_queue: m.wqueue,
            uid: m.uid,
            inode: m.inode,
            shutdown: None,
            v6only: None,
            mark: None,
            cgroup: None,
        })
    }

    /// Decodes an attribute that every kind of socket can have.
    #[inline]
    fn take(&mut self, attr: &Attr<'_>) -> Result<(), DecodeError> {
        match attr.kind() {
            INET_DIAG_SHUTDOWN => self.shutdown = Some(attr.u8()?),
            INET_DIAG_SKV6ONLY => self.v6only = Some(attr.u8()? != 0),
            INET_DIAG_MARK => self.mark = Some(attr.u32()?).filter(|mark| *mark != 0),
            INET_DIAG_CGROUP_ID => self.cgroup = Some(attr.u64()?),
            _ => {}
        }
        Ok(())
    }
}

/// An MPTCP socket: a connection or a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MptcpSocket {
    /// Addresses, state and queues. The addresses are those of the initial subflow, also after that was closed.
    pub socket: InetSocket,
    /// The connection's statistics.
    pub info: Option<MptcpInfo>,
}

impl MptcpSocket {
    /// The connection's token; `None` on a listener.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        self.info.map(|info| info.token).filter(|token| token.get() != 0)
    }

    /// Bytes the program sent, without retransmissions; `None` on a listener, and before Linux 6.5.
    #[must_use]
    pub fn bytes_sent(&self) -> Option<u64> {
        self.info?.bytes_sent
    }

    /// Bytes received in order; `None` on a listener, and before Linux 6.5.
    #[must_use]
    pub fn bytes_received(&self) -> Option<u64> {
        self.info?.bytes_received
    }

    /// Bytes the peer acknowledged; `None` on a listener, and before Linux 6.5.
    #[must_use]
    pub fn bytes_acked(&self) -> Option<u64> {
        self.info?.bytes_acked
    }

    /// Retransmissions at the MPTCP level; `None` on a listener, and before Linux 6.5.
    #[must_use]
    pub fn retransmits(&self) -> Option<u32> {
        self.info?.retransmits
    }

    /// Decodes an answer to [`SocketFilter::mptcp_requests`](super::SocketFilter::mptcp_requests).
    ///
    /// # Errors
    /// The message is of another type, or malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        let (mut socket, attrs) = split(message)?;
        let mut info = None;
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                INET_DIAG_INFO => info = Some(MptcpInfo::decode(attr.value())?),
                _ => socket.take(&attr)?,
            }
        }
        Ok(Self { socket, info })
    }
}

/// Like a line of `ss -M`.
impl fmt::Display for MptcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InetSocket { state, local, remote, .. } = &self.socket;
        write!(f, "{state} {local} {remote}")?;
        match self.token() {
            Some(token) => write!(f, " token {token}"),
            None => Ok(()),
        }
    }
}

bitflags! {
    /// Flags of a subflow: `MPTCP_SUBFLOW_FLAG_*`. Unknown bits survive.
    /// `ss -i` shows these letters.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SubflowFlags: u32 {
        /// `M`: the initial subflow; the peer sent `MP_CAPABLE`.
        const MCAP_REM = 1 << 0;
        /// `m`: the initial subflow; this end sent `MP_CAPABLE`.
        const MCAP_LOC = 1 << 1;
        /// `J`: a further subflow; the peer sent `MP_JOIN`.
        const JOIN_REM = 1 << 2;
        /// `j`: a further subflow; this end sent `MP_JOIN`.
        const JOIN_LOC = 1 << 3;
        /// `B`: the peer made it a backup.
        const BKUP_REM = 1 << 4;
        /// `b`: this end made it a backup.
        const BKUP_LOC = 1 << 5;
        /// `e`: fully established.
        const FULLY_ESTABLISHED = 1 << 6;
        /// `c`: connected.
        const CONNECTED = 1 << 7;
        /// `v`: the mapping in this entry is valid.
        const MAPVALID = 1 << 8;
        const _ = !0;
    }
}

serialize_bits!(SubflowFlags);

/// The letters of `ss -i`, and unknown bits as a number.
impl fmt::Display for SubflowFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let mut rest = *self;
        for (flag, letter) in SUBFLOW_LETTERS {
            if self.contains(flag) {
                text.push(letter);
                rest -= flag;
            }
        }
        if !rest.is_empty() {
            text.push_str(&format!("{:#x}", rest.bits()));
        }
        f.pad(&text)
    }
}

const SUBFLOW_LETTERS: [(SubflowFlags, char); 9] = [
    (SubflowFlags::MCAP_REM, 'M'),
    (SubflowFlags::MCAP_LOC, 'm'),
    (SubflowFlags::JOIN_REM, 'J'),
    (SubflowFlags::JOIN_LOC, 'j'),
    (SubflowFlags::BKUP_REM, 'B'),
    (SubflowFlags::BKUP_LOC, 'b'),
    (SubflowFlags::FULLY_ESTABLISHED, 'e'),
    (SubflowFlags::CONNECTED, 'c'),
    (SubflowFlags::MAPVALID, 'v'),
];

/// The MPTCP state of a subflow: `MPTCP_SUBFLOW_ATTR_*`.
/// The `Option` fields are sequence numbers, which only `CAP_NET_ADMIN` can read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SubflowInfo {
    /// The token of the connection it belongs to.
    pub token_loc: Token,
    /// The peer's token of the connection, known to the end that joined (`MP_JOIN`); 0 otherwise.
    pub token_rem: Token,
    /// Its flags.
    pub flags: SubflowFlags,
    /// The id of the local address; 0 is that of the initial subflow.
    pub id_loc: AddressId,
    /// The id of the remote address.
    pub id_rem: AddressId,
    /// Bytes sent on this subflow, as a sequence number relative to its start.
    pub relwrite_seq: Option<u32>,
    /// Data sequence number of the current mapping.
    pub map_seq: Option<u64>,
    /// Subflow sequence number of the current mapping, relative to its start.
    pub map_sfseq: Option<u32>,
    /// The initial sequence number of the subflow.
    pub ssn_offset: Option<u32>,
    /// Bytes in the current mapping.
    pub map_datalen: Option<u16>,
}

impl SubflowInfo {
    fn decode(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let mut out = Self::default();
        let mut seen = false;
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                1 => out.token_rem = Token::new(attr.u32()?),
                2 => {
                    seen = true;
                    out.token_loc = Token::new(attr.u32()?);
                }
                3 => out.relwrite_seq = Some(attr.u32()?),
                4 => out.map_seq = Some(attr.u64()?),
                5 => out.map_sfseq = Some(attr.u32()?),
                6 => out.ssn_offset = Some(attr.u32()?),
                7 => out.map_datalen = Some(attr.u16()?),
                8 => out.flags = SubflowFlags::from_bits_retain(attr.u32()?),
                9 => out.id_rem = AddressId::new(attr.u8()?),
                10 => out.id_loc = AddressId::new(attr.u8()?),
                _ => {}
            }
        }
        if seen { Ok(out) } else { Err(DecodeError::Missing(MPTCP_SUBFLOW_ATTR_TOKEN_LOC)) }
    }

    /// Whether it is the connection's initial subflow, and not one that joined.
    #[must_use]
    pub fn is_first(&self) -> bool {
        !self.flags.intersects(SubflowFlags::JOIN_LOC | SubflowFlags::JOIN_REM)
    }

    /// Whether either end made it a backup.
    #[must_use]
    pub fn is_backup(&self) -> bool {
        self.flags.intersects(SubflowFlags::BKUP_LOC | SubflowFlags::BKUP_REM)
    }
}

const MPTCP_SUBFLOW_ATTR_TOKEN_LOC: u16 = 2;

/// A subflow: a TCP socket that belongs to an MPTCP connection or listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Subflow {
    /// Addresses, state and queues.
    pub socket: InetSocket,
    /// Its MPTCP state; `None` on a listener.
    pub mptcp: Option<SubflowInfo>,
    /// Its TCP statistics.
    pub tcp: Option<TcpInfo>,
}

impl Subflow {
    /// The token of the connection that it belongs to; `None` on a listener.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        self.mptcp.map(|mptcp| mptcp.token_loc).filter(|token| token.get() != 0)
    }

    /// Decodes an answer to [`SocketFilter::tcp_requests`](super::SocketFilter::tcp_requests). `None` for a plain TCP socket.
    ///
    /// # Errors
    /// The message is of another type, or malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        let (mut socket, attrs) = split(message)?;
        let (mut tcp, mut is_subflow, mut mptcp) = (None, false, None);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                INET_DIAG_INFO => tcp = Some(attr),
                INET_DIAG_ULP_INFO => {
                    // The nested types have other meanings than those at the top.
                    (is_subflow, mptcp) = ulp(attr.attrs()).map_err(|_| attr.invalid("is malformed"))?;
                }
                _ => socket.take(&attr)?,
            }
        }
        if !is_subflow {
            return Ok(None);
        }
        let tcp = tcp.map(|attr| TcpInfo::decode(attr.value())).transpose()?;
        Ok(Some(Self { socket, mptcp, tcp }))
    }
}

/// Whether the upper layer protocol is MPTCP, and its state.
fn ulp(attrs: Attrs<'_>) -> Result<(bool, Option<SubflowInfo>), DecodeError> {
    let (mut is_mptcp, mut info) = (false, None);
    for attr in attrs {
        let attr = attr?;
        match attr.kind() {
            INET_ULP_INFO_NAME => is_mptcp = attr.str()? == "mptcp",
            INET_ULP_INFO_MPTCP => info = Some(SubflowInfo::decode(attr.attrs())?),
            _ => {}
        }
    }
    Ok((is_mptcp, info))
}

/// Like a line of `ss -t -i`, with the MPTCP part.
impl fmt::Display for Subflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InetSocket { state, local, remote, .. } = &self.socket;
        write!(f, "{state} {local} {remote}")?;
        let Some(mptcp) = &self.mptcp else { return Ok(()) };
        let SubflowInfo { flags, token_rem, id_rem, token_loc, id_loc, .. } = mptcp;
        write!(f, " flags {flags} token {token_rem}(id {id_rem})/{token_loc}(id {id_loc})")
    }
}

#[inline]
fn split(message: MessageRef<'_>) -> Result<(InetSocket, Attrs<'_>), DecodeError> {
    if message.kind() != SOCK_DIAG_BY_FAMILY {
        return Err(DecodeError::Kind(message.kind()));
    }
    let (header, attrs) = message.header::<InetDiagMsg>()?;
    Ok((InetSocket::new(&header)?, attrs))
}
