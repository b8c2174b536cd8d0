//! What is wrong on a real kernel is found, and gone once the command that mends it was run.

use nl_srv6::doctor::Doctor;
use nl_testkit::{Lab, Node, Result};

use crate::support::{add_vrf, lines, network, open, world};

/// Runs a command that the doctor printed.
pub(crate) async fn run(node: &Node, command: &str) -> Result {
    if let Some(words) = command.strip_prefix("ip ") {
        node.ip(words).await;
        return Ok(());
    }
    for switch in command.strip_prefix("sysctl -w ").unwrap().split(' ') {
        let (name, value) = switch.split_once('=').unwrap();
        node.sysctl(name, value).await?;
    }
    Ok(())
}

async fn found(node: &Node) -> Result<Vec<String>> {
    let findings = Doctor::new(open(node).await?).examine().await?;
    Ok(findings.iter().map(ToString::to_string).collect())
}

#[nl_testkit::test(needs(vm, link = "veth", link = "vrf", tool = "ip"), timeout = 60)]
async fn faults_are_found_and_gone_when_they_are_mended(lab: Lab) -> Result {
    let (node, _) = world(&lab).await?;
    node.sysctl("net.ipv6.conf.all.forwarding", "0").await?;
    node.sysctl("net.ipv4.ip_forward", "1").await?;
    node.sysctl("net.ipv4.conf.all.rp_filter", "1").await?;
    add_vrf(&node).await?;
    lines(
        &node,
        &[
            "-6 route add fcbb:0:a:d46:: encap seg6local action End.DT46 vrftable 100 dev red",
            "-6 route add fcbb:0:a:1:: encap seg6local action End dev lo",
            "-6 route add 2001:db8:2::/48 encap seg6 mode encap segs fcbb:0:b:: dev d0",
            "-6 route add fcbb:0:c::/48 encap seg6 mode encap segs fcbb:0:c:9:: dev d1",
        ],
    )
    .await;
    let all = found(&node).await?;
    for part in [
        "vrftable 100 dev red: rp_filter of red is 1",
        "action End dev lo: it is on a loopback device",
        "dev d0: no route leads to the first segment fcbb:0:b::",
        "dev d1: the first segment fcbb:0:c:9:: takes the same route again",
        "net.ipv6.conf.all.forwarding: packets are not forwarded",
    ] {
        assert_eq!(all.iter().filter(|line| line.contains(part)).count(), 1, "{part} in {all:#?}");
    }
    assert_eq!(all.len(), 5, "{all:#?}");

    node.sysctl("net.ipv6.conf.all.forwarding", "1").await?;
    node.sysctl("net.ipv4.conf.all.rp_filter", "0").await?;
    node.sysctl("net.ipv4.conf.red.rp_filter", "0").await?;
    lines(
        &node,
        &[
            "-6 route del fcbb:0:a:1:: dev lo",
            "-6 route add fcbb:0:a:1:: encap seg6local action End dev d0",
            "-6 route add fcbb:0:b:: via 2001:db8::9",
            "-6 route add fcbb:0:c:9:: via 2001:db8:f::9",
        ],
    )
    .await;
    assert_eq!(found(&node).await?, [] as [&str; 0]);

    // The VRF goes, and the device.
    node.ip("link del red").await;
    node.ip("-6 route add fcbb:0:a:2:: encap seg6local action End.DX2 oif d1 dev d0").await;
    node.ip("link set d1 down").await;
    let all = found(&node).await?;
    assert!(all.iter().any(|line| line.contains("oif d1 dev d0: output device d1 is down")), "{all:#?}");
    Ok(())
}

#[nl_testkit::test(needs(vm, host_root, genl = "SEG6", link = "veth", tool = "ip"), timeout = 60)]
async fn missing_key_is_found(lab: Lab) -> Result {
    let net = network(&lab).await?;
    net.a.ip("-6 route add 2001:db8:2::/64 encap seg6 mode encap segs fcbb:0:b:: hmac 42 dev b").await;
    let all = found(&net.a).await?;
    assert!(all.len() == 1 && all[0].contains("there is no HMAC key 42"), "{all:#?}");
    let keys = nl_srv6::hmac::HmacKeys::new(crate::support::generic(&net.a).await?);
    let secret = nl_srv6::hmac::HmacSecret::new(b"secret".to_vec());
    keys.key(42).set(nl_srv6::hmac::HmacAlgorithm::Sha256, &secret).await?;
    assert_eq!(found(&net.a).await?, [] as [&str; 0]);
    Ok(())
}

/// The only finding has this in its line; with the printed command, in which a word is replaced, it is gone.
async fn is_found_and_mended(node: &Node, part: &str, (word, by): (&str, &str)) -> Result {
    let findings = Doctor::new(open(node).await?).examine().await?;
    let [finding] = &findings[..] else { unreachable!("{part}: {findings:#?}") };
    assert!(finding.to_string().contains(part), "{part}: {finding}");
    run(node, &finding.mend().unwrap().replace(word, by)).await?;
    assert_eq!(found(node).await?, [] as [&str; 0], "{part}");
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", link = "vrf", tool = "ip"), timeout = 60)]
async fn printed_command_mends_each_fault_of_one_node(lab: Lab) -> Result {
    let (node, _) = world(&lab).await?;
    add_vrf(&node).await?;
    node.sysctl("net.ipv6.conf.all.forwarding", "1").await?;
    node.sysctl("net.ipv4.ip_forward", "1").await?;
    assert_eq!(found(&node).await?, [] as [&str; 0]);
    const AS_IT_IS: (&str, &str) = ("", "");

    node.ip("-6 route add fcbb:0:a:6:: encap seg6local action End.DT6 table 100 count dev d0").await;
    let part = "table 100 is that of VRF red, but packets do not come from the VRF";
    is_found_and_mended(&node, part, AS_IT_IS).await?;
    let shown = node.ip("-6 route show table all exact fcbb:0:a:6::").await;
    assert!(shown.lines().count() == 1 && shown.contains("vrftable 100"), "{shown}");

    node.sysctl("net.vrf.strict_mode", "0").await?;
    is_found_and_mended(&node, "net.vrf.strict_mode: a SID with the table of a VRF", AS_IT_IS).await?;

    node.ip("-6 route add fcbb:0:a:7:: encap seg6local action End.X nh6 fe80::9 dev d0").await;
    let part = "router fe80::9 is link-local, and there is no output device";
    is_found_and_mended(&node, part, ("ROUTER", "2001:db8::9")).await?;

    lines(
        &node,
        &[
            "-6 route add fcbb::/32 via 2001:db8::9",
            "-6 route add unreachable default metric 4278198272 vrf red",
            "-6 route add 2001:db8:2::/48 vrf red encap seg6 mode encap segs fcbb:0:b:: dev d0",
        ],
    )
    .await;
    let part = "fcbb:0:b:: comes from VRF red, whose default route is unreachable";
    is_found_and_mended(&node, part, AS_IT_IS).await?;

    node.ip(
        "-6 route add 2001:db8:3::/48 encap seg6 mode encap.red segs fcbb:0:b::,fcbb:0:b::,fcbb:0:c:: dev d0",
    )
    .await;
    is_found_and_mended(&node, "the first segment fcbb:0:b:: is there twice", AS_IT_IS).await?;
    let shown = node.ip("-6 route show table all exact 2001:db8:3::/48").await;
    assert!(shown.lines().count() == 1 && shown.contains("segs 2 [ fcbb:0:b:: fcbb:0:c:: ]"), "{shown}");

    node.sysctl("net.ipv6.conf.d0.seg6_enabled", "1").await?;
    is_found_and_mended(&node, "net.ipv6.conf.all.seg6_enabled: packets with segments", AS_IT_IS).await?;
    node.sysctl("net.ipv6.conf.d0.seg6_enabled", "0").await?;
    let part = "net.ipv6.conf.INTERFACE.seg6_enabled: packets with segments";
    is_found_and_mended(&node, part, ("INTERFACE", "d0")).await
}
