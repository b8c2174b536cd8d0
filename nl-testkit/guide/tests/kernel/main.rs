//! Every example that ends by itself, run in a private network and checked with iproute2. `tests/examples.rs` sees that none is
//! forgotten.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]
#![expect(clippy::duplicate_mod, reason = "examples share a module, as when each is built alone")]

mod mptcp;
mod programs;

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nl_testkit::{Lab, Node, Result, eventually};

use crate::programs::{command, example};

/// In place of `nl_testkit::main!`, as this binary is the examples too.
fn main() -> ExitCode {
    if let Ok(name) = env::var(programs::EXAMPLE) {
        return programs::run(&name);
    }
    let binary =
        nl_testkit::__private::Binary { package: env!("CARGO_PKG_NAME"), name: env!("CARGO_CRATE_NAME") };
    nl_testkit::__private::main(&binary)
}

/// What an example changes, iproute2 shows: the example, the command, and a part of what it prints.
async fn changes(node: &Node, table: &[(&str, &str, &str)]) {
    for (line, shown_by, part) in table {
        example(node, *line).await;
        let shown = node.command(shown_by.split_whitespace()).await.ok();
        assert!(shown.contains(part), "after `{line}`, `{shown_by}` has no {part:?}:\n{shown}");
    }
}

/// What is there, an example prints.
async fn prints(node: &Node, table: &[(&str, &str)]) {
    for (line, part) in table {
        let printed = example(node, *line).await;
        assert!(printed.contains(part), "`{line}` has no {part:?}:\n{printed}");
    }
}

#[nl_testkit::test(needs(link = "bridge", link = "veth", tool = "ip"), timeout = 60)]
async fn examples_of_ip_do_what_iproute2_shows(lab: Lab) -> Result {
    let [node, _peer] = lab.wire("host", "peer").await?;
    let made = [
        ("ip_address add 203.0.113.1/24 dev eth0", "ip address show dev eth0", "203.0.113.1/24"),
        ("ip_link_set set eth0 mtu 1400", "ip link show dev eth0", "mtu 1400"),
        (
            "ip_neighbour add 203.0.113.7 lladdr 02:00:00:00:00:07 dev eth0",
            "ip neighbour show dev eth0",
            "203.0.113.7 lladdr 02:00:00:00:00:07",
        ),
        ("ip_nexthop add id 7 via 203.0.113.7 dev eth0", "ip nexthop show", "id 7 via 203.0.113.7 dev eth0"),
        ("ip_nexthop add id 8 group 7", "ip nexthop show", "id 8 group 7"),
        (
            "ip_route add 198.51.100.0/24 via 203.0.113.7 dev eth0",
            "ip route show",
            "198.51.100.0/24 via 203.0.113.7 dev eth0",
        ),
        ("ip_rule add from 192.0.2.0/24 table 100 priority 1000", "ip rule show", "1000:"),
        ("ip_link_set add veth7 type veth veth8", "ip link show dev veth7", "veth8"),
        ("rtnetlink_beside br7", "ip address show dev br7", "192.0.2.1/24"),
    ];
    changes(&node, &made).await;
    let printed = [
        ("ip_address show dev eth0", "203.0.113.1/24"),
        ("ip_link", "eth0"),
        ("ip_link_blocking", "eth0"),
        ("ip_neighbour show dev eth0", "203.0.113.7"),
        ("ip_nexthop show", "203.0.113.7"),
        ("ip_route get 198.51.100.9", "198.51.100.9"),
        ("ip_route show", "198.51.100.0/24"),
        ("ip_rule show", "192.0.2.0/24"),
        ("sysctl net.ipv4.ip_forward", "net.ipv4.ip_forward = "),
    ];
    prints(&node, &printed).await;
    example(&node, "ip_rule delete from 192.0.2.0/24 table 100 priority 1000").await;
    example(&node, "ip_route delete 198.51.100.0/24").await;
    example(&node, "ip_link_set delete veth7").await;
    assert!(!node.ip("rule show").await.contains("1000:"));
    assert!(!node.ip("route show").await.contains("198.51.100.0/24"));
    assert!(!node.ip("link show").await.contains("veth7"));
    Ok(())
}

#[nl_testkit::test(needs(genl = "nlctrl", tool = "genl"))]
async fn example_of_genl_prints_the_number_of_a_family(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    // GENL_ID_CTRL of include/uapi/linux/genetlink.h.
    prints(&node, &[("genl_ctrl get name nlctrl", "nlctrl id 16 version")]).await;
    let shown = node.command("genl ctrl get name nlctrl".split_whitespace()).await.ok();
    assert!(shown.contains("0x10"), "{shown}");
    Ok(())
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "veth", link = "vxlan", tool = "bridge", tool = "ip"),
    timeout = 60
)]
async fn examples_of_bridge_do_what_iproute2_shows(lab: Lab) -> Result {
    let bridge = lab.vlan_bridge("br0", 1).await?;
    let node = bridge.node();
    let made = [
        (
            "bridge_fdb add 02:00:00:00:00:09 dev port1 master static",
            "bridge fdb show dev port1",
            "02:00:00:00:00:09",
        ),
        ("bridge_link set dev port1 isolated on", "bridge -d link show dev port1", "isolated on"),
        ("bridge_vlan add dev port1 vid 20", "bridge vlan show dev port1", "20"),
        ("bridge_mdb add dev br0 port port1 grp 239.1.1.1", "bridge mdb show dev br0", "grp 239.1.1.1"),
    ];
    changes(node, &made).await;
    let printed = [
        ("bridge_fdb show br br0", "02:00:00:00:00:09"),
        ("bridge_link show dev port1", "isolated on"),
        ("bridge_vlan show dev port1", "20"),
        ("bridge_mdb show dev br0", "239.1.1.1"),
        // It removes again what it makes.
        ("bridge_vlan_tunnel", "leafvx0"),
    ];
    prints(node, &printed).await;
    node.ip("link add vx0 type vxlan external vnifilter dstport 4789").await;
    changes(node, &[("bridge_vni add vni 100-101 dev vx0", "bridge vni show dev vx0", "100")]).await;
    prints(node, &[("bridge_vni show dev vx0", "100")]).await;
    Ok(())
}

/// The words of `ip` for it are of iproute2 6.10.
#[nl_testkit::test(needs(vm, bridge_vlan_filtering, link = "veth", tool = "bridge", tool = "ip"))]
async fn example_of_mst_does_what_iproute2_shows(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add br1 up type bridge vlan_filtering 1 vlan_default_pvid 0 mst_enabled 1").await;
    node.ip("link add port1 up type veth peer far1").await;
    node.ip("link set port1 master br1").await;
    node.bridge("vlan add dev port1 vid 10").await;
    node.bridge("vlan add dev br1 vid 10 self").await;
    node.bridge("vlan global set vid 10 dev br1 msti 5").await;
    let made = [("bridge_mst set dev port1 msti 5 state blocking", "bridge mst show dev port1", "blocking")];
    changes(&node, &made).await;
    prints(&node, &[("bridge_mst show dev port1", "blocking")]).await;
    // Without a fault or with one, which is its exit code, it says something of the bridge.
    let doctor = node.open(|| command("doctor").output()).await?;
    assert!(doctor.stderr.is_empty(), "{}", String::from_utf8_lossy(&doctor.stderr));
    Ok(())
}

#[nl_testkit::test(needs(vm, qdisc = "htb", link = "veth", tool = "tc"), timeout = 60)]
async fn examples_of_tc_do_what_iproute2_shows(lab: Lab) -> Result {
    let [node, _peer] = lab.wire("host", "peer").await?;
    let made = [
        (
            "tc_htb qdisc add dev eth0 root handle 1: htb , class add dev eth0 classid 1:10 htb rate 10mbit",
            "tc class show dev eth0",
            "class htb 1:10 root",
        ),
        (
            "tc_filter add dev eth0 parent 1: prio 1 matchall classid 1:10",
            "tc filter show dev eth0 parent 1:",
            "matchall",
        ),
        (
            "tc_filter add dev eth0 parent 1: prio 2 handle 7 fw classid 1:10",
            "tc filter show dev eth0 parent 1:",
            "handle 0x7",
        ),
    ];
    changes(&node, &made).await;
    let printed = [
        ("tc_htb show dev eth0", "classid 1:10 htb"),
        ("tc_blocking eth0", "htb"),
        ("tc_filter show dev eth0 parent 1:", "matchall"),
    ];
    prints(&node, &printed).await;
    example(&node, "tc_filter flush dev eth0 parent 1:").await;
    assert_eq!(node.tc("filter show dev eth0 parent 1:").await.trim(), "");
    Ok(())
}

#[nl_testkit::test(
    needs(qdisc = "drr", qdisc = "ets", qdisc = "hfsc", qdisc = "qfq", tool = "tc"),
    timeout = 60
)]
async fn examples_of_each_kind_of_class_do_what_tc_shows(lab: Lab) -> Result {
    let lines = [
        ("drr", "class add dev lo classid 1:10 drr quantum 3000", "1:10"),
        ("ets", "class change dev lo classid 1:2 ets quantum 3000", "1:2"),
        ("hfsc", "class add dev lo classid 1:10 hfsc sc umax 1500 dmax 10ms rate 1mbit", "1:10"),
        ("qfq", "class add dev lo classid 1:10 qfq weight 10 maxpkt 2048", "1:10"),
    ];
    for (kind, class, handle) in lines {
        let node = lab.node(kind).await?;
        let options = if kind == "ets" { " bands 3 strict 1" } else { "" };
        let line =
            format!("tc_{kind} qdisc add dev lo root handle 1: {kind}{options} , {class} , show dev lo");
        let printed = example(&node, line).await;
        assert!(printed.contains(&format!("classid {handle} {kind}")), "{printed}");
        let shown = node.tc("class show dev lo").await;
        assert!(shown.contains(&format!("class {kind} {handle} ")), "{shown}");
    }
    Ok(())
}

/// A node with a veth of four queues, `eth0`, its other end, and an ifb.
async fn host_of_queues(lab: &Lab, name: &str) -> Result<Node> {
    let node = lab.node(name).await?;
    let queues = "numtxqueues 4 numrxqueues 4";
    node.ip(&format!("link add eth0 {queues} type veth peer name eth1 {queues}")).await;
    node.ip("link add ifb0 type ifb").await;
    for dev in ["eth0", "eth1", "ifb0"] {
        node.up(dev).await?;
    }
    Ok(node)
}

/// The set-ups that scripts and plugins make: applied, applied again without a step, shown by `tc`, removed.
#[nl_testkit::test(
    needs(
        vm,
        qdisc = "cake",
        qdisc = "clsact",
        qdisc = "fq_codel",
        qdisc = "htb",
        qdisc = "tbf",
        link = "ifb",
        link = "veth",
        tool = "tc"
    ),
    timeout = 120
)]
async fn examples_of_set_ups_do_what_tc_shows(lab: Lab) -> Result {
    let setups = [
        ("tc_sqm", "tbf eth0 ifb0 20mbit 100mbit", "eth0", "qdisc tbf 1: root"),
        ("tc_sqm", "cake eth0 ifb0 20mbit 100mbit", "ifb0", "qdisc cake 1: root"),
        ("tc_cni_bandwidth", "eth0 ifb0 8mbit 100000 16mbit 200000", "ifb0", "qdisc tbf 1: root"),
        ("tc_host_queues", "eth0 4 100mbit", "eth0", "qdisc htb 5: parent 1:4"),
        ("tc_pair", "eth0 ifb0", "eth0", "qdisc ingress ffff:"),
    ];
    for (at, (name, words, dev, part)) in setups.into_iter().enumerate() {
        let node = host_of_queues(&lab, &format!("host{at}")).await?;
        let show = format!("qdisc show dev {dev}");
        let begin = node.tc(&show).await;
        let applied = example(&node, format!("{name} {words}")).await;
        assert!(applied.contains(" steps to apply it") && !applied.starts_with("0 "), "{name}: {applied}");
        let shown = node.tc(&show).await;
        assert!(shown.contains(part), "{name} {words}: no {part:?}:\n{shown}");
        let again = example(&node, format!("{name} {words}")).await;
        assert!(again.starts_with("0 steps to apply it"), "{name} {words}: {again}");
        let removed = example(&node, format!("{name} remove {words}")).await;
        assert!(removed.contains(" steps to remove it") && !removed.starts_with("0 "), "{name}: {removed}");
        let kinds = |shown: &str| -> Vec<String> {
            let kind = |line: &str| line.split_whitespace().nth(1).unwrap_or_default().to_owned();
            shown.lines().map(kind).collect()
        };
        // A default qdisc has another handle each time.
        assert_eq!(kinds(&node.tc(&show).await), kinds(&begin), "{name} {words}");
    }
    Ok(())
}

#[nl_testkit::test(needs(vm, host_root, qdisc = "clsact", tool = "tc"))]
async fn example_of_actions_does_what_tc_shows(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let made = [("tc_actions add action drop index 7", "tc actions ls action gact", "index 7")];
    changes(&node, &made).await;
    prints(&node, &[("tc_actions ls action gact", "7")]).await;
    example(&node, "tc_actions delete action gact index 7").await;
    assert!(!node.tc("actions ls action gact").await.contains("index 7"));
    Ok(())
}

#[nl_testkit::test(needs(
    genl = "mptcp_pm",
    link = "veth",
    sock_diag = "mptcp",
    sysctl = "net.mptcp.enabled",
    tool = "ip"
))]
async fn examples_of_mptcp_do_what_iproute2_shows(lab: Lab) -> Result {
    let [node, _peer] = lab.wire("host", "peer").await?;
    let made = [
        ("ip_mptcp endpoint add 203.0.113.1 dev eth0 subflow", "ip mptcp endpoint show", "203.0.113.1"),
        ("ip_mptcp limits set subflows 2 add_addr_accepted 2", "ip mptcp limits show", "subflows 2"),
    ];
    changes(&node, &made).await;
    let printed = [
        ("ip_mptcp endpoint show", "203.0.113.1"),
        ("ip_mptcp limits show", "2"),
        ("nstat_mptcp all", "MPCapableSYNRX"),
        ("ss_mptcp", ""),
    ];
    prints(&node, &printed).await;
    Ok(())
}

#[nl_testkit::test(needs(vm, host_root, genl = "SEG6", link = "veth", tool = "ip"))]
async fn examples_of_srv6_print_what_iproute2_set(lab: Lab) -> Result {
    let [node, _peer] = lab.wire("host", "peer").await?;
    node.ip("-6 route add fcbb:0:a::/48 encap seg6local action End dev eth0").await;
    node.ip("-6 route add 2001:db8:2::/48 encap seg6 mode encap segs fcbb:0:b:: dev eth0").await;
    let printed = [
        ("ip_sr sids", "fcbb:0:a::"),
        ("ip_sr routes", "2001:db8:2::/48"),
        ("ip_sr keys", ""),
        ("ip_sr tunsrc", ""),
        ("ip_sr doctor", ""),
        ("srv6_doctor", ""),
        ("srv6_doctor observe a", "fcbb:0:a::"),
    ];
    prints(&node, &printed).await;
    changes(&node, &[("ip_sr tunsrc 2001:db8::1", "ip sr tunsrc show", "2001:db8::1")]).await;
    Ok(())
}

#[nl_testkit::test(needs(host_root, link = "macsec", link = "veth", genl = "macsec", tool = "ip"))]
async fn examples_of_macsec_do_what_iproute2_shows(lab: Lab) -> Result {
    let [node, _peer] = lab.wire("host", "peer").await?;
    let keys = env::temp_dir().join(format!("nl-guide-{}.keys", std::process::id()));
    std::fs::write(&keys, "01 000102030405060708090a0b0c0d0e0f\n")?;
    let made =
        example(&node, format!("macsec_static macsec0 eth0 0200000000020001 {} 1", keys.display())).await;
    std::fs::remove_file(&keys)?;
    assert!(made.contains("macsec0 has the SCI"), "{made}");
    let shown = node.ip("macsec show macsec0").await;
    assert!(shown.contains("0200000000020001"), "{shown}");
    prints(&node, &[("ip_macsec show macsec0", "encrypt on"), ("ip_macsec show", "encrypt on")]).await;
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "veth", tool = "bridge", tool = "ip"), timeout = 60)]
async fn examples_that_listen_print_what_iproute2_does(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 1).await?;
    let node = bridge.node();
    let mut monitor = node.open(|| command("ip_monitor 1 rule").stdout(Stdio::piped()).spawn()).await?;
    let mut lines = BufReader::new(monitor.stdout.take().ok_or("it has no output")?).lines();
    assert_eq!(lines.next().transpose()?.as_deref(), Some("listening"));
    node.ip("rule add from 192.0.2.0/24 table 100 priority 1000").await;
    let event = lines.next().transpose()?.unwrap_or_default();
    assert!(event.contains("192.0.2.0"), "{event}");
    assert!(monitor.wait()?.success());

    let mut monitor = node.open(|| command("bridge_monitor_fdb").stdout(Stdio::piped()).spawn()).await?;
    let mut lines = BufReader::new(monitor.stdout.take().ok_or("it has no output")?).lines();
    // The table comes first, and then what changes; either has it, whichever is faster.
    node.bridge("fdb add 02:00:00:00:00:09 dev port1 master static").await;
    let found = lines.any(|line| line.is_ok_and(|line| line.contains("02:00:00:00:00:09")));
    monitor.kill()?;
    monitor.wait()?;
    assert!(found);
    Ok(())
}

/// What the monitor has printed, as it goes on, and its end at Ctrl-C.
#[nl_testkit::test(needs(link = "veth", tool = "ip"), timeout = 60)]
async fn example_of_a_monitor_prints_what_iproute2_does_until_ctrl_c(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    for (line, part) in [("monitor -j rule", "192.0.2.0"), ("monitor -t rule", "192.0.2.0/24")] {
        let mut monitor = node.open(move || command(line).stdout(Stdio::piped()).spawn()).await?;
        let output = BufReader::new(monitor.stdout.take().ok_or("it has no output")?);
        let printed = Arc::<Mutex<String>>::default();
        let shared = Arc::clone(&printed);
        let reader = std::thread::spawn(move || {
            for line in output.lines().map_while(std::io::Result::ok) {
                shared.lock().unwrap().push_str(&line);
            }
        });
        // It does not say when it listens.
        let seen = async || {
            node.ip("rule add from 192.0.2.0/24 table 100 priority 1000").await;
            node.ip("rule delete priority 1000").await;
            printed.lock().unwrap().contains(part).then_some(())
        };
        eventually(Duration::from_secs(10), seen, &format!("`{line}` to print {part}")).await;
        // The shell's own: a bare machine has no program of that name.
        node.command(["sh", "-c", &format!("kill -INT {}", monitor.id())]).await.ok();
        assert!(monitor.wait()?.success(), "{line}");
        reader.join().unwrap();
    }
    Ok(())
}

/// What the plugin makes of the command, with this configuration on its standard input.
async fn plugin(node: &Node, verb: &'static str, config: &'static str) -> Result<String> {
    let run = move || {
        let mut plugin = command("cni_plugin");
        plugin.env("CNI_COMMAND", verb).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = plugin.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(config.as_bytes())?;
        }
        child.wait_with_output()
    };
    let output = node.open(run).await?;
    let printed = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{verb}: {printed}");
    Ok(printed)
}

#[nl_testkit::test(needs(link = "bridge", link = "veth", qdisc = "tbf", tool = "bridge", tool = "tc"))]
async fn example_of_a_cni_plugin_does_what_iproute2_shows(lab: Lab) -> Result {
    const CONFIG: &str = r#"{
        "cniVersion": "1.0.0", "name": "net", "type": "cni_plugin", "rateMbit": 100,
        "prevResult": {"interfaces": [
            {"name": "port1", "mac": "02:00:00:00:00:01"},
            {"name": "eth0", "mac": "02:00:00:00:00:09", "sandbox": "/run/netns/blue"}
        ]}
    }"#;
    let bridge = lab.bridge("br0", 1).await?;
    let node = bridge.node();
    let result = plugin(node, "ADD", CONFIG).await?;
    assert!(result.contains("/run/netns/blue"), "{result}");
    assert!(node.bridge("fdb show dev port1").await.contains("02:00:00:00:00:09"));
    assert!(node.tc("qdisc show dev port1").await.contains("rate 100Mbit"));
    plugin(node, "DEL", CONFIG).await?;
    // A runtime may ask twice.
    plugin(node, "DEL", CONFIG).await?;
    assert!(!node.bridge("fdb show dev port1").await.contains("02:00:00:00:00:09"));
    assert!(!node.tc("qdisc show dev port1").await.contains("tbf"));
    Ok(())
}

/// The program of the guide about leaves.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", link = "vxlan", link = "vrf", tool = "ip"))]
async fn example_of_an_evpn_leaf_makes_it_and_removes_it(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    for number in [1, 2] {
        node.ip(&format!("link add swp{number} type veth peer far{number}")).await;
        node.ip(&format!("link set far{number} up")).await;
        node.ip(&format!("link set swp{number} up")).await;
    }
    let before = node.links().await?;
    let printed = example(&node, "evpn_leaf").await;
    for part in ["add link br0", "add link vx0", "add link red", "add link vlan4000", "set tunnel dev vx0"] {
        assert!(printed.contains(part), "no {part:?} in\n{printed}");
    }
    // The doctor found nothing.
    assert!(!printed.contains("mend:"), "{printed}");
    assert_eq!(node.links().await?, before);
    Ok(())
}

#[nl_testkit::test(needs(bridge_vlan_filtering, link = "veth", link = "vxlan", tool = "ip"))]
async fn example_of_a_leaf_agent_prints_a_plan_and_changes_nothing(lab: Lab) -> Result {
    const CONFIG: &str = r#"{
        "name": "br0",
        "ports": [{"name": "swp1", "vlans": [{"vid": 10, "pvid": true, "untagged": true}]}],
        "vxlan": {"name": "vx0", "maps": [{"vid": 10, "vni": 10010}]}
    }"#;
    let node = lab.node("a").await?;
    node.ip("link add swp1 up type veth peer far1").await;
    let file = env::temp_dir().join(format!("nl-guide-{}.json", std::process::id()));
    std::fs::write(&file, CONFIG)?;
    let plan = example(&node, format!("leaf_agent --plan {}", file.display())).await;
    let removed = example(&node, format!("leaf_agent --remove {}", file.display())).await;
    std::fs::remove_file(&file)?;
    assert!(plan.contains("br0") && plan.contains("vx0"), "{plan}");
    assert_eq!(removed.trim(), "");
    assert!(!node.ip("link show").await.contains("br0"));
    Ok(())
}
