//! Whether a driver takes MACsec on, by its features (`ETHTOOL_MSG_FEATURES_GET` of `include/uapi/linux/ethtool_netlink.h`).

use nl_core::attr::DecodeError;
use nl_core::check::check_index;
use nl_core::message::{GenlHeader, MessageRef};
use nl_core::{Request, attr_names};

/// The generic netlink family (`ETHTOOL_GENL_NAME`). Linux 5.6; features since 5.8.
pub(super) const FAMILY: &str = "ethtool";

const ETHTOOL_MSG_FEATURES_GET: u8 = 11;
/// `NETIF_F_HW_MACSEC`
const FEATURE: &str = "macsec-hw-offload";

attr_names! { BITSET {
    ETHTOOL_A_BITSET_BITS = 3 { ETHTOOL_A_BITSET_BITS_BIT = 1 { ETHTOOL_A_BITSET_BIT_NAME = 2 } },
} }

attr_names! { NAMES: GenlHeader {
    ETHTOOL_A_FEATURES_HEADER = 1 { ETHTOOL_A_HEADER_DEV_INDEX = 1 },
    ETHTOOL_A_FEATURES_ACTIVE = 4 in BITSET,
} }

pub(super) fn request(family: u16, index: u32) -> Request {
    let header = GenlHeader { command: ETHTOOL_MSG_FEATURES_GET, version: 1 };
    let mut request = Request::new(family, &NAMES, describe).with_header(&header);
    request.attrs().nested(ETHTOOL_A_FEATURES_HEADER).u32(ETHTOOL_A_HEADER_DEV_INDEX, index);
    request.invalid_if(check_index(index))
}

/// Whether the feature is among those that are active: the kernel lists these by name.
pub(super) fn decode(message: MessageRef<'_>) -> Result<bool, DecodeError> {
    let (_, attrs) = message.header::<GenlHeader>()?;
    let Some(active) = attrs.find(ETHTOOL_A_FEATURES_ACTIVE)? else { return Ok(false) };
    let Some(bits) = active.attrs().find(ETHTOOL_A_BITSET_BITS)? else { return Ok(false) };
    for bit in bits.attrs() {
        let name = bit?.attrs().find(ETHTOOL_A_BITSET_BIT_NAME)?;
        if name.is_some_and(|name| name.str().is_ok_and(|name| name == FEATURE)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn describe(message: MessageRef<'_>) -> String {
    let header = message.header::<GenlHeader>().ok();
    let index = header.and_then(|(_, attrs)| {
        let header = attrs.find(ETHTOOL_A_FEATURES_HEADER).ok()??;
        header.attrs().find(ETHTOOL_A_HEADER_DEV_INDEX).ok()??.u32().ok()
    });
    format!("get features #{}", index.unwrap_or(0))
}
