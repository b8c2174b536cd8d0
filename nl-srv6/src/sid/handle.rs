use std::net::{Ipv4Addr, Ipv6Addr};

use nl_core::connection::Named;
use nl_core::error::{Ack, Errno, Since};
use nl_core::link::Vrf;
use nl_core::route::{Route, RouteProtocol, RouteVerb};
use nl_core::{Connection, Dev, Error, IpPrefix, Pending, Protocol, Result};

use super::action::{BpfProgram, DecapTable, SidAction};
use super::codec::Seg6Local;
use super::entry::Sid;
use super::flavors::{FlavorOps, Flavors};
use super::list::SidEntries;
use crate::find;
use crate::hmac::require_key;
use crate::srh::Srh;

/// The index of `lo` in every namespace.
const LOOPBACK: u32 = 1;

/// The local SIDs of the connection's namespace. Cheap to clone.
///
/// ```no_run
/// use nl_core::{Connection, Protocol};
/// use nl_srv6::sid::Sids;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let sids = Sids::new(Connection::open(Protocol::Route)?);
/// // ip -6 route add fcbb:0:1:d46::/128 encap seg6local action End.DT46 vrftable 100 count dev red
/// sids.end_dt46("fcbb:0:1:d46::".parse()?, 100).counters().dev("red").add().await?;
/// let sid = sids.sid("fcbb:0:1:d46::".parse()?).get().await?;
/// println!("{:?}", sid.local.counters);
/// sids.sid("fcbb:0:1:d46::".parse()?).delete().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Sids {
    conn: Connection,
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) $action:expr;)+) => {$(
        $(#[$doc])*
        pub fn $name(&self, sid: IpPrefix $(, $arg: $type)*) -> SidEntry {
            self.entry(sid, $action)
        }
    )+};
}

impl Sids {
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

    /// One SID with what is to be done there, to be added, replaced or deleted: a [`SidAction`], or a whole [`Seg6Local`], such as one
    /// from a file. A bare address is a prefix of 128 bits.
    ///
    /// ```no_run
    /// use nl_srv6::sid::{Seg6Local, SidAction, Sids};
    ///
    /// # async fn example(sids: Sids) -> Result<(), Box<dyn std::error::Error>> {
    /// sids.entry("fcbb:0:b::/48".parse()?, SidAction::End).counters().dev("eth0").add().await?;
    /// // With feature `serde` it is read from { "action": { "EndDt46": { "vrf_table": 100 } }, "counters": {} }.
    /// let local = Seg6Local::new(SidAction::EndDt46 { vrf_table: 100 }).counters();
    /// sids.entry("fcbb:0:d:d46::".parse()?, local).replace().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn entry(&self, sid: IpPrefix, local: impl Into<Seg6Local>) -> SidEntry {
        SidEntry {
            conn: self.conn.clone(),
            dev: None,
            route: Route::new(sid),
            local: local.into(),
            unused_hmac: false,
            unchecked: false,
        }
    }

    actions! {
        /// See [`SidAction::End`].
        end() SidAction::End;
        /// See [`SidAction::EndX`].
        end_x(router: Ipv6Addr) SidAction::EndX { nh6: router };
        /// See [`SidAction::EndT`].
        end_t(table: u32) SidAction::EndT { table };
        /// See [`SidAction::EndDx2`].
        end_dx2(oif: impl Into<Dev>) SidAction::EndDx2 { oif: oif.into() };
        /// See [`SidAction::EndDx6`].
        end_dx6(router: Ipv6Addr) SidAction::EndDx6 { nh6: router };
        /// See [`SidAction::EndDx4`].
        end_dx4(router: Ipv4Addr) SidAction::EndDx4 { nh4: router };
        /// See [`SidAction::EndDt6`]; the table is a plain one.
        end_dt6(table: u32) SidAction::EndDt6 { table: DecapTable::Table(table) };
        /// See [`SidAction::EndDt6`]; the table is that of a VRF. Linux 5.11.
        end_dt6_vrf(vrf_table: u32) SidAction::EndDt6 { table: DecapTable::Vrf(vrf_table) };
        /// See [`SidAction::EndDt4`]. Linux 5.11.
        end_dt4(vrf_table: u32) SidAction::EndDt4 { vrf_table };
        /// See [`SidAction::EndB6`].
        end_b6(segments: impl IntoIterator<Item = Ipv6Addr>) SidAction::EndB6 { srh: Srh::new(segments) };
        /// See [`SidAction::EndB6Encaps`].
        end_b6_encaps(segments: impl IntoIterator<Item = Ipv6Addr>) SidAction::EndB6Encaps { srh: Srh::new(segments) };
        /// See [`SidAction::EndBpf`].
        end_bpf(program: BpfProgram) SidAction::EndBpf { program };
        /// See [`SidAction::EndDt46`]. Linux 5.14.
        end_dt46(vrf_table: u32) SidAction::EndDt46 { vrf_table };
    }

    /// One SID, whatever is done there, to be read or deleted.
    pub fn sid(&self, sid: IpPrefix) -> SidKey {
        SidKey { conn: self.conn.clone(), route: Route::new(sid) }
    }

    /// The SIDs of all tables, or those that match, to be listed.
    pub fn entries(&self) -> SidEntries {
        SidEntries::new(self.conn.clone())
    }
}

/// One SID with what is to be done there. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct SidEntry {
    conn: Connection,
    dev: Option<Dev>,
    route: Route,
    local: Seg6Local,
    /// An HMAC was asked for, and the action has no header to put it in.
    unused_hmac: bool,
    unchecked: bool,
}

impl SidEntry {
    /// On this device (`dev`): any that is up and not loopback. Without one a SID with a VRF's table is on the VRF.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// In this table, from 1 on, in place of `main` (`table`).
    pub fn table(mut self, table: u32) -> Self {
        self.route = self.route.table(table);
        self
    }

    /// The metric, from 1 on; 1024 unless set (`metric`).
    pub fn metric(mut self, metric: u32) -> Self {
        self.route = self.route.metric(metric);
        self
    }

    /// Made by this protocol (`proto`).
    pub fn protocol(mut self, protocol: RouteProtocol) -> Self {
        self.route = self.route.protocol(protocol);
        self
    }

    /// See [`Seg6Local::counters()`].
    pub fn counters(mut self) -> Self {
        self.local = self.local.counters();
        self
    }

    /// See [`Seg6Local::flavors()`].
    pub fn flavors(mut self, flavors: Flavors) -> Self {
        self.local = self.local.flavors(flavors);
        self
    }

    /// See [`Flavors::psp`].
    pub fn psp(self) -> Self {
        self.flavors(Flavors::psp())
    }

    /// See [`Flavors::next_csid`].
    pub fn next_csid(self, block_bits: u8, node_function_bits: u8) -> Self {
        self.flavors(Flavors::next_csid(block_bits, node_function_bits))
    }

    /// See [`Seg6Local::oif()`].
    pub fn oif(mut self, dev: impl Into<Dev>) -> Self {
        self.local = self.local.oif(dev);
        self
    }

    /// With an HMAC by the key of this number in the header of `End.B6` and `End.B6.Encaps`; see [`Srh::hmac`]. Other actions are refused
    /// with it.
    pub fn hmac(mut self, key: u32) -> Self {
        match &mut self.local.action {
            SidAction::EndB6 { srh } | SidAction::EndB6Encaps { srh } => *srh = std::mem::take(srh).hmac(key),
            _ => self.unused_hmac = true,
        }
        self
    }

    /// Without reading back, and without looking for the HMAC key: success says that the kernel took it, not that it does it. For many
    /// SIDs on a known kernel.
    pub fn unchecked(mut self) -> Self {
        self.unchecked = true;
        self
    }

    /// Makes the SID; fails if there is a route with its prefix, table and metric. It is read back; see [`sid`](super).
    ///
    /// Equivalent: `ip -6 route add`. Needs `CAP_NET_ADMIN` in the user namespace that owns the network namespace.
    ///
    /// # Errors
    /// `EEXIST` ([`is_exists`](Error::is_exists)); no such device; `ENODEV` for a table that no VRF has; bad input, `dev lo` among it;
    /// `net.vrf.strict_mode` is 0; an HMAC by a key that is not there, where the caller may list keys; [`Unsupported`](nl_core::error::ErrorKind::Unsupported) for what the kernel took and does not do: the
    /// SID is taken away again then; `ESRCH` ([`is_not_found`](Error::is_not_found)) if another program has removed or changed it before it
    /// was read back.
    pub fn add(self) -> Pending<Ack> {
        self.make(RouteVerb::Add)
    }

    /// Makes the SID, or changes the route with its prefix, table and metric. Counters start again at 0. It is read back; see
    /// [`sid`](super).
    ///
    /// Equivalent: `ip -6 route replace`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) but for `EEXIST`. Where the SID is taken away again, the route that it replaced is lost.
    pub fn replace(self) -> Pending<Ack> {
        self.make(RouteVerb::Replace)
    }

    /// Removes the SID if this is done there: the kernel itself would not compare. See [`SidKey::delete`] for any.
    ///
    /// Between the comparison and the removal another program can change the SID.
    ///
    /// Equivalent: `ip -6 route del`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ESRCH` ([`is_not_found`](Error::is_not_found)) if there is none, or something else is done there, which the error says.
    pub fn delete(mut self) -> Pending<Ack> {
        Pending::new(async move {
            let named = self.resolve(RouteVerb::Delete).await?;
            let wanted = self.local.clone();
            let same = move |local: &Seg6Local| local.is_same_action(&wanted);
            let like = self.route.clone().with_encap(&self.local);
            match delete(&self.conn, &like, same).await {
                Err(error) => Err(find::with_names(&self.conn, named.explain(error)).await),
                ok => ok,
            }
        })
    }

    fn make(mut self, verb: RouteVerb) -> Pending<Ack> {
        Pending::new(async move {
            let named = self.resolve(verb).await?;
            let route = self.route.clone().with_encap(&self.local);
            let mut request = route.request(verb).invalid_if(self.check());
            // Bad input is called that before anything is looked up.
            let checked = match request.encoded().map(drop) {
                Ok(()) => self.check_key().await,
                Err(error) => Err(error),
            };
            let sent = match checked {
                Ok(()) => self.conn.acknowledged(request).await,
                Err(error) => Err(error),
            };
            let outcome = match sent {
                Ok(ack) if self.unchecked => Ok(ack),
                Ok(ack) => self.read_back(&route).await.map(|()| ack),
                Err(error) => Err(self.explain(error)),
            };
            match outcome {
                Err(error) => {
                    let error = named.explain(error.during(|| route.request(verb).describe()));
                    Err(find::with_names(&self.conn, error).await)
                }
                ok => ok,
            }
        })
    }

    async fn check_key(&self) -> Result<()> {
        match &self.local.action {
            SidAction::EndB6 { srh } | SidAction::EndB6Encaps { srh } if !self.unchecked => {
                require_key(&self.conn, srh).await
            }
            _ => Ok(()),
        }
    }

    /// What only a SID of its own has.
    fn check(&self) -> Result<(), nl_core::check::Invalid> {
        use nl_core::check::Invalid;
        Invalid::when(self.route.is_ipv4(), "a SID is an IPv6 prefix")?;
        if self.unused_hmac {
            let action = self.local.action.name();
            return Err(format!("an HMAC of {action}; End.B6 and End.B6.Encaps have a header for one").into());
        }
        Invalid::when(
            self.route.oif == Some(LOOPBACK),
            "dev lo: the kernel takes the SID and never runs it; any other device that is up will do",
        )?;
        Invalid::when(self.route.oif.is_none(), "a SID needs a device that is up and not loopback: dev()")
    }

    /// Puts indexes in place of names, and the VRF where no device is given.
    async fn resolve(&mut self, verb: RouteVerb) -> Result<Named> {
        let not_sent = |this: &Self, error: Error| {
            let route = this.route.clone().with_encap(&this.local);
            route.request(verb).not_sent(error)
        };
        if let Err(error) = self.conn.require(Protocol::Route, "local SIDs") {
            return Err(not_sent(self, error));
        }
        if self.dev.is_none()
            && verb != RouteVerb::Delete
            && let Some(table) = self.local.action.vrf_table()
        {
            match vrf_of(&self.conn, table).await {
                Ok(index) => self.route.oif = Some(index),
                Err(error) => return Err(not_sent(self, error)),
            }
        }
        let mut devs = Vec::new();
        devs.extend(self.dev.as_mut());
        devs.extend(self.local.oif.as_mut());
        if let SidAction::EndDx2 { oif } = &mut self.local.action {
            devs.push(oif);
        }
        let outcome = self.conn.resolve(devs).await;
        if let Some(dev) = &self.dev {
            self.route.oif = dev.index();
        }
        outcome.map_err(|(error, named)| named.explain(not_sent(self, error)))
    }

    /// Success only if it is there as it was asked for.
    async fn read_back(&self, route: &Route) -> Result<()> {
        let found = find::made(&self.conn, route).await?;
        let lacks = match Sid::of(found)? {
            // No kernel makes another action of one. What is there now is not ours to take away.
            Some(sid) if !self.local.is_same_action(&sid.local) => {
                let why = format!("another program has changed it since: {}", sid.local);
                return Err(find::no_route().hinted(why));
            }
            Some(sid) => lacking(&self.local, &sid.local),
            None => Some(("a local SID".to_owned(), Since::option("CONFIG_IPV6_SEG6_LWTUNNEL"))),
        };
        let Some((feature, since)) = lacks else { return Ok(()) };
        // What is there does something else than was asked for.
        self.conn.acknowledged(route.request(RouteVerb::Delete)).await?;
        Err(Error::unsupported(feature, since))
    }

    /// What the kernel's refusals mean for a SID.
    fn explain(&self, error: Error) -> Error {
        let Some(kernel) = error.kernel() else { return error };
        let text = kernel.ext_ack.message.as_deref().unwrap_or_default();
        let (errno, action) = (kernel.errno, self.local.action.name());
        let has_vrf = self.local.action.vrf_table().is_some();
        match errno {
            Errno::EPERM if text.starts_with("Strict mode") => Error::usage(format!(
                "net.vrf.strict_mode is 0 in this namespace; {action} with the table of a VRF needs 1"
            )),
            Errno::EOPNOTSUPP if text.starts_with("Unsupported Flavor") => {
                let ops = self.local.flavors.unwrap_or_default().ops;
                let since =
                    if ops.contains(FlavorOps::PSP) { Since::linux(6, 3) } else { Since::linux(6, 1) };
                Error::unsupported(format!("flavour {ops} of {action}"), since)
            }
            Errno::EOPNOTSUPP if text.contains("encapsulation type not supported") => {
                Error::unsupported("seg6local", Since::option("CONFIG_IPV6_SEG6_LWTUNNEL"))
            }
            Errno::EINVAL if has_vrf && text.is_empty() => Error::unsupported(
                format!("{action} with the table of a VRF"),
                Since::linux(5, 14).with("the module vrf"),
            ),
            _ => error,
        }
    }
}

/// One SID, whatever is done there. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct SidKey {
    conn: Connection,
    route: Route,
}

impl SidKey {
    /// In this table, from 1 on, in place of `main` (`table`).
    pub fn table(mut self, table: u32) -> Self {
        self.route = self.route.table(table);
        self
    }

    /// With this metric (`metric`).
    pub fn metric(mut self, metric: u32) -> Self {
        self.route = self.route.metric(metric);
        self
    }

    /// Reads the SID with its counters.
    ///
    /// Equivalent: `ip -6 -s route show exact SID`. Needs no privilege.
    ///
    /// # Errors
    /// `ESRCH` ([`is_not_found`](Error::is_not_found)) if there is none; a route with this prefix that is no local SID is none.
    pub fn get(self) -> Pending<Sid> {
        Pending::new(async move {
            let found = find_sid(&self.conn, &self.route, |_| true).await.map(|(sid, _)| sid);
            found.map_err(|error| error.during(|| format!("get sid {}", self.route)))
        })
    }

    /// Removes the SID. A route with this prefix that is no local SID is left.
    ///
    /// Equivalent: `ip -6 route del`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ESRCH` ([`is_not_found`](Error::is_not_found)) if there is none.
    pub fn delete(self) -> Pending<Ack> {
        Pending::new(async move {
            match delete(&self.conn, &self.route, |_| true).await {
                Err(error) => Err(find::with_names(&self.conn, error).await),
                ok => ok,
            }
        })
    }
}

/// The first SID like this that is wanted, and what is done at those that are not.
async fn find_sid(
    conn: &Connection,
    like: &Route,
    wants: impl Fn(&Seg6Local) -> bool,
) -> Result<(Sid, Route)> {
    conn.require(Protocol::Route, "local SIDs")?;
    like.prefix.check_network("SID")?;
    if let Some(route) = find::taken(conn, like).await
        && let Ok(found) = choose(like, [route], &wants)
    {
        return Ok(found);
    }
    choose(like, find::all(conn, like).await?, &wants)
}

/// The same among the routes to it.
fn choose(
    like: &Route,
    routes: impl IntoIterator<Item = Route>,
    wants: impl Fn(&Seg6Local) -> bool,
) -> Result<(Sid, Route)> {
    let mut others = Vec::new();
    for route in routes {
        let is_on = like.oif.is_none_or(|index| route.oif == Some(index));
        match Sid::of(route)? {
            Some(sid) if is_on && wants(&sid.local) => {
                let mut key = Route::new(sid.route.prefix).table(sid.route.in_table());
                (key.priority, key.oif) = (sid.route.priority, sid.route.oif);
                return Ok((sid, key));
            }
            Some(sid) => others.push(sid.route),
            None => {}
        }
    }
    Err(find::tell(find::no_route(), &others))
}

async fn delete(conn: &Connection, like: &Route, wants: impl Fn(&Seg6Local) -> bool) -> Result<Ack> {
    let outcome = match find_sid(conn, like, wants).await {
        Ok((_, key)) => conn.acknowledged(key.request(RouteVerb::Delete)).await,
        Err(error) => Err(error),
    };
    outcome.map_err(|error| find::during(error, &like.request(RouteVerb::Delete).describe()))
}

/// What was asked for and is not there.
fn lacking(asked: &Seg6Local, there: &Seg6Local) -> Option<(String, Since)> {
    if asked.is_same_behavior(there) {
        return None;
    }
    let action = asked.action.name();
    if asked.counters.is_some() && there.counters.is_none() {
        return Some((format!("counters of {action}"), Since::linux(5, 14)));
    }
    if let (Some(flavors), None) = (&asked.flavors, &there.flavors) {
        let since = match asked.action {
            SidAction::EndX { .. } => Since::linux(6, 6),
            _ if flavors.ops.contains(FlavorOps::PSP) => Since::linux(6, 3),
            _ => Since::linux(6, 1),
        };
        return Some((format!("flavour {} of {action}", flavors.ops), since));
    }
    if asked.oif.is_some() && there.oif.is_none() {
        return Some((format!("an output device of {action}"), Since::linux(6, 17)));
    }
    Some((format!("{asked}, of which `{there}` was made,"), Since::option("a newer kernel")))
}

/// The VRF with this table.
async fn vrf_of(conn: &Connection, table: u32) -> Result<u32> {
    for link in conn.links().collect_all().await? {
        if let Some(vrf) = link.kind::<Vrf>()
            && vrf?.table == Some(table)
        {
            return Ok(link.index);
        }
    }
    Err(Error::usage(format!(
        "no VRF has table {table}; make it first: ip link add NAME type vrf table {table}"
    )))
}
