use std::collections::HashMap;

use nl_core::error::ErrorKind;
use nl_core::link::{LinkConfig, LinkKind, LinkVerb};
use nl_core::{Connection, Error, Pending, Request, Result};

use super::config::BridgeConfig;
use super::plan::Plan;
use super::probe::refuse_ignored;
use super::read::read;
use super::snapshot::Snapshot;
use super::step::{Step, backed_up};
use super::view::port_of;

/// The leaf in the connection's namespace. Cheap to clone.
///
/// ```no_run
/// use nl_bridge::leaf::{BridgeConfig, Leaf, PortConfig, VxlanConfig};
/// use nl_core::{Connection, Protocol};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let leaf = Leaf::new(Connection::open(Protocol::Route)?);
/// let vxlan = VxlanConfig::new("vx0").local("192.0.2.1".parse()?).map(10, 10010).flood("192.0.2.2".parse()?);
/// let config = BridgeConfig::new("br0").port(PortConfig::new("swp1").access(10)).vxlan(vxlan);
/// let plan = leaf.apply(&config).await?;
/// print!("{plan}");
/// for other in plan.others() {
///     println!("{other}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Leaf {
    conn: Connection,
}

impl Leaf {
    /// Over this connection, which must be one to [`Protocol::Route`](nl_core::Protocol::Route).
    #[must_use]
    pub fn new(conn: Connection) -> Self {
        Self { conn }
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// Reads what plans and the doctor need: devices, VLANs, VNIs, the flood entries of VXLAN devices, addresses, routes and neighbours.
    ///
    /// The kernel does not filter a forwarding database by MAC address, so all entries of VXLAN devices are listed, and those that are
    /// not needed are dropped one by one: time grows with their number, memory does not.
    ///
    /// Needs no privilege.
    ///
    /// # Errors
    /// A connection of another protocol; a list that changed while it was read
    /// ([`is_interrupted`](Error::is_interrupted)).
    pub fn snapshot(&self) -> Pending<Snapshot> {
        let conn = self.conn.clone();
        Pending::new(
            async move { read(&conn, None).await.map_err(|error| error.during(|| "read leaf".into())) },
        )
    }

    /// Reads the description of a bridge that is there: [`BridgeConfig::observe`].
    ///
    /// Needs no privilege.
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot); there is no such bridge.
    pub fn observe(&self, bridge: &str) -> Pending<BridgeConfig> {
        let (conn, bridge) = (self.conn.clone(), bridge.to_owned());
        Pending::new(async move {
            let during = |error: Error| error.during(|| format!("observe leaf {bridge}"));
            BridgeConfig::observe(&read(&conn, None).await.map_err(during)?, &bridge)
        })
    }

    /// The steps that [`apply`](Self::apply) would take.
    ///
    /// Needs no privilege.
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot) and [`BridgeConfig::plan`].
    pub fn plan(&self, config: &BridgeConfig) -> Pending<Plan> {
        self.planned(config, BridgeConfig::plan)
    }

    /// Makes the leaf as described, and returns the steps. If it is so already, nothing is sent but the requests that read.
    ///
    /// Needs `CAP_NET_ADMIN` in the user namespace that owns the network namespace. Linux 5.18 for VNI filters and MST, 6.6 for
    /// [peers](super::PortConfig::peers()) of ports.
    ///
    /// # Errors
    /// As [`plan`](Self::plan), before anything is changed. So is a kernel too old for peers of ports, which would accept and ignore
    /// them: it is asked with a request that changes nothing, on a port of any bridge, or where there is none on one that is made for
    /// it, `nlprobe1`, and deleted in the same datagram. The first refusal by the kernel ends the operation: the error names the
    /// step, `step 3 of 9`, and those before it are done. Applying again goes on from there.
    pub fn apply(&self, config: &BridgeConfig) -> Pending<Plan> {
        self.done(config, BridgeConfig::plan)
    }

    /// Removes what was made for a description, whatever it describes, and returns the steps. What others made is left, unless the
    /// description is exact.
    ///
    /// Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn remove(&self, config: &BridgeConfig) -> Pending<Plan> {
        self.done(config, BridgeConfig::plan_removal)
    }

    /// Stamps the devices that are there under the names of a description, so that they belong to it from then on: bridge, VXLAN device,
    /// and the ports. Nothing else does that: a device without a stamp is never taken for the description's own.
    ///
    /// Needs `CAP_NET_ADMIN`. Linux 5.5.
    ///
    /// # Errors
    /// As [`BridgeConfig::plan_adoption`] and [`apply`](Self::apply).
    pub fn adopt(&self, config: &BridgeConfig) -> Pending<Plan> {
        self.done(config, BridgeConfig::plan_adoption)
    }

    fn planned(&self, config: &BridgeConfig, plan: Planning) -> Pending<Plan> {
        let (conn, config) = (self.conn.clone(), config.clone());
        Pending::new(async move { Ok(look(&conn, &config, plan).await?.0) })
    }

    fn done(&self, config: &BridgeConfig, plan: Planning) -> Pending<Plan> {
        let (conn, config) = (self.conn.clone(), config.clone());
        Pending::new(async move {
            let (plan, current) = look(&conn, &config, plan).await?;
            refuse_ignored(&conn, &config, &plan, &current).await?;
            carry_out(&conn, &config.name, &plan, &current).await?;
            verify(&conn, &config.name, &plan).await?;
            Ok(plan)
        })
    }
}

type Planning = fn(&BridgeConfig, &Snapshot) -> Result<Plan>;

async fn look(conn: &Connection, config: &BridgeConfig, plan: Planning) -> Result<(Plan, Snapshot)> {
    let during = |error: Error| error.during(|| format!("read leaf {}", config.name));
    // What contradicts itself needs no look.
    config.check().map_err(|why| Error::from(why).during(|| format!("leaf {}", config.name)))?;
    let current = read(conn, Some(config)).await.map_err(during)?;
    Ok((plan(config, &current)?, current))
}

/// Requests that go together, each with the number of its step.
#[derive(Default)]
struct Run {
    requests: Vec<Request>,
    steps: Vec<usize>,
}

async fn carry_out(conn: &Connection, leaf: &str, plan: &Plan, current: &Snapshot) -> Result<()> {
    let names = current.links.iter().map(|link| (link.name.as_str().to_owned(), link.index));
    let mut indexes: HashMap<String, u32> = names.collect();
    let mut run = Run::default();
    for (number, step) in plan.steps().iter().enumerate() {
        if let Step::Make { device, stamp } = step {
            send(conn, leaf, plan, std::mem::take(&mut run)).await?;
            let requests = step.requests(&|name| indexes.get(name).copied().unwrap_or(0));
            let made = make(conn, requests, &device.name, stamp).await;
            let index = made.map_err(|error| failed(leaf, plan, number, error))?;
            indexes.insert(device.name.clone(), index);
            continue;
        }
        for request in step.requests(&|name| indexes.get(name).copied().unwrap_or(0)) {
            run.requests.push(request);
            run.steps.push(number);
        }
    }
    send(conn, leaf, plan, run).await
}

/// Refuses what the kernel said yes to and ignored, because it is too old.
async fn verify(conn: &Connection, leaf: &str, plan: &Plan) -> Result<()> {
    for step in plan.steps() {
        let Step::Backup { dev, backup: Some(backup) } = step else { continue };
        let now = port_of(&conn.link(dev.as_str()).await?).unwrap_or_default();
        if let Some((feature, since)) = backed_up(Some(backup), &|_| 0).ignored(&now) {
            return Err(Error::unsupported(feature, since).during(|| format!("leaf {leaf}: {step}")));
        }
    }
    Ok(())
}

/// Makes a device and stamps it in one datagram, so that no process that dies leaves one behind without a stamp, and returns its index.
async fn make(conn: &Connection, requests: Vec<Request>, name: &str, stamp: &str) -> Result<u32> {
    let summary = conn.batch(requests).summarize(2).await?;
    let stamped = !summary.failures.iter().any(|(position, _)| *position == 1);
    let made = !summary.failures.iter().any(|(position, _)| *position == 0);
    let failure = summary.failures.into_iter().next();
    let mut config = LinkConfig::new(name);
    match (made, stamped) {
        // Somebody else made a device of that name meanwhile, and the stamp is on it.
        (false, true) => {
            config.alt_names.push(stamp.into());
            let _ = conn.acknowledged(config.remove_alt_names_request()).await;
        }
        // Without a stamp it would never be taken for our own again.
        (true, false) => drop(conn.acknowledged(config.request(LinkVerb::Delete)).await),
        _ => {}
    }
    match failure {
        Some((_, error)) => Err(error),
        None => conn.link_index(name).await,
    }
}

async fn send(conn: &Connection, leaf: &str, plan: &Plan, run: Run) -> Result<()> {
    let Run { requests, steps } = run;
    if requests.is_empty() {
        return Ok(());
    }
    let summary = conn.batch(requests).stop_at_first_failure().summarize(1).await?;
    match summary.failures.into_iter().next() {
        None => Ok(()),
        Some((position, error)) => {
            let number = usize::try_from(position).ok().and_then(|position| steps.get(position).copied());
            Err(failed(leaf, plan, number.unwrap_or_default(), error))
        }
    }
}

/// Says which step failed, and what was done by then.
fn failed(leaf: &str, plan: &Plan, number: usize, error: Error) -> Error {
    let (step, all) = (number + 1, plan.steps().len());
    let words = plan.steps().get(number).map(ToString::to_string).unwrap_or_default();
    let has_hint = error.hint().is_some() || matches!(error.kind(), ErrorKind::Usage(_));
    let error = error.during(|| format!("leaf {leaf}, step {step} of {all}: {words}"));
    match (has_hint, number) {
        (true, _) => error,
        (false, 0) => error.hinted("nothing was changed"),
        (false, _) => {
            error.hinted(format!("{number} of {all} steps are done; apply again to go on from there"))
        }
    }
}
