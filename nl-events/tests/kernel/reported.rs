//! What programs on other libraries reported as bugs: each case, and what happens here.

use std::fs;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, TryStreamExt};
use nl_core::address::{AddressFlags, AddressWatch};
use nl_core::link::LinkEvent;
use nl_core::message::NdMsg;
use nl_core::route::RouteWatch;
use nl_core::{Connection, Protocol};
use nl_events::store::Store;
use nl_events::stream::Events;
use nl_events::{NetworkEvent, Source};
use nl_testkit::{EthFrame, Lab, Result, within};

const LIMIT: Duration = Duration::from_secs(30);
const RTM_GETNEIGH: u16 = 30;
const RTNLGRP_NEIGH: u32 = 3;
const NDA_LLADDR: u16 = 2;

/// moby/libnetwork#1642 and #1671: agents that fill tables on demand wait for the kernel's questions, which are neither entries nor
/// neighbours.
#[nl_testkit::test(needs(link = "vxlan", tool = "ip"))]
async fn miss_of_a_vxlan_device_is_a_raw_message_and_no_entry(lab: Lab) -> Result {
    const UNKNOWN: [u8; 6] = [2, 0, 0, 0, 0xaa, 0x77];
    lab.quiet();
    let node = lab.node("a").await?;
    node.ip("link add vx0 type vxlan id 5 dstport 4789 l2miss").await;
    node.ip("link set vx0 up").await;
    let index = node.index_of("vx0").await?;
    let builder = Events::builder().source(Source::raw(RTNLGRP_NEIGH));
    let mut events = node.open(move || builder.source(Source::FDB).source(Source::NEIGHBOUR).open()).await?;
    let frame = EthFrame::new([2, 0, 0, 0, 0xaa, 1], UNKNOWN, EthFrame::TEST, b"who has it").to_bytes();
    node.send_frame("vx0", &frame).await?;
    let found = async {
        loop {
            match events.try_next().await.unwrap().expect("the stream ended") {
                NetworkEvent::Raw(event) if event.kind == RTM_GETNEIGH => return event,
                NetworkEvent::Fdb(event) => assert_ne!(event.entry().mac.octets(), UNKNOWN, "{event}"),
                _ => {}
            }
        }
    };
    let miss = within(LIMIT, found, "the miss").await;
    let (header, attrs) = miss.message().header::<NdMsg>()?;
    assert_eq!(header.index, index);
    let mac = attrs.find(NDA_LLADDR)?.expect("an address");
    assert_eq!(mac.value(), UNKNOWN);
    Ok(())
}

/// bisdn/basebox#469: the kernel removes nexthops of a device that goes down, and the routes through them, without an event.
#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn store_of_routes_lacks_those_whose_nexthop_went_down_with_its_device(lab: Lab) -> Result {
    lab.quiet();
    let node = lab.node("a").await?;
    node.ip("link add d0 type veth peer name p0").await;
    node.ip("link set p0 up").await;
    node.ip("link set d0 up").await;
    node.wait_carrier("d0").await?;
    node.ip("address add 192.0.2.1/24 dev d0").await;
    node.ip("nexthop add id 7 via 192.0.2.2 dev d0").await;
    node.ip("nexthop add id 8 group 7").await;
    node.ip("route add 198.51.100.0/24 nhid 7").await;
    node.ip("route add 203.0.113.0/24 nhid 8").await;
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let (routes, follower) = Store::new(RouteWatch::open(&conn).await?);
    let task = tokio::spawn(follower.run());
    let has = |watch: &RouteWatch, net: &str| watch.entries().any(|route| route.prefix.to_string() == net);
    let nets = ["198.51.100.0/24", "203.0.113.0/24"];
    routes.wait_until(move |watch| nets.iter().all(|net| has(watch, net)), LIMIT).await?;
    node.ip("link set d0 down").await;
    routes.wait_until(move |watch| nets.iter().all(|net| !has(watch, net)), LIMIT).await?;
    assert_eq!(node.json("ip -j route show").await.as_array().map(Vec::len), Some(0));
    task.abort();
    assert!(task.await.is_err_and(|error| error.is_cancelled()));
    Ok(())
}

/// slackhq/nebula#1835: duplicate address detection ends while addresses are listed, which interrupts the list. A watch reports no
/// error for it, and has the state in the end.
#[nl_testkit::test(needs(link = "veth", tool = "ip"), timeout = 120)]
async fn watch_of_addresses_reports_no_error_while_new_ones_are_checked(lab: Lab) -> Result {
    const ADDRESSES: usize = 40;
    let node = lab.node("a").await?;
    node.ip("link add d0 type veth peer name p0").await;
    node.ip("link set p0 up").await;
    node.ip("link set d0 up").await;
    node.wait_carrier("d0").await?;
    let index = node.index_of("d0").await?;
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let mut watch = AddressWatch::open(&conn).await?;
    for number in 1..=ADDRESSES {
        node.ip(&format!("address add 2001:db8::{number:x}/64 dev d0")).await;
        if number % 8 == 0 {
            // A watch whose first list is read meanwhile.
            watch = AddressWatch::open(&conn).await?;
        }
        watch.resync();
    }
    let checked = async {
        loop {
            let own = watch.entries().filter(|address| address.index == index && !address.local.is_ipv4());
            let own: Vec<_> =
                own.filter(|address| address.local.to_string().starts_with("2001:db8::")).collect();
            let is_done = |flags: AddressFlags| !flags.intersects(AddressFlags::TENTATIVE);
            if own.len() == ADDRESSES && own.iter().all(|address| is_done(address.flags)) {
                return;
            }
            watch.try_next().await.expect("no error").expect("the watch ended");
        }
    };
    within(LIMIT, checked, "the addresses to be checked").await;
    let shown = node.json("ip -j -6 address show dev d0 tentative").await;
    let left = shown.as_array().into_iter().flatten().filter_map(|device| device["addr_info"].as_array());
    assert_eq!(left.flatten().count(), 0, "{shown}");
    Ok(())
}

/// vishvananda/netlink#125, #280 and #542, projectcalico/calico#12139: a subscription that ends leaves nothing, neither a descriptor nor
/// a reader that takes the events of the next one, which gets the same descriptor.
#[nl_testkit::test(needs(link = "bridge", tool = "ip"), serial)]
async fn stream_that_is_opened_after_others_were_dropped_gets_all_events(lab: Lab) -> Result {
    const ROUNDS: usize = 100;
    let node = lab.node("a").await?;
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    // What the first one opens for the whole process is not counted.
    drop(node.open(|| Events::builder().source(Source::LINK).open()).await?);
    let before = descriptors();
    for round in 0..ROUNDS {
        let mut events = node.open(|| Events::builder().source(Source::LINK).open()).await?;
        // Dropped before it was polled, and while it waits.
        if round % 2 == 0 {
            assert!(events.next().now_or_never().is_none());
        }
    }
    assert!(descriptors() <= before, "{} descriptors, {before} before", descriptors());
    let mut events = node.open(|| Events::builder().source(Source::LINK).open()).await?;
    for number in 0..5 {
        node.ip(&format!("link add br{number} type bridge")).await;
    }
    let mut next = 0;
    let all = async {
        while next < 5 {
            let event = events.try_next().await.unwrap().expect("the stream ended");
            let NetworkEvent::Link(LinkEvent::New(link)) = event else { panic!("another event: {event:?}") };
            if link.name == *format!("br{next}") {
                next += 1;
            }
        }
    };
    within(LIMIT, all, "the events of five devices").await;
    Ok(())
}
