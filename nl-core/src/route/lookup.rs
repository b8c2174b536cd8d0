use std::net::IpAddr;

use super::codec::{NAMES, route_in};
use super::message::*;
use super::words::RouteFlags;
use crate::addr::IpPrefix;
use crate::attr::AttrWriter;
use crate::check::{Invalid, check_index};
use crate::message::MessageRef;
use crate::request::Request;

/// The protocols that the kernel looks up for: ICMP, TCP, UDP, ICMPv6.
const PROTOCOLS: [u8; 4] = [1, 6, 17, 58];
/// A flow label has 20 bits.
const FLOWLABEL_MAX: u32 = 0xf_ffff;

/// The question which way a packet would take (`ip route get`).
///
/// ```
/// use nl_core::route::Lookup;
///
/// let lookup = Lookup::new("198.51.100.7".parse().unwrap()).mark(0x10).oif(5);
/// assert_eq!(lookup.request().describe(), "get route 198.51.100.7 dev #5 mark 0x10");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lookup {
    /// The destination.
    pub addr: IpAddr,
    /// The source (`RTA_SRC`).
    pub from: Option<IpAddr>,
    /// The device the packet came through; without one it is a packet of this host (`RTA_IIF`).
    pub iif: Option<u32>,
    /// The device it is to leave through (`RTA_OIF`).
    pub oif: Option<u32>,
    /// The type of service, or the traffic class (`rtm_tos`).
    pub tos: u8,
    /// The firewall mark (`RTA_MARK`).
    pub mark: Option<u32>,
    /// The user whose packet it is; without one the caller (`RTA_UID`).
    pub uid: Option<u32>,
    /// The IP protocol: 1, 6, 17 or 58. Linux 4.18 (`RTA_IP_PROTO`).
    pub ip_proto: Option<u8>,
    /// The source port. Linux 4.18 (`RTA_SPORT`).
    pub sport: Option<u16>,
    /// The destination port. Linux 4.18 (`RTA_DPORT`).
    pub dport: Option<u16>,
    /// The flow label, for IPv6. Linux 6.14 (`RTA_FLOWLABEL`).
    pub flowlabel: Option<u32>,
    /// Answer with the route of the table in place of the path that is chosen (`RTM_F_FIB_MATCH`).
    pub fib_match: bool,
}

impl Lookup {
    /// The way of a packet of this host to this address.
    #[must_use]
    pub const fn new(addr: IpAddr) -> Self {
        Self {
            addr,
            from: None,
            iif: None,
            oif: None,
            tos: 0,
            mark: None,
            uid: None,
            ip_proto: None,
            sport: None,
            dport: None,
            flowlabel: None,
            fib_match: false,
        }
    }

    /// With this source (`from`).
    #[must_use]
    pub const fn from(mut self, source: IpAddr) -> Self {
        self.from = Some(source);
        self
    }

    /// Of a packet that came through the device with this index (`iif`).
    #[must_use]
    pub const fn iif(mut self, index: u32) -> Self {
        self.iif = Some(index);
        self
    }

    /// Leaving through the device with this index (`oif`).
    #[must_use]
    pub const fn oif(mut self, index: u32) -> Self {
        self.oif = Some(index);
        self
    }

    /// With this type of service, or traffic class (`tos`).
    #[must_use]
    pub const fn tos(mut self, tos: u8) -> Self {
        self.tos = tos;
        self
    }

    /// With this firewall mark (`mark`).
    #[must_use]
    pub const fn mark(mut self, mark: u32) -> Self {
        self.mark = Some(mark);
        self
    }

    /// Of this user's packet (`uid`).
    #[must_use]
    pub const fn uid(mut self, uid: u32) -> Self {
        self.uid = Some(uid);
        self
    }

    /// Of this IP protocol: 1 (ICMP), 6 (TCP), 17 (UDP) or 58 (ICMPv6) (`ipproto`). Linux 4.18.
    #[must_use]
    pub const fn ip_proto(mut self, proto: u8) -> Self {
        self.ip_proto = Some(proto);
        self
    }

    /// From this port (`sport`). Linux 4.18.
    #[must_use]
    pub const fn sport(mut self, port: u16) -> Self {
        self.sport = Some(port);
        self
    }

    /// To this port (`dport`). Linux 4.18.
    #[must_use]
    pub const fn dport(mut self, port: u16) -> Self {
        self.dport = Some(port);
        self
    }

    /// With this flow label, 0 to 1048575, for IPv6 (`flowlabel`). Linux 6.14; older kernels refuse.
    #[must_use]
    pub const fn flowlabel(mut self, label: u32) -> Self {
        self.flowlabel = Some(label);
        self
    }

    /// Answered with the route of the table in place of the path that is chosen (`fibmatch`).
    #[must_use]
    pub const fn fib_match(mut self) -> Self {
        self.fib_match = true;
        self
    }

    /// The request. One that the kernel would refuse is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn request(&self) -> Request {
        let is_ipv4 = self.addr.is_ipv4();
        let mut flags = RouteFlags::empty();
        // IPv6 answers with the table unasked, and refuses the question.
        flags.set(RouteFlags::LOOKUP_TABLE, is_ipv4);
        flags.set(RouteFlags::FIB_MATCH, self.fib_match);
        let header = RtMsg {
            family: if is_ipv4 { AF_INET } else { AF_INET6 },
            dst_len: IpPrefix::host(self.addr).len(),
            src_len: self.from.map_or(0, |from| IpPrefix::host(from).len()),
            tos: self.tos,
            flags: flags.bits(),
            ..RtMsg::default()
        };
        let mut request = Request::new(RTM_GETROUTE, &NAMES, describe).with_header(&header);
        let mut w = request.attrs();
        w.ip(RTA_DST, self.addr);
        w.opt(RTA_SRC, self.from, AttrWriter::ip);
        w.opt(RTA_IIF, self.iif, AttrWriter::u32);
        w.opt(RTA_OIF, self.oif, AttrWriter::u32);
        w.opt(RTA_MARK, self.mark, AttrWriter::u32);
        w.opt(RTA_UID, self.uid, AttrWriter::u32);
        w.opt(RTA_IP_PROTO, self.ip_proto, AttrWriter::u8);
        w.opt(RTA_SPORT, self.sport, AttrWriter::be16);
        w.opt(RTA_DPORT, self.dport, AttrWriter::be16);
        w.opt(RTA_FLOWLABEL, self.flowlabel, AttrWriter::be32);
        request.invalid_if(self.check())
    }

    fn check(&self) -> Result<(), Invalid> {
        [self.iif, self.oif].into_iter().flatten().try_for_each(check_index)?;
        if let Some(from) = self.from.filter(|from| from.is_ipv4() != self.addr.is_ipv4()) {
            return Err(format!("source {from} is of another family than {}", self.addr).into());
        }
        if let Some(proto) = self.ip_proto.filter(|proto| !PROTOCOLS.contains(proto)) {
            return Err(format!("IP protocol {proto}; 1, 6, 17 and 58 can be looked up").into());
        }
        if let Some(label) = self.flowlabel {
            Invalid::when(self.addr.is_ipv4(), "a flow label is for IPv6")?;
            crate::check::within("flowlabel", label, 0, FLOWLABEL_MAX)?;
        }
        Ok(())
    }
}

fn describe(message: MessageRef<'_>) -> String {
    match route_in(message) {
        Some(route) => format!("get route {route}"),
        None => "get route".into(),
    }
}
