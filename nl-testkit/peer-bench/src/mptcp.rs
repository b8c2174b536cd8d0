//! Row 7: MPTCP sockets listed with their statistics, beside `ss` and a raw socket.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

use socket2::{Domain, Protocol, Socket, Type};

use crate::measure::{self, Cost, Stopwatch};
use crate::{Result, sys};

/// Sockets seen: how many, and their tokens added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) sockets: usize,
    pub(crate) sum: u64,
}

impl Tokens {
    fn add(&mut self, token: u32) {
        self.sockets += 1;
        self.sum += u64::from(token);
    }
}

/// Established connections over `lo`, both ends here.
#[derive(Debug)]
pub(crate) struct Connections {
    _listener: TcpListener,
    open: Vec<[TcpStream; 2]>,
}

impl Connections {
    /// So many sockets, or as many as may be open at a time.
    pub(crate) fn open(sockets: usize) -> Result<Self> {
        let limits = fs::read_to_string("/proc/self/limits")?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        let allowed =
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(usize::MAX);
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
        if !up.success() {
            return Err("ip link set lo up".into());
        }
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP));
        let address = SocketAddr::from(([127, 0, 0, 1], 7007));
        let listener = socket()?;
        listener.bind(&address.into())?;
        listener.listen(16)?;
        let listener = TcpListener::from(listener);
        let mut open = Vec::new();
        for _ in 0..sockets.min(allowed.saturating_sub(100)) / 2 {
            let client = socket()?;
            client.connect(&address.into())?;
            open.push([client.into(), listener.accept()?.0]);
        }
        Ok(Self { _listener: listener, open })
    }

    pub(crate) fn sockets(&self) -> usize {
        2 * self.open.len()
    }
}

/// As little as can be done: one request, each datagram looked through for tokens.
pub(crate) fn floor() -> Result<(Cost, Tokens)> {
    const ESTABLISHED: u32 = 1 << 1;
    const NLMSG_DONE: u16 = 3;
    const INET_DIAG_INFO: u16 = 2;

    let mut socket = sys::diag_socket()?;
    let watch = Stopwatch::start()?;
    let mut request = Vec::new();
    for (bytes, times) in [
        // struct nlmsghdr: length, SOCK_DIAG_BY_FAMILY, a request for a list.
        (&80_u32.to_ne_bytes()[..], 1),
        (&20_u16.to_ne_bytes(), 1),
        (&0x301_u16.to_ne_bytes(), 1),
        (&1_u32.to_ne_bytes(), 1),
        (&[0; 4], 1),
        // struct inet_diag_req_v2: AF_INET, a protocol set below, INET_DIAG_INFO; states; any socket.
        (&[2, 255, 2, 0], 1),
        (&ESTABLISHED.to_ne_bytes(), 1),
        (&[0; 4], 12),
        // INET_DIAG_REQ_PROTOCOL: IPPROTO_MPTCP
        (&8_u16.to_ne_bytes(), 1),
        (&3_u16.to_ne_bytes(), 1),
        (&262_u32.to_ne_bytes(), 1),
    ] {
        request.extend(bytes.repeat(times));
    }
    socket.write_all(&request)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut tokens = Tokens::default();
    loop {
        let length = socket.read(&mut buffer)?;
        let mut rest = buffer.get(..length).unwrap_or_default();
        while let Some(length) = u32_at(rest, 0).and_then(|length| usize::try_from(length).ok()) {
            let message = rest.get(..length).ok_or("a cut message")?;
            if u16_at(message, 4) == Some(NLMSG_DONE) {
                return Ok((watch.stop()?, tokens));
            }
            // Behind struct inet_diag_msg.
            let mut attributes = message.get(16 + 72..).unwrap_or_default();
            while let (Some(length), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
                if kind == INET_DIAG_INFO {
                    tokens.add(u32_at(attributes, 4 + 12).ok_or("a short mptcp_info")?);
                }
                attributes =
                    attributes.get(usize::from(length).next_multiple_of(4).max(4)..).unwrap_or_default();
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

/// `ss` with its output thrown away, then once more, untimed, to see what it said.
pub(crate) fn ss() -> Result<(Cost, Tokens)> {
    let command = || {
        let mut command = Command::new("ss");
        command.args(["-M", "-4", "-H", "-n", "-i", "state", "established"]);
        command
    };
    let cost = measure::child(command().stdout(Stdio::null()))?;
    let output = command().output()?;
    let mut tokens = Tokens::default();
    let text = String::from_utf8(output.stdout)?;
    for token in text.split_whitespace().filter_map(|word| word.strip_prefix("token:")) {
        tokens.add(u32::from_str_radix(token, 16)?);
    }
    Ok((cost, tokens))
}

#[cfg(feature = "ours")]
pub(crate) fn ours() -> Result<(Cost, Tokens)> {
    use futures_util::TryStreamExt as _;
    use nl_core::{Connection, Protocol};
    use nl_mptcp::diag::{SockDiag, States};

    crate::runtime()?.block_on(async {
        let diag = SockDiag::new(Connection::open(Protocol::SockDiag)?);
        let watch = Stopwatch::start()?;
        let mut tokens = Tokens::default();
        let mut listed = diag.sockets().ipv4().states(States::ESTABLISHED).list();
        while let Some(socket) = listed.try_next().await? {
            tokens.add(socket.token().ok_or("a connection without a token")?.get());
        }
        Ok((watch.stop()?, tokens))
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}
