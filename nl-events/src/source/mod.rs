//! Where events come from: one [`Source`] for each family.
//!
//! | source | events | Cargo feature |
//! |---|---|---|
//! | [`Source::FDB`] | [`NetworkEvent::Fdb`] | `fdb` |
//! | `Source::IPV4_ADDRESS`, `IPV6_ADDRESS` | `NetworkEvent::Address` | `address` |
//! | `Source::IPV4_ROUTE`, `IPV6_ROUTE` | `NetworkEvent::Route` | `route` |
//! | `Source::IPV4_RULE`, `IPV6_RULE` | `NetworkEvent::Rule` | `rule` |
//! | `Source::MDB` | `NetworkEvent::Mdb` | `mdb` |
//! | `Source::PORT` | `NetworkEvent::Port` | `settings` |
//! | `Source::VLAN` | `NetworkEvent::Vlan` | `vlan_db` |
//! | `Source::VNI` | `NetworkEvent::Vni` | `vni` |
//! | `Source::LINK` | `NetworkEvent::Link` | `link` |
//! | `Source::MACSEC` | `NetworkEvent::Macsec` | `macsec` |
//! | `Source::NEIGHBOUR` | `NetworkEvent::Neighbour` | `neighbour` |
//! | `Source::CLASS`, `FILTER`, `QDISC` | `NetworkEvent::Tc` | `tc` |
//! | `Source::NAMESPACE` | `NetworkEvent::Namespace` | `nsid` |
//! | `Source::FAMILY` | `NetworkEvent::Family` | `family` |
//! | [`Source::raw`] | [`NetworkEvent::Raw`] | |
//! | `Source::NEXTHOP` | `NetworkEvent::Nexthop` | `nexthop` |
//! | `Source::mptcp` | `NetworkEvent::Mptcp` | `mptcp` |
//!
//! [`WORDS`] has them by the words of `ip monitor` and its relatives, and [`groups`] lists all groups of the kernel with the events that
//! cover them.
//!
//! ```
//! # #[cfg(feature = "fdb")]
//! # fn main() -> nl_core::Result<()> {
//! use nl_events::Source;
//! use nl_events::stream::Events;
//!
//! let events = Events::builder().source(Source::FDB).open()?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "fdb"))]
//! # fn main() {}
//! ```

#[cfg(feature = "address")]
mod address;
#[cfg(feature = "family")]
mod family;
#[cfg(feature = "fdb")]
mod fdb;
mod group;
pub mod groups;
#[cfg(feature = "link")]
mod link;
#[cfg(feature = "macsec")]
mod macsec;
#[cfg(feature = "mdb")]
mod mdb;
#[cfg(feature = "mptcp")]
mod mptcp;
#[cfg(feature = "neighbour")]
mod neighbour;
#[cfg(feature = "nexthop")]
mod nexthop;
#[cfg(feature = "nsid")]
mod nsid;
mod raw;
#[cfg(feature = "route")]
mod route;
#[cfg(feature = "rule")]
mod rule;
#[cfg(feature = "settings")]
mod settings;
#[cfg(feature = "tc")]
mod tc;
#[cfg(test)]
mod tests;
#[cfg(feature = "vlan_db")]
mod vlan_db;
#[cfg(feature = "vni")]
mod vni;
mod words;

use std::fmt;

pub use group::RtnetlinkGroup;
pub use words::WORDS;

use nl_core::Protocol;
use nl_core::attr::DecodeError;
use nl_core::genl::Family;
use nl_core::message::{MessageRef, NLMSG_MIN_TYPE};
use nl_core::monitor::MessageRule;

use crate::event::NetworkEvent;

/// A multicast group of the kernel, and the decoder of its messages.
#[derive(Clone, Copy)]
pub struct Source {
    protocol: Protocol,
    group: u32,
    /// The first and the last type of message that is an event of this source.
    kinds: (u16, u16),
    /// The names of the generic netlink family and of the group, whose numbers change when the family is registered again.
    family: Option<(&'static str, &'static str)>,
    /// The address families of its messages; none if they can have any.
    families: &'static [u8],
    decode: Decode,
}

type Decode = fn(MessageRef<'_>) -> Result<Option<NetworkEvent>, DecodeError>;

/// The sources of `NETLINK_ROUTE`, whose message types are fixed: one for each type, and the first one that decodes it counts.
const ROUTE: &[Source] = &[
    #[cfg(feature = "address")]
    Source::IPV4_ADDRESS,
    #[cfg(feature = "tc")]
    Source::CLASS,
    #[cfg(feature = "fdb")]
    Source::FDB,
    #[cfg(feature = "tc")]
    Source::FILTER,
    #[cfg(feature = "link")]
    Source::LINK,
    // Behind LINK, so that it takes nothing from it.
    #[cfg(feature = "macsec")]
    Source::MACSEC,
    #[cfg(feature = "mdb")]
    Source::MDB,
    #[cfg(feature = "nsid")]
    Source::NAMESPACE,
    #[cfg(feature = "neighbour")]
    Source::NEIGHBOUR,
    #[cfg(feature = "nexthop")]
    Source::NEXTHOP,
    #[cfg(feature = "settings")]
    Source::PORT,
    #[cfg(feature = "tc")]
    Source::QDISC,
    #[cfg(feature = "route")]
    Source::IPV4_ROUTE,
    #[cfg(feature = "rule")]
    Source::IPV4_RULE,
    #[cfg(feature = "vlan_db")]
    Source::VLAN,
    #[cfg(feature = "vni")]
    Source::VNI,
];

/// The sources of generic netlink whose message types are fixed.
const GENERIC: &[Source] = &[
    #[cfg(feature = "family")]
    Source::FAMILY,
];

/// The message types of a raw source: all of `NETLINK_ROUTE`.
const UNKNOWN: (u16, u16) = (NLMSG_MIN_TYPE, u16::MAX);

impl Source {
    /// Whether it takes what other sources skip.
    pub(crate) fn is_raw(&self) -> bool {
        self.kinds == UNKNOWN
    }

    /// The messages that are its events, of these interfaces where their header has one; of all if there are none.
    pub(crate) fn accepted(&self, interfaces: &[u32]) -> MessageRule {
        if self.is_raw() {
            return MessageRule::new(0..=u16::MAX);
        }
        let (first, last) = self.kinds;
        let rule = self.families.iter().fold(MessageRule::new(first..=last), |rule, af| rule.family(*af));
        match rule.has_interfaces() {
            true => interfaces.iter().fold(rule, |rule, index| rule.index(*index)),
            false => rule,
        }
    }

    /// Whether it follows a family that can be registered again.
    pub(crate) fn follows_family(&self) -> bool {
        self.family.is_some()
    }

    /// Takes the new numbers of the source's family and group, where this is the family; returns that of the group.
    pub(crate) fn follow(&mut self, family: &Family) -> Option<u32> {
        let (_, group) = self.family.filter(|(name, _)| *name == family.name)?;
        let number = family.groups.iter().find(|(found, _)| found == group).map(|(_, number)| *number);
        self.kinds = (family.id, family.id);
        self.group = number?;
        number
    }

    /// The protocol that has the group.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The number of the group: `enum rtnetlink_groups` in `include/uapi/linux/rtnetlink.h`, or the number that the kernel has
    /// given to the group of a generic netlink family.
    #[must_use]
    pub const fn group(&self) -> u32 {
        self.group
    }

    /// Decodes a message; `None` if it is not an event of this source.
    ///
    /// # Errors
    /// The message is malformed.
    #[inline]
    pub fn decode(&self, message: MessageRef<'_>) -> Result<Option<NetworkEvent>, DecodeError> {
        let (first, last) = self.kinds;
        if (first..=last).contains(&message.kind()) && self.is_of_family(message) {
            (self.decode)(message)
        } else {
            Ok(None)
        }
    }

    /// Whether it is of an address family of the source, so that a stream has the same events with and without a filter in the
    /// kernel. A message without one is malformed, which the decoder says.
    fn is_of_family(&self, message: MessageRef<'_>) -> bool {
        let own = message.payload().first();
        self.families.is_empty() || own.is_none_or(|own| self.families.contains(own))
    }
}

impl NetworkEvent {
    /// Decodes a message of a multicast group of this protocol; `None` if it is not an event of a compiled-in source.
    /// The type of the message identifies its source. The numbers of generic netlink families are dynamic, so this function decodes
    /// no messages of theirs but those of `nlctrl`: use [`Source::decode`].
    ///
    /// # Errors
    /// The message is malformed.
    pub fn decode(protocol: Protocol, message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        let sources = match protocol {
            Protocol::Route => ROUTE,
            Protocol::Generic => GENERIC,
            _ => &[],
        };
        decode_any(sources, message)
    }
}

/// Decodes a message of one of these sources.
#[inline]
pub(crate) fn decode_any(
    sources: &[Source],
    message: MessageRef<'_>,
) -> Result<Option<NetworkEvent>, DecodeError> {
    // Each result is passed on as it is: to take it apart would move the event once more.
    let Some((last, others)) = sources.split_last() else { return Ok(None) };
    for source in others {
        let decoded = source.decode(message);
        if !matches!(decoded, Ok(None)) {
            return decoded;
        }
    }
    last.decode(message)
}

/// Shows the protocol and the group, without the decoder.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("protocol", &self.protocol)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}
