use std::fmt::{self, Write};

use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::message::{MessageRef, TcMsg};

use crate::kinds::kinds;
use crate::message::{
    self, PLAIN, Parts, RTM_DELQDISC, RTM_GETQDISC, RTM_NEWQDISC, TCA_DUMP_INVISIBLE, TCA_EGRESS_BLOCK,
    TCA_INGRESS_BLOCK, TCA_RATE, check_index, judged, start,
};
use crate::stats::{AppStats, Estimator, Stats};
use crate::units::Refusal;
use crate::{SizeTable, TcHandle, TcVerb};

kinds! {
    /// The configuration of a qdisc, by kind.
    QdiscConfig;
    /// See [`leaf`](crate::leaf).
    "leaf" Bfifo(crate::leaf::BfifoConfig) "bfifo";
    /// See [`leaf`](crate::leaf).
    "leaf" Clsact(crate::leaf::Clsact) "clsact";
    /// See [`drr`](crate::drr).
    "drr" Drr(crate::drr::DrrConfig) "drr";
    /// See [`ets`](crate::ets).
    "ets" Ets(crate::ets::EtsConfig) "ets";
    /// See [`leaf`](crate::leaf).
    "leaf" FqCodel(crate::leaf::FqCodelConfig) "fq_codel";
    /// See [`hfsc`](crate::hfsc).
    "hfsc" Hfsc(crate::hfsc::HfscConfig) "hfsc";
    /// See [`htb`](crate::htb).
    "htb" Htb(crate::htb::HtbConfig) "htb";
    /// See [`leaf`](crate::leaf).
    "leaf" Ingress(crate::leaf::Ingress) "ingress";
    /// See [`leaf`](crate::leaf).
    "leaf" Netem(crate::leaf::NetemConfig) "netem";
    /// See [`leaf`](crate::leaf).
    "leaf" Pfifo(crate::leaf::PfifoConfig) "pfifo";
    /// See [`qfq`](crate::qfq).
    "qfq" Qfq(crate::qfq::QfqConfig) "qfq";
    /// See [`leaf`](crate::leaf).
    "leaf" Sfq(crate::leaf::SfqConfig) "sfq";
    /// See [`leaf`](crate::leaf).
    "leaf" Tbf(crate::leaf::TbfConfig) "tbf";
}

impl QdiscConfig {
    /// Whether classes in it can be in a [tree](crate::tree).
    pub(crate) fn has_classes(&self) -> bool {
        matches!(self.kind(), "drr" | "ets" | "hfsc" | "htb" | "qfq")
    }

    /// Ingress and clsact have a place and a name of their own.
    pub(crate) fn is_ingress(&self) -> bool {
        matches!(self.kind(), "ingress" | "clsact")
    }
}

/// One qdisc, as it is read and as it is written.
///
/// A qdisc is found by the place it is in: the device itself, or a class. Its name is what classes and filters use.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Qdisc {
    /// The interface.
    pub index: u32,
    /// The name; [`NONE`](TcHandle::NONE) lets the kernel pick one, and is read of those that were never named.
    pub handle: TcHandle,
    /// Where it is: [`ROOT`](TcHandle::ROOT), a class, or [`CLSACT`](TcHandle::CLSACT).
    pub parent: TcHandle,
    /// The kind and its options.
    pub config: QdiscConfig,
    /// The rate estimator; only written, the kernel does not tell it.
    pub estimator: Option<Estimator>,
    /// What packets count for (`stab`).
    pub stab: Option<SizeTable>,
    /// The block whose filters see what comes in (`ingress_block`).
    pub ingress_block: Option<u32>,
    /// The block whose filters see what goes out (`egress_block`).
    pub egress_block: Option<u32>,
    /// Whether the hardware does it; only read.
    pub offloaded: bool,
    /// References held to it; only read.
    pub references: u32,
    /// What it counted; only read.
    pub stats: Stats,
}

impl Qdisc {
    /// A qdisc in this place of the interface `index`.
    #[must_use]
    pub fn new(index: u32, parent: TcHandle, config: impl Into<QdiscConfig>) -> Self {
        Self {
            index,
            handle: TcHandle::NONE,
            parent,
            config: config.into(),
            estimator: None,
            stab: None,
            ingress_block: None,
            egress_block: None,
            offloaded: false,
            references: 0,
            stats: Stats::default(),
        }
    }

    /// A qdisc in this place without a configuration: enough to delete it.
    #[must_use]
    pub fn at(index: u32, parent: TcHandle) -> Self {
        Self::new(index, parent, QdiscConfig::nothing())
    }

    /// Of this name, `1:` to `fffe:` (`handle`).
    #[must_use]
    pub fn handle(mut self, handle: TcHandle) -> Self {
        self.handle = handle;
        self
    }

    /// With this rate estimator (`estimator`).
    #[must_use]
    pub fn estimator(mut self, estimator: Estimator) -> Self {
        self.estimator = Some(estimator);
        self
    }

    /// With this size table (`stab`). Only on the root.
    #[must_use]
    pub fn stab(mut self, table: SizeTable) -> Self {
        self.stab = Some(table);
        self
    }

    /// Reads an `RTM_NEWQDISC` or `RTM_DELQDISC` message.
    ///
    /// # Errors
    /// The message is of another type, or malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        if !matches!(message.kind(), RTM_NEWQDISC | RTM_DELQDISC) {
            return Err(DecodeError::Kind(message.kind()));
        }
        let parts = Parts::read(message)?;
        let mut qdisc = Self {
            index: parts.index,
            handle: parts.handle,
            parent: parts.parent,
            config: QdiscConfig::decode(parts.kind, parts.options)?,
            estimator: parts.estimator,
            stab: parts.stab.map(|attr| SizeTable::decode(attr.attrs())).transpose()?,
            ingress_block: parts.ingress_block,
            egress_block: parts.egress_block,
            offloaded: parts.offloaded,
            references: parts.info,
            stats: Stats::default(),
        };
        let app = qdisc.stats.read(&parts.stats)?;
        qdisc.stats.app = AppStats::of_qdisc(parts.kind, app, parts.options.unwrap_or_default())?;
        Ok(qdisc)
    }

    /// The request that does this with the qdisc. One that the kernel would refuse, or would take and quietly do something
    /// else, is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn request(&self, verb: TcVerb) -> Request {
        let message = if verb == TcVerb::Delete { RTM_DELQDISC } else { RTM_NEWQDISC };
        let handle = match self.handle {
            TcHandle::NONE if self.config.is_ingress() => TcHandle::INGRESS.qdisc(),
            handle => handle,
        };
        let header = TcMsg {
            index: self.index,
            handle: handle.bits(),
            parent: self.parent.bits(),
            ..TcMsg::default()
        };
        let mut request = start(message, verb, header, self.config.kind(), self.config.names(), describe);
        if verb.writes() {
            let mut w = request.attrs();
            if let Some(estimator) = self.estimator {
                w.bytes(TCA_RATE, &estimator.wire());
            }
            if let Some(table) = &self.stab {
                table.encode(&mut w);
            }
            self.config.encode(&mut w, verb);
            for (kind, block) in
                [(TCA_INGRESS_BLOCK, self.ingress_block), (TCA_EGRESS_BLOCK, self.egress_block)]
            {
                if let Some(block) = block {
                    w.u32(kind, block);
                }
            }
        }
        judged(request, self.refusal(verb))
    }

    fn refusal(&self, verb: TcVerb) -> Refusal {
        let (handle, parent) = (self.handle, self.parent);
        check_index(self.index)
            .or_else(|| {
                let named = handle.is_none() || handle.is_qdisc();
                (!named).then(|| format!("qdisc {handle}; a qdisc has a name like 1:, up to ffff:").into())
            })
            .or_else(|| {
                let reserved = handle.major() == u16::MAX && !self.config.is_ingress() && verb.creates();
                reserved.then(|| "qdisc ffff: is for ingress and clsact; 1: to fffe: are possible".into())
            })
            .or_else(|| match parent {
                TcHandle::NONE => Some("a qdisc needs a place: root, a class, or clsact".into()),
                parent if verb.writes() && self.config.is_ingress() && parent != TcHandle::INGRESS => {
                    Some(format!("{} on {parent}; its place is ffff:fff1", self.config.kind()).into())
                }
                parent if verb.writes() && !self.config.is_ingress() && parent == TcHandle::INGRESS => Some(
                    format!("{} on ffff:fff1; only ingress and clsact go there", self.config.kind()).into(),
                ),
                parent if !parent.is_root() && parent.qdisc() == handle && parent != TcHandle::INGRESS => {
                    Some("a qdisc on a class of its own".into())
                }
                _ => None,
            })
            .or_else(|| {
                [self.ingress_block, self.egress_block]
                    .contains(&Some(0))
                    .then(|| "block 0; 1 is the least".into())
            })
            .or_else(|| self.config.refusal(verb))
            .or_else(|| self.estimator.filter(|_| verb.writes())?.refusal())
            .or_else(|| match self.stab.as_ref().filter(|_| verb.writes())? {
                _ if !parent.is_root() => {
                    Some(format!("a size table on {parent}; the root is where one is possible").into())
                }
                table => table.refusal(),
            })
    }
}

/// A command of `tc`, with `#5` in place of the name of interface 5.
impl fmt::Display for Qdisc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "qdisc dev #{}", self.index)?;
        write_place(f, self.parent, self.handle)?;
        if let Some(table) = &self.stab {
            write!(f, " {table}")?;
        }
        if !self.config.is_nothing() {
            write!(f, " {}", self.config)?;
        }
        Ok(())
    }
}

pub(crate) fn describe(message: MessageRef<'_>) -> String {
    let place = |text: &mut String, parts: &Parts<'_>| write_place(text, parts.parent, parts.handle);
    message::describe(message, "qdisc", place, QdiscConfig::decode)
}

pub(crate) fn write_place(f: &mut impl Write, parent: TcHandle, handle: TcHandle) -> fmt::Result {
    match parent {
        TcHandle::NONE | TcHandle::INGRESS => {}
        TcHandle::ROOT => f.write_str(" root")?,
        parent => write!(f, " parent {parent}")?,
    }
    if handle.is_none() { Ok(()) } else { write!(f, " handle {handle}") }
}

/// Which qdiscs to list. The kernel filters from 7.2 on, and before while reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QdiscFilter {
    /// On this interface.
    pub index: Option<u32>,
    /// In this place.
    pub parent: Option<TcHandle>,
    /// Of this name.
    pub handle: Option<TcHandle>,
    /// Also those that the kernel put there by itself on classes (`invisible`).
    pub invisible: bool,
}

impl QdiscFilter {
    /// The request that lists what the kernel can filter.
    #[must_use]
    pub fn list_request(&self) -> Request {
        let header = TcMsg {
            index: self.index.unwrap_or(0),
            handle: self.handle.unwrap_or_default().bits(),
            parent: self.parent.unwrap_or_default().bits(),
            ..TcMsg::default()
        };
        let mut request = Request::new(RTM_GETQDISC, &PLAIN, describe).with_header(&header);
        if self.invisible {
            request.attrs().flag(TCA_DUMP_INVISIBLE);
        }
        judged(request, self.index.and_then(check_index))
    }

    /// Whether a qdisc passes.
    #[must_use]
    pub fn matches(&self, qdisc: &Qdisc) -> bool {
        self.index.is_none_or(|index| qdisc.index == index)
            && self.parent.is_none_or(|parent| qdisc.parent == parent)
            && self.handle.is_none_or(|handle| qdisc.handle == handle)
    }
}
