//! Every option of a port, alone: with the device and with `bridge link`, by us and by iproute2.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use nl_bridge::settings::{BridgePort, McastRouter, Port, PortChange, PortEntry, Ports, StpState};
use nl_core::error::{Errno, ErrorKind, KernelVersion};
use nl_core::link::{LinkKind, LinkVerb, Links};
use nl_core::message::NLM_F_ACK;
use nl_core::{Error, MacAddr};
use nl_testkit::{Bridge, Lab, Node, Result};
use serde_json::{Value, json};

use crate::kinds::{PORT, RTM_SETLINK, compare, difference, info, links, same_bytes, the_one};
use crate::support::kernel;

/// One option: the words of `ip link … type bridge_slave` and of `bridge link set`, ours for them, and what iproute2 then shows.
struct Line {
    words: &'static str,
    ours: fn(BridgePort) -> BridgePort,
    /// As `ip link` shows it, and `bridge link`.
    shown: (&'static str, Value),
    link: &'static str,
    since: (u16, u16),
    before: &'static str,
    also: &'static [&'static str],
    /// Only one of the programs has the word.
    only: Option<Program>,
}

#[derive(Clone, Copy, PartialEq)]
enum Program {
    Ip,
    Bridge,
}

fn line(
    words: &'static str,
    ours: fn(BridgePort) -> BridgePort,
    key: &'static str,
    shown: impl Into<Value>,
) -> Line {
    let shown = (key, shown.into());
    Line { words, ours, shown, link: key, since: (4, 0), before: "", also: &[], only: None }
}

impl Line {
    fn since(mut self, major: u16, minor: u16) -> Self {
        self.since = (major, minor);
        self
    }

    fn only(mut self, program: Program) -> Self {
        self.only = Some(program);
        self
    }

    fn is_there(&self) -> bool {
        let (major, minor) = kernel();
        (major, minor) >= (self.since.0.into(), self.since.1.into())
    }

    fn setting(&self) -> BridgePort {
        (self.ours)(BridgePort::new())
    }

    fn is_of(&self, program: Program) -> bool {
        self.only.is_none_or(|only| only == program)
    }
}

fn lines() -> Vec<Line> {
    vec![
        line("state 2", |p| p.state(StpState::Learning), "state", "learning"),
        line("state 0", |p| p.state(StpState::Disabled), "state", "disabled"),
        Line { also: &["id", "designated_port"], ..line("priority 7", |p| p.priority(7_u16), "priority", 7) },
        line("cost 1234", |p| p.cost(1234_u32), "cost", 1234),
        line("guard on", |p| p.guard(true), "guard", true),
        line("hairpin on", |p| p.hairpin(true), "hairpin", true),
        line("fastleave on", |p| p.fastleave(true), "fastleave", true),
        line("root_block on", |p| p.root_block(true), "root_block", true),
        line("learning off", |p| p.learning(false), "learning", false),
        line("flood off", |p| p.flood(false), "flood", false),
        line("proxy_arp on", |p| p.proxy_arp(true), "proxy_arp", true).only(Program::Ip),
        line("proxy_arp_wifi on", |p| p.proxy_arp_wifi(true), "proxy_arp_wifi", true).only(Program::Ip),
        Line {
            link: "mcast_router",
            ..line("mcast_router 2", |p| p.mcast_router(McastRouter::Permanent), "multicast_router", 2)
        },
        line("mcast_flood off", |p| p.mcast_flood(false), "mcast_flood", false),
        line("bcast_flood off", |p| p.bcast_flood(false), "bcast_flood", false),
        line("mcast_to_unicast on", |p| p.mcast_to_unicast(true), "mcast_to_unicast", true),
        line("mcast_max_groups 9", |p| p.mcast_max_groups(9_u32), "mcast_max_groups", 9)
            .since(6, 3)
            .only(Program::Bridge),
        Line {
            also: &["group_fwd_mask_str"],
            ..line("group_fwd_mask 16384", |p| p.group_fwd_mask(0x4000_u16), "group_fwd_mask", "0x4000")
        }
        .only(Program::Ip),
        line("neigh_suppress on", |p| p.neigh_suppress(true), "neigh_suppress", true),
        line("neigh_vlan_suppress on", |p| p.neigh_vlan_suppress(true), "neigh_vlan_suppress", true)
            .since(6, 4),
        line("neigh_forward_grat on", |p| p.neigh_forward_grat(true), "neigh_forward_grat", true).since(7, 2),
        line("vlan_tunnel on", |p| p.vlan_tunnel(true), "vlan_tunnel", true),
        line("isolated on", |p| p.isolated(true), "isolated", true),
        line("locked on", |p| p.locked(true), "locked", true),
        Line { before: "locked on", ..line("mab on", |p| p.mab(true), "mab", true).since(6, 2) },
        line("backup_port port2", |p| p.backup_port("port2"), "backup_port", "port2"),
        Line {
            before: "backup_port port2",
            ..line("nobackup_port", |p| p.no_backup_port(), "backup_port", Value::Null)
        },
        Line {
            before: "backup_port port2",
            ..line("backup_nhid 10", |p| p.backup_nhid(10_u32), "backup_nhid", 10).since(6, 6)
        },
    ]
}

/// `br0` with `port1` and `port2`, both up, with nobody talking.
async fn world(lab: &Lab) -> Result<(Bridge, Links, Ports)> {
    lab.quiet();
    let bridge = lab.bridge("br0", 2).await?;
    let node = bridge.node();
    // No listeners, so that no group comes or goes.
    node.ip("link set br0 type bridge mcast_snooping 0").await;
    let links = links(node).await?;
    let ports = Ports::new(links.connection().clone());
    Ok((bridge, links, ports))
}

/// Gives the port the defaults of a new one.
async fn recreate(node: &Node, before: &str) {
    node.ip("link set dev port1 nomaster").await;
    node.ip("link set dev port1 master br0").await;
    if !before.is_empty() {
        node.ip(&format!("link set dev port1 type bridge_slave {before}")).await;
    }
}

async fn shown_by_bridge(node: &Node) -> Value {
    let mut shown = node.json("bridge -j -d link show dev port1").await[0].clone();
    shown.as_object_mut().unwrap().retain(|key, _| key != "mcast_n_groups");
    shown
}

async fn read(ports: &Ports) -> Port {
    still(ports.port("port1").get().await.unwrap())
}

fn still(mut port: Port) -> Port {
    for timer in [
        &mut port.options.message_age_timer,
        &mut port.options.forward_delay_timer,
        &mut port.options.hold_timer,
    ] {
        assert!(timer.take().is_some());
    }
    port.options.mcast_n_groups = None;
    port
}

fn is_too_new(error: &Error, since: (u16, u16)) {
    let version = error.since().and_then(|since| since.version());
    assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{error}");
    let expected = KernelVersion::new(since.0, since.1);
    assert!(version.is_none_or(|version| version == expected), "{error}");
    assert!(error.to_string().contains(&expected.to_string()), "{error}");
}

fn none_but(changed: Vec<String>, key: &str, also: &[&str], words: &str) {
    let other: Vec<_> =
        changed.iter().filter(|name| *name != key && !also.contains(&name.as_str())).collect();
    assert!(other.is_empty(), "{words} changed {other:?}");
}

#[nl_testkit::test(needs(bridge_vlan_filtering, iproute2 = "7.3"), timeout = 60)]
async fn every_port_option_is_set_with_its_device_as_by_iproute2(lab: Lab) -> Result {
    let (bridge, links, ports) = world(&lab).await?;
    let node = bridge.node();
    let mut wrong = Vec::new();
    for line in lines() {
        let words = line.words;
        recreate(node, line.before).await;
        let before = info(node, "port1", "info_slave_data").await;
        let device = links.device("port1").port(line.setting());
        let set = device.clone().change().await;
        if words == "state 0" {
            // The kernel enables the port again at once, so that we refuse it here.
            assert!(set.unwrap_err().is_usage());
            continue;
        }
        if !line.is_there() {
            is_too_new(&set.unwrap_err(), line.since);
            assert_eq!(info(node, "port1", "info_slave_data").await, before, "{words}");
            continue;
        }
        set.unwrap_or_else(|error| panic!("{words}: {error}"));
        let by_us = (info(node, "port1", "info_slave_data").await, read(&ports).await);
        none_but(difference(&before, &by_us.0), line.shown.0, line.also, words);
        if !line.is_of(Program::Ip) {
            // Only `bridge` has a word for it.
            assert_eq!(shown_by_bridge(node).await[line.link], line.shown.1, "{words}");
            continue;
        }
        assert_eq!(by_us.0[line.shown.0], line.shown.1, "{words}: {}", by_us.0);

        recreate(node, line.before).await;
        let command = format!("ip link set dev port1 type bridge_slave {words}");
        wrong.extend(same_bytes(node, &links, device.config().clone(), LinkVerb::Change, &command).await);
        assert_eq!((info(node, "port1", "info_slave_data").await, read(&ports).await), by_us, "{words}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, iproute2 = "7.3"), timeout = 60)]
async fn every_port_option_is_set_alone_as_by_bridge_link_set(lab: Lab) -> Result {
    let (bridge, links, ports) = world(&lab).await?;
    let node = bridge.node();
    let mut wrong = Vec::new();
    for line in lines() {
        let words = line.words;
        recreate(node, line.before).await;
        let before = shown_by_bridge(node).await;
        let set = ports.port("port1").options(line.setting()).set().await;
        if !line.is_there() {
            is_too_new(&set.unwrap_err(), line.since);
            assert_eq!(shown_by_bridge(node).await, before, "{words}");
            continue;
        }
        set.unwrap_or_else(|error| panic!("{words}: {error}"));
        let by_us = (shown_by_bridge(node).await, read(&ports).await);
        none_but(difference(&before, &by_us.0), line.link, line.also, words);
        if !line.is_of(Program::Bridge) {
            assert_eq!(info(node, "port1", "info_slave_data").await[line.shown.0], line.shown.1, "{words}");
            continue;
        }
        assert_eq!(by_us.0[line.link], line.shown.1, "{words}: {}", by_us.0);

        recreate(node, line.before).await;
        let command = format!("bridge link set dev port1 {words}");
        wrong.extend(differs(node, &links, line.setting(), |change| change, &command).await);
        assert_eq!((shown_by_bridge(node).await, read(&ports).await), by_us, "{words}");
        // Our own rendering is understood.
        recreate(node, line.before).await;
        let mut setting = line.setting();
        links.connection().resolve(setting.devs()).await.unwrap();
        let printed = setting.to_string().replace('#', "");
        if line.words.starts_with("backup_port") {
            continue;
        }
        node.bridge(&format!("link set dev port1{}", printed.strip_prefix(BridgePort::KIND).unwrap())).await;
        assert_eq!(shown_by_bridge(node).await, by_us.0, "{words}: as {printed}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

async fn differs(
    node: &Node,
    links: &Links,
    mut options: BridgePort,
    make: fn(PortChange) -> PortChange,
    command: &str,
) -> Option<String> {
    let (_, sent) = node.requests_of(command).await.unwrap();
    let theirs = the_one(&sent, RTM_SETLINK, command);
    links.connection().resolve(options.devs()).await.unwrap();
    let change = make(PortChange::new(node.index_of("port1").await.unwrap(), options));
    let ours = change.request().with_flags(NLM_F_ACK).encoded().unwrap().to_vec();
    compare(&PORT, &ours, &theirs.message, command)
}

/// The bridge's own settings and the driver's, of which a veth device has none.
#[nl_testkit::test(needs(link = "bridge", link = "veth", iproute2 = "7.3"))]
async fn master_and_self_go_to_whom_they_name(lab: Lab) -> Result {
    use nl_bridge::settings::{HwMode, PortTarget};
    let (bridge, links, ports) = world(&lab).await?;
    let node = bridge.node();
    let off = || BridgePort::new().learning(false);
    let mut wrong = Vec::new();
    fn to(mut change: PortChange, target: PortTarget) -> PortChange {
        change.target = target;
        change
    }
    let master: fn(PortChange) -> PortChange = |c| to(c, PortTarget::MASTER);
    wrong.extend(differs(node, &links, off(), master, "bridge link set dev port1 learning off master").await);
    let own: fn(PortChange) -> PortChange = |c| to(c, PortTarget::SELF);
    wrong.extend(differs(node, &links, off(), own, "bridge link set dev port1 learning off self").await);
    let sync = BridgePort::new().learning_sync(true);
    wrong.extend(differs(node, &links, sync, own, "bridge link set dev port1 learning_sync on self").await);
    let both: fn(PortChange) -> PortChange = |c| to(c, PortTarget::SELF | PortTarget::MASTER);
    wrong.extend(
        differs(node, &links, off(), both, "bridge link set dev port1 learning off self master").await,
    );
    let mode: fn(PortChange) -> PortChange = |c| {
        let mut change = to(c, PortTarget::SELF);
        change.hw_mode = Some(HwMode::Vepa);
        change
    };
    wrong.extend(
        differs(node, &links, off(), mode, "bridge link set dev port1 learning off hwmode vepa self").await,
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    recreate(node, "").await;
    ports.port("port1").learning(false).master().set().await?;
    assert_eq!(shown_by_bridge(node).await["learning"], false);
    let error = ports.port("port1").learning(true).self_().set().await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP), "{error}");
    assert!(error.to_string().starts_with("set port port1 learning on self: "), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "veth", tool = "bridge"))]
async fn a_list_of_ports_has_those_that_bridge_link_shows(lab: Lab) -> Result {
    let (bridge, links, ports) = world(&lab).await?;
    let node = bridge.node();
    for line in ["link add br1 type bridge", "link add p9 type veth peer name q9", "link set p9 master br1"] {
        node.ip(line).await;
    }
    node.bridge("link set dev port2 learning off cost 77").await;
    let list = async |list: nl_bridge::settings::PortList| {
        list.list().await.unwrap().map_ok(still).try_collect::<Vec<Port>>().await.unwrap()
    };
    let all = list(ports.ports()).await;
    let theirs = node.json("bridge -j -d link show").await;
    let names: BTreeMap<_, _> = links.connection().link_names().await?.into_iter().collect();
    let rendered = |port: &Port| {
        json!({
            "ifindex": port.index, "ifname": port.name.to_string(), "master": names[&port.master], "mtu": port.mtu,
            "cost": port.options.cost, "priority": port.options.priority, "learning": port.options.learning,
            "state": port.options.state.unwrap().to_string(), "flood": port.options.flood,
        })
    };
    let ours: Vec<_> = all.iter().map(rendered).collect();
    let mut shown = theirs.as_array().unwrap().clone();
    for (ours, theirs) in ours.iter().zip(&mut shown) {
        theirs.as_object_mut().unwrap().retain(|key, _| ours.get(key).is_some());
    }
    assert_eq!(ours, shown);
    let names = |ports: &[Port]| ports.iter().map(|port| port.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&list(ports.ports().bridge("br1")).await), ["p9"]);
    assert_eq!(names(&list(ports.ports().dev("port2")).await), ["port2"]);
    // Read with the device, a port is the same.
    for port in all {
        assert_eq!(still(ports.port(port.index).get().await?), port);
    }
    Ok(())
}

/// In one request the kernel would give the options to the master that the device had before.
#[nl_testkit::test(needs(link = "bridge", link = "veth", tool = "ip"))]
async fn a_device_becomes_a_port_with_options_in_one_call(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let links = links(&node).await?;
    node.ip("link add br0 type bridge").await;
    node.ip("link add v0 type veth peer name v1").await;
    let port = BridgePort::new().learning(false).neigh_suppress(true);
    links.device("v0").master("br0").port(port.clone()).change().await?;
    let shown = info(&node, "v0", "info_slave_data").await;
    assert_eq!((&shown["learning"], &shown["neigh_suppress"]), (&json!(false), &json!(true)));
    let new = links.device("d0").kind(nl_core::link::Veth::new("d1")).master("br0").port(port.clone());
    new.address(MacAddr::new([2, 0, 0, 0, 0, 9])).add().await?;
    assert_eq!(info(&node, "d0", "info_slave_data").await["learning"], false);
    // Nothing of it stays if the device has no such master.
    let error =
        links.device("e0").kind(nl_core::link::Veth::new("e1")).port(port.clone()).add().await.unwrap_err();
    assert!(error.is_usage(), "{error}");
    assert!(error.to_string().contains("e0 is not a port of a bridge"), "{error}");
    assert!(!node.links().await?.contains(&"e0".to_owned()));
    let error = links.device("v1").port(port).change().await.unwrap_err();
    assert_eq!(error.to_string(), "set link v1: v1 is not a port of a bridge");
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "veth", tool = "ip"))]
async fn refusals_name_the_port_as_its_user_did(lab: Lab) -> Result {
    let (bridge, _, ports) = world(&lab).await?;
    let node = bridge.node();
    node.ip("link add v0 type veth peer name v1").await;
    node.ip("link property add dev port1 altname to-the-left").await;
    let text = async |entry: PortEntry| entry.set().await.unwrap_err().to_string();
    let port = || ports.port("to-the-left");
    assert_eq!(
        text(port().learning_sync(true)).await,
        "set port to-the-left learning_sync on: learning_sync is for the port's own driver, and a bridge ignores it: \
         self_() alone is needed"
    );
    assert_eq!(
        text(port().cost(0_u32)).await,
        "set port to-the-left cost 0: cost 0; 1 to 65535 are possible"
    );
    assert_eq!(text(port()).await, "set port to-the-left: nothing is set: say what changes");
    assert_eq!(
        text(port().backup_port("nobody")).await,
        "set port to-the-left backup_port nobody: No such device (ENODEV)"
    );
    assert_eq!(
        text(ports.port("v0").learning(false)).await,
        "set port v0 learning off: v0 is not a port of a bridge"
    );
    assert!(
        text(ports.port("nobody").learning(false)).await.starts_with("set port nobody learning off: No such")
    );
    let error = ports.port("to-the-left").backup_port("to-the-left").set().await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
    node.ip("link set br0 type bridge stp_state 1").await;
    let error = port().state(StpState::Blocking).set().await.unwrap_err();
    assert!(error.is_busy(), "{error}");
    assert_eq!(
        ports.port("v0").get().await.unwrap_err().to_string(),
        "get port v0: v0 is not a port of a bridge"
    );
    Ok(())
}
