//! A client with two uplinks, each with a router, and no routing policy rules.

use std::time::Duration;

use nl_mptcp::path_manager::FullMesh;
use nl_testkit::{Lab, Need, Result, eventually};

use crate::path_manager::{Connections, Manager, by_ss};
use crate::support::{Net, kernel};

/// The client has 10.0.N.1 on `wanN`, and a default route by the router N with metric N00. The server has 10.0.2N.2 on `lanN`. The
/// routers drop what comes from addresses that are not behind the interface (`rp_filter`).
async fn two_uplinks(lab: &Lab) -> Result<Net> {
    let (client, server) = (lab.node("client").await?, lab.node("server").await?);
    for node in [&client, &server] {
        node.up("lo").await?;
        node.sysctl("net.mptcp.pm_type", "1").await?;
        // Strict would drop what arrives by the second uplink, whatever sends it.
        node.sysctl("net.ipv4.conf.all.rp_filter", "2").await?;
    }
    for path in [1, 2] {
        let router = lab.node(&format!("router{path}")).await?;
        router.up("lo").await?;
        router.sysctl("net.ipv4.ip_forward", "1").await?;
        let (wan, lan) = (format!("wan{path}"), format!("lan{path}"));
        client.add_veth(&wan, &router, "wan").await?;
        server.add_veth(&lan, &router, "lan").await?;
        for (node, dev, address) in [
            (&client, wan.as_str(), format!("10.0.{path}.1/24")),
            (&router, "wan", format!("10.0.{path}.254/24")),
            (&server, lan.as_str(), format!("10.0.2{path}.2/24")),
            (&router, "lan", format!("10.0.2{path}.254/24")),
        ] {
            node.ip(&format!("address add {address} dev {dev}")).await;
            node.up(dev).await?;
        }
        for dev in ["all", "wan", "lan"] {
            router.sysctl(&format!("net.ipv4.conf.{dev}.rp_filter"), "1").await?;
        }
        client.wait_carrier(&wan).await?;
        server.wait_carrier(&lan).await?;
        client.ip(&format!("route add default via 10.0.{path}.254 dev {wan} metric {path}00")).await;
        server.ip(&format!("route add 10.0.{path}.0/24 via 10.0.2{path}.254 dev {lan}")).await;
        // Each address of the server is behind each router.
        let other = 3 - path;
        router.ip(&format!("route add 10.0.2{other}.2/32 via 10.0.2{path}.2 dev lan")).await;
    }
    Ok(Net { client, server })
}

#[nl_testkit::test(
    needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss", sock_diag = "mptcp"),
    timeout = 60
)]
async fn full_mesh_uses_both_uplinks_without_rules(lab: Lab) -> Result {
    if kernel() < (6, 7) {
        return lab.skip(Need::Kernel("6.7".into()), "the kernel does not bind new subflows to interfaces");
    }
    let net = two_uplinks(&lab).await?;
    let client = Manager::start(&net.client, None, FullMesh::new()).await?;
    let server = Manager::start(&net.server, None, ()).await?;
    let mut connections = Connections::new(&net).await?;
    connections.connect_between(&net, "10.0.1.1", "10.0.21.2:5001").await?;
    let from = async |wanted: &[&str]| {
        let listed = by_ss(&net.client).await;
        let ends = listed.values().next()?;
        let found: Vec<_> = ends.iter().map(|(local, ..)| local.ip().to_string()).collect();
        (found == wanted).then_some(())
    };
    let both = ["10.0.1.1", "10.0.2.1"];
    eventually(Duration::from_secs(2), async || from(&both).await, "a subflow by each uplink").await;
    let wan2 = net.client.index_of("wan2").await?;
    let state = client.state().await;
    let bound = |s: &nl_mptcp::path_manager::SubflowState| s.index == Some(wan2);
    assert!(state.table.connections().all(|c| c.subflows.iter().any(bound)), "{:#?}", state.table);
    drop(connections);
    client.stop().await;
    server.stop().await;
    Ok(())
}
