use std::fmt::{self, Write};

use bitflags::bitflags;

use super::LinkStats;
use crate::addr::{Dev, HwAddr, IFNAME_MAX, MacAddr, Name, escaped};
use crate::attr::{Attr, Attrs, DecodeError};
use crate::attr_names;
use crate::message::{IfInfoMsg, MessageRef, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use crate::request::Request;

// `include/uapi/linux/rtnetlink.h`

/// An existing device; also the request that creates or changes one.
pub const RTM_NEWLINK: u16 = 16;
/// A deleted device; also the request that deletes one. A message of family `AF_BRIDGE` is about a port instead.
pub const RTM_DELLINK: u16 = 17;
/// The request that reads devices.
pub(super) const RTM_GETLINK: u16 = 18;
/// The request that adds alternative names.
pub(super) const RTM_NEWLINKPROP: u16 = 108;
/// The request that removes alternative names.
pub(super) const RTM_DELLINKPROP: u16 = 109;
/// The multicast group of devices.
pub const RTNLGRP_LINK: u32 = 1;

const RTEXT_FILTER_SKIP_STATS: u32 = 8;
const AF_INET6: u16 = 10;

attr_names! { pub(crate) NAMES: IfInfoMsg {
    IFLA_ADDRESS = 1,
    IFLA_BROADCAST = 2,
    IFLA_IFNAME = 3,
    IFLA_MTU = 4,
    IFLA_LINK = 5,
    IFLA_QDISC = 6,
    IFLA_MASTER = 10,
    IFLA_TXQLEN = 13,
    IFLA_OPERSTATE = 16,
    IFLA_LINKMODE = 17,
    IFLA_LINKINFO = 18 in INFO,
    IFLA_IFALIAS = 20,
    IFLA_STATS64 = 23,
    IFLA_AF_SPEC = 26,
    IFLA_GROUP = 27,
    IFLA_NET_NS_FD = 28,
    IFLA_EXT_MASK = 29,
    IFLA_PROMISCUITY = 30,
    IFLA_NUM_TX_QUEUES = 31,
    IFLA_NUM_RX_QUEUES = 32,
    IFLA_CARRIER = 33,
    IFLA_CARRIER_CHANGES = 35,
    IFLA_LINK_NETNSID = 37,
    IFLA_PROTO_DOWN = 39,
    IFLA_GSO_MAX_SEGS = 40,
    IFLA_GSO_MAX_SIZE = 41,
    IFLA_NEW_NETNSID = 45,
    IFLA_NEW_IFINDEX = 49,
    IFLA_MIN_MTU = 50,
    IFLA_MAX_MTU = 51,
    IFLA_PROP_LIST = 52 { IFLA_ALT_IFNAME = 53 },
    IFLA_PERM_ADDRESS = 54,
    IFLA_PROTO_DOWN_REASON = 55 { IFLA_PROTO_DOWN_REASON_MASK = 1, IFLA_PROTO_DOWN_REASON_VALUE = 2 },
    IFLA_GRO_MAX_SIZE = 58,
    IFLA_TSO_MAX_SIZE = 59,
    IFLA_TSO_MAX_SEGS = 60,
    IFLA_ALLMULTI = 61,
    IFLA_GSO_IPV4_MAX_SIZE = 63,
    IFLA_GRO_IPV4_MAX_SIZE = 64,
    IFLA_NETNS_IMMUTABLE = 67,
} }

attr_names! { pub(super) INFO {
    IFLA_INFO_KIND = 1,
    IFLA_INFO_DATA = 2,
    IFLA_INFO_SLAVE_KIND = 4,
    IFLA_INFO_SLAVE_DATA = 5,
} }

/// In the nest of `AF_INET6` in `IFLA_AF_SPEC`.
pub(super) const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;

bitflags! {
    /// The flags of a device (`IFF_*` in `include/uapi/linux/if.h`). Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct LinkFlags: u32 {
        /// Administratively up.
        const UP = 0x1;
        /// Has a broadcast address.
        const BROADCAST = 0x2;
        /// A loopback device.
        const LOOPBACK = 0x8;
        /// Ends in one other host.
        const POINTOPOINT = 0x10;
        /// Operational: `RFC 2863` state up.
        const RUNNING = 0x40;
        /// Resolves no addresses.
        const NOARP = 0x80;
        /// Receives all packets.
        const PROMISC = 0x100;
        /// Receives all multicast packets.
        const ALLMULTI = 0x200;
        /// Carries multicast.
        const MULTICAST = 0x1000;
        /// The driver signals that the line is up.
        const LOWER_UP = 0x1_0000;
        /// Dormant, as with 802.1X before authentication.
        const DORMANT = 0x2_0000;
    }
}
serialize_bits! { LinkFlags }

/// The operational state (`IF_OPER_*`, RFC 2863).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum OperState {
    /// The driver does not say.
    #[default]
    Unknown,
    /// A part of the device is missing.
    NotPresent,
    /// Down.
    Down,
    /// A device below is down.
    LowerLayerDown,
    /// In a test.
    Testing,
    /// Waits for something outside, such as authentication.
    Dormant,
    /// Up.
    Up,
    /// A number this crate does not know.
    Other(u8),
}

impl From<u8> for OperState {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::Unknown,
            1 => Self::NotPresent,
            2 => Self::Down,
            3 => Self::LowerLayerDown,
            4 => Self::Testing,
            5 => Self::Dormant,
            6 => Self::Up,
            other => Self::Other(other),
        }
    }
}

/// How a device makes its IPv6 link-local address (`enum in6_addr_gen_mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum AddrGenMode {
    /// From the hardware address (`eui64`).
    Eui64,
    /// Not at all (`none`).
    None,
    /// Stable and private by the secret of the namespace (`stable_secret`).
    StablePrivacy,
    /// Stable and private by a random secret (`random`).
    Random,
    /// A number this crate does not know.
    Other(u8),
}

impl From<u8> for AddrGenMode {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::Eui64,
            1 => Self::None,
            2 => Self::StablePrivacy,
            3 => Self::Random,
            other => Self::Other(other),
        }
    }
}

impl From<AddrGenMode> for u8 {
    fn from(mode: AddrGenMode) -> Self {
        match mode {
            AddrGenMode::Eui64 => 0,
            AddrGenMode::None => 1,
            AddrGenMode::StablePrivacy => 2,
            AddrGenMode::Random => 3,
            AddrGenMode::Other(number) => number,
        }
    }
}

/// A network device as the kernel reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Link {
    /// The interface index.
    pub index: u32,
    /// The name. Bytes of it that are not UTF-8 stand as `\xNN`; such a device is found by its index.
    pub name: Name,
    /// Alternative names, in the kernel's order.
    pub alt_names: Vec<String>,
    /// A description.
    pub alias: Option<String>,
    /// The kind of virtual device, such as `bridge` or `vxlan`; `None` for hardware and loopback. [`kind`](Self::kind) decodes
    /// its options.
    pub kind_name: Option<Name>,
    /// The options of the kind, encoded (`IFLA_INFO_DATA`).
    pub kind_data: Vec<u8>,
    /// The device this one is a port of.
    pub master: Option<u32>,
    /// The kind of that device, such as `bridge`; [`port`](Self::port) decodes what it keeps for the port.
    pub port_kind: Option<Name>,
    /// The options of the port, encoded (`IFLA_INFO_SLAVE_DATA`).
    pub port_data: Vec<u8>,
    /// The device this one is on top of; in another namespace if there is a [`link_netnsid`](Self::link_netnsid).
    pub link: Option<u32>,
    /// The namespace of [`link`](Self::link), by its number in this one.
    pub link_netnsid: Option<i32>,
    /// The hardware address.
    pub address: Option<HwAddr>,
    /// The hardware address of broadcasts; on a tunnel, the remote end.
    pub broadcast: Option<HwAddr>,
    /// The address that the hardware came with.
    pub permanent_address: Option<HwAddr>,
    /// The type of hardware (`ARPHRD_*`), 1 for Ethernet.
    pub link_type: u16,
    /// The flags.
    pub flags: LinkFlags,
    /// The operational state.
    pub oper_state: OperState,
    /// The largest packet in bytes.
    pub mtu: u32,
    /// The smallest MTU that the device takes, in bytes.
    pub min_mtu: Option<u32>,
    /// The largest MTU that the device takes, in bytes; 0 where it sets no limit.
    pub max_mtu: Option<u32>,
    /// The group, 0 unless changed.
    pub group: u32,
    /// The length of the transmit queue in packets.
    pub tx_queue_len: u32,
    /// The kind of the root qdisc.
    pub qdisc: Option<Name>,
    /// How many transmit queues there are.
    pub num_tx_queues: u32,
    /// How many receive queues there are.
    pub num_rx_queues: u32,
    /// How often it was made promiscuous and not yet released.
    pub promiscuity: u32,
    /// Whether there is a carrier.
    pub carrier: Option<bool>,
    /// How often the carrier changed.
    pub carrier_changes: u32,
    /// Whether a protocol holds it down (`protodown`).
    pub protocol_down: bool,
    /// Why, as a mask of reasons.
    pub protocol_down_reason: u32,
    /// How it makes its IPv6 link-local address; `None` without IPv6.
    pub addr_gen_mode: Option<AddrGenMode>,
    /// The largest packet built for segmentation offload, in bytes.
    pub gso_max_size: Option<u32>,
    /// Whether it cannot move to another namespace. Linux 6.15.
    pub netns_immutable: bool,
    /// The namespace it moved to, by its number in this one; only in the event that says so.
    pub new_netnsid: Option<i32>,
    /// Its index there.
    pub new_index: Option<u32>,
    /// Counters, if they were requested; events always have them.
    pub stats: Option<Box<LinkStats>>,
}

impl Link {
    /// Reads an `RTM_NEWLINK` or `RTM_DELLINK` message.
    ///
    /// # Errors
    /// The message is of another type or malformed, or has no name.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        if !matches!(message.kind(), RTM_NEWLINK | RTM_DELLINK) {
            return Err(DecodeError::Kind(message.kind()));
        }
        let (header, attrs) = message.header::<IfInfoMsg>()?;
        let mut named = false;
        let mut link = Self {
            index: header.index,
            link_type: header.link_type,
            flags: LinkFlags::from_bits_retain(header.flags),
            ..Self::default()
        };
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                IFLA_IFNAME => (link.name, named) = (name(attr), true),
                kind => link.read(kind, attr)?,
            }
        }
        if named { Ok(link) } else { Err(DecodeError::Missing(IFLA_IFNAME)) }
    }

    fn read(&mut self, kind: u16, attr: Attr<'_>) -> Result<(), DecodeError> {
        match kind {
            IFLA_ADDRESS => self.address = HwAddr::new(attr.value()),
            IFLA_BROADCAST => self.broadcast = HwAddr::new(attr.value()),
            IFLA_MTU => self.mtu = attr.u32()?,
            IFLA_LINK => self.link = Some(attr.u32()?).filter(|index| *index != 0),
            IFLA_QDISC => self.qdisc = Some(name(attr)),
            IFLA_MASTER => self.master = Some(attr.u32()?),
            IFLA_TXQLEN => self.tx_queue_len = attr.u32()?,
            IFLA_OPERSTATE => self.oper_state = attr.u8()?.into(),
            IFLA_LINKINFO => self.read_info(attr.attrs())?,
            IFLA_IFALIAS => self.alias = Some(attr.text()),
            IFLA_STATS64 => self.stats = Some(Box::new(LinkStats::read(attr)?)),
            IFLA_AF_SPEC => self.addr_gen_mode = addr_gen_mode(attr.attrs())?,
            IFLA_GROUP => self.group = attr.u32()?,
            IFLA_PROMISCUITY => self.promiscuity = attr.u32()?,
            IFLA_NUM_TX_QUEUES => self.num_tx_queues = attr.u32()?,
            IFLA_NUM_RX_QUEUES => self.num_rx_queues = attr.u32()?,
            IFLA_CARRIER => self.carrier = Some(attr.u8()? != 0),
            IFLA_CARRIER_CHANGES => self.carrier_changes = attr.u32()?,
            IFLA_LINK_NETNSID => self.link_netnsid = Some(attr.i32()?),
            IFLA_PROTO_DOWN => self.protocol_down = attr.u8()? != 0,
            IFLA_GSO_MAX_SIZE => self.gso_max_size = Some(attr.u32()?),
            IFLA_NEW_NETNSID => self.new_netnsid = Some(attr.i32()?),
            IFLA_NEW_IFINDEX => self.new_index = Some(attr.u32()?),
            IFLA_MIN_MTU => self.min_mtu = Some(attr.u32()?),
            IFLA_MAX_MTU => self.max_mtu = Some(attr.u32()?),
            IFLA_PROP_LIST => {
                for property in attr.attrs() {
                    let property = property?;
                    if property.kind() == IFLA_ALT_IFNAME {
                        self.alt_names.push(property.text());
                    }
                }
            }
            IFLA_PERM_ADDRESS => self.permanent_address = HwAddr::new(attr.value()),
            IFLA_PROTO_DOWN_REASON => {
                let value = attr.attrs().find(IFLA_PROTO_DOWN_REASON_VALUE)?;
                self.protocol_down_reason = value.map_or(Ok(0), |value| value.u32())?;
            }
            IFLA_NETNS_IMMUTABLE => self.netns_immutable = attr.u8()? != 0,
            _ => {}
        }
        Ok(())
    }

    fn read_info(&mut self, attrs: Attrs<'_>) -> Result<(), DecodeError> {
        for info in attrs {
            let info = info?;
            match info.kind() {
                IFLA_INFO_KIND => self.kind_name = Some(name(info)),
                IFLA_INFO_DATA => self.kind_data = info.value().to_vec(),
                IFLA_INFO_SLAVE_KIND => self.port_kind = Some(name(info)),
                IFLA_INFO_SLAVE_DATA => self.port_data = info.value().to_vec(),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether it is administratively up.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.flags.contains(LinkFlags::UP)
    }

    /// Whether it is a virtual device of this kind, such as `bridge`.
    #[must_use]
    pub fn is_kind(&self, kind: &str) -> bool {
        self.kind_name.as_deref() == Some(kind)
    }

    /// Whether it is a port of a device of this kind, such as `bridge`.
    #[must_use]
    pub fn is_port_of(&self, kind: &str) -> bool {
        self.port_kind.as_deref() == Some(kind)
    }

    /// The Ethernet address, on devices that have one.
    #[must_use]
    pub fn mac(&self) -> Option<MacAddr> {
        self.address.and_then(|address| address.mac())
    }

    /// What two reports of an unchanged device have in common: without counters, which always change.
    #[must_use]
    pub fn without_counters(mut self) -> Self {
        (self.stats, self.carrier_changes) = (None, 0);
        self
    }
}

/// A change of a device, as the kernel reports it. Boxed, so that a stream of many families moves small values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum LinkEvent {
    /// The device was deleted, or moved to another namespace: then it has a [`new_netnsid`](Link::new_netnsid).
    Deleted(Box<Link>),
    /// The device is new or has changed.
    New(Box<Link>),
}

impl Link {
    /// The request that reads one device, by name, alternative name or index, without counters.
    ///
    /// Equivalent: `ip link show dev DEV`. Needs no privilege.
    #[must_use]
    pub fn get_request(dev: &Dev) -> Request {
        request(dev, false)
    }
}

impl LinkEvent {
    /// Reads an event of the group [`RTNLGRP_LINK`]; `None` for one about a bridge's port, which says nothing about a device.
    ///
    /// # Errors
    /// As [`Link::decode`].
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        let (header, _) = message.header::<IfInfoMsg>()?;
        if header.family != 0 {
            return Ok(None);
        }
        let link = Box::new(Link::decode(message)?);
        Ok(Some(if message.kind() == RTM_DELLINK { Self::Deleted(link) } else { Self::New(link) }))
    }

    /// The device, as it is or was.
    #[must_use]
    pub fn link(&self) -> &Link {
        match self {
            Self::Deleted(link) | Self::New(link) => link,
        }
    }
}

/// Whether a message says that a device is gone, went down or has no carrier, by which it loses addresses, routes and nexthops.
#[cfg(all(feature = "watch", any(feature = "address", feature = "route")))]
pub(crate) fn is_loss(message: MessageRef<'_>) -> Result<bool, DecodeError> {
    if !matches!(message.kind(), RTM_NEWLINK | RTM_DELLINK) {
        return Ok(false);
    }
    let (IfInfoMsg { family, flags, change, .. }, _) = message.header()?;
    let (flags, change) = (LinkFlags::from_bits_retain(flags), LinkFlags::from_bits_retain(change));
    let carrier = LinkFlags::RUNNING | LinkFlags::LOWER_UP;
    // A device that is new has changed in every bit.
    let went_down =
        !flags.contains(LinkFlags::UP) && change.contains(LinkFlags::UP) && change.bits() != u32::MAX;
    let lost_carrier = flags.contains(LinkFlags::UP) && !flags.intersects(carrier);
    Ok(family == 0 && (message.kind() == RTM_DELLINK || went_down || lost_carrier))
}

/// A request that the kernel answers when it has done what it reported about devices, because both take the same lock.
#[cfg(all(feature = "watch", any(feature = "address", feature = "route")))]
pub(crate) fn barrier() -> Request {
    /// That of `lo`.
    const FIRST: u32 = 1;
    request(&Dev::Index(FIRST), false)
}

fn name(attr: Attr<'_>) -> Name {
    attr.str().map_or_else(|_| attr.text().as_str().into(), Name::from)
}

fn addr_gen_mode(families: Attrs<'_>) -> Result<Option<AddrGenMode>, DecodeError> {
    let Some(ipv6) = families.find(AF_INET6)? else { return Ok(None) };
    let mode = ipv6.attrs().find(IFLA_INET6_ADDR_GEN_MODE)?;
    mode.map(|mode| mode.u8().map(AddrGenMode::from)).transpose()
}

/// Asks for one device, without statistics, which cost the kernel most of the work.
pub(crate) fn request(dev: &Dev, stats: bool) -> Request {
    let header = IfInfoMsg { index: dev.index().unwrap_or(0), ..IfInfoMsg::default() };
    let mut request = Request::new(RTM_GETLINK, &NAMES, describe).with_header(&header);
    let mut attrs = request.attrs();
    if !stats {
        attrs.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    }
    put_name(&mut request, dev);
    request
}

/// Asks for all devices, or those that the kernel can filter.
pub(crate) fn list_request(master: Option<u32>, kind: Option<&str>, stats: bool) -> Request {
    let mut request = Request::new(RTM_GETLINK, &NAMES, describe).with_header(&IfInfoMsg::default());
    let mut attrs = request.attrs();
    if !stats {
        attrs.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    }
    if let Some(master) = master {
        attrs.u32(IFLA_MASTER, master);
    }
    if let Some(kind) = kind {
        attrs.nested(IFLA_LINKINFO).str(IFLA_INFO_KIND, kind);
    }
    request
}

/// Says which device is meant, where that is not in the header.
pub(super) fn put_name(request: &mut Request, dev: &Dev) {
    if let Dev::Name(name) = dev {
        // The kernel finds alternative names in either attribute; only one holds the long ones.
        let kind = if name.len() > IFNAME_MAX { IFLA_ALT_IFNAME } else { IFLA_IFNAME };
        request.attrs().str(kind, name);
    }
}

/// The words of `ip link`, with `#5` for interface 5. The only rendering of a device that is asked for or changed.
pub(super) fn describe(message: MessageRef<'_>) -> String {
    let flags = message.flags();
    let verb = match message.kind() {
        RTM_NEWLINK if flags & NLM_F_EXCL != 0 => "add",
        RTM_NEWLINK if flags & (NLM_F_CREATE | NLM_F_REPLACE) != 0 => "replace",
        RTM_NEWLINK => "set",
        RTM_DELLINK => "delete",
        RTM_NEWLINKPROP => "add altname of",
        RTM_DELLINKPROP => "delete altname of",
        _ => "get",
    };
    let is_one = message.header::<IfInfoMsg>().is_ok_and(|(header, attrs)| {
        let named =
            [IFLA_IFNAME, IFLA_ALT_IFNAME].iter().any(|kind| matches!(attrs.find(*kind), Ok(Some(_))));
        header.index != 0 || named
    });
    let mut text = if verb == "get" && !is_one { "list links".to_owned() } else { format!("{verb} link") };
    // What cannot be read is left out; writing to a String cannot fail.
    let _ = write_words(&mut text, message);
    text
}

fn write_words(text: &mut String, message: MessageRef<'_>) -> Result<(), DescribeError> {
    let (header, attrs) = message.header::<IfInfoMsg>()?;
    // The device comes first, wherever its name is in the message.
    let name = attrs.find(IFLA_IFNAME)?.map_or_else(|| attrs.find(IFLA_ALT_IFNAME), |name| Ok(Some(name)))?;
    if header.index != 0 {
        write!(text, " #{}", header.index)?;
    } else if let Some(name) = name {
        write!(text, " {}", escaped(&name.text()))?;
    }
    let mut kind = None;
    for attr in attrs {
        let attr = attr?;
        match attr.kind() {
            IFLA_IFNAME if header.index != 0 => write!(text, " name {}", escaped(&attr.text()))?,
            IFLA_LINK => write!(text, " link #{}", attr.u32()?)?,
            IFLA_MASTER if attr.u32()? == 0 => text.push_str(" nomaster"),
            IFLA_MASTER => write!(text, " master #{}", attr.u32()?)?,
            IFLA_MTU => write!(text, " mtu {}", attr.u32()?)?,
            IFLA_GROUP => write!(text, " group {}", attr.u32()?)?,
            IFLA_IFALIAS => write!(text, " alias {}", escaped(&attr.text()))?,
            IFLA_NET_NS_FD => text.push_str(" to another namespace"),
            IFLA_PROP_LIST => {
                for name in attr.attrs() {
                    write!(text, " {}", escaped(&name?.text()))?;
                }
            }
            IFLA_LINKINFO => kind = attr.attrs().find(IFLA_INFO_KIND)?.map(|kind| kind.text()),
            _ => {}
        }
    }
    if header.change & LinkFlags::UP.bits() != 0 {
        text.push_str(if header.flags & LinkFlags::UP.bits() != 0 { " up" } else { " down" });
    }
    if let Some(kind) = kind {
        write!(text, " type {}", escaped(&kind))?;
    }
    Ok(())
}

/// What of a request could not be put into words.
struct DescribeError;

impl From<DecodeError> for DescribeError {
    fn from(_: DecodeError) -> Self {
        Self
    }
}

impl From<fmt::Error> for DescribeError {
    fn from(_: fmt::Error) -> Self {
        Self
    }
}
