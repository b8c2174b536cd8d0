use std::fmt;
use std::net::Ipv6Addr;

/// One fault of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Finding {
    /// The route or the setting.
    pub object: String,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Fault {
    /// The device of a route is down.
    DeviceDown {
        /// Its name.
        dev: String,
    },
    /// The first segment takes the same route again.
    FirstSegmentLoops {
        /// The segment.
        segment: Ipv6Addr,
    },
    /// No route leads to the first segment.
    FirstSegmentUnreachable {
        /// The segment.
        segment: Ipv6Addr,
    },
    /// The kernel takes it and does not do it, or drops the packets.
    Impossible {
        /// Why.
        why: String,
    },
    /// A segment is never visited, because no slot was reserved for the destination of the packet.
    NeverVisited {
        /// The segment.
        segment: Ipv6Addr,
    },
    /// Packets are not forwarded, but there are SIDs.
    NotForwarding,
    /// The header has an HMAC by a key that the kernel does not have.
    NoKey {
        /// The number of the key.
        key: u32,
    },
    /// The output device of `End.DX2` does not exist, is down, or is no Ethernet device.
    NoOutput {
        /// Which, and why.
        why: String,
    },
    /// The VRF of a SID is gone.
    NoVrf {
        /// Its table.
        table: u32,
    },
    /// The route is on a loopback device.
    OnLoopback,
    /// IPv4 packets that come out of a SID must pass a strict reverse path filter.
    ReversePathFilter {
        /// The VRF.
        dev: String,
    },
}

impl Fault {
    /// The command that mends it, where there is one; words in capitals are to be replaced.
    #[must_use]
    pub fn mend(&self, object: &str) -> Option<String> {
        Some(match self {
            Self::DeviceDown { dev } => format!("ip link set {dev} up"),
            Self::FirstSegmentUnreachable { segment } => format!("ip -6 route add {segment} via ROUTER"),
            Self::NoKey { key } => format!("ip sr hmac set {key} sha256"),
            Self::NotForwarding => format!("sysctl -w {object}=1"),
            Self::NoVrf { table } => {
                format!("ip link add NAME type vrf table {table}, and then make the SID again")
            }
            Self::OnLoopback => "make the route again with another device that is up".into(),
            Self::ReversePathFilter { dev } => {
                format!("sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.{dev}.rp_filter=0")
            }
            Self::FirstSegmentLoops { .. }
            | Self::Impossible { .. }
            | Self::NeverVisited { .. }
            | Self::NoOutput { .. } => return None,
        })
    }
}

/// The fault in words.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeviceDown { dev } => write!(f, "device {dev} is down, so the route is not used"),
            Self::FirstSegmentLoops { segment } => {
                write!(
                    f,
                    "the first segment {segment} takes the same route again, so every packet is dropped"
                )
            }
            Self::FirstSegmentUnreachable { segment } => {
                write!(f, "no route leads to the first segment {segment}, so every packet is dropped")
            }
            Self::Impossible { why } => f.write_str(why),
            Self::NeverVisited { segment } => {
                write!(
                    f,
                    "segment {segment} is never visited: the kernel overwrites it with the packet's destination"
                )
            }
            Self::NotForwarding => f.write_str("packets are not forwarded, also not those from SIDs"),
            Self::NoKey { key } => write!(f, "there is no HMAC key {key}, so every packet is dropped"),
            Self::NoOutput { why } => write!(f, "{why}, so every packet is dropped"),
            Self::NoVrf { table } => write!(f, "no VRF has table {table}, so every packet is dropped"),
            Self::OnLoopback => f.write_str("it is on a loopback device, so every packet is dropped"),
            Self::ReversePathFilter { dev } => {
                write!(
                    f,
                    "rp_filter of {dev} is 1, so IPv4 packets whose replies take another way are dropped"
                )
            }
        }
    }
}

/// The object and the fault; on a second line the command that mends it.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.fault)?;
        match self.fault.mend(&self.object) {
            Some(command) => write!(f, "\n  mend: {command}"),
            None => Ok(()),
        }
    }
}
