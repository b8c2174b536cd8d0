//! Simulated network cards.

use std::path::Path;

use nl_testkit::{Lab, Result};

#[nl_testkit::test(needs(netdevsim, tool = "ip"))]
async fn a_card_is_in_its_node_and_gone_when_dropped(lab: Lab) -> Result {
    let [a, b] = [lab.node("a").await?, lab.node("b").await?];
    let (first, second) = (a.add_netdevsim("card0").await?, b.add_netdevsim("card0").await?);
    assert_ne!(first.device(), second.device());
    for (node, card) in [(&a, &first), (&b, &second)] {
        let shown = node.json("ip -d -j link show card0").await;
        assert_eq!(shown[0]["parentbus"], "netdevsim", "{shown:#}");
        assert_eq!(shown[0]["parentdev"], card.device(), "{shown:#}");
    }
    let device = format!("/sys/bus/netdevsim/devices/{}", first.device());
    assert!(Path::new(&device).exists());
    drop(first);
    assert!(!Path::new(&device).exists());
    assert!(!a.links().await?.contains(&"card0".to_owned()));
    assert!(b.links().await?.contains(&"card0".to_owned()));
    drop(second);
    Ok(())
}

#[nl_testkit::test(needs(netdevsim, link = "macsec", tool = "ip"))]
async fn a_card_takes_macsec_on(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let card = node.add_netdevsim("card0").await?;
    node.ip("link add link card0 name macsec0 type macsec encrypt on offload mac").await;
    let shown = node.json("ip -d -j link show macsec0").await;
    assert_eq!(shown[0]["linkinfo"]["info_data"]["offload"], "mac", "{shown:#}");
    node.ip("macsec add macsec0 tx sa 0 pn 1 on key 01 00112233445566778899aabbccddeeff").await;
    node.ip("macsec add macsec0 rx port 1 address 02:00:00:00:00:07").await;
    node.ip("macsec add macsec0 rx port 1 address 02:00:00:00:00:07 sa 0 pn 1 on key 02 ffeeddccbbaa99887766554433221100")
        .await;
    let shown = node.ip("macsec show").await;
    for part in ["offload: mac", "TXSC:", "0: PN 1, state on, key 01", "RXSC: 0200000000070001", "key 02"] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    drop(card);
    Ok(())
}

/// The driver says no to a fourth, the kernel's own MACsec never would: so it is the driver that is asked.
#[nl_testkit::test(needs(netdevsim, link = "macsec", tool = "ip"))]
async fn a_card_has_room_for_three_macsec_devices(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let card = node.add_netdevsim("card0").await?;
    for port in 1..=3 {
        let add = format!("link add link card0 name macsec{port} type macsec port {port} offload mac");
        node.ip(&add).await;
    }
    let fourth = "ip link add link card0 name macsec4 type macsec port 4";
    let refused = node.command(format!("{fourth} offload mac").split(' ')).await;
    assert!(!refused.status.success(), "{refused}");
    node.command(fourth.split(' ')).await.ok();
    drop(card);
    Ok(())
}
