//! Many changes by other connections, of which a watch with the smallest receive buffer loses events again and again.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use nl_core::address::{Address, AddressVerb, AddressWatch};
use nl_core::link::LinkWatch;
use nl_core::message::IfInfoMsg;
use nl_core::neighbour::{Neighbour, NeighbourState, NeighbourVerb, NeighbourWatch};
use nl_core::netns::Netns;
use nl_core::nexthop::{Nexthop, NexthopVerb, NexthopWatch};
use nl_core::route::{NextHop, Route, RouteVerb, RouteWatch};
use nl_core::rule::{Rule, RuleVerb, RuleWatch};
use nl_core::watch::Change;
use nl_core::{Connection, IpFamily, IpPrefix, MacAddr, Protocol, Request};
use nl_testkit::race::Dice;
use nl_testkit::{Lab, Node, Result, scaled, within};

use super::{addresses, links, neighbours, nexthops, routes, rules};
use crate::support::{IFLA_MTU, LINK, RTM_NEWLINK, delete_link, describe_link, new_link, route};

/// How many changes a storm makes, natively. A request that the kernel refuses is none.
const CHANGES: u32 = 100_000;
/// How many of those that take the kernel a millisecond each: of devices, and of addresses, all of which it looks at.
const SLOW_CHANGES: u32 = 20_000;
const TASKS: u32 = 4;
/// How many requests a task sends at least at a time, of which it does not know how many are refused.
const ROUND: u32 = 64;
/// The entries that come and go, per task.
const ROAMING: u32 = 500;
/// The same of addresses, of which the kernel looks at all for each change.
const ROAMING_ADDRESSES: u32 = 100;
/// The watch rests for a second at most. When nothing has come for longer, nothing will.
const QUIET: Duration = Duration::from_secs(3);
const DEADLINE: Duration = Duration::from_secs(280);

/// A change that a task makes, of its own number.
type Make = fn(u32, &mut Dice, &[u32]) -> Request;

/// Makes the changes while the watch is read, and returns what happened in words.
async fn storm<E>(
    node: &Node,
    watch: &mut (impl Stream<Item = nl_core::Result<Change<E>>> + Unpin),
    devices: Vec<u32>,
    make: Make,
    most: u32,
) -> Result<String> {
    let changes = scaled(CHANGES, 1_000).min(most);
    let counter = || Arc::new(AtomicU64::new(0));
    let (began, done, made, sent) = (Instant::now(), Arc::new(AtomicUsize::new(0)), counter(), counter());
    // Threads of their own, so that the table changes while the kernel lists it.
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (netns, done) = (Netns::fd(node.netns_fd())?, Arc::clone(&done));
            let (made, sent, devices) = (Arc::clone(&made), Arc::clone(&sent), devices.clone());
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

    let (mut reported, mut synced) = (0_u32, 0_u32);
    let watching = async {
        loop {
            let is_over =
                done.load(Ordering::SeqCst) == tasks.len() || tasks.iter().all(|task| task.is_finished());
            match tokio::time::timeout(QUIET, watch.next()).await {
                Ok(change) => match change.unwrap()? {
                    Change::Synced => synced += 1,
                    _ => reported += 1,
                },
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
    Ok(format!("{sent} requests, {made} changes, {reported} reported, {synced} times synced, {seconds:.1} s"))
}

/// Prints what happened, which needs lost events to have shown anything.
fn conclude(words: &str, overruns: u64, entries: usize) {
    assert!(overruns > 0, "the storm did not overrun the watch, so nothing was shown: {words}");
    println!("{words}, {overruns} overruns, {entries} entries at the end");
}

async fn indexes(node: &Node, names: &[&str]) -> Result<Vec<u32>> {
    let mut indexes = Vec::new();
    for name in names {
        indexes.push(node.index_of(name).await?);
    }
    Ok(indexes)
}

/// An address of this task, in a network of its own.
fn ip(dice: &mut Dice, task: u32, is_ipv4: bool, roaming: u32) -> IpAddr {
    let number = dice.roll(roaming);
    match is_ipv4 {
        true => std::net::Ipv4Addr::from(0x0a00_0000 | task << 16 | number).into(),
        false => std::net::Ipv6Addr::from(0x2001_0db8_00ff_0000_u128 << 64 | u128::from(task << 16 | number))
            .into(),
    }
}

fn change_link(task: u32, dice: &mut Dice, devices: &[u32]) -> Request {
    // A device is deleted slowly.
    match dice.roll(1000_u32) {
        0..4 => new_link(&format!("s{task}x{}", dice.roll(4_u32)), "bridge"),
        4..8 => delete_link(&format!("s{task}x{}", dice.roll(4_u32))),
        _ => {
            let index = devices[dice.roll(8_usize) % devices.len()];
            let mut request = Request::new(RTM_NEWLINK, &LINK, describe_link)
                .with_header(&IfInfoMsg { index, ..IfInfoMsg::default() });
            request.attrs().u32(IFLA_MTU, 1280 + dice.roll(200_u32));
            request
        }
    }
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"), timeout = 300, serial)]
async fn watch_of_links_converges_through_a_storm_that_overruns_it(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let names = ["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7"];
    for name in names {
        node.ip(&format!("link add {name} type bridge")).await;
    }
    let mut watch = LinkWatch::builder(&route(&node).await).receive_buffer(0).open().await?;
    let words = storm(&node, &mut watch, indexes(&node, &names).await?, change_link, SLOW_CHANGES).await?;
    links::exact(&mut watch, &node).await;
    conclude(&words, watch.overruns(), watch.len());
    Ok(())
}

fn change_address(task: u32, dice: &mut Dice, devices: &[u32]) -> Request {
    let is_ipv4 = dice.roll(2_u32) == 0;
    let ip = ip(dice, task, is_ipv4, ROAMING_ADDRESSES);
    let mut address = Address::new(IpPrefix::host(ip), devices[usize::from(dice.roll(2_u32) == 1)]).nodad();
    let verb = match dice.roll(3_u32) {
        0 => AddressVerb::Add,
        1 => AddressVerb::Replace,
        _ => AddressVerb::Delete,
    };
    if dice.roll(2_u32) == 0 && verb != AddressVerb::Delete {
        address = address.valid_lft(Duration::from_secs(u64::from(1000 + dice.roll(9_u32))));
    }
    address.request(verb)
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"), timeout = 300, serial)]
async fn watch_of_addresses_converges_through_a_storm_that_overruns_it(lab: Lab) -> Result {
    let node = routes::world(&lab).await?;
    let mut watch = AddressWatch::builder(&route(&node).await).receive_buffer(0).open().await?;
    let words =
        storm(&node, &mut watch, indexes(&node, &["d0", "d1"]).await?, change_address, SLOW_CHANGES).await?;
    addresses::exact(&mut watch, &node).await;
    conclude(&words, watch.overruns(), watch.len());
    Ok(())
}

fn change_neighbour(task: u32, dice: &mut Dice, devices: &[u32]) -> Request {
    let is_ipv4 = dice.roll(2_u32) == 0;
    let ip = ip(dice, task, is_ipv4, ROAMING);
    let mac = MacAddr::new([2, 0, 0, 0, 0, u8::from(dice.roll(2_u32) == 1)]);
    // Those that the kernel does not change by itself.
    let state = [NeighbourState::PERMANENT, NeighbourState::STALE][usize::from(dice.roll(2_u32) == 1)];
    let device = devices[usize::from(dice.roll(2_u32) == 1)];
    Neighbour::new(ip, device).lladdr(mac).state(state).request(match dice.roll(3_u32) {
        0 => NeighbourVerb::Add,
        1 => NeighbourVerb::Replace,
        _ => NeighbourVerb::Delete,
    })
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"), timeout = 300, serial)]
async fn watch_of_neighbours_converges_through_a_storm_that_overruns_it(lab: Lab) -> Result {
    let node = routes::world(&lab).await?;
    let mut watch = NeighbourWatch::builder(&route(&node).await).receive_buffer(0).open().await?;
    let words =
        storm(&node, &mut watch, indexes(&node, &["d0", "d1"]).await?, change_neighbour, CHANGES).await?;
    neighbours::exact(&mut watch, &node).await;
    conclude(&words, watch.overruns(), watch.len());
    Ok(())
}

/// Up or down, by which IPv4 routes vanish without an event.
fn flip(dice: &mut Dice, index: u32) -> Request {
    let flags = dice.roll(4_u32).min(1);
    Request::new(RTM_NEWLINK, &LINK, describe_link).with_header(&IfInfoMsg {
        index,
        flags,
        change: 1,
        ..IfInfoMsg::default()
    })
}

fn change_route(task: u32, dice: &mut Dice, devices: &[u32]) -> Request {
    if dice.roll(2000_u32) == 0 {
        // IPv4 addresses stay on a device that is down; those of IPv6 go.
        return flip(dice, devices[0]);
    }
    let is_ipv4 = dice.roll(2_u32) == 0;
    let dst = IpPrefix::host(ip(dice, task, is_ipv4, ROAMING));
    let mut gateway = |device: u32| -> IpAddr {
        let last = 1 + dice.roll(3_u32);
        match is_ipv4 {
            true => std::net::Ipv4Addr::from(0xc000_0000 | device << 8 | last).into(),
            false => {
                let net = 0x2001_0db8_0000_0000_u128 | u128::from(device) << 16;
                std::net::Ipv6Addr::from(net << 64 | u128::from(last)).into()
            }
        }
    };
    let (one, other) = (gateway(0), gateway(1));
    let route = match dice.roll(4_u32) {
        0 => Route::new(dst).nexthop(NextHop::via(one)).nexthop(NextHop::via(other)),
        1 => Route::new(dst).oif(devices[1]),
        2 => Route::new(dst).via(one),
        _ => Route::new(dst).via(other),
    };
    let verb = match dice.roll(8_u32) {
        0 => RouteVerb::Append,
        1 if is_ipv4 => RouteVerb::Prepend,
        1..4 => RouteVerb::Add,
        4..6 => RouteVerb::Replace,
        _ => RouteVerb::Delete,
    };
    route.metric(1 + dice.roll(2_u32)).request(verb)
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"), timeout = 300, serial)]
async fn watch_of_routes_converges_through_a_storm_that_overruns_it(lab: Lab) -> Result {
    let node = routes::world(&lab).await?;
    node.sysctl("net.ipv6.conf.d0.keep_addr_on_down", "1").await?;
    let mut watch = RouteWatch::builder(&route(&node).await).receive_buffer(0).open().await?;
    let words = storm(&node, &mut watch, indexes(&node, &["d0", "d1"]).await?, change_route, CHANGES).await?;
    routes::exact(&mut watch, &node).await;
    conclude(&words, watch.overruns(), watch.len());
    Ok(())
}

/// The same with room for all events, so that each of them counts.
#[nl_testkit::test(needs(link = "veth", tool = "ip"), timeout = 300, serial)]
async fn watch_of_routes_is_exact_by_events_alone(lab: Lab) -> Result {
    let node = routes::world(&lab).await?;
    node.sysctl("net.ipv6.conf.d0.keep_addr_on_down", "1").await?;
    let mut watch = RouteWatch::builder(&route(&node).await).receive_buffer(256 << 20).open().await?;
    let words = storm(&node, &mut watch, indexes(&node, &["d0", "d1"]).await?, change_route, CHANGES).await?;
    routes::exact(&mut watch, &node).await;
    println!("{words}, {} overruns, {} entries at the end", watch.overruns(), watch.len());
    Ok(())
}

fn change_rule(task: u32, dice: &mut Dice, _: &[u32]) -> Request {
    let family = if dice.roll(2_u32) == 0 { IpFamily::V4 } else { IpFamily::V6 };
    let number = dice.roll(ROAMING);
    let rule = Rule::new(family).priority(1000 + number % 50).fwmark(1 + number).table(1000 + task);
    rule.request(if dice.roll(2_u32) == 0 { RuleVerb::Add } else { RuleVerb::Delete })
}

#[nl_testkit::test(needs(tool = "ip"), timeout = 300, serial)]
async fn watch_of_rules_converges_through_a_storm_that_overruns_it(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mut watch = RuleWatch::builder(&route(&node).await).receive_buffer(0).open().await?;
    let words = storm(&node, &mut watch, Vec::new(), change_rule, CHANGES).await?;
    rules::exact(&mut watch, &node).await;
    conclude(&words, watch.overruns(), watch.len());
    Ok(())
}

fn change_nexthop(task: u32, dice: &mut Dice, devices: &[u32]) -> Request {
    if dice.roll(2000_u32) == 0 {
        return flip(dice, devices[0]);
    }
    let base = 1 + 10_000 * task;
    let id = base + dice.roll(ROAMING);
    let nexthop = match dice.roll(3_u32) {
        0 => Nexthop::new(base + 1000 + dice.roll(50_u32)).group([(id, 1), (base + dice.roll(ROAMING), 2)]),
        1 => Nexthop::new(id).oif(devices[0]),
        _ => Nexthop::new(id).oif(devices[1]),
    };
    nexthop.request(match dice.roll(3_u32) {
        0 => NexthopVerb::Add,
        1 => NexthopVerb::Replace,
        _ => NexthopVerb::Delete,
    })
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"), timeout = 300, serial)]
async fn watch_of_nexthops_converges_through_a_storm_that_overruns_it(lab: Lab) -> Result {
    let node = routes::world(&lab).await?;
    let mut watch = NexthopWatch::builder(&route(&node).await).receive_buffer(0).open().await?;
    let words =
        storm(&node, &mut watch, indexes(&node, &["d0", "d1"]).await?, change_nexthop, CHANGES).await?;
    nexthops::exact(&mut watch, &node).await;
    conclude(&words, watch.overruns(), watch.len());
    Ok(())
}
