use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use nl_core::IpPrefix;
use nl_core::check::Invalid;

use crate::AddressId;
use crate::endpoint::{Endpoint, EndpointFlags};
use crate::selection::Selection;

/// A usable address of an interface that is up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct LocalAddress {
    /// The interface.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// The address.
    pub address: IpAddr,
}

impl LocalAddress {
    /// This address of that interface.
    #[must_use]
    pub fn new(index: u32, name: impl Into<String>, address: IpAddr) -> Self {
        Self { index, name: name.into(), address }
    }
}

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
    selection: Selection,
    /// In the order in which they were added.
    reviews: Vec<Review>,
    pub(super) at_most: usize,
    pub(super) ids: RangeInclusive<u8>,
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
            selection: Selection::default(),
            reviews: Vec::new(),
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
        self.selection.add(name.into(), flags);
        self
    }

    /// Interfaces of this name have no endpoints, whatever the rules. A `*` at its end stands for any rest.
    #[must_use]
    pub fn except(mut self, name: impl Into<String>) -> Self {
        self.selection.leave_out(name.into());
        self
    }

    /// Only addresses in this network, or another one that is named, have endpoints.
    #[must_use]
    pub fn network(mut self, network: IpPrefix) -> Self {
        self.selection.within(network);
        self
    }

    /// Has this see each address that has an endpoint by the rules so far, with the flags: it returns the flags that the endpoint gets,
    /// which may be others; `None` vetoes it. A later one sees what an earlier one returned.
    ///
    /// It is called for every address each time that the endpoints are planned, so it must give the same answer for the same address
    /// until the world has changed: an endpoint whose `signal` or `subflow` changes is deleted and added again. Two policies with
    /// reviews are equal if they have the same ones, as clones do.
    ///
    /// ```
    /// use nl_mptcp::endpoint::EndpointFlags;
    /// use nl_mptcp::endpoint_manager::{EndpointPolicy, LocalAddress};
    ///
    /// // No endpoint for a private address, and a backup for every one of IPv6.
    /// let policy = EndpointPolicy::new().review(|local: &LocalAddress, flags| match local.address {
    ///     std::net::IpAddr::V4(address) => (!address.is_private()).then_some(flags),
    ///     std::net::IpAddr::V6(_) => Some(flags | EndpointFlags::BACKUP),
    /// });
    /// ```
    #[must_use]
    pub fn review(
        mut self,
        review: impl Fn(&LocalAddress, EndpointFlags) -> Option<EndpointFlags> + Send + Sync + 'static,
    ) -> Self {
        self.reviews.push(Review(Arc::new(review)));
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
        let implicit = self.selection.flags().any(|flags| flags.contains(EndpointFlags::IMPLICIT));
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

    /// The number of the rule for an address, and its flags.
    pub(super) fn rule(&self, local: &LocalAddress) -> Option<(usize, EndpointFlags)> {
        let rule = self.selection.rule_of(&local.name, EndpointFlags::SUBFLOW);
        let (number, flags) = rule.filter(|_| self.selection.has(local.address))?;
        let flags = self.reviews.iter().try_fold(flags, |flags, review| (review.0)(local, flags))?;
        Some((number, flags))
    }
}

type Reviewing = dyn Fn(&LocalAddress, EndpointFlags) -> Option<EndpointFlags> + Send + Sync;

#[derive(Clone)]
struct Review(Arc<Reviewing>);

impl PartialEq for Review {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Review {}

impl fmt::Debug for Review {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("review")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reviews_veto_and_alter_one_after_another() {
        let local = |name: &str| LocalAddress::new(1, name, "192.0.2.1".parse().unwrap());
        let policy = EndpointPolicy::new()
            .review(|local, flags| (local.name != "tun0").then_some(flags | EndpointFlags::BACKUP))
            .review(|_, flags| {
                assert!(flags.contains(EndpointFlags::BACKUP), "it sees what the first made of it");
                Some(flags | EndpointFlags::FULLMESH)
            });
        let all = EndpointFlags::SUBFLOW | EndpointFlags::BACKUP | EndpointFlags::FULLMESH;
        assert_eq!(policy.rule(&local("eth0")), Some((0, all)));
        assert_eq!(policy.rule(&local("tun0")), None);
        assert_eq!(policy.clone(), policy);
        assert_ne!(policy, EndpointPolicy::new());
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
