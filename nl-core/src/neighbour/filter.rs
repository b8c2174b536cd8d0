use super::codec::{NAMES, NDA_IFINDEX, NDA_MASTER, describe};
use super::{
    Neighbour, NeighbourFlags, NeighbourFlagsExt, NeighbourState, RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH,
};
use crate::addr::IpFamily;
use crate::attr::{AttrWriter, DecodeError};
use crate::check::{Invalid, check_index};
use crate::message::{AF_UNSPEC, MessageRef, NdMsg};
use crate::request::Request;

/// Which entries to list or flush.
///
/// `index`, `master`, `family` and `proxy` are filtered by the kernel, the rest while reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NeighbourFilter {
    /// On this interface.
    pub index: Option<u32>,
    /// On interfaces that are ports of this one, such as those of a VRF.
    pub master: Option<u32>,
    /// Of IPv4 or of IPv6.
    pub family: Option<IpFamily>,
    /// The addresses the host answers for, in place of the neighbours.
    pub proxy: bool,
    /// In one of these states; in none if it is empty.
    pub state: Option<NeighbourState>,
    /// With all of these flags.
    pub flags: NeighbourFlags,
    /// With all of these further flags.
    pub flags_ext: NeighbourFlagsExt,
    /// Put there by this protocol (`RTPROT_*`).
    pub protocol: Option<u8>,
}

impl NeighbourFilter {
    /// The request that lists what the kernel can filter.
    #[must_use]
    pub fn list_request(&self) -> Request {
        let flags = if self.proxy { NeighbourFlags::PROXY } else { NeighbourFlags::empty() };
        let family = self.family.map_or(AF_UNSPEC, IpFamily::number);
        let mut request = Request::new(RTM_GETNEIGH, &NAMES, describe).with_header(&NdMsg {
            family,
            flags: flags.bits(),
            ..NdMsg::default()
        });
        let mut w = request.attrs();
        w.opt(NDA_IFINDEX, self.index, AttrWriter::u32);
        w.opt(NDA_MASTER, self.master, AttrWriter::u32);
        request.invalid_if(self.check())
    }

    /// Whether an entry passes what the kernel does not filter.
    #[must_use]
    pub fn matches(&self, neighbour: &Neighbour) -> bool {
        self.family.is_none_or(|family| neighbour.family() == family)
            && self.index.is_none_or(|index| neighbour.index == index)
            && self.state.is_none_or(|state| match state.is_empty() {
                true => neighbour.state.is_empty(),
                false => neighbour.state.intersects(state),
            })
            && neighbour.flags.contains(self.flags)
            && neighbour.flags_ext.contains(self.flags_ext)
            && self.protocol.is_none_or(|protocol| neighbour.protocol == Some(protocol))
    }

    fn check(&self) -> Result<(), Invalid> {
        self.index.map_or(Ok(()), check_index)?;
        self.master.map_or(Ok(()), check_index)?;
        Invalid::when(self.protocol == Some(0), "protocol 0; 1 to 255 are possible")
    }
}

/// A change of the neighbours of a namespace, from the group [`RTNLGRP_NEIGH`](super::RTNLGRP_NEIGH).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum NeighbourEvent {
    /// The entry was deleted.
    Deleted(Neighbour),
    /// The entry is new or has changed.
    New(Neighbour),
}

impl NeighbourEvent {
    /// Reads an event; `None` for a message that is not about neighbours of IP: those of forwarding databases come in the same
    /// group.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        match message.kind() {
            RTM_NEWNEIGH => Ok(Neighbour::decode_ip(message)?.map(Self::New)),
            RTM_DELNEIGH => Ok(Neighbour::decode_ip(message)?.map(Self::Deleted)),
            _ => Ok(None),
        }
    }
}
