//! Every change of segment routes, SIDs and what is set by generic netlink, without privilege and of a device that is gone: the kind of the
//! error, its number, and what it says was asked. Keys and policies are in `keys.rs` and `policy.rs`.

use nl_core::error::{Errno, ErrorKind};
use nl_core::{Connection, Dev, Error, Protocol};
use nl_srv6::encap::Seg6;
use nl_srv6::routes::Srv6Routes;
use nl_srv6::sid::Sids;
use nl_srv6::tunnel_source::TunnelSource;
use nl_testkit::{Lab, Result};

use crate::commands::{addr, segments};
use crate::support::{shown, world};

/// The beginning of the operation, and the error; `None` for a success.
type Refused = (&'static str, Option<Error>);

async fn refused<T>(what: &'static str, outcome: impl Future<Output = nl_core::Result<T>>) -> Refused {
    (what, outcome.await.err())
}

/// The kernel refused it with this number, and the error says what was asked.
#[track_caller]
fn is((what, error): Refused, errno: Errno) -> Error {
    let error = error.ok_or_else(|| format!("{what}: not refused")).unwrap();
    assert!(matches!(error.kind(), ErrorKind::Kernel(_)), "{what}: {error}");
    assert_eq!(error.errno(), Some(errno), "{what}: {error}");
    assert!(error.operation().is_some_and(|operation| operation.starts_with(what)), "{what}: {error}");
    let text = error.to_string();
    assert!(text.lines().next().is_some_and(|line| line.ends_with(&errno.to_string())), "{text}");
    error
}

/// What makes routes over a device.
async fn makings(conn: &Connection, dev: &Dev) -> Vec<Refused> {
    let (routes, sids) = (Srv6Routes::new(conn.clone()), Sids::new(conn.clone()));
    let seg6 = Seg6::encap(segments(2));
    let route = || routes.entry("2001:db8:2::/48".parse().unwrap(), &seg6).dev(dev);
    let sid = || sids.end("fcbb:0:a::".parse().unwrap()).dev(dev);
    vec![
        refused("add route 2001:db8:2::/48 encap seg6", route().add()).await,
        refused("append route 2001:db8:2::/48 encap seg6", route().append()).await,
        refused("replace route 2001:db8:2::/48 encap seg6", route().replace()).await,
        refused("add route fcbb:0:a:: encap seg6local action End", sid().add()).await,
        refused("replace route fcbb:0:a:: encap seg6local action End", sid().replace()).await,
    ]
}

#[nl_testkit::test(needs(vm, link = "veth", genl = "SEG6", tool = "ip"), timeout = 60)]
async fn every_change_without_privilege_is_eperm_and_named(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    Sids::new(conn.clone()).end("fcbb:0:b::".parse()?).dev("d0").add().await?;
    let seg6 = Seg6::encap(segments(1));
    Srv6Routes::new(conn).entry("2001:db8:3::/48".parse()?, &seg6).dev("d0").add().await?;
    let errors = node
        .unprivileged(async move || {
            let conn = Connection::open(Protocol::Route)?;
            let mut errors = makings(&conn, &Dev::from("d0")).await;
            let (routes, sids) = (Srv6Routes::new(conn.clone()), Sids::new(conn));
            let (to, sid) = ("2001:db8:3::/48".parse().unwrap(), "fcbb:0:b::".parse().unwrap());
            errors.push(refused("delete route 2001:db8:3::/48", routes.entry(to, &seg6).delete()).await);
            errors.push(refused("delete route fcbb:0:b::", sids.sid(sid).delete()).await);
            let source = TunnelSource::new(Connection::open(Protocol::Generic)?);
            errors.push(refused("", source.set(addr("2001:db8::1"))).await);
            errors.push(refused("", source.clear()).await);
            errors.push(refused("", source.get()).await);
            // Reading takes no privilege.
            sids.sid(sid).get().await?;
            Ok::<_, Error>(errors)
        })
        .await??;
    assert_eq!(errors.len(), 10);
    for refused in errors {
        let error = is(refused, Errno::EPERM);
        assert!(error.is_permission() && !error.is_not_found(), "{error}");
    }
    assert_eq!(shown(&node, "2001:db8:2::/48").await.len(), 0);
    assert_eq!((shown(&node, "2001:db8:3::/48").await.len(), shown(&node, "fcbb:0:b::").await.len()), (1, 1));
    Ok(())
}

/// Between the look-up of a name and its next use, and behind an index.
#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn every_route_over_a_device_that_is_gone_is_enodev_and_named(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    for by_name in [true, false] {
        node.ip("link add gone type veth peer name other").await;
        // Remembered.
        let index = conn.link_index("gone").await?;
        node.ip("link delete gone").await;
        let dev = if by_name { Dev::from("gone") } else { Dev::from(index) };
        for refused in makings(&conn, &dev).await {
            let error = is(refused, Errno::ENODEV);
            assert!(error.is_not_found(), "{error}");
            assert!(error.operation().unwrap().contains(&format!(" dev {dev}")), "{error}");
        }
    }
    Ok(())
}

/// The kernel takes the routes of a device with it, and what they did is then not found.
#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn what_went_with_its_device_is_not_found(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let (routes, sids) = (Srv6Routes::new(conn.clone()), Sids::new(conn));
    let (to, sid, seg6) = ("2001:db8:2::/48".parse()?, "fcbb:0:a::".parse()?, Seg6::encap(segments(2)));
    routes.entry(to, &seg6).dev("d0").add().await?;
    sids.end(sid).dev("d0").add().await?;
    node.ip("link delete d0").await;
    for error in [
        routes.entry(to, &seg6).get().await.map(drop).unwrap_err(),
        routes.entry(to, &seg6).delete().await.map(drop).unwrap_err(),
        sids.sid(sid).get().await.map(drop).unwrap_err(),
        sids.sid(sid).delete().await.map(drop).unwrap_err(),
        sids.end(sid).delete().await.map(drop).unwrap_err(),
    ] {
        assert!(error.is_not_found(), "{error}");
        assert_eq!(error.errno(), Some(Errno::ESRCH), "{error}");
    }
    Ok(())
}
