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
    assert_eq!(kernel.policy(), expected);
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

/// The line and the column, and what is possible there.
#[test]
fn fault_of_a_configuration_is_named_with_its_place() {
    for (line, text, word) in [
        (3, "[userspace]\npolicy = \"fullmesh\"\nbakcup = []", "bakcup"),
        (2, "[kernel]\nids = [9, 8]\nexact = true", "1 to 255"),
        (3, "[kernel]\nexact = true\nnetworks = [\"192.0.2.0/33\"]", "33"),
        (4, "[kernel]\n[[kernel.interface]]\nname = \"*\"\nflags = [\"subflow\", \"implicit\"]", "laminar"),
        (4, "[userspace]\npolicy = \"fullmesh\"\n[[userspace.interface]]\nflags = [\"laminar\"]", "laminar"),
        (3, "[userspace]\npolicy = \"fullmesh\"\nretry-first = 0", "zero"),
        (2, "[kernel]\nsubflows = -1", "-1"),
        (1, "[kernel", "]"),
        (2, "[userspace]\npolicy = \"fulmesh\"", "line 2, column 10"),
        (3, "[kernel]\nsubflows = 1\nendpionts = 2", "line 3, column 1"),
    ] {
        let error = Config::parse(text).unwrap_err().to_string();
        assert!(error.contains(&format!("line {line}, column ")) && error.contains(word), "{word}: {error}");
    }
}

#[test]
fn key_that_its_policy_does_not_use_is_refused() {
    for (text, word) in [
        ("policy = \"ndiffports\"", "subflows"),
        ("policy = \"ndiffports\"\nsubflows = 2\nexcept = [\"eth1\"]", "except"),
        ("policy = \"none\"\nsubflows = 2", "none"),
        ("policy = \"none\"\n[[userspace.interface]]\nname = \"*\"\nflags = []", "interface"),
    ] {
        let error = Config::parse(&format!("[userspace]\n{text}")).unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
    }
    for text in ["policy = \"ndiffports\"\nsubflows = 2\nbackup = [\"wwan*\"]", "policy = \"none\""] {
        drop(Config::parse(&format!("[userspace]\n{text}")).unwrap().userspace.unwrap().policy());
    }
}
