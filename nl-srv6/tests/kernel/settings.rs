//! Settings against `sysctl`.

use nl_core::error::Errno;
use nl_srv6::settings::{FlowLabel, RequireHmac, Settings};
use nl_testkit::{Lab, Result};

use crate::support::{add_vrf, world};

#[nl_testkit::test(needs(vm, link = "veth", link = "vrf", tool = "ip"), timeout = 60)]
async fn settings_are_those_of_the_namespace(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    node.ip("link set d1 down").await;
    node.ip("link set d1 name eth0.100").await;
    let settings = Settings::new(&conn)?;
    settings.set_enabled("d0", true)?;
    assert!(settings.enabled("d0")? && !settings.is_effective("d0")?);
    settings.set_enabled("all", true)?;
    assert!(settings.is_effective("d0")? && !settings.is_effective("eth0.100")?);
    assert_eq!(node.sysctl_read("net.ipv6.conf.d0.seg6_enabled").await?, "1");
    settings.set_enabled("eth0.100", true)?;
    assert!(settings.is_effective("eth0.100")?);

    for require in [RequireHmac::Never, RequireHmac::IfPresent, RequireHmac::Always] {
        settings.set_require_hmac("d0", require)?;
        assert_eq!(settings.require_hmac("d0")?, require);
        assert_eq!(node.sysctl_read("net.ipv6.conf.d0.seg6_require_hmac").await?, require.to_string());
    }
    let error = settings.set_require_hmac("all", RequireHmac::Always).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("has no effect"), "{error}");
    for label in [FlowLabel::Zero, FlowLabel::Copy, FlowLabel::Hash] {
        settings.set_flow_label(label)?;
        assert_eq!(settings.flow_label()?, label);
        assert_eq!(node.sysctl_read("net.ipv6.seg6_flowlabel").await?, label.to_string());
    }
    assert!(settings.set_flow_label(FlowLabel::Other(2)).unwrap_err().is_usage());
    settings.set_forwarding("all", true)?;
    assert!(settings.forwarding("d0")?);
    add_vrf(&node).await?;
    settings.set_vrf_strict_mode(false)?;
    assert!(!settings.vrf_strict_mode()?);
    settings.set_vrf_strict_mode(true)?;
    assert_eq!(node.sysctl_read("net.vrf.strict_mode").await?, "1");
    let error = settings.enabled("nodev").unwrap_err();
    assert!(
        error.is_unsupported() && error.to_string().contains("net/ipv6/conf/nodev/seg6_enabled"),
        "{error}"
    );
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", link = "vrf", tool = "ip"), timeout = 60)]
async fn strict_mode_while_two_vrfs_have_one_table_is_busy_and_named(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    node.ip("link add red type vrf table 100").await;
    let settings = Settings::new(&conn)?;
    settings.set_vrf_strict_mode(false)?;
    node.ip("link add blue type vrf table 100").await;
    let error = settings.set_vrf_strict_mode(true).unwrap_err();
    assert!(error.is_busy() && !error.is_unsupported(), "{error}");
    assert_eq!(error.errno(), Some(Errno::EBUSY));
    let text = "write 1 to net.vrf.strict_mode: Device or resource busy (EBUSY)";
    assert_eq!(error.to_string(), text);
    assert_eq!(node.sysctl_read("net.vrf.strict_mode").await?, "0");
    node.ip("link delete blue").await;
    settings.set_vrf_strict_mode(true)?;
    assert_eq!(node.sysctl_read("net.vrf.strict_mode").await?, "1");
    Ok(())
}
