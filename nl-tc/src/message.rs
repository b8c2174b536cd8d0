//! The parts that class, qdisc and filter messages share.

use std::fmt::Display;

use nl_core::attr::{Attr, DecodeError};
use nl_core::error::{Errno, ErrorKind, KernelError, Names, Since};
use nl_core::message::{MessageRef, NLM_F_CREATE, NLM_F_ECHO, NLM_F_REPLACE, TcMsg};
use nl_core::{Describe, Error, Request};

use crate::stats::{Estimator, StatsAttrs};
use crate::{TcHandle, TcVerb};

// `include/uapi/linux/rtnetlink.h`

/// A qdisc exists. As a request: creates or changes one.
pub const RTM_NEWQDISC: u16 = 36;
/// A qdisc was deleted. As a request: deletes one.
pub const RTM_DELQDISC: u16 = 37;
/// The request that reads qdiscs.
pub const RTM_GETQDISC: u16 = 38;
/// A class exists. As a request: creates or changes one.
pub const RTM_NEWTCLASS: u16 = 40;
/// A class was deleted. As a request: deletes one.
pub const RTM_DELTCLASS: u16 = 41;
/// The request that reads classes.
pub const RTM_GETTCLASS: u16 = 42;
/// A filter exists. As a request: creates or changes one.
pub const RTM_NEWTFILTER: u16 = 44;
/// A filter was deleted. As a request: deletes one.
pub const RTM_DELTFILTER: u16 = 45;
/// The request that reads filters.
pub const RTM_GETTFILTER: u16 = 46;
/// The multicast group of traffic control. The kernel also sends the answer to a read of a single object to this group, as if
/// the object were new.
pub const RTNLGRP_TC: u32 = 4;

/// A traffic control message, split into its attributes. Attributes that only some readers need are not decoded yet.
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
    pub(crate) fn decode(message: MessageRef<'a>) -> Result<Self, DecodeError> {
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
                TCA_XSTATS => parts.stats.xstats = attr.value(),
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

/// A request with its header. The kind is sent unless the object is deleted.
pub(crate) fn request(
    message: u16,
    verb: TcVerb,
    header: TcMsg,
    kind: &str,
    names: &'static Names,
    describe: Describe,
) -> Request {
    let mut request = Request::new(message, names, describe)
        .with_flags(verb.nlm_flags())
        .with_header(&header)
        .refined_by(refine);
    if verb.writes() && !kind.is_empty() {
        request.attrs().str(TCA_KIND, kind);
    }
    request
}

/// A request that reads. Without `NLM_F_ECHO`, the kernel sends the answer to everybody but the caller.
pub(crate) fn get(message: u16, header: TcMsg, describe: Describe) -> Request {
    Request::new(message, &NAMES, describe).with_flags(NLM_F_ECHO).with_header(&header)
}

/// What a refusal means where its number says something else or too little, whether the request was sent alone, in a batch or as a
/// step of a plan.
pub(crate) fn refine(error: Error, message: MessageRef<'_>) -> Error {
    let Some(kernel) = error.kernel().cloned() else { return error };
    let text = kernel.ext_ack.message.as_deref().unwrap_or_default();
    let what = match kernel.errno {
        Errno::EPERM => {
            return error
                .hinted("CAP_NET_ADMIN is needed in the user namespace that owns the network namespace");
        }
        // Of a filter's request; that of a class has the right number.
        Errno::EINVAL if text.contains("Qdisc doesn't exist") => {
            return missing_qdisc(&error, kernel, message);
        }
        // The number is that of a missing object too.
        Errno::ENOENT if text.contains("kind is unknown") => "qdisc",
        Errno::ENOENT if text.contains("classifier not found") => "filter",
        _ => return error,
    };
    let kind = Parts::decode(message).map_or("", |parts| parts.kind);
    lacking(error, what, kind)
}

/// The same refusal as a kind that the kernel does not have, with the name of its module.
fn lacking(error: Error, what: &str, kind: &str) -> Error {
    let feature = format!("{what} {kind}");
    if let Some(module) = module(what, kind) {
        return error.or_unsupported(|_| true, feature, Since::option(module));
    }
    let prefix = match what {
        "qdisc" => "sch",
        "filter" => "cls",
        _ => "act",
    };
    let error = error.or_unsupported(|_| true, feature, Since::option("its module"));
    error.hinted(format!("the module is called {prefix}_{kind}"))
}

/// A refusal because the kernel does not have the kind of an action, of which the request has these kinds.
#[cfg(feature = "action")]
pub(crate) fn refine_action<'a>(error: Error, kinds: impl Iterator<Item = &'a str>) -> Error {
    let is_missing = error.kernel().is_some_and(|kernel| {
        let text = kernel.ext_ack.message.as_deref().unwrap_or_default();
        kernel.errno == Errno::ENOENT && text.contains("TC action module")
    });
    if !is_missing {
        return error;
    }
    let mut kinds: Vec<_> = kinds.collect();
    kinds.sort_unstable();
    kinds.dedup();
    match kinds.as_slice() {
        [kind] => lacking(error, "action", kind),
        // The kernel does not say which.
        kinds => {
            let modules = kinds.iter().map(|kind| format!("act_{kind}")).collect::<Vec<_>>().join(", ");
            let error = error.or_unsupported(|_| true, "an action", Since::option("its module"));
            error.hinted(format!("one of the modules {modules}"))
        }
    }
}

/// The same refusal with the number of a missing object.
fn missing_qdisc(error: &Error, mut kernel: KernelError, message: MessageRef<'_>) -> Error {
    kernel.errno = Errno::ENOENT;
    let operation = error.operation().unwrap_or_default().to_owned();
    let error = Error::new(ErrorKind::Kernel(kernel)).during(|| operation);
    match Parts::decode(message) {
        Ok(parts) => error.hinted(format!("there is no qdisc {}", parts.parent.qdisc())),
        Err(_) => error,
    }
}

/// The module of a kind that this crate has a type for.
fn module(what: &str, kind: &str) -> Option<&'static str> {
    Some(match (what, kind) {
        ("action", "connmark") => "the module act_connmark",
        ("action", "ctinfo") => "the module act_ctinfo",
        ("action", "gact") => "the module act_gact",
        ("action", "mirred") => "the module act_mirred",
        ("action", "police") => "the module act_police",
        ("action", "skbedit") => "the module act_skbedit",
        ("qdisc", "cake") => "the module sch_cake",
        ("qdisc", "cake_mq") => "the module sch_cake of Linux 7.0 and newer",
        ("qdisc", "cbs") => "the module sch_cbs",
        ("qdisc", "clsact" | "ingress") => "the module sch_ingress",
        ("qdisc", "codel") => "the module sch_codel",
        ("qdisc", "drr") => "the module sch_drr",
        ("qdisc", "etf") => "the module sch_etf",
        ("qdisc", "ets") => "the module sch_ets",
        ("qdisc", "fq") => "the module sch_fq",
        ("qdisc", "fq_codel") => "the module sch_fq_codel",
        ("qdisc", "fq_pie") => "the module sch_fq_pie",
        ("qdisc", "hfsc") => "the module sch_hfsc",
        ("qdisc", "htb") => "the module sch_htb",
        ("qdisc", "mqprio") => "the module sch_mqprio",
        ("qdisc", "netem") => "the module sch_netem",
        ("qdisc", "pie") => "the module sch_pie",
        ("qdisc", "prio") => "the module sch_prio",
        ("qdisc", "qfq") => "the module sch_qfq",
        ("qdisc", "red") => "the module sch_red",
        ("qdisc", "sfq") => "the module sch_sfq",
        ("qdisc", "taprio") => "the module sch_taprio",
        ("qdisc", "tbf") => "the module sch_tbf",
        ("filter", "bpf") => "the module cls_bpf",
        ("filter", "flower") => "the module cls_flower",
        ("filter", "fw") => "the module cls_fw",
        ("filter", "matchall") => "the module cls_matchall",
        ("filter", "u32") => "the module cls_u32",
        _ => return None,
    })
}

/// The verb and the object in words, from the bytes of a request: `object` for one object, `list` for a list.
pub(crate) fn describe<T: Display, L: Display>(
    message: MessageRef<'_>,
    what: &str,
    object: impl FnOnce(&Parts<'_>) -> T,
    list: impl FnOnce(&Parts<'_>) -> L,
) -> String {
    let verb = match (message.kind(), message.flags()) {
        (RTM_NEWQDISC | RTM_NEWTCLASS | RTM_NEWTFILTER, flags) if flags & NLM_F_REPLACE != 0 => "replace",
        (RTM_NEWQDISC | RTM_NEWTCLASS | RTM_NEWTFILTER, flags) if flags & NLM_F_CREATE != 0 => "add",
        (RTM_NEWQDISC | RTM_NEWTCLASS | RTM_NEWTFILTER, _) => "change",
        (RTM_DELQDISC | RTM_DELTCLASS | RTM_DELTFILTER, _) => "delete",
        (_, flags) if flags & NLM_F_ECHO != 0 => "get",
        _ => "list",
    };
    match Parts::decode(message) {
        Ok(parts) if verb == "list" => format!("list {}", list(&parts)),
        Ok(parts) => format!("{verb} {}", object(&parts)),
        Err(_) => format!("{verb} {what}"),
    }
}

/// The attributes of a message by name, as `NAMES`, with those in `TCA_OPTIONS` of one kind.
macro_rules! kind_names {
    ($($options:tt)*) => {
        nl_core::attr_names! { pub(crate) NAMES: nl_core::message::TcMsg {
            TCA_KIND = 1,
            TCA_OPTIONS = 2 { $($options)* },
            TCA_STATS = 3,
            TCA_XSTATS = 4,
            TCA_RATE = 5,
            TCA_STATS2 = 7 in $crate::stats::NAMES,
            TCA_STAB = 8 in $crate::size_table::NAMES,
            TCA_DUMP_INVISIBLE = 10,
            TCA_CHAIN = 11,
            TCA_HW_OFFLOAD = 12,
            TCA_INGRESS_BLOCK = 13,
            TCA_EGRESS_BLOCK = 14,
        } }
    };
}
pub(crate) use kind_names;

// For requests without options, and kinds whose options are not attributes.
kind_names! {}
