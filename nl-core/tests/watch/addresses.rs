//! What a family adds to be watched: IP addresses of interfaces.

use std::borrow::Cow;
use std::net::IpAddr;

use nl_core::Protocol;
use nl_core::Request;
use nl_core::address::{
    IfAddrMsg, RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
};
use nl_core::attr::DecodeError;
use nl_core::message::MessageRef;
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

    fn groups(&self) -> Vec<u32> {
        vec![RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR]
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
        Request::unnamed(RTM_GETADDR).with_header(&IfAddrMsg::default())
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<Address>, DecodeError> {
        let (header, attrs) = message.header::<IfAddrMsg>()?;
        let (mut local, mut peer, mut flags, mut lifetimes) = (None, None, u32::from(header.flags), None);
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
        Ok(Some(Address { index: header.index, ip, prefix: header.prefix_len, flags, lifetimes }))
    }

    /// The kernel finds a single IPv6 address, but no single IPv4 address.
    fn question(&self, _: &Address) -> Option<Request> {
        None
    }
}

// `include/uapi/linux/if_addr.h`
pub(crate) const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
pub(crate) const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
