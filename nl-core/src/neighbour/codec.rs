use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{
    LinkAddr, NeighbourAges, NeighbourFlags, NeighbourFlagsExt, NeighbourState, RTM_DELNEIGH, RTM_GETNEIGH,
    RTM_NEWNEIGH,
};
use crate::addr::IpFamily;
use crate::attr::{Attr, AttrWriter, DecodeError, RawAttr};
use crate::attr_names;
use crate::check::{Invalid, check_index};
use crate::message::{AF_INET, AF_INET6, MessageRef, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NdMsg};
use crate::request::Request;

/// `USER_HZ`: the kernel reports ages to user space in hundredths of a second.
const MILLIS_PER_TICK: u64 = 10;

/// A neighbour, or an address the host answers for, as it is read and as it is written.
///
/// ```
/// use nl_core::MacAddr;
/// use nl_core::neighbour::{Neighbour, NeighbourVerb};
///
/// let mac: MacAddr = "02:00:00:00:00:01".parse()?;
/// let neighbour = Neighbour::new("192.0.2.7".parse().unwrap(), 5).lladdr(mac);
/// assert_eq!(neighbour.to_string(), "192.0.2.7 dev #5 lladdr 02:00:00:00:00:01 nud permanent");
/// let request = neighbour.request(NeighbourVerb::Replace);
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// States, flags and attributes that this crate does not know survive being read and written back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Neighbour {
    /// The IP address (`NDA_DST`).
    pub dst: IpAddr,
    /// The interface; 0 for an address the host answers for on all of them.
    pub index: u32,
    /// The link-layer address; none while it is not known, and where the device has none (`NDA_LLADDR`).
    pub lladdr: Option<LinkAddr>,
    /// The state (`ndm_state`). An address the host answers for is read without one; written back without one, it is deleted
    /// when the device goes down.
    pub state: NeighbourState,
    /// Flags (`ndm_flags`).
    pub flags: NeighbourFlags,
    /// Further flags (`NDA_FLAGS_EXT`).
    pub flags_ext: NeighbourFlagsExt,
    /// Who put it there (`RTPROT_*`, `NDA_PROTOCOL`).
    pub protocol: Option<u8>,
    /// The number of probes without an answer; only read (`NDA_PROBES`).
    pub probes: Option<u32>,
    /// How old it is; only read (`NDA_CACHEINFO`).
    pub ages: Option<NeighbourAges>,
    /// `ndm_type`: what a packet to it is, such as 1 for unicast and 5 for multicast (`RTN_*`); only read.
    pub kind: u8,
    /// Attributes that this crate does not know.
    pub other: Vec<RawAttr>,
}

impl Neighbour {
    /// The neighbour `dst` on the interface `index`, permanent, which is the default of `ip neighbour`.
    #[must_use]
    pub fn new(dst: IpAddr, index: u32) -> Self {
        Self { state: NeighbourState::PERMANENT, ..Self::blank(dst, index) }
    }

    fn blank(dst: IpAddr, index: u32) -> Self {
        Self {
            dst,
            index,
            lladdr: None,
            state: NeighbourState::empty(),
            flags: NeighbourFlags::empty(),
            flags_ext: NeighbourFlagsExt::empty(),
            protocol: None,
            probes: None,
            ages: None,
            kind: 0,
            other: Vec::new(),
        }
    }

    /// With this link-layer address (`lladdr`).
    #[must_use]
    pub fn lladdr(mut self, lladdr: impl Into<LinkAddr>) -> Self {
        self.lladdr = Some(lladdr.into());
        self
    }

    /// In this state (`nud`).
    #[must_use]
    pub fn state(mut self, state: NeighbourState) -> Self {
        self.state = state;
        self
    }

    /// An address for which the host answers in place of its owner (`proxy`). The kernel does so only where the sysctl
    /// `net.ipv6.conf.DEV.proxy_ndp` is on, or for IPv4 where it forwards.
    #[must_use]
    pub fn proxy(self) -> Self {
        self.with_flag(NeighbourFlags::PROXY)
    }

    /// IPv6: a router (`router`).
    #[must_use]
    pub fn router(self) -> Self {
        self.with_flag(NeighbourFlags::ROUTER)
    }

    /// Put there by a control plane (`extern_learn`): not collected by the kernel.
    #[must_use]
    pub fn extern_learn(self) -> Self {
        self.with_flag(NeighbourFlags::EXT_LEARNED)
    }

    /// The kernel resolves it now, as if a packet were sent (`use`).
    #[must_use]
    pub fn use_(self) -> Self {
        self.with_flag(NeighbourFlags::USE)
    }

    /// Kept resolved by the kernel, and so in no state of the caller's (`managed`). Linux 5.16.
    #[must_use]
    pub fn managed(mut self) -> Self {
        self.flags_ext |= NeighbourFlagsExt::MANAGED;
        self.state = NeighbourState::empty();
        self
    }

    /// Validated by a control plane (`extern_valid`): the kernel checks it but does not remove it. It needs a link-layer address,
    /// and is [stale](NeighbourState::STALE) until it is used. Linux 6.17.
    #[must_use]
    pub fn extern_valid(mut self) -> Self {
        self.flags_ext |= NeighbourFlagsExt::EXT_VALIDATED;
        if self.state == NeighbourState::PERMANENT {
            self.state = NeighbourState::STALE;
        }
        self
    }

    /// Put there by this protocol, 1 to 255 (`protocol`).
    #[must_use]
    pub fn protocol(mut self, protocol: u8) -> Self {
        self.protocol = Some(protocol);
        self
    }

    fn with_flag(mut self, flag: NeighbourFlags) -> Self {
        self.flags |= flag;
        self
    }

    /// IPv4 or IPv6.
    #[must_use]
    pub fn family(&self) -> IpFamily {
        IpFamily::of(&self.dst)
    }

    /// Whether it is an address the host answers for, and no neighbour.
    #[must_use]
    pub fn is_proxy(&self) -> bool {
        self.flags.contains(NeighbourFlags::PROXY)
    }

    /// Identifies it in its namespace.
    #[must_use]
    pub fn key(&self) -> NeighbourKey {
        NeighbourKey { index: self.index, dst: self.dst, proxy: self.is_proxy() }
    }

    /// The same without what changes as time passes: its ages and the number of probes. The state stays, although the kernel
    /// changes it too.
    #[must_use]
    pub fn without_ages(mut self) -> Self {
        (self.ages, self.probes) = (None, None);
        self
    }

    /// Reads an `RTM_NEWNEIGH` or `RTM_DELNEIGH` message of IPv4 or IPv6.
    ///
    /// # Errors
    /// The message is of another type or family, malformed, or without an address.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        Self::decode_ip(message)?.ok_or(DecodeError::Kind(message.kind()))
    }

    /// The same; `None` for an entry that is not of IP, such as one of a forwarding database.
    pub(super) fn decode_ip(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        match message.kind() {
            RTM_NEWNEIGH | RTM_DELNEIGH => Self::decode_said(message),
            kind => Err(DecodeError::Kind(kind)),
        }
    }

    fn decode_said(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        let (header, attrs) = message.header::<NdMsg>()?;
        if !matches!(header.family, AF_INET | AF_INET6) {
            return Ok(None);
        }
        let mut read = Self::blank(IpAddr::V4(Ipv4Addr::UNSPECIFIED), header.index);
        read.state = NeighbourState::from_bits_retain(header.state);
        read.flags = NeighbourFlags::from_bits_retain(header.flags);
        read.kind = header.kind;
        let mut dst = None;
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                NDA_DST => dst = Some(attr.ip()?),
                // Of a device without addresses.
                NDA_LLADDR if attr.value().is_empty() => {}
                NDA_LLADDR => read.lladdr = Some(LinkAddr::from_attr(attr)?),
                NDA_CACHEINFO => read.ages = Some(ages(attr)?),
                NDA_PROBES => read.probes = Some(attr.u32()?),
                NDA_PROTOCOL => read.protocol = Some(attr.u8()?).filter(|protocol| *protocol != 0),
                NDA_FLAGS_EXT => read.flags_ext = NeighbourFlagsExt::from_bits_retain(attr.u32()?),
                _ => read.other.push(attr.into()),
            }
        }
        read.dst = dst.ok_or(DecodeError::Missing(NDA_DST))?;
        if read.family().number() != header.family {
            return Err(DecodeError::Value { kind: NDA_DST, why: "not of the family in the header" });
        }
        Ok(Some(read))
    }

    /// The request that does this with the entry. One that the kernel would refuse, or would take and quietly do something else,
    /// is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn request(&self, verb: NeighbourVerb) -> Request {
        let writes = verb.writes();
        let proxy = self.flags & NeighbourFlags::PROXY;
        let mut request =
            Request::new(verb.message(), &NAMES, describe).with_flags(verb.nlm_flags()).with_header(&NdMsg {
                family: self.family().number(),
                index: self.index,
                state: if writes { self.state.bits() } else { 0 },
                flags: if writes { self.flags - NeighbourFlags::OFFLOADED } else { proxy }.bits(),
                kind: 0,
            });
        let mut w = request.attrs();
        w.ip(NDA_DST, self.dst);
        if writes {
            w.opt(NDA_LLADDR, self.lladdr.as_ref().map(LinkAddr::as_bytes), AttrWriter::bytes);
            if !self.flags_ext.is_empty() {
                w.u32(NDA_FLAGS_EXT, self.flags_ext.bits());
            }
            w.opt(NDA_PROTOCOL, self.protocol, AttrWriter::u8);
            self.other.iter().for_each(|attr| attr.write(&mut w));
        }
        request.invalid_if(self.check(verb))
    }

    /// Refuses what the kernel would refuse, and where it would do something else than the entry says.
    fn check(&self, verb: NeighbourVerb) -> Result<(), Invalid> {
        if !self.is_proxy() || self.index != 0 {
            check_index(self.index)?;
        }
        if !verb.writes() {
            return Ok(());
        }
        let managed = self.flags_ext.contains(NeighbourFlagsExt::MANAGED);
        let validated = self.flags_ext.contains(NeighbourFlagsExt::EXT_VALIDATED);
        let permanent = self.state.contains(NeighbourState::PERMANENT);
        let why = match () {
            () if self.protocol == Some(0) => "protocol 0; 1 to 255 are possible",
            () if self.flags_ext.contains(NeighbourFlagsExt::LOCKED) => {
                "the locked flag is for forwarding databases"
            }
            () if self.is_proxy() && self.lladdr.is_some() => {
                "proxy and lladdr: the host answers with its own link-layer address"
            }
            () if self.is_proxy() && (managed || validated) => {
                "proxy entries are neither managed nor validated"
            }
            () if self.is_proxy() && verb == NeighbourVerb::Change => {
                "proxy entries are added or replaced; the kernel would add one that is missing"
            }
            () if permanent && managed => "a permanent entry needs no managing: give managed() alone",
            () if permanent && validated => "a permanent entry needs no validation: give another state",
            () if validated && !self.state.intersects(NeighbourState::VALID) => {
                "extern_valid needs a state in which the link-layer address is known, such as STALE"
            }
            () => return Ok(()),
        };
        Err(why.into())
    }
}

fn ages(attr: Attr<'_>) -> Result<NeighbourAges, DecodeError> {
    let mut f = attr.fields();
    let mut age = || Ok(Duration::from_millis(u64::from(f.u32()?) * MILLIS_PER_TICK));
    let (confirmed, used, updated) = (age()?, age()?, age()?);
    Ok(NeighbourAges { confirmed, used, updated, references: f.u32()? })
}

/// Identifies an entry in its namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NeighbourKey {
    /// The interface.
    pub index: u32,
    /// The IP address.
    pub dst: IpAddr,
    /// Whether it is one the host answers for.
    pub proxy: bool,
}

/// What to do with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NeighbourVerb {
    /// Add it; fails if it exists. For proxy entries the kernel treats `Add` like `Replace`.
    Add,
    /// Change the existing entry; fails if there is none.
    Change,
    /// Delete it.
    Delete,
    /// Read it.
    Get,
    /// Add it, or change the existing one.
    Replace,
}

impl NeighbourVerb {
    const fn message(self) -> u16 {
        match self {
            Self::Add | Self::Change | Self::Replace => RTM_NEWNEIGH,
            Self::Delete => RTM_DELNEIGH,
            Self::Get => RTM_GETNEIGH,
        }
    }

    const fn nlm_flags(self) -> u16 {
        match self {
            Self::Add => NLM_F_CREATE | NLM_F_EXCL,
            Self::Change => NLM_F_REPLACE,
            Self::Delete | Self::Get => 0,
            Self::Replace => NLM_F_CREATE | NLM_F_REPLACE,
        }
    }

    pub(super) const fn writes(self) -> bool {
        matches!(self, Self::Add | Self::Change | Self::Replace)
    }
}

/// The word of `ip neighbour` for it, but for `delete`.
impl fmt::Display for NeighbourVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::Get => "get",
            Self::Replace => "replace",
        })
    }
}

/// The words of `ip neighbour`, with `#5` in place of the name of interface 5.
impl fmt::Display for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, self.is_proxy())
    }
}

impl Neighbour {
    /// Without the state where that carries no information.
    fn write(&self, f: &mut impl fmt::Write, stateless: bool) -> fmt::Result {
        if self.is_proxy() {
            f.write_str("proxy ")?;
        }
        write!(f, "{}", self.dst)?;
        if self.index != 0 || !self.is_proxy() {
            write!(f, " dev #{}", self.index)?;
        }
        if let Some(lladdr) = self.lladdr {
            write!(f, " lladdr {lladdr}")?;
        }
        for (flag, word) in [
            (NeighbourFlags::USE, " use"),
            (NeighbourFlags::ROUTER, " router"),
            (NeighbourFlags::EXT_LEARNED, " extern_learn"),
            (NeighbourFlags::OFFLOADED, " offload"),
        ] {
            if self.flags.contains(flag) {
                f.write_str(word)?;
            }
        }
        for (flag, word) in
            [(NeighbourFlagsExt::MANAGED, " managed"), (NeighbourFlagsExt::EXT_VALIDATED, " extern_valid")]
        {
            if self.flags_ext.contains(flag) {
                f.write_str(word)?;
            }
        }
        if let Some(protocol) = self.protocol {
            write!(f, " protocol {protocol}")?;
        }
        if stateless { Ok(()) } else { write!(f, " nud {}", self.state) }
    }
}

pub(super) fn describe(message: MessageRef<'_>) -> String {
    let verb = match (message.kind(), message.flags()) {
        (RTM_NEWNEIGH, flags) if flags & NLM_F_CREATE == 0 => "change",
        (RTM_NEWNEIGH, flags) if flags & NLM_F_REPLACE != 0 => "replace",
        (RTM_NEWNEIGH, _) => "add",
        (RTM_DELNEIGH, _) => "delete",
        _ => "get",
    };
    let mut text = format!("{verb} neighbour ");
    // Writing to a String cannot fail.
    match (Neighbour::decode_said(message), message.header::<NdMsg>()) {
        (Ok(Some(neighbour)), _) => {
            let stateless = message.kind() != RTM_NEWNEIGH || neighbour.is_proxy();
            let _ = neighbour.write(&mut text, stateless);
        }
        (_, Ok((_, attrs))) if message.kind() == RTM_GETNEIGH => {
            text = "list neighbours".into();
            for (kind, word) in [(NDA_IFINDEX, "dev"), (NDA_MASTER, "master")] {
                if let Some(index) = attrs.find(kind).ok().flatten().and_then(|attr| attr.u32().ok()) {
                    text.push_str(&format!(" {word} #{index}"));
                }
            }
        }
        _ => text.truncate(text.trim_end().len()),
    }
    text
}

// `include/uapi/linux/neighbour.h`
attr_names! { pub(super) NAMES: NdMsg {
    NDA_DST = 1,
    NDA_LLADDR = 2,
    NDA_CACHEINFO = 3,
    NDA_PROBES = 4,
    NDA_IFINDEX = 8,
    NDA_MASTER = 9,
    NDA_PROTOCOL = 12,
    NDA_FLAGS_EXT = 15,
} }
