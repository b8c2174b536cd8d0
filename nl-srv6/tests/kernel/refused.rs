//! What a kernel takes and does not do, and what it refuses in words that lead astray.

use nl_core::error::ErrorKind;
use nl_srv6::encap::Seg6;
use nl_srv6::routes::Srv6Routes;
use nl_srv6::sid::{SidAction, Sids};
use nl_testkit::{Lab, Result, assert_older_than, kernel_version};

use crate::commands::{addr, segments};
use crate::support::{add_vrf, shown, world};

/// An error that names a release, on a kernel that is older.
fn is_unsupported(error: &nl_core::Error, feature: &str) {
    let ErrorKind::Unsupported { feature: named, since } = error.kind() else {
        unreachable!("{error}");
    };
    assert!(named.contains(feature), "{error}");
    let version = since.version().unwrap();
    assert_older_than(version.major, version.minor);
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn feature_that_the_kernel_ignores_is_unsupported_and_not_left_behind(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let sids = Sids::new(conn.clone());
    let sid = "fcbb:0:a::/48";
    let end_x = || sids.end_x(sid.parse().unwrap(), addr("2001:db8::9")).dev("d0");
    for (entry, since, feature) in [
        (sids.end(sid.parse()?).dev("d0").psp(), (6, 3), "flavour psp of End"),
        (end_x().next_csid(32, 16), (6, 6), "flavour next-csid of End.X"),
        (end_x().oif("d1"), (6, 17), "an output device of End.X"),
    ] {
        match entry.clone().add().await {
            Ok(_) => assert!(kernel_version() >= since, "{feature}"),
            Err(error) => {
                is_unsupported(&error, feature);
                assert!(
                    error.operation().unwrap().starts_with("add route fcbb:0:a::/48 encap seg6local"),
                    "{error}"
                );
                assert_eq!(shown(&node, sid).await, [] as [serde_json::Value; 0]);
                continue;
            }
        }
        sids.sid(sid.parse()?).delete().await?;
    }
    // `unchecked()` skips the read-back, so each kernel keeps what it knows.
    end_x().next_csid(32, 16).unchecked().add().await?;
    assert_eq!(sids.sid(sid.parse()?).get().await?.local.flavors.is_some(), kernel_version() >= (6, 6));
    sids.sid(sid.parse()?).delete().await?;

    let routes = Srv6Routes::new(conn);
    let seg6 = Seg6::encap(segments(2)).source(addr("2001:db8::fe"));
    match routes.entry("2001:db8:2::/48".parse()?, &seg6).dev("d0").add().await {
        Ok(_) => assert!(kernel_version() >= (7, 1)),
        Err(error) => {
            is_unsupported(&error, "a source address of the outer header");
            assert_eq!(shown(&node, "2001:db8:2::/48").await, [] as [serde_json::Value; 0]);
        }
    }
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", link = "vrf", tool = "ip"), timeout = 60)]
async fn vrf_that_is_not_strict_or_not_there_is_named(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    add_vrf(&node).await?;
    let sids = Sids::new(conn);
    let sid = "fcbb:0:a:d46::".parse()?;
    node.sysctl("net.vrf.strict_mode", "0").await?;
    let error = sids.end_dt46(sid, 100).add().await.unwrap_err();
    assert!(error.is_usage() && !error.is_permission(), "{error}");
    assert_eq!(
        error.to_string(),
        "add route fcbb:0:a:d46:: encap seg6local action End.DT46 vrftable 100 dev red: \
         net.vrf.strict_mode is 0 in this namespace; End.DT46 with the table of a VRF needs 1"
    );
    node.sysctl("net.vrf.strict_mode", "1").await?;
    let error = sids.end_dt4(sid, 7).add().await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("no VRF has table 7; make it first"), "{error}");
    let error = sids.end_dt4(sid, 7).dev("d0").add().await.unwrap_err();
    assert!(
        error.is_not_found() && error.to_string().contains("Table has no associated VRF device"),
        "{error}"
    );
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn devices_on_which_nothing_works_are_refused(lab: Lab) -> Result {
    let (_node, conn) = world(&lab).await?;
    let sids = Sids::new(conn.clone());
    let sid = "fcbb:0:a::".parse()?;
    let error = sids.end(sid).dev("lo").add().await.unwrap_err();
    assert!(
        error.is_usage()
            && error
                .to_string()
                .starts_with("add route fcbb:0:a:: encap seg6local action End dev lo: dev lo"),
        "{error}"
    );
    let error = sids.end(sid).add().await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("needs a device"), "{error}");
    let error = sids.end(sid).hmac(7).dev("d0").add().await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("an HMAC of End; End.B6 and"), "{error}");
    let error = sids.end_dx2(sid, "nodev").dev("d0").add().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(
        error.to_string(),
        "add route fcbb:0:a:: encap seg6local action End.DX2 oif nodev dev d0: No such device (ENODEV)"
    );
    let routes = Srv6Routes::new(conn);
    let seg6 = Seg6::encap(segments(1));
    let error = routes.entry("2001:db8:2::/48".parse()?, &seg6).dev("lo").add().await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("loses every packet"), "{error}");
    let error = routes.entry("2001:db8:2::/48".parse()?, &seg6).add().await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("needs a device"), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn route_with_other_segments_is_neither_deleted_nor_hidden(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let routes = Srv6Routes::new(conn);
    for prefix in ["2001:db8:2::/48", "198.51.100.0/24"] {
        let to = prefix.parse()?;
        let (there, other) = (Seg6::encap(segments(2)), Seg6::encap(segments(1)));
        routes.entry(to, &there).dev("d0").metric(7).add().await?;

        let error = routes.entry(to, &other).dev("d0").metric(7).add().await.unwrap_err();
        assert!(error.is_exists(), "{error}");
        let told = format!(
            " where {prefix} encap seg6 mode encap segs fcbb:0:1::,fcbb:0:2:: dev d0 proto boot{} metric 7",
            if prefix.contains(':') { "" } else { " scope link" }
        );
        let asked = format!("add route {prefix} encap seg6 mode encap segs fcbb:0:1:: dev d0 metric 7{told}");
        assert!(error.to_string().starts_with(&asked), "{error}");

        let error = routes.entry(to, &other).delete().await.unwrap_err();
        assert!(error.is_not_found() && error.to_string().contains(&told), "{error}");
        assert!(routes.entry(to, &other).get().await.unwrap_err().is_not_found());
        assert!(routes.entry(to, &Seg6::encap_red(segments(2))).delete().await.unwrap_err().is_not_found());
        assert_eq!(shown(&node, prefix).await.len(), 1);
        routes.entry(to, &there).delete().await?;
        assert_eq!(shown(&node, prefix).await.len(), 0);
    }
    // As the kernel does it, on request.
    let to = "2001:db8:2::/48".parse()?;
    routes.entry(to, &Seg6::encap(segments(2))).dev("d0").add().await?;
    routes.entry(to, &Seg6::encap(segments(1))).dev("d0").unchecked().delete().await?;
    assert_eq!(shown(&node, "2001:db8:2::/48").await.len(), 0);
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn sid_that_does_something_else_is_not_deleted(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let sids = Sids::new(conn);
    let sid = "fcbb:0:a::".parse()?;
    sids.end(sid).dev("d0").add().await?;
    let error = sids.end_t(sid, 300).delete().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(error.to_string().contains(" where fcbb:0:a:: encap seg6local action End dev d0 "), "{error}");
    let error = sids.end_t(sid, 300).dev("d0").add().await.unwrap_err();
    assert!(error.is_exists(), "{error}");
    sids.end(sid).delete().await?;

    // A route that is no SID is none.
    node.ip("-6 route add fcbb:0:a:: dev d0").await;
    let error = sids.sid(sid).delete().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(sids.sid(sid).get().await.unwrap_err().is_not_found());
    assert_eq!(shown(&node, "fcbb:0:a::").await.len(), 1);
    assert!(
        sids.entry("198.51.100.0/24".parse()?, SidAction::End).dev("d0").add().await.unwrap_err().is_usage()
    );
    Ok(())
}
