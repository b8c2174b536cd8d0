//! As much of HTTP as a scrape takes, one at a time.

use std::io;
use std::time::Duration;

use nl_core::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::metrics;

/// No request is longer, and no client slower.
const LONGEST: usize = 8 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers scrapes until the listener fails. A client that fails is forgotten.
pub(crate) async fn serve(listener: &TcpListener, conn: &Connection) -> io::Result<()> {
    loop {
        let (client, _) = listener.accept().await?;
        let _ = timeout(PATIENCE, answer(client, conn)).await;
    }
}

async fn answer(mut client: TcpStream, conn: &Connection) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if request.len() > LONGEST || client.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let (status, kind, body) = if request.starts_with(b"GET /metrics ") {
        match metrics::scrape(conn).await {
            Ok(body) => ("200 OK", "application/openmetrics-text; version=1.0.0; charset=utf-8", body),
            Err(error) => ("500 Internal Server Error", "text/plain; charset=utf-8", error.to_string()),
        }
    } else {
        ("404 Not Found", "text/plain; charset=utf-8", "GET /metrics\n".into())
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes()).await?;
    client.write_all(body.as_bytes()).await?;
    client.shutdown().await
}
