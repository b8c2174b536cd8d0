//! Multipath TCP on a real kernel, checked with iproute2.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops where it fails"
)]

mod diag;
mod mib;
mod socket;

use nl_core::{Connection, Protocol};
use nl_mptcp::FAMILY;
use nl_mptcp::endpoint::{Endpoint, EndpointVerb};
use nl_testkit::{Lab, Result};

nl_testkit::main!();

#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"))]
async fn iproute2_shows_an_endpoint_of_ours(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = node.open(|| Connection::open(Protocol::Generic)).await?;
    let endpoint = Endpoint::new("192.0.2.1".parse()?).id(5).signal();
    node.run(move || async move {
        let family = conn.family(FAMILY).await?.id;
        conn.ack(endpoint.request(family, EndpointVerb::Add)).await
    })
    .await?;
    let shown = node.json("ip -j mptcp endpoint show").await;
    assert_eq!((&shown[0]["address"], &shown[0]["id"]), (&"192.0.2.1".into(), &5.into()), "{shown:#}");
    Ok(())
}
