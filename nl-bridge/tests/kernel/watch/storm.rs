//! Many changes by other connections, of which a watch with the smallest receive buffer loses events again and again.

use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use nl_bridge::mdb::{MdbEntry, MdbMode, MdbVerb, MdbWatch};
use nl_bridge::settings::{Bridge, BridgePort, PortChange, StpState};
use nl_bridge::tunnel::{TunnelEntry, TunnelVerb};
use nl_bridge::vlan_db::{VlanDbEntry, VlanDbVerb, VlanWatch};
use nl_bridge::vni::{VniEntry, VniVerb, VniWatch};
use nl_bridge::{VlanId, VlanRange, Vni, VniRange};
use nl_core::link::{LinkConfig, LinkVerb};
use nl_core::netns::Netns;
use nl_core::watch::{Change, Entry};
use nl_core::{Connection, Protocol, Request};
use nl_testkit::race::Dice;
use nl_testkit::{Lab, Node, Result, scaled, within};

use super::support::*;
use super::{mdb, vlans, vni};
use crate::support::kernel;
use crate::vlan_db::support::tunnels;

/// How many changes a storm makes, natively. A request that the kernel refuses is none.
const CHANGES: u32 = 100_000;
const TASKS: u32 = 4;
/// The watch rests for a second at most. When nothing has come for longer, nothing will.
const QUIET: Duration = Duration::from_secs(3);
const DEADLINE: Duration = Duration::from_secs(580);
/// How many requests a task sends at least at a time, of which it does not know how many are refused.
const ROUND: u32 = 64;

/// A change that a task makes, of its own number, with the indexes of the devices.
type Make = fn(u32, &mut Dice, &[u32]) -> Request;

/// Makes the changes while the watch is read, and returns what happened in words, and what a reader of the changes has.
async fn storm<E: Entry + Debug>(
    node: &Node,
    watch: &mut (impl Stream<Item = nl_core::Result<Change<E>>> + Unpin),
    names: &[&str],
    make: Make,
    is_standing: fn(&E) -> bool,
) -> Result<(String, Reader<E>)> {
    let changes = scaled(CHANGES, 1_000);
    let mut devices = Vec::new();
    for name in names {
        devices.push(node.index_of(name).await?);
    }
    let counter = || Arc::new(AtomicU64::new(0));
    let (began, done, made, sent) = (Instant::now(), Arc::new(AtomicUsize::new(0)), counter(), counter());
    // Threads of their own, so that the table changes while the kernel lists it.
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (netns, done) = (Netns::fd(node.netns_fd())?, Arc::clone(&done));
            let (made, sent) = (Arc::clone(&made), Arc::clone(&sent));
            let devices = devices.clone();
            Ok(std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let conn = Connection::builder(Protocol::Route).netns(&netns).open().unwrap();
                    let mut dice = Dice::new(task);
                    let mut left = u64::from(changes.div_ceil(TASKS));
                    while left > 0 {
                        let round = left.max(ROUND.into());
                        let requests =
                            (0..round).map(|_| make(task, &mut dice, &devices)).collect::<Vec<_>>();
                        // Many are refused, because what is added exists or what is deleted does not.
                        let summary = conn.batch(requests).summarize(1).await.unwrap();
                        made.fetch_add(summary.succeeded, Ordering::SeqCst);
                        sent.fetch_add(round, Ordering::SeqCst);
                        left = left.saturating_sub(summary.succeeded);
                    }
                });
                done.fetch_add(1, Ordering::SeqCst);
            }))
        })
        .collect::<Result<_>>()?;

    let (mut reported, mut synced, mut reader) = (0_u32, 0_u32, Reader::new());
    let watching = async {
        loop {
            let is_over =
                done.load(Ordering::SeqCst) == tasks.len() || tasks.iter().all(|task| task.is_finished());
            match tokio::time::timeout(QUIET, watch.next()).await {
                Ok(change) => {
                    let change = change.unwrap()?;
                    match &change {
                        Change::Synced => synced += 1,
                        Change::Deleted(entry) if is_standing(entry) => {
                            panic!("reported as deleted, but exists: {entry:?}")
                        }
                        _ => reported += 1,
                    }
                    reader.take(change);
                }
                Err(_) if is_over => return Ok::<_, nl_testkit::Error>(()),
                Err(_) => {}
            }
        }
    };
    within(DEADLINE, watching, "the storm to end").await?;
    for task in tasks {
        task.join().unwrap();
    }
    let (made, sent) = (made.load(Ordering::SeqCst), sent.load(Ordering::SeqCst));
    assert!(made >= changes.into(), "only {made} of {changes} changes were made");
    let seconds = (began.elapsed() - QUIET).as_secs_f32();
    let words = format!(
        "{sent} requests, {made} changes, {reported} reported, {synced} times synced, {seconds:.1} s"
    );
    Ok((words, reader))
}

/// The smallest receive buffer, of which events are lost, and one with room for all events, so that each of them counts. Without
/// root it is no larger than `net.core.rmem_max`.
const SMALLEST: usize = 0;
const LARGEST: usize = 256 << 20;

/// Prints what happened. With the smallest buffer it needs lost events to have shown anything.
fn conclude(words: &str, buffer: usize, overruns: u64, entries: usize) {
    let is_shown = overruns > 0 || buffer == LARGEST;
    assert!(is_shown, "the storm did not overrun the watch, so nothing was shown: {words}");
    println!("{words}, {overruns} overruns, {entries} entries at the end");
}

/// A bridge of the task that comes or goes, now and then: its entries do so with it.
fn change_device(task: u32, dice: &mut Dice) -> Request {
    let device = LinkConfig::new(format!("s{task}x{}", dice.roll(3_u32)));
    match dice.roll(2_u32) {
        0 => device.kind(Bridge::new()).request(LinkVerb::Add),
        _ => device.request(LinkVerb::Delete),
    }
}

/// VLANs that the storm of VLANs leaves alone.
const STANDING: u16 = 1000;

fn change_vlan(task: u32, dice: &mut Dice, devices: &[u32]) -> Request {
    let &[p1, p2, br0, vx0] = devices else { unreachable!() };
    let vlan = u16::try_from(1 + dice.roll(300_u32)).unwrap();
    let single = |vlan: u16| VlanRange::new(vlan, vlan).unwrap();
    let dev = *dice.pick(&[p1, p1, p2, p2, p2, br0, vx0]);
    let entry = VlanDbEntry::new(dev, single(vlan));
    match dice.roll(1000_u32) {
        // A device is deleted slowly.
        0..3 => change_device(task, dice),
        3..6 => {
            let on = dice.roll(4_u32) != 0;
            PortChange::new(vx0, BridgePort::new().vlan_tunnel(on)).request()
        }
        6..200 => {
            let vni = Vni::new(10_000 + u32::from(vlan)).unwrap();
            let verb = *dice.pick(&[TunnelVerb::Add, TunnelVerb::Add, TunnelVerb::Delete]);
            TunnelEntry::new(vx0, VlanId::new(vlan).unwrap(), VniRange::from(vni)).request(verb)
        }
        200..230 => {
            let last = vlan + u16::from(dice.roll(9_u8)) + 1;
            let verb = *dice.pick(&[VlanDbVerb::Replace, VlanDbVerb::Delete]);
            VlanDbEntry::new(dev, VlanRange::new(vlan, last).unwrap()).request(verb)
        }
        230..260 => VlanDbEntry::new(dev, single(vlan)).pvid().request(VlanDbVerb::Replace),
        260..400 => {
            let state = *dice.pick(&[StpState::Blocking, StpState::Forwarding, StpState::Learning]);
            entry.state(state).request(VlanDbVerb::Set)
        }
        400..500 => entry.untagged().request(VlanDbVerb::Replace),
        500..800 => entry.request(VlanDbVerb::Replace),
        _ => entry.request(VlanDbVerb::Delete),
    }
}

async fn storm_of_vlans(lab: &Lab, buffer: usize) -> Result {
    let node = tunnels(lab).await?;
    node.bridge(&format!("vlan add dev p1 vid {STANDING}-{}", STANDING + 999)).await;
    let mut watch = VlanWatch::builder(&route(&node).await).receive_buffer(buffer).open().await?;
    let standing = |entry: &VlanDbEntry| entry.vlans.first().get() >= STANDING;
    let names = ["p1", "p2", "br0", "vx0"];
    let (words, reader) = storm(&node, &mut watch, &names, change_vlan, standing).await?;
    assert_eq!(compared(&reader.texts(), &texts(watch.entries()), "the watch has"), None);
    vlans::exact(&mut watch, &node).await;
    conclude(&words, buffer, watch.overruns(), watch.len());
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 600, serial)]
async fn watch_of_vlans_converges_through_a_storm_that_overruns_it(lab: Lab) -> Result {
    storm_of_vlans(&lab, SMALLEST).await
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 600, serial)]
async fn watch_of_vlans_is_exact_by_events_alone(lab: Lab) -> Result {
    storm_of_vlans(&lab, LARGEST).await
}

/// Groups that come and go, per task.
const ROAMING: u32 = 200;
/// The task whose number groups have that the storm leaves alone.
const NOBODY: u8 = 9;

fn change_mdb(task: u32, dice: &mut Dice, devices: &[u32]) -> Request {
    let &[br0, p1, p2, br1, ref vx @ ..] = devices else { unreachable!() };
    if dice.roll(1000_u32) < 3 {
        return change_device(task, dice);
    }
    let number = u8::try_from(dice.roll(ROAMING)).unwrap();
    let task = u8::try_from(task).unwrap();
    let is_ipv4 = dice.roll(2_u32) == 0;
    let group = match is_ipv4 {
        true => IpAddr::from(Ipv4Addr::new(239, task, 0, number)),
        false => Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, task.into(), number.into()).into(),
    };
    let source = match is_ipv4 {
        true => IpAddr::from(Ipv4Addr::new(192, 0, 2, 1 + dice.roll(2_u8))),
        false => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1 + u16::from(dice.roll(2_u8))).into(),
    };
    let mut places = vec![(br0, p1), (br0, p1), (br0, p2), (br0, p2), (br0, br0), (br1, br1)];
    places.extend(vx.iter().map(|vx| (*vx, *vx)));
    let (dev, port) = *dice.pick(&places);
    let mut entry = MdbEntry::new(dev, port, group);
    if vx.contains(&dev) {
        let dst = Ipv4Addr::new(198, 51, 100, 1 + dice.roll(3_u8)).into();
        entry = entry.permanent().dst(dst).src_vni(100 + dice.roll(2_u32));
    } else if port != dev {
        entry.vlan = *dice.pick(&[None, None, Some(10)]);
        if dice.roll(3_u32) != 0 {
            entry = entry.permanent();
        }
    }
    if port != dev || vx.contains(&dev) {
        match dice.roll(8_u32) {
            0..2 => entry = entry.source(source),
            2 if kernel() >= (6, 2) => entry = entry.mode(MdbMode::Exclude).sources([source]),
            _ => {}
        }
    }
    let verbs = [MdbVerb::Add, MdbVerb::Add, MdbVerb::Delete, MdbVerb::Replace];
    entry.request(*dice.pick(if kernel() >= (6, 2) { &verbs[..] } else { &verbs[..3] }))
}

async fn storm_of_mdb(node: &Node, buffer: usize, vxlan: Option<&str>) -> Result {
    node.ip("link add br1 up type bridge mcast_snooping 1").await;
    for bridge in ["br0", "br1"] {
        let options = "mcast_hash_max 65536 mcast_membership_interval 100000";
        node.ip(&format!("link set {bridge} type bridge {options}")).await;
    }
    let (dev, port) = (node.index_of("br0").await?, node.index_of("p1").await?);
    let standing = (0..1000_u16).map(move |number| {
        let [high, low] = number.to_be_bytes();
        let group = IpAddr::from(Ipv4Addr::new(239, NOBODY, high, low));
        MdbEntry::new(dev, port, group).permanent().request(MdbVerb::Add)
    });
    let conn = route(node).await;
    conn.batch(standing).summarize(1).await?.into_result()?;
    let mut watch = MdbWatch::builder(&conn).receive_buffer(buffer).open().await?;
    let is_standing = |entry: &MdbEntry| entry.group.to_string().starts_with(&format!("239.{NOBODY}."));
    let names: Vec<_> = ["br0", "p1", "p2", "br1"].into_iter().chain(vxlan).collect();
    let (words, reader) = storm(node, &mut watch, &names, change_mdb, is_standing).await?;
    assert_eq!(compared(&reader.texts(), &texts(watch.entries()), "the watch has"), None);
    mdb::exact(&mut watch, node).await;
    conclude(&words, buffer, watch.overruns(), watch.len());
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "veth", tool = "bridge"), timeout = 600, serial)]
async fn watch_of_the_mdb_converges_through_a_storm_that_overruns_it(lab: Lab) -> Result {
    storm_of_mdb(&mdb::world(&lab).await?, SMALLEST, None).await
}

#[nl_testkit::test(needs(link = "bridge", link = "veth", tool = "bridge"), timeout = 600, serial)]
async fn watch_of_the_mdb_is_exact_by_events_alone(lab: Lab) -> Result {
    storm_of_mdb(&mdb::world(&lab).await?, LARGEST, None).await
}

#[nl_testkit::test(
    needs(link = "vxlan", tool = "bridge", iproute2 = "7", kernel = "6.4"),
    timeout = 600,
    serial
)]
async fn watch_of_the_mdb_of_vxlan_converges_through_a_storm_that_overruns_it(lab: Lab) -> Result {
    let node = mdb::world(&lab).await?;
    node.ip("link add vx type vxlan external vnifilter dstport 4789").await;
    node.ip("link set vx up").await;
    storm_of_mdb(&node, SMALLEST, Some("vx")).await
}

fn change_vni(task: u32, dice: &mut Dice, devices: &[u32]) -> Request {
    if dice.roll(1000_u32) < 3 {
        return change_device(task, dice);
    }
    let first = 1 + dice.roll(2000_u32);
    let last = if dice.roll(50_u32) == 0 { first + dice.roll(20_u32) } else { first };
    let mut entry = VniEntry::new(*dice.pick(devices), VniRange::new(first, last).unwrap());
    if dice.roll(3_u32) == 0 {
        entry = entry.group(Ipv4Addr::new(192, 0, 2, 1 + dice.roll(3_u8)).into());
    }
    entry.request(*dice.pick(&[VniVerb::Replace, VniVerb::Delete]))
}

#[nl_testkit::test(
    needs(link = "vxlan", link = "veth", tool = "bridge", iproute2 = "7"),
    timeout = 600,
    serial
)]
async fn watch_of_vnis_converges_through_a_storm_that_overruns_it(lab: Lab) -> Result {
    let node = vni::world(&lab).await?;
    node.ip("link add vf1 type vxlan external vnifilter dstport 4791").await;
    node.ip("link set vf1 up").await;
    for dev in ["vf0", "vf1"] {
        node.bridge(&format!("vni add vni 5000-5499 dev {dev}")).await;
    }
    let mut watch = VniWatch::builder(&route(&node).await).receive_buffer(SMALLEST).open().await?;
    let standing = |entry: &VniEntry| entry.vnis.first() >= 5000;
    let (words, reader) = storm(&node, &mut watch, &["vf0", "vf1"], change_vni, standing).await?;
    assert_eq!(compared(&reader.texts(), &texts(watch.entries()), "the watch has"), None);
    vni::exact(&mut watch, &node).await;
    conclude(&words, SMALLEST, watch.overruns(), watch.len());
    Ok(())
}
