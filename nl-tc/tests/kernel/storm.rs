//! Many changes by other connections, of which a watch with the smallest receive buffer loses events again and again.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use nl_core::link::{LinkConfig, LinkVerb, Veth};
use nl_core::netns::Netns;
use nl_core::watch::{Change, Entry, Source, Watch};
use nl_core::{Connection, Protocol, Request};
use nl_tc::class::{Class, ClassConfig};
use nl_tc::filter::{Filter, Fw, list_request};
use nl_tc::htb::HtbConfig;
use nl_tc::leaf::PfifoConfig;
use nl_tc::qdisc::{Qdisc, QdiscConfig};
use nl_tc::watch::{ClassTable, ClassWatch, FilterTable, FilterWatch, QdiscTable, QdiscWatch};
use nl_tc::{Tc, TcHandle, TcVerb};
use nl_testkit::{Lab, Node, Result, scaled};

use crate::support::{QDISC, lines, mbit, open};

/// How many changes a storm makes, natively. A request that the kernel refuses is none.
const CHANGES: u32 = 100_000;
const TASKS: u32 = 4;
/// How many requests a task sends at least at a time, of which it does not know how many are refused.
const ROUND: u64 = 64;
/// How long nothing comes before the tables are compared.
const MOMENT: Duration = Duration::from_millis(100);
/// For the tables to be the same, from the beginning.
const PATIENCE: Duration = Duration::from_secs(240);
/// The indexes of the devices that come and go begin here.
const CHURNED: u32 = 1000;

/// Random numbers that are the same in every run.
struct Dice(u32);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % sides
    }

    fn small(&mut self, sides: u16) -> u16 {
        u16::try_from(self.roll(sides.into())).unwrap()
    }

    fn of<T: Copy>(&mut self, these: &[T]) -> T {
        *these.get(usize::try_from(self.roll(u32::try_from(these.len()).unwrap())).unwrap()).unwrap()
    }
}

/// What a reader knows who has nothing but the changes. Each has to follow from those before it.
struct Reader<E: Entry>(HashMap<E::Key, E>);

impl<E: Entry + Debug> Reader<E> {
    fn take(&mut self, change: Change<E>) {
        let same = |known: Option<&E>, said: &E| known.is_some_and(|e| e.normalized() == said.normalized());
        match change {
            Change::Added(entry) => {
                let known = self.0.insert(entry.key(), entry.clone());
                assert!(known.is_none(), "added, and was known: {entry:?}");
            }
            Change::Changed { before, after } => {
                assert!(before.normalized() != after.normalized(), "no change: {after:?}");
                let known = self.0.insert(after.key(), after);
                assert!(same(known.as_ref(), &before), "{known:?} was said to be {before:?}");
            }
            Change::Deleted(entry) => {
                let known = self.0.remove(&entry.key());
                assert!(same(known.as_ref(), &entry), "{known:?} was deleted as {entry:?}");
            }
            Change::Synced => {}
        }
    }
}

/// The entries without what changes by itself. None is there twice.
fn texts<'a, E: Entry + Debug>(entries: impl IntoIterator<Item = &'a E>) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for entry in entries {
        assert!(texts.insert(format!("{:?}", entry.normalized())), "twice: {entry:?}");
    }
    texts
}

/// The first differences from another table, in words.
fn compared(ours: &BTreeSet<String>, theirs: &BTreeSet<String>, whose: &str) -> Option<String> {
    let few = |from: &BTreeSet<String>, to| from.difference(to).take(3).cloned().collect::<Vec<_>>();
    let text = || format!("not as {whose}: {:#?} is {:#?}", few(ours, theirs), few(theirs, ours));
    (ours != theirs).then(text)
}

/// A change that a task makes, of its own number, with the indexes of the devices.
type Make = fn(u32, &mut Dice, &[u32]) -> Request;

/// The load of one task: sends requests until enough of them have succeeded, and returns the numbers of requests and of changes.
fn load(netns: Netns, task: u32, devices: Vec<u32>, make: Make, changes: u64) -> (u64, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let conn = Connection::builder(Protocol::Route).netns(&netns).open().unwrap();
        let mut dice = Dice(0x9e37_79b9 ^ (task << 8));
        let (mut sent, mut made) = (0, 0);
        while made < changes {
            let round = (changes - made).max(ROUND);
            let requests = (0..round).map(|_| make(task, &mut dice, &devices)).collect::<Vec<_>>();
            // Many are refused, because what is added exists or what is deleted does not.
            made += conn.batch(requests).summarize(1).await.unwrap().succeeded;
            sent += round;
        }
        (sent, made)
    })
}

/// Makes the changes while the watch is read, until the watch has what the kernel has.
async fn storm<S: Source<Entry: Debug>>(
    node: &Node,
    watch: &mut Watch<S>,
    devices: &[u32],
    make: Make,
    difference: impl AsyncFn(&Watch<S>) -> Option<String>,
) -> Result {
    let changes = scaled(CHANGES, 1_000);
    let began = Instant::now();
    // Threads of their own, so that the table changes while the kernel lists it.
    let tasks = (0..TASKS).map(|task| -> Result<JoinHandle<(u64, u64)>> {
        let (netns, devices) = (Netns::fd(node.netns_fd())?, devices.to_vec());
        Ok(std::thread::spawn(move || load(netns, task, devices, make, changes.div_ceil(TASKS).into())))
    });
    let mut tasks = tasks.collect::<Result<Vec<_>>>()?;
    let (mut sent, mut made, mut reported, mut synced) = (0, 0, 0_u32, 0_u32);
    let mut reader: Reader<S::Entry> = Reader(HashMap::new());
    loop {
        match tokio::time::timeout(MOMENT, watch.next()).await {
            Ok(change) => {
                let change = change.unwrap()?;
                reported += 1;
                synced += u32::from(matches!(change, Change::Synced));
                reader.take(change);
            }
            Err(_) if tasks.iter().all(JoinHandle::is_finished) => {
                for task in tasks.drain(..) {
                    let (requests, changes) = task.join().unwrap();
                    sent += requests;
                    made += changes;
                }
                // Tables are compared only when nothing more comes, as that takes a while.
                let Some(difference) = difference(watch).await else { break };
                assert!(began.elapsed() < PATIENCE, "{difference}");
            }
            Err(_) => {}
        }
    }
    assert_eq!(compared(&texts(reader.0.values()), &texts(watch.entries()), "the watch has"), None);
    let words = format!(
        "{sent} requests, {made} changes, {reported} reported, {synced} times synced, {} overruns, {} entries at the end, {:.1} s",
        watch.overruns(),
        watch.len(),
        began.elapsed().as_secs_f32()
    );
    assert!(made >= u64::from(changes), "too few changes were made: {words}");
    assert!(watch.overruns() > 0, "the storm did not overrun the watch, so nothing was shown: {words}");
    println!("{words}");
    Ok(())
}

/// Devices that are down, on which qdiscs are added and deleted without a grace period.
async fn world(lab: &Lab, count: u32) -> Result<(Node, Tc, Vec<u32>)> {
    lab.quiet();
    let node = lab.node("a").await?;
    let mut devices = Vec::new();
    for number in 0..count {
        node.ip(&format!("link add d{number} type veth peer name p{number}")).await;
        devices.push(node.index_of(&format!("d{number}")).await?);
    }
    let tc = open(&node).await?;
    Ok((node, tc, devices))
}

/// The HTB qdisc at the root of a device, under which everything else is.
fn root(index: u32) -> Qdisc {
    Qdisc::new(index, TcHandle::ROOT, HtbConfig::new()).handle(QDISC)
}

/// Where it is at the end, so that `tc` can be asked about it.
async fn with_root(tc: &Tc, index: u32) {
    if let Err(error) = tc.connection().acknowledged(root(index).request(TcVerb::Add)).await {
        assert!(error.is_exists(), "{error}");
    }
}

fn change_qdisc(task: u32, dice: &mut Dice, devices: &[u32]) -> Request {
    let churned = CHURNED + task;
    let index = match dice.roll(8) {
        0 => churned,
        _ => dice.of(devices),
    };
    let class = QDISC.class(1 + dice.small(20));
    let fifo = Qdisc::new(index, class, PfifoConfig::new().limit(1 + dice.roll(50)));
    match dice.roll(1000) {
        // A device is deleted slowly, and its qdiscs go without events.
        0..3 => {
            let mut device = LinkConfig::new(format!("s{task}")).kind(Veth::new(format!("t{task}")));
            device.index = Some(churned);
            device.request(LinkVerb::Add)
        }
        3..5 => LinkConfig::new(format!("s{task}")).request(LinkVerb::Delete),
        // So do those below the root and of a class.
        5..8 => Qdisc::at(index, TcHandle::ROOT).request(TcVerb::Delete),
        8..50 => root(index).request(TcVerb::Add),
        50..70 => Class::at(index, class).request(TcVerb::Delete),
        70..250 => Class::new(index, class, mbit(1)).request(TcVerb::Add),
        250..650 => fifo.request(TcVerb::Replace),
        650..750 => fifo.request(TcVerb::Add),
        750..850 => fifo.request(TcVerb::Change),
        _ => Qdisc::at(index, class).request(TcVerb::Delete),
    }
}

async fn difference_of_qdiscs(watch: &QdiscWatch, node: &Node, tc: &Tc) -> Option<String> {
    let listed = tc.qdiscs().list().await.unwrap().collect_all().await.unwrap();
    let listed: Vec<_> = listed.into_iter().filter(|qdisc| !qdisc.handle.is_none()).collect();
    let names = tc.connection().link_names().await.unwrap();
    let ours = watch.entries().map(|qdisc| {
        let dev = names.get(&qdisc.index).cloned().unwrap_or_default();
        let limit = match &qdisc.config {
            QdiscConfig::Pfifo(fifo) => fifo.limit.map(|limit| limit.to_string()),
            _ => None,
        };
        let limit = limit.unwrap_or_default();
        format!("{dev} {} {} {} {limit}", qdisc.handle, qdisc.parent, qdisc.config.kind())
    });
    let shown = node.json("tc -j qdisc show").await;
    let theirs = shown.as_array().unwrap().iter().filter_map(|qdisc| {
        let [dev, handle, parent, kind] =
            ["dev", "handle", "parent", "kind"].map(|key| qdisc.get(key).and_then(|value| value.as_str()));
        let limit = match kind {
            Some("pfifo") => qdisc.get("options")?.get("limit")?.to_string(),
            _ => String::new(),
        };
        let line = format!("{} {} {} {} {limit}", dev?, handle?, parent.unwrap_or("root"), kind?);
        (handle != Some("0:")).then_some(line)
    });
    compared(&texts(watch.entries()), &texts(&listed), "listed").or(compared(
        &ours.collect(),
        &theirs.collect(),
        "tc shows",
    ))
}

#[nl_testkit::test(needs(link = "veth", qdisc = "htb", qdisc = "pfifo", tool = "tc"), timeout = 300, serial)]
async fn watch_of_qdiscs_converges_through_a_storm_that_overruns_it(lab: Lab) -> Result {
    let (node, tc, devices) = world(&lab, 4).await?;
    let mut watch = Watch::builder(tc.connection(), QdiscTable::new()).receive_buffer(0).open()?;
    storm(&node, &mut watch, &devices, change_qdisc, async |watch| {
        difference_of_qdiscs(watch, &node, &tc).await
    })
    .await
}

fn change_class(_: u32, dice: &mut Dice, devices: &[u32]) -> Request {
    let index = dice.of(devices);
    let inner = QDISC.class(0x200 + dice.small(3));
    let mut class = Class::new(index, QDISC.class(1 + dice.small(100)), mbit(1 + u64::from(dice.roll(9))));
    match dice.roll(10) {
        0 => class.handle = inner,
        1..5 => class = class.parent(inner),
        _ => {}
    }
    match dice.roll(1000) {
        // All classes go with it, without events.
        0..2 => Qdisc::at(index, TcHandle::ROOT).request(TcVerb::Delete),
        2..40 => root(index).request(TcVerb::Add),
        40..350 => class.request(TcVerb::Add),
        350..550 => class.request(TcVerb::Replace),
        550..700 => class.request(TcVerb::Change),
        _ => Class::at(index, class.handle).request(TcVerb::Delete),
    }
}

/// The word behind another one.
fn after<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let mut words = line.split_whitespace();
    words.find(|found| *found == word)?;
    words.next()
}

async fn difference_of_classes(watch: &ClassWatch, node: &Node, tc: &Tc, index: u32) -> Option<String> {
    with_root(tc, index).await;
    let listed = tc.classes("d0").list().await.unwrap().collect_all().await.unwrap();
    let ours = watch.entries().map(|class| {
        let ClassConfig::Htb(htb) = &class.config else { panic!("not a class of HTB: {class}") };
        format!("{} {} {}", class.handle, class.parent, htb.rate)
    });
    let shown = lines(node, "class show dev d0").await;
    let theirs = shown.iter().filter_map(|line| {
        let parent = after(line, "parent").unwrap_or("root");
        Some(format!("{} {parent} {}", after(line, "htb")?, after(line, "rate")?))
    });
    compared(&texts(watch.entries()), &texts(&listed), "listed").or(compared(
        &ours.collect(),
        &theirs.collect(),
        "tc shows",
    ))
}

#[nl_testkit::test(needs(link = "veth", qdisc = "htb", tool = "tc"), timeout = 300, serial)]
async fn watch_of_classes_converges_through_a_storm_that_overruns_it(lab: Lab) -> Result {
    let (node, tc, devices) = world(&lab, 2).await?;
    let index = *devices.first().unwrap();
    let mut watch = Watch::builder(tc.connection(), ClassTable::new(index)).receive_buffer(0).open()?;
    storm(&node, &mut watch, &devices, change_class, async |watch| {
        difference_of_classes(watch, &node, &tc, index).await
    })
    .await
}

fn change_filter(_: u32, dice: &mut Dice, devices: &[u32]) -> Request {
    let index = dice.of(devices);
    let fw = Fw::new(QDISC.class(1 + dice.small(9)));
    let filter = Filter::new(index, QDISC, fw).priority(1 + dice.small(6));
    match dice.roll(1000) {
        // All filters go with it, without events, and those of a priority with one.
        0..2 => Qdisc::at(index, TcHandle::ROOT).request(TcVerb::Delete),
        2..40 => root(index).request(TcVerb::Add),
        40..45 => filter.request(TcVerb::Delete),
        turn => {
            let filter = filter.handle(1 + dice.roll(60));
            filter.request(match turn {
                45..400 => TcVerb::Add,
                400..600 => TcVerb::Replace,
                600..650 => TcVerb::Change,
                _ => TcVerb::Delete,
            })
        }
    }
}

async fn difference_of_filters(watch: &FilterWatch, node: &Node, tc: &Tc, index: u32) -> Option<String> {
    with_root(tc, index).await;
    let list = tc.connection().dump(list_request(index, QDISC), |message| Filter::decode(message).map(Some));
    let listed = list.collect_all().await.unwrap();
    let listed: Vec<_> = listed.into_iter().filter(Filter::is_added).collect();
    let ours = watch
        .entries()
        .map(|filter| format!("{} {:#x} {}", filter.priority, filter.handle, filter.config.classid()));
    let shown = lines(node, "filter show dev d0 parent 1:").await;
    let theirs = shown.iter().filter_map(|line| {
        Some(format!("{} {} {}", after(line, "pref")?, after(line, "handle")?, after(line, "classid")?))
    });
    compared(&texts(watch.entries()), &texts(&listed), "listed").or(compared(
        &ours.collect(),
        &theirs.collect(),
        "tc shows",
    ))
}

#[nl_testkit::test(needs(vm, link = "veth", qdisc = "htb", tool = "tc"), timeout = 300, serial)]
async fn watch_of_filters_converges_through_a_storm_that_overruns_it(lab: Lab) -> Result {
    let (node, tc, devices) = world(&lab, 2).await?;
    let index = *devices.first().unwrap();
    let table = FilterTable::new(index, QDISC);
    let mut watch = Watch::builder(tc.connection(), table).receive_buffer(0).open()?;
    storm(&node, &mut watch, &devices, change_filter, async |watch| {
        difference_of_filters(watch, &node, &tc, index).await
    })
    .await
}
