//! Finding out by doing: each probe tries the thing in a namespace of its own.

use std::{env, fs, io, os::unix::fs::PermissionsExt, process::Command, thread};

use netlink_sys::{Socket, SocketAddr, protocols};

use super::Need;
use crate::{
    cache_dir,
    distribution::netem_distribution,
    netdevsim::Device,
    sandbox, sys,
    version::{is_at_least, of_iproute2},
};

/// Tries what the need is about.
pub(super) fn try_it(need: &Need) -> Result<(), String> {
    match need {
        Need::BridgeVlanFiltering => in_scratch(bridge_vlan_filtering),
        Need::Cached(name) => cached(name),
        Need::Genl(family) => in_scratch({
            let family = family.clone();
            move || genl(&family)
        }),
        Need::HostRoot => host_root(),
        Need::Iproute2(version) => iproute2(version),
        Need::Kernel(version) => kernel(version),
        Need::Link(kind) => in_scratch({
            let kind = kind.clone();
            move || link(&kind)
        }),
        Need::NetemDistribution(name) => {
            netem_distribution(name).map(drop).map_err(|error| error.to_string())
        }
        Need::Netdevsim if sandbox::is_real_root() => in_scratch(netdevsim),
        Need::Netdevsim => Err("only real root makes simulated network cards".to_owned()),
        Need::Qdisc(kind) => in_scratch({
            let kind = kind.clone();
            move || qdisc(&kind)
        }),
        Need::SockDiag(name) => in_scratch({
            let name = name.clone();
            move || sock_diag(&name)
        }),
        Need::Sysctl(key) => in_scratch({
            let key = key.clone();
            move || sysctl(&key)
        }),
        Need::Tool(name) => tool(name),
        Need::Vm if env::var_os("NL_TESTKIT_VM").is_some() => Ok(()),
        Need::Vm => Err("not in a virtual machine made by the kit".to_owned()),
    }
}

/// Runs a probe on a thread of its own, in a new network namespace that ends with it.
fn in_scratch<F>(probe: F) -> Result<(), String>
where
    F: FnOnce() -> Result<(), String> + Send + 'static,
{
    let work = move || {
        sys::new_network().map_err(|error| format!("no namespace to probe in: {error}"))?;
        probe()
    };
    let thread =
        thread::Builder::new().name("probe".to_owned()).spawn(work).map_err(|error| error.to_string())?;
    thread.join().unwrap_or_else(|_| Err("the probe panicked".to_owned()))
}

/// Adds a device of the kind. EOPNOTSUPP means the kernel knows no such kind; when it knows the kind but wants
/// parameters we did not give, it complains about those instead.
fn link(kind: &str) -> Result<(), String> {
    let mut routes = Request::open(protocols::NETLINK_ROUTE)?;
    let parent = match kind {
        "vlan" | "macvlan" | "macvtap" | "ipvlan" | "ipvtap" | "macsec" => {
            let bridge = add_link("bridge", PARENT, &[]);
            routes.ask(&bridge).map_err(|error| format!("no bridge to put the {kind} on: {error}"))?;
            Some(PARENT)
        }
        _ => None,
    };
    let mut attributes = Vec::new();
    if let Some(index) = parent {
        push(&mut attributes, IFLA_LINK, &index.to_ne_bytes());
    }
    let mut info = Vec::new();
    push(&mut info, IFLA_INFO_KIND, kind.as_bytes());
    let mut data = Vec::new();
    match kind {
        "vlan" => push(&mut data, IFLA_VLAN_ID, &7_u16.to_ne_bytes()),
        "vxlan" => push(&mut data, IFLA_VXLAN_ID, &7_u32.to_ne_bytes()),
        "vrf" => push(&mut data, IFLA_VRF_TABLE, &7_u32.to_ne_bytes()),
        "geneve" => push(&mut data, IFLA_GENEVE_COLLECT_METADATA, &[]),
        _ => {}
    }
    if !data.is_empty() {
        push(&mut info, IFLA_INFO_DATA, &data);
    }
    push(&mut attributes, IFLA_LINKINFO, &info);
    let header = [0; 16];
    match routes.ask(&message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, &attributes)) {
        Ok(()) => Ok(()),
        Err(error) if knows_but_wants_more(&error) => Ok(()),
        Err(error) => Err(format!("the kernel makes no {kind} link: {error}")),
    }
}

/// Puts the qdisc on a device. ENOENT means the kernel knows no such kind.
fn qdisc(kind: &str) -> Result<(), String> {
    let mut routes = Request::open(protocols::NETLINK_ROUTE)?;
    let bridge = add_link("bridge", PARENT, &[]);
    routes.ask(&bridge).map_err(|error| format!("no bridge to put the qdisc on: {error}"))?;
    let (handle, parent) = match kind {
        "clsact" | "ingress" => (0xffff_0000_u32, TC_H_INGRESS),
        _ => (0x1_0000_u32, TC_H_ROOT),
    };
    let mut header = vec![0; 4];
    header.extend(PARENT.to_ne_bytes());
    header.extend(handle.to_ne_bytes());
    header.extend(parent.to_ne_bytes());
    header.extend([0; 4]);
    let mut attributes = Vec::new();
    push(&mut attributes, TCA_KIND, &terminated(kind));
    match routes.ask(&message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &header, &attributes)) {
        Ok(()) => Ok(()),
        Err(error) if knows_but_wants_more(&error) => Ok(()),
        Err(error) => Err(format!("the kernel makes no {kind} qdisc: {error}")),
    }
}

/// Asks the controller for the family, which also loads its module where that is allowed.
fn genl(family: &str) -> Result<(), String> {
    let mut generic = Request::open(protocols::NETLINK_GENERIC)?;
    let mut attributes = Vec::new();
    push(&mut attributes, CTRL_ATTR_FAMILY_NAME, &terminated(family));
    let request = message(GENL_ID_CTRL, 0, &[CTRL_CMD_GETFAMILY, 1, 0, 0], &attributes);
    generic
        .ask(&request)
        .map_err(|error| format!("the kernel has no generic netlink family {family}: {error}"))
}

/// Asks for a list of such sockets, which also loads the module. ENOENT means that nothing lists them.
fn sock_diag(name: &str) -> Result<(), String> {
    let protocol: u32 = match name {
        "mptcp" => 262,
        "tcp" => 6,
        "udp" => 17,
        _ => return Err(format!("no way is known to ask for {name} sockets")),
    };
    let mut sockets = Request::open(protocols::NETLINK_SOCK_DIAG)?;
    // struct inet_diag_req_v2: family, protocol (one over 255 is in an attribute), nothing more, every state, any socket.
    let mut header = vec![AF_INET, u8::try_from(protocol).unwrap_or(u8::MAX), 0, 0];
    header.extend(u32::MAX.to_ne_bytes());
    header.extend([0; 48]);
    let mut attributes = Vec::new();
    push(&mut attributes, INET_DIAG_REQ_PROTOCOL, &protocol.to_ne_bytes());
    sockets
        .ask(&message(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &header, &attributes))
        .map_err(|error| format!("the kernel does not list {name} sockets: {error}"))
}

/// Makes a filtering bridge and adds a VLAN to it; kernels without VLAN filtering refuse one or the other.
fn bridge_vlan_filtering() -> Result<(), String> {
    let mut routes = Request::open(protocols::NETLINK_ROUTE)?;
    let mut data = Vec::new();
    push(&mut data, IFLA_BR_VLAN_FILTERING, &[1]);
    let bridge = add_link("bridge", PARENT, &data);
    let none = |error: io::Error| format!("the kernel's bridges filter no VLANs: {error}");
    routes.ask(&bridge).map_err(none)?;
    let mut header = vec![AF_BRIDGE, 0, 0, 0];
    header.extend(PARENT.to_ne_bytes());
    header.extend([0; 8]);
    let mut membership = BRIDGE_VLAN_INFO_BRENTRY.to_ne_bytes().to_vec();
    membership.extend(7_u16.to_ne_bytes());
    let mut specific = Vec::new();
    push(&mut specific, IFLA_BRIDGE_FLAGS, &BRIDGE_FLAGS_SELF.to_ne_bytes());
    push(&mut specific, IFLA_BRIDGE_VLAN_INFO, &membership);
    let mut attributes = Vec::new();
    push(&mut attributes, IFLA_AF_SPEC, &specific);
    routes.ask(&message(RTM_SETLINK, 0, &header, &attributes)).map_err(none)
}

/// Makes a card and takes it away. Asking for a link of the kind, which is refused, loads the module.
fn netdevsim() -> Result<(), String> {
    let asked = link("netdevsim");
    if !Device::is_supported() {
        return Err(format!("the kernel has no netdevsim: {}", asked.err().unwrap_or_default()));
    }
    let device = Device::new().map_err(|error| error.to_string())?;
    device.delete().map_err(|error| error.to_string())
}

/// Reads the value and writes it back.
fn sysctl(key: &str) -> Result<(), String> {
    let path = format!("/proc/sys/{}", key.replace('.', "/"));
    let wrong = |error: io::Error| format!("sysctl {key}: {error}");
    let value = fs::read_to_string(&path).map_err(wrong)?;
    fs::write(&path, value.trim_end()).map_err(wrong)
}

fn tool(name: &str) -> Result<(), String> {
    let runs = |path: &std::path::Path| {
        path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    };
    let path = env::var_os("PATH").unwrap_or_default();
    if env::split_paths(&path).any(|folder| runs(&folder.join(name))) {
        return Ok(());
    }
    Err(format!("no program {name} on the search path"))
}

/// Names that begin with a dot are of what is still being fetched.
fn cached(name: &str) -> Result<(), String> {
    let folder = cache_dir().map_err(|error| error.to_string())?.join(name);
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    if entries.map(|entry| entry.file_name()).any(|name| !name.as_encoded_bytes().starts_with(b".")) {
        return Ok(());
    }
    Err(format!("there is nothing in {}: `testkit vm` fetches what it knows", folder.display()))
}

/// `ip utility, iproute2-6.15.0, libbpf 1.5.0`
fn iproute2(wanted: &str) -> Result<(), String> {
    let output = Command::new("ip").arg("-V").output().map_err(|error| format!("run ip -V: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = of_iproute2(&text).ok_or_else(|| format!("ip -V names no version: {}", text.trim()))?;
    if is_at_least(version, wanted) {
        return Ok(());
    }
    Err(format!("iproute2 is {version}, older than {wanted}"))
}

fn kernel(wanted: &str) -> Result<(), String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").map_err(|error| error.to_string())?;
    if is_at_least(&release, wanted) {
        return Ok(());
    }
    Err(format!("the kernel is {}, older than {wanted}", release.trim()))
}

fn host_root() -> Result<(), String> {
    if sandbox::is_real_root() {
        return Ok(());
    }
    Err("needs real root: runs in lane host-root".to_owned())
}

/// The complaints of a kernel that has the kind but lacks options in the request.
fn knows_but_wants_more(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::ERANGE | libc::ENODEV | libc::EDESTADDRREQ | libc::EEXIST | libc::EBUSY)
    )
}

/// A blocking netlink socket that sends one request at a time.
struct Request {
    socket: Socket,
}

impl Request {
    fn open(protocol: isize) -> Result<Self, String> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(protocol)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            Ok(socket)
        };
        let socket = open().map_err(|error| format!("open a netlink socket: {error}"))?;
        Ok(Self { socket })
    }

    /// Sends a request with `NLM_F_ACK` and waits for its verdict, or for the end of the list it asks for.
    fn ask(&mut self, request: &[u8]) -> io::Result<()> {
        self.socket.send(request, 0)?;
        loop {
            let (answer, _) = self.socket.recv_from_full()?;
            let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
            let code = answer.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
            match (kind, code) {
                (Some(NLMSG_ERROR | NLMSG_DONE), Some(0)) => return Ok(()),
                (Some(NLMSG_ERROR | NLMSG_DONE), Some(code)) => {
                    return Err(io::Error::from_raw_os_error(-code));
                }
                (Some(_), _) => {}
                (None, _) => return Err(io::Error::other("a cut answer")),
            }
        }
    }
}

fn add_link(kind: &str, index: u32, data: &[u8]) -> Vec<u8> {
    let mut info = Vec::new();
    push(&mut info, IFLA_INFO_KIND, kind.as_bytes());
    if !data.is_empty() {
        push(&mut info, IFLA_INFO_DATA, data);
    }
    let mut attributes = Vec::new();
    push(&mut attributes, IFLA_LINKINFO, &info);
    let mut header = vec![0; 4];
    header.extend(index.to_ne_bytes());
    header.extend([0; 8]);
    message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, &attributes)
}

fn message(kind: u16, flags: u16, header: &[u8], attributes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + header.len() + attributes.len()).unwrap_or(u32::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((flags | NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
    bytes.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(header);
    bytes.extend(attributes);
    bytes
}

fn push(attributes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    attributes.extend(length.to_ne_bytes());
    attributes.extend(kind.to_ne_bytes());
    attributes.extend(value);
    attributes.resize(attributes.len().next_multiple_of(4), 0);
}

fn terminated(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// The index we give to a parent device.
const PARENT: u32 = 70;

// include/uapi/linux/{netlink,rtnetlink,if_link,if_bridge,pkt_sched,inet_diag,genetlink}.h
const AF_BRIDGE: u8 = 7;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_DUMP: u16 = 0x300;
const RTM_NEWLINK: u16 = 16;
const RTM_SETLINK: u16 = 19;
const RTM_NEWQDISC: u16 = 36;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;
const IFLA_VXLAN_ID: u16 = 1;
const IFLA_VRF_TABLE: u16 = 1;
const IFLA_GENEVE_COLLECT_METADATA: u16 = 6;
const IFLA_BR_VLAN_FILTERING: u16 = 7;
const IFLA_BRIDGE_FLAGS: u16 = 0;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
const BRIDGE_FLAGS_SELF: u16 = 2;
const BRIDGE_VLAN_INFO_BRENTRY: u16 = 0x20;
const TCA_KIND: u16 = 1;
const TC_H_ROOT: u32 = 0xffff_ffff;
const TC_H_INGRESS: u32 = 0xffff_fff1;
const AF_INET: u8 = 2;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const INET_DIAG_REQ_PROTOCOL: u16 = 3;
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
