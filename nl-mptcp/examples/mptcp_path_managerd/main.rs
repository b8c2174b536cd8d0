//! A path manager as a service: `cargo run --example mptcp_path_managerd -- CONFIG`.
//!
//! It does what a TOML file says, such as `mptcp-path-managerd.toml` beside this file: it manages the paths of connections of the
//! userspace path manager, keeps endpoints for those of the kernel's, or both. SIGHUP reads the file again, of which everything may have
//! changed; if it cannot be read, nothing changes, and its fault is printed with its place. SIGTERM and Ctrl-C end it.
//! Its status is JSON on a Unix socket: `socat - UNIX-CONNECT:/run/mptcp-path-managerd/status`. `mptcp-path-managerd.service` is a
//! unit for systemd.

use std::path::PathBuf;
use std::process::ExitCode;

use nl_core::{Connection, Protocol};
use nl_mptcp::Mptcp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use daemon::Command;

mod config;
mod daemon;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // As it is: the place in a file has several lines.
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let path = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: mptcp_path_managerd CONFIG")?;
    let mptcp = Mptcp::new(Connection::open(Protocol::Generic)?);
    let (tell, commands) = mpsc::channel(1);
    for (kind, command) in [
        (SignalKind::hangup(), Command::Reload),
        (SignalKind::interrupt(), Command::End),
        (SignalKind::terminate(), Command::End),
    ] {
        let (mut signals, tell) = (signal(kind)?, tell.clone());
        tokio::spawn(
            async move { while signals.recv().await.is_some() && tell.send(command).await.is_ok() {} },
        );
    }
    drop(tell);
    daemon::run(mptcp, &path, commands).await
}
