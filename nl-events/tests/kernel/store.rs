//! Stores: read by several tasks while one follows.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use nl_bridge::fdb::{FdbEntry, FdbVerb};
use nl_bridge::settings::Bridge;
use nl_core::address::AddressWatch;
use nl_core::error::ErrorKind;
use nl_core::link::LinkWatch;
use nl_core::neighbour::{Neighbour, NeighbourWatch};
use nl_core::watch::Mirror;
use nl_core::{Connection, MacAddr, Protocol};
use nl_events::fdb::FdbWatch;
use nl_events::store::{Follower, Store};
use nl_tc::filter::Filter;
use nl_tc::watch::{ClassWatch, FilterWatch, QdiscWatch};
use nl_tc::{Tc, TcHandle};
use nl_testkit::{Lab, Node, Result, within};

const LIMIT: Duration = Duration::from_secs(20);

async fn route(node: &Node) -> nl_core::Result<Connection> {
    node.open(|| Connection::open(Protocol::Route)).await
}

/// Ends what follows, so that nothing is left of it.
async fn end(task: tokio::task::JoinHandle<nl_core::Result<()>>) {
    task.abort();
    assert!(task.await.is_err_and(|error| error.is_cancelled()));
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn store_has_what_ip_adds_and_lacks_what_it_deletes(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add d0 type veth peer name p0").await;
    let index = node.index_of("d0").await?;
    let (store, follower) = Store::new(AddressWatch::open(&route(&node).await?).await?);
    assert!(store.is_empty() && !store.is_synced() && store.is_followed());
    let task = tokio::spawn(follower.run());
    store.synced(LIMIT).await?;
    assert!(!store.is_empty(), "lo has addresses");
    let has = move |watch: &AddressWatch| {
        watch.entries().any(|address| address.index == index && address.local.to_string() == "192.0.2.1")
    };
    assert!(!store.read(has));

    node.ip("address add 192.0.2.1/24 dev d0").await;
    store.wait_until(has, LIMIT).await?;
    assert!(store.find(|address| address.index == index).is_some());
    node.ip("address del 192.0.2.1/24 dev d0").await;
    store.wait_until(move |watch| !has(watch), LIMIT).await?;
    assert_eq!(store.entries().len(), store.len());
    end(task).await;
    assert!(!store.is_followed());
    Ok(())
}

/// A state that holds already needs no follower; one that does not hold is waited for no longer than the limit.
#[nl_testkit::test(needs(tool = "ip"))]
async fn waiting_ends_at_once_if_met_and_at_the_limit_if_not(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let (store, follower) = Store::new(AddressWatch::open(&route(&node).await?).await?);
    let task = tokio::spawn(follower.run());
    store.synced(LIMIT).await?;
    store.wait_until(|watch| !watch.is_empty(), Duration::ZERO).await?;
    let error = store.wait_until(AddressWatch::is_empty, Duration::from_millis(50)).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(error.to_string().starts_with("wait for a state of a store: "), "{error}");
    end(task).await;
    Ok(())
}

#[nl_testkit::test(needs(tool = "ip"))]
async fn waiting_fails_when_the_follower_is_dropped(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let (store, mut follower) = Store::new(AddressWatch::open(&route(&node).await?).await?);
    let synced = async {
        while !store.is_synced() {
            follower.next().await.unwrap().unwrap();
        }
    };
    within(LIMIT, synced, "the store to be synced").await;
    let waiting = store.wait_until(AddressWatch::is_empty, LIMIT);
    let (outcome, ()) = tokio::join!(waiting, async move { drop(follower) });
    assert!(matches!(outcome.unwrap_err().kind(), ErrorKind::Closed));
    // The table is still there.
    assert!(!store.is_empty());
    let error = store.wait_until(AddressWatch::is_empty, LIMIT).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Closed));
    Ok(())
}

/// While entries are missing nothing is met: a predicate that is true of an empty table waits for the list.
#[nl_testkit::test(needs(tool = "bridge"))]
async fn store_is_the_same_as_the_kernel_after_overruns(lab: Lab) -> Result {
    const ADDED: u16 = 5_000;
    let bridge = lab.bridge("br0", 1).await?;
    let node = bridge.node();
    let (port, conn) = (node.index_of("port1").await?, route(node).await?);
    let watch = FdbWatch::builder(&conn).bridge("br0").receive_buffer(0).open().await?;
    let (store, follower): (_, Follower<FdbWatch>) = Store::new(watch);
    let task = tokio::spawn(follower.run());
    store.synced(LIMIT).await?;
    let before = store.len();
    let requests = (0..ADDED).map(move |number| {
        let [high, low] = number.to_be_bytes();
        FdbEntry::new(MacAddr::new([2, 0, 0, 1, high, low]), port).master().static_().request(FdbVerb::Add)
    });
    let summary = conn.batch(requests).summarize(1).await?;
    assert_eq!(summary.failed, 0);
    let expected = before + usize::from(ADDED);
    store.wait_until(move |fdb| fdb.len() == expected, LIMIT).await?;
    assert!(store.overruns() > 0, "the receive buffer was too large for this test");
    let shown = node.json("bridge -j fdb show br br0").await;
    let shown = shown.as_array().unwrap();
    for number in [0, ADDED / 2, ADDED - 1] {
        let [high, low] = number.to_be_bytes();
        let mac = MacAddr::new([2, 0, 0, 1, high, low]).to_string();
        assert!(shown.iter().any(|entry| entry["mac"] == mac), "{mac} is not in the kernel");
        assert!(store.find(|entry| entry.mac.to_string() == mac).is_some(), "{mac} is not in the store");
    }
    end(task).await;
    Ok(())
}

/// A change that has no event is found by a list that is asked for, by any clone.
#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn store_lists_again_on_demand(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add br0 type bridge").await;
    let (store, follower) = Store::new(LinkWatch::open(&route(&node).await?).await?);
    let task = tokio::spawn(follower.run());
    store.synced(LIMIT).await?;
    let other = store.clone();
    for priority in [77, 78, 79] {
        let has = move |watch: &LinkWatch| {
            let priorities = watch.entries().filter_map(|link| link.kind::<Bridge>()?.unwrap().priority);
            priorities.filter(|found| *found == priority).count() == 1
        };
        // Of a device that is down, options are changed without an event. Behind it comes one of another device.
        node.ip(&format!("link set br0 type bridge priority {priority}")).await;
        let next = format!("br{priority}");
        node.ip(&format!("link add {next} type bridge")).await;
        store.wait_until(move |watch| watch.entries().any(|link| link.name == *next), LIMIT).await?;
        assert!(!store.read(has), "the kernel reports it");
        other.resync();
        store.synced(LIMIT).await?;
        assert!(other.is_synced() && store.read(has));
    }
    end(task).await;
    Ok(())
}

/// What goes without an event of its own is gone from all three.
#[nl_testkit::test(needs(vm, link = "veth", qdisc = "htb", tool = "tc", tool = "ip"))]
async fn stores_of_traffic_control_have_what_tc_adds_and_lack_what_goes_with_it(lab: Lab) -> Result {
    lab.quiet();
    let node = lab.node("a").await?;
    node.ip("link add d0 type veth peer name p0").await;
    let tc = Tc::new(route(&node).await?);
    let root = TcHandle::new(1, 0);
    let (qdiscs, follower) = Store::new(tc.watch_qdiscs().await?);
    let (classes, follower_of_classes) = Store::new(tc.watch_classes("d0").await?);
    let (filters, follower_of_filters) = Store::new(tc.watch_filters("d0", root).await?);
    let tasks = [
        tokio::spawn(follower.run()),
        tokio::spawn(follower_of_classes.run()),
        tokio::spawn(follower_of_filters.run()),
    ];
    qdiscs.synced(LIMIT).await?;

    node.tc("qdisc add dev d0 root handle 1: htb").await;
    node.tc("class add dev d0 parent 1: classid 1:10 htb rate 10mbit").await;
    node.tc("filter add dev d0 parent 1: prio 5 protocol all handle 0x7 fw classid 1:10").await;
    qdiscs.wait_until(|watch: &QdiscWatch| watch.len() == 1, LIMIT).await?;
    let has = |watch: &ClassWatch| watch.entries().any(|class| class.handle == TcHandle::new(1, 0x10));
    classes.wait_until(has, LIMIT).await?;
    let is_seven = |filter: &Filter| (filter.priority, filter.handle) == (5, 7);
    filters.wait_until(move |watch: &FilterWatch| watch.entries().any(is_seven), LIMIT).await?;

    node.tc("qdisc del dev d0 root").await;
    qdiscs.wait_until(QdiscWatch::is_empty, LIMIT).await?;
    classes.wait_until(ClassWatch::is_empty, LIMIT).await?;
    filters.wait_until(FilterWatch::is_empty, LIMIT).await?;
    for task in tasks {
        end(task).await;
    }
    Ok(())
}

/// Reads events until the store is synced and has what is wanted.
async fn follow<W: Mirror>(follower: &mut Follower<W>, store: &Store<W>, wanted: impl Fn(&W) -> bool) {
    let followed = async {
        while !(store.is_synced() && store.read(&wanted)) {
            follower.next().await.expect("the watch ended").unwrap();
        }
    };
    within(LIMIT, followed, "the store to have what is wanted").await;
}

/// The followers are polled by turns, so that one is ahead of the other as long as the test wants.
#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn neighbour_dangles_while_the_store_of_devices_is_behind_or_ahead(lab: Lab) -> Result {
    lab.quiet();
    let node = lab.node("a").await?;
    let conn = route(&node).await?;
    let (links, mut links_follower) = Store::new(LinkWatch::open(&conn).await?);
    let (neighbours, mut follower) = Store::new(NeighbourWatch::open(&conn).await?);
    follow(&mut links_follower, &links, |_| true).await;
    follow(&mut follower, &neighbours, |_| true).await;

    node.ip("link add d0 type veth peer name p0").await;
    node.ip("link set d0 up").await;
    node.ip("neigh add 192.0.2.7 lladdr 02:00:00:00:00:07 dev d0").await;
    let index = node.index_of("d0").await?;
    let is_it = |neighbour: &Neighbour| neighbour.dst.to_string() == "192.0.2.7";
    let found =
        || neighbours.find_with(&links, |neighbour| is_it(neighbour), |n, link| n.index == link.index);
    let dangles = || {
        let dangling = neighbours.dangling(&links, |n| Some(n.index), |link| link.index);
        dangling.iter().any(is_it)
    };

    follow(&mut follower, &neighbours, |watch| watch.entries().any(is_it)).await;
    assert!(dangles());
    let (neighbour, link) = found().expect("a neighbour");
    assert!(neighbour.index == index && link.is_none(), "{link:?}");
    follow(&mut links_follower, &links, |watch| watch.entries().any(|link| link.name == *"d0")).await;
    assert!(!dangles());
    let (_, link) = found().expect("a neighbour");
    assert!(link.is_some_and(|link| link.name == *"d0"));

    node.ip("link del d0").await;
    follow(&mut links_follower, &links, |watch| watch.entries().all(|link| link.index != index)).await;
    assert!(dangles());
    assert!(found().is_some_and(|(_, link)| link.is_none()));
    follow(&mut follower, &neighbours, |watch| !watch.entries().any(is_it)).await;
    assert!(!dangles() && found().is_none());
    Ok(())
}

/// While devices and neighbours come and go under both stores, with forced overruns, and then against iproute2.
#[nl_testkit::test(needs(link = "veth", tool = "ip"), timeout = 120)]
async fn no_neighbour_dangles_when_both_stores_have_read_everything(lab: Lab) -> Result {
    const DEVICES: u32 = 12;
    lab.quiet();
    let node = lab.node("a").await?;
    let conn = route(&node).await?;
    let (links, follower) = Store::new(LinkWatch::builder(&conn).receive_buffer(0).open().await?);
    let links_task = tokio::spawn(follower.run());
    let (neighbours, follower) = Store::new(NeighbourWatch::builder(&conn).receive_buffer(0).open().await?);
    let task = tokio::spawn(follower.run());
    for number in 0..DEVICES {
        node.ip(&format!("link add d{number} type veth peer name p{number}")).await;
        node.ip(&format!("link set d{number} up")).await;
        node.ip(&format!("neigh add 192.0.2.{number} lladdr 02:00:00:00:00:07 dev d{number}")).await;
        if number % 3 == 2 {
            node.ip(&format!("link del d{}", number - 1)).await;
        }
    }
    let last = format!("192.0.2.{}", DEVICES - 1);
    let has_last = move |watch: &NeighbourWatch, _: &LinkWatch| {
        watch.entries().any(|neighbour| neighbour.dst.to_string() == last)
    };
    neighbours.wait_until_with(&links, has_last, LIMIT).await?;
    neighbours.wait_until_none_dangles(&links, |n| Some(n.index), |link| link.index, LIMIT).await?;

    let shown = node.json("ip -j -4 neigh show nud permanent").await;
    let theirs: BTreeSet<_> = shown.as_array().unwrap().iter().map(|n| line(&n["dst"], &n["dev"])).collect();
    assert_eq!(theirs.len(), 8, "{shown}");
    // Deleted devices may be in both stores until the followers have read the last events.
    let is_same = move |neighbours: &NeighbourWatch, links: &LinkWatch| {
        let name_of =
            |index| links.entries().find(|link| link.index == index).map(|link| link.name.to_string());
        let entries = neighbours.entries().filter(|neighbour| neighbour.dst.is_ipv4());
        let ours = entries.map(|n| format!("{} {}", n.dst, name_of(n.index).unwrap_or_default()));
        ours.collect::<BTreeSet<_>>() == theirs
    };
    neighbours.wait_until_with(&links, is_same, LIMIT).await?;
    end(links_task).await;
    end(task).await;
    Ok(())
}

fn line(dst: &serde_json::Value, dev: &serde_json::Value) -> String {
    format!("{} {}", dst.as_str().unwrap_or_default(), dev.as_str().unwrap_or_default())
}
