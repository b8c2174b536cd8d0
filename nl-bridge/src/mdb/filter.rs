use std::net::IpAddr;

use nl_core::Request;
use nl_core::attr::AttrWriter;
use nl_core::check::{Invalid, check_index, opt_within};
use nl_core::message::{AF_BRIDGE, NLM_F_BULK};

use super::codec::{
    BrPortMsg, MDBA_SET_ENTRY, MDBA_SET_ENTRY_ATTRS, MDBE_ATTR_DST, MDBE_ATTR_DST_PORT, MDBE_ATTR_RTPROT,
    MDBE_ATTR_SRC_VNI, MDBE_ATTR_STATE_MASK, MDBE_ATTR_VNI, NAMES, RTM_DELMDB, RTM_GETMDB, describe, fixed,
};
use super::{MdbEntry, MdbState};
use crate::{VlanId, Vni};

/// Which entries are listed or flushed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MdbFilter {
    /// Those of this bridge or VXLAN device.
    pub dev: Option<u32>,
    /// Those of this port.
    pub port: Option<u32>,
    /// Those in this VLAN, 1 to 4094.
    pub vlan: Option<u16>,
    /// Those that this protocol put there.
    pub protocol: Option<u8>,
    /// Those that do not age, or those that do.
    pub permanent: Option<bool>,
    /// VXLAN: those to this endpoint.
    pub dst: Option<IpAddr>,
    /// VXLAN: those to this UDP port.
    pub dst_port: Option<u16>,
    /// VXLAN: those with this VNI.
    pub vni: Option<u32>,
    /// VXLAN: those that belong to this VNI.
    pub src_vni: Option<u32>,
}

impl MdbFilter {
    /// Whether an entry matches.
    #[must_use]
    pub fn matches(&self, entry: &MdbEntry) -> bool {
        let same = |wanted: Option<u32>, is: u32| wanted.is_none_or(|wanted| wanted == is);
        same(self.dev, entry.dev)
            && same(self.port, entry.port)
            && (self.vlan.is_none() || self.vlan == entry.vlan)
            && (self.protocol.is_none() || self.protocol == entry.protocol)
            && self.permanent.is_none_or(|yes| (entry.state == MdbState::Permanent) == yes)
            && (self.dst.is_none() || self.dst == entry.dst)
            && (self.dst_port.is_none() || self.dst_port == entry.dst_port)
            && (self.vni.is_none() || self.vni == entry.vni)
            && (self.src_vni.is_none() || self.src_vni == entry.src_vni)
    }

    /// The request that lists all entries.
    #[must_use]
    pub fn list_request(&self) -> Request {
        let header = BrPortMsg { family: AF_BRIDGE, index: 0 };
        Request::new(RTM_GETMDB, &NAMES, describe).with_header(&header).invalid_if(self.check())
    }

    /// The request that removes those that match. Linux 6.8.
    #[must_use]
    pub fn flush_request(&self) -> Request {
        let header = BrPortMsg { family: AF_BRIDGE, index: self.dev.unwrap_or(0) };
        let mut request =
            Request::new(RTM_DELMDB, &NAMES, describe).with_flags(NLM_F_BULK).with_header(&header);
        let mut w = request.attrs();
        let state = MdbState::from(u8::from(self.permanent == Some(true)));
        w.bytes(MDBA_SET_ENTRY, &fixed(self.port.unwrap_or(0), state.into(), self.vlan, [0; 16], 0));
        let more = [self.vni, self.src_vni].iter().any(Option::is_some)
            || self.protocol.is_some()
            || self.permanent.is_some()
            || self.dst.is_some()
            || self.dst_port.is_some();
        if more {
            let mut more = w.nested(MDBA_SET_ENTRY_ATTRS);
            more.opt(MDBE_ATTR_RTPROT, self.protocol, AttrWriter::u8);
            more.opt(MDBE_ATTR_DST, self.dst, AttrWriter::ip);
            more.opt(MDBE_ATTR_DST_PORT, self.dst_port, AttrWriter::u16);
            more.opt(MDBE_ATTR_VNI, self.vni, AttrWriter::u32);
            more.opt(MDBE_ATTR_SRC_VNI, self.src_vni, AttrWriter::u32);
            more.opt(MDBE_ATTR_STATE_MASK, self.permanent.map(|_| 1), AttrWriter::u8);
        }
        let dev =
            self.dev.map_or(Err("a flush needs a bridge or a VXLAN device: add dev()".into()), check_index);
        request.invalid_if(dev).invalid_if(self.check())
    }

    fn check(&self) -> Result<(), Invalid> {
        opt_within("vid", self.vlan, VlanId::MIN.get(), VlanId::MAX.get())?;
        opt_within("vni", self.vni, 0, Vni::MAX.get())?;
        opt_within("src_vni", self.src_vni, 0, Vni::MAX.get())
    }
}
