use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use nl_core::attr::{Attr, AttrWriter, DecodeError};

use super::super::shared::ACTIONS;
use crate::message::kind_names;

/// How the values of each type are read, written and shown: big-endian where the bytes are those of a packet.
mod value {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use nl_core::attr::{Attr, AttrWriter, DecodeError};

    macro_rules! values {
        ($($name:ident $type:ty = $full:expr, |$attr:ident| $read:expr, |$w:ident, $kind:ident, $value:ident| $write:expr, $text:expr;)+) => {$(
            pub(super) mod $name {
                use super::*;

                /// All bits.
                pub(in super::super) const FULL: $type = $full;

                pub(in super::super) fn read($attr: Attr<'_>) -> Result<$type, DecodeError> {
                    $read
                }

                pub(in super::super) fn write($w: &mut AttrWriter<'_>, $kind: u16, $value: $type) {
                    $write;
                }

                pub(in super::super) fn text($value: $type) -> String {
                    $text
                }
            }
        )+};
    }

    values! {
        mac [u8; 6] = [0xff; 6], |attr| attr.array(), |w, kind, value| w.bytes(kind, &value), colons(value);
        v4 Ipv4Addr = Ipv4Addr::BROADCAST, |attr| attr.array::<4>().map(Ipv4Addr::from), |w, kind, value| w.bytes(kind, &value.octets()), value.to_string();
        v6 Ipv6Addr = Ipv6Addr::from_bits(u128::MAX), |attr| attr.array::<16>().map(Ipv6Addr::from), |w, kind, value| w.bytes(kind, &value.octets()), value.to_string();
        be16 u16 = u16::MAX, |attr| attr.be16(), |w, kind, value| w.be16(kind, value), value.to_string();
        be32 u32 = u32::MAX, |attr| attr.be32(), |w, kind, value| w.be32(kind, value), value.to_string();
        byte u8 = u8::MAX, |attr| attr.u8(), |w, kind, value| w.u8(kind, value), value.to_string();
        half u16 = u16::MAX, |attr| attr.u16(), |w, kind, value| w.u16(kind, value), value.to_string();
        word u32 = u32::MAX, |attr| attr.u32(), |w, kind, value| w.u32(kind, value), value.to_string();
    }

    fn colons(bytes: [u8; 6]) -> String {
        bytes.map(|byte| format!("{byte:02x}")).join(":")
    }
}

macro_rules! keys {
    (
        masked { $($(#[$doc:meta])* $masked:ident $form:ident $type:ty, $kind:ident $mask:ident $word:literal;)+ }
        whole { $($(#[$about:meta])* $whole:ident $shape:ident $of:ty, $number:ident $name:literal;)+ }
    ) => {
        /// What a packet must have.
        ///
        /// A key with a mask has the value first, then the bits that are compared.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
        #[non_exhaustive]
        pub enum FlowerKey {
            $($(#[$about])* $whole($of),)+
            $($(#[$doc])* $masked($type, $type),)+
        }

        // Each has a bit in a `u128`.
        $(const _: () = assert!($kind < 128);)+
        $(const _: () = assert!($number < 128);)+

        impl FlowerKey {
            /// Reads the key of an attribute. `find` finds the attribute of a mask. `None` if it is no key.
            pub(super) fn decode<'a>(
                attr: Attr<'a>,
                find: impl Fn(u16) -> Result<Option<Attr<'a>>, DecodeError>,
            ) -> Result<Option<Self>, DecodeError> {
                Ok(Some(match attr.kind() {
                    $($number => Self::$whole(value::$shape::read(attr)?),)+
                    $($kind => {
                        let mask = find($mask)?.map_or(Ok(value::$form::FULL), value::$form::read)?;
                        Self::$masked(value::$form::read(attr)?, mask)
                    })+
                    _ => return Ok(None),
                }))
            }

            /// Whether this is the attribute of a mask.
            pub(super) fn is_mask(kind: u16) -> bool {
                matches!(kind, $($mask)|+)
            }

            pub(super) fn encode(&self, w: &mut AttrWriter<'_>) {
                match *self {
                    $(Self::$whole(value) => value::$shape::write(w, $number, value),)+
                    $(Self::$masked(value, mask) => {
                        value::$form::write(w, $kind, value);
                        value::$form::write(w, $mask, mask);
                    })+
                }
            }

            /// The number of the attribute, of which a filter has one.
            pub(super) fn kind(&self) -> u16 {
                match self {
                    $(Self::$whole(_) => $number,)+
                    $(Self::$masked(..) => $kind,)+
                }
            }
        }

        /// The words of `tc`.
        impl fmt::Display for FlowerKey {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Self::$whole(value) => write!(f, concat!($name, " {}"), value::$shape::text(value)),)+
                    $(Self::$masked(value, mask) => {
                        write!(f, concat!($word, " {}"), value::$form::text(value))?;
                        if mask == value::$form::FULL { Ok(()) } else { write!(f, "/{}", value::$form::text(mask)) }
                    })+
                }
            }
        }
    };
}

keys! {
    masked {
        /// The destination MAC address (`dst_mac`).
        EthDst mac [u8; 6], TCA_FLOWER_KEY_ETH_DST TCA_FLOWER_KEY_ETH_DST_MASK "dst_mac";
        /// The source MAC address (`src_mac`).
        EthSrc mac [u8; 6], TCA_FLOWER_KEY_ETH_SRC TCA_FLOWER_KEY_ETH_SRC_MASK "src_mac";
        /// The source address of IPv4 (`src_ip`).
        Ipv4Src v4 Ipv4Addr, TCA_FLOWER_KEY_IPV4_SRC TCA_FLOWER_KEY_IPV4_SRC_MASK "src_ip";
        /// The destination address of IPv4 (`dst_ip`).
        Ipv4Dst v4 Ipv4Addr, TCA_FLOWER_KEY_IPV4_DST TCA_FLOWER_KEY_IPV4_DST_MASK "dst_ip";
        /// The source address of IPv6 (`src_ip`).
        Ipv6Src v6 Ipv6Addr, TCA_FLOWER_KEY_IPV6_SRC TCA_FLOWER_KEY_IPV6_SRC_MASK "src_ip";
        /// The destination address of IPv6 (`dst_ip`).
        Ipv6Dst v6 Ipv6Addr, TCA_FLOWER_KEY_IPV6_DST TCA_FLOWER_KEY_IPV6_DST_MASK "dst_ip";
        /// The source port of TCP (`src_port`).
        TcpSrc be16 u16, TCA_FLOWER_KEY_TCP_SRC TCA_FLOWER_KEY_TCP_SRC_MASK "src_port";
        /// The destination port of TCP (`dst_port`).
        TcpDst be16 u16, TCA_FLOWER_KEY_TCP_DST TCA_FLOWER_KEY_TCP_DST_MASK "dst_port";
        /// The source port of UDP (`src_port`).
        UdpSrc be16 u16, TCA_FLOWER_KEY_UDP_SRC TCA_FLOWER_KEY_UDP_SRC_MASK "src_port";
        /// The destination port of UDP (`dst_port`).
        UdpDst be16 u16, TCA_FLOWER_KEY_UDP_DST TCA_FLOWER_KEY_UDP_DST_MASK "dst_port";
        /// The source port of SCTP (`src_port`).
        SctpSrc be16 u16, TCA_FLOWER_KEY_SCTP_SRC TCA_FLOWER_KEY_SCTP_SRC_MASK "src_port";
        /// The destination port of SCTP (`dst_port`).
        SctpDst be16 u16, TCA_FLOWER_KEY_SCTP_DST TCA_FLOWER_KEY_SCTP_DST_MASK "dst_port";
        /// The flags of TCP (`tcp_flags`).
        TcpFlags be16 u16, TCA_FLOWER_KEY_TCP_FLAGS TCA_FLOWER_KEY_TCP_FLAGS_MASK "tcp_flags";
        /// The DS field (`ip_tos`).
        IpTos byte u8, TCA_FLOWER_KEY_IP_TOS TCA_FLOWER_KEY_IP_TOS_MASK "ip_tos";
        /// The TTL or hop limit (`ip_ttl`).
        IpTtl byte u8, TCA_FLOWER_KEY_IP_TTL TCA_FLOWER_KEY_IP_TTL_MASK "ip_ttl";
        /// The type of ICMP (`type`).
        Icmpv4Type byte u8, TCA_FLOWER_KEY_ICMPV4_TYPE TCA_FLOWER_KEY_ICMPV4_TYPE_MASK "type";
        /// The code of ICMP (`code`).
        Icmpv4Code byte u8, TCA_FLOWER_KEY_ICMPV4_CODE TCA_FLOWER_KEY_ICMPV4_CODE_MASK "code";
        /// The type of ICMPv6 (`type`).
        Icmpv6Type byte u8, TCA_FLOWER_KEY_ICMPV6_TYPE TCA_FLOWER_KEY_ICMPV6_TYPE_MASK "type";
        /// The code of ICMPv6 (`code`).
        Icmpv6Code byte u8, TCA_FLOWER_KEY_ICMPV6_CODE TCA_FLOWER_KEY_ICMPV6_CODE_MASK "code";
        /// The fragments, as `TCA_FLOWER_KEY_FLAGS_*` (`ip_flags`).
        IpFlags be32 u32, TCA_FLOWER_KEY_FLAGS TCA_FLOWER_KEY_FLAGS_MASK "ip_flags";
        /// The sender of ARP (`arp_sip`).
        ArpSip v4 Ipv4Addr, TCA_FLOWER_KEY_ARP_SIP TCA_FLOWER_KEY_ARP_SIP_MASK "arp_sip";
        /// The target of ARP (`arp_tip`).
        ArpTip v4 Ipv4Addr, TCA_FLOWER_KEY_ARP_TIP TCA_FLOWER_KEY_ARP_TIP_MASK "arp_tip";
        /// The operation of ARP (`arp_op`).
        ArpOp byte u8, TCA_FLOWER_KEY_ARP_OP TCA_FLOWER_KEY_ARP_OP_MASK "arp_op";
        /// The state of the connection (`ct_state`).
        CtState half u16, TCA_FLOWER_KEY_CT_STATE TCA_FLOWER_KEY_CT_STATE_MASK "ct_state";
        /// The zone of the connection (`ct_zone`).
        CtZone half u16, TCA_FLOWER_KEY_CT_ZONE TCA_FLOWER_KEY_CT_ZONE_MASK "ct_zone";
        /// The mark of the connection (`ct_mark`).
        CtMark word u32, TCA_FLOWER_KEY_CT_MARK TCA_FLOWER_KEY_CT_MARK_MASK "ct_mark";
    }
    whole {
        /// The protocol of the packet, without VLANs (`eth_type`).
        EthType be16 u16, TCA_FLOWER_KEY_ETH_TYPE "eth_type";
        /// The protocol of IP (`ip_proto`).
        IpProto byte u8, TCA_FLOWER_KEY_IP_PROTO "ip_proto";
        /// The VLAN (`vlan_id`).
        VlanId be16 u16, TCA_FLOWER_KEY_VLAN_ID "vlan_id";
        /// The priority in the VLAN (`vlan_prio`).
        VlanPrio byte u8, TCA_FLOWER_KEY_VLAN_PRIO "vlan_prio";
        /// The protocol inside the VLAN (`vlan_ethtype`).
        VlanEthType be16 u16, TCA_FLOWER_KEY_VLAN_ETH_TYPE "vlan_ethtype";
        /// The inner VLAN (`cvlan_id`).
        CvlanId be16 u16, TCA_FLOWER_KEY_CVLAN_ID "cvlan_id";
        /// The priority in the inner VLAN (`cvlan_prio`).
        CvlanPrio byte u8, TCA_FLOWER_KEY_CVLAN_PRIO "cvlan_prio";
        /// The protocol inside the inner VLAN (`cvlan_ethtype`).
        CvlanEthType be16 u16, TCA_FLOWER_KEY_CVLAN_ETH_TYPE "cvlan_ethtype";
        /// The key of the tunnel, such as a VNI (`enc_key_id`).
        EncKeyId be32 u32, TCA_FLOWER_KEY_ENC_KEY_ID "enc_key_id";
        /// The lowest source port (`src_port`).
        PortSrcMin be16 u16, TCA_FLOWER_KEY_PORT_SRC_MIN "src_port";
        /// The highest source port (`src_port`).
        PortSrcMax be16 u16, TCA_FLOWER_KEY_PORT_SRC_MAX "src_port";
        /// The lowest destination port (`dst_port`).
        PortDstMin be16 u16, TCA_FLOWER_KEY_PORT_DST_MIN "dst_port";
        /// The highest destination port (`dst_port`).
        PortDstMax be16 u16, TCA_FLOWER_KEY_PORT_DST_MAX "dst_port";
    }
}

// `include/uapi/linux/pkt_cls.h`
kind_names! {
    TCA_FLOWER_CLASSID = 1,
    TCA_FLOWER_ACT = 3 in ACTIONS,
    TCA_FLOWER_KEY_ETH_DST = 4,
    TCA_FLOWER_KEY_ETH_DST_MASK = 5,
    TCA_FLOWER_KEY_ETH_SRC = 6,
    TCA_FLOWER_KEY_ETH_SRC_MASK = 7,
    TCA_FLOWER_KEY_ETH_TYPE = 8,
    TCA_FLOWER_KEY_IP_PROTO = 9,
    TCA_FLOWER_KEY_IPV4_SRC = 10,
    TCA_FLOWER_KEY_IPV4_SRC_MASK = 11,
    TCA_FLOWER_KEY_IPV4_DST = 12,
    TCA_FLOWER_KEY_IPV4_DST_MASK = 13,
    TCA_FLOWER_KEY_IPV6_SRC = 14,
    TCA_FLOWER_KEY_IPV6_SRC_MASK = 15,
    TCA_FLOWER_KEY_IPV6_DST = 16,
    TCA_FLOWER_KEY_IPV6_DST_MASK = 17,
    TCA_FLOWER_KEY_TCP_SRC = 18,
    TCA_FLOWER_KEY_TCP_DST = 19,
    TCA_FLOWER_KEY_UDP_SRC = 20,
    TCA_FLOWER_KEY_UDP_DST = 21,
    TCA_FLOWER_FLAGS = 22,
    TCA_FLOWER_KEY_VLAN_ID = 23,
    TCA_FLOWER_KEY_VLAN_PRIO = 24,
    TCA_FLOWER_KEY_VLAN_ETH_TYPE = 25,
    TCA_FLOWER_KEY_ENC_KEY_ID = 26,
    TCA_FLOWER_KEY_TCP_SRC_MASK = 35,
    TCA_FLOWER_KEY_TCP_DST_MASK = 36,
    TCA_FLOWER_KEY_UDP_SRC_MASK = 37,
    TCA_FLOWER_KEY_UDP_DST_MASK = 38,
    TCA_FLOWER_KEY_SCTP_SRC_MASK = 39,
    TCA_FLOWER_KEY_SCTP_DST_MASK = 40,
    TCA_FLOWER_KEY_SCTP_SRC = 41,
    TCA_FLOWER_KEY_SCTP_DST = 42,
    TCA_FLOWER_KEY_FLAGS = 47,
    TCA_FLOWER_KEY_FLAGS_MASK = 48,
    TCA_FLOWER_KEY_ICMPV4_CODE = 49,
    TCA_FLOWER_KEY_ICMPV4_CODE_MASK = 50,
    TCA_FLOWER_KEY_ICMPV4_TYPE = 51,
    TCA_FLOWER_KEY_ICMPV4_TYPE_MASK = 52,
    TCA_FLOWER_KEY_ICMPV6_CODE = 53,
    TCA_FLOWER_KEY_ICMPV6_CODE_MASK = 54,
    TCA_FLOWER_KEY_ICMPV6_TYPE = 55,
    TCA_FLOWER_KEY_ICMPV6_TYPE_MASK = 56,
    TCA_FLOWER_KEY_ARP_SIP = 57,
    TCA_FLOWER_KEY_ARP_SIP_MASK = 58,
    TCA_FLOWER_KEY_ARP_TIP = 59,
    TCA_FLOWER_KEY_ARP_TIP_MASK = 60,
    TCA_FLOWER_KEY_ARP_OP = 61,
    TCA_FLOWER_KEY_ARP_OP_MASK = 62,
    TCA_FLOWER_KEY_TCP_FLAGS = 71,
    TCA_FLOWER_KEY_TCP_FLAGS_MASK = 72,
    TCA_FLOWER_KEY_IP_TOS = 73,
    TCA_FLOWER_KEY_IP_TOS_MASK = 74,
    TCA_FLOWER_KEY_IP_TTL = 75,
    TCA_FLOWER_KEY_IP_TTL_MASK = 76,
    TCA_FLOWER_KEY_CVLAN_ID = 77,
    TCA_FLOWER_KEY_CVLAN_PRIO = 78,
    TCA_FLOWER_KEY_CVLAN_ETH_TYPE = 79,
    TCA_FLOWER_IN_HW_COUNT = 86,
    TCA_FLOWER_KEY_PORT_SRC_MIN = 87,
    TCA_FLOWER_KEY_PORT_SRC_MAX = 88,
    TCA_FLOWER_KEY_PORT_DST_MIN = 89,
    TCA_FLOWER_KEY_PORT_DST_MAX = 90,
    TCA_FLOWER_KEY_CT_STATE = 91,
    TCA_FLOWER_KEY_CT_STATE_MASK = 92,
    TCA_FLOWER_KEY_CT_ZONE = 93,
    TCA_FLOWER_KEY_CT_ZONE_MASK = 94,
    TCA_FLOWER_KEY_CT_MARK = 95,
    TCA_FLOWER_KEY_CT_MARK_MASK = 96,
}

impl FlowerKey {
    /// Whether it is about a tag of a VLAN, the outer or the inner one.
    pub(super) const fn is_of_vlan(&self) -> bool {
        matches!(self, Self::VlanId(_) | Self::VlanPrio(_) | Self::VlanEthType(_)) || self.is_of_inner_vlan()
    }

    pub(super) const fn is_of_inner_vlan(&self) -> bool {
        matches!(self, Self::CvlanId(_) | Self::CvlanPrio(_) | Self::CvlanEthType(_))
    }
}
