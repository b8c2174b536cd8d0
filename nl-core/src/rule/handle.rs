use super::{PortRange, Rule, RuleFilter, RuleVerb, UidRange};
use crate::addr::{IpFamily, IpPrefix, escaped};
use crate::batch::Batch;
use crate::connection::Connection;
use crate::dump::Dump;
use crate::error::{Ack, Error, ErrorKind, Result};
use crate::flush::delete_all;
use crate::pending::Pending;
use crate::protocol::Protocol;
use crate::request::Request;

/// The routing policy rules of the connection's namespace. Cheap to clone.
///
/// ```no_run
/// use nl_core::rule::Rules;
/// use nl_core::{Connection, IpFamily, Protocol};
///
/// # async fn example() -> nl_core::Result<()> {
/// let rules = Rules::new(Connection::open(Protocol::Route)?);
/// rules.entry(IpFamily::V6).l3mdev().priority(1000).add().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Rules {
    conn: Connection,
}

impl Rules {
    /// Over this connection, which must be one to [`Protocol::Route`].
    #[must_use]
    pub fn new(conn: Connection) -> Self {
        Self { conn }
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// One rule, to be added or deleted. By default it sends all packets to the table `main`.
    pub fn entry(&self, family: IpFamily) -> RuleEntry {
        RuleEntry { rules: self.clone(), rule: Rule::new(family) }
    }

    /// All rules, or those that match, to be listed or flushed.
    pub fn entries(&self) -> RuleEntries {
        RuleEntries { rules: self.clone(), filter: RuleFilter::default() }
    }

    /// Thousands of changes in few system calls: a stream of one result per change, in order.
    ///
    /// ```no_run
    /// use nl_core::IpFamily;
    /// use nl_core::rule::{Rule, RuleVerb, Rules};
    ///
    /// # async fn example(rules: Rules) -> nl_core::Result<()> {
    /// let changes = (1..=500).map(|mark| {
    ///     (RuleVerb::Add, Rule::new(IpFamily::V4).fwmark(mark).priority(1000).table(1000 + mark))
    /// });
    /// rules.batch(changes).summarize(10).await?.into_result()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// See [`batch`](crate::batch). A kernel ignores selectors it does not know: ask [`supported`](Self::supported) before.
    pub fn batch<I>(&self, changes: I) -> Batch<impl Iterator<Item = Request> + use<I>>
    where
        I: IntoIterator<Item = (RuleVerb, Rule)>,
    {
        self.conn.batch(changes.into_iter().map(|(verb, rule)| rule.request(verb)))
    }

    /// Fails if the kernel would ignore a selector of the rule. It is asked only for those of Linux 6.13 and later, with one
    /// request that it refuses and that changes nothing. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported); `EPERM`.
    pub fn supported(&self, rule: &Rule) -> Pending<()> {
        let (rules, rule) = (self.clone(), rule.clone());
        Pending::new(async move { rules.check_support(&rule).await })
    }

    async fn check_support(&self, rule: &Rule) -> Result<()> {
        self.conn.require(Protocol::Route, "rules")?;
        let Some((kind, feature, since)) = rule.newest() else { return Ok(()) };
        let Err(error) = self.conn.acknowledged(Rule::probe(kind)).await else {
            return Err(Error::usage("the kernel accepted a rule that goes to an earlier one"));
        };
        let about = error.attribute().and_then(|attribute| attribute.kinds().last());
        match error.kind() {
            ErrorKind::Kernel(_) if about == Some(kind) => Ok(()),
            ErrorKind::Kernel(_) if !error.is_permission() => Err(Error::unsupported(feature, since)),
            _ => Err(error),
        }
    }
}

/// One rule to be added or deleted. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct RuleEntry {
    rules: Rules,
    rule: Rule,
}

macro_rules! options {
    ($($name:ident($($arg:ident: $type:ty),*);)+) => {$(
        #[doc = concat!("See [`Rule::", stringify!($name), "()`].")]
        pub fn $name(mut self $(, $arg: $type)*) -> Self {
            self.rule = self.rule.$name($($arg),*);
            self
        }
    )+};
}

impl RuleEntry {
    options! {
        priority(priority: u32);
        not_();
        from(src: IpPrefix);
        to(dst: IpPrefix);
        tos(tos: u8);
        dscp(dscp: u8);
        dscp_masked(dscp: u8, mask: u8);
        flowlabel(label: u32);
        flowlabel_masked(label: u32, mask: u32);
        fwmark(mark: u32);
        fwmark_masked(mark: u32, mask: u32);
        iif(name: impl Into<String>);
        oif(name: impl Into<String>);
        l3mdev();
        uid_range(uids: impl Into<UidRange>);
        ip_proto(protocol: u8);
        sport(ports: impl Into<PortRange>);
        sport_masked(port: u16, mask: u16);
        dport(ports: impl Into<PortRange>);
        dport_masked(port: u16, mask: u16);
        tun_id(id: u64);
        table(table: u32);
        goto(priority: u32);
        nop();
        blackhole();
        unreachable();
        prohibit();
        suppress_prefixlength(len: u32);
        suppress_ifgroup(group: u32);
        realms(from: u16, to: u16);
        protocol(protocol: u8);
    }

    /// Adds the rule; fails if the same rule exists. Without a [priority](Self::priority) it comes before all others but
    /// that of priority 0.
    ///
    /// Equivalent: `ip rule add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EEXIST` ([`is_exists`](Error::is_exists)); [`Unsupported`](ErrorKind::Unsupported) for a
    /// [newer selector](super#newer-selectors); bad input, before the kernel is asked.
    pub fn add(self) -> Pending<Ack> {
        self.change(RuleVerb::Add)
    }

    /// Deletes the first rule that has [everything that is set](super#deleting-selects).
    ///
    /// Equivalent: `ip rule delete`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if there is none; nothing is set;
    /// [`Unsupported`](ErrorKind::Unsupported) for a [newer selector](super#newer-selectors).
    pub fn delete(self) -> Pending<Ack> {
        self.change(RuleVerb::Delete)
    }

    fn change(self, verb: RuleVerb) -> Pending<Ack> {
        Pending::new(async move {
            let mut request = self.rule.request(verb);
            // Bad input is found before the kernel is asked what it knows.
            request.encoded()?;
            let words = request.describe();
            self.rules.check_support(&self.rule).await.map_err(|error| error.during(|| words))?;
            self.rules.conn.acknowledged(request).await
        })
    }
}

/// All rules, or those that match. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct RuleEntries {
    rules: Rules,
    filter: RuleFilter,
}

impl RuleEntries {
    /// Of IPv4 or of IPv6 (`-4`, `-6`); without it, of both. Filtered by the kernel.
    pub fn family(mut self, family: IpFamily) -> Self {
        self.filter.family = Some(family);
        self
    }

    /// Made by this protocol, 1 to 255 (`protocol`). Filtered while reading.
    pub fn protocol(mut self, protocol: u8) -> Self {
        self.filter.protocol = Some(protocol);
        self
    }

    /// With this priority (`pref`). Filtered while reading.
    pub fn priority(mut self, priority: u32) -> Self {
        self.filter.priority = Some(priority);
        self
    }

    /// Routing by this table, above 0 (`table`). Filtered while reading.
    pub fn table(mut self, table: u32) -> Self {
        self.filter.table = Some(table);
        self
    }

    /// For packets that arrive by the device of this name (`iif`). Filtered while reading.
    pub fn iif(mut self, name: impl Into<String>) -> Self {
        self.filter.iif = Some(name.into());
        self
    }

    /// For packets of sockets that are bound to the device of this name (`oif`). Filtered while reading.
    pub fn oif(mut self, name: impl Into<String>) -> Self {
        self.filter.oif = Some(name.into());
        self
    }

    /// Lists them, by family and in order of priority: a stream in constant memory.
    ///
    /// Equivalent: `ip rule show`. Needs no privilege.
    ///
    /// The kernel does not notice when the rules change while they are listed: some may then be missed or shown twice.
    pub fn list(self) -> Pending<Dump<Rule>> {
        Pending::new(
            async move { self.try_list().map_err(|error| error.during(|| self.describe("list rules"))) },
        )
    }

    /// Deletes them and returns how many were deleted: a list of all that match, and a [batch](crate::batch) of deletions.
    ///
    /// A rule that no longer exists is not an error. If a deletion fails, the others are still sent, and the first failure is returned.
    /// Each deletion sends everything that was read of the rule, its priority included. Among several rules of one priority it can
    /// still [hit](super#deleting-selects) one with more selectors.
    ///
    /// Equivalent: `ip rule flush protocol PROTOCOL`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// No filter is set but the family.
    pub fn flush(self) -> Pending<u64> {
        Pending::new(async move {
            let named = |error: Error| error.during(|| self.describe("flush rules"));
            let family = self.filter.family;
            if self.filter == (RuleFilter { family, ..RuleFilter::default() }) {
                let why = "a flush needs a protocol, a priority, a table or a device: without the kernel's own rules \
                           nothing is routed";
                return Err(named(Error::usage(why)));
            }
            let found = self.try_list().map_err(named)?.collect_all().await.map_err(named)?;
            let requests = found.into_iter().map(|rule| rule.request(RuleVerb::Delete));
            delete_all(&self.rules.conn, requests).await
        })
    }

    fn try_list(&self) -> Result<Dump<Rule>> {
        self.rules.conn.require(Protocol::Route, "rules")?;
        let filter = self.filter.clone();
        let request = filter.list_request();
        Ok(self.rules.conn.dump_matching(request, Rule::decode, move |rule| filter.matches(rule)))
    }

    fn describe(&self, verb: &str) -> String {
        let mut text = verb.to_owned();
        for (word, value) in [
            ("protocol", self.filter.protocol.map(u32::from)),
            ("pref", self.filter.priority),
            ("table", self.filter.table),
        ] {
            if let Some(value) = value {
                text.push_str(&format!(" {word} {value}"));
            }
        }
        for (word, name) in [("iif", &self.filter.iif), ("oif", &self.filter.oif)] {
            if let Some(name) = name {
                text.push_str(&format!(" {word} {}", escaped(name)));
            }
        }
        text
    }
}
