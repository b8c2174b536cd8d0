use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{AddressFlags, AddressScope, IfAddrMsg, Lifetime, RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR};
use crate::addr::{IFNAME_MAX, IpFamily, IpPrefix, escaped};
use crate::attr::{AttrWriter, DecodeError, RawAttr};
use crate::attr_names;
use crate::check::{Invalid, check_index};
use crate::message::{AF_INET, AF_INET6, MessageRef, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use crate::request::Request;

/// `USER_HZ`: the kernel reports times to user space in hundredths of a second.
const MILLIS_PER_TICK: u64 = 10;
/// Flags above these do not fit the header.
const HEADER_FLAGS: u32 = 0xff;

/// An IP address of a device, as it is read and as it is written.
///
/// ```
/// use nl_core::address::{Address, AddressVerb};
///
/// let address = Address::new("192.0.2.1/24".parse()?, 5).label("eth0:1").noprefixroute();
/// assert_eq!(address.to_string(), "192.0.2.1/24 dev #5 scope global label eth0:1 noprefixroute");
/// let request = address.request(AddressVerb::Add);
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// Flags, scopes and attributes that this crate does not know survive being read and written back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Address {
    /// The interface.
    pub index: u32,
    /// The address of this end (`IFA_LOCAL`, or `IFA_ADDRESS` where there is no peer).
    pub local: IpAddr,
    /// How many bits of it, or of the peer's address, name the network: 0 to 32, or to 128 for IPv6.
    pub prefix_len: u8,
    /// The address of the other end of a point-to-point link (`IFA_ADDRESS`).
    pub peer: Option<IpAddr>,
    /// IPv4: the name by which old programs know the address, 1 to 15 bytes; the kernel uses the name of the device if there is
    /// none (`IFA_LABEL`).
    pub label: Option<String>,
    /// IPv4: the broadcast address of the network (`IFA_BROADCAST`).
    pub broadcast: Option<Ipv4Addr>,
    /// An anycast address; no kernel sets it in these messages (`IFA_ANYCAST`).
    pub anycast: Option<IpAddr>,
    /// A multicast group; no kernel sets it in these messages (`IFA_MULTICAST`).
    pub multicast: Option<IpAddr>,
    /// Its scope.
    pub scope: AddressScope,
    /// Flags (`IFA_FLAGS`).
    pub flags: AddressFlags,
    /// How long it stays valid; the kernel then deletes it (`ifa_valid` in `IFA_CACHEINFO`).
    pub valid: Option<Lifetime>,
    /// For how long it is preferred as a source, and then [deprecated](AddressFlags::DEPRECATED) (`ifa_prefered` in
    /// `IFA_CACHEINFO`).
    pub preferred: Option<Lifetime>,
    /// When it was added, as time since boot, to a hundredth of a second; only read.
    pub created: Option<Duration>,
    /// When it was last changed, as time since boot, to a hundredth of a second; only read.
    pub updated: Option<Duration>,
    /// The metric of the route to its network (`IFA_RT_PRIORITY`).
    pub metric: Option<u32>,
    /// The namespace the device is in, where another one was asked for; only read (`IFA_TARGET_NETNSID`).
    pub target_netnsid: Option<i32>,
    /// Who added it: 1 for the loopback device's, 2 for router advertisements, 3 for link-local ones, or what a program set. Linux
    /// 5.18 (`IFA_PROTO`).
    pub proto: Option<u8>,
    /// Attributes that this crate does not know.
    pub other: Vec<RawAttr>,
}

impl Address {
    /// An address on the interface `index`: of global scope, or of host scope for `127.0.0.0/8`, as `ip address` has it.
    #[must_use]
    pub fn new(prefix: IpPrefix, index: u32) -> Self {
        let local = prefix.addr();
        let scope = match local {
            IpAddr::V4(v4) if v4.is_loopback() => AddressScope::Host,
            _ => AddressScope::Global,
        };
        Self { scope, ..Self::blank(local, prefix.len(), index) }
    }

    fn blank(local: IpAddr, prefix_len: u8, index: u32) -> Self {
        Self {
            index,
            local,
            prefix_len,
            peer: None,
            label: None,
            broadcast: None,
            anycast: None,
            multicast: None,
            scope: AddressScope::Global,
            flags: AddressFlags::empty(),
            valid: None,
            preferred: None,
            created: None,
            updated: None,
            metric: None,
            target_netnsid: None,
            proto: None,
            other: Vec::new(),
        }
    }

    /// With this address at the other end of the link (`peer`). Its prefix length replaces that of the address.
    #[must_use]
    pub fn peer(mut self, peer: IpPrefix) -> Self {
        (self.peer, self.prefix_len) = (Some(peer.addr()), peer.len());
        self
    }

    /// IPv4: with this label of 1 to 15 bytes, such as `eth0:1` (`label`).
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// IPv4: with this broadcast address (`broadcast`).
    #[must_use]
    pub fn broadcast(mut self, broadcast: Ipv4Addr) -> Self {
        self.broadcast = Some(broadcast);
        self
    }

    /// IPv4: with the broadcast address of its network, all of whose host bits are set (`broadcast +`). An IPv6 address and
    /// one in a network of fewer than four addresses (`/31`, `/32`) has none.
    #[must_use]
    pub fn default_broadcast(mut self) -> Self {
        if let (IpAddr::V4(v4), 0..=30) = (self.peer.unwrap_or(self.local), self.prefix_len) {
            self.broadcast = Some(Ipv4Addr::from(u32::from(v4) | (u32::MAX >> self.prefix_len)));
        }
        self
    }

    /// Of this scope (`scope`). The kernel computes that of an IPv6 address itself.
    #[must_use]
    pub fn scope(mut self, scope: AddressScope) -> Self {
        self.scope = scope;
        self
    }

    /// With this metric of the route to its network (`metric`).
    #[must_use]
    pub fn metric(mut self, metric: u32) -> Self {
        self.metric = Some(metric);
        self
    }

    /// Made by this protocol, 1 to 255 (`proto`). Linux 5.18.
    #[must_use]
    pub fn proto(mut self, proto: u8) -> Self {
        self.proto = Some(proto);
        self
    }

    /// Valid for this long, at least a second, and then removed by the kernel (`valid_lft`). Also preferred for this long,
    /// unless [`preferred_lft`](Self::preferred_lft) says otherwise.
    #[must_use]
    pub fn valid_lft(mut self, lifetime: impl Into<Lifetime>) -> Self {
        self.valid = Some(lifetime.into());
        self
    }

    /// Preferred as a source for this long, no longer than it is valid (`preferred_lft`).
    #[must_use]
    pub fn preferred_lft(mut self, lifetime: impl Into<Lifetime>) -> Self {
        self.preferred = Some(lifetime.into());
        self
    }

    /// IPv6: a home address of Mobile IPv6 (`home`).
    #[must_use]
    pub fn home(self) -> Self {
        self.with_flag(AddressFlags::HOME)
    }

    /// IPv6: usable at once, without duplicate address detection (`nodad`).
    #[must_use]
    pub fn nodad(self) -> Self {
        self.with_flag(AddressFlags::NODAD)
    }

    /// Without the route to its network that the kernel makes otherwise (`noprefixroute`).
    #[must_use]
    pub fn noprefixroute(self) -> Self {
        self.with_flag(AddressFlags::NOPREFIXROUTE)
    }

    /// IPv6: a template from which the kernel makes temporary addresses; only with a `/64` (`mngtmpaddr`).
    #[must_use]
    pub fn mngtmpaddr(self) -> Self {
        self.with_flag(AddressFlags::MANAGETEMPADDR)
    }

    /// IPv6: usable while the network is still asked (`optimistic`).
    #[must_use]
    pub fn optimistic(self) -> Self {
        self.with_flag(AddressFlags::OPTIMISTIC)
    }

    /// A multicast address whose group the kernel joins on the device (`autojoin`).
    #[must_use]
    pub fn autojoin(self) -> Self {
        self.with_flag(AddressFlags::MCAUTOJOIN)
    }

    fn with_flag(mut self, flag: AddressFlags) -> Self {
        self.flags |= flag;
        self
    }

    /// IPv4 or IPv6.
    #[must_use]
    pub fn family(&self) -> IpFamily {
        IpFamily::of(&self.local)
    }

    /// Identifies it in its namespace.
    #[must_use]
    pub fn key(&self) -> AddressKey {
        AddressKey {
            index: self.index,
            local: self.local,
            prefix_len: self.prefix_len,
            // The peer of an IPv6 address can be changed.
            peer: self.peer.filter(IpAddr::is_ipv4),
        }
    }

    /// The same without what changes as time passes: limited lifetimes, and when it was added and changed.
    #[must_use]
    pub fn without_ages(mut self) -> Self {
        let lasting = |lifetime: &Lifetime| *lifetime == Lifetime::Forever;
        (self.valid, self.preferred) = (self.valid.filter(lasting), self.preferred.filter(lasting));
        (self.created, self.updated) = (None, None);
        self
    }

    /// Reads an `RTM_NEWADDR` or `RTM_DELADDR` message of IPv4 or IPv6.
    ///
    /// # Errors
    /// The message is of another type or family, malformed, or without an address.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        Self::decode_ip(message)?.ok_or(DecodeError::Kind(message.kind()))
    }

    /// The same; `None` for an address that is not of IP, such as one of MCTP.
    pub(super) fn decode_ip(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        if !matches!(message.kind(), RTM_NEWADDR | RTM_DELADDR) {
            return Err(DecodeError::Kind(message.kind()));
        }
        let (header, attrs) = message.header::<IfAddrMsg>()?;
        if !matches!(header.family, AF_INET | AF_INET6) {
            return Ok(None);
        }
        let (mut local, mut address) = (None, None);
        let mut read = Self::blank(IpAddr::V4(Ipv4Addr::UNSPECIFIED), header.prefix_len, header.index);
        read.scope = header.scope.into();
        read.flags = AddressFlags::from_bits_retain(header.flags.into());
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                IFA_ADDRESS => address = Some(attr.ip()?),
                IFA_LOCAL => local = Some(attr.ip()?),
                IFA_LABEL => read.label = Some(attr.text()),
                IFA_BROADCAST => read.broadcast = Some(attr.array::<4>()?.into()),
                IFA_ANYCAST => read.anycast = Some(attr.ip()?),
                IFA_CACHEINFO => {
                    let mut f = attr.fields();
                    read.preferred = Some(Lifetime::from_seconds(f.u32()?));
                    read.valid = Some(Lifetime::from_seconds(f.u32()?));
                    (read.created, read.updated) = (Some(since_start(f.u32()?)), Some(since_start(f.u32()?)));
                }
                IFA_MULTICAST => read.multicast = Some(attr.ip()?),
                IFA_FLAGS => read.flags = AddressFlags::from_bits_retain(attr.u32()?),
                IFA_RT_PRIORITY => read.metric = Some(attr.u32()?),
                IFA_TARGET_NETNSID => read.target_netnsid = Some(attr.i32()?),
                IFA_PROTO => read.proto = Some(attr.u8()?),
                _ => read.other.push(attr.into()),
            }
        }
        // The kernel reports a permanent IPv4 address as preferred forever, also if the request said otherwise.
        if read.flags.contains(AddressFlags::DEPRECATED) && read.preferred == Some(Lifetime::Forever) {
            read.preferred = Some(Lifetime::For(Duration::ZERO));
        }
        read.local = local.or(address).ok_or(DecodeError::Missing(IFA_LOCAL))?;
        read.peer = address.filter(|address| *address != read.local);
        if read.family().number() != header.family {
            return Err(DecodeError::Value { kind: IFA_LOCAL, why: "not of the family in the header" });
        }
        Ok(Some(read))
    }

    /// The request that does this with the address. One that the kernel would refuse, or would take and quietly do something
    /// else, is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn request(&self, verb: AddressVerb) -> Request {
        let writes = verb != AddressVerb::Delete;
        let flags = if writes { (self.flags - AddressFlags::READ_ONLY).bits() } else { 0 };
        let mut request = Request::new(verb.message(), &NAMES, describe)
            .with_flags(verb.nlm_flags())
            .with_header(&IfAddrMsg {
                family: self.family().number(),
                prefix_len: self.prefix_len,
                flags: u8::try_from(flags).unwrap_or_default(),
                scope: self.scope.into(),
                index: self.index,
            });
        let mut w = request.attrs();
        w.ip(IFA_LOCAL, self.local);
        w.ip(IFA_ADDRESS, self.peer.unwrap_or(self.local));
        w.opt(IFA_LABEL, self.label.as_deref(), AttrWriter::str);
        if writes {
            w.opt(IFA_BROADCAST, self.broadcast.map(IpAddr::V4), AttrWriter::ip);
            w.opt(IFA_ANYCAST, self.anycast, AttrWriter::ip);
            w.opt(IFA_MULTICAST, self.multicast, AttrWriter::ip);
            if let Some((preferred, valid)) = self.lifetimes() {
                let seconds = |lifetime: Lifetime| lifetime.seconds().unwrap_or_default();
                let words = [seconds(preferred), seconds(valid), 0, 0];
                w.bytes(IFA_CACHEINFO, words.map(u32::to_ne_bytes).as_flattened());
            }
            if flags > HEADER_FLAGS {
                w.u32(IFA_FLAGS, flags);
            }
            w.opt(IFA_RT_PRIORITY, self.metric, AttrWriter::u32);
            w.opt(IFA_PROTO, self.proto, AttrWriter::u8);
            self.other.iter().for_each(|attr| attr.write(&mut w));
        }
        request.invalid_if(self.check(verb))
    }

    /// For how long it is preferred and valid, if either is given: one alone says the other.
    fn lifetimes(&self) -> Option<(Lifetime, Lifetime)> {
        match (self.preferred, self.valid) {
            (None, None) => None,
            (Some(preferred), None) => Some((preferred, Lifetime::Forever)),
            (preferred, Some(valid)) => Some((preferred.unwrap_or(valid), valid)),
        }
    }

    fn check(&self, verb: AddressVerb) -> Result<(), Invalid> {
        check_index(self.index)?;
        IpPrefix::new(self.peer.unwrap_or(self.local), self.prefix_len)?;
        if let Some(peer) = self.peer.filter(|peer| IpFamily::of(peer) != self.family()) {
            return Err(format!("peer {peer} of {}; both must be of IPv4 or of IPv6", self.local).into());
        }
        if let Some(label) = &self.label {
            check_label(label)?;
            Invalid::when(self.local.is_ipv6(), "label on an IPv6 address; only IPv4 addresses have one")?;
        }
        if verb == AddressVerb::Delete {
            return Ok(());
        }
        Invalid::when(
            self.broadcast.is_some() && self.local.is_ipv6(),
            "broadcast on an IPv6 address; only IPv4 addresses have one",
        )?;
        Invalid::when(self.proto == Some(0), "proto 0; 1 to 255 are possible")?;
        let Some((preferred, valid)) = self.lifetimes() else { return Ok(()) };
        for (name, lifetime) in [("valid_lft", valid), ("preferred_lft", preferred)] {
            if lifetime.seconds().is_none() {
                let max = u32::MAX - 1;
                return Err(format!(
                    "{name} {lifetime}; whole seconds up to {max}, or forever, are possible"
                )
                .into());
            }
        }
        Invalid::when(valid.seconds() == Some(0), "valid_lft 0; at least 1 second is possible")?;
        match preferred > valid {
            true => Err(format!("preferred_lft {preferred}; valid_lft {valid} is the limit").into()),
            false => Ok(()),
        }
    }
}

pub(super) fn check_label(label: &str) -> Result<(), Invalid> {
    match label.len() {
        1..=IFNAME_MAX => Ok(()),
        len => {
            Err(format!("label \"{}\" has {len} bytes; 1 to {IFNAME_MAX} are possible", escaped(label))
                .into())
        }
    }
}

fn since_start(ticks: u32) -> Duration {
    Duration::from_millis(u64::from(ticks) * MILLIS_PER_TICK)
}

/// Identifies an address in its namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct AddressKey {
    /// The interface.
    pub index: u32,
    /// The address.
    pub local: IpAddr,
    /// How many bits name the network.
    pub prefix_len: u8,
    /// IPv4: the peer.
    pub peer: Option<IpAddr>,
}

/// What to do with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressVerb {
    /// Add it; fails if the device has it.
    Add,
    /// Delete it.
    Delete,
    /// Add it, or change the lifetimes, the metric and the proto of the existing one; of an IPv6 address the flags and the
    /// peer too.
    ///
    /// Without a lifetime the address becomes permanent, whatever it was before. An existing label and
    /// broadcast address stay as they are.
    Replace,
}

impl AddressVerb {
    const fn message(self) -> u16 {
        match self {
            Self::Add | Self::Replace => RTM_NEWADDR,
            Self::Delete => RTM_DELADDR,
        }
    }

    const fn nlm_flags(self) -> u16 {
        match self {
            Self::Add => NLM_F_CREATE | NLM_F_EXCL,
            Self::Delete => 0,
            Self::Replace => NLM_F_CREATE | NLM_F_REPLACE,
        }
    }
}

/// The word of `ip address` for it, but for `delete`.
impl fmt::Display for AddressVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Delete => "delete",
            Self::Replace => "replace",
        })
    }
}

/// The words of `ip address`, with `#5` in place of the name of interface 5.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer {
            Some(peer) => write!(f, "{} peer {peer}/{}", self.local, self.prefix_len)?,
            None => write!(f, "{}/{}", self.local, self.prefix_len)?,
        }
        write!(f, " dev #{}", self.index)?;
        if let Some(metric) = self.metric {
            write!(f, " metric {metric}")?;
        }
        if let Some(broadcast) = self.broadcast {
            write!(f, " broadcast {broadcast}")?;
        }
        write!(f, " scope {}", self.scope)?;
        if let Some(label) = &self.label {
            write!(f, " label {}", escaped(label))?;
        }
        self.flags.write_words(f)?;
        if let Some(proto) = self.proto {
            write!(f, " proto {proto}")?;
        }
        if let Some(valid) = self.valid {
            write!(f, " valid_lft {valid}")?;
        }
        if let Some(preferred) = self.preferred {
            write!(f, " preferred_lft {preferred}")?;
        }
        Ok(())
    }
}

pub(super) fn describe(message: MessageRef<'_>) -> String {
    let verb = match (message.kind(), message.flags()) {
        (RTM_NEWADDR, flags) if flags & NLM_F_REPLACE != 0 => "replace",
        (RTM_NEWADDR, _) => "add",
        (RTM_DELADDR, _) => "delete",
        _ => "list",
    };
    match (Address::decode(message), message.header::<IfAddrMsg>()) {
        (Ok(address), _) => format!("{verb} address {address}"),
        (Err(_), Ok((header, _))) if message.kind() == RTM_GETADDR && header.index != 0 => {
            format!("list addresses dev #{}", header.index)
        }
        _ if message.kind() == RTM_GETADDR => "list addresses".into(),
        _ => format!("{verb} address"),
    }
}

// `include/uapi/linux/if_addr.h`
attr_names! { pub(super) NAMES: IfAddrMsg {
    IFA_ADDRESS = 1,
    IFA_LOCAL = 2,
    IFA_LABEL = 3,
    IFA_BROADCAST = 4,
    IFA_ANYCAST = 5,
    IFA_CACHEINFO = 6,
    IFA_MULTICAST = 7,
    IFA_FLAGS = 8,
    IFA_RT_PRIORITY = 9,
    IFA_TARGET_NETNSID = 10,
    IFA_PROTO = 11,
} }
