use std::fmt;

use nl_core::MacAddr;
use nl_core::check::Invalid;

use crate::fdb::codec::{FdbEntry, check_vlan};
use crate::fdb::flags::{FdbFlags, FdbState};

/// A MAC address behind another leaf: the two entries that EVPN needs for it, in the bridge and in the VXLAN device.
///
/// ```
/// use nl_bridge::fdb::{FdbVerb, RemoteMac};
///
/// // #7 is the VXLAN device, a port of the bridge.
/// let remote = RemoteMac::new("02:00:00:00:00:01".parse()?, 7).vlan(10).dst("192.0.2.2".parse()?).src_vni(10010);
/// let [tunnel, bridge] = remote.entries();
/// assert_eq!(tunnel.to_string(), "02:00:00:00:00:01 dev #7 dst 192.0.2.2 src_vni 10010 self extern_learn");
/// assert_eq!(bridge.to_string(), "02:00:00:00:00:01 dev #7 vlan 10 extern_learn master");
/// let requests = remote.entries().map(|entry| entry.request(FdbVerb::Replace));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Both are `extern_learn`: they do not age, and the address may be learned on a local port when its host moves here. For many at once
/// give the [`entries`](Self::entries) to [`Fdb::batch`](crate::fdb::Fdb::batch), for one use [`Fdb::remote_mac`](crate::fdb::Fdb::remote_mac).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RemoteMac {
    /// The entry of the VXLAN device.
    pub(super) tunnel: FdbEntry,
    /// That of the bridge.
    pub(super) bridge: FdbEntry,
}

macro_rules! remote_options {
    ($($target:tt)*) => {
        nl_core::setters! { $($target)*
            /// In this VLAN of the bridge, 1 to 4094; without one see [VLANs](crate::fdb#vlans).
            vlan(remote, vlan: u16) { remote.bridge.vlan = Some(vlan); }
            /// Behind this leaf (`dst`).
            dst(remote, dst: std::net::IpAddr) { remote.tunnel.dst = Some(dst); }
            /// Behind the leaves of this FDB nexthop group, for multihoming (`nhid`). The entry of the VXLAN device is then `static`: newer
            /// kernels want none that could age.
            nexthop(remote, id: u32) {
                crate::fdb::RemoteMac::put_behind(&mut remote.tunnel, id);
            }
            /// Sent with this VNI instead of the device's, or of the VNI it belongs to, 0 to 16777215 (`vni`). With
            /// [`dst`](Self::dst).
            vni(remote, vni: u32) { remote.tunnel.vni = Some(vni); }
            /// On a device in metadata mode: belonging to this VNI, 0 to 16777215 (`src_vni`). One address can be in several.
            src_vni(remote, vni: u32) { remote.tunnel.src_vni = Some(vni); }
            /// Sent to this UDP port, 1 to 65535, instead of the device's (`port`). With [`dst`](Self::dst).
            port(remote, port: u16) { remote.tunnel.port = Some(port); }
            /// Of a router (`router`).
            router(remote) { remote.tunnel.flags |= crate::fdb::FdbFlags::ROUTER; }
            /// Not moving to a local port when a frame comes from there (`sticky`): what EVPN calls a static MAC address. The bridge's
            /// entry is then `static` in place of `extern_learn`, on which a bridge keeps no `sticky`.
            sticky(remote) {
                remote.bridge.state = crate::fdb::FdbState::NOARP;
                remote.bridge.flags.remove(crate::fdb::FdbFlags::EXT_LEARNED);
                remote.bridge.flags |= crate::fdb::FdbFlags::STICKY;
            }
        }
    };
}
pub(super) use remote_options;

remote_options!(RemoteMac []);

impl RemoteMac {
    /// `mac` behind the VXLAN device `index`.
    #[must_use]
    pub fn new(mac: MacAddr, index: u32) -> Self {
        Self { tunnel: Self::tunnel_entry(mac, index), bridge: Self::bridge_entry(mac, index) }
    }

    /// The entry of the VXLAN device alone, behind nothing yet.
    #[inline]
    pub(crate) fn tunnel_entry(mac: MacAddr, index: u32) -> FdbEntry {
        FdbEntry::new(mac, index).dynamic().extern_learn().self_()
    }

    /// The entry of the bridge alone, in no VLAN yet.
    #[inline]
    pub(crate) fn bridge_entry(mac: MacAddr, index: u32) -> FdbEntry {
        FdbEntry::new(mac, index).dynamic().extern_learn().master()
    }

    /// Puts the entry of a VXLAN device behind an FDB nexthop group.
    pub(crate) fn put_behind(tunnel: &mut FdbEntry, id: u32) {
        tunnel.nexthop = Some(id);
        tunnel.state = FdbState::NOARP;
    }

    /// The entry of the VXLAN device and that of the bridge, in the order in which they are made: so no frame is sent to the device
    /// before it knows where to.
    #[must_use]
    pub fn entries(&self) -> [FdbEntry; 2] {
        [self.tunnel.clone(), self.bridge.clone()]
    }

    /// Refuses, before the first entry is written, an address that is behind nothing and what the bridge's entry cannot have.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        check_vlan(self.bridge.vlan)?;
        if self.names_leaf() {
            Ok(())
        } else {
            Err("a remote MAC address is behind a leaf: give dst or nexthop".into())
        }
    }

    /// Whether it says which leaf it is behind.
    pub(super) const fn names_leaf(&self) -> bool {
        self.tunnel.dst.is_some() || self.tunnel.nexthop.is_some()
    }

    /// Whether an entry of the VXLAN device that was read leads to the same leaf.
    pub(super) fn leads_where(&self, found: &FdbEntry) -> bool {
        self.tunnel.dst == found.dst && self.tunnel.nexthop == found.nexthop
    }
}

/// Both entries in one line, as `bridge fdb` has their words.
impl fmt::Display for RemoteMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.tunnel)?;
        if let Some(vlan) = self.bridge.vlan {
            write!(f, " vlan {vlan}")?;
        }
        if self.bridge.flags.contains(FdbFlags::STICKY) {
            f.write_str(" sticky")?;
        }
        Ok(())
    }
}
