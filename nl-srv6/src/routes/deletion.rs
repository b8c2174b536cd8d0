use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use nl_core::connection::Named;
use nl_core::error::{Ack, ErrorKind};
use nl_core::route::{Route, RouteFilter, RouteVerb};
use nl_core::{Connection, Error, IpPrefix, Pending, Result};

use super::handle::{Srv6Entry, Srv6Routes};
use crate::find;

/// IPv4 or not, and the number.
type Table = (bool, u32);
/// What the kernel finds a route by that is to be deleted: table, destination, type of service, metric, gateway, device, nexthop.
type Key = (u32, IpPrefix, u8, Option<u32>, Option<IpAddr>, Option<u32>, Option<u32>);

impl Srv6Routes {
    /// Removes many routes, each if it has its segments, and returns one outcome per entry in their order.
    ///
    /// As [`Srv6Entry::delete`] of each, but each table is listed once and the deletions are one batch. Of entries that mean the same path
    /// the first one counts. An [unchecked](Srv6Entry::unchecked) entry is not compared.
    ///
    /// ```no_run
    /// use nl_core::IpPrefix;
    /// use nl_srv6::encap::Seg6;
    /// use nl_srv6::routes::Srv6Routes;
    ///
    /// # async fn example(routes: Srv6Routes, path: Seg6, old: Vec<IpPrefix>) -> nl_core::Result<()> {
    /// let entries: Vec<_> = old.into_iter().map(|prefix| routes.entry(prefix, &path).table(100)).collect();
    /// for outcome in routes.delete_all(entries).await? {
    ///     if let Err(error) = outcome {
    ///         eprintln!("{error}");
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Equivalent: `ip -batch` of `ip route del`, which does not compare. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// A table cannot be listed. The outcomes fail as [`Srv6Entry::delete`] does.
    pub fn delete_all(&self, entries: impl IntoIterator<Item = Srv6Entry>) -> Pending<Vec<Result<Ack>>> {
        let (conn, entries) = (self.connection().clone(), entries.into_iter().collect());
        Pending::new(delete_all(conn, entries))
    }
}

/// What is known of an entry before its answer is.
enum Fate {
    /// A device was not found. The error says all.
    Failed(Error),
    /// There is nothing to be sent.
    Refused(Named, Error),
    Sent(Named),
}

async fn delete_all(conn: Connection, mut entries: Vec<Srv6Entry>) -> Result<Vec<Result<Ack>>> {
    let mut resolved = Vec::with_capacity(entries.len());
    for entry in &mut entries {
        resolved.push(entry.resolve(RouteVerb::Delete).await);
    }
    let mut wanted: HashMap<Table, HashSet<IpPrefix>> = HashMap::new();
    for (entry, named) in entries.iter().zip(&resolved) {
        if named.is_ok() && !entry.unchecked && entry.route.prefix.check_network("destination").is_ok() {
            wanted.entry(table_of(entry)).or_default().insert(entry.route.prefix);
        }
    }
    let mut there = HashMap::new();
    for (table, prefixes) in wanted {
        there.insert(table, list(&conn, table, prefixes).await?);
    }

    let (mut fates, mut requests) = (Vec::with_capacity(entries.len()), Vec::new());
    let mut known = HashSet::new();
    for (entry, named) in entries.iter().zip(resolved) {
        fates.push(match named {
            Err(error) => Fate::Failed(error),
            Ok(named) => match deleted_by(entry, there.get(&table_of(entry)), &mut known) {
                Err(error) => Fate::Refused(named, error),
                Ok(route) => {
                    requests.push(route.request(RouteVerb::Delete));
                    Fate::Sent(named)
                }
            },
        });
    }
    let count = requests.len();
    let summary = conn.batch(requests).summarize(count).await?;
    let answered = summary.succeeded + summary.failed;
    let mut failures = summary.failures.into_iter().peekable();

    let mut outcomes = Vec::with_capacity(entries.len());
    let mut position = 0;
    for (entry, fate) in entries.iter().zip(fates) {
        let (named, outcome) = match fate {
            Fate::Failed(error) => {
                outcomes.push(Err(error));
                continue;
            }
            Fate::Refused(named, error) => (named, Err(error)),
            Fate::Sent(named) => {
                let failure = failures.next_if(|(at, _)| *at == position);
                let outcome = match failure {
                    Some((_, error)) => Err(error),
                    None if position < answered => Ok(Ack::default()),
                    // The socket failed before.
                    None => Err(ErrorKind::Closed.into()),
                };
                position += 1;
                (named, outcome)
            }
        };
        let describe = || entry.request(RouteVerb::Delete).describe();
        outcomes.push(entry.outcome(outcome, &named, describe).await);
    }
    Ok(outcomes)
}

fn table_of(entry: &Srv6Entry) -> Table {
    (entry.route.is_ipv4(), entry.route.in_table())
}

/// The routes of a table to these destinations.
async fn list(
    conn: &Connection,
    (is_ipv4, table): Table,
    prefixes: HashSet<IpPrefix>,
) -> Result<HashMap<IpPrefix, Vec<Route>>> {
    let mut filter = RouteFilter::default();
    filter.is_ipv4 = Some(is_ipv4);
    filter.table = Some(table);
    let list = conn.dump_matching(filter.list_request(), Route::decode, move |route| {
        prefixes.contains(&route.prefix) && filter.matches(route)
    });
    let routes = match list.collect_all().await {
        // A table that is not there has no routes.
        Err(error) if error.is_not_found() => Vec::new(),
        outcome => outcome?,
    };
    let mut by_prefix: HashMap<IpPrefix, Vec<Route>> = HashMap::new();
    for route in routes {
        by_prefix.entry(route.prefix).or_default().push(route);
    }
    Ok(by_prefix)
}

/// What the kernel finds the route of an entry by.
fn deleted_by(
    entry: &Srv6Entry,
    there: Option<&HashMap<IpPrefix, Vec<Route>>>,
    known: &mut HashSet<Key>,
) -> Result<Route> {
    let like = &entry.route;
    if entry.unchecked {
        return Ok(like.clone().with_encap(&entry.seg6));
    }
    like.prefix.check_network("destination")?;
    let routes = there.and_then(|table| table.get(&like.prefix)).into_iter().flatten();
    let is_alike = |route: &&Route| {
        route.tos == like.tos && like.priority.is_none_or(|metric| route.priority.unwrap_or(0) == metric)
    };
    let (_, route) = entry.choose(routes.filter(is_alike).cloned())?;
    let route = route?;
    let (table, prefix, tos) = (route.in_table(), route.prefix, route.tos);
    let key = (table, prefix, tos, route.priority, route.gateway, route.oif, route.nexthop_id);
    // The kernel would remove another path for the second one.
    if known.insert(key) { Ok(route) } else { Err(find::no_route()) }
}
