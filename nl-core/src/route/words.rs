use std::fmt;

use bitflags::bitflags;

/// A kernel enumeration of one byte with an escape for numbers that are not known here.
macro_rules! byte_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[$doc:meta])* $variant:ident = $number:literal $word:literal, )+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$doc])* $variant, )+
            /// A number that this crate has no name for.
            Other(u8),
        }

        impl From<u8> for $name {
            fn from(number: u8) -> Self {
                match number {
                    $( $number => Self::$variant, )+
                    other => Self::Other(other),
                }
            }
        }

        impl From<$name> for u8 {
            fn from(value: $name) -> Self {
                match value {
                    $( $name::$variant => $number, )+
                    $name::Other(number) => number,
                }
            }
        }

        /// The word of `ip route`, or the number.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $( Self::$variant => f.write_str($word), )+
                    Self::Other(number) => write!(f, "{number}"),
                }
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

#[cfg(feature = "nexthop")]
pub(crate) use byte_enum;

// `include/uapi/linux/rtnetlink.h`

byte_enum! {
    /// What happens to a packet that matches a route (`RTN_*`). In kernel order.
    pub enum RouteType {
        /// Unset: [`Unicast`](Self::Unicast) for a new route, any type for a deletion.
        Unspec = 0 "none",
        /// Sent to a gateway, or to a neighbour on the device.
        Unicast = 1 "unicast",
        /// Received: an address of this host.
        Local = 2 "local",
        /// Received, and sent as a broadcast.
        Broadcast = 3 "broadcast",
        /// Received as by one of several hosts with this address.
        Anycast = 4 "anycast",
        /// Multicast.
        Multicast = 5 "multicast",
        /// Dropped without an answer. Local programs get `EINVAL`.
        Blackhole = 6 "blackhole",
        /// Dropped with ICMP "host unreachable". Local programs get `EHOSTUNREACH`.
        Unreachable = 7 "unreachable",
        /// Dropped with ICMP "administratively prohibited". Local programs get `EACCES`.
        Prohibit = 8 "prohibit",
        /// As if the table had no route: the next rule decides.
        Throw = 9 "throw",
        /// Address translation; no kernel does it any more.
        Nat = 10 "nat",
        /// Resolved by a program; no kernel does it.
        XResolve = 11 "xresolve",
    }
}

impl RouteType {
    /// Whether packets are dropped or passed on to the next rule: such a route has no gateway and no device.
    #[must_use]
    pub const fn is_reject(self) -> bool {
        matches!(self, Self::Blackhole | Self::Unreachable | Self::Prohibit | Self::Throw)
    }

    /// Whether `ip route` puts it into the table `local` where no table is given.
    #[must_use]
    pub(super) const fn is_local(self) -> bool {
        matches!(self, Self::Local | Self::Broadcast | Self::Anycast | Self::Nat)
    }
}

byte_enum! {
    /// How far away a destination is (`RT_SCOPE_*`), for IPv4. In kernel order.
    pub enum RouteScope {
        /// Anywhere (`global`).
        Universe = 0 "global",
        /// Inside the site.
        Site = 200 "site",
        /// On the device's network.
        Link = 253 "link",
        /// On this host.
        Host = 254 "host",
        /// Unset: the default of `ip route` for a new route, any scope for a deletion.
        Nowhere = 255 "nowhere",
    }
}

byte_enum! {
    /// How much a router is preferred over others, for IPv6 (`ICMPV6_ROUTER_PREF_*`, RFC 4191). In kernel order.
    pub enum RoutePref {
        /// As others.
        Medium = 0 "medium",
        /// Over others.
        High = 1 "high",
        /// Below others.
        Low = 3 "low",
    }
}

/// Who added a route (`RTPROT_*`).
///
/// The kernel stores numbers from 4 on without looking at them. A daemon uses a number of its own to recognise its routes.
///
/// ```
/// use nl_core::route::RouteProtocol;
///
/// assert_eq!(RouteProtocol::BGP.to_string(), "bgp");
/// assert_eq!(RouteProtocol(200).to_string(), "200");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteProtocol(pub u8);

macro_rules! protocols {
    ($($name:ident = $number:literal $word:literal $doc:literal;)+) => {
        impl RouteProtocol {
            $( #[doc = $doc] pub const $name: Self = Self($number); )+
        }

        /// The word of `/etc/iproute2/rt_protos` as it is delivered, or the number.
        impl fmt::Display for RouteProtocol {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    $( $number => f.write_str($word), )+
                    number => write!(f, "{number}"),
                }
            }
        }

        #[cfg(feature = "serde")]
        impl RouteProtocol {
            fn of_word(word: &str) -> Option<Self> {
                match word {
                    $( $word => Some(Self($number)), )+
                    number => number.parse().ok().map(Self),
                }
            }
        }
    };
}

protocols! {
    UNSPEC = 0 "unspec" "Not set: [`BOOT`](Self::BOOT) where a route is made, any where one is deleted.";
    REDIRECT = 1 "redirect" "An ICMP redirect.";
    KERNEL = 2 "kernel" "The kernel, for an address.";
    BOOT = 3 "boot" "Whoever gave no protocol, as `ip route` does.";
    STATIC = 4 "static" "The administrator.";
    RA = 9 "ra" "An IPv6 router advertisement.";
    MRT = 10 "mrt" "Merit MRT.";
    ZEBRA = 11 "zebra" "FRR.";
    BIRD = 12 "bird" "BIRD.";
    DNROUTED = 13 "dnrouted" "The DECnet routing daemon.";
    XORP = 14 "xorp" "XORP.";
    NTK = 15 "ntk" "Netsukuku.";
    DHCP = 16 "dhcp" "A DHCP client.";
    MROUTED = 17 "mrouted" "A multicast daemon.";
    KEEPALIVED = 18 "keepalived" "keepalived.";
    BABEL = 42 "babel" "A Babel daemon.";
    OVN = 84 "ovn" "OVN.";
    OPENR = 99 "openr" "Open/R.";
    BGP = 186 "bgp" "BGP.";
    ISIS = 187 "isis" "IS-IS.";
    OSPF = 188 "ospf" "OSPF.";
    RIP = 189 "rip" "RIP.";
    EIGRP = 192 "eigrp" "EIGRP.";
}

impl From<u8> for RouteProtocol {
    fn from(number: u8) -> Self {
        Self(number)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for RouteProtocol {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From the word or the number.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for RouteProtocol {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Read {
            Number(u8),
            Word(String),
        }

        match <Read as serde::Deserialize>::deserialize(deserializer)? {
            Read::Number(number) => Ok(Self(number)),
            Read::Word(word) => Self::of_word(&word).ok_or_else(|| {
                let why = format!(
                    "protocol \"{word}\"; a word of /etc/iproute2/rt_protos, or 0 to 255, is possible"
                );
                serde::de::Error::custom(why)
            }),
        }
    }
}

bitflags! {
    /// Flags of a route and its only path (`RTM_F_*`, `RTNH_F_*`); bits this crate does not know are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RouteFlags: u32 {
        /// The device of the path is down; only read.
        const DEAD = 0x01;
        /// The gateway is looked up recursively.
        const PERVASIVE = 0x02;
        /// The gateway is on the device's network, whatever the addresses say (`onlink`).
        const ONLINK = 0x04;
        /// The path is in hardware; only read.
        const NH_OFFLOAD = 0x08;
        /// The device of the path has no carrier; only read.
        const LINKDOWN = 0x10;
        /// The path is not resolved (multicast routing); only read.
        const UNRESOLVED = 0x20;
        /// Packets for the path are sent to the processor by the hardware; only read.
        const NH_TRAP = 0x40;
        /// The requester is notified of a change.
        const NOTIFY = 0x100;
        /// Not in a table: the result of a lookup, a redirect or path MTU discovery (`cache`).
        const CLONED = 0x200;
        /// Not used by any kernel.
        const EQUALIZE = 0x400;
        /// From the prefix of a router advertisement.
        const PREFIX = 0x800;
        /// Asks a lookup for the table that it ended in.
        const LOOKUP_TABLE = 0x1000;
        /// Asks a lookup for the route of the table in place of the path that was chosen.
        const FIB_MATCH = 0x2000;
        /// The route is in hardware; only read.
        const OFFLOAD = 0x4000;
        /// Packets for the route are sent to the processor by the hardware; only read.
        const TRAP = 0x8000;
        /// The hardware refused the route; only read. Linux 5.12.
        const OFFLOAD_FAILED = 0x2000_0000;
        const _ = !0;
    }
}

impl RouteFlags {
    /// What the kernel reports and a request never says.
    pub(crate) const ONLY_READ: Self = Self::DEAD
        .union(Self::NH_OFFLOAD)
        .union(Self::LINKDOWN)
        .union(Self::UNRESOLVED)
        .union(Self::NH_TRAP)
        .union(Self::NOTIFY)
        .union(Self::LOOKUP_TABLE)
        .union(Self::FIB_MATCH)
        .union(Self::OFFLOAD)
        .union(Self::TRAP)
        .union(Self::OFFLOAD_FAILED);

    pub(crate) fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WORDS: [(RouteFlags, &str); 10] = [
            (RouteFlags::DEAD, " dead"),
            (RouteFlags::ONLINK, " onlink"),
            (RouteFlags::PERVASIVE, " pervasive"),
            (RouteFlags::NH_OFFLOAD.union(RouteFlags::OFFLOAD), " offload"),
            (RouteFlags::NH_TRAP.union(RouteFlags::TRAP), " trap"),
            (RouteFlags::LINKDOWN, " linkdown"),
            (RouteFlags::UNRESOLVED, " unresolved"),
            (RouteFlags::NOTIFY, " notify"),
            (RouteFlags::OFFLOAD_FAILED, " rt_offload_failed"),
            (RouteFlags::CLONED, " cache"),
        ];
        for (flags, word) in WORDS {
            if self.intersects(flags) {
                f.write_str(word)?;
            }
        }
        Ok(())
    }
}

bitflags! {
    /// Flags of one of several paths (`RTNH_F_*`); bits this crate does not know are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct HopFlags: u8 {
        /// The device is down; only read.
        const DEAD = 0x01;
        /// The gateway is looked up recursively.
        const PERVASIVE = 0x02;
        /// The gateway is on the device's network, whatever the addresses say (`onlink`).
        const ONLINK = 0x04;
        /// In hardware; only read.
        const OFFLOAD = 0x08;
        /// The device has no carrier; only read.
        const LINKDOWN = 0x10;
        /// Not resolved (multicast routing); only read.
        const UNRESOLVED = 0x20;
        /// Packets are sent to the processor by the hardware; only read.
        const TRAP = 0x40;
        const _ = !0;
    }
}

impl HopFlags {
    /// What the kernel reports and a request never says.
    pub(super) const ONLY_READ: Self =
        Self::DEAD.union(Self::OFFLOAD).union(Self::LINKDOWN).union(Self::UNRESOLVED).union(Self::TRAP);
}

/// The realms of a route, for `tc filter … route` and for counters (`RTA_FLOW`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Realms {
    /// The realm of the source; 0 for none.
    pub from: u16,
    /// The realm of the destination.
    pub to: u16,
}

impl From<u32> for Realms {
    fn from(flow: u32) -> Self {
        let [a, b, c, d] = flow.to_be_bytes();
        Self { from: u16::from_be_bytes([a, b]), to: u16::from_be_bytes([c, d]) }
    }
}

impl From<Realms> for u32 {
    fn from(realms: Realms) -> Self {
        Self::from(realms.from) << 16 | Self::from(realms.to)
    }
}

/// `FROM/TO`, or `TO` alone.
impl fmt::Display for Realms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from {
            0 => write!(f, "{}", self.to),
            from => write!(f, "{from}/{}", self.to),
        }
    }
}

#[cfg(feature = "serde")]
pub(super) mod bits {
    use serde::Serializer;

    use super::{HopFlags, RouteFlags};

    pub(crate) fn route<S: Serializer>(flags: &RouteFlags, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u32(flags.bits())
    }

    pub(crate) fn hop<S: Serializer>(flags: &HopFlags, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u8(flags.bits())
    }
}
