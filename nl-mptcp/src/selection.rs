//! Which interfaces and addresses a policy uses, and with which flags: the same rules for endpoints and for subflows.

use std::net::IpAddr;

use nl_core::IpPrefix;

use crate::endpoint::EndpointFlags;

/// Rules by the name of an interface, and networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The first that matches counts.
    rules: Vec<(String, EndpointFlags)>,
    except: Vec<String>,
    networks: Vec<IpPrefix>,
}

impl Selection {
    /// Interfaces of this name have these flags.
    pub(crate) fn add(&mut self, name: String, flags: EndpointFlags) {
        self.rules.push((name, flags));
    }

    /// Interfaces of this name are left out.
    pub(crate) fn leave_out(&mut self, name: String) {
        self.except.push(name);
    }

    /// Addresses in this network are used, and those in the others that are added.
    pub(crate) fn within(&mut self, network: IpPrefix) {
        self.networks.push(network);
    }

    /// The flags of all rules.
    #[cfg(feature = "endpoint-manager")]
    pub(crate) fn flags(&self) -> impl Iterator<Item = EndpointFlags> {
        self.rules.iter().map(|(_, flags)| *flags)
    }

    /// The number of the rule for an interface, and its flags: `default` where there are no rules.
    pub(crate) fn rule_of(&self, name: &str, default: EndpointFlags) -> Option<(usize, EndpointFlags)> {
        if self.except.iter().any(|pattern| matches(pattern, name)) {
            return None;
        }
        if self.rules.is_empty() {
            return Some((0, default));
        }
        let rule = self.rules.iter().enumerate().find(|(_, (pattern, _))| matches(pattern, name));
        rule.map(|(number, (_, flags))| (number, *flags))
    }

    /// Whether an address is in one of the networks, or there are none.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| contains(network, address))
    }
}

/// Whether a name is this one. A `*` at the end of the pattern stands for any rest.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

fn contains(network: &IpPrefix, address: IpAddr) -> bool {
    // A shift by all bits, for the prefix length 0, gives nothing, which is equal.
    let equal = |a: u128, b: u128, bits: u32| {
        let shift = bits.saturating_sub(u32::from(network.len()));
        a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
    };
    match (network.addr(), address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => equal(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => equal(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_rule_that_matches_counts() {
        let backup = EndpointFlags::SUBFLOW | EndpointFlags::BACKUP;
        let mut selection = Selection::default();
        assert_eq!(selection.rule_of("any", backup), Some((0, backup)));
        selection.add("wwan*".into(), backup);
        selection.add("eth0".into(), EndpointFlags::SIGNAL);
        selection.leave_out("wwan9".into());
        for (name, rule) in [
            ("wwan0", Some((0, backup))),
            ("wwan9", None),
            ("eth0", Some((1, EndpointFlags::SIGNAL))),
            ("eth00", None),
        ] {
            assert_eq!(selection.rule_of(name, EndpointFlags::SUBFLOW), rule, "{name}");
        }
    }

    #[test]
    fn networks_contain_addresses_of_their_family() {
        for (network, inside, outside) in [
            ("192.0.2.0/25", "192.0.2.127", "192.0.2.128"),
            ("0.0.0.0/0", "255.0.0.1", "2001:db8::1"),
            ("192.0.2.1/32", "192.0.2.1", "192.0.2.2"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("::/0", "2001:db8::1", "0.0.0.0"),
        ] {
            let mut selection = Selection::default();
            selection.within(network.parse().unwrap());
            assert!(selection.has(inside.parse().unwrap()), "{inside} in {network}");
            assert!(!selection.has(outside.parse().unwrap()), "{outside} in {network}");
        }
    }
}
