//! The examples of the crates, as programs: this binary is one of them when the variable names it.

use std::process::{Command, ExitCode, Stdio, Termination};

use nl_testkit::Node;

#[path = "../../../../nl-bridge/examples/bridge_fdb.rs"]
mod bridge_fdb;
#[path = "../../../../nl-bridge/examples/bridge_link.rs"]
mod bridge_link;
#[path = "../../../../nl-bridge/examples/bridge_mdb.rs"]
mod bridge_mdb;
#[path = "../../../../nl-events/examples/bridge_monitor_fdb.rs"]
mod bridge_monitor_fdb;
#[path = "../../../../nl-bridge/examples/bridge_mst.rs"]
mod bridge_mst;
#[path = "../../../../nl-bridge/examples/bridge_vlan.rs"]
mod bridge_vlan;
#[path = "../../../../nl-bridge/examples/bridge_vlan_tunnel.rs"]
mod bridge_vlan_tunnel;
#[path = "../../../../nl-bridge/examples/bridge_vni.rs"]
mod bridge_vni;
#[path = "../../../../nl-bridge/examples/cni_plugin.rs"]
mod cni_plugin;
#[path = "../../../../nl-bridge/examples/doctor.rs"]
mod doctor;
#[path = "../../../../nl-bridge/examples/evpn_leaf.rs"]
mod evpn_leaf;
#[path = "../../../../nl-core/examples/genl_ctrl.rs"]
mod genl_ctrl;
#[path = "../../../../nl-core/examples/ip_address.rs"]
mod ip_address;
#[path = "../../../../nl-core/examples/ip_link.rs"]
mod ip_link;
#[path = "../../../../nl-core/examples/ip_link_blocking.rs"]
mod ip_link_blocking;
#[path = "../../../../nl-core/examples/ip_link_set.rs"]
mod ip_link_set;
#[path = "../../../../nl-macsec/examples/ip_macsec.rs"]
mod ip_macsec;
#[path = "../../../../nl-events/examples/ip_monitor.rs"]
mod ip_monitor;
#[path = "../../../../nl-mptcp/examples/ip_mptcp.rs"]
mod ip_mptcp;
#[path = "../../../../nl-core/examples/ip_neighbour.rs"]
mod ip_neighbour;
#[path = "../../../../nl-core/examples/ip_nexthop.rs"]
mod ip_nexthop;
#[path = "../../../../nl-core/examples/ip_route.rs"]
mod ip_route;
#[path = "../../../../nl-core/examples/ip_rule.rs"]
mod ip_rule;
#[path = "../../../../nl-srv6/examples/ip_sr.rs"]
mod ip_sr;
#[path = "../../../../nl-bridge/examples/leaf_agent.rs"]
mod leaf_agent;
#[path = "../../../../nl-macsec/examples/macsec_static.rs"]
mod macsec_static;
#[expect(unused_imports, reason = "its unit tests need the harness that this binary has not")]
#[path = "../../../../nl-events/examples/monitor/main.rs"]
mod monitor;
#[path = "../../../../nl-mptcp/examples/mptcp_path_manager.rs"]
mod mptcp_path_manager;
#[path = "../../../../nl-mptcp/examples/mptcp_path_managerd/main.rs"]
mod mptcp_path_managerd;
#[path = "../../../../nl-mptcp/examples/mptcp_policies/main.rs"]
mod mptcp_policies;
#[path = "../../../../nl-mptcp/examples/nstat_mptcp.rs"]
mod nstat_mptcp;
#[path = "../../../../nl-core/examples/rtnetlink_beside.rs"]
mod rtnetlink_beside;
#[path = "../../../../nl-srv6/examples/srv6_doctor.rs"]
mod srv6_doctor;
#[path = "../../../../nl-mptcp/examples/ss_mptcp.rs"]
mod ss_mptcp;
#[path = "../../../../nl-core/examples/sysctl.rs"]
mod sysctl;
#[path = "../../../../nl-tc/examples/tc_actions.rs"]
mod tc_actions;
#[path = "../../../../nl-tc/examples/tc_blocking.rs"]
mod tc_blocking;
#[path = "../../../../nl-tc/examples/tc_cni_bandwidth.rs"]
mod tc_cni_bandwidth;
#[path = "../../../../nl-tc/examples/tc_drr.rs"]
mod tc_drr;
#[path = "../../../../nl-tc/examples/tc_ets.rs"]
mod tc_ets;
#[path = "../../../../nl-tc/examples/tc_filter.rs"]
mod tc_filter;
#[path = "../../../../nl-tc/examples/tc_hfsc.rs"]
mod tc_hfsc;
#[path = "../../../../nl-tc/examples/tc_host_queues.rs"]
mod tc_host_queues;
#[path = "../../../../nl-tc/examples/tc_htb.rs"]
mod tc_htb;
#[path = "../../../../nl-tc/examples/tc_pair.rs"]
mod tc_pair;
#[path = "../../../../nl-tc/examples/tc_qfq.rs"]
mod tc_qfq;
#[path = "../../../../nl-tc/examples/tc_sqm.rs"]
mod tc_sqm;

/// The variable that names the example.
pub(crate) const EXAMPLE: &str = "NL_GUIDE_EXAMPLE";

/// Is the example of this name, with the arguments of this process.
pub(crate) fn run(name: &str) -> ExitCode {
    match name {
        "bridge_fdb" => bridge_fdb::main().report(),
        "bridge_link" => bridge_link::main().report(),
        "bridge_mdb" => bridge_mdb::main().report(),
        "bridge_monitor_fdb" => bridge_monitor_fdb::main().report(),
        "bridge_mst" => bridge_mst::main().report(),
        "bridge_vlan" => bridge_vlan::main().report(),
        "bridge_vlan_tunnel" => bridge_vlan_tunnel::main().report(),
        "bridge_vni" => bridge_vni::main().report(),
        "cni_plugin" => cni_plugin::main().report(),
        "doctor" => doctor::main().report(),
        "evpn_leaf" => evpn_leaf::main().report(),
        "genl_ctrl" => genl_ctrl::main().report(),
        "ip_address" => ip_address::main().report(),
        "ip_link" => ip_link::main().report(),
        "ip_link_blocking" => ip_link_blocking::main().report(),
        "ip_link_set" => ip_link_set::main().report(),
        "ip_macsec" => ip_macsec::main().report(),
        "ip_monitor" => ip_monitor::main().report(),
        "ip_mptcp" => ip_mptcp::main().report(),
        "ip_neighbour" => ip_neighbour::main().report(),
        "ip_nexthop" => ip_nexthop::main().report(),
        "ip_route" => ip_route::main().report(),
        "ip_rule" => ip_rule::main().report(),
        "ip_sr" => ip_sr::main().report(),
        "leaf_agent" => leaf_agent::main().report(),
        "macsec_static" => macsec_static::main().report(),
        "monitor" => monitor::main().report(),
        "mptcp_path_manager" => mptcp_path_manager::main().report(),
        "mptcp_path_managerd" => mptcp_path_managerd::main().report(),
        "mptcp_policies" => mptcp_policies::main().report(),
        "nstat_mptcp" => nstat_mptcp::main().report(),
        "rtnetlink_beside" => rtnetlink_beside::main().report(),
        "srv6_doctor" => srv6_doctor::main().report(),
        "ss_mptcp" => ss_mptcp::main().report(),
        "sysctl" => sysctl::main().report(),
        "tc_actions" => tc_actions::main().report(),
        "tc_blocking" => tc_blocking::main().report(),
        "tc_cni_bandwidth" => tc_cni_bandwidth::main().report(),
        "tc_drr" => tc_drr::main().report(),
        "tc_ets" => tc_ets::main().report(),
        "tc_filter" => tc_filter::main().report(),
        "tc_hfsc" => tc_hfsc::main().report(),
        "tc_host_queues" => tc_host_queues::main().report(),
        "tc_htb" => tc_htb::main().report(),
        "tc_pair" => tc_pair::main().report(),
        "tc_qfq" => tc_qfq::main().report(),
        "tc_sqm" => tc_sqm::main().report(),
        _ => {
            eprintln!("there is no example {name}");
            ExitCode::FAILURE
        }
    }
}

/// A command that is an example: its name, and its arguments.
pub(crate) fn command(line: &str) -> Command {
    let mut words = line.split_whitespace();
    let mut command = Command::new("/proc/self/exe");
    command.env(EXAMPLE, words.next().unwrap_or_default()).args(words).stdin(Stdio::null());
    // Of the set-ups of nl-tc, which show rates for that long.
    command.env("SECONDS", "1");
    command
}

/// Runs an example inside a node to its end, and returns what it printed.
pub(crate) async fn example(node: &Node, line: impl Into<String>) -> String {
    let line = line.into();
    let started = line.clone();
    let output = node.open(move || command(&started).output()).await.unwrap();
    let (printed, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "`{line}` ended with {}\n{printed}{complaint}", output.status);
    printed.into_owned()
}
