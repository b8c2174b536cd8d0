//! The configuration of the example `mptcp_path_managerd`.

#[path = "../../examples/mptcp_path_managerd/config.rs"]
mod config;

use config::Config;
use nl_mptcp::endpoint::EndpointFlags;
use nl_mptcp::endpoint_manager::EndpointPolicy;

#[test]
fn configuration_that_is_shipped_is_parsed() {
    let config =
        Config::parse(include_str!("../../examples/mptcp_path_managerd/mptcp-path-managerd.toml")).unwrap();
    assert_eq!(config.socket.as_deref().unwrap().to_str(), Some("/run/mptcp-path-managerd/status"));
    drop(config.userspace.unwrap().policy());
    let kernel = config.kernel.unwrap();
    assert!(kernel.remove_at_exit);
    let expected = EndpointPolicy::new()
        .interface("wwan*", EndpointFlags::SUBFLOW | EndpointFlags::BACKUP)
        .interface("*", EndpointFlags::SUBFLOW)
        .except("docker*")
        .limits(Some(8), None);
    assert_eq!(kernel.policy().unwrap(), expected);
}

#[test]
fn impossible_configuration_is_refused() {
    for (text, word) in [
        ("", "nothing to do"),
        ("[userspace]\npolicy = \"none\"\nbakcup = []", "bakcup"),
        ("[userspace]\npolicy = \"half\"", "half"),
        ("[kernel]\nids = [0, 9]", "1 to 255"),
        ("[kernel]\nids = [9, 8]", "1 to 255"),
        ("[kernel]\nids = [9, 256]", "256"),
        ("[kernel]\nnetworks = [\"192.0.2.0/33\"]", "33"),
        ("[[kernel.interface]]\nname = \"eth0\"\nflags = [\"subflows\"]", "subflows"),
    ] {
        let error = Config::parse(text).unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
    }
}
