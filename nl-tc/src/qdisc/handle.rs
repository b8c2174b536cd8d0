use std::fmt::Write as _;

use nl_core::Request;
use nl_core::dump::Dump;
use nl_core::error::{Ack, Errno, KernelError, Since};
use nl_core::message::NLM_F_ECHO;
use nl_core::{Dev, Pending, Result};

use crate::message::{PLAIN, RTM_GETQDISC};
use crate::qdisc::{Qdisc, QdiscConfig, QdiscFilter};
use crate::stats::Estimator;
use crate::tc::{Tc, not_found};
use crate::{SizeTable, TcHandle, TcMsg, TcVerb};

/// One qdisc to be added, changed, deleted or read. The verb comes last.
#[derive(Clone, Debug)]
#[must_use = "an entry does nothing without a verb"]
pub struct QdiscEntry {
    tc: Tc,
    dev: Dev,
    qdisc: Qdisc,
}

impl QdiscEntry {
    pub(crate) fn new(tc: Tc, dev: Dev, parent: TcHandle) -> Self {
        Self { tc, dev, qdisc: Qdisc::at(0, parent) }
    }

    /// Of this name, `1:` to `fffe:`; without it the kernel picks one (`handle`).
    pub fn handle(mut self, handle: TcHandle) -> Self {
        self.qdisc.handle = handle;
        self
    }

    /// With a rate estimator (`estimator`).
    pub fn estimator(mut self, estimator: Estimator) -> Self {
        self.qdisc.estimator = Some(estimator);
        self
    }

    /// With this size table: what packets count for, on this qdisc and all below it (`stab`). Only on the root.
    pub fn stab(mut self, table: SizeTable) -> Self {
        self.qdisc.stab = Some(table);
        self
    }

    /// With filters shared with other devices for what comes in (`ingress_block`).
    pub fn ingress_block(mut self, block: u32) -> Self {
        self.qdisc.ingress_block = Some(block);
        self
    }

    /// With filters shared with other devices for what goes out (`egress_block`).
    pub fn egress_block(mut self, block: u32) -> Self {
        self.qdisc.egress_block = Some(block);
        self
    }

    /// Makes the qdisc, in place of the one the kernel puts there by itself; fails if there is another.
    ///
    /// Equivalent: `tc qdisc add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EEXIST` ([`is_exists`](nl_core::Error::is_exists)); `ENOENT` ([`is_not_found`](nl_core::Error::is_not_found)) without
    /// the parent; [`Unsupported`](nl_core::error::ErrorKind::Unsupported) where the kernel does not have the kind; bad input, before the kernel is asked.
    #[expect(clippy::should_implement_trait, reason = "the word of `tc`")]
    pub fn add(self, config: impl Into<QdiscConfig>) -> Pending<Ack> {
        self.write(TcVerb::Add, config.into())
    }

    /// Changes the qdisc that is there. HTB, DRR, QFQ cannot be changed.
    ///
    /// Equivalent: `tc qdisc change`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](nl_core::Error::is_not_found)) if it is not there; `EINVAL` if it is of another kind, or
    /// cannot be changed; bad input, before the kernel is asked.
    pub fn change(self, config: impl Into<QdiscConfig>) -> Pending<Ack> {
        self.write(TcVerb::Change, config.into())
    }

    /// Makes the qdisc, in place of the one that is there: what hung on that is gone. But one of the same name and kind is
    /// [changed](Self::change).
    ///
    /// Equivalent: `tc qdisc replace`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) but for `EEXIST`.
    pub fn replace(self, config: impl Into<QdiscConfig>) -> Pending<Ack> {
        self.write(TcVerb::Replace, config.into())
    }

    /// Removes the qdisc, with its classes, their qdiscs and its filters.
    ///
    /// Equivalent: `tc qdisc delete`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](nl_core::Error::is_not_found)) if there is none but the kernel's own; `EINVAL` if it has another
    /// [name](Self::handle).
    pub fn delete(self) -> Pending<Ack> {
        Pending::new(self.send(TcVerb::Delete))
    }

    /// Reads the qdisc, with its statistics.
    ///
    /// Out of the list of all, for the kernel tells an answer about one qdisc to everybody who listens for events, as if it
    /// were new.
    ///
    /// Equivalent: `tc -s qdisc show dev DEV root`. Needs no privilege.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](nl_core::Error::is_not_found)) if there is none in this place; `EINVAL` if it has another
    /// [name](Self::handle); no such device.
    pub fn get(self) -> Pending<Qdisc> {
        Pending::new(async move {
            let outcome = self.find().await;
            outcome.map_err(|error| error.during(|| self.describe("get")))
        })
    }

    async fn find(&self) -> Result<Qdisc> {
        let index = self.tc.index(&self.dev).await?;
        let Qdisc { parent, handle, .. } = self.qdisc;
        let filter = QdiscFilter {
            index: Some(index),
            parent: Some(parent),
            handle: (!handle.is_none()).then_some(handle),
            invisible: true,
        };
        if let Some(qdisc) = self.tc.qdiscs_matching(filter).collect_all().await?.pop() {
            return Ok(qdisc);
        }
        // The kernel's refusal goes to nobody else.
        let header = TcMsg { index, handle: handle.bits(), parent: parent.bits(), ..TcMsg::default() };
        let request = Request::new(RTM_GETQDISC, &PLAIN, crate::qdisc::describe)
            .with_flags(NLM_F_ECHO)
            .with_header(&header);
        let reply = self.tc.conn.exchange(request).await?;
        // It was added since the list was read, or it is one that the kernel does not show.
        let found = reply.messages.first().ok_or_else(not_found)?;
        Ok(Qdisc::decode(found.as_ref())?)
    }

    fn write(mut self, verb: TcVerb, config: QdiscConfig) -> Pending<Ack> {
        self.qdisc.config = config;
        Pending::new(self.send(verb))
    }

    async fn send(mut self, verb: TcVerb) -> Result<Ack> {
        let outcome = async {
            self.qdisc.index = self.tc.index(&self.dev).await?;
            self.tc.conn.acknowledged(self.qdisc.request(verb)).await
        };
        outcome.await.map_err(|error| {
            let error = error.or_unsupported(
                has_no_such_kind,
                "this kind of qdisc",
                Since::option("its module, sch_KIND"),
            );
            error.during(|| self.describe(&verb.to_string()))
        })
    }

    fn describe(&self, verb: &str) -> String {
        let mut text = format!("{verb} qdisc dev {}", self.dev);
        // Writing to a String cannot fail.
        let _ = crate::qdisc::write_place(&mut text, self.qdisc.parent, self.qdisc.handle);
        if !self.qdisc.config.is_nothing() {
            let _ = write!(text, " {}", self.qdisc.config);
        }
        text
    }
}

/// The number alone says that something is not there, not what.
fn has_no_such_kind(error: &KernelError) -> bool {
    let text = error.ext_ack.message.as_deref().unwrap_or_default();
    error.errno == Errno::ENOENT && text.contains("kind is unknown")
}

impl Tc {
    pub(crate) fn qdiscs_matching(&self, filter: QdiscFilter) -> Dump<Qdisc> {
        self.conn.dump(filter.list_request(), move |message| {
            let qdisc = Qdisc::decode(message)?;
            Ok(filter.matches(&qdisc).then_some(qdisc))
        })
    }
}

/// All qdiscs, or those that match. The verb comes last.
#[derive(Clone, Debug)]
#[must_use = "an entry does nothing without a verb"]
pub struct Qdiscs {
    tc: Tc,
    dev: Option<Dev>,
    filter: QdiscFilter,
}

impl Qdiscs {
    pub(crate) fn new(tc: Tc) -> Self {
        Self { tc, dev: None, filter: QdiscFilter::default() }
    }

    /// On this device. Filtered by the kernel from 7.2 on, and before while reading.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// In this place. Filtered as by [`dev`](Self::dev).
    pub fn parent(mut self, parent: TcHandle) -> Self {
        self.filter.parent = Some(parent);
        self
    }

    /// Of this name. Filtered as by [`dev`](Self::dev).
    pub fn handle(mut self, handle: TcHandle) -> Self {
        self.filter.handle = Some(handle);
        self
    }

    /// Also those that the kernel put on classes by itself (`invisible`).
    pub fn invisible(mut self) -> Self {
        self.filter.invisible = true;
        self
    }

    /// Lists them with their statistics: a stream in constant memory.
    ///
    /// Equivalent: `tc -s qdisc show`. Needs no privilege.
    ///
    /// The kernel does not notice when qdiscs are added or deleted while they are listed: some may then be missed or shown
    /// twice.
    ///
    /// # Errors
    /// No such device.
    pub fn list(self) -> Pending<Dump<Qdisc>> {
        let Self { tc, dev, mut filter } = self;
        Pending::new(async move {
            tc.on_route().map_err(|error| error.during(|| "list qdiscs".into()))?;
            if let Some(dev) = dev {
                let index = tc.index(&dev).await;
                filter.index =
                    Some(index.map_err(|error| error.during(|| format!("list qdiscs dev {dev}")))?);
            }
            Ok(tc.qdiscs_matching(filter))
        })
    }
}
