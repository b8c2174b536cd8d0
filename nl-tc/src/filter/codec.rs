use std::fmt;

use nl_core::attr::{AttrWriter, DecodeError};
use nl_core::check::{Invalid, check_index, opt_within};
use nl_core::message::{MessageRef, NLM_F_ECHO, TcMsg};
use nl_core::{Error, Request};

use super::config::FilterConfig;
use crate::message::{
    self, NAMES, Parts, RTM_DELTFILTER, RTM_GETTFILTER, RTM_NEWTFILTER, TCA_CHAIN, describe,
};
use crate::setters::setters;
use crate::tc_handle::write_parent;
use crate::units::word;
use crate::{TcHandle, TcVerb};

/// `ETH_P_ALL`: packets of every protocol.
pub const ALL: u16 = 0x0003;
/// `ETH_P_IP`: IPv4.
pub const IPV4: u16 = 0x0800;
/// `ETH_P_IPV6`: IPv6.
pub const IPV6: u16 = 0x86dd;

/// In place of an interface: the filter belongs to a block that devices share, whose number is the parent (`block`).
pub const BLOCK: u32 = u32::MAX;
/// The first number of the kernel's own hash tables.
const OWN_TABLE: u32 = 0x8000_0000;
/// The number of a chain has 28 bits.
const CHAIN_MAX: u32 = (1 << 28) - 1;

/// A filter, as it is read and written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Filter {
    /// The interface, or [`BLOCK`].
    pub index: u32,
    /// The qdisc or class that the filter belongs to, or the number of the block.
    pub parent: TcHandle,
    /// The order in which filters are tried, 1 first. With 0 the kernel chooses one (`prio`, `pref`).
    pub priority: u16,
    /// The protocol of the packets, such as [`ALL`] or [`IPV4`] (`protocol`).
    pub protocol: u16,
    /// The handle among the filters of the same priority, whose meaning depends on the kind. With 0 the kernel chooses one
    /// (`handle`).
    pub handle: u32,
    /// The chain. Unset: 0, which is the one that packets enter. The others are entered by
    /// [`goto chain`](crate::action::Verdict::GotoChain) (`chain`).
    pub chain: Option<u32>,
    /// The kind and its options.
    pub config: FilterConfig,
}

impl Filter {
    /// A filter for every protocol, on this qdisc or class of the interface `index`.
    #[must_use]
    pub fn new(index: u32, parent: TcHandle, config: impl Into<FilterConfig>) -> Self {
        Self { index, parent, priority: 0, protocol: ALL, handle: 0, chain: None, config: config.into() }
    }

    /// The same for a [tree](crate::tree::Tree), which puts in the interface that it is applied to.
    #[must_use]
    pub fn on(parent: TcHandle, config: impl Into<FilterConfig>) -> Self {
        Self::new(0, parent, config)
    }

    setters! {
        /// Sets the order in which filters are tried, 1 first (`prio`).
        priority: u16;
        /// Sets the protocol of the packets (`protocol`).
        protocol: u16;
        /// Sets the handle among the filters of the same priority (`handle`).
        handle: u32;
        /// Sets the chain (`chain`).
        chain: u32 => Some;
    }

    /// A filter of a block that devices share, in place of a qdisc (`block`).
    #[must_use]
    pub fn in_block(block: u32, config: impl Into<FilterConfig>) -> Self {
        Self::new(BLOCK, TcHandle::from_bits(block), config)
    }

    /// Decodes an `RTM_NEWTFILTER` or `RTM_DELTFILTER` message.
    ///
    /// # Errors
    /// The message is of another type, or malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        if !matches!(message.kind(), RTM_NEWTFILTER | RTM_DELTFILTER) {
            return Err(DecodeError::Kind(message.kind()));
        }
        let parts = Parts::decode(message)?;
        Ok(Self::of(&parts, FilterConfig::decode(parts.kind, parts.options)?))
    }

    fn of(parts: &Parts<'_>, config: FilterConfig) -> Self {
        let [priority, protocol] = halves(parts.info);
        let (handle, chain) = (parts.handle.bits(), parts.chain);
        let filter = Self { handle, chain, ..Self::new(parts.index, parts.parent, config) };
        filter.priority(priority).protocol(u16::from_be(protocol))
    }

    /// Whether somebody added the filter. The kernel also lists one without a handle for each priority, and the hash tables that it
    /// made for `u32`.
    #[must_use]
    pub fn is_added(&self) -> bool {
        let own_table = matches!(self.config, FilterConfig::U32Table(_)) && self.handle >= OWN_TABLE;
        self.handle != 0 && !own_table
    }

    /// The request that does this with the filter. Without a [handle](Self::handle), `Delete` deletes all filters of the
    /// priority. With [`ALL`] it deletes them whatever their protocol, because filters of one priority have the same protocol.
    #[must_use]
    pub fn request(&self, verb: TcVerb) -> Request {
        let message = if verb == TcVerb::Delete { RTM_DELTFILTER } else { RTM_NEWTFILTER };
        let protocol = match self.protocol {
            ALL if verb == TcVerb::Delete => 0,
            protocol => protocol.to_be(),
        };
        let header = TcMsg {
            family: 0,
            index: self.index,
            handle: self.handle,
            parent: self.parent.bits(),
            info: u32::from(self.priority) << 16 | u32::from(protocol),
        };
        let mut request = message::request(
            message,
            verb,
            header,
            self.config.kind(),
            self.config.names(),
            describe_request,
        )
        .refined_by(refine);
        request.attrs().opt(TCA_CHAIN, self.chain, AttrWriter::u32);
        if verb.writes() {
            self.config.encode(self.protocol, &mut request.attrs());
        }
        request.invalid_if(self.check(verb))
    }

    /// The request that reads one filter.
    pub(super) fn get_request(&self) -> Request {
        let info = u32::from(self.priority) << 16 | u32::from(self.protocol.to_be());
        let (index, parent) = (self.index, self.parent.bits());
        let header = TcMsg { index, parent, handle: self.handle, info, ..TcMsg::default() };
        let mut request = Request::new(RTM_GETTFILTER, &NAMES, describe_request)
            .with_flags(NLM_F_ECHO)
            .with_header(&header)
            .refined_by(message::refine);
        request.attrs().opt(TCA_CHAIN, self.chain, AttrWriter::u32);
        let unset = self.handle == 0 || self.priority == 0;
        request.invalid_if(Invalid::when(unset, "the priority and the handle of the filter are needed"))
    }

    fn check(&self, verb: TcVerb) -> Result<(), Invalid> {
        check_place(self.index)?;
        Invalid::when(self.parent.is_none(), "a filter needs a parent: a qdisc or a class")?;
        let all = self.priority == 0 && verb != TcVerb::Add;
        Invalid::when(all, "priority 0, which means all filters here; 1 to 65535 are possible")?;
        opt_within("chain", self.chain, 0, CHAIN_MAX)?;
        if !verb.writes() {
            return Ok(());
        }
        self.config.check(self.protocol)
    }
}

/// The words of `tc`, with `#5` for interface 5.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("filter")?;
        write_place(f, self.index, self.parent)?;
        match self.protocol {
            // A request that deletes filters of every protocol.
            0 => {}
            ALL => f.write_str(" protocol all")?,
            IPV4 => f.write_str(" protocol ip")?,
            IPV6 => f.write_str(" protocol ipv6")?,
            other => write!(f, " protocol {other:#x}")?,
        }
        word(f, "prio", Some(self.priority).filter(|priority| *priority != 0))?;
        word(f, "chain", self.chain.filter(|chain| *chain != 0))?;
        if self.handle != 0 {
            write!(f, " handle {:#x}", self.handle)?;
        }
        if self.config.kind().is_empty() { Ok(()) } else { write!(f, " {}", self.config) }
    }
}

/// The request that lists the filters of a qdisc or class, of all chains.
#[must_use]
pub fn list_request(index: u32, parent: TcHandle) -> Request {
    list_request_of(index, parent, None)
}

/// The same of one chain.
pub(super) fn list_request_of(index: u32, parent: TcHandle, chain: Option<u32>) -> Request {
    let header = TcMsg { index, parent: parent.bits(), ..TcMsg::default() };
    let mut request = Request::new(RTM_GETTFILTER, &NAMES, describe_request).with_header(&header);
    request.attrs().opt(TCA_CHAIN, chain, AttrWriter::u32);
    request.invalid_if(check_place(index))
}

/// The same of the priority, the protocol and the chain of a filter.
pub(super) fn list_request_like(index: u32, parent: TcHandle, filter: &Filter) -> Request {
    let info = u32::from(filter.priority) << 16 | u32::from(filter.protocol.to_be());
    let header = TcMsg { index, parent: parent.bits(), info, ..TcMsg::default() };
    let mut request = Request::new(RTM_GETTFILTER, &NAMES, describe_request).with_header(&header);
    request.attrs().u32(TCA_CHAIN, filter.chain.unwrap_or(0));
    request.invalid_if(check_place(index))
}

/// The request that deletes all filters of a chain of a qdisc or class.
#[must_use]
pub fn flush_request(index: u32, parent: TcHandle, chain: Option<u32>) -> Request {
    let header = TcMsg { index, parent: parent.bits(), ..TcMsg::default() };
    let request = Request::new(RTM_DELTFILTER, &NAMES, describe_request).with_header(&header);
    let mut request = request.refined_by(message::refine);
    request.attrs().opt(TCA_CHAIN, chain, AttrWriter::u32);
    request.invalid_if(check_place(index))
}

fn check_place(index: u32) -> Result<(), Invalid> {
    if index == BLOCK { Ok(()) } else { check_index(index) }
}

/// The words of `tc` for where a filter is, with a space in front.
fn write_place(f: &mut fmt::Formatter<'_>, index: u32, parent: TcHandle) -> fmt::Result {
    match index {
        BLOCK => write!(f, " block {}", parent.bits()),
        index => {
            write!(f, " dev #{index}")?;
            write_parent(f, parent)
        }
    }
}

/// The filters of a list or of a deletion, in words.
struct Place<'a>(&'a str, u32, TcHandle);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(what, index, parent) = self;
        f.write_str(what)?;
        write_place(f, *index, *parent)
    }
}

/// The priority and the protocol of a header.
#[expect(clippy::cast_possible_truncation, reason = "the two halves")]
const fn halves(info: u32) -> [u16; 2] {
    [(info >> 16) as u16, info as u16]
}

/// What a refusal means, with the kinds of the actions of the filter.
fn refine(error: Error, message: MessageRef<'_>) -> Error {
    #[cfg(feature = "action")]
    let error = match Parts::decode(message).and_then(|parts| FilterConfig::decode(parts.kind, parts.options))
    {
        Ok(config) => {
            let kinds = config.actions().iter().map(|action| action.config.kind());
            message::refine_action(error, kinds)
        }
        Err(_) => error,
    };
    message::refine(error, message)
}

fn describe_request(message: MessageRef<'_>) -> String {
    let filter = |parts: &Parts<'_>| {
        let config = FilterConfig::decode(parts.kind, parts.options).unwrap_or(FilterConfig::unset());
        Filter::of(parts, config)
    };
    if let (RTM_DELTFILTER, Ok(parts)) = (message.kind(), Parts::decode(message))
        && parts.info == 0
    {
        return Place("flush filters", parts.index, parts.parent).to_string();
    }
    describe(message, "filter", filter, |parts| Place("filters", parts.index, parts.parent))
}
