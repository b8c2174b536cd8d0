use std::net::IpAddr;
use std::time::Duration;

use super::codec::RouteVerb;
use super::devs::Devs;
use super::encap::{Encap, RawEncap};
use super::entry::Route;
use super::filter::RouteFilter;
use super::hop::NextHop;
use super::list::RouteEntries;
use super::lookup::Lookup;
use super::metrics::{Metrics, RouteFeatures};
use super::words::{Realms, RoutePref, RouteProtocol, RouteScope, RouteType};
use crate::addr::{Dev, IpPrefix};
use crate::batch::Batch;
use crate::connection::Connection;
use crate::error::{Ack, Errno, ErrorKind, KernelError, Result};
use crate::pending::Pending;
use crate::protocol::Protocol;
use crate::request::Request;

/// The routing tables of the connection's namespace. Cheap to clone.
///
/// ```no_run
/// use nl_core::route::Routes;
/// use nl_core::{Connection, Protocol};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let routes = Routes::new(Connection::open(Protocol::Route)?);
/// routes.entry("198.51.100.0/24".parse()?).via("192.0.2.1".parse()?).dev("eth0").metric(100).add().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Routes {
    conn: Connection,
}

impl Routes {
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

    /// One route, to be added, changed, deleted or read: the one to this destination, [`IpPrefix::default_of`] a family for `default`.
    ///
    /// By default it is a unicast route in the table `main`, like with `ip route`.
    pub fn entry(&self, prefix: IpPrefix) -> RouteEntry {
        RouteEntry { conn: self.conn.clone(), dev: None, route: Route::new(prefix) }
    }

    /// The routes of the table `main`, or those that match, to be listed or flushed.
    pub fn entries(&self) -> RouteEntries {
        RouteEntries::new(self.conn.clone())
    }

    /// The way that a packet to this address would take.
    pub fn resolve(&self, addr: IpAddr) -> Resolve {
        Resolve { conn: self.conn.clone(), iif: None, oif: None, lookup: Lookup::new(addr) }
    }

    /// Thousands of changes in few system calls: a stream of one result per change, in order.
    ///
    /// ```no_run
    /// use nl_core::addr::IpPrefix;
    /// use nl_core::route::{Route, RouteVerb, Routes};
    ///
    /// # async fn example(routes: Routes, port: u32, to: Vec<IpPrefix>) -> nl_core::Result<()> {
    /// let changes = to.into_iter().map(move |prefix| (RouteVerb::Replace, Route::new(prefix).oif(port)));
    /// let summary = routes.batch(changes).summarize(10).await?;
    /// println!("{} made, {} refused", summary.succeeded, summary.failed);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// See [`crate::batch`]. Devices are given by index here.
    pub fn batch<I>(&self, changes: I) -> Batch<impl Iterator<Item = Request> + use<I>>
    where
        I: IntoIterator<Item = (RouteVerb, Route)>,
    {
        self.conn.batch(changes.into_iter().map(|(verb, route)| route.request(verb)))
    }
}

/// One route to be added, changed, deleted or read. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct RouteEntry {
    conn: Connection,
    dev: Option<Dev>,
    route: Route,
}

macro_rules! options {
    ($of:ident . $field:ident: $($name:ident($($arg:ident: $type:ty)?);)+) => {$(
        #[doc = concat!("See [`", stringify!($of), "::", stringify!($name), "()`].")]
        pub fn $name(mut self $(, $arg: $type)?) -> Self {
            self.$field = self.$field.$name($($arg)?);
            self
        }
    )+};
}

impl RouteEntry {
    options! { Route.route:
        via(gateway: IpAddr);
        onlink();
        source(source: IpPrefix);
        metric(metric: u32);
        table(table: u32);
        protocol(protocol: RouteProtocol);
        scope(scope: RouteScope);
        kind(kind: RouteType);
        unicast();
        local();
        broadcast();
        anycast();
        multicast();
        blackhole();
        unreachable();
        prohibit();
        throw();
        tos(tos: u8);
        src(source: IpAddr);
        nexthop(hop: NextHop);
        nexthops(hops: impl IntoIterator<Item = NextHop>);
        nhid(id: u32);
        realms(realms: Realms);
        expires(seconds: u32);
        pref(pref: RoutePref);
        mtu(bytes: u32);
        mtu_locked(bytes: u32);
        window(bytes: u32);
        rtt(time: Duration);
        rttvar(time: Duration);
        ssthresh(segments: u32);
        cwnd(segments: u32);
        advmss(bytes: u32);
        reordering(segments: u32);
        hoplimit(hops: u32);
        initcwnd(segments: u32);
        features(features: RouteFeatures);
        rto_min(time: Duration);
        initrwnd(segments: u32);
        quickack(yes: u32);
        cc_algo(name: &str);
        fastopen_no_cookie(yes: u32);
        metrics(metrics: Metrics);
        with_raw_encap(encap: RawEncap);
    }

    /// Through this device (`dev`).
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// In this encapsulation (`encap`), which may name devices.
    pub fn encap<T: Encap>(mut self, encap: &T) -> Self {
        self.route = self.route.with_encap(encap);
        self
    }

    /// Adds the route; fails if one with its key exists.
    ///
    /// Equivalent: `ip route add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EEXIST` ([`is_exists`](crate::Error::is_exists)); no such device; `ENETUNREACH` or `EHOSTUNREACH` for a gateway that is on no
    /// device's network; `ENETDOWN` for a device that is down; bad input, before the kernel is asked.
    pub fn add(self) -> Pending<Ack> {
        self.change_by(RouteVerb::Add)
    }

    /// Adds the route behind those with its key. For IPv6: one more path of the existing route.
    ///
    /// Equivalent: `ip route append`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add); `EEXIST` only if an equal route exists.
    pub fn append(self) -> Pending<Ack> {
        self.change_by(RouteVerb::Append)
    }

    /// Changes the route with its key; fails if there is none.
    ///
    /// Equivalent: `ip route change`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add), with `ENOENT` ([`is_not_found`](crate::Error::is_not_found)) in place of `EEXIST`.
    pub fn change(self) -> Pending<Ack> {
        self.change_by(RouteVerb::Change)
    }

    /// Deletes the first route to the destination that has everything that is set.
    ///
    /// Equivalent: `ip route del`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ESRCH` ([`is_not_found`](crate::Error::is_not_found)) if there is none; bad input, before the kernel is asked.
    pub fn delete(self) -> Pending<Ack> {
        self.change_by(RouteVerb::Delete)
    }

    /// Adds the route before those with its key. For IPv6 the same as [`append`](Self::append).
    ///
    /// Equivalent: `ip route prepend`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn prepend(self) -> Pending<Ack> {
        self.change_by(RouteVerb::Prepend)
    }

    /// Adds the route, or changes the one with its key.
    ///
    /// Equivalent: `ip route replace`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) but for `EEXIST`.
    pub fn replace(self) -> Pending<Ack> {
        self.change_by(RouteVerb::Replace)
    }

    /// Reads the first route to exactly this destination that has everything that is set.
    ///
    /// A lookup finds it at once where packets to the destination's first address take it. Otherwise the table is listed, by the
    /// kernel's filters, until it comes. Of an IPv6 route over several paths, one that the lookup chose may stand first.
    ///
    /// Equivalent: `ip route show exact PREFIX`. Needs no privilege.
    ///
    /// # Errors
    /// `ESRCH` ([`is_not_found`](crate::Error::is_not_found)) if there is none; no such device.
    pub fn get(mut self) -> Pending<Route> {
        Pending::new(async move {
            let mut devs = Devs::default();
            let found = match self.resolve(&mut devs).await {
                Ok(()) => self.find().await,
                Err(error) => Err(error),
            };
            found.map_err(|error| devs.name(error.during(|| format!("get route {}", self.route))))
        })
    }

    fn change_by(mut self, verb: RouteVerb) -> Pending<Ack> {
        Pending::new(async move {
            let mut devs = Devs::default();
            let outcome = match self.resolve(&mut devs).await {
                Ok(()) => self.conn.acknowledged(self.route.request(verb)).await,
                Err(error) => Err(error.during(|| format!("{verb} route {}", self.route))),
            };
            outcome.map_err(|error| devs.name(error))
        })
    }

    async fn find(&self) -> Result<Route> {
        // What fails here comes to light below, or is in another table or of another type.
        let lookup = Lookup::new(self.route.prefix.addr()).fib_match();
        if !self.route.prefix.is_default()
            && let Ok(route) = self.conn.answered(lookup.request(), Route::decode).await
            && route.is_like(&self.route)
        {
            return Ok(route);
        }
        let filter = RouteFilter {
            is_ipv4: Some(self.route.is_ipv4()),
            table: Some(self.route.in_table()),
            oif: self.route.oif,
            ..RouteFilter::default()
        };
        let wanted = self.route.clone();
        let mut routes = self
            .conn
            .dump_matching(filter.list_request(), Route::decode, move |route| route.is_like(&wanted));
        match routes.next_entry().await {
            Some(found) => found,
            None => Err(ErrorKind::Kernel(KernelError::new(Errno::ESRCH)).into()),
        }
    }

    /// Puts indexes in place of names.
    async fn resolve(&mut self, devs: &mut Devs) -> Result<()> {
        self.conn.require(Protocol::Route, "routes")?;
        if let Some(dev) = &self.dev {
            self.route.oif = Some(0);
            self.route.oif = Some(devs.index(&self.conn, dev).await?);
        }
        devs.resolve(&self.conn, self.route.encap.as_deref_mut()).await?;
        for hop in &mut self.route.nexthops {
            if let Some(dev) = &hop.dev {
                hop.dev = Some(Dev::Index(devs.index(&self.conn, dev).await?));
            }
            devs.resolve(&self.conn, hop.raw_encap_mut()).await?;
        }
        Ok(())
    }
}

/// A lookup. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Resolve {
    conn: Connection,
    iif: Option<Dev>,
    oif: Option<Dev>,
    lookup: Lookup,
}

impl Resolve {
    options! { Lookup.lookup:
        from(source: IpAddr);
        tos(tos: u8);
        mark(mark: u32);
        uid(uid: u32);
        ip_proto(proto: u8);
        sport(port: u16);
        dport(port: u16);
        flowlabel(label: u32);
        fib_match();
    }

    /// Of a packet that came through this device (`iif`).
    pub fn iif(mut self, dev: impl Into<Dev>) -> Self {
        self.iif = Some(dev.into());
        self
    }

    /// Leaving through this device (`oif`).
    pub fn oif(mut self, dev: impl Into<Dev>) -> Self {
        self.oif = Some(dev.into());
        self
    }

    /// Asks the kernel for the way: gateway, device, source address, and the table it was found in.
    ///
    /// Equivalent: `ip route get`. Needs no privilege.
    ///
    /// # Errors
    /// `ENETUNREACH` if there is none, and what the type of the route says: `EHOSTUNREACH`, `EACCES`, `EINVAL`; no such device.
    pub fn get(mut self) -> Pending<Route> {
        Pending::new(async move {
            let mut devs = Devs::default();
            let found = match self.resolve(&mut devs).await {
                Ok(()) => self.conn.answered(self.lookup.request(), Route::decode).await,
                Err(error) => Err(error.during(|| self.lookup.request().describe())),
            };
            found.map_err(|error| devs.name(error))
        })
    }

    async fn resolve(&mut self, devs: &mut Devs) -> Result<()> {
        self.conn.require(Protocol::Route, "routes")?;
        if let Some(dev) = &self.iif {
            self.lookup.iif = Some(0);
            self.lookup.iif = Some(devs.index(&self.conn, dev).await?);
        }
        if let Some(dev) = &self.oif {
            self.lookup.oif = Some(0);
            self.lookup.oif = Some(devs.index(&self.conn, dev).await?);
        }
        Ok(())
    }
}
