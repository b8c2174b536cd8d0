//! Requests that the tests are made of, and sockets that are not ours.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nl_core::Request;
use nl_core::attr::Attrs;
use nl_core::batch::Summary;
use nl_core::connection::{Connection, Protocol};
use nl_core::error::{AttrName, Errno, Names};
use nl_core::message::{AF_BRIDGE, IfInfoMsg, MessageRef, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NdMsg};
use nl_testkit::{Node, eventually};

pub(crate) const RTM_NEWLINK: u16 = 16;
pub(crate) const RTM_DELLINK: u16 = 17;
pub(crate) const RTM_GETLINK: u16 = 18;
pub(crate) const RTM_GETROUTE: u16 = 26;
pub(crate) const RTM_NEWNEIGH: u16 = 28;
pub(crate) const RTNLGRP_LINK: u32 = 1;
pub(crate) const IFLA_IFNAME: u16 = 3;
pub(crate) const IFLA_MTU: u16 = 4;
pub(crate) const IFLA_LINKINFO: u16 = 18;
pub(crate) const NDA_LLADDR: u16 = 2;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;

/// For what takes a moment.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// For what never comes: it would be there at once.
pub(crate) const NEVER: Duration = Duration::from_secs(1);

pub(crate) static LINK: Names = Names::new(
    16,
    &[
        AttrName::new(IFLA_IFNAME, "IFLA_IFNAME"),
        AttrName::new(IFLA_MTU, "IFLA_MTU"),
        AttrName::nest(
            IFLA_LINKINFO,
            "IFLA_LINKINFO",
            &[
                AttrName::new(IFLA_INFO_KIND, "IFLA_INFO_KIND"),
                AttrName::nest(
                    IFLA_INFO_DATA,
                    "IFLA_INFO_DATA",
                    &[AttrName::new(1, "IFLA_BR_FORWARD_DELAY")],
                ),
            ],
        ),
    ],
);

pub(crate) fn describe_link(message: MessageRef<'_>) -> String {
    let name = message.header::<IfInfoMsg>().ok().and_then(|(_, attrs)| name_in(attrs));
    format!("change link {}", name.as_deref().unwrap_or("?"))
}

pub(crate) static FDB: Names =
    Names::new(12, &[AttrName::new(NDA_LLADDR, "NDA_LLADDR"), AttrName::new(5, "NDA_VLAN")]);

pub(crate) fn describe_fdb(message: MessageRef<'_>) -> String {
    let index = message.header::<NdMsg>().map_or(0, |(header, _)| header.index);
    format!("add fdb on #{index}")
}

/// `ip link add NAME type KIND`.
pub(crate) fn new_link(name: &str, kind: &str) -> Request {
    let mut request = Request::new(RTM_NEWLINK, &LINK, describe_link)
        .with_flags(NLM_F_CREATE | NLM_F_EXCL)
        .with_header(&IfInfoMsg::default());
    request.attrs().str(IFLA_IFNAME, name).nested(IFLA_LINKINFO).str(IFLA_INFO_KIND, kind);
    request
}

/// `ip link del NAME`.
pub(crate) fn delete_link(name: &str) -> Request {
    let mut request = Request::new(RTM_DELLINK, &LINK, describe_link).with_header(&IfInfoMsg::default());
    request.attrs().str(IFLA_IFNAME, name);
    request
}

/// `bridge fdb add 02:00:00:XX:XX:XX dev BRIDGE self permanent`, with the address made from `number`.
pub(crate) fn new_fdb(bridge: u32, number: u32) -> Request {
    let header = NdMsg { family: AF_BRIDGE, index: bridge, state: 0x80, flags: 2, kind: 0 };
    let mut request = Request::new(RTM_NEWNEIGH, &FDB, describe_fdb)
        .with_flags(NLM_F_CREATE | NLM_F_EXCL)
        .with_header(&header);
    let [_, a, b, c] = number.to_be_bytes();
    request.attrs().bytes(NDA_LLADDR, &[2, 0, 0, a, b, c]);
    request
}

/// The FDB entries of `new_fdb` that iproute2 sees on `bridge`, by their numbers, in order.
pub(crate) async fn fdb_numbers(node: &Node, bridge: &str) -> Vec<u32> {
    let list = node.json(&format!("bridge -j fdb show br {bridge}")).await;
    let mut numbers: Vec<u32> = list
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["ifname"] == bridge && entry["state"] == "permanent")
        .filter_map(|entry| entry["mac"].as_str()?.strip_prefix("02:00:00:"))
        .map(|tail| u32::from_str_radix(&tail.replace(':', ""), 16).unwrap())
        .collect();
    numbers.sort_unstable();
    numbers
}

/// `ip link add NAME type vxlan id ID dstport 4789`: a device that is made and unmade quickly.
fn new_vxlan(name: &str, id: u32) -> Request {
    let mut request = Request::new(RTM_NEWLINK, &LINK, describe_link)
        .with_flags(NLM_F_CREATE | NLM_F_EXCL)
        .with_header(&IfInfoMsg::default());
    let mut attrs = request.attrs();
    attrs.str(IFLA_IFNAME, name);
    let mut info = attrs.nested(IFLA_LINKINFO);
    info.str(IFLA_INFO_KIND, "vxlan").nested(IFLA_INFO_DATA).u32(1, id).be16(15, 4789);
    drop(info);
    request
}

/// Many devices at once, so that a listing of them takes many pieces.
pub(crate) async fn many_links(conn: &Connection, prefix: &str, count: u32) {
    let requests: Vec<_> = (0..count).map(|i| new_vxlan(&format!("{prefix}{i}"), i + 1)).collect();
    let created = conn.batch(requests).summarize(1).await.and_then(Summary::into_result).unwrap();
    assert_eq!(created, u64::from(count));
}

/// A connection whose socket and task are the node's.
pub(crate) async fn route(node: &Node) -> Connection {
    node.open(|| Connection::open(Protocol::Route)).await.unwrap()
}

/// The running kernel's version.
#[cfg(any(feature = "neighbour", feature = "rule"))]
pub(crate) use nl_testkit::kernel_version as kernel;

/// The error says that this kernel is too old, and it is.
#[cfg(any(feature = "neighbour", feature = "nexthop", feature = "rule"))]
#[track_caller]
pub(crate) fn assert_unsupported(error: &nl_core::Error) {
    let version = error.since().and_then(nl_core::error::Since::version);
    assert!(version.is_some(), "not said to need a newer kernel: {error}");
    let version = version.unwrap();
    nl_testkit::assert_older_than(version.major, version.minor);
}

/// The names of the devices as iproute2 sees them, sorted.
pub(crate) async fn link_names(node: &Node) -> Vec<String> {
    let list = node.json("ip -j link show").await;
    let mut names: Vec<_> =
        list.as_array().unwrap().iter().map(|link| link["ifname"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Waits until the node has this many sockets, and returns their ports. The kernel's list is not exact while sockets
/// come and go elsewhere, so one look is not enough.
pub(crate) async fn ports(node: &Node, count: usize) -> Vec<u32> {
    let look = || async {
        let ports: BTreeSet<_> = node.netlink_sockets().await.iter().map(|socket| socket.portid).collect();
        (ports.len() == count).then(|| ports.into_iter().collect())
    };
    eventually(SOON, look, &format!("{count} netlink sockets")).await
}

/// The name a link message carries.
pub(crate) fn name_in(attrs: Attrs<'_>) -> Option<String> {
    attrs.find(IFLA_IFNAME).ok()??.str().ok().map(str::to_owned)
}

/// A blocking socket of netlink-sys, in the calling thread's namespace.
pub(crate) struct Raw(Socket);

impl Raw {
    pub(crate) fn open() -> Self {
        let mut socket = Socket::new(NETLINK_ROUTE).unwrap();
        socket.bind_auto().unwrap();
        Self(socket)
    }

    /// Sends a request and waits for its acknowledgement.
    pub(crate) fn ack(&self, request: Request) {
        self.0.send(request.with_flags(NLM_F_ACK).encoded().unwrap(), 0).unwrap();
        let (answer, _) = self.0.recv_from_full().unwrap();
        let message = MessageRef::parse(&answer).unwrap();
        nl_core::error::decode_error(message.flags(), message.payload()).unwrap();
    }

    /// Sends bytes to another process's socket, as someone would who wants to be taken for the kernel.
    pub(crate) fn forge(&self, port: u32, bytes: &[u8]) {
        self.0.send_to(bytes, &SocketAddr::new(port, 0), 0).unwrap();
    }

    /// A bound socket that takes messages from anybody, as a descriptor.
    pub(crate) fn open_fd() -> io::Result<OwnedFd> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.set_non_blocking(true)?;
        socket.set_ext_ack(true)?;
        socket.set_cap_ack(true)?;
        socket.set_netlink_get_strict_chk(true)?;
        socket.bind_auto()?;
        socket.as_fd().try_clone_to_owned()
    }

    /// The same, with the kernel's refusal if there is one.
    pub(crate) fn try_send(&self, port: u32, bytes: &[u8]) -> Result<usize, Errno> {
        let sent = self.0.send_to(bytes, &SocketAddr::new(port, 0), libc::MSG_DONTWAIT);
        sent.map_err(|error| Errno::new(error.raw_os_error().unwrap()))
    }

    /// The same if the other socket has room for it.
    pub(crate) fn try_forge(&self, port: u32, bytes: &[u8]) -> bool {
        self.0.send_to(bytes, &SocketAddr::new(port, 0), libc::MSG_DONTWAIT).is_ok()
    }
}

/// A whole message with any header, from port 0 by its own account.
pub(crate) fn message(kind: u16, flags: u16, seq: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(16 + payload.len()).unwrap();
    let mut out = len.to_ne_bytes().to_vec();
    out.extend([kind.to_ne_bytes(), flags.to_ne_bytes()].concat());
    out.extend([seq.to_ne_bytes(), 0_u32.to_ne_bytes()].concat());
    out.extend(payload);
    out
}
