use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::bucket::{BucketFilter, NexthopBucket};
use super::codec::NexthopVerb;
use super::entry::{Nexthop, NexthopFamily};
use super::filter::NexthopFilter;
use super::group::GroupMember;
use crate::addr::{Dev, IpFamily};
use crate::batch::Batch;
use crate::connection::Connection;
use crate::dump::Dump;
use crate::error::{Ack, Errno, Error, Result, Since};
use crate::pending::Pending;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::route::{Devs, Encap, RawEncap, RouteProtocol};

/// The nexthop objects of the connection's namespace. Cheap to clone. Linux 5.3.
///
/// ```no_run
/// use nl_core::nexthop::Nexthops;
/// use nl_core::{Connection, Protocol};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let nexthops = Nexthops::new(Connection::open(Protocol::Route)?);
/// nexthops.entry(1).via("192.0.2.1".parse()?).dev("eth0").replace().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Nexthops {
    conn: Connection,
}

impl Nexthops {
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

    /// One nexthop or group, by its number, to be added, changed, deleted or read.
    pub fn entry(&self, id: u32) -> NexthopEntry {
        let conn = self.conn.clone();
        NexthopEntry { conn, dev: None, stats: false, read_hw_stats: false, hop: Nexthop::new(id) }
    }

    /// All nexthops, or those that match, to be listed or flushed.
    pub fn entries(&self) -> NexthopEntries {
        let conn = self.conn.clone();
        NexthopEntries { conn, dev: None, master: None, filter: NexthopFilter::default() }
    }

    /// The buckets of resilient groups, or those that match, to be listed.
    pub fn buckets(&self) -> NexthopBuckets {
        NexthopBuckets { conn: self.conn.clone(), dev: None, filter: BucketFilter::default() }
    }

    /// Thousands of changes in few system calls: a stream of one result per change, in order.
    ///
    /// ```no_run
    /// use nl_core::nexthop::{Nexthop, NexthopVerb, Nexthops};
    ///
    /// # async fn example(nexthops: Nexthops, port: u32, gateways: Vec<std::net::IpAddr>) -> nl_core::Result<()> {
    /// let hops = (1..).zip(gateways).map(move |(id, gateway)| Nexthop::new(id).via(gateway).oif(port));
    /// let summary = nexthops.batch(hops.map(|hop| (NexthopVerb::Replace, hop))).summarize(10).await?;
    /// println!("{} made, {} refused", summary.succeeded, summary.failed);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// See [`crate::batch`]. Devices are given by index here.
    pub fn batch<I>(&self, changes: I) -> Batch<impl Iterator<Item = Request> + use<I>>
    where
        I: IntoIterator<Item = (NexthopVerb, Nexthop)>,
    {
        self.conn.batch(changes.into_iter().map(|(verb, hop)| hop.request(verb)))
    }
}

/// One nexthop to be added, changed, deleted or read. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct NexthopEntry {
    conn: Connection,
    dev: Option<Dev>,
    stats: bool,
    read_hw_stats: bool,
    hop: Nexthop,
}

macro_rules! options {
    ($($name:ident($($arg:ident: $type:ty)?);)+) => {$(
        #[doc = concat!("See [`Nexthop::", stringify!($name), "()`].")]
        pub fn $name(mut self $(, $arg: $type)?) -> Self {
            self.hop = self.hop.$name($($arg)?);
            self
        }
    )+};
}

impl NexthopEntry {
    options! {
        via(gateway: IpAddr);
        onlink();
        ipv4();
        ipv6();
        blackhole();
        fdb();
        protocol(protocol: RouteProtocol);
        group(members: impl IntoIterator<Item = impl Into<GroupMember>>);
        resilient(buckets: u16);
        idle_timer(time: Duration);
        unbalanced_timer(time: Duration);
        hw_stats(yes: bool);
        with_raw_encap(encap: RawEncap);
    }

    /// Through this device (`dev`).
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// In this encapsulation (`encap`), which may name devices.
    pub fn encap<T: Encap>(mut self, encap: &T) -> Self {
        self.hop = self.hop.with_encap(encap);
        self
    }

    /// Read with counters of the members of a group. Linux 6.9.
    pub fn stats(mut self) -> Self {
        self.stats = true;
        self
    }

    /// Read with counters of the members of a group, those of the hardware too. Linux 6.9.
    pub fn stats_of_hardware(mut self) -> Self {
        self.read_hw_stats = true;
        self
    }

    /// Adds the nexthop; fails if its number is taken. With number 0 the kernel chooses one.
    ///
    /// Equivalent: `ip nexthop add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EEXIST` ([`is_exists`](Error::is_exists)); no such device; a gateway that is on no device's network; a member that does not
    /// exist; a device that is down; bad input, before the kernel is asked;
    /// [`Unsupported`](crate::error::ErrorKind::Unsupported) for weights over 256 before Linux 6.12.
    pub fn add(self) -> Pending<Ack> {
        self.change(NexthopVerb::Add)
    }

    /// Adds the nexthop, or changes the one with its number: all routes and groups with it follow at once. A group stays a group,
    /// of its type, and a resilient one keeps its number of buckets.
    ///
    /// Equivalent: `ip nexthop replace`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) but for `EEXIST`.
    pub fn replace(self) -> Pending<Ack> {
        self.change(NexthopVerb::Replace)
    }

    /// Deletes the nexthop, also from its groups, and with it groups without another member and the routes over it.
    ///
    /// Equivalent: `ip nexthop del`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)).
    pub fn delete(self) -> Pending<Ack> {
        self.change(NexthopVerb::Delete)
    }

    /// Reads the nexthop.
    ///
    /// Equivalent: `ip nexthop get`. Needs no privilege.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)); [`Unsupported`](crate::error::ErrorKind::Unsupported) for
    /// [`stats`](Self::stats) before Linux 6.9.
    pub fn get(self) -> Pending<Nexthop> {
        Pending::new(async move {
            self.conn.require(Protocol::Route, "nexthops")?;
            let asks = self.stats || self.read_hw_stats;
            let request = Nexthop::get_request(self.hop.id, self.stats, self.read_hw_stats);
            let found = self.conn.answered(request, Nexthop::decode).await;
            found.map_err(|error| without_op_flags(error, asks))
        })
    }

    fn change(mut self, verb: NexthopVerb) -> Pending<Ack> {
        Pending::new(async move {
            let mut devs = Devs::default();
            let outcome = match self.resolve(&mut devs).await {
                Ok(()) => self.conn.acknowledged(self.hop.request(verb)).await,
                Err(error) => Err(error.during(|| format!("{verb} nexthop {}", self.hop))),
            };
            let is_heavy = self.hop.group.iter().any(|member| member.weight > 256);
            outcome.map_err(|error| {
                devs.name(error.or_unsupported(
                    |kernel| {
                        let text = kernel.ext_ack.message.as_deref().unwrap_or_default();
                        is_heavy && kernel.errno == Errno::EINVAL && text.starts_with("Reserved field")
                    },
                    "a weight over 256",
                    Since::linux(6, 12),
                ))
            })
        })
    }

    /// Puts indexes in place of names.
    async fn resolve(&mut self, devs: &mut Devs) -> Result<()> {
        self.conn.require(Protocol::Route, "nexthops")?;
        if let Some(dev) = &self.dev {
            self.hop.oif = Some(0);
            self.hop.oif = Some(devs.index(&self.conn, dev).await?);
        }
        devs.resolve(&self.conn, self.hop.encap.as_deref_mut()).await
    }
}

/// A kernel before 6.9 does not know the attribute that asks for counters.
fn without_op_flags(error: Error, asked: bool) -> Error {
    error.or_unsupported(
        |kernel| asked && kernel.errno == Errno::EINVAL,
        "counters of nexthop groups",
        Since::linux(6, 9),
    )
}

/// Nexthops to be listed or flushed: all, or those that match. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct NexthopEntries {
    conn: Connection,
    dev: Option<Dev>,
    master: Option<Dev>,
    filter: NexthopFilter,
}

impl NexthopEntries {
    /// Through this device (`dev`). Filtered by the kernel.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// Through a port of this device (`master`, `vrf`). Filtered by the kernel.
    pub fn master(mut self, dev: impl Into<Dev>) -> Self {
        self.master = Some(dev.into());
        self
    }

    /// Groups (`groups`). Filtered by the kernel.
    pub fn groups(mut self) -> Self {
        self.filter.groups = true;
        self
    }

    /// Those for forwarding databases (`fdb`). Filtered while reading, because the kernel ignores this filter.
    pub fn fdb(mut self) -> Self {
        self.filter.fdb = true;
        self
    }

    /// Those for routes of IPv4 or of IPv6 (`-4`, `-6`). Filtered by the kernel.
    pub fn family(mut self, family: IpFamily) -> Self {
        self.filter.family = Some(match family {
            IpFamily::V4 => NexthopFamily::Ipv4,
            IpFamily::V6 => NexthopFamily::Ipv6,
        });
        self
    }

    /// Those for routes of IPv4 (`-4`). Filtered by the kernel.
    pub fn ipv4(mut self) -> Self {
        self.filter.family = Some(NexthopFamily::Ipv4);
        self
    }

    /// Those for routes of IPv6 (`-6`). Filtered by the kernel.
    pub fn ipv6(mut self) -> Self {
        self.filter.family = Some(NexthopFamily::Ipv6);
        self
    }

    /// With these numbers, such as a range that belongs to one program. Filtered while reading.
    ///
    /// ```no_run
    /// # async fn example(nexthops: nl_core::nexthop::Nexthops) -> nl_core::Result<()> {
    /// // What an earlier run of this program left behind.
    /// nexthops.entries().fdb().ids(5000..=5999).flush().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn ids(mut self, ids: RangeInclusive<u32>) -> Self {
        self.filter.ids = Some(ids);
        self
    }

    /// Added by this protocol (`proto`). Filtered while reading.
    pub fn protocol(mut self, protocol: RouteProtocol) -> Self {
        self.filter.protocol = Some(protocol);
        self
    }

    /// With counters of the members of groups. Linux 6.9; older kernels refuse the list.
    pub fn stats(mut self) -> Self {
        self.filter.stats = true;
        self
    }

    /// Lists them: a stream in constant memory.
    ///
    /// Equivalent: `ip nexthop show`. Needs no privilege.
    ///
    /// The kernel notices when the table changes while it is listed; see [`crate::dump`].
    ///
    /// # Errors
    /// No such device.
    pub fn list(self) -> Pending<Dump<Nexthop>> {
        Pending::new(async move { Ok(self.dump(self.resolved("list").await?)) })
    }

    /// Deletes them and returns how many were deleted; those that the kernel deletes with another one are not counted. A filter is needed.
    ///
    /// Their numbers are read first, which takes 4 bytes of memory for each, and then deleted.
    ///
    /// Equivalent: `ip nexthop flush`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// No such device; the first refusal by the kernel; no filter is set.
    pub fn flush(self) -> Pending<u64> {
        Pending::new(async move {
            if self.dev.is_none() && self.master.is_none() && !self.filter.selects() {
                return Err(Error::usage(
                    "a flush of nexthops needs a device, a protocol or another selection",
                )
                .during(|| self.describe("flush")));
            }
            let filter = self.resolved("flush").await?;
            let (matches, request) = (filter.clone(), filter.list_request());
            let ids = self.conn.dump(request, move |message| {
                let hop = Nexthop::decode(message)?;
                Ok(matches.matches(&hop).then_some(hop.id))
            });
            let ids = ids.collect_all().await?;
            let delete = |id| Nexthop::new(id).request(NexthopVerb::Delete);
            let mut results = self.conn.batch(ids.into_iter().map(delete));
            let mut removed = 0;
            while let Some(result) = results.next_result().await {
                match result {
                    Ok(_) => removed += 1,
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(removed)
        })
    }

    fn dump(&self, filter: NexthopFilter) -> Dump<Nexthop> {
        let request = filter.list_request();
        self.conn.dump_matching(request, Nexthop::decode, move |hop| filter.matches(hop))
    }

    /// The filter with indexes.
    async fn resolved(&self, verb: &str) -> Result<NexthopFilter> {
        self.look_up().await.map_err(|error| error.during(|| self.describe(verb)))
    }

    async fn look_up(&self) -> Result<NexthopFilter> {
        self.conn.require(Protocol::Route, "nexthops")?;
        let mut filter = self.filter.clone();
        if let Some(dev) = &self.dev {
            filter.oif = Some(Devs::default().index(&self.conn, dev).await?);
        }
        if let Some(dev) = &self.master {
            filter.master = Some(Devs::default().index(&self.conn, dev).await?);
        }
        Ok(filter)
    }

    fn describe(&self, verb: &str) -> String {
        let mut text = format!("{verb} nexthops");
        if let Some(dev) = &self.dev {
            text.push_str(&format!(" dev {dev}"));
        }
        if let Some(dev) = &self.master {
            text.push_str(&format!(" master {dev}"));
        }
        text
    }
}

/// Buckets of resilient groups to be listed: all, or those that match.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct NexthopBuckets {
    conn: Connection,
    dev: Option<Dev>,
    filter: BucketFilter,
}

impl NexthopBuckets {
    /// Of this group (`id`). Filtered by the kernel.
    pub fn group(mut self, id: u32) -> Self {
        self.filter.group = Some(id);
        self
    }

    /// With this member (`nhid`). Filtered by the kernel.
    pub fn member(mut self, id: u32) -> Self {
        self.filter.nexthop = Some(id);
        self
    }

    /// With a member through this device (`dev`). Filtered by the kernel.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// Lists them: a stream in constant memory.
    ///
    /// Equivalent: `ip nexthop bucket show`. Needs no privilege. Linux 5.13.
    ///
    /// # Errors
    /// No such device; in the stream, `ENOENT` ([`is_not_found`](Error::is_not_found)) for a group that does not exist, and `EINVAL`
    /// for one that is not resilient.
    pub fn list(self) -> Pending<Dump<NexthopBucket>> {
        Pending::new(async move {
            self.conn.require(Protocol::Route, "nexthops")?;
            let mut filter = self.filter.clone();
            if let Some(dev) = &self.dev {
                let index = Devs::default().index(&self.conn, dev).await;
                filter.oif =
                    Some(index.map_err(|error| error.during(|| format!("list nexthop buckets dev {dev}")))?);
            }
            Ok(self.conn.dump(filter.list_request(), |message| NexthopBucket::decode(message).map(Some)))
        })
    }
}
