use std::fmt::{self, Write};

use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::message::{MessageRef, TcMsg};

use crate::kinds::kinds;
use crate::message::{
    self, PLAIN, Parts, RTM_DELTCLASS, RTM_GETTCLASS, RTM_NEWTCLASS, TCA_KIND, TCA_RATE, check_index, judged,
    start,
};
use crate::stats::{AppStats, Estimator, Stats};
use crate::units::Refusal;
use crate::{TcHandle, TcVerb};

kinds! {
    /// The configuration of a class, by kind.
    ClassConfig;
    /// See [`drr`](crate::drr).
    "drr" Drr(crate::drr::DrrClassConfig) "drr";
    /// See [`ets`](crate::ets).
    "ets" Ets(crate::ets::EtsClassConfig) "ets";
    /// See [`hfsc`](crate::hfsc).
    "hfsc" Hfsc(crate::hfsc::HfscClassConfig) "hfsc";
    /// See [`htb`](crate::htb).
    "htb" Htb(crate::htb::HtbClassConfig) "htb";
    /// See [`qfq`](crate::qfq).
    "qfq" Qfq(crate::qfq::QfqClassConfig) "qfq";
}

/// One class, as it is read and as it is written.
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
    /// The name.
    pub handle: TcHandle,
    /// The class or qdisc it is under. Read of a class directly under its qdisc it is [`ROOT`](TcHandle::ROOT), but with HFSC
    /// the qdisc. Written it may be [`NONE`](TcHandle::NONE): then the class is under the qdisc, or stays where it is.
    pub parent: TcHandle,
    /// The kind and its options.
    pub config: ClassConfig,
    /// The rate estimator; only written, the kernel does not tell it.
    pub estimator: Option<Estimator>,
    /// The qdisc on the class, unless that is the queue it had from the beginning; only read.
    pub leaf: Option<TcHandle>,
    /// What it counted; only read.
    pub stats: Stats,
}

impl Class {
    /// A class of this name on the interface `index`, directly under its qdisc.
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

    /// A class of this name without a configuration: enough to delete it.
    #[must_use]
    pub fn at(index: u32, handle: TcHandle) -> Self {
        Self::new(index, handle, ClassConfig::nothing())
    }

    /// Under this class or qdisc (`parent`).
    #[must_use]
    pub fn parent(mut self, parent: TcHandle) -> Self {
        self.parent = parent;
        self
    }

    /// With this rate estimator (`estimator`).
    #[must_use]
    pub fn estimator(mut self, estimator: Estimator) -> Self {
        self.estimator = Some(estimator);
        self
    }

    /// Reads an `RTM_NEWTCLASS` or `RTM_DELTCLASS` message.
    ///
    /// # Errors
    /// The message is of another type, or malformed.
    #[inline]
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        if !matches!(message.kind(), RTM_NEWTCLASS | RTM_DELTCLASS) {
            return Err(DecodeError::Kind(message.kind()));
        }
        let parts = Parts::read(message)?;
        let mut stats = Stats::default();
        let app = stats.read(&parts.stats)?;
        stats.app = AppStats::of_class(parts.kind, app)?;
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

    /// The request that does this with the class. One that the kernel would refuse, or would take and quietly do something
    /// else, is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn request(&self, verb: TcVerb) -> Request {
        let message = if verb == TcVerb::Delete { RTM_DELTCLASS } else { RTM_NEWTCLASS };
        let header = TcMsg {
            index: self.index,
            handle: self.handle.bits(),
            parent: self.wire_parent(verb).bits(),
            ..TcMsg::default()
        };
        let mut request = start(message, verb, header, self.config.kind(), self.config.names(), describe);
        if verb.writes() {
            if let Some(estimator) = self.estimator {
                request.attrs().bytes(TCA_RATE, &estimator.wire());
            }
            self.config.encode(&mut request.attrs(), verb);
        }
        judged(request, self.refusal(verb))
    }

    /// Without a word, a new class goes under the qdisc and one that is there stays.
    fn wire_parent(&self, verb: TcVerb) -> TcHandle {
        let qdisc = self.handle.qdisc();
        match verb {
            TcVerb::Delete => TcHandle::NONE,
            TcVerb::Add if self.parent.is_none() => qdisc,
            // HFSC's own class is under the root, and others cannot be made there.
            _ if self.config.kind() == "hfsc" && self.parent.is_root() => match self.handle.minor() {
                0 => TcHandle::NONE,
                _ => qdisc,
            },
            _ => self.parent,
        }
    }

    fn refusal(&self, verb: TcVerb) -> Refusal {
        let (handle, parent) = (self.handle, self.parent);
        let kind = self.config.kind();
        check_index(self.index)
            .or_else(|| {
                (handle.major() == 0 || handle.is_root()).then(|| {
                    format!("class {handle}; a class has a name like 1:10, the kernel picks none").into()
                })
            })
            .or_else(|| (handle.minor() == 0).then(|| self.refusal_of_zero(verb)).flatten())
            .or_else(|| {
                let apart = !parent.is_root() && !parent.is_none() && parent.qdisc() != handle.qdisc();
                (apart && verb.writes())
                    .then(|| format!("parent {parent}; it is in the same qdisc, {}", handle.qdisc()).into())
            })
            .or_else(|| (parent == handle && handle.minor() != 0).then(|| "a class under itself".into()))
            .or_else(|| {
                let flat = matches!(kind, "drr" | "qfq" | "ets") && verb.writes();
                (flat && !parent.is_root() && parent.minor() != 0).then(|| {
                    format!("parent {parent}; {kind} classes are all under the qdisc, {}", handle.qdisc())
                        .into()
                })
            })
            .or_else(|| self.config.refusal(verb))
            .or_else(|| self.estimator.filter(|_| verb.writes())?.refusal())
    }

    /// `X:0` is HFSC's own class; with other kinds it must not be.
    fn refusal_of_zero(&self, verb: TcVerb) -> Refusal {
        match &self.config {
            #[cfg(feature = "hfsc")]
            ClassConfig::Hfsc(_) => crate::hfsc::check_root(self.handle, verb),
            #[cfg(feature = "htb")]
            ClassConfig::Htb(_) => crate::htb::check_handle(self.handle),
            _ if verb == TcVerb::Delete => {
                Some(format!("class {}; minors 1 to ffff are possible", self.handle).into())
            }
            _ => Some(
                format!(
                    "class {}; minors 1 to ffff are possible, for one called so could not be deleted",
                    self.handle
                )
                .into(),
            ),
        }
    }

    /// Whether it is directly under its qdisc.
    #[must_use]
    pub fn is_top(&self) -> bool {
        is_top(self.handle, self.parent)
    }
}

fn is_top(handle: TcHandle, parent: TcHandle) -> bool {
    handle.minor() != 0 && (parent.is_root() || parent == handle.qdisc())
}

/// What identifies a class in a message, without the rest of it.
pub(crate) struct Place<'a> {
    pub(crate) handle: TcHandle,
    pub(crate) parent: TcHandle,
    /// That of the qdisc.
    pub(crate) kind: &'a str,
}

impl<'a> Place<'a> {
    pub(crate) fn read(message: MessageRef<'a>) -> Result<Self, DecodeError> {
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

/// A command of `tc`, with `#5` in place of the name of interface 5.
impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "class dev #{}", self.index)?;
        write_place(f, self.parent, self.handle)?;
        if !self.config.is_nothing() {
            write!(f, " {}", self.config)?;
        }
        Ok(())
    }
}

pub(crate) fn describe(message: MessageRef<'_>) -> String {
    let place = |text: &mut String, parts: &Parts<'_>| write_place(text, parts.parent, parts.handle);
    message::describe(message, "class", place, ClassConfig::decode)
}

pub(crate) fn write_place(f: &mut impl Write, parent: TcHandle, handle: TcHandle) -> fmt::Result {
    if !parent.is_none() {
        write!(f, " parent {parent}")?;
    }
    if handle.is_none() { Ok(()) } else { write!(f, " classid {handle}") }
}

/// Which classes of a device to list. The kernel picks those of one qdisc; the rest is filtered while reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassFilter {
    /// On this interface; one must be given.
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

    /// The request that lists what the kernel can filter.
    #[must_use]
    pub fn list_request(&self) -> Request {
        let of = self.qdisc.or(self.parent.filter(|parent| !parent.is_root())).unwrap_or_default();
        let header = TcMsg { index: self.index, parent: of.qdisc().bits(), ..TcMsg::default() };
        let apart = self.qdisc.zip(self.parent).is_some_and(|(q, p)| !p.is_root() && q.qdisc() != p.qdisc());
        let refusal = check_index(self.index).or_else(|| apart.then(|| "a parent in another qdisc".into()));
        judged(Request::new(RTM_GETTCLASS, &PLAIN, describe).with_header(&header), refusal)
    }

    /// Whether a class passes.
    #[must_use]
    pub fn matches(&self, class: &Class) -> bool {
        self.passes(class.index, class.handle, class.parent)
    }

    /// Reads a class if it passes.
    pub(crate) fn decode(&self, message: MessageRef<'_>) -> Result<Option<Class>, DecodeError> {
        let (header, _) = message.header::<TcMsg>()?;
        let (handle, parent) = (TcHandle::from_bits(header.handle), TcHandle::from_bits(header.parent));
        match self.passes(header.index, handle, parent) {
            true => Class::decode(message).map(Some),
            false => Ok(None),
        }
    }

    fn passes(&self, index: u32, handle: TcHandle, under: TcHandle) -> bool {
        self.index == index
            && self.qdisc.is_none_or(|qdisc| handle.qdisc() == qdisc.qdisc())
            && self.parent.is_none_or(|parent| {
                under == parent || parent.minor() == 0 && handle.qdisc() == parent && is_top(handle, under)
            })
    }
}
