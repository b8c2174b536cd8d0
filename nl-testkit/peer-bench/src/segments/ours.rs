//! This project's `nl-srv6`.

use std::net::IpAddr;

use futures_util::TryStreamExt as _;
use nl_core::route::{Route, RouteProtocol, RouteVerb, Routes};
use nl_core::{Connection, IpPrefix, Protocol};
use nl_srv6::encap::Seg6;
use nl_srv6::policy::{CandidatePath, Headend, Policy, PolicySet};
use nl_srv6::routes::Srv6Routes;
use nl_srv6::sid::Sids;

use super::{FIRST_ID, IFINDEX, PROTOCOL, TABLE, Tally, network, segments, sid};
use crate::measure::{Cost, Stopwatch};
use crate::{Result, runtime};

pub(super) fn add(numbers: &[u32]) -> Result<Cost> {
    let mut wanted = Vec::with_capacity(numbers.len());
    for number in numbers {
        wanted.push((prefix(*number)?, Seg6::encap(segments(*number))));
    }
    runtime()?.block_on(async {
        let routes = Routes::new(Connection::open(Protocol::Route)?);
        let watch = Stopwatch::start()?;
        let changes = wanted.into_iter().map(|(prefix, seg6)| {
            (RouteVerb::Add, Route::new(prefix).table(TABLE).oif(IFINDEX).with_encap(&seg6))
        });
        routes.batch(changes).retry_enomem().summarize(1).await?.into_result()?;
        watch.stop()
    })
}

pub(super) fn list() -> Result<(Cost, Option<Tally>)> {
    runtime()?.block_on(async {
        let routes = Srv6Routes::new(Connection::open(Protocol::Route)?);
        let watch = Stopwatch::start()?;
        let mut tally = Tally::default();
        let mut list = routes.entries().ipv6().table(TABLE).list().await?;
        while let Some(route) = list.try_next().await? {
            if let (IpAddr::V6(addr), 1) = (route.route.prefix.addr(), route.paths.len()) {
                tally.add(addr);
            }
        }
        Ok((watch.stop()?, Some(tally)))
    })
}

pub(super) fn visit() -> Result<(Cost, Option<Tally>)> {
    runtime()?.block_on(async {
        let routes = Srv6Routes::new(Connection::open(Protocol::Route)?);
        let watch = Stopwatch::start()?;
        let list = routes.entries().ipv6().table(TABLE).list().await?;
        let tally = list.visit(Tally::default(), |tally, route| {
            if let (IpAddr::V6(addr), 1) = (route.route.prefix.addr(), route.paths.len()) {
                tally.add(addr);
            }
        });
        let tally = tally.await?;
        Ok((watch.stop()?, Some(tally)))
    })
}

pub(super) fn delete(numbers: &[u32]) -> Result<Cost> {
    delete_each(numbers, false)
}

pub(super) fn delete_unchecked(numbers: &[u32]) -> Result<Cost> {
    delete_each(numbers, true)
}

/// All in one call.
pub(super) fn delete_all(numbers: &[u32]) -> Result<Cost> {
    runtime()?.block_on(async {
        let routes = Srv6Routes::new(Connection::open(Protocol::Route)?);
        let watch = Stopwatch::start()?;
        let mut entries = Vec::with_capacity(numbers.len());
        for number in numbers {
            entries.push(routes.entry(prefix(*number)?, &Seg6::encap(segments(*number))).table(TABLE));
        }
        for outcome in routes.delete_all(entries).await? {
            outcome?;
        }
        watch.stop()
    })
}

fn delete_each(numbers: &[u32], unchecked: bool) -> Result<Cost> {
    runtime()?.block_on(async {
        let routes = Srv6Routes::new(Connection::open(Protocol::Route)?);
        let watch = Stopwatch::start()?;
        for number in numbers {
            let entry = routes.entry(prefix(*number)?, &Seg6::encap(segments(*number))).table(TABLE);
            let entry = if unchecked { entry.unchecked() } else { entry };
            entry.delete().await?;
        }
        watch.stop()
    })
}

pub(super) fn add_sids(numbers: &[u32]) -> Result<Cost> {
    add_each_sid(numbers, false)
}

pub(super) fn add_sids_unchecked(numbers: &[u32]) -> Result<Cost> {
    add_each_sid(numbers, true)
}

fn add_each_sid(numbers: &[u32], unchecked: bool) -> Result<Cost> {
    runtime()?.block_on(async {
        let sids = Sids::new(Connection::open(Protocol::Route)?);
        let watch = Stopwatch::start()?;
        for number in numbers {
            let entry = sids.end(IpPrefix::host(sid(*number).into())).counters().dev(IFINDEX);
            let entry = if unchecked { entry.unchecked() } else { entry };
            entry.add().await?;
        }
        watch.stop()
    })
}

pub(super) fn apply(policies: &[u32]) -> Result<Cost> {
    applied(policies, false)
}

pub(super) fn apply_again(policies: &[u32]) -> Result<Cost> {
    applied(policies, true)
}

fn applied(policies: &[u32], are_there: bool) -> Result<Cost> {
    let count = u32::try_from(policies.len())?;
    let last = FIRST_ID + 2 * count;
    let mut set = PolicySet::new(IFINDEX, FIRST_ID..=last, RouteProtocol(PROTOCOL));
    for number in policies {
        let path = CandidatePath::new(100).list(Seg6::encap(segments(*number)));
        let [.., endpoint] = segments(*number);
        set = set.policy(Policy::new(*number, endpoint).path(path).prefix(prefix(*number)?).table(TABLE));
    }
    runtime()?.block_on(async {
        let headend = Headend::new(Connection::open(Protocol::Route)?);
        let watch = Stopwatch::start()?;
        let plan = headend.apply(&set).await?;
        let cost = watch.stop()?;
        match plan.steps().len() {
            0 if are_there => Ok(cost),
            steps if !are_there && steps == 3 * policies.len() => Ok(cost),
            steps => Err(format!("{steps} steps").into()),
        }
    })
}

fn prefix(number: u32) -> Result<IpPrefix> {
    Ok(IpPrefix::new(network(number).into(), 64)?)
}
