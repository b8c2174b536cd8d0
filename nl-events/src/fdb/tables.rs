use nl_bridge::fdb::{FdbEntry, FdbFilter, FdbVerb, RTNLGRP_NEIGH};
use nl_core::Protocol;
use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::error::Error;
use nl_core::message::MessageRef;
use nl_core::watch::{Event, Source};

use super::event::FdbEvent;
use super::row::FdbRow;

/// The watched tables of bridges and VXLAN devices.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tables {
    All,
    /// The table of this bridge.
    Bridge(u32),
    /// The table of this VXLAN device, or the entries of this bridge port.
    Dev(u32),
}

impl Tables {
    fn covers(self, entry: &FdbEntry) -> bool {
        match self {
            Self::All => true,
            Self::Bridge(bridge) => entry.master == Some(bridge),
            Self::Dev(dev) => entry.index == dev,
        }
    }
}

impl Source for Tables {
    type Entry = FdbRow;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "FDB entries";

    fn groups(&self) -> Vec<u32> {
        vec![RTNLGRP_NEIGH]
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<FdbRow>>, DecodeError> {
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

    fn list(&self) -> Request {
        let mut filter = FdbFilter::default();
        match *self {
            Self::All => {}
            Self::Bridge(bridge) => filter.bridge = Some(bridge),
            Self::Dev(dev) => filter.index = Some(dev),
        }
        filter.list_request()
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<FdbRow>, DecodeError> {
        let entry = FdbEntry::decode(message)?;
        Ok((FdbRow::is_watched(&entry) && self.covers(&entry)).then_some(FdbRow(entry)))
    }

    fn question(&self, FdbRow(entry): &FdbRow) -> Option<Request> {
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
