//! Each fault is found by name on a real kernel, and gone once the command that is printed was run.

use nl_bridge::VlanRange;
use nl_bridge::doctor::Doctor;
use nl_bridge::leaf::{BridgeConfig, InstanceConfig};
use nl_testkit::{Lab, Node, Result};

use super::support::*;

async fn found(node: &Node, config: Option<&BridgeConfig>) -> Vec<(String, String)> {
    let doctor = Doctor::new(route(node).await);
    let findings = match config {
        Some(config) => doctor.examine_with(config).await.unwrap(),
        None => doctor.examine().await.unwrap(),
    };
    findings.iter().map(|finding| (finding.to_string(), finding.fault.mend())).collect()
}

/// Runs the commands of a line. Words in capitals are replaced.
async fn run(node: &Node, line: &str) {
    let line =
        line.replace("LEAF", "192.0.2.2").replace("VLAN", "10").replace("VNI", "10010").replace("PORT", "p1");
    for command in line.split(" && ") {
        match command.split_once(' ') {
            Some(("ip", words)) => node.ip(words).await,
            Some(("bridge", words)) => node.bridge(words).await,
            _ => unreachable!("{command}"),
        };
    }
}

/// Breaks a leaf with these commands, and mends what is found, one finding at a time, until there is none. Returns the first finding.
async fn broken(node: &Node, commands: &[&str], config: Option<&BridgeConfig>) -> String {
    assert_eq!(found(node, config).await, [], "before {commands:?}");
    for command in commands {
        run(node, command).await;
    }
    let first = found(node, config).await.into_iter().next().map(|(text, _)| text);
    let mut mends = 0;
    while let Some((text, mend)) = found(node, config).await.into_iter().next() {
        mends += 1;
        assert!(mends <= 8, "{commands:?}: never mended: {text}");
        run(node, &mend).await;
    }
    first.unwrap_or_else(|| unreachable!("{commands:?}: nothing is found"))
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 90
)]
async fn each_fault_is_found_and_its_command_mends_it(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let config = small();
    leaf_of(&node).await.apply(&config).await?;
    let cases: [(&[&str], &str); 11] = [
        (&["ip link set br0 down"], "link br0: it is down"),
        (&["ip link set vx0 down"], "link vx0: it is down"),
        (&["ip link set p2 down"], "link p2: it is down"),
        (&["bridge vlan add dev vx0 vid 10 untagged"], "vlan 10 dev vx0: it is untagged"),
        (&["bridge vlan del dev vx0 vid 10"], "vni 10010 dev vx0: vx0 is not in vlan 10"),
        (&["bridge vlan del dev vx0 vid 10 tunnel_info id 10010"], "vlan 10 dev vx0: it is mapped to no VNI"),
        (&["bridge vni del vni 10010 dev vx0"], "vlan 10 dev vx0: vni 10010 is not in the filter"),
        (
            &[
                "bridge fdb del 00:00:00:00:00:00 dev vx0 dst 192.0.2.2 src_vni 10010 self",
                "bridge fdb del 00:00:00:00:00:00 dev vx0 dst 192.0.2.3 src_vni 10010 self",
            ],
            "vni 10010 dev vx0: no leaf is flooded to",
        ),
        (&["bridge vlan set dev vx0 vid 10 state blocking"], "vlan 10 dev vx0: it is blocking here"),
        (&["ip link set br0 type bridge vlan_filtering 0"], "link br0: VLANs are not filtered"),
        (&["bridge link set dev vx0 vlan_tunnel off"], "link vx0: vlan_tunnel is off"),
    ];
    for (commands, text) in cases {
        let first = broken(&node, commands, Some(&config)).await;
        assert!(first.starts_with(text), "{commands:?}: {first}");
    }
    // All of them were mended by commands, so nothing differs but the flood list, to which one leaf came back.
    let plan = leaf_of(&node).await.plan(&config).await?;
    assert!(plan.steps().len() <= 1, "{plan}");
    Ok(())
}

/// Without a description it is not known which VLAN and which VNI belong together, and the command has a word in capitals.
#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn faults_are_found_and_mended_without_a_description(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    leaf_of(&node).await.apply(&small()).await?;
    let cases: [(&[&str], &str); 5] = [
        (
            &["bridge vlan del dev vx0 vid 10", "bridge vlan del dev vx0 vid 20"],
            "vni 10010 dev vx0: no VLAN of vx0 is mapped to it",
        ),
        (&["bridge vlan del dev vx0 vid 10"], "vni 10010 dev vx0: vx0 is not in vlan 10"),
        (&["bridge vlan del dev vx0 vid 10 tunnel_info id 10010"], "vlan 10 dev vx0: it is mapped to no VNI"),
        (&["bridge vlan add dev vx0 vid 10 untagged"], "vlan 10 dev vx0: it is untagged"),
        (&["bridge vni del vni 10010 dev vx0"], "vlan 10 dev vx0: vni 10010 is not in the filter"),
    ];
    for (commands, text) in cases {
        let first = broken(&node, commands, None).await;
        assert!(first.starts_with(text), "{commands:?}: {first}");
    }
    assert_eq!(lines(&leaf_of(&node).await.plan(&small()).await?), [] as [&str; 0]);
    Ok(())
}

/// With instances, the state of a VLAN is that of its instance, and of the port in the common tree.
#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn instance_that_does_not_forward_is_found_and_mended(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let config = small().instance(InstanceConfig::new(5, [VlanRange::new(10, 10).unwrap()]));
    leaf_of(&node).await.apply(&config).await?;
    for (command, text) in [
        ("bridge mst set dev vx0 msti 5 state blocking", "vlan 10 dev vx0: msti 5 is blocking here"),
        // Without STP the kernel lets a blocked port forward again at once.
        ("bridge link set dev vx0 state disabled", "vlan 20 dev vx0: msti 0 is disabled here"),
    ] {
        let first = broken(&node, &[command], Some(&config)).await;
        assert!(first.starts_with(text), "{command}: {first}");
    }
    Ok(())
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn leaf_of_other_tools_is_examined_too(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    for line in [
        "link add br0 up type bridge vlan_filtering 1 vlan_default_pvid 0",
        "link set p1 master br0",
        "link add vx10 type vxlan id 10010 dstport 4789 nolearning",
        "link set vx10 master br0 up",
    ] {
        node.ip(line).await;
    }
    node.bridge("vlan add dev p1 vid 10 pvid untagged").await;
    let all = found(&node, None).await;
    let texts: Vec<_> = all.iter().map(|(text, _)| text.lines().next().unwrap_or_default()).collect();
    assert_eq!(
        texts,
        [
            "link vx10: the port is in no VLAN, so every frame is dropped",
            "link vx10: no leaf is flooded to, so broadcast and frames to unknown addresses are dropped",
        ]
    );
    for (_, mend) in &all {
        run(&node, mend).await;
    }
    assert_eq!(found(&node, None).await, []);

    // VLANs are to be mapped on a device that has a VNI of its own.
    let mapped = node.command(["bridge", "link", "set", "dev", "vx10", "vlan_tunnel", "on"]).await;
    assert!(mapped.status.success(), "{mapped}");
    let all = found(&node, None).await;
    assert!(all[0].0.starts_with("link vx10: the device has a VNI of its own"), "{all:#?}");
    run(&node, &all[0].1).await;
    let all = found(&node, None).await;
    assert!(all[0].0.starts_with("link vx10: vlan_tunnel is off"), "{all:#?}");
    Ok(())
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", tool = "bridge"),
    timeout = 60
)]
async fn vlan_without_a_port_is_found(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let mut config = small();
    leaf_of(&node).await.apply(&config).await?;
    config.vlans.clear();
    config.ports.remove(1);
    config.ports[0] = nl_bridge::leaf::PortConfig::new("p1").trunk(20..=21);
    leaf_of(&node).await.apply(&config).await?;
    let all = found(&node, None).await;
    assert_eq!(all.len(), 1, "{all:#?}");
    assert!(all[0].0.starts_with("vlan 10 dev vx0: neither a port nor the bridge is in it"), "{all:#?}");
    run(&node, &all[0].1).await;
    assert_eq!(found(&node, None).await, []);
    Ok(())
}
