//! Routes of facts as they are written: what findings depend on.

use std::net::IpAddr;

use nl_core::route::{NextHop, Route, RouteProtocol};
use nl_core::{Dev, IpPrefix};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::encap::Seg6;
use crate::sid::Seg6Local;

#[derive(Serialize, Deserialize)]
struct Record {
    prefix: IpPrefix,
    table: u32,
    protocol: RouteProtocol,
    metric: Option<u32>,
    nexthop_id: Option<u32>,
    paths: Vec<Path>,
}

#[derive(Serialize, Deserialize)]
struct Path {
    dev: Option<u32>,
    gateway: Option<IpAddr>,
    seg6: Option<Seg6>,
    seg6local: Option<Seg6Local>,
}

pub(super) fn serialize<S: Serializer>(routes: &[Route], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(routes.iter().map(Record::of))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Route>, D::Error> {
    let records = Vec::<Record>::deserialize(deserializer)?;
    Ok(records.into_iter().map(Record::into_route).collect())
}

impl Record {
    fn of(route: &Route) -> Self {
        let mut paths: Vec<_> = route
            .nexthops
            .iter()
            .map(|hop| Path {
                dev: hop.dev.as_ref().and_then(Dev::index),
                gateway: hop.gateway,
                seg6: hop.encap().ok().flatten(),
                seg6local: hop.encap().ok().flatten(),
            })
            .collect();
        if paths.is_empty() {
            paths.push(Path {
                dev: route.oif,
                gateway: route.gateway,
                seg6: route.encap().ok().flatten(),
                seg6local: route.encap().ok().flatten(),
            });
        }
        Self {
            prefix: route.prefix,
            table: route.in_table(),
            protocol: route.protocol,
            metric: route.priority,
            nexthop_id: route.nexthop_id,
            paths,
        }
    }

    fn into_route(self) -> Route {
        let mut route = Route::new(self.prefix).table(self.table).protocol(self.protocol);
        (route.priority, route.nexthop_id) = (self.metric, self.nexthop_id);
        match <[Path; 1]>::try_from(self.paths) {
            Ok([path]) => {
                (route.oif, route.gateway) = (path.dev, path.gateway);
                match (&path.seg6, &path.seg6local) {
                    (Some(seg6), _) => route.with_encap(seg6),
                    (None, Some(local)) => route.with_encap(local),
                    (None, None) => route,
                }
            }
            Err(paths) => route.nexthops(paths.into_iter().map(Path::into_hop)),
        }
    }
}

impl Path {
    fn into_hop(self) -> NextHop {
        let mut hop = NextHop::on(self.dev.unwrap_or_default());
        hop.gateway = self.gateway;
        match (&self.seg6, &self.seg6local) {
            (Some(seg6), _) => hop.with_encap(seg6),
            (None, Some(local)) => hop.with_encap(local),
            (None, None) => hop,
        }
    }
}
