//! Filters: the kernel picks what `ss` picks with the same words, and what our own reading of the filter picks.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use nl_mptcp::diag::{MptcpSocket, Select, States, Subflow};
use nl_testkit::{Lab, Result};

use super::ss;
use super::world::{Kind, World, multihomed, open, socket};

/// Our filter, that of `ss`, and the number of matching sockets of [`World`], connections and listeners.
struct Case {
    ours: fn(Select<MptcpSocket>) -> Select<MptcpSocket>,
    subflows: fn(Select<Subflow>) -> Select<Subflow>,
    words: &'static str,
    sockets: usize,
}

macro_rules! case {
    ($words:literal, $sockets:literal, $($calls:tt)*) => {
        Case { ours: |all| all $($calls)*, subflows: |all| all $($calls)*, words: $words, sockets: $sockets }
    };
}

fn ip(text: &str) -> std::net::IpAddr {
    text.parse().unwrap()
}

fn cases() -> Vec<Case> {
    vec![
        case!("-a", 10, .states(States::EVERY)),
        case!("state listening", 3, .states(States::LISTEN)),
        case!("state established", 7, .states(States::ESTABLISHED)),
        case!("state closing", 0, .states(States::CLOSING)),
        case!("-a -4", 5, .ipv4()),
        case!("-a -6", 5, .ipv6()),
        case!("-a sport = :8080", 2, .local_port(8080)),
        case!("-a dport = :8080", 1, .remote_port(8080)),
        case!("-a sport >= :8081 and sport <= :8082", 4, .local_ports(8081..=8082)),
        case!("-a dport >= :8081 and dport <= :8999", 2, .remote_ports(8081..=8999)),
        case!("-a sport <= :8080", 2, .local_ports(0..=8080)),
        case!("-a sport >= :8083", 4, .local_ports(8083..=65535)),
        case!("-a dport = :0", 3, .remote_port(0)),
        case!("-a src 10.0.0.1", 5, .local(ip("10.0.0.1"))),
        case!("-a src 10.0.0.2", 1, .local(ip("10.0.0.2"))),
        case!("-a dst 10.0.0.0/30", 5, .remote_net(ip("10.0.0.0"), 30)),
        case!("-a dst 10.0.0.9/31", 0, .remote_net(ip("10.0.0.9"), 31)),
        case!("-a src [2001:db8::1]", 3, .local(ip("2001:db8::1"))),
        case!("-a dst [2001:db8::/32]", 2, .remote_net(ip("2001:db8::"), 32)),
        case!("-a src 10.0.0.1:8080", 2, .local(ip("10.0.0.1")).local_port(8080)),
        case!(
            "state established src 10.0.0.1 dport = :8080",
            1,
            .states(States::ESTABLISHED).local(ip("10.0.0.1")).remote_port(8080)
        ),
        case!(
            "-a src 10.0.0.1 and sport >= :8000 and sport <= :8100 and dst 10.0.0.0/8",
            1,
            .local(ip("10.0.0.1")).local_ports(8000..=8100).remote_net(ip("10.0.0.0"), 8)
        ),
    ]
}

#[nl_testkit::test(needs(tool = "ss", sock_diag = "mptcp"), timeout = 90)]
async fn filters_select_the_same_sockets_as_ss(lab: Lab) -> Result {
    let world = World::new(&lab).await?;
    let everything = world.diag.sockets().list().collect_all().await?;
    for case in cases() {
        let words = case.words;
        let cookies = |lines: &[ss::Line]| -> BTreeSet<u64> {
            lines.iter().map(|line| u64::from_str_radix(line.word("sk").unwrap(), 16).unwrap()).collect()
        };
        let theirs = cookies(&ss::mptcp(&world.node, words).await);
        let select = (case.ours)(world.diag.sockets());
        let ours: BTreeSet<_> =
            select.clone().list().collect_all().await?.iter().map(|socket| socket.socket.cookie).collect();
        assert_eq!(ours, theirs, "{words}");
        assert_eq!(ours.len(), case.sockets, "{words}: {ours:?}");
        // What we take the filter to mean, when the kernel is not asked.
        let picked = everything.iter().filter(|socket| select.get().matches(&socket.socket));
        let picked: BTreeSet<_> = picked.map(|socket| socket.socket.cookie).collect();
        assert_eq!(picked, ours, "{words}");

        let theirs = cookies(&ss::subflows(&world.node, words).await);
        let ours = (case.subflows)(world.diag.subflows()).list().collect_all().await?;
        let ours: BTreeSet<_> = ours.iter().map(|subflow| subflow.socket.cookie).collect();
        assert_eq!(ours, theirs, "subflows: {words}");
    }
    Ok(())
}

/// Why [`States::EVERY`] leaves out what `ss -a` asks for since 6.8: the kernel lists sockets that are only bound, and does not
/// report which of them are MPTCP's.
#[nl_testkit::test(needs(tool = "ss", kernel = "6.8", sock_diag = "mptcp"))]
async fn bound_socket_is_not_reported_as_mptcp(lab: Lab) -> Result {
    let node = multihomed(&lab, "a").await?;
    let at = std::net::SocketAddr::new(ip("10.0.0.1"), 8080);
    let bound = node.open(move || socket(at, Kind::Mptcp)).await;
    bound.bind(&at.into())?;
    let diag = open(&node).await?;
    let all = States::EVERY | States::from_bits_retain(1 << 13);
    assert_eq!(diag.sockets().states(all).list().collect_all().await?, []);
    assert_eq!(diag.subflows().states(all).list().collect_all().await?, []);
    assert_eq!(ss::mptcp(&node, "-a").await, []);
    assert_eq!(ss::subflows(&node, "-a").await, []);
    // Older releases have no word for it.
    let shown = ss::tcp(&node, "-a").await;
    let addresses: Vec<_> = shown.iter().map(|line| (line.state.as_str(), line.local.as_str())).collect();
    let expected: &[_] = if ss::version(&node).await >= 608 { &[("UNCONN", "10.0.0.1:8080")] } else { &[] };
    assert_eq!(addresses, expected);
    Ok(())
}

#[nl_testkit::test(needs(sock_diag = "mptcp"))]
async fn filter_without_possible_match_is_refused(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let diag = open(&node).await?;
    let refusals = [
        (
            diag.sockets().local_ports(RangeInclusive::new(2, 1)),
            "local ports 2 to 1: the first is above the last",
        ),
        (
            diag.sockets().local_net(ip("10.0.0.0"), 33),
            "local network 10.0.0.0/33: the prefix length is at most 32",
        ),
        (diag.sockets().remote_net(ip("::"), 129), "remote network ::/129: the prefix length is at most 128"),
        (diag.sockets().states(States::empty()), "states 0x0: none of them is one a socket can be in"),
        (
            diag.sockets().ipv4().remote(ip("2001:db8::1")),
            "no socket can match: IPv6 sockets are excluded, and an IPv6 address or no other family is selected",
        ),
    ];
    for (select, why) in refusals {
        let error = select.list().collect_all().await.unwrap_err();
        assert!(error.is_usage(), "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with("list MPTCP sockets (IPv") && text.ends_with(&format!("): {why}")),
            "{text}"
        );
    }
    let error = diag.socket(nl_mptcp::Token::new(0)).await.unwrap_err();
    assert!(error.is_usage(), "{error}");
    let wrong = node.open(|| nl_core::Connection::open(nl_core::Protocol::Route)).await?;
    let wrong = nl_mptcp::diag::SockDiag::new(wrong);
    for error in [
        wrong.sockets().list().collect_all().await.unwrap_err(),
        wrong.subflows().list().collect_all().await.unwrap_err(),
        wrong.connections().list().await.unwrap_err(),
        wrong.socket(nl_mptcp::Token::new(1)).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("sockets are on NETLINK_SOCK_DIAG, not NETLINK_ROUTE"), "{error}");
    }
    Ok(())
}
