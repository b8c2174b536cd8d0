//! Filter programs, executed as by the kernel.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nl_core::message::FixedHeader;
use nl_core::message::MessageRef;
use nl_mptcp::diag::{
    AF_INET, AF_INET6, InetDiagMsg, InetDiagReq, InetDiagSockId, MptcpSocket, SOCK_DIAG_BY_FAMILY,
    SocketFilter, States,
};
use proptest::prelude::*;

/// Few values, so that they meet.
fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0..4_u8, 0..4_u8).prop_map(|(c, d)| IpAddr::V4(Ipv4Addr::new(10, 0, c << 6, d << 6))),
        (0..4_u16).prop_map(|d| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, d << 14))),
        (0..4_u8).prop_map(|d| IpAddr::V6(Ipv4Addr::new(10, 0, 0, d << 6).to_ipv6_mapped())),
    ]
}

fn net() -> impl Strategy<Value = Option<(IpAddr, u8)>> {
    let prefixed = (address(), 0..=128_u8);
    proptest::option::of(prefixed.prop_map(|(a, p)| (a, if a.is_ipv4() { p % 33 } else { p })))
}

fn ports() -> impl Strategy<Value = Option<std::ops::RangeInclusive<u16>>> {
    let port = || prop_oneof![Just(0), Just(1), Just(80), Just(81), Just(65534), Just(65535)];
    proptest::option::of((port(), port()).prop_map(|(a, b)| a.min(b)..=a.max(b)))
}

prop_compose! {
    fn filter()(
        local in net(), remote in net(), local_ports in ports(), remote_ports in ports(), states in 1..0x1000_u32,
    ) -> SocketFilter {
        let mut filter = SocketFilter::default();
        filter.states = States::from_bits_retain(states);
        (filter.local.net, filter.local.ports) = (local, local_ports);
        (filter.remote.net, filter.remote.ports) = (remote, remote_ports);
        filter
    }
}

prop_compose! {
    fn socket()(
        local in address(), remote in address(),
        sport in prop_oneof![Just(0_u16), Just(1), Just(80), Just(81), Just(65535)],
        dport in prop_oneof![Just(0_u16), Just(1), Just(80), Just(81), Just(65535)],
        state in 1..12_u8,
    ) -> InetDiagMsg {
        // One family for both ends.
        let v6 = local.is_ipv6() || remote.is_ipv6();
        let bytes = |address: IpAddr| match (address, v6) {
            (IpAddr::V4(a), false) => { let mut out = [0; 16]; out[..4].copy_from_slice(&a.octets()); out }
            (IpAddr::V4(a), true) => a.to_ipv6_mapped().octets(),
            (IpAddr::V6(a), _) => a.octets(),
        };
        let id = InetDiagSockId { sport, dport, src: bytes(local), dst: bytes(remote), interface: 0, cookie: 9 };
        let family = if v6 { AF_INET6 } else { AF_INET };
        InetDiagMsg { family, state, id, ..InetDiagMsg::default() }
    }
}

/// The kernel's filter, reimplemented: `inet_diag_bc_run` in `net/ipv4/inet_diag.c`.
fn kernel_takes(requests: &[Vec<u8>], socket: &InetDiagMsg) -> bool {
    requests.iter().any(|bytes| {
        let (request, mut attrs) = MessageRef::parse(bytes).unwrap().header::<InetDiagReq>().unwrap();
        let program = attrs.next().unwrap().unwrap();
        let program = if program.kind() == 1 { program.value() } else { &[][..] };
        request.family == socket.family && request.states >> socket.state & 1 == 1 && run(program, socket)
    })
}

fn run(program: &[u8], socket: &InetDiagMsg) -> bool {
    let mut left = i64::try_from(program.len()).unwrap();
    while left > 0 {
        let at = program.len() - usize::try_from(left).unwrap();
        let (code, yes) = (program[at], i64::from(program[at + 1]));
        let no = i64::from(u16::from_ne_bytes([program[at + 2], program[at + 3]]));
        // What the kernel wants of a program before it takes it.
        assert!(yes >= 4 && yes % 4 == 0 && yes <= left + 4, "{program:?}");
        assert!(no >= 4 && no % 4 == 0 && no <= left + 4, "{program:?}");
        let (address, port) = match code {
            2 | 3 | 7 => (socket.id.src, socket.id.sport),
            _ => (socket.id.dst, socket.id.dport),
        };
        let other = || u16::from_ne_bytes([program[at + 6], program[at + 7]]);
        let met = match code {
            2 | 4 => port >= other(),
            3 | 5 => port <= other(),
            7 | 8 => host(&program[at + 4..at + usize::try_from(yes).unwrap()], socket.family, address, port),
            _ => panic!("code {code}"),
        };
        left -= if met { yes } else { no };
    }
    left == 0
}

fn host(condition: &[u8], family: u8, address: [u8; 16], port: u16) -> bool {
    let wanted = i32::from_ne_bytes(condition[4..8].try_into().unwrap());
    if wanted != -1 && wanted != i32::from(port) {
        return false;
    }
    let (net_family, prefix, net) = (condition[0], usize::from(condition[1]), &condition[8..]);
    let start = match (net_family, family) {
        (0, _) => return true,
        (a, b) if a == b => &address[..],
        (AF_INET, AF_INET6) if address[..10] == [0; 10] && address[10..12] == [255; 2] => &address[12..],
        _ => return false,
    };
    (0..prefix).all(|bit| (net[bit / 8] ^ start[bit / 8]) >> (7 - bit % 8) & 1 == 0)
}

proptest! {
    #[test]
    fn filter_program_selects_what_matches(filter in filter(), header in socket()) {
        let mut payload = Vec::new();
        header.write(&mut payload);
        let socket = MptcpSocket::decode(MessageRef::from_parts(SOCK_DIAG_BY_FAMILY, 0, &payload)).unwrap();
        let encode = |mut request: nl_core::Request| request.encoded().map(<[u8]>::to_vec);
        let requests: Result<Vec<_>, _> = filter.mptcp_requests().into_iter().map(encode).collect();
        prop_assert_eq!(kernel_takes(&requests.unwrap(), &header), filter.matches(&socket.socket));
    }

    #[test]
    fn headers_survive_a_round_trip(header in socket(), cookie: u64, interface: u32, numbers: [u32; 5]) {
        let mut header = header;
        (header.id.cookie, header.id.interface) = (cookie, interface);
        [header.expires, header.rqueue, header.wqueue, header.uid, header.inode] = numbers;
        let mut bytes = vec![0xa5; 3];
        header.write(&mut bytes);
        prop_assert_eq!(bytes.len(), 3 + InetDiagMsg::LEN);
        let (back, rest) = InetDiagMsg::read(&bytes[3..]).unwrap();
        prop_assert_eq!((back, rest.len()), (header, 0));
    }
}

#[test]
fn default_filter_has_no_program() {
    for request in SocketFilter::default().mptcp_requests() {
        let mut request = request;
        let bytes = request.encoded().unwrap();
        // The headers, and the protocol.
        assert_eq!(bytes.len(), 16 + 56 + 8);
    }
}
