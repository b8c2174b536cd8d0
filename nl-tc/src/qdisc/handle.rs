use std::fmt::Display;

use nl_core::dump::Dump;
use nl_core::error::Ack;
use nl_core::{Connection, Dev, Error, Pending, Result};

use super::codec::{Qdisc, QdiscFilter};
use super::config::QdiscConfig;
use crate::lookup::{index, not_found, on_device, on_route};
use crate::stats::Estimator;
use crate::{SizeTable, TcHandle, TcVerb, module};

/// One qdisc to be added, changed, deleted or read. The verb comes last.
#[derive(Clone, Debug)]
#[must_use = "an entry does nothing without a verb"]
pub struct QdiscEntry {
    conn: Connection,
    dev: Dev,
    qdisc: Qdisc,
}

impl QdiscEntry {
    pub(crate) fn new(conn: Connection, dev: Dev, parent: TcHandle) -> Self {
        Self { conn, dev, qdisc: Qdisc::at(0, parent) }
    }

    /// Sets the handle, `1:` to `fffe:`. Unset: the kernel chooses one (`handle`).
    pub fn handle(mut self, handle: TcHandle) -> Self {
        self.qdisc.handle = handle;
        self
    }

    /// Sets a rate estimator (`estimator`).
    pub fn estimator(mut self, estimator: Estimator) -> Self {
        self.qdisc.estimator = Some(estimator);
        self
    }

    /// Sets the size table of this qdisc and all qdiscs below it. Only for the root qdisc (`stab`).
    pub fn stab(mut self, table: SizeTable) -> Self {
        self.qdisc.stab = Some(table);
        self
    }

    /// Sets the block of filters on ingress, which devices can share (`ingress_block`).
    pub fn ingress_block(mut self, block: u32) -> Self {
        self.qdisc.ingress_block = Some(block);
        self
    }

    /// Sets the block of filters on egress, which devices can share (`egress_block`).
    pub fn egress_block(mut self, block: u32) -> Self {
        self.qdisc.egress_block = Some(block);
        self
    }

    /// Adds the qdisc in place of the default qdisc. Fails if another qdisc exists.
    ///
    /// Equivalent: `tc qdisc add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// - `EEXIST` ([`is_exists`](Error::is_exists)).
    /// - `ENOENT` ([`is_not_found`](Error::is_not_found)): the parent does not exist.
    /// - [`Unsupported`](nl_core::error::ErrorKind::Unsupported): the kernel does not have the kind.
    /// - Bad input, before the kernel is asked.
    #[expect(clippy::should_implement_trait, reason = "the word of `tc`")]
    pub fn add(self, config: impl Into<QdiscConfig>) -> Pending<Ack> {
        self.write(TcVerb::Add, config.into())
    }

    /// Changes an existing qdisc. The kernel refuses that for HTB. DRR and QFQ qdiscs have no options: only the size table and the
    /// estimator of the request are applied.
    ///
    /// Equivalent: `tc qdisc change`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// - `ENOENT` ([`is_not_found`](Error::is_not_found)): the qdisc does not exist.
    /// - `EINVAL`: the qdisc is of another kind, or cannot be changed.
    /// - Bad input, before the kernel is asked.
    pub fn change(self, config: impl Into<QdiscConfig>) -> Pending<Ack> {
        self.write(TcVerb::Change, config.into())
    }

    /// Adds the qdisc in place of an existing one, which is deleted with everything below it. An existing qdisc of the same
    /// handle and kind is [changed](Self::change) instead.
    ///
    /// Equivalent: `tc qdisc replace`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) without `EEXIST`.
    pub fn replace(self, config: impl Into<QdiscConfig>) -> Pending<Ack> {
        self.write(TcVerb::Replace, config.into())
    }

    /// Deletes the qdisc with its classes, their qdiscs and its filters.
    ///
    /// Equivalent: `tc qdisc delete`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// - `ENOENT` ([`is_not_found`](Error::is_not_found)): only a default qdisc exists.
    /// - `EINVAL`: the qdisc has another [handle](Self::handle).
    pub fn delete(self) -> Pending<Ack> {
        Pending::new(self.send(TcVerb::Delete))
    }

    /// Reads the qdisc with its statistics.
    ///
    /// This lists the qdiscs, because the kernel sends the answer about a single qdisc to everybody who listens for events, as if
    /// the qdisc were new.
    ///
    /// Equivalent: `tc -s qdisc show dev DEV root`. Needs no privilege.
    ///
    /// # Errors
    /// - `ENOENT` or `ENODEV` ([`is_not_found`](Error::is_not_found)): the qdisc or the device does not exist.
    /// - `EINVAL`: the qdisc has another [handle](Self::handle).
    pub fn get(mut self) -> Pending<Qdisc> {
        Pending::new(async move {
            let outcome = self.find().await;
            outcome.map_err(|error| self.explain("get", error))
        })
    }

    async fn find(&mut self) -> Result<Qdisc> {
        self.qdisc.index = index(&self.conn, &self.dev).await?;
        let Qdisc { index, parent, handle, .. } = self.qdisc;
        let filter = QdiscFilter {
            index: Some(index),
            parent: Some(parent),
            handle: (!handle.is_none()).then_some(handle),
            invisible: true,
        };
        if let Some(qdisc) = list(&self.conn, filter).collect_all().await?.pop() {
            return Ok(qdisc);
        }
        // The qdisc does not exist, was added after the list was read, or is one that the kernel does not list. The kernel sends a
        // refusal to the caller only.
        let reply = self.conn.exchange(self.qdisc.get_request()).await?;
        let found = reply.messages.first().ok_or_else(not_found)?;
        Ok(Qdisc::decode(found.as_ref())?)
    }

    fn write(mut self, verb: TcVerb, config: QdiscConfig) -> Pending<Ack> {
        self.qdisc.config = config;
        Pending::new(self.send(verb))
    }

    async fn send(mut self, verb: TcVerb) -> Result<Ack> {
        let outcome = async {
            self.qdisc.index = index(&self.conn, &self.dev).await?;
            module::acknowledged(&self.conn, || self.qdisc.request(verb)).await
        };
        let outcome = outcome.await;
        outcome.map_err(|error| self.explain(verb, error))
    }

    fn explain(&self, verb: impl Display, error: Error) -> Error {
        error.during(|| format!("{verb} {}", self.qdisc)).naming(self.qdisc.index, &self.dev)
    }
}

/// All qdiscs, or a selection of them. The verb comes last.
#[derive(Clone, Debug)]
#[must_use = "an entry does nothing without a verb"]
pub struct Qdiscs {
    conn: Connection,
    dev: Option<Dev>,
    filter: QdiscFilter,
}

impl Qdiscs {
    pub(crate) fn new(conn: Connection) -> Self {
        Self { conn, dev: None, filter: QdiscFilter::default() }
    }

    /// Selects the qdiscs of a device. Linux 7.2 and newer filter in the kernel. On older kernels the list is filtered while
    /// reading.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// Selects the qdisc with this parent. Filtered as by [`dev`](Self::dev).
    pub fn parent(mut self, parent: TcHandle) -> Self {
        self.filter.parent = Some(parent);
        self
    }

    /// Selects the qdisc with this handle. Filtered as by [`dev`](Self::dev).
    pub fn handle(mut self, handle: TcHandle) -> Self {
        self.filter.handle = Some(handle);
        self
    }

    /// Includes the default qdiscs of classes (`invisible`).
    pub fn invisible(mut self) -> Self {
        self.filter.invisible = true;
        self
    }

    /// Lists the qdiscs with their statistics: a stream in constant memory.
    ///
    /// Equivalent: `tc -s qdisc show`. Needs no privilege.
    ///
    /// The kernel does not notice when qdiscs are added or deleted during the list. It may miss qdiscs or repeat them.
    ///
    /// # Errors
    /// The device does not exist.
    pub fn list(mut self) -> Pending<Dump<Qdisc>> {
        Pending::new(async move {
            let Some(dev) = self.dev.clone() else {
                on_route(&self.conn).map_err(|error| error.during(|| format!("list {}", self.filter)))?;
                return Ok(list(&self.conn, self.filter));
            };
            let outcome = async {
                self.filter.index = Some(0);
                let index = index(&self.conn, &dev).await?;
                self.filter.index = Some(index);
                on_device(&self.conn, &dev, index, list(&self.conn, self.filter.clone())).await
            };
            let outcome = outcome.await;
            let index = self.filter.index.unwrap_or(0);
            outcome.map_err(|error| error.during(|| format!("list {}", self.filter)).naming(index, &dev))
        })
    }
}

pub(crate) fn list(conn: &Connection, filter: QdiscFilter) -> Dump<Qdisc> {
    conn.dump_matching(filter.list_request(), Qdisc::decode, move |qdisc| filter.matches(qdisc))
}
