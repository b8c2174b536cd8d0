use std::net::IpAddr;
use std::ops::RangeInclusive;

use bitflags::bitflags;
use nl_core::Request;

use super::message::{
    AF_INET, AF_INET6, INET_DIAG_INFO, INET_DIAG_REQ_BYTECODE, INET_DIAG_REQ_PROTOCOL, IPPROTO_MPTCP,
    IPPROTO_RAW, IPPROTO_TCP, InetDiagReq, InetDiagSockId, NAMES, SOCK_DIAG_BY_FAMILY, describe,
};
use super::{InetSocket, TcpState};
use crate::Token;

bitflags! {
    /// A set of states, for filters. Unknown bits survive.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct States: u32 {
        /// Data can flow.
        const ESTABLISHED = 1 << 1;
        /// Connecting.
        const SYN_SENT = 1 << 2;
        /// Being connected to.
        const SYN_RECV = 1 << 3;
        /// Closed on this end, not acknowledged yet.
        const FIN_WAIT1 = 1 << 4;
        /// Closed on this end.
        const FIN_WAIT2 = 1 << 5;
        /// Closed on both ends, and remembered for a while.
        const TIME_WAIT = 1 << 6;
        /// Not connected.
        const CLOSE = 1 << 7;
        /// Closed by the peer.
        const CLOSE_WAIT = 1 << 8;
        /// Closed by the peer and on this end, not acknowledged yet.
        const LAST_ACK = 1 << 9;
        /// Listening.
        const LISTEN = 1 << 10;
        /// Closed on both ends at once, not acknowledged yet.
        const CLOSING = 1 << 11;
        const _ = !0;
    }
}

impl States {
    /// Every state in which the kernel lists MPTCP sockets and subflows.
    ///
    /// `ss -a` of iproute2 6.8 and later also asks for TCP sockets that are only bound. The kernel lists those since Linux
    /// 6.8, but does not report which of them are MPTCP's.
    pub const EVERY: Self = Self::from_bits_retain(0xfff);
    /// Every state but listening.
    pub const CONNECTIONS: Self = Self::from_bits_retain(Self::EVERY.bits() & !Self::LISTEN.bits());

    /// Whether the state is in the set.
    #[must_use]
    pub fn has(self, state: TcpState) -> bool {
        let bit = 1_u32.checked_shl(u32::from(state.number())).unwrap_or(0);
        self.bits() & bit != 0
    }
}

/// A filter for one end of a socket. All conditions that are set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct End {
    /// In this network: address and prefix length. An IPv4 network also contains its IPv4-mapped IPv6 addresses
    /// (`::ffff:192.0.2.1`).
    pub net: Option<(IpAddr, u8)>,
    /// The port is one of these.
    pub ports: Option<RangeInclusive<u16>>,
}

/// Which sockets to list. The kernel does the filtering.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketFilter {
    /// IPv4 sockets.
    pub ipv4: bool,
    /// IPv6 sockets, which may be connected over IPv4.
    pub ipv6: bool,
    /// In one of these states.
    pub states: States,
    /// Local address and port.
    pub local: End,
    /// Remote address and port.
    pub remote: End,
}

impl Default for SocketFilter {
    /// Every socket.
    fn default() -> Self {
        Self { ipv4: true, ipv6: true, states: States::EVERY, local: End::default(), remote: End::default() }
    }
}

impl SocketFilter {
    /// The requests that list MPTCP sockets: one for each address family that can match.
    ///
    /// Equivalent: `ss -M -i` with this filter.
    #[must_use]
    pub fn mptcp_requests(&self) -> Vec<Request> {
        self.requests(IPPROTO_RAW, true)
    }

    /// The requests that list TCP sockets, including subflows; the kernel has no filter for subflows.
    ///
    /// Equivalent: `ss -t -i` with this filter.
    #[must_use]
    pub fn tcp_requests(&self) -> Vec<Request> {
        self.requests(IPPROTO_TCP, false)
    }

    /// The request for the connection of this token.
    #[must_use]
    pub fn look_up(token: Token) -> Request {
        let id = InetDiagSockId { cookie: u64::from(token.get()), ..InetDiagSockId::default() };
        let header = InetDiagReq {
            family: AF_INET,
            protocol: IPPROTO_RAW,
            ext: EXT_INFO,
            states: States::EVERY.bits(),
            id,
        };
        let mut request = Request::new(SOCK_DIAG_BY_FAMILY, &NAMES, describe).with_header(&header);
        request.attrs().u32(INET_DIAG_REQ_PROTOCOL, IPPROTO_MPTCP);
        match token.get() {
            0 => request.invalid_if(Err("no connection has token 0".into())),
            _ => request,
        }
    }

    /// Whether a socket matches, by the rules of the kernel's filter.
    #[must_use]
    pub fn matches(&self, socket: &InetSocket) -> bool {
        let family = if socket.local.is_ipv4() { self.ipv4 } else { self.ipv6 };
        family
            && self.states.has(socket.state)
            && self.local.matches(socket.local.ip(), socket.local.port())
            && self.remote.matches(socket.remote.ip(), socket.remote.port())
    }

    fn requests(&self, protocol: u8, mptcp: bool) -> Vec<Request> {
        let ends = [&self.local, &self.remote];
        // Only IPv6 sockets have IPv6 addresses; both kinds have IPv4 addresses.
        let v6_only = ends.iter().any(|end| matches!(end.net, Some((IpAddr::V6(_), _))));
        let families = [(AF_INET, self.ipv4 && !v6_only), (AF_INET6, self.ipv6)];
        let chosen = families.iter().filter(|(_, wanted)| *wanted).map(|(family, _)| *family);
        let mut requests: Vec<_> = chosen.map(|family| self.request(family, protocol, mptcp)).collect();
        if requests.is_empty() {
            requests.push(self.request(AF_INET, protocol, mptcp).invalid_if(Err(
                "no socket can match: IPv6 sockets are excluded, and an IPv6 address or no other family is selected".into(),
            )));
        }
        requests
    }

    fn request(&self, family: u8, protocol: u8, mptcp: bool) -> Request {
        let header = InetDiagReq {
            family,
            protocol,
            ext: EXT_INFO,
            states: self.states.bits(),
            id: InetDiagSockId::default(),
        };
        let mut request = Request::new(SOCK_DIAG_BY_FAMILY, &NAMES, describe).with_header(&header);
        let bytecode = self.bytecode();
        let mut w = request.attrs();
        if !bytecode.is_empty() {
            w.bytes(INET_DIAG_REQ_BYTECODE, &bytecode);
        }
        if mptcp {
            w.u32(INET_DIAG_REQ_PROTOCOL, IPPROTO_MPTCP);
        }
        match self.fault() {
            None => request,
            Some(why) => request.invalid_if(Err((why).into())),
        }
    }

    fn fault(&self) -> Option<String> {
        let known = States::EVERY.bits();
        if self.states.bits() & known == 0 {
            return Some(format!("states {:#x}: none of them is one a socket can be in", self.states.bits()));
        }
        self.local.fault("local").or_else(|| self.remote.fault("remote"))
    }

    /// The filter as a program for the kernel: a list of conditions. A condition that does not hold jumps past the end.
    fn bytecode(&self) -> Vec<u8> {
        let conditions: Vec<_> =
            self.local.conditions(&LOCAL).chain(self.remote.conditions(&REMOTE)).collect();
        let mut left: usize = conditions.iter().map(|condition| OP_LEN + condition.rest.len()).sum();
        let mut program = Vec::with_capacity(left);
        for Condition { code, yes, rest } in conditions {
            // The whole program has at most about 80 bytes.
            let no = u16::try_from(left + OP_LEN).unwrap_or(u16::MAX).to_ne_bytes();
            program.extend_from_slice(&[code, yes, no[0], no[1]]);
            program.extend_from_slice(&rest);
            left -= OP_LEN + rest.len();
        }
        program
    }
}

impl End {
    fn matches(&self, address: IpAddr, port: u16) -> bool {
        let in_net = self.net.is_none_or(|(net, prefix)| match (net, address) {
            (IpAddr::V4(net), IpAddr::V4(address)) => same_start(net.octets(), address.octets(), prefix),
            (IpAddr::V4(net), IpAddr::V6(address)) => {
                address.to_ipv4_mapped().is_some_and(|a| same_start(net.octets(), a.octets(), prefix))
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => same_start(net.octets(), address.octets(), prefix),
            (IpAddr::V6(_), IpAddr::V4(_)) => false,
        });
        in_net && self.ports.as_ref().is_none_or(|ports| ports.contains(&port))
    }

    fn fault(&self, which: &str) -> Option<String> {
        if let Some((address, prefix)) = self.net {
            let limit = if address.is_ipv4() { 32 } else { 128 };
            if prefix > limit {
                return Some(format!(
                    "{which} network {address}/{prefix}: the prefix length is at most {limit}"
                ));
            }
        }
        let ports = self.ports.as_ref().filter(|ports| ports.is_empty())?;
        Some(format!("{which} ports {} to {}: the first is above the last", ports.start(), ports.end()))
    }

    /// As in the programs of `ss`, an address and one port are one condition.
    fn conditions(&self, codes: &'static Codes) -> impl Iterator<Item = Condition> + use<> {
        let (from, to) = self.ports.as_ref().map_or((0, u16::MAX), |ports| (*ports.start(), *ports.end()));
        let one = (from == to).then_some(from);
        let host = (self.net.is_some() || one.is_some()).then(|| Condition::host(codes.host, self.net, one));
        let from = (one.is_none() && from > 0).then(|| Condition::port(codes.at_least, from));
        let to = (one.is_none() && to < u16::MAX).then(|| Condition::port(codes.at_most, to));
        host.into_iter().chain(from).chain(to)
    }
}

/// The condition codes for one end: `INET_DIAG_BC_*`.
struct Codes {
    host: u8,
    at_least: u8,
    at_most: u8,
}

const LOCAL: Codes = Codes { host: 7, at_least: 2, at_most: 3 };
const REMOTE: Codes = Codes { host: 8, at_least: 4, at_most: 5 };
/// `struct inet_diag_bc_op`
const OP_LEN: usize = 4;
const EXT_INFO: u8 = 1 << (INET_DIAG_INFO - 1);

struct Condition {
    code: u8,
    /// The offset of the next condition, where the program continues if this one holds.
    yes: u8,
    rest: Vec<u8>,
}

impl Condition {
    /// `struct inet_diag_hostcond`
    fn host(code: u8, net: Option<(IpAddr, u8)>, port: Option<u16>) -> Self {
        // Without an address `ss` leaves four bytes for one, and the kernel requires them.
        let (family, prefix, address) = match net {
            None => (0, 0, vec![0; 4]),
            Some((IpAddr::V4(address), prefix)) => (AF_INET, prefix, address.octets().to_vec()),
            Some((IpAddr::V6(address), prefix)) => (AF_INET6, prefix, address.octets().to_vec()),
        };
        let port = port.map_or(-1, i32::from);
        let mut rest = vec![family, prefix, 0, 0];
        rest.extend_from_slice(&port.to_ne_bytes());
        rest.extend_from_slice(&address);
        let yes = if family == AF_INET6 { 28 } else { 16 };
        Self { code, yes, rest }
    }

    /// The port is stored in the `no` field of a second operation.
    fn port(code: u8, port: u16) -> Self {
        let [a, b] = port.to_ne_bytes();
        Self { code, yes: 8, rest: vec![0, 0, a, b] }
    }
}

fn same_start<const N: usize>(net: [u8; N], address: [u8; N], prefix: u8) -> bool {
    let mut left = u32::from(prefix);
    net.iter().zip(address).all(|(net, address)| {
        let bits = left.min(8);
        left -= bits;
        let mask = 0xff_u8.checked_shl(8 - bits).unwrap_or(0);
        net & mask == address & mask
    })
}
