use super::codec::{IFA_TARGET_NETNSID, NAMES, check_label, describe};
use super::{Address, AddressScope, IfAddrMsg, RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR};
use crate::addr::IpFamily;
use crate::attr::{AttrWriter, DecodeError};
use crate::check::{Invalid, check_index};
use crate::message::{AF_UNSPEC, MessageRef};
use crate::request::Request;

/// Which addresses to list or flush.
///
/// `index`, `family` and `target_netnsid` are filtered by the kernel, the rest while reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressFilter {
    /// On this interface.
    pub index: Option<u32>,
    /// Of IPv4 or of IPv6.
    pub family: Option<IpFamily>,
    /// With this label, which only IPv4 addresses have.
    pub label: Option<String>,
    /// Of this scope.
    pub scope: Option<AddressScope>,
    /// In the namespace that has this number here (`ip netns list-id`). Linux 4.20.
    pub target_netnsid: Option<i32>,
}

impl AddressFilter {
    /// The request that lists what the kernel can filter.
    #[must_use]
    pub fn list_request(&self) -> Request {
        let header = IfAddrMsg {
            family: self.family.map_or(AF_UNSPEC, IpFamily::number),
            index: self.index.unwrap_or(0),
            ..IfAddrMsg::default()
        };
        let mut request = Request::new(RTM_GETADDR, &NAMES, describe).with_header(&header);
        request.attrs().opt(IFA_TARGET_NETNSID, self.target_netnsid, AttrWriter::i32);
        request.invalid_if(self.check())
    }

    /// Whether an address passes.
    #[must_use]
    pub fn matches(&self, address: &Address) -> bool {
        self.index.is_none_or(|index| address.index == index)
            && self.family.is_none_or(|family| address.family() == family)
            && self.label.as_ref().is_none_or(|label| address.label.as_ref() == Some(label))
            && self.scope.is_none_or(|scope| address.scope == scope)
    }

    fn check(&self) -> Result<(), Invalid> {
        self.index.map_or(Ok(()), check_index)?;
        self.label.as_deref().map_or(Ok(()), check_label)
    }
}

/// A change of the addresses of a namespace, from the groups [`RTNLGRP_IPV4_IFADDR`](super::RTNLGRP_IPV4_IFADDR) and
/// [`RTNLGRP_IPV6_IFADDR`](super::RTNLGRP_IPV6_IFADDR).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum AddressEvent {
    /// The address was deleted.
    Deleted(Address),
    /// The address is new or has changed.
    New(Address),
}

impl AddressEvent {
    /// Reads an event; `None` for a message that is not about IP addresses.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        match message.kind() {
            RTM_NEWADDR => Ok(Address::decode_ip(message)?.map(Self::New)),
            RTM_DELADDR => Ok(Address::decode_ip(message)?.map(Self::Deleted)),
            _ => Ok(None),
        }
    }
}
