use std::ops::RangeInclusive;

use super::codec::{NAMES, op_flags};
use super::entry::{Nexthop, NexthopFamily};
use super::message::*;
use crate::attr::AttrWriter;
use crate::check::{Invalid, check_index};
use crate::message::MessageRef;
use crate::request::Request;
use crate::route::RouteProtocol;

/// Which nexthops to list.
///
/// Numbers, protocol and `fdb` are filtered while reading, the rest by the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NexthopFilter {
    /// For routes of this family.
    pub family: Option<NexthopFamily>,
    /// Through this device.
    pub oif: Option<u32>,
    /// Through a port of this device.
    pub master: Option<u32>,
    /// Groups only.
    pub groups: bool,
    /// Those for forwarding databases only.
    pub fdb: bool,
    /// With these numbers.
    pub ids: Option<RangeInclusive<u32>>,
    /// Made by this protocol.
    pub protocol: Option<RouteProtocol>,
    /// With counters of the members of groups. Linux 6.9.
    pub stats: bool,
    /// With counters of the hardware too. Linux 6.9.
    pub hw_stats: bool,
}

impl NexthopFilter {
    /// The request that lists what the kernel can filter.
    #[must_use]
    pub fn list_request(&self) -> Request {
        let header = NhMsg { family: self.family.map_or(0, u8::from), ..NhMsg::default() };
        let mut request = Request::new(RTM_GETNEXTHOP, &NAMES, describe).with_header(&header);
        let mut w = request.attrs();
        w.opt(NHA_OIF, self.oif, AttrWriter::u32);
        w.opt(NHA_MASTER, self.master, AttrWriter::u32);
        if self.groups {
            w.flag(NHA_GROUPS);
        }
        if self.fdb {
            w.flag(NHA_FDB);
        }
        w.opt(NHA_OP_FLAGS, op_flags(self.stats, self.hw_stats), AttrWriter::u32);
        request
            .invalid_if(self.oif.map_or(Ok(()), check_index))
            .invalid_if(self.master.map_or(Ok(()), check_index))
            .invalid_if(self.check_ids())
    }

    /// Whether a nexthop passes what the kernel does not filter.
    #[must_use]
    pub fn matches(&self, hop: &Nexthop) -> bool {
        // The kernel takes NHA_FDB in the request and does not filter by it.
        (!self.fdb || hop.is_fdb)
            && self.ids.as_ref().is_none_or(|ids| ids.contains(&hop.id))
            && self.protocol.is_none_or(|protocol| hop.protocol == protocol)
    }

    /// Whether anything is selected but the family.
    pub(super) fn selects(&self) -> bool {
        let Self { oif, master, groups, fdb, ids, protocol, .. } = self;
        oif.is_some() || master.is_some() || *groups || *fdb || ids.is_some() || protocol.is_some()
    }

    fn check_ids(&self) -> Result<(), Invalid> {
        match &self.ids {
            Some(ids) if ids.is_empty() => {
                Err(format!("nexthop ids {} to {}: an empty range", ids.start(), ids.end()).into())
            }
            _ => Ok(()),
        }
    }
}

fn describe(message: MessageRef<'_>) -> String {
    let mut text = String::from("list nexthops");
    let attrs = message.header::<NhMsg>().map(|(_, attrs)| attrs);
    for attr in attrs.into_iter().flatten().flatten() {
        match (attr.kind(), attr.u32()) {
            (NHA_OIF, Ok(index)) => text.push_str(&format!(" dev #{index}")),
            (NHA_MASTER, Ok(index)) => text.push_str(&format!(" master #{index}")),
            (NHA_GROUPS, _) => text.push_str(" groups"),
            (NHA_FDB, _) => text.push_str(" fdb"),
            _ => {}
        }
    }
    text
}
