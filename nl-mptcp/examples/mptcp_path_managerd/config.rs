// The configuration: a TOML file. A key that is not known is an error, and so is a value that is not possible. Both name their place.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::ops::RangeInclusive;
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
    subflows: Option<usize>,
    /// That are announced to the peer of a connection.
    addresses: Option<usize>,
    #[serde(default)]
    interface: Vec<Rule<SubflowFlag>>,
    #[serde(default)]
    only: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    networks: Vec<Network>,
    #[serde(default)]
    backup: Vec<String>,
    /// Of the peer. None: every connection.
    #[serde(default)]
    ports: BTreeSet<u16>,
    #[serde(default)]
    exact: bool,
    #[serde(default = "yes")]
    follow_interfaces: bool,
    /// In seconds.
    retry_first: Option<NonZeroU64>,
    retry_longest: Option<NonZeroU64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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
    interface: Vec<Rule<EndpointFlag>>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    networks: Vec<Network>,
    endpoints: Option<usize>,
    ids: Option<Ids>,
    #[serde(default)]
    exact: bool,
    subflows: Option<u32>,
    add_addr_accepted: Option<u32>,
    #[serde(default)]
    pub(crate) remove_at_exit: bool,
}

/// The flags of an interface. A `*` at the end of its name stands for any rest.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule<F> {
    name: String,
    flags: Vec<F>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SubflowFlag {
    Signal,
    Subflow,
    Backup,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EndpointFlag {
    Signal,
    Subflow,
    Backup,
    Fullmesh,
    Laminar,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Network(IpPrefix);

impl TryFrom<String> for Network {
    type Error = nl_core::Error;

    fn try_from(text: String) -> nl_core::Result<Self> {
        text.parse().map(Self)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "(u8, u8)")]
struct Ids(RangeInclusive<u8>);

impl TryFrom<(u8, u8)> for Ids {
    type Error = String;

    fn try_from((first, last): (u8, u8)) -> Result<Self, String> {
        if first == 0 || first > last {
            return Err(format!("ids {first} to {last}; 1 to 255 are possible, in ascending order"));
        }
        Ok(Self(first..=last))
    }
}

impl From<SubflowFlag> for EndpointFlags {
    fn from(flag: SubflowFlag) -> Self {
        match flag {
            SubflowFlag::Signal => Self::SIGNAL,
            SubflowFlag::Subflow => Self::SUBFLOW,
            SubflowFlag::Backup => Self::BACKUP,
        }
    }
}

impl From<EndpointFlag> for EndpointFlags {
    fn from(flag: EndpointFlag) -> Self {
        match flag {
            EndpointFlag::Signal => Self::SIGNAL,
            EndpointFlag::Subflow => Self::SUBFLOW,
            EndpointFlag::Backup => Self::BACKUP,
            EndpointFlag::Fullmesh => Self::FULLMESH,
            EndpointFlag::Laminar => Self::LAMINAR,
        }
    }
}

impl<F: Copy + Into<EndpointFlags>> Rule<F> {
    fn flags(&self) -> EndpointFlags {
        self.flags.iter().map(|flag| (*flag).into()).collect()
    }
}

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

impl Config {
    pub(crate) fn parse(text: &str) -> Outcome<Self> {
        let config: Self = toml::from_str(text)?;
        if config.userspace.is_none() && config.kernel.is_none() {
            return Err("neither [userspace] nor [kernel]: there is nothing to do".into());
        }
        if let Some(userspace) = &config.userspace {
            userspace.check()?;
        }
        Ok(config)
    }
}

impl Userspace {
    /// A key that its policy does not use is a mistake.
    fn check(&self) -> Outcome<()> {
        if self.policy == Paths::FullMesh {
            return Ok(());
        }
        let of_full_mesh = [
            ("addresses", self.addresses.is_some()),
            ("interface", !self.interface.is_empty()),
            ("only", !self.only.is_empty()),
            ("except", !self.except.is_empty()),
            ("networks", !self.networks.is_empty()),
            ("ports", !self.ports.is_empty()),
            ("exact", self.exact),
            ("retry-first", self.retry_first.is_some()),
            ("retry-longest", self.retry_longest.is_some()),
        ];
        if let Some((key, _)) = of_full_mesh.iter().find(|(_, given)| *given) {
            return Err(format!("[userspace] {key} is for policy = \"fullmesh\"").into());
        }
        match (self.policy, self.subflows) {
            (Paths::NDiffPorts, None) => Err("[userspace] policy = \"ndiffports\" needs subflows = N".into()),
            (Paths::None, Some(_)) => Err("[userspace] policy = \"none\" creates no subflows".into()),
            _ => Ok(()),
        }
    }

    pub(crate) fn policy(&self) -> Box<dyn Policy> {
        let paths: Box<dyn Policy> = match self.policy {
            Paths::FullMesh => Box::new(self.full_mesh()),
            Paths::NDiffPorts => Box::new(NDiffPorts::new(self.subflows.unwrap_or(1))),
            Paths::None => Box::new(()),
        };
        let paths = (paths, BackupOnMetered::new(self.backup.iter().cloned()));
        match self.follow_interfaces {
            true => Box::new((FollowInterfaces::new(), paths)),
            false => Box::new(paths),
        }
    }

    fn full_mesh(&self) -> FullMesh {
        let seconds =
            |given: Option<NonZeroU64>, default| Duration::from_secs(given.map_or(default, NonZeroU64::get));
        let mut mesh = FullMesh::new().retry(seconds(self.retry_first, 1), seconds(self.retry_longest, 300));
        mesh = mesh.except(self.except.iter().cloned());
        if !self.only.is_empty() {
            mesh = mesh.only(self.only.iter().cloned());
        }
        for rule in &self.interface {
            mesh = mesh.interface(&rule.name, rule.flags());
        }
        for Network(network) in &self.networks {
            mesh = mesh.network(*network);
        }
        if let Some(subflows) = self.subflows {
            mesh = mesh.at_most(subflows);
        }
        if let Some(addresses) = self.addresses {
            mesh = mesh.addresses_at_most(addresses);
        }
        if self.exact {
            mesh = mesh.exact();
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
    pub(crate) fn policy(&self) -> EndpointPolicy {
        let mut policy = EndpointPolicy::new().limits(self.subflows, self.add_addr_accepted);
        for rule in &self.interface {
            policy = policy.interface(&rule.name, rule.flags());
        }
        for name in &self.except {
            policy = policy.except(name);
        }
        for Network(network) in &self.networks {
            policy = policy.network(*network);
        }
        if let Some(endpoints) = self.endpoints {
            policy = policy.at_most(endpoints);
        }
        if let Some(Ids(ids)) = &self.ids {
            policy = policy.ids(ids.clone());
        }
        if self.exact { policy.exact() } else { policy }
    }
}

fn yes() -> bool {
    true
}
