//! From the name of a device to its index.

use nl_core::Dev;
use nl_core::error::Errno;
use nl_testkit::{Lab, Result};

use crate::support::route;

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn a_rename_between_two_calls_is_noticed(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add d0 type bridge").await;
    node.ip("link add d1 type bridge").await;
    let conn = route(&node).await;
    let first = conn.link_index("d0").await?;
    assert_eq!(conn.link_index("d0").await?, first);
    node.ip("link set d0 name old").await;
    let error = conn.link_index("d0").await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENODEV), "{error}");
    assert_eq!(conn.link_index("old").await?, first);
    // Another device takes the name that is remembered.
    node.ip("link set d1 name d0").await;
    assert_eq!(conn.link_index("d0").await?, node.index_of("d0").await?);
    assert_ne!(conn.link_index("d0").await?, first);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn a_deleted_and_recreated_device_is_looked_up_again(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    for _ in 0..3 {
        node.ip("link add d0 type bridge").await;
        assert_eq!(conn.link_index("d0").await?, node.index_of("d0").await?);
        node.ip("link del d0").await;
        assert!(conn.link_index("d0").await.unwrap_err().is_not_found());
    }
    Ok(())
}

/// `SIOCGIFINDEX` would cut the name at the colon and answer with `lo`.
#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn an_alternative_name_with_a_colon_is_the_device_that_has_it(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("link add d0 type bridge").await;
    node.ip("link property add dev d0 altname lo:5").await;
    let conn = route(&node).await;
    let index = node.index_of("d0").await?;
    for _ in 0..2 {
        assert_eq!(conn.link_index("lo:5").await?, index);
        assert_eq!(conn.link_index("lo").await?, 1);
    }
    assert_eq!(conn.link("lo:5").await?.name, "d0");
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn an_alternative_name_longer_than_a_name_is_found_and_its_absence_noticed(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let long = "a".repeat(127);
    node.ip("link add d0 type bridge").await;
    node.ip(&format!("link property add dev d0 altname {long}")).await;
    let conn = route(&node).await;
    let index = node.index_of("d0").await?;
    for _ in 0..2 {
        assert_eq!(conn.link_index(long.as_str()).await?, index);
    }
    node.ip(&format!("link property del dev d0 altname {long}")).await;
    let error = conn.link_index(long.as_str()).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.operation(), Some(format!("get link {long}").as_str()));
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn a_name_is_found_in_the_namespace_of_the_connection(lab: Lab) -> Result {
    let (a, b) = (lab.node("a").await?, lab.node("b").await?);
    // The same name has another index elsewhere.
    a.ip("link add x type bridge").await;
    a.ip("link add d0 type bridge").await;
    b.ip("link add d0 type bridge").await;
    let conn = route(&a).await;
    let wanted = a.index_of("d0").await?;
    assert_ne!(wanted, b.index_of("d0").await?);
    for _ in 0..2 {
        let conn = conn.clone();
        assert_eq!(b.run(move || async move { conn.link_index("d0").await }).await?, wanted);
    }
    Ok(())
}

/// `SIOCGIFINDEX` runs modprobe for a name that no device has, when root asks.
#[nl_testkit::test(needs(vm, host_root))]
async fn the_name_of_a_module_loads_no_module(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await;
    let loaded = || std::fs::read_to_string("/proc/modules").unwrap();
    for module in ["wireguard", "ifb", "nlmon", "ipvlan", "vsockmon"] {
        if loaded().lines().any(|line| line.starts_with(&format!("{module} "))) {
            // Another test needed it.
            continue;
        }
        for dev in [Dev::from(module), Dev::from(format!("{module}:1"))] {
            assert!(conn.link_index(dev).await.unwrap_err().is_not_found());
        }
        let after = loaded();
        assert!(!after.lines().any(|line| line.starts_with(&format!("{module} "))), "{module}: {after}");
    }
    Ok(())
}
