//! Operations without privilege: the program has no capability when it opens its sockets and uses them.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nl_core::error::Errno;
use nl_core::{Connection, Error, Protocol, Result as CoreResult};
use nl_mptcp::diag::SockDiag;
use nl_mptcp::mib::Mib;
use nl_mptcp::path_manager::{FullMesh, PathManager};
use nl_mptcp::settings::{PathManagerType, Status};
use nl_mptcp::{AddressId, Mptcp};
use nl_testkit::{Lab, Need, Result};
use socket2::{Domain, Socket, Type};

use crate::support::{Net, Pair, counted, kernel, open};

/// The operation and its error; `None` if it succeeded.
async fn refused<T>(
    what: &'static str,
    outcome: impl Future<Output = CoreResult<T>>,
) -> (&'static str, Option<Error>) {
    (what, outcome.await.err())
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ip"))]
async fn changes_without_privilege_are_eperm(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    net.client.ip("mptcp endpoint add 10.0.2.1 id 9 subflow").await;
    let pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:5001").await?;
    let (token, near, far) =
        (pair.client.token(), pair.client.established.local, pair.client.established.remote);
    let errors = net.client.unprivileged(async move || {
        let mptcp = Mptcp::new(Connection::open(Protocol::Generic)?);
        let connection = mptcp.mptcp_connection(token);
        let (address, other): (IpAddr, IpAddr) = ([10, 0, 2, 1].into(), [10, 0, 2, 9].into());
        let second = connection
            .subflow(SocketAddr::new(address, 0), SocketAddr::new([10, 0, 2, 2].into(), 5001))
            .id(7);
        Ok::<_, Error>([
            refused("add mptcp endpoint 10.0.2.9 signal", mptcp.endpoint(other).signal().add()).await,
            refused("change mptcp endpoint 10.0.2.1 backup", mptcp.endpoint(address).backup().change()).await,
            refused("delete mptcp endpoint 10.0.2.1", mptcp.endpoint(address).delete()).await,
            refused("delete mptcp endpoint id 9", mptcp.endpoint(AddressId::new(9)).delete()).await,
            refused("drop the initial subflows of", mptcp.endpoint(address).drop_initial()).await,
            refused("flush mptcp endpoints", mptcp.endpoints().flush()).await,
            refused("set mptcp limits subflows 5", mptcp.limits().subflows(5).set()).await,
            refused("announce mptcp address 10.0.2.1 id 5", connection.address(address, 5).announce()).await,
            refused("withdraw mptcp address id 0", connection.withdraw(0)).await,
            refused("create mptcp subflow 10.0.2.1 id 7 to 10.0.2.2:5001", second.clone().create()).await,
            refused(
                "create mptcp subflow 10.0.2.1 id 7 to 10.0.2.2:5001",
                second.create_established(Duration::from_secs(9)),
            )
            .await,
            refused("change mptcp subflow", connection.subflow(near, far).backup().change()).await,
            refused("destroy mptcp subflow", connection.subflow(near, far).destroy()).await,
            refused("listen to mptcp events", mptcp.events()).await,
            refused("manage mptcp paths", PathManager::open(&mptcp, FullMesh::default())).await,
        ])
    });
    for (what, error) in errors.await?? {
        let error = error.ok_or(what)?;
        assert!(error.is_permission() && error.errno() == Some(Errno::EPERM), "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with(what) && text.ends_with(": Operation not permitted (EPERM)"),
            "{what}: {text}"
        );
    }
    let left = net.client.ip("mptcp endpoint show").await;
    assert_eq!(left.split_whitespace().collect::<Vec<_>>(), ["10.0.2.1", "id", "9", "subflow"]);
    assert_eq!(net.client.ip("mptcp limits show").await.trim(), "add_addr_accepted 0 subflows 2");
    Ok(())
}

/// The same as is read with every privilege, but for what the kernel keeps from others.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", sock_diag = "mptcp", tool = "ip"))]
async fn reading_needs_no_privilege(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    net.client.ip("mptcp endpoint add 10.0.2.1 id 9 subflow backup").await;
    net.client.ip("mptcp limits set subflows 3").await;
    let pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:5001").await?;
    pair.client.connection().address([10, 0, 2, 1].into(), 5).announce().await?;
    // Until the peer has answered, counters change.
    counted(&net.client, "EchoAdd", 1).await;
    let token = pair.client.token();
    let read = move || async move {
        let mptcp = Mptcp::new(Connection::open(Protocol::Generic)?);
        let diag = SockDiag::new(Connection::open(Protocol::SockDiag)?);
        let connections = diag.connections().list().await?;
        let addresses = match mptcp.mptcp_connection(token).list().await {
            Ok(list) => list.collect_all().await?,
            Err(error) if kernel() < (6, 10) && error.is_unsupported() => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok::<_, Error>((
            mptcp.limits().get().await?,
            mptcp.endpoints().list().await?.collect_all().await?,
            mptcp.endpoint(AddressId::new(9)).get().await?,
            addresses,
            diag.socket(token).await?.info.map(|info| info.token),
            connections,
            mptcp.settings()?.read()?,
            Mib::read()?,
        ))
    };
    let (limits, endpoints, endpoint, addresses, socket, connections, sysctl, mib) =
        net.client.unprivileged(read).await??;
    let all = net.client.run(read).await?;
    assert_eq!((limits.subflows, endpoints.len(), endpoint.id.get()), (3, 1, 9));
    assert_eq!((limits, endpoints, endpoint, addresses), (all.0, all.1, all.2, all.3));
    assert_eq!((socket, socket), (Some(token), all.4));
    assert_eq!((sysctl, mib), (all.6, all.7));

    // Which parts of it are reported to whom is the next test.
    assert_eq!((connections.len(), all.5.len()), (1, 1), "{connections:#?}");
    Ok(())
}

/// Where in the stream the subflow is, is for administrators; on older kernels, that it is a subflow at all.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", sock_diag = "mptcp"))]
async fn whoever_lacks_the_privilege_reads_a_part_of_a_subflow(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let _pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:5001").await?;
    let read = async || {
        let diag = SockDiag::new(Connection::open(Protocol::SockDiag)?);
        diag.connections().list().await
    };
    let (few, all) = (net.client.unprivileged(read).await??, net.client.run(read).await?);
    let ([few], [all]) = (&few[..], &all[..]) else { panic!("{few:#?}") };
    let all = all.subflows[0].mptcp.unwrap();
    assert!(all.map_seq.is_some() && all.ssn_offset.is_some(), "{all:?}");
    let Some(few) = few.subflows.first() else {
        return lab.skip(Need::Kernel("6.18".into()), "subflows are reported to administrators only");
    };
    assert!(kernel() > (6, 12), "{few:?}");
    let few = few.mptcp.unwrap();
    assert_eq!((few.token_loc, few.id_loc, few.flags), (all.token_loc, all.id_loc, all.flags));
    assert_eq!((few.map_seq, few.ssn_offset), (None, None), "{few:?}");
    Ok(())
}

/// With `enabled` 0 sockets cannot be created, and everything else works.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", sock_diag = "mptcp", tool = "ip"))]
async fn disabled_namespace_refuses_sockets_but_accepts_endpoints(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mptcp = open(&node).await?;
    let make = || Socket::new(Domain::IPV4, Type::STREAM, Some(socket2::Protocol::MPTCP)).map(drop);
    node.open(make).await?;
    assert_eq!(mptcp.status().await?, Status::On(PathManagerType::Kernel));
    mptcp.settings()?.set_enabled(false)?;
    assert_eq!(mptcp.status().await?, Status::Off);
    let error = node.open(make).await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::ENOPROTOOPT.get()));
    assert_eq!(mptcp.settings()?.read()?.enabled, Some(false));

    mptcp.endpoint(std::net::Ipv4Addr::new(10, 0, 2, 1)).signal().add().await?;
    assert!(node.ip("mptcp endpoint show").await.starts_with("10.0.2.1 id 1 signal"));
    drop(mptcp.events().await?);
    let diag = SockDiag::new(node.open(|| Connection::open(Protocol::SockDiag)).await?);
    assert_eq!(diag.connections().list().await?, []);
    Ok(())
}
