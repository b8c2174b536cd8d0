//! What an error says: the operation, the caller's names.

use nl_testkit::{Lab, Result};

use super::support::world;

#[nl_testkit::test(needs(link = "veth", link = "bridge", tool = "ip"))]
async fn refused_nexthop_is_named_with_its_device(lab: Lab) -> Result {
    let (_node, nexthops) = world(&lab).await?;
    let entry = || nexthops.entry(1).via("192.0.2.1".parse().unwrap()).dev("d0");
    entry().add().await?;
    let error = entry().add().await.unwrap_err();
    assert!(error.is_exists(), "{error}");
    let text = "add nexthop id 1 via 192.0.2.1 dev d0: File exists (EEXIST)";
    assert_eq!(error.to_string().lines().next(), Some(text));

    let error = nexthops.entry(9).delete().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.operation(), Some("delete nexthop id 9"));
    let error = nexthops.entry(9).get().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.operation(), Some("get nexthop id 9"));

    let error = nexthops.entry(2).dev("nodev").add().await.unwrap_err();
    assert_eq!(error.to_string(), "add nexthop id 2 dev nodev: No such device (ENODEV)");
    let error = nexthops.entry(10).group([1, 77]).add().await.unwrap_err();
    assert_eq!(error.operation(), Some("add nexthop id 10 group 1/77"));
    assert!(error.kernel().is_some_and(|kernel| kernel.ext_ack.message.is_some()), "{error}");
    let error = nexthops.entries().master("nodev").list().await.unwrap_err();
    assert_eq!(error.to_string(), "list nexthops master nodev: No such device (ENODEV)");
    assert!(nexthops.entries().flush().await.unwrap_err().is_usage());
    Ok(())
}
