//! The example `exporter`, scraped inside a namespace.

use std::time::Duration;

use nl_core::{Connection, Protocol};
use nl_testkit::{Lab, Result, within};
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

#[nl_testkit::test]
async fn request_for_something_else_is_refused(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let scraped = node.run(move || get(conn, "GET / HTTP/1.1\r\n\r\n"));
    let answer = within(Duration::from_secs(20), scraped, "the answer").await;
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    Ok(())
}
