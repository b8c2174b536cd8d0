use std::fmt;
use std::os::fd::{AsFd, AsRawFd};

use super::codec::{
    IFLA_ADDRESS, IFLA_AF_SPEC, IFLA_ALT_IFNAME, IFLA_BROADCAST, IFLA_GROUP, IFLA_IFALIAS, IFLA_IFNAME,
    IFLA_INET6_ADDR_GEN_MODE, IFLA_LINK, IFLA_LINK_NETNSID, IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU,
    IFLA_NET_NS_FD, IFLA_NUM_RX_QUEUES, IFLA_NUM_TX_QUEUES, IFLA_PROP_LIST, IFLA_PROTO_DOWN, IFLA_TXQLEN,
    LinkFlags, NAMES, RTM_DELLINK, RTM_DELLINKPROP, RTM_NEWLINK, RTM_NEWLINKPROP, describe, put_name,
};
use super::kind::{AnyKind, LinkKind, Place};
use super::verb::LinkVerb;
use super::{AddrGenMode, Link};
use crate::addr::{ALTIFNAME_MAX, Dev, HwAddr, IFNAME_MAX, Name};
use crate::attr::{AttrWriter, DecodeError};
use crate::check::Invalid;
use crate::error::{KernelError, Since};
use crate::message::{FixedHeader, IfInfoMsg, NLM_F_APPEND, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL};
use crate::netns::Netns;
use crate::request::Request;

const AF_INET6: u16 = 10;
/// `IFALIASZ - 1`
const ALIAS_MAX: usize = 255;
const QUEUES_MAX: u32 = 4096;

/// The desired configuration of a device. Unset fields stay as they are. [`DeviceEntry`](super::DeviceEntry) has the same options and
/// sends it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LinkConfig {
    /// The device.
    pub dev: Dev,
    /// Its new name, up to 15 bytes.
    pub rename: Option<Name>,
    /// The device it is to be on top of.
    pub link: Option<Dev>,
    /// The namespace of [`link`](Self::link), by its number in this one.
    pub link_netnsid: Option<i32>,
    /// The device it is to be a port of; [`Dev::Index`] 0 for none.
    pub master: Option<Dev>,
    /// The largest packet in bytes.
    pub mtu: Option<u32>,
    /// The hardware address.
    pub address: Option<HwAddr>,
    /// The hardware address of broadcasts.
    pub broadcast: Option<HwAddr>,
    /// The group.
    pub group: Option<u32>,
    /// The length of the transmit queue in packets.
    pub tx_queue_len: Option<u32>,
    /// How many transmit queues a new device gets.
    pub num_tx_queues: Option<u32>,
    /// How many receive queues a new device gets.
    pub num_rx_queues: Option<u32>,
    /// The index of a new device.
    pub index: Option<u32>,
    /// A description, up to 255 bytes; an empty one removes it.
    pub alias: Option<String>,
    /// How it makes its IPv6 link-local address.
    pub addr_gen_mode: Option<AddrGenMode>,
    /// Whether a protocol holds it down.
    pub protocol_down: Option<bool>,
    /// Alternative names to add, up to 127 bytes each.
    pub alt_names: Vec<Name>,
    /// The namespace it moves to, or is created in.
    pub netns: Option<Netns>,
    /// Which flags change, and to what.
    flags: (LinkFlags, LinkFlags),
    kind: Option<Box<dyn AnyKind>>,
    port: Option<Box<dyn AnyKind>>,
}

impl Clone for Box<dyn AnyKind> {
    fn clone(&self) -> Self {
        self.as_ref().boxed()
    }
}

impl LinkConfig {
    /// A device without any option set.
    #[must_use]
    pub fn new(dev: impl Into<Dev>) -> Self {
        Self {
            dev: dev.into(),
            rename: None,
            link: None,
            link_netnsid: None,
            master: None,
            mtu: None,
            address: None,
            broadcast: None,
            group: None,
            tx_queue_len: None,
            num_tx_queues: None,
            num_rx_queues: None,
            index: None,
            alias: None,
            addr_gen_mode: None,
            protocol_down: None,
            alt_names: Vec::new(),
            netns: None,
            flags: Default::default(),
            kind: None,
            port: None,
        }
    }

    /// Of this kind, with these options (`type`).
    #[must_use]
    pub fn kind(mut self, kind: impl LinkKind) -> Self {
        self.kind = Some(Box::new(kind));
        self
    }

    /// With these options as a port of its master.
    #[must_use]
    pub fn port(mut self, port: impl LinkKind) -> Self {
        self.port = Some(Box::new(port));
        self
    }

    /// With these flags set or cleared.
    #[must_use]
    pub fn flag(mut self, flags: LinkFlags, set: bool) -> Self {
        self.flags.0 |= flags;
        self.flags.1 = if set { self.flags.1 | flags } else { self.flags.1 - flags };
        self
    }

    /// In this namespace: it is made there, or moves there (`netns`).
    #[must_use]
    pub fn netns(mut self, netns: Netns) -> Self {
        self.netns = Some(netns);
        self
    }

    /// With this largest packet in bytes (`mtu`).
    #[must_use]
    pub fn mtu(mut self, bytes: u32) -> Self {
        self.mtu = Some(bytes);
        self
    }

    /// With this hardware address (`address`).
    #[must_use]
    pub fn address(mut self, address: impl Into<HwAddr>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// Administratively up (`up`).
    #[must_use]
    pub fn up(self) -> Self {
        self.flag(LinkFlags::UP, true)
    }

    /// The devices that are named in it, other than itself.
    pub fn devs(&mut self) -> Vec<&mut Dev> {
        let mut devs = self.all_devs();
        devs.remove(0);
        devs
    }

    /// [`devs`](Self::devs) and the device itself.
    pub(super) fn all_devs(&mut self) -> Vec<&mut Dev> {
        let (kind, port) = (self.kind.as_mut(), self.port.as_mut());
        let inside = kind.into_iter().chain(port).flat_map(|kind| kind.all_devs());
        let mut devs: Vec<_> =
            std::iter::once(&mut self.dev).chain(self.link.as_mut()).chain(inside).collect();
        // An index of 0 stands for no master.
        devs.extend(self.master.as_mut().filter(|master| **master != Dev::Index(0)));
        devs
    }

    /// The name of the kind, if one is set.
    pub(super) fn kind_name(&self) -> Option<&'static str> {
        self.kind.as_ref().map(|kind| kind.kind())
    }

    /// The kind of master that the options of a port are for, if there are such.
    pub(super) fn port_kind_name(&self) -> Option<&'static str> {
        self.port.as_ref().map(|kind| kind.kind())
    }

    /// What a refusal means the kernel is too old for.
    pub(super) fn refused(&self, refusal: &KernelError) -> Option<(&'static str, Since)> {
        let mut kinds = self.kind.iter().chain(&self.port);
        kinds.find_map(|kind| kind.refused_by(refusal))
    }

    /// What to change where the kernel refuses.
    pub(super) fn hint(&self, refusal: &KernelError) -> Option<&'static str> {
        let mut kinds = self.kind.iter().chain(&self.port);
        kinds.find_map(|kind| kind.hint_of(refusal))
    }

    /// The request that shows whether the kernel knows an option that it does not report, by refusing it; what the option is, and
    /// since when kernels have it.
    pub(super) fn probe(&self, index: u32) -> Option<(Request, &'static str, Since)> {
        let places = [(&self.kind, Place::Device), (&self.port, Place::Port)];
        places.into_iter().find_map(|(kind, place)| {
            let kind = kind.as_ref()?;
            let header = IfInfoMsg { index, ..IfInfoMsg::default() };
            let mut request = Request::new(RTM_NEWLINK, kind.names(), describe).with_header(&header);
            let (what, since) = kind.probe_as(&mut request.attrs().nested(IFLA_LINKINFO), place)?;
            Some((request, what, since))
        })
    }

    /// What the kernel ignored because it is too old, seen in the device as it is now; without one, what it can ignore.
    pub(super) fn ignored(&self, link: Option<&Link>) -> Result<Option<(&'static str, Since)>, DecodeError> {
        let data = |of: fn(&Link) -> &[u8]| link.map_or(&[][..], of);
        if let Some(kind) = &self.kind
            && let Some(ignored) = kind.ignored_by(data(|link| &link.kind_data))?
        {
            return Ok(Some(ignored));
        }
        self.port.as_ref().map_or(Ok(None), |port| port.ignored_by(data(|link| &link.port_data)))
    }

    /// Whether nothing is set but names that are added.
    pub(super) fn is_unset(&self) -> bool {
        let request = self.request(LinkVerb::Change);
        request.as_prepared().len() == crate::message::HEADER_LEN + IfInfoMsg::LEN && self.flags.0.is_empty()
    }

    /// The request that does this with the device. Other devices in it must be given by index.
    ///
    /// Alternative names are not in it, and in [`LinkVerb::Add`] neither are alias, address generation, protocol down and the options
    /// of a port, which the kernel drops there.
    #[must_use]
    pub fn request(&self, verb: LinkVerb) -> Request {
        let (message, flags) = match verb {
            LinkVerb::Add => (RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL),
            LinkVerb::Change => (RTM_NEWLINK, 0),
            LinkVerb::Delete => (RTM_DELLINK, 0),
        };
        let names = self.kind.as_ref().or(self.port.as_ref()).map_or(&NAMES, |kind| kind.names());
        let index = self.dev.index().or(self.index).unwrap_or(0);
        let mut header = IfInfoMsg { index, ..IfInfoMsg::default() };
        if verb != LinkVerb::Delete {
            (header.change, header.flags) = (self.flags.0.bits(), self.flags.1.bits());
        }
        let mut request = Request::new(message, names, describe).with_flags(flags).with_header(&header);
        if verb != LinkVerb::Delete {
            self.encode(&mut request.attrs(), verb);
        }
        match (&self.dev, &self.rename) {
            (Dev::Index(_), Some(name)) => drop(request.attrs().str(IFLA_IFNAME, name)),
            (dev, _) => put_name(&mut request, dev),
        }
        if verb != LinkVerb::Delete {
            self.encode_kinds(&mut request.attrs(), verb);
        }
        request.invalid_if(self.check(verb))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, verb: LinkVerb) {
        let index = |dev: &Dev| dev.index().unwrap_or(0);
        if let Some(netns) = &self.netns {
            w.i32(IFLA_NET_NS_FD, netns.as_fd().as_raw_fd());
        }
        w.opt(IFLA_MTU, self.mtu, AttrWriter::u32);
        if let Some(address) = &self.address {
            w.bytes(IFLA_ADDRESS, address.bytes());
        }
        if let Some(broadcast) = &self.broadcast {
            w.bytes(IFLA_BROADCAST, broadcast.bytes());
        }
        w.opt(IFLA_TXQLEN, self.tx_queue_len, AttrWriter::u32);
        w.opt(IFLA_NUM_TX_QUEUES, self.num_tx_queues, AttrWriter::u32);
        w.opt(IFLA_NUM_RX_QUEUES, self.num_rx_queues, AttrWriter::u32);
        w.opt(IFLA_GROUP, self.group, AttrWriter::u32);
        w.opt(IFLA_MASTER, self.master.as_ref().map(index), AttrWriter::u32);
        w.opt(IFLA_LINK, self.link.as_ref().map(index), AttrWriter::u32);
        w.opt(IFLA_LINK_NETNSID, self.link_netnsid, AttrWriter::i32);
        if verb == LinkVerb::Change {
            if let Some(alias) = &self.alias {
                w.bytes(IFLA_IFALIAS, alias.as_bytes());
            }
            w.opt(IFLA_PROTO_DOWN, self.protocol_down.map(u8::from), AttrWriter::u8);
            if let Some(mode) = self.addr_gen_mode {
                w.nested_unmarked(IFLA_AF_SPEC)
                    .nested_unmarked(AF_INET6)
                    .u8(IFLA_INET6_ADDR_GEN_MODE, mode.into());
            }
        }
    }

    /// Writes it as the other end of a pair: in the header's place a structure inside a nest.
    pub(in crate::link) fn encode_peer(&self, w: &mut AttrWriter<'_>) {
        let header = IfInfoMsg {
            index: self.index.unwrap_or(0),
            change: self.flags.0.bits(),
            flags: self.flags.1.bits(),
            ..IfInfoMsg::default()
        };
        let mut bytes = Vec::with_capacity(IfInfoMsg::LEN);
        header.write(&mut bytes);
        w.raw(&bytes);
        self.encode(w, LinkVerb::Add);
        if let Dev::Name(name) = &self.dev {
            w.str(IFLA_IFNAME, name);
        }
    }

    /// Refuses what cannot be the other end of a pair: the kernel drops it without an error.
    pub(in crate::link) fn check_peer(&self) -> Result<(), Invalid> {
        let dropped = [
            ("link", self.link.is_some() || self.link_netnsid.is_some()),
            ("master", self.master.is_some() || self.port.is_some()),
            ("alias", self.alias.is_some()),
            ("addrgenmode", self.addr_gen_mode.is_some()),
            ("protodown", self.protocol_down.is_some()),
            ("altname", !self.alt_names.is_empty()),
        ];
        let dropped: Vec<_> = dropped.iter().filter(|(_, set)| *set).map(|(word, _)| *word).collect();
        if !dropped.is_empty() {
            let words = dropped.join(", ");
            return Err(format!("{words} of a peer, which the kernel drops: change it afterwards").into());
        }
        Invalid::when(self.rename.is_some(), "a peer with another new name: name it when it is made")?;
        let (changed, set) = self.flags;
        let is_up = (changed & set).contains(LinkFlags::UP);
        Invalid::when(is_up, "a peer that is up: bring it up when there is the pair")?;
        Invalid::when(self.kind.is_some(), "the peer of a veth device with a kind: it is a veth device too")?;
        self.check(LinkVerb::Add)
    }

    fn encode_kinds(&self, w: &mut AttrWriter<'_>, verb: LinkVerb) {
        let mut info = w.nested_unless_empty(IFLA_LINKINFO);
        // The kernel drops what a new device is to have as a port.
        let port = if verb == LinkVerb::Add { &None } else { &self.port };
        for (kind, place) in [(&self.kind, Place::Device), (port, Place::Port)] {
            if let Some(kind) = kind {
                kind.encode_as(&mut info, place, verb);
            }
        }
    }

    /// What a new device still needs, which the kernel takes in a change only and silently drops when a device is made: alias,
    /// address generation, protocol down, the options of a port. [`request`](Self::request) then makes the device without.
    pub(super) fn later(&mut self) -> Option<Self> {
        let waits = self.alias.is_some()
            || self.addr_gen_mode.is_some()
            || self.protocol_down.is_some()
            || self.port.is_some();
        waits.then(|| {
            let mut later = Self::new(self.dev.clone());
            later.port = self.port.take();
            later.alias = self.alias.take();
            later.addr_gen_mode = self.addr_gen_mode.take();
            later.protocol_down = self.protocol_down.take();
            later.flags = std::mem::take(&mut self.flags);
            later
        })
    }

    /// The options of a port, where they have to wait for its master: in one request the kernel gives them to the master that the
    /// device had before, and drops them if it had none.
    pub(super) fn port_later(&mut self) -> Option<Self> {
        let waits = self.port.is_some() && self.master.is_some();
        waits.then(|| {
            let mut later = Self::new(self.dev.clone());
            later.port = self.port.take();
            later
        })
    }

    /// The flags, where they have to wait for address generation: in one request the kernel sets the flags first, and a device
    /// that comes up makes itself an address at once.
    pub(super) fn flags_later(&mut self) -> Option<Self> {
        let waits = self.addr_gen_mode.is_some() && !self.flags.0.is_empty();
        waits.then(|| {
            let mut later = Self::new(self.dev.clone());
            later.flags = std::mem::take(&mut self.flags);
            later
        })
    }

    /// The request that adds the [`alt_names`](Self::alt_names) to the device and changes nothing else. The device may be given by name.
    ///
    /// Equivalent: `ip link property add dev DEV altname NAME`.
    #[must_use]
    pub fn add_alt_names_request(&self) -> Request {
        self.alt_names_request(true)
    }

    /// The request that removes the [`alt_names`](Self::alt_names) from the device and changes nothing else.
    ///
    /// Equivalent: `ip link property del dev DEV altname NAME`.
    #[must_use]
    pub fn remove_alt_names_request(&self) -> Request {
        self.alt_names_request(false)
    }

    /// The request that adds the alternative names.
    pub(super) fn alt_names_request(&self, add: bool) -> Request {
        let (message, flags) = match add {
            true => (RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND),
            false => (RTM_DELLINKPROP, 0),
        };
        let header = IfInfoMsg { index: self.dev.index().unwrap_or(0), ..IfInfoMsg::default() };
        let mut request = Request::new(message, &NAMES, describe).with_flags(flags).with_header(&header);
        let mut attrs = request.attrs();
        let mut list = attrs.nested(IFLA_PROP_LIST);
        for name in &self.alt_names {
            list.str(IFLA_ALT_IFNAME, name);
        }
        drop(list);
        put_name(&mut request, &self.dev);
        request.invalid_if(self.check_alt_names())
    }

    fn check(&self, verb: LinkVerb) -> Result<(), Invalid> {
        match (&self.dev, verb) {
            (Dev::Index(0), _) => return Err("interface index 0; the first one is 1".into()),
            (Dev::Index(_), LinkVerb::Add) => return Err("a new device needs a name".into()),
            (Dev::Name(name), LinkVerb::Add) => check_name(name)?,
            _ => {}
        }
        if verb == LinkVerb::Delete {
            return Ok(());
        }
        if let Some(name) = &self.rename {
            check_name(name)?;
        }
        if let Some(index) = self.index {
            crate::check::check_index(index)?;
        }
        Invalid::when(
            verb == LinkVerb::Change && (self.num_tx_queues.is_some() || self.num_rx_queues.is_some()),
            "the number of queues is set when the device is created",
        )?;
        crate::check::opt_within("numtxqueues", self.num_tx_queues, 1, QUEUES_MAX)?;
        crate::check::opt_within("numrxqueues", self.num_rx_queues, 1, QUEUES_MAX)?;
        if let Some(alias) = self.alias.as_ref().filter(|alias| alias.len() > ALIAS_MAX) {
            return Err(format!("alias of {} bytes; {ALIAS_MAX} are possible", alias.len()).into());
        }
        self.check_alt_names()?;
        for dev in [&self.link, &self.master].into_iter().flatten() {
            if let Dev::Name(name) = dev {
                return Err(format!("{name} is a name; a request takes an index").into());
            }
        }
        for (kind, place) in [(&self.kind, Place::Device), (&self.port, Place::Port)] {
            if let Some(kind) = kind {
                kind.check_as(place, verb, self.link.is_some())?;
            }
        }
        Ok(())
    }

    fn check_alt_names(&self) -> Result<(), Invalid> {
        for name in &self.alt_names {
            if name.is_empty() || name.len() > ALTIFNAME_MAX {
                let len = name.len();
                return Err(
                    format!("alternative name of {len} bytes; 1 to {ALTIFNAME_MAX} are possible").into()
                );
            }
        }
        Ok(())
    }
}

/// A name that a device can have, which may be shorter than what [`Dev`] takes for finding one.
fn check_name(name: &str) -> Result<(), Invalid> {
    if name.len() > IFNAME_MAX {
        return Err(format!("interface name of {} bytes; 1 to {IFNAME_MAX} are possible", name.len()).into());
    }
    // The kernel takes these for a pattern to be filled with a number.
    Invalid::when(name.contains('%'), "interface name with a '%', which the kernel would replace")?;
    Invalid::when(name.contains(':'), "interface name with a ':', which the kernel refuses")?;
    Dev::from(name).check().map_err(|error| Invalid::new(error.to_string()))
}

/// The words of `ip link`, with `#5` for interface 5.
impl fmt::Display for LinkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.request(LinkVerb::Change).describe();
        f.write_str(text.strip_prefix("set ").unwrap_or(&text))
    }
}

/// Asks the kernel to send the new device back.
pub(super) fn echoed(request: Request) -> Request {
    request.with_flags(NLM_F_ECHO)
}
