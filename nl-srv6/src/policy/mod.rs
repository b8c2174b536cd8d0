//! SR policies (RFC 9256): weighted segment lists, chosen among candidate paths, as a description that is applied with the fewest
//! requests.
//!
//! ```
//! use nl_core::route::RouteProtocol;
//! use nl_srv6::encap::Seg6;
//! use nl_srv6::policy::{CandidatePath, Policy, PolicySet, SegmentList, Snapshot};
//!
//! let short = Seg6::encap_red(["fcbb:0:b::".parse()?, "fcbb:0:d:d46::".parse()?]);
//! let long = Seg6::encap_red(["fcbb:0:c::".parse()?, "fcbb:0:d:d46::".parse()?]);
//! // Color 100 to node d: three of four flows take the short way. If no list of this path is valid, the other path is used.
//! let policy = Policy::new(100, "fcbb:0:d::".parse()?)
//!     .path(CandidatePath::new(200).list(SegmentList::new(short).weight(3)).list(long.clone()))
//!     .path(CandidatePath::new(100).list(long))
//!     .binding_sid("fcbb:0:a:b100::".parse()?)
//!     .prefix("2001:db8:2::/48".parse()?)
//!     .prefix("10.2.0.0/16".parse()?);
//! // The nexthop ids from 5000 to 5999 and the routes of protocol 200 that use them belong to this set.
//! let set = PolicySet::new("eth0", 5000..=5999, RouteProtocol(200)).policy(policy);
//!
//! // On a node that has none of it, where eth0 has index 3.
//! let plan = set.plan(&Snapshot::new(3, [], []))?;
//! let lines: Vec<_> = plan.steps().iter().map(ToString::to_string).collect();
//! assert_eq!(lines[0], "add nexthop id 5000 encap seg6 mode encap.red segs fcbb:0:b::,fcbb:0:d:d46:: dev #3 proto 200");
//! assert_eq!(lines[4], "add nexthop id 5004 group 5000,3/5001 proto 200");
//! assert_eq!(lines[6], "add route 2001:db8:2::/48 nhid 5004 proto 200");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Headend::apply`] reads what is there and sends what differs. Applying the same set again sends no change.
//!
//! Under feature `serde` a set is read from a description, with defaults for what it leaves out, and checked as when it is applied:
//!
//! ```json
//! {
//!   "dev": "eth0", "ids": { "start": 5000, "end": 5999 }, "protocol": 200,
//!   "policies": [{
//!     "color": 100, "endpoint": "fcbb:0:d::", "prefixes": ["2001:db8:2::/48"],
//!     "paths": [{ "preference": 100, "lists": [
//!       { "path": { "mode": "encap.red", "segments": ["fcbb:0:b::", "fcbb:0:d:d46::"] }, "weight": 3 }
//!     ] }]
//!   }]
//! }
//! ```
//!
//! # How a policy is mapped
//! The kernel has no policies. A policy becomes nexthop objects (Linux 5.3):
//!
//! | RFC 9256 | Linux |
//! |---|---|
//! | headend | the network namespace |
//! | segment list | a nexthop with the encapsulation `seg6`; one for each list of each candidate path |
//! | active candidate path | a nexthop group of the valid lists of that path, with their weights; resilient if that is [asked for](Policy::resilient) |
//! | steering by destination | routes over the group, of IPv6 and IPv4 |
//! | steering by color | the same in a table of its own, and a rule that leads packets with a [mark](Policy::mark()) to it |
//! | binding SID | a route over a second group, whose members have the action `End.B6.Encaps`, or `End.B6` for inline lists |
//! | drop upon invalid | the group has a blackhole as its only member |
//!
//! The lists of inactive paths are nexthops too. So when a list or a path changes its validity, one request is sent: it replaces the
//! members of the group, and all routes follow at once, without a lost packet. Routes are not sent again.
//!
//! The active path is the valid one with the highest preference; of several with one preference, the first. A path is valid if one of
//! its lists is. This module does not find out what is valid: set [`SegmentList::is_valid`](SegmentList#structfield.is_valid) and apply
//! again.
//!
//! # Ownership
//! A nexthop belongs to the set if its id is in the set's range and it has the set's protocol. A route belongs to the set if it has the
//! set's protocol and its nexthop id is in the range. What belongs to the set and is in no policy is deleted. The rest belongs to others
//! and is left, unless [`PolicySet::exact`] is set: then other routes with segments in the tables of the policies are deleted, and so
//! are other nexthops in the range. [`Plan::foreign_routes`] and [`Plan::foreign_nexthops`] list them either way. A route of another
//! program to a prefix of a policy, with the same table and metric, is refused without `exact`, and replaced with it.
//!
//! Under [`PolicySet::rules_at`], a rule belongs to the set if it has that priority and the set's protocol, and so does a route of type
//! `throw` to a single address with the set's protocol, in a table that such a rule leads to.
//!
//! # Statistics
//! The kernel counts how often it chose each member of a group, per packet that it routes and without bytes, since Linux 6.9:
//! [`Headend::selections`], of which a [`SelectionSampler`] makes rates. What arrives is counted by the [local SIDs](crate::sid) of the
//! last node.
//!
//! # Which group belongs to which policy
//! A nexthop has no name. A group is found by the routes of the policy that use it, and otherwise by its members. If other programs refer
//! to the group of a policy, give the policy an id of its own: [`Policy::id()`]. A group or nexthop that a route of another program uses
//! is not deleted without `exact`.
//!
//! # What goes wrong silently
//! * The kernel deletes nexthops, and the routes over them, when their device goes down. Apply the set again when it is up.
//! * `End.B6.Encaps` drops packets without a routing header, or with no segments left after the binding SID. It adds a full header
//!   (not a reduced one), from the [source of the namespace](https://docs.rs/nl-srv6/latest/nl_srv6/tunnel_source/).
//! * Flows are hashed by addresses alone unless `net.ipv6.fib_multipath_hash_policy`, and that of `net.ipv4`, is 1.
//! * The first segment of a list must not be routed into the policy itself.
//!
//! Kernel: `net/ipv4/nexthop.c`, `net/ipv6/seg6_iptunnel.c`, `net/ipv6/seg6_local.c`. Equivalent: `ip nexthop`, `ip route … nhid`.

mod check;
mod handle;
mod hash;
mod plan;
mod planner;
#[cfg(feature = "serde")]
mod read;
mod rules;
mod sampler;
mod selections;
mod set;
mod snapshot;
mod types;

pub use handle::Headend;
pub use plan::{GroupUse, Plan, PolicyGroup, Step};
pub use sampler::{SelectionRate, SelectionSampler};
pub use selections::{ListSelections, PolicySelections};
pub use set::PolicySet;
pub use snapshot::Snapshot;
pub use types::{CandidatePath, PacketMark, Policy, SegmentList};
