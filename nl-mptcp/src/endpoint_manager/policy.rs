use std::net::IpAddr;
use std::ops::RangeInclusive;

use nl_core::IpPrefix;
use nl_core::check::Invalid;

use crate::AddressId;
use crate::endpoint::{Endpoint, EndpointFlags};

/// Which addresses of a namespace have endpoints, and with which flags.
///
/// ```
/// use nl_mptcp::endpoint::EndpointFlags;
/// use nl_mptcp::endpoint_manager::EndpointPolicy;
///
/// // A server: every address of its data centre is announced.
/// let policy = EndpointPolicy::new()
///     .interface("eth*", EndpointFlags::SIGNAL)
///     .network("192.0.2.0/24".parse()?)
///     .limits(Some(8), None);
/// # Ok::<(), nl_core::Error>(())
/// ```
/// An address is considered while its interface is up, unless it belongs to the loopback interface, is valid on its link only
/// (`fe80::/10`, `169.254.0.0/16` of scope link), or duplicate address detection is running or has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPolicy {
    /// The first that matches counts.
    interfaces: Vec<(String, EndpointFlags)>,
    except: Vec<String>,
    networks: Vec<IpPrefix>,
    pub(super) at_most: usize,
    ids: RangeInclusive<u8>,
    pub(super) exact: bool,
    pub(super) subflows: Option<u32>,
    pub(super) add_addr_accepted: Option<u32>,
}

impl Default for EndpointPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl EndpointPolicy {
    /// An endpoint `subflow` for every address, until [`interface`](Self::interface) says which; at most 8, with ids from 100 to 199.
    #[must_use]
    pub fn new() -> Self {
        Self {
            interfaces: Vec::new(),
            except: Vec::new(),
            networks: Vec::new(),
            at_most: 8,
            ids: 100..=199,
            exact: false,
            subflows: None,
            add_addr_accepted: None,
        }
    }

    /// The addresses of interfaces of this name have endpoints with these flags. A `*` at its end stands for any rest. The first rule
    /// that matches an interface counts; an interface without one has no endpoints.
    #[must_use]
    pub fn interface(mut self, name: impl Into<String>, flags: EndpointFlags) -> Self {
        self.interfaces.push((name.into(), flags));
        self
    }

    /// Interfaces of this name have no endpoints, whatever the rules. A `*` at its end stands for any rest.
    #[must_use]
    pub fn except(mut self, name: impl Into<String>) -> Self {
        self.except.push(name.into());
        self
    }

    /// Only addresses in this network, or another one that is named, have endpoints.
    #[must_use]
    pub fn network(mut self, network: IpPrefix) -> Self {
        self.networks.push(network);
        self
    }

    /// The maximum number of endpoints of the namespace, with those of others. The kernel's is 8, and 255 since Linux 7.2. Where more
    /// addresses match, those of earlier rules have endpoints, then those of interfaces with lower numbers.
    #[must_use]
    pub fn at_most(mut self, endpoints: usize) -> Self {
        self.at_most = endpoints;
        self
    }

    /// The ids of the endpoints that are managed: all that exist with these ids belong to the policy, whoever made them. There are no
    /// more endpoints than ids.
    #[must_use]
    pub fn ids(mut self, ids: RangeInclusive<u8>) -> Self {
        self.ids = ids;
        self
    }

    /// Deletes the endpoints of others, too.
    #[must_use]
    pub fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// The [limits](crate::limits) of the namespace: `subflows` and `add_addr_accepted`. `None` does not change one.
    #[must_use]
    pub fn limits(mut self, subflows: Option<u32>, add_addr_accepted: Option<u32>) -> Self {
        (self.subflows, self.add_addr_accepted) = (subflows, add_addr_accepted);
        self
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        let none = self.ids.is_empty() || *self.ids.start() == 0;
        if none {
            return Err(
                format!("ids {:?} of endpoints; 1 to 255 are possible, at least one", self.ids).into()
            );
        }
        let implicit = self.interfaces.iter().any(|(_, flags)| flags.contains(EndpointFlags::IMPLICIT));
        Invalid::when(implicit, "only the kernel sets the implicit flag")
    }

    /// Whether an endpoint is one of the policy.
    pub(super) fn owns(&self, endpoint: &Endpoint) -> bool {
        self.ids.contains(&endpoint.id.get())
    }

    /// The ids, in ascending order.
    pub(super) fn all_ids(&self) -> impl Iterator<Item = AddressId> {
        self.ids.clone().map(AddressId::new)
    }

    /// The number of the rule for an interface and an address, and its flags.
    pub(super) fn rule(&self, name: &str, address: IpAddr) -> Option<(usize, EndpointFlags)> {
        let excluded = self.except.iter().any(|pattern| matches(pattern, name));
        let elsewhere = !self.networks.is_empty() && !self.networks.iter().any(|net| contains(net, address));
        if excluded || elsewhere {
            return None;
        }
        if self.interfaces.is_empty() {
            return Some((0, EndpointFlags::SUBFLOW));
        }
        let rule = self.interfaces.iter().enumerate().find(|(_, (pattern, _))| matches(pattern, name));
        rule.map(|(number, (_, flags))| (number, *flags))
    }
}

fn matches(pattern: &str, name: &str) -> bool {
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
        let policy = EndpointPolicy::new()
            .interface("wwan*", backup)
            .interface("eth0", EndpointFlags::SIGNAL)
            .except("wwan9");
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        for (name, rule) in [
            ("wwan0", Some((0, backup))),
            ("wwan9", None),
            ("eth0", Some((1, EndpointFlags::SIGNAL))),
            ("eth00", None),
        ] {
            assert_eq!(policy.rule(name, address), rule, "{name}");
        }
        assert_eq!(EndpointPolicy::new().rule("any", address), Some((0, EndpointFlags::SUBFLOW)));
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
            let policy = EndpointPolicy::new().network(network.parse().unwrap());
            assert!(policy.rule("eth0", inside.parse().unwrap()).is_some(), "{inside} in {network}");
            assert!(policy.rule("eth0", outside.parse().unwrap()).is_none(), "{outside} in {network}");
        }
    }

    #[test]
    fn impossible_policy_is_refused() {
        let empty = EndpointPolicy::new().ids(RangeInclusive::new(9, 8));
        assert!(empty.check().unwrap_err().to_string().contains("1 to 255"));
        assert!(EndpointPolicy::new().ids(0..=8).check().is_err());
        assert!(EndpointPolicy::new().interface("*", EndpointFlags::IMPLICIT).check().is_err());
        assert!(EndpointPolicy::new().ids(1..=255).check().is_ok());
    }
}
