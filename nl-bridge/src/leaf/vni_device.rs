use std::collections::HashSet;

use nl_core::check::{Invalid, opt_within, within};

use super::check::{at, check_name};

const VLAN: (u16, u16) = (1, 4094);

/// A VXLAN device of one VNI, in a layout that has a device for each: see [`Leaf::macs_on`](super::Leaf::macs_on).
///
/// ```
/// use nl_bridge::leaf::VniDevice;
///
/// // Of a bridge that does not filter VLANs, and of one that does.
/// let devices = [VniDevice::new("vx10", 10010), VniDevice::new("vx20", 10020).vlan(20)];
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct VniDevice {
    /// The name of the device, a port of a bridge.
    pub name: String,
    /// Its VNI, 1 to 16777215 (`id`).
    pub vni: u32,
    /// The VLAN of the bridge that it carries, 1 to 4094; `None` where the bridge does not filter VLANs.
    #[cfg_attr(feature = "serde", serde(default, rename = "vid", skip_serializing_if = "Option::is_none"))]
    pub vlan: Option<u16>,
}

impl VniDevice {
    /// The device of this name, which has this VNI.
    #[must_use]
    pub fn new(name: impl Into<String>, vni: u32) -> Self {
        Self { name: name.into(), vni, vlan: None }
    }

    /// Carrying this VLAN of a bridge that filters VLANs.
    #[must_use]
    pub const fn vlan(mut self, vlan: u16) -> Self {
        self.vlan = Some(vlan);
        self
    }
}

/// Refuses devices that cannot be there together, with the place among them.
pub(super) fn check_devices(devices: &[VniDevice]) -> Result<(), Invalid> {
    if devices.is_empty() {
        return Err("no VXLAN device is given".into());
    }
    let (mut names, mut vnis) = (HashSet::new(), HashSet::new());
    for (number, device) in devices.iter().enumerate() {
        let VniDevice { name, vni, vlan } = device;
        let path = format!("devices[{number}]");
        check_name(format!("{path}.name"), name)?;
        within("vni", *vni, 1, crate::Vni::MAX.get()).map_err(|why| at(format!("{path}.vni"), why))?;
        opt_within("vid", *vlan, VLAN.0, VLAN.1).map_err(|why| at(format!("{path}.vid"), why))?;
        if !names.insert(name) {
            return Err(at(format!("{path}.name"), format!("{name} is there twice")));
        }
        if !vnis.insert(vni) {
            return Err(at(format!("{path}.vni"), format!("vni {vni} is that of another device too")));
        }
    }
    Ok(())
}
