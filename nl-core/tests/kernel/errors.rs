//! Each kind of refusal by the kernel, with the operation, the object and its error number: permission, busy, a device
//! and a namespace that are gone. What exists or is not found is with each object; interrupted lists are in `dump.rs`, lost messages in
//! `monitor.rs`, what a kernel does not have in `refusals.rs` and `genl.rs`.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::TryStreamExt;
use nl_core::address::{Address, AddressVerb, Addresses};
use nl_core::connection::{Connection, Protocol};
use nl_core::error::{Errno, ErrorKind};
use nl_core::link::{Links, MacVlan, MacVlanMode, Vrf};
use nl_core::neighbour::Neighbours;
use nl_core::netns::Netns;
use nl_core::nexthop::{Nexthop, NexthopVerb, Nexthops};
use nl_core::nsid::Nsids;
use nl_core::route::Routes;
use nl_core::rule::Rules;
use nl_core::{Dev, Error, IpFamily, IpPrefix, MacAddr};
use nl_testkit::{Lab, Result};

use crate::support::{new_link, ports, route};

const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);

/// The beginning of the operation, and the error; `None` for a success.
type Refused = (&'static str, Option<Error>);

async fn refused<T>(what: &'static str, outcome: impl Future<Output = nl_core::Result<T>>) -> Refused {
    (what, outcome.await.err())
}

/// The kernel refused it with this number, and the error says what was asked.
#[track_caller]
fn is((what, error): Refused, errno: Errno) -> Error {
    let error = error.ok_or_else(|| format!("{what}: not refused")).unwrap();
    assert!(matches!(error.kind(), ErrorKind::Kernel(_)), "{what}: {error}");
    assert_eq!(error.errno(), Some(errno), "{what}: {error}");
    assert!(error.operation().is_some_and(|operation| operation.starts_with(what)), "{what}: {error}");
    let text = error.to_string();
    assert!(text.lines().next().is_some_and(|line| line.ends_with(&format!(": {errno}"))), "{text}");
    error
}

/// Every change of every object, in the words with which the error begins.
async fn changes(conn: &Connection, dev: Dev, netns: &Netns) -> Vec<Refused> {
    let (links, addresses) = (Links::new(conn.clone()), Addresses::new(conn.clone()));
    let (neighbours, routes) = (Neighbours::new(conn.clone()), Routes::new(conn.clone()));
    let (rules, nexthops) = (Rules::new(conn.clone()), Nexthops::new(conn.clone()));
    let dev = || dev.clone();
    let (address, to) = ("192.0.2.1/32".parse().unwrap(), "198.51.100.0/24".parse().unwrap());
    let neighbour: IpAddr = "192.0.2.9".parse().unwrap();
    vec![
        refused("set link lo", links.device(dev()).mtu(9000).change()).await,
        refused("add link v9", links.device("v9").kind(Vrf::new(9)).add()).await,
        refused("delete link lo", links.device(dev()).delete()).await,
        refused("add address 192.0.2.1/32 dev lo", addresses.entry(address, dev()).add()).await,
        refused("replace address 192.0.2.1/32 dev lo", addresses.entry(address, dev()).replace()).await,
        refused("delete address 192.0.2.1/32 dev lo", addresses.entry(address, dev()).delete()).await,
        refused(
            "add neighbour 192.0.2.9 dev lo lladdr 02:00:00:00:00:01",
            neighbours.entry(neighbour, dev()).lladdr(MAC).add(),
        )
        .await,
        refused("delete neighbour 192.0.2.9 dev lo", neighbours.entry(neighbour, dev()).delete()).await,
        refused("add route 198.51.100.0/24 dev lo", routes.entry(to).dev(dev()).add()).await,
        refused("replace route 198.51.100.0/24 dev lo", routes.entry(to).dev(dev()).replace()).await,
        refused("delete route 198.51.100.0/24 dev lo", routes.entry(to).dev(dev()).delete()).await,
        refused("add rule", rules.entry(IpFamily::V4).priority(7).table(9).add()).await,
        refused("delete rule", rules.entry(IpFamily::V4).priority(7).delete()).await,
        refused("add nexthop id 9 dev lo", nexthops.entry(9).dev(dev()).add()).await,
        refused("delete nexthop id 9", nexthops.entry(9).delete()).await,
        refused("assign nsid 9", Nsids::new(conn.clone()).assign(netns, Some(9))).await,
    ]
}

#[nl_testkit::test(needs(tool = "ip"))]
async fn every_change_without_privilege_is_eperm_and_named(lab: Lab) -> Result {
    let (node, other) = (lab.node("a").await?, lab.node("b").await?);
    let netns = Netns::fd(other.netns_fd())?;
    let before = node.ip("-d address show").await;
    let errors = node
        .unprivileged(async move || {
            let conn = Connection::open(Protocol::Route)?;
            let mut errors = changes(&conn, Dev::from("lo"), &netns).await;
            let outcomes = conn.batch([new_link("b0", "bridge"), new_link("b1", "bridge")]);
            let batch = outcomes.summarize(2).await?;
            for ((_, error), what) in batch.failures.into_iter().zip(["change link b0", "change link b1"]) {
                errors.push((what, Some(error)));
            }
            // Reading takes no privilege.
            assert_eq!(conn.link("lo").await?.index, 1);
            Ok::<_, Error>(errors)
        })
        .await??;
    assert_eq!(errors.len(), 18);
    for refused in errors {
        let error = is(refused, Errno::EPERM);
        assert!(error.is_permission() && !error.is_not_found(), "{error}");
    }
    assert_eq!(node.ip("-d address show").await, before);
    Ok(())
}

/// A port of a bridge gives its frames to the bridge, and to nobody else.
#[nl_testkit::test(needs(link = "bridge", link = "macvlan", link = "veth", tool = "ip"))]
async fn device_whose_frames_another_one_takes_is_busy(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add v0 type veth peer name v1").await;
    node.ip("link add br0 type bridge").await;
    node.ip("link set v0 master br0").await;
    let links = Links::new(route(&node).await);
    let add = links.device("m0").link("v0").kind(MacVlan::new(MacVlanMode::Bridge)).add();
    let error = is(refused("add link", add).await, Errno::EBUSY);
    assert!(error.is_busy() && !error.is_exists(), "{error}");
    let operation = error.operation().unwrap();
    assert!(["link v0", "m0", "macvlan"].iter().all(|words| operation.contains(words)), "{operation}");
    assert!(!node.links().await?.contains(&"m0".to_owned()));
    Ok(())
}

/// Between the look-up of a name and its next use, and behind an index.
#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn device_that_is_gone_is_enodev_by_name_and_by_index(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    let (address, to) = ("192.0.2.1/24".parse()?, "198.51.100.0/24".parse()?);
    let neighbour: IpAddr = "192.0.2.9".parse()?;
    for by_name in [true, false] {
        node.ip("link add d0 type bridge").await;
        // Remembered.
        let index = conn.link_index("d0").await?;
        node.ip("link delete d0").await;
        let dev = || if by_name { Dev::from("d0") } else { Dev::from(index) };
        let links = Links::new(conn.clone());
        let errors = [
            refused("set link", links.device(dev()).up().change()).await,
            refused("get link", links.device(dev()).get()).await,
            refused("delete link", links.device(dev()).delete()).await,
            refused("add address 192.0.2.1/24", Addresses::new(conn.clone()).entry(address, dev()).add())
                .await,
            refused(
                "add neighbour 192.0.2.9",
                Neighbours::new(conn.clone()).entry(neighbour, dev()).lladdr(MAC).add(),
            )
            .await,
            refused("add route 198.51.100.0/24", Routes::new(conn.clone()).entry(to).dev(dev()).add()).await,
        ];
        let called = if by_name { "d0".to_owned() } else { format!("#{index}") };
        for refused in errors {
            let error = is(refused, Errno::ENODEV);
            assert!(error.is_not_found(), "{error}");
            let words = error.operation().unwrap().split(' ').filter(|word| *word == called).count();
            assert_eq!(words, 1, "{called}: {error}");
        }
    }
    Ok(())
}

/// Changed while it was read: of these tables the kernel says so. Those of links are in `dump.rs`.
#[nl_testkit::test(needs(link = "bridge", tool = "ip"), timeout = 60)]
async fn list_of_a_table_that_changed_meanwhile_is_interrupted_and_named(lab: Lab) -> Result {
    // More than one piece of a list.
    const MANY: u32 = 1500;
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    node.ip("link add d0 type bridge").await;
    let index = node.index_of("d0").await?;

    let addresses = Addresses::new(conn.clone());
    let address =
        move |number: u32| Address::new(IpPrefix::host(Ipv4Addr::from(0x0a00_0000 + number).into()), index);
    let many = (1..=MANY).map(move |number| (AddressVerb::Add, address(number)));
    addresses.batch(many).summarize(1).await?.into_result()?;
    // Of one device the kernel does not say so.
    let mut list = addresses.entries().family(IpFamily::V4).list().await?;
    assert!(list.try_next().await?.is_some());
    conn.ack(address(MANY + 1).request(AddressVerb::Add)).await?;
    let error = loop {
        match list.try_next().await {
            Ok(entry) => assert!(entry.is_some(), "the list of addresses ended as if nothing had changed"),
            Err(error) => break error,
        }
    };
    assert!(error.is_interrupted(), "{error}");
    let text = "list addresses: the table changed while it was read (NLM_F_DUMP_INTR)";
    assert_eq!(error.to_string(), text);

    let nexthops = Nexthops::new(conn.clone());
    // They are shorter: two pieces hold 1,500, and the kernel has those ready when the first is read.
    let many = (1..=4 * MANY).map(|id| (NexthopVerb::Add, Nexthop::new(id).blackhole()));
    nexthops.batch(many).summarize(1).await?.into_result()?;
    let mut list = nexthops.entries().list().await?;
    assert!(list.try_next().await?.is_some());
    nexthops.entry(4 * MANY + 1).blackhole().add().await?;
    let error = loop {
        match list.try_next().await {
            Ok(entry) => assert!(entry.is_some(), "the list of nexthops ended as if nothing had changed"),
            Err(error) => break error,
        }
    };
    assert!(
        error.is_interrupted() && error.to_string().starts_with("list nexthops: the table changed"),
        "{error}"
    );
    Ok(())
}

/// A connection is a use of the namespace, as a process in it is: the name goes first, the namespace with the connection.
#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn namespace_that_lost_its_name_lives_as_long_as_its_connection(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("netns add gone").await;
    let netns = Netns::named("gone")?;
    let conn = Connection::builder(Protocol::Route).netns(&netns).open()?;
    drop(netns);
    node.ip("netns delete gone").await;
    let error = Netns::named("gone").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Io(_)), "{error:?}");
    assert_eq!(error.to_string(), "open network namespace \"gone\": No such file or directory (ENOENT)");
    // Requests, lists, batches and later sockets are still inside.
    conn.ack(new_link("d0", "bridge")).await?;
    conn.batch([new_link("d1", "bridge")]).summarize(1).await?.into_result()?;
    let names: Vec<_> = conn.links().collect_all().await?.into_iter().map(|link| link.name).collect();
    assert_eq!(names, ["lo", "d0", "d1"]);
    assert_eq!(conn.sibling(Protocol::Route)?.link_index("d1").await?, conn.link_index("d1").await?);
    ports(&node, 0).await;
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn namespace_of_a_process_that_ended_is_named_in_the_error(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mut child = node.open(|| std::process::Command::new("sleep").arg("60").spawn()).await?;
    let pid = child.id();
    let netns = Netns::pid(pid)?;
    child.kill()?;
    child.wait()?;
    let error = Netns::pid(pid).unwrap_err();
    let text = format!("open network namespace of process {pid}: No such file or directory (ENOENT)");
    assert_eq!(error.to_string(), text);
    // What was opened before is the namespace, not the process.
    let conn = Connection::builder(Protocol::Route).netns(&netns).open()?;
    node.ip("link add d0 type bridge").await;
    assert_eq!(conn.link_index("d0").await?, node.index_of("d0").await?);
    Ok(())
}
