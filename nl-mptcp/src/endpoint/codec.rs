use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use bitflags::bitflags;
use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::message::{GenlHeader, MessageRef};

use crate::AddressId;
use crate::message::{
    AddressNest, CMD_ADD_ADDR, CMD_DEL_ADDR, CMD_FLUSH_ADDRS, CMD_GET_ADDR, CMD_SET_FLAGS,
    MPTCP_PM_ADDR_ATTR_ADDR4, MPTCP_PM_ATTR_ADDR, request,
};

bitflags! {
    /// Flags of an endpoint (`MPTCP_PM_ADDR_FLAG_*`); bits this crate does not know are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct EndpointFlags: u32 {
        /// Announced to the peer (`signal`).
        const SIGNAL = 0x01;
        /// Subflows are opened from it (`subflow`).
        const SUBFLOW = 0x02;
        /// Subflows from and to it carry data only when no other can (`backup`).
        const BACKUP = 0x04;
        /// A subflow is opened from it to every address the peer announced (`fullmesh`).
        const FULLMESH = 0x08;
        /// Made by the kernel for a subflow that came in on an address of no endpoint (`implicit`); only read.
        const IMPLICIT = 0x10;
        /// Used for the subflow to an address the peer announced, and for nothing else (`laminar`, Linux 6.18).
        const LAMINAR = 0x20;
        const _ = !0;
    }
}

/// What [`change`](EndpointVerb::Change) can change.
pub(crate) const CHANGEABLE: EndpointFlags = EndpointFlags::BACKUP.union(EndpointFlags::FULLMESH);

/// What is done with an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndpointVerb {
    /// Make it; fails if the address or the id is taken (`MPTCP_PM_CMD_ADD_ADDR`).
    Add,
    /// Give it these backup and fullmesh flags, both, found by its id, or without one by its address and port
    /// (`MPTCP_PM_CMD_SET_FLAGS`).
    Change,
    /// Remove the one with this id (`MPTCP_PM_CMD_DEL_ADDR`).
    Delete,
    /// Read the one with this id (`MPTCP_PM_CMD_GET_ADDR`).
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

/// A local address for Multipath TCP, as it is read and as it is written.
///
/// ```
/// use nl_mptcp::endpoint::Endpoint;
///
/// let endpoint = Endpoint::new("192.0.2.1".parse()?).id(5).signal().port(8443);
/// assert_eq!(endpoint.to_string(), "192.0.2.1 port 8443 id 5 signal");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Unknown bits in [`flags`](Self::flags) survive being read and written back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Endpoint {
    /// The address. One that maps IPv4 into IPv6 is an IPv6 address to the kernel and stays one.
    pub address: IpAddr,
    /// Its number, 1 to 255; 0 where none was given, and the kernel chooses.
    pub id: AddressId,
    /// A port of its own that the kernel listens on, and announces with the address.
    pub port: Option<u16>,
    /// What it is used for.
    #[cfg_attr(feature = "serde", serde(serialize_with = "bits"))]
    pub flags: EndpointFlags,
    /// The interface that subflows from it are bound to.
    pub index: Option<u32>,
}

impl Endpoint {
    /// An endpoint without a purpose yet.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        Self { address, id: AddressId::INITIAL, port: None, flags: EndpointFlags::empty(), index: None }
    }

    /// With this number, 1 to 255, instead of the next that is free.
    #[must_use]
    pub fn id(mut self, id: impl Into<AddressId>) -> Self {
        self.id = id.into();
        self
    }

    /// Announced with a port of its own, on which the kernel listens. Takes [`signal`](Self::signal) without
    /// [`subflow`](Self::subflow).
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Subflows from it leave through the interface of this index (`dev`).
    #[must_use]
    pub fn index(mut self, index: u32) -> Self {
        self.index = Some(index);
        self
    }

    /// With these flags in addition, whatever they mean.
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

    /// Subflows are opened from it (`subflow`).
    #[must_use]
    pub fn subflow(self) -> Self {
        self.flags(EndpointFlags::SUBFLOW)
    }

    /// Subflows from and to it carry data only when no other can (`backup`).
    #[must_use]
    pub fn backup(self) -> Self {
        self.flags(EndpointFlags::BACKUP)
    }

    /// A subflow is opened from it to every address the peer announced (`fullmesh`). Not with [`signal`](Self::signal).
    #[must_use]
    pub fn fullmesh(self) -> Self {
        self.flags(EndpointFlags::FULLMESH)
    }

    /// Used for the subflow to an address the peer announced, and for nothing else (`laminar`). Linux 6.18; an older
    /// kernel forgets it without a word.
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
        let nest = AddressNest::read(nest.attrs())?;
        Ok(Self {
            address: nest.address.ok_or(DecodeError::Missing(MPTCP_PM_ADDR_ATTR_ADDR4))?,
            id: nest.id.unwrap_or_default(),
            port: nest.port,
            flags: EndpointFlags::from_bits_retain(nest.flags.unwrap_or_default()),
            index: nest.index,
        })
    }

    /// The request that does this with the endpoint, where the [family](crate::FAMILY) has the number `family`. One that the
    /// kernel would refuse, or would take and quietly do something else, is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn request(&self, family: u16, verb: EndpointVerb) -> Request {
        let id = Some(self.id).filter(|id| !id.is_initial());
        let (command, nest) = match verb {
            EndpointVerb::Add => {
                let flags = Some(self.flags.bits()).filter(|flags| *flags != 0);
                let nest = AddressNest {
                    address: Some(self.address),
                    id,
                    port: self.port,
                    flags,
                    index: self.index,
                };
                (CMD_ADD_ADDR, nest)
            }
            EndpointVerb::Change => {
                let flags = Some((self.flags & CHANGEABLE).bits()).filter(|flags| *flags != 0);
                let nest = match id {
                    Some(_) => AddressNest { id, flags, ..AddressNest::default() },
                    None => {
                        let address = Some(self.address);
                        AddressNest { address, port: self.port, flags, ..AddressNest::default() }
                    }
                };
                (CMD_SET_FLAGS, nest)
            }
            EndpointVerb::Delete => (CMD_DEL_ADDR, AddressNest { id, ..AddressNest::default() }),
            EndpointVerb::Get => (CMD_GET_ADDR, AddressNest { id, ..AddressNest::default() }),
        };
        let mut request = request(family, command);
        nest.write(&mut request.attrs(), MPTCP_PM_ATTR_ADDR);
        match self.refusal(verb) {
            None => request,
            Some(why) => request.invalid_if(Err((why).into())),
        }
    }

    /// The request that closes the subflows which the connections of the kernel's path manager began with, where those are
    /// from this address: a deletion of id 0.
    #[must_use]
    pub fn drop_initial_request(&self, family: u16) -> Request {
        let mut request = request(family, CMD_DEL_ADDR);
        let nest = AddressNest {
            address: Some(self.address),
            id: Some(AddressId::INITIAL),
            port: self.port,
            ..AddressNest::default()
        };
        nest.write(&mut request.attrs(), MPTCP_PM_ATTR_ADDR);
        request
    }

    /// The request that lists the endpoints, in a dump.
    #[must_use]
    pub fn list_request(family: u16) -> Request {
        request(family, CMD_GET_ADDR)
    }

    /// The request that removes all endpoints.
    #[must_use]
    pub fn flush_request(family: u16) -> Request {
        request(family, CMD_FLUSH_ADDRS)
    }

    /// Why the kernel would refuse this, or do something else than it says.
    fn refusal(&self, verb: EndpointVerb) -> Option<Cow<'static, str>> {
        let has = |flags| self.flags.contains(flags);
        if matches!(verb, EndpointVerb::Delete | EndpointVerb::Get) {
            let why = "an endpoint is found by its id, 1 to 255: with id 0 the kernel does something else";
            return self.id.is_initial().then_some(why.into());
        }
        if self.port == Some(0) {
            return Some("port 0; leave the port out, or give 1 to 65535".into());
        }
        if verb == EndpointVerb::Change {
            let announced = has(EndpointFlags::FULLMESH)
                && self.flags.intersects(EndpointFlags::SIGNAL | EndpointFlags::IMPLICIT);
            return announced.then_some("signal and implicit exclude fullmesh".into());
        }
        if let Some(index) = self.index.filter(|index| *index == 0 || i32::try_from(*index).is_err()) {
            return Some(format!("interface index {index}; 1 to {} are possible", i32::MAX).into());
        }
        if has(EndpointFlags::IMPLICIT) {
            return Some("the implicit flag is the kernel's to set".into());
        }
        if has(EndpointFlags::SIGNAL | EndpointFlags::FULLMESH) {
            return Some("signal and fullmesh exclude each other".into());
        }
        if self.port.is_some() && (!has(EndpointFlags::SIGNAL) || has(EndpointFlags::SUBFLOW)) {
            return Some("a port is announced: it takes signal, and no subflow".into());
        }
        None
    }
}

/// A line as `ip mptcp endpoint show` prints it, with `#5` in place of the name of interface 5.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if let Some(port) = self.port {
            write!(f, " port {port}")?;
        }
        if !self.id.is_initial() {
            write!(f, " id {}", self.id)?;
        }
        write_flags(f, self.flags)?;
        match self.index {
            Some(index) => write!(f, " dev #{index}"),
            None => Ok(()),
        }
    }
}

/// In the words and the order of `ip mptcp endpoint show`, unknown bits as a number.
pub(crate) fn write_flags(f: &mut impl fmt::Write, flags: EndpointFlags) -> fmt::Result {
    const WORDS: [(EndpointFlags, &str); 6] = [
        (EndpointFlags::SIGNAL, " signal"),
        (EndpointFlags::SUBFLOW, " subflow"),
        (EndpointFlags::BACKUP, " backup"),
        (EndpointFlags::FULLMESH, " fullmesh"),
        (EndpointFlags::IMPLICIT, " implicit"),
        (EndpointFlags::LAMINAR, " laminar"),
    ];
    let mut rest = flags;
    for (flag, word) in WORDS {
        if flags.contains(flag) {
            f.write_str(word)?;
        }
        rest -= flag;
    }
    if rest.is_empty() { Ok(()) } else { write!(f, " flags {:#x}", rest.bits()) }
}

#[cfg(feature = "serde")]
fn bits<S: serde::Serializer>(flags: &EndpointFlags, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u32(flags.bits())
}
