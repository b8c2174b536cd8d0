//! Everything `ss` prints about MPTCP sockets and subflows is what we read.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use nl_mptcp::diag::{InetSocket, MptcpSocket, Subflow};
use nl_testkit::{Lab, Result, eventually};

use super::ss::{self, Line};
use super::world::{SENT, SOON, World};

#[nl_testkit::test(needs(tool = "ss", sock_diag = "mptcp"))]
async fn every_mptcp_socket_equals_ss(lab: Lab) -> Result {
    let world = World::new(&lab).await?;
    let since = ss::version(&world.node).await;
    let same = async || {
        let theirs = ss::mptcp(&world.node, "-a").await;
        let ours = world.diag.sockets().list().collect_all().await.unwrap();
        // Three listeners, two ends of three connections, one of the fourth.
        assert_eq!(theirs.len(), 10, "{theirs:#?}");
        let differences = compare(
            &theirs,
            &ours,
            |socket| &socket.socket,
            |line, socket| {
                let ours = ss::of_socket(socket, since);
                words_differ(line, &ours, |name| name_is_known(name, since))
            },
        );
        agreed(&differences)
    };
    eventually(SOON, same, "our listing and that of ss to be the same").await;
    Ok(())
}

#[nl_testkit::test(needs(tool = "ss", sock_diag = "mptcp"))]
async fn every_subflow_equals_ss(lab: Lab) -> Result {
    let world = World::new(&lab).await?;
    let release = ss::version(&world.node).await;
    let same = async || {
        let theirs = ss::subflows(&world.node, "-a").await;
        let ours = world.diag.subflows().list().collect_all().await.unwrap();
        // As above, and a second subflow at both ends of one connection.
        assert_eq!(theirs.len(), 12, "{theirs:#?}");
        let differences = compare(
            &theirs,
            &ours,
            |subflow| &subflow.socket,
            |line, subflow| {
                let ours = ss::of_subflow(subflow, release);
                // It shows only what is not zero, and of a listener little.
                let listens = subflow.mptcp.is_none();
                words_differ(line, &ours, |name| !listens && ours[name] != "0" && name != "mss")
            },
        );
        agreed(&differences)
    };
    eventually(SOON, same, "our listing and that of ss to be the same").await;
    Ok(())
}

/// `ss` reads four bytes where the kernel sends two.
#[nl_testkit::test(needs(tool = "ss", sock_diag = "mptcp"))]
async fn mapping_length_has_two_bytes(lab: Lab) -> Result {
    let world = World::new(&lab).await?;
    let radix = ss::Radix::of_subflows(ss::version(&world.node).await);
    let same = async || {
        let theirs = ss::subflows(&world.node, "state connected").await;
        let ours = world.diag.subflows().list().collect_all().await.unwrap();
        let lengths = |line: &Line| {
            let shown = radix.read(line.word("maplen").unwrap());
            let cookie = line.word("sk").unwrap().to_owned();
            (cookie, u16::try_from(shown & 0xffff).unwrap())
        };
        let theirs: BTreeMap<_, _> = theirs.iter().map(lengths).collect();
        let ours = ours.iter().filter_map(|subflow| {
            let length = subflow.mptcp?.map_datalen?;
            Some((format!("{:x}", subflow.socket.cookie), length))
        });
        let ours: BTreeMap<_, _> = ours.collect();
        assert!(ours.values().any(|length| *length > 0), "{ours:?}");
        (ours == theirs).then_some(())
    };
    eventually(SOON, same, "our lengths and those of ss to be the same").await;
    Ok(())
}

#[nl_testkit::test(needs(kernel = "6.5", sock_diag = "mptcp"))]
async fn sent_bytes_are_counted(lab: Lab) -> Result {
    let world = World::new(&lab).await?;
    let port = world.joined.port();
    let counted = async || {
        let client = world.diag.sockets().remote_port(port).list().collect_all().await.unwrap();
        let server = world.diag.sockets().local_port(port).list().collect_all().await.unwrap();
        let server = server.into_iter().find(|socket| socket.token().is_some()).unwrap();
        let client = client[0];
        let sent = u64::try_from(SENT).unwrap();
        let all =
            (client.bytes_sent(), client.bytes_acked(), client.bytes_received(), server.bytes_received());
        (all == (Some(sent), Some(sent), Some(1), Some(sent)) && server.bytes_sent() == Some(1)).then_some(())
    };
    eventually(SOON, counted, "all that was sent to be counted").await;
    Ok(())
}

/// Whether nothing differs; what does is printed, as it may be the last that is seen.
fn agreed(differences: &[String]) -> Option<()> {
    if !differences.is_empty() {
        eprintln!("{}", differences.join("\n"));
    }
    differences.is_empty().then_some(())
}

/// Pairs theirs with ours by cookie, and returns what differs.
fn compare<T: std::fmt::Debug>(
    theirs: &[Line],
    ours: &[T],
    socket: impl Fn(&T) -> &InetSocket,
    words: impl Fn(&Line, &T) -> Vec<String>,
) -> Vec<String> {
    let mut out = Vec::new();
    if theirs.len() != ours.len() {
        out.push(format!("ss shows {}, we {}: {ours:#?}", theirs.len(), ours.len()));
    }
    for line in theirs {
        let cookie = u64::from_str_radix(line.word("sk").unwrap(), 16).unwrap();
        let Some(ours) = ours.iter().find(|ours| socket(ours).cookie == cookie) else {
            out.push(format!("only ss shows {line:?}"));
            continue;
        };
        let head = head(line, socket(ours));
        out.extend(
            head.into_iter()
                .chain(words(line, ours))
                .map(|what| format!("{what}\n  in {line:?}\n  and {ours:?}")),
        );
    }
    out
}

/// State, queues, addresses, inode, owner.
fn head(line: &Line, ours: &InetSocket) -> Vec<String> {
    let mut out = Vec::new();
    let mut same = |what: &str, theirs: String, ours: String| {
        if theirs != ours {
            out.push(format!("{what}: {theirs} and {ours}"));
        }
    };
    same("state", line.state.clone(), ours.state.to_string());
    same("queues", format!("{:?}", line.queues), format!("{:?}", (ours.recv_queue, ours.send_queue)));
    same("local", line.local.clone(), address(&ours.local, ours.v6only));
    same("remote", line.remote.clone(), address(&ours.remote, ours.v6only));
    same("inode", line.word("ino").unwrap_or("0").to_owned(), ours.inode.to_string());
    same("owner", line.word("uid").unwrap_or("0").to_owned(), ours.uid.to_string());
    out
}

/// As `ss` prints an address.
fn address(address: &SocketAddr, v6only: Option<bool>) -> String {
    let port = match address.port() {
        0 => "*".to_owned(),
        port => port.to_string(),
    };
    match address {
        SocketAddr::V4(v4) => format!("{}:{port}", v4.ip()),
        // For both families at once.
        SocketAddr::V6(v6) if v6.ip().is_unspecified() && v6only == Some(false) => format!("*:{port}"),
        SocketAddr::V6(v6) => format!("[{}]:{port}", v6.ip()),
    }
}

/// Words that differ, and words that only our side has although `shown` expects `ss` to print them.
fn words_differ(
    line: &Line,
    ours: &BTreeMap<&'static str, String>,
    shown: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut out = Vec::new();
    for (name, ours) in ours {
        match line.word(name) {
            Some(theirs) if theirs == ours => {}
            None if !shown(name) => {}
            theirs => out.push(format!("{name}: {theirs:?} and {ours}")),
        }
    }
    // What it shows and we have not is either not about us or missing.
    for (name, value) in line.words() {
        if NAMES.contains(&name) && !ours.contains_key(name) {
            out.push(format!("{name}: {value} and nothing"));
        }
    }
    out
}

/// Whether this release of `ss` shows it.
fn name_is_known(name: &str, version: u32) -> bool {
    match name {
        "retransmits" | "bytes_retrans" | "bytes_sent" | "bytes_received" | "bytes_acked" => version >= 605,
        "subflows_total" => version >= 608,
        "local_addr_used" | "local_addr_max" | "csum_enabled" => version >= 605,
        _ => true,
    }
}

/// Words that `ss` has for `struct mptcp_info`.
const NAMES: &[&str] = &[
    "subflows",
    "add_addr_signal",
    "add_addr_accepted",
    "subflows_max",
    "add_addr_signal_max",
    "add_addr_accepted_max",
    "fallback",
    "remote_key",
    "token",
    "write_seq",
    "snd_una",
    "rcv_nxt",
    "local_addr_used",
    "local_addr_max",
    "csum_enabled",
    "retransmits",
    "bytes_retrans",
    "bytes_sent",
    "bytes_received",
    "bytes_acked",
    "subflows_total",
];

/// Both kinds of socket are `Send` and small.
const _: fn() = || {
    fn check<T: Send + Sync + Copy>() {}
    check::<MptcpSocket>();
    check::<Subflow>();
};
