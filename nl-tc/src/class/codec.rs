use std::fmt;

use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::check::{Invalid, check_index};
use nl_core::message::{MessageRef, TcMsg};

use super::config::ClassConfig;
use crate::message::{
    self, NAMES, Parts, RTM_DELTCLASS, RTM_GETTCLASS, RTM_NEWTCLASS, TCA_KIND, TCA_RATE, describe,
};
use crate::setters::setters;
use crate::stats::{Estimator, Stats, XStats};
use crate::tc_handle::write_parent;
use crate::units::word;
use crate::{TcHandle, TcVerb};

/// A class, as it is read and written.
///
#[cfg_attr(feature = "htb", doc = "```")]
#[cfg_attr(not(feature = "htb"), doc = "```ignore")]
/// use nl_tc::class::Class;
/// use nl_tc::htb::HtbClassConfig;
/// use nl_tc::{Rate, TcHandle, TcVerb};
///
/// let class = Class::new(5, TcHandle::new(1, 0x10), HtbClassConfig::new(Rate::mbit(10)));
/// assert_eq!(class.to_string(), "class dev #5 classid 1:10 htb rate 10Mbit");
/// let request = class.request(TcVerb::Add);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Class {
    /// The interface.
    pub index: u32,
    /// The classid, such as `1:10`.
    pub handle: TcHandle,
    /// The class or qdisc above this class. The kernel reports [`ROOT`](TcHandle::ROOT) for a class directly under its qdisc,
    /// and HFSC reports the qdisc. In a request it can be [`NONE`](TcHandle::NONE): then a new class is added under the qdisc,
    /// and an existing class stays where it is.
    pub parent: TcHandle,
    /// The kind and its options.
    pub config: ClassConfig,
    /// The rate estimator. Write only: the kernel does not report it.
    pub estimator: Option<Estimator>,
    /// The qdisc of the class, unless that is the default one. Read only.
    pub leaf: Option<TcHandle>,
    /// The counters. Read only.
    pub stats: Stats,
}

impl Class {
    /// A class directly under its qdisc, on the interface `index`.
    #[must_use]
    pub fn new(index: u32, handle: TcHandle, config: impl Into<ClassConfig>) -> Self {
        Self {
            index,
            handle,
            parent: TcHandle::NONE,
            config: config.into(),
            estimator: None,
            leaf: None,
            stats: Stats::default(),
        }
    }

    /// A class without a configuration, which is enough to delete it.
    #[must_use]
    pub fn at(index: u32, handle: TcHandle) -> Self {
        Self::new(index, handle, ClassConfig::unset())
    }

    setters! {
        /// Sets the class or qdisc above this class (`parent`).
        parent: TcHandle;
        /// Sets the rate estimator (`estimator`).
        estimator: Estimator => Some;
    }

    /// Whether the class is directly under its qdisc.
    #[must_use]
    pub fn is_top(&self) -> bool {
        is_top(self.handle, self.parent)
    }

    /// Decodes an `RTM_NEWTCLASS` or `RTM_DELTCLASS` message.
    ///
    /// # Errors
    /// The message is of another type, or malformed.
    #[inline]
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        if !matches!(message.kind(), RTM_NEWTCLASS | RTM_DELTCLASS) {
            return Err(DecodeError::Kind(message.kind()));
        }
        let parts = Parts::decode(message)?;
        let mut stats = Stats::default();
        let xstats = stats.decode(&parts.stats)?;
        stats.xstats = XStats::decode_class(parts.kind, xstats)?;
        Ok(Self {
            index: parts.index,
            handle: parts.handle,
            parent: parts.parent,
            config: ClassConfig::decode(parts.kind, parts.options)?,
            estimator: parts.estimator,
            leaf: (parts.info != 0).then(|| TcHandle::from_bits(parts.info)),
            stats,
        })
    }

    /// The request that does this with the class. Sending [fails](Request::invalid_if) if the kernel would refuse the request or
    /// misread it.
    #[must_use]
    pub fn request(&self, verb: TcVerb) -> Request {
        let message = if verb == TcVerb::Delete { RTM_DELTCLASS } else { RTM_NEWTCLASS };
        let header = TcMsg {
            index: self.index,
            handle: self.handle.bits(),
            parent: self.wire_parent(verb).bits(),
            ..TcMsg::default()
        };
        let mut request = message::request(
            message,
            verb,
            header,
            self.config.kind(),
            self.config.names(),
            describe_request,
        );
        if verb.writes() {
            let mut w = request.attrs();
            w.opt(TCA_RATE, self.estimator, |w, kind, estimator| w.bytes(kind, &estimator.wire()));
            self.config.encode(&mut w, verb);
        }
        request.invalid_if(self.check(verb))
    }

    /// The request that reads one class. The kernel also sends the answer to everybody who listens for events.
    pub(crate) fn get_request(index: u32, handle: TcHandle) -> Request {
        let header = TcMsg { index, handle: handle.bits(), ..TcMsg::default() };
        message::get(RTM_GETTCLASS, header, describe_request)
    }

    /// Without a parent, a new class is added under the qdisc and an existing class stays where it is.
    fn wire_parent(&self, verb: TcVerb) -> TcHandle {
        let qdisc = self.handle.qdisc();
        match verb {
            TcVerb::Delete => TcHandle::NONE,
            TcVerb::Add if self.parent.is_none() => qdisc,
            // The root class of HFSC is under the root. Other classes cannot be added there.
            _ if self.config.kind() == "hfsc" && self.parent.is_root() => match self.handle.minor() {
                0 => TcHandle::NONE,
                _ => qdisc,
            },
            _ => self.parent,
        }
    }

    fn check(&self, verb: TcVerb) -> Result<(), Invalid> {
        let (handle, parent, kind) = (self.handle, self.parent, self.config.kind());
        check_index(self.index)?;
        if handle.major() == 0 || handle.is_root() {
            return Err(
                format!("classid {handle}; a classid like 1:10 is needed, the kernel chooses none").into()
            );
        }
        self.check_minor(verb)?;
        let qdisc = handle.qdisc();
        if verb.writes() && !parent.is_root() {
            if !parent.is_none() && parent.qdisc() != qdisc {
                return Err(format!("parent {parent}; a parent in the same qdisc, {qdisc}, is needed").into());
            }
            if matches!(kind, "drr" | "qfq" | "ets") && parent.minor() != 0 {
                return Err(
                    format!("parent {parent}; {kind} classes are children of the qdisc, {qdisc}").into()
                );
            }
        }
        if parent == handle && handle.minor() != 0 {
            return Err(format!("parent {parent} is the class itself").into());
        }
        self.config.check(verb)?;
        self.estimator.filter(|_| verb.writes()).map_or(Ok(()), Estimator::check)
    }

    /// `X:0` is the root class of HFSC. Other kinds must not have it.
    fn check_minor(&self, verb: TcVerb) -> Result<(), Invalid> {
        let handle = self.handle;
        let why = match (self.config.kind(), verb) {
            _ if handle.minor() != 0 => return Ok(()),
            ("hfsc", TcVerb::Change | TcVerb::Replace) => return Ok(()),
            ("hfsc", _) => {
                format!("class {handle} is the root class: it can be changed, not added or deleted")
            }
            ("htb", _) => format!(
                "classid {handle}; minors 1 to ffff are possible, because the qdisc's new classes would become children of {handle}"
            ),
            (_, TcVerb::Delete) => format!("classid {handle}; minors 1 to ffff are possible"),
            _ => format!(
                "classid {handle}; minors 1 to ffff are possible, because {handle} could not be deleted"
            ),
        };
        Err(why.into())
    }
}

/// The words of `tc`, with `#5` for interface 5.
impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "class dev #{}", self.index)?;
        write_parent(f, self.parent)?;
        word(f, "classid", Some(self.handle).filter(|handle| !handle.is_none()))?;
        self.config.write_words(f)
    }
}

/// The part of a message that identifies a class, and the kind of its qdisc.
pub(super) struct Identity<'a> {
    pub(super) handle: TcHandle,
    pub(super) parent: TcHandle,
    pub(super) kind: &'a str,
}

impl<'a> Identity<'a> {
    pub(super) fn decode(message: MessageRef<'a>) -> Result<Self, DecodeError> {
        if message.kind() != RTM_NEWTCLASS {
            return Err(DecodeError::Kind(message.kind()));
        }
        let (header, attrs) = message.header::<TcMsg>()?;
        Ok(Self {
            handle: TcHandle::from_bits(header.handle),
            parent: TcHandle::from_bits(header.parent),
            kind: attrs.find(TCA_KIND)?.map_or(Ok(""), |kind| kind.str())?,
        })
    }
}

/// Which classes of a device to list. The kernel filters by qdisc. The rest is filtered while reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassFilter {
    /// The interface, which is needed.
    pub index: u32,
    /// In this qdisc.
    pub qdisc: Option<TcHandle>,
    /// Directly under this class or qdisc.
    pub parent: Option<TcHandle>,
}

impl ClassFilter {
    /// All classes of an interface.
    #[must_use]
    pub fn new(index: u32) -> Self {
        Self { index, ..Self::default() }
    }

    /// Whether the filter selects a class.
    #[must_use]
    pub fn matches(&self, class: &Class) -> bool {
        self.selects(class.index, class.handle, class.parent)
    }

    /// Decodes a class if the filter selects it.
    pub(super) fn decode(&self, message: MessageRef<'_>) -> Result<Option<Class>, DecodeError> {
        let (header, _) = message.header::<TcMsg>()?;
        let (handle, parent) = (TcHandle::from_bits(header.handle), TcHandle::from_bits(header.parent));
        match self.selects(header.index, handle, parent) {
            true => Class::decode(message).map(Some),
            false => Ok(None),
        }
    }

    /// The request that lists what the kernel can filter.
    #[must_use]
    pub fn list_request(&self) -> Request {
        let of = self.qdisc.or(self.parent.filter(|parent| !parent.is_root())).unwrap_or_default();
        let header = TcMsg { index: self.index, parent: of.qdisc().bits(), ..TcMsg::default() };
        let request = Request::new(RTM_GETTCLASS, &NAMES, describe_request).with_header(&header);
        request.invalid_if(self.check())
    }

    fn check(&self) -> Result<(), Invalid> {
        check_index(self.index)?;
        match (self.qdisc, self.parent) {
            (Some(qdisc), Some(parent)) if !parent.is_root() && qdisc.qdisc() != parent.qdisc() => {
                Err(format!("parent {parent}; a parent in the same qdisc, {qdisc}, is needed").into())
            }
            _ => Ok(()),
        }
    }

    fn selects(&self, index: u32, handle: TcHandle, under: TcHandle) -> bool {
        self.index == index
            && self.qdisc.is_none_or(|qdisc| handle.qdisc() == qdisc.qdisc())
            && self.parent.is_none_or(|parent| {
                under == parent || parent.minor() == 0 && handle.qdisc() == parent && is_top(handle, under)
            })
    }
}

/// `classes`, and what selects them.
impl fmt::Display for ClassFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "classes dev #{}", self.index)?;
        word(f, "qdisc", self.qdisc)?;
        write_parent(f, self.parent.unwrap_or_default())
    }
}

fn is_top(handle: TcHandle, parent: TcHandle) -> bool {
    handle.minor() != 0 && (parent.is_root() || parent == handle.qdisc())
}

fn describe_request(message: MessageRef<'_>) -> String {
    let class = |parts: &Parts<'_>| {
        let config = ClassConfig::decode(parts.kind, parts.options).unwrap_or(ClassConfig::unset());
        Class::new(parts.index, parts.handle, config).parent(parts.parent)
    };
    let list = |parts: &Parts<'_>| ClassFilter {
        index: parts.index,
        qdisc: Some(parts.parent).filter(|qdisc| !qdisc.is_none()),
        parent: None,
    };
    describe(message, "class", class, list)
}
