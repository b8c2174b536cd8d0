//! Every chapter of the tour, where the kernel has what it needs, with iproute2 and as much time as it takes.

use std::time::Duration;

use nl_core::netns::Netns;
use nl_testkit::{Lab, Result};
use nl_tour::{Chapter, Everything, FDB, LEAF, MACSEC, MPTCP, SEGMENTS, SHAPING, Story, VLANS};

nl_testkit::main!();

/// For an emulated machine. The claims are about what happens, and not about how fast.
const DEADLINE: Duration = Duration::from_secs(60);

async fn tell(chapter: &Chapter, lab: &Lab) -> Result {
    let mut story = Story::within(DEADLINE);
    chapter.tell(lab, &mut story).await?;
    story.summarize_checked()
}

#[nl_testkit::test(needs(link = "bridge", link = "veth", link = "vxlan", tool = "bridge", tool = "ip"))]
async fn chapter_fdb_proves_its_claims(lab: Lab) -> Result {
    tell(&FDB, &lab).await
}

#[nl_testkit::test(needs(link = "veth", qdisc = "htb", tool = "tc"))]
async fn chapter_shaping_proves_its_claims(lab: Lab) -> Result {
    tell(&SHAPING, &lab).await
}

#[nl_testkit::test(needs(
    link = "veth",
    qdisc = "htb",
    genl = "mptcp_pm",
    sysctl = "net.mptcp.enabled",
    sock_diag = "mptcp",
    tool = "ip",
    tool = "ss"
))]
async fn chapter_mptcp_proves_its_claims(lab: Lab) -> Result {
    tell(&MPTCP, &lab).await
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"))]
async fn chapter_segments_proves_its_claims(lab: Lab) -> Result {
    tell(&SEGMENTS, &lab).await
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "veth", link = "vxlan", tool = "bridge"),
    timeout = 120
)]
async fn chapter_vlans_proves_its_claims(lab: Lab) -> Result {
    tell(&VLANS, &lab).await
}

#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "veth", link = "vxlan", tool = "bridge"),
    timeout = 120
)]
async fn chapter_leaf_proves_its_claims(lab: Lab) -> Result {
    tell(&LEAF, &lab).await
}

#[nl_testkit::test(needs(link = "veth", link = "macsec", genl = "macsec", tool = "ip", host_root))]
async fn chapter_macsec_proves_its_claims(lab: Lab) -> Result {
    tell(&MACSEC, &lab).await
}

/// The entries of the batch, each of which is added and deleted.
const BULK: u64 = 10_000;

#[nl_testkit::test(needs(link = "bridge", link = "veth", link = "vxlan", tool = "bridge", tool = "ip"))]
async fn one_stream_reports_every_namespace_of_a_chapter(lab: Lab) -> Result {
    let listener = lab.node("listener").await?;
    let everything = Everything::open(&Netns::fd(listener.netns_fd())?)?;
    everything.follow(&lab, FDB.title);
    let mut story = Story::within(DEADLINE);
    FDB.tell(&lab, &mut story).await?;
    let happened = everything.finish(DEADLINE)?;
    happened.prove(&mut story);
    story.summarize_checked()?;

    assert_eq!(happened.namespaces(), lab.nodes().len() - 1, "{happened}");
    assert!(happened.count("FDB") >= 2 * BULK || happened.overruns() > 0, "{happened}");
    for label in ["ADDR", "LINK", "NSID"] {
        assert!(happened.count(label) >= 3, "{label}: {happened}");
    }
    let text = happened.to_string();
    assert!(text.lines().count() == 3 && text.contains(FDB.title), "{text}");
    println!("{text}");
    Ok(())
}

/// With chapters of which each has nodes of its own, as in the tour.
#[nl_testkit::test(
    needs(bridge_vlan_filtering, link = "veth", link = "vxlan", qdisc = "htb", tool = "bridge", tool = "tc"),
    timeout = 240
)]
async fn one_stream_distinguishes_chapters(lab: Lab) -> Result {
    let listener = lab.node("listener").await?;
    let everything = Everything::open(&Netns::fd(listener.netns_fd())?)?;
    let mut story = Story::within(DEADLINE);
    for chapter in [VLANS, LEAF, SHAPING] {
        let lab = Lab::new("chapter")?;
        everything.follow(&lab, chapter.title);
        chapter.tell(&lab, &mut story).await?;
    }
    let happened = everything.finish(DEADLINE)?;
    happened.prove(&mut story);
    story.summarize_checked()?;
    let text = happened.to_string();
    assert_eq!(text.lines().count(), 7, "{text}");
    for (label, title) in [("VLAN", VLANS.title), ("FDB", LEAF.title), ("CLASS", SHAPING.title)] {
        let counts = text.lines().skip_while(|line| !line.contains(title)).nth(1).unwrap_or_default();
        assert!(counts.contains(&format!("{label} ")), "{label} in {title}: {text}");
    }
    println!("{text}");
    Ok(())
}
