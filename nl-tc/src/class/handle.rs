use std::fmt::Write as _;

use nl_core::Request;
use nl_core::dump::Dump;
use nl_core::error::Ack;
use nl_core::message::{NLM_F_ECHO, RawMessage};
use nl_core::{Dev, Error, Pending, Result};

use crate::class::{Class, ClassConfig, ClassFilter, Place};
use crate::message::{PLAIN, RTM_GETTCLASS};
use crate::qdisc::QdiscFilter;
use crate::stats::Estimator;
use crate::tc::{Tc, not_found};
use crate::{TcHandle, TcMsg, TcVerb};

/// One class to be added, changed, deleted or read. The verb comes last.
///
/// The kernel does not compare the kind of a class with that of its qdisc: it reads the options as the qdisc's kind would. HTB
/// puts a class whose parent does not exist under the qdisc, and never moves a class. The verbs refuse all of that:
/// - [`add`](Self::add) is one request. The kernel reports the class it made (`NLM_F_ECHO`); a class of another kind or under
///   another parent is deleted at once.
/// - [`change`](Self::change) and [`replace`](Self::replace) read the class first, whatever the size of the qdisc. The kernel
///   sends an answer about one class to everybody who listens for events, so they see the class as it was and then as it is.
#[derive(Clone, Debug)]
#[must_use = "an entry does nothing without a verb"]
pub struct ClassEntry {
    tc: Tc,
    dev: Dev,
    class: Class,
}

impl ClassEntry {
    pub(crate) fn new(tc: Tc, dev: Dev, handle: TcHandle) -> Self {
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
    /// HFSC the parent; a qdisc of another kind or without classes, or an HTB parent that does not exist; bad input, before the
    /// kernel is asked. If the class was made and its report was lost, [`Overrun`](nl_core::error::ErrorKind::Overrun).
    ///
    /// Dropped between the report of a class that is wrong and its deletion, the operation leaves that class.
    #[expect(clippy::should_implement_trait, reason = "the word of `tc`")]
    pub fn add(self, config: impl Into<ClassConfig>) -> Pending<Ack> {
        self.write(TcVerb::Add, config.into())
    }

    /// Changes the class that is there. What the configuration does not say stays or not, depending on the kind; see its module.
    ///
    /// Equivalent: `tc class change`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if it is not there; `EINVAL` for an HFSC class under another parent; a
    /// qdisc of another kind, or an HTB class under another parent; bad input, before the kernel is asked.
    pub fn change(self, config: impl Into<ClassConfig>) -> Pending<Ack> {
        self.write(TcVerb::Change, config.into())
    }

    /// Makes the class, or [changes](Self::change) the one that is there.
    ///
    /// Equivalent: `tc class replace`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) but for `EEXIST`.
    pub fn replace(self, config: impl Into<ClassConfig>) -> Pending<Ack> {
        self.write(TcVerb::Replace, config.into())
    }

    /// Removes the class, and the qdiscs on it.
    ///
    /// Equivalent: `tc class delete`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if it is not there; `EBUSY` ([`is_busy`](Error::is_busy)) while it has
    /// children or a filter points to it. **Do not just try again** then: the kernel has unbound some filters even so, those
    /// on an HTB class or on an HFSC qdisc, and the second attempt succeeds. `EOPNOTSUPP` for ETS, whose classes are bands.
    pub fn delete(mut self) -> Pending<Ack> {
        Pending::new(async move {
            let outcome = async {
                self.class.index = self.tc.index(&self.dev).await?;
                self.tc.conn.acknowledged(self.class.request(TcVerb::Delete)).await
            };
            outcome.await.map_err(|error| error.during(|| self.describe("delete")))
        })
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
    pub fn get(self) -> Pending<Class> {
        Pending::new(async move {
            let outcome = self.find().await;
            outcome.map_err(|error| error.during(|| self.describe("get")))
        })
    }

    async fn find(&self) -> Result<Class> {
        let (index, handle) = (self.tc.index(&self.dev).await?, self.class.handle);
        let filter = ClassFilter { qdisc: Some(handle.qdisc()), ..ClassFilter::new(index) };
        let found = self.tc.conn.dump(filter.list_request(), move |message| {
            // Most are of no interest, so they are not decoded.
            match Place::read(message)?.handle == handle {
                true => Class::decode(message).map(Some),
                false => Ok(None),
            }
        });
        match found.collect_all().await?.pop() {
            Some(class) => Ok(class),
            // It does not exist, or was added since the list was read. The kernel's refusal goes to nobody else.
            None => Ok(Class::decode(self.tc.read_class(index, handle).await?.as_ref())?),
        }
    }

    fn write(mut self, verb: TcVerb, config: ClassConfig) -> Pending<Ack> {
        self.class.config = config;
        Pending::new(async move {
            let outcome = async {
                self.class.index = self.tc.index(&self.dev).await?;
                self.tc.write_class(&self.class, verb).await
            };
            outcome.await.map_err(|error| error.during(|| self.describe(&verb.to_string())))
        })
    }

    fn describe(&self, verb: &str) -> String {
        let mut text = format!("{verb} class dev {}", self.dev);
        // Writing to a String cannot fail.
        let _ = crate::class::write_place(&mut text, self.class.parent, self.class.handle);
        if !self.class.config.is_nothing() {
            let _ = write!(text, " {}", self.class.config);
        }
        text
    }
}

impl Tc {
    async fn write_class(&self, class: &Class, verb: TcVerb) -> Result<Ack> {
        let mut request = class.request(verb);
        // Bad input goes first.
        request.encoded()?;
        if verb != TcVerb::Add && self.exists_as_asked(class).await? || verb == TcVerb::Change {
            return self.conn.acknowledged(request).await;
        }
        let reply = match self.conn.exchange(request.with_flags(NLM_F_ECHO)).await {
            Ok(reply) => reply,
            Err(error) => return Err(self.explain_refusal(class, error).await),
        };
        if let Some(made) = reply.messages.first()
            && let Err(error) = check_new(class, &Place::read(made.as_ref())?)
        {
            self.delete_class(class).await?;
            return Err(error);
        }
        Ok(reply.ack)
    }

    /// Whether there is such a class. Refuses one of another kind or under another parent.
    async fn exists_as_asked(&self, class: &Class) -> Result<bool> {
        match self.read_class(class.index, class.handle).await {
            Ok(current) => check_current(class, &Place::read(current.as_ref())?).map(|()| true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(self.explain_refusal(class, error).await),
        }
    }

    /// Reads one class. Everybody who listens for events gets the answer too.
    async fn read_class(&self, index: u32, handle: TcHandle) -> Result<RawMessage> {
        let header = TcMsg { index, handle: handle.bits(), ..TcMsg::default() };
        // Without the flag, the kernel answers everybody but the one who asks.
        let request = Request::new(RTM_GETTCLASS, &PLAIN, crate::class::describe)
            .with_flags(NLM_F_ECHO)
            .with_header(&header);
        self.conn.exchange(request).await?.messages.pop().ok_or_else(not_found)
    }

    /// The kernel's refusal of options of another kind blames the options.
    async fn explain_refusal(&self, class: &Class, error: Error) -> Error {
        if error.kernel().is_none() || error.is_not_found() || error.is_exists() || error.is_permission() {
            return error;
        }
        let handle = class.handle.qdisc();
        let filter = QdiscFilter { index: Some(class.index), handle: Some(handle), ..QdiscFilter::default() };
        match self.qdiscs_matching(filter).collect_all().await {
            Ok(found) => match found.first().filter(|qdisc| qdisc.config.kind() != class.config.kind()) {
                Some(qdisc) => other_kind(handle, qdisc.config.kind(), class.config.kind()),
                None => error,
            },
            Err(_) => error,
        }
    }

    async fn delete_class(&self, class: &Class) -> Result<()> {
        let delete = || self.conn.acknowledged(Class::at(class.index, class.handle).request(TcVerb::Delete));
        match delete().await {
            // A filter points to it. The kernel has unbound that now.
            Err(error) if error.is_busy() => delete().await.map(drop),
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn classes_matching(&self, filter: ClassFilter) -> Dump<Class> {
        self.conn.dump(filter.list_request(), move |message| filter.decode(message))
    }
}

/// The kernel reads the options as those of the qdisc's kind, and HTB puts a class under the qdisc if the parent does not exist.
fn check_new(class: &Class, made: &Place<'_>) -> Result<()> {
    check_kind(class, made)?;
    let (handle, parent) = (class.handle, class.parent);
    match is_htb_below(class) && made.parent != parent {
        true => Err(Error::usage(format!(
            "there is no class {parent} to be the parent, and HTB would put {handle} under the qdisc"
        ))),
        false => Ok(()),
    }
}

/// The kernel reads the options as those of the qdisc's kind, and HTB leaves a class where it is.
fn check_current(class: &Class, current: &Place<'_>) -> Result<()> {
    check_kind(class, current)?;
    let (handle, parent) = (class.handle, class.parent);
    let is_elsewhere = match is_htb_below(class) {
        true => current.parent != parent,
        false => !parent.is_none() && !current.parent.is_root(),
    };
    match class.config.kind() == "htb" && is_elsewhere {
        true => Err(Error::usage(format!(
            "class {handle} is under {}, and HTB moves none: delete it and add it",
            if current.parent.is_root() { handle.qdisc() } else { current.parent }
        ))),
        false => Ok(()),
    }
}

fn check_kind(class: &Class, current: &Place<'_>) -> Result<()> {
    match class.config.kind() {
        kind if kind == current.kind => Ok(()),
        kind => Err(other_kind(class.handle.qdisc(), current.kind, kind)),
    }
}

fn other_kind(qdisc: TcHandle, is: &str, not: &str) -> Error {
    Error::usage(format!("qdisc {qdisc} is {is}, not {not}"))
}

/// Whether it is to be an HTB class under another class.
fn is_htb_below(class: &Class) -> bool {
    class.config.kind() == "htb" && class.parent.minor() != 0 && !class.parent.is_root()
}

/// The classes of a device, or those that match. The verb comes last.
#[derive(Clone, Debug)]
#[must_use = "an entry does nothing without a verb"]
pub struct Classes {
    tc: Tc,
    dev: Dev,
    filter: ClassFilter,
}

impl Classes {
    pub(crate) fn new(tc: Tc, dev: Dev) -> Self {
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
    pub fn list(self) -> Pending<Dump<Class>> {
        let Self { tc, dev, mut filter } = self;
        Pending::new(async move {
            let index = tc.index(&dev).await;
            filter.index = index.map_err(|error| error.during(|| format!("list classes dev {dev}")))?;
            Ok(tc.classes_matching(filter))
        })
    }
}
