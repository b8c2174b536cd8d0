use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::Invalid;

use super::super::outcome::{Outcome, outcome};
use super::super::shared::Offload;
use super::key::{
    FlowerKey, TCA_FLOWER_ACT, TCA_FLOWER_CLASSID, TCA_FLOWER_FLAGS, TCA_FLOWER_IN_HW_COUNT,
    TCA_FLOWER_KEY_ETH_TYPE, TCA_FLOWER_KEY_PORT_DST_MAX, TCA_FLOWER_KEY_PORT_DST_MIN,
    TCA_FLOWER_KEY_PORT_SRC_MAX, TCA_FLOWER_KEY_PORT_SRC_MIN, TCA_OPTIONS,
};
use crate::TcHandle;
#[cfg(feature = "action")]
use crate::action::Action;

const IP: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const DOT1Q: u16 = 0x8100;
const DOT1AD: u16 = 0x88a8;
const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

/// Sends the packets with certain fields into a class, or carries out actions for them (`flower`).
///
/// ```
/// use nl_tc::TcHandle;
/// use nl_tc::filter::{Flower, FlowerKey};
///
/// // flower ip_proto tcp dst_ip 192.0.2.0/24 dst_port 443 classid 1:10
/// let filter = Flower::ipv4()
///     .key(FlowerKey::IpProto(6))
///     .dst_ip("192.0.2.0".parse().unwrap(), 24)
///     .key(FlowerKey::TcpDst(443, 0xffff))
///     .classid(TcHandle::new(1, 0x10));
/// ```
///
/// The protocol of the filter should be that of the packets. The kernel ignores a key if no other key names its layer; the
/// verbs refuse that. Needs the module `cls_flower`.
///
/// # VLANs
/// Keys of VLANs need a filter of the protocol of their tag: 0x8100 (802.1Q) or 0x88a8 (802.1ad). What is inside the tag is
/// [`VlanEthType`](FlowerKey::VlanEthType). An inner VLAN is one of 802.1Q unless that key says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Flower {
    /// The class. [`NONE`](TcHandle::NONE) for none (`classid`, `flowid`).
    pub classid: TcHandle,
    /// Where the filter is carried out (`skip_hw`, `skip_sw`).
    pub offload: Offload,
    /// What a packet must have.
    pub keys: Vec<FlowerKey>,
    /// The actions, in order (`action`).
    #[cfg(feature = "action")]
    pub actions: Vec<Action>,
}

impl Flower {
    /// Every packet, and nothing for it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Packets of IPv4. The protocol of the filter should be [`IPV4`](crate::filter::IPV4).
    #[must_use]
    pub fn ipv4() -> Self {
        Self::new().key(FlowerKey::EthType(IP))
    }

    /// Packets of IPv6. The protocol of the filter should be [`IPV6`](crate::filter::IPV6).
    #[must_use]
    pub fn ipv6() -> Self {
        Self::new().key(FlowerKey::EthType(IPV6))
    }

    /// Adds what a packet must have.
    #[must_use]
    pub fn key(mut self, key: FlowerKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Adds a prefix of destinations. A length over that of an address is all of it (`dst_ip`).
    #[must_use]
    pub fn dst_ip(self, address: IpAddr, prefix: u8) -> Self {
        self.key(match address {
            IpAddr::V4(address) => FlowerKey::Ipv4Dst(address, mask4(prefix).into()),
            IpAddr::V6(address) => FlowerKey::Ipv6Dst(address, mask6(prefix).into()),
        })
    }

    /// Adds a prefix of sources. A length over that of an address is all of it (`src_ip`).
    #[must_use]
    pub fn src_ip(self, address: IpAddr, prefix: u8) -> Self {
        self.key(match address {
            IpAddr::V4(address) => FlowerKey::Ipv4Src(address, mask4(prefix).into()),
            IpAddr::V6(address) => FlowerKey::Ipv6Src(address, mask6(prefix).into()),
        })
    }

    /// `None` if there is more than this type holds.
    pub(in crate::filter) fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut flower = Self::new();
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_FLOWER_CLASSID => flower.classid = TcHandle::from_bits(attr.u32()?),
                TCA_FLOWER_ACT => {
                    if !flower.read_actions(&attr)? {
                        return Ok(None);
                    }
                }
                TCA_FLOWER_FLAGS => match Offload::from_flags(attr.u32()?) {
                    Some(offload) => flower.offload = offload,
                    None => return Ok(None),
                },
                TCA_FLOWER_IN_HW_COUNT => {}
                mask if FlowerKey::is_mask(mask) => {}
                _ => match FlowerKey::decode(attr, |mask| Attrs::new(options).find(mask))? {
                    Some(key) => flower.keys.push(key),
                    None => return Ok(None),
                },
            }
        }
        if let Cow::Owned(keys) = flower.normalized() {
            flower.keys = keys;
        }
        Ok(Some(flower).filter(|flower| !flower.is_without_outcome()))
    }

    /// The keys without the protocol of the packet where a VLAN's is one: the kernel reports both, and takes one.
    fn normalized(&self) -> Cow<'_, [FlowerKey]> {
        if !self.keys.iter().any(FlowerKey::is_of_vlan) {
            return Cow::Borrowed(&self.keys);
        }
        let inside =
            self.keys.iter().any(|key| matches!(key, FlowerKey::VlanEthType(_) | FlowerKey::CvlanEthType(_)));
        let keys = self.keys.iter().filter_map(|key| match key {
            FlowerKey::EthType(protocol) if inside || is_tag(*protocol) => None,
            FlowerKey::EthType(protocol) => Some(FlowerKey::VlanEthType(*protocol)),
            key => Some(*key),
        });
        keys.collect()
    }

    /// The protocol of the outer tag: that of the filter, unless a key says it.
    fn tag(&self, protocol: u16) -> Option<u16> {
        let said = self.keys.iter().find_map(|key| match key {
            FlowerKey::EthType(said) if is_tag(*said) => Some(*said),
            _ => None,
        });
        said.or(Some(protocol).filter(|protocol| is_tag(*protocol)))
    }

    /// `protocol` is that of the filter.
    pub(in crate::filter) fn encode(&self, protocol: u16, w: &mut AttrWriter<'_>) {
        let mut options = w.nested(TCA_OPTIONS);
        self.write_class(&mut options, TCA_FLOWER_CLASSID);
        self.write_actions(&mut options, TCA_FLOWER_ACT);
        options.opt(TCA_FLOWER_FLAGS, self.offload.flags(), AttrWriter::u32);
        let keys = self.normalized();
        if keys.iter().any(FlowerKey::is_of_vlan) {
            options.opt(TCA_FLOWER_KEY_ETH_TYPE, self.tag(protocol), AttrWriter::be16);
        }
        let has = |is: fn(&FlowerKey) -> bool| keys.iter().any(is);
        if has(FlowerKey::is_of_inner_vlan) && !has(|key| matches!(key, FlowerKey::VlanEthType(_))) {
            FlowerKey::VlanEthType(DOT1Q).encode(&mut options);
        }
        for key in keys.iter() {
            key.encode(&mut options);
        }
    }

    /// `protocol` is that of the filter.
    pub(in crate::filter) fn check(&self, protocol: u16) -> Result<(), Invalid> {
        self.check_outcome()?;
        if let (Some(key), None) = (self.keys.iter().find(|key| key.is_of_vlan()), self.tag(protocol)) {
            return Err(format!(
                "{key} in a filter of protocol {protocol:#x}; 0x8100 (802.1Q) or 0x88a8 (802.1ad) is needed"
            )
            .into());
        }
        let mut fields = 0;
        for key in &self.keys {
            if fields & field(key.kind()) != 0 {
                let first = self.keys.iter().find(|first| first.kind() == key.kind()).unwrap_or(key);
                return Err(format!("two keys of one field: {first} and {key}").into());
            }
            fields |= field(key.kind());
            self.check_layer(*key)?;
        }
        for [low, high] in [
            [TCA_FLOWER_KEY_PORT_SRC_MIN, TCA_FLOWER_KEY_PORT_SRC_MAX],
            [TCA_FLOWER_KEY_PORT_DST_MIN, TCA_FLOWER_KEY_PORT_DST_MAX],
        ] {
            let has = |kind| fields & field(kind) != 0;
            Invalid::when(has(low) != has(high), "a range of ports with one end; both are needed")?;
        }
        Ok(())
    }

    /// Refuses a key that the kernel ignores, because no other key names its layer.
    fn check_layer(&self, key: FlowerKey) -> Result<(), Invalid> {
        use FlowerKey::{
            CvlanEthType, EthType, Icmpv4Code, Icmpv4Type, Icmpv6Code, Icmpv6Type, IpProto, IpTos, IpTtl,
            PortDstMax, PortDstMin, PortSrcMax, PortSrcMin, SctpDst, SctpSrc, TcpDst, TcpFlags, TcpSrc,
            UdpDst, UdpSrc, VlanEthType,
        };
        let is_ip =
            |key: &_| matches!(key, EthType(IP | IPV6) | VlanEthType(IP | IPV6) | CvlanEthType(IP | IPV6));
        let carries_ip = || self.keys.iter().any(is_ip);
        let protocols: &[u8] = match key {
            TcpSrc(..) | TcpDst(..) | TcpFlags(..) => &[TCP],
            UdpSrc(..) | UdpDst(..) => &[UDP],
            SctpSrc(..) | SctpDst(..) => &[SCTP],
            Icmpv4Type(..) | Icmpv4Code(..) => &[1],
            Icmpv6Type(..) | Icmpv6Code(..) => &[58],
            PortSrcMin(_) | PortSrcMax(_) | PortDstMin(_) | PortDstMax(_) => &[TCP, UDP, SCTP],
            IpProto(_) | IpTos(..) | IpTtl(..) if !carries_ip() => {
                return Err(
                    format!("{key} without the protocol of IPv4 or IPv6: Flower::ipv4() or ipv6()").into()
                );
            }
            _ => return Ok(()),
        };
        let has_protocol =
            self.keys.iter().any(|key| matches!(key, IpProto(number) if protocols.contains(number)));
        match has_protocol {
            true => Ok(()),
            false => Err(format!("{key} without ip_proto, of {protocols:?}").into()),
        }
    }

    pub(in crate::filter) fn is_met_by(&self, current: &Self) -> bool {
        self.has_outcome_of(current) && self.offload == current.offload && {
            let (desired, current) = (self.normalized(), current.normalized());
            desired.len() == current.len() && desired.iter().all(|key| current.contains(key))
        }
    }

    pub(in crate::filter) fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys.iter().try_for_each(|key| write!(f, " {key}"))?;
        f.write_str(self.offload.word())?;
        self.write_outcome(f)
    }
}

outcome!(Flower, classid, offload);

/// The bit of a field, by the number of its attribute.
const fn field(kind: u16) -> u128 {
    1 << kind
}

/// Whether packets of this protocol have a tag of a VLAN.
const fn is_tag(protocol: u16) -> bool {
    matches!(protocol, DOT1Q | DOT1AD)
}

fn mask4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)
}

fn mask6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0)
}
