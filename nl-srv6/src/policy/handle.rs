use nl_core::connection::Named;
use nl_core::error::{Errno, Since};
use nl_core::nexthop::{Nexthop, Nexthops};
use nl_core::route::{Route, RouteFilter};
use nl_core::rule::Rules;
use nl_core::{Connection, Error, Pending, Protocol, Result};

use super::plan::Plan;
use super::selections::PolicySelections;
use super::set::PolicySet;
use super::snapshot::{Concern, Snapshot};

/// The policies of the connection's namespace. Cheap to clone.
///
/// ```no_run
/// use nl_core::route::RouteProtocol;
/// use nl_core::{Connection, Protocol};
/// use nl_srv6::encap::Seg6;
/// use nl_srv6::policy::{CandidatePath, Headend, Policy, PolicySet};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let headend = Headend::new(Connection::open(Protocol::Route)?);
/// let path = Seg6::encap_red(["fcbb:0:b::".parse()?, "fcbb:0:d:d46::".parse()?]);
/// let policy = Policy::new(100, "fcbb:0:d::".parse()?)
///     .path(CandidatePath::new(100).list(path))
///     .prefix("2001:db8:2::/48".parse()?);
/// let set = PolicySet::new("eth0", 5000..=5999, RouteProtocol(200)).policy(policy);
/// let plan = headend.apply(&set).await?;
/// print!("{plan}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Headend {
    conn: Connection,
}

impl Headend {
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

    /// Reads what concerns a set, to [plan](PolicySet::plan) without applying. What does not concern it is left out while reading.
    ///
    /// Equivalent: `ip nexthop show`, `ip route show table all` and, for a set with [rules](PolicySet::rules_at), `ip rule show`. Needs no
    /// privilege.
    ///
    /// # Errors
    /// No such device.
    pub fn snapshot(&self, set: &PolicySet) -> Pending<Snapshot> {
        let (conn, set) = (self.conn.clone(), set.clone());
        Pending::new(async move {
            match resolve(&conn, &set).await {
                Ok((index, _)) => read(&conn, &set, index).await,
                Err(error) => Err(error.during(|| format!("read policies dev {}", set.dev))),
            }
        })
    }

    /// Applies a set and returns the steps. Returns an empty plan if the headend already has the policies: then nothing is sent but the
    /// requests that read.
    ///
    /// New members are made first. Then each group that differs is replaced by one request, with which all its routes follow, then come
    /// rules, and what no policy needs is deleted last. So packets are lost neither when a path takes over nor when its lists change. New
    /// nexthops, groups, routes, rules and deletions are a [batch](nl_core::batch) each.
    ///
    /// The kernel allocates the caches of segments without waiting, and out of a burst of thousands it refuses some for want of memory
    /// (`ENOMEM`). Those are [sent again](nl_core::batch::Batch::retry_enomem).
    ///
    /// Needs `CAP_NET_ADMIN` in the user namespace that owns the network namespace. Linux 5.3.
    ///
    /// # Errors
    /// As [`PolicySet::plan`]; no such device, or one that is down (`ENETDOWN`); the first refusal by the kernel, which ends the
    /// operation with the batch that it is in: what was carried out stays, and applying the set again continues;
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) for weights over 256 before Linux 6.12, for a kernel without `seg6`, and,
    /// after everything was applied, for source addresses of lists before Linux 7.1, which such a kernel takes and does not use.
    pub fn apply(&self, set: &PolicySet) -> Pending<Plan> {
        let (conn, set) = (self.conn.clone(), set.clone());
        Pending::new(async move {
            let during = |error: Error| error.during(|| format!("apply policies dev {}", set.dev));
            let of_set = |error: Error| match error.operation() {
                Some(_) => error,
                None => during(error),
            };
            let (index, named) = resolve(&conn, &set).await.map_err(during)?;
            let explain = |error: Error| named.explain(of_set(error));
            let plan = set.planned(&read(&conn, &set, index).await?).map_err(explain)?;
            let mut requests = plan.requests().map_err(explain)?.into_iter();
            for size in plan.phases() {
                let of_phase: Vec<_> = requests.by_ref().take(size).collect();
                let outcome = conn.batch(of_phase).retry_enomem().summarize(1).await?.into_result();
                outcome.map_err(|error| explain(or_unsupported(error)))?;
            }
            if !plan.is_empty()
                && has_sources(&set)
                && !set.plan(&read(&conn, &set, index).await?).map_err(explain)?.is_empty()
            {
                let error = Error::unsupported("a source address of one segment list", Since::linux(7, 1));
                return Err(of_set(error));
            }
            Ok(plan)
        })
    }

    /// Reads how often the kernel chose each segment list of the policies of a set: once for each packet that it routed, and not for
    /// packets of a socket that keeps its route. It counts neither bytes nor what arrives.
    ///
    /// A group of one member for IPv4 makes no choice, and its packets are not counted. The counters of a group begin at 0 when it is
    /// replaced, as by a failover. A policy that was not applied, or has no valid path, is left out.
    ///
    /// Equivalent: `ip -s nexthop show`. Needs no privilege. Linux 6.9.
    ///
    /// # Errors
    /// As [`PolicySet::plan`]; no such device; [`Unsupported`](nl_core::error::ErrorKind::Unsupported) before Linux 6.9.
    pub fn selections(&self, set: &PolicySet) -> Pending<Vec<PolicySelections>> {
        let (conn, set) = (self.conn.clone(), set.clone());
        Pending::new(async move {
            let during =
                |error: Error| error.during(|| format!("read selections of policies dev {}", set.dev));
            let (index, named) = resolve(&conn, &set).await.map_err(during)?;
            let with_stats = Nexthops::new(conn.clone()).entries().ids(set.ids.clone()).stats().list().await;
            let nexthops = with_stats.map_err(during)?.collect_all().await.map_err(|error| {
                // An older kernel does not know the attribute that asks for them.
                let is_unknown = |kernel: &nl_core::error::KernelError| kernel.errno == Errno::EINVAL;
                during(error.or_unsupported(is_unknown, "counters of nexthop groups", Since::linux(6, 9)))
            })?;
            let snapshot = with_nexthops(&conn, &set, index, nexthops).await.map_err(during)?;
            set.selections(&snapshot).map_err(|error| named.explain(during(error)))
        })
    }

    /// Deletes all routes, rules and nexthops that belong to a set, whatever its policies are, and returns the steps. What others made is left.
    ///
    /// Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn remove(&self, set: &PolicySet) -> Pending<Plan> {
        let mut set = set.clone();
        set.policies.clear();
        set.is_exact = false;
        self.apply(&set)
    }
}

async fn resolve(conn: &Connection, set: &PolicySet) -> Result<(u32, Named)> {
    conn.require(Protocol::Route, "policies")?;
    let mut dev = set.dev.clone();
    match conn.resolve(vec![&mut dev]).await {
        // An index is there where a name was looked up.
        Ok(named) => Ok((dev.index().unwrap_or_default(), named)),
        Err((error, named)) => Err(named.explain(error)),
    }
}

async fn read(conn: &Connection, set: &PolicySet, index: u32) -> Result<Snapshot> {
    let nexthops = Nexthops::new(conn.clone()).entries().ids(set.ids.clone()).list().await?;
    with_nexthops(conn, set, index, nexthops.collect_all().await?).await
}

async fn with_nexthops(
    conn: &Connection,
    set: &PolicySet,
    index: u32,
    nexthops: Vec<Nexthop>,
) -> Result<Snapshot> {
    let concern = Concern::of(set);
    let routes = conn.dump(RouteFilter::default().list_request(), move |message| {
        if !Route::is_route(message) {
            return Ok(None);
        }
        Ok(Some(Route::decode(message)?).filter(|route| concern.holds(route)))
    });
    let snapshot = Snapshot::new(index, nexthops, routes.collect_all().await?);
    let Some(priority) = set.rule_priority else { return Ok(snapshot) };
    let rules = Rules::new(conn.clone()).entries().priority(priority).protocol(set.protocol.0).list().await?;
    Ok(snapshot.with_rules(rules.collect_all().await?))
}

fn has_sources(set: &PolicySet) -> bool {
    let mut lists = set.policies.iter().flat_map(|policy| &policy.paths).flat_map(|path| &path.lists);
    lists.any(|list| list.path.source.is_some())
}

fn or_unsupported(error: Error) -> Error {
    let text = |kernel: &nl_core::error::KernelError| kernel.ext_ack.message.clone().unwrap_or_default();
    let error = error.or_unsupported(
        |kernel| kernel.errno == Errno::EINVAL && text(kernel).starts_with("Reserved field"),
        "a weight over 256",
        Since::linux(6, 12),
    );
    error.or_unsupported(
        |kernel| {
            kernel.errno == Errno::EOPNOTSUPP
                && text(kernel).to_lowercase().contains("encapsulation type not supported")
        },
        "seg6",
        Since::option("CONFIG_IPV6_SEG6_LWTUNNEL"),
    )
}
