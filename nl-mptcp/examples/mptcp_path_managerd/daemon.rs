// The path managers, their status, and the commands of the program.

use std::collections::VecDeque;
use std::future::pending;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use futures_util::{Stream, StreamExt};
use nl_mptcp::Mptcp;
use nl_mptcp::endpoint_manager::{EndpointManager, EndpointReport};
use nl_mptcp::path_manager::{PathManager, Policy, Report, Table};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::config::Config;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    End,
    Reload,
}

/// The last errors that the status shows.
const ERRORS: usize = 16;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Manages the paths of a namespace until the command to end.
pub(crate) async fn run(mptcp: Mptcp, path: &Path, mut commands: mpsc::Receiver<Command>) -> Outcome<()> {
    let mut config = load(path)?;
    let mut paths = match &config.userspace {
        Some(userspace) => Some(PathManager::open(&mptcp, userspace.policy()).await?),
        None => None,
    };
    let mut endpoints = match &config.kernel {
        Some(kernel) => Some(EndpointManager::open(&mptcp, kernel.policy()?).await?),
        None => None,
    };
    let listener = config.socket.clone().map(Listener::bind).transpose()?;
    let mut status = Status::default();
    loop {
        tokio::select! {
            report = next(&mut paths) => match report {
                Some(Ok(report)) => status.take(&report),
                Some(Err(error)) => status.error(error.to_string()),
                None => return Err("the path manager has ended".into()),
            },
            report = next(&mut endpoints) => match report {
                Some(Ok(EndpointReport::Failed { error, .. }) | Err(error)) => status.error(error.to_string()),
                Some(Ok(EndpointReport::Done(step))) => {
                    status.steps += 1;
                    eprintln!("{step}");
                }
                Some(Ok(_)) => {}
                None => return Err("the endpoint manager has ended".into()),
            },
            asked = accept(listener.as_ref()) => {
                let shown = status.shown(paths.as_ref().map(PathManager::table));
                match asked {
                    Ok(stream) => answer(stream, &shown).await,
                    Err(error) => status.error(error.to_string()),
                }
            }
            command = commands.recv() => match command {
                Some(Command::Reload) => match load(path) {
                    // What was started stays, and what was not needs a restart.
                    Ok(new) => match reload(&new, paths.as_mut(), endpoints.as_mut()) {
                        Ok(()) => config = new,
                        Err(error) => status.error(format!("{}: {error}", path.display())),
                    },
                    Err(error) => status.error(error.to_string()),
                },
                Some(Command::End) | None => break,
            },
        }
    }
    if let (Some(endpoints), Some(true)) = (endpoints, config.kernel.map(|kernel| kernel.remove_at_exit)) {
        endpoints.remove().await?;
    }
    Ok(())
}

fn load(path: &Path) -> Outcome<Config> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Config::parse(&text).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn reload(
    config: &Config,
    paths: Option<&mut PathManager<Box<dyn Policy>>>,
    endpoints: Option<&mut EndpointManager>,
) -> Outcome<()> {
    if config.userspace.is_some() != paths.is_some() || config.kernel.is_some() != endpoints.is_some() {
        return Err("[userspace] or [kernel] came or went: that takes a restart".into());
    }
    if let (Some(kernel), Some(endpoints)) = (&config.kernel, endpoints) {
        endpoints.set_policy(kernel.policy()?)?;
    }
    if let (Some(userspace), Some(paths)) = (&config.userspace, paths) {
        *paths.policy() = userspace.policy();
        // The new policy sees every connection.
        paths.resync();
    }
    Ok(())
}

/// The next item; never, where there is no stream.
async fn next<S: Stream + Unpin>(stream: &mut Option<S>) -> Option<S::Item> {
    match stream {
        Some(stream) => stream.next().await,
        None => pending().await,
    }
}

/// The socket of the status, which is removed at the end.
struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Only root and the owner can read it: it shows who talks to whom.
    fn bind(path: PathBuf) -> Outcome<Self> {
        // One that a process left that is gone. Nothing but a socket is removed.
        let is_socket = std::fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_socket());
        if is_socket && std::os::unix::net::UnixStream::connect(&path).is_err() {
            drop(std::fs::remove_file(&path));
        }
        let socket = UnixListener::bind(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { socket, path })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

async fn accept(listener: Option<&Listener>) -> std::io::Result<UnixStream> {
    match listener {
        Some(listener) => listener.socket.accept().await.map(|(stream, _)| stream),
        None => pending().await,
    }
}

/// Writes the status and closes. Who reads too slowly gets a part of it.
async fn answer(mut stream: UnixStream, status: &Value) {
    let write = async {
        stream.write_all(format!("{status:#}\n").as_bytes()).await?;
        stream.shutdown().await
    };
    drop(tokio::time::timeout(std::time::Duration::from_millis(200), write).await);
}

/// What happened so far.
#[derive(Default)]
struct Status {
    done: u64,
    failed: u64,
    ended: u64,
    steps: u64,
    idle: Option<String>,
    errors: VecDeque<String>,
}

impl Status {
    fn take(&mut self, report: &Report) {
        match report {
            Report::Done(_) => self.done += 1,
            Report::Ended(_) => self.ended += 1,
            Report::Idle(why) => self.idle = Some(why.to_string()),
            Report::Failed { error, .. } => {
                self.failed += 1;
                self.error(error.to_string());
            }
            _ => {}
        }
    }

    fn error(&mut self, error: String) {
        eprintln!("{error}");
        if self.errors.len() == ERRORS {
            self.errors.pop_front();
        }
        self.errors.push_back(error);
    }

    fn shown(&self, table: Option<&Table>) -> Value {
        let connections = table.map(|table| {
            let connection = |c: &nl_mptcp::path_manager::ConnectionState| {
                let subflow = |s: &nl_mptcp::path_manager::SubflowState| {
                    let dev = s.index.and_then(|index| table.interface(index)).map(|i| i.name.clone());
                    json!({
                        "local": s.local.to_string(), "remote": s.remote.to_string(), "dev": dev,
                        "id": s.local_id.get(), "established": s.is_established(), "backup": s.backup,
                    })
                };
                json!({
                    "token": c.token.to_string(), "local": c.local.to_string(), "remote": c.remote.to_string(),
                    "server": c.server_side, "kernel_managed": c.kernel_managed,
                    "subflows": c.subflows.iter().map(subflow).collect::<Vec<_>>(),
                })
            };
            table.connections().map(connection).collect::<Vec<_>>()
        });
        json!({
            "connections": connections, "done": self.done, "failed": self.failed, "ended": self.ended,
            "endpoint_steps": self.steps, "idle": self.idle, "errors": self.errors,
        })
    }
}
