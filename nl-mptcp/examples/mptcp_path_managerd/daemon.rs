// The path managers, their status, and the commands of the program.

use std::collections::VecDeque;
use std::future::pending;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use futures_util::{Stream, StreamExt};
use nl_mptcp::Mptcp;
use nl_mptcp::endpoint_manager::{EndpointManager, EndpointReport};
use nl_mptcp::path_manager::{PathManager, Policy, Report};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::config::{Config, Kernel};

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
    let mut running = Running::start(mptcp, load(path)?).await?;
    let mut status = Status::default();
    loop {
        tokio::select! {
            report = next(&mut running.paths) => match report {
                Some(Ok(report)) => status.take(&report),
                Some(Err(error)) => status.error(error.to_string()),
                None => return Err("the path manager has ended".into()),
            },
            report = next(&mut running.endpoints) => match report {
                Some(Ok(EndpointReport::Failed { error, .. }) | Err(error)) => status.error(error.to_string()),
                Some(Ok(EndpointReport::Done(step))) => {
                    status.steps += 1;
                    eprintln!("{step}");
                }
                Some(Ok(_)) => {}
                None => return Err("the endpoint manager has ended".into()),
            },
            asked = accept(running.listener.as_ref()) => {
                let shown = status.shown(running.paths.as_ref());
                match asked {
                    Ok(stream) => answer(stream, &shown).await,
                    Err(error) => status.error(error.to_string()),
                }
            }
            command = commands.recv() => match command {
                Some(Command::Reload) => match load(path) {
                    Ok(config) => {
                        if let Err(error) = running.reload(config).await {
                            status.error(format!("{}: {error}", path.display()));
                        }
                    }
                    Err(error) => status.error(error.to_string()),
                },
                Some(Command::End) | None => break,
            },
        }
    }
    running.remove_endpoints().await
}

/// What a configuration has started.
struct Running {
    mptcp: Mptcp,
    config: Config,
    paths: Option<PathManager<Box<dyn Policy>>>,
    endpoints: Option<EndpointManager>,
    listener: Option<Listener>,
}

impl Running {
    async fn start(mptcp: Mptcp, config: Config) -> Outcome<Self> {
        let paths = match &config.userspace {
            Some(userspace) => Some(PathManager::open(&mptcp, userspace.policy()).await?),
            None => None,
        };
        let endpoints = match &config.kernel {
            Some(kernel) => Some(EndpointManager::open(&mptcp, kernel.policy()).await?),
            None => None,
        };
        let listener = config.socket.clone().map(Listener::bind).transpose()?;
        Ok(Self { mptcp, config, paths, endpoints, listener })
    }

    /// Does what another configuration says. If it cannot, nothing changes.
    ///
    /// The subflows of a section `[userspace]` that goes stay. The endpoints of a section `[kernel]` that goes are deleted as at exit.
    async fn reload(&mut self, config: Config) -> Outcome<()> {
        // All that can fail comes first.
        let new_policy = config.kernel.as_ref().map(Kernel::policy);
        let new_paths = match &config.userspace {
            Some(userspace) if self.paths.is_none() => {
                Some(PathManager::open(&self.mptcp, userspace.policy()).await?)
            }
            _ => None,
        };
        let new_endpoints = match &new_policy {
            Some(policy) if self.endpoints.is_none() => {
                Some(EndpointManager::open(&self.mptcp, policy.clone()).await?)
            }
            _ => None,
        };
        let is_moved = config.socket != self.config.socket;
        let new_listener = match &config.socket {
            Some(path) if is_moved => Some(Listener::bind(path.clone())?),
            _ => None,
        };
        if let (Some(policy), Some(endpoints)) = (new_policy, &mut self.endpoints) {
            endpoints.set_policy(policy)?;
        }

        if is_moved {
            self.listener = new_listener;
        }
        if config.userspace.is_none() {
            self.paths = None;
        } else if new_paths.is_some() {
            self.paths = new_paths;
        } else if let (Some(userspace), Some(paths)) = (&config.userspace, &mut self.paths) {
            paths.set_policy(userspace.policy());
        }
        let outcome = match config.kernel {
            None => self.remove_endpoints().await,
            Some(_) => Ok(()),
        };
        if new_endpoints.is_some() {
            self.endpoints = new_endpoints;
        }
        self.config = config;
        outcome
    }

    /// Ends the endpoint manager, and deletes its endpoints if the configuration says so.
    async fn remove_endpoints(&mut self) -> Outcome<()> {
        let removes = self.config.kernel.as_ref().is_some_and(|kernel| kernel.remove_at_exit);
        match self.endpoints.take() {
            Some(endpoints) if removes => Ok(endpoints.remove().await?),
            _ => Ok(()),
        }
    }
}

fn load(path: &Path) -> Outcome<Config> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Config::parse(&text).map_err(|error| format!("{}: {error}", path.display()).into())
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
        Some(listener) => match listener.socket.accept().await {
            Ok((stream, _)) => Ok(stream),
            Err(error) => {
                // Without files to spare, it would fail again at once.
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                Err(error)
            }
        },
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
    errors: VecDeque<String>,
}

impl Status {
    fn take(&mut self, report: &Report) {
        match report {
            Report::Done(_) => self.done += 1,
            Report::Ended(_) => self.ended += 1,
            Report::Idle(why) => eprintln!("{why}"),
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

    fn shown(&self, paths: Option<&PathManager<Box<dyn Policy>>>) -> Value {
        // It can change with a setting, and is read again with a new configuration.
        let idle = paths.and_then(PathManager::idle).map(|why| why.to_string());
        let connections = paths.map(PathManager::table).map(|table| {
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
            "endpoint_steps": self.steps, "idle": idle, "errors": self.errors,
        })
    }
}
