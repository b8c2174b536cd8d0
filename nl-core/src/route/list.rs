use std::net::IpAddr;

use super::codec::RouteVerb;
use super::devs::Devs;
use super::entry::{RT_TABLE_MAIN, Route};
use super::filter::RouteFilter;
use super::words::{RouteProtocol, RouteScope, RouteType};
use crate::addr::{Dev, IpFamily, IpPrefix};
use crate::connection::Connection;
use crate::dump::Dump;
use crate::error::{Error, Result};
use crate::pending::Pending;
use crate::protocol::Protocol;

/// How many routes are removed at a time while the table is read.
const FLUSH_CHUNK: usize = 4096;
/// How often a table is read again because a route was left: the kernel skips some where others go meanwhile.
const FLUSH_ROUNDS: u32 = 16;

/// Routes to be listed or flushed: those of the table `main` that match. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct RouteEntries {
    conn: Connection,
    dev: Option<Dev>,
    all_tables: bool,
    filter: RouteFilter,
}

macro_rules! filters {
    ($($doc:literal $name:ident($arg:ident: $type:ty) $field:ident;)+) => {$(
        #[doc = $doc]
        pub fn $name(mut self, $arg: $type) -> Self {
            self.filter.$field = Some($arg);
            self
        }
    )+};
}

impl RouteEntries {
    pub(super) fn new(conn: Connection) -> Self {
        Self { conn, dev: None, all_tables: false, filter: RouteFilter::default() }
    }

    filters! {
        "In this table, from 1 on (`table`). Filtered by the kernel." table(table: u32) table;
        "Made by this protocol (`proto`). Filtered by the kernel." protocol(protocol: RouteProtocol) protocol;
        "Of this type (`type`). Filtered by the kernel." kind(kind: RouteType) kind;
        "To this destination (`exact`). Filtered while reading." exact(prefix: IpPrefix) exact;
        "To a destination inside of this one, or this one (`root`). Filtered while reading." root(prefix: IpPrefix) root;
        "To a destination that this one is in, or this one (`match`). Filtered while reading."
            matching(prefix: IpPrefix) matching;
        "With a path through this gateway (`via`). Filtered while reading." via(gateway: IpAddr) gateway;
        "With this metric (`metric`). Filtered while reading." metric(metric: u32) priority;
        "With this scope (`scope`). Filtered while reading." scope(scope: RouteScope) scope;
        "With this type of service (`tos`). Filtered while reading." tos(tos: u8) tos;
        "Over this nexthop object (`nhid`). Filtered while reading." nhid(id: u32) nexthop_id;
    }

    /// In any table, `local` among them (`table all`).
    pub fn all_tables(mut self) -> Self {
        self.all_tables = true;
        self
    }

    /// Of IPv4 or of IPv6 (`-4`, `-6`). Filtered by the kernel.
    pub fn family(mut self, family: IpFamily) -> Self {
        self.filter.is_ipv4 = Some(family == IpFamily::V4);
        self
    }

    /// Of IPv4 only (`-4`). Filtered by the kernel.
    pub fn ipv4(mut self) -> Self {
        self.filter.is_ipv4 = Some(true);
        self
    }

    /// Of IPv6 only (`-6`). Filtered by the kernel.
    pub fn ipv6(mut self) -> Self {
        self.filter.is_ipv4 = Some(false);
        self
    }

    /// With a path through this device (`dev`). Filtered by the kernel.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// The routes of the cache instead of those of the tables (`cache`): results of path MTU discovery and redirects.
    pub fn cached(mut self) -> Self {
        self.filter.cached = true;
        self
    }

    /// Lists them: a stream in constant memory.
    ///
    /// Equivalent: `ip route show`, of IPv4 and IPv6 unless one is asked for. Needs no privilege.
    ///
    /// The kernel does not notice when a table changes while it is listed: routes may then be missed or shown twice.
    ///
    /// # Errors
    /// No such device; in the stream, `ENOENT` ([`is_not_found`](Error::is_not_found)) for a table that does not exist, where
    /// [`ipv4`](Self::ipv4) or [`ipv6`](Self::ipv6) is asked for.
    pub fn list(self) -> Pending<Dump<Route>> {
        Pending::new(async move { Ok(dump(&self.conn, self.resolved("list").await?)) })
    }

    /// Deletes them and returns how many were deleted. Routes that others delete meanwhile are not counted.
    ///
    /// This lists and deletes in turn, in constant memory, because the kernel has no request for it. A filter is needed.
    ///
    /// Equivalent: `ip route flush`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// No such device; the first refusal by the kernel; no filter is set.
    pub fn flush(self) -> Pending<u64> {
        Pending::new(async move {
            if !self.all_tables && self.dev.is_none() && !self.filter.selects() {
                return Err(Error::usage("a flush of routes needs a table, a device or another selection")
                    .during(|| self.describe("flush")));
            }
            let filter = self.resolved("flush").await?;
            let mut removed = 0;
            for _ in 0..FLUSH_ROUNDS {
                match self.flush_once(&filter).await? {
                    0 => break,
                    count => removed += count,
                }
            }
            Ok(removed)
        })
    }

    async fn flush_once(&self, filter: &RouteFilter) -> Result<u64> {
        let mut routes = dump(&self.conn, filter.clone());
        let mut removed = 0;
        loop {
            let mut requests = Vec::new();
            while requests.len() < FLUSH_CHUNK {
                match routes.next_entry().await {
                    None => break,
                    Some(Ok(route)) => requests.push(route.request(RouteVerb::Delete)),
                    // A table that is not there has no routes.
                    Some(Err(error)) if error.is_not_found() => break,
                    Some(Err(error)) => return Err(error),
                }
            }
            if requests.is_empty() {
                return Ok(removed);
            }
            let mut results = self.conn.batch(requests);
            while let Some(result) = results.next_result().await {
                match result {
                    Ok(_) => removed += 1,
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// The filter with indexes.
    async fn resolved(&self, verb: &str) -> Result<RouteFilter> {
        self.look_up().await.map_err(|error| error.during(|| self.describe(verb)))
    }

    async fn look_up(&self) -> Result<RouteFilter> {
        self.conn.require(Protocol::Route, "routes")?;
        let mut filter = self.filter.clone();
        if !self.all_tables {
            filter.table = filter.table.or(Some(RT_TABLE_MAIN));
        }
        if let Some(dev) = &self.dev {
            filter.oif = Some(Devs::default().index(&self.conn, dev).await?);
        }
        Ok(filter)
    }

    fn describe(&self, verb: &str) -> String {
        let mut text = format!("{verb} routes");
        if let Some(dev) = &self.dev {
            text.push_str(&format!(" dev {dev}"));
        }
        if let Some(table) = self.filter.table {
            text.push_str(&format!(" table {table}"));
        }
        text
    }
}

fn dump(conn: &Connection, filter: RouteFilter) -> Dump<Route> {
    conn.dump_into(filter.list_request(), move |message, slot| {
        // In a list of all families there are others too.
        if !Route::is_route(message) {
            return Ok(false);
        }
        Route::decode_into(message, slot, |route| filter.matches(route))
    })
}
