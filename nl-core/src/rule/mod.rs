//! Routing policy rules: which packets are routed by which table.
//!
//! ```no_run
//! use nl_core::rule::Rules;
//! use nl_core::{Connection, IpFamily, Protocol};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let rules = Rules::new(Connection::open(Protocol::Route)?);
//! // ip rule add from 192.0.2.0/24 fwmark 1/0xff pref 1000 table 5000 protocol 99
//! rules
//!     .entry(IpFamily::V4)
//!     .from("192.0.2.0/24".parse()?)
//!     .fwmark_masked(1, 0xff)
//!     .priority(1000)
//!     .table(5000)
//!     .protocol(99)
//!     .add()
//!     .await?;
//! // ip rule flush protocol 99
//! rules.entries().protocol(99).flush().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # There is no replace
//! A rule has no name: its selectors and its action identify it, and several rules may have one priority. The kernel ignores
//! `NLM_F_REPLACE` here, and would add the rule a second time. [`add`](RuleEntry::add) fails if the rule exists
//! (`EEXIST`), which makes it safe to repeat. To change a rule, add the new one and delete the old one.
//!
//! # Deleting selects
//! A deletion removes the first rule, in order of priority, that has everything that is set; what is unset matches
//! anything. So it can hit a rule with more selectors than intended. Set the priority, or delete a rule as it was read.
//!
//! # Newer selectors
//! A kernel that does not know a selector ignores it, and the rule would be for all packets. The verbs of [`RuleEntry`] therefore
//! ask the kernel first where a rule has a selector of Linux 6.13 or later, and fail with
//! [`Unsupported`](crate::error::ErrorKind::Unsupported); for batches there is [`Rules::supported`].
//!
//! Kernel: `struct fib_rule_hdr` and `FRA_*` of [`include/uapi/linux/fib_rules.h`], `net/core/fib_rules.c`,
//! `net/ipv4/fib_rules.c`, `net/ipv6/fib6_rules.c`.
//!
//! [`include/uapi/linux/fib_rules.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/fib_rules.h?h=v6.15

mod check;
mod codec;
mod filter;
mod handle;
mod object;
mod types;
#[cfg(feature = "watch")]
mod watch;

pub use codec::RuleVerb;
pub use filter::{RuleEvent, RuleFilter};
pub use handle::{RuleEntries, RuleEntry, Rules};
pub use object::{Rule, RuleKey};
pub use types::{FibRuleHdr, PortRange, RuleAction, RuleFlags, UidRange};
#[cfg(feature = "watch")]
pub use watch::{RuleWatch, RuleWatchBuilder};

// `include/uapi/linux/rtnetlink.h`

/// An existing rule; also the request that adds one.
pub const RTM_NEWRULE: u16 = 32;
/// A deleted rule; also the request that deletes one.
pub const RTM_DELRULE: u16 = 33;
/// The request that lists rules.
pub const RTM_GETRULE: u16 = 34;
/// The multicast group of IPv4 rules.
pub const RTNLGRP_IPV4_RULE: u32 = 8;
/// The multicast group of IPv6 rules.
pub const RTNLGRP_IPV6_RULE: u32 = 19;
