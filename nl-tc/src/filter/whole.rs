//! Whole lists of filters.

use std::collections::HashSet;

use nl_core::error::ErrorKind;
use nl_core::{Connection, Error, Result};

use super::codec::{Filter, list_request_like, list_request_of};
use crate::TcHandle;

/// The kinds with one filter for each priority, which the kernel counts as listed also when it did not fit into a message (`mall_walk` and
/// `cls_cgroup_walk`, `net/sched/`).
const LOSSY: [&str; 2] = ["cgroup", "matchall"];

/// Reads the filters of a qdisc, a class or a block, also those that the kernel leaves out of a list of several messages.
///
/// The entry without a handle that precedes the filters of each priority is never left out. Where none follows, the filters of that
/// priority are listed by themselves, for which there is room.
pub(crate) async fn read_all(
    conn: &Connection,
    index: u32,
    parent: TcHandle,
    chain: Option<u32>,
) -> Result<Vec<Filter>> {
    let list = |request| conn.dump(request, |message| Filter::decode(message).map(Some)).collect_all();
    let mut filters = list(list_request_of(index, parent, chain)).await?;
    for alone in without_filter(&filters) {
        let request = || list_request_like(index, parent, &alone);
        let found = list(request()).await?;
        // Without any entry, it was deleted meanwhile.
        if !without_filter(&found).is_empty() {
            let (priority, kind) = (alone.priority, alone.config.kind());
            let why =
                format!("the kernel lists priority {priority} without its {kind} filter: list it again");
            return Err(request().not_sent(Error::new(ErrorKind::Interrupted)).hinted(why));
        }
        filters.extend(found.into_iter().filter(|filter| filter.handle != 0));
    }
    Ok(filters)
}

/// The entries without a handle of a list that lacks the filter which belongs to them.
fn without_filter(filters: &[Filter]) -> Vec<Filter> {
    let place = |filter: &Filter| (filter.priority, filter.protocol, filter.chain.unwrap_or(0));
    let has_filter: HashSet<_> = filters.iter().filter(|filter| filter.handle != 0).map(place).collect();
    let is_alone = |filter: &&Filter| {
        filter.handle == 0 && LOSSY.contains(&filter.config.kind()) && !has_filter.contains(&place(filter))
    };
    filters.iter().filter(is_alone).cloned().collect()
}
