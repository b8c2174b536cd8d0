use std::fmt;

use super::{PortRange, RuleAction, RuleFlags, UidRange};
use crate::addr::{IpFamily, IpPrefix, escaped};
use crate::attr::RawAttr;
use crate::message::AF_INET6;

/// The mask of a whole flow label.
const FLOWLABEL_MASK: u32 = 0xf_ffff;

/// A routing policy rule, as it is read and as it is written.
///
/// ```
/// use nl_core::IpFamily;
/// use nl_core::rule::{Rule, RuleVerb};
///
/// let rule = Rule::new(IpFamily::V4).from("192.0.2.0/24".parse()?).priority(100).table(1000);
/// assert_eq!(rule.to_string(), "from 192.0.2.0/24 pref 100 table 1000");
/// let request = rule.request(RuleVerb::Add);
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// Families, actions, flags and attributes that this crate does not know survive being read and written back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Rule {
    /// The family, [`AF_INET`](crate::message::AF_INET) or [`AF_INET6`](crate::message::AF_INET6).
    pub family: u8,
    /// Its place in the order, the lowest first. Without one, a new rule comes before all but that of priority 0
    /// (`FRA_PRIORITY`).
    pub priority: Option<u32>,
    /// From this network (`FRA_SRC`).
    pub src: Option<IpPrefix>,
    /// To this network (`FRA_DST`).
    pub dst: Option<IpPrefix>,
    /// With this type of service, whose two lower bits are 0; 0 for any.
    pub tos: u8,
    /// With this DSCP, 0 to 63 (`FRA_DSCP`, Linux 6.12).
    pub dscp: Option<u8>,
    /// Which of its bits count (`FRA_DSCP_MASK`, Linux 6.15).
    pub dscp_mask: Option<u8>,
    /// IPv6: with this flow label, 0 to 0xfffff (`FRA_FLOWLABEL`, Linux 6.14).
    pub flowlabel: Option<u32>,
    /// Which of its bits count (`FRA_FLOWLABEL_MASK`).
    pub flowlabel_mask: Option<u32>,
    /// With this mark (`FRA_FWMARK`).
    pub fwmark: Option<u32>,
    /// Which of its bits count (`FRA_FWMASK`).
    pub fwmask: Option<u32>,
    /// Arriving by the device of this name, `lo` for those this host sends (`FRA_IIFNAME`).
    pub iif: Option<String>,
    /// Sent from a socket that is bound to the device of this name (`FRA_OIFNAME`).
    pub oif: Option<String>,
    /// Routed by the table of the VRF the packet's device is in (`FRA_L3MDEV`).
    pub l3mdev: bool,
    /// Sent by one of these users (`FRA_UID_RANGE`).
    pub uid_range: Option<UidRange>,
    /// Of this IP protocol, such as 6 for TCP (`FRA_IP_PROTO`).
    pub ip_proto: Option<u8>,
    /// From one of these ports, 1 to 65534 (`FRA_SPORT_RANGE`).
    pub sport: Option<PortRange>,
    /// Which bits of the one port count (`FRA_SPORT_MASK`, Linux 6.15).
    pub sport_mask: Option<u16>,
    /// To one of these ports, 1 to 65534 (`FRA_DPORT_RANGE`).
    pub dport: Option<PortRange>,
    /// Which bits of the one port count (`FRA_DPORT_MASK`, Linux 6.15).
    pub dport_mask: Option<u16>,
    /// With this tunnel key (`FRA_TUN_ID`).
    pub tun_id: Option<u64>,
    /// Its action.
    pub action: RuleAction,
    /// By which table it routes, above 0 (`FRA_TABLE`).
    pub table: Option<u32>,
    /// The priority of the rule to continue with (`FRA_GOTO`).
    pub goto: Option<u32>,
    /// Routes of this length or shorter do not count (`FRA_SUPPRESS_PREFIXLEN`).
    pub suppress_prefixlength: Option<u32>,
    /// Routes through devices of this group do not count (`FRA_SUPPRESS_IFGROUP`).
    pub suppress_ifgroup: Option<u32>,
    /// IPv4: the realms that packets get, that of the source in the upper half (`FRA_FLOW`).
    pub realms: Option<u32>,
    /// Who made it (`RTPROT_*`): 2 for the kernel, or what a program gave (`FRA_PROTOCOL`).
    pub protocol: Option<u8>,
    /// Flags.
    pub flags: RuleFlags,
    /// Attributes that this crate does not know.
    pub other: Vec<RawAttr>,
}

impl Rule {
    /// A rule for all packets of this family, with the default table of `ip rule`, `main`.
    #[must_use]
    pub fn new(family: IpFamily) -> Self {
        Self::blank(family.number())
    }

    pub(super) fn blank(family: u8) -> Self {
        Self {
            family,
            priority: None,
            src: None,
            dst: None,
            tos: 0,
            dscp: None,
            dscp_mask: None,
            flowlabel: None,
            flowlabel_mask: None,
            fwmark: None,
            fwmask: None,
            iif: None,
            oif: None,
            l3mdev: false,
            uid_range: None,
            ip_proto: None,
            sport: None,
            sport_mask: None,
            dport: None,
            dport_mask: None,
            tun_id: None,
            action: RuleAction::Unspecified,
            table: None,
            goto: None,
            suppress_prefixlength: None,
            suppress_ifgroup: None,
            realms: None,
            protocol: None,
            flags: RuleFlags::empty(),
            other: Vec::new(),
        }
    }

    /// At this priority, the lowest first (`pref`).
    #[must_use]
    pub fn priority(mut self, priority: u32) -> Self {
        self.priority = Some(priority);
        self
    }

    /// For the packets that do not match (`not`).
    #[must_use]
    pub fn not_(mut self) -> Self {
        self.flags |= RuleFlags::INVERT;
        self
    }

    /// For packets from this network (`from`).
    #[must_use]
    pub fn from(mut self, src: IpPrefix) -> Self {
        self.src = Some(src);
        self
    }

    /// For packets to this network (`to`).
    #[must_use]
    pub fn to(mut self, dst: IpPrefix) -> Self {
        self.dst = Some(dst);
        self
    }

    /// For packets with this type of service, whose two lower bits are 0 (`tos`). Not together with [`dscp`](Self::dscp).
    #[must_use]
    pub fn tos(mut self, tos: u8) -> Self {
        self.tos = tos;
        self
    }

    /// For packets with this DSCP, 0 to 63 (`dscp`). Linux 6.12.
    #[must_use]
    pub fn dscp(mut self, dscp: u8) -> Self {
        self.dscp = Some(dscp);
        self
    }

    /// For packets whose DSCP has this value in the bits of the mask (`dscp DSCP/MASK`). Linux 6.15.
    #[must_use]
    pub fn dscp_masked(mut self, dscp: u8, mask: u8) -> Self {
        (self.dscp, self.dscp_mask) = (Some(dscp), Some(mask));
        self
    }

    /// IPv6: for packets with this flow label, 0 to 0xfffff (`flowlabel`). Linux 6.14.
    #[must_use]
    pub fn flowlabel(self, label: u32) -> Self {
        self.flowlabel_masked(label, FLOWLABEL_MASK)
    }

    /// IPv6: for packets whose flow label has this value in the bits of the mask (`flowlabel LABEL/MASK`). Linux 6.14.
    #[must_use]
    pub fn flowlabel_masked(mut self, label: u32, mask: u32) -> Self {
        (self.flowlabel, self.flowlabel_mask) = (Some(label), Some(mask));
        self
    }

    /// For packets with this mark (`fwmark`).
    #[must_use]
    pub fn fwmark(mut self, mark: u32) -> Self {
        self.fwmark = Some(mark);
        self
    }

    /// For packets whose mark has this value in the bits of the mask (`fwmark MARK/MASK`).
    #[must_use]
    pub fn fwmark_masked(mut self, mark: u32, mask: u32) -> Self {
        (self.fwmark, self.fwmask) = (Some(mark), Some(mask));
        self
    }

    /// For packets that arrive by the device of this name, `lo` for those this host sends (`iif`). The device need not be there
    /// yet. The kernel keeps the name, not the device.
    #[must_use]
    pub fn iif(mut self, name: impl Into<String>) -> Self {
        self.iif = Some(name.into());
        self
    }

    /// For packets of sockets that are bound to the device of this name (`oif`). The device need not be there yet.
    #[must_use]
    pub fn oif(mut self, name: impl Into<String>) -> Self {
        self.oif = Some(name.into());
        self
    }

    /// Routes by the table of the VRF the packet's device is in (`l3mdev`); takes the place of a table.
    #[must_use]
    pub fn l3mdev(mut self) -> Self {
        self.l3mdev = true;
        self
    }

    /// For packets of these users, by their numbers in the caller's user namespace: `1000`, or `1000..=1999` (`uidrange`).
    #[must_use]
    pub fn uid_range(mut self, uids: impl Into<UidRange>) -> Self {
        self.uid_range = Some(uids.into());
        self
    }

    /// For packets of this IP protocol, 1 to 255, such as 6 for TCP and 17 for UDP (`ipproto`).
    #[must_use]
    pub fn ip_proto(mut self, protocol: u8) -> Self {
        self.ip_proto = Some(protocol);
        self
    }

    /// For packets from these ports, 1 to 65534: `80`, or `1000..=2000` (`sport`).
    #[must_use]
    pub fn sport(mut self, ports: impl Into<PortRange>) -> Self {
        self.sport = Some(ports.into());
        self
    }

    /// For packets from ports with this value in the bits of the mask (`sport PORT/MASK`). Linux 6.15.
    #[must_use]
    pub fn sport_masked(mut self, port: u16, mask: u16) -> Self {
        (self.sport, self.sport_mask) = (Some(port.into()), Some(mask));
        self
    }

    /// For packets to these ports, 1 to 65534: `80`, or `1000..=2000` (`dport`).
    #[must_use]
    pub fn dport(mut self, ports: impl Into<PortRange>) -> Self {
        self.dport = Some(ports.into());
        self
    }

    /// For packets to ports with this value in the bits of the mask (`dport PORT/MASK`). Linux 6.15.
    #[must_use]
    pub fn dport_masked(mut self, port: u16, mask: u16) -> Self {
        (self.dport, self.dport_mask) = (Some(port.into()), Some(mask));
        self
    }

    /// For packets out of a tunnel, with this key (`tun_id`).
    #[must_use]
    pub fn tun_id(mut self, id: u64) -> Self {
        self.tun_id = Some(id);
        self
    }

    /// Routes by this table, above 0 (`table`): 253 is `default`, 254 `main`, 255 `local`.
    #[must_use]
    pub fn table(mut self, table: u32) -> Self {
        self.table = Some(table);
        self
    }

    /// Continues with the rule of this priority, which comes later (`goto`). It need not exist yet.
    #[must_use]
    pub fn goto(mut self, priority: u32) -> Self {
        (self.action, self.goto) = (RuleAction::Goto, Some(priority));
        self
    }

    /// Does nothing: a target for `goto` (`nop`).
    #[must_use]
    pub fn nop(self) -> Self {
        self.with_action(RuleAction::Nop)
    }

    /// Drops packets silently (`blackhole`).
    #[must_use]
    pub fn blackhole(self) -> Self {
        self.with_action(RuleAction::Blackhole)
    }

    /// Drops packets and says that the destination cannot be reached (`unreachable`).
    #[must_use]
    pub fn unreachable(self) -> Self {
        self.with_action(RuleAction::Unreachable)
    }

    /// Drops packets and says that this is prohibited (`prohibit`).
    #[must_use]
    pub fn prohibit(self) -> Self {
        self.with_action(RuleAction::Prohibit)
    }

    /// Does not use routes of this length or shorter: 0 leaves default routes out (`suppress_prefixlength`).
    #[must_use]
    pub fn suppress_prefixlength(mut self, len: u32) -> Self {
        self.suppress_prefixlength = Some(len);
        self
    }

    /// Does not use routes through devices of this group (`suppress_ifgroup`).
    #[must_use]
    pub fn suppress_ifgroup(mut self, group: u32) -> Self {
        self.suppress_ifgroup = Some(group);
        self
    }

    /// IPv4: packets get these realms (`realms FROM/TO`). Needs a kernel with `CONFIG_IP_ROUTE_CLASSID`.
    #[must_use]
    pub fn realms(mut self, from: u16, to: u16) -> Self {
        self.realms = Some(u32::from(from) << 16 | u32::from(to));
        self
    }

    /// Made by this protocol, 1 to 255 (`protocol`).
    #[must_use]
    pub fn protocol(mut self, protocol: u8) -> Self {
        self.protocol = Some(protocol);
        self
    }

    fn with_action(mut self, action: RuleAction) -> Self {
        self.action = action;
        self
    }

    /// Identifies it: everything but what depends on which devices and rules exist.
    #[must_use]
    pub fn key(&self) -> RuleKey {
        let mut rule = self.clone();
        rule.flags -= RuleFlags::READ_ONLY;
        RuleKey(Box::new(rule))
    }

    /// What follows the addresses.
    fn write_selectors(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tos != 0 {
            write!(f, " tos {:#04x}", self.tos)?;
        }
        with_mask(f, "dscp", self.dscp, self.dscp_mask)?;
        if let Some(label) = self.flowlabel {
            write!(f, " flowlabel {label:#x}")?;
            if let Some(mask) = self.flowlabel_mask.filter(|mask| *mask != FLOWLABEL_MASK) {
                write!(f, "/{mask:#x}")?;
            }
        }
        if let Some(mark) = self.fwmark {
            write!(f, " fwmark {mark:#x}")?;
            if let Some(mask) = self.fwmask.filter(|mask| *mask != u32::MAX) {
                write!(f, "/{mask:#x}")?;
            }
        }
        for (word, name) in [("iif", &self.iif), ("oif", &self.oif)] {
            if let Some(name) = name {
                write!(f, " {word} {}", escaped(name))?;
            }
        }
        if self.l3mdev {
            f.write_str(" l3mdev")?;
        }
        if let Some(UidRange { first, last }) = self.uid_range {
            write!(f, " uidrange {first}-{last}")?;
        }
        if let Some(protocol) = self.ip_proto {
            write!(f, " ipproto {protocol}")?;
        }
        with_mask(f, "sport", self.sport, self.sport_mask.filter(|mask| *mask != u16::MAX))?;
        with_mask(f, "dport", self.dport, self.dport_mask.filter(|mask| *mask != u16::MAX))?;
        self.tun_id.map_or(Ok(()), |id| write!(f, " tun_id {id}"))
    }

    fn write_action(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.table {
            Some(253) => f.write_str(" table default")?,
            Some(254) => f.write_str(" table main")?,
            Some(255) => f.write_str(" table local")?,
            Some(table) => write!(f, " table {table}")?,
            None => {}
        }
        match self.action {
            RuleAction::Table | RuleAction::Unspecified => Ok(()),
            RuleAction::Goto => write!(f, " goto {}", self.goto.unwrap_or_default()),
            RuleAction::Nop => f.write_str(" nop"),
            RuleAction::Blackhole => f.write_str(" blackhole"),
            RuleAction::Unreachable => f.write_str(" unreachable"),
            RuleAction::Prohibit => f.write_str(" prohibit"),
            RuleAction::Other(number) => write!(f, " action {number}"),
        }
    }
}

fn with_mask<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    word: &str,
    value: Option<T>,
    mask: Option<impl Into<u32>>,
) -> fmt::Result {
    let Some(value) = value else { return Ok(()) };
    write!(f, " {word} {value}")?;
    mask.map_or(Ok(()), |mask| write!(f, "/{:#x}", mask.into()))
}

/// The words of `ip rule`; those of IPv6 begin with `-6`, unless an address says so.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.family == AF_INET6 && self.src.is_none() && self.dst.is_none() {
            f.write_str("-6 ")?;
        }
        if self.flags.contains(RuleFlags::INVERT) {
            f.write_str("not ")?;
        }
        match self.src {
            Some(src) => write!(f, "from {src}")?,
            None => f.write_str("from all")?,
        }
        if let Some(dst) = self.dst {
            write!(f, " to {dst}")?;
        }
        self.write_selectors(f)?;
        for (word, value) in [
            ("pref", self.priority),
            ("suppress_prefixlength", self.suppress_prefixlength),
            ("suppress_ifgroup", self.suppress_ifgroup),
        ] {
            if let Some(value) = value {
                write!(f, " {word} {value}")?;
            }
        }
        if let Some(realms) = self.realms {
            write!(f, " realms {}/{}", realms >> 16, realms & 0xffff)?;
        }
        self.write_action(f)?;
        if let Some(protocol) = self.protocol {
            write!(f, " protocol {protocol}")?;
        }
        Ok(())
    }
}

/// Identifies a rule. Two rules that are equal in everything have the same key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleKey(Box<Rule>);
