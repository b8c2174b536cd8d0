//! Verbs, lists and policies on a thread without a runtime: the same code, the same requests.

use nl_core::route::RouteProtocol;
use nl_srv6::doctor::Doctor;
use nl_srv6::encap::Seg6;
use nl_srv6::policy::{CandidatePath, Headend, Policy, PolicySet};
use nl_srv6::routes::Srv6Routes;
use nl_srv6::sid::Sids;
use nl_testkit::{Lab, Result};

use crate::commands::{addr, segments};
use crate::support::{shown, world};

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn policies_and_sids_are_made_without_a_runtime(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let thread = std::thread::spawn(move || -> nl_core::Result<(usize, usize)> {
        assert!(tokio::runtime::Handle::try_current().is_err());
        let sids = Sids::new(conn.clone());
        sids.end("fcbb:0:a::".parse()?).counters().dev("d0").add().wait()?;
        let seg6 = Seg6::encap(segments(2));
        Srv6Routes::new(conn.clone()).entry("2001:db8:2::/48".parse()?, &seg6).dev("d0").add().wait()?;
        let policy = Policy::new(1, addr("fcbb:0:d::"))
            .path(CandidatePath::new(1).list(seg6))
            .prefix("2001:db8:3::/48".parse()?);
        let set = PolicySet::new("d0", 5000..=5009, RouteProtocol(200)).policy(policy);
        let plan = Headend::new(conn.clone()).apply(&set).wait()?;
        let findings = Doctor::new(conn).examine().wait()?;
        assert!(findings.iter().all(|finding| finding.to_string().contains("mend: ")), "{findings:?}");
        Ok((plan.steps().len(), sids.entries().list().wait()?.into_iter().count()))
    });
    let outcome = tokio::task::spawn_blocking(move || thread.join()).await?;
    assert_eq!(outcome.unwrap()?, (3, 1));
    for prefix in ["fcbb:0:a::", "2001:db8:2::/48", "2001:db8:3::/48"] {
        assert_eq!(shown(&node, prefix).await.len(), 1, "{prefix}");
    }
    Ok(())
}
