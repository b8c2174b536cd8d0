use std::fmt::Display;

use nl_core::dump::Dump;
use nl_core::error::{Ack, Errno};
use nl_core::message::{NLM_F_ECHO, RawMessage};
use nl_core::{Connection, Dev, Error, Pending, Result};

use super::codec::{Class, ClassFilter, Identity};
use super::config::ClassConfig;
use crate::lookup::{index, not_found, on_device};
use crate::qdisc::{self, QdiscFilter};
use crate::stats::Estimator;
use crate::{TcHandle, TcVerb};

/// One class to be added, changed, deleted or read. The verb comes last.
///
/// The kernel does not compare the kind of a class with the kind of its qdisc: it reads the options as those of the qdisc's kind.
/// HTB adds a class under the qdisc if the parent does not exist, and never moves a class. The verbs refuse all of that:
/// - [`add`](Self::add) is one request. The kernel reports the class that it added (`NLM_F_ECHO`). A class of another kind or
///   under another parent is deleted at once.
/// - [`change`](Self::change) and [`replace`](Self::replace) first read the class, whatever the size of the qdisc. The kernel
///   also sends this answer to everybody who listens for events. They see the class before and after the change.
#[derive(Clone, Debug)]
#[must_use = "an entry does nothing without a verb"]
pub struct ClassEntry {
    conn: Connection,
    dev: Dev,
    class: Class,
}

impl ClassEntry {
    pub(crate) fn new(conn: Connection, dev: Dev, handle: TcHandle) -> Self {
        Self { conn, dev, class: Class::at(0, handle) }
    }

    /// Sets the class or qdisc above this class. Unset: a new class is added under its qdisc (`parent`).
    pub fn parent(mut self, parent: TcHandle) -> Self {
        self.class.parent = parent;
        self
    }

    /// Sets a rate estimator (`estimator`).
    pub fn estimator(mut self, estimator: Estimator) -> Self {
        self.class.estimator = Some(estimator);
        self
    }

    /// Adds the class. Fails if it exists.
    ///
    /// Equivalent: `tc class add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// - `EEXIST` ([`is_exists`](Error::is_exists)).
    /// - `ENOENT` ([`is_not_found`](Error::is_not_found)): the qdisc, or the parent of an HTB or HFSC class, does not exist.
    /// - The qdisc is of another kind or has no classes; bad input, before the kernel is asked.
    /// - [`Overrun`](nl_core::error::ErrorKind::Overrun): the class was added and its report was lost.
    ///
    /// If the operation is dropped after the report of a wrong class and before its deletion, that class stays.
    #[expect(clippy::should_implement_trait, reason = "the word of `tc`")]
    pub fn add(self, config: impl Into<ClassConfig>) -> Pending<Ack> {
        self.write(TcVerb::Add, config.into())
    }

    /// Changes an existing class. Whether unset options keep their value depends on the kind; see its module.
    ///
    /// Equivalent: `tc class change`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// - `ENOENT` ([`is_not_found`](Error::is_not_found)): the class does not exist.
    /// - `EINVAL`: an HFSC class under another parent.
    /// - The qdisc is of another kind; an HTB class under another parent; bad input, before the kernel is asked.
    pub fn change(self, config: impl Into<ClassConfig>) -> Pending<Ack> {
        self.write(TcVerb::Change, config.into())
    }

    /// Adds the class, or [changes](Self::change) the existing class.
    ///
    /// Equivalent: `tc class replace`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) without `EEXIST`.
    pub fn replace(self, config: impl Into<ClassConfig>) -> Pending<Ack> {
        self.write(TcVerb::Replace, config.into())
    }

    /// Deletes the class and its qdiscs.
    ///
    /// Equivalent: `tc class delete`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// - `ENOENT` ([`is_not_found`](Error::is_not_found)): the class does not exist.
    /// - `EBUSY` ([`is_busy`](Error::is_busy)): the class has children, or a filter points to it. **Do not just try again**: the
    ///   kernel has unbound some of the filters, those on an HTB class or on an HFSC qdisc, so a second attempt succeeds.
    /// - `EOPNOTSUPP`: an ETS class, which is a band.
    pub fn delete(mut self) -> Pending<Ack> {
        Pending::new(async move {
            let outcome = async {
                self.class.index = index(&self.conn, &self.dev).await?;
                self.conn.acknowledged(self.class.request(TcVerb::Delete)).await
            };
            let outcome = outcome.await;
            outcome.map_err(|error| self.explain(TcVerb::Delete, self.or_missing(error)))
        })
    }

    /// Reads the class with its statistics.
    ///
    /// This lists the classes of the qdisc, because the kernel sends the answer about a single class to everybody who listens for
    /// events, as if the class were new.
    ///
    /// Equivalent: `tc -s class show dev DEV classid ID`. Needs no privilege.
    ///
    /// # Errors
    /// `ENOENT` or `ENODEV` ([`is_not_found`](Error::is_not_found)): the class or the device does not exist.
    pub fn get(mut self) -> Pending<Class> {
        Pending::new(async move {
            let outcome = self.find().await;
            outcome.map_err(|error| self.explain("get", error))
        })
    }

    async fn find(&mut self) -> Result<Class> {
        self.class.index = index(&self.conn, &self.dev).await?;
        let handle = self.class.handle;
        let filter = ClassFilter { qdisc: Some(handle.qdisc()), ..ClassFilter::new(self.class.index) };
        let found = self.conn.dump(filter.list_request(), move |message| {
            // The other classes are not decoded.
            match Identity::decode(message)?.handle == handle {
                true => Class::decode(message).map(Some),
                false => Ok(None),
            }
        });
        match found.collect_all().await?.pop() {
            Some(class) => Ok(class),
            // The class does not exist, or was added after the list was read. The kernel sends a refusal to the caller only.
            None => Ok(Class::decode(self.read().await?.as_ref())?),
        }
    }

    fn write(mut self, verb: TcVerb, config: ClassConfig) -> Pending<Ack> {
        self.class.config = config;
        Pending::new(async move {
            match self.try_write(verb).await {
                Ok(Some(ack)) => Ok(ack),
                Ok(None) => {
                    let (class, parent) = (&self.class, self.class.parent);
                    let error = not_found().during(|| format!("{verb} {class}: parent {parent}"));
                    Err(error.naming(class.index, &self.dev))
                }
                Err(error) => Err(self.explain(verb, error)),
            }
        })
    }

    /// `None` if the parent of an HTB class does not exist.
    async fn try_write(&mut self, verb: TcVerb) -> Result<Option<Ack>> {
        self.class.index = index(&self.conn, &self.dev).await?;
        let mut request = self.class.request(verb);
        // Checks the request before the first step.
        request.encoded()?;
        if verb != TcVerb::Add && self.exists_as_desired().await? || verb == TcVerb::Change {
            return match self.conn.acknowledged(request).await {
                Err(error) if error.errno() == Some(Errno::EINVAL) => Err(self.or_other_kind(error).await),
                Err(error) if error.is_not_found() => Err(self.or_missing(error)),
                outcome => outcome.map(Some),
            };
        }
        let reply = match self.conn.exchange(request.with_flags(NLM_F_ECHO)).await {
            Ok(reply) => reply,
            Err(error) => return Err(self.or_other_kind(error).await),
        };
        let Some(added) = reply.messages.first() else { return Ok(Some(reply.ack)) };
        match check_added(&self.class, &Identity::decode(added.as_ref())?) {
            Ok(true) => Ok(Some(reply.ack)),
            wrong => {
                self.delete_added().await?;
                wrong.map(|_| None)
            }
        }
    }

    /// Whether the class exists. Refuses a class of another kind or under another parent.
    async fn exists_as_desired(&self) -> Result<bool> {
        match self.read().await {
            Ok(current) => check_current(&self.class, &Identity::decode(current.as_ref())?).map(|()| true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(self.or_other_kind(error).await),
        }
    }

    /// Reads the class by a request of its own. Everybody who listens for events gets the answer too.
    async fn read(&self) -> Result<RawMessage> {
        let request = Class::get_request(self.class.index, self.class.handle);
        self.conn.exchange(request).await?.messages.pop().ok_or_else(not_found)
    }

    /// If the qdisc is of another kind, the kernel's error blames the options. For a missing qdisc or parent it has no text.
    async fn or_other_kind(&self, error: Error) -> Error {
        let is_device = error.errno() == Some(Errno::ENODEV);
        if error.kernel().is_none() || is_device || error.is_exists() || error.is_permission() {
            return error;
        }
        let (handle, kind) = (self.class.handle.qdisc(), self.class.config.kind());
        let filter =
            QdiscFilter { index: Some(self.class.index), handle: Some(handle), ..QdiscFilter::default() };
        let Ok(found) = qdisc::list(&self.conn, filter).collect_all().await else { return error };
        let parent = self.class.parent;
        let has_parent = parent.minor() != 0 && !parent.is_root();
        match found.first().map(|qdisc| qdisc.config.kind()) {
            None => error.hinted(format!("there is no qdisc {handle}")),
            Some(is) if is != kind => other_kind(handle, is, kind),
            Some(_) if error.is_not_found() && has_parent => {
                error.hinted(format!("there is no class {parent}, the parent"))
            }
            Some("hfsc") if error.errno() == Some(Errno::EINVAL) && !parent.is_none() => {
                error.hinted("HFSC cannot move a class to another parent: delete the class and add it again")
            }
            Some(_) => error,
        }
    }

    /// The kernel's error has no text.
    fn or_missing(&self, error: Error) -> Error {
        match error.errno() {
            Some(Errno::ENOENT) => {
                let handle = self.class.handle;
                error.hinted(format!("there is no class {handle}, or no qdisc {}", handle.qdisc()))
            }
            _ => error,
        }
    }

    async fn delete_added(&self) -> Result<()> {
        let class = Class::at(self.class.index, self.class.handle);
        let delete = || self.conn.acknowledged(class.request(TcVerb::Delete));
        match delete().await {
            // A filter pointed to the class. The kernel has unbound it.
            Err(error) if error.is_busy() => delete().await.map(drop),
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    fn explain(&self, verb: impl Display, error: Error) -> Error {
        error.during(|| format!("{verb} {}", self.class)).naming(self.class.index, &self.dev)
    }
}

/// Whether the class has the desired parent: HTB adds a class under the qdisc if the parent does not exist. Refuses another kind,
/// because the kernel reads the options as those of the qdisc's kind.
fn check_added(class: &Class, added: &Identity<'_>) -> Result<bool> {
    check_kind(class, added)?;
    Ok(!has_htb_parent(class) || added.parent == class.parent)
}

/// Refuses another kind, because the kernel reads the options as those of the qdisc's kind, and another parent, because HTB never
/// moves a class.
fn check_current(class: &Class, current: &Identity<'_>) -> Result<()> {
    check_kind(class, current)?;
    let (handle, parent) = (class.handle, class.parent);
    let is_elsewhere = match has_htb_parent(class) {
        true => current.parent != parent,
        false => !parent.is_none() && !current.parent.is_root(),
    };
    match class.config.kind() == "htb" && is_elsewhere {
        true => Err(Error::usage(format!(
            "class {handle} is under {}, and HTB cannot move it: delete the class and add it again",
            if current.parent.is_root() { handle.qdisc() } else { current.parent }
        ))),
        false => Ok(()),
    }
}

fn check_kind(class: &Class, current: &Identity<'_>) -> Result<()> {
    match class.config.kind() {
        kind if kind == current.kind => Ok(()),
        kind => Err(other_kind(class.handle.qdisc(), current.kind, kind)),
    }
}

fn other_kind(qdisc: TcHandle, is: &str, not: &str) -> Error {
    Error::usage(format!("qdisc {qdisc} is {is}, not {not}"))
}

/// Whether this is an HTB class with another class above it.
fn has_htb_parent(class: &Class) -> bool {
    class.config.kind() == "htb" && class.parent.minor() != 0 && !class.parent.is_root()
}

/// The classes of a device, or a selection of them. The verb comes last.
#[derive(Clone, Debug)]
#[must_use = "an entry does nothing without a verb"]
pub struct Classes {
    conn: Connection,
    dev: Dev,
    filter: ClassFilter,
}

impl Classes {
    pub(crate) fn new(conn: Connection, dev: Dev) -> Self {
        Self { conn, dev, filter: ClassFilter::default() }
    }

    /// Selects the classes of a qdisc. The kernel filters.
    pub fn qdisc(mut self, qdisc: TcHandle) -> Self {
        self.filter.qdisc = Some(qdisc);
        self
    }

    /// Selects the classes directly under a class or qdisc. The kernel filters by qdisc. The rest is filtered while reading.
    pub fn parent(mut self, parent: TcHandle) -> Self {
        self.filter.parent = Some(parent);
        self
    }

    /// Lists the classes with their statistics: a stream in constant memory, in no order.
    ///
    /// Equivalent: `tc -s class show`. Needs no privilege.
    ///
    /// The kernel does not notice when classes are added or deleted during the list. It may miss classes or repeat them.
    ///
    /// With a `netem` qdisc on the device, the list of all classes ends early without an error, like that of `tc`. The classes of
    /// the root qdisc are complete. Classes of other qdiscs may be missing: list them by [`qdisc`](Self::qdisc).
    ///
    /// # Errors
    /// The device does not exist.
    pub fn list(mut self) -> Pending<Dump<Class>> {
        Pending::new(async move {
            let outcome = async {
                self.filter.index = index(&self.conn, &self.dev).await?;
                let found = list(&self.conn, self.filter.clone());
                on_device(&self.conn, &self.dev, self.filter.index, found).await
            };
            let outcome = outcome.await;
            outcome.map_err(|error| {
                let error = error.during(|| format!("list {}", self.filter));
                error.naming(self.filter.index, &self.dev)
            })
        })
    }
}

pub(crate) fn list(conn: &Connection, filter: ClassFilter) -> Dump<Class> {
    conn.dump(filter.list_request(), move |message| filter.decode(message))
}
