//! A kernel as far as plans of leaves need one: a step that it would refuse, or would do nothing for, stops the test.

mod tables;

use std::collections::{BTreeMap, BTreeSet};

use nl_bridge::fdb::{FdbEntry, FdbFlags, FdbVerb};
use nl_bridge::leaf::{Device, DeviceKind, Plan, Snapshot, Step};
use nl_bridge::settings::{Bridge, BridgeFlags, BridgePort};
use nl_bridge::vlan::{VlanFlags, VlanMember};
use nl_bridge::vlan_db::{VlanDbEntry, VlanDbGlobal, VlanInfo};
use nl_bridge::vni::VniEntry;
use nl_bridge::vxlan::Vxlan;
use nl_bridge::{StpState, VlanId, VlanRange, VniRange};
use nl_core::address::{Address, AddressVerb};
use nl_core::attr::AttrBuf;
use nl_core::link::{Link, LinkFlags, LinkKind, LinkVerb};
use nl_core::neighbour::Neighbour;
use nl_core::nexthop::Nexthop;
use nl_core::route::Route;
use nl_core::{IpPrefix, MacAddr};

/// A VLAN on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) flags: VlanFlags,
    pub(crate) state: StpState,
    pub(crate) vni: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Kernel {
    links: BTreeMap<u32, Link>,
    last: u32,
    members: BTreeMap<u32, BTreeMap<u16, Member>>,
    msti: BTreeMap<(u32, u16), u16>,
    vnis: BTreeMap<u32, BTreeSet<u32>>,
    flood: Vec<FdbEntry>,
    /// The addresses in the tables of bridges that a control plane put behind a port.
    learned: BTreeSet<(u32, u16, MacAddr)>,
    /// The entries of VXLAN devices for addresses.
    tunnels: Vec<FdbEntry>,
    neighbours: Vec<Neighbour>,
    nexthops: BTreeMap<u32, Nexthop>,
    routes: Vec<Route>,
    locals: Vec<FdbEntry>,
    addresses: Vec<Address>,
}

impl Kernel {
    /// With these devices, which are up.
    pub(crate) fn new(devices: &[&str]) -> Self {
        let mut kernel = Self::default();
        for name in devices {
            kernel.add_link(name);
        }
        kernel
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.links = self.links.values().cloned().collect();
        for (index, members) in &self.members {
            for (vlan, member) in members {
                let mut entry = VlanDbEntry::new(*index, one(*vlan)).state(member.state);
                entry.info = VlanInfo::from_bits_retain(member.flags.bits());
                entry.tunnel = member.vni;
                snapshot.vlans.push(entry);
            }
        }
        for ((index, vlan), msti) in &self.msti {
            snapshot.globals.push(VlanDbGlobal::new(*index, one(*vlan)).msti(*msti));
        }
        for (index, vnis) in &self.vnis {
            snapshot
                .vnis
                .extend(vnis.iter().map(|vni| VniEntry::new(*index, VniRange::new(*vni, *vni).unwrap())));
        }
        snapshot.flood = self.flood.clone();
        self.add_tables(&mut snapshot);
        snapshot.locals = self.locals.clone();
        snapshot.addresses = self.addresses.clone();
        snapshot
    }

    pub(crate) fn apply(&mut self, plan: &Plan) {
        for step in plan.steps() {
            self.step(step);
        }
    }

    /// The VLANs of a device.
    pub(crate) fn members(&self, dev: &str) -> BTreeMap<u16, Member> {
        self.found(dev).and_then(|index| self.members.get(&index)).cloned().unwrap_or_default()
    }

    pub(crate) fn vnis(&self, dev: &str) -> BTreeSet<u32> {
        self.found(dev).and_then(|index| self.vnis.get(&index)).cloned().unwrap_or_default()
    }

    /// VNIs and the leaves that they are flooded to.
    pub(crate) fn flooded(&self) -> BTreeSet<(u32, std::net::IpAddr)> {
        self.flood.iter().filter_map(|entry| Some((entry.src_vni?, entry.dst?))).collect()
    }

    pub(crate) fn link(&mut self, dev: &str) -> &mut Link {
        let index = self.index(dev);
        self.links.get_mut(&index).unwrap()
    }

    pub(crate) fn has(&self, dev: &str) -> bool {
        self.found(dev).is_some()
    }

    pub(crate) fn add_link(&mut self, name: &str) -> u32 {
        self.last += 1;
        let mut link = Link::default();
        (link.index, link.name, link.mtu) = (self.last, name.into(), 1500);
        link.flags = LinkFlags::UP | LinkFlags::RUNNING;
        assert!(self.links.values().all(|other| other.name != name), "{name} is there");
        self.links.insert(self.last, link);
        self.last
    }

    /// Somebody makes a device a port, with these VLANs, tagged.
    pub(crate) fn join(&mut self, dev: &str, bridge: &str, vlans: &[u16]) {
        self.enslave(dev, bridge);
        self.add_vlans(dev, vlans);
    }

    /// Somebody puts a device into VLANs, tagged.
    pub(crate) fn add_vlans(&mut self, dev: &str, vlans: &[u16]) {
        let members: Vec<_> = vlans.iter().map(|vlan| VlanMember::new(one(*vlan))).collect();
        self.set_vlans(dev, &members);
    }

    /// Somebody appends a leaf.
    pub(crate) fn add_flood(&mut self, dev: &str, vni: u32, dst: std::net::IpAddr, flags: FdbFlags) {
        let mut entry = FdbEntry::new(MacAddr::ZERO, self.index(dev)).self_().dst(dst).src_vni(vni);
        entry.flags |= flags;
        self.append(entry);
    }

    /// Somebody maps a VLAN.
    pub(crate) fn map(&mut self, dev: &str, vlan: u16, vni: u32) {
        let index = self.index(dev);
        self.members.get_mut(&index).unwrap().get_mut(&vlan).unwrap().vni = Some(vni);
    }

    #[cfg(feature = "doctor")]
    pub(crate) fn unmap(&mut self, dev: &str, vlan: u16) {
        let index = self.index(dev);
        self.members.get_mut(&index).unwrap().get_mut(&vlan).unwrap().vni = None;
    }

    #[cfg(feature = "doctor")]
    pub(crate) fn set_state(&mut self, dev: &str, vlan: u16, state: StpState) {
        let index = self.index(dev);
        self.members.get_mut(&index).unwrap().get_mut(&vlan).unwrap().state = state;
    }

    #[cfg(feature = "doctor")]
    pub(crate) fn remove_vni(&mut self, dev: &str, vni: u32) {
        let index = self.index(dev);
        assert!(self.vnis.get_mut(&index).unwrap().remove(&vni));
    }

    #[cfg(feature = "doctor")]
    pub(crate) fn remove_flood(&mut self, vni: u32) {
        self.flood.retain(|entry| entry.src_vni != Some(vni));
    }

    /// Somebody changes options of a bridge.
    pub(crate) fn set_bridge(&mut self, dev: &str, options: &Bridge) {
        self.link(dev).kind_data.extend(encoded(options));
    }

    /// The IP addresses of a device.
    pub(crate) fn ips(&self, dev: &str) -> Vec<String> {
        let index = self.index(dev);
        let of_device = self.addresses.iter().filter(|address| address.index == index);
        of_device.map(|address| prefix_of(address).to_string()).collect()
    }

    /// Somebody adds a VNI to the filter.
    pub(crate) fn add_vni(&mut self, dev: &str, vni: u32) {
        let index = self.index(dev);
        self.vnis.entry(index).or_default().insert(vni);
    }

    fn found(&self, dev: &str) -> Option<u32> {
        self.links.values().find(|link| link.name == dev).map(|link| link.index)
    }

    fn index(&self, dev: &str) -> u32 {
        self.found(dev).unwrap_or_else(|| unreachable!("no device {dev}"))
    }

    fn bridge_of(&self, index: u32) -> Option<(u32, Bridge)> {
        let index = self.links[&index].master.unwrap_or(index);
        Some((index, self.links[&index].kind::<Bridge>()?.unwrap()))
    }

    fn has_mst(&self, index: u32) -> bool {
        self.bridge_of(index).unwrap().1.has(BridgeFlags::MST) == Some(true)
    }

    /// Bridge and ports.
    fn family(&self, bridge: u32) -> Vec<u32> {
        self.links
            .values()
            .filter(|l| l.index == bridge || l.master == Some(bridge))
            .map(|l| l.index)
            .collect()
    }

    pub(crate) fn step(&mut self, step: &Step) {
        // It must be one that can be sent.
        for mut request in step.requests(&|dev| self.found(dev).unwrap_or(1)) {
            request.encoded().unwrap();
        }
        match step {
            Step::AddVlans { dev, members, is_bridge } => {
                assert_eq!(*is_bridge, self.links[&self.index(dev)].is_kind("bridge"), "{step}");
                self.set_vlans(dev, members);
            }
            Step::AddVnis { dev, vnis } => {
                let index = self.index(dev);
                let filter = self.vnis.entry(index).or_default();
                assert!(vnis.iter().all(|vni| filter.insert(vni)), "{step}: is there");
            }
            Step::Address { verb: AddressVerb::Delete, dev, prefix } => {
                let index = self.index(dev);
                let is_it = |it: &Address| it.index == index && it.local == prefix.addr();
                let at = self.addresses.iter().position(is_it);
                let at = at.unwrap_or_else(|| unreachable!("{step}: is not there"));
                let gone = self.addresses.remove(at);
                let network = |it: &Address| (it.index, it.prefix_len, prefix_of(it).network());
                // The first one in a network is primary, and takes the others along.
                let is_primary = !self.addresses.iter().take(at).any(|it| network(it) == network(&gone));
                if gone.local.is_ipv4() && is_primary {
                    self.addresses.retain(|it| network(it) != network(&gone));
                }
                if gone.local.is_ipv4() {
                    self.lose_ipv4(index);
                }
            }
            Step::Address { dev, prefix, .. } => {
                let index = self.index(dev);
                if !self.addresses.iter().any(|it| it.index == index && it.local == prefix.addr()) {
                    self.addresses.push(Address::new(*prefix, index));
                }
            }
            Step::Backup { dev, backup } => self.set_backup(dev, backup.as_ref()),
            Step::Change(device) => self.change(device),
            Step::Delete { dev } => self.delete(dev),
            Step::DeleteVlans { dev, vlans, .. } => {
                for vlan in vlans.iter().flat_map(|row| row.iter()).map(VlanId::get) {
                    self.delete_vlan(dev, vlan);
                }
            }
            Step::DeleteVnis { dev, vnis } => {
                let index = self.index(dev);
                let filter = self.vnis.get_mut(&index).unwrap();
                assert!(vnis.iter().all(|vni| filter.remove(&vni)), "{step}: is not there");
            }
            Step::Flood { verb, dev, entry } if !entry.mac.is_zero() && self.link(dev).is_kind("vxlan") => {
                self.set_remote(*verb, dev, entry);
            }
            Step::Flood { verb: FdbVerb::Append, dev, entry } => {
                let mut entry = (**entry).clone();
                entry.index = self.index(dev);
                self.append(entry);
            }
            Step::Flood { verb: FdbVerb::Replace, dev, entry } => {
                let mut entry = (**entry).clone();
                entry.index = self.index(dev);
                entry.master = Some(entry.index);
                assert!(self.links[&entry.index].is_kind("bridge"), "{step}");
                assert!(self.members(dev).contains_key(&entry.vlan.unwrap()), "{step}: not in that VLAN");
                assert!(!self.locals.contains(&entry), "{step}: is there");
                self.locals.push(entry);
            }
            Step::Flood { dev, entry, .. } => {
                let key = (self.index(dev), entry.src_vni, entry.dst);
                let before = self.flood.len();
                self.flood.retain(|there| (there.index, there.src_vni, there.dst) != key);
                assert_eq!(self.flood.len() + 1, before, "{step}");
            }
            Step::FlushMacs { dev, bridge, vlan } => {
                let (index, bridge) = (self.index(dev), self.index(bridge));
                assert_eq!(self.links[&index].master, Some(bridge), "{step}");
                let before = self.learned.len();
                self.learned.retain(|(port, of, _)| (*port, *of) != (index, *vlan));
                assert_ne!(self.learned.len(), before, "{step}: nothing would be done");
            }
            Step::Instance { dev, vlans, msti } => {
                for vlan in vlans.iter().map(VlanId::get) {
                    self.set_msti(dev, vlan, *msti);
                }
            }
            Step::InstanceState { dev, msti, state } => self.set_instance(dev, *msti, *state),
            Step::Make { device, stamp } => {
                let index = self.add_link(&device.name);
                let link = self.links.get_mut(&index).unwrap();
                link.flags = LinkFlags::empty();
                link.kind_name = Some(match &device.kind {
                    Some(DeviceKind::Bridge(_)) => "bridge".into(),
                    Some(DeviceKind::MacVlan(_)) => "macvlan".into(),
                    Some(DeviceKind::Vlan(_)) => "vlan".into(),
                    Some(DeviceKind::Vrf(_)) => "vrf".into(),
                    Some(DeviceKind::Vxlan(_)) => "vxlan".into(),
                    other => unreachable!("{other:?}"),
                });
                self.change(device);
                self.link(&device.name).alt_names.push(stamp.clone());
            }
            Step::Map { dev, unmap, map } => self.set_maps(dev, unmap, map),
            Step::Neighbour { verb, dev, neighbour } => self.set_neighbour(*verb, dev, neighbour),
            Step::Nexthop { verb, hop } => self.set_nexthop(*verb, hop),
            Step::Port { dev, options } => self.set_port(dev, options),
            Step::Release { dev } => self.release(dev),
            Step::Route { verb, dev, route } => self.set_route(*verb, dev, route),
            Step::Stamp { dev, stamp } => {
                let names = &mut self.link(dev).alt_names;
                assert!(!names.contains(stamp), "{step}");
                names.push(stamp.clone());
            }
            Step::Unstamp { dev, stamp } => {
                let names = &mut self.link(dev).alt_names;
                assert!(names.contains(stamp), "{step}");
                names.retain(|name| name != stamp);
            }
            Step::VlanState { dev, vlans, state } => {
                let index = self.index(dev);
                assert!(!self.has_mst(index), "{step}: MST is on");
                for vlan in vlans.iter().map(VlanId::get) {
                    self.members.get_mut(&index).unwrap().get_mut(&vlan).unwrap().state = *state;
                }
            }
            other => unreachable!("{other}"),
        }
    }

    fn change(&mut self, device: &Device) {
        let below = device.link.as_ref().map(|below| self.index(below));
        let link = self.link(&device.name);
        link.link = below.or(link.link);
        // The last of several attributes counts.
        match &device.kind {
            Some(DeviceKind::Bridge(bridge)) => link.kind_data.extend(encoded(&**bridge)),
            Some(DeviceKind::Vxlan(vxlan)) => {
                let is_new = link.kind_data.is_empty();
                assert!(is_new || device.mtu.is_none(), "MTU and an option of a VXLAN device: EOPNOTSUPP");
                vxlan.check(if is_new { LinkVerb::Add } else { LinkVerb::Change }).unwrap();
                link.kind_data.extend(encoded(&**vxlan));
            }
            Some(DeviceKind::MacVlan(macvlan)) => link.kind_data.extend(encoded(&**macvlan)),
            Some(DeviceKind::Vlan(vlan)) => {
                link.kind_data.extend(encoded(&**vlan));
                let (below, data) = (link.link, link.kind_data.clone());
                let is_same =
                    |other: &&Link| other.is_kind("vlan") && other.link == below && other.kind_data == data;
                assert_eq!(
                    self.links.values().filter(is_same).count(),
                    1,
                    "two devices for one VLAN: EEXIST"
                );
            }
            Some(DeviceKind::Vrf(vrf)) => link.kind_data.extend(encoded(vrf)),
            _ => {}
        }
        let link = self.link(&device.name);
        link.mtu = device.mtu.unwrap_or(link.mtu);
        if device.is_up {
            link.flags |= LinkFlags::UP | LinkFlags::RUNNING;
        }
        let index = link.index;
        let inherits = link.is_kind("vlan") && link.address.is_none();
        let inherited = below.filter(|_| inherits).and_then(|below| self.links[&below].mac());
        if let Some(address) = device.address.or(inherited) {
            self.readdress(index, address);
        }
        if let Some(master) = &device.master {
            self.enslave(&device.name, master);
        }
    }

    fn enslave(&mut self, dev: &str, bridge: &str) {
        let bridge = self.index(bridge);
        if self.links[&bridge].is_kind("vrf") {
            return self.join_vrf(dev, Some(bridge));
        }
        let options = self.links[&bridge].kind::<Bridge>().unwrap().unwrap();
        let link = self.link(dev);
        assert_eq!(link.master, None, "{dev}");
        (link.master, link.port_kind) = (Some(bridge), Some("bridge".into()));
        let port = BridgePort::new().learning(true).flood(true).bcast_flood(true).mcast_flood(true);
        let port = port.neigh_suppress(false).isolated(false).locked(false).vlan_tunnel(false);
        link.port_data = encoded(&port.state(StpState::Forwarding));
        if let Some(pvid) = options.vlan_default_pvid.filter(|pvid| *pvid != 0) {
            let member = VlanMember::new(one(pvid)).with(VlanFlags::PVID | VlanFlags::UNTAGGED);
            self.set_vlans(dev, &[member]);
        }
    }

    /// A device that changes its VRF goes down and up, and loses its IPv6 addresses.
    fn join_vrf(&mut self, dev: &str, vrf: Option<u32>) {
        let index = self.index(dev);
        assert_ne!(self.links[&index].master, vrf, "{dev}");
        self.links.get_mut(&index).unwrap().master = vrf;
        self.addresses.retain(|address| address.index != index || address.local.is_ipv4());
        self.forget(index);
    }

    fn release(&mut self, dev: &str) {
        let index = self.index(dev);
        if self.links[&index].master.is_some_and(|master| self.links[&master].is_kind("vrf")) {
            return self.join_vrf(dev, None);
        }
        for vlan in self.members(dev).into_keys() {
            self.delete_vlan(dev, vlan);
        }
        self.members.remove(&index);
        self.learned.retain(|(port, ..)| *port != index);
        self.lose_backup(index);
        let link = self.link(dev);
        assert!(link.master.take().is_some(), "{dev} is no port");
        link.port_kind = None;
        link.port_data.clear();
    }

    fn delete(&mut self, dev: &str) {
        let index = self.index(dev);
        // What is on top goes with it.
        let on_top = |link: &&Link| link.link == Some(index);
        let on_top: Vec<_> = self.links.values().filter(on_top).map(|link| link.name.clone()).collect();
        for other in on_top {
            self.delete(&other);
        }
        self.addresses.retain(|address| address.index != index);
        self.locals.retain(|entry| entry.index != index);
        self.tunnels.retain(|entry| entry.index != index);
        self.forget(index);
        let ports: Vec<_> = self
            .links
            .values()
            .filter(|link| link.master == Some(index))
            .map(|link| link.name.clone())
            .collect();
        for port in ports {
            self.release(&port);
        }
        if self.links[&index].master.is_some() {
            self.release(dev);
        }
        self.links.remove(&index);
        self.members.remove(&index);
        self.vnis.remove(&index);
        self.flood.retain(|entry| entry.index != index);
        self.msti.retain(|(bridge, _), _| *bridge != index);
    }

    /// Somebody puts a device into VLANs, with these flags.
    pub(crate) fn set_vlans(&mut self, dev: &str, members: &[VlanMember]) {
        let index = self.index(dev);
        assert!(self.bridge_of(index).is_some(), "{dev} is neither a bridge nor a port");
        let own = self.members.entry(index).or_default();
        for member in members {
            for vlan in member.vlans.iter().map(VlanId::get) {
                if member.is_pvid() {
                    own.values_mut().for_each(|other| other.flags -= VlanFlags::PVID);
                }
                let new = Member { flags: member.flags, state: StpState::Forwarding, vni: None };
                own.entry(vlan).or_insert(new).flags = member.flags;
            }
        }
    }

    pub(crate) fn delete_vlan(&mut self, dev: &str, vlan: u16) {
        let index = self.index(dev);
        let bridge = self.bridge_of(index).unwrap().0;
        let gone = self.members.get_mut(&index).and_then(|members| members.remove(&vlan));
        assert!(gone.is_some(), "{dev} is not in vlan {vlan}");
        let used = self
            .family(bridge)
            .into_iter()
            .any(|member| self.members.get(&member).is_some_and(|members| members.contains_key(&vlan)));
        if !used {
            self.msti.remove(&(bridge, vlan));
        }
    }

    fn set_maps(&mut self, dev: &str, unmap: &[VlanRange], map: &[(VlanRange, VniRange)]) {
        let index = self.index(dev);
        let link = &self.links[&index];
        assert_eq!(link.port::<BridgePort>().unwrap().unwrap().vlan_tunnel, Some(true), "{dev}");
        assert_eq!(link.kind::<Vxlan>().unwrap().unwrap().collect_metadata, Some(true), "{dev}");
        let members = self.members.get_mut(&index).unwrap();
        for vlan in unmap.iter().flat_map(|row| row.iter()) {
            members.get_mut(&vlan.get()).unwrap().vni = None;
        }
        for (vlan, vni) in map.iter().flat_map(|(vlans, vnis)| vlans.iter().zip(vnis.iter())) {
            assert!(members.values().all(|other| other.vni != Some(vni)), "vni {vni} is in use: EEXIST");
            let member = members.get_mut(&vlan.get()).unwrap();
            assert_eq!(member.vni.replace(vni), None, "vlan {vlan} is mapped: EEXIST");
        }
    }

    fn append(&mut self, mut entry: FdbEntry) {
        let key = |entry: &FdbEntry| (entry.index, entry.src_vni, entry.dst);
        assert!(self.flood.iter().all(|there| key(there) != key(&entry)), "{entry} is there");
        // The remotes of one VNI have their flags in common.
        let same = |there: &&mut FdbEntry| (there.index, there.src_vni) == (entry.index, entry.src_vni);
        if entry.flags.contains(FdbFlags::EXT_LEARNED) {
            if let Some(there) = self.flood.iter_mut().find(same) {
                entry.flags = there.flags;
            }
        } else {
            let flags = entry.flags;
            self.flood.iter_mut().filter(same).for_each(|there| there.flags = flags);
        }
        self.flood.push(entry);
    }

    fn set_msti(&mut self, dev: &str, vlan: u16, msti: u16) {
        let bridge = self.index(dev);
        assert!(self.has_mst(bridge), "{dev}");
        let family = self.family(bridge);
        let is_there = |index: &u32| self.members.get(index).is_some_and(|own| own.contains_key(&vlan));
        assert!(family.iter().any(is_there), "vlan {vlan} is not there: ENOENT");
        if msti == 0 {
            self.msti.remove(&(bridge, vlan));
        } else {
            self.msti.insert((bridge, vlan), msti);
        }
        for index in family.into_iter().filter(|index| *index != bridge) {
            let in_it = |other: &u16| self.msti.get(&(bridge, *other)).copied().unwrap_or(0) == msti;
            let Some(own) = self.members.get_mut(&index) else { continue };
            let inherited =
                own.iter().find(|(other, _)| **other != vlan && in_it(other)).map(|(_, it)| it.state);
            if let Some(member) = own.get_mut(&vlan) {
                member.state = inherited.unwrap_or(StpState::Disabled);
            }
        }
    }

    pub(crate) fn set_instance(&mut self, dev: &str, msti: u16, state: StpState) {
        let index = self.index(dev);
        assert!(self.has_mst(index), "{dev}");
        let bridge = self.bridge_of(index).unwrap().0;
        let mut found = false;
        for (vlan, member) in self.members.entry(index).or_default() {
            if self.msti.get(&(bridge, *vlan)).copied().unwrap_or(0) == msti {
                (member.state, found) = (state, true);
            }
        }
        assert!(found || msti == 0, "no vlan of msti {msti} on {dev}: nothing would be done");
    }

    pub(crate) fn set_port(&mut self, dev: &str, options: &BridgePort) {
        let link = self.link(dev);
        assert!(link.is_port_of("bridge"), "{dev} is no port");
        link.port_data.extend(encoded(options));
        let index = link.index;
        if options.vlan_tunnel == Some(false) {
            self.members.entry(index).or_default().values_mut().for_each(|member| member.vni = None);
        }
        if let (Some(state), true) = (options.state, self.has_mst(index)) {
            self.set_instance(dev, 0, state);
        }
    }
}

fn prefix_of(address: &Address) -> IpPrefix {
    IpPrefix::new(address.local, address.prefix_len).unwrap()
}

pub(crate) fn one(vlan: u16) -> VlanRange {
    vlan.try_into().unwrap()
}

pub(crate) fn encoded(kind: &impl LinkKind) -> Vec<u8> {
    let mut bytes = AttrBuf::new();
    kind.encode(&mut bytes.writer(), LinkVerb::Add);
    bytes.finish().unwrap()
}
