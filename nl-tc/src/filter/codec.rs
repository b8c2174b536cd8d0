use std::fmt;

use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::check::{Invalid, check_index};
use nl_core::message::{MessageRef, TcMsg};

use super::config::FilterConfig;
use crate::message::{self, NAMES, Parts, RTM_DELTFILTER, RTM_GETTFILTER, RTM_NEWTFILTER, describe};
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

/// A filter, as it is read and written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Filter {
    /// The interface.
    pub index: u32,
    /// The qdisc or class that the filter belongs to.
    pub parent: TcHandle,
    /// The order in which filters are tried, 1 first. With 0 the kernel chooses one (`prio`, `pref`).
    pub priority: u16,
    /// The protocol of the packets, such as [`ALL`] or [`IPV4`] (`protocol`).
    pub protocol: u16,
    /// The handle among the filters of the same priority, whose meaning depends on the kind. With 0 the kernel chooses one
    /// (`handle`).
    pub handle: u32,
    /// The chain. Read only (`chain`).
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

    setters! {
        /// Sets the order in which filters are tried, 1 first (`prio`).
        priority: u16;
        /// Sets the protocol of the packets (`protocol`).
        protocol: u16;
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
        );
        if verb.writes() {
            self.config.encode(&mut request.attrs());
        }
        request.invalid_if(self.check(verb))
    }

    fn check(&self, verb: TcVerb) -> Result<(), Invalid> {
        check_index(self.index)?;
        Invalid::when(self.parent.is_none(), "a filter needs a parent: a qdisc or a class")?;
        let all = self.priority == 0 && verb != TcVerb::Add;
        Invalid::when(all, "priority 0, which means all filters here; 1 to 65535 are possible")?;
        if !verb.writes() {
            return Ok(());
        }
        Invalid::when(self.chain.is_some_and(|chain| chain != 0), "a chain is read only")?;
        self.config.check()
    }
}

/// The words of `tc`, with `#5` for interface 5.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter dev #{}", self.index)?;
        write_parent(f, self.parent)?;
        match self.protocol {
            // A request that deletes filters of every protocol.
            0 => {}
            ALL => f.write_str(" protocol all")?,
            IPV4 => f.write_str(" protocol ip")?,
            IPV6 => f.write_str(" protocol ipv6")?,
            other => write!(f, " protocol {other:#x}")?,
        }
        word(f, "prio", Some(self.priority).filter(|priority| *priority != 0))?;
        if self.config.kind().is_empty() { Ok(()) } else { write!(f, " {}", self.config) }
    }
}

/// The request that lists the filters of a qdisc or class.
#[must_use]
pub fn list_request(index: u32, parent: TcHandle) -> Request {
    let header = TcMsg { index, parent: parent.bits(), ..TcMsg::default() };
    let request = Request::new(RTM_GETTFILTER, &NAMES, describe_request).with_header(&header);
    request.invalid_if(check_index(index))
}

/// The priority and the protocol of a header.
#[expect(clippy::cast_possible_truncation, reason = "the two halves")]
const fn halves(info: u32) -> [u16; 2] {
    [(info >> 16) as u16, info as u16]
}

fn describe_request(message: MessageRef<'_>) -> String {
    let filter = |parts: &Parts<'_>| {
        let config = FilterConfig::decode(parts.kind, parts.options).unwrap_or(FilterConfig::unset());
        Filter::of(parts, config)
    };
    describe(message, "filter", filter, |parts| match parts.parent {
        TcHandle::ROOT => format!("filters dev #{} root", parts.index),
        parent => format!("filters dev #{} parent {parent}", parts.index),
    })
}
