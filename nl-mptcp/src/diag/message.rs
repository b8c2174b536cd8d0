//! The fixed headers of sock_diag messages about internet sockets, and the names and descriptions for their errors.

use nl_core::attr::DecodeError;
use nl_core::attr_names;
use nl_core::message::{FixedHeader, MessageRef};

/// `SOCK_DIAG_BY_FAMILY`: the type of requests and of their answers.
pub const SOCK_DIAG_BY_FAMILY: u16 = 20;

/// `AF_INET`
pub const AF_INET: u8 = 2;
/// `AF_INET6`
pub const AF_INET6: u8 = 10;

pub(super) const IPPROTO_TCP: u8 = 6;
/// A placeholder for a protocol number over 255, which is in [`INET_DIAG_REQ_PROTOCOL`]. A kernel that does not know the attribute has
/// no sockets of this protocol.
pub(super) const IPPROTO_RAW: u8 = 255;
pub(super) const IPPROTO_MPTCP: u32 = 262;

// `include/uapi/linux/inet_diag.h`
pub(super) const INET_DIAG_REQ_BYTECODE: u16 = 1;
pub(super) const INET_DIAG_REQ_PROTOCOL: u16 = 3;
pub(super) const INET_ULP_INFO_NAME: u16 = 1;
pub(super) const INET_ULP_INFO_MPTCP: u16 = 3;

// The attributes of answers. Those of requests have other numbers, and the kernel never reports them in errors.
attr_names! { pub(super) NAMES: InetDiagReq {
    INET_DIAG_INFO = 2,
    INET_DIAG_SHUTDOWN = 8,
    INET_DIAG_SKV6ONLY = 11,
    INET_DIAG_MARK = 15,
    INET_DIAG_ULP_INFO = 19,
    INET_DIAG_CGROUP_ID = 21,
} }

pub(super) fn describe(message: MessageRef<'_>) -> String {
    let Ok((request, _)) = message.header::<InetDiagReq>() else {
        return "socket request".into();
    };
    let what = if request.protocol == IPPROTO_TCP { "TCP" } else { "MPTCP" };
    let version = match request.family {
        AF_INET => "IPv4",
        AF_INET6 => "IPv6",
        _ => "other",
    };
    match request.id.cookie {
        0 => format!("list {what} sockets ({version})"),
        token => format!("look up {what} socket with token {token:08x}"),
    }
}

/// `struct inet_diag_sockid`: what identifies a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InetDiagSockId {
    /// Local port.
    pub sport: u16,
    /// Remote port.
    pub dport: u16,
    /// Local address; an IPv4 address is in the first four bytes.
    pub src: [u8; 16],
    /// Remote address, likewise.
    pub dst: [u8; 16],
    /// The interface that the socket is bound to, or 0.
    pub interface: u32,
    /// A unique number of the socket. Its lower half is the token when a connection is looked up.
    pub cookie: u64,
}

impl InetDiagSockId {
    const LEN: usize = 48;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.sport.to_be_bytes());
        out.extend_from_slice(&self.dport.to_be_bytes());
        out.extend_from_slice(&self.src);
        out.extend_from_slice(&self.dst);
        out.extend_from_slice(&self.interface.to_ne_bytes());
        // Two 32-bit numbers, the lower half first on every machine.
        let [low, high] = halves(self.cookie);
        out.extend_from_slice(&low.to_ne_bytes());
        out.extend_from_slice(&high.to_ne_bytes());
    }

    #[inline]
    fn read(b: &[u8; Self::LEN]) -> Self {
        let (mut src, mut dst) = ([0; 16], [0; 16]);
        src.copy_from_slice(&b[4..20]);
        dst.copy_from_slice(&b[20..36]);
        let low = u32::from_ne_bytes([b[40], b[41], b[42], b[43]]);
        let high = u32::from_ne_bytes([b[44], b[45], b[46], b[47]]);
        Self {
            sport: u16::from_be_bytes([b[0], b[1]]),
            dport: u16::from_be_bytes([b[2], b[3]]),
            src,
            dst,
            interface: u32::from_ne_bytes([b[36], b[37], b[38], b[39]]),
            cookie: u64::from(high) << 32 | u64::from(low),
        }
    }
}

/// `struct inet_diag_req_v2`: the header of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InetDiagReq {
    /// [`AF_INET`] or [`AF_INET6`].
    pub family: u8,
    /// The protocol; a number over 255 is in an attribute.
    pub protocol: u8,
    /// Requested attributes: bit `n` is attribute `n + 1`.
    pub ext: u8,
    /// Requested states: bit `n` is state `n`.
    pub states: u32,
    /// One socket.
    pub id: InetDiagSockId,
}

impl FixedHeader for InetDiagReq {
    const LEN: usize = 8 + InetDiagSockId::LEN;
    const NAME: &'static str = "inet_diag_req_v2";

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.family, self.protocol, self.ext, 0]);
        out.extend_from_slice(&self.states.to_ne_bytes());
        self.id.write(out);
    }

    fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let short = || DecodeError::Short { what: Self::NAME, needed: Self::LEN, got: payload.len() };
        let (head, rest) = payload.split_first_chunk::<8>().ok_or_else(short)?;
        let (id, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let header = Self {
            family: head[0],
            protocol: head[1],
            ext: head[2],
            states: u32::from_ne_bytes([head[4], head[5], head[6], head[7]]),
            id: InetDiagSockId::read(id),
        };
        Ok((header, rest))
    }
}

/// `struct inet_diag_msg`: a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InetDiagMsg {
    /// [`AF_INET`] or [`AF_INET6`].
    pub family: u8,
    /// Its state.
    pub state: u8,
    /// The running timer, or 0.
    pub timer: u8,
    /// The number of consecutive expirations of the timer.
    pub retrans: u8,
    /// Addresses, ports and cookie.
    pub id: InetDiagSockId,
    /// Milliseconds until the timer expires.
    pub expires: u32,
    /// Unread bytes; on a listener, connections waiting to be accepted.
    pub rqueue: u32,
    /// Unacknowledged bytes; on a listener, the limit of waiting connections.
    pub wqueue: u32,
    /// The owner.
    pub uid: u32,
    /// The inode, as in `/proc/PID/fd`; 0 if no program has the socket open.
    pub inode: u32,
}

impl FixedHeader for InetDiagMsg {
    const LEN: usize = 4 + InetDiagSockId::LEN + 20;
    const NAME: &'static str = "inet_diag_msg";

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.family, self.state, self.timer, self.retrans]);
        self.id.write(out);
        for number in [self.expires, self.rqueue, self.wqueue, self.uid, self.inode] {
            out.extend_from_slice(&number.to_ne_bytes());
        }
    }

    #[inline]
    fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let short = || DecodeError::Short { what: Self::NAME, needed: Self::LEN, got: payload.len() };
        let (head, rest) = payload.split_first_chunk::<4>().ok_or_else(short)?;
        let (id, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let (tail, rest) = rest.split_first_chunk::<20>().ok_or_else(short)?;
        let header = Self {
            family: head[0],
            state: head[1],
            timer: head[2],
            retrans: head[3],
            id: InetDiagSockId::read(id),
            expires: u32::from_ne_bytes([tail[0], tail[1], tail[2], tail[3]]),
            rqueue: u32::from_ne_bytes([tail[4], tail[5], tail[6], tail[7]]),
            wqueue: u32::from_ne_bytes([tail[8], tail[9], tail[10], tail[11]]),
            uid: u32::from_ne_bytes([tail[12], tail[13], tail[14], tail[15]]),
            inode: u32::from_ne_bytes([tail[16], tail[17], tail[18], tail[19]]),
        };
        Ok((header, rest))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "each half is what the other truncates")]
const fn halves(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}
