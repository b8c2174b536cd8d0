use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use nl_core::addr::Dev;
use nl_core::connection::{Connection, Protocol};
use nl_core::link::{Link, LinkFlags};
use nl_testkit::{Lab, Result};

use crate::support::route;

/// What `ip` and we both know of a device.
type Facts = (String, u64, bool, Option<String>, Option<String>, Option<String>);

fn ours(link: Link) -> (u32, Facts) {
    let mac = link.mac().map(|mac| mac.to_string());
    {
        let (kind, port) = (link.kind_name.map(String::from), link.port_kind.map(String::from));
        (
            link.index,
            (link.name.clone().into(), link.mtu.into(), link.flags.contains(LinkFlags::UP), kind, mac, port),
        )
    }
}

fn theirs(link: &serde_json::Value) -> (u32, Facts) {
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let up = link["flags"].as_array().unwrap().iter().any(|flag| flag == "UP");
    let facts = (
        text(&link["ifname"]).unwrap(),
        link["mtu"].as_u64().unwrap(),
        up,
        text(&link["linkinfo"]["info_kind"]),
        text(&link["address"]),
        text(&link["linkinfo"]["info_slave_kind"]),
    );
    (u32::try_from(link["ifindex"].as_u64().unwrap()).unwrap(), facts)
}

#[nl_testkit::test(needs(link = "veth", link = "bridge", link = "vxlan", tool = "ip"))]
async fn the_listing_equals_that_of_iproute2(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 2).await?;
    let node = bridge.node();
    node.add_vxlan("vx0", nl_testkit::Vxlan::vni(5)).await?;
    node.add_link("d0", "bridge").await?;
    let conn = route(node).await;
    let listed: BTreeMap<_, _> = conn.links().collect_all().await?.into_iter().map(ours).collect();
    let expected: BTreeMap<_, _> =
        node.json("ip -d -j link show").await.as_array().unwrap().iter().map(theirs).collect();
    assert!(expected.len() >= 6, "{expected:#?}");
    assert_eq!(listed, expected);

    let names = conn.link_names().await?;
    assert_eq!(names.len(), expected.len());
    assert!(names.iter().all(|(index, name)| expected[index].0 == *name), "{names:?}");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip"))]
async fn a_device_is_found_by_name_and_by_index(lab: Lab) -> Result {
    let bridge = lab.bridge("br0", 1).await?;
    let node = bridge.node();
    let conn = route(node).await;
    let index = node.index_of("port1").await?;
    let link = conn.link("port1").await?;
    assert_eq!((link.index, link.master), (index, Some(node.index_of("br0").await?)));
    // A bridge's timers of the port go on.
    let still = |mut link: Link| {
        link.port_data.clear();
        link.without_counters()
    };
    assert_eq!(still(conn.link(index).await?), still(link));
    assert_eq!(conn.link_index("port1").await?, index);
    assert_eq!(conn.link_name(index).await?, "port1");
    assert_eq!(conn.link_index(Dev::Index(4711)).await?, 4711, "an index is not asked for");
    Ok(())
}

#[nl_testkit::test]
async fn a_device_that_does_not_exist_is_named_in_the_error(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await;
    let error = conn.link("no-such-dev").await.unwrap_err();
    assert_eq!(error.to_string(), "get link no-such-dev: No such device (ENODEV)");
    assert!(error.is_not_found());
    let error = conn.link(4711).await.unwrap_err();
    assert_eq!(error.to_string(), "get link #4711: No such device (ENODEV)");
    Ok(())
}

#[nl_testkit::test]
async fn an_impossible_device_is_refused_before_the_kernel_is_asked(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await;
    for dev in [Dev::from(""), Dev::from("n".repeat(128)), Dev::from(0), Dev::from(u32::MAX)] {
        let error = conn.link(dev.clone()).await.unwrap_err();
        assert!(error.is_usage(), "{dev}: {error:?}");
        let error = conn.link_index(dev.clone()).await.unwrap_err();
        assert!(error.is_usage(), "{dev}: {error:?}");
    }
    Ok(())
}

#[nl_testkit::test]
async fn links_are_not_looked_for_on_another_protocol(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = node.open(|| Connection::open(Protocol::Generic)).await?;
    let texts = [
        conn.link("lo").await.unwrap_err().to_string(),
        conn.links().collect_all().await.unwrap_err().to_string(),
        conn.link_names().await.unwrap_err().to_string(),
    ];
    for text in texts {
        assert_eq!(text, "links are on NETLINK_ROUTE, not NETLINK_GENERIC");
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn a_name_that_is_no_text_does_not_hide_the_other_links(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let name = OsString::from_vec(b"b\xff0".to_vec());
    let words = ["ip", "link", "add"].map(OsString::from);
    node.command(words.into_iter().chain([name.clone(), "type".into(), "bridge".into()])).await.ok();
    let show = ["ip", "-o", "link", "show", "dev"].map(OsString::from);
    let shown = node.command(show.into_iter().chain([name])).await.ok();
    let index: u32 = shown.split(':').next().unwrap().parse()?;
    let conn = route(&node).await;
    let names = conn.link_names().await?;
    assert_eq!(names.get(&index).map(String::as_str), Some("b\\xff0"));
    assert!(names.values().any(|name| name == "lo"), "{names:?}");
    assert_eq!(conn.link_name(index).await?, "b\\xff0");
    Ok(())
}
