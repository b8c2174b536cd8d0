use std::sync::Arc;

use nl_core::connection::{Connection, Protocol};
use nl_core::error::ErrorKind;
use nl_testkit::{Lab, Result};

use crate::support::route;

async fn generic(lab: &Lab) -> Result<Connection> {
    Ok(lab.node("a").await?.open(|| Connection::open(Protocol::Generic)).await?)
}

#[nl_testkit::test(needs(tool = "genl"))]
async fn a_family_has_the_number_version_and_groups_that_genl_shows(lab: Lab) -> Result {
    let conn = generic(&lab).await?;
    let family = conn.family("nlctrl").await?;
    let shown = lab.node("b").await?.command(["genl", "ctrl", "get", "name", "nlctrl"]).await.ok();
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    let id = format!("Name: nlctrl ID: {:#x} Version: {:#x}", family.id, family.version);
    assert!(words.contains(&id), "{id} is not in {words}");
    let group = family.group("notify")?;
    assert_eq!((family.id, group), (nl_core::genl::GENL_ID_CTRL, nl_core::genl::NOTIFY_GROUP));
    assert!(words.contains(&format!("ID-{group:#x} name: notify")), "{group:#x} is not in {words}");
    for operation in &family.operations {
        assert!(words.contains(&format!("ID-{:#x}", operation.id)), "{operation:?} is not in {words}");
    }
    assert!(!family.operations.is_empty());
    Ok(())
}

#[nl_testkit::test]
async fn a_family_the_kernel_does_not_have_is_unsupported(lab: Lab) -> Result {
    let error = generic(&lab).await?.family("no-such-family").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }) && error.is_unsupported(), "{error:?}");
    assert_eq!(
        error.to_string(),
        "resolve generic netlink family \"no-such-family\": generic netlink family \"no-such-family\" is not supported \
         by this kernel (needs a kernel built with it, or its module)"
    );
    Ok(())
}

#[nl_testkit::test]
async fn a_group_the_family_does_not_have_is_unsupported(lab: Lab) -> Result {
    let error = generic(&lab).await?.family("nlctrl").await?.group("nothing").unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("\"nothing\""), "{error}");
    Ok(())
}

#[nl_testkit::test]
async fn a_family_name_too_long_is_refused_with_the_limit(lab: Lab) -> Result {
    let conn = generic(&lab).await?;
    for name in ["", "sixteen-bytes-xx"] {
        let error = conn.family(name).await.unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("1 to 15"), "{error}");
    }
    let error = conn.family("nul\0byte").await.unwrap_err();
    assert!(error.is_usage(), "{error}");
    Ok(())
}

#[nl_testkit::test]
async fn families_are_not_looked_for_on_another_protocol(lab: Lab) -> Result {
    let error = route(&lab.node("a").await?).await.family("nlctrl").await.unwrap_err();
    assert_eq!(error.to_string(), "generic netlink families are on NETLINK_GENERIC, not NETLINK_ROUTE");
    Ok(())
}

#[nl_testkit::test]
async fn a_family_is_asked_for_once_until_it_is_forgotten(lab: Lab) -> Result {
    let conn = generic(&lab).await?;
    let first = conn.family("nlctrl").await?;
    assert!(Arc::ptr_eq(&first, &conn.clone().family("nlctrl").await?));
    conn.forget_family("nlctrl");
    let again = conn.family("nlctrl").await?;
    assert!(!Arc::ptr_eq(&first, &again));
    assert_eq!(first, again);
    Ok(())
}
