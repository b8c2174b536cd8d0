mod addresses;
mod links;
mod neighbours;
mod nexthops;
mod routes;
mod rules;
mod storm;
mod support;

use std::collections::BTreeSet;

use futures_util::StreamExt;
use nl_core::watch::{Change, Watch};
use nl_testkit::{Lab, Node, Result, within};

use crate::addresses::{Address, Addresses};
use crate::support::{SOON, route};

/// The addresses as iproute2 has them.
async fn shown(node: &Node) -> BTreeSet<String> {
    let links = node.json("ip -j address show").await;
    let addresses = links.as_array().unwrap().iter().flat_map(|link| link["addr_info"].as_array().unwrap());
    addresses
        .map(|address| format!("{}/{}", address["local"].as_str().unwrap(), address["prefixlen"]))
        .collect()
}

async fn next(watch: &mut Watch<Addresses>) -> Change<Address> {
    within(SOON, watch.next(), "a change").await.unwrap().unwrap()
}

async fn synced(watch: &mut Watch<Addresses>) -> BTreeSet<String> {
    while next(watch).await != Change::Synced {}
    watch.entries().map(|address| format!("{}/{}", address.ip, address.prefix)).collect()
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn watch_of_addresses_follows_iproute2_and_recovers_from_an_overrun(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add d0 type bridge").await;
    node.ip("address add 192.0.2.1/24 dev d0").await;
    let conn = route(&node).await;
    let mut watch = Watch::builder(&conn, Addresses).receive_buffer(0).open()?;
    assert_eq!(synced(&mut watch).await, shown(&node).await);

    node.ip("address add 192.0.2.2/24 dev d0").await;
    let Change::Added(added) = next(&mut watch).await else { panic!("not added") };
    assert_eq!(added.ip.to_string(), "192.0.2.2");
    // It is no longer permanent (IFA_F_PERMANENT).
    node.ip("address change 192.0.2.2/24 dev d0 valid_lft 1000 preferred_lft 500").await;
    let Change::Changed { before, after } = next(&mut watch).await else { panic!("not changed") };
    assert_eq!((before.flags & 0x80, after.flags & 0x80), (0x80, 0));

    for last in 3..100 {
        node.ip(&format!("address add 192.0.2.{last}/24 dev d0")).await;
    }
    node.ip("address del 192.0.2.2/24 dev d0").await;
    assert_eq!(synced(&mut watch).await, shown(&node).await);
    assert!(watch.overruns() > 0, "nothing was lost");
    Ok(())
}
