use std::borrow::Cow;

use super::filter::{RuleEvent, RuleFilter};
use super::{RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, Rule, RuleFlags};
use crate::addr::IpPrefix;
use crate::attr::DecodeError;
use crate::message::MessageRef;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::watch::{Entry, Event, Source, watch_of};

watch_of! {
    /// The routing policy rules of a namespace, watched.
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt;
    /// use nl_core::rule::RuleWatch;
    /// use nl_core::watch::Change;
    /// use nl_core::{Connection, Protocol};
    ///
    /// # async fn example() -> nl_core::Result<()> {
    /// let mut watch = RuleWatch::open(&Connection::open(Protocol::Route)?).await?;
    /// while let Some(change) = watch.try_next().await? {
    ///     match change {
    ///         Change::Added(rule) => println!("+ {rule}"),
    ///         Change::Deleted(rule) => println!("- {rule}"),
    ///         Change::Synced => println!("= {} rules", watch.len()),
    ///         // Everything in a rule identifies it, so a different one is new.
    ///         Change::Changed { .. } => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Whether the device or the rule that a rule names exists ([`RuleFlags::IIF_DETACHED`], [`RuleFlags::UNRESOLVED`]) changes
    /// without an event; these flags are not in the entries. Rules that are the same in everything are one entry: the kernel adds
    /// a second one only for programs that do not set `NLM_F_EXCL`.
    RuleWatch, RuleWatchBuilder: RuleSource of Rule;
    /// Equivalent: `ip rule show` and `ip monitor rule` together, for IPv4 and IPv6. Needs no privilege.
    open
}

impl Entry for Rule {
    /// A part of what identifies a rule, which is all of it.
    type Key = (u8, Option<u32>, Option<u32>, Option<u32>, Option<IpPrefix>, Option<IpPrefix>);

    fn key(&self) -> Self::Key {
        (self.family, self.priority, self.table, self.fwmark, self.src, self.dst)
    }

    fn normalized(&self) -> Cow<'_, Self> {
        if !self.flags.intersects(RuleFlags::READ_ONLY) {
            return Cow::Borrowed(self);
        }
        Cow::Owned(watched(self.clone()))
    }

    fn is_same(&self, other: &Self) -> bool {
        self.normalized() == other.normalized()
    }
}

#[derive(Clone, Copy, Debug)]
struct RuleSource;

impl Source for RuleSource {
    type Entry = Rule;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "rules";

    fn groups(&self) -> Vec<u32> {
        vec![RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE]
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<Rule>>, DecodeError> {
        Ok(RuleEvent::decode(message)?.map(|event| match event {
            RuleEvent::New(rule) => Event::New(watched(*rule)),
            RuleEvent::Deleted(rule) => Event::Deleted(watched(*rule)),
        }))
    }

    fn list(&self) -> Request {
        RuleFilter::default().list_request()
    }

    /// In a list of all families there are the rules of multicast routing too.
    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<Rule>, DecodeError> {
        let rule = Rule::decode(message)?;
        Ok(RuleFilter::default().matches(&rule).then(|| watched(rule)))
    }

    /// The kernel finds no single rule.
    fn question(&self, _: &Rule) -> Option<Request> {
        None
    }
}

/// The rule without what depends on which devices and rules exist.
fn watched(mut rule: Rule) -> Rule {
    rule.flags -= RuleFlags::READ_ONLY;
    rule
}
