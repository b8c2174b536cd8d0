use std::borrow::Cow;

use nl_core::attr::DecodeError;
use nl_core::link::{RTM_DELLINK, RTNLGRP_LINK};
use nl_core::message::MessageRef;
use nl_core::monitor::{MessageFilter, MessageRule};
use nl_core::watch::{Entry, Event, Source, Watch};
use nl_core::{Protocol, Request};

use super::device::deleted_device;
use crate::TcHandle;
use crate::class::{Class, ClassFilter};
use crate::message::{RTM_DELQDISC, RTM_DELTCLASS, RTM_NEWQDISC, RTM_NEWTCLASS, RTNLGRP_TC};
use crate::qdisc::Qdisc;
use crate::stats::Stats;

/// The classes of a device, for a [`Watch`].
///
/// The kernel ends a list of all classes of a device at a netem qdisc without an error. With such a qdisc on a class, watch a
/// [single qdisc](Self::qdisc).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClassTable {
    filter: ClassFilter,
}

/// The classes of a device, watched.
pub type ClassWatch = Watch<ClassTable>;

impl ClassTable {
    /// The classes of this interface.
    #[must_use]
    pub fn new(index: u32) -> Self {
        Self { filter: ClassFilter::new(index) }
    }

    /// Only those of this qdisc.
    #[must_use]
    pub fn qdisc(mut self, qdisc: TcHandle) -> Self {
        self.filter.qdisc = Some(qdisc);
        self
    }

    /// Whether a class is one of them.
    fn has(&self, class: &Class) -> bool {
        class.index == self.filter.index
            && self.filter.qdisc.is_none_or(|qdisc| class.handle.qdisc() == qdisc)
    }
}

impl Entry for Class {
    type Key = TcHandle;

    fn key(&self) -> TcHandle {
        self.handle
    }

    /// The qdisc of a class is another event.
    fn normalized(&self) -> Cow<'_, Self> {
        let mut class = self.clone();
        (class.stats, class.leaf, class.estimator) = (Stats::default(), None, None);
        Cow::Owned(class)
    }
}

impl Source for ClassTable {
    type Entry = Class;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "classes";

    fn groups(&self) -> Vec<u32> {
        vec![RTNLGRP_LINK, RTNLGRP_TC]
    }

    /// What is about another device stays in the kernel.
    fn filter(&self) -> Option<MessageFilter> {
        let of_device = |first, last| MessageRule::new(first..=last).index(self.filter.index);
        let filter = MessageFilter::new()
            .accept(of_device(RTM_NEWTCLASS, RTM_DELTCLASS))
            .accept(of_device(RTM_NEWQDISC, RTM_DELQDISC))
            .accept(of_device(RTM_DELLINK, RTM_DELLINK));
        Some(filter)
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<Class>>, DecodeError> {
        Ok(match message.kind() {
            RTM_NEWTCLASS => Some(Class::decode(message)?).filter(|class| self.has(class)).map(Event::New),
            RTM_DELTCLASS => {
                let class = Class::decode(message)?;
                let is_of_device = class.index == self.filter.index;
                match self.has(&class) {
                    true => Some(Event::Deleted(class)),
                    false => is_of_device.then_some(Event::DeletedElsewhere),
                }
            }
            // Its classes come and go with a qdisc, without events.
            RTM_NEWQDISC | RTM_DELQDISC => {
                let qdisc = Qdisc::decode(message)?;
                (qdisc.index == self.filter.index).then_some(Event::Unreported)
            }
            _ => deleted_device(message)?
                .filter(|index| *index == self.filter.index)
                .map(|_| Event::Unreported),
        })
    }

    fn list(&self) -> Request {
        self.filter.list_request()
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<Class>, DecodeError> {
        Ok(Some(Class::decode(message)?).filter(|class| self.has(class)))
    }

    /// The kernel also sends the answer to everybody who listens for events.
    fn question(&self, _: &Class) -> Option<Request> {
        None
    }
}
