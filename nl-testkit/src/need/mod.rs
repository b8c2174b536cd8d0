//! Needs: what a test wants from the machine, declared and probed before it runs.

mod cache;
mod probe;

use std::{borrow::Cow, fmt};

use crate::version;

/// Something a test needs from the kernel or the machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Need {
    /// Bridges that filter VLANs.
    BridgeVlanFiltering,
    /// Something in this folder of the [cache](crate::cache_dir): `tdc` for the kernel's tests of traffic control, which
    /// `testkit` fetches.
    Cached(Cow<'static, str>),
    /// A generic netlink family.
    Genl(Cow<'static, str>),
    /// Root in the machine's first user namespace.
    HostRoot,
    /// Programs of iproute2 at least this new, by what `ip -V` says.
    Iproute2(Cow<'static, str>),
    /// A kernel at least this new, for behaviour that cannot be probed.
    Kernel(Cow<'static, str>),
    /// A kind of link.
    Link(Cow<'static, str>),
    /// Simulated network cards, which only [real root](Need::HostRoot) may make: see
    /// [`Node::add_netdevsim`](crate::Node::add_netdevsim).
    Netdevsim,
    /// A kind of queueing discipline.
    Qdisc(Cow<'static, str>),
    /// Sockets of a protocol in the lists of sock_diag: `tcp`, `udp` or `mptcp`.
    SockDiag(Cow<'static, str>),
    /// A sysctl that a namespace's owner may write.
    Sysctl(Cow<'static, str>),
    /// A program on the search path.
    Tool(Cow<'static, str>),
    /// A throw-away virtual machine.
    Vm,
}

impl Need {
    /// Finds out by doing it whether the need is met; `Err` says why not.
    ///
    /// Answers are remembered for the life of the process.
    ///
    /// # Errors
    ///
    /// When the need is not met, or it cannot be found out; the text is the reason shown for the skip.
    pub fn probe(&self) -> Result<(), String> {
        cache::probe(self)
    }

    /// Whether something that meets `promise` meets this need too: the same need, or one for the same or an older version.
    #[must_use]
    pub fn follows_from(&self, promise: &Self) -> bool {
        match (self, promise) {
            (Self::Iproute2(wanted), Self::Iproute2(version))
            | (Self::Kernel(wanted), Self::Kernel(version)) => version::is_at_least(version, wanted),
            _ => self == promise,
        }
    }

    /// Reads one need in the notation of the attribute: `link = "vxlan"` or `host_root`.
    ///
    /// # Errors
    ///
    /// When the text is not a need.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a need");
        let Some((key, value)) = text.split_once('=') else {
            return match text.trim() {
                "bridge_vlan_filtering" => Ok(Self::BridgeVlanFiltering),
                "host_root" => Ok(Self::HostRoot),
                "netdevsim" => Ok(Self::Netdevsim),
                "vm" => Ok(Self::Vm),
                _ => Err(wrong()),
            };
        };
        let value =
            value.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(wrong)?;
        let value = Cow::Owned(value.to_owned());
        match key.trim() {
            key @ ("iproute2" | "kernel") if !version::is_version(&value) => {
                Err(format!("`{text}`: {key} takes a version: numbers with dots between them, as \"6.12\""))
            }
            "cached" => Ok(Self::Cached(value)),
            "genl" => Ok(Self::Genl(value)),
            "iproute2" => Ok(Self::Iproute2(value)),
            "kernel" => Ok(Self::Kernel(value)),
            "link" => Ok(Self::Link(value)),
            "qdisc" => Ok(Self::Qdisc(value)),
            "sock_diag" => Ok(Self::SockDiag(value)),
            "sysctl" => Ok(Self::Sysctl(value)),
            "tool" => Ok(Self::Tool(value)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BridgeVlanFiltering => f.write_str("bridge_vlan_filtering"),
            Self::Cached(name) => write!(f, "cached = \"{name}\""),
            Self::Genl(name) => write!(f, "genl = \"{name}\""),
            Self::HostRoot => f.write_str("host_root"),
            Self::Iproute2(version) => write!(f, "iproute2 = \"{version}\""),
            Self::Kernel(version) => write!(f, "kernel = \"{version}\""),
            Self::Link(kind) => write!(f, "link = \"{kind}\""),
            Self::Netdevsim => f.write_str("netdevsim"),
            Self::Qdisc(kind) => write!(f, "qdisc = \"{kind}\""),
            Self::SockDiag(name) => write!(f, "sock_diag = \"{name}\""),
            Self::Sysctl(key) => write!(f, "sysctl = \"{key}\""),
            Self::Tool(name) => write!(f, "tool = \"{name}\""),
            Self::Vm => f.write_str("vm"),
        }
    }
}

/// A need and whether it is met.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Probe {
    /// What was asked.
    pub need: Need,
    /// `Err` says why it is not met.
    pub result: Result<(), String>,
}

/// The answers of [`probe`], printable as a table for a bug report.
#[derive(Clone, Debug)]
pub struct ProbeTable(pub Vec<Probe>);

impl fmt::Display for ProbeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Probe { need, result } in &self.0 {
            let need = need.to_string();
            match result {
                Ok(()) => writeln!(f, "{need:<36} yes")?,
                Err(reason) => writeln!(f, "{need:<36} no: {reason}")?,
            }
        }
        Ok(())
    }
}

/// Asks about everything the workspace's tests use; run it inside the [sandbox](crate::sandbox).
#[must_use]
pub fn probe() -> ProbeTable {
    let named = |make: fn(Cow<'static, str>) -> Need, names: &'static [&'static str]| {
        names.iter().map(move |name| make(Cow::Borrowed(name)))
    };
    let needs = named(Need::Link, LINKS)
        .chain(named(Need::Qdisc, QDISCS))
        .chain(named(Need::Genl, FAMILIES))
        .chain(named(Need::SockDiag, SOCKETS))
        .chain(named(Need::Sysctl, SYSCTLS))
        .chain(named(Need::Tool, TOOLS))
        .chain([Need::BridgeVlanFiltering, Need::Netdevsim, Need::Vm]);
    ProbeTable(needs.map(|need| Probe { result: need.probe(), need }).collect())
}

const LINKS: &[&str] = &[
    "bond",
    "bridge",
    "dummy",
    "geneve",
    "gre",
    "ifb",
    "ipvlan",
    "macsec",
    "macvlan",
    "netkit",
    "nlmon",
    "sit",
    "team",
    "veth",
    "vlan",
    "vrf",
    "vxlan",
    "wireguard",
    "xfrm",
];
const QDISCS: &[&str] = &[
    "cake",
    "clsact",
    "drr",
    "ets",
    "fq",
    "fq_codel",
    "hfsc",
    "htb",
    "ingress",
    "netem",
    "pfifo_fast",
    "prio",
    "qfq",
    "red",
    "sfq",
    "tbf",
];
const FAMILIES: &[&str] = &[
    "SEG6",
    "devlink",
    "ethtool",
    "fou",
    "macsec",
    "mptcp_pm",
    "nlctrl",
    "ovs_datapath",
    "team",
    "wireguard",
];
const SOCKETS: &[&str] = &["mptcp", "tcp", "udp"];
const SYSCTLS: &[&str] = &["net.ipv4.ip_forward", "net.ipv6.conf.all.disable_ipv6", "net.mptcp.enabled"];
const TOOLS: &[&str] = &["bridge", "ethtool", "ip", "nstat", "ping", "ss", "tc", "tcpdump"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_is_read_back_as_written() {
        for text in [
            "link = \"vxlan\"",
            "host_root",
            "iproute2 = \"6.15\"",
            "kernel = \"6.8\"",
            "bridge_vlan_filtering",
            "netdevsim",
            "sock_diag = \"mptcp\"",
            "cached = \"tdc\"",
            "vm",
        ] {
            assert_eq!(Need::parse(text).map(|need| need.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_newer_version_is_promised_with_an_older() {
        let kernel = |version: &'static str| Need::Kernel(version.into());
        assert!(kernel("6.8").follows_from(&kernel("6.12")));
        assert!(kernel("6.8").follows_from(&kernel("6.8")));
        assert!(!kernel("6.12").follows_from(&kernel("6.8")));
        assert!(!kernel("6.8").follows_from(&Need::Iproute2("6.12".into())));
        assert!(Need::Vm.follows_from(&Need::Vm));
    }

    #[test]
    fn a_misspelt_need_is_an_error() {
        for text in
            ["lnk = \"vxlan\"", "link = vxlan", "hostroot", "", "kernel = \"v99.0\"", "iproute2 = \">= 6\""]
        {
            assert!(Need::parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
