//! What we send against what `ss` sends for the same words, byte for byte.

use std::collections::BTreeMap;

use nl_core::Request;
use nl_core::message::NLM_F_DUMP;
use nl_mptcp::diag::{Select, SocketFilter, States, Subflow};
use nl_testkit::oracle::{Attr, BytesOracle, Field, Sent, Shape};
use nl_testkit::{Lab, Result};

use super::ss;
use super::world::open;

const NETLINK_SOCK_DIAG: u16 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const INET_DIAG_REQ_BYTECODE: u16 = 1;

const REQUEST: Shape = Shape::new(
    "inet_diag_req_v2",
    &[
        Field::new("family", 1),
        Field::new("protocol", 1),
        Field::new("ext", 1),
        Field::new("pad", 1),
        Field::new("states", 4),
        Field::new("id", 48),
    ],
)
.kinds(&[(SOCK_DIAG_BY_FAMILY, "SOCK_DIAG_BY_FAMILY")])
.attrs(&[
    Attr::new(INET_DIAG_REQ_BYTECODE, "INET_DIAG_REQ_BYTECODE"),
    Attr::new(3, "INET_DIAG_REQ_PROTOCOL"),
]);

/// `ss` sends 6, the lower half of 262. A kernel that does not know the attribute would list TCP sockets.
const PROTOCOL: (&str, &str) = ("inet_diag_req_v2.protocol", "255 is no protocol that has sockets here");
/// `ss` also requests congestion control information.
const EXT: (&str, &str) = ("inet_diag_req_v2.ext", "INET_DIAG_INFO and no more");

type Filter = fn(Select<Subflow>) -> Select<Subflow>;

fn lines() -> Vec<(&'static str, Filter)> {
    fn ip(text: &str) -> std::net::IpAddr {
        text.parse().unwrap()
    }
    vec![
        ("-a", |all| all),
        ("-a -4", |all| all.ipv4()),
        ("-a -6", |all| all.ipv6()),
        ("state established", |all| all.states(States::ESTABLISHED)),
        ("state listening", |all| all.states(States::LISTEN)),
        ("-a sport = :80", |all| all.local_port(80)),
        ("-a dport = :443", |all| all.remote_port(443)),
        ("-a sport >= :80", |all| all.local_ports(80..=65535)),
        ("-a sport >= :80 and sport <= :90", |all| all.local_ports(80..=90)),
        ("-a dport <= :90", |all| all.remote_ports(0..=90)),
        ("-a src 10.0.0.1", |all| all.local(ip("10.0.0.1"))),
        ("-a src 10.0.0.0/8", |all| all.local_net(ip("10.0.0.0"), 8)),
        ("-a src 10.0.0.1:80", |all| all.local(ip("10.0.0.1")).local_port(80)),
        ("-a dst 10.0.0.1", |all| all.remote(ip("10.0.0.1"))),
        ("-a -6 dst [2001:db8::1]:443", |all| all.ipv6().remote(ip("2001:db8::1")).remote_port(443)),
        ("-a -6 src [2001:db8::/32]", |all| all.ipv6().local_net(ip("2001:db8::"), 32)),
        ("-a sport = :80 and dst 10.0.0.0/8", |all| all.local_port(80).remote_net(ip("10.0.0.0"), 8)),
    ]
}

/// Both kinds of list: the filter is the same, the header is not.
#[nl_testkit::test(needs(tool = "ss"), timeout = 60)]
async fn codec_requests_equal_ss(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let diag = open(&node).await?;
    let release = ss::version(&node).await;
    let mut wrong = Vec::new();
    for (words, filter) in lines() {
        let filter = filter(diag.subflows()).get().clone();
        for (option, ours, on_purpose) in [
            ("-M", SocketFilter::mptcp_requests(&filter), &[PROTOCOL, EXT][..]),
            ("-t", SocketFilter::tcp_requests(&filter), &[EXT][..]),
        ] {
            let command = format!("ss {option} -n -i {words}");
            let (output, sent) = node.requests_of(&command).await?;
            output.ok();
            let mut theirs = of_sockets(&sent);
            if release >= 608 && words.starts_with("-a") {
                theirs.values_mut().for_each(|request| without_unlisted_states(request, &command));
            }
            let ours = bytes(ours);
            if ours.keys().ne(theirs.keys()) {
                wrong.push(format!("`{command}`: families {:?} and {:?}", ours.keys(), theirs.keys()));
                continue;
            }
            for (family, ours) in &ours {
                let oracle = BytesOracle::new(&REQUEST).in_order().except(on_purpose);
                if let Err(mismatch) = oracle.compare(ours, &theirs[family]) {
                    wrong.push(format!("`{command}`: {mismatch}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// By address family, with the flags that listing sets.
fn bytes(requests: Vec<Request>) -> BTreeMap<u8, Vec<u8>> {
    let encode = |request: Request| {
        let mut request = request.with_flags(NLM_F_DUMP);
        let bytes = request.encoded().unwrap().to_vec();
        (bytes[16], bytes)
    };
    requests.into_iter().map(encode).collect()
}

/// By address family.
fn of_sockets(sent: &[Sent]) -> BTreeMap<u8, Vec<u8>> {
    let ours = sent.iter().filter(|s| s.protocol == NETLINK_SOCK_DIAG && s.kind() == SOCK_DIAG_BY_FAMILY);
    ours.map(|sent| (sent.message[16], without_garbage(&sent.message))).collect()
}

/// Since 6.8 `ss -a` also asks for two states in which the kernel lists nothing that is MPTCP's: the one it has for itself for
/// connections that come in, which [`States::SYN_RECV`] brings, and sockets that are only bound, of which it does not say
/// what they are.
fn without_unlisted_states(request: &mut [u8], command: &str) {
    let states = u32::from_ne_bytes(request[20..24].try_into().unwrap());
    assert_eq!(states, States::EVERY.bits() | 1 << 12 | 1 << 13, "`{command}`");
    request[20..24].copy_from_slice(&States::EVERY.bits().to_ne_bytes());
}

/// The padding in a condition about an address is what was in memory of `ss` before.
fn without_garbage(message: &[u8]) -> Vec<u8> {
    let mut out = message.to_vec();
    // Behind the netlink header and the request, if there is a filter at all it comes first.
    let program = 16 + 56 + 4;
    if out.len() <= program || out[program - 2..program] != INET_DIAG_REQ_BYTECODE.to_ne_bytes() {
        return out;
    }
    let end = 16 + 56 + usize::from(u16::from_ne_bytes([out[72], out[73]]));
    let mut at = program;
    while at < end {
        if [7, 8].contains(&out[at]) {
            out[at + 6..at + 8].fill(0);
        }
        at += usize::from(out[at + 1]);
    }
    out
}
