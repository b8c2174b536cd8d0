//! The switches, against the files as the node sees them.

use std::time::Duration;

use nl_mptcp::settings::PathManagerType;
use nl_testkit::{Lab, Result};

use crate::support::{kernel, open};

#[nl_testkit::test(needs(sysctl = "net.mptcp.enabled", genl = "mptcp_pm"))]
async fn settings_are_set_in_namespace_of_the_connection(lab: Lab) -> Result {
    let (node, other) = (lab.node("a").await?, lab.node("b").await?);
    let settings = open(&node).await?.settings()?;
    let before = settings.read()?;
    assert_eq!(before.enabled, Some(true));
    assert_eq!(before.path_manager, Some(PathManagerType::Kernel));

    settings.set_enabled(false)?;
    settings.set_path_manager(&PathManagerType::Userspace)?;
    settings.set_add_addr_timeout(Duration::from_secs(7))?;
    settings.set_allow_join_initial_addr_port(false)?;
    settings.set_checksum_enabled(true)?;
    settings.set_stale_loss_cnt(9)?;
    for (name, value) in [
        ("enabled", "0"),
        ("pm_type", "1"),
        ("add_addr_timeout", "7"),
        ("allow_join_initial_addr_port", "0"),
        ("checksum_enabled", "1"),
        ("stale_loss_cnt", "9"),
    ] {
        assert_eq!(node.sysctl_read(&format!("net.mptcp.{name}")).await?, value, "{name}");
    }
    if kernel() >= (6, 15) {
        assert_eq!(node.sysctl_read("net.mptcp.path_manager").await?, "userspace");
    }
    // An unknown name does not change the setting.
    settings.set_path_manager(&PathManagerType::Other("nobody".into())).unwrap_err();
    assert_eq!(node.sysctl_read("net.mptcp.pm_type").await?, "1");
    // Nowhere else.
    assert_eq!(other.sysctl_read("net.mptcp.enabled").await?, "1");
    assert_eq!(other.sysctl_read("net.mptcp.pm_type").await?, "0");

    let values = settings.read()?;
    assert_eq!(values.path_manager, Some(PathManagerType::Userspace));
    assert_eq!((values.enabled, values.checksum_enabled), (Some(false), Some(true)));
    assert_eq!(values.add_addr_timeout, Some(Duration::from_secs(7)));
    assert_eq!(values.stale_loss_cnt, Some(9));
    settings.set_path_manager(&PathManagerType::Kernel)?;
    assert_eq!(node.sysctl_read("net.mptcp.pm_type").await?, "0");
    Ok(())
}

/// Settings that the kernel has are read and set; the others are unsupported.
#[nl_testkit::test(needs(sysctl = "net.mptcp.enabled", genl = "mptcp_pm"))]
async fn missing_setting_is_unsupported(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let settings = open(&node).await?.settings()?;
    let values = settings.read()?;
    let there = |name: &'static str| {
        let node = node.clone();
        async move { node.sysctl_read(&format!("net.mptcp.{name}")).await.is_ok() }
    };
    assert_eq!(values.close_timeout.is_some(), there("close_timeout").await);
    assert_eq!(values.blackhole_timeout.is_some(), there("blackhole_timeout").await);
    assert_eq!(values.scheduler.is_some(), there("scheduler").await);
    assert_eq!(values.available_schedulers.is_some(), there("available_schedulers").await);
    assert_eq!(values.available_path_managers.is_some(), there("available_path_managers").await);
    assert_eq!(values.add_addr_v6_port_drop_ts.is_some(), there("add_addr_v6_port_drop_ts").await);
    let seconds = Duration::from_secs(30);
    let retransmissions = there("syn_retrans_before_tcp_fallback").await;
    for (has, outcome) in [
        (there("close_timeout").await, settings.set_close_timeout(seconds)),
        (there("blackhole_timeout").await, settings.set_blackhole_timeout(seconds)),
        (there("scheduler").await, settings.set_scheduler("default")),
        (retransmissions, settings.set_syn_retrans_before_tcp_fallback(3)),
    ] {
        match outcome {
            Ok(()) => assert!(has),
            Err(error) => assert!(!has && error.is_unsupported(), "{error}"),
        }
    }
    if there("close_timeout").await {
        assert_eq!(node.sysctl_read("net.mptcp.close_timeout").await?, "30");
    }
    Ok(())
}

#[nl_testkit::test(needs(sysctl = "net.mptcp.enabled", genl = "mptcp_pm"))]
async fn invalid_settings_are_refused(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let settings = open(&node).await?.settings()?;
    let error = settings.set_add_addr_timeout(Duration::from_millis(1500)).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("1.5s"), "{error}");
    let error = settings.set_path_manager(&PathManagerType::Other("nobody".into())).unwrap_err();
    assert!(error.to_string().contains("nobody"), "{error}");
    for name in ["", "two words"] {
        assert!(settings.set_scheduler(name).unwrap_err().is_usage());
    }
    assert_eq!(node.sysctl_read("net.mptcp.pm_type").await?, "0");
    Ok(())
}
