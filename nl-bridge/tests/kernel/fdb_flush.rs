//! The checks of the kernel's own test of bulk deletion, `tools/testing/selftests/net/fdb_flush.sh` of Linux 6.12, through the
//! library. Where that script repeats a check of what `bridge fdb` shows, this asks the library's list with the same filter.

use futures_util::TryStreamExt;
use nl_bridge::fdb::{Entries, Entry, Fdb};
use nl_core::MacAddr;
use nl_testkit::{Lab, Node, Result};
use serde_json::{Value, json};

use crate::support::open;

/// The checks that the script makes.
const CHECKS: u32 = 167;
const MACS: u8 = 5;

type Make = fn(Entry) -> Entry;
type Select = fn(Entries) -> Entries;
/// What an entry has as `bridge -j fdb` shows it: a key with a value; of flags, one of them.
type Shown<'a> = &'a [(&'a str, Value)];

/// The script's two sets of addresses.
#[derive(Clone, Copy)]
enum Pool {
    First,
    Second,
}

impl Pool {
    fn macs(self) -> impl Iterator<Item = MacAddr> {
        let start = match self {
            Self::First => [0xde, 0xad, 0xbe, 0xef, 0x13],
            Self::Second => [0xca, 0xfe, 0xbe, 0xef, 0x13],
        };
        let [a, b, c, d, e] = start;
        (0x10..0x10 + MACS).map(move |last| MacAddr::new([a, b, c, d, e, last]))
    }
}

/// A namespace as the script sets it up, and how many checks were made.
struct World {
    node: Node,
    fdb: Fdb,
    checks: u32,
}

impl World {
    async fn new(lab: &Lab, name: &str) -> Result<Self> {
        let node = lab.node(name).await?;
        for line in [
            "link add name vx10 type vxlan id 1000 dstport 4789",
            "link add name vx20 type vxlan id 2000 dstport 4789",
            "link add br0 type bridge vlan_filtering 1",
            "link add br1 type bridge vlan_filtering 1",
        ] {
            node.ip(line).await;
        }
        let fdb = open(&node).await?;
        Ok(Self { node, fdb, checks: 0 })
    }

    /// Makes `vx10` one in metadata mode, so that source VNIs are shown.
    async fn external(&self) {
        self.node.ip("link del dev vx10").await;
        self.node.ip("link add name vx10 type vxlan dstport 4789 external").await;
    }

    async fn groups(&self, groups: &[(u32, u32, &str)]) {
        for (group, member, via) in groups {
            self.node.ip(&format!("nexthop add id {member} via {via} fdb")).await;
            self.node.ip(&format!("nexthop add id {group} group {member} fdb")).await;
        }
    }

    async fn add(&self, pool: Pool, dev: &str, make: Make) -> Result {
        for mac in pool.macs() {
            make(self.fdb.entry(mac, dev)).add().await?;
        }
        Ok(())
    }

    /// A flush, which is one check of the script.
    async fn flush(&mut self, select: Select) -> Result {
        self.checks += 1;
        select(self.fdb.entries()).flush().await?;
        Ok(())
    }

    /// How many entries of a device iproute2 shows.
    async fn count(&self, dev: &str, shown: Shown<'_>) -> usize {
        let list = self.node.json(&format!("bridge -j fdb show dev {dev}")).await;
        let has = |entry: &Value| {
            shown.iter().all(|(key, value)| match *key {
                "flags" => entry["flags"].as_array().is_some_and(|flags| flags.contains(value)),
                // There at all.
                _ if value.is_null() => entry.get(key).is_some(),
                _ => entry[key] == *value,
            })
        };
        list.as_array().unwrap().iter().filter(|entry| has(entry)).count()
    }

    /// What iproute2 shows: one check of the script.
    async fn shows(&mut self, dev: &str, expected: usize, shown: Shown<'_>) {
        self.checks += 1;
        assert_eq!(self.count(dev, shown).await, expected, "{dev} {shown:?}");
    }

    /// What iproute2 shows and what the library lists: a check that the script makes twice.
    async fn both(&mut self, dev: &'static str, expected: usize, shown: Shown<'_>, select: Select) -> Result {
        self.shows(dev, expected, shown).await;
        self.checks += 1;
        let listed: Vec<_> = select(self.fdb.entries().dev(dev)).list().await?.try_collect().await?;
        assert_eq!(listed.len(), expected, "{dev} {shown:?}: {listed:?}");
        Ok(())
    }
}

/// Entries of both sets on `vx10`, a flush that selects the second.
struct ByAttribute {
    name: &'static str,
    key: &'static str,
    values: [Value; 2],
    make: [Make; 2],
    select: [Select; 2],
    is_external: bool,
}

fn to(entry: Entry, last: u8) -> Entry {
    entry.dst([192, 0, 2, last].into())
}

#[nl_testkit::test(
    needs(link = "vxlan", tool = "bridge", kernel = "6.7", iproute2 = "6.7", bridge_vlan_filtering),
    timeout = 120
)]
async fn every_check_of_the_kernels_own_test_of_flushing_holds(lab: Lab) -> Result {
    let mut checks = 0;
    checks += by_device(&lab).await?;
    checks += by_attributes(&lab).await?;
    checks += by_nexthop(&lab).await?;
    checks += by_states(&lab).await?;
    checks += by_flags(&lab).await?;
    checks += by_several(&lab).await?;
    checks += by_remote(&lab).await?;
    checks += of_a_bridge(&lab).await?;
    checks += of_a_vlan(&lab).await?;
    checks += of_both_tables(&lab).await?;
    assert_eq!(checks, CHECKS);
    Ok(())
}

async fn by_device(lab: &Lab) -> Result<u32> {
    let mut world = World::new(lab, "dev").await?;
    world.add(Pool::First, "vx10", |e| to(e.vni(3000), 1)).await?;
    world.add(Pool::Second, "vx20", |e| to(e.vni(3000), 1)).await?;
    world.shows("vx10", 5, &[]).await;
    world.shows("vx20", 5, &[]).await;
    world.flush(|e| e.dev("vx10")).await?;
    world.both("vx10", 0, &[], |e| e).await?;
    world.both("vx20", 5, &[], |e| e).await?;
    Ok(world.checks)
}

async fn by_attributes(lab: &Lab) -> Result<u32> {
    let cases = [
        ByAttribute {
            name: "vni",
            key: "vni",
            values: [json!(3000), json!(4000)],
            make: [|e| to(e.vni(3000), 1), |e| to(e.vni(4000), 1)],
            select: [|e| e.vni(3000), |e| e.vni(4000)],
            is_external: false,
        },
        // The VNIs the other way round, which must make no difference.
        ByAttribute {
            name: "src_vni",
            key: "src_vni",
            values: [json!(4000), json!(3000)],
            make: [|e| to(e.vni(3000).src_vni(4000), 1), |e| to(e.vni(4000).src_vni(3000), 1)],
            select: [|e| e.src_vni(4000), |e| e.src_vni(3000)],
            is_external: true,
        },
        ByAttribute {
            name: "port",
            key: "port",
            values: [json!(1234), json!(4321)],
            make: [|e| to(e.port(1234), 1), |e| to(e.port(4321), 1)],
            select: [|e| e.port(1234), |e| e.port(4321)],
            is_external: false,
        },
        ByAttribute {
            name: "dst",
            key: "dst",
            values: [json!("192.0.2.1"), json!("192.0.2.2")],
            make: [|e| to(e, 1), |e| to(e, 2)],
            select: [|e| e.dst([192, 0, 2, 1].into()), |e| e.dst([192, 0, 2, 2].into())],
            is_external: false,
        },
    ];
    let mut checks = 0;
    for case in cases {
        let mut world = World::new(lab, case.name).await?;
        if case.is_external {
            world.external().await;
        }
        let [first, second] = case.values.map(|value| [(case.key, value)]);
        world.add(Pool::First, "vx10", case.make[0]).await?;
        world.add(Pool::Second, "vx10", case.make[1]).await?;
        world.shows("vx10", 5, &first).await;
        world.shows("vx10", 5, &second).await;
        world.checks += 1;
        case.select[1](world.fdb.entries().dev("vx10")).flush().await?;
        world.both("vx10", 5, &first, case.select[0]).await?;
        world.both("vx10", 0, &second, case.select[1]).await?;
        checks += world.checks;
    }
    Ok(checks)
}

async fn by_nexthop(lab: &Lab) -> Result<u32> {
    let mut world = World::new(lab, "nhid").await?;
    world.groups(&[(100, 10, "192.0.2.1"), (200, 20, "192.0.2.2")]).await;
    world.add(Pool::First, "vx10", |e| e.nexthop(100)).await?;
    world.add(Pool::Second, "vx10", |e| e.nexthop(200)).await?;
    world.shows("vx10", 5, &[("nhid", json!(100))]).await;
    world.shows("vx10", 5, &[("nhid", json!(200))]).await;
    world.flush(|e| e.dev("vx10").nexthop(200)).await?;
    world.both("vx10", 5, &[("nhid", json!(100))], |e| e.nexthop(100)).await?;
    world.both("vx10", 0, &[("nhid", json!(200))], |e| e.nexthop(200)).await?;
    world.flush(|e| e.dev("vx10").nexthop(100)).await?;
    world.both("vx10", 0, &[("nhid", json!(null))], |e| e.nexthop(100)).await?;
    // Nothing is left that it could mean, and that is no error.
    world.flush(|e| e.dev("vx10").nexthop(100)).await?;
    Ok(world.checks)
}

/// Both sets, by remote 1 and 2; what is flushed; how many of each are left.
type ByWord = (&'static str, Select, Make, usize, Make, usize);

async fn by_words(lab: &Lab, cases: &[ByWord], words: &[[&str; 2]]) -> Result<u32> {
    let mut checks = 0;
    for (at, (name, select, first, first_left, second, second_left)) in cases.iter().enumerate() {
        let mut world = World::new(lab, name).await?;
        world.add(Pool::First, "vx10", *first).await?;
        world.add(Pool::Second, "vx10", *second).await?;
        let remotes = [[("dst", json!("192.0.2.1"))], [("dst", json!("192.0.2.2"))]];
        let before = match words.get(at) {
            Some(flags) => flags.map(|flag| [("flags", json!(flag))]),
            None => remotes.clone(),
        };
        world.shows("vx10", 5, &before[0]).await;
        world.shows("vx10", 5, &before[1]).await;
        let named: Vec<_> = select(world.fdb.entries().dev("vx10")).list().await?.try_collect().await?;
        world.checks += 1;
        select(world.fdb.entries().dev("vx10")).flush().await?;
        assert_eq!(named.len(), 10 - first_left - second_left, "{name}: {named:?}");
        world.both("vx10", *first_left, &remotes[0], |e| e.dst([192, 0, 2, 1].into())).await?;
        world.both("vx10", *second_left, &remotes[1], |e| e.dst([192, 0, 2, 2].into())).await?;
        checks += world.checks;
    }
    Ok(checks)
}

async fn by_states(lab: &Lab) -> Result<u32> {
    let cases: [ByWord; 6] = [
        // Without a word about the state an entry is permanent.
        ("permanent", |e| e.permanent(), |e| to(e.permanent(), 1), 0, |e| to(e.extern_learn(), 2), 0),
        ("nopermanent", |e| e.no_permanent(), |e| to(e.permanent(), 1), 5, |e| to(e.static_(), 2), 0),
        ("static", |e| e.static_(), |e| to(e.static_(), 1), 0, |e| to(e.dynamic(), 2), 5),
        ("nostatic", |e| e.no_static(), |e| to(e.permanent(), 1), 5, |e| to(e.dynamic(), 2), 0),
        ("dynamic", |e| e.dynamic(), |e| to(e.dynamic(), 1), 0, |e| to(e.static_(), 2), 5),
        ("nodynamic", |e| e.no_dynamic(), |e| to(e.permanent(), 1), 0, |e| to(e.dynamic(), 2), 5),
    ];
    by_words(lab, &cases, &[]).await
}

async fn by_flags(lab: &Lab) -> Result<u32> {
    let (learned, router): (Make, Make) = (|e| to(e.extern_learn(), 1), |e| to(e.router(), 2));
    let (router_first, learned_second): (Make, Make) = (|e| to(e.router(), 1), |e| to(e.extern_learn(), 2));
    let cases: [ByWord; 4] = [
        ("learn", |e| e.extern_learn(true), learned, 0, router, 5),
        ("nolearn", |e| e.extern_learn(false), learned, 5, router, 0),
        ("router", |e| e.router(true), router_first, 0, learned_second, 5),
        ("norouter", |e| e.router(false), router_first, 5, learned_second, 0),
    ];
    let words = [
        ["extern_learn", "router"],
        ["extern_learn", "router"],
        ["router", "extern_learn"],
        ["router", "extern_learn"],
    ];
    by_words(lab, &cases, &words).await
}

async fn by_several(lab: &Lab) -> Result<u32> {
    let mut world = World::new(lab, "several").await?;
    world.groups(&[(100, 10, "192.0.2.1")]).await;
    world.add(Pool::First, "vx10", |e| e.nexthop(100).router().permanent()).await?;
    world.add(Pool::Second, "vx10", |e| e.nexthop(100).router().static_()).await?;
    let states = [[("state", json!("permanent"))], [("state", json!("static"))]];
    world.shows("vx10", 5, &states[0]).await;
    world.shows("vx10", 5, &states[1]).await;
    world.flush(|e| e.dev("vx10").nexthop(100).router(true)).await?;
    world.both("vx10", 0, &states[0], |e| e.permanent()).await?;
    world.both("vx10", 0, &states[1], |e| e.static_()).await?;

    world.add(Pool::First, "vx10", |e| to(e.vni(3000).port(1234), 1)).await?;
    world.add(Pool::Second, "vx10", |e| to(e.vni(3000).port(1234), 2)).await?;
    let remotes = [[("dst", json!("192.0.2.1"))], [("dst", json!("192.0.2.2"))]];
    world.shows("vx10", 5, &remotes[0]).await;
    world.shows("vx10", 5, &remotes[1]).await;
    world.flush(|e| e.dev("vx10").vni(3000).port(1234).dst([192, 0, 2, 2].into())).await?;
    world.both("vx10", 5, &remotes[0], |e| e.dst([192, 0, 2, 1].into())).await?;
    world.both("vx10", 0, &remotes[1], |e| e.dst([192, 0, 2, 2].into())).await?;
    Ok(world.checks)
}

/// Of the remotes of one entry only those that match go.
async fn by_remote(lab: &Lab) -> Result<u32> {
    let mut world = World::new(lab, "remote").await?;
    world.external().await;
    for vni in [2000, 3000] {
        let remote = || world.fdb.entry(MacAddr::ZERO, "vx10").vni(vni);
        to(remote().src_vni(5000), 1).append().await?;
        to(remote().port(1111), 1).append().await?;
        to(remote().port(2222), 2).append().await?;
    }
    let (one, two) = (("dst", json!("192.0.2.1")), ("dst", json!("192.0.2.2")));
    type Shown = Vec<(&'static str, Value)>;
    let cases: [(usize, Shown, Select); 4] = [
        (1, vec![one.clone(), ("port", json!(1111)), ("vni", json!(2000))], |e| {
            e.dev("vx10").dst([192, 0, 2, 1].into()).port(1111).vni(2000)
        }),
        (2, vec![two, ("port", json!(2222))], |e| e.dev("vx10").dst([192, 0, 2, 2].into()).port(2222)),
        (1, vec![("vni", json!(3000)), ("src_vni", json!(5000))], |e| e.dev("vx10").vni(3000).src_vni(5000)),
        (2, vec![one], |e| e.dev("vx10").dst([192, 0, 2, 1].into())),
    ];
    for (expected, shown, select) in cases {
        world.shows("vx10", expected, &shown).await;
        let named: Vec<_> = select(world.fdb.entries()).list().await?.try_collect().await?;
        assert_eq!(named.len(), expected, "{named:?}");
        let before = world.count("vx10", &[]).await;
        world.flush(select).await?;
        world.shows("vx10", 0, &shown).await;
        world.shows("vx10", before - expected, &[]).await;
    }
    Ok(world.checks)
}

async fn of_a_bridge(lab: &Lab) -> Result<u32> {
    let mut world = World::new(lab, "bridge").await?;
    let (first, second) = (world.count("br0", &[]).await, world.count("br1", &[]).await);
    world.add(Pool::First, "br0", |e| to(e, 1)).await?;
    world.add(Pool::Second, "br1", |e| to(e, 1)).await?;
    // Each is there in VLAN 1 too.
    world.shows("br0", first + 10, &[]).await;
    world.shows("br1", second + 10, &[]).await;
    world.flush(|e| e.bridge("br0").own_addresses()).await?;
    // What is left is no entry of the bridge's table: 33:33:00:00:00:01, which the device receives.
    world.both("br0", 1, &[], |e| e).await?;
    world.both("br1", second + 10, &[], |e| e).await?;
    Ok(world.checks)
}

async fn of_a_vlan(lab: &Lab) -> Result<u32> {
    let mut world = World::new(lab, "vlan").await?;
    world.node.bridge("vlan add vid 10 dev br0 self").await;
    world.node.bridge("vlan add vid 20 dev br0 self").await;
    let vlans = [[("vlan", json!(10))], [("vlan", json!(20))]];
    let (first, second) = (world.count("br0", &vlans[0]).await, world.count("br0", &vlans[1]).await);
    world.add(Pool::First, "br0", |e| e.vlan(10)).await?;
    world.add(Pool::Second, "br0", |e| e.vlan(20)).await?;
    world.shows("br0", first + 5, &vlans[0]).await;
    world.shows("br0", second + 5, &vlans[1]).await;
    world.flush(|e| e.bridge("br0").vlan(10).own_addresses()).await?;
    world.both("br0", 0, &vlans[0], |e| e.vlan(10)).await?;
    world.both("br0", second + 5, &vlans[1], |e| e.vlan(20)).await?;
    Ok(world.checks)
}

/// The VXLAN device refuses, after the bridge has flushed its entries.
async fn of_both_tables(lab: &Lab) -> Result<u32> {
    let mut world = World::new(lab, "both").await?;
    world.node.ip("link set dev vx10 master br0").await;
    world.node.bridge("vlan add vid 10 dev br0 self").await;
    world.node.bridge("vlan add vid 10 dev vx10").await;
    world.add(Pool::First, "vx10", |e| to(e.vni(3000).self_().master(), 1)).await?;
    world.shows("vx10", 5, &[("vlan", json!(10))]).await;
    world.shows("vx10", 5, &[("vni", json!(3000))]).await;
    world.checks += 1;
    let error = world.fdb.entries().dev("vx10").vlan(10).master().self_().flush().await.unwrap_err();
    assert_eq!(error.attribute().and_then(|path| path.name()), Some("NDA_VLAN"), "{error}");
    world.both("vx10", 0, &[("vlan", json!(10))], |e| e.vlan(10)).await?;
    world.both("vx10", 5, &[("dst", json!("192.0.2.1"))], |e| e.dst([192, 0, 2, 1].into())).await?;
    Ok(world.checks)
}
