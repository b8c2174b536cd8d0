//! Events against `ip mptcp monitor`, which listens beside us.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use nl_mptcp::event::{ConnectionFlags, MptcpEvent};
use nl_testkit::{Lab, Node, Result, eventually, within};

use crate::support::{Net, Pair, SOON, listen, next};

/// `ip mptcp monitor` in a node.
pub(crate) struct Monitored {
    child: Child,
}

impl Monitored {
    pub(crate) async fn start(node: &Node) -> Result<Self> {
        let child = node
            .open(|| Command::new("ip").args(["mptcp", "monitor"]).stdout(Stdio::piped()).spawn())
            .await?;
        let pid = child.id();
        let joined = async || {
            node.netlink_sockets().await.iter().any(|s| s.portid == pid && s.groups != 0).then_some(())
        };
        eventually(SOON, joined, "iproute2 to listen").await;
        Ok(Self { child })
    }

    /// The first lines it prints, as many as this.
    pub(crate) async fn until(mut self, count: usize) -> Result<Vec<String>> {
        let mut lines = BufReader::new(self.child.stdout.take().unwrap()).lines();
        let read = tokio::task::spawn_blocking(move || {
            lines.by_ref().take(count).collect::<std::io::Result<Vec<_>>>()
        });
        let lines = within(SOON, read, "iproute2 to print what we were reported").await;
        self.child.kill()?;
        self.child.wait()?;
        Ok(lines??)
    }
}

/// A line of iproute2 as words: `event`, and the fields.
pub(crate) fn theirs(line: &str) -> Option<BTreeMap<String, String>> {
    let (event, fields) = line.strip_prefix('[')?.split_once(']')?;
    let mut words = BTreeMap::from([("event".to_owned(), event.trim().to_owned())]);
    for field in fields.split_whitespace() {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        // Newer releases write no 0x before a zero.
        let value = if (key, value) == ("reset_flags", "0") { "0x0" } else { value };
        words.insert(key.to_owned(), value.to_owned());
    }
    Some(words)
}

/// Our event in the same words.
pub(crate) fn ours(event: &MptcpEvent) -> BTreeMap<String, String> {
    let text = event.to_string();
    let mut words = BTreeMap::from([("event".to_owned(), text.split(' ').next().unwrap().to_owned())]);
    let mut put = |key: &str, value: String| {
        words.insert(key.to_owned(), value);
    };
    if let Some(token) = event.token() {
        put("token", token.to_string());
    }
    let mut ends = |local: Option<SocketAddr>, remote: Option<SocketAddr>| {
        for (end, address, port) in [(local, "saddr", "sport"), (remote, "daddr", "dport")] {
            if let Some(end) = end {
                let family = if end.is_ipv4() { "4" } else { "6" };
                put(&format!("{address}{family}"), end.ip().to_string());
                put(port, end.port().to_string());
            }
        }
    };
    match event {
        MptcpEvent::Created(e) | MptcpEvent::Established(e) => {
            ends(Some(e.local), Some(e.remote));
            put("locid", e.local_id.to_string());
            put("remid", e.remote_id.to_string());
        }
        MptcpEvent::SubflowEstablished(e) | MptcpEvent::SubflowClosed(e) | MptcpEvent::SubflowPriority(e) => {
            ends(Some(e.local), Some(e.remote));
            put("locid", e.local_id.to_string());
            put("remid", e.remote_id.to_string());
            put("backup", u8::from(e.backup).to_string());
            if let Some(index) = e.index {
                put("ifindex", index.to_string());
            }
            if let Some(error) = e.error {
                put("error", error.get().to_string());
            }
            if let Some(reset) = e.reset {
                put("reset_reason", reset.reason.number().to_string());
                put("reset_flags", format!("{:#x}", reset.flags));
            }
        }
        MptcpEvent::Announced(e) => {
            ends(None, Some(e.remote));
            put("remid", e.remote_id.to_string());
        }
        MptcpEvent::ListenerCreated { local } | MptcpEvent::ListenerClosed { local } => {
            ends(Some(*local), None)
        }
        MptcpEvent::Removed { remote_id, .. } => put("remid", remote_id.to_string()),
        _ => {}
    }
    words
}

/// iproute2 6.1 prints the flags as a number without the side. Later releases print the side as a word, without a number.
fn check_flags(event: &MptcpEvent, theirs: &mut BTreeMap<String, String>, line: &str) {
    let side = theirs.remove("server_side").map(|value| value != "0");
    let flags = theirs.remove("flags").map(|value| u16::from_str_radix(&value, 16).unwrap());
    let (MptcpEvent::Created(event) | MptcpEvent::Established(event)) = event else {
        assert_eq!((side, flags), (None, None), "{line}");
        return;
    };
    if let Some(side) = side {
        assert_eq!(side, event.server_side, "{line}");
    }
    match (flags, side) {
        (Some(flags), _) => assert_eq!(flags, event.flags.bits(), "{line}"),
        (None, Some(true)) => assert!(ConnectionFlags::SERVER_SIDE.contains(event.flags), "{line}"),
        (None, _) => assert!(event.flags.is_empty(), "{line}"),
    }
}

/// A complete sequence: a connection, an announcement, a subflow that becomes a backup, a withdrawal, the close. Compares every
/// event of both sides in order, with every field.
async fn events_equal(lab: &Lab, from: &str, to: &str, near: &str, far: &str) -> Result {
    let net = Net::userspace(lab).await?;
    let theirs_of_client = Monitored::start(&net.client).await?;
    let theirs_of_server = Monitored::start(&net.server).await?;
    let mut client_log = crate::support::open(&net.client).await?.events().await?;
    let mut server_log = crate::support::open(&net.server).await?.events().await?;

    let mut pair = Pair::connect(&net, from, to).await?;
    let (near, far): (std::net::IpAddr, std::net::IpAddr) = (near.parse()?, far.parse()?);
    pair.client.connection().address(near, 7).announce().await?;
    pair.server.announced().await;
    pair.server.connection().address(far, 21).announce().await?;
    pair.client.announced().await;
    let connection = pair.client.connection();
    let subflow = connection.subflow((near, 0).into(), (far, 5001).into()).id(7);
    let made = subflow.create_established(SOON).await?;
    pair.server.subflow().await;
    pair.client.connection().subflow(made.local, made.remote).backup().change().await?;
    let priority = |event: &MptcpEvent| matches!(event, MptcpEvent::SubflowPriority(_)).then_some(());
    pair.server.next("a priority", priority).await;
    pair.exchange()?;
    // No socket listens there.
    let refused = pair.client.connection().subflow((near, 0).into(), (far, 9).into()).id(7);
    refused.create_established(SOON).await.unwrap_err();
    pair.client.connection().withdraw(7).await?;
    pair.server.removed().await;
    pair.server.closed().await;
    let token = pair.client.token();
    pair.close();
    let closed = |event: &MptcpEvent| matches!(event, MptcpEvent::Closed { .. }).then_some(());
    pair.client.next("the connection to be closed", closed).await;
    pair.server.next("the connection to be closed", closed).await;
    assert_eq!(pair.client.token(), token);

    for (log, monitored) in [(&mut client_log, theirs_of_client), (&mut server_log, theirs_of_server)] {
        // The end has come, so all that came before is there too.
        let mut reported = Vec::new();
        loop {
            let event = next(log, "the end", |event| Some(event.clone())).await;
            let is_end = matches!(event, MptcpEvent::Closed { .. });
            reported.push(event);
            if is_end {
                break;
            }
        }
        let printed = monitored.until(reported.len()).await?;
        for (event, line) in reported.iter().zip(&printed) {
            let (ours, mut theirs) = (ours(event), theirs(line).unwrap());
            if let Some(number) = theirs["event"].strip_prefix("UNKNOWN ") {
                assert_eq!(event.number().to_string(), number, "{line}");
                continue;
            }
            check_flags(event, &mut theirs, line);
            assert_eq!(ours, theirs, "{event}\n{line}");
        }
    }
    Ok(())
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ip"))]
async fn events_equal_iproute2_monitor(lab: Lab) -> Result {
    events_equal(&lab, "10.0.1.1", "10.0.1.2:5001", "10.0.2.1", "10.0.2.2").await
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ip"))]
async fn ipv6_events_equal_iproute2_monitor(lab: Lab) -> Result {
    let (near, far) = ("dead:beef:2::1", "dead:beef:2::2");
    events_equal(&lab, "dead:beef:1::1", "[dead:beef:1::2]:5001", near, far).await
}

/// The peer's sockets are IPv6, the addresses IPv4.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ip"))]
async fn events_of_mapped_addresses_equal_iproute2_monitor(lab: Lab) -> Result {
    events_equal(&lab, "::ffff:10.0.1.1", "[::ffff:10.0.1.2]:5001", "10.0.2.1", "10.0.2.2").await
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", kernel = "6.3"))]
async fn listener_events_report_creation_and_close(lab: Lab) -> Result {
    let net = Net::new(&lab).await?;
    let mut events = crate::support::open(&net.server).await?.events().await?;
    for address in ["10.0.2.2:5001", "[dead:beef:2::2]:5002"] {
        let address: SocketAddr = address.parse()?;
        let listener = listen(&net.server, address).await?;
        let created = next(&mut events, "a listener", |event| match event {
            MptcpEvent::ListenerCreated { local } => Some(*local),
            _ => None,
        });
        assert_eq!(created.await, address);
        drop(listener);
        let closed = next(&mut events, "the end of a listener", |event| match event {
            MptcpEvent::ListenerClosed { local } => Some(*local),
            _ => None,
        });
        assert_eq!(closed.await, address);
    }
    Ok(())
}

/// `allow_join_initial_addr_port` 0 asks the peer not to create subflows to the initial address.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn deny_join_id0_is_reported_to_the_peer(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    net.client.sysctl("net.mptcp.allow_join_initial_addr_port", "0").await?;
    for (from, to) in [("10.0.1.1", "10.0.1.2:5001"), ("dead:beef:1::1", "[dead:beef:1::2]:5002")] {
        let pair = Pair::connect(&net, from, to).await?;
        assert!(pair.server.established.flags.contains(ConnectionFlags::DENY_JOIN_ID0), "{to}");
        assert!(!pair.client.established.flags.contains(ConnectionFlags::DENY_JOIN_ID0), "{to}");
        assert!(pair.server.established.server_side && !pair.client.established.server_side, "{to}");
    }
    Ok(())
}
