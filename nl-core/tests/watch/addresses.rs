//! What a family adds to be watched: IP addresses of interfaces.

use std::borrow::Cow;
use std::net::IpAddr;

use nl_core::Protocol;
use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::message::{FixedHeader, MessageRef};
use nl_core::watch::{Entry, Event, Source};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Address {
    pub(crate) index: u32,
    pub(crate) ip: IpAddr,
    pub(crate) prefix: u8,
    pub(crate) flags: u32,
    /// In seconds; they count down.
    pub(crate) lifetimes: Option<[u8; 16]>,
}

impl Entry for Address {
    type Key = (u32, IpAddr, u8);

    fn key(&self) -> Self::Key {
        (self.index, self.ip, self.prefix)
    }

    fn normalized(&self) -> Cow<'_, Self> {
        Cow::Owned(Self { lifetimes: None, ..self.clone() })
    }
}

#[derive(Clone)]
pub(crate) struct Addresses;

impl Source for Addresses {
    type Entry = Address;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "addresses";

    /// `RTNLGRP_IPV4_IFADDR` and `RTNLGRP_IPV6_IFADDR`.
    fn groups(&self) -> Vec<u32> {
        vec![5, 9]
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<Address>>, DecodeError> {
        let make = match message.kind() {
            RTM_NEWADDR => Event::New,
            RTM_DELADDR => Event::Deleted,
            _ => return Ok(None),
        };
        Ok(self.decode_entry(message)?.map(make))
    }

    fn list(&self) -> Request {
        Request::unnamed(RTM_GETADDR).with_header(&IfAddrMsg([0; 8]))
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<Address>, DecodeError> {
        let (IfAddrMsg([_, prefix, flags, _, index @ ..]), attrs) = message.header()?;
        let (mut local, mut peer, mut flags, mut lifetimes) = (None, None, u32::from(flags), None);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                IFA_ADDRESS => peer = Some(attr.ip()?),
                IFA_LOCAL => local = Some(attr.ip()?),
                IFA_CACHEINFO => lifetimes = Some(attr.array()?),
                IFA_FLAGS => flags = attr.u32()?,
                _ => {}
            }
        }
        let ip = local.or(peer).ok_or(DecodeError::Missing(IFA_ADDRESS))?;
        Ok(Some(Address { index: u32::from_ne_bytes(index), ip, prefix, flags, lifetimes }))
    }

    /// The kernel finds a single IPv6 address, but no single IPv4 address.
    fn question(&self, _: &Address) -> Option<Request> {
        None
    }
}

/// `struct ifaddrmsg`
struct IfAddrMsg([u8; 8]);

impl FixedHeader for IfAddrMsg {
    const LEN: usize = 8;
    const NAME: &'static str = "ifaddrmsg";

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let short = DecodeError::Short { what: Self::NAME, needed: Self::LEN, got: payload.len() };
        payload.split_first_chunk().map(|(head, rest)| (Self(*head), rest)).ok_or(short)
    }
}

// `include/uapi/linux/rtnetlink.h`, `include/uapi/linux/if_addr.h`
pub(crate) const RTM_NEWADDR: u16 = 20;
pub(crate) const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
pub(crate) const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
pub(crate) const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
