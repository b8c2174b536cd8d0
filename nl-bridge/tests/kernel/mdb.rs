//! The multicast database: set by us and by iproute2, shown and read, and the requests are the same.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use futures_util::TryStreamExt;
use nl_bridge::mdb::{Entries, Entry, Mdb, MdbEntry, MdbGroup, MdbMode, MdbVerb};
use nl_core::error::ErrorKind;
use nl_core::message::NLM_F_ACK;
use nl_core::{Connection, Error, MacAddr, Protocol};
use nl_testkit::oracle::BytesOracle;
use nl_testkit::oracle::both_ways::{Case, Object, Step, check};
use nl_testkit::{Lab, Node, Result};
use serde_json::Value;

use crate::kinds::the_one;
use crate::mdb_commands::MDB;
use crate::support::kernel;

struct Ours {
    dev: &'static str,
    port: &'static str,
    group: MdbGroup,
    make: fn(Entry) -> Entry,
}

impl fmt::Debug for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} port {} grp {}", self.dev, self.port, self.group)
    }
}

struct Table<'a> {
    node: &'a Node,
    mdb: &'a Mdb,
}

async fn collect(entries: Entries) -> Vec<MdbEntry> {
    let tables: Vec<_> = entries.list().await.unwrap().try_collect().await.unwrap();
    tables.into_iter().flat_map(|table| table.entries).collect()
}

impl Table<'_> {
    fn entry(&self, ours: &Ours) -> Entry {
        (ours.make)(self.mdb.entry(ours.dev, ours.port, ours.group))
    }

    fn words(ours: &Ours, words: &str) -> String {
        format!("dev {} port {} grp {} {words}", ours.dev, ours.port, ours.group)
    }
}

impl Object for Table<'_> {
    type Ours = Ours;
    type Read = Vec<MdbEntry>;

    async fn set(&self, ours: &Ours) -> Result {
        self.entry(ours).add().await?;
        Ok(())
    }

    async fn remove(&self, ours: &Ours) -> Result {
        self.entry(ours).delete().await?;
        Ok(())
    }

    async fn read(&self, ours: &Ours, _: Step) -> Result<Option<Vec<MdbEntry>>> {
        let mut entries = collect(self.mdb.entries().dev(ours.dev)).await;
        entries.retain(|entry| entry.group == ours.group);
        for entry in &mut entries {
            entry.timer = None;
            entry.sources.iter_mut().for_each(|source| source.timer = None);
        }
        Ok(Some(entries).filter(|entries| !entries.is_empty()))
    }

    async fn iproute2_sets(&self, ours: &Ours, words: &str) -> Result {
        self.node.bridge(&format!("mdb add {}", Self::words(ours, words))).await;
        Ok(())
    }

    async fn iproute2_removes(&self, ours: &Ours, words: &str) -> Result {
        self.node.bridge(&format!("mdb del {}", Self::words(ours, words))).await;
        Ok(())
    }

    async fn shown(&self, ours: &Ours, _: Step) -> Result<Value> {
        let shown = self.node.json(&format!("bridge -j -d mdb show dev {}", ours.dev)).await;
        let mut entries = shown[0]["mdb"].as_array().cloned().unwrap_or_default();
        entries.retain(|entry| entry["grp"] == ours.group.to_string());
        for entry in &mut entries {
            let entry = entry.as_object_mut().unwrap();
            entry.remove("timer");
            for source in entry.get_mut("source_list").and_then(Value::as_array_mut).into_iter().flatten() {
                source.as_object_mut().unwrap().remove("timer");
            }
        }
        Ok(if entries.is_empty() { Value::Null } else { entries.into() })
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn case(
    dev: &'static str,
    port: &'static str,
    group: impl Into<MdbGroup>,
    make: fn(Entry) -> Entry,
    words: &str,
) -> Case<Ours> {
    Case::new(Ours { dev, port, group: group.into(), make }, words)
}

/// `br0` with two ports, which snoops, and `vx`, whose VNI is of each packet.
async fn world(lab: &Lab) -> Result<(nl_testkit::Bridge, Mdb)> {
    lab.quiet();
    let bridge = lab.bridge("br0", 2).await?;
    let node = bridge.node();
    for line in [
        "link set br0 type bridge mcast_snooping 1 mcast_igmp_version 3 mcast_mld_version 2",
        "link set br0 up",
        "link add vx type vxlan external vnifilter dstport 4789",
        "link set vx up",
    ] {
        node.ip(line).await;
    }
    let mdb = Mdb::new(node.open(|| Connection::open(Protocol::Route)).await?);
    Ok((bridge, mdb))
}

fn of_bridges() -> Vec<Case<Ours>> {
    let (v4, v6) = (ip("239.1.1.1"), ip("ff0e::1"));
    let mac = MacAddr::new([1, 2, 3, 4, 5, 6]);
    vec![
        case("br0", "port1", v4, |e| e, "temp"),
        case("br0", "port1", v4, |e| e.permanent(), "permanent"),
        case("br0", "port1", v4, |e| e.permanent().vlan(10), "permanent vid 10"),
        case("br0", "port1", v6, |e| e.permanent(), "permanent"),
        case("br0", "port1", v4, |e| e.permanent().source(ip("192.0.2.1")), "src 192.0.2.1 permanent"),
        case("br0", "port1", v6, |e| e.permanent().source(ip("2001:db8::1")), "src 2001:db8::1 permanent"),
        case("br0", "port1", mac, |e| e.permanent().vlan(10), "permanent vid 10"),
        case("br0", "br0", v4, |e| e, "temp"),
    ]
}

fn with_sources() -> Vec<Case<Ours>> {
    let (v4, v6) = (ip("239.1.1.1"), ip("ff0e::1"));
    vec![
        case("br0", "port1", v4, |e| e.permanent().protocol(11), "permanent proto zebra"),
        case(
            "br0",
            "port1",
            v4,
            |e| e.permanent().mode(MdbMode::Include).sources([ip("192.0.2.1"), ip("192.0.2.2")]).vlan(10),
            "permanent filter_mode include source_list 192.0.2.1,192.0.2.2 vid 10",
        ),
        case("br0", "port1", v4, |e| e.permanent().mode(MdbMode::Exclude), "permanent filter_mode exclude"),
        case(
            "br0",
            "port1",
            v6,
            |e| e.mode(MdbMode::Exclude).sources([ip("2001:db8::1")]).protocol(4),
            "temp filter_mode exclude source_list 2001:db8::1 proto static",
        ),
    ]
}

fn of_vxlan() -> Vec<Case<Ours>> {
    let (v4, v6) = (ip("239.1.1.1"), ip("ff0e::1"));
    vec![
        case(
            "vx",
            "vx",
            v4,
            |e| e.permanent().dst(ip("192.0.2.7")).src_vni(100),
            "permanent dst 192.0.2.7 src_vni 100",
        ),
        case(
            "vx",
            "vx",
            v6,
            |e| e.permanent().dst(ip("192.0.2.7")).src_vni(100).dst_port(1234).vni(200).via("port2"),
            "permanent dst 192.0.2.7 src_vni 100 dst_port 1234 vni 200 via port2",
        ),
        case(
            "vx",
            "vx",
            v4,
            |e| e.permanent().dst(ip("192.0.2.7")).src_vni(100).source(ip("192.0.2.9")),
            "src 192.0.2.9 permanent dst 192.0.2.7 src_vni 100",
        ),
        case(
            "vx",
            "vx",
            ip("0.0.0.0"),
            |e| e.permanent().dst(ip("192.0.2.7")).src_vni(100),
            "permanent dst 192.0.2.7 src_vni 100",
        ),
    ]
}

fn unsupported(error: &Error, since: &str) {
    assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains(since), "{error}");
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", iproute2 = "7.3"), timeout = 60)]
async fn mdb_entries_go_both_ways(lab: Lab) -> Result {
    let (bridge, mdb) = world(&lab).await?;
    let table = Table { node: bridge.node(), mdb: &mdb };
    check(&table, of_bridges()).await;
    if kernel() >= (6, 2) {
        check(&table, with_sources()).await;
    }
    if kernel() >= (6, 4) {
        check(&table, of_vxlan()).await;
    }
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", iproute2 = "7.3"), timeout = 60)]
async fn mdb_requests_are_those_of_iproute2(lab: Lab) -> Result {
    let (bridge, mdb) = world(&lab).await?;
    let node = bridge.node();
    let mut wrong = Vec::new();
    for Case { ours, words, .. } in of_bridges().into_iter().chain(with_sources()).chain(of_vxlan()) {
        let mut entry = (ours.make)(mdb.entry(ours.dev, ours.port, ours.group)).entry().clone();
        entry.dev = node.index_of(ours.dev).await?;
        entry.port = node.index_of(ours.port).await?;
        if words.contains(" via ") {
            entry.via = Some(node.index_of("port2").await?);
        }
        for (verb, kind, word) in
            [(MdbVerb::Add, 84, "add"), (MdbVerb::Replace, 84, "replace"), (MdbVerb::Delete, 85, "del")]
        {
            let command = format!("bridge mdb {word} {}", Table::words(&ours, &words));
            let (_, sent) = node.requests_of(&command).await?;
            let theirs = the_one(&sent, kind, &command);
            let request = entry.request(verb).with_flags(NLM_F_ACK).encoded()?.to_vec();
            let compared = BytesOracle::new(&MDB).compare(&request, &theirs.message);
            wrong.extend(compared.err().map(|error| format!("`{command}`: {error}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"))]
async fn mdb_entries_are_replaced_read_and_flushed(lab: Lab) -> Result {
    let (bridge, mdb) = world(&lab).await?;
    let node = bridge.node();
    let group = ip("239.1.1.1");
    let entry = |port: &'static str| mdb.entry("br0", port, group).permanent();
    entry("port1").add().await?;
    assert!(entry("port1").add().await.unwrap_err().is_exists());
    let replaced = entry("port1").mode(MdbMode::Include).sources([ip("192.0.2.1")]).replace().await;
    if kernel() < (6, 2) {
        unsupported(&replaced.unwrap_err(), "Linux 6.2");
        unsupported(&entry("port1").replace().await.unwrap_err(), "Linux 6.2");
        unsupported(
            &mdb.entry("vx", "vx", group).permanent().dst(ip("192.0.2.7")).add().await.unwrap_err(),
            "Linux 6.4",
        );
        unsupported(&entry("port1").get().await.unwrap_err(), "Linux 6.7");
        unsupported(&mdb.entries().dev("br0").flush().await.unwrap_err(), "Linux 6.8");
        return Ok(());
    }
    replaced?;
    let read = entry("port1").get().await?;
    let of_all = read.iter().find(|entry| entry.source.is_none()).unwrap();
    assert_eq!((of_all.mode, of_all.sources.len()), (Some(MdbMode::Include), 1));
    entry("port2").vlan(10).add().await?;
    mdb.entry("br0", "port2", ip("239.1.1.2")).permanent().add().await?;
    let error = mdb.entry("br0", "port1", ip("239.9.9.9")).get().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(error.to_string().starts_with("get mdb dev br0 grp 239.9.9.9: "), "{error}");
    mdb.entries().dev("br0").vlan(10).flush().await?;
    assert!(collect(mdb.entries().vlan(10)).await.is_empty());
    mdb.entries().dev("br0").port("port1").flush().await?;
    let left = collect(mdb.entries().dev("br0").permanent(true)).await;
    assert_eq!(left.iter().map(|entry| entry.group.to_string()).collect::<Vec<_>>(), ["239.1.1.2"]);
    mdb.entries().dev("br0").flush().await?;
    assert!(node.bridge("mdb show dev br0").await.trim().is_empty());
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"))]
async fn mdb_entries_are_added_and_deleted_in_a_batch(lab: Lab) -> Result {
    let (bridge, mdb) = world(&lab).await?;
    let node = bridge.node();
    let (dev, port) = (node.index_of("br0").await?, node.index_of("port1").await?);
    let group = move |last| MdbEntry::new(dev, port, IpAddr::from([239, 1, 1, last])).permanent();
    let twice = (1..=200).chain([7]).map(move |last| (MdbVerb::Add, group(last)));
    let summary = mdb.batch(twice.chain([(MdbVerb::Get, group(1))])).summarize(10).await?;
    assert_eq!((summary.succeeded, summary.failed), (200, 2));
    let texts: Vec<_> = summary.failures.iter().map(|(at, error)| format!("{at} {error}")).collect();
    assert!(texts[0].starts_with("200 add mdb ") && texts[0].contains("grp 239.1.1.7 "), "{}", texts[0]);
    assert!(texts[0].contains("EEXIST"), "{}", texts[0]);
    assert!(texts[1].starts_with("201 get mdb "), "{}", texts[1]);
    assert!(texts[1].ends_with("a batch cannot read entries: use Mdb::entry().get()"), "{}", texts[1]);
    assert_eq!(collect(mdb.entries().dev("br0")).await.len(), 200);
    let deleted = mdb.batch((2..=200).map(move |last| (MdbVerb::Delete, group(last)))).summarize(1).await?;
    assert_eq!(deleted.into_result()?, 199);
    let shown = node.json("bridge -j -d mdb show dev br0").await;
    assert_eq!(shown[0]["mdb"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(shown[0]["mdb"][0]["grp"], "239.1.1.1");
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"))]
async fn refusals_of_mdb_entries_name_devices_and_limits(lab: Lab) -> Result {
    let (_bridge, mdb) = world(&lab).await?;
    let group = ip("239.1.1.1");
    let entry = || mdb.entry("br0", "port1", group);
    let mac = MacAddr::new([1, 2, 3, 4, 5, 6]);
    for (entry, part) in [
        (entry().vlan(4095), "add mdb dev br0 port port1 grp 239.1.1.1 temp vid 4095: vid 4095; 1 to 4094"),
        (
            entry().source(ip("2001:db8::1")),
            "source 2001:db8::1 and group 239.1.1.1 are of different families",
        ),
        (entry().sources([ip("192.0.2.1")]), "add mode()"),
        (entry().mode(MdbMode::Include), "add sources()"),
        (entry().source(ip("239.1.1.1")), "is a multicast address"),
        (mdb.entry("br0", "port1", ip("192.0.2.1")), "group 192.0.2.1 is not a multicast address"),
        (mdb.entry("br0", "port1", mac), "add permanent()"),
        (entry().vni(1 << 24), "vni 16777216; 0 to 16777215"),
    ] {
        let error = entry.add().await.unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(part), "{error} lacks {part}");
    }
    let error = mdb.entry("br0", "nobody", group).add().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(error.to_string().contains("port nobody"), "{error}");
    let error = mdb.entries().flush().await.unwrap_err();
    assert!(error.to_string().contains("add dev()"), "{error}");
    Ok(())
}

/// The words of iproute2 and the same filter.
type Filtered<'a> = (&'a str, fn(Entries) -> Entries);

/// A bridge or VXLAN device with its entries, and the filters that flush some of them, ours and iproute2's.
struct Flushed<'a> {
    dev: &'a str,
    entries: &'a [&'a str],
    filters: &'a [Filtered<'a>],
}

/// What iproute2 shows of the entries, without what changes by itself.
async fn entries_shown(node: &Node, dev: &str) -> BTreeSet<String> {
    let shown = node.json(&format!("bridge -j -d mdb show dev {dev}")).await;
    let mut entries = shown[0]["mdb"].as_array().cloned().unwrap_or_default();
    entries.iter_mut().for_each(|entry| drop(entry.as_object_mut().unwrap().remove("timer")));
    entries.iter().map(Value::to_string).collect()
}

async fn flushes_as_iproute2(node: &Node, mdb: &Mdb, table: Flushed<'_>) -> Result {
    let Flushed { dev, entries, filters } = table;
    let fill = async || {
        node.bridge(&format!("mdb flush dev {dev}")).await;
        assert!(entries_shown(node, dev).await.is_empty());
        for entry in entries {
            node.bridge(&format!("mdb add dev {dev} {entry}")).await;
        }
        entries_shown(node, dev).await
    };
    for (words, ours) in filters {
        let all = fill().await;
        assert_eq!(all.len(), entries.len(), "{all:?}");
        ours(mdb.entries().dev(dev)).flush().await.unwrap_or_else(|error| panic!("{words}: {error}"));
        let by_us = entries_shown(node, dev).await;
        assert!(by_us.len() < all.len() && by_us.is_subset(&all), "{words}: {by_us:?}");
        assert_eq!(by_us.is_empty(), words.is_empty(), "{words}: {by_us:?}");
        fill().await;
        node.bridge(&format!("mdb flush dev {dev} {words}")).await;
        assert_eq!(by_us, entries_shown(node, dev).await, "{words}");
        // What is left is what the same filter does not list.
        let listed = collect(ours(mdb.entries().dev(dev))).await;
        assert!(listed.is_empty(), "{words}: {listed:?}");
    }
    Ok(())
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", iproute2 = "7.3", kernel = "6.8"),
    timeout = 90
)]
async fn each_filter_flushes_the_entries_of_a_bridge_that_iproute2_flushes(lab: Lab) -> Result {
    let (bridge, mdb) = world(&lab).await?;
    let table = Flushed {
        dev: "br0",
        entries: &[
            "port port1 grp 239.1.1.1 permanent",
            "port port2 grp 239.1.1.1 permanent vid 10",
            "port port1 grp 239.1.1.2 temp",
            "port port2 grp 239.1.1.3 permanent proto zebra",
            "port port1 grp ff0e::1 permanent vid 10 proto zebra",
            "port port2 grp 01:02:03:04:05:06 permanent vid 20",
        ],
        filters: &[
            ("", |e| e),
            ("port port1", |e| e.port("port1")),
            ("vid 10", |e| e.vlan(10)),
            ("proto zebra", |e| e.protocol(11)),
            ("permanent", |e| e.permanent(true)),
            ("nopermanent", |e| e.permanent(false)),
            ("port port1 vid 10 proto zebra permanent", |e| {
                e.port("port1").vlan(10).protocol(11).permanent(true)
            }),
        ],
    };
    flushes_as_iproute2(bridge.node(), &mdb, table).await
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", iproute2 = "7.3", kernel = "6.8"),
    timeout = 90
)]
async fn each_filter_flushes_the_entries_of_a_vxlan_device_that_iproute2_flushes(lab: Lab) -> Result {
    let (bridge, mdb) = world(&lab).await?;
    let table = Flushed {
        dev: "vx",
        entries: &[
            "port vx grp 239.1.1.1 permanent dst 192.0.2.7 src_vni 100",
            "port vx grp 239.1.1.1 permanent dst 192.0.2.8 src_vni 100 dst_port 1234",
            "port vx grp 239.1.1.2 permanent dst 192.0.2.7 src_vni 101 vni 200",
            "port vx grp ff0e::1 permanent dst 192.0.2.9 src_vni 101 proto zebra",
        ],
        filters: &[
            ("", |e| e),
            ("dst 192.0.2.7", |e| e.dst("192.0.2.7".parse().unwrap())),
            ("dst_port 1234", |e| e.dst_port(1234)),
            ("vni 200", |e| e.vni(200)),
            ("src_vni 101", |e| e.src_vni(101)),
            ("proto zebra", |e| e.protocol(11)),
            ("dst 192.0.2.7 src_vni 100 permanent", |e| {
                e.dst("192.0.2.7".parse().unwrap()).src_vni(100).permanent(true)
            }),
        ],
    };
    flushes_as_iproute2(bridge.node(), &mdb, table).await
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"))]
async fn refusals_of_mdb_entries_name_the_setting_that_forbids_them(lab: Lab) -> Result {
    let (bridge, mdb) = world(&lab).await?;
    let node = bridge.node();
    let add = |vlan: Option<u16>| {
        let entry = mdb.entry("br0", "port1", ip("239.1.1.1"));
        vlan.into_iter().fold(entry, Entry::vlan).add()
    };
    let cases: &[(&str, Option<u16>, &str, &str)] = &[
        ("mcast_snooping 0", None, "multicast processing is disabled", "set mcast_snooping 1 on the bridge"),
        (
            "mcast_snooping 1 vlan_filtering 1 mcast_vlan_snooping 1",
            Some(77),
            "Vlan is not configured",
            "no port of the bridge is in the VLAN",
        ),
    ];
    for (setting, vlan, kernel, hint) in cases {
        node.ip(&format!("link set br0 type bridge {setting}")).await;
        let error = add(*vlan).await.unwrap_err().to_string();
        assert!(error.contains(kernel) && error.contains(hint), "{error}");
    }
    node.ip("link set br0 type bridge mcast_vlan_snooping 0 vlan_filtering 0").await;
    node.ip("link set br0 down").await;
    let error = add(None).await.unwrap_err().to_string();
    assert!(
        error.contains("Bridge device is not running") && error.contains("bring the bridge up"),
        "{error}"
    );
    node.ip("link set br0 up").await;
    node.ip("link set port1 down").await;
    let error = add(None).await.unwrap_err().to_string();
    assert!(error.contains("bring the port up, or make the entry permanent()"), "{error}");
    mdb.entry("br0", "port1", ip("239.1.1.1")).permanent().add().await?;
    Ok(())
}

/// The kernel says only that the list is too long, and turns snooping off.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", tool = "bridge"))]
async fn a_full_mdb_names_its_limit(lab: Lab) -> Result {
    let (bridge, mdb) = world(&lab).await?;
    let node = bridge.node();
    node.ip("link set br0 type bridge mcast_hash_max 1").await;
    let add = |group: &str| mdb.entry("br0", "port1", ip(group)).permanent().add();
    // A group that the bridge itself listens to counts too.
    let error = match add("239.1.1.1").await {
        Ok(_) => add("239.1.1.2").await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.errno(), Some(nl_core::error::Errno::E2BIG), "{error}");
    assert!(error.to_string().contains("raise mcast_hash_max, and set mcast_snooping 1"), "{error}");
    node.ip("link set br0 type bridge mcast_hash_max 512 mcast_snooping 1").await;
    add("239.1.1.3").await?;
    Ok(())
}

/// Of a VXLAN device the kernel says so; of a bridge it does not.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", kernel = "6.4"), timeout = 60)]
async fn list_of_a_vxlan_device_that_changed_meanwhile_is_interrupted_and_named(lab: Lab) -> Result {
    // Several pieces of a list.
    const MANY: u16 = 2000;
    let (bridge, mdb) = world(&lab).await?;
    let vx = bridge.node().index_of("vx").await?;
    let add = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let entry = MdbEntry::new(vx, vx, IpAddr::from([239, 5, high, low])).permanent();
        entry.dst(ip("192.0.2.7")).src_vni(100).request(MdbVerb::Add)
    };
    let conn = bridge.node().open(|| Connection::open(Protocol::Route)).await?;
    conn.batch((0..MANY).map(add).collect::<Vec<_>>()).summarize(1).await?.into_result()?;
    let mut list = mdb.entries().dev("vx").list().await?;
    assert!(list.try_next().await?.is_some());
    conn.ack(add(MANY)).await?;
    let error = loop {
        match list.try_next().await {
            Ok(table) => assert!(table.is_some(), "the list of groups ended as if nothing had changed"),
            Err(error) => break error,
        }
    };
    assert!(error.is_interrupted() && error.errno().is_none(), "{error}");
    let text = "list mdb: the table changed while it was read (NLM_F_DUMP_INTR)";
    assert_eq!(error.to_string(), text);
    Ok(())
}
