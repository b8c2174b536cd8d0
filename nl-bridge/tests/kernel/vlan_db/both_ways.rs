//! Every option both ways: what we set iproute2 shows, and what iproute2 sets we read, and it is the same.

use std::fmt;
use std::time::Duration;

use nl_bridge::mst::{Mst, StpState};
use nl_bridge::tunnel::Tunnels;
use nl_bridge::vlan_db::{Entry, Global, McastRouter, VlanDb};
use nl_bridge::vni::Vnis;
use nl_core::error::Ack;
use nl_core::{Connection, Pending};
use nl_testkit::oracle::both_ways::{Case, Object, Step, check};
use nl_testkit::{Lab, Node, Result, kernel_version};
use serde_json::Value;

use super::support::*;

type Verb = Box<dyn Fn(&Connection) -> Pending<Ack>>;

/// One thing through the library.
struct Ours {
    set: Verb,
    remove: Verb,
    /// What iproute2 removes it with, after the verb.
    removing: String,
}

impl fmt::Debug for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "removed by {}", self.removing)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Global,
    Mst,
    Tunnel,
    Vlan,
    Vni,
}

/// What a device has, compared with what it has when nothing is set.
struct Table<'a> {
    node: &'a Node,
    conn: Connection,
    kind: Kind,
    show: &'static str,
    bare: (Value, String),
}

impl<'a> Table<'a> {
    async fn new(node: &'a Node, kind: Kind, show: &'static str) -> Self {
        let conn = route(node).await;
        let mut table = Self { node, conn, kind, show, bare: Default::default() };
        table.bare = (table.all_shown().await, table.all().await);
        table
    }

    async fn all_shown(&self) -> Value {
        let mut shown = self.node.json(self.show).await;
        without_groups(&mut shown);
        shown
    }

    async fn all(&self) -> String {
        match self.kind {
            Kind::Global => format!("{:?}", globals(&self.conn).await),
            Kind::Mst => format!("{:?}", mst(&self.conn, "p1").await),
            Kind::Tunnel => format!("{:?}", mapped(&self.conn, "vx0").await),
            Kind::Vlan => format!("{:?}", vlans(&self.conn, "p1").await),
            Kind::Vni => format!("{:?}", vnis(&self.conn, "vf0").await),
        }
    }
}

impl Object for Table<'_> {
    type Ours = Ours;
    type Read = String;

    async fn set(&self, ours: &Ours) -> Result {
        (ours.set)(&self.conn).await?;
        Ok(())
    }

    async fn remove(&self, ours: &Ours) -> Result {
        (ours.remove)(&self.conn).await?;
        Ok(())
    }

    async fn read(&self, _: &Ours, _: Step) -> Result<Option<String>> {
        let all = self.all().await;
        Ok((all != self.bare.1).then_some(all))
    }

    async fn iproute2_sets(&self, _: &Ours, words: &str) -> Result {
        self.node.bridge(words).await;
        Ok(())
    }

    async fn iproute2_removes(&self, ours: &Ours, _: &str) -> Result {
        self.node.bridge(&ours.removing).await;
        Ok(())
    }

    async fn shown(&self, _: &Ours, _: Step) -> Result<Value> {
        let shown = self.all_shown().await;
        Ok(if shown == self.bare.0 { Value::Null } else { shown })
    }
}

/// Hosts join groups by themselves.
fn without_groups(shown: &mut Value) {
    match shown {
        Value::Array(list) => list.iter_mut().for_each(without_groups),
        Value::Object(fields) => {
            fields.remove("mcast_n_groups");
            fields.values_mut().for_each(without_groups);
        }
        _ => {}
    }
}

fn vlan(words: &str, to: fn(Entry) -> Entry, back: (&str, fn(Entry) -> Entry)) -> Case<Ours> {
    let entry = |conn: &Connection, option: fn(Entry) -> Entry| {
        option(VlanDb::new(conn.clone()).entry("p1", 10..=12)).set()
    };
    let (back_words, back) = (back.0.to_owned(), back.1);
    let ours = Ours {
        set: Box::new(move |conn| entry(conn, to)),
        remove: Box::new(move |conn| entry(conn, back)),
        removing: format!("vlan set vid 10-12 dev p1 {back_words}"),
    };
    Case::new(ours, format!("vlan set vid 10-12 dev p1 {words}"))
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", iproute2 = "6.8"), timeout = 60)]
async fn options_of_a_vlan_on_a_port(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    node.ip("link set br0 type bridge mcast_vlan_snooping 1").await;
    node.bridge("vlan add vid 10 dev p1 pvid untagged").await;
    node.bridge("vlan add vid 11-12 dev p1").await;
    let forwarding = || ("state forwarding", (|e| e.state(StpState::Forwarding)) as fn(Entry) -> Entry);
    let learn = || ("mcast_router 1", (|e| e.mcast_router(McastRouter::Learn)) as fn(Entry) -> Entry);
    let mut cases = vec![
        vlan("state disabled", |e| e.state(StpState::Disabled), forwarding()),
        vlan("state listening", |e| e.state(StpState::Listening), forwarding()),
        vlan("state learning", |e| e.state(StpState::Learning), forwarding()),
        vlan("state blocking", |e| e.state(StpState::Blocking), forwarding()),
        vlan("mcast_router 0", |e| e.mcast_router(McastRouter::Disabled), learn()),
        vlan("mcast_router 2", |e| e.mcast_router(McastRouter::Permanent), learn()),
    ];
    if kernel_version() >= (6, 4) {
        cases.push(vlan(
            "mcast_max_groups 7",
            |e| e.mcast_max_groups(7),
            ("mcast_max_groups 0", |e| e.mcast_max_groups(0)),
        ));
        cases.push(vlan(
            "neigh_suppress on",
            |e| e.neigh_suppress(true),
            ("neigh_suppress off", |e| e.neigh_suppress(false)),
        ));
        cases.push(vlan(
            "state blocking mcast_router 2 mcast_max_groups 4294967295 neigh_suppress on",
            |e| {
                e.state(StpState::Blocking)
                    .mcast_router(McastRouter::Permanent)
                    .mcast_max_groups(u32::MAX)
                    .neigh_suppress(true)
            },
            ("state forwarding mcast_router 1 mcast_max_groups 0 neigh_suppress off", |e| {
                e.state(StpState::Forwarding)
                    .mcast_router(McastRouter::Learn)
                    .mcast_max_groups(0)
                    .neigh_suppress(false)
            }),
        ));
    }
    check(&Table::new(&node, Kind::Vlan, "bridge -j -d vlan show dev p1").await, cases).await;
    Ok(())
}

/// Of the newest kernel and the newest iproute2, alone and beside another option.
#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "veth", iproute2 = "7.3", kernel = "7.2"),
    timeout = 60
)]
async fn forwarding_of_gratuitous_arp_of_a_vlan(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    node.bridge("vlan add vid 10-12 dev p1").await;
    let cases = vec![
        vlan(
            "neigh_forward_grat on",
            |e| e.neigh_forward_grat(true),
            ("neigh_forward_grat off", |e| e.neigh_forward_grat(false)),
        ),
        vlan(
            "neigh_suppress on neigh_forward_grat on",
            |e| e.neigh_suppress(true).neigh_forward_grat(true),
            ("neigh_suppress off neigh_forward_grat off", |e| {
                e.neigh_suppress(false).neigh_forward_grat(false)
            }),
        ),
    ];
    check(&Table::new(&node, Kind::Vlan, "bridge -j -d vlan show dev p1").await, cases).await;
    Ok(())
}

fn global(words: &str, to: fn(Global) -> Global, back: (&str, fn(Global) -> Global)) -> Case<Ours> {
    let entry = |conn: &Connection, option: fn(Global) -> Global| {
        option(VlanDb::new(conn.clone()).global("br0", 10..=11)).set()
    };
    let (back_words, back) = (back.0.to_owned(), back.1);
    let ours = Ours {
        set: Box::new(move |conn| entry(conn, to)),
        remove: Box::new(move |conn| entry(conn, back)),
        removing: format!("vlan global set vid 10-11 dev br0 {back_words}"),
    };
    Case::new(ours, format!("vlan global set vid 10-11 dev br0 {words}"))
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", iproute2 = "6.8"), timeout = 60)]
async fn global_options_of_a_vlan(lab: Lab) -> Result {
    let node = switch(&lab, "a").await?;
    node.ip("link set br0 type bridge mcast_vlan_snooping 1").await;
    node.bridge("vlan add vid 10-11 dev p1").await;
    let cases = vec![
        global(
            "mcast_snooping 0",
            |g| g.mcast_snooping(false),
            ("mcast_snooping 1", |g| g.mcast_snooping(true)),
        ),
        global("mcast_querier 1", |g| g.mcast_querier(true), ("mcast_querier 0", |g| g.mcast_querier(false))),
        global(
            "mcast_igmp_version 3",
            |g| g.mcast_igmp_version(3),
            ("mcast_igmp_version 2", |g| g.mcast_igmp_version(2)),
        ),
        global(
            "mcast_mld_version 2",
            |g| g.mcast_mld_version(2),
            ("mcast_mld_version 1", |g| g.mcast_mld_version(1)),
        ),
        global(
            "mcast_last_member_count 9",
            |g| g.mcast_last_member_count(9),
            ("mcast_last_member_count 2", |g| g.mcast_last_member_count(2)),
        ),
        global(
            "mcast_startup_query_count 9",
            |g| g.mcast_startup_query_count(9),
            ("mcast_startup_query_count 2", |g| g.mcast_startup_query_count(2)),
        ),
        global(
            "mcast_last_member_interval 204",
            |g| g.mcast_last_member_interval(Duration::from_millis(2040)),
            ("mcast_last_member_interval 100", |g| g.mcast_last_member_interval(Duration::from_secs(1))),
        ),
        global(
            "mcast_membership_interval 30000",
            |g| g.mcast_membership_interval(Duration::from_secs(300)),
            ("mcast_membership_interval 26000", |g| g.mcast_membership_interval(Duration::from_secs(260))),
        ),
        global(
            "mcast_querier_interval 30000",
            |g| g.mcast_querier_interval(Duration::from_secs(300)),
            ("mcast_querier_interval 25500", |g| g.mcast_querier_interval(Duration::from_secs(255))),
        ),
        global(
            "mcast_query_interval 100",
            |g| g.mcast_query_interval(Duration::from_secs(1)),
            ("mcast_query_interval 12500", |g| g.mcast_query_interval(Duration::from_secs(125))),
        ),
        global(
            "mcast_query_response_interval 500",
            |g| g.mcast_query_response_interval(Duration::from_secs(5)),
            ("mcast_query_response_interval 1000", |g| {
                g.mcast_query_response_interval(Duration::from_secs(10))
            }),
        ),
        global(
            "mcast_startup_query_interval 2000",
            |g| g.mcast_startup_query_interval(Duration::from_secs(20)),
            ("mcast_startup_query_interval 3124", |g| {
                g.mcast_startup_query_interval(Duration::from_millis(31_240))
            }),
        ),
        global("msti 4094", |g| g.msti(4094), ("msti 0", |g| g.msti(0))),
    ];
    check(&Table::new(&node, Kind::Global, "bridge -j -d vlan global show dev br0").await, cases).await;
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", tool = "bridge"), timeout = 60)]
async fn tunnels_of_a_port(lab: Lab) -> Result {
    fn case(vlans: (u16, u16), vnis: (u32, u32)) -> Case<Ours> {
        let range = |(first, last): (u32, u32)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        let (vid, id) = (range((vlans.0.into(), vlans.1.into())), range(vnis));
        let entry = move |conn: &Connection| {
            Tunnels::new(conn.clone()).entry("vx0", vlans.0..=vlans.1, vnis.0..=vnis.1)
        };
        let ours = Ours {
            set: Box::new(move |conn| entry(conn).add()),
            remove: Box::new(move |conn| entry(conn).delete()),
            removing: format!("vlan del dev vx0 vid {vid} tunnel_info id {id}"),
        };
        Case::new(ours, format!("vlan add dev vx0 vid {vid} tunnel_info id {id}"))
    }
    let node = tunnels(&lab).await?;
    let cases = [
        case((10, 10), (10010, 10010)),
        case((20, 29), (10020, 10029)),
        case((10, 39), (1, 30)),
        case((39, 39), (0xff_ffff, 0xff_ffff)),
    ];
    let table = Table::new(&node, Kind::Tunnel, "bridge -j vlan tunnelshow dev vx0").await;
    check(&table, cases).await;
    Ok(())
}

/// VNIs of `vf0` with a remote or, by the word of iproute2 for it, a group.
fn vni(vnis: (u32, u32), group: Option<(&'static str, &'static str)>) -> Case<Ours> {
    let range = match vnis.0 == vnis.1 {
        true => vnis.0.to_string(),
        false => format!("{}-{}", vnis.0, vnis.1),
    };
    let entry = move |conn: &Connection| {
        let entry = Vnis::new(conn.clone()).entry("vf0", vnis.0..=vnis.1);
        group.iter().fold(entry, |entry, (_, group)| entry.group(group.parse().unwrap()))
    };
    let words = group.map(|(word, group)| format!(" {word} {group}")).unwrap_or_default();
    let ours = Ours {
        set: Box::new(move |conn| entry(conn).add()),
        remove: Box::new(move |conn| entry(conn).delete()),
        removing: format!("vni del vni {range} dev vf0"),
    };
    Case::new(ours, format!("vni add vni {range}{words} dev vf0"))
}

#[nl_testkit::test(needs(link = "vxlan", iproute2 = "6.8", bridge_vlan_filtering), timeout = 60)]
async fn vnis_of_a_device(lab: Lab) -> Result {
    let node = tunnels(&lab).await?;
    let cases = [
        vni((100, 100), None),
        vni((200, 205), None),
        vni((0xff_ffff, 0xff_ffff), None),
        vni((300, 300), Some(("remote", "192.0.2.9"))),
        vni((0, 3), None),
    ];
    check(&Table::new(&node, Kind::Vni, "bridge -j vni show dev vf0").await, cases).await;
    Ok(())
}

/// A group needs a device below, which joins it.
#[nl_testkit::test(needs(link = "vxlan", iproute2 = "6.8", bridge_vlan_filtering), timeout = 60)]
async fn vnis_with_groups_of_a_device(lab: Lab) -> Result {
    let node = tunnels(&lab).await?;
    node.ip("link del vf0").await;
    node.ip("link add vf0 type vxlan external vnifilter dstport 4790 dev h1").await;
    node.ip("link set vf0 up").await;
    let cases = [
        vni((302, 302), Some(("group", "239.0.0.1"))),
        vni((310, 312), Some(("group", "239.0.0.2"))),
        vni((320, 321), Some(("remote", "192.0.2.9"))),
    ];
    check(&Table::new(&node, Kind::Vni, "bridge -j vni show dev vf0").await, cases).await;
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", iproute2 = "6.10"), timeout = 60)]
async fn states_of_an_msti(lab: Lab) -> Result {
    fn case(words: &str, state: StpState) -> Case<Ours> {
        let set = |conn: &Connection, state| Mst::new(conn.clone()).entry("p1", 2).state(state).set();
        let ours = Ours {
            set: Box::new(move |conn| set(conn, state)),
            remove: Box::new(move |conn| set(conn, StpState::Forwarding)),
            removing: "mst set dev p1 msti 2 state forwarding".into(),
        };
        Case::new(ours, format!("mst set dev p1 msti 2 state {words}"))
    }
    let node = switch(&lab, "a").await?;
    node.ip("link set br0 type bridge mst_enabled 1").await;
    node.bridge("vlan add vid 10-12 dev p1").await;
    // iproute2 fails at a port without VLANs.
    node.bridge("vlan add vid 10 dev p2").await;
    node.bridge("vlan global set vid 11-12 dev br0 msti 2").await;
    node.bridge("mst set dev p1 msti 2 state forwarding").await;
    let cases = [
        case("disabled", StpState::Disabled),
        case("listening", StpState::Listening),
        case("learning", StpState::Learning),
        case("blocking", StpState::Blocking),
    ];
    check(&Table::new(&node, Kind::Mst, "bridge -j mst show dev p1").await, cases).await;
    Ok(())
}
