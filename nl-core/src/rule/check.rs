//! What is refused before the kernel is asked.

use super::{PortRange, Rule, RuleAction, RuleVerb};
use crate::addr::{IFNAME_MAX, IpFamily, escaped};
use crate::check::{Invalid, opt_within};
use crate::message::{AF_INET, AF_INET6};

/// The largest port the kernel takes in a rule.
const PORT_MAX: u16 = 65534;
const DSCP_MAX: u8 = 63;
const FLOWLABEL_MAX: u32 = 0xf_ffff;
/// The bits of the type of service that are for congestion notification.
const ECN: u8 = 3;

impl Rule {
    /// Refuses what the kernel would refuse, and where it would do something else than the rule says.
    pub(super) fn check(&self, verb: RuleVerb) -> Result<(), Invalid> {
        self.check_addresses()?;
        self.check_traffic_class()?;
        for (word, name) in [("iif", &self.iif), ("oif", &self.oif)] {
            check_device(word, name.as_deref())?;
        }
        check_ports("sport", self.sport, self.sport_mask)?;
        check_ports("dport", self.dport, self.dport_mask)?;
        if let Some(uids) = self.uid_range.filter(|uids| uids.first > uids.last) {
            return Err(format!("uidrange {uids}; the first user must not be above the last").into());
        }
        opt_within("ipproto", self.ip_proto, 1, u8::MAX)?;
        opt_within("protocol", self.protocol, 1, u8::MAX)?;
        opt_within("table", self.table, 1, u32::MAX)?;
        let bits = if self.family == AF_INET { 32 } else { 128 };
        opt_within("suppress_prefixlength", self.suppress_prefixlength, 0, bits)?;
        opt_within("suppress_ifgroup", self.suppress_ifgroup, 0, i32::MAX.unsigned_abs())?;
        Invalid::when(
            self.realms.is_some() && self.family == AF_INET6,
            "realms in an IPv6 rule; only IPv4 rules have them",
        )?;
        Invalid::when(
            self.l3mdev && self.table.is_some(),
            "l3mdev takes the place of a table: give one or the other",
        )?;
        match verb {
            RuleVerb::Delete => Invalid::when(
                *self == Self::blank(self.family),
                "a deletion needs something to select the rule by, such as its priority",
            ),
            RuleVerb::Add => self.check_action(),
        }
    }

    fn check_addresses(&self) -> Result<(), Invalid> {
        for (word, prefix) in [("from", self.src), ("to", self.dst)] {
            let Some(prefix) = prefix else { continue };
            let family = IpFamily::of(&prefix.addr());
            if matches!(self.family, AF_INET | AF_INET6) && family.number() != self.family {
                let rule = if self.family == AF_INET { IpFamily::V4 } else { IpFamily::V6 };
                return Err(format!("{word} {prefix} is {family}; the rule is {rule}").into());
            }
            prefix.check_network(word)?;
        }
        Ok(())
    }

    fn check_traffic_class(&self) -> Result<(), Invalid> {
        if self.tos & ECN != 0 {
            return Err(format!("tos {:#04x}; the two lower bits must be 0", self.tos).into());
        }
        Invalid::when(
            self.tos != 0 && self.dscp.is_some(),
            "tos and dscp are the same bits: give one or the other",
        )?;
        opt_within("dscp", self.dscp, 0, DSCP_MAX)?;
        opt_within("dscp mask", self.dscp_mask, 0, DSCP_MAX)?;
        check_mask("dscp", self.dscp.map(u32::from), self.dscp_mask.map(u32::from))?;
        opt_within("flowlabel", self.flowlabel, 0, FLOWLABEL_MAX)?;
        opt_within("flowlabel mask", self.flowlabel_mask, 0, FLOWLABEL_MAX)?;
        check_mask("flowlabel", self.flowlabel, self.flowlabel_mask)?;
        Invalid::when(
            self.flowlabel.is_some() && self.family == AF_INET,
            "flowlabel in an IPv4 rule; only IPv6 packets have one",
        )?;
        Invalid::when(
            self.flowlabel.is_some() && self.flowlabel_mask.is_none(),
            "a flowlabel needs its mask, 0xfffff for the whole label",
        )
    }

    fn check_action(&self) -> Result<(), Invalid> {
        let table = matches!(self.action, RuleAction::Table | RuleAction::Unspecified);
        Invalid::when(
            self.action == RuleAction::Table && self.table.is_none() && !self.l3mdev,
            "a rule that routes by a table needs one: table() or l3mdev()",
        )?;
        Invalid::when(
            !table && (self.suppress_prefixlength.is_some() || self.suppress_ifgroup.is_some()),
            "routes can be suppressed only by a rule that routes by a table",
        )?;
        match (self.action, self.goto) {
            (RuleAction::Goto, None) => Err("goto needs the priority of a rule".into()),
            (RuleAction::Goto, Some(target))
                if self.priority.is_some_and(|own| target <= own) || target == 0 =>
            {
                let own = self.priority.unwrap_or_default();
                Err(format!("goto {target}; it must be above the rule's own priority, {own}").into())
            }
            (RuleAction::Goto | RuleAction::Other(_), _) | (_, None) => Ok(()),
            (_, Some(_)) => Err("a goto is an action of its own: give one".into()),
        }
    }
}

fn check_device(word: &str, name: Option<&str>) -> Result<(), Invalid> {
    let Some(name) = name else { return Ok(()) };
    match name.len() {
        1..=IFNAME_MAX => Ok(()),
        len => {
            Err(format!("{word} \"{}\" has {len} bytes; 1 to {IFNAME_MAX} are possible", escaped(name))
                .into())
        }
    }
}

fn check_ports(word: &str, ports: Option<PortRange>, mask: Option<u16>) -> Result<(), Invalid> {
    if let Some(ports @ PortRange { first, last }) = ports {
        if first > last {
            return Err(format!("{word} {ports}; the first port must not be above the last").into());
        }
        if first == 0 || last > PORT_MAX {
            return Err(format!("{word} {ports}; 1 to {PORT_MAX} are possible").into());
        }
        // The kernel reports the mask of one whole port.
        if first != last && mask.is_some() {
            return Err(format!("{word} {ports} with a mask; only a single port has one").into());
        }
    }
    check_mask(word, ports.map(|ports| ports.first.into()), mask.map(u32::from))
}

fn check_mask(word: &str, value: Option<u32>, mask: Option<u32>) -> Result<(), Invalid> {
    match (value, mask) {
        (None, Some(_)) => Err(format!("a mask of {word} without a value").into()),
        (Some(value), Some(mask)) if value & !mask != 0 => {
            Err(format!("{word} {value:#x} has bits that its mask {mask:#x} leaves out").into())
        }
        _ => Ok(()),
    }
}
