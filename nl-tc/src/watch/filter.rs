use std::borrow::Cow;

use nl_core::attr::DecodeError;
use nl_core::link::{RTM_DELLINK, RTNLGRP_LINK};
use nl_core::message::MessageRef;
use nl_core::monitor::{MessageFilter, MessageRule};
use nl_core::watch::{Entry, Event, Source, Watch};
use nl_core::{Protocol, Request};

use super::device::deleted_device;
use crate::TcHandle;
use crate::class::Class;
use crate::filter::{BLOCK, Filter, list_request};
use crate::message::{RTM_DELQDISC, RTM_DELTCLASS, RTM_DELTFILTER, RTM_NEWTFILTER, RTNLGRP_TC};
use crate::qdisc::Qdisc;

/// The filters of a qdisc or class, for a [`Watch`]. What the kernel lists without anybody having added it is not
/// among them.
///
/// The kernel can leave out a `matchall` filter of a [list](crate::Filters::list), and so can the watch until there is an event about it.
///
/// `ffff:` and [`ffff:fff2`](TcHandle::CLSACT_INGRESS) are the same place. Entries have the name that was given for the table.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FilterTable {
    index: u32,
    parent: TcHandle,
}

/// The filters of a qdisc, class or block, watched.
pub type FilterWatch = Watch<FilterTable>;

impl FilterTable {
    /// The filters of this qdisc or class of this interface.
    #[must_use]
    pub const fn new(index: u32, parent: TcHandle) -> Self {
        Self { index, parent }
    }

    /// The filters of a block that devices share.
    #[must_use]
    pub const fn of_block(block: u32) -> Self {
        Self { index: BLOCK, parent: TcHandle::from_bits(block) }
    }

    /// The filter under the parent of this table, if it is here. The kernel reports the parent that the last request had.
    fn here(&self, filter: Filter) -> Option<Filter> {
        let is_here = (filter.index, named(filter.parent)) == (self.index, named(self.parent));
        is_here.then_some(Filter { parent: self.parent, ..filter })
    }

    /// Whether the filters can go with a qdisc or with all of this device. A block goes with the last qdisc that shares it, which can be
    /// on any device.
    const fn is_on(&self, index: u32) -> bool {
        index == self.index || self.index == BLOCK
    }
}

impl Entry for Filter {
    /// The device, the parent, the chain, the priority, the protocol and the handle.
    type Key = (u32, TcHandle, u32, u16, u16, u32);

    fn key(&self) -> Self::Key {
        let chain = self.chain.unwrap_or(0);
        (self.index, named(self.parent), chain, self.priority, self.protocol, self.handle)
    }

    fn normalized(&self) -> Cow<'_, Self> {
        let (filter, parent) = (without_counters(self), named(self.parent));
        match parent == self.parent {
            true => filter,
            false => Cow::Owned(Self { parent, ..filter.into_owned() }),
        }
    }
}

impl Source for FilterTable {
    type Entry = Filter;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "filters";

    fn groups(&self) -> Vec<u32> {
        vec![RTNLGRP_LINK, RTNLGRP_TC]
    }

    /// What is about another device stays in the kernel.
    fn filter(&self) -> Option<MessageFilter> {
        let kinds = [
            (RTM_NEWTFILTER, RTM_DELTFILTER),
            (RTM_DELTCLASS, RTM_DELTCLASS),
            (RTM_DELQDISC, RTM_DELQDISC),
            (RTM_DELLINK, RTM_DELLINK),
        ];
        let rules = kinds.map(|(first, last)| MessageRule::new(first..=last));
        let filter = rules.into_iter().fold(MessageFilter::new(), |filter, rule| {
            filter.accept(if self.index == BLOCK { rule } else { rule.index(self.index) })
        });
        Some(filter)
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<Filter>>, DecodeError> {
        Ok(match message.kind() {
            RTM_NEWTFILTER => {
                let filter = self.here(Filter::decode(message)?);
                filter.map(|filter| match filter.is_added() {
                    true => Event::New(filter),
                    // Of a new `matchall` filter the kernel reports neither the handle nor the options.
                    false => Event::Unreported,
                })
            }
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
                self.is_on(qdisc.index).then_some(Event::Unreported)
            }
            _ => deleted_device(message)?.filter(|index| self.is_on(*index)).map(|_| Event::Unreported),
        })
    }

    fn list(&self) -> Request {
        list_request(self.index, self.parent)
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<Filter>, DecodeError> {
        Ok(self.here(Filter::decode(message)?).filter(Filter::is_added))
    }

    /// The kernel also sends the answer to everybody who listens for events.
    fn question(&self, _: &Filter) -> Option<Request> {
        None
    }
}

/// The ingress of `ingress` and `clsact` has two names, `ffff:` and `ffff:fff2`. The kernel reports the one of the last request.
fn named(parent: TcHandle) -> TcHandle {
    if parent == TcHandle::INGRESS.qdisc() { TcHandle::CLSACT_INGRESS } else { parent }
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
