use std::net::IpAddr;

use nl_core::check::Invalid;
use nl_core::connection::Named;
use nl_core::dump::Dump;
use nl_core::error::{Ack, Errno, Since};
use nl_core::route::{Route, RouteFilter, RouteProtocol, RouteVerb};
use nl_core::{Connection, Dev, Error, IpFamily, IpPrefix, Pending, Protocol, Request, Result};

use super::entry::{SegmentRoute, taken_apart};
use crate::encap::Seg6;
use crate::find;
use crate::hmac::require_key;

/// The index of `lo` in every namespace.
const LOOPBACK: u32 = 1;

/// Routes with segments of the connection's namespace. Cheap to clone.
///
/// ```no_run
/// use nl_core::{Connection, Protocol};
/// use nl_srv6::encap::Seg6;
/// use nl_srv6::routes::Srv6Routes;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let routes = Srv6Routes::new(Connection::open(Protocol::Route)?);
/// let path = Seg6::encap(["fcbb:0:b::".parse()?]);
/// // ip route replace 198.51.100.0/24 encap seg6 mode encap segs fcbb:0:b:: dev eth0
/// routes.entry("198.51.100.0/24".parse()?, &path).dev("eth0").replace().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Srv6Routes {
    conn: Connection,
}

impl Srv6Routes {
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

    /// One route to this destination of IPv4 or IPv6 along these segments, to be added, replaced, deleted or read.
    pub fn entry(&self, prefix: IpPrefix, path: &Seg6) -> Srv6Entry {
        Srv6Entry {
            conn: self.conn.clone(),
            dev: None,
            route: Route::new(prefix),
            seg6: path.clone(),
            unchecked: false,
        }
    }

    /// The routes with segments of all tables, or those that match, to be listed.
    pub fn entries(&self) -> Srv6Entries {
        Srv6Entries { conn: self.conn.clone(), filter: RouteFilter::default() }
    }
}

/// One route with segments. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Srv6Entry {
    conn: Connection,
    dev: Option<Dev>,
    pub(super) route: Route,
    pub(super) seg6: Seg6,
    pub(super) unchecked: bool,
}

impl Srv6Entry {
    /// On this device (`dev`), which chooses the source address: the packet is routed again to its first segment. Not loopback.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// Through this gateway (`via`); it tells paths of one IPv6 route apart.
    pub fn via(mut self, gateway: IpAddr) -> Self {
        self.route = self.route.via(gateway);
        self
    }

    /// In this table, from 1 on, in place of `main` (`table`).
    pub fn table(mut self, table: u32) -> Self {
        self.route = self.route.table(table);
        self
    }

    /// The metric (`metric`); not 0 for IPv6, which takes 1024 where it is not set.
    pub fn metric(mut self, metric: u32) -> Self {
        self.route = self.route.metric(metric);
        self
    }

    /// Made by this protocol (`proto`).
    pub fn protocol(mut self, protocol: RouteProtocol) -> Self {
        self.route = self.route.protocol(protocol);
        self
    }

    /// The source address that this host prefers for inner packets (`src`).
    pub fn src(mut self, source: IpAddr) -> Self {
        self.route = self.route.src(source);
        self
    }

    /// As the kernel does it: nothing is compared and nothing read back, and the HMAC key is not looked for.
    pub fn unchecked(mut self) -> Self {
        self.unchecked = true;
        self
    }

    /// Makes the route; fails if one with its destination, table and metric is there, and says which segments that has.
    ///
    /// Equivalent: `ip route add`. Needs `CAP_NET_ADMIN` in the user namespace that owns the network namespace.
    ///
    /// # Errors
    /// `EEXIST` ([`is_exists`](Error::is_exists)); no such device; a gateway that is on no device's network; bad input, `dev lo` among
    /// it; an HMAC by a key that is not there, where the caller may list keys; [`Unsupported`](nl_core::error::ErrorKind::Unsupported)
    /// for a source address before Linux 7.1: the route is taken away again then.
    pub fn add(self) -> Pending<Ack> {
        self.make(RouteVerb::Add)
    }

    /// For IPv6, makes one more path of the route that is there, through another gateway; for IPv4, a route behind it.
    ///
    /// Equivalent: `ip route append`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add); `EEXIST` for a path of the same gateway and device.
    pub fn append(self) -> Pending<Ack> {
        self.make(RouteVerb::Append)
    }

    /// Makes the route, or changes the one with its destination, table and metric.
    ///
    /// Equivalent: `ip route replace`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) but for `EEXIST`. Where the route is taken away again, the one that it replaced is lost.
    pub fn replace(self) -> Pending<Ack> {
        self.make(RouteVerb::Replace)
    }

    /// Removes the route, or the path of an IPv6 route, that has these segments.
    ///
    /// Gateway, device and metric count where they are set. Between the comparison and the removal another program can change the
    /// route. The kernel has no request for the routes to one destination. The route that packets to it take is found at once; for any
    /// other the whole table is listed. For many routes there is [`Srv6Routes::delete_all`].
    ///
    /// Equivalent: `ip route del`, which does not compare. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ESRCH` ([`is_not_found`](Error::is_not_found)) if there is none with these segments; the error says which are there. Of an IPv4
    /// route, and of one over a nexthop object, a path cannot be removed alone.
    pub fn delete(mut self) -> Pending<Ack> {
        Pending::new(async move {
            let named = self.resolve(RouteVerb::Delete).await?;
            let outcome = match self.unchecked {
                true => self.conn.acknowledged(self.request(RouteVerb::Delete)).await,
                false => match self.find().await {
                    Ok((_, key)) => self.conn.acknowledged(key?.request(RouteVerb::Delete)).await,
                    Err(error) => Err(error),
                },
            };
            self.outcome(outcome, &named, || self.request(RouteVerb::Delete).describe()).await
        })
    }

    /// Reads the route that has these segments on one of its paths.
    ///
    /// Equivalent: `ip route show exact PREFIX`. Needs no privilege.
    ///
    /// # Errors
    /// `ESRCH` ([`is_not_found`](Error::is_not_found)) if there is none with these segments; the error says which are there.
    pub fn get(mut self) -> Pending<SegmentRoute> {
        Pending::new(async move {
            let named = self.resolve(RouteVerb::Delete).await?;
            let found = self.find().await.map(|(found, _)| found);
            let describe = || format!("get route {}", self.route.clone().with_encap(&self.seg6));
            self.outcome(found, &named, describe).await
        })
    }

    fn make(mut self, verb: RouteVerb) -> Pending<Ack> {
        Pending::new(async move {
            let named = self.resolve(verb).await?;
            let route = self.route.clone().with_encap(&self.seg6);
            let mut request = route.request(verb).invalid_if(self.check());
            // Bad input is called that before anything is looked up.
            let checked = match request.encoded().map(drop) {
                Ok(()) => self.check_key().await.map_err(|error| request.not_sent(error)),
                Err(error) => Err(error),
            };
            if let Err(error) = checked {
                return self.outcome(Err(error), &named, || route.request(verb).describe()).await;
            }
            let outcome = match self.conn.acknowledged(request).await {
                Ok(ack) => self.read_back(&route).await.map(|()| ack),
                Err(error) if error.is_exists() && !self.unchecked => {
                    Err(self.with_what_is_there(error).await)
                }
                Err(error) => Err(error.or_unsupported(
                    |kernel| {
                        let text = kernel.ext_ack.message.as_deref().unwrap_or_default();
                        kernel.errno == Errno::EOPNOTSUPP && text.contains("encapsulation type not supported")
                    },
                    "seg6",
                    Since::option("CONFIG_IPV6_SEG6_LWTUNNEL"),
                )),
            };
            self.outcome(outcome, &named, || route.request(verb).describe()).await
        })
    }

    /// The request that does this with the route.
    pub(super) fn request(&self, verb: RouteVerb) -> Request {
        self.route.clone().with_encap(&self.seg6).request(verb)
    }

    /// Says what was being done, with the devices as they were named.
    pub(super) async fn outcome<T>(
        &self,
        outcome: Result<T>,
        named: &Named,
        operation: impl FnOnce() -> String,
    ) -> Result<T> {
        match outcome {
            Ok(value) => Ok(value),
            Err(error) => {
                let error = named.explain(find::during(error, &operation()));
                Err(find::with_names(&self.conn, error).await)
            }
        }
    }

    fn check(&self) -> Result<(), Invalid> {
        Invalid::when(
            self.route.oif == Some(LOOPBACK),
            "dev lo: the kernel takes the route and loses every packet; any other device that is up will do",
        )?;
        Invalid::when(
            self.route.oif.is_none() && self.route.gateway.is_none(),
            "a route with segments needs a device, which chooses the source address, or a gateway: dev(), via()",
        )
    }

    async fn check_key(&self) -> Result<()> {
        if self.unchecked { Ok(()) } else { require_key(&self.conn, &self.seg6.srh).await }
    }

    /// Puts the index of the device in place of its name.
    pub(super) async fn resolve(&mut self, verb: RouteVerb) -> Result<Named> {
        let outcome = match self.conn.require(Protocol::Route, "routes") {
            Ok(()) => self.conn.resolve(self.dev.as_mut().into_iter().collect()).await,
            Err(error) => Err((error, Named::default())),
        };
        if let Some(dev) = &self.dev {
            self.route.oif = dev.index();
        }
        outcome.map_err(|(error, named)| named.explain(self.request(verb).not_sent(error)))
    }

    /// The route with these segments, and what the kernel finds it by.
    async fn find(&self) -> Result<(SegmentRoute, Result<Route>)> {
        self.route.prefix.check_network("destination")?;
        if let Some(route) = find::taken(&self.conn, &self.route).await
            && let Ok(found) = self.choose([route])
        {
            return Ok(found);
        }
        self.choose(find::all(&self.conn, &self.route).await?)
    }

    /// The same among the routes to the destination.
    pub(super) fn choose(
        &self,
        routes: impl IntoIterator<Item = Route>,
    ) -> Result<(SegmentRoute, Result<Route>)> {
        let mut there = Vec::new();
        for route in routes {
            let (route, paths) = taken_apart(route)?;
            let of_several = paths.len() > 1;
            let is_wanted = |path: &&super::entry::Path| {
                path.seg6.as_ref().is_some_and(|seg6| seg6.is_same_path(&self.seg6))
                    && self.route.gateway.is_none_or(|gateway| path.gateway == Some(gateway))
                    && self.route.oif.is_none_or(|index| path.oif == Some(index))
            };
            if let Some(path) = paths.iter().find(is_wanted) {
                let key = key(&route, path, of_several);
                let paths = paths.iter().filter_map(|path| path.seg6.clone()).collect();
                return Ok((SegmentRoute { route, paths }, key));
            }
            there.push(route);
        }
        Err(find::tell(find::no_route(), &there))
    }

    /// The error with the routes that are there.
    async fn with_what_is_there(&self, error: Error) -> Error {
        match find::all(&self.conn, &self.route).await {
            Ok(routes) => {
                let there: Vec<_> = routes
                    .into_iter()
                    .filter_map(|route| taken_apart(route).ok())
                    .map(|apart| apart.0)
                    .collect();
                find::tell(error, &there)
            }
            Err(_) => error,
        }
    }

    /// Success only if the source address is there: older kernels take it and do nothing with it.
    async fn read_back(&self, made: &Route) -> Result<()> {
        if self.unchecked || self.seg6.source.is_none() {
            return Ok(());
        }
        for route in find::all(&self.conn, made).await? {
            // The path may have become one of several of a route that was there.
            let mut paths = taken_apart(route)?.1.into_iter().filter_map(|path| path.seg6);
            if paths.any(|seg6| seg6.is_same_path(&self.seg6)) {
                return Ok(());
            }
        }
        // The packets would leave with another source than was asked for.
        self.conn.acknowledged(made.request(RouteVerb::Delete)).await?;
        Err(Error::unsupported("a source address of the outer header for one route", Since::linux(7, 1)))
    }
}

/// What the kernel finds one path of a route by.
fn key(route: &Route, path: &super::entry::Path, of_several: bool) -> Result<Route> {
    let mut key = Route::new(route.prefix).table(route.in_table()).tos(route.tos);
    key.priority = route.priority;
    if let Some(id) = route.nexthop_id {
        return match of_several {
            true => Err(Error::usage(format!("one path of nexthop object {id}; change that object instead"))),
            false => Ok(key.nhid(id)),
        };
    }
    if of_several && route.is_ipv4() {
        return Err(Error::usage("one path of an IPv4 route over several; the kernel removes all or none"));
    }
    (key.gateway, key.oif) = (path.gateway, path.oif);
    Ok(key)
}

/// Routes with segments to be listed: those of all tables, or those that match.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Srv6Entries {
    conn: Connection,
    filter: RouteFilter,
}

impl Srv6Entries {
    /// In this table, from 1 on (`table`). Filtered by the kernel.
    pub fn table(mut self, table: u32) -> Self {
        self.filter.table = Some(table);
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

    /// Made by this protocol (`proto`). Filtered by the kernel.
    pub fn protocol(mut self, protocol: RouteProtocol) -> Self {
        self.filter.protocol = Some(protocol);
        self
    }

    /// Lists them: a stream in constant memory. Routes without segments are left out.
    ///
    /// Equivalent: `ip route show table all`. Needs no privilege.
    ///
    /// # Errors
    /// In the stream, `ENOENT` ([`is_not_found`](Error::is_not_found)) for a table that does not exist, where one family is asked for.
    pub fn list(self) -> Pending<Dump<SegmentRoute>> {
        Pending::new(async move {
            let required = self.conn.require(Protocol::Route, "routes");
            required.map_err(|error| error.during(|| "list routes with segments".into()))?;
            let filter = self.filter;
            let request = filter.list_request();
            Ok(self.conn.dump_in_place(request, SegmentRoute::blank, move |found, message| {
                Ok(found.read(message)? && filter.matches(&found.route))
            }))
        })
    }
}
