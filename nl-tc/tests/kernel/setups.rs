//! The set-ups of the examples, applied twice and compared with what the scripts make with `tc`.

use nl_tc::tree::Tree;
use nl_tc::{Rate, Tc};
use nl_testkit::{Lab, Node, Result, scaled};
use serde_json::Value;

use crate::support::{DEV, filter_lines, lines, open};

#[path = "../../examples/setups/cni.rs"]
mod cni;
#[path = "../../examples/setups/pair.rs"]
mod pair;
#[path = "../../examples/setups/queues.rs"]
mod queues;
#[path = "../../examples/setups/sqm.rs"]
mod sqm;

/// Two nodes with a veth `eth0` of four queues and an ifb each: one for us, one for `tc`.
async fn two(lab: &Lab) -> Result<([Node; 2], Tc)> {
    lab.quiet();
    let nodes = [lab.node("a").await?, lab.node("b").await?];
    for node in &nodes {
        let queues = "numtxqueues 4 numrxqueues 4";
        node.ip(&format!("link add eth0 {queues} type veth peer name eth1 {queues}")).await;
        node.ip("link add ifb0 type ifb").await;
        for dev in [DEV, "eth1", "ifb0"] {
            node.up(dev).await?;
        }
    }
    let tc = open(&nodes[0]).await?;
    Ok((nodes, tc))
}

/// What `tc` shows of a device, without what differs by chance.
async fn shown(node: &Node, dev: &str) -> Vec<String> {
    let mut all = lines(node, &format!("-d qdisc show dev {dev}")).await;
    all.extend(lines(node, &format!("-d class show dev {dev}")).await);
    all.extend(filter_lines(node, &format!("filter show dev {dev} ingress")).await);
    // The kernel shows the filters of an ingress qdisc by the name that the last request had for it.
    let place = |line: &str| line.replace("filter parent ffff: ", "filter ");
    all.iter().map(|line| place(line.split(" refcnt ").next().unwrap_or_default())).collect()
}

/// The same as JSON: qdiscs, classes and the filters of ingress.
async fn json_shown(node: &Node, dev: &str) -> [Vec<Value>; 3] {
    let list = async |args: String| {
        let json = node.json(&format!("tc -d -j {args}")).await;
        let mut all = json.as_array().unwrap().clone();
        all.iter_mut().for_each(without_chance);
        all.sort_by_key(Value::to_string);
        all
    };
    let qdiscs = list(format!("qdisc show dev {dev}")).await;
    let classes = list(format!("class show dev {dev}")).await;
    let mut filters = list(format!("filter show dev {dev} ingress")).await;
    for members in filters.iter_mut().filter_map(Value::as_object_mut) {
        // See `shown`.
        for place in ["egress", "ingress", "parent"] {
            members.remove(place);
        }
    }
    [qdiscs, classes, filters]
}

/// Removes what differs by chance: counts of references, and the indexes that the kernel chose for actions.
fn without_chance(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_chance),
        Value::Object(members) => {
            for name in ["index", "refcnt"] {
                members.remove(name);
            }
            members.values_mut().for_each(without_chance);
        }
        _ => {}
    }
}

/// Applies it twice, compares with what the commands of `tc` make, and removes it.
async fn compare(lab: &Lab, setup: Vec<(String, Tree)>, commands: &[&str]) -> Result {
    let ([ours, theirs], tc) = two(lab).await?;
    let mut begin = Vec::new();
    for (dev, _) in &setup {
        begin.push(shown(&ours, dev).await);
    }
    for (dev, tree) in &setup {
        let plan = tc.apply(dev.as_str(), tree).await?;
        assert!(!plan.is_empty(), "{dev}");
    }
    for (dev, tree) in &setup {
        let again = tc.apply(dev.as_str(), tree).await?;
        assert!(again.is_empty(), "{dev}: {again}");
    }
    for command in commands {
        theirs.tc(command).await;
    }
    for (dev, tree) in &setup {
        assert_eq!(shown(&ours, dev).await, shown(&theirs, dev).await, "{dev}");
        let ours = json_shown(&ours, dev).await;
        // Neither is empty.
        assert!(!ours[0].is_empty(), "{dev}");
        assert_eq!(ours, json_shown(&theirs, dev).await, "{dev}");
        // A tree settles whoever has made what it describes.
        let other = open(&theirs).await?.apply(dev.as_str(), tree).await?;
        assert!(other.is_empty(), "{dev}: {other}");
    }
    for ((dev, tree), begin) in setup.iter().zip(&begin).rev() {
        tc.remove(dev.as_str(), tree).await?;
        assert_eq!(shown(&ours, dev).await, *begin, "{dev}");
    }
    Ok(())
}

#[nl_testkit::test(
    needs(
        vm,
        qdisc = "tbf",
        qdisc = "fq_codel",
        qdisc = "clsact",
        link = "ifb",
        tool = "tc",
        iproute2 = "7"
    ),
    timeout = 90
)]
async fn simplest_tbf_of_sqm_scripts_is_a_tree(lab: Lab) -> Result {
    let setup = sqm::simplest_tbf(DEV, "ifb0", Rate::mbit(20), Rate::mbit(100));
    let commands = [
        "qdisc add dev eth0 root handle 1: tbf rate 20mbit burst 1600 latency 300ms",
        "qdisc add dev eth0 parent 1: handle 110: fq_codel noecn",
        "qdisc add dev eth0 handle ffff: ingress",
        "qdisc add dev ifb0 root handle 1: tbf rate 100mbit burst 1600 latency 300ms",
        "qdisc add dev ifb0 parent 1: handle 110: fq_codel noecn",
        "filter add dev eth0 parent ffff: protocol all prio 10 u32 match u32 0 0 flowid 1:1 \
         action mirred egress redirect dev ifb0",
    ];
    compare(&lab, setup, &commands).await
}

#[nl_testkit::test(
    needs(vm, qdisc = "cake", qdisc = "clsact", link = "ifb", tool = "tc", iproute2 = "7"),
    timeout = 90
)]
async fn cake_with_an_ifb_of_sqm_scripts_is_a_tree(lab: Lab) -> Result {
    let setup = sqm::cake(DEV, "ifb0", Rate::mbit(20), Rate::mbit(100));
    let commands = [
        "qdisc add dev eth0 root handle 1: cake bandwidth 20mbit besteffort",
        "qdisc add dev eth0 handle ffff: ingress",
        "qdisc add dev ifb0 root handle 1: cake bandwidth 100mbit besteffort ingress",
        "filter add dev eth0 parent ffff: protocol all prio 10 matchall action mirred egress redirect dev ifb0",
    ];
    compare(&lab, setup, &commands).await
}

#[nl_testkit::test(
    needs(vm, qdisc = "tbf", qdisc = "clsact", link = "ifb", tool = "tc", iproute2 = "7"),
    timeout = 90
)]
async fn bandwidth_plugin_of_cni_is_a_tree(lab: Lab) -> Result {
    let setup = cni::cni_bandwidth(DEV, "ifb0", (Rate::mbit(8), 100_000), (Rate::mbit(16), 200_000));
    let commands = [
        "qdisc add dev eth0 root handle 1: tbf rate 8mbit burst 100000 latency 25ms",
        "qdisc add dev eth0 handle ffff: ingress",
        "qdisc add dev ifb0 root handle 1: tbf rate 16mbit burst 200000 latency 25ms",
        "filter add dev eth0 parent ffff: protocol all prio 1 u32 match u32 0 0 flowid 1:1 \
         action mirred egress redirect dev ifb0",
    ];
    compare(&lab, setup, &commands).await
}

#[nl_testkit::test(
    needs(qdisc = "htb", qdisc = "cake", link = "veth", link = "ifb", tool = "tc", iproute2 = "7"),
    timeout = 90
)]
async fn host_with_an_htb_on_each_queue_is_a_tree(lab: Lab) -> Result {
    let setup = queues::host_queues(DEV, 4, Rate::mbit(100));
    let mut commands = vec!["qdisc add dev eth0 root handle 1: mq".to_owned()];
    for queue in 1..=4 {
        let (htb, leaf) = (queue + 1, 0x100 + queue);
        commands.push(format!("qdisc add dev eth0 parent 1:{queue} handle {htb}: htb default 1"));
        commands.push(format!("class add dev eth0 parent {htb}: classid {htb}:1 htb rate 100mbit"));
        commands.push(format!("qdisc add dev eth0 parent {htb}:1 handle {leaf:x}: cake"));
    }
    let commands: Vec<_> = commands.iter().map(String::as_str).collect();
    compare(&lab, setup, &commands).await
}

/// Each direction is removed by one call, and nothing is left, a hundred times.
#[nl_testkit::test(
    needs(vm, host_root, qdisc = "clsact", link = "veth", link = "ifb", tool = "tc", iproute2 = "7"),
    timeout = 120
)]
async fn pair_of_a_container_runtime_comes_and_goes_without_a_trace(lab: Lab) -> Result {
    let ([node, theirs], tc) = two(&lab).await?;
    node.command(["modprobe", "tun"]).await.ok();
    for node in [&node, &theirs] {
        node.ip("tuntap add tap0 mode tap").await;
        node.up("tap0").await?;
    }
    for (dev, other) in [(DEV, "tap0"), ("tap0", DEV)] {
        theirs.tc(&format!("qdisc add dev {dev} handle ffff: ingress")).await;
        let redirect = format!("matchall action mirred egress redirect dev {other}");
        theirs.tc(&format!("filter add dev {dev} parent ffff: protocol all prio 1 {redirect}")).await;
    }
    let begin = lines(&node, "qdisc show").await;
    let setup = pair::pair(DEV, "tap0");
    let rounds = scaled(100, 10);
    for round in 0..rounds {
        for (dev, tree) in &setup {
            assert_eq!(tc.apply(dev.as_str(), tree).await?.steps().len(), 2, "round {round}, {dev}");
        }
        if round == 0 {
            let shown = filter_lines(&node, "filter show dev tap0 ingress").await.join("\n");
            assert!(shown.contains("mirred (Egress Redirect to device eth0)"), "{shown}");
        }
        if round % (rounds / 2) == 0 {
            for (dev, _) in &setup {
                assert_eq!(
                    json_shown(&node, dev).await,
                    json_shown(&theirs, dev).await,
                    "round {round}, {dev}"
                );
            }
        }
        for (dev, tree) in &setup {
            assert!(tc.apply(dev.as_str(), tree).await?.is_empty(), "round {round}, {dev}");
            assert_eq!(tc.remove(dev.as_str(), tree).await?.steps().len(), 1, "round {round}, {dev}");
        }
        assert_eq!(lines(&node, "qdisc show").await, begin, "round {round}");
    }
    Ok(())
}
