use std::fmt::Write as _;

use nl_core::dump::Dump;
use nl_core::error::Ack;
use nl_core::message::Request;
use nl_core::{Dev, Error, Result};

use super::Tc;
use crate::class::{Class, ClassConfig, ClassFilter};
use crate::message::{PLAIN, RTM_GETTCLASS};
use crate::qdisc::{Qdisc, QdiscFilter};
use crate::stats::Estimator;
use crate::{TcHandle, TcMsg, TcVerb};

/// One class to be added, changed, deleted or read. The verb comes last and is the only `await`.
///
/// The kernel does not compare the kind of a class with that of its qdisc and reads the options as the qdisc's kind would,
/// and HTB puts a class whose parent is not there under the qdisc, and moves none. So the verbs that write look first, and refuse that.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb is awaited"]
pub struct ClassEntry<'a> {
    tc: &'a Tc,
    dev: Dev,
    class: Class,
}

impl<'a> ClassEntry<'a> {
    pub(super) fn new(tc: &'a Tc, dev: Dev, handle: TcHandle) -> Self {
        Self { tc, dev, class: Class::at(0, handle) }
    }

    /// Under this class or qdisc; without it a new class goes under its qdisc (`parent`).
    pub fn parent(mut self, parent: TcHandle) -> Self {
        self.class.parent = parent;
        self
    }

    /// With a rate estimator (`estimator`).
    pub fn estimator(mut self, estimator: Estimator) -> Self {
        self.class.estimator = Some(estimator);
        self
    }

    /// Makes the class; fails if it is there.
    ///
    /// Equivalent: `tc class add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EEXIST` ([`is_exists`](Error::is_exists)); `ENOENT` ([`is_not_found`](Error::is_not_found)) without the qdisc, or with
    /// HFSC the parent; `EINVAL` for a qdisc without classes; bad input, before the kernel is asked.
    pub async fn add(self, config: impl Into<ClassConfig>) -> Result<Ack> {
        self.write(TcVerb::Add, config.into()).await
    }

    /// Changes the class that is there. What the configuration does not say stays or not, depending on the kind; see its module.
    ///
    /// Equivalent: `tc class change`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if it is not there; `EINVAL` for an HFSC class under another parent;
    /// bad input, before the kernel is asked.
    pub async fn change(self, config: impl Into<ClassConfig>) -> Result<Ack> {
        self.write(TcVerb::Change, config.into()).await
    }

    /// Makes the class, or [changes](Self::change) the one that is there.
    ///
    /// Equivalent: `tc class replace`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) but for `EEXIST`.
    pub async fn replace(self, config: impl Into<ClassConfig>) -> Result<Ack> {
        self.write(TcVerb::Replace, config.into()).await
    }

    /// Removes the class, and the qdiscs on it.
    ///
    /// Equivalent: `tc class delete`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if it is not there; `EBUSY` ([`is_busy`](Error::is_busy)) while it has
    /// children or a filter points to it. **Do not just try again** then: the kernel has unbound some filters even so, those
    /// on an HTB class or on an HFSC qdisc, and the second attempt succeeds. `EOPNOTSUPP` for ETS, whose classes are bands.
    pub async fn delete(self) -> Result<Ack> {
        let outcome = async {
            let index = self.tc.index(&self.dev).await?;
            let class = Class { index, ..self.class.clone() };
            self.tc.conn.ack(class.request(TcVerb::Delete)).await
        };
        outcome.await.map_err(|error| error.during(|| self.describe("delete", None)))
    }

    /// Reads the class, with its statistics.
    ///
    /// Out of the list of all in its qdisc, for the kernel tells an answer about one class to everybody who listens for events,
    /// as if it were new.
    ///
    /// Equivalent: `tc -s class show dev DEV classid ID`. Needs no privilege.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if there is no such class; `ENODEV` without the device.
    pub async fn get(self) -> Result<Class> {
        let outcome = async {
            let index = self.tc.index(&self.dev).await?;
            let handle = self.class.handle;
            if let Some(class) = self.tc.find_class(index, handle).await? {
                return Ok(class);
            }
            // A refusal is for us alone.
            let header = TcMsg { index, handle: handle.bits(), ..TcMsg::default() };
            self.tc.conn.ack(Request::new(RTM_GETTCLASS, &PLAIN).with_header(&header)).await?;
            self.tc.find_class(index, handle).await?.ok_or_else(|| Error::usage("it comes and goes"))
        };
        outcome.await.map_err(|error| error.during(|| self.describe("get", None)))
    }

    async fn write(self, verb: TcVerb, config: ClassConfig) -> Result<Ack> {
        let outcome = async {
            let index = self.tc.index(&self.dev).await?;
            let class = Class { index, config: config.clone(), ..self.class.clone() };
            let mut request = class.request(verb);
            // Bad input goes first.
            request.encoded()?;
            self.tc.check_kind(&class).await?;
            self.tc.check_parent(&class, verb).await?;
            self.tc.conn.ack(request).await
        };
        outcome.await.map_err(|error| error.during(|| self.describe(&verb.to_string(), Some(&config))))
    }

    fn describe(&self, verb: &str, config: Option<&ClassConfig>) -> String {
        let mut text = format!("{verb} class dev {}", self.dev);
        // Writing to a String cannot fail.
        let _ = crate::class::write_place(&mut text, self.class.parent, self.class.handle);
        if let Some(config) = config {
            let _ = write!(text, " {config}");
        }
        text
    }
}

impl Tc {
    async fn find_class(&self, index: u32, handle: TcHandle) -> Result<Option<Class>> {
        let filter = ClassFilter { qdisc: Some(handle.qdisc()), ..ClassFilter::new(index) };
        let found = self.conn.dump(filter.list_request(), move |message| {
            let class = Class::decode(message)?;
            Ok((class.handle == handle && filter.matches(&class)).then_some(class))
        });
        Ok(found.collect_all().await?.pop())
    }

    /// The kernel would read the options as those of another kind.
    async fn check_kind(&self, class: &Class) -> Result<()> {
        let filter = QdiscFilter {
            index: Some(class.index),
            handle: Some(class.handle.qdisc()),
            ..QdiscFilter::default()
        };
        let qdiscs = self.conn.dump(filter.list_request(), move |message| {
            let qdisc = Qdisc::decode(message)?;
            Ok(filter.matches(&qdisc).then_some(qdisc))
        });
        let (handle, kind) = (class.handle.qdisc(), class.config.kind());
        match qdiscs.collect_all().await?.pop() {
            Some(qdisc) if qdisc.config.kind() != kind => {
                Err(Error::usage(format!("qdisc {handle} is {}, not {kind}", qdisc.config.kind())))
            }
            // Without it the kernel says so.
            _ => Ok(()),
        }
    }

    /// HTB would put the class elsewhere, or leave it where it is.
    async fn check_parent(&self, class: &Class, verb: TcVerb) -> Result<()> {
        let (handle, parent) = (class.handle, class.parent);
        let below = parent.minor() != 0 && !parent.is_root();
        if class.config.kind() != "htb" || parent.is_none() || (verb == TcVerb::Add && !below) {
            return Ok(());
        }
        if below && self.find_class(class.index, parent).await?.is_none() {
            return Err(Error::usage(format!(
                "there is no class {parent} to be the parent, and HTB would put {handle} under the qdisc"
            )));
        }
        match self.find_class(class.index, handle).await? {
            Some(there) if verb != TcVerb::Add && there.parent != parent && (below || !there.is_top()) => {
                Err(Error::usage(format!(
                    "class {handle} is under {}, and HTB moves none: delete it and add it",
                    if there.is_top() { handle.qdisc() } else { there.parent }
                )))
            }
            _ => Ok(()),
        }
    }
}

/// The classes of a device, or those that match. The verb comes last and is the only `await`.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb is awaited"]
pub struct Classes<'a> {
    tc: &'a Tc,
    dev: Dev,
    filter: ClassFilter,
}

impl<'a> Classes<'a> {
    pub(super) fn new(tc: &'a Tc, dev: Dev) -> Self {
        Self { tc, dev, filter: ClassFilter::default() }
    }

    /// In this qdisc. Filtered by the kernel.
    pub fn qdisc(mut self, qdisc: TcHandle) -> Self {
        self.filter.qdisc = Some(qdisc);
        self
    }

    /// Directly under this class or qdisc. Filtered by the kernel as to the qdisc, and then while reading.
    pub fn parent(mut self, parent: TcHandle) -> Self {
        self.filter.parent = Some(parent);
        self
    }

    /// Lists them with their statistics: a stream in constant memory, in no order.
    ///
    /// Equivalent: `tc -s class show`. Needs no privilege.
    ///
    /// The kernel does not notice when classes are added or deleted while they are listed: some may then be missed or shown
    /// twice. And where there is a `netem` qdisc the list of all classes ends early without a word, as that of `tc` does: the
    /// classes of the root qdisc are always there, but those of qdiscs on them may not be. [`qdisc`](Self::qdisc) lists them.
    ///
    /// # Errors
    /// No such device.
    pub async fn list(self) -> Result<Dump<Class>> {
        let Self { tc, dev, mut filter } = self;
        filter.index =
            tc.index(&dev).await.map_err(|error| error.during(|| format!("list classes dev {dev}")))?;
        Ok(tc.conn.dump(filter.list_request(), move |message| {
            let class = Class::decode(message)?;
            Ok(filter.matches(&class).then_some(class))
        }))
    }
}
