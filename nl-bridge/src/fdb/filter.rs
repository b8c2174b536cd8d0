use nl_core::attr::AttrWriter;
use nl_core::check::Invalid;
use nl_core::message::{AF_BRIDGE, NLM_F_BULK, NdMsg};
use nl_core::{MacAddr, Request};

use super::codec::{
    NAMES, NDA_IFINDEX, NDA_MASTER, NDA_NDM_FLAGS_MASK, NDA_NDM_STATE_MASK, NDA_VLAN, RTM_DELNEIGH,
    RTM_GETNEIGH, check_vlan, describe,
};
use super::{FdbEntry, FdbFlags, FdbState};

/// Which entries to list or flush.
///
/// `index` and `bridge` are filtered by the kernel; when listing, the rest is filtered while reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FdbFilter {
    /// On this interface.
    pub index: Option<u32>,
    /// In the table of this bridge, and in those of its ports themselves.
    pub bridge: Option<u32>,
    /// In this VLAN, 1 to 4094.
    pub vlan: Option<u16>,
    /// With this address; only when listing.
    pub mac: Option<MacAddr>,
    /// With the state bits in `state.0` set as in `state.1`.
    pub state: Option<(FdbState, FdbState)>,
    /// With the flags in `flags.0` set as in `flags.1`.
    pub flags: Option<(FdbFlags, FdbFlags)>,
}

impl FdbFilter {
    /// The request that lists what the kernel can filter.
    #[must_use]
    pub fn list_request(&self) -> Request {
        let header = NdMsg { family: AF_BRIDGE, index: self.index.unwrap_or(0), ..NdMsg::default() };
        let mut request = Request::new(RTM_GETNEIGH, &NAMES, describe).with_header(&header);
        if let Some(bridge) = self.bridge {
            request.attrs().u32(NDA_MASTER, bridge);
        }
        request.invalid_if(check_vlan(self.vlan))
    }

    /// Whether an entry passes what the kernel does not filter when listing.
    #[must_use]
    pub fn matches(&self, entry: &FdbEntry) -> bool {
        self.vlan.is_none_or(|vlan| entry.vlan == Some(vlan))
            && self.mac.is_none_or(|mac| entry.mac == mac)
            && self.state.is_none_or(|(mask, value)| entry.state & mask == value)
            && self.flags.is_none_or(|(mask, value)| entry.flags & mask == value)
    }

    /// The request that removes all that match in one go.
    ///
    /// Without a [`state`](Self::state) that says otherwise, local entries are spared: those are the bridge's own
    /// addresses, and a bridge without them no longer answers.
    #[must_use]
    pub fn flush_request(&self) -> Request {
        // The masks select; without them the kernel takes the values for nothing and removes everything.
        let (state_mask, state) = self.state.unwrap_or((FdbState::PERMANENT, FdbState::empty()));
        let (flags_mask, flags) = self.flags.unwrap_or_default();
        let (index, target, port) = match (self.bridge, self.index) {
            (Some(bridge), port) => (bridge, FdbFlags::SELF, port),
            (None, Some(index)) => (index, flags_mask & (FdbFlags::SELF | FdbFlags::MASTER) & flags, None),
            (None, None) => (0, FdbFlags::empty(), None),
        };
        let select =
            FdbFlags::USE | FdbFlags::EXT_LEARNED | FdbFlags::STICKY | FdbFlags::OFFLOADED | FdbFlags::ROUTER;
        let mut request =
            Request::new(RTM_DELNEIGH, &NAMES, describe).with_flags(NLM_F_BULK).with_header(&NdMsg {
                family: AF_BRIDGE,
                index,
                state: state.bits(),
                flags: ((flags & select) | target).bits(),
                kind: 0,
            });
        let mut w = request.attrs();
        w.opt(NDA_VLAN, self.vlan, AttrWriter::u16);
        w.opt(NDA_IFINDEX, port, AttrWriter::u32);
        w.u16(NDA_NDM_STATE_MASK, state_mask.bits());
        if !(flags_mask & select).is_empty() {
            w.u8(NDA_NDM_FLAGS_MASK, (flags_mask & select).bits());
        }
        request
            .invalid_if(Invalid::when(index == 0, "a flush needs a bridge or a device"))
            .invalid_if(Invalid::when(
                self.mac.is_some(),
                "a flush cannot select by MAC address: delete the entry",
            ))
            .invalid_if(check_vlan(self.vlan))
    }
}
