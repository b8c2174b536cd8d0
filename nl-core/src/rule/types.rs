use std::fmt;
use std::ops::RangeInclusive;

use bitflags::bitflags;

use crate::attr::{DecodeError, Fields};
use crate::message::FixedHeader;

/// `struct fib_rule_hdr` of rule messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FibRuleHdr {
    /// Address family: [`AF_INET`](crate::message::AF_INET) or [`AF_INET6`](crate::message::AF_INET6).
    pub family: u8,
    /// How many bits of the destination count.
    pub dst_len: u8,
    /// How many bits of the source count.
    pub src_len: u8,
    /// Type of service.
    pub tos: u8,
    /// The table, if it is below 256; `FRA_TABLE` has any.
    pub table: u8,
    /// `FR_ACT_*`.
    pub action: u8,
    /// `FIB_RULE_*` flags.
    pub flags: u32,
}

impl FixedHeader for FibRuleHdr {
    const LEN: usize = 12;
    const NAME: &'static str = "fib_rule_hdr";

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.family, self.dst_len, self.src_len, self.tos]);
        out.extend_from_slice(&[self.table, 0, 0, self.action]);
        out.extend_from_slice(&self.flags.to_ne_bytes());
    }

    #[inline]
    fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let mut f = Fields::named(Self::NAME, payload);
        let [family, dst_len, src_len, tos, table, _, _, action] = f.array::<8>()?;
        let header = Self { family, dst_len, src_len, tos, table, action, flags: f.u32()? };
        Ok((header, f.rest()))
    }
}

bitflags! {
    /// Flags of a rule (`FIB_RULE_*`); bits this crate does not know are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct RuleFlags: u32 {
        /// Cannot be deleted.
        const PERMANENT = 0x1;
        /// For packets that do not match (`not`).
        const INVERT = 0x2;
        /// The rule to go to is not there (`unresolved`); only read.
        const UNRESOLVED = 0x4;
        /// The incoming device is not there (`detached`); only read.
        const IIF_DETACHED = 0x8;
        /// The outgoing device is not there (`detached`); only read.
        const OIF_DETACHED = 0x10;
        /// The source address is looked up while routing.
        const FIND_SADDR = 0x1_0000;
        const _ = !0;
    }
}

impl RuleFlags {
    /// What the kernel sets itself when devices and rules are added and deleted; not written back.
    pub(super) const READ_ONLY: Self = Self::UNRESOLVED.union(Self::IIF_DETACHED).union(Self::OIF_DETACHED);
}

/// What a rule does with a packet (`FR_ACT_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum RuleAction {
    /// Drops it silently.
    Blackhole,
    /// Goes on with another rule.
    Goto,
    /// Nothing; a place to go to.
    Nop,
    /// Another one, by number.
    Other(u8),
    /// Drops it and says that it is prohibited (`EACCES`).
    Prohibit,
    /// Routes it by a table.
    Table,
    /// Drops it and says that the destination cannot be reached (`ENETUNREACH`).
    Unreachable,
    /// Unset: a rule that is added routes by a table, and a deletion matches any action.
    #[default]
    Unspecified,
}

impl From<u8> for RuleAction {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::Unspecified,
            1 => Self::Table,
            2 => Self::Goto,
            3 => Self::Nop,
            6 => Self::Blackhole,
            7 => Self::Unreachable,
            8 => Self::Prohibit,
            other => Self::Other(other),
        }
    }
}

impl From<RuleAction> for u8 {
    fn from(action: RuleAction) -> Self {
        match action {
            RuleAction::Unspecified => 0,
            RuleAction::Table => 1,
            RuleAction::Goto => 2,
            RuleAction::Nop => 3,
            RuleAction::Blackhole => 6,
            RuleAction::Unreachable => 7,
            RuleAction::Prohibit => 8,
            RuleAction::Other(number) => number,
        }
    }
}

macro_rules! range {
    ($(#[$doc:meta])* $name:ident($number:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        pub struct $name {
            /// The first one.
            pub first: $number,
            /// The last one.
            pub last: $number,
        }

        impl From<$number> for $name {
            fn from(only: $number) -> Self {
                Self { first: only, last: only }
            }
        }

        impl From<RangeInclusive<$number>> for $name {
            fn from(range: RangeInclusive<$number>) -> Self {
                Self { first: *range.start(), last: *range.end() }
            }
        }

        /// The words of `ip rule`: `80`, or `1000-2000`.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if self.first == self.last {
                    return write!(f, "{}", self.first);
                }
                write!(f, "{}-{}", self.first, self.last)
            }
        }
    };
}

range! {
    /// Ports of TCP, UDP and the like, both ends included: `80.into()`, `(1000..=2000).into()`.
    PortRange(u16)
}

range! {
    /// Users by number, both ends included.
    UidRange(u32)
}

crate::serialize_bits! { RuleFlags: serialize_u32; }
