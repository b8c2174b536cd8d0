use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::encap::{Encap, RawEncap, by_name};
use super::message::{AF_INET, AF_INET6, RTA_ENCAP, RTA_ENCAP_TYPE, RTA_FLOW, RTA_GATEWAY, RTA_VIA};
use super::words::{HopFlags, Realms};
use crate::addr::Dev;
use crate::attr::{Attr, AttrBuf, AttrWriter, Attrs, DecodeError, Fields, RawAttrs, align};
use crate::check::{Invalid, check_index, within};

/// The largest weight: the kernel counts from 0 in a byte.
const WEIGHT_MAX: u16 = 256;
/// `struct rtnexthop`.
const HOP_LEN: usize = 8;

/// One of several paths of a route (`nexthop` of `ip route`).
///
/// ```
/// use nl_core::route::NextHop;
///
/// let hop = NextHop::via("192.0.2.1".parse().unwrap()).dev("eth0").weight(2);
/// assert_eq!(hop.to_string(), " nexthop via 192.0.2.1 dev eth0 weight 2");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NextHop {
    /// The gateway (`RTA_GATEWAY`; `RTA_VIA` where it is of the other family).
    pub gateway: Option<IpAddr>,
    /// The device; read by index (`rtnh_ifindex`).
    #[cfg_attr(feature = "serde", serde(serialize_with = "text"))]
    pub dev: Option<Dev>,
    /// How many of all flows take this path, in proportion to the others: 1 to 256 (`rtnh_hops`, which counts from 0).
    pub weight: u16,
    /// Flags (`rtnh_flags`).
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::words::bits::hop"))]
    pub flags: HopFlags,
    /// The realms, for IPv4 (`RTA_FLOW`).
    pub realms: Option<Realms>,
    /// The encapsulation; see [`encap`](Self::encap).
    encap: Option<Box<RawEncap>>,
    /// Attributes that this crate has no field for.
    pub unknown: RawAttrs,
}

impl NextHop {
    /// Through this gateway.
    #[must_use]
    pub fn via(gateway: IpAddr) -> Self {
        Self { gateway: Some(gateway), ..Self::blank() }
    }

    /// Straight to the neighbours on this device, for IPv4.
    #[must_use]
    pub fn on(dev: impl Into<Dev>) -> Self {
        Self::blank().dev(dev)
    }

    const fn blank() -> Self {
        Self {
            gateway: None,
            dev: None,
            weight: 1,
            flags: HopFlags::empty(),
            realms: None,
            encap: None,
            unknown: RawAttrs::new(),
        }
    }

    /// On this device (`dev`). Without one the kernel takes the device on whose network the gateway is.
    #[must_use]
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// How many of all flows take this path, in proportion to the others: 1 to 256 (`weight`).
    #[must_use]
    pub const fn weight(mut self, weight: u16) -> Self {
        self.weight = weight;
        self
    }

    /// The gateway is on the device's network, whatever the addresses say (`onlink`).
    #[must_use]
    pub fn onlink(mut self) -> Self {
        self.flags |= HopFlags::ONLINK;
        self
    }

    /// The realms, for IPv4 (`realms`).
    #[must_use]
    pub const fn realms(mut self, realms: Realms) -> Self {
        self.realms = Some(realms);
        self
    }

    /// In this encapsulation (`encap`).
    #[must_use]
    pub fn with_encap<T: Encap>(self, encap: &T) -> Self {
        self.with_raw_encap(RawEncap::of(encap))
    }

    /// Prints the encapsulation in the words of this type, if it is one. It is written back as it was read.
    pub fn word_encap<T: Encap>(&mut self) {
        if let Some(encap) = &mut self.encap {
            encap.in_words_of::<T>();
        }
    }

    /// In this encapsulation, given as type and attributes.
    #[must_use]
    pub fn with_raw_encap(mut self, encap: RawEncap) -> Self {
        self.encap = Some(Box::new(encap));
        self
    }

    /// The encapsulation, if it is one of this type.
    ///
    /// # Errors
    /// Its attributes cannot be read.
    pub fn encap<T: Encap>(&self) -> Result<Option<T>, DecodeError> {
        self.encap.as_ref().map_or(Ok(None), |encap| encap.decode())
    }

    /// The encapsulation as type and attributes.
    #[must_use]
    pub fn raw_encap(&self) -> Option<&RawEncap> {
        self.encap.as_deref()
    }

    pub(super) fn raw_encap_mut(&mut self) -> Option<&mut RawEncap> {
        self.encap.as_deref_mut()
    }

    #[cfg(feature = "watch")]
    pub(super) fn take_encap(&mut self) -> Option<Box<RawEncap>> {
        self.encap.take()
    }

    /// The index of the device; 0 for none.
    pub(super) fn index(&self) -> u32 {
        if let Some(Dev::Index(index)) = self.dev { index } else { 0 }
    }

    /// Reads the value of `RTA_MULTIPATH`: structures with attributes behind each.
    pub(super) fn decode_all(attr: Attr<'_>) -> Result<Vec<Self>, DecodeError> {
        let mut hops = Vec::new();
        let mut rest = attr.value();
        while !rest.is_empty() {
            let len = usize::from(Fields::of_attr(attr.kind(), rest).u16()?);
            let short = attr.invalid("the length of a path reaches past the end or is under 8");
            let hop = rest.get(..len).filter(|hop| hop.len() >= HOP_LEN).ok_or(short)?;
            hops.push(Self::decode(Fields::of_attr(attr.kind(), hop))?);
            rest = rest.get(align(len)..).unwrap_or_default();
        }
        Ok(hops)
    }

    fn decode(mut f: Fields<'_>) -> Result<Self, DecodeError> {
        f.skip(2)?;
        let (flags, weight, index) = (f.u8()?, f.u8()?, f.u32()?);
        let mut hop = Self {
            flags: HopFlags::from_bits_retain(flags),
            weight: u16::from(weight) + 1,
            dev: (index != 0).then_some(Dev::Index(index)),
            ..Self::blank()
        };
        let (mut kind, mut encap) = (None, None);
        for attr in Attrs::new(f.rest()) {
            let attr = attr?;
            match attr.kind() {
                RTA_GATEWAY => hop.gateway = Some(attr.ip()?),
                RTA_VIA => match via(attr)? {
                    Some(gateway) => hop.gateway = Some(gateway),
                    None => hop.unknown.push(attr),
                },
                RTA_FLOW => hop.realms = Some(attr.u32()?.into()),
                RTA_ENCAP_TYPE => kind = Some(attr.u16()?),
                RTA_ENCAP => encap = Some(attr),
                _ => hop.unknown.push(attr),
            }
        }
        hop.encap = encap_of(kind, encap, &mut hop.unknown, None);
        Ok(hop)
    }

    /// The value of `RTA_MULTIPATH`.
    pub(super) fn encode_all(hops: &[Self], is_ipv4: bool) -> Result<Vec<u8>, Invalid> {
        let mut bytes = Vec::new();
        for hop in hops {
            let attrs = hop.attrs(is_ipv4).map_err(|error| Invalid::from(error.to_string()))?;
            let len = u16::try_from(HOP_LEN + attrs.len())
                .map_err(|_| Invalid::new("the attributes of a path take over 65527 bytes"))?;
            let ([a, b], weight) = (len.to_ne_bytes(), hop.weight.saturating_sub(1));
            // Checked to be 1 to 256.
            let weight = u8::try_from(weight).unwrap_or(u8::MAX);
            bytes.extend_from_slice(&[a, b, (hop.flags - HopFlags::ONLY_READ).bits(), weight]);
            bytes.extend_from_slice(&hop.index().to_ne_bytes());
            bytes.extend_from_slice(&attrs);
        }
        Ok(bytes)
    }

    fn attrs(&self, is_ipv4: bool) -> Result<Vec<u8>, crate::attr::EncodeError> {
        let mut buf = AttrBuf::new();
        let mut w = buf.writer();
        if let Some(gateway) = self.gateway {
            write_gateway(&mut w, gateway, is_ipv4);
        }
        w.opt(RTA_FLOW, self.realms.map(u32::from), AttrWriter::u32);
        if let Some(encap) = &self.encap {
            encap.write(&mut w, RTA_ENCAP_TYPE, RTA_ENCAP);
        }
        self.unknown.write(&mut w);
        buf.finish()
    }

    pub(super) fn check(&self, is_ipv4: bool) -> Result<(), Invalid> {
        within("weight", self.weight, 1, WEIGHT_MAX)?;
        match &self.dev {
            Some(Dev::Index(index)) => check_index(*index)?,
            Some(name) => return Err(by_name(name)),
            None => {}
        }
        if let Some(encap) = &self.encap {
            encap.check(is_ipv4)?;
        }
        check_gateway(self.gateway, is_ipv4)?;
        Invalid::when(
            !is_ipv4 && self.gateway.is_none(),
            "each nexthop of an IPv6 route needs a gateway: use a nexthop group for paths without",
        )?;
        Invalid::when(self.gateway.is_none() && self.dev.is_none(), "a nexthop needs a gateway or a device")?;
        Invalid::when(!is_ipv4 && self.realms.is_some(), "realms are for IPv4 routes")
    }
}

/// As `ip route` prints it, with a blank before it.
impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" nexthop")?;
        if let Some(encap) = &self.encap {
            write!(f, " encap {encap}")?;
        }
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(dev) = &self.dev {
            write!(f, " dev {dev}")?;
        }
        write!(f, " weight {}", self.weight)?;
        if let Some(realms) = self.realms {
            write!(f, " realms {realms}")?;
        }
        const WORDS: [(HopFlags, &str); 7] = [
            (HopFlags::DEAD, " dead"),
            (HopFlags::ONLINK, " onlink"),
            (HopFlags::PERVASIVE, " pervasive"),
            (HopFlags::OFFLOAD, " offload"),
            (HopFlags::TRAP, " trap"),
            (HopFlags::LINKDOWN, " linkdown"),
            (HopFlags::UNRESOLVED, " unresolved"),
        ];
        for (flag, word) in WORDS {
            if self.flags.contains(flag) {
                f.write_str(word)?;
            }
        }
        Ok(())
    }
}

/// Reads `struct rtvia`; `None` for an address of another family than IPv4 and IPv6.
pub(super) fn via(attr: Attr<'_>) -> Result<Option<IpAddr>, DecodeError> {
    let mut f = attr.fields();
    let family = f.u16()?;
    Ok(match (u8::try_from(family), f.rest().len()) {
        (Ok(AF_INET), 4) => Some(Ipv4Addr::from(f.array::<4>()?).into()),
        (Ok(AF_INET6), 16) => Some(Ipv6Addr::from(f.array::<16>()?).into()),
        _ => None,
    })
}

/// A gateway of the route's family, or of the other one.
pub(super) fn write_gateway(w: &mut AttrWriter<'_>, gateway: IpAddr, is_ipv4: bool) {
    match gateway {
        IpAddr::V6(addr) if is_ipv4 => {
            let mut via = [0; 18];
            if let Some((family, rest)) = via.split_first_chunk_mut() {
                *family = u16::from(AF_INET6).to_ne_bytes();
                rest.copy_from_slice(&addr.octets());
            }
            w.bytes(RTA_VIA, &via);
        }
        gateway => drop(w.ip(RTA_GATEWAY, gateway)),
    }
}

pub(super) fn check_gateway(gateway: Option<IpAddr>, is_ipv4: bool) -> Result<(), Invalid> {
    match gateway {
        Some(IpAddr::V4(addr)) if !is_ipv4 => {
            Err(format!("gateway {addr} of an IPv6 route; an IPv6 address is possible").into())
        }
        Some(addr) if addr.is_unspecified() => {
            Err(format!("gateway {addr} cannot be the address of a router").into())
        }
        _ => Ok(()),
    }
}

/// An encapsulation from its two attributes, in the place of another if there is one; one attribute without the other is kept as it is.
#[inline]
pub(crate) fn encap_of(
    kind: Option<u16>,
    encap: Option<Attr<'_>>,
    unknown: &mut RawAttrs,
    spare: Option<Box<RawEncap>>,
) -> Option<Box<RawEncap>> {
    match (kind, encap) {
        (kind, Some(attr)) => match kind {
            Some(kind) => Some(RawEncap::read(spare, kind, attr.value())),
            None => {
                unknown.push(attr);
                None
            }
        },
        (Some(kind), None) => Some(RawEncap::read(spare, kind, &[])),
        (None, None) => None,
    }
}

#[cfg(feature = "serde")]
fn text<S: serde::Serializer>(dev: &Option<Dev>, s: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&dev.as_ref().map(ToString::to_string), s)
}
