use std::fmt;

use nl_core::Request;
use nl_core::attr::{AttrWriter, DecodeError};
use nl_core::check::{Invalid, check_index, opt_within};
use nl_core::message::{MessageRef, TcMsg};

use super::config::QdiscConfig;
use crate::message::{
    self, NAMES, Parts, RTM_DELQDISC, RTM_GETQDISC, RTM_NEWQDISC, TCA_DUMP_INVISIBLE, TCA_EGRESS_BLOCK,
    TCA_INGRESS_BLOCK, TCA_RATE, TCA_STAB, describe,
};
use crate::setters::setters;
use crate::stats::{Estimator, Stats, XStats};
use crate::tc_handle::write_parent;
use crate::units::word;
use crate::{SizeTable, TcHandle, TcVerb};

/// A qdisc, as it is read and written.
///
/// The kernel finds a qdisc by its parent: the device itself or a class. Classes and filters refer to its handle.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Qdisc {
    /// The interface.
    pub index: u32,
    /// The handle, such as `1:`. With [`NONE`](TcHandle::NONE) the kernel chooses one. The kernel reports `NONE` for a default
    /// qdisc.
    pub handle: TcHandle,
    /// The parent: [`ROOT`](TcHandle::ROOT), a class, or [`CLSACT`](TcHandle::CLSACT).
    pub parent: TcHandle,
    /// The kind and its options.
    pub config: QdiscConfig,
    /// The rate estimator. Write only: the kernel does not report it.
    pub estimator: Option<Estimator>,
    /// The size table (`stab`).
    pub stab: Option<SizeTable>,
    /// The shared block of filters on ingress (`ingress_block`).
    pub ingress_block: Option<u32>,
    /// The shared block of filters on egress (`egress_block`).
    pub egress_block: Option<u32>,
    /// Whether the hardware carries it out. Read only.
    pub offloaded: bool,
    /// The reference count. Read only.
    pub references: u32,
    /// The counters. Read only.
    pub stats: Stats,
}

impl Qdisc {
    /// A qdisc with this parent, on the interface `index`.
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

    /// A qdisc without a configuration, which is enough to delete it.
    #[must_use]
    pub fn at(index: u32, parent: TcHandle) -> Self {
        Self::new(index, parent, QdiscConfig::unset())
    }

    setters! {
        /// Sets the handle, `1:` to `fffe:` (`handle`).
        handle: TcHandle;
        /// Sets the rate estimator (`estimator`).
        estimator: Estimator => Some;
        /// Sets the size table. Only for the root qdisc (`stab`).
        stab: SizeTable => Some;
    }

    /// Decodes an `RTM_NEWQDISC` or `RTM_DELQDISC` message.
    ///
    /// # Errors
    /// The message is of another type, or malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        if !matches!(message.kind(), RTM_NEWQDISC | RTM_DELQDISC) {
            return Err(DecodeError::Kind(message.kind()));
        }
        let parts = Parts::decode(message)?;
        let mut qdisc = Self {
            handle: parts.handle,
            estimator: parts.estimator,
            stab: parts.stab.map(|attr| SizeTable::decode(attr.attrs())).transpose()?,
            ingress_block: parts.ingress_block,
            egress_block: parts.egress_block,
            offloaded: parts.offloaded,
            references: parts.info,
            ..Self::new(parts.index, parts.parent, QdiscConfig::decode(parts.kind, parts.options)?)
        };
        let xstats = qdisc.stats.decode(&parts.stats)?;
        qdisc.stats.xstats = XStats::decode_qdisc(parts.kind, xstats, parts.options.unwrap_or_default())?;
        Ok(qdisc)
    }

    /// The request that does this with the qdisc. Sending [fails](Request::invalid_if) if the kernel would refuse the request or
    /// misread it.
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
            if let Some(table) = &self.stab {
                table.encode(&mut w, TCA_STAB);
            }
            self.config.encode(&mut w, verb);
            w.opt(TCA_INGRESS_BLOCK, self.ingress_block, AttrWriter::u32);
            w.opt(TCA_EGRESS_BLOCK, self.egress_block, AttrWriter::u32);
        }
        request.invalid_if(self.check(verb))
    }

    /// The request that reads one qdisc. The kernel also sends the answer to everybody who listens for events.
    pub(super) fn get_request(&self) -> Request {
        let (handle, parent) = (self.handle.bits(), self.parent.bits());
        let header = TcMsg { index: self.index, handle, parent, ..TcMsg::default() };
        message::get(RTM_GETQDISC, header, describe_request)
    }

    fn check(&self, verb: TcVerb) -> Result<(), Invalid> {
        let (handle, parent, kind) = (self.handle, self.parent, self.config.kind());
        let is_ingress = self.config.is_ingress();
        check_index(self.index)?;
        if !handle.is_none() && !handle.is_qdisc() {
            return Err(format!(
                "handle {handle}; a qdisc's handle has no minor number: 1: to ffff: are possible"
            )
            .into());
        }
        let reserved = handle.major() == u16::MAX && !is_ingress && verb.creates();
        Invalid::when(reserved, "handle ffff: is for ingress and clsact; 1: to fffe: are possible")?;
        Invalid::when(parent.is_none(), "a qdisc needs a parent: root, a class, or clsact")?;
        let on_ingress = parent == TcHandle::INGRESS;
        if verb.writes() && is_ingress != on_ingress {
            return Err(match is_ingress {
                true => format!("parent {parent}; {kind} needs the parent ffff:fff1"),
                false => format!("parent ffff:fff1 is for ingress and clsact, not for {kind}"),
            }
            .into());
        }
        // Linux up to 7.1 answers some of these with an endless loop.
        let is_below = parent.major() == u16::MAX && !parent.is_root() && !on_ingress;
        if verb.creates() && is_below {
            return Err(format!("parent {parent}; ingress and clsact have no qdiscs below them").into());
        }
        if !parent.is_root() && parent.qdisc() == handle && !on_ingress {
            return Err(format!("parent {parent} is a class of the qdisc itself").into());
        }
        opt_within("ingress_block", self.ingress_block, 1, u32::MAX)?;
        opt_within("egress_block", self.egress_block, 1, u32::MAX)?;
        self.config.check(verb)?;
        if !verb.writes() {
            return Ok(());
        }
        self.estimator.map_or(Ok(()), Estimator::check)?;
        match &self.stab {
            Some(_) if !parent.is_root() => {
                Err(format!("a size table on {parent}; only the root qdisc can have one").into())
            }
            Some(table) => table.check(),
            None => Ok(()),
        }
    }
}

/// The words of `tc`, with `#5` for interface 5.
impl fmt::Display for Qdisc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "qdisc dev #{}", self.index)?;
        write_address(f, Some(self.parent), Some(self.handle))?;
        if let Some(table) = &self.stab {
            write!(f, " {table}")?;
        }
        word(f, "ingress_block", self.ingress_block)?;
        word(f, "egress_block", self.egress_block)?;
        self.config.write_words(f)
    }
}

/// Which qdiscs to list. Linux 7.2 and newer filter in the kernel. On older kernels the list is filtered while reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QdiscFilter {
    /// On this interface.
    pub index: Option<u32>,
    /// With this parent.
    pub parent: Option<TcHandle>,
    /// With this handle.
    pub handle: Option<TcHandle>,
    /// Includes the default qdiscs of classes (`invisible`).
    pub invisible: bool,
}

impl QdiscFilter {
    /// Whether the filter selects a qdisc.
    #[must_use]
    pub fn matches(&self, qdisc: &Qdisc) -> bool {
        self.index.is_none_or(|index| qdisc.index == index)
            && self.parent.is_none_or(|parent| qdisc.parent == parent)
            && self.handle.is_none_or(|handle| qdisc.handle == handle)
    }

    /// The request that lists what the kernel can filter.
    #[must_use]
    pub fn list_request(&self) -> Request {
        let header = TcMsg {
            index: self.index.unwrap_or(0),
            handle: self.handle.unwrap_or_default().bits(),
            parent: self.parent.unwrap_or_default().bits(),
            ..TcMsg::default()
        };
        let mut request = Request::new(RTM_GETQDISC, &NAMES, describe_request).with_header(&header);
        if self.invisible {
            request.attrs().flag(TCA_DUMP_INVISIBLE);
        }
        request.invalid_if(self.index.map_or(Ok(()), check_index))
    }
}

/// `qdiscs`, and what selects them.
impl fmt::Display for QdiscFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("qdiscs")?;
        self.index.map_or(Ok(()), |index| write!(f, " dev #{index}"))?;
        write_address(f, self.parent, self.handle)
    }
}

fn write_address(
    f: &mut fmt::Formatter<'_>,
    parent: Option<TcHandle>,
    handle: Option<TcHandle>,
) -> fmt::Result {
    write_parent(f, parent.filter(|parent| *parent != TcHandle::INGRESS).unwrap_or_default())?;
    word(f, "handle", handle.filter(|handle| !handle.is_none()))
}

fn describe_request(message: MessageRef<'_>) -> String {
    let qdisc = |parts: &Parts<'_>| {
        let config = QdiscConfig::decode(parts.kind, parts.options).unwrap_or(QdiscConfig::unset());
        let mut qdisc = Qdisc::new(parts.index, parts.parent, config).handle(parts.handle);
        qdisc.stab = parts.stab.and_then(|attr| SizeTable::decode(attr.attrs()).ok());
        (qdisc.ingress_block, qdisc.egress_block) = (parts.ingress_block, parts.egress_block);
        qdisc
    };
    let list = |parts: &Parts<'_>| QdiscFilter {
        index: Some(parts.index).filter(|index| *index != 0),
        parent: Some(parts.parent),
        handle: Some(parts.handle),
        invisible: false,
    };
    describe(message, "qdisc", qdisc, list)
}
