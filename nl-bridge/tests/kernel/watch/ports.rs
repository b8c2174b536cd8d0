//! Ports and bridges are watched with all devices, and read as what this crate has for them.

use nl_bridge::settings::{Bridge, BridgePort, Port};
use nl_core::link::{Link, LinkWatch};
use nl_core::watch::Change;
use nl_testkit::{Lab, Result};

use super::support::*;

fn port(link: &Link) -> Option<BridgePort> {
    Port::of_link(link).unwrap().map(|port| port.options)
}

fn bridge(link: &Link) -> Option<Bridge> {
    link.kind::<Bridge>().map(|bridge| bridge.unwrap())
}

async fn changed(watch: &mut LinkWatch, what: &str, wanted: impl Fn(&Link) -> bool) {
    until(watch, what, |change| matches!(change, Change::Changed { after, .. } if wanted(after))).await;
}

#[nl_testkit::test(needs(link = "bridge", link = "veth", tool = "bridge", tool = "ip"))]
async fn watch_of_links_follows_settings_of_ports_and_bridges(lab: Lab) -> Result {
    let node = super::mdb::world(&lab).await?;
    let mut watch = LinkWatch::open(&route(&node).await).await?;
    synced(&mut watch).await;
    node.bridge("link set dev p1 learning off").await;
    changed(&mut watch, "learning off", |link| port(link).is_some_and(|p| p.learning == Some(false))).await;
    node.ip("link set p1 type bridge_slave isolated on").await;
    changed(&mut watch, "isolated", |link| port(link).is_some_and(|p| p.isolated == Some(true))).await;
    node.ip("link set br0 type bridge priority 77").await;
    changed(&mut watch, "the priority", |link| bridge(link).is_some_and(|b| b.priority == Some(77))).await;
    node.ip("link set p1 nomaster").await;
    changed(&mut watch, "no port", |link| link.name == *"p1" && port(link).is_none()).await;
    Ok(())
}

/// The kernel reports it to the bridge family only.
#[nl_testkit::test(needs(link = "bridge", link = "veth", tool = "bridge", tool = "ip"))]
async fn watch_of_links_follows_the_state_of_a_port_of_a_bridge(lab: Lab) -> Result {
    use nl_bridge::settings::StpState;

    let node = super::mdb::world(&lab).await?;
    let mut watch = LinkWatch::open(&route(&node).await).await?;
    synced(&mut watch).await;
    for (word, state) in [("learning", StpState::Learning), ("forwarding", StpState::Forwarding)] {
        node.bridge(&format!("link set dev p1 state {word}")).await;
        changed(&mut watch, word, |link| port(link).is_some_and(|port| port.state == Some(state))).await;
    }
    Ok(())
}

/// What the documentation says is not followed.
#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn options_of_a_device_that_is_down_change_without_an_event(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add br0 type bridge").await;
    let mut watch = LinkWatch::open(&route(&node).await).await?;
    synced(&mut watch).await;
    node.ip("link set br0 type bridge priority 77").await;
    node.ip("link add br1 type bridge").await;
    until(
        &mut watch,
        "the event after",
        |change| matches!(change, Change::Added(link) if link.name == *"br1"),
    )
    .await;
    let has = |watch: &LinkWatch| watch.entries().any(|l| bridge(l).is_some_and(|b| b.priority == Some(77)));
    assert!(!has(&watch), "the kernel reports it");
    watch.resync();
    synced(&mut watch).await;
    assert!(has(&watch));
    Ok(())
}
