use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use bitflags::bitflags;
use nl_core::attr::{Attr, AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, check_index};
use nl_core::message::{GenlHeader, MessageRef};
use nl_core::{Error, Request};

use crate::AddressId;
use crate::message::*;

/// A local address of the kernel's path manager.
///
/// ```
/// use nl_mptcp::endpoint::Endpoint;
///
/// let endpoint = Endpoint::new("192.0.2.1".parse()?).id(5).signal().port(8443);
/// assert_eq!(endpoint.to_string(), "192.0.2.1 port 8443 id 5 signal");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// Unknown bits in [`flags`](Self::flags) survive a round trip.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Endpoint {
    /// The address. The kernel treats an IPv4-mapped IPv6 address as IPv6.
    pub address: IpAddr,
    /// Its id, 1 to 255; 0 if unset, and the kernel chooses.
    pub id: AddressId,
    /// A port that the kernel listens on, and announces with the address.
    pub port: Option<u16>,
    /// Its flags.
    pub flags: EndpointFlags,
    /// The interface that subflows from it are bound to.
    pub index: Option<u32>,
}

impl Endpoint {
    /// An endpoint without flags.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        Self { address, id: AddressId::INITIAL, port: None, flags: EndpointFlags::empty(), index: None }
    }

    /// With this id, 1 to 255, instead of the next free one.
    #[must_use]
    pub fn id(mut self, id: impl Into<AddressId>) -> Self {
        self.id = id.into();
        self
    }

    /// Subflows from it leave through the interface of this index (`dev`).
    #[must_use]
    pub fn index(mut self, index: u32) -> Self {
        self.index = Some(index);
        self
    }

    /// With these flags in addition.
    #[must_use]
    pub fn flags(mut self, flags: EndpointFlags) -> Self {
        self.flags |= flags;
        self
    }

    /// Announced to the peer (`signal`).
    #[must_use]
    pub fn signal(self) -> Self {
        self.flags(EndpointFlags::SIGNAL)
    }

    /// Subflows are created from it (`subflow`).
    #[must_use]
    pub fn subflow(self) -> Self {
        self.flags(EndpointFlags::SUBFLOW)
    }

    /// Its subflows are backups: they carry data only when no regular subflow can (`backup`).
    #[must_use]
    pub fn backup(self) -> Self {
        self.flags(EndpointFlags::BACKUP)
    }

    /// A subflow is created from it to every address that the peer announced (`fullmesh`). Most kernels refuse it together with
    /// [`signal`](Self::signal).
    #[must_use]
    pub fn fullmesh(self) -> Self {
        self.flags(EndpointFlags::FULLMESH)
    }

    /// Used only for subflows to addresses that the peer announced (`laminar`). Linux 6.18; an older kernel drops it silently.
    #[must_use]
    pub fn laminar(self) -> Self {
        self.flags(EndpointFlags::LAMINAR)
    }

    /// Reads the answer to `MPTCP_PM_CMD_GET_ADDR`.
    ///
    /// # Errors
    /// The message answers another command, is malformed, or has no address.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        let (header, attrs) = message.header::<GenlHeader>()?;
        if header.command != CMD_GET_ADDR {
            return Err(DecodeError::Kind(message.kind()));
        }
        let nest = attrs.find(MPTCP_PM_ATTR_ADDR)?.ok_or(DecodeError::Missing(MPTCP_PM_ATTR_ADDR))?;
        match Self::decode_nest(nest.attrs())? {
            (endpoint, true) => Ok(endpoint),
            (_, false) => Err(DecodeError::Missing(MPTCP_PM_ADDR_ATTR_ADDR4)),
        }
    }

    /// The endpoint in an address nest, and whether the nest has an address.
    pub(crate) fn decode_nest(attrs: Attrs<'_>) -> Result<(Self, bool), DecodeError> {
        let mut endpoint = Self::new(Ipv4Addr::UNSPECIFIED.into());
        let mut has_address = false;
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                MPTCP_PM_ADDR_ATTR_ID => endpoint.id = AddressId::new(attr.u8()?),
                MPTCP_PM_ADDR_ATTR_ADDR4 => {
                    (endpoint.address, has_address) = (attr.array::<4>()?.into(), true);
                }
                MPTCP_PM_ADDR_ATTR_ADDR6 => {
                    (endpoint.address, has_address) = (attr.array::<16>()?.into(), true);
                }
                MPTCP_PM_ADDR_ATTR_FLAGS => endpoint.flags = EndpointFlags::from_bits_retain(attr.u32()?),
                MPTCP_PM_ADDR_ATTR_IF_IDX => endpoint.index = Some(attr.u32()?).filter(|index| *index != 0),
                // Nothing of `MPTCP_PM_ADDR_ATTR_FAMILY`: the address implies it.
                _ => endpoint.decode_attribute(attr)?,
            }
        }
        Ok((endpoint, has_address))
    }

    /// The request that does this with the endpoint, where the [family](crate::FAMILY) has the number `family`. One that the
    /// kernel would refuse, or accept and do something else, is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn request(&self, family: u16, verb: EndpointVerb) -> Request {
        let by_id = Self::new(self.address).id(self.id);
        let (command, sent, with_address) = match verb {
            EndpointVerb::Add => (CMD_ADD_ADDR, self.clone(), true),
            EndpointVerb::Change => {
                let has_id = !self.id.is_initial();
                let port = self.port.filter(|_| !has_id);
                (CMD_SET_FLAGS, Self { port, flags: self.flags & CHANGEABLE, ..by_id }, !has_id)
            }
            EndpointVerb::Delete => (CMD_DEL_ADDR, by_id, false),
            EndpointVerb::Get => (CMD_GET_ADDR, by_id, false),
        };
        let mut request = request(family, command, describe);
        sent.encode(with_address, &mut request.attrs().nested(MPTCP_PM_ATTR_ADDR));
        request.invalid_if(self.check(verb))
    }

    /// The request that closes the initial subflows from this address of all connections of the kernel's path manager: a
    /// deletion of id 0.
    #[must_use]
    pub fn drop_initial_request(&self, family: u16) -> Request {
        let mut request = request(family, CMD_DEL_ADDR, describe);
        let mut w = request.attrs();
        let mut nest = w.nested(MPTCP_PM_ATTR_ADDR);
        Self { port: self.port, ..Self::new(self.address) }.encode(true, &mut nest);
        nest.u8(MPTCP_PM_ADDR_ATTR_ID, AddressId::INITIAL.get());
        drop(nest);
        request
    }

    /// The request that lists the endpoints, in a dump.
    #[must_use]
    pub fn list_request(family: u16) -> Request {
        request(family, CMD_GET_ADDR, describe)
    }

    /// The request that removes all endpoints.
    #[must_use]
    pub fn flush_request(family: u16) -> Request {
        request(family, CMD_FLUSH_ADDRS, describe)
    }

    /// Writes what is set into an address nest. The kernel accepts the attributes in any order.
    pub(crate) fn encode(&self, with_address: bool, nest: &mut AttrWriter<'_>) {
        if with_address {
            let (family, kind) = match self.address {
                IpAddr::V4(_) => (AF_INET, MPTCP_PM_ADDR_ATTR_ADDR4),
                IpAddr::V6(_) => (AF_INET6, MPTCP_PM_ADDR_ATTR_ADDR6),
            };
            nest.u16(MPTCP_PM_ADDR_ATTR_FAMILY, family).ip(kind, self.address);
        }
        nest.opt(MPTCP_PM_ADDR_ATTR_ID, Some(self.id.get()).filter(|id| *id != 0), AttrWriter::u8);
        self.encode_attributes(nest);
        let flags = Some(self.flags.bits()).filter(|flags| *flags != 0);
        nest.opt(MPTCP_PM_ADDR_ATTR_FLAGS, flags, AttrWriter::u32);
        nest.opt(MPTCP_PM_ADDR_ATTR_IF_IDX, self.index, AttrWriter::u32);
    }

    /// Refuses what the kernel would refuse, or accept and do something else.
    fn check(&self, verb: EndpointVerb) -> Result<(), Invalid> {
        let has = |flags| self.flags.contains(flags);
        if matches!(verb, EndpointVerb::Delete | EndpointVerb::Get) {
            let why = "an endpoint is selected by its id, 1 to 255: the kernel uses id 0 for something else";
            return Invalid::when(self.id.is_initial(), why);
        }
        check_port(self.port)?;
        // Whether an address that is announced can have fullmesh differs from kernel to kernel, so the kernel says that.
        if verb == EndpointVerb::Change {
            return Ok(());
        }
        self.index.map_or(Ok(()), check_index)?;
        Invalid::when(has(EndpointFlags::IMPLICIT), "only the kernel sets the implicit flag")?;
        let announced_only = has(EndpointFlags::SIGNAL) && !has(EndpointFlags::SUBFLOW);
        let why = "a port is announced: it needs signal, and excludes subflow";
        Invalid::when(self.port.is_some() && !announced_only, why)
    }

    /// The line of `ip mptcp endpoint show` with this name of the interface, which [`index`](Self#structfield.index) alone does not
    /// give.
    ///
    /// ```
    /// use nl_mptcp::endpoint::Endpoint;
    ///
    /// let endpoint = Endpoint::new("192.0.2.1".parse()?).id(5).subflow().index(3);
    /// assert_eq!(endpoint.to_string(), "192.0.2.1 id 5 subflow dev #3");
    /// assert_eq!(endpoint.on("eth1").to_string(), "192.0.2.1 id 5 subflow dev eth1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn on<'a>(&'a self, dev: &'a str) -> impl fmt::Display + 'a {
        Named { endpoint: self, dev }
    }

    /// The attributes behind the address, each with a space before it.
    fn write_details(&self, f: &mut impl Write) -> fmt::Result {
        self.write_without_dev(f)?;
        self.index.map_or(Ok(()), |index| write!(f, " dev #{index}"))
    }

    fn write_without_dev(&self, f: &mut impl Write) -> fmt::Result {
        if let Some(port) = self.port {
            write!(f, " port {port}")?;
        }
        if !self.id.is_initial() {
            write!(f, " id {}", self.id)?;
        }
        let mut unknown = self.flags;
        for (flag, word) in FLAG_WORDS {
            if self.flags.contains(flag) {
                write!(f, " {word}")?;
            }
            unknown -= flag;
        }
        if !unknown.is_empty() {
            write!(f, " flags {:#x}", unknown.bits())?;
        }
        Ok(())
    }
}

/// The optional attributes that an [`Endpoint`] and its [entry](super::EndpointEntry) set alike: what each sets, and how it is
/// read and written. A further one stands here, in the type, in [`Endpoint::new`], and in the words of `write_without_dev`; its
/// number in `message.rs`.
macro_rules! attributes {
    ($each:ident) => {
        $each! {
            /// Announced with a port of its own, on which the kernel listens. Needs [`signal`](Self::signal), and excludes [`subflow`](Self::subflow).
            port: u16 = MPTCP_PM_ADDR_ATTR_PORT;
        }
    };
}
pub(super) use attributes;

macro_rules! of_endpoint {
    ($($(#[$doc:meta])+ $name:ident: $type:ident = $kind:ident;)+) => {
        impl Endpoint {
            $(
                $(#[$doc])+
                #[must_use]
                pub fn $name(mut self, $name: $type) -> Self {
                    self.$name = Some($name);
                    self
                }
            )+

            /// Reads an attribute of an address nest. The kernel reports 0 for one that is unset.
            fn decode_attribute(&mut self, attr: Attr<'_>) -> Result<(), DecodeError> {
                match attr.kind() {
                    $($kind => self.$name = Some(attr.$type()?).filter(|value| *value != 0),)+
                    _ => {}
                }
                Ok(())
            }

            fn encode_attributes(&self, nest: &mut AttrWriter<'_>) {
                $(nest.opt($kind, self.$name, AttrWriter::$type);)+
            }
        }
    };
}

attributes!(of_endpoint);

/// A line as `ip mptcp endpoint show` prints it, with `#5` in place of the name of interface 5.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        self.write_details(f)
    }
}

/// An endpoint with the name of its interface.
struct Named<'a> {
    endpoint: &'a Endpoint,
    dev: &'a str,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.endpoint.address)?;
        self.endpoint.write_without_dev(f)?;
        match self.endpoint.index {
            Some(_) => write!(f, " dev {}", self.dev),
            None => Ok(()),
        }
    }
}

bitflags! {
    /// Flags of an endpoint (`MPTCP_PM_ADDR_FLAG_*`); unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct EndpointFlags: u32 {
        /// Announced to the peer (`signal`).
        const SIGNAL = 0x01;
        /// Subflows are created from it (`subflow`).
        const SUBFLOW = 0x02;
        /// Its subflows are backups: they carry data only when no regular subflow can (`backup`).
        const BACKUP = 0x04;
        /// A subflow is created from it to every address that the peer announced (`fullmesh`).
        const FULLMESH = 0x08;
        /// Added by the kernel for an incoming subflow on an address without an endpoint (`implicit`); read-only.
        const IMPLICIT = 0x10;
        /// Used only for subflows to addresses that the peer announced (`laminar`, Linux 6.18).
        const LAMINAR = 0x20;
        const _ = !0;
    }
}

serialize_bits!(EndpointFlags);

/// The flags that [`Change`](EndpointVerb::Change) can change.
pub(crate) const CHANGEABLE: EndpointFlags = EndpointFlags::BACKUP.union(EndpointFlags::FULLMESH);

/// The words of `ip mptcp endpoint show`, in its order.
const FLAG_WORDS: [(EndpointFlags, &str); 6] = [
    (EndpointFlags::SIGNAL, "signal"),
    (EndpointFlags::SUBFLOW, "subflow"),
    (EndpointFlags::BACKUP, "backup"),
    (EndpointFlags::FULLMESH, "fullmesh"),
    (EndpointFlags::IMPLICIT, "implicit"),
    (EndpointFlags::LAMINAR, "laminar"),
];

/// The words of `ip mptcp endpoint`, with a space between two of them; unknown bits as a number.
impl fmt::Display for EndpointFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut rest, mut space) = (*self, "");
        for (flag, word) in FLAG_WORDS {
            if rest.contains(flag) {
                write!(f, "{space}{word}")?;
                (rest, space) = (rest - flag, " ");
            }
        }
        if rest.is_empty() { Ok(()) } else { write!(f, "{space}{:#x}", rest.bits()) }
    }
}

/// From the words of `ip mptcp endpoint`, with spaces or commas between them: `subflow backup`. No word is no flag.
impl FromStr for EndpointFlags {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let words = text.split([' ', ',']).filter(|word| !word.is_empty());
        words.map(Self::of_word).collect()
    }
}

impl EndpointFlags {
    fn of_word(word: &str) -> Result<Self, Error> {
        let known = FLAG_WORDS.iter().find(|(_, of)| *of == word).map(|(flag, _)| *flag);
        let number = || u32::from_str_radix(word.strip_prefix("0x")?, 16).ok().map(Self::from_bits_retain);
        known.or_else(number).ok_or_else(|| {
            let words = FLAG_WORDS.map(|(_, word)| word).join(", ");
            Error::usage(format!("flag \"{word}\"; {words} are possible"))
        })
    }
}

/// An operation on an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndpointVerb {
    /// Add it; fails if the address or the id exists (`MPTCP_PM_CMD_ADD_ADDR`).
    Add,
    /// Set both its backup and its fullmesh flag; selected by its id, or without an id by its address and port
    /// (`MPTCP_PM_CMD_SET_FLAGS`).
    Change,
    /// Delete the endpoint of this id (`MPTCP_PM_CMD_DEL_ADDR`).
    Delete,
    /// Read the endpoint of this id (`MPTCP_PM_CMD_GET_ADDR`).
    Get,
}

impl fmt::Display for EndpointVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::Get => "get",
        })
    }
}

/// Refuses port 0 where a port is optional.
pub(crate) fn check_port(port: Option<u16>) -> Result<(), Invalid> {
    Invalid::when(port == Some(0), "port 0; leave the port out, or give 1 to 65535")
}

fn describe(message: MessageRef<'_>) -> String {
    let header = message.header::<GenlHeader>();
    let nest = header.and_then(|(header, attrs)| Ok((header.command, attrs.find(MPTCP_PM_ATTR_ADDR)?)));
    let Ok((command, nest)) = nest else { return "mptcp endpoint request".into() };
    let nest = nest.and_then(|nest| Endpoint::decode_nest(nest.attrs()).ok());
    let verb = match (command, &nest) {
        (CMD_ADD_ADDR, _) => "add",
        (CMD_DEL_ADDR, Some((_, true))) => "drop the initial subflows of",
        (CMD_DEL_ADDR, _) => "delete",
        (CMD_SET_FLAGS, _) => "change",
        (CMD_FLUSH_ADDRS, _) => return "flush mptcp endpoints".into(),
        (_, None) => return "list mptcp endpoints".into(),
        (_, Some(_)) => "get",
    };
    nest.map_or_else(|| format!("{verb} mptcp endpoint"), |(endpoint, by)| words(verb, &endpoint, by))
}

/// The operation in words. Without an address the endpoint is selected by its id.
pub(super) fn words(verb: &str, endpoint: &Endpoint, has_address: bool) -> String {
    let mut text = format!("{verb} mptcp endpoint");
    if has_address {
        text.push_str(&format!(" {}", endpoint.address));
    }
    // Writing to a String cannot fail.
    let _ = endpoint.write_details(&mut text);
    text
}

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
