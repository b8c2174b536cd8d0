use std::borrow::Cow;

use nl_core::attr::DecodeError;
use nl_core::link::RTNLGRP_LINK;
use nl_core::message::MessageRef;
use nl_core::watch::{Entry, Event, Source};
use nl_core::{Protocol, Request};

use super::device::deleted_device;
use crate::TcHandle;
use crate::class::Class;
use crate::filter::{Filter, list_request};
use crate::message::{RTM_DELQDISC, RTM_DELTCLASS, RTM_DELTFILTER, RTM_NEWTFILTER, RTNLGRP_TC};
use crate::qdisc::Qdisc;

/// The filters of a qdisc or class, for a [`Watch`](nl_core::watch::Watch). What the kernel lists without anybody having added it is not
/// among them.
///
/// The kernel can leave out a `matchall` filter of a [list](crate::Filters::list), and so can the watch until there is an event about it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FilterTable {
    index: u32,
    parent: TcHandle,
}

impl FilterTable {
    /// The filters of this qdisc or class of this interface.
    #[must_use]
    pub const fn new(index: u32, parent: TcHandle) -> Self {
        Self { index, parent }
    }

    /// The filters of a block that devices share.
    #[must_use]
    pub const fn of_block(block: u32) -> Self {
        Self { index: crate::filter::BLOCK, parent: TcHandle::from_bits(block) }
    }

    /// The filter under the parent of this table, if it is here. The kernel reports the parent that the last request had.
    fn here(&self, filter: Filter) -> Option<Filter> {
        let is_here = (filter.index, of_ingress(filter.parent)) == (self.index, of_ingress(self.parent));
        is_here.then_some(Filter { parent: self.parent, ..filter })
    }
}

/// The same for both names of the filters on ingress: `ffff:`, which an ingress qdisc has, and `ffff:fff2`.
fn of_ingress(parent: TcHandle) -> TcHandle {
    if parent == TcHandle::INGRESS.qdisc() { TcHandle::CLSACT_INGRESS } else { parent }
}

impl Entry for Filter {
    /// The device, the parent, the chain, the priority, the protocol and the handle.
    type Key = (u32, TcHandle, u32, u16, u16, u32);

    fn key(&self) -> Self::Key {
        let chain = self.chain.unwrap_or(0);
        (self.index, self.parent, chain, self.priority, self.protocol, self.handle)
    }

    fn normalized(&self) -> Cow<'_, Self> {
        without_counters(self)
    }
}

impl Source for FilterTable {
    type Entry = Filter;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "filters";

    fn groups(&self) -> Vec<u32> {
        vec![RTNLGRP_LINK, RTNLGRP_TC]
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<Filter>>, DecodeError> {
        Ok(match message.kind() {
            RTM_NEWTFILTER => self.decode_entry(message)?.map(Event::New),
            RTM_DELTFILTER => {
                let filter = self.here(Filter::decode(message)?);
                filter.map(|filter| match filter.is_added() {
                    true => Event::Deleted(filter),
                    // All of a priority.
                    false => Event::Unreported,
                })
            }
            // Its filters go with a class, without events.
            RTM_DELTCLASS => {
                let class = Class::decode(message)?;
                ((class.index, class.handle) == (self.index, self.parent)).then_some(Event::Unreported)
            }
            // As with a qdisc.
            RTM_DELQDISC => {
                let qdisc = Qdisc::decode(message)?;
                (qdisc.index == self.index).then_some(Event::Unreported)
            }
            _ => deleted_device(message)?.filter(|index| *index == self.index).map(|_| Event::Unreported),
        })
    }

    fn list(&self) -> Request {
        list_request(self.index, self.parent)
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<Filter>, DecodeError> {
        Ok(self.here(Filter::decode(message)?).filter(Filter::is_added))
    }

    /// The kernel tells everybody who listens what it is asked for.
    fn question(&self, _: &Filter) -> Option<Request> {
        None
    }
}

/// The filter without what its actions count.
#[cfg(feature = "action")]
fn without_counters(filter: &Filter) -> Cow<'_, Filter> {
    let mut filter = filter.clone();
    for action in filter.config.actions_mut() {
        let index = action.index;
        *action = action.detached().index(index);
    }
    Cow::Owned(filter)
}

/// Without actions, nothing is counted.
#[cfg(not(feature = "action"))]
const fn without_counters(filter: &Filter) -> Cow<'_, Filter> {
    Cow::Borrowed(filter)
}
