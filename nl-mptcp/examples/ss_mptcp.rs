//! The MPTCP part of `ss -M -i` and `ss -t -i` together: `cargo run --example ss_mptcp -- [listen] [port PORT]`.

use futures_util::TryStreamExt;
use nl_core::{Connection, Protocol};
use nl_mptcp::diag::{SockDiag, States};
use nl_mptcp::mib::Mib;

const USAGE: &str = "usage: ss_mptcp [listen] [port PORT]";

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let diag = SockDiag::new(Connection::open(Protocol::SockDiag)?);
    let mut words = std::env::args().skip(1);
    let (mut listen, mut port) = (false, None);
    while let Some(word) = words.next() {
        match word.as_str() {
            "listen" => listen = true,
            "port" => port = Some(words.next().ok_or(USAGE)?.parse()?),
            _ => return Err(USAGE.into()),
        }
    }

    if listen {
        // ss -M -l
        let mut all = diag.sockets().states(States::LISTEN);
        if let Some(port) = port {
            all = all.local_port(port);
        }
        let mut listeners = all.list();
        while let Some(listener) = listeners.try_next().await? {
            let (waiting, limit) = (listener.socket.recv_queue, listener.socket.send_queue);
            println!("{listener} {waiting} of at most {limit} wait");
        }
        return Ok(());
    }

    // ss -M -i and ss -t -i
    let mut all = diag.connections();
    if let Some(port) = port {
        all = all.remote_port(port);
    }
    for connection in all.list().await? {
        let sent = connection.bytes_sent().map_or("?".to_owned(), |bytes| bytes.to_string());
        let received = connection.bytes_received().map_or("?".to_owned(), |bytes| bytes.to_string());
        println!("{connection}");
        println!("  bytes sent {sent} received {received}");
        for tcp in connection.subflows.iter().filter_map(|subflow| subflow.tcp) {
            println!(
                "  rtt {} us, window {} segments, {} retransmitted",
                tcp.rtt, tcp.snd_cwnd, tcp.total_retrans
            );
        }
    }
    let mib = Mib::read()?;
    if let Some(established) = mib.mp_curr_estab {
        println!("{established} connections are established in this namespace");
    }
    Ok(())
}
