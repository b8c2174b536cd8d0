//! What is sent, as nlmon sees it: one request for each object that differs, and none where nothing does.

use std::collections::BTreeSet;

use nl_bridge::leaf::{BridgeConfig, LeafMac, MacChange, VxlanConfig};
use nl_core::MacAddr;
use nl_testkit::oracle::{Recording, Sent};
use nl_testkit::{Lab, Result, scaled};

use super::random::{Numbers, object, tenants};
use super::support::*;

/// Of each four types of rtnetlink the third one reads (`RTM_GET*`), and the others change something.
fn changes(sent: &Sent) -> bool {
    const ROUTE: u16 = 0;
    const GET: u16 = 2;
    sent.protocol == ROUTE && sent.kind() % 4 != GET
}

/// How many requests were sent that change something.
fn changing(recording: &mut Recording) -> Result<usize> {
    Ok(recording.take()?.iter().filter(|sent| changes(sent)).count())
}

#[nl_testkit::test(
    needs(
        bridge_vlan_filtering,
        link = "vxlan",
        link = "veth",
        link = "vrf",
        link = "nlmon",
        tool = "bridge"
    ),
    timeout = 600
)]
async fn random_pairs_send_one_request_for_each_object_that_differs(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let mut recording = node.record().await?;
    let mut numbers = Numbers::new(4);
    let mut sent = 0;
    let pairs = scaled(1_000, 50);
    for pair in 0..pairs {
        let config = if pair % 4 == 3 { tenants(&mut numbers) } else { numbers.config() };
        recording.take()?;
        let plan = leaf.apply(&config).await?;
        // A device that is made is stamped by a second request.
        let expected: usize = plan.steps().iter().map(|step| step.requests(&|_| 1).len()).sum();
        assert_eq!(changing(&mut recording)?, expected, "pair {pair}:\n{plan}");
        let objects: BTreeSet<_> = lines(&plan).iter().map(|line| object(line)).collect();
        assert_eq!(objects.len(), plan.steps().len(), "pair {pair}:\n{plan}");
        sent += expected;
        assert!(leaf.apply(&config).await?.is_empty(), "pair {pair}");
        leaf.plan(&config).await?;
        leaf.observe("br0").await?;
        assert_eq!(changing(&mut recording)?, 0, "pair {pair}, applied twice");
    }
    assert!(sent > 5 * usize::try_from(pairs)?, "{sent}");
    Ok(())
}

/// Of an address that is missing or goes, two; of one that is there, none.
#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "vxlan", link = "veth", link = "nlmon", tool = "bridge"),
    timeout = 60
)]
async fn addresses_send_two_requests_for_each_that_differs(lab: Lab) -> Result {
    let node = host(&lab, "a").await?;
    let leaf = leaf_of(&node).await;
    let vxlan = VxlanConfig::new("vx0").local(other(1)).map(1..=4, 10_001..=10_004);
    let config = BridgeConfig::new("br0").vxlan(vxlan);
    leaf.apply(&config).await?;
    let macs = leaf.macs(&config)?;
    let of = |number: u8, behind: u8| {
        let mac = MacAddr::new([2, 1, 0, 0, 0, number]);
        LeafMac::new(mac, 10_001 + u32::from(number % 4), other(behind))
    };
    let all = || (0..100).map(|number| of(number, 2));
    let mut recording = node.record().await?;
    macs.sync(all()).await?;
    assert_eq!(changing(&mut recording)?, 200);
    macs.sync(all()).await?;
    macs.list().await?;
    assert_eq!(changing(&mut recording)?, 0);
    // Ten move, ten go.
    macs.sync(all().skip(10).map(|it| if it.mac.octets()[5] < 20 { of(it.mac.octets()[5], 3) } else { it }))
        .await?;
    assert_eq!(changing(&mut recording)?, 40);
    macs.change([
        MacChange::Replace(of(50, 3)),
        MacChange::Delete { mac: of(51, 2).mac, vni: of(51, 2).vni },
    ])
    .await?;
    assert_eq!(changing(&mut recording)?, 4);
    Ok(())
}
