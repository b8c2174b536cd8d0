//! Row 22: how long a small request and a timer wait while one task lists a large table or sends a large batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use ::nlink::FdbEntryBuilder;
use ::nlink::netlink::{Connection, Route};
use ::rtnetlink::Handle;
use tokio::sync::mpsc;

use crate::calls::{found, raw_look_up, rtnetlink_look_up};
use crate::entry::{IFINDEX_BRIDGE, IFINDEX_PORT, Mac, PORT, STATE_STATIC, Tally, macs};
use crate::floor::{self, RTM_DELNEIGH, RTM_NEWNEIGH};
use crate::measure::median;
use crate::netlink::{NLM_F_CREATE, NLM_F_EXCL, Socket};
use crate::rows::{Contestant, Plan, expect, filled, interleave};
use crate::table::Table;
use crate::{Result, rtnetlink, runtime};

/// From one request to the next.
const PAUSE: Duration = Duration::from_millis(1);
const IDLE: Duration = Duration::from_millis(300);
/// Changes per send where a contestant leaves that to its user.
const PER_BATCH: usize = 64;

/// What goes on beside the requests.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Load {
    Idle,
    /// The whole table is listed.
    List,
    /// Entries are added and deleted.
    Batch,
}

/// What a load has to do, and who asks for the numbers.
#[derive(Clone, Debug)]
struct Work {
    load: Load,
    /// What a list must find.
    wanted: Tally,
    /// Addresses that are not in the table.
    absent: Arc<Vec<Mac>>,
}

/// In microseconds.
#[derive(Debug, Default)]
struct Samples {
    /// From when another thread asked for it to the answer.
    requests: Vec<f64>,
    /// How much later than asked a timer fired.
    timers: Vec<f64>,
}

type Measure = fn(Work) -> Result<Samples>;

const MEASURE: &[Contestant<Measure>] = &[
    ("raw sockets, a thread each", threads),
    #[cfg(feature = "ours")]
    ("ours", ours),
    ("nlink, one connection", nlink_on_one),
    ("nlink, two connections", nlink_on_two),
    ("rtnetlink, one connection", rtnetlink_on_one),
    ("rtnetlink, two connections", rtnetlink_on_two),
];

/// 22: the asynchronous contestants on a current-thread runtime.
pub(crate) fn row(plan: Plan) -> Result<Vec<Table>> {
    let all = macs(plan.streamed * 2);
    let (there, absent) = all.split_at(plan.streamed as usize);
    let _bridge = filled(there)?;
    let work = Work { load: Load::Idle, wanted: Tally::of(there), absent: Arc::new(absent.to_vec()) };
    let samples = interleave(plan.runs.min(3), MEASURE, |name, measure| {
        let samples =
            [Load::Idle, Load::List, Load::Batch].map(|load| measure(Work { load, ..work.clone() }));
        expect(name, floor::tally()?, there)?;
        samples.into_iter().collect::<Result<Vec<_>>>()
    })?;

    let title =
        format!("22. Latency beside a list of {0} entries and a batch of {0} changes, ", plan.streamed);
    let table = |what: &str, of: fn(&Samples) -> &Vec<f64>| {
        let header = ["idle", "max", "beside list", "max", "beside batch", "max"];
        let header: Vec<&str> = ["contestant"].into_iter().chain(header).collect();
        let mut table = Table::new(format!("{title}{what}, µs, median and maximum"), &header);
        for ((name, _), runs) in MEASURE.iter().zip(&samples) {
            let mut cells = vec![(*name).to_owned()];
            for load in 0..3 {
                let pooled: Vec<f64> =
                    runs.iter().filter_map(|loads| loads.get(load)).flat_map(of).copied().collect();
                let longest = pooled.iter().copied().fold(0.0, f64::max);
                cells.extend(match pooled.is_empty() {
                    // The load ended before a request began.
                    true => ["-".to_owned(), "-".to_owned()],
                    false => [format!("{:.0}", median(pooled)), format!("{longest:.0}")],
                });
            }
            table.row(cells);
        }
        table
    };
    Ok(vec![
        table("from an event to the answer of a look-up", |samples| &samples.requests),
        table("lateness of a timer of 1 ms", |samples| &samples.timers),
    ])
}

/// What the kernel's own locks and two processors give.
fn threads(work: Work) -> Result<Samples> {
    let mut socket = Socket::open()?;
    let load = thread::spawn(move || {
        let mut socket = Socket::open()?;
        match work.load {
            Load::Idle => thread::sleep(IDLE),
            Load::List => seen(floor::read(&mut socket)?, &work)?,
            Load::Batch => {
                let half = work.absent.len() / 2;
                for chunk in work.absent.get(..half).unwrap_or_default().chunks(PER_BATCH) {
                    for (kind, flags) in [(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL), (RTM_DELNEIGH, 0)] {
                        socket.fenced(kind, flags, chunk, |request, mac| {
                            floor::entry(request, IFINDEX_PORT, STATE_STATIC, mac);
                        })?;
                    }
                }
            }
        }
        Result::Ok(())
    });
    let mut samples = Samples::default();
    loop {
        let start = Instant::now();
        thread::sleep(PAUSE);
        samples.timers.push(micros(start.elapsed().saturating_sub(PAUSE)));
        if load.is_finished() {
            break;
        }
        let start = Instant::now();
        found(raw_look_up(&mut socket)?)?;
        samples.requests.push(micros(start.elapsed()));
    }
    load.join().map_err(|_| "the load panicked")??;
    Ok(samples)
}

/// Lists, batches and requests share a connection, as they do in a program.
#[cfg(feature = "ours")]
fn ours(work: Work) -> Result<Samples> {
    use nl_bridge::fdb::{FdbEntry, FdbVerb};
    use nl_core::MacAddr;

    runtime()?.block_on(async {
        let fdb = crate::ours::connect()?;
        let connection = fdb.connection().clone();
        let load = async move {
            match work.load {
                Load::Idle => tokio::time::sleep(IDLE).await,
                Load::List => seen(crate::ours::tally(&fdb).await?, &work)?,
                Load::Batch => {
                    let half = work.absent.len() / 2;
                    let absent = work.absent.iter().take(half).copied();
                    let changes = absent.flat_map(|mac| {
                        let entry = FdbEntry::new(MacAddr::new(mac), IFINDEX_PORT).master().static_();
                        [(FdbVerb::Add, entry.clone()), (FdbVerb::Delete, entry)]
                    });
                    let changes: Vec<_> = changes.collect();
                    fdb.batch(changes).summarize(1).await?.into_result()?;
                }
            }
            Ok(())
        };
        sample(load, async || Ok(connection.link(PORT).await?.index)).await
    })
}

fn nlink_on_one(work: Work) -> Result<Samples> {
    runtime()?.block_on(async {
        let connection = Arc::new(Connection::<Route>::new()?);
        sample(nlink_load(Arc::clone(&connection), work), async || nlink_look_up(&connection).await).await
    })
}

fn nlink_on_two(work: Work) -> Result<Samples> {
    runtime()?.block_on(async {
        let (first, second) = (Arc::new(Connection::<Route>::new()?), Connection::<Route>::new()?);
        sample(nlink_load(first, work), async || nlink_look_up(&second).await).await
    })
}

async fn nlink_look_up(connection: &Connection<Route>) -> Result<u32> {
    Ok(connection.get_link_by_name(PORT).await?.ok_or("no such link")?.ifindex())
}

async fn nlink_load(connection: Arc<Connection<Route>>, work: Work) -> Result<()> {
    match work.load {
        Load::Idle => tokio::time::sleep(IDLE).await,
        Load::List => {
            let mut tally = Tally::default();
            for entry in connection.get_fdb_by_index(IFINDEX_BRIDGE).await?.iter().filter(|e| e.is_static()) {
                tally.add(entry.mac());
            }
            seen(tally, &work)?;
        }
        Load::Batch => {
            let half = work.absent.len() / 2;
            for chunk in work.absent.get(..half).unwrap_or_default().chunks(PER_BATCH / 2) {
                let mut batch = connection.batch();
                for mac in chunk {
                    batch = batch.add_fdb(FdbEntryBuilder::new(*mac).static_(), IFINDEX_PORT, None);
                    batch = batch.del_fdb(FdbEntryBuilder::new(*mac), IFINDEX_PORT);
                }
                batch.execute_all().await?;
            }
        }
    }
    Ok(())
}

fn rtnetlink_on_one(work: Work) -> Result<Samples> {
    runtime()?.block_on(async {
        let handle = rtnetlink::connect()?;
        sample(rtnetlink_load(handle.clone(), work), async || rtnetlink_look_up(&handle).await).await
    })
}

fn rtnetlink_on_two(work: Work) -> Result<Samples> {
    runtime()?.block_on(async {
        let (first, second) = (rtnetlink::connect()?, rtnetlink::connect()?);
        sample(rtnetlink_load(first, work), async || rtnetlink_look_up(&second).await).await
    })
}

/// It has no batch: one awaited change after another.
async fn rtnetlink_load(handle: Handle, work: Work) -> Result<()> {
    match work.load {
        Load::Idle => tokio::time::sleep(IDLE).await,
        Load::List => {
            let mut tally = Tally::default();
            rtnetlink::add_all(&handle, &mut tally).await?;
            seen(tally, &work)?;
        }
        Load::Batch => {
            for mac in work.absent.iter().take(work.absent.len() / 2) {
                rtnetlink::add(&handle, mac).await?;
                rtnetlink::del(&handle, mac).await?;
            }
        }
    }
    Ok(())
}

/// Requests that another thread asks for, one at a time, until the load is done.
async fn sample(
    load: impl Future<Output = Result<()>> + Send + 'static,
    look_up: impl AsyncFn() -> Result<u32>,
) -> Result<Samples> {
    // The first answer of a connection is not what is asked about.
    found(look_up().await?)?;
    // The timer runs before the load does, which may never let go of the thread.
    let done = Arc::new(AtomicBool::new(false));
    let timers = tokio::spawn(timers(Arc::clone(&done)));
    let load = tokio::spawn(async move {
        load.await?;
        Result::Ok(Instant::now())
    });
    let (answered, next) = std::sync::mpsc::channel();
    let (ask, mut asked) = mpsc::unbounded_channel();
    // Ends when either channel is closed.
    thread::spawn(move || {
        while ask.send(Instant::now()).is_ok() && next.recv().is_ok() {
            thread::sleep(PAUSE);
        }
    });
    let mut requests = Vec::new();
    while !load.is_finished() {
        let start = asked.recv().await.ok_or("nobody asks")?;
        found(look_up().await?)?;
        requests.push((start, start.elapsed()));
        answered.send(())?;
    }
    let end = load.await??;
    done.store(true, Relaxed);
    Ok(Samples {
        requests: requests
            .into_iter()
            .filter(|(start, _)| *start < end)
            .map(|(_, took)| micros(took))
            .collect(),
        timers: timers.await?,
    })
}

async fn timers(done: Arc<AtomicBool>) -> Vec<f64> {
    let mut late = Vec::new();
    while !done.load(Relaxed) {
        let start = Instant::now();
        tokio::time::sleep(PAUSE).await;
        late.push(micros(start.elapsed().saturating_sub(PAUSE)));
    }
    late
}

fn seen(tally: Tally, work: &Work) -> Result<()> {
    if tally == work.wanted { Ok(()) } else { Err("another table was listed".into()) }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
