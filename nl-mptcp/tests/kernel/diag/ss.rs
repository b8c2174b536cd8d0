//! What `ss` prints, taken apart. It has no JSON.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use nl_mptcp::diag::{MptcpSocket, Subflow};
use nl_testkit::Node;

/// A line of `ss`: the first columns, and the words `name:value`, or `name` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) state: String,
    pub(crate) queues: (u32, u32),
    pub(crate) local: String,
    pub(crate) remote: String,
    words: BTreeMap<String, String>,
}

impl Line {
    pub(crate) fn word(&self, name: &str) -> Option<&str> {
        self.words.get(name).map(String::as_str)
    }

    pub(crate) fn words(&self) -> impl Iterator<Item = (&str, &str)> {
        self.words.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The local address and port, without the interface that the socket is bound to (`10.0.1.1%eth1:80`).
    pub(crate) fn local_end(&self) -> SocketAddr {
        let (address, port) = self.local.rsplit_once(':').unwrap();
        let address = address.split_once('%').map_or(address, |(address, _)| address);
        format!("{address}:{port}").parse().unwrap()
    }

    fn parse(line: &str) -> Self {
        let mut words = line.split_whitespace().peekable();
        // A list of one state has no state column.
        let state = words.next_if(|word| word.parse::<u32>().is_err()).unwrap_or_default().to_owned();
        let mut next = || words.next().unwrap_or_else(|| panic!("a short line of ss: {line}")).to_owned();
        let (receive, send, local, remote) = (next(), next(), next(), next());
        let words = words.map(|word| match word.split_once(':') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (word.to_owned(), String::new()),
        });
        Self {
            state,
            queues: (receive.parse().unwrap(), send.parse().unwrap()),
            local,
            remote,
            words: words.collect(),
        }
    }
}

/// MPTCP sockets.
pub(crate) async fn mptcp(node: &Node, words: &str) -> Vec<Line> {
    lines(node, "-M", words).await
}

/// TCP sockets, whether MPTCP has to do with them or not.
pub(crate) async fn tcp(node: &Node, words: &str) -> Vec<Line> {
    lines(node, "-t", words).await
}

/// TCP sockets that MPTCP has to do with.
pub(crate) async fn subflows(node: &Node, words: &str) -> Vec<Line> {
    let mut lines = tcp(node, words).await;
    lines.retain(|line| line.word("tcp-ulp-mptcp").is_some());
    lines
}

async fn lines(node: &Node, kind: &str, words: &str) -> Vec<Line> {
    // A filter contains white space, which `ss` accepts.
    let line = format!("ss {kind} -H -O -n -i -e {words}");
    let printed = node.command(line.split_whitespace()).await.ok();
    let mut lines: Vec<_> = printed.lines().map(Line::parse).collect();
    lines.sort_by(|a, b| a.word("sk").cmp(&b.word("sk")));
    lines
}

/// The release of `ss`, as 601 for 6.1.
pub(crate) async fn version(node: &Node) -> u32 {
    let printed = node.command(["ss", "-V"]).await.ok();
    let numbers = printed.split_once("iproute2-").unwrap_or_else(|| panic!("{printed}")).1;
    let mut numbers = numbers.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap());
    numbers.next().unwrap() * 100 + numbers.next().unwrap_or(0)
}

/// How a release of `ss` writes sequence numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Radix {
    Decimal,
    Hexadecimal,
}

impl Radix {
    /// Those of `struct mptcp_info`: decimal since 6.5.
    pub(crate) fn of_sockets(release: u32) -> Self {
        if release >= 605 { Self::Decimal } else { Self::Hexadecimal }
    }

    /// Those of subflows: decimal since 6.14.
    pub(crate) fn of_subflows(release: u32) -> Self {
        if release >= 614 { Self::Decimal } else { Self::Hexadecimal }
    }

    pub(crate) fn write(self, number: u64) -> String {
        match self {
            Self::Decimal => number.to_string(),
            Self::Hexadecimal => format!("{number:x}"),
        }
    }

    pub(crate) fn read(self, text: &str) -> u64 {
        let radix = match self {
            Self::Decimal => 10,
            Self::Hexadecimal => 16,
        };
        u64::from_str_radix(text, radix).unwrap()
    }
}

/// The words `ss -M -i` of that release has for what we read, where they are not zero.
pub(crate) fn of_socket(ours: &MptcpSocket, release: u32) -> BTreeMap<&'static str, String> {
    let mut out = BTreeMap::new();
    let Some(info) = ours.info else { return out };
    let mut put = |name, value: u64| {
        if value != 0 {
            out.insert(name, value.to_string());
        }
    };
    put("subflows", info.extra_subflows.into());
    put("add_addr_signal", info.add_addr_signal.into());
    put("add_addr_accepted", info.add_addr_accepted.into());
    put("subflows_max", info.subflows_max.into());
    put("add_addr_signal_max", info.add_addr_signal_max.into());
    put("add_addr_accepted_max", info.add_addr_accepted_max.into());
    put("local_addr_used", info.local_addr_used.into());
    put("local_addr_max", info.local_addr_max.into());
    put("csum_enabled", info.csum_enabled.into());
    put("retransmits", info.retransmits.unwrap_or(0).into());
    put("bytes_retrans", info.bytes_retrans.unwrap_or(0));
    put("bytes_sent", info.bytes_sent.unwrap_or(0));
    put("bytes_received", info.bytes_received.unwrap_or(0));
    put("bytes_acked", info.bytes_acked.unwrap_or(0));
    put("subflows_total", info.subflows_total.unwrap_or(0).into());
    for (name, value) in [("write_seq", info.write_seq), ("snd_una", info.snd_una), ("rcv_nxt", info.rcv_nxt)]
    {
        if value != 0 {
            out.insert(name, Radix::of_sockets(release).write(value));
        }
    }
    if info.token.get() != 0 {
        out.insert("token", format!("{:x}", info.token.get()));
    }
    if info.flags.bits() & 1 != 0 {
        out.insert("fallback", String::new());
    }
    if info.flags.bits() & 2 != 0 {
        out.insert("remote_key", String::new());
    }
    out
}

/// The numbers that `ss -t -i` of that release shows of what we read.
pub(crate) fn of_subflow(ours: &Subflow, release: u32) -> BTreeMap<&'static str, String> {
    let mut out = BTreeMap::new();
    if let Some(tcp) = ours.tcp {
        let mut put = |name, value: u64| {
            out.insert(name, value.to_string());
        };
        put("mss", tcp.snd_mss.into());
        put("pmtu", tcp.pmtu.into());
        put("rcvmss", tcp.rcv_mss.into());
        put("advmss", tcp.advmss.into());
        put("cwnd", tcp.snd_cwnd.into());
        put("bytes_sent", tcp.bytes_sent);
        put("bytes_retrans", tcp.bytes_retrans);
        put("bytes_acked", tcp.bytes_acked);
        put("bytes_received", tcp.bytes_received);
        put("segs_out", tcp.segs_out.into());
        put("segs_in", tcp.segs_in.into());
        put("data_segs_out", tcp.data_segs_out.into());
        put("data_segs_in", tcp.data_segs_in.into());
        put("delivered", tcp.delivered.into());
        put("delivered_ce", tcp.delivered_ce.into());
        put("dsack_dups", tcp.dsack_dups.into());
        put("reord_seen", tcp.reord_seen.into());
        put("rcv_ooopack", tcp.rcv_ooopack.into());
        put("snd_wnd", tcp.snd_wnd.into());
        put("rcv_space", tcp.rcv_space.into());
        put("rcv_ssthresh", tcp.rcv_ssthresh.into());
        put("notsent", tcp.notsent_bytes.into());
        if tcp.rtt != 0 {
            out.insert("rtt", format!("{}/{}", thousandth(tcp.rtt), thousandth(tcp.rttvar)));
        }
        if tcp.min_rtt != 0 && tcp.min_rtt != u32::MAX {
            out.insert("minrtt", thousandth(tcp.min_rtt));
        }
        out.insert("wscale", format!("{},{}", tcp.snd_wscale, tcp.rcv_wscale));
    }
    if let Some(mptcp) = &ours.mptcp {
        let ((rem, rem_id), (loc, loc_id)) =
            ((mptcp.token_rem, mptcp.id_rem), (mptcp.token_loc, mptcp.id_loc));
        out.insert("flags", mptcp.flags.to_string());
        out.insert("token", format!("{:04x}(id:{rem_id})/{:04x}(id:{loc_id})", rem.get(), loc.get()));
        let radix = Radix::of_subflows(release);
        out.insert("seq", radix.write(mptcp.map_seq.unwrap()));
        out.insert("sfseq", radix.write(mptcp.map_sfseq.unwrap().into()));
        out.insert("ssnoff", radix.write(mptcp.ssn_offset.unwrap().into()));
    }
    out
}

/// As `%g` prints a number of microseconds in milliseconds.
fn thousandth(number: u32) -> String {
    let value = f64::from(number) / 1000.0;
    // Six digits that count, and no zeroes at the end.
    let whole = number / 1000;
    let before = if whole == 0 { 0 } else { whole.to_string().len() };
    let text = format!("{value:.*}", 6_usize.saturating_sub(before).min(3));
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}
