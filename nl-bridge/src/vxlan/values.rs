use std::fmt;
use std::net::IpAddr;

use nl_core::attr::{Attr, AttrWriter, DecodeError};
use nl_core::attr_enum;
use nl_core::link::AttrValue;

attr_enum! {
    /// Whether the outer IPv4 header forbids fragments (`enum ifla_vxlan_df`).
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
    pub enum VxlanDf: u8 {
        /// No.
        Unset = 0 "unset",
        /// Yes.
        Set = 1 "set",
        /// As the inner header has it.
        Inherit = 2 "inherit",
    }
}

attr_enum! {
    /// Where the flow label of the outer IPv6 header is from (`enum ifla_vxlan_label_policy`). Linux 6.7.
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
    pub enum LabelPolicy: u32 {
        /// From the device's option.
        Fixed = 0 "fixed",
        /// As the inner header has it.
        Inherit = 1 "inherit",
    }
}

/// The UDP source ports: those from the first to below the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct VxlanPorts {
    /// The first port.
    pub low: u16,
    /// The port that ends the range.
    pub high: u16,
}

impl From<(u16, u16)> for VxlanPorts {
    fn from((low, high): (u16, u16)) -> Self {
        Self { low, high }
    }
}

/// `struct ifla_vxlan_port_range`, in network byte order.
impl AttrValue for VxlanPorts {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.bytes(kind, [self.low, self.high].map(u16::to_be_bytes).as_flattened());
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        let [a, b, c, d] = attr.array()?;
        Ok(Self { low: u16::from_be_bytes([a, b]), high: u16::from_be_bytes([c, d]) })
    }

    fn words(&self, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {word} {} {}", self.low, self.high)
    }
}

/// Where frames go that have no entry in the forwarding database: one endpoint, or a multicast group. The kernel has one attribute
/// for both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct VxlanDst {
    /// A multicast group (`group`).
    pub group: Option<IpAddr>,
    /// An endpoint (`remote`); the unspecified address for none.
    pub remote: Option<IpAddr>,
}

impl VxlanDst {
    pub(super) fn addr(&self) -> Option<IpAddr> {
        self.group.or(self.remote)
    }

    pub(super) fn is_ipv6(&self) -> bool {
        self.addr().is_some_and(|addr| addr.is_ipv6())
    }
}

impl AttrValue for VxlanDst {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.opt(kind, self.addr(), AttrWriter::ip);
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        let addr = attr.ip()?;
        Ok(match addr.is_multicast() {
            true => Self { group: Some(addr), remote: None },
            false => Self { group: None, remote: Some(addr) },
        })
    }

    fn words(&self, _: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(group) = self.group {
            write!(f, " group {group}")?;
        }
        match self.remote {
            Some(remote) => write!(f, " remote {remote}"),
            None => Ok(()),
        }
    }
}

/// Eight bytes of the VXLAN header, as a number with the first byte on top.
pub(super) struct HeaderBits(u64);

impl From<u64> for HeaderBits {
    fn from(bits: u64) -> Self {
        Self(bits)
    }
}

impl From<HeaderBits> for u64 {
    fn from(bits: HeaderBits) -> Self {
        bits.0
    }
}

impl AttrValue for HeaderBits {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.be64(kind, self.0);
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        attr.be64().map(Self)
    }

    fn words(&self, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {word} {:#x}", self.0)
    }
}

/// The flow label, in network byte order; shown in hexadecimal.
pub(super) struct FlowLabel(u32);

impl From<u32> for FlowLabel {
    fn from(label: u32) -> Self {
        Self(label)
    }
}

impl From<FlowLabel> for u32 {
    fn from(label: FlowLabel) -> Self {
        label.0
    }
}

impl AttrValue for FlowLabel {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.be32(kind, self.0);
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        attr.be32().map(Self)
    }

    fn words(&self, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {word} {:#x}", self.0)
    }
}

/// A VNI that was not checked.
impl AttrValue for crate::Vni {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.u32(kind, self.get());
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        Self::new(attr.u32()?).map_err(|_| attr.invalid("a VNI of more than 24 bits"))
    }

    fn words(&self, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {word} {self}")
    }
}
