//! The example `exporter`, scraped inside a namespace.

use std::time::Duration;

use nl_core::{Connection, Protocol};
use nl_testkit::{Lab, Node, Result, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[path = "../../examples/exporter/metrics.rs"]
mod metrics;
#[path = "../../examples/exporter/server.rs"]
mod server;

/// What a client at the server's other end reads.
async fn get(conn: Connection, request: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = async {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    };
    tokio::select! {
        answer = client => answer,
        ended = server::serve(&listener, &conn) => panic!("the server ended: {ended:?}"),
    }
}

/// What a scrape inside the node says.
async fn scrape(node: &Node) -> Result<String> {
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let scraped = node.run(move || get(conn, "GET /metrics HTTP/1.1\r\n\r\n"));
    let answer = within(Duration::from_secs(20), scraped, "the answer").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    Ok(answer)
}

/// Each of them begins a line of the answer.
fn has_all<P: AsRef<str>>(answer: &str, parts: impl IntoIterator<Item = P>) {
    for part in parts {
        let part = part.as_ref();
        assert!(answer.lines().any(|line| line.starts_with(part)), "no line begins with {part} in {answer}");
    }
}

#[nl_testkit::test(needs(link = "veth", qdisc = "htb", tool = "ip", tool = "tc", tool = "bridge"))]
async fn scrape_has_the_counters_of_what_iproute2_made(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 1).await?;
    let node = bridge.node();
    node.bridge("fdb add 02:00:00:00:aa:01 dev port1 master static").await;
    node.tc("qdisc add dev port1 root handle 1: htb").await;
    node.tc("class add dev port1 parent 1: classid 1:10 htb rate 10mbit").await;
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let request = "GET /metrics HTTP/1.1\r\nHost: lab\r\n\r\n";
    let scraped = node.run(move || get(conn, request));
    let answer = within(Duration::from_secs(20), scraped, "the answer").await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("application/openmetrics-text"), "{head}");
    assert!(body.ends_with("# EOF\n"), "{body}");
    for part in [
        "# TYPE nl_link_rx_bytes counter\n",
        "nl_link_rx_bytes_total{dev=\"port1\"} ",
        "nl_link_up{dev=\"lo\"} 1\n",
        "nl_qdisc_bytes_total{dev=\"port1\",parent=\"root\",handle=\"1:\",kind=\"htb\"} ",
        "nl_class_drops_total{dev=\"port1\",class=\"1:10\",kind=\"htb\"} 0\n",
        "nl_class_requeues_total{dev=\"port1\",class=\"1:10\",kind=\"htb\"} 0\n",
        "nl_class_special{dev=\"port1\",class=\"1:10\",kind=\"htb\",name=\"Htb.lends\"} 0\n",
        "nl_qdisc_special{dev=\"port1\",parent=\"root\",handle=\"1:\",kind=\"htb\",name=\"HtbQdisc.direct_packets\"} ",
        "nl_link_multicast_total{dev=\"port1\"} ",
        "nl_fdb_entries{dev=\"br0\",port=\"port1\",static=\"true\"} ",
    ] {
        assert!(body.contains(part), "{part} is not in {body}");
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", genl = "SEG6", tool = "ip"))]
async fn scrape_has_the_counters_of_a_local_sid(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add d0 type veth peer name p0").await;
    node.ip("link set d0 up").await;
    node.ip("-6 route add fcbb:0:1:1::/128 encap seg6local action End count dev d0").await;
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let scraped = node.run(move || get(conn, "GET /metrics HTTP/1.1\r\n\r\n"));
    let answer = within(Duration::from_secs(20), scraped, "the answer").await;
    let part = "nl_srv6_sid_packets_total{sid=\"fcbb:0:1:1::/128\"} 0\n";
    assert!(answer.contains(part), "{part} is not in {answer}");
    Ok(())
}

#[nl_testkit::test(needs(
    bridge_vlan_filtering,
    link = "vxlan",
    link = "veth",
    tool = "bridge",
    iproute2 = "6.8"
))]
async fn scrape_has_the_counters_of_vlans_and_vnis(lab: Lab) -> Result {
    lab.quiet();
    let node = lab.node("a").await?;
    node.ip("link add br0 type bridge vlan_filtering 1").await;
    node.ip("link add d0 type veth peer name p0").await;
    node.ip("link set d0 master br0").await;
    node.bridge("vlan add dev d0 vid 10").await;
    node.ip("link add vf0 type vxlan external vnifilter dstport 4790").await;
    node.bridge("vni add vni 100 dev vf0").await;
    let answer = scrape(&node).await?;
    for counter in ["rx_bytes", "rx_packets", "tx_bytes", "tx_packets"] {
        has_all(&answer, [format!("nl_vlan_{counter}_total{{dev=\"d0\",vlan=\"10\"}} 0")]);
    }
    for counter in ["bytes", "packets", "dropped", "errors"] {
        for way in ["rx", "tx"] {
            has_all(&answer, [format!("nl_vni_{way}_{counter}_total{{dev=\"vf0\",vni=\"100\"}} 0")]);
        }
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "macsec", link = "veth", genl = "macsec", tool = "ip", host_root))]
async fn scrape_has_the_counters_of_macsec_channels_and_associations(lab: Lab) -> Result {
    lab.quiet();
    let node = lab.node("a").await?;
    node.ip("link add d0 type veth peer name p0").await;
    node.ip("link add link d0 name m0 type macsec port 7").await;
    let key = "00112233445566778899aabbccddeeff";
    node.ip(&format!("macsec add m0 tx sa 0 pn 5 on key 01 {key}")).await;
    node.ip("macsec add m0 rx sci 0200000000010001 on").await;
    node.ip(&format!("macsec add m0 rx sci 0200000000010001 sa 1 pn 9 on key 02 {key}")).await;
    let answer = scrape(&node).await?;
    has_all(
        &answer,
        [
            "nl_macsec_tx_untagged_packets_total{dev=\"m0\"} 0",
            "nl_macsec_tx_encrypted_bytes_total{dev=\"m0\"} 0",
            "nl_macsec_rx_unknown_sci_packets_total{dev=\"m0\"} 0",
            "nl_macsec_tx_sa_next_pn{dev=\"m0\",an=\"0\"} 5",
            "nl_macsec_tx_sa_encrypted_packets_total{dev=\"m0\",an=\"0\"} 0",
            "nl_macsec_rx_sc_late_packets_total{dev=\"m0\",sci=\"0200000000010001\"} 0",
            "nl_macsec_rx_sa_next_pn{dev=\"m0\",sci=\"0200000000010001\",an=\"1\"} 9",
            "nl_macsec_rx_sa_ok_packets_total{dev=\"m0\",sci=\"0200000000010001\",an=\"1\"} 0",
        ],
    );
    // A key is no counter.
    assert!(!answer.contains(key));
    Ok(())
}

#[nl_testkit::test(needs(sysctl = "net.mptcp.enabled"))]
async fn scrape_has_the_counters_of_multipath_tcp(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let answer = scrape(&node).await?;
    has_all(
        &answer,
        ["nl_mptcp_total{counter=\"MPCapableSYNTX\"} 0", "nl_mptcp_total{counter=\"MPJoinSynRx\"} 0"],
    );
    Ok(())
}

/// Counters of nexthop groups are read where the kernel has them, and an older kernel refuses nothing else because of them.
#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn scrape_has_the_members_of_nexthop_groups_from_6_9_on(lab: Lab) -> Result {
    lab.quiet();
    let node = lab.node("a").await?;
    node.ip("link add d0 type veth peer name p0").await;
    node.ip("link set p0 up").await;
    node.ip("link set d0 up").await;
    node.ip("address add 192.0.2.1/24 dev d0").await;
    node.ip("nexthop add id 1 via 192.0.2.2 dev d0").await;
    node.ip("nexthop add id 2 via 192.0.2.3 dev d0").await;
    node.ip("nexthop add id 3 group 1/2").await;
    let answer = scrape(&node).await?;
    has_all(&answer, ["nl_link_up{dev=\"d0\"} 1"]);
    if nl_testkit::kernel_version() >= (6, 9) {
        let member = |id: u32| format!("nl_nexthop_packets_total{{group=\"3\",member=\"{id}\"}} 0");
        has_all(&answer, [member(1), member(2)]);
    }
    Ok(())
}

#[nl_testkit::test]
async fn request_for_something_else_is_refused(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let scraped = node.run(move || get(conn, "GET / HTTP/1.1\r\n\r\n"));
    let answer = within(Duration::from_secs(20), scraped, "the answer").await;
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    Ok(())
}
