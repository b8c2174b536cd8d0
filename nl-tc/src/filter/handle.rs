use nl_core::dump::Dump;
use nl_core::error::Ack;
use nl_core::{Dev, Pending, Result};

use crate::filter::{Filter, FilterConfig, Matchall, list_request};
use crate::tc::Tc;
use crate::{TcHandle, TcVerb};

/// A filter to be added or deleted. The verb comes last.
#[derive(Clone, Debug)]
#[must_use = "an entry does nothing without a verb"]
pub struct FilterEntry {
    tc: Tc,
    dev: Dev,
    filter: Filter,
}

impl FilterEntry {
    pub(crate) fn new(tc: Tc, dev: Dev, parent: TcHandle) -> Self {
        Self { tc, dev, filter: Filter::new(0, parent, Matchall::new(TcHandle::NONE)) }
    }

    /// Asked in this place, 1 first; without it the kernel picks one when adding (`prio`).
    pub fn priority(mut self, priority: u16) -> Self {
        self.filter.priority = priority;
        self
    }

    /// For this protocol, such as [`IPV4`](crate::filter::IPV4); without it for [all](crate::filter::ALL), and when deleting
    /// for whichever it is (`protocol`).
    pub fn protocol(mut self, protocol: u16) -> Self {
        self.filter.protocol = protocol;
        self
    }

    /// Of this number among those of the same priority, in the way of its kind (`handle`).
    pub fn handle(mut self, handle: u32) -> Self {
        self.filter.handle = handle;
        self
    }

    /// Makes the filter.
    ///
    /// Equivalent: `tc filter add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](nl_core::Error::is_not_found)) without the qdisc, or where the kernel does not have the kind;
    /// bad input, before the kernel is asked.
    #[expect(clippy::should_implement_trait, reason = "the word of `tc`")]
    pub fn add(mut self, config: impl Into<FilterConfig>) -> Pending<Ack> {
        self.filter.config = config.into();
        Pending::new(self.send(TcVerb::Add))
    }

    /// Removes the filter, or without a [handle](Self::handle) all of the priority, which must be given.
    ///
    /// Equivalent: `tc filter delete`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](nl_core::Error::is_not_found)) if there is none; no priority, which would remove all filters.
    pub fn delete(self) -> Pending<Ack> {
        Pending::new(self.send(TcVerb::Delete))
    }

    async fn send(mut self, verb: TcVerb) -> Result<Ack> {
        let outcome = async {
            self.filter.index = self.tc.index(&self.dev).await?;
            self.tc.conn.acknowledged(self.filter.request(verb)).await
        };
        outcome.await.map_err(|error| {
            error.during(|| {
                let Filter { parent, priority, protocol, .. } = self.filter;
                let mut text = format!("{verb} filter dev {}", self.dev);
                // Writing to a String cannot fail.
                let _ = crate::filter::write_place(&mut text, parent, priority, protocol);
                if verb != TcVerb::Delete {
                    text.push_str(&format!(" {}", self.filter.config));
                }
                text
            })
        })
    }
}

/// The filters on a qdisc or class.
#[derive(Clone, Debug)]
#[must_use = "an entry does nothing without a verb"]
pub struct Filters {
    tc: Tc,
    dev: Dev,
    parent: TcHandle,
}

impl Filters {
    pub(crate) fn new(tc: Tc, dev: Dev, parent: TcHandle) -> Self {
        Self { tc, dev, parent }
    }

    /// Lists them: a stream in constant memory.
    ///
    /// The kernel lists more than was added: a filter of no number for each priority, and the tables of `u32`.
    ///
    /// Equivalent: `tc filter show`. Needs no privilege.
    ///
    /// # Errors
    /// No such device.
    pub fn list(self) -> Pending<Dump<Filter>> {
        let Self { tc, dev, parent } = self;
        Pending::new(async move {
            let index = tc.index(&dev).await;
            let index = index.map_err(|error| error.during(|| format!("list filters dev {dev}")))?;
            Ok(tc.conn.dump(list_request(index, parent), |message| Filter::decode(message).map(Some)))
        })
    }
}
