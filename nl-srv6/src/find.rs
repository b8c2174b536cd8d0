//! Routes to one destination, for comparisons that the kernel does not make.

use nl_core::error::{Errno, ErrorKind, KernelError};
use nl_core::route::{Lookup, Route, RouteFilter};
use nl_core::{Connection, Error, Result};

/// The metric of an IPv6 route that is made without one (`IP6_RT_PRIO_USER`).
#[cfg(feature = "sid")]
const METRIC: u32 = 1024;

/// Of [`all`] the one that packets to the destination's first address take, if they take one of them: without a list of the table.
///
/// It is the first one that the list would have.
pub(crate) async fn taken(conn: &Connection, like: &Route) -> Option<Route> {
    if like.prefix.is_default() {
        return None;
    }
    // What fails here is in another table, or comes to light when the table is listed.
    let lookup = Lookup::new(like.prefix.addr()).fib_match();
    let route = conn.answered(lookup.request(), Route::decode).await.ok()?;
    let is_one = route.prefix == like.prefix
        && route.in_table() == like.in_table()
        && route.tos == like.tos
        && like.priority.is_none_or(|metric| route.priority.unwrap_or(0) == metric);
    is_one.then_some(route)
}

/// All routes with the destination, table, type of service, and, where it is set, the metric of `like`.
///
/// The kernel has no request for that: the table is listed, and filtered while reading.
pub(crate) async fn all(conn: &Connection, like: &Route) -> Result<Vec<Route>> {
    let mut filter = RouteFilter::default();
    filter.is_ipv4 = Some(like.is_ipv4());
    filter.table = Some(like.in_table());
    filter.exact = Some(like.prefix);
    filter.priority = like.priority;
    filter.tos = Some(like.tos);
    let list = conn.dump_matching(filter.list_request(), Route::decode, move |route| filter.matches(route));
    match list.collect_all().await {
        // A table that is not there has no routes.
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        outcome => outcome,
    }
}

/// The route that was made from `made`, by its key.
#[cfg(feature = "sid")]
pub(crate) async fn made(conn: &Connection, made: &Route) -> Result<Route> {
    let metric = made.priority.or((!made.is_ipv4()).then_some(METRIC));
    let mut entry = nl_core::route::Routes::new(conn.clone()).entry(made.prefix).table(made.in_table());
    if let Some(metric) = metric {
        entry = entry.metric(metric);
    }
    if let Some(index) = made.oif {
        entry = entry.dev(index);
    }
    if let Some(gateway) = made.gateway {
        entry = entry.via(gateway);
    }
    entry.get().await
}

/// `No such process`: how the kernel says that there is no such route.
pub(crate) fn no_route() -> Error {
    ErrorKind::Kernel(KernelError::new(Errno::ESRCH)).into()
}

/// Puts the kernel's names in place of the numbers of devices that are left in an error.
pub(crate) async fn with_names(conn: &Connection, mut error: Error) -> Error {
    let index = |word: &str| word.strip_prefix('#')?.parse::<u32>().ok();
    let indexes: Vec<_> = error.operation().unwrap_or_default().split(' ').filter_map(index).collect();
    for index in indexes {
        if let Ok(name) = conn.link_name(index).await {
            error = error.naming(index, name);
        }
    }
    error
}

/// What stands between an operation and the routes that are there instead.
const THERE: &str = " where ";

/// Adds the routes that are there to an error, in words that [`during`] keeps.
pub(crate) fn tell(error: Error, there: &[Route]) -> Error {
    match there {
        [] => error,
        routes => {
            let words: Vec<_> = routes.iter().map(ToString::to_string).collect();
            error.during(|| format!("{THERE}{} is", words.join(" and ")))
        }
    }
}

/// Says what was being done, followed by what [`tell`] has added.
pub(crate) fn during(error: Error, operation: &str) -> Error {
    let there = error.operation().filter(|text| text.starts_with(THERE)).unwrap_or_default().to_owned();
    error.during(|| format!("{operation}{there}"))
}
