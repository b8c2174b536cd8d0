//! The guide: an SRv6 policy with micro-SIDs. Which node gets what, in which order, what can be observed, and what to check when nothing
//! arrives.
//!
//! # An SRv6 policy with micro-SIDs
//! A customer's packets are to get from node `a` to node `d`, where the customer's other site is, through node `b`; if that way fails,
//! through node `c`. All of it takes one block of addresses, `fcbb::/32`, in which each node has a number, its micro-SID:
//!
//! | node | micro-SID | its locator |
//! |---|---|---|
//! | `b` | `b` | `fcbb:0:b::/48` |
//! | `c` | `c` | `fcbb:0:c::/48` |
//! | `d` | `d` | `fcbb:0:d::/48` |
//! | `d`, for the customer | `d46`, behind `d` | `fcbb:0:d:d46::/64` |
//!
//! The nodes must have routes to each other's locators, from a routing protocol or by hand. The rest is what this guide is about:
//!
//! | step | where | here | iproute2 |
//! |---|---|---|---|
//! | forwarding | all | [`Settings`](crate::settings::Settings) | `sysctl` |
//! | micro-SIDs of nodes | `b`, `c` | [`Sids::end`](crate::sid::Sids::end) | `ip -6 route add … encap seg6local action End flavors next-csid …` |
//! | the micro-SID of the customer | `d` | [`Sids::end_dt46`](crate::sid::Sids::end_dt46) | `ip -6 route add … encap seg6local action End.DT46 …` |
//! | the policy | `a` | [`Headend::apply`](crate::policy::Headend::apply) | `ip nexthop add …`, `ip route add … nhid …` |
//!
//! The nodes on the way come first, and the headend last: a packet with segments that nobody knows is lost.
//!
//! # The nodes on the way
//! Each needs forwarding and its own micro-SID. [`next_csid`](crate::sid::SidEntry::next_csid) takes the lengths of the block and of a
//! micro-SID; all nodes must have the same. The device is any that is up and not loopback.
//! ```no_run
//! use nl_core::{Connection, Protocol};
//! use nl_srv6::settings::Settings;
//! use nl_srv6::sid::Sids;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // On node b.
//! let conn = Connection::open(Protocol::Route)?;
//! Settings::new(&conn)?.set_forwarding("all", true)?;
//! let sids = Sids::new(conn);
//! sids.end("fcbb:0:b::/48".parse()?).next_csid(32, 16).counters().dev("eth0").add().await?;
//! # Ok(())
//! # }
//! ```
//! `seg6_enabled` is not needed: it is about headers in packets to addresses of a host, and a SID is none.
//!
//! # The last node
//! The customer's site is in a VRF. `End.DT46` takes the outer header off and looks the inner packet up in the table of that VRF, which
//! must be there before the SID, and in strict mode. The prefix of the SID has the micro-SID of the node and that of the function.
//! ```no_run
//! use nl_core::{Connection, Protocol};
//! use nl_srv6::settings::Settings;
//! use nl_srv6::sid::Sids;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // On node d, where the VRF has table 100: ip link add red type vrf table 100
//! let conn = Connection::open(Protocol::Route)?;
//! let settings = Settings::new(&conn)?;
//! settings.set_forwarding("all", true)?;
//! settings.set_vrf_strict_mode(true)?;
//! Sids::new(conn).end_dt46("fcbb:0:d:d46::/64".parse()?, 100).counters().add().await?;
//! # Ok(())
//! # }
//! ```
//! For inner packets of IPv4, `net.ipv4.ip_forward` must be 1 too, and `rp_filter` of the VRF must not be 1.
//!
//! # The headend
//! [`UsidBlock`](crate::usid::UsidBlock) packs the way into as few addresses as hold it: here one each, so that with the mode `encap.red`
//! packets have no routing header at all. The policy has both ways as candidate paths; the valid one with the highest preference is used.
//! ```
//! use nl_core::route::RouteProtocol;
//! use nl_srv6::encap::Seg6;
//! use nl_srv6::policy::{CandidatePath, Policy, PolicySet};
//! use nl_srv6::usid::UsidBlock;
//!
//! let block = UsidBlock::new("fcbb::/32".parse()?, 16)?;
//! let through = |node: u32| -> nl_core::Result<Seg6> {
//!     Ok(Seg6::encap_red(block.pack(&[block.sid(node)?, block.sid(0xd)?, block.sid(0xd46)?])?))
//! };
//! assert_eq!(through(0xb)?.to_string(), "seg6 mode encap.red segs fcbb:0:b:d:d46::");
//!
//! let policy = Policy::new(100, "fcbb:0:d::".parse()?)
//!     .path(CandidatePath::new(200).list(through(0xb)?))
//!     .path(CandidatePath::new(100).list(through(0xc)?))
//!     .prefix("2001:db8:2::/48".parse()?)
//!     .prefix("10.2.0.0/16".parse()?);
//! // The nexthop ids and the protocol by which the set's own nexthops and routes are known again.
//! let set = PolicySet::new("eth0", 5000..=5999, RouteProtocol(200)).policy(policy);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! Before it is applied it can be examined, with what is known of the nodes, and after it is applied, applying it again sends nothing:
//! ```no_run
//! use nl_srv6::doctor::Facts;
//! use nl_srv6::policy::{Headend, PolicySet};
//!
//! # async fn example(headend: Headend, set: PolicySet, of_a: Facts, of_others: Vec<Facts>) -> nl_core::Result<()> {
//! for finding in set.diagnose(&of_a, &of_others) {
//!     eprintln!("{finding}");
//! }
//! let plan = headend.apply(&set).await?;
//! print!("{plan}");
//! assert!(headend.apply(&set).await?.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # Failover
//! Nothing here finds out whether a path works; that is up to BFD, a routing protocol, or a probe. Whoever knows says so, and applies the
//! set again: one request replaces the members of the group, and all routes follow at once.
//! ```no_run
//! use nl_srv6::encap::Seg6;
//! use nl_srv6::policy::{Headend, PolicySet};
//!
//! # async fn example(headend: Headend, mut set: PolicySet, through_b: Seg6) -> nl_core::Result<()> {
//! // The way through b is down.
//! if set.set_valid(false, |list| list.path == through_b) > 0 {
//!     let plan = headend.apply(&set).await?;
//!     assert_eq!(plan.steps().len(), 1);
//! }
//! # Ok(())
//! # }
//! ```
//! When the path is back, the flows go back. If that must not move flows that are under way, make the policy
//! [resilient](crate::policy::Policy::resilient).
//!
//! # What can be observed
//! | question | answer |
//! |---|---|
//! | what was applied | [`Plan::steps`](crate::policy::Plan::steps), and the ids of groups in [`Plan::groups`](crate::policy::Plan::groups) |
//! | do packets pass a node | [`packets`](crate::sid::SidCounters::packets) of its SID, where it was made with counters |
//! | do packets arrive and not fit | [`errors`](crate::sid::SidCounters::errors) of the SID |
//! | how much of it | [`SidSampler`](crate::sid::SidSampler): packets, bytes and errors since the last look |
//! | which list takes which share | [`Headend::selections`](crate::policy::Headend::selections) (Linux 6.9): how often each list was chosen |
//! | what each node does with a carrier | [`UsidBlock::expand`](crate::usid::UsidBlock::expand) |
//!
//! # When nothing arrives
//! Ask the [`doctor`](crate::doctor) first, with the facts of all nodes. By hand, follow the counters from the headend on: the first node
//! whose SID counts nothing, or counts errors, is where to look.
//!
//! | seen | what is wrong |
//! |---|---|
//! | the first SID counts nothing | the headend has no route to the first carrier, or its own policy catches it; the route is on `lo`; in a VRF, an unreachable default route takes the packet |
//! | a SID counts errors | the carrier ends there: the last micro-SID must decapsulate, and each carrier but the last must end at a plain `End` |
//! | a SID counts, the next one does not | the node has no route to the next locator, or does not forward; the lengths of block and micro-SID differ |
//! | the last SID counts errors | `End.DT4` gets IPv6, or the list goes on behind it: is it in reverse? |
//! | the last SID counts, the customer sees nothing | `rp_filter` of the VRF, or its table has no route to the customer |
//! | answers do not come back | a policy has one direction: the other one needs its own |
