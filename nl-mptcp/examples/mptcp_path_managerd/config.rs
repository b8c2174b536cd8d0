// The configuration: a TOML file. A key that is not known is an error, and so is a value that is not possible.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use nl_core::IpPrefix;
use nl_mptcp::endpoint::EndpointFlags;
use nl_mptcp::endpoint_manager::EndpointPolicy;
use nl_mptcp::path_manager::{BackupOnMetered, FollowInterfaces, FullMesh, NDiffPorts, Policy};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Where the status is read.
    pub(crate) socket: Option<PathBuf>,
    pub(crate) userspace: Option<Userspace>,
    pub(crate) kernel: Option<Kernel>,
}

/// For connections whose sockets are made while `net.mptcp.pm_type` is 1.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Userspace {
    policy: Paths,
    /// Of a connection, with the initial one.
    #[serde(default = "many")]
    subflows: usize,
    #[serde(default)]
    only: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    backup: Vec<String>,
    /// Of the peer. None: every connection.
    #[serde(default)]
    ports: BTreeSet<u16>,
    #[serde(default = "yes")]
    follow_interfaces: bool,
    /// In seconds.
    #[serde(default = "one")]
    retry_first: u64,
    #[serde(default = "five_minutes")]
    retry_longest: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Paths {
    FullMesh,
    NDiffPorts,
    None,
}

/// For connections of the kernel's path manager.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Kernel {
    #[serde(default)]
    interface: Vec<Rule>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    networks: Vec<String>,
    endpoints: Option<usize>,
    ids: Option<(u8, u8)>,
    #[serde(default)]
    exact: bool,
    subflows: Option<u32>,
    add_addr_accepted: Option<u32>,
    #[serde(default)]
    pub(crate) remove_at_exit: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: String,
    flags: Vec<String>,
}

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

impl Config {
    pub(crate) fn parse(text: &str) -> Outcome<Self> {
        let config: Self = toml::from_str(text)?;
        if config.userspace.is_none() && config.kernel.is_none() {
            return Err("neither [userspace] nor [kernel]: there is nothing to do".into());
        }
        // What the policies refuse is refused here.
        if let Some(kernel) = &config.kernel {
            kernel.policy()?;
        }
        Ok(config)
    }
}

impl Userspace {
    pub(crate) fn policy(&self) -> Box<dyn Policy> {
        let paths: Box<dyn Policy> = match self.policy {
            Paths::FullMesh => Box::new(self.full_mesh()),
            Paths::NDiffPorts => Box::new(NDiffPorts::new(self.subflows)),
            Paths::None => Box::new(()),
        };
        let paths = (paths, BackupOnMetered::new(self.backup.iter().cloned()));
        match self.follow_interfaces {
            true => Box::new((FollowInterfaces::new(), paths)),
            false => Box::new(paths),
        }
    }

    fn full_mesh(&self) -> FullMesh {
        let (first, longest) =
            (Duration::from_secs(self.retry_first), Duration::from_secs(self.retry_longest));
        let mut mesh = FullMesh::new().at_most(self.subflows).retry(first, longest);
        mesh = mesh.except(self.except.iter().cloned());
        if !self.only.is_empty() {
            mesh = mesh.only(self.only.iter().cloned());
        }
        if self.ports.is_empty() {
            return mesh;
        }
        let ports = self.ports.clone();
        // Of a server, the port is its own.
        mesh.when(move |c| {
            let server = c.server_side == Some(true);
            ports.contains(&if server { c.local.port() } else { c.remote.port() })
        })
    }
}

impl Kernel {
    pub(crate) fn policy(&self) -> Outcome<EndpointPolicy> {
        let mut policy = EndpointPolicy::new().limits(self.subflows, self.add_addr_accepted);
        for Rule { name, flags } in &self.interface {
            let mut all = EndpointFlags::empty();
            for flag in flags {
                all |= match flag.as_str() {
                    "signal" => EndpointFlags::SIGNAL,
                    "subflow" => EndpointFlags::SUBFLOW,
                    "backup" => EndpointFlags::BACKUP,
                    "fullmesh" => EndpointFlags::FULLMESH,
                    "laminar" => EndpointFlags::LAMINAR,
                    other => {
                        let known = "signal, subflow, backup, fullmesh or laminar";
                        return Err(format!("flag {other:?} of interface {name:?}; {known}").into());
                    }
                };
            }
            policy = policy.interface(name, all);
        }
        for name in &self.except {
            policy = policy.except(name);
        }
        for network in &self.networks {
            policy = policy.network(network.parse::<IpPrefix>()?);
        }
        if let Some(endpoints) = self.endpoints {
            policy = policy.at_most(endpoints);
        }
        if let Some((first, last)) = self.ids {
            if first == 0 || first > last {
                return Err(
                    format!("ids {first} to {last}; 1 to 255 are possible, in ascending order").into()
                );
            }
            policy = policy.ids(first..=last);
        }
        Ok(if self.exact { policy.exact() } else { policy })
    }
}

fn many() -> usize {
    64
}

fn yes() -> bool {
    true
}

fn one() -> u64 {
    1
}

fn five_minutes() -> u64 {
    300
}
