use nl_bridge::fdb::{FdbEntry, FdbFilter, FdbVerb, RTM_DELNEIGH, RTM_NEWNEIGH, RTNLGRP_NEIGH};
use nl_core::Protocol;
use nl_core::Request;
use nl_core::attr::{Attrs, DecodeError};
use nl_core::error::Error;
use nl_core::link::{Link, LinkEvent, RTM_DELLINK, RTM_NEWLINK, RTNLGRP_LINK};
use nl_core::message::{AF_BRIDGE, AF_UNSPEC, IfInfoMsg, MessageRef};
use nl_core::monitor::{MessageFilter, MessageRule};
use nl_core::watch::{Event, Source};

use super::event::FdbEvent;
use super::row::FdbRow;
use super::scope::Scope;

// `include/uapi/linux/rtnetlink.h` and `include/uapi/linux/nexthop.h`: what takes entries with it.
const RTM_DELNEXTHOP: u16 = 105;
const RTNLGRP_NEXTHOP: u32 = 32;
/// `struct nhmsg`.
const NHMSG_LEN: usize = 8;
const NHA_FDB: u16 = 11;

/// The largest index. No device has it, so the kernel answers a list of its entries that it does not exist.
const NO_DEVICE: u32 = i32::MAX.unsigned_abs();

/// The watched tables of bridges and VXLAN devices.
#[derive(Clone, Debug)]
pub(super) enum Tables {
    All,
    /// The table of this bridge.
    Bridge(Scope),
    /// The table of this VXLAN device, or the entries of this bridge port.
    Dev(Scope),
}

impl Tables {
    /// Whether the watched device was deleted or has left the namespace, for good.
    pub(super) fn is_gone(&self) -> bool {
        self.scope().is_some_and(Scope::is_gone)
    }

    /// The index of the watched device, if there is one and it exists.
    pub(super) fn device(&self) -> Option<u32> {
        self.scope().and_then(Scope::index)
    }

    fn scope(&self) -> Option<&Scope> {
        match self {
            Self::All => None,
            Self::Bridge(scope) | Self::Dev(scope) => Some(scope),
        }
    }

    fn covers(&self, entry: &FdbEntry) -> bool {
        match self {
            Self::All => true,
            Self::Bridge(bridge) => entry.master.is_some() && entry.master == bridge.index(),
            Self::Dev(dev) => Some(entry.index) == dev.index(),
        }
    }

    /// Whether entries can have come or gone with a device without an event of their own: a VXLAN device that moves to another
    /// namespace takes its entries along.
    fn is_moved_by(&self, message: MessageRef<'_>) -> Result<bool, DecodeError> {
        let (IfInfoMsg { change, .. }, _) = message.header()?;
        let Some(event) = LinkEvent::decode(message)? else { return Ok(false) };
        let is_deleted = matches!(event, LinkEvent::Deleted(_));
        // A device that is new has changed in every bit.
        let is_new = change == u32::MAX;
        Ok(match self.scope() {
            None => (is_deleted || is_new) && event.link().is_kind("vxlan"),
            Some(scope) => scope.is_touched_by(event.link(), is_deleted, is_new),
        })
    }
}

impl Source for Tables {
    type Entry = FdbRow;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "FDB entries";

    fn groups(&self) -> Vec<u32> {
        vec![RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_NEXTHOP]
    }

    /// Neither neighbours of IP nor ports of bridges.
    fn filter(&self) -> Option<MessageFilter> {
        let filter = MessageFilter::new()
            .accept(MessageRule::new(RTM_NEWNEIGH..=RTM_DELNEIGH).family(AF_BRIDGE))
            .accept(MessageRule::new(RTM_NEWLINK..=RTM_DELLINK).family(AF_UNSPEC))
            .accept(MessageRule::new(RTM_DELNEXTHOP..=RTM_DELNEXTHOP));
        Some(filter)
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<FdbRow>>, DecodeError> {
        let is_unreported = match message.kind() {
            RTM_NEWLINK | RTM_DELLINK => self.is_moved_by(message)?,
            // Entries of bridges have no nexthops.
            RTM_DELNEXTHOP => !matches!(self, Self::Bridge(_)) && is_for_fdbs(message)?,
            _ => false,
        };
        if is_unreported {
            return Ok(Some(Event::Unreported));
        }
        let Some(event) = FdbEvent::decode(message)?.filter(|event| FdbRow::is_watched(event.entry())) else {
            return Ok(None);
        };
        let covered = self.covers(event.entry());
        Ok(match event {
            FdbEvent::New(entry) if covered => Some(Event::New(FdbRow(entry))),
            FdbEvent::Deleted(entry) if covered => Some(Event::Deleted(FdbRow(entry))),
            _ if !matches!(self, Self::Dev(_)) => None,
            // The address may have moved away from the device. The ports of a bridge share a table.
            FdbEvent::New(entry) => Some(Event::Left(FdbRow(entry))),
            FdbEvent::Deleted(_) => Some(Event::DeletedElsewhere),
        })
    }

    /// Asks for the watched device.
    fn barrier(&self) -> Option<Request> {
        self.scope().map(|scope| Link::get_request(&scope.dev()))
    }

    fn settled(&self, answer: Result<MessageRef<'_>, &Error>) {
        let Some(scope) = self.scope() else { return };
        match answer.map(Link::decode) {
            Ok(Ok(link)) if !matches!(self, Self::Bridge(_)) || link.is_kind("bridge") => scope.found(&link),
            Ok(Ok(_)) => scope.lost(),
            Err(refusal) if refusal.is_not_found() => scope.lost(),
            // Nothing is known; the list will say more.
            Ok(Err(_)) | Err(_) => {}
        }
    }

    fn list(&self) -> Request {
        let mut filter = FdbFilter::default();
        match self {
            Self::All => {}
            Self::Bridge(bridge) => filter.bridge = Some(bridge.index().unwrap_or(NO_DEVICE)),
            Self::Dev(dev) => match dev.index() {
                Some(index) => filter.index = Some(index),
                None => filter.bridge = Some(NO_DEVICE),
            },
        }
        filter.list_request()
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<FdbRow>, DecodeError> {
        let entry = FdbEntry::decode(message)?;
        Ok((FdbRow::is_watched(&entry) && self.covers(&entry)).then_some(FdbRow(entry)))
    }

    fn question(&self, FdbRow(entry): &FdbRow) -> Option<Request> {
        // Those of a device that is gone are gone with it.
        if !self.covers(entry) {
            return None;
        }
        // The whole bridge is asked, so that the entry is found on any port.
        let mut question = FdbEntry::new(entry.mac, entry.master.unwrap_or(entry.index)).self_();
        if entry.is_bridge() {
            question.vlan = entry.vlan;
        } else {
            question.src_vni = entry.src_vni;
        }
        Some(question.request(FdbVerb::Get))
    }

    /// Also entries that are not watched: the answer has one of several remotes, and another one can be watched.
    fn decode_answer(&self, message: MessageRef<'_>) -> Result<Option<FdbRow>, DecodeError> {
        let entry = FdbEntry::decode(message)?;
        Ok(self.covers(&entry).then_some(FdbRow(entry)))
    }

    /// Also if the table does not exist: a device without one may have the index of a deleted device.
    fn is_absent_entry(&self, refusal: &Error) -> bool {
        refusal.is_not_found() || refusal.is_unsupported()
    }

    /// Whether the bridge or device was deleted. A list of all tables names no device.
    fn is_absent_table(&self, refusal: &Error) -> bool {
        !matches!(self, Self::All) && refusal.is_not_found()
    }
}

/// Whether a nexthop or group is for FDBs: then the entries that are behind it go without an event.
fn is_for_fdbs(message: MessageRef<'_>) -> Result<bool, DecodeError> {
    let attrs = Attrs::new(message.payload().get(NHMSG_LEN..).unwrap_or_default());
    Ok(attrs.find(NHA_FDB)?.is_some())
}
