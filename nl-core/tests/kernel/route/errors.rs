//! What an error says: the operation, the caller's names, the attribute.

use nl_core::addr::Dev;
use nl_core::error::Errno;
use nl_core::route::{NextHop, Routes};
use nl_core::{Connection, Protocol};
use nl_testkit::{Lab, Result};

use super::support::{open, world};

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn refused_route_is_named_with_its_device(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    let to = "198.51.100.0/24".parse()?;
    let entry = || routes.entry(to).via("192.0.2.1".parse().unwrap()).dev("d0");
    entry().add().await?;
    let error = entry().add().await.unwrap_err();
    assert!(error.is_exists(), "{error}");
    let text = "add route 198.51.100.0/24 via 192.0.2.1 dev d0: File exists (EEXIST)";
    assert_eq!(error.to_string(), text);

    entry().delete().await?;
    let error = entry().delete().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    let text = "delete route 198.51.100.0/24 via 192.0.2.1 dev d0: No such process (ESRCH)";
    assert_eq!(error.to_string().lines().next(), Some(text));

    let error = routes.entry(to).via("203.0.113.1".parse()?).add().await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::new(101)), "{error}");
    assert!(error.to_string().contains("Nexthop has invalid gateway"), "{error}");

    let error = routes.entry(to).get().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.operation(), Some("get route 198.51.100.0/24"));

    node.ip("link property add dev d0 altname a-long-alternative-name").await;
    let by_altname = routes.entry(to).dev("a-long-alternative-name").via("203.0.113.1".parse()?);
    let error = by_altname.add().await.unwrap_err();
    assert!(error.to_string().contains(" dev a-long-alternative-name:"), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn device_that_does_not_exist_is_named_with_the_route(lab: Lab) -> Result {
    let (_node, routes) = world(&lab).await?;
    let to = "198.51.100.0/24".parse()?;
    let error = routes.entry(to).dev("nodev").add().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.to_string(), "add route 198.51.100.0/24 dev nodev: No such device (ENODEV)");

    let hops = [NextHop::via("192.0.2.1".parse()?), NextHop::on("nodev")];
    let error = routes.entry(to).nexthops(hops).add().await.unwrap_err();
    let text = "add route 198.51.100.0/24 nexthop via 192.0.2.1 weight 1 nexthop dev nodev weight 1: No such device (ENODEV)";
    assert_eq!(error.to_string(), text);

    let error = routes.resolve("198.51.100.1".parse()?).oif("nodev").get().await.unwrap_err();
    assert_eq!(error.to_string(), "get route 198.51.100.1 dev nodev: No such device (ENODEV)");
    let error = routes.entries().dev("nodev").list().await.unwrap_err();
    assert_eq!(error.to_string(), "list routes dev nodev: No such device (ENODEV)");
    let error = routes.entry(to).dev(Dev::Index(0)).add().await.unwrap_err();
    assert!(error.is_usage(), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn attribute_that_is_refused_is_named(lab: Lab) -> Result {
    let (_node, routes) = world(&lab).await?;
    let to = "198.51.100.0/24".parse()?;
    let error = routes.entry(to).dev("d0").cc_algo("no-such-algo").add().await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
    assert!(error.to_string().contains("Unknown tcp congestion algorithm"), "{error}");
    let error = routes.entry(to).nhid(4711).add().await.unwrap_err();
    assert!(error.kernel().is_some(), "{error}");
    assert!(error.to_string().contains("Nexthop id does not exist"), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "ip"))]
async fn route_change_without_privilege_reports_eperm(lab: Lab) -> Result {
    let (node, _) = world(&lab).await?;
    let error = node
        .unprivileged(|| async {
            let routes = Routes::new(Connection::open(Protocol::Route).unwrap());
            routes.entry("198.51.100.0/24".parse().unwrap()).blackhole().add().await.unwrap_err().to_string()
        })
        .await?;
    assert_eq!(error, "add route blackhole 198.51.100.0/24: Operation not permitted (EPERM)");
    Ok(())
}

#[nl_testkit::test]
async fn routes_are_not_looked_for_on_another_protocol(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let routes = Routes::new(node.open(|| Connection::open(Protocol::Generic)).await?);
    let error = routes.entry("198.51.100.0/24".parse()?).blackhole().add().await.unwrap_err();
    let text = "add route blackhole 198.51.100.0/24: routes are on NETLINK_ROUTE, not NETLINK_GENERIC";
    assert_eq!(error.to_string(), text);
    let error = routes.entries().list().await.unwrap_err();
    assert_eq!(error.to_string(), "list routes: routes are on NETLINK_ROUTE, not NETLINK_GENERIC");
    Ok(())
}

#[nl_testkit::test]
async fn flush_of_everything_is_refused(lab: Lab) -> Result {
    let routes = open(&lab.node("a").await?).await?;
    for entries in [routes.entries(), routes.entries().ipv4()] {
        let error = entries.flush().await.unwrap_err();
        assert!(error.is_usage(), "{error}");
    }
    Ok(())
}
