use crate::attr::{DecodeError, Fields};
use crate::attr_names;
use crate::message::FixedHeader;

// `include/uapi/linux/rtnetlink.h`

/// An existing nexthop; also the request that adds one.
pub const RTM_NEWNEXTHOP: u16 = 104;
/// A deleted nexthop; also the request that deletes one.
pub const RTM_DELNEXTHOP: u16 = 105;
/// The request that reads nexthops.
pub const RTM_GETNEXTHOP: u16 = 106;
/// A bucket of a resilient group.
pub const RTM_NEWNEXTHOPBUCKET: u16 = 116;
/// The request that reads buckets.
pub const RTM_GETNEXTHOPBUCKET: u16 = 118;
/// The multicast group of nexthops.
pub const RTNLGRP_NEXTHOP: u32 = 32;

// `include/uapi/linux/nexthop.h`
attr_names! { pub(super) ATTRS {
    NHA_ID = 1,
    NHA_GROUP = 2,
    NHA_GROUP_TYPE = 3,
    NHA_BLACKHOLE = 4,
    NHA_OIF = 5,
    NHA_GATEWAY = 6,
    NHA_ENCAP_TYPE = 7,
    NHA_ENCAP = 8,
    NHA_GROUPS = 9,
    NHA_MASTER = 10,
    NHA_FDB = 11,
    NHA_RES_GROUP = 12 {
        NHA_RES_GROUP_BUCKETS = 1,
        NHA_RES_GROUP_IDLE_TIMER = 2,
        NHA_RES_GROUP_UNBALANCED_TIMER = 3,
        NHA_RES_GROUP_UNBALANCED_TIME = 4,
    },
    NHA_RES_BUCKET = 13 {
        NHA_RES_BUCKET_INDEX = 1,
        NHA_RES_BUCKET_IDLE_TIME = 2,
        NHA_RES_BUCKET_NH_ID = 3,
    },
    NHA_OP_FLAGS = 14,
    NHA_GROUP_STATS = 15 {
        NHA_GROUP_STATS_ENTRY = 1 {
            NHA_GROUP_STATS_ENTRY_ID = 1,
            NHA_GROUP_STATS_ENTRY_PACKETS = 2,
            NHA_GROUP_STATS_ENTRY_PACKETS_HW = 3,
        },
    },
    NHA_HW_STATS_ENABLE = 16,
    NHA_HW_STATS_USED = 17,
} }

/// `struct nhmsg` of nexthop messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NhMsg {
    /// Address family: 2 for IPv4, 10 for IPv6, 0 for a group.
    pub family: u8,
    /// `RT_SCOPE_*`; only read.
    pub scope: u8,
    /// `RTPROT_*`.
    pub protocol: u8,
    /// `RTNH_F_*` bits.
    pub flags: u32,
}

impl FixedHeader for NhMsg {
    const LEN: usize = 8;
    const NAME: &'static str = "nhmsg";

    fn write(&self, out: &mut Vec<u8>) {
        let [a, b, c, d] = self.flags.to_ne_bytes();
        out.extend_from_slice(&[self.family, self.scope, self.protocol, 0, a, b, c, d]);
    }

    #[inline]
    fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let mut f = Fields::named(Self::NAME, payload);
        let [family, scope, protocol, _] = f.array::<4>()?;
        let header = Self { family, scope, protocol, flags: f.u32()? };
        Ok((header, f.rest()))
    }
}
