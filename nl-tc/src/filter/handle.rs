use nl_core::dump::Dump;
use nl_core::error::Ack;
use nl_core::{Connection, Dev, Pending, Result};

use super::codec::{Filter, list_request};
use super::config::FilterConfig;
use crate::lookup::{index, on_device};
use crate::{TcHandle, TcVerb};

/// A filter to be added or deleted. The verb comes last.
#[derive(Clone, Debug)]
#[must_use = "an entry does nothing without a verb"]
pub struct FilterEntry {
    conn: Connection,
    dev: Dev,
    filter: Filter,
}

impl FilterEntry {
    pub(crate) fn new(conn: Connection, dev: Dev, parent: TcHandle) -> Self {
        Self { conn, dev, filter: Filter::new(0, parent, FilterConfig::unset()) }
    }

    /// Sets the order in which filters are tried, 1 first. Unset: the kernel chooses one for a new filter (`prio`).
    pub fn priority(mut self, priority: u16) -> Self {
        self.filter.priority = priority;
        self
    }

    /// Sets the protocol, such as [`IPV4`](super::IPV4). Unset: [all](super::ALL), and for a deletion any protocol (`protocol`).
    pub fn protocol(mut self, protocol: u16) -> Self {
        self.filter.protocol = protocol;
        self
    }

    /// Sets the handle among the filters of the same priority, whose meaning depends on the kind (`handle`).
    pub fn handle(mut self, handle: u32) -> Self {
        self.filter.handle = handle;
        self
    }

    /// Adds the filter.
    ///
    /// Equivalent: `tc filter add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// - `ENOENT` ([`is_not_found`](nl_core::Error::is_not_found)): the qdisc or the class does not exist.
    /// - [`Unsupported`](nl_core::error::ErrorKind::Unsupported): the kernel does not have the kind.
    /// - Bad input, before the kernel is asked.
    #[expect(clippy::should_implement_trait, reason = "the word of `tc`")]
    pub fn add(mut self, config: impl Into<FilterConfig>) -> Pending<Ack> {
        self.filter.config = config.into();
        Pending::new(self.send(TcVerb::Add))
    }

    /// Deletes the filter. Without a [handle](Self::handle), deletes all filters of the priority, which is needed.
    ///
    /// Equivalent: `tc filter delete`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// - `ENOENT` ([`is_not_found`](nl_core::Error::is_not_found)): the filter, the qdisc or the class does not exist.
    /// - No priority, which would delete all filters.
    pub fn delete(self) -> Pending<Ack> {
        Pending::new(self.send(TcVerb::Delete))
    }

    async fn send(mut self, verb: TcVerb) -> Result<Ack> {
        #[cfg(feature = "action")]
        let mut named = nl_core::connection::Named::default();
        let outcome = async {
            self.filter.index = index(&self.conn, &self.dev).await?;
            #[cfg(feature = "action")]
            match crate::action::resolve(&self.conn, self.filter.config.actions_mut()).await {
                Ok(devs) => named = devs,
                Err((error, devs)) => {
                    named = devs;
                    return Err(error);
                }
            }
            self.conn.acknowledged(self.filter.request(verb)).await
        };
        let outcome = outcome.await;
        outcome.map_err(|error| {
            let error = error.during(|| format!("{verb} {}", self.filter));
            #[cfg(feature = "action")]
            let error = named.explain(error);
            error.naming(self.filter.index, &self.dev)
        })
    }
}

/// The filters of a qdisc or class. The verb comes last.
#[derive(Clone, Debug)]
#[must_use = "an entry does nothing without a verb"]
pub struct Filters {
    conn: Connection,
    dev: Dev,
    parent: TcHandle,
}

impl Filters {
    pub(crate) fn new(conn: Connection, dev: Dev, parent: TcHandle) -> Self {
        Self { conn, dev, parent }
    }

    /// Lists the filters: a stream in constant memory.
    ///
    /// The kernel also lists what nobody added: a filter without a handle for each priority, and the hash tables of `u32`.
    ///
    /// Equivalent: `tc filter show`. Needs no privilege.
    ///
    /// # Errors
    /// The device does not exist.
    pub fn list(self) -> Pending<Dump<Filter>> {
        let Self { conn, dev, parent } = self;
        Pending::new(async move {
            let mut at = 0;
            let outcome = async {
                at = index(&conn, &dev).await?;
                let found = conn.dump(list_request(at, parent), |message| Filter::decode(message).map(Some));
                on_device(&conn, &dev, at, found).await
            };
            let outcome = outcome.await;
            outcome.map_err(|error| error.during(|| list_request(at, parent).describe()).naming(at, &dev))
        })
    }
}
