use std::fmt;

use nl_core::attr::{Attr, DecodeError};
use nl_core::message::{AF_BRIDGE, FixedHeader, MessageRef};
use nl_core::{Request, attr_names};

use super::VlanFlags;
use super::codec::read_info;
use crate::VlanId;

// `include/uapi/linux/rtnetlink.h`
const RTM_NEWVLAN: u16 = 112;
const RTM_GETVLAN: u16 = 114;

/// `BRIDGE_VLANDB_DUMPF_STATS`
const DUMP_STATS: u32 = 1;

/// `struct br_vlan_msg` of `include/uapi/linux/if_bridge.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BrVlanMsg {
    family: u8,
    index: u32,
}

impl FixedHeader for BrVlanMsg {
    const LEN: usize = 8;
    const NAME: &'static str = "br_vlan_msg";

    fn write(&self, out: &mut Vec<u8>) {
        let [a, b, c, d] = self.index.to_ne_bytes();
        out.extend_from_slice(&[self.family, 0, 0, 0, a, b, c, d]);
    }

    fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let ([family, _, _, _, index @ ..], rest) = payload
            .split_first_chunk::<8>()
            .ok_or(DecodeError::Short { what: Self::NAME, needed: Self::LEN, got: payload.len() })?;
        Ok((Self { family: *family, index: u32::from_ne_bytes(*index) }, rest))
    }
}

/// What was counted in one VLAN of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct VlanStats {
    /// The VLAN.
    pub vlan: VlanId,
    /// How the device is in it.
    pub flags: VlanFlags,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
}

/// What was counted in VLANs of a device; of a device with many, a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DeviceVlanStats {
    /// The interface index: a port, or the bridge.
    pub index: u32,
    /// The VLANs, from the smallest on.
    pub vlans: Vec<VlanStats>,
}

impl DeviceVlanStats {
    /// Reads an `RTM_NEWVLAN` message. Entries without counters are left out.
    ///
    /// # Errors
    /// The message is of another type, or malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        if message.kind() != RTM_NEWVLAN {
            return Err(DecodeError::Kind(message.kind()));
        }
        let (header, attrs) = message.header::<BrVlanMsg>()?;
        let mut device = Self { index: header.index, vlans: Vec::new() };
        for attr in attrs {
            let attr = attr?;
            if attr.kind() == BRIDGE_VLANDB_ENTRY {
                device.vlans.extend(read_entry(attr)?);
            }
        }
        Ok(device)
    }
}

fn read_entry(entry: Attr<'_>) -> Result<Option<VlanStats>, DecodeError> {
    let (mut info, mut stats) = (None, None);
    for attr in entry.attrs() {
        let attr = attr?;
        match attr.kind() {
            BRIDGE_VLANDB_ENTRY_INFO => info = Some(attr),
            BRIDGE_VLANDB_ENTRY_STATS => stats = Some(attr),
            _ => {}
        }
    }
    let (Some(info), Some(stats)) = (info, stats) else { return Ok(None) };
    let (flags, vlan) = read_info(info)?;
    let mut out = VlanStats {
        vlan: VlanId::new(vlan).map_err(|_| info.invalid("no VLAN from 1 to 4094"))?,
        flags: VlanFlags::from_bits_retain(flags),
        rx_bytes: 0,
        rx_packets: 0,
        tx_bytes: 0,
        tx_packets: 0,
    };
    for attr in stats.attrs() {
        let attr = attr?;
        match attr.kind() {
            BRIDGE_VLANDB_STATS_RX_BYTES => out.rx_bytes = attr.u64()?,
            BRIDGE_VLANDB_STATS_RX_PACKETS => out.rx_packets = attr.u64()?,
            BRIDGE_VLANDB_STATS_TX_BYTES => out.tx_bytes = attr.u64()?,
            BRIDGE_VLANDB_STATS_TX_PACKETS => out.tx_packets = attr.u64()?,
            _ => {}
        }
    }
    Ok(Some(out))
}

/// The request that lists what was counted, on all devices or on one. The kernel divides a long list into messages, which its
/// `RTM_GETSTATS` did not always do.
pub(super) fn list_request(index: Option<u32>) -> Request {
    let header = BrVlanMsg { family: AF_BRIDGE, index: index.unwrap_or(0) };
    let mut request = Request::new(RTM_GETVLAN, &NAMES, describe).with_header(&header);
    request.attrs().u32(BRIDGE_VLANDB_DUMP_FLAGS, DUMP_STATS);
    request
}

/// A line as `bridge -s vlan show` has it.
impl fmt::Display for VlanStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { vlan, rx_bytes, rx_packets, tx_bytes, tx_packets, .. } = self;
        write!(
            f,
            "{vlan} RX: {rx_bytes} bytes {rx_packets} packets TX: {tx_bytes} bytes {tx_packets} packets"
        )
    }
}

fn describe(message: MessageRef<'_>) -> String {
    match message.header::<BrVlanMsg>() {
        Ok((BrVlanMsg { index, .. }, _)) if index != 0 => format!("list vlan statistics dev #{index}"),
        _ => "list vlan statistics".to_owned(),
    }
}

attr_names! { NAMES: BrVlanMsg {
    // In an answer, `BRIDGE_VLANDB_ENTRY` has this number.
    BRIDGE_VLANDB_DUMP_FLAGS = 1,
} }

attr_names! { ENTRY {
    BRIDGE_VLANDB_ENTRY_INFO = 1,
    BRIDGE_VLANDB_ENTRY_STATS = 5 in STATS,
} }

attr_names! { STATS {
    BRIDGE_VLANDB_STATS_RX_BYTES = 1,
    BRIDGE_VLANDB_STATS_RX_PACKETS = 2,
    BRIDGE_VLANDB_STATS_TX_BYTES = 3,
    BRIDGE_VLANDB_STATS_TX_PACKETS = 4,
} }

const BRIDGE_VLANDB_ENTRY: u16 = 1;
