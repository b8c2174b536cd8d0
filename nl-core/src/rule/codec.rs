use std::fmt;

use super::{
    FibRuleHdr, PortRange, RTM_DELRULE, RTM_GETRULE, RTM_NEWRULE, Rule, RuleAction, RuleFlags, UidRange,
};
use crate::addr::IpPrefix;
use crate::attr::{Attr, AttrWriter, DecodeError};
use crate::attr_names;
use crate::error::Since;
use crate::message::{AF_INET, MessageRef, NLM_F_CREATE, NLM_F_EXCL};
use crate::request::Request;

/// The table of a rule that names none.
const RT_TABLE_MAIN: u32 = 254;
/// The kernel's number for "no route is suppressed".
const NONE: u32 = u32::MAX;

impl Rule {
    /// Reads an `RTM_NEWRULE` or `RTM_DELRULE` message, of any family.
    ///
    /// # Errors
    /// The message is of another type, or malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        if !matches!(message.kind(), RTM_NEWRULE | RTM_DELRULE) {
            return Err(DecodeError::Kind(message.kind()));
        }
        let rule = Self::decode_said(message)?;
        // The kernel does not report priority 0.
        Ok(Self { priority: rule.priority.or(Some(0)), ..rule })
    }

    /// Reads a request or an event.
    fn decode_said(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        let (header, attrs) = message.header::<FibRuleHdr>()?;
        let mut rule = Self::blank(header.family);
        rule.tos = header.tos;
        rule.action = header.action.into();
        rule.flags = RuleFlags::from_bits_retain(header.flags);
        let mut table = u32::from(header.table);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                // iproute2 writes an empty one for "from all".
                FRA_DST | FRA_SRC if attr.value().is_empty() => {}
                FRA_DST => rule.dst = Some(prefix(attr, header.dst_len)?),
                FRA_SRC => rule.src = Some(prefix(attr, header.src_len)?),
                FRA_IIFNAME => rule.iif = Some(attr.text()),
                FRA_GOTO => rule.goto = Some(attr.u32()?),
                FRA_PRIORITY => rule.priority = Some(attr.u32()?),
                FRA_FWMARK => rule.fwmark = Some(attr.u32()?),
                FRA_FLOW => rule.realms = Some(attr.u32()?),
                FRA_TUN_ID => rule.tun_id = Some(attr.be64()?),
                FRA_SUPPRESS_IFGROUP => rule.suppress_ifgroup = Some(attr.u32()?).filter(|n| *n != NONE),
                FRA_SUPPRESS_PREFIXLEN => {
                    rule.suppress_prefixlength = Some(attr.u32()?).filter(|n| *n != NONE);
                }
                FRA_TABLE => table = attr.u32()?,
                FRA_FWMASK => rule.fwmask = Some(attr.u32()?),
                FRA_OIFNAME => rule.oif = Some(attr.text()),
                FRA_PAD => {}
                FRA_L3MDEV => rule.l3mdev = attr.u8()? != 0,
                FRA_UID_RANGE => {
                    let mut f = attr.fields();
                    rule.uid_range = Some(UidRange { first: f.u32()?, last: f.u32()? });
                }
                FRA_PROTOCOL => rule.protocol = Some(attr.u8()?).filter(|protocol| *protocol != 0),
                FRA_IP_PROTO => rule.ip_proto = Some(attr.u8()?),
                FRA_SPORT_RANGE => rule.sport = Some(ports(attr)?),
                FRA_DPORT_RANGE => rule.dport = Some(ports(attr)?),
                FRA_DSCP => rule.dscp = Some(attr.u8()?),
                FRA_FLOWLABEL => rule.flowlabel = Some(attr.be32()?),
                FRA_FLOWLABEL_MASK => rule.flowlabel_mask = Some(attr.be32()?),
                FRA_SPORT_MASK => rule.sport_mask = Some(attr.u16()?),
                FRA_DPORT_MASK => rule.dport_mask = Some(attr.u16()?),
                FRA_DSCP_MASK => rule.dscp_mask = Some(attr.u8()?),
                _ => rule.other.push(attr.into()),
            }
        }
        rule.table = (table != 0).then_some(table);
        Ok(rule)
    }

    /// The request that does this with the rule. One that the kernel would refuse, or would take and quietly do something else, is
    /// [refused](Request::invalid_if) when it is sent.
    ///
    /// A kernel that does not know a [newer selector](super#newer-selectors) ignores it.
    #[must_use]
    pub fn request(&self, verb: RuleVerb) -> Request {
        let (action, table) = match (self.action, verb) {
            (RuleAction::Unspecified, RuleVerb::Add) if self.l3mdev => (RuleAction::Table, self.table),
            (RuleAction::Unspecified, RuleVerb::Add) => {
                (RuleAction::Table, Some(self.table.unwrap_or(RT_TABLE_MAIN)))
            }
            (action, _) => (action, self.table),
        };
        let small_table = table.and_then(|table| u8::try_from(table).ok());
        let mut request = Request::new(verb.message(), &NAMES, describe)
            .with_flags(verb.nlm_flags())
            .with_header(&FibRuleHdr {
                family: self.family,
                dst_len: self.dst.map_or(0, |dst| dst.len()),
                src_len: self.src.map_or(0, |src| src.len()),
                tos: self.tos,
                table: small_table.unwrap_or_default(),
                action: action.into(),
                flags: (self.flags - RuleFlags::READ_ONLY).bits(),
            });
        let mut w = request.attrs();
        w.opt(FRA_SRC, self.src.map(|src| src.addr()), AttrWriter::ip);
        w.opt(FRA_DST, self.dst.map(|dst| dst.addr()), AttrWriter::ip);
        w.opt(FRA_PRIORITY, self.priority, AttrWriter::u32);
        w.opt(FRA_FWMARK, self.fwmark, AttrWriter::u32);
        w.opt(FRA_FWMASK, self.fwmask, AttrWriter::u32);
        w.opt(FRA_IIFNAME, self.iif.as_deref(), AttrWriter::str);
        w.opt(FRA_OIFNAME, self.oif.as_deref(), AttrWriter::str);
        if self.l3mdev {
            w.u8(FRA_L3MDEV, 1);
        }
        if let Some(UidRange { first, last }) = self.uid_range {
            w.bytes(FRA_UID_RANGE, [first, last].map(u32::to_ne_bytes).as_flattened());
        }
        w.opt(FRA_IP_PROTO, self.ip_proto, AttrWriter::u8);
        for (kind, range) in [(FRA_SPORT_RANGE, self.sport), (FRA_DPORT_RANGE, self.dport)] {
            if let Some(PortRange { first, last }) = range {
                w.bytes(kind, [first, last].map(u16::to_ne_bytes).as_flattened());
            }
        }
        w.opt(FRA_SPORT_MASK, self.sport_mask, AttrWriter::u16);
        w.opt(FRA_DPORT_MASK, self.dport_mask, AttrWriter::u16);
        w.opt(FRA_DSCP, self.dscp, AttrWriter::u8);
        w.opt(FRA_DSCP_MASK, self.dscp_mask, AttrWriter::u8);
        w.opt(FRA_FLOWLABEL, self.flowlabel, AttrWriter::be32);
        w.opt(FRA_FLOWLABEL_MASK, self.flowlabel_mask, AttrWriter::be32);
        w.opt(FRA_TUN_ID, self.tun_id, AttrWriter::be64);
        if small_table.is_none() {
            w.opt(FRA_TABLE, table, AttrWriter::u32);
        }
        w.opt(FRA_GOTO, self.goto, AttrWriter::u32);
        w.opt(FRA_SUPPRESS_PREFIXLEN, self.suppress_prefixlength, AttrWriter::u32);
        w.opt(FRA_SUPPRESS_IFGROUP, self.suppress_ifgroup, AttrWriter::u32);
        w.opt(FRA_FLOW, self.realms, AttrWriter::u32);
        w.opt(FRA_PROTOCOL, self.protocol, AttrWriter::u8);
        self.other.iter().for_each(|attr| attr.write(&mut w));
        request.invalid_if(self.check(verb))
    }

    /// The newest attribute that the rule needs and an older kernel would ignore, what it is for, and which kernel has it.
    pub(super) fn newest(&self) -> Option<(u16, &'static str, Since)> {
        if self.dscp_mask.is_some() {
            return Some((FRA_DSCP_MASK, "a DSCP mask in rules", Since::linux(6, 15)));
        }
        if self.dport_mask.is_some() || self.sport_mask.is_some() {
            return Some((FRA_DPORT_MASK, "a port mask in rules", Since::linux(6, 15)));
        }
        if self.flowlabel.is_some() || self.flowlabel_mask.is_some() {
            return Some((FRA_FLOWLABEL_MASK, "a flow label in rules", Since::linux(6, 14)));
        }
        let dscp = self.dscp.is_some();
        dscp.then_some((FRA_DSCP, "a DSCP in rules", Since::linux(6, 12)))
    }

    /// A request that every kernel refuses: one that knows attribute `kind` because it is empty, and others because a rule cannot
    /// go to an earlier one.
    pub(super) fn probe(kind: u16) -> Request {
        let header = FibRuleHdr { family: AF_INET, action: RuleAction::Goto.into(), ..FibRuleHdr::default() };
        let mut request = Request::new(RTM_NEWRULE, &NAMES, describe)
            .with_flags(NLM_F_CREATE | NLM_F_EXCL)
            .with_header(&header);
        request.attrs().u32(FRA_PRIORITY, 2).u32(FRA_GOTO, 1).flag(kind);
        request
    }
}

fn prefix(attr: Attr<'_>, len: u8) -> Result<IpPrefix, DecodeError> {
    IpPrefix::new(attr.ip()?, len).map_err(|_| attr.invalid("the prefix is longer than the address"))
}

fn ports(attr: Attr<'_>) -> Result<PortRange, DecodeError> {
    let mut f = attr.fields();
    Ok(PortRange { first: f.u16()?, last: f.u16()? })
}

/// What to do with a rule. There is [no replace](super#there-is-no-replace).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuleVerb {
    /// Add it; fails if the same rule exists.
    Add,
    /// Delete the first that [has all of this](super#deleting-selects).
    Delete,
}

impl RuleVerb {
    const fn message(self) -> u16 {
        match self {
            Self::Add => RTM_NEWRULE,
            Self::Delete => RTM_DELRULE,
        }
    }

    const fn nlm_flags(self) -> u16 {
        match self {
            Self::Add => NLM_F_CREATE | NLM_F_EXCL,
            Self::Delete => 0,
        }
    }
}

/// The word of `ip rule` for it, but for `delete`.
impl fmt::Display for RuleVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Delete => "delete",
        })
    }
}

pub(super) fn describe(message: MessageRef<'_>) -> String {
    let verb = match message.kind() {
        RTM_NEWRULE => "add rule",
        RTM_DELRULE => "delete rule",
        RTM_GETRULE => return "list rules".into(),
        _ => "rule request",
    };
    match Rule::decode_said(message) {
        Ok(rule) => format!("{verb} {rule}"),
        Err(_) => verb.into(),
    }
}

// `include/uapi/linux/fib_rules.h`
attr_names! { pub(super) NAMES: FibRuleHdr {
    FRA_DST = 1,
    FRA_SRC = 2,
    FRA_IIFNAME = 3,
    FRA_GOTO = 4,
    FRA_PRIORITY = 6,
    FRA_FWMARK = 10,
    FRA_FLOW = 11,
    FRA_TUN_ID = 12,
    FRA_SUPPRESS_IFGROUP = 13,
    FRA_SUPPRESS_PREFIXLEN = 14,
    FRA_TABLE = 15,
    FRA_FWMASK = 16,
    FRA_OIFNAME = 17,
    FRA_PAD = 18,
    FRA_L3MDEV = 19,
    FRA_UID_RANGE = 20,
    FRA_PROTOCOL = 21,
    FRA_IP_PROTO = 22,
    FRA_SPORT_RANGE = 23,
    FRA_DPORT_RANGE = 24,
    FRA_DSCP = 25,
    FRA_FLOWLABEL = 26,
    FRA_FLOWLABEL_MASK = 27,
    FRA_SPORT_MASK = 28,
    FRA_DPORT_MASK = 29,
    FRA_DSCP_MASK = 30,
} }
