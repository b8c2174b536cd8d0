use std::fmt;

use nl_core::addr::{Dev, HwAddr};
use nl_core::address::{Address, AddressVerb};
use nl_core::link::{LinkConfig, LinkFlags, LinkVerb, MacVlan, Vlan, Vrf};
use nl_core::neighbour::{Neighbour, NeighbourVerb};
use nl_core::nexthop::{Nexthop, NexthopVerb};
use nl_core::route::{Route, RouteVerb};
use nl_core::{IpPrefix, MacAddr, Request};

use crate::fdb::{FdbEntry, FdbFilter, FdbFlags, FdbVerb};
use crate::mst::MstEntry;
use crate::settings::{BackupPort, Bridge, BridgePort};
use crate::tunnel::TunnelChange;
use crate::vlan::{VlanChange, VlanMember, VlanTarget, VlanVerb};
use crate::vlan_db::{VlanDbEntry, VlanDbGlobal, VlanDbVerb};
use crate::vni::{VniEntry, VniVerb};
use crate::vxlan::Vxlan;
use crate::{StpState, VlanRange, VniRange};

/// What kind of device is made or changed, with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceKind {
    /// A bridge.
    Bridge(Box<Bridge>),
    /// A macvlan device.
    MacVlan(Box<MacVlan>),
    /// A VLAN device.
    Vlan(Box<Vlan>),
    /// A VRF.
    Vrf(Vrf),
    /// A VXLAN device.
    Vxlan(Box<Vxlan>),
}

/// A device that is made, or what changes in one. `None` leaves something as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// The name.
    pub name: String,
    /// The options of its kind; `None` to leave them.
    pub kind: Option<DeviceKind>,
    /// The name of the device that it is on top of.
    pub link: Option<String>,
    /// The MAC address.
    pub address: Option<MacAddr>,
    /// The MTU in bytes.
    pub mtu: Option<u32>,
    /// The name of the device it becomes a port of.
    pub master: Option<String>,
    /// Whether it is set up.
    pub is_up: bool,
}

impl Device {
    /// Of which nothing is set yet.
    pub(super) fn new(name: &str) -> Self {
        let name = name.to_owned();
        Self { name, kind: None, link: None, address: None, mtu: None, master: None, is_up: false }
    }

    /// Whether it says nothing.
    pub(super) fn is_unset(&self) -> bool {
        *self == Self::new(&self.name)
    }

    fn config(&self, dev: Dev, index: Indexes<'_>) -> LinkConfig {
        let mut config = LinkConfig::new(dev);
        config = match &self.kind {
            Some(DeviceKind::Bridge(bridge)) => config.kind((**bridge).clone()),
            Some(DeviceKind::MacVlan(macvlan)) => config.kind((**macvlan).clone()),
            Some(DeviceKind::Vlan(vlan)) => config.kind((**vlan).clone()),
            Some(DeviceKind::Vrf(vrf)) => config.kind(vrf.clone()),
            Some(DeviceKind::Vxlan(vxlan)) => config.kind((**vxlan).clone()),
            None => config,
        };
        config.link = self.link.as_deref().map(|link| Dev::Index(index(link)));
        config.address = self.address.map(HwAddr::from);
        config.mtu = self.mtu;
        config.master = self.master.as_deref().map(|master| Dev::Index(index(master)));
        if self.is_up { config.flag(LinkFlags::UP, true) } else { config }
    }
}

/// The words of `ip link` behind the verb.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(link) = &self.link {
            write!(f, " link {link}")?;
        }
        if let Some(address) = self.address {
            write!(f, " address {address}")?;
        }
        if let Some(mtu) = self.mtu {
            write!(f, " mtu {mtu}")?;
        }
        if let Some(master) = &self.master {
            write!(f, " master {master}")?;
        }
        if self.is_up {
            f.write_str(" up")?;
        }
        match &self.kind {
            Some(DeviceKind::Bridge(bridge)) => write!(f, " type {bridge}"),
            Some(DeviceKind::MacVlan(macvlan)) => write!(f, " type {macvlan}"),
            Some(DeviceKind::Vlan(vlan)) => write!(f, " type {vlan}"),
            Some(DeviceKind::Vrf(vrf)) => write!(f, " type {vrf}"),
            Some(DeviceKind::Vxlan(vxlan)) => write!(f, " type {vxlan}"),
            None => Ok(()),
        }
    }
}

/// One change of a plan. Devices are named, because some of them are made on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// VLANs are added to a port, or to the bridge itself, or get other flags.
    AddVlans {
        /// The device.
        dev: String,
        /// Whether these are the bridge's own.
        is_bridge: bool,
        /// The VLANs.
        members: Vec<VlanMember>,
    },
    /// VNIs are added to the filter of a VXLAN device.
    AddVnis {
        /// The device.
        dev: String,
        /// The VNIs.
        vnis: VniRange,
    },
    /// An IP address of an interface is written or removed.
    Address {
        /// What is done.
        verb: AddressVerb,
        /// The device.
        dev: String,
        /// The address.
        prefix: IpPrefix,
    },
    /// Frames for a port go elsewhere while it has no carrier, or no longer do. Linux 6.6.
    Backup {
        /// The port.
        dev: String,
        /// The VXLAN device, and the nexthop group of the leaves that they go to.
        backup: Option<(String, u32)>,
    },
    /// A device changes.
    Change(Device),
    /// A device that was made for the description is deleted.
    Delete {
        /// The device.
        dev: String,
    },
    /// VLANs are removed from a port, or from the bridge itself.
    DeleteVlans {
        /// The device.
        dev: String,
        /// Whether these are the bridge's own.
        is_bridge: bool,
        /// The VLANs.
        vlans: Vec<VlanRange>,
    },
    /// VNIs are removed from the filter of a VXLAN device.
    DeleteVnis {
        /// The device.
        dev: String,
        /// The VNIs.
        vnis: VniRange,
    },
    /// A flood entry of the VXLAN device is added or deleted, an entry of the bridge itself for the MAC address of an interface, or one
    /// of both for the MAC address of a router.
    Flood {
        /// What is done.
        verb: FdbVerb,
        /// The device.
        dev: String,
        /// The entry; its index does not count.
        entry: Box<FdbEntry>,
    },
    /// The bridge forgets the MAC addresses that a control plane put into a VLAN of a port (`extern_learn`), because that VLAN gets
    /// another VNI or none. Linux 5.19.
    FlushMacs {
        /// The port.
        dev: String,
        /// The bridge.
        bridge: String,
        /// The VLAN.
        vlan: u16,
    },
    /// VLANs of the bridge get into an instance of the spanning tree.
    Instance {
        /// The bridge.
        dev: String,
        /// The VLANs.
        vlans: VlanRange,
        /// The instance; 0 for the common tree.
        msti: u16,
    },
    /// An instance of the spanning tree gets a state on a port.
    InstanceState {
        /// The port.
        dev: String,
        /// The instance.
        msti: u16,
        /// The state.
        state: StpState,
    },
    /// A device is made, and stamped in the same datagram.
    Make {
        /// The device.
        device: Device,
        /// Its stamp.
        stamp: String,
    },
    /// VLANs of a port get other VNIs.
    Map {
        /// The port.
        dev: String,
        /// The VLANs that lose their VNI.
        unmap: Vec<VlanRange>,
        /// The VLANs that get VNIs then.
        map: Vec<(VlanRange, VniRange)>,
    },
    /// A neighbour of an interface, with the MAC address of a router, is written or removed.
    Neighbour {
        /// What is done.
        verb: NeighbourVerb,
        /// The device.
        dev: String,
        /// The neighbour; its index does not count.
        neighbour: Box<Neighbour>,
    },
    /// The nexthop of a leaf, or the group of a segment, is written or removed.
    Nexthop {
        /// What is done.
        verb: NexthopVerb,
        /// The nexthop.
        hop: Box<Nexthop>,
    },
    /// What the bridge keeps for a port changes.
    Port {
        /// The port.
        dev: String,
        /// The options.
        options: Box<BridgePort>,
    },
    /// A device is no port any more.
    Release {
        /// The device.
        dev: String,
    },
    /// A route through an interface is written or removed.
    Route {
        /// What is done.
        verb: RouteVerb,
        /// The device.
        dev: String,
        /// The route; the index of its paths does not count.
        route: Box<Route>,
    },
    /// A device gets a stamp.
    Stamp {
        /// The device.
        dev: String,
        /// The stamp.
        stamp: String,
    },
    /// A device loses a stamp.
    Unstamp {
        /// The device.
        dev: String,
        /// The stamp.
        stamp: String,
    },
    /// VLANs of a port get a state.
    VlanState {
        /// The port.
        dev: String,
        /// The VLANs.
        vlans: VlanRange,
        /// The state.
        state: StpState,
    },
}

/// The index of a device by its name; 0 if it is not there, which a request refuses.
pub(super) type Indexes<'a> = &'a dyn Fn(&str) -> u32;

impl Step {
    /// The requests, which go in one datagram; `index` tells the index of a device. There is one, and for a device that is made a
    /// second one, which stamps it.
    ///
    /// One that the kernel would refuse is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn requests(&self, index: &dyn Fn(&str) -> u32) -> Vec<Request> {
        let request = match self {
            Self::AddVlans { dev, is_bridge, members } => {
                vlans(index(dev), *is_bridge, members.clone()).request(VlanVerb::Add)
            }
            Self::AddVnis { dev, vnis } => VniEntry::new(index(dev), *vnis).request(VniVerb::Replace),
            Self::Address { verb, dev, prefix } => {
                let address = Address::new(*prefix, index(dev));
                // Other leaves may have the same one.
                let address = if prefix.addr().is_ipv6() { address.nodad() } else { address };
                address.request(*verb)
            }
            Self::Backup { dev, backup } => {
                LinkConfig::new(index(dev)).port(backed_up(backup.as_ref(), index)).request(LinkVerb::Change)
            }
            Self::Change(device) => {
                device.config(Dev::Index(index(&device.name)), index).request(LinkVerb::Change)
            }
            Self::Delete { dev } => LinkConfig::new(index(dev)).request(LinkVerb::Delete),
            Self::DeleteVlans { dev, is_bridge, vlans: gone } => {
                let members = gone.iter().map(|vlans| VlanMember::new(*vlans)).collect();
                vlans(index(dev), *is_bridge, members).request(VlanVerb::Delete)
            }
            Self::DeleteVnis { dev, vnis } => VniEntry::new(index(dev), *vnis).request(VniVerb::Delete),
            Self::Flood { verb, dev, entry } => {
                let mut entry = (**entry).clone();
                entry.index = index(dev);
                entry.request(*verb)
            }
            Self::FlushMacs { dev, bridge, vlan } => flush(index(bridge), index(dev), *vlan),
            Self::Instance { dev, vlans, msti } => {
                VlanDbGlobal::new(index(dev), *vlans).msti(*msti).request()
            }
            Self::InstanceState { dev, msti, state } => {
                MstEntry::new(index(dev), *msti).state(*state).request()
            }
            Self::Make { device, stamp } => {
                let name = Dev::from(device.name.as_str());
                let made = device.config(name.clone(), index).request(LinkVerb::Add);
                return vec![made, altname(name, stamp).add_alt_names_request()];
            }
            Self::Map { dev, unmap, map } => {
                let mut change = TunnelChange::new(index(dev));
                change.unmap.clone_from(unmap);
                change.map.clone_from(map);
                change.request()
            }
            Self::Neighbour { verb, dev, neighbour } => {
                let mut neighbour = (**neighbour).clone();
                neighbour.index = index(dev);
                neighbour.request(*verb)
            }
            Self::Nexthop { verb, hop } => hop.request(*verb),
            Self::Port { dev, options } => {
                LinkConfig::new(index(dev)).port((**options).clone()).request(LinkVerb::Change)
            }
            Self::Release { dev } => {
                let mut config = LinkConfig::new(index(dev));
                config.master = Some(Dev::Index(0));
                config.request(LinkVerb::Change)
            }
            Self::Route { verb, dev, route } => through(route, &Dev::Index(index(dev))).request(*verb),
            Self::Stamp { dev, stamp } => altname(Dev::Index(index(dev)), stamp).add_alt_names_request(),
            Self::Unstamp { dev, stamp } => altname(Dev::Index(index(dev)), stamp).remove_alt_names_request(),
            Self::VlanState { dev, vlans, state } => {
                VlanDbEntry::new(index(dev), *vlans).state(*state).request(VlanDbVerb::Set)
            }
        };
        vec![request]
    }

    /// The device that it is about; empty for a nexthop, which has none.
    #[must_use]
    pub fn dev(&self) -> &str {
        match self {
            Self::Change(device) | Self::Make { device, .. } => &device.name,
            Self::AddVlans { dev, .. }
            | Self::Address { dev, .. }
            | Self::Backup { dev, .. }
            | Self::AddVnis { dev, .. }
            | Self::Delete { dev }
            | Self::DeleteVlans { dev, .. }
            | Self::DeleteVnis { dev, .. }
            | Self::Flood { dev, .. }
            | Self::FlushMacs { dev, .. }
            | Self::Instance { dev, .. }
            | Self::InstanceState { dev, .. }
            | Self::Map { dev, .. }
            | Self::Neighbour { dev, .. }
            | Self::Port { dev, .. }
            | Self::Release { dev }
            | Self::Route { dev, .. }
            | Self::Stamp { dev, .. }
            | Self::Unstamp { dev, .. }
            | Self::VlanState { dev, .. } => dev,
            Self::Nexthop { .. } => "",
        }
    }
}

fn vlans(index: u32, is_bridge: bool, members: Vec<VlanMember>) -> VlanChange {
    let mut change = VlanChange::new(index);
    if is_bridge {
        change.target = VlanTarget::SELF;
    }
    change.members = members;
    change
}

/// What a port has then.
pub(super) fn backed_up(backup: Option<&(String, u32)>, index: Indexes<'_>) -> BridgePort {
    let mut options = BridgePort::new();
    options.backup_port = Some(BackupPort(backup.map(|(vxlan, _)| Dev::Index(index(vxlan)))));
    options.backup_nhid = Some(backup.map_or(0, |(_, id)| *id));
    options
}

/// The route with its paths through this device.
fn through(route: &Route, dev: &Dev) -> Route {
    let mut route = route.clone();
    if route.nexthops.is_empty() {
        route.oif = dev.index();
    }
    route.nexthops = route.nexthops.into_iter().map(|hop| hop.dev(dev.clone())).collect();
    route
}

/// Those that a control plane put there, and no others.
fn flush(bridge: u32, port: u32, vlan: u16) -> Request {
    let mut filter =
        FdbFilter { bridge: Some(bridge), index: Some(port), vlan: Some(vlan), ..FdbFilter::default() };
    filter.flags = Some((FdbFlags::EXT_LEARNED, FdbFlags::EXT_LEARNED));
    filter.flush_request()
}

fn altname(dev: Dev, stamp: &str) -> LinkConfig {
    let mut config = LinkConfig::new(dev);
    config.alt_names.push(stamp.into());
    config
}

/// The words of `ip` and `bridge` for it.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = |is_bridge: &bool| if *is_bridge { " self" } else { "" };
        match self {
            Self::AddVlans { dev, is_bridge, members } => {
                write!(f, "add vlan dev {dev}")?;
                members.iter().try_for_each(|member| write!(f, " vid {member}"))?;
                f.write_str(own(is_bridge))
            }
            Self::AddVnis { dev, vnis } => write!(f, "add vni {vnis} dev {dev}"),
            Self::Address { verb, dev, prefix } => write!(f, "{verb} address {prefix} dev {dev}"),
            Self::Backup { dev, backup: Some((vxlan, id)) } => {
                write!(f, "set port {dev} backup_port {vxlan} backup_nhid {id}")
            }
            Self::Backup { dev, backup: None } => write!(f, "set port {dev} nobackup_port backup_nhid 0"),
            Self::Change(device) => write!(f, "set link {device}"),
            Self::Delete { dev } => write!(f, "delete link {dev}"),
            Self::DeleteVlans { dev, is_bridge, vlans } => {
                write!(f, "delete vlan dev {dev}")?;
                vlans.iter().try_for_each(|vlans| write!(f, " vid {vlans}"))?;
                f.write_str(own(is_bridge))
            }
            Self::DeleteVnis { dev, vnis } => write!(f, "delete vni {vnis} dev {dev}"),
            Self::Flood { verb, dev, entry } => {
                let words = entry.to_string();
                let index = format!(" dev #{} ", entry.index);
                write!(f, "{verb} fdb {}", words.replacen(&index, &format!(" dev {dev} "), 1))
            }
            Self::FlushMacs { dev, bridge, vlan } => {
                write!(f, "flush fdb dev {bridge} brport {dev} vlan {vlan} extern_learn")
            }
            Self::Instance { dev, vlans, msti } => {
                write!(f, "set global vlan vid {vlans} dev {dev} msti {msti}")
            }
            Self::InstanceState { dev, msti, state } => {
                write!(f, "set mst dev {dev} msti {msti} state {state}")
            }
            Self::Make { device, stamp } => write!(f, "add link {device}, altname {stamp}"),
            Self::Map { dev, unmap, map } => {
                write!(f, "set tunnel dev {dev}")?;
                unmap.iter().try_for_each(|vlans| write!(f, " unmap {vlans}"))?;
                map.iter().try_for_each(|(vlans, vnis)| write!(f, " map {vlans} to {vnis}"))
            }
            Self::Neighbour { verb, dev, neighbour } => {
                let words = neighbour.to_string();
                let index = format!(" dev #{}", neighbour.index);
                let words = words.replacen(&index, &format!(" dev {dev}"), 1);
                // What is deleted has no state.
                let words =
                    if *verb == NeighbourVerb::Delete { words.replace(" nud permanent", "") } else { words };
                write!(f, "{verb} neighbour {words}")
            }
            // What is deleted is named by its number.
            Self::Nexthop { verb: NexthopVerb::Delete, hop } => write!(f, "delete nexthop id {}", hop.id),
            Self::Nexthop { verb, hop } => write!(f, "{verb} nexthop {hop}"),
            Self::Port { dev, options } => {
                let words = options.to_string();
                write!(f, "set port {dev}{}", words.strip_prefix("bridge").unwrap_or(&words))
            }
            Self::Release { dev } => write!(f, "set link {dev} nomaster"),
            Self::Route { verb, dev, route } => {
                let words = through(route, &Dev::from(dev.as_str())).to_string();
                // One path has an index, which is not known here.
                let dev = if route.nexthops.is_empty() { format!(" dev {dev}") } else { String::new() };
                write!(f, "{verb} route {words}{dev}")
            }
            Self::Stamp { dev, stamp } => write!(f, "add altname of link {dev} {stamp}"),
            Self::Unstamp { dev, stamp } => write!(f, "delete altname of link {dev} {stamp}"),
            Self::VlanState { dev, vlans, state } => {
                write!(f, "set vlan vid {vlans} dev {dev} state {state}")
            }
        }
    }
}
