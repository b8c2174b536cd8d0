//! Limits both ways. `ip -j mptcp limits` prints no JSON in iproute2 6.1, so the text is read.

use nl_testkit::{Lab, Result, by_kernel};

use crate::support::open;

#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn limits_equal_iproute2_both_ways(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mptcp = open(&node).await?;
    assert_eq!(mptcp.limits().get().await?, nl_mptcp::limits::Limits::default());

    mptcp.limits().add_addr_accepted(3).subflows(5).set().await?;
    assert_eq!(node.ip("mptcp limits show").await.trim(), "add_addr_accepted 3 subflows 5");
    // One stays when the other is set.
    mptcp.limits().subflows(8).set().await?;
    assert_eq!(node.ip("mptcp limits show").await.trim(), "add_addr_accepted 3 subflows 8");
    mptcp.limits().add_addr_accepted(0).set().await?;
    assert_eq!(node.ip("mptcp limits show").await.trim(), "add_addr_accepted 0 subflows 8");

    node.ip("mptcp limits set add_addr_accepted 7 subflows 1").await;
    let limits = mptcp.limits().get().await?;
    assert_eq!((limits.add_addr_accepted, limits.subflows), (7, 1));
    assert_eq!(limits.to_string(), "add_addr_accepted 7 subflows 1");
    Ok(())
}

#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn limit_above_maximum_returns_kernel_text(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mptcp = open(&node).await?;
    for limits in [mptcp.limits().subflows(1000), mptcp.limits().add_addr_accepted(1000).subflows(4)] {
        let error = limits.set().await.unwrap_err();
        assert!(error.to_string().contains("limit greater than maximum"), "{error}");
        assert!(error.to_string().starts_with("set mptcp limits"), "{error}");
    }
    // Neither was half carried out.
    assert_eq!(node.ip("mptcp limits show").await.trim(), "add_addr_accepted 0 subflows 2");

    // One more of either is too much.
    let most = by_kernel(8, &[((7, 2), 64)]);
    mptcp.limits().add_addr_accepted(most).subflows(most).set().await?;
    for limits in [mptcp.limits().add_addr_accepted(most + 1).subflows(1), mptcp.limits().subflows(most + 1)]
    {
        limits.set().await.unwrap_err();
    }
    mptcp.endpoints().flush().await?;
    let set = format!("add_addr_accepted {most} subflows {most}");
    assert_eq!(node.ip("mptcp limits show").await.trim(), set);

    let error = mptcp.limits().set().await.unwrap_err();
    assert!(error.is_usage(), "{error}");
    Ok(())
}
