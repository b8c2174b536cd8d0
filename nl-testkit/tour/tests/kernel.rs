//! Every chapter of the tour, where the kernel has what it needs, with iproute2 and as much time as it takes.

use std::time::Duration;

use nl_testkit::{Lab, Result};
use nl_tour::{Chapter, FDB, LEAF, MACSEC, MPTCP, SEGMENTS, SHAPING, Story, VLANS};

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
