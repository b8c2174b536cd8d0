//! What class, qdisc and filter messages have in common.

use std::fmt;

use nl_core::Describe;
use nl_core::Request;
use nl_core::attr::{Attr, DecodeError};
use nl_core::error::Names;
use nl_core::message::{MessageRef, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, TcMsg};

use crate::TcHandle;
use crate::size_table::TCA_STAB;
use crate::stats::{Estimator, StatsAttrs};
use crate::units::Refusal;

// `include/uapi/linux/rtnetlink.h`

/// A qdisc that is there; also the request that makes one.
pub const RTM_NEWQDISC: u16 = 36;
/// A qdisc that is gone; also the request that removes one.
pub const RTM_DELQDISC: u16 = 37;
/// The request that reads qdiscs.
pub const RTM_GETQDISC: u16 = 38;
/// A class that is there; also the request that makes one.
pub const RTM_NEWTCLASS: u16 = 40;
/// A class that is gone; also the request that removes one.
pub const RTM_DELTCLASS: u16 = 41;
/// The request that reads classes.
pub const RTM_GETTCLASS: u16 = 42;
/// A filter that is there; also the request that makes one.
pub const RTM_NEWTFILTER: u16 = 44;
/// A filter that is gone; also the request that removes one.
pub const RTM_DELTFILTER: u16 = 45;
/// The request that reads filters.
pub const RTM_GETTFILTER: u16 = 46;
/// The multicast group of traffic control. Other people's reads of single objects come in it too, as if they were new.
pub const RTNLGRP_TC: u32 = 4;

pub(crate) const TCA_KIND: u16 = 1;
pub(crate) const TCA_OPTIONS: u16 = 2;
const TCA_STATS: u16 = 3;
const TCA_XSTATS: u16 = 4;
pub(crate) const TCA_RATE: u16 = 5;
const TCA_STATS2: u16 = 7;
pub(crate) const TCA_DUMP_INVISIBLE: u16 = 10;
const TCA_CHAIN: u16 = 11;
const TCA_HW_OFFLOAD: u16 = 12;
pub(crate) const TCA_INGRESS_BLOCK: u16 = 13;
pub(crate) const TCA_EGRESS_BLOCK: u16 = 14;

/// The names of the top-level attributes, with those of one kind's options.
macro_rules! tca {
    ($options:expr) => {
        nl_core::error::Names::new(
            <nl_core::message::TcMsg as nl_core::message::FixedHeader>::LEN,
            &[
                nl_core::error::AttrName::new($crate::message::TCA_KIND, "TCA_KIND"),
                nl_core::error::AttrName::nest($crate::message::TCA_OPTIONS, "TCA_OPTIONS", $options),
                nl_core::error::AttrName::new($crate::message::TCA_RATE, "TCA_RATE"),
                nl_core::error::AttrName::nest(
                    $crate::size_table::TCA_STAB,
                    "TCA_STAB",
                    $crate::size_table::NAMES,
                ),
                nl_core::error::AttrName::new($crate::message::TCA_INGRESS_BLOCK, "TCA_INGRESS_BLOCK"),
                nl_core::error::AttrName::new($crate::message::TCA_EGRESS_BLOCK, "TCA_EGRESS_BLOCK"),
            ],
        )
    };
}
pub(crate) use tca;

/// For kinds whose options have no names, and requests without options.
pub(crate) static PLAIN: Names = tca![&[]];

/// What to do with a class, a qdisc or a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TcVerb {
    /// Make it; fails if it is there.
    Add,
    /// Change the one that is there.
    Change,
    /// Remove it.
    Delete,
    /// Make it, or change the one that is there.
    Replace,
}

impl TcVerb {
    pub(crate) const fn writes(self) -> bool {
        !matches!(self, Self::Delete)
    }

    pub(crate) const fn creates(self) -> bool {
        matches!(self, Self::Add | Self::Replace)
    }

    pub(crate) const fn nlm_flags(self) -> u16 {
        match self {
            Self::Add => NLM_F_CREATE | NLM_F_EXCL,
            Self::Replace => NLM_F_CREATE | NLM_F_REPLACE,
            Self::Change | Self::Delete => 0,
        }
    }
}

/// The word of `tc` for it, but for `delete`.
impl fmt::Display for TcVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::Replace => "replace",
        })
    }
}

/// Any message of traffic control, taken apart. What only some readers want is not decoded yet.
#[derive(Default)]
pub(crate) struct Parts<'a> {
    pub index: u32,
    pub handle: TcHandle,
    pub parent: TcHandle,
    pub info: u32,
    pub kind: &'a str,
    pub options: Option<&'a [u8]>,
    pub estimator: Option<Estimator>,
    pub stab: Option<Attr<'a>>,
    pub stats: StatsAttrs<'a>,
    pub offloaded: bool,
    pub ingress_block: Option<u32>,
    pub egress_block: Option<u32>,
    pub chain: Option<u32>,
}

impl<'a> Parts<'a> {
    #[inline]
    pub(crate) fn read(message: MessageRef<'a>) -> Result<Self, DecodeError> {
        let (header, attrs) = message.header::<TcMsg>()?;
        let mut parts = Self {
            index: header.index,
            handle: TcHandle::from_bits(header.handle),
            parent: TcHandle::from_bits(header.parent),
            info: header.info,
            ..Self::default()
        };
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                TCA_KIND => parts.kind = attr.str()?,
                TCA_OPTIONS => parts.options = Some(attr.value()),
                TCA_STATS => parts.stats.legacy = Some(attr),
                TCA_XSTATS => parts.stats.app = attr.value(),
                TCA_RATE => parts.estimator = Some(Estimator::from_wire(attr.array()?)),
                TCA_STATS2 => parts.stats.modern = Some(attr),
                TCA_STAB => parts.stab = Some(attr),
                TCA_CHAIN => parts.chain = Some(attr.u32()?),
                TCA_HW_OFFLOAD => parts.offloaded = attr.u8()? != 0,
                TCA_INGRESS_BLOCK => parts.ingress_block = Some(attr.u32()?),
                TCA_EGRESS_BLOCK => parts.egress_block = Some(attr.u32()?),
                _ => {}
            }
        }
        Ok(parts)
    }
}

/// The verb of a request that is not known any more.
pub(crate) fn verb(message: MessageRef<'_>) -> &'static str {
    match (message.kind(), message.flags()) {
        (RTM_NEWQDISC | RTM_NEWTCLASS | RTM_NEWTFILTER, flags) if flags & NLM_F_REPLACE != 0 => "replace",
        (RTM_NEWQDISC | RTM_NEWTCLASS | RTM_NEWTFILTER, flags) if flags & NLM_F_CREATE != 0 => "add",
        (RTM_NEWQDISC | RTM_NEWTCLASS | RTM_NEWTFILTER, _) => "change",
        (RTM_DELQDISC | RTM_DELTCLASS | RTM_DELTFILTER, _) => "delete",
        _ => "list",
    }
}

/// The operation and the object, from the request's own bytes. `place` writes where the object is; `config` reads its options.
pub(crate) fn describe<C: fmt::Display>(
    message: MessageRef<'_>,
    what: &str,
    place: impl FnOnce(&mut String, &Parts<'_>) -> fmt::Result,
    config: impl FnOnce(&str, Option<&[u8]>) -> Result<C, DecodeError>,
) -> String {
    let verb = verb(message);
    let Ok(parts) = Parts::read(message) else { return format!("{verb} {what}") };
    let mut text = format!("{verb} {what} dev #{}", parts.index);
    // Writing to a String cannot fail.
    let _ = place(&mut text, &parts);
    if let (false, Ok(config)) = (parts.kind.is_empty(), config(parts.kind, parts.options)) {
        text.push(' ');
        text.push_str(&config.to_string());
    }
    text
}

/// A request with its header and kind.
pub(crate) fn start(
    message: u16,
    verb: TcVerb,
    header: TcMsg,
    kind: &str,
    names: &'static Names,
    describe: Describe,
) -> Request {
    let mut request =
        Request::new(message, names, describe).with_flags(verb.nlm_flags()).with_header(&header);
    if verb.writes() && !kind.is_empty() {
        request.attrs().str(TCA_KIND, kind);
    }
    request
}

/// Marks a request as bad input, if it is.
pub(crate) fn judged(request: Request, refusal: Refusal) -> Request {
    match refusal {
        None => request,
        Some(why) => request.invalid_if(Err(why.into())),
    }
}

pub(crate) fn check_index(index: u32) -> Refusal {
    match index {
        0 => Some("interface index 0; the first one is 1".into()),
        _ => None,
    }
}
