use std::borrow::Cow;

use nl_core::attr::DecodeError;
use nl_core::link::{RTM_DELLINK, RTNLGRP_LINK};
use nl_core::message::MessageRef;
use nl_core::monitor::{MessageFilter, MessageRule};
use nl_core::watch::{Entry, Event, Source, Watch};
use nl_core::{Protocol, Request};

use super::device::deleted_device;
use crate::TcHandle;
use crate::message::{RTM_DELQDISC, RTM_DELTCLASS, RTM_NEWQDISC, RTM_NEWTCLASS, RTNLGRP_TC};
use crate::qdisc::{Places, Qdisc, QdiscFilter};
use crate::stats::Stats;

/// The qdiscs of all devices that have a handle, for a [`Watch`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct QdiscTable;

/// The qdiscs of all devices, watched.
pub type QdiscWatch = Watch<QdiscTable>;

impl QdiscTable {
    /// The qdiscs of all devices.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Entry for Qdisc {
    /// The device and the parent.
    type Key = (u32, TcHandle);

    fn key(&self) -> Self::Key {
        (self.index, self.parent)
    }

    fn normalized(&self) -> Cow<'_, Self> {
        let mut qdisc = self.clone();
        (qdisc.stats, qdisc.references, qdisc.estimator) = (Stats::default(), 0, None);
        Cow::Owned(qdisc)
    }
}

impl Source for QdiscTable {
    type Entry = Qdisc;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "qdiscs";

    fn groups(&self) -> Vec<u32> {
        vec![RTNLGRP_LINK, RTNLGRP_TC]
    }

    /// Filters, actions and what happens to devices stay in the kernel.
    fn filter(&self) -> Option<MessageFilter> {
        let filter = MessageFilter::new()
            .accept(MessageRule::new(RTM_NEWQDISC..=RTM_DELQDISC))
            .accept(MessageRule::new(RTM_NEWTCLASS..=RTM_DELTCLASS))
            .accept(MessageRule::new(RTM_DELLINK..=RTM_DELLINK));
        Some(filter)
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<Qdisc>>, DecodeError> {
        Ok(match message.kind() {
            RTM_NEWQDISC => listed(message)?.map(Event::New),
            RTM_DELQDISC => {
                let qdisc = Qdisc::decode(message)?;
                Some(match (qdisc.handle.is_none(), qdisc.config.places()) {
                    (true, _) => Event::DeletedElsewhere,
                    (false, Places::None) => Event::Deleted(qdisc),
                    // What is below goes with it, without an event.
                    (false, _) => Event::Unreported,
                })
            }
            // The qdisc of a class goes with it, and that of an HTB class when it gets a child.
            RTM_NEWTCLASS | RTM_DELTCLASS => Some(Event::Unreported),
            _ => deleted_device(message)?.map(|_| Event::Unreported),
        })
    }

    fn list(&self) -> Request {
        QdiscFilter::default().list_request()
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<Qdisc>, DecodeError> {
        listed(message)
    }

    /// The kernel also sends the answer to everybody who listens for events.
    fn question(&self, _: &Qdisc) -> Option<Request> {
        None
    }
}

/// A qdisc, unless it is a default one.
fn listed(message: MessageRef<'_>) -> Result<Option<Qdisc>, DecodeError> {
    Ok(Some(Qdisc::decode(message)?).filter(|qdisc| !qdisc.handle.is_none()))
}
