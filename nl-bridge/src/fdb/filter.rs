use std::net::IpAddr;

use nl_core::attr::AttrWriter;
use nl_core::check::{Invalid, opt_within};
use nl_core::message::{AF_BRIDGE, NLM_F_BULK, NdMsg};
use nl_core::{MacAddr, Request};

use super::codec::{
    FdbEntry, NAMES, NDA_DST, NDA_IFINDEX, NDA_MASTER, NDA_NDM_FLAGS_MASK, NDA_NDM_STATE_MASK, NDA_NH_ID,
    NDA_PORT, NDA_SRC_VNI, NDA_VLAN, NDA_VNI, VNI_MAX, check_vlan, describe,
};
use super::flags::{FdbFlags, FdbState};
use super::verb::{RTM_DELNEIGH, RTM_GETNEIGH};

/// Which entries to list or flush.
///
/// `index` and `bridge` are filtered by the kernel; when listing, the rest is filtered while reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FdbFilter {
    /// On this interface.
    pub index: Option<u32>,
    /// In the table of this bridge; when listing, also in those of its ports themselves.
    pub bridge: Option<u32>,
    /// In this VLAN, 1 to 4094.
    pub vlan: Option<u16>,
    /// With this address; only when listing.
    pub mac: Option<MacAddr>,
    /// VXLAN: with this remote endpoint.
    pub dst: Option<IpAddr>,
    /// VXLAN: with this UDP port of the remote, 1 to 65535.
    pub port: Option<u16>,
    /// VXLAN: sent with this VNI, 0 to 16777215; when flushing from 1 on.
    pub vni: Option<u32>,
    /// VXLAN: belonging to this VNI, 0 to 16777215; when flushing from 1 on.
    pub src_vni: Option<u32>,
    /// VXLAN: behind this FDB nexthop group, from 1 on.
    pub nexthop: Option<u32>,
    /// With the state bits in `state.0` set as in `state.1`. An entry of a bridge that is permanent has both
    /// [`PERMANENT`](FdbState::PERMANENT) and [`NOARP`](FdbState::NOARP) here.
    pub state: Option<(FdbState, FdbState)>,
    /// With the flags in `flags.0` set as in `flags.1`.
    pub flags: Option<(FdbFlags, FdbFlags)>,
}

/// What an entry of a VXLAN device has where the kernel leaves an attribute out: the values of the device.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Defaults {
    pub(super) vni: u32,
    pub(super) port: u16,
}

/// What a flush can select by flags, beside the table.
const SELECTING: FdbFlags = FdbFlags::USE
    .union(FdbFlags::EXT_LEARNED)
    .union(FdbFlags::STICKY)
    .union(FdbFlags::OFFLOADED)
    .union(FdbFlags::ROUTER);
/// Flags that a bridge's own addresses never have.
const NEVER_OWN: FdbFlags = FdbFlags::USE.union(FdbFlags::EXT_LEARNED).union(FdbFlags::STICKY);

impl FdbFilter {
    /// The request that lists what the kernel can filter.
    #[must_use]
    pub fn list_request(&self) -> Request {
        let header = NdMsg { family: AF_BRIDGE, index: self.index.unwrap_or(0), ..NdMsg::default() };
        let mut request = Request::new(RTM_GETNEIGH, &NAMES, describe).with_header(&header);
        if let Some(bridge) = self.bridge {
            request.attrs().u32(NDA_MASTER, bridge);
        }
        request.invalid_if(self.check(0))
    }

    /// Whether an entry passes what the kernel does not filter when listing.
    ///
    /// The kernel leaves the port and the VNIs of a VXLAN entry out where they are the device's: such an entry passes no filter
    /// for them here, and does in [`Entries`](super::Entries), which knows the device.
    #[must_use]
    pub fn matches(&self, entry: &FdbEntry) -> bool {
        self.matches_on(entry, None)
    }

    /// The same for an entry of a device with these defaults.
    pub(super) fn matches_on(&self, entry: &FdbEntry, device: Option<Defaults>) -> bool {
        let remote = device.filter(|_| entry.dst.is_some());
        let own = device.filter(|_| entry.is_tunnel());
        let permanent = entry.is_bridge() && entry.is_permanent();
        let state = if permanent { entry.state | FdbState::NOARP } else { entry.state };
        self.vlan.is_none_or(|vlan| entry.vlan == Some(vlan))
            && self.mac.is_none_or(|mac| entry.mac == mac)
            && self.dst.is_none_or(|dst| entry.dst == Some(dst))
            && self.port.is_none_or(|port| entry.port.or(remote.map(|d| d.port)) == Some(port))
            && self.vni.is_none_or(|vni| entry.vni.or(remote.map(|d| d.vni)) == Some(vni))
            && self.src_vni.is_none_or(|vni| entry.src_vni.or(own.map(|d| d.vni)) == Some(vni))
            && self.nexthop.is_none_or(|id| entry.nexthop == Some(id))
            && self.state.is_none_or(|(mask, value)| state & mask == value)
            && self.flags.is_none_or(|(mask, value)| entry.flags & mask == value)
    }

    /// Whether it filters by what the kernel leaves out of entries.
    pub(super) fn needs_defaults(&self) -> bool {
        self.port.is_some() || self.vni.is_some() || self.src_vni.is_some()
    }

    /// The request that removes all that match in one go.
    ///
    /// On a bridge these are also its own addresses, if the filter does not exclude them, and a bridge without them no longer
    /// answers: see [`sparing_own_addresses`](Self::sparing_own_addresses).
    #[must_use]
    pub fn flush_request(&self) -> Request {
        // The masks select: without a mask the kernel takes the values for nothing.
        let (state_mask, state) = self.state.unwrap_or_default();
        let (flags_mask, flags) = self.flags.unwrap_or_default();
        let (index, target, port) = match (self.bridge, self.index) {
            (Some(bridge), port) => (bridge, FdbFlags::SELF, port),
            (None, Some(index)) => (index, flags_mask & (FdbFlags::SELF | FdbFlags::MASTER) & flags, None),
            (None, None) => (0, FdbFlags::empty(), None),
        };
        let mut request =
            Request::new(RTM_DELNEIGH, &NAMES, describe).with_flags(NLM_F_BULK).with_header(&NdMsg {
                family: AF_BRIDGE,
                index,
                state: state.bits(),
                flags: ((flags & SELECTING) | target).bits(),
                kind: 0,
            });
        let mut w = request.attrs();
        w.opt(NDA_VLAN, self.vlan, AttrWriter::u16);
        w.opt(NDA_IFINDEX, port, AttrWriter::u32);
        w.opt(NDA_PORT, self.port, AttrWriter::be16);
        w.opt(NDA_VNI, self.vni, AttrWriter::u32);
        w.opt(NDA_SRC_VNI, self.src_vni, AttrWriter::u32);
        w.opt(NDA_DST, self.dst, AttrWriter::ip);
        w.opt(NDA_NH_ID, self.nexthop, AttrWriter::u32);
        if !state_mask.is_empty() {
            w.u16(NDA_NDM_STATE_MASK, state_mask.bits());
        }
        if !(flags_mask & SELECTING).is_empty() {
            w.u8(NDA_NDM_FLAGS_MASK, (flags_mask & SELECTING).bits());
        }
        request
            .invalid_if(Invalid::when(index == 0, "a flush needs a bridge or a device"))
            .invalid_if(Invalid::when(
                self.mac.is_some(),
                "a flush cannot select by MAC address: delete the entry",
            ))
            // 0 is no filter to the kernel, so everything would go.
            .invalid_if(self.check(1))
    }

    /// The filters that together select the same entries of a bridge, but for the bridge's own addresses: those of itself and of
    /// its ports that nobody added.
    ///
    /// ```
    /// use nl_bridge::fdb::FdbFilter;
    ///
    /// let mut filter = FdbFilter::default();
    /// filter.bridge = Some(5);
    /// // Those that are not permanent, and those that are and were added.
    /// assert_eq!(filter.sparing_own_addresses().len(), 2);
    /// ```
    #[must_use]
    pub fn sparing_own_addresses(&self) -> Vec<Self> {
        let (mask, value) = self.state.unwrap_or_default();
        let (flags_mask, flags) = self.flags.unwrap_or_default();
        let excluded = mask.contains(FdbState::PERMANENT) && !value.contains(FdbState::PERMANENT);
        if excluded || (flags_mask & flags).intersects(NEVER_OWN) {
            return vec![self.clone()];
        }
        let mut added = self.clone();
        added.state = Some((mask | FdbState::PERMANENT, value | FdbState::PERMANENT));
        added.flags = Some((flags_mask | FdbFlags::USE, flags | FdbFlags::USE));
        if mask.contains(FdbState::PERMANENT) {
            return vec![added];
        }
        let mut others = self.clone();
        others.state = Some((mask | FdbState::PERMANENT, value));
        vec![added, others]
    }

    fn check(&self, least_vni: u32) -> Result<(), Invalid> {
        check_vlan(self.vlan)?;
        opt_within("port", self.port, 1, u16::MAX)?;
        opt_within("vni", self.vni, least_vni, VNI_MAX)?;
        opt_within("src_vni", self.src_vni, least_vni, VNI_MAX)?;
        opt_within("nexthop id", self.nexthop, 1, u32::MAX)
    }
}
