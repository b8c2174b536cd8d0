//! Invalid input and wrong circumstances: each is an error that names the cause.

use std::net::SocketAddr;

use nl_core::error::Errno;
use nl_core::{Connection, Protocol};
use nl_mptcp::{Mptcp, Token};
use nl_testkit::{Lab, Result, eventually};

use crate::support::{Net, Pair, SOON, kernel, open};

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn unknown_token_returns_kernel_text(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mptcp = open(&node).await?;
    let connection = mptcp.mptcp_connection(Token::new(0x0a1b_2c3d));
    let (near, far) = (at("10.0.0.1:1"), at("10.0.0.2:2"));
    let errors = [
        connection.address(near.ip(), 5).announce().await.unwrap_err(),
        connection.withdraw(5).await.unwrap_err(),
        connection.subflow(near, far).id(5).create().await.unwrap_err(),
        connection.subflow(near, far).destroy().await.unwrap_err(),
        connection.subflow(near, far).backup().change().await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
        // Linux 6.1 has no words for the last one.
        let words = kernel() >= (6, 12) || !error.to_string().starts_with("change");
        assert_eq!(error.to_string().contains("invalid token"), words, "{error}");
        assert!(error.to_string().contains("token 0a1b2c3d"), "{error}");
    }
    Ok(())
}

/// The path manager of a connection is that of the moment it was made.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn kernel_managed_connection_refuses_requests(lab: Lab) -> Result {
    let net = Net::new(&lab).await?;
    let pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:5001").await?;
    net.client.sysctl("net.mptcp.pm_type", "1").await?;
    let connection = pair.client.connection();
    let (near, far) = (at("10.0.2.1:1"), at("10.0.2.2:5001"));
    for error in [
        connection.address(near.ip(), 5).announce().await.unwrap_err(),
        connection.withdraw(5).await.unwrap_err(),
        connection.subflow(near, far).id(5).create().await.unwrap_err(),
        connection.subflow(near, far).destroy().await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("userspace PM not selected"), "{error}");
    }
    Ok(())
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn closed_connection_has_invalid_token(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let mut pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:5001").await?;
    let token = pair.client.token();
    pair.close();
    let closed = |event: &nl_mptcp::event::MptcpEvent| {
        matches!(event, nl_mptcp::event::MptcpEvent::Closed { .. }).then_some(())
    };
    pair.client.next("the connection to be closed", closed).await;
    // The kernel sends the event shortly before it releases the token.
    let refused = async || {
        let error = pair.client.mptcp.mptcp_connection(token).withdraw(1).await.unwrap_err();
        error.to_string().contains("invalid token").then_some(())
    };
    eventually(SOON, refused, "the token to be refused").await;
    Ok(())
}

/// Found before the kernel is asked, so no connection is needed.
#[nl_testkit::test(needs(genl = "mptcp_pm"))]
async fn ambiguous_input_is_refused_before_the_kernel_is_asked(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mptcp = open(&node).await?;
    let connection = mptcp.mptcp_connection(Token::new(1));
    let (near, far) = (at("10.0.0.1:0"), at("10.0.0.2:2"));
    let (near6, mapped) = (at("[2001:db8::1]:0"), at("[::ffff:10.0.0.1]:0"));
    let v4 = std::net::Ipv4Addr::new(10, 0, 0, 1);
    for (error, word) in [
        (connection.subflow(near, far).create().await.unwrap_err(), "id of its local address"),
        (connection.subflow(near, at("10.0.0.2:0")).id(5).create().await.unwrap_err(), "remote port 0"),
        (connection.subflow(near6, far).id(5).create().await.unwrap_err(), "IPv4 or IPv6 at both ends"),
        (connection.subflow(near, far).destroy().await.unwrap_err(), "port 0"),
        (connection.subflow(near6, far).destroy().await.unwrap_err(), "IPv4 or IPv6 at both ends"),
        (connection.subflow(near, far).dev(3).change().await.unwrap_err(), "interface"),
        (connection.subflow(near, far).change().await.unwrap_err(), "nothing to change"),
        (connection.subflow(near, far).backup().nobackup().change().await.unwrap_err(), "exclude each other"),
        (connection.subflow(near, far).id(5).nobackup().create().await.unwrap_err(), "change()"),
        (connection.address(near.ip(), 0).announce().await.unwrap_err(), "1 to 255"),
        (connection.address(near.ip(), 5).port(0).announce().await.unwrap_err(), "port 0"),
        (mptcp.endpoint(nl_mptcp::AddressId::INITIAL).delete().await.unwrap_err(), "1 to 255"),
        (mptcp.endpoint(nl_mptcp::AddressId::INITIAL).get().await.unwrap_err(), "1 to 255"),
        (mptcp.endpoint(nl_mptcp::AddressId::new(4)).add().await.unwrap_err(), "address"),
        (mptcp.endpoint(nl_mptcp::AddressId::new(4)).drop_initial().await.unwrap_err(), "address"),
        (mptcp.endpoint(v4).port(80).subflow().add().await.unwrap_err(), "signal"),
        (mptcp.endpoint(v4).port(80).signal().subflow().add().await.unwrap_err(), "excludes subflow"),
        (mptcp.endpoint(v4).port(0).signal().add().await.unwrap_err(), "port 0"),
        (
            mptcp.endpoint(v4).flags(nl_mptcp::endpoint::EndpointFlags::IMPLICIT).add().await.unwrap_err(),
            "implicit",
        ),
        (mptcp.endpoint(v4).nobackup().add().await.unwrap_err(), "change()"),
        (mptcp.endpoint(v4).change().await.unwrap_err(), "nothing to change"),
        (mptcp.endpoint(v4).signal().change().await.unwrap_err(), "only backup and fullmesh"),
        (mptcp.endpoint(v4).backup().nobackup().change().await.unwrap_err(), "both"),
        (mptcp.endpoint(v4).dev(0).add().await.unwrap_err(), "interface index 0"),
    ] {
        assert!(error.is_usage(), "{error}");
        assert!(error.to_string().contains(word), "{word}: {error}");
        assert!(error.operation().is_some_and(|operation| operation.contains("mptcp")), "{error}");
    }
    // That one is right, and refused for its token only.
    let error = connection.subflow(mapped, far).id(5).create().await.unwrap_err();
    assert!(error.to_string().contains("invalid token"), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(genl = "mptcp_pm"))]
async fn connection_of_another_protocol_is_refused(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mptcp = Mptcp::new(node.open(|| Connection::open(Protocol::Route)).await?);
    for error in [
        mptcp.limits().get().await.unwrap_err(),
        mptcp.events().await.unwrap_err(),
        mptcp.endpoints().list().await.unwrap_err(),
    ] {
        assert!(error.is_usage() && error.to_string().contains("NETLINK_GENERIC"), "{error}");
    }
    Ok(())
}

/// The kernel takes the words of an endpoint, and does not take them together.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"))]
async fn id_of_another_address_is_refused(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:5001").await?;
    let connection = pair.client.connection();
    connection.address(at("10.0.2.1:0").ip(), 5).announce().await?;
    for error in [
        connection.address(at("10.0.2.1:0").ip(), 6).announce().await.unwrap_err(),
        connection.address(at("10.0.2.9:0").ip(), 5).announce().await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("did not match address and id"), "{error}");
    }
    let far = at("10.0.2.2:5001");
    let error = connection.subflow(at("10.0.2.9:0"), far).id(9).create().await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EADDRNOTAVAIL), "{error}");
    Ok(())
}
