use std::fmt;

use nl_core::Request;
use nl_core::check::{Invalid, check_index};
use nl_core::message::MessageRef;

use super::TunnelEntry;
use crate::header::BrVlanMsg;
use crate::ranges::VniRange;
use crate::types::VlanRange;
use crate::vlan_db::{
    BRIDGE_VLANDB_ENTRY, BRIDGE_VLANDB_ENTRY_TUNNEL_INFO, BRIDGE_VLANDB_TINFO_CMD, BRIDGE_VLANDB_TINFO_ID,
    NAMES, RTM_NEWVLAN, VlanDbEntry, VlanInfo, write_vlans,
};

const RTM_DELLINK: u32 = 17;
const RTM_SETLINK: u32 = 19;

/// A change of many mappings of a port in one request: some go, and then others come. So VLANs can exchange their VNIs.
///
/// ```
/// use nl_bridge::tunnel::TunnelChange;
/// use nl_bridge::{VlanRange, VniRange};
///
/// let mut change = TunnelChange::new(6);
/// change.unmap.push(VlanRange::new(5, 6)?);
/// change.map.push((VlanRange::new(5, 5)?, VniRange::new(10, 10)?));
/// change.map.push((VlanRange::new(6, 6)?, VniRange::new(5, 5)?));
/// assert_eq!(change.to_string(), "dev #6 unmap 5-6 map 5 to 10 map 6 to 5");
/// assert!(change.request().encoded().is_ok());
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// The kernel applies it in order, and keeps what is before a mapping that it refuses.
///
/// Kernel: `BRIDGE_VLANDB_ENTRY_TUNNEL_INFO`. Linux 5.9.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TunnelChange {
    /// The port.
    pub index: u32,
    /// The VLANs whose mappings go, whatever their VNIs are. The port has to be in them.
    pub unmap: Vec<VlanRange>,
    /// The VLANs that are mapped then, and their VNIs, as many of each.
    pub map: Vec<(VlanRange, VniRange)>,
}

impl TunnelChange {
    /// A change of nothing yet.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self { index, unmap: Vec::new(), map: Vec::new() }
    }

    /// The request. One that the kernel would refuse is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn request(&self) -> Request {
        let mut request =
            Request::new(RTM_NEWVLAN, &NAMES, describe).with_header(&BrVlanMsg::new(self.index));
        let unmapped = self.unmap.iter().map(|vlans| (*vlans, None));
        let mapped = self.map.iter().map(|(vlans, vnis)| (*vlans, Some(vnis.first())));
        for (vlans, vni) in unmapped.chain(mapped) {
            let mut w = request.attrs();
            let mut nest = w.nested(BRIDGE_VLANDB_ENTRY);
            write_vlans(&mut nest, VlanInfo::ONLY_OPTS, vlans);
            let mut info = nest.nested(BRIDGE_VLANDB_ENTRY_TUNNEL_INFO);
            if let Some(vni) = vni {
                info.u32(BRIDGE_VLANDB_TINFO_ID, vni);
            }
            info.u32(BRIDGE_VLANDB_TINFO_CMD, if vni.is_some() { RTM_SETLINK } else { RTM_DELLINK });
        }
        request.invalid_if(self.check())
    }

    fn check(&self) -> Result<(), Invalid> {
        check_index(self.index)?;
        Invalid::when(
            self.unmap.is_empty() && self.map.is_empty(),
            "no mapping is given: name one at least",
        )?;
        self.map.iter().try_for_each(|(vlans, vnis)| TunnelEntry::new(self.index, *vlans, *vnis).check())
    }
}

/// The changes in order, with `#5` for interface 5.
impl fmt::Display for TunnelChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dev #{}", self.index)?;
        self.unmap.iter().try_for_each(|vlans| write!(f, " unmap {vlans}"))?;
        self.map.iter().try_for_each(|(vlans, vnis)| write!(f, " map {vlans} to {vnis}"))
    }
}

fn describe(message: MessageRef<'_>) -> String {
    let mut entries = Vec::new();
    // A description of what can be read; the request is our own.
    let _ = VlanDbEntry::decode(message, &mut entries);
    // The last is one that comes, unless all go.
    match entries.last().map(|last| (last, TunnelEntry::of(last))) {
        Some((_, Some(entry))) => format!("replace tunnel {entry}"),
        Some((last, None)) => format!("delete tunnel vid {} dev #{}", last.vlans, last.index),
        None => "replace tunnel".into(),
    }
}
