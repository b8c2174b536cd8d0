//! What the kernel says when it refuses, and what becomes of it.

use nl_core::Request;
use nl_core::connection::{Connection, Protocol};
use nl_core::error::{AttrName, Errno, Names};
use nl_core::message::{AF_BRIDGE, GenlHeader, IfInfoMsg, MessageRef, NLM_F_CREATE, NLM_F_EXCL, NdMsg};
use nl_testkit::{Lab, Result};

use crate::support::{
    FDB, IFLA_IFNAME, IFLA_LINKINFO, IFLA_MTU, LINK, NDA_LLADDR, RTM_NEWLINK, describe_fdb, describe_link,
    new_link, route,
};

#[nl_testkit::test(needs(link = "bridge"))]
async fn the_text_of_the_kernel_is_in_the_error(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.add_bridge("br0").await?;
    let index = node.index_of("br0").await?;
    let header = NdMsg { family: AF_BRIDGE, index, state: 0x80, flags: 2, kind: 0 };
    let mut request =
        Request::new(28, &FDB, describe_fdb).with_flags(NLM_F_CREATE | NLM_F_EXCL).with_header(&header);
    request.attrs().bytes(NDA_LLADDR, &[2, 0, 0, 0, 0, 1]).u32(5, 10);
    let error = route(&node).await.ack(request).await.unwrap_err();
    let text = error.to_string();
    let first =
        format!("add fdb on #{index}: Invalid argument (EINVAL)\n  kernel: \"invalid vlan attribute size\"");
    assert!(text.starts_with(&first), "{text}");
    Ok(())
}

#[nl_testkit::test]
async fn an_attribute_of_the_wrong_size_is_named(lab: Lab) -> Result {
    let mut request = Request::new(RTM_NEWLINK, &LINK, describe_link)
        .with_header(&IfInfoMsg { index: 1, ..IfInfoMsg::default() });
    request.attrs().str(IFLA_IFNAME, "lo").u16(IFLA_MTU, 1500);
    let error = route(&lab.node("a").await?).await.ack(request).await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ERANGE));
    assert_eq!(error.attribute().and_then(|path| path.name()), Some("IFLA_MTU"), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge"))]
async fn an_attribute_inside_nests_is_named_with_its_path(lab: Lab) -> Result {
    let mut request = Request::new(RTM_NEWLINK, &LINK, describe_link)
        .with_flags(NLM_F_CREATE | NLM_F_EXCL)
        .with_header(&IfInfoMsg::default());
    request.attrs().str(IFLA_IFNAME, "br0").nested(IFLA_LINKINFO).str(1, "bridge").nested(2).u8(1, 9);
    let error = route(&lab.node("a").await?).await.ack(request).await.unwrap_err();
    let path = error.attribute().unwrap();
    assert_eq!(path.to_string(), "IFLA_LINKINFO → IFLA_INFO_DATA → IFLA_BR_FORWARD_DELAY", "{error}");
    assert!(path.kinds().eq([18, 2, 1]));
    Ok(())
}

#[nl_testkit::test(needs(genl = "netdev"))]
async fn a_missing_attribute_is_named(lab: Lab) -> Result {
    static NETDEV: Names = Names::new(4, &[AttrName::new(1, "NETDEV_A_DEV_IFINDEX")]);

    fn describe_netdev(_: MessageRef<'_>) -> String {
        "get device features".into()
    }
    let conn = lab.node("a").await?.open(|| Connection::open(Protocol::Generic)).await?;
    let family = conn.family("netdev").await?;
    let header = GenlHeader { command: 1, version: 1 };
    let error =
        conn.ack(Request::new(family.id, &NETDEV, describe_netdev).with_header(&header)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("get device features: Invalid argument (EINVAL)\n"), "{text}");
    assert!(text.ends_with("missing: NETDEV_A_DEV_IFINDEX"), "{text}");
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge"))]
async fn the_usual_questions_are_answered_by_the_errno(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await;
    conn.ack(new_link("d0", "bridge")).await?;
    let exists = conn.ack(new_link("d0", "bridge")).await.unwrap_err();
    assert!(exists.is_exists() && !exists.is_not_found(), "{exists}");
    assert!(exists.to_string().starts_with("change link d0: File exists (EEXIST)"), "{exists}");
    let unsupported = conn.ack(new_link("d1", "no-such-kind")).await.unwrap_err();
    assert!(unsupported.is_unsupported(), "{unsupported}");
    Ok(())
}

#[nl_testkit::test]
async fn a_message_type_nobody_handles_is_unsupported(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await;
    let request = Request::unnamed(0x3ff).with_header(&IfInfoMsg::default());
    let error = conn.ack(request).await.unwrap_err();
    assert_eq!(error.to_string(), "netlink request of type 1023: Operation not supported (EOPNOTSUPP)");
    assert!(error.is_unsupported());
    Ok(())
}
