use std::fmt;
use std::net::Ipv6Addr;

use nl_core::IpPrefix;
use nl_core::route::RT_TABLE_MAIN;

use crate::encap::Seg6;

/// A segment list of a candidate path, and its share of the flows.
///
/// ```
/// use nl_srv6::encap::Seg6;
/// use nl_srv6::policy::SegmentList;
///
/// let list = SegmentList::new(Seg6::encap_red(["fcbb:0:b::".parse()?])).weight(3);
/// assert_eq!(list.to_string(), "seg6 mode encap.red segs fcbb:0:b:: weight 3");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct SegmentList {
    /// The segments, and how they get into packets.
    pub path: Seg6,
    /// The share of the flows in proportion to the other lists of the path: 1 to 65535, and to 256 before Linux 6.12.
    #[cfg_attr(feature = "serde", serde(default = "defaults::weight"))]
    pub weight: u16,
    /// Whether packets arrive along the list. Only valid lists of the active path are used.
    #[cfg_attr(feature = "serde", serde(default = "defaults::is_valid"))]
    pub is_valid: bool,
}

impl SegmentList {
    /// These segments, with weight 1, valid.
    #[must_use]
    pub const fn new(path: Seg6) -> Self {
        Self { path, weight: 1, is_valid: true }
    }

    /// With this weight.
    #[must_use]
    pub const fn weight(mut self, weight: u16) -> Self {
        self.weight = weight;
        self
    }

    /// Valid or not.
    #[must_use]
    pub const fn valid(mut self, yes: bool) -> Self {
        self.is_valid = yes;
        self
    }
}

impl From<Seg6> for SegmentList {
    fn from(path: Seg6) -> Self {
        Self::new(path)
    }
}

/// The words of `ip route` behind `encap`, and the weight.
impl fmt::Display for SegmentList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} weight {}", self.path, self.weight)?;
        if self.is_valid { Ok(()) } else { f.write_str(" invalid") }
    }
}

/// A candidate path of a policy: segment lists that share the flows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct CandidatePath {
    /// The preference: the valid path with the highest one is used.
    pub preference: u32,
    /// The segment lists.
    pub lists: Vec<SegmentList>,
}

impl CandidatePath {
    /// A path with this preference and no lists. RFC 9256 has 100 as the default.
    #[must_use]
    pub const fn new(preference: u32) -> Self {
        Self { preference, lists: Vec::new() }
    }

    /// With one more segment list.
    #[must_use]
    pub fn list(mut self, list: impl Into<SegmentList>) -> Self {
        self.lists.push(list.into());
        self
    }

    /// With all its lists valid, or none.
    #[must_use]
    pub fn valid(mut self, yes: bool) -> Self {
        for list in &mut self.lists {
            list.is_valid = yes;
        }
        self
    }

    /// Whether one of its lists is valid.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.lists.iter().any(|list| list.is_valid)
    }
}

/// The mark of packets (`fwmark`), and which of its bits count. Made from a `u32`, of which all bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct PacketMark {
    /// The mark; not 0, which every packet without a mark has.
    pub value: u32,
    /// The bits that count.
    #[cfg_attr(feature = "serde", serde(default = "defaults::mask"))]
    pub mask: u32,
}

impl PacketMark {
    /// This mark in the bits of `mask`.
    #[must_use]
    pub const fn masked(value: u32, mask: u32) -> Self {
        Self { value, mask }
    }

    /// Whether a packet can have both marks.
    pub(super) const fn overlaps(self, other: Self) -> bool {
        (self.value ^ other.value) & self.mask & other.mask == 0
    }
}

impl From<u32> for PacketMark {
    fn from(value: u32) -> Self {
        Self { value, mask: u32::MAX }
    }
}

/// The words of `ip rule`.
impl fmt::Display for PacketMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fwmark {:#x}", self.value)?;
        if self.mask == u32::MAX { Ok(()) } else { write!(f, "/{:#x}", self.mask) }
    }
}

/// An SR policy of this headend.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Policy {
    /// The color: what the policy is for, from 1 on. With the endpoint it names the policy.
    pub color: u32,
    /// The endpoint: the node the policy leads to, or `::` for any.
    pub endpoint: Ipv6Addr,
    /// The candidate paths, in any order.
    #[cfg_attr(feature = "serde", serde(default))]
    pub paths: Vec<CandidatePath>,
    /// The binding SID: packets to it take the policy. It is a route in the table `main`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub binding_sid: Option<IpPrefix>,
    /// The prefixes of IPv6 and IPv4 whose packets take the policy.
    #[cfg_attr(feature = "serde", serde(default))]
    pub prefixes: Vec<IpPrefix>,
    /// The table of the prefixes, from 1 on.
    #[cfg_attr(feature = "serde", serde(default = "defaults::table"))]
    pub table: u32,
    /// Which packets take the policy: those with this mark, looked up in its [table](Self::table()), which is then its own. Unless set,
    /// all packets that are routed by that table.
    #[cfg_attr(feature = "serde", serde(default))]
    pub mark: Option<PacketMark>,
    /// The metric of all routes of the policy; unless set, 1024 for IPv6 and 0 for IPv4.
    #[cfg_attr(feature = "serde", serde(default))]
    pub metric: Option<u32>,
    /// The id of the nexthop group that the prefixes use. Unless set, one is chosen from the set's range.
    #[cfg_attr(feature = "serde", serde(default))]
    pub id: Option<u32>,
    /// How many buckets the groups have, if they are resilient: then a flow keeps its list for as long as that is valid.
    #[cfg_attr(feature = "serde", serde(default))]
    pub buckets: Option<u16>,
    /// Whether packets are dropped while no path is valid. Otherwise the routes are deleted, and packets take another route.
    #[cfg_attr(feature = "serde", serde(default))]
    pub drops_upon_invalid: bool,
}

impl Policy {
    /// A policy of this color, from 1 on, to this endpoint, without candidate paths.
    #[must_use]
    pub const fn new(color: u32, endpoint: Ipv6Addr) -> Self {
        Self {
            color,
            endpoint,
            paths: Vec::new(),
            binding_sid: None,
            prefixes: Vec::new(),
            table: RT_TABLE_MAIN,
            mark: None,
            metric: None,
            id: None,
            buckets: None,
            drops_upon_invalid: false,
        }
    }

    /// With one more candidate path.
    #[must_use]
    pub fn path(mut self, path: CandidatePath) -> Self {
        self.paths.push(path);
        self
    }

    /// With this binding SID. A bare address is a prefix of 128 bits.
    #[must_use]
    pub const fn binding_sid(mut self, sid: IpPrefix) -> Self {
        self.binding_sid = Some(sid);
        self
    }

    /// Steers one more prefix into the policy.
    #[must_use]
    pub fn prefix(mut self, prefix: IpPrefix) -> Self {
        self.prefixes.push(prefix);
        self
    }

    /// With its prefixes in this table, from 1 on, in place of `main`.
    #[must_use]
    pub const fn table(mut self, table: u32) -> Self {
        self.table = table;
        self
    }

    /// Only for packets with this mark, whatever else is routed to the prefixes: a rule leads them to the [table](Self::table()) of the
    /// policy, which must not be one of the kernel's. So packets can be steered by color: whatever classifies them gives them the color
    /// as their mark, and the prefix is `::/0`. The set needs the priority of its rules, see [`PolicySet::rules_at`].
    ///
    /// The kernel routes a packet that was encapsulated with the same mark. So that it does not take the policy again, the first segment
    /// of each list gets a route of type `throw` in the table, which passes it on to the next rule.
    ///
    /// ```
    /// use nl_core::route::RouteProtocol;
    /// use nl_srv6::encap::Seg6;
    /// use nl_srv6::policy::{CandidatePath, Policy, PolicySet, Snapshot};
    ///
    /// let path = CandidatePath::new(100).list(Seg6::encap_red(["fcbb:0:d:d46::".parse()?]));
    /// // ip -6 rule add fwmark 0x64 priority 1000 table 100 protocol 200
    /// let policy = Policy::new(100, "fcbb:0:d::".parse()?).path(path).mark(100).table(100).prefix("::/0".parse()?);
    /// let set = PolicySet::new("eth0", 5000..=5999, RouteProtocol(200)).rules_at(1000).policy(policy);
    /// let plan = set.plan(&Snapshot::new(3, [], []))?;
    /// assert!(plan.to_string().contains("add route throw fcbb:0:d:d46:: table 100 proto 200\n"), "{plan}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Equivalent: `ip rule add fwmark MARK/MASK`.
    ///
    /// [`PolicySet::rules_at`]: super::PolicySet::rules_at
    #[must_use]
    pub fn mark(mut self, mark: impl Into<PacketMark>) -> Self {
        self.mark = Some(mark.into());
        self
    }

    /// With this metric; not 0 for IPv6.
    #[must_use]
    pub const fn metric(mut self, metric: u32) -> Self {
        self.metric = Some(metric);
        self
    }

    /// With this id for the nexthop group that the prefixes use. It must be in the set's range. Needed where other programs refer to the
    /// group; the group is then made without prefixes too.
    #[must_use]
    pub const fn id(mut self, id: u32) -> Self {
        self.id = Some(id);
        self
    }

    /// With resilient groups of this many buckets, from 1 on, over which the flows are spread. Linux 5.13.
    ///
    /// When a list becomes valid again, or weights change, only idle buckets move to it; the flows of a list that is no longer valid move
    /// at once. Otherwise, many flows move whenever the lists change. There should be several times as many buckets as the sum of the
    /// weights. A group is never changed from one kind to the other: the routes move to a new one.
    #[must_use]
    pub const fn resilient(mut self, buckets: u16) -> Self {
        self.buckets = Some(buckets);
        self
    }

    /// Packets are dropped while no path is valid (`drop-upon-invalid`).
    #[must_use]
    pub const fn drop_upon_invalid(mut self) -> Self {
        self.drops_upon_invalid = true;
        self
    }

    /// The active path: the valid one with the highest preference, the first of several.
    #[must_use]
    pub fn active(&self) -> Option<&CandidatePath> {
        let valid = self.paths.iter().filter(|path| path.is_valid());
        // `max_by_key` returns the last of several.
        valid.rev().max_by_key(|path| path.preference)
    }
}

/// Color and endpoint.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy color {} endpoint {}", self.color, self.endpoint)
    }
}

/// What a description need not say.
#[cfg(feature = "serde")]
mod defaults {
    pub(super) const fn weight() -> u16 {
        1
    }

    pub(super) const fn is_valid() -> bool {
        true
    }

    pub(super) const fn mask() -> u32 {
        u32::MAX
    }

    pub(super) const fn table() -> u32 {
        nl_core::route::RT_TABLE_MAIN
    }
}
