//! The counters of a namespace in the OpenMetrics format, for Prometheus and what speaks like it.
//!
//! Usage: exporter [ADDRESS:PORT], by default 127.0.0.1:9188; then `curl http://127.0.0.1:9188/metrics`
//!
//! Everything is read when it is asked for: devices, qdiscs and classes with what only their kinds count, the sizes of forwarding
//! databases, VLANs, VNIs, MACsec with its channels and associations, members of nexthop groups, local SIDs of SRv6 and Multipath TCP.
//! Needs no privilege.

mod metrics;
mod server;

use nl_core::{Connection, Error, Protocol};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> nl_core::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9188".into());
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| Error::from(error).during(|| format!("listen on {address}")))?;
    let conn = Connection::open(Protocol::Route)?;
    println!("http://{address}/metrics");
    tokio::select! {
        ended = server::serve(&listener, &conn) => ended.map_err(Error::from),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}
