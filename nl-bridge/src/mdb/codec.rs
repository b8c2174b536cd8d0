use std::fmt;
use std::net::IpAddr;

use nl_core::attr::{AttrWriter, Attrs, DecodeError, Fields};
use nl_core::check::{Invalid, check_index, opt_within};
use nl_core::message::{
    AF_BRIDGE, FixedHeader, MessageRef, NLM_F_BULK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE,
};
use nl_core::{MacAddr, Request, attr_names};

use super::{MdbEntry, MdbFlags, MdbGroup, MdbMode, MdbSource, MdbState};
use crate::{VlanId, Vni};

// `include/uapi/linux/rtnetlink.h`
/// The type of messages about entries that exist.
pub const RTM_NEWMDB: u16 = 84;
/// The type of messages about deleted entries.
pub const RTM_DELMDB: u16 = 85;
pub(super) const RTM_GETMDB: u16 = 86;

// `include/uapi/linux/if_ether.h`
const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;

/// `struct br_port_msg` of `include/uapi/linux/if_bridge.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BrPortMsg {
    pub(super) family: u8,
    pub(super) index: u32,
}

impl FixedHeader for BrPortMsg {
    const LEN: usize = 8;
    const NAME: &'static str = "br_port_msg";

    fn write(&self, out: &mut Vec<u8>) {
        let [a, b, c, d] = self.index.to_ne_bytes();
        out.extend_from_slice(&[self.family, 0, 0, 0, a, b, c, d]);
    }

    fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let mut f = Fields::named(Self::NAME, payload);
        let [family, ..] = f.array::<4>()?;
        let header = Self { family, index: f.u32()? };
        Ok((header, f.rest()))
    }
}

/// `struct br_mdb_entry`: port, state, flags, VLAN, group.
pub(super) const ENTRY_LEN: usize = 28;

impl MdbEntry {
    /// Reads the structure that every entry has; `None` if its group is of a protocol that there is no type for.
    pub(super) fn read_fixed(dev: u32, mut f: Fields<'_>) -> Result<Option<Self>, DecodeError> {
        let port = f.u32()?;
        let [state, flags] = f.array()?;
        let vlan = f.u16()?;
        let bytes = f.array::<16>()?;
        let protocol = u16::from_be_bytes(f.array()?);
        let [a, b, c, d, e, g, ..] = bytes;
        let group = match protocol {
            ETH_P_IP => MdbGroup::Ip(IpAddr::from([a, b, c, d])),
            ETH_P_IPV6 => MdbGroup::Ip(IpAddr::from(bytes)),
            0 => MdbGroup::Mac(MacAddr::new([a, b, c, d, e, g])),
            _ => return Ok(None),
        };
        Ok(Some(Self {
            state: MdbState::from(state),
            flags: MdbFlags::from_bits_retain(flags),
            vlan: Some(vlan).filter(|vlan| *vlan != 0),
            ..Self::new(dev, port, group)
        }))
    }

    /// The structure.
    fn fixed(&self) -> [u8; ENTRY_LEN] {
        let (group, protocol) = match self.group {
            MdbGroup::Ip(IpAddr::V4(group)) => (padded(&group.octets()), ETH_P_IP),
            MdbGroup::Ip(IpAddr::V6(group)) => (group.octets(), ETH_P_IPV6),
            MdbGroup::Mac(group) => (padded(&group.octets()), 0),
        };
        fixed(self.port, self.state.into(), self.vlan, group, protocol)
    }

    /// Reads a request.
    pub(super) fn decode_request(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        let (header, attrs) = message.header::<BrPortMsg>()?;
        let Some(fixed) = attrs.find(MDBA_SET_ENTRY)? else { return Ok(None) };
        let Some(mut entry) = Self::read_fixed(header.index, fixed.fields())? else { return Ok(None) };
        if let Some(more) = attrs.find(MDBA_SET_ENTRY_ATTRS)? {
            entry.read_request(more.attrs())?;
        }
        Ok(Some(entry))
    }

    fn read_request(&mut self, attrs: Attrs<'_>) -> Result<(), DecodeError> {
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                MDBE_ATTR_SOURCE => self.source = Some(attr.ip()?),
                MDBE_ATTR_SRC_LIST => {
                    for entry in attr.attrs() {
                        if let Some(addr) = entry?.attrs().find(MDBE_SRCATTR_ADDRESS)? {
                            self.sources.push(addr.ip()?.into());
                        }
                    }
                }
                MDBE_ATTR_GROUP_MODE => self.mode = Some(MdbMode::from(attr.u8()?)),
                MDBE_ATTR_RTPROT => self.protocol = Some(attr.u8()?),
                MDBE_ATTR_DST => self.dst = Some(attr.ip()?),
                MDBE_ATTR_DST_PORT => self.dst_port = Some(attr.u16()?),
                MDBE_ATTR_VNI => self.vni = Some(attr.u32()?),
                MDBE_ATTR_IFINDEX => self.via = Some(attr.u32()?),
                MDBE_ATTR_SRC_VNI => self.src_vni = Some(attr.u32()?),
                _ => {}
            }
        }
        Ok(())
    }

    /// The request that does this with the entry. One that the kernel would refuse, or would take and quietly do something else, is
    /// [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn request(&self, verb: MdbVerb) -> Request {
        let mut request = Request::new(verb.message(), &NAMES, describe)
            .with_flags(verb.nlm_flags())
            .with_header(&BrPortMsg { family: AF_BRIDGE, index: self.dev });
        let mut w = request.attrs();
        let mut fixed = self.clone();
        if matches!(verb, MdbVerb::Get | MdbVerb::Delete) {
            // An entry is found whatever its state is.
            fixed.state = MdbState::Temporary;
        }
        if verb == MdbVerb::Get {
            // The kernel refuses a port there.
            fixed.port = 0;
        }
        w.bytes(MDBA_SET_ENTRY, &fixed.fixed());
        if self.has_more(verb) {
            let mut more = w.nested(MDBA_SET_ENTRY_ATTRS);
            more.opt(MDBE_ATTR_SOURCE, self.source, AttrWriter::ip);
            match verb {
                MdbVerb::Get => {
                    more.opt(MDBE_ATTR_SRC_VNI, self.src_vni, AttrWriter::u32);
                }
                _ => self.encode_more(&mut more),
            }
        }
        request.invalid_if(self.check(verb))
    }

    /// Whether there is something beside the structure.
    fn has_more(&self, verb: MdbVerb) -> bool {
        let asked = self.source.is_some() || self.src_vni.is_some();
        let set =
            self.mode.is_some() || !self.sources.is_empty() || self.protocol.is_some() || self.is_tunnel();
        asked || (set && verb != MdbVerb::Get)
    }

    fn encode_more(&self, w: &mut AttrWriter<'_>) {
        w.opt(MDBE_ATTR_GROUP_MODE, self.mode.map(u8::from), AttrWriter::u8);
        if !self.sources.is_empty() {
            let mut list = w.nested(MDBE_ATTR_SRC_LIST);
            for MdbSource { addr, .. } in &self.sources {
                list.nested(MDBE_SRC_LIST_ENTRY).ip(MDBE_SRCATTR_ADDRESS, *addr);
            }
        }
        w.opt(MDBE_ATTR_RTPROT, self.protocol, AttrWriter::u8);
        w.opt(MDBE_ATTR_DST, self.dst, AttrWriter::ip);
        w.opt(MDBE_ATTR_DST_PORT, self.dst_port, AttrWriter::u16);
        w.opt(MDBE_ATTR_VNI, self.vni, AttrWriter::u32);
        w.opt(MDBE_ATTR_SRC_VNI, self.src_vni, AttrWriter::u32);
        w.opt(MDBE_ATTR_IFINDEX, self.via, AttrWriter::u32);
    }

    fn check(&self, verb: MdbVerb) -> Result<(), Invalid> {
        check_index(self.dev)?;
        opt_within("vid", self.vlan, VlanId::MIN.get(), VlanId::MAX.get())?;
        opt_within("vni", self.vni, 0, Vni::MAX.get())?;
        opt_within("src_vni", self.src_vni, 0, Vni::MAX.get())?;
        if verb == MdbVerb::Get {
            return Ok(());
        }
        check_index(self.port)?;
        if let Some(via) = self.via {
            check_index(via)?;
        }
        if let MdbGroup::Ip(group) = self.group {
            let sources = self.sources.iter().map(|source| source.addr).chain(self.source);
            for source in sources {
                if source.is_ipv4() != group.is_ipv4() {
                    return Err(format!("source {source} and group {group} are of different families").into());
                }
                if source.is_multicast() {
                    return Err(format!("source {source} is a multicast address").into());
                }
            }
            if !group.is_multicast() && !group.is_unspecified() {
                return Err(format!("group {group} is not a multicast address").into());
            }
        }
        let is_mac = matches!(self.group, MdbGroup::Mac(_));
        if let MdbGroup::Mac(group) = self.group
            && !group.is_multicast()
        {
            return Err(format!("group {group} is not a multicast address").into());
        }
        Invalid::when(
            is_mac && (self.source.is_some() || !self.sources.is_empty()),
            "a group of Ethernet has no sources",
        )?;
        Invalid::when(
            is_mac && verb != MdbVerb::Delete && self.state == MdbState::Temporary,
            "an entry for a group of Ethernet does not age: add permanent()",
        )?;
        Invalid::when(
            self.source.is_some() && (self.mode.is_some() || !self.sources.is_empty()),
            "an entry for one source has no list of sources and no mode",
        )?;
        Invalid::when(
            !self.sources.is_empty() && self.mode.is_none(),
            "a list of sources needs a mode: add mode()",
        )?;
        Invalid::when(
            self.mode == Some(MdbMode::Include) && self.sources.is_empty(),
            "mode Include without sources, for which nothing would be forwarded: add sources()",
        )
    }
}

fn padded(bytes: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    out.iter_mut().zip(bytes).for_each(|(out, byte)| *out = *byte);
    out
}

pub(super) fn fixed(
    port: u32,
    state: u8,
    vlan: Option<u16>,
    group: [u8; 16],
    protocol: u16,
) -> [u8; ENTRY_LEN] {
    let mut out = [0; ENTRY_LEN];
    let parts = [
        &port.to_ne_bytes()[..],
        &[state, 0],
        &vlan.unwrap_or(0).to_ne_bytes(),
        &group,
        &protocol.to_be_bytes(),
    ];
    out.iter_mut().zip(parts.into_iter().flatten()).for_each(|(out, byte)| *out = *byte);
    out
}

/// What to do with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MdbVerb {
    /// Make it; fails if it is there.
    Add,
    /// Remove it.
    Delete,
    /// Read it. Linux 6.7.
    Get,
    /// Make it, or change the one that is there. Linux 6.2.
    Replace,
}

impl MdbVerb {
    const fn message(self) -> u16 {
        match self {
            Self::Add | Self::Replace => RTM_NEWMDB,
            Self::Delete => RTM_DELMDB,
            Self::Get => RTM_GETMDB,
        }
    }

    const fn nlm_flags(self) -> u16 {
        match self {
            Self::Add => NLM_F_CREATE | NLM_F_EXCL,
            Self::Replace => NLM_F_CREATE | NLM_F_REPLACE,
            Self::Delete | Self::Get => 0,
        }
    }
}

/// The word of `bridge mdb` for it, but for `delete`.
impl fmt::Display for MdbVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Delete => "delete",
            Self::Get => "get",
            Self::Replace => "replace",
        })
    }
}

/// What is asked for, with `#5` for interface 5.
pub(super) fn describe(message: MessageRef<'_>) -> String {
    let flags = message.flags();
    let verb = match message.kind() {
        RTM_NEWMDB if flags & NLM_F_REPLACE != 0 => "replace",
        RTM_NEWMDB => "add",
        RTM_DELMDB if flags & NLM_F_BULK != 0 => "flush",
        RTM_DELMDB => "delete",
        _ => "get",
    };
    match MdbEntry::decode_request(message) {
        Ok(Some(entry)) if verb == "flush" => {
            let mut text = format!("flush mdb dev #{}", entry.dev);
            if entry.port != 0 {
                text.push_str(&format!(" port #{}", entry.port));
            }
            text
        }
        Ok(Some(entry)) if verb == "get" => format!("get mdb dev #{} grp {}", entry.dev, entry.group),
        Ok(Some(entry)) if verb == "delete" => {
            format!("delete mdb {}", entry.to_string().replacen(" temp", "", 1))
        }
        Ok(Some(entry)) => format!("{verb} mdb {entry}"),
        _ => "list mdb".to_owned(),
    }
}

attr_names! { pub(super) NAMES: BrPortMsg {
    MDBA_SET_ENTRY = 1,
    MDBA_SET_ENTRY_ATTRS = 2 {
        MDBE_ATTR_SOURCE = 1,
        MDBE_ATTR_SRC_LIST = 2 { MDBE_SRC_LIST_ENTRY = 1 in SOURCE },
        MDBE_ATTR_GROUP_MODE = 3,
        MDBE_ATTR_RTPROT = 4,
        MDBE_ATTR_DST = 5,
        MDBE_ATTR_DST_PORT = 6,
        MDBE_ATTR_VNI = 7,
        MDBE_ATTR_IFINDEX = 8,
        MDBE_ATTR_SRC_VNI = 9,
        MDBE_ATTR_STATE_MASK = 10,
    },
} }

attr_names! { SOURCE { MDBE_SRCATTR_ADDRESS = 1 } }
