//! Everything at once, for as long as is asked: tables that change all the time, followers and requests that are cancelled, and
//! namespaces that are deleted while they are followed.
//!
//! It takes two seconds. `NL_TESTKIT_SOAK=600` makes it ten minutes, also in a virtual machine.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use nl_bridge::fdb::{FdbEntry, FdbVerb};
use nl_core::neighbour::{Neighbour, NeighbourVerb, NeighbourWatch};
use nl_core::netns::Netns;
use nl_core::nsid::Nsids;
use nl_core::route::{Route, RouteVerb, RouteWatch};
use nl_core::rule::{Rule, RuleVerb, RuleWatch};
use nl_core::watch::{Entry, Mirror, Watch};
use nl_core::{Connection, IpFamily, IpPrefix, MacAddr, Protocol, Request};
use nl_events::Source;
use nl_events::fdb::FdbWatch;
use nl_events::report::Reports;
use nl_events::store::Store;
use nl_tc::class::Class;
use nl_tc::htb::HtbClassConfig;
use nl_tc::watch::{ClassTable, ClassWatch};
use nl_tc::{Rate, TcHandle, TcVerb};
use nl_testkit::race::Dice;
use nl_testkit::{Lab, Node, Result};
use tokio::task::JoinHandle;

use crate::storm::{shown_by_iproute2, table_of};

/// For tables to be the same after the last change.
const LIMIT: Duration = Duration::from_secs(60);
/// What a program may hold in the end beside what it held in the middle.
const GROWTH: usize = 24 << 20;
const TASKS: u32 = 3;
/// Entries of each table that come and go.
const ROAMING: u32 = 300;
const QDISC: TcHandle = TcHandle::new(1, 0);
const TABLE: u32 = 1000;
/// The first rule of the test: what the kernel has by itself is outside.
const FIRST_RULE: u32 = 1000;

fn duration() -> Duration {
    let seconds = std::env::var("NL_TESTKIT_SOAK").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(2))
}

/// What of the process is in memory, in bytes.
fn resident() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    4096 * pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap()
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The devices of the world.
#[derive(Clone, Copy)]
struct Devices {
    ports: [u32; 2],
    device: u32,
}

fn host(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0xc612_0000 | number)
}

fn rule(number: u32) -> Rule {
    let mut rule = Rule::new(IpFamily::V4);
    (rule.priority, rule.table) = (Some(FIRST_RULE + number), Some(TABLE));
    rule
}

/// A change of one of the tables.
fn change(dice: &mut Dice, devices: Devices) -> Request {
    let number = dice.roll(ROAMING);
    let is_added = dice.roll(2_u32) == 0;
    let [_, _, high, low] = number.to_be_bytes();
    match dice.roll(5_u32) {
        0 => {
            let port = devices.ports[usize::from(dice.roll(2_u32) == 1)];
            let entry = FdbEntry::new(MacAddr::new([2, 7, 0, 0, high, low]), port).master().static_();
            entry.request(if is_added { FdbVerb::Replace } else { FdbVerb::Delete })
        }
        1 => {
            let route = Route::new(IpPrefix::host(host(number).into())).oif(devices.device).table(TABLE);
            route.request(if is_added { RouteVerb::Replace } else { RouteVerb::Delete })
        }
        2 => {
            let mac = MacAddr::new([2, 8, 0, 0, high, low]);
            let neighbour = Neighbour::new(host(number).into(), devices.device).lladdr(mac);
            neighbour.request(if is_added { NeighbourVerb::Replace } else { NeighbourVerb::Delete })
        }
        3 => rule(number).request(if is_added { RuleVerb::Add } else { RuleVerb::Delete }),
        _ => {
            let minor = u16::try_from(1 + number % 100).unwrap();
            let rate = Rate::mbit(1 + u64::from(dice.roll(9_u32)));
            let class = Class::new(devices.device, QDISC.class(minor), HtbClassConfig::new(rate));
            class.request(if is_added { TcVerb::Replace } else { TcVerb::Delete })
        }
    }
}

/// Changes tables until the end; how many changes were made.
fn load(netns: &Netns, task: u32, devices: Devices, end: Instant) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let conn = Connection::builder(Protocol::Route).netns(netns).open().unwrap();
        let mut made = 0;
        for round in 0_u32.. {
            if Instant::now() >= end {
                break;
            }
            let mut dice = Dice::new(task << 24 | round);
            let requests = (0..200).map(move |_| change(&mut dice, devices));
            made += conn.batch(requests).summarize(1).await.unwrap().succeeded;
        }
        made
    })
}

/// A store, and the task that follows for it.
struct Followed<W: Mirror> {
    store: Store<W>,
    task: JoinHandle<nl_core::Result<()>>,
}

impl<W: Mirror> Followed<W> {
    fn new(watch: W) -> Self {
        let (store, follower) = Store::new(watch);
        Self { store, task: tokio::spawn(follower.run()) }
    }

    /// Follows with another watch from now on. The old one is cancelled wherever it is.
    async fn restart(&mut self, watch: W) {
        std::mem::replace(self, Self::new(watch)).cancel().await;
    }

    async fn cancel(self) {
        self.task.abort();
        let ended = self.task.await;
        assert!(ended.as_ref().is_err_and(|error| error.is_cancelled()), "a watch ended: {ended:?}");
        assert!(!self.store.is_followed());
    }

    /// Until the store has what a watch has that is new.
    async fn exact(&self, what: &str, open: impl AsyncFn() -> W, text: impl Fn(&W::Entry) -> String) -> W {
        let end = Instant::now() + LIMIT;
        loop {
            self.store.synced(LIMIT).await.unwrap();
            let ours: BTreeSet<_> = self.store.read(|watch| watch.entries().map(&text).collect());
            let mut fresh = open().await;
            while !W::is_synced(&fresh.next().await.unwrap().unwrap()) {}
            let theirs: BTreeSet<_> = fresh.entries().map(&text).collect();
            if ours == theirs {
                return fresh;
            }
            let few: Vec<_> = ours.symmetric_difference(&theirs).take(4).collect();
            assert!(Instant::now() < end, "{what}: only one of both has {few:#?}");
        }
    }
}

fn text<E: Entry + Debug>(entry: &E) -> String {
    format!("{:?}", entry.normalized())
}

/// Opens watches of one namespace.
struct Opener {
    conn: Connection,
    device: u32,
    buffer: usize,
}

impl Opener {
    async fn fdb(&self) -> FdbWatch {
        FdbWatch::builder(&self.conn).bridge("br0").receive_buffer(self.buffer).open().await.unwrap()
    }

    async fn routes(&self) -> RouteWatch {
        RouteWatch::builder(&self.conn).receive_buffer(self.buffer).open().await.unwrap()
    }

    async fn neighbours(&self) -> NeighbourWatch {
        NeighbourWatch::builder(&self.conn).receive_buffer(self.buffer).open().await.unwrap()
    }

    async fn rules(&self) -> RuleWatch {
        RuleWatch::builder(&self.conn).receive_buffer(self.buffer).open().await.unwrap()
    }

    fn classes(&self) -> ClassWatch {
        let table = ClassTable::new(self.device);
        Watch::builder(&self.conn, table).receive_buffer(self.buffer).open().unwrap()
    }
}

/// A namespace that is deleted while somebody follows it, and everything in it is dropped later.
async fn follow_what_is_deleted(node: &Node, nsids: &Nsids, number: u32) -> Result {
    let name = format!("soak{number}");
    node.ip(&format!("netns add {name}")).await;
    let followed = {
        let netns = Netns::named(&name)?;
        // So that the stream of all namespaces hears of it.
        nsids.assign(&netns, None).await?;
        let conn = Connection::builder(Protocol::Route).netns(&netns).open()?;
        let followed = Followed::new(RuleWatch::builder(&conn).receive_buffer(0).open().await?);
        let requests = (0..100).map(|number| rule(number).request(RuleVerb::Add));
        conn.batch(requests).summarize(1).await?.into_result()?;
        followed
    };
    node.ip(&format!("netns del {name}")).await;
    let has_all = |watch: &RuleWatch| watch.entries().filter(|rule| rule.table == Some(TABLE)).count() == 100;
    followed.store.wait_until(has_all, LIMIT).await?;
    followed.cancel().await;
    Ok(())
}

/// Reads everything that happens in all namespaces. Only lost events may be missing.
fn listen(mut reports: Reports) -> JoinHandle<u64> {
    tokio::spawn(async move {
        let mut overruns = 0;
        while let Some(report) = reports.next().await {
            match report.outcome {
                Err(error) if error.is_overrun() => overruns += 1,
                outcome => drop(outcome.unwrap()),
            }
        }
        panic!("the stream ended after {overruns} overruns");
    })
}

#[nl_testkit::test(
    needs(link = "veth", qdisc = "htb", tool = "bridge", tool = "ip", tool = "tc"),
    timeout = 1200,
    serial
)]
async fn stores_are_exact_and_memory_is_constant_after_a_soak(lab: Lab) -> Result {
    lab.quiet();
    let bridge = lab.bridge("br0", 2).await?;
    let node = bridge.node();
    node.ip("link add d0 type veth peer name p0").await;
    node.ip("link set p0 up").await;
    node.ip("link set d0 up").await;
    node.wait_carrier("d0").await?;
    node.tc("qdisc add dev d0 root handle 1: htb").await;
    let ports = [node.index_of("port1").await?, node.index_of("port2").await?];
    let devices = Devices { ports, device: node.index_of("d0").await? };
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let nsids = Nsids::new(conn.clone());
    let before = descriptors();
    let mut opener = Opener { conn: conn.clone(), device: devices.device, buffer: 0 };
    let builder = Reports::builder().source(Source::IPV4_RULE).source(Source::NAMESPACE).all_namespaces();
    let listener = listen(node.open(move || builder.open()).await?);
    let mut fdb = Followed::new(opener.fdb().await);
    let mut routes = Followed::new(opener.routes().await);
    let mut neighbours = Followed::new(opener.neighbours().await);
    let mut rules = Followed::new(opener.rules().await);
    let mut classes = Followed::new(opener.classes());

    let (began, time) = (Instant::now(), duration());
    let loads = (0..TASKS).map(|task| -> Result<thread::JoinHandle<u64>> {
        let netns = Netns::fd(node.netns_fd())?;
        Ok(thread::spawn(move || load(&netns, task, devices, began + time)))
    });
    let loads = loads.collect::<Result<Vec<_>>>()?;
    let (mut dice, mut actions, mut middle) = (Dice::new(0x517c_c1b7), 0, None);
    while began.elapsed() < time {
        if middle.is_none() && began.elapsed() > time / 2 {
            middle = Some(resident());
        }
        actions += 1;
        // The smallest receive buffer as often as one that loses little.
        opener.buffer = if dice.roll(2_u32) == 0 { 0 } else { 1 << 20 };
        match dice.roll(9_u32) {
            0 => fdb.restart(opener.fdb().await).await,
            1 => routes.restart(opener.routes().await).await,
            2 => neighbours.restart(opener.neighbours().await).await,
            3 => rules.restart(opener.rules().await).await,
            4 => classes.restart(opener.classes()).await,
            5 => follow_what_is_deleted(node, &nsids, actions).await?,
            6 => {
                // A list of which only the beginning is read.
                let mut list = conn.links();
                let _ = list.next().await;
            }
            7 => {
                // A request that is given up, sooner or later.
                let patience = Duration::from_micros(dice.roll(500_u32).into());
                let _ = tokio::time::timeout(patience, conn.link_names()).await;
                rules.store.resync();
            }
            _ => {
                let error = routes.store.wait_until(|_| false, Duration::from_millis(20)).await.unwrap_err();
                assert!(error.is_timeout(), "{error}");
            }
        }
    }
    // On a slow machine the first action may have taken all of the time.
    let middle = middle.unwrap_or_else(resident);
    let made: u64 = loads.into_iter().map(|load| load.join().expect("a load failed")).sum();

    opener.buffer = 1 << 20;
    let fresh = fdb
        .exact("fdb", async || opener.fdb().await, |e| format!("{} {} {:?}", e.mac, e.index, e.vlan))
        .await;
    assert_eq!(table_of(&fresh, &conn).await?, shown_by_iproute2(node).await);
    drop(fresh);
    let fresh = routes.exact("routes", async || opener.routes().await, text).await;
    let ours = fresh.entries().filter(|route| route.in_table() == TABLE).count();
    let shown = node.json(&format!("ip -j route show table {TABLE}")).await;
    assert_eq!(ours, shown.as_array().map_or(0, Vec::len), "routes");
    drop(fresh);
    let fresh = neighbours.exact("neighbours", async || opener.neighbours().await, text).await;
    let ours: BTreeSet<_> = fresh.entries().map(|neighbour| neighbour.dst.to_string()).collect();
    let shown = node.json("ip -j neigh show dev d0 nud permanent").await;
    let theirs = shown.as_array().into_iter().flatten().filter_map(|neighbour| neighbour["dst"].as_str());
    assert_eq!(of_the_test(ours), of_the_test(theirs.map(str::to_owned)), "neighbours");
    drop(fresh);
    let fresh = rules.exact("rules", async || opener.rules().await, text).await;
    let ours = fresh.entries().filter(|rule| rule.table == Some(TABLE)).count();
    let shown = node.json("ip -j -N rule show").await;
    let theirs = shown.as_array().into_iter().flatten();
    let theirs = theirs.filter(|rule| rule["priority"].as_u64() >= Some(FIRST_RULE.into()));
    assert_eq!(ours, theirs.filter(|rule| rule["priority"].as_u64() < Some(30_000)).count(), "rules");
    drop(fresh);
    let fresh = classes.exact("classes", async || opener.classes(), text).await;
    assert_eq!(fresh.len(), node.tc("class show dev d0").await.lines().count(), "classes");
    drop(fresh);

    let overruns = [
        fdb.store.overruns(),
        routes.store.overruns(),
        neighbours.store.overruns(),
        rules.store.overruns(),
        classes.store.overruns(),
    ];
    fdb.cancel().await;
    routes.cancel().await;
    neighbours.cancel().await;
    rules.cancel().await;
    classes.cancel().await;
    assert!(!listener.is_finished(), "the stream ended");
    listener.abort();
    assert!(listener.await.is_err_and(|error| error.is_cancelled()));
    let end = resident();
    println!(
        "{made} changes, {actions} actions, {overruns:?} overruns since the last, {middle} bytes, {end} at the end"
    );
    assert!(made > 0 && actions > 0);
    assert!(end < middle + GROWTH, "{middle} bytes in the middle, {end} at the end");
    drop((opener, nsids, conn));
    assert!(descriptors() <= before, "{} descriptors, {before} before", descriptors());
    Ok(())
}

/// Those of the load.
fn of_the_test(hosts: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    hosts.into_iter().filter(|host| host.starts_with("198.18.")).collect()
}
