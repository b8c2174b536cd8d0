use std::fmt;
use std::net::IpAddr;

use crate::StpState;

/// One fault of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Finding {
    /// What has the fault: `vlan 10 dev vx0`.
    pub object: String,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "kind", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Fault {
    /// A VLAN is in a state on the VXLAN port in which it does not forward.
    Blocked {
        /// The port.
        dev: String,
        /// The VLAN.
        vlan: u16,
        /// Its instance of the spanning tree; `None` without MST.
        msti: Option<u16>,
        /// Its state.
        state: StpState,
    },
    /// A device is down.
    DeviceDown {
        /// The device.
        dev: String,
    },
    /// Broadcast, multicast and frames to unknown addresses of a VNI go nowhere.
    NoFlood {
        /// The VXLAN device.
        dev: String,
        /// The VNI; `None` for the one of the device.
        vni: Option<u32>,
    },
    /// No port is in a VLAN that has a VNI, nor is the bridge.
    NoMember {
        /// The VLAN.
        vlan: u16,
    },
    /// A VXLAN device with one VNI is a port in no VLAN.
    NoVlan {
        /// The port.
        dev: String,
    },
    /// The bridge does not look at VLANs.
    NoVlanFiltering {
        /// The bridge.
        dev: String,
    },
    /// VLANs are to be mapped to VNIs on a VXLAN device that has a VNI of its own.
    NotExternal {
        /// The device.
        dev: String,
        /// The bridge.
        bridge: String,
        /// Its UDP port.
        port: u16,
        /// Its source address.
        local: Option<IpAddr>,
    },
    /// A VLAN is on the VXLAN port and has no VNI.
    NotMapped {
        /// The port.
        dev: String,
        /// The VLAN.
        vlan: u16,
        /// The VNI, if it is known.
        vni: Option<u32>,
    },
    /// The VXLAN port is not in the VLAN of a VNI.
    NotMember {
        /// The port.
        dev: String,
        /// The VLAN, if it is known.
        vlan: Option<u16>,
        /// The VNI.
        vni: u32,
    },
    /// The VNI of a VLAN is not in the filter.
    NotReceived {
        /// The VXLAN device.
        dev: String,
        /// The VNI.
        vni: u32,
    },
    /// Frames of a VLAN lose their tag on the VXLAN port, and with it their VNI.
    Untagged {
        /// The port.
        dev: String,
        /// The VLAN.
        vlan: u16,
    },
    /// VLANs are not mapped to VNIs on the port.
    VlanTunnelOff {
        /// The port.
        dev: String,
    },
}

impl Fault {
    /// The command that mends it. Words in capitals are to be replaced.
    #[must_use]
    pub fn mend(&self) -> String {
        let or =
            |number: Option<u32>, word: &str| number.map_or(word.to_owned(), |number| number.to_string());
        match self {
            Self::Blocked { dev, vlan, msti: None, .. } => {
                format!("bridge vlan set dev {dev} vid {vlan} state forwarding")
            }
            Self::Blocked { dev, msti: Some(0), .. } => format!("bridge link set dev {dev} state forwarding"),
            Self::Blocked { dev, msti: Some(msti), .. } => {
                format!("bridge mst set dev {dev} msti {msti} state forwarding")
            }
            Self::DeviceDown { dev } => format!("ip link set {dev} up"),
            Self::NoFlood { dev, vni } => {
                let vni = vni.map(|vni| format!(" src_vni {vni}")).unwrap_or_default();
                format!("bridge fdb append 00:00:00:00:00:00 dev {dev} dst LEAF{vni}")
            }
            Self::NoMember { vlan } => format!("bridge vlan add dev PORT vid {vlan}"),
            Self::NoVlan { dev } => format!("bridge vlan add dev {dev} vid VLAN pvid untagged"),
            Self::NoVlanFiltering { dev } => format!("ip link set {dev} type bridge vlan_filtering 1"),
            Self::NotExternal { dev, bridge, port, local } => {
                let local = local.map(|local| format!(" local {local}")).unwrap_or_default();
                format!(
                    "ip link del {dev} && ip link add {dev} up master {bridge} type vxlan \
                     external vnifilter nolearning dstport {port}{local}"
                )
            }
            Self::NotMapped { dev, vlan, vni } => {
                format!("bridge vlan add dev {dev} vid {vlan} tunnel_info id {}", or(*vni, "VNI"))
            }
            Self::NotMember { dev, vlan, vni } => {
                let vlan = or(vlan.map(u32::from), "VLAN");
                format!(
                    "bridge vlan add dev {dev} vid {vlan} && \
                     bridge vlan add dev {dev} vid {vlan} tunnel_info id {vni}"
                )
            }
            Self::NotReceived { dev, vni } => format!("bridge vni add vni {vni} dev {dev}"),
            Self::Untagged { dev, vlan } => format!("bridge vlan add dev {dev} vid {vlan}"),
            Self::VlanTunnelOff { dev } => format!("bridge link set dev {dev} vlan_tunnel on"),
        }
    }
}

/// The fault in words.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked { state, msti: Some(msti), .. } => {
                write!(f, "msti {msti} is {state} here, so no frame passes")
            }
            Self::Blocked { state, .. } => write!(f, "it is {state} here, so no frame passes"),
            Self::DeviceDown { .. } => f.write_str("it is down, so no frame passes"),
            Self::NoFlood { .. } => {
                f.write_str("no leaf is flooded to, so broadcast and frames to unknown addresses are dropped")
            }
            Self::NoMember { .. } => {
                f.write_str("neither a port nor the bridge is in it, so nobody uses its VNI")
            }
            Self::NoVlan { .. } => f.write_str("the port is in no VLAN, so every frame is dropped"),
            Self::NoVlanFiltering { .. } => {
                f.write_str("VLANs are not filtered, so none is mapped to its VNI")
            }
            Self::NotExternal { .. } => {
                f.write_str("the device has a VNI of its own, so VLANs are not mapped to theirs")
            }
            Self::NotMapped { .. } => f.write_str("it is mapped to no VNI, so every frame is dropped"),
            Self::NotMember { dev, vlan: Some(vlan), .. } => {
                write!(f, "{dev} is not in vlan {vlan}, so every frame is dropped")
            }
            Self::NotMember { dev, .. } => {
                write!(f, "no VLAN of {dev} is mapped to it, so every frame is dropped")
            }
            Self::NotReceived { vni, .. } => {
                write!(
                    f,
                    "vni {vni} is not in the filter of the device, so every frame from there is dropped"
                )
            }
            Self::Untagged { .. } => {
                f.write_str("it is untagged, so frames lose the tag by which their VNI is found")
            }
            Self::VlanTunnelOff { .. } => f.write_str("vlan_tunnel is off, so no VLAN is mapped to its VNI"),
        }
    }
}

/// The object and the fault; on a second line the command that mends it.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  mend: {}", self.object, self.fault, self.fault.mend())
    }
}
