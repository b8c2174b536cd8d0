use super::metrics::METRICS;
use crate::attr::{DecodeError, Fields};
use crate::attr_names;
use crate::message::FixedHeader;

// `include/uapi/linux/rtnetlink.h`

/// An existing route; also the request that adds one.
pub const RTM_NEWROUTE: u16 = 24;
/// A deleted route; also the request that deletes one.
pub const RTM_DELROUTE: u16 = 25;
/// The request that lists routes or looks one up.
pub const RTM_GETROUTE: u16 = 26;
/// The multicast group of IPv4 routes.
pub const RTNLGRP_IPV4_ROUTE: u32 = 7;
/// The multicast group of IPv6 routes.
pub const RTNLGRP_IPV6_ROUTE: u32 = 11;

pub(crate) const AF_INET: u8 = 2;
pub(crate) const AF_INET6: u8 = 10;

attr_names! { pub(super) ATTRS {
    RTA_DST = 1,
    RTA_SRC = 2,
    RTA_IIF = 3,
    RTA_OIF = 4,
    RTA_GATEWAY = 5,
    RTA_PRIORITY = 6,
    RTA_PREFSRC = 7,
    RTA_METRICS = 8 in METRICS,
    RTA_MULTIPATH = 9,
    RTA_PROTOINFO = 10,
    RTA_FLOW = 11,
    RTA_CACHEINFO = 12,
    RTA_SESSION = 13,
    RTA_MP_ALGO = 14,
    RTA_TABLE = 15,
    RTA_MARK = 16,
    RTA_MFC_STATS = 17,
    RTA_VIA = 18,
    RTA_NEWDST = 19,
    RTA_PREF = 20,
    RTA_ENCAP_TYPE = 21,
    RTA_ENCAP = 22,
    RTA_EXPIRES = 23,
    RTA_PAD = 24,
    RTA_UID = 25,
    RTA_TTL_PROPAGATE = 26,
    RTA_IP_PROTO = 27,
    RTA_SPORT = 28,
    RTA_DPORT = 29,
    RTA_NH_ID = 30,
    RTA_FLOWLABEL = 31,
} }

/// `struct rtmsg` of route messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RtMsg {
    /// Address family: 2 for IPv4, 10 for IPv6.
    pub family: u8,
    /// Bits of the destination.
    pub dst_len: u8,
    /// Bits of the source.
    pub src_len: u8,
    /// The type of service.
    pub tos: u8,
    /// The table, up to 255; 0 with a table in `RTA_TABLE`.
    pub table: u8,
    /// `RTPROT_*`.
    pub protocol: u8,
    /// `RT_SCOPE_*`.
    pub scope: u8,
    /// `RTN_*`.
    pub kind: u8,
    /// `RTM_F_*` and `RTNH_F_*` bits.
    pub flags: u32,
}

impl RtMsg {
    /// Puts a table where it belongs: here if it fits, otherwise it is returned for `RTA_TABLE`.
    pub(super) fn set_table(&mut self, table: u32) -> Option<u32> {
        match u8::try_from(table) {
            Ok(table) => {
                self.table = table;
                None
            }
            Err(_) => Some(table),
        }
    }
}

impl FixedHeader for RtMsg {
    const LEN: usize = 12;
    const NAME: &'static str = "rtmsg";

    fn write(&self, out: &mut Vec<u8>) {
        let Self { family, dst_len, src_len, tos, table, protocol, scope, kind, flags } = *self;
        let [a, b, c, d] = flags.to_ne_bytes();
        out.extend_from_slice(&[family, dst_len, src_len, tos, table, protocol, scope, kind, a, b, c, d]);
    }

    #[inline]
    fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let mut f = Fields::named(Self::NAME, payload);
        let [family, dst_len, src_len, tos, table, protocol, scope, kind] = f.array::<8>()?;
        let header = Self { family, dst_len, src_len, tos, table, protocol, scope, kind, flags: f.u32()? };
        Ok((header, f.rest()))
    }
}
