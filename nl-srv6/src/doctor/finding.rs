use std::net::Ipv6Addr;

/// One fault of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Finding {
    /// The name of the node; empty where facts have none.
    pub node: String,
    /// The route, the setting, or the list of a policy.
    pub object: String,
    /// What is wrong.
    pub fault: Fault,
}

/// The facts that a fault is found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Needs {
    /// Those of the node alone.
    OneNode,
    /// Those of the node that has the segments, and of the node where packets end.
    SeveralNodes,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Fault {
    /// A segment decapsulates and is not the last one.
    DecapsulatesEarly {
        /// The node that has it.
        node: String,
        /// The segment, in the address with which packets arrive.
        segment: Ipv6Addr,
        /// How many segments are left.
        left: u8,
    },
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
    /// `seg6_enabled` is set for all and for no interface, or for an interface and not for all.
    HeadersOff,
    /// A node requires an HMAC, and the list has none.
    HmacRequired {
        /// The node.
        node: String,
        /// The interface that packets come through.
        dev: String,
    },
    /// The kernel takes it and does not do it, or drops the packets.
    Impossible {
        /// Why.
        why: String,
    },
    /// The router of `End.X` is link-local, and the SID has no output device.
    LinkLocalRouter {
        /// The router.
        router: Ipv6Addr,
    },
    /// A segment is never visited, because no slot was reserved for the destination of the packet.
    NeverVisited {
        /// The segment.
        segment: Ipv6Addr,
    },
    /// Packets are not forwarded, but there are SIDs.
    NotForwarding,
    /// VRFs are not in strict mode, but there are SIDs that need it.
    NotStrict,
    /// The header has an HMAC by a key that the kernel does not have.
    NoKey {
        /// The number of the key.
        key: u32,
    },
    /// The header has an HMAC by a key that a node on the way does not have.
    NoKeyAt {
        /// The node.
        node: String,
        /// The number of the key.
        key: u32,
    },
    /// The output device of `End.DX2` does not exist, is down, or is not an Ethernet device.
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
    /// `End.DT6` has the table of a VRF as a plain table.
    PlainTable {
        /// The table.
        table: u32,
        /// The VRF.
        vrf: String,
    },
    /// A reduced mode has its first segment twice.
    RepeatsFirst {
        /// The segment.
        segment: Ipv6Addr,
    },
    /// IPv4 packets that come out of a SID must pass a strict reverse path filter.
    ReversePathFilter {
        /// The VRF.
        dev: String,
    },
    /// Backwards the list would arrive.
    Reversed,
    /// A segment is an address of a node that does not process headers.
    SegmentIgnored {
        /// The node.
        node: String,
        /// The segment.
        segment: Ipv6Addr,
        /// The interface that packets come through.
        dev: String,
    },
    /// No route leads from a node to the next segment.
    SegmentUnreachable {
        /// The node.
        node: String,
        /// The segment.
        segment: Ipv6Addr,
    },
    /// The last segment does not decapsulate.
    TransitLast {
        /// The node that has it.
        node: String,
        /// The segment, in the address with which packets arrive.
        segment: Ipv6Addr,
        /// A SID of the node that decapsulates.
        instead: Option<Ipv6Addr>,
    },
    /// An unreachable default route of the VRF takes the packet with segments.
    UnreachableDefault {
        /// The VRF.
        vrf: String,
        /// The first segment.
        segment: Ipv6Addr,
    },
    /// The last segment decapsulates something else than what is in the packets.
    WrongPayload {
        /// The node that has it.
        node: String,
        /// The segment, in the address with which packets arrive.
        segment: Ipv6Addr,
        /// What is in the packets.
        payload: &'static str,
        /// A SID of the node that takes it.
        instead: Option<Ipv6Addr>,
    },
}

impl Fault {
    /// The facts that it is found in.
    #[must_use]
    pub const fn needs(&self) -> Needs {
        match self {
            Self::DecapsulatesEarly { .. }
            | Self::HmacRequired { .. }
            | Self::NoKeyAt { .. }
            | Self::Reversed
            | Self::SegmentIgnored { .. }
            | Self::SegmentUnreachable { .. }
            | Self::TransitLast { .. }
            | Self::WrongPayload { .. } => Needs::SeveralNodes,
            _ => Needs::OneNode,
        }
    }

    /// The node on which the command is run, where it is another one than that of the object.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        match self {
            Self::HmacRequired { node, .. }
            | Self::NoKeyAt { node, .. }
            | Self::SegmentIgnored { node, .. }
            | Self::SegmentUnreachable { node, .. } => Some(node),
            _ => None,
        }
    }
}

impl Finding {
    /// The command that mends it, where there is one; words in capitals are to be replaced.
    #[must_use]
    pub fn mend(&self) -> Option<String> {
        self.fault.mend(&self.object)
    }

    /// The node on which [the command](Self::mend) is run.
    #[must_use]
    pub fn mend_on(&self) -> &str {
        self.fault.node().unwrap_or(&self.node)
    }
}
