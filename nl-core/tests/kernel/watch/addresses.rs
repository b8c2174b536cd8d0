use std::collections::BTreeSet;

use nl_core::address::{Address, AddressFlags, AddressWatch};
use nl_core::watch::Change;
use nl_testkit::{Lab, Node, Result};

use super::support::{compared, converge, field, shown, synced, texts, until};
use crate::support::route;

/// Until the watch has what a list has, and what iproute2 shows.
pub(super) async fn exact(watch: &mut AddressWatch, node: &Node) {
    converge(watch, async |watch| difference(watch, node).await).await;
}

async fn difference(watch: &AddressWatch, node: &Node) -> Option<String> {
    let mut fresh = AddressWatch::open(&route(node).await).await.unwrap();
    synced(&mut fresh).await;
    let listed = compared(&texts(watch.entries()), &texts(fresh.entries()), "listed");
    let ours: BTreeSet<_> = watch
        .entries()
        .map(|address| format!("{} {}/{}", address.index, address.local, address.prefix_len))
        .collect();
    let mut theirs = BTreeSet::new();
    for link in shown(node, "ip -j address show").await {
        for address in link["addr_info"].as_array().unwrap() {
            let (ip, len) = (field(address, "local"), field(address, "prefixlen"));
            theirs.insert(format!("{} {ip}/{len}", field(&link, "ifindex")));
        }
    }
    listed.or(compared(&ours, &theirs, "iproute2 shows"))
}

fn deleted(ip: &str) -> impl Fn(&Change<Address>) -> bool {
    move |change| matches!(change, Change::Deleted(address) if address.local.to_string() == ip)
}

fn added(ip: &str) -> impl Fn(&Change<Address>) -> bool {
    move |change| matches!(change, Change::Added(address) if address.local.to_string() == ip)
}

async fn world(lab: &Lab) -> Result<(Node, AddressWatch)> {
    let node = lab.node("a").await?;
    node.ip("link add d0 type veth peer name p0").await;
    node.ip("link set p0 up").await;
    node.ip("link set d0 up").await;
    let mut watch = AddressWatch::open(&route(&node).await).await?;
    synced(&mut watch).await;
    Ok((node, watch))
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn watch_of_addresses_follows_them_until_the_device_is_deleted(lab: Lab) -> Result {
    let (node, mut watch) = world(&lab).await?;
    node.ip("address add 192.0.2.1/24 dev d0").await;
    until(&mut watch, "IPv4", added("192.0.2.1")).await;
    node.ip("address add 2001:db8::1/64 dev d0 nodad").await;
    until(&mut watch, "IPv6", added("2001:db8::1")).await;
    node.ip("address change 192.0.2.1/24 dev d0 valid_lft 1000 preferred_lft 500").await;
    let is = |change: &Change<Address>| match change {
        Change::Changed { after, .. } => !after.flags.contains(AddressFlags::PERMANENT),
        _ => false,
    };
    until(&mut watch, "a lifetime", is).await;
    node.ip("address add 192.0.2.2/24 dev d0").await;
    node.ip("address add 192.0.2.3/24 dev d0").await;
    node.ip("address del 192.0.2.2/24 dev d0").await;
    until(&mut watch, "a deletion", deleted("192.0.2.2")).await;
    node.ip("link del d0").await;
    for ip in ["2001:db8::1", "192.0.2.1"] {
        until(&mut watch, ip, |change| matches!(change, Change::Deleted(_))).await;
    }
    synced(&mut watch).await;
    exact(&mut watch, &node).await;
    assert!(watch.entries().all(|address| address.local.is_loopback()), "{watch:?}");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn addresses_of_a_device_that_moves_to_another_namespace_are_deleted(lab: Lab) -> Result {
    let (node, mut watch) = world(&lab).await?;
    let other = lab.node("b").await?;
    node.ip("address add 192.0.2.1/24 dev d0").await;
    node.ip("address add 2001:db8::1/64 dev d0 nodad").await;
    until(&mut watch, "the address", added("2001:db8::1")).await;
    node.ip(&format!("link set d0 netns {}", other.tid())).await;
    until(&mut watch, "the end of it", deleted("192.0.2.1")).await;
    synced(&mut watch).await;
    exact(&mut watch, &node).await;
    Ok(())
}

/// They become tentative, and the kernel has no event for that.
#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn watch_of_addresses_notices_those_kept_by_a_device_that_is_down(lab: Lab) -> Result {
    let (node, mut watch) = world(&lab).await?;
    node.sysctl("net.ipv6.conf.d0.keep_addr_on_down", "1").await?;
    node.sysctl("net.ipv6.conf.d0.accept_dad", "0").await?;
    node.ip("address add 2001:db8::1/64 dev d0").await;
    until(&mut watch, "the address", added("2001:db8::1")).await;
    node.ip("link set d0 down").await;
    synced(&mut watch).await;
    exact(&mut watch, &node).await;
    Ok(())
}
