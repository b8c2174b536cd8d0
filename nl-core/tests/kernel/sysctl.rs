//! Switches of a namespace, against the files as the node sees them.

use nl_core::error::Errno;
use nl_core::netns::Netns;
use nl_core::sysctl::Sysctl;
use nl_testkit::{Lab, Node, Result};

use crate::support::route;

async fn file(node: &Node, path: &str) -> String {
    node.command(["cat", &format!("/proc/sys/{path}")]).await.ok().trim().to_owned()
}

#[nl_testkit::test(needs(sysctl = "net.ipv4.ip_forward"))]
async fn switches_are_set_in_the_namespace_of_the_connection(lab: Lab) -> Result {
    let (node, other) = (lab.node("a").await?, lab.node("b").await?);
    let sysctl = Sysctl::new(&route(&node).await)?;
    let (before, elsewhere) =
        (file(&node, "net/ipv4/ip_forward").await, file(&other, "net/ipv4/ip_forward").await);
    assert_eq!(sysctl.read("net.ipv4.ip_forward")?, Some(before.clone()));
    let changed = if before == "0" { 1 } else { 0 };
    sysctl.write("net.ipv4.ip_forward", changed)?;
    assert_eq!(file(&node, "net/ipv4/ip_forward").await, changed.to_string());
    assert_eq!(file(&other, "net/ipv4/ip_forward").await, elsewhere);
    assert_eq!(sysctl.number("net/ipv4/ip_forward")?, Some(changed));

    let netns = Netns::path(node.netns_path())?;
    assert_eq!(Sysctl::of(&netns).number("net.ipv4.ip_forward")?, Some(changed));
    let current = node.run(|| async { Sysctl::current().number::<u8>("net.ipv4.ip_forward") }).await?;
    assert_eq!(current, Some(changed));
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge"))]
async fn a_device_with_a_dot_in_its_name_is_found(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.add_link("d0.100", "bridge").await?;
    let sysctl = Sysctl::new(&route(&node).await)?;
    sysctl.write("net.ipv4.conf.d0/100.rp_filter", 2)?;
    assert_eq!(file(&node, "net/ipv4/conf/d0.100/rp_filter").await, "2");
    sysctl.write("net/ipv4/conf/d0.100/rp_filter", "1")?;
    assert_eq!(sysctl.read("net.ipv4.conf.d0/100.rp_filter")?.as_deref(), Some("1"));
    Ok(())
}

#[nl_testkit::test]
async fn values_of_several_words_are_kept(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let sysctl = Sysctl::new(&route(&node).await)?;
    sysctl.write("net.ipv4.ip_local_port_range", "20000 30000")?;
    assert_eq!(sysctl.read("net.ipv4.ip_local_port_range")?.as_deref(), Some("20000\t30000"));
    let error = sysctl.number::<u32>("net.ipv4.ip_local_port_range").unwrap_err();
    assert!(error.to_string().starts_with("read net.ipv4.ip_local_port_range: "), "{error}");
    Ok(())
}

#[nl_testkit::test]
async fn errors_name_the_switch(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let sysctl = Sysctl::new(&route(&node).await)?;
    assert_eq!(sysctl.read("net.ipv4.conf.nope.rp_filter")?, None);
    assert_eq!(sysctl.number::<u8>("net.no.such")?, None);
    let error = sysctl.write("net.ipv4.conf.nope.rp_filter", 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "write 1 to net.ipv4.conf.nope.rp_filter: No such file or directory (ENOENT)"
    );
    assert_eq!(error.errno(), Some(Errno::ENOENT));
    let error = sysctl.write("net.ipv4.ip_local_port_range", "30000 20000").unwrap_err();
    let text = "write 30000 20000 to net.ipv4.ip_local_port_range: Invalid argument (EINVAL)";
    assert_eq!(error.to_string(), text);
    let error = sysctl.write("net.ipv4.ip_forward", "").unwrap_err();
    assert!(error.is_usage(), "{error}");
    let error = sysctl.write("kernel.hostname", "x").unwrap_err();
    assert!(error.is_usage() && error.to_string().starts_with("write x to kernel.hostname: "), "{error}");
    assert!(sysctl.read("net/../kernel/hostname").unwrap_err().is_usage());
    // It can only be written; some kernels show it to nobody but the machine's own root.
    if let Err(error) = sysctl.read("net.ipv4.route.flush") {
        assert!(
            error.is_permission() && error.to_string().starts_with("read net.ipv4.route.flush: "),
            "{error}"
        );
    }
    Ok(())
}
